/* SPDX-License-Identifier: MIT
 *
 * The life of one service until it is asked to stop: every state with every input that can come
 * in it.
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

/* ---- idle ---- */

TEST(idle_starts_at_the_end_of_the_run_queue) {
    state_is(a, "stopped");
    begin_tree(&fake);
    state_is(a, "starting");
    assert_int_equal(1, a->starts);
    assert_int_equal(1, a->service.run);
    assert_ptr_equal(fake.ready.next, &a->ready);
    assert_int_equal(1, root->living);
    stop_and_free(&fake);
}

TEST(idle_and_kept_stays_idle) {
    stop_body(&fake, a, SUT_AFTER_KEEP);
    in_state(a, SUT_STATE_IDLE);
    serve(&fake);
    in_state(a, SUT_STATE_RUNNING);
    stop_and_free(&fake);
}

TEST(idle_and_forgotten_is_released) {
    struct sut_id id = sut_service_id(&a->service);
    stop_body(&fake, a, SUT_AFTER_FORGET);
    assert_int_equal(1, fake.released);
    assert_null(sut_tree_find(&fake.tree, id));
    assert_int_equal(0, root->child_count);
    serve(&fake);
    assert_int_equal(0, root->living);
    stop_and_free(&fake);
}

TEST(idle_and_restarted_starts_while_the_supervisor_runs) {
    serve(&fake);
    stop_body(&fake, a, SUT_AFTER_KEEP);
    run(&fake);
    in_state(a, SUT_STATE_IDLE);
    stop_body(&fake, a, SUT_AFTER_RESTART);
    in_state(a, SUT_STATE_STARTING);
    assert_int_equal(2, a->service.run);
    stop_and_free(&fake);
}

TEST(idle_and_restarted_stays_idle_while_the_supervisor_does_not_run) {
    struct body *b = add_body(&fake, root, "b");
    stop_body(&fake, a, SUT_AFTER_RESTART);
    in_state(a, SUT_STATE_IDLE);
    serve(&fake);
    a->script = STUBBORN;
    stop_sup(&fake, root);
    run(&fake);
    in_state(b, SUT_STATE_IDLE);
    stop_body(&fake, b, SUT_AFTER_RESTART);
    in_state(b, SUT_STATE_IDLE);
    stop_and_free(&fake);
}

/* ---- queued ---- */

static void pause_with_a_queued(void) {
    root->policy.threshold = 0.5;
    serve(&fake);
    end_body(&fake, a, SUT_END_PANIC);
    state_is(a, "queued");
    assert_int_equal(0, root->living);
}

TEST(queued_starts_when_the_pause_ends) {
    pause_with_a_queued();
    pass(&fake, SECONDS(15));
    in_state(a, SUT_STATE_RUNNING);
    assert_int_equal(2, a->service.run);
    stop_and_free(&fake);
}

TEST(queued_and_kept_leaves_the_queue) {
    pause_with_a_queued();
    stop_body(&fake, a, SUT_AFTER_KEEP);
    state_is(a, "stopped");
    pass(&fake, SECONDS(15));
    state_is(a, "stopped");
    stop_and_free(&fake);
}

TEST(queued_and_restarted_starts_now) {
    pause_with_a_queued();
    stop_body(&fake, a, SUT_AFTER_RESTART);
    in_state(a, SUT_STATE_STARTING);
    assert_true(sut_list_empty(&root->queue));
    pass(&fake, SECONDS(15));
    assert_int_equal(2, a->starts);
    stop_and_free(&fake);
}

TEST(queued_and_forgotten_is_released) {
    pause_with_a_queued();
    stop_body(&fake, a, SUT_AFTER_FORGET);
    assert_int_equal(1, fake.released);
    assert_true(sut_list_empty(&root->queue));
    stop_and_free(&fake);
}

/* ---- starting ---- */

TEST(starting_runs_at_its_first_resume) {
    talk(root);
    begin_tree(&fake);
    said(&fake, "0 root supervisor_start\n");
    run(&fake);
    state_is(a, "running");
    said(&fake, "0 root/a service_start\n");
    stop_and_free(&fake);
}

TEST(starting_and_asked_to_stop_never_starts) {
    begin_tree(&fake);
    stop_body(&fake, a, SUT_AFTER_KEEP);
    in_state(a, SUT_STATE_IDLE);
    assert_int_equal(1, a->recalls);
    assert_int_equal(0, a->cancels);
    assert_int_equal(0, root->living);
    run(&fake);
    said(&fake, "");
    stop_and_free(&fake);
}

TEST(starting_and_restarted_goes_to_the_end_of_the_run_queue) {
    struct body *b = add_body(&fake, root, "b");
    begin_tree(&fake);
    stop_body(&fake, a, SUT_AFTER_RESTART);
    assert_ptr_equal(fake.ready.next, &b->ready);
    assert_ptr_equal(fake.ready.prev, &a->ready);
    assert_int_equal(1, a->recalls);
    stop_and_free(&fake);
}

TEST(starting_and_forgotten_is_released) {
    begin_tree(&fake);
    stop_body(&fake, a, SUT_AFTER_FORGET);
    assert_int_equal(1, fake.released);
    assert_true(sut_list_empty(&fake.ready));
    stop_and_free(&fake);
}

TEST(starting_may_fail_before_its_first_resume) {
    begin_tree(&fake);
    end_body(&fake, a, SUT_END_ERROR);
    said(&fake, "0 root/a service_terminate 1 restarting\n");
    in_state(a, SUT_STATE_STARTING);
    stop_and_free(&fake);
}

/* ---- running ---- */

TEST(running_and_giving_way_goes_on) {
    serve(&fake);
    sut_service_gave_way(&a->service);
    in_state(a, SUT_STATE_RUNNING);
    stop_and_free(&fake);
}

TEST(running_and_ended_starts_again) {
    serve(&fake);
    end_body(&fake, a, SUT_END_PLAIN);
    said(&fake, "0 root/a service_terminate 1 restarting\n");
    assert_int_equal(2, a->service.run);
    assert_int_equal(1, a->service.failures);
    stop_and_free(&fake);
}

TEST(running_and_asked_to_stop_has_the_time_of_its_supervisor) {
    serve(&fake);
    stop_body(&fake, a, SUT_AFTER_KEEP);
    state_is(a, "stopping");
    assert_int_equal(1, a->cancels);
    assert_int_equal(SECONDS(10), sut_deadline_first(&fake.deadlines)->time_ns);
    run(&fake);
    state_is(a, "stopped");
    assert_int_equal(0, fake.deadlines.count);
    said(&fake, "");
    stop_and_free(&fake);
}

TEST(a_time_of_its_own_comes_before_the_supervisors) {
    a->service.shutdown = SUT_SHUTDOWN_TIME;
    options_of(a)->shutdown_ms = 3000;
    a->script = STUBBORN;
    serve(&fake);
    stop_body(&fake, a, SUT_AFTER_KEEP);
    pass(&fake, SECONDS(4));
    said(&fake, "3 root/a stop_timeout killed\n");
    stop_and_free(&fake);
}

TEST(an_infinite_time_arms_nothing) {
    a->service.shutdown = SUT_SHUTDOWN_INFINITY;
    a->script = STUBBORN;
    serve(&fake);
    stop_body(&fake, a, SUT_AFTER_KEEP);
    pass(&fake, SECONDS(100000));
    state_is(a, "stopping");
    assert_int_equal(0, fake.deadlines.count);
    end_body(&fake, a, SUT_END_PLAIN);
    said(&fake, "");
    stop_and_free(&fake);
}

TEST(a_shutdown_by_kill_is_no_timeout) {
    a->service.shutdown = SUT_SHUTDOWN_KILL;
    serve(&fake);
    stop_body(&fake, a, SUT_AFTER_KEEP);
    state_is(a, "stopped");
    assert_int_equal(1, fake.kills);
    assert_true(sut_list_empty(&fake.ready));
    said(&fake, "");
    stop_and_free(&fake);
}

TEST(every_cell_of_the_table_has_a_name) {
    for (int state = 0; state < SUT_STATES; state++)
        for (int input = 0; input < SUT_INPUTS; input++)
            assert_non_null(sut_life_cell((enum sut_state)state, (enum sut_input)input));
    assert_string_equal("abandoned", sut_state_row(SUT_STATE_ABANDONED));
    assert_string_equal("gave way", sut_input_column(SUT_INPUT_GAVE_WAY));
    assert_string_equal("recall", sut_life_cell(SUT_STATE_STARTING, SUT_INPUT_STOP));
    stop_body(&fake, a, SUT_AFTER_FORGET);
    fake_free(&fake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(idle_starts_at_the_end_of_the_run_queue, setup),
        cmocka_unit_test_setup(idle_and_kept_stays_idle, setup),
        cmocka_unit_test_setup(idle_and_forgotten_is_released, setup),
        cmocka_unit_test_setup(idle_and_restarted_starts_while_the_supervisor_runs, setup),
        cmocka_unit_test_setup(idle_and_restarted_stays_idle_while_the_supervisor_does_not_run,
                               setup),
        cmocka_unit_test_setup(queued_starts_when_the_pause_ends, setup),
        cmocka_unit_test_setup(queued_and_kept_leaves_the_queue, setup),
        cmocka_unit_test_setup(queued_and_restarted_starts_now, setup),
        cmocka_unit_test_setup(queued_and_forgotten_is_released, setup),
        cmocka_unit_test_setup(starting_runs_at_its_first_resume, setup),
        cmocka_unit_test_setup(starting_and_asked_to_stop_never_starts, setup),
        cmocka_unit_test_setup(starting_and_restarted_goes_to_the_end_of_the_run_queue, setup),
        cmocka_unit_test_setup(starting_and_forgotten_is_released, setup),
        cmocka_unit_test_setup(starting_may_fail_before_its_first_resume, setup),
        cmocka_unit_test_setup(running_and_giving_way_goes_on, setup),
        cmocka_unit_test_setup(running_and_ended_starts_again, setup),
        cmocka_unit_test_setup(running_and_asked_to_stop_has_the_time_of_its_supervisor, setup),
        cmocka_unit_test_setup(a_time_of_its_own_comes_before_the_supervisors, setup),
        cmocka_unit_test_setup(an_infinite_time_arms_nothing, setup),
        cmocka_unit_test_setup(a_shutdown_by_kill_is_no_timeout, setup),
        cmocka_unit_test_setup(every_cell_of_the_table_has_a_name, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
