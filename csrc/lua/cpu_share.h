/* SPDX-License-Identifier: MIT
 *
 * `cpu_share`: the part of the processor that a service may use while others are ready, over a
 * sliding second. Only services that have one pay for the clock. Whoever has used its part is
 * passed over in the run queue, until a sixteenth of a second in which it ran has left the window,
 * or until nobody but such services is ready. Ours.
 */
#ifndef SUT_LUA_CPU_SHARE_H
#define SUT_LUA_CPU_SHARE_H

#include "lua/service.h"

enum { SUT_CPU_SHARE_SLOTS = 16 };

struct sut_cpu_share {
    struct sut_lua_runtime *rt;
    int64_t part_ns; /* of a second */
    int64_t slot;    /* the number of the newest slot: time divided by its length */
    int64_t spent_ns[SUT_CPU_SHARE_SLOTS];
    int64_t began_ns; /* of the resume under way */
};

/* Gives a service that is about to be added a share, more than 0 and at most 1. False without
 * memory. */
bool sut_cpu_share_give(struct sut_lua_service *service, struct sut_lua_runtime *rt, double part);

/* The service is freed. */
void sut_cpu_share_drop(struct sut_cpu_share *share);

/* True when it is passed over now, and has been put to the end of the run queue. Else its resume
 * begins. To be called for services that have a share. */
bool sut_cpu_share_passes_over(struct sut_lua_service *service);

/* The resume is over. The service may have ended. */
void sut_cpu_share_spend(struct sut_lua_service *service);

/* True when what it runs over is only its share, and not the slice of the runtime. */
bool sut_cpu_share_only(const struct sut_lua_service *service, int64_t ran_ns);

#endif
