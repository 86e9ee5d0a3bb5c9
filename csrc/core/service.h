/* SPDX-License-Identifier: MIT
 *
 * The life of one service, as a table of states and inputs (docs/state.md prints it).
 *
 * A service is a child of one supervisor: a body that the host runs, or a whole child supervisor.
 * The host allocates the structure (its own around it) and gets it back through the tree's list of
 * released services. The table decides; what it wants done is a call of the host (start, cancel) or
 * a place in a list of the tree (kill, release), so that no user code runs inside a step.
 *
 * Invariants: `timer` is meaningful only in the states BACKING_OFF, UNREADY, STOPPING and DYING,
 * and `work` only outside them. A service is counted in its supervisor's `living` in the states
 * STARTING to KILLING, and in its `pending` in the states QUEUED to UNREADY. An abandoned one has
 * overrun its time, may not be killed, and still lives.
 */
#ifndef SUT_CORE_SERVICE_H
#define SUT_CORE_SERVICE_H

#include "core/backoff.h"
#include "core/deadline.h"
#include "core/event.h"
#include "core/list.h"
#include "core/name.h"
#include "core/slot.h"
#include "core/strategy.h"

/* In the order of a life: what is on its way to run, what runs, what is on its way out. */
enum sut_state {
    SUT_STATE_IDLE,        /* not started, or ended and kept */
    SUT_STATE_QUEUED,      /* failed; waits for the end of its supervisor's pause */
    SUT_STATE_BACKING_OFF, /* failed; waits for its own delay */
    SUT_STATE_WAITING,     /* for its turn to start: for siblings, or for its group to stop */
    SUT_STATE_STARTING,    /* in the run queue, not resumed yet */
    SUT_STATE_UNREADY,     /* its body has begun, and has not said that it is ready */
    SUT_STATE_RUNNING,     /* its body has begun, and is ready */
    SUT_STATE_STOPPING,    /* asked to stop, within its time */
    SUT_STATE_DYING,       /* over its time; an error is raised in it, and it has a last grace */
    SUT_STATE_KILLING,     /* over its time; will be closed by force before anything else runs */
    SUT_STATE_ABANDONED,   /* over its time, not to be killed, still alive */
    SUT_STATES
};

enum sut_input {
    SUT_INPUT_START,    /* begin a run */
    SUT_INPUT_RAN,      /* its body is about to be resumed for the first time */
    SUT_INPUT_READY,    /* its body says that it is ready; a supervisor: its children are */
    SUT_INPUT_STOP,     /* end the run on purpose, and then what `after` says */
    SUT_INPUT_GAVE_WAY, /* it was resumed after being asked to stop, and waits again */
    SUT_INPUT_EXPIRE,   /* its time to stop, to die, to be ready or to back off has passed */
    SUT_INPUT_END,      /* the run has ended */
    SUT_INPUTS
};

/* What becomes of a service after a stop on purpose. */
enum sut_after {
    SUT_AFTER_KEEP,
    SUT_AFTER_RESTART,
    SUT_AFTER_FORGET,   /* it was removed */
    SUT_AFTER_RETIRE,   /* a temporary one is over; its supervisor's next life may have it again */
    SUT_AFTER_QUEUE,    /* waits for the end of the pause */
    SUT_AFTER_BACK_OFF, /* waits for its own delay */
    SUT_AFTER_GROUP     /* waits for its group */
};

/* How long a service may take to stop. */
enum sut_shutdown {
    SUT_SHUTDOWN_DEFAULT, /* the supervisor's timeout; a child supervisor: what its subtree needs */
    SUT_SHUTDOWN_TIME,    /* options->shutdown_ms */
    SUT_SHUTDOWN_INFINITY, /* as long as it wants */
    SUT_SHUTDOWN_KILL      /* closed at once, which is no timeout */
};

/* Where the cause of a service's latest stop or restart is to be found. */
enum sut_blame {
    SUT_BLAME_ABOVE,  /* what concerns its whole supervisor: the begin of a life, or its end */
    SUT_BLAME_ITSELF, /* its own end, in time or late */
    SUT_BLAME_OTHER   /* options->cause: the sibling with which it restarts, or whose call on
                       * purpose it was; nobody where it has no options */
};

struct sut_cue {
    enum sut_input input;
    enum sut_after after;     /* of STOP */
    enum sut_end end;         /* of END */
    struct sut_detail detail; /* of END */
};

/* What few services have. The host's memory, which lives as long as the service. */
struct sut_options {
    int64_t start_timeout_ns;   /* from its first resume until it is ready; SUT_NEVER: none */
    struct sut_backoff backoff; /* of one that has its own delay */
    uint32_t shutdown_ms;       /* of SUT_SHUTDOWN_TIME */
    uint32_t after_count;
    struct sut_id cause; /* of its stop, where that is not its supervisor's: core/cause.h */
    void *host;          /* the host's to use */
    struct sut_supervisor *child; /* the supervisor that is run here, or NULL for a body */
    struct sut_id after[]; /* the siblings, all before it in start order, that it starts after */
};

struct sut_service {
    struct sut_list sibling; /* in its supervisor's children, in start order, or among its ghosts */
    union {
        struct sut_list work; /* in a queue of restarts, or the tree's kills or released */
        struct sut_deadline timer;
    } u;
    struct sut_name name;
    struct sut_options *options; /* NULL: none of them */
    int64_t started_ns;
    int64_t since_ns; /* when what the contract calls its state began */
    /* What each turn of a service looks at comes last, beside the host's part. */
    struct sut_supervisor *parent;
    uint32_t slot; /* the index of its id, once it has been added */
    int host_ref;  /* the host's to use: what its body is there */
    uint32_t run;  /* 1 in the first run, 0 before it */
    uint32_t failures;
    uint32_t overran; /* number of the tree's latest stop when it overran its time, or 0 */
    uint8_t state;    /* enum sut_state */
    /* The rest of the word, in bits. */
    bool kill : 1;            /* may be closed by force */
    bool asked : 1;           /* asked to stop, and its resume for that is still to come */
    bool overdue : 1;         /* its time passed before that resume */
    bool ghost : 1;           /* forgotten, and kept for a report: what may ask for its path */
    bool fixed : 1;           /* of its supervisor's spec: each life begins with it */
    bool retired : 1;         /* a fixed temporary one that is over: hidden until the next */
    bool grouped : 1;         /* in the group that restarts, until it starts again */
    bool notifies : 1;        /* says itself when it is ready */
    bool significant : 1;     /* its end may be its supervisor's: auto_shutdown */
    bool backs_off : 1;       /* has its own restart delay */
    bool ordered : 1;         /* starts after the siblings of its options, and no others */
    bool needed : 1;          /* in a stop under way: by one that starts after it, and is up */
    bool late : 1;            /* it was not ready in its time, and this run is over by that */
    bool blamed : 1;          /* its id is some cause: its path may be asked for once it is gone */
    bool first : 1;           /* not ready yet for the first time in its supervisor's life */
    enum sut_after after : 3; /* while it is asked to stop */
    enum sut_shutdown shutdown : 2; /* how long it may take to stop */
    enum sut_blame blame : 2;       /* where the cause of its latest stop or restart is */
    enum sut_restart restart : 2;   /* after which ends it is restarted */
};

/* Sets what a new service must have, killed when over its time and with the default shutdown. The
 * text of its name, `length` bytes and a NUL, lies where sut_host.text_at says. Cannot fail. */
void sut_service_init(struct sut_service *service, uint32_t length);

/* The supervisor that is run here, or NULL for a body. */
static inline struct sut_supervisor *sut_service_child(const struct sut_service *service) {
    return service->options ? service->options->child : NULL;
}

/* The id of a service that has been added. It finds nothing once the service has left the tree, and
 * is nobody else's before the host has got it back. */
struct sut_id sut_service_id(const struct sut_service *service);

/* The name of a service that has been added. */
const char *sut_service_text(const struct sut_service *service);

/* Feeds one input to the life table. Events it may cause must be reserved. Cannot fail. */
void sut_service_input(struct sut_service *service, struct sut_cue cue);

/* Shorthands for inputs without more. */
void sut_service_start(struct sut_service *service);
void sut_service_ran(struct sut_service *service);
void sut_service_ready(struct sut_service *service);
void sut_service_gave_way(struct sut_service *service);
void sut_service_stop(struct sut_service *service, enum sut_after after);
void sut_service_ended(struct sut_service *service, enum sut_end end, struct sut_detail detail);

/* Begins a run, but does not go down into a child supervisor: that is for the walk of a start. */
void sut_service_enter_run(struct sut_service *service);

/* The body or child supervisor of a run is ready. */
void sut_service_enter_running(struct sut_service *service);

/* Puts a service that does not run where it waits for its turn to start. */
void sut_service_enter_waiting(struct sut_service *service);

/* Puts a failed service at the end of its supervisor's queue of restarts. */
void sut_service_enter_queue(struct sut_service *service);

/* Lets a failed service wait for its own delay: until options->backoff.due_ns, once that is known.
 */
void sut_service_enter_backoff(struct sut_service *service);

/* The delay of a child's own, after jitter, counted from `since_ns`: the answer to the event of an
 * end that puts off. Harmless when it does not wait for that any more. Cannot fail. */
void sut_service_delay(struct sut_service *service, uint32_t run, int64_t since_ns,
                       int64_t delay_ns);

/* Closed by force at once, without a stop_timeout: a running one is asked and put to be killed. */
void sut_service_kill(struct sut_service *service);

/* True while a run of it exists, abandoned ones included. */
bool sut_service_lives(const struct sut_service *service);

/* True while `timer` is the part of the union in use. */
bool sut_service_timed(const struct sut_service *service);

/* True while it is on its way to run: it waits, starts, or is not ready yet. */
bool sut_service_pending(const struct sut_service *service);

/* True while a sibling that starts after it must wait: pending, or stopping to start again. */
bool sut_service_keeps_waiting(const struct sut_service *service);

/* True while it waits to be started again: for the end of a pause, its own delay, or its group. */
bool sut_service_restarts(const struct sut_service *service);

/* When it is tried again, or SUT_NEVER: of one in a queue or backing off. */
int64_t sut_service_next_try(const struct sut_service *service);

/* The word of the contract for its state: "running", "queued", ... One word has one address. */
const char *sut_service_state_name(const struct sut_service *service);

/* The names of the table's rows, columns and cells, for the printed table. */
const char *sut_state_row(enum sut_state state);
const char *sut_input_column(enum sut_input input);
const char *sut_life_cell(enum sut_state state, enum sut_input input);

#endif
