/* SPDX-License-Identifier: MIT
 *
 * What this module keeps for one Lua state, and the way into Lua.
 *
 * `struct sut_lua` is a userdata in the registry and upvalue 1 of every C function of the module.
 * Whoever calls user code from a step goes through sut_call: it runs on a thread of the runtime's
 * own, so that no error crosses a frame of libuv or of the core, nothing in it can yield, and the
 * hook that lua5.4 sets on the main thread for Ctrl-C is never taken for an error of the hook.
 */
#ifndef SUT_LUA_STATE_H
#define SUT_LUA_STATE_H

#include "lua/preempt.h"
#include "lua/trace.h"
#include "rt/loop.h"
#include "rt/runtime.h"
#include "rt/signals.h"

#include <lauxlib.h>
#include <lua.h>

struct sut_coroutine;
struct sut_lua_runtime;

/* The kinds of the deadlines of this ring. */
enum {
    SUT_DEADLINE_COROUTINE = SUT_DEADLINE_HOST,
    SUT_DEADLINE_CONTEXT,
    SUT_DEADLINE_HEARTBEAT /* of a task, too, that the run queue takes for it */
};

/* In the flavour gc (`make test-gc`) garbage is collected whenever Lua has been called: what is
 * still needed then must be kept alive by somebody. */
#ifdef SUT_COLLECTS
#define SUT_COLLECT(L) ((void)lua_gc(L, LUA_GCCOLLECT))
#else
#define SUT_COLLECT(L) ((void)0)
#endif

/* Userdata that are told apart so often that their metatables are not looked up by name. */
enum sut_type { SUT_TYPE_SUPERVISOR, SUT_TYPE_CONTEXT, SUT_TYPE_SERVICE_CONTEXT, SUT_TYPES };

/* What an outer message handler does with a trace that an inner raise has left. */
enum sut_rethrow {
    SUT_RETHROW_NOT,  /* nothing was left: a raise takes its own trace */
    SUT_RETHROW_SAME, /* raised again on the same coroutine: the first trace is the right one */
    SUT_RETHROW_OUTER /* raised in a nested coroutine: the outer frames are added */
};

/* What a run has ended with, while its end is fed to the tree. */
struct sut_ended {
    lua_State *thread; /* the value is on its top; NULL for an odd end */
    int odd;           /* enum sut_odd_end, or 0 */
};

/* The weak table of tokens: csrc/lua/token_table.c. */
struct sut_token_table {
    uint64_t entered;  /* since the table was made */
    uint64_t watch_at; /* how many make a look due; UINT64_MAX while one is to come */
};

struct sut_lua {
    lua_State *main;                    /* the main thread */
    lua_State *from;                    /* who called into the step under way, else main */
    lua_State *active;                  /* the coroutine of ours, or nested in one, that now runs */
    struct sut_coroutine *current;      /* whose turn it is; NULL outside any */
    struct sut_lua_runtime *runtime;    /* whose step is under way; NULL outside any */
    struct sut_lua_runtime *waiting;    /* whose main program's wait was last on the stack */
    struct sut_lua_runtime *fallback;   /* the default runtime; NULL until first needed */
    struct sut_lua_runtime *homes[256]; /* by sut_lua_runtime.number; 0 is nobody's */
    uint8_t last_home;                  /* the number given last */
    uint32_t last_runtime;              /* how many runtimes there have been */
    const void *metatables[SUT_TYPES];  /* which the state keeps */
    struct sut_trace trace;             /* of the latest raise */
    enum sut_rethrow rethrow;
    struct sut_ended ended;
    struct sut_token_table tokens;
    const void *entered;      /* the token that was entered last by an id to come, */
    struct sut_id entered_as; /* and that id */
    bool has_variables;       /* the registry holds locals and upvalues of the latest raise */
    const struct sut_coroutine *pinned; /* cannot wait now: inside it Lua cannot yield outwards */
    struct sut_preempt preempt;
    int depth;              /* of sut_call, in runtimes that run in each other's hooks */
    bool has_shields_aside; /* some nested coroutine has yielded from inside a shield, ever */
    bool closing;           /* the Lua state is being closed */
};

/* The state's structure, from upvalue 1 of the running function. */
static inline struct sut_lua *sut_self(lua_State *L) {
    return (struct sut_lua *)lua_touserdata(L, lua_upvalueindex(1));
}

/* What the module keeps in a state besides its structure: the structure's uservalues. */
enum sut_registry_slot {
    SUT_SLOT_HANDLERS = 1, /* the table given to core.setup */
    SUT_SLOT_ERRORS,       /* array of error objects by enum sut_error */
    SUT_SLOT_TOKENS,       /* weak: id -> token */
    SUT_SLOT_FALLBACK,     /* the default runtime's userdata */
    SUT_SLOT_RAISED,       /* the value of a rethrow */
    SUT_SLOT_VARIABLES,    /* locals and upvalues taken at the latest raise */
    SUT_SLOT_OBJECTS,      /* weak: address -> userdata of a supervisor or runtime */
    SUT_SLOT_ON_RAISE,     /* sut_on_raise as a closure */
    SUT_SLOT_EVENT,        /* the metatable of events */
    SUT_SLOT_DEFAULT_HOOK, /* of supervisors that have none */
    SUT_SLOT_CONTEXT,      /* the metatables of contexts, and of services' contexts */
    SUT_SLOT_SERVICE_CONTEXT,
    SUT_SLOT_SHIELDS,     /* weak: nested coroutine -> shields it is inside */
    SUT_SLOT_SHIELD,      /* the variable to be closed of every shield */
    SUT_SLOT_TOKEN,       /* the metatable of tokens */
    SUT_SLOT_TOKEN_WATCH, /* and of what watches their table */
    SUT_SLOT_PATHS,       /* weak: token -> path of the service, which is gone */
    SUT_SLOTS = SUT_SLOT_PATHS
};

/* Pushes the userdata of the state's structure, or keeps the one on the top, which is popped; that
 * may raise for memory. */
void sut_push_state(lua_State *L);
void sut_keep_state(lua_State *L);

/* Pushes, or pops into, a slot. Never raises. */
void sut_slot_get(lua_State *L, enum sut_registry_slot slot);
void sut_slot_set(lua_State *L, enum sut_registry_slot slot);

/* Puts an empty weak table there. May raise for memory. */
void sut_slot_set_weak(lua_State *L, enum sut_registry_slot slot, const char *mode);

/* As sut_slot_get, for a function of the module that has the structure as upvalue 1. */
static inline void sut_slot_here(lua_State *L, enum sut_registry_slot slot) {
    (void)lua_getiuservalue(L, lua_upvalueindex(1), (int)slot);
}

/* Says that the metatable on the top, which the state keeps, is that of the type. */
void sut_type_is(lua_State *L, struct sut_lua *self, enum sut_type type);

/* Which of sut_lua.metatables the userdata at the index has; anything else for another value. Never
 * raises. */
const void *sut_type_at(lua_State *L, int index);

/* Pushes handlers[name]. */
void sut_push_handler(lua_State *L, const char *name);

/* Pushes a text of the user's as a message may have it, on one line and bounded, and returns that.
 * May raise for memory. */
const char *sut_shown(lua_State *L, const char *text, size_t length);

/* Names in step with the array in module.c. */
enum sut_error {
    SUT_CANCELED = 1,
    SUT_DEADLINE_EXCEEDED,
    SUT_DO_NOT_RESTART,
    SUT_TERMINATE_TREE,
    SUT_ERR_NOT_RUNNING,
    SUT_ERR_NOT_STARTED,
    SUT_ERR_NOT_TERMINATED,
    SUT_ERR_WRONG_SUPERVISOR,
    SUT_ERR_TIMEOUT,
    SUT_ERR_UNKNOWN_SERVICE,
    SUT_ERR_AMBIGUOUS_NAME,
    SUT_ERR_RUNNING,
    SUT_ERR_RESTARTING,
    SUT_ERR_ALREADY_PRESENT,
    SUT_ERR_TOO_MANY_RESTARTS,
    SUT_ERR_START_FAILED,
    SUT_ERR_MAX_CHILDREN,
    SUT_ERRORS
};

/* Pushes an error object. Never raises. */
void sut_push_error(lua_State *L, enum sut_error error);

/* Pushes nil and the error object; returns 2. */
int sut_fail(lua_State *L, enum sut_error error);

/* Pushes the userdata of a supervisor or runtime by its address, nil when it is gone. Never raises.
 */
void sut_push_object(lua_State *L, const void *object);

/* The same for what sut_call_kept calls. */
void sut_push_object_kept(lua_State *L, const void *object);

/* Enters the userdata on the top, and leaves it there. May raise for memory. */
void sut_keep_object(lua_State *L);

/* Raises when the object has been collected: a finalizer of a user's may still refer to it. For a
 * function of the module that has the state's structure as upvalue 1. */
void sut_check_kept(lua_State *L, const void *object, const char *fn);

/* True inside a finalizer (__gc) that the collector has called in the middle of something. What it
 * has interrupted may be a function of ours, so no step may be made there; while the state is being
 * closed nothing is interrupted. Never raises. */
bool sut_in_finalizer(lua_State *L);

/* True for a value that the module made as an error object. Raw; never raises. */
bool sut_is_error(lua_State *L, int index);

/* True when the value is the error object, or wraps it anywhere (message and cause are walked).
 * Raw; never raises. */
bool sut_error_is(lua_State *L, int index, enum sut_error error);

/* Runs `fn` with `arg` as a light userdata, on the runtime's own thread, where nothing can yield.
 * Results of `fn` are dropped. Returns Lua's status, and the error's text in `why`. Never raises.
 */
int sut_call(struct sut_lua_runtime *rt, lua_CFunction fn, void *arg, char *why, size_t size);

/* What lies at the bottom of the runtime's own thread: its table of threads, and the functions that
 * are called so often that they are kept as closures. Their upvalue 1 is the state's structure,
 * upvalue 2 the table of threads, and upvalue 3 that of objects by address. */
enum sut_kept { SUT_KEPT_THREADS = 1, SUT_KEPT_DELIVER, SUT_KEPT_BEGIN };

/* As sut_call, with that function. */
int sut_call_kept(struct sut_lua_runtime *rt, enum sut_kept kept, void *arg, char *why,
                  size_t size);

/* Lays all that on the thread, whose stack is empty; the table of threads is on the top of `L`,
 * where it stays. May raise for memory. */
void sut_lay_bottom(lua_State *L, lua_State *hooks);

/* Writes one line on the default logger, protected; falls back on stderr. Never raises. */
__attribute__((format(printf, 2, 3))) void sut_report(struct sut_lua_runtime *rt,
                                                      const char *format, ...);

/* Writes a value as one bounded line of text without metamethods (strings as they are, a table by
 * its message if it has one), NUL-terminated. Never raises. */
void sut_value_text(lua_State *L, int index, char *out, size_t size);

/* The message handler of every protected call that runs a service's code: takes the trace. */
int sut_on_raise(lua_State *L);

/* Raises the value on the top again, so that an outer sut_on_raise keeps the trace as told. */
int sut_raise_again(lua_State *L, struct sut_lua *self, enum sut_rethrow how);

/* Seconds to nanoseconds, rounded up, never beyond SUT_NEVER; the argument is not negative or NaN.
 */
int64_t sut_ns(double seconds);

/* Seconds as a Lua number: exact for what sut_ns made of whole milliseconds. */
double sut_seconds(int64_t ns);

/* The argument as a span in nanoseconds: a number of seconds, not negative, not NaN; infinite is
 * SUT_NEVER. `fn` and `name` name it in the error. Absent or nil: `fallback`. */
int64_t sut_check_span(lua_State *L, int arg, const char *fn, const char *name, int64_t fallback);

/* Raises a misuse at the caller's line: "bad argument 'name' to 'fn' (expected, got X)". */
int sut_misuse(lua_State *L, const char *fn, const char *name, const char *expected, int arg);

#endif
