/* SPDX-License-Identifier: MIT
 *
 * A thread that looks every few milliseconds whether the loop's thread is still in the same turn:
 * one stretch of user code, which a resume or a callback begins. A turn that has run over its slice
 * is interrupted by a signal to the loop's thread, whose handler calls `overrun` there.
 *
 * The loop's thread pays one addition a turn and two exchanges a step; clocks, signals and locks
 * come only when a turn overruns. While no step is under way the thread parks and never wakes.
 * Where the platform has no such threads and signals (SUT_NO_WATCHDOG) nothing is ever interrupted.
 *
 * Knows no Lua: whose turn it is, and what to do about it, is above.
 *
 * Invariants: a signal is sent only while `aiming` is set, and a step does not end before it is
 * cleared: so the thread that is signalled exists, and what its handler looks at is alive.
 * `clock_ns` goes on only while a step is under way.
 */
#ifndef SUT_RT_WATCHDOG_H
#define SUT_RT_WATCHDOG_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#if !defined(SUT_NO_WATCHDOG) && !defined(_WIN32)
#define SUT_HAS_WATCHDOG 1
#else
#define SUT_HAS_WATCHDOG 0
#endif

/* The longest path that a notice shows. */
enum { SUT_SUSPECT_MAX = 256 };

/* What the process does when something that must be killed cannot be. */
enum sut_unkillable { SUT_UNKILLABLE_REPORT, SUT_UNKILLABLE_ABORT };

/* The exit code of SUT_UNKILLABLE_ABORT (EX_SOFTWARE of sysexits.h). */
enum { SUT_EXIT_UNKILLABLE = 70 };

/* What is known of a turn that overruns. Written by the handler on the loop's thread, once a turn,
 * and read by the watchdog only when it has sent the signal for that turn. */
struct sut_suspect {
    char who[SUT_SUSPECT_MAX]; /* "service root/web", in printable bytes */
    _Atomic uint32_t turn;     /* that `who` is about; 0: none */
    _Atomic int64_t due_ns;    /* when it must have been killed; INT64_MAX: it need not be */
};

struct sut_watchdog {
    /* The loop's thread writes, the watchdog reads. */
    struct sut_suspect suspect;
    _Atomic int64_t slice_ns;   /* of the runtime whose step it is */
    _Atomic uint32_t turn;      /* counts the turns */
    _Atomic uint32_t acted;     /* counts what was done about overruns */
    _Atomic uint8_t unkillable; /* enum sut_unkillable, of the runtime whose step it is */
    atomic_bool busy;           /* a step is under way */
    /* The watchdog writes, the loop's thread reads. */
    atomic_bool parked;
    atomic_bool aiming;
    _Atomic uint32_t late_turn; /* the turn that is to be interrupted */
    _Atomic int64_t late_ns;    /* how long it had run when the signal was sent */
    _Atomic int64_t clock_ns;   /* time that has passed in steps, in coarse grains */
    /* The loop's thread alone. */
    int64_t seen_ns; /* of clock_ns: what has been charged to somebody */
    void (*overrun)(struct sut_watchdog *watchdog, int64_t ran_ns);
    long pid;          /* of the process that has the thread: a forked child has none */
    pthread_t thread;  /* the watchdog's own */
    pthread_t watched; /* the loop's; changes only outside steps */
    int signum;        /* chosen before the start */
    int failed;        /* negative errno of a start that failed, or 0 */
    bool started;
    bool stopping; /* under the lock */
    pthread_mutex_t lock;
    pthread_cond_t wake;
};

/* What stood before a step, for its end: steps of several runtimes nest. */
struct sut_watched {
    struct sut_watchdog *outer;
    int64_t slice_ns;
    bool busy;
    uint8_t unkillable;
};

/* `overrun` is called in a signal handler on the loop's thread, in the middle of anything, with how
 * long the turn has run. Cannot fail; starts nothing. */
void sut_watchdog_init(struct sut_watchdog *watchdog,
                       void (*overrun)(struct sut_watchdog *watchdog, int64_t ran_ns));

/* Starts the thread; harmless when it runs. Returns 0, or a negative errno, and then nothing will
 * be interrupted: -ENOTSUP where it is left out. A start that has failed is not tried again. */
int sut_watchdog_start(struct sut_watchdog *watchdog);

/* Ends the thread and waits for that; harmless when there is none. Cannot fail. */
void sut_watchdog_stop(struct sut_watchdog *watchdog);

/* A step begins on the calling thread, in a runtime with this slice (more than 0); and ends. */
void sut_watchdog_enter(struct sut_watchdog *watchdog, int64_t slice_ns, uint8_t unkillable,
                        struct sut_watched *before);
void sut_watchdog_leave(struct sut_watchdog *watchdog, const struct sut_watched *before);

/* A turn begins: user code is about to be entered. */
static inline void sut_watchdog_turn(struct sut_watchdog *watchdog) {
    uint32_t turn = atomic_load_explicit(&watchdog->turn, memory_order_relaxed);
    atomic_store_explicit(&watchdog->turn, turn + 1, memory_order_relaxed);
}

/* True when the coarse clock has gone on since that was last taken: rare. */
static inline bool sut_watchdog_ticked(const struct sut_watchdog *watchdog) {
    return atomic_load_explicit(&watchdog->clock_ns, memory_order_relaxed) != watchdog->seen_ns;
}

/* The time that has passed since it was last taken, in coarse grains. */
static inline int64_t sut_watchdog_take_time(struct sut_watchdog *watchdog) {
    int64_t clock_ns = atomic_load_explicit(&watchdog->clock_ns, memory_order_relaxed);
    int64_t passed_ns = clock_ns - watchdog->seen_ns;
    watchdog->seen_ns = clock_ns;
    return passed_ns;
}

/* Something was done about the overrun: the next signal of the turn comes after one more slice. */
static inline void sut_watchdog_acted(struct sut_watchdog *watchdog) {
    atomic_fetch_add_explicit(&watchdog->acted, 1, memory_order_relaxed);
}

#endif
