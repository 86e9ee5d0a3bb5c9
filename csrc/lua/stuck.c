/* SPDX-License-Identifier: MIT
 *
 * Where a service hung when its time to stop had passed: taken once, for the event and for the
 * report.
 */
#include "lua/history.h"
#include "lua/hog.h"
#include "lua/wait.h"

#include "core/alloc.h"

#include <string.h>

static struct sut_stuck *make(const struct sut_lua_service *service) {
    struct sut_trace *trace = &sut_rt(&service->co)->self->trace;
    char text[SUT_TRACE_MAX];
    struct sut_stuck *stuck;
    size_t length;
    sut_trace_clear(trace);
    if (service->co.thread) sut_trace_chain(trace, service->co.thread);
    length = sut_trace_text(trace, text, sizeof text);
    stuck = sut_calloc(sizeof *stuck + length + 1);
    if (!stuck) return NULL;
    memcpy(stuck->stacktrace, text, length + 1);
    stuck->blocked_ns = sut_hog_blocked(service);
    sut_wait_text(&service->co, stuck->waiting_for, sizeof stuck->waiting_for);
    return stuck;
}

void sut_stuck_take(struct sut_lua_service *service) {
    struct sut_extras *extras = sut_service_extras(service);
    struct sut_stuck *stuck = extras ? make(service) : NULL;
    if (!stuck) return;
    sut_free(extras->stuck);
    extras->stuck = stuck;
    stuck->fresh = true;
}

void sut_tell_stuck(lua_State *L, const struct sut_delivery *to) {
    struct sut_lua_service *service = to->service;
    struct sut_stuck *stuck;
    if (!sut_extras_of(service) || !sut_extras_of(service)->stuck ||
        !sut_extras_of(service)->stuck->fresh)
        sut_stuck_take(service);
    sut_tell_flag(to, SUT_FLAG_KILLED, to->event->killed);
    stuck = sut_extras_of(service) ? sut_extras_of(service)->stuck : NULL;
    if (stuck) stuck->fresh = false;
    lua_pushstring(L, stuck ? stuck->stacktrace : "(no memory for the trace)");
    sut_tell_value(L, to, SUT_VALUE_STACKTRACE);
    if (!stuck || !stuck->waiting_for[0]) return; /* it was running */
    lua_pushstring(L, stuck->waiting_for);
    sut_tell_text(L, to, SUT_TEXT_WAITING_FOR);
}
