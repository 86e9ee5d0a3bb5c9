/* SPDX-License-Identifier: MIT
 *
 * A coroutine that a runtime resumes: the run of a service, a program given to run, or a helper of
 * a running service; and the main program, which has no coroutine but waits in the same way.
 *
 * At the bottom of its stack lies a guard, a userdata to be closed with the coroutine. It tells
 * apart the ends that we bring about from those that a stranger does by coroutine.close or by
 * resuming it: `guard->co` is NULL once the run is over.
 */
#ifndef SUT_LUA_COROUTINE_H
#define SUT_LUA_COROUTINE_H

#include "lua/state.h"

enum sut_coroutine_kind {
    SUT_COROUTINE_SERVICE,
    SUT_COROUTINE_PROGRAM, /* of rt:run(fn) */
    SUT_COROUTINE_SPAWNED, /* of core.spawn: ends with its service */
    SUT_COROUTINE_MAIN     /* the main program: no thread of its own */
};

enum sut_wait {
    SUT_WAIT_NONE,
    SUT_WAIT_YIELD,
    SUT_WAIT_PREEMPTED, /* in the middle of running: its slice was over */
    SUT_WAIT_SLEEP,
    SUT_WAIT_AWAIT,
    SUT_WAIT_MAILBOX,
    SUT_WAIT_CONTEXT,
    SUT_WAIT_SERVICE,    /* until a service that was asked to stop has ended */
    SUT_WAIT_READY,      /* until the children of a supervisor are ready */
    SUT_WAIT_SUPERVISOR, /* until a supervisor has terminated */
    SUT_WAIT_PROGRAM     /* the main program, for rt:run(fn) */
};

/* Why a wait is over. */
enum sut_woken {
    SUT_WOKEN_NOT,
    SUT_WOKEN_READY,   /* what was waited for has come */
    SUT_WOKEN_TIME,    /* the limit has passed */
    SUT_WOKEN_FAILED,  /* what was waited for will not come */
    SUT_WOKEN_CANCEL,  /* asked to stop */
    SUT_WOKEN_GOES_ON, /* it was preempted, and nothing was waited for */
    SUT_WOKEN_BROKEN   /* the main program only: deadlock, or Ctrl-C */
};

struct sut_await; /* csrc/lua/await.c */

struct sut_guard {
    struct sut_coroutine *co; /* NULL once the run is over */
};

struct sut_coroutine {
    struct sut_task task;
    lua_State *thread;       /* NULL between runs */
    struct sut_guard *guard; /* at the bottom of the thread's stack */
    uint32_t resumes;        /* of all runs of a service; starts again at 2^32 */
    uint16_t shields;        /* depth of sutura.shield */
    /* The rest of the word, in bits: a signal handler may read them, on the loop's thread. */
    enum sut_coroutine_kind kind : 2;
    enum sut_wait wait : 4; /* NONE from each resume on, until it waits again */
    enum sut_woken woken : 3;
    unsigned status : 3; /* Lua's, of its body once that has ended */
    bool cancelled : 1;  /* asked to stop: sticky */
    bool foreign : 1;    /* a stranger has closed or resumed it */
    bool closing : 1;    /* is being closed by force */
    bool struck : 1;     /* when it runs next, CANCELED is raised where it stands */
};

/* A coroutine that is no service's knows its runtime; a service's finds it by its supervisor. */
struct sut_standalone {
    struct sut_coroutine co; /* first */
    struct sut_lua_runtime *rt;
    struct sut_await *awaits; /* that are open; those of a service are in its extras */
};

void sut_coroutine_init(struct sut_coroutine *co, enum sut_coroutine_kind kind);
void sut_standalone_init(struct sut_standalone *standalone, struct sut_lua_runtime *rt,
                         enum sut_coroutine_kind kind);

/* The runtime of a coroutine; a service must have been added. Cannot fail. */
struct sut_lua_runtime *sut_rt(const struct sut_coroutine *co);

/* Ends the wait for the reason and makes the coroutine ready; harmless when it does not wait or was
 * woken already. Cannot fail. */
void sut_wake(struct sut_coroutine *co, enum sut_woken woken);

/* Wakes everyone in a list of sut_coroutine.task.node. */
void sut_wake_all(struct sut_list *waiters, enum sut_woken woken);

/* Asks it to stop: sticky. True when it will be resumed for that. Cannot fail. */
bool sut_coroutine_cancel(struct sut_coroutine *co);

/* After a resume that gave LUA_YIELD: true for one of our waits or a preemption, which yield
 * nothing; false when its code has yielded to nobody. */
static inline bool sut_has_given_way(const struct sut_coroutine *co) {
    return co->wait != SUT_WAIT_NONE;
}

/* Asked to stop, and not inside a shield. */
static inline bool sut_is_asked(const struct sut_coroutine *co) {
    return co->cancelled && co->shields == 0;
}

/* Closes the thread and every coroutine nested in it by force, innermost first, each with what is
 * left of the close budget. Returns LUA_OK or the status of the first failing closer, whose error
 * is then on the top of `co->thread`. Never raises. */
int sut_coroutine_close(struct sut_coroutine *co);

/* The innermost coroutine of the chain that a thread waits or runs in (itself when none is nested).
 * Never raises. */
lua_State *sut_innermost(lua_State *thread);

/* The thread directly nested by our resume or wrap in one that is suspended, or that runs it now;
 * or NULL. */
lua_State *sut_nested(lua_State *thread);

/* True while it is inside the `start` of an await. */
bool sut_await_is_starting(struct sut_coroutine *co);

/* The service whose helper it is, or NULL. Async-signal-safe. */
struct sut_lua_service;
const struct sut_lua_service *sut_spawned_owner(const struct sut_coroutine *co);

/* It is over: awaits of its that are still open belong to nobody, and a late resume does nothing;
 * what it was woken for and has not taken goes to another one. Never raises. */
void sut_waits_leave(struct sut_coroutine *co);

/* Whether the coroutine of a runtime's that now runs was woken; one that was not has been resumed
 * by a stranger. Never raises. */
bool sut_is_woken(const struct sut_lua *self);

/* Raises in a thread that a stranger has resumed in the middle of a wait; the run that the thread
 * belongs to, if it is the bottom of one, ends as a panic. */
int sut_raise_stranger(lua_State *L);

/* Adds the frames of a thread that waits or runs and of all nested in it, innermost first. Never
 * raises. */
void sut_trace_chain(struct sut_trace *trace, lua_State *thread);

/* The guard's __close and __gc have come: unless the run is over, a stranger has closed the thread.
 * Never raises. */
void sut_guard_closed(struct sut_guard *guard);

/* True when the supervisor of a service's coroutine asks for locals and upvalues in frames. */
bool sut_wants_variables(struct sut_coroutine *co);

/* Keeps the locals and upvalues of a raise for such a supervisor: those of `from`, from the level
 * on, seen from a called function when `from` is `L`. Never raises. (csrc/lua/state.c) */
void sut_take_variables(lua_State *L, struct sut_lua *self, lua_State *from, int level);

/* The coroutine parts from its guard; a service's context ends with that. Never raises. */
void sut_leave_guard(struct sut_coroutine *co);

/* The bottom function of every thread of ours, left out of traces. */
int sut_service_main(lua_State *L);

/* resume, wrap as a table on the stack (csrc/lua/nested.c). */
int sut_open_nested(lua_State *L);

#endif
