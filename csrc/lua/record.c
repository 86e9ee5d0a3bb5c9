/* SPDX-License-Identifier: MIT
 *
 * What a supervisor says of its children: services, children, count and tree.
 *
 * Ids are collected first and records built after, each from an id: building tables may collect
 * garbage, and a finalizer may change the tree meanwhile.
 */
#include "lua/cpu_share.h"
#include "lua/heartbeat.h"
#include "lua/snapshot.h"
#include "lua/template.h"
#include "lua/wait.h"

#include <math.h>

struct roll {
    uint32_t count;
    struct sut_id ids[];
};

/* The next service of a listing: of the children alone, or of the whole subtree. */
static struct sut_service *next(const struct sut_supervisor *sup, struct sut_service *service,
                                bool deep) {
    if (deep) return sut_supervisor_walk(sup, service);
    do
        service = service ? sut_service_next(service) : sut_supervisor_first(sup);
    while (service && service->retired);
    return service;
}

/* Pushes the ids, as a userdata that holds them. */
static struct roll *push_roll(lua_State *L, const struct sut_supervisor *sup, bool deep) {
    struct roll *roll;
    struct sut_service *service = NULL;
    uint32_t count = 0;
    uint32_t size;
    while ((service = next(sup, service, deep)) != NULL)
        count++;
    size = count + 8;
    roll = lua_newuserdatauv(L, sizeof *roll + size * sizeof roll->ids[0], 0);
    roll->count = 0;
    while (roll->count < size && (service = next(sup, service, deep)) != NULL)
        roll->ids[roll->count++] = sut_service_id(service);
    return roll;
}

static struct sut_lua_supervisor *begin_call(lua_State *L, const char *fn) {
    struct sut_lua_supervisor *sup = sut_check_supervisor(L, 1, fn);
    lua_settop(L, 1);
    sup->core.tree->now_ns = sut_runtime_now(&sup->rt->rt);
    return sup;
}

/* ---- one record ---- */

static void set_integer(lua_State *L, const char *field, lua_Integer value) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, field);
}

static void set_string(lua_State *L, const char *field, const char *value) {
    lua_pushstring(L, value);
    lua_setfield(L, -2, field);
}

static void set_flag(lua_State *L, const char *field, bool value) {
    lua_pushboolean(L, value);
    lua_setfield(L, -2, field);
}

static void set_number(lua_State *L, const char *field, double value) {
    lua_pushnumber(L, value);
    lua_setfield(L, -2, field);
}

/* The limits that are in force. */
static void set_limits(lua_State *L, const struct sut_policy *policy) {
    if (policy->period_ns > 0) {
        set_integer(L, "intensity", policy->intensity);
        set_number(L, "period", sut_seconds(policy->period_ns));
        return;
    }
    set_number(L, "failure_threshold", policy->threshold);
    set_number(L, "failure_decay", policy->decay_s);
    if (policy->escalate_after > 0) set_integer(L, "escalate_after", policy->escalate_after);
}

static void set_supervisor_fields(lua_State *L, const struct sut_supervisor *sup) {
    uint32_t max_children = sut_template_max(sup);
    set_string(L, "supervisor_state", sut_supervisor_state_name(sup));
    set_string(L, "strategy", sut_strategy_name(sup->strategy));
    set_number(L, "score", sut_supervisor_score(sup));
    set_limits(L, &sup->policy);
    set_number(L, "failure_backoff", sut_seconds(sup->backoff_ns));
    set_number(L, "resume_spacing", sut_seconds(sup->spacing_ns));
    if (sup->auto_shutdown != SUT_AUTO_SHUTDOWN_NEVER)
        set_string(L, "auto_shutdown",
                   sup->auto_shutdown == SUT_AUTO_SHUTDOWN_ANY ? "any_significant"
                                                               : "all_significant");
    set_number(L, "timeout", sut_seconds(sup->timeout_ns));
    if (max_children != UINT32_MAX) set_integer(L, "max_children", max_children);
    set_string(L, "stop_order", sup->stop_order == SUT_STOP_PARALLEL ? "parallel" : "reverse");
}

/* How it is stopped, where its child spec says so. */
static void set_shutdown(lua_State *L, const struct sut_service *service) {
    if (service->shutdown == SUT_SHUTDOWN_TIME)
        set_number(L, "shutdown", service->options->shutdown_ms / 1000.0);
    else if (service->shutdown == SUT_SHUTDOWN_INFINITY)
        set_string(L, "shutdown", "infinity");
    else if (service->shutdown == SUT_SHUTDOWN_KILL)
        set_string(L, "shutdown", "kill");
    if (!service->kill) set_flag(L, "kill", false);
}

/* The delay of its own, where it has one. */
static void set_backoff(lua_State *L, const struct sut_service *service) {
    const struct sut_backoff *backoff = &service->options->backoff;
    lua_createtable(L, 0, 4);
    set_number(L, "min", sut_seconds(backoff->min_ns));
    set_number(L, "max", sut_seconds(backoff->max_ns));
    set_number(L, "factor", backoff->factor);
    set_number(L, "reset_after",
               backoff->reset_after_ns == SUT_NEVER ? HUGE_VAL
                                                    : sut_seconds(backoff->reset_after_ns));
    lua_setfield(L, -2, "backoff");
}

/* What it has used of the processor: measured, or sampled by the watchdog. */
static void set_usage(lua_State *L, const struct sut_lua_service *service) {
    const struct sut_extras *extras = sut_extras_of(service);
    const struct sut_lua_runtime *rt = sut_rt(&service->co);
    if (sut_service_child(&service->core) || (!rt->accounting && rt->rt.slice_ns == 0)) return;
    set_number(L, "cpu_time", extras ? sut_seconds(extras->usage.cpu_ns) : 0.0);
    set_number(L, "longest_turn", extras ? sut_seconds(extras->usage.longest_ns) : 0.0);
    set_string(L, "cpu_time_by", rt->accounting ? "measured" : "sampled");
}

/* How it is stopped when it keeps the thread, and what part of it it may use. */
static void set_hog(lua_State *L, const struct sut_lua_service *service) {
    if (service->on_hog != SUT_HOG_YIELD)
        set_string(L, "on_hog", service->on_hog == SUT_HOG_KILL ? "kill" : "panic");
    if (service->limited)
        set_number(L, "cpu_share", sut_seconds(sut_extras_of(service)->share->part_ns));
}

/* How it is started, and started again, where its child spec says so. */
static void set_restart(lua_State *L, const struct sut_lua_service *service) {
    const struct sut_service *core = &service->core;
    int64_t next_try_ns = sut_service_next_try(core);
    set_string(L, "restart", sut_restart_name(core->restart));
    if (core->significant) set_flag(L, "significant", true);
    if (core->notifies) set_string(L, "ready", "notify");
    if (core->notifies && core->options && core->options->start_timeout_ns != SUT_NEVER)
        set_number(L, "start_timeout", sut_seconds(core->options->start_timeout_ns));
    if (next_try_ns != SUT_NEVER) set_number(L, "next_try", sut_seconds(next_try_ns));
    if (core->backs_off && core->options) set_backoff(L, core);
}

/* The heartbeat that it has promised, and when its next beat is due. */
static void set_heartbeat(lua_State *L, const struct sut_lua_service *service) {
    const struct sut_heartbeat *heartbeat = sut_heartbeat_of(service);
    if (!heartbeat) return;
    set_number(L, "heartbeat", sut_seconds(heartbeat->span_ns));
    if (heartbeat->due_ns != SUT_NEVER) set_number(L, "next_beat", sut_seconds(heartbeat->due_ns));
}

/* The siblings that it starts after, by name. */
static void set_after(lua_State *L, const struct sut_service *service) {
    const struct sut_options *options = service->options;
    lua_Integer at = 0;
    if (!service->ordered) return;
    lua_createtable(L, (int)options->after_count, 0);
    for (uint32_t i = 0; i < options->after_count; i++) {
        struct sut_service *other = sut_tree_find(service->parent->tree, options->after[i]);
        if (!other) continue;
        lua_pushlstring(L, sut_service_text(other), other->name.length);
        lua_rawseti(L, -2, ++at);
    }
    lua_setfield(L, -2, "after");
}

/* What it said when it was ready; of a template's child also its argument. */
static void set_values(lua_State *L, const struct sut_lua_service *service) {
    bool info = sut_extras_of(service) && sut_extras_of(service)->info_ref != LUA_NOREF;
    if (!info && service->body != SUT_BODY_ARGUMENT) return;
    sut_push_object(L, service->core.parent);
    (void)lua_getiuservalue(L, -1, SUT_SUPERVISOR_BODIES);
    if (info) {
        (void)lua_rawgeti(L, -1, sut_extras_of(service)->info_ref);
        lua_setfield(L, -4, "info");
    }
    if (service->body == SUT_BODY_ARGUMENT) {
        sut_template_push_argument(L, service, lua_gettop(L));
        lua_setfield(L, -4, "arg");
    }
    lua_pop(L, 2);
}

static void set_waiting(lua_State *L, const struct sut_lua_service *service) {
    char text[SUT_WAIT_TEXT_MAX];
    sut_service_wait_text(service, text, sizeof text);
    if (text[0]) set_string(L, "waiting_for", text);
}

void sut_push_record(lua_State *L, struct sut_service *core) {
    const struct sut_lua_service *service = sut_service_of(core);
    const struct sut_supervisor *child = sut_service_child(core);
    lua_createtable(L, 0, 16);
    lua_pushlstring(L, sut_service_text(core), core->name.length);
    lua_setfield(L, -2, "name");
    sut_push_token(L, core);
    lua_setfield(L, -2, "token");
    sut_push_path(L, core->parent, core);
    lua_setfield(L, -2, "path");
    set_string(L, "kind", child ? "supervisor" : "worker");
    set_string(L, "state", sut_service_state_name(core));
    set_integer(L, "restarts", core->run > 0 ? core->run - 1 : 0);
    set_integer(L, "failures", core->failures);
    set_integer(L, "run", core->run);
    if (!child) set_integer(L, "resumes", service->co.resumes);
    set_number(L, "since", sut_seconds(core->since_ns));
    if (core->run > 0) set_number(L, "started_at", sut_seconds(core->started_ns));
    set_usage(L, service);
    set_restart(L, service);
    set_heartbeat(L, service);
    set_after(L, core);
    set_values(L, service);
    set_shutdown(L, core);
    set_hog(L, service);
    if (sut_service_last_error(service))
        set_string(L, "last_error", sut_service_last_error(service));
    set_waiting(L, service);
    if (child) set_supervisor_fields(L, child);
}

static const char *root_state(const struct sut_supervisor *sup) {
    if (sut_supervisor_running(sup)) return "running";
    return sup->state == SUT_SUPERVISOR_STOPPING ? "stopping" : "stopped";
}

static void push_root_record(lua_State *L, const struct sut_lua_supervisor *sup) {
    lua_createtable(L, 0, 10);
    lua_pushlstring(L, sup->name, sup->name_length);
    lua_setfield(L, -2, "name");
    sut_push_path(L, &sup->core, NULL);
    lua_setfield(L, -2, "path");
    set_string(L, "kind", "supervisor");
    set_string(L, "state", root_state(&sup->core));
    if (sup->core.state != SUT_SUPERVISOR_NOT_RUNNING)
        set_number(L, "since", sut_seconds(sup->core.since_ns));
    set_integer(L, "restarts", 0);
    set_integer(L, "failures", 0);
    set_supervisor_fields(L, &sup->core);
}

/* ---- the methods ---- */

int sut_supervisor_children(lua_State *L) {
    struct sut_lua_supervisor *sup = begin_call(L, "children");
    const struct roll *roll = push_roll(L, &sup->core, false);
    lua_Integer at = 0;
    lua_createtable(L, (int)roll->count, 0);
    for (uint32_t i = 0; i < roll->count; i++) {
        struct sut_service *service = sut_tree_find(sup->core.tree, roll->ids[i]);
        if (!service) continue;
        sut_push_record(L, service);
        lua_rawseti(L, 3, ++at);
    }
    return 1;
}

int sut_supervisor_services(lua_State *L) {
    struct sut_lua_supervisor *sup = begin_call(L, "services");
    const struct roll *roll;
    lua_Integer at = 0;
    if (!sut_supervisor_running(&sup->core)) return 0;
    roll = push_roll(L, &sup->core, false);
    lua_createtable(L, (int)roll->count, 0);
    (void)lua_getiuservalue(L, 1, SUT_SUPERVISOR_BODIES);
    for (uint32_t i = 0; i < roll->count; i++) {
        struct sut_service *service = sut_tree_find(sup->core.tree, roll->ids[i]);
        if (!service || (sut_service_lives(service) && service->after == SUT_AFTER_FORGET))
            continue;
        sut_push_body(L, 1, 4, sut_service_of(service));
        lua_rawseti(L, 3, ++at);
    }
    lua_settop(L, 3);
    return 1;
}

int sut_supervisor_count(lua_State *L) {
    struct sut_lua_supervisor *sup = begin_call(L, "count");
    struct sut_service *service = NULL;
    lua_Integer active = 0;
    lua_Integer supervisors = 0;
    while ((service = next(&sup->core, service, false)) != NULL) {
        if (sut_service_lives(service)) active++;
        if (sut_service_child(service)) supervisors++;
    }
    lua_createtable(L, 0, 4);
    set_integer(L, "specs", sup->core.child_count);
    set_integer(L, "active", active);
    set_integer(L, "supervisors", supervisors);
    set_integer(L, "workers", (lua_Integer)sup->core.child_count - supervisors);
    return 1;
}

/* Stack: supervisor, roll, its record, and a table from address to the list of children. */
enum { TREE_RECORD = 3, TREE_LISTS };

static void begin_list(lua_State *L, int record, const struct sut_supervisor *sup) {
    record = lua_absindex(L, record);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, record, "children");
    lua_rawsetp(L, TREE_LISTS, sup);
}

static int push_tree(lua_State *L, const char *fn, bool stacks) {
    struct sut_lua_supervisor *sup = begin_call(L, fn);
    const struct roll *roll = push_roll(L, &sup->core, true);
    if (sut_supervisor_placed(&sup->core))
        sut_push_record(L, sup->core.place);
    else
        push_root_record(L, sup);
    lua_newtable(L);
    begin_list(L, TREE_RECORD, &sup->core);
    for (uint32_t i = 0; i < roll->count; i++) {
        struct sut_service *service = sut_tree_find(sup->core.tree, roll->ids[i]);
        const struct sut_supervisor *child;
        if (!service || lua_rawgetp(L, TREE_LISTS, service->parent) != LUA_TTABLE) {
            lua_settop(L, TREE_LISTS);
            continue;
        }
        sut_push_record(L, service);
        if (stacks) sut_set_stack(L, service);
        child = sut_service_child(service);
        if (child) begin_list(L, -1, child);
        lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
        lua_settop(L, TREE_LISTS);
    }
    lua_settop(L, TREE_RECORD);
    return 1;
}

int sut_supervisor_tree(lua_State *L) { return push_tree(L, "tree", false); }

int sut_snapshot(lua_State *L) { return push_tree(L, "snapshot", true); }
