/* SPDX-License-Identifier: MIT
 *
 * By which the token of a service is found again, as long as somebody has it: a weak table. Beside
 * it there is one of the paths of services that are gone, by their tokens.
 *
 * Lua makes a table smaller only when something is entered that finds no room. One that many tokens
 * have gone through, which nobody has kept, would stay as large as it ever was: so after a
 * collection what is left of them may move into a new one.
 */
#ifndef SUT_LUA_TOKEN_TABLE_H
#define SUT_LUA_TOKEN_TABLE_H

#include "lua/state.h"

/* Makes the tables; the state's structure is on the top and stays there. May raise for memory. */
void sut_open_token_table(lua_State *L);

/* Enters the token below the table on the top, which is popped, under the id that its service has,
 * or is going to have, in the runtime of that serial. May raise for memory. */
void sut_token_enter(lua_State *L, struct sut_lua *self, uint32_t runtime, struct sut_id id);

/* Pushes what has been entered under the id, nil when nobody has it any more. Never raises. */
void sut_token_entered(lua_State *L, uint32_t runtime, struct sut_id id);

#endif
