/* SPDX-License-Identifier: MIT
 *
 * The door to memory: zeroed blocks, copies, and an allocator that tests can replace.
 */
#include "core/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int requests;
static int releases;

static void *counting(void *block, size_t size) {
    if (size == 0) {
        releases++;
        free(block);
        return NULL;
    }
    requests++;
    return realloc(block, size);
}

static void *refusing(void *block, size_t size) {
    (void)block;
    (void)size;
    return NULL;
}

static int put_back(void **state) {
    (void)state;
    sut_alloc_replace(NULL);
    return 0;
}

static void fresh_memory_is_zeroed(void **state) {
    (void)state;
    for (int round = 0; round < 10; round++) {
        unsigned char *block = sut_calloc(1000);
        assert_non_null(block);
        for (int i = 0; i < 1000; i++)
            assert_int_equal(block[i], 0);
        memset(block, 0xff, 1000);
        sut_free(block);
    }
}

static void a_text_is_copied_with_its_nul_bytes_and_one_more(void **state) {
    (void)state;
    char *copy = sut_copy_text("a\0bc", 3);
    assert_memory_equal(copy, "a\0b", 4);
    sut_free(copy);
    copy = sut_copy_text("", 0);
    assert_int_equal(copy[0], 0);
    sut_free(copy);
}

static void a_block_keeps_its_bytes_when_it_grows(void **state) {
    (void)state;
    char *block = sut_realloc(NULL, 4);
    memcpy(block, "abc", 4);
    block = sut_realloc(block, 4000);
    assert_string_equal(block, "abc");
    sut_free(block);
}

static void every_request_goes_through_the_replaced_allocator(void **state) {
    (void)state;
    requests = 0;
    releases = 0;
    sut_alloc_replace(counting);
    void *a = sut_calloc(8);
    void *b = sut_copy_text("x", 1);
    b = sut_realloc(b, 80);
    sut_free(a);
    sut_free(b);
    sut_free(NULL);
    assert_int_equal(requests, 3);
    assert_int_equal(releases, 2);
}

static void a_refusal_is_null_and_leaves_the_old_block(void **state) {
    (void)state;
    char *block = sut_copy_text("abc", 3);
    sut_alloc_replace(refusing);
    assert_null(sut_calloc(8));
    assert_null(sut_copy_text("x", 1));
    assert_null(sut_realloc(block, 80));
    assert_string_equal(block, "abc");
    sut_alloc_replace(NULL);
    sut_free(block);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fresh_memory_is_zeroed),
        cmocka_unit_test(a_text_is_copied_with_its_nul_bytes_and_one_more),
        cmocka_unit_test(a_block_keeps_its_bytes_when_it_grows),
        cmocka_unit_test_teardown(every_request_goes_through_the_replaced_allocator, put_back),
        cmocka_unit_test_teardown(a_refusal_is_null_and_leaves_the_old_block, put_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
