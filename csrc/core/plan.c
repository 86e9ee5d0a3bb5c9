/* SPDX-License-Identifier: MIT
 *
 * The dry run: a runner of a copied tree, with a run queue of obedient bodies and a clock that goes
 * from deadline to deadline. It does things in the order in which the runtime's runner does.
 *
 * All twins tell of their lifecycle, for that is how the run learns what starts; what their
 * originals would not tell stays out of the plan.
 */
#include "core/plan.h"

#include "core/alloc.h"
#include "core/copy.h"
#include "core/invariant.h"

#include <string.h>

struct run {
    struct sut_copy copy;
    struct sut_plan *plan;
    struct sut_list ready; /* sut_twin.ready: to be resumed in the next round */
    struct sut_list round; /* what is left of the round under way */
    int64_t since_ns;
    uint64_t inputs;    /* at one deadline, and */
    uint64_t deadlines; /* in all, that are left before a plan must have come to its end */
    bool out_of_memory; /* a step could not be kept */
};

static struct run *run_of(const struct sut_service *twin) {
    return SUT_CONTAINER(twin->parent->tree, struct run, copy.tree);
}

static struct sut_twin *twin_of(struct sut_service *service) { return (struct sut_twin *)service; }

/* ---- the steps ---- */

static int make_room(struct sut_plan *plan) {
    uint32_t capacity = plan->capacity ? plan->capacity * 2 : 16;
    struct sut_plan_step *steps;
    if (plan->count < plan->capacity) return 0;
    steps = sut_realloc(plan->steps, capacity * sizeof *steps);
    if (!steps) return -1;
    plan->steps = steps;
    plan->capacity = capacity;
    return 0;
}

static void keep(struct run *run, struct sut_plan_step step) {
    if (make_room(run->plan)) {
        run->out_of_memory = true;
        return;
    }
    run->plan->steps[run->plan->count++] = step;
}

/* A run of the service begins or is asked to stop. */
static void keep_run(struct run *run, const struct sut_service *original, enum sut_plan_kind kind) {
    keep(run, (struct sut_plan_step){.supervisor = original->parent,
                                     .service = original,
                                     .at_ns = run->copy.tree.now_ns - run->since_ns,
                                     .kind = (uint8_t)kind});
}

static void keep_event(struct run *run, const struct sut_event *event) {
    const struct sut_twin *service = (const struct sut_twin *)event->service;
    keep(run, (struct sut_plan_step){
                  .supervisor = ((const struct sut_twin_supervisor *)event->supervisor)->original,
                  .service = service ? service->original : NULL,
                  .at_ns = event->time_ns - run->since_ns,
                  .delay_ns = event->delay_ns,
                  .kind = SUT_PLAN_EVENT,
                  .type = event->type,
                  .end = event->end,
                  .restarting = event->restarting,
                  .stopping = event->stopping,
                  .killed = event->killed,
                  .puts_off = event->puts_off,
                  .queued = event->queued,
              });
}

/* ---- being asked to stop ---- */

/* A supervisor that its parent has just asked to stop: it will hear of that with the next
 * attention. */
static struct sut_twin_supervisor *newly_asked(struct sut_list *node) {
    struct sut_supervisor *sup = SUT_CONTAINER(node, struct sut_supervisor, attention);
    struct sut_twin_supervisor *twin = (struct sut_twin_supervisor *)sup;
    bool asked = sup->place && sup->place->state > SUT_STATE_RUNNING;
    if (!asked || !sut_supervisor_running(sup) || twin->asked_run == sup->place->run) return NULL;
    return twin;
}

/* Bodies are asked at once, supervisors through the list of attention: before each of either, those
 * at the end of the list are written down, to keep the order. */
static void keep_newly_asked(struct run *run) {
    struct sut_list *attention = &run->copy.tree.attention;
    struct sut_list *node = attention->prev;
    while (node != attention && newly_asked(node))
        node = node->prev;
    for (node = node->next; node != attention; node = node->next) {
        struct sut_twin_supervisor *twin = newly_asked(node);
        twin->asked_run = twin->core.place->run;
        keep_run(run, twin->original->place, SUT_PLAN_STOP);
    }
}

/* ---- what the copied tree asks of its host ---- */

static void start(struct sut_service *service) {
    struct run *run = run_of(service);
    twin_of(service)->begun = true;
    sut_list_append(&run->ready, &twin_of(service)->ready);
}

/* One that began before the plan is as good as stopped; another has never begun at all. */
static void recall(struct sut_service *service) {
    struct run *run = run_of(service);
    keep_newly_asked(run);
    if (!twin_of(service)->begun) keep_run(run, twin_of(service)->original, SUT_PLAN_STOP);
    sut_list_remove(&twin_of(service)->ready);
}

static bool cancel(struct sut_service *service) {
    struct run *run = run_of(service);
    keep_newly_asked(run);
    keep_run(run, twin_of(service)->original, SUT_PLAN_STOP);
    sut_list_remove(&twin_of(service)->ready);
    sut_list_append(&run->ready, &twin_of(service)->ready);
    return true;
}

/* Nothing runs in a copy: what overruns there is closed. */
static bool waits(struct sut_service *service) {
    (void)service;
    return false;
}

static void ignore_reason(struct sut_supervisor *sup, struct sut_service *service,
                          enum sut_end end) {
    (void)sup;
    (void)service;
    (void)end;
}

static void ignore_ready(struct sut_supervisor *sup) { (void)sup; }

static const struct sut_host host = {
    .text_at = offsetof(struct sut_twin, text),
    .start = start,
    .recall = recall,
    .cancel = cancel,
    .interrupt = waits,
    .reason = ignore_reason,
    .ready = ignore_ready,
    .start_failed = ignore_reason,
};

/* ---- one input after the other ---- */

static void answer(const struct sut_event *event, struct sut_supervisor *sup,
                   struct sut_service *service) {
    if (event->type == SUT_EVENT_BACKOFF)
        sut_supervisor_backoff(sup, event->time_ns, event->delay_ns);
    else if (event->puts_off)
        sut_service_delay(service, event->run, event->time_ns, event->delay_ns);
}

static void take_event(struct run *run) {
    const struct sut_event *event = run->copy.tree.events.first;
    const struct sut_supervisor *original =
        ((const struct sut_twin_supervisor *)event->supervisor)->original;
    bool of_lifecycle = event->type >= SUT_EVENT_SERVICE_START;
    if (event->type == SUT_EVENT_SERVICE_START)
        keep_run(run, ((const struct sut_twin *)event->service)->original, SUT_PLAN_START);
    else if (event->type == SUT_EVENT_SUPERVISOR_START)
        keep_run(run, original->place, SUT_PLAN_START);
    if (!of_lifecycle || original->lifecycle_events) keep_event(run, event);
    answer(event, event->supervisor, event->service);
    sut_events_done(&run->copy.tree.events);
}

/* It gives in, or is closed by force. */
static void give_in(struct sut_service *service) {
    sut_service_ended(service, SUT_END_CANCELED, (struct sut_detail){0});
}

static void kill_first(struct run *run) {
    struct sut_list *node = run->copy.tree.kills.next;
    struct sut_service *service = SUT_CONTAINER(node, struct sut_service, u.work);
    sut_list_remove(node);
    sut_list_remove(&twin_of(service)->ready);
    give_in(service);
}

static void attend(struct run *run) {
    keep_newly_asked(run);
    sut_tree_attend(&run->copy.tree);
}

/* Carries out what inputs have left to do. False: nothing is left. */
static bool work_off(struct run *run) {
    struct sut_tree *tree = &run->copy.tree;
    if (sut_tree_needs_attention(tree))
        attend(run);
    else if (tree->events.first)
        take_event(run);
    else if (!sut_list_empty(&tree->kills))
        kill_first(run);
    else if (!sut_list_empty(&tree->released))
        sut_list_remove(tree->released.next);
    else if (!sut_list_empty(&tree->finished))
        sut_list_remove(tree->finished.next);
    else
        return false;
    return true;
}

/* The turn of a body: it begins and says that it is ready, or gives in. */
static void resume(struct sut_service *service) {
    sut_list_remove(&twin_of(service)->ready);
    if (service->state == SUT_STATE_STARTING) sut_service_ran(service);
    if (service->state == SUT_STATE_UNREADY)
        sut_service_ready(service);
    else if (service->state == SUT_STATE_STOPPING || service->state == SUT_STATE_DYING)
        give_in(service);
}

/* More than enough for any tree: each child may stop and start a few times. */
static void allow(struct run *run) {
    run->inputs = 1000 + UINT64_C(256) * (run->copy.service_count + run->copy.supervisor_count);
}

static void fire(struct run *run, struct sut_deadline *due) {
    struct sut_tree *tree = &run->copy.tree;
    SUT_INVARIANT(run->deadlines-- > 0, "a plan does not come to an end");
    allow(run);
    sut_deadline_cancel(tree->deadlines, due);
    sut_tree_expire(tree, due);
}

/* Does what is next, in the order of the runtime's runner: what is left of an input, the round
 * under way, what is due, the next round; and time passes when there is nothing else. False:
 * nothing is left to happen. */
static bool advance(struct run *run) {
    struct sut_tree *tree = &run->copy.tree;
    struct sut_deadline *due;
    SUT_INVARIANT(run->inputs-- > 0, "a plan does not come to an end");
    if (work_off(run)) return true;
    if (!sut_list_empty(&run->round)) {
        resume(&SUT_CONTAINER(run->round.next, struct sut_twin, ready)->core);
    } else if ((due = sut_deadline_due(tree->deadlines, tree->now_ns))) {
        fire(run, due);
    } else if (!sut_list_empty(&run->ready)) {
        sut_list_join(&run->round, &run->ready);
    } else if ((due = sut_deadline_first(tree->deadlines))) {
        tree->now_ns = due->time_ns;
    } else {
        return false;
    }
    return true;
}

/* ---- the whole ---- */

/* Delays that the hooks of the original have still to say. */
static void answer_pending(const struct sut_copy *copy, const struct sut_events *events) {
    for (const struct sut_event *event = events->first; event; event = event->next) {
        struct sut_supervisor *sup = sut_copy_supervisor(copy, event->supervisor);
        struct sut_service *service =
            event->puts_off ? sut_copy_service(copy, event->service) : NULL;
        if (!event->has_delay && sup && (service || !event->puts_off)) answer(event, sup, service);
    }
}

static bool has_turn(const struct sut_service *service) {
    return !sut_service_child(service) &&
           (service->state == SUT_STATE_STARTING || service->state == SUT_STATE_UNREADY ||
            service->state == SUT_STATE_STOPPING || service->state == SUT_STATE_DYING);
}

/* What was on its way goes on: whoever has something to do is in the run queue. */
static void get_ready(struct run *run) {
    struct sut_copy *copy = &run->copy;
    for (uint32_t i = 0; i < copy->supervisor_count; i++) {
        struct sut_supervisor *sup = &copy->supervisors[i].core;
        sup->lifecycle_events = true;
        if (sup->place && sup->place->state > SUT_STATE_RUNNING)
            copy->supervisors[i].asked_run = sup->place->run;
    }
    copy->tree.talkative = 2 * copy->supervisor_count;
    for (uint32_t i = 0; i < copy->service_count; i++)
        if (has_turn(&copy->services[i].core))
            sut_list_append(&run->ready, &copy->services[i].ready);
    allow(run);
    run->deadlines = 1000 + UINT64_C(8) * (copy->service_count + copy->supervisor_count);
}

/* A supervisor ends when what is below it has stopped; one that stops already ends as it would. */
static void end_supervisor(struct sut_supervisor *sup, enum sut_end end) {
    if (!sut_supervisor_running(sup) || (sup->attend & SUT_ATTEND_STOP)) return;
    sup->end = (uint8_t)end;
    sup->ended_by = (struct sut_id){0};
    sut_supervisor_ask(sup, SUT_ATTEND_STOP);
}

static void end_body(struct sut_service *service, enum sut_end end) {
    sut_list_remove(&twin_of(service)->ready);
    if (service->state == SUT_STATE_KILLING) sut_list_remove(&service->u.work);
    if (service->state == SUT_STATE_STARTING) sut_service_ran(service);
    sut_service_ended(service, end, (struct sut_detail){0});
}

/* There is room for each input before it comes. */
static int reserve(struct run *run) {
    return run->out_of_memory ? -1 : sut_tree_reserve(&run->copy.tree);
}

static int play(struct run *run, struct sut_service *service, enum sut_end end) {
    struct sut_supervisor *child = sut_service_child(service);
    if (reserve(run)) return -1;
    if (child)
        end_supervisor(child, end);
    else
        end_body(service, end);
    while (!reserve(run))
        if (!advance(run)) return 0;
    return -1;
}

static const struct sut_supervisor *root_of(const struct sut_service *service) {
    const struct sut_supervisor *sup = service->parent;
    while (sut_supervisor_placed(sup))
        sup = sup->place->parent;
    return sup;
}

int sut_plan_make(struct sut_plan *plan, const struct sut_service *service, enum sut_end end,
                  int64_t now_ns) {
    struct run run;
    int result = SUT_ENOMEM;
    memset(plan, 0, sizeof *plan);
    if (!sut_service_lives(service)) return SUT_ENOTRUNNING;
    memset(&run, 0, sizeof run);
    run.plan = plan;
    run.since_ns = now_ns;
    sut_list_init(&run.ready);
    sut_list_init(&run.round);
    if (!sut_copy_init(&run.copy, root_of(service), &host, now_ns)) {
        get_ready(&run);
        answer_pending(&run.copy, &service->parent->tree->events);
        if (!play(&run, sut_copy_service(&run.copy, service), end)) result = SUT_OK;
    }
    sut_copy_free(&run.copy);
    if (result != SUT_OK) sut_plan_free(plan);
    return result;
}

void sut_plan_free(struct sut_plan *plan) {
    sut_free(plan->steps);
    memset(plan, 0, sizeof *plan);
}
