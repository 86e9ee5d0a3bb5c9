/* SPDX-License-Identifier: MIT
 *
 * The tables that the entries of the flight recorder become.
 */
#include "lua/history.h"

#include "lua/event.h"

#include <string.h>

/* ---- to Lua: fields of the table on the top ---- */

static void set_texts(lua_State *L, const struct sut_entry *entry) {
    const char *text = entry->text;
    for (int i = 0; i < SUT_TEXTS; i++) {
        if (entry->length[i] == SUT_NO_TEXT) continue;
        lua_pushlstring(L, text, entry->length[i]);
        lua_setfield(L, -2, sut_text_name((enum sut_text)i));
        text += entry->length[i];
    }
}

static void set_facts(lua_State *L, const struct sut_facts *facts) {
    for (int i = 0; i < SUT_NUMBERS; i++) {
        if (!(facts->has_number & 1U << i)) continue;
        sut_push_number(L, (enum sut_number)i, facts->number[i]);
        lua_setfield(L, -2, sut_number_name((enum sut_number)i));
    }
    for (int i = 0; i < SUT_FLAGS; i++) {
        if (!(facts->has_flag & 1U << i)) continue;
        lua_pushboolean(L, (int)(facts->flag & 1U << i));
        lua_setfield(L, -2, sut_flag_name((enum sut_flag)i));
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
    lua_setfield(L, -2, sut_text_name(SUT_TEXT_PATH));
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

/* Counted from the latest one backwards: those are what an update in a
 * finalizer leaves. */
void sut_push_history(lua_State *L, const struct sut_lua_supervisor *sup) {
    const struct sut_history *history = &sup->history;
    lua_Integer at = 0;
    lua_createtable(L, history->count, 0);
    for (uint32_t left = history->count; left > 0; left--) {
        if (left > history->count) continue;
        push_entry(L, sup, history->count - left);
        lua_rawseti(L, -2, ++at);
    }
}

int sut_supervisor_history(lua_State *L) {
    const struct sut_lua_supervisor *sup = sut_check_supervisor(L, 1, "history");
    sut_push_history(L, sup);
    lua_pushinteger(L, (lua_Integer)sup->history.recorded - (lua_Integer)lua_rawlen(L, -1));
    return 2;
}
