/* Redis's time by this machine's clock: bounds, steps, drift, stalls. The world's own clock,
 * the server's and ours are numbers here; every sample goes through a wire with a delay each
 * way. */
#include "domain/server_clock.h"

#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define MS INT64_C(1000000)
#define S (1000 * MS)
#define HOUR (3600 * S)
#define EPOCH (INT64_C(1795521600) * S)

struct world {
    struct server_clock clock;
    int64_t at;     /* our CLOCK_BOOTTIME */
    int64_t server; /* its clock, now */
    int64_t ppm;    /* the server's clock runs faster than ours by so much */
};

static void begin(struct world *w)
{
    *w = (struct world){.at = 1000 * S, .server = EPOCH};
    server_clock_init(&w->clock, (uint64_t)(10 * S), (uint64_t)(12 * S), 77);
    (void)server_clock_turn(&w->clock, (uint64_t)w->at);
}

static void pass(struct world *w, int64_t ns)
{
    w->at += ns;
    w->server += ns + ns / 1000 * w->ppm / 1000;
}

/* `there`, `back`: how long the question and the answer take. */
static void sample(struct world *w, int64_t there, int64_t back)
{
    struct server_sample s = {.asked_ns = (uint64_t)w->at};
    pass(w, there);
    s.server_ns = w->server;
    pass(w, back);
    s.answered_ns = (uint64_t)w->at;
    server_clock_sample(&w->clock, &s);
}

static struct ring_clock now(const struct world *w)
{
    return server_clock_read(&w->clock, (uint64_t)w->at);
}

/* How far we are ahead of the server, in ns. */
static int64_t ahead(const struct world *w)
{
    return w->at + server_clock_offset_ns(&w->clock, (uint64_t)w->at) - w->server;
}

/* Turns and samples, one a second. */
static void live(struct world *w, int seconds)
{
    for (int i = 0; i < seconds; i++) {
        pass(w, S - 2 * MS);
        (void)server_clock_turn(&w->clock, (uint64_t)w->at);
        sample(w, MS, MS);
    }
}

static void before_the_first_sample_everything_is_held(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    assert_true(now(&w).held);
    assert_false(now(&w).agreed);
    sample(&w, MS, MS);
    assert_false(now(&w).held);
    assert_in_range(-ahead(&w), 0, 2 * MS);
}

static void it_is_agreed_only_after_three_samples_that_are_apart(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    live(&w, 20); /* the first counts at 1 s, the second at 11 s */
    assert_false(now(&w).agreed);
    live(&w, 2);
    assert_true(now(&w).agreed);
}

static void a_clock_that_is_not_compared_any_more_is_not_agreed(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    live(&w, 30);
    for (int i = 0; i < 43; i++) { /* 3 x 10 s + 12 s */
        pass(&w, S);
        (void)server_clock_turn(&w.clock, (uint64_t)w.at);
    }
    assert_false(now(&w).agreed);
    assert_false(now(&w).held);
    live(&w, 1);
    assert_true(now(&w).agreed);
}

static void a_slow_answer_never_takes_it_ahead_of_the_server(void **state)
{
    (void)state;
    struct world w;
    uint64_t seed = 9;
    begin(&w);
    for (int i = 0; i < 20000; i++) {
        pass(&w, (int64_t)prng_upto(&seed, 2000) * MS);
        (void)server_clock_turn(&w.clock, (uint64_t)w.at);
        bool slow = prng_upto(&seed, 3) == 0;
        sample(&w, (int64_t)prng_upto(&seed, slow ? 4000 : 3) * MS,
               (int64_t)prng_upto(&seed, slow ? 4000 : 3) * MS);
        assert_true(ahead(&w) <= 0);
        assert_false(now(&w).held);
    }
    live(&w, 1);
    assert_true(ahead(&w) >= -2 * MS);
}

static void slow_answers_do_not_agree(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    for (int i = 0; i < 10; i++) {
        pass(&w, 9 * S);
        (void)server_clock_turn(&w.clock, (uint64_t)w.at);
        sample(&w, 501 * MS, 500 * MS);
    }
    assert_false(now(&w).agreed);
}

static void assert_step_holds(int64_t by)
{
    struct world w;
    begin(&w);
    live(&w, 40);
    assert_true(now(&w).agreed);
    int64_t before_ms = now(&w).now_ms;
    w.server += by;
    live(&w, 1);
    assert_true(now(&w).held);
    assert_int_equal(now(&w).now_ms - before_ms, 1000); /* it goes on as it went */
    live(&w, 1);
    assert_true(now(&w).held);
    live(&w, 1);
    assert_false(now(&w).held);
    assert_false(now(&w).agreed);
    assert_in_range(-ahead(&w), 0, 2 * MS);
    live(&w, 25);
    assert_true(now(&w).agreed);
}

static void a_step_of_an_hour_holds_until_three_samples_agree(void **state)
{
    (void)state;
    assert_step_holds(HOUR);
    assert_step_holds(-HOUR);
    assert_step_holds(510 * MS);
    assert_step_holds(-510 * MS);
}

static void a_step_that_is_taken_back_holds_too_and_leaves_the_old_time(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    live(&w, 40);
    w.server += HOUR;
    live(&w, 2);
    w.server -= HOUR;
    live(&w, 2);
    assert_true(now(&w).held);
    live(&w, 1);
    assert_false(now(&w).held);
    assert_in_range(-ahead(&w), 0, 2 * MS);
}

static void a_clock_that_keeps_jumping_is_held_all_the_time(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    live(&w, 40);
    for (int i = 0; i < 100; i++) {
        w.server += i % 2 ? -HOUR : HOUR;
        live(&w, 2);
        assert_true(now(&w).held);
    }
    live(&w, 3);
    assert_false(now(&w).held);
}

static void a_lesser_step_is_slewed_and_time_never_runs_backwards(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    live(&w, 40);
    w.server -= 400 * MS;
    int64_t last = 0;
    for (int i = 0; i < 6000; i++) {
        pass(&w, MS);
        if (i % 1000 == 0) {
            (void)server_clock_turn(&w.clock, (uint64_t)w.at);
            sample(&w, MS, MS);
        }
        assert_true(now(&w).now_ms >= last);
        assert_false(now(&w).held);
        assert_true(ahead(&w) <= RING_CLOCK_ERROR_MS * MS);
        last = now(&w).now_ms;
    }
    assert_true(ahead(&w) <= 2 * MS);
    w.server += 400 * MS;
    live(&w, 1);
    assert_in_range(-ahead(&w), 0, 2 * MS); /* forward at once */
}

static void assert_drift(int64_t ppm, int64_t every)
{
    struct world w;
    begin(&w);
    w.ppm = ppm;
    for (int i = 0; i < 8640; i++) {
        pass(&w, every);
        (void)server_clock_turn(&w.clock, (uint64_t)w.at);
        sample(&w, MS, MS);
        assert_false(now(&w).held);
        assert_true(ahead(&w) <= 8 * MS && ahead(&w) >= -10 * MS);
    }
    assert_true(now(&w).agreed);
}

static void a_drift_of_500_ppm_is_followed_for_a_day_without_a_hold(void **state)
{
    (void)state;
    assert_drift(500, 10 * S);
    assert_drift(-500, 10 * S);
    assert_drift(-500, S);
}

static void after_a_stall_it_is_sampled_first(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    live(&w, 40);
    pass(&w, 13 * S);
    assert_true(now(&w).held); /* also inside the turn that stood still */
    assert_true(server_clock_turn(&w.clock, (uint64_t)w.at));
    assert_true(now(&w).held);
    sample(&w, MS, MS);
    assert_false(now(&w).held);
    assert_false(now(&w).agreed);
    live(&w, 19);
    assert_false(now(&w).agreed);
    live(&w, 2);
    assert_true(now(&w).agreed);
}

static void an_answer_to_what_was_asked_before_a_stall_tells_nothing(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    live(&w, 40);
    struct server_sample s = {.asked_ns = (uint64_t)w.at, .server_ns = w.server};
    pass(&w, HOUR);
    (void)server_clock_turn(&w.clock, (uint64_t)w.at);
    s.answered_ns = (uint64_t)w.at;
    server_clock_sample(&w.clock, &s);
    assert_true(now(&w).held);
    sample(&w, MS, MS);
    assert_false(now(&w).held);
    assert_in_range(-ahead(&w), 0, 2 * MS);
}

static void a_step_during_a_stall_is_taken_from_the_first_sample_on(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    live(&w, 40);
    pass(&w, HOUR);
    w.server -= HOUR / 2;
    (void)server_clock_turn(&w.clock, (uint64_t)w.at);
    sample(&w, MS, MS);
    assert_false(now(&w).held);
    assert_in_range(-ahead(&w), 0, 2 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_the_first_sample_everything_is_held),
        cmocka_unit_test(it_is_agreed_only_after_three_samples_that_are_apart),
        cmocka_unit_test(a_clock_that_is_not_compared_any_more_is_not_agreed),
        cmocka_unit_test(a_slow_answer_never_takes_it_ahead_of_the_server),
        cmocka_unit_test(slow_answers_do_not_agree),
        cmocka_unit_test(a_step_of_an_hour_holds_until_three_samples_agree),
        cmocka_unit_test(a_step_that_is_taken_back_holds_too_and_leaves_the_old_time),
        cmocka_unit_test(a_clock_that_keeps_jumping_is_held_all_the_time),
        cmocka_unit_test(a_lesser_step_is_slewed_and_time_never_runs_backwards),
        cmocka_unit_test(a_drift_of_500_ppm_is_followed_for_a_day_without_a_hold),
        cmocka_unit_test(after_a_stall_it_is_sampled_first),
        cmocka_unit_test(an_answer_to_what_was_asked_before_a_stall_tells_nothing),
        cmocka_unit_test(a_step_during_a_stall_is_taken_from_the_first_sample_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
