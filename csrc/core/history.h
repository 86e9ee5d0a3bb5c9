/* SPDX-License-Identifier: MIT
 *
 * The flight recorder: the last events of one supervisor, as they were told, in short.
 *
 * A ring of records, each with bounded copies of its texts. It has no memory before the first event
 * and grows by doubling up to its limit, for there may be a hundred thousand supervisors. Recording
 * cannot fail: without memory for its texts an entry has none, and without memory for one more
 * entry it takes the place of the oldest.
 *
 * Knows not what the texts and numbers mean. Invariants: count <= limit and count <= capacity; the
 * entries stand in the order in which they were recorded.
 */
#ifndef SUT_CORE_HISTORY_H
#define SUT_CORE_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The fields of an event that are kept, besides its type, its number and its run. */
enum sut_text {
    SUT_TEXT_PATH,
    SUT_TEXT_SERVICE_NAME,
    SUT_TEXT_ERROR_MSG,
    SUT_TEXT_REASON,
    SUT_TEXT_WAITING_FOR,
    SUT_TEXT_ACTION,
    SUT_TEXT_BECAUSE_OF,
    SUT_TEXTS
};

enum sut_number {
    SUT_NUMBER_TIME,
    SUT_NUMBER_WALL,
    SUT_NUMBER_DELAY,
    SUT_NUMBER_CURRENT_FAILURES,
    SUT_NUMBER_FAILURE_THRESHOLD,
    SUT_NUMBER_DURATION,
    SUT_NUMBER_IN_A_ROW, /* a whole one */
    SUT_NUMBERS
};

enum sut_flag {
    SUT_FLAG_RESTARTING,
    SUT_FLAG_STOPPING,
    SUT_FLAG_QUEUED,
    SUT_FLAG_KILLED,
    SUT_FLAGS
};

/* All that is kept of an event but its texts. */
struct sut_facts {
    uint64_t seq;
    double number[SUT_NUMBERS];
    uint32_t run;       /* 0: an event of the supervisor alone */
    uint8_t type;       /* enum sut_event_type */
    uint8_t has_number; /* sets, by the places in the enumerations */
    uint8_t has_flag;
    uint8_t flag;
};

/* What is to be kept of an event: no more than the sets say. */
struct sut_notes {
    struct sut_facts facts;
    const char *text[SUT_TEXTS]; /* whoever notes keeps them alive */
    size_t length[SUT_TEXTS];
    unsigned has_text; /* a set like those of the facts */
};

/* As a length: there is no such text. */
enum { SUT_NO_TEXT = UINT16_MAX };

/* More bytes than the texts of one entry ever have. */
enum { SUT_ENTRY_TEXT_MAX = 1744 };

struct sut_entry {
    struct sut_facts facts;
    char *text;                 /* the texts one after the other; NULL when there are none */
    uint16_t length[SUT_TEXTS]; /* in bytes, or SUT_NO_TEXT */
    uint16_t room;              /* that the block of the texts has */
};

struct sut_history {
    struct sut_entry *entries; /* NULL before the first event */
    uint64_t recorded;         /* events ever, kept or not */
    uint16_t capacity;
    uint16_t first; /* the oldest one */
    uint16_t count;
    uint16_t limit;
};

static inline void sut_note_number(struct sut_notes *notes, enum sut_number which, double value) {
    notes->facts.number[which] = value;
    notes->facts.has_number |= (uint8_t)(1U << which);
}

static inline void sut_note_flag(struct sut_notes *notes, enum sut_flag which, bool value) {
    notes->facts.has_flag |= (uint8_t)(1U << which);
    if (value) notes->facts.flag |= (uint8_t)(1U << which);
}

static inline void sut_note_text(struct sut_notes *notes, enum sut_text which, const char *text,
                                 size_t length) {
    notes->text[which] = text;
    notes->length[which] = length;
    notes->has_text |= 1U << which;
}

/* Takes the first text out of a set that has some. */
static inline enum sut_text sut_take_text(unsigned *texts) {
    unsigned first = (unsigned)__builtin_ctz(*texts);
    *texts &= *texts - 1;
    return (enum sut_text)first;
}

/* Enters what was noted; of each text as much as its bound allows, its head and its tail. Cannot
 * fail. */
void sut_history_record(struct sut_history *history, const struct sut_notes *notes);

/* An entry that is there, by its place from the oldest on. */
const struct sut_entry *sut_history_at(const struct sut_history *history, uint32_t index);

/* How many bytes of text an entry has. */
size_t sut_entry_size(const struct sut_entry *entry);

/* Keeps no more than the latest `limit` from now on. Cannot fail. */
void sut_history_set_limit(struct sut_history *history, uint16_t limit);

/* Forgets every entry. Cannot fail. */
void sut_history_clear(struct sut_history *history);

#endif
