#include "domain/legal.h"

#include "base/time.h"
#include "domain/countries.h"

struct legal_row {
    const char *codes; /* calling codes, separated by blanks */
    struct legal_hours hours;
};

static const struct legal_row legal_rows[] = {
#include "data/legal-hours.inc"
};

struct holiday_row {
    const char *country;
    uint8_t month, day; /* month 0: counted from Easter Sunday */
    int32_t from_easter;
};

static const struct holiday_row holiday_rows[] = {
#include "data/holidays.inc"
};

static bool lists_code(const char *codes, const char *digits)
{
    size_t size = strlen(digits);
    for (const char *at = codes; *at;) {
        size_t length = strcspn(at, " ");
        if (length == size && memcmp(at, digits, size) == 0)
            return true;
        at += length + (at[length] == ' ');
    }
    return false;
}

const struct legal_hours *legal_find(struct bytes number, Carillon__V1__Channel channel)
{
    const struct calling_code *code = country_of_number(number);
    if (!code)
        return NULL;
    for (size_t i = 0; i < countof(legal_rows); i++)
        if (legal_rows[i].hours.channel == channel && lists_code(legal_rows[i].codes, code->digits))
            return &legal_rows[i].hours;
    return NULL;
}

struct legal_day legal_day_of(const struct legal_hours *legal, int64_t day)
{
    if (legal->holidays && legal_is_holiday(legal->holidays, day))
        return (struct legal_day){0};
    return legal->days[civil_weekday(day)];
}

/* The anonymous Gregorian algorithm (Nature, 1876; Meeus, Astronomical Algorithms, 8). */
int64_t legal_easter(int32_t year)
{
    int32_t a = year % 19, b = year / 100, c = year % 100;
    int32_t f = (b + 8) / 25, g = (b - f + 1) / 3;
    int32_t h = (19 * a + b - b / 4 - g + 15) % 30;
    int32_t l = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7;
    int32_t m = (a + 11 * h + 22 * l) / 451;
    int32_t n = h + l - 7 * m + 114;
    return civil_days(year, (uint32_t)(n / 31), n % 31 + 1);
}

bool legal_is_holiday(const char *country, int64_t day)
{
    struct civil date = civil_of_ms(day * TIME_DAY_MS);
    int64_t from_easter = day - legal_easter(date.year);
    for (size_t i = 0; i < countof(holiday_rows); i++) {
        const struct holiday_row *row = &holiday_rows[i];
        bool falls = row->month ? row->month == date.month && row->day == date.day
                                : row->from_easter == from_easter;
        if (falls && strcmp(row->country, country) == 0)
            return true;
    }
    return false;
}
