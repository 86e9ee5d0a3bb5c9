/* SPDX-License-Identifier: MIT
 *
 * Random inputs into nested supervisors: after each, what must always hold is checked.
 *
 * A script is its seed, so a failure repeats; its number and step are printed.
 */
#include "../support/fake_host.h"

#include <math.h>

enum { SCRIPTS = 2000, STEPS = 200, TEAMS = 6, BODIES = 16 };

static struct fake fake;
static struct team teams[TEAMS]; /* teams[0] is not in use: the root is the fake's */
static struct body bodies[BODIES];
static uint64_t state;
static const char *step_name;
static int script, step_number;

static uint32_t below(uint32_t limit) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 11) % limit);
}

static int64_t one_of(int64_t a, int64_t b, int64_t c) {
    const int64_t values[] = {a, b, c};
    return values[below(3)];
}

static struct sut_supervisor *sup_at(uint32_t i) { return i ? &teams[i].sup : &fake.root.sup; }

static bool serves(const struct sut_supervisor *sup) {
    return sut_supervisor_running(sup) || sup->state == SUT_SUPERVISOR_STOPPING;
}

/* ---- building at random ---- */

static void choose_spec(struct sut_supervisor *sup) {
    sup->policy.threshold = (double)one_of(0, 2, 1000);
    sup->policy.decay_s = (double)one_of(0, 1, 30);
    sup->backoff_ns = SECONDS(one_of(0, 1, 15));
    sup->spacing_ns = SECONDS(one_of(0, 0, 1));
    sup->timeout_ns = SECONDS(one_of(0, 1, 10));
    sup->stop_order = below(2) ? SUT_STOP_REVERSE : SUT_STOP_PARALLEL;
    sup->pass_through_panics = below(4) == 0;
    sup->dont_propagate_termination = below(2) == 0;
    if (below(4) == 0) talk(sup);
}

static void choose_options(struct body *body) {
    struct sut_service *service = &body->service;
    body->script = (enum script)below(3);
    service->kill = below(3) > 0;
    service->shutdown = (enum sut_shutdown)(below(SUT_SHUTDOWN_KILL + 1) & 3);
    options_of(body)->shutdown_ms = (uint32_t)one_of(0, 2, 5) * 1000;
    if (service->shutdown == SUT_SHUTDOWN_KILL) service->kill = true;
}

static void add(struct body *body, struct sut_supervisor *child) {
    body_init(body, "x");
    choose_options(body);
    body->service.child = child;
    reserve(&fake);
    body->gone = sut_supervisor_add(sup_at(below(TEAMS)), &body->service) != SUT_OK;
}

static bool is_above(const struct sut_supervisor *top, const struct sut_supervisor *sup) {
    while (sup != top && sup->place)
        sup = sup->place->parent;
    return sup == top;
}

/* A supervisor that stands nowhere goes below another, as a host would allow it. */
static void add_somewhere(uint32_t i) {
    struct sut_supervisor *parent = sup_at(below(TEAMS));
    struct team *team = &teams[i];
    if (!team->place.gone || serves(&team->sup) || is_above(&team->sup, parent)) return;
    body_init(&team->place, "t");
    choose_options(&team->place);
    team->place.service.child = &team->sup;
    reserve(&fake);
    team->place.gone = sut_supervisor_add(parent, &team->place.service) != SUT_OK;
}

static void build(void) {
    fake_init(&fake);
    fake.mute = true;
    choose_spec(&fake.root.sup);
    for (uint32_t i = 1; i < TEAMS; i++) {
        sut_supervisor_init(&teams[i].sup, &fake.tree);
        choose_spec(&teams[i].sup);
        teams[i].place.gone = true;
    }
    for (uint32_t i = 1; i < TEAMS; i++)
        add_somewhere(i);
    for (uint32_t i = 0; i < BODIES; i++) {
        bodies[i].gone = true;
        if (below(4)) add(&bodies[i], NULL);
    }
}

/* ---- inputs at random ---- */

static struct body *any_body(void) { return &bodies[below(BODIES)]; }

static struct body *any_child(void) {
    return below(4) ? any_body() : &teams[1 + below(TEAMS - 1)].place;
}

static void add_one(void) {
    struct body *body = any_body();
    if (body->gone) add(body, NULL);
}

static void move_one(void) {
    settle(&fake);
    add_somewhere(1 + below(TEAMS - 1));
}

/* As a host does: what was forgotten, or is not served and may not restart, gets no input. */
static void stop_one(void) {
    struct body *body = any_child();
    if (!body->gone && sut_tree_find(&fake.tree, body->service.id))
        sut_service_stop(&body->service, (enum sut_after)below(3));
}

static void kill_one(void) {
    struct body *body = any_child();
    if (!body->gone && below(4) == 0) sut_service_kill(&body->service);
}

static void end_one(void) {
    struct body *body = any_body();
    if (!body->gone && sut_service_lives(&body->service))
        feed_end(&fake, body, (enum sut_end)below(SUT_END_CANCELED));
}

static void give_way(void) {
    struct body *body = any_body();
    if (!body->gone && body->service.state == SUT_STATE_STOPPING && !body->service.asked)
        sut_service_gave_way(&body->service);
}

static void resume_one(void) {
    if (!sut_list_empty(&fake.ready))
        resume_body(&fake, SUT_CONTAINER(fake.ready.next, struct body, ready));
}

static void pass_some(void) { pass(&fake, SECONDS(one_of(0, 1, 9))); }

/* Time may be up before a body that is ready has had its turn. */
static void expire_one(void) {
    struct sut_deadline *first = sut_deadline_first(&fake.deadlines);
    if (first) expire(&fake, first);
}

static void run_all(void) { run(&fake); }

static void stop_a_supervisor(void) {
    if (below(3) == 0) sut_supervisor_stop(sup_at(below(TEAMS)));
}

static void hurry_a_supervisor(void) {
    if (below(5) == 0) sut_supervisor_hurry(sup_at(below(TEAMS)), (enum sut_hurry)(1 + below(2)));
}

static void begin_one(void) {
    struct sut_supervisor *sup = sup_at(below(TEAMS));
    settle(&fake);
    reserve(&fake);
    if (!sut_supervisor_placed(sup) && !serves(sup)) sut_supervisor_begin(sup);
}

static const struct {
    const char *name;
    void (*give)(void);
} inputs[] = {
    {"add", add_one},
    {"move", move_one},
    {"stop", stop_one},
    {"kill", kill_one},
    {"end", end_one},
    {"another end", end_one},
    {"give way", give_way},
    {"resume", resume_one},
    {"expire", expire_one},
    {"pass", pass_some},
    {"run", run_all},
    {"stop a supervisor", stop_a_supervisor},
    {"hurry", hurry_a_supervisor},
    {"begin", begin_one},
    {"another begin", begin_one},
};

/* ---- what must hold ---- */

#define holds(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("script %d, step %d (%s): %s", script, step_number, step_name, #condition);   \
    } while (0)

static uint32_t armed; /* deadlines found so far */

static void check_body(const struct body *body) {
    const struct sut_service *service = &body->service;
    uint32_t lives = sut_service_lives(service) ? 1 : 0;
    bool ready = !sut_list_empty(&body->ready);
    holds(body->starts == body->ends + body->recalls + lives);
    holds(service->state != SUT_STATE_STARTING || ready);
    holds(service->state != SUT_STATE_IDLE || !ready);
    holds(service->state != SUT_STATE_KILLING);
    holds(!service->overdue || service->asked);
}

static void check_place(const struct sut_service *service) {
    const struct sut_supervisor *child = service->child;
    holds(child->place == service);
    holds(sut_service_lives(service) == serves(child));
    holds(service->state != SUT_STATE_STARTING);
    if (service->state == SUT_STATE_RUNNING)
        holds(sut_supervisor_running(child) || child->end != SUT_END_CANCELED);
    if (service->state >= SUT_STATE_STOPPING) holds(child->state == SUT_SUPERVISOR_STOPPING);
}

static bool waits_for_ever(const struct sut_service *service) {
    return service->shutdown == SUT_SHUTDOWN_INFINITY ||
           (service->child && service->shutdown == SUT_SHUTDOWN_DEFAULT);
}

static void check_service(struct sut_service *service) {
    if (service->state == SUT_STATE_STOPPING) {
        bool ticks = sut_deadline_armed(&service->u.timer);
        armed += ticks;
        holds(ticks || service->overdue || waits_for_ever(service));
    }
    if (service->child)
        check_place(service);
    else
        check_body(body_of(service));
}

static void check_counts(const struct sut_supervisor *sup) {
    uint32_t count = 0, living = 0, queued = 0, asked = 0;
    for (struct sut_list *node = sup->children.next; node != &sup->children; node = node->next) {
        struct sut_service *service = SUT_CONTAINER(node, struct sut_service, sibling);
        holds(service->parent == sup && !service->ghost);
        check_service(service);
        count++;
        living += service->state >= SUT_STATE_STARTING && service->state <= SUT_STATE_KILLING;
        queued += service->state == SUT_STATE_QUEUED;
        asked += service->state == SUT_STATE_STOPPING || service->state == SUT_STATE_KILLING;
    }
    holds(count == sup->child_count && count == sup->names.count);
    holds(living == sup->living);
    holds((queued == 0) == sut_list_empty(&sup->queue));
    if (sup->state == SUT_SUPERVISOR_NORMAL) holds(!queued == !sut_deadline_armed(&sup->timer));
    if (sup->state == SUT_SUPERVISOR_STOPPING) holds(asked > 0);
    if (!serves(sup)) holds(living == 0 && queued == 0);
}

static void check_supervisor(const struct sut_supervisor *sup) {
    bool ticks = sut_deadline_armed(&sup->timer);
    bool paused = sup->state == SUT_SUPERVISOR_PAUSED;
    armed += ticks;
    holds(paused == (ticks && sup->timer.kind == SUT_DEADLINE_RESUME));
    holds(!ticks || sut_supervisor_running(sup));
    holds(sup->attend == 0);
    holds(sut_report_collect(sup, NULL, 0) <= BODIES);
    check_counts(sup);
}

static void check(void) {
    armed = 0;
    for (uint32_t i = 0; i < TEAMS; i++)
        check_supervisor(sup_at(i));
    holds(armed == fake.deadlines.count);
}

/* ---- scripts ---- */

static void step(void) {
    uint32_t choice = below(sizeof inputs / sizeof *inputs);
    step_name = inputs[choice].name;
    reserve(&fake);
    inputs[choice].give();
    if (below(3) == 0) return; /* inputs may also come before the tree has settled */
    settle(&fake);
    check();
}

static void end_everything(void) {
    step_name = "the end";
    for (uint32_t i = 0; i < TEAMS; i++)
        hurry(&fake, sup_at(i), SUT_HURRY_QUIETLY);
    for (uint32_t i = 0; i < BODIES; i++)
        bodies[i].script = OBEY;
    pass(&fake, SECONDS(1000));
    check();
    for (uint32_t i = 0; i < BODIES; i++)
        if (!bodies[i].gone && sut_service_lives(&bodies[i].service))
            end_body(&fake, &bodies[i], SUT_END_PLAIN);
    for (uint32_t i = 0; i < TEAMS; i++) {
        holds(!serves(sup_at(i)));
        holds(!sut_supervisor_lives(sup_at(i)));
    }
    for (uint32_t i = 1; i < TEAMS; i++)
        free_sup(&fake, sup_at(i));
    fake_free(&fake);
}

TEST(random_inputs_break_no_invariant) {
    for (script = 1; script <= SCRIPTS; script++) {
        state = (uint64_t)script * UINT64_C(0x9e3779b97f4a7c15);
        build();
        for (step_number = 1; step_number <= STEPS; step_number++)
            step();
        settle(&fake);
        end_everything();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_inputs_break_no_invariant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
