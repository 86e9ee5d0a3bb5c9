/* SPDX-License-Identifier: MIT
 *
 * Tokens, and the paths that they print as.
 *
 * There is one token userdata for a service at a time: a weak table finds it by id. When the
 * service leaves the tree its path is written into the token.
 */
#include "lua/supervisor.h"

#include <string.h>

/* ---- paths ---- */

static void add_name(luaL_Buffer *buffer, const char *text, size_t length, uint32_t number) {
    size_t size = sut_name_write(text, length, number, NULL, 0);
    char *out = luaL_prepbuffsize(buffer, size);
    (void)sut_name_write(text, length, number, out, size);
    luaL_addsize(buffer, size);
}

const struct sut_service *sut_hangs_from(const struct sut_supervisor *sup) {
    const struct sut_lua_supervisor *own = (const struct sut_lua_supervisor *)sup;
    if (sup->place) return sup->place;
    return own->container ? &own->container->core : NULL;
}

static const struct sut_service *parent_service(const struct sut_service *service) {
    return sut_hangs_from(service->parent);
}

/* The names on the way down, from the root. `part` is pushed first as the name of what is asked. */
static void push_path_above(lua_State *L, const struct sut_service *service, const char *own,
                            size_t own_length) {
    luaL_Buffer buffer;
    uint32_t depth = 0;
    uint32_t i;
    const struct sut_service *up;
    const struct sut_service **way;
    const struct sut_lua_supervisor *root = NULL;
    for (up = service; up; up = parent_service(up)) {
        depth++;
        root = (const struct sut_lua_supervisor *)up->parent;
    }
    way = lua_newuserdatauv(L, (depth + 1) * sizeof(void *), 0);
    i = depth;
    for (up = service; up; up = parent_service(up))
        way[--i] = up;
    luaL_buffinit(L, &buffer);
    if (root) add_name(&buffer, root->name, root->name_length, 1);
    for (i = 0; i < depth; i++) {
        luaL_addchar(&buffer, '/');
        add_name(&buffer, sut_service_text(way[i]), way[i]->name.length, way[i]->name.number);
        const struct sut_supervisor *inner =
            i + 1 < depth && !way[i]->child ? way[i + 1]->parent : NULL;
        if (inner) { /* a supervisor inside an object has a name of its own */
            const struct sut_lua_supervisor *contained = (const struct sut_lua_supervisor *)inner;
            luaL_addchar(&buffer, '/');
            add_name(&buffer, contained->name, contained->name_length, 1);
        }
    }
    if (own) {
        if (root) luaL_addchar(&buffer, '/');
        add_name(&buffer, own, own_length, 1);
    }
    luaL_pushresult(&buffer);
    lua_remove(L, -2);
}

void sut_push_path(lua_State *L, const struct sut_supervisor *sup,
                   const struct sut_service *service) {
    const struct sut_lua_supervisor *own = (const struct sut_lua_supervisor *)sup;
    luaL_checkstack(L, LUA_MINSTACK, "path");
    if (service)
        push_path_above(L, service, NULL, 0);
    else if (sup->place)
        push_path_above(L, sup->place, NULL, 0);
    else
        push_path_above(L, sut_hangs_from(sup), own->name, own->name_length);
}

/* ---- tokens ---- */

static int register_token(lua_State *L) {
    struct sut_token *token = lua_touserdata(L, 1);
    sut_slot_get(L, SUT_SLOT_TOKENS);
    lua_pushvalue(L, 1);
    lua_rawseti(L, 2, (lua_Integer)token->id.value);
    return 0;
}

/* Without the memory for that the token on the top is still equal to its like. */
static void enter_token(lua_State *L) {
    lua_pushcfunction(L, register_token);
    lua_pushvalue(L, -2);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) lua_pop(L, 1);
}

struct sut_token *sut_push_empty_token(lua_State *L, const struct sut_supervisor *sup) {
    struct sut_token *token = lua_newuserdatauv(L, sizeof *token, 2);
    token->id.value = 0;
    token->tree = sup->tree;
    luaL_setmetatable(L, SUT_TOKEN_TYPE);
    sut_push_object(L, sup);
    (void)lua_setiuservalue(L, -2, 1);
    return token;
}

void sut_push_token(lua_State *L, struct sut_service *service) {
    struct sut_token *token;
    sut_slot_get(L, SUT_SLOT_TOKENS);
    if (lua_rawgeti(L, -1, (lua_Integer)service->id.value) == LUA_TUSERDATA) {
        struct sut_token *known = lua_touserdata(L, -1);
        if (known->tree == service->parent->tree) {
            lua_remove(L, -2);
            return;
        }
    }
    lua_pop(L, 2);
    token = sut_push_empty_token(L, service->parent);
    token->id = service->id;
    if (!sut_slot_find(&service->parent->tree->slots,
                       service->id)) { /* asked for by its last event */
        sut_push_path(L, service->parent, service);
        (void)lua_setiuservalue(L, -2, 2);
    }
    enter_token(L);
}

void sut_fill_token(lua_State *L, struct sut_token *token, const struct sut_service *service) {
    token->id = service->id;
    enter_token(L);
}

/* Keeps the path for a token that outlives its service. */
static int remember_path(lua_State *L) {
    struct sut_service *service = lua_touserdata(L, 1);
    sut_slot_get(L, SUT_SLOT_TOKENS);
    if (lua_rawgeti(L, -1, (lua_Integer)service->id.value) != LUA_TUSERDATA) return 0;
    if (((const struct sut_token *)lua_touserdata(L, -1))->tree != service->parent->tree) return 0;
    sut_push_path(L, service->parent, service);
    (void)lua_setiuservalue(L, -2, 2);
    return 0;
}

void sut_token_outlives(struct sut_lua_runtime *rt, struct sut_service *service) {
    char why[64];
    bool known;
    sut_slot_get(rt->hooks, SUT_SLOT_TOKENS);
    known = lua_rawgeti(rt->hooks, -1, (lua_Integer)service->id.value) != LUA_TNIL;
    lua_pop(rt->hooks, 2);
    if (known) (void)sut_call(rt, remember_path, service, why, sizeof why);
}

static struct sut_token *check_token(lua_State *L, int arg) {
    return luaL_checkudata(L, arg, SUT_TOKEN_TYPE);
}

static int token_tostring(lua_State *L) {
    struct sut_token *token = check_token(L, 1);
    struct sut_lua_supervisor *sup;
    struct sut_service *service = NULL;
    (void)lua_getiuservalue(L, 1, 1);
    sup = sut_to_supervisor(L, -1);
    if (sup && sup->name) service = sut_slot_find(&sup->core.tree->slots, token->id);
    if (service)
        sut_push_path(L, service->parent, service);
    else if (lua_getiuservalue(L, 1, 2) != LUA_TSTRING)
        lua_pushliteral(L, "a service that is gone");
    return 1;
}

static int token_eq(lua_State *L) {
    struct sut_token *left = check_token(L, 1);
    struct sut_token *right = check_token(L, 2);
    lua_pushboolean(L, left->id.value == right->id.value && left->tree == right->tree);
    return 1;
}

void sut_open_token(lua_State *L) {
    luaL_newmetatable(L, SUT_TOKEN_TYPE);
    lua_pushcfunction(L, token_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pushcfunction(L, token_eq);
    lua_setfield(L, -2, "__eq");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}

/* ---- arguments ---- */

static struct sut_service *by_token(lua_State *L, struct sut_lua_supervisor *sup, int arg,
                                    const char *fn) {
    struct sut_token *token = lua_touserdata(L, arg);
    struct sut_service *service;
    struct sut_lua_supervisor *owner;
    (void)lua_getiuservalue(L, arg, 1);
    owner = sut_to_supervisor(L, -1);
    if (!owner || owner != sup) {
        if (owner && owner->rt != sup->rt)
            luaL_error(L, "'%s': the token belongs to another runtime", fn);
        (void)sut_fail(L, SUT_ERR_WRONG_SUPERVISOR);
        return NULL;
    }
    lua_pop(L, 1);
    service = sut_tree_find(sup->core.tree, token->id);
    if (!service) (void)sut_fail(L, SUT_ERR_UNKNOWN_SERVICE);
    return service;
}

struct sut_service *sut_find_service(lua_State *L, struct sut_lua_supervisor *sup, int arg,
                                     const char *fn) {
    struct sut_name *name;
    size_t length;
    const char *text;
    int more = 0;
    if (luaL_testudata(L, arg, SUT_TOKEN_TYPE)) return by_token(L, sup, arg, fn);
    if (lua_type(L, arg) != LUA_TSTRING) sut_misuse(L, fn, "service", "a token or a name", arg);
    text = lua_tolstring(L, arg, &length);
    name = sut_name_find(&sup->core.names, text, length, &more);
    if (name && !more) return SUT_CONTAINER(name, struct sut_service, name);
    (void)sut_fail(L, name ? SUT_ERR_AMBIGUOUS_NAME : SUT_ERR_UNKNOWN_SERVICE);
    return NULL;
}
