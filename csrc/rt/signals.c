/* SPDX-License-Identifier: MIT
 *
 * The process's handling of signals, which is one for all loops and threads: hence the table and
 * its lock. Two things change it here, watches and the chaining of Ctrl-C, and a watch goes before.
 *
 * Invariants: while a signal is watched, `former` is what stood before libuv's handler and is never
 * a handler of ours or of libuv's. `foreign` is the handler under ours while ours is installed.
 *
 * Limits: a watch that other code has in the same libuv keeps libuv's handler when our last one
 * stops, and the former handling is then not put back. Between libuv's putting the default and our
 * putting the former handling, other threads may meet the default.
 */
#include "rt/signals.h"

#include "core/list.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

enum { SIGNALS = 65 }; /* numbers 1 to 64 */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct {
    unsigned watches;
    struct sigaction former;
    struct sigaction libuvs;
} table[SIGNALS];

/* ---- names ---- */

/* Signals of a fault are left out: a handler that returns would meet the same fault again. */
static const struct {
    const char *name;
    int number;
} names[] = {
    {"SIGHUP", SIGHUP},     {"SIGINT", SIGINT},   {"SIGQUIT", SIGQUIT}, {"SIGUSR1", SIGUSR1},
    {"SIGUSR2", SIGUSR2},   {"SIGPIPE", SIGPIPE}, {"SIGALRM", SIGALRM}, {"SIGTERM", SIGTERM},
    {"SIGCHLD", SIGCHLD},   {"SIGCONT", SIGCONT}, {"SIGTSTP", SIGTSTP}, {"SIGTTIN", SIGTTIN},
    {"SIGTTOU", SIGTTOU},   {"SIGURG", SIGURG},   {"SIGXCPU", SIGXCPU}, {"SIGVTALRM", SIGVTALRM},
    {"SIGXFSZ", SIGXFSZ},   {"SIGPROF", SIGPROF},
#ifdef SIGWINCH
    {"SIGWINCH", SIGWINCH},
#endif
#ifdef SIGIO
    {"SIGIO", SIGIO},
#endif
#ifdef SIGPWR
    {"SIGPWR", SIGPWR},
#endif
};

enum { NAMES = sizeof names / sizeof *names };

int sut_signal_number(const char *name) {
    for (int i = 0; i < NAMES; i++)
        if (strcmp(names[i].name, name) == 0) return names[i].number;
    return 0;
}

const char *sut_signal_name(int signum) {
    for (int i = 0; i < NAMES; i++)
        if (names[i].number == signum) return names[i].name;
    return "signal";
}

/* ---- what stands ---- */

static int is_plain(const struct sigaction *action, void (*handler)(int)) {
    return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == handler;
}

static int is_same(const struct sigaction *a, const struct sigaction *b) {
    if ((a->sa_flags ^ b->sa_flags) & SA_SIGINFO) return 0;
    return a->sa_flags & SA_SIGINFO ? a->sa_sigaction == b->sa_sigaction
                                    : a->sa_handler == b->sa_handler;
}

/* For signals whose number has proved good, where sigaction cannot fail. */
static struct sigaction standing(int signum) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    (void)sigaction(signum, NULL, &action);
    return action;
}

static void put_default(struct sigaction *action) {
    memset(action, 0, sizeof *action);
    action->sa_handler = SIG_DFL;
}

/* ---- Ctrl-C ---- */

static struct sut_interrupt *innermost;
static struct sigaction foreign;
static _Atomic(uv_async_t *) target; /* the innermost wake, for the handler */
static atomic_uint interrupts;

/* Wakes the loop and then does what the host's handler does. */
static void on_interrupt(int signum, siginfo_t *info, void *context) {
    int kept_errno = errno;
    uv_async_t *async = atomic_load(&target);
    atomic_fetch_add(&interrupts, 1);
    if (async) (void)uv_async_send(async);
    if (foreign.sa_flags & SA_SIGINFO)
        foreign.sa_sigaction(signum, info, context);
    else
        foreign.sa_handler(signum);
    errno = kept_errno;
}

static int is_chained(const struct sigaction *action) {
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == on_interrupt;
}

static int is_foreign(const struct sigaction *action) {
    return !is_plain(action, SIG_DFL) && !is_plain(action, SIG_IGN) && !is_chained(action);
}

/* Puts our handler over the host's, with the host's mask and flags, if there is need and room. */
static void chain(void) {
    struct sigaction action = standing(SIGINT);
    if (!innermost || table[SIGINT].watches || !is_foreign(&action)) return;
    foreign = action;
    action.sa_flags |= SA_SIGINFO;
    action.sa_sigaction = on_interrupt;
    (void)sigaction(SIGINT, &action, NULL);
}

int sut_interrupt_enter(struct sut_interrupt *interrupt, uv_async_t *wake) {
    pthread_mutex_lock(&lock);
    struct sigaction action = standing(SIGINT);
    int wanted = table[SIGINT].watches || is_chained(&action) || is_foreign(&action);
    interrupt->wake = wanted ? wake : NULL;
    interrupt->outer = NULL;
    if (wanted) {
        if (!innermost) atomic_store(&interrupts, 0);
        interrupt->outer = innermost;
        innermost = interrupt;
        atomic_store(&target, wake);
        chain();
    }
    pthread_mutex_unlock(&lock);
    return wanted;
}

/* The one that leaves need not be the innermost: another thread may have come in since. */
static void unlink_interrupt(struct sut_interrupt *interrupt) {
    struct sut_interrupt **link = &innermost;
    while (*link && *link != interrupt)
        link = &(*link)->outer;
    if (*link) *link = interrupt->outer;
    atomic_store(&target, innermost ? innermost->wake : NULL);
}

void sut_interrupt_leave(struct sut_interrupt *interrupt) {
    if (!interrupt->wake) return;
    pthread_mutex_lock(&lock);
    unlink_interrupt(interrupt);
    struct sigaction action = standing(SIGINT);
    if (!innermost && is_chained(&action)) (void)sigaction(SIGINT, &foreign, NULL);
    pthread_mutex_unlock(&lock);
    interrupt->wake = NULL;
}

int sut_interrupt_take(void) {
    unsigned count = atomic_load(&interrupts);
    while (count)
        if (atomic_compare_exchange_weak(&interrupts, &count, count - 1)) return 1;
    return 0;
}

/* ---- watches ---- */

static void on_signal(uv_signal_t *handle, int signum) {
    (void)signum;
    struct sut_signal_watch *watch = SUT_CONTAINER(handle, struct sut_signal_watch, handle);
    watch->fired(watch);
}

static void on_closed(uv_handle_t *handle) {
    struct sut_signal_watch *watch =
        SUT_CONTAINER((uv_signal_t *)handle, struct sut_signal_watch, handle);
    watch->closed(watch);
}

/* Fails for a signal that cannot be watched, before there is a handle that would need closing: what
 * stands is put once more, which only such a signal refuses. */
static int try_signal(int signum, struct sigaction *action) {
    if (signum <= 0 || signum >= SIGNALS) return UV_EINVAL;
    memset(action, 0, sizeof *action);
    if (sigaction(signum, NULL, action) || sigaction(signum, action, NULL)) return -errno;
    return 0;
}

/* Remembers what stood before, and makes sure that libuv's handler stands now: it installs its own
 * only for the first watch, and somebody may have put another since. */
static void note_former(int signum, struct sigaction *former) {
    if (is_chained(former)) *former = foreign;
    if (!table[signum].watches)
        table[signum].libuvs = standing(signum);
    else if (!is_same(former, &table[signum].libuvs))
        (void)sigaction(signum, &table[signum].libuvs, NULL);
    else
        return;
    table[signum].former = *former;
    /* Put back without a watch behind it, libuv's handler would swallow the signal. */
    if (is_same(former, &table[signum].libuvs)) put_default(&table[signum].former);
}

static int start_locked(uv_loop_t *loop, struct sut_signal_watch *watch, int signum) {
    struct sigaction former;
    int error = try_signal(signum, &former);
    if (error) return error;
    error = uv_signal_init(loop, &watch->handle);
    if (error) return error;
    watch->handle.data = NULL;
    watch->signum = signum;
    error = uv_signal_start(&watch->handle, on_signal, signum);
    if (error) {
        uv_close((uv_handle_t *)&watch->handle, on_closed);
        return error;
    }
    note_former(signum, &former);
    table[signum].watches++;
    return 0;
}

int sut_signal_start(uv_loop_t *loop, struct sut_signal_watch *watch, int signum) {
    pthread_mutex_lock(&lock);
    int error = start_locked(loop, watch, signum);
    pthread_mutex_unlock(&lock);
    return error;
}

bool sut_signal_open(const struct sut_signal_watch *watch) { return watch->signum != 0; }

/* Puts back what was there before the watches; or what somebody else has put during them, for that
 * is not ours to undo. */
static void put_back(int signum, const struct sigaction *before_stop) {
    struct sigaction now = standing(signum);
    if (!is_same(before_stop, &table[signum].libuvs))
        (void)sigaction(signum, before_stop, NULL);
    else if (is_plain(&now, SIG_DFL))
        (void)sigaction(signum, &table[signum].former, NULL);
    if (signum == SIGINT) chain();
}

void sut_signal_stop(struct sut_signal_watch *watch) {
    if (uv_is_closing((uv_handle_t *)&watch->handle)) return;
    sigset_t blocked;
    sigset_t kept;
    (void)sigemptyset(&blocked);
    (void)sigaddset(&blocked, watch->signum);
    pthread_mutex_lock(&lock);
    /* In between stands the default, which may be to end the process. */
    (void)pthread_sigmask(SIG_BLOCK, &blocked, &kept);
    struct sigaction before_stop = standing(watch->signum);
    (void)uv_signal_stop(&watch->handle);
    if (--table[watch->signum].watches == 0) put_back(watch->signum, &before_stop);
    (void)pthread_sigmask(SIG_SETMASK, &kept, NULL);
    pthread_mutex_unlock(&lock);
    uv_close((uv_handle_t *)&watch->handle, on_closed);
}

int sut_signal_default(int signum) {
    struct sigaction action;
    put_default(&action);
    return sigaction(signum, &action, NULL) ? -errno : 0;
}
