/* SPDX-License-Identifier: MIT
 *
 * How the restart delay of a child grows.
 */
#include "core/backoff.h"

static int64_t grown(const struct sut_backoff *backoff) {
    double delay_ns = (double)backoff->delay_ns * backoff->factor;
    return delay_ns >= (double)backoff->max_ns ? backoff->max_ns : (int64_t)delay_ns;
}

int64_t sut_backoff_next(struct sut_backoff *backoff, int64_t ran_ns) {
    if (ran_ns >= backoff->reset_after_ns) backoff->delay_ns = 0;
    int64_t delay_ns = backoff->delay_ns > 0 ? grown(backoff) : backoff->min_ns;
    backoff->delay_ns = delay_ns > backoff->min_ns ? delay_ns : backoff->min_ns;
    return backoff->delay_ns;
}
