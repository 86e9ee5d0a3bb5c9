/* SPDX-License-Identifier: MIT
 *
 * sutura.await: a wait for whoever calls `resume`.
 *
 * The wait's userdata is a variable to be closed of the call, so that its cleanup runs exactly once
 * however the wait ends without a resume: limit, cancellation, an error, or by force. Uservalues: 1
 * what resume was given (a table with n), 2 the cleanup function, 3 the runtime.
 */
#include "lua/runtime.h"
#include "lua/service.h"
#include "lua/wait.h"

#define AWAIT_TYPE "sutura.await"

enum await_state { AWAIT_OPEN, AWAIT_RESUMED, AWAIT_OVER };

struct sut_await {
    struct sut_coroutine *co; /* who waits; NULL once the run is over or nobody can wait any more */
    struct sut_await *next;   /* of the same coroutine */
    struct sut_lua_runtime *rt;
    enum await_state state;
    bool starting; /* its `start` is being called */
};

/* The frame of sut_await: start, limit, and the userdata to be closed. */
enum { ARG_START = 1, ARG_LIMIT, ARG_AWAIT };

/* resume(...): upvalue 2 is the await. Packs first, so that a failure changes nothing. */
static int await_resume(lua_State *L) {
    struct sut_await *await = lua_touserdata(L, lua_upvalueindex(2));
    int count = lua_gettop(L);
    if (await->state != AWAIT_OPEN) return 0;
    lua_createtable(L, count, 1);
    lua_insert(L, 1);
    lua_pushinteger(L, count);
    lua_setfield(L, 1, "n");
    for (int i = count; i >= 1; i--)
        lua_rawseti(L, 1, i);
    (void)lua_setiuservalue(L, lua_upvalueindex(2), 1);
    await->state = AWAIT_RESUMED;
    if (!await->co || await->rt->rt.closed) return 0;
    if (await->co->wait == SUT_WAIT_AWAIT) sut_wake(await->co, SUT_WOKEN_READY);
    sut_loop_touch(&await->rt->rt);
    return 0;
}

/* ---- whose it is ---- */

/* Where those of the coroutine begin; NULL for a service that has no room for any yet. */
static struct sut_await **list_of(struct sut_coroutine *co) {
    struct sut_extras *extras;
    if (co->kind != SUT_COROUTINE_SERVICE) return &((struct sut_standalone *)co)->awaits;
    extras = sut_extras_of(sut_service_of_coroutine(co));
    return extras ? &extras->awaits : NULL;
}

void sut_awaits_leave(struct sut_coroutine *co) {
    struct sut_await **awaits = list_of(co);
    while (awaits && *awaits) {
        struct sut_await *await = *awaits;
        *awaits = await->next;
        await->co = NULL;
    }
}

static void leave(struct sut_await *await) {
    struct sut_await **at;
    if (!await->co) return;
    for (at = list_of(await->co); *at != await; at = &(*at)->next)
        continue;
    *at = await->next;
    await->co = NULL;
}

bool sut_await_is_starting(struct sut_coroutine *co) {
    struct sut_await **awaits = list_of(co);
    for (const struct sut_await *await = awaits ? *awaits : NULL; await; await = await->next)
        if (await->starting) return true;
    return false;
}

/* Its thread was collected in the middle of the wait. */
static int await_gc(lua_State *L) {
    leave(lua_touserdata(L, 1));
    return 0;
}

/* The wait is over, with a resume or without. */
static int await_close(lua_State *L) {
    struct sut_await *await = lua_touserdata(L, 1);
    bool resumed = await->state == AWAIT_RESUMED;
    char text[256];
    leave(await);
    if (await->state == AWAIT_OVER) return 0;
    await->state = AWAIT_OVER;
    if (resumed || lua_getiuservalue(L, 1, 2) != LUA_TFUNCTION) return 0;
    lua_pushnil(L);
    (void)lua_setiuservalue(L, 1, 2);
    if (lua_pcall(L, 0, 0, 0) == LUA_OK) return 0;
    sut_value_text(L, -1, text, sizeof text);
    sut_report(await->rt, "the cleanup of an await raised: %s", text);
    return 0;
}

static int push_results(lua_State *L) {
    int count;
    (void)lua_getiuservalue(L, ARG_AWAIT, 1);
    lua_getfield(L, -1, "n");
    count = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    luaL_checkstack(L, count, "too many results of an await");
    for (int i = 1; i <= count; i++)
        (void)lua_rawgeti(L, ARG_AWAIT + 1, i);
    return count;
}

static int awaited(lua_State *L, int status, lua_KContext context) {
    struct sut_lua *self = sut_self(L);
    struct sut_await *await = lua_touserdata(L, ARG_AWAIT);
    enum sut_woken woken = sut_wait_end(L, self, NULL);
    (void)status;
    (void)context;
    lua_settop(L, ARG_AWAIT);
    if (woken == SUT_WOKEN_CANCEL) return sut_raise_canceled(L);
    if (await->state == AWAIT_RESUMED) return push_results(L);
    return sut_fail(L, SUT_ERR_TIMEOUT);
}

/* `start` has returned; what it returned is on the top. */
static int started(lua_State *L, int status, lua_KContext context) {
    struct sut_lua *self = sut_self(L);
    struct sut_await *await = lua_touserdata(L, ARG_AWAIT);
    (void)status;
    await->starting = false;
    lua_settop(L, ARG_AWAIT + 1);
    if (lua_type(L, -1) == LUA_TFUNCTION)
        (void)lua_setiuservalue(L, ARG_AWAIT, 2);
    else
        lua_pop(L, 1);
    if (await->state == AWAIT_RESUMED) return push_results(L);
    if (!await->co || await->co != (self->current ? self->current : &await->rt->main.co))
        return sut_raise_stranger(L);
    return sut_wait(L, self, await->co, SUT_WAIT_AWAIT, (int64_t)context, awaited, 0);
}

/* Asked to stop before it began: gives way once and raises, and nothing is started. */
static int refused(lua_State *L, int status, lua_KContext context) {
    (void)status;
    (void)context;
    (void)sut_wait_end_or_raise(L, sut_self(L));
    return 0;
}

static void push_await(lua_State *L, struct sut_coroutine *co) {
    struct sut_await *await = lua_newuserdatauv(L, sizeof *await, 3);
    await->co = NULL;
    await->rt = sut_rt(co);
    await->state = AWAIT_OPEN;
    await->starting = false;
    if (luaL_newmetatable(L, AWAIT_TYPE)) {
        lua_pushcfunction(L, await_close);
        lua_setfield(L, -2, "__close");
        lua_pushcfunction(L, await_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    sut_push_runtime(L, sut_rt(co));
    (void)lua_setiuservalue(L, -2, 3);
    if (co->kind == SUT_COROUTINE_SERVICE && !sut_service_extras(sut_service_of_coroutine(co)))
        luaL_error(L, "not enough memory");
    await->co = co;
    await->next = *list_of(co);
    *list_of(co) = await;
}

int sut_await(lua_State *L) {
    struct sut_lua *self = sut_self(L);
    struct sut_coroutine *co;
    int64_t limit;
    int64_t deadline;
    if (lua_type(L, ARG_START) != LUA_TFUNCTION)
        sut_misuse(L, "await", "start", "function", ARG_START);
    limit = sut_check_span(L, ARG_LIMIT, "await", "limit", SUT_NEVER);
    co = sut_wait_begin(L, self, NULL, "await");
    if (sut_is_asked(co)) return sut_wait(L, self, co, SUT_WAIT_YIELD, SUT_NEVER, refused, 0);
    deadline = sut_time_after(sut_runtime_now(&sut_rt(co)->rt), limit);
    lua_settop(L, ARG_LIMIT);
    push_await(L, co);
    lua_toclose(L, ARG_AWAIT);
    lua_pushvalue(L, ARG_START);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, ARG_AWAIT);
    lua_pushcclosure(L, await_resume, 2);
    ((struct sut_await *)lua_touserdata(L, ARG_AWAIT))->starting = true;
    lua_callk(L, 1, 1, (lua_KContext)deadline, started);
    return started(L, LUA_OK, (lua_KContext)deadline);
}
