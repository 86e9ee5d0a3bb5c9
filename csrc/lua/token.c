/* SPDX-License-Identifier: MIT
 *
 * Tokens, and the paths that they print as.
 *
 * There is one token userdata for a service at a time: a weak table finds it by id. When the
 * service leaves the tree its path is written into the token.
 */
#include "lua/supervisor.h"
#include "lua/token_table.h"

#include "core/alloc.h"

#include <string.h>

/* ---- paths ---- */

/* A path, written from its end to its beginning; what finds no room is only measured. */
struct path {
    char *out;
    size_t room;
    size_t length;
    size_t kept; /* bytes at the end of the room that hold the last whole parts of the path */
    bool cut;    /* not even the last part had room: its beginning stands at the start */
};

/* Takes a place of so many bytes; NULL when there is no room. */
static char *place(struct path *path, size_t size) {
    path->length += size;
    if (path->length > path->room) return NULL;
    path->kept = path->length;
    return path->out + path->room - path->length;
}

/* One that finds no room at all begins at the start. */
static void cut_name(struct path *path, const char *text, size_t length, uint32_t number) {
    if (path->kept != 0 || path->cut) return;
    (void)sut_name_write(text, length, number, path->out, path->room);
    path->cut = true;
}

static void put_name(struct path *path, const char *text, size_t length, uint32_t number,
                     bool plain) {
    size_t size = plain && number == 1 ? length : sut_name_write(text, length, number, NULL, 0);
    char *out = place(path, size);
    if (!out)
        cut_name(path, text, length, number);
    else if (size == length)
        memcpy(out, text, length); /* no byte is escaped, no number follows */
    else
        (void)sut_name_write(text, length, number, out, size);
}

static void put_slash(struct path *path) {
    if (++path->length > path->room || path->cut) return;
    path->out[path->room - path->length] = '/';
    path->kept = path->length;
}

static void put_supervisor(struct path *path, const struct sut_supervisor *sup) {
    const struct sut_lua_supervisor *own = (const struct sut_lua_supervisor *)sup;
    if (own->name) put_name(path, own->name, own->name_length, 1, own->plain);
}

const struct sut_service *sut_hangs_from(const struct sut_supervisor *sup) {
    const struct sut_lua_supervisor *own = (const struct sut_lua_supervisor *)sup;
    if (sup->place) return sup->place;
    return own->container ? &own->container->core : NULL;
}

const struct sut_service *sut_way_up(const struct sut_supervisor *sup) {
    return !sup->place && sup->left ? sup->left : sut_hangs_from(sup);
}

/* The way up from a service. A supervisor inside an object has a name of its own. */
static void put_service(struct path *path, const struct sut_service *service) {
    while (service) {
        const struct sut_service *up = sut_way_up(service->parent);
        put_name(path, sut_service_text(service), service->name.length, service->name.number,
                 ((const struct sut_lua_service *)service)->plain);
        put_slash(path);
        if (!up || !sut_service_child(up)) {
            put_supervisor(path, service->parent);
            if (up) put_slash(path);
        }
        service = up;
    }
}

/* Writes as much as there is room for; returns the whole length. */
static size_t write_path(struct path *path, const struct sut_supervisor *sup,
                         const struct sut_service *service) {
    const struct sut_service *up = sut_way_up(sup);
    if (!service && (!up || !sut_service_child(up))) {
        put_supervisor(path, sup);
        if (up) put_slash(path);
        put_service(path, up);
    } else {
        put_service(path, service ? service : up);
    }
    return path->length;
}

size_t sut_write_path(const struct sut_supervisor *sup, const struct sut_service *service,
                      char *out, size_t room) {
    return write_path(&(struct path){.out = out, .room = room}, sup, service);
}

/* Making room may collect garbage, and a finalizer may change the path: so it is measured again. */
void sut_push_path(lua_State *L, const struct sut_supervisor *sup,
                   const struct sut_service *service) {
    char text[256];
    char *out = text;
    size_t room = sizeof text;
    size_t length = sut_write_path(sup, service, out, room);
    luaL_checkstack(L, LUA_MINSTACK, "path");
    if (length <= room) {
        (void)lua_pushlstring(L, out + room - length, length);
        return;
    }
    do {
        room = length;
        out = lua_newuserdatauv(L, room + 1, 0);
        length = sut_write_path(sup, service, out, room);
        if (length > room) lua_pop(L, 1);
    } while (length > room);
    (void)lua_pushlstring(L, out + room - length, length);
    lua_remove(L, -2);
}

char *sut_copy_path(const struct sut_supervisor *sup, const struct sut_service *service) {
    char nowhere[1];
    size_t room = write_path(&(struct path){.out = nowhere}, sup, service);
    char *text = sut_calloc(room + 1);
    if (text) (void)write_path(&(struct path){.out = text, .room = room}, sup, service);
    return text;
}

void sut_path_text(const struct sut_supervisor *sup, const struct sut_service *service, char *out,
                   size_t size) {
    static const char dots[] = "...";
    struct path path = {.out = out + sizeof dots - 1, .room = size - sizeof dots};
    size_t length = write_path(&path, sup, service);
    size_t gap = length == path.kept ? 0 : sizeof dots - 1;
    if (path.cut) {
        memmove(out, path.out, path.room);
        memcpy(out + path.room, dots, sizeof dots);
    } else {
        memmove(out + gap, path.out + path.room - path.kept, path.kept);
        memcpy(out, dots, gap);
        out[gap + path.kept] = '\0';
    }
}

/* ---- tokens ---- */

static uint32_t runtime_of(uint64_t serial) { return (uint32_t)(serial >> 32); }

static uint64_t serial_of(const struct sut_service *service) {
    return sut_supervisor_of(service->parent)->serial;
}

static int register_token(lua_State *L) {
    const struct sut_token *token = lua_touserdata(L, 1);
    struct sut_lua *self;
    sut_push_state(L);
    self = lua_touserdata(L, -1);
    lua_pop(L, 1);
    sut_slot_get(L, SUT_SLOT_TOKENS);
    sut_token_enter(L, self, runtime_of(token->serial), token->id);
    return 0;
}

/* Without the memory for that the token on the top is still equal to its like. */
static void enter_token(lua_State *L) {
    lua_pushcfunction(L, register_token);
    lua_pushvalue(L, -2);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) lua_pop(L, 1);
}

/* Still without its metatable. */
static struct sut_token *push_bare_token(lua_State *L, const struct sut_lua_supervisor *sup) {
    struct sut_token *token = lua_newuserdatauv(L, sizeof *token, 0);
    *token = (struct sut_token){.sup = sup, .serial = sup->serial};
    return token;
}

static void push_token(lua_State *L, const struct sut_lua_supervisor *sup, struct sut_id id) {
    push_bare_token(L, sup)->id = id;
    sut_slot_get(L, SUT_SLOT_TOKEN);
    lua_setmetatable(L, -2);
}

/* It is entered under the id that the service is going to have, as long as nothing else is added
 * before. Without an id of its own nobody takes it for that service's. */
struct sut_token *sut_push_empty_token(lua_State *L, int sup_index) {
    const struct sut_lua_supervisor *sup = lua_touserdata(L, sup_index);
    struct sut_token *token = push_bare_token(L, sup);
    struct sut_lua *self = sup->rt->self;
    sut_slot_here(L, SUT_SLOT_TOKEN);
    lua_setmetatable(L, -2);
    self->entered_as = sut_slot_next(&sup->core.tree->slots);
    self->entered = token;
    sut_slot_here(L, SUT_SLOT_TOKENS);
    sut_token_enter(L, self, runtime_of(token->serial), self->entered_as);
    return token;
}

/* The same service, by whichever of its tokens. */
static bool names(const struct sut_token *token, uint32_t runtime, struct sut_id id) {
    return runtime_of(token->serial) == runtime && token->id.value == id.value;
}

/* Pushes the token of the id that somebody has; otherwise false, and nothing. */
static bool push_known(lua_State *L, uint64_t serial, struct sut_id id) {
    const struct sut_token *token;
    sut_token_entered(L, runtime_of(serial), id);
    token = lua_touserdata(L, -1);
    if (token && names(token, runtime_of(serial), id)) return true;
    lua_pop(L, 1);
    return false;
}

/* Keeps the path on the top, which is popped, for the token below it. May raise for memory. */
static void keep_path(lua_State *L) {
    sut_slot_get(L, SUT_SLOT_PATHS);
    lua_pushvalue(L, -3);
    lua_rotate(L, -3, -1);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

void sut_push_told_token(lua_State *L, const struct sut_lua_supervisor *sup, struct sut_id id) {
    struct sut_service *service = sup->name ? sut_slot_find(&sup->core.tree->slots, id) : NULL;
    if (service) {
        sut_push_token(L, service);
    } else if (!push_known(L, sup->serial, id)) {
        push_token(L, sup, id);
        lua_pushvalue(L, -2);
        keep_path(L);
        enter_token(L);
    }
}

void sut_push_token(lua_State *L, struct sut_service *service) {
    if (push_known(L, serial_of(service), sut_service_id(service))) return;
    push_token(L, sut_supervisor_of(service->parent), sut_service_id(service));
    if (!sut_slot_find(&service->parent->tree->slots,
                       sut_service_id(service))) { /* asked for by its last event */
        sut_push_path(L, service->parent, service);
        keep_path(L);
    }
    enter_token(L);
}

void sut_fill_token(lua_State *L, struct sut_token *token, const struct sut_service *service) {
    const struct sut_lua *self = sut_supervisor_of(service->parent)->rt->self;
    token->id = sut_service_id(service);
    if (self->entered != token || self->entered_as.value != token->id.value) enter_token(L);
}

/* ---- tokens that outlive their services ---- */

static void outlive(lua_State *L, const struct sut_service *service) {
    if (!push_known(L, serial_of(service), sut_service_id(service))) return;
    sut_push_path(L, service->parent, service);
    keep_path(L);
    lua_pop(L, 1);
}

static int outlive_one(lua_State *L) {
    outlive(L, lua_touserdata(L, 1));
    return 0;
}

void sut_token_outlives(struct sut_lua_runtime *rt, struct sut_service *service) {
    char why[64];
    bool known;
    sut_token_entered(rt->hooks, rt->serial, sut_service_id(service));
    known = !lua_isnil(rt->hooks, -1);
    lua_pop(rt->hooks, 1);
    if (known) (void)sut_call(rt, outlive_one, service, why, sizeof why);
}

int sut_tokens_outlive(lua_State *L) {
    const struct sut_lua_supervisor *sup = lua_touserdata(L, 1);
    for (struct sut_service *service = sup->name ? sut_supervisor_first(&sup->core) : NULL; service;
         service = sut_service_next(service))
        outlive(L, service);
    return 0;
}

/* ---- what can be done with a token ---- */

static struct sut_token *check_token(lua_State *L, int arg) {
    return luaL_checkudata(L, arg, SUT_TOKEN_TYPE);
}

/* The service, if it is in the tree still. */
static struct sut_service *find_service(lua_State *L, const struct sut_token *token) {
    const struct sut_lua_supervisor *sup;
    sut_push_object(L, token->sup);
    sup = sut_to_supervisor(L, -1);
    lua_pop(L, 1);
    if (!sup || sup->serial != token->serial || !sup->name) return NULL;
    return sut_slot_find(&sup->core.tree->slots, token->id);
}

static int token_tostring(lua_State *L) {
    const struct sut_service *service = find_service(L, check_token(L, 1));
    if (service) {
        sut_push_path(L, service->parent, service);
        return 1;
    }
    sut_slot_get(L, SUT_SLOT_PATHS);
    lua_pushvalue(L, 1);
    if (lua_rawget(L, -2) != LUA_TSTRING) lua_pushliteral(L, "a service that is gone");
    return 1;
}

static int token_eq(lua_State *L) {
    const struct sut_token *right = check_token(L, 2);
    lua_pushboolean(L, names(check_token(L, 1), runtime_of(right->serial), right->id));
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
    sut_slot_set(L, SUT_SLOT_TOKEN);
}

/* ---- arguments ---- */

static struct sut_service *by_token(lua_State *L, const struct sut_lua_supervisor *sup, int arg,
                                    const char *fn) {
    const struct sut_token *token = lua_touserdata(L, arg);
    struct sut_service *service;
    if (runtime_of(token->serial) != runtime_of(sup->serial))
        luaL_error(L, "'%s': the token belongs to another runtime", fn);
    if (token->serial != sup->serial) {
        (void)sut_fail(L, SUT_ERR_WRONG_SUPERVISOR);
        return NULL;
    }
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

struct sut_service *sut_find_retired(lua_State *L, const struct sut_lua_supervisor *sup, int arg) {
    const struct sut_token *token = luaL_testudata(L, arg, SUT_TOKEN_TYPE);
    struct sut_service *service;
    if (!token || token->serial != sup->serial) return NULL;
    service = sut_slot_find(&sup->core.tree->slots, token->id);
    return service && service->retired ? service : NULL;
}
