/* SPDX-License-Identifier: MIT
 *
 * The table of slots behind the ids.
 *
 * Invariants: a slot in use has an owner; one that was left has LEFT in its place; a free one has
 * an odd number there, twice the index of the next free slot plus 1, and 1, and is in the chain of
 * free slots unless it is retired. A generation is handed out once for each slot, from 1 upwards: a
 * slot that has used them all is retired (generation 0) and not handed out again.
 */
#include "core/slot.h"

#include "core/alloc.h"
#include "core/invariant.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* One slot, by where its parts are. */
struct slot {
    uintptr_t *owner;
    uint32_t *generation;
};

static struct slot slot_at(const struct sut_slots *slots, uint32_t index) {
    struct sut_slot_chunk *chunk = slots->chunks[index / SUT_SLOT_CHUNK];
    uint32_t at = index % SUT_SLOT_CHUNK;
    return (struct slot){&chunk->owner[at], &chunk->generation[at]};
}

#define LEFT UINTPTR_MAX /* odd, as whatever is no owner */

static uintptr_t next_free(uint32_t next) { return (uintptr_t)next << 1 | 1; }

/* Makes room for one more pointer to a chunk; the chunks themselves stay where they are. */
static int reserve_pointer(struct sut_slots *slots) {
    if (slots->chunk_count < slots->chunk_capacity) return 0;
    uint32_t capacity = slots->chunk_capacity ? slots->chunk_capacity * 2 : 4;
    struct sut_slot_chunk **chunks = sut_realloc(slots->chunks, capacity * sizeof(void *));
    if (!chunks) return -1;
    slots->chunks = chunks;
    slots->chunk_capacity = capacity;
    return 0;
}

static int add_chunk(struct sut_slots *slots) {
    if (slots->used > UINT32_MAX - SUT_SLOT_CHUNK) return -1; /* no index is left */
    if (reserve_pointer(slots)) return -1;
    struct sut_slot_chunk *chunk = sut_calloc(sizeof *chunk);
    if (!chunk) return -1;
    slots->chunks[slots->chunk_count++] = chunk;
    return 0;
}

static struct sut_id id_of(uint32_t index, uint32_t generation) {
    return (struct sut_id){(uint64_t)generation << 32 | index};
}

struct sut_id sut_slot_next(const struct sut_slots *slots) {
    uint32_t index = slots->free ? slots->free - 1 : slots->used;
    if (index == slots->chunk_count * SUT_SLOT_CHUNK) return (struct sut_id){0};
    return id_of(index, *slot_at(slots, index).generation + 1);
}

int sut_slot_take(struct sut_slots *slots, void *owner, uint32_t *index) {
    SUT_INVARIANT(owner != NULL, "a slot needs an owner");
    uint32_t next = slots->free ? slots->free - 1 : slots->used;
    if (next == slots->chunk_count * SUT_SLOT_CHUNK && add_chunk(slots)) return -1;
    struct slot slot = slot_at(slots, next);
    if (slots->free)
        slots->free = (uint32_t)(*slot.owner >> 1);
    else
        slots->used++;
    *slot.owner = (uintptr_t)owner;
    ++*slot.generation;
    *index = next;
    return 0;
}

struct sut_id sut_slot_id(const struct sut_slots *slots, uint32_t index) {
    return id_of(index, *slot_at(slots, index).generation);
}

/* Whether the id is in force; then its slot. */
static bool find(const struct sut_slots *slots, struct sut_id id, struct slot *slot) {
    uint32_t index = (uint32_t)id.value;
    if (index >= slots->used) return false;
    *slot = slot_at(slots, index);
    return !(*slot->owner & 1) && *slot->generation == (uint32_t)(id.value >> 32);
}

void sut_slot_leave(const struct sut_slots *slots, uint32_t index) {
    struct slot slot = slot_at(slots, index);
    SUT_INVARIANT(!(*slot.owner & 1), "a slot was left twice");
    *slot.owner = LEFT;
}

void sut_slot_give(struct sut_slots *slots, uint32_t index) {
    struct slot slot = slot_at(slots, index);
    SUT_INVARIANT(*slot.owner == LEFT, "a slot was given back twice, or not left before");
    *slot.owner = next_free(slots->free);
    if (*slot.generation == UINT32_MAX) {
        *slot.generation = 0;
        return;
    }
    slots->free = index + 1;
}

void sut_slot_put(const struct sut_slots *slots, void *owner, struct sut_id id) {
    struct slot slot = slot_at(slots, (uint32_t)id.value);
    *slot.owner = (uintptr_t)owner;
    *slot.generation = (uint32_t)(id.value >> 32);
}

void *sut_slot_find(const struct sut_slots *slots, struct sut_id id) {
    struct slot slot;
    /* The number was an address. NOLINTNEXTLINE(performance-no-int-to-ptr) */
    return find(slots, id, &slot) ? (void *)*slot.owner : NULL;
}

void sut_slots_free(struct sut_slots *slots) {
    for (uint32_t i = 0; i < slots->chunk_count; i++)
        sut_free(slots->chunks[i]);
    sut_free(slots->chunks);
    memset(slots, 0, sizeof *slots);
}
