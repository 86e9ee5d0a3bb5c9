/* SPDX-License-Identifier: MIT
 *
 * Causes by their paths.
 *
 * The core knows causes by their ids, which find nothing once a service is gone. So of every cause
 * that leaves the tree the path is kept, in a ring that begins when it is first needed.
 */
#include "lua/cause.h"

#include "core/alloc.h"

/* ---- who calls ---- */

static const struct sut_service *caller(struct sut_coroutine *co) {
    if (!co) return NULL;
    if (co->kind == SUT_COROUTINE_SERVICE) return &sut_service_of_coroutine(co)->core;
    const struct sut_lua_service *owner = sut_spawned_owner(co);
    return owner ? &owner->core : NULL;
}

struct sut_id sut_caller_id(lua_State *L, const struct sut_lua_runtime *rt,
                            struct sut_service *target) {
    const struct sut_service *by = caller(rt->self->current);
    if (!by || by->parent->tree != &rt->rt.tree) return (struct sut_id){0};
    if (target && !sut_service_give_options(target)) luaL_error(L, "not enough memory");
    return sut_service_id(by);
}

/* ---- what has left ---- */

struct sut_departed {
    struct sut_id id;
    char *path;
};

static struct sut_departed *find(const struct sut_lua_runtime *rt, struct sut_id id) {
    for (int i = 0; rt->departed && i < SUT_DEPARTED; i++)
        if (rt->departed[i].id.value == id.value) return &rt->departed[i];
    return NULL;
}

/* Where to keep one: in the place of what is known of it already, else of the oldest. NULL without
 * memory. */
static struct sut_departed *place_for(struct sut_lua_runtime *rt, struct sut_id id) {
    struct sut_departed *known = find(rt, id);
    if (known) return known;
    if (!rt->departed) rt->departed = sut_calloc(SUT_DEPARTED * sizeof *rt->departed);
    if (!rt->departed) return NULL;
    rt->last_departed = (rt->last_departed + 1) % SUT_DEPARTED;
    return &rt->departed[rt->last_departed];
}

static void keep(struct sut_lua_runtime *rt, const struct sut_service *service) {
    struct sut_departed *departed = place_for(rt, sut_service_id(service));
    if (!departed) return;
    sut_free(departed->path);
    departed->path = sut_copy_path(service->parent, service);
    departed->id = departed->path ? sut_service_id(service) : (struct sut_id){0};
}

void sut_cause_outlives(struct sut_lua_runtime *rt, const struct sut_service *service) {
    const struct sut_supervisor *child = sut_service_child(service);
    const struct sut_service *below =
        child ? sut_slot_find(&rt->rt.tree.slots, child->ended_by) : NULL;
    if (service->blamed) keep(rt, service);
    if (below) keep(rt, below);
}

void sut_departed_free(struct sut_lua_runtime *rt) {
    for (int i = 0; rt->departed && i < SUT_DEPARTED; i++)
        sut_free(rt->departed[i].path);
    sut_free(rt->departed);
    rt->departed = NULL;
}

/* ---- telling ---- */

static const struct sut_supervisor *top_of(const struct sut_supervisor *sup) {
    const struct sut_service *up;
    while ((up = sut_way_up(sup)) != NULL)
        sup = up->parent;
    return sup;
}

/* One that has left the tree, and is not released yet. */
static const struct sut_service *leaving(struct sut_tree *tree, struct sut_id id) {
    for (struct sut_list *node = tree->released.next; node != &tree->released; node = node->next) {
        const struct sut_service *service = SUT_CONTAINER(node, struct sut_service, u.work);
        if (sut_service_id(service).value == id.value) return service;
    }
    return NULL;
}

/* One that is there has its path of now, unless the supervisor that it is in has left by it. */
void sut_push_cause(lua_State *L, const struct sut_supervisor *sup, struct sut_id id) {
    const struct sut_lua_runtime *rt = ((const struct sut_lua_supervisor *)sup)->rt;
    const struct sut_service *service = sut_slot_find(&sup->tree->slots, id);
    const struct sut_departed *departed = id.value ? find(rt, id) : NULL;
    if (!service && !departed && id.value) service = leaving(sup->tree, id);
    if (service && (!departed || top_of(service->parent) == top_of(sup)))
        sut_push_path(L, service->parent, service);
    else if (departed)
        lua_pushstring(L, departed->path);
    else
        lua_pushnil(L);
}
