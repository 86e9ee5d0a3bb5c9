/* SPDX-License-Identifier: MIT
 *
 * Waking, cancelling and closing coroutines. How they are resumed is in resume.h.
 */
#include "lua/coroutine.h"

#include "lua/runtime.h"
#include "lua/supervisor.h"
#include "lua/wait.h"
#include "rt/thread_local.h"

#include <uv.h>

struct sut_lua_runtime *sut_rt(const struct sut_coroutine *co) {
    const struct sut_lua_service *service;
    if (co->kind != SUT_COROUTINE_SERVICE) return ((const struct sut_standalone *)co)->rt;
    service = (const void *)((const char *)co - offsetof(struct sut_lua_service, co));
    return sut_supervisor_of(service->core.parent)->rt;
}

void sut_standalone_init(struct sut_standalone *standalone, struct sut_lua_runtime *rt,
                         enum sut_coroutine_kind kind) {
    sut_coroutine_init(&standalone->co, kind);
    standalone->co.resumes = 0;
    standalone->rt = rt;
    standalone->awaits = NULL;
}

/* All but the count of resumes, which is of all runs. */
void sut_coroutine_init(struct sut_coroutine *co, enum sut_coroutine_kind kind) {
    sut_task_init(&co->task);
    co->thread = NULL;
    co->guard = NULL;
    co->shields = 0;
    co->kind = kind;
    co->wait = SUT_WAIT_NONE;
    co->woken = SUT_WOKEN_NOT;
    co->cancelled = false;
    co->status = LUA_OK;
    co->foreign = false;
    co->closing = false;
    co->struck = false;
}

void sut_wake(struct sut_coroutine *co, enum sut_woken woken) {
    if (co->wait == SUT_WAIT_NONE || co->woken != SUT_WOKEN_NOT) return;
    sut_list_remove(&co->task.node);
    co->woken = woken;
    if (co->kind == SUT_COROUTINE_MAIN)
        sut_task_stop(&sut_rt(co)->rt, &co->task);
    else
        sut_task_ready(&sut_rt(co)->rt, &co->task);
}

void sut_wake_all(struct sut_list *waiters, enum sut_woken woken) {
    while (!sut_list_empty(waiters)) {
        struct sut_list *node = waiters->next;
        sut_list_remove(node);
        sut_wake(SUT_CONTAINER(node, struct sut_coroutine, task.node), woken);
    }
}

bool sut_coroutine_cancel(struct sut_coroutine *co) {
    co->cancelled = true;
    if (co->shields == 0) sut_wake(co, SUT_WOKEN_CANCEL);
    return sut_rt(co)->self->current == co || co->woken != SUT_WOKEN_NOT || co->foreign;
}

/* ---- closing by force ---- */

lua_State *sut_innermost(lua_State *thread) {
    lua_State *inner;
    while ((inner = sut_nested(thread)) != NULL)
        thread = inner;
    return thread;
}

/* The thread that has `inner` nested in it, in the chain from `outer`. */
static lua_State *just_outside(lua_State *outer, const lua_State *inner) {
    lua_State *next;
    while ((next = sut_nested(outer)) != inner)
        outer = next;
    return outer;
}

void sut_trace_chain(struct sut_trace *trace, lua_State *thread) {
    lua_State *inner = sut_innermost(thread);
    sut_trace_walk(trace, inner, 0, sut_service_main);
    while (inner != thread) {
        inner = just_outside(thread, inner);
        sut_trace_walk(trace, inner, 0, sut_service_main);
    }
}

/* When the innermost close under way must be over; 0 outside any. */
static SUT_THREAD_LOCAL uint64_t close_deadline;

static void out_of_budget(lua_State *L, lua_Debug *ar) {
    (void)ar;
    if (!close_deadline) { /* a coroutine that a closer has made, and that outlives the close */
        lua_sethook(L, NULL, 0, 0);
        return;
    }
    if (uv_hrtime() < close_deadline) return;
    lua_sethook(L, out_of_budget, LUA_MASKCOUNT, 1); /* from now on at every instruction */
    luaL_error(L, "closed by force: its closers took longer than the close budget");
}

static int reset(lua_State *thread, lua_State *from) {
#if LUA_VERSION_RELEASE_NUM >= 50406
    return lua_closethread(thread, from);
#else
    (void)from;
    return lua_resetthread(thread);
#endif
}

/* Closers may make coroutines: those inherit the hook. A thread that a stranger has resumed, and
 * that runs, cannot be closed. */
static int close_thread(lua_State *thread, lua_State *from) {
    lua_Debug ar;
    int status;
    if (lua_status(thread) == LUA_OK && lua_getstack(thread, 0, &ar)) return LUA_OK;
    lua_sethook(thread, out_of_budget, LUA_MASKCOUNT, 1000);
    status = reset(thread, from);
    lua_sethook(thread, NULL, 0, 0);
    return status;
}

int sut_coroutine_close(struct sut_coroutine *co) {
    struct sut_lua *self = sut_rt(co)->self;
    struct sut_coroutine *current = self->current;
    struct sut_lua_runtime *runtime = self->runtime;
    lua_State *active = self->active;
    lua_State *inner = sut_innermost(co->thread);
    uint64_t outer_deadline = close_deadline;
    int status;
    co->closing = true;
    co->wait = SUT_WAIT_NONE; /* what its closers run is not what it waited for */
    self->current = co;
    self->runtime = sut_rt(co);
    close_deadline = uv_hrtime() + (uint64_t)sut_rt(co)->close_budget_ns;
    while (inner != co->thread) {
        lua_State *outer = just_outside(co->thread, inner);
        self->active = inner;
        (void)close_thread(inner, self->from);
        inner = outer;
    }
    self->active = co->thread;
    status = close_thread(co->thread, self->from);
    self->active = active;
    self->current = current;
    self->runtime = runtime;
    co->closing = false;
    close_deadline = outer_deadline;
    return status;
}
