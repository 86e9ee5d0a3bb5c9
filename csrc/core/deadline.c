/* SPDX-License-Identifier: MIT
 *
 * The radix queue of deadlines. It owns no memory: it links nodes that lie inside their owners.
 *
 * Invariants: a deadline is in the slot that `place_of` says, and stays there while `past_ns` does
 * not reach that slot. Those of a slot of level 0 are in order; in others those of one time are in
 * the order of arming. What was armed for a time before `past_ns` is in the slot of that time.
 */
#include "core/deadline.h"

struct place {
    unsigned level;
    unsigned slot;
};

static struct place place_of(const struct sut_deadlines *all, int64_t time_ns) {
    uint64_t past = (uint64_t)all->past_ns;
    uint64_t time = time_ns > all->past_ns ? (uint64_t)time_ns : past;
    uint64_t differs = (time ^ past) | 1;
    unsigned level = (63U - (unsigned)__builtin_clzll(differs)) / SUT_DEADLINE_DIGIT;
    return (struct place){level, time >> level * SUT_DEADLINE_DIGIT & (SUT_DEADLINE_SLOTS - 1)};
}

/* The lowest slot that is not empty; there is one. */
static struct place lowest(const struct sut_deadlines *all) {
    unsigned level = (unsigned)__builtin_ctz(all->levels);
    return (struct place){level, (unsigned)__builtin_ctzll(all->used[level])};
}

static struct sut_deadline **ring_at(struct sut_deadlines *all, struct place place) {
    return &all->slots[place.level][place.slot];
}

/* The first time that belongs to the slot. */
static int64_t start_of(const struct sut_deadlines *all, struct place place) {
    unsigned shift = place.level * SUT_DEADLINE_DIGIT;
    uint64_t above =
        shift + SUT_DEADLINE_DIGIT < 64 ? ~UINT64_C(0) << (shift + SUT_DEADLINE_DIGIT) : 0;
    return (int64_t)(((uint64_t)all->past_ns & above) | (uint64_t)place.slot << shift);
}

/* ---- rings ---- */

static struct sut_deadline *before(const struct sut_deadline *node) {
    return (struct sut_deadline *)(node->prev_and_kind & ~(uintptr_t)7);
}

static void link(struct sut_deadline *node, struct sut_deadline *behind) {
    node->next = behind;
    behind->prev_and_kind = (uintptr_t)node | sut_deadline_kind(behind);
}

/* Puts the node before another one of a ring. */
static void insert(struct sut_deadline *node, struct sut_deadline *behind) {
    link(before(behind), node);
    link(node, behind);
}

/* Puts it into a ring of level 0, behind all that do not come after it. They have one time, but for
 * those that were late when they were armed. */
static void insert_sorted(struct sut_deadline **ring, struct sut_deadline *node) {
    struct sut_deadline *head = *ring;
    struct sut_deadline *last = before(head);
    while (last != head && last->time_ns > node->time_ns)
        last = before(last);
    bool comes_first = last->time_ns > node->time_ns;
    insert(node, comes_first ? head : last->next);
    if (comes_first) *ring = node;
}

static void enter(struct sut_deadlines *all, struct sut_deadline *node) {
    struct place place = place_of(all, node->time_ns);
    struct sut_deadline **ring = ring_at(all, place);
    if (!*ring) {
        link(node, node);
        *ring = node;
        all->used[place.level] |= UINT64_C(1) << place.slot;
        all->levels |= 1U << place.level;
    } else if (place.level == 0) {
        insert_sorted(ring, node);
    } else {
        insert(node, *ring);
    }
}

static void empty(struct sut_deadlines *all, struct place place) {
    *ring_at(all, place) = NULL;
    all->used[place.level] &= ~(UINT64_C(1) << place.slot);
    if (!all->used[place.level]) all->levels &= ~(1U << place.level);
}

static void leave(struct sut_deadlines *all, struct sut_deadline *node) {
    struct place place = place_of(all, node->time_ns);
    if (node->next == node) {
        empty(all, place);
        return;
    }
    struct sut_deadline **ring = ring_at(all, place);
    if (*ring == node) *ring = node->next;
    link(before(node), node->next);
}

/* Time has reached the slot: what is in it goes to levels below. */
static void spread(struct sut_deadlines *all, struct place place) {
    struct sut_deadline *node = *ring_at(all, place);
    before(node)->next = NULL;
    all->past_ns = start_of(all, place);
    empty(all, place);
    while (node) {
        struct sut_deadline *next = node->next;
        enter(all, node);
        node = next;
    }
}

/* ---- what others see ---- */

void sut_deadline_init(struct sut_deadline *deadline, unsigned kind) {
    *deadline = (struct sut_deadline){.prev_and_kind = kind, .time_ns = SUT_NEVER};
}

void sut_deadline_arm(struct sut_deadlines *all, struct sut_deadline *deadline, int64_t time_ns) {
    sut_deadline_cancel(all, deadline);
    if (time_ns == SUT_NEVER) return;
    deadline->time_ns = time_ns;
    enter(all, deadline);
    if (all->count++ == 0 || (all->first && time_ns < all->first->time_ns)) all->first = deadline;
}

void sut_deadline_cancel(struct sut_deadlines *all, struct sut_deadline *deadline) {
    if (!sut_deadline_armed(deadline)) return;
    leave(all, deadline);
    deadline->next = NULL;
    deadline->time_ns = SUT_NEVER;
    if (all->first == deadline) all->first = NULL;
    all->count--;
}

struct sut_deadline *sut_deadline_first(struct sut_deadlines *all) {
    if (all->first || !all->count) return all->first;
    struct sut_deadline *head = *ring_at(all, lowest(all));
    all->first = head;
    for (struct sut_deadline *node = head->next; node != head; node = node->next)
        if (node->time_ns < all->first->time_ns) all->first = node;
    return all->first;
}

struct sut_deadline *sut_deadline_due(struct sut_deadlines *all, int64_t now_ns) {
    while (!all->first && all->count) {
        struct place place = lowest(all);
        struct sut_deadline *head = *ring_at(all, place);
        if (place.level == 0 || head->next == head)
            all->first = head;
        else if (start_of(all, place) > now_ns)
            return NULL;
        else
            spread(all, place);
    }
    return all->first && all->first->time_ns <= now_ns ? all->first : NULL;
}

struct sut_deadline *sut_deadline_walk(const struct sut_deadlines *all,
                                       const struct sut_deadline *deadline) {
    unsigned at = 0;
    if (deadline) {
        struct place place = place_of(all, deadline->time_ns);
        if (deadline->next != all->slots[place.level][place.slot]) return deadline->next;
        at = place.level * SUT_DEADLINE_SLOTS + place.slot + 1;
    }
    for (; at < SUT_DEADLINE_LEVELS * SUT_DEADLINE_SLOTS; at++)
        if (all->slots[at / SUT_DEADLINE_SLOTS][at % SUT_DEADLINE_SLOTS])
            return all->slots[at / SUT_DEADLINE_SLOTS][at % SUT_DEADLINE_SLOTS];
    return NULL;
}
