/* SPDX-License-Identifier: MIT
 *
 * Keeping and missing heartbeats.
 */
#include "lua/heartbeat.h"

#include "core/alloc.h"
#include "lua/context.h"
#include "lua/runtime.h"

static struct sut_heartbeat *promised(const struct sut_lua_service *service) {
    const struct sut_extras *extras = sut_extras_of(service);
    return extras ? extras->heartbeat : NULL;
}

const struct sut_heartbeat *sut_heartbeat_of(const struct sut_lua_service *service) {
    return promised(service);
}

static struct sut_runtime *runtime_of(const struct sut_heartbeat *heartbeat) {
    return &sut_rt(&heartbeat->service->co)->rt;
}

bool sut_heartbeat_promise(struct sut_lua_service *service, int64_t span_ns) {
    struct sut_heartbeat *heartbeat;
    if (!sut_service_extras(service)) return false;
    heartbeat = sut_calloc(sizeof *heartbeat);
    if (!heartbeat) return false;
    sut_task_init(&heartbeat->timer);
    sut_deadline_init(&heartbeat->timer.wake, SUT_DEADLINE_HEARTBEAT);
    heartbeat->service = service;
    heartbeat->span_ns = span_ns;
    heartbeat->due_ns = SUT_NEVER;
    sut_extras_of(service)->heartbeat = heartbeat;
    return true;
}

/* ---- keeping it ---- */

static void put_off(struct sut_heartbeat *heartbeat) {
    heartbeat->due_ns = sut_time_after(sut_runtime_now(runtime_of(heartbeat)), heartbeat->span_ns);
    heartbeat->grace = SUT_GRACE_NONE;
}

/* Wakes at the time that is known now; a beat until then does not move it. */
static void arm(struct sut_heartbeat *heartbeat, int64_t time_ns) {
    sut_deadline_arm(&runtime_of(heartbeat)->deadlines, &heartbeat->timer.wake, time_ns);
}

void sut_heartbeat_begin(struct sut_lua_service *service) {
    struct sut_heartbeat *heartbeat = promised(service);
    if (!heartbeat) return;
    put_off(heartbeat);
    arm(heartbeat, heartbeat->due_ns);
}

void sut_heartbeat_end(struct sut_lua_service *service) {
    struct sut_heartbeat *heartbeat = promised(service);
    if (!heartbeat) return;
    heartbeat->due_ns = SUT_NEVER;
    sut_task_stop(runtime_of(heartbeat), &heartbeat->timer);
}

/* ctx:beat() */
int sut_context_beat(lua_State *L) {
    const struct sut_context *context = sut_check_context(L, 1);
    struct sut_heartbeat *heartbeat;
    if (context->kind != SUT_CONTEXT_SERVICE)
        return luaL_error(L, "bad argument 'self' to 'beat' (the context of a service expected)");
    if (!context->guard.co) return 0; /* its run is over */
    heartbeat = promised(sut_service_of_coroutine(context->guard.co));
    if (heartbeat && heartbeat->due_ns != SUT_NEVER) put_off(heartbeat);
    return 0;
}

/* ---- missing it ---- */

void sut_heartbeat_expired(struct sut_task *timer) {
    struct sut_heartbeat *heartbeat = SUT_CONTAINER(timer, struct sut_heartbeat, timer);
    struct sut_runtime *rt = runtime_of(heartbeat);
    int64_t now_ns = sut_runtime_now(rt);
    if (now_ns < heartbeat->due_ns) {
        arm(heartbeat, heartbeat->due_ns);
    } else if (now_ns > heartbeat->due_ns && heartbeat->grace == SUT_GRACE_NONE) {
        heartbeat->grace = SUT_GRACE_PASS;
        arm(heartbeat, now_ns + 1);
    } else {
        sut_task_ready(rt, timer);
    }
}

/* Its turn is to come: it was preempted, or its wait is over. */
static bool is_ready(const struct sut_coroutine *co) {
    return co->wait == SUT_WAIT_PREEMPTED || co->woken != SUT_WOKEN_NOT;
}

/* How soon to look again at one that has not had its turn: it may have used up its share. */
#define TURN_NS INT64_C(1000000)

static void grant_turn(struct sut_heartbeat *heartbeat) {
    heartbeat->grace = SUT_GRACE_TURN;
    heartbeat->resumes = heartbeat->service->co.resumes;
    sut_task_ready(runtime_of(heartbeat), &heartbeat->timer);
}

/* One that is ready has its turn first, mostly before the timer's next one, for the queue is a
 * queue; whoever is ready for ever has no more than that. */
void sut_heartbeat_judge(struct sut_task *timer) {
    struct sut_heartbeat *heartbeat = SUT_CONTAINER(timer, struct sut_heartbeat, timer);
    struct sut_lua_service *service = heartbeat->service;
    int64_t now_ns = sut_runtime_now(runtime_of(heartbeat));
    if (now_ns < heartbeat->due_ns) {
        arm(heartbeat, heartbeat->due_ns);
    } else if (is_ready(&service->co) && heartbeat->grace != SUT_GRACE_TURN) {
        grant_turn(heartbeat);
    } else if (is_ready(&service->co) && service->co.resumes == heartbeat->resumes) {
        arm(heartbeat, now_ns + TURN_NS);
    } else {
        sut_service_break(service, SUT_ODD_NO_BEAT);
    }
}
