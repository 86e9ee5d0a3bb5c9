/* SPDX-License-Identifier: MIT
 *
 * Stack traces by our own bounded walk, taken at the raise: the first 20 and the last 10 frames,
 * the skipped ones counted, in a fixed buffer, so that taking one needs no memory of Lua's and
 * never calls user code. luaL_traceback searches package.loaded at every frame and costs ten to a
 * hundred times as much.
 *
 * Text and frames come from the same walk. A frame of ours that the user has not written (the
 * bottom frame of a service) is left out.
 */
#ifndef SUT_LUA_TRACE_H
#define SUT_LUA_TRACE_H

#include <lua.h>
#include <stddef.h>

#define SUT_TRACE_HEAD 20
#define SUT_TRACE_TAIL 10
#define SUT_TRACE_FRAMES (SUT_TRACE_HEAD + SUT_TRACE_TAIL)
#define SUT_TRACE_MAX 8192     /* bytes of the text, with its NUL */
#define SUT_TRACE_LOCALS 8     /* frames whose locals are kept */
#define SUT_TRACE_VARIABLES 10 /* locals, and upvalues, kept of a frame */

struct sut_frame {
    char source[LUA_IDSIZE]; /* short source, or "[C]"; raw bytes, as the name */
    char name[48];           /* function's name when known, else "" */
    int line;                /* current line, or -1 */
    int defined;             /* line where the function is defined, or -1 */
    char what;               /* 'L' Lua, 'C' C, 'm' main chunk */
    char namewhat;           /* 'g'lobal, 'l'ocal, 'm'ethod, 'f'ield, 'u'pvalue, ... or 0 */
    char tail;               /* 1 when called by a tail call */
    char section;            /* 1 when a new coroutine begins with this frame */
};

/* A trace of one coroutine, or of a chain of nested ones, innermost first. Plain bytes: it can be
 * copied by assignment and needs no release; a copy of its first sut_trace_size bytes is as good,
 * to be read. */
struct sut_trace {
    int count;      /* frames kept */
    int skipped_at; /* frames before the gap, or -1 for no gap */
    int skipped;    /* frames left out at the gap */
    struct sut_frame frames[SUT_TRACE_FRAMES];
};

/* What stands at a level of a stack. */
enum sut_level { SUT_LEVEL_NONE, SUT_LEVEL_HIDDEN, SUT_LEVEL_SHOWN };

/* The bytes of a trace that are used. */
size_t sut_trace_size(const struct sut_trace *trace);

/* Empties a trace. */
void sut_trace_clear(struct sut_trace *trace);

/* Looks at one level of `L` and fills `ar` by "Slnt" unless there is none. A C function that is
 * `hidden` (may be NULL) is told apart. Never raises. */
enum sut_level sut_trace_level(lua_State *L, int level, lua_CFunction hidden, lua_Debug *ar);

/* Walks `L` from `level` (0: the running function) outwards and adds its frames as one section.
 * Frames whose C function is `hidden` (may be NULL) are left out. Never raises, allocates nothing
 * of ours. Head and tail are those of the whole trace: when it is full, what is in the middle gives
 * way to the frames that come and is counted as skipped. */
void sut_trace_walk(struct sut_trace *trace, lua_State *L, int level, lua_CFunction hidden);

/* Writes the text into `out` ("stack traceback:\n\tfile.lua:12: in function 'name'\n..."),
 * NUL-terminated and cut at size, which is not 0; returns the length written. Same look as Lua's
 * own traceback. */
size_t sut_trace_text(const struct sut_trace *trace, char *out, size_t size);

/* Pushes the array of frames: { source=, line=, name=, what="Lua"|"C"|"main" } each, without line
 * or name where they are not known. May raise for memory. */
void sut_trace_push_frames(lua_State *L, const struct sut_trace *trace);

/*
 * Locals and upvalues as bounded text, without metamethods: strings up to 60 bytes with control
 * bytes escaped, numbers, booleans, nil, else "table: 0x... (3 items)" or "type: pointer". A longer
 * string says its length.
 * Pushes onto `L` an array aligned with the frames of the trace: { locals = { {name=, text=} ... },
 * upvalues = {...} } for the first SUT_TRACE_LOCALS frames of `from`, walked from `level` as in
 * sut_trace_walk. Temporaries and _ENV are left out. Called at the raise; may raise for memory, so
 * call it protected. `from` and `L` may be the same.
 */
void sut_trace_push_variables(lua_State *L, lua_State *from, int level, lua_CFunction hidden);

/* Writes one value of the stack of `L` as bounded text, without metamethods, NUL-terminated;
 * returns the length. Numbers as tostring would, strings escaped and in quotes, cut at `size`. */
size_t sut_trace_value(lua_State *L, int index, char *out, size_t size);

#endif
