/* SPDX-License-Identifier: MIT
 *
 * The run of a service: its coroutine's beginning, its resumes, and what its end means.
 */
#include "lua/service.h"

#include "core/alloc.h"
#include "lua/context.h"
#include "lua/runtime.h"
#include "lua/supervisor.h"
#include "lua/wait.h"

#include <string.h>

/* ---- the bottom of the coroutine ---- */

/* Stack of sut_service_main: message handler, guard, function, arguments. */
enum { BOTTOM_HANDLER = 1, BOTTOM_GUARD };

/* The guard has no run any more; what hangs on a service's context has ended with it. */
static void leave_guard(struct sut_coroutine *co) {
    struct sut_guard *guard = co->guard;
    if (co->kind == SUT_COROUTINE_SERVICE)
        sut_context_end((struct sut_context *)guard, SUT_CANCELED);
    co->guard = NULL;
    guard->co = NULL;
}

/* A stranger has ended or spoilt the run: the runner finds out at the coroutine's next turn. */
static void ended_by_stranger(struct sut_coroutine *co) {
    co->foreign = true;
    sut_list_remove(&co->task.node);
    sut_task_ready(&sut_rt(co)->rt, &co->task);
}

static int bottom_end(lua_State *L, int status, lua_KContext context) {
    struct sut_guard *guard = lua_touserdata(L, BOTTOM_GUARD);
    struct sut_coroutine *co = guard->co;
    (void)context;
    if (co) {
        co->status = (uint8_t)(status == LUA_YIELD ? LUA_OK : status);
        leave_guard(co);
        if (sut_rt(co)->self->current != co) ended_by_stranger(co);
    }
    return lua_gettop(L) - BOTTOM_GUARD;
}

int sut_service_main(lua_State *L) {
    lua_toclose(L, BOTTOM_GUARD);
    return bottom_end(
        L,
        lua_pcallk(L, lua_gettop(L) - BOTTOM_GUARD - 1, LUA_MULTRET, BOTTOM_HANDLER, 0, bottom_end),
        0);
}

void sut_guard_closed(struct sut_guard *guard) {
    struct sut_coroutine *co = guard->co;
    if (!co) return;
    if (sut_rt(co)->rt.closed || sut_rt(co)->self->closing) {
        guard->co = NULL;
        return;
    }
    leave_guard(co);
    if (!co->closing) ended_by_stranger(co);
}

/* ---- strangers ---- */

bool sut_is_woken(const struct sut_lua *self) {
    return self->current && self->current->woken != SUT_WOKEN_NOT;
}

/* The run whose thread this is, or NULL: its guard lies in the bottom frame. */
static struct sut_coroutine *run_of(lua_State *L) {
    lua_Debug ar;
    int high = 1;
    int low = 0;
    struct sut_guard *guard = NULL;
    while (lua_getstack(L, high, &ar))
        high *= 2;
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        *(lua_getstack(L, middle, &ar) ? &low : &high) = middle;
    }
    if (!lua_checkstack(L, 2) || !lua_getstack(L, low, &ar)) return NULL;
    lua_getinfo(L, "f", &ar);
    if (lua_tocfunction(L, -1) == sut_service_main && lua_getlocal(L, &ar, BOTTOM_GUARD)) {
        guard = lua_touserdata(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return guard ? guard->co : NULL;
}

int sut_raise_stranger(lua_State *L) {
    struct sut_coroutine *co = run_of(L);
    if (co) ended_by_stranger(co);
    return luaL_error(L, "a coroutine that waits in sutura was resumed by somebody else");
}

int sut_coroutine_resume(struct sut_coroutine *co, int args, int *results) {
    struct sut_lua *self = sut_rt(co)->self;
    lua_State *active = self->active;
    lua_State *from = self->from;
    struct sut_coroutine *current = self->current;
    struct sut_lua_runtime *runtime = self->runtime;
    int status;
    self->active = co->thread;
    self->from = co->thread;
    self->current = co;
    self->runtime = sut_rt(co);
    status = lua_resume(co->thread, from, args, results);
    self->active = active;
    self->from = from;
    self->current = current;
    self->runtime = runtime;
    return status;
}

/* ---- beginning a run ---- */

/* Pushes the function, and the object before the context when the body is one. */
static int push_body(lua_State *L, lua_State *thread, const struct sut_lua_service *service,
                     int bodies) {
    (void)lua_rawgeti(L, bodies, service->ref);
    if (service->body == SUT_BODY_FUNCTION) {
        lua_xmove(L, thread, 1);
        return 1;
    }
    lua_getfield(L, -1, "serve");
    lua_insert(L, -2);
    lua_xmove(L, thread, 2);
    return 2;
}

/* Finalizers and the field 'serve' may run user code, which may recall the run that begins. */
static bool is_starting(const struct sut_lua_service *service) {
    return service->core.state == SUT_STATE_STARTING && sut_list_empty(&service->co.task.node);
}

/* On the runtime's own thread: everything that may fail, then the commitment. */
static int begin_run(lua_State *L) {
    struct sut_lua_service *service = lua_touserdata(L, 1);
    struct sut_context *context;
    lua_State *thread;
    sut_push_object(L, service->core.parent);                                      /* 2 */
    (void)lua_getiuservalue(L, 2, SUT_SUPERVISOR_BODIES);                          /* 3 */
    sut_push_threads(L, sut_rt(&service->co));                                     /* 4 */
    thread = lua_newthread(L);                                                     /* 5 */
    context = sut_context_new_service(L, sut_rt(&service->co), service->core.run); /* 6 */
    sut_slot_get(L, SUT_SLOT_ON_RAISE);
    lua_pushvalue(L, 6);
    lua_pushcfunction(thread, sut_service_main);
    lua_xmove(L, thread, 2);
    (void)push_body(L, thread, service, 3);
    lua_xmove(L, thread, 1); /* the context once more, as the argument */
    if (!is_starting(service)) return 0;
    lua_rawseti(L, 4, sut_thread_key(service));
    service->co.thread = thread;
    service->co.guard = &context->guard;
    context->guard.co = &service->co;
    return 0;
}

static int begin(struct sut_lua_service *service) {
    char why[64];
    return sut_call(sut_rt(&service->co), begin_run, service, why, sizeof why);
}

/* ---- ending a run ---- */

const char *sut_odd_message(int ref) {
    switch (ref) {
    case SUT_ODD_YIELDED:
        return "yielded to nobody; use sutura.yield or sutura.await";
    case SUT_ODD_FOREIGN:
        return "its coroutine was closed or resumed by somebody else";
    case SUT_ODD_BODY:
        return "the service object has no method 'serve' that can be called";
    default:
        return "not enough memory";
    }
}

/* Takes over what the latest raise has left; the value is on the top of the thread. */
static struct sut_failure *take_failure(struct sut_lua *self, lua_State *thread) {
    struct sut_failure *failure = sut_calloc(sizeof *failure);
    if (!failure) return NULL;
    failure->trace = self->trace;
    failure->has_trace = self->trace.count > 0;
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
    sut_spawned_close_all(service);
    sut_task_stop(&sut_rt(co)->rt, &co->task);
    sut_list_remove(&co->task.node);
    if (co->guard) leave_guard(co);
    sut_awaits_leave(co);
    sut_coroutine_init(co, SUT_COROUTINE_SERVICE);
}

static void drop_last_error(struct sut_extras *extras) {
    sut_free(extras->last_error);
    extras->last_error = NULL;
}

static void finish(struct sut_lua_service *service, enum sut_end end, int odd,
                   struct sut_failure *failure) {
    struct sut_lua *self = sut_rt(&service->co)->self;
    struct sut_detail detail = {.block = failure, .ref = odd ? odd : SUT_DETAIL_VALUE};
    bool kept = makes_event(&service->core, end);
    self->ended = (struct sut_ended){.thread = odd ? NULL : service->co.thread, .odd = odd};
    if (service->core.after == SUT_AFTER_RESTART)
        sut_service_set_last_error(service, "restarted on purpose");
    else if (service->core.state > SUT_STATE_RUNNING && service->extras)
        drop_last_error(service->extras); /* "stopped", unless an event says more */
    if (end == SUT_END_DO_NOT_RESTART) sut_token_outlives(sut_rt(&service->co), &service->core);
    leave_run(service);
    sut_service_ended(&service->core, end, kept ? detail : (struct sut_detail){0});
    if (service->core.ghost) sut_service_left(&service->core);
    if (!kept) sut_free(failure);
    if (!kept || odd) sut_service_drop_thread(service);
}

static void finish_oddly(struct sut_lua_service *service, int odd) {
    struct sut_failure *failure =
        odd == SUT_ODD_YIELDED ? take_failure(sut_rt(&service->co)->self, NULL) : NULL;
    finish(service, SUT_END_PANIC, odd, failure);
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

/* The body gave control away with something else than one of our waits. */
static void yielded_to_nobody(struct sut_lua_service *service) {
    struct sut_lua *self = sut_rt(&service->co)->self;
    sut_trace_clear(&self->trace);
    sut_trace_chain(&self->trace, service->co.thread);
    (void)sut_coroutine_close(&service->co);
    finish_oddly(service, SUT_ODD_YIELDED);
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

bool sut_service_host_cancel(struct sut_service *core) {
    struct sut_lua_service *service = sut_service_of(core);
    bool comes = sut_coroutine_cancel(&service->co);
    if (service->co.guard) sut_context_end((struct sut_context *)service->co.guard, SUT_CANCELED);
    return comes;
}

void sut_service_resume(struct sut_lua_service *service) {
    struct sut_coroutine *co = &service->co;
    int args = 0;
    int results;
    int status;
    if (!co->thread) {
        status = begin(service);
        if (!is_starting(service)) return; /* not any more, or anew: user code has run meanwhile */
        if (status != LUA_OK) {
            finish_oddly(service, status == LUA_ERRMEM ? SUT_ODD_NO_MEMORY : SUT_ODD_BODY);
            return;
        }
        sut_service_ran(&service->core);
        args = lua_gettop(co->thread) - 1;
    }
    if (co->foreign) {
        if (lua_status(co->thread) == LUA_YIELD) (void)sut_coroutine_close(co);
        finish_oddly(service, SUT_ODD_FOREIGN);
        return;
    }
    if (!was_asked(&service->core)) sut_rt(co)->rt.progressed = true;
    status = sut_coroutine_resume(co, args, &results);
    if (status != LUA_YIELD) {
        if (status != LUA_OK)
            co->status = (uint8_t)status; /* beneath the body: no memory, or a closer */
        returned(service, results);
    } else if (co->wait == SUT_WAIT_NONE || !sut_is_wait(co->thread)) {
        yielded_to_nobody(service);
    } else {
        lua_pop(co->thread, results);
        sut_service_gave_way(&service->core);
    }
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

/* ---- leaving the tree ---- */

/* The slot of its id: dense in a runtime. */
lua_Integer sut_thread_key(const struct sut_lua_service *service) {
    return (lua_Integer)(uint32_t)service->core.id.value + 1;
}

/* The key is there, so that nothing is allocated. */
void sut_service_drop_thread(struct sut_lua_service *service) {
    lua_State *L = sut_rt(&service->co)->hooks;
    sut_push_threads(L, sut_rt(&service->co));
    if (lua_rawgeti(L, -1, sut_thread_key(service)) != LUA_TNIL) {
        lua_pushnil(L);
        lua_rawseti(L, -3, sut_thread_key(service));
    }
    lua_pop(L, 2);
}

/* Lets go what the bodies kept for the service. */
static void drop_body(lua_State *L, const struct sut_lua_service *service) {
    sut_push_object(L, service->core.parent);
    (void)lua_getiuservalue(L, -1, SUT_SUPERVISOR_BODIES);
    sut_body_drop(L, sut_supervisor_of(service->core.parent), service->ref);
    if (service->extras && service->extras->contained) {
        lua_pushnil(L);
        lua_rawsetp(L, -2, service);
    }
    lua_pop(L, 2);
}

/* Who waited for its removal goes on: it has left the tree, be it for a report alone. */
void sut_service_left(struct sut_service *core) {
    struct sut_extras *extras = sut_service_of(core)->extras;
    if (extras) sut_wake_all(&extras->waiters, SUT_WOKEN_READY);
}

void sut_service_released(struct sut_runtime *runtime, struct sut_service *core) {
    struct sut_lua_runtime *rt = sut_runtime_of(runtime);
    struct sut_lua_service *service = sut_service_of(core);
    sut_service_left(core);
    sut_token_outlives(rt, core);
    sut_service_drop_thread(service);
    drop_body(rt->hooks, service);
    sut_service_free(service);
}

/* ---- the record ---- */

bool sut_wants_variables(struct sut_coroutine *co) {
    if (co->kind != SUT_COROUTINE_SERVICE) return false;
    return sut_supervisor_of(sut_service_of_coroutine(co)->core.parent)->panic_locals;
}

struct sut_extras *sut_service_extras(struct sut_lua_service *service) {
    if (service->extras) return service->extras;
    service->extras = sut_calloc(sizeof *service->extras);
    if (service->extras) sut_list_init(&service->extras->waiters);
    return service->extras;
}

const char *sut_service_last_error(const struct sut_lua_service *service) {
    if (service->extras && service->extras->last_error) return service->extras->last_error;
    return service->core.run > 1 ? "stopped" : NULL;
}

void sut_service_set_last_error(struct sut_lua_service *service, const char *text) {
    struct sut_extras *extras = sut_service_extras(service);
    char *copy = extras ? sut_copy_text(text, strlen(text)) : NULL;
    if (!copy) return;
    sut_free(extras->last_error);
    extras->last_error = copy;
}

void sut_service_free(struct sut_lua_service *service) {
    struct sut_extras *extras = service->extras;
    sut_awaits_leave(&service->co);
    if (extras) {
        while (!sut_list_empty(&extras->waiters))
            sut_list_remove(extras->waiters.next);
        if (extras->contained) extras->contained->container = NULL;
        sut_free(extras->last_error);
        sut_free(extras->stuck);
        sut_free(extras);
    }
    sut_free(service);
}
