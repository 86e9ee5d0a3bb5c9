/* SPDX-License-Identifier: MIT
 *
 * A service as this ring sees it: the core's record, with the reference of its function, object or
 * supervisor in the bodies of its supervisor, and the coroutine of its run; the thread of its run
 * is kept by the runtime.
 * There may be a hundred thousand of them: what few need is in the extras.
 */
#ifndef SUT_LUA_SERVICE_H
#define SUT_LUA_SERVICE_H

#include "core/service.h"
#include "lua/coroutine.h"

enum sut_body {
    SUT_BODY_FUNCTION,
    SUT_BODY_OBJECT,
    SUT_BODY_SUPERVISOR,
    SUT_BODY_ARGUMENT /* of the function of a template */
};

/* Room for what is waited for, in words. */
enum { SUT_WAIT_TEXT_MAX = 256 };

/* What is known of where a service hung when its time to stop had passed. */
struct sut_stuck {
    int64_t blocked_ns; /* that it kept the thread for in one piece while it was to stop, or 0 */
    bool fresh;         /* no event has told of it yet */
    char waiting_for[SUT_WAIT_TEXT_MAX];
    char stacktrace[];
};

/* Overruns of its slice. */
struct sut_hogs {
    uint32_t resume;   /* sut_coroutine.resumes at the latest */
    uint32_t gave_way; /* sut_coroutine.resumes when it was last preempted */
    uint32_t in_a_row; /* without a wait in between */
    int64_t ran_ns;    /* in that resume, in one piece */
};

/* What it has used of the processor. */
struct sut_usage {
    int64_t cpu_ns;
    int64_t longest_ns; /* in one piece */
};

struct sut_cpu_share;
struct sut_heartbeat;
struct sut_spawned;
struct sut_lua_supervisor;

/* What few services have. */
struct sut_extras {
    char *last_error;                     /* why the run before ended; NULL: never, or stopped */
    char *older_error;                    /* what that was before it was last set */
    struct sut_stuck *stuck;              /* of the latest stop_timeout, or NULL */
    struct sut_lua_supervisor *contained; /* of an object, kept in the bodies by its address */
    struct sut_spawned *spawned;          /* helpers of the run: csrc/lua/spawn.c */
    struct sut_await *awaits;             /* of the run, that are open */
    struct sut_heartbeat *heartbeat;      /* that it has promised, or NULL */
    struct sut_list waiters;              /* sut_coroutine.task.node: until it has ended or left */
    uint32_t error_of;                    /* number of the run that last_error tells of, when set */
    int jitter_ref;                       /* of its own delay, in the bodies, or LUA_NOREF */
    int info_ref; /* what it said with ctx:ready, in the bodies, or LUA_NOREF */
    struct sut_hogs hogs;
    struct sut_usage usage;
    struct sut_cpu_share *share; /* csrc/lua/cpu_share.c; NULL: as much as it likes */
};

struct sut_lua_service {
    struct sut_service core; /* first */
    struct sut_coroutine co;
    enum sut_body body : 2;
    enum sut_on_hog on_hog : 2;
    bool doomed : 1;  /* is closed for hogging when it has given way */
    bool limited : 1; /* has a share of the processor */
    bool plain : 1;   /* its name needs no escapes in a path */
    char name[];
};

/* Its extras, which hang from the core's options: one pointer for both, since few have either. NULL
 * until the first of them is needed. */
static inline struct sut_extras *sut_extras_of(const struct sut_lua_service *service) {
    return service->core.options ? service->core.options->host : NULL;
}

static inline struct sut_lua_service *sut_service_of(struct sut_service *core) {
    return (struct sut_lua_service *)core;
}

static inline struct sut_lua_service *sut_service_of_coroutine(struct sut_coroutine *co) {
    return SUT_CONTAINER(co, struct sut_lua_service, co);
}

/* What an end leaves for the delivery of its event (sut_detail.block): NULL without memory. */
struct sut_failure {
    bool has_trace;
    bool has_variables;     /* they lie beneath the value on the thread's stack */
    struct sut_trace trace; /* last: only what of it is used is there */
};

/* Ends without a value on a thread: sut_detail.ref is one of these, below any reference. */
enum sut_odd_end {
    SUT_ODD_NO_MEMORY = -100,
    SUT_ODD_YIELDED,
    SUT_ODD_FOREIGN,
    SUT_ODD_HOGGED, /* it ran over its slice, and its policy is to be closed for that */
    SUT_ODD_BODY,   /* no callable body */
    SUT_ODD_NO_BEAT /* missed its heartbeat */
};

/* The calls of the core and the runner for bodies of this ring. */
void sut_service_host_start(struct sut_service *core);
void sut_service_host_recall(struct sut_service *core);
bool sut_service_host_cancel(struct sut_service *core);
bool sut_service_host_interrupt(struct sut_service *core);
void sut_service_resume(struct sut_lua_service *service);
void sut_service_kill_body(struct sut_lua_service *service);

/* Ends the run now, by force, as a panic with an odd end and the stack where the service stands.
 * It must live and must not be the one that runs now; events must be reserved. One that a stranger
 * has spoilt ends by that instead, at its turn. Never raises. */
void sut_service_break(struct sut_lua_service *service, enum sut_odd_end odd);

/* It has ended, or left the tree, be it kept for a report: wakes who waits for that. Never raises.
 */
void sut_service_left(struct sut_service *core);

/* sut_detail.ref: the value lies on the thread of the run that has just ended. */
enum { SUT_DETAIL_VALUE = 1 };

/* The key of its thread in the runtime's table of threads. */
lua_Integer sut_thread_key(const struct sut_lua_service *service);

/* Sees to it that it has options, if only with their defaults. False without memory. */
bool sut_service_give_options(struct sut_service *service);

/* The extras, made when there are none yet; NULL without memory. */
struct sut_extras *sut_service_extras(struct sut_lua_service *service);

/* Why its last run ended, or NULL. */
const char *sut_service_last_error(const struct sut_lua_service *service);

/* Why the run before that one ended, which may be over by now, but with no other begun. */
const char *sut_service_why_begun(const struct sut_lua_service *service, uint32_t run);

/* Lets go what it said when it was ready. Never raises. */
void sut_service_drop_info(struct sut_lua_service *service);

/* Frees what the structure owns and the structure. Never raises. */
void sut_service_free(struct sut_lua_service *service);

/* Lets the thread of an ended run go. Never raises. */
void sut_service_drop_thread(struct sut_lua_service *service);

/* The same for one whose run ends now, so that its thread is there. */
void sut_service_part_from_thread(struct sut_lua_service *service);

/* Remembers why the run of that number ended; NULL: it was stopped. Never raises. */
void sut_service_set_last_error(struct sut_lua_service *service, uint32_t run, const char *text);

/* csrc/lua/spawn.c. Pushes a new thread that runs the function at the index; its guard through
 * *guard. May raise for memory. */
lua_State *sut_push_program(lua_State *L, int function, struct sut_guard **guard);
int sut_spawn(lua_State *L);
void sut_spawned_resume(struct sut_coroutine *co);
void sut_spawned_close_all(struct sut_lua_service *service);
/* Without closing them, when the runtime goes. Never raises. */
void sut_spawned_drop_all(struct sut_lua_service *service);

#endif
