/* SPDX-License-Identifier: MIT
 *
 * How late things were, as a histogram on a logarithmic scale: a fixed array, so that noting one
 * costs a few shifts and never allocates. Four buckets an octave, from a microsecond to over an
 * hour: a part that is read from it is too high by a quarter at most. Knows no clock.
 */
#ifndef SUT_CORE_LAG_H
#define SUT_CORE_LAG_H

#include <stdint.h>

enum { SUT_LAG_BUCKETS = 128 };

struct sut_lag {
    uint64_t counts[SUT_LAG_BUCKETS];
    uint64_t count;
    int64_t max_ns;
    int64_t since_ns; /* when the counting began */
};

/* Forgets everything: the counting begins now. Cannot fail. */
void sut_lag_reset(struct sut_lag *lag, int64_t now_ns);

/* Notes one; what was early counts as in time. Cannot fail. */
void sut_lag_note(struct sut_lag *lag, int64_t late_ns);

/* The least bound known under which that part of them, from 0 to 1, has stayed; 0 when there was
 * none. */
int64_t sut_lag_part(const struct sut_lag *lag, double part);

#endif
