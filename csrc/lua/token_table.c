/* SPDX-License-Identifier: MIT
 *
 * The weak tables of tokens, and when they move.
 *
 * A userdata that nobody has is a watch: its finalizer says that garbage has been collected. It is
 * put up when many tokens have been entered, and again until most of those are gone. A look at all
 * that are there is a small part of a collection, which has looked at their services' coroutines.
 */
#include "lua/token_table.h"

enum { WATCH_AFTER = 1000 };

/* A table through which so many times as many have gone as are left in it is too large. */
enum { TOO_LARGE = 4 };

/* The trees of two runtimes give their services the same ids, so a token is entered under both: by
 * an odd number the serials become as many different ones that share no half. */
static lua_Integer key_of(uint32_t runtime, struct sut_id id) {
    return (lua_Integer)(id.value ^ (uint64_t)runtime * UINT64_C(0x9e3779b97f4a7c15));
}

static void put_up_watch(lua_State *L, struct sut_token_table *table) {
    (void)lua_newuserdatauv(L, 0, 0);
    sut_slot_get(L, SUT_SLOT_TOKEN_WATCH);
    table->watch_at = UINT64_MAX;
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}

void sut_token_enter(lua_State *L, struct sut_lua *self, uint32_t runtime, struct sut_id id) {
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, key_of(runtime, id));
    lua_pop(L, 1);
    if (++self->tokens.entered >= self->tokens.watch_at) put_up_watch(L, &self->tokens);
}

void sut_token_entered(lua_State *L, uint32_t runtime, struct sut_id id) {
    sut_slot_get(L, SUT_SLOT_TOKENS);
    (void)lua_rawgeti(L, -1, key_of(runtime, id));
    lua_remove(L, -2);
}

static uint64_t count_entries(lua_State *L, int table) {
    uint64_t count = 0;
    lua_pushnil(L);
    for (; lua_next(L, table); lua_pop(L, 1))
        count++;
    return count;
}

/* Replaces the table by one that is weak as it is, and has no more room than it needs. */
static void move_entries(lua_State *L, enum sut_registry_slot slot) {
    int table = lua_gettop(L) + 1;
    sut_slot_here(L, slot);
    lua_createtable(L, 0, (int)count_entries(L, table));
    (void)lua_getmetatable(L, table);
    lua_setmetatable(L, -2);
    lua_pushnil(L);
    while (lua_next(L, table)) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -4);
    }
    sut_slot_set(L, slot);
    lua_settop(L, table - 1);
}

/* The finalizer of a watch. Without memory the tables stay where they are. */
static int look(lua_State *L) {
    struct sut_lua *self = sut_self(L);
    uint64_t left;
    if (self->closing) return 0;
    self->tokens.watch_at = self->tokens.entered;
    lua_settop(L, 0);
    sut_slot_here(L, SUT_SLOT_TOKENS);
    left = count_entries(L, 1);
    if (left * TOO_LARGE > self->tokens.entered) {
        put_up_watch(L, &self->tokens);
        return 0;
    }
    move_entries(L, SUT_SLOT_TOKENS);
    move_entries(L, SUT_SLOT_PATHS);
    self->tokens.entered = left;
    self->tokens.watch_at = left + WATCH_AFTER;
    return 0;
}

void sut_open_token_table(lua_State *L) {
    struct sut_lua *self = lua_touserdata(L, -1);
    self->tokens.watch_at = WATCH_AFTER;
    sut_slot_set_weak(L, SUT_SLOT_TOKENS, "v");
    sut_slot_set_weak(L, SUT_SLOT_PATHS, "k");
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, look, 1);
    lua_setfield(L, -2, "__gc");
    sut_slot_set(L, SUT_SLOT_TOKEN_WATCH);
}
