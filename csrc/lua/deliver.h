/* SPDX-License-Identifier: MIT
 *
 * From a record of the core to the table that a hook reads: what deliver.c and ending.c share.
 */
#ifndef SUT_LUA_DELIVER_H
#define SUT_LUA_DELIVER_H

#include "lua/event.h"
#include "lua/supervisor.h"

struct sut_delivery {
    struct sut_event *event;
    struct sut_lua_supervisor *sup;
    struct sut_lua_service *service; /* NULL for an event of the supervisor alone */
    struct sut_lua_runtime *rt;
    struct sut_told *told; /* what is found out about it, step by step */
    bool complete;
};

/* Stack of the delivery: itself, the supervisor, its bodies; then what is told of. */
enum { SUT_AT_SUPERVISOR = 2, SUT_AT_BODIES };

/* Tells a text, from memory that stays until the event is made, or from the string on the top,
 * which stays there (nil: there is none). */
void sut_tell_words(const struct sut_delivery *to, enum sut_text which, const char *text,
                    size_t length);
void sut_tell_text(lua_State *L, const struct sut_delivery *to, enum sut_text which);

/* Tells the value on the top, which stays there. */
void sut_tell_value(lua_State *L, const struct sut_delivery *to, enum sut_value which);

static inline void sut_tell_number(const struct sut_delivery *to, enum sut_number which,
                                   double value) {
    sut_note_number(&to->told->notes, which, value);
}

static inline void sut_tell_flag(const struct sut_delivery *to, enum sut_flag which, bool value) {
    sut_note_flag(&to->told->notes, which, value);
}

/* The fields of service_panic and service_terminate: error, texts, trace, frames. */
void sut_tell_end(lua_State *L, const struct sut_delivery *to);

/* Takes where the service stands now, for its next stop_timeout. Without memory nothing is taken.
 */
void sut_stuck_take(struct sut_lua_service *service);

/* The fields of stop_timeout: where it hangs, unless that was taken before. */
void sut_tell_stuck(lua_State *L, const struct sut_delivery *to);

/* The fields of escalate: reason, error, text, history. */
void sut_tell_escalation(lua_State *L, const struct sut_delivery *to);

#endif
