/* SPDX-License-Identifier: MIT
 *
 * The life table: one row a state, one column an input, every cell an action of a few lines.
 * What a failure means for the siblings is the supervisor's to decide (supervisor.c).
 */
#include "core/service.h"

#include "core/invariant.h"
#include "core/supervisor.h"
#include "core/tree.h"

#include <string.h>

#define MS_NS INT64_C(1000000)

void sut_service_init(struct sut_service *service, uint32_t length) {
    memset(service, 0, sizeof *service);
    sut_list_init(&service->sibling);
    sut_list_init(&service->u.work);
    service->name.length = length;
    service->kill = true;
}

const char *sut_service_text(const struct sut_service *service) {
    return sut_name_text(&service->parent->names, &service->name);
}

static struct sut_tree *tree_of(const struct sut_service *service) { return service->parent->tree; }

/* Every change of state goes through here: it keeps `living`, and which of the union is in use. */
static void enter(struct sut_service *service, enum sut_state state) {
    bool lived = service->state >= SUT_STATE_STARTING && service->state <= SUT_STATE_KILLING;
    bool lives = state >= SUT_STATE_STARTING && state <= SUT_STATE_KILLING;
    if (service->state == SUT_STATE_STOPPING)
        sut_deadline_cancel(tree_of(service)->deadlines, &service->u.stop);
    else
        sut_list_remove(&service->u.work);
    if (service->state == SUT_STATE_QUEUED) sut_supervisor_dequeued(service->parent);
    service->state = (uint8_t)state;
    if (state == SUT_STATE_STOPPING)
        sut_deadline_init(&service->u.stop, SUT_DEADLINE_STOP);
    else
        sut_list_init(&service->u.work);
    if (lives && !lived) service->parent->living++;
    if (lived && !lives) service->parent->living--;
}

/* ---- the actions ---- */

static void broken(struct sut_service *service, const struct sut_cue *cue) {
    (void)service;
    (void)cue;
    SUT_INVARIANT(false, "an input came that the state of the service excludes");
}

static void nothing(struct sut_service *service, const struct sut_cue *cue) {
    (void)service;
    (void)cue;
}

static void begin(struct sut_service *service, const struct sut_cue *cue) {
    (void)cue;
    sut_service_enter_run(service);
    if (service->child) sut_supervisor_begin(service->child);
}

static void ran(struct sut_service *service, const struct sut_cue *cue) {
    (void)cue;
    enter(service, SUT_STATE_RUNNING);
    if (service->parent->lifecycle_events)
        sut_supervisor_emit(service->parent, service, SUT_EVENT_SERVICE_START);
}

/* A stop of something that does not run only decides what becomes of it. */
static void stop_idle(struct sut_service *service, const struct sut_cue *cue) {
    if (service->state != SUT_STATE_IDLE) enter(service, SUT_STATE_IDLE);
    if (cue->after == SUT_AFTER_FORGET)
        sut_supervisor_forget(service->parent, service);
    else if (cue->after == SUT_AFTER_RESTART && sut_supervisor_running(service->parent))
        begin(service, cue);
}

/* Asked to stop before its first resume: it never starts. */
static void recall(struct sut_service *service, const struct sut_cue *cue) {
    struct sut_supervisor *parent = service->parent;
    tree_of(service)->host->recall(service);
    service->run--;
    stop_idle(service, cue);
    sut_supervisor_settled(parent);
}

static void kill_now(struct sut_service *service) {
    enter(service, SUT_STATE_KILLING);
    if (service->child)
        sut_supervisor_hurry(service->child, SUT_HURRY_QUIETLY);
    else
        sut_list_append(&tree_of(service)->kills, &service->u.work);
}

/* The time a service has, from the moment it is asked. */
static int64_t stop_time(const struct sut_service *service) {
    if (service->shutdown == SUT_SHUTDOWN_TIME) return service->shutdown_ms * MS_NS;
    if (service->shutdown == SUT_SHUTDOWN_INFINITY || service->child) return SUT_NEVER;
    return service->parent->timeout_ns;
}

static void ask(struct sut_service *service, const struct sut_cue *cue) {
    struct sut_tree *tree = tree_of(service);
    service->after = (uint8_t)cue->after;
    enter(service, SUT_STATE_STOPPING);
    if (service->child)
        sut_supervisor_ask(service->child, SUT_ATTEND_STOP);
    else
        service->asked = tree->host->cancel(service);
    if (service->shutdown == SUT_SHUTDOWN_KILL) {
        kill_now(service);
        return;
    }
    int64_t time = stop_time(service);
    if (time == 0 && service->asked)
        service->overdue = true; /* cancelled, one turn, closed */
    else if (time != SUT_NEVER)
        sut_deadline_arm(tree->deadlines, &service->u.stop, sut_time_after(tree->now_ns, time));
}

/* A second wish while it stops: to forget sticks, else the later one holds. */
static void amend(struct sut_service *service, const struct sut_cue *cue) {
    if (service->after != SUT_AFTER_FORGET) service->after = (uint8_t)cue->after;
}

static void overrun(struct sut_service *service, const struct sut_cue *cue) {
    struct sut_supervisor *parent = service->parent;
    (void)cue;
    if (service->asked) { /* it has not had its turn yet */
        service->overdue = true;
        return;
    }
    if (service->child) { /* only what hangs below it is to blame */
        if (service->kill) {
            enter(service, SUT_STATE_KILLING);
            sut_supervisor_hurry(service->child, SUT_HURRY_WITH_REPORT);
            return;
        }
    } else {
        service->overran = tree_of(service)->stop_number;
        sut_supervisor_emit(parent, service, SUT_EVENT_STOP_TIMEOUT)->killed = service->kill;
        if (service->kill) {
            kill_now(service);
            return;
        }
    }
    enter(service, SUT_STATE_ABANDONED);
    sut_supervisor_settled(parent);
}

static void gave_way(struct sut_service *service, const struct sut_cue *cue) {
    bool overdue = service->overdue;
    service->asked = false;
    service->overdue = false;
    if (overdue) overrun(service, cue);
}

/* The end of a run that nobody asked for. */
static void fell(struct sut_service *service, const struct sut_cue *cue) {
    enter(service, SUT_STATE_IDLE);
    sut_supervisor_child_fell(service->parent, service, cue);
}

/* The end of a run that was asked to stop, in time or not. */
static void stopped(struct sut_service *service, const struct sut_cue *cue) {
    struct sut_supervisor *parent = service->parent;
    enum sut_after after = service->after;
    bool late = service->state == SUT_STATE_ABANDONED;
    enter(service, SUT_STATE_IDLE);
    service->asked = false;
    service->overdue = false;
    sut_supervisor_child_stopped(parent, service, cue);
    if (cue->end == SUT_END_DO_NOT_RESTART) after = SUT_AFTER_FORGET;
    if (after == SUT_AFTER_FORGET)
        sut_supervisor_forget(parent, service);
    else if (after == SUT_AFTER_RESTART && sut_supervisor_running(parent))
        begin(service, cue);
    if (late)
        sut_supervisor_late_end(parent);
    else
        sut_supervisor_settled(parent);
}

/* ---- the table ---- */

typedef void (*action)(struct sut_service *service, const struct sut_cue *cue);

struct cell {
    action act;
    const char *name;
};

#define CELL(act)                                                                                  \
    { act, #act }

static const struct cell life[SUT_STATES][SUT_INPUTS] = {
    [SUT_STATE_IDLE] =
        {
            [SUT_INPUT_START] = CELL(begin),
            [SUT_INPUT_RAN] = CELL(broken),
            [SUT_INPUT_STOP] = CELL(stop_idle),
            [SUT_INPUT_GAVE_WAY] = CELL(broken),
            [SUT_INPUT_EXPIRE] = CELL(broken),
            [SUT_INPUT_END] = CELL(broken),
        },
    [SUT_STATE_QUEUED] =
        {
            [SUT_INPUT_START] = CELL(begin),
            [SUT_INPUT_RAN] = CELL(broken),
            [SUT_INPUT_STOP] = CELL(stop_idle),
            [SUT_INPUT_GAVE_WAY] = CELL(broken),
            [SUT_INPUT_EXPIRE] = CELL(broken),
            [SUT_INPUT_END] = CELL(broken),
        },
    [SUT_STATE_STARTING] =
        {
            [SUT_INPUT_START] = CELL(broken),
            [SUT_INPUT_RAN] = CELL(ran),
            [SUT_INPUT_STOP] = CELL(recall),
            [SUT_INPUT_GAVE_WAY] = CELL(broken),
            [SUT_INPUT_EXPIRE] = CELL(broken),
            [SUT_INPUT_END] = CELL(fell),
        },
    [SUT_STATE_RUNNING] =
        {
            [SUT_INPUT_START] = CELL(broken),
            [SUT_INPUT_RAN] = CELL(broken),
            [SUT_INPUT_STOP] = CELL(ask),
            [SUT_INPUT_GAVE_WAY] = CELL(nothing),
            [SUT_INPUT_EXPIRE] = CELL(broken),
            [SUT_INPUT_END] = CELL(fell),
        },
    [SUT_STATE_STOPPING] =
        {
            [SUT_INPUT_START] = CELL(broken),
            [SUT_INPUT_RAN] = CELL(broken),
            [SUT_INPUT_STOP] = CELL(amend),
            [SUT_INPUT_GAVE_WAY] = CELL(gave_way),
            [SUT_INPUT_EXPIRE] = CELL(overrun),
            [SUT_INPUT_END] = CELL(stopped),
        },
    [SUT_STATE_KILLING] =
        {
            [SUT_INPUT_START] = CELL(broken),
            [SUT_INPUT_RAN] = CELL(broken),
            [SUT_INPUT_STOP] = CELL(amend),
            [SUT_INPUT_GAVE_WAY] = CELL(nothing),
            [SUT_INPUT_EXPIRE] = CELL(nothing),
            [SUT_INPUT_END] = CELL(stopped),
        },
    [SUT_STATE_ABANDONED] =
        {
            [SUT_INPUT_START] = CELL(amend),
            [SUT_INPUT_RAN] = CELL(broken),
            [SUT_INPUT_STOP] = CELL(amend),
            [SUT_INPUT_GAVE_WAY] = CELL(nothing),
            [SUT_INPUT_EXPIRE] = CELL(nothing),
            [SUT_INPUT_END] = CELL(stopped),
        },
};

void sut_service_input(struct sut_service *service, struct sut_cue cue) {
    life[service->state][cue.input].act(service, &cue);
}

void sut_service_start(struct sut_service *service) {
    sut_service_input(service,
                      (struct sut_cue){.input = SUT_INPUT_START, .after = SUT_AFTER_RESTART});
}

void sut_service_ran(struct sut_service *service) {
    sut_service_input(service, (struct sut_cue){.input = SUT_INPUT_RAN});
}

void sut_service_gave_way(struct sut_service *service) {
    sut_service_input(service, (struct sut_cue){.input = SUT_INPUT_GAVE_WAY});
}

void sut_service_stop(struct sut_service *service, enum sut_after after) {
    sut_service_input(service, (struct sut_cue){.input = SUT_INPUT_STOP, .after = after});
}

void sut_service_ended(struct sut_service *service, enum sut_end end, struct sut_detail detail) {
    sut_service_input(service,
                      (struct sut_cue){.input = SUT_INPUT_END, .end = end, .detail = detail});
}

/* Begins a run without going down into a child supervisor: the walk of sut_supervisor_begin. */
void sut_service_enter_run(struct sut_service *service) {
    enter(service, service->child ? SUT_STATE_RUNNING : SUT_STATE_STARTING);
    service->after = SUT_AFTER_KEEP;
    service->run++;
    service->started_ns = tree_of(service)->now_ns;
    if (!service->child) tree_of(service)->host->start(service);
}

void sut_service_enter_queue(struct sut_service *service) {
    enter(service, SUT_STATE_QUEUED);
    sut_list_append(&service->parent->queue, &service->u.work);
}

void sut_service_kill(struct sut_service *service) {
    if (service->state == SUT_STATE_STARTING || service->state == SUT_STATE_RUNNING)
        sut_service_stop(service, SUT_AFTER_KEEP);
    if (service->state == SUT_STATE_STOPPING) kill_now(service);
}

bool sut_service_lives(const struct sut_service *service) {
    return service->state >= SUT_STATE_STARTING;
}

/* ---- in words ---- */

const char *sut_service_state_name(const struct sut_service *service) {
    static const char *const words[SUT_STATES] = {
        [SUT_STATE_IDLE] = "stopped",       [SUT_STATE_QUEUED] = "queued",
        [SUT_STATE_STARTING] = "starting",  [SUT_STATE_RUNNING] = "running",
        [SUT_STATE_STOPPING] = "stopping",  [SUT_STATE_KILLING] = "stopping",
        [SUT_STATE_ABANDONED] = "stopping",
    };
    return words[service->state];
}

const char *sut_state_row(enum sut_state state) {
    static const char *const names[SUT_STATES] = {
        [SUT_STATE_IDLE] = "idle",           [SUT_STATE_QUEUED] = "queued",
        [SUT_STATE_STARTING] = "starting",   [SUT_STATE_RUNNING] = "running",
        [SUT_STATE_STOPPING] = "stopping",   [SUT_STATE_KILLING] = "killing",
        [SUT_STATE_ABANDONED] = "abandoned",
    };
    return names[state];
}

const char *sut_input_column(enum sut_input input) {
    static const char *const names[SUT_INPUTS] = {
        [SUT_INPUT_START] = "start",       [SUT_INPUT_RAN] = "ran",       [SUT_INPUT_STOP] = "stop",
        [SUT_INPUT_GAVE_WAY] = "gave way", [SUT_INPUT_EXPIRE] = "expire", [SUT_INPUT_END] = "end",
    };
    return names[input];
}

const char *sut_life_cell(enum sut_state state, enum sut_input input) {
    return life[state][input].name;
}
