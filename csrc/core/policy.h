/* SPDX-License-Identifier: MIT
 *
 * The failure score: what a supervisor does about one more failure. Pure functions over a small
 * struct; time comes in as an argument. The rule is suture v4's: the first failure makes the score
 * 1, each later one halves what is left every `decay_s` seconds and adds 1; over the threshold,
 * strictly, the supervisor pauses its restarts.
 */
#ifndef SUT_CORE_POLICY_H
#define SUT_CORE_POLICY_H

#include <stdbool.h>
#include <stdint.h>

struct sut_policy {
    double decay_s;   /* half-life in seconds; infinite: no decay; 0: every failure makes it 1 */
    double threshold; /* infinite: never pauses */
};

struct sut_score {
    double value;
    int64_t last_ns; /* when it last changed; meaningful while `failed` */
    bool failed;     /* a failure has been counted in this life */
};

enum sut_verdict { SUT_VERDICT_RESTART, SUT_VERDICT_PAUSE };

/* Counts a failure and says what follows. Cannot fail. */
enum sut_verdict sut_policy_fail(const struct sut_policy *policy, struct sut_score *score,
                                 int64_t now_ns);

/* The score decayed to now, unchanged in place. */
double sut_policy_score(const struct sut_policy *policy, const struct sut_score *score,
                        int64_t now_ns);

/* A pause has ended: the score is 0, and the next failure makes it 1. */
void sut_policy_resume(struct sut_score *score);

#endif
