/* A record of a state topic as Redis's cache takes it: for the follower, which applies the
 * topics, and for the commands that write one and wait until it is in force. */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "io/redis.h"

enum state_topic { TOPIC_SUPPRESSIONS, TOPIC_BOOKINGS, TOPIC_TENANTS, STATE_TOPIC_COUNT };
extern const char *const state_topic_names[STATE_TOPIC_COUNT]; /* without the prefix */

enum { STATE_WIRE_MAX = 4 * 1024 * 1024 };

struct state_record {
    enum state_topic topic;
    struct bytes key, value; /* value.at NULL: what it said is removed */
    int64_t offset, timestamp_ms;
};

/* The value as protobuf, however it was written; `at` NULL where it removes. Of a booking only
 * what is kept. ERR_INVALID: the record cannot be understood and says nothing; `why` is static. */
MUST_USE enum err state_wire(const struct state_record *record, struct arena *arena,
                             struct bytes *wire, const char **why);

/* Appends what Redis has to do; returns how many replies will come. */
uint32_t state_append(struct redis_sync *redis, const struct state_record *record,
                      struct bytes wire, int64_t now_ms);
/* Takes so many replies; false: one of them is an error or the connection broke, and `why`
 * says what. All are taken where it did not break. */
MUST_USE bool state_confirm(struct redis_sync *redis, uint32_t replies, char why[REDIS_WHY_SIZE]);
