/* SPDX-License-Identifier: MIT
 *
 * How a runtime lives in a libuv loop.
 */
#define _GNU_SOURCE /* ppoll */

#include "rt/loop.h"

#include "core/alloc.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

/* Resumes between two looks at the loop's descriptors. */
enum { TURN_BUDGET = 512 };
/* Without memory: milliseconds until the step is tried again. */
enum { STALL_MS = 10 };

#define MS_NS INT64_C(1000000)

/* What is due within so little of the last wakeup is woken with what is due at its end. */
#define TICK_NS MS_NS
/* libuv waits in whole milliseconds, and may be two of them late: a shorter wait is our own. */
#define NEAR_NS (100 * MS_NS)

struct sut_loop {
    uv_timer_t timer;
    uv_idle_t idle;
    uv_async_t async;
    uv_loop_t own;
    uv_loop_t *uv;
    struct sut_runtime *rt; /* NULL once the runtime has left */
    int64_t woken_ns;       /* when a wait of our own was last over by its time */
    int open;               /* handles not closed yet */
    bool lent;
    bool driven;                          /* somebody else runs the loop, or polls its descriptor */
    bool (*wait)(struct sut_runtime *rt); /* waits in the loop that drives this one, if one does */
};

/* ---- arming ---- */

/* Milliseconds on libuv's clock until the time has certainly come, rounded up. */
static uint64_t ms_until(const struct sut_loop *loop, int64_t time_ns) {
    int64_t due_ms = time_ns / MS_NS + (time_ns % MS_NS != 0);
    int64_t now_ms = (int64_t)uv_now(loop->uv);
    return due_ms > now_ms ? (uint64_t)(due_ms - now_ms) : 0;
}

static void on_timer(uv_timer_t *timer);
static void on_idle(uv_idle_t *idle);

/* When the runtime is to be woken for its first deadline. */
static int64_t wake_time(const struct sut_loop *loop, const struct sut_deadline *first) {
    int64_t tick_ns = loop->woken_ns + TICK_NS;
    return first->time_ns > tick_ns ? first->time_ns : tick_ns;
}

/* Makes the handles say what the runtime waits for. libuv's clock must be fresh. */
static void arm(struct sut_loop *loop) {
    struct sut_runtime *rt = loop->rt;
    struct sut_deadline *first = sut_deadline_first(&rt->deadlines);
    if (sut_runtime_busy(rt) && !rt->stalled)
        (void)uv_idle_start(&loop->idle, on_idle);
    else
        (void)uv_idle_stop(&loop->idle);
    if (rt->stalled)
        (void)uv_timer_start(&loop->timer, on_timer, STALL_MS, 0);
    else if (first && rt->clock == SUT_CLOCK_REAL)
        (void)uv_timer_start(&loop->timer, on_timer, ms_until(loop, wake_time(loop, first)), 0);
    else
        (void)uv_timer_stop(&loop->timer);
}

void sut_loop_touch(struct sut_runtime *rt) {
    struct sut_loop *loop = rt->loop;
    if (!loop || rt->stepping || rt->closed) return;
    uv_update_time(loop->uv);
    arm(loop);
    if (loop->driven) (void)uv_async_send(&loop->async);
}

/* ---- callbacks ---- */

/* When sut_loop_run is on the stack it makes the turn itself, outside uv_run. */
static void come_by(struct sut_loop *loop) {
    if (!loop->rt || loop->rt->running || loop->rt->clock == SUT_CLOCK_VIRTUAL) return;
    sut_runtime_turn(loop->rt, TURN_BUDGET);
    uv_update_time(loop->uv);
    arm(loop);
}

/* Inside uv_run of sut_loop_run it may fire before the loop waits for descriptors, if the clock
 * went on since it was armed: an idle handle keeps the loop from waiting then. */
static void on_timer(uv_timer_t *timer) {
    struct sut_loop *loop = SUT_CONTAINER(timer, struct sut_loop, timer);
    if (loop->rt && loop->rt->running) (void)uv_idle_start(&loop->idle, on_idle);
    come_by(loop);
}

static void on_idle(uv_idle_t *idle) { come_by(SUT_CONTAINER(idle, struct sut_loop, idle)); }

static void on_async(uv_async_t *async) { come_by(SUT_CONTAINER(async, struct sut_loop, async)); }

/* ---- making and closing ---- */

static void on_closed(uv_handle_t *handle, struct sut_loop *loop) {
    (void)handle;
    if (--loop->open == 0 && loop->lent) sut_free(loop);
}

static void timer_closed(uv_handle_t *handle) {
    on_closed(handle, SUT_CONTAINER(handle, struct sut_loop, timer));
}

static void idle_closed(uv_handle_t *handle) {
    on_closed(handle, SUT_CONTAINER(handle, struct sut_loop, idle));
}

static void async_closed(uv_handle_t *handle) {
    on_closed(handle, SUT_CONTAINER(handle, struct sut_loop, async));
}

static int open_handles(struct sut_loop *loop) {
    int code = uv_async_init(loop->uv, &loop->async, on_async);
    if (code) return code;
    (void)uv_timer_init(loop->uv, &loop->timer);
    (void)uv_idle_init(loop->uv, &loop->idle);
    uv_unref((uv_handle_t *)&loop->async);
    loop->open = 3;
    return 0;
}

/* libuv looks at a new handle's descriptor from the next turn of the loop on, and a loop without
 * referenced handles takes none: a host that polls would never see the async handle. */
static void watch_async(struct sut_loop *loop) {
    uv_ref((uv_handle_t *)&loop->async);
    (void)uv_run(loop->uv, UV_RUN_NOWAIT);
    uv_unref((uv_handle_t *)&loop->async);
}

/* For its first loop libuv aborts where it cannot have a pipe. A loop has a pipe of its own and two
 * more descriptors. */
static int try_descriptors(void) {
    int ends[4] = {-1, -1, -1, -1};
    int code = pipe(ends) || pipe(ends + 2) ? uv_translate_sys_error(errno) : 0;
    for (int i = 0; i < 4; i++)
        if (ends[i] >= 0) (void)close(ends[i]);
    return code;
}

static int open_own(uv_loop_t *own) {
    int code = try_descriptors();
    return code ? code : uv_loop_init(own);
}

static struct sut_loop *make(struct sut_runtime *rt, uv_loop_t *lent, int *code) {
    struct sut_loop *loop = sut_calloc(sizeof *loop);
    *code = UV_ENOMEM;
    if (!loop) return NULL;
    loop->rt = rt;
    loop->lent = lent != NULL;
    loop->driven = loop->lent;
    loop->uv = lent ? lent : &loop->own;
    *code = lent ? 0 : open_own(&loop->own);
    if (*code) goto fail;
    *code = open_handles(loop);
    if (!*code && !lent) watch_async(loop);
    if (!*code) return loop;
    if (!lent) (void)uv_loop_close(&loop->own);
fail:
    sut_free(loop);
    return NULL;
}

static void leave(struct sut_loop *loop) {
    loop->rt = NULL;
    uv_close((uv_handle_t *)&loop->timer, timer_closed);
    uv_close((uv_handle_t *)&loop->idle, idle_closed);
    uv_close((uv_handle_t *)&loop->async, async_closed);
    if (loop->lent) return;
    while (uv_loop_close(loop->uv) == UV_EBUSY)
        (void)uv_run(loop->uv, UV_RUN_ONCE);
    sut_free(loop);
}

uv_loop_t *sut_loop_get(struct sut_runtime *rt, int *code) {
    *code = 0;
    if (!rt->loop) rt->loop = make(rt, NULL, code);
    return rt->loop ? rt->loop->uv : NULL;
}

int sut_loop_adopt(struct sut_runtime *rt, uv_loop_t *lent) {
    int code;
    struct sut_loop *loop = make(rt, lent, &code);
    if (!loop) return code;
    if (rt->loop) leave(rt->loop);
    rt->loop = loop;
    sut_loop_touch(rt);
    return 0;
}

uv_async_t *sut_loop_async(struct sut_runtime *rt) { return rt->loop ? &rt->loop->async : NULL; }

void sut_loop_close(struct sut_runtime *rt) {
    struct sut_loop *loop = rt->loop;
    rt->loop = NULL;
    if (loop) leave(loop);
}

/* ---- running ---- */

/* Until when a run goes on. */
struct goal {
    bool (*done)(void *arg);
    void *arg;
};

/* Waits while another loop drives ours. Only a round of ours makes the other see what is new in
 * ours, and takes what the other has seen. */
static bool wait_outside(struct sut_loop *loop) {
    (void)uv_run(loop->uv, UV_RUN_NOWAIT);
    if (sut_runtime_busy(loop->rt)) return true;
    if (!loop->wait(loop->rt)) return false;
    (void)uv_run(loop->uv, UV_RUN_NOWAIT);
    return true;
}

/* Nanoseconds to wait for the first deadline, at least 0; SUT_NEVER when that is not what the
 * runtime waits for. */
static int64_t left(const struct sut_loop *loop) {
    struct sut_runtime *rt = loop->rt;
    const struct sut_deadline *first = sut_deadline_first(&rt->deadlines);
    if (!first || rt->clock != SUT_CLOCK_REAL || rt->stalled) return SUT_NEVER;
    int64_t left_ns = wake_time(loop, first) - (int64_t)uv_hrtime();
    return left_ns > 0 ? left_ns : 0;
}

/* Waits until a descriptor of the loop has something, which is 1, or so long, which is 0; -1: it
 * could not, or a signal came. */
static int wait_for_fd(const struct sut_loop *loop, int64_t limit_ns) {
    struct pollfd fd = {.fd = uv_backend_fd(loop->uv), .events = POLLIN};
    struct timespec limit = {limit_ns / SUT_SECOND_NS, (long)(limit_ns % SUT_SECOND_NS)};
    return ppoll(&fd, 1, &limit, NULL);
}

/* Waits for the first deadline, or for whatever comes before it. libuv is given a look first, for
 * only then does the system know of new descriptors. */
static void wait_finely(struct sut_loop *loop, struct goal goal) {
    (void)uv_run(loop->uv, UV_RUN_NOWAIT);
    if (sut_runtime_busy(loop->rt) || goal.done(goal.arg)) return;
    int64_t left_ns = left(loop);
    int ms = uv_backend_timeout(loop->uv);
    if (ms >= 0 && ms * MS_NS < left_ns) left_ns = ms * MS_NS;
    if (left_ns > NEAR_NS) return;
    int found = wait_for_fd(loop, left_ns);
    if (found == 0) loop->woken_ns = (int64_t)uv_hrtime();
    if (found < 0) (void)uv_run(loop->uv, UV_RUN_ONCE);
}

/* Waits in the loop for whatever comes; false when nothing can ever come. */
static bool wait_in_loop(struct sut_loop *loop, struct goal goal) {
    uv_update_time(loop->uv);
    arm(loop);
    if (loop->wait) return wait_outside(loop);
    if (!uv_loop_alive(loop->uv)) return false;
    if (left(loop) <= NEAR_NS)
        wait_finely(loop, goal);
    else
        (void)uv_run(loop->uv, UV_RUN_ONCE);
    return true;
}

/* All that can happen now; on a virtual clock at this instant. */
static void pass(struct sut_runtime *rt) {
    if (rt->clock == SUT_CLOCK_VIRTUAL)
        (void)sut_runtime_settle(rt);
    else
        sut_runtime_turn(rt, TURN_BUDGET);
}

/* Takes what has come by itself, such as a signal, before a virtual clock goes on: it may have so
 * much to do that nobody ever waits in the loop. True when it has made something ready. */
static bool take_input(struct sut_runtime *rt) {
    if (!rt->loop || sut_runtime_busy(rt)) return false;
    arm(rt->loop);
    if (!uv_loop_alive(rt->loop->uv)) return false;
    (void)uv_run(rt->loop->uv, UV_RUN_NOWAIT);
    return sut_runtime_busy(rt);
}

/* Lets time pass, or waits for real input; false when nothing can ever come. */
static bool wait_for_more(struct sut_runtime *rt, struct goal goal) {
    if (rt->clock == SUT_CLOCK_VIRTUAL) {
        if (rt->stalled || take_input(rt)) return true;
        if (sut_runtime_jump(rt, INT64_MAX - 1) || sut_runtime_busy(rt)) return true;
    }
    return rt->loop && wait_in_loop(rt->loop, goal);
}

/* What ran last may have closed handles of luv's, and luv up to 1.44 crashes in lua_close over one
 * whose closing is not complete. The program may end now, so the loop makes one more round. */
static void finish_closing(struct sut_loop *loop) {
    if (loop && loop->lent) (void)uv_run(loop->uv, UV_RUN_NOWAIT);
}

enum sut_run sut_loop_run(struct sut_runtime *rt, bool (*done)(void *arg), void *arg, int *code) {
    enum sut_run result = SUT_RUN_DONE;
    struct goal goal = {done, arg};
    *code = 0;
    if (rt->clock == SUT_CLOCK_REAL && !sut_loop_get(rt, code)) return SUT_RUN_FAILED;
    rt->running = true;
    while (!done(arg)) {
        pass(rt);
        if (done(arg)) break;
        if (!wait_for_more(rt, goal) && !done(arg)) {
            result = SUT_RUN_IDLE;
            break;
        }
    }
    finish_closing(rt->loop);
    rt->running = false;
    sut_loop_touch(rt);
    return result;
}

/* ---- for a host's loop ---- */

int sut_loop_step(struct sut_runtime *rt, int64_t limit_ns) {
    int code;
    if (!sut_loop_get(rt, &code)) return code;
    rt->loop->driven = true;
    uv_update_time(rt->loop->uv);
    arm(rt->loop);
    if (limit_ns > 0) {
        int64_t due = sut_loop_timeout(rt);
        (void)wait_for_fd(rt->loop, due < limit_ns ? due : limit_ns);
    }
    (void)uv_run(rt->loop->uv, UV_RUN_NOWAIT);
    return 0;
}

void sut_loop_wait_by(struct sut_runtime *rt, bool (*wait)(struct sut_runtime *rt)) {
    if (rt->loop) rt->loop->wait = wait;
}

int sut_loop_fd(struct sut_runtime *rt) {
    int code;
    if (!sut_loop_get(rt, &code)) return code;
    rt->loop->driven = true;
    return uv_backend_fd(rt->loop->uv);
}

int64_t sut_loop_timeout(struct sut_runtime *rt) {
    struct sut_loop *loop = rt->loop;
    if (!loop) return sut_runtime_busy(rt) || sut_deadline_first(&rt->deadlines) ? 0 : SUT_NEVER;
    uv_update_time(loop->uv);
    arm(loop);
    if (!uv_loop_alive(loop->uv)) return SUT_NEVER;
    int ms = uv_backend_timeout(loop->uv);
    return ms < 0 ? SUT_NEVER : ms * MS_NS;
}
