/* SPDX-License-Identifier: MIT
 *
 * usage: oom_host FILE.lua
 *
 * A program with a Lua state whose memory can run out on demand. The Lua file finds a table `oom`:
 *     oom.window(skip, count)  after `skip` more requests for memory, `count` of them fail
 *     oom.none()               from now on every request fails
 *     oom.allow()              from now on every request is granted
 * None of these needs memory. Only requests of the Lua state fail: the module's own memory is the C
 * library's. Giving back and shrinking never fail, as Lua demands.
 */
#include <lauxlib.h>
#include <limits.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

static long skipped;  /* requests still to be granted before the window */
static long failures; /* requests that the window still refuses */

static int refuses(void) {
    if (failures == 0) return 0;
    if (skipped > 0) {
        skipped--;
        return 0;
    }
    if (failures != LONG_MAX) failures--;
    return 1;
}

static void *allocate(void *state, void *block, size_t had, size_t wanted) {
    (void)state;
    if (wanted == 0) {
        free(block);
        return NULL;
    }
    if ((!block || wanted > had) && refuses()) return NULL;
    return realloc(block, wanted);
}

static int window(lua_State *L) {
    skipped = (long)luaL_checkinteger(L, 1);
    failures = (long)luaL_checkinteger(L, 2);
    return 0;
}

static int none(lua_State *L) {
    (void)L;
    skipped = 0;
    failures = LONG_MAX;
    return 0;
}

static int allow(lua_State *L) {
    (void)L;
    failures = 0;
    return 0;
}

int main(int count, char **arguments) {
    static const luaL_Reg functions[] = {
        {"window", window}, {"none", none}, {"allow", allow}, {NULL, NULL}};
    lua_State *L = count == 2 ? lua_newstate(allocate, NULL) : NULL;
    int status;
    if (!L) return 2;
    luaL_openlibs(L);
    luaL_newlib(L, functions);
    lua_setglobal(L, "oom");
    status = luaL_dofile(L, arguments[1]);
    failures = 0;
    if (status != LUA_OK) (void)fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
    lua_close(L);
    return status != LUA_OK;
}
