/* SPDX-License-Identifier: MIT
 *
 * A supervisor's settings, from the normal form of its spec in Lua to the core's fields: at its
 * making, and while it runs (sup:update).
 */
#include "lua/supervisor.h"

#include "core/alloc.h"

#include <math.h>
#include <string.h>

/* OTP's defaults for the one of the two that is not given. */
enum { DEFAULT_INTENSITY = 1, DEFAULT_PERIOD_S = 5 };

/* ---- reading fields, each only when it is there ---- */

static bool read_number(lua_State *L, int spec, const char *field, double *value) {
    bool given = lua_getfield(L, spec, field) == LUA_TNUMBER;
    if (given) *value = lua_tonumber(L, -1);
    lua_pop(L, 1);
    return given;
}

static void read_time(lua_State *L, int spec, const char *field, int64_t *time_ns) {
    double value;
    if (read_number(L, spec, field, &value)) *time_ns = sut_ns(value);
}

static void read_flag(lua_State *L, int spec, const char *field, bool *value) {
    if (lua_getfield(L, spec, field) == LUA_TBOOLEAN) *value = lua_toboolean(L, -1);
    lua_pop(L, 1);
}

static void read_history(lua_State *L, int spec, struct sut_history *history) {
    double limit;
    if (read_number(L, spec, "history", &limit)) sut_history_set_limit(history, (uint16_t)limit);
}

/* One of the words, as its index. */
static void read_word(lua_State *L, int spec, const char *field, const char *const *words,
                      uint8_t *value) {
    if (lua_getfield(L, spec, field) == LUA_TSTRING)
        for (uint8_t i = 0; words[i]; i++)
            if (strcmp(lua_tostring(L, -1), words[i]) == 0) *value = i;
    lua_pop(L, 1);
}

/* ---- the limits ---- */

/* Without a failure for the longer of the two, pauses are no row. */
static int64_t quiet_ns(double decay_s, int64_t backoff_ns) {
    int64_t decay_ns = isfinite(decay_s) ? sut_ns(decay_s) : SUT_NEVER;
    return decay_ns > backoff_ns ? decay_ns : backoff_ns;
}

/* The policy that the fields of the spec make of the present one. The limit named is in force. */
static struct sut_policy read_policy(lua_State *L, int spec, const struct sut_policy *now,
                                     int64_t backoff_ns) {
    struct sut_policy policy = *now;
    double intensity = policy.period_ns > 0 ? policy.intensity : DEFAULT_INTENSITY;
    double period_s = policy.period_ns > 0 ? sut_seconds(policy.period_ns) : DEFAULT_PERIOD_S;
    double pauses = policy.escalate_after;
    bool window = read_number(L, spec, "intensity", &intensity);
    bool score = read_number(L, spec, "failure_decay", &policy.decay_s);
    window = read_number(L, spec, "period", &period_s) || window;
    score = read_number(L, spec, "failure_threshold", &policy.threshold) || score;
    score = read_number(L, spec, "escalate_after", &pauses) || score;
    policy.escalate_after = (uint32_t)pauses;
    if (window) {
        policy.intensity = (uint32_t)intensity;
        policy.period_ns = sut_ns(period_s);
        policy.escalate_after = 0;
    } else if (score) {
        policy.period_ns = 0;
    }
    policy.quiet_ns = quiet_ns(policy.decay_s, backoff_ns);
    return policy;
}

/* Raises without memory, and then nothing is changed. */
static void set_policy(lua_State *L, struct sut_supervisor *core, const struct sut_policy *policy) {
    int64_t *ring = NULL;
    if (policy->period_ns > 0) {
        ring = sut_calloc(((size_t)policy->intensity + 1) * sizeof *ring);
        if (!ring) luaL_error(L, "not enough memory");
    }
    sut_free(sut_policy_change(&core->policy, &core->score, policy, ring, core->tree->now_ns));
}

/* ---- all of them ---- */

static void set_lifecycle_events(struct sut_supervisor *core, bool wanted) {
    if (wanted && !core->lifecycle_events) core->tree->talkative += 2;
    if (!wanted && core->lifecycle_events) core->tree->talkative -= 2;
    core->lifecycle_events = wanted;
}

void sut_configure(lua_State *L, int spec, struct sut_lua_supervisor *sup) {
    static const char *const orders[] = {"reverse", "parallel", NULL};
    static const char *const strategies[] = {"one_for_one", "one_for_all", "rest_for_one", NULL};
    static const char *const shutdowns[] = {"never", "any_significant", "all_significant", NULL};
    struct sut_supervisor *core = &sup->core;
    int64_t backoff_ns = core->backoff_ns;
    bool lifecycle_events = core->lifecycle_events;
    uint8_t strategy = core->strategy;
    struct sut_policy policy;
    core->tree->now_ns = sut_runtime_now(&sup->rt->rt);
    read_time(L, spec, "failure_backoff", &backoff_ns);
    policy = read_policy(L, spec, &core->policy, backoff_ns);
    set_policy(L, core, &policy);
    core->backoff_ns = backoff_ns;
    read_time(L, spec, "resume_spacing", &core->spacing_ns);
    read_time(L, spec, "timeout", &core->timeout_ns);
    read_flag(L, spec, "pass_through_panics", &core->pass_through_panics);
    read_flag(L, spec, "dont_propagate_termination", &core->dont_propagate_termination);
    read_flag(L, spec, "panic_locals", &sup->panic_locals);
    read_flag(L, spec, "lifecycle_events", &lifecycle_events);
    set_lifecycle_events(core, lifecycle_events);
    read_history(L, spec, &sup->history);
    read_word(L, spec, "stop_order", orders, &core->stop_order);
    read_word(L, spec, "strategy", strategies, &strategy);
    sut_supervisor_set_strategy(core, (enum sut_strategy)strategy);
    read_word(L, spec, "auto_shutdown", shutdowns, &core->auto_shutdown);
}

static void replace_function(lua_State *L, int spec, int sup, const char *field, int value) {
    if (lua_getfield(L, spec, field) == LUA_TNIL)
        lua_pop(L, 1);
    else
        (void)lua_setiuservalue(L, sup, value);
}

void sut_configure_functions(lua_State *L, int spec, int sup) {
    replace_function(L, spec, sup, "format_error", SUT_SUPERVISOR_FORMAT_ERROR);
    replace_function(L, spec, sup, "redact", SUT_SUPERVISOR_REDACT);
    replace_function(L, spec, sup, "backoff_jitter", SUT_SUPERVISOR_JITTER);
}

/* ---- sup:update(spec) ---- */

/* Whether the field is given, as another word than that one. */
static bool is_other(lua_State *L, int spec, const char *field, const char *word) {
    bool other =
        lua_getfield(L, spec, field) == LUA_TSTRING && strcmp(lua_tostring(L, -1), word) != 0;
    lua_pop(L, 1);
    return other;
}

static void check_template(lua_State *L, int spec, const struct sut_lua_supervisor *sup) {
    const char *field = NULL;
    if (is_other(L, spec, "auto_shutdown", "never")) field = "auto_shutdown";
    if (is_other(L, spec, "strategy", "one_for_one")) field = "strategy";
    if (field)
        luaL_error(L, "update: field '%s' of the template '%s' cannot be changed", field,
                   sut_shown_name(L, sup));
}

/* What the whole of the supervisor must allow, beyond each field. */
static void check_update(lua_State *L, int spec, const struct sut_lua_supervisor *sup) {
    const struct sut_service *service = sut_supervisor_first(&sup->core);
    bool never = lua_getfield(L, spec, "auto_shutdown") == LUA_TSTRING &&
                 strcmp(lua_tostring(L, -1), "never") == 0;
    lua_pop(L, 1);
    for (; service && never; service = sut_service_next(service))
        if (service->significant)
            luaL_error(L,
                       "update: field 'auto_shutdown' is \"never\", but service \"%s\" of '%s' is "
                       "significant",
                       sut_shown(L, sut_service_text(service), service->name.length),
                       sut_shown_name(L, sup));
    if (sup->template) check_template(L, spec, sup);
}

/* Those that may restart with a sibling from now on keep because of which one. */
static void give_places_for_causes(lua_State *L, const struct sut_lua_supervisor *sup) {
    for (struct sut_service *service = sut_supervisor_first(&sup->core); service;
         service = sut_service_next(service))
        if (!sut_service_give_options(service)) luaL_error(L, "not enough memory");
}

int sut_supervisor_update(lua_State *L) {
    struct sut_lua_supervisor *sup = sut_check_supervisor(L, 1, "update");
    sut_check_same_runtime(L, sut_self(L), sup, "update");
    lua_settop(L, 2);
    sut_push_handler(L, "update_spec");
    lua_pushlstring(L, sup->name, sup->name_length);
    lua_pushvalue(L, 2);
    lua_pushinteger(L, 3);
    lua_call(L, 3, 1);
    (void)sut_check_supervisor(L, 1, "update");
    check_update(L, 3, sup);
    if (is_other(L, 3, "strategy", "one_for_one")) give_places_for_causes(L, sup);
    sut_configure(L, 3, sup);
    sut_configure_functions(L, 3, 1);
    lua_pushboolean(L, 1);
    return 1;
}
