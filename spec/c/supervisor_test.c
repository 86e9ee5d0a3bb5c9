/* SPDX-License-Identifier: MIT
 *
 * Failures of siblings: the score, the pause and its queue, and what ends a whole supervisor.
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
    return 0;
}

/* Ends the body and gives its next run, if there is one, its first turn. */
static void fall(struct body *body) {
    end_body(&fake, body, SUT_END_ERROR);
    run(&fake);
}

static void fall_after(struct body *body, int64_t span_ns) {
    pass(&fake, span_ns);
    fall(body);
}

/* ---- score and pause ---- */

TEST(the_score_halves_every_half_life) {
    serve(&fake);
    fall(a);
    fall(b);
    said(&fake, "0 root/a service_terminate 1 restarting\n"
                "0 root/b service_terminate 2 restarting\n");
    pass(&fake, SECONDS(30));
    assert_float_equal(1, sut_supervisor_score(root), 1e-9);
    fall(a);
    said(&fake, "30 root/a service_terminate 2 restarting\n");
    assert_int_equal(2, a->service.failures);
    stop_and_free(&fake);
}

TEST(at_the_threshold_it_restarts_and_over_it_it_pauses) {
    root->policy.threshold = 2;
    serve(&fake);
    fall(a);
    fall(a);
    assert_string_equal("normal", sut_supervisor_state_name(root));
    fall(a);
    assert_string_equal("paused", sut_supervisor_state_name(root));
    said(&fake, "0 root/a service_terminate 1 restarting\n"
                "0 root/a service_terminate 2 restarting\n"
                "0 root backoff 3\n"
                "0 root/a service_terminate 3\n");
    assert_int_equal(SUT_STATE_RUNNING, b->service.state);
    pass(&fake, SECONDS(14));
    said(&fake, "");
    pass(&fake, SECONDS(1));
    said(&fake, "15 root resume 0\n");
    assert_int_equal(SUT_STATE_RUNNING, a->service.state);
    fall(a);
    said(&fake, "15 root/a service_terminate 1 restarting\n");
    stop_and_free(&fake);
}

TEST(in_one_failure_the_backoff_comes_before_the_event_of_the_end) {
    root->policy.threshold = 0.5;
    talk(root);
    serve(&fake);
    fake.logged = 0;
    end_body(&fake, a, SUT_END_PANIC);
    said(&fake, "0 root backoff 1\n"
                "0 root/a service_panic 1\n"
                "0 root/a service_stop\n");
    stop_and_free(&fake);
}

TEST(a_restart_is_in_the_run_queue_before_its_event_is_delivered) {
    serve(&fake);
    feed_end(&fake, a, SUT_END_PLAIN);
    assert_int_equal(SUT_STATE_STARTING, a->service.state);
    assert_false(sut_list_empty(&a->ready));
    assert_non_null(fake.tree.events.first);
    stop_and_free(&fake);
}

TEST(another_failure_over_the_threshold_arms_the_pause_again) {
    root->policy.threshold = 0.5;
    serve(&fake);
    fall(a);
    pass(&fake, SECONDS(10));
    feed_end(&fake, b, SUT_END_ERROR);
    assert_int_equal(0, fake.deadlines.count);
    settle(&fake);
    pass(&fake, SECONDS(14));
    said(&fake, "0 root backoff 1\n"
                "0 root/a service_terminate 1\n"
                "10 root backoff 1.79\n"
                "10 root/b service_terminate 1.79\n");
    pass(&fake, SECONDS(1));
    said(&fake, "25 root resume 0\n");
    assert_int_equal(0, fake.deadlines.count);
    stop_and_free(&fake);
}

TEST(a_failure_under_the_threshold_only_queues_while_paused) {
    root->policy.threshold = 1.5;
    root->policy.decay_s = 1;
    serve(&fake);
    fall(a);
    fall(a);
    fall_after(b, SECONDS(5));
    said(&fake, "0 root/a service_terminate 1 restarting\n"
                "0 root backoff 2\n"
                "0 root/a service_terminate 2\n"
                "5 root/b service_terminate 1.06\n");
    assert_string_equal("queued", sut_service_state_name(&b->service));
    pass(&fake, SECONDS(10));
    said(&fake, "15 root resume 0\n");
    assert_int_equal(2, b->starts);
    stop_and_free(&fake);
}

TEST(the_queue_restarts_in_the_order_of_failing) {
    root->policy.threshold = 0.5;
    serve(&fake);
    fall(b);
    fall(a);
    reserve(&fake);
    expire(&fake, sut_deadline_first(&fake.deadlines));
    assert_ptr_equal(fake.ready.next, &b->ready);
    assert_ptr_equal(fake.ready.prev, &a->ready);
    stop_and_free(&fake);
}

TEST(a_pause_of_no_time_ends_on_the_next_turn_after_the_events) {
    root->policy.threshold = 0;
    root->backoff_ns = 0;
    serve(&fake);
    fall(a);
    assert_string_equal("paused", sut_supervisor_state_name(root));
    said(&fake, "0 root backoff 1\n"
                "0 root/a service_terminate 1\n");
    pass(&fake, 0);
    said(&fake, "0 root resume 0\n");
    assert_int_equal(SUT_STATE_RUNNING, a->service.state);
    stop_and_free(&fake);
}

/* ---- spacing ---- */

TEST(spaced_restarts_come_one_at_a_time) {
    struct body *c = add_body(&fake, root, "c");
    root->policy.threshold = 0.5;
    root->spacing_ns = SECONDS(2);
    serve(&fake);
    fall(a);
    fall(b);
    fall(c);
    pass(&fake, SECONDS(15));
    assert_int_equal(4, a->starts + b->starts + c->starts);
    pass(&fake, SECONDS(2));
    assert_int_equal(5, a->starts + b->starts + c->starts);
    pass(&fake, SECONDS(2));
    assert_int_equal(2, c->starts);
    assert_int_equal(0, fake.deadlines.count);
    stop_and_free(&fake);
}

TEST(a_pause_between_spaced_restarts_keeps_the_queue_in_order) {
    root->policy.threshold = 0.5;
    root->spacing_ns = SECONDS(2);
    serve(&fake);
    fall(a);
    fall(b);
    pass(&fake, SECONDS(15));
    fall(a);
    assert_int_equal(1, fake.deadlines.count);
    pass(&fake, SECONDS(14));
    assert_int_equal(1, b->starts);
    pass(&fake, SECONDS(1));
    assert_int_equal(2, b->starts);
    assert_int_equal(2, a->starts);
    pass(&fake, SECONDS(2));
    assert_int_equal(3, a->starts);
    stop_and_free(&fake);
}

TEST(nothing_waits_for_a_spaced_restart_that_was_called_off) {
    root->policy.threshold = 0.5;
    root->spacing_ns = SECONDS(2);
    serve(&fake);
    fall(a);
    fall(b);
    pass(&fake, SECONDS(15));
    assert_int_equal(1, fake.deadlines.count);
    stop_body(&fake, b, SUT_AFTER_FORGET);
    assert_int_equal(0, fake.deadlines.count);
    stop_and_free(&fake);
}

/* ---- ends that are not failures ---- */

TEST(do_not_restart_forgets_the_service_and_leaves_its_siblings_alone) {
    serve(&fake);
    fall(a);
    fake.logged = 0;
    end_body(&fake, a, SUT_END_DO_NOT_RESTART);
    said(&fake, "");
    assert_int_equal(1, fake.released);
    assert_int_equal(1, root->child_count);
    assert_int_equal(SUT_STATE_RUNNING, b->service.state);
    assert_float_equal(1, sut_supervisor_score(root), 0);
    stop_and_free(&fake);
}

TEST(terminate_tree_stops_the_siblings_and_is_how_it_ends) {
    serve(&fake);
    end_body(&fake, a, SUT_END_TERMINATE_TREE);
    assert_string_equal("stopping", sut_supervisor_state_name(root));
    assert_ptr_equal(&a->service, fake.reason);
    run(&fake);
    said(&fake, "");
    assert_string_equal("terminated", sut_supervisor_state_name(root));
    assert_int_equal(SUT_END_TERMINATE_TREE, sut_supervisor_end(root));
    assert_int_equal(1, fake.finished);
    serve(&fake);
    stop_sup(&fake, root);
    run(&fake);
    assert_int_equal(SUT_END_CANCELED, sut_supervisor_end(root));
    fake_free(&fake);
}

TEST(a_passed_panic_is_told_and_then_ends_the_supervisor) {
    root->pass_through_panics = true;
    serve(&fake);
    end_body(&fake, b, SUT_END_ERROR);
    end_body(&fake, a, SUT_END_PANIC);
    run(&fake);
    said(&fake, "0 root/b service_terminate 1 restarting\n"
                "0 root/a service_panic 1\n");
    assert_int_equal(SUT_END_PANIC, sut_supervisor_end(root));
    assert_ptr_equal(&a->service, fake.reason);
    fake_free(&fake);
}

TEST(the_first_reason_to_end_is_the_reason) {
    root->pass_through_panics = true;
    serve(&fake);
    feed_end(&fake, a, SUT_END_TERMINATE_TREE);
    feed_end(&fake, b, SUT_END_PANIC);
    settle(&fake);
    assert_int_equal(SUT_END_TERMINATE_TREE, sut_supervisor_end(root));
    assert_ptr_equal(&a->service, fake.reason);
    fake_free(&fake);
}

/* ---- adding and starting on purpose ---- */

TEST(adding_starts_while_it_runs_or_pauses_and_is_refused_after) {
    struct body late;
    root->policy.threshold = 0.5;
    serve(&fake);
    fall(a);
    struct body *c = add_body(&fake, root, "c");
    assert_int_equal(SUT_STATE_STARTING, c->service.state);
    run(&fake);
    assert_int_equal(SUT_STATE_RUNNING, c->service.state);
    c->script = STUBBORN;
    stop_sup(&fake, root);
    body_init(&late, "late");
    assert_int_equal(SUT_ENOTRUNNING, sut_supervisor_add(root, &late.service));
    pass(&fake, SECONDS(10));
    assert_string_equal("terminated", sut_supervisor_state_name(root));
    assert_int_equal(SUT_ENOTRUNNING, sut_supervisor_add(root, &late.service));
    assert_int_equal(3, root->child_count);
    fake_free(&fake);
}

TEST(a_restart_on_purpose_counts_no_failure) {
    serve(&fake);
    stop_body(&fake, a, SUT_AFTER_RESTART);
    run(&fake);
    said(&fake, "");
    assert_int_equal(2, a->service.run);
    assert_int_equal(0, a->service.failures);
    assert_float_equal(0, sut_supervisor_score(root), 0);
    assert_ptr_equal(&a->service.sibling, root->children.next);
    stop_and_free(&fake);
}

TEST(siblings_first_run_in_the_order_of_adding) {
    begin_tree(&fake);
    struct body *c = add_body(&fake, root, "c");
    assert_ptr_equal(fake.ready.next, &a->ready);
    assert_ptr_equal(a->ready.next, &b->ready);
    assert_ptr_equal(b->ready.next, &c->ready);
    stop_and_free(&fake);
}

TEST(a_second_life_starts_what_was_kept_with_a_clean_slate) {
    root->policy.threshold = 1.5;
    struct body *c = add_body(&fake, root, "c");
    serve(&fake);
    struct sut_id id = sut_service_id(&a->service);
    end_body(&fake, c, SUT_END_DO_NOT_RESTART);
    fall(a);
    fall(a);
    stop_sup(&fake, root);
    run(&fake);
    assert_string_equal("terminated", sut_supervisor_state_name(root));
    assert_int_equal(0, fake.deadlines.count);
    stop_body(&fake, b, SUT_AFTER_FORGET);
    fake.logged = 0;
    serve(&fake);
    assert_string_equal("normal", sut_supervisor_state_name(root));
    assert_float_equal(0, sut_supervisor_score(root), 0);
    assert_ptr_equal(&a->service, sut_tree_find(&fake.tree, id));
    assert_int_equal(SUT_STATE_RUNNING, a->service.state);
    assert_int_equal(1, root->living);
    fall(a);
    said(&fake, "0 root/a service_terminate 1 restarting\n");
    stop_and_free(&fake);
}

TEST(a_second_life_waits_for_what_still_lives_and_forgets_what_was_removed) {
    a->script = b->script = STUBBORN;
    a->service.kill = b->service.kill = false;
    serve(&fake);
    stop_body(&fake, a, SUT_AFTER_FORGET);
    stop_sup(&fake, root);
    pass(&fake, SECONDS(20));
    assert_string_equal("terminated", sut_supervisor_state_name(root));
    serve(&fake);
    assert_int_equal(1, b->starts);
    end_body(&fake, b, SUT_END_PLAIN);
    assert_int_equal(2, b->starts);
    end_body(&fake, a, SUT_END_PLAIN);
    assert_int_equal(1, fake.released);
    run(&fake);
    b->script = OBEY;
    stop_and_free(&fake);
}

/* ---- hooks ---- */

static void stop_from_hook(struct fake *from, const struct sut_event *event) {
    if (event->type != SUT_EVENT_BACKOFF) return;
    reserve(from);
    sut_supervisor_stop(event->supervisor);
}

TEST(a_hook_may_stop_the_supervisor_of_its_event) {
    root->policy.threshold = 0.5;
    fake.hook = stop_from_hook;
    serve(&fake);
    fall(a);
    assert_string_equal("terminated", sut_supervisor_state_name(root));
    assert_int_equal(0, fake.deadlines.count);
    said(&fake, "0 root backoff 1\n"
                "0 root/a service_terminate 1\n");
    fake_free(&fake);
}

TEST(a_supervisor_may_have_another_place_before_it_is_told_that_it_left_its_first) {
    struct team web;
    struct body *other = new_body("other");
    add_team(&fake, root, &web, "web");
    reserve(&fake);
    sut_service_stop(&web.place.service, SUT_AFTER_FORGET);
    options_of(other)->child = &web.sup;
    assert_int_equal(SUT_OK, sut_supervisor_add(root, &other->service));
    sut_supervisor_gone(&web.place.service);
    assert_ptr_equal(&other->service, web.sup.place);
    settle(&fake);
    free_sup(&fake, &web.sup);
    serve(&fake);
    stop_and_free(&fake);
}

TEST(the_end_of_one_supervisors_memory_leaves_what_another_has_let_go) {
    struct team web;
    struct sut_list released;
    add_team(&fake, root, &web, "web");
    reserve(&fake);
    sut_service_stop(&a->service, SUT_AFTER_FORGET);
    sut_list_init(&released);
    sut_supervisor_dissolve(&web.sup, &released);
    assert_true(sut_list_empty(&released));
    settle(&fake);
    assert_int_equal(1, fake.released);
    serve(&fake);
    stop_and_free(&fake);
}

TEST(the_end_of_a_supervisors_memory_frees_the_ids_of_all_in_it) {
    uint32_t used = fake.tree.slots.used;
    for (int round = 0; round < 3; round++) {
        struct sut_supervisor sup;
        sut_supervisor_init(&sup, &fake.tree);
        add_body(&fake, &sup, "x");
        add_body(&fake, &sup, "y");
        free_sup(&fake, &sup);
    }
    assert_int_equal(used + 2, fake.tree.slots.used);
    serve(&fake);
    stop_and_free(&fake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_score_halves_every_half_life, setup),
        cmocka_unit_test_setup(at_the_threshold_it_restarts_and_over_it_it_pauses, setup),
        cmocka_unit_test_setup(in_one_failure_the_backoff_comes_before_the_event_of_the_end, setup),
        cmocka_unit_test_setup(a_restart_is_in_the_run_queue_before_its_event_is_delivered, setup),
        cmocka_unit_test_setup(another_failure_over_the_threshold_arms_the_pause_again, setup),
        cmocka_unit_test_setup(a_failure_under_the_threshold_only_queues_while_paused, setup),
        cmocka_unit_test_setup(the_queue_restarts_in_the_order_of_failing, setup),
        cmocka_unit_test_setup(a_pause_of_no_time_ends_on_the_next_turn_after_the_events, setup),
        cmocka_unit_test_setup(spaced_restarts_come_one_at_a_time, setup),
        cmocka_unit_test_setup(a_pause_between_spaced_restarts_keeps_the_queue_in_order, setup),
        cmocka_unit_test_setup(nothing_waits_for_a_spaced_restart_that_was_called_off, setup),
        cmocka_unit_test_setup(do_not_restart_forgets_the_service_and_leaves_its_siblings_alone,
                               setup),
        cmocka_unit_test_setup(terminate_tree_stops_the_siblings_and_is_how_it_ends, setup),
        cmocka_unit_test_setup(a_passed_panic_is_told_and_then_ends_the_supervisor, setup),
        cmocka_unit_test_setup(the_first_reason_to_end_is_the_reason, setup),
        cmocka_unit_test_setup(adding_starts_while_it_runs_or_pauses_and_is_refused_after, setup),
        cmocka_unit_test_setup(a_restart_on_purpose_counts_no_failure, setup),
        cmocka_unit_test_setup(siblings_first_run_in_the_order_of_adding, setup),
        cmocka_unit_test_setup(a_second_life_starts_what_was_kept_with_a_clean_slate, setup),
        cmocka_unit_test_setup(
            a_second_life_waits_for_what_still_lives_and_forgets_what_was_removed, setup),
        cmocka_unit_test_setup(a_hook_may_stop_the_supervisor_of_its_event, setup),
        cmocka_unit_test_setup(
            a_supervisor_may_have_another_place_before_it_is_told_that_it_left_its_first, setup),
        cmocka_unit_test_setup(the_end_of_a_supervisors_memory_frees_the_ids_of_all_in_it, setup),
        cmocka_unit_test_setup(the_end_of_one_supervisors_memory_leaves_what_another_has_let_go,
                               setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
