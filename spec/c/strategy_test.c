/* SPDX-License-Identifier: MIT
 *
 * The tables of strategies and restart types, each cell against a word in a table of the test's
 * own.
 */
#include "core/strategy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Columns: permanent, transient, temporary. "-": left alone; "r": restarted; "f": forgotten. */
static const struct {
    enum sut_strategy strategy;
    enum sut_relation relation;
    const char *shares;
} shares[] = {
    {SUT_STRATEGY_ONE_FOR_ONE, SUT_RELATION_ITSELF, "rrf"},
    {SUT_STRATEGY_ONE_FOR_ALL, SUT_RELATION_ITSELF, "rrf"},
    {SUT_STRATEGY_REST_FOR_ONE, SUT_RELATION_ITSELF, "rrf"},
    {SUT_STRATEGY_ONE_FOR_ONE, SUT_RELATION_BEFORE, "---"},
    {SUT_STRATEGY_ONE_FOR_ALL, SUT_RELATION_BEFORE, "rrf"},
    {SUT_STRATEGY_REST_FOR_ONE, SUT_RELATION_BEFORE, "---"},
    {SUT_STRATEGY_ONE_FOR_ONE, SUT_RELATION_BEHIND, "---"},
    {SUT_STRATEGY_ONE_FOR_ALL, SUT_RELATION_BEHIND, "rrf"},
    {SUT_STRATEGY_REST_FOR_ONE, SUT_RELATION_BEHIND, "rrf"},
};

static void every_strategy_says_what_becomes_of_every_sibling(void **state) {
    int cells = 0;
    (void)state;
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        for (int restart = 0; restart < SUT_RESTARTS; restart++, cells++) {
            enum sut_share share = sut_strategy_share(shares[i].strategy, shares[i].relation,
                                                      (enum sut_restart)restart);
            assert_int_equal(shares[i].shares[restart], "-rf"[share]);
        }
    assert_int_equal(SUT_STRATEGIES * SUT_RELATIONS * SUT_RESTARTS, cells);
}

/* "r": restarted; "k": ended, and kept; "f": forgotten; "t": the supervisor ends. */
static const struct {
    enum sut_end end;
    const char *answers;
} answers[] = {
    {SUT_END_PLAIN, "rkf"},        {SUT_END_ERROR, "rrf"},          {SUT_END_PANIC, "rrf"},
    {SUT_END_UNREADY, "rrf"},      {SUT_END_LATE, "rrf"},           {SUT_END_GAVE_UP, "rrf"},
    {SUT_END_START_FAILED, "rrf"}, {SUT_END_DO_NOT_RESTART, "fff"}, {SUT_END_TERMINATE_TREE, "ttt"},
    {SUT_END_CANCELED, "rkf"},
};

static void every_restart_type_answers_every_end(void **state) {
    bool seen[SUT_ENDS] = {false};
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        assert_false(seen[answers[i].end]);
        seen[answers[i].end] = true;
        for (int restart = 0; restart < SUT_RESTARTS; restart++) {
            enum sut_answer answer = sut_restart_answer((enum sut_restart)restart, answers[i].end);
            assert_int_equal(answers[i].answers[restart], "rkft"[answer]);
        }
    }
    assert_int_equal(SUT_ENDS, sizeof answers / sizeof *answers);
}

static void strategies_and_restart_types_have_otps_names(void **state) {
    (void)state;
    assert_string_equal("one_for_one", sut_strategy_name(SUT_STRATEGY_ONE_FOR_ONE));
    assert_string_equal("one_for_all", sut_strategy_name(SUT_STRATEGY_ONE_FOR_ALL));
    assert_string_equal("rest_for_one", sut_strategy_name(SUT_STRATEGY_REST_FOR_ONE));
    assert_string_equal("permanent", sut_restart_name(SUT_RESTART_PERMANENT));
    assert_string_equal("transient", sut_restart_name(SUT_RESTART_TRANSIENT));
    assert_string_equal("temporary", sut_restart_name(SUT_RESTART_TEMPORARY));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_strategy_says_what_becomes_of_every_sibling),
        cmocka_unit_test(every_restart_type_answers_every_end),
        cmocka_unit_test(strategies_and_restart_types_have_otps_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
