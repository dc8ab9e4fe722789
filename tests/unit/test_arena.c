#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { FIRST = 64, FURTHER = 160 };

struct memory {
    _Alignas(16) char first[FIRST];
    char gap[16];
    _Alignas(16) char further[FURTHER];
};

static struct arena arena_in(struct memory *m)
{
    return arena_of_two(m->first, FIRST, m->further, FURTHER);
}

static void what_the_first_part_has_no_room_for_goes_to_the_second(void **state)
{
    (void)state;
    struct memory m;
    struct arena a = arena_in(&m);
    assert_ptr_equal(arena_take(&a, 40), m.first);
    assert_ptr_equal(arena_take(&a, 17), m.further);
    assert_ptr_equal(arena_take(&a, 1), m.further + 32);
    assert_null(arena_take(&a, FURTHER));
    assert_ptr_equal(arena_take(&a, FURTHER - 48), m.further + 48);
    assert_null(arena_take(&a, 1));
}

static void a_full_first_part_ends_where_the_second_begins(void **state)
{
    (void)state;
    struct memory m;
    struct arena a = arena_in(&m);
    assert_ptr_equal(arena_take(&a, FIRST), m.first);
    assert_int_equal(arena_rest(&a), FURTHER);
    assert_ptr_equal(arena_take(&a, 0), m.further);
    assert_false(arena_skip(&a));
}

static void the_rest_can_be_taken_at_once_and_no_more(void **state)
{
    (void)state;
    struct memory m;
    for (size_t used = 0; used <= FIRST + FURTHER; used++) {
        struct arena a = arena_in(&m);
        a.used = used;
        char *at = arena_take(&a, 0);
        size_t rest = arena_rest(&a);
        assert_non_null(at);
        assert_ptr_equal(arena_take(&a, rest), at);
        bool first = at >= m.first && at < m.first + FIRST;
        assert_ptr_equal(at + rest, first ? m.first + FIRST : m.further + FURTHER);
    }
}

static void what_was_taken_last_can_be_put_back_across_the_parts(void **state)
{
    (void)state;
    struct memory m;
    struct arena a = arena_in(&m);
    assert_non_null(arena_take(&a, 16));
    size_t before = a.used;
    assert_ptr_equal(arena_take(&a, FURTHER), m.further);
    a.used = before;
    assert_ptr_equal(arena_take(&a, 16), m.first + 16);
    assert_true(arena_skip(&a));
    assert_ptr_equal(arena_take(&a, 16), m.further);
}

static void an_arena_of_one_part_ends_where_its_memory_does(void **state)
{
    (void)state;
    struct memory m;
    struct arena a = arena_of(m.first, FIRST - 1);
    assert_int_equal(arena_rest(&a), FIRST - 1);
    assert_false(arena_skip(&a));
    assert_null(arena_take(&a, FIRST));
    assert_null(arena_take(&a, SIZE_MAX));
    assert_ptr_equal(arena_take(&a, FIRST - 1), m.first);
    assert_int_equal(arena_rest(&a), 0);
    assert_null(arena_take(&a, 0)); /* aligned, it would begin behind the end */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_first_part_has_no_room_for_goes_to_the_second),
        cmocka_unit_test(a_full_first_part_ends_where_the_second_begins),
        cmocka_unit_test(the_rest_can_be_taken_at_once_and_no_more),
        cmocka_unit_test(what_was_taken_last_can_be_put_back_across_the_parts),
        cmocka_unit_test(an_arena_of_one_part_ends_where_its_memory_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
