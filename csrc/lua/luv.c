/* SPDX-License-Identifier: MIT
 *
 * rt:attach(luv): our services and luv's callbacks in one loop.
 *
 * luv's own loop is adopted when luv and we use the same copy of libuv; otherwise our loop is
 * driven through a poll and a timer of luv's. Nothing of luv's headers is needed: of its context in
 * the registry only the first two fields are read, which every version has.
 *
 * The driver is a userdata that the registry keeps while the runtime is attached (attached_ref),
 * and it keeps the runtime. It is made after luv was loaded, so at lua_close its __gc comes before
 * the one of luv's loop, and our handles are closing when luv runs its loop for the last time.
 */
#define _GNU_SOURCE /* RTLD_NOLOAD */

#include "lua/runtime.h"

#include <dlfcn.h>

#define DRIVER_TYPE "sutura.driver"

/* Uservalues of the driver. */
enum { VALUE_LUV = 1, VALUE_RUNTIME, VALUE_POLL, VALUE_TIMER, VALUES = VALUE_TIMER };

struct sut_driver {
    struct sut_lua_runtime *rt; /* NULL once it is attached no more */
    bool adopted;
};

/* What stands first in luv's context. */
struct luv_head {
    uv_loop_t *loop;
    lua_State *L;
};

static char attached_luv; /* its address is the registry's key of the luv that was attached to */

/* ---- which libuv luv uses ---- */

/* The file that package.searchpath finds for luv, on the top; NULL and nothing there when none. */
static const char *push_luv_path(lua_State *L) {
    int top = lua_gettop(L);
    (void)luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    if (lua_getfield(L, -1, "package") == LUA_TTABLE &&
        lua_getfield(L, -1, "searchpath") == LUA_TFUNCTION) {
        lua_pushliteral(L, "luv");
        (void)lua_getfield(L, -3, "cpath");
        lua_call(L, 2, 1);
        if (lua_isstring(L, -1)) return lua_tostring(L, -1);
    }
    lua_settop(L, top);
    return NULL;
}

static bool same_uv_run(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
    bool same;
    if (!library) return false;
    same = (uintptr_t)dlsym(library, "uv_run") == (uintptr_t)uv_run;
    (void)dlclose(library);
    return same;
}

static bool same_version(lua_State *L) {
    bool same;
    (void)lua_getfield(L, 2, "version");
    lua_call(L, 0, 1);
    same = lua_isinteger(L, -1) && lua_tointeger(L, -1) == (lua_Integer)uv_version();
    lua_pop(L, 1);
    return same;
}

/* luv's loop, if it can be shared; else NULL. */
static uv_loop_t *find_loop(lua_State *L) {
    const struct luv_head *head;
    const char *path;
    uv_loop_t *loop = NULL;
    int top = lua_gettop(L);
    if (!same_version(L)) return NULL;
    if (lua_getfield(L, LUA_REGISTRYINDEX, "luv_context") == LUA_TUSERDATA &&
        lua_rawlen(L, -1) >= sizeof *head) {
        head = lua_touserdata(L, -1);
        path = push_luv_path(L);
        if (path && same_uv_run(path)) loop = head->loop;
    }
    lua_settop(L, top);
    return loop;
}

/* ---- being driven ---- */

static void call_luv(lua_State *L, int driver, const char *function, int handle) {
    (void)lua_getiuservalue(L, driver, VALUE_LUV);
    (void)lua_getfield(L, -1, function);
    lua_remove(L, -2);
    (void)lua_getiuservalue(L, driver, handle);
}

/* Makes luv come by in time; while nothing is waited for, luv's loop may end. */
static void rearm(lua_State *L, struct sut_driver *driver, int index) {
    struct sut_runtime *rt = &driver->rt->rt;
    int64_t timeout_ns = sut_loop_timeout(rt);
    int code;
    uv_loop_t *loop = sut_loop_get(rt, &code);
    call_luv(L, index, loop && uv_loop_alive(loop) ? "ref" : "unref", VALUE_POLL);
    lua_call(L, 1, 0);
    if (timeout_ns == SUT_NEVER) {
        call_luv(L, index, "timer_stop", VALUE_TIMER);
        lua_call(L, 1, 0);
        return;
    }
    call_luv(L, index, "timer_start", VALUE_TIMER);
    lua_pushinteger(L, (lua_Integer)((timeout_ns + 999999) / 1000000));
    lua_pushinteger(L, 0);
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_call(L, 4, 0);
}

/* Upvalues: 1 the driver, 2 `come_by` itself as luv calls it. */
static int make_step(lua_State *L) {
    struct sut_driver *driver = lua_touserdata(L, lua_upvalueindex(1));
    struct sut_runtime *rt;
    if (!driver->rt) return 0;
    rt = &driver->rt->rt;
    if (rt->running) return 0; /* luv only had to wake up: the run goes on by itself */
    if (!rt->stepping) (void)sut_loop_step(rt, 0);
    if (driver->rt) rearm(L, driver, lua_upvalueindex(1));
    return 0;
}

static int come_by(lua_State *L);

/* Pushes a function that has as upvalues the driver, and `come_by` for it. */
static void push_steps(lua_State *L, int driver, lua_CFunction function) {
    lua_pushvalue(L, driver);
    lua_pushvalue(L, driver);
    lua_pushcclosure(L, come_by, 1);
    lua_pushcclosure(L, function, 2);
}

/* luv's callback. luv ends the process when one raises, so it does not. Upvalue 1: the driver. */
static int come_by(lua_State *L) {
    lua_settop(L, 0);
    (void)lua_getiuservalue(L, lua_upvalueindex(1), VALUE_RUNTIME);
    push_steps(L, lua_upvalueindex(1), make_step);
    (void)lua_pcall(L, 0, 0, 0);
    return 0;
}

/* Waits once in luv's loop; false when nothing can come there. Upvalues as of make_step. */
static int make_wait(lua_State *L) {
    struct sut_driver *driver = lua_touserdata(L, lua_upvalueindex(1));
    rearm(L, driver, lua_upvalueindex(1));
    (void)lua_getiuservalue(L, lua_upvalueindex(1), VALUE_LUV);
    (void)lua_getfield(L, -1, "loop_alive");
    lua_call(L, 0, 1);
    if (!lua_toboolean(L, -1)) return 1;
    (void)lua_getfield(L, -2, "run");
    lua_pushliteral(L, "once");
    lua_call(L, 1, 0);
    lua_pushboolean(L, 1);
    return 1;
}

/* An error here is that of Ctrl-C, which the run looks for itself. */
static bool wait_in_luv(struct sut_runtime *base) {
    struct sut_lua_runtime *rt = SUT_CONTAINER(base, struct sut_lua_runtime, rt);
    lua_State *L = rt->self->from;
    int top = lua_gettop(L);
    bool more;
    if (!lua_checkstack(L, LUA_MINSTACK)) return true;
    (void)lua_rawgeti(L, LUA_REGISTRYINDEX, rt->attached_ref);
    push_steps(L, lua_gettop(L), make_wait);
    more = lua_pcall(L, 0, 1, 0) != LUA_OK || lua_toboolean(L, -1);
    lua_settop(L, top);
    return more;
}

/* Keeps the new handle that luv.function(argument) returns. */
static void make_handle(lua_State *L, int driver, const char *function, int args, int slot) {
    (void)lua_getiuservalue(L, driver, VALUE_LUV);
    (void)lua_getfield(L, -1, function);
    lua_replace(L, -2);
    if (args) lua_insert(L, -2);
    lua_call(L, args, 2);
    if (lua_isnil(L, -2))
        luaL_error(L, "luv cannot drive the runtime: %s", luaL_tolstring(L, -1, NULL));
    lua_pop(L, 1);
    (void)lua_setiuservalue(L, driver, slot);
}

/* The driver is on the top. */
static void be_driven(lua_State *L, struct sut_lua_runtime *rt) {
    int driver = lua_gettop(L);
    int fd = sut_loop_fd(&rt->rt);
    if (fd < 0) luaL_error(L, "the runtime's loop cannot be made: %s", uv_strerror(fd));
    lua_pushinteger(L, fd);
    make_handle(L, driver, "new_poll", 1, VALUE_POLL);
    make_handle(L, driver, "new_timer", 0, VALUE_TIMER);
    call_luv(L, driver, "poll_start", VALUE_POLL);
    lua_pushliteral(L, "r");
    lua_pushvalue(L, driver);
    lua_pushcclosure(L, come_by, 1);
    lua_call(L, 3, 0);
    call_luv(L, driver, "timer_start", VALUE_TIMER);
    lua_pushinteger(L, 0);
    lua_pushinteger(L, 0);
    lua_pushvalue(L, driver);
    lua_pushcclosure(L, come_by, 1);
    lua_call(L, 4, 0);
}

/* ---- attaching ---- */

/* At lua_close only, for the registry keeps it until then. */
static int driver_gc(lua_State *L) {
    struct sut_driver *driver = lua_touserdata(L, 1);
    struct sut_lua_runtime *rt = driver->rt;
    if (!rt) return 0;
    driver->rt = NULL;
    rt->driver = NULL;
    sut_loop_wait_by(&rt->rt, NULL);
    if (!driver->adopted) return 0;
    sut_signals_close(rt);
    sut_loop_close(&rt->rt);
    return 0;
}

/* Pushes a driver that refers to the luv in argument 2 and the runtime in argument 1. */
static struct sut_driver *push_driver(lua_State *L) {
    struct sut_driver *driver = lua_newuserdatauv(L, sizeof *driver, VALUES);
    driver->rt = NULL;
    lua_pushvalue(L, 2);
    (void)lua_setiuservalue(L, -2, VALUE_LUV);
    lua_pushvalue(L, 1);
    (void)lua_setiuservalue(L, -2, VALUE_RUNTIME);
    if (luaL_newmetatable(L, DRIVER_TYPE)) {
        lua_pushcfunction(L, driver_gc);
        lua_setfield(L, -2, "__gc");
    }
    (void)lua_setmetatable(L, -2);
    return driver;
}

static void check_luv(lua_State *L) {
    static const char *const needed[] = {"version",    "loop_mode",   "new_poll",   "poll_start",
                                         "new_timer",  "timer_start", "ref",        "unref",
                                         "timer_stop", "close",       "loop_alive", "run"};
    if (!lua_istable(L, 2)) sut_misuse(L, "attach", "luv", "the module luv", 2);
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (lua_getfield(L, 2, needed[i]) != LUA_TFUNCTION)
            luaL_error(L,
                       "bad argument 'luv' to 'attach' (the module luv expected, got a table "
                       "without the function '%s')",
                       needed[i]);
        lua_pop(L, 1);
    }
}

static void check_runtime(lua_State *L, const struct sut_lua_runtime *rt) {
    if (rt->rt.clock == SUT_CLOCK_VIRTUAL)
        luaL_error(L, "a runtime with a virtual clock cannot be attached to luv");
    if (rt->rt.stepping || rt->rt.running)
        luaL_error(L, "a runtime cannot be attached to luv while it runs");
    if (!sut_list_empty(&rt->signals) && !rt->driver)
        luaL_error(L, "a runtime that watches signals cannot be attached to luv; attach it first");
}

/* What an attached runtime answers: true for the same luv. */
static int attached(lua_State *L, const struct sut_lua_runtime *rt) {
    (void)lua_rawgeti(L, LUA_REGISTRYINDEX, rt->attached_ref);
    (void)lua_getiuservalue(L, -1, VALUE_LUV);
    if (!lua_rawequal(L, -1, 2)) return luaL_error(L, "the runtime is attached to another luv");
    lua_pushboolean(L, 1);
    if (rt->driver->adopted) return 1;
    lua_pushliteral(L, "driven");
    return 2;
}

int sut_runtime_attach(lua_State *L) {
    struct sut_lua_runtime *rt = sut_check_runtime(L, 1);
    struct sut_driver *driver;
    uv_loop_t *loop;
    int code;
    lua_settop(L, 2);
    check_luv(L);
    check_runtime(L, rt);
    if (rt->driver) return attached(L, rt);
    driver = push_driver(L);
    loop = find_loop(L);
    driver->adopted = loop != NULL;
    if (!loop) be_driven(L, rt);
    lua_pushvalue(L, 2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &attached_luv);
    rt->attached_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    driver->rt = rt;
    rt->driver = driver;
    code = loop ? sut_loop_adopt(&rt->rt, loop) : 0;
    if (!loop) sut_loop_wait_by(&rt->rt, wait_in_luv);
    if (!code) return attached(L, rt);
    sut_driver_close(L, rt);
    return luaL_error(L, "luv's loop cannot be shared: %s", uv_strerror(code));
}

/* ---- undoing ---- */

static void close_handle(lua_State *L, int driver, int slot) {
    call_luv(L, driver, "close", slot);
    lua_call(L, 1, 0);
}

static int close_handles(lua_State *L) {
    close_handle(L, 1, VALUE_POLL);
    close_handle(L, 1, VALUE_TIMER);
    return 0;
}

void sut_driver_close(lua_State *L, struct sut_lua_runtime *rt) {
    struct sut_driver *driver = rt->driver;
    if (!driver) return;
    rt->driver = NULL;
    driver->rt = NULL;
    if (!driver->adopted) {
        sut_loop_wait_by(&rt->rt, NULL);
        lua_pushcfunction(L, close_handles);
        (void)lua_rawgeti(L, LUA_REGISTRYINDEX, rt->attached_ref);
        if (lua_pcall(L, 1, 0, 0) != LUA_OK) lua_pop(L, 1);
    }
    luaL_unref(L, LUA_REGISTRYINDEX, rt->attached_ref);
    rt->attached_ref = LUA_NOREF;
}

/* ---- is luv running? ---- */

static int ask_mode(lua_State *L) {
    (void)lua_getfield(L, 1, "loop_mode");
    lua_call(L, 0, 1);
    return 1;
}

bool sut_luv_running(lua_State *L) {
    bool running = false;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &attached_luv) == LUA_TTABLE) {
        lua_pushcfunction(L, ask_mode);
        lua_insert(L, -2);
        running = lua_pcall(L, 1, 1, 0) == LUA_OK && !lua_isnil(L, -1);
    }
    lua_pop(L, 1);
    return running;
}
