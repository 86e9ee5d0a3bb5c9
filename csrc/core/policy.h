/* SPDX-License-Identifier: MIT
 *
 * What a supervisor does about one more failure. Pure functions over small structs; time comes in
 * as an argument.
 *
 * Two rules. The score is suture v4's: the first failure makes it 1, each later one halves what is
 * left every `decay_s` seconds and adds 1; over the threshold, strictly, the supervisor pauses its
 * restarts. The window is OTP's: `intensity` restarts are tolerated within `period_ns`, the next
 * one ends the supervisor. Ours is the third limit: the score ends the supervisor too, instead of
 * one more pause, after `escalate_after` pauses in a row.
 */
#ifndef SUT_CORE_POLICY_H
#define SUT_CORE_POLICY_H

#include <stdbool.h>
#include <stdint.h>

struct sut_policy {
    double decay_s;     /* half-life in seconds; infinite: no decay; 0: every failure makes 1 */
    double threshold;   /* infinite: never pauses */
    int64_t period_ns;  /* of the window; 0: the score is the rule */
    int64_t quiet_ns;   /* without a failure for so long, pauses are not in a row */
    uint32_t intensity; /* restarts tolerated in the window */
    uint32_t escalate_after; /* pauses in a row; 0: never gives up */
};

struct sut_score {
    double value;
    int64_t last_ns; /* when it last changed; meaningful while `failed` */
    int64_t calm_ns; /* the latest failure or end of a pause */
    bool failed;     /* a failure has been counted in this life */
    uint32_t pauses; /* in a row */
    /* The window: times of the latest restarts, oldest at `first`, in a ring that has room for
     * policy.intensity + 1. */
    int64_t *restarts_ns;
    uint32_t first;
    uint32_t count;
};

enum sut_verdict { SUT_VERDICT_RESTART, SUT_VERDICT_PAUSE, SUT_VERDICT_ESCALATE };

/* Counts a failure and says what follows; `paused` says that a pause is under way. The ring
 * has its room where there is a window. Cannot fail. */
enum sut_verdict sut_policy_fail(const struct sut_policy *policy, struct sut_score *score,
                                 bool paused, int64_t now_ns);

/* The score decayed to now, or the number of restarts in the window, unchanged in place. */
double sut_policy_score(const struct sut_policy *policy, const struct sut_score *score,
                        int64_t now_ns);

/* What the score is measured against: the threshold, or the intensity. */
double sut_policy_limit(const struct sut_policy *policy);

/* How much it tolerates before it gives up: restarts in the window, else pauses in a row. */
uint32_t sut_policy_tolerated(const struct sut_policy *policy);

/* A pause has ended: the score is 0, and the next failure makes it 1. */
void sut_policy_resume(struct sut_score *score, int64_t now_ns);

/* A new life: nothing has failed. The ring stays. */
void sut_policy_reset(struct sut_score *score);

/* Goes over to another policy: what was counted is kept as far as the new one has a place for it.
 * `ring` has room for to->intensity + 1 times, or is NULL without a window, and becomes the
 * score's; returns the former ring, which is the caller's again. */
int64_t *sut_policy_change(struct sut_policy *policy, struct sut_score *score,
                           const struct sut_policy *to, int64_t *ring, int64_t now_ns);

#endif
