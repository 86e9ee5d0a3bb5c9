/* SPDX-License-Identifier: MIT
 *
 * The hash table of names, and the path form of a name.
 *
 * Invariants: a name lies in the bucket of its hash, whose set has its kind; the number of buckets
 * is a power of two, so that each bucket splits into two when the table doubles, and the order
 * within is kept. A set may have kinds of names that have left, until its bucket is empty or
 * splits.
 */
#include "core/name.h"

#include "core/alloc.h"

#include <string.h>

enum { FIRST_BUCKETS = 8 };
enum { NAMES_OF_A_BUCKET = 2 }; /* on average, when the table doubles */

/* FNV-1a over 32 bits, with the high half folded in, for few low bits choose the bucket. */
static uint32_t hash_text(const char *text, size_t length) {
    uint32_t hash = UINT32_C(2166136261);
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT32_C(16777619);
    return hash ^ hash >> 16;
}

/* One of 16, by bits that do not choose the bucket alone. */
static uint16_t kind_of(uint32_t hash) { return (uint16_t)(1U << (hash >> 28)); }

static uint16_t *kinds_behind(struct sut_name **buckets, uint32_t count) {
    return (uint16_t *)(void *)(buckets + count);
}

static struct sut_name *next_equal(const struct sut_names *names, struct sut_name *name,
                                   const char *text, size_t length) {
    while (name &&
           (name->length != length || memcmp(sut_name_text(names, name), text, length) != 0))
        name = name->next;
    return name;
}

static void link_at(struct sut_name **link, struct sut_name *name) {
    *link = name;
    name->link = link;
}

/* The newest name that is equal to the text of that hash, or NULL. */
static struct sut_name *newest_equal(const struct sut_names *names, const char *text, size_t length,
                                     uint32_t hash) {
    uint32_t at = hash & (names->bucket_count - 1);
    if (!(kinds_behind(names->buckets, names->bucket_count)[at] & kind_of(hash))) return NULL;
    return next_equal(names, names->buckets[at], text, length);
}

/* ---- growing ---- */

struct bucket {
    struct sut_name **end;
    uint16_t *kinds;
};

/* Deals the names of an old bucket out to its two new ones, in order. `bit` is the one of the hash
 * that now counts. */
static void split(const struct sut_names *names, struct sut_name *name, struct bucket low,
                  struct bucket high, uint32_t bit) {
    while (name) {
        struct sut_name *next = name->next;
        uint32_t hash = hash_text(sut_name_text(names, name), name->length);
        struct bucket *bucket = hash & bit ? &high : &low;
        link_at(bucket->end, name);
        bucket->end = &name->next;
        *bucket->kinds |= kind_of(hash);
        name = next;
    }
    *low.end = NULL;
    *high.end = NULL;
}

int sut_names_reserve(struct sut_names *names) {
    uint32_t old = names->bucket_count;
    if (names->count / NAMES_OF_A_BUCKET < old) return 0;
    uint32_t count = old ? old * 2 : FIRST_BUCKETS;
    struct sut_name **buckets = sut_calloc(count * (sizeof(struct sut_name *) + sizeof(uint16_t)));
    if (!buckets) return old ? 0 : -1;
    uint16_t *kinds = kinds_behind(buckets, count);
    for (uint32_t i = 0; i < old; i++)
        split(names, names->buckets[i], (struct bucket){&buckets[i], &kinds[i]},
              (struct bucket){&buckets[i + old], &kinds[i + old]}, old);
    sut_free(names->buckets);
    names->buckets = buckets;
    names->bucket_count = count;
    return 0;
}

/* ---- one name ---- */

void sut_name_add(struct sut_names *names, struct sut_name *name) {
    const char *text = sut_name_text(names, name);
    uint32_t hash = hash_text(text, name->length);
    uint32_t at = hash & (names->bucket_count - 1);
    struct sut_name **bucket = &names->buckets[at];
    uint16_t *kinds = &kinds_behind(names->buckets, names->bucket_count)[at];
    const struct sut_name *newest = newest_equal(names, text, name->length, hash);
    name->number = newest ? newest->number + 1 : 1;
    name->next = *bucket;
    *kinds = (uint16_t)(name->next ? *kinds | kind_of(hash) : kind_of(hash));
    if (name->next) name->next->link = &name->next;
    link_at(bucket, name);
    names->count++;
}

void sut_name_remove(struct sut_names *names, struct sut_name *name) {
    if (!name->link) return;
    *name->link = name->next;
    if (name->next) name->next->link = name->link;
    name->next = NULL;
    name->link = NULL;
    names->count--;
}

struct sut_name *sut_name_find(const struct sut_names *names, const char *text, size_t length,
                               int *more) {
    *more = 0;
    if (!names->bucket_count) return NULL;
    struct sut_name *newest = newest_equal(names, text, length, hash_text(text, length));
    if (newest) *more = next_equal(names, newest->next, text, length) != NULL;
    return newest;
}

void sut_names_free(struct sut_names *names) {
    sut_free(names->buckets);
    names->buckets = NULL;
    names->bucket_count = 0;
    names->count = 0;
}

/* ---- the path form ---- */

/* Where the text goes: bytes over `size` are counted but not kept. */
struct output {
    char *bytes;
    size_t size;
    size_t length;
};

static void put(struct output *out, char byte) {
    if (out->length < out->size) out->bytes[out->length] = byte;
    out->length++;
}

static bool is_plain(unsigned char byte) {
    return byte >= 0x20 && byte != 0x7f && byte != '/' && byte != '%';
}

static void put_escaped(struct output *out, unsigned char byte) {
    static const char digits[] = "0123456789ABCDEF";
    if (is_plain(byte)) {
        put(out, (char)byte);
        return;
    }
    put(out, '%');
    put(out, digits[byte >> 4]);
    put(out, digits[byte & 15]);
}

static void put_number(struct output *out, uint32_t number) {
    uint32_t unit = 1;
    while (number / unit >= 10)
        unit *= 10;
    put(out, '#');
    for (; unit; unit /= 10)
        put(out, (char)('0' + number / unit % 10));
}

bool sut_name_is_plain(const char *text, size_t length) {
    size_t plain = 0;
    while (plain < length && is_plain((unsigned char)text[plain]))
        plain++;
    return plain == length;
}

size_t sut_name_write(const char *text, size_t length, uint32_t number, char *out, size_t size) {
    struct output output;
    output.bytes = out;
    output.size = size;
    output.length = 0;
    while (output.length < length && is_plain((unsigned char)text[output.length]))
        output.length++;
    if (size > 0) memcpy(out, text, output.length < size ? output.length : size);
    for (size_t i = output.length; i < length; i++)
        put_escaped(&output, (unsigned char)text[i]);
    if (number > 1) put_number(&output, number);
    return output.length;
}
