/* SPDX-License-Identifier: MIT
 *
 * Steps, rounds and turns: the order in which things happen in a runtime.
 */
#include "rt/runtime.h"

#include "rt/inline.h"

#include <string.h>
#include <uv.h>

/* After so many rounds of nothing but stopping services, a virtual clock goes on. */
enum { IDLE_ROUNDS = 100 };

void sut_runtime_init(struct sut_runtime *rt, const struct sut_above *above, enum sut_clock clock) {
    memset(rt, 0, sizeof *rt);
    sut_tree_init(&rt->tree, &above->host, &rt->deadlines);
    sut_list_init(&rt->ready);
    sut_list_init(&rt->round);
    sut_list_init(&rt->preempted);
    rt->above = above;
    rt->clock = (uint8_t)clock;
    sut_lag_reset(&rt->lag, sut_runtime_now(rt));
}

int64_t sut_runtime_now(const struct sut_runtime *rt) {
    return rt->clock == SUT_CLOCK_VIRTUAL ? rt->virtual_ns : (int64_t)uv_hrtime();
}

void sut_runtime_look(struct sut_runtime *rt) { rt->tree.now_ns = sut_runtime_now(rt); }

int sut_runtime_prepare(struct sut_runtime *rt) {
    sut_runtime_look(rt);
    return sut_tree_reserve(&rt->tree);
}

/* ---- tasks ---- */

void sut_task_init(struct sut_task *task) {
    sut_list_init(&task->node);
    sut_deadline_init(&task->wake, SUT_DEADLINE_HOST);
}

void sut_task_ready(struct sut_runtime *rt, struct sut_task *task) {
    sut_deadline_cancel(&rt->deadlines, &task->wake);
    if (sut_list_empty(&task->node)) sut_list_append(&rt->ready, &task->node);
}

void sut_task_preempted(struct sut_runtime *rt, struct sut_task *task) {
    if (sut_list_empty(&task->node)) sut_list_append(&rt->preempted, &task->node);
}

void sut_task_stop(struct sut_runtime *rt, struct sut_task *task) {
    sut_deadline_cancel(&rt->deadlines, &task->wake);
    sut_list_remove(&task->node);
}

/* ---- one step ---- */

static void begin_step(struct sut_runtime *rt, struct sut_watched *before) {
    rt->stepping = true;
    if (rt->watchdog && rt->slice_ns > 0)
        sut_watchdog_enter(rt->watchdog, rt->slice_ns, rt->unkillable, before);
}

/* What was decided at the beginning holds to the end: neither field changes inside a step. */
static void end_step(struct sut_runtime *rt, const struct sut_watched *before) {
    if (rt->watchdog && rt->slice_ns > 0) sut_watchdog_leave(rt->watchdog, before);
    rt->stepping = false;
}

static int deliver(struct sut_runtime *rt) {
    struct sut_event *event = rt->tree.events.first;
    if (rt->above->deliver(rt, event)) return -1;
    sut_events_done(&rt->tree.events);
    return 0;
}

static void kill_first(struct sut_runtime *rt) {
    struct sut_list *node = rt->tree.kills.next;
    sut_list_remove(node);
    rt->above->kill(rt, SUT_CONTAINER(node, struct sut_service, u.work));
}

static void release_first(struct sut_runtime *rt) {
    struct sut_list *node = rt->tree.released.next;
    struct sut_service *service = SUT_CONTAINER(node, struct sut_service, u.work);
    uint32_t slot = service->slot;
    sut_list_remove(node);
    rt->above->release(rt, service);
    sut_slot_give(&rt->tree.slots, slot);
}

static void finish_first(struct sut_runtime *rt) {
    struct sut_list *node = rt->tree.finished.next;
    sut_list_remove(node);
    rt->above->finished(rt, SUT_CONTAINER(node, struct sut_supervisor, finished));
}

/* Carries out what inputs have left to do. -1 when there was no memory to go on. */
static int work_off(struct sut_runtime *rt) {
    struct sut_tree *tree = &rt->tree;
    for (;;) {
        if (sut_tree_needs_attention(tree)) {
            if (sut_runtime_prepare(rt)) return -1;
            sut_tree_attend(tree);
        } else if (tree->events.first) {
            if (deliver(rt)) return -1;
        } else if (!sut_list_empty(&tree->kills)) {
            if (sut_runtime_prepare(rt)) return -1;
            kill_first(rt);
        } else if (!sut_list_empty(&tree->released)) {
            release_first(rt);
        } else if (!sut_list_empty(&tree->finished)) {
            finish_first(rt);
        } else {
            return 0;
        }
    }
}

static bool has_work(const struct sut_tree *tree) {
    return sut_tree_needs_attention(tree) || tree->events.first || !sut_list_empty(&tree->kills) ||
           !sut_list_empty(&tree->released) || !sut_list_empty(&tree->finished);
}

/* Fires the deadlines up to `now_ns`, each of the tree's as a step of its own. */
static int fire(struct sut_runtime *rt, int64_t now_ns) {
    struct sut_deadline *deadline = sut_deadline_due(&rt->deadlines, now_ns);
    if (deadline) sut_lag_note(&rt->lag, now_ns - deadline->time_ns);
    for (; deadline; deadline = sut_deadline_due(&rt->deadlines, now_ns)) {
        if (sut_deadline_kind(deadline) >= SUT_DEADLINE_HOST) {
            sut_deadline_cancel(&rt->deadlines, deadline);
            rt->above->wake(rt, SUT_CONTAINER(deadline, struct sut_task, wake));
            continue;
        }
        if (sut_runtime_prepare(rt)) return -1;
        sut_deadline_cancel(&rt->deadlines, deadline);
        sut_tree_expire(&rt->tree, deadline);
        if (work_off(rt)) return -1;
    }
    return 0;
}

static SUT_INLINE int resume_first(struct sut_runtime *rt) {
    if (sut_tree_reserve(&rt->tree)) return -1;
    struct sut_list *node = rt->round.next;
    sut_list_remove(node);
    rt->above->resume(rt, SUT_CONTAINER(node, struct sut_task, node));
    return has_work(&rt->tree) ? work_off(rt) : 0;
}

/* True when somebody is in a new round. */
static bool begin_round(struct sut_runtime *rt) {
    rt->progressed = false;
    sut_list_join(&rt->round, &rt->ready);
    sut_list_join(&rt->round, &rt->preempted);
    return !sut_list_empty(&rt->round);
}

/* True while somebody is left in the round, or in a new one. */
static inline bool in_round(struct sut_runtime *rt) {
    return !sut_list_empty(&rt->round) || begin_round(rt);
}

/* The watchdog's clock, which costs one load; stands still where nothing is watched. */
static int64_t coarse_ns(const struct sut_runtime *rt) {
    if (!rt->watchdog) return 0;
    return atomic_load_explicit(&rt->watchdog->clock_ns, memory_order_relaxed);
}

bool sut_runtime_has_ready(const struct sut_runtime *rt) {
    return !sut_list_empty(&rt->round) || !sut_list_empty(&rt->ready) ||
           !sut_list_empty(&rt->preempted);
}

bool sut_runtime_busy(const struct sut_runtime *rt) {
    return sut_runtime_has_ready(rt) || has_work(&rt->tree);
}

/* Resumes at most `budget` tasks, and no more once the watchdog has seen time pass: deadlines and
 * descriptors wait. */
static int turn(struct sut_runtime *rt, uint32_t budget) {
    if (work_off(rt) || fire(rt, sut_runtime_now(rt))) return -1;
    int64_t began_ns = coarse_ns(rt);
    for (; budget > 0 && in_round(rt); budget--) {
        if (resume_first(rt)) return -1;
        if (coarse_ns(rt) != began_ns) return 0;
    }
    return 0;
}

void sut_runtime_turn(struct sut_runtime *rt, uint32_t budget) {
    struct sut_watched before;
    if (rt->stepping) return;
    begin_step(rt, &before);
    rt->stalled = turn(rt, budget) != 0;
    end_step(rt, &before);
}

/* ---- a virtual clock ---- */

static int run_round(struct sut_runtime *rt) {
    if (!in_round(rt)) return 0;
    while (!sut_list_empty(&rt->round))
        if (resume_first(rt)) return -1;
    rt->idle_rounds = rt->progressed ? 0 : rt->idle_rounds + 1;
    return 0;
}

static bool settle(struct sut_runtime *rt) {
    rt->idle_rounds = 0;
    rt->stalled = true;
    if (work_off(rt) || fire(rt, rt->virtual_ns)) return false;
    while (sut_runtime_has_ready(rt)) {
        if (run_round(rt) || fire(rt, rt->virtual_ns)) return false;
        if (rt->idle_rounds >= IDLE_ROUNDS) break;
    }
    rt->stalled = false;
    return rt->idle_rounds < IDLE_ROUNDS;
}

bool sut_runtime_settle(struct sut_runtime *rt) {
    struct sut_watched before;
    if (rt->stepping) return false;
    begin_step(rt, &before);
    bool settled = settle(rt);
    end_step(rt, &before);
    return settled;
}

bool sut_runtime_jump(struct sut_runtime *rt, int64_t limit_ns) {
    struct sut_deadline *first = sut_deadline_first(&rt->deadlines);
    if (!first || first->time_ns > limit_ns) return false;
    if (first->time_ns > rt->virtual_ns) rt->virtual_ns = first->time_ns;
    return true;
}
