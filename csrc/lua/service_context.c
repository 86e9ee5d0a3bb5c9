/* SPDX-License-Identifier: MIT
 *
 * What the context of a service says of the service: its fields, and why it was asked to stop.
 *
 * While the run lasts the guard leads to the service; after it the id does, if the service is there
 * still.
 */
#include "lua/cause.h"
#include "lua/context.h"

#include <string.h>

struct sut_id sut_guard_service(const struct sut_guard *guard) {
    return sut_service_id(&sut_service_of_coroutine(guard->co)->core);
}

/* The service of a context, or NULL when it has left the tree. */
static struct sut_lua_service *find(lua_State *L, int index) {
    const struct sut_context *context = lua_touserdata(L, index);
    const struct sut_lua_runtime *rt;
    if (context->guard.co) return sut_service_of_coroutine(context->guard.co);
    rt = sut_runtime_at_home(L, context->home);
    if (!rt || !context->err) return NULL;
    return (struct sut_lua_service *)sut_tree_find(&rt->rt.tree, context->u.id);
}

int sut_service_context_field(lua_State *L, int index, const char *field) {
    const struct sut_context *context = lua_touserdata(L, index);
    struct sut_lua_service *service;
    index = lua_absindex(L, index);
    if (strcmp(field, "run") == 0) {
        lua_pushinteger(L, context->run);
        return 1;
    }
    service = find(L, index);
    if (!service) return 0;
    if (strcmp(field, "supervisor") == 0)
        sut_push_object(L, service->core.parent);
    else if (strcmp(field, "name") == 0)
        lua_pushlstring(L, sut_service_text(&service->core), service->core.name.length);
    else if (strcmp(field, "path") == 0)
        sut_push_path(L, service->core.parent, &service->core);
    else if (strcmp(field, "token") == 0)
        sut_push_token(L, &service->core);
    else if (strcmp(field, "last_error") == 0)
        lua_pushstring(L, sut_service_last_error(service));
    else
        return 0;
    return 1;
}

static struct sut_lua_supervisor *root_above(const struct sut_lua_service *service) {
    struct sut_supervisor *sup = service->core.parent;
    while (sup->place)
        sup = sup->place->parent;
    return sut_supervisor_of(sup);
}

/* Only while the run lasts: later the root may be served with a context below this very one. */
void sut_service_context_push_parent(lua_State *L, int index) {
    const struct sut_context *context = lua_touserdata(L, index);
    if (!context->guard.co) {
        lua_pushnil(L);
        return;
    }
    sut_push_object(L, root_above(sut_service_of_coroutine(context->guard.co)));
    (void)lua_getiuservalue(L, -1, SUT_SUPERVISOR_CONTEXT);
    lua_remove(L, -2);
}

/* Pushes the context that was served with and has ended, or nothing. */
static bool push_ended_context(lua_State *L, const struct sut_lua_service *service) {
    struct sut_lua_supervisor *root = root_above(service);
    if (!root->context_ended) return false;
    sut_push_object(L, root);
    (void)lua_getiuservalue(L, -1, SUT_SUPERVISOR_CONTEXT);
    lua_remove(L, -2);
    return true;
}

static bool was_asked(const struct sut_lua_service *service) {
    return service && service->co.cancelled;
}

void sut_service_context_push_err(lua_State *L, int index) {
    struct sut_lua_service *service = find(L, index);
    if (!was_asked(service)) {
        lua_pushnil(L);
    } else if (push_ended_context(L, service)) {
        sut_context_push_err(L, -1);
        lua_remove(L, -2);
    } else {
        sut_push_error(L, SUT_CANCELED);
    }
}

/* Pushes what the supervisor ends with. */
static void push_reason(lua_State *L, const struct sut_supervisor *sup) {
    sut_push_object(L, sup);
    (void)lua_getiuservalue(L, -1, SUT_SUPERVISOR_REASON);
    lua_remove(L, -2);
}

static const char *word_for(const struct sut_service *service) {
    static const char *const words[] = {
        [SUT_AFTER_KEEP] = "stopped",
        [SUT_AFTER_RESTART] = "restarted",
        [SUT_AFTER_FORGET] = "removed",
        [SUT_AFTER_RETIRE] = "stopped",
        [SUT_AFTER_QUEUE] = "restarted",
        [SUT_AFTER_BACK_OFF] = "restarted",
        [SUT_AFTER_GROUP] = "restarted with its group",
    };
    return words[service->after];
}

/* Pushes what the nearest supervisor that ends by itself ends with, or why the service was asked,
 * or the nearest above that is not just to stop; and on whose account. */
static void push_own_cause(lua_State *L, const struct sut_service *asked) {
    const struct sut_supervisor *here = asked->parent;
    struct sut_id by = sut_service_cause(asked);
    for (const struct sut_service *service = asked; service; service = service->parent->place) {
        const struct sut_supervisor *sup = service->parent;
        bool over = sup->end != SUT_END_CANCELED && sup->end != SUT_END_PLAIN;
        if (!over && service->after == SUT_AFTER_KEEP && sup->place) continue;
        if (over)
            by = sup->ended_by;
        else if (service->after != SUT_AFTER_KEEP)
            by = sut_service_cause(service);
        if (over)
            push_reason(L, sup);
        else
            lua_pushstring(L, word_for(service));
        sut_push_cause(L, here, by);
        return;
    }
}

void sut_service_context_push_cause(lua_State *L, int index) {
    struct sut_lua_service *service = find(L, index);
    if (!was_asked(service)) {
        lua_pushnil(L);
        lua_pushnil(L);
    } else if (push_ended_context(L, service)) {
        int at = lua_gettop(L);
        sut_context_push_cause(L, at);
        lua_remove(L, at);
    } else {
        push_own_cause(L, &service->core);
    }
}
