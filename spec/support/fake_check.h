/* SPDX-License-Identifier: MIT
 *
 * What must always hold in a tree that has settled, recomputed by walking: the first promise of a
 * supervisor that does not hold, as text, or NULL. Knows the rules, and not how the core keeps
 * them.
 */
#ifndef SPEC_FAKE_CHECK_H
#define SPEC_FAKE_CHECK_H

#include "fake_host.h"

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) return #condition;                                                       \
    } while (0)

static inline bool serves(const struct sut_supervisor *sup) {
    return sut_supervisor_running(sup) || sup->state == SUT_SUPERVISOR_STOPPING;
}

/* ---- one service ---- */

static inline const char *broken_of_body(struct body *body) {
    const struct sut_service *service = &body->service;
    uint32_t lives = sut_service_lives(service) ? 1 : 0;
    bool ready = !sut_list_empty(&body->ready);
    MUST(body->starts == body->ends + body->recalls + lives); /* never two runs at once */
    MUST(service->state != SUT_STATE_STARTING || ready);
    MUST(service->state > SUT_STATE_WAITING || !ready);
    MUST(service->state != SUT_STATE_UNREADY || service->notifies);
    MUST(service->state != SUT_STATE_KILLING);
    MUST(!service->overdue || service->asked);
    return NULL;
}

static inline bool is_on_its_way(const struct sut_service *service) {
    return service->state >= SUT_STATE_QUEUED && service->state <= SUT_STATE_UNREADY;
}

static inline bool is_stopping(const struct sut_service *service) {
    return service->state >= SUT_STATE_STOPPING && service->state <= SUT_STATE_KILLING;
}

/* What is asked to stop before it was ready keeps others waiting until it has stopped, at most. */
static inline bool may_keep_waiting(const struct sut_service *service) {
    return sut_service_keeps_waiting(service) || is_stopping(service);
}

static inline bool has_somebody_on_its_way(const struct sut_supervisor *sup) {
    for (struct sut_service *service = sut_supervisor_first(sup); service;
         service = sut_service_next(service))
        if (may_keep_waiting(service)) return true;
    return false;
}

static inline const char *broken_of_place(const struct sut_service *service) {
    const struct sut_supervisor *child = sut_service_child(service);
    MUST(child->place == service);
    MUST(sut_service_lives(service) == serves(child));
    MUST(service->state != SUT_STATE_STARTING);
    if (service->state == SUT_STATE_RUNNING || service->state == SUT_STATE_UNREADY)
        MUST(sut_supervisor_running(child) || child->end != SUT_END_CANCELED);
    if (service->state == SUT_STATE_UNREADY && sut_supervisor_running(child))
        MUST(child->grouping || has_somebody_on_its_way(child));
    if (service->state >= SUT_STATE_STOPPING) MUST(child->state == SUT_SUPERVISOR_STOPPING);
    return NULL;
}

static inline bool waits_for_ever(const struct sut_service *service) {
    return service->shutdown == SUT_SHUTDOWN_INFINITY ||
           (sut_service_child(service) && service->shutdown == SUT_SHUTDOWN_DEFAULT);
}

/* Also counts the deadlines that are armed. */
static inline const char *broken_of_timer(const struct sut_service *service, uint32_t *armed) {
    if (!sut_service_timed(service)) return NULL;
    bool ticks = sut_deadline_armed(&service->u.timer);
    *armed += ticks;
    if (service->state == SUT_STATE_STOPPING)
        MUST(ticks || service->overdue || waits_for_ever(service));
    if (service->state == SUT_STATE_DYING) MUST(ticks);
    if (service->state == SUT_STATE_BACKING_OFF) MUST(ticks && service->backs_off);
    if (service->state == SUT_STATE_UNREADY && ticks)
        MUST(!sut_service_child(service) && service->options);
    return NULL;
}

static inline bool stops_for_its_group(const struct sut_service *service) {
    return service->grouped && service->state >= SUT_STATE_STARTING &&
           service->state <= SUT_STATE_KILLING;
}

static inline const char *broken_of_turn(const struct sut_service *service) {
    const struct sut_supervisor *sup = service->parent;
    bool stops = sup->state == SUT_SUPERVISOR_STOPPING; /* and has not come by it yet */
    if (service->state == SUT_STATE_WAITING) MUST(sup->walking || sup->grouping || stops);
    if (service->grouped && sut_supervisor_running(sup))
        MUST(service->state == SUT_STATE_WAITING || stops_for_its_group(service) ||
             (sup->grouping && service->state == SUT_STATE_ABANDONED));
    if (stops_for_its_group(service) && sut_supervisor_running(sup)) MUST(sup->grouping);
    if (service->retired) MUST(service->state == SUT_STATE_IDLE && service->fixed);
    return NULL;
}

static inline const char *broken_of_service(struct sut_service *service, uint32_t *armed) {
    const char *broken = broken_of_timer(service, armed);
    if (!broken) broken = broken_of_turn(service);
    if (broken) return broken;
    return sut_service_child(service) ? broken_of_place(service) : broken_of_body(body_of(service));
}

/* ---- who waits ---- */

static inline bool waits_by_name(const struct sut_service *service) {
    for (uint32_t i = 0; i < service->options->after_count; i++) {
        const struct sut_service *other =
            sut_slot_find(&service->parent->tree->slots, service->options->after[i]);
        if (other && may_keep_waiting(other)) return true;
    }
    return false;
}

/* With one_for_one a later failure keeps nobody waiting. */
static inline bool waits_in_order(const struct sut_service *service) {
    const struct sut_service *other = service;
    while ((other = sut_service_previous(other))) {
        bool failed = other->state == SUT_STATE_QUEUED || other->state == SUT_STATE_BACKING_OFF;
        if (failed && other->parent->strategy == SUT_STRATEGY_ONE_FOR_ONE) continue;
        if (may_keep_waiting(other)) return true;
    }
    return false;
}

/* Nobody waits for nothing, and a group that restarts waits for a member. */
static inline const char *broken_of_start(const struct sut_supervisor *sup) {
    bool stops = false, waits_on = false;
    if (!sut_supervisor_running(sup)) return NULL;
    for (struct sut_service *service = sut_supervisor_first(sup); service;
         service = sut_service_next(service)) {
        stops = stops || stops_for_its_group(service);
        waits_on = waits_on || is_on_its_way(service) || may_keep_waiting(service);
        if (service->state != SUT_STATE_WAITING || sup->grouping) continue;
        bool waits = service->ordered ? waits_by_name(service) : waits_in_order(service);
        MUST(waits);
    }
    MUST(!sup->grouping || stops);
    MUST(!sup->awaited || waits_on);
    return NULL;
}

/* ---- one supervisor ---- */

struct counts {
    uint32_t children, living, pending, significant, ordered, queued, asked;
};

static inline void count_service(struct counts *counts, const struct sut_service *service) {
    bool asked = is_stopping(service);
    counts->children += !service->retired;
    counts->living +=
        asked || (service->state >= SUT_STATE_STARTING && service->state <= SUT_STATE_RUNNING);
    counts->pending += is_on_its_way(service);
    counts->significant += service->significant && service->state != SUT_STATE_IDLE;
    counts->ordered += service->ordered;
    counts->queued += service->state == SUT_STATE_QUEUED;
    counts->asked += asked;
}

static inline const char *broken_of_counts(const struct sut_supervisor *sup,
                                           const struct counts *counts) {
    bool normal = sup->state == SUT_SUPERVISOR_NORMAL;
    MUST(counts->children == sup->child_count && counts->children == sup->names.count);
    MUST(counts->living == sup->living);
    MUST(counts->pending == sup->pending);
    MUST(counts->significant == sup->significant);
    MUST(counts->ordered == sup->ordered);
    MUST((counts->queued == 0) == sut_list_empty(&sup->queue));
    MUST(!normal || (counts->queued == 0) == !sut_deadline_armed(&sup->timer));
    MUST(sup->state != SUT_SUPERVISOR_STOPPING || counts->asked > 0);
    MUST(serves(sup) || counts->living + counts->pending == 0);
    return NULL;
}

static inline const char *broken_of_state(const struct sut_supervisor *sup, uint32_t *armed) {
    bool ticks = sut_deadline_armed(&sup->timer);
    bool paused = sup->state == SUT_SUPERVISOR_PAUSED;
    *armed += ticks;
    MUST(paused == (ticks && sut_deadline_kind(&sup->timer) == SUT_DEADLINE_RESUME));
    MUST(!ticks || sut_supervisor_running(sup));
    MUST(sup->attend == 0);
    MUST(!sup->advancing);
    MUST(sup->policy.period_ns == 0 || sup->score.count <= sup->policy.intensity + 1);
    return NULL;
}

static inline const char *broken_promise(const struct sut_supervisor *sup, uint32_t *armed) {
    struct counts counts = {0};
    const char *broken = broken_of_state(sup, armed);
    for (struct sut_service *service = sut_supervisor_first(sup); service && !broken;
         service = sut_service_next(service)) {
        if (service->parent != sup || service->ghost) return "a child that is not a child";
        count_service(&counts, service);
        broken = broken_of_service(service, armed);
    }
    if (!broken) broken = broken_of_counts(sup, &counts);
    return broken ? broken : broken_of_start(sup);
}

/* ---- for whoever looks for the reason ---- */

static inline void show_service(const struct sut_service *service) {
    (void)fprintf(
        stderr, "    %p %s%s%s%s%s run %u after %u timer %s", (const void *)service,
        sut_state_row((enum sut_state)service->state), sut_service_child(service) ? " team" : "",
        service->grouped ? " grouped" : "", service->retired ? " retired" : "",
        service->first ? " first" : "", service->run, (unsigned)service->after,
        sut_service_timed(service) && sut_deadline_armed(&service->u.timer) ? "on" : "off");
    (void)fprintf(stderr, " %s%s%s%s%s", sut_restart_name(service->restart),
                  service->notifies ? " notifies" : "", service->backs_off ? " backs off" : "",
                  service->significant ? " significant" : "", service->fixed ? " fixed" : "");
    for (uint32_t i = 0; service->ordered && i < service->options->after_count; i++)
        (void)fprintf(stderr, "%s%p", i ? ", " : " after ",
                      sut_slot_find(&service->parent->tree->slots, service->options->after[i]));
    (void)fprintf(stderr, "%s\n", service->ordered ? " ordered" : "");
}

static inline void show_supervisor(const struct sut_supervisor *sup) {
    (void)fprintf(
        stderr, "  %s %s in %p%s%s%s living %u pending %u significant %u cursor %p walk %p\n",
        sut_supervisor_state_name(sup), sut_strategy_name((enum sut_strategy)sup->strategy),
        (void *)sup->place, sup->walking ? " walking" : "", sup->grouping ? " grouping" : "",
        sup->stop_order == SUT_STOP_PARALLEL ? " parallel" : "", sup->living, sup->pending,
        sup->significant, (void *)sup->cursor, (void *)sup->walk);
    for (struct sut_service *service = sut_supervisor_first(sup); service;
         service = sut_service_next(service))
        show_service(service);
}

#endif
