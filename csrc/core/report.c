/* SPDX-License-Identifier: MIT
 *
 * Who stands in the report of a stop.
 */
#include "core/report.h"

#include "core/tree.h"

/* ---- walking, ghosts included ---- */

static struct sut_service *first_of(const struct sut_list *list) {
    struct sut_list *node = list->next;
    return node == list ? NULL : SUT_CONTAINER(node, struct sut_service, sibling);
}

static struct sut_service *first_below(const struct sut_supervisor *sup) {
    struct sut_service *service = first_of(&sup->children);
    return service ? service : first_of(&sup->ghosts);
}

/* The next in the same supervisor: children in start order, then ghosts. */
static struct sut_service *next_beside(const struct sut_service *service) {
    const struct sut_supervisor *parent = service->parent;
    struct sut_list *node = service->sibling.next;
    if (node != (service->ghost ? &parent->ghosts : &parent->children))
        return SUT_CONTAINER(node, struct sut_service, sibling);
    return service->ghost ? NULL : first_of(&parent->ghosts);
}

/* As sut_supervisor_walk, but with the ghosts of each supervisor after its children. */
static struct sut_service *walk(const struct sut_supervisor *top,
                                const struct sut_service *service) {
    const struct sut_supervisor *child;
    struct sut_service *next;
    if (!service) return first_below(top);
    child = sut_service_child(service);
    if (child && (next = first_below(child))) return next;
    while (!(next = next_beside(service))) {
        if (service->parent == top) return NULL;
        service = service->parent->place;
    }
    return next;
}

/* ---- the report ---- */

static bool overran_since(const struct sut_service *service, uint32_t stop_number) {
    return service->overran && service->overran >= stop_number;
}

static bool under_abandoned(const struct sut_supervisor *top, const struct sut_service *service) {
    while (service->parent != top) {
        service = service->parent->place;
        if (service->state == SUT_STATE_ABANDONED) return true;
    }
    return false;
}

enum sut_verdict_of_stop sut_report_verdict(const struct sut_supervisor *top,
                                            const struct sut_service *service) {
    if (sut_service_child(service)) return SUT_REPORT_NOT;
    if (service->state == SUT_STATE_ABANDONED) return SUT_REPORT_ALIVE;
    if (sut_service_lives(service) && under_abandoned(top, service)) return SUT_REPORT_ALIVE;
    if (overran_since(service, top->stop_number))
        return service->kill ? SUT_REPORT_KILLED : SUT_REPORT_ALIVE;
    return SUT_REPORT_NOT;
}

bool sut_report_keeps(const struct sut_service *service, uint32_t stop_number) {
    const struct sut_supervisor *child = sut_service_child(service);
    const struct sut_service *below = NULL;
    if (!child) return overran_since(service, stop_number);
    while ((below = walk(child, below)))
        if (!sut_service_child(below) &&
            (sut_service_lives(below) || overran_since(below, stop_number)))
            return true;
    return false;
}

uint32_t sut_report_collect(const struct sut_supervisor *top, struct sut_id *ids, uint32_t size) {
    const struct sut_service *service = NULL;
    uint32_t count = 0;
    if (top->tree->overran < top->stop_number && top->tree->abandoned == 0) return 0;
    while ((service = walk(top, service))) {
        if (sut_report_verdict(top, service) == SUT_REPORT_NOT) continue;
        if (count < size) ids[count] = sut_service_id(service);
        count++;
    }
    return count;
}
