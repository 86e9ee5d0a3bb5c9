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
/* For so long it is not asked again. */
#define WALL_EVERY_NS INT64_C(1000000)

/* ---- telling ---- */

void sut_tell_words(const struct sut_delivery *to, enum sut_text which, const char *text,
                    size_t length) {
    if (text) sut_note_text(&to->told->notes, which, text, length);
}

void sut_tell_text(lua_State *L, const struct sut_delivery *to, enum sut_text which) {
    size_t length;
    const char *text = lua_tolstring(L, -1, &length);
    sut_tell_words(to, which, text, length);
}

void sut_tell_value(lua_State *L, const struct sut_delivery *to, enum sut_value which) {
    to->told->at[which] = lua_gettop(L);
}

/* ---- the other types ---- */

struct jitter {
    struct sut_lua_supervisor *sup;
    const struct sut_lua_service *service; /* whose own delay it is, or NULL */
    double delay_s;
};

/* The child's own jitter, else the supervisor's. */
static void push_jitter(lua_State *L, const struct jitter *jitter) {
    const struct sut_extras *extras = jitter->service ? sut_extras_of(jitter->service) : NULL;
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

static void tell_reason(lua_State *L, const struct sut_delivery *to) {
    lua_pushstring(L, sut_end_name(to->event->end));
    sut_tell_text(L, to, SUT_TEXT_REASON);
}

/* A supervisor ends plainly only by the end of a significant service. */
static void tell_auto_shutdown(lua_State *L, const struct sut_delivery *to) {
    lua_pushliteral(L, "auto shutdown");
    sut_tell_text(L, to, SUT_TEXT_REASON);
}

/* Why a run begins. That of a supervisor is told before the failure that it follows. */
static void tell_start_reason(lua_State *L, const struct sut_delivery *to) {
    const struct sut_event *event = to->event;
    if (event->run == 0)
        lua_pushliteral(L, "served");
    else if (event->run == 1)
        lua_pushliteral(L, "first start");
    else
        lua_pushstring(L, to->service ? sut_service_why_begun(to->service, event->run)
                                      : "started again");
    sut_tell_text(L, to, SUT_TEXT_REASON);
}

/* ---- every type ---- */

/* Looks whether the wall clock was set: it would differ from the monotonic one by microseconds
 * otherwise, and events might seem to go backwards. */
static void look_at_wall(struct sut_lua_runtime *rt, int64_t time_ns) {
    uv_timeval64_t wall;
    int64_t base_ns;
    (void)uv_gettimeofday(&wall);
    base_ns = wall.tv_sec * SUT_SECOND_NS + wall.tv_usec * INT64_C(1000) - sut_runtime_now(&rt->rt);
    if (base_ns - rt->wall_ns > WALL_STEP_NS || rt->wall_ns - base_ns > WALL_STEP_NS)
        rt->wall_ns = base_ns;
    rt->looked_ns = time_ns;
}

static double wall_time(const struct sut_delivery *to) {
    struct sut_lua_runtime *rt = to->rt;
    int64_t time_ns = to->event->time_ns;
    if (rt->rt.clock == SUT_CLOCK_VIRTUAL) return rt->epoch_s + sut_seconds(time_ns);
    if (time_ns - rt->looked_ns >= WALL_EVERY_NS || time_ns < rt->looked_ns)
        look_at_wall(rt, time_ns);
    return sut_seconds(rt->wall_ns + time_ns);
}

/* The path has a place for as long as the event is made: most are short. */
static void tell_path(lua_State *L, const struct sut_delivery *to, char *room, size_t size) {
    size_t length = sut_write_path(&to->sup->core, to->event->service, room, size);
    if (length <= size) {
        sut_tell_words(to, SUT_TEXT_PATH, room + size - length, length);
    } else {
        sut_push_path(L, &to->sup->core, to->event->service);
        sut_tell_text(L, to, SUT_TEXT_PATH);
    }
}

/* Ends, and begins and ends of runs and lives: on whose account. */
static void tell_cause(lua_State *L, const struct sut_delivery *to) {
    const struct sut_event *event = to->event;
    const struct sut_notes *notes = &to->told->notes;
    if (event->type > SUT_EVENT_SERVICE_TERMINATE && event->type < SUT_EVENT_SERVICE_START) return;
    if (to->service && event->cause.value == sut_service_id(&to->service->core).value) {
        sut_tell_words(to, SUT_TEXT_BECAUSE_OF, notes->text[SUT_TEXT_PATH],
                       notes->length[SUT_TEXT_PATH]);
    } else {
        sut_push_cause(L, &to->sup->core, event->cause);
        sut_tell_text(L, to, SUT_TEXT_BECAUSE_OF);
    }
}

static void tell_common(lua_State *L, const struct sut_delivery *to) {
    const struct sut_event *event = to->event;
    struct sut_facts *facts = &to->told->notes.facts;
    facts->type = event->type;
    facts->seq = event->seq;
    to->told->at[SUT_VALUE_SUPERVISOR] = SUT_AT_SUPERVISOR;
    to->told->supervisor_name = to->sup->name;
    to->told->supervisor_name_length = to->sup->name_length;
    sut_tell_number(to, SUT_NUMBER_TIME, sut_seconds(event->time_ns));
    sut_tell_number(to, SUT_NUMBER_WALL, wall_time(to));
    tell_cause(L, to);
    if (event->type <= SUT_EVENT_RESUME)
        sut_tell_number(to, SUT_NUMBER_CURRENT_FAILURES, event->score);
    if (event->type <= SUT_EVENT_SERVICE_TERMINATE)
        sut_tell_number(to, SUT_NUMBER_FAILURE_THRESHOLD, event->limit);
}

/* What was added: of a template's child the template's function. */
static void tell_service(lua_State *L, const struct sut_delivery *to) {
    const struct sut_service *core = &to->service->core;
    to->told->notes.facts.run = to->event->run;
    to->told->id = sut_service_id(core);
    sut_tell_words(to, SUT_TEXT_SERVICE_NAME, sut_service_text(core), core->name.length);
    sut_push_body(L, SUT_AT_SUPERVISOR, SUT_AT_BODIES, to->service);
    sut_tell_value(L, to, SUT_VALUE_SERVICE);
}

static void tell_happening(lua_State *L, const struct sut_delivery *to) {
    if (to->event->type == SUT_EVENT_STOP_TIMEOUT)
        sut_tell_stuck(L, to);
    else if (to->event->type == SUT_EVENT_SERVICE_HOG)
        sut_tell_hog_event(L, to);
    else if (to->event->type == SUT_EVENT_SERVICE_STOP)
        tell_reason(L, to);
    else if (to->event->type == SUT_EVENT_SERVICE_START)
        tell_start_reason(L, to);
    else
        sut_tell_end(L, to);
}

static void tell_supervisor(lua_State *L, const struct sut_delivery *to) {
    if (to->event->type == SUT_EVENT_BACKOFF || to->event->type == SUT_EVENT_RESUME)
        sut_tell_number(to, SUT_NUMBER_DELAY, sut_seconds(to->event->delay_ns));
    else if (to->event->type == SUT_EVENT_ESCALATE)
        sut_tell_escalation(L, to);
    else if (to->event->type == SUT_EVENT_SUPERVISOR_STOP && to->event->end == SUT_END_PLAIN)
        tell_auto_shutdown(L, to);
    else if (to->event->type == SUT_EVENT_SUPERVISOR_STOP)
        tell_reason(L, to);
    else
        tell_start_reason(L, to);
}

/* Nothing is told yet. What no set says is there is not looked at. */
static void begin_told(struct sut_told *told) {
    struct sut_facts *facts = &told->notes.facts;
    facts->run = 0;
    facts->has_number = 0;
    facts->has_flag = 0;
    facts->flag = 0;
    told->notes.has_text = 0;
    told->id.value = 0;
    told->trace = NULL;
    memset(told->at, 0, sizeof told->at);
}

int sut_deliver_kept(lua_State *L) {
    struct sut_delivery *to = lua_touserdata(L, 1);
    char path[256];
    begin_told(to->told);
    sut_push_object_kept(L, to->sup);
    (void)lua_getiuservalue(L, SUT_AT_SUPERVISOR, SUT_SUPERVISOR_BODIES);
    tell_path(L, to, path, sizeof path);
    tell_common(L, to);
    if (to->service) {
        tell_service(L, to);
        tell_happening(L, to);
    } else {
        tell_supervisor(L, to);
    }
    if (lua_getiuservalue(L, SUT_AT_SUPERVISOR, SUT_SUPERVISOR_HOOK) == LUA_TNIL)
        sut_slot_here(L, SUT_SLOT_DEFAULT_HOOK);
    sut_push_event(L, to->told);
    sut_history_record(&to->sup->history, &to->told->notes);
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
    if (to->service && !sut_service_child(&to->service->core) && on_thread)
        sut_service_drop_thread(to->service);
    *detail = (struct sut_detail){0};
}

int sut_deliver(struct sut_runtime *runtime, struct sut_event *event) {
    struct sut_told told;
    struct sut_delivery to = {.event = event,
                              .sup = sut_supervisor_of(event->supervisor),
                              .service = (struct sut_lua_service *)event->service,
                              .rt = sut_runtime_of(runtime),
                              .told = &told};
    char text[512];
    int status;
    if (event->type == SUT_EVENT_BACKOFF || event->puts_off) decide_delay(&to);
    status = sut_call_kept(to.rt, SUT_KEPT_DELIVER, &to, text, sizeof text);
    if (status != LUA_OK) {
        if (!to.complete && status == LUA_ERRMEM) return -1;
        sut_report(to.rt, "the event hook of supervisor '%s' raised at event %llu (%s): %s",
                   to.sup->name, (unsigned long long)event->seq, sut_event_name(event->type), text);
    }
    drop_detail(&to);
    return 0;
}
