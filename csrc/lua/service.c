/* SPDX-License-Identifier: MIT
 *
 * The run of a service: its coroutine's beginning, its resumes, and what its end means.
 */
#include "lua/service.h"

#include "core/alloc.h"
#include "lua/context.h"
#include "lua/heartbeat.h"
#include "lua/resume.h"
#include "lua/template.h"
#include "lua/wait.h"

#include <string.h>

/* ---- beginning a run ---- */

/* Pushes the function, and the object before the context when the body is one. The supervisor lies
 * beneath the bodies. */
static void push_body(lua_State *L, const struct sut_lua_service *service, int bodies) {
    if (service->body == SUT_BODY_ARGUMENT) {
        sut_template_push_run(L, bodies - 1);
        return;
    }
    (void)lua_rawgeti(L, bodies, service->core.host_ref);
    if (service->body == SUT_BODY_FUNCTION) return;
    lua_getfield(L, -1, "serve");
    lua_insert(L, -2);
}

/* Finalizers and the field 'serve' may run user code, which may recall the run that begins. */
static bool is_starting(const struct sut_lua_service *service) {
    return service->core.state == SUT_STATE_STARTING && sut_list_empty(&service->co.task.node);
}

/* Stack of the beginning: the service, then these, then what the thread begins with. */
enum { BEGIN_SUPERVISOR = 2, BEGIN_BODIES, BEGIN_THREAD, BEGIN_GUARD = 6 };

/* On the runtime's own thread: everything that may fail, then the commitment. */
int sut_begin_kept(lua_State *L) {
    struct sut_lua_service *service = lua_touserdata(L, 1);
    struct sut_context *context;
    lua_State *thread;
    sut_push_object_kept(L, service->core.parent);
    (void)lua_getiuservalue(L, BEGIN_SUPERVISOR, SUT_SUPERVISOR_BODIES);
    thread = lua_newthread(L);
    lua_pushcfunction(thread, sut_service_main);
    sut_slot_here(L, SUT_SLOT_ON_RAISE);
    context = sut_context_new_service(L, sut_rt(&service->co), service->core.run);
    push_body(L, service, BEGIN_BODIES);
    lua_pushvalue(L, BEGIN_GUARD);
    if (service->body == SUT_BODY_ARGUMENT) sut_template_push_argument(L, service, BEGIN_BODIES);
    lua_xmove(L, thread, lua_gettop(L) - BEGIN_THREAD);
    if (!is_starting(service)) return 0;
    lua_rawseti(L, lua_upvalueindex(2), sut_thread_key(service));
    service->co.thread = thread;
    service->co.guard = &context->guard;
    context->guard.co = &service->co;
    return 0;
}

static int begin(struct sut_lua_service *service) {
    char why[64];
    return sut_call_kept(sut_rt(&service->co), SUT_KEPT_BEGIN, service, why, sizeof why);
}

/* ---- ending a run ---- */

/* Takes over what the latest raise has left; the value is on the top of the thread. */
static struct sut_failure *take_failure(struct sut_lua *self, lua_State *thread) {
    size_t size = sut_trace_size(&self->trace);
    struct sut_failure *failure = sut_realloc(NULL, offsetof(struct sut_failure, trace) + size);
    if (!failure) return NULL;
    memcpy(&failure->trace, &self->trace, size);
    failure->has_trace = self->trace.count > 0;
    failure->has_variables = false;
    if (thread && self->has_variables && lua_checkstack(thread, 4)) {
        sut_slot_get(thread, SUT_SLOT_VARIABLES);
        lua_insert(thread, -2);
        failure->has_variables = true;
    }
    return failure;
}

/* Whether the core will make an event of this end, and so keep its detail. */
static bool makes_event(const struct sut_service *service, enum sut_end end) {
    if (end == SUT_END_ERROR || end == SUT_END_PANIC) return true;
    return end == SUT_END_PLAIN && service->state <= SUT_STATE_RUNNING;
}

/* The run is over: its coroutine's record is as before the first run, its helpers are closed. */
static void leave_run(struct sut_lua_service *service) {
    struct sut_coroutine *co = &service->co;
    service->doomed = false;
    sut_spawned_close_all(service);
    sut_heartbeat_end(service);
    sut_service_drop_info(service);
    sut_task_stop(&sut_rt(co)->rt, &co->task);
    sut_list_remove(&co->task.node);
    if (co->guard) sut_leave_guard(co);
    sut_waits_leave(co);
    sut_coroutine_init(co, SUT_COROUTINE_SERVICE);
}

/* Why the run has ended, for the next one; an event may say more. That it was late its event has
 * said already. */
static void remember(struct sut_lua_service *service, enum sut_end end) {
    const struct sut_service *core = &service->core;
    const char *text = NULL;
    if (core->state <= SUT_STATE_RUNNING) {
        if (end != SUT_END_TERMINATE_TREE) return;
        text = "returned TERMINATE_TREE";
    } else if (core->late) {
        return;
    } else if (core->after == SUT_AFTER_RESTART) {
        text = "restarted on purpose";
    } else if (core->after == SUT_AFTER_GROUP) {
        text = "restarted with its group";
    }
    sut_service_set_last_error(service, core->run, text);
}

static void finish(struct sut_lua_service *service, enum sut_end end, int odd,
                   struct sut_failure *failure) {
    struct sut_lua *self = sut_rt(&service->co)->self;
    struct sut_detail detail = {.block = failure, .ref = odd ? odd : SUT_DETAIL_VALUE};
    bool kept = makes_event(&service->core, end);
    bool began = service->co.thread != NULL;
    sut_rt(&service->co)->rt.progressed = true;
    self->ended = (struct sut_ended){.thread = odd ? NULL : service->co.thread, .odd = odd};
    remember(service, end);
    if (end == SUT_END_DO_NOT_RESTART || service->core.restart == SUT_RESTART_TEMPORARY)
        sut_token_outlives(sut_rt(&service->co), &service->core);
    leave_run(service);
    sut_service_ended(&service->core, end, kept ? detail : (struct sut_detail){0});
    sut_service_left(&service->core);
    if (began && (!kept || (odd && !(failure && failure->has_variables))))
        sut_service_part_from_thread(service);
    if (!kept) sut_free(failure);
}

static void finish_oddly(struct sut_lua_service *service, enum sut_odd_end odd) {
    finish(service, SUT_END_PANIC, odd, NULL);
}

static bool is_cancellation(lua_State *L, int index) {
    return sut_error_is(L, index, SUT_CANCELED) || sut_error_is(L, index, SUT_DEADLINE_EXCEEDED);
}

/* What the results of a body mean; leaves the error, if there is one, on the top. */
static enum sut_end classify(lua_State *thread, int results, bool asked) {
    int first = lua_gettop(thread) - results + 1;
    if (results > 2) lua_settop(thread, first + 1); /* there may be no room left above them */
    if (results == 0) return SUT_END_PLAIN;
    if (!lua_toboolean(thread, first) && results > 1 && !lua_isnil(thread, first + 1))
        lua_pushvalue(thread, first + 1);
    else if (sut_is_error(thread, first))
        lua_pushvalue(thread, first);
    else
        return SUT_END_PLAIN;
    if (sut_error_is(thread, -1, SUT_DO_NOT_RESTART)) return SUT_END_DO_NOT_RESTART;
    if (sut_error_is(thread, -1, SUT_TERMINATE_TREE)) return SUT_END_TERMINATE_TREE;
    return asked && is_cancellation(thread, -1) ? SUT_END_CANCELED : SUT_END_ERROR;
}

static bool was_asked(const struct sut_service *service) {
    return service->state > SUT_STATE_RUNNING;
}

static void returned(struct sut_lua_service *service, int results) {
    lua_State *thread = service->co.thread;
    bool asked = was_asked(&service->core);
    if (service->co.status == LUA_ERRMEM) sut_trace_clear(&sut_rt(&service->co)->self->trace);
    if (service->co.status == LUA_OK) {
        (void)lua_checkstack(thread, 8);
        finish(service, classify(thread, results, asked), 0, NULL);
    } else if (asked && is_cancellation(thread, -1)) {
        finish(service, SUT_END_CANCELED, 0, NULL);
    } else {
        finish(service, SUT_END_PANIC, 0, take_failure(sut_rt(&service->co)->self, thread));
    }
}

/* ---- ending it from outside ---- */

/* Puts the variables of the innermost stack beside the thread, under the negative of its key. */
static int keep_variables(lua_State *L) {
    struct sut_lua_service *service = lua_touserdata(L, 1);
    sut_push_threads(L, sut_rt(&service->co));
    sut_trace_push_variables(L, sut_innermost(service->co.thread), 0, sut_service_main);
    lua_rawseti(L, -2, -sut_thread_key(service));
    return 0;
}

/* Lays them where those of a raise would lie: on the thread, now closed, beneath a value. */
static void lay_variables(struct sut_lua_service *service) {
    lua_State *thread = service->co.thread;
    lua_State *L = sut_rt(&service->co)->hooks;
    sut_push_threads(L, sut_rt(&service->co));
    (void)lua_rawgeti(L, -1, -sut_thread_key(service));
    lua_settop(thread, 0);
    lua_xmove(L, thread, 1);
    lua_pushnil(thread);
    lua_pushnil(L);
    lua_rawseti(L, -2, -sut_thread_key(service));
    lua_pop(L, 1);
}

static bool take_variables(struct sut_lua_service *service) {
    char why[64];
    return sut_wants_variables(&service->co) &&
           sut_call(sut_rt(&service->co), keep_variables, service, why, sizeof why) == LUA_OK;
}

/* Trace and variables are put aside before the closers run, which may raise and leave their own. */
void sut_service_break(struct sut_lua_service *service, enum sut_odd_end odd) {
    struct sut_coroutine *co = &service->co;
    struct sut_lua *self = sut_rt(co)->self;
    struct sut_failure *failure;
    if (co->foreign) return;
    sut_trace_clear(&self->trace);
    if (co->thread) sut_trace_chain(&self->trace, co->thread);
    failure = take_failure(self, NULL);
    if (failure && co->thread) failure->has_variables = take_variables(service);
    if (co->thread) (void)sut_coroutine_close(co);
    if (failure && failure->has_variables) lay_variables(service);
    finish(service, SUT_END_PANIC, odd, failure);
}

/* ---- what the core and the runner call ---- */

void sut_service_host_start(struct sut_service *core) {
    struct sut_lua_service *service = sut_service_of(core);
    sut_coroutine_init(&service->co, SUT_COROUTINE_SERVICE);
    sut_task_ready(&sut_rt(&service->co)->rt, &service->co.task);
}

void sut_service_host_recall(struct sut_service *core) {
    struct sut_lua_service *service = sut_service_of(core);
    sut_task_stop(&sut_rt(&service->co)->rt, &service->co.task);
}

bool sut_service_host_interrupt(struct sut_service *core) {
    struct sut_coroutine *co = &sut_service_of(core)->co;
    if (co->wait != SUT_WAIT_PREEMPTED && sut_rt(co)->self->current != co) return false;
    co->struck = true;
    return true;
}

bool sut_service_host_cancel(struct sut_service *core) {
    struct sut_lua_service *service = sut_service_of(core);
    bool comes = sut_coroutine_cancel(&service->co);
    sut_heartbeat_end(service);
    if (service->co.guard) sut_context_end((struct sut_context *)service->co.guard, SUT_CANCELED);
    return comes;
}

/* Begins the run, up to its first resume. False when there is none. */
static bool begin_run(struct sut_lua_service *service, int *args) {
    int status = begin(service);
    sut_runtime_look(&sut_rt(&service->co)->rt);
    if (!is_starting(service))
        return false; /* not any more, or anew: user code has run meanwhile */
    if (status != LUA_OK) {
        finish_oddly(service, status == LUA_ERRMEM ? SUT_ODD_NO_MEMORY : SUT_ODD_BODY);
        return false;
    }
    sut_service_ran(&service->core);
    sut_heartbeat_begin(service);
    *args = lua_gettop(service->co.thread) - 1;
    return true;
}

static void end_foreign(struct sut_lua_service *service) {
    struct sut_coroutine *co = &service->co;
    if (lua_status(co->thread) == LUA_YIELD) (void)sut_coroutine_close(co);
    sut_runtime_look(&sut_rt(co)->rt);
    finish_oddly(service, SUT_ODD_FOREIGN);
}

/* What a resume has come to, if that means anything to the tree. */
static void resumed(struct sut_lua_service *service, int status, int results) {
    struct sut_coroutine *co = &service->co;
    sut_runtime_look(&sut_rt(co)->rt);
    if (status != LUA_YIELD) {
        if (status != LUA_OK)
            co->status = (unsigned)status & 7U; /* beneath the body: no memory, or a closer */
        returned(service, results);
    } else if (!sut_has_given_way(co)) {
        sut_service_break(service, SUT_ODD_YIELDED);
    } else if (service->doomed && !was_asked(&service->core)) {
        sut_service_break(service, SUT_ODD_HOGGED);
    } else {
        sut_service_gave_way(&service->core);
    }
}

void sut_service_resume(struct sut_lua_service *service) {
    struct sut_coroutine *co = &service->co;
    int args = 0;
    int results;
    int status;
    if (!co->thread && !begin_run(service, &args)) return;
    if (co->foreign) {
        end_foreign(service);
        return;
    }
    if (!was_asked(&service->core)) sut_rt(co)->rt.progressed = true;
    status = sut_coroutine_resume(co, args, &results);
    if (status != LUA_YIELD || was_asked(&service->core) || service->doomed ||
        !sut_has_given_way(co))
        resumed(service, status, results);
}

void sut_service_kill_body(struct sut_lua_service *service) {
    struct sut_coroutine *co = &service->co;
    lua_State *thread = co->thread;
    int status = sut_coroutine_close(co);
    if (status != LUA_OK && !is_cancellation(thread, -1)) {
        sut_trace_clear(&sut_rt(co)->self->trace);
        finish(service, SUT_END_PANIC, 0, take_failure(sut_rt(co)->self, NULL));
    } else {
        finish(service, SUT_END_CANCELED, 0, NULL);
    }
}
