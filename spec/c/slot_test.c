/* SPDX-License-Identifier: MIT
 *
 * The table of ids: stale ones find nothing, owners never move, and no memory changes nothing.
 */
#include "core/slot.h"

#include "core/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Requests that still succeed; fewer than 0: all do. Releases always work. */
static int allowed = -1;

static void *scarce(void *block, size_t size) {
    if (size == 0) {
        free(block);
        return NULL;
    }
    if (allowed == 0) return NULL;
    if (allowed > 0) allowed--;
    return realloc(block, size);
}

static int plenty(void **state) {
    (void)state;
    sut_alloc_replace(NULL);
    return 0;
}

static struct sut_id take(struct sut_slots *slots, void *owner) {
    uint32_t index;
    assert_int_equal(sut_slot_take(slots, owner, &index), 0);
    return sut_slot_id(slots, index);
}

static void give(struct sut_slots *slots, struct sut_id id) {
    sut_slot_leave(slots, (uint32_t)id.value);
    sut_slot_give(slots, (uint32_t)id.value);
}

static void an_id_finds_its_owner(void **state) {
    (void)state;
    struct sut_slots slots = {0};
    int a;
    int b;
    struct sut_id id_a = take(&slots, &a);
    struct sut_id id_b = take(&slots, &b);
    assert_true(id_a.value != id_b.value);
    assert_ptr_equal(sut_slot_find(&slots, id_a), &a);
    assert_ptr_equal(sut_slot_find(&slots, id_b), &b);
    sut_slots_free(&slots);
}

static void nobody_has_the_id_zero_or_an_id_that_was_never_given(void **state) {
    (void)state;
    struct sut_slots slots = {0};
    int a;
    assert_null(sut_slot_find(&slots, (struct sut_id){0}));
    struct sut_id id = take(&slots, &a);
    assert_true(id.value != 0);
    assert_null(sut_slot_find(&slots, (struct sut_id){0}));
    assert_null(sut_slot_find(&slots, (struct sut_id){id.value + 1}));
    assert_null(sut_slot_find(&slots, (struct sut_id){id.value + (UINT64_C(1) << 32)}));
    assert_null(sut_slot_find(&slots, (struct sut_id){UINT64_MAX}));
    sut_slots_free(&slots);
}

static void a_stale_id_finds_nothing_even_when_its_slot_has_a_new_owner(void **state) {
    (void)state;
    struct sut_slots slots = {0};
    int a;
    int b;
    struct sut_id stale = take(&slots, &a);
    give(&slots, stale);
    assert_null(sut_slot_find(&slots, stale));
    struct sut_id fresh = take(&slots, &b);
    assert_int_equal((uint32_t)fresh.value, (uint32_t)stale.value);
    assert_int_equal(fresh.value >> 32, (stale.value >> 32) + 1);
    assert_null(sut_slot_find(&slots, stale));
    assert_ptr_equal(sut_slot_find(&slots, fresh), &b);
    sut_slots_free(&slots);
}

static void who_has_left_a_slot_keeps_its_id_until_the_slot_is_given_back(void **state) {
    (void)state;
    struct sut_slots slots = {0};
    int a;
    int b;
    struct sut_id left = take(&slots, &a);
    sut_slot_leave(&slots, (uint32_t)left.value);
    assert_null(sut_slot_find(&slots, left));
    assert_int_equal(sut_slot_id(&slots, (uint32_t)left.value).value, left.value);
    assert_int_not_equal((uint32_t)take(&slots, &b).value, (uint32_t)left.value);
    assert_int_equal(sut_slot_id(&slots, (uint32_t)left.value).value, left.value);
    sut_slot_give(&slots, (uint32_t)left.value);
    assert_int_equal((uint32_t)take(&slots, &b).value, (uint32_t)left.value);
    assert_null(sut_slot_find(&slots, left));
    sut_slots_free(&slots);
}

static void given_slots_are_used_again_before_new_ones(void **state) {
    (void)state;
    enum { COUNT = 3 * SUT_SLOT_CHUNK };
    struct sut_slots slots = {0};
    static int owners[COUNT];
    static struct sut_id ids[COUNT];
    for (int i = 0; i < COUNT; i++)
        ids[i] = take(&slots, &owners[i]);
    assert_int_equal(slots.used, COUNT);
    for (int i = 0; i < COUNT; i += 2)
        give(&slots, ids[i]);
    for (int i = 0; i < COUNT; i += 2)
        ids[i] = take(&slots, &owners[i]);
    assert_int_equal(slots.used, COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_ptr_equal(sut_slot_find(&slots, ids[i]), &owners[i]);
    sut_slots_free(&slots);
    assert_null(sut_slot_find(&slots, ids[0]));
}

static void a_slot_is_retired_when_its_generations_are_used_up(void **state) {
    (void)state;
    struct sut_slots slots = {0};
    int a;
    struct sut_id first = take(&slots, &a);
    give(&slots, first);
    slots.chunks[0]->generation[0] = UINT32_MAX - 1;
    struct sut_id last = take(&slots, &a);
    assert_int_equal(last.value >> 32, UINT32_MAX);
    assert_ptr_equal(sut_slot_find(&slots, last), &a);
    give(&slots, last);
    struct sut_id other = take(&slots, &a);
    assert_int_equal((uint32_t)other.value, 1);
    assert_null(sut_slot_find(&slots, last));
    assert_null(sut_slot_find(&slots, first));
    assert_null(sut_slot_find(&slots, (struct sut_id){0}));
    sut_slots_free(&slots);
}

static void without_memory_all_is_as_it_was(void **state) {
    (void)state;
    enum { COUNT = 5 * SUT_SLOT_CHUNK }; /* the array of chunks grows as well */
    struct sut_slots slots = {0};
    static int owners[COUNT];
    static uint32_t indexes[COUNT];
    int refusals = 0;
    sut_alloc_replace(scarce);
    for (int i = 0; i < COUNT; i++) {
        for (allowed = 0;; allowed++) {
            int attempt = allowed;
            struct sut_slots before = slots;
            indexes[i] = 77777;
            if (sut_slot_take(&slots, &owners[i], &indexes[i]) == 0) break;
            allowed = attempt;
            refusals++;
            assert_int_equal(indexes[i], 77777);
            assert_int_equal(slots.used, before.used);
            assert_int_equal(slots.free, before.free);
            assert_int_equal(slots.chunk_count, before.chunk_count);
        }
        assert_ptr_equal(sut_slot_find(&slots, sut_slot_id(&slots, indexes[0])), &owners[0]);
    }
    assert_int_equal(refusals, 2 + 1 + 1 + 1 + 2);
    for (int i = 0; i < COUNT; i++)
        assert_ptr_equal(sut_slot_find(&slots, sut_slot_id(&slots, indexes[i])), &owners[i]);
    sut_slots_free(&slots);
}

static void a_free_slot_needs_no_memory(void **state) {
    (void)state;
    struct sut_slots slots = {0};
    int a;
    give(&slots, take(&slots, &a));
    sut_alloc_replace(scarce);
    allowed = 0;
    assert_ptr_equal(sut_slot_find(&slots, take(&slots, &a)), &a);
    sut_slots_free(&slots);
}

static void the_next_id_is_told_unless_it_needs_memory(void **state) {
    (void)state;
    struct sut_slots slots = {0};
    int owner;
    assert_int_equal(0, sut_slot_next(&slots).value);
    struct sut_id first = take(&slots, &owner);
    for (int i = 1; i < SUT_SLOT_CHUNK; i++) {
        struct sut_id next = sut_slot_next(&slots);
        assert_int_equal(next.value, take(&slots, &owner).value);
    }
    assert_int_equal(0, sut_slot_next(&slots).value);
    give(&slots, first);
    assert_int_equal(sut_slot_next(&slots).value, first.value + (UINT64_C(1) << 32));
    sut_slots_free(&slots);
}

static void without_an_index_left_there_is_no_slot(void **state) {
    (void)state;
    uint32_t chunks = UINT32_MAX / SUT_SLOT_CHUNK;
    struct sut_slots slots = {.used = chunks * SUT_SLOT_CHUNK, .chunk_count = chunks};
    uint32_t index;
    int owner;
    assert_int_equal(-1, sut_slot_take(&slots, &owner, &index));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_finds_its_owner),
        cmocka_unit_test(nobody_has_the_id_zero_or_an_id_that_was_never_given),
        cmocka_unit_test(a_stale_id_finds_nothing_even_when_its_slot_has_a_new_owner),
        cmocka_unit_test(who_has_left_a_slot_keeps_its_id_until_the_slot_is_given_back),
        cmocka_unit_test(given_slots_are_used_again_before_new_ones),
        cmocka_unit_test(a_slot_is_retired_when_its_generations_are_used_up),
        cmocka_unit_test_teardown(without_memory_all_is_as_it_was, plenty),
        cmocka_unit_test_teardown(a_free_slot_needs_no_memory, plenty),
        cmocka_unit_test(the_next_id_is_told_unless_it_needs_memory),
        cmocka_unit_test(without_an_index_left_there_is_no_slot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
