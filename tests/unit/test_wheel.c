/* The wheel against a sorted array. */
#include "base/prng.h"
#include "base/wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TIMERS = 400, TICK_NS = 1000000 };

struct twin {
    struct wheel_timer timer;
    uint64_t order; /* of putting */
    bool held;
};

static uint64_t some_delay(uint64_t *seed)
{
    /* every level gets its share: up to 2^(0..44) ns */
    return prng_next(seed) >> (20 + prng_upto(seed, 44));
}

static struct twin *earliest(struct twin *twins, uint64_t now_ns)
{
    struct twin *best = NULL;
    for (int i = 0; i < TIMERS; i++) {
        struct twin *t = &twins[i];
        if (!t->held || t->timer.due_ns > now_ns / TICK_NS * TICK_NS)
            continue;
        if (!best || t->timer.due_ns < best->timer.due_ns ||
            (t->timer.due_ns == best->timer.due_ns && t->order < best->order))
            best = t;
    }
    return best;
}

static void run_against_the_array(uint64_t seed)
{
    static struct twin twins[TIMERS];
    memset(twins, 0, sizeof twins);
    static struct wheel wheel;
    uint64_t now_ns = prng_next(&seed) >> 16, puts = 0;
    wheel_init(&wheel, TICK_NS, now_ns);
    for (int turn = 0; turn < 300; turn++) {
        for (int i = 0; i < 20; i++) {
            struct twin *t = &twins[prng_upto(&seed, TIMERS)];
            if (t->held) {
                if (prng_upto(&seed, 3) == 0) {
                    wheel_remove(&wheel, &t->timer);
                    t->held = false;
                }
                continue;
            }
            uint64_t due_ns = now_ns + some_delay(&seed);
            if (prng_upto(&seed, 10) == 0)
                due_ns = now_ns - u64_min(now_ns, some_delay(&seed)); /* already due */
            wheel_put(&wheel, &t->timer, due_ns);
            t->held = true;
            t->order = puts++;
        }
        wheel_validate(&wheel);
        now_ns += some_delay(&seed);
        assert_true(wheel.count == 0 || wheel_next_ns(&wheel) != UINT64_MAX);
        struct list out = {0};
        wheel_take(&wheel, now_ns, UINT32_MAX, &out);
        uint64_t last_tick = 0;
        while (out.count > 0) {
            struct twin *got = container_of(container_of(list_pop(&out), struct wheel_timer, node),
                                            struct twin, timer);
            uint64_t tick = (got->timer.due_ns + TICK_NS - 1) / TICK_NS;
            assert_true(got->held);
            assert_true(got->timer.due_ns <= now_ns); /* never early */
            if (tick < last_tick)
                fail_msg("seed gives a timer out of order");
            last_tick = tick;
            got->held = false;
        }
        assert_null(earliest(twins, now_ns)); /* none forgotten */
        wheel_validate(&wheel);
    }
}

static void it_hands_out_what_a_sorted_array_would(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++)
        run_against_the_array(seed);
}

static void timers_of_one_tick_come_in_due_order(void **state)
{
    (void)state;
    static struct wheel wheel;
    wheel_init(&wheel, TICK_NS, 0);
    static struct wheel_timer timers[100];
    for (uint64_t i = 0; i < 100; i++)
        wheel_put(&wheel, &timers[i], 70 * TICK_NS + 1 + (i * 37 % 100));
    struct list out = {0};
    wheel_take(&wheel, 70 * TICK_NS + 999999, UINT32_MAX, &out);
    assert_int_equal(out.count, 0);
    wheel_take(&wheel, 71 * TICK_NS, UINT32_MAX, &out);
    assert_int_equal(out.count, 100);
    uint64_t last = 0;
    for (struct list_node *n = list_pop(&out); n; n = list_pop(&out)) {
        uint64_t due_ns = container_of(n, struct wheel_timer, node)->due_ns;
        assert_true(due_ns >= last);
        last = due_ns;
    }
}

static void what_does_not_fit_a_turn_comes_in_the_next(void **state)
{
    (void)state;
    static struct wheel wheel;
    wheel_init(&wheel, TICK_NS, 0);
    static struct wheel_timer timers[10];
    for (uint64_t i = 0; i < 10; i++)
        wheel_put(&wheel, &timers[i], (i + 1) * TICK_NS);
    struct list out = {0};
    wheel_take(&wheel, 100 * TICK_NS, 4, &out);
    assert_int_equal(out.count, 4);
    wheel_validate(&wheel);
    wheel_take(&wheel, 100 * TICK_NS, 100, &out);
    assert_int_equal(out.count, 10);
    assert_int_equal(wheel.count, 0);
}

static void the_next_look_is_never_after_the_first_due_time(void **state)
{
    (void)state;
    static struct wheel wheel;
    uint64_t seed = 7;
    for (int i = 0; i < 2000; i++) {
        uint64_t now_ns = prng_next(&seed) >> 16;
        wheel_init(&wheel, TICK_NS, now_ns);
        struct wheel_timer timer = {0};
        wheel_put(&wheel, &timer, now_ns + some_delay(&seed));
        uint64_t look_ns = wheel_next_ns(&wheel);
        assert_true(look_ns <= timer.due_ns + TICK_NS);
        wheel_remove(&wheel, &timer);
        assert_true(wheel_next_ns(&wheel) == UINT64_MAX);
    }
}

static void a_timer_cannot_be_put_twice(void **state)
{
    (void)state;
    static struct wheel wheel;
    wheel_init(&wheel, TICK_NS, 0);
    struct wheel_timer timer = {0};
    wheel_put(&wheel, &timer, 5 * TICK_NS);
    expect_assert_failure(wheel_put(&wheel, &timer, 5 * TICK_NS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_hands_out_what_a_sorted_array_would),
        cmocka_unit_test(timers_of_one_tick_come_in_due_order),
        cmocka_unit_test(what_does_not_fit_a_turn_comes_in_the_next),
        cmocka_unit_test(the_next_look_is_never_after_the_first_due_time),
        cmocka_unit_test(a_timer_cannot_be_put_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
