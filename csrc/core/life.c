/* SPDX-License-Identifier: MIT
 *
 * The life table: one row a state, one column an input, every cell an action of a few lines. Those
 * of a run that is stopped are in stopping.c. What a failure means for the siblings is the
 * supervisor's to decide (failure.c).
 */
#include "core/life.h"

#include "core/invariant.h"
#include "core/supervisor.h"
#include "core/tree.h"

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
    [SUT_STATE_DYING] = {.living = true, .pending = false, .timed = true},
    [SUT_STATE_KILLING] = {.living = true, .pending = false, .timed = false},
    [SUT_STATE_ABANDONED] = {.living = false, .pending = false, .timed = false},
};

bool sut_service_timed(const struct sut_service *service) { return traits[service->state].timed; }

static void count(struct sut_service *service, enum sut_state from, enum sut_state to) {
    struct sut_supervisor *parent = service->parent;
    tree_of(service)->abandoned +=
        (uint32_t)(to == SUT_STATE_ABANDONED) - (uint32_t)(from == SUT_STATE_ABANDONED);
    parent->living += (uint32_t)traits[to].living - (uint32_t)traits[from].living;
    parent->pending += (uint32_t)traits[to].pending - (uint32_t)traits[from].pending;
    if (service->significant)
        parent->significant +=
            (uint32_t)(to != SUT_STATE_IDLE) - (uint32_t)(from != SUT_STATE_IDLE);
}

void sut_life_enter(struct sut_service *service, enum sut_state state) {
    enum sut_state from = service->state;
    bool in_walk = service->run > 0 && service->parent->walking;
    bool kept_waiting = in_walk && sut_service_keeps_waiting(service);
    if (state == SUT_STATE_RUNNING) service->first = false;
    if (traits[from].timed)
        sut_deadline_cancel(tree_of(service)->deadlines, &service->u.timer);
    else
        sut_list_remove(&service->u.work);
    if (from == SUT_STATE_QUEUED) sut_supervisor_dequeued(service->parent);
    const char *word = sut_service_state_name(service);
    service->state = (uint8_t)state;
    if (word != sut_service_state_name(service)) service->since_ns = tree_of(service)->now_ns;
    if (traits[state].timed)
        sut_deadline_init(&service->u.timer, SUT_DEADLINE_SERVICE);
    else
        sut_list_init(&service->u.work);
    count(service, from, state);
    if (in_walk) sut_supervisor_turn_back(service, kept_waiting);
}

void sut_life_arm(struct sut_service *service, int64_t time_ns) {
    sut_deadline_arm(tree_of(service)->deadlines, &service->u.timer, time_ns);
}

/* ---- the actions ---- */

static void life_broken(struct sut_service *service, const struct sut_cue *cue) {
    (void)service;
    (void)cue;
    SUT_INVARIANT(false, "an input came that the state of the service excludes");
}

static void life_nothing(struct sut_service *service, const struct sut_cue *cue) {
    (void)service;
    (void)cue;
}

static void life_begin(struct sut_service *service, const struct sut_cue *cue) {
    (void)cue;
    sut_supervisor_launch(service);
}

/* Its body is about to be resumed for the first time: ready, unless it will say so itself. */
static void life_ran(struct sut_service *service, const struct sut_cue *cue) {
    struct sut_supervisor *parent = service->parent;
    (void)cue;
    if (service->notifies) {
        sut_life_enter(service, SUT_STATE_UNREADY);
        if (service->options)
            sut_life_arm(service, sut_time_after(tree_of(service)->now_ns,
                                                 service->options->start_timeout_ns));
    } else {
        sut_life_enter(service, SUT_STATE_RUNNING);
    }
    if (parent->lifecycle_events) sut_supervisor_emit(parent, service, SUT_EVENT_SERVICE_START);
    if (service->notifies) return;
    sut_supervisor_advance(parent); /* somebody may have waited for this one by name */
    sut_supervisor_ready(parent);
}

static void life_ready(struct sut_service *service, const struct sut_cue *cue) {
    (void)cue;
    sut_life_enter(service, SUT_STATE_RUNNING);
    sut_supervisor_advance(service->parent);
    sut_supervisor_ready(service->parent);
}

/* Its time to get ready has passed: a failed start, whose run is yet to be stopped. */
static void life_late(struct sut_service *service, const struct sut_cue *cue) {
    (void)cue;
    service->late = true;
    sut_supervisor_child_late(service->parent, service);
}

static void life_retry(struct sut_service *service, const struct sut_cue *cue) {
    (void)cue;
    sut_supervisor_retry(service->parent, service);
}

/* The end of a run that nobody asked for. */
static void life_fell(struct sut_service *service, const struct sut_cue *cue) {
    bool unready = sut_service_keeps_waiting(service);
    sut_life_enter(service, SUT_STATE_IDLE);
    sut_supervisor_child_fell(service->parent, service, cue, unready);
}

/* ---- the table ---- */

struct cell {
    void (*act)(struct sut_service *service, const struct sut_cue *cue);
    const char *name;
};

#define CELL(act)                                                                                  \
    { life_##act, #act }
#define STOP(act)                                                                                  \
    { sut_life_##act, #act }

static const struct cell life[SUT_STATES][SUT_INPUTS] =
    {
        [SUT_STATE_IDLE] =
            {
                [SUT_INPUT_START] = CELL(begin),
                [SUT_INPUT_RAN] = CELL(broken),
                [SUT_INPUT_READY] = CELL(broken),
                [SUT_INPUT_STOP] = STOP(stop_idle),
                [SUT_INPUT_GAVE_WAY] = CELL(broken),
                [SUT_INPUT_EXPIRE] = CELL(broken),
                [SUT_INPUT_END] = CELL(broken),
            },
        [SUT_STATE_QUEUED] =
            {
                [SUT_INPUT_START] = CELL(begin),
                [SUT_INPUT_RAN] = CELL(broken),
                [SUT_INPUT_READY] = CELL(broken),
                [SUT_INPUT_STOP] = STOP(stop_idle),
                [SUT_INPUT_GAVE_WAY] = CELL(broken),
                [SUT_INPUT_EXPIRE] = CELL(broken),
                [SUT_INPUT_END] = CELL(broken),
            },
        [SUT_STATE_BACKING_OFF] =
            {
                [SUT_INPUT_START] = CELL(begin),
                [SUT_INPUT_RAN] = CELL(broken),
                [SUT_INPUT_READY] = CELL(broken),
                [SUT_INPUT_STOP] = STOP(stop_idle),
                [SUT_INPUT_GAVE_WAY] = CELL(broken),
                [SUT_INPUT_EXPIRE] = CELL(retry),
                [SUT_INPUT_END] = CELL(broken),
            },
        [SUT_STATE_WAITING] =
            {
                [SUT_INPUT_START] = CELL(begin),
                [SUT_INPUT_RAN] = CELL(broken),
                [SUT_INPUT_READY] = CELL(broken),
                [SUT_INPUT_STOP] = STOP(stop_waiting),
                [SUT_INPUT_GAVE_WAY] = CELL(broken),
                [SUT_INPUT_EXPIRE] = CELL(broken),
                [SUT_INPUT_END] = CELL(broken),
            },
        [SUT_STATE_STARTING] =
            {
                [SUT_INPUT_START] = CELL(broken),
                [SUT_INPUT_RAN] = CELL(ran),
                [SUT_INPUT_READY] = CELL(broken),
                [SUT_INPUT_STOP] = STOP(recall),
                [SUT_INPUT_GAVE_WAY] = CELL(broken),
                [SUT_INPUT_EXPIRE] = CELL(broken),
                [SUT_INPUT_END] = CELL(fell),
            },
        [SUT_STATE_UNREADY] =
            {
                [SUT_INPUT_START] = CELL(broken),
                [SUT_INPUT_RAN] = CELL(broken),
                [SUT_INPUT_READY] = CELL(ready),
                [SUT_INPUT_STOP] = STOP(ask),
                [SUT_INPUT_GAVE_WAY] = CELL(nothing),
                [SUT_INPUT_EXPIRE] = CELL(late),
                [SUT_INPUT_END] = CELL(fell),
            },
        [SUT_STATE_RUNNING] =
            {
                [SUT_INPUT_START] = CELL(broken),
                [SUT_INPUT_RAN] = CELL(broken),
                [SUT_INPUT_READY] = CELL(nothing),
                [SUT_INPUT_STOP] = STOP(ask),
                [SUT_INPUT_GAVE_WAY] = CELL(nothing),
                [SUT_INPUT_EXPIRE] = CELL(broken),
                [SUT_INPUT_END] = CELL(fell),
            },
        [SUT_STATE_STOPPING] =
            {
                [SUT_INPUT_START] = CELL(broken),
                [SUT_INPUT_RAN] = CELL(broken),
                [SUT_INPUT_READY] = CELL(nothing),
                [SUT_INPUT_STOP] = STOP(amend),
                [SUT_INPUT_GAVE_WAY] = STOP(gave_way),
                [SUT_INPUT_EXPIRE] = STOP(overrun),
                [SUT_INPUT_END] = STOP(stopped),
            },
        [SUT_STATE_DYING] =
            {
                [SUT_INPUT_START] = CELL(broken),
                [SUT_INPUT_RAN] = CELL(broken),
                [SUT_INPUT_READY] = CELL(nothing),
                [SUT_INPUT_STOP] = STOP(amend),
                [SUT_INPUT_GAVE_WAY] = CELL(nothing),
                [SUT_INPUT_EXPIRE] = STOP(finish_off),
                [SUT_INPUT_END] = STOP(stopped),
            },
        [SUT_STATE_KILLING] =
            {
                [SUT_INPUT_START] = CELL(broken),
                [SUT_INPUT_RAN] = CELL(broken),
                [SUT_INPUT_READY] = CELL(nothing),
                [SUT_INPUT_STOP] = STOP(amend),
                [SUT_INPUT_GAVE_WAY] = CELL(nothing),
                [SUT_INPUT_EXPIRE] = CELL(nothing),
                [SUT_INPUT_END] = STOP(stopped),
            },
        [SUT_STATE_ABANDONED] =
            {
                [SUT_INPUT_START] = STOP(amend),
                [SUT_INPUT_RAN] = CELL(broken),
                [SUT_INPUT_READY] = CELL(nothing),
                [SUT_INPUT_STOP] = STOP(amend),
                [SUT_INPUT_GAVE_WAY] = CELL(nothing),
                [SUT_INPUT_EXPIRE] = CELL(nothing),
                [SUT_INPUT_END] = STOP(stopped),
            },
};

void sut_service_input(struct sut_service *service, struct sut_cue cue) {
    life[service->state][cue.input].act(service, &cue);
}

void sut_service_enter_run(struct sut_service *service) {
    bool is_body = !sut_service_child(service);
    sut_life_enter(service, is_body ? SUT_STATE_STARTING : SUT_STATE_UNREADY);
    service->after = SUT_AFTER_KEEP;
    service->grouped = false;
    service->late = false;
    service->run++;
    service->started_ns = tree_of(service)->now_ns;
    if (is_body) tree_of(service)->host->start(service);
}

void sut_service_enter_running(struct sut_service *service) {
    sut_life_enter(service, SUT_STATE_RUNNING);
}

void sut_service_enter_waiting(struct sut_service *service) {
    sut_life_enter(service, SUT_STATE_WAITING);
}

void sut_service_enter_queue(struct sut_service *service) {
    sut_life_enter(service, SUT_STATE_QUEUED);
    sut_list_append(&service->parent->queue, &service->u.work);
}

void sut_service_enter_backoff(struct sut_service *service) {
    sut_life_enter(service, SUT_STATE_BACKING_OFF);
    sut_life_arm(service, service->options->backoff.due_ns);
}

void sut_service_delay(struct sut_service *service, uint32_t run, int64_t since_ns,
                       int64_t delay_ns) {
    struct sut_backoff *backoff = &service->options->backoff;
    if (service->run != run || backoff->due_ns != SUT_NEVER) return;
    backoff->due_ns = sut_time_after(since_ns, delay_ns);
    if (service->state == SUT_STATE_BACKING_OFF) sut_life_arm(service, backoff->due_ns);
}

bool sut_service_pending(const struct sut_service *service) {
    return traits[service->state].pending;
}

const char *sut_life_cell(enum sut_state state, enum sut_input input) {
    return life[state][input].name;
}
