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

static uint64_t tick_of(uint64_t due_ns)
{
    return (due_ns + TICK_NS - 1) / TICK_NS;
}

static int by_due_and_order(const void *left, const void *right)
{
    const struct twin *a = *(struct twin *const *)left, *b = *(struct twin *const *)right;
    if (a->timer.due_ns != b->timer.due_ns)
        return a->timer.due_ns < b->timer.due_ns ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

/* What the wheel hands out at now_ns, at most `most`, is what the array would. */
static void take_as_the_array(struct wheel *wheel, struct twin *twins, uint64_t now_ns,
                              uint32_t most)
{
    struct twin *due[TIMERS];
    uint32_t count = 0;
    for (int i = 0; i < TIMERS; i++)
        if (twins[i].held && tick_of(twins[i].timer.due_ns) <= now_ns / TICK_NS)
            due[count++] = &twins[i];
    qsort(due, count, sizeof due[0], by_due_and_order);
    struct list out = {0};
    wheel_take(wheel, now_ns, most, &out);
    assert_int_equal(out.count, count < most ? count : most);
    for (uint32_t i = 0; out.count > 0; i++) {
        struct twin *got = container_of(container_of(list_pop(&out), struct wheel_timer, node),
                                        struct twin, timer);
        assert_true(got->timer.due_ns <= now_ns); /* never early */
        assert_ptr_equal(got, due[i]);
        got->held = false;
    }
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
            if (prng_upto(&seed, 4) == 0)
                due_ns = now_ns - u64_min(now_ns, some_delay(&seed)); /* already due */
            if (prng_upto(&seed, 4) == 0)
                due_ns = due_ns / (8 * TICK_NS) * (8 * TICK_NS); /* at the same time as others */
            wheel_put(&wheel, &t->timer, due_ns);
            t->held = true;
            t->order = puts++;
        }
        wheel_validate(&wheel);
        now_ns += some_delay(&seed);
        assert_true(wheel.count == 0 || wheel_next_ns(&wheel) != UINT64_MAX);
        take_as_the_array(&wheel, twins, now_ns,
                          prng_upto(&seed, 3) ? UINT32_MAX : (uint32_t)prng_upto(&seed, 30));
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

/* Were each walked to its place, this would take hours. */
static void a_million_left_overs_in_any_order_cost_no_more_than_sorting(void **state)
{
    (void)state;
    static struct wheel wheel;
    uint64_t seed = 5, last_ns = 0;
    const uint32_t count = 1000000;
    struct wheel_timer *timers = calloc(count, sizeof *timers);
    assert_non_null(timers);
    wheel_init(&wheel, TICK_NS, count * UINT64_C(2) * TICK_NS);
    for (uint32_t i = 0; i < count; i++)
        wheel_put(&wheel, &timers[i],
                  i % 2 ? prng_upto(&seed, count) * TICK_NS : (uint64_t)(count - i) * TICK_NS);
    wheel_validate(&wheel);
    for (uint32_t i = 0; i < count; i += 1000) {
        struct list out = {0};
        wheel_take(&wheel, count * UINT64_C(2) * TICK_NS, 1000, &out);
        assert_int_equal(out.count, 1000);
        for (struct list_node *n = out.first; n; n = n->next) {
            uint64_t due_ns = container_of(n, struct wheel_timer, node)->due_ns;
            assert_true(due_ns >= last_ns);
            last_ns = due_ns;
        }
    }
    assert_int_equal(wheel.count, 0);
    free(timers);
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
        cmocka_unit_test(a_million_left_overs_in_any_order_cost_no_more_than_sorting),
        cmocka_unit_test(a_timer_cannot_be_put_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
