/* SPDX-License-Identifier: MIT
 *
 * The runner of one tree: a clock, a run queue of tasks, and the order in which things happen.
 *
 * One step after another, at one level, never nested: first all state changes of the tree, then the
 * hooks for its events in order, then what must be closed by force, what is released, who has
 * finished; then the run queue goes on. The run queue is taken round by round: each ready task is
 * resumed at most once before any is resumed twice.
 *
 * Memory for events is reserved before each step. Without memory the runtime is `stalled`: nothing
 * is lost, and the step is tried again later.
 *
 * Knows no Lua: what a task is, and what to do with an event, is above.
 */
#ifndef SUT_RT_RUNTIME_H
#define SUT_RT_RUNTIME_H

#include "core/lag.h"
#include "core/tree.h"
#include "rt/random.h"
#include "rt/watchdog.h"

#define SUT_SECOND_NS INT64_C(1000000000)

struct sut_runtime;
struct sut_loop;

/* Something that the run queue resumes. */
struct sut_task {
    struct sut_list node;     /* in the run queue, or among those who wait for the same thing */
    struct sut_deadline wake; /* kind SUT_DEADLINE_HOST */
};

/* What the runner asks of the ring above, between steps. */
struct sut_above {
    struct sut_host host;
    /* Resume a task that was taken from the run queue. Events are reserved; whoever gives an input
     * sets the tree's time before it. */
    void (*resume)(struct sut_runtime *rt, struct sut_task *task);
    /* The wake deadline of a task has come. */
    void (*wake)(struct sut_runtime *rt, struct sut_task *task);
    /* Hand an event to its hook. -1: no memory, keep it and try again. */
    int (*deliver)(struct sut_runtime *rt, struct sut_event *event);
    /* Close a service by force, and feed its end. */
    void (*kill)(struct sut_runtime *rt, struct sut_service *service);
    /* The service has left the tree; its memory is the host's. It calls sut_supervisor_gone when
     * nothing asks for the path of what was below it any more. */
    void (*release)(struct sut_runtime *rt, struct sut_service *service);
    /* A supervisor has terminated, or what outlived it has ended. */
    void (*finished)(struct sut_runtime *rt, struct sut_supervisor *sup);
};

enum sut_clock { SUT_CLOCK_REAL, SUT_CLOCK_VIRTUAL };

struct sut_runtime {
    struct sut_tree tree;
    struct sut_deadlines deadlines;
    struct sut_list ready;     /* to be resumed in the next round */
    struct sut_list round;     /* what is left of the round under way */
    struct sut_list preempted; /* to be resumed in the next round, after what is ready by then */
    const struct sut_above *above;
    struct sut_loop *loop; /* made when first needed */
    struct sut_random random;
    struct sut_watchdog *watchdog; /* of the state above; NULL: none */
    int64_t slice_ns;              /* that one turn may take; 0: it is not watched */
    int64_t virtual_ns;
    struct sut_lag lag;   /* of the deadlines: once a turn, the one that is the latest */
    uint32_t idle_rounds; /* rounds at one instant in which only stopping services ran */
    uint8_t clock;        /* enum sut_clock */
    uint8_t unkillable;   /* enum sut_unkillable */
    bool stepping;        /* a step is under way: hooks, resumes and closes happen inside */
    bool stalled;         /* the last step had no memory */
    bool progressed;      /* in this round a task ran that was not asked to stop, or one ended */
    bool running;         /* sut_loop_run is on the stack */
    bool closed;
};

void sut_runtime_init(struct sut_runtime *rt, const struct sut_above *above, enum sut_clock clock);

/* Nanoseconds, monotonic: read now. A virtual clock stands between deadlines. */
int64_t sut_runtime_now(const struct sut_runtime *rt);

/* Sets the tree's time to now. Before a resume it is not set: most of them give the tree no input,
 * and reading the clock costs as much as a third of one. */
void sut_runtime_look(struct sut_runtime *rt);

/* To be called before an input: sets the tree's time. Returns 0 with events reserved, or -1 without
 * memory: give no input then. */
int sut_runtime_prepare(struct sut_runtime *rt);

/* Puts a task that is in no list, or in the run queue already, at its end. Cannot fail. */
void sut_task_ready(struct sut_runtime *rt, struct sut_task *task);

/* The same for one that runs, and so is in no list and has no deadline. Cannot fail. */
static inline void sut_task_again(struct sut_runtime *rt, struct sut_task *task) {
    sut_list_append(&rt->ready, &task->node);
}

/* The same for one that was interrupted: after whoever has become ready when the next round begins.
 * Cannot fail. */
void sut_task_preempted(struct sut_runtime *rt, struct sut_task *task);

void sut_task_init(struct sut_task *task);

/* Takes the task out of the run queue and disarms it. Cannot fail. */
void sut_task_stop(struct sut_runtime *rt, struct sut_task *task);

/* True while a task is ready. */
bool sut_runtime_has_ready(const struct sut_runtime *rt);

/* True while something could be done without time passing. */
bool sut_runtime_busy(const struct sut_runtime *rt);

/* Fires what is due and resumes at most `budget` tasks. */
void sut_runtime_turn(struct sut_runtime *rt, uint32_t budget);

/* Virtual clock: runs all that can run at this instant. False when it stopped early because only
 * stopping services have run for 100 rounds, or for lack of memory. */
bool sut_runtime_settle(struct sut_runtime *rt);

/* Virtual clock: lets time pass to the next deadline, if that is not after `limit_ns`, and fires
 * what is due there. False when there is none. */
bool sut_runtime_jump(struct sut_runtime *rt, int64_t limit_ns);

#endif
