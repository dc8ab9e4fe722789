/* Once only (O1, O2) and caps (C9): under which key a leg meets others. Who keeps the keys
 * differs - Redis for the worker, a table for one run of `explain` -, what they are made
 * of does not: it is written here, as bytes to be hashed. */
#pragma once

#include "base/bytes.h"
#include "domain/judge.h"

enum {
    ONCE_NAME_MAX = 768, /* the longest of the names below */
    ONCE_KEY_SIZE = 37,  /* o1:{32 hex digits} */
};

/* The dedup key: the event's own id where it has none. */
struct bytes once_dedup_key(const Carillon__V1__Event *event);
/* Until when an end at `end_ms` keeps repetitions away (O1). */
int64_t once_window_end_ms(const struct judge *rules, int64_t end_ms, int64_t expires_ms);

enum once_part {
    ONCE_NONE,   /* O2 says nothing about this leg */
    ONCE_KEEPS,  /* a reminder: where it goes, no additional one does */
    ONCE_YIELDS, /* an additional reminder */
};
/* The part of the case's legs in O2. */
enum once_part once_part_of(const struct judge_case *c);
/* Both parts meet where tenant, booking, revision, the minute of the effective due time,
 * channel and address are the same. For legs with a part. */
void once_meeting_name(const struct judge_case *c, const struct leg *leg, struct writer *out);
/* Whose messages a cap counts, of which class: the customer's, else the address's. */
void once_cap_name(const struct judge_case *c, const struct leg *leg, struct writer *out);

/* The same as Redis keys, o1:{...} and f1:{...}, and how long the first one lives from now. */
void once_meeting_key(const struct judge_case *c, const struct leg *leg, char out[ONCE_KEY_SIZE]);
int64_t once_meeting_ttl_ms(const struct judge_case *c, const struct leg *leg);
void once_cap_key(const struct judge_case *c, const struct leg *leg, char out[ONCE_KEY_SIZE]);
