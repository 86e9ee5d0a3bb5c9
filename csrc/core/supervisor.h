/* SPDX-License-Identifier: MIT
 *
 * One supervisor: its children in start order, how they start, what their failures lead to, and how
 * it stops.
 *
 * A supervisor is a root, or the child that a service of its parent stands for (`place`). Nothing
 * here recurses along the tree: a start walks the subtree, and a stop or an end crosses a level
 * through the tree's list of supervisors that need attention.
 *
 * Events that a call may cause are reserved by the caller (sut_tree_reserve), so that no decision
 * can fail for lack of memory.
 *
 * Invariants: a child that starts after named siblings stands behind them in start order. Children
 * in the state WAITING exist only while the supervisor is `walking` or `grouping`, or stops and has
 * not come by them yet.
 */
#ifndef SUT_CORE_SUPERVISOR_H
#define SUT_CORE_SUPERVISOR_H

#include "core/cause.h"
#include "core/policy.h"
#include "core/service.h"
#include "core/strategy.h"

struct sut_tree;

enum sut_supervisor_state {
    SUT_SUPERVISOR_NOT_RUNNING, /* never served */
    SUT_SUPERVISOR_NORMAL,
    SUT_SUPERVISOR_PAUSED,
    SUT_SUPERVISOR_STOPPING,
    SUT_SUPERVISOR_TERMINATED
};

enum sut_stop_order { SUT_STOP_REVERSE, SUT_STOP_PARALLEL };

/* Whether the ends of significant children end the supervisor (OTP). */
enum sut_auto_shutdown {
    SUT_AUTO_SHUTDOWN_NEVER,
    SUT_AUTO_SHUTDOWN_ANY, /* the first of them does */
    SUT_AUTO_SHUTDOWN_ALL  /* the last of them does */
};

/* Why a supervisor needs attention; a set. */
enum sut_attend { SUT_ATTEND_STOP = 1, SUT_ATTEND_HURRY = 2, SUT_ATTEND_ENDED = 4 };

/* Everything below is asked to stop at once, in no order; and what still lives is closed by force,
 * as overrun of its time, or without a word. */
enum sut_hurry { SUT_HURRY_NOT, SUT_HURRY_TOGETHER, SUT_HURRY_WITH_REPORT, SUT_HURRY_QUIETLY };

struct sut_supervisor {
    struct sut_tree *tree;
    struct sut_service *place; /* what stands for it in its parent, or did (a ghost); or NULL */
    struct sut_service *left;  /* the place it has just left, until events of then are told */
    struct sut_list children;  /* sut_service.sibling */
    struct sut_list ghosts;    /* sut_service.sibling: forgotten, kept for the report */
    struct sut_list queue;     /* sut_service.u.work: failed ones, in the order of failing */
    struct sut_list attention; /* in the tree's list, while `attend` is not empty */
    struct sut_list finished;  /* in the tree's list, once the host is to look at it */
    struct sut_names names;
    struct sut_deadline timer;  /* end of a pause, or the next spaced restart */
    struct sut_service *cursor; /* next to be asked in a stop in reverse order, of all or a group */
    struct sut_service *walk;   /* all before it need no start, and keep nobody waiting */
    struct sut_service *at;     /* where the pass under way stands */
    struct sut_policy policy;
    struct sut_score score;
    struct sut_id began_by; /* on whose account its life began */
    struct sut_id ended_by; /* on whose account it ends; none: of whoever stops its place */
    int64_t timeout_ns;
    int64_t backoff_ns;
    int64_t spacing_ns;
    int64_t since_ns;      /* when its state began; 0 before it is served */
    uint32_t child_count;  /* without retired ones */
    uint32_t living;       /* children between start and end, abandoned ones not counted */
    uint32_t pending;      /* children on their way to run */
    uint32_t significant;  /* significant children that are not idle */
    uint32_t ordered;      /* children that start after named siblings */
    uint32_t stop_number;  /* of its latest stop: orders stops of the whole tree */
    uint8_t state;         /* enum sut_supervisor_state */
    uint8_t strategy;      /* enum sut_strategy */
    uint8_t auto_shutdown; /* enum sut_auto_shutdown */
    uint8_t stop_order;    /* enum sut_stop_order */
    uint8_t attend;        /* set of enum sut_attend */
    uint8_t hurry;         /* enum sut_hurry */
    uint8_t end;           /* enum sut_end: why it ends by itself, CANCELED when it was asked */
    bool walking;          /* children wait for their turn to start */
    bool blocked;          /* in the pass under way, somebody keeps those behind waiting */
    bool grouping;         /* a group is being stopped, to start again */
    bool advancing;        /* a walk of a stop is under way */
    bool staged;           /* in its parallel stop dependents come first */
    bool awaited;          /* the host wants to know when it is ready */
    bool lifecycle_events;
    bool pass_through_panics;
    bool dont_propagate_termination;
};

/* Makes an empty supervisor with suture's defaults. Cannot fail. */
void sut_supervisor_init(struct sut_supervisor *sup, struct sut_tree *tree);

/* Results of sut_supervisor_add. */
enum { SUT_OK = 0, SUT_ENOMEM = -1, SUT_ENOTRUNNING = -2 };

/* Appends a child and, while the supervisor runs, starts it. Returns SUT_OK; SUT_ENOTRUNNING after
 * or during its stop; SUT_ENOMEM. On failure nothing is changed. */
int sut_supervisor_add(struct sut_supervisor *sup, struct sut_service *service);

/* Starts everything below: what was added and neither forgotten nor still alive from a former life,
 * without the temporary ones that its spec does not have. Cannot fail. */
void sut_supervisor_begin(struct sut_supervisor *top);

/* Stops it on purpose; a child supervisor as if its parent had stopped that child. Harmless when it
 * does not run. Cannot fail. */
void sut_supervisor_stop(struct sut_supervisor *sup);

/* The same on the account of `by`: of a service, which a place has options for, else of nobody. */
void sut_supervisor_request_stop(struct sut_supervisor *sup, struct sut_id by);

/* Hurries whatever still lives below, now. Stops it first when it runs. Cannot fail. */
void sut_supervisor_hurry(struct sut_supervisor *sup, enum sut_hurry how);

/* The delay of a pause, after jitter, counted from `since_ns`: the answer to a backoff event.
 * Harmless when the pause is over. Cannot fail. */
void sut_supervisor_backoff(struct sut_supervisor *sup, int64_t since_ns, int64_t delay_ns);

/* True for a child of another supervisor: false for a root, and for one that was forgotten and only
 * keeps its place for a report. */
bool sut_supervisor_placed(const struct sut_supervisor *sup);

/* NORMAL or PAUSED. */
bool sut_supervisor_running(const struct sut_supervisor *sup);

/* True when no child is on its way to run, nor stops to start again. */
bool sut_supervisor_is_ready(const struct sut_supervisor *sup);

/* The score, decayed to now, or the restarts in the window. */
double sut_supervisor_score(const struct sut_supervisor *sup);

/* "normal", "paused", ... */
const char *sut_supervisor_state_name(const struct sut_supervisor *sup);

/* How it ended, as its parent sees it, and as its serve returns it. */
enum sut_end sut_supervisor_end(const struct sut_supervisor *sup);

/* The next service after `service` in the walk of the subtree of `top`, parents before their
 * children; NULL at the end. NULL for the first. */
struct sut_service *sut_supervisor_walk(const struct sut_supervisor *top,
                                        const struct sut_service *service);

/* The children of one supervisor, from the first and from the last; NULL at the end. Retired ones
 * are among them. */
struct sut_service *sut_supervisor_first(const struct sut_supervisor *sup);
struct sut_service *sut_supervisor_last(const struct sut_supervisor *sup);
struct sut_service *sut_service_next(const struct sut_service *service);
struct sut_service *sut_service_previous(const struct sut_service *service);

/* True while anything below lives, abandoned services included. */
bool sut_supervisor_lives(const struct sut_supervisor *sup);

/* Takes a supervisor out of existence, whatever runs: its bodies go to the empty list `released`
 * without an event (sut_service.u.work) and have no id any more, child supervisors become roots,
 * and it leaves its own parent and every list of the tree. Only for the end of the memory behind
 * it. Cannot fail. */
void sut_supervisor_dissolve(struct sut_supervisor *sup, struct sut_list *released);

/* ---- for the other files of the core: the parts of a step ---- */

/* supervisor.c: every change of its state. */
void sut_supervisor_enter(struct sut_supervisor *sup, enum sut_supervisor_state state);

/* supervisor.c: a child leaves, for good or, when it is of the spec, for this life; and is gone,
 * for nothing tells of it any more. */
void sut_supervisor_gone(struct sut_service *service);
void sut_supervisor_forget(struct sut_supervisor *sup, struct sut_service *service);
void sut_supervisor_retire(struct sut_supervisor *sup, struct sut_service *service);
void sut_supervisor_quiet(struct sut_service *ghost);
void sut_supervisor_lay_ghosts(struct sut_supervisor *sup);

/* startup.c: starting one child, starting whatever may start, and who waits for readiness. */
void sut_supervisor_launch(struct sut_service *service);
void sut_supervisor_advance(struct sut_supervisor *top);
void sut_supervisor_look(struct sut_supervisor *sup);
void sut_supervisor_turn_back(const struct sut_service *service, bool kept_waiting);
void sut_supervisor_set_strategy(struct sut_supervisor *sup, enum sut_strategy strategy);
void sut_supervisor_ready(struct sut_supervisor *sup);

/* group.c: restarting what the strategy says together with the child, and going on with that. */
void sut_supervisor_regroup(struct sut_supervisor *sup, struct sut_service *failed);
void sut_supervisor_advance_group(struct sut_supervisor *sup);

/* failure.c: ends of children, and the timer of the pause. */
void sut_supervisor_child_fell(struct sut_supervisor *sup, struct sut_service *service,
                               const struct sut_cue *cue, bool unready);
void sut_supervisor_child_late(struct sut_supervisor *sup, struct sut_service *service);
void sut_supervisor_child_stopped(struct sut_supervisor *sup, struct sut_service *service,
                                  const struct sut_cue *cue);
void sut_supervisor_retry(struct sut_supervisor *sup, struct sut_service *service);
void sut_supervisor_timer(struct sut_supervisor *sup);
void sut_supervisor_dequeued(struct sut_supervisor *sup);
struct sut_event *sut_supervisor_emit(struct sut_supervisor *sup, struct sut_service *service,
                                      enum sut_event_type type);

/* shutdown.c: levels, and going on after a child has ended or was given up. */
void sut_supervisor_ask(struct sut_supervisor *sup, enum sut_attend what);
void sut_supervisor_attend(struct sut_supervisor *sup);
void sut_supervisor_settled(struct sut_supervisor *sup);
void sut_supervisor_late_end(struct sut_supervisor *sup);

#endif
