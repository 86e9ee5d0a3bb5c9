/* SPDX-License-Identifier: MIT
 *
 * Bytes for a function in Lua. The file that SUTURA_FUZZ names returns it: it takes a string, and
 * raises if anything is wrong. The module is linked in, so that what its C does is seen. Inputs
 * share a Lua state, or have one each if the file returns a second value; and they have so much
 * work and memory that none can be slow.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int luaopen_sutura_core(lua_State *L);
int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_STEPS = 2000000, MOST_BYTES = 64 << 20 };

static lua_State *state;
static size_t used;

static void *allocate(void *unused, void *block, size_t had, size_t wanted) {
    (void)unused;
    if (!block) had = 0;
    if (wanted == 0) {
        free(block);
        used -= had;
        return NULL;
    }
    if (wanted > had && used + wanted - had > MOST_BYTES) return NULL;
    void *moved = realloc(block, wanted);
    if (moved) used += wanted - had;
    return moved;
}

/* From then on at every instruction, for the input may catch it. */
static void too_long(lua_State *L, lua_Debug *ar) {
    (void)ar;
    lua_sethook(L, too_long, LUA_MASKCOUNT, 1);
    (void)luaL_error(L, "enough: this input takes too long");
}

static void fail(const char *what) {
    (void)fprintf(stderr, "%s: %s\n", what, luaL_tolstring(state, -1, NULL));
    abort();
}

/* The function lies at 1, and whether it wants a new state each time at 2. */
static void open_state(void) {
    const char *file = getenv("SUTURA_FUZZ");
    state = lua_newstate(allocate, NULL);
    luaL_openlibs(state);
    luaL_getsubtable(state, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(state, luaopen_sutura_core);
    lua_setfield(state, -2, "sutura.core");
    lua_settop(state, 0);
    if (luaL_loadfile(state, file) != LUA_OK || lua_pcall(state, 0, 2, 0) != LUA_OK)
        fail("SUTURA_FUZZ");
}

int LLVMFuzzerInitialize(int *count, char ***arguments) {
    (void)count;
    (void)arguments;
    open_state();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    lua_pushvalue(state, 1);
    lua_pushlstring(state, (const char *)data, size);
    lua_sethook(state, too_long, LUA_MASKCOUNT, MOST_STEPS);
    if (lua_pcall(state, 1, 0, 0) != LUA_OK) fail("wrong");
    lua_sethook(state, NULL, 0, 0);
    if (lua_toboolean(state, 2)) {
        lua_close(state);
        open_state();
    }
    return 0;
}
