/* The demo's sample: bookings of twelve businesses, in French and English, as an upstream
 * system would write them (JSON), with what goes wrong in life: records that come twice,
 * opted-out and invalid numbers, cancelled bookings, switched-off kinds. Everything
 * follows from the seed and a booking's number, but the times: all is due now. */
#pragma once

#include "base/bytes.h"

struct zones;

enum sample_topic {
    SAMPLE_EVENTS,
    SAMPLE_URGENT,
    SAMPLE_SUPPRESSIONS,
    SAMPLE_BOOKINGS,
    SAMPLE_TENANTS,
    SAMPLE_TOPIC_COUNT
};
extern const char *const sample_topic_names[SAMPLE_TOPIC_COUNT];

enum { SAMPLE_ZONES_MAX = 32, SAMPLE_KEY_MAX = 256, SAMPLE_VALUE_MAX = 2048, SAMPLE_FACTS_MAX = 2 };

struct sample {
    const char *zones[SAMPLE_ZONES_MAX]; /* where it is between 9:00 and 17:00 now */
    uint32_t zone_count;
};

struct sample_record {
    enum sample_topic topic;
    struct bytes key, value; /* in `memory` */
    char memory[SAMPLE_KEY_MAX + SAMPLE_VALUE_MAX];
};

/* False: tzdata lacks the zones. */
MUST_USE bool sample_open(struct sample *sample, struct zones *zones, int64_t now_ms);

uint32_t sample_tenant_count(void);
void sample_tenant(uint32_t index, struct sample_record *out);

/* What is known about the customer and the booking `index` before its message comes;
 * returns how many records that is. */
uint32_t sample_facts(uint32_t index, struct sample_record out[SAMPLE_FACTS_MAX]);

/* The message of the booking, due at `now_ms`. */
void sample_event(const struct sample *sample, uint32_t index, int64_t now_ms,
                  struct sample_record *out);
/* Whether the record comes a second time. */
bool sample_comes_twice(uint32_t index);
