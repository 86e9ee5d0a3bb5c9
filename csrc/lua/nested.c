/* SPDX-License-Identifier: MIT
 *
 * coroutine.resume and coroutine.wrap as services see them: Lua's own, but for a wait of ours
 * inside the inner coroutine. That passes outwards until it reaches the runtime, and the way back
 * goes in again, unseen by anyone between.
 *
 * Invariants: while a frame of ours waits, the inner coroutine is the first value of the frame.
 * Around each resume `self->active` is the inner coroutine, and afterwards what it was. The shields
 * of the current coroutine are those of its innermost part; an inner coroutine that yields from
 * inside of some takes them with it, and brings them back when it is resumed.
 */
#include "lua/coroutine.h"

/* What a resume leaves: the number of results on the outer stack, or one of these. */
enum { FAILED = -1, WAITS = -2 };

/* ---- shields that an inner coroutine has taken with it ---- */

/* Pushes the table and the inner coroutine as its key. */
static void push_shields_key(lua_State *L, lua_State *inner) {
    luaL_checkstack(L, 4, "too many results to resume");
    luaL_checkstack(inner, 1, "too many results to resume");
    sut_slot_get(L, SUT_SLOT_SHIELDS);
    (void)lua_pushthread(inner);
    lua_xmove(inner, L, 1);
}

/* The shields that were put aside for the inner coroutine, which are so no longer. */
static uint32_t take_shields(lua_State *L, lua_State *inner) {
    uint32_t shields;
    push_shields_key(L, inner);
    lua_pushvalue(L, -1);
    (void)lua_rawget(L, -3);
    shields = (uint32_t)lua_tointeger(L, -1);
    lua_pop(L, 1);
    if (shields) {
        lua_pushnil(L);
        lua_rawset(L, -3);
    } else {
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return shields;
}

static void put_shields_aside(lua_State *L, struct sut_lua *self, lua_State *inner,
                              uint32_t shields) {
    self->has_shields_aside = true;
    push_shields_key(L, inner);
    lua_pushinteger(L, (lua_Integer)shields);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

/* ---- one resume ---- */

/* A coroutine that is resumed where Lua cannot yield outwards is pinned: it cannot wait. So it is
 * in one that a stranger's resume has begun, where a wait would come out at the stranger. */
static int enter(lua_State *L, struct sut_lua *self, lua_State *inner, int args, int *results) {
    lua_State *active = self->active;
    const struct sut_coroutine *pinned = self->pinned;
    int status;
    if (self->current && (!lua_isyieldable(L) || L != active)) self->pinned = self->current;
    self->active = inner;
    if (self->preempt.armed) sut_preempt_move(self, L, inner);
    status = lua_resume(inner, L, args, results);
    self->active = active;
    if (self->preempt.armed) sut_preempt_move(self, inner, L);
    self->pinned = pinned;
    return status;
}

/* Moves what the inner coroutine has given to the outer stack. */
static int bring_out(lua_State *L, lua_State *inner, int status, int results) {
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(inner, L, 1);
        return FAILED;
    }
    if (!lua_checkstack(L, results + 1)) {
        lua_pop(inner, results);
        lua_pushliteral(L, "too many results to resume");
        return FAILED;
    }
    lua_xmove(inner, L, results);
    return results;
}

/* Resumes with arguments that are on the inner stack. `shields` is what the current coroutine had
 * outside. */
static int advance(lua_State *L, struct sut_lua *self, lua_State *inner, int args,
                   uint32_t shields) {
    struct sut_coroutine *current = self->current;
    int results = 0;
    int status = enter(L, self, inner, args, &results);
    if (status == LUA_YIELD && current && sut_has_given_way(current)) return WAITS;
    if (current && current->shields != shields) {
        uint32_t inside = current->shields;
        current->shields = (uint16_t)shields;
        if (status == LUA_YIELD && inside > shields)
            put_shields_aside(L, self, inner, inside - shields);
    }
    return bring_out(L, inner, status, results);
}

/* Resumed by a stranger in the middle of a wait, which is the inner coroutine's: that ends too. */
static int refuse_stranger(lua_State *L, lua_State *inner) {
    if (lua_status(inner) == LUA_YIELD) (void)lua_resetthread(inner);
    return sut_raise_stranger(L);
}

/* The first resume of a call, with the `args` values on the top. */
static int begin(lua_State *L, struct sut_lua *self, lua_State *inner, int args,
                 uint32_t *shields) {
    *shields = self->current ? self->current->shields : 0;
    if (!lua_checkstack(inner, args)) {
        lua_pushliteral(L, "too many arguments to resume");
        return FAILED;
    }
    if (self->has_shields_aside && self->current && lua_status(inner) == LUA_YIELD)
        self->current->shields = (uint16_t)(self->current->shields + take_shields(L, inner));
    lua_xmove(L, inner, args);
    return advance(L, self, inner, args, *shields);
}

/* The innermost of a preempted chain goes on by itself: nothing else would say that it has been
 * woken. */
static void go_in(struct sut_coroutine *current, lua_State *inner) {
    if (current->woken == SUT_WOKEN_GOES_ON && !sut_nested(inner)) current->woken = SUT_WOKEN_NOT;
}

/* ---- resume ---- */

static int resume_continue(lua_State *L, int status, lua_KContext shields);

static int resume_end(lua_State *L, int outcome, uint32_t shields) {
    if (outcome == WAITS) return lua_yieldk(L, 0, (lua_KContext)shields, resume_continue);
    lua_pushboolean(L, outcome >= 0);
    if (outcome < 0) outcome = 1;
    lua_insert(L, -(outcome + 1));
    return outcome + 1;
}

static int resume_continue(lua_State *L, int status, lua_KContext shields) {
    (void)status;
    lua_settop(L, 1);
    if (!sut_is_woken(sut_self(L))) return refuse_stranger(L, lua_tothread(L, 1));
    go_in(sut_self(L)->current, lua_tothread(L, 1));
    return resume_end(L, advance(L, sut_self(L), lua_tothread(L, 1), 0, (uint32_t)shields),
                      (uint32_t)shields);
}

static int nested_resume(lua_State *L) {
    lua_State *inner = lua_tothread(L, 1);
    uint32_t shields;
    int outcome;
    luaL_argexpected(L, inner, 1, "thread");
    outcome = begin(L, sut_self(L), inner, lua_gettop(L) - 1, &shields);
    return resume_end(L, outcome, shields);
}

/* ---- wrap ---- */

/* True when the trace at hand ends in the raise of the value on the top. */
static bool was_raised(lua_State *L, const struct sut_lua *self) {
    bool same;
    if (self->rethrow == SUT_RETHROW_NOT) return false;
    sut_slot_get(L, SUT_SLOT_RAISED);
    same = lua_rawequal(L, -1, -2);
    lua_pop(L, 1);
    return same;
}

/* The inner stack, before it is closed; after what is deeper, if that led to this. */
static void keep_trace(lua_State *L, struct sut_lua *self, lua_State *inner) {
    bool again = was_raised(L, self);
    if (again && self->rethrow == SUT_RETHROW_SAME) return;
    if (!again) sut_trace_clear(&self->trace);
    sut_trace_walk(&self->trace, inner, 0, sut_service_main);
    if (!again) sut_take_variables(L, self, inner, 0);
}

/* What its closers raise and catch leaves the trace at hand alone. */
static int close_inner(lua_State *L, struct sut_lua *self, lua_State *inner) {
    struct sut_trace trace = self->trace;
    bool has_variables = self->has_variables;
    lua_State *active = self->active;
    struct sut_coroutine *current = self->current;
    uint16_t shields = current ? current->shields : 0; /* none of them is inner's: see `advance` */
    int status;
    self->active = inner;
#if LUA_VERSION_RELEASE_NUM >= 50406
    status = lua_closethread(inner, L);
#else
    status = lua_resetthread(inner);
#endif
    self->active = active;
    if (current) current->shields = shields;
    self->trace = trace;
    self->has_variables = has_variables;
    lua_xmove(inner, L, 1);
    return status;
}

/* Raises the error on the top in the caller of the wrapped function. */
static int wrap_failed(lua_State *L, struct sut_lua *self, lua_State *inner) {
    int status = lua_status(inner);
    bool traced = self->current && status != LUA_OK && status != LUA_YIELD;
    if (traced) keep_trace(L, self, inner);
    if (status != LUA_OK && status != LUA_YIELD) status = close_inner(L, self, inner);
    if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return traced ? sut_raise_again(L, self, SUT_RETHROW_OUTER) : lua_error(L);
}

static int wrap_continue(lua_State *L, int status, lua_KContext shields);

static int wrap_end(lua_State *L, lua_State *inner, int outcome, uint32_t shields) {
    if (outcome == FAILED) return wrap_failed(L, sut_self(L), inner);
    if (outcome != WAITS) return outcome;
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(2));
    return lua_yieldk(L, 0, (lua_KContext)shields, wrap_continue);
}

static int wrap_continue(lua_State *L, int status, lua_KContext shields) {
    lua_State *inner = lua_tothread(L, 1);
    (void)status;
    lua_settop(L, 1);
    if (!sut_is_woken(sut_self(L))) return refuse_stranger(L, inner);
    go_in(sut_self(L)->current, inner);
    return wrap_end(L, inner, advance(L, sut_self(L), inner, 0, (uint32_t)shields),
                    (uint32_t)shields);
}

static int wrapped(lua_State *L) {
    lua_State *inner = lua_tothread(L, lua_upvalueindex(2));
    uint32_t shields;
    int outcome = begin(L, sut_self(L), inner, lua_gettop(L), &shields);
    return wrap_end(L, inner, outcome, shields);
}

static int nested_wrap(lua_State *L) {
    lua_State *inner;
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_pushvalue(L, lua_upvalueindex(1));
    inner = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, inner, 1);
    lua_pushcclosure(L, wrapped, 2);
    return 1;
}

/* ---- the chain ---- */

lua_State *sut_nested(lua_State *thread) {
    lua_State *inner = NULL;
    lua_CFunction function;
    lua_Debug ar;
    if (lua_status(thread) > LUA_YIELD || !lua_checkstack(thread, 2)) return NULL;
    if (!lua_getstack(thread, 0, &ar)) return NULL;
    lua_getinfo(thread, "f", &ar);
    function = lua_tocfunction(thread, -1);
    if ((function == nested_resume && lua_getlocal(thread, &ar, 1)) ||
        (function == wrapped && lua_getupvalue(thread, -1, 2))) {
        inner = lua_tothread(thread, -1);
        lua_pop(thread, 1);
    }
    lua_pop(thread, 1);
    return inner;
}

/* ---- opening ---- */

int sut_open_nested(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"resume", nested_resume}, {"wrap", nested_wrap}, {NULL, NULL}};
    luaL_newlibtable(L, functions);
    sut_push_state(L);
    luaL_setfuncs(L, functions, 1);
    return 1;
}
