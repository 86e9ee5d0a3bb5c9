/* SPDX-License-Identifier: MIT
 *
 * The queue of deadlines: its order, moves, cancels, and a long random walk against a sorted array.
 */
#include "core/deadline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Takes the first deadline off, as the runtime does when it fires. */
static struct sut_deadline *fire(struct sut_deadlines *all) {
    struct sut_deadline *first = sut_deadline_due(all, INT64_MAX);
    if (first) sut_deadline_cancel(all, first);
    return first;
}

static void an_empty_heap_has_no_first(void **state) {
    (void)state;
    struct sut_deadlines all = {0};
    assert_null(sut_deadline_first(&all));
}

static void the_earliest_fires_first(void **state) {
    (void)state;
    struct sut_deadlines all = {0};
    struct sut_deadline nodes[4];
    static const int64_t times[4] = {30, -10, 20, 10};
    for (int i = 0; i < 4; i++) {
        sut_deadline_init(&nodes[i], 0);
        sut_deadline_arm(&all, &nodes[i], times[i]);
    }
    assert_int_equal(all.count, 4);
    assert_ptr_equal(fire(&all), &nodes[1]);
    assert_ptr_equal(fire(&all), &nodes[3]);
    assert_ptr_equal(fire(&all), &nodes[2]);
    assert_ptr_equal(fire(&all), &nodes[0]);
    assert_null(fire(&all));
    assert_int_equal(all.count, 0);
}

static void a_later_deadline_of_the_same_time_fires_later(void **state) {
    (void)state;
    struct sut_deadlines all = {0};
    struct sut_deadline nodes[100];
    for (int i = 0; i < 100; i++) {
        sut_deadline_init(&nodes[i], 0);
        sut_deadline_arm(&all, &nodes[i], 7);
    }
    for (int i = 0; i < 100; i++)
        assert_ptr_equal(fire(&all), &nodes[i]);
}

static void arming_again_moves_a_deadline_behind_those_of_its_new_time(void **state) {
    (void)state;
    struct sut_deadlines all = {0};
    struct sut_deadline moved;
    struct sut_deadline other;
    sut_deadline_init(&moved, 0);
    sut_deadline_init(&other, 0);
    sut_deadline_arm(&all, &moved, 1);
    sut_deadline_arm(&all, &other, 5);
    sut_deadline_arm(&all, &moved, 5);
    assert_int_equal(all.count, 2);
    assert_ptr_equal(fire(&all), &other);
    assert_ptr_equal(fire(&all), &moved);
}

static void arming_earlier_moves_a_deadline_to_the_front(void **state) {
    (void)state;
    struct sut_deadlines all = {0};
    struct sut_deadline nodes[3];
    for (int i = 0; i < 3; i++) {
        sut_deadline_init(&nodes[i], 0);
        sut_deadline_arm(&all, &nodes[i], 10 + i);
    }
    sut_deadline_arm(&all, &nodes[2], 3);
    assert_ptr_equal(sut_deadline_first(&all), &nodes[2]);
    assert_int_equal(nodes[2].time_ns, 3);
}

static void arming_for_never_only_cancels(void **state) {
    (void)state;
    struct sut_deadlines all = {0};
    struct sut_deadline node;
    sut_deadline_init(&node, 0);
    sut_deadline_arm(&all, &node, SUT_NEVER);
    assert_false(sut_deadline_armed(&node));
    sut_deadline_arm(&all, &node, 1);
    sut_deadline_arm(&all, &node, SUT_NEVER);
    assert_false(sut_deadline_armed(&node));
    assert_null(sut_deadline_first(&all));
}

static void the_kind_is_kept_over_arm_and_cancel(void **state) {
    (void)state;
    struct sut_deadlines all = {0};
    struct sut_deadline node;
    sut_deadline_init(&node, 7);
    sut_deadline_arm(&all, &node, 1);
    assert_int_equal(sut_deadline_kind(&node), 7);
    sut_deadline_cancel(&all, &node);
    assert_int_equal(sut_deadline_kind(&node), 7);
    assert_false(sut_deadline_armed(&node));
}

static void cancelling_what_is_not_armed_changes_nothing(void **state) {
    (void)state;
    struct sut_deadlines all = {0};
    struct sut_deadline idle;
    struct sut_deadline armed;
    sut_deadline_init(&idle, 0);
    sut_deadline_init(&armed, 0);
    sut_deadline_arm(&all, &armed, 1);
    sut_deadline_cancel(&all, &idle);
    assert_int_equal(all.count, 1);
    assert_ptr_equal(sut_deadline_first(&all), &armed);
}

static void any_deadline_can_be_cancelled_in_the_middle(void **state) {
    (void)state;
    enum { COUNT = 16 };
    for (int victim = 1; victim < COUNT; victim++) {
        struct sut_deadlines all = {0};
        struct sut_deadline nodes[COUNT];
        for (int i = 0; i < COUNT; i++) {
            sut_deadline_init(&nodes[i], 0);
            sut_deadline_arm(&all, &nodes[i], i * 5 % COUNT);
        }
        assert_ptr_equal(fire(&all), &nodes[0]);
        sut_deadline_cancel(&all, &nodes[victim]);
        int64_t last = 0;
        int fired = 0;
        for (struct sut_deadline *node; (node = fire(&all)); fired++) {
            assert_ptr_not_equal(node, &nodes[victim]);
            assert_true(node->time_ns == SUT_NEVER); /* a disarmed one keeps no time */
            int64_t time = (node - nodes) * 5 % COUNT;
            assert_true(time > last);
            last = time;
        }
        assert_int_equal(fired, COUNT - 2);
    }
}

static void nothing_is_due_before_its_time(void **state) {
    (void)state;
    struct sut_deadlines all = {0};
    struct sut_deadline nodes[2];
    for (int i = 0; i < 2; i++) {
        sut_deadline_init(&nodes[i], 0);
        sut_deadline_arm(&all, &nodes[i], 1000000 + i);
    }
    assert_null(sut_deadline_due(&all, 999999));
    assert_ptr_equal(sut_deadline_due(&all, 1000000), &nodes[0]);
    sut_deadline_cancel(&all, &nodes[0]);
    assert_null(sut_deadline_due(&all, 1000000));
    assert_ptr_equal(sut_deadline_due(&all, 1000001), &nodes[1]);
}

/* Time has come as far as the first of them, and no further. */
static void what_is_armed_for_a_time_that_has_passed_comes_in_its_order(void **state) {
    (void)state;
    enum { COUNT = 6 };
    static const int64_t times[COUNT] = {5000, 4000, 6000, 4000, -1, 4999};
    static const int order[COUNT] = {4, 1, 3, 5, 0, 2};
    struct sut_deadlines all = {0};
    struct sut_deadline passed;
    struct sut_deadline nodes[COUNT];
    sut_deadline_init(&passed, 0);
    sut_deadline_arm(&all, &passed, 5000);
    sut_deadline_init(&nodes[0], 0);
    sut_deadline_arm(&all, &nodes[0], times[0]);
    assert_ptr_equal(fire(&all), &passed);
    for (int i = 1; i < COUNT; i++) {
        sut_deadline_init(&nodes[i], 0);
        sut_deadline_arm(&all, &nodes[i], times[i]);
    }
    for (int i = 0; i < COUNT; i++)
        assert_ptr_equal(fire(&all), &nodes[order[i]]);
}

static void the_last_time_there_is_has_its_turn(void **state) {
    (void)state;
    struct sut_deadlines all = {0};
    struct sut_deadline nodes[3];
    for (int i = 0; i < 3; i++) {
        sut_deadline_init(&nodes[i], 0);
        sut_deadline_arm(&all, &nodes[i], INT64_MAX - 1 - (i == 0));
    }
    for (int i = 0; i < 3; i++)
        assert_ptr_equal(fire(&all), &nodes[i]);
}

static void a_million_come_in_their_order(void **state) {
    (void)state;
    enum { COUNT = 1000000 };
    struct sut_deadlines all = {0};
    struct sut_deadline *nodes = calloc(COUNT, sizeof *nodes);
    assert_non_null(nodes);
    for (int i = 0; i < COUNT; i++) {
        sut_deadline_init(&nodes[i], 0);
        sut_deadline_arm(&all, &nodes[i], COUNT - i);
    }
    for (int i = COUNT - 1; i >= 0; i--)
        assert_ptr_equal(fire(&all), &nodes[i]);
    free(nodes);
}

static void a_walk_meets_each_once_and_those_of_one_time_as_they_were_armed(void **state) {
    (void)state;
    enum { COUNT = 300, TIMES = 7 };
    struct sut_deadlines all = {0};
    struct sut_deadline nodes[COUNT];
    int met = 0;
    int last[TIMES];
    for (int i = 0; i < COUNT; i++) {
        sut_deadline_init(&nodes[i], 0);
        sut_deadline_arm(&all, &nodes[i], INT64_C(1) << i % TIMES * 9);
    }
    for (int i = 0; i < TIMES; i++)
        last[i] = -1;
    for (struct sut_deadline *at = sut_deadline_walk(&all, NULL); at;
         at = sut_deadline_walk(&all, at), met++) {
        int i = (int)(at - nodes);
        assert_true(i > last[i % TIMES]);
        last[i % TIMES] = i;
    }
    assert_int_equal(met, COUNT);
}

/* ---- the random walk ---- */

enum { NODES = 200, OPERATIONS = 30000 };

/* The naive model: the armed nodes, sorted by time and then by arming. */
struct model {
    struct sut_deadline *order[NODES];
    int64_t times[NODES];
    int count;
};

static void model_cancel(struct model *model, const struct sut_deadline *node) {
    int kept = 0;
    for (int i = 0; i < model->count; i++) {
        if (model->order[i] == node) continue;
        model->order[kept] = model->order[i];
        model->times[kept++] = model->times[i];
    }
    model->count = kept;
}

static void model_arm(struct model *model, struct sut_deadline *node, int64_t time_ns) {
    model_cancel(model, node);
    int place = model->count++;
    for (; place > 0 && model->times[place - 1] > time_ns; place--) {
        model->order[place] = model->order[place - 1];
        model->times[place] = model->times[place - 1];
    }
    model->order[place] = node;
    model->times[place] = time_ns;
}

static uint32_t draw(uint32_t *seed, uint32_t below) {
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % below;
}

/* Times of every magnitude around now, of which many are equal. */
static int64_t draw_time(uint32_t *seed, int64_t now_ns) {
    int64_t unit = INT64_C(1) << draw(seed, 40);
    int64_t time_ns = now_ns / unit * unit + unit * draw(seed, 4);
    return draw(seed, 10) ? time_ns : time_ns - 3 * unit;
}

static void operate(struct sut_deadlines *all, struct model *model, struct sut_deadline *node,
                    int64_t *now_ns, uint32_t *seed) {
    uint32_t choice = draw(seed, 10);
    if (choice < 6) {
        int64_t time_ns = draw_time(seed, *now_ns);
        sut_deadline_arm(all, node, time_ns);
        model_arm(model, node, time_ns);
    } else if (choice < 8) {
        sut_deadline_cancel(all, node);
        model_cancel(model, node);
    } else if (choice < 9) {
        *now_ns += INT64_C(1) << draw(seed, 36);
    }
    while (model->count && model->times[0] <= *now_ns && draw(seed, 4)) {
        node = model->order[0];
        assert_ptr_equal(sut_deadline_due(all, *now_ns), node);
        sut_deadline_cancel(all, node);
        model_cancel(model, node);
    }
}

static void thirty_thousand_random_operations_agree_with_a_sorted_array(void **state) {
    (void)state;
    struct sut_deadlines all = {0};
    struct model model = {.count = 0};
    struct sut_deadline nodes[NODES];
    int64_t now_ns = 0;
    uint32_t seed = 20240601;
    for (int i = 0; i < NODES; i++)
        sut_deadline_init(&nodes[i], (unsigned)i % 8);
    for (int i = 0; i < OPERATIONS; i++) {
        operate(&all, &model, &nodes[draw(&seed, NODES)], &now_ns, &seed);
        bool due = model.count && model.times[0] <= now_ns;
        assert_int_equal(all.count, model.count);
        if (draw(&seed, 2))
            assert_ptr_equal(sut_deadline_first(&all), model.count ? model.order[0] : NULL);
        assert_ptr_equal(sut_deadline_due(&all, now_ns), due ? model.order[0] : NULL);
    }
    for (int i = 0; i < model.count; i++)
        assert_ptr_equal(fire(&all), model.order[i]);
    assert_null(fire(&all));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_heap_has_no_first),
        cmocka_unit_test(the_earliest_fires_first),
        cmocka_unit_test(a_later_deadline_of_the_same_time_fires_later),
        cmocka_unit_test(arming_again_moves_a_deadline_behind_those_of_its_new_time),
        cmocka_unit_test(arming_earlier_moves_a_deadline_to_the_front),
        cmocka_unit_test(arming_for_never_only_cancels),
        cmocka_unit_test(the_kind_is_kept_over_arm_and_cancel),
        cmocka_unit_test(cancelling_what_is_not_armed_changes_nothing),
        cmocka_unit_test(any_deadline_can_be_cancelled_in_the_middle),
        cmocka_unit_test(nothing_is_due_before_its_time),
        cmocka_unit_test(what_is_armed_for_a_time_that_has_passed_comes_in_its_order),
        cmocka_unit_test(the_last_time_there_is_has_its_turn),
        cmocka_unit_test(a_million_come_in_their_order),
        cmocka_unit_test(a_walk_meets_each_once_and_those_of_one_time_as_they_were_armed),
        cmocka_unit_test(thirty_thousand_random_operations_agree_with_a_sorted_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
