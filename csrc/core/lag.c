/* SPDX-License-Identifier: MIT
 *
 * The buckets of lateness.
 *
 * Invariants: bucket 0 holds what is under 1,024 ns; the others go on from there, four an octave,
 * of equal width within it; the last one holds all that is beyond. `counts` add up to `count`.
 */
#include "core/lag.h"

#include <string.h>

enum { FIRST_OCTAVE = 10, PER_OCTAVE = 4 };

/* The bucket's place follows from the highest bit and the two below it. */
static int bucket_of(int64_t late_ns) {
    uint64_t bits = (uint64_t)late_ns >> (FIRST_OCTAVE - 2);
    int octave = 0;
    if (bits < PER_OCTAVE) return 0;
    for (; bits >= UINT64_C(2) * PER_OCTAVE; bits >>= 1)
        octave++;
    int bucket = 1 + octave * PER_OCTAVE + (int)(bits - PER_OCTAVE);
    return bucket < SUT_LAG_BUCKETS ? bucket : SUT_LAG_BUCKETS - 1;
}

/* All in the bucket are under it, but for the last one. */
static int64_t bound_of(int bucket) {
    int octave = (bucket - 1) / PER_OCTAVE;
    int step = (bucket - 1) % PER_OCTAVE;
    if (bucket == 0) return INT64_C(1) << FIRST_OCTAVE;
    return (int64_t)(PER_OCTAVE + step + 1) << (FIRST_OCTAVE - 2 + octave);
}

void sut_lag_reset(struct sut_lag *lag, int64_t now_ns) {
    memset(lag, 0, sizeof *lag);
    lag->since_ns = now_ns;
}

void sut_lag_note(struct sut_lag *lag, int64_t late_ns) {
    if (late_ns < 0) late_ns = 0;
    lag->counts[bucket_of(late_ns)]++;
    lag->count++;
    if (late_ns > lag->max_ns) lag->max_ns = late_ns;
}

int64_t sut_lag_part(const struct sut_lag *lag, double part) {
    double wanted = part * (double)lag->count;
    uint64_t seen = 0;
    if (lag->count == 0) return 0;
    for (int bucket = 0; bucket < SUT_LAG_BUCKETS - 1; bucket++) {
        int64_t bound = bound_of(bucket);
        seen += lag->counts[bucket];
        if (seen > 0 && (double)seen >= wanted) return bound < lag->max_ns ? bound : lag->max_ns;
    }
    return lag->max_ns;
}
