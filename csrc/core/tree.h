/* SPDX-License-Identifier: MIT
 *
 * All supervisors of one runtime, as a reducer: one input at a time, at a time that the caller
 * gives, into a new state, events in a queue and work in lists. The runner above takes the work:
 * attention first, then events, then kills, releases and finished supervisors.
 *
 * Knows no clock: `now_ns` is set before each input.
 */
#ifndef SUT_CORE_TREE_H
#define SUT_CORE_TREE_H

#include "core/supervisor.h"

/* The kinds of the deadlines of the tree; the host's own begin at HOST. */
enum sut_deadline_kind {
    SUT_DEADLINE_SERVICE, /* sut_service.u.timer */
    SUT_DEADLINE_RESUME,
    SUT_DEADLINE_SPACING,
    SUT_DEADLINE_HOST
};

/* What the tree asks of the rings above while it decides. None of these may fail, run user code or
 * give the tree an input. */
struct sut_host {
    /* From the start of a service's structure to the text of its name. */
    size_t text_at;
    /* Put the first resume of a run at the end of the run queue. */
    void (*start)(struct sut_service *service);
    /* Take that back: it never starts. */
    void (*recall)(struct sut_service *service);
    /* Ask a running body to stop. True when it will be resumed for that, false when it will not
     * notice now (it shields itself). */
    bool (*cancel)(struct sut_service *service);
    /* An error shall be raised in a body that was asked to stop, where it stands. False when it is
     * not in the middle of running: it waits, and can be closed as well. */
    bool (*interrupt)(struct sut_service *service);
    /* The end of this child is why the supervisor ends (sup->end): keep what it ended with. */
    void (*reason)(struct sut_supervisor *sup, struct sut_service *service, enum sut_end end);
    /* Somebody waits for it (sup->awaited): the supervisor is ready, or stops. */
    void (*ready)(struct sut_supervisor *sup);
    /* Somebody waits for it: this child did not start. */
    void (*start_failed)(struct sut_supervisor *sup, struct sut_service *service, enum sut_end end);
};

struct sut_tree {
    const struct sut_host *host;
    struct sut_deadlines *deadlines; /* shared with the host's own */
    struct sut_slots slots;
    struct sut_events events;
    struct sut_list attention; /* sut_supervisor.attention */
    struct sut_list kills;     /* sut_service.u.work: to be closed by force */
    struct sut_list released;  /* sut_service.u.work: out of the tree, the host's memory again */
    struct sut_list finished;  /* sut_supervisor.finished: terminated, or quiet at last */
    int64_t now_ns;
    int64_t grace_ns;     /* between that error and the end by force; 0: no error is raised */
    uint32_t stop_number; /* of the latest stop */
    uint32_t overran;     /* the latest in which something overran its time, or 0 */
    uint32_t abandoned;   /* services that are so now */
    uint32_t talkative;   /* supervisors with lifecycle events: a start may emit for each */
};

void sut_tree_init(struct sut_tree *tree, const struct sut_host *host,
                   struct sut_deadlines *deadlines);

/* Reserves what one input may emit, twice: the end of a run comes without a reservation of its own,
 * after inputs that the run has given and reserved for. Returns 0, or -1 without memory: then give
 * no input. */
int sut_tree_reserve(struct sut_tree *tree);

/* True while a supervisor waits for attention. */
bool sut_tree_needs_attention(const struct sut_tree *tree);

/* Looks after the first supervisor that needs attention. Events reserved; cannot fail. */
void sut_tree_attend(struct sut_tree *tree);

/* A deadline of the tree has come; it has been disarmed. Events reserved; cannot fail. */
void sut_tree_expire(struct sut_tree *tree, struct sut_deadline *deadline);

/* The service of an id, or NULL when it is gone. */
struct sut_service *sut_tree_find(const struct sut_tree *tree, struct sut_id id);

/* Frees what the tree owns; its supervisors are the host's. */
void sut_tree_free(struct sut_tree *tree);

/* now + span, SUT_NEVER when that is too far. */
static inline int64_t sut_time_after(int64_t now_ns, int64_t span_ns) {
    return span_ns >= SUT_NEVER - now_ns ? SUT_NEVER : now_ns + span_ns;
}

#endif
