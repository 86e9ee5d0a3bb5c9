/* SPDX-License-Identifier: MIT
 *
 * The record of an event, and its fields.
 *
 * The metatable can be had by anybody and put on any table, so nothing here trusts what it finds in
 * one.
 */
#include "lua/event.h"

#include "lua/supervisor.h"

#include <string.h>

/* Fields that are no text, number, flag or value alone. */
enum special { TYPE, SEQ, RUN, TOKEN, SUPERVISOR_NAME, PANIC_MSG, STACKTRACE, FRAMES, SPECIALS };

static const char *const texts[SUT_TEXTS] = {
    [SUT_TEXT_PATH] = "path",
    [SUT_TEXT_SERVICE_NAME] = "service_name",
    [SUT_TEXT_ERROR_MSG] = "error_msg",
    [SUT_TEXT_REASON] = "reason",
    [SUT_TEXT_WAITING_FOR] = "waiting_for",
    [SUT_TEXT_ACTION] = "action",
    [SUT_TEXT_BECAUSE_OF] = "because_of",
};

static const char *const numbers[SUT_NUMBERS] = {
    [SUT_NUMBER_TIME] = "time",
    [SUT_NUMBER_WALL] = "wall",
    [SUT_NUMBER_DELAY] = "delay",
    [SUT_NUMBER_CURRENT_FAILURES] = "current_failures",
    [SUT_NUMBER_FAILURE_THRESHOLD] = "failure_threshold",
    [SUT_NUMBER_DURATION] = "duration",
    [SUT_NUMBER_IN_A_ROW] = "in_a_row",
};

static const char *const flags[SUT_FLAGS] = {
    [SUT_FLAG_RESTARTING] = "restarting",
    [SUT_FLAG_STOPPING] = "stopping",
    [SUT_FLAG_QUEUED] = "queued",
    [SUT_FLAG_KILLED] = "killed",
};

static const char *const values[SUT_VALUES] = {
    [SUT_VALUE_SUPERVISOR] = "supervisor",
    [SUT_VALUE_SERVICE] = "service",
    [SUT_VALUE_ERROR] = "error",
    [SUT_VALUE_HISTORY] = "history",
};

static const char *const specials[SPECIALS] = {
    [TYPE] = "type",
    [SEQ] = "seq",
    [RUN] = "run",
    [TOKEN] = "token",
    [SUPERVISOR_NAME] = "supervisor_name",
    [PANIC_MSG] = "panic_msg",
    [STACKTRACE] = "stacktrace",
    [FRAMES] = "frames",
};

/* A field as an integer: its kind, and its place in that. */
static const struct kind {
    const char *const *names;
    int count;
} kinds[] = {
    {texts, SUT_TEXTS},   {numbers, SUT_NUMBERS}, {flags, SUT_FLAGS},
    {values, SUT_VALUES}, {specials, SPECIALS},
};

enum { TEXT, NUMBER, FLAG, VALUE, SPECIAL, KINDS, KIND_SHIFT = 8 };

const char *sut_text_name(enum sut_text text) { return texts[text]; }
const char *sut_number_name(enum sut_number number) { return numbers[number]; }
const char *sut_flag_name(enum sut_flag flag) { return flags[flag]; }

/* ---- the record ---- */

/* A text of the record: where, from its beginning, and how long; 0: there is none. */
struct span {
    uint32_t at;
    uint32_t length;
};

/* Its uservalues are enum sut_value. The trace comes next, if there is one, and then the texts. */
struct record {
    const void *mark; /* tells it from any other userdata */
    struct sut_facts facts;
    struct sut_id id;
    struct span text[SUT_TEXTS];
    struct span supervisor_name;
    uint32_t trace;
};

static char mark;

/* The text of an error is kept as a value. */
static unsigned texts_of(const struct sut_told *told) {
    return told->notes.has_text & ~(1U << SUT_TEXT_ERROR_MSG);
}

static size_t size_of(const struct sut_told *told) {
    size_t size = sizeof(struct record) + told->supervisor_name_length;
    if (told->trace) size += sut_trace_size(told->trace);
    for (unsigned left = texts_of(told); left;)
        size += told->notes.length[sut_take_text(&left)];
    return size;
}

static struct span put(struct record *record, size_t *end, const void *bytes, size_t length) {
    struct span span = {(uint32_t)*end, (uint32_t)length};
    memcpy((char *)record + *end, bytes, length);
    *end += length;
    return span;
}

static void fill(struct record *record, const struct sut_told *told) {
    const struct sut_notes *notes = &told->notes;
    size_t end = sizeof *record;
    record->mark = &mark;
    record->facts = notes->facts;
    record->id = told->id;
    record->trace = 0;
    memset(record->text, 0, sizeof record->text);
    if (told->trace) record->trace = put(record, &end, told->trace, sut_trace_size(told->trace)).at;
    record->supervisor_name =
        put(record, &end, told->supervisor_name, told->supervisor_name_length);
    for (unsigned left = texts_of(told); left;) {
        enum sut_text i = sut_take_text(&left);
        if (i == SUT_TEXT_BECAUSE_OF && notes->text[i] == notes->text[SUT_TEXT_PATH])
            record->text[i] = record->text[SUT_TEXT_PATH];
        else
            record->text[i] = put(record, &end, notes->text[i], notes->length[i]);
    }
}

static int count_values(const struct sut_told *told) {
    int count = told->trace ? SUT_VALUE_FRAMES : 0;
    for (int i = 1; i < SUT_VALUES; i++)
        if (told->at[i] && i > count) count = i;
    return count;
}

void sut_push_event(lua_State *L, const struct sut_told *told) {
    int count = count_values(told);
    struct record *record;
    lua_createtable(L, 1, 0);
    record = lua_newuserdatauv(L, size_of(told), count);
    fill(record, told);
    for (int i = 1; i <= count; i++) {
        if (!told->at[i]) continue;
        lua_pushvalue(L, told->at[i]);
        (void)lua_setiuservalue(L, -2, i);
    }
    lua_rawseti(L, -2, 1);
    sut_slot_here(L, SUT_SLOT_EVENT);
    lua_setmetatable(L, -2);
}

/* Pushes the record of the event at the index; NULL, with something pushed, when it has none. */
static const struct record *push_record(lua_State *L, int event) {
    const struct record *record = NULL;
    if (lua_rawgeti(L, event, 1) == LUA_TUSERDATA && lua_rawlen(L, -1) >= sizeof *record)
        record = lua_touserdata(L, -1);
    return record && record->mark == &mark ? record : NULL;
}

/* ---- one field: the record's userdata is on the top, where it stays ---- */

static void push_span(lua_State *L, const struct record *record, struct span span) {
    if (span.at)
        lua_pushlstring(L, (const char *)record + span.at, span.length);
    else
        lua_pushnil(L);
}

static void push_text(lua_State *L, const struct record *record, int which) {
    if (which == SUT_TEXT_ERROR_MSG)
        (void)lua_getiuservalue(L, -1, SUT_VALUE_ERROR_MSG);
    else
        push_span(L, record, record->text[which]);
}

void sut_push_number(lua_State *L, enum sut_number which, double value) {
    if (which == SUT_NUMBER_IN_A_ROW)
        lua_pushinteger(L, (lua_Integer)value);
    else
        lua_pushnumber(L, value);
}

static void push_number(lua_State *L, const struct record *record, int which) {
    if (record->facts.has_number & 1U << which)
        sut_push_number(L, (enum sut_number)which, record->facts.number[which]);
    else
        lua_pushnil(L);
}

static void push_flag(lua_State *L, const struct record *record, int which) {
    if (record->facts.has_flag & 1U << which)
        lua_pushboolean(L, (int)(record->facts.flag & 1U << which));
    else
        lua_pushnil(L);
}

static void push_token(lua_State *L, const struct record *record) {
    const struct sut_lua_supervisor *sup;
    if (!record->id.value) {
        lua_pushnil(L);
        return;
    }
    (void)lua_getiuservalue(L, -1, SUT_VALUE_SUPERVISOR);
    sup = sut_to_supervisor(L, -1);
    push_span(L, record, record->text[SUT_TEXT_PATH]);
    sut_push_told_token(L, sup, record->id);
    lua_replace(L, -3);
    lua_pop(L, 1);
}

/* Text or frames, which are the same ones from now on. */
static void push_of_trace(lua_State *L, const struct record *record, enum sut_value value) {
    const struct sut_trace *trace = (const void *)((const char *)record + record->trace);
    char text[SUT_TRACE_MAX];
    (void)lua_getiuservalue(L, -1, (int)value);
    if (!record->trace || !lua_isnil(L, -1)) return;
    lua_pop(L, 1);
    if (value == SUT_VALUE_STACKTRACE)
        lua_pushlstring(L, text, sut_trace_text(trace, text, sizeof text));
    else
        sut_trace_push_frames(L, trace);
    lua_pushvalue(L, -1);
    (void)lua_setiuservalue(L, -3, (int)value);
}

static void push_special(lua_State *L, const struct record *record, int which) {
    switch (which) {
    case TYPE:
        lua_pushstring(L, sut_event_name(record->facts.type));
        break;
    case SEQ:
        lua_pushinteger(L, (lua_Integer)record->facts.seq);
        break;
    case RUN:
        if (record->facts.run)
            lua_pushinteger(L, record->facts.run);
        else
            lua_pushnil(L);
        break;
    case TOKEN:
        push_token(L, record);
        break;
    case SUPERVISOR_NAME:
        push_span(L, record, record->supervisor_name);
        break;
    case PANIC_MSG:
        if (record->facts.type == SUT_EVENT_SERVICE_PANIC)
            (void)lua_getiuservalue(L, -1, SUT_VALUE_ERROR_MSG);
        else
            lua_pushnil(L);
        break;
    case STACKTRACE:
        push_of_trace(L, record, SUT_VALUE_STACKTRACE);
        break;
    default:
        push_of_trace(L, record, SUT_VALUE_FRAMES);
    }
}

/* Pushes the field, nil when the event has none such. */
static void push_field(lua_State *L, const struct record *record, int kind, int which) {
    switch (kind) {
    case TEXT:
        push_text(L, record, which);
        break;
    case NUMBER:
        push_number(L, record, which);
        break;
    case FLAG:
        push_flag(L, record, which);
        break;
    case VALUE:
        (void)lua_getiuservalue(L, -1, which);
        break;
    default:
        push_special(L, record, which);
    }
}

/* ---- the whole ---- */

/* What the event says by itself, under the name, rules. The record is on the top. */
static void settle(lua_State *L, int event, const struct record *record, int kind, int which) {
    const char *name = kinds[kind].names[which];
    if (!name) return;
    lua_pushstring(L, name);
    if (lua_rawget(L, event) == LUA_TNIL) {
        lua_pop(L, 1);
        push_field(L, record, kind, which);
        lua_pushstring(L, name);
        lua_insert(L, -2);
        lua_rawset(L, event);
    } else {
        lua_pop(L, 1);
    }
}

/* Makes the event at the index a plain table. */
static void complete(lua_State *L, int event) {
    const struct record *record;
    luaL_checkstack(L, LUA_MINSTACK, "event");
    record = push_record(L, event);
    if (record) {
        for (int kind = 0; kind < KINDS; kind++)
            for (int which = 0; which < kinds[kind].count; which++)
                settle(L, event, record, kind, which);
        lua_pushnil(L);
        lua_rawseti(L, event, 1);
    }
    lua_pop(L, 1);
}

int sut_event_complete(lua_State *L) {
    lua_settop(L, 1);
    if (!lua_istable(L, 1) || !lua_getmetatable(L, 1)) return 0;
    sut_slot_here(L, SUT_SLOT_EVENT);
    if (lua_rawequal(L, -1, -2)) complete(L, 1);
    return 0;
}

/* ---- the metatable: upvalue 1 has the fields by name, and the methods ---- */

static int event_index(lua_State *L) {
    const struct record *record;
    lua_Integer field;
    lua_settop(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNUMBER) return 1;
    field = lua_tointeger(L, 2);
    if (!lua_istable(L, 1) || !(record = push_record(L, 1))) return 0;
    push_field(L, record, (int)(field >> KIND_SHIFT), (int)(field & ((1 << KIND_SHIFT) - 1)));
    return 1;
}

static int event_newindex(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 3);
    complete(L, 1);
    lua_rawset(L, 1);
    return 0;
}

static int next_field(lua_State *L) {
    lua_settop(L, 2);
    return lua_next(L, 1) ? 2 : 0;
}

static int event_pairs(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    complete(L, 1);
    lua_pushcfunction(L, next_field);
    lua_insert(L, 1);
    lua_pushnil(L);
    return 3;
}

static void push_names(lua_State *L) {
    lua_newtable(L);
    for (int kind = 0; kind < KINDS; kind++) {
        for (int which = 0; which < kinds[kind].count; which++) {
            if (!kinds[kind].names[which]) continue;
            lua_pushinteger(L, kind << KIND_SHIFT | which);
            lua_setfield(L, -2, kinds[kind].names[which]);
        }
    }
}

/* The methods are in the field __index. */
void sut_open_event(lua_State *L, int metatable) {
    push_names(L);
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
