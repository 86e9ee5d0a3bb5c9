/* SPDX-License-Identifier: MIT
 *
 * How anything waits: one door for coroutines of a runtime and for the main program.
 *
 *     struct sut_coroutine *co = sut_wait_begin(L, self, rt, "sleep");
 *     ... link co->link, decide the deadline: nothing that can raise from here on ...
 *     return sut_wait(L, self, co, SUT_WAIT_SLEEP, deadline_ns, continuation, context);
 *
 * and in the continuation: `switch (sut_wait_end(L, self, &co))`. A coroutine that was asked to
 * stop gives way once and is woken by CANCEL at every wait, unless it shields itself.
 */
#ifndef SUT_LUA_WAIT_H
#define SUT_LUA_WAIT_H

#include "lua/coroutine.h"

/* Who would wait: the current coroutine, or the main program on `rt` (NULL: the default runtime).
 * Raises, saying why, where waiting is impossible: in a hook or callback, in a coroutine that is
 * not the runtime's, where Lua cannot yield. `rt` other than the current coroutine's own raises.
 * Nothing has been registered yet. */
struct sut_coroutine *sut_wait_begin(lua_State *L, struct sut_lua *self, struct sut_lua_runtime *rt,
                                     const char *what);

/* True when the caller could not wait at all without raising (a hook): calls that then only ask. */
bool sut_cannot_wait(lua_State *L, const struct sut_lua *self);

/* Suspends until sut_wake or the deadline (SUT_NEVER: none), then continues in `k`. The main
 * program runs the loop meanwhile; it raises "deadlock" when nothing can ever run again. */
int sut_wait(lua_State *L, struct sut_lua *self, struct sut_coroutine *co, enum sut_wait wait,
             int64_t deadline_ns, lua_KFunction k, lua_KContext context);

/* In a continuation: why the wait is over, having left what was waited for. Raises when a stranger
 * has resumed the coroutine. CANCEL is returned, not raised. */
enum sut_woken sut_wait_end(lua_State *L, struct sut_lua *self, struct sut_coroutine **out);

/* As sut_wait_end, but raises the CANCELED object when the coroutine was asked to stop. */
enum sut_woken sut_wait_end_or_raise(lua_State *L, struct sut_lua *self);

/* Module functions: sutura.sleep(s), sutura.yield(), sutura.shield(fn, ...). */
int sut_sleep(lua_State *L);
int sut_yield(lua_State *L);
int sut_shield(lua_State *L);

/* Makes what shields need, with the sut_lua userdata on the top, where it stays. */
void sut_open_shield(lua_State *L);

/* Module function: sutura.await(start [, limit]), in await.c. */
int sut_await(lua_State *L);
void sut_awaits_leave(struct sut_coroutine *co);

/* Module function: sutura.mailbox(), in mailbox.c; the metatable, with the sut_lua userdata on the
 * top, where it stays. */
int sut_mailbox_new(lua_State *L);
void sut_open_mailbox(lua_State *L);
void sut_mailboxes_leave(struct sut_coroutine *co);

/* Raises the CANCELED object. */
int sut_raise_canceled(lua_State *L);

/* ---- csrc/lua/wait_text.c ---- */

struct sut_lua_service;

/* Writes what a suspended coroutine waits for, NUL-terminated: "sleep (3.200 s left) at
 * worker.lua:12", "end of root/db at main.lua:7"; "" when it does not wait. Never raises. */
void sut_wait_text(const struct sut_coroutine *co, char *out, size_t size);

/* The same of a service, which also waits for siblings before its run: "db to be ready". Never
 * raises. */
void sut_service_wait_text(const struct sut_lua_service *service, char *out, size_t size);

#endif
