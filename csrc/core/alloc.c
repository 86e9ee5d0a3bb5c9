/* SPDX-License-Identifier: MIT
 *
 * The allocator of the process: the C library's unless a test has put another in its place.
 */
#include "core/alloc.h"

#include <stdlib.h>
#include <string.h>

static void *from_libc(void *block, size_t size) {
    if (size == 0) {
        free(block);
        return NULL;
    }
    return realloc(block, size);
}

static sut_alloc_fn allocator = from_libc;

void sut_alloc_replace(sut_alloc_fn fn) { allocator = fn ? fn : from_libc; }

void *sut_calloc(size_t size) {
    void *block = allocator(NULL, size);
    if (block) memset(block, 0, size);
    return block;
}

void *sut_realloc(void *block, size_t size) { return allocator(block, size); }

char *sut_copy_text(const char *text, size_t length) {
    char *copy = allocator(NULL, length + 1);
    if (!copy) return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

void sut_free(void *block) {
    if (block) allocator(block, 0);
}
