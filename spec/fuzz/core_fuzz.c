/* SPDX-License-Identifier: MIT
 *
 * Bytes as a script for the core: a tree is built, and then every two bytes are an input, such as
 * an end, a stop, time that passes. After each of them the counts that supervisors keep must be
 * those that one gets by counting, and what waits must have something to wait for.
 */
#include "../support/fake_host.h"

#include <stdlib.h>

enum { BODIES = 24, TEAMS = 4 };

static struct fake fake;
static struct team teams[TEAMS];
static struct body *bodies[BODIES];
static size_t body_count, team_count;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                  \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* ---- what must hold between inputs ---- */

static void check_service(const struct sut_service *service) {
    const struct sut_supervisor *sup = service->parent;
    const struct sut_supervisor *child = sut_service_child(service);
    bool stops = sup->state == SUT_SUPERVISOR_STOPPING; /* and has not come by it yet */
    MUST(service->state != SUT_STATE_QUEUED || stops || sut_deadline_armed(&sup->timer));
    MUST(service->state != SUT_STATE_WAITING || stops || sup->walking || sup->grouping);
    MUST(service->state != SUT_STATE_BACKING_OFF || sut_deadline_armed(&service->u.timer));
    MUST(!service->retired || service->state == SUT_STATE_IDLE ||
         service->state == SUT_STATE_ABANDONED);
    MUST(!service->ghost);
    MUST(!service->grouped || service->state != SUT_STATE_ABANDONED);
    MUST(!child || !child->attend || child->place == service);
}

static void check_supervisor(const struct sut_supervisor *sup) {
    uint32_t children = 0, living = 0, pending = 0, significant = 0;
    for (const struct sut_service *service = sut_supervisor_first(sup); service;
         service = sut_service_next(service)) {
        children += !service->retired;
        living += sut_service_lives(service) && service->state != SUT_STATE_ABANDONED;
        pending += sut_service_pending(service);
        significant += service->significant && service->state != SUT_STATE_IDLE;
        check_service(service);
    }
    MUST(children == sup->child_count && living == sup->living);
    MUST(pending == sup->pending && significant == sup->significant);
    MUST(!sup->walking || sut_supervisor_running(sup));
    MUST(sup->state != SUT_SUPERVISOR_TERMINATED || living + pending == 0);
    MUST(sut_supervisor_score(sup) >= 0);
}

static void check_all(void) {
    check_supervisor(&fake.root.sup);
    for (size_t i = 0; i < team_count; i++)
        check_supervisor(&teams[i].sup);
}

/* ---- building ---- */

static void set_up(struct sut_supervisor *sup, uint8_t byte) {
    sup->strategy = byte % SUT_STRATEGIES;
    sup->stop_order = byte & 4 ? SUT_STOP_PARALLEL : SUT_STOP_REVERSE;
    sup->auto_shutdown = (byte >> 3) % 3;
    sup->pass_through_panics = byte & 32;
    sup->dont_propagate_termination = byte & 64;
    sup->spacing_ns = byte & 128 ? SECONDS(1) : 0;
    sup->policy.threshold = byte % 4;
    sup->policy.escalate_after = byte % 3;
    if (byte & 16) talk(sup);
}

static struct sut_supervisor *sup_of(uint8_t byte) {
    size_t i = byte % (team_count + 1);
    return i ? &teams[i - 1].sup : &fake.root.sup;
}

static void set_up_body(struct body *body, uint8_t byte) {
    struct sut_service *service = &body->service;
    service->restart = byte % 3;
    service->kill = byte & 4;
    service->notifies = byte & 8;
    service->fixed = byte & 16;
    service->backs_off = byte & 32;
    service->shutdown = byte >> 6;
    service->significant = service->restart != SUT_RESTART_PERMANENT;
    body->script = byte % 4;
    options_of(body)->shutdown_ms = 500;
    if (byte & 64) options_of(body)->start_timeout_ns = SECONDS(2);
}

/* The name is never that of another: what names mean is no matter of the core's decisions. */
static void add(uint8_t where, uint8_t byte) {
    struct sut_supervisor *sup = sup_of(where);
    char name[8];
    if (body_count == BODIES) return;
    (void)snprintf(name, sizeof name, "b%zu", body_count);
    struct body *body = new_body(name);
    body->heap = false; /* kept for the end, so that it may be looked at once it is gone */
    set_up_body(body, byte);
    if (byte & 1 && body_count > 0 && !bodies[body_count - 1]->gone &&
        bodies[body_count - 1]->service.parent == sup)
        start_after(body, bodies[body_count - 1]);
    reserve(&fake);
    if (sut_supervisor_add(sup, &body->service) != SUT_OK) {
        free(body);
        return;
    }
    bodies[body_count++] = body;
    settle(&fake);
}

static void add_a_team(uint8_t byte) {
    struct team *team = &teams[team_count];
    struct sut_supervisor *sup = sup_of(byte);
    if (team_count == TEAMS || sup->state >= SUT_SUPERVISOR_STOPPING) return;
    add_team(&fake, sup, team, (const char *[]){"t0", "t1", "t2", "t3"}[team_count++]);
    set_up(&team->sup, byte);
    team->place.service.restart = byte % 3;
    settle(&fake);
}

/* ---- inputs ---- */

static struct body *body_at(uint8_t byte) {
    struct body *body = body_count ? bodies[byte % body_count] : NULL;
    return body && !body->gone && !body->service.ghost && !body->service.retired ? body : NULL;
}

static bool has_begun(const struct body *body) { return body->service.state > SUT_STATE_STARTING; }

static void end(struct body *body, enum sut_end how) {
    if (body && has_begun(body)) end_body(&fake, body, how);
}

static void input(uint8_t what, uint8_t byte) {
    static const enum sut_end ends[] = {SUT_END_PLAIN,          SUT_END_ERROR,
                                        SUT_END_PANIC,          SUT_END_CANCELED,
                                        SUT_END_DO_NOT_RESTART, SUT_END_TERMINATE_TREE};
    static const enum sut_after afters[] = {SUT_AFTER_KEEP, SUT_AFTER_RESTART, SUT_AFTER_FORGET,
                                            SUT_AFTER_RETIRE};
    static const int64_t spans[] = {0, 1, SECONDS(1) / 2, SECONDS(1), SECONDS(7), SECONDS(40)};
    struct body *body = body_at(byte >> 3);
    enum sut_end how = ends[byte % 6];
    switch (what % 10) {
    case 0:
    case 1:
        /* Only one that was asked to stop can have given in to that. */
        if (body && how == SUT_END_CANCELED && body->service.state <= SUT_STATE_RUNNING) break;
        end(body, how);
        break;
    case 2:
        if (body) stop_body(&fake, body, afters[byte % 4]);
        break;
    case 3:
        if (body && has_begun(body)) ready_body(&fake, body);
        break;
    case 4:
        pass(&fake, spans[byte % 6]);
        break;
    case 5:
        add(byte >> 2, byte);
        break;
    case 6:
        if (byte % 8 == 0) stop_sup(&fake, sup_of(byte >> 3));
        break;
    case 7:
        if (byte % 8 == 0)
            hurry(&fake, sup_of(byte >> 3), byte & 64 ? SUT_HURRY_QUIETLY : SUT_HURRY_WITH_REPORT);
        break;
    case 8:
        if (!sut_supervisor_lives(&fake.root.sup)) begin_tree(&fake);
        break;
    default:
        (void)turn(&fake);
        break;
    }
}

/* The end of its memory, whatever runs. */
static void dissolve(struct sut_supervisor *sup) {
    struct sut_list released;
    sut_list_init(&released);
    sut_supervisor_dissolve(sup, &released);
    while (!sut_list_empty(&released))
        (void)take_work(&released);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 4 || size > 512) return 0;
    memset(teams, 0, sizeof teams);
    body_count = team_count = 0;
    fake_init(&fake);
    fake.mute = true;
    set_up(&fake.root.sup, data[0]);
    for (uint8_t i = 0; i < data[1] % 4; i++)
        add_a_team((uint8_t)(data[2] * (i + 1)));
    for (uint8_t i = 0; i < 6; i++)
        add((uint8_t)(data[3] + i), (uint8_t)(data[3] * (2 * i + 1)));
    begin_tree(&fake);
    check_all();
    for (size_t i = 4; i + 1 < size; i += 2) {
        input(data[i], data[i + 1]);
        check_all();
    }
    for (size_t i = team_count; i > 0; i--)
        dissolve(&teams[i - 1].sup);
    dissolve(&fake.root.sup);
    MUST(fake.deadlines.count == 0);
    sut_tree_free(&fake.tree);
    for (size_t i = 0; i < body_count; i++)
        free(bodies[i]);
    return 0;
}
