/* SPDX-License-Identifier: MIT
 *
 * What is waited for, in words: what it is, the time that is left of a limit, and the place in the
 * program that waits.
 *
 * Made only when somebody reads it, so nothing is written down when a wait begins: whom it is for
 * is found by the list that the coroutine stands in. Everything is bounded, and nothing here
 * allocates or raises.
 */
#include "core/order.h"
#include "lua/supervisor.h"
#include "lua/wait.h"

#include <stdio.h>
#include <string.h>

/* Room for a path in words. */
enum { PATH_MAX_LENGTH = 112 };

/* ---- whom a wait is for ---- */

static bool holds(const struct sut_list *waiters, const struct sut_coroutine *co) {
    for (const struct sut_list *node = waiters->next; node != waiters; node = node->next)
        if (node == &co->task.node) return true;
    return false;
}

/* The supervisor in whose list it stands; NULL once it has been woken. */
static const struct sut_supervisor *awaited_supervisor(const struct sut_coroutine *co) {
    const struct sut_list *all = &sut_rt(co)->supervisors;
    for (struct sut_list *node = all->next; node != all; node = node->next) {
        const struct sut_lua_supervisor *sup = SUT_CONTAINER(node, struct sut_lua_supervisor, all);
        if (holds(co->wait == SUT_WAIT_READY ? &sup->ready_waiters : &sup->waiters, co))
            return &sup->core;
    }
    return NULL;
}

/* Likewise the service. */
static const struct sut_service *awaited_service(const struct sut_coroutine *co) {
    const struct sut_list *all = &sut_rt(co)->supervisors;
    for (struct sut_list *node = all->next; node != all; node = node->next) {
        const struct sut_supervisor *sup =
            &SUT_CONTAINER(node, struct sut_lua_supervisor, all)->core;
        for (struct sut_service *service = sut_supervisor_first(sup); service;
             service = sut_service_next(service)) {
            const struct sut_extras *extras = sut_extras_of(sut_service_of(service));
            if (extras && holds(&extras->waiters, co)) return service;
        }
    }
    return NULL;
}

/* ---- its parts ---- */

static void end_of_service(const struct sut_coroutine *co, char *out, size_t size) {
    const struct sut_service *service = awaited_service(co);
    char path[PATH_MAX_LENGTH] = "a service";
    if (service) sut_path_text(service->parent, service, path, sizeof path);
    (void)snprintf(out, size, "end of %s", path);
}

static void of_supervisor(const struct sut_coroutine *co, char *out, size_t size) {
    const struct sut_supervisor *sup = awaited_supervisor(co);
    char path[PATH_MAX_LENGTH] = "a supervisor";
    if (sup) sut_path_text(sup, NULL, path, sizeof path);
    if (co->wait == SUT_WAIT_READY)
        (void)snprintf(out, size, "children of %s to be ready", path);
    else
        (void)snprintf(out, size, "end of %s", path);
}

static void what(const struct sut_coroutine *co, char *out, size_t size) {
    static const char *const names[] = {
        [SUT_WAIT_NONE] = "",
        [SUT_WAIT_PREEMPTED] = "its turn",
        [SUT_WAIT_YIELD] = "yield",
        [SUT_WAIT_SLEEP] = "sleep",
        [SUT_WAIT_AWAIT] = "await",
        [SUT_WAIT_CONTEXT] = "ctx:wait",
        [SUT_WAIT_SERVICE] = NULL,
        [SUT_WAIT_READY] = NULL,
        [SUT_WAIT_SUPERVISOR] = NULL,
        [SUT_WAIT_PROGRAM] = "run",
        [SUT_WAIT_MAILBOX] = "mailbox:receive",
    };
    if (names[co->wait])
        (void)snprintf(out, size, "%s", names[co->wait]);
    else if (co->wait == SUT_WAIT_SERVICE)
        end_of_service(co, out, size);
    else
        of_supervisor(co, out, size);
}

/* " (3.200 s left)" of a wait with a limit, or nothing. */
static void time_left(const struct sut_coroutine *co, char *out, size_t size) {
    int64_t left_ns;
    out[0] = '\0';
    if (!sut_deadline_armed(&co->task.wake)) return;
    left_ns = co->task.wake.time_ns - sut_runtime_now(&sut_rt(co)->rt);
    (void)snprintf(out, size, " (%.3f s left)", left_ns > 0 ? sut_seconds(left_ns) : 0.0);
}

/* " at file.lua:12" for the innermost line of Lua, or nothing. */
static void place(const struct sut_coroutine *co, char *out, size_t size) {
    lua_State *thread = co->thread ? sut_innermost(co->thread) : NULL;
    lua_Debug ar;
    out[0] = '\0';
    for (int level = 0; thread && lua_getstack(thread, level, &ar); level++) {
        if (!lua_getinfo(thread, "Sl", &ar) || ar.currentline < 0) continue;
        (void)snprintf(out, size, " at %s:%d", ar.short_src, ar.currentline);
        return;
    }
}

void sut_wait_text(const struct sut_coroutine *co, char *out, size_t size) {
    char whom[PATH_MAX_LENGTH + 32];
    char where[LUA_IDSIZE + 24];
    char left[48];
    out[0] = '\0';
    if (co->wait == SUT_WAIT_NONE) return;
    what(co, whom, sizeof whom);
    time_left(co, left, sizeof left);
    place(co, where, sizeof where);
    (void)snprintf(out, size, "%s%s%s", whom, left, where);
}

/* ---- of a service ---- */

/* The name as paths write it, cut where there is no room. */
static void sibling(const struct sut_service *other, char *out, size_t size) {
    size_t length = sut_name_write(sut_service_text(other), other->name.length, other->name.number,
                                   out, size - 4);
    if (length <= size - 4)
        out[length] = '\0';
    else
        memcpy(out + size - 4, "...", 4);
}

void sut_service_wait_text(const struct sut_lua_service *service, char *out, size_t size) {
    const struct sut_service *core = &service->core;
    const struct sut_service *other;
    char name[PATH_MAX_LENGTH] = "siblings";
    out[0] = '\0';
    if (core->state != SUT_STATE_WAITING) {
        if (service->co.thread) sut_wait_text(&service->co, out, size);
        return;
    }
    other = sut_order_waits_for(core);
    if (other) sibling(other, name, sizeof name);
    (void)snprintf(out, size, "%s to %s", name, core->parent->grouping ? "stop" : "be ready");
}
