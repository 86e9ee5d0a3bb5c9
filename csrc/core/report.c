/* SPDX-License-Identifier: MIT
 *
 * Who stands in the report of a stop.
 */
#include "core/report.h"

static bool under_abandoned(const struct sut_supervisor *top, const struct sut_service *service) {
    while (service->parent != top) {
        service = service->parent->place;
        if (service->state == SUT_STATE_ABANDONED) return true;
    }
    return false;
}

enum sut_verdict_of_stop sut_report_verdict(const struct sut_supervisor *top,
                                            const struct sut_service *service) {
    if (service->child) return SUT_REPORT_NOT;
    if (service->state == SUT_STATE_ABANDONED) return SUT_REPORT_ALIVE;
    if (service->overran && service->overran >= top->stop_number)
        return service->kill ? SUT_REPORT_KILLED : SUT_REPORT_ALIVE;
    if (sut_service_lives(service) && under_abandoned(top, service)) return SUT_REPORT_ALIVE;
    return SUT_REPORT_NOT;
}

struct collection {
    const struct sut_supervisor *top;
    struct sut_id *ids;
    uint32_t size;
    uint32_t count;
};

static void consider(struct collection *to, const struct sut_service *service) {
    if (sut_report_verdict(to->top, service) == SUT_REPORT_NOT) return;
    if (to->count < to->size) to->ids[to->count] = service->id;
    to->count++;
}

static void consider_ghosts(struct collection *to, const struct sut_supervisor *sup) {
    for (const struct sut_list *node = sup->ghosts.next; node != &sup->ghosts; node = node->next)
        consider(to, SUT_CONTAINER(node, const struct sut_service, sibling));
}

uint32_t sut_report_collect(const struct sut_supervisor *top, struct sut_id *ids, uint32_t size) {
    struct collection to = {.top = top, .ids = ids, .size = size};
    for (struct sut_service *service = sut_supervisor_walk(top, NULL); service;
         service = sut_supervisor_walk(top, service)) {
        consider(&to, service);
        if (service->child) consider_ghosts(&to, service->child);
    }
    consider_ghosts(&to, top);
    return to.count;
}
