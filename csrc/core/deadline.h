/* SPDX-License-Identifier: MIT
 *
 * Every deadline of a runtime, in the order of their times and then of arming.
 *
 * The node lies inside what waits, so arming never allocates and cannot fail. Times are nanoseconds
 * of whatever clock the caller has; `sut_deadline_due` is told what it shows.
 *
 * A radix queue. `past_ns` is a time that has passed. A time that lies after it differs from it
 * first in some digit, of six bits: the digit's place is the level, its value the slot, and each
 * slot is a list. So the first deadline is in the lowest slot of the lowest level that has any, and
 * when time reaches that slot, those in it are spread over the levels below. Arming and cancelling
 * are O(1); a deadline is moved once a level on its way down, which for those that wait up to a
 * tenth of a second is four times, each time with its neighbours in time. A heap would touch about
 * as many nodes that lie all over the memory.
 */
#ifndef SUT_CORE_DEADLINE_H
#define SUT_CORE_DEADLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A deadline that never comes. */
#define SUT_NEVER INT64_MAX

/* A service has two of them, and there may be a million services: the kind is in what an address
 * has to spare. */
struct sut_deadline {
    struct sut_deadline *next; /* in the ring of its slot; NULL while not armed */
    uintptr_t prev_and_kind;
    int64_t time_ns; /* SUT_NEVER while not armed */
};

enum { SUT_DEADLINE_DIGIT = 6, SUT_DEADLINE_SLOTS = 64, SUT_DEADLINE_LEVELS = 11 };

/* All zero: none is armed. */
struct sut_deadlines {
    int64_t past_ns;
    struct sut_deadline *first;         /* NULL: not known */
    uint64_t used[SUT_DEADLINE_LEVELS]; /* a bit for each slot that is not empty */
    struct sut_deadline *slots[SUT_DEADLINE_LEVELS][SUT_DEADLINE_SLOTS]; /* the first of a ring */
    uint32_t levels; /* a bit for each level that is not empty */
    uint32_t count;
};

static inline bool sut_deadline_armed(const struct sut_deadline *deadline) {
    return deadline->next != NULL;
}

/* Free for the owner: what to do when it fires; kept over arm and cancel. At most 7. */
static inline unsigned sut_deadline_kind(const struct sut_deadline *deadline) {
    return (unsigned)(deadline->prev_and_kind & 7);
}

static inline void sut_deadline_be(struct sut_deadline *deadline, unsigned kind) {
    deadline->prev_and_kind = (deadline->prev_and_kind & ~(uintptr_t)7) | kind;
}

/* Makes a node of the kind that is not armed. Cannot fail. */
void sut_deadline_init(struct sut_deadline *deadline, unsigned kind);

/* Arms the node for the time, after any others of the same time; an armed one is moved.
 * SUT_NEVER only cancels. Cannot fail. */
void sut_deadline_arm(struct sut_deadlines *all, struct sut_deadline *deadline, int64_t time_ns);

/* Disarms the node; harmless when it is not armed. Cannot fail. */
void sut_deadline_cancel(struct sut_deadlines *all, struct sut_deadline *deadline);

/* The earliest deadline, or NULL. It is looked for among those of its slot when it is not known. */
struct sut_deadline *sut_deadline_first(struct sut_deadlines *all);

/* The earliest deadline when its time has come, or NULL. One that is armed later for an earlier
 * time than `now_ns` still comes in its turn, but it is looked up where it belongs. */
struct sut_deadline *sut_deadline_due(struct sut_deadlines *all, int64_t now_ns);

/* The deadlines in an order in which those of one time stand as they were armed: the one after
 * `deadline`, the first for NULL; NULL at the end. */
struct sut_deadline *sut_deadline_walk(const struct sut_deadlines *all,
                                       const struct sut_deadline *deadline);

#endif
