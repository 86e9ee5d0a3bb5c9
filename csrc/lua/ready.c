/* SPDX-License-Identifier: MIT
 *
 * Readiness: how a service says that it is ready, and waiting until all of a supervisor's are.
 */
#include "lua/context.h"
#include "lua/reason.h"
#include "lua/wait.h"

/* ---- ctx:ready(info) ---- */

/* Replaces what the service has said; the new value is at `info`. May raise for memory, and then
 * nothing is changed. */
static void keep_info(lua_State *L, struct sut_lua_service *service, int info) {
    struct sut_extras *extras;
    int ref = LUA_NOREF;
    if (lua_isnil(L, info) && !sut_extras_of(service)) return;
    extras = sut_service_extras(service);
    if (!extras) {
        luaL_error(L, "not enough memory");
        return;
    }
    sut_push_object(L, service->core.parent);
    (void)lua_getiuservalue(L, -1, SUT_SUPERVISOR_BODIES);
    if (!lua_isnil(L, info)) {
        lua_pushvalue(L, info);
        ref = luaL_ref(L, -2);
    }
    luaL_unref(L, -1, extras->info_ref);
    extras->info_ref = ref;
    lua_pop(L, 2);
}

void sut_service_drop_info(struct sut_lua_service *service) {
    lua_State *L = sut_rt(&service->co)->hooks;
    if (!sut_extras_of(service) || sut_extras_of(service)->info_ref == LUA_NOREF) return;
    sut_push_object(L, service->core.parent);
    (void)lua_getiuservalue(L, -1, SUT_SUPERVISOR_BODIES);
    luaL_unref(L, -1, sut_extras_of(service)->info_ref);
    sut_extras_of(service)->info_ref = LUA_NOREF;
    lua_pop(L, 2);
}

int sut_context_ready(lua_State *L) {
    const struct sut_context *context = sut_check_context(L, 1);
    struct sut_lua_service *service;
    struct sut_lua_runtime *rt;
    lua_settop(L, 2);
    if (context->kind != SUT_CONTEXT_SERVICE)
        return luaL_error(L, "bad argument 'self' to 'ready' (the context of a service expected)");
    if (!context->guard.co) return 0; /* its run is over */
    service = sut_service_of_coroutine(context->guard.co);
    rt = sut_rt(&service->co);
    keep_info(L, service, 2);
    sut_prepare(L, rt);
    if (!context->guard.co || service->core.state < SUT_STATE_UNREADY) return 0;
    sut_service_ready(&service->core);
    sut_loop_touch(&rt->rt);
    return 0;
}

/* ---- what the core calls ---- */

void sut_supervisor_host_ready(struct sut_supervisor *core) {
    core->awaited = false;
    sut_wake_all(&sut_supervisor_of(core)->ready_waiters, SUT_WOKEN_READY);
}

void sut_supervisor_host_start_failed(struct sut_supervisor *core, struct sut_service *service,
                                      enum sut_end end) {
    core->awaited = false;
    sut_keep_start_failure(core, service, end);
    sut_wake_all(&sut_supervisor_of(core)->ready_waiters, SUT_WOKEN_FAILED);
}

/* ---- sup:wait_ready([limit]) ---- */

/* Pushes the answer for a supervisor that stops or has stopped. */
static int answer_stopped(lua_State *L, const struct sut_lua_supervisor *sup) {
    bool failed = sup->core.end == SUT_END_START_FAILED || sup->core.end == SUT_END_GAVE_UP;
    if (sup->core.state == SUT_SUPERVISOR_NOT_RUNNING) return sut_fail(L, SUT_ERR_NOT_STARTED);
    if (!failed) return sut_fail(L, SUT_ERR_NOT_RUNNING);
    lua_pushnil(L);
    (void)lua_getiuservalue(L, 1, SUT_SUPERVISOR_REASON);
    return 2;
}

static int waited(lua_State *L, int status, lua_KContext due_ns);

static int wait_until(lua_State *L, struct sut_lua *self, struct sut_lua_supervisor *sup,
                      struct sut_coroutine *co, int64_t due_ns) {
    sup->core.awaited = true;
    sut_list_append(&sup->ready_waiters, &co->task.node);
    return sut_wait(L, self, co, SUT_WAIT_READY, due_ns, waited, (lua_KContext)due_ns);
}

static int waited(lua_State *L, int status, lua_KContext due_ns) {
    struct sut_lua *self = sut_self(L);
    struct sut_lua_supervisor *sup = lua_touserdata(L, 1);
    enum sut_woken woken = sut_wait_end_or_raise(L, self);
    (void)status;
    if (!sut_supervisor_running(&sup->core)) return answer_stopped(L, sup);
    if (woken == SUT_WOKEN_FAILED) {
        lua_pushnil(L);
        (void)lua_getiuservalue(L, 1, SUT_SUPERVISOR_START_ERROR);
        return 2;
    }
    if (!sut_supervisor_is_ready(&sup->core)) {
        if (woken == SUT_WOKEN_TIME) return sut_fail(L, SUT_ERR_TIMEOUT);
        return wait_until(L, self, sup, sut_wait_begin(L, self, sup->rt, "wait_ready"), due_ns);
    }
    lua_pushboolean(L, 1);
    return 1;
}

int sut_supervisor_wait_ready(lua_State *L) {
    struct sut_lua *self = sut_self(L);
    struct sut_lua_supervisor *sup = sut_check_supervisor(L, 1, "wait_ready");
    int64_t limit_ns = sut_check_span(L, 2, "wait_ready", "limit", SUT_NEVER);
    struct sut_coroutine *co;
    sut_check_same_runtime(L, self, sup, "wait_ready");
    lua_settop(L, 1);
    if (!sut_supervisor_running(&sup->core)) return answer_stopped(L, sup);
    if (sut_supervisor_is_ready(&sup->core)) {
        lua_pushboolean(L, 1);
        return 1;
    }
    if (limit_ns == 0 || sut_cannot_wait(L, self)) return sut_fail(L, SUT_ERR_TIMEOUT);
    co = sut_wait_begin(L, self, sup->rt, "wait_ready");
    return wait_until(L, self, sup, co, sut_time_after(sut_runtime_now(&sup->rt->rt), limit_ns));
}
