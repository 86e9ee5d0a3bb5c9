/* SPDX-License-Identifier: MIT
 *
 * The heap of deadlines: its order, moves, cancels, and a long random walk against a sorted array.
 */
#include "core/deadline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Takes the first deadline off, as the runtime does when it fires. */
static struct sut_deadline *fire(struct sut_deadlines *heap) {
    struct sut_deadline *first = sut_deadline_first(heap);
    if (first) sut_deadline_cancel(heap, first);
    return first;
}

static void an_empty_heap_has_no_first(void **state) {
    (void)state;
    struct sut_deadlines heap = {0};
    assert_null(sut_deadline_first(&heap));
}

static void the_earliest_fires_first(void **state) {
    (void)state;
    struct sut_deadlines heap = {0};
    struct sut_deadline nodes[4];
    static const int64_t times[4] = {30, -10, 20, 10};
    for (int i = 0; i < 4; i++) {
        sut_deadline_init(&nodes[i], 0);
        sut_deadline_arm(&heap, &nodes[i], times[i]);
    }
    assert_int_equal(heap.count, 4);
    assert_ptr_equal(fire(&heap), &nodes[1]);
    assert_ptr_equal(fire(&heap), &nodes[3]);
    assert_ptr_equal(fire(&heap), &nodes[2]);
    assert_ptr_equal(fire(&heap), &nodes[0]);
    assert_null(fire(&heap));
    assert_int_equal(heap.count, 0);
}

static void a_later_deadline_of_the_same_time_fires_later(void **state) {
    (void)state;
    struct sut_deadlines heap = {0};
    struct sut_deadline nodes[100];
    for (int i = 0; i < 100; i++) {
        sut_deadline_init(&nodes[i], 0);
        sut_deadline_arm(&heap, &nodes[i], 7);
    }
    for (int i = 0; i < 100; i++)
        assert_ptr_equal(fire(&heap), &nodes[i]);
}

static void arming_again_moves_a_deadline_behind_those_of_its_new_time(void **state) {
    (void)state;
    struct sut_deadlines heap = {0};
    struct sut_deadline moved;
    struct sut_deadline other;
    sut_deadline_init(&moved, 0);
    sut_deadline_init(&other, 0);
    sut_deadline_arm(&heap, &moved, 1);
    sut_deadline_arm(&heap, &other, 5);
    sut_deadline_arm(&heap, &moved, 5);
    assert_int_equal(heap.count, 2);
    assert_ptr_equal(fire(&heap), &other);
    assert_ptr_equal(fire(&heap), &moved);
}

static void arming_earlier_moves_a_deadline_to_the_front(void **state) {
    (void)state;
    struct sut_deadlines heap = {0};
    struct sut_deadline nodes[3];
    for (int i = 0; i < 3; i++) {
        sut_deadline_init(&nodes[i], 0);
        sut_deadline_arm(&heap, &nodes[i], 10 + i);
    }
    sut_deadline_arm(&heap, &nodes[2], 3);
    assert_ptr_equal(sut_deadline_first(&heap), &nodes[2]);
    assert_int_equal(nodes[2].time_ns, 3);
}

static void arming_for_never_only_cancels(void **state) {
    (void)state;
    struct sut_deadlines heap = {0};
    struct sut_deadline node;
    sut_deadline_init(&node, 0);
    sut_deadline_arm(&heap, &node, SUT_NEVER);
    assert_false(sut_deadline_armed(&node));
    sut_deadline_arm(&heap, &node, 1);
    sut_deadline_arm(&heap, &node, SUT_NEVER);
    assert_false(sut_deadline_armed(&node));
    assert_null(sut_deadline_first(&heap));
}

static void the_kind_is_kept_over_arm_and_cancel(void **state) {
    (void)state;
    struct sut_deadlines heap = {0};
    struct sut_deadline node;
    sut_deadline_init(&node, 255);
    sut_deadline_arm(&heap, &node, 1);
    assert_int_equal(node.kind, 255);
    sut_deadline_cancel(&heap, &node);
    assert_int_equal(node.kind, 255);
    assert_false(sut_deadline_armed(&node));
}

static void cancelling_what_is_not_armed_changes_nothing(void **state) {
    (void)state;
    struct sut_deadlines heap = {0};
    struct sut_deadline idle;
    struct sut_deadline armed;
    sut_deadline_init(&idle, 0);
    sut_deadline_init(&armed, 0);
    sut_deadline_arm(&heap, &armed, 1);
    sut_deadline_cancel(&heap, &idle);
    assert_int_equal(heap.count, 1);
    assert_ptr_equal(sut_deadline_first(&heap), &armed);
}

/* After the first has been taken the heap has inner nodes, so that each cancel meets another shape:
 * a first child, a last one, one with children. */
static void any_deadline_can_be_cancelled_in_the_middle(void **state) {
    (void)state;
    enum { COUNT = 16 };
    for (int victim = 1; victim < COUNT; victim++) {
        struct sut_deadlines heap = {0};
        struct sut_deadline nodes[COUNT];
        for (int i = 0; i < COUNT; i++) {
            sut_deadline_init(&nodes[i], 0);
            sut_deadline_arm(&heap, &nodes[i], i * 5 % COUNT);
        }
        assert_ptr_equal(fire(&heap), &nodes[0]);
        sut_deadline_cancel(&heap, &nodes[victim]);
        int64_t last = 0;
        int fired = 0;
        for (struct sut_deadline *node; (node = fire(&heap)); fired++) {
            assert_ptr_not_equal(node, &nodes[victim]);
            assert_true(node->time_ns == SUT_NEVER); /* a disarmed one keeps no time */
            int64_t time = (node - nodes) * 5 % COUNT;
            assert_true(time > last);
            last = time;
        }
        assert_int_equal(fired, COUNT - 2);
    }
}

static void a_chain_of_a_million_does_not_use_up_the_stack(void **state) {
    (void)state;
    enum { COUNT = 1000000 };
    struct sut_deadlines heap = {0};
    struct sut_deadline *nodes = calloc(COUNT, sizeof *nodes);
    assert_non_null(nodes);
    for (int i = 0; i < COUNT; i++) {
        sut_deadline_init(&nodes[i], 0);
        sut_deadline_arm(&heap, &nodes[i], COUNT - i); /* each becomes the parent of all */
    }
    for (int i = COUNT - 1; i >= 0; i--)
        assert_ptr_equal(fire(&heap), &nodes[i]);
    free(nodes);
}

/* ---- the random walk ---- */

enum { NODES = 200, OPERATIONS = 10000 };

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

static void operate(struct sut_deadlines *heap, struct model *model, struct sut_deadline *node,
                    uint32_t *seed) {
    uint32_t choice = draw(seed, 10);
    if (choice < 6) {
        int64_t time_ns = draw(seed, 50); /* few times, so that many are equal */
        sut_deadline_arm(heap, node, time_ns);
        model_arm(model, node, time_ns);
    } else if (choice < 8) {
        sut_deadline_cancel(heap, node);
        model_cancel(model, node);
    } else if (model->count) {
        node = model->order[0];
        assert_ptr_equal(fire(heap), node);
        model_cancel(model, node);
    }
}

static void ten_thousand_random_operations_agree_with_a_sorted_array(void **state) {
    (void)state;
    struct sut_deadlines heap = {0};
    struct model model = {.count = 0};
    struct sut_deadline nodes[NODES];
    uint32_t seed = 20240601;
    for (int i = 0; i < NODES; i++)
        sut_deadline_init(&nodes[i], (uint8_t)i);
    for (int i = 0; i < OPERATIONS; i++) {
        operate(&heap, &model, &nodes[draw(&seed, NODES)], &seed);
        assert_int_equal(heap.count, model.count);
        assert_ptr_equal(sut_deadline_first(&heap), model.count ? model.order[0] : NULL);
    }
    for (int i = 0; i < model.count; i++)
        assert_ptr_equal(fire(&heap), model.order[i]);
    assert_null(fire(&heap));
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
        cmocka_unit_test(a_chain_of_a_million_does_not_use_up_the_stack),
        cmocka_unit_test(ten_thousand_random_operations_agree_with_a_sorted_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
