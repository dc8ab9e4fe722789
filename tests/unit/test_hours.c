/* Examples of the rules Q2-Q6 and Q8, and a property: whatever the windows, nobody is
 * told to send while a window is closed. tests/zones holds every zone against another
 * reading. */
#include "domain/hours.h"

#include "base/prng.h"
#include "base/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct hours_window night = {22 * 60, 6 * 60};

static int64_t at(const char *text)
{
    int64_t ms;
    assert_int_equal(time_parse_ms(bytes_of(text), &ms), ERR_OK);
    return ms;
}

static void assert_time(int64_t got_ms, const char *want)
{
    char memory[40];
    struct writer w = writer_of(memory, sizeof memory);
    if (got_ms == HOURS_NEVER)
        write_text(&w, "never");
    else
        time_write(&w, got_ms);
    write_char(&w, '\0');
    if (strcmp(want, "never") == 0)
        assert_string_equal(memory, want);
    else
        assert_int_equal(got_ms, at(want));
}

static const struct zone *zone_of(void **state, const char *name)
{
    const struct zone *zone = zone_find(*state, bytes_of(name));
    assert_non_null(zone);
    return zone;
}

static int64_t open_after(const struct zone *zone, struct hours_window w, const char *from)
{
    struct hours hours = {.windows = &w, .window_count = 1};
    return hours_next_open_ms(&hours, ZONE_SET_OF(&zone), at(from), HOURS_NEVER);
}

static void the_window_begins_with_its_start_and_ends_before_its_end(void **state)
{
    const struct zone *utc = zone_of(state, "UTC");
    assert_time(open_after(utc, night, "2026-03-03T21:59:59.999Z"), "2026-03-03T21:59:59.999Z");
    assert_time(open_after(utc, night, "2026-03-03T22:00:00.000Z"), "2026-03-04T06:00:00.000Z");
    assert_time(open_after(utc, night, "2026-03-04T05:59:59.999Z"), "2026-03-04T06:00:00.000Z");
    assert_time(open_after(utc, night, "2026-03-04T06:00:00.000Z"), "2026-03-04T06:00:00.000Z");
}

static void local_time_is_that_of_the_zone(void **state)
{
    assert_time(open_after(zone_of(state, "Asia/Kathmandu"), night, "2026-03-03T17:00:00Z"),
                "2026-03-04T00:15:00Z");
    assert_time(open_after(zone_of(state, "Pacific/Kiritimati"), night, "2026-03-03T12:00:00Z"),
                "2026-03-03T16:00:00Z");
}

static void what_the_clock_skips_is_the_first_instant_after_the_gap(void **state)
{
    /* 2026-03-29 02:00 -> 03:00 in Paris, at 01:00Z */
    const struct zone *paris = zone_of(state, "Europe/Paris");
    const struct hours_window ends = {22 * 60, 2 * 60 + 30}, starts = {2 * 60 + 30, 5 * 60},
                              inside = {2 * 60 + 10, 2 * 60 + 50};
    assert_time(open_after(paris, ends, "2026-03-29T00:30:00Z"), "2026-03-29T01:00:00Z");
    assert_time(open_after(paris, starts, "2026-03-29T00:59:59.999Z"), "2026-03-29T00:59:59.999Z");
    assert_time(open_after(paris, starts, "2026-03-29T01:00:00Z"), "2026-03-29T03:00:00Z");
    assert_time(open_after(paris, inside, "2026-03-29T01:00:00Z"), "2026-03-29T01:00:00Z");
}

static void what_comes_twice_ends_with_the_second_and_starts_with_the_first(void **state)
{
    /* 2026-10-25 03:00 -> 02:00 in Paris, at 01:00Z */
    const struct zone *paris = zone_of(state, "Europe/Paris");
    const struct hours_window ends = {22 * 60, 2 * 60 + 30}, starts = {2 * 60 + 30, 5 * 60},
                              at_two = {60, 2 * 60};
    assert_time(open_after(paris, ends, "2026-10-25T00:45:00Z"), "2026-10-25T01:30:00Z");
    assert_time(open_after(paris, starts, "2026-10-25T00:30:00Z"), "2026-10-25T04:00:00Z");
    assert_time(open_after(paris, starts, "2026-10-25T01:15:00Z"), "2026-10-25T04:00:00Z");
    /* the wall clock does not come back into the window: still the second 02:00 */
    assert_time(open_after(paris, at_two, "2026-10-25T00:15:00Z"), "2026-10-25T01:00:00Z");
}

static void several_windows_all_apply(void **state)
{
    const struct zone *utc = zone_of(state, "UTC");
    const struct hours_window two[] = {{22 * 60, 6 * 60}, {6 * 60, 9 * 60}};
    struct hours hours = {.windows = two, .window_count = 2};
    assert_time(
        hours_next_open_ms(&hours, ZONE_SET_OF(&utc), at("2026-03-03T23:00:00Z"), HOURS_NEVER),
        "2026-03-04T09:00:00Z");
}

static void what_would_wake_at_the_limit_or_later_never_goes(void **state)
{
    const struct zone *utc = zone_of(state, "UTC");
    struct hours hours = {.windows = &night, .window_count = 1};
    int64_t from_ms = at("2026-03-03T23:00:00Z"), open_ms = at("2026-03-04T06:00:00Z");
    struct zone_set set = ZONE_SET_OF(&utc);
    assert_int_equal(hours_next_open_ms(&hours, set, from_ms, open_ms), HOURS_NEVER);
    assert_int_equal(hours_next_open_ms(&hours, set, from_ms, open_ms + 1), open_ms);
}

static void a_window_of_the_whole_day_never_opens(void **state)
{
    const struct zone *paris = zone_of(state, "Europe/Paris");
    struct hours hours = {.windows = &(struct hours_window){0, 24 * 60}, .window_count = 1};
    assert_time(hours_next_open_ms(&hours, ZONE_SET_OF(&paris), at("2026-03-03T23:00:00Z"),
                                   at("2028-03-03T23:00:00Z")),
                "never");
}

static void all_zones_of_a_guess_must_be_open(void **state)
{
    char memory[4096];
    struct arena arena = arena_of(memory, sizeof memory);
    struct hours hours = {.windows = &night, .window_count = 1};
    struct zone_set spain = zones_of_countries(*state, BYTES("ES"), &arena);
    assert_int_equal(spain.count, 3);
    /* Madrid opens at 05:00Z, the Canaries at 06:00Z */
    assert_time(hours_next_open_ms(&hours, spain, at("2026-02-03T02:00:00Z"), HOURS_NEVER),
                "2026-02-03T06:00:00Z");
    assert_time(hours_next_close_ms(&hours, spain, at("2026-02-03T12:00:00Z")),
                "2026-02-03T21:00:00Z");
}

static void zones_without_a_common_hour_never_open(void **state)
{
    const struct zone *zones[] = {zone_of(state, "Europe/Paris"), zone_of(state, "Asia/Tokyo")};
    struct hours hours = {.windows = &(struct hours_window){13 * 60, 9 * 60}, .window_count = 1};
    assert_time(hours_next_open_ms(&hours, (struct zone_set){zones, 2}, at("2026-03-03T00:00:00Z"),
                                   at("2026-05-03T00:00:00Z")),
                "never");
}

static void without_any_hours_all_is_open(void **state)
{
    const struct zone *utc = zone_of(state, "UTC");
    struct hours hours = {0};
    assert_false(hours_closed_at(&hours, ZONE_SET_OF(&utc), 0));
    assert_int_equal(hours_next_open_ms(&hours, ZONE_SET_OF(&utc), 5, 6), 5);
    assert_int_equal(hours_next_open_ms(&hours, ZONE_SET_OF(&utc), 6, 6), HOURS_NEVER);
    assert_int_equal(hours_next_close_ms(&hours, ZONE_SET_OF(&utc), 5), HOURS_NEVER);
}

static void marketing_waits_for_window_and_legal_hours(void **state)
{
    const struct zone *paris = zone_of(state, "Europe/Paris");
    struct zone_set set = ZONE_SET_OF(&paris);
    struct hours hours = {.windows = &(struct hours_window){20 * 60, 10 * 60},
                          .window_count = 1,
                          .legal = legal_find(BYTES("+33612345678"), 1)};
    assert_non_null(hours.legal);
    /* Saturday evening; Sunday is closed; Easter Monday is; so Tuesday at ten */
    assert_time(hours_next_open_ms(&hours, set, at("2026-04-04T18:30:00Z"), HOURS_NEVER),
                "2026-04-07T08:00:00Z");
    assert_true(hours_closed_at(&hours, set, at("2026-04-05T12:00:00Z")));
    assert_false(hours_closed_at(&hours, set, at("2026-04-07T12:00:00Z")));
    hours.window_count = 0;
    assert_time(hours_next_close_ms(&hours, set, at("2026-04-07T12:00:00Z")),
                "2026-04-07T18:00:00Z");
    assert_time(hours_next_open_ms(&hours, set, at("2026-04-07T05:59:59.999Z"), HOURS_NEVER),
                "2026-04-07T06:00:00Z");
}

static void legal_hours_around_the_clock_never_close(void **state)
{
    const struct zone *paris = zone_of(state, "Europe/Paris");
    static const struct legal_hours always = {
        .days = {{0, 1440}, {0, 1440}, {0, 1440}, {0, 1440}, {0, 1440}, {0, 1440}, {0, 1440}}};
    static const struct legal_hours weekdays = {
        .days = {{0, 1440}, {0, 1440}, {0, 1440}, {0, 1440}, {0, 1440}}};
    static const struct legal_hours none = {0};
    struct hours hours = {.legal = &always};
    struct zone_set set = ZONE_SET_OF(&paris);
    int64_t tuesday_ms = at("2026-02-03T12:00:00Z");
    assert_int_equal(hours_next_close_ms(&hours, set, tuesday_ms), HOURS_NEVER);
    hours.legal = &weekdays;
    assert_time(hours_next_close_ms(&hours, set, tuesday_ms), "2026-02-06T23:00:00Z");
    hours.legal = &none;
    assert_int_equal(hours_next_open_ms(&hours, set, tuesday_ms, HOURS_NEVER), HOURS_NEVER);
}

static void the_next_closing_is_known_for_a_send_that_must_not_cross_it(void **state)
{
    const struct zone *paris = zone_of(state, "Europe/Paris");
    struct zone_set set = ZONE_SET_OF(&paris);
    struct hours hours = {.windows = &night, .window_count = 1};
    assert_time(hours_next_close_ms(&hours, set, at("2026-07-01T06:00:00Z")),
                "2026-07-01T20:00:00Z");
    assert_time(hours_next_close_ms(&hours, set, at("2026-07-01T20:00:00Z")),
                "2026-07-01T20:00:00Z");
    assert_time(hours_next_close_ms(&hours, set, at("2026-07-01T23:00:00Z")),
                "2026-07-01T23:00:00Z");
}

/* The wall clock's own view, without any look at when windows begin and end. */
static bool wall_is_inside(const struct zone *zone, struct hours_window w, int64_t ms)
{
    int64_t minute = zone_wall_ms(zone, ms) / 60000 % 1440;
    return w.start_minute < w.end_minute ? minute >= w.start_minute && minute < w.end_minute
                                         : minute >= w.start_minute || minute < w.end_minute;
}

static void nobody_is_told_to_send_inside_a_window(void **state)
{
    struct zones *zones = *state;
    uint64_t seed = 41;
    for (uint32_t round = 0; round < 20000; round++) {
        uint32_t index = (uint32_t)prng_upto(&seed, zones_count(zones));
        const struct zone *zone = zone_of(state, "UTC");
        if (prng_upto(&seed, 8) > 0)
            zone = zone_find(zones, zones_name_at(zones, index));
        struct hours_window w[2];
        for (uint32_t i = 0; i < 2; i++) {
            w[i].start_minute = (uint16_t)prng_upto(&seed, 1440);
            w[i].end_minute = (uint16_t)prng_upto(&seed, 1441);
            if (hours_window_is_empty(w[i]))
                w[i].end_minute = (uint16_t)((w[i].start_minute + 60) % 1440);
        }
        struct hours hours = {.windows = w, .window_count = 2};
        int64_t year_ms = INT64_C(365) * TIME_DAY_MS;
        int64_t from_ms = at("2020-01-01T00:00:00Z") + (int64_t)prng_upto(&seed, 17) * year_ms +
                          (int64_t)prng_upto(&seed, (uint64_t)year_ms);
        int64_t next_ms = zone_next_transition_ms(zone, from_ms);
        if (next_ms != INT64_MAX && prng_upto(&seed, 2) == 0)
            from_ms = next_ms + (int64_t)prng_upto(&seed, 8 * 3600000) - 4 * 3600000;
        int64_t limit_ms = from_ms + 3 * TIME_DAY_MS;
        struct zone_set set = ZONE_SET_OF(&zone);
        int64_t open_ms = hours_next_open_ms(&hours, set, from_ms, limit_ms);
        if (open_ms == HOURS_NEVER)
            continue;
        assert_true(open_ms >= from_ms && open_ms < limit_ms);
        assert_false(wall_is_inside(zone, w[0], open_ms) || wall_is_inside(zone, w[1], open_ms));
        assert_false(hours_closed_at(&hours, set, open_ms));
        int64_t close_ms = hours_next_close_ms(&hours, set, open_ms);
        assert_true(close_ms > open_ms);
        assert_true(hours_closed_at(&hours, set, close_ms));
        assert_false(hours_closed_at(&hours, set, close_ms - 1));
        int64_t between_ms = open_ms + (int64_t)prng_upto(&seed, (uint64_t)(close_ms - open_ms));
        assert_false(hours_closed_at(&hours, set, between_ms));
        if (open_ms > from_ms)
            assert_true(hours_closed_at(&hours, set, open_ms - 1));
    }
}

static void times_of_day_are_read_strictly(void **state)
{
    (void)state;
    uint16_t minute = 7;
    assert_int_equal(hours_minute_parse(BYTES("00:00"), false, &minute), ERR_OK);
    assert_int_equal(minute, 0);
    assert_int_equal(hours_minute_parse(BYTES("23:59"), false, &minute), ERR_OK);
    assert_int_equal(minute, 1439);
    assert_int_equal(hours_minute_parse(BYTES("24:00"), true, &minute), ERR_OK);
    assert_int_equal(minute, 1440);
    static const char *const bad[] = {"",      "6:00",  "06:0",   "06-00", "06:60", "24:01",
                                      "25:00", "0a:00", "06:00 ", "-1:00", "99:99"};
    for (size_t i = 0; i < countof(bad); i++)
        assert_int_equal(hours_minute_parse(bytes_of(bad[i]), true, &minute), ERR_INVALID);
    assert_int_equal(hours_minute_parse(BYTES("24:00"), false, &minute), ERR_INVALID);
    assert_int_equal(minute, 1440);
}

static int open_zones(void **state)
{
    *state = zones_open();
    return *state == NULL;
}

static int close_zones(void **state)
{
    zones_close(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_window_begins_with_its_start_and_ends_before_its_end),
        cmocka_unit_test(local_time_is_that_of_the_zone),
        cmocka_unit_test(what_the_clock_skips_is_the_first_instant_after_the_gap),
        cmocka_unit_test(what_comes_twice_ends_with_the_second_and_starts_with_the_first),
        cmocka_unit_test(several_windows_all_apply),
        cmocka_unit_test(what_would_wake_at_the_limit_or_later_never_goes),
        cmocka_unit_test(a_window_of_the_whole_day_never_opens),
        cmocka_unit_test(all_zones_of_a_guess_must_be_open),
        cmocka_unit_test(zones_without_a_common_hour_never_open),
        cmocka_unit_test(without_any_hours_all_is_open),
        cmocka_unit_test(marketing_waits_for_window_and_legal_hours),
        cmocka_unit_test(legal_hours_around_the_clock_never_close),
        cmocka_unit_test(the_next_closing_is_known_for_a_send_that_must_not_cross_it),
        cmocka_unit_test(nobody_is_told_to_send_inside_a_window),
        cmocka_unit_test(times_of_day_are_read_strictly),
    };
    return cmocka_run_group_tests(tests, open_zones, close_zones);
}
