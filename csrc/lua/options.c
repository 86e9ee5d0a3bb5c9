/* SPDX-License-Identifier: MIT
 *
 * Reading the options of a child.
 */
#include "lua/options.h"

#include "core/alloc.h"

#include <math.h>
#include <string.h>

/* ---- what needs a sut_options ---- */

static int64_t time_of(lua_State *L, int from, const char *field, int64_t absent_ns) {
    int64_t time_ns = absent_ns;
    if (lua_getfield(L, from, field) == LUA_TNUMBER) time_ns = sut_ns(lua_tonumber(L, -1));
    lua_pop(L, 1);
    return time_ns;
}

/* How many siblings are named; the list of them is left on the top, or nil. */
static uint32_t push_after(lua_State *L, int opts) {
    return lua_getfield(L, opts, "after") == LUA_TTABLE ? (uint32_t)lua_rawlen(L, -1) : 0;
}

/* The sibling whose name is on the top; NULL when there is none, or more than one. */
static struct sut_service *sibling(lua_State *L, const struct sut_lua_supervisor *sup, int *more) {
    size_t length;
    const char *text = lua_tolstring(L, -1, &length);
    struct sut_name *name = sut_name_find(&sup->core.names, text, length, more);
    return name && !*more ? SUT_CONTAINER(name, struct sut_service, name) : NULL;
}

static void read_after(lua_State *L, const struct sut_lua_supervisor *sup, int opts,
                       struct sut_options *options) {
    uint32_t count = push_after(L, opts);
    int more;
    for (uint32_t i = 0; i < count; i++) {
        (void)lua_rawgeti(L, -1, (lua_Integer)i + 1);
        const struct sut_service *other = sibling(L, sup, &more);
        if (other) options->after[options->after_count++] = sut_service_id(other);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void read_backoff(lua_State *L, int opts, struct sut_service *service) {
    struct sut_backoff *backoff = &service->options->backoff;
    if (lua_getfield(L, opts, "backoff") == LUA_TTABLE) {
        int from = lua_gettop(L);
        service->backs_off = true;
        backoff->min_ns = time_of(L, from, "min", 0);
        backoff->max_ns = time_of(L, from, "max", 0);
        backoff->reset_after_ns = time_of(L, from, "reset_after", SUT_NEVER);
        lua_getfield(L, from, "factor");
        backoff->factor = lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void read_shutdown(lua_State *L, int opts, struct sut_service *service) {
    if (lua_getfield(L, opts, "shutdown") == LUA_TNUMBER) {
        double ms = ceil(lua_tonumber(L, -1) * 1000);
        service->options->shutdown_ms = ms < UINT32_MAX ? (uint32_t)ms : 0;
        service->shutdown = ms < UINT32_MAX ? SUT_SHUTDOWN_TIME : SUT_SHUTDOWN_INFINITY;
    } else if (lua_type(L, -1) == LUA_TSTRING) {
        bool kill = strcmp(lua_tostring(L, -1), "kill") == 0;
        service->shutdown = kill ? SUT_SHUTDOWN_KILL : SUT_SHUTDOWN_INFINITY;
    }
    lua_pop(L, 1);
}

static bool has(lua_State *L, int opts, const char *field, int type) {
    bool present = lua_getfield(L, opts, field) == type;
    lua_pop(L, 1);
    return present;
}

/* Makes the structure for what few have, if the options have any of it. False without memory. */
static bool make_options(lua_State *L, int opts, struct sut_service *service) {
    uint32_t count = push_after(L, opts);
    bool ordered = !lua_isnil(L, -1);
    lua_pop(L, 1);
    if (!ordered && !has(L, opts, "shutdown", LUA_TNUMBER) &&
        !has(L, opts, "backoff", LUA_TTABLE) && !has(L, opts, "start_timeout", LUA_TNUMBER))
        return true;
    service->options =
        sut_calloc(sizeof *service->options + count * sizeof service->options->after[0]);
    if (!service->options) return false;
    service->ordered = ordered;
    service->options->start_timeout_ns = SUT_NEVER;
    return true;
}

/* ---- all of them ---- */

static void read_restart(lua_State *L, int opts, struct sut_service *service) {
    if (lua_getfield(L, opts, "restart") == LUA_TSTRING) {
        if (strcmp(lua_tostring(L, -1), "transient") == 0)
            service->restart = SUT_RESTART_TRANSIENT;
        else if (strcmp(lua_tostring(L, -1), "temporary") == 0)
            service->restart = SUT_RESTART_TEMPORARY;
    }
    lua_pop(L, 1);
}

static bool flag(lua_State *L, int opts, const char *field) {
    bool value;
    lua_getfield(L, opts, field);
    value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

bool sut_options_read(lua_State *L, const struct sut_lua_supervisor *sup, int opts,
                      struct sut_service *service) {
    if (!sut_has_options(L, opts)) return true;
    if (!make_options(L, opts, service)) return false;
    if (has(L, opts, "shutdown", LUA_TSTRING) || service->options) read_shutdown(L, opts, service);
    if (has(L, opts, "kill", LUA_TBOOLEAN)) service->kill = flag(L, opts, "kill");
    read_restart(L, opts, service);
    service->significant = flag(L, opts, "significant");
    service->notifies = flag(L, opts, "ready");
    if (!service->options) return true;
    service->options->start_timeout_ns = time_of(L, opts, "start_timeout", SUT_NEVER);
    read_backoff(L, opts, service);
    read_after(L, sup, opts, service->options);
    return true;
}

static void check_after(lua_State *L, const struct sut_lua_supervisor *sup, int opts) {
    uint32_t count = push_after(L, opts);
    for (uint32_t i = 0; i < count; i++) {
        int more = 0;
        (void)lua_rawgeti(L, -1, (lua_Integer)i + 1);
        if (!sibling(L, sup, &more)) {
            const char *name = sut_shown(L, lua_tostring(L, -1), lua_rawlen(L, -1));
            luaL_error(L, "add: field 'after': supervisor '%s' has %s service named \"%s\"",
                       sut_shown_name(L, sup), more ? "more than one" : "no", name);
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

void sut_options_check(lua_State *L, const struct sut_lua_supervisor *sup, int opts) {
    if (!sut_has_options(L, opts)) return;
    check_after(L, sup, opts);
    if (flag(L, opts, "significant") && sup->core.auto_shutdown == SUT_AUTO_SHUTDOWN_NEVER)
        luaL_error(L,
                   "add: field 'significant' is true, but field 'auto_shutdown' of supervisor "
                   "'%s' is \"never\"",
                   sut_shown_name(L, sup));
}

/* ---- what the service keeps ---- */

enum sut_on_hog sut_options_on_hog(lua_State *L, int opts) {
    enum sut_on_hog on_hog = SUT_HOG_YIELD;
    if (!sut_has_options(L, opts)) return on_hog;
    if (lua_getfield(L, opts, "on_hog") == LUA_TSTRING)
        on_hog = strcmp(lua_tostring(L, -1), "kill") == 0 ? SUT_HOG_KILL : SUT_HOG_PANIC;
    lua_pop(L, 1);
    return on_hog;
}

double sut_options_cpu_share(lua_State *L, int opts) {
    double part = 0;
    if (!sut_has_options(L, opts)) return part;
    if (lua_getfield(L, opts, "cpu_share") == LUA_TNUMBER) part = lua_tonumber(L, -1);
    lua_pop(L, 1);
    return part;
}

int64_t sut_options_heartbeat(lua_State *L, int opts) {
    return sut_has_options(L, opts) ? time_of(L, opts, "heartbeat", 0) : 0;
}

int sut_options_keep_jitter(lua_State *L, int opts) {
    int bodies = lua_gettop(L);
    int ref = LUA_NOREF;
    if (!sut_has_options(L, opts) || !has(L, opts, "backoff", LUA_TTABLE)) return ref;
    lua_getfield(L, opts, "backoff");
    if (lua_getfield(L, -1, "jitter") == LUA_TFUNCTION) ref = luaL_ref(L, bodies);
    lua_settop(L, bodies);
    return ref;
}
