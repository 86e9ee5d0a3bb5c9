/* SPDX-License-Identifier: MIT
 *
 * Who stands in the report of a stop: exactly what did not stop in its time during it, and what was
 * removed earlier and still lives.
 */
#include "../support/fake_host.h"

static struct fake fake;
static struct sut_supervisor *const root = &fake.root.sup;
static struct team web, api;
static struct body *a, *b, *d, *e;

/* Below root: a, b, web; below web: d, api; below api: e. */
static int setup(void **unused) {
    (void)unused;
    fake_init(&fake);
    a = add_body(&fake, root, "a");
    b = add_body(&fake, root, "b");
    add_team(&fake, root, &web, "web");
    d = add_body(&fake, &web.sup, "d");
    add_team(&fake, &web.sup, &api, "api");
    e = add_body(&fake, &api.sup, "e");
    serve(&fake);
    return 0;
}

static void finish_test(void) {
    stop_sup(&fake, root);
    pass(&fake, SECONDS(100));
    free_sup(&fake, &web.sup);
    free_sup(&fake, &api.sup);
    fake_free(&fake);
}

static void stop_root(void) {
    stop_sup(&fake, root);
    pass(&fake, SECONDS(100));
    assert_int_equal(SUT_SUPERVISOR_TERMINATED, root->state);
}

static void hang(struct body *body) { body->script = STUBBORN; }

static void hang_unkillable(struct body *body) {
    hang(body);
    body->service.kill = false;
}

#define report_is(sup, text) assert_string_equal(text, reported(sup))

TEST(a_clean_stop_has_an_empty_report) {
    stop_root();
    report_is(root, "");
    finish_test();
}

TEST(what_was_killed_stands_in_it) {
    hang(a);
    stop_root();
    report_is(root, "root/a killed");
    finish_test();
}

TEST(what_may_not_be_killed_stands_in_it_as_alive) {
    hang_unkillable(a);
    stop_root();
    report_is(root, "root/a alive");
    end_body(&fake, a, SUT_END_PLAIN);
    report_is(root, "root/a alive");
    finish_test();
}

TEST(only_the_grandchild_that_hangs_is_blamed) {
    hang(e);
    stop_root();
    report_is(root, "root/web/api/e killed");
    report_is(&web.sup, "root/web/api/e killed");
    report_is(&api.sup, "root/web/api/e killed");
    finish_test();
}

TEST(the_report_of_a_child_supervisor_knows_only_what_is_below_it) {
    hang(a);
    hang(e);
    stop_root();
    report_is(root, "root/a killed, root/web/api/e killed");
    report_is(&web.sup, "root/web/api/e killed");
    finish_test();
}

TEST(a_shutdown_by_kill_is_not_in_it) {
    hang(a);
    a->service.shutdown = SUT_SHUTDOWN_KILL;
    stop_root();
    report_is(root, "");
    finish_test();
}

/* ---- removed services ---- */

TEST(removed_earlier_and_alive_stands_in_it) {
    hang_unkillable(a);
    stop_body(&fake, a, SUT_AFTER_FORGET);
    pass(&fake, SECONDS(50));
    stop_root();
    report_is(root, "root/a alive");
    end_body(&fake, a, SUT_END_PLAIN);
    finish_test();
}

TEST(removed_and_killed_before_the_stop_does_not) {
    hang(a);
    stop_body(&fake, a, SUT_AFTER_FORGET);
    pass(&fake, SECONDS(50));
    stop_root();
    report_is(root, "");
    finish_test();
}

TEST(restarted_and_killed_before_the_stop_does_not) {
    hang(a);
    stop_body(&fake, a, SUT_AFTER_RESTART);
    pass(&fake, SECONDS(10));
    a->script = OBEY;
    stop_root();
    report_is(root, "");
    finish_test();
}

TEST(removed_before_and_killed_during_the_stop_stands_in_it) {
    hang(a);
    hang(b);
    stop_body(&fake, a, SUT_AFTER_FORGET);
    pass(&fake, SECONDS(5));
    stop_root();
    report_is(root, "root/b killed, root/a killed");
    assert_null(sut_tree_find(&fake.tree, sut_service_id(&a->service)));
    assert_int_equal(0, fake.released);
    finish_test();
}

TEST(removed_after_the_stop_it_still_stands_in_it) {
    hang(a);
    stop_root();
    stop_body(&fake, a, SUT_AFTER_FORGET);
    report_is(root, "root/a killed");
    assert_int_equal(2, root->child_count);
    finish_test();
}

TEST(a_removed_service_below_a_level_that_was_not_asked_yet_stands_in_it) {
    struct body *last = add_body(&fake, root, "last");
    run(&fake);
    hang(e);
    hang(last);
    stop_body(&fake, e, SUT_AFTER_FORGET);
    stop_root();
    report_is(root, "root/web/api/e killed, root/last killed");
    finish_test();
}

TEST(ghosts_are_laid_in_the_next_life) {
    hang(a);
    stop_body(&fake, a, SUT_AFTER_FORGET);
    stop_root();
    report_is(root, "root/a killed");
    serve(&fake);
    assert_int_equal(1, fake.released);
    stop_root();
    report_is(root, "");
    finish_test();
}

TEST(each_stop_has_a_report_of_its_own) {
    hang(a);
    stop_root();
    report_is(root, "root/a killed");
    serve(&fake);
    a->script = OBEY;
    hang(b);
    stop_root();
    report_is(root, "root/b killed");
    finish_test();
}

TEST(a_stop_within_a_stop_counts_from_each_ones_beginning) {
    hang(d);
    hang(e);
    stop_sup(&fake, &web.sup);
    pass(&fake, SECONDS(15));
    stop_root();
    report_is(root, "root/web/d killed");
    report_is(&web.sup, "root/web/d killed, root/web/api/e killed");
    finish_test();
}

/* ---- removed supervisors ---- */

TEST(below_a_removed_supervisor_what_was_killed_during_the_stop_stands_in_it) {
    hang(e);
    stop_service(&fake, &web.place.service, SUT_AFTER_FORGET);
    stop_root();
    report_is(root, "root/web/api/e killed");
    assert_null(sut_tree_find(&fake.tree, sut_service_id(&web.place.service)));
    assert_false(sut_supervisor_placed(&web.sup));
    serve(&fake);
    assert_null(web.sup.place);
    finish_test();
}

TEST(below_a_removed_supervisor_what_was_killed_before_the_stop_does_not) {
    hang(e);
    stop_service(&fake, &web.place.service, SUT_AFTER_FORGET);
    pass(&fake, SECONDS(10));
    assert_null(web.sup.place);
    assert_int_equal(1, fake.released);
    stop_root();
    report_is(root, "");
    finish_test();
}

TEST(below_a_removed_supervisor_what_still_lives_stands_in_it) {
    hang_unkillable(e);
    stop_service(&fake, &web.place.service, SUT_AFTER_FORGET);
    pass(&fake, SECONDS(10));
    assert_string_equal("terminated", sut_supervisor_state_name(&web.sup));
    stop_root();
    report_is(root, "root/web/api/e alive");
    end_body(&fake, e, SUT_END_PLAIN);
    assert_null(web.sup.place);
    finish_test();
}

TEST(a_supervisor_that_ended_for_good_during_the_stop_leaves_its_dead_behind) {
    web.sup.dont_propagate_termination = true;
    hang(e);
    end_body(&fake, d, SUT_END_TERMINATE_TREE);
    stop_root();
    report_is(root, "root/web/api/e killed");
    finish_test();
}

TEST(a_removed_supervisor_that_is_served_leaves_the_report_it_stood_in) {
    hang(e);
    stop_service(&fake, &web.place.service, SUT_AFTER_FORGET);
    stop_root();
    reserve(&fake);
    sut_supervisor_begin(&web.sup);
    assert_null(web.sup.place);
    report_is(root, "");
    run(&fake);
    e->script = OBEY;
    stop_sup(&fake, &web.sup);
    run(&fake);
    finish_test();
}

TEST(a_late_end_below_a_removed_supervisor_is_news_of_it_and_of_the_root) {
    hang_unkillable(e);
    stop_service(&fake, &web.place.service, SUT_AFTER_FORGET);
    stop_root();
    uint32_t finished = fake.finished;
    end_body(&fake, e, SUT_END_PLAIN);
    assert_int_equal(finished + 2, fake.finished);
    finish_test();
}

TEST(a_removed_supervisor_that_moves_leaves_the_report_it_stood_in) {
    struct team other;
    struct body place;
    hang(e);
    stop_service(&fake, &web.place.service, SUT_AFTER_FORGET);
    stop_root();
    sut_supervisor_init(&other.sup, &fake.tree);
    body_init(&place, "web");
    options_of(&place)->child = &web.sup;
    assert_int_equal(SUT_OK, sut_supervisor_add(&other.sup, &place.service));
    settle(&fake);
    assert_ptr_equal(&place.service, web.sup.place);
    assert_int_equal(1, fake.released);
    report_is(root, "");
    free_sup(&fake, &other.sup);
    finish_test();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_clean_stop_has_an_empty_report, setup),
        cmocka_unit_test_setup(what_was_killed_stands_in_it, setup),
        cmocka_unit_test_setup(what_may_not_be_killed_stands_in_it_as_alive, setup),
        cmocka_unit_test_setup(only_the_grandchild_that_hangs_is_blamed, setup),
        cmocka_unit_test_setup(the_report_of_a_child_supervisor_knows_only_what_is_below_it, setup),
        cmocka_unit_test_setup(a_shutdown_by_kill_is_not_in_it, setup),
        cmocka_unit_test_setup(removed_earlier_and_alive_stands_in_it, setup),
        cmocka_unit_test_setup(removed_and_killed_before_the_stop_does_not, setup),
        cmocka_unit_test_setup(restarted_and_killed_before_the_stop_does_not, setup),
        cmocka_unit_test_setup(removed_before_and_killed_during_the_stop_stands_in_it, setup),
        cmocka_unit_test_setup(removed_after_the_stop_it_still_stands_in_it, setup),
        cmocka_unit_test_setup(a_removed_service_below_a_level_that_was_not_asked_yet_stands_in_it,
                               setup),
        cmocka_unit_test_setup(ghosts_are_laid_in_the_next_life, setup),
        cmocka_unit_test_setup(each_stop_has_a_report_of_its_own, setup),
        cmocka_unit_test_setup(a_stop_within_a_stop_counts_from_each_ones_beginning, setup),
        cmocka_unit_test_setup(
            below_a_removed_supervisor_what_was_killed_during_the_stop_stands_in_it, setup),
        cmocka_unit_test_setup(below_a_removed_supervisor_what_was_killed_before_the_stop_does_not,
                               setup),
        cmocka_unit_test_setup(below_a_removed_supervisor_what_still_lives_stands_in_it, setup),
        cmocka_unit_test_setup(
            a_supervisor_that_ended_for_good_during_the_stop_leaves_its_dead_behind, setup),
        cmocka_unit_test_setup(a_removed_supervisor_that_is_served_leaves_the_report_it_stood_in,
                               setup),
        cmocka_unit_test_setup(a_late_end_below_a_removed_supervisor_is_news_of_it_and_of_the_root,
                               setup),
        cmocka_unit_test_setup(a_removed_supervisor_that_moves_leaves_the_report_it_stood_in,
                               setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
