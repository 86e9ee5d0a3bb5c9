/* SPDX-License-Identifier: MIT
 *
 * How a supervisor stops: its children one at a time in reverse order or all together, level by
 * level through the tree's list of attention, and by force when somebody will not wait.
 */
#include "core/order.h"
#include "core/supervisor.h"
#include "core/tree.h"

static const struct sut_id nobody = {0};

/* All levels below have ended, or what still lives has been given up. */
static void finish(struct sut_supervisor *sup) {
    sut_supervisor_enter(sup, SUT_SUPERVISOR_TERMINATED);
    sup->cursor = NULL;
    if (sup->lifecycle_events)
        sut_supervisor_emit(sup, NULL, SUT_EVENT_SUPERVISOR_STOP)->end =
            (uint8_t)sut_supervisor_end(sup);
    sut_list_remove(&sup->finished);
    sut_list_append(&sup->tree->finished, &sup->finished);
    if (sup->place) sut_supervisor_ask(sup, SUT_ATTEND_ENDED);
}

/* To stop with its supervisor. */
static void ask(struct sut_service *service) {
    if (sut_service_heeds(service, SUT_AFTER_KEEP)) service->blame = SUT_BLAME_ABOVE;
    sut_service_stop(service, SUT_AFTER_KEEP);
}

/* Only what is not asked yet. */
static void ask_one(struct sut_service *service) {
    if (sut_service_pending(service) || service->state == SUT_STATE_RUNNING) ask(service);
}

/* True while a stop must wait for it. */
static bool is_up(const struct sut_service *service) {
    return sut_service_lives(service) && service->state != SUT_STATE_ABANDONED;
}

/* Asks the next children in reverse order, until one of them has to be waited for. */
static void advance_in_reverse(struct sut_supervisor *sup) {
    while (sup->cursor) {
        struct sut_service *service = sup->cursor;
        ask_one(service);
        if (is_up(service)) return;
        sup->cursor = sut_service_previous(service);
    }
}

static void ask_all(struct sut_supervisor *sup) {
    struct sut_service *service = sut_supervisor_last(sup);
    sup->cursor = NULL;
    while (service) {
        struct sut_service *before = sut_service_previous(service);
        if (service->state != SUT_STATE_IDLE) ask(service);
        service = before;
    }
}

/* In parallel, but what starts after a sibling by name stops before it. */
static void ask_unneeded(struct sut_supervisor *sup) {
    struct sut_service *service = sut_supervisor_last(sup);
    for (struct sut_service *other = service; other; other = sut_service_previous(other))
        other->needed = false;
    while (service) {
        struct sut_service *before = sut_service_previous(service);
        if (!service->needed) ask_one(service);
        if (is_up(service)) sut_order_need_named(service);
        service = before;
    }
}

static void go_on_stopping(struct sut_supervisor *sup) {
    sup->advancing = true;
    if (sup->cursor)
        advance_in_reverse(sup);
    else if (sup->staged)
        ask_unneeded(sup);
    sup->advancing = false;
    if (!sup->cursor && sup->living == 0) finish(sup);
}

/* What a child's end, or its leaving, lets go on: a stop, the restart of a group, a start. */
void sut_supervisor_settled(struct sut_supervisor *sup) {
    if (sup->advancing) return;
    if (sup->state == SUT_SUPERVISOR_STOPPING) {
        go_on_stopping(sup);
    } else if (sut_supervisor_running(sup) && !(sup->attend & SUT_ATTEND_STOP)) {
        sup->advancing = true;
        if (sup->grouping)
            sut_supervisor_advance_group(sup);
        else
            sut_supervisor_advance(sup);
        sup->advancing = false;
        sut_supervisor_ready(sup);
    }
}

static void stop_now(struct sut_supervisor *sup, struct sut_id by) {
    sut_supervisor_enter(sup, SUT_SUPERVISOR_STOPPING);
    if (sup->end == SUT_END_CANCELED) sup->ended_by = by; /* else it ends by itself */
    sup->stop_number = ++sup->tree->stop_number;
    sup->walking = sup->grouping = false;
    if (sup->awaited) sup->tree->host->ready(sup); /* who waits may be one that is to stop */
    sut_deadline_cancel(sup->tree->deadlines, &sup->timer);
    sup->advancing = true;
    sup->cursor = NULL;
    sup->staged = false;
    if (sup->stop_order == SUT_STOP_REVERSE)
        sup->cursor = sut_supervisor_last(sup);
    else if (sup->ordered > 0 && sup->hurry == SUT_HURRY_NOT)
        sup->staged = true;
    else
        ask_all(sup);
    sup->advancing = false;
    sut_supervisor_settled(sup);
}

void sut_supervisor_request_stop(struct sut_supervisor *sup, struct sut_id by) {
    if (sup->place && sut_service_lives(sup->place))
        sut_service_request(
            sup->place,
            sup->place->restart == SUT_RESTART_TEMPORARY ? SUT_AFTER_RETIRE : SUT_AFTER_KEEP, by);
    else if (sut_supervisor_running(sup))
        stop_now(sup, by);
}

void sut_supervisor_stop(struct sut_supervisor *sup) { sut_supervisor_request_stop(sup, nobody); }

static void look_again(struct sut_supervisor *sup) {
    if (sup->state != SUT_SUPERVISOR_TERMINATED) return;
    sut_list_remove(&sup->finished);
    sut_list_append(&sup->tree->finished, &sup->finished);
}

/* A service that was abandoned has ended after all: whoever keeps the supervisor, or the one above
 * that forgot it, may look again. */
void sut_supervisor_late_end(struct sut_supervisor *sup) {
    for (struct sut_service *place; (place = sup->place); sup = place->parent) {
        if (!place->ghost) continue;
        look_again(sup);
        sut_supervisor_quiet(place);
    }
    look_again(sup);
}

/* ---- by force ---- */

void sut_supervisor_hurry(struct sut_supervisor *sup, enum sut_hurry how) {
    if (sup->state == SUT_SUPERVISOR_NOT_RUNNING || sup->state == SUT_SUPERVISOR_TERMINATED) return;
    if (sup->place && is_up(sup->place) && sup->place->state <= SUT_STATE_RUNNING)
        sut_supervisor_stop(sup);
    if (sup->hurry < how) sup->hurry = (uint8_t)how;
    sut_supervisor_ask(sup, SUT_ATTEND_HURRY);
}

/* Its time is over now: the deadline fires in this very turn, one service at a time. */
static void hurry_service(struct sut_service *service, enum sut_hurry how) {
    struct sut_tree *tree = service->parent->tree;
    struct sut_supervisor *child = sut_service_child(service);
    if (child) {
        if (sut_service_lives(service)) sut_supervisor_hurry(child, how);
    } else if (how == SUT_HURRY_QUIETLY && service->kill) {
        sut_service_kill(service);
    } else if (how != SUT_HURRY_TOGETHER &&
               (service->state == SUT_STATE_STOPPING || service->state == SUT_STATE_DYING)) {
        sut_deadline_arm(tree->deadlines, &service->u.timer, tree->now_ns);
    }
}

static void hurry_now(struct sut_supervisor *sup) {
    if (sut_supervisor_running(sup)) stop_now(sup, nobody);
    if (sup->state != SUT_SUPERVISOR_STOPPING) return;
    sup->advancing = true;
    sup->staged = false;
    ask_all(sup);
    for (struct sut_service *service = sut_supervisor_last(sup), *before; service;
         service = before) {
        before = sut_service_previous(service);
        hurry_service(service, sup->hurry);
    }
    sup->advancing = false;
    sut_supervisor_settled(sup);
}

/* ---- attention ---- */

void sut_supervisor_ask(struct sut_supervisor *sup, enum sut_attend what) {
    sup->attend |= (uint8_t)what;
    sut_list_remove(&sup->attention);
    sut_list_append(&sup->tree->attention, &sup->attention);
}

void sut_supervisor_attend(struct sut_supervisor *sup) {
    uint8_t attend = sup->attend;
    sup->attend = 0;
    sut_list_remove(&sup->attention);
    if ((attend & SUT_ATTEND_STOP) && sut_supervisor_running(sup)) stop_now(sup, nobody);
    if (attend & SUT_ATTEND_HURRY) hurry_now(sup);
    if (attend & SUT_ATTEND_ENDED)
        sut_service_ended(sup->place, sut_supervisor_end(sup), (struct sut_detail){0});
}
