/* Where legs leave: limits, provider accounts and routes of a shard, shared by the
 * stages schedule and send. A route = account x sender x channel; a limit is what
 * Redis grants slots for, of a route or of an account over all its routes.
 *
 * Every job between schedule and its call holds a promise: its segments in each limit of
 * its route and one place in its account, so that no more legs are claimed than can be
 * started. route_promise and route_unpromise are the only way to count them. */
#pragma once

#include "base/slots.h"
#include "domain/adapter.h"
#include "io/http.h"
#include "stage/job.h"

enum { ROUTE_LIMITS_MAX = 2 };

struct limit {
    const char *key;      /* s1:{name} */
    const char *cool_key; /* s1:{name}:cool */
    uint64_t interval_us;
    struct slots slots;
    uint32_t promised;      /* slots that jobs on their way will use */
    uint32_t wanted;        /* slots that queued jobs would use */
    uint32_t pace;          /* slots that jobs took in the last whole window of reservation ... */
    uint32_t taken;         /* ... and in this one */
    bool open;              /* a route of it takes calls */
    bool asking;            /* a reservation is under way */
    uint64_t ask_ns;        /* not before: Redis said so, or it failed */
    uint64_t cool_until_ns; /* the fleet lets it rest, says Redis */
    uint64_t reserved;      /* since start */
};

struct account { /* at a provider */
    const char *name;
    uint32_t index; /* label of metrics */
    const struct adapter *adapter;
    struct http_origin *origin;
    uint32_t in_flight_max, in_flight;
    uint32_t promised; /* jobs on their way to a call */
    int64_t idempotency_window_ms;
};

/* How fast legs leave a route's queue, and what is booked of it (stage/schedule). */
struct route_pace {
    uint64_t window_ns; /* measured since */
    uint32_t released;  /* units, since then */
    bool idle;          /* the queue was empty meanwhile */
    bool crowded;       /* or its account full */
    uint64_t granted;   /* by the slowest of its limits, until then */
    uint64_t unit_ns;   /* what a unit takes; 0: not known */
    uint64_t booked_ns; /* until then by legs that were deferred */
};

/* Due legs that wait for slots: urgent ones go first, the others half and half while both
 * wait. */
enum {
    QUEUE_URGENT,
    QUEUE_ON_TIME,
    QUEUE_LEFT_OVER, /* of an outage: their slot of the ring is over */
    QUEUE_COUNT
};

struct route {
    const char *name;
    uint32_t index;
    Carillon__V1__Channel channel;
    struct account *account;
    struct limit *limits[ROUTE_LIMITS_MAX];
    uint32_t limit_count;
    struct bytes from, from_name, reply_to;
    const char *const *countries; /* none: all */
    uint32_t country_count;
    uint64_t closed_until_ns; /* throttled, or the sender is refused: local part of a cool-down */
    enum reason closed_by;    /* REASON_COOL_DOWN, REASON_BREAKER */
    bool trial;               /* it was closed, and nothing got through since */
    uint32_t doubts;          /* calls of unknown fate, less those that were answered well */
    uint64_t backoff_ns;      /* of the breaker: doubles up to 5 min */
    struct list queue[QUEUE_COUNT];
    int32_t lead;           /* units that left from ON_TIME more than from LEFT_OVER */
    uint32_t wanted;        /* units in them, and of legs that wait beside one of another route */
    struct event *favoured; /* of those that wait here with promises of other routes, the one */
    struct route_pace pace;
    struct list ready; /* admitted, waiting for connection and slot */
};

struct routes {
    struct limit *limits;
    struct account *accounts;
    struct route *all;
    uint32_t limit_count, account_count, count;
};

static inline uint32_t route_units(const struct job *job)
{
    return job->leg && job->leg->segments > 0 ? job->leg->segments : 1;
}

static inline void limit_take(struct limit *limit, uint32_t units)
{
    limit->promised += units;
    limit->taken += units;
}

static inline void route_promise(struct job *job)
{
    CHECK(job->slots_promised == 0);
    struct route *route = job->route;
    job->slots_promised = route_units(job);
    for (uint32_t i = 0; i < route->limit_count; i++)
        limit_take(route->limits[i], job->slots_promised);
    route->account->promised++;
}

static inline void route_unpromise(struct job *job)
{
    if (job->slots_promised == 0)
        return;
    struct route *route = job->route;
    CHECK(route->account->promised > 0);
    for (uint32_t i = 0; i < route->limit_count; i++) {
        CHECK(route->limits[i]->promised >= job->slots_promised);
        route->limits[i]->promised -= job->slots_promised;
    }
    route->account->promised--;
    job->slots_promised = 0;
}

/* A job that waits for its route, and one that does no more. */
static inline void route_want(struct job *job)
{
    job->route->wanted += route_units(job);
    for (uint32_t i = 0; i < job->route->limit_count; i++)
        job->route->limits[i]->wanted += route_units(job);
}

static inline void route_unwant(struct job *job)
{
    CHECK(job->route->wanted >= route_units(job));
    job->route->wanted -= route_units(job);
    for (uint32_t i = 0; i < job->route->limit_count; i++) {
        CHECK(job->route->limits[i]->wanted >= route_units(job));
        job->route->limits[i]->wanted -= route_units(job);
    }
}

/* The same in its route's queue. */
static inline void route_queue(struct job *job, struct list *queue)
{
    route_want(job);
    list_push(queue, &job->node);
}

static inline void route_unqueue(struct job *job, struct list *queue)
{
    route_unwant(job);
    list_remove(queue, &job->node);
}

static inline uint32_t route_queued(const struct route *route)
{
    uint32_t count = 0;
    for (int i = 0; i < QUEUE_COUNT; i++)
        count += route->queue[i].count;
    return count;
}

/* Closed until then, unless it already is for longer. What cannot get through is on trial
 * when it opens. */
static inline void route_close(struct route *route, uint64_t until_ns, enum reason why)
{
    route->trial = route->trial || why == REASON_BREAKER;
    if (until_ns <= route->closed_until_ns)
        return;
    route->closed_until_ns = until_ns;
    route->closed_by = why;
}

/* The breaker opens: for 5 s, then twice as long each time until something gets through, at
 * most 5 min. Says for how long; 0: it is closed already, of the calls that were out together
 * the first did it. */
uint64_t route_break(struct route *route, uint64_t now_ns);
/* A call whose fate nobody knows: no answer, or a failure of the provider. Where most end like
 * that, the breaker opens: each is a message that may come twice, or never be told of. */
void route_doubt(struct route *route, uint64_t now_ns);
/* An answer about the message. */
void route_trust(struct route *route);

/* The first route that carries the leg; NULL: none is configured. */
struct route *route_of(const struct routes *routes, const struct leg *leg);
