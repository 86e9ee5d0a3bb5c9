/* SPDX-License-Identifier: MIT
 *
 * Plans: what they say, that the tree stays as it is to the last bit, and what happens without
 * memory. That they come true is for spec/plan_spec.lua to show.
 */
#include "../support/plan_text.h"

static struct fake fake;
static struct sut_supervisor *const root = &fake.root.sup;
static struct body *a, *b, *c, *x, *y;
static struct team web;

/* Below root: a, b, web with x and y, c. All but c are of the specs. */
static int setup(void **unused) {
    (void)unused;
    fake_init(&fake);
    a = add_fixed(&fake, root, "a");
    b = add_fixed(&fake, root, "b");
    add_team(&fake, root, &web, "web");
    x = add_fixed(&fake, &web.sup, "x");
    y = add_fixed(&fake, &web.sup, "y");
    c = add_body(&fake, root, "c");
    return 0;
}

static void free_all(void) {
    stop_sup(&fake, root);
    pass(&fake, SECONDS(100));
    free_sup(&fake, &web.sup);
    fake_free(&fake);
}

/* The plan as text, after trying with every smaller amount of memory; the tree stays as it is. */
static const char *planned(struct sut_service *service, enum sut_end end) {
    struct sut_plan plan;
    long requests = 0;
    int result;
    remember_tree(root);
    while ((result = plan_with(&plan, requests, service, end)) == SUT_ENOMEM)
        requests++;
    assert_int_equal(SUT_OK, result);
    const char *text = text_of(&plan);
    end_plan(&plan);
    check_unchanged();
    return text;
}

#define plan_is(body, end, wanted) assert_string_equal(wanted, planned(&(body)->service, end))

/* ---- what follows ---- */

TEST(a_restart_of_one_alone) {
    serve(&fake);
    plan_is(a, SUT_END_PANIC, "service_panic(a restarting) +a");
    plan_is(x, SUT_END_ERROR, "service_terminate(x restarting) +x");
    plan_is(a, SUT_END_DO_NOT_RESTART, "");
    free_all();
}

TEST(a_group_stops_in_reverse_and_starts_in_order) {
    root->strategy = SUT_STRATEGY_ONE_FOR_ALL;
    serve(&fake);
    plan_is(b, SUT_END_PLAIN,
            "!c service_terminate(b restarting) !web !y !x !a +web +a +b +x +y +c");
    root->strategy = SUT_STRATEGY_REST_FOR_ONE;
    plan_is(b, SUT_END_PLAIN, "!c service_terminate(b restarting) !web !y !x +web +b +x +y +c");
    free_all();
}

TEST(all_are_asked_in_order_in_a_parallel_stop_supervisors_too) {
    root->strategy = SUT_STRATEGY_ONE_FOR_ALL;
    root->stop_order = web.sup.stop_order = SUT_STOP_PARALLEL;
    serve(&fake);
    plan_is(c, SUT_END_PANIC, "!web !b !a !y !x service_panic(c restarting) +web +a +b +x +y +c");
    free_all();
}

TEST(a_pause_ends_in_its_time) {
    root->policy.threshold = 0.5;
    root->spacing_ns = SECONDS(2);
    serve(&fake);
    plan_is(a, SUT_END_PANIC, "backoff(root 15 s) service_panic(a queued) @15 resume(root 2 s) +a");
    end_body(&fake, b, SUT_END_PANIC);
    pass(&fake, SECONDS(5));
    plan_is(a, SUT_END_PANIC,
            "backoff(root 15 s) service_panic(a queued) @15 resume(root 2 s) +b @17 +a");
    plan_is(x, SUT_END_PANIC, "service_panic(x restarting) +x @10 resume(root 2 s) +b");
    free_all();
}

TEST(a_delay_of_its_own_is_one_step_further) {
    options_of(a);
    a->service.backs_off = true;
    serve(&fake);
    plan_is(a, SUT_END_PANIC, "service_panic(a restarting 1 s) @1 +a");
    end_body(&fake, a, SUT_END_PANIC);
    plan_is(b, SUT_END_PANIC, "service_panic(b restarting) +b @1 +a");
    pass(&fake, SECONDS(1));
    plan_is(a, SUT_END_PANIC, "service_panic(a restarting 2 s) @2 +a");
    assert_int_equal(SECONDS(1), a->service.options->backoff.delay_ns);
    free_all();
}

TEST(deadlines_of_one_time_come_in_the_order_of_arming) {
    struct body *others[] = {c, a, b};
    for (int i = 0; i < 3; i++) {
        options_of(others[i]);
        others[i]->service.backs_off = true;
    }
    serve(&fake);
    for (int i = 0; i < 3; i++)
        end_body(&fake, others[i], SUT_END_PANIC);
    plan_is(x, SUT_END_PANIC, "service_panic(x restarting) +x @1 +c +a +b");
    free_all();
}

TEST(a_window_counts_in_a_ring_of_its_own) {
    int64_t ring[2] = {0};
    web.sup.policy.period_ns = SECONDS(5);
    web.sup.policy.intensity = 1;
    web.sup.score.restarts_ns = ring;
    serve(&fake);
    plan_is(x, SUT_END_PANIC, "service_panic(x restarting) +x");
    pass(&fake, SECONDS(1));
    end_body(&fake, x, SUT_END_PANIC);
    run(&fake);
    plan_is(x, SUT_END_PANIC,
            "!y service_panic(x) escalate(web 5 s) +web service_terminate(web restarting) +x +y");
    assert_int_equal(SECONDS(1), ring[0]);
    assert_int_equal(0, ring[1]);
    free_all();
}

TEST(the_end_of_the_root_ends_all) {
    root->policy.period_ns = SECONDS(5);
    int64_t ring[1] = {0};
    root->score.restarts_ns = ring;
    talk(root);
    serve(&fake);
    plan_is(
        a, SUT_END_PANIC,
        "!c service_panic(a) service_stop(a) escalate(root 5 s) !web !y service_stop(c stopping) "
        "!x !b service_stop(b stopping) supervisor_stop(root)");
    plan_is(x, SUT_END_TERMINATE_TREE,
            "!y !c !b service_stop(c stopping) !a service_stop(b stopping) service_stop(a "
            "stopping) supervisor_stop(root)");
    free_all();
}

TEST(a_child_supervisor_ends_after_what_is_below_it) {
    serve(&fake);
    plan_is(&web.place, SUT_END_PANIC, "!y !x +web service_panic(web restarting) +x +y");
    plan_is(&web.place, SUT_END_DO_NOT_RESTART, "!y !x");
    plan_is(&web.place, SUT_END_TERMINATE_TREE, "!y !x !c !b !a");
    web.sup.dont_propagate_termination = true;
    plan_is(&web.place, SUT_END_TERMINATE_TREE, "!y !x");
    free_all();
}

TEST(temporary_ones_come_back_with_the_next_life_if_they_are_of_the_spec) {
    a->service.restart = x->service.restart = SUT_RESTART_TEMPORARY;
    serve(&fake);
    end_body(&fake, x, SUT_END_PLAIN);
    plan_is(a, SUT_END_PANIC, "service_panic(a)");
    plan_is(&web.place, SUT_END_ERROR, "!y +web service_terminate(web restarting) +x +y");
    free_all();
}

/* ---- what is on its way ---- */

TEST(what_is_to_start_starts_and_a_start_that_is_taken_back_is_a_stop) {
    begin_tree(&fake);
    plan_is(a, SUT_END_PANIC, "+a service_panic(a restarting) +b +x +y +c +a");
    root->strategy = SUT_STRATEGY_REST_FOR_ONE;
    plan_is(b, SUT_END_PANIC, "!c !web !y !x +b service_panic(b restarting) +web +a +b +x +y +c");
    run(&fake);
    free_all();
}

TEST(a_start_in_the_plan_that_is_taken_back_in_its_round_is_no_step) {
    root->strategy = web.sup.strategy = SUT_STRATEGY_ONE_FOR_ALL;
    y->script = STUBBORN;
    serve(&fake);
    end_body(&fake, x, SUT_END_PANIC);
    run(&fake);
    in_state(y, SUT_STATE_STOPPING);
    plan_is(a, SUT_END_PANIC, "!c service_panic(a restarting) !web !b +web +a +b +x +y +c");
    y->script = OBEY;
    run(&fake);
    free_all();
}

TEST(what_has_begun_is_ready_at_once) {
    b->service.notifies = true;
    options_of(b)->start_timeout_ns = SECONDS(3);
    serve(&fake);
    in_state(b, SUT_STATE_UNREADY);
    in_state(&web.place, SUT_STATE_WAITING);
    plan_is(a, SUT_END_PANIC, "service_panic(a restarting) +web +a +x +y +c");
    plan_is(b, SUT_END_PANIC, "!a service_panic(b) escalate(root)");
    ready_body(&fake, b);
    run(&fake);
    free_all();
}

TEST(what_stops_ends_and_is_no_stop_of_the_plan) {
    b->script = y->script = STUBBORN;
    serve(&fake);
    stop_body(&fake, b, SUT_AFTER_RESTART);
    stop_service(&fake, &web.place.service, SUT_AFTER_KEEP);
    run(&fake);
    in_state(y, SUT_STATE_STOPPING);
    plan_is(a, SUT_END_PANIC, "service_panic(a restarting) !x +a +b");
    plan_is(b, SUT_END_PANIC, "service_panic(b stopping) !x +b");
    plan_is(&web.place, SUT_END_PANIC, "!x +b");
    free_all();
}

TEST(what_is_being_killed_ends_and_what_is_abandoned_stays) {
    b->script = c->script = STUBBORN;
    b->service.kill = false;
    options_of(c);
    c->service.shutdown = SUT_SHUTDOWN_TIME;
    c->service.options->shutdown_ms = 20000;
    serve(&fake);
    stop_body(&fake, b, SUT_AFTER_RESTART);
    stop_body(&fake, c, SUT_AFTER_RESTART);
    pass(&fake, SECONDS(11));
    in_state(b, SUT_STATE_ABANDONED);
    reserve(&fake);
    sut_service_kill(&c->service);
    in_state(c, SUT_STATE_KILLING);
    plan_is(a, SUT_END_PANIC, "service_panic(a restarting) +a +c");
    plan_is(b, SUT_END_PANIC, "service_panic(b stopping) +b +c");
    plan_is(c, SUT_END_PANIC, "service_panic(c stopping) +c");
    settle(&fake);
    b->script = c->script = OBEY;
    stop_sup(&fake, root);
    end_body(&fake, b, SUT_END_CANCELED);
    free_all();
}

TEST(what_an_error_was_raised_in_gives_in) {
    b->script = BUSY;
    fake.tree.grace_ns = SECONDS(2);
    options_of(b);
    b->service.shutdown = SUT_SHUTDOWN_TIME;
    b->service.options->shutdown_ms = 3000;
    serve(&fake);
    reserve(&fake);
    sut_service_stop(&b->service, SUT_AFTER_RESTART);
    pass(&fake, SECONDS(3));
    in_state(b, SUT_STATE_DYING);
    plan_is(a, SUT_END_PANIC, "service_panic(a restarting) +a +b");
    b->script = OBEY;
    run(&fake);
    free_all();
}

TEST(delays_that_nobody_has_said_yet_are_taken_as_they_are) {
    root->policy.threshold = 1.5;
    options_of(a);
    a->service.backs_off = true;
    serve(&fake);
    feed_end(&fake, a, SUT_END_PANIC);
    feed_end(&fake, b, SUT_END_PANIC);
    assert_non_null(fake.tree.events.first);
    plan_is(x, SUT_END_PANIC, "service_panic(x restarting) +x @15 resume(root) +b +a");
    reserve(&fake);
    sut_service_stop(&a->service, SUT_AFTER_FORGET);
    plan_is(x, SUT_END_PANIC, "service_panic(x restarting) +x @15 resume(root) +b");
    settle(&fake);
    free_all();
}

TEST(supervisors_that_need_attention_get_it) {
    serve(&fake);
    reserve(&fake);
    sut_service_stop(&web.place.service, SUT_AFTER_RESTART);
    plan_is(a, SUT_END_PANIC, "!y service_panic(a restarting) +a !x +web +x +y");
    plan_is(x, SUT_END_PANIC, "!y service_panic(x restarting) +x !x +web +x +y");
    plan_is(&web.place, SUT_END_PANIC, "!y !x +web +x +y");
    run(&fake);
    free_all();
}

TEST(a_stop_of_all_together_and_one_by_force_go_on) {
    web.sup.stop_order = SUT_STOP_PARALLEL;
    y->script = SHIELDED;
    serve(&fake);
    stop_service(&fake, &web.place.service, SUT_AFTER_KEEP);
    run(&fake);
    plan_is(a, SUT_END_PANIC, "service_panic(a restarting) +a");
    reserve(&fake);
    sut_supervisor_hurry(&web.sup, SUT_HURRY_QUIETLY);
    plan_is(a, SUT_END_PANIC, "service_panic(a restarting) +a");
    settle(&fake);
    stop_service(&fake, &web.place.service, SUT_AFTER_RESTART);
    run(&fake);
    web.place.service.shutdown = SUT_SHUTDOWN_KILL;
    reserve(&fake);
    sut_service_stop(&web.place.service, SUT_AFTER_KEEP);
    in_state(&web.place, SUT_STATE_KILLING);
    plan_is(a, SUT_END_PANIC, "!y !x service_panic(a restarting) +a");
    settle(&fake);
    free_all();
}

/* ---- which tree ---- */

TEST(another_tree_of_the_runtime_is_not_in_the_plan) {
    struct team other, below;
    sut_supervisor_init(&other.sup, &fake.tree);
    struct body *z = add_body(&fake, &other.sup, "z");
    add_team(&fake, &other.sup, &below, "below");
    serve(&fake);
    reserve(&fake);
    sut_supervisor_begin(&other.sup);
    root->policy.threshold = other.sup.policy.threshold = 0.5;
    feed_end(&fake, z, SUT_END_PANIC);
    sut_supervisor_ask(&other.sup, SUT_ATTEND_STOP);
    sut_supervisor_ask(&below.sup, SUT_ATTEND_STOP);
    plan_is(a, SUT_END_PANIC, "backoff(root 15 s) service_panic(a queued) @15 resume(root) +a");
    settle(&fake);
    free_sup(&fake, &below.sup);
    free_sup(&fake, &other.sup);
    free_all();
}

TEST(what_another_tree_waits_for_is_not_in_the_plan) {
    struct team other;
    sut_supervisor_init(&other.sup, &fake.tree);
    struct body *delayed = add_body(&fake, &other.sup, "delayed");
    struct body *queued = add_body(&fake, &other.sup, "queued");
    options_of(delayed);
    delayed->service.backs_off = true;
    other.sup.policy.threshold = 1.5;
    serve(&fake);
    reserve(&fake);
    sut_supervisor_begin(&other.sup);
    run(&fake);
    end_body(&fake, delayed, SUT_END_PANIC);
    end_body(&fake, queued, SUT_END_PANIC);
    in_state(delayed, SUT_STATE_BACKING_OFF);
    in_state(queued, SUT_STATE_QUEUED);
    plan_is(a, SUT_END_PANIC, "service_panic(a restarting) +a");
    stop_sup(&fake, &other.sup);
    free_sup(&fake, &other.sup);
    free_all();
}

TEST(siblings_that_a_child_starts_after_are_found_by_their_ids) {
    stop_body(&fake, c, SUT_AFTER_FORGET);
    struct body *d = new_body("d");
    start_after(d, a);
    add_new(&fake, root, d);
    root->strategy = SUT_STRATEGY_REST_FOR_ONE;
    serve(&fake);
    plan_is(a, SUT_END_PANIC, "!d service_panic(a restarting) +a +d");
    plan_is(b, SUT_END_PANIC, "service_panic(b restarting) +b");
    free_all();
}

TEST(a_service_that_does_not_live_has_no_plan) {
    struct sut_plan plan;
    assert_int_equal(SUT_ENOTRUNNING, sut_plan_make(&plan, &a->service, SUT_END_PANIC, 0));
    assert_null(plan.steps);
    root->policy.threshold = 0.5;
    serve(&fake);
    end_body(&fake, a, SUT_END_PANIC);
    in_state(a, SUT_STATE_QUEUED);
    assert_int_equal(SUT_ENOTRUNNING, sut_plan_make(&plan, &a->service, SUT_END_PANIC, 0));
    sut_plan_free(&plan);
    free_all();
}

/* ---- how large ---- */

TEST(a_tree_of_a_thousand_levels_is_no_deeper_than_another) {
    enum { LEVELS = 1000 };
    struct team *chain = calloc(LEVELS, sizeof *chain);
    struct sut_supervisor *sup = root;
    struct sut_plan plan;
    assert_non_null(chain);
    for (int i = 0; i < LEVELS; sup = &chain[i++].sup)
        add_team(&fake, sup, &chain[i], "s");
    struct body *z = add_body(&fake, sup, "z");
    serve(&fake);
    remember_tree(root);
    assert_int_equal(SUT_OK, sut_plan_make(&plan, &z->service, SUT_END_TERMINATE_TREE, 0));
    assert_string_equal("!c !web !y !x !b !a", text_of(&plan));
    sut_plan_free(&plan);
    root->strategy = SUT_STRATEGY_ONE_FOR_ALL;
    assert_int_equal(SUT_OK, sut_plan_make(&plan, &a->service, SUT_END_PANIC, 0));
    assert_int_equal(LEVELS + 6 + 1 + LEVELS + 7, plan.count);
    sut_plan_free(&plan);
    root->strategy = SUT_STRATEGY_ONE_FOR_ONE;
    check_unchanged();
    stop_sup(&fake, root);
    pass(&fake, SECONDS(100));
    for (int i = LEVELS - 1; i >= 0; i--)
        free_sup(&fake, &chain[i].sup);
    free_all();
    free(chain);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_restart_of_one_alone, setup),
        cmocka_unit_test_setup(a_group_stops_in_reverse_and_starts_in_order, setup),
        cmocka_unit_test_setup(all_are_asked_in_order_in_a_parallel_stop_supervisors_too, setup),
        cmocka_unit_test_setup(a_pause_ends_in_its_time, setup),
        cmocka_unit_test_setup(a_delay_of_its_own_is_one_step_further, setup),
        cmocka_unit_test_setup(deadlines_of_one_time_come_in_the_order_of_arming, setup),
        cmocka_unit_test_setup(a_window_counts_in_a_ring_of_its_own, setup),
        cmocka_unit_test_setup(the_end_of_the_root_ends_all, setup),
        cmocka_unit_test_setup(a_child_supervisor_ends_after_what_is_below_it, setup),
        cmocka_unit_test_setup(temporary_ones_come_back_with_the_next_life_if_they_are_of_the_spec,
                               setup),
        cmocka_unit_test_setup(what_is_to_start_starts_and_a_start_that_is_taken_back_is_a_stop,
                               setup),
        cmocka_unit_test_setup(a_start_in_the_plan_that_is_taken_back_in_its_round_is_no_step,
                               setup),
        cmocka_unit_test_setup(what_has_begun_is_ready_at_once, setup),
        cmocka_unit_test_setup(what_stops_ends_and_is_no_stop_of_the_plan, setup),
        cmocka_unit_test_setup(what_is_being_killed_ends_and_what_is_abandoned_stays, setup),
        cmocka_unit_test_setup(what_an_error_was_raised_in_gives_in, setup),
        cmocka_unit_test_setup(delays_that_nobody_has_said_yet_are_taken_as_they_are, setup),
        cmocka_unit_test_setup(supervisors_that_need_attention_get_it, setup),
        cmocka_unit_test_setup(a_stop_of_all_together_and_one_by_force_go_on, setup),
        cmocka_unit_test_setup(another_tree_of_the_runtime_is_not_in_the_plan, setup),
        cmocka_unit_test_setup(what_another_tree_waits_for_is_not_in_the_plan, setup),
        cmocka_unit_test_setup(siblings_that_a_child_starts_after_are_found_by_their_ids, setup),
        cmocka_unit_test_setup(a_service_that_does_not_live_has_no_plan, setup),
        cmocka_unit_test_setup(a_tree_of_a_thousand_levels_is_no_deeper_than_another, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
