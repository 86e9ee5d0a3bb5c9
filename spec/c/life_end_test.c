/* SPDX-License-Identifier: MIT
 *
 * The end of one service's life, once it was asked to stop: in time, late, by force or never.
 */
#include "../support/fake_host.h"

static struct fake fake;
static struct sut_supervisor *const root = &fake.root.sup;
static struct body *a;

static int setup(void **unused) {
    (void)unused;
    fake_init(&fake);
    a = add_body(&fake, root, "a");
    return 0;
}

/* ---- stopping ---- */

static void ask_stubborn(int64_t timeout_ns, bool kill) {
    a->script = STUBBORN;
    a->service.kill = kill;
    root->timeout_ns = timeout_ns;
    serve(&fake);
    stop_body(&fake, a, SUT_AFTER_KEEP);
}

TEST(stopping_and_over_its_time_is_killed) {
    ask_stubborn(SECONDS(10), true);
    pass(&fake, SECONDS(9));
    state_is(a, "stopping");
    said(&fake, "");
    pass(&fake, SECONDS(1));
    said(&fake, "10 root/a stop_timeout killed\n");
    state_is(a, "stopped");
    assert_int_equal(1, fake.kills);
    stop_and_free(&fake);
}

TEST(stopping_without_time_still_has_one_turn) {
    ask_stubborn(0, true);
    settle(&fake);
    assert_true(a->service.overdue);
    assert_int_equal(0, fake.deadlines.count);
    said(&fake, "");
    turn(&fake);
    said(&fake, "0 root/a stop_timeout killed\n");
    state_is(a, "stopped");
    stop_and_free(&fake);
}

TEST(stopping_without_time_may_end_in_its_turn) {
    ask_stubborn(0, true);
    a->script = OBEY;
    run(&fake);
    said(&fake, "");
    assert_false(a->service.overdue);
    assert_false(a->service.asked);
    stop_and_free(&fake);
}

TEST(stopping_without_time_and_shielded_is_over_at_once) {
    a->script = SHIELDED;
    root->timeout_ns = 0;
    serve(&fake);
    stop_body(&fake, a, SUT_AFTER_KEEP);
    said(&fake, "");
    pass(&fake, 0);
    said(&fake, "0 root/a stop_timeout killed\n");
    stop_and_free(&fake);
}

TEST(stopping_and_expired_before_its_turn_is_over_after_it) {
    ask_stubborn(SECONDS(10), true);
    fake.tree.now_ns = SECONDS(10);
    expire(&fake, sut_deadline_first(&fake.deadlines));
    said(&fake, "");
    state_is(a, "stopping");
    run(&fake);
    said(&fake, "10 root/a stop_timeout killed\n");
    stop_and_free(&fake);
}

TEST(stopping_and_giving_way_has_the_rest_of_its_time) {
    ask_stubborn(SECONDS(10), true);
    run(&fake);
    sut_service_gave_way(&a->service);
    state_is(a, "stopping");
    pass(&fake, SECONDS(5));
    end_body(&fake, a, SUT_END_CANCELED);
    said(&fake, "");
    assert_int_equal(0, fake.deadlines.count);
    stop_and_free(&fake);
}

TEST(stopping_with_an_error_tells_it_and_counts_nothing) {
    ask_stubborn(SECONDS(10), true);
    run(&fake);
    end_body(&fake, a, SUT_END_PANIC);
    said(&fake, "0 root/a service_panic 0 stopping\n");
    state_is(a, "stopped");
    assert_int_equal(0, a->service.failures);
    stop_and_free(&fake);
}

TEST(stopping_and_restarted_starts_after_the_old_run) {
    serve(&fake);
    stop_body(&fake, a, SUT_AFTER_RESTART);
    stop_body(&fake, a, SUT_AFTER_RESTART);
    assert_int_equal(1, a->starts);
    run(&fake);
    state_is(a, "running");
    assert_int_equal(2, a->starts);
    assert_int_equal(1, a->cancels);
    said(&fake, "");
    stop_and_free(&fake);
}

TEST(stopping_and_forgotten_stays_forgotten) {
    serve(&fake);
    stop_body(&fake, a, SUT_AFTER_RESTART);
    stop_body(&fake, a, SUT_AFTER_FORGET);
    stop_body(&fake, a, SUT_AFTER_RESTART);
    run(&fake);
    assert_int_equal(1, fake.released);
    stop_and_free(&fake);
}

TEST(stopping_and_asking_not_to_be_restarted_is_forgotten) {
    ask_stubborn(SECONDS(10), true);
    end_body(&fake, a, SUT_END_DO_NOT_RESTART);
    assert_int_equal(1, fake.released);
    said(&fake, "");
    stop_and_free(&fake);
}

/* ---- killing ---- */

static void overrun_without_settling(void) {
    a->script = STUBBORN;
    serve(&fake);
    stop_body(&fake, a, SUT_AFTER_KEEP);
    run(&fake);
    struct sut_deadline *first = sut_deadline_first(&fake.deadlines);
    sut_deadline_cancel(&fake.deadlines, first);
    reserve(&fake);
    sut_tree_expire(&fake.tree, first);
    in_state(a, SUT_STATE_KILLING);
}

TEST(killing_knows_no_further_turn_and_no_further_time) {
    overrun_without_settling();
    sut_service_gave_way(&a->service);
    sut_service_input(&a->service, (struct sut_cue){.input = SUT_INPUT_EXPIRE});
    in_state(a, SUT_STATE_KILLING);
    state_is(a, "stopping");
    settle(&fake);
    assert_int_equal(1, fake.kills);
    stop_and_free(&fake);
}

TEST(killing_may_end_by_itself_first) {
    overrun_without_settling();
    end_body(&fake, a, SUT_END_PLAIN);
    assert_int_equal(0, fake.kills);
    state_is(a, "stopped");
    stop_and_free(&fake);
}

TEST(killing_and_restarted_starts_again) {
    overrun_without_settling();
    stop_body(&fake, a, SUT_AFTER_RESTART);
    in_state(a, SUT_STATE_STARTING);
    assert_int_equal(2, a->service.run);
    stop_and_free(&fake);
}

/* ---- abandoned ---- */

static void abandon(void) {
    ask_stubborn(SECONDS(10), false);
    pass(&fake, SECONDS(10));
    said(&fake, "10 root/a stop_timeout\n");
    in_state(a, SUT_STATE_ABANDONED);
    state_is(a, "stopping");
    assert_int_equal(0, root->living);
    assert_true(sut_service_lives(&a->service));
}

TEST(abandoned_lives_until_it_ends) {
    abandon();
    sut_service_gave_way(&a->service);
    sut_service_input(&a->service, (struct sut_cue){.input = SUT_INPUT_EXPIRE});
    assert_int_equal(0, fake.kills);
    end_body(&fake, a, SUT_END_PLAIN);
    state_is(a, "stopped");
    said(&fake, "");
    stop_and_free(&fake);
}

TEST(abandoned_and_started_starts_after_its_late_end) {
    abandon();
    sut_service_start(&a->service);
    assert_int_equal(1, a->starts);
    end_body(&fake, a, SUT_END_PANIC);
    said(&fake, "10 root/a service_panic 0 stopping\n");
    in_state(a, SUT_STATE_STARTING);
    stop_and_free(&fake);
}

TEST(abandoned_and_forgotten_is_released_at_its_late_end) {
    abandon();
    stop_body(&fake, a, SUT_AFTER_FORGET);
    assert_int_equal(0, fake.released);
    end_body(&fake, a, SUT_END_CANCELED);
    assert_int_equal(1, fake.released);
    stop_and_free(&fake);
}

TEST(a_late_end_makes_a_terminated_root_finish_again) {
    abandon();
    stop_sup(&fake, root);
    assert_int_equal(SUT_SUPERVISOR_TERMINATED, root->state);
    assert_int_equal(1, fake.finished);
    assert_true(sut_supervisor_lives(root));
    end_body(&fake, a, SUT_END_CANCELED);
    assert_int_equal(2, fake.finished);
    assert_false(sut_supervisor_lives(root));
    fake_free(&fake);
}

/* ---- struck by an error ---- */

static void overrun_busy(void) {
    ask_stubborn(SECONDS(10), true);
    a->script = BUSY;
    fake.tree.grace_ns = SECONDS(2);
    pass(&fake, SECONDS(10));
}

TEST(dying_has_been_told_and_has_a_grace) {
    overrun_busy();
    said(&fake, "10 root/a stop_timeout killed\n");
    in_state(a, SUT_STATE_DYING);
    state_is(a, "stopping");
    assert_int_equal(1, a->interrupts);
    pass(&fake, SECONDS(1));
    in_state(a, SUT_STATE_DYING);
    assert_int_equal(0, fake.kills);
    pass(&fake, SECONDS(1));
    in_state(a, SUT_STATE_IDLE);
    assert_int_equal(1, fake.kills);
    stop_and_free(&fake);
}

TEST(dying_may_end_by_the_error) {
    overrun_busy();
    stop_body(&fake, a, SUT_AFTER_RESTART);
    end_body(&fake, a, SUT_END_CANCELED);
    run(&fake);
    assert_int_equal(0, fake.kills);
    assert_int_equal(0, fake.deadlines.count);
    state_is(a, "running");
    assert_int_equal(2, a->starts);
    stop_and_free(&fake);
}

TEST(dying_ends_at_once_when_nobody_waits_any_longer) {
    overrun_busy();
    sut_service_kill(&a->service);
    settle(&fake);
    assert_int_equal(1, fake.kills);
    state_is(a, "stopped");
    stop_and_free(&fake);
}

TEST(dying_is_for_what_runs_and_what_waits_is_closed) {
    ask_stubborn(SECONDS(10), true);
    fake.tree.grace_ns = SECONDS(2);
    pass(&fake, SECONDS(10));
    assert_int_equal(1, a->interrupts);
    assert_int_equal(1, fake.kills);
    state_is(a, "stopped");
    stop_and_free(&fake);
}

/* ---- by force ---- */

TEST(a_kill_closes_what_runs_and_recalls_what_starts) {
    serve(&fake);
    struct body *b = add_body(&fake, root, "b");
    sut_service_kill(&a->service);
    in_state(a, SUT_STATE_KILLING);
    sut_service_kill(&b->service);
    in_state(b, SUT_STATE_IDLE);
    settle(&fake);
    assert_int_equal(1, fake.kills);
    sut_service_kill(&a->service);
    in_state(a, SUT_STATE_IDLE);
    said(&fake, "");
    stop_and_free(&fake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(stopping_and_over_its_time_is_killed, setup),
        cmocka_unit_test_setup(stopping_without_time_still_has_one_turn, setup),
        cmocka_unit_test_setup(stopping_without_time_may_end_in_its_turn, setup),
        cmocka_unit_test_setup(stopping_without_time_and_shielded_is_over_at_once, setup),
        cmocka_unit_test_setup(stopping_and_expired_before_its_turn_is_over_after_it, setup),
        cmocka_unit_test_setup(stopping_and_giving_way_has_the_rest_of_its_time, setup),
        cmocka_unit_test_setup(stopping_with_an_error_tells_it_and_counts_nothing, setup),
        cmocka_unit_test_setup(stopping_and_restarted_starts_after_the_old_run, setup),
        cmocka_unit_test_setup(stopping_and_forgotten_stays_forgotten, setup),
        cmocka_unit_test_setup(stopping_and_asking_not_to_be_restarted_is_forgotten, setup),
        cmocka_unit_test_setup(killing_knows_no_further_turn_and_no_further_time, setup),
        cmocka_unit_test_setup(killing_may_end_by_itself_first, setup),
        cmocka_unit_test_setup(killing_and_restarted_starts_again, setup),
        cmocka_unit_test_setup(abandoned_lives_until_it_ends, setup),
        cmocka_unit_test_setup(abandoned_and_started_starts_after_its_late_end, setup),
        cmocka_unit_test_setup(abandoned_and_forgotten_is_released_at_its_late_end, setup),
        cmocka_unit_test_setup(a_late_end_makes_a_terminated_root_finish_again, setup),
        cmocka_unit_test_setup(dying_has_been_told_and_has_a_grace, setup),
        cmocka_unit_test_setup(dying_may_end_by_the_error, setup),
        cmocka_unit_test_setup(dying_ends_at_once_when_nobody_waits_any_longer, setup),
        cmocka_unit_test_setup(dying_is_for_what_runs_and_what_waits_is_closed, setup),
        cmocka_unit_test_setup(a_kill_closes_what_runs_and_recalls_what_starts, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
