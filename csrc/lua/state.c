/* SPDX-License-Identifier: MIT
 *
 * The module's slots in the registry, its error objects, and protected calls into Lua.
 */
#include "lua/state.h"

#include "lua/coroutine.h"
#include "lua/runtime.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char state_key; /* its address is the key in the registry */

void sut_push_state(lua_State *L) { (void)lua_rawgetp(L, LUA_REGISTRYINDEX, &state_key); }

void sut_keep_state(lua_State *L) { lua_rawsetp(L, LUA_REGISTRYINDEX, &state_key); }

void sut_slot_get(lua_State *L, enum sut_registry_slot slot) {
    sut_push_state(L);
    (void)lua_getiuservalue(L, -1, (int)slot);
    lua_remove(L, -2);
}

void sut_slot_set(lua_State *L, enum sut_registry_slot slot) {
    sut_push_state(L);
    lua_insert(L, -2);
    (void)lua_setiuservalue(L, -2, (int)slot);
    lua_pop(L, 1);
}

void sut_slot_set_weak(lua_State *L, enum sut_registry_slot slot, const char *mode) {
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushstring(L, mode);
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    sut_slot_set(L, slot);
}

void sut_type_is(lua_State *L, struct sut_lua *self, enum sut_type type) {
    self->metatables[type] = lua_topointer(L, -1);
}

const void *sut_type_at(lua_State *L, int index) {
    const void *type;
    if (!lua_touserdata(L, index) || !lua_getmetatable(L, index)) return NULL;
    type = lua_topointer(L, -1);
    lua_pop(L, 1);
    return type;
}

void sut_push_handler(lua_State *L, const char *name) {
    sut_slot_get(L, SUT_SLOT_HANDLERS);
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
}

const char *sut_shown(lua_State *L, const char *text, size_t length) {
    sut_push_handler(L, "shown");
    (void)lua_pushlstring(L, text, length);
    lua_call(L, 1, 1);
    return lua_tostring(L, -1);
}

/* An integer is found faster than a pointer. */
static lua_Integer key_of(const void *object) { return (lua_Integer)(intptr_t)object; }

void sut_push_object(lua_State *L, const void *object) {
    sut_slot_get(L, SUT_SLOT_OBJECTS);
    (void)lua_rawgeti(L, -1, key_of(object));
    lua_remove(L, -2);
}

void sut_push_object_kept(lua_State *L, const void *object) {
    (void)lua_rawgeti(L, lua_upvalueindex(3), key_of(object));
}

void sut_keep_object(lua_State *L) {
    sut_slot_get(L, SUT_SLOT_OBJECTS);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, key_of(lua_touserdata(L, -1)));
    lua_pop(L, 1);
}

void sut_check_kept(lua_State *L, const void *object, const char *fn) {
    sut_slot_here(L, SUT_SLOT_OBJECTS);
    if (lua_rawgeti(L, -1, key_of(object)) == LUA_TNIL)
        luaL_error(L, "'%s': the object has been collected as garbage", fn);
    lua_pop(L, 2);
}

/* Lua refuses all of lua_gc while it collects (from 5.4.4 on). */
bool sut_in_finalizer(lua_State *L) {
    lua_Debug ar;
    if (lua_gc(L, LUA_GCISRUNNING) >= 0) return false;
    for (int level = 0; lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "n", &ar);
        if (ar.name && strcmp(ar.name, "__gc") == 0) return lua_getstack(L, level + 1, &ar);
    }
    return true;
}

/* ---- error objects ---- */

void sut_push_error(lua_State *L, enum sut_error error) {
    sut_slot_get(L, SUT_SLOT_ERRORS);
    (void)lua_rawgeti(L, -1, (lua_Integer)error);
    lua_remove(L, -2);
}

int sut_fail(lua_State *L, enum sut_error error) {
    lua_pushnil(L);
    sut_push_error(L, error);
    return 2;
}

bool sut_is_error(lua_State *L, int index) {
    bool same = false;
    if (!lua_istable(L, index) || !lua_getmetatable(L, index)) return false;
    sut_slot_get(L, SUT_SLOT_ERRORS);
    (void)lua_rawgeti(L, -1, 0);
    same = lua_rawequal(L, -1, -3);
    lua_pop(L, 3);
    return same;
}

/* How deep a chain of messages and causes is followed. */
enum { ERROR_DEPTH = 100 };

/* Walks message, then cause; `budget` bounds the whole walk, for a chain may be a circle. The stack
 * never holds more than one value a level. */
static bool chain_holds(lua_State *L, int index, enum sut_error error, int *budget) {
    static const char *const links[] = {"message", "cause"};
    bool found;
    index = lua_absindex(L, index);
    sut_push_error(L, error);
    found = lua_rawequal(L, index, -1);
    lua_pop(L, 1);
    if (found || --*budget <= 0 || !sut_is_error(L, index) || !lua_checkstack(L, 6)) return found;
    for (int i = 0; i < 2 && !found; i++) {
        lua_pushstring(L, links[i]);
        (void)lua_rawget(L, index);
        found = chain_holds(L, -1, error, budget);
        lua_pop(L, 1);
    }
    return found;
}

bool sut_error_is(lua_State *L, int index, enum sut_error error) {
    int budget = ERROR_DEPTH;
    return sut_is_error(L, index) && chain_holds(L, index, error, &budget);
}

/* ---- calls from a step into Lua ---- */

/* So many runtimes may run in each other's hooks: Lua does not see how deep the stack of C gets. */
enum { DEPTH = 40 };

void sut_lay_bottom(lua_State *L, lua_State *hooks) {
    static const lua_CFunction functions[] = {sut_deliver_kept, sut_begin_kept};
    lua_pushvalue(L, -1);
    lua_xmove(L, hooks, 1);
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        sut_push_state(L);
        lua_pushvalue(L, -2);
        sut_slot_get(L, SUT_SLOT_OBJECTS);
        lua_pushcclosure(L, functions[i], 3);
        lua_xmove(L, hooks, 1);
    }
}

/* Where a step's calls are made: the runtime's own thread when it is at rest, else what runs inside
 * it. NULL when there is no room for one more. */
static lua_State *place_of(const struct sut_lua_runtime *rt) {
    const struct sut_lua *self = rt->self;
    lua_State *L = rt->calling && self->active ? self->active : rt->hooks;
    return self->depth < DEPTH && lua_checkstack(L, LUA_MINSTACK) ? L : NULL;
}

/* Calls the function with its argument, both on the top of the stack of `L`. */
static int call(struct sut_lua_runtime *rt, lua_State *L, char *why, size_t size) {
    struct sut_lua *self = rt->self;
    lua_State *active = self->active;
    lua_State *from = self->from;
    struct sut_coroutine *current = self->current;
    struct sut_lua_runtime *runtime = self->runtime;
    bool inside = rt->calling;
    int status;
    self->active = L;
    self->from = L;
    self->current = NULL;
    self->runtime = rt;
    self->depth++;
    rt->calling = true;
    if (!current && !inside) sut_watchdog_turn(&self->preempt.watchdog);
    status = lua_pcall(L, 1, 0, 0);
    SUT_COLLECT(L);
    if (status != LUA_OK) {
        if (lua_checkstack(L, LUA_MINSTACK)) sut_value_text(L, -1, why, size);
        lua_pop(L, 1);
    }
    if (self->preempt.armed && L != active) sut_preempt_move(self, L, active);
    rt->calling = inside;
    self->depth--;
    self->active = active;
    self->from = from;
    self->current = current;
    self->runtime = runtime;
    return status;
}

int sut_call(struct sut_lua_runtime *rt, lua_CFunction fn, void *arg, char *why, size_t size) {
    lua_State *L = place_of(rt);
    why[0] = '\0';
    if (!L) return LUA_ERRMEM;
    lua_pushcfunction(L, fn);
    lua_pushlightuserdata(L, arg);
    return call(rt, L, why, size);
}

int sut_call_kept(struct sut_lua_runtime *rt, enum sut_kept kept, void *arg, char *why,
                  size_t size) {
    lua_State *L = place_of(rt);
    why[0] = '\0';
    if (!L) return LUA_ERRMEM;
    lua_pushvalue(rt->hooks, (int)kept);
    if (L != rt->hooks) lua_xmove(rt->hooks, L, 1);
    lua_pushlightuserdata(L, arg);
    return call(rt, L, why, size);
}

struct report {
    const char *text;
};

static int call_report(lua_State *L) {
    const struct report *report = lua_touserdata(L, 1);
    sut_push_handler(L, "report");
    lua_pushstring(L, report->text);
    lua_call(L, 1, 0);
    return 0;
}

void sut_report(struct sut_lua_runtime *rt, const char *format, ...) {
    char text[1024];
    struct report report = {text};
    char why[64];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (sut_call(rt, call_report, &report, why, sizeof why) == LUA_OK) return;
    (void)fprintf(stderr, "sutura: %s\n", text);
}

/* ---- values in words ---- */

static void string_text(lua_State *L, int index, char *out, size_t size) {
    size_t length;
    const char *text = lua_tolstring(L, index, &length);
    size_t kept = length < size - 1 ? length : size - 1;
    memcpy(out, text, kept);
    out[kept] = '\0';
}

/* The field 'message' of a table, as errors have it; it may be such a table itself. */
static bool message_text(lua_State *L, int index, char *out, size_t size, int depth) {
    bool done = false;
    if (depth > 8 || !lua_checkstack(L, 6)) return false;
    index = lua_absindex(L, index);
    lua_pushliteral(L, "message");
    (void)lua_rawget(L, index);
    if (lua_type(L, -1) == LUA_TSTRING) {
        string_text(L, -1, out, size);
        done = true;
    } else if (lua_istable(L, -1)) {
        done = message_text(L, -1, out, size, depth + 1);
    }
    lua_pop(L, 1);
    return done;
}

void sut_value_text(lua_State *L, int index, char *out, size_t size) {
    if (lua_type(L, index) == LUA_TSTRING)
        string_text(L, index, out, size);
    else if (!lua_istable(L, index) || !message_text(L, index, out, size, 0))
        (void)sut_trace_value(L, index, out, size);
}

/* ---- raising ---- */

static int take_variables(lua_State *L) {
    sut_trace_push_variables(L, (lua_State *)lua_touserdata(L, 1), (int)lua_tointeger(L, 2),
                             sut_service_main);
    sut_slot_set(L, SUT_SLOT_VARIABLES);
    return 0;
}

void sut_take_variables(lua_State *L, struct sut_lua *self, lua_State *from, int level) {
    self->has_variables = false;
    if (!self->current || !sut_wants_variables(self->current) || !lua_checkstack(L, 100)) return;
    lua_pushcfunction(L, take_variables);
    lua_pushlightuserdata(L, from);
    lua_pushinteger(L, level);
    self->has_variables = lua_pcall(L, 2, 0, 0) == LUA_OK;
    if (!self->has_variables) lua_pop(L, 1);
}

static bool was_raised(lua_State *L, struct sut_lua *self) {
    bool same;
    if (self->rethrow == SUT_RETHROW_NOT) return false;
    sut_slot_get(L, SUT_SLOT_RAISED);
    same = lua_rawequal(L, -1, 1);
    lua_pop(L, 1);
    return same;
}

int sut_on_raise(lua_State *L) {
    struct sut_lua *self = sut_self(L);
    bool again = was_raised(L, self);
    enum sut_rethrow how = self->rethrow;
    self->rethrow = SUT_RETHROW_NOT;
    if (again && how == SUT_RETHROW_SAME) return 1;
    if (!again) sut_trace_clear(&self->trace);
    sut_trace_walk(&self->trace, L, 1, sut_service_main);
    /* Seen from the function that takes them, what raised is level 2. */
    if (!again) sut_take_variables(L, self, L, 2);
    lua_settop(L, 1);
    return 1;
}

int sut_raise_again(lua_State *L, struct sut_lua *self, enum sut_rethrow how) {
    lua_pushvalue(L, -1);
    sut_slot_set(L, SUT_SLOT_RAISED);
    self->rethrow = how;
    return lua_error(L);
}

/* ---- time and arguments ---- */

int64_t sut_ns(double seconds) {
    double ns = ceil(seconds * 1e9 - 1e-3);
    if (ns >= 9.2e18) return SUT_NEVER;
    return ns > 0 ? (int64_t)ns : 0;
}

double sut_seconds(int64_t ns) { return (double)ns / 1e9; }

int sut_misuse(lua_State *L, const char *fn, const char *name, const char *expected, int arg) {
    char got[80];
    const char *type = luaL_typename(L, arg);
    if (lua_type(L, arg) == LUA_TUSERDATA && luaL_getmetafield(L, arg, "__name") == LUA_TSTRING)
        type = lua_tostring(L, -1);
    if (lua_isnone(L, arg))
        (void)snprintf(got, sizeof got, "nothing");
    else if (lua_isnumber(L, arg) || lua_isboolean(L, arg) || lua_type(L, arg) == LUA_TSTRING)
        (void)sut_trace_value(L, arg, got, sizeof got);
    else
        (void)snprintf(got, sizeof got, "%s", type);
    return luaL_error(L, "bad argument '%s' to '%s' (%s expected, got %s)", name, fn, expected,
                      got);
}

int64_t sut_check_span(lua_State *L, int arg, const char *fn, const char *name, int64_t fallback) {
    double seconds;
    if (lua_isnoneornil(L, arg)) return fallback;
    if (lua_type(L, arg) != LUA_TNUMBER) sut_misuse(L, fn, name, "seconds as a number", arg);
    seconds = lua_tonumber(L, arg);
    if (!(seconds >= 0)) sut_misuse(L, fn, name, "seconds, 0 or more,", arg);
    return sut_ns(seconds);
}
