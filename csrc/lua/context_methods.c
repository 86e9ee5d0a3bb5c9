/* SPDX-License-Identifier: MIT
 *
 * Contexts as users see them: methods, fields, text, and the wait for an end.
 */
#include "lua/context.h"
#include "lua/runtime.h"
#include "lua/wait.h"

/* Uservalues that methods set. */
enum { VALUE_CAUSE = 2, VALUE_KEY, VALUE_VALUE };

/* The context in argument 1, which may be used by whoever runs now, and its runtime. */
static struct sut_context *check_own(lua_State *L, const char *fn, struct sut_lua_runtime **rt) {
    struct sut_context *context = sut_check_context(L, 1);
    *rt = sut_context_runtime(L, 1);
    if (*rt && (*rt)->self->runtime && (*rt)->self->runtime != *rt)
        luaL_error(L,
                   "bad argument 'self' to '%s' (context of this runtime expected, got one of "
                   "another)",
                   fn);
    if (!*rt || (*rt)->rt.closed)
        luaL_error(L,
                   "bad argument 'self' to '%s' (context of an open runtime expected, got one "
                   "of a closed one)",
                   fn);
    return context;
}

/* ---- deriving ---- */

/* cancel(cause): upvalue 2 is the context. */
static int cancel(lua_State *L) {
    struct sut_derived *derived = lua_touserdata(L, lua_upvalueindex(2));
    const struct sut_lua *self = sut_self(L);
    if (self->runtime && self->runtime != derived->rt)
        return luaL_error(L, "a context is cancelled in another runtime than its own");
    if (derived->context.err) return 0;
    lua_settop(L, 1);
    (void)lua_setiuservalue(L, lua_upvalueindex(2), VALUE_CAUSE);
    sut_context_end(&derived->context, SUT_CANCELED);
    sut_loop_touch(&derived->rt->rt);
    return 0;
}

/* Pushes the cancel function of the context on the top. */
static void push_cancel(lua_State *L) {
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, cancel, 2);
}

static int with_cancel(lua_State *L) {
    struct sut_lua_runtime *rt;
    (void)check_own(L, "with_cancel", &rt);
    (void)sut_context_new(L, SUT_CONTEXT_CANCEL, rt, 1);
    push_cancel(L);
    return 2;
}

static void start_timer(struct sut_derived *derived, int64_t due_ns) {
    struct sut_runtime *rt = &derived->rt->rt;
    if (due_ns < derived->deadline_ns) derived->deadline_ns = due_ns;
    if (derived->context.err) return;
    sut_deadline_arm(&rt->deadlines, &derived->timer.wake, due_ns);
    sut_loop_touch(rt);
}

static int with_timeout(lua_State *L) {
    struct sut_derived *derived;
    int64_t span_ns;
    struct sut_lua_runtime *rt;
    (void)check_own(L, "with_timeout", &rt);
    if (lua_isnoneornil(L, 2)) sut_misuse(L, "with_timeout", "s", "seconds as a number", 2);
    span_ns = sut_check_span(L, 2, "with_timeout", "s", 0);
    derived = sut_context_new(L, SUT_CONTEXT_TIMEOUT, rt, 1);
    push_cancel(L);
    start_timer(derived, sut_time_after(sut_runtime_now(&derived->rt->rt), span_ns));
    if (span_ns == 0) sut_context_end(&derived->context, SUT_DEADLINE_EXCEEDED);
    return 2;
}

static int with_value(lua_State *L) {
    struct sut_lua_runtime *rt;
    (void)check_own(L, "with_value", &rt);
    if (lua_isnoneornil(L, 2)) sut_misuse(L, "with_value", "k", "a key other than nil", 2);
    lua_settop(L, 3);
    (void)sut_context_new(L, SUT_CONTEXT_VALUE, rt, 1);
    lua_pushvalue(L, 2);
    (void)lua_setiuservalue(L, -2, VALUE_KEY);
    lua_pushvalue(L, 3);
    (void)lua_setiuservalue(L, -2, VALUE_VALUE);
    return 1;
}

/* ---- asking ---- */

static int cancelled(lua_State *L) {
    lua_pushboolean(L, sut_check_context(L, 1)->err);
    return 1;
}

static int err(lua_State *L) {
    (void)sut_check_context(L, 1);
    sut_context_push_err(L, 1);
    return 1;
}

static int cause(lua_State *L) {
    (void)sut_check_context(L, 1);
    sut_context_push_cause(L, 1);
    return 2;
}

static int deadline(lua_State *L) {
    int64_t deadline_ns;
    (void)sut_check_context(L, 1);
    deadline_ns = sut_context_deadline(L, 1);
    if (deadline_ns == SUT_NEVER)
        lua_pushnil(L);
    else
        lua_pushnumber(L, sut_seconds(deadline_ns));
    return 1;
}

/* True with the value on the top when the context on the top has the key in argument 2. */
static bool push_value(lua_State *L) {
    const struct sut_context *context = lua_touserdata(L, -1);
    bool same;
    if (context->kind != SUT_CONTEXT_VALUE) return false;
    (void)lua_getiuservalue(L, -1, VALUE_KEY);
    same = lua_rawequal(L, -1, 2);
    lua_pop(L, 1);
    if (same) (void)lua_getiuservalue(L, -1, VALUE_VALUE);
    return same;
}

static int value(lua_State *L) {
    (void)sut_check_context(L, 1);
    lua_settop(L, 2);
    lua_pushvalue(L, 1);
    while (sut_to_context(L, -1)) {
        if (push_value(L)) return 1;
        sut_context_up(L);
    }
    lua_pushnil(L);
    return 1;
}

/* ---- waiting ---- */

static int waited(lua_State *L, int status, lua_KContext self) {
    (void)status;
    (void)sut_wait_end(L, (struct sut_lua *)self, NULL);
    lua_pushboolean(L, ((const struct sut_context *)lua_touserdata(L, 1))->err);
    return 1;
}

/* An end that has come, and a limit of 0, still give way once: no loop on it goes without a turn.
 * The own end of a service comes as a cancellation and needs no list, unless a shield keeps that
 * off. */
static int wait(lua_State *L) {
    struct sut_lua_runtime *rt;
    struct sut_context *context = check_own(L, "wait", &rt);
    int64_t due_ns = sut_check_span(L, 2, "wait", "limit", SUT_NEVER);
    struct sut_coroutine *co = sut_wait_begin(L, rt->self, rt, "ctx:wait");
    struct sut_list *waiters = NULL;
    if (context->err || due_ns == 0)
        return sut_wait(L, rt->self, co, SUT_WAIT_YIELD, SUT_NEVER, waited, (lua_KContext)rt->self);
    if (due_ns != SUT_NEVER) due_ns = sut_time_after(sut_runtime_now(&rt->rt), due_ns);
    if (context->kind != SUT_CONTEXT_SERVICE)
        waiters = &((struct sut_derived *)context)->waiters;
    else if (context->guard.co != co || co->shields > 0)
        waiters = &sut_context_new(L, SUT_CONTEXT_CANCEL, rt, 1)->waiters;
    if (context->err) /* a finalizer has ended it meanwhile */
        return sut_wait(L, rt->self, co, SUT_WAIT_YIELD, SUT_NEVER, waited, (lua_KContext)rt->self);
    if (waiters) sut_list_append(waiters, &co->task.node);
    return sut_wait(L, rt->self, co, SUT_WAIT_CONTEXT, due_ns, waited, (lua_KContext)rt->self);
}

/* ---- fields and text ---- */

/* Upvalue 2: the methods. */
static int context_index(lua_State *L) {
    const struct sut_context *context;
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL) return 1;
    context = sut_check_context(L, 1);
    if (context->kind != SUT_CONTEXT_SERVICE || lua_type(L, 2) != LUA_TSTRING) return 1;
    return sut_service_context_field(L, 1, lua_tostring(L, 2));
}

static int context_tostring(lua_State *L) {
    static const char *const kinds[] = {
        [SUT_CONTEXT_ROOT] = "root",
        [SUT_CONTEXT_CANCEL] = "with cancel",
        [SUT_CONTEXT_TIMEOUT] = "with timeout",
        [SUT_CONTEXT_VALUE] = "with value",
        [SUT_CONTEXT_SERVICE] = "service",
    };
    const struct sut_context *context = sut_check_context(L, 1);
    const char *path = NULL;
    if (context->kind == SUT_CONTEXT_SERVICE && sut_service_context_field(L, 1, "path"))
        path = lua_tostring(L, -1);
    lua_pushfstring(L, "context (%s%s%s%s)", kinds[context->kind], path ? " " : "",
                    path ? path : "", context->err ? ", ended" : "");
    return 1;
}

void sut_open_context(lua_State *L) {
    static const luaL_Reg methods[] = {{"with_cancel", with_cancel},
                                       {"with_timeout", with_timeout},
                                       {"with_value", with_value},
                                       {"cancelled", cancelled},
                                       {"err", err},
                                       {"cause", cause},
                                       {"deadline", deadline},
                                       {"value", value},
                                       {"wait", wait},
                                       {"ready", sut_context_ready},
                                       {"beat", sut_context_beat},
                                       {NULL, NULL}};
    luaL_newmetatable(L, SUT_CONTEXT_TYPE);
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, context_tostring, 1);
    lua_setfield(L, -2, "__tostring");
    lua_pushvalue(L, -2);
    luaL_newlibtable(L, methods);
    lua_pushvalue(L, -2);
    luaL_setfuncs(L, methods, 1);
    lua_pushcclosure(L, context_index, 2);
    lua_setfield(L, -2, "__index");
    sut_context_open_end(L, lua_touserdata(L, -2));
    lua_pop(L, 1);
}
