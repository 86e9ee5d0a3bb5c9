/* SPDX-License-Identifier: MIT
 *
 * Stopping a supervisor, and waiting for its end.
 */
#include "lua/cause.h"
#include "lua/wait.h"

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
    struct sut_id by = sut_caller_id(L, sup->rt, sup->core.place);
    sut_prepare(L, sup->rt);
    sut_supervisor_request_stop(&sup->core, by);
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
int sut_stop_with_scope(lua_State *L, struct sut_lua_supervisor *sup) {
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
    return sut_stop_with_scope(L, luaL_checkudata(L, 1, SUT_SUPERVISOR_TYPE));
}
