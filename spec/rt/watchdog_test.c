/* SPDX-License-Identifier: MIT
 *
 * Tests for the thread that interrupts turns, on a real clock: when it signals, and that a signal
 * which is not its own goes to whoever had it.
 */
#include "rt/watchdog.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define SLICE_NS INT64_C(2000000)
#define SIGNUM SIGURG

static struct sut_watchdog watchdog, other;
static volatile sig_atomic_t overruns, plainly, informed;
static volatile int64_t ran;

static void on_overrun(struct sut_watchdog *of, int64_t ran_ns) {
    overruns++;
    ran = ran_ns;
    sut_watchdog_acted(of);
}

static void plain(int signum) {
    (void)signum;
    plainly++;
}

static void informed_one(int signum, siginfo_t *info, void *context) {
    (void)context;
    if (info->si_signo == signum) informed++;
}

static void handle(void (*handler)(int)) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    assert_int_equal(0, sigaction(SIGNUM, &action, NULL));
}

static void inform(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_flags = SA_SIGINFO;
    action.sa_sigaction = informed_one;
    assert_int_equal(0, sigaction(SIGNUM, &action, NULL));
}

static struct sigaction standing(void) {
    struct sigaction action;
    assert_int_equal(0, sigaction(SIGNUM, NULL, &action));
    return action;
}

static void make(struct sut_watchdog *made) {
    memset(made, 0, sizeof *made);
    sut_watchdog_init(made, on_overrun);
    made->signum = SIGNUM;
}

static int setup(void **state) {
    (void)state;
    overruns = plainly = informed = 0;
    handle(SIG_DFL);
    make(&watchdog);
    make(&other);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    sut_watchdog_stop(&watchdog);
    sut_watchdog_stop(&other);
    sut_watchdog_stop(&other);
    return 0;
}

static void spin_until_overrun(int times) {
    while (overruns < times) {
    }
}

static void nap_ms(long ms) {
    struct timespec span = {.tv_nsec = ms * 1000000};
    (void)nanosleep(&span, NULL);
}

/* A signal that is not the watchdog's. */
static void meddle(void) { assert_int_equal(0, kill(getpid(), SIGNUM)); }

static void a_turn_over_its_slice_is_interrupted_again_and_again(void **state) {
    struct sut_watched before;
    (void)state;
    sut_watchdog_enter(&watchdog, SLICE_NS, SUT_UNKILLABLE_REPORT, &before);
    spin_until_overrun(2);
    assert_true(ran >= SLICE_NS);
    sut_watchdog_leave(&watchdog, &before);
    assert_true(sut_watchdog_ticked(&watchdog));
    assert_true(sut_watchdog_take_time(&watchdog) >= SLICE_NS);
    assert_false(sut_watchdog_ticked(&watchdog));
}

static void turns_that_keep_to_their_slice_are_not_interrupted(void **state) {
    struct sut_watched before;
    (void)state;
    sut_watchdog_enter(&watchdog, INT64_C(1000000000), SUT_UNKILLABLE_REPORT, &before);
    for (int i = 0; i < 20; i++) {
        sut_watchdog_turn(&watchdog);
        nap_ms(1);
    }
    sut_watchdog_leave(&watchdog, &before);
    nap_ms(200); /* it parks */
    assert_true(atomic_load(&watchdog.parked));
    assert_int_equal(0, overruns);
    sut_watchdog_enter(&watchdog, SLICE_NS, SUT_UNKILLABLE_REPORT, &before);
    spin_until_overrun(1);
    sut_watchdog_leave(&watchdog, &before);
}

static void the_outer_step_is_watched_again_after_an_inner_one(void **state) {
    struct sut_watched outer, inner;
    (void)state;
    sut_watchdog_enter(&watchdog, SLICE_NS, SUT_UNKILLABLE_REPORT, &outer);
    sut_watchdog_enter(&watchdog, INT64_C(1000000000), SUT_UNKILLABLE_ABORT, &inner);
    assert_int_equal(SUT_UNKILLABLE_ABORT, atomic_load(&watchdog.unkillable));
    sut_watchdog_leave(&watchdog, &inner);
    assert_int_equal(SUT_UNKILLABLE_REPORT, atomic_load(&watchdog.unkillable));
    spin_until_overrun(1);
    sut_watchdog_leave(&watchdog, &outer);
}

static void a_signal_of_others_goes_to_whoever_handled_it_before(void **state) {
    struct sut_watched before;
    (void)state;
    handle(plain);
    assert_int_equal(0, sut_watchdog_start(&watchdog));
    meddle();
    assert_int_equal(1, plainly);
    sut_watchdog_stop(&watchdog);
    assert_true(standing().sa_handler == plain);
    inform();
    assert_int_equal(0, sut_watchdog_start(&watchdog));
    meddle();
    assert_int_equal(1, informed);
    sut_watchdog_stop(&watchdog);
    handle(SIG_IGN);
    sut_watchdog_enter(&watchdog, INT64_C(1000000000), SUT_UNKILLABLE_REPORT, &before);
    meddle();
    assert_int_equal(0, raise(SIGNUM)); /* as if for a turn that has ended since */
    sut_watchdog_leave(&watchdog, &before);
    assert_int_equal(0, overruns);
    assert_int_equal(0, raise(SIGNUM)); /* as if for a step that has ended since */
    assert_int_equal(2, plainly + informed);
}

static void the_handler_stays_while_another_watchdog_has_it(void **state) {
    (void)state;
    handle(plain);
    assert_int_equal(0, sut_watchdog_start(&watchdog));
    assert_int_equal(0, sut_watchdog_start(&other));
    sut_watchdog_stop(&watchdog);
    meddle();
    assert_int_equal(1, plainly);
    assert_true(standing().sa_handler != plain);
    sut_watchdog_stop(&other);
    assert_true(standing().sa_handler == plain);
}

static void what_others_put_meanwhile_is_left(void **state) {
    (void)state;
    assert_int_equal(0, sut_watchdog_start(&watchdog));
    handle(plain);
    sut_watchdog_stop(&watchdog);
    assert_true(standing().sa_handler == plain);
    assert_int_equal(0, sut_watchdog_start(&watchdog));
    inform();
    sut_watchdog_stop(&watchdog);
    assert_true(standing().sa_sigaction == informed_one);
}

static void a_start_that_failed_is_not_tried_again(void **state) {
    (void)state;
    watchdog.signum = SIGKILL;
    assert_int_equal(-EINVAL, sut_watchdog_start(&watchdog));
    watchdog.signum = SIGNUM;
    assert_int_equal(-EINVAL, sut_watchdog_start(&watchdog));
}

static void a_forked_child_has_no_thread_to_end(void **state) {
    int status = 1;
    (void)state;
    assert_int_equal(0, sut_watchdog_start(&watchdog));
    pid_t pid = fork();
    if (pid == 0) {
        sut_watchdog_stop(&watchdog);
        _exit(0);
    }
    assert_int_equal(pid, waitpid(pid, &status, 0));
    assert_int_equal(0, status);
}

static void it_may_end_inside_a_step(void **state) {
    struct sut_watched before;
    (void)state;
    sut_watchdog_enter(&watchdog, SLICE_NS, SUT_UNKILLABLE_REPORT, &before);
    sut_watchdog_stop(&watchdog);
    nap_ms(10);
    assert_int_equal(0, overruns);
    assert_true(standing().sa_handler == SIG_DFL);
}

int main(void) {
#define HERE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        HERE(a_turn_over_its_slice_is_interrupted_again_and_again),
        HERE(turns_that_keep_to_their_slice_are_not_interrupted),
        HERE(the_outer_step_is_watched_again_after_an_inner_one),
        HERE(a_signal_of_others_goes_to_whoever_handled_it_before),
        HERE(the_handler_stays_while_another_watchdog_has_it),
        HERE(what_others_put_meanwhile_is_left),
        HERE(a_start_that_failed_is_not_tried_again),
        HERE(a_forked_child_has_no_thread_to_end),
        HERE(it_may_end_inside_a_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
