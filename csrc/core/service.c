/* SPDX-License-Identifier: MIT
 *
 * A service but for its life: making it, its inputs by name, and what it is called. The life is a
 * table in life.c.
 */
#include "core/service.h"

#include "core/tree.h"

#include <string.h>

void sut_service_init(struct sut_service *service, uint32_t length) {
    memset(service, 0, sizeof *service);
    sut_list_init(&service->sibling);
    sut_list_init(&service->u.work);
    service->name.length = length;
    service->kill = true;
}

struct sut_id sut_service_id(const struct sut_service *service) {
    return sut_slot_id(&service->parent->tree->slots, service->slot);
}

const char *sut_service_text(const struct sut_service *service) {
    return sut_name_text(&service->parent->names, &service->name);
}

void sut_service_start(struct sut_service *service) {
    sut_service_input(service,
                      (struct sut_cue){.input = SUT_INPUT_START, .after = SUT_AFTER_RESTART});
}

void sut_service_ran(struct sut_service *service) {
    sut_service_input(service, (struct sut_cue){.input = SUT_INPUT_RAN});
}

void sut_service_ready(struct sut_service *service) {
    sut_service_input(service, (struct sut_cue){.input = SUT_INPUT_READY});
}

void sut_service_gave_way(struct sut_service *service) {
    sut_service_input(service, (struct sut_cue){.input = SUT_INPUT_GAVE_WAY});
}

void sut_service_stop(struct sut_service *service, enum sut_after after) {
    sut_service_input(service, (struct sut_cue){.input = SUT_INPUT_STOP, .after = after});
}

void sut_service_ended(struct sut_service *service, enum sut_end end, struct sut_detail detail) {
    sut_service_input(service,
                      (struct sut_cue){.input = SUT_INPUT_END, .end = end, .detail = detail});
}

bool sut_service_lives(const struct sut_service *service) {
    return service->state >= SUT_STATE_STARTING;
}

bool sut_service_keeps_waiting(const struct sut_service *service) {
    if (service->state == SUT_STATE_STARTING) return service->notifies;
    if (service->state < SUT_STATE_STOPPING || service->state == SUT_STATE_ABANDONED)
        return sut_service_pending(service);
    return service->after != SUT_AFTER_KEEP && service->after != SUT_AFTER_FORGET &&
           service->after != SUT_AFTER_RETIRE;
}

int64_t sut_service_next_try(const struct sut_service *service) {
    const struct sut_deadline *timer = &service->parent->timer;
    if (service->state == SUT_STATE_BACKING_OFF) return service->options->backoff.due_ns;
    if (service->state == SUT_STATE_QUEUED && sut_deadline_armed(timer)) return timer->time_ns;
    return SUT_NEVER;
}

static bool waits_for_group(const struct sut_service *service) {
    return service->state == SUT_STATE_WAITING && service->grouped;
}

bool sut_service_restarts(const struct sut_service *service) {
    return service->state == SUT_STATE_QUEUED || service->state == SUT_STATE_BACKING_OFF ||
           waits_for_group(service);
}

/* ---- in words ---- */

const char *sut_service_state_name(const struct sut_service *service) {
    static const char starting[] = "starting";
    static const char stopping[] = "stopping";
    static const char *const words[SUT_STATES] = {
        [SUT_STATE_IDLE] = "stopped",
        [SUT_STATE_QUEUED] = "queued",
        [SUT_STATE_BACKING_OFF] = "backing_off",
        [SUT_STATE_WAITING] = starting,
        [SUT_STATE_STARTING] = starting,
        [SUT_STATE_UNREADY] = starting,
        [SUT_STATE_RUNNING] = "running",
        [SUT_STATE_STOPPING] = stopping,
        [SUT_STATE_DYING] = stopping,
        [SUT_STATE_KILLING] = stopping,
        [SUT_STATE_ABANDONED] = stopping,
    };
    return waits_for_group(service) ? "restarting" : words[service->state];
}

const char *sut_state_row(enum sut_state state) {
    static const char *const names[SUT_STATES] = {
        [SUT_STATE_IDLE] = "idle",
        [SUT_STATE_QUEUED] = "queued",
        [SUT_STATE_BACKING_OFF] = "backing off",
        [SUT_STATE_WAITING] = "waiting",
        [SUT_STATE_STARTING] = "starting",
        [SUT_STATE_UNREADY] = "unready",
        [SUT_STATE_RUNNING] = "running",
        [SUT_STATE_STOPPING] = "stopping",
        [SUT_STATE_DYING] = "dying",
        [SUT_STATE_KILLING] = "killing",
        [SUT_STATE_ABANDONED] = "abandoned",
    };
    return names[state];
}

const char *sut_input_column(enum sut_input input) {
    static const char *const names[SUT_INPUTS] = {
        [SUT_INPUT_START] = "start",       [SUT_INPUT_RAN] = "ran",
        [SUT_INPUT_READY] = "ready",       [SUT_INPUT_STOP] = "stop",
        [SUT_INPUT_GAVE_WAY] = "gave way", [SUT_INPUT_EXPIRE] = "expire",
        [SUT_INPUT_END] = "end",
    };
    return names[input];
}
