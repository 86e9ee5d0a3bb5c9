/* SPDX-License-Identifier: MIT
 *
 * What a supervisor keeps alive for its services: their functions and objects. Many services often
 * share one function, added one after the other; those share one reference.
 */
#include "lua/template.h"

/* How many share the reference in the table on the top, but for the one given last. */
static lua_Integer shares(lua_State *L, int ref) {
    lua_Integer count = 1;
    if (lua_rawgeti(L, -1, -(lua_Integer)ref) == LUA_TNUMBER) count = lua_tointeger(L, -1);
    lua_pop(L, 1);
    return count;
}

static void set_shares(lua_State *L, int ref, lua_Integer count) {
    lua_pushinteger(L, count);
    lua_rawseti(L, -2, -(lua_Integer)ref);
}

static bool is_last(lua_State *L, const struct sut_lua_supervisor *sup, int run) {
    bool same;
    if (sup->last_ref == LUA_NOREF) return false;
    (void)lua_rawgeti(L, -1, sup->last_ref);
    same = lua_rawequal(L, -1, run);
    lua_pop(L, 1);
    return same;
}

int sut_body_keep(lua_State *L, struct sut_lua_supervisor *sup, int run) {
    if (is_last(L, sup, run)) {
        sup->last_shares++;
        return sup->last_ref;
    }
    if (sup->last_ref != LUA_NOREF && shares(L, sup->last_ref) != sup->last_shares)
        set_shares(L, sup->last_ref, sup->last_shares);
    lua_pushvalue(L, run);
    sup->last_ref = luaL_ref(L, -2);
    sup->last_shares = 1;
    return sup->last_ref;
}

void sut_body_drop(lua_State *L, struct sut_lua_supervisor *sup, int ref) {
    bool last = sup->last_ref == ref;
    lua_Integer left = (last ? sup->last_shares : shares(L, ref)) - 1;
    if (last)
        sup->last_shares = left;
    else if (left > 0)
        set_shares(L, ref, left);
    if (left > 0) return;
    if (last) sup->last_ref = LUA_NOREF;
    luaL_unref(L, -1, ref);
}

void sut_push_body(lua_State *L, int sup, int bodies, const struct sut_lua_service *service) {
    if (service->body == SUT_BODY_ARGUMENT)
        sut_template_push_run(L, sup);
    else
        (void)lua_rawgeti(L, bodies, service->core.host_ref);
}
