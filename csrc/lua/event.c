/* SPDX-License-Identifier: MIT
 *
 * Fields of events, from what is kept of them.
 *
 * The metatable can be had by anybody and put on any table, so nothing here trusts what it finds in
 * an array part.
 */
#include "lua/event.h"

#include "lua/supervisor.h"

#include <string.h>

static const char *const names[SUT_FIELDS] = {
    [SUT_FIELD_TYPE] = "type",
    [SUT_FIELD_TIME] = "time",
    [SUT_FIELD_WALL] = "wall",
    [SUT_FIELD_SEQ] = "seq",
    [SUT_FIELD_SUPERVISOR] = "supervisor",
    [SUT_FIELD_SUPERVISOR_NAME] = "supervisor_name",
    [SUT_FIELD_PATH] = "path",
    [SUT_FIELD_BECAUSE_OF] = "because_of",
    [SUT_FIELD_REASON] = "reason",
    [SUT_FIELD_SERVICE] = "service",
    [SUT_FIELD_SERVICE_NAME] = "service_name",
    [SUT_FIELD_TOKEN] = "token",
    [SUT_FIELD_RUN] = "run",
    [SUT_FIELD_CURRENT_FAILURES] = "current_failures",
    [SUT_FIELD_FAILURE_THRESHOLD] = "failure_threshold",
    [SUT_FIELD_RESTARTING] = "restarting",
    [SUT_FIELD_STOPPING] = "stopping",
    [SUT_FIELD_ERROR] = "error",
    [SUT_FIELD_ERROR_MSG] = "error_msg",
    [SUT_FIELD_PANIC_MSG] = "panic_msg",
    [SUT_FIELD_STACKTRACE] = "stacktrace",
    [SUT_FIELD_FRAMES] = "frames",
    [SUT_FIELD_QUEUED] = "queued",
    [SUT_FIELD_DELAY] = "delay",
    [SUT_FIELD_KILLED] = "killed",
    [SUT_FIELD_WAITING_FOR] = "waiting_for",
    [SUT_FIELD_DURATION] = "duration",
    [SUT_FIELD_IN_A_ROW] = "in_a_row",
    [SUT_FIELD_ACTION] = "action",
    [SUT_FIELD_HISTORY] = "history",
};

const char *sut_field_name(enum sut_field field) { return names[field]; }

/* ---- the trace ---- */

/* A userdata of its own, told by its first word. */
struct kept_trace {
    const void *mark;
    struct sut_trace trace; /* as much of it as is used */
};

static char mark;

void sut_event_set_trace(lua_State *L, int event, const struct sut_trace *trace) {
    size_t size = sut_trace_size(trace);
    struct kept_trace *kept = lua_newuserdatauv(L, offsetof(struct kept_trace, trace) + size, 0);
    kept->mark = &mark;
    memcpy(&kept->trace, trace, size);
    sut_event_set(L, event, SUT_FIELD_TRACE);
}

/* The trace of the event at the index, or NULL. */
static const struct sut_trace *trace_of(lua_State *L, int event) {
    const struct kept_trace *kept = NULL;
    if (lua_rawgeti(L, event, SUT_FIELD_TRACE) == LUA_TUSERDATA &&
        lua_rawlen(L, -1) > offsetof(struct kept_trace, trace))
        kept = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return kept && kept->mark == &mark ? &kept->trace : NULL;
}

/* Pushes text or frames, which are the same ones from now on. */
static void push_of_trace(lua_State *L, int event, enum sut_field field) {
    const struct sut_trace *trace = trace_of(L, event);
    char text[SUT_TRACE_MAX];
    if (lua_rawgeti(L, event, field) != LUA_TNIL || !trace) return;
    lua_pop(L, 1);
    if (field == SUT_FIELD_STACKTRACE)
        lua_pushlstring(L, text, sut_trace_text(trace, text, sizeof text));
    else
        sut_trace_push_frames(L, trace);
    lua_pushvalue(L, -1);
    sut_event_set(L, event, field);
}

/* ---- one field ---- */

static const char *type_of(lua_State *L, int event) {
    lua_Integer type = lua_rawgeti(L, event, SUT_FIELD_TYPE) == LUA_TNUMBER ? lua_tointeger(L, -1)
                                                                            : SUT_EVENT_TYPES;
    lua_pop(L, 1);
    if (type < 0 || type >= SUT_EVENT_TYPES) return NULL;
    return sut_event_name((enum sut_event_type)type);
}

static void push_token(lua_State *L, int event) {
    const struct sut_lua_supervisor *sup;
    struct sut_id id;
    if (lua_rawgeti(L, event, SUT_FIELD_TOKEN) != LUA_TNUMBER) return;
    id.value = (uint64_t)lua_tointeger(L, -1);
    (void)lua_rawgeti(L, event, SUT_FIELD_SUPERVISOR);
    sup = sut_to_supervisor(L, -1);
    (void)lua_rawgeti(L, event, SUT_FIELD_PATH);
    if (sup)
        sut_push_told_token(L, sup, id);
    else
        lua_pushnil(L);
    lua_replace(L, -4);
    lua_pop(L, 2);
}

/* Pushes the field, nil when the event has none such. */
static void push_field(lua_State *L, int event, enum sut_field field) {
    if (field == SUT_FIELD_TYPE)
        lua_pushstring(L, type_of(L, event));
    else if (field == SUT_FIELD_TOKEN)
        push_token(L, event);
    else if (field == SUT_FIELD_STACKTRACE || field == SUT_FIELD_FRAMES)
        push_of_trace(L, event, field);
    else
        (void)lua_rawgeti(L, event, field);
}

/* ---- the whole ---- */

/* What the event says by itself, under the name, rules. */
static void settle(lua_State *L, int event, enum sut_field field) {
    lua_pushstring(L, names[field]);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, event) == LUA_TNIL) {
        lua_pop(L, 1);
        push_field(L, event, field);
        lua_rawset(L, event);
    } else {
        lua_pop(L, 2);
    }
}

/* Makes the event at the index a plain table. */
static void complete(lua_State *L, int event) {
    luaL_checkstack(L, LUA_MINSTACK, "event");
    if (!type_of(L, event)) return; /* it is one, or no event at all */
    for (int field = 1; field < SUT_FIELDS; field++)
        if (names[field]) settle(L, event, (enum sut_field)field);
    for (int field = 1; field < SUT_FIELDS; field++) {
        lua_pushnil(L);
        sut_event_set(L, event, (enum sut_field)field);
    }
}

int sut_event_complete(lua_State *L) {
    lua_settop(L, 1);
    if (!lua_istable(L, 1) || !lua_getmetatable(L, 1)) return 0;
    sut_slot_get(L, SUT_SLOT_EVENT);
    if (lua_rawequal(L, -1, -2)) complete(L, 1);
    return 0;
}

/* ---- the metatable: upvalue 1 has the fields by name, and the methods ---- */

static int event_index(lua_State *L) {
    lua_settop(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNUMBER) return 1;
    if (!lua_istable(L, 1)) return 0;
    push_field(L, 1, (enum sut_field)lua_tointeger(L, 2));
    return 1;
}

static int event_newindex(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    complete(L, 1);
    lua_settop(L, 3);
    lua_rawset(L, 1);
    return 0;
}

static int next_field(lua_State *L) {
    lua_settop(L, 2);
    return lua_next(L, 1) ? 2 : 0;
}

static int event_pairs(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    complete(L, 1);
    lua_settop(L, 1);
    lua_pushcfunction(L, next_field);
    lua_insert(L, 1);
    lua_pushnil(L);
    return 3;
}

/* The methods are in the field __index. */
void sut_open_event(lua_State *L, int metatable) {
    lua_newtable(L);
    for (int field = 1; field < SUT_FIELDS; field++) {
        if (!names[field]) continue;
        lua_pushinteger(L, field);
        lua_setfield(L, -2, names[field]);
    }
    lua_getfield(L, metatable, "__index");
    for (lua_pushnil(L); lua_next(L, -2);) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -5);
    }
    lua_pop(L, 1);
    lua_pushcclosure(L, event_index, 1);
    lua_setfield(L, metatable, "__index");
    lua_pushcfunction(L, event_newindex);
    lua_setfield(L, metatable, "__newindex");
    lua_pushcfunction(L, event_pairs);
    lua_setfield(L, metatable, "__pairs");
    lua_pushvalue(L, metatable);
    sut_slot_set(L, SUT_SLOT_EVENT);
}

void sut_event_new(lua_State *L, enum sut_field last) {
    lua_createtable(L, (int)last, 0);
    sut_slot_get(L, SUT_SLOT_EVENT);
    lua_setmetatable(L, -2);
}
