/* SPDX-License-Identifier: MIT
 *
 * The names of what the flight recorder keeps, and the tables that its entries become.
 */
#include "lua/history.h"

#include <string.h>

static const enum sut_field texts[SUT_TEXTS] = {
    [SUT_TEXT_PATH] = SUT_FIELD_PATH,
    [SUT_TEXT_SERVICE_NAME] = SUT_FIELD_SERVICE_NAME,
    [SUT_TEXT_ERROR_MSG] = SUT_FIELD_ERROR_MSG,
    [SUT_TEXT_REASON] = SUT_FIELD_REASON,
    [SUT_TEXT_WAITING_FOR] = SUT_FIELD_WAITING_FOR,
    [SUT_TEXT_ACTION] = SUT_FIELD_ACTION,
    [SUT_TEXT_BECAUSE_OF] = SUT_FIELD_BECAUSE_OF,
};

static const enum sut_field numbers[SUT_NUMBERS] = {
    [SUT_NUMBER_TIME] = SUT_FIELD_TIME,
    [SUT_NUMBER_WALL] = SUT_FIELD_WALL,
    [SUT_NUMBER_DELAY] = SUT_FIELD_DELAY,
    [SUT_NUMBER_CURRENT_FAILURES] = SUT_FIELD_CURRENT_FAILURES,
    [SUT_NUMBER_FAILURE_THRESHOLD] = SUT_FIELD_FAILURE_THRESHOLD,
    [SUT_NUMBER_DURATION] = SUT_FIELD_DURATION,
    [SUT_NUMBER_IN_A_ROW] = SUT_FIELD_IN_A_ROW,
};

static const enum sut_field flags[SUT_FLAGS] = {
    [SUT_FLAG_RESTARTING] = SUT_FIELD_RESTARTING,
    [SUT_FLAG_STOPPING] = SUT_FIELD_STOPPING,
    [SUT_FLAG_QUEUED] = SUT_FIELD_QUEUED,
    [SUT_FLAG_KILLED] = SUT_FIELD_KILLED,
};

static void push_number(lua_State *L, int which, double value) {
    if (which == SUT_NUMBER_IN_A_ROW)
        lua_pushinteger(L, (lua_Integer)value);
    else
        lua_pushnumber(L, value);
}

/* ---- from an event ---- */

void sut_tell_text(lua_State *L, const struct sut_delivery *to, enum sut_text which) {
    to->notes->text[which] = lua_tolstring(L, -1, &to->notes->length[which]);
    sut_set(L, texts[which]);
}

void sut_tell_number(lua_State *L, const struct sut_delivery *to, enum sut_number which,
                     double value) {
    sut_note_number(to->notes, which, value);
    push_number(L, which, value);
    sut_set(L, numbers[which]);
}

void sut_tell_flag(lua_State *L, const struct sut_delivery *to, enum sut_flag which, bool value) {
    sut_note_flag(to->notes, which, value);
    lua_pushboolean(L, value);
    sut_set(L, flags[which]);
}

void sut_tell_history(const struct sut_delivery *to) {
    to->notes->facts.seq = to->event->seq;
    to->notes->facts.type = to->event->type;
    to->notes->facts.run = to->service ? to->event->run : 0;
    sut_history_record(&to->sup->history, to->notes);
}

/* ---- to Lua: fields of the table on the top ---- */

static void set_texts(lua_State *L, const struct sut_entry *entry) {
    const char *text = entry->text;
    for (int i = 0; i < SUT_TEXTS; i++) {
        if (entry->length[i] == SUT_NO_TEXT) continue;
        lua_pushlstring(L, text, entry->length[i]);
        lua_setfield(L, -2, sut_field_name(texts[i]));
        text += entry->length[i];
    }
}

static void set_facts(lua_State *L, const struct sut_facts *facts) {
    for (int i = 0; i < SUT_NUMBERS; i++) {
        if (!(facts->has_number & 1U << i)) continue;
        push_number(L, i, facts->number[i]);
        lua_setfield(L, -2, sut_field_name(numbers[i]));
    }
    for (int i = 0; i < SUT_FLAGS; i++) {
        if (!(facts->has_flag & 1U << i)) continue;
        lua_pushboolean(L, (int)(facts->flag & 1U << i));
        lua_setfield(L, -2, sut_field_name(flags[i]));
    }
}

/* An entry that has lost its texts has the path of the supervisor at least. */
static void set_identity(lua_State *L, const struct sut_lua_supervisor *sup,
                         const struct sut_entry *entry) {
    lua_pushstring(L, sut_event_name(entry->facts.type));
    lua_setfield(L, -2, "type");
    lua_pushinteger(L, (lua_Integer)entry->facts.seq);
    lua_setfield(L, -2, "seq");
    if (entry->facts.run) {
        lua_pushinteger(L, entry->facts.run);
        lua_setfield(L, -2, "run");
    }
    if (entry->length[SUT_TEXT_PATH] != SUT_NO_TEXT) return;
    sut_push_path(L, &sup->core, NULL);
    lua_setfield(L, -2, sut_field_name(texts[SUT_TEXT_PATH]));
}

/* Pushes the table of an entry. Making it may collect garbage, and a finalizer may change what is
 * kept: so it is made of a copy. */
static void push_entry(lua_State *L, const struct sut_lua_supervisor *sup, uint32_t index) {
    struct sut_entry entry = *sut_history_at(&sup->history, index);
    char text[SUT_ENTRY_TEXT_MAX];
    size_t size = sut_entry_size(&entry);
    if (size > 0) memcpy(text, entry.text, size);
    entry.text = text;
    lua_createtable(L, 0, 14);
    set_identity(L, sup, &entry);
    set_texts(L, &entry);
    set_facts(L, &entry.facts);
    sut_slot_get(L, SUT_SLOT_EVENT);
    lua_setmetatable(L, -2);
}

/* Pushes the array of entries. Counted from the latest one backwards: those are what an update in a
 * finalizer leaves. */
static void push_history(lua_State *L, const struct sut_lua_supervisor *sup) {
    const struct sut_history *history = &sup->history;
    lua_Integer at = 0;
    lua_createtable(L, history->count, 0);
    for (uint32_t left = history->count; left > 0; left--) {
        if (left > history->count) continue;
        push_entry(L, sup, history->count - left);
        lua_rawseti(L, -2, ++at);
    }
}

void sut_set_history(lua_State *L, const struct sut_delivery *to) {
    push_history(L, to->sup);
    sut_set(L, SUT_FIELD_HISTORY);
}

int sut_supervisor_history(lua_State *L) {
    const struct sut_lua_supervisor *sup = sut_check_supervisor(L, 1, "history");
    push_history(L, sup);
    lua_pushinteger(L, (lua_Integer)sup->history.recorded - (lua_Integer)lua_rawlen(L, -1));
    return 2;
}
