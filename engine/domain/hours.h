/* When sending is closed: quiet windows of the wall clock, and legal hours. Windows are
 * closed [start, end), daily, over midnight where end <= start. A message waits until
 * every window is over and the legal hours are open in every zone of the set.
 *
 * Around clock changes: a start or an end that the clock skips is the first instant
 * after the gap; one that comes twice counts in the way that keeps closed longest (the
 * first for a start, the second for an end). Legal hours the other way round. */
#pragma once

#include "base/err.h"
#include "domain/legal.h"
#include "domain/zones.h"

#define HOURS_NEVER INT64_MAX

struct hours_window {
    uint16_t start_minute; /* 0 ... 1439 */
    uint16_t end_minute;   /* 0 ... 1440; never equal to the start */
};

struct hours {
    const struct hours_window *windows; /* all apply */
    uint32_t window_count;
    const struct legal_hours *legal; /* NULL: none */
};

/* "22:00"; 24:00 only for an end. ERR_INVALID for all else; start = end is for the
 * caller to judge, with hours_window_is_empty. */
MUST_USE enum err hours_minute_parse(struct bytes text, bool is_end, uint16_t *minute);
/* No window at all: start = end, where 24:00 as an end is not 00:00. */
static inline bool hours_window_is_empty(struct hours_window w)
{
    return w.start_minute == w.end_minute;
}

bool hours_closed_at(const struct hours *hours, struct zone_set zones, int64_t utc_ms);
/* The earliest instant >= from that is open; HOURS_NEVER where that is not before limit. */
int64_t hours_next_open_ms(const struct hours *hours, struct zone_set zones, int64_t from_ms,
                           int64_t limit_ms);
/* The earliest instant >= from that is closed (from itself when it is); HOURS_NEVER where
 * nothing ever closes. */
int64_t hours_next_close_ms(const struct hours *hours, struct zone_set zones, int64_t from_ms);
