/* SPDX-License-Identifier: MIT
 *
 * Identities: an id is the index of a slot and the slot's generation, so an id whose owner is gone
 * finds nothing, by construction. An owner keeps the index alone: the generation stands in its
 * slot. Slots live in chunks that never move.
 */
#ifndef SUT_CORE_SLOT_H
#define SUT_CORE_SLOT_H

#include <stdint.h>

/* Index in the low 32 bits, generation in the high; 0 is nobody's. */
struct sut_id {
    uint64_t value;
};

#define SUT_SLOT_CHUNK 256

/* The table's own; it stands here for the tests of the table. What belongs to one slot lies in two
 * arrays, for side by side there would be a gap. */
struct sut_slot_chunk {
    uintptr_t owner[SUT_SLOT_CHUNK];     /* its address, or while free an odd number: see slot.c */
    uint32_t generation[SUT_SLOT_CHUNK]; /* of the last id; 0 before the first, and when retired */
};

struct sut_slots {
    struct sut_slot_chunk **chunks;
    uint32_t chunk_count;
    uint32_t chunk_capacity;
    uint32_t used; /* slots ever handed out */
    uint32_t free; /* first free slot + 1, or 0 */
};

/* Takes a slot for the owner, which is not NULL. Returns 0 and its index, or -1 without memory, and
 * nothing is changed. */
int sut_slot_take(struct sut_slots *slots, void *owner, uint32_t *index);

/* The id of a slot's owner, until the slot is given back. */
struct sut_id sut_slot_id(const struct sut_slots *slots, uint32_t index);

/* The id that will be taken next, as far as that can be told: none (0) when it needs memory. */
struct sut_id sut_slot_next(const struct sut_slots *slots);

/* The id of a slot's owner finds nothing from now on, but it is still the owner's. Cannot fail. */
void sut_slot_leave(const struct sut_slots *slots, uint32_t index);

/* Gives back a slot that its owner has left. One whose generations are used up is retired instead
 * of handed out again. Cannot fail. */
void sut_slot_give(struct sut_slots *slots, uint32_t index);

/* Puts an owner, whose id it is, into a slot of a table that has a chunk for it. Cannot fail. */
void sut_slot_put(const struct sut_slots *slots, void *owner, struct sut_id id);

/* The owner, or NULL when the id is stale, foreign or 0. */
void *sut_slot_find(const struct sut_slots *slots, struct sut_id id);

/* Frees the chunks. Cannot fail. */
void sut_slots_free(struct sut_slots *slots);

#endif
