/* SPDX-License-Identifier: MIT
 *
 * The runtime as a Lua object: what it adds to the runner of csrc/rt.
 *
 * Userdata "sutura.runtime"; uservalue 1 is the table of what must stay alive: root supervisors
 * that run, by light userdata, and the runtime's own thread for hooks. Uservalue 2 keeps the
 * threads of the services that run, by sut_thread_key.
 */
#ifndef SUT_LUA_RUNTIME_H
#define SUT_LUA_RUNTIME_H

#include "lua/coroutine.h"

#define SUT_RUNTIME_TYPE "sutura.runtime"

struct sut_lua_runtime {
    struct sut_runtime rt; /* first: the runner's pointer is ours */
    struct sut_lua *self;
    uint32_t serial;             /* its own in the state */
    uint32_t last_supervisor;    /* how many supervisors it has had */
    uint8_t number;              /* in sut_lua.homes; 0 when there were too many */
    lua_State *hooks;            /* where hooks and other callbacks of steps run */
    bool calling;                /* that thread runs */
    bool ending;                 /* is being closed: nothing begins any more */
    struct sut_standalone main;  /* the main program's wait */
    struct sut_list supervisors; /* sut_lua_supervisor.all */
    struct sut_list signals;     /* csrc/lua/signal.c */
    struct sut_list mailboxes;   /* csrc/lua/mailbox.c */
    int64_t close_budget_ns;
    uint32_t limited;     /* services with a share of the processor (csrc/lua/cpu_share.c) */
    uint32_t passed_over; /* of them, since anybody has run */
    uint32_t passed_turn; /* the watchdog's turn then */
    bool accounting;      /* each resume is measured */
    bool contains;        /* some object has contained a supervisor, ever */
    double epoch_s;       /* wall time at 0 of a virtual clock */
    int64_t wall_ns;      /* wall time at 0 of a real clock, as last looked up */
    int64_t looked_ns;    /* and when that was */
    int attached_ref;     /* registry reference while a foreign loop may call us, else LUA_NOREF */
    struct sut_driver *driver;     /* csrc/lua/luv.c */
    struct sut_departed *departed; /* csrc/lua/cause.c */
    uint32_t last_departed;        /* the place in it that was filled last */
};

static inline struct sut_lua_runtime *sut_runtime_of(struct sut_runtime *rt) {
    return (struct sut_lua_runtime *)rt;
}

/* The runtime that runs the caller, else the default one, which is made when first needed (may
 * raise). */
struct sut_lua_runtime *sut_runtime_here(lua_State *L, struct sut_lua *self);

/* The runtime of a number, or NULL when it is closed. Never raises. */
struct sut_lua_runtime *sut_runtime_at_home(lua_State *L, uint8_t number);

/* Pushes the runtime's userdata. */
void sut_push_runtime(lua_State *L, struct sut_lua_runtime *rt);

/* The argument as an open runtime; raises otherwise. */
struct sut_lua_runtime *sut_check_runtime(lua_State *L, int arg);

/* Keeps the value on the top alive under the key while the runtime lives, and pops it; nil lets it
 * go, which cannot raise. */
void sut_runtime_anchor(lua_State *L, struct sut_lua_runtime *rt, const void *key);

/* Pushes the table of threads. Never raises. */
void sut_push_threads(lua_State *L, struct sut_lua_runtime *rt);

/* What sut_call_kept calls: csrc/lua/deliver.c, csrc/lua/service.c. */
int sut_deliver_kept(lua_State *L);
int sut_begin_kept(lua_State *L);

/* Runs the loop for the main program until co->woken. */
void sut_runtime_drive(lua_State *L, struct sut_lua_runtime *rt);

/* True while a foreign loop is the runtime's. */
bool sut_runtime_lent(const struct sut_lua_runtime *rt);

/* The first argument as an open runtime of which no step is under way; raises otherwise. */
struct sut_lua_runtime *sut_check_outside(lua_State *L, const char *fn);

/* Methods: close, __close; and __gc. */
int sut_runtime_close(lua_State *L);
int sut_runtime_gc(lua_State *L);

/* csrc/lua/program.c: rt:run(fn), the function or nil at `fn`. */
int sut_runtime_run_at(lua_State *L, struct sut_lua_runtime *rt, int fn);

/* The run queue's turn for a program of rt:run. */
void sut_program_resume(struct sut_coroutine *co);

/* Module functions: runtime(opts), default_runtime(), run([fn]), now(); and the metatable, with the
 * sut_lua userdata on the top, where it stays. */
int sut_runtime_new(lua_State *L);
int sut_default_runtime(lua_State *L);
int sut_run(lua_State *L);
int sut_now(lua_State *L);
void sut_open_runtime(lua_State *L);

/* Pushes the table of the methods of runtimes, for those that are written in Lua. */
void sut_push_runtime_methods(lua_State *L);

/* csrc/lua/luv.c: rt:attach(luv). */
int sut_runtime_attach(lua_State *L);

/* True while luv itself runs its loop, so that it must not be run again. Never raises. */
bool sut_luv_running(lua_State *L);
void sut_driver_close(lua_State *L, struct sut_lua_runtime *rt);

/* csrc/lua/signal.c: closes what watches signals in this runtime. Never raises. */
void sut_signals_close(struct sut_lua_runtime *rt);

#endif
