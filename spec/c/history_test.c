/* SPDX-License-Identifier: MIT
 *
 * The flight recorder's ring: what it keeps, how it grows, and what is left of an entry without
 * memory.
 */
#include "core/alloc.h"
#include "core/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEST(name) static void name(void **unused __attribute__((unused)))

static struct sut_history history;
static int budget; /* allocations that still succeed; negative: all of them */
static int blocks; /* that are in use */

static void *scarce(void *block, size_t size) {
    if (size == 0) {
        if (block) blocks--;
        free(block);
        return NULL;
    }
    if (budget == 0) return NULL;
    budget--;
    if (!block) blocks++;
    return realloc(block, size);
}

static int setup(void **unused) {
    (void)unused;
    memset(&history, 0, sizeof history);
    history.limit = 64;
    budget = -1;
    blocks = 0;
    sut_alloc_replace(scarce);
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    sut_history_clear(&history);
    assert_int_equal(0, blocks);
    sut_alloc_replace(NULL);
    return 0;
}

static void record(uint64_t seq, const char *path) {
    struct sut_notes notes = {.facts.seq = seq};
    sut_note_text(&notes, SUT_TEXT_PATH, path, strlen(path));
    sut_history_record(&history, &notes);
}

static void record_up_to(uint64_t last) {
    while (history.recorded < last)
        record(history.recorded + 1, "root");
}

/* The entries are these numbers in a row, with all their texts. */
static void assert_kept(uint64_t from, uint64_t to) {
    assert_int_equal(to - from + 1, history.count);
    for (uint32_t i = 0; i < history.count; i++) {
        const struct sut_entry *entry = sut_history_at(&history, i);
        assert_int_equal(from + i, entry->facts.seq);
        assert_string_equal("root", entry->text);
    }
}

TEST(it_has_no_memory_before_the_first_event_and_grows_by_doubling) {
    assert_int_equal(0, blocks);
    assert_int_equal(0, history.capacity);
    for (uint64_t seq = 1; seq <= 64; seq++) {
        record_up_to(seq);
        assert_true(history.capacity < 2 * seq || history.capacity == 2);
        assert_kept(1, seq);
    }
    assert_int_equal(64, history.capacity);
}

TEST(it_keeps_the_last_of_them_in_order) {
    record_up_to(64);
    assert_kept(1, 64);
    record_up_to(65);
    assert_kept(2, 65);
    record_up_to(1000);
    assert_kept(937, 1000);
    assert_int_equal(1000, history.recorded);
    assert_int_equal(1 + 64, blocks);
}

TEST(a_full_one_takes_the_block_of_the_oldest_unless_it_is_much_too_large) {
    sut_history_set_limit(&history, 2);
    record(1, "a path of some length");
    record(2, "a path of some length");
    budget = 0;
    record(3, "a path of that length");
    assert_string_equal("a path of that length", sut_history_at(&history, 1)->text);
    budget = 1;
    record(4, "/");
    assert_string_equal("/", sut_history_at(&history, 1)->text);
    assert_int_equal(0, budget);
    budget = 1;
    record(5, "a path that is longer than that");
    assert_string_equal("a path that is longer than that", sut_history_at(&history, 1)->text);
    assert_int_equal(0, budget);
    budget = -1;
}

TEST(it_never_takes_more_than_its_limit_allows) {
    sut_history_set_limit(&history, 5);
    record_up_to(20);
    assert_kept(16, 20);
    assert_int_equal(5, history.capacity);
    sut_history_set_limit(&history, 1);
    record_up_to(23);
    assert_kept(23, 23);
}

TEST(with_a_limit_of_none_it_only_counts) {
    sut_history_set_limit(&history, 0);
    record_up_to(20);
    assert_int_equal(0, blocks);
    assert_int_equal(0, history.count);
    assert_int_equal(20, history.recorded);
}

TEST(a_lower_limit_leaves_the_latest_and_gives_memory_back) {
    record_up_to(100);
    sut_history_set_limit(&history, 3);
    assert_kept(98, 100);
    assert_int_equal(3, history.capacity);
    assert_int_equal(1 + 3, blocks);
    sut_history_set_limit(&history, 0);
    assert_int_equal(0, blocks);
    sut_history_set_limit(&history, 10);
    record_up_to(102);
    assert_kept(101, 102);
}

TEST(a_lower_limit_holds_without_memory_too) {
    record_up_to(100);
    budget = 0;
    sut_history_set_limit(&history, 3);
    assert_kept(98, 100);
    budget = -1;
    record_up_to(101);
    assert_kept(99, 101);
}

TEST(a_higher_limit_keeps_what_was_there) {
    sut_history_set_limit(&history, 3);
    record_up_to(10);
    sut_history_set_limit(&history, 10000);
    record_up_to(10100);
    assert_kept(101, 10100);
    assert_int_equal(10000, history.capacity);
}

TEST(without_memory_for_its_texts_an_entry_has_none) {
    record_up_to(1);
    budget = 0;
    record(2, "root");
    budget = -1;
    assert_int_equal(2, history.count);
    const struct sut_entry *entry = sut_history_at(&history, 1);
    assert_int_equal(2, entry->facts.seq);
    assert_int_equal(SUT_NO_TEXT, entry->length[SUT_TEXT_PATH]);
    assert_int_equal(0, sut_entry_size(entry));
}

TEST(without_memory_for_one_more_the_oldest_makes_room) {
    record_up_to(2);
    budget = 0;
    record(3, "root");
    record(4, "root");
    budget = -1;
    assert_int_equal(4, history.recorded);
    assert_int_equal(2, history.count);
    assert_int_equal(3, sut_history_at(&history, 0)->facts.seq);
    assert_int_equal(4, sut_history_at(&history, 1)->facts.seq);
    record(5, "root");
    assert_int_equal(3, history.count);
}

TEST(without_any_memory_an_event_is_only_counted) {
    budget = 0;
    record_up_to(3);
    budget = -1;
    assert_int_equal(0, history.count);
    record_up_to(4);
    assert_kept(4, 4);
}

/* ---- texts ---- */

static const char *kept_of(enum sut_text which, const char *text, size_t length) {
    static char out[SUT_ENTRY_TEXT_MAX + 1];
    struct sut_notes notes = {0};
    const struct sut_entry *entry;
    sut_note_text(&notes, which, text, length);
    sut_history_record(&history, &notes);
    entry = sut_history_at(&history, history.count - 1U);
    assert_int_equal(entry->length[which], sut_entry_size(entry));
    memcpy(out, entry->text, entry->length[which]);
    out[entry->length[which]] = '\0';
    return out;
}

TEST(a_text_is_kept_whole_up_to_its_bound_and_else_head_and_tail) {
    char text[1000];
    memset(text, 'h', sizeof text);
    memset(text + 500, 't', 500);
    assert_int_equal(200, strlen(kept_of(SUT_TEXT_ERROR_MSG, text, 200)));
    assert_null(strstr(kept_of(SUT_TEXT_ERROR_MSG, text, 200), "..."));
    const char *kept = kept_of(SUT_TEXT_ERROR_MSG, text, sizeof text);
    assert_int_equal(200, strlen(kept));
    assert_non_null(strstr(kept, "h ... t"));
    assert_int_equal(512, strlen(kept_of(SUT_TEXT_PATH, text, sizeof text)));
    assert_int_equal(128, strlen(kept_of(SUT_TEXT_SERVICE_NAME, text, sizeof text)));
    assert_int_equal(200, strlen(kept_of(SUT_TEXT_REASON, text, sizeof text)));
    assert_int_equal(160, strlen(kept_of(SUT_TEXT_WAITING_FOR, text, sizeof text)));
}

TEST(the_texts_of_one_entry_together_stay_in_their_bound) {
    char text[2000];
    struct sut_notes notes = {0};
    memset(text, 'x', sizeof text);
    for (int i = 0; i < SUT_TEXTS; i++) {
        sut_note_text(&notes, (enum sut_text)i, text, sizeof text);
    }
    sut_history_record(&history, &notes);
    assert_int_equal(SUT_ENTRY_TEXT_MAX, sut_entry_size(sut_history_at(&history, 0)));
}

/* Whether the text is UTF-8 of two bytes a character, but for what stands between. */
static bool is_whole(const char *text) {
    for (; *text; text++)
        if ((unsigned char)*text == 0xC3 && (unsigned char)*++text != 0xA9)
            return false;
        else if ((unsigned char)*text == 0xA9 && (unsigned char)text[-1] != 0xC3)
            return false;
    return true;
}

/* Both ends of the gap are tried at each place in a character. */
TEST(a_text_is_not_cut_inside_a_character) {
    char text[1003];
    for (size_t before = 0; before < 2; before++)
        for (size_t behind = 0; behind < 2; behind++) {
            memset(text, 'x', sizeof text);
            for (size_t i = 0; i < 500; i++)
                memcpy(text + before + 2 * i, "\xC3\xA9", 2);
            assert_true(is_whole(kept_of(SUT_TEXT_ERROR_MSG, text, before + 1000 + behind)));
        }
}

TEST(bytes_that_are_no_text_are_kept_as_they_are) {
    char bytes[1000];
    memset(bytes, 0x80, sizeof bytes);
    assert_int_equal(200 - 2 * 3, strlen(kept_of(SUT_TEXT_ERROR_MSG, bytes, sizeof bytes)));
    assert_memory_equal("a\0b", kept_of(SUT_TEXT_ERROR_MSG, "a\0b", 3), 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            it_has_no_memory_before_the_first_event_and_grows_by_doubling, setup, teardown),
        cmocka_unit_test_setup_teardown(it_keeps_the_last_of_them_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_full_one_takes_the_block_of_the_oldest_unless_it_is_much_too_large, setup, teardown),
        cmocka_unit_test_setup_teardown(it_never_takes_more_than_its_limit_allows, setup, teardown),
        cmocka_unit_test_setup_teardown(with_a_limit_of_none_it_only_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lower_limit_leaves_the_latest_and_gives_memory_back,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_lower_limit_holds_without_memory_too, setup, teardown),
        cmocka_unit_test_setup_teardown(a_higher_limit_keeps_what_was_there, setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory_for_its_texts_an_entry_has_none, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(without_memory_for_one_more_the_oldest_makes_room, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(without_any_memory_an_event_is_only_counted, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_text_is_kept_whole_up_to_its_bound_and_else_head_and_tail,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(the_texts_of_one_entry_together_stay_in_their_bound, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_text_is_not_cut_inside_a_character, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_that_are_no_text_are_kept_as_they_are, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
