/* SPDX-License-Identifier: MIT
 *
 * The failure score, the window of restarts, and pauses in a row. The score's tables were computed
 * by Lua's `score * 0.5 ^ (elapsed / decay) + 1`, and the score must agree with them to the last
 * bit.
 */
#include "core/policy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SECOND_NS INT64_C(1000000000)

struct row {
    int64_t now_ns;
    double value;
};

/* cmocka's own comparison of floats has a tolerance. */
static void assert_same(double a, double b) { assert_true(a == b); }

static void assert_table(double decay_s, const struct row *rows, int count) {
    struct sut_policy policy = {.decay_s = decay_s, .threshold = HUGE_VAL};
    struct sut_score score = {0};
    for (int i = 0; i < count; i++) {
        sut_policy_fail(&policy, &score, false, rows[i].now_ns);
        assert_same(score.value, rows[i].value);
    }
}

static void the_first_failure_makes_the_score_one(void **state) {
    (void)state;
    struct sut_policy policy = {.decay_s = 30, .threshold = 5};
    struct sut_score score = {0};
    assert_same(sut_policy_score(&policy, &score, 99 * SECOND_NS), 0);
    assert_int_equal(sut_policy_fail(&policy, &score, false, 99 * SECOND_NS), SUT_VERDICT_RESTART);
    assert_same(score.value, 1);
}

static void a_half_life_of_thirty_seconds_agrees_with_lua_to_the_bit(void **state) {
    (void)state;
    static const struct row rows[] = {
        {INT64_C(0), 1},
        {INT64_C(1000000000), 0x1.fa2727db62aecp+0},
        {INT64_C(2500000000), 0x1.7474acd3a05ddp+1},
        {INT64_C(7300000000), 0x1.cd5b7467166c3p+1},
        {INT64_C(7300000000), 0x1.26adba338b362p+2},
        {INT64_C(40000000000), 0x1.94db7603a99b1p+1},
        {INT64_C(41000000001), 0x1.05ce1edb64db8p+2},
        {INT64_C(300700000000), 0x1.02984bd9a28acp+0},
    };
    assert_table(30, rows, sizeof rows / sizeof *rows);
}

static void a_half_life_below_a_second_agrees_with_lua_to_the_bit(void **state) {
    (void)state;
    static const struct row rows[] = {
        {INT64_C(0), 1},
        {INT64_C(1000000000), 0x1.5f1a87ca78b3ap+0},
        {INT64_C(2500000000), 0x1.4f802f073f17p+0},
        {INT64_C(7300000000), 0x1.02e4d87c67683p+0},
        {INT64_C(7300000000), 0x1.01726c3e33b42p+1},
        {INT64_C(40000000000), 0x1.000000000004ep+0},
        {INT64_C(41000000001), 0x1.5f1a87c8e43d8p+0},
        {INT64_C(300700000000), 1},
    };
    assert_table(0.7, rows, sizeof rows / sizeof *rows);
}

static void looking_at_the_score_decays_it_without_a_change(void **state) {
    (void)state;
    static const struct row rows[] = {
        {INT64_C(0), 1},
        {INT64_C(100000000), 0x1.fed1824b51373p-1},
        {INT64_C(2900000000), 0x1.ded163220b8b9p-1},
        {INT64_C(30000000000), 0.5},
        {INT64_C(31250000000), 0x1.f16ca2748c5b4p-2},
        {INT64_C(100000000000), 0x1.965fea53d6e3cp-4},
        {INT64_C(300000000000), 0x1p-10},
        {INT64_C(3000000000000), 0x1p-100},
    };
    struct sut_policy policy = {.decay_s = 30, .threshold = 5};
    struct sut_score score = {0};
    sut_policy_fail(&policy, &score, false, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_same(sut_policy_score(&policy, &score, rows[i].now_ns), rows[i].value);
    assert_same(score.value, 1);
    assert_int_equal(score.last_ns, 0);
}

static void a_score_at_the_threshold_does_not_pause_yet(void **state) {
    (void)state;
    struct sut_policy policy = {.decay_s = HUGE_VAL, .threshold = 3};
    struct sut_score score = {0};
    for (int i = 0; i < 3; i++)
        assert_int_equal(sut_policy_fail(&policy, &score, false, i), SUT_VERDICT_RESTART);
    assert_int_equal(sut_policy_fail(&policy, &score, false, 3), SUT_VERDICT_PAUSE);
    assert_same(score.value, 4);
}

static void a_threshold_below_one_pauses_at_the_first_failure(void **state) {
    (void)state;
    struct sut_policy policy = {.decay_s = 30, .threshold = 0.5};
    struct sut_score score = {0};
    assert_int_equal(sut_policy_fail(&policy, &score, false, 0), SUT_VERDICT_PAUSE);
}

static void an_infinite_threshold_never_pauses(void **state) {
    (void)state;
    struct sut_policy policy = {.decay_s = HUGE_VAL, .threshold = HUGE_VAL};
    struct sut_score score = {0};
    for (int i = 0; i < 1000; i++)
        assert_int_equal(sut_policy_fail(&policy, &score, false, 0), SUT_VERDICT_RESTART);
    assert_same(score.value, 1000);
}

static void an_infinite_decay_forgets_nothing(void **state) {
    (void)state;
    struct sut_policy policy = {.decay_s = HUGE_VAL, .threshold = 5};
    struct sut_score score = {0};
    sut_policy_fail(&policy, &score, false, 0);
    sut_policy_fail(&policy, &score, false, 1000000 * SECOND_NS);
    assert_same(score.value, 2);
    assert_same(sut_policy_score(&policy, &score, INT64_MAX), 2);
}

static void a_decay_of_zero_makes_the_score_one_even_at_the_same_instant(void **state) {
    (void)state;
    struct sut_policy policy = {.decay_s = 0, .threshold = 1};
    struct sut_score score = {0};
    for (int i = 0; i < 3; i++)
        assert_int_equal(sut_policy_fail(&policy, &score, false, 5), SUT_VERDICT_RESTART);
    assert_same(score.value, 1);
    assert_same(sut_policy_score(&policy, &score, 5), 1);
    assert_same(sut_policy_score(&policy, &score, 6), 0);
    sut_policy_fail(&policy, &score, false, 6);
    assert_same(score.value, 1);
}

static void after_a_pause_the_next_failure_makes_the_score_one(void **state) {
    (void)state;
    struct sut_policy policy = {.decay_s = 30, .threshold = 1};
    struct sut_score score = {0};
    sut_policy_fail(&policy, &score, false, 0);
    assert_int_equal(sut_policy_fail(&policy, &score, false, 0), SUT_VERDICT_PAUSE);
    sut_policy_resume(&score, 0);
    assert_same(sut_policy_score(&policy, &score, 15 * SECOND_NS), 0);
    assert_int_equal(sut_policy_fail(&policy, &score, false, 15 * SECOND_NS), SUT_VERDICT_RESTART);
    assert_same(score.value, 1);
}

/* ---- the window ---- */

/* Feeds failures at the times, in seconds; the last one escalates or not, all before it do not. */
static void assert_window(struct sut_policy *policy, struct sut_score *score, const double *at_s,
                          int count, enum sut_verdict last) {
    for (int i = 0; i < count; i++) {
        enum sut_verdict wanted = i + 1 < count ? SUT_VERDICT_RESTART : last;
        int64_t now_ns = (int64_t)(at_s[i] * 1e9);
        assert_int_equal(wanted, sut_policy_fail(policy, score, false, now_ns));
    }
}

static void the_restart_after_the_intensity_gives_up(void **state) {
    (void)state;
    int64_t ring[4];
    struct sut_policy policy = {.intensity = 3, .period_ns = 5 * SECOND_NS};
    struct sut_score score = {.restarts_ns = ring};
    assert_window(&policy, &score, (const double[]){0, 1, 2, 3}, 4, SUT_VERDICT_ESCALATE);
    assert_same(4, sut_policy_score(&policy, &score, 3 * SECOND_NS));
    assert_same(3, sut_policy_limit(&policy));
}

static void a_restart_exactly_as_old_as_the_period_still_counts(void **state) {
    (void)state;
    int64_t ring[3];
    struct sut_policy policy = {.intensity = 2, .period_ns = 5 * SECOND_NS};
    struct sut_score score = {.restarts_ns = ring};
    assert_window(&policy, &score, (const double[]){0, 1, 5}, 3, SUT_VERDICT_ESCALATE);
    sut_policy_reset(&score);
    assert_window(&policy, &score, (const double[]){0, 1, 5.000000001}, 3, SUT_VERDICT_RESTART);
}

static void an_intensity_of_zero_gives_up_at_once(void **state) {
    (void)state;
    int64_t ring[1];
    struct sut_policy policy = {.intensity = 0, .period_ns = 5 * SECOND_NS};
    struct sut_score score = {.restarts_ns = ring};
    for (int i = 0; i < 3; i++)
        assert_int_equal(SUT_VERDICT_ESCALATE, sut_policy_fail(&policy, &score, false, i));
}

static void the_window_slides_over_the_end_of_its_ring(void **state) {
    (void)state;
    int64_t ring[3];
    struct sut_policy policy = {.intensity = 2, .period_ns = 5 * SECOND_NS};
    struct sut_score score = {.restarts_ns = ring};
    for (int i = 0; i < 50; i++) /* two in each window, for long */
        assert_int_equal(SUT_VERDICT_RESTART,
                         sut_policy_fail(&policy, &score, false, i * 3 * SECOND_NS));
    assert_int_equal(SUT_VERDICT_ESCALATE,
                     sut_policy_fail(&policy, &score, false, 148 * SECOND_NS));
}

static void a_window_forgets_once_its_period_has_passed(void **state) {
    (void)state;
    int64_t ring[3];
    struct sut_policy policy = {.intensity = 2, .period_ns = 5 * SECOND_NS};
    struct sut_score score = {.restarts_ns = ring};
    assert_window(&policy, &score, (const double[]){0, 0, 6, 6}, 4, SUT_VERDICT_RESTART);
    assert_same(2, sut_policy_score(&policy, &score, 11 * SECOND_NS));
    assert_same(0, sut_policy_score(&policy, &score, 12 * SECOND_NS));
}

static void a_change_of_the_window_keeps_the_newest_restarts(void **state) {
    (void)state;
    int64_t wide[4], narrow[2], wider[6];
    struct sut_policy policy = {.intensity = 3, .period_ns = 100 * SECOND_NS};
    struct sut_policy less = {.intensity = 1, .period_ns = 5 * SECOND_NS};
    struct sut_policy more = {.intensity = 5, .period_ns = 5 * SECOND_NS};
    struct sut_score score = {.restarts_ns = wide};
    assert_window(&policy, &score, (const double[]){0, 4, 8}, 3, SUT_VERDICT_RESTART);
    assert_ptr_equal(wide, sut_policy_change(&policy, &score, &less, narrow, 8 * SECOND_NS));
    assert_same(2, sut_policy_score(&policy, &score, 9 * SECOND_NS));
    assert_same(1, sut_policy_score(&policy, &score, 10 * SECOND_NS));
    assert_ptr_equal(narrow, sut_policy_change(&policy, &score, &more, wider, 9 * SECOND_NS));
    assert_same(2, sut_policy_score(&policy, &score, 9 * SECOND_NS));
    assert_window(&policy, &score, (const double[]){9, 9, 9, 9}, 4, SUT_VERDICT_ESCALATE);
}

static void a_change_from_the_score_to_the_window_begins_with_none(void **state) {
    (void)state;
    int64_t ring[2];
    struct sut_policy policy = {.decay_s = HUGE_VAL, .threshold = 5};
    struct sut_policy window = {.intensity = 1, .period_ns = 5 * SECOND_NS};
    struct sut_policy score_again = policy;
    struct sut_score score = {0};
    (void)sut_policy_fail(&policy, &score, false, 0);
    (void)sut_policy_fail(&policy, &score, false, 0);
    assert_null(sut_policy_change(&policy, &score, &window, ring, 0));
    assert_window(&policy, &score, (const double[]){0, 0}, 2, SUT_VERDICT_ESCALATE);
    assert_ptr_equal(ring, sut_policy_change(&policy, &score, &score_again, NULL, 0));
    assert_null(score.restarts_ns);
    assert_same(0, sut_policy_score(&policy, &score, 0));
    assert_int_equal(SUT_VERDICT_RESTART, sut_policy_fail(&policy, &score, false, 0));
}

static void a_new_half_life_decays_from_the_change_on(void **state) {
    (void)state;
    struct sut_policy policy = {.decay_s = 10, .threshold = 5};
    struct sut_policy slow = {.decay_s = 20, .threshold = 5};
    struct sut_score score = {0};
    (void)sut_policy_fail(&policy, &score, false, 0);
    (void)sut_policy_change(&policy, &score, &slow, NULL, 10 * SECOND_NS);
    assert_same(0.5, sut_policy_score(&policy, &score, 10 * SECOND_NS));
    assert_same(0.25, sut_policy_score(&policy, &score, 30 * SECOND_NS));
}

static void a_change_that_leaves_the_half_life_leaves_every_bit_of_the_score(void **state) {
    (void)state;
    struct sut_policy policy = {.decay_s = 3, .threshold = 5};
    struct sut_policy strict = {.decay_s = 3, .threshold = 2};
    struct sut_score score = {0};
    (void)sut_policy_fail(&policy, &score, false, 0);
    double untouched = sut_policy_score(&policy, &score, 5 * SECOND_NS);
    (void)sut_policy_change(&policy, &score, &strict, NULL, SECOND_NS);
    assert_same(2, policy.threshold);
    assert_int_equal(0, score.last_ns);
    assert_same(untouched, sut_policy_score(&policy, &score, 5 * SECOND_NS));
}

/* ---- pauses in a row ---- */

/* A failure at the time, which pauses or gives up; and the end of its pause a second later. */
static void assert_pause(const struct sut_policy *policy, struct sut_score *score, int64_t at_s,
                         enum sut_verdict wanted) {
    assert_int_equal(wanted, sut_policy_fail(policy, score, false, at_s * SECOND_NS));
    if (wanted == SUT_VERDICT_PAUSE) sut_policy_resume(score, (at_s + 1) * SECOND_NS);
}

static void the_pause_after_the_tolerated_ones_gives_up(void **state) {
    (void)state;
    struct sut_policy policy = {.decay_s = 30, .quiet_ns = 30 * SECOND_NS, .escalate_after = 2};
    struct sut_score score = {0};
    assert_pause(&policy, &score, 0, SUT_VERDICT_PAUSE);
    assert_pause(&policy, &score, 30, SUT_VERDICT_PAUSE);
    assert_pause(&policy, &score, 60, SUT_VERDICT_ESCALATE);
}

static void a_quiet_time_after_the_pause_breaks_the_row(void **state) {
    (void)state;
    struct sut_policy policy = {.decay_s = 30, .quiet_ns = 30 * SECOND_NS, .escalate_after = 1};
    struct sut_score score = {0};
    assert_pause(&policy, &score, 0, SUT_VERDICT_PAUSE);
    assert_pause(&policy, &score, 31, SUT_VERDICT_PAUSE);
    assert_pause(&policy, &score, 61, SUT_VERDICT_ESCALATE);
}

static void an_infinite_decay_keeps_all_pauses_in_a_row(void **state) {
    (void)state;
    struct sut_policy policy = {.decay_s = HUGE_VAL, .quiet_ns = INT64_MAX, .escalate_after = 1};
    struct sut_score score = {0};
    assert_pause(&policy, &score, 0, SUT_VERDICT_PAUSE);
    assert_pause(&policy, &score, 1000000000, SUT_VERDICT_ESCALATE);
}

static void a_pause_that_is_armed_again_is_not_another(void **state) {
    (void)state;
    struct sut_policy policy = {.decay_s = 30, .quiet_ns = 30 * SECOND_NS, .escalate_after = 1};
    struct sut_score score = {0};
    assert_int_equal(SUT_VERDICT_PAUSE, sut_policy_fail(&policy, &score, false, 0));
    for (int i = 1; i < 9; i++)
        assert_int_equal(SUT_VERDICT_PAUSE, sut_policy_fail(&policy, &score, true, i));
    sut_policy_resume(&score, 9);
    assert_int_equal(SUT_VERDICT_ESCALATE, sut_policy_fail(&policy, &score, false, 10));
}

static void a_new_life_has_seen_no_pause_and_no_restart(void **state) {
    (void)state;
    int64_t ring[1];
    struct sut_policy policy = {.decay_s = HUGE_VAL, .quiet_ns = INT64_MAX, .escalate_after = 1};
    struct sut_score score = {.restarts_ns = ring};
    assert_pause(&policy, &score, 0, SUT_VERDICT_PAUSE);
    sut_policy_reset(&score);
    assert_ptr_equal(ring, score.restarts_ns);
    assert_same(0, sut_policy_score(&policy, &score, 0));
    assert_pause(&policy, &score, 0, SUT_VERDICT_PAUSE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_failure_makes_the_score_one),
        cmocka_unit_test(a_half_life_of_thirty_seconds_agrees_with_lua_to_the_bit),
        cmocka_unit_test(a_half_life_below_a_second_agrees_with_lua_to_the_bit),
        cmocka_unit_test(looking_at_the_score_decays_it_without_a_change),
        cmocka_unit_test(a_score_at_the_threshold_does_not_pause_yet),
        cmocka_unit_test(a_threshold_below_one_pauses_at_the_first_failure),
        cmocka_unit_test(an_infinite_threshold_never_pauses),
        cmocka_unit_test(an_infinite_decay_forgets_nothing),
        cmocka_unit_test(a_decay_of_zero_makes_the_score_one_even_at_the_same_instant),
        cmocka_unit_test(after_a_pause_the_next_failure_makes_the_score_one),
        cmocka_unit_test(the_restart_after_the_intensity_gives_up),
        cmocka_unit_test(a_restart_exactly_as_old_as_the_period_still_counts),
        cmocka_unit_test(an_intensity_of_zero_gives_up_at_once),
        cmocka_unit_test(the_window_slides_over_the_end_of_its_ring),
        cmocka_unit_test(a_window_forgets_once_its_period_has_passed),
        cmocka_unit_test(a_change_of_the_window_keeps_the_newest_restarts),
        cmocka_unit_test(a_change_from_the_score_to_the_window_begins_with_none),
        cmocka_unit_test(a_new_half_life_decays_from_the_change_on),
        cmocka_unit_test(a_change_that_leaves_the_half_life_leaves_every_bit_of_the_score),
        cmocka_unit_test(the_pause_after_the_tolerated_ones_gives_up),
        cmocka_unit_test(a_quiet_time_after_the_pause_breaks_the_row),
        cmocka_unit_test(an_infinite_decay_keeps_all_pauses_in_a_row),
        cmocka_unit_test(a_pause_that_is_armed_again_is_not_another),
        cmocka_unit_test(a_new_life_has_seen_no_pause_and_no_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
