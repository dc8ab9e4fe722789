#include "base/time.h"

/* Days and dates: Howard Hinnant's "chrono-compatible low-level date algorithms". Years
 * begin in March, so that the leap day is a year's last. */
int64_t civil_days(int32_t year, uint32_t month, int32_t day)
{
    CHECK(month >= 1 && month <= 12);
    int64_t y = month <= 2 ? (int64_t)year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year =
        (153 * (month > 2 ? (int64_t)month - 3 : (int64_t)month + 9) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

uint8_t civil_weekday(int64_t days)
{
    int64_t d = (days + 3) % 7; /* 1970-01-01 was a Thursday */
    return (uint8_t)(d < 0 ? d + 7 : d);
}

uint8_t civil_month_days(int32_t year, uint32_t month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    CHECK(month >= 1 && month <= 12);
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

int64_t civil_to_ms(const struct civil *civil)
{
    int64_t days = civil_days(civil->year, civil->month, civil->day);
    int64_t s = days * 86400 + civil->hour * 3600 + civil->minute * 60 + civil->second;
    return s * 1000 + civil->ms;
}

struct civil civil_of_ms(int64_t ms)
{
    int64_t days = ms / TIME_DAY_MS, of_day = ms % TIME_DAY_MS;
    if (of_day < 0) {
        of_day += TIME_DAY_MS;
        days--;
    }
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t of_era = z - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153; /* from March */
    int32_t s = (int32_t)(of_day / 1000);
    return (struct civil){
        .year = (int32_t)(year + era * 400 + (month >= 10)),
        .month = (uint8_t)(month < 10 ? month + 3 : month - 9),
        .day = (uint8_t)(of_year - (153 * month + 2) / 5 + 1),
        .hour = (uint8_t)(s / 3600),
        .minute = (uint8_t)(s / 60 % 60),
        .second = (uint8_t)(s % 60),
        .ms = (uint16_t)(of_day % 1000),
    };
}

/* Reads `count` digits at `*at`, and moves on. */
static bool read_digits(struct bytes *text, uint32_t count, uint32_t *out)
{
    if (text->size < count)
        return false;
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        char c = text->at[i];
        if (c < '0' || c > '9')
            return false;
        n = n * 10 + (uint32_t)(c - '0');
    }
    *text = (struct bytes){text->at + count, text->size - count};
    *out = n;
    return true;
}

static bool read_char(struct bytes *text, char c)
{
    if (text->size == 0 || text->at[0] != c)
        return false;
    *text = (struct bytes){text->at + 1, text->size - 1};
    return true;
}

static bool read_fraction(struct bytes *text, uint32_t *ns)
{
    *ns = 0;
    if (!read_char(text, '.'))
        return true;
    uint32_t scale = 100000000, digit;
    if (!read_digits(text, 1, &digit))
        return false;
    do {
        *ns += digit * scale;
        scale /= 10;
    } while (read_digits(text, 1, &digit));
    return true;
}

static bool read_offset(struct bytes *text, int32_t *offset_s)
{
    *offset_s = 0;
    if (read_char(text, 'Z') || read_char(text, 'z'))
        return true;
    bool west = read_char(text, '-');
    uint32_t hours, minutes;
    if ((!west && !read_char(text, '+')) || !read_digits(text, 2, &hours) ||
        !read_char(text, ':') || !read_digits(text, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *offset_s = (int32_t)(hours * 3600 + minutes * 60) * (west ? -1 : 1);
    return true;
}

static bool read_date(struct bytes *text, int64_t *days)
{
    uint32_t year, month, day;
    if (!read_digits(text, 4, &year) || !read_char(text, '-') || !read_digits(text, 2, &month) ||
        !read_char(text, '-') || !read_digits(text, 2, &day))
        return false;
    if (year < 1 || month < 1 || month > 12 || day < 1 ||
        day > civil_month_days((int32_t)year, month))
        return false;
    *days = civil_days((int32_t)year, month, (int32_t)day);
    return true;
}

static bool read_clock(struct bytes *text, int64_t *s)
{
    uint32_t hour, minute, second;
    if (!read_digits(text, 2, &hour) || !read_char(text, ':') || !read_digits(text, 2, &minute) ||
        !read_char(text, ':') || !read_digits(text, 2, &second))
        return false;
    *s = hour * 3600 + minute * 60 + second;
    return hour <= 23 && minute <= 59 && second <= 60;
}

enum err time_parse(struct bytes text, int64_t *s, uint32_t *ns)
{
    int64_t days, of_day;
    int32_t offset_s;
    if (!read_date(&text, &days) ||
        (!read_char(&text, 'T') && !read_char(&text, 't') && !read_char(&text, ' ')) ||
        !read_clock(&text, &of_day) || !read_fraction(&text, ns) ||
        !read_offset(&text, &offset_s) || text.size > 0)
        return ERR_INVALID;
    int64_t at = days * 86400 + of_day - offset_s;
    if (at < TIME_LEAST_S || at > TIME_MOST_S)
        return ERR_INVALID;
    *s = at;
    return ERR_OK;
}

enum err time_parse_ms(struct bytes text, int64_t *ms)
{
    int64_t s;
    uint32_t ns;
    enum err err = time_parse(text, &s, &ns);
    if (err == ERR_OK)
        *ms = s * 1000 + ns / 1000000;
    return err;
}

/* "2026-11-24T13:21:00.000" */
static char *put_civil(char *at, int64_t ms)
{
    struct civil c =
        civil_of_ms(i64_max(TIME_LEAST_S * 1000, i64_min(ms, TIME_MOST_S * 1000 + 999)));
    at = put_two_digits(at, (uint32_t)c.year / 100);
    at = put_two_digits(at, (uint32_t)c.year % 100);
    *at++ = '-';
    at = put_two_digits(at, c.month);
    *at++ = '-';
    at = put_two_digits(at, c.day);
    *at++ = 'T';
    at = put_two_digits(at, c.hour);
    *at++ = ':';
    at = put_two_digits(at, c.minute);
    *at++ = ':';
    at = put_two_digits(at, c.second);
    *at++ = '.';
    *at++ = (char)('0' + c.ms / 100);
    return put_two_digits(at, c.ms % 100);
}

void time_write(struct writer *w, int64_t ms)
{
    char text[32];
    char *at = put_civil(text, ms);
    *at++ = 'Z';
    write_bytes(w, text, (size_t)(at - text));
}

char *time_put(struct time_texts *texts, char at[TIME_TEXT_SIZE], int64_t ms)
{
    uint64_t s = (uint64_t)i64_max(0, i64_min(ms, TIME_MOST_S * 1000 + 999)) / 1000;
    uint32_t of_second = (uint32_t)((uint64_t)i64_max(0, ms) % 1000);
    char *text = texts->of[s % TIME_TEXTS].text;
    if (texts->of[s % TIME_TEXTS].key != (int64_t)s + 1) {
        texts->of[s % TIME_TEXTS].key = (int64_t)s + 1;
        *put_civil(text, (int64_t)s * 1000) = 'Z';
    }
    memcpy(at, text, TIME_TEXT_SIZE);
    at[TIME_TEXT_SIZE - 4] = (char)('0' + of_second / 100);
    put_two_digits(at + TIME_TEXT_SIZE - 3, of_second % 100);
    return at + TIME_TEXT_SIZE;
}

void time_write_offset(struct writer *w, int64_t ms, int32_t offset_s)
{
    CHECK(offset_s > -86400 && offset_s < 86400);
    char text[32];
    char *at = put_civil(text, ms + (int64_t)offset_s * 1000);
    uint32_t minutes = (uint32_t)(offset_s < 0 ? -offset_s : offset_s) / 60;
    *at++ = offset_s < 0 ? '-' : '+';
    at = put_two_digits(at, minutes / 60);
    *at++ = ':';
    at = put_two_digits(at, minutes % 60);
    write_bytes(w, text, (size_t)(at - text));
}
