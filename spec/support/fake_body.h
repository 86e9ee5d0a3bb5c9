/* SPDX-License-Identifier: MIT
 *
 * Bodies and supervisors for the core's tests, and what the tree asks of its host. A body obeys
 * when it is asked to stop, unless its script says otherwise.
 */
#ifndef SPEC_FAKE_BODY_H
#define SPEC_FAKE_BODY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/alloc.h"
#include "core/report.h"
#include "core/tree.h"

#define TEST(name) static void name(void **unused __attribute__((unused)))
#define SECONDS(n) ((int64_t)(n)*INT64_C(1000000000))
#define AFTER_MOST 4

enum script { OBEY, STUBBORN, SHIELDED, BUSY };

struct body {
    struct sut_service service;
    struct sut_list ready; /* in the run queue */
    char name[16];
    enum script script;
    bool heap; /* freed when the tree releases it */
    bool gone; /* released, and not on the heap */
    uint32_t starts, recalls, cancels, interrupts, ends;
    /* A struct sut_options, for one that has any. */
    _Alignas(struct sut_options) unsigned char room[sizeof(struct sut_options) +
                                                    AFTER_MOST * sizeof(struct sut_id)];
};

/* A supervisor together with the service that stands for it in its parent. */
struct team {
    struct sut_supervisor sup;
    struct body place;
};

struct fake {
    struct sut_tree tree;
    struct sut_deadlines deadlines;
    struct team root;
    struct sut_list ready;
    char log[8192];
    size_t logged;
    char trace[4096];
    size_t traced;
    uint32_t kills, released, finished, last_seq;
    uint32_t ready_calls;
    bool mute; /* events are delivered, but not written down */
    bool tracing;
    const struct sut_service *reason;
    enum sut_end reason_end;
    const struct sut_service *unstarted; /* of the latest start_failed */
    enum sut_end unstarted_end;
    void (*hook)(struct fake *fake, const struct sut_event *event);
};

/* ---- what the tree asks of its host ---- */

static inline struct fake *fake_of(const struct sut_service *service) {
    return SUT_CONTAINER(service->parent->tree, struct fake, tree);
}

static inline struct body *body_of(struct sut_service *service) {
    return SUT_CONTAINER(service, struct body, service);
}

static inline void trace(struct sut_service *service, char what) {
    struct fake *fake = fake_of(service);
    if (!fake->tracing) return;
    size_t room = sizeof fake->trace - fake->traced;
    int size = snprintf(fake->trace + fake->traced, room, "%s%c%s", fake->traced ? " " : "", what,
                        body_of(service)->name);
    fake->traced += (size_t)size;
    assert_true(fake->traced < sizeof fake->trace);
}

static inline void fake_start(struct sut_service *service) {
    struct body *body = body_of(service);
    trace(service, '+');
    assert_true(sut_list_empty(&body->ready));
    body->starts++;
    sut_list_append(&fake_of(service)->ready, &body->ready);
}

static inline void fake_recall(struct sut_service *service) {
    struct body *body = body_of(service);
    assert_false(sut_list_empty(&body->ready));
    body->recalls++;
    trace(service, '~');
    sut_list_remove(&body->ready);
}

static inline bool fake_cancel(struct sut_service *service) {
    struct body *body = body_of(service);
    body->cancels++;
    trace(service, '!');
    if (body->script == SHIELDED) return false;
    sut_list_remove(&body->ready);
    sut_list_append(&fake_of(service)->ready, &body->ready);
    return true;
}

/* A busy one is always in the middle of running. */
static inline bool fake_interrupt(struct sut_service *service) {
    struct body *body = body_of(service);
    body->interrupts++;
    return body->script == BUSY;
}

static inline void fake_reason(struct sut_supervisor *sup, struct sut_service *service,
                               enum sut_end end) {
    struct fake *fake = SUT_CONTAINER(sup->tree, struct fake, tree);
    fake->reason = service;
    fake->reason_end = end;
}

static inline void fake_ready(struct sut_supervisor *sup) {
    assert_true(sut_supervisor_is_ready(sup) || !sut_supervisor_running(sup));
    assert_true(sup->awaited);
    sup->awaited = false;
    SUT_CONTAINER(sup->tree, struct fake, tree)->ready_calls++;
}

static inline void fake_start_failed(struct sut_supervisor *sup, struct sut_service *service,
                                     enum sut_end end) {
    struct fake *fake = SUT_CONTAINER(sup->tree, struct fake, tree);
    fake->unstarted = service;
    fake->unstarted_end = end;
}

/* ---- building ---- */

static inline void fake_init(struct fake *fake) {
    static const struct sut_host host = {
        .text_at = offsetof(struct body, name),
        .start = fake_start,
        .recall = fake_recall,
        .cancel = fake_cancel,
        .interrupt = fake_interrupt,
        .reason = fake_reason,
        .ready = fake_ready,
        .start_failed = fake_start_failed,
    };
    memset(fake, 0, sizeof *fake);
    sut_tree_init(&fake->tree, &host, &fake->deadlines);
    sut_list_init(&fake->ready);
    sut_supervisor_init(&fake->root.sup, &fake->tree);
    memcpy(fake->root.place.name, "root", 5);
}

static inline void body_init(struct body *body, const char *name) {
    memset(body, 0, sizeof *body);
    sut_list_init(&body->ready);
    assert_true(strlen(name) < sizeof body->name);
    memcpy(body->name, name, strlen(name) + 1);
    sut_service_init(&body->service, (uint32_t)strlen(name));
}

/* The options of the body, made at the first call: no start timeout, a backoff of 1, 2, 4, 8 s. */
static inline struct sut_options *options_of(struct body *body) {
    struct sut_options *options = body->service.options;
    if (options) return options;
    options = (struct sut_options *)(void *)body->room;
    options->start_timeout_ns = SUT_NEVER;
    options->backoff = (struct sut_backoff){.min_ns = SECONDS(1),
                                            .max_ns = SECONDS(8),
                                            .reset_after_ns = SECONDS(8),
                                            .factor = 2,
                                            .due_ns = SUT_NEVER};
    body->service.options = options;
    return options;
}

static inline void reserve(struct fake *fake) {
    assert_int_equal(0, sut_tree_reserve(&fake->tree));
}

/* A body on the heap, freed when the tree releases it; not added yet. */
static inline struct body *new_body(const char *name) {
    struct body *body = calloc(1, sizeof *body);
    assert_non_null(body);
    body_init(body, name);
    body->heap = true;
    return body;
}

static inline struct body *add_new(struct fake *fake, struct sut_supervisor *sup,
                                   struct body *body) {
    reserve(fake);
    assert_int_equal(SUT_OK, sut_supervisor_add(sup, &body->service));
    return body;
}

static inline struct body *add_body(struct fake *fake, struct sut_supervisor *sup,
                                    const char *name) {
    return add_new(fake, sup, new_body(name));
}

/* One of its supervisor's spec. */
static inline struct body *add_fixed(struct fake *fake, struct sut_supervisor *sup,
                                     const char *name) {
    struct body *body = new_body(name);
    body->service.fixed = true;
    return add_new(fake, sup, body);
}

/* A fixed one that says itself when it is ready. */
static inline struct body *add_notifier(struct fake *fake, struct sut_supervisor *sup,
                                        const char *name) {
    struct body *body = new_body(name);
    body->service.fixed = true;
    body->service.notifies = true;
    return add_new(fake, sup, body);
}

/* Names one more sibling, or none, that the body starts after; before it is added. */
static inline void start_after(struct body *body, const struct body *other) {
    struct sut_options *options = options_of(body);
    body->service.ordered = true;
    if (!other) return;
    assert_true(options->after_count < AFTER_MOST);
    options->after[options->after_count++] = sut_service_id(&other->service);
}

/* A child supervisor; the memory is the test's. */
static inline void add_team(struct fake *fake, struct sut_supervisor *sup, struct team *team,
                            const char *name) {
    sut_supervisor_init(&team->sup, &fake->tree);
    body_init(&team->place, name);
    options_of(&team->place)->child = &team->sup;
    reserve(fake);
    assert_int_equal(SUT_OK, sut_supervisor_add(sup, &team->place.service));
}

static inline void talk(struct sut_supervisor *sup) {
    sup->lifecycle_events = true;
    sup->tree->talkative++;
}

#endif
