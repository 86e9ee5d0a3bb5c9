/* SPDX-License-Identifier: MIT
 *
 * rt:stats(): how a runtime is doing, in numbers. All but the lateness of its deadlines is counted
 * when somebody asks, by walking over what there is.
 *
 * The bytes that the library itself has outside of Lua are not among them: C has no portable way to
 * ask how large a block is, and to keep the size beside each would cost every service.
 */
#include "lua/stats.h"

#include "lua/supervisor.h"

#include <string.h>

static void set_integer(lua_State *L, const char *field, uint64_t value) {
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, field);
}

static void set_seconds(lua_State *L, const char *field, int64_t value_ns) {
    lua_pushnumber(L, sut_seconds(value_ns));
    lua_setfield(L, -2, field);
}

/* ---- counting ---- */

struct census {
    uint64_t supervisors; /* that are served */
    uint64_t services;    /* their children that are no supervisors */
    uint64_t coroutines;  /* that live, of services */
};

static uint64_t length_of(const struct sut_list *list) {
    uint64_t length = 0;
    for (const struct sut_list *node = list->next; node != list; node = node->next)
        length++;
    return length;
}

static void count_children(struct census *census, const struct sut_supervisor *sup) {
    for (struct sut_service *service = sut_supervisor_first(sup); service;
         service = sut_service_next(service)) {
        if (sut_service_child(service) || service->retired) continue;
        census->services++;
        if (sut_service_of(service)->co.thread) census->coroutines++;
    }
}

static struct census count(const struct sut_lua_runtime *rt) {
    struct census census = {0};
    for (struct sut_list *node = rt->supervisors.next; node != &rt->supervisors;
         node = node->next) {
        const struct sut_supervisor *sup =
            &SUT_CONTAINER(node, struct sut_lua_supervisor, all)->core;
        if (!sut_supervisor_running(sup) && sup->state != SUT_SUPERVISOR_STOPPING) continue;
        census.supervisors++;
        count_children(&census, sup);
    }
    return census;
}

static uint64_t count_waiting(const struct sut_events *events) {
    uint64_t waiting = 0;
    for (const struct sut_event *event = events->first; event; event = event->next)
        waiting++;
    return waiting;
}

/* ---- the table ---- */

static void set_lag(lua_State *L, const struct sut_lag *lag) {
    lua_createtable(L, 0, 5);
    set_seconds(L, "p50", sut_lag_part(lag, 0.5));
    set_seconds(L, "p99", sut_lag_part(lag, 0.99));
    set_seconds(L, "max", lag->max_ns);
    set_integer(L, "count", lag->count);
    set_seconds(L, "since", lag->since_ns);
    lua_setfield(L, -2, "lag");
}

static void set_events(lua_State *L, const struct sut_events *events) {
    uint64_t waiting = count_waiting(events);
    lua_createtable(L, 0, 3);
    set_integer(L, "told", events->last_seq - waiting);
    set_integer(L, "waiting", waiting);
    set_integer(L, "last_seq", events->last_seq);
    lua_setfield(L, -2, "events");
}

/* While Lua collects it does not say, from 5.4.4 on. */
static void set_memory(lua_State *L) {
    int kilobytes = lua_gc(L, LUA_GCCOUNT);
    lua_createtable(L, 0, 1);
    if (kilobytes >= 0)
        set_integer(L, "lua", (uint64_t)kilobytes * 1024 + (uint64_t)lua_gc(L, LUA_GCCOUNTB));
    lua_setfield(L, -2, "memory");
}

/* True when the options ask for the counting to begin anew. */
static bool check_options(lua_State *L) {
    bool reset;
    if (lua_isnoneornil(L, 2)) return false;
    if (!lua_istable(L, 2)) sut_misuse(L, "stats", "opts", "a table", 2);
    for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1))
        if (lua_type(L, -2) != LUA_TSTRING || strcmp(lua_tostring(L, -2), "reset") != 0)
            sut_misuse(L, "stats", "opts", "a table with no field but 'reset'", lua_gettop(L) - 1);
    lua_pushliteral(L, "reset");
    if (lua_rawget(L, 2) != LUA_TBOOLEAN && !lua_isnil(L, -1))
        sut_misuse(L, "stats", "reset", "a boolean", lua_gettop(L));
    reset = lua_toboolean(L, -1);
    return reset;
}

int sut_runtime_stats(lua_State *L) {
    struct sut_lua_runtime *rt = sut_check_runtime(L, 1);
    bool reset = check_options(L);
    struct census census;
    lua_createtable(L, 0, 8);
    census = count(rt); /* from here on a finalizer may change what there is */
    set_integer(L, "ready",
                length_of(&rt->rt.ready) + length_of(&rt->rt.round) + length_of(&rt->rt.preempted));
    set_integer(L, "timers", rt->rt.deadlines.count);
    set_integer(L, "coroutines", census.coroutines);
    set_integer(L, "supervisors", census.supervisors);
    set_integer(L, "services", census.services);
    set_events(L, &rt->rt.tree.events);
    set_lag(L, &rt->rt.lag);
    set_memory(L);
    if (reset) sut_lag_reset(&rt->rt.lag, sut_runtime_now(&rt->rt));
    return 1;
}
