/* What is in hand: an event is one record, a job is one of its legs on its way from
 * record to outcome. An event without legs keeps one job, which tells its refusal.
 *
 * Both live in fixed pools of the shard. The event's offset completes and its memory
 * goes when its last job closed. Stages own jobs through their lists: a job is in
 * exactly one list (or in the wheel, or out with a call) at any time. */
#pragma once

#include "base/arena.h"
#include "base/list.h"
#include "base/wheel.h"
#include "domain/claim.h"
#include "domain/judge.h"
#include "io/http.h"

enum job_state {
    JOB_FREE,      /* in the pool, no meaning */
    JOB_FRESH,     /* made from a record, not judged */
    JOB_JUDGED,    /* legs, addresses and due time known */
    JOB_WAITING,   /* not due, no slot or no room yet: in schedule */
    JOB_ADMITTING, /* asks Redis: state, claim */
    JOB_SENDING,   /* ours alone; its call is out or about to be */
    JOB_SETTLING,  /* has its end; held until claim and outcome are acknowledged */
    JOB_STATE_COUNT
};

/* Why a job waits, for the on-call engineer. */
enum wait_reason {
    WAIT_NONE,
    WAIT_DUE_LATER,
    WAIT_QUIET_HOURS,
    WAIT_SLOT,
    WAIT_CLAIMED_ELSEWHERE,
    WAIT_RETRY,
    WAIT_REDIS, /* the gate is shut, or Redis is away */
    WAIT_REASON_COUNT
};

/* How a job ends: filled by whoever decides it, told by settle. */
struct job_end {
    Carillon__V1__OutcomeKind outcome; /* UNSPECIFIED: not decided */
    enum reason reason;
    const char *detail;               /* static or in the event's arena; NULL */
    struct bytes provider_message_id; /* in the event's arena */
    bool dup_risk;
    bool replay;        /* a record read again: the claim told the end */
    bool dead_letter;   /* goes to the dead-letter topic as well */
    int64_t sent_at_ms; /* 0: nothing was sent */
    int64_t settled_at_ms;
    uint32_t attempts;
};

struct event {
    struct list_node node;
    /* where it came from: consume completes (source_partition, epoch, offset) */
    uint32_t source_partition; /* consume's index */
    uint32_t epoch;
    int64_t offset;
    struct claim_origin origin; /* first record: topic, partition, offset */
    struct bytes key, value;    /* the record, in the arena */
    const struct record_header *headers;
    uint32_t header_count;
    bool urgent;
    bool revoked; /* its partition went: end silently where nothing is claimed */

    struct arena arena; /* one pool block: record, decoded event, texts, requests */
    bool large;         /* the block is one of the large ones */
    struct judge_case judged;
    uint8_t event_hash[16];        /* SHA-256(tenant NUL event_id), cut */
    uint32_t jobs_open;
    struct list jobs; /* siblings, by job.sibling */
};

struct job {
    struct list_node node;    /* the one list it is in */
    struct list_node sibling; /* in event->jobs */
    enum job_state state;
    enum wait_reason wait;
    struct event *event;
    struct leg *leg; /* NULL: an event refused as a whole, or with C3 open */

    /* schedule */
    struct wheel_timer timer;
    uint64_t due_ns; /* monotonic */

    /* claim protocol (domain/claim.h), driven by stage/admit and stage/claims */
    struct claim claim;
    uint64_t admitted_ns; /* when the reply that admitted it came: check_ttl */

    /* send */
    struct route *route;
    struct http_call call;
    struct http_request request;
    uint32_t not_sent_count; /* calls that never left; for back-off */
    uint64_t first_byte_ns;

    struct job_end end;
};

/* The pool and the gauge: count[] is what carillon_jobs{state} shows. */
struct jobs {
    struct job *all;
    struct list free;
    uint32_t max;
    uint32_t count[JOB_STATE_COUNT];
    uint32_t waiting[WAIT_REASON_COUNT];
};

/* The only way to change a state; an arrow that is not in the table is a CHECK. */
void job_enter(struct jobs *jobs, struct job *job, enum job_state next);
