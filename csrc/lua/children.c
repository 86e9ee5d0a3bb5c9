/* SPDX-License-Identifier: MIT
 *
 * OTP's administration of single children: stop and keep, start again, forget, look at.
 */
#include "lua/cause.h"
#include "lua/wait.h"

/* The child that the call is about: NULL with nil, err pushed when it cannot be. */
static struct sut_service *begin_call(lua_State *L, const char *fn,
                                      struct sut_lua_supervisor **out) {
    struct sut_lua_supervisor *sup = sut_check_supervisor(L, 1, fn);
    struct sut_service *service;
    sut_check_same_runtime(L, sut_self(L), sup, fn);
    *out = sup;
    service = sut_find_service(L, sup, 2, fn);
    if (!service) return NULL;
    if (!sut_supervisor_running(&sup->core)) {
        (void)sut_fail(L, SUT_ERR_NOT_RUNNING);
        return NULL;
    }
    if (sut_service_lives(service) && service->after == SUT_AFTER_FORGET) {
        (void)sut_fail(L, SUT_ERR_UNKNOWN_SERVICE);
        return NULL;
    }
    return service;
}

static int answer_true(lua_State *L) {
    lua_pushboolean(L, 1);
    return 1;
}

/* ---- terminate_child ---- */

/* OTP: a temporary child is forgotten with its stop. */
static void ask(lua_State *L, struct sut_lua_supervisor *sup, struct sut_id id) {
    struct sut_service *service;
    struct sut_id by;
    sut_prepare(L, sup->rt);
    service = sut_tree_find(sup->core.tree, id);
    if (!service) return; /* a finalizer has removed it meanwhile */
    if (service->restart == SUT_RESTART_TEMPORARY) sut_token_outlives(sup->rt, service);
    service = sut_tree_find(sup->core.tree, id);
    if (!service) return;
    by = sut_caller_id(L, sup->rt, service);
    sut_prepare(L, sup->rt);
    sut_service_request(
        service, service->restart == SUT_RESTART_TEMPORARY ? SUT_AFTER_RETIRE : SUT_AFTER_KEEP, by);
    sut_loop_touch(&sup->rt->rt);
}

static bool still_lives(const struct sut_lua_supervisor *sup, struct sut_id id) {
    const struct sut_service *service = sut_tree_find(sup->core.tree, id);
    return service && sut_service_lives(service);
}

static int terminated(lua_State *L, int status, lua_KContext context) {
    (void)status;
    (void)context;
    if (sut_wait_end_or_raise(L, sut_self(L)) == SUT_WOKEN_TIME)
        return sut_fail(L, SUT_ERR_TIMEOUT);
    return answer_true(L);
}

int sut_supervisor_terminate_child(lua_State *L) {
    struct sut_lua *self = sut_self(L);
    struct sut_lua_supervisor *sup;
    int64_t limit_ns = sut_check_span(L, 3, "terminate_child", "limit", SUT_NEVER);
    struct sut_service *service = begin_call(L, "terminate_child", &sup);
    struct sut_coroutine *co;
    struct sut_id id;
    if (!service) return 2;
    id = sut_service_id(service);
    if (!sut_service_lives(service) || limit_ns == 0 || sut_must_not_wait_for(L, self, service)) {
        bool itself = sut_is_caller(self, service);
        ask(L, sup, id);
        if (itself || !still_lives(sup, id)) return answer_true(L);
        return sut_fail(L, SUT_ERR_TIMEOUT);
    }
    co = sut_wait_begin(L, self, sup->rt, "terminate_child");
    if (!sut_service_extras(sut_service_of(service))) return luaL_error(L, "not enough memory");
    ask(L, sup, id);
    if (!still_lives(sup, id)) return answer_true(L);
    service = sut_tree_find(sup->core.tree, id);
    sut_list_append(&sut_extras_of(sut_service_of(service))->waiters, &co->task.node);
    return sut_wait(L, self, co, SUT_WAIT_SERVICE,
                    sut_time_after(sut_runtime_now(&sup->rt->rt), limit_ns), terminated, 0);
}

/* ---- restart_child, delete_child, get_child ---- */

/* True when it is stopped; else nil, err are pushed: OTP's answers. */
static bool check_stopped(lua_State *L, const struct sut_service *service) {
    if (service->state == SUT_STATE_IDLE) return true;
    (void)sut_fail(L, sut_service_restarts(service) ? SUT_ERR_RESTARTING : SUT_ERR_RUNNING);
    return false;
}

int sut_supervisor_restart_child(lua_State *L) {
    struct sut_lua_supervisor *sup;
    struct sut_service *service = begin_call(L, "restart_child", &sup);
    struct sut_id by;
    if (!service || !check_stopped(L, service)) return 2;
    by = sut_caller_id(L, sup->rt, service);
    sut_prepare(L, sup->rt);
    sut_service_request(service, SUT_AFTER_RESTART, by);
    sut_loop_touch(&sup->rt->rt);
    return answer_true(L);
}

int sut_supervisor_delete_child(lua_State *L) {
    struct sut_lua_supervisor *sup;
    struct sut_service *service = begin_call(L, "delete_child", &sup);
    struct sut_id id;
    if (!service || !check_stopped(L, service)) return 2;
    id = sut_service_id(service);
    sut_token_outlives(sup->rt, service);
    if (!sut_tree_find(sup->core.tree, id)) return answer_true(L);
    sut_prepare(L, sup->rt);
    sut_service_stop(service, SUT_AFTER_FORGET);
    sut_loop_touch(&sup->rt->rt);
    return answer_true(L);
}

int sut_supervisor_get_child(lua_State *L) {
    struct sut_lua_supervisor *sup = sut_check_supervisor(L, 1, "get_child");
    struct sut_service *service;
    sut_check_same_runtime(L, sut_self(L), sup, "get_child");
    service = sut_find_service(L, sup, 2, "get_child");
    if (!service) return 2;
    sup->core.tree->now_ns = sut_runtime_now(&sup->rt->rt);
    sut_push_record(L, service);
    return 1;
}
