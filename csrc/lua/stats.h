/* SPDX-License-Identifier: MIT
 *
 * rt:stats(): how a runtime is doing, in numbers.
 */
#ifndef SUT_LUA_STATS_H
#define SUT_LUA_STATS_H

#include <lua.h>

/* rt:stats([opts]) */
int sut_runtime_stats(lua_State *L);

#endif
