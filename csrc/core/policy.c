/* SPDX-License-Identifier: MIT
 *
 * The arithmetic of the failure score.
 *
 * The value is computed as Lua would compute `score * 0.5 ^ (elapsed / decay) + 1`, so that a
 * reference model written in Lua agrees to the last bit: do not rearrange it.
 */
#include "core/policy.h"

#include <math.h>

/* What is left of the score before a further failure. A decay of 0 leaves nothing even at the
 * instant of the failure, where the quotient would be no number; an infinite one makes the quotient
 * 0 and leaves all. */
static double decayed(const struct sut_policy *policy, const struct sut_score *score,
                      int64_t now_ns) {
    if (!score->failed || policy->decay_s <= 0) return 0;
    double elapsed_s = (double)(now_ns - score->last_ns) / 1e9;
    return score->value * pow(0.5, elapsed_s / policy->decay_s);
}

enum sut_verdict sut_policy_fail(const struct sut_policy *policy, struct sut_score *score,
                                 int64_t now_ns) {
    score->value = decayed(policy, score, now_ns) + 1;
    score->last_ns = now_ns;
    score->failed = true;
    return score->value > policy->threshold ? SUT_VERDICT_PAUSE : SUT_VERDICT_RESTART;
}

double sut_policy_score(const struct sut_policy *policy, const struct sut_score *score,
                        int64_t now_ns) {
    if (score->failed && score->last_ns == now_ns) return score->value;
    return decayed(policy, score, now_ns);
}

void sut_policy_resume(struct sut_score *score) { score->value = 0; }
