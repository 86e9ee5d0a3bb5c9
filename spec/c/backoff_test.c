/* SPDX-License-Identifier: MIT
 *
 * How a child's own restart delay grows and begins anew, and how it waits for it in a tree.
 */
#include "../support/fake_host.h"

static struct fake fake;
static struct sut_supervisor *const root = &fake.root.sup;
static struct body *a, *b;

static int setup(void **unused) {
    (void)unused;
    fake_init(&fake);
    a = add_body(&fake, root, "a");
    b = add_body(&fake, root, "b");
    a->service.backs_off = true;
    (void)options_of(a); /* 1, 2, 4, 8 s; anew after a run of 8 s */
    return 0;
}

static void fall(struct body *body) {
    end_body(&fake, body, SUT_END_ERROR);
    run(&fake);
}

/* ---- the delay alone ---- */

TEST(the_delay_grows_by_its_factor_up_to_its_most) {
    struct sut_backoff backoff = {.min_ns = 3, .max_ns = 20, .factor = 2, .reset_after_ns = 100};
    const int64_t expected[] = {3, 6, 12, 20, 20};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_int_equal(expected[i], sut_backoff_next(&backoff, 99));
}

TEST(a_run_that_is_long_enough_begins_anew) {
    struct sut_backoff backoff = {.min_ns = 3, .max_ns = 20, .factor = 2, .reset_after_ns = 100};
    (void)sut_backoff_next(&backoff, 0);
    assert_int_equal(6, sut_backoff_next(&backoff, 99));
    assert_int_equal(3, sut_backoff_next(&backoff, 100));
    assert_int_equal(6, sut_backoff_next(&backoff, 0));
}

TEST(a_factor_of_one_does_not_grow_and_a_huge_one_does_not_overflow) {
    struct sut_backoff even = {.min_ns = 3, .max_ns = 20, .factor = 1, .reset_after_ns = 100};
    struct sut_backoff huge = {
        .min_ns = 3, .max_ns = INT64_MAX, .factor = 1e300, .reset_after_ns = 100};
    for (int i = 0; i < 5; i++)
        assert_int_equal(3, sut_backoff_next(&even, 0));
    assert_int_equal(3, sut_backoff_next(&huge, 0));
    assert_int_equal(INT64_MAX, sut_backoff_next(&huge, 0));
    assert_int_equal(INT64_MAX, sut_backoff_next(&huge, 0));
}

/* ---- in a tree ---- */

TEST(a_child_with_a_delay_of_its_own_waits_for_it) {
    serve(&fake);
    fall(a);
    said(&fake, "0 root/a service_terminate 1 restarting delayed\n");
    state_is(a, "backing_off");
    assert_int_equal(SECONDS(1), sut_service_next_try(&a->service));
    pass(&fake, SECONDS(1));
    state_is(a, "running");
    fall(a);
    assert_int_equal(SECONDS(3), sut_service_next_try(&a->service));
    pass(&fake, SECONDS(2));
    pass(&fake, SECONDS(8));
    fall(a);
    assert_int_equal(SECONDS(12), sut_service_next_try(&a->service));
    stop_and_free(&fake);
}

TEST(a_delay_is_said_once_and_of_the_run_that_has_ended) {
    serve(&fake);
    fall(a);
    sut_service_delay(&a->service, a->service.run, 0, SECONDS(5));
    sut_service_delay(&a->service, a->service.run + 1, 0, SECONDS(5));
    assert_int_equal(SECONDS(1), sut_service_next_try(&a->service));
    stop_and_free(&fake);
}

TEST(a_stop_cuts_the_delay_short) {
    serve(&fake);
    fall(a);
    stop_body(&fake, a, SUT_AFTER_KEEP);
    state_is(a, "stopped");
    assert_int_equal(0, fake.deadlines.count);
    stop_body(&fake, a, SUT_AFTER_RESTART);
    run(&fake);
    fall(a);
    stop_body(&fake, a, SUT_AFTER_RESTART);
    in_state(a, SUT_STATE_STARTING);
    run(&fake);
    fall(a);
    stop_body(&fake, a, SUT_AFTER_FORGET);
    assert_int_equal(1, fake.released);
    stop_and_free(&fake);
}

TEST(a_delay_that_ends_in_a_pause_waits_for_the_end_of_that) {
    root->policy.threshold = 1.5;
    serve(&fake);
    fall(a);
    fall(b);
    said(&fake, "0 root/a service_terminate 1 restarting delayed\n"
                "0 root backoff 2\n"
                "0 root/b service_terminate 2\n");
    state_is(a, "backing_off");
    pass(&fake, SECONDS(1));
    state_is(a, "queued");
    pass(&fake, SECONDS(14));
    state_is(a, "running");
    state_is(b, "running");
    stop_and_free(&fake);
}

TEST(a_group_restarts_once_the_delay_has_passed_and_not_before) {
    root->strategy = SUT_STRATEGY_ONE_FOR_ALL;
    serve(&fake);
    fake.tracing = true;
    fall(a);
    did(&fake, "-a");
    state_is(b, "running");
    pass(&fake, SECONDS(1));
    did(&fake, "!b -b +a +b");
    stop_and_free(&fake);
}

TEST(a_delay_that_ends_while_the_supervisor_stops_starts_nothing) {
    b->script = STUBBORN;
    serve(&fake);
    fall(a);
    stop_sup(&fake, root);
    pass(&fake, SECONDS(5));
    assert_int_equal(1, a->starts);
    stop_and_free(&fake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_delay_grows_by_its_factor_up_to_its_most),
        cmocka_unit_test(a_run_that_is_long_enough_begins_anew),
        cmocka_unit_test(a_factor_of_one_does_not_grow_and_a_huge_one_does_not_overflow),
        cmocka_unit_test_setup(a_child_with_a_delay_of_its_own_waits_for_it, setup),
        cmocka_unit_test_setup(a_delay_is_said_once_and_of_the_run_that_has_ended, setup),
        cmocka_unit_test_setup(a_stop_cuts_the_delay_short, setup),
        cmocka_unit_test_setup(a_delay_that_ends_in_a_pause_waits_for_the_end_of_that, setup),
        cmocka_unit_test_setup(a_group_restarts_once_the_delay_has_passed_and_not_before, setup),
        cmocka_unit_test_setup(a_delay_that_ends_while_the_supervisor_stops_starts_nothing, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
