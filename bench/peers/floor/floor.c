/* SPDX-License-Identifier: MIT
 *
 * Services of the C floor: how they run, sleep, end, start again and stop. See floor.h.
 */
#include "floor.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TICK_NS INT64_C(1000000)

static lua_State *L;
static int hook;        /* on the stack of the main thread */
static int slots;       /* how many places the table of threads has */
static int *unused;     /* places that are free again */
static int unused_size; /* and how many */
static int unused_room;

int64_t floor_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static struct service *running(lua_State *co) { return *(struct service **)lua_getextraspace(co); }

/* ---- what bodies may call ---- */

static int wait(lua_State *co) { return lua_yield(co, 0); }

static int yield(lua_State *co) {
    ring_push(running(co));
    return lua_yield(co, 0);
}

static int sleep_for(lua_State *co) {
    heap_push(floor_now_ns() + (int64_t)(luaL_checknumber(co, 1) * 1e9), running(co));
    return lua_yield(co, 0);
}

/* Resumes the service of a name, which waits, with a value, which goes from stack to stack. */
static int post(lua_State *co) {
    lua_pushvalue(co, 1);
    lua_rawget(co, lua_upvalueindex(1));
    struct service *to = lua_touserdata(co, -1);
    lua_pop(co, 1);
    lua_xmove(co, to->co, 1);
    to->given = 1;
    ring_push(to);
    return 0;
}

static int now(lua_State *co) {
    lua_pushnumber(co, (double)floor_now_ns() / 1e9);
    return 1;
}

/* ---- opening ---- */

static void push_primitives(void) {
    static const luaL_Reg primitives[] = {
        {"wait", wait}, {"yield", yield}, {"sleep", sleep_for}, {"now", now}, {NULL, NULL}};
    luaL_newlib(L, primitives);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, "names");
    lua_pushcclosure(L, post, 1);
    lua_setfield(L, -2, "post");
}

void floor_open(const char *bodies) {
    L = luaL_newstate();
    luaL_openlibs(L);
    lua_newtable(L);
    if (luaL_loadfile(L, bodies) != LUA_OK) abort();
    push_primitives();
    lua_call(L, 1, 1);
}

int floor_body(const char *name) {
    lua_getfield(L, FLOOR_BODIES, name);
    return lua_gettop(L);
}

void floor_hook(const char *name) { hook = floor_body(name); }

double floor_call(const char *name, double argument) {
    lua_getfield(L, FLOOR_BODIES, name);
    lua_pushnumber(L, argument);
    lua_call(L, 1, 1);
    double result = lua_tonumber(L, -1);
    lua_pop(L, 1);
    return result;
}

void floor_collect(void) {
    lua_gc(L, LUA_GCCOLLECT);
    lua_gc(L, LUA_GCCOLLECT);
}

double floor_lua_bytes(void) { return lua_gc(L, LUA_GCCOUNT) * 1024.0 + lua_gc(L, LUA_GCCOUNTB); }

/* ---- supervisors and services ---- */

static void link_last(struct node *node, struct supervisor *above) {
    node->above = above;
    if (!above) return;
    node->before = above->last;
    if (above->last)
        above->last->behind = node;
    else
        above->first = node;
    above->last = node;
}

static void unlink_node(struct node *node) {
    struct supervisor *above = node->above;
    if (!above) return;
    if (node->before)
        node->before->behind = node->behind;
    else
        above->first = node->behind;
    if (node->behind)
        node->behind->before = node->before;
    else
        above->last = node->before;
}

/* A zeroed struct of `size` bytes with the name behind it. */
static void *named(size_t size, const char *name) {
    size_t length = strlen(name) + 1;
    char *made = malloc(size + length);
    if (!made) abort();
    memset(made, 0, size);
    memcpy(made + size, name, length);
    return made;
}

struct supervisor *floor_supervisor(struct supervisor *above, const char *name) {
    struct supervisor *made = named(offsetof(struct supervisor, name), name);
    made->node.is_supervisor = 1;
    link_last(&made->node, above);
    return made;
}

static int free_slot(void) { return unused_size ? unused[--unused_size] : ++slots; }

/* A new thread for each run, which the table of threads keeps. */
static void start(struct service *service) {
    service->co = lua_newthread(L);
    *(struct service **)lua_getextraspace(service->co) = service;
    lua_rawseti(L, FLOOR_THREADS, service->slot);
    lua_pushvalue(L, service->body);
    lua_xmove(L, service->co, 1);
    ring_push(service);
}

struct service *floor_add(struct supervisor *above, int body, const char *name) {
    struct service *made = named(offsetof(struct service, name), name);
    made->slot = free_slot();
    made->body = body;
    link_last(&made->node, above);
    start(made);
    return made;
}

void floor_known(struct service *service) {
    lua_getfield(L, LUA_REGISTRYINDEX, "names");
    lua_pushlightuserdata(L, service);
    lua_setfield(L, -2, service->name);
    lua_pop(L, 1);
}

static void forget(struct service *service) {
    if (unused_size == unused_room) {
        unused_room = unused_room ? 2 * unused_room : 64;
        unused = realloc(unused, (size_t)unused_room * sizeof *unused);
        if (!unused) abort();
    }
    unused[unused_size++] = service->slot;
    lua_pushboolean(L, 0);
    lua_rawseti(L, FLOOR_THREADS, service->slot);
    unlink_node(&service->node);
    free(service);
}

/* ---- ends ---- */

/* The light trace: where each frame is, and the names that lua_getinfo has. */
static const char *trace(lua_State *co, char *out, size_t size) {
    lua_Debug ar;
    size_t used = (size_t)snprintf(out, size, "stack traceback:");
    for (int level = 0; level < 22 && used < size && lua_getstack(co, level, &ar); level++) {
        lua_getinfo(co, "Sln", &ar);
        int more =
            snprintf(out + used, size - used, "\n\t%s:%d: in %s '%s'", ar.short_src, ar.currentline,
                     ar.name ? ar.namewhat : "function", ar.name ? ar.name : ar.what);
        used += (size_t)more;
    }
    return out;
}

/* The event is a table with what a hook wants to know. The thread of a run that failed still has
 * its stack, so the trace needs no message handler. */
static void tell(struct service *service, int status) {
    char text[2048];
    lua_pushvalue(L, hook);
    lua_createtable(L, 0, status == LUA_OK ? 2 : 4);
    lua_pushstring(L, status == LUA_OK ? "service_terminate" : "service_panic");
    lua_setfield(L, -2, "type");
    lua_pushstring(L, service->name);
    lua_setfield(L, -2, "service_name");
    if (status != LUA_OK) {
        lua_pushstring(L, trace(service->co, text, sizeof text));
        lua_setfield(L, -2, "stacktrace");
        lua_xmove(service->co, L, 1);
        luaL_tolstring(L, -1, NULL);
        lua_setfield(L, -3, "error_msg");
        lua_pop(L, 1);
    }
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) abort();
}

static void resume(struct service *service) {
    int results;
    int given = service->given;
    service->given = 0;
    int status = lua_resume(service->co, L, given, &results);
    if (status == LUA_YIELD) return;
    if (service->stopping) {
        forget(service);
        return;
    }
    tell(service, status);
    start(service);
}

/* Last first, each to its end: a service is resumed, and its wait returns true. */
void floor_stop(struct supervisor *supervisor) {
    for (struct node *last = supervisor->last; last; last = supervisor->last) {
        if (last->is_supervisor) {
            floor_stop((struct supervisor *)last);
            continue;
        }
        struct service *service = (struct service *)last;
        service->stopping = 1;
        lua_pushboolean(service->co, 1);
        service->given = 1;
        resume(service);
    }
    unlink_node(&supervisor->node);
    free(supervisor);
}

/* ---- the loop ---- */

void floor_settle(void) {
    for (struct service *service = ring_pop(); service; service = ring_pop())
        resume(service);
}

/* Sleeps to the next whole tick after the first deadline, as a poll in milliseconds does: who is
 * due in the same tick is woken together. */
static void sleep_until(int64_t due_ns, int64_t deadline_ns) {
    int64_t until_ns = (due_ns / TICK_NS + 1) * TICK_NS;
    if (until_ns > deadline_ns) until_ns = deadline_ns;
    struct timespec at = {until_ns / INT64_C(1000000000), until_ns % INT64_C(1000000000)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

/* Puts whom the time has come for to the ring, and returns 0 when that is nobody; then the next one
 * is due at `*due_ns`, if anybody sleeps. */
static int wake(int64_t now_ns, int64_t *due_ns) {
    int woken = 0;
    for (; heap_first(due_ns) && *due_ns <= now_ns; woken = 1)
        ring_push(heap_pop());
    return woken;
}

void floor_run_until(int64_t deadline_ns) {
    for (;;) {
        floor_settle();
        int64_t now_ns = floor_now_ns();
        int64_t due_ns = deadline_ns;
        if (now_ns >= deadline_ns) return;
        if (!wake(now_ns, &due_ns)) sleep_until(due_ns, deadline_ns);
    }
}
