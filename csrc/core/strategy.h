/* SPDX-License-Identifier: MIT
 *
 * OTP's rules as tables, without a tree: which ends of a child are to be followed by a restart, and
 * what a restart means for each of its siblings.
 */
#ifndef SUT_CORE_STRATEGY_H
#define SUT_CORE_STRATEGY_H

#include "core/event.h"

#include <stdbool.h>

enum sut_strategy {
    SUT_STRATEGY_ONE_FOR_ONE,
    SUT_STRATEGY_ONE_FOR_ALL,
    SUT_STRATEGY_REST_FOR_ONE,
    SUT_STRATEGIES
};

enum sut_restart {
    SUT_RESTART_PERMANENT, /* always */
    SUT_RESTART_TRANSIENT, /* after an error or panic */
    SUT_RESTART_TEMPORARY, /* never; forgotten once it has ended */
    SUT_RESTARTS
};

/* Where a child stands to the one that failed. */
enum sut_relation {
    SUT_RELATION_ITSELF,
    SUT_RELATION_BEFORE, /* started earlier, or does not depend on it */
    SUT_RELATION_BEHIND, /* started later, or depends on it where dependencies are given */
    SUT_RELATIONS
};

/* What becomes of a child when a restart concerns its group. */
enum sut_share {
    SUT_SHARE_LEFT_ALONE,
    SUT_SHARE_RESTARTED, /* stopped if it lives, and started in its turn */
    SUT_SHARE_FORGOTTEN, /* stopped, and does not come back */
    SUT_SHARES
};

/* What follows from an end that nobody asked for. */
enum sut_answer {
    SUT_ANSWER_RESTART,  /* counts as a failure, and is restarted by the policy */
    SUT_ANSWER_KEEP,     /* ended for good, its spec stays */
    SUT_ANSWER_FORGET,   /* ended for good, and so is its spec */
    SUT_ANSWER_TERMINATE /* the supervisor ends */
};

enum sut_share sut_strategy_share(enum sut_strategy strategy, enum sut_relation relation,
                                  enum sut_restart restart);

/* The answer to an end of a running child: of any but CANCELED, which only ends what was asked. */
enum sut_answer sut_restart_answer(enum sut_restart restart, enum sut_end end);

/* "one_for_one", ...; "permanent", ... */
const char *sut_strategy_name(enum sut_strategy strategy);
const char *sut_restart_name(enum sut_restart restart);

#endif
