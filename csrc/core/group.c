/* SPDX-License-Identifier: MIT
 *
 * The restart of a group: what the strategy says restarts together with a child is stopped in
 * reverse of the start order, and then starts in order.
 *
 * While it stops, those that have stopped wait (the state "restarting"); a further failure enlarges
 * the group. Nothing loops: a start that fails comes as an input of its own.
 */
#include "core/order.h"
#include "core/supervisor.h"
#include "core/tree.h"

/* ---- who is in it ---- */

/* Dependencies, where any are given, decide instead of the order. */
static enum sut_relation relation(const struct sut_service *service,
                                  const struct sut_service *failed, bool seen) {
    bool behind = service->parent->ordered > 0 ? sut_order_touches_group(service) : seen;
    if (service == failed) return SUT_RELATION_ITSELF;
    return behind ? SUT_RELATION_BEHIND : SUT_RELATION_BEFORE;
}

/* The first failure that a member restarts for is its cause, its own before a sibling's. */
static void blame(struct sut_service *service, const struct sut_service *failed) {
    if (service->grouped || service == failed) return;
    service->blame = SUT_BLAME_OTHER;
    if (service->options) service->options->cause = sut_service_blame(failed);
}

/* One that does not run has nothing to stop: it waits at once. One that was given up is left alone.
 */
static void enrol(struct sut_service *service, const struct sut_service *failed) {
    if (service->state == SUT_STATE_ABANDONED) return;
    if (service->state == SUT_STATE_WAITING &&
        !service->grouped) /* its state has another word now */
        service->since_ns = service->parent->tree->now_ns;
    blame(service, failed);
    service->grouped = true;
    if (!sut_service_lives(service)) sut_service_stop(service, SUT_AFTER_GROUP);
}

static void mark(struct sut_supervisor *sup, const struct sut_service *failed) {
    bool seen = false;
    for (struct sut_service *service = sut_supervisor_first(sup); service;
         service = sut_service_next(service)) {
        enum sut_share share =
            sut_strategy_share(sup->strategy, relation(service, failed, seen), service->restart);
        seen = seen || service == failed;
        if (share != SUT_SHARE_LEFT_ALONE && !service->retired) enrol(service, failed);
    }
}

/* ---- its stop ---- */

static bool is_up(const struct sut_service *service) {
    return service->state >= SUT_STATE_STARTING && service->state <= SUT_STATE_RUNNING;
}

/* A temporary one does not come back (its share says so). What is asked to stop for its own restart
 * starts with the group instead. */
static void join(struct sut_service *service) {
    bool temporary = service->restart == SUT_RESTART_TEMPORARY;
    if (is_up(service))
        sut_service_stop(service, temporary ? SUT_AFTER_RETIRE : SUT_AFTER_GROUP);
    else if (sut_service_keeps_waiting(service) && sut_service_lives(service))
        service->after = SUT_AFTER_GROUP;
}

/* True while the group must wait for the child to stop. */
static bool holds(const struct sut_service *service) {
    return service->grouped && sut_service_lives(service);
}

/* Asks the members in reverse order, until one of them has to be waited for. True at the end. */
static bool stop_in_reverse(struct sut_supervisor *sup) {
    while (sup->cursor) {
        struct sut_service *service = sup->cursor;
        if (service->grouped) join(service);
        if (sup->cursor != service) continue; /* it was forgotten */
        if (holds(service)) return false;
        sup->cursor = sut_service_previous(service);
    }
    return true;
}

/* Together, but what starts after a member by name stops before it. */
static void ask_unneeded(struct sut_supervisor *sup) {
    struct sut_service *service = sut_supervisor_last(sup);
    for (struct sut_service *other = service; other; other = sut_service_previous(other))
        other->needed = false;
    while (service) {
        struct sut_service *before = sut_service_previous(service);
        if (holds(service) && !service->needed) join(service);
        if (holds(service)) sut_order_need_named(service);
        service = before;
    }
}

/* All have been asked, unless the order of stops is another meanwhile; where dependents come first,
 * the cursor only looks whether all have stopped. */
static bool stop_in_parallel(struct sut_supervisor *sup) {
    if (sup->ordered == 0) return stop_in_reverse(sup);
    ask_unneeded(sup);
    while (sup->cursor && !holds(sup->cursor))
        sup->cursor = sut_service_previous(sup->cursor);
    return !sup->cursor;
}

void sut_supervisor_regroup(struct sut_supervisor *sup, struct sut_service *failed) {
    bool advancing = sup->advancing;
    sup->grouping = true;
    sup->advancing = true; /* nothing stops before all are marked */
    mark(sup, failed);
    if (sup->stop_order == SUT_STOP_PARALLEL) ask_unneeded(sup);
    sup->advancing = advancing;
    sup->cursor = sut_supervisor_last(sup);
    sut_supervisor_settled(sup);
}

void sut_supervisor_advance_group(struct sut_supervisor *sup) {
    bool stopped =
        sup->stop_order == SUT_STOP_PARALLEL ? stop_in_parallel(sup) : stop_in_reverse(sup);
    if (!stopped) return;
    sup->grouping = false;
    sup->cursor = NULL;
    sut_supervisor_look(sup);
    sut_supervisor_advance(sup);
    sut_supervisor_ready(sup);
}
