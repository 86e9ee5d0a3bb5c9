/* SPDX-License-Identifier: MIT
 *
 * The one door through which every ring of ours asks for memory.
 *
 * A decision of the core never allocates: what a step needs was reserved before it. The functions
 * below are for those reservations and for the rings above; tests replace the allocator to make
 * chosen requests fail.
 */
#ifndef SUT_CORE_ALLOC_H
#define SUT_CORE_ALLOC_H

#include <stddef.h>

/* In the flavour for the memory sweep its host replaces the allocator. */
#ifdef SUT_SWEPT
#define SUT_SWEEP_CALL __attribute__((visibility("default")))
#else
#define SUT_SWEEP_CALL
#endif

/* As realloc(3): size 0 frees and returns NULL; on failure the old block is unchanged. */
typedef void *(*sut_alloc_fn)(void *block, size_t size);

/* Replaces the allocator of the whole process; NULL puts back the C library's. Cannot fail. */
SUT_SWEEP_CALL void sut_alloc_replace(sut_alloc_fn fn);

/* Returns zeroed memory, or NULL when there is none. */
void *sut_calloc(size_t size);

/* As realloc(3); NULL when there is no memory, and the block is then unchanged. */
void *sut_realloc(void *block, size_t size);

/* Returns a copy of the text with a NUL after it, or NULL when there is no memory. */
char *sut_copy_text(const char *text, size_t length);

/* Gives a block back; NULL is allowed. Cannot fail. */
void sut_free(void *block);

#endif
