/* SPDX-License-Identifier: MIT
 *
 * Mailboxes: values that wait for whoever receives them, and receivers that wait for values.
 *
 * A value stays in the box until a receiver that runs takes it: one that was woken for it and is
 * ended before its turn leaves it where it is, and the next is woken. One that finds its value
 * taken by somebody who came by meanwhile goes on waiting.
 *
 * Uservalues: 1 the values, in an array that is used as a ring; 2 the runtime.
 */
#include "lua/runtime.h"
#include "lua/wait.h"

#define MAILBOX_TYPE "sutura.mailbox"

enum { BOX_VALUES = 1, BOX_RUNTIME };

/* Places in the ring, a power of two: at first, and above which an empty one is not kept. */
enum { LEAST_ROOM = 8, MOST_KEPT_ROOM = 64 };

struct sut_mailbox {
    struct sut_list all;     /* in sut_lua_runtime.mailboxes */
    struct sut_list waiters; /* sut_coroutine.task.node */
    struct sut_lua_runtime *rt;
    lua_Integer first; /* place of the oldest value, from 0 */
    lua_Integer count;
    lua_Integer room;
};

static lua_Integer place_of(const struct sut_mailbox *box, lua_Integer i) {
    return ((box->first + i) & (box->room - 1)) + 1;
}

/* The argument 1 as the mailbox of an open runtime; raises otherwise. */
static struct sut_mailbox *check(lua_State *L, const struct sut_lua *self, const char *fn) {
    struct sut_mailbox *box = lua_touserdata(L, 1);
    if (!sut_has_type(L, self, 1, SUT_TYPE_MAILBOX))
        sut_misuse(L, fn, "self", "a mailbox (called with ':')", 1);
    else if (box->rt->rt.closed)
        luaL_error(L, "'%s': the runtime of the mailbox is closed", fn);
    return box;
}

/* ---- sending ---- */

/* Gives the box a ring with so much room, at least for what is in it. May raise for memory, and
 * nothing is changed then. */
static void make_room(lua_State *L, int at, struct sut_mailbox *box, lua_Integer room) {
    lua_createtable(L, (int)room, 0);
    (void)lua_getiuservalue(L, at, BOX_VALUES);
    for (lua_Integer i = 0; i < box->count; i++) {
        (void)lua_rawgeti(L, -1, place_of(box, i));
        lua_rawseti(L, -3, i + 1);
    }
    lua_pop(L, 1);
    (void)lua_setiuservalue(L, at, BOX_VALUES);
    box->first = 0;
    box->room = room;
}

static void wake_first(struct sut_mailbox *box) {
    struct sut_list *node = box->waiters.next;
    if (node == &box->waiters) return;
    sut_list_remove(node);
    sut_wake(SUT_CONTAINER(node, struct sut_coroutine, task.node), SUT_WOKEN_READY);
}

static int mailbox_send(lua_State *L) {
    struct sut_mailbox *box = check(L, sut_self(L), "send");
    if (lua_isnoneornil(L, 2)) sut_misuse(L, "send", "value", "a value other than nil", 2);
    lua_settop(L, 2);
    if (box->count == box->room)
        make_room(L, 1, box, 2 * box->room);
    else if (box->count == 0 && box->room > MOST_KEPT_ROOM)
        make_room(L, 1, box, LEAST_ROOM);
    (void)lua_getiuservalue(L, 1, BOX_VALUES);
    lua_pushvalue(L, 2);
    lua_rawseti(L, 3, place_of(box, box->count));
    box->count++;
    wake_first(box);
    sut_loop_touch(&box->rt->rt);
    lua_pushboolean(L, 1);
    return 1;
}

/* ---- receiving ---- */

static int take(lua_State *L, struct sut_mailbox *box) {
    lua_Integer place = place_of(box, 0);
    (void)lua_getiuservalue(L, 1, BOX_VALUES);
    (void)lua_rawgeti(L, 2, place);
    lua_pushnil(L);
    lua_rawseti(L, 2, place);
    box->first = place & (box->room - 1);
    box->count--;
    return 1;
}

/* What `received` says to the main program, which waits in a loop of its own. */
enum { AGAIN = -1 };

/* The context is when the limit passes; 0 for a limit of 0. */
static int received(lua_State *L, int status, lua_KContext deadline_ns) {
    struct sut_lua *self = sut_self(L);
    struct sut_mailbox *box = lua_touserdata(L, 1);
    struct sut_coroutine *co;
    enum sut_woken woken = sut_wait_end(L, self, &co);
    (void)status;
    lua_settop(L, 1);
    if (woken == SUT_WOKEN_CANCEL || sut_is_asked(co)) {
        if (box->count) wake_first(box); /* it may have been woken for a value before */
        return sut_raise_canceled(L);
    }
    if (box->count) return take(L, box);
    if (woken == SUT_WOKEN_TIME || deadline_ns == 0) return sut_fail(L, SUT_ERR_TIMEOUT);
    if (co->kind == SUT_COROUTINE_MAIN) return AGAIN;
    sut_list_append(&box->waiters, &co->task.node);
    return sut_wait(L, self, co, SUT_WAIT_MAILBOX, deadline_ns, received, deadline_ns);
}

/* A limit of 0 gives way once, and so does whoever was asked to stop, before the error. */
static int mailbox_receive(lua_State *L) {
    struct sut_lua *self = sut_self(L);
    struct sut_mailbox *box = check(L, self, "receive");
    int64_t span_ns = sut_check_span(L, 2, "receive", "limit", SUT_NEVER);
    struct sut_coroutine *co = sut_wait_begin(L, self, box->rt, "receive");
    int64_t deadline_ns = SUT_NEVER;
    int results;
    lua_settop(L, 1);
    if (box->count && !sut_is_asked(co)) return take(L, box);
    if (span_ns == 0) return sut_wait(L, self, co, SUT_WAIT_YIELD, SUT_NEVER, received, 0);
    if (span_ns != SUT_NEVER) deadline_ns = sut_time_after(sut_runtime_now(&box->rt->rt), span_ns);
    do {
        sut_list_append(&box->waiters, &co->task.node);
        results = sut_wait(L, self, co, SUT_WAIT_MAILBOX, deadline_ns, received, deadline_ns);
    } while (results == AGAIN);
    return results;
}

/* It may have been woken for a value: somebody else shall have it. Needs no memory. */
void sut_mailboxes_leave(struct sut_coroutine *co) {
    struct sut_list *all;
    if (co->woken != SUT_WOKEN_READY) return;
    all = &sut_rt(co)->mailboxes;
    for (struct sut_list *node = all->next; node != all; node = node->next) {
        struct sut_mailbox *box = SUT_CONTAINER(node, struct sut_mailbox, all);
        if (box->count) wake_first(box);
    }
}

/* ---- making, and its end ---- */

static int mailbox_count(lua_State *L) {
    lua_pushinteger(L, check(L, sut_self(L), "count")->count);
    return 1;
}

int sut_mailbox_new(lua_State *L) {
    struct sut_lua_runtime *rt = sut_runtime_here(L, sut_self(L));
    struct sut_mailbox *box;
    lua_settop(L, 0);
    box = lua_newuserdatauv(L, sizeof *box, 2);
    *box = (struct sut_mailbox){.rt = rt};
    sut_list_init(&box->all);
    sut_list_init(&box->waiters);
    luaL_setmetatable(L, MAILBOX_TYPE);
    sut_push_runtime(L, rt);
    (void)lua_setiuservalue(L, 1, BOX_RUNTIME);
    make_room(L, 1, box, LEAST_ROOM);
    sut_list_append(&rt->mailboxes, &box->all);
    return 1;
}

/* Who waits in a box that is collected goes in the same collection. */
static int mailbox_gc(lua_State *L) {
    struct sut_mailbox *box = lua_touserdata(L, 1);
    sut_list_remove(&box->all);
    while (!sut_list_empty(&box->waiters))
        sut_list_remove(box->waiters.next);
    return 0;
}

void sut_open_mailbox(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"send", mailbox_send},
        {"receive", mailbox_receive},
        {"count", mailbox_count},
        {NULL, NULL},
    };
    struct sut_lua *self = lua_touserdata(L, -1);
    luaL_newmetatable(L, MAILBOX_TYPE);
    sut_type_is(L, self, SUT_TYPE_MAILBOX);
    lua_pushcfunction(L, mailbox_gc);
    lua_setfield(L, -2, "__gc");
    luaL_newlibtable(L, methods);
    lua_pushvalue(L, -3);
    luaL_setfuncs(L, methods, 1);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}
