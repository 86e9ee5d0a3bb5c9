/* SPDX-License-Identifier: MIT
 *
 * The life of one service, as a table of states and inputs (docs/state.md prints it).
 *
 * A service is a child of one supervisor: a body that the host runs, or a whole child supervisor.
 * The host allocates the structure (its own around it) and gets it back through the tree's list of
 * released services. The table decides; what it wants done is a call of the host (start, cancel) or
 * a place in a list of the tree (kill, release), so that no user code runs inside a step.
 *
 * Invariants: `stop` is meaningful only in the state STOPPING and `work` only outside it. A service
 * is counted in its supervisor's `living` in the states STARTING to KILLING. An abandoned one has
 * overrun its time, may not be killed, and still lives.
 */
#ifndef SUT_CORE_SERVICE_H
#define SUT_CORE_SERVICE_H

#include "core/deadline.h"
#include "core/event.h"
#include "core/list.h"
#include "core/name.h"
#include "core/slot.h"

enum sut_state {
    SUT_STATE_IDLE,      /* not started, or ended and kept */
    SUT_STATE_QUEUED,    /* failed; waits for the end of its supervisor's pause */
    SUT_STATE_STARTING,  /* in the run queue, not resumed yet */
    SUT_STATE_RUNNING,   /* its body has begun */
    SUT_STATE_STOPPING,  /* asked to stop, within its time */
    SUT_STATE_KILLING,   /* over its time; will be closed by force before anything else runs */
    SUT_STATE_ABANDONED, /* over its time, not to be killed, still alive */
    SUT_STATES
};

enum sut_input {
    SUT_INPUT_START,    /* begin a run */
    SUT_INPUT_RAN,      /* its body is about to be resumed for the first time */
    SUT_INPUT_STOP,     /* end the run on purpose, and then what `after` says */
    SUT_INPUT_GAVE_WAY, /* it was resumed after being asked to stop, and waits again */
    SUT_INPUT_EXPIRE,   /* its time to stop has passed */
    SUT_INPUT_END,      /* the run has ended */
    SUT_INPUTS
};

/* What becomes of a service after a stop on purpose. */
enum sut_after { SUT_AFTER_KEEP, SUT_AFTER_RESTART, SUT_AFTER_FORGET };

/* How long a service may take to stop. */
enum sut_shutdown {
    SUT_SHUTDOWN_DEFAULT, /* the supervisor's timeout; a child supervisor: what its subtree needs */
    SUT_SHUTDOWN_TIME,    /* shutdown_ms */
    SUT_SHUTDOWN_INFINITY, /* as long as it wants */
    SUT_SHUTDOWN_KILL      /* closed at once, which is no timeout */
};

struct sut_cue {
    enum sut_input input;
    enum sut_after after;     /* of STOP */
    enum sut_end end;         /* of END */
    struct sut_detail detail; /* of END */
};

struct sut_service {
    struct sut_list sibling; /* in its supervisor's children, in start order, or among its ghosts */
    union {
        struct sut_list work;     /* in a queue of restarts, or the tree's kills or released */
        struct sut_deadline stop; /* armed while STOPPING */
    } u;
    struct sut_name name;
    struct sut_supervisor *parent;
    struct sut_supervisor *child; /* the supervisor that is run here, or NULL for a body */
    struct sut_id id;
    int64_t started_ns;
    uint32_t shutdown_ms; /* of SUT_SHUTDOWN_TIME */
    uint32_t run;         /* 1 in the first run, 0 before it */
    uint32_t failures;
    uint32_t overran; /* number of the tree's latest stop when it overran its time, or 0 */
    uint8_t state;    /* enum sut_state */
    uint8_t after;    /* enum sut_after, while it is asked to stop */
    uint8_t shutdown; /* enum sut_shutdown */
    bool kill : 1;    /* may be closed by force */
    bool asked : 1;   /* asked to stop, and its resume for that is still to come */
    bool overdue : 1; /* its time passed before that resume */
    bool ghost : 1;   /* forgotten, and kept for a report: what may still ask for its path */
};

/* Sets what a new service must have, killed when over its time and with the default shutdown. The
 * text of its name, `length` bytes and a NUL, lies where sut_host.text_at says. Cannot fail. */
void sut_service_init(struct sut_service *service, uint32_t length);

/* The name of a service that has been added. */
const char *sut_service_text(const struct sut_service *service);

/* Feeds one input to the life table. Events it may cause must be reserved. Cannot fail. */
void sut_service_input(struct sut_service *service, struct sut_cue cue);

/* Shorthands for inputs without more. */
void sut_service_start(struct sut_service *service);
void sut_service_ran(struct sut_service *service);
void sut_service_gave_way(struct sut_service *service);
void sut_service_stop(struct sut_service *service, enum sut_after after);
void sut_service_ended(struct sut_service *service, enum sut_end end, struct sut_detail detail);

/* Begins a run without going down into a child supervisor: for the walk that begins a subtree. */
void sut_service_enter_run(struct sut_service *service);

/* Puts a failed service at the end of its supervisor's queue of restarts. */
void sut_service_enter_queue(struct sut_service *service);

/* Closed by force at once, without a stop_timeout: a running one is asked and put to be killed. */
void sut_service_kill(struct sut_service *service);

/* True while a run of it exists, abandoned ones included. */
bool sut_service_lives(const struct sut_service *service);

/* The word of the contract for its state: "running", "queued", ... */
const char *sut_service_state_name(const struct sut_service *service);

/* The names of the table's rows, columns and cells, for the printed table. */
const char *sut_state_row(enum sut_state state);
const char *sut_input_column(enum sut_input input);
const char *sut_life_cell(enum sut_state state, enum sut_input input);

#endif
