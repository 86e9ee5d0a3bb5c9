/* SPDX-License-Identifier: MIT
 *
 * Every deadline of a runtime, in one intrusive pairing heap ordered by time and then by arming.
 *
 * The node lies inside what waits, so arming never allocates and cannot fail. The heap knows no
 * clock: times are nanoseconds of whatever clock the caller has. A node that is not armed has
 * `seq` 0. Arming and taking the first are O(1) and O(log n) amortised; cancelling is O(log n)
 * amortised.
 */
#ifndef SUT_CORE_DEADLINE_H
#define SUT_CORE_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

/* A deadline that never comes. */
#define SUT_NEVER INT64_MAX

struct sut_deadline {
    struct sut_deadline *child;
    struct sut_deadline *next;
    struct sut_deadline *prev; /* the left sibling, or the parent of a first child */
    int64_t time_ns;
    uint64_t kind : 8; /* free for the owner: what to do when it fires; kept over arm and cancel */
    uint64_t seq : 56; /* order of arming, from 1; 0 while not armed */
};

struct sut_deadlines {
    struct sut_deadline *root;
    uint64_t last_seq;
    uint32_t count;
};

static inline bool sut_deadline_armed(const struct sut_deadline *deadline) {
    return deadline->seq != 0;
}

/* Makes a node that is not armed. Cannot fail. */
void sut_deadline_init(struct sut_deadline *deadline, uint8_t kind);

/* Arms the node for the time, after any others of the same time; an armed one is moved.
 * SUT_NEVER only cancels. Cannot fail. */
void sut_deadline_arm(struct sut_deadlines *heap, struct sut_deadline *deadline, int64_t time_ns);

/* Disarms the node; harmless when it is not armed. Cannot fail. */
void sut_deadline_cancel(struct sut_deadlines *heap, struct sut_deadline *deadline);

/* The earliest deadline, or NULL. */
struct sut_deadline *sut_deadline_first(const struct sut_deadlines *heap);

#endif
