/* SPDX-License-Identifier: MIT
 *
 * The heartbeat that a service has promised: a beat at least every so often, from its first resume
 * on, until it is asked to stop or its run has ended.
 *
 * A beat only moves `due_ns`, which costs a look at the clock; the timer finds out when it fires.
 * A miss is judged at the timer's turn in the run queue, behind all that was ready before it, so
 * that nobody pays for a turn that he has not had: a beat at the very instant it is due is in time.
 * When the loop itself comes late, it goes round once more first, for what it may have kept waiting
 * outside.
 */
#ifndef SUT_LUA_HEARTBEAT_H
#define SUT_LUA_HEARTBEAT_H

#include "lua/service.h"

/* What a service that owes a beat has been granted since it was due. */
enum sut_grace { SUT_GRACE_NONE, SUT_GRACE_PASS, SUT_GRACE_TURN };

struct sut_heartbeat {
    struct sut_task timer; /* wake is a SUT_DEADLINE_HEARTBEAT */
    struct sut_lua_service *service;
    int64_t span_ns;  /* promised */
    int64_t due_ns;   /* of the next beat; SUT_NEVER while none is owed */
    uint32_t resumes; /* of the service, when it was granted a turn */
    uint8_t grace;    /* enum sut_grace */
};

/* The service promises a beat every `span_ns`. False without memory. */
bool sut_heartbeat_promise(struct sut_lua_service *service, int64_t span_ns);

/* What it has promised, or NULL. */
const struct sut_heartbeat *sut_heartbeat_of(const struct sut_lua_service *service);

/* Its run is about to be resumed for the first time: from now on it owes beats. Cannot fail. */
void sut_heartbeat_begin(struct sut_lua_service *service);

/* It owes no beat any more; harmless when it did not. Cannot fail. */
void sut_heartbeat_end(struct sut_lua_service *service);

/* The timer has fired; and then its turn in the run queue has come, where a miss ends the run. For
 * the runner, with events reserved for the latter. Never raise. */
void sut_heartbeat_expired(struct sut_task *timer);
void sut_heartbeat_judge(struct sut_task *timer);

#endif
