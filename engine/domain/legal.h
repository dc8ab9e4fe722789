/* Legal hours for marketing, by the calling code of the number: a table with its
 * sources, data/legal-hours.csv, and the holidays of data/holidays.csv. */
#pragma once

#include "base/base.h"
#include "base/bytes.h"
#include "carillon/v1/common.pb-c.h"

struct legal_day {
    uint16_t open_minute, close_minute; /* open [open, close); equal: closed all day */
};

struct legal_hours {
    const char *country; /* the row: "FR", "US" */
    Carillon__V1__Channel channel;
    struct legal_day days[7]; /* Monday first */
    const char *holidays;     /* whose holidays are closed; NULL: none */
};

/* The row for a number in normal form and a channel; NULL: no legal hours. */
const struct legal_hours *legal_find(struct bytes number, Carillon__V1__Channel channel);
/* The hours of one day (days since 1970), holidays seen to. */
struct legal_day legal_day_of(const struct legal_hours *legal, int64_t day);
/* Whether the day is a holiday of that country ("FR"). */
bool legal_is_holiday(const char *country, int64_t day);
/* Days since 1970 of Easter Sunday. */
int64_t legal_easter(int32_t year);
