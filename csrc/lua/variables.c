/* SPDX-License-Identifier: MIT
 *
 * The locals and upvalues of the frames of a trace, as text.
 *
 * Values are looked at from outside only - type, length, address - so that no metamethod runs, and
 * the texts keep no object alive. Whatever was pushed on the walked stack is popped before the
 * other stack is asked for memory: a raise leaves the walked one as it was.
 */
#include "lua/trace.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

enum {
    STRING_BYTES = 60, /* kept of a string */
    VALUE_BYTES = 320, /* room for any value: 60 escaped bytes of 4, quotes and the length */
    STACK_SLOTS = 16   /* more than is ever pushed at one time on either stack */
};

/* ---- one value ---- */

/* Writes one byte of a string as a Lua literal has it, without a NUL; at most 4 bytes. */
static int escape(unsigned char byte, char *out) {
    static const char named[] = "\a\b\f\n\r\t\v\"\\";
    static const char letters[] = "abfnrtv\"\\";
    static const char digits[] = "0123456789abcdef";
    const char *found = byte ? strchr(named, byte) : NULL;
    out[0] = (char)byte;
    if (byte >= 0x20 && byte != 0x7f && !found) return 1;
    out[0] = '\\';
    out[1] = 'x';
    if (found) {
        out[1] = letters[found - named];
        return 2;
    }
    out[2] = digits[byte >> 4];
    out[3] = digits[byte & 15];
    return 4;
}

/* How many bytes of a string to keep; not the half of a character of UTF-8. */
static size_t kept_bytes(const char *string, size_t length) {
    if (length <= STRING_BYTES) return length;
    size_t kept = STRING_BYTES;
    while (kept > STRING_BYTES - 4 && ((unsigned char)string[kept] & 0xc0) == 0x80)
        kept--;
    return kept;
}

static void format_string(lua_State *L, int index, char *out) {
    size_t length = 0;
    const char *string = lua_tolstring(L, index, &length);
    size_t kept = kept_bytes(string, length);
    *out++ = '"';
    for (size_t i = 0; i < kept; i++)
        out += escape((unsigned char)string[i], out);
    *out++ = '"';
    *out = '\0';
    if (kept < length) (void)snprintf(out, VALUE_BYTES / 8, "... (%zu bytes)", length);
}

static void format_number(lua_State *L, int index, char *out) {
    if (lua_isinteger(L, index)) {
        (void)lua_integer2str(out, VALUE_BYTES, lua_tointeger(L, index));
        return;
    }
    int length = lua_number2str(out, VALUE_BYTES, lua_tonumber(L, index));
    if (out[strspn(out, "-0123456789")] == '\0') memcpy(out + length, ".0", sizeof ".0");
}

static void format_object(lua_State *L, int index, char *out) {
    int type = lua_type(L, index);
    const void *pointer = lua_topointer(L, index);
    size_t items = type == LUA_TTABLE ? (size_t)lua_rawlen(L, index) : 0;
    int length = snprintf(out, VALUE_BYTES, "%s: %p", lua_typename(L, type), pointer);
    if (type == LUA_TTABLE)
        (void)snprintf(out + length, (size_t)(VALUE_BYTES - length), " (%zu item%s)", items,
                       items == 1 ? "" : "s");
}

size_t sut_trace_value(lua_State *L, int index, char *out, size_t size) {
    char text[VALUE_BYTES] = "nil";
    switch (lua_type(L, index)) {
    case LUA_TNIL:
        break;
    case LUA_TBOOLEAN:
        (void)snprintf(text, sizeof text, lua_toboolean(L, index) ? "true" : "false");
        break;
    case LUA_TNUMBER:
        format_number(L, index, text);
        break;
    case LUA_TSTRING:
        format_string(L, index, text);
        break;
    default:
        format_object(L, index, text);
        break;
    }
    size_t length = strlen(text);
    if (!size) return 0;
    if (length >= size) length = size - 1;
    memcpy(out, text, length);
    out[length] = '\0';
    return length;
}

/* ---- the variables of one frame ---- */

/* One variable on its way from the walked stack to the other. `name` belongs to the function. */
struct variable {
    const char *name;
    char text[VALUE_BYTES];
};

/* Each of these reads the variable of the number. Returns 0 when there are no more. */
typedef int (*read_fn)(lua_State *from, lua_Debug *ar, int number, struct variable *variable);

static int read_local(lua_State *from, lua_Debug *ar, int number, struct variable *variable) {
    variable->name = lua_getlocal(from, ar, number);
    if (!variable->name) return 0;
    sut_trace_value(from, -1, variable->text, sizeof variable->text);
    lua_pop(from, 1);
    /* All after the first temporary are temporaries, and a C function can have thousands. */
    return !strstr(variable->name, "temporary)");
}

static int read_upvalue(lua_State *from, lua_Debug *ar, int number, struct variable *variable) {
    lua_getinfo(from, "f", ar);
    variable->name = lua_getupvalue(from, -1, number);
    if (variable->name) {
        sut_trace_value(from, -1, variable->text, sizeof variable->text);
        lua_pop(from, 1);
    }
    lua_pop(from, 1);
    return variable->name != NULL;
}

/* Those of a name that a user has written: not "(for state)", _ENV, or a C function's upvalue. */
static int is_named(const char *name) { return *name && *name != '(' && strcmp(name, "_ENV") != 0; }

/* Sets the list of a frame's variables as a field of the table on top of the stack. */
static void set_variables(lua_State *L, const char *field, lua_State *from, lua_Debug *ar,
                          read_fn read) {
    struct variable variable;
    int kept = 0;
    lua_newtable(L);
    for (int number = 1; kept < SUT_TRACE_VARIABLES && read(from, ar, number, &variable);
         number++) {
        if (!is_named(variable.name)) continue;
        lua_createtable(L, 0, 2);
        lua_pushstring(L, variable.name);
        lua_setfield(L, -2, "name");
        lua_pushstring(L, variable.text);
        lua_setfield(L, -2, "text");
        lua_rawseti(L, -2, ++kept);
    }
    lua_setfield(L, -2, field);
}

void sut_trace_push_variables(lua_State *L, lua_State *from, int level, lua_CFunction hidden) {
    luaL_checkstack(L, STACK_SLOTS, "no room for the variables of a trace");
    lua_createtable(L, SUT_TRACE_LOCALS, 0);
    if (!lua_checkstack(from, STACK_SLOTS)) return;
    for (int kept = 0; kept < SUT_TRACE_LOCALS; level++) {
        lua_Debug ar;
        enum sut_level found = sut_trace_level(from, level, hidden, &ar);
        if (found == SUT_LEVEL_NONE) return;
        if (found == SUT_LEVEL_HIDDEN) continue;
        lua_createtable(L, 0, 2);
        set_variables(L, "locals", from, &ar, read_local);
        set_variables(L, "upvalues", from, &ar, read_upvalue);
        lua_rawseti(L, -2, ++kept);
    }
}
