/* SPDX-License-Identifier: MIT
 *
 * Removing and restarting single services.
 */
#include "lua/cause.h"
#include "lua/wait.h"

static struct sut_lua_supervisor *begin_call(lua_State *L, const char *fn) {
    struct sut_lua_supervisor *sup = sut_check_supervisor(L, 1, fn);
    sut_check_same_runtime(L, sut_self(L), sup, fn);
    return sup;
}

static int answer_true(lua_State *L) {
    lua_pushboolean(L, 1);
    return 1;
}

static void check_token(lua_State *L, const char *fn) {
    if (!luaL_testudata(L, 2, SUT_TOKEN_TYPE)) sut_misuse(L, fn, "token", "a token", 2);
}

static void ask_to_remove(lua_State *L, struct sut_lua_supervisor *sup,
                          struct sut_service *service) {
    struct sut_id id = sut_service_id(service);
    struct sut_id by;
    sut_prepare(L, sup->rt);
    sut_token_outlives(sup->rt, service);
    /* A finalizer may have removed it meanwhile. */
    if (sut_slot_find(&sup->core.tree->slots, id) != service || service->ghost) return;
    by = sut_caller_id(L, sup->rt, service);
    sut_prepare(L, sup->rt);
    sut_service_request(service, SUT_AFTER_FORGET, by);
    sut_loop_touch(&sup->rt->rt);
}

/* True with nothing pushed when the answer of by_token is a wrong supervisor: that is nil, err. */
static bool is_wrong_supervisor(lua_State *L) {
    return sut_error_is(L, -1, SUT_ERR_WRONG_SUPERVISOR);
}

int sut_supervisor_remove(lua_State *L) {
    struct sut_lua_supervisor *sup = begin_call(L, "remove");
    struct sut_service *service;
    check_token(L, "remove");
    service = sut_find_service(L, sup, 2, "remove");
    if (!service && is_wrong_supervisor(L)) return 2;
    if (!service) service = sut_find_retired(L, sup, 2);
    if (service) ask_to_remove(L, sup, service);
    return answer_true(L);
}

static int removed(lua_State *L, int status, lua_KContext context) {
    (void)status;
    (void)context;
    if (sut_wait_end_or_raise(L, sut_self(L)) == SUT_WOKEN_TIME)
        return sut_fail(L, SUT_ERR_TIMEOUT);
    return answer_true(L);
}

/* Whether the caller is the service itself or one of its helpers' owner. */
bool sut_is_caller(const struct sut_lua *self, const struct sut_service *service) {
    return self->current && self->current->kind == SUT_COROUTINE_SERVICE &&
           &sut_service_of_coroutine(self->current)->core == service;
}

bool sut_must_not_wait_for(lua_State *L, const struct sut_lua *self,
                           const struct sut_service *service) {
    if (sut_cannot_wait(L, self) || sut_is_caller(self, service)) return true;
    return self->current && self->current->shields > 0 && sut_caller_is_under(self, service);
}

int sut_supervisor_remove_and_wait(lua_State *L) {
    struct sut_lua *self = sut_self(L);
    struct sut_lua_supervisor *sup = begin_call(L, "remove_and_wait");
    struct sut_service *service;
    struct sut_coroutine *co;
    int64_t limit;
    struct sut_id id;
    check_token(L, "remove_and_wait");
    limit = sut_check_span(L, 3, "remove_and_wait", "limit", SUT_NEVER);
    service = sut_find_service(L, sup, 2, "remove_and_wait");
    if (!service && is_wrong_supervisor(L)) return 2;
    if (sup->core.state == SUT_SUPERVISOR_TERMINATED) return sut_fail(L, SUT_ERR_NOT_RUNNING);
    if (!service) service = sut_find_retired(L, sup, 2);
    if (!service) return answer_true(L);
    if (limit == 0 || sut_must_not_wait_for(L, self, service)) {
        id = sut_service_id(service);
        ask_to_remove(L, sup, service);
        if (sut_is_caller(self, service) || !sut_tree_find(sup->core.tree, id))
            return answer_true(L);
        return sut_fail(L, SUT_ERR_TIMEOUT);
    }
    co = sut_wait_begin(L, self, sup->rt, "remove_and_wait");
    if (!sut_service_extras(sut_service_of(service))) return luaL_error(L, "not enough memory");
    id = sut_service_id(service);
    ask_to_remove(L, sup, service);
    service = sut_slot_find(&sup->core.tree->slots, id);
    if (!service || service->ghost || !sut_service_lives(service)) return answer_true(L);
    sut_list_append(&sut_extras_of(sut_service_of(service))->waiters, &co->task.node);
    return sut_wait(L, self, co, SUT_WAIT_SERVICE,
                    sut_time_after(sut_runtime_now(&sup->rt->rt), limit), removed, 0);
}

/* It stops, and is then forgotten. */
static bool is_leaving(const struct sut_service *service) {
    return sut_service_lives(service) &&
           (service->after == SUT_AFTER_FORGET || service->after == SUT_AFTER_RETIRE);
}

int sut_supervisor_restart(lua_State *L) {
    struct sut_lua_supervisor *sup = begin_call(L, "restart");
    struct sut_service *service = sut_find_service(L, sup, 2, "restart");
    struct sut_id by;
    if (!service) return 2;
    if (!sut_supervisor_running(&sup->core)) return sut_fail(L, SUT_ERR_NOT_RUNNING);
    if (is_leaving(service)) return sut_fail(L, SUT_ERR_UNKNOWN_SERVICE);
    by = sut_caller_id(L, sup->rt, service);
    sut_prepare(L, sup->rt);
    sut_service_request(service, SUT_AFTER_RESTART, by);
    sut_loop_touch(&sup->rt->rt);
    return answer_true(L);
}
