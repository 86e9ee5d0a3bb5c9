/* SPDX-License-Identifier: MIT
 *
 * The run queue of the C floor: a ring of pointers that doubles when it is full.
 */
#include "floor.h"

#include <stdlib.h>

static struct service **ring;
static size_t size; /* a power of two, or 0 */
static size_t head; /* where the next one goes */
static size_t tail; /* where the first one is */

static void grow(void) {
    size_t wider = size ? 2 * size : 64;
    struct service **moved = malloc(wider * sizeof(struct service *));
    if (!moved) abort();
    for (size_t i = tail; i != head; i++)
        moved[i - tail] = ring[i & (size - 1)];
    head -= tail;
    tail = 0;
    free(ring);
    ring = moved;
    size = wider;
}

void ring_push(struct service *service) {
    if (head - tail == size) grow();
    ring[head++ & (size - 1)] = service;
}

struct service *ring_pop(void) {
    return head == tail ? NULL : ring[tail++ & (size - 1)];
}
