/* SPDX-License-Identifier: MIT
 *
 * A copy of one tree, from its root down, for decisions that must not touch the original.
 *
 * Each supervisor and service has a twin that knows its original. The copy has a tree, deadlines
 * and slots of its own; the ids are those of the original, and find the twins. Twins have no names,
 * for nobody looks them up by one, and what has left the tree and is only kept for a report has no
 * twin. Events that wait for their hooks are not copied.
 */
#ifndef SUT_CORE_COPY_H
#define SUT_CORE_COPY_H

#include "core/tree.h"

struct sut_twin {
    struct sut_service core; /* first */
    const struct sut_service *original;
    struct sut_list ready; /* of whoever runs the copy: in its run queue */
    bool begun;            /* likewise: its run has begun there */
    char text[1];          /* the empty name */
};

struct sut_twin_supervisor {
    struct sut_supervisor core; /* first */
    const struct sut_supervisor *original;
    uint32_t asked_run; /* of whoever runs the copy: the run of its place asked to stop last */
};

struct sut_copy {
    struct sut_tree tree;
    struct sut_deadlines deadlines;
    struct sut_twin *services; /* parents before their children, siblings in start order */
    struct sut_twin_supervisor *supervisors; /* likewise; the root is the first */
    uint32_t service_count;
    uint32_t supervisor_count;
};

/* Copies the tree of the root, as of `now_ns`, for a host whose text_at is that of twins. Returns
 * 0, or -1 without memory; to be freed in either case. The copy must not be moved. */
int sut_copy_init(struct sut_copy *copy, const struct sut_supervisor *root,
                  const struct sut_host *host, int64_t now_ns);

void sut_copy_free(struct sut_copy *copy);

/* The twin of a service or supervisor of the original's runtime, or NULL when that is not of the
 * tree. */
struct sut_service *sut_copy_service(const struct sut_copy *copy,
                                     const struct sut_service *original);
struct sut_supervisor *sut_copy_supervisor(const struct sut_copy *copy,
                                           const struct sut_supervisor *original);

#endif
