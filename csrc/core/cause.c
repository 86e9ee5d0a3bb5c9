/* SPDX-License-Identifier: MIT
 *
 * Looking for causes, and keeping them where they are looked for.
 */
#include "core/cause.h"

#include "core/supervisor.h"
#include "core/tree.h"

static const struct sut_id nobody = {0};

/* ---- whose end it is ---- */

static struct sut_id origin(const struct sut_service *service) {
    const struct sut_supervisor *child = sut_service_child(service);
    return child && child->ended_by.value ? child->ended_by : sut_service_id(service);
}

struct sut_id sut_service_blame(const struct sut_service *service) {
    struct sut_id id = origin(service);
    struct sut_service *blamed = sut_slot_find(&service->parent->tree->slots, id);
    if (blamed) blamed->blamed = true;
    return id;
}

/* ---- looking ---- */

static struct sut_id from_options(const struct sut_service *service) {
    return service->options ? service->options->cause : nobody;
}

struct sut_id sut_service_cause(const struct sut_service *service) {
    if (service->blame == SUT_BLAME_ITSELF) return origin(service);
    if (service->blame == SUT_BLAME_OTHER) return from_options(service);
    return sut_supervisor_cause(service->parent);
}

/* The nearest that ends on somebody's account decides, from here up. */
struct sut_id sut_supervisor_cause(const struct sut_supervisor *sup) {
    for (;;) {
        const struct sut_service *place = sup->place;
        if (sut_supervisor_running(sup)) return sup->began_by;
        if (sup->ended_by.value || !place) return sup->ended_by;
        if (place->blame != SUT_BLAME_ABOVE) return sut_service_cause(place);
        sup = place->parent;
    }
}

struct sut_id sut_event_cause(const struct sut_supervisor *sup, const struct sut_service *service,
                              enum sut_event_type type) {
    const struct sut_service *begins = service ? service : sup->place;
    bool starts = type == SUT_EVENT_SERVICE_START || type == SUT_EVENT_SUPERVISOR_START;
    if (starts && begins && begins->run <= 1) return nobody;
    return service ? sut_service_cause(service) : sut_supervisor_cause(sup);
}

/* ---- stops on purpose ---- */

bool sut_service_insists(const struct sut_service *service, enum sut_after after) {
    if (service->after == SUT_AFTER_FORGET) return true;
    if (service->after == SUT_AFTER_RETIRE) return after != SUT_AFTER_FORGET;
    return service->after == SUT_AFTER_GROUP && after == SUT_AFTER_RESTART;
}

bool sut_service_heeds(const struct sut_service *service, enum sut_after after) {
    if (service->state == SUT_STATE_IDLE) return after != SUT_AFTER_KEEP;
    if (service->state == SUT_STATE_WAITING) return after != SUT_AFTER_RESTART;
    if (service->state < SUT_STATE_STOPPING) return true;
    return service->after != after && !sut_service_insists(service, after);
}

void sut_service_request(struct sut_service *service, enum sut_after after, struct sut_id by) {
    if (sut_service_heeds(service, after)) {
        struct sut_service *blamed = sut_slot_find(&service->parent->tree->slots, by);
        service->blame = SUT_BLAME_OTHER;
        if (service->options) service->options->cause = by;
        if (blamed) blamed->blamed = true;
    }
    sut_service_stop(service, after);
}
