/* Deferrals as counts in Redis. */
#include "stage/forecast.h"

#include "base/clock.h"
#include "fake_redis.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct ring ring = {.slots = 96, .slot_ms = 1800000, .spread = 4};
#define SLOT_MS INT64_C(1800000)
#define DUE_MS (1000 * SLOT_MS + 5)

struct world {
    struct redis redis;
    struct forecast forecast;
};

static int open_world(void **state)
{
    struct world *w = *state = calloc(1, sizeof *w);
    CHECK(w);
    forecast_init(&w->forecast, &w->redis, &ring);
    return 0;
}

static int close_world(void **state)
{
    free(*state);
    return 0;
}

static void note(struct world *w, const char *route, int64_t due_ms, int64_t expires_ms,
                 uint32_t segments)
{
    forecast_note(&w->forecast, BYTES("reminder"), bytes_of(route), due_ms, expires_ms, segments);
}

static void write_all(struct world *w)
{
    forecast_turn(&w->forecast, 1);
    assert_int_equal(w->redis.count, 0);
    assert_int_equal(forecast_next_ns(&w->forecast), 1 + 250 * NS_PER_MS);
    forecast_turn(&w->forecast, 1 + 250 * NS_PER_MS);
}

static bool asked(const struct world *w, const char *command)
{
    for (uint32_t i = 0; i < w->redis.count; i++)
        if (strcmp(w->redis.commands[i].text, command) == 0)
            return true;
    return false;
}

static void alike_deferrals_are_one_count_and_the_slot_goes_one_ring_later(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 1000; i++)
        note(w, "sms_fr", DUE_MS + i, DUE_MS + i + 16000, 2);
    write_all(w);
    assert_int_equal(w->redis.count, 3);
    assert_true(asked(w, "HINCRBY d1:{1800000/1000} n|reminder|sms_fr|12 1000 "));
    assert_true(asked(w, "HINCRBY d1:{1800000/1000} s|reminder|sms_fr|12 2000 "));
    assert_true(asked(w, "PEXPIREAT d1:{1800000/1000} 1974600000 ")); /* (1001 + 96) slots */
    assert_int_equal(forecast_next_ns(&w->forecast), UINT64_MAX);
}

static void what_differs_has_a_count_of_its_own(void **state)
{
    struct world *w = *state;
    note(w, "sms_fr", DUE_MS, 0, 0);
    note(w, "sms_us", DUE_MS, 0, 0);
    note(w, "sms_fr", DUE_MS + SLOT_MS, 0, 0);
    note(w, "sms_fr", DUE_MS, DUE_MS + 1000, 0);
    note(w, "", DUE_MS, 0, 0);
    write_all(w);
    assert_int_equal(w->redis.count, 7);
    assert_true(asked(w, "HINCRBY d1:{1800000/1000} n|reminder|sms_fr|103 1 "));
    assert_true(asked(w, "HINCRBY d1:{1800000/1000} n|reminder|sms_us|103 1 "));
    assert_true(asked(w, "HINCRBY d1:{1800000/1001} n|reminder|sms_fr|103 1 "));
    assert_true(asked(w, "HINCRBY d1:{1800000/1000} n|reminder|sms_fr|1 1 "));
    assert_true(asked(w, "HINCRBY d1:{1800000/1000} n|reminder||103 1 "));
}

static void a_hop_inside_its_slot_is_no_new_count(void **state)
{
    struct world *w = *state;
    const struct deferral was = {.due_ms = DUE_MS};
    assert_true(forecast_is_new(&w->forecast, NULL, DUE_MS));
    assert_false(forecast_is_new(&w->forecast, &was, DUE_MS + 5000));
    assert_true(forecast_is_new(&w->forecast, &was, DUE_MS + SLOT_MS));
}

static void while_redis_is_away_counts_wait_and_what_has_no_room_is_lost(void **state)
{
    struct world *w = *state;
    w->redis.away = true;
    for (int64_t i = 0; i < FORECAST_ROWS + 10; i++)
        note(w, "sms_fr", DUE_MS + i * SLOT_MS, 0, 1);
    forecast_turn(&w->forecast, 1);
    forecast_turn(&w->forecast, 1 + 250 * NS_PER_MS);
    assert_int_equal(w->redis.count, 0);
    assert_int_equal(w->forecast.count, FORECAST_ROWS);
    assert_int_equal(w->forecast.lost, 10);
    assert_true(forecast_next_ns(&w->forecast) > 1 + 250 * NS_PER_MS); /* no busy waiting */
}

static void a_refused_count_is_known_to_be_lost(void **state)
{
    struct world *w = *state;
    note(w, "sms_fr", DUE_MS, 0, 1);
    note(w, "sms_fr", DUE_MS, 0, 1);
    write_all(w);
    const struct redis_reply error = {.type = REDIS_ERROR, .text = BYTES("OOM")},
                             good = {.type = REDIS_INTEGER, .integer = 1};
    fake_answer(&w->redis, 0, &error);
    fake_answer(&w->redis, 1, &good);
    assert_int_equal(w->forecast.lost, 2);
}

static void names_that_fit_no_row_are_no_danger(void **state)
{
    struct world *w = *state;
    char name[300];
    memset(name, 'x', sizeof name);
    forecast_note(&w->forecast, BYTES("reminder"), (struct bytes){name, sizeof name}, DUE_MS, 0, 1);
    forecast_note(&w->forecast, (struct bytes){name, sizeof name}, BYTES("sms_fr"), DUE_MS, 0, 1);
    write_all(w);
    assert_true(asked(w, "HINCRBY d1:{1800000/1000} n|reminder||103 1 "));
    assert_int_equal(w->forecast.lost, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
    const struct CMUnitTest tests[] = {
        TEST(alike_deferrals_are_one_count_and_the_slot_goes_one_ring_later),
        TEST(what_differs_has_a_count_of_its_own),
        TEST(a_hop_inside_its_slot_is_no_new_count),
        TEST(while_redis_is_away_counts_wait_and_what_has_no_room_is_lost),
        TEST(a_refused_count_is_known_to_be_lost),
        TEST(names_that_fit_no_row_are_no_danger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
