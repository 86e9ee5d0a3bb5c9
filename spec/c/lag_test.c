/* SPDX-License-Identifier: MIT
 *
 * Tests for the histogram of lateness.
 */
#include "core/lag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void nothing_was_late_before_the_first(void **state) {
    struct sut_lag lag;
    (void)state;
    sut_lag_reset(&lag, 7);
    assert_int_equal(lag.since_ns, 7);
    assert_int_equal(lag.count, 0);
    assert_int_equal(sut_lag_part(&lag, 0.5), 0);
    assert_int_equal(sut_lag_part(&lag, 1), 0);
}

static void what_is_in_time_is_not_late(void **state) {
    struct sut_lag lag;
    (void)state;
    sut_lag_reset(&lag, 0);
    for (int i = 0; i < 10; i++)
        sut_lag_note(&lag, -i);
    assert_int_equal(lag.count, 10);
    assert_int_equal(lag.max_ns, 0);
    assert_int_equal(sut_lag_part(&lag, 0.99), 0);
}

/* Never too low, and at most a quarter too high, at every size. */
static void a_part_is_a_bound_that_is_near(void **state) {
    (void)state;
    for (int64_t size = 1024; size < INT64_C(1) << 41; size += size / 7 + 1) {
        struct sut_lag lag;
        sut_lag_reset(&lag, 0);
        for (int i = 0; i < 99; i++)
            sut_lag_note(&lag, size);
        sut_lag_note(&lag, size * 4);
        assert_true(sut_lag_part(&lag, 0.99) >= size);
        assert_true(sut_lag_part(&lag, 0.99) <= size + size / 4);
        assert_int_equal(sut_lag_part(&lag, 1), size * 4);
    }
}

static void parts_are_counted_from_the_least(void **state) {
    struct sut_lag lag;
    (void)state;
    sut_lag_reset(&lag, 0);
    for (int64_t ms = 1; ms <= 1000; ms++)
        sut_lag_note(&lag, ms * 1000000);
    assert_true(sut_lag_part(&lag, 0.5) >= 500 * INT64_C(1000000));
    assert_true(sut_lag_part(&lag, 0.5) <= 625 * INT64_C(1000000));
    assert_true(sut_lag_part(&lag, 0.1) <= 125 * INT64_C(1000000));
    assert_int_equal(sut_lag_part(&lag, 0.999), 1000 * INT64_C(1000000)); /* the most there was */
}

static void beyond_the_scale_only_the_most_is_known(void **state) {
    struct sut_lag lag;
    (void)state;
    sut_lag_reset(&lag, 0);
    sut_lag_note(&lag, INT64_MAX);
    sut_lag_note(&lag, 0);
    assert_int_equal(lag.count, 2);
    assert_true(sut_lag_part(&lag, 0.5) <= 1024);
    assert_true(sut_lag_part(&lag, 1) == INT64_MAX);
    sut_lag_reset(&lag, 9);
    assert_int_equal(lag.max_ns, 0);
    assert_int_equal(sut_lag_part(&lag, 1), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_was_late_before_the_first),
        cmocka_unit_test(what_is_in_time_is_not_late),
        cmocka_unit_test(a_part_is_a_bound_that_is_near),
        cmocka_unit_test(parts_are_counted_from_the_least),
        cmocka_unit_test(beyond_the_scale_only_the_most_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
