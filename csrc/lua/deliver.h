/* SPDX-License-Identifier: MIT
 *
 * From a record of the core to the table that a hook reads: what deliver.c and ending.c share.
 */
#ifndef SUT_LUA_DELIVER_H
#define SUT_LUA_DELIVER_H

#include "lua/event.h"
#include "lua/supervisor.h"

struct sut_delivery {
    struct sut_event *event;
    struct sut_lua_supervisor *sup;
    struct sut_lua_service *service; /* NULL for an event of the supervisor alone */
    struct sut_lua_runtime *rt;
    struct sut_notes *notes; /* what its history keeps of it */
    bool complete;
};

/* Stack of `deliver`: the delivery, the event's table, the supervisor, its bodies. */
enum { SUT_AT_EVENT = 2, SUT_AT_SUPERVISOR, SUT_AT_BODIES };

/* Pops a value into a field of the event. May raise for memory. What the history keeps too is set
 * by the calls of csrc/lua/history.h. */
void sut_set(lua_State *L, enum sut_field field);

/* The fields of service_panic and service_terminate: error, texts, trace, frames. */
void sut_set_end(lua_State *L, const struct sut_delivery *to);

/* Takes where the service stands now, for its next stop_timeout. Without memory nothing is taken.
 */
void sut_stuck_take(struct sut_lua_service *service);

/* The fields of stop_timeout: where it hangs, unless that was taken before. */
void sut_set_stuck(lua_State *L, const struct sut_delivery *to);

/* The fields of escalate: reason, error, text, history. */
void sut_set_escalation(lua_State *L, const struct sut_delivery *to);

#endif
