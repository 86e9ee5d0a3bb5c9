/* SPDX-License-Identifier: MIT
 *
 * The flight recorder of a supervisor as an array of tables in the words of its events.
 */
#ifndef SUT_LUA_HISTORY_H
#define SUT_LUA_HISTORY_H

#include "lua/supervisor.h"

/* Pushes the entries, the oldest first. May raise for memory. */
void sut_push_history(lua_State *L, const struct sut_lua_supervisor *sup);

#endif
