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

bool sut_order_is_clear(const struct sut_service *service) {
    for (uint32_t i = 0; i < named_count(service); i++) {
        const struct sut_service *other = named(service, i);
        if (other && sut_service_keeps_waiting(other)) return false;
    }
    return true;
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
