/* SPDX-License-Identifier: MIT
 *
 * Contexts: how they are made, how they end, and what is looked up through their parents. What
 * users call is in context_methods.c.
 *
 * Invariants: a context that has not ended is in its parent's list `below`; one that has ended is
 * in no list, has no timer and nobody waits for it. The list does not keep anyone alive: __gc
 * unlinks. A context that is being collected leaves its lists of waiters and children alone, for
 * whatever is still in them goes in the same collection.
 */
#include "lua/context.h"

#include "lua/runtime.h"
#include "lua/supervisor.h"

#include <string.h>

/* Uservalues of a derived context. */
enum { VALUE_PARENT = 1, VALUE_CAUSE, VALUE_RUNTIME = 5, VALUES = 5 };

static struct sut_derived *derived_of(struct sut_context *context) {
    return context->kind == SUT_CONTEXT_SERVICE ? NULL : (struct sut_derived *)context;
}

/* ---- making ---- */

static void init(struct sut_context *context, enum sut_context_kind kind) {
    memset(context, 0, sizeof *context);
    context->kind = (uint8_t)kind;
}

struct sut_context *sut_context_new_service(lua_State *L, const struct sut_lua_runtime *rt,
                                            uint32_t run) {
    struct sut_context *context = lua_newuserdatauv(L, sizeof *context, 0);
    init(context, SUT_CONTEXT_SERVICE);
    context->run = run;
    context->home = rt->number;
    sut_slot_here(L, SUT_SLOT_SERVICE_CONTEXT);
    (void)lua_setmetatable(L, -2);
    return context;
}

static void link_to(struct sut_derived **head, struct sut_derived *derived) {
    derived->next = *head;
    derived->link = head;
    if (derived->next) derived->next->link = &derived->next;
    *head = derived;
}

static void unlink(struct sut_derived *derived) {
    if (!derived->link) return;
    *derived->link = derived->next;
    if (derived->next) derived->next->link = derived->link;
    derived->link = NULL;
}

static void hang_below(struct sut_context *parent, struct sut_derived *derived) {
    if (parent->err) {
        derived->context.err = parent->err;
        derived->context.inherited = true;
    } else {
        link_to(&parent->u.below, derived);
    }
}

struct sut_derived *sut_context_new(lua_State *L, enum sut_context_kind kind,
                                    struct sut_lua_runtime *rt, int parent) {
    struct sut_derived *derived;
    if (parent) parent = lua_absindex(L, parent);
    derived = lua_newuserdatauv(L, sizeof *derived, VALUES);
    memset(derived, 0, sizeof *derived);
    init(&derived->context, kind);
    sut_list_init(&derived->waiters);
    sut_list_init(&derived->served);
    sut_task_init(&derived->timer);
    sut_deadline_init(&derived->timer.wake, SUT_DEADLINE_CONTEXT);
    derived->rt = rt;
    derived->deadline_ns = parent ? sut_context_deadline(L, parent) : SUT_NEVER;
    sut_push_runtime(L, rt);
    (void)lua_setiuservalue(L, -2, VALUE_RUNTIME);
    sut_slot_get(L, SUT_SLOT_CONTEXT);
    (void)lua_setmetatable(L, -2);
    if (!parent) return derived;
    lua_pushvalue(L, parent);
    (void)lua_setiuservalue(L, -2, VALUE_PARENT);
    hang_below(lua_touserdata(L, parent), derived);
    return derived;
}

int sut_context_root(lua_State *L) {
    (void)sut_context_new(L, SUT_CONTEXT_ROOT, sut_runtime_here(L, sut_self(L)), 0);
    return 1;
}

/* ---- telling ---- */

struct sut_context *sut_check_context(lua_State *L, int arg) {
    const void *const *types = sut_self(L)->metatables;
    const void *type = sut_type_at(L, arg);
    if (type != types[SUT_TYPE_SERVICE_CONTEXT] && type != types[SUT_TYPE_CONTEXT])
        luaL_typeerror(L, arg, SUT_CONTEXT_TYPE);
    return lua_touserdata(L, arg);
}

struct sut_context *sut_to_context(lua_State *L, int index) {
    bool same;
    if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index)) return NULL;
    sut_push_state(L);
    (void)lua_getiuservalue(L, -1, SUT_SLOT_SERVICE_CONTEXT);
    (void)lua_getiuservalue(L, -2, SUT_SLOT_CONTEXT);
    same = lua_rawequal(L, -2, -4) || lua_rawequal(L, -1, -4);
    lua_pop(L, 4);
    return same ? lua_touserdata(L, index) : NULL;
}

struct sut_lua_runtime *sut_context_runtime(lua_State *L, int index) {
    struct sut_context *context = lua_touserdata(L, index);
    if (context->kind != SUT_CONTEXT_SERVICE) return derived_of(context)->rt;
    if (context->guard.co) return sut_rt(context->guard.co);
    return sut_runtime_at_home(L, context->home);
}

void sut_context_up(lua_State *L) {
    const struct sut_context *context = lua_touserdata(L, -1);
    if (context->kind == SUT_CONTEXT_SERVICE)
        sut_service_context_push_parent(L, lua_gettop(L));
    else
        (void)lua_getiuservalue(L, -1, VALUE_PARENT);
    lua_remove(L, -2);
}

/* ---- looking up ---- */

int64_t sut_context_deadline(lua_State *L, int index) {
    struct sut_context *context = lua_touserdata(L, index);
    lua_pushvalue(L, index);
    while (context && context->kind == SUT_CONTEXT_SERVICE) {
        sut_context_up(L);
        context = sut_to_context(L, -1);
    }
    lua_pop(L, 1);
    return context ? derived_of(context)->deadline_ns : SUT_NEVER;
}

/* Pushes the context in which the end of the one at the index came about. */
static struct sut_context *push_origin(lua_State *L, int index) {
    struct sut_context *context = lua_touserdata(L, index);
    lua_pushvalue(L, index);
    while (context->inherited) {
        (void)lua_getiuservalue(L, -1, VALUE_PARENT);
        lua_remove(L, -2);
        context = lua_touserdata(L, -1);
    }
    return context;
}

static void push_own_err(lua_State *L, const struct sut_context *context) {
    if (context->err)
        sut_push_error(L, (enum sut_error)context->err);
    else
        lua_pushnil(L);
}

/* A live service's context: its supervisor knows why it was asked to stop. */
static bool is_live(const struct sut_context *context) {
    return context->kind == SUT_CONTEXT_SERVICE && context->guard.co && context->err;
}

void sut_context_push_err(lua_State *L, int index) {
    const struct sut_context *origin = push_origin(L, index);
    if (is_live(origin))
        sut_service_context_push_err(L, lua_gettop(L));
    else
        push_own_err(L, origin);
    lua_remove(L, -2);
}

static void push_own_cause(lua_State *L, const struct sut_derived *derived) {
    if (derived->signum)
        lua_pushstring(L, sut_signal_name(derived->signum));
    else if (lua_getiuservalue(L, -1, VALUE_CAUSE) == LUA_TNIL) {
        lua_pop(L, 1);
        push_own_err(L, &derived->context);
    }
}

void sut_context_push_cause(lua_State *L, int index) {
    struct sut_context *origin = push_origin(L, index);
    int at = lua_gettop(L);
    if (is_live(origin)) {
        sut_service_context_push_cause(L, at);
    } else {
        if (origin->kind == SUT_CONTEXT_SERVICE)
            push_own_err(L, origin);
        else
            push_own_cause(L, derived_of(origin));
        lua_pushnil(L);
    }
    lua_remove(L, at);
}

/* ---- ending ---- */

/* What ends or goes is linked nowhere and watches nothing any more. */
static void leave(struct sut_derived *derived) {
    void (*left)(struct sut_derived *) = derived->left;
    derived->left = NULL;
    unlink(derived);
    if (!derived->rt->rt.closed) sut_task_stop(&derived->rt->rt, &derived->timer);
    if (left) left(derived);
}

static void stop_served(struct sut_derived *derived) {
    while (!sut_list_empty(&derived->served)) {
        struct sut_list *under = derived->served.next;
        sut_list_remove(under);
        sut_serve_context_ended(under);
    }
}

/* Moves what hangs below to the list of what is to be ended. */
static void join(struct sut_derived **pending, struct sut_derived **below) {
    while (*below) {
        struct sut_derived *derived = *below;
        unlink(derived);
        link_to(pending, derived);
    }
}

static void end_one(struct sut_context *context, uint8_t err, struct sut_derived **pending) {
    struct sut_derived *derived = derived_of(context);
    context->err = err;
    join(pending, &context->u.below);
    if (!derived) {
        if (context->guard.co) context->u.id = sut_guard_service(&context->guard);
        return;
    }
    sut_wake_all(&derived->waiters, SUT_WOKEN_READY);
    leave(derived);
    stop_served(derived);
}

void sut_context_end(struct sut_context *context, enum sut_error err) {
    struct sut_derived *pending = NULL;
    if (context->err) return;
    end_one(context, (uint8_t)err, &pending);
    while (pending) {
        struct sut_derived *derived = pending;
        unlink(derived);
        derived->context.inherited = true;
        end_one(&derived->context, (uint8_t)err, &pending);
    }
}

void sut_context_expired(struct sut_task *timer) {
    struct sut_derived *derived = SUT_CONTAINER(timer, struct sut_derived, timer);
    sut_context_end(&derived->context, SUT_DEADLINE_EXCEEDED);
}

/* ---- the metatable's own part ---- */

static int context_gc(lua_State *L) {
    struct sut_derived *derived = derived_of(lua_touserdata(L, 1));
    if (derived) leave(derived);
    return 0;
}

/* As the guard of a service's coroutine it is closed where no function is left on the stack; a
 * user's variable may hold it to be closed too, which means nothing. */
static int context_close(lua_State *L) {
    struct sut_context *context = lua_touserdata(L, 1);
    lua_Debug ar;
    if (context->kind == SUT_CONTEXT_SERVICE) {
        const struct sut_coroutine *co = context->guard.co;
        if (co && co->thread == L && !lua_getstack(L, 1, &ar)) sut_guard_closed(&context->guard);
    } else if (context->kind == SUT_CONTEXT_CANCEL || context->kind == SUT_CONTEXT_TIMEOUT) {
        sut_context_end(context, SUT_CANCELED);
        sut_loop_touch(&derived_of(context)->rt->rt);
    }
    return 0;
}

void sut_context_open_end(lua_State *L, struct sut_lua *self) {
    lua_pushcfunction(L, context_gc);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, context_close);
    lua_setfield(L, -2, "__close");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pushvalue(L, -1);
    sut_type_is(L, self, SUT_TYPE_CONTEXT);
    sut_slot_set(L, SUT_SLOT_CONTEXT);
    lua_newtable(L); /* a service's context has nothing to collect */
    lua_pushnil(L);
    while (lua_next(L, -3)) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -4);
    }
    lua_pushnil(L);
    lua_setfield(L, -2, "__gc");
    sut_type_is(L, self, SUT_TYPE_SERVICE_CONTEXT);
    sut_slot_set(L, SUT_SLOT_SERVICE_CONTEXT);
}
