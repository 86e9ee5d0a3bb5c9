/* SPDX-License-Identifier: MIT
 *
 * Causes by their paths: who calls, whom the id of a cause names, and what is kept of those that
 * have left the tree.
 */
#ifndef SUT_LUA_CAUSE_H
#define SUT_LUA_CAUSE_H

#include "lua/supervisor.h"

/* How many paths of causes that have left the tree a runtime keeps: of the latest ones. */
enum { SUT_DEPARTED = 256 };

struct sut_departed;

/* The id of the service that makes the call, in its own coroutine, one nested in that, or a helper:
 * none for everybody else. `target` is what the call is about, a service or NULL: it can keep the
 * id from here on. Raises without memory, and nothing is changed then; runs no user code. */
struct sut_id sut_caller_id(lua_State *L, const struct sut_lua_runtime *rt,
                            struct sut_service *target);

/* Pushes the path of a cause, as somebody in `sup` is told of it, or nil. May raise for memory. */
void sut_push_cause(lua_State *L, const struct sut_supervisor *sup, struct sut_id id);

/* The service is about to be released: if it, or who ended the supervisor in its place, is a cause,
 * then the path of that is kept. Never raises; without memory the path is lost. */
void sut_cause_outlives(struct sut_lua_runtime *rt, const struct sut_service *service);

/* Frees what is kept. Never raises. */
void sut_departed_free(struct sut_lua_runtime *rt);

#endif
