/* SPDX-License-Identifier: MIT
 *
 * The runner that the core's tests stand in for: a run queue, a virtual clock and scripted bodies.
 *
 * Nothing happens by itself: `run` gives every ready body its turn, `settle` does what the tree has
 * asked for, and `pass` lets time go by. What was emitted is kept as text, one line an event, and
 * `said` compares and forgets it. While `tracing`, what bodies do is kept as well, and `did`
 * compares that: "+a" it is put to start, "~a" it is recalled, "!a" it is asked to stop, "-a" it
 * has ended.
 */
#ifndef SPEC_FAKE_HOST_H
#define SPEC_FAKE_HOST_H

#include "fake_body.h"

/* ---- events as text ---- */

static inline size_t write_path(const struct sut_supervisor *sup, char *out) {
    if (!sup->place) return (size_t)sprintf(out, "root");
    size_t length = write_path(sup->place->parent, out);
    return length + (size_t)sprintf(out + length, "/%s", sut_service_text(sup->place));
}

static inline bool has_score(const struct sut_event *event) {
    return event->type <= SUT_EVENT_RESUME;
}

static inline void write_event(struct fake *fake, const struct sut_event *event) {
    char path[512];
    size_t length = write_path(event->supervisor, path);
    if (event->service) (void)sprintf(path + length, "/%s", sut_service_text(event->service));
    char *out = fake->log + fake->logged;
    size_t room = sizeof fake->log - fake->logged;
    int size = snprintf(out, room, "%g %s %s", (double)event->time_ns / 1e9, path,
                        sut_event_name((enum sut_event_type)event->type));
    if (has_score(event)) size += snprintf(out + size, room - (size_t)size, " %.3g", event->score);
    if (event->type == SUT_EVENT_ESCALATE)
        size += snprintf(out + size, room - (size_t)size, " %s",
                         sut_end_name((enum sut_end)event->end));
    size += snprintf(out + size, room - (size_t)size, "%s%s%s%s\n",
                     event->restarting ? " restarting" : "", event->puts_off ? " delayed" : "",
                     event->stopping ? " stopping" : "", event->killed ? " killed" : "");
    fake->logged += (size_t)size;
    assert_true(fake->logged < sizeof fake->log);
}

static inline void deliver(struct fake *fake) {
    struct sut_event *event = fake->tree.events.first;
    assert_int_equal(++fake->last_seq, event->seq);
    assert_true(event->time_ns <= fake->tree.now_ns);
    if (!fake->mute) write_event(fake, event);
    if (event->type == SUT_EVENT_BACKOFF)
        sut_supervisor_backoff(event->supervisor, event->time_ns, event->supervisor->backoff_ns);
    if (event->puts_off)
        sut_service_delay(event->service, event->run, event->time_ns, event->delay_ns);
    if (fake->hook) fake->hook(fake, event);
    sut_events_done(&fake->tree.events);
}

#define said(fake, text)                                                                           \
    do {                                                                                           \
        (fake)->log[(fake)->logged] = '\0';                                                        \
        assert_string_equal((fake)->log, text);                                                    \
        (fake)->logged = 0;                                                                        \
    } while (0)

#define did(fake, text)                                                                            \
    do {                                                                                           \
        (fake)->trace[(fake)->traced] = '\0';                                                      \
        assert_string_equal((fake)->trace, text);                                                  \
        (fake)->traced = 0;                                                                        \
    } while (0)

#define state_is(body, word) assert_string_equal(word, sut_service_state_name(&(body)->service))
#define in_state(body, wanted) assert_int_equal(wanted, (body)->service.state)

/* ---- the runner ---- */

static inline void attend(struct fake *fake) {
    while (sut_tree_needs_attention(&fake->tree)) {
        reserve(fake);
        sut_tree_attend(&fake->tree);
    }
}

static inline struct body *take_work(struct sut_list *list) {
    struct sut_service *service = SUT_CONTAINER(list->next, struct sut_service, u.work);
    sut_list_remove(&service->u.work);
    return body_of(service);
}

/* Only tells the tree; what follows is for `settle`. */
static inline void feed_end(struct fake *fake, struct body *body, enum sut_end end) {
    body->ends++;
    trace(&body->service, '-');
    sut_list_remove(&body->ready);
    reserve(fake);
    sut_service_ended(&body->service, end, (struct sut_detail){0});
}

static inline void let_go(struct fake *fake, struct body *body) {
    assert_int_equal(SUT_STATE_IDLE, body->service.state);
    assert_null(sut_tree_find(&fake->tree, sut_service_id(&body->service)));
    fake->released++;
    body->gone = true;
    if (body->heap) free(body);
}

static inline bool do_some(struct fake *fake) {
    struct sut_tree *tree = &fake->tree;
    if (tree->events.first) {
        deliver(fake);
    } else if (!sut_list_empty(&tree->kills)) {
        fake->kills++;
        feed_end(fake, take_work(&tree->kills), SUT_END_CANCELED);
    } else if (!sut_list_empty(&tree->released)) {
        struct body *body = take_work(&tree->released);
        uint32_t slot = body->service.slot;
        let_go(fake, body);
        sut_slot_give(&tree->slots, slot);
    } else if (!sut_list_empty(&tree->finished)) {
        SUT_CONTAINER(tree->finished.next, struct sut_supervisor, finished)->awaited = false;
        sut_list_remove(tree->finished.next);
        fake->finished++;
    } else {
        return false;
    }
    return true;
}

static inline void settle(struct fake *fake) {
    do
        attend(fake);
    while (do_some(fake));
}

/* The turn of one body: its first resume, or the one for being asked to stop. */
static inline void resume_body(struct fake *fake, struct body *body) {
    sut_list_remove(&body->ready);
    reserve(fake);
    if (body->service.state == SUT_STATE_STARTING)
        sut_service_ran(&body->service);
    else if (body->script == OBEY)
        feed_end(fake, body, SUT_END_CANCELED);
    else
        sut_service_gave_way(&body->service);
}

/* One round: settles, and gives every body that is ready now its turn. False when none was. */
static inline bool turn(struct fake *fake) {
    struct sut_list round;
    settle(fake);
    if (sut_list_empty(&fake->ready)) return false;
    sut_list_init(&round);
    sut_list_join(&round, &fake->ready);
    while (!sut_list_empty(&round)) {
        resume_body(fake, SUT_CONTAINER(round.next, struct body, ready));
        settle(fake);
    }
    return true;
}

static inline void run(struct fake *fake) {
    while (turn(fake)) {
    }
}

static inline void expire(struct fake *fake, struct sut_deadline *deadline) {
    fake->tree.now_ns =
        deadline->time_ns > fake->tree.now_ns ? deadline->time_ns : fake->tree.now_ns;
    sut_deadline_cancel(&fake->deadlines, deadline);
    reserve(fake);
    sut_tree_expire(&fake->tree, deadline);
    settle(fake);
}

/* Lets time pass, with the clock standing at each deadline as it fires. */
static inline void pass(struct fake *fake, int64_t span_ns) {
    int64_t until_ns = sut_time_after(fake->tree.now_ns, span_ns);
    run(fake);
    for (;;) {
        struct sut_deadline *first = sut_deadline_first(&fake->deadlines);
        if (!first || first->time_ns > until_ns) break;
        expire(fake, first);
        run(fake);
    }
    fake->tree.now_ns = until_ns;
}

/* ---- inputs, each with what follows at once ---- */

static inline void begin_tree(struct fake *fake) {
    reserve(fake);
    sut_supervisor_begin(&fake->root.sup);
    settle(fake);
}

/* Serves the root and resumes every body for the first time. */
static inline void serve(struct fake *fake) {
    begin_tree(fake);
    run(fake);
}

static inline void end_body(struct fake *fake, struct body *body, enum sut_end end) {
    feed_end(fake, body, end);
    settle(fake);
}

/* The body says that it is ready, from its own turn. */
static inline void ready_body(struct fake *fake, struct body *body) {
    reserve(fake);
    sut_service_ready(&body->service);
    settle(fake);
}

static inline void stop_service(struct fake *fake, struct sut_service *service,
                                enum sut_after after) {
    reserve(fake);
    sut_service_stop(service, after);
    settle(fake);
}

static inline void stop_body(struct fake *fake, struct body *body, enum sut_after after) {
    stop_service(fake, &body->service, after);
}

static inline void stop_sup(struct fake *fake, struct sut_supervisor *sup) {
    reserve(fake);
    sut_supervisor_stop(sup);
    settle(fake);
}

static inline void hurry(struct fake *fake, struct sut_supervisor *sup, enum sut_hurry how) {
    reserve(fake);
    sut_supervisor_hurry(sup, how);
    settle(fake);
}

/* The report of the supervisor as text: "worker killed, other alive". */
static inline const char *reported(const struct sut_supervisor *top) {
    static char text[512];
    struct sut_id ids[16];
    uint32_t count = sut_report_collect(top, ids, 16);
    char *out = text;
    *out = '\0';
    for (uint32_t i = 0; i < count; i++) {
        struct sut_service *service = sut_slot_find(&top->tree->slots, ids[i]);
        out += write_path(service->parent, out);
        out += sprintf(out, "/%s %s%s", sut_service_text(service),
                       sut_report_verdict(top, service) == SUT_REPORT_KILLED ? "killed" : "alive",
                       i + 1 < count ? ", " : "");
    }
    return text;
}

/* The end of a supervisor's memory: the bodies in it go, child supervisors become roots. */
static inline void free_sup(struct fake *fake, struct sut_supervisor *sup) {
    struct sut_list released;
    settle(fake);
    sut_list_init(&released);
    sut_supervisor_dissolve(sup, &released);
    while (!sut_list_empty(&released))
        let_go(fake, take_work(&released));
}

/* Ends a test: the tree must be quiet, and gives everything back. */
static inline void fake_free(struct fake *fake) {
    settle(fake);
    assert_false(sut_supervisor_lives(&fake->root.sup));
    assert_int_equal(0, fake->deadlines.count);
    free_sup(fake, &fake->root.sup);
    sut_tree_free(&fake->tree);
}

/* Stops the root, waits for it however long that takes, and ends the test. */
static inline void stop_and_free(struct fake *fake) {
    stop_sup(fake, &fake->root.sup);
    pass(fake, SECONDS(100));
    assert_int_equal(SUT_SUPERVISOR_TERMINATED, fake->root.sup.state);
    fake_free(fake);
}

#endif
