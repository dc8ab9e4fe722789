/* Jobs that wait: for their time (in the wheel) or for a slot (in their route's queue).
 * Slots are reserved ahead in Redis, in blocks, and no more legs are released than their
 * limits hold slots and their accounts have places: a claim promises a send.
 *
 * Deferral beyond the horizon is not here yet: what is due later waits in the wheel. */
#pragma once

#include "base/metrics.h"
#include "io/redis.h"
#include "stage/claims.h"
#include "stage/job.h"
#include "stage/route.h"

struct schedule_options {
    struct jobs *jobs;
    struct routes *routes;
    struct redis *redis;
    struct claims *claims; /* Redis's clock and the gate */
    struct metrics *metrics;
    uint64_t reserve_ahead_ns; /* 20-100 ms of slots at a time */
};

struct schedule {
    struct schedule_options options;
    struct wheel wheel;
    struct redis_waiter waiter;
    struct list unrouted; /* due, with no route to be chosen yet: C3 is open */
    uint64_t now_ns;
};

void schedule_init(struct schedule *s, const struct schedule_options *options, uint64_t now_ns);

/* Jobs wait until their due_ns (job->wait says why); those that are due wait for slots.
 * A leg that no route carries comes back in `refused` with its end. */
void schedule_put(struct schedule *s, struct list *jobs, struct list *refused);

/* What may go on: `due` to admission (at most `room`), `again` to be judged anew,
 * `refused` with their end (expired while they waited). Asks Redis for the slots that
 * are wanted. */
void schedule_take(struct schedule *s, uint64_t now_ns, uint32_t room, struct list *due,
                   struct list *again, struct list *refused);

/* When the next turn is wanted at the latest. */
uint64_t schedule_next_ns(const struct schedule *s);

/* Since when the first of the queues waits for its slot; 0: none does. */
int64_t schedule_oldest_ms(const struct schedule *s);

/* Takes out waiting jobs that hold no claim: those of revoked events, or all (draining:
 * their records are read again by others). */
void schedule_drop(struct schedule *s, bool all, struct list *out);
