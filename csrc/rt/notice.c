/* SPDX-License-Identifier: MIT
 *
 * Notices in words.
 */
#include "rt/notice.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

static _Atomic int chosen = SUT_NOTICE_TEXT;

void sut_notice_choose(enum sut_notice_form form) { atomic_store(&chosen, (int)form); }

/* "service root/web has run for 2.0 s in one piece ..." */
static void message(const struct sut_notice *notice, char *out, size_t size) {
    const char *end = "; nothing else can run meanwhile";
    if (notice->aborts) end = "; the process ends because of it (on_unkillable)";
    (void)snprintf(out, size,
                   "%s has run for %.1f s in one piece, and %s: it is in a C function, in a "
                   "finalizer, or where Lua cannot yield%s",
                   notice->who, (double)notice->ran_ns / 1e9,
                   notice->overdue ? "cannot be killed" : "cannot be interrupted", end);
}

/* RFC 3339 in UTC, with milliseconds or microseconds. */
static void timestamp(int64_t wall_us, int digits, char *out, size_t size) {
    time_t seconds = (time_t)(wall_us / 1000000);
    int fraction = (int)(wall_us % 1000000) / (digits == 3 ? 1000 : 1);
    struct tm utc;
    char date[32];
    (void)gmtime_r(&seconds, &utc); /* every microsecond of 64 bits has a year */
    (void)strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
    (void)snprintf(out, size, "%s.%0*dZ", date, digits, fraction);
}

/* Printable bytes alone come in; two of them mean something to JSON. */
static void escape(const char *text, char *out, size_t size) {
    size_t length = 0;
    for (; *text && length + 3 < size; text++) {
        if (*text == '"' || *text == '\\') out[length++] = '\\';
        out[length++] = *text;
    }
    out[length] = '\0';
}

size_t sut_notice_text(const struct sut_notice *notice, enum sut_notice_form form, int64_t wall_us,
                       char *out, size_t size) {
    char text[640];
    char escaped[800];
    char when[48];
    int length;
    message(notice, text, sizeof text);
    timestamp(wall_us, form == SUT_NOTICE_JSON ? 6 : 3, when, sizeof when);
    if (form == SUT_NOTICE_JSON) {
        escape(text, escaped, sizeof escaped);
        length = snprintf(out, size,
                          "{\"ts\":\"%s\",\"level\":\"error\",\"type\":\"stuck\",\"msg\":\"%s\"}\n",
                          when, escaped);
    } else {
        length = snprintf(out, size, "%s %-17s %s\n", when, "stuck", text);
    }
    return (size_t)length < size ? (size_t)length : size - 1;
}

void sut_notice_write(const struct sut_notice *notice) {
    uv_timeval64_t now;
    char line[1024];
    (void)uv_gettimeofday(&now);
    size_t length = sut_notice_text(notice, (enum sut_notice_form)atomic_load(&chosen),
                                    now.tv_sec * INT64_C(1000000) + now.tv_usec, line, sizeof line);
    ssize_t written = write(STDERR_FILENO, line, length);
    (void)written;
}
