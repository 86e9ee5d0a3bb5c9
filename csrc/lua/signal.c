/* SPDX-License-Identifier: MIT
 *
 * What watches signals in a runtime: a group of watches for one context, or for one function.
 *
 * A group is freed when libuv has closed the last of its handles, which may be after its context,
 * its userdata and its runtime are gone; from `stop` on it refers to none of them. Open handles
 * keep the loop alive: who waits for a signal is in no deadlock.
 *
 * Invariant: a group in force is in its runtime's list, and exactly one of `context` and `handle`
 * is set; a context or userdata that is collected stops its group.
 */
#include "lua/signal.h"

#include "core/alloc.h"
#include "lua/context.h"

#include <stdio.h>

enum { MAX_NAMES = 64 };

struct watch {
    struct sut_signal_watch signal; /* first */
    struct group *group;
};

struct group {
    struct sut_list all; /* in sut_lua_runtime.signals */
    struct sut_lua_runtime *rt;
    struct sut_derived *context;
    struct handle *handle;
    int open; /* watches that libuv has not closed */
    int count;
    struct watch watches[];
};

/* What on_signal returns. Uservalues: 1 the function, 2 the runtime. */
struct handle {
    struct group *group; /* NULL once it watches no more */
};

/* ---- groups ---- */

static void closed(struct sut_signal_watch *signal) {
    struct group *group = ((struct watch *)signal)->group;
    if (--group->open == 0) sut_free(group);
}

/* Cannot fail. The group may be gone afterwards. */
static void stop(struct group *group) {
    sut_list_remove(&group->all);
    if (group->context) group->context->left = NULL;
    if (group->handle) group->handle->group = NULL;
    group->context = NULL;
    group->handle = NULL;
    if (group->open == 0) {
        sut_free(group);
        return;
    }
    for (int i = 0, open = group->open; i < open; i++)
        sut_signal_stop(&group->watches[i].signal);
}

void sut_signals_close(struct sut_lua_runtime *rt) {
    while (!sut_list_empty(&rt->signals))
        stop(SUT_CONTAINER(rt->signals.next, struct group, all));
}

static void context_left(struct sut_derived *derived) {
    struct group *group = derived->owner;
    group->context = NULL;
    stop(group);
}

/* ---- a signal has come ---- */

struct call {
    struct handle *handle;
    int signum;
};

static int call_function(lua_State *L) {
    const struct call *call = lua_touserdata(L, 1);
    sut_push_object(L, call->handle);
    if (lua_isnil(L, -1)) return 0;
    (void)lua_getiuservalue(L, -1, 1);
    lua_pushstring(L, sut_signal_name(call->signum));
    lua_call(L, 1, 0);
    return 0;
}

static void call_handle(struct sut_lua_runtime *rt, struct handle *handle, int signum) {
    struct call call = {handle, signum};
    bool stepping = rt->rt.stepping;
    char text[256];
    rt->rt.stepping = true;
    if (sut_call(rt, call_function, &call, text, sizeof text) != LUA_OK) {
        sut_report(rt, "the function for %s raised: %s", sut_signal_name(signum), text);
    }
    rt->rt.stepping = stepping;
}

static void fired(struct sut_signal_watch *signal) {
    struct group *group = ((struct watch *)signal)->group;
    struct sut_lua_runtime *rt = group->rt;
    if (group->context) {
        group->context->signum = signal->signum;
        sut_context_end(&group->context->context, SUT_CANCELED);
    } else if (group->handle) {
        call_handle(rt, group->handle, signal->signum);
    }
    sut_loop_touch(&rt->rt);
}

/* ---- starting ---- */

static int check_number(lua_State *L, const char *fn, const char *name, int arg) {
    int number = lua_type(L, arg) == LUA_TSTRING ? sut_signal_number(lua_tostring(L, arg)) : 0;
    if (!number) sut_misuse(L, fn, name, "the name of a signal, such as \"SIGTERM\",", arg);
    return number;
}

static bool holds(const int *numbers, int count, int number) {
    for (int i = 0; i < count; i++)
        if (numbers[i] == number) return true;
    return false;
}

/* The different signals named in the table in argument 1. */
static int check_names(lua_State *L, const char *fn, int *numbers) {
    char name[32];
    int count = 0;
    lua_Unsigned length = lua_istable(L, 1) ? lua_rawlen(L, 1) : 0;
    if (length == 0 || length > MAX_NAMES)
        sut_misuse(L, fn, "names", "table of names of signals", 1);
    for (int i = 1; i <= (int)length; i++) {
        (void)snprintf(name, sizeof name, "names[%d]", i);
        (void)lua_rawgeti(L, 1, i);
        int number = check_number(L, fn, name, lua_gettop(L));
        lua_pop(L, 1);
        if (!holds(numbers, count, number)) numbers[count++] = number;
    }
    return count;
}

/* Starts one watch after the other. On failure the group still has those that have a handle. */
static int start_all(struct group *group, uv_loop_t *loop, const int *numbers) {
    for (int i = 0; i < group->count; i++) {
        struct watch *watch = &group->watches[i];
        int code;
        watch->group = group;
        watch->signal.fired = fired;
        watch->signal.closed = closed;
        code = sut_signal_start(loop, &watch->signal, numbers[i]);
        if (sut_signal_open(&watch->signal)) group->open++;
        if (code) return code;
    }
    return 0;
}

/* Returns the group in force, which the caller hands over at once, or NULL. */
static struct group *start(struct sut_lua_runtime *rt, const int *numbers, int count, int *code) {
    uv_loop_t *loop = sut_loop_get(&rt->rt, code);
    struct group *group;
    if (!loop) return NULL;
    *code = UV_ENOMEM;
    group = sut_calloc(sizeof *group + (size_t)count * sizeof group->watches[0]);
    if (!group) return NULL;
    group->rt = rt;
    group->count = count;
    sut_list_append(&rt->signals, &group->all);
    *code = start_all(group, loop, numbers);
    sut_loop_touch(&rt->rt);
    if (!*code) return group;
    stop(group);
    return NULL;
}

static int cannot_watch(lua_State *L, int code) {
    return luaL_error(L, "signals cannot be watched: %s: %s", uv_err_name(code), uv_strerror(code));
}

/* ---- module functions ---- */

int sut_signals_context(lua_State *L) {
    int numbers[MAX_NAMES] = {0};
    int count = check_names(L, "signal_context", numbers);
    struct sut_lua_runtime *rt = sut_runtime_here(L, sut_self(L));
    struct sut_derived *context = sut_context_new(L, SUT_CONTEXT_CANCEL, rt, 0);
    int code;
    struct group *group = start(rt, numbers, count, &code);
    if (!group) return cannot_watch(L, code);
    group->context = context;
    context->owner = group;
    context->left = context_left;
    return 1;
}

int sut_signals_on(lua_State *L) {
    int numbers[MAX_NAMES] = {0};
    int count = check_names(L, "on_signal", numbers);
    struct sut_lua_runtime *rt;
    struct handle *handle;
    int code;
    if (lua_type(L, 2) != LUA_TFUNCTION) sut_misuse(L, "on_signal", "fn", "function", 2);
    rt = sut_runtime_here(L, sut_self(L));
    handle = lua_newuserdatauv(L, sizeof *handle, 2);
    handle->group = NULL;
    lua_pushvalue(L, 2);
    (void)lua_setiuservalue(L, -2, 1);
    sut_push_runtime(L, rt);
    (void)lua_setiuservalue(L, -2, 2);
    luaL_setmetatable(L, SUT_SIGNAL_TYPE);
    sut_keep_object(L);
    handle->group = start(rt, numbers, count, &code);
    if (!handle->group) return cannot_watch(L, code);
    handle->group->handle = handle;
    return 1;
}

int sut_signals_default(lua_State *L) {
    int number = check_number(L, "signal_default", "name", 1);
    int error = sut_signal_default(number);
    if (error)
        return luaL_error(L, "the handling of a signal cannot be set: %s", uv_strerror(error));
    return 0;
}

/* ---- the metatable ---- */

static int handle_close(lua_State *L) {
    struct handle *handle = luaL_checkudata(L, 1, SUT_SIGNAL_TYPE);
    if (handle->group) stop(handle->group);
    return 0;
}

static int handle_tostring(lua_State *L) {
    const struct handle *handle = luaL_checkudata(L, 1, SUT_SIGNAL_TYPE);
    lua_pushliteral(L, "signal (closed)");
    if (!handle->group) return 1;
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    luaL_addstring(&text, "signal (");
    for (int i = 0; i < handle->group->count; i++) {
        if (i) luaL_addstring(&text, ", ");
        luaL_addstring(&text, sut_signal_name(handle->group->watches[i].signal.signum));
    }
    luaL_addstring(&text, ")");
    luaL_pushresult(&text);
    return 1;
}

void sut_open_signal(lua_State *L) {
    static const luaL_Reg methods[] = {{"close", handle_close}, {NULL, NULL}};
    static const luaL_Reg events[] = {{"__gc", handle_close},
                                      {"__close", handle_close},
                                      {"__tostring", handle_tostring},
                                      {NULL, NULL}};
    luaL_newmetatable(L, SUT_SIGNAL_TYPE);
    luaL_setfuncs(L, events, 0);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
