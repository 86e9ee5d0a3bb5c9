/* SPDX-License-Identifier: MIT
 *
 * The pairing heap of deadlines. It owns no memory: it links nodes that lie inside their owners.
 *
 * Invariants: no node comes before its parent; `prev` of the root is NULL; the root has no sibling.
 * Nothing here recurses, for a heap of n nodes can be a chain n deep.
 */
#include "core/deadline.h"

#include <stddef.h>

#define SEQ_MASK ((UINT64_C(1) << 56) - 1)

static bool comes_before(const struct sut_deadline *a, const struct sut_deadline *b) {
    if (a->time_ns != b->time_ns) return a->time_ns < b->time_ns;
    return a->seq < b->seq;
}

/* Makes the later of two roots the first child of the earlier one, which is returned. */
static struct sut_deadline *merge(struct sut_deadline *a, struct sut_deadline *b) {
    if (comes_before(b, a)) {
        struct sut_deadline *earlier = b;
        b = a;
        a = earlier;
    }
    b->prev = a;
    b->next = a->child;
    if (a->child) a->child->prev = b;
    a->child = b;
    a->prev = NULL;
    a->next = NULL;
    return a;
}

/* First pass: merges siblings two by two from the left. The results hang together by `next`, the
 * last pair first. */
static struct sut_deadline *merge_pairs(struct sut_deadline *sibling) {
    struct sut_deadline *pairs = NULL;
    while (sibling) {
        struct sut_deadline *first = sibling;
        struct sut_deadline *second = first->next;
        sibling = second ? second->next : NULL;
        if (second) first = merge(first, second);
        first->next = pairs;
        pairs = first;
    }
    return pairs;
}

/* Makes one tree of a row of siblings. Merging the pairs from the last to the first, and not the
 * other way round, is what keeps the cost logarithmic. */
static struct sut_deadline *merge_siblings(struct sut_deadline *sibling) {
    struct sut_deadline *pair = merge_pairs(sibling);
    struct sut_deadline *whole = pair;
    if (!whole) return NULL;
    pair = pair->next;
    whole->next = NULL;
    whole->prev = NULL;
    while (pair) {
        struct sut_deadline *next = pair->next;
        whole = merge(whole, pair);
        pair = next;
    }
    return whole;
}

/* Takes a node that is not the root, with all below it, out of its row of siblings. */
static void cut(struct sut_deadline *deadline) {
    if (deadline->prev->child == deadline)
        deadline->prev->child = deadline->next;
    else
        deadline->prev->next = deadline->next;
    if (deadline->next) deadline->next->prev = deadline->prev;
}

void sut_deadline_init(struct sut_deadline *deadline, uint8_t kind) {
    *deadline = (struct sut_deadline){.time_ns = SUT_NEVER, .kind = kind};
}

void sut_deadline_arm(struct sut_deadlines *heap, struct sut_deadline *deadline, int64_t time_ns) {
    sut_deadline_cancel(heap, deadline);
    if (time_ns == SUT_NEVER) return;
    /* One arming a nanosecond would take two years to wrap the order. */
    deadline->seq = ++heap->last_seq & SEQ_MASK;
    deadline->time_ns = time_ns;
    heap->root = heap->root ? merge(heap->root, deadline) : deadline;
    heap->count++;
}

void sut_deadline_cancel(struct sut_deadlines *heap, struct sut_deadline *deadline) {
    if (!sut_deadline_armed(deadline)) return;
    struct sut_deadline *below = merge_siblings(deadline->child);
    if (heap->root == deadline) {
        heap->root = below;
    } else {
        cut(deadline);
        if (below) heap->root = merge(heap->root, below);
    }
    heap->count--;
    sut_deadline_init(deadline, (uint8_t)deadline->kind);
}

struct sut_deadline *sut_deadline_first(const struct sut_deadlines *heap) {
    return heap->root;
}
