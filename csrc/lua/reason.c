/* SPDX-License-Identifier: MIT
 *
 * Making the errors that supervisors end with.
 *
 * They are made inside a step, where no user code may run: the collector, which could call
 * finalizers, stands still meanwhile.
 */
#include "lua/reason.h"

#include "lua/heartbeat.h"

#include <stdio.h>

/* Pushes "2", "0.5": seconds without digits that say nothing. */
static void push_seconds(lua_State *L, int64_t time_ns) {
    char text[32];
    (void)snprintf(text, sizeof text, "%.6g", sut_seconds(time_ns));
    lua_pushstring(L, text);
}

/* ---- odd ends ---- */

static const char *odd_text(int odd) {
    switch (odd) {
    case SUT_ODD_YIELDED:
        return "yielded to nobody; use sutura.yield or sutura.await";
    case SUT_ODD_HOGGED:
        return "closed by force: it kept the thread for longer than its slice";
    case SUT_ODD_FOREIGN:
        return "its coroutine was closed or resumed by somebody else";
    case SUT_ODD_BODY:
        return "the service object has no method 'serve' that can be called";
    case SUT_ODD_NO_BEAT:
        return "missed its heartbeat";
    default:
        return "not enough memory";
    }
}

void sut_push_odd(lua_State *L, const struct sut_lua_service *service, int odd) {
    lua_pushstring(L, odd_text(odd));
    if (odd != SUT_ODD_NO_BEAT || !service) return;
    push_seconds(L, sut_heartbeat_of(service)->span_ns);
    lua_pushfstring(L, "%s: no ctx:beat() for %s s", lua_tostring(L, -2), lua_tostring(L, -1));
    lua_replace(L, -3);
    lua_pop(L, 1);
}

/* ---- error objects ---- */

/* Replaces message and cause on the top (cause uppermost) by an error object. */
static void wrap(lua_State *L) {
    lua_createtable(L, 0, 2);
    lua_insert(L, -3);
    lua_setfield(L, -3, "cause");
    lua_setfield(L, -2, "message");
    sut_push_handler(L, "error_metatable");
    lua_setmetatable(L, -2);
}

void sut_push_unready(lua_State *L, const struct sut_service *service, enum sut_end end) {
    if (end == SUT_END_LATE) {
        push_seconds(L, service->options->start_timeout_ns);
        lua_pushfstring(L, "it was not ready within %s s", lua_tostring(L, -1));
        lua_replace(L, -2);
        sut_push_error(L, SUT_ERR_TIMEOUT);
    } else {
        lua_pushliteral(L, "it ended before it was ready");
        lua_pushnil(L);
    }
    wrap(L);
}

/* Pushes what a supervisor has ended with. */
static void push_reason_of(lua_State *L, const struct sut_supervisor *core) {
    sut_push_object(L, core);
    (void)lua_getiuservalue(L, -1, SUT_SUPERVISOR_REASON);
    lua_remove(L, -2);
}

/* Pushes the failure of the child: what its run has ended with, just now. */
static void push_cause(lua_State *L, struct sut_service *service, enum sut_end end) {
    const struct sut_ended *ended = &sut_rt(&sut_service_of(service)->co)->self->ended;
    if (end == SUT_END_LATE || end == SUT_END_UNREADY) {
        sut_push_unready(L, service, end);
    } else if (sut_service_child(service)) {
        push_reason_of(L, sut_service_child(service));
    } else if (end == SUT_END_PLAIN) {
        lua_pushnil(L);
    } else if (ended->thread) {
        lua_pushvalue(ended->thread, -1);
        lua_xmove(ended->thread, L, 1);
    } else {
        sut_push_odd(L, sut_service_of(service), ended->odd);
    }
}

/* ---- giving up ---- */

void sut_push_escalation(lua_State *L, enum sut_end end, uint32_t tolerated, int64_t period_ns) {
    const char *plural = tolerated == 1 ? "" : "s";
    if (end == SUT_END_START_FAILED) {
        lua_pushliteral(L, "start failed");
    } else if (period_ns > 0) {
        push_seconds(L, period_ns);
        lua_pushfstring(L, "more than %d restart%s in %s s", (int)tolerated, plural,
                        lua_tostring(L, -1));
        lua_replace(L, -2);
    } else {
        lua_pushfstring(L, "paused %d time%s in a row", (int)tolerated, plural);
    }
}

static void push_sentinel(lua_State *L, enum sut_end why) {
    sut_push_error(L, why == SUT_END_GAVE_UP ? SUT_ERR_TOO_MANY_RESTARTS : SUT_ERR_START_FAILED);
}

struct failure {
    struct sut_supervisor *sup;
    struct sut_service *service;
    enum sut_end why; /* GAVE_UP or START_FAILED */
    enum sut_end end; /* of the child */
    enum sut_supervisor_value kept_in;
};

/* The error: { message = { "root/db", ERR_START_FAILED }, cause = its failure }. */
static int make(lua_State *L) {
    const struct failure *failure = lua_touserdata(L, 1);
    sut_push_object(L, failure->sup);
    sut_push_path(L, failure->sup, failure->service);
    push_sentinel(L, failure->why);
    wrap(L);
    push_cause(L, failure->service, failure->end);
    wrap(L);
    (void)lua_setiuservalue(L, 2, (int)failure->kept_in);
    return 0;
}

/* Without memory at least what it is, if not whose. */
static void keep_bare(lua_State *L, const struct failure *failure) {
    sut_push_object(L, failure->sup);
    push_sentinel(L, failure->why);
    (void)lua_setiuservalue(L, -2, (int)failure->kept_in);
    lua_pop(L, 1);
}

/* False without memory. */
static bool try_to(lua_CFunction keep_it, struct failure *failure) {
    struct sut_lua_runtime *rt = sut_supervisor_of(failure->sup)->rt;
    bool collects = lua_gc(rt->hooks, LUA_GCISRUNNING) == 1;
    char why[64];
    int status;
    if (collects) lua_gc(rt->hooks, LUA_GCSTOP);
    status = sut_call(rt, keep_it, failure, why, sizeof why);
    if (collects) lua_gc(rt->hooks, LUA_GCRESTART);
    return status == LUA_OK;
}

static void keep(struct failure failure) {
    if (!try_to(make, &failure)) keep_bare(sut_supervisor_of(failure.sup)->rt->hooks, &failure);
}

void sut_keep_start_failure(struct sut_supervisor *core, struct sut_service *service,
                            enum sut_end end) {
    keep((struct failure){core, service, SUT_END_START_FAILED, end, SUT_SUPERVISOR_START_ERROR});
}

/* ---- what the runner calls ---- */

static int make_odd(lua_State *L) {
    const struct failure *failure = lua_touserdata(L, 1);
    const struct sut_lua_service *service = sut_service_of(failure->service);
    sut_push_object(L, failure->sup);
    sut_push_odd(L, service, sut_rt(&service->co)->self->ended.odd);
    (void)lua_setiuservalue(L, 2, (int)failure->kept_in);
    return 0;
}

/* Without memory which odd end it was, if not its numbers. */
static void keep_odd(struct sut_lua_supervisor *sup, struct sut_service *service) {
    struct failure failure = {
        .sup = &sup->core, .service = service, .kept_in = SUT_SUPERVISOR_REASON};
    if (!try_to(make_odd, &failure)) sup->reason_odd = sup->rt->self->ended.odd;
}

/* The value itself: of a panic that is passed on, or of TERMINATE_TREE. */
static void keep_value(struct sut_lua_supervisor *sup, struct sut_service *service) {
    lua_State *L = sup->rt->hooks;
    const struct sut_ended *ended = &sup->rt->self->ended;
    struct sut_supervisor *child = sut_service_child(service);
    sut_push_object(L, &sup->core);
    if (child) {
        push_reason_of(L, child);
        sup->reason_odd = sut_supervisor_of(child)->reason_odd;
    } else if (ended->thread) {
        lua_pushvalue(ended->thread, -1);
        lua_xmove(ended->thread, L, 1);
    } else {
        lua_pop(L, 1);
        keep_odd(sup, service);
        return;
    }
    (void)lua_setiuservalue(L, -2, SUT_SUPERVISOR_REASON);
    lua_pop(L, 1);
}

void sut_supervisor_host_reason(struct sut_supervisor *core, struct sut_service *service,
                                enum sut_end end) {
    struct sut_lua_supervisor *sup = sut_supervisor_of(core);
    enum sut_end why = core->end;
    sup->reason_odd = 0;
    if (why == SUT_END_GAVE_UP || why == SUT_END_START_FAILED)
        keep((struct failure){core, service, why, end, SUT_SUPERVISOR_REASON});
    else if (why != SUT_END_PLAIN)
        keep_value(sup, service);
}
