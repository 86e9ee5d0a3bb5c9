/* SPDX-License-Identifier: MIT
 *
 * A service that keeps the thread for longer than its slice: what is known of it, and what is told.
 */
#ifndef SUT_LUA_HOG_H
#define SUT_LUA_HOG_H

#include "lua/deliver.h"
#include "lua/preempt.h"

/* What the event of an overrun carries (sut_detail.block). */
struct sut_hog {
    struct sut_trace trace;
    int64_t ran_ns;
    uint32_t in_a_row; /* overruns without a wait in between */
    uint8_t action;    /* enum sut_hog_action */
    bool has_trace;
};

/* Names whoever runs for the watchdog. Async-signal-safe, on the loop's thread. */
void sut_hog_suspect(struct sut_lua *self);

/* Emits service_hog with the stack where it runs: at the 1st, 2nd, 4th, 8th, ... overrun in a row.
 * Without memory it is only counted. Never raises. */
void sut_hog_tell(struct sut_lua_service *service, enum sut_hog_action action, int64_t ran_ns);

/* It is made to give way: no wait, so that its next overrun is another in a row. Never raises. */
void sut_hog_preempted(struct sut_lua_service *service);

/* It has overrun its slice and then given way by itself, before anything could be done. */
void sut_hog_gave_way(struct sut_lua_service *service, int64_t ran_ns);

/* The time that a service has to stop may have passed while it kept the thread: then that counts
 * now. Never raises. */
void sut_hog_expire(struct sut_lua_service *service);

/* How long it kept the thread in one piece in its latest resume, when it could not be preempted; 0
 * when it could. */
int64_t sut_hog_blocked(const struct sut_lua_service *service);

/* Time in coarse grains that has passed while the service ran. Never raises. */
void sut_hog_charge(struct sut_lua_service *service, int64_t ran_ns);

/* The fields of service_hog. May raise for memory. */
void sut_tell_hog_event(lua_State *L, const struct sut_delivery *to);

#endif
