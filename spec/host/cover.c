/* SPDX-License-Identifier: MIT
 *
 * A Lua module that notes which lines of lua/sutura run, in every coroutine: a hook in C is handed
 * on to each thread that is made, while debug.sethook's is of one thread. When the Lua state is
 * closed it writes "FILE:LINE" lines to a file below the directory $COVER. For LUA_INIT, so that
 * processes which specs start are seen too.
 */
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILES = 64, LINES = 2000 };

static struct {
    char name[64];
    unsigned char seen[LINES];
} files[FILES];

__attribute__((visibility("default"))) int luaopen_cover(lua_State *L);

static unsigned char *lines_of(const char *name) {
    for (int i = 0; i < FILES; i++) {
        if (!files[i].name[0]) (void)snprintf(files[i].name, sizeof files[i].name, "%s", name);
        if (strcmp(files[i].name, name) == 0) return files[i].seen;
    }
    return NULL;
}

static void on_line(lua_State *L, lua_Debug *ar) {
    const char *name;
    unsigned char *seen;
    if (!lua_getinfo(L, "Sl", ar) || !(name = strstr(ar->source, "lua/sutura/"))) return;
    seen = lines_of(name);
    if (seen && ar->currentline > 0 && ar->currentline < LINES) seen[ar->currentline] = 1;
}

static int write_down(lua_State *L) {
    char path[512];
    FILE *out;
    lua_sethook(L, NULL, 0, 0);
    (void)snprintf(path, sizeof path, "%s/%ld", getenv("COVER"), (long)getpid());
    out = fopen(path, "a");
    if (!out) return 0;
    for (int i = 0; i < FILES && files[i].name[0]; i++)
        for (int line = 1; line < LINES; line++)
            if (files[i].seen[line]) (void)fprintf(out, "%s:%d\n", files[i].name, line);
    (void)fclose(out);
    return 0;
}

int luaopen_cover(lua_State *L) {
    (void)lua_newuserdatauv(L, 0, 0);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, write_down);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_sethook(L, on_line, LUA_MASKLINE, 0);
    return 1; /* kept by package.loaded, and so collected when the state is closed */
}
