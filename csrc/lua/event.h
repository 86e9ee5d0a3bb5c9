/* SPDX-License-Identifier: MIT
 *
 * The event as a hook gets it: a table whose fields are made when they are read.
 *
 * Until then the table has what they are made of in its array part, by enum sut_field, and its
 * metatable finds a field by its name. To go through all fields, or to change one, makes it a plain
 * table with the fields in it, for ever; and so does `tostring`. A field never depends on when it
 * is read: whatever may change later is put in when the event is told.
 *
 * Knows what the fields are called and how they are kept; not what they say.
 */
#ifndef SUT_LUA_EVENT_H
#define SUT_LUA_EVENT_H

#include "lua/trace.h"

/* In the order of how many types of event have them, for the array is made as long as needed. */
enum sut_field {
    SUT_FIELD_TYPE = 1, /* kept as enum sut_event_type */
    SUT_FIELD_TIME,
    SUT_FIELD_WALL,
    SUT_FIELD_SEQ,
    SUT_FIELD_SUPERVISOR,
    SUT_FIELD_SUPERVISOR_NAME,
    SUT_FIELD_PATH,
    SUT_FIELD_BECAUSE_OF,
    SUT_FIELD_REASON,
    SUT_FIELD_SERVICE,
    SUT_FIELD_SERVICE_NAME,
    SUT_FIELD_TOKEN, /* kept as sut_id.value */
    SUT_FIELD_RUN,
    SUT_FIELD_CURRENT_FAILURES,
    SUT_FIELD_FAILURE_THRESHOLD,
    SUT_FIELD_RESTARTING,
    SUT_FIELD_STOPPING,
    SUT_FIELD_ERROR,
    SUT_FIELD_ERROR_MSG,
    SUT_FIELD_PANIC_MSG,
    SUT_FIELD_TRACE, /* of no name: what `stacktrace` and `frames` are made of */
    SUT_FIELD_STACKTRACE,
    SUT_FIELD_FRAMES,
    SUT_FIELD_QUEUED,
    SUT_FIELD_DELAY,
    SUT_FIELD_KILLED,
    SUT_FIELD_WAITING_FOR,
    SUT_FIELD_DURATION,
    SUT_FIELD_IN_A_ROW,
    SUT_FIELD_ACTION,
    SUT_FIELD_HISTORY,
    SUT_FIELDS
};

/* Pushes an event without fields, with room for those up to `last`. May raise for memory. */
void sut_event_new(lua_State *L, enum sut_field last);

/* Pops a value into a field of the event at the index, as it is kept. May raise for memory. */
static inline void sut_event_set(lua_State *L, int event, enum sut_field field) {
    lua_rawseti(L, event, field);
}

/* Keeps a copy of the trace for the fields `stacktrace` and `frames`. May raise for memory. */
void sut_event_set_trace(lua_State *L, int event, const struct sut_trace *trace);

/* "type", "time", ...; NULL for one without a name. */
const char *sut_field_name(enum sut_field field);

/* Completes the metatable of events at the index, and keeps it. */
void sut_open_event(lua_State *L, int metatable);

/* Module function: complete_event(e) makes it a plain table; of any other value nothing. */
int sut_event_complete(lua_State *L);

#endif
