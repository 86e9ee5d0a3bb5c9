/* SPDX-License-Identifier: MIT
 *
 * The watchdog's thread, the signal that it sends, and how it and the loop's thread agree.
 *
 * Both sides of an agreement write their own flag and then read the other's, each in sequentially
 * consistent order, so that at least one of them sees the other: no wake-up is missed (`busy` and
 * `parked`), and no thread is signalled that has left its step (`busy` and `aiming`).
 */
#include "rt/watchdog.h"

#include "rt/notice.h"
#include "rt/thread_local.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

void sut_watchdog_init(struct sut_watchdog *watchdog,
                       void (*overrun)(struct sut_watchdog *watchdog, int64_t ran_ns)) {
    memset(watchdog, 0, sizeof *watchdog);
    watchdog->overrun = overrun;
    watchdog->signum = SIGURG; /* of sockets' urgent data: ignored where nobody handles it */
    atomic_store(&watchdog->suspect.due_ns, INT64_MAX);
}

#if SUT_HAS_WATCHDOG

enum { IDLE_LOOKS = 8 }; /* without a step, until it parks */
enum { LOOKS_A_SLICE = 8 };
enum { SIGNALS = 65 }; /* numbers 1 to 64 */

#define MS_NS INT64_C(1000000)
#define SHORTEST_PERIOD_NS (MS_NS / 2)
#define LONGEST_PERIOD_NS (10 * MS_NS)
/* A turn of this length is told on stderr, and again whenever it has become twice as long. */
#define NOTICE_NS (1000 * MS_NS)

/* ---- the signal ---- */

/* Of the step under way on this thread, or NULL. */
static SUT_THREAD_LOCAL struct sut_watchdog *current;

static pthread_mutex_t handling = PTHREAD_MUTEX_INITIALIZER;

static struct {
    struct sigaction former;
    unsigned users;
} table[SIGNALS];

/* Somebody else's signal goes to whoever handled it before. */
static void pass_on(int signum, siginfo_t *info, void *context) {
    const struct sigaction *former = &table[signum].former;
    if (former->sa_flags & SA_SIGINFO)
        former->sa_sigaction(signum, info, context);
    else if (former->sa_handler != SIG_DFL && former->sa_handler != SIG_IGN)
        former->sa_handler(signum);
}

static void on_signal(int signum, siginfo_t *info, void *context) {
    int kept_errno = errno;
    struct sut_watchdog *watchdog = current;
    if (info->si_code != SI_TKILL || info->si_pid != getpid())
        pass_on(signum, info, context);
    else if (watchdog && atomic_load(&watchdog->late_turn) == atomic_load(&watchdog->turn))
        watchdog->overrun(watchdog, atomic_load(&watchdog->late_ns));
    errno = kept_errno;
}

static bool is_ours(const struct sigaction *action) {
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == on_signal;
}

static int handle(int signum) {
    struct sigaction action;
    int code = 0;
    memset(&action, 0, sizeof action);
    (void)sigemptyset(&action.sa_mask);
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    action.sa_sigaction = on_signal;
    pthread_mutex_lock(&handling);
    if (table[signum].users == 0 &&
        (sigaction(signum, NULL, &table[signum].former) || sigaction(signum, &action, NULL)))
        code = -errno;
    if (!code) table[signum].users++;
    pthread_mutex_unlock(&handling);
    return code;
}

/* What somebody else has put meanwhile is left. */
static void unhandle(int signum) {
    struct sigaction now;
    pthread_mutex_lock(&handling);
    if (--table[signum].users == 0 && sigaction(signum, NULL, &now) == 0 && is_ours(&now))
        (void)sigaction(signum, &table[signum].former, NULL);
    pthread_mutex_unlock(&handling);
}

/* ---- looking ---- */

/* What the watchdog remembers from one look to the next. */
struct eye {
    int64_t looked_ns;
    int64_t since_ns;  /* the turn was first seen */
    int64_t wait_ns;   /* between signals of one turn: doubled while nothing comes of them */
    int64_t signal_ns; /* the next signal of the turn */
    int64_t notice_ns; /* the next notice of the turn */
    uint32_t turn;
    uint32_t acted;
    bool sentenced; /* that it cannot be killed has been told */
};

static void see_new_turn(struct sut_watchdog *watchdog, struct eye *eye, uint32_t turn) {
    eye->turn = turn;
    eye->since_ns = eye->looked_ns;
    eye->wait_ns = atomic_load(&watchdog->slice_ns);
    eye->signal_ns = eye->looked_ns + eye->wait_ns;
    eye->notice_ns = NOTICE_NS;
    eye->acted = atomic_load(&watchdog->acted);
    eye->sentenced = false;
}

/* The loop's thread waits at the end of its step while this aims at it. */
static void send_signal(struct sut_watchdog *watchdog, const struct eye *eye) {
    atomic_store(&watchdog->late_ns, eye->looked_ns - eye->since_ns);
    atomic_store(&watchdog->late_turn, eye->turn);
    atomic_store(&watchdog->aiming, true);
    if (atomic_load(&watchdog->busy) && atomic_load(&watchdog->turn) == eye->turn)
        (void)pthread_kill(watchdog->watched, watchdog->signum);
    atomic_store(&watchdog->aiming, false);
}

static void urge(struct sut_watchdog *watchdog, struct eye *eye) {
    uint32_t acted = atomic_load(&watchdog->acted);
    int64_t slice_ns = atomic_load(&watchdog->slice_ns);
    if (acted != eye->acted) { /* and it runs on: the same again after a slice */
        eye->acted = acted;
        eye->wait_ns = slice_ns;
        if (eye->signal_ns > eye->looked_ns + slice_ns) eye->signal_ns = eye->looked_ns + slice_ns;
    }
    if (eye->looked_ns < eye->signal_ns) return;
    send_signal(watchdog, eye);
    eye->wait_ns *= 2;
    eye->signal_ns = eye->looked_ns + eye->wait_ns;
}

/* What cannot be interrupted is told by the watchdog itself: nobody else can. */
static void tell(struct sut_watchdog *watchdog, struct eye *eye) {
    const struct sut_suspect *suspect = &watchdog->suspect;
    struct sut_notice notice = {.ran_ns = eye->looked_ns - eye->since_ns, .who = suspect->who};
    if (atomic_load(&suspect->turn) != eye->turn) return; /* the signal is still on its way */
    int64_t due_ns = atomic_load(&suspect->due_ns);
    notice.overdue = eye->looked_ns >= due_ns;
    notice.aborts = notice.overdue && atomic_load(&watchdog->unkillable) == SUT_UNKILLABLE_ABORT;
    if (notice.ran_ns < eye->notice_ns && (!notice.overdue || eye->sentenced)) return;
    if (notice.ran_ns >= eye->notice_ns) eye->notice_ns *= 2;
    eye->sentenced = notice.overdue;
    sut_notice_write(&notice);
    if (notice.aborts) _exit(SUT_EXIT_UNKILLABLE);
}

static void look(struct sut_watchdog *watchdog, struct eye *eye) {
    int64_t now_ns = (int64_t)uv_hrtime();
    uint32_t turn = atomic_load(&watchdog->turn);
    atomic_fetch_add(&watchdog->clock_ns, now_ns - eye->looked_ns);
    eye->looked_ns = now_ns;
    if (turn != eye->turn) {
        see_new_turn(watchdog, eye, turn);
        return;
    }
    urge(watchdog, eye);
    tell(watchdog, eye);
}

/* ---- the thread ---- */

static int64_t period_of(const struct sut_watchdog *watchdog) {
    int64_t period_ns = atomic_load(&watchdog->slice_ns) / LOOKS_A_SLICE;
    if (period_ns < SHORTEST_PERIOD_NS) return SHORTEST_PERIOD_NS;
    return period_ns < LONGEST_PERIOD_NS ? period_ns : LONGEST_PERIOD_NS;
}

static void nap(struct sut_watchdog *watchdog) {
    struct timespec until;
    int64_t ns = period_of(watchdog);
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    ns += until.tv_nsec;
    until.tv_sec += (time_t)(ns / (1000 * MS_NS));
    until.tv_nsec = (long)(ns % (1000 * MS_NS));
    (void)pthread_cond_timedwait(&watchdog->wake, &watchdog->lock, &until);
}

/* Sleeps until a step begins. */
static void park(struct sut_watchdog *watchdog) {
    atomic_store(&watchdog->parked, true);
    while (!atomic_load(&watchdog->busy) && atomic_load(&watchdog->parked) && !watchdog->stopping)
        (void)pthread_cond_wait(&watchdog->wake, &watchdog->lock);
    atomic_store(&watchdog->parked, false);
}

static void *watch(void *arg) {
    struct sut_watchdog *watchdog = arg;
    struct eye eye = {.looked_ns = (int64_t)uv_hrtime()};
    int idle = 0;
    pthread_mutex_lock(&watchdog->lock);
    while (!watchdog->stopping) {
        nap(watchdog);
        if (atomic_load(&watchdog->busy)) {
            look(watchdog, &eye);
            idle = 0;
            continue;
        }
        if (++idle >= IDLE_LOOKS) park(watchdog);
        eye.looked_ns = (int64_t)uv_hrtime();
    }
    pthread_mutex_unlock(&watchdog->lock);
    return NULL;
}

/* Every signal is for other threads. */
static int spawn(struct sut_watchdog *watchdog) {
    sigset_t all;
    sigset_t kept;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &kept);
    int code = -pthread_create(&watchdog->thread, NULL, watch, watchdog);
    (void)pthread_sigmask(SIG_SETMASK, &kept, NULL);
    return code;
}

static void open_lock(struct sut_watchdog *watchdog) {
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&watchdog->lock, NULL);
    (void)pthread_cond_init(&watchdog->wake, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
}

static void close_lock(struct sut_watchdog *watchdog) {
    (void)pthread_cond_destroy(&watchdog->wake);
    (void)pthread_mutex_destroy(&watchdog->lock);
}

int sut_watchdog_start(struct sut_watchdog *watchdog) {
    if (watchdog->started || watchdog->failed) return watchdog->failed;
    watchdog->failed = handle(watchdog->signum);
    if (watchdog->failed) return watchdog->failed;
    open_lock(watchdog);
    watchdog->stopping = false;
    watchdog->pid = (long)getpid();
    watchdog->failed = spawn(watchdog);
    watchdog->started = watchdog->failed == 0;
    if (watchdog->started) return 0;
    close_lock(watchdog);
    unhandle(watchdog->signum);
    return watchdog->failed;
}

void sut_watchdog_stop(struct sut_watchdog *watchdog) {
    if (current == watchdog) current = NULL; /* the state ends inside a step */
    if (!watchdog->started) return;
    watchdog->started = false;
    if (watchdog->pid != (long)getpid()) return; /* the thread is the parent's */
    pthread_mutex_lock(&watchdog->lock);
    watchdog->stopping = true;
    (void)pthread_cond_signal(&watchdog->wake);
    pthread_mutex_unlock(&watchdog->lock);
    (void)pthread_join(watchdog->thread, NULL);
    close_lock(watchdog);
    unhandle(watchdog->signum);
}

/* ---- steps ---- */

static void unpark(struct sut_watchdog *watchdog) {
    pthread_mutex_lock(&watchdog->lock);
    atomic_store(&watchdog->parked, false);
    (void)pthread_cond_signal(&watchdog->wake);
    pthread_mutex_unlock(&watchdog->lock);
}

static void set(struct sut_watchdog *watchdog, int64_t slice_ns, uint8_t unkillable, bool busy) {
    atomic_store_explicit(&watchdog->slice_ns, slice_ns, memory_order_relaxed);
    atomic_store_explicit(&watchdog->unkillable, unkillable, memory_order_relaxed);
    sut_watchdog_turn(watchdog);
    atomic_store(&watchdog->busy, busy);
}

void sut_watchdog_enter(struct sut_watchdog *watchdog, int64_t slice_ns, uint8_t unkillable,
                        struct sut_watched *before) {
    before->outer = current;
    before->busy = atomic_load_explicit(&watchdog->busy, memory_order_relaxed);
    before->slice_ns = atomic_load_explicit(&watchdog->slice_ns, memory_order_relaxed);
    before->unkillable = atomic_load_explicit(&watchdog->unkillable, memory_order_relaxed);
    (void)sut_watchdog_start(watchdog);
    if (!before->busy) {
        watchdog->watched = pthread_self();
        (void)sut_watchdog_take_time(watchdog);
    }
    current = watchdog;
    set(watchdog, slice_ns, unkillable, true);
    if (atomic_load(&watchdog->parked)) unpark(watchdog);
}

void sut_watchdog_leave(struct sut_watchdog *watchdog, const struct sut_watched *before) {
    set(watchdog, before->slice_ns, before->unkillable, before->busy);
    while (atomic_load(&watchdog->aiming))
        (void)sched_yield();
    current = before->outer;
}

#else

int sut_watchdog_start(struct sut_watchdog *watchdog) {
    watchdog->failed = -ENOTSUP;
    return watchdog->failed;
}

void sut_watchdog_stop(struct sut_watchdog *watchdog) { (void)watchdog; }

void sut_watchdog_enter(struct sut_watchdog *watchdog, int64_t slice_ns, uint8_t unkillable,
                        struct sut_watched *before) {
    (void)watchdog;
    (void)slice_ns;
    (void)unkillable;
    (void)before;
}

void sut_watchdog_leave(struct sut_watchdog *watchdog, const struct sut_watched *before) {
    (void)watchdog;
    (void)before;
}

#endif
