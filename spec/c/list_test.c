/* SPDX-License-Identifier: MIT
 *
 * The intrusive lists: order, removal from anywhere, joining.
 */
#include "core/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct item {
    int number;
    struct sut_list node;
};

static void fill(struct sut_list *list, struct item *items, int count) {
    sut_list_init(list);
    for (int i = 0; i < count; i++) {
        items[i].number = i;
        sut_list_append(list, &items[i].node);
    }
}

/* Compares the members, and checks that the way back is the way there. */
static void assert_numbers(struct sut_list *list, const int *numbers, int count) {
    struct sut_list *node = list->next;
    for (int i = 0; i < count; i++, node = node->next) {
        assert_ptr_not_equal(node, list);
        assert_int_equal(SUT_CONTAINER(node, struct item, node)->number, numbers[i]);
        assert_ptr_equal(node->next->prev, node);
    }
    assert_ptr_equal(node, list);
    assert_ptr_equal(list->next->prev, list);
}

static void a_new_list_is_empty(void **state) {
    (void)state;
    struct sut_list list;
    sut_list_init(&list);
    assert_true(sut_list_empty(&list));
    assert_numbers(&list, NULL, 0);
}

static void members_stand_in_the_order_of_appending(void **state) {
    (void)state;
    struct sut_list list;
    struct item items[3];
    fill(&list, items, 3);
    assert_false(sut_list_empty(&list));
    assert_numbers(&list, (const int[]){0, 1, 2}, 3);
}

static void a_member_leaves_from_anywhere_and_is_in_no_list_then(void **state) {
    (void)state;
    struct sut_list list;
    struct item items[4];
    fill(&list, items, 4);
    sut_list_remove(&items[1].node);
    assert_true(sut_list_empty(&items[1].node));
    assert_numbers(&list, (const int[]){0, 2, 3}, 3);
    sut_list_remove(&items[3].node);
    assert_numbers(&list, (const int[]){0, 2}, 2);
    sut_list_remove(&items[0].node);
    sut_list_remove(&items[2].node);
    assert_true(sut_list_empty(&list));
}

static void removing_what_is_in_no_list_is_harmless(void **state) {
    (void)state;
    struct sut_list list;
    struct item items[2];
    fill(&list, items, 2);
    sut_list_remove(&items[0].node);
    sut_list_remove(&items[0].node);
    assert_numbers(&list, (const int[]){1}, 1);
}

static void a_member_moves_to_the_end_of_another_list(void **state) {
    (void)state;
    struct sut_list from;
    struct sut_list to;
    struct item items[2];
    struct item others[2];
    fill(&from, items, 2);
    fill(&to, others, 2);
    sut_list_remove(&items[0].node);
    sut_list_append(&to, &items[0].node);
    assert_numbers(&to, (const int[]){0, 1, 0}, 3);
    assert_numbers(&from, (const int[]){1}, 1);
}

static void joining_moves_all_members_in_order(void **state) {
    (void)state;
    struct sut_list from;
    struct sut_list to;
    struct item items[3];
    struct item others[2];
    fill(&from, items, 3);
    fill(&to, others, 2);
    sut_list_join(&to, &from);
    assert_true(sut_list_empty(&from));
    assert_numbers(&to, (const int[]){0, 1, 0, 1, 2}, 5);
    sut_list_join(&from, &to);
    assert_true(sut_list_empty(&to));
    assert_numbers(&from, (const int[]){0, 1, 0, 1, 2}, 5);
}

static void joining_an_empty_list_changes_nothing(void **state) {
    (void)state;
    struct sut_list from;
    struct sut_list to;
    struct item items[2];
    sut_list_init(&from);
    fill(&to, items, 2);
    sut_list_join(&to, &from);
    assert_numbers(&to, (const int[]){0, 1}, 2);
    assert_true(sut_list_empty(&from));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_list_is_empty),
        cmocka_unit_test(members_stand_in_the_order_of_appending),
        cmocka_unit_test(a_member_leaves_from_anywhere_and_is_in_no_list_then),
        cmocka_unit_test(removing_what_is_in_no_list_is_harmless),
        cmocka_unit_test(a_member_moves_to_the_end_of_another_list),
        cmocka_unit_test(joining_moves_all_members_in_order),
        cmocka_unit_test(joining_an_empty_list_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
