/* The calendar as `d1` in Redis tells it: what was deferred for a slot, by kind and route; and
 * the limits that its release meets. For `deferred` and for the worker's forecast. */
#pragma once

#include "adapters.h"
#include "config.h"
#include "domain/release.h"
#include "io/redis.h"

/* Limits as routes reserve them; borrows names from the config. Memory is malloc'd. */
struct release *calendar_limits(const struct config *config, const struct adapters *adapters);
void calendar_limits_free(struct release *release);

enum { CALENDAR_ROWS_MAX = 256 };

struct calendar_row {
    char kind[32], route[RELEASE_NAME_MAX];
    double count, segments;
    struct {
        double count, segments;
    } buckets[RELEASE_BUCKETS];
};
struct calendar_slot {
    struct calendar_row *rows; /* CALENDAR_ROWS_MAX of them */
    uint32_t row_count;
    double count; /* of all rows, and of what found no row */
};
void calendar_slot_init(struct calendar_slot *slot);
void calendar_slot_clear(struct calendar_slot *slot);
void calendar_slot_free(struct calendar_slot *slot);

/* Adds what Redis has of a slot. False: Redis does not answer, or refuses. */
MUST_USE bool calendar_read(struct redis_sync *redis, int64_t slot_ms, int64_t slot,
                            struct calendar_slot *out);
/* Into the release's slot in the making, `scale` times as much. */
void calendar_charge(const struct calendar_slot *slot, double scale, struct release *release);
