/* SPDX-License-Identifier: MIT
 *
 * How children start: in their order, each when those before it are ready.
 *
 * A child that names the siblings it starts after waits for these alone. A start walks the subtree
 * from where it stands, down into child supervisors and up again when one is complete, and stops at
 * whoever is not ready; it goes on when that has changed.
 */
#include "core/order.h"
#include "core/supervisor.h"
#include "core/tree.h"

/* ---- a new life ---- */

/* Whether it begins with this life: a temporary one that was added has one life alone. */
static bool comes_along(const struct sut_service *service) {
    return service->fixed || service->run == 0 || service->restart != SUT_RESTART_TEMPORARY;
}

/* Makes ready what begins with this life, and lets go what does not. */
static void muster(struct sut_supervisor *sup, struct sut_service *service) {
    if (service->retired) {
        service->retired = false;
        sup->child_count++;
        sut_name_add(&sup->names, &service->name);
    }
    service->grouped = false;
    service->first = true;
    service->blame = SUT_BLAME_ABOVE;
    if (service->state == SUT_STATE_IDLE && comes_along(service))
        sut_service_enter_waiting(service);
    else if (service->state == SUT_STATE_IDLE)
        sut_supervisor_forget(sup, service);
    else if (comes_along(service)) /* once its run of a former life has ended */
        sut_service_start(service);
    else
        sut_service_stop(service, SUT_AFTER_RETIRE);
}

static void open_life(struct sut_supervisor *sup) {
    sut_supervisor_lay_ghosts(sup);
    sut_supervisor_enter(sup, SUT_SUPERVISOR_NORMAL);
    sup->end = SUT_END_CANCELED;
    sup->began_by = sup->place ? sut_service_cause(sup->place) : (struct sut_id){0};
    sup->ended_by = (struct sut_id){0};
    sup->hurry = SUT_HURRY_NOT;
    sup->cursor = NULL;
    sut_policy_reset(&sup->score);
    if (sup->lifecycle_events)
        sut_supervisor_emit(sup, NULL, SUT_EVENT_SUPERVISOR_START)->run =
            sup->place ? sup->place->run : 0;
    for (struct sut_service *service = sut_supervisor_first(sup), *next; service; service = next) {
        next = sut_service_next(service);
        muster(sup, service);
    }
    sut_supervisor_look(sup);
}

void sut_supervisor_begin(struct sut_supervisor *top) {
    open_life(top);
    sut_supervisor_advance(top);
}

/* ---- who waits for whom ---- */

/* Whether those behind the child in start order wait for it. With one_for_one a child that failed
 * later, and will be tried again, concerns nobody. */
static bool blocks(const struct sut_supervisor *sup, const struct sut_service *service) {
    bool failed = service->state == SUT_STATE_QUEUED || service->state == SUT_STATE_BACKING_OFF;
    if (failed && sup->strategy == SUT_STRATEGY_ONE_FOR_ONE) return false;
    return sut_service_keeps_waiting(service);
}

static bool may_start(const struct sut_supervisor *sup, const struct sut_service *service) {
    if (service->state != SUT_STATE_WAITING) return false;
    return service->ordered ? sut_order_is_clear(service) : !sup->blocked;
}

/* ---- the walk ---- */

/* Children wait: the next pass begins at the first. */
void sut_supervisor_look(struct sut_supervisor *sup) {
    sup->walking = true;
    sup->walk = sut_supervisor_first(sup);
}

/* A child that kept nobody waiting does now: the walk may have come by it. */
void sut_supervisor_turn_back(const struct sut_service *service, bool kept_waiting) {
    struct sut_supervisor *sup = service->parent;
    if (sup->walking && !kept_waiting && sut_service_keeps_waiting(service))
        sup->walk = sut_supervisor_first(sup);
}

/* Who failed may keep those behind it waiting from now on, and the walk may have come by it. */
void sut_supervisor_set_strategy(struct sut_supervisor *sup, enum sut_strategy strategy) {
    sup->strategy = (uint8_t)strategy;
    if (sup->walking) sup->walk = sut_supervisor_first(sup);
}

static void begin_pass(struct sut_supervisor *sup) {
    sup->blocked = false;
    sup->at = sup->walk;
}

/* Starts what may start among the children. Returns the child supervisor whose life has begun, for
 * the walk to go down into, or NULL at the end of the pass. */
static struct sut_supervisor *pass(struct sut_supervisor *sup) {
    for (struct sut_service *service = sup->at; service; service = sut_service_next(service)) {
        if (may_start(sup, service)) {
            struct sut_supervisor *child = sut_service_child(service);
            sut_service_enter_run(service);
            if (child) {
                sup->at = service;
                open_life(child);
                return child;
            }
        }
        if (!sup->blocked) {
            sup->blocked = blocks(sup, service);
            sup->walk = sup->blocked ? service : sut_service_next(service);
        }
        if (sup->blocked && sup->ordered == 0) break;
    }
    return NULL;
}

/* Not once it is about to stop: the child that it stops for keeps nobody waiting any more. */
static bool walks(const struct sut_supervisor *sup) {
    return sup->walking && !sup->grouping && !(sup->attend & SUT_ATTEND_STOP);
}

/* All children are ready, and so is the supervisor in its parent: true when that goes on by it. */
static bool complete(struct sut_supervisor *sup) {
    struct sut_service *place = sup->place;
    sup->walking = false;
    if (!place || place->state != SUT_STATE_UNREADY) return false;
    sut_service_enter_running(place);
    sut_supervisor_ready(place->parent);
    return walks(place->parent);
}

void sut_supervisor_advance(struct sut_supervisor *top) {
    struct sut_supervisor *sup = top;
    struct sut_supervisor *down;
    bool rises;
    if (!walks(sup)) return;
    begin_pass(sup);
    for (;;) {
        while ((down = pass(sup))) {
            sup = down;
            begin_pass(sup);
        }
        rises = sup->blocked ? false : complete(sup);
        if (sup == top && !rises) return;
        if (sup == top) {
            top = sup->place->parent;
            begin_pass(top);
        }
        sup = sup->place->parent;
    }
}

void sut_supervisor_launch(struct sut_service *service) {
    struct sut_supervisor *sup = service->parent;
    struct sut_supervisor *child = sut_service_child(service);
    if (!sut_order_is_clear(service)) {
        sut_service_enter_waiting(service);
        sut_supervisor_look(sup);
        return;
    }
    sut_service_enter_run(service);
    if (!child) return;
    open_life(child);
    sut_supervisor_advance(child);
}

/* What stops to start again is not counted: it is looked for when nothing else is on its way. */
bool sut_supervisor_is_ready(const struct sut_supervisor *sup) {
    if (sup->pending > 0 || sup->grouping) return false;
    for (const struct sut_service *service = sut_supervisor_first(sup); service;
         service = sut_service_next(service))
        if (sut_service_keeps_waiting(service)) return false;
    return true;
}

void sut_supervisor_ready(struct sut_supervisor *sup) {
    if (sup->awaited && sut_supervisor_is_ready(sup)) sup->tree->host->ready(sup);
}
