/* SPDX-License-Identifier: MIT
 *
 * The hook of overruns: how it is armed from the signal's handler, and what it does.
 */
#include "lua/preempt.h"

#include "lua/cpu_share.h"
#include "lua/hog.h"
#include "lua/runtime.h"
#include "lua/service.h"
#include "lua/wait.h"

#include <stdio.h>
#include <uv.h>

/* Instructions between two looks whether Lua can yield by now. */
enum { POLL_COUNT = 1000 };

/* ---- arming ---- */

static void on_hook(lua_State *L, lua_Debug *ar);

/* A hook for lines comes after ours for the same instruction, and may not be called any more once
 * ours has yielded: so ours acts at a line too, after theirs. */
static bool sees_lines(const struct sut_preempt *preempt) {
    return (preempt->kept_mask & LUA_MASKLINE) != 0;
}

/* Async-signal-safe: the coroutine that carries the hook is the one that runs. */
static void arm(struct sut_preempt *preempt, lua_State *L, int count) {
    if (lua_gethook(L) != on_hook) {
        preempt->kept = lua_gethook(L);
        preempt->kept_mask = lua_gethookmask(L);
        preempt->kept_count = lua_gethookcount(L);
    }
    preempt->armed = L;
    lua_sethook(L, on_hook, preempt->kept_mask | (sees_lines(preempt) ? 0 : LUA_MASKCOUNT), count);
}

/* Coroutines that were made while their maker carried the hook carry it too. */
static void disarm(struct sut_preempt *preempt, lua_State *L) {
    if (preempt->armed == L) preempt->armed = NULL;
    if (lua_gethook(L) == on_hook)
        lua_sethook(L, preempt->kept, preempt->kept_mask, preempt->kept_count);
}

void sut_preempt_move(struct sut_lua *self, lua_State *from, lua_State *to) {
    struct sut_preempt *preempt = &self->preempt;
    if (preempt->armed != from) return;
    disarm(preempt, from);
    if (to) arm(preempt, to, 1);
}

static uint32_t turn_of(const struct sut_preempt *preempt) {
    return atomic_load_explicit(&preempt->watchdog.turn, memory_order_relaxed);
}

static bool is_late(const struct sut_preempt *preempt) {
    return preempt->late_turn == turn_of(preempt);
}

/* In the handler of the signal, on the loop's thread, in the middle of anything. */
static void overrun(struct sut_watchdog *watchdog, int64_t ran_ns) {
    struct sut_preempt *preempt = SUT_CONTAINER(watchdog, struct sut_preempt, watchdog);
    struct sut_lua *self = SUT_CONTAINER(preempt, struct sut_lua, preempt);
    preempt->began_ns = (int64_t)uv_hrtime() - ran_ns;
    preempt->late_turn = turn_of(preempt);
    sut_hog_suspect(self);
    if (!self->active || (self->current && self->current->closing)) return;
    arm(preempt, self->active, 1);
}

void sut_preempt_init(struct sut_lua *self) { sut_watchdog_init(&self->preempt.watchdog, overrun); }

/* ---- acting ---- */

static struct sut_lua *state_of(lua_State *L) {
    struct sut_lua *self;
    sut_push_state(L);
    self = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return self;
}

static int64_t ran_ns(const struct sut_preempt *preempt) {
    return (int64_t)uv_hrtime() - preempt->began_ns;
}

/* The level of the function that was interrupted is 0: a hook has none of its own. */
static void raise_text(lua_State *L, const char *text) {
    luaL_where(L, 0);
    lua_pushstring(L, text);
    lua_concat(L, 2);
    (void)lua_error(L);
}

/* Raises once; again in the same turn, from then on at every instruction. */
static void raise_overrun(lua_State *L, struct sut_preempt *preempt, const char *what) {
    char text[160];
    (void)snprintf(
        text, sizeof text, "%s ran for %.3f s in one piece, longer than the slice of %g s", what,
        (double)ran_ns(preempt) / 1e9, (double)atomic_load(&preempt->watchdog.slice_ns) / 1e9);
    if (preempt->raised_turn == preempt->late_turn) arm(preempt, L, 1);
    preempt->raised_turn = preempt->late_turn;
    raise_text(L, text);
}

static bool may_yield(lua_State *L, const struct sut_lua *self) {
    return lua_isyieldable(L) && self->pinned != self->current;
}

/* Goes to the end of the run queue. Must be the hook's last deed. */
static void give_way(lua_State *L, struct sut_coroutine *co) {
    co->wait = SUT_WAIT_PREEMPTED;
    co->woken = SUT_WOKEN_GOES_ON;
    if (co->kind == SUT_COROUTINE_SERVICE) sut_hog_preempted(sut_service_of_coroutine(co));
    sut_task_preempted(&sut_rt(co)->rt, &co->task);
    (void)lua_yield(L, 0);
}

static void yield_or_poll(lua_State *L, struct sut_lua *self, struct sut_coroutine *co) {
    if (may_yield(L, self))
        give_way(L, co);
    else
        arm(&self->preempt, L, POLL_COUNT);
}

/* One that is being killed where it cannot yield meets an error at every instruction. */
static void raise_on(lua_State *L, struct sut_lua *self, struct sut_coroutine *co) {
    if (may_yield(L, self)) {
        give_way(L, co);
        return;
    }
    arm(&self->preempt, L, 1);
    (void)sut_raise_canceled(L);
}

/* A service that has been asked to stop: its time may pass while nothing else can run. */
static void act_on_stopping(lua_State *L, struct sut_lua *self, struct sut_lua_service *service) {
    if (!may_yield(L, self)) sut_hog_expire(service);
    if (service->co.struck) {
        service->co.struck = false;
        (void)sut_raise_canceled(L);
    } else if (service->core.state == SUT_STATE_KILLING) {
        raise_on(L, self, &service->co);
    } else {
        yield_or_poll(L, self, &service->co);
    }
}

static void act_on_hog(lua_State *L, struct sut_lua *self, struct sut_lua_service *service) {
    struct sut_preempt *preempt = &self->preempt;
    bool again = preempt->raised_turn == preempt->late_turn;
    if (service->on_hog == SUT_HOG_YIELD) {
        yield_or_poll(L, self, &service->co);
    } else if (service->on_hog == SUT_HOG_PANIC && !again) {
        raise_overrun(L, preempt, "it");
    } else {
        service->doomed = true;
        raise_on(L, self, &service->co);
    }
}

static enum sut_hog_action action_on(lua_State *L, const struct sut_lua *self,
                                     const struct sut_lua_service *service) {
    bool yields = service->on_hog == SUT_HOG_YIELD || service->core.state > SUT_STATE_RUNNING;
    if (!yields) return service->on_hog == SUT_HOG_KILL ? SUT_HOG_KILLED : SUT_HOG_RAISED;
    return may_yield(L, self) ? SUT_HOG_PREEMPTED : SUT_HOG_NOTHING;
}

static void act_on_service(lua_State *L, struct sut_lua *self, struct sut_lua_service *service,
                           bool first) {
    if (sut_cpu_share_only(service, ran_ns(&self->preempt))) {
        yield_or_poll(L, self, &service->co);
        return;
    }
    if (first) sut_hog_tell(service, action_on(L, self, service), ran_ns(&self->preempt));
    if (service->core.state > SUT_STATE_RUNNING)
        act_on_stopping(L, self, service);
    else
        act_on_hog(L, self, service);
}

/* The first overrun of a turn is told; `start` of an await meets an error of its own. */
static void act(lua_State *L, struct sut_lua *self) {
    struct sut_preempt *preempt = &self->preempt;
    struct sut_coroutine *co = self->current;
    bool first = preempt->acted_turn != preempt->late_turn;
    preempt->acted_turn = preempt->late_turn;
    sut_watchdog_acted(&preempt->watchdog);
    if (!co) {
        raise_overrun(L, preempt, "a callback");
    } else if (sut_await_is_starting(co) && preempt->start_turn != preempt->late_turn) {
        preempt->start_turn = preempt->late_turn;
        raise_overrun(L, preempt, "'start' of an await");
    } else if (co->kind == SUT_COROUTINE_SERVICE) {
        act_on_service(L, self, sut_service_of_coroutine(co), first);
    } else {
        yield_or_poll(L, self, co);
    }
}

/* One instruction after the signal; or what the hook under ours is for. */
static void on_hook(lua_State *L, lua_Debug *ar) {
    struct sut_lua *self = state_of(L);
    struct sut_preempt *preempt = &self->preempt;
    bool armed = preempt->armed == L;
    if (ar->event != LUA_HOOKCOUNT && preempt->kept) preempt->kept(L, ar);
    if (ar->event != (sees_lines(preempt) ? LUA_HOOKLINE : LUA_HOOKCOUNT)) return;
    disarm(preempt, L);
    if (!armed || L != self->active) return;
    if (self->current && self->current->struck) {
        self->current->struck = false;
        (void)sut_raise_canceled(L);
    } else if (is_late(preempt)) {
        act(L, self);
    }
}

/* ---- around a resume ---- */

void sut_preempt_resume(struct sut_lua *self, struct sut_coroutine *co) {
    lua_State *inner = sut_innermost(co->thread);
    if (inner == co->thread) co->woken = SUT_WOKEN_NOT; /* else: go_in of nested.c */
    if (co->struck) arm(&self->preempt, inner, 1);
}

void sut_preempt_after(struct sut_lua *self, struct sut_coroutine *co) {
    struct sut_preempt *preempt = &self->preempt;
    int64_t passed_ns = sut_watchdog_take_time(&preempt->watchdog);
    if (co->kind == SUT_COROUTINE_SERVICE && !sut_rt(co)->accounting)
        sut_hog_charge(sut_service_of_coroutine(co), passed_ns);
    if (preempt->armed) sut_preempt_move(self, preempt->armed, NULL);
    if (!is_late(preempt) || co->kind != SUT_COROUTINE_SERVICE) return;
    if (preempt->acted_turn != preempt->late_turn)
        sut_hog_gave_way(sut_service_of_coroutine(co), ran_ns(preempt));
}
