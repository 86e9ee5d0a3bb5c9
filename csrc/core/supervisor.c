/* SPDX-License-Identifier: MIT
 *
 * A supervisor's children, failures and pause. How it stops is in shutdown.c.
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
    sup->policy = (struct sut_policy){.decay_s = 30, .threshold = 5};
    sup->timeout_ns = 10 * SECOND_NS;
    sup->backoff_ns = 15 * SECOND_NS;
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
    if (service->child) service->child->place = NULL;
    sut_slot_give(&tree->slots, service->id);
    sut_list_append(&tree->released, &service->u.work);
}

void sut_supervisor_forget(struct sut_supervisor *sup, struct sut_service *service) {
    if (sup->cursor == service) {
        struct sut_list *before = service->sibling.prev;
        sup->cursor = before == &sup->children ? NULL : service_at(before);
    }
    sut_list_remove(&service->sibling);
    sut_name_remove(&sup->names, &service->name);
    sup->child_count--;
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

static void lay_ghosts(struct sut_supervisor *sup) {
    while (!sut_list_empty(&sup->ghosts))
        lay(service_at(sup->ghosts.next));
}

/* A supervisor that goes to another place or begins again leaves the report it stood in. */
static void leave_report(struct sut_supervisor *sup) {
    if (sup->place && sup->place->ghost) lay(sup->place);
}

void sut_supervisor_quiet(struct sut_service *ghost) {
    if (!sut_report_keeps(ghost, oldest_stop(ghost->parent))) lay(ghost);
}

int sut_supervisor_add(struct sut_supervisor *sup, struct sut_service *service) {
    if (sup->state == SUT_SUPERVISOR_STOPPING || sup->state == SUT_SUPERVISOR_TERMINATED)
        return SUT_ENOTRUNNING;
    if (sut_names_reserve(&sup->names)) return SUT_ENOMEM;
    if (sut_slot_take(&sup->tree->slots, service, &service->id)) return SUT_ENOMEM;
    service->parent = sup;
    sut_list_append(&sup->children, &service->sibling);
    sut_name_add(&sup->names, &service->name);
    sup->child_count++;
    if (service->child) {
        leave_report(service->child);
        service->child->place = service;
    }
    if (sut_supervisor_running(sup)) sut_service_start(service);
    return SUT_OK;
}

static void dissolve_service(struct sut_supervisor *sup, struct sut_service *service,
                             struct sut_list *released) {
    sut_list_remove(&service->sibling);
    if (service->child) service->child->place = NULL;
    sut_slot_give(&sup->tree->slots, service->id);
    if (service->state == SUT_STATE_STOPPING)
        sut_deadline_cancel(sup->tree->deadlines, &service->u.stop);
    else
        sut_list_remove(&service->u.work);
    sut_list_init(&service->u.work);
    sut_list_append(released, &service->u.work);
}

/* What has left the supervisor, and waits in the tree's list to be released. */
static void take_released(struct sut_supervisor *sup, struct sut_list *released) {
    struct sut_list *list = &sup->tree->released;
    for (struct sut_list *node = list->next, *next; node != list; node = next) {
        next = node->next;
        if (SUT_CONTAINER(node, struct sut_service, u.work)->parent != sup) continue;
        sut_list_remove(node);
        sut_list_append(released, node);
    }
}

void sut_supervisor_dissolve(struct sut_supervisor *sup, struct sut_list *released) {
    if (sup->place) {
        sup->place->child = NULL;
        sup->place = NULL;
    }
    while (!sut_list_empty(&sup->children))
        dissolve_service(sup, service_at(sup->children.next), released);
    while (!sut_list_empty(&sup->ghosts))
        dissolve_service(sup, service_at(sup->ghosts.next), released);
    take_released(sup, released);
    sut_deadline_cancel(sup->tree->deadlines, &sup->timer);
    sut_list_remove(&sup->attention);
    sut_list_remove(&sup->finished);
    sut_names_free(&sup->names);
}

/* ---- walking ---- */

static struct sut_service *first_child(const struct sut_supervisor *sup) {
    struct sut_list *node = sup->children.next;
    return node == &sup->children ? NULL : service_at(node);
}

static struct sut_service *next_sibling(const struct sut_service *service) {
    struct sut_list *node = service->sibling.next;
    return node == &service->parent->children ? NULL : service_at(node);
}

/* The walk past the subtree of `service`. */
static struct sut_service *walk_past(const struct sut_supervisor *top,
                                     const struct sut_service *service) {
    for (;;) {
        struct sut_service *next = next_sibling(service);
        if (next) return next;
        if (service->parent == top) return NULL;
        service = service->parent->place;
    }
}

struct sut_service *sut_supervisor_walk(const struct sut_supervisor *top,
                                        const struct sut_service *service) {
    if (!service) return first_child(top);
    if (service->child) {
        struct sut_service *down = first_child(service->child);
        if (down) return down;
    }
    return walk_past(top, service);
}

bool sut_supervisor_lives(const struct sut_supervisor *sup) {
    if (sup->state != SUT_SUPERVISOR_NOT_RUNNING && sup->state != SUT_SUPERVISOR_TERMINATED)
        return true;
    for (struct sut_service *service = sut_supervisor_walk(sup, NULL); service;
         service = sut_supervisor_walk(sup, service))
        if (sut_service_lives(service)) return true;
    return false;
}

/* ---- beginning ---- */

static void open_life(struct sut_supervisor *sup) {
    lay_ghosts(sup);
    leave_report(sup);
    sup->state = SUT_SUPERVISOR_NORMAL;
    sup->end = SUT_END_CANCELED;
    sup->hurry = SUT_HURRY_NOT;
    sup->cursor = NULL;
    memset(&sup->score, 0, sizeof sup->score);
    if (sup->lifecycle_events) sut_supervisor_emit(sup, NULL, SUT_EVENT_SUPERVISOR_START);
}

void sut_supervisor_begin(struct sut_supervisor *top) {
    struct sut_service *service;
    open_life(top);
    service = first_child(top);
    while (service) {
        if (service->state != SUT_STATE_IDLE) { /* of a former life, and not ended yet */
            sut_service_start(service);
            service = walk_past(top, service);
            continue;
        }
        sut_service_enter_run(service);
        if (service->child) open_life(service->child);
        service = sut_supervisor_walk(top, service);
    }
}

/* ---- failures and the pause ---- */

struct sut_event *sut_supervisor_emit(struct sut_supervisor *sup, struct sut_service *service,
                                      enum sut_event_type type) {
    struct sut_event *event = sut_events_emit(&sup->tree->events, type);
    event->time_ns = sup->tree->now_ns;
    event->supervisor = sup;
    event->score = sut_supervisor_score(sup);
    event->stopping = sup->state == SUT_SUPERVISOR_STOPPING;
    if (service) {
        event->service = service;
        event->run = service->run;
    }
    return event;
}

static void emit_end(struct sut_supervisor *sup, struct sut_service *service,
                     const struct sut_cue *cue, uint32_t run, bool restarting, bool stopping) {
    struct sut_event *event = sut_supervisor_emit(
        sup, service,
        cue->end == SUT_END_PANIC ? SUT_EVENT_SERVICE_PANIC : SUT_EVENT_SERVICE_TERMINATE);
    event->run = run;
    event->end = (uint8_t)cue->end;
    event->restarting = restarting;
    event->stopping = stopping;
    event->detail = cue->detail;
}

static void emit_stop(struct sut_supervisor *sup, struct sut_service *service,
                      const struct sut_cue *cue, uint32_t run) {
    if (!sup->lifecycle_events || service->child) return; /* a supervisor tells of itself */
    struct sut_event *event = sut_supervisor_emit(sup, service, SUT_EVENT_SERVICE_STOP);
    event->run = run;
    event->end = (uint8_t)cue->end;
}

/* Counts the failure, pauses if that is over the threshold, and restarts or queues the service.
 * True when it restarts at once. */
static bool fail(struct sut_supervisor *sup, struct sut_service *service) {
    if (sut_policy_fail(&sup->policy, &sup->score, sup->tree->now_ns) == SUT_VERDICT_PAUSE) {
        sup->state = SUT_SUPERVISOR_PAUSED;
        sut_deadline_cancel(sup->tree->deadlines, &sup->timer);
        sut_supervisor_emit(sup, NULL, SUT_EVENT_BACKOFF);
    }
    if (sup->state == SUT_SUPERVISOR_NORMAL) {
        sut_service_start(service);
        return true;
    }
    sut_service_enter_queue(service);
    return false;
}

/* The supervisor ends because of this child, unless it was to end already. */
static void end_with(struct sut_supervisor *sup, struct sut_service *service, enum sut_end end) {
    if (!sut_supervisor_running(sup) || (sup->attend & SUT_ATTEND_STOP)) return;
    sup->end = (uint8_t)end;
    sup->tree->host->reason(sup, service);
    sut_supervisor_ask(sup, SUT_ATTEND_STOP);
}

void sut_supervisor_child_fell(struct sut_supervisor *sup, struct sut_service *service,
                               const struct sut_cue *cue) {
    uint32_t run = service->run;
    bool running = sut_supervisor_running(sup);
    bool restarting = false;
    if (cue->end == SUT_END_DO_NOT_RESTART) {
        emit_stop(sup, service, cue, run);
        sut_supervisor_forget(sup, service);
    } else if (cue->end == SUT_END_TERMINATE_TREE) {
        emit_stop(sup, service, cue, run);
        end_with(sup, service, SUT_END_TERMINATE_TREE);
    } else {
        service->failures++;
        if (running && cue->end == SUT_END_PANIC && sup->pass_through_panics)
            end_with(sup, service, SUT_END_PANIC);
        else if (running)
            restarting = fail(sup, service);
        emit_end(sup, service, cue, run, restarting, !running);
        emit_stop(sup, service, cue, run);
    }
    sut_supervisor_settled(sup);
}

void sut_supervisor_child_stopped(struct sut_supervisor *sup, struct sut_service *service,
                                  const struct sut_cue *cue) {
    if (cue->end == SUT_END_ERROR || cue->end == SUT_END_PANIC)
        emit_end(sup, service, cue, service->run, false, true);
    emit_stop(sup, service, cue, service->run);
}

void sut_supervisor_backoff(struct sut_supervisor *sup, int64_t since_ns, int64_t delay_ns) {
    if (sup->state != SUT_SUPERVISOR_PAUSED) return;
    sup->timer.kind = SUT_DEADLINE_RESUME;
    sut_deadline_arm(sup->tree->deadlines, &sup->timer, sut_time_after(since_ns, delay_ns));
}

/* Starts what queued: all of it, or the first and a timer for the rest. */
static void restart_queued(struct sut_supervisor *sup) {
    while (!sut_list_empty(&sup->queue)) {
        sut_service_start(SUT_CONTAINER(sup->queue.next, struct sut_service, u.work));
        if (sup->spacing_ns > 0) break;
    }
    if (sut_list_empty(&sup->queue)) return;
    sup->timer.kind = SUT_DEADLINE_SPACING;
    sut_deadline_arm(sup->tree->deadlines, &sup->timer,
                     sut_time_after(sup->tree->now_ns, sup->spacing_ns));
}

/* One has left the queue: without another there is nothing to space. */
void sut_supervisor_dequeued(struct sut_supervisor *sup) {
    if (sup->timer.kind == SUT_DEADLINE_SPACING && sut_list_empty(&sup->queue))
        sut_deadline_cancel(sup->tree->deadlines, &sup->timer);
}

void sut_supervisor_timer(struct sut_supervisor *sup) {
    if (sup->timer.kind == SUT_DEADLINE_RESUME) {
        sup->state = SUT_SUPERVISOR_NORMAL;
        sut_policy_resume(&sup->score);
        sut_supervisor_emit(sup, NULL, SUT_EVENT_RESUME);
    }
    restart_queued(sup);
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
