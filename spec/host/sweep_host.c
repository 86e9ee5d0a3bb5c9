/* SPDX-License-Identifier: MIT
 *
 * usage: sweep_host MODULE.so SCENARIO.lua KINDS COUNT FIRST STRIDE JOBS
 *
 * Runs a scenario over and over, each time in a process of its own, and lets the nth request for
 * memory fail, with COUNT in a row (0: all from the nth on): n = FIRST, FIRST + STRIDE, ... until a
 * run sees no failure. KINDS says whose requests: letters of "lou", for Lua's, our own, libuv's. In
 * TAP: one test. A run is good when it ends well or by a clean error (the scenario checks what that
 * means), gives everything back, and does not crash; but libuv may abort where it cannot grow its
 * table of watchers, which is counted.
 *
 * A runtime without memory waits for it: after a second there is some again. Blocks move with every
 * realloc, what is freed is poisoned, and Lua's idea of a block's size must be ours. The scenario
 * finds a table `sweep`: `allow()` grants everything from now on, `quiet(fn, ...)` calls a function
 * whose requests neither count nor fail, `failed()` says whether one has failed.
 * With SHOW in the environment the stack of the first failure is printed.
 */
#define _GNU_SOURCE
#include "aborts.h"

#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

enum kind { KIND_LUA, KIND_OWN, KIND_UV, KINDS };
enum outcome { WELL = 0, WELL_AFTER_FAILURE = 10, BAD = 20 };

enum { SECONDS_WITHOUT = 1, SECONDS_WITH = 20, FREED = 0xDB };

/* ---- the allocator ---- */

static bool counted[KINDS];
static long to_skip;            /* requests that are still granted */
static volatile long to_refuse; /* and then refused */
static bool is_quiet;
static bool has_refused;
static bool shows;          /* where the first refusal was */
static bool refused_growth; /* the last refusal was of a block of libuv's that was to grow */
static long live[KINDS];

/* Beside each block; as large as the strictest alignment wants. */
union header {
    struct {
        size_t size;
        enum kind kind;
    } of;
    max_align_t align;
};

static void die(const char *text) {
    (void)fprintf(stderr, "%s\n", text);
    _exit(BAD);
}

static bool refuses(enum kind kind) {
    if (is_quiet || !counted[kind] || to_refuse == 0) return false;
    if (to_skip > 0) {
        to_skip--;
        return false;
    }
    to_refuse--;
    if (shows && !has_refused) show_stack();
    has_refused = true;
    refused_growth = false;
    return true;
}

static union header *header_of(void *block) { return (union header *)block - 1; }

static void give_back(void *block, enum kind kind) {
    union header *header = header_of(block);
    if (header->of.kind != kind) die("a block was given back to another allocator than its own");
    live[kind]--;
    memset(header, FREED, sizeof *header + header->of.size);
    free(header);
}

/* As realloc; the block always moves. */
static void *move(void *block, size_t size, enum kind kind) {
    size_t had = block ? header_of(block)->of.size : 0;
    union header *header;
    if (size == 0) {
        if (block) give_back(block, kind);
        return NULL;
    }
    if (size > had && refuses(kind)) return NULL;
    header = malloc(sizeof *header + size);
    if (!header) die("the machine itself has no memory");
    header->of.size = size;
    header->of.kind = kind;
    memset(header + 1, FREED, size);
    if (block) memcpy(header + 1, block, had < size ? had : size);
    live[kind]++;
    if (block) give_back(block, kind);
    return header + 1;
}

static void *for_lua(void *state, void *block, size_t had, size_t size) {
    (void)state;
    if (block && header_of(block)->of.size != had) die("Lua's size of a block is not ours");
    return move(block, size, KIND_LUA);
}

static void *for_own(void *block, size_t size) { return move(block, size, KIND_OWN); }

/* libuv may ask for nothing, and expects something. */
static void *uv_malloc(size_t size) { return move(NULL, size ? size : 1, KIND_UV); }

/* The table of watchers is what libuv lets grow. */
static void *uv_realloc(void *block, size_t size) {
    void *moved = move(block, size, KIND_UV);
    if (!moved && size > 0) refused_growth = true;
    return moved;
}

static void *uv_calloc(size_t count, size_t size) {
    void *block = uv_malloc(count * size);
    if (block) memset(block, 0, count * size);
    return block;
}

static void uv_free(void *block) {
    if (block) give_back(block, KIND_UV);
}

/* ---- what the scenario finds ---- */

static int allow(lua_State *L) {
    (void)L;
    to_refuse = 0;
    return 0;
}

static int quiet(lua_State *L) {
    bool before = is_quiet;
    int status;
    is_quiet = true;
    status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    is_quiet = before;
    return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

static int failed(lua_State *L) {
    lua_pushboolean(L, has_refused);
    return 1;
}

/* ---- one run ---- */

static void hangs(int signum) {
    (void)signum;
    show_stack();
    die("hangs");
}

static void has_memory_again(int signum) {
    (void)signum;
    to_refuse = 0;
    (void)signal(SIGALRM, hangs);
    (void)alarm(SECONDS_WITH);
}

/* libuv cannot grow its table of watchers, says nothing, and aborts. */
static void aborted(int signum) {
    (void)signum;
    if (refused_growth && is_abort_of_libuv()) _exit(ABORTED_BY_LIBUV);
    show_stack();
    die("aborted");
}

static int program(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"allow", allow}, {"quiet", quiet}, {"failed", failed}, {NULL, NULL}};
    const char *scenario = lua_touserdata(L, 1);
    luaL_openlibs(L);
    luaL_newlib(L, functions);
    lua_setglobal(L, "sweep");
    if (luaL_loadfile(L, scenario) != LUA_OK) return lua_error(L);
    lua_call(L, 0, 0);
    return 0;
}

/* Lua's own text, which is always there, maybe with words around it that say where. */
static bool ended_cleanly(lua_State *L, int status) {
    static const char cause[] = "not enough memory";
    const char *text;
    if (status == LUA_OK) return true;
    text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    if (has_refused && text && strstr(text, cause)) return true;
    to_refuse = 0;
    (void)fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
    return false;
}

static void check_nothing_is_left(void) {
    static const char *const names[KINDS] = {"Lua's", "our own", "libuv's"};
    for (int kind = 0; kind < KINDS; kind++) {
        if (live[kind] == 0) continue;
        (void)fprintf(stderr, "%ld blocks of %s are left\n", live[kind], names[kind]);
        _exit(BAD);
    }
}

static void run(char *scenario) {
    lua_State *L;
    bool clean = true;
    (void)signal(SIGALRM, has_memory_again);
    (void)alarm(SECONDS_WITHOUT);
    (void)signal(SIGABRT, aborted);
    if (!freopen("/dev/null", "r", stdin)) die("no /dev/null");
    L = lua_newstate(for_lua, NULL);
    if (L) {
        lua_pushcfunction(L, program);
        lua_pushlightuserdata(L, scenario);
        clean = ended_cleanly(L, lua_pcall(L, 1, 0, 0));
        to_refuse = 0;
        lua_close(L);
    }
    uv_library_shutdown();
    check_nothing_is_left();
    if (!clean) _exit(BAD);
    exit(has_refused ? WELL_AFTER_FAILURE : WELL); /* and what it has covered is written down */
}

/* ---- all runs ---- */

static long runs, failures, aborts, problems;
static bool is_over;

/* Says what a run of this number has come to. */
static void judge(long n, int status) {
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    runs++;
    if (code == WELL) {
        is_over = true;
    } else if (code == WELL_AFTER_FAILURE) {
        failures++;
    } else if (code == ABORTED_BY_LIBUV) {
        aborts++;
    } else {
        problems++;
        if (code == -1) (void)fprintf(stderr, "killed by signal %d\n", WTERMSIG(status));
        (void)fprintf(stderr, "so ends the run whose request %ld fails\n", n);
    }
}

struct job {
    pid_t pid;
    long n;
};

static void await(struct job *jobs, long count) {
    int status;
    pid_t pid = wait(&status);
    for (long i = 0; i < count; i++) {
        if (jobs[i].pid != pid) continue;
        judge(jobs[i].n, status);
        jobs[i].pid = 0;
        return;
    }
}

static struct job *free_job(struct job *jobs, long count) {
    for (;;) {
        for (long i = 0; i < count; i++)
            if (jobs[i].pid == 0) return &jobs[i];
        await(jobs, count);
    }
}

static void start(struct job *job, long n, long in_a_row, char *scenario) {
    job->n = n;
    job->pid = fork();
    if (job->pid < 0) die(strerror(errno));
    if (job->pid > 0) return;
    to_skip = n - 1;
    to_refuse = in_a_row > 0 ? in_a_row : INT64_MAX;
    run(scenario);
}

static void sweep(char **arguments) {
    long in_a_row = atol(arguments[4]), stride = atol(arguments[6]), count = atol(arguments[7]);
    struct job *jobs = calloc((size_t)count, sizeof *jobs);
    if (!jobs) die("no memory");
    for (long n = atol(arguments[5]); !is_over && problems < 5; n += stride)
        start(free_job(jobs, count), n, in_a_row, arguments[2]);
    for (long i = 0; i < count; i++)
        while (jobs[i].pid != 0)
            await(jobs, count);
    free(jobs);
}

/* The module is loaded before Lua asks for it, so that its allocator can be replaced. */
static void replace_allocators(const char *module) {
    void (*replace)(void *(*)(void *, size_t));
    void *library;
    if (uv_replace_allocator(uv_malloc, uv_realloc, uv_calloc, uv_free)) die("libuv is in use");
    library = dlopen(module, RTLD_NOW);
    if (!library) die(dlerror());
    *(void **)&replace = dlsym(library, "sut_alloc_replace");
    if (!replace) die("the module was not built for this (FLAVOUR=oom)");
    replace(for_own);
}

int main(int count, char **arguments) {
    if (count != 8) die("usage: sweep_host MODULE SCENARIO KINDS COUNT FIRST STRIDE JOBS");
    shows = getenv("SHOW") != NULL;
    prepare_for_aborts();
    counted[KIND_LUA] = strchr(arguments[3], 'l') != NULL;
    counted[KIND_OWN] = strchr(arguments[3], 'o') != NULL;
    counted[KIND_UV] = strchr(arguments[3], 'u') != NULL;
    replace_allocators(arguments[1]);
    sweep(arguments);
    printf("%s 1 - requests of %s, %s in a row: %ld runs, %ld with a failure, %ld ended by libuv, "
           "%ld wrong\n1..1\n",
           problems ? "not ok" : "ok", arguments[3],
           strcmp(arguments[4], "0") == 0 ? "all" : arguments[4], runs, failures, aborts, problems);
    return problems != 0;
}
