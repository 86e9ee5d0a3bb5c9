/* SPDX-License-Identifier: MIT
 *
 * What happens to Lua code that runs over its slice. The watchdog's signal arms a hook on the
 * coroutine that runs; at its next instruction the hook acts: a service yields to the others, or
 * meets an error, by its policy; a callback of a step meets an error.
 *
 * Hooks that others have set are kept: ours is put over theirs for one instruction, passes on
 * what theirs would have got, and puts theirs back.
 *
 * Invariants: at most one coroutine is armed, and that is the one that runs: whoever changes
 * `sut_lua.active` moves the hook along. Nothing is armed outside a resume or a call.
 */
#ifndef SUT_LUA_PREEMPT_H
#define SUT_LUA_PREEMPT_H

#include "rt/watchdog.h"

#include <lua.h>

struct sut_coroutine;
struct sut_lua;

/* What a service's run over its slice leads to. */
enum sut_on_hog { SUT_HOG_YIELD, SUT_HOG_PANIC, SUT_HOG_KILL };

/* What was done about it. */
enum sut_hog_action { SUT_HOG_PREEMPTED, SUT_HOG_RAISED, SUT_HOG_KILLED, SUT_HOG_NOTHING };

struct sut_preempt {
    struct sut_watchdog watchdog;
    lua_State *armed; /* carries our hook, or NULL */
    lua_Hook kept;    /* the hook under ours, and what it was set for */
    int kept_mask;
    int kept_count;
    int64_t began_ns;     /* of the turn that overruns */
    uint32_t late_turn;   /* that turn */
    uint32_t acted_turn;  /* the latest turn in which the hook has acted */
    uint32_t raised_turn; /* the latest turn in which it has raised for overrunning */
    uint32_t start_turn;  /* likewise, in a `start` of an await */
};

/* Makes it, with nothing watched yet. */
void sut_preempt_init(struct sut_lua *self);

/* Around each change of `active`: the hook, if `from` carries it, is carried by `to` from now on,
 * or by nobody when that is NULL. Never raises. */
void sut_preempt_move(struct sut_lua *self, lua_State *from, lua_State *to);

/* To be called when time has passed in a resume (sut_watchdog_ticked) and it is over: charges who
 * ran, and tells of an overrun that ended by itself. Never raises. */
void sut_preempt_after(struct sut_lua *self, struct sut_coroutine *co);

/* A preempted coroutine is about to be resumed. Never raises. */
void sut_preempt_resume(struct sut_lua *self, struct sut_coroutine *co);

#endif
