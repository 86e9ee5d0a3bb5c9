/* SPDX-License-Identifier: MIT
 *
 * The ring of what was told, and the bounds of its texts.
 */
#include "core/history.h"

#include "core/alloc.h"

#include <string.h>

/* In bytes; together SUT_ENTRY_TEXT_MAX. */
static const size_t limits[SUT_TEXTS] = {
    [SUT_TEXT_PATH] = 512,       [SUT_TEXT_SERVICE_NAME] = 128, [SUT_TEXT_ERROR_MSG] = 200,
    [SUT_TEXT_REASON] = 200,     [SUT_TEXT_WAITING_FOR] = 160,  [SUT_TEXT_ACTION] = 32,
    [SUT_TEXT_BECAUSE_OF] = 512,
};

enum { CAPACITY_AT_FIRST = 2 };    /* most supervisors see few events */
static const char gap[] = " ... "; /* between what is kept of a long text */

/* ---- the ring ---- */

static struct sut_entry *at(const struct sut_history *history, uint32_t index) {
    return &history->entries[(history->first + index) % history->capacity];
}

const struct sut_entry *sut_history_at(const struct sut_history *history, uint32_t index) {
    return at(history, index);
}

static void forget_oldest(struct sut_history *history) {
    history->first = (uint16_t)((history->first + 1) % history->capacity);
    history->count--;
}

static void drop_oldest(struct sut_history *history) {
    struct sut_entry *oldest = at(history, 0);
    sut_free(oldest->text);
    oldest->text = NULL;
    oldest->room = 0;
    forget_oldest(history);
}

/* Moves to memory for so many entries; without any, all stays as it is. */
static void resize(struct sut_history *history, uint16_t capacity) {
    struct sut_entry *entries = sut_calloc(capacity * sizeof *entries);
    if (!entries) return;
    for (uint32_t i = 0; i < history->count; i++)
        entries[i] = *at(history, i);
    sut_free(history->entries);
    history->entries = entries;
    history->capacity = capacity;
    history->first = 0;
}

static void grow(struct sut_history *history) {
    uint32_t capacity = history->capacity ? history->capacity * 2U : CAPACITY_AT_FIRST;
    resize(history, (uint16_t)(capacity < history->limit ? capacity : history->limit));
}

/* A place at the end, of which the limit allows one at least; NULL without memory for any. In a
 * full ring that is the oldest one's, with the block of its texts. */
static struct sut_entry *take_place(struct sut_history *history) {
    if (history->count == history->capacity && history->count < history->limit) grow(history);
    if (history->capacity == 0) return NULL;
    if (history->count == history->capacity)
        forget_oldest(history);
    else if (history->count == history->limit)
        drop_oldest(history);
    return at(history, history->count++);
}

void sut_history_set_limit(struct sut_history *history, uint16_t limit) {
    history->limit = limit;
    while (history->count > limit)
        drop_oldest(history);
    if (history->count == 0)
        sut_history_clear(history);
    else if (history->capacity > limit)
        resize(history, limit);
}

void sut_history_clear(struct sut_history *history) {
    while (history->count > 0)
        drop_oldest(history);
    sut_free(history->entries);
    history->entries = NULL;
    history->capacity = 0;
    history->first = 0;
}

/* ---- an entry ---- */

/* True inside a character of UTF-8: a text is not cut there. */
static bool is_inside(const char *text) { return ((unsigned char)*text & 0xC0) == 0x80; }

/* Writes a text in at most `limit` bytes; returns how many. */
static size_t put_bounded(char *out, const char *text, size_t length, size_t limit) {
    size_t tail = limit / 4;
    size_t head = limit - tail - (sizeof gap - 1);
    if (length <= limit) {
        memcpy(out, text, length);
        return length;
    }
    for (int i = 0; i < 3 && is_inside(text + head); i++)
        head--;
    for (int i = 0; i < 3 && is_inside(text + length - tail); i++)
        tail--;
    memcpy(out, text, head);
    memcpy(out + head, gap, sizeof gap - 1);
    memcpy(out + head + sizeof gap - 1, text + length - tail, tail);
    return head + (sizeof gap - 1) + tail;
}

/* False without memory. A block may be twice as large as what it holds, and no more. */
static bool make_room(struct sut_entry *entry, size_t size) {
    if (entry->text && size <= entry->room && entry->room / 2 <= size) return true;
    sut_free(entry->text);
    entry->text = sut_realloc(NULL, size + 1);
    entry->room = entry->text ? (uint16_t)size : 0;
    return entry->text != NULL;
}

static void have_no_texts(struct sut_entry *entry) {
    memset(entry->length, 0xFF, sizeof entry->length); /* SUT_NO_TEXT */
}

static void keep_texts(struct sut_entry *entry, const struct sut_notes *notes) {
    char block[SUT_ENTRY_TEXT_MAX];
    size_t used = 0;
    have_no_texts(entry);
    for (unsigned texts = notes->has_text; texts;) {
        enum sut_text i = sut_take_text(&texts);
        size_t length = put_bounded(block + used, notes->text[i], notes->length[i], limits[i]);
        entry->length[i] = (uint16_t)length;
        used += length;
    }
    if (make_room(entry, used)) {
        memcpy(entry->text, block, used);
        entry->text[used] = '\0';
    } else {
        have_no_texts(entry);
    }
}

size_t sut_entry_size(const struct sut_entry *entry) {
    size_t size = 0;
    for (int i = 0; i < SUT_TEXTS; i++)
        if (entry->length[i] != SUT_NO_TEXT) size += entry->length[i];
    return size;
}

void sut_history_record(struct sut_history *history, const struct sut_notes *notes) {
    struct sut_entry *entry;
    history->recorded++;
    if (history->limit == 0) return;
    entry = take_place(history);
    if (!entry) return;
    entry->facts = notes->facts;
    keep_texts(entry, notes);
}
