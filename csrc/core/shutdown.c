/* SPDX-License-Identifier: MIT
 *
 * How a supervisor stops: its children one at a time in reverse order or all together, level by
 * level through the tree's list of attention, and by force when somebody will not wait.
 */
#include "core/supervisor.h"
#include "core/tree.h"

static struct sut_service *service_at(struct sut_list *node) {
    return SUT_CONTAINER(node, struct sut_service, sibling);
}

static struct sut_service *last_child(const struct sut_supervisor *sup) {
    struct sut_list *node = sup->children.prev;
    return node == &sup->children ? NULL : service_at(node);
}

static struct sut_service *previous(const struct sut_supervisor *sup,
                                    const struct sut_service *service) {
    struct sut_list *node = service->sibling.prev;
    return node == &sup->children ? NULL : service_at(node);
}

/* All levels below have ended, or what still lives has been given up. */
static void finish(struct sut_supervisor *sup) {
    sup->state = SUT_SUPERVISOR_TERMINATED;
    sup->cursor = NULL;
    if (sup->lifecycle_events)
        sut_supervisor_emit(sup, NULL, SUT_EVENT_SUPERVISOR_STOP)->end =
            (uint8_t)sut_supervisor_end(sup);
    sut_list_remove(&sup->finished);
    sut_list_append(&sup->tree->finished, &sup->finished);
    if (sup->place) sut_supervisor_ask(sup, SUT_ATTEND_ENDED);
}

/* Asks the next children in reverse order, until one of them has to be waited for. */
static void advance_in_reverse(struct sut_supervisor *sup) {
    while (sup->cursor) {
        struct sut_service *service = sup->cursor;
        if (service->state == SUT_STATE_STARTING || service->state == SUT_STATE_RUNNING ||
            service->state == SUT_STATE_QUEUED)
            sut_service_stop(service, SUT_AFTER_KEEP);
        if (sut_service_lives(service) && service->state != SUT_STATE_ABANDONED) return;
        sup->cursor = previous(sup, service);
    }
}

static void ask_all(struct sut_supervisor *sup) {
    struct sut_service *service = last_child(sup);
    sup->cursor = NULL;
    while (service) {
        struct sut_service *before = previous(sup, service);
        if (service->state != SUT_STATE_IDLE) sut_service_stop(service, SUT_AFTER_KEEP);
        service = before;
    }
}

/* Goes on with a stop after a child has ended or was given up. */
void sut_supervisor_settled(struct sut_supervisor *sup) {
    if (sup->state != SUT_SUPERVISOR_STOPPING || sup->advancing) return;
    sup->advancing = true;
    advance_in_reverse(sup);
    sup->advancing = false;
    if (!sup->cursor && sup->living == 0) finish(sup);
}

static void stop_now(struct sut_supervisor *sup) {
    sup->state = SUT_SUPERVISOR_STOPPING;
    sup->stop_number = ++sup->tree->stop_number;
    sut_deadline_cancel(sup->tree->deadlines, &sup->timer);
    sup->advancing = true;
    sup->cursor = last_child(sup);
    if (sup->stop_order == SUT_STOP_PARALLEL) ask_all(sup);
    sup->advancing = false;
    sut_supervisor_settled(sup);
}

void sut_supervisor_stop(struct sut_supervisor *sup) {
    if (sup->place && sut_service_lives(sup->place))
        sut_service_stop(sup->place, SUT_AFTER_KEEP);
    else if (sut_supervisor_running(sup))
        stop_now(sup);
}

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
    if (sup->place && sup->place->state == SUT_STATE_RUNNING) sut_supervisor_stop(sup);
    if (sup->hurry < how) sup->hurry = (uint8_t)how;
    sut_supervisor_ask(sup, SUT_ATTEND_HURRY);
}

/* Its time is over now: the deadline fires in this very turn, one service at a time. */
static void hurry_service(struct sut_service *service, enum sut_hurry how) {
    struct sut_tree *tree = service->parent->tree;
    if (service->child) {
        if (sut_service_lives(service)) sut_supervisor_hurry(service->child, how);
    } else if (how == SUT_HURRY_QUIETLY && service->kill) {
        sut_service_kill(service);
    } else if (service->state == SUT_STATE_STOPPING) {
        sut_deadline_arm(tree->deadlines, &service->u.stop, tree->now_ns);
    }
}

static void hurry_now(struct sut_supervisor *sup) {
    if (sut_supervisor_running(sup)) stop_now(sup);
    if (sup->state != SUT_SUPERVISOR_STOPPING) return;
    sup->advancing = true;
    ask_all(sup);
    for (struct sut_service *service = last_child(sup), *before; service; service = before) {
        before = previous(sup, service);
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
    struct sut_service *place = sup->place;
    sup->attend = 0;
    sut_list_remove(&sup->attention);
    if ((attend & SUT_ATTEND_STOP) && sut_supervisor_running(sup)) stop_now(sup);
    if (attend & SUT_ATTEND_HURRY) hurry_now(sup);
    if ((attend & SUT_ATTEND_ENDED) && place && sut_service_lives(place))
        sut_service_ended(place, sut_supervisor_end(sup), (struct sut_detail){0});
}
