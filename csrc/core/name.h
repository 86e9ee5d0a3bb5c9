/* SPDX-License-Identifier: MIT
 *
 * The names of one supervisor's children: lookup by name, the number of a repeated name, and the
 * form of a name in a path. Owns only its bucket array; the nodes lie inside the services, and
 * their text is the owner's and must outlive the node.
 *
 * Within a bucket a later name stands before an earlier equal one, so the newest is found first.
 * What kinds of hash a bucket may have is kept beside it: a name whose kind is not there needs no
 * look at the nodes, of which each is a cache miss or two in a large table.
 */
#ifndef SUT_CORE_NAME_H
#define SUT_CORE_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sut_name {
    struct sut_name *next;
    struct sut_name **link; /* what points at this node; NULL while in no table */
    uint32_t length;
    uint32_t number; /* 1 for the first of its name, 2 for the next ... */
};

struct sut_names {
    size_t text_at; /* from every node of this table to its text: `length` bytes and a NUL */
    struct sut_name **buckets; /* and behind them for each the set of its kinds, in 16 bits */
    uint32_t bucket_count;     /* a power of two, or 0 */
    uint32_t count;
};

/* The text of a node. */
static inline const char *sut_name_text(const struct sut_names *names,
                                        const struct sut_name *name) {
    return (const char *)name + names->text_at;
}

/* Makes room for one more name. Returns 0, or -1 without memory when there is no bucket at all;
 * growing an existing table may fail silently, for it only makes lookups slower. */
int sut_names_reserve(struct sut_names *names);

/* Enters a name whose room was reserved, and numbers it one above the newest equal one.
 * Sets next, link and number; text and length are the caller's. Cannot fail. */
void sut_name_add(struct sut_names *names, struct sut_name *name);

/* Takes the name out; harmless when it is in no table. Cannot fail. */
void sut_name_remove(struct sut_names *names, struct sut_name *name);

/* The newest of that name, or NULL; *more says whether another has the same name. */
struct sut_name *sut_name_find(const struct sut_names *names, const char *text, size_t length,
                               int *more);

/* Frees the buckets. Cannot fail. */
void sut_names_free(struct sut_names *names);

/* Writes the path form of a name: '/', '%' and control bytes (below 0x20, and 0x7f) as %XX, and
 * "#n" after it when number > 1. Writes at most `size` bytes, no NUL, and returns the full length,
 * so that a call with size 0 measures. */
size_t sut_name_write(const char *text, size_t length, uint32_t number, char *out, size_t size);

/* True for a text that has no byte to be escaped there. */
bool sut_name_is_plain(const char *text, size_t length);

#endif
