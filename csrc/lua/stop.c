/* SPDX-License-Identifier: MIT
 *
 * Stopping a supervisor, the report of what did not stop in time, and handles of background
 * serving.
 */
#include "core/report.h"
#include "lua/supervisor.h"
#include "lua/wait.h"

/* ---- the report ---- */

static void set_field(lua_State *L, const char *field) { lua_setfield(L, -2, field); }

static void push_entry(lua_State *L, struct sut_service *core, bool killed) {
    const struct sut_lua_service *service = sut_service_of(core);
    lua_createtable(L, 0, 8);
    sut_push_path(L, core->parent, core);
    set_field(L, "path");
    lua_pushlstring(L, sut_service_text(core), core->name.length);
    set_field(L, "name");
    sut_push_token(L, core);
    set_field(L, "token");
    sut_push_object(L, core->parent);
    (void)lua_getiuservalue(L, -1, SUT_SUPERVISOR_BODIES);
    (void)lua_rawgeti(L, -1, service->ref);
    lua_setfield(L, -4, "service");
    lua_pop(L, 1);
    set_field(L, "supervisor");
    lua_pushboolean(L, killed);
    set_field(L, "killed");
    if (!service->extras || !service->extras->stuck) return;
    lua_pushstring(L, service->extras->stuck->stacktrace);
    set_field(L, "stacktrace");
    lua_pushstring(L, service->extras->stuck->waiting_for);
    set_field(L, "waiting_for");
}

static void append_report(lua_State *L, int report, const struct sut_supervisor *top);

static bool contains(struct sut_service *core) {
    const struct sut_extras *extras = sut_service_of(core)->extras;
    return extras && extras->contained && extras->contained->name;
}

/* Counts the services below that contain a supervisor, and keeps the ids of the first `room`. */
static uint32_t find_containers(const struct sut_supervisor *top, struct sut_id *ids,
                                uint32_t room) {
    uint32_t count = 0;
    for (struct sut_service *core = sut_supervisor_walk(top, NULL); core;
         core = sut_supervisor_walk(top, core)) {
        if (!contains(core)) continue;
        if (count < room) ids[count] = core->id;
        count++;
    }
    return count;
}

/* What a supervisor inside an object has left belongs to the report above it. */
static void append_contained(lua_State *L, int report, const struct sut_supervisor *top) {
    uint32_t count = find_containers(top, NULL, 0);
    struct sut_id *ids;
    if (count == 0) return;
    ids = lua_newuserdatauv(L, count * sizeof *ids, 0);
    uint32_t found = find_containers(top, ids, count);
    for (uint32_t i = 0; i < found && i < count; i++) {
        struct sut_service *core = sut_tree_find(top->tree, ids[i]);
        if (core && contains(core))
            append_report(L, report, &sut_service_of(core)->extras->contained->core);
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
    lua_newtable(L);
    append_report(L, lua_gettop(L), &sup->core);
    if (lua_rawlen(L, -1) == 0) lua_pushnil(L);
    return 1;
}

/* ---- waiting for the end ---- */

static int ended(lua_State *L, int status, lua_KContext context) {
    struct sut_lua *self = sut_self(L);
    struct sut_lua_supervisor *sup = lua_touserdata(L, 1);
    (void)status;
    (void)context;
    enum sut_woken woken = sut_wait_end_or_raise(L, self);
    if (woken != SUT_WOKEN_READY && sup->core.state != SUT_SUPERVISOR_TERMINATED)
        return sut_fail(L, SUT_ERR_TIMEOUT);
    return sut_push_report(L, 1);
}

/* What the supervisor ends with: the service that it is the child of, or the one that serves it. */
static struct sut_service *host_of(struct sut_supervisor *sup) {
    return sup->place ? sup->place : sut_tree_find(sup->tree, sut_supervisor_of(sup)->server);
}

static struct sut_service *caller(const struct sut_lua *self) {
    if (!self->current || self->current->kind != SUT_COROUTINE_SERVICE) return NULL;
    return &sut_service_of_coroutine(self->current)->core;
}

bool sut_caller_is_under(const struct sut_lua *self, const struct sut_service *service) {
    struct sut_service *up = caller(self);
    while (up && up != service)
        up = host_of(up->parent);
    return up != NULL;
}

static bool is_below(const struct sut_lua *self, const struct sut_supervisor *sup) {
    struct sut_service *up = caller(self);
    while (up && up->parent != sup)
        up = host_of(up->parent);
    return up != NULL;
}

static int wait_for_report(lua_State *L, struct sut_lua *self, struct sut_lua_supervisor *sup,
                           struct sut_coroutine *co, int64_t limit) {
    if (sup->core.state == SUT_SUPERVISOR_TERMINATED) return sut_push_report(L, 1);
    sut_list_append(&sup->waiters, &co->task.node);
    return sut_wait(L, self, co, SUT_WAIT_SUPERVISOR,
                    sut_time_after(sut_runtime_now(&sup->rt->rt), limit), ended, 0);
}

static void ask_to_stop(lua_State *L, struct sut_lua_supervisor *sup) {
    sut_prepare(L, sup->rt);
    sut_supervisor_stop(&sup->core);
    sut_loop_touch(&sup->rt->rt);
}

static int answer_at_once(lua_State *L, const struct sut_lua_supervisor *sup) {
    if (sup->core.state == SUT_SUPERVISOR_TERMINATED) return sut_push_report(L, 1);
    return sut_fail(L, SUT_ERR_TIMEOUT);
}

int sut_supervisor_stop_and_wait(lua_State *L) {
    struct sut_lua *self = sut_self(L);
    struct sut_lua_supervisor *sup = sut_check_supervisor(L, 1, "stop");
    int64_t limit = sut_check_span(L, 2, "stop", "limit", SUT_NEVER);
    struct sut_coroutine *co;
    sut_check_same_runtime(L, self, sup, "stop");
    if (sup->core.state == SUT_SUPERVISOR_NOT_RUNNING) return sut_fail(L, SUT_ERR_NOT_STARTED);
    if (sut_cannot_wait(L, self) || (is_below(self, &sup->core) && self->current->shields > 0)) {
        ask_to_stop(L, sup);
        return answer_at_once(L, sup);
    }
    co = sut_wait_begin(L, self, sup->rt, "stop");
    ask_to_stop(L, sup);
    return wait_for_report(L, self, sup, co, limit);
}

int sut_supervisor_report(lua_State *L) {
    struct sut_lua *self = sut_self(L);
    struct sut_lua_supervisor *sup = sut_check_supervisor(L, 1, "unstopped_service_report");
    struct sut_coroutine *co;
    sut_check_same_runtime(L, self, sup, "unstopped_service_report");
    if (sup->core.state == SUT_SUPERVISOR_NOT_RUNNING) return sut_fail(L, SUT_ERR_NOT_STARTED);
    if (sut_cannot_wait(L, self)) return answer_at_once(L, sup);
    co = sut_wait_begin(L, self, sup->rt, "unstopped_service_report");
    return wait_for_report(L, self, sup, co, SUT_NEVER);
}

/* core.kill(sup): no more waiting. */
int sut_supervisor_kill(lua_State *L) {
    struct sut_lua_supervisor *sup = sut_check_supervisor(L, 1, "kill");
    sut_check_same_runtime(L, sut_self(L), sup, "kill");
    sut_prepare(L, sup->rt);
    sut_supervisor_stop(&sup->core);
    sut_supervisor_hurry(&sup->core, SUT_HURRY_WITH_REPORT);
    sut_loop_touch(&sup->rt->rt);
    return 0;
}

/* ---- stopping with a variable's scope ---- */

static int closed(lua_State *L, int status, lua_KContext context) {
    (void)status;
    (void)context;
    (void)sut_wait_end_or_raise(L, sut_self(L));
    return 0;
}

/* Stops the supervisor at index 1 and waits, where waiting is possible. */
static int close_supervisor(lua_State *L, struct sut_lua_supervisor *sup) {
    struct sut_lua *self = sut_self(L);
    struct sut_coroutine *co;
    if (sup->rt->rt.closed || !sup->name || sup->core.state == SUT_SUPERVISOR_NOT_RUNNING ||
        sup->core.state == SUT_SUPERVISOR_TERMINATED)
        return 0;
    ask_to_stop(L, sup);
    if (sut_cannot_wait(L, self) ||
        (self->current && (self->current->closing || !lua_isyieldable(L))))
        return 0;
    co = sut_wait_begin(L, self, sup->rt, "close");
    sut_list_append(&sup->waiters, &co->task.node);
    return sut_wait(L, self, co, SUT_WAIT_SUPERVISOR, SUT_NEVER, closed, 0);
}

int sut_supervisor_close(lua_State *L) {
    return close_supervisor(L, luaL_checkudata(L, 1, SUT_SUPERVISOR_TYPE));
}

/* ---- handles ---- */

/* Uservalues: 1 the supervisor while this is its present life, 2 what it ended with. */
struct handle {
    bool over;   /* another life has begun: the reason is here */
    bool raises; /* serve raises that reason */
};

void sut_push_handle(lua_State *L, int index) {
    struct handle *handle = lua_newuserdatauv(L, sizeof *handle, 2);
    handle->over = false;
    handle->raises = false;
    luaL_setmetatable(L, SUT_HANDLE_TYPE);
    lua_pushvalue(L, index);
    (void)lua_setiuservalue(L, -2, 1);
}

void sut_handle_take_over(lua_State *L, int index, int handle) {
    struct sut_lua_supervisor *sup = lua_touserdata(L, index);
    if (lua_getiuservalue(L, index, SUT_SUPERVISOR_HANDLE) == LUA_TUSERDATA) {
        struct handle *former = lua_touserdata(L, -1);
        former->over = true;
        former->raises = sut_push_reason(L, index) < 0;
        (void)lua_setiuservalue(L, -2, 2);
    }
    lua_pop(L, 1);
    lua_pushvalue(L, handle);
    (void)lua_setiuservalue(L, index, SUT_SUPERVISOR_HANDLE);
    lua_pushnil(L);
    (void)lua_setiuservalue(L, index, SUT_SUPERVISOR_REASON);
    sup->reason_odd = 0;
}

int sut_handle_reason(lua_State *L, int index, int handle_index) {
    const struct sut_lua_supervisor *sup = lua_touserdata(L, index);
    const struct handle *handle = lua_touserdata(L, handle_index);
    if (!handle->over)
        return sup->core.state == SUT_SUPERVISOR_TERMINATED ? sut_push_reason(L, index) : 0;
    (void)lua_getiuservalue(L, handle_index, 2);
    return handle->raises ? -1 : 1;
}

static struct sut_lua_supervisor *handle_supervisor(lua_State *L) {
    struct sut_lua_supervisor *sup;
    (void)luaL_checkudata(L, 1, SUT_HANDLE_TYPE);
    (void)lua_getiuservalue(L, 1, 1);
    sup = lua_touserdata(L, -1);
    return sup;
}

static int answer_handle(lua_State *L) {
    const struct handle *handle = lua_touserdata(L, 1);
    lua_pushboolean(L, 1);
    if (handle->over)
        (void)lua_getiuservalue(L, 1, 2);
    else
        (void)sut_push_reason(L, 3);
    return 2;
}

static bool life_is_over(lua_State *L, const struct sut_lua_supervisor *sup) {
    const struct handle *handle = lua_touserdata(L, 1);
    return handle->over || sup->core.state == SUT_SUPERVISOR_TERMINATED;
}

static int handle_waited(lua_State *L, int status, lua_KContext context) {
    (void)status;
    (void)context;
    (void)sut_wait_end_or_raise(L, sut_self(L));
    if (!life_is_over(L, lua_touserdata(L, 3))) return sut_fail(L, SUT_ERR_TIMEOUT);
    return answer_handle(L);
}

static int handle_wait(lua_State *L) {
    struct sut_lua *self = sut_self(L);
    struct sut_lua_supervisor *sup;
    struct sut_coroutine *co;
    int64_t limit;
    lua_settop(L, 2);
    sup = handle_supervisor(L);
    limit = sut_check_span(L, 2, "wait", "limit", SUT_NEVER);
    if (life_is_over(L, sup)) return answer_handle(L);
    if (sut_cannot_wait(L, self)) return sut_fail(L, SUT_ERR_TIMEOUT);
    co = sut_wait_begin(L, self, sup->rt, "wait");
    sut_list_append(&sup->waiters, &co->task.node);
    return sut_wait(L, self, co, SUT_WAIT_SUPERVISOR,
                    sut_time_after(sut_runtime_now(&sup->rt->rt), limit), handle_waited, 0);
}

/* The scope that served is left: by force, the tree goes with it. */
static int handle_close(lua_State *L) {
    struct sut_lua *self = sut_self(L);
    struct sut_lua_supervisor *sup = handle_supervisor(L);
    const struct handle *handle = lua_touserdata(L, 1);
    if (handle->over) return 0;
    if (self->current && self->current->closing && !sup->rt->rt.closed) {
        sut_supervisor_hurry(&sup->core, SUT_HURRY_WITH_REPORT);
        sut_loop_touch(&sup->rt->rt);
        return 0;
    }
    return close_supervisor(L, sup);
}

void sut_open_handle(lua_State *L) {
    static const luaL_Reg methods[] = {{"wait", handle_wait}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__close", handle_close}, {NULL, NULL}};
    luaL_newmetatable(L, SUT_HANDLE_TYPE);
    lua_pushvalue(L, -2);
    luaL_setfuncs(L, metamethods, 1);
    lua_newtable(L);
    lua_pushvalue(L, -3);
    luaL_setfuncs(L, methods, 1);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}
