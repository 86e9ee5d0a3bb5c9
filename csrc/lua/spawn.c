/* SPDX-License-Identifier: MIT
 *
 * Helpers of a running service: coroutines of their own that end with its run (sutura.as_service
 * waits in one for the stop). They are not cancelled; what is left when the run ends is closed.
 */
#include "core/alloc.h"
#include "lua/context.h"
#include "lua/resume.h"
#include "lua/runtime.h"
#include "lua/service.h"
#include "lua/wait.h"

struct sut_spawned {
    struct sut_standalone alone; /* first */
    struct sut_spawned *next;
    struct sut_lua_service *owner;
    int ref; /* the thread, in what its runtime keeps alive */
};

#define SPAWNED_TYPE "sutura.spawned"

static int spawned_guard_closed(lua_State *L) {
    sut_guard_closed(lua_touserdata(L, 1));
    return 0;
}

static struct sut_guard *push_guard(lua_State *L) {
    struct sut_guard *guard = lua_newuserdatauv(L, sizeof *guard, 0);
    guard->co = NULL;
    if (luaL_newmetatable(L, SPAWNED_TYPE)) {
        lua_pushcfunction(L, spawned_guard_closed);
        lua_setfield(L, -2, "__close");
    }
    lua_setmetatable(L, -2);
    return guard;
}

/* Pushes a new thread that runs the function at index 1; its guard through *guard. */
lua_State *sut_push_program(lua_State *L, int function, struct sut_guard **guard) {
    lua_State *thread = lua_newthread(L);
    lua_pushcfunction(thread, sut_service_main);
    sut_slot_get(L, SUT_SLOT_ON_RAISE);
    *guard = push_guard(L);
    lua_pushvalue(L, function);
    lua_xmove(L, thread, 3);
    return thread;
}

/* Pushes the table of what the runtime keeps alive, or nil when that is being collected. */
static void push_kept(lua_State *L, struct sut_lua_runtime *rt) {
    sut_push_runtime(L, rt);
    if (lua_isnil(L, -1)) return;
    (void)lua_getiuservalue(L, -1, 1);
    lua_remove(L, -2);
}

int sut_spawn(lua_State *L) {
    struct sut_lua *self = sut_self(L);
    struct sut_spawned *spawned;
    struct sut_guard *guard;
    lua_State *thread;
    int ref;
    luaL_checktype(L, 1, LUA_TFUNCTION);
    if (!self->current || self->current->kind != SUT_COROUTINE_SERVICE)
        return luaL_error(L, "'spawn' works only in a running service");
    push_kept(L, sut_rt(self->current));
    thread = sut_push_program(L, 1, &guard);
    ref = luaL_ref(L, -2);
    spawned = sut_calloc(sizeof *spawned);
    if (!spawned || !sut_service_extras(sut_service_of_coroutine(self->current))) {
        sut_free(spawned);
        luaL_unref(L, -1, ref);
        return luaL_error(L, "not enough memory");
    }
    sut_standalone_init(&spawned->alone, sut_rt(self->current), SUT_COROUTINE_SPAWNED);
    spawned->alone.co.thread = thread;
    spawned->alone.co.guard = guard;
    spawned->ref = ref;
    guard->co = &spawned->alone.co;
    spawned->owner = sut_service_of_coroutine(self->current);
    spawned->next = sut_extras_of(spawned->owner)->spawned;
    sut_extras_of(spawned->owner)->spawned = spawned;
    sut_task_ready(&spawned->alone.rt->rt, &spawned->alone.co.task);
    return 0;
}

static void drop(struct sut_spawned *spawned) {
    struct sut_lua_runtime *rt = spawned->alone.rt;
    if (spawned->alone.co.guard) spawned->alone.co.guard->co = NULL;
    sut_task_stop(&rt->rt, &spawned->alone.co.task);
    sut_list_remove(&spawned->alone.co.task.node);
    sut_waits_leave(&spawned->alone.co);
    push_kept(rt->hooks, rt);
    if (lua_istable(rt->hooks, -1)) luaL_unref(rt->hooks, -1, spawned->ref);
    lua_pop(rt->hooks, 1);
    sut_free(spawned);
}

static void end_spawned(struct sut_spawned *spawned) {
    struct sut_spawned **at = &sut_extras_of(spawned->owner)->spawned;
    while (*at != spawned)
        at = &(*at)->next;
    *at = spawned->next;
    drop(spawned);
}

void sut_spawned_resume(struct sut_coroutine *co) {
    struct sut_spawned *spawned = SUT_CONTAINER(co, struct sut_spawned, alone.co);
    char text[256];
    int results;
    int args = lua_status(co->thread) == LUA_YIELD ? 0 : lua_gettop(co->thread) - 1;
    int status;
    if (co->foreign) {
        if (lua_status(co->thread) == LUA_YIELD) (void)sut_coroutine_close(co);
        end_spawned(spawned);
        return;
    }
    if (!spawned->owner->co.cancelled) sut_rt(co)->rt.progressed = true;
    status = sut_coroutine_resume(co, args, &results);
    if (status == LUA_YIELD && sut_has_given_way(co)) return;
    if (status == LUA_YIELD) {
        (void)sut_coroutine_close(co);
        sut_report(sut_rt(co), "a helper of service '%s' yielded to nobody", spawned->owner->name);
    } else if (status != LUA_OK || co->status != LUA_OK) {
        sut_value_text(co->thread, -1, text, sizeof text);
        sut_report(sut_rt(co), "a helper of service '%s' raised: %s", spawned->owner->name, text);
    }
    end_spawned(spawned);
}

const struct sut_lua_service *sut_spawned_owner(const struct sut_coroutine *co) {
    if (co->kind != SUT_COROUTINE_SPAWNED) return NULL;
    return ((const struct sut_spawned *)co)->owner;
}

void sut_spawned_close_all(struct sut_lua_service *service) {
    while (sut_extras_of(service) && sut_extras_of(service)->spawned) {
        struct sut_spawned *spawned = sut_extras_of(service)->spawned;
        sut_extras_of(service)->spawned = spawned->next;
        if (lua_status(spawned->alone.co.thread) == LUA_YIELD)
            (void)sut_coroutine_close(&spawned->alone.co);
        drop(spawned);
    }
}

void sut_spawned_drop_all(struct sut_lua_service *service) {
    while (sut_extras_of(service) && sut_extras_of(service)->spawned) {
        struct sut_spawned *spawned = sut_extras_of(service)->spawned;
        sut_extras_of(service)->spawned = spawned->next;
        drop(spawned);
    }
}
