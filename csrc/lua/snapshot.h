/* SPDX-License-Identifier: MIT
 *
 * What a dump reads besides records: which supervisors are served, and the stack of each service.
 */
#ifndef SUT_LUA_SNAPSHOT_H
#define SUT_LUA_SNAPSHOT_H

#include "lua/supervisor.h"

/* core.roots([rt]): an array of the root supervisors that are served, or of which something still
 * lives, in the order of their making; of the runtime that runs the caller, else of the default. */
int sut_roots(lua_State *L);

/* core.snapshot(sup), csrc/lua/record.c: as sup:tree(), with the stacks. */
int sut_snapshot(lua_State *L);

/* Sets `stacktrace` in the record on the top, of a service whose coroutine lives. May raise for
 * memory. */
void sut_set_stack(lua_State *L, struct sut_service *core);

#endif
