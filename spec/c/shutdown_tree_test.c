/* SPDX-License-Identifier: MIT
 *
 * How a tree of supervisors begins and stops: level by level, each in its time, and by force.
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

static struct team web, api;
static struct body *d, *e;

/* Below root: a, b, c, web; below web: d, api; below api: e. */
static int setup_nested(void **unused) {
    setup(unused);
    add_team(&fake, root, &web, "web");
    d = add_body(&fake, &web.sup, "d");
    add_team(&fake, &web.sup, &api, "api");
    e = add_body(&fake, &api.sup, "e");
    return 0;
}

static void free_nested(void) {
    stop_sup(&fake, root);
    pass(&fake, SECONDS(100));
    assert_false(sut_supervisor_lives(root));
    free_sup(&fake, &api.sup);
    free_sup(&fake, &web.sup);
    fake_free(&fake);
}

#define states_are(sup, word) assert_string_equal(word, sut_supervisor_state_name(sup))

/* ---- levels ---- */

TEST(levels_begin_parents_first_and_siblings_in_order) {
    const struct body *order[] = {a, b, c, d, e};
    struct body *f = add_body(&fake, root, "f");
    begin_tree(&fake);
    struct sut_list *node = fake.ready.next;
    for (int i = 0; i < 5; i++, node = node->next)
        assert_ptr_equal(node, &order[i]->ready);
    assert_ptr_equal(node, &f->ready);
    free_nested();
}

TEST(a_level_ends_when_all_below_it_has_ended) {
    e->script = STUBBORN;
    talk(root);
    talk(&web.sup);
    talk(&api.sup);
    serve(&fake);
    fake.logged = 0;
    stop_sup(&fake, root);
    pass(&fake, SECONDS(10));
    said(&fake, "10 root/web/api/e stop_timeout stopping killed\n"
                "10 root/web/api/e service_stop stopping\n"
                "10 root/web/api supervisor_stop\n"
                "10 root/web/d service_stop stopping\n"
                "10 root/web supervisor_stop\n"
                "10 root/c service_stop stopping\n"
                "10 root/b service_stop stopping\n"
                "10 root/a service_stop stopping\n"
                "10 root supervisor_stop\n");
    free_nested();
}

TEST(a_stop_of_a_child_supervisor_is_as_if_its_parent_had_stopped_it) {
    serve(&fake);
    stop_sup(&fake, &web.sup);
    run(&fake);
    states_are(&web.sup, "terminated");
    states_are(&api.sup, "terminated");
    states_are(root, "normal");
    assert_int_equal(SUT_STATE_IDLE, web.place.service.state);
    assert_float_equal(0, sut_supervisor_score(root), 0);
    stop_service(&fake, &web.place.service, SUT_AFTER_RESTART);
    run(&fake);
    states_are(&api.sup, "normal");
    assert_int_equal(2, e->service.run);
    said(&fake, "");
    free_nested();
}

TEST(the_end_of_a_child_tree_ends_the_parents_too_up_to_one_that_does_not_propagate) {
    web.sup.dont_propagate_termination = true;
    serve(&fake);
    end_body(&fake, e, SUT_END_TERMINATE_TREE);
    run(&fake);
    states_are(&api.sup, "terminated");
    states_are(&web.sup, "terminated");
    assert_int_equal(SUT_END_DO_NOT_RESTART, sut_supervisor_end(&web.sup));
    states_are(root, "normal");
    assert_int_equal(1, fake.released);
    assert_null(web.sup.place);
    said(&fake, "");
    free_nested();
}

TEST(a_passed_panic_is_a_panic_of_the_child_supervisor) {
    api.sup.pass_through_panics = true;
    serve(&fake);
    end_body(&fake, e, SUT_END_PANIC);
    run(&fake);
    said(&fake, "0 root/web/api/e service_panic 0\n"
                "0 root/web/api service_panic 1 restarting\n");
    states_are(&api.sup, "normal");
    assert_int_equal(2, e->starts);
    free_nested();
}

/* ---- times of a child supervisor ---- */

TEST(a_child_supervisor_has_the_time_its_subtree_needs) {
    d->script = e->script = STUBBORN;
    serve(&fake);
    stop_sup(&fake, root);
    pass(&fake, SECONDS(20));
    said(&fake, "10 root/web/api/e stop_timeout stopping killed\n"
                "20 root/web/d stop_timeout stopping killed\n");
    free_nested();
}

TEST(a_time_of_its_own_hurries_only_what_hangs) {
    e->script = STUBBORN;
    web.place.service.shutdown = SUT_SHUTDOWN_TIME;
    options_of(&web.place)->shutdown_ms = 3000;
    serve(&fake);
    stop_service(&fake, &web.place.service, SUT_AFTER_RESTART);
    pass(&fake, SECONDS(3));
    said(&fake, "3 root/web/api/e stop_timeout stopping killed\n");
    assert_int_equal(1, d->cancels);
    assert_int_equal(2, d->starts);
    states_are(&web.sup, "normal");
    free_nested();
}

TEST(a_child_supervisor_that_may_not_be_killed_is_abandoned) {
    e->script = STUBBORN;
    web.place.service.shutdown = SUT_SHUTDOWN_TIME;
    options_of(&web.place)->shutdown_ms = 3000;
    web.place.service.kill = false;
    serve(&fake);
    stop_sup(&fake, root);
    pass(&fake, SECONDS(3));
    states_are(root, "terminated");
    states_are(&web.sup, "stopping");
    said(&fake, "");
    assert_int_equal(1, d->ends); /* asked at once, though the order would have it wait for e */
    assert_string_equal("root/web/api/e alive", reported(root));
    pass(&fake, SECONDS(7));
    states_are(&web.sup, "terminated");
    assert_int_equal(4, fake.finished);
    assert_false(sut_supervisor_lives(root));
    free_nested();
}

/* Behind web hangs f, which holds the root's stop for so long. */
TEST(what_was_killed_in_a_stop_and_runs_again_where_it_was_left_is_alive) {
    struct body *f = add_body(&fake, root, "f");
    f->script = e->script = STUBBORN;
    web.place.service.shutdown = SUT_SHUTDOWN_TIME;
    options_of(&web.place)->shutdown_ms = 3000;
    web.place.service.kill = false;
    root->timeout_ns = SECONDS(20);
    serve(&fake);
    stop_sup(&fake, root);
    stop_body(&fake, e, SUT_AFTER_RESTART);
    pass(&fake, SECONDS(10)); /* e is killed, and starts again */
    pass(&fake, SECONDS(13)); /* f is killed, and web is left */
    states_are(root, "terminated");
    assert_string_equal("root/web/api/e alive, root/f killed", reported(root));
    pass(&fake, SECONDS(10));
    assert_string_equal("root/web/api/e killed, root/f killed", reported(root));
    free_nested();
}

/* ---- by force ---- */

TEST(a_hurry_with_report_blames_what_hangs_and_waits_for_nothing) {
    b->script = e->script = STUBBORN;
    d->service.shutdown = SUT_SHUTDOWN_INFINITY;
    serve(&fake);
    hurry(&fake, root, SUT_HURRY_WITH_REPORT);
    pass(&fake, 0);
    states_are(root, "terminated");
    said(&fake, "0 root/b stop_timeout stopping killed\n"
                "0 root/web/api/e stop_timeout stopping killed\n");
    assert_string_equal("root/b killed, root/web/api/e killed", reported(root));
    free_nested();
}

TEST(a_quiet_hurry_closes_everything_without_a_word) {
    b->script = e->script = STUBBORN;
    e->service.shutdown = SUT_SHUTDOWN_INFINITY;
    serve(&fake);
    hurry(&fake, root, SUT_HURRY_QUIETLY);
    states_are(root, "terminated");
    assert_int_equal(5, fake.kills);
    said(&fake, "");
    assert_string_equal("", reported(root));
    free_nested();
}

TEST(a_quiet_hurry_abandons_what_may_not_be_killed) {
    e->script = STUBBORN;
    e->service.kill = false;
    serve(&fake);
    hurry(&fake, root, SUT_HURRY_QUIETLY);
    pass(&fake, 0);
    states_are(root, "terminated");
    said(&fake, "0 root/web/api/e stop_timeout stopping\n");
    end_body(&fake, e, SUT_END_PLAIN);
    free_nested();
}

TEST(a_quiet_hurry_stays_quiet_until_the_next_life) {
    b->script = STUBBORN;
    serve(&fake);
    reserve(&fake);
    sut_supervisor_hurry(root, SUT_HURRY_QUIETLY);
    hurry(&fake, root, SUT_HURRY_WITH_REPORT);
    said(&fake, "");
    serve(&fake);
    hurry(&fake, root, SUT_HURRY_WITH_REPORT);
    pass(&fake, 0);
    said(&fake, "0 root/b stop_timeout stopping killed\n");
    free_nested();
}

TEST(a_hurry_overtakes_a_stop_under_way) {
    c->script = e->script = STUBBORN;
    e->service.shutdown = SUT_SHUTDOWN_INFINITY;
    serve(&fake);
    stop_sup(&fake, root);
    pass(&fake, SECONDS(100));
    states_are(root, "stopping");
    hurry(&fake, root, SUT_HURRY_WITH_REPORT);
    pass(&fake, 0);
    states_are(root, "terminated");
    assert_int_equal(2, fake.kills);
    free_nested();
}

TEST(a_hurry_of_a_child_supervisor_is_no_failure_of_it) {
    e->script = STUBBORN;
    serve(&fake);
    hurry(&fake, &web.sup, SUT_HURRY_QUIETLY);
    run(&fake);
    states_are(&web.sup, "terminated");
    assert_string_equal("stopped", sut_service_state_name(&web.place.service));
    states_are(root, "normal");
    said(&fake, "");
    free_nested();
}

TEST(a_child_supervisor_with_shutdown_by_kill_takes_its_tree_with_it) {
    e->script = STUBBORN;
    web.place.service.shutdown = SUT_SHUTDOWN_KILL;
    serve(&fake);
    stop_service(&fake, &web.place.service, SUT_AFTER_FORGET);
    states_are(&web.sup, "terminated");
    assert_int_equal(2, fake.kills);
    assert_int_equal(1, fake.released);
    said(&fake, "");
    free_nested();
}

/* ---- depth ---- */

TEST(a_chain_of_a_hundred_thousand_supervisors_begins_and_stops) {
    enum { DEPTH = 100000 };
    struct team *chain = calloc(DEPTH, sizeof *chain);
    assert_non_null(chain);
    for (int i = 0; i < DEPTH; i++)
        add_team(&fake, i ? &chain[i - 1].sup : root, &chain[i], "link");
    struct body *leaf = add_body(&fake, &chain[DEPTH - 1].sup, "leaf");
    leaf->script = STUBBORN;
    leaf->service.kill = false;
    serve(&fake);
    states_are(&chain[DEPTH - 1].sup, "normal");
    assert_int_equal(SUT_STATE_RUNNING, leaf->service.state);
    stop_sup(&fake, root);
    fake.mute = true;
    pass(&fake, SECONDS(10));
    states_are(root, "terminated");
    assert_int_equal(DEPTH + 1, fake.finished);
    assert_int_equal(1, sut_report_collect(root, NULL, 0));
    end_body(&fake, leaf, SUT_END_PLAIN);
    for (int i = DEPTH - 1; i >= 0; i--)
        free_sup(&fake, &chain[i].sup);
    fake_free(&fake);
    free(chain);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(levels_begin_parents_first_and_siblings_in_order, setup_nested),
        cmocka_unit_test_setup(a_level_ends_when_all_below_it_has_ended, setup_nested),
        cmocka_unit_test_setup(a_stop_of_a_child_supervisor_is_as_if_its_parent_had_stopped_it,
                               setup_nested),
        cmocka_unit_test_setup(
            the_end_of_a_child_tree_ends_the_parents_too_up_to_one_that_does_not_propagate,
            setup_nested),
        cmocka_unit_test_setup(a_passed_panic_is_a_panic_of_the_child_supervisor, setup_nested),
        cmocka_unit_test_setup(a_child_supervisor_has_the_time_its_subtree_needs, setup_nested),
        cmocka_unit_test_setup(a_time_of_its_own_hurries_only_what_hangs, setup_nested),
        cmocka_unit_test_setup(a_child_supervisor_that_may_not_be_killed_is_abandoned,
                               setup_nested),
        cmocka_unit_test_setup(what_was_killed_in_a_stop_and_runs_again_where_it_was_left_is_alive,
                               setup_nested),
        cmocka_unit_test_setup(a_hurry_with_report_blames_what_hangs_and_waits_for_nothing,
                               setup_nested),
        cmocka_unit_test_setup(a_quiet_hurry_closes_everything_without_a_word, setup_nested),
        cmocka_unit_test_setup(a_quiet_hurry_abandons_what_may_not_be_killed, setup_nested),
        cmocka_unit_test_setup(a_quiet_hurry_stays_quiet_until_the_next_life, setup_nested),
        cmocka_unit_test_setup(a_hurry_overtakes_a_stop_under_way, setup_nested),
        cmocka_unit_test_setup(a_hurry_of_a_child_supervisor_is_no_failure_of_it, setup_nested),
        cmocka_unit_test_setup(a_child_supervisor_with_shutdown_by_kill_takes_its_tree_with_it,
                               setup_nested),
        cmocka_unit_test_setup(a_chain_of_a_hundred_thousand_supervisors_begins_and_stops, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
