/* SPDX-License-Identifier: MIT
 *
 * Adding services to a supervisor: by sup:add, and from the children of its spec.
 */
#include "lua/cpu_share.h"
#include "lua/options.h"

#include "core/alloc.h"
#include "lua/heartbeat.h"

#include <string.h>

/* Whether it is the other one, or below that, by places or by objects that contain a supervisor. */
static bool is_under(const struct sut_supervisor *sup, const struct sut_supervisor *other) {
    const struct sut_service *up;
    while (sup != other && (up = sut_hangs_from(sup)) != NULL)
        sup = up->parent;
    return sup == other;
}

/* A supervisor about to be added: nobody's, at rest, and no ancestor of its new parent. */
static void check_child(lua_State *L, struct sut_lua_supervisor *sup,
                        struct sut_lua_supervisor *child) {
    sut_check_kept(L, child, "add");
    if (child->rt != sup->rt)
        luaL_error(L, "add: supervisor '%s' belongs to another runtime than '%s'",
                   sut_shown_name(L, child), sut_shown_name(L, sup));
    if (is_under(&sup->core, &child->core))
        luaL_error(L, "add: supervisor '%s' would be under itself", sut_shown_name(L, child));
    if (sut_supervisor_placed(&child->core))
        luaL_error(L, "add: supervisor '%s' is under '%s' already", sut_shown_name(L, child),
                   sut_shown_name(L, sut_supervisor_of(child->core.place->parent)));
    if (sut_supervisor_lives(&child->core))
        luaL_error(L, "add: supervisor '%s' is being served already", sut_shown_name(L, child));
}

static void give_hook(lua_State *L, int from, struct sut_supervisor *sup) {
    sut_push_object(L, sup);
    (void)lua_getiuservalue(L, from, SUT_SUPERVISOR_HOOK);
    (void)lua_setiuservalue(L, -2, SUT_SUPERVISOR_HOOK);
    lua_pop(L, 1);
}

static bool has_hook_of(lua_State *L, int from, const struct sut_supervisor *sup) {
    bool same;
    sut_push_object(L, sup);
    (void)lua_getiuservalue(L, -1, SUT_SUPERVISOR_HOOK);
    (void)lua_getiuservalue(L, from, SUT_SUPERVISOR_HOOK);
    same = lua_rawequal(L, -1, -2);
    lua_pop(L, 3);
    return same;
}

/* Gives the hook of the supervisor at the index to another one and everything below it. What is
 * below a supervisor has its hook already: so a tree that is built from below is not gone through
 * at each level. */
static void pass_hook_down(lua_State *L, int from, struct sut_supervisor *top) {
    luaL_checkstack(L, LUA_MINSTACK, "add");
    if (has_hook_of(L, from, top)) return;
    give_hook(L, from, top);
    for (struct sut_service *service = sut_supervisor_walk(top, NULL); service;
         service = sut_supervisor_walk(top, service)) {
        const struct sut_extras *extras = sut_extras_of(sut_service_of(service));
        struct sut_supervisor *child = sut_service_child(service);
        if (child) give_hook(L, from, child);
        if (extras && extras->contained) pass_hook_down(L, from, &extras->contained->core);
    }
}

/* A template's children are started, never added. */
void sut_check_takes_any(lua_State *L, const struct sut_lua_supervisor *sup, const char *fn) {
    if (sup->template)
        luaL_error(L, "%s: '%s' is a template, whose children are started: t:start(arg)", fn,
                   sut_shown_name(L, sup));
}

static struct sut_lua_service *new_service(const char *name, size_t length, int body, int ref) {
    struct sut_lua_service *service =
        sut_calloc(offsetof(struct sut_lua_service, name) + length + 1);
    if (!service) return NULL;
    memcpy(service->name, name, length);
    sut_service_init(&service->core, (uint32_t)length);
    sut_coroutine_init(&service->co, SUT_COROUTINE_SERVICE);
    service->body = (enum sut_body)body;
    service->core.host_ref = ref;
    service->plain = sut_name_is_plain(name, length);
    return service;
}

/* Lets the object that contains a supervisor know it no more. Needs no memory. */
void sut_uncontain(lua_State *L, struct sut_lua_supervisor *sup) {
    struct sut_lua_service *container = sup->container;
    if (!container) return;
    sup->container = NULL;
    sut_extras_of(container)->contained = NULL;
    sut_push_object(L, container->core.parent);
    (void)lua_getiuservalue(L, -1, SUT_SUPERVISOR_BODIES);
    lua_pushnil(L);
    lua_rawsetp(L, -2, sup);
    lua_pop(L, 2);
}

/* Pushes the supervisor that an object contains, or nil: its hook, paths and reports join those of
 * its new parent. One that is the child of another, or that the object itself is under, is only
 * known to the object. */
static struct sut_lua_supervisor *push_contained(lua_State *L, struct sut_lua_supervisor *sup,
                                                 int opts) {
    struct sut_lua_supervisor *inner = NULL;
    if (sut_has_options(L, opts)) {
        lua_getfield(L, opts, "supervisor");
        inner = sut_to_supervisor(L, -1);
    } else {
        lua_pushnil(L);
    }
    if (!inner || !inner->name || inner->core.place || is_under(&sup->core, &inner->core))
        return NULL;
    if (inner->rt != sup->rt)
        luaL_error(L, "add: supervisor '%s' belongs to another runtime than '%s'",
                   sut_shown_name(L, inner), sut_shown_name(L, sup));
    return inner;
}

/* Keeps the contained supervisor alive in the bodies on the top. True when it was there already. */
static bool keep_contained(lua_State *L, struct sut_lua_supervisor *inner) {
    bool known = lua_rawgetp(L, -1, inner) != LUA_TNIL;
    lua_pop(L, 1);
    if (known) return true;
    sut_push_object(L, inner);
    lua_rawsetp(L, -2, inner);
    return false;
}

/* The object that has been added contains the supervisor. Needs no memory: the key is there, or was
 * until just now. */
static void contain(lua_State *L, int sup_index, struct sut_lua_service *service,
                    struct sut_lua_supervisor *inner) {
    sut_uncontain(L, inner);
    (void)lua_getiuservalue(L, sup_index, SUT_SUPERVISOR_BODIES);
    sut_push_object(L, inner);
    lua_rawsetp(L, -2, inner);
    lua_pop(L, 1);
    inner->rt->contains = true;
    inner->container = service;
    sut_extras_of(service)->contained = inner;
    pass_hook_down(L, sup_index, &inner->core);
}

/* What the bodies of the supervisor keep alive for a service that is being added. */
struct sut_refs {
    int body;
    int jitter;                       /* of its own delay, or LUA_NOREF */
    struct sut_lua_supervisor *inner; /* what it contains, when it was not kept before, or NULL */
};

/* False without memory. */
static bool give_share(lua_State *L, const struct sut_lua_supervisor *sup,
                       const struct sut_newcomer *new, struct sut_lua_service *service) {
    double part = sut_options_cpu_share(L, new->opts);
    return part == 0 || sut_cpu_share_give(service, sup->rt, part);
}

/* Whoever may restart with a sibling keeps because of which one. False without memory. */
static bool give_place_for_cause(const struct sut_lua_supervisor *sup,
                                 struct sut_lua_service *service) {
    return sup->core.strategy == SUT_STRATEGY_ONE_FOR_ONE ||
           sut_service_give_options(&service->core);
}

/* False without memory. */
static bool give_child(lua_State *L, const struct sut_newcomer *new,
                       struct sut_lua_service *service) {
    struct sut_lua_supervisor *child;
    if (new->body != SUT_BODY_SUPERVISOR) return true;
    if (!sut_service_give_options(&service->core)) return false;
    child = lua_touserdata(L, new->run);
    service->core.options->child = &child->core;
    return true;
}

/* The record of a service that is not in the tree yet; NULL without memory. */
static struct sut_lua_service *prepare(lua_State *L, const struct sut_lua_supervisor *sup,
                                       const struct sut_newcomer *new, int ref) {
    size_t length;
    const char *text = lua_tolstring(L, new->name, &length);
    struct sut_lua_service *service = new_service(text, length, new->body, ref);
    if (!service) return NULL;
    service->core.fixed = new->fixed;
    service->on_hog = sut_options_on_hog(L, new->opts);
    if (sut_options_read(L, sup, new->opts, &service->core) && give_share(L, sup, new, service) &&
        give_place_for_cause(sup, service) && give_child(L, new, service))
        return service;
    sut_service_free(service);
    return NULL;
}

/* Takes back what was kept for a service that could not be made. Never raises. */
static void give_back(lua_State *L, struct sut_lua_supervisor *sup, struct sut_lua_service *service,
                      struct sut_refs refs) {
    if (service) sut_service_free(service);
    sut_body_drop(L, sup, refs.body);
    luaL_unref(L, -1, refs.jitter);
    if (!refs.inner) return;
    lua_pushnil(L);
    lua_rawsetp(L, -2, refs.inner);
}

/* What the bodies keep alive for it; the bodies are on the top. May raise for memory: what is in
 * `refs` by then is then dropped with the supervisor. */
static struct sut_refs keep(lua_State *L, struct sut_lua_supervisor *sup,
                            const struct sut_newcomer *new, struct sut_lua_supervisor *inner) {
    struct sut_refs refs = {.jitter = LUA_NOREF};
    if (inner && !keep_contained(L, inner)) refs.inner = inner;
    refs.jitter = sut_options_keep_jitter(L, new->opts);
    refs.body = sut_body_keep(L, sup, new->run);
    return refs;
}

/* The extras, where some are needed. False without memory. */
static bool give_extras(struct sut_lua_service *service, struct sut_refs refs,
                        const struct sut_lua_supervisor *inner, int64_t heartbeat_ns) {
    if (!inner && refs.jitter == LUA_NOREF && !heartbeat_ns) return true;
    if (!sut_service_extras(service)) return false;
    sut_extras_of(service)->jitter_ref = refs.jitter;
    return !heartbeat_ns || sut_heartbeat_promise(service, heartbeat_ns);
}

struct sut_lua_service *sut_add(lua_State *L, int sup_index, const struct sut_newcomer *new) {
    struct sut_lua_supervisor *sup = lua_touserdata(L, sup_index);
    struct sut_lua_supervisor *inner;
    struct sut_lua_service *service;
    struct sut_supervisor *child;
    struct sut_refs refs;
    if (sup->core.state >= SUT_SUPERVISOR_STOPPING) return NULL;
    sut_prepare(L, sup->rt);
    inner = push_contained(L, sup, new->opts);
    (void)lua_getiuservalue(L, sup_index, SUT_SUPERVISOR_BODIES);
    if (new->body == SUT_BODY_SUPERVISOR) { /* a life of its own, if it had one, is over */
        lua_pushnil(L);
        sut_handle_take_over(L, new->run, lua_gettop(L));
        lua_pop(L, 1);
    }
    refs = keep(L, sup, new, inner);
    service = prepare(L, sup, new, refs.body);
    if (!service || !give_extras(service, refs, inner, sut_options_heartbeat(L, new->opts)) ||
        sut_supervisor_add(&sup->core, &service->core) != SUT_OK) {
        give_back(L, sup, service, refs);
        luaL_error(L, "not enough memory");
        return NULL;
    }
    lua_pop(L, 2);
    child = sut_service_child(&service->core);
    if (child) {
        sut_uncontain(L, sut_supervisor_of(child));
        pass_hook_down(L, sup_index, child);
    }
    if (inner) contain(L, sup_index, service, inner);
    return service;
}

static int body_of(lua_State *L, int kind) {
    switch (lua_tostring(L, kind)[0]) {
    case 's':
        return SUT_BODY_SUPERVISOR;
    case 'o':
        return SUT_BODY_OBJECT;
    default:
        return SUT_BODY_FUNCTION;
    }
}

/* sup:add(...): a name and a function alone never leave C; the rest is read in Lua. */
int sut_supervisor_add_service(lua_State *L) {
    struct sut_lua_supervisor *sup = sut_check_supervisor(L, 1, "add");
    struct sut_lua_service *service;
    struct sut_token *token;
    int at;
    struct sut_newcomer new = {.name = 2, .run = 3, .body = SUT_BODY_FUNCTION};
    int count = lua_gettop(L);
    sut_check_same_runtime(L, sup->rt->self, sup, "add");
    sut_check_takes_any(L, sup, "add");
    if (count != 3 || lua_type(L, 2) != LUA_TSTRING || lua_type(L, 3) != LUA_TFUNCTION ||
        lua_rawlen(L, 2) == 0) {
        sut_push_handler(L, "child_spec");
        lua_pushinteger(L, 3);
        for (int i = 2; i <= count; i++)
            lua_pushvalue(L, i);
        lua_call(L, count, 4);
        (void)sut_check_supervisor(L, 1, "add"); /* user code has run meanwhile */
        new = (struct sut_newcomer){.name = count + 1, .run = count + 2, .opts = count + 4};
        new.body = body_of(L, count + 3);
        if (new.body == SUT_BODY_SUPERVISOR) check_child(L, sup, sut_to_supervisor(L, new.run));
        sut_options_check(L, sup, new.opts);
    }
    if (!lua_checkstack(L, LUA_MINSTACK)) return luaL_error(L, "not enough memory");
    token = sut_push_empty_token(L, 1); /* whatever needs memory comes before the change */
    at = lua_gettop(L);
    service = sut_add(L, 1, &new);
    if (!service) return sut_fail(L, SUT_ERR_NOT_RUNNING);
    sut_loop_touch(&sup->rt->rt);
    lua_settop(L, at);
    sut_fill_token(L, token, &service->core);
    return 1;
}

/* The child specs at `list`: all are checked before the first is added. */
void sut_add_children(lua_State *L, int sup_index, int list) {
    struct sut_lua_supervisor *sup = lua_touserdata(L, sup_index);
    lua_Integer count = (lua_Integer)lua_rawlen(L, list);
    int base = lua_gettop(L);
    for (int pass = 0; pass < 2; pass++) {
        for (lua_Integer i = 1; i <= count; i++) {
            (void)lua_rawgeti(L, list, i);
            lua_getfield(L, -1, "name");
            lua_getfield(L, -2, "run");
            lua_getfield(L, -3, "kind");
            lua_getfield(L, -4, "opts");
            struct sut_newcomer new = {base + 2, base + 3, body_of(L, base + 4), base + 5, true};
            if (pass == 0 && new.body == SUT_BODY_SUPERVISOR)
                check_child(L, sup, sut_to_supervisor(L, new.run));
            if (pass == 1) (void)sut_add(L, sup_index, &new);
            lua_settop(L, base);
        }
    }
}
