/* SPDX-License-Identifier: MIT
 *
 * Contexts: a tree of reasons to stop, with values and deadlines (Go's context, as suture uses it).
 *
 * Userdata "sutura.context"; uservalue 1 is the parent context or nil. A derived context is linked
 * in its parent's list and unlinked by its __gc; it keeps its parent alive, so a parent never goes
 * first. An end is passed down at once; the cause stays where it was given and is looked up through
 * the parents. The context of a service has a guard in front, and its fields name, path, ... come
 * from the service that runs.
 */
#ifndef SUT_LUA_CONTEXT_H
#define SUT_LUA_CONTEXT_H

#include "lua/coroutine.h"

#define SUT_CONTEXT_TYPE "sutura.context"

enum sut_context_kind {
    SUT_CONTEXT_ROOT,
    SUT_CONTEXT_CANCEL,  /* of with_cancel, and of signal_context */
    SUT_CONTEXT_TIMEOUT, /* of with_timeout */
    SUT_CONTEXT_VALUE,   /* of with_value */
    SUT_CONTEXT_SERVICE
};

struct sut_derived;

/* What every context has; a service's context is no more than this and has no uservalue, for there
 * is one for every service that runs. */
struct sut_context {
    struct sut_guard guard; /* of a service's context; first */
    union {
        struct sut_derived *below; /* first of the derived contexts, until it ends */
        struct sut_id id;          /* then: the service, in a service's context */
    } u;
    uint32_t run;
    uint8_t kind;   /* enum sut_context_kind */
    uint8_t err;    /* 0, SUT_CANCELED or SUT_DEADLINE_EXCEEDED */
    bool inherited; /* it ended because its parent did: the cause is there */
    uint8_t home;   /* sut_lua_runtime.number, in a service's context */
};

/* Every kind but the service's. Uservalues: 1 parent, 2 own cause, 3 key and 4 value of VALUE,
 * 5 the runtime's userdata. */
struct sut_derived {
    struct sut_context context; /* first */
    struct sut_derived *next;   /* in the parent's `below`, or in what is being ended */
    struct sut_derived **link;  /* what points at this one; NULL while nothing does */
    struct sut_list waiters;    /* sut_coroutine.task.node: in ctx:wait */
    struct sut_list served;     /* sut_lua_supervisor.under: supervisors that are served under it */
    struct sut_lua_runtime *rt;
    struct sut_task timer; /* of TIMEOUT: wake is a SUT_DEADLINE_CONTEXT, never in a run queue */
    int64_t deadline_ns;   /* own or inherited, whichever is earlier; SUT_NEVER for none */
    /* Called once when it has ended or is collected, if not NULL; `owner` is the caller's. */
    void (*left)(struct sut_derived *derived);
    void *owner;
    int signum; /* of the signal that has ended it, which is its cause then; 0: none */
};

/* Pushes a new context of a service that is about to run. May raise for memory. */
struct sut_context *sut_context_new_service(lua_State *L, const struct sut_lua_runtime *rt,
                                            uint32_t run);

/* Ends a context and everything derived from it: wakes who waits, stops the supervisors served
 * under it (sut_serve_context_ended). One that has ended stays as it is. Cannot fail or raise. A
 * cause of its own has been put into uservalue 2 by the caller. */
void sut_context_end(struct sut_context *context, enum sut_error err);

/* Pushes a new context of the runtime: under the one at the index, or a root when that is 0. One
 * whose parent has ended has ended too. May raise for memory. */
struct sut_derived *sut_context_new(lua_State *L, enum sut_context_kind kind,
                                    struct sut_lua_runtime *rt, int parent);

/* The argument as a context; raises otherwise. */
struct sut_context *sut_check_context(lua_State *L, int arg);

/* The context when the value at the index is one, else NULL. Never raises. */
struct sut_context *sut_to_context(lua_State *L, int index);

/* Pushes ctx:err(), and the two values of ctx:cause(), of the context at the index. */
void sut_context_push_err(lua_State *L, int index);
void sut_context_push_cause(lua_State *L, int index);

/* The timer of a TIMEOUT context has fired. Called by the runner. */
void sut_context_expired(struct sut_task *timer);

/* The runtime of the context at the index, NULL when that cannot be told: a closed one's. Never
 * raises. */
struct sut_lua_runtime *sut_context_runtime(lua_State *L, int index);

/* When the context at the index ends by itself, as far as is known; SUT_NEVER for never. */
int64_t sut_context_deadline(lua_State *L, int index);

/* Replaces the context on the top by the one above it, nil when there is none; for a service's, the
 * one that it is served with. Never raises. */
void sut_context_up(lua_State *L);

/* Completes the new metatable on the top by what closes and collects. */
void sut_context_open_end(lua_State *L, struct sut_lua *self);

/* Makes the metatable; the sut_lua userdata is on the top and stays there. */
void sut_open_context(lua_State *L);

/* Module functions (upvalue 1 the state): sutura.context(). */
int sut_context_root(lua_State *L);

/* ---- from csrc/lua/service.c and serve.c, for service contexts and serving ---- */

/* Pushes a field of a service's context: "name", "path", "token", "supervisor", "run",
 * "last_error". Returns 1; 0 with nothing pushed for others, and when the service is gone. `index`
 * is the context. */
int sut_service_context_field(lua_State *L, int index, const char *field);

/* Method of contexts: ready([info]), of a service's alone. */
int sut_context_ready(lua_State *L);

/* csrc/lua/heartbeat.c, likewise: beat(). */
int sut_context_beat(lua_State *L);

/* The id of the service whose run has this guard. */
struct sut_id sut_guard_service(const struct sut_guard *guard);

/* For a live service's context: pushes why it was asked to stop, of the cause also on whose
 * account, or nil while it was not. */
void sut_service_context_push_err(lua_State *L, int index);
void sut_service_context_push_cause(lua_State *L, int index);

/* Pushes the context that the root supervisor above this service is served with, or nil. */
void sut_service_context_push_parent(lua_State *L, int index);

/* A supervisor's serve context has ended: stop it. `under` is its sut_lua_supervisor.under node. */
void sut_serve_context_ended(struct sut_list *under);

#endif
