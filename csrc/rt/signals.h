/* SPDX-License-Identifier: MIT
 *
 * Signals for those who ask, and only while they ask: a watch is one uv_signal_t. The process's
 * former handling is saved when the first watch of a signal starts and put back when the last one
 * stops, which libuv alone does not do (it leaves SIG_DFL). What somebody else has put meanwhile is
 * left. Knows no runtime and no Lua.
 */
#ifndef SUT_RT_SIGNALS_H
#define SUT_RT_SIGNALS_H

#include <stdbool.h>
#include <uv.h>

struct sut_signal_watch {
    uv_signal_t handle; /* handle.data stays NULL: the loop may be lent */
    int signum;
    void (*fired)(struct sut_signal_watch *watch);
    void (*closed)(struct sut_signal_watch *watch); /* the memory is the owner's again */
};

/* The number for "SIGINT", "SIGTERM", ...; 0 when the name is unknown or cannot be caught. */
int sut_signal_number(const char *name);

/* The name of a number, or "signal". */
const char *sut_signal_name(int signum);

/* Starts watching. Returns 0 or libuv's negative code, and then no signal comes. Until `closed` has
 * been called the memory must stay where it is; it is called unless sut_signal_open says no. */
int sut_signal_start(uv_loop_t *loop, struct sut_signal_watch *watch, int signum);

/* True from the start on, also from one that failed when it had a handle already. The memory must
 * have been zero before the start. */
bool sut_signal_open(const struct sut_signal_watch *watch);

/* Stops watching and, for the last watch of the signal, puts the former handling back at once.
 * `closed` is called from the loop later. Harmless when called twice. Cannot fail. */
void sut_signal_stop(struct sut_signal_watch *watch);

/* Puts the default handling of a signal. Returns 0 or a negative errno. */
int sut_signal_default(int signum);

/*
 * Ctrl-C under a host program that handles SIGINT itself (lua5.4 does): while a main-program wait
 * sits in the loop, that handler is chained, so that the loop also wakes. Nothing is done when
 * SIGINT is at its default or ignored. While it is watched through sut_signal_start the watch alone
 * gets it; the chain is made when the last watch stops. A watch that other code has in libuv looks
 * like a host's handler and is chained as one.
 */
struct sut_interrupt {
    uv_async_t *wake; /* sent from the handler; NULL: not entered */
    struct sut_interrupt *outer;
};

/* Chains the foreign handler; nests (the innermost wake is used). The structure and the wake stay
 * where they are until the matching leave. Async-signal-safe in its handler. The outermost one
 * forgets interrupts that nobody took. Returns 1 when there is, or may come, something to chain,
 * and 0 when there is not: leaving is then allowed but not needed. */
int sut_interrupt_enter(struct sut_interrupt *interrupt, uv_async_t *wake);

/* Undoes the matching enter; harmless when called twice. Cannot fail. */
void sut_interrupt_leave(struct sut_interrupt *interrupt);

/* True once for every interrupt that has come since the last call. */
int sut_interrupt_take(void);

#endif
