/* Time zones: the system's tzdata. A name is known when tzdata's own list has it, byte
 * by byte; what the library would also take (paths, `posix/...`, `localtime`, offsets,
 * POSIX strings) is not. A zone is read at its first use and never changes after that;
 * all functions may be called from any thread. Open it once per process.
 *
 * The only file that knows GLib is zones.c. */
#pragma once

#include "base/arena.h"
#include "base/base.h"
#include "base/bytes.h"

struct zones;
struct zone;

/* NULL when tzdata is not installed or its list cannot be read. */
struct zones *zones_open(void);
void zones_close(struct zones *zones);
uint32_t zones_count(const struct zones *zones);
struct bytes zones_name_at(const struct zones *zones, uint32_t index); /* for walks over all */
struct bytes zones_version(const struct zones *zones);                 /* "2026f" */

/* NULL: unknown. The zone lives as long as `zones`. */
const struct zone *zone_find(struct zones *zones, struct bytes name);
struct bytes zone_name(const struct zone *zone);

/* One stretch of time in which the offset from UTC stays: [from_ms, until_ms). */
struct zone_span {
    int64_t from_ms, until_ms; /* INT64_MIN, INT64_MAX where nothing changes */
    int32_t offset_s;
};
struct zone_span zone_span_at(const struct zone *zone, int64_t utc_ms);
int32_t zone_offset_s(const struct zone *zone, int64_t utc_ms);
int64_t zone_wall_ms(const struct zone *zone, int64_t utc_ms);
int64_t zone_next_transition_ms(const struct zone *zone, int64_t utc_ms); /* INT64_MAX: none */

/* The instant at which the wall clock shows `wall_ms`: the first or the last of them
 * where it does so twice; the first instant after the gap where it never does. */
int64_t zone_first_ms(const struct zone *zone, int64_t wall_ms);
int64_t zone_last_ms(const struct zone *zone, int64_t wall_ms);

/* Zones that must agree. One zone is a set of one: ZONE_SET_OF(&zone). */
struct zone_set {
    const struct zone *const *at;
    uint32_t count;
};
#define ZONE_SET_OF(pointer_to_zone) ((struct zone_set){(pointer_to_zone), 1})

/* All zones of the countries: ISO codes of two letters joined by `+` ("CA+US"), from
 * tzdata's zone.tab. Empty when no country is known or the arena is full. */
struct zone_set zones_of_countries(struct zones *zones, struct bytes countries,
                                   struct arena *arena);
/* Whether all of them show the same time at that instant; the offset is the first one's. */
bool zone_set_same_offset(struct zone_set set, int64_t utc_ms, int32_t *offset_s);
