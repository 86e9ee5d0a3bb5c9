/* SPDX-License-Identifier: MIT
 *
 * The tables of strategies and restart types.
 */
#include "core/strategy.h"

/* Whether a restart of the one concerns the other at all. */
static const bool concerned[SUT_STRATEGIES][SUT_RELATIONS] = {
    [SUT_STRATEGY_ONE_FOR_ONE] =
        {
            [SUT_RELATION_ITSELF] = true,
            [SUT_RELATION_BEFORE] = false,
            [SUT_RELATION_BEHIND] = false,
        },
    [SUT_STRATEGY_ONE_FOR_ALL] =
        {
            [SUT_RELATION_ITSELF] = true,
            [SUT_RELATION_BEFORE] = true,
            [SUT_RELATION_BEHIND] = true,
        },
    [SUT_STRATEGY_REST_FOR_ONE] =
        {
            [SUT_RELATION_ITSELF] = true,
            [SUT_RELATION_BEFORE] = false,
            [SUT_RELATION_BEHIND] = true,
        },
};

static const enum sut_answer answers[SUT_RESTARTS][SUT_ENDS] = {
    [SUT_RESTART_PERMANENT] =
        {
            [SUT_END_PLAIN] = SUT_ANSWER_RESTART,
            [SUT_END_ERROR] = SUT_ANSWER_RESTART,
            [SUT_END_PANIC] = SUT_ANSWER_RESTART,
            [SUT_END_DO_NOT_RESTART] = SUT_ANSWER_FORGET,
            [SUT_END_TERMINATE_TREE] = SUT_ANSWER_TERMINATE,
            [SUT_END_CANCELED] = SUT_ANSWER_RESTART,
            [SUT_END_UNREADY] = SUT_ANSWER_RESTART,
            [SUT_END_LATE] = SUT_ANSWER_RESTART,
            [SUT_END_GAVE_UP] = SUT_ANSWER_RESTART,
            [SUT_END_START_FAILED] = SUT_ANSWER_RESTART,
        },
    [SUT_RESTART_TRANSIENT] =
        {
            [SUT_END_PLAIN] = SUT_ANSWER_KEEP,
            [SUT_END_ERROR] = SUT_ANSWER_RESTART,
            [SUT_END_PANIC] = SUT_ANSWER_RESTART,
            [SUT_END_DO_NOT_RESTART] = SUT_ANSWER_FORGET,
            [SUT_END_TERMINATE_TREE] = SUT_ANSWER_TERMINATE,
            [SUT_END_CANCELED] = SUT_ANSWER_KEEP,
            [SUT_END_UNREADY] = SUT_ANSWER_RESTART,
            [SUT_END_LATE] = SUT_ANSWER_RESTART,
            [SUT_END_GAVE_UP] = SUT_ANSWER_RESTART,
            [SUT_END_START_FAILED] = SUT_ANSWER_RESTART,
        },
    [SUT_RESTART_TEMPORARY] =
        {
            [SUT_END_PLAIN] = SUT_ANSWER_FORGET,
            [SUT_END_ERROR] = SUT_ANSWER_FORGET,
            [SUT_END_PANIC] = SUT_ANSWER_FORGET,
            [SUT_END_DO_NOT_RESTART] = SUT_ANSWER_FORGET,
            [SUT_END_TERMINATE_TREE] = SUT_ANSWER_TERMINATE,
            [SUT_END_CANCELED] = SUT_ANSWER_FORGET,
            [SUT_END_UNREADY] = SUT_ANSWER_FORGET,
            [SUT_END_LATE] = SUT_ANSWER_FORGET,
            [SUT_END_GAVE_UP] = SUT_ANSWER_FORGET,
            [SUT_END_START_FAILED] = SUT_ANSWER_FORGET,
        },
};

enum sut_share sut_strategy_share(enum sut_strategy strategy, enum sut_relation relation,
                                  enum sut_restart restart) {
    if (!concerned[strategy][relation]) return SUT_SHARE_LEFT_ALONE;
    return restart == SUT_RESTART_TEMPORARY ? SUT_SHARE_FORGOTTEN : SUT_SHARE_RESTARTED;
}

enum sut_answer sut_restart_answer(enum sut_restart restart, enum sut_end end) {
    return answers[restart][end];
}

const char *sut_strategy_name(enum sut_strategy strategy) {
    static const char *const names[SUT_STRATEGIES] = {
        [SUT_STRATEGY_ONE_FOR_ONE] = "one_for_one",
        [SUT_STRATEGY_ONE_FOR_ALL] = "one_for_all",
        [SUT_STRATEGY_REST_FOR_ONE] = "rest_for_one",
    };
    return names[strategy];
}

const char *sut_restart_name(enum sut_restart restart) {
    static const char *const names[SUT_RESTARTS] = {
        [SUT_RESTART_PERMANENT] = "permanent",
        [SUT_RESTART_TRANSIENT] = "transient",
        [SUT_RESTART_TEMPORARY] = "temporary",
    };
    return names[restart];
}
