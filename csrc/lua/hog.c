/* SPDX-License-Identifier: MIT
 *
 * Telling of services that keep the thread.
 */
#include "lua/hog.h"

#include "core/alloc.h"
#include "lua/history.h"
#include "lua/service.h"
#include "lua/wait.h"

#include <stdio.h>
#include <string.h>

/* Within so many slices whatever can be preempted is. */
enum { SLICES_TO_PREEMPT = 3 };

/* ---- for the watchdog ---- */

/* When a service that is being stopped must be gone, on the clock of the watchdog: after the error,
 * its grace, and the closers. */
static int64_t due_of(const struct sut_lua_runtime *rt, const struct sut_lua_service *service,
                      int64_t began_ns) {
    const struct sut_service *core = &service->core;
    int64_t last_ns = rt->rt.tree.grace_ns + rt->close_budget_ns;
    bool timed = core->state == SUT_STATE_STOPPING || core->state == SUT_STATE_DYING;
    if (rt->rt.clock != SUT_CLOCK_REAL || !core->kill) return SUT_NEVER;
    if (core->state == SUT_STATE_KILLING) return began_ns + last_ns;
    if (timed && core->overdue) return began_ns + last_ns;
    if (timed && sut_deadline_armed(&core->u.timer))
        return sut_time_after(core->u.timer.time_ns, last_ns);
    if (core->state <= SUT_STATE_RUNNING && service->on_hog == SUT_HOG_KILL)
        return began_ns + rt->rt.slice_ns + last_ns;
    return SUT_NEVER;
}

/* What finds no room is left out at its beginning. */
static void name_service(const char *kind, const struct sut_lua_service *service, char *out,
                         size_t size) {
    char path[SUT_SUSPECT_MAX - 32];
    sut_path_text(service->core.parent, &service->core, path, sizeof path);
    (void)snprintf(out, size, "%s %s", kind, path);
    for (; *out; out++)
        if (*out < ' ' || *out > '~') *out = '?';
}

static void name_coroutine(struct sut_coroutine *co, char *out, size_t size) {
    const struct sut_lua_service *owner = sut_spawned_owner(co);
    if (co->kind == SUT_COROUTINE_SERVICE)
        name_service(co->closing ? "a closer of service" : "service", sut_service_of_coroutine(co),
                     out, size);
    else if (owner)
        name_service("a helper of service", owner, out, size);
    else
        (void)snprintf(out, size, "a program given to run");
}

void sut_hog_suspect(struct sut_lua *self) {
    struct sut_watchdog *watchdog = &self->preempt.watchdog;
    struct sut_suspect *suspect = &watchdog->suspect;
    struct sut_coroutine *co = self->current;
    int64_t due_ns = SUT_NEVER;
    if (atomic_load(&suspect->turn) == self->preempt.late_turn) return; /* it may be being read */
    if (co)
        name_coroutine(co, suspect->who, sizeof suspect->who);
    else
        (void)snprintf(suspect->who, sizeof suspect->who, "a hook or callback of the tree");
    if (co && co->kind == SUT_COROUTINE_SERVICE)
        due_ns = due_of(sut_rt(co), sut_service_of_coroutine(co), self->preempt.began_ns);
    atomic_store(&suspect->due_ns, due_ns);
    atomic_store(&suspect->turn, self->preempt.late_turn);
}

/* ---- what is kept ---- */

void sut_hog_charge(struct sut_lua_service *service, int64_t ran_ns) {
    struct sut_extras *extras = sut_service_extras(service);
    if (!extras) return;
    extras->usage.cpu_ns += ran_ns;
    if (extras->usage.longest_ns < ran_ns) extras->usage.longest_ns = ran_ns;
}

/* How many overruns there have been without a wait in between, this one included. */
static uint32_t count(struct sut_lua_service *service, int64_t ran_ns) {
    struct sut_extras *extras = sut_service_extras(service);
    uint32_t resumes = service->co.resumes;
    if (!extras) return 0;
    if (extras->hogs.gave_way + 1 != resumes && extras->hogs.resume != resumes)
        extras->hogs.in_a_row = 0;
    extras->hogs.resume = resumes;
    extras->hogs.ran_ns = ran_ns;
    return ++extras->hogs.in_a_row;
}

void sut_hog_preempted(struct sut_lua_service *service) {
    struct sut_extras *extras = sut_extras_of(service);
    if (extras) extras->hogs.gave_way = service->co.resumes;
}

/* ---- telling ---- */

static bool is_power_of_two(uint32_t number) { return number && (number & (number - 1)) == 0; }

static struct sut_hog *make(struct sut_lua_service *service, bool runs, uint32_t in_a_row) {
    struct sut_hog *hog = sut_calloc(sizeof *hog);
    if (!hog) return NULL;
    hog->in_a_row = in_a_row;
    hog->has_trace = runs;
    sut_trace_clear(&hog->trace);
    if (runs) sut_trace_chain(&hog->trace, service->co.thread);
    return hog;
}

static void tell(struct sut_lua_service *service, bool runs, enum sut_hog_action action,
                 int64_t ran_ns) {
    struct sut_service *core = &service->core;
    struct sut_event *event;
    struct sut_hog *hog;
    uint32_t in_a_row = count(service, ran_ns);
    if (!is_power_of_two(in_a_row) || sut_runtime_prepare(&sut_rt(&service->co)->rt)) return;
    hog = make(service, runs, in_a_row);
    if (!hog) return;
    hog->ran_ns = ran_ns;
    hog->action = (uint8_t)action;
    event = sut_supervisor_emit(core->parent, core, SUT_EVENT_SERVICE_HOG);
    event->run = core->run;
    event->stopping = core->state > SUT_STATE_RUNNING;
    event->detail.block = hog;
}

void sut_hog_tell(struct sut_lua_service *service, enum sut_hog_action action, int64_t ran_ns) {
    tell(service, true, action, ran_ns);
}

void sut_hog_expire(struct sut_lua_service *service) {
    struct sut_service *core = &service->core;
    struct sut_runtime *rt = &sut_rt(&service->co)->rt;
    bool timed = core->state == SUT_STATE_STOPPING || core->state == SUT_STATE_DYING;
    bool due;
    if (!timed || sut_runtime_prepare(rt)) return;
    due = sut_deadline_armed(&core->u.timer) && core->u.timer.time_ns <= rt->tree.now_ns;
    if (!due && !core->overdue) return;
    if (core->state == SUT_STATE_STOPPING) sut_stuck_take(service);
    if (due) {
        sut_deadline_cancel(&rt->deadlines, &core->u.timer);
        sut_tree_expire(&rt->tree, &core->u.timer);
    }
    if (core->overdue) sut_service_gave_way(core); /* this was its turn */
}

void sut_hog_gave_way(struct sut_lua_service *service, int64_t ran_ns) {
    bool runs_on = service->core.state <= SUT_STATE_RUNNING;
    tell(service, false, SUT_HOG_NOTHING, ran_ns);
    if (runs_on && service->on_hog != SUT_HOG_YIELD) service->doomed = true;
}

int64_t sut_hog_blocked(const struct sut_lua_service *service) {
    const struct sut_extras *extras = sut_extras_of(service);
    int64_t slice_ns = sut_rt(&service->co)->rt.slice_ns;
    if (!extras || extras->hogs.resume != service->co.resumes) return 0;
    return extras->hogs.ran_ns > SLICES_TO_PREEMPT * slice_ns ? extras->hogs.ran_ns : 0;
}

/* ---- the event ---- */

void sut_tell_hog_event(lua_State *L, const struct sut_delivery *to) {
    static const char *const actions[] = {[SUT_HOG_PREEMPTED] = "yield",
                                          [SUT_HOG_RAISED] = "panic",
                                          [SUT_HOG_KILLED] = "kill",
                                          [SUT_HOG_NOTHING] = "none"};
    const struct sut_hog *hog = to->event->detail.block;
    const char *action = actions[hog->action];
    char text[SUT_TRACE_MAX];
    sut_tell_number(to, SUT_NUMBER_DURATION, sut_seconds(hog->ran_ns));
    sut_tell_number(to, SUT_NUMBER_IN_A_ROW, hog->in_a_row);
    sut_tell_words(to, SUT_TEXT_ACTION, action, strlen(action));
    sut_tell_flag(to, SUT_FLAG_STOPPING, to->event->stopping);
    if (!hog->has_trace) return;
    lua_pushlstring(L, text, sut_trace_text(&hog->trace, text, sizeof text));
    sut_tell_value(L, to, SUT_VALUE_STACKTRACE);
}
