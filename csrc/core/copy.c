/* SPDX-License-Identifier: MIT
 *
 * Copying a tree: first what there is, in one walk, then what refers to one another.
 *
 * Everything that the twins own is theirs from the moment it is there, so that a copy that was
 * broken off for lack of memory is freed like a whole one.
 */
#include "core/copy.h"

#include "core/alloc.h"

#include <string.h>

/* ---- slots ---- */

/* Room for the ids of the original's runtime, none of which finds anything yet. */
static int copy_chunks(struct sut_slots *slots, const struct sut_slots *original) {
    slots->chunks = sut_calloc(original->chunk_count * sizeof(struct sut_slot_chunk *));
    if (!slots->chunks) return -1;
    slots->chunk_capacity = original->chunk_count;
    while (slots->chunk_count < original->chunk_count) {
        struct sut_slot_chunk *chunk = sut_calloc(sizeof *chunk);
        if (!chunk) return -1;
        slots->chunks[slots->chunk_count++] = chunk;
    }
    slots->used = original->used;
    return 0;
}

struct sut_service *sut_copy_service(const struct sut_copy *copy,
                                     const struct sut_service *original) {
    return sut_slot_find(&copy->tree.slots, sut_service_id(original));
}

struct sut_supervisor *sut_copy_supervisor(const struct sut_copy *copy,
                                           const struct sut_supervisor *original) {
    if (original == copy->supervisors[0].original) return &copy->supervisors[0].core;
    if (!sut_supervisor_placed(original)) return NULL;
    const struct sut_service *place = sut_copy_service(copy, original->place);
    return place ? sut_service_child(place) : NULL;
}

/* ---- supervisors and services ---- */

static int copy_ring(struct sut_supervisor *twin, const struct sut_supervisor *original) {
    size_t size = ((size_t)original->policy.intensity + 1) * sizeof(int64_t);
    if (!original->score.restarts_ns) return 0;
    twin->score.restarts_ns = sut_calloc(size);
    if (!twin->score.restarts_ns) return -1;
    memcpy(twin->score.restarts_ns, original->score.restarts_ns, size);
    return 0;
}

/* Without its children, and with nobody who waits for it. */
static int copy_supervisor(struct sut_copy *copy, struct sut_twin_supervisor *twin,
                           const struct sut_supervisor *original) {
    struct sut_supervisor *sup = &twin->core;
    twin->original = original;
    sut_supervisor_init(sup, &copy->tree);
    struct sut_names nobody = sup->names;
    *sup = *original;
    sup->tree = &copy->tree;
    sup->place = NULL;
    sup->left = NULL;
    sup->cursor = sup->walk = sup->at = NULL;
    sup->score.restarts_ns = NULL;
    sup->names = nobody;
    sup->awaited = false;
    sut_list_init(&sup->children);
    sut_list_init(&sup->ghosts);
    sut_list_init(&sup->queue);
    sut_list_init(&sup->attention);
    sut_list_init(&sup->finished);
    sut_deadline_init(&sup->timer, sut_deadline_kind(&original->timer));
    if (sut_names_reserve(&sup->names)) return -1; /* for one that comes back into its life */
    return copy_ring(sup, original);
}

static int copy_options(struct sut_service *twin, const struct sut_options *options) {
    if (!options) return 0;
    size_t size = sizeof *options + options->after_count * sizeof options->after[0];
    twin->options = sut_calloc(size);
    if (!twin->options) return -1;
    memcpy(twin->options, options, size);
    twin->options->child = NULL;
    return 0;
}

/* Its parent has a twin; a supervisor that it stands for has none yet. */
static int copy_service(struct sut_copy *copy, struct sut_twin *twin,
                        const struct sut_service *original) {
    struct sut_service *service = &twin->core;
    twin->original = original;
    *service = *original;
    service->parent = sut_copy_supervisor(copy, original->parent);
    service->options = NULL;
    service->name = (struct sut_name){.number = original->name.number};
    if (sut_service_timed(original))
        sut_deadline_init(&service->u.timer, SUT_DEADLINE_SERVICE);
    else
        sut_list_init(&service->u.work);
    sut_list_init(&service->sibling);
    sut_list_init(&twin->ready);
    sut_list_append(&service->parent->children, &service->sibling);
    sut_slot_put(&copy->tree.slots, service, sut_service_id(original));
    return copy_options(service, original->options);
}

static int copy_place(struct sut_copy *copy, struct sut_twin_supervisor *twin,
                      struct sut_service *place, const struct sut_supervisor *original) {
    if (copy_supervisor(copy, twin, original)) return -1;
    place->options->child = &twin->core;
    twin->core.place = place;
    return 0;
}

static int copy_all(struct sut_copy *copy, const struct sut_supervisor *root) {
    struct sut_twin *twin = copy->services;
    struct sut_twin_supervisor *below = copy->supervisors;
    if (copy_supervisor(copy, below++, root)) return -1;
    for (const struct sut_service *service = sut_supervisor_walk(root, NULL); service;
         service = sut_supervisor_walk(root, service), twin++) {
        const struct sut_supervisor *child = sut_service_child(service);
        if (copy_service(copy, twin, service)) return -1;
        if (child && copy_place(copy, below++, &twin->core, child)) return -1;
    }
    return 0;
}

/* ---- what refers to one another ---- */

static struct sut_service *link_to(const struct sut_copy *copy,
                                   const struct sut_service *original) {
    return original ? sut_copy_service(copy, original) : NULL;
}

/* Where its walks stand, of those that are under way, and who queues in it. */
static void link_supervisor(const struct sut_copy *copy, struct sut_twin_supervisor *twin) {
    const struct sut_supervisor *original = twin->original;
    const struct sut_list *queue = &original->queue;
    if (original->state == SUT_SUPERVISOR_STOPPING || original->grouping)
        twin->core.cursor = link_to(copy, original->cursor);
    if (original->walking) twin->core.walk = link_to(copy, original->walk);
    for (struct sut_list *node = queue->next; node != queue; node = node->next) {
        const struct sut_service *queued = SUT_CONTAINER(node, struct sut_service, u.work);
        sut_list_append(&twin->core.queue, &sut_copy_service(copy, queued)->u.work);
    }
}

static void link_attention(struct sut_copy *copy, const struct sut_list *attention) {
    for (struct sut_list *node = attention->next; node != attention; node = node->next) {
        struct sut_supervisor *twin =
            sut_copy_supervisor(copy, SUT_CONTAINER(node, struct sut_supervisor, attention));
        if (twin) sut_list_append(&copy->tree.attention, &twin->attention);
    }
}

/* A body that is to be closed by force, or is just being closed. */
static void link_kills(struct sut_copy *copy) {
    for (uint32_t i = 0; i < copy->service_count; i++) {
        struct sut_service *service = &copy->services[i].core;
        if (service->state == SUT_STATE_KILLING && !sut_service_child(service))
            sut_list_append(&copy->tree.kills, &service->u.work);
    }
}

/* ---- deadlines ---- */

static struct sut_deadline *twin_of(const struct sut_copy *copy,
                                    const struct sut_deadline *deadline) {
    const char *at = (const char *)deadline;
    if (sut_deadline_kind(deadline) == SUT_DEADLINE_SERVICE) {
        const void *original = at - offsetof(struct sut_service, u.timer);
        struct sut_service *service = sut_copy_service(copy, original);
        return service ? &service->u.timer : NULL;
    }
    if (sut_deadline_kind(deadline) >= SUT_DEADLINE_HOST) return NULL;
    const void *original = at - offsetof(struct sut_supervisor, timer);
    struct sut_supervisor *sup = sut_copy_supervisor(copy, original);
    return sup ? &sup->timer : NULL;
}

/* Deadlines of one time fire in the order of arming. */
static void copy_deadlines(struct sut_copy *copy, const struct sut_deadlines *originals) {
    for (const struct sut_deadline *original = sut_deadline_walk(originals, NULL); original;
         original = sut_deadline_walk(originals, original)) {
        struct sut_deadline *twin = twin_of(copy, original);
        if (twin) sut_deadline_arm(&copy->deadlines, twin, original->time_ns);
    }
}

/* ---- the whole ---- */

static int make_room(struct sut_copy *copy, const struct sut_supervisor *root) {
    uint32_t services = 0;
    uint32_t supervisors = 1;
    for (const struct sut_service *service = sut_supervisor_walk(root, NULL); service;
         service = sut_supervisor_walk(root, service)) {
        services++;
        if (sut_service_child(service)) supervisors++;
    }
    copy->services = sut_calloc(services * sizeof *copy->services);
    if (copy->services) copy->service_count = services;
    copy->supervisors = sut_calloc(supervisors * sizeof *copy->supervisors);
    if (copy->supervisors) copy->supervisor_count = supervisors;
    return copy->services && copy->supervisors ? 0 : -1;
}

int sut_copy_init(struct sut_copy *copy, const struct sut_supervisor *root,
                  const struct sut_host *host, int64_t now_ns) {
    const struct sut_tree *original = root->tree;
    memset(copy, 0, sizeof *copy);
    sut_tree_init(&copy->tree, host, &copy->deadlines);
    copy->tree.now_ns = now_ns;
    copy->tree.stop_number = original->stop_number;
    copy->tree.overran = original->overran;
    copy->tree.abandoned = original->abandoned;
    if (make_room(copy, root) || copy_chunks(&copy->tree.slots, &original->slots) ||
        copy_all(copy, root))
        return -1;
    for (uint32_t i = 0; i < copy->supervisor_count; i++)
        link_supervisor(copy, &copy->supervisors[i]);
    link_attention(copy, &original->attention);
    link_kills(copy);
    copy_deadlines(copy, original->deadlines);
    return 0;
}

void sut_copy_free(struct sut_copy *copy) {
    for (uint32_t i = 0; i < copy->supervisor_count; i++) {
        sut_free(copy->supervisors[i].core.score.restarts_ns);
        sut_names_free(&copy->supervisors[i].core.names);
    }
    for (uint32_t i = 0; i < copy->service_count; i++)
        sut_free(copy->services[i].core.options);
    sut_free(copy->services);
    sut_free(copy->supervisors);
    sut_tree_free(&copy->tree);
}
