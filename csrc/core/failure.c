/* SPDX-License-Identifier: MIT
 *
 * Ends of children that nobody asked for, and what they lead to: a restart, at once or later, the
 * end of the child alone, or that of the supervisor.
 */
#include "core/supervisor.h"
#include "core/tree.h"

/* ---- events ---- */

struct sut_event *sut_supervisor_emit(struct sut_supervisor *sup, struct sut_service *service,
                                      enum sut_event_type type) {
    struct sut_event *event = sut_events_emit(&sup->tree->events, type);
    event->time_ns = sup->tree->now_ns;
    event->supervisor = sup;
    event->cause = sut_event_cause(sup, service, type);
    event->score = sut_supervisor_score(sup);
    event->limit = sut_policy_limit(&sup->policy);
    event->stopping = sup->state == SUT_SUPERVISOR_STOPPING;
    if (service) {
        event->service = service;
        event->run = service->run;
    }
    return event;
}

static struct sut_event *emit_end(struct sut_supervisor *sup, struct sut_service *service,
                                  enum sut_end end, struct sut_detail detail, uint32_t run) {
    struct sut_event *event = sut_supervisor_emit(
        sup, service, end == SUT_END_PANIC ? SUT_EVENT_SERVICE_PANIC : SUT_EVENT_SERVICE_TERMINATE);
    event->run = run;
    event->end = (uint8_t)end;
    event->detail = detail;
    return event;
}

static void emit_stop(struct sut_supervisor *sup, struct sut_service *service,
                      const struct sut_cue *cue, uint32_t run) {
    if (!sup->lifecycle_events || sut_service_child(service))
        return; /* a supervisor tells of itself */
    struct sut_event *event = sut_supervisor_emit(sup, service, SUT_EVENT_SERVICE_STOP);
    event->run = run;
    event->end = (uint8_t)cue->end;
}

/* ---- the end of the supervisor ---- */

/* The supervisor ends because of this child, unless it was to end already. */
static bool end_with(struct sut_supervisor *sup, struct sut_service *service, enum sut_end why,
                     enum sut_end end) {
    if (!sut_supervisor_running(sup) || (sup->attend & SUT_ATTEND_STOP)) return false;
    sup->end = (uint8_t)why;
    sup->ended_by = sut_service_blame(service);
    sup->tree->host->reason(sup, service, end);
    sut_supervisor_ask(sup, SUT_ATTEND_STOP);
    return true;
}

/* A significant child has ended by itself, and for good; or as good as that, when it was late. */
static void shut_down(struct sut_supervisor *sup, struct sut_service *service) {
    uint32_t itself = service->state != SUT_STATE_IDLE;
    bool last = sup->auto_shutdown == SUT_AUTO_SHUTDOWN_ALL && sup->significant == itself;
    if (!service->significant) return;
    if (last || sup->auto_shutdown == SUT_AUTO_SHUTDOWN_ANY)
        (void)end_with(sup, service, SUT_END_PLAIN, SUT_END_PLAIN);
}

/* ---- failures ---- */

/* What a failure has led to, for its event. */
struct outcome {
    bool restarting; /* it restarts, now or after its own delay */
    bool puts_off;   /* after its own delay */
    bool queued;     /* it restarts after the pause */
    bool gave_up;    /* the supervisor ends by it, and says so */
};

void sut_supervisor_retry(struct sut_supervisor *sup, struct sut_service *service) {
    if (!sut_supervisor_running(sup)) /* its delay has ended before its turn to stop came */
        sut_service_stop(service, SUT_AFTER_KEEP);
    else if (sup->state == SUT_SUPERVISOR_PAUSED)
        sut_service_stop(service, SUT_AFTER_QUEUE);
    else if (sup->strategy == SUT_STRATEGY_ONE_FOR_ONE)
        sut_service_stop(service, SUT_AFTER_RESTART);
    else
        sut_supervisor_regroup(sup, service);
}

/* Lets the child wait for its own delay, whose jitter is the host's to say. */
static void put_off(struct sut_service *service) {
    struct sut_backoff *backoff = &service->options->backoff;
    (void)sut_backoff_next(backoff, service->parent->tree->now_ns - service->started_ns);
    backoff->due_ns = SUT_NEVER;
    sut_service_stop(service, SUT_AFTER_BACK_OFF);
}

static void pause(struct sut_supervisor *sup, struct sut_service *service) {
    sut_supervisor_enter(sup, SUT_SUPERVISOR_PAUSED);
    sut_deadline_cancel(sup->tree->deadlines, &sup->timer);
    sut_supervisor_emit(sup, NULL, SUT_EVENT_BACKOFF)->delay_ns = sup->backoff_ns;
    sut_service_stop(service, SUT_AFTER_QUEUE);
}

/* Counts the failure, and does what the policy says. */
static struct outcome fail(struct sut_supervisor *sup, struct sut_service *service,
                           enum sut_end end) {
    bool paused = sup->state == SUT_SUPERVISOR_PAUSED;
    struct outcome outcome = {0};
    enum sut_verdict verdict =
        sut_policy_fail(&sup->policy, &sup->score, paused, sup->tree->now_ns);
    if (verdict == SUT_VERDICT_ESCALATE) {
        outcome.gave_up = end_with(sup, service, SUT_END_GAVE_UP, end);
        return outcome;
    }
    if (verdict == SUT_VERDICT_PAUSE) {
        pause(sup, service);
        outcome.queued = true;
        return outcome;
    }
    outcome.restarting = !paused;
    outcome.queued = paused;
    outcome.puts_off = !paused && service->backs_off;
    if (outcome.puts_off)
        put_off(service);
    else
        sut_supervisor_retry(sup, service);
    return outcome;
}

/* What an end by itself leads to, that is neither DO_NOT_RESTART nor TERMINATE_TREE. */
static struct outcome decide(struct sut_supervisor *sup, struct sut_service *service,
                             enum sut_end end, bool unready) {
    struct outcome outcome = {0};
    bool failed = sut_restart_answer(service->restart, end) == SUT_ANSWER_RESTART;
    if (failed || end != SUT_END_PLAIN) service->failures++;
    if (!sut_supervisor_running(sup)) return outcome;
    if (unready && sup->awaited) sup->tree->host->start_failed(sup, service, end);
    if (end == SUT_END_PANIC && sup->pass_through_panics)
        (void)end_with(sup, service, SUT_END_PANIC, end);
    else if (unready && service->first)
        outcome.gave_up = end_with(sup, service, SUT_END_START_FAILED, end);
    else if (failed)
        outcome = fail(sup, service, end);
    return outcome;
}

static void emit_outcome(struct sut_supervisor *sup, struct sut_service *service,
                         struct sut_event *event, struct outcome outcome) {
    event->restarting = outcome.restarting;
    event->puts_off = outcome.puts_off;
    event->queued = outcome.queued;
    event->stopping = !sut_supervisor_running(sup);
    if (outcome.puts_off) event->delay_ns = service->options->backoff.delay_ns;
}

static void emit_escalate(struct sut_supervisor *sup, struct outcome outcome) {
    if (!outcome.gave_up) return;
    struct sut_event *event = sut_supervisor_emit(sup, NULL, SUT_EVENT_ESCALATE);
    event->end = sup->end;
    event->limit = sut_policy_tolerated(&sup->policy);
    event->delay_ns = sup->policy.period_ns;
}

/* The child has ended for good, or has not: what is left of it, and who ends with it. */
static void leave(struct sut_supervisor *sup, struct sut_service *service, enum sut_answer answer) {
    if (answer == SUT_ANSWER_RESTART) return;
    if (answer == SUT_ANSWER_KEEP && service->grouped) { /* comes back, as if its turn had come */
        service->blame = SUT_BLAME_OTHER;
        sut_service_stop(service, SUT_AFTER_GROUP);
        return;
    }
    shut_down(sup, service);
    if (answer == SUT_ANSWER_FORGET) sut_supervisor_retire(sup, service);
}

void sut_supervisor_child_fell(struct sut_supervisor *sup, struct sut_service *service,
                               const struct sut_cue *cue, bool unready) {
    enum sut_end end = unready && cue->end == SUT_END_PLAIN ? SUT_END_UNREADY : cue->end;
    uint32_t run = service->run;
    service->blame = SUT_BLAME_ITSELF;
    struct sut_id cause = sut_service_cause(service); /* before another life begins */
    if (end == SUT_END_DO_NOT_RESTART) {
        emit_stop(sup, service, cue, run);
        shut_down(sup, service);
        sut_supervisor_forget(sup, service);
    } else if (end == SUT_END_TERMINATE_TREE) {
        emit_stop(sup, service, cue, run);
        (void)end_with(sup, service, SUT_END_TERMINATE_TREE, end);
    } else {
        struct outcome outcome = decide(sup, service, end, unready);
        struct sut_event *event = emit_end(sup, service, end, cue->detail, run);
        event->cause = cause;
        emit_outcome(sup, service, event, outcome);
        emit_stop(sup, service, cue, run);
        emit_escalate(sup, outcome);
        leave(sup, service, sut_restart_answer(service->restart, end));
    }
    sut_supervisor_settled(sup);
}

void sut_supervisor_child_late(struct sut_supervisor *sup, struct sut_service *service) {
    struct sut_detail none = {NULL, 0};
    uint32_t run = service->run;
    if (!sut_supervisor_running(sup)) return;
    service->blame = SUT_BLAME_ITSELF;
    struct outcome outcome = decide(sup, service, SUT_END_LATE, true);
    emit_outcome(sup, service, emit_end(sup, service, SUT_END_LATE, none, run), outcome);
    emit_escalate(sup, outcome);
    if (sut_restart_answer(service->restart, SUT_END_LATE) == SUT_ANSWER_FORGET) {
        shut_down(sup, service);
        sut_service_stop(service, SUT_AFTER_RETIRE);
    }
}

static bool is_abnormal(enum sut_end end) {
    return end == SUT_END_ERROR || end == SUT_END_PANIC || end == SUT_END_GAVE_UP ||
           end == SUT_END_START_FAILED;
}

void sut_supervisor_child_stopped(struct sut_supervisor *sup, struct sut_service *service,
                                  const struct sut_cue *cue) {
    if (is_abnormal(cue->end))
        emit_end(sup, service, cue->end, cue->detail, service->run)->stopping = true;
    emit_stop(sup, service, cue, service->run);
    if (service->late && service->restart == SUT_RESTART_TEMPORARY) /* others have ended since */
        shut_down(sup, service);
}

/* ---- the pause ---- */

void sut_supervisor_backoff(struct sut_supervisor *sup, int64_t since_ns, int64_t delay_ns) {
    if (sup->state != SUT_SUPERVISOR_PAUSED) return;
    sut_deadline_be(&sup->timer, SUT_DEADLINE_RESUME);
    sut_deadline_arm(sup->tree->deadlines, &sup->timer, sut_time_after(since_ns, delay_ns));
}

/* Starts what queued: all of it, or the first and a timer for the rest. */
static void restart_queued(struct sut_supervisor *sup) {
    while (!sut_list_empty(&sup->queue)) {
        sut_supervisor_retry(sup, SUT_CONTAINER(sup->queue.next, struct sut_service, u.work));
        if (sup->spacing_ns > 0) break;
    }
    if (sut_list_empty(&sup->queue)) return;
    sut_deadline_be(&sup->timer, SUT_DEADLINE_SPACING);
    sut_deadline_arm(sup->tree->deadlines, &sup->timer,
                     sut_time_after(sup->tree->now_ns, sup->spacing_ns));
}

/* One has left the queue: without another there is nothing to space. */
void sut_supervisor_dequeued(struct sut_supervisor *sup) {
    if (sut_deadline_kind(&sup->timer) == SUT_DEADLINE_SPACING && sut_list_empty(&sup->queue))
        sut_deadline_cancel(sup->tree->deadlines, &sup->timer);
}

void sut_supervisor_timer(struct sut_supervisor *sup) {
    if (sut_deadline_kind(&sup->timer) == SUT_DEADLINE_RESUME) {
        sut_supervisor_enter(sup, SUT_SUPERVISOR_NORMAL);
        sut_policy_resume(&sup->score, sup->tree->now_ns);
        sut_supervisor_emit(sup, NULL, SUT_EVENT_RESUME)->delay_ns = sup->spacing_ns;
    }
    restart_queued(sup);
}
