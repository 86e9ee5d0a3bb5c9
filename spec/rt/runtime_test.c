/* SPDX-License-Identifier: MIT
 *
 * Tests for steps, rounds and turns: their order, and that without memory nothing is lost, for a
 * step that had none is made again.
 */
#include "rt/runtime.h"

#include "../support/fake_body.h"

/* ---- a ring above, whose services wait until they are asked to stop ---- */

struct task {
    struct body body;
    struct sut_task task;
};

static struct sut_runtime rt;
static struct sut_supervisor root;
static struct team web;
static struct task a, b, x;
static char told[1024];
static int refusals;  /* of deliveries to come */
static long to_allow; /* requests for memory until one is refused; negative: all are granted */
static bool refused;
static struct sut_task woken; /* no service's */

static void tell(const char *what, const char *name) {
    size_t length = strlen(told);
    (void)snprintf(told + length, sizeof told - length, "%s%s%s", length ? " " : "", what, name);
}

static struct task *task_of(struct sut_service *service) {
    return SUT_CONTAINER(body_of(service), struct task, body);
}

static void start(struct sut_service *service) { sut_task_ready(&rt, &task_of(service)->task); }

static void recall(struct sut_service *service) { sut_task_stop(&rt, &task_of(service)->task); }

static bool cancel(struct sut_service *service) {
    if (task_of(service)->body.script == STUBBORN) return true;
    sut_task_ready(&rt, &task_of(service)->task);
    return true;
}

static bool interrupt(struct sut_service *service) {
    (void)service;
    return false;
}

static void reason(struct sut_supervisor *sup, struct sut_service *service, enum sut_end end) {
    (void)sup;
    (void)service;
    (void)end;
}

static void ready(struct sut_supervisor *sup) { (void)sup; }

static void resume(struct sut_runtime *of, struct sut_task *task) {
    struct task *self = SUT_CONTAINER(task, struct task, task);
    struct sut_service *service = &self->body.service;
    if (task == &woken) {
        tell("woken", "");
        return;
    }
    sut_runtime_look(of);
    if (service->state == SUT_STATE_STARTING) {
        of->progressed = true;
        tell("+", self->body.name);
        sut_service_ran(service);
    } else if (self->body.script == BUSY) {
        sut_service_gave_way(service);
        sut_task_again(of, task);
    } else {
        tell("-", self->body.name);
        sut_service_ended(service, SUT_END_CANCELED, (struct sut_detail){0});
    }
}

/* Whoever is in the run queue already has its turn once. */
static void wake(struct sut_runtime *of, struct sut_task *task) {
    sut_task_preempted(of, task);
    sut_task_preempted(of, task);
    sut_task_ready(of, task);
}

static int deliver(struct sut_runtime *of, struct sut_event *event) {
    assert_false(sut_runtime_settle(of)); /* not inside a step */
    sut_runtime_turn(of, 100);
    if (refusals > 0) {
        refusals--;
        refused = true;
        return -1;
    }
    tell(sut_event_name((enum sut_event_type)event->type), "");
    if (event->puts_off)
        sut_service_delay(event->service, event->run, event->time_ns, event->delay_ns);
    return 0;
}

static void kill_by_force(struct sut_runtime *of, struct sut_service *service) {
    sut_task_stop(of, &task_of(service)->task);
    tell("x", sut_service_text(service));
    sut_service_ended(service, SUT_END_CANCELED, (struct sut_detail){0});
}

static void release(struct sut_runtime *of, struct sut_service *service) {
    (void)of;
    tell("released:", sut_service_text(service));
}

static void finished(struct sut_runtime *of, struct sut_supervisor *sup) {
    (void)of;
    tell("finished:", sup == &root ? "root" : "web");
}

static const struct sut_above above = {
    .host = {.text_at = offsetof(struct body, name),
             .start = start,
             .recall = recall,
             .cancel = cancel,
             .interrupt = interrupt,
             .reason = reason,
             .ready = ready,
             .start_failed = reason},
    .resume = resume,
    .wake = wake,
    .deliver = deliver,
    .kill = kill_by_force,
    .release = release,
    .finished = finished,
};

/* ---- memory ---- */

static void *scarce(void *block, size_t size) {
    if (size == 0) {
        free(block);
        return NULL;
    }
    if (to_allow == 0) {
        refused = true;
        return NULL;
    }
    if (to_allow > 0) to_allow--;
    return realloc(block, size);
}

/* ---- the tree: root with a, web with x, and b ---- */

static void add(struct sut_supervisor *sup, struct task *task, const char *name) {
    memset(task, 0, sizeof *task);
    body_init(&task->body, name);
    sut_task_init(&task->task);
    assert_int_equal(0, sut_runtime_prepare(&rt));
    assert_int_equal(SUT_OK, sut_supervisor_add(sup, &task->body.service));
}

static void build(enum sut_clock clock) {
    told[0] = '\0';
    refusals = 0;
    to_allow = -1;
    refused = false;
    sut_task_init(&woken);
    sut_alloc_replace(scarce);
    sut_runtime_init(&rt, &above, clock);
    sut_supervisor_init(&root, &rt.tree);
    talk(&root);
    add(&root, &a, "a");
    sut_supervisor_init(&web.sup, &rt.tree);
    body_init(&web.place, "web");
    options_of(&web.place)->child = &web.sup;
    assert_int_equal(SUT_OK, sut_supervisor_add(&root, &web.place.service));
    add(&web.sup, &x, "x");
    add(&root, &b, "b");
}

static int setup(void **state) {
    (void)state;
    build(SUT_CLOCK_VIRTUAL);
    return 0;
}

static int teardown(void **state) {
    struct sut_list released;
    (void)state;
    sut_list_init(&released);
    sut_supervisor_dissolve(&web.sup, &released);
    sut_list_init(&released);
    sut_supervisor_dissolve(&root, &released);
    sut_tree_free(&rt.tree);
    sut_alloc_replace(NULL);
    return 0;
}

static void is_told(const char *wanted) {
    assert_string_equal(wanted, told);
    told[0] = '\0';
}

/* For an input from outside a step. */
static void prepare(void) {
    while (sut_runtime_prepare(&rt))
        to_allow = -1;
}

/* Runs all that can run now; a step without memory is made again when there is some. */
static void go(void) {
    do {
        if (rt.stalled) {
            assert_true(refused);
            assert_true(sut_runtime_busy(&rt) ||
                        sut_deadline_due(&rt.deadlines, sut_runtime_now(&rt)));
            to_allow = -1;
        }
        if (rt.clock == SUT_CLOCK_VIRTUAL)
            assert_true(sut_runtime_settle(&rt) || rt.stalled);
        else
            sut_runtime_turn(&rt, 2);
    } while (rt.stalled || sut_runtime_busy(&rt));
}

static void begin(void) {
    prepare();
    sut_supervisor_begin(&root);
    go();
}

static void stop(void) {
    prepare();
    sut_supervisor_stop(&root);
    go();
}

static void end(struct task *task) {
    prepare();
    sut_service_ended(&task->body.service, SUT_END_PANIC, (struct sut_detail){0});
    go();
}

static void let_time_pass(void) {
    if (rt.clock == SUT_CLOCK_VIRTUAL)
        assert_true(sut_runtime_jump(&rt, SUT_NEVER));
    else
        while (!sut_deadline_due(&rt.deadlines, sut_runtime_now(&rt))) {
        }
    go();
}

#define BEGUN "supervisor_start +a service_start +x +b service_start"
#define STOPPED "xb service_stop -x finished:web -a service_stop supervisor_stop finished:root"

/* x fails and is started again after a while, and b is closed by force. */
static void live(void) {
    options_of(&x.body)->backoff.min_ns = INT64_C(1000000);
    x.body.service.backs_off = true;
    b.body.service.shutdown = SUT_SHUTDOWN_KILL;
    begin();
    is_told(BEGUN);
    end(&x);
    is_told("service_panic");
    let_time_pass();
    is_told("+x");
    stop();
    is_told(STOPPED);
}

/* ---- order ---- */

TEST(the_slot_of_a_service_is_free_again_once_it_was_released) {
    uint32_t slot = a.body.service.slot;
    prepare();
    sut_service_stop(&a.body.service, SUT_AFTER_FORGET);
    go();
    is_told("released:a");
    add(&root, &a, "again");
    assert_int_equal(slot, a.body.service.slot);
}

TEST(a_tree_lives_and_stops_in_order_on_either_clock) {
    live();
    teardown(NULL);
    build(SUT_CLOCK_REAL);
    live();
}

TEST(those_who_only_stop_let_a_virtual_clock_go_on) {
    begin();
    a.body.script = BUSY;
    prepare();
    sut_supervisor_stop(&root);
    assert_false(sut_runtime_settle(&rt));
    assert_false(rt.stalled);
    assert_true(sut_runtime_has_ready(&rt));
    a.body.script = OBEY;
    go();
    assert_int_equal(SUT_SUPERVISOR_TERMINATED, root.state);
}

TEST(one_that_is_woken_has_one_turn) {
    sut_deadline_arm(&rt.deadlines, &woken.wake, SUT_SECOND_NS);
    assert_false(sut_runtime_jump(&rt, SUT_SECOND_NS - 1));
    let_time_pass();
    is_told("woken");
    assert_int_equal(SUT_SECOND_NS, sut_runtime_now(&rt));
    assert_false(sut_runtime_jump(&rt, SUT_NEVER));
}

TEST(time_never_goes_back) {
    rt.virtual_ns = SUT_SECOND_NS;
    sut_deadline_arm(&rt.deadlines, &woken.wake, 1);
    let_time_pass();
    is_told("woken");
    assert_int_equal(SUT_SECOND_NS, sut_runtime_now(&rt));
}

/* ---- without memory ---- */

/* So many events are reserved that none is kept, and each step asks for memory. */
static void live_without(enum sut_clock clock) {
    for (long n = 0;; n++) {
        teardown(NULL);
        build(clock);
        rt.tree.talkative += 100;
        to_allow = n;
        live();
        if (!refused) break;
    }
}

TEST(a_step_without_memory_is_made_again_and_nothing_is_lost) {
    live_without(SUT_CLOCK_VIRTUAL);
    live_without(SUT_CLOCK_REAL);
}

TEST(an_event_that_could_not_be_delivered_stays_the_first) {
    refusals = 3;
    live();
    assert_int_equal(0, refusals);
}

int main(void) {
#define HERE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        HERE(the_slot_of_a_service_is_free_again_once_it_was_released),
        HERE(a_tree_lives_and_stops_in_order_on_either_clock),
        HERE(those_who_only_stop_let_a_virtual_clock_go_on),
        HERE(one_that_is_woken_has_one_turn),
        HERE(time_never_goes_back),
        HERE(a_step_without_memory_is_made_again_and_nothing_is_lost),
        HERE(an_event_that_could_not_be_delivered_stays_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
