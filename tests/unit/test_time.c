#include "base/prng.h"
#include "base/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

static void a_date_and_back_agrees_with_libc(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (int i = 0; i < 200000; i++) {
        int64_t s =
            TIME_LEAST_S + (int64_t)prng_upto(&seed, (uint64_t)(TIME_MOST_S - TIME_LEAST_S));
        time_t t = (time_t)s;
        struct tm tm;
        gmtime_r(&t, &tm);
        struct civil c = civil_of_ms(s * 1000 + 7);
        assert_int_equal(c.year, tm.tm_year + 1900);
        assert_int_equal(c.month, tm.tm_mon + 1);
        assert_int_equal(c.day, tm.tm_mday);
        assert_int_equal(c.hour, tm.tm_hour);
        assert_int_equal(c.minute, tm.tm_min);
        assert_int_equal(c.second, tm.tm_sec);
        assert_int_equal(civil_to_ms(&c), s * 1000 + 7);
        int64_t days = civil_days(c.year, c.month, c.day);
        assert_int_equal(civil_weekday(days), (tm.tm_wday + 6) % 7);
        assert_true(c.day <= civil_month_days(c.year, c.month));
    }
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    uint64_t seed = 8;
    for (int i = 0; i < 100000; i++) {
        int64_t ms =
            (int64_t)prng_upto(&seed, (uint64_t)(TIME_MOST_S - TIME_LEAST_S - 200000)) * 1000 +
            (TIME_LEAST_S + 100000) * 1000 + (int64_t)prng_upto(&seed, 1000);
        int32_t offset_s = ((int32_t)prng_upto(&seed, 2 * 1439) - 1439) * 60;
        char text[64];
        struct writer w = writer_of(text, sizeof text);
        if (i % 2)
            time_write(&w, ms);
        else
            time_write_offset(&w, ms, offset_s);
        int64_t back = 0;
        assert_int_equal(time_parse_ms(writer_bytes(&w), &back), ERR_OK);
        assert_int_equal(back, ms);
    }
}

static void times_are_written_with_milliseconds(void **state)
{
    (void)state;
    char text[128];
    struct writer w = writer_of(text, sizeof text);
    time_write(&w, 0);
    write_char(&w, ' ');
    time_write(&w, -1);
    write_char(&w, ' ');
    time_write_offset(&w, 1782939600123, 2 * 3600);
    write_char(&w, ' ');
    time_write_offset(&w, 1782939600123, -(3 * 3600 + 1800));
    write_char(&w, '\0');
    assert_string_equal(text, "1970-01-01T00:00:00.000Z 1969-12-31T23:59:59.999Z "
                              "2026-07-01T23:00:00.123+02:00 2026-07-01T17:30:00.123-03:30");
}

/* Seconds come back, so some texts are those of before, and some took a place of others. */
static void a_time_that_is_put_is_the_one_that_would_be_written(void **state)
{
    (void)state;
    uint64_t seed = 11;
    struct time_texts texts = {0};
    for (int i = 0; i < 100000; i++) {
        int64_t ms = (int64_t)prng_upto(&seed, 40000);
        if (i % 3 == 0)
            ms += 1782939600000;
        else if (i % 100 == 0)
            ms = TIME_MOST_S * 1000 + (int64_t)prng_upto(&seed, 999);
        char text[32], put[TIME_TEXT_SIZE];
        struct writer w = writer_of(text, sizeof text);
        time_write(&w, ms);
        assert_ptr_equal(time_put(&texts, put, ms), put + sizeof put);
        assert_int_equal(w.size, sizeof put);
        assert_memory_equal(put, text, sizeof put);
    }
}

static void every_form_of_rfc_3339_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t s;
        uint32_t ns;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0, 0},
        {"1970-01-01t00:00:00z", 0, 0},
        {"1970-01-01 00:00:00Z", 0, 0},
        {"1970-01-01T02:00:00+02:00", 0, 0},
        {"1969-12-31T18:30:00-05:30", 0, 0},
        {"1969-12-31T23:59:59.5Z", -1, 500000000},
        {"2024-02-29T00:00:00.123456789Z", 1709164800, 123456789},
        {"2024-02-29T00:00:00.1234567899Z", 1709164800, 123456789},
        {"2016-12-31T23:59:60Z", 1483228800, 0},
        {"0001-01-01T00:00:00Z", TIME_LEAST_S, 0},
        {"9999-12-31T23:59:59Z", TIME_MOST_S, 0},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        int64_t s = 0;
        uint32_t ns = 0;
        assert_int_equal(time_parse(bytes_of(rows[i].text), &s, &ns), ERR_OK);
        assert_int_equal(s, rows[i].s);
        assert_int_equal(ns, rows[i].ns);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "1970-01-01",
        "1970-01-01T00:00:00",
        "1970-01-01T00:00Z",
        "1970-1-01T00:00:00Z",
        "1970-13-01T00:00:00Z",
        "1970-00-01T00:00:00Z",
        "1970-01-00T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:60:00Z",
        "1970-01-01T00:00:61Z",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00+0200",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+01:60",
        "1970-01-01T00:00:00Z ",
        " 1970-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "+970-01-01T00:00:00Z",
    };
    for (size_t i = 0; i < countof(rows); i++) {
        int64_t s;
        uint32_t ns;
        assert_int_equal(time_parse(bytes_of(rows[i]), &s, &ns), ERR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_date_and_back_agrees_with_libc),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(times_are_written_with_milliseconds),
        cmocka_unit_test(a_time_that_is_put_is_the_one_that_would_be_written),
        cmocka_unit_test(every_form_of_rfc_3339_is_read),
        cmocka_unit_test(what_is_no_time_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
