/* SPDX-License-Identifier: MIT
 *
 * The tree's side of an input: which supervisor or service a happening concerns.
 */
#include "core/tree.h"

#include <string.h>

/* The most that one input emits: a backoff, the end of a service, its lifecycle event, and the
 * supervisor that gives up. */
enum { EVENTS_OF_AN_INPUT = 5 };

void sut_tree_init(struct sut_tree *tree, const struct sut_host *host,
                   struct sut_deadlines *deadlines) {
    memset(tree, 0, sizeof *tree);
    tree->host = host;
    tree->deadlines = deadlines;
    sut_list_init(&tree->attention);
    sut_list_init(&tree->kills);
    sut_list_init(&tree->released);
    sut_list_init(&tree->finished);
}

int sut_tree_reserve(struct sut_tree *tree) {
    return sut_events_reserve(&tree->events, 2 * (EVENTS_OF_AN_INPUT + tree->talkative));
}

bool sut_tree_needs_attention(const struct sut_tree *tree) {
    return !sut_list_empty(&tree->attention);
}

void sut_tree_attend(struct sut_tree *tree) {
    sut_supervisor_attend(SUT_CONTAINER(tree->attention.next, struct sut_supervisor, attention));
}

void sut_tree_expire(struct sut_tree *tree, struct sut_deadline *deadline) {
    (void)tree;
    if (sut_deadline_kind(deadline) == SUT_DEADLINE_SERVICE)
        sut_service_input(SUT_CONTAINER(deadline, struct sut_service, u.timer),
                          (struct sut_cue){.input = SUT_INPUT_EXPIRE});
    else
        sut_supervisor_timer(SUT_CONTAINER(deadline, struct sut_supervisor, timer));
}

struct sut_service *sut_tree_find(const struct sut_tree *tree, struct sut_id id) {
    struct sut_service *service = sut_slot_find(&tree->slots, id);
    return service && !service->ghost && !service->retired ? service : NULL;
}

void sut_tree_free(struct sut_tree *tree) {
    sut_events_free(&tree->events);
    sut_slots_free(&tree->slots);
}
