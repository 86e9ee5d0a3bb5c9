/* SPDX-License-Identifier: MIT
 *
 * Handles: one life of a supervisor that is served, and what it ended with.
 */
#include "lua/supervisor.h"
#include "lua/wait.h"

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
    return sut_stop_with_scope(L, sup);
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
