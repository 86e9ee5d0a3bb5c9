/* SPDX-License-Identifier: MIT
 *
 * The bottom of every coroutine of ours: the body under a protected call, and the guard that tells
 * an end of ours from one that a stranger brings about by closing or resuming the coroutine.
 */
#include "lua/context.h"
#include "lua/runtime.h"
#include "lua/service.h"

/* Stack of sut_service_main: message handler, guard, function, arguments. */
enum { BOTTOM_HANDLER = 1, BOTTOM_GUARD };

/* The guard has no run any more; what hangs on a service's context has ended with it. */
void sut_leave_guard(struct sut_coroutine *co) {
    struct sut_guard *guard = co->guard;
    if (co->kind == SUT_COROUTINE_SERVICE)
        sut_context_end((struct sut_context *)guard, SUT_CANCELED);
    co->guard = NULL;
    guard->co = NULL;
}

/* A stranger has ended or spoilt the run: the runner finds out at the coroutine's next turn. */
static void ended_by_stranger(struct sut_coroutine *co) {
    co->foreign = true;
    sut_list_remove(&co->task.node);
    sut_task_ready(&sut_rt(co)->rt, &co->task);
}

static int bottom_end(lua_State *L, int status, lua_KContext context) {
    struct sut_guard *guard = lua_touserdata(L, BOTTOM_GUARD);
    struct sut_coroutine *co = guard->co;
    (void)context;
    if (co) {
        co->status = (unsigned)(status == LUA_YIELD ? LUA_OK : status) & 7U;
        sut_leave_guard(co);
        if (sut_rt(co)->self->current != co) ended_by_stranger(co);
    }
    return lua_gettop(L) - BOTTOM_GUARD;
}

int sut_service_main(lua_State *L) {
    lua_toclose(L, BOTTOM_GUARD);
    return bottom_end(
        L,
        lua_pcallk(L, lua_gettop(L) - BOTTOM_GUARD - 1, LUA_MULTRET, BOTTOM_HANDLER, 0, bottom_end),
        0);
}

void sut_guard_closed(struct sut_guard *guard) {
    struct sut_coroutine *co = guard->co;
    if (!co) return;
    if (sut_rt(co)->rt.closed || sut_rt(co)->self->closing) {
        guard->co = NULL;
        return;
    }
    sut_leave_guard(co);
    if (!co->closing) ended_by_stranger(co);
}

/* ---- strangers ---- */

bool sut_is_woken(const struct sut_lua *self) {
    return self->current && self->current->woken != SUT_WOKEN_NOT;
}

/* The run whose thread this is, or NULL: its guard lies in the bottom frame. */
static struct sut_coroutine *run_of(lua_State *L) {
    lua_Debug ar;
    int high = 1;
    int low = 0;
    struct sut_guard *guard = NULL;
    while (lua_getstack(L, high, &ar))
        high *= 2;
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        *(lua_getstack(L, middle, &ar) ? &low : &high) = middle;
    }
    if (!lua_checkstack(L, 2) || !lua_getstack(L, low, &ar)) return NULL;
    lua_getinfo(L, "f", &ar);
    if (lua_tocfunction(L, -1) == sut_service_main && lua_getlocal(L, &ar, BOTTOM_GUARD)) {
        guard = lua_touserdata(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return guard ? guard->co : NULL;
}

int sut_raise_stranger(lua_State *L) {
    struct sut_coroutine *co = run_of(L);
    if (co) ended_by_stranger(co);
    return luaL_error(L, "a coroutine that waits in sutura was resumed by somebody else");
}
