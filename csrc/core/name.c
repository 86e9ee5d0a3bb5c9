/* SPDX-License-Identifier: MIT
 *
 * The hash table of names, and the path form of a name.
 *
 * Invariants: a name lies in the bucket of its hash; the number of buckets is a power of two, so
 * that each bucket splits into two when the table doubles, and the order within is kept.
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

static struct sut_name **bucket_of(const struct sut_names *names, const char *text, size_t length) {
    return &names->buckets[hash_text(text, length) & (names->bucket_count - 1)];
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

/* Deals the names of an old bucket out to its two new ones, in order. `high` is the bit of the
 * hash that now counts. */
static void split(const struct sut_names *names, struct sut_name *name, struct sut_name **low_end,
                  struct sut_name **high_end, uint32_t high) {
    while (name) {
        struct sut_name *next = name->next;
        bool is_high = hash_text(sut_name_text(names, name), name->length) & high;
        struct sut_name ***end = is_high ? &high_end : &low_end;
        link_at(*end, name);
        *end = &name->next;
        name = next;
    }
    *low_end = NULL;
    *high_end = NULL;
}

int sut_names_reserve(struct sut_names *names) {
    uint32_t old = names->bucket_count;
    if (names->count / NAMES_OF_A_BUCKET < old) return 0;
    uint32_t count = old ? old * 2 : FIRST_BUCKETS;
    struct sut_name **buckets = sut_calloc(count * sizeof(struct sut_name *));
    if (!buckets) return old ? 0 : -1;
    for (uint32_t i = 0; i < old; i++)
        split(names, names->buckets[i], &buckets[i], &buckets[i + old], old);
    sut_free(names->buckets);
    names->buckets = buckets;
    names->bucket_count = count;
    return 0;
}

void sut_name_add(struct sut_names *names, struct sut_name *name) {
    const char *text = sut_name_text(names, name);
    struct sut_name **bucket = bucket_of(names, text, name->length);
    const struct sut_name *newest = next_equal(names, *bucket, text, name->length);
    name->number = newest ? newest->number + 1 : 1;
    name->next = *bucket;
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
    struct sut_name *newest = next_equal(names, *bucket_of(names, text, length), text, length);
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
