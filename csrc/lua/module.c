/* SPDX-License-Identifier: MIT
 *
 * luaopen_sutura_core: what the Lua modules of sutura find in `require "sutura.core"`.
 */
#include "lua/context.h"
#include "lua/event.h"
#include "lua/service.h"
#include "lua/signal.h"
#include "lua/snapshot.h"
#include "lua/supervisor.h"
#include "lua/token_table.h"
#include "lua/wait.h"
#include "rt/notice.h"

#include <signal.h>
#include <string.h>

#ifndef SUT_VERSION
#define SUT_VERSION "0.1.0"
#endif

static void fill_errors(lua_State *L, int handlers) {
    static const char *const names[SUT_ERRORS] = {
        [SUT_CANCELED] = "CANCELED",
        [SUT_DEADLINE_EXCEEDED] = "DEADLINE_EXCEEDED",
        [SUT_DO_NOT_RESTART] = "DO_NOT_RESTART",
        [SUT_TERMINATE_TREE] = "TERMINATE_TREE",
        [SUT_ERR_NOT_RUNNING] = "ERR_NOT_RUNNING",
        [SUT_ERR_NOT_STARTED] = "ERR_NOT_STARTED",
        [SUT_ERR_NOT_TERMINATED] = "ERR_NOT_TERMINATED",
        [SUT_ERR_WRONG_SUPERVISOR] = "ERR_WRONG_SUPERVISOR",
        [SUT_ERR_TIMEOUT] = "ERR_TIMEOUT",
        [SUT_ERR_UNKNOWN_SERVICE] = "ERR_UNKNOWN_SERVICE",
        [SUT_ERR_AMBIGUOUS_NAME] = "ERR_AMBIGUOUS_NAME",
        [SUT_ERR_RUNNING] = "ERR_RUNNING",
        [SUT_ERR_RESTARTING] = "ERR_RESTARTING",
        [SUT_ERR_ALREADY_PRESENT] = "ERR_ALREADY_PRESENT",
        [SUT_ERR_TOO_MANY_RESTARTS] = "ERR_TOO_MANY_RESTARTS",
        [SUT_ERR_START_FAILED] = "ERR_START_FAILED",
        [SUT_ERR_MAX_CHILDREN] = "ERR_MAX_CHILDREN",
    };
    lua_createtable(L, SUT_ERRORS, 1);
    lua_getfield(L, handlers, "error_metatable");
    lua_rawseti(L, -2, 0);
    lua_getfield(L, handlers, "errors");
    for (int i = 1; i < SUT_ERRORS; i++) {
        lua_getfield(L, -1, names[i]);
        lua_rawseti(L, -3, i);
    }
    lua_pop(L, 1);
    sut_slot_set(L, SUT_SLOT_ERRORS);
}

/* setup(handlers): once, before anything else. */
static int setup(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    fill_errors(L, 1);
    lua_getfield(L, 1, "event_metatable");
    sut_open_event(L, 2);
    lua_getfield(L, 1, "default_hook");
    sut_slot_set(L, SUT_SLOT_DEFAULT_HOOK);
    lua_pushvalue(L, 1);
    sut_slot_set(L, SUT_SLOT_HANDLERS);
    return 0;
}

static int is_supervisor(lua_State *L) {
    lua_pushboolean(L, sut_to_supervisor(L, 1) != NULL);
    return 1;
}

static int is_type(lua_State *L, const char *type) {
    lua_pushboolean(L, luaL_testudata(L, 1, type) != NULL);
    return 1;
}

static int is_context(lua_State *L) { return is_type(L, SUT_CONTEXT_TYPE); }

static int is_runtime(lua_State *L) { return is_type(L, SUT_RUNTIME_TYPE); }

static int is_token(lua_State *L) { return is_type(L, SUT_TOKEN_TYPE); }

static int is_terminal(lua_State *L) {
    lua_pushboolean(L, uv_guess_handle((uv_file)luaL_checkinteger(L, 1)) == UV_TTY);
    return 1;
}

/* Unix time with microseconds, for lines that belong to no event. */
static int wall(lua_State *L) {
    uv_timeval64_t now;
    (void)uv_gettimeofday(&now);
    lua_pushnumber(L, (double)now.tv_sec + (double)now.tv_usec / 1e6);
    return 1;
}

/* notice_form("text"|"json"): the form of what the watchdog writes. */
static int notice_form(lua_State *L) {
    bool json = strcmp(luaL_checkstring(L, 1), "json") == 0;
    sut_notice_choose(json ? SUT_NOTICE_JSON : SUT_NOTICE_TEXT);
    return 0;
}

static int no_jitter(lua_State *L) {
    lua_pushnumber(L, luaL_checknumber(L, 1));
    return 1;
}

/* Uniform in [d, 1.5 d), as suture v4. */
static int default_jitter(lua_State *L) {
    struct sut_lua_runtime *rt = sut_runtime_here(L, sut_self(L));
    lua_pushnumber(L, luaL_checknumber(L, 1) * (1 + sut_random_unit(&rt->rt.random) / 2));
    return 1;
}

/* The life table, for the page that prints it: rows of { state, input -> action }. */
static int life_table(lua_State *L) {
    lua_newtable(L);
    for (int state = 0; state < SUT_STATES; state++) {
        lua_newtable(L);
        lua_pushstring(L, sut_state_row((enum sut_state)state));
        lua_setfield(L, -2, "state");
        for (int input = 0; input < SUT_INPUTS; input++) {
            lua_pushstring(L, sut_life_cell((enum sut_state)state, (enum sut_input)input));
            lua_setfield(L, -2, sut_input_column((enum sut_input)input));
        }
        lua_rawseti(L, -2, state + 1);
    }
    return 1;
}

static const luaL_Reg functions[] = {
    {"setup", setup},
    {"supervisor", sut_supervisor_new},
    {"runtime", sut_runtime_new},
    {"default_runtime", sut_default_runtime},
    {"run", sut_run},
    {"sleep", sut_sleep},
    {"yield", sut_yield},
    {"now", sut_now},
    {"await", sut_await},
    {"mailbox", sut_mailbox_new},
    {"shield", sut_shield},
    {"context", sut_context_root},
    {"signal_context", sut_signals_context},
    {"on_signal", sut_signals_on},
    {"signal_default", sut_signals_default},
    {"spawn", sut_spawn},
    {"kill", sut_supervisor_kill},
    {"roots", sut_roots},
    {"snapshot", sut_snapshot},
    {"complete_event", sut_event_complete},
    {"no_jitter", no_jitter},
    {"default_jitter", default_jitter},
    {"is_supervisor", is_supervisor},
    {"is_context", is_context},
    {"is_runtime", is_runtime},
    {"is_token", is_token},
    {"isatty", is_terminal},
    {"wall", wall},
    {"notice_form", notice_form},
    {"life_table", life_table},
    {NULL, NULL},
};

/* When the state is being closed, nothing of ours calls into Lua any more. */
static int state_gc(lua_State *L) {
    struct sut_lua *self = lua_touserdata(L, 1);
    self->closing = true;
    sut_watchdog_stop(&self->preempt.watchdog);
    return 0;
}

static struct sut_lua *push_state(lua_State *L) {
    struct sut_lua *self = lua_newuserdatauv(L, sizeof *self, SUT_SLOTS);
    memset(self, 0, sizeof *self);
    sut_preempt_init(self);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, state_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    (void)lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    self->main = lua_tothread(L, -1);
    lua_pop(L, 1);
    self->from = self->main;
    lua_pushvalue(L, -1);
    sut_keep_state(L);
    return self;
}

/* A write to a closed peer must be an error, not the end of the process; a host's choice stays. */
static void ignore_sigpipe(void) {
    struct sigaction action;
    if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL) {
        action.sa_handler = SIG_IGN;
        (void)sigaction(SIGPIPE, &action, NULL);
    }
}

/* The one name that the module exports. */
__attribute__((visibility("default"))) int luaopen_sutura_core(lua_State *L);

int luaopen_sutura_core(lua_State *L) {
    luaL_checkversion(L);
    ignore_sigpipe();
    (void)push_state(L);
    sut_slot_set_weak(L, SUT_SLOT_OBJECTS, "v");
    sut_slot_set_weak(L, SUT_SLOT_SHIELDS, "k");
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, sut_on_raise, 1);
    sut_slot_set(L, SUT_SLOT_ON_RAISE);
    sut_open_supervisor(L);
    sut_open_token_table(L);
    sut_open_token(L);
    sut_open_handle(L);
    sut_open_runtime(L);
    sut_open_context(L);
    sut_open_signal(L);
    sut_open_shield(L);
    sut_open_mailbox(L);
    luaL_newlibtable(L, functions);
    lua_pushvalue(L, -2);
    luaL_setfuncs(L, functions, 1);
    lua_pushvalue(L, -2);
    (void)sut_open_nested(L);
    lua_setfield(L, -3, "coroutine");
    lua_pop(L, 1);
    sut_push_supervisor_methods(L);
    lua_setfield(L, -2, "supervisor_methods");
    sut_push_runtime_methods(L);
    lua_setfield(L, -2, "runtime_methods");
    lua_pushliteral(L, SUT_VERSION);
    lua_setfield(L, -2, "_VERSION");
    lua_pushstring(L, uv_version_string());
    lua_setfield(L, -2, "uv_version");
    return 1;
}
