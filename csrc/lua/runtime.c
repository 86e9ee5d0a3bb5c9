/* SPDX-License-Identifier: MIT
 *
 * The runtime's userdata, from its making to its end. Its methods are in runtime_methods.c.
 */
#include "lua/runtime.h"

#include "core/alloc.h"
#include "lua/cause.h"
#include "lua/context.h"
#include "lua/cpu_share.h"
#include "lua/heartbeat.h"
#include "lua/hog.h"
#include "lua/service.h"
#include "lua/supervisor.h"

#include <math.h>
#include <string.h>

/* ---- what the runner asks ---- */

/* The service is there after its resume, ended or not: it leaves between steps. */
static void resume_limited(struct sut_lua_service *service) {
    if (sut_cpu_share_passes_over(service)) return;
    sut_service_resume(service);
    sut_cpu_share_spend(service);
}

static void resume_other(struct sut_runtime *rt, struct sut_coroutine *co) {
    if (co->kind != SUT_COROUTINE_SERVICE) sut_runtime_look(rt);
    switch (co->kind) {
    case SUT_COROUTINE_SERVICE:
        resume_limited(sut_service_of_coroutine(co));
        break;
    case SUT_COROUTINE_SPAWNED:
        sut_spawned_resume(co);
        break;
    case SUT_COROUTINE_PROGRAM:
    case SUT_COROUTINE_MAIN: /* is never in a run queue */
        sut_program_resume(co);
        break;
    }
}

static void resume(struct sut_runtime *rt, struct sut_task *task) {
    struct sut_coroutine *co = SUT_CONTAINER(task, struct sut_coroutine, task);
    if (sut_deadline_kind(&task->wake) == SUT_DEADLINE_HEARTBEAT) {
        sut_runtime_look(rt);
        sut_heartbeat_judge(task);
    } else if (co->kind == SUT_COROUTINE_SERVICE && !sut_service_of_coroutine(co)->limited) {
        sut_service_resume(sut_service_of_coroutine(co));
    } else {
        resume_other(rt, co);
    }
}

static void wake(struct sut_runtime *rt, struct sut_task *task) {
    (void)rt;
    if (sut_deadline_kind(&task->wake) == SUT_DEADLINE_CONTEXT)
        sut_context_expired(task);
    else if (sut_deadline_kind(&task->wake) == SUT_DEADLINE_HEARTBEAT)
        sut_heartbeat_expired(task);
    else
        sut_wake(SUT_CONTAINER(task, struct sut_coroutine, task), SUT_WOKEN_TIME);
}

static void kill_service(struct sut_runtime *rt, struct sut_service *service) {
    (void)rt;
    sut_service_kill_body(sut_service_of(service));
}

/* With the option `accounting`: two readings of the clock around each resume. */
static void resume_measured(struct sut_runtime *rt, struct sut_task *task) {
    struct sut_coroutine *co = SUT_CONTAINER(task, struct sut_coroutine, task);
    bool is_service = co->kind == SUT_COROUTINE_SERVICE;
    uint64_t began_ns = uv_hrtime();
    resume(rt, task);
    if (is_service) sut_hog_charge(sut_service_of_coroutine(co), (int64_t)(uv_hrtime() - began_ns));
}

#define ABOVE(how)                                                                                 \
    {                                                                                              \
        .host = {.text_at = offsetof(struct sut_lua_service, name),                                \
                 .start = sut_service_host_start,                                                  \
                 .recall = sut_service_host_recall,                                                \
                 .cancel = sut_service_host_cancel,                                                \
                 .interrupt = sut_service_host_interrupt,                                          \
                 .reason = sut_supervisor_host_reason,                                             \
                 .ready = sut_supervisor_host_ready,                                               \
                 .start_failed = sut_supervisor_host_start_failed},                                \
        .resume = (how), .wake = wake, .deliver = sut_deliver, .kill = kill_service,               \
        .release = sut_service_released, .finished = sut_supervisor_finished,                      \
    }

static const struct sut_above above = ABOVE(resume);
static const struct sut_above measured = ABOVE(resume_measured);

/* ---- making ---- */

/* That a turn may take before it is preempted, in seconds; on a virtual clock as long as it likes,
 * for what real time does is no part of that. */
#define SLICE_S 0.05

/* What options may hold has been checked in Lua (sutura.runtime_options). */
static double option(lua_State *L, int opts, const char *name, double fallback) {
    double value = fallback;
    if (lua_getfield(L, opts, name) != LUA_TNIL) value = lua_tonumber(L, -1);
    lua_pop(L, 1);
    return value;
}

/* Whether the option holds this one of its words. */
static bool is_option(lua_State *L, int opts, const char *name, const char *word) {
    const char *text;
    bool same;
    lua_getfield(L, opts, name);
    text = lua_tostring(L, -1);
    same = text && strcmp(text, word) == 0;
    lua_pop(L, 1);
    return same;
}

static bool flag_option(lua_State *L, int opts, const char *name) {
    bool value;
    lua_getfield(L, opts, name);
    value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

/* The signal is one for the whole Lua state: the first runtime to name one chooses. */
static void choose_signal(lua_State *L, struct sut_lua *self, int opts) {
    struct sut_watchdog *watchdog = &self->preempt.watchdog;
    if (lua_getfield(L, opts, "preempt_signal") == LUA_TSTRING) {
        int signum = sut_signal_number(lua_tostring(L, -1));
        if (!signum)
            sut_misuse(L, "runtime", "preempt_signal", "the name of a signal that can be caught",
                       lua_gettop(L));
        if (watchdog->started && watchdog->signum != signum)
            luaL_error(L,
                       "bad argument 'preempt_signal' to 'runtime' (this Lua state already "
                       "preempts by %s)",
                       sut_signal_name(watchdog->signum));
        watchdog->signum = signum;
    }
    lua_pop(L, 1);
}

static void check_options(lua_State *L, int opts) {
    sut_push_handler(L, "runtime_options");
    lua_pushvalue(L, opts);
    lua_pushinteger(L, 3);
    lua_call(L, 2, 0);
}

static uint64_t random_seed(void) {
    uint64_t seed = uv_hrtime();
    (void)uv_random(NULL, NULL, &seed, sizeof seed, 0, NULL);
    return seed;
}

/* A service's context has one byte to say where it is at home. */
static void move_in(struct sut_lua *self, struct sut_lua_runtime *rt) {
    for (unsigned i = 0; i < 255 && !rt->number; i++) {
        /* From the last one on: a context that has outlived its runtime shall find nobody there. */
        self->last_home = (uint8_t)(self->last_home % 255 + 1);
        if (self->homes[self->last_home]) continue;
        self->homes[self->last_home] = rt;
        rt->number = self->last_home;
    }
}

struct sut_lua_runtime *sut_runtime_at_home(lua_State *L, uint8_t number) {
    struct sut_lua *self;
    sut_push_state(L);
    self = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return self->homes[number];
}

static void start_lists(struct sut_lua_runtime *rt) {
    sut_list_init(&rt->signals);
    sut_list_init(&rt->mailboxes);
    sut_list_init(&rt->supervisors);
    sut_standalone_init(&rt->main, rt, SUT_COROUTINE_MAIN);
    rt->attached_ref = LUA_NOREF;
    rt->close_budget_ns = SUT_SECOND_NS / 10;
    rt->rt.tree.grace_ns = SUT_SECOND_NS / 10;
}

/* Pushes a new runtime. */
static struct sut_lua_runtime *push_runtime(lua_State *L, struct sut_lua *self,
                                            enum sut_clock clock) {
    struct sut_lua_runtime *rt = lua_newuserdatauv(L, sizeof *rt, 2);
    memset(rt, 0, sizeof *rt);
    sut_runtime_init(&rt->rt, &above, clock);
    rt->self = self;
    rt->serial = ++self->last_runtime;
    rt->rt.watchdog = &self->preempt.watchdog;
    if (clock == SUT_CLOCK_REAL) rt->rt.slice_ns = sut_ns(SLICE_S);
    start_lists(rt);
    luaL_setmetatable(L, SUT_RUNTIME_TYPE);
    lua_newtable(L);
    rt->hooks = lua_newthread(L);
    lua_rawsetp(L, -2, &rt->hooks);
    (void)lua_setiuservalue(L, -2, 1);
    lua_newtable(L);
    sut_lay_bottom(L, rt->hooks);
    (void)lua_setiuservalue(L, -2, 2);
    sut_keep_object(L);
    move_in(self, rt);
    sut_random_seed(&rt->rt.random, random_seed());
    return rt;
}

/* An integer keeps all its bits; equal numbers have equal bits, whatever their kind. */
static uint64_t seed_bits(lua_State *L, double seed) {
    uint64_t bits;
    int integral;
    lua_getfield(L, 1, "seed");
    lua_Integer integer = lua_tointegerx(L, -1, &integral);
    lua_pop(L, 1);
    if (integral) return (uint64_t)integer;
    memcpy(&bits, &seed, sizeof bits);
    return bits;
}

int sut_runtime_new(lua_State *L) {
    struct sut_lua *self = sut_self(L);
    struct sut_lua_runtime *rt;
    double seed;
    double budget;
    double grace;
    double slice;
    enum sut_clock clock;
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    if (!lua_istable(L, 1)) sut_misuse(L, "runtime", "opts", "a table", 1);
    check_options(L, 1);
    choose_signal(L, self, 1);
    seed = option(L, 1, "seed", (double)NAN);
    budget = option(L, 1, "close_budget", 0.1);
    grace = option(L, 1, "kill_grace", 0.1);
    clock = is_option(L, 1, "clock", "virtual") ? SUT_CLOCK_VIRTUAL : SUT_CLOCK_REAL;
    slice = option(L, 1, "slice", clock == SUT_CLOCK_VIRTUAL ? 0 : SLICE_S);
    rt = push_runtime(L, self, clock);
    rt->close_budget_ns = sut_ns(budget);
    rt->rt.tree.grace_ns = sut_ns(grace);
    rt->rt.slice_ns = sut_ns(slice);
    if (is_option(L, 1, "on_unkillable", "abort")) rt->rt.unkillable = SUT_UNKILLABLE_ABORT;
    rt->accounting = flag_option(L, 1, "accounting");
    if (rt->accounting) rt->rt.above = &measured;
    rt->epoch_s = option(L, 1, "epoch", 0);
    if (seed == seed) sut_random_seed(&rt->rt.random, seed_bits(L, seed));
    return 1;
}

struct sut_lua_runtime *sut_runtime_here(lua_State *L, struct sut_lua *self) {
    if (self->runtime) return self->runtime;
    if (!self->fallback || self->fallback->rt.closed) {
        self->fallback = push_runtime(L, self, SUT_CLOCK_REAL);
        sut_slot_set(L, SUT_SLOT_FALLBACK);
    }
    return self->fallback;
}

void sut_push_runtime(lua_State *L, struct sut_lua_runtime *rt) { sut_push_object(L, rt); }

void sut_push_threads(lua_State *L, struct sut_lua_runtime *rt) {
    sut_push_runtime(L, rt);
    (void)lua_getiuservalue(L, -1, 2);
    lua_remove(L, -2);
}

struct sut_lua_runtime *sut_check_runtime(lua_State *L, int arg) {
    struct sut_lua_runtime *rt = luaL_testudata(L, arg, SUT_RUNTIME_TYPE);
    if (!rt) {
        luaL_error(L, "a runtime expected (called with ':'), got %s", luaL_typename(L, arg));
        return NULL;
    }
    if (rt->rt.closed) luaL_error(L, "the runtime is closed");
    sut_check_kept(L, rt, "runtime");
    return rt;
}

void sut_runtime_anchor(lua_State *L, struct sut_lua_runtime *rt, const void *key) {
    sut_push_runtime(L, rt);
    (void)lua_getiuservalue(L, -1, 1);
    lua_pushvalue(L, -3);
    lua_rawsetp(L, -2, key);
    lua_pop(L, 3);
}

bool sut_runtime_lent(const struct sut_lua_runtime *rt) { return rt->attached_ref != LUA_NOREF; }

/* ---- its end ---- */

static void give_up(struct sut_lua_runtime *rt) {
    rt->rt.closed = true;
    if (rt->number) rt->self->homes[rt->number] = NULL;
    while (!sut_list_empty(&rt->supervisors))
        sut_supervisor_give_up(SUT_CONTAINER(rt->supervisors.next, struct sut_lua_supervisor, all));
    sut_signals_close(rt);
    while (!sut_list_empty(&rt->mailboxes))
        sut_list_remove(rt->mailboxes.next);
    sut_loop_close(&rt->rt);
    for (struct sut_event *event = rt->rt.tree.events.first; event; event = event->next)
        sut_free(event->detail.block); /* not told any more */
    sut_tree_free(&rt->rt.tree);
    sut_departed_free(rt);
    if (rt->self->fallback == rt) rt->self->fallback = NULL;
}

int sut_runtime_gc(lua_State *L) {
    struct sut_lua_runtime *rt = lua_touserdata(L, 1);
    if (!rt->rt.closed) give_up(rt);
    return 0;
}

/* Asks every root to stop; true while one of them still has to. */
static bool stop_roots(struct sut_lua_runtime *rt) {
    bool more = false;
    for (struct sut_list *node = rt->supervisors.next; node != &rt->supervisors;
         node = node->next) {
        struct sut_supervisor *sup = &SUT_CONTAINER(node, struct sut_lua_supervisor, all)->core;
        if (sut_supervisor_placed(sup) || sup->state == SUT_SUPERVISOR_NOT_RUNNING ||
            sup->state == SUT_SUPERVISOR_TERMINATED)
            continue;
        more = true;
        if (sut_supervisor_running(sup) && sut_runtime_prepare(&rt->rt) == 0)
            sut_supervisor_stop(sup);
    }
    return more;
}

static bool all_stopped(void *arg) { return !stop_roots(arg); }

int sut_runtime_close(lua_State *L) {
    struct sut_lua_runtime *rt = luaL_checkudata(L, 1, SUT_RUNTIME_TYPE);
    struct sut_lua *self = rt->self;
    lua_State *from = self->from;
    int code;
    if (rt->rt.closed) return 0;
    (void)sut_check_outside(L, "close");
    self->from = L;
    rt->ending = true;
    if (stop_roots(rt)) (void)sut_loop_run(&rt->rt, all_stopped, rt, &code);
    self->from = from;
    sut_driver_close(L, rt);
    give_up(rt);
    return 0;
}

int sut_default_runtime(lua_State *L) {
    struct sut_lua *self = sut_self(L);
    struct sut_lua_runtime *runtime = self->runtime;
    self->runtime = NULL;
    sut_push_runtime(L, sut_runtime_here(L, self));
    self->runtime = runtime;
    return 1;
}
