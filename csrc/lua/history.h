/* SPDX-License-Identifier: MIT
 *
 * Between the tables of events and the flight recorder of the core: what is told is noted field by
 * field while an event's table is made, so that an entry says what the hook was told; and an entry
 * becomes a table with the metatable of events again.
 */
#ifndef SUT_LUA_HISTORY_H
#define SUT_LUA_HISTORY_H

#include "lua/deliver.h"

/* Set a field of the event's table, and note it: to the text on the top, which is popped (nil:
 * there is none), or to a value. May raise for memory, as sut_set. */
void sut_tell_text(lua_State *L, const struct sut_delivery *to, enum sut_text which);
void sut_tell_number(lua_State *L, const struct sut_delivery *to, enum sut_number which,
                     double value);
void sut_tell_flag(lua_State *L, const struct sut_delivery *to, enum sut_flag which, bool value);

/* Enters the event, whose table is complete, in the history of its supervisor. Cannot fail. */
void sut_tell_history(const struct sut_delivery *to);

/* Sets the field `history` of an escalate event: what was told before it. May raise for memory. */
void sut_set_history(lua_State *L, const struct sut_delivery *to);

#endif
