/* SPDX-License-Identifier: MIT
 *
 * Tests for what the watchdog says: one line, whole or cut, that JSON readers understand.
 */
#include "rt/notice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define WALL_US INT64_C(1700000000123456)

static const char *said(const struct sut_notice *notice, enum sut_notice_form form) {
    static char line[1024];
    size_t length = sut_notice_text(notice, form, WALL_US, line, sizeof line);
    assert_int_equal(strlen(line), length);
    return line;
}

static void a_service_that_cannot_be_interrupted_keeps_the_others_waiting(void **state) {
    struct sut_notice notice = {.who = "service root/web", .ran_ns = INT64_C(2040000000)};
    (void)state;
    assert_string_equal(
        "2023-11-14T22:13:20.123Z stuck             service root/web has run for 2.0 s in one "
        "piece, and cannot be interrupted: it is in a C function, in a finalizer, or where Lua "
        "cannot yield; nothing else can run meanwhile\n",
        said(&notice, SUT_NOTICE_TEXT));
}

static void one_that_cannot_be_killed_may_end_the_process(void **state) {
    struct sut_notice notice = {
        .who = "service a", .ran_ns = INT64_C(1000000000), .overdue = true, .aborts = true};
    (void)state;
    assert_string_equal(
        "2023-11-14T22:13:20.123Z stuck             service a has run for 1.0 s in one piece, and "
        "cannot be killed: it is in a C function, in a finalizer, or where Lua cannot yield; the "
        "process ends because of it (on_unkillable)\n",
        said(&notice, SUT_NOTICE_TEXT));
}

static void quotes_and_backslashes_are_escaped_in_json(void **state) {
    struct sut_notice notice = {.who = "service a\"b\\c", .ran_ns = 0};
    (void)state;
    assert_string_equal(
        "{\"ts\":\"2023-11-14T22:13:20.123456Z\",\"level\":\"error\",\"type\":\"stuck\",\"msg\":"
        "\"service a\\\"b\\\\c has run for 0.0 s in one piece, and cannot be interrupted: it is in "
        "a C "
        "function, in a finalizer, or where Lua cannot yield; nothing else can run meanwhile\"}\n",
        said(&notice, SUT_NOTICE_JSON));
}

static void a_message_that_has_no_room_escaped_is_cut_and_stays_json(void **state) {
    char who[600];
    struct sut_notice notice = {.who = who};
    const char *line;
    (void)state;
    memset(who, '"', sizeof who - 1);
    who[sizeof who - 1] = '\0';
    line = said(&notice, SUT_NOTICE_JSON);
    assert_string_equal("\\\"\\\"\"}\n", line + strlen(line) - 7);
}

static void a_line_is_cut_at_its_room(void **state) {
    struct sut_notice notice = {.who = "service a"};
    char line[16];
    (void)state;
    assert_int_equal(15, sut_notice_text(&notice, SUT_NOTICE_TEXT, WALL_US, line, sizeof line));
    assert_string_equal("2023-11-14T22:1", line);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_that_cannot_be_interrupted_keeps_the_others_waiting),
        cmocka_unit_test(one_that_cannot_be_killed_may_end_the_process),
        cmocka_unit_test(quotes_and_backslashes_are_escaped_in_json),
        cmocka_unit_test(a_message_that_has_no_room_escaped_is_cut_and_stays_json),
        cmocka_unit_test(a_line_is_cut_at_its_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
