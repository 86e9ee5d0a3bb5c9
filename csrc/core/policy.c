/* SPDX-License-Identifier: MIT
 *
 * The arithmetic of the failure score, and the window of restarts.
 *
 * The score is computed as Lua would compute `score * 0.5 ^ (elapsed / decay) + 1`, so that a
 * reference model written in Lua agrees to the last bit: do not rearrange it.
 */
#include "core/policy.h"

#include <math.h>

static bool has_window(const struct sut_policy *policy) { return policy->period_ns > 0; }

/* ---- the window ---- */

/* Room for those that are tolerated, and for the one that is not. */
static uint64_t ring_size(const struct sut_policy *policy) {
    return (uint64_t)policy->intensity + 1;
}

/* The ring's entry number `i`, counted from the oldest. */
static int64_t *restart_at(const struct sut_policy *policy, const struct sut_score *score,
                           uint32_t i) {
    return &score->restarts_ns[((uint64_t)score->first + i) % ring_size(policy)];
}

/* How many restarts are older than the window: one that is exactly as old as it still counts. */
static uint32_t count_expired(const struct sut_policy *policy, const struct sut_score *score,
                              int64_t now_ns) {
    uint32_t expired = 0;
    while (expired < score->count &&
           *restart_at(policy, score, expired) < now_ns - policy->period_ns)
        expired++;
    return expired;
}

static void drop_oldest(const struct sut_policy *policy, struct sut_score *score, uint32_t count) {
    score->first = (uint32_t)(((uint64_t)score->first + count) % ring_size(policy));
    score->count -= count;
}

static enum sut_verdict count_restart(const struct sut_policy *policy, struct sut_score *score,
                                      int64_t now_ns) {
    drop_oldest(policy, score, count_expired(policy, score, now_ns));
    if (score->count == ring_size(policy)) drop_oldest(policy, score, 1);
    score->count++;
    *restart_at(policy, score, score->count - 1) = now_ns;
    return score->count > policy->intensity ? SUT_VERDICT_ESCALATE : SUT_VERDICT_RESTART;
}

/* ---- the score ---- */

/* What is left of the score before a further failure. A decay of 0 leaves nothing even at the
 * instant of the failure, where the quotient would be no number; an infinite one makes the quotient
 * 0 and leaves all. */
static double decayed(const struct sut_policy *policy, const struct sut_score *score,
                      int64_t now_ns) {
    if (!score->failed || policy->decay_s <= 0) return 0;
    double elapsed_s = (double)(now_ns - score->last_ns) / 1e9;
    return score->value * pow(0.5, elapsed_s / policy->decay_s);
}

/* The score is over the threshold: another pause, or the end. */
static enum sut_verdict pause_or_escalate(const struct sut_policy *policy, struct sut_score *score,
                                          bool paused) {
    if (paused) return SUT_VERDICT_PAUSE; /* the same pause, from its beginning */
    if (policy->escalate_after > 0 && score->pauses >= policy->escalate_after)
        return SUT_VERDICT_ESCALATE;
    score->pauses++;
    return SUT_VERDICT_PAUSE;
}

static enum sut_verdict count_failure(const struct sut_policy *policy, struct sut_score *score,
                                      bool paused, int64_t now_ns) {
    if (score->failed && !paused && now_ns - score->calm_ns >= policy->quiet_ns) score->pauses = 0;
    score->value = decayed(policy, score, now_ns) + 1;
    score->last_ns = now_ns;
    score->calm_ns = now_ns;
    score->failed = true;
    if (score->value > policy->threshold) return pause_or_escalate(policy, score, paused);
    return SUT_VERDICT_RESTART;
}

/* ---- both ---- */

enum sut_verdict sut_policy_fail(const struct sut_policy *policy, struct sut_score *score,
                                 bool paused, int64_t now_ns) {
    if (has_window(policy)) return count_restart(policy, score, now_ns);
    return count_failure(policy, score, paused, now_ns);
}

double sut_policy_score(const struct sut_policy *policy, const struct sut_score *score,
                        int64_t now_ns) {
    if (has_window(policy)) return score->count - count_expired(policy, score, now_ns);
    if (score->failed && score->last_ns == now_ns) return score->value;
    return decayed(policy, score, now_ns);
}

double sut_policy_limit(const struct sut_policy *policy) {
    return has_window(policy) ? policy->intensity : policy->threshold;
}

uint32_t sut_policy_tolerated(const struct sut_policy *policy) {
    return has_window(policy) ? policy->intensity : policy->escalate_after;
}

void sut_policy_resume(struct sut_score *score, int64_t now_ns) {
    score->value = 0;
    score->calm_ns = now_ns;
}

void sut_policy_reset(struct sut_score *score) {
    *score = (struct sut_score){.restarts_ns = score->restarts_ns};
}

/* The latest restarts that the new ring has room for, in order from its beginning. */
static uint32_t copy_restarts(const struct sut_policy *policy, const struct sut_score *score,
                              uint32_t size, int64_t *ring) {
    uint32_t count = score->count < size ? score->count : size;
    for (uint32_t i = 0; i < count; i++)
        ring[i] = *restart_at(policy, score, score->count - count + i);
    return count;
}

int64_t *sut_policy_change(struct sut_policy *policy, struct sut_score *score,
                           const struct sut_policy *to, int64_t *ring, int64_t now_ns) {
    int64_t *former = score->restarts_ns;
    bool kept = has_window(policy) && has_window(to);
    uint32_t count = kept ? copy_restarts(policy, score, to->intensity + 1, ring) : 0;
    if (has_window(policy) != has_window(to)) {
        sut_policy_reset(score);
    } else if (score->failed && policy->decay_s != to->decay_s) { /* the new half-life, from now */
        score->value = sut_policy_score(policy, score, now_ns);
        score->last_ns = now_ns;
    }
    score->restarts_ns = ring;
    score->first = 0;
    score->count = count;
    *policy = *to;
    return former;
}
