/* SPDX-License-Identifier: MIT
 *
 * The options of a child, from their normal form in Lua (lua/sutura/child_spec.lua) to the core's
 * fields.
 */
#ifndef SUT_LUA_OPTIONS_H
#define SUT_LUA_OPTIONS_H

#include "lua/supervisor.h"

/* True for the index of a table of options; 0 and that of nil stand for none. */
static inline bool sut_has_options(lua_State *L, int opts) {
    return opts != 0 && lua_istable(L, opts);
}

/* Raises for options that do not fit the supervisor: siblings that it does not have, significant
 * children that it would not look at. `opts` is the index of the table, or of nil. */
void sut_options_check(lua_State *L, const struct sut_lua_supervisor *sup, int opts);

/* Sets what the checked options say. False without memory. Does not raise. */
bool sut_options_read(lua_State *L, const struct sut_lua_supervisor *sup, int opts,
                      struct sut_service *service);

/* What becomes of it when it runs over its slice. Does not raise. */
enum sut_on_hog sut_options_on_hog(lua_State *L, int opts);

/* The part of the processor that it may use, or 0 for any. Does not raise. */
double sut_options_cpu_share(lua_State *L, int opts);

/* Nanoseconds of the heartbeat that the options promise; 0 for none. Does not raise. */
int64_t sut_options_heartbeat(lua_State *L, int opts);

/* Keeps the jitter of the child's own delay alive in the bodies on the top; returns its reference,
 * or LUA_NOREF when it has none. May raise for memory. */
int sut_options_keep_jitter(lua_State *L, int opts);

#endif
