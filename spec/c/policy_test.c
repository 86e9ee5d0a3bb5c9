/* SPDX-License-Identifier: MIT
 *
 * The failure score. The tables were computed by Lua's `score * 0.5 ^ (elapsed / decay) + 1`, and
 * the score must agree with them to the last bit.
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
