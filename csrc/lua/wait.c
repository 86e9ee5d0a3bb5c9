/* SPDX-License-Identifier: MIT
 *
 * The one door through which anything waits, and the waits that need nothing else.
 */
#include "lua/wait.h"

#include "lua/runtime.h"

/* ---- who may wait ---- */

/* Inside a step but not in a coroutine of ours: a hook, a formatter, a closer. */
static bool in_callback(const struct sut_lua *self) {
    return !self->current && self->runtime != NULL;
}

bool sut_cannot_wait(lua_State *L, const struct sut_lua *self) {
    return in_callback(self) || sut_in_finalizer(L);
}

static void check_coroutine(lua_State *L, struct sut_lua *self, const char *what) {
    if (self->current->closing)
        luaL_error(L, "'%s' cannot wait while its service is closed by force", what);
    if (L != self->active)
        luaL_error(L,
                   "'%s' cannot wait in a coroutine that was resumed by another coroutine.resume "
                   "than sutura's; use sutura.coroutine",
                   what);
    if (!lua_isyieldable(L) || self->pinned == self->current)
        luaL_error(L,
                   "'%s' cannot wait here: Lua cannot yield across a C function (a sort "
                   "comparator, gsub callback, require or metamethod called from C)",
                   what);
}

static void check_main(lua_State *L, struct sut_lua *self, struct sut_lua_runtime *rt,
                       const char *what) {
    int is_main = lua_pushthread(L);
    lua_pop(L, 1);
    if (in_callback(self) || rt->rt.stepping)
        luaL_error(L, "'%s' cannot wait in a hook or callback", what);
    if (sut_in_finalizer(L)) luaL_error(L, "'%s' cannot wait in a finalizer", what);
    if (rt->rt.closed) luaL_error(L, "'%s': the runtime is closed", what);
    if (!is_main) luaL_error(L, "'%s' cannot wait in a coroutine that is not the runtime's", what);
    if (rt->rt.running || sut_luv_running(L))
        luaL_error(L, "'%s' cannot wait in a callback of the loop", what);
}

/* What most waits find, and all that they have to look at. */
static bool may_wait(lua_State *L, const struct sut_lua *self, const struct sut_lua_runtime *rt) {
    const struct sut_coroutine *co = self->current;
    return co && self->active == L && self->pinned != co && !co->closing && lua_isyieldable(L) &&
           (!rt || rt == self->runtime);
}

struct sut_coroutine *sut_wait_begin(lua_State *L, struct sut_lua *self, struct sut_lua_runtime *rt,
                                     const char *what) {
    if (may_wait(L, self, rt)) return self->current;
    if (self->current) {
        check_coroutine(L, self, what);
        if (rt && rt != sut_rt(self->current))
            luaL_error(L, "'%s' concerns another runtime than the one that runs the caller", what);
        return self->current;
    }
    if (!rt) rt = sut_runtime_here(L, self);
    check_main(L, self, rt, what);
    return &rt->main.co;
}

/* ---- suspending ---- */

int sut_wait(lua_State *L, struct sut_lua *self, struct sut_coroutine *co, enum sut_wait wait,
             int64_t deadline_ns, lua_KFunction k, lua_KContext context) {
    struct sut_runtime *rt = &sut_rt(co)->rt;
    bool asked = sut_is_asked(co);
    co->wait = wait;
    co->woken = SUT_WOKEN_NOT;
    if (asked) {
        sut_wake(co, SUT_WOKEN_CANCEL);
    } else if (wait != SUT_WAIT_YIELD) {
        sut_deadline_arm(&rt->deadlines, &co->task.wake, deadline_ns);
    } else if (co->kind != SUT_COROUTINE_MAIN) {
        co->woken = SUT_WOKEN_READY;
        sut_task_again(rt, &co->task);
    } else { /* gives way to one pass of the loop, which fires a deadline that is due */
        sut_deadline_arm(&rt->deadlines, &co->task.wake, sut_runtime_now(rt));
    }
    if (co->kind == SUT_COROUTINE_MAIN) {
        sut_runtime_drive(L, sut_rt(co));
        self->waiting = sut_rt(co);
        return k(L, LUA_YIELD, context);
    }
    return lua_yieldk(L, 0, context, k);
}

enum sut_woken sut_wait_end(lua_State *L, struct sut_lua *self, struct sut_coroutine **out) {
    struct sut_coroutine *co = self->current;
    enum sut_woken woken;
    if (!co || self->active != L || co->woken == SUT_WOKEN_NOT) {
        int is_main = lua_pushthread(L);
        lua_pop(L, 1);
        if (!is_main || co) sut_raise_stranger(L);
        co = NULL;
    }
    if (!co) co = &self->waiting->main.co;
    woken = co->woken;
    sut_list_remove(&co->task.node);
    co->wait = SUT_WAIT_NONE;
    co->woken = SUT_WOKEN_NOT;
    if (out) *out = co;
    return woken;
}

int sut_raise_canceled(lua_State *L) {
    sut_push_error(L, SUT_CANCELED);
    return lua_error(L);
}

enum sut_woken sut_wait_end_or_raise(lua_State *L, struct sut_lua *self) {
    enum sut_woken woken = sut_wait_end(L, self, NULL);
    if (woken == SUT_WOKEN_CANCEL) sut_raise_canceled(L);
    return woken;
}

void sut_waits_leave(struct sut_coroutine *co) {
    sut_awaits_leave(co);
    sut_mailboxes_leave(co);
}

/* ---- sleep and yield ---- */

static int slept(lua_State *L, int status, lua_KContext self) {
    (void)status;
    (void)sut_wait_end_or_raise(L, (struct sut_lua *)self);
    return 0;
}

int sut_sleep(lua_State *L) {
    struct sut_lua *self = sut_self(L);
    struct sut_coroutine *co;
    int64_t span;
    if (lua_isnoneornil(L, 1)) sut_misuse(L, "sleep", "s", "seconds as a number", 1);
    span = sut_check_span(L, 1, "sleep", "s", 0);
    co = sut_wait_begin(L, self, NULL, "sleep");
    return sut_wait(L, self, co, span ? SUT_WAIT_SLEEP : SUT_WAIT_YIELD,
                    sut_time_after(sut_runtime_now(&sut_rt(co)->rt), span), slept,
                    (lua_KContext)self);
}

/* What most yields come to, as sut_wait would do it, by a shorter way. */
static int give_way(lua_State *L, struct sut_lua *self, struct sut_coroutine *co) {
    co->wait = SUT_WAIT_YIELD;
    co->woken = SUT_WOKEN_READY;
    sut_task_again(&self->runtime->rt, &co->task);
    return lua_yieldk(L, 0, (lua_KContext)self, slept);
}

int sut_yield(lua_State *L) {
    struct sut_lua *self = sut_self(L);
    struct sut_coroutine *co;
    if (may_wait(L, self, NULL) && !sut_is_asked(self->current))
        return give_way(L, self, self->current);
    co = sut_wait_begin(L, self, NULL, "yield");
    return sut_wait(L, self, co, SUT_WAIT_YIELD, SUT_NEVER, slept, (lua_KContext)self);
}

/* ---- shield ---- */

/* The scope of a shield is left; by a stranger who closes the thread, the shield was put aside. */
static int shield_closed(lua_State *L) {
    const struct sut_lua *self = sut_self(L);
    if (self->current && self->active == L && self->current->shields > 0) self->current->shields--;
    return 0;
}

static int unshielded(lua_State *L, int status, lua_KContext context) {
    (void)status;
    (void)context;
    return lua_gettop(L) - 1;
}

/* The variable to be closed that every shield has: a protected call with a message handler would
 * leave the handler set when the thread is closed by force (Lua before 5.4.6). */
void sut_open_shield(lua_State *L) {
    (void)lua_newuserdatauv(L, 0, 0);
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, -3);
    lua_pushcclosure(L, shield_closed, 1);
    lua_setfield(L, -2, "__close");
    lua_setmetatable(L, -2);
    sut_slot_set(L, SUT_SLOT_SHIELD);
}

int sut_shield(lua_State *L) {
    struct sut_lua *self = sut_self(L);
    if (lua_type(L, 1) != LUA_TFUNCTION) sut_misuse(L, "shield", "fn", "function", 1);
    sut_slot_get(L, SUT_SLOT_SHIELD);
    lua_insert(L, 1);
    lua_toclose(L, 1);
    if (self->current) self->current->shields++;
    lua_callk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, unshielded);
    return unshielded(L, LUA_OK, 0);
}
