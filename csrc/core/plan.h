/* SPDX-License-Identifier: MIT
 *
 * What would follow from the end of a service: a dry run of the core on a copy of the whole tree,
 * in time of its own, until nothing is due any more. The tree itself is not changed in any bit.
 *
 * In the dry run whatever is asked to stop obeys at once, what starts is ready at once and never
 * fails, and delays have no jitter. What was on its way when it began goes on likewise: what stops
 * ends, what starts begins, pauses end. Only what has overrun its time and may not be killed
 * (abandoned) goes on living.
 */
#ifndef SUT_CORE_PLAN_H
#define SUT_CORE_PLAN_H

#include "core/supervisor.h"

enum sut_plan_kind {
    SUT_PLAN_STOP,  /* a child is asked to stop, or a start of before is taken back */
    SUT_PLAN_START, /* a child begins a run */
    SUT_PLAN_EVENT  /* an event is emitted */
};

/* All pointers are to the tree itself. */
struct sut_plan_step {
    const struct sut_supervisor *supervisor;
    const struct sut_service *service; /* NULL for an event of the supervisor alone */
    int64_t at_ns;                     /* from the beginning of the plan */
    int64_t delay_ns;                  /* of an event, as in sut_event */
    uint8_t kind;                      /* enum sut_plan_kind */
    uint8_t type;                      /* of an event, as in sut_event; so are the others */
    uint8_t end;
    bool restarting;
    bool stopping;
    bool killed;
    bool puts_off;
    bool queued;
};

struct sut_plan {
    struct sut_plan_step *steps; /* in order */
    uint32_t count;
    uint32_t capacity;
};

/* Plans what would follow if the service ended like that at `now_ns`; of a child supervisor, if it
 * ended by itself. One that is about to start begins first. Returns SUT_OK, and the plan is to be
 * freed; SUT_ENOTRUNNING for a service that does not live; SUT_ENOMEM. */
int sut_plan_make(struct sut_plan *plan, const struct sut_service *service, enum sut_end end,
                  int64_t now_ns);

/* Frees the steps; harmless after a failure. Cannot fail. */
void sut_plan_free(struct sut_plan *plan);

#endif
