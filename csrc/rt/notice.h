/* SPDX-License-Identifier: MIT
 *
 * What the watchdog says on stderr of a turn that does not end: one line, one write, in the form of
 * the default logger. Made without memory and without Lua, for both belong to the thread that
 * hangs.
 */
#ifndef SUT_RT_NOTICE_H
#define SUT_RT_NOTICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sut_notice_form { SUT_NOTICE_TEXT, SUT_NOTICE_JSON };

struct sut_notice {
    const char *who; /* "service root/web": printable bytes */
    int64_t ran_ns;  /* in one piece, so far */
    bool overdue;    /* it should have been killed by now */
    bool aborts;     /* the process ends because of it */
};

/* Chooses the form of all notices of the process from now on. */
void sut_notice_choose(enum sut_notice_form form);

/* Writes the line into `out`, with its newline, NUL-terminated and cut at `size`; returns its
 * length. `wall_us` is Unix time. */
size_t sut_notice_text(const struct sut_notice *notice, enum sut_notice_form form, int64_t wall_us,
                       char *out, size_t size);

/* Writes it to stderr; what cannot be written is lost. */
void sut_notice_write(const struct sut_notice *notice);

#endif
