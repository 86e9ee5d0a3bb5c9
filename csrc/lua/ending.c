/* SPDX-License-Identifier: MIT
 *
 * What the event of an end says: the value that a run ended with, its text, its trace and frames.
 * The value lies on the thread of the run that has ended, the trace in sut_detail.block.
 */
#include "lua/deliver.h"

#include "lua/history.h"
#include "lua/reason.h"

/* The longest text of an error that an event has, in bytes. */
enum { TEXT_MAX = 16384 };

/* ---- texts ---- */

/* Replaces the string on the top by a bounded one. */
static void bound(lua_State *L) {
    size_t length;
    const char *text = lua_tolstring(L, -1, &length);
    if (length <= TEXT_MAX) return;
    lua_pushlstring(L, text, TEXT_MAX);
    lua_pushfstring(L, "%s... (%I bytes)", lua_tostring(L, -1), (lua_Integer)length);
    lua_replace(L, -3);
    lua_pop(L, 1);
}

/* A table that has no text of its own is its fields, for an address says nothing to anybody. */
static int default_format(lua_State *L) {
    if (lua_istable(L, 1) && luaL_getmetafield(L, 1, "__tostring") == LUA_TNIL) {
        sut_push_handler(L, "fields");
        lua_insert(L, 1);
        lua_call(L, 1, 1);
    } else {
        (void)luaL_tolstring(L, 1, NULL);
    }
    return 1;
}

/* Pushes the text of the value at the index: by the spec's format_error, else by the default one,
 * and guarded. */
static void push_text(lua_State *L, const struct sut_delivery *to, int value) {
    char text[512];
    bool custom;
    if (lua_type(L, value) == LUA_TSTRING &&
        lua_getiuservalue(L, SUT_AT_SUPERVISOR, SUT_SUPERVISOR_FORMAT_ERROR) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_pushvalue(L, value);
        bound(L);
        return;
    }
    if (lua_type(L, value) != LUA_TSTRING)
        (void)lua_getiuservalue(L, SUT_AT_SUPERVISOR, SUT_SUPERVISOR_FORMAT_ERROR);
    custom = lua_isfunction(L, -1);
    if (!custom) {
        lua_pop(L, 1);
        lua_pushcfunction(L, default_format);
    }
    lua_pushvalue(L, value);
    int status = lua_pcall(L, 1, 1, 0);
    if (status == LUA_ERRMEM) lua_error(L);
    if (status == LUA_OK && lua_type(L, -1) == LUA_TSTRING) {
        bound(L);
        return;
    }
    if (custom) {
        sut_value_text(L, -1, text, sizeof text);
        sut_report(to->rt, "format_error of supervisor '%s' %s %s", to->sup->name,
                   status == LUA_OK ? "returned no string:" : "raised:", text);
    }
    lua_pop(L, 1);
    sut_value_text(L, value, text, sizeof text);
    lua_pushstring(L, text);
}

/* ---- what an end has left ---- */

/* Pushes the value that the run ended with. */
static void push_value(lua_State *L, const struct sut_delivery *to) {
    const struct sut_detail *detail = &to->event->detail;
    struct sut_supervisor *child = sut_service_child(&to->service->core);
    lua_State *thread;
    if (child) {
        sut_push_object(L, child);
        (void)lua_getiuservalue(L, -1, SUT_SUPERVISOR_REASON);
        lua_remove(L, -2);
        return;
    }
    if (detail->ref < 0) {
        sut_push_odd(L, to->service, detail->ref);
        return;
    }
    (void)lua_rawgeti(L, lua_upvalueindex(2), sut_thread_key(to->service));
    thread = lua_tothread(L, -1);
    lua_pop(L, 1);
    if (!thread || lua_gettop(thread) == 0) {
        lua_pushnil(L);
        return;
    }
    lua_pushvalue(thread, -1);
    lua_xmove(thread, L, 1);
}

/* Gives one kind of variables through redact: the list of { name, text } is on the top. */
static void redact_list(lua_State *L, const struct sut_delivery *to, int redact) {
    char text[256];
    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    for (lua_Integer i = 1; i <= count; i++) {
        (void)lua_rawgeti(L, -1, i);
        lua_pushvalue(L, redact);
        lua_getfield(L, -2, "name");
        lua_getfield(L, -3, "text");
        int status = lua_pcall(L, 2, 1, 0);
        if (status != LUA_OK) {
            if (status == LUA_ERRMEM) lua_error(L);
            sut_value_text(L, -1, text, sizeof text);
            sut_report(to->rt, "redact of supervisor '%s' raised: %s", to->sup->name, text);
            lua_pushliteral(L, "(redacted)");
            lua_replace(L, -2);
        }
        if (lua_type(L, -1) == LUA_TSTRING)
            lua_setfield(L, -2, "text");
        else
            lua_pop(L, 1);
        lua_pop(L, 1);
    }
}

/* Moves the variables that lie beneath the value on the thread into the frames on the top. */
static void add_variables(lua_State *L, const struct sut_delivery *to) {
    static const char *const kinds[] = {"locals", "upvalues"};
    int frames = lua_gettop(L);
    lua_State *thread;
    (void)lua_rawgeti(L, lua_upvalueindex(2), sut_thread_key(to->service));
    thread = lua_tothread(L, -1);
    if (!thread || lua_gettop(thread) < 2) { /* closed by a stranger */
        lua_settop(L, frames);
        return;
    }
    lua_pushvalue(thread, -2);
    lua_xmove(thread, L, 1);
    (void)lua_getiuservalue(L, SUT_AT_SUPERVISOR, SUT_SUPERVISOR_REDACT);
    for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, frames + 2); i++) {
        if (lua_rawgeti(L, frames, i) != LUA_TTABLE) {
            lua_pop(L, 1);
            break;
        }
        (void)lua_rawgeti(L, frames + 2, i);
        for (int k = 0; k < 2; k++) {
            if (lua_getfield(L, -1, kinds[k]) == LUA_TTABLE) {
                if (lua_isfunction(L, frames + 3)) redact_list(L, to, frames + 3);
                lua_setfield(L, -3, kinds[k]);
            } else {
                lua_pop(L, 1);
            }
        }
        lua_pop(L, 2);
    }
    lua_settop(L, frames);
}

static void tell_trace(lua_State *L, const struct sut_delivery *to) {
    const struct sut_failure *failure = to->event->detail.block;
    bool of_supervisor = sut_service_child(&to->service->core) != NULL;
    if (!of_supervisor && failure && failure->has_trace) {
        to->told->trace = &failure->trace;
        if (!failure->has_variables) return;
        sut_trace_push_frames(L, &failure->trace);
        add_variables(L, to);
        sut_tell_value(L, to, SUT_VALUE_FRAMES);
        return;
    }
    if (of_supervisor)
        lua_pushliteral(L, "(the trace stands in the event of the service below)");
    else if (failure || to->event->detail.ref < 0)
        lua_pushliteral(L, "(no trace)");
    else
        lua_pushliteral(L, "(no memory for the trace)");
    sut_tell_value(L, to, SUT_VALUE_STACKTRACE);
    lua_newtable(L);
    sut_tell_value(L, to, SUT_VALUE_FRAMES);
}

/* The error on the top, and its text. */
static void tell_error(lua_State *L, const struct sut_delivery *to) {
    sut_tell_value(L, to, SUT_VALUE_ERROR);
    push_text(L, to, lua_gettop(L));
}

static void tell_error_text(lua_State *L, const struct sut_delivery *to) {
    sut_tell_text(L, to, SUT_TEXT_ERROR_MSG);
    sut_tell_value(L, to, SUT_VALUE_ERROR_MSG);
}

void sut_tell_escalation(lua_State *L, const struct sut_delivery *to) {
    sut_push_escalation(L, to->event->end, (uint32_t)to->event->limit, to->event->delay_ns);
    sut_tell_text(L, to, SUT_TEXT_REASON);
    (void)lua_getiuservalue(L, SUT_AT_SUPERVISOR, SUT_SUPERVISOR_REASON);
    tell_error(L, to);
    tell_error_text(L, to);
    sut_push_history(L, to->sup);
    sut_tell_value(L, to, SUT_VALUE_HISTORY);
}

void sut_tell_end(lua_State *L, const struct sut_delivery *to) {
    const struct sut_event *event = to->event;
    sut_tell_flag(to, SUT_FLAG_RESTARTING, event->restarting);
    sut_tell_flag(to, SUT_FLAG_STOPPING, event->stopping);
    if (event->queued) sut_tell_flag(to, SUT_FLAG_QUEUED, true);
    if (event->puts_off) sut_tell_number(to, SUT_NUMBER_DELAY, sut_seconds(event->delay_ns));
    if (event->end == SUT_END_PLAIN) {
        sut_service_set_last_error(to->service, event->run, "returned without an error");
        return;
    }
    if (event->end == SUT_END_LATE || event->end == SUT_END_UNREADY)
        sut_push_unready(L, &to->service->core, event->end);
    else
        push_value(L, to);
    tell_error(L, to);
    if (sut_error_is(L, -2, SUT_CANCELED) || sut_error_is(L, -2, SUT_DEADLINE_EXCEEDED)) {
        lua_pushfstring(L, "%s (from some other context)", lua_tostring(L, -1));
        lua_replace(L, -2);
    }
    sut_service_set_last_error(to->service, event->run, lua_tostring(L, -1));
    tell_error_text(L, to);
    if (event->type == SUT_EVENT_SERVICE_PANIC) tell_trace(L, to);
}
