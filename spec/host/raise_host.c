/* SPDX-License-Identifier: MIT
 *
 * usage: raise_host FILE.lua
 *
 * Runs a Lua file that finds a function `raise(number)`, which sends its process a signal. Its
 * first system call is getppid, by which a tracer knows that the loader has done its work. An abort
 * of libuv's ends it with status 30.
 */
#define _GNU_SOURCE
#include "aborts.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>

static int raise_signal(lua_State *L) {
    lua_pushboolean(L, kill(getpid(), (int)luaL_checkinteger(L, 1)) == 0);
    return 1;
}

static void aborted(int signum) {
    if (is_abort_of_libuv()) _exit(ABORTED_BY_LIBUV);
    show_stack();
    (void)signal(signum, SIG_DFL);
}

int main(int count, char **arguments) {
    lua_State *L;
    int status;
    prepare_for_aborts();
    (void)signal(SIGABRT, aborted);
    (void)getppid();
    L = count == 2 ? luaL_newstate() : NULL;
    if (!L) return 2;
    luaL_openlibs(L);
    lua_register(L, "raise", raise_signal);
    status = luaL_dofile(L, arguments[1]);
    if (status != LUA_OK) (void)fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
    lua_close(L);
    return status != LUA_OK;
}
