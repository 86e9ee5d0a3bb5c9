/* SPDX-License-Identifier: MIT
 *
 * From a record of the core to the table that a hook reads.
 *
 * All of it runs on the runtime's own thread, protected. Without memory for the table nothing has
 * been told to anybody: the record stays where it is and is tried again, in order. Once the table
 * is complete the event counts as delivered, whatever the hook does with it.
 */
#include "core/alloc.h"
#include "lua/supervisor.h"
#include "lua/wait.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 16384, TRACE_MAX = 8192 };

/* From here on a difference of the clocks means that the wall clock was set. */
#define WALL_STEP_NS INT64_C(10000000)

struct delivery {
    struct sut_event *event;
    struct sut_lua_supervisor *sup;
    struct sut_lua_service *service; /* NULL for an event of the supervisor alone */
    struct sut_lua_runtime *rt;
    bool complete;
};

/* Stack of `deliver`: the delivery, the event's table, the supervisor, its bodies. */
enum { AT_EVENT = 2, AT_SUPERVISOR, AT_BODIES };

static void set(lua_State *L, const char *field) { lua_setfield(L, AT_EVENT, field); }

static void set_number(lua_State *L, const char *field, double value) {
    lua_pushnumber(L, value);
    set(L, field);
}

static void set_flag(lua_State *L, const char *field, bool value) {
    lua_pushboolean(L, value);
    set(L, field);
}

/* ---- texts ---- */

/* Replaces the string on the top by a bounded one. */
static void bound(lua_State *L) {
    size_t length;
    const char *text = lua_tolstring(L, -1, &length);
    if (length <= TEXT_MAX) return;
    lua_pushlstring(L, text, TEXT_MAX);
    lua_pushfstring(L, "%s... (%I bytes)", lua_tostring(L, -1), (lua_Integer)length);
    lua_replace(L, -3);
    lua_pop(L, 1);
}

static int default_format(lua_State *L) {
    (void)luaL_tolstring(L, 1, NULL);
    return 1;
}

/* Pushes the text of the value at the index: the spec's format_error, else a guarded tostring. */
static void push_text(lua_State *L, const struct delivery *to, int value) {
    char text[512];
    bool custom;
    if (lua_type(L, value) == LUA_TSTRING &&
        lua_getiuservalue(L, AT_SUPERVISOR, SUT_SUPERVISOR_FORMAT_ERROR) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_pushvalue(L, value);
        bound(L);
        return;
    }
    if (lua_type(L, value) != LUA_TSTRING)
        (void)lua_getiuservalue(L, AT_SUPERVISOR, SUT_SUPERVISOR_FORMAT_ERROR);
    custom = lua_isfunction(L, -1);
    if (!custom) {
        lua_pop(L, 1);
        lua_pushcfunction(L, default_format);
    }
    lua_pushvalue(L, value);
    int status = lua_pcall(L, 1, 1, 0);
    if (status == LUA_ERRMEM) lua_error(L);
    if (status == LUA_OK && lua_type(L, -1) == LUA_TSTRING) {
        bound(L);
        return;
    }
    if (custom) {
        sut_value_text(L, -1, text, sizeof text);
        sut_report(to->rt, "format_error of supervisor '%s' %s %s", to->sup->name,
                   status == LUA_OK ? "returned no string:" : "raised:", text);
    }
    lua_pop(L, 1);
    sut_value_text(L, value, text, sizeof text);
    lua_pushstring(L, text);
}

/* ---- what an end has left ---- */

/* Pushes the value that the run ended with. */
static void push_value(lua_State *L, const struct delivery *to) {
    const struct sut_detail *detail = &to->event->detail;
    lua_State *thread;
    if (to->service->core.child) {
        sut_push_object(L, to->service->core.child);
        (void)lua_getiuservalue(L, -1, SUT_SUPERVISOR_REASON);
        lua_remove(L, -2);
        return;
    }
    if (detail->ref < 0) {
        lua_pushstring(L, sut_odd_message(detail->ref));
        return;
    }
    sut_push_threads(L, to->rt);
    (void)lua_rawgeti(L, -1, sut_thread_key(to->service));
    thread = lua_tothread(L, -1);
    lua_pop(L, 2);
    if (!thread || lua_gettop(thread) == 0) {
        lua_pushnil(L);
        return;
    }
    lua_pushvalue(thread, -1);
    lua_xmove(thread, L, 1);
}

/* Gives one kind of variables through redact: the list of { name, text } is on the top. */
static void redact_list(lua_State *L, const struct delivery *to, int redact) {
    char text[256];
    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    for (lua_Integer i = 1; i <= count; i++) {
        (void)lua_rawgeti(L, -1, i);
        lua_pushvalue(L, redact);
        lua_getfield(L, -2, "name");
        lua_getfield(L, -3, "text");
        int status = lua_pcall(L, 2, 1, 0);
        if (status != LUA_OK) {
            if (status == LUA_ERRMEM) lua_error(L);
            sut_value_text(L, -1, text, sizeof text);
            sut_report(to->rt, "redact of supervisor '%s' raised: %s", to->sup->name, text);
            lua_pushliteral(L, "(redacted)");
            lua_replace(L, -2);
        }
        if (lua_type(L, -1) == LUA_TSTRING)
            lua_setfield(L, -2, "text");
        else
            lua_pop(L, 1);
        lua_pop(L, 1);
    }
}

/* Moves the variables that lie beneath the value on the thread into the frames on the top. */
static void add_variables(lua_State *L, const struct delivery *to) {
    static const char *const kinds[] = {"locals", "upvalues"};
    int frames = lua_gettop(L);
    lua_State *thread;
    sut_push_threads(L, to->rt);
    (void)lua_rawgeti(L, -1, sut_thread_key(to->service));
    lua_remove(L, -2);
    thread = lua_tothread(L, -1);
    if (!thread || lua_gettop(thread) < 2) { /* closed by a stranger */
        lua_settop(L, frames);
        return;
    }
    lua_pushvalue(thread, -2);
    lua_xmove(thread, L, 1);
    (void)lua_getiuservalue(L, AT_SUPERVISOR, SUT_SUPERVISOR_REDACT);
    for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, frames + 2); i++) {
        if (lua_rawgeti(L, frames, i) != LUA_TTABLE) {
            lua_pop(L, 1);
            break;
        }
        (void)lua_rawgeti(L, frames + 2, i);
        for (int k = 0; k < 2; k++) {
            if (lua_getfield(L, -1, kinds[k]) == LUA_TTABLE) {
                if (lua_isfunction(L, frames + 3)) redact_list(L, to, frames + 3);
                lua_setfield(L, -3, kinds[k]);
            } else {
                lua_pop(L, 1);
            }
        }
        lua_pop(L, 2);
    }
    lua_settop(L, frames);
}

static void set_trace(lua_State *L, const struct delivery *to) {
    const struct sut_failure *failure = to->event->detail.block;
    char text[TRACE_MAX];
    if (to->service->core.child) {
        lua_pushliteral(L, "(the trace stands in the event of the service below)");
        set(L, "stacktrace");
        lua_newtable(L);
    } else if (!failure || !failure->has_trace) {
        lua_pushstring(L, failure || to->event->detail.ref < SUT_ODD_NO_MEMORY + 1
                              ? "(no trace)"
                              : "(no memory for the trace)");
        set(L, "stacktrace");
        lua_newtable(L);
    } else {
        (void)sut_trace_text(&failure->trace, text, sizeof text);
        lua_pushstring(L, text);
        set(L, "stacktrace");
        sut_trace_push_frames(L, &failure->trace);
        if (failure->has_variables) add_variables(L, to);
    }
    set(L, "frames");
}

static void set_end(lua_State *L, const struct delivery *to) {
    const struct sut_event *event = to->event;
    set_flag(L, "restarting", event->restarting);
    set_flag(L, "stopping", event->stopping);
    if (event->end == SUT_END_PLAIN) {
        sut_service_set_last_error(to->service, "returned without an error");
        return;
    }
    push_value(L, to);
    push_text(L, to, lua_gettop(L));
    if (sut_error_is(L, -2, SUT_CANCELED) || sut_error_is(L, -2, SUT_DEADLINE_EXCEEDED)) {
        lua_pushfstring(L, "%s (from some other context)", lua_tostring(L, -1));
        lua_replace(L, -2);
    }
    sut_service_set_last_error(to->service, lua_tostring(L, -1));
    lua_pushvalue(L, -1);
    set(L, "error_msg");
    if (event->type == SUT_EVENT_SERVICE_PANIC) {
        lua_pushvalue(L, -1);
        set(L, "panic_msg");
        set_trace(L, to);
    }
    lua_pop(L, 1);
    set(L, "error");
}

/* ---- the other types ---- */

/* Where the service hangs: for the event, and for the report later. */
static void set_stuck(lua_State *L, const struct delivery *to) {
    struct sut_lua_service *service = to->service;
    struct sut_lua *self = to->rt->self;
    char trace[TRACE_MAX];
    char waiting[sizeof((struct sut_stuck *)0)->waiting_for];
    struct sut_stuck *stuck;
    size_t length;
    sut_trace_clear(&self->trace);
    if (service->co.thread) sut_trace_chain(&self->trace, service->co.thread);
    length = sut_trace_text(&self->trace, trace, sizeof trace);
    sut_wait_text(self, &service->co, waiting, sizeof waiting);
    stuck = sut_service_extras(service) ? sut_calloc(sizeof *stuck + length + 1) : NULL;
    if (stuck) {
        memcpy(stuck->stacktrace, trace, length + 1);
        memcpy(stuck->waiting_for, waiting, sizeof waiting);
        sut_free(service->extras->stuck);
        service->extras->stuck = stuck;
    }
    set_flag(L, "killed", to->event->killed);
    lua_pushstring(L, trace);
    set(L, "stacktrace");
    lua_pushstring(L, waiting);
    set(L, "waiting_for");
}

struct jitter {
    struct sut_lua_supervisor *sup;
    double delay_s;
};

static int call_jitter(lua_State *L) {
    struct jitter *jitter = lua_touserdata(L, 1);
    double delay;
    sut_push_object(L, jitter->sup);
    (void)lua_getiuservalue(L, -1, SUT_SUPERVISOR_JITTER);
    if (lua_isnil(L, -1)) {
        jitter->delay_s *= 1 + sut_random_unit(&jitter->sup->rt->rt.random) / 2;
        return 0;
    }
    lua_pushnumber(L, jitter->delay_s);
    lua_call(L, 1, 1);
    delay = lua_tonumber(L, -1);
    if (lua_type(L, -1) != LUA_TNUMBER || !(delay >= 0) || delay > 1e9)
        return luaL_error(L, "it returned %s, not seconds from 0 up", luaL_tolstring(L, -1, NULL));
    jitter->delay_s = delay;
    return 0;
}

/* The pause's length is user code's to say, so it is asked here, between steps; once. */
static void decide_delay(const struct delivery *to) {
    struct sut_supervisor *sup = &to->sup->core;
    struct jitter jitter = {to->sup, sut_seconds(sup->backoff_ns)};
    char text[256];
    if (to->event->has_delay) return;
    if (sut_call(to->rt, call_jitter, &jitter, text, sizeof text) != LUA_OK) {
        sut_report(to->rt, "backoff_jitter of supervisor '%s' failed, and is not used: %s",
                   to->sup->name, text);
    }
    to->event->delay_ns = sut_ns(jitter.delay_s);
    to->event->has_delay = true;
    sut_supervisor_backoff(sup, to->event->time_ns, to->event->delay_ns);
}

static void set_reason(lua_State *L, const struct delivery *to) {
    lua_pushstring(L, sut_end_name(to->event->end));
    set(L, "reason");
}

/* Why a run begins. That of a supervisor is told before the failure that it follows. */
static void set_start_reason(lua_State *L, const struct delivery *to) {
    const struct sut_service *place = to->sup->core.place;
    if (!to->service && !place)
        lua_pushliteral(L, "served");
    else if ((to->service ? to->event->run : place->run) <= 1)
        lua_pushliteral(L, "first start");
    else
        lua_pushstring(L, to->service ? sut_service_last_error(to->service) : "started again");
    set(L, "reason");
}

/* ---- every type ---- */

/* The wall clock is asked each time, but followed only when it was set anew: it would differ from
 * the monotonic one by microseconds otherwise, and events might seem to go backwards. */
static double wall_time(const struct delivery *to) {
    struct sut_lua_runtime *rt = to->rt;
    uv_timeval64_t wall;
    int64_t base_ns;
    if (rt->rt.clock == SUT_CLOCK_VIRTUAL) return rt->epoch_s + sut_seconds(to->event->time_ns);
    (void)uv_gettimeofday(&wall);
    base_ns = wall.tv_sec * SUT_SECOND_NS + wall.tv_usec * INT64_C(1000) - sut_runtime_now(&rt->rt);
    if (base_ns - rt->wall_ns > WALL_STEP_NS || rt->wall_ns - base_ns > WALL_STEP_NS)
        rt->wall_ns = base_ns;
    return sut_seconds(rt->wall_ns + to->event->time_ns);
}

static void set_common(lua_State *L, const struct delivery *to) {
    const struct sut_event *event = to->event;
    lua_pushstring(L, sut_event_name(event->type));
    set(L, "type");
    set_number(L, "time", sut_seconds(event->time_ns));
    set_number(L, "wall", wall_time(to));
    lua_pushinteger(L, (lua_Integer)event->seq);
    set(L, "seq");
    lua_pushvalue(L, AT_SUPERVISOR);
    set(L, "supervisor");
    lua_pushlstring(L, to->sup->name, to->sup->name_length);
    set(L, "supervisor_name");
    sut_push_path(L, &to->sup->core, event->service);
    set(L, "path");
    if (event->type <= SUT_EVENT_RESUME) set_number(L, "current_failures", event->score);
    if (event->type <= SUT_EVENT_SERVICE_TERMINATE)
        set_number(L, "failure_threshold", to->sup->core.policy.threshold);
}

static void set_service(lua_State *L, const struct delivery *to) {
    const struct sut_name *name = &to->service->core.name;
    (void)lua_rawgeti(L, AT_BODIES, to->service->ref);
    set(L, "service");
    lua_pushlstring(L, sut_service_text(&to->service->core), name->length);
    set(L, "service_name");
    sut_push_token(L, &to->service->core);
    set(L, "token");
    lua_pushinteger(L, to->event->run);
    set(L, "run");
}

static void set_happening(lua_State *L, const struct delivery *to) {
    if (to->event->type == SUT_EVENT_STOP_TIMEOUT)
        set_stuck(L, to);
    else if (to->event->type == SUT_EVENT_SERVICE_STOP)
        set_reason(L, to);
    else if (to->event->type == SUT_EVENT_SERVICE_START)
        set_start_reason(L, to);
    else
        set_end(L, to);
}

static void set_supervisor(lua_State *L, const struct delivery *to) {
    if (to->event->type == SUT_EVENT_BACKOFF)
        set_number(L, "delay", sut_seconds(to->event->delay_ns));
    else if (to->event->type == SUT_EVENT_RESUME)
        set_number(L, "delay", sut_seconds(to->sup->core.spacing_ns));
    else if (to->event->type == SUT_EVENT_SUPERVISOR_STOP)
        set_reason(L, to);
    else
        set_start_reason(L, to);
}

static int deliver(lua_State *L) {
    struct delivery *to = lua_touserdata(L, 1);
    lua_createtable(L, 0, 20);
    sut_push_object(L, to->sup);
    (void)lua_getiuservalue(L, AT_SUPERVISOR, SUT_SUPERVISOR_BODIES);
    set_common(L, to);
    if (to->service) {
        set_service(L, to);
        set_happening(L, to);
    } else {
        set_supervisor(L, to);
    }
    sut_push_handler(L, "event_metatable");
    lua_setmetatable(L, AT_EVENT);
    if (lua_getiuservalue(L, AT_SUPERVISOR, SUT_SUPERVISOR_HOOK) == LUA_TNIL)
        sut_push_handler(L, "default_hook");
    lua_pushvalue(L, AT_EVENT);
    to->complete = true;
    lua_call(L, 1, 0);
    return 0;
}

/* The event is told: what its end had left goes. */
static void drop_detail(const struct delivery *to) {
    struct sut_detail *detail = &to->event->detail;
    sut_free(detail->block);
    if (to->service && !to->service->core.child && detail->ref > 0)
        sut_service_drop_thread(to->service);
    *detail = (struct sut_detail){0};
}

int sut_deliver(struct sut_runtime *runtime, struct sut_event *event) {
    struct delivery to = {.event = event,
                          .sup = sut_supervisor_of(event->supervisor),
                          .service = (struct sut_lua_service *)event->service,
                          .rt = sut_runtime_of(runtime)};
    char text[512];
    int status;
    if (event->type == SUT_EVENT_BACKOFF) decide_delay(&to);
    status = sut_call(to.rt, deliver, &to, text, sizeof text);
    if (status != LUA_OK) {
        if (!to.complete && status == LUA_ERRMEM) return -1;
        sut_report(to.rt, "the event hook of supervisor '%s' raised at event %llu (%s): %s",
                   to.sup->name, (unsigned long long)event->seq, sut_event_name(event->type), text);
    }
    drop_detail(&to);
    return 0;
}
