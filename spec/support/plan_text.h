/* SPDX-License-Identifier: MIT
 *
 * Plans as text, a tree as bytes, and an allocator that runs out.
 *
 * In the text "!a" is asked to stop, "+a" starts, "@5" it is 5 seconds later than at first.
 */
#ifndef SPEC_PLAN_TEXT_H
#define SPEC_PLAN_TEXT_H

#include "core/plan.h"

#include "fake_host.h"

/* ---- plans as text ---- */

static char plan_text[2048];
static size_t plan_length;

static inline void put(const char *format, ...) __attribute__((format(printf, 1, 2)));

static inline void put(const char *format, ...) {
    va_list args;
    va_start(args, format);
    plan_length +=
        (size_t)vsnprintf(plan_text + plan_length, sizeof plan_text - plan_length, format, args);
    va_end(args);
    assert_true(plan_length < sizeof plan_text);
}

static inline const char *name_of(const struct sut_plan_step *step) {
    if (step->service) return sut_service_text(step->service);
    return step->supervisor->place ? sut_service_text(step->supervisor->place) : "root";
}

static inline void put_event(const struct sut_plan_step *step) {
    put(" %s(%s%s%s%s", sut_event_name((enum sut_event_type)step->type), name_of(step),
        step->restarting ? " restarting" : "", step->stopping ? " stopping" : "",
        step->queued ? " queued" : "");
    if (step->delay_ns > 0) put(" %g s", (double)step->delay_ns / 1e9);
    put(")");
}

static inline const char *text_of(const struct sut_plan *plan) {
    int64_t at_ns = 0;
    plan_length = 0;
    plan_text[0] = '\0';
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct sut_plan_step *step = &plan->steps[i];
        if (step->at_ns > at_ns) put(" @%g", (double)step->at_ns / 1e9);
        at_ns = step->at_ns;
        if (step->kind == SUT_PLAN_EVENT)
            put_event(step);
        else
            put(" %c%s", step->kind == SUT_PLAN_STOP ? '!' : '+', name_of(step));
    }
    return plan_text + (plan_length > 0);
}

/* ---- the tree as bytes ---- */

struct piece {
    const void *at;
    size_t size;
    void *copy;
};

static struct piece pieces[4096];
static uint32_t piece_count;

static inline void remember(const void *at, size_t size) {
    struct piece *piece = &pieces[piece_count++];
    *piece = (struct piece){at, size, malloc(size)};
    assert_non_null(piece->copy);
    memcpy(piece->copy, at, size);
}

static inline void remember_tree(const struct sut_supervisor *top) {
    const struct sut_slots *slots = &top->tree->slots;
    piece_count = 0;
    remember(SUT_CONTAINER(top->tree, struct fake, tree), sizeof(struct fake));
    for (uint32_t i = 0; i < slots->chunk_count; i++)
        remember(slots->chunks[i], sizeof *slots->chunks[i]);
    if (top->score.restarts_ns)
        remember(top->score.restarts_ns, (top->policy.intensity + 1) * sizeof(int64_t));
    for (struct sut_service *service = sut_supervisor_walk(top, NULL); service;
         service = sut_supervisor_walk(top, service)) {
        remember(body_of(service), sizeof(struct body));
        if (sut_service_child(service))
            remember(sut_service_child(service), sizeof *sut_service_child(service));
    }
}

static inline void check_unchanged(void) {
    for (uint32_t i = 0; i < piece_count; i++) {
        assert_memory_equal(pieces[i].at, pieces[i].copy, pieces[i].size);
        free(pieces[i].copy);
    }
}

/* ---- an allocator that counts, and fails at the nth request ---- */

static long blocks, requests_left;

static inline void *scarce(void *block, size_t size) {
    if (size == 0) {
        blocks -= block != NULL;
        free(block);
        return NULL;
    }
    if (requests_left == 0) return NULL;
    requests_left--;
    blocks += block == NULL;
    return realloc(block, size);
}

/* Makes the plan with so many requests of memory. Nothing is left over when it fails. */
static inline int plan_with(struct sut_plan *plan, long requests, struct sut_service *service,
                            enum sut_end end) {
    int result;
    blocks = 0;
    requests_left = requests;
    sut_alloc_replace(scarce);
    result = sut_plan_make(plan, service, end, service->parent->tree->now_ns);
    assert_int_equal(result == SUT_OK && plan->steps ? 1 : 0, blocks);
    return result;
}

static inline void end_plan(struct sut_plan *plan) {
    sut_plan_free(plan);
    assert_int_equal(0, blocks);
    sut_alloc_replace(NULL);
}

#endif
