/* SPDX-License-Identifier: MIT
 *
 * The event as a hook gets it: a table whose fields are made when they are read.
 *
 * Until then the table holds one userdata, a record of all that the event says, and its metatable
 * finds a field there by its name. To go through all fields, or to change one, or `tostring`, makes
 * it a plain table, for ever. A field never depends on when it is read: whatever may change later
 * is in the record.
 *
 * Knows what the fields are called and how they are kept; not what they say.
 */
#ifndef SUT_LUA_EVENT_H
#define SUT_LUA_EVENT_H

#include "core/history.h"
#include "core/slot.h"
#include "lua/trace.h"

/* Values of Lua that an event has. */
enum sut_value {
    SUT_VALUE_SUPERVISOR = 1,
    SUT_VALUE_SERVICE,
    SUT_VALUE_ERROR,
    SUT_VALUE_ERROR_MSG,
    SUT_VALUE_STACKTRACE, /* of one that has a trace, once it was read */
    SUT_VALUE_FRAMES,     /* likewise */
    SUT_VALUE_HISTORY,
    SUT_VALUES
};

/* What an event says. */
struct sut_told {
    struct sut_notes notes; /* what its supervisor's history keeps too */
    const char *supervisor_name;
    size_t supervisor_name_length;
    struct sut_id id;              /* of the service, or none */
    const struct sut_trace *trace; /* for the fields `stacktrace` and `frames`, or NULL */
    int at[SUT_VALUES];            /* where the values lie on the stack; 0: none */
};

/* Pushes the event. May raise for memory. For a function that has the state's structure as upvalue
 * 1. */
void sut_push_event(lua_State *L, const struct sut_told *told);

/* The names of what a history keeps, in an event and in its entries. */
const char *sut_text_name(enum sut_text text);
const char *sut_number_name(enum sut_number number);
const char *sut_flag_name(enum sut_flag flag);

/* Pushes a number as the field of that name has it. */
void sut_push_number(lua_State *L, enum sut_number which, double value);

/* Completes the metatable of events at the index, and keeps it. */
void sut_open_event(lua_State *L, int metatable);

/* Module function: complete_event(e) makes it a plain table; of any other value nothing. */
int sut_event_complete(lua_State *L);

#endif
