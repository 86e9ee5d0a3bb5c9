/* SPDX-License-Identifier: MIT
 *
 * One resume of a coroutine of ours.
 */
#ifndef SUT_LUA_RESUME_H
#define SUT_LUA_RESUME_H

#include "lua/runtime.h"
#include "rt/inline.h"

/* Resumes it, as the current one, with that many arguments on its stack. Returns Lua's status. */
static SUT_INLINE int sut_coroutine_resume(struct sut_coroutine *co, int args, int *results) {
    struct sut_lua_runtime *rt = sut_rt(co);
    struct sut_lua *self = rt->self;
    lua_State *active = self->active;
    lua_State *from = self->from;
    struct sut_coroutine *current = self->current;
    struct sut_lua_runtime *runtime = self->runtime;
    int status;
    sut_watchdog_turn(&self->preempt.watchdog);
    self->active = co->thread;
    self->from = co->thread;
    self->current = co;
    self->runtime = rt;
    co->resumes++;
    if (co->wait == SUT_WAIT_PREEMPTED) sut_preempt_resume(self, co);
    co->wait = SUT_WAIT_NONE;
    status = lua_resume(co->thread, from, args, results);
    SUT_COLLECT(self->main);
    self->active = active;
    self->from = from;
    self->current = current;
    self->runtime = runtime;
    if (sut_watchdog_ticked(&self->preempt.watchdog)) sut_preempt_after(self, co);
    return status;
}

#endif
