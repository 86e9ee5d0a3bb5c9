/* SPDX-License-Identifier: MIT
 *
 * The supervisor's userdata, from its making to its end. How services are added is in add.c.
 */
#include "lua/template.h"

#include "core/alloc.h"
#include "lua/heartbeat.h"

#include <string.h>

/* ---- whose is it ---- */

struct sut_lua_supervisor *sut_to_supervisor(lua_State *L, int index) {
    return luaL_testudata(L, index, SUT_SUPERVISOR_TYPE);
}

struct sut_lua_supervisor *sut_check_supervisor(lua_State *L, int arg, const char *fn) {
    struct sut_lua_supervisor *sup = NULL;
    if (sut_type_at(L, arg) != sut_self(L)->metatables[SUT_TYPE_SUPERVISOR]) {
        sut_misuse(L, fn, "self", "a supervisor (called with ':')", arg);
        return NULL;
    }
    sup = lua_touserdata(L, arg);
    if (sup->rt->rt.closed) luaL_error(L, "'%s': the runtime of the supervisor is closed", fn);
    sut_check_kept(L, sup, fn);
    return sup;
}

const char *sut_shown_name(lua_State *L, const struct sut_lua_supervisor *sup) {
    return sut_shown(L, sup->name, sup->name_length);
}

void sut_check_same_runtime(lua_State *L, struct sut_lua *self, struct sut_lua_supervisor *sup,
                            const char *fn) {
    if (self->runtime && self->runtime != sup->rt)
        luaL_error(L, "'%s': supervisor '%s' belongs to another runtime", fn,
                   sut_shown_name(L, sup));
}

void sut_prepare(lua_State *L, struct sut_lua_runtime *rt) {
    if (sut_runtime_prepare(&rt->rt)) luaL_error(L, "not enough memory");
}

/* ---- a new supervisor ---- */

/* Pushes the userdata, complete but for its children. */
static struct sut_lua_supervisor *push_new(lua_State *L, struct sut_lua_runtime *rt, int name) {
    struct sut_lua_supervisor *sup = lua_newuserdatauv(L, sizeof *sup, SUT_SUPERVISOR_VALUES);
    memset(sup, 0, sizeof *sup);
    sup->rt = rt;
    sut_supervisor_init(&sup->core, &rt->rt.tree);
    sut_list_init(&sup->waiters);
    sut_list_init(&sup->ready_waiters);
    sut_list_init(&sup->under);
    sut_list_init(&sup->all);
    sup->last_ref = LUA_NOREF;
    luaL_setmetatable(L, SUT_SUPERVISOR_TYPE);
    sut_push_runtime(L, rt);
    (void)lua_setiuservalue(L, -2, SUT_SUPERVISOR_RUNTIME);
    lua_newtable(L);
    (void)lua_setiuservalue(L, -2, SUT_SUPERVISOR_BODIES);
    sup->name = sut_copy_text(lua_tostring(L, name), lua_rawlen(L, name));
    if (!sup->name) luaL_error(L, "not enough memory");
    sup->name_length = lua_rawlen(L, name);
    sup->plain = sut_name_is_plain(sup->name, sup->name_length);
    sup->serial = (uint64_t)rt->serial << 32 | ++rt->last_supervisor;
    sut_list_append(&rt->supervisors, &sup->all);
    sut_keep_object(L);
    return sup;
}

struct sut_lua_supervisor *sut_push_supervisor(lua_State *L, struct sut_lua_runtime *rt, int name,
                                               int spec) {
    struct sut_lua_supervisor *sup = push_new(L, rt, name);
    int at = lua_gettop(L);
    sut_configure(L, spec, sup);
    lua_getfield(L, spec, "event_hook");
    (void)lua_setiuservalue(L, at, SUT_SUPERVISOR_HOOK);
    sut_configure_functions(L, spec, at);
    return sup;
}

static int make(lua_State *L, struct sut_lua_runtime *rt, int name, int given) {
    int spec = lua_gettop(L) + 1;
    sut_push_handler(L, "supervisor_spec");
    lua_pushvalue(L, name);
    lua_pushvalue(L, given);
    lua_pushinteger(L, 3);
    lua_call(L, 3, 1);
    if (rt->rt.closed) return luaL_error(L, "supervisor: the runtime is closed");
    (void)sut_push_supervisor(L, rt, name, spec);
    lua_getfield(L, spec, "children");
    sut_add_children(L, spec + 1, spec + 2);
    lua_settop(L, spec + 1);
    return 1;
}

int sut_supervisor_new(lua_State *L) {
    struct sut_lua *self = sut_self(L);
    lua_settop(L, 2);
    return make(L, sut_runtime_here(L, self), 1, 2);
}

int sut_runtime_supervisor(lua_State *L) {
    struct sut_lua_runtime *rt = sut_check_runtime(L, 1);
    lua_settop(L, 3);
    return make(L, rt, 2, 3);
}

/* ---- its end ---- */

static void free_service(struct sut_lua_runtime *rt, struct sut_lua_service *service) {
    sut_heartbeat_end(service);
    sut_task_stop(&rt->rt, &service->co.task);
    sut_list_remove(&service->co.task.node);
    if (service->co.guard) service->co.guard->co = NULL;
    sut_spawned_drop_all(service);
    sut_service_free(service);
}

void sut_supervisor_give_up(struct sut_lua_supervisor *sup) {
    struct sut_list released;
    if (!sup->name) return;
    sut_free(sup->name);
    sup->name = NULL;
    if (sup->container) sut_extras_of(sup->container)->contained = NULL;
    sup->container = NULL;
    sut_list_remove(&sup->all);
    sut_list_remove(&sup->under);
    sut_list_init(&released);
    sut_supervisor_dissolve(&sup->core, &released);
    sut_free(sup->core.score.restarts_ns);
    sup->core.score.restarts_ns = NULL;
    sut_template_free(sup);
    sut_history_clear(&sup->history);
    while (!sut_list_empty(&released)) {
        struct sut_list *node = released.next;
        sut_list_remove(node);
        free_service(sup->rt, sut_service_of(SUT_CONTAINER(node, struct sut_service, u.work)));
    }
}

/* Nothing of it runs any more when Lua collects it, or the whole state is being closed. */
static int supervisor_gc(lua_State *L) {
    lua_pushcfunction(L, sut_tokens_outlive);
    lua_pushvalue(L, 1);
    (void)lua_pcall(L, 1, 0, 0);
    sut_supervisor_give_up(lua_touserdata(L, 1));
    return 0;
}

static int supervisor_tostring(lua_State *L) {
    struct sut_lua_supervisor *sup = luaL_checkudata(L, 1, SUT_SUPERVISOR_TYPE);
    if (sup->name)
        sut_push_path(L, &sup->core, NULL);
    else
        lua_pushliteral(L, "a supervisor whose runtime is closed");
    return 1;
}

static int supervisor_state(lua_State *L) {
    struct sut_lua_supervisor *sup = sut_check_supervisor(L, 1, "state");
    lua_pushstring(L, sut_supervisor_state_name(&sup->core));
    return 1;
}

static int supervisor_failures(lua_State *L) {
    struct sut_lua_supervisor *sup = sut_check_supervisor(L, 1, "failures");
    sup->core.tree->now_ns = sut_runtime_now(&sup->rt->rt);
    lua_pushnumber(L, sut_supervisor_score(&sup->core));
    return 1;
}

/* Methods lie in upvalue 1; the one field is the name. */
static int supervisor_index(lua_State *L) {
    const struct sut_lua_supervisor *sup;
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL || lua_type(L, 2) != LUA_TSTRING) return 1;
    sup = luaL_checkudata(L, 1, SUT_SUPERVISOR_TYPE);
    if (strcmp(lua_tostring(L, 2), "name") != 0 || !sup->name) return 1;
    lua_pushlstring(L, sup->name, sup->name_length);
    return 1;
}

static const luaL_Reg methods[] = {
    {"add", sut_supervisor_add_service},
    {"remove", sut_supervisor_remove},
    {"remove_and_wait", sut_supervisor_remove_and_wait},
    {"restart", sut_supervisor_restart},
    {"terminate_child", sut_supervisor_terminate_child},
    {"restart_child", sut_supervisor_restart_child},
    {"delete_child", sut_supervisor_delete_child},
    {"get_child", sut_supervisor_get_child},
    {"update", sut_supervisor_update},
    {"plan", sut_supervisor_plan},
    {"wait_ready", sut_supervisor_wait_ready},
    {"template", sut_supervisor_template},
    {"start", sut_supervisor_start_child},
    {"services", sut_supervisor_services},
    {"children", sut_supervisor_children},
    {"count", sut_supervisor_count},
    {"tree", sut_supervisor_tree},
    {"serve", sut_supervisor_serve},
    {"serve_background", sut_supervisor_serve_background},
    {"stop", sut_supervisor_stop_and_wait},
    {"unstopped_service_report", sut_supervisor_report},
    {"state", supervisor_state},
    {"failures", supervisor_failures},
    {"history", sut_supervisor_history},
    {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
    {"__gc", supervisor_gc},
    {"__close", sut_supervisor_close},
    {"__tostring", supervisor_tostring},
    {NULL, NULL},
};

void sut_open_supervisor(lua_State *L) {
    luaL_newmetatable(L, SUT_SUPERVISOR_TYPE);
    sut_type_is(L, lua_touserdata(L, -2), SUT_TYPE_SUPERVISOR);
    lua_pushvalue(L, -2);
    luaL_setfuncs(L, metamethods, 1);
    lua_newtable(L);
    lua_pushvalue(L, -3);
    luaL_setfuncs(L, methods, 1);
    lua_pushcclosure(L, supervisor_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}

/* They are the first upvalue of __index. */
void sut_push_supervisor_methods(lua_State *L) {
    luaL_getmetatable(L, SUT_SUPERVISOR_TYPE);
    lua_getfield(L, -1, "__index");
    (void)lua_getupvalue(L, -1, 1);
    lua_replace(L, -3);
    lua_pop(L, 1);
}
