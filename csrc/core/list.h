/* SPDX-License-Identifier: MIT
 *
 * Intrusive circular lists. A node lies inside what it links, so linking never allocates and
 * moving between lists cannot fail. A node that is in no list points at itself.
 */
#ifndef SUT_CORE_LIST_H
#define SUT_CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct sut_list {
    struct sut_list *next;
    struct sut_list *prev;
};

/* The structure of the given type whose member is the node. */
#define SUT_CONTAINER(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))

static inline void sut_list_init(struct sut_list *node) {
    node->next = node;
    node->prev = node;
}

/* True for a list without members, and for a node that is in no list. */
static inline bool sut_list_empty(const struct sut_list *list) { return list->next == list; }

static inline void sut_list_append(struct sut_list *list, struct sut_list *node) {
    node->prev = list->prev;
    node->next = list;
    list->prev->next = node;
    list->prev = node;
}

/* Takes the node out of whatever list it is in; harmless when it is in none. */
static inline void sut_list_remove(struct sut_list *node) {
    node->prev->next = node->next;
    node->next->prev = node->prev;
    sut_list_init(node);
}

/* Moves every member of `from` to the end of `to`, in order. */
static inline void sut_list_join(struct sut_list *to, struct sut_list *from) {
    if (sut_list_empty(from)) return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    sut_list_init(from);
}

#endif
