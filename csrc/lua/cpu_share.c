/* SPDX-License-Identifier: MIT
 *
 * Counting what a service with a share has used.
 */
#include "lua/cpu_share.h"

#include "core/alloc.h"
#include "lua/runtime.h"
#include "lua/supervisor.h"

#include <uv.h>

#define SLOT_NS (SUT_SECOND_NS / SUT_CPU_SHARE_SLOTS)

static struct sut_cpu_share *share_of(const struct sut_lua_service *service) {
    return sut_extras_of(service)->share;
}

bool sut_cpu_share_give(struct sut_lua_service *service, struct sut_lua_runtime *rt, double part) {
    struct sut_extras *extras = sut_service_extras(service);
    struct sut_cpu_share *share = extras ? sut_calloc(sizeof *share) : NULL;
    if (!share) return false;
    share->rt = rt;
    share->part_ns = sut_ns(part);
    rt->limited++;
    extras->share = share;
    service->limited = true;
    return true;
}

void sut_cpu_share_drop(struct sut_cpu_share *share) {
    share->rt->limited--;
    sut_free(share);
}

/* Empties the slots that have left the window. */
static void slide(struct sut_cpu_share *share, int64_t now_ns) {
    int64_t slot = now_ns / SLOT_NS;
    int64_t passed = slot - share->slot;
    if (passed > SUT_CPU_SHARE_SLOTS) passed = SUT_CPU_SHARE_SLOTS;
    for (; passed > 0; passed--)
        share->spent_ns[(slot - passed + 1) % SUT_CPU_SHARE_SLOTS] = 0;
    share->slot = slot;
}

static int64_t left_ns(const struct sut_cpu_share *share) {
    int64_t left = share->part_ns;
    for (int i = 0; i < SUT_CPU_SHARE_SLOTS; i++)
        left -= share->spent_ns[i];
    return left;
}

/* True when nobody else is ready: the run queue is empty, or has been gone round once with nobody
 * but services that were passed over. */
static bool is_alone(struct sut_lua_runtime *rt) {
    uint32_t turn = atomic_load_explicit(&rt->self->preempt.watchdog.turn, memory_order_relaxed);
    if (!sut_runtime_has_ready(&rt->rt)) return true;
    if (turn != rt->passed_turn) rt->passed_over = 0;
    rt->passed_turn = turn;
    return rt->passed_over >= rt->limited;
}

/* The watchdog shall look at what is left of its share, where that is less than a slice. */
static void watch(const struct sut_lua_runtime *rt, int64_t left) {
    int64_t slice_ns = rt->rt.slice_ns;
    if (slice_ns == 0) return;
    if (left > 0 && left < slice_ns) slice_ns = left;
    atomic_store_explicit(&rt->self->preempt.watchdog.slice_ns, slice_ns, memory_order_relaxed);
}

bool sut_cpu_share_passes_over(struct sut_lua_service *service) {
    struct sut_cpu_share *share = share_of(service);
    struct sut_lua_runtime *rt = sut_rt(&service->co);
    int64_t now_ns = (int64_t)uv_hrtime();
    int64_t left;
    slide(share, now_ns);
    left = left_ns(share);
    if (left <= 0 && service->core.state <= SUT_STATE_RUNNING && !is_alone(rt)) {
        rt->passed_over++;
        sut_task_ready(&rt->rt, &service->co.task);
        return true;
    }
    share->began_ns = now_ns;
    watch(rt, left);
    return false;
}

void sut_cpu_share_spend(struct sut_lua_service *service) {
    struct sut_cpu_share *share = share_of(service);
    int64_t now_ns = (int64_t)uv_hrtime();
    slide(share, now_ns);
    share->spent_ns[share->slot % SUT_CPU_SHARE_SLOTS] += now_ns - share->began_ns;
    watch(sut_rt(&service->co), 0);
}

bool sut_cpu_share_only(const struct sut_lua_service *service, int64_t ran_ns) {
    return service->limited && ran_ns < sut_rt(&service->co)->rt.slice_ns;
}
