/* SPDX-License-Identifier: MIT
 *
 * The supervisor as a Lua object: the core's structure, and what belongs to its users.
 *
 * Userdata "sutura.supervisor". Its uservalues keep alive what it refers to, so that a supervisor
 * that nobody runs and nobody keeps is collected, circles included.
 */
#ifndef SUT_LUA_SUPERVISOR_H
#define SUT_LUA_SUPERVISOR_H

#include "core/history.h"
#include "lua/runtime.h"
#include "lua/service.h"

#define SUT_SUPERVISOR_TYPE "sutura.supervisor"
#define SUT_TOKEN_TYPE "sutura.token"
#define SUT_HANDLE_TYPE "sutura.handle"

enum sut_supervisor_value {
    SUT_SUPERVISOR_BODIES =
        1, /* functions, objects and child supervisors, by sut_service.host_ref */
    SUT_SUPERVISOR_RUNTIME,
    SUT_SUPERVISOR_HOOK,
    SUT_SUPERVISOR_FORMAT_ERROR,
    SUT_SUPERVISOR_REDACT,
    SUT_SUPERVISOR_JITTER,
    SUT_SUPERVISOR_REASON,      /* what it ended with */
    SUT_SUPERVISOR_CONTEXT,     /* what it is served with */
    SUT_SUPERVISOR_HANDLE,      /* the handle of its present life */
    SUT_SUPERVISOR_START_ERROR, /* the latest failed start that somebody waited for */
    SUT_SUPERVISOR_TEMPLATE,    /* the function of a template */
    SUT_SUPERVISOR_VALUES = SUT_SUPERVISOR_TEMPLATE
};

struct sut_template;

struct sut_lua_supervisor {
    struct sut_supervisor core; /* first */
    uint64_t serial;            /* its own in the state; the upper half is its runtime's */
    struct sut_lua_runtime *rt;
    struct sut_list all;               /* in sut_lua_runtime.supervisors */
    struct sut_list waiters;           /* sut_coroutine.task.node: until it has terminated */
    struct sut_list ready_waiters;     /* sut_coroutine.task.node: until it is ready */
    struct sut_list under;             /* in sut_derived.served of its serve context */
    struct sut_lua_service *container; /* the object that contains it, or NULL */
    struct sut_id server;              /* the service that waits in its serve, or none */
    char *name;                        /* NULL once collected */
    size_t name_length;
    bool plain;                    /* its name needs no escapes in a path */
    int last_ref;                  /* of the body added last, or LUA_NOREF */
    lua_Integer last_shares;       /* how many have that */
    int reason_odd;                /* enum sut_odd_end when it ended with one, else 0 */
    struct sut_template *template; /* csrc/lua/template.c; NULL: no template */
    struct sut_history history;
    bool panic_locals;
    bool context_ended; /* it stops because its serve context has ended */
};

/* Names one service of one supervisor for ever. It keeps neither alive, and has no uservalue: most
 * are garbage at once. */
struct sut_token {
    struct sut_id id;
    const struct sut_lua_supervisor *sup; /* which may be gone: only compared */
    uint64_t serial;                      /* of that supervisor */
};

static inline struct sut_lua_supervisor *sut_supervisor_of(struct sut_supervisor *core) {
    return (struct sut_lua_supervisor *)core;
}

/* The argument as a supervisor of an open runtime; raises otherwise. `fn` names the call. */
struct sut_lua_supervisor *sut_check_supervisor(lua_State *L, int arg, const char *fn);

/* The supervisor at the index, or NULL. */
struct sut_lua_supervisor *sut_to_supervisor(lua_State *L, int index);

/* Pushes and returns its name as a message may have it (sut_shown). */
const char *sut_shown_name(lua_State *L, const struct sut_lua_supervisor *sup);

/* Raises unless the caller may give the supervisor's runtime an input. */
void sut_check_same_runtime(lua_State *L, struct sut_lua *self, struct sut_lua_supervisor *sup,
                            const char *fn);

/* A reference to the body at `run` in the table of bodies on the top, shared with the body added
 * before when that is the same: how many share another one stands at the negative reference. May
 * raise for memory, and nothing is changed then. Dropping it never raises. */
int sut_body_keep(lua_State *L, struct sut_lua_supervisor *sup, int run);
void sut_body_drop(lua_State *L, struct sut_lua_supervisor *sup, int ref);

/* Sets the time and reserves for one input; raises without memory. */
void sut_prepare(lua_State *L, struct sut_lua_runtime *rt);

/* Pushes the token of a service. May raise for memory. */
void sut_push_token(lua_State *L, struct sut_service *service);

/* The token of a service by what an event has told of it, for its path is on the top, where it
 * stays. May raise for memory. */
void sut_push_told_token(lua_State *L, const struct sut_lua_supervisor *sup, struct sut_id id);

/* A token of nobody yet, for what is about to be added to the supervisor at the index, and how it
 * becomes the one of the service, while it is on the top. Pushing may raise for memory, filling
 * never raises. For a function of the module that has the state's structure as upvalue 1. */
struct sut_token;
struct sut_token *sut_push_empty_token(lua_State *L, int sup_index);
void sut_fill_token(lua_State *L, struct sut_token *token, const struct sut_service *service);

/* The service is about to leave the tree: a token that somebody keeps goes on printing its path.
 * Never raises. */
void sut_token_outlives(struct sut_lua_runtime *rt, struct sut_service *service);

/* The same for all children of the supervisor at index 1, which is being collected. A function of
 * Lua's; may raise for memory. */
int sut_tokens_outlive(lua_State *L);

/* What the path of a supervisor hangs from: its place, or the object that contains it, or NULL.
 * Going up by it always comes to an end. */
const struct sut_service *sut_hangs_from(const struct sut_supervisor *sup);

/* The same, or where it hung until just now: an event of that time is told later. */
const struct sut_service *sut_way_up(const struct sut_supervisor *sup);

/* Takes it out of the object that contains it, if one does. Never raises. */
void sut_uncontain(lua_State *L, struct sut_lua_supervisor *sup);

/* Pushes the path of a supervisor, or of a service, as a string. May raise for memory. */
void sut_push_path(lua_State *L, const struct sut_supervisor *sup,
                   const struct sut_service *service);

/* Writes that path to the end of the room, if it is long enough; returns the length. Never raises.
 */
size_t sut_write_path(const struct sut_supervisor *sup, const struct sut_service *service,
                      char *out, size_t room);

/* The path in memory that is the caller's, or NULL without memory. Never raises. */
char *sut_copy_path(const struct sut_supervisor *sup, const struct sut_service *service);

/* Writes that path, NUL-terminated; of a long one as many names at its end as have room, or the
 * beginning of the last. `size` is more than 4. Async-signal-safe; never raises. */
void sut_path_text(const struct sut_supervisor *sup, const struct sut_service *service, char *out,
                   size_t size);

/* Pushes a new supervisor with the name at the index and the normalised spec at `spec`, without
 * children. May raise for memory. */
struct sut_lua_supervisor *sut_push_supervisor(lua_State *L, struct sut_lua_runtime *rt, int name,
                                               int spec);

/* csrc/lua/update.c: sets what the normalised spec at the index has; the numbers first, which may
 * raise for memory with nothing changed, then the functions. */
void sut_configure(lua_State *L, int spec, struct sut_lua_supervisor *sup);
void sut_configure_functions(lua_State *L, int spec, int sup);

/* Raises for a template: its children are started, never added. `fn` names the call. */
void sut_check_takes_any(lua_State *L, const struct sut_lua_supervisor *sup, const char *fn);

/* sutura.supervisor(name, spec) */
int sut_supervisor_new(lua_State *L);

/* A service about to be added: indices of its name, of what runs and of its options (nil: none). */
struct sut_newcomer {
    int name;
    int run;
    int body;   /* enum sut_body */
    int opts;   /* 0: none */
    bool fixed; /* it is of the supervisor's spec */
};

/* Adds it to the supervisor at the index; returns the service, or NULL when the supervisor does not
 * run any more. Raises without memory, and nothing is changed then. */
struct sut_lua_service *sut_add(lua_State *L, int sup_index, const struct sut_newcomer *new);

/* Adds the normalised child specs of the array at `list`, of which all are checked before the first
 * is added. Raises on a supervisor that cannot be a child, and without memory. */
void sut_add_children(lua_State *L, int sup_index, int list);

/* rt:supervisor(name, spec) */
int sut_runtime_supervisor(lua_State *L);

/* Frees everything below the userdata: by its __gc, or by its runtime's. Never raises. */
void sut_supervisor_give_up(struct sut_lua_supervisor *sup);

/* The service of a token or name argument of a call, of this very supervisor: NULL with the two
 * results nil, err pushed when it cannot be told. */
struct sut_service *sut_find_service(lua_State *L, struct sut_lua_supervisor *sup, int arg,
                                     const char *fn);

/* The service of a token argument when it is over for this life and hidden, or NULL. */
struct sut_service *sut_find_retired(lua_State *L, const struct sut_lua_supervisor *sup, int arg);

/* Module functions and methods, by file. */
int sut_supervisor_add_service(lua_State *L);
int sut_supervisor_remove(lua_State *L);
int sut_supervisor_remove_and_wait(lua_State *L);
int sut_supervisor_restart(lua_State *L);
int sut_supervisor_terminate_child(lua_State *L);
int sut_supervisor_restart_child(lua_State *L);
int sut_supervisor_delete_child(lua_State *L);
int sut_supervisor_get_child(lua_State *L);
int sut_supervisor_update(lua_State *L);
int sut_supervisor_plan(lua_State *L);
int sut_supervisor_wait_ready(lua_State *L);
int sut_supervisor_serve(lua_State *L);
int sut_supervisor_serve_background(lua_State *L);
int sut_supervisor_stop_and_wait(lua_State *L);
int sut_supervisor_close(lua_State *L);
int sut_supervisor_kill(lua_State *L);
int sut_supervisor_report(lua_State *L);
int sut_supervisor_children(lua_State *L);
int sut_supervisor_services(lua_State *L);
int sut_supervisor_count(lua_State *L);
int sut_supervisor_tree(lua_State *L);
int sut_supervisor_history(lua_State *L);

/* Whether the caller is the service, or runs in what the service keeps alive: the tree of the
 * supervisor that it stands for or serves, at any depth. */
bool sut_caller_is_under(const struct sut_lua *self, const struct sut_service *service);

/* Pushes what serve returns now that the supervisor at the index has terminated. Returns 1, or -1
 * when serve raises it instead. */
int sut_push_reason(lua_State *L, int index);

/* Pushes what the handle's life of the supervisor has ended with, and returns as above; 0 while
 * that life goes on. */
int sut_handle_reason(lua_State *L, int index, int handle_index);

/* Pushes a handle of the life that the supervisor at the index is about to begin. */
void sut_push_handle(lua_State *L, int index);

/* A new life: the handle of the former one keeps what that ended with. */
void sut_handle_take_over(lua_State *L, int index, int handle);

/* Stops a supervisor whose variable, or whose handle's, leaves its scope; waits where that is
 * possible. As a C function's result. */
int sut_stop_with_scope(lua_State *L, struct sut_lua_supervisor *sup);

/* Pushes what was added as the service: of a template's child its function. `sup` and `bodies` are
 * the indices of its supervisor and of the bodies. Never raises. */
void sut_push_body(lua_State *L, int sup, int bodies, const struct sut_lua_service *service);

/* Pushes the record of a child, as in children(). May raise for memory. */
void sut_push_record(lua_State *L, struct sut_service *core);

/* Whether the caller is the service itself. */
bool sut_is_caller(const struct sut_lua *self, const struct sut_service *service);

/* True where waiting for the end of the service is not possible: in a hook, in the service itself,
 * and where a shield would keep that end away for ever. */
bool sut_must_not_wait_for(lua_State *L, const struct sut_lua *self,
                           const struct sut_service *service);

/* Pushes the report of the latest stop, or nil when it is clean. */
int sut_push_report(lua_State *L, int index);

/* What the runner calls. */
void sut_supervisor_host_reason(struct sut_supervisor *core, struct sut_service *service,
                                enum sut_end end);
void sut_supervisor_host_ready(struct sut_supervisor *core);
void sut_supervisor_host_start_failed(struct sut_supervisor *core, struct sut_service *service,
                                      enum sut_end end);
void sut_supervisor_finished(struct sut_runtime *runtime, struct sut_supervisor *core);
void sut_service_released(struct sut_runtime *runtime, struct sut_service *core);
int sut_deliver(struct sut_runtime *runtime, struct sut_event *event);

/* Pushes the table of the methods of supervisors, for those that are written in Lua. */
void sut_push_supervisor_methods(lua_State *L);

/* Metatables of supervisors, tokens and handles; the sut_lua userdata is on the top and stays. */
void sut_open_supervisor(lua_State *L);
void sut_open_token(lua_State *L);
void sut_open_handle(lua_State *L);

#endif
