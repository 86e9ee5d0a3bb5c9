/* SPDX-License-Identifier: MIT
 *
 * The restart delay of one child: grows with each failure from `min` to `max`, and begins anew
 * after a run that lasted long enough. Pure; jitter is the host's (ours; systemd and Akka have the
 * like).
 */
#ifndef SUT_CORE_BACKOFF_H
#define SUT_CORE_BACKOFF_H

#include <stdint.h>

struct sut_backoff {
    int64_t min_ns;
    int64_t max_ns;
    int64_t reset_after_ns; /* a run of this length makes the next delay the least */
    double factor;          /* at least 1 */
    int64_t delay_ns;       /* of the latest failure; 0: none yet, or begun anew */
    int64_t due_ns;         /* the next try, after jitter; SUT_NEVER until the host has said */
};

/* The delay after one more failure of a run that lasted `ran_ns`, before jitter. Cannot fail. */
int64_t sut_backoff_next(struct sut_backoff *backoff, int64_t ran_ns);

#endif
