/* SPDX-License-Identifier: MIT
 *
 * Looking at everything that runs: the roots of a runtime, and the stack of each service. The text
 * that is made of it is Lua's business (lua/sutura/dump.lua).
 *
 * The trace at hand of the latest raise stays as it is: a closer may look around while the error
 * that it runs for is on its way.
 */
#include "lua/snapshot.h"

#include "lua/deliver.h"

/* ---- roots ---- */

static bool is_served(const struct sut_lua_supervisor *sup) {
    const struct sut_supervisor *core = &sup->core;
    if (!sup->name || sut_supervisor_placed(core)) return false;
    if (sut_supervisor_running(core) || core->state == SUT_SUPERVISOR_STOPPING) return true;
    return sut_supervisor_lives(core);
}

static int count_roots(const struct sut_lua_runtime *rt) {
    int count = 0;
    for (const struct sut_list *node = rt->supervisors.next; node != &rt->supervisors;
         node = node->next)
        count++;
    return count;
}

/* Room first: from then on nothing allocates, so that no finalizer can change the list. */
static void push_roots(lua_State *L, const struct sut_lua_runtime *rt) {
    int room = count_roots(rt) + 8;
    lua_Integer at = 0;
    lua_createtable(L, room, 0);
    for (struct sut_list *node = rt->supervisors.next; node != &rt->supervisors && at < room;
         node = node->next) {
        const struct sut_lua_supervisor *sup = SUT_CONTAINER(node, struct sut_lua_supervisor, all);
        if (!is_served(sup)) continue;
        sut_push_object(L, sup);
        if (lua_isnil(L, -1)) /* is being collected */
            lua_pop(L, 1);
        else
            lua_rawseti(L, -2, ++at);
    }
}

int sut_roots(lua_State *L) {
    lua_settop(L, 1);
    push_roots(L, lua_isnil(L, 1) ? sut_runtime_here(L, sut_self(L)) : sut_check_runtime(L, 1));
    return 1;
}

/* ---- stacks ---- */

void sut_set_stack(lua_State *L, struct sut_service *core) {
    const struct sut_coroutine *co = &sut_service_of(core)->co;
    struct sut_trace trace;
    char text[SUT_TRACE_MAX];
    size_t length;
    if (!co->thread) return;
    sut_trace_clear(&trace);
    sut_trace_chain(&trace, co->thread);
    length = sut_trace_text(&trace, text, sizeof text);
    (void)lua_pushlstring(L, text, length);
    lua_setfield(L, -2, "stacktrace");
}
