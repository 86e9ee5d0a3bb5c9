/* SPDX-License-Identifier: MIT
 *
 * Mailboxes: values that wait for whoever receives them, and receivers that wait for values.
 *
 * A value stays in the box until a receiver that runs takes it: one that was woken for it and is
 * ended before its turn leaves it where it is, and the next is woken. One that finds its value
 * taken by somebody who came by meanwhile goes on waiting.
 *
 * Uservalues: 1 the value that came while the box was empty, which is the oldest; 2 the values
 * after it, in an array that is used as a ring; 3 the runtime.
 */
#include "lua/runtime.h"
#include "lua/wait.h"

#define MAILBOX_TYPE "sutura.mailbox"

enum { BOX_OLDEST = 1, BOX_RING, BOX_RUNTIME };

/* Places in the ring, a power of two: at first, and above which an empty one is not kept. */
enum { LEAST_ROOM = 8, MOST_KEPT_ROOM = 64 };

struct sut_mailbox {
    const void *mark;        /* tells it from any other userdata */
    struct sut_list all;     /* in sut_lua_runtime.mailboxes */
    struct sut_list waiters; /* sut_coroutine.task.node */
    struct sut_lua_runtime *rt;
    bool has_oldest;   /* outside the ring */
    lua_Integer first; /* place of the first value of the ring, from 0 */
    lua_Integer count; /* of the ring */
    lua_Integer room;
};

static char mark;

static lua_Integer place_of(const struct sut_mailbox *box, lua_Integer i) {
    return ((box->first + i) & (box->room - 1)) + 1;
}

static bool is_empty(const struct sut_mailbox *box) { return !box->has_oldest && box->count == 0; }

/* The argument 1 as the mailbox of an open runtime; raises otherwise. */
static struct sut_mailbox *check(lua_State *L, const char *fn) {
    struct sut_mailbox *box = lua_touserdata(L, 1);
    if (!box || lua_rawlen(L, 1) < sizeof *box || box->mark != &mark)
        sut_misuse(L, fn, "self", "a mailbox (called with ':')", 1);
    else if (box->rt->rt.closed)
        luaL_error(L, "'%s': the runtime of the mailbox is closed", fn);
    return box;
}

/* ---- sending ---- */

/* Gives the box a ring with so much room, at least for what is in that. May raise for memory, and
 * nothing is changed then. */
static void make_room(lua_State *L, int at, struct sut_mailbox *box, lua_Integer room) {
    lua_createtable(L, (int)room, 0);
    (void)lua_getiuservalue(L, at, BOX_RING);
    for (lua_Integer i = 0; i < box->count; i++) {
        (void)lua_rawgeti(L, -1, place_of(box, i));
        lua_rawseti(L, -3, i + 1);
    }
    lua_pop(L, 1);
    (void)lua_setiuservalue(L, at, BOX_RING);
    box->first = 0;
    box->room = room;
}

static void wake_first(struct sut_mailbox *box) {
    struct sut_list *node = box->waiters.next;
    if (node == &box->waiters) return;
    sut_list_remove(node);
    sut_wake(SUT_CONTAINER(node, struct sut_coroutine, task.node), SUT_WOKEN_READY);
}

static void put(lua_State *L, struct sut_mailbox *box) {
    if (is_empty(box)) {
        if (box->room > MOST_KEPT_ROOM) make_room(L, 1, box, LEAST_ROOM);
        lua_pushvalue(L, 2);
        (void)lua_setiuservalue(L, 1, BOX_OLDEST);
        box->has_oldest = true;
        return;
    }
    if (box->count == box->room) make_room(L, 1, box, 2 * box->room);
    (void)lua_getiuservalue(L, 1, BOX_RING);
    lua_pushvalue(L, 2);
    lua_rawseti(L, -2, place_of(box, box->count));
    box->count++;
}

static int mailbox_send(lua_State *L) {
    struct sut_mailbox *box = check(L, "send");
    if (lua_isnoneornil(L, 2)) sut_misuse(L, "send", "value", "a value other than nil", 2);
    put(L, box);
    wake_first(box);
    sut_loop_touch(&box->rt->rt);
    lua_pushboolean(L, 1);
    return 1;
}

/* ---- receiving ---- */

static int take_from_ring(lua_State *L, struct sut_mailbox *box) {
    lua_Integer place = place_of(box, 0);
    (void)lua_getiuservalue(L, 1, BOX_RING);
    (void)lua_rawgeti(L, -1, place);
    lua_pushnil(L);
    lua_rawseti(L, -3, place);
    box->first = place & (box->room - 1);
    box->count--;
    return 1;
}

static int take(lua_State *L, struct sut_mailbox *box) {
    if (!box->has_oldest) return take_from_ring(L, box);
    (void)lua_getiuservalue(L, 1, BOX_OLDEST);
    lua_pushnil(L);
    (void)lua_setiuservalue(L, 1, BOX_OLDEST);
    box->has_oldest = false;
    return 1;
}

/* What `received` says to the main program, which waits in a loop of its own. */
enum { AGAIN = -1 };

static int received(lua_State *L, int status, lua_KContext deadline_ns);

static int wait_for_value(lua_State *L, struct sut_mailbox *box, struct sut_coroutine *co,
                          int64_t deadline_ns) {
    sut_list_append(&box->waiters, &co->task.node);
    return sut_wait(L, box->rt->self, co, SUT_WAIT_MAILBOX, deadline_ns, received, deadline_ns);
}

/* The context is when the limit passes; 0 for a limit of 0. */
static int received(lua_State *L, int status, lua_KContext deadline_ns) {
    struct sut_mailbox *box = lua_touserdata(L, 1);
    struct sut_coroutine *co;
    enum sut_woken woken = sut_wait_end(L, box->rt->self, &co);
    (void)status;
    if (woken == SUT_WOKEN_CANCEL || sut_is_asked(co)) {
        if (!is_empty(box)) wake_first(box); /* it may have been woken for a value before */
        return sut_raise_canceled(L);
    }
    if (!is_empty(box)) return take(L, box);
    if (woken == SUT_WOKEN_TIME || deadline_ns == 0) return sut_fail(L, SUT_ERR_TIMEOUT);
    if (co->kind == SUT_COROUTINE_MAIN) return AGAIN;
    return wait_for_value(L, box, co, deadline_ns);
}

/* A limit of 0 gives way once, and so does whoever was asked to stop, before the error. */
static int mailbox_receive(lua_State *L) {
    struct sut_mailbox *box = check(L, "receive");
    int64_t span_ns = sut_check_span(L, 2, "receive", "limit", SUT_NEVER);
    struct sut_coroutine *co = sut_wait_begin(L, box->rt->self, box->rt, "receive");
    int64_t deadline_ns = SUT_NEVER;
    int results;
    if (!is_empty(box) && !sut_is_asked(co)) return take(L, box);
    if (span_ns == 0) return sut_wait(L, box->rt->self, co, SUT_WAIT_YIELD, SUT_NEVER, received, 0);
    if (span_ns != SUT_NEVER) deadline_ns = sut_time_after(sut_runtime_now(&box->rt->rt), span_ns);
    do {
        results = wait_for_value(L, box, co, deadline_ns);
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
        if (!is_empty(box)) wake_first(box);
    }
}

/* ---- making, and its end ---- */

static int mailbox_count(lua_State *L) {
    const struct sut_mailbox *box = check(L, "count");
    lua_pushinteger(L, box->count + box->has_oldest);
    return 1;
}

int sut_mailbox_new(lua_State *L) {
    struct sut_lua_runtime *rt = sut_runtime_here(L, sut_self(L));
    struct sut_mailbox *box;
    lua_settop(L, 0);
    box = lua_newuserdatauv(L, sizeof *box, 3);
    *box = (struct sut_mailbox){.mark = &mark, .rt = rt};
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
    luaL_newmetatable(L, MAILBOX_TYPE);
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
