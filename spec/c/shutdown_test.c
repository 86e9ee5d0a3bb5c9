/* SPDX-License-Identifier: MIT
 *
 * How a supervisor stops: one child at a time or all together, and what may happen
 * meanwhile.
 */
#include "../support/fake_host.h"

static struct fake fake;
static struct sut_supervisor *const root = &fake.root.sup;
static struct body *a, *b, *c;

static int setup(void **unused) {
    (void)unused;
    fake_init(&fake);
    a = add_body(&fake, root, "a");
    b = add_body(&fake, root, "b");
    c = add_body(&fake, root, "c");
    return 0;
}

#define states_are(sup, word) assert_string_equal(word, sut_supervisor_state_name(sup))

/* ---- order ---- */

TEST(in_reverse_order_each_child_is_asked_when_the_one_after_it_has_ended) {
    b->script = STUBBORN;
    serve(&fake);
    stop_sup(&fake, root);
    assert_int_equal(1, c->cancels);
    assert_int_equal(0, b->cancels);
    run(&fake);
    assert_int_equal(1, b->cancels);
    assert_int_equal(0, a->cancels);
    pass(&fake, SECONDS(10));
    assert_int_equal(1, a->ends);
    said(&fake, "10 root/b stop_timeout stopping killed\n");
    states_are(root, "terminated");
    assert_int_equal(1, fake.finished);
    fake_free(&fake);
}

TEST(in_reverse_order_each_child_has_its_whole_time) {
    a->script = b->script = c->script = STUBBORN;
    serve(&fake);
    stop_sup(&fake, root);
    pass(&fake, SECONDS(30));
    said(&fake, "10 root/c stop_timeout stopping killed\n"
                "20 root/b stop_timeout stopping killed\n"
                "30 root/a stop_timeout stopping killed\n");
    fake_free(&fake);
}

TEST(in_parallel_all_children_are_asked_at_once) {
    a->script = b->script = c->script = STUBBORN;
    root->stop_order = SUT_STOP_PARALLEL;
    serve(&fake);
    stop_sup(&fake, root);
    assert_int_equal(3, a->cancels + b->cancels + c->cancels);
    pass(&fake, SECONDS(10));
    states_are(root, "terminated");
    assert_int_equal(3, fake.kills);
    fake_free(&fake);
}

TEST(restarts_do_not_change_the_order) {
    serve(&fake);
    end_body(&fake, c, SUT_END_ERROR);
    run(&fake);
    stop_body(&fake, c, SUT_AFTER_RESTART);
    run(&fake);
    end_body(&fake, a, SUT_END_ERROR);
    run(&fake);
    stop_sup(&fake, root);
    assert_int_equal(2, c->cancels);
    assert_int_equal(0, a->cancels);
    stop_and_free(&fake);
}

TEST(an_abandoned_child_is_not_waited_for) {
    b->script = STUBBORN;
    b->service.kill = false;
    serve(&fake);
    stop_sup(&fake, root);
    pass(&fake, SECONDS(10));
    states_are(root, "terminated");
    assert_int_equal(1, a->ends);
    assert_true(sut_supervisor_lives(root));
    end_body(&fake, b, SUT_END_PLAIN);
    fake_free(&fake);
}

TEST(an_empty_supervisor_stops_at_once) {
    struct team empty;
    serve(&fake);
    add_team(&fake, root, &empty, "empty");
    settle(&fake);
    states_are(&empty.sup, "normal");
    stop_sup(&fake, &empty.sup);
    states_are(&empty.sup, "terminated");
    assert_string_equal("stopped", sut_service_state_name(&empty.place.service));
    free_sup(&fake, &empty.sup);
    stop_and_free(&fake);
}

/* ---- while it stops ---- */

TEST(a_stop_does_not_wait_for_the_end_of_a_pause) {
    root->policy.threshold = 0.5;
    serve(&fake);
    end_body(&fake, b, SUT_END_ERROR);
    stop_sup(&fake, root);
    assert_int_equal(1, fake.deadlines.count);
    run(&fake);
    states_are(root, "terminated");
    assert_int_equal(0, fake.tree.now_ns);
    assert_string_equal("stopped", sut_service_state_name(&b->service));
    fake_free(&fake);
}

TEST(a_failure_while_it_stops_is_told_and_not_counted) {
    c->script = STUBBORN;
    serve(&fake);
    stop_sup(&fake, root);
    end_body(&fake, a, SUT_END_PANIC);
    said(&fake, "0 root/a service_panic 0 stopping\n");
    assert_int_equal(SUT_STATE_IDLE, a->service.state);
    stop_and_free(&fake);
}

TEST(removing_the_child_that_is_waited_for_does_not_lose_the_rest) {
    c->script = STUBBORN;
    serve(&fake);
    stop_sup(&fake, root);
    run(&fake);
    stop_body(&fake, c, SUT_AFTER_FORGET);
    assert_int_equal(0, b->cancels);
    end_body(&fake, c, SUT_END_PLAIN);
    assert_int_equal(1, fake.released);
    run(&fake);
    states_are(root, "terminated");
    assert_int_equal(2, root->child_count);
    fake_free(&fake);
}

TEST(removing_a_child_before_its_turn_asks_it_at_once) {
    c->script = STUBBORN;
    serve(&fake);
    stop_sup(&fake, root);
    stop_body(&fake, a, SUT_AFTER_FORGET);
    run(&fake);
    assert_int_equal(1, fake.released);
    assert_int_equal(0, b->ends);
    stop_and_free(&fake);
}

TEST(a_restart_that_the_stop_overtakes_does_not_happen) {
    c->script = STUBBORN;
    serve(&fake);
    stop_body(&fake, c, SUT_AFTER_RESTART);
    stop_sup(&fake, root);
    pass(&fake, SECONDS(10));
    assert_int_equal(1, c->starts);
    states_are(root, "terminated");
    fake_free(&fake);
}

TEST(a_hundred_thousand_siblings_that_never_ran_are_recalled) {
    enum { SIBLINGS = 100000 };
    struct body *siblings = calloc(SIBLINGS, sizeof *siblings);
    assert_non_null(siblings);
    for (int i = 0; i < SIBLINGS; i++) {
        body_init(&siblings[i], "sibling");
        siblings[i].name[0] = (char)('a' + i % 26);
        assert_int_equal(SUT_OK, sut_supervisor_add(root, &siblings[i].service));
    }
    begin_tree(&fake);
    stop_sup(&fake, root);
    states_are(root, "terminated");
    fake_free(&fake);
    free(siblings);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(in_reverse_order_each_child_is_asked_when_the_one_after_it_has_ended,
                               setup),
        cmocka_unit_test_setup(in_reverse_order_each_child_has_its_whole_time, setup),
        cmocka_unit_test_setup(in_parallel_all_children_are_asked_at_once, setup),
        cmocka_unit_test_setup(restarts_do_not_change_the_order, setup),
        cmocka_unit_test_setup(an_abandoned_child_is_not_waited_for, setup),
        cmocka_unit_test_setup(an_empty_supervisor_stops_at_once, setup),
        cmocka_unit_test_setup(a_stop_does_not_wait_for_the_end_of_a_pause, setup),
        cmocka_unit_test_setup(a_failure_while_it_stops_is_told_and_not_counted, setup),
        cmocka_unit_test_setup(removing_the_child_that_is_waited_for_does_not_lose_the_rest, setup),
        cmocka_unit_test_setup(removing_a_child_before_its_turn_asks_it_at_once, setup),
        cmocka_unit_test_setup(a_restart_that_the_stop_overtakes_does_not_happen, setup),
        cmocka_unit_test_setup(a_hundred_thousand_siblings_that_never_ran_are_recalled, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
