/* SPDX-License-Identifier: MIT
 *
 * Random inputs into nested supervisors: after each, what must always hold is checked.
 *
 * A script is its seed, so a failure repeats; its number and step are printed. SCRIPTS=n in the
 * environment runs more of them, FROM=n begins with that one, TELL=1 shows the tree at each step.
 */
#include "../support/fake_check.h"

enum { SCRIPTS = 2000, STEPS = 200, TEAMS = 6, BODIES = 16, INTENSITY_MOST = 2 };

static struct fake fake;
static struct team teams[TEAMS]; /* teams[0] is not in use: the root is the fake's */
static struct body bodies[BODIES];
static uint64_t state;
static bool telling;
static bool orders; /* some children name those they start after */
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

/* ---- building at random ---- */

static int64_t rings[TEAMS][2][INTENSITY_MOST + 1]; /* one in use, one to change over to */

static void choose_policy(struct sut_supervisor *sup, uint32_t i) {
    int64_t *ring = sup->score.restarts_ns == rings[i][0] ? rings[i][1] : rings[i][0];
    struct sut_policy policy = {.threshold = (double)one_of(0, 2, 1000),
                                .decay_s = (double)one_of(0, 1, 30),
                                .quiet_ns = SECONDS(one_of(0, 15, 100)),
                                .escalate_after = below(3) ? 0 : 1 + below(2)};
    bool window = below(4) == 0;
    policy.period_ns = window ? SECONDS(one_of(1, 5, 1000)) : 0;
    policy.intensity = window ? below(INTENSITY_MOST + 1) : 0;
    (void)sut_policy_change(&sup->policy, &sup->score, &policy, window ? ring : NULL,
                            fake.tree.now_ns);
}

static void choose_spec(struct sut_supervisor *sup, uint32_t i) {
    choose_policy(sup, i);
    sup->strategy = (uint8_t)below(SUT_STRATEGIES);
    sup->auto_shutdown = (uint8_t)below(3);
    sup->backoff_ns = SECONDS(one_of(0, 1, 15));
    sup->spacing_ns = SECONDS(one_of(0, 0, 1));
    sup->timeout_ns = SECONDS(one_of(0, 1, 10));
    sup->stop_order = below(2) ? SUT_STOP_REVERSE : SUT_STOP_PARALLEL;
    sup->pass_through_panics = below(4) == 0;
    sup->dont_propagate_termination = below(2) == 0;
    if (below(4) == 0) talk(sup);
}

static void choose_start(struct sut_service *service, struct sut_options *options) {
    service->notifies = sut_service_child(service) || below(3) == 0;
    if (below(2)) options->start_timeout_ns = SECONDS(one_of(1, 2, 4));
    service->backs_off = below(4) == 0;
    options->backoff.min_ns = SECONDS(one_of(0, 1, 3));
    options->backoff.reset_after_ns = SECONDS(one_of(0, 1, 3));
}

static void choose_options(struct body *body, const struct sut_supervisor *parent) {
    struct sut_service *service = &body->service;
    struct sut_options *options = options_of(body);
    body->script = (enum script)below(4);
    service->kill = below(3) > 0;
    service->shutdown = (enum sut_shutdown)(below(SUT_SHUTDOWN_KILL + 1) & 3);
    options->shutdown_ms = (uint32_t)one_of(0, 2, 5) * 1000;
    if (service->shutdown == SUT_SHUTDOWN_KILL) service->kill = true;
    service->restart = (enum sut_restart)(below(2) ? 0 : below(SUT_RESTARTS) & 3);
    service->fixed = parent->state == SUT_SUPERVISOR_NOT_RUNNING && below(2);
    service->significant = service->restart != SUT_RESTART_PERMANENT &&
                           parent->auto_shutdown != SUT_AUTO_SHUTDOWN_NEVER && below(2);
    choose_start(service, options);
}

/* Some of the siblings that are there. */
static void choose_order(struct body *body, const struct sut_supervisor *parent) {
    if (below(4)) return;
    start_after(body, NULL);
    for (struct sut_service *service = sut_supervisor_first(parent); service;
         service = sut_service_next(service))
        if (body->service.options->after_count < AFTER_MOST && !service->retired && below(3) == 0)
            start_after(body, body_of(service));
}

static bool add_to(struct body *body, struct sut_supervisor *parent) {
    choose_options(body, parent);
    if (orders) choose_order(body, parent);
    reserve(&fake);
    return sut_supervisor_add(parent, &body->service) == SUT_OK;
}

static void add(struct body *body) {
    body_init(body, "x");
    body->gone = !add_to(body, sup_at(below(TEAMS)));
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
    options_of(&team->place)->child = &team->sup;
    team->place.gone = !add_to(&team->place, parent);
}

static void build(void) {
    fake_init(&fake);
    fake.tree.grace_ns = SECONDS(one_of(0, 1, 2));
    fake.mute = true;
    orders = below(2);
    choose_spec(&fake.root.sup, 0);
    for (uint32_t i = 1; i < TEAMS; i++) {
        sut_supervisor_init(&teams[i].sup, &fake.tree);
        choose_spec(&teams[i].sup, i);
        teams[i].place.gone = true;
    }
    for (uint32_t i = 1; i < TEAMS; i++)
        add_somewhere(i);
    for (uint32_t i = 0; i < BODIES; i++) {
        bodies[i].gone = true;
        if (below(4)) add(&bodies[i]);
    }
}

/* ---- inputs at random ---- */

static struct body *any_body(void) { return &bodies[below(BODIES)]; }

static struct body *any_child(void) {
    return below(4) ? any_body() : &teams[1 + below(TEAMS - 1)].place;
}

static void add_one(void) {
    struct body *body = any_body();
    if (body->gone) add(body);
}

static void move_one(void) {
    settle(&fake);
    add_somewhere(1 + below(TEAMS - 1));
}

/* As a host does: what was forgotten, or is not served and may not restart, gets no input. */
static void stop_one(void) {
    struct body *body = any_child();
    if (!body->gone && sut_tree_find(&fake.tree, sut_service_id(&body->service)))
        sut_service_stop(&body->service, (enum sut_after)below(3));
}

/* As restart_child does it, of one that is stopped. */
static void start_one(void) {
    struct body *body = any_child();
    if (!body->gone && sut_tree_find(&fake.tree, sut_service_id(&body->service)) &&
        body->service.state == SUT_STATE_IDLE)
        sut_service_stop(&body->service, SUT_AFTER_RESTART);
}

/* As terminate_child does it. */
static void terminate_one(void) {
    struct body *body = any_child();
    if (body->gone || !sut_tree_find(&fake.tree, sut_service_id(&body->service))) return;
    bool temporary = body->service.restart == SUT_RESTART_TEMPORARY;
    sut_service_stop(&body->service, temporary ? SUT_AFTER_RETIRE : SUT_AFTER_KEEP);
}

static void ready_one(void) {
    struct body *body = any_body();
    if (!body->gone && body->service.state >= SUT_STATE_UNREADY) sut_service_ready(&body->service);
}

static void ready_all(void) {
    run(&fake);
    for (uint32_t i = 0; i < BODIES; i++)
        if (!bodies[i].gone && bodies[i].service.state == SUT_STATE_UNREADY)
            ready_body(&fake, &bodies[i]);
}

static bool has_significant(const struct sut_supervisor *sup) {
    for (struct sut_service *service = sut_supervisor_first(sup); service;
         service = sut_service_next(service))
        if (service->significant) return true;
    return false;
}

static void update_one(void) {
    uint32_t i = below(TEAMS);
    struct sut_supervisor *sup = sup_at(i);
    uint8_t auto_shutdown = (uint8_t)below(3);
    settle(&fake);
    if (below(2)) choose_policy(sup, i);
    if (below(2)) sup->strategy = (uint8_t)below(SUT_STRATEGIES);
    if (below(2)) sup->stop_order = below(2) ? SUT_STOP_REVERSE : SUT_STOP_PARALLEL;
    if (auto_shutdown != SUT_AUTO_SHUTDOWN_NEVER || !has_significant(sup))
        sup->auto_shutdown = auto_shutdown;
    reserve(&fake);
    sut_supervisor_settled(sup); /* another strategy may keep fewer waiting */
}

static void await_one(void) {
    struct sut_supervisor *sup = sup_at(below(TEAMS));
    settle(&fake);
    sup->awaited = sut_supervisor_running(sup) && (sup->pending > 0 || sup->grouping);
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
    {"start", start_one},
    {"terminate", terminate_one},
    {"ready", ready_one},
    {"all ready", ready_all},
    {"all ready again", ready_all},
    {"update", update_one},
    {"await", await_one},
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

static void check(void) {
    uint32_t armed = 0;
    for (uint32_t i = 0; i < TEAMS; i++) {
        const struct sut_supervisor *sup = sup_at(i);
        const char *broken = broken_promise(sup, &armed);
        if (broken)
            fail_msg("script %d, step %d (%s), supervisor %u: %s", script, step_number, step_name,
                     (unsigned)i, broken);
        holds(sut_report_collect(sup, NULL, 0) <= BODIES);
    }
    holds(armed == fake.deadlines.count);
}

/* ---- scripts ---- */

static void show_all(void) {
    (void)fprintf(stderr, "script %d, step %d (%s) at %g\n", script, step_number, step_name,
                  (double)fake.tree.now_ns / 1e9);
    for (uint32_t i = 0; i < TEAMS; i++)
        show_supervisor(sup_at(i));
}

static void step(void) {
    uint32_t choice = below(sizeof inputs / sizeof *inputs);
    step_name = inputs[choice].name;
    reserve(&fake);
    inputs[choice].give();
    if (telling) show_all();
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

static int number_from(const char *variable, int otherwise) {
    const char *text = getenv(variable);
    return text ? atoi(text) : otherwise;
}

TEST(random_inputs_break_no_invariant) {
    int from = number_from("FROM", 1);
    telling = number_from("TELL", 0) != 0;
    int until = from + number_from("SCRIPTS", SCRIPTS);
    for (script = from; script < until; script++) {
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
