/* SPDX-License-Identifier: MIT
 *
 * The sleepers of the C floor: a binary heap of due times, in one array.
 */
#include "floor.h"

#include <stdlib.h>

struct entry {
    int64_t due_ns;
    struct service *service;
};

static struct entry *heap;
static size_t count;
static size_t room;

void heap_push(int64_t due_ns, struct service *service) {
    if (count == room) {
        room = room ? 2 * room : 64;
        heap = realloc(heap, room * sizeof *heap);
        if (!heap) abort();
    }
    size_t at = count++;
    for (; at > 0 && heap[(at - 1) / 2].due_ns > due_ns; at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = (struct entry){due_ns, service};
}

int heap_first(int64_t *due_ns) {
    if (count) *due_ns = heap[0].due_ns;
    return count > 0;
}

struct service *heap_pop(void) {
    struct service *first = heap[0].service;
    struct entry last = heap[--count];
    size_t at = 0;
    for (size_t child = 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && heap[child + 1].due_ns < heap[child].due_ns) child++;
        if (heap[child].due_ns >= last.due_ns) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return first;
}
