/* SPDX-License-Identifier: MIT
 *
 * A supervisor's children: adding them, letting them go, walking over them. How they start is in
 * startup.c, what their failures lead to in failure.c, how they stop in shutdown.c.
 */
#include "core/supervisor.h"

#include "core/report.h"
#include "core/tree.h"

#include <math.h>
#include <string.h>

#define SECOND_NS INT64_C(1000000000)

void sut_supervisor_init(struct sut_supervisor *sup, struct sut_tree *tree) {
    memset(sup, 0, sizeof *sup);
    sup->tree = tree;
    sup->names.text_at = tree->host->text_at - offsetof(struct sut_service, name);
    sut_list_init(&sup->children);
    sut_list_init(&sup->ghosts);
    sut_list_init(&sup->queue);
    sut_list_init(&sup->attention);
    sut_list_init(&sup->finished);
    sut_deadline_init(&sup->timer, SUT_DEADLINE_RESUME);
    sup->policy = (struct sut_policy){.decay_s = 30, .threshold = 5, .quiet_ns = 30 * SECOND_NS};
    sup->timeout_ns = 10 * SECOND_NS;
    sup->backoff_ns = 15 * SECOND_NS;
}

void sut_supervisor_enter(struct sut_supervisor *sup, enum sut_supervisor_state state) {
    if (sup->state != state) sup->since_ns = sup->tree->now_ns;
    sup->state = (uint8_t)state;
}

static struct sut_service *service_at(struct sut_list *node) {
    return SUT_CONTAINER(node, struct sut_service, sibling);
}

/* ---- children ---- */

/* The oldest stop in whose report a service of the supervisor may stand: its own, or one above. */
static uint32_t oldest_stop(const struct sut_supervisor *sup) {
    uint32_t oldest = UINT32_MAX;
    for (;;) {
        bool stops =
            sup->state == SUT_SUPERVISOR_STOPPING || sup->state == SUT_SUPERVISOR_TERMINATED;
        if (stops && sup->stop_number < oldest) oldest = sup->stop_number;
        if (!sup->place) return oldest;
        sup = sup->place->parent;
    }
}

static void release(struct sut_service *service) {
    struct sut_tree *tree = service->parent->tree;
    struct sut_supervisor *child = sut_service_child(service);
    if (child) {
        child->place = NULL;
        child->left = service;
    }
    sut_slot_leave(&tree->slots, service->slot);
    sut_list_append(&tree->released, &service->u.work);
}

void sut_supervisor_gone(struct sut_service *service) {
    struct sut_supervisor *child = sut_service_child(service);
    if (child && child->left == service) child->left = NULL;
}

/* No walk may come by it any more. */
static void leave_walks(struct sut_supervisor *sup, struct sut_service *service) {
    if (sup->cursor == service) sup->cursor = sut_service_previous(service);
    if (sup->walk == service) sup->walk = sut_service_next(service);
    service->grouped = false;
}

/* Its name is free again, and it is counted no more. */
static void leave_names(struct sut_supervisor *sup, struct sut_service *service) {
    sut_name_remove(&sup->names, &service->name);
    sup->child_count--;
}

void sut_supervisor_retire(struct sut_supervisor *sup, struct sut_service *service) {
    if (!service->fixed) {
        sut_supervisor_forget(sup, service);
        return;
    }
    service->retired = true;
    service->grouped = false;
    leave_names(sup, service);
}

void sut_supervisor_forget(struct sut_supervisor *sup, struct sut_service *service) {
    leave_walks(sup, service);
    sut_list_remove(&service->sibling);
    if (!service->retired) leave_names(sup, service);
    if (service->ordered) sup->ordered--;
    if (sut_report_keeps(service, oldest_stop(sup))) {
        service->ghost = true;
        sut_list_append(&sup->ghosts, &service->sibling);
    } else {
        release(service);
    }
}

static void lay(struct sut_service *ghost) {
    sut_list_remove(&ghost->sibling);
    release(ghost);
}

/* A supervisor that goes to another place or begins again leaves the report it stood in. */
static void leave_report(struct sut_supervisor *sup) {
    if (sup->place && sup->place->ghost) lay(sup->place);
}

/* Those below which something still lives stay, for the reports to come. */
void sut_supervisor_lay_ghosts(struct sut_supervisor *sup) {
    for (struct sut_list *node = sup->ghosts.next, *next; node != &sup->ghosts; node = next) {
        next = node->next;
        if (!sut_report_keeps(service_at(node), UINT32_MAX)) lay(service_at(node));
    }
    leave_report(sup);
}

void sut_supervisor_quiet(struct sut_service *ghost) {
    if (!sut_report_keeps(ghost, oldest_stop(ghost->parent))) lay(ghost);
}

int sut_supervisor_add(struct sut_supervisor *sup, struct sut_service *service) {
    struct sut_supervisor *child = sut_service_child(service);
    if (sup->state == SUT_SUPERVISOR_STOPPING || sup->state == SUT_SUPERVISOR_TERMINATED)
        return SUT_ENOTRUNNING;
    if (sut_names_reserve(&sup->names)) return SUT_ENOMEM;
    if (sut_slot_take(&sup->tree->slots, service, &service->slot)) return SUT_ENOMEM;
    service->parent = sup;
    service->since_ns = sup->tree->now_ns;
    sut_list_append(&sup->children, &service->sibling);
    sut_name_add(&sup->names, &service->name);
    sup->child_count++;
    if (service->ordered) sup->ordered++;
    if (child) {
        leave_report(child);
        child->place = service;
        child->left = NULL;
    }
    if (sut_supervisor_running(sup)) sut_service_start(service);
    return SUT_OK;
}

static void dissolve_service(struct sut_supervisor *sup, struct sut_service *service,
                             struct sut_list *released) {
    struct sut_supervisor *child = sut_service_child(service);
    sut_list_remove(&service->sibling);
    if (child) child->place = NULL;
    sut_slot_leave(&sup->tree->slots, service->slot);
    if (sut_service_timed(service))
        sut_deadline_cancel(sup->tree->deadlines, &service->u.timer);
    else
        sut_list_remove(&service->u.work);
    sut_list_init(&service->u.work);
    sut_list_append(released, &service->u.work);
}

/* Nobody comes back to them. */
static void give_slots(struct sut_slots *slots, struct sut_list *released) {
    for (struct sut_list *node = released->next; node != released; node = node->next)
        sut_slot_give(slots, SUT_CONTAINER(node, struct sut_service, u.work)->slot);
}

/* What has left the supervisor, and waits in the tree's list to be released. */
static void take_released(struct sut_supervisor *sup, struct sut_list *released) {
    struct sut_list *list = &sup->tree->released;
    for (struct sut_list *node = list->next, *next; node != list; node = next) {
        struct sut_service *service = SUT_CONTAINER(node, struct sut_service, u.work);
        next = node->next;
        if (service->parent != sup) continue;
        sut_supervisor_gone(service);
        sut_list_remove(node);
        sut_list_append(released, node);
    }
}

void sut_supervisor_dissolve(struct sut_supervisor *sup, struct sut_list *released) {
    if (sup->place) {
        sup->place->options->child = NULL;
        sup->place = NULL;
    }
    if (sup->left) sup->left->options->child = NULL;
    sup->left = NULL;
    while (!sut_list_empty(&sup->children))
        dissolve_service(sup, service_at(sup->children.next), released);
    while (!sut_list_empty(&sup->ghosts))
        dissolve_service(sup, service_at(sup->ghosts.next), released);
    take_released(sup, released);
    give_slots(&sup->tree->slots, released);
    sut_deadline_cancel(sup->tree->deadlines, &sup->timer);
    sut_list_remove(&sup->attention);
    sut_list_remove(&sup->finished);
    sut_names_free(&sup->names);
}

/* ---- walking ---- */

static struct sut_service *at_or_end(const struct sut_supervisor *sup, struct sut_list *node) {
    return node == &sup->children ? NULL : service_at(node);
}

struct sut_service *sut_supervisor_first(const struct sut_supervisor *sup) {
    return at_or_end(sup, sup->children.next);
}

struct sut_service *sut_supervisor_last(const struct sut_supervisor *sup) {
    return at_or_end(sup, sup->children.prev);
}

struct sut_service *sut_service_next(const struct sut_service *service) {
    return at_or_end(service->parent, service->sibling.next);
}

struct sut_service *sut_service_previous(const struct sut_service *service) {
    return at_or_end(service->parent, service->sibling.prev);
}

/* The walk past the subtree of `service`. */
static struct sut_service *walk_past(const struct sut_supervisor *top,
                                     const struct sut_service *service) {
    for (;;) {
        struct sut_service *next = sut_service_next(service);
        if (next) return next;
        if (service->parent == top) return NULL;
        service = service->parent->place;
    }
}

struct sut_service *sut_supervisor_walk(const struct sut_supervisor *top,
                                        const struct sut_service *service) {
    const struct sut_supervisor *child;
    struct sut_service *down;
    if (!service) return sut_supervisor_first(top);
    child = sut_service_child(service);
    if (child && (down = sut_supervisor_first(child))) return down;
    return walk_past(top, service);
}

bool sut_supervisor_lives(const struct sut_supervisor *sup) {
    if (sup->state == SUT_SUPERVISOR_NOT_RUNNING) return false;
    if (sup->state != SUT_SUPERVISOR_TERMINATED) return true;
    if (sup->tree->abandoned == 0) return false;
    for (struct sut_service *service = sut_supervisor_walk(sup, NULL); service;
         service = sut_supervisor_walk(sup, service))
        if (sut_service_lives(service)) return true;
    return false;
}

/* ---- in words ---- */

bool sut_supervisor_placed(const struct sut_supervisor *sup) {
    return sup->place && !sup->place->ghost;
}

bool sut_supervisor_running(const struct sut_supervisor *sup) {
    return sup->state == SUT_SUPERVISOR_NORMAL || sup->state == SUT_SUPERVISOR_PAUSED;
}

double sut_supervisor_score(const struct sut_supervisor *sup) {
    return sut_policy_score(&sup->policy, &sup->score, sup->tree->now_ns);
}

const char *sut_supervisor_state_name(const struct sut_supervisor *sup) {
    static const char *const names[] = {
        [SUT_SUPERVISOR_NOT_RUNNING] = "not_running", [SUT_SUPERVISOR_NORMAL] = "normal",
        [SUT_SUPERVISOR_PAUSED] = "paused",           [SUT_SUPERVISOR_STOPPING] = "stopping",
        [SUT_SUPERVISOR_TERMINATED] = "terminated",
    };
    return names[sup->state];
}

enum sut_end sut_supervisor_end(const struct sut_supervisor *sup) {
    if (sup->end == SUT_END_TERMINATE_TREE && sup->dont_propagate_termination)
        return SUT_END_DO_NOT_RESTART;
    return sup->end;
}
