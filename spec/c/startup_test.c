/* SPDX-License-Identifier: MIT
 *
 * How children start: in order, when those before them are ready, and what a failed start leads to.
 */
#include "../support/fake_check.h"
#include "core/order.h"

static struct fake fake;
static struct sut_supervisor *const root = &fake.root.sup;
static struct body *a, *b, *c;

/* The first two say themselves when they are ready. */
static int setup(void **unused) {
    (void)unused;
    fake_init(&fake);
    a = add_notifier(&fake, root, "a");
    b = add_notifier(&fake, root, "b");
    c = add_fixed(&fake, root, "c");
    root->policy.threshold = 100;
    fake.tracing = true;
    return 0;
}

static void ready(struct body *body) {
    ready_body(&fake, body);
    run(&fake);
}

static void fall(struct body *body) {
    end_body(&fake, body, SUT_END_ERROR);
    run(&fake);
}

static void finish(void) {
    uint32_t armed = 0;
    const char *broken = broken_promise(root, &armed);
    assert_string_equal("", broken ? broken : "");
    stop_and_free(&fake);
}

/* The root has ended because a child did not start. */
static void assert_not_started(const struct body *because, enum sut_end end) {
    assert_int_equal(SUT_SUPERVISOR_TERMINATED, root->state);
    assert_int_equal(SUT_END_START_FAILED, sut_supervisor_end(root));
    assert_ptr_equal(&because->service, fake.reason);
    assert_int_equal(end, fake.reason_end);
    fake_free(&fake);
}

/* ---- order ---- */

TEST(each_child_starts_when_those_before_it_are_ready) {
    serve(&fake);
    did(&fake, "+a");
    state_is(a, "starting");
    state_is(b, "starting");
    in_state(a, SUT_STATE_UNREADY);
    in_state(b, SUT_STATE_WAITING);
    assert_int_equal(3, root->pending);
    ready(a);
    did(&fake, "+b");
    state_is(a, "running");
    ready(b);
    did(&fake, "+c");
    assert_int_equal(0, root->pending);
    finish();
}

TEST(a_child_waits_for_the_first_that_is_not_ready_and_never_for_itself) {
    serve(&fake);
    assert_null(sut_order_waits_for(&a->service));
    assert_ptr_equal(&a->service, sut_order_waits_for(&c->service));
    finish();
}

TEST(a_child_that_is_to_start_again_after_all_keeps_those_behind_it_waiting) {
    add_fixed(&fake, root, "d");
    a->script = STUBBORN;
    serve(&fake);
    stop_body(&fake, a, SUT_AFTER_KEEP);
    stop_body(&fake, c, SUT_AFTER_KEEP); /* and with that the start goes on without a */
    run(&fake);
    did(&fake, "+a !a +b");
    stop_body(&fake, a, SUT_AFTER_RESTART);
    ready(b);
    did(&fake, "");
    end_body(&fake, a, SUT_END_CANCELED);
    run(&fake);
    ready(a);
    did(&fake, "-a +a +d");
    finish();
}

TEST(children_that_say_nothing_keep_nobody_waiting) {
    a->service.notifies = b->service.notifies = false;
    begin_tree(&fake);
    did(&fake, "+a +b +c");
    finish();
}

TEST(a_child_waits_for_the_siblings_that_it_names_and_for_no_others) {
    struct body *d = new_body("d"), *e = new_body("e");
    start_after(d, a);
    start_after(e, NULL);
    (void)add_new(&fake, root, d);
    (void)add_new(&fake, root, e);
    serve(&fake);
    did(&fake, "+a +e");
    ready(a);
    did(&fake, "+b +d");
    ready(b);
    did(&fake, "+c");
    finish();
}

TEST(a_named_sibling_that_has_left_or_is_stopped_is_no_condition) {
    struct body *d = new_body("d"), *e = new_body("e");
    start_after(d, a);
    start_after(e, b);
    (void)add_new(&fake, root, d);
    (void)add_new(&fake, root, e);
    serve(&fake);
    stop_body(&fake, b, SUT_AFTER_FORGET);
    run(&fake);
    did(&fake, "+a +e");
    stop_body(&fake, a, SUT_AFTER_KEEP);
    run(&fake);
    did(&fake, "!a +c +d -a");
    finish();
}

TEST(a_supervisor_is_ready_when_its_children_are) {
    static struct team web;
    struct body *d, *e;
    add_team(&fake, root, &web, "web");
    d = add_notifier(&fake, &web.sup, "d");
    e = add_fixed(&fake, root, "e");
    serve(&fake);
    ready(a);
    ready(b);
    did(&fake, "+a +b +c +d");
    state_is(&web.place, "starting");
    ready(d);
    did(&fake, "+e");
    state_is(&web.place, "running");
    assert_int_equal(1, e->starts);
    stop_sup(&fake, root);
    run(&fake);
    free_sup(&fake, &web.sup);
    fake_free(&fake);
}

TEST(an_empty_supervisor_is_ready_at_once) {
    static struct team web;
    stop_body(&fake, a, SUT_AFTER_FORGET);
    stop_body(&fake, b, SUT_AFTER_FORGET);
    stop_body(&fake, c, SUT_AFTER_FORGET);
    add_team(&fake, root, &web, "web");
    (void)add_body(&fake, root, "e");
    serve(&fake);
    did(&fake, "+e");
    state_is(&web.place, "running");
    stop_sup(&fake, root);
    run(&fake);
    free_sup(&fake, &web.sup);
    fake_free(&fake);
}

/* ---- the first start fails ---- */

TEST(a_failed_first_start_stops_the_earlier_ones_in_reverse) {
    struct body *d = add_notifier(&fake, root, "d");
    serve(&fake);
    ready(a);
    ready(b);
    fake.traced = 0;
    fall(d);
    did(&fake, "-d !c -c !b -b !a -a");
    said(&fake, "0 root/d service_terminate 0\n"
                "0 root escalate start failed\n");
    assert_not_started(d, SUT_END_ERROR);
}

TEST(a_plain_end_before_it_is_ready_is_a_failed_start) {
    serve(&fake);
    end_body(&fake, a, SUT_END_PLAIN);
    run(&fake);
    did(&fake, "+a -a");
    assert_not_started(a, SUT_END_UNREADY);
}

TEST(a_temporary_one_that_does_not_start_fails_the_first_start_too) {
    a->service.restart = SUT_RESTART_TEMPORARY;
    serve(&fake);
    fall(a);
    assert_int_equal(SUT_END_START_FAILED, sut_supervisor_end(root));
    fake_free(&fake);
}

TEST(do_not_restart_before_it_is_ready_only_leaves_it_out) {
    serve(&fake);
    end_body(&fake, a, SUT_END_DO_NOT_RESTART);
    run(&fake);
    did(&fake, "+a -a +b");
    assert_int_equal(2, root->child_count);
    ready(b);
    finish();
}

TEST(what_has_run_out_of_its_time_to_start_is_stopped) {
    options_of(b)->start_timeout_ns = SECONDS(2);
    serve(&fake);
    ready(a);
    pass(&fake, SECONDS(1));
    said(&fake, "");
    pass(&fake, SECONDS(1));
    did(&fake, "+a +b !b -b !a -a");
    said(&fake, "2 root/b service_terminate 0\n"
                "2 root escalate start failed\n");
    assert_not_started(b, SUT_END_LATE);
}

TEST(who_is_ready_in_time_is_never_late) {
    options_of(a)->start_timeout_ns = SECONDS(2);
    serve(&fake);
    pass(&fake, SECONDS(1));
    ready(a);
    pass(&fake, SECONDS(9));
    said(&fake, "");
    assert_int_equal(0, fake.deadlines.count);
    finish();
}

TEST(a_nested_start_that_fails_is_a_failed_start_above) {
    static struct team web;
    struct body *d;
    add_team(&fake, root, &web, "web");
    d = add_notifier(&fake, &web.sup, "d");
    serve(&fake);
    ready(a);
    ready(b);
    fall(d);
    assert_int_equal(SUT_END_START_FAILED, sut_supervisor_end(&web.sup));
    said(&fake, "0 root/web/d service_terminate 0\n"
                "0 root/web escalate start failed\n"
                "0 root/web service_terminate 0\n"
                "0 root escalate start failed\n");
    run(&fake);
    free_sup(&fake, &web.sup);
    assert_not_started(&web.place, SUT_END_START_FAILED);
}

/* ---- later starts fail ---- */

TEST(a_later_start_that_fails_counts_as_a_failure) {
    serve(&fake);
    ready(a);
    ready(b);
    fake.traced = 0;
    fall(a);
    end_body(&fake, a, SUT_END_PLAIN);
    run(&fake);
    said(&fake, "0 root/a service_terminate 1 restarting\n"
                "0 root/a service_terminate 2 restarting\n");
    did(&fake, "-a +a -a +a");
    finish();
}

TEST(a_transient_one_that_ends_plainly_before_it_is_ready_starts_again) {
    a->service.restart = SUT_RESTART_TRANSIENT;
    serve(&fake);
    ready(a);
    ready(b);
    fall(a);
    end_body(&fake, a, SUT_END_PLAIN);
    run(&fake);
    in_state(a, SUT_STATE_UNREADY);
    ready(a);
    end_body(&fake, a, SUT_END_PLAIN);
    state_is(a, "stopped");
    finish();
}

TEST(a_child_that_was_added_while_running_fails_by_the_policy) {
    serve(&fake);
    ready(a);
    ready(b);
    struct body *d = new_body("d");
    d->service.notifies = true;
    options_of(d)->start_timeout_ns = SECONDS(3);
    (void)add_new(&fake, root, d);
    fake.traced = 0;
    pass(&fake, SECONDS(3));
    did(&fake, "!d -d +d");
    said(&fake, "3 root/d service_terminate 1 restarting\n");
    stop_body(&fake, d, SUT_AFTER_FORGET);
    finish();
}

TEST(a_late_one_that_does_not_give_in_is_killed_and_starts_again) {
    serve(&fake);
    ready(a);
    ready(b);
    struct body *d = new_body("d");
    d->service.notifies = true;
    d->script = STUBBORN;
    options_of(d)->start_timeout_ns = SECONDS(3);
    (void)add_new(&fake, root, d);
    fake.traced = 0;
    pass(&fake, SECONDS(13));
    did(&fake, "!d -d +d");
    said(&fake, "3 root/d service_terminate 1 restarting\n"
                "13 root/d stop_timeout killed\n");
    stop_body(&fake, d, SUT_AFTER_FORGET);
    d->script = OBEY;
    run(&fake);
    finish();
}

/* ---- who waits for it ---- */

TEST(who_waits_is_told_once_nothing_is_on_its_way) {
    serve(&fake);
    root->awaited = true;
    ready(a);
    assert_int_equal(0, fake.ready_calls);
    ready_body(&fake, b);
    assert_int_equal(0, fake.ready_calls);
    run(&fake);
    assert_int_equal(1, fake.ready_calls);
    assert_null(fake.unstarted);
    finish();
}

TEST(who_waits_is_told_of_the_child_that_did_not_start) {
    serve(&fake);
    ready(a);
    ready(b);
    fall(a);
    assert_null(fake.unstarted);
    root->awaited = true;
    fall(a);
    assert_ptr_equal(&a->service, fake.unstarted);
    assert_int_equal(SUT_END_ERROR, fake.unstarted_end);
    ready(a);
    assert_int_equal(1, fake.ready_calls);
    finish();
}

/* ---- commands in the middle ---- */

TEST(a_stop_in_the_middle_starts_nobody_else) {
    serve(&fake);
    ready(a);
    stop_sup(&fake, root);
    run(&fake);
    did(&fake, "+a +b !b -b !a -a");
    assert_int_equal(SUT_END_CANCELED, sut_supervisor_end(root));
    fake_free(&fake);
}

TEST(an_unready_child_that_is_stopped_or_removed_lets_the_start_go_on) {
    serve(&fake);
    stop_body(&fake, a, SUT_AFTER_KEEP);
    run(&fake);
    did(&fake, "+a !a +b -a");
    stop_body(&fake, b, SUT_AFTER_FORGET);
    run(&fake);
    did(&fake, "!b +c -b");
    finish();
}

TEST(a_waiting_child_that_is_stopped_or_removed_never_starts) {
    serve(&fake);
    stop_body(&fake, b, SUT_AFTER_KEEP);
    stop_body(&fake, c, SUT_AFTER_FORGET);
    ready(a);
    did(&fake, "+a");
    assert_int_equal(0, root->pending);
    stop_body(&fake, b, SUT_AFTER_RESTART);
    run(&fake);
    ready(b);
    finish();
}

TEST(a_child_that_is_added_in_the_middle_starts_at_once_unless_it_names_whom_to_wait_for) {
    struct body *d, *e = new_body("e");
    serve(&fake);
    d = add_body(&fake, root, "d");
    start_after(e, b);
    (void)add_new(&fake, root, e);
    run(&fake);
    state_is(d, "running");
    did(&fake, "+a +d");
    ready(a);
    did(&fake, "+b");
    ready(b);
    did(&fake, "+c +e");
    finish();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_child_starts_when_those_before_it_are_ready, setup),
        cmocka_unit_test_setup(a_child_waits_for_the_first_that_is_not_ready_and_never_for_itself,
                               setup),
        cmocka_unit_test_setup(
            a_child_that_is_to_start_again_after_all_keeps_those_behind_it_waiting, setup),
        cmocka_unit_test_setup(children_that_say_nothing_keep_nobody_waiting, setup),
        cmocka_unit_test_setup(a_child_waits_for_the_siblings_that_it_names_and_for_no_others,
                               setup),
        cmocka_unit_test_setup(a_named_sibling_that_has_left_or_is_stopped_is_no_condition, setup),
        cmocka_unit_test_setup(a_supervisor_is_ready_when_its_children_are, setup),
        cmocka_unit_test_setup(an_empty_supervisor_is_ready_at_once, setup),
        cmocka_unit_test_setup(a_failed_first_start_stops_the_earlier_ones_in_reverse, setup),
        cmocka_unit_test_setup(a_plain_end_before_it_is_ready_is_a_failed_start, setup),
        cmocka_unit_test_setup(a_temporary_one_that_does_not_start_fails_the_first_start_too,
                               setup),
        cmocka_unit_test_setup(do_not_restart_before_it_is_ready_only_leaves_it_out, setup),
        cmocka_unit_test_setup(what_has_run_out_of_its_time_to_start_is_stopped, setup),
        cmocka_unit_test_setup(who_is_ready_in_time_is_never_late, setup),
        cmocka_unit_test_setup(a_nested_start_that_fails_is_a_failed_start_above, setup),
        cmocka_unit_test_setup(a_later_start_that_fails_counts_as_a_failure, setup),
        cmocka_unit_test_setup(a_transient_one_that_ends_plainly_before_it_is_ready_starts_again,
                               setup),
        cmocka_unit_test_setup(a_child_that_was_added_while_running_fails_by_the_policy, setup),
        cmocka_unit_test_setup(a_late_one_that_does_not_give_in_is_killed_and_starts_again, setup),
        cmocka_unit_test_setup(who_waits_is_told_once_nothing_is_on_its_way, setup),
        cmocka_unit_test_setup(who_waits_is_told_of_the_child_that_did_not_start, setup),
        cmocka_unit_test_setup(a_stop_in_the_middle_starts_nobody_else, setup),
        cmocka_unit_test_setup(an_unready_child_that_is_stopped_or_removed_lets_the_start_go_on,
                               setup),
        cmocka_unit_test_setup(a_waiting_child_that_is_stopped_or_removed_never_starts, setup),
        cmocka_unit_test_setup(
            a_child_that_is_added_in_the_middle_starts_at_once_unless_it_names_whom_to_wait_for,
            setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
