/* What waits for a slot of the ring, by kind, route and time to expiry, as `d1` keeps it in
 * Redis; and what follows from it: how long the slot's release takes at the limits, and how
 * many will miss their expiry. An estimate: deferrals are counted when they are acknowledged,
 * and what fires, ends or is deferred again is not taken off. */
#pragma once

#include "base/bytes.h"
#include "domain/kinds.h"
#include "domain/ring.h"

/* Time from due to expiry in whole seconds, four buckets a power of two; the last one: it is
 * not known, or never. */
enum {
    RELEASE_BUCKETS = 104,
    RELEASE_BUCKET_UNKNOWN = RELEASE_BUCKETS - 1,
    RELEASE_KEY_MAX = 48,
    RELEASE_NAME_MAX = 64, /* of a route; a longer one counts as none */
    RELEASE_FIELD_MAX = 128,
};
uint32_t release_bucket(int64_t slack_ms);
int64_t release_bucket_ms(uint32_t bucket); /* the least slack in it */

/* d1:{slot ms/slot}: a hash. One ring after the slot it goes. */
void release_write_key(struct writer *w, int64_t slot_ms, int64_t slot);
/* Its fields, two a row: n|kind|route|bucket holds how many, s|kind|route|bucket their
 * segments (0 where they are not known yet: nothing was judged). */
struct release_field {
    bool segments; /* else how many */
    struct bytes kind, route;
    uint32_t bucket;
};
void release_write_field(struct writer *w, const struct release_field *field);
/* A stranger's text. False: it is none of ours. */
bool release_parse_field(struct bytes text, struct release_field *out);

/* Where legs leave: a lane is a limit, of a route or of an account over its routes. */
struct release_account {
    struct bytes name;
    double per_second; /* segments; 0: no limit */
};
struct release_route {
    struct bytes name;
    Carillon__V1__Channel channel;
    uint32_t account;
    double per_second;
};

struct release_lane {
    double backlog; /* segments that earlier slots left */
    double miss;    /* of the slot that was closed last */
    double count[RELEASE_BUCKETS], segments[RELEASE_BUCKETS];
};

/* The caller's memory: a lane per route, then one per account. */
struct release {
    const struct release_route *routes;
    const struct release_account *accounts;
    uint32_t route_count, account_count;
    struct release_lane *lanes;
};
#define RELEASE_NOTHING_BINDS UINT32_MAX

struct release_row {
    struct bytes kind, route; /* route: empty where none is chosen */
    uint32_t bucket;
    double count, segments;
};
/* Into the slot in the making. What has no route yet is charged one segment each to the first
 * route of each channel that its kind may take: at most so many go. */
void release_add(struct release *release, const struct release_row *row);

struct release_result {
    double clear_s; /* max over limits of segments / (0.95 x limit) */
    double miss;    /* messages that expire before their turn */
    uint32_t binds; /* the lane; RELEASE_NOTHING_BINDS: nothing waits at a limit */
};
/* The slot is complete: what comes of it, everything due at its start and the earliest expiry
 * first. What it leaves after `slot_ms` burdens the next; lanes are empty for that. */
struct release_result release_close(struct release *release, int64_t slot_ms);
/* The name of the limit that binds: a route's, or account:NAME. */
void release_write_lane(struct writer *w, const struct release *release, uint32_t lane);
