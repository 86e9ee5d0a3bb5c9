/* SPDX-License-Identifier: MIT
 *
 * The names of a supervisor's children: lookup, numbers of repeated names, growth, the path form.
 */
#include "core/name.h"

#include "core/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = 2000 };

static int refusing;

static void *maybe(void *block, size_t size) {
    if (size && refusing) return NULL;
    if (size) return realloc(block, size);
    free(block);
    return NULL;
}

static int plenty(void **state) {
    (void)state;
    refusing = 0;
    sut_alloc_replace(NULL);
    return 0;
}

struct named {
    struct sut_name name;
    char text[24];
};

#define NO_NAMES                                                                                   \
    { .text_at = offsetof(struct named, text) }

static void add(struct sut_names *names, struct named *named, const char *text) {
    memset(named, 0, sizeof *named);
    (void)strcpy(named->text, text);
    named->name.length = (uint32_t)strlen(text);
    assert_int_equal(sut_names_reserve(names), 0);
    sut_name_add(names, &named->name);
}

static struct sut_name *find(const struct sut_names *names, const char *text, int *more) {
    return sut_name_find(names, text, strlen(text), more);
}

static void an_empty_table_finds_nothing(void **state) {
    (void)state;
    struct sut_names names = NO_NAMES;
    int more = 7;
    assert_null(find(&names, "db", &more));
    assert_int_equal(more, 0);
    sut_names_free(&names);
}

static void a_name_is_found_by_all_its_bytes(void **state) {
    (void)state;
    struct sut_names names = NO_NAMES;
    struct named with_nul = {.name = {.length = 3}, .text = "a\0b"};
    struct named plain;
    struct named empty;
    int more;
    add(&names, &plain, "a");
    add(&names, &empty, "");
    assert_int_equal(sut_names_reserve(&names), 0);
    sut_name_add(&names, &with_nul.name);
    assert_ptr_equal(sut_name_find(&names, "a\0b", 3, &more), &with_nul);
    assert_ptr_equal(find(&names, "a", &more), &plain);
    assert_ptr_equal(find(&names, "", &more), &empty);
    assert_null(sut_name_find(&names, "a\0c", 3, &more));
    assert_int_equal(names.count, 3);
    sut_names_free(&names);
}

static void a_repeated_name_is_numbered_and_ambiguous(void **state) {
    (void)state;
    struct sut_names names = NO_NAMES;
    struct named nodes[3];
    int more;
    for (uint32_t i = 0; i < 3; i++) {
        add(&names, &nodes[i], "worker");
        assert_int_equal(nodes[i].name.number, i + 1);
        assert_ptr_equal(find(&names, "worker", &more), &nodes[i]);
        assert_int_equal(more, i > 0);
    }
    sut_names_free(&names);
}

static void removal_from_the_middle_leaves_the_others(void **state) {
    (void)state;
    struct sut_names names = NO_NAMES;
    struct named nodes[4];
    int more;
    for (int i = 0; i < 3; i++)
        add(&names, &nodes[i], "w");
    sut_name_remove(&names, &nodes[1].name);
    sut_name_remove(&names, &nodes[1].name);
    assert_int_equal(names.count, 2);
    assert_ptr_equal(find(&names, "w", &more), &nodes[2]);
    assert_int_equal(more, 1);
    sut_name_remove(&names, &nodes[0].name);
    assert_ptr_equal(find(&names, "w", &more), &nodes[2]);
    assert_int_equal(more, 0);
    add(&names, &nodes[3], "w");
    assert_int_equal(nodes[3].name.number, 4);
    sut_name_remove(&names, &nodes[3].name);
    sut_name_remove(&names, &nodes[2].name);
    assert_null(find(&names, "w", &more));
    assert_int_equal(names.count, 0);
    sut_names_free(&names);
}

static void a_name_may_come_back_after_its_removal(void **state) {
    (void)state;
    struct sut_names names = NO_NAMES;
    struct named name;
    int more;
    add(&names, &name, "db");
    sut_name_remove(&names, &name.name);
    add(&names, &name, "db");
    assert_int_equal(name.name.number, 1);
    assert_ptr_equal(find(&names, "db", &more), &name);
    sut_names_free(&names);
}

static struct named nodes[MANY];
static char texts[MANY][24];

/* Every name twice: the second of each pair is the newest, and must stay so while the table grows.
 */
static void add_pairs(struct sut_names *names, int from, int to) {
    for (int i = from; i < to; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "service-%d", i / 2);
        add(names, &nodes[i], texts[i]);
    }
}

static void assert_pairs(const struct sut_names *names, int count) {
    for (int i = 0; i < count; i++) {
        int more;
        assert_ptr_equal(find(names, texts[i], &more), &nodes[i | 1]);
        assert_int_equal(more, 1);
        assert_int_equal(nodes[i].name.number, 1 + i % 2);
        assert_ptr_equal(*nodes[i].name.link, &nodes[i]);
    }
}

static void growth_keeps_every_name_and_the_newest_first(void **state) {
    (void)state;
    struct sut_names names = NO_NAMES;
    add_pairs(&names, 0, MANY);
    assert_int_equal(names.count, MANY);
    assert_true(names.bucket_count >= MANY / 2);
    assert_pairs(&names, MANY);
    for (int i = 1; i < MANY; i += 2)
        sut_name_remove(&names, &nodes[i].name);
    for (int i = 0; i < MANY; i += 2) {
        int more;
        assert_ptr_equal(find(&names, texts[i], &more), &nodes[i]);
        assert_int_equal(more, 0);
    }
    sut_names_free(&names);
}

static void without_memory_the_first_reservation_fails(void **state) {
    (void)state;
    struct sut_names names = NO_NAMES;
    sut_alloc_replace(maybe);
    refusing = 1;
    assert_int_equal(sut_names_reserve(&names), -1);
    assert_int_equal(names.bucket_count, 0);
    refusing = 0;
    assert_int_equal(sut_names_reserve(&names), 0);
    sut_names_free(&names);
}

static void without_memory_a_table_goes_on_without_growing(void **state) {
    (void)state;
    struct sut_names names = NO_NAMES;
    sut_alloc_replace(maybe);
    add_pairs(&names, 0, 6);
    uint32_t buckets = names.bucket_count;
    refusing = 1;
    add_pairs(&names, 6, 500);
    assert_int_equal(names.bucket_count, buckets);
    assert_pairs(&names, 500);
    refusing = 0;
    add_pairs(&names, 500, 520);
    assert_true(names.bucket_count > buckets);
    assert_pairs(&names, 520);
    sut_names_free(&names);
}

/* ---- the path form ---- */

static void assert_path(const char *text, size_t length, uint32_t number, const char *expected) {
    char out[64];
    size_t full = sut_name_write(text, length, number, NULL, 0);
    assert_int_equal(full, strlen(expected));
    memset(out, '!', sizeof out);
    assert_int_equal(sut_name_write(text, length, number, out, sizeof out), full);
    assert_memory_equal(out, expected, full);
    assert_int_equal(out[full], '!');
}

static void a_path_escapes_slashes_percents_and_control_bytes(void **state) {
    (void)state;
    assert_path("web", 3, 1, "web");
    assert_path("", 0, 1, "");
    assert_path("a/b", 3, 1, "a%2Fb");
    assert_path("100%", 4, 1, "100%25");
    assert_path("\0\n\x1f ~\x7f", 6, 1, "%00%0A%1F ~%7F");
    assert_path("\xc3\xa9\x80\xff", 4, 1, "\xc3\xa9\x80\xff");
}

static void a_text_that_a_path_has_as_it_is_is_plain(void **state) {
    (void)state;
    assert_true(sut_name_is_plain("", 0));
    assert_true(sut_name_is_plain("web-1 \xc3\xa9~", 9));
    for (unsigned byte = 0; byte < 256; byte++) {
        const char text[] = {'a', (char)byte};
        bool plain = sut_name_write(text, 2, 1, NULL, 0) == 2;
        assert_int_equal(sut_name_is_plain(text, 2), plain);
    }
}

static void a_path_numbers_all_but_the_first_of_a_name(void **state) {
    (void)state;
    assert_path("w", 1, 0, "w");
    assert_path("w", 1, 1, "w");
    assert_path("w", 1, 2, "w#2");
    assert_path("w", 1, 10, "w#10");
    assert_path("w", 1, 909, "w#909");
    assert_path("w", 1, UINT32_MAX, "w#4294967295");
}

static void a_path_never_writes_beyond_its_room(void **state) {
    (void)state;
    for (size_t size = 0; size < 12; size++) {
        char out[12];
        memset(out, '!', sizeof out);
        assert_int_equal(sut_name_write("a/b\n", 4, 12, out, size), 11);
        assert_memory_equal(out, "a%2Fb%0A#12", size < 11 ? size : 11);
        for (size_t i = size; i < sizeof out; i++)
            assert_int_equal(out[i], '!');
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_table_finds_nothing),
        cmocka_unit_test(a_name_is_found_by_all_its_bytes),
        cmocka_unit_test(a_repeated_name_is_numbered_and_ambiguous),
        cmocka_unit_test(removal_from_the_middle_leaves_the_others),
        cmocka_unit_test(a_name_may_come_back_after_its_removal),
        cmocka_unit_test(growth_keeps_every_name_and_the_newest_first),
        cmocka_unit_test_teardown(without_memory_the_first_reservation_fails, plenty),
        cmocka_unit_test_teardown(without_memory_a_table_goes_on_without_growing, plenty),
        cmocka_unit_test(a_path_escapes_slashes_percents_and_control_bytes),
        cmocka_unit_test(a_text_that_a_path_has_as_it_is_is_plain),
        cmocka_unit_test(a_path_numbers_all_but_the_first_of_a_name),
        cmocka_unit_test(a_path_never_writes_beyond_its_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
