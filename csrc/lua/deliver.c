/* SPDX-License-Identifier: MIT
 *
 * From a record of the core to the table that a hook reads.
 *
 * All of it runs on the runtime's own thread, protected. Without memory for the table nothing has
 * been told to anybody: the record stays where it is and is tried again, in order. Once the table
 * is complete the event counts as delivered, whatever the hook does with it.
 */
#include "lua/deliver.h"

#include "core/alloc.h"
#include "lua/cause.h"
#include "lua/history.h"
#include "lua/hog.h"

#include <stdio.h>
#include <string.h>

/* From here on a difference of the clocks means that the wall clock was set. */
#define WALL_STEP_NS INT64_C(10000000)

void sut_set(lua_State *L, enum sut_field field) { sut_event_set(L, SUT_AT_EVENT, field); }

/* ---- the other types ---- */

struct jitter {
    struct sut_lua_supervisor *sup;
    const struct sut_lua_service *service; /* whose own delay it is, or NULL */
    double delay_s;
};

/* The child's own jitter, else the supervisor's. */
static void push_jitter(lua_State *L, const struct jitter *jitter) {
    const struct sut_extras *extras = jitter->service ? jitter->service->extras : NULL;
    sut_push_object(L, jitter->sup);
    if (extras && extras->jitter_ref != LUA_NOREF) {
        (void)lua_getiuservalue(L, -1, SUT_SUPERVISOR_BODIES);
        (void)lua_rawgeti(L, -1, extras->jitter_ref);
    } else {
        (void)lua_getiuservalue(L, -1, SUT_SUPERVISOR_JITTER);
    }
}

static int call_jitter(lua_State *L) {
    struct jitter *jitter = lua_touserdata(L, 1);
    double delay;
    push_jitter(L, jitter);
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

/* The length of a pause, or of a child's own delay, is user code's to say, so it is asked here,
 * between steps; once. */
static void decide_delay(const struct sut_delivery *to) {
    struct sut_event *event = to->event;
    struct jitter jitter = {to->sup, to->service, sut_seconds(event->delay_ns)};
    char text[256];
    if (event->has_delay) return;
    if (sut_call(to->rt, call_jitter, &jitter, text, sizeof text) != LUA_OK) {
        sut_report(to->rt, "%s '%s' failed, and is not used: %s",
                   to->service ? "backoff.jitter of service" : "backoff_jitter of supervisor",
                   to->service ? to->service->name : to->sup->name, text);
    }
    event->delay_ns = sut_ns(jitter.delay_s);
    event->has_delay = true;
    if (to->service)
        sut_service_delay(&to->service->core, event->run, event->time_ns, event->delay_ns);
    else
        sut_supervisor_backoff(&to->sup->core, event->time_ns, event->delay_ns);
}

static void set_reason(lua_State *L, const struct sut_delivery *to) {
    lua_pushstring(L, sut_end_name(to->event->end));
    sut_tell_text(L, to, SUT_TEXT_REASON);
}

/* A supervisor ends plainly only by the end of a significant service. */
static void set_auto_shutdown(lua_State *L, const struct sut_delivery *to) {
    lua_pushliteral(L, "auto shutdown");
    sut_tell_text(L, to, SUT_TEXT_REASON);
}

/* Why a run begins. That of a supervisor is told before the failure that it follows. */
static void set_start_reason(lua_State *L, const struct sut_delivery *to) {
    const struct sut_service *place = to->sup->core.place;
    if (!to->service && !place)
        lua_pushliteral(L, "served");
    else if ((to->service ? to->event->run : place->run) <= 1)
        lua_pushliteral(L, "first start");
    else
        lua_pushstring(L, to->service ? sut_service_last_error(to->service) : "started again");
    sut_tell_text(L, to, SUT_TEXT_REASON);
}

/* ---- every type ---- */

/* The wall clock is asked each time, but followed only when it was set anew: it would differ from
 * the monotonic one by microseconds otherwise, and events might seem to go backwards. */
static double wall_time(const struct sut_delivery *to) {
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

/* Ends, and begins and ends of runs and lives: on whose account. */
static void set_cause(lua_State *L, const struct sut_delivery *to) {
    const struct sut_event *event = to->event;
    if (event->type > SUT_EVENT_SERVICE_TERMINATE && event->type < SUT_EVENT_SERVICE_START) return;
    if (to->service && event->cause.value == to->service->core.id.value &&
        sut_slot_find(&to->rt->rt.tree.slots, event->cause) == event->service)
        (void)lua_rawgeti(L, SUT_AT_EVENT, SUT_FIELD_PATH);
    else
        sut_push_cause(L, &to->sup->core, event->cause);
    sut_tell_text(L, to, SUT_TEXT_BECAUSE_OF);
}

static void set_common(lua_State *L, const struct sut_delivery *to) {
    const struct sut_event *event = to->event;
    lua_pushinteger(L, event->type);
    sut_set(L, SUT_FIELD_TYPE);
    sut_tell_number(L, to, SUT_NUMBER_TIME, sut_seconds(event->time_ns));
    sut_tell_number(L, to, SUT_NUMBER_WALL, wall_time(to));
    lua_pushinteger(L, (lua_Integer)event->seq);
    sut_set(L, SUT_FIELD_SEQ);
    lua_pushvalue(L, SUT_AT_SUPERVISOR);
    sut_set(L, SUT_FIELD_SUPERVISOR);
    lua_pushlstring(L, to->sup->name, to->sup->name_length);
    sut_set(L, SUT_FIELD_SUPERVISOR_NAME);
    sut_push_path(L, &to->sup->core, event->service);
    sut_tell_text(L, to, SUT_TEXT_PATH);
    set_cause(L, to);
    if (event->type <= SUT_EVENT_RESUME)
        sut_tell_number(L, to, SUT_NUMBER_CURRENT_FAILURES, event->score);
    if (event->type <= SUT_EVENT_SERVICE_TERMINATE)
        sut_tell_number(L, to, SUT_NUMBER_FAILURE_THRESHOLD,
                        sut_policy_limit(&to->sup->core.policy));
}

/* What was added: of a template's child the template's function. */
static void set_service(lua_State *L, const struct sut_delivery *to) {
    const struct sut_name *name = &to->service->core.name;
    sut_push_body(L, SUT_AT_SUPERVISOR, SUT_AT_BODIES, to->service);
    sut_set(L, SUT_FIELD_SERVICE);
    lua_pushlstring(L, sut_service_text(&to->service->core), name->length);
    sut_tell_text(L, to, SUT_TEXT_SERVICE_NAME);
    lua_pushinteger(L, (lua_Integer)to->service->core.id.value);
    sut_set(L, SUT_FIELD_TOKEN);
    lua_pushinteger(L, to->event->run);
    sut_set(L, SUT_FIELD_RUN);
}

static void set_happening(lua_State *L, const struct sut_delivery *to) {
    if (to->event->type == SUT_EVENT_STOP_TIMEOUT)
        sut_set_stuck(L, to);
    else if (to->event->type == SUT_EVENT_SERVICE_HOG)
        sut_set_hog(L, to);
    else if (to->event->type == SUT_EVENT_SERVICE_STOP)
        set_reason(L, to);
    else if (to->event->type == SUT_EVENT_SERVICE_START)
        set_start_reason(L, to);
    else
        sut_set_end(L, to);
}

static void set_supervisor(lua_State *L, const struct sut_delivery *to) {
    if (to->event->type == SUT_EVENT_BACKOFF)
        sut_tell_number(L, to, SUT_NUMBER_DELAY, sut_seconds(to->event->delay_ns));
    else if (to->event->type == SUT_EVENT_RESUME)
        sut_tell_number(L, to, SUT_NUMBER_DELAY, sut_seconds(to->sup->core.spacing_ns));
    else if (to->event->type == SUT_EVENT_ESCALATE)
        sut_set_escalation(L, to);
    else if (to->event->type == SUT_EVENT_SUPERVISOR_STOP && to->event->end == SUT_END_PLAIN)
        set_auto_shutdown(L, to);
    else if (to->event->type == SUT_EVENT_SUPERVISOR_STOP)
        set_reason(L, to);
    else
        set_start_reason(L, to);
}

/* Of those that events of the type mostly have. */
static enum sut_field last_field(const struct sut_event *event) {
    if (event->type == SUT_EVENT_SERVICE_PANIC) return SUT_FIELD_FRAMES;
    if (event->type == SUT_EVENT_SERVICE_TERMINATE)
        return event->end == SUT_END_PLAIN ? SUT_FIELD_STOPPING : SUT_FIELD_ERROR_MSG;
    if (event->type >= SUT_EVENT_SERVICE_START) return SUT_FIELD_RUN;
    return SUT_FIELD_HISTORY;
}

static int deliver(lua_State *L) {
    struct sut_delivery *to = lua_touserdata(L, 1);
    sut_event_new(L, last_field(to->event));
    sut_push_object(L, to->sup);
    (void)lua_getiuservalue(L, SUT_AT_SUPERVISOR, SUT_SUPERVISOR_BODIES);
    set_common(L, to);
    if (to->service) {
        set_service(L, to);
        set_happening(L, to);
    } else {
        set_supervisor(L, to);
    }
    if (lua_getiuservalue(L, SUT_AT_SUPERVISOR, SUT_SUPERVISOR_HOOK) == LUA_TNIL)
        sut_push_handler(L, "default_hook");
    lua_pushvalue(L, SUT_AT_EVENT);
    sut_tell_history(to);
    to->complete = true;
    lua_call(L, 1, 0);
    return 0;
}

/* The event is told: what its end had left goes. */
static void drop_detail(const struct sut_delivery *to) {
    struct sut_detail *detail = &to->event->detail;
    const struct sut_failure *failure = detail->block;
    bool on_thread = detail->ref > 0 || (failure && failure->has_variables);
    sut_free(detail->block);
    if (to->service && !to->service->core.child && on_thread) sut_service_drop_thread(to->service);
    *detail = (struct sut_detail){0};
}

int sut_deliver(struct sut_runtime *runtime, struct sut_event *event) {
    struct sut_notes notes = {0};
    struct sut_delivery to = {.event = event,
                              .sup = sut_supervisor_of(event->supervisor),
                              .service = (struct sut_lua_service *)event->service,
                              .rt = sut_runtime_of(runtime),
                              .notes = &notes};
    char text[512];
    int status;
    if (event->type == SUT_EVENT_BACKOFF || event->puts_off) decide_delay(&to);
    status = sut_call(to.rt, deliver, &to, text, sizeof text);
    if (status != LUA_OK) {
        if (!to.complete && status == LUA_ERRMEM) return -1;
        sut_report(to.rt, "the event hook of supervisor '%s' raised at event %llu (%s): %s",
                   to.sup->name, (unsigned long long)event->seq, sut_event_name(event->type), text);
    }
    drop_detail(&to);
    return 0;
}
