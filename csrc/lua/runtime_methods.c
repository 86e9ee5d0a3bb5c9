/* SPDX-License-Identifier: MIT
 *
 * The methods of a runtime: its clock, its loop for a host, and the metatable.
 */
#include "lua/runtime.h"

#include "lua/stats.h"
#include "lua/supervisor.h"

static int runtime_run(lua_State *L) {
    lua_settop(L, 2);
    return sut_runtime_run_at(L, sut_check_runtime(L, 1), 2);
}

int sut_run(lua_State *L) {
    lua_settop(L, 1);
    return sut_runtime_run_at(L, sut_runtime_here(L, sut_self(L)), 1);
}

static int runtime_now(lua_State *L) {
    lua_pushnumber(L, sut_seconds(sut_runtime_now(&sut_check_runtime(L, 1)->rt)));
    return 1;
}

int sut_now(lua_State *L) {
    lua_pushnumber(L, sut_seconds(sut_runtime_now(&sut_runtime_here(L, sut_self(L))->rt)));
    return 1;
}

struct sut_lua_runtime *sut_check_outside(lua_State *L, const char *fn) {
    struct sut_lua_runtime *rt = sut_check_runtime(L, 1);
    if (rt->rt.stepping || rt->rt.running)
        luaL_error(L, "'%s' cannot be called inside a step of the same runtime", fn);
    if (sut_in_finalizer(L)) luaL_error(L, "'%s' cannot be called in a finalizer", fn);
    return rt;
}

static struct sut_lua_runtime *check_virtual(lua_State *L, const char *fn) {
    struct sut_lua_runtime *rt = sut_check_outside(L, fn);
    if (rt->rt.clock != SUT_CLOCK_VIRTUAL) luaL_error(L, "'%s' needs a virtual clock", fn);
    return rt;
}

/* How often a step that had no memory is tried again before it is left for later. */
enum { STALLED_TRIES = 100 };

static void settle_virtual(struct sut_lua_runtime *rt) {
    int tries = 0;
    do
        (void)sut_runtime_settle(&rt->rt);
    while (rt->rt.stalled && ++tries < STALLED_TRIES);
}

/* Passes the time up to `limit_ns`, instant by instant; stands still where there is no memory. */
static void advance(struct sut_lua_runtime *rt, int64_t limit_ns) {
    do
        settle_virtual(rt);
    while (!rt->rt.stalled && sut_runtime_jump(&rt->rt, limit_ns));
    if (!rt->rt.stalled) rt->rt.virtual_ns = limit_ns;
}

static int runtime_advance(lua_State *L) {
    struct sut_lua_runtime *rt = check_virtual(L, "advance");
    struct sut_lua *self = rt->self;
    lua_State *from = self->from;
    int64_t span;
    if (lua_isnoneornil(L, 2)) sut_misuse(L, "advance", "s", "seconds as a number", 2);
    span = sut_check_span(L, 2, "advance", "s", 0);
    if (span == SUT_NEVER) sut_misuse(L, "advance", "s", "a finite number of seconds", 2);
    self->from = L;
    advance(rt, sut_time_after(rt->rt.virtual_ns, span));
    self->from = from;
    return rt->rt.stalled ? luaL_error(L, "not enough memory") : 0;
}

static int runtime_settle(lua_State *L) {
    struct sut_lua_runtime *rt = sut_check_outside(L, "settle");
    struct sut_lua *self = rt->self;
    lua_State *from = self->from;
    self->from = L;
    if (rt->rt.clock == SUT_CLOCK_VIRTUAL)
        settle_virtual(rt);
    else
        do
            sut_runtime_turn(&rt->rt, UINT32_MAX);
        while (sut_runtime_busy(&rt->rt) && !rt->rt.stalled);
    self->from = from;
    sut_loop_touch(&rt->rt);
    return rt->rt.stalled ? luaL_error(L, "not enough memory") : 0;
}

static struct sut_lua_runtime *check_hosted(lua_State *L, const char *fn) {
    struct sut_lua_runtime *rt = sut_check_runtime(L, 1);
    if (rt->rt.clock == SUT_CLOCK_VIRTUAL)
        luaL_error(L, "'%s' needs a real clock; a virtual one has advance and settle", fn);
    return rt;
}

static int runtime_step(lua_State *L) {
    struct sut_lua_runtime *rt = check_hosted(L, "step");
    struct sut_lua *self = rt->self;
    lua_State *from = self->from;
    int64_t limit = sut_check_span(L, 2, "step", "limit", 0);
    int code;
    (void)sut_check_outside(L, "step");
    if (sut_runtime_lent(rt) && !rt->driver)
        return luaL_error(L, "'step': the runtime is attached to luv, which runs its loop");
    self->from = L;
    code = sut_loop_step(&rt->rt, limit);
    self->from = from;
    if (code) return luaL_error(L, "no event loop: %s", uv_strerror(code));
    lua_pushboolean(L, sut_runtime_busy(&rt->rt) || sut_loop_timeout(&rt->rt) != SUT_NEVER);
    return 1;
}

static int runtime_pollfd(lua_State *L) {
    int fd = sut_loop_fd(&check_hosted(L, "pollfd")->rt);
    if (fd < 0) return luaL_error(L, "no event loop: %s", uv_strerror(fd));
    lua_pushinteger(L, fd);
    return 1;
}

static int runtime_events(lua_State *L) {
    (void)check_hosted(L, "events");
    lua_pushliteral(L, "r");
    return 1;
}

static int runtime_timeout(lua_State *L) {
    int64_t span = sut_loop_timeout(&check_hosted(L, "timeout")->rt);
    if (span == SUT_NEVER)
        lua_pushnil(L);
    else
        lua_pushnumber(L, sut_seconds(span));
    return 1;
}

static int runtime_tostring(lua_State *L) {
    const struct sut_lua_runtime *rt = luaL_checkudata(L, 1, SUT_RUNTIME_TYPE);
    lua_pushfstring(L, "sutura.runtime (%s clock%s)",
                    rt->rt.clock == SUT_CLOCK_VIRTUAL ? "virtual" : "real",
                    rt->rt.closed ? ", closed" : "");
    return 1;
}

void sut_open_runtime(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"supervisor", sut_runtime_supervisor},
        {"run", runtime_run},
        {"now", runtime_now},
        {"advance", runtime_advance},
        {"settle", runtime_settle},
        {"step", runtime_step},
        {"pollfd", runtime_pollfd},
        {"events", runtime_events},
        {"timeout", runtime_timeout},
        {"attach", sut_runtime_attach},
        {"stats", sut_runtime_stats},
        {"close", sut_runtime_close},
        {NULL, NULL},
    };
    static const luaL_Reg metamethods[] = {
        {"__gc", sut_runtime_gc},
        {"__close", sut_runtime_close},
        {"__tostring", runtime_tostring},
        {NULL, NULL},
    };
    luaL_newmetatable(L, SUT_RUNTIME_TYPE);
    lua_pushvalue(L, -2);
    luaL_setfuncs(L, metamethods, 1);
    lua_newtable(L);
    lua_pushvalue(L, -3);
    luaL_setfuncs(L, methods, 1);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}

void sut_push_runtime_methods(lua_State *L) {
    luaL_getmetatable(L, SUT_RUNTIME_TYPE);
    lua_getfield(L, -1, "__index");
    lua_remove(L, -2);
}
