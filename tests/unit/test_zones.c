#include "domain/zones.h"

#include "base/prng.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void names_are_those_of_the_database_byte_by_byte(void **state)
{
    static const char *const known[] = {
        "Europe/Paris", "Asia/Calcutta", "UTC",
        "Etc/GMT+5",    "GMT+0",         "EST5EDT",
        "Zulu",         "US/Pacific",    "America/Argentina/ComodRivadavia"};
    static const char *const unknown[] = {"",
                                          "europe/paris",
                                          "Europe/Paris ",
                                          " Europe/Paris",
                                          "posix/Europe/Paris",
                                          "right/Europe/Paris",
                                          "localtime",
                                          "posixrules",
                                          "+02:00",
                                          "UTC+3",
                                          "CET-1CEST",
                                          "/usr/share/zoneinfo/UTC",
                                          "../UTC",
                                          "tzdata.zi",
                                          "Paris"};
    for (size_t i = 0; i < countof(known); i++) {
        const struct zone *zone = zone_find(*state, bytes_of(known[i]));
        assert_non_null(zone);
        assert_true(bytes_equal(zone_name(zone), bytes_of(known[i])));
    }
    for (size_t i = 0; i < countof(unknown); i++)
        if (zone_find(*state, bytes_of(unknown[i])))
            fail_msg("known: %s", unknown[i]);
    assert_null(zone_find(*state, (struct bytes){"UTC\0", 4}));
    assert_null(zone_find(*state, (struct bytes){0}));
}

static void every_name_of_the_database_can_be_read(void **state)
{
    assert_true(zones_count(*state) > 500);
    assert_true(zones_version(*state).size >= 5);
    for (uint32_t i = 0; i < zones_count(*state); i++)
        assert_non_null(zone_find(*state, zones_name_at(*state, i)));
}

static void offsets_change_at_the_instant_of_the_change(void **state)
{
    const struct zone *paris = zone_find(*state, BYTES("Europe/Paris"));
    const int64_t spring_ms = INT64_C(1774746000000), autumn_ms = INT64_C(1792890000000); /* 2026 */
    assert_int_equal(zone_offset_s(paris, spring_ms - 1), 3600);
    assert_int_equal(zone_offset_s(paris, spring_ms), 7200);
    assert_int_equal(zone_next_transition_ms(paris, spring_ms - 1), spring_ms);
    assert_int_equal(zone_next_transition_ms(paris, spring_ms), autumn_ms);
    assert_int_equal(zone_wall_ms(paris, autumn_ms), autumn_ms + 3600000);
    struct zone_span span = zone_span_at(paris, spring_ms);
    assert_true(span.from_ms == spring_ms && span.until_ms == autumn_ms);
    assert_int_equal(zone_next_transition_ms(zone_find(*state, BYTES("UTC")), 0), INT64_MAX);
    /* long after the last rule that is written out */
    assert_int_equal(zone_offset_s(paris, INT64_C(2225000000000)), 7200); /* July 2040 */
}

static void countries_have_the_zones_of_zone_tab(void **state)
{
    char memory[8192];
    struct arena arena = arena_of(memory, sizeof memory);
    struct zone_set france = zones_of_countries(*state, BYTES("FR"), &arena);
    assert_int_equal(france.count, 1);
    assert_true(bytes_equal(zone_name(france.at[0]), BYTES("Europe/Paris")));
    assert_int_equal(zones_of_countries(*state, BYTES("RE+YT"), &arena).count, 2);
    uint32_t canada = zones_of_countries(*state, BYTES("CA"), &arena).count;
    uint32_t us = zones_of_countries(*state, BYTES("US"), &arena).count;
    assert_int_equal(zones_of_countries(*state, BYTES("CA+US"), &arena).count, canada + us);
    assert_int_equal(zones_of_countries(*state, BYTES("XX"), &arena).count, 0);
    assert_int_equal(zones_of_countries(*state, BYTES("fr"), &arena).count, 0);
    assert_int_equal(zones_of_countries(*state, BYTES("FRA"), &arena).count, 0);
    assert_int_equal(zones_of_countries(*state, BYTES(""), &arena).count, 0);
    arena = arena_of(memory, 8);
    assert_int_equal(zones_of_countries(*state, BYTES("US"), &arena).count, 0);
}

static void a_set_says_whether_its_zones_show_the_same_time(void **state)
{
    const struct zone *zones[] = {zone_find(*state, BYTES("Europe/Paris")),
                                  zone_find(*state, BYTES("Europe/Berlin")),
                                  zone_find(*state, BYTES("Europe/London"))};
    int32_t offset_s;
    assert_true(zone_set_same_offset((struct zone_set){zones, 2}, 0, &offset_s));
    assert_false(
        zone_set_same_offset((struct zone_set){zones, 3}, INT64_C(1774746000000), &offset_s));
}

static void the_instants_of_a_wall_time_show_it_or_enclose_its_gap(void **state)
{
    struct zones *zones = *state;
    uint64_t seed = 7;
    for (uint32_t round = 0; round < 20000; round++) {
        uint32_t index = (uint32_t)prng_upto(&seed, zones_count(zones));
        const struct zone *zone = zone_find(zones, zones_name_at(zones, index));
        int64_t near_ms = INT64_C(1577836800000) +
                          (int64_t)prng_upto(&seed, UINT64_C(500000000000)); /* 2020-2035 */
        int64_t change_ms = zone_next_transition_ms(zone, near_ms);
        if (change_ms == INT64_MAX)
            change_ms = near_ms;
        int64_t wall_ms =
            zone_wall_ms(zone, change_ms) - 4 * 3600000 + (int64_t)prng_upto(&seed, 8 * 3600000);
        int64_t first_ms = zone_first_ms(zone, wall_ms), last_ms = zone_last_ms(zone, wall_ms);
        assert_true(first_ms <= last_ms);
        if (zone_wall_ms(zone, first_ms) == wall_ms) {
            assert_int_equal(zone_wall_ms(zone, last_ms), wall_ms);
            assert_true(zone_wall_ms(zone, first_ms - 1) < wall_ms);
        } else { /* skipped: one instant, the end of the gap */
            assert_int_equal(first_ms, last_ms);
            assert_true(zone_wall_ms(zone, first_ms) > wall_ms);
            assert_true(zone_wall_ms(zone, first_ms - 1) < wall_ms);
        }
    }
}

static void *read_all(void *zones)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < zones_count(zones); i++)
        sum += zone_offset_s(zone_find(zones, zones_name_at(zones, i)), 0);
    return (void *)(intptr_t)sum;
}

static void threads_may_read_a_zone_for_the_first_time_at_once(void **state)
{
    (void)state;
    struct zones *zones = zones_open();
    assert_non_null(zones);
    pthread_t threads[3];
    void *sums[countof(threads)];
    for (size_t i = 0; i < countof(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_all, zones), 0);
    for (size_t i = 0; i < countof(threads); i++)
        pthread_join(threads[i], &sums[i]);
    assert_ptr_equal(sums[0], sums[1]);
    assert_ptr_equal(sums[0], sums[2]);
    zones_close(zones);
}

static void without_tzdata_there_are_no_zones(void **state)
{
    (void)state;
    setenv("TZDIR", "/nonexistent", 1);
    assert_null(zones_open());
    unsetenv("TZDIR");
    zones_close(NULL);
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void a_listed_zone_whose_file_is_missing_or_broken_is_unknown(void **state)
{
    (void)state;
    char folder[] = "/tmp/zones-XXXXXX", path[256], memory[256];
    assert_non_null(mkdtemp(folder));
    setenv("TZDIR", folder, 1);
    assert_null(zones_open());
    write_file(folder, "tzdata.zi",
               "# no version\nZ Test/Gone 0 - X\nL Test/Gone Test/Link\n"
               "R x 1 2\nZ Test/Gone 0 - X\nL\n\n");
    assert_null(zones_open()); /* no zone.tab */
    write_file(folder, "zone.tab",
               "#c\tx\tTest/Gone\nFR\t+0+0\tTest/Gone\tText\n"
               "FRA\t+0+0\tTest/Gone\nFR\t+0+0\tTest/Other\nFR\n");
    struct zones *zones = zones_open();
    assert_non_null(zones);
    assert_int_equal(zones_count(zones), 2);
    assert_int_equal(zones_version(zones).size, 0);
    assert_null(zone_find(zones, BYTES("Test/Gone")));
    assert_null(zone_find(zones, BYTES("Test/Gone")));
    struct arena arena = arena_of(memory, sizeof memory);
    assert_int_equal(zones_of_countries(zones, BYTES("FR"), &arena).count, 0);
    zones_close(zones);
    unsetenv("TZDIR");
    snprintf(path, sizeof path, "%s/tzdata.zi", folder);
    remove(path);
    snprintf(path, sizeof path, "%s/zone.tab", folder);
    remove(path);
    remove(folder);
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
        cmocka_unit_test(names_are_those_of_the_database_byte_by_byte),
        cmocka_unit_test(every_name_of_the_database_can_be_read),
        cmocka_unit_test(offsets_change_at_the_instant_of_the_change),
        cmocka_unit_test(countries_have_the_zones_of_zone_tab),
        cmocka_unit_test(a_set_says_whether_its_zones_show_the_same_time),
        cmocka_unit_test(the_instants_of_a_wall_time_show_it_or_enclose_its_gap),
        cmocka_unit_test(threads_may_read_a_zone_for_the_first_time_at_once),
        cmocka_unit_test(without_tzdata_there_are_no_zones),
        cmocka_unit_test(a_listed_zone_whose_file_is_missing_or_broken_is_unknown),
    };
    return cmocka_run_group_tests(tests, open_zones, close_zones);
}
