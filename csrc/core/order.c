/* SPDX-License-Identifier: MIT
 *
 * Looking at the siblings that a child starts after.
 */
#include "core/order.h"

#include "core/supervisor.h"
#include "core/tree.h"

static uint32_t named_count(const struct sut_service *service) {
    return service->ordered ? service->options->after_count : 0;
}

/* NULL when it has left the tree. */
static struct sut_service *named(const struct sut_service *service, uint32_t i) {
    return sut_slot_find(&service->parent->tree->slots, service->options->after[i]);
}

/* The first of the named siblings that is on its way, or NULL. */
static const struct sut_service *first_unready(const struct sut_service *service) {
    for (uint32_t i = 0; i < named_count(service); i++) {
        const struct sut_service *other = named(service, i);
        if (other && sut_service_keeps_waiting(other)) return other;
    }
    return NULL;
}

bool sut_order_is_clear(const struct sut_service *service) { return !first_unready(service); }

const struct sut_service *sut_order_waits_for(const struct sut_service *service) {
    const struct sut_supervisor *parent = service->parent;
    const struct sut_service *other = service->ordered ? first_unready(service) : parent->walk;
    if (parent->grouping) other = parent->cursor;
    return other == service ? NULL : other;
}

bool sut_order_touches_group(const struct sut_service *service) {
    for (uint32_t i = 0; i < named_count(service); i++) {
        const struct sut_service *other = named(service, i);
        if (other && other->grouped) return true;
    }
    return false;
}

void sut_order_need_named(const struct sut_service *service) {
    for (uint32_t i = 0; i < named_count(service); i++) {
        struct sut_service *other = named(service, i);
        if (other) other->needed = true;
    }
}
