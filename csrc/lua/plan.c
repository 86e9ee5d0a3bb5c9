/* SPDX-License-Identifier: MIT
 *
 * sup:plan(service, what): what would follow from an end of a child, as tables.
 *
 * The steps of the core point into the tree, and building tables may collect garbage, whose
 * finalizers may change the tree: so the collector stands still from the dry run until the tables
 * are built. All that is built under a protected call, behind which the steps are freed.
 */
#include "lua/reason.h"

#include "core/plan.h"

#include <string.h>

struct call {
    struct sut_lua_supervisor *sup;
    struct sut_id id;
    enum sut_end end;
    struct sut_plan plan;
};

/* ---- arguments ---- */

static enum sut_end check_what(lua_State *L, int arg) {
    static const char *const words[] = {"panic",          "error",          "return",
                                        "do_not_restart", "terminate_tree", NULL};
    static const enum sut_end ends[] = {SUT_END_PANIC, SUT_END_ERROR, SUT_END_PLAIN,
                                        SUT_END_DO_NOT_RESTART, SUT_END_TERMINATE_TREE};
    if (lua_isnoneornil(L, arg)) return SUT_END_PANIC;
    for (int i = 0; lua_type(L, arg) == LUA_TSTRING && words[i]; i++)
        if (strcmp(lua_tostring(L, arg), words[i]) == 0) return ends[i];
    (void)sut_misuse(L, "plan", "what",
                     "\"panic\", \"error\", \"return\", \"do_not_restart\" or \"terminate_tree\"",
                     arg);
    return SUT_END_PANIC;
}

/* ---- events ---- */

static void set_flag(lua_State *L, const char *field, bool value) {
    lua_pushboolean(L, value);
    lua_setfield(L, -2, field);
}

static void set_seconds(lua_State *L, const char *field, int64_t time_ns) {
    lua_pushnumber(L, sut_seconds(time_ns));
    lua_setfield(L, -2, field);
}

static bool is_end(const struct sut_plan_step *step) {
    return step->type == SUT_EVENT_SERVICE_PANIC || step->type == SUT_EVENT_SERVICE_TERMINATE;
}

/* The end of a run, as its event has it. */
static void set_end(lua_State *L, const struct sut_plan_step *step) {
    set_flag(L, "restarting", step->restarting);
    set_flag(L, "stopping", step->stopping);
    if (step->queued) set_flag(L, "queued", true);
    if (step->puts_off) set_seconds(L, "delay", step->delay_ns);
}

static bool has_reason(const struct sut_plan_step *step) {
    return step->type == SUT_EVENT_ESCALATE || step->type == SUT_EVENT_SERVICE_STOP ||
           step->type == SUT_EVENT_SUPERVISOR_STOP;
}

static void set_reason(lua_State *L, const struct sut_plan_step *step) {
    if (step->type == SUT_EVENT_ESCALATE)
        sut_push_escalation(L, step->end, sut_policy_tolerated(&step->supervisor->policy),
                            step->delay_ns);
    else if (!step->service && step->end == SUT_END_PLAIN)
        lua_pushliteral(L, "auto shutdown");
    else
        lua_pushstring(L, sut_end_name(step->end));
    lua_setfield(L, -2, "reason");
}

static void push_event(lua_State *L, const struct sut_plan_step *step) {
    lua_createtable(L, 0, 6);
    lua_pushstring(L, sut_event_name(step->type));
    lua_setfield(L, -2, "type");
    sut_push_path(L, step->supervisor, step->service);
    lua_setfield(L, -2, "path");
    set_seconds(L, "at", step->at_ns);
    if (is_end(step)) set_end(L, step);
    if (has_reason(step)) set_reason(L, step);
    if (step->type == SUT_EVENT_BACKOFF || step->type == SUT_EVENT_RESUME)
        set_seconds(L, "delay", step->delay_ns);
}

/* ---- the tables ---- */

/* Pushes the list of all steps of a kind. */
static void push_steps(lua_State *L, const struct sut_plan *plan, enum sut_plan_kind kind) {
    lua_Integer at = 0;
    lua_newtable(L);
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct sut_plan_step *step = &plan->steps[i];
        if (step->kind != kind) continue;
        if (kind == SUT_PLAN_EVENT)
            push_event(L, step);
        else
            sut_push_path(L, step->supervisor, step->service);
        lua_rawseti(L, -2, ++at);
    }
}

static void push_plan(lua_State *L, const struct sut_plan *plan) {
    lua_createtable(L, 0, 3);
    push_steps(L, plan, SUT_PLAN_STOP);
    lua_setfield(L, -2, "stop");
    push_steps(L, plan, SUT_PLAN_START);
    lua_setfield(L, -2, "start");
    push_steps(L, plan, SUT_PLAN_EVENT);
    lua_setfield(L, -2, "events");
}

/* Pushes the plan, or nil and an error. */
static int make(lua_State *L) {
    struct call *call = lua_touserdata(L, 1);
    struct sut_lua_supervisor *sup = call->sup;
    const struct sut_service *service = sut_tree_find(sup->core.tree, call->id);
    int made = SUT_ENOTRUNNING;
    if (service)
        made = sut_plan_make(&call->plan, service, call->end, sut_runtime_now(&sup->rt->rt));
    if (made == SUT_ENOTRUNNING) return sut_fail(L, SUT_ERR_NOT_RUNNING);
    if (made != SUT_OK) return luaL_error(L, "not enough memory");
    push_plan(L, &call->plan);
    return 1;
}

static int make_protected(lua_State *L, struct call *call) {
    int below = lua_gettop(L);
    bool collects = lua_gc(L, LUA_GCISRUNNING) == 1;
    int status;
    if (collects) lua_gc(L, LUA_GCSTOP);
    lua_pushcfunction(L, make);
    lua_pushlightuserdata(L, call);
    status = lua_pcall(L, 1, LUA_MULTRET, 0);
    sut_plan_free(&call->plan);
    if (collects) lua_gc(L, LUA_GCRESTART);
    return status == LUA_OK ? lua_gettop(L) - below : lua_error(L);
}

int sut_supervisor_plan(lua_State *L) {
    struct sut_lua_supervisor *sup = sut_check_supervisor(L, 1, "plan");
    struct call call = {.sup = sup, .end = check_what(L, 3)};
    const struct sut_service *service;
    sut_check_same_runtime(L, sut_self(L), sup, "plan");
    service = sut_find_service(L, sup, 2, "plan");
    if (!service) return 2;
    if (!sut_supervisor_running(&sup->core)) return sut_fail(L, SUT_ERR_NOT_RUNNING);
    if (sut_service_lives(service) && service->after == SUT_AFTER_FORGET)
        return sut_fail(L, SUT_ERR_UNKNOWN_SERVICE);
    call.id = sut_service_id(service);
    return make_protected(L, &call);
}
