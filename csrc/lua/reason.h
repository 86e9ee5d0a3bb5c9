/* SPDX-License-Identifier: MIT
 *
 * What a supervisor ends with, when one of its children is why: the errors that name the child and
 * have its failure for their cause.
 */
#ifndef SUT_LUA_REASON_H
#define SUT_LUA_REASON_H

#include "lua/supervisor.h"

/* Pushes the error of a run that was not ready: SUT_END_LATE or SUT_END_UNREADY. May raise for
 * memory. */
void sut_push_unready(lua_State *L, const struct sut_service *service, enum sut_end end);

/* Pushes the message of an odd end of the service; NULL when that is not known any more, and then
 * there are no numbers in it. May raise for memory. */
void sut_push_odd(lua_State *L, const struct sut_lua_service *service, int odd);

/* Pushes in words why a supervisor gives up: a failed start, or more than it tolerates, in a window
 * of that length or, if that is 0, in pauses. May raise for memory. */
void sut_push_escalation(lua_State *L, enum sut_end end, uint32_t tolerated, int64_t period_ns);

/* Keeps in the uservalue of the supervisor that the child did not start. Without memory the bare
 * ERR_START_FAILED is kept. Runs no user code, never raises. */
void sut_keep_start_failure(struct sut_supervisor *core, struct sut_service *service,
                            enum sut_end end);

#endif
