/* SPDX-License-Identifier: MIT
 *
 * What has happened, in order: records from a pool, in one queue for the whole tree.
 *
 * A step of the tree takes records but never allocates: whoever makes a step reserves first, so an
 * event cannot be lost for lack of memory. The sequence number is given at emission. Knows nothing
 * of who will read the event; `detail` is the host's.
 */
#ifndef SUT_CORE_EVENT_H
#define SUT_CORE_EVENT_H

#include "core/slot.h"

#include <stdbool.h>
#include <stdint.h>

struct sut_service;
struct sut_supervisor;

enum sut_event_type {
    SUT_EVENT_SERVICE_PANIC,
    SUT_EVENT_SERVICE_TERMINATE,
    SUT_EVENT_BACKOFF,
    SUT_EVENT_RESUME,
    SUT_EVENT_STOP_TIMEOUT,
    SUT_EVENT_SERVICE_HOG,
    SUT_EVENT_ESCALATE,
    SUT_EVENT_SERVICE_START,
    SUT_EVENT_SERVICE_STOP,
    SUT_EVENT_SUPERVISOR_START,
    SUT_EVENT_SUPERVISOR_STOP,
    SUT_EVENT_TYPES
};

/* How a run of a service ended. */
enum sut_end {
    SUT_END_PLAIN,          /* it returned, without an error */
    SUT_END_ERROR,          /* it returned an error */
    SUT_END_PANIC,          /* it raised */
    SUT_END_DO_NOT_RESTART, /* it asked to be forgotten */
    SUT_END_TERMINATE_TREE, /* it asked for the end of its supervisor's tree */
    SUT_END_CANCELED,       /* it gave in to being stopped, or was closed by force */
    SUT_END_UNREADY,        /* it returned before it was ready */
    SUT_END_LATE,           /* its time to get ready has passed; it still lives */
    SUT_END_GAVE_UP,        /* a supervisor with too many failures */
    SUT_END_START_FAILED,   /* a supervisor of which a child did not start at first */
    SUT_ENDS
};

/* What the host wants to find again when it delivers the event of an end. All zero: nothing. */
struct sut_detail {
    void *block;
    int ref;
};

struct sut_event {
    struct sut_event *next;
    uint64_t seq;
    int64_t time_ns;
    struct sut_supervisor *supervisor;
    struct sut_service *service; /* NULL for an event of the supervisor alone */
    struct sut_id cause;         /* on whose account; none: nobody in the tree */
    double score;
    double limit; /* that the score is held against, then; when it gives up, what it tolerates */
    int64_t delay_ns; /* of a pause or a child's own, without jitter at first; of a spacing, or of
                       * the window by which it gives up */
    uint32_t run;
    uint8_t type;
    uint8_t end; /* enum sut_end */
    bool restarting;
    bool stopping;
    bool killed;
    bool puts_off;  /* of an end: the restart comes after the child's own delay */
    bool queued;    /* of an end: the restart comes after the pause */
    bool has_delay; /* the host has applied the jitter */
    struct sut_detail detail;
};

struct sut_events {
    struct sut_event *first;
    struct sut_event *last;
    struct sut_event *free;
    uint32_t free_count;
    uint64_t last_seq;
};

/* Makes sure that `count` records are free. Returns 0, or -1 without memory, and then nothing is
 * lost. */
int sut_events_reserve(struct sut_events *events, uint32_t count);

/* Takes a reserved record to the end of the queue, zeroed but for seq and type. Cannot fail. */
struct sut_event *sut_events_emit(struct sut_events *events, enum sut_event_type type);

/* Gives the first event's record back after its delivery. Cannot fail. */
void sut_events_done(struct sut_events *events);

/* Frees every record. Cannot fail. */
void sut_events_free(struct sut_events *events);

/* "service_panic", ... */
const char *sut_event_name(enum sut_event_type type);

/* "returned", "error", "panic", ...: the reason of an end in words. */
const char *sut_end_name(enum sut_end end);

#endif
