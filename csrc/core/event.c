/* SPDX-License-Identifier: MIT
 *
 * The queue of events and the pool of their records.
 */
#include "core/event.h"

#include "core/alloc.h"
#include "core/invariant.h"

#include <string.h>

/* Free records that a quiet tree keeps; none in the memory sweep, where each reservation shall be
 * able to fail. */
#ifdef SUT_UNPOOLED
enum { POOL_KEPT = 0 };
#else
enum { POOL_KEPT = 64 };
#endif

int sut_events_reserve(struct sut_events *events, uint32_t count) {
    while (events->free_count < count) {
        struct sut_event *event = sut_calloc(sizeof *event);
        if (!event) return -1;
        event->next = events->free;
        events->free = event;
        events->free_count++;
    }
    return 0;
}

struct sut_event *sut_events_emit(struct sut_events *events, enum sut_event_type type) {
    struct sut_event *event = events->free;
    SUT_INVARIANT(event != NULL, "an event was not reserved");
    events->free = event->next;
    events->free_count--;
    memset(event, 0, sizeof *event);
    event->seq = ++events->last_seq;
    event->type = (uint8_t)type;
    if (events->first)
        events->last->next = event;
    else
        events->first = event;
    events->last = event;
    return event;
}

void sut_events_done(struct sut_events *events) {
    struct sut_event *event = events->first;
    events->first = event->next;
    if (!events->first) events->last = NULL;
    if (events->free_count + 1 > POOL_KEPT) {
        sut_free(event);
        return;
    }
    event->next = events->free;
    events->free = event;
    events->free_count++;
}

static void free_chain(struct sut_event *event) {
    while (event) {
        struct sut_event *next = event->next;
        sut_free(event);
        event = next;
    }
}

void sut_events_free(struct sut_events *events) {
    free_chain(events->first);
    free_chain(events->free);
    memset(events, 0, sizeof *events);
}

const char *sut_event_name(enum sut_event_type type) {
    static const char *const names[SUT_EVENT_TYPES] = {
        [SUT_EVENT_SERVICE_PANIC] = "service_panic",
        [SUT_EVENT_SERVICE_TERMINATE] = "service_terminate",
        [SUT_EVENT_BACKOFF] = "backoff",
        [SUT_EVENT_RESUME] = "resume",
        [SUT_EVENT_STOP_TIMEOUT] = "stop_timeout",
        [SUT_EVENT_SERVICE_HOG] = "service_hog",
        [SUT_EVENT_ESCALATE] = "escalate",
        [SUT_EVENT_SERVICE_START] = "service_start",
        [SUT_EVENT_SERVICE_STOP] = "service_stop",
        [SUT_EVENT_SUPERVISOR_START] = "supervisor_start",
        [SUT_EVENT_SUPERVISOR_STOP] = "supervisor_stop",
    };
    return names[type];
}

const char *sut_end_name(enum sut_end end) {
    static const char *const names[SUT_ENDS] = {
        [SUT_END_PLAIN] = "returned",
        [SUT_END_ERROR] = "error",
        [SUT_END_PANIC] = "panic",
        [SUT_END_DO_NOT_RESTART] = "do not restart",
        [SUT_END_TERMINATE_TREE] = "terminate tree",
        [SUT_END_CANCELED] = "stopped",
        [SUT_END_UNREADY] = "returned before it was ready",
        [SUT_END_LATE] = "not ready in time",
        [SUT_END_GAVE_UP] = "gave up",
        [SUT_END_START_FAILED] = "start failed",
    };
    return names[end];
}
