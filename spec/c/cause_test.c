/* SPDX-License-Identifier: MIT
 *
 * Because of whom: which end or call a stop or a restart is traced back to.
 */
#include "../support/fake_check.h"

static struct fake fake;
static struct sut_supervisor *const root = &fake.root.sup;
static struct team team;
static struct body *a, *b, *c, *deep;

static const struct sut_id nobody = {0};

static int setup(void **unused) {
    (void)unused;
    fake_init(&fake);
    a = add_fixed(&fake, root, "a");
    b = add_fixed(&fake, root, "b");
    c = add_fixed(&fake, root, "c");
    add_team(&fake, root, &team, "team");
    deep = add_fixed(&fake, &team.sup, "deep");
    (void)options_of(a);
    (void)options_of(b);
    (void)options_of(c);
    (void)options_of(&team.place);
    root->policy.threshold = team.sup.policy.threshold = 100;
    root->strategy = SUT_STRATEGY_ONE_FOR_ALL;
    serve(&fake);
    return 0;
}

static void finish(void) {
    stop_sup(&fake, root);
    pass(&fake, SECONDS(100));
    free_sup(&fake, &team.sup);
    fake_free(&fake);
}

static const char *cause(const struct sut_service *service) {
    struct sut_service *by = sut_slot_find(&fake.tree.slots, sut_service_cause(service));
    return by ? sut_service_text(by) : "nobody";
}

#define blames(body, name) assert_string_equal(name, cause(&(body)->service))

static void request(struct body *body, enum sut_after after, struct body *by) {
    reserve(&fake);
    if (by) (void)options_of(body);
    sut_service_request(&body->service, after, by ? sut_service_id(&by->service) : nobody);
}

TEST(a_member_blames_who_failed_and_what_is_below_it_too) {
    c->script = deep->script = STUBBORN;
    end_body(&fake, b, SUT_END_ERROR);
    run(&fake);
    blames(b, "b");
    blames(deep, "b");
    assert_true(b->service.blamed);
    assert_false(c->service.blamed);
    end_body(&fake, deep, SUT_END_CANCELED);
    run(&fake);
    blames(c, "b");
    end_body(&fake, c, SUT_END_CANCELED);
    run(&fake);
    blames(deep, "b");
    deep->script = c->script = OBEY;
    finish();
}

TEST(a_members_failure_is_its_own_and_does_not_become_the_groups) {
    c->script = STUBBORN;
    end_body(&fake, b, SUT_END_ERROR);
    run(&fake);
    end_body(&fake, a, SUT_END_ERROR);
    blames(a, "a");
    blames(c, "b");
    end_body(&fake, c, SUT_END_CANCELED);
    run(&fake);
    blames(b, "b");
    blames(c, "b");
    c->script = OBEY;
    finish();
}

TEST(an_end_is_traced_to_the_leaf) {
    team.sup.policy.period_ns = SECONDS(5);
    team.sup.score.restarts_ns = calloc(1, sizeof(int64_t));
    a->script = STUBBORN;
    end_body(&fake, deep, SUT_END_PANIC);
    run(&fake);
    blames(&team.place, "deep");
    blames(a, "deep");
    assert_int_equal(sut_service_id(&deep->service).value, team.sup.ended_by.value);
    end_body(&fake, a, SUT_END_CANCELED);
    run(&fake);
    blames(deep, "deep");
    assert_int_equal(0, team.sup.ended_by.value);
    assert_int_equal(sut_service_id(&deep->service).value, team.sup.began_by.value);
    a->script = OBEY;
    free(team.sup.score.restarts_ns);
    team.sup.score.restarts_ns = NULL;
    team.sup.policy.period_ns = 0;
    finish();
}

TEST(a_stop_from_above_blames_nobody_unless_somebody_asked) {
    a->script = deep->script = STUBBORN;
    reserve(&fake);
    (void)options_of(&team.place);
    sut_supervisor_request_stop(&team.sup, sut_service_id(&a->service));
    settle(&fake);
    blames(deep, "a");
    stop_sup(&fake, root);
    blames(deep, "a");
    end_body(&fake, deep, SUT_END_CANCELED);
    run(&fake);
    blames(a, "nobody");
    a->script = OBEY;
    end_body(&fake, a, SUT_END_CANCELED);
    finish();
}

TEST(a_call_is_heeded_when_it_changes_what_follows) {
    a->script = STUBBORN;
    request(a, SUT_AFTER_RESTART, b);
    blames(a, "b");
    request(a, SUT_AFTER_RESTART, c);
    blames(a, "b");
    request(a, SUT_AFTER_FORGET, c);
    blames(a, "c");
    request(a, SUT_AFTER_RESTART, b);
    blames(a, "c");
    end_body(&fake, a, SUT_END_CANCELED);
    finish();
}

TEST(of_calls_on_one_that_retires_only_a_removal_is_heeded) {
    a->script = STUBBORN;
    request(a, SUT_AFTER_RETIRE, b);
    blames(a, "b");
    request(a, SUT_AFTER_RESTART, c);
    blames(a, "b");
    request(a, SUT_AFTER_KEEP, c);
    blames(a, "b");
    request(a, SUT_AFTER_FORGET, c);
    blames(a, "c");
    end_body(&fake, a, SUT_END_CANCELED);
    finish();
}

TEST(a_call_on_one_that_does_not_run_is_heeded_when_something_follows) {
    stop_body(&fake, a, SUT_AFTER_KEEP);
    run(&fake);
    assert_false(sut_service_heeds(&a->service, SUT_AFTER_KEEP));
    assert_true(sut_service_heeds(&a->service, SUT_AFTER_RESTART));
    request(a, SUT_AFTER_RESTART, NULL);
    settle(&fake);
    run(&fake);
    blames(a, "nobody");
    finish();
}

TEST(a_call_to_start_one_that_waits_for_its_group_changes_nothing) {
    a->script = STUBBORN;
    end_body(&fake, c, SUT_END_PANIC);
    run(&fake);
    in_state(c, SUT_STATE_WAITING);
    request(c, SUT_AFTER_RESTART, b);
    blames(c, "c");
    assert_true(sut_service_heeds(&c->service, SUT_AFTER_KEEP));
    assert_true(sut_service_heeds(&c->service, SUT_AFTER_FORGET));
    end_body(&fake, a, SUT_END_CANCELED);
    run(&fake);
    finish();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_member_blames_who_failed_and_what_is_below_it_too, setup),
        cmocka_unit_test_setup(a_members_failure_is_its_own_and_does_not_become_the_groups, setup),
        cmocka_unit_test_setup(an_end_is_traced_to_the_leaf, setup),
        cmocka_unit_test_setup(a_stop_from_above_blames_nobody_unless_somebody_asked, setup),
        cmocka_unit_test_setup(a_call_is_heeded_when_it_changes_what_follows, setup),
        cmocka_unit_test_setup(of_calls_on_one_that_retires_only_a_removal_is_heeded, setup),
        cmocka_unit_test_setup(a_call_on_one_that_does_not_run_is_heeded_when_something_follows,
                               setup),
        cmocka_unit_test_setup(a_call_to_start_one_that_waits_for_its_group_changes_nothing, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
