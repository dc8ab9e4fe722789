/* The civil calendar (UTC, proleptic Gregorian) and RFC 3339, without libc's zones.
 * Milliseconds count from 1970-01-01T00:00:00Z; years 1 to 9999. */
#pragma once

#include "base/bytes.h"
#include "base/err.h"

#define TIME_LEAST_S INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */
#define TIME_MOST_S INT64_C(253402300799)  /* 9999-12-31T23:59:59Z */
#define TIME_DAY_MS INT64_C(86400000)

struct civil {
    int32_t year;
    uint8_t month, day; /* from 1 */
    uint8_t hour, minute, second;
    uint16_t ms;
};

/* Days since 1970-01-01 of a date; month and day may be out of range by what civil
 * arithmetic makes of it only where they are 1 to 12 and any day. */
int64_t civil_days(int32_t year, uint32_t month, int32_t day);
uint8_t civil_weekday(int64_t days); /* 0 is Monday */
uint8_t civil_month_days(int32_t year, uint32_t month);

int64_t civil_to_ms(const struct civil *civil);
struct civil civil_of_ms(int64_t ms);

/* Any offset, any number of fractional digits (beyond nanoseconds cut). A second of
 * 60 is the next minute's first. `*ns` is 0 to 999,999,999, also before 1970. */
MUST_USE enum err time_parse(struct bytes text, int64_t *s, uint32_t *ns);
MUST_USE enum err time_parse_ms(struct bytes text, int64_t *ms); /* rounded down */

/* "2026-11-24T13:21:00.000Z"; out of range is cut to the range. */
void time_write(struct writer *w, int64_t ms);
/* The same, for times that are mostly of few seconds: a date costs more than all else about
 * it. Begins zeroed. Returns the end; times before 1970 are cut to it. */
enum { TIME_TEXT_SIZE = 24, TIME_TEXTS = 8 };
struct time_texts {
    struct {
        int64_t key; /* the second + 1; 0: none */
        char text[TIME_TEXT_SIZE];
    } of[TIME_TEXTS];
};
char *time_put(struct time_texts *texts, char at[TIME_TEXT_SIZE], int64_t ms);
/* The same instant with an offset: "...+01:00". */
void time_write_offset(struct writer *w, int64_t ms, int32_t offset_s);
