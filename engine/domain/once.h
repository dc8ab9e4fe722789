/* Once only (O1, O2): under which key a leg meets others of its kind. Who keeps the keys
 * differs - Redis for the worker, a table for one run of `explain` -, what they are of
 * does not. */
#pragma once

#include "base/bytes.h"
#include "domain/judge.h"

/* The dedup key: the event's own id where it has none. */
struct bytes once_dedup_key(const Carillon__V1__Event *event);
/* Until when an end at `end_ms` keeps repetitions away (O1). */
int64_t once_window_end_ms(const struct judge *rules, int64_t end_ms, int64_t expires_ms);

enum once_part {
    ONCE_NONE,   /* O2 says nothing about this leg */
    ONCE_KEEPS,  /* a reminder: where it goes, no additional one does */
    ONCE_YIELDS, /* an additional reminder */
};
/* The part of a leg of the case in O2. Both parts meet where tenant, booking, revision,
 * the minute of once_minute, channel and address are the same. */
enum once_part once_part_of(const struct judge_case *c);
int64_t once_minute(const struct leg *leg); /* effective due time, in UTC minutes */
