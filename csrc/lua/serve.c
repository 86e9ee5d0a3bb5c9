/* SPDX-License-Identifier: MIT
 *
 * Serving a supervisor, waiting for its end, and stopping it.
 *
 * A served root is anchored in its runtime until nothing of it lives. What it ends with lies in its
 * uservalue REASON.
 */
#include "lua/context.h"
#include "lua/reason.h"
#include "lua/supervisor.h"
#include "lua/wait.h"

/* ---- what the runner calls ---- */

/* What its life was tied to lets it go, and who waited for the end of that goes on. */
static void leave_life(struct sut_lua_supervisor *sup) {
    sut_list_remove(&sup->core.finished);
    sut_list_remove(&sup->under);
    sup->server = (struct sut_id){0};
    sut_wake_all(&sup->waiters, SUT_WOKEN_READY);
}

/* A root that has terminated and of which nothing lives needs no anchor. */
void sut_supervisor_finished(struct sut_runtime *runtime, struct sut_supervisor *core) {
    struct sut_lua_runtime *rt = sut_runtime_of(runtime);
    struct sut_lua_supervisor *sup = sut_supervisor_of(core);
    if (core->state == SUT_SUPERVISOR_TERMINATED) leave_life(sup);
    sut_wake_all(&sup->waiters, SUT_WOKEN_READY); /* its parent may have begun another life */
    sut_wake_all(&sup->ready_waiters, SUT_WOKEN_READY);
    if (core->place) sut_service_left(core->place); /* it has ended, or left */
    if (core->state != SUT_SUPERVISOR_TERMINATED || sut_supervisor_placed(core) ||
        sut_supervisor_lives(core))
        return;
    lua_pushnil(rt->hooks);
    sut_runtime_anchor(rt->hooks, rt, core);
}

void sut_serve_context_ended(struct sut_list *under) {
    struct sut_lua_supervisor *sup = SUT_CONTAINER(under, struct sut_lua_supervisor, under);
    sut_list_remove(under);
    if (!sut_supervisor_placed(&sup->core) && sut_supervisor_running(&sup->core)) {
        sup->context_ended = true; /* what it stops for: a stop that was asked before counts */
        sut_supervisor_ask(&sup->core, SUT_ATTEND_STOP);
        sut_loop_touch(&sup->rt->rt);
    }
}

/* ---- beginning ---- */

int sut_push_reason(lua_State *L, int index) {
    struct sut_lua_supervisor *sup = lua_touserdata(L, index);
    enum sut_end end = sut_supervisor_end(&sup->core);
    if (end == SUT_END_DO_NOT_RESTART) {
        sut_push_error(L, SUT_DO_NOT_RESTART);
    } else if (end == SUT_END_PANIC && sup->reason_odd) {
        sut_push_odd(L, NULL, sup->reason_odd);
    } else if (end != SUT_END_CANCELED) {
        (void)lua_getiuservalue(L, index, SUT_SUPERVISOR_REASON);
    } else if (sup->context_ended) {
        (void)lua_getiuservalue(L, index, SUT_SUPERVISOR_CONTEXT);
        sut_context_push_err(L, -1);
        lua_remove(L, -2);
    } else {
        lua_pushnil(L);
    }
    return end == SUT_END_PANIC ? -1 : 1;
}

static void check_can_serve(lua_State *L, struct sut_lua_supervisor *sup, const char *fn) {
    if (sup->rt->ending)
        luaL_error(L, "%s: the runtime of '%s' is being closed", fn, sut_shown_name(L, sup));
    if (sut_supervisor_placed(&sup->core))
        luaL_error(L, "%s: supervisor '%s' is under '%s', which serves it", fn,
                   sut_shown_name(L, sup),
                   sut_shown_name(L, sut_supervisor_of(sup->core.place->parent)));
    if (sup->core.state != SUT_SUPERVISOR_NOT_RUNNING &&
        sup->core.state != SUT_SUPERVISOR_TERMINATED)
        luaL_error(L, "%s: supervisor '%s' is being served already", fn, sut_shown_name(L, sup));
}

/* Checks the context at index 2, and puts one derived from it in its place when it is a service's:
 * that has no room for a list of what is served. */
static void check_context(lua_State *L, const struct sut_lua_supervisor *sup, const char *fn) {
    const struct sut_context *context = sut_to_context(L, 2);
    if (lua_isnil(L, 2)) return;
    if (!context) {
        sut_misuse(L, fn, "ctx", "a context", 2);
        return;
    }
    if (sut_context_runtime(L, 2) != sup->rt)
        luaL_error(L, "bad argument 'ctx' to '%s' (a context of the runtime of '%s' expected)", fn,
                   sut_shown_name(L, sup));
    if (context->kind != SUT_CONTEXT_SERVICE) return;
    (void)sut_context_new(L, SUT_CONTEXT_CANCEL, sup->rt, 2);
    lua_replace(L, 2);
}

/* Links the supervisor to the context at index 2, so that its end stops it. */
static void serve_under(lua_State *L, struct sut_lua_supervisor *sup) {
    struct sut_context *context = sut_to_context(L, 2);
    sup->context_ended = false;
    lua_pushvalue(L, 2);
    (void)lua_setiuservalue(L, 1, SUT_SUPERVISOR_CONTEXT);
    if (context) sut_list_append(&((struct sut_derived *)context)->served, &sup->under);
}

/* True when it serves now; false with nil, err or the reason pushed when it must not. */
static bool begin(lua_State *L, struct sut_lua_supervisor *sup, const char *fn) {
    sut_check_same_runtime(L, sut_self(L), sup, fn);
    check_context(L, sup, fn);
    check_can_serve(L, sup, fn); /* last, for a finalizer may run meanwhile and serve it */
    if (sut_supervisor_lives(&sup->core)) {
        sut_push_error(L, SUT_ERR_NOT_TERMINATED);
        return false;
    }
    sut_prepare(L, sup->rt);
    lua_pushvalue(L, 1);
    sut_runtime_anchor(L, sup->rt, &sup->core);
    leave_life(sup); /* the runner may not have looked after its end yet */
    sut_handle_take_over(L, 1, 3);
    serve_under(L, sup);
    sut_supervisor_begin(&sup->core);
    if (lua_isuserdata(L, 2)) {
        sut_context_push_err(L, 2);
        if (!lua_isnil(L, -1)) sut_serve_context_ended(&sup->under);
        lua_pop(L, 1);
    }
    sut_loop_touch(&sup->rt->rt);
    return true;
}

/* ---- serve ---- */

/* Stack of serve: supervisor, context, handle to be closed. */
enum { SERVE_SUPERVISOR = 1, SERVE_CONTEXT, SERVE_HANDLE };

enum { SERVING, GIVING_UP }; /* the continuation's context */

static int served(lua_State *L, int status, lua_KContext context);

static int wait_for_end(lua_State *L, struct sut_lua *self, struct sut_coroutine *co,
                        lua_KContext context) {
    struct sut_lua_supervisor *sup = lua_touserdata(L, SERVE_SUPERVISOR);
    sut_list_append(&sup->waiters, &co->task.node);
    if (context == GIVING_UP) co->shields++; /* it waits for the end of its own tree */
    return sut_wait(L, self, co, SUT_WAIT_SUPERVISOR, SUT_NEVER, served, context);
}

/* Whoever stops the service that serves, stops what it serves. */
static struct sut_id cause_of(struct sut_coroutine *co) {
    if (co->kind != SUT_COROUTINE_SERVICE) return (struct sut_id){0};
    return sut_service_cause(&sut_service_of_coroutine(co)->core);
}

static int served(lua_State *L, int status, lua_KContext context) {
    struct sut_lua *self = sut_self(L);
    struct sut_lua_supervisor *sup = lua_touserdata(L, SERVE_SUPERVISOR);
    struct sut_coroutine *co;
    enum sut_woken woken = sut_wait_end(L, self, &co);
    int pushed;
    (void)status;
    if (context == GIVING_UP) co->shields--;
    if (woken == SUT_WOKEN_CANCEL && context == SERVING) {
        sut_prepare(L, sup->rt);
        sut_supervisor_request_stop(&sup->core, cause_of(co));
        context = GIVING_UP;
    }
    pushed = sut_handle_reason(L, SERVE_SUPERVISOR, SERVE_HANDLE);
    if (!pushed) return wait_for_end(L, self, co, context);
    if (context == SERVING) return pushed < 0 ? lua_error(L) : 1;
    sut_push_error(L, SUT_CANCELED);
    return 1;
}

int sut_supervisor_serve(lua_State *L) {
    struct sut_lua *self = sut_self(L);
    struct sut_lua_supervisor *sup = sut_check_supervisor(L, 1, "serve");
    struct sut_coroutine *co;
    check_can_serve(L, sup, "serve");
    co = sut_wait_begin(L, self, sup->rt, "serve");
    lua_settop(L, SERVE_CONTEXT);
    sut_push_handle(L, SERVE_SUPERVISOR);
    if (!begin(L, sup, "serve")) return 1;
    if (co->kind == SUT_COROUTINE_SERVICE)
        sup->server = sut_service_id(&sut_service_of_coroutine(co)->core);
    lua_toclose(L, SERVE_HANDLE);
    return wait_for_end(L, self, co, SERVING);
}

int sut_supervisor_serve_background(lua_State *L) {
    struct sut_lua_supervisor *sup = sut_check_supervisor(L, 1, "serve_background");
    lua_settop(L, SERVE_CONTEXT);
    sut_push_handle(L, SERVE_SUPERVISOR);
    if (!begin(L, sup, "serve_background")) {
        lua_pushnil(L);
        lua_insert(L, -2);
        return 2;
    }
    lua_settop(L, SERVE_HANDLE);
    return 1;
}
