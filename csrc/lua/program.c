/* SPDX-License-Identifier: MIT
 *
 * Running a runtime from a program: rt:run, and the loop under a main program's wait.
 *
 * A run ends when its program has, when nothing could ever run again, or by Ctrl-C. lua5.4's own
 * handler of SIGINT sets a hook on the main thread; the run is told, leaves the loop, and calls an
 * empty function there, so that the hook raises "interrupted!" out of the call that waits.
 */
#include "lua/reason.h"
#include "lua/resume.h"
#include "lua/runtime.h"
#include "lua/service.h"
#include "lua/supervisor.h"
#include "lua/wait.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- driving the loop ---- */

struct drive {
    struct sut_lua_runtime *rt;
    bool (*done)(const struct drive *drive);
    const struct sut_coroutine *program;
    bool interrupted;
};

static bool is_done(void *arg) {
    struct drive *drive = arg;
    if (sut_interrupt_take()) drive->interrupted = true;
    return drive->interrupted || drive->done(drive);
}

/* Without the watchdog's thread nothing is preempted, which is told once, unless it was left out
 * when this was compiled. */
static void start_watchdog(struct sut_lua_runtime *rt) {
    struct sut_watchdog *watchdog = rt->rt.watchdog;
    int code;
    if (rt->rt.slice_ns == 0 || watchdog->started || watchdog->failed) return;
    code = sut_watchdog_start(watchdog);
    if (code && code != -ENOTSUP)
        sut_report(rt, "nothing will be preempted or killed: %s", uv_strerror(code));
}

/* Runs the loop; returns how that ended. Raises nothing. */
static enum sut_run run_loop(lua_State *L, struct drive *drive, int *code) {
    struct sut_lua_runtime *rt = drive->rt;
    struct sut_lua *self = rt->self;
    struct sut_interrupt interrupt;
    lua_State *from = self->from;
    enum sut_run result;
    bool chained;
    if (!sut_loop_get(&rt->rt, code)) return SUT_RUN_FAILED;
    self->from = L;
    start_watchdog(rt);
    chained = sut_interrupt_enter(&interrupt, sut_loop_async(&rt->rt)) != 0;
    result = sut_loop_run(&rt->rt, is_done, drive, code);
    if (chained) sut_interrupt_leave(&interrupt);
    self->from = from;
    return result;
}

static int nothing(lua_State *L) {
    (void)L;
    return 0;
}

/* Lets the host's hook raise, if the signal was meant for this thread; else says so itself. */
static void raise_interrupted(lua_State *L) {
    lua_pushcfunction(L, nothing);
    lua_call(L, 0, 0);
    luaL_error(L, "interrupted!");
}

/* ---- deadlock ---- */

enum { DEADLOCK_LINES = 20 };

static void add_waiting(luaL_Buffer *buffer, const struct sut_coroutine *co) {
    char text[300];
    sut_wait_text(co, text, sizeof text);
    luaL_addstring(buffer, ": waits for ");
    luaL_addstring(buffer, text[0] ? text : "nothing");
}

/* Who waits, before a word is written: that may collect garbage, and finalizers change the tree. */
struct waiting {
    struct sut_id ids[DEADLOCK_LINES];
    int count; /* may be more than there is room for */
};

static void find_waiting(struct waiting *waiting, const struct sut_supervisor *root) {
    for (struct sut_service *core = sut_supervisor_walk(root, NULL); core;
         core = sut_supervisor_walk(root, core)) {
        const struct sut_lua_service *service = sut_service_of(core);
        if (!service->co.thread || service->co.wait == SUT_WAIT_NONE) continue;
        if (waiting->count < DEADLOCK_LINES) waiting->ids[waiting->count] = sut_service_id(core);
        waiting->count++;
    }
}

static void add_service(lua_State *L, luaL_Buffer *buffer, struct sut_service *core) {
    luaL_addstring(buffer, "\n\t");
    sut_push_path(L, core->parent, core);
    luaL_addvalue(buffer);
    add_waiting(buffer, &sut_service_of(core)->co);
}

/* Raises "deadlock" and says who waits for what. */
static int raise_deadlock(lua_State *L, struct sut_lua_runtime *rt, const char *who) {
    struct waiting waiting = {.count = 0};
    luaL_Buffer buffer;
    for (struct sut_list *node = rt->supervisors.next; node != &rt->supervisors;
         node = node->next) {
        struct sut_lua_supervisor *sup = SUT_CONTAINER(node, struct sut_lua_supervisor, all);
        if (!sut_supervisor_placed(&sup->core)) find_waiting(&waiting, &sup->core);
    }
    luaL_where(L, 1);
    luaL_buffinit(L, &buffer);
    luaL_addstring(&buffer, "deadlock: nothing can ever run again\n\t");
    luaL_addstring(&buffer, who);
    for (int i = 0; i < waiting.count && i < DEADLOCK_LINES; i++) {
        struct sut_service *core = sut_tree_find(&rt->rt.tree, waiting.ids[i]);
        if (core) add_service(L, &buffer, core);
    }
    if (waiting.count > DEADLOCK_LINES) {
        lua_pushfstring(L, "\n\tand %d more", waiting.count - DEADLOCK_LINES);
        luaL_addvalue(&buffer);
    }
    luaL_pushresult(&buffer);
    lua_concat(L, 2);
    return lua_error(L);
}

/* ---- the main program's wait ---- */

static bool main_woken(const struct drive *drive) {
    return drive->rt->main.co.woken != SUT_WOKEN_NOT || drive->rt->rt.closed;
}

void sut_runtime_drive(lua_State *L, struct sut_lua_runtime *rt) {
    struct drive drive = {.rt = rt, .done = main_woken};
    char who[256] = "the main program: waits for ";
    size_t said = strlen(who);
    int code;
    enum sut_run result = run_loop(L, &drive, &code);
    if (result == SUT_RUN_DONE && !drive.interrupted) return;
    sut_wait_text(&rt->main.co, who + said, sizeof who - said);
    sut_list_remove(&rt->main.co.task.node);
    sut_task_stop(&rt->rt, &rt->main.co.task);
    rt->main.co.wait = SUT_WAIT_NONE;
    rt->main.co.woken = SUT_WOKEN_NOT;
    if (drive.interrupted) raise_interrupted(L);
    if (result == SUT_RUN_FAILED) luaL_error(L, "no event loop: %s", uv_strerror(code));
    raise_deadlock(L, rt, who);
}

/* ---- rt:run(fn) ---- */

struct program {
    struct sut_standalone alone; /* first */
    struct sut_trace trace; /* of the raise that ended it; others may raise before run returns */
};

/* The program's coroutine was at its end: foreign closes count as one. */
static bool program_over(const struct drive *drive) {
    return drive->program->thread == NULL || drive->rt->rt.closed;
}

void sut_program_resume(struct sut_coroutine *co) {
    int results = 0;
    int status;
    int args = lua_status(co->thread) == LUA_YIELD ? 0 : lua_gettop(co->thread) - 1;
    sut_rt(co)->rt.progressed = true;
    if (co->foreign) {
        if (lua_status(co->thread) == LUA_YIELD) (void)sut_coroutine_close(co);
        co->thread = NULL;
        return;
    }
    status = sut_coroutine_resume(co, args, &results);
    if (status == LUA_YIELD && sut_has_given_way(co)) return;
    if (status == LUA_YIELD) {
        (void)sut_coroutine_close(co);
        co->foreign = true;
        co->status = LUA_YIELD;
    } else if (status != LUA_OK) {
        co->status = (unsigned)status & 7U;
    }
    if (co->status != LUA_OK) ((struct program *)co)->trace = sut_rt(co)->self->trace;
    co->thread = NULL;
}

/* Gives the results of the program on its thread, or raises what it raised. */
static int answer_program(lua_State *L, const struct program *program, lua_State *thread) {
    const struct sut_coroutine *co = &program->alone.co;
    char trace[4096];
    int results = lua_gettop(thread);
    if (co->foreign) {
        int odd = co->status == LUA_YIELD ? SUT_ODD_YIELDED : SUT_ODD_FOREIGN;
        sut_push_odd(L, NULL, odd);
        return luaL_error(L, "run: the program has ended: %s", lua_tostring(L, -1));
    }
    if (co->status == LUA_OK) {
        luaL_checkstack(L, results, "too many results of a run");
        lua_xmove(thread, L, results);
        return results;
    }
    lua_xmove(thread, L, 1);
    if (lua_type(L, -1) == LUA_TSTRING && co->status != LUA_ERRMEM) {
        (void)sut_trace_text(&program->trace, trace, sizeof trace);
        lua_pushliteral(L, "\n");
        lua_pushstring(L, trace);
        lua_concat(L, 3);
    }
    return lua_error(L);
}

static void leave_program(struct sut_coroutine *co) {
    if (co->thread) {
        (void)sut_coroutine_close(co);
        co->thread = NULL;
    }
    if (co->guard) co->guard->co = NULL;
    sut_task_stop(&sut_rt(co)->rt, &co->task);
    sut_list_remove(&co->task.node);
    sut_waits_leave(co);
}

static int run_program(lua_State *L, struct sut_lua_runtime *rt, int fn) {
    struct program program;
    struct sut_coroutine *co = &program.alone.co;
    struct drive drive = {.rt = rt, .done = program_over, .program = co};
    char who[256] = "the program: waits for ";
    size_t said = strlen(who);
    lua_State *thread;
    enum sut_run result;
    int code;
    sut_standalone_init(&program.alone, rt, SUT_COROUTINE_PROGRAM);
    thread = sut_push_program(L, fn, &co->guard);
    lua_replace(L, fn); /* keeps the thread alive in the function's place */
    co->guard->co = co;
    co->thread = thread;
    sut_task_ready(&rt->rt, &co->task);
    result = run_loop(L, &drive, &code);
    if (co->thread) sut_wait_text(co, who + said, sizeof who - said);
    leave_program(co);
    if (drive.interrupted) raise_interrupted(L);
    if (result == SUT_RUN_FAILED) return luaL_error(L, "no event loop: %s", uv_strerror(code));
    if (result == SUT_RUN_IDLE) return raise_deadlock(L, rt, who);
    return answer_program(L, &program, thread);
}

static bool never(const struct drive *drive) { return drive->rt->rt.closed; }

static int run_until_idle(lua_State *L, struct sut_lua_runtime *rt) {
    struct drive drive = {.rt = rt, .done = never};
    int code;
    if (run_loop(L, &drive, &code) == SUT_RUN_FAILED)
        return luaL_error(L, "no event loop: %s", uv_strerror(code));
    if (drive.interrupted) raise_interrupted(L);
    return 0;
}

int sut_runtime_run_at(lua_State *L, struct sut_lua_runtime *rt, int fn) {
    if (rt->rt.running || rt->rt.stepping)
        return luaL_error(L, "run: this runtime is running already");
    if (sut_in_finalizer(L)) return luaL_error(L, "run: cannot be called in a finalizer");
    if (sut_luv_running(L) && sut_runtime_lent(rt))
        return luaL_error(L, "run: luv is running the loop of this runtime");
    if (lua_isnoneornil(L, fn)) return run_until_idle(L, rt);
    if (lua_type(L, fn) != LUA_TFUNCTION) sut_misuse(L, "run", "fn", "function", fn);
    return run_program(L, rt, fn);
}
