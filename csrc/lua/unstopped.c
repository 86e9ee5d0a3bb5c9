/* SPDX-License-Identifier: MIT
 *
 * The report of a stop as a table: who did not stop in time, where it hung, and how long it had
 * run.
 */
#include "core/report.h"
#include "lua/supervisor.h"

static void set_field(lua_State *L, const char *field) { lua_setfield(L, -2, field); }

/* How long its last run has been going on, or went on until it ended: that is when it came into the
 * state it is in now. */
static void set_run(lua_State *L, const struct sut_service *core) {
    int64_t end_ns = sut_service_lives(core) ? core->parent->tree->now_ns : core->since_ns;
    lua_pushstring(L, sut_service_state_name(core));
    set_field(L, "state");
    lua_pushnumber(L, sut_seconds(end_ns - core->started_ns));
    set_field(L, "age");
}

static void push_entry(lua_State *L, struct sut_service *core, bool killed) {
    const struct sut_lua_service *service = sut_service_of(core);
    lua_createtable(L, 0, 10);
    sut_push_path(L, core->parent, core);
    set_field(L, "path");
    lua_pushlstring(L, sut_service_text(core), core->name.length);
    set_field(L, "name");
    sut_push_token(L, core);
    set_field(L, "token");
    sut_push_object(L, core->parent);
    (void)lua_getiuservalue(L, -1, SUT_SUPERVISOR_BODIES);
    (void)lua_rawgeti(L, -1, service->core.host_ref);
    lua_setfield(L, -4, "service");
    lua_pop(L, 1);
    set_field(L, "supervisor");
    lua_pushboolean(L, killed);
    set_field(L, "killed");
    set_run(L, core);
    if (!sut_extras_of(service) || !sut_extras_of(service)->stuck) return;
    lua_pushstring(L, sut_extras_of(service)->stuck->stacktrace);
    set_field(L, "stacktrace");
    if (sut_extras_of(service)->stuck->waiting_for[0]) {
        lua_pushstring(L, sut_extras_of(service)->stuck->waiting_for);
        set_field(L, "waiting_for");
    }
    if (!sut_extras_of(service)->stuck->blocked_ns) return;
    lua_pushnumber(L, sut_seconds(sut_extras_of(service)->stuck->blocked_ns));
    set_field(L, "blocked");
}

static void append_report(lua_State *L, int report, const struct sut_supervisor *top);

static bool contains(struct sut_service *core) {
    const struct sut_extras *extras = sut_extras_of(sut_service_of(core));
    return extras && extras->contained && extras->contained->name;
}

/* Counts the services below that contain a supervisor, and keeps the ids of the first `room`. */
static uint32_t find_containers(const struct sut_supervisor *top, struct sut_id *ids,
                                uint32_t room) {
    uint32_t count = 0;
    for (struct sut_service *core = sut_supervisor_walk(top, NULL); core;
         core = sut_supervisor_walk(top, core)) {
        if (!contains(core)) continue;
        if (count < room) ids[count] = sut_service_id(core);
        count++;
    }
    return count;
}

/* What a supervisor inside an object has left belongs to the report above it. */
static void append_contained(lua_State *L, int report, const struct sut_supervisor *top) {
    bool some = ((const struct sut_lua_supervisor *)top)->rt->contains;
    uint32_t count = some ? find_containers(top, NULL, 0) : 0;
    struct sut_id *ids;
    if (count == 0) return;
    ids = lua_newuserdatauv(L, count * sizeof *ids, 0);
    uint32_t found = find_containers(top, ids, count);
    for (uint32_t i = 0; i < found && i < count; i++) {
        struct sut_service *core = sut_tree_find(top->tree, ids[i]);
        if (core && contains(core))
            append_report(L, report, &sut_extras_of(sut_service_of(core))->contained->core);
    }
    lua_pop(L, 1);
}

/* Ids first, tables after: building them may collect garbage, and that may change the tree. */
static void append_report(lua_State *L, int report, const struct sut_supervisor *top) {
    uint32_t count = sut_report_collect(top, NULL, 0);
    struct sut_id *ids;
    luaL_checkstack(L, LUA_MINSTACK, "report");
    ids = lua_newuserdatauv(L, (count + 1) * sizeof *ids, 0);
    uint32_t found = sut_report_collect(top, ids, count);
    for (uint32_t i = 0; i < found && i < count; i++) {
        struct sut_service *core = sut_slot_find(&top->tree->slots, ids[i]);
        if (!core) continue;
        push_entry(L, core, sut_report_verdict(top, core) == SUT_REPORT_KILLED);
        lua_rawseti(L, report, (lua_Integer)lua_rawlen(L, report) + 1);
    }
    lua_pop(L, 1);
    append_contained(L, report, top);
}

int sut_push_report(lua_State *L, int index) {
    struct sut_lua_supervisor *sup = lua_touserdata(L, index);
    sup->core.tree->now_ns = sut_runtime_now(&sup->rt->rt);
    lua_newtable(L);
    append_report(L, lua_gettop(L), &sup->core);
    if (lua_rawlen(L, -1) == 0) lua_pushnil(L);
    return 1;
}
