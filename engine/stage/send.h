/* Calls to providers: an admitted job gets a connection, then its slots, then its
 * request; the answer becomes a verdict, and the verdict an end or another wait. Which
 * kernel bytes were taken decides what may be repeated (reference: the retry table).
 *
 * Rendering happens here, right before the call, into one scratch arena: http copies. */
#pragma once

#include "base/metrics.h"
#include "stage/claims.h"
#include "stage/job.h"
#include "stage/route.h"

struct send_options {
    struct jobs *jobs;
    struct routes *routes;
    struct redis *redis; /* cool-downs are the fleet's */
    struct claims *claims;
    struct metrics *metrics;
    uint64_t check_ttl_ns;        /* 250 ms: state is read again after it */
    uint64_t request_deadline_ns; /* of a call */
    uint32_t max_attempts;        /* 10: temporary or throttled answers */
    uint64_t retry_least_ms, retry_most_ms;
    size_t request_max; /* bytes of a rendered request */
    uint64_t seed;      /* jitter */
};

struct call {
    struct list_node node;
    struct http_call http;
    struct send *send;
    struct job *job;
    uint64_t slot_ns; /* the last one that it used; 0: its route has no limit */
};

struct send {
    struct send_options options;
    struct call *calls;
    uint32_t calls_max;
    struct list free;
    struct list answered; /* of struct call */
    struct redis_waiter cooled;
    struct http_request request; /* in the making */
    char *scratch;
    uint64_t random;
    uint64_t next_ns; /* the next slot that a ready job waits for */
};

MUST_USE bool send_init(struct send *send, const struct send_options *options);
void send_deinit(struct send *send);

/* Jobs with a claim (JOB_ADMITTING). */
void send_put(struct send *send, struct list *ready);

/* Starts what has connection and slots. `again`: too long since admission, due at once;
 * `release`: its route closed meanwhile; `done`: cannot be rendered. */
void send_start(struct send *send, uint64_t now_ns, struct list *again, struct list *release,
                struct list *done);

/* Judges answers. `done`: with their end; `release`: not accepted, their claim is to be
 * given back before they wait until due_ns; `again`: sent perhaps, allowed once more. */
void send_take(struct send *send, uint64_t now_ns, struct list *done, struct list *release,
               struct list *again);

/* Ready jobs of revoked partitions, whose claim is to be given back. */
void send_drop_revoked(struct send *send, struct list *release);

/* Walks the jobs whose calls are out since before `since_ns`, from *at = 0 on; NULL: no more. */
struct job *send_next_out(const struct send *send, uint64_t since_ns, uint32_t *at);

uint64_t send_next_ns(const struct send *send);
