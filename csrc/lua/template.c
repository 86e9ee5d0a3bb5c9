/* SPDX-License-Identifier: MIT
 *
 * Making templates, and starting their children.
 *
 * The function lies once in the supervisor's uservalue; what the bodies keep for a child is its
 * argument. A nil argument has a stand-in, for nil cannot be kept.
 */
#include "lua/template.h"

#include "core/alloc.h"
#include "lua/options.h"

#include <stdio.h>

struct sut_template {
    lua_Integer started;   /* the number in the latest child's name */
    uint32_t max_children; /* UINT32_MAX: no limit */
};

static const char no_argument;

/* ---- what a child runs ---- */

void sut_template_push_argument(lua_State *L, const struct sut_lua_service *service, int bodies) {
    (void)lua_rawgeti(L, bodies, service->core.host_ref);
    if (lua_touserdata(L, -1) != (const void *)&no_argument) return;
    lua_pushnil(L);
    lua_replace(L, -2);
}

void sut_template_push_run(lua_State *L, int sup) {
    (void)lua_getiuservalue(L, sup, SUT_SUPERVISOR_TEMPLATE);
    if (lua_type(L, -1) != LUA_TTABLE) return;
    (void)lua_rawgeti(L, -1, 1);
    lua_remove(L, -2);
}

uint32_t sut_template_max(const struct sut_supervisor *core) {
    const struct sut_lua_supervisor *sup = (const struct sut_lua_supervisor *)core;
    return sup->template ? sup->template->max_children : UINT32_MAX;
}

void sut_template_free(struct sut_lua_supervisor *sup) {
    sut_free(sup->template);
    sup->template = NULL;
}

/* ---- sup:template(spec) ---- */

enum { AT_SUP = 1, AT_GIVEN, AT_SPEC, AT_OPTS, AT_MAX, AT_NAME, AT_RUN, AT_TEMPLATE };

/* What the children share: { run, options }. */
static void keep_shared(lua_State *L) {
    lua_createtable(L, 2, 0);
    lua_pushvalue(L, AT_RUN);
    lua_rawseti(L, -2, 1);
    lua_pushvalue(L, AT_OPTS);
    lua_rawseti(L, -2, 2);
    (void)lua_setiuservalue(L, AT_TEMPLATE, SUT_SUPERVISOR_TEMPLATE);
}

int sut_supervisor_template(lua_State *L) {
    struct sut_lua_supervisor *sup = sut_check_supervisor(L, 1, "template");
    struct sut_lua_supervisor *made;
    struct sut_newcomer new = {.name = AT_NAME, .run = AT_TEMPLATE, .body = SUT_BODY_SUPERVISOR};
    sut_check_same_runtime(L, sut_self(L), sup, "template");
    sut_check_takes_any(L, sup, "template");
    lua_settop(L, AT_GIVEN);
    sut_push_handler(L, "template_spec");
    lua_pushvalue(L, AT_GIVEN);
    lua_pushinteger(L, 3);
    lua_call(L, 2, AT_RUN - AT_GIVEN);
    (void)sut_check_supervisor(L, 1, "template"); /* user code has run meanwhile */
    if (sup->core.state >= SUT_SUPERVISOR_STOPPING) return sut_fail(L, SUT_ERR_NOT_RUNNING);
    made = sut_push_supervisor(L, sup->rt, AT_NAME, AT_SPEC);
    made->template = sut_calloc(sizeof *made->template);
    if (!made->template) return luaL_error(L, "not enough memory");
    made->template->max_children =
        lua_isnil(L, AT_MAX) ? UINT32_MAX : (uint32_t)lua_tointeger(L, AT_MAX);
    keep_shared(L);
    if (!sut_add(L, AT_SUP, &new)) return sut_fail(L, SUT_ERR_NOT_RUNNING);
    sut_loop_touch(&sup->rt->rt);
    lua_settop(L, AT_TEMPLATE);
    return 1;
}

/* ---- t:start(arg [, name]) ---- */

static bool is_used(const struct sut_lua_supervisor *sup, const char *name, size_t length) {
    int more;
    return sut_name_find(&sup->core.names, name, length, &more) != NULL;
}

/* Pushes the next number that no child has for a name. */
static void push_number(lua_State *L, struct sut_lua_supervisor *sup) {
    char name[32];
    int length;
    do
        length = snprintf(name, sizeof name, LUA_INTEGER_FMT, ++sup->template->started);
    while (is_used(sup, name, (size_t)length));
    lua_pushlstring(L, name, (size_t)length);
}

static void check_name(lua_State *L) {
    if (lua_isnil(L, 3)) return;
    if (lua_type(L, 3) != LUA_TSTRING || lua_rawlen(L, 3) == 0)
        sut_misuse(L, "start", "name", "a non-empty string", 3);
}

int sut_supervisor_start_child(lua_State *L) {
    struct sut_lua_supervisor *sup = sut_check_supervisor(L, 1, "start");
    struct sut_newcomer new = {.name = 3, .run = 2, .body = SUT_BODY_ARGUMENT, .opts = 5};
    struct sut_lua_service *service;
    struct sut_token *token;
    sut_check_same_runtime(L, sut_self(L), sup, "start");
    if (!sup->template)
        return luaL_error(L, "start: '%s' is no template: see sup:template",
                          sut_shown_name(L, sup));
    lua_settop(L, 3);
    check_name(L);
    if (!sut_supervisor_running(&sup->core)) return sut_fail(L, SUT_ERR_NOT_RUNNING);
    if (sup->core.child_count >= sup->template->max_children)
        return sut_fail(L, SUT_ERR_MAX_CHILDREN);
    if (!lua_isnil(L, 3) && is_used(sup, lua_tostring(L, 3), lua_rawlen(L, 3)))
        return sut_fail(L, SUT_ERR_ALREADY_PRESENT);
    if (lua_isnil(L, 2)) {
        lua_pushlightuserdata(L, (void *)(uintptr_t)&no_argument);
        lua_replace(L, 2);
    }
    if (lua_isnil(L, 3)) {
        push_number(L, sup);
        lua_replace(L, 3);
    }
    (void)lua_getiuservalue(L, 1, SUT_SUPERVISOR_TEMPLATE);
    (void)lua_rawgeti(L, 4, 2);
    if (!lua_checkstack(L, LUA_MINSTACK)) return luaL_error(L, "not enough memory");
    token = sut_push_empty_token(L, 1);
    service = sut_add(L, 1, &new);
    if (!service) return sut_fail(L, SUT_ERR_NOT_RUNNING);
    sut_loop_touch(&sup->rt->rt);
    lua_settop(L, 6);
    sut_fill_token(L, token, &service->core);
    return 1;
}
