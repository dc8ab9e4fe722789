/* Jobs that wait: for their time (in the wheel) or for a slot (in their route's queue).
 * Slots are reserved ahead in Redis, in blocks, and no more legs are released than their
 * limits hold slots and their accounts have places: a claim promises a send. The legs of one
 * event that are due are released together the first time, so that one look at the state
 * decides about all of them.
 *
 * What waits longer than the horizon goes to Kafka (job->defer says until when and why), and so
 * does what is due and has no slot soon: nothing that waits here may hold up a commit. While
 * the clock is held nothing is deferred. */
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
    uint64_t horizon_ns;       /* what is due later is deferred */
    uint64_t hold_ns;          /* and what is due, but has no slot so soon */
    uint64_t min_delay_ns, backoff_least_ns, backoff_most_ns; /* until when it is, then */
    uint64_t seed;
};

struct schedule {
    struct schedule_options options;
    struct wheel wheel;
    struct redis_waiter waiter;
    struct list unrouted;    /* due, with no route to be chosen yet: C3 is open */
    struct list leaderless;  /* events, while their legs are put into queues */
    uint64_t now_ns;         /* of this turn */
    struct ring_clock clock; /* the same instant */
    uint64_t pace_ns;        /* when the window of its measuring ends */
    uint64_t open_ns;        /* since when legs may go and be deferred; 0: they may not */
    uint64_t random;
};

/* Where jobs go on from here. */
struct schedule_out {
    struct list due;      /* to admission */
    struct list again;    /* to be judged anew */
    struct list refused;  /* with their end */
    struct list later;    /* to be deferred; they hold no claim */
    struct list release;  /* to give back their claim, and to come back */
    struct list replaced; /* they hold no claim, and their stand-in goes on in their place */
};

void schedule_init(struct schedule *s, const struct schedule_options *options, uint64_t now_ns);

/* Each turn, first. */
void schedule_turn(struct schedule *s, uint64_t now_ns, struct ring_clock clock);

/* Jobs wait until their due_ns (job->wait says why); those that are due wait for slots.
 * `later`, `release`: those that wait too long for memory; `refused`: a leg that no route
 * carries; `replaced`: a stand-in waits for them. */
void schedule_put(struct schedule *s, struct list *jobs, struct schedule_out *out);

/* What may go on: `due` (at most `room`), `again`, `refused` (expired while they waited),
 * `later`, `release`. Asks Redis for the slots that are wanted. */
void schedule_take(struct schedule *s, uint32_t room, struct schedule_out *out);

/* When the next turn is wanted at the latest. */
uint64_t schedule_next_ns(const struct schedule *s);

/* Since when the first of the queues waits for its slot; 0: none does. */
int64_t schedule_oldest_ms(const struct schedule *s);

/* Takes out waiting jobs that hold no claim: those of revoked events, or all (draining:
 * their records are read again by others). */
void schedule_drop(struct schedule *s, bool all, struct list *out);
