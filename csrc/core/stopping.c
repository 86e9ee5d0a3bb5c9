/* SPDX-License-Identifier: MIT
 *
 * How one service stops: asked, then at the end of its time struck by an error or closed by force,
 * or left alone; and what becomes of it then. The actions of the life table for that.
 */
#include "core/life.h"
#include "core/supervisor.h"
#include "core/tree.h"

#define MS_NS INT64_C(1000000)

static struct sut_tree *tree_of(const struct sut_service *service) { return service->parent->tree; }

/* It does not run, and this is what becomes of it. */
static void follow(struct sut_service *service, enum sut_after after) {
    struct sut_supervisor *parent = service->parent;
    if (after != SUT_AFTER_GROUP) service->grouped = false;
    if (after == SUT_AFTER_KEEP) service->first = false; /* its next start is not the first */
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
void sut_life_stop_idle(struct sut_service *service, const struct sut_cue *cue) {
    struct sut_supervisor *parent = service->parent;
    if (service->state != SUT_STATE_IDLE) sut_life_enter(service, SUT_STATE_IDLE);
    follow(service, cue->after);
    sut_supervisor_settled(parent);
}

/* Of one that waits for others; to be started is what it waits for. */
void sut_life_stop_waiting(struct sut_service *service, const struct sut_cue *cue) {
    if (cue->after == SUT_AFTER_RESTART || cue->after == SUT_AFTER_GROUP) return;
    sut_life_stop_idle(service, cue);
}

/* Asked to stop before its first resume: it never starts. */
void sut_life_recall(struct sut_service *service, const struct sut_cue *cue) {
    tree_of(service)->host->recall(service);
    service->run--;
    sut_life_stop_idle(service, cue);
}

static void kill_now(struct sut_service *service) {
    struct sut_supervisor *child = sut_service_child(service);
    sut_life_enter(service, SUT_STATE_KILLING);
    if (child)
        sut_supervisor_hurry(child, SUT_HURRY_QUIETLY);
    else
        sut_list_append(&tree_of(service)->kills, &service->u.work);
}

/* The time a service has, from the moment it is asked. */
static int64_t stop_time(const struct sut_service *service) {
    if (service->shutdown == SUT_SHUTDOWN_TIME) return service->options->shutdown_ms * MS_NS;
    if (service->shutdown == SUT_SHUTDOWN_INFINITY || sut_service_child(service)) return SUT_NEVER;
    return service->parent->timeout_ns;
}

/* Who waited for it goes on when it is not to start any more, and not only when it has ended. */
static void let_go(struct sut_service *service, bool kept_waiting) {
    if (kept_waiting && !sut_service_keeps_waiting(service))
        sut_supervisor_settled(service->parent);
}

static void ask(struct sut_service *service) {
    struct sut_tree *tree = tree_of(service);
    struct sut_supervisor *child = sut_service_child(service);
    sut_life_enter(service, SUT_STATE_STOPPING);
    if (child)
        sut_supervisor_ask(child, SUT_ATTEND_STOP);
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
        sut_life_arm(service, sut_time_after(tree->now_ns, time));
}

void sut_life_ask(struct sut_service *service, const struct sut_cue *cue) {
    bool kept_waiting = sut_service_keeps_waiting(service);
    service->after = cue->after;
    ask(service);
    let_go(service, kept_waiting);
}

/* A second wish while it stops: the later one holds, unless the first one sticks; what is to retire
 * may come back with the next life. */
void sut_life_amend(struct sut_service *service, const struct sut_cue *cue) {
    bool revives = cue->input == SUT_INPUT_START && service->after == SUT_AFTER_RETIRE;
    bool kept_waiting = sut_service_keeps_waiting(service);
    if (revives || !sut_service_insists(service, cue->after)) service->after = cue->after;
    sut_supervisor_turn_back(service, kept_waiting);
    let_go(service, kept_waiting);
}

/* One that runs meets an error first, and has a grace to end by it; one that waits is closed. */
static void strike(struct sut_service *service) {
    struct sut_tree *tree = tree_of(service);
    if (tree->grace_ns == 0 || !tree->host->interrupt(service)) {
        kill_now(service);
        return;
    }
    sut_life_enter(service, SUT_STATE_DYING);
    sut_life_arm(service, sut_time_after(tree->now_ns, tree->grace_ns));
}

void sut_life_finish_off(struct sut_service *service, const struct sut_cue *cue) {
    (void)cue;
    kill_now(service);
}

void sut_life_overrun(struct sut_service *service, const struct sut_cue *cue) {
    struct sut_supervisor *parent = service->parent;
    struct sut_supervisor *child = sut_service_child(service);
    (void)cue;
    if (service->asked) { /* it has not had its turn yet */
        service->overdue = true;
        return;
    }
    if (child) { /* only what hangs below it is to blame */
        if (service->kill) {
            sut_life_enter(service, SUT_STATE_KILLING);
            sut_supervisor_hurry(child, SUT_HURRY_WITH_REPORT);
            return;
        }
    } else {
        service->overran = tree_of(service)->overran = tree_of(service)->stop_number;
        sut_supervisor_emit(parent, service, SUT_EVENT_STOP_TIMEOUT)->killed = service->kill;
        if (service->kill) {
            strike(service);
            return;
        }
    }
    if (service->after == SUT_AFTER_GROUP) service->after = SUT_AFTER_RESTART;
    service->grouped = false; /* it goes on without */
    sut_life_enter(service, SUT_STATE_ABANDONED);
    if (child) /* nobody waits for its order any more, and nothing may start below */
        sut_supervisor_hurry(child, SUT_HURRY_TOGETHER);
    sut_supervisor_settled(parent);
}

void sut_life_gave_way(struct sut_service *service, const struct sut_cue *cue) {
    bool overdue = service->overdue;
    service->asked = false;
    service->overdue = false;
    if (overdue) sut_life_overrun(service, cue);
}

/* The end of a run that was asked to stop, in time or not. */
void sut_life_stopped(struct sut_service *service, const struct sut_cue *cue) {
    struct sut_supervisor *parent = service->parent;
    enum sut_after after = service->after;
    bool outlived = service->state == SUT_STATE_ABANDONED;
    sut_life_enter(service, SUT_STATE_IDLE);
    service->asked = false;
    service->overdue = false;
    sut_supervisor_child_stopped(parent, service, cue);
    follow(service, cue->end == SUT_END_DO_NOT_RESTART ? SUT_AFTER_FORGET : after);
    if (outlived)
        sut_supervisor_late_end(parent);
    else
        sut_supervisor_settled(parent);
}

void sut_service_kill(struct sut_service *service) {
    if (service->state >= SUT_STATE_STARTING && service->state <= SUT_STATE_RUNNING)
        sut_service_stop(service, SUT_AFTER_KEEP);
    if (service->state == SUT_STATE_STOPPING || service->state == SUT_STATE_DYING)
        kill_now(service);
}
