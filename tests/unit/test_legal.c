/* A test for each row of data/legal-hours.csv and data/holidays.csv. */
#include "domain/legal.h"

#include "base/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SMS CARILLON__V1__CHANNEL__CHANNEL_SMS

enum { YEARS_FROM = 2020, YEARS_UNTIL = 2046 };

/* Easter Sundays by the epacts of Clavius (Knuth, The Art of Computer Programming,
 * 1.3.2, exercise 14), which is another algorithm than ours. */
static int64_t easter_by_epact(int32_t year)
{
    int32_t golden = year % 19 + 1, century = year / 100 + 1;
    int32_t x = 3 * century / 4 - 12, z = (8 * century + 5) / 25 - 5;
    int32_t d = 5 * year / 4 - x - 10, e = (11 * golden + 20 + z - x) % 30;
    if ((e == 25 && golden > 11) || e == 24)
        e++;
    int32_t n = 44 - e;
    if (n < 21)
        n += 30;
    n = n + 7 - (d + n) % 7;
    return civil_days(year, n > 31 ? 4 : 3, n > 31 ? n - 31 : n);
}

static void easter_is_the_churchs(void **state)
{
    (void)state;
    static const struct {
        int32_t year;
        uint8_t month, day;
    } known[] = {{1961, 4, 2},  {2000, 4, 23}, {2008, 3, 23}, {2011, 4, 24}, {2024, 3, 31},
                 {2025, 4, 20}, {2026, 4, 5},  {2027, 3, 28}, {2038, 4, 25}, {2285, 3, 22}};
    for (size_t i = 0; i < countof(known); i++)
        assert_int_equal(legal_easter(known[i].year),
                         civil_days(known[i].year, known[i].month, known[i].day));
    for (int32_t year = 1900; year < 2300; year++)
        assert_int_equal(legal_easter(year), easter_by_epact(year));
}

/* Every day of every year: the eleven of France, and no other. */
static void the_holidays_of_france_are_its_eleven(void **state)
{
    (void)state;
    static const struct {
        uint8_t month, day;
    } fixed[] = {{1, 1}, {5, 1}, {5, 8}, {7, 14}, {8, 15}, {11, 1}, {11, 11}, {12, 25}};
    static const int32_t moving[] = {1, 39, 50};
    for (int32_t year = YEARS_FROM; year < YEARS_UNTIL; year++) {
        bool expected[366] = {false};
        int64_t first = civil_days(year, 1, 1), days = civil_days(year + 1, 1, 1) - first;
        for (size_t i = 0; i < countof(fixed); i++)
            expected[civil_days(year, fixed[i].month, fixed[i].day) - first] = true;
        for (size_t i = 0; i < countof(moving); i++)
            expected[easter_by_epact(year) + moving[i] - first] = true;
        for (int64_t i = 0; i < days; i++)
            if (legal_is_holiday("FR", first + i) != expected[i])
                fail_msg("day %d of %d", (int)i, year);
    }
}

static void the_dates_of_2026_are_those_of_the_calendar(void **state)
{
    (void)state;
    static const struct {
        uint8_t month, day;
    } dates[] = {{4, 6}, {5, 14}, {5, 25}}; /* Easter Monday, Ascension, Whit Monday */
    for (size_t i = 0; i < countof(dates); i++)
        assert_true(legal_is_holiday("FR", civil_days(2026, dates[i].month, dates[i].day)));
    assert_false(legal_is_holiday("FR", civil_days(2026, 4, 5)));
    assert_false(legal_is_holiday("FR", civil_days(2026, 4, 3))); /* Good Friday: Alsace alone */
    assert_false(legal_is_holiday("US", civil_days(2026, 1, 1)));
}

static void assert_hours(const struct legal_hours *legal, int64_t day, uint32_t open,
                         uint32_t close)
{
    struct legal_day hours = legal_day_of(legal, day);
    assert_int_equal(hours.open_minute, open);
    assert_int_equal(hours.close_minute, close);
}

static void france_is_open_from_8_to_20_monday_to_saturday_but_on_holidays(void **state)
{
    (void)state;
    static const char *const numbers[] = {"+33612345678", "+262692123456", "+590690123456",
                                          "+594694123456", "+596696123456"};
    for (size_t n = 0; n < countof(numbers); n++) {
        const struct legal_hours *fr = legal_find(bytes_of(numbers[n]), SMS);
        assert_non_null(fr);
        assert_string_equal(fr->country, "FR");
        for (int32_t year = YEARS_FROM; year < YEARS_UNTIL; year++) {
            int64_t first = civil_days(year, 1, 1), end = civil_days(year + 1, 1, 1);
            for (int64_t day = first; day < end; day++) {
                bool closed = civil_weekday(day) == 6 || legal_is_holiday("FR", day);
                assert_hours(fr, day, closed ? 0 : 480, closed ? 0 : 1200);
            }
        }
    }
}

static void the_us_are_open_from_8_to_21_every_day(void **state)
{
    (void)state;
    static const char *const numbers[] = {"+12125550123", "+14165550123"}; /* all of +1 */
    for (size_t n = 0; n < countof(numbers); n++) {
        const struct legal_hours *us = legal_find(bytes_of(numbers[n]), SMS);
        assert_non_null(us);
        assert_string_equal(us->country, "US");
        for (int32_t year = YEARS_FROM; year < YEARS_UNTIL; year++)
            for (int64_t day = civil_days(year, 1, 1); day < civil_days(year + 1, 1, 1); day++)
                assert_hours(us, day, 480, 1260);
    }
}

static void other_numbers_and_channels_have_no_legal_hours(void **state)
{
    (void)state;
    static const char *const numbers[] = {"+4915112345678", "+34612345678", "+26912345678",
                                          "+3780549123456", "+9991234567",  "",
                                          "33612345678"};
    for (size_t i = 0; i < countof(numbers); i++)
        assert_null(legal_find(bytes_of(numbers[i]), SMS));
    assert_null(legal_find(BYTES("+33612345678"), CARILLON__V1__CHANNEL__CHANNEL_EMAIL));
    assert_null(legal_find(BYTES("+12125550123"), CARILLON__V1__CHANNEL__CHANNEL_PUSH));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(easter_is_the_churchs),
        cmocka_unit_test(the_holidays_of_france_are_its_eleven),
        cmocka_unit_test(the_dates_of_2026_are_those_of_the_calendar),
        cmocka_unit_test(france_is_open_from_8_to_20_monday_to_saturday_but_on_holidays),
        cmocka_unit_test(the_us_are_open_from_8_to_21_every_day),
        cmocka_unit_test(other_numbers_and_channels_have_no_legal_hours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
