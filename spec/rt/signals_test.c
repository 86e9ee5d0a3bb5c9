/* SPDX-License-Identifier: MIT
 *
 * Tests for the process's handling of signals: it is put back as it was, whoever had it, and what a
 * host puts meanwhile stays.
 */
#include "rt/signals.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static uv_loop_t loop;
static uv_async_t outer_wake, inner_wake;
static struct sut_signal_watch watch, other;
static int fired, closed, woken, hosts, informed;

static void on_fired(struct sut_signal_watch *of) {
    (void)of;
    fired++;
}

static void on_closed(struct sut_signal_watch *of) {
    (void)of;
    closed++;
}

static void on_wake(uv_async_t *async) {
    if (async == &inner_wake) woken++;
}

/* Two handlers of a host, of both kinds. */
static void plain(int signum) {
    (void)signum;
    hosts++;
}

static void informed_one(int signum, siginfo_t *info, void *context) {
    (void)context;
    if (info->si_signo == signum) informed++;
}

static void other_one(int signum, siginfo_t *info, void *context) {
    (void)signum;
    (void)info;
    (void)context;
}

static void handle(int signum, void (*handler)(int)) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    assert_int_equal(0, sigaction(signum, &action, NULL));
}

static void inform(int signum, void (*handler)(int, siginfo_t *, void *)) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_flags = SA_SIGINFO;
    action.sa_sigaction = handler;
    assert_int_equal(0, sigaction(signum, &action, NULL));
}

static struct sigaction standing(int signum) {
    struct sigaction action;
    assert_int_equal(0, sigaction(signum, NULL, &action));
    return action;
}

static int setup(void **state) {
    (void)state;
    fired = closed = woken = hosts = informed = 0;
    memset(&watch, 0, sizeof watch);
    watch.fired = on_fired;
    watch.closed = on_closed;
    other = watch;
    if (uv_loop_init(&loop)) return -1;
    if (uv_async_init(&loop, &outer_wake, on_wake)) return -1;
    return uv_async_init(&loop, &inner_wake, on_wake);
}

static int teardown(void **state) {
    (void)state;
    uv_close((uv_handle_t *)&outer_wake, NULL);
    uv_close((uv_handle_t *)&inner_wake, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    handle(SIGINT, SIG_DFL);
    handle(SIGTERM, SIG_DFL);
    return uv_loop_close(&loop);
}

static void run(void) { (void)uv_run(&loop, UV_RUN_NOWAIT); }

static void start(struct sut_signal_watch *of, int signum) {
    assert_int_equal(0, sut_signal_start(&loop, of, signum));
}

static void raise_and_run(int signum) {
    assert_int_equal(0, raise(signum));
    run();
}

/* ---- names ---- */

static void names_go_both_ways(void **state) {
    (void)state;
    assert_int_equal(SIGTERM, sut_signal_number("SIGTERM"));
    assert_int_equal(0, sut_signal_number("SIGKILL"));
    assert_string_equal("SIGTERM", sut_signal_name(SIGTERM));
    assert_string_equal("signal", sut_signal_name(SIGKILL));
}

/* ---- watches ---- */

static void the_former_handling_comes_back_after_the_last_watch(void **state) {
    (void)state;
    inform(SIGTERM, informed_one);
    start(&watch, SIGTERM);
    start(&other, SIGTERM);
    raise_and_run(SIGTERM);
    assert_int_equal(2, fired);
    sut_signal_stop(&watch);
    raise_and_run(SIGTERM);
    assert_int_equal(3, fired);
    sut_signal_stop(&other);
    sut_signal_stop(&other);
    raise_and_run(SIGTERM);
    assert_int_equal(3, fired);
    assert_int_equal(1, informed);
    assert_int_equal(2, closed);
}

static void what_a_host_puts_during_a_watch_stays(void **state) {
    void (*const handlers[])(int) = {plain, SIG_IGN};
    (void)state;
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++) {
        memset(&watch, 0, sizeof watch);
        watch.closed = on_closed;
        start(&watch, SIGTERM);
        handle(SIGTERM, handlers[i]);
        sut_signal_stop(&watch);
        run();
        assert_true(standing(SIGTERM).sa_handler == handlers[i]);
    }
    memset(&watch, 0, sizeof watch);
    watch.closed = on_closed;
    start(&watch, SIGTERM);
    inform(SIGTERM, informed_one);
    sut_signal_stop(&watch);
    run();
    assert_true(standing(SIGTERM).sa_sigaction == informed_one);
}

static void a_second_watch_takes_the_signal_again_from_a_host_that_took_it(void **state) {
    (void)state;
    start(&watch, SIGTERM);
    inform(SIGTERM, informed_one);
    start(&other, SIGTERM);
    raise_and_run(SIGTERM);
    assert_int_equal(2, fired);
    sut_signal_stop(&watch);
    sut_signal_stop(&other);
    run();
    assert_true(standing(SIGTERM).sa_sigaction == informed_one);
}

static void a_watch_of_other_code_in_the_same_loop_leaves_the_default(void **state) {
    uv_signal_t foreign;
    (void)state;
    assert_int_equal(0, uv_signal_init(&loop, &foreign));
    assert_int_equal(0, uv_signal_start(&foreign, NULL, SIGTERM));
    start(&watch, SIGTERM);
    uv_close((uv_handle_t *)&foreign, NULL);
    run();
    sut_signal_stop(&watch);
    run();
    assert_true(standing(SIGTERM).sa_handler == SIG_DFL);
}

static void what_cannot_be_watched_has_no_handle(void **state) {
    const int bad[] = {-1, 0, 65, SIGKILL, SIGSTOP};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(UV_EINVAL, sut_signal_start(&loop, &watch, bad[i]));
        assert_false(sut_signal_open(&watch));
    }
    assert_int_equal(UV_EINVAL, sut_signal_default(SIGKILL));
    inform(SIGTERM, informed_one);
    assert_int_equal(0, sut_signal_default(SIGTERM));
    assert_true(standing(SIGTERM).sa_handler == SIG_DFL);
}

/* ---- Ctrl-C ---- */

static void a_hosts_handler_is_called_and_the_loop_woken(void **state) {
    struct sut_interrupt interrupt = {0};
    (void)state;
    inform(SIGINT, informed_one);
    assert_int_equal(1, sut_interrupt_enter(&interrupt, &inner_wake));
    raise_and_run(SIGINT);
    assert_int_equal(1, informed);
    assert_int_equal(1, woken);
    assert_int_equal(1, sut_interrupt_take());
    assert_int_equal(0, sut_interrupt_take());
    sut_interrupt_leave(&interrupt);
    sut_interrupt_leave(&interrupt);
    assert_true(standing(SIGINT).sa_sigaction == informed_one);
}

static void nothing_is_chained_where_there_is_no_handler(void **state) {
    struct sut_interrupt interrupt = {0};
    (void)state;
    handle(SIGINT, SIG_IGN);
    assert_int_equal(0, sut_interrupt_enter(&interrupt, &inner_wake));
    sut_interrupt_leave(&interrupt);
    handle(SIGINT, SIG_DFL);
    assert_int_equal(0, sut_interrupt_enter(&interrupt, &inner_wake));
    sut_interrupt_leave(&interrupt);
    assert_true(standing(SIGINT).sa_handler == SIG_DFL);
}

static void those_who_wait_leave_in_any_order(void **state) {
    struct sut_interrupt outer = {0}, inner = {0};
    (void)state;
    handle(SIGINT, plain);
    assert_int_equal(1, sut_interrupt_enter(&outer, &outer_wake));
    assert_int_equal(1, sut_interrupt_enter(&inner, &inner_wake));
    raise_and_run(SIGINT);
    assert_int_equal(1, woken);
    sut_interrupt_leave(&outer);
    raise_and_run(SIGINT);
    assert_int_equal(2, woken);
    assert_int_equal(2, hosts);
    sut_interrupt_leave(&inner);
    assert_true(standing(SIGINT).sa_handler == plain);
}

static void a_handler_that_a_host_puts_meanwhile_is_not_taken_away(void **state) {
    struct sut_interrupt interrupt = {0};
    (void)state;
    handle(SIGINT, plain);
    assert_int_equal(1, sut_interrupt_enter(&interrupt, &inner_wake));
    inform(SIGINT, other_one);
    sut_interrupt_leave(&interrupt);
    assert_true(standing(SIGINT).sa_sigaction == other_one);
}

static void a_watch_goes_before_and_the_chain_is_made_after_it(void **state) {
    struct sut_interrupt interrupt = {0};
    (void)state;
    handle(SIGINT, plain);
    start(&watch, SIGINT);
    assert_int_equal(1, sut_interrupt_enter(&interrupt, &inner_wake));
    raise_and_run(SIGINT);
    assert_int_equal(1, fired);
    assert_int_equal(0, woken);
    sut_signal_stop(&watch);
    raise_and_run(SIGINT);
    assert_int_equal(1, hosts);
    assert_int_equal(1, woken);
    sut_interrupt_leave(&interrupt);
    assert_true(standing(SIGINT).sa_handler == plain);
}

static void a_watch_that_starts_under_a_chain_remembers_the_host(void **state) {
    struct sut_interrupt interrupt = {0};
    (void)state;
    handle(SIGINT, plain);
    assert_int_equal(1, sut_interrupt_enter(&interrupt, &inner_wake));
    start(&watch, SIGINT);
    sut_interrupt_leave(&interrupt);
    sut_signal_stop(&watch);
    run();
    assert_true(standing(SIGINT).sa_handler == plain);
}

int main(void) {
#define HERE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        HERE(names_go_both_ways),
        HERE(the_former_handling_comes_back_after_the_last_watch),
        HERE(what_a_host_puts_during_a_watch_stays),
        HERE(a_second_watch_takes_the_signal_again_from_a_host_that_took_it),
        HERE(a_watch_of_other_code_in_the_same_loop_leaves_the_default),
        HERE(what_cannot_be_watched_has_no_handle),
        HERE(a_hosts_handler_is_called_and_the_loop_woken),
        HERE(nothing_is_chained_where_there_is_no_handler),
        HERE(those_who_wait_leave_in_any_order),
        HERE(a_handler_that_a_host_puts_meanwhile_is_not_taken_away),
        HERE(a_watch_goes_before_and_the_chain_is_made_after_it),
        HERE(a_watch_that_starts_under_a_chain_remembers_the_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
