/* What the calendar holds: each deferral is counted, once it is acknowledged, for the slot in
 * which it is due, by kind, route and time to expiry (domain/release). The counts of some
 * turns go to Redis together; what a crash, a full table or a lost answer loses is missing in
 * the forecast and nowhere else.
 *
 * Not to be noted again: a far record's copy into the ring. */
#pragma once

#include "domain/deferral.h"
#include "domain/release.h"
#include "io/redis.h"

enum { FORECAST_ROWS = 256, FORECAST_PLACES = 1024 };

struct forecast_row {
    int64_t slot;
    char kind[32], route[RELEASE_NAME_MAX];
    uint32_t bucket;
    uint64_t count, segments;
};

struct forecast {
    struct redis *redis;
    struct ring ring;
    struct redis_waiter waiter;
    struct forecast_row rows[FORECAST_ROWS];
    uint16_t places[FORECAST_PLACES]; /* by hash: a row + 1; 0: none */
    uint32_t count;
    uint64_t due_ns; /* when the rows go */
    uint64_t lost;   /* deferrals that no row had room for, and counts that Redis refused */
};

/* `ring`: the one that is written to. */
void forecast_init(struct forecast *forecast, struct redis *redis, const struct ring *ring);

/* `route` empty, `segments` 0: nothing was judged yet. `due_ms`: the event's, also where a
 * far record is parked for an earlier day. `expires_ms` 0: not known. */
void forecast_note(struct forecast *forecast, struct bytes kind, struct bytes route, int64_t due_ms,
                   int64_t expires_ms, uint32_t segments);

/* Whether a deferral to `due_ms` is to be noted: what hops inside a slot, behind a closed route,
 * was counted there when it came. `was`: the deferral that it came from; NULL: none. */
bool forecast_is_new(const struct forecast *forecast, const struct deferral *was, int64_t due_ms);

/* Each turn: writes what was noted, now and then. */
void forecast_turn(struct forecast *forecast, uint64_t now_ns);
/* When it wants its next turn; UINT64_MAX: nothing is to be written. */
uint64_t forecast_next_ns(const struct forecast *forecast);
