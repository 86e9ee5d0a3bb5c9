/* SPDX-License-Identifier: MIT
 *
 * Restarts of groups: who stops and starts in which order, and what comes between.
 */
#include "../support/fake_check.h"

static struct fake fake;
static struct sut_supervisor *const root = &fake.root.sup;
static struct body *a, *b, *c, *d;

static int setup(void **unused) {
    (void)unused;
    fake_init(&fake);
    a = add_fixed(&fake, root, "a");
    b = add_fixed(&fake, root, "b");
    c = add_fixed(&fake, root, "c");
    d = add_fixed(&fake, root, "d");
    root->policy.threshold = 100;
    return 0;
}

static void serve_as(enum sut_strategy strategy) {
    root->strategy = (uint8_t)strategy;
    serve(&fake);
    fake.tracing = true;
}

static void serve_for_all(void) { serve_as(SUT_STRATEGY_ONE_FOR_ALL); }

static void serve_for_rest(void) { serve_as(SUT_STRATEGY_REST_FOR_ONE); }

static void fall(struct body *body) {
    end_body(&fake, body, SUT_END_ERROR);
    run(&fake);
}

static void finish(void) {
    uint32_t armed = 0;
    assert_string_equal("", broken_promise(root, &armed) ? broken_promise(root, &armed) : "");
    a->script = OBEY;
    stop_and_free(&fake);
}

/* ---- orders ---- */

TEST(one_for_all_stops_the_others_in_reverse_and_starts_all_in_order) {
    serve_for_all();
    fall(b);
    did(&fake, "-b !d -d !c -c !a -a +a +b +c +d");
    said(&fake, "0 root/b service_terminate 1 restarting\n");
    finish();
}

TEST(rest_for_one_leaves_those_before_it_alone) {
    serve_for_rest();
    fall(b);
    did(&fake, "-b !d -d !c -c +b +c +d");
    fall(d);
    did(&fake, "-d +d");
    finish();
}

TEST(one_for_one_leaves_all_others_alone) {
    serve_as(SUT_STRATEGY_ONE_FOR_ONE);
    fall(b);
    did(&fake, "-b +b");
    finish();
}

TEST(members_are_restarting_until_their_group_starts) {
    serve_for_all();
    a->script = STUBBORN;
    fall(b);
    state_is(a, "stopping");
    state_is(b, "restarting");
    state_is(d, "restarting");
    assert_true(root->grouping);
    end_body(&fake, a, SUT_END_CANCELED);
    state_is(b, "starting");
    finish();
}

TEST(a_parallel_group_stops_together_and_starts_in_order) {
    root->stop_order = SUT_STOP_PARALLEL;
    serve_for_all();
    fall(b);
    did(&fake, "-b !d !c !a -d -c -a +a +b +c +d");
    finish();
}

/* ---- who belongs to it ---- */

TEST(temporary_members_do_not_come_back) {
    a->service.restart = d->service.restart = SUT_RESTART_TEMPORARY;
    serve_for_all();
    fall(b);
    did(&fake, "-b !d -d !c -c !a -a +b +c");
    assert_int_equal(2, root->child_count);
    said(&fake, "0 root/b service_terminate 1 restarting\n");
    finish();
}

TEST(a_temporary_one_restarts_no_group) {
    b->service.restart = SUT_RESTART_TEMPORARY;
    serve_for_all();
    fall(b);
    did(&fake, "-b");
    said(&fake, "0 root/b service_terminate 0\n");
    finish();
}

TEST(what_has_ended_or_was_stopped_by_hand_comes_back_with_its_group) {
    c->service.restart = SUT_RESTART_TRANSIENT;
    serve_for_all();
    end_body(&fake, c, SUT_END_PLAIN);
    stop_body(&fake, d, SUT_AFTER_KEEP);
    run(&fake);
    state_is(c, "stopped");
    state_is(d, "stopped");
    fake.traced = 0;
    fall(b);
    did(&fake, "-b !a -a +a +b +c +d");
    finish();
}

TEST(a_member_that_ends_by_itself_before_its_turn_comes_back) {
    a->service.restart = SUT_RESTART_TRANSIENT;
    d->script = STUBBORN;
    serve_for_all();
    fall(b);
    end_body(&fake, a, SUT_END_PLAIN);
    state_is(a, "restarting");
    end_body(&fake, d, SUT_END_CANCELED);
    run(&fake);
    did(&fake, "-b !d -a -d !c -c +a +b +c +d");
    finish();
}

TEST(dependents_restart_with_what_they_are_after_and_nobody_else_does) {
    struct body *e = new_body("e"), *f = new_body("f");
    start_after(e, b);
    (void)add_new(&fake, root, e);
    start_after(f, e);
    (void)add_new(&fake, root, f);
    serve_for_rest();
    fall(b);
    did(&fake, "-b !f -f !e -e +b +e +f");
    fall(a);
    did(&fake, "-a +a");
    finish();
}

TEST(in_a_parallel_group_dependents_stop_first) {
    struct body *e = new_body("e"), *f = new_body("f");
    start_after(e, c);
    (void)add_new(&fake, root, e);
    start_after(f, e);
    (void)add_new(&fake, root, f);
    root->stop_order = SUT_STOP_PARALLEL;
    serve_for_all();
    fall(b);
    did(&fake, "-b !f !d !a -f !e -d -a -e !c -c +a +b +c +d +e +f");
    stop_sup(&fake, root);
    run(&fake);
    did(&fake, "!f !d !b !a -f !e -d -b -a -e !c -c");
    fake_free(&fake);
}

/* ---- failures in the middle ---- */

/* Lets the group stop; the second child fails at its start. */
static void fail_second(void) {
    end_body(&fake, a, SUT_END_ERROR);
    settle(&fake);
    while (b->service.state != SUT_STATE_STARTING)
        assert_true(turn(&fake));
    end_body(&fake, b, SUT_END_ERROR);
    run(&fake);
}

TEST(one_for_all_stops_the_first_again_when_the_second_does_not_start) {
    a->service.notifies = b->service.notifies = true;
    root->strategy = SUT_STRATEGY_ONE_FOR_ALL;
    serve(&fake);
    ready_body(&fake, a);
    run(&fake);
    ready_body(&fake, b);
    run(&fake);
    fake.tracing = true;
    fall(c);
    did(&fake, "-c !d -d !b -b !a -a +a");
    ready_body(&fake, a);
    run(&fake);
    did(&fake, "+b");
    fall(b);
    did(&fake, "-b !a -a +a");
    state_is(c, "restarting");
    ready_body(&fake, a);
    run(&fake);
    ready_body(&fake, b);
    run(&fake);
    did(&fake, "+b +c +d");
    said(&fake, "0 root/c service_terminate 1 restarting\n"
                "0 root/b service_terminate 2 restarting\n");
    finish();
}

TEST(rest_for_one_leaves_the_first_alone_when_the_second_does_not_start) {
    serve_for_rest();
    fail_second();
    did(&fake, "-a !d -d !c -c !b -b +a +b +c +d -b ~d ~c +b +c +d");
    assert_int_equal(1, a->cancels + a->ends);
    finish();
}

TEST(a_further_failure_enlarges_the_group) {
    d->script = STUBBORN;
    serve_for_rest();
    fall(c);
    state_is(d, "stopping");
    state_is(b, "running");
    fall(a);
    state_is(a, "restarting");
    state_is(b, "running");
    end_body(&fake, d, SUT_END_CANCELED);
    run(&fake);
    did(&fake, "-c !d -a -d !b -b +a +b +c +d");
    finish();
}

TEST(a_member_that_may_not_be_killed_is_given_up_and_starts_later) {
    a->script = STUBBORN;
    a->service.kill = false;
    serve_for_all();
    fall(b);
    pass(&fake, SECONDS(10));
    in_state(a, SUT_STATE_ABANDONED);
    state_is(b, "running");
    did(&fake, "-b !d -d !c -c !a +b +c +d");
    end_body(&fake, a, SUT_END_PLAIN);
    run(&fake);
    did(&fake, "-a +a");
    finish();
}

TEST(what_was_given_up_before_belongs_to_no_group) {
    a->script = STUBBORN;
    a->service.kill = false;
    serve_for_all();
    stop_body(&fake, a, SUT_AFTER_KEEP);
    pass(&fake, SECONDS(10));
    fake.traced = 0;
    fall(b);
    did(&fake, "-b !d -d !c -c +b +c +d");
    assert_false(a->service.grouped);
    end_body(&fake, a, SUT_END_PLAIN);
    finish();
}

/* ---- commands in the middle ---- */

static void stop_at_a(void) {
    a->script = STUBBORN;
    serve_for_all();
    fall(b);
    fake.traced = 0;
    state_is(a, "stopping");
}

TEST(a_member_stopped_by_hand_in_the_middle_stays_stopped) {
    stop_at_a();
    stop_body(&fake, c, SUT_AFTER_KEEP);
    stop_body(&fake, a, SUT_AFTER_KEEP);
    end_body(&fake, a, SUT_END_CANCELED);
    run(&fake);
    did(&fake, "-a +b +d");
    state_is(a, "stopped");
    state_is(c, "stopped");
    finish();
}

TEST(a_member_restarted_by_hand_in_the_middle_waits_for_its_group) {
    b->script = STUBBORN;
    serve_for_all();
    fall(c);
    stop_body(&fake, b, SUT_AFTER_RESTART);
    stop_body(&fake, d, SUT_AFTER_RESTART);
    end_body(&fake, b, SUT_END_CANCELED);
    run(&fake);
    did(&fake, "-c !d -d !b -b !a -a +a +b +c +d");
    finish();
}

TEST(a_member_removed_in_the_middle_is_gone) {
    stop_at_a();
    stop_body(&fake, d, SUT_AFTER_FORGET);
    stop_body(&fake, a, SUT_AFTER_FORGET);
    feed_end(&fake, a, SUT_END_CANCELED);
    run(&fake);
    did(&fake, "-a +b +c");
    assert_int_equal(2, fake.released);
    stop_and_free(&fake);
}

TEST(a_child_added_in_the_middle_starts_at_once) {
    stop_at_a();
    struct body *e = add_body(&fake, root, "e");
    run(&fake);
    state_is(e, "running");
    end_body(&fake, a, SUT_END_CANCELED);
    run(&fake);
    did(&fake, "+e -a +a +b +c +d");
    finish();
}

TEST(a_stop_in_the_middle_stops_what_is_left_and_starts_nothing) {
    stop_at_a();
    stop_sup(&fake, root);
    state_is(b, "stopped");
    end_body(&fake, a, SUT_END_CANCELED);
    run(&fake);
    did(&fake, "-a");
    assert_int_equal(SUT_SUPERVISOR_TERMINATED, root->state);
    fake_free(&fake);
}

/* ---- the pause ---- */

TEST(the_end_of_a_pause_restarts_the_group) {
    root->policy.threshold = 0.5;
    serve_for_all();
    fall(b);
    did(&fake, "-b");
    state_is(b, "queued");
    state_is(a, "running");
    pass(&fake, SECONDS(15));
    did(&fake, "!d -d !c -c !a -a +a +b +c +d");
    said(&fake, "0 root backoff 1\n"
                "0 root/b service_terminate 1\n"
                "15 root resume 0\n");
    finish();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_for_all_stops_the_others_in_reverse_and_starts_all_in_order,
                               setup),
        cmocka_unit_test_setup(rest_for_one_leaves_those_before_it_alone, setup),
        cmocka_unit_test_setup(one_for_one_leaves_all_others_alone, setup),
        cmocka_unit_test_setup(members_are_restarting_until_their_group_starts, setup),
        cmocka_unit_test_setup(a_parallel_group_stops_together_and_starts_in_order, setup),
        cmocka_unit_test_setup(temporary_members_do_not_come_back, setup),
        cmocka_unit_test_setup(a_temporary_one_restarts_no_group, setup),
        cmocka_unit_test_setup(what_has_ended_or_was_stopped_by_hand_comes_back_with_its_group,
                               setup),
        cmocka_unit_test_setup(a_member_that_ends_by_itself_before_its_turn_comes_back, setup),
        cmocka_unit_test_setup(dependents_restart_with_what_they_are_after_and_nobody_else_does,
                               setup),
        cmocka_unit_test_setup(in_a_parallel_group_dependents_stop_first, setup),
        cmocka_unit_test_setup(one_for_all_stops_the_first_again_when_the_second_does_not_start,
                               setup),
        cmocka_unit_test_setup(rest_for_one_leaves_the_first_alone_when_the_second_does_not_start,
                               setup),
        cmocka_unit_test_setup(a_further_failure_enlarges_the_group, setup),
        cmocka_unit_test_setup(a_member_that_may_not_be_killed_is_given_up_and_starts_later, setup),
        cmocka_unit_test_setup(what_was_given_up_before_belongs_to_no_group, setup),
        cmocka_unit_test_setup(a_member_stopped_by_hand_in_the_middle_stays_stopped, setup),
        cmocka_unit_test_setup(a_member_restarted_by_hand_in_the_middle_waits_for_its_group, setup),
        cmocka_unit_test_setup(a_member_removed_in_the_middle_is_gone, setup),
        cmocka_unit_test_setup(a_child_added_in_the_middle_starts_at_once, setup),
        cmocka_unit_test_setup(a_stop_in_the_middle_stops_what_is_left_and_starts_nothing, setup),
        cmocka_unit_test_setup(the_end_of_a_pause_restarts_the_group, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
