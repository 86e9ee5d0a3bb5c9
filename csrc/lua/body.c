/* SPDX-License-Identifier: MIT
 *
 * What a supervisor keeps alive for its services: their functions and objects. Many services often
 * share one function, added one after the other; those share one reference.
 */
#include "lua/template.h"

/* How many share the reference in the table on the top. */
static lua_Integer shares(lua_State *L, int ref) {
    lua_Integer count = 1;
    if (lua_rawgeti(L, -1, -(lua_Integer)ref) == LUA_TNUMBER) count = lua_tointeger(L, -1);
    lua_pop(L, 1);
    return count;
}

int sut_body_keep(lua_State *L, struct sut_lua_supervisor *sup, int run) {
    bool same = false;
    if (sup->last_ref != LUA_NOREF) {
        (void)lua_rawgeti(L, -1, sup->last_ref);
        same = lua_rawequal(L, -1, run);
        lua_pop(L, 1);
    }
    if (same) {
        lua_pushinteger(L, shares(L, sup->last_ref) + 1);
        lua_rawseti(L, -2, -(lua_Integer)sup->last_ref);
    } else {
        lua_pushvalue(L, run);
        sup->last_ref = luaL_ref(L, -2);
    }
    return sup->last_ref;
}

void sut_body_drop(lua_State *L, struct sut_lua_supervisor *sup, int ref) {
    lua_Integer count = shares(L, ref);
    if (count > 1) {
        lua_pushinteger(L, count - 1);
        lua_rawseti(L, -2, -(lua_Integer)ref);
        return;
    }
    if (sup->last_ref == ref) sup->last_ref = LUA_NOREF;
    luaL_unref(L, -1, ref);
}

void sut_push_body(lua_State *L, int sup, int bodies, const struct sut_lua_service *service) {
    if (service->body == SUT_BODY_ARGUMENT)
        sut_template_push_run(L, sup);
    else
        (void)lua_rawgeti(L, bodies, service->ref);
}
