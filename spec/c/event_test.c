/* SPDX-License-Identifier: MIT
 *
 * The queue of events: reserved before a step, numbered without gaps, given back to a pool.
 */
#include "../support/fake_host.h"

static struct sut_events events;
static int budget; /* allocations that still succeed; negative: all of them */

static void *scarce(void *block, size_t size) {
    if (size == 0) {
        free(block);
        return NULL;
    }
    if (budget == 0) return NULL;
    budget--;
    return realloc(block, size);
}

static int setup(void **unused) {
    (void)unused;
    memset(&events, 0, sizeof events);
    budget = -1;
    sut_alloc_replace(scarce);
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    sut_events_free(&events);
    assert_int_equal(0, events.free_count);
    assert_null(events.first);
    sut_alloc_replace(NULL);
    return 0;
}

static uint32_t drain(void) {
    uint32_t count = 0;
    for (; events.first; count++)
        sut_events_done(&events);
    return count;
}

TEST(a_reservation_is_enough_for_as_many_events) {
    assert_int_equal(0, sut_events_reserve(&events, 3));
    assert_int_equal(3, events.free_count);
    budget = 0;
    for (int i = 0; i < 3; i++)
        assert_non_null(sut_events_emit(&events, SUT_EVENT_BACKOFF));
    assert_int_equal(0, events.free_count);
    assert_int_equal(3, drain());
    assert_int_equal(3, events.free_count);
}

TEST(a_reservation_counts_what_is_free_already) {
    assert_int_equal(0, sut_events_reserve(&events, 3));
    budget = 0;
    assert_int_equal(0, sut_events_reserve(&events, 3));
    assert_int_equal(3, events.free_count);
}

TEST(a_failed_reservation_loses_nothing) {
    assert_int_equal(0, sut_events_reserve(&events, 1));
    sut_events_emit(&events, SUT_EVENT_RESUME);
    budget = 2;
    assert_int_equal(-1, sut_events_reserve(&events, 4));
    assert_int_equal(2, events.free_count);
    assert_int_equal(1, drain());
    budget = -1;
    assert_int_equal(0, sut_events_reserve(&events, 4));
}

TEST(events_come_in_order_with_numbers_without_gaps) {
    for (uint64_t seq = 1; seq <= 100; seq++) {
        assert_int_equal(0, sut_events_reserve(&events, 1));
        assert_int_equal(seq, sut_events_emit(&events, SUT_EVENT_RESUME)->seq);
        if (seq % 3 == 0) sut_events_done(&events);
    }
    assert_int_equal(34, events.first->seq);
    for (uint64_t seq = 34; events.first; seq++) {
        assert_int_equal(seq, events.first->seq);
        sut_events_done(&events);
    }
    assert_null(events.last);
    assert_int_equal(100, events.last_seq);
}

TEST(a_record_from_the_pool_is_blank) {
    assert_int_equal(0, sut_events_reserve(&events, 1));
    struct sut_event *event = sut_events_emit(&events, SUT_EVENT_STOP_TIMEOUT);
    event->killed = true;
    event->score = 3;
    event->detail.ref = 7;
    sut_events_done(&events);
    assert_ptr_equal(event, sut_events_emit(&events, SUT_EVENT_BACKOFF));
    assert_int_equal(SUT_EVENT_BACKOFF, event->type);
    assert_false(event->killed);
    assert_float_equal(0, event->score, 0);
    assert_int_equal(0, event->detail.ref);
    assert_null(event->next);
}

TEST(the_pool_does_not_keep_a_burst_for_ever) {
    assert_int_equal(0, sut_events_reserve(&events, 10000));
    for (int i = 0; i < 10000; i++)
        sut_events_emit(&events, SUT_EVENT_RESUME);
    assert_int_equal(10000, drain());
    assert_true(events.free_count < 100);
}

TEST(without_memory_for_events_a_tree_says_so_before_a_step) {
    struct fake fake;
    fake_init(&fake);
    budget = 0;
    assert_int_equal(-1, sut_tree_reserve(&fake.tree));
    budget = -1;
    assert_int_equal(0, sut_tree_reserve(&fake.tree));
    fake_free(&fake);
}

TEST(a_service_that_cannot_be_added_leaves_no_trace) {
    struct fake fake;
    struct body body;
    fake_init(&fake);
    body_init(&body, "a");
    reserve(&fake);
    for (int allowed = 0;; allowed++) {
        budget = allowed;
        int result = sut_supervisor_add(&fake.root.sup, &body.service);
        budget = -1;
        if (result == SUT_OK) break;
        assert_int_equal(SUT_ENOMEM, result);
        assert_int_equal(0, fake.root.sup.child_count);
        assert_int_equal(0, fake.root.sup.names.count);
        assert_true(sut_list_empty(&fake.root.sup.children));
        assert_null(body.service.parent);
    }
    assert_int_equal(1, fake.root.sup.child_count);
    fake_free(&fake);
}

TEST(a_step_with_its_events_reserved_asks_for_no_memory) {
    struct fake fake;
    fake_init(&fake);
    talk(&fake.root.sup);
    fake.root.sup.policy.threshold = 0;
    struct body *body = add_body(&fake, &fake.root.sup, "a");
    serve(&fake);
    reserve(&fake);
    budget = 0;
    sut_service_ended(&body->service, SUT_END_PANIC, (struct sut_detail){0});
    budget = -1;
    settle(&fake);
    stop_and_free(&fake);
}

TEST(every_type_and_every_end_has_a_name) {
    for (int type = 0; type < SUT_EVENT_TYPES; type++)
        assert_non_null(sut_event_name((enum sut_event_type)type));
    for (int end = SUT_END_PLAIN; end <= SUT_END_CANCELED; end++)
        assert_non_null(sut_end_name((enum sut_end)end));
    assert_string_equal("service_panic", sut_event_name(SUT_EVENT_SERVICE_PANIC));
    assert_string_equal("supervisor_stop", sut_event_name(SUT_EVENT_SUPERVISOR_STOP));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_reservation_is_enough_for_as_many_events, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_reservation_counts_what_is_free_already, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_reservation_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(events_come_in_order_with_numbers_without_gaps, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_record_from_the_pool_is_blank, setup, teardown),
        cmocka_unit_test_setup_teardown(the_pool_does_not_keep_a_burst_for_ever, setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory_for_events_a_tree_says_so_before_a_step,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_service_that_cannot_be_added_leaves_no_trace, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_step_with_its_events_reserved_asks_for_no_memory, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(every_type_and_every_end_has_a_name, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
