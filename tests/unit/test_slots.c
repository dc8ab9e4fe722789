#include "base/prng.h"
#include "base/slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static bool slots_take(struct slots *slots, uint32_t units, uint64_t now_ns, uint64_t *next_ns)
{
    *next_ns = slots_when_ns(slots, units, now_ns);
    if (*next_ns > now_ns)
        return false;
    slots_use(slots, units);
    return true;
}

static void a_slot_is_used_from_its_time_until_it_is_late(void **state)
{
    (void)state;
    struct slots slots;
    uint64_t next_ns;
    slots_init(&slots, 5);
    slots_put(&slots, 100, 10, 2);
    assert_false(slots_take(&slots, 1, 99, &next_ns));
    assert_int_equal(next_ns, 100);
    assert_true(slots_take(&slots, 1, 105, &next_ns));
    assert_false(slots_take(&slots, 1, 106, &next_ns));
    assert_int_equal(next_ns, 110);
    assert_false(slots_take(&slots, 1, 116, &next_ns));
    assert_true(next_ns == UINT64_MAX);
    assert_int_equal(slots.used, 1);
    assert_int_equal(slots.wasted, 1);
}

static void a_text_of_three_segments_waits_for_its_third_slot(void **state)
{
    (void)state;
    struct slots slots;
    uint64_t next_ns;
    slots_init(&slots, 5);
    slots_put(&slots, 100, 10, 2);
    slots_put(&slots, 150, 10, 2);
    assert_false(slots_take(&slots, 3, 120, &next_ns));
    assert_int_equal(next_ns, 150);
    assert_true(slots_take(&slots, 3, 151, &next_ns));
    assert_int_equal(slots_left(&slots), 1);
}

/* A slow route never holds three slots at once: they are saved as they come. */
static void slots_are_saved_for_a_long_text_and_not_for_a_short_one(void **state)
{
    (void)state;
    struct slots slots;
    uint64_t next_ns;
    slots_init(&slots, 5);
    for (uint64_t i = 0; i < 2; i++) {
        slots_put(&slots, 1000 * (i + 1), 1000, 1);
        assert_false(slots_take(&slots, 3, 1000 * (i + 1), &next_ns));
        assert_true(next_ns == UINT64_MAX);
    }
    slots_put(&slots, 3000, 1000, 1);
    assert_false(slots_take(&slots, 3, 2999, &next_ns));
    assert_true(slots_take(&slots, 3, 3000, &next_ns));
    assert_int_equal(slots.used, 3);

    slots_put(&slots, 4000, 1000, 1);
    assert_false(slots_take(&slots, 2, 4000, &next_ns));
    assert_false(slots_take(&slots, 1, 4001, &next_ns)); /* the saved one is thrown away */
    assert_int_equal(slots.wasted, 1);
}

static void late_slots_are_thrown_away_in_one_step(void **state)
{
    (void)state;
    struct slots slots;
    slots_init(&slots, 3);
    slots_put(&slots, 1000, 1, 100000);
    slots_expire(&slots, 51003);
    assert_int_equal(slots_left(&slots), 50000);
    assert_int_equal(slots.runs[0].first_ns, 51000);
    slots_expire(&slots, 1000000);
    assert_int_equal(slots_left(&slots), 0);
    assert_int_equal(slots.wasted, 100000);
}

/* Over any window W: at most (W + late) / T + 1 units, plus what one text may cost. */
static void no_window_sees_more_than_the_limit(void **state)
{
    (void)state;
    enum { T = 10, LATE = 25, SENDS = 20000 };
    static uint64_t at[SENDS];
    static uint32_t units[SENDS];
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t random = seed, now_ns = 1000, granted_ns = 1000;
        struct slots slots;
        slots_init(&slots, LATE);
        uint32_t sends = 0;
        while (sends < SENDS) {
            now_ns += prng_upto(&random, prng_upto(&random, 50) == 0 ? 500 : 20);
            slots_expire(&slots, now_ns);
            if (slots_room(&slots) && slots_left(&slots) < 20) {
                granted_ns = u64_max(granted_ns, now_ns);
                uint32_t n = (uint32_t)prng_upto(&random, 20);
                slots_put(&slots, granted_ns, T, n);
                granted_ns += n * T;
            }
            uint64_t next_ns;
            uint32_t cost = 1 + (uint32_t)prng_upto(&random, 3);
            if (slots_take(&slots, cost, now_ns, &next_ns)) {
                at[sends] = now_ns;
                units[sends++] = cost;
            }
        }
        for (uint64_t window_ns = 50; window_ns <= 5000; window_ns *= 10) {
            uint32_t first = 0;
            uint64_t sum = 0;
            for (uint32_t i = 0; i < SENDS; i++) {
                sum += units[i];
                while (at[i] - at[first] > window_ns)
                    sum -= units[first++];
                assert_true(sum <= (window_ns + LATE) / T + 1 + 2);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slot_is_used_from_its_time_until_it_is_late),
        cmocka_unit_test(a_text_of_three_segments_waits_for_its_third_slot),
        cmocka_unit_test(slots_are_saved_for_a_long_text_and_not_for_a_short_one),
        cmocka_unit_test(late_slots_are_thrown_away_in_one_step),
        cmocka_unit_test(no_window_sees_more_than_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
