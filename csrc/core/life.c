/* SPDX-License-Identifier: MIT
 *
 * The life table: one row a state, one column an input, every cell an action of a few lines.
 * What a failure means for the siblings is the supervisor's to decide (supervisor.c).
 */
#include "core/service.h"

#include "core/invariant.h"
#include "core/supervisor.h"
#include "core/tree.h"

#define MS_NS INT64_C(1000000)

static struct sut_tree *tree_of(const struct sut_service *service) { return service->parent->tree; }

/* What a state means for the counts of the supervisor, and for the union. */
struct trait {
    bool living;
    bool pending;
    bool timed;
};

static const struct trait traits[SUT_STATES] = {
    [SUT_STATE_IDLE] = {.living = false, .pending = false, .timed = false},
    [SUT_STATE_QUEUED] = {.living = false, .pending = true, .timed = false},
    [SUT_STATE_BACKING_OFF] = {.living = false, .pending = true, .timed = true},
    [SUT_STATE_WAITING] = {.living = false, .pending = true, .timed = false},
    [SUT_STATE_STARTING] = {.living = true, .pending = true, .timed = false},
    [SUT_STATE_UNREADY] = {.living = true, .pending = true, .timed = true},
    [SUT_STATE_RUNNING] = {.living = true, .pending = false, .timed = false},
    [SUT_STATE_STOPPING] = {.living = true, .pending = false, .timed = true},
    [SUT_STATE_KILLING] = {.living = true, .pending = false, .timed = false},
    [SUT_STATE_ABANDONED] = {.living = false, .pending = false, .timed = false},
};

bool sut_service_timed(const struct sut_service *service) { return traits[service->state].timed; }

static void count(struct sut_service *service, enum sut_state from, enum sut_state to) {
    struct sut_supervisor *parent = service->parent;
    parent->living += (uint32_t)traits[to].living - (uint32_t)traits[from].living;
    parent->pending += (uint32_t)traits[to].pending - (uint32_t)traits[from].pending;
    if (service->significant)
        parent->significant +=
            (uint32_t)(to != SUT_STATE_IDLE) - (uint32_t)(from != SUT_STATE_IDLE);
}

/* Every change of state goes through here: it keeps the counts, and which of the union is in use.
 */
static void enter(struct sut_service *service, enum sut_state state) {
    enum sut_state from = service->state;
    if (state == SUT_STATE_RUNNING) service->first = false;
    if (traits[from].timed)
        sut_deadline_cancel(tree_of(service)->deadlines, &service->u.timer);
    else
        sut_list_remove(&service->u.work);
    if (from == SUT_STATE_QUEUED) sut_supervisor_dequeued(service->parent);
    service->state = (uint8_t)state;
    if (traits[state].timed)
        sut_deadline_init(&service->u.timer, SUT_DEADLINE_SERVICE);
    else
        sut_list_init(&service->u.work);
    count(service, from, state);
}

/* Arms the timer of a state that has one. */
static void arm(struct sut_service *service, int64_t time_ns) {
    sut_deadline_arm(tree_of(service)->deadlines, &service->u.timer, time_ns);
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
    sut_supervisor_launch(service);
}

/* Its body is about to be resumed for the first time: ready, unless it will say so itself. */
static void ran(struct sut_service *service, const struct sut_cue *cue) {
    struct sut_supervisor *parent = service->parent;
    (void)cue;
    if (service->notifies) {
        enter(service, SUT_STATE_UNREADY);
        if (service->options)
            arm(service,
                sut_time_after(tree_of(service)->now_ns, service->options->start_timeout_ns));
    } else {
        enter(service, SUT_STATE_RUNNING);
    }
    if (parent->lifecycle_events) sut_supervisor_emit(parent, service, SUT_EVENT_SERVICE_START);
    if (service->notifies) return;
    sut_supervisor_advance(parent); /* somebody may have waited for this one by name */
    sut_supervisor_ready(parent);
}

static void ready(struct sut_service *service, const struct sut_cue *cue) {
    (void)cue;
    enter(service, SUT_STATE_RUNNING);
    sut_supervisor_advance(service->parent);
    sut_supervisor_ready(service->parent);
}

/* Its time to get ready has passed: a failed start, whose run is yet to be stopped. */
static void late(struct sut_service *service, const struct sut_cue *cue) {
    (void)cue;
    service->late = true;
    sut_supervisor_child_late(service->parent, service);
}

static void retry(struct sut_service *service, const struct sut_cue *cue) {
    (void)cue;
    sut_supervisor_retry(service->parent, service);
}

/* It does not run, and this is what becomes of it. */
static void follow(struct sut_service *service, enum sut_after after) {
    struct sut_supervisor *parent = service->parent;
    if (after != SUT_AFTER_GROUP) service->grouped = false;
    if (after == SUT_AFTER_FORGET) {
        sut_supervisor_forget(parent, service);
        return;
    }
    if (after == SUT_AFTER_RETIRE) {
        sut_supervisor_retire(parent, service);
        return;
    }
    if (after == SUT_AFTER_KEEP || !sut_supervisor_running(parent)) return;
    if (after == SUT_AFTER_QUEUE && parent->state == SUT_SUPERVISOR_PAUSED)
        sut_service_enter_queue(service);
    else if (after == SUT_AFTER_QUEUE)
        sut_supervisor_retry(parent, service);
    else if (after == SUT_AFTER_BACK_OFF)
        sut_service_enter_backoff(service);
    else if (after == SUT_AFTER_GROUP)
        sut_service_enter_waiting(service);
    else
        sut_supervisor_launch(service);
}

/* A stop of something that does not run only decides what becomes of it. */
static void stop_idle(struct sut_service *service, const struct sut_cue *cue) {
    struct sut_supervisor *parent = service->parent;
    if (cue->after == SUT_AFTER_KEEP) service->first = false;
    if (service->state != SUT_STATE_IDLE) enter(service, SUT_STATE_IDLE);
    follow(service, cue->after);
    sut_supervisor_settled(parent);
}

/* Of one that waits for others; to be started is what it waits for. */
static void stop_waiting(struct sut_service *service, const struct sut_cue *cue) {
    if (cue->after == SUT_AFTER_RESTART || cue->after == SUT_AFTER_GROUP) return;
    stop_idle(service, cue);
}

/* Asked to stop before its first resume: it never starts. */
static void recall(struct sut_service *service, const struct sut_cue *cue) {
    tree_of(service)->host->recall(service);
    service->run--;
    stop_idle(service, cue);
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
    if (service->shutdown == SUT_SHUTDOWN_TIME) return service->options->shutdown_ms * MS_NS;
    if (service->shutdown == SUT_SHUTDOWN_INFINITY || service->child) return SUT_NEVER;
    return service->parent->timeout_ns;
}

static void ask(struct sut_service *service, const struct sut_cue *cue) {
    struct sut_tree *tree = tree_of(service);
    service->after = cue->after;
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
        arm(service, sut_time_after(tree->now_ns, time));
}

/* A second wish while it stops: to forget sticks, to retire almost, else the later one holds. To
 * start again is what one does that stops with its group. */
static void amend(struct sut_service *service, const struct sut_cue *cue) {
    if (service->after == SUT_AFTER_FORGET) return;
    if (service->after == SUT_AFTER_RETIRE && cue->after != SUT_AFTER_FORGET) return;
    if (service->after == SUT_AFTER_GROUP && cue->after == SUT_AFTER_RESTART) return;
    service->after = cue->after;
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
    if (service->after == SUT_AFTER_GROUP) service->after = SUT_AFTER_RESTART;
    service->grouped = false; /* it goes on without */
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
    bool unready = sut_service_keeps_waiting(service);
    enter(service, SUT_STATE_IDLE);
    sut_supervisor_child_fell(service->parent, service, cue, unready);
}

/* The end of a run that was asked to stop, in time or not. */
static void stopped(struct sut_service *service, const struct sut_cue *cue) {
    struct sut_supervisor *parent = service->parent;
    enum sut_after after = service->after;
    bool outlived = service->state == SUT_STATE_ABANDONED;
    enter(service, SUT_STATE_IDLE);
    service->asked = false;
    service->overdue = false;
    sut_supervisor_child_stopped(parent, service, cue);
    follow(service, cue->end == SUT_END_DO_NOT_RESTART ? SUT_AFTER_FORGET : after);
    if (outlived)
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

static const struct cell life[SUT_STATES][SUT_INPUTS] =
    {
        [SUT_STATE_IDLE] =
            {
                [SUT_INPUT_START] = CELL(begin),
                [SUT_INPUT_RAN] = CELL(broken),
                [SUT_INPUT_READY] = CELL(broken),
                [SUT_INPUT_STOP] = CELL(stop_idle),
                [SUT_INPUT_GAVE_WAY] = CELL(broken),
                [SUT_INPUT_EXPIRE] = CELL(broken),
                [SUT_INPUT_END] = CELL(broken),
            },
        [SUT_STATE_QUEUED] =
            {
                [SUT_INPUT_START] = CELL(begin),
                [SUT_INPUT_RAN] = CELL(broken),
                [SUT_INPUT_READY] = CELL(broken),
                [SUT_INPUT_STOP] = CELL(stop_idle),
                [SUT_INPUT_GAVE_WAY] = CELL(broken),
                [SUT_INPUT_EXPIRE] = CELL(broken),
                [SUT_INPUT_END] = CELL(broken),
            },
        [SUT_STATE_BACKING_OFF] =
            {
                [SUT_INPUT_START] = CELL(begin),
                [SUT_INPUT_RAN] = CELL(broken),
                [SUT_INPUT_READY] = CELL(broken),
                [SUT_INPUT_STOP] = CELL(stop_idle),
                [SUT_INPUT_GAVE_WAY] = CELL(broken),
                [SUT_INPUT_EXPIRE] = CELL(retry),
                [SUT_INPUT_END] = CELL(broken),
            },
        [SUT_STATE_WAITING] =
            {
                [SUT_INPUT_START] = CELL(begin),
                [SUT_INPUT_RAN] = CELL(broken),
                [SUT_INPUT_READY] = CELL(broken),
                [SUT_INPUT_STOP] = CELL(stop_waiting),
                [SUT_INPUT_GAVE_WAY] = CELL(broken),
                [SUT_INPUT_EXPIRE] = CELL(broken),
                [SUT_INPUT_END] = CELL(broken),
            },
        [SUT_STATE_STARTING] =
            {
                [SUT_INPUT_START] = CELL(broken),
                [SUT_INPUT_RAN] = CELL(ran),
                [SUT_INPUT_READY] = CELL(broken),
                [SUT_INPUT_STOP] = CELL(recall),
                [SUT_INPUT_GAVE_WAY] = CELL(broken),
                [SUT_INPUT_EXPIRE] = CELL(broken),
                [SUT_INPUT_END] = CELL(fell),
            },
        [SUT_STATE_UNREADY] =
            {
                [SUT_INPUT_START] = CELL(broken),
                [SUT_INPUT_RAN] = CELL(broken),
                [SUT_INPUT_READY] = CELL(ready),
                [SUT_INPUT_STOP] = CELL(ask),
                [SUT_INPUT_GAVE_WAY] = CELL(nothing),
                [SUT_INPUT_EXPIRE] = CELL(late),
                [SUT_INPUT_END] = CELL(fell),
            },
        [SUT_STATE_RUNNING] =
            {
                [SUT_INPUT_START] = CELL(broken),
                [SUT_INPUT_RAN] = CELL(broken),
                [SUT_INPUT_READY] = CELL(nothing),
                [SUT_INPUT_STOP] = CELL(ask),
                [SUT_INPUT_GAVE_WAY] = CELL(nothing),
                [SUT_INPUT_EXPIRE] = CELL(broken),
                [SUT_INPUT_END] = CELL(fell),
            },
        [SUT_STATE_STOPPING] =
            {
                [SUT_INPUT_START] = CELL(broken),
                [SUT_INPUT_RAN] = CELL(broken),
                [SUT_INPUT_READY] = CELL(nothing),
                [SUT_INPUT_STOP] = CELL(amend),
                [SUT_INPUT_GAVE_WAY] = CELL(gave_way),
                [SUT_INPUT_EXPIRE] = CELL(overrun),
                [SUT_INPUT_END] = CELL(stopped),
            },
        [SUT_STATE_KILLING] =
            {
                [SUT_INPUT_START] = CELL(broken),
                [SUT_INPUT_RAN] = CELL(broken),
                [SUT_INPUT_READY] = CELL(nothing),
                [SUT_INPUT_STOP] = CELL(amend),
                [SUT_INPUT_GAVE_WAY] = CELL(nothing),
                [SUT_INPUT_EXPIRE] = CELL(nothing),
                [SUT_INPUT_END] = CELL(stopped),
            },
        [SUT_STATE_ABANDONED] =
            {
                [SUT_INPUT_START] = CELL(amend),
                [SUT_INPUT_RAN] = CELL(broken),
                [SUT_INPUT_READY] = CELL(nothing),
                [SUT_INPUT_STOP] = CELL(amend),
                [SUT_INPUT_GAVE_WAY] = CELL(nothing),
                [SUT_INPUT_EXPIRE] = CELL(nothing),
                [SUT_INPUT_END] = CELL(stopped),
            },
};

void sut_service_input(struct sut_service *service, struct sut_cue cue) {
    life[service->state][cue.input].act(service, &cue);
}

void sut_service_enter_run(struct sut_service *service) {
    enter(service, service->child ? SUT_STATE_UNREADY : SUT_STATE_STARTING);
    service->after = SUT_AFTER_KEEP;
    service->grouped = false;
    service->late = false;
    service->run++;
    service->started_ns = tree_of(service)->now_ns;
    if (!service->child) tree_of(service)->host->start(service);
}

void sut_service_enter_running(struct sut_service *service) { enter(service, SUT_STATE_RUNNING); }

void sut_service_enter_waiting(struct sut_service *service) { enter(service, SUT_STATE_WAITING); }

void sut_service_enter_queue(struct sut_service *service) {
    enter(service, SUT_STATE_QUEUED);
    sut_list_append(&service->parent->queue, &service->u.work);
}

void sut_service_enter_backoff(struct sut_service *service) {
    enter(service, SUT_STATE_BACKING_OFF);
    arm(service, service->options->backoff.due_ns);
}

void sut_service_delay(struct sut_service *service, uint32_t run, int64_t since_ns,
                       int64_t delay_ns) {
    struct sut_backoff *backoff = &service->options->backoff;
    if (service->run != run || backoff->due_ns != SUT_NEVER) return;
    backoff->due_ns = sut_time_after(since_ns, delay_ns);
    if (service->state == SUT_STATE_BACKING_OFF) arm(service, backoff->due_ns);
}

bool sut_service_pending(const struct sut_service *service) {
    return traits[service->state].pending;
}

void sut_service_kill(struct sut_service *service) {
    if (service->state >= SUT_STATE_STARTING && service->state <= SUT_STATE_RUNNING)
        sut_service_stop(service, SUT_AFTER_KEEP);
    if (service->state == SUT_STATE_STOPPING) kill_now(service);
}

const char *sut_life_cell(enum sut_state state, enum sut_input input) {
    return life[state][input].name;
}
