/* SPDX-License-Identifier: MIT
 *
 * The walk over a stack, and its text. Runs at the raise, so it must work when memory or the stack
 * is used up: it asks Lua only for what Lua gives without allocating.
 *
 * Invariants: without a gap a trace has up to SUT_TRACE_FRAMES frames. With one, at most
 * SUT_TRACE_HEAD stand before it, which no longer change, and the last SUT_TRACE_TAIL after it:
 * what comes pushes the oldest of them into the gap, over the bounds of coroutines too.
 */
#include "lua/trace.h"

#include <lauxlib.h>
#include <string.h>

/* Names of functions as lua_getinfo tells their kind, by the letter that is kept of it. */
static const struct {
    char letter;
    const char *word;
} name_kinds[] = {
    {'g', "global"},   {'l', "local"},      {'m', "method"},       {'f', "field"}, {'u', "upvalue"},
    {'c', "constant"}, {'M', "metamethod"}, {'F', "for iterator"}, {'h', "hook"},
};

enum { NAME_KINDS = sizeof name_kinds / sizeof *name_kinds };

static char kind_letter(const char *namewhat) {
    if (!*namewhat) return '\0';
    for (int i = 0; i < NAME_KINDS; i++)
        if (*name_kinds[i].word == *namewhat && strcmp(name_kinds[i].word, namewhat) == 0)
            return name_kinds[i].letter;
    return '?';
}

/* Lua's own traceback calls a global function "function" too. */
static const char *kind_word(char letter) {
    for (int i = 1; i < NAME_KINDS; i++)
        if (name_kinds[i].letter == letter) return name_kinds[i].word;
    return "function";
}

/* ---- the walk ---- */

void sut_trace_clear(struct sut_trace *trace) {
    trace->count = 0;
    trace->skipped_at = -1;
    trace->skipped = 0;
}

enum sut_level sut_trace_level(lua_State *L, int level, lua_CFunction hidden, lua_Debug *ar) {
    if (!lua_getstack(L, level, ar)) return SUT_LEVEL_NONE;
    lua_getinfo(L, "Slnt", ar);
    if (!hidden || *ar->what != 'C' || !lua_checkstack(L, 1)) return SUT_LEVEL_SHOWN;
    lua_getinfo(L, "f", ar);
    lua_CFunction function = lua_tocfunction(L, -1);
    lua_pop(L, 1);
    return function == hidden ? SUT_LEVEL_HIDDEN : SUT_LEVEL_SHOWN;
}

/* Moves the first `count` frames after the gap into it. Returns 1 when a coroutine began there, for
 * the frame that now follows the gap must say so in their place. */
static int drop(struct sut_trace *trace, int count) {
    struct sut_frame *first = &trace->frames[trace->skipped_at];
    int kept = trace->count - trace->skipped_at - count;
    int section = 0;
    for (int i = 0; i < count; i++)
        section |= first[i].section;
    memmove(first, first + count, (size_t)kept * sizeof *first);
    trace->count -= count;
    trace->skipped += count;
    return section;
}

/* Counts levels as skipped, with the frames that stood behind the head; returns as `drop`. */
static int skip(struct sut_trace *trace, int levels) {
    if (trace->skipped_at < 0)
        trace->skipped_at = trace->count < SUT_TRACE_HEAD ? trace->count : SUT_TRACE_HEAD;
    trace->skipped += levels;
    return drop(trace, trace->count - trace->skipped_at);
}

static struct sut_frame *next_frame(struct sut_trace *trace) {
    if (trace->skipped_at < 0 && trace->count == SUT_TRACE_FRAMES)
        trace->skipped_at = SUT_TRACE_HEAD;
    if (trace->skipped_at >= 0 && trace->count - trace->skipped_at == SUT_TRACE_TAIL &&
        drop(trace, 1))
        trace->frames[trace->skipped_at].section = 1;
    return &trace->frames[trace->count++];
}

/* Copies a text as it is, cut at `size`, and never in the middle of a character of UTF-8. */
static void copy(char *out, size_t size, const char *text) {
    size_t length = text ? strlen(text) : 0;
    if (length >= size) {
        length = size - 1;
        while (length && ((unsigned char)text[length] & 0xc0) == 0x80)
            length--;
    }
    memcpy(out, text ? text : "", length);
    out[length] = '\0';
}

static void fill(struct sut_frame *frame, const lua_Debug *ar) {
    memcpy(frame->source, ar->short_src, sizeof frame->source);
    copy(frame->name, sizeof frame->name, ar->name);
    frame->line = ar->currentline;
    frame->defined = ar->linedefined;
    frame->what = *ar->what;
    frame->namewhat = kind_letter(ar->namewhat);
    frame->tail = (char)(ar->istailcall != 0);
}

/* Adds the frames of the levels from `level` to before `end`; `section` marks the first of them.
 * Returns the mark when it is still to be set. */
static int walk_range(struct sut_trace *trace, lua_State *L, int level, int end,
                      lua_CFunction hidden, int section) {
    lua_Debug ar;
    for (; level < end; level++) {
        enum sut_level found = sut_trace_level(L, level, hidden, &ar);
        if (found == SUT_LEVEL_NONE) break;
        if (found == SUT_LEVEL_HIDDEN) continue;
        struct sut_frame *frame = next_frame(trace);
        fill(frame, &ar);
        frame->section = (char)section;
        section = 0;
    }
    return section;
}

/* The first level that does not exist, given one that does. lua_getstack is linear in the level, so
 * that counting up would be quadratic: some 30 calls find the end of the deepest stack. */
static int depth_beyond(lua_State *L, int level) {
    lua_Debug ar;
    int low = level;
    int high = 2 * level + 1;
    while (lua_getstack(L, high, &ar)) {
        low = high;
        high *= 2;
    }
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        if (lua_getstack(L, middle, &ar))
            low = middle;
        else
            high = middle;
    }
    return high;
}

void sut_trace_walk(struct sut_trace *trace, lua_State *L, int level, lua_CFunction hidden) {
    lua_Debug ar;
    int head_end = level + SUT_TRACE_HEAD;
    int section = 1;
    if (lua_getstack(L, level + SUT_TRACE_FRAMES, &ar)) {
        /* One level more than the tail holds, in case the bottom frame is hidden. */
        int end = depth_beyond(L, level + SUT_TRACE_FRAMES);
        int tail = end - SUT_TRACE_TAIL - 1;
        section = walk_range(trace, L, level, head_end, hidden, section);
        if (tail > head_end) section |= skip(trace, tail - head_end);
        walk_range(trace, L, tail > head_end ? tail : head_end, end, hidden, section);
    } else {
        walk_range(trace, L, level, level + SUT_TRACE_FRAMES, hidden, section);
    }
}

size_t sut_trace_size(const struct sut_trace *trace) {
    return offsetof(struct sut_trace, frames) + (size_t)trace->count * sizeof *trace->frames;
}

/* ---- the text ---- */

/* What was copied at the raise is put on one line only for who reads it. Returns the length. */
static size_t clean(char *out, const char *text) {
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++)
        out[i] = (char)((unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i]);
    out[length] = '\0';
    return length;
}

struct text {
    char *out;
    size_t size;
    size_t length; /* always less than size */
};

static void add_bytes(struct text *text, const char *bytes, size_t length) {
    size_t room = text->size - 1 - text->length;
    if (length > room) length = room;
    memcpy(text->out + text->length, bytes, length);
    text->length += length;
}

static void add(struct text *text, const char *words) { add_bytes(text, words, strlen(words)); }

/* Of a line, or of levels: none is negative. */
static void add_number(struct text *text, int number) {
    char digits[12];
    char *first = digits + sizeof digits;
    do
        *--first = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    add_bytes(text, first, (size_t)(digits + sizeof digits - first));
}

static void add_source(struct text *text, const struct sut_frame *frame) {
    char source[sizeof frame->source];
    add_bytes(text, source, clean(source, frame->source));
    add(text, ":");
}

static void add_function(struct text *text, const struct sut_frame *frame) {
    char name[sizeof frame->name];
    if (frame->namewhat) {
        add(text, kind_word(frame->namewhat));
        add(text, " '");
        add_bytes(text, name, clean(name, frame->name));
        add(text, "'");
    } else if (frame->what == 'm') {
        add(text, "main chunk");
    } else if (frame->what == 'C') {
        add(text, "?");
    } else {
        add(text, "function <");
        add_source(text, frame);
        add_number(text, frame->defined);
        add(text, ">");
    }
}

static void add_frame(struct text *text, const struct sut_frame *frame) {
    add(text, "\n\t");
    add_source(text, frame);
    if (frame->line > 0) {
        add_number(text, frame->line);
        add(text, ":");
    }
    add(text, " in ");
    add_function(text, frame);
    if (frame->tail) add(text, "\n\t(...tail calls...)");
}

static void add_gap(struct text *text, const struct sut_trace *trace, int at) {
    if (at != trace->skipped_at) return;
    add(text, "\n\t...\t(skipping ");
    add_number(text, trace->skipped);
    add(text, " levels)");
}

size_t sut_trace_text(const struct sut_trace *trace, char *out, size_t size) {
    struct text text = {.out = out, .size = size};
    add(&text, "stack traceback:");
    for (int i = 0; i < trace->count; i++) {
        add_gap(&text, trace, i);
        if (i && trace->frames[i].section) add(&text, "\n\tin a coroutine resumed by:");
        add_frame(&text, &trace->frames[i]);
    }
    add_gap(&text, trace, trace->count);
    out[text.length] = '\0';
    return text.length;
}

/* ---- the frames as a table ---- */

static void push_frame(lua_State *L, const struct sut_frame *frame) {
    char source[sizeof frame->source];
    char name[sizeof frame->name];
    lua_createtable(L, 0, 4);
    lua_pushlstring(L, source, clean(source, frame->source));
    lua_setfield(L, -2, "source");
    if (frame->line > 0) {
        lua_pushinteger(L, frame->line);
        lua_setfield(L, -2, "line");
    }
    if (*frame->name) {
        lua_pushlstring(L, name, clean(name, frame->name));
        lua_setfield(L, -2, "name");
    }
    lua_pushstring(L, frame->what == 'm' ? "main" : frame->what == 'C' ? "C" : "Lua");
    lua_setfield(L, -2, "what");
}

void sut_trace_push_frames(lua_State *L, const struct sut_trace *trace) {
    luaL_checkstack(L, 3, "no room for the frames of a trace");
    lua_createtable(L, trace->count, 0);
    for (int i = 0; i < trace->count; i++) {
        push_frame(L, &trace->frames[i]);
        lua_rawseti(L, -2, i + 1);
    }
}
