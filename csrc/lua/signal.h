/* SPDX-License-Identifier: MIT
 *
 * Signals for users: contexts that end at one, and functions that are called for each.
 */
#ifndef SUT_LUA_SIGNAL_H
#define SUT_LUA_SIGNAL_H

#include "lua/runtime.h"

#define SUT_SIGNAL_TYPE "sutura.signal"

/* Module functions (upvalue 1 the state): signal_context(names), on_signal(names, fn) and
 * signal_default(name). */
int sut_signals_context(lua_State *L);
int sut_signals_on(lua_State *L);
int sut_signals_default(lua_State *L);

/* Makes the metatable of what on_signal returns; the sut_lua userdata is on the top and stays. */
void sut_open_signal(lua_State *L);

#endif
