/* What is in hand: an event is one record, a job is one of its legs on its way from
 * record to outcome. An event without legs keeps one job, which tells its refusal.
 *
 * Both live in fixed pools of the shard. The event's offset completes and its memory
 * goes when its last job closed. Stages own jobs through their lists: a job is in
 * exactly one list (or in the wheel, or out with a call) at any time. */
#pragma once

#include "base/arena.h"
#include "base/list.h"
#include "base/record.h"
#include "base/wheel.h"
#include "domain/claim.h"
#include "domain/deferral.h"
#include "domain/judge.h"

enum {
    EVENT_SMALL_MAX = 8 * 1024,         /* records up to here use pool blocks */
    EVENT_FIRST = 4 * 1024 + 64,        /* record, decoded event, texts: enough for most; */
    EVENT_BLOCK = 56 * 1024,            /* where the rest goes, touched as needed */
    EVENT_LARGE_BLOCK = 5 * 1024 * 1024 /* for records up to the broker's limit */
};

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
extern const char *const job_state_names[JOB_STATE_COUNT];

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
extern const char *const wait_reason_names[WAIT_REASON_COUNT];

/* What a dead letter leaves out: it is larger than the broker takes, or than our blocks. */
enum cut { CUT_NOTHING, CUT_VALUE, CUT_HEADERS /* and key and value */ };

/* What a reminder, or an additional one, found under the key where both meet (O2). */
enum met {
    MET_NOBODY,
    MET_OTHER,     /* an additional one came first: its claim is to be looked at */
    MET_UNDER_WAY, /* it may be about to be sent */
    MET_COLLAPSED,
};

/* Whether a cap has room for it (C9). */
enum cap { CAP_ROOM, CAP_ASK_AGAIN, CAP_AGAIN /* being asked again */, CAP_FULL };

/* How a job ends: filled by whoever decides it, told by settle. */
struct job_end {
    Carillon__V1__OutcomeKind outcome; /* UNSPECIFIED: not decided */
    enum reason reason;
    const char *detail;               /* static or in the event's arena; NULL */
    const char *letter_detail;        /* of the dead letter: the same in words; NULL: none */
    struct bytes provider_message_id; /* in the event's arena */
    bool dup_risk;
    bool replay;        /* a record read again: the claim told the end */
    bool dead_letter;   /* goes to the dead-letter topic as well */
    bool letter_only;   /* no event_id to tell an outcome for */
    int64_t sent_at_ms; /* 0: nothing was sent */
    int64_t settled_at_ms;
    uint32_t attempts;
};

/* Why and until when a job is to wait in Kafka, set by schedule; settle takes it there. */
struct job_deferral {
    enum reason reason;    /* REASON_NONE: it waits in memory */
    int64_t due_ms;        /* when it is looked at again */
    int64_t slot_end_ms;   /* the record under way counts if it is acknowledged before */
    int64_t not_before_ms; /* what came to nothing is not tried again before; INT64_MAX: never */
    uint32_t failed;       /* how often it was produced and did not count */
};

/* A deferral record that takes the source's place while the job's call is still out: once it
 * counts, nothing here holds up a commit (settle_stand_in). */
enum stand_in {
    STAND_IN_NONE,
    STAND_IN_OUT,  /* produced, not acknowledged */
    STAND_IN_VOID, /* it was not acknowledged in time, and is not tried again */
    STAND_IN_GOOD
};

/* Legs point into the settings they were judged by, so these are held as long as they. */
struct tenant_hold {
    struct tenant_hold *next;
    struct tenant_ref *ref;
};

struct event {
    struct list_node node;
    /* where it came from: consume, or for records of deferral topics hand, completes
     * (source_partition, epoch, offset) */
    uint32_t source_partition; /* consume's index */
    uint32_t epoch;
    int64_t offset;
    int64_t assigned_ms;             /* when this assignment of its partition began */
    struct claim_origin origin;      /* first record: topic, partition, offset */
    struct bytes own;                /* event|origin as claims have it; in the arena */
    struct claim_identity id, dedup; /* by event_id_of, event_dedup_of */
    bool has_id, has_dedup;
    struct record record; /* in the arena */
    bool from_ring;       /* hand's, of a deferral topic */
    bool left_over;       /* and its slot was over when it fired */
    int64_t far_day; /* of carillon.deferred.far: the slot it was read in; else RING_NO_CYCLE */
    struct deferral *deferral; /* what its headers say, in the arena; NULL: no deferral record */
    bool urgent;
    bool revoked; /* its partition went: end silently where nothing is claimed */

    struct arena arena;            /* one block */
    bool large;                    /* the block is one of the large ones */
    size_t decoded_used;           /* of the arena, after decoding: judging again begins here */
    struct tenant_ref *tenant_ref; /* holds judged.tenant (stage/tenants); NULL: not yet */
    struct tenant_hold *former_tenants; /* settings that legs were judged by earlier */
    bool abandoned;                     /* a job of it ended silently: its offset stays open */
    bool planned;                       /* judged.legs are the event's legs, with a job each */
    bool candidates_asked;              /* admit: claims of what is no leg of it */
    bool former_asked;                  /* admit: l1, the legs of its first admission */
    struct bytes former;                /* those that settings no longer give; in the arena */
    uint32_t counting;                  /* admit: its jobs that count for caps (C9) */
    bool counted;                       /* one of those that ended does for good */
    bool completed;                     /* its offset is, by stand-ins of all that is open */
    uint32_t standing;                  /* of its open jobs: have a stand-in that counts */
    uint32_t jobs_open;
    struct list jobs; /* siblings, by job.sibling */

    /* schedule: its legs that wait for slots, until they were admitted together */
    struct job *leader; /* the one in its route's queue; NULL: none is */
    struct list beside; /* the others */
    bool released;      /* they were, or there was but one */

    struct judge_case judged; /* last, for its legs are */
};

struct job {
    struct list_node node;    /* the one list it is in */
    struct list_node sibling; /* in event->jobs */
    enum job_state state;
    enum wait_reason wait;
    struct event *event;
    struct leg *leg; /* NULL: an event that waits, was refused as a whole, or with C3 open */

    /* schedule */
    struct wheel_timer timer;
    uint64_t due_ns;          /* monotonic */
    int64_t wanted_ms;        /* its leg's effective due time, smeared: lateness counts from it */
    int64_t waiting_since_ms; /* for its slot: when it was due; 0: not yet */
    bool judge_again;         /* when it is due */
    bool has_leg_id;
    char leg_id[2 * CLAIM_HASH_SIZE]; /* by job_leg_id */
    struct route *route;              /* NULL: not chosen */
    uint32_t slots_promised;          /* of its route's limits, and a place in its account */
    uint32_t retries;                 /* waits after a call; for back-off */
    uint64_t since_ns;                /* since when it has been due, here; 0: not yet */
    struct job_deferral defer;

    bool outdated; /* judged by settings that the event holds no more */

    /* admit: what other events did */
    enum met met;
    struct bytes meets; /* what stood there; in the event's arena */
    enum cap cap;
    bool counts, counts_anew;

    /* claim protocol (domain/claim.h), driven by stage/admit and stage/claims */
    bool claim_ready;     /* claim_init was called */
    bool waits_foreign;   /* told to consume: waits for another record's claim */
    uint64_t admitted_ns; /* when the reply that admitted it came: check_ttl */
    uint64_t asked_ns;    /* when the state was asked for that admitted it */

    /* send */
    struct call *call; /* while it is out */
    enum stand_in stand_in;

    /* settle: records of its end that are not acknowledged, TELL_*; or its deferral */
    uint8_t untold;
    enum cut cut; /* what its dead letter goes without */

    struct job_end end;

    struct claim claim; /* last: large, and set up when it is first asked */
};

/* Between two stages of a message lie thousands of others, so each stage finds it out of the
 * cache, and waiting for it line by line costs as much as the stage's work. These ask for what
 * stages read; contents once the event itself is there. */
static inline void job_fetch(const struct job *job)
{
    memory_fetch(job, offsetof(struct job, claim.next) + 64);
}

static inline void event_fetch(const struct event *event)
{
    memory_fetch(event, offsetof(struct event, judged.legs) + sizeof(struct leg));
}

static inline void event_fetch_contents(const struct event *event)
{
    memory_fetch(event->judged.event, 192);
}

/* The pools and the gauges: count[] is what carillon_jobs{state} shows. */
struct jobs {
    struct job *all;
    struct event *events;
    int64_t *record_ms; /* by index of events: since when the record is to be settled, by its time
                           or its due time in a deferral topic; INT64_MAX: not in hand */
    char *firsts, *blocks, *large_blocks;
    struct list free, free_events;
    struct list large_free; /* of struct large_block */
    struct large_block *large;
    uint32_t max, large_max;
    uint32_t count[JOB_STATE_COUNT];
    uint32_t waiting[WAIT_REASON_COUNT];
    uint64_t opened, closed; /* the books: opened = closed + in hand */
};

struct large_block {
    struct list_node node;
    char *at;
};

MUST_USE bool jobs_open(struct jobs *jobs, uint32_t jobs_max, uint32_t large_max);
void jobs_close(struct jobs *jobs);
/* Bytes of address space for so many jobs; touched as needed. */
uint64_t jobs_bytes(uint32_t jobs_max, uint32_t large_max);

static inline uint32_t jobs_room(const struct jobs *jobs)
{
    return jobs->free.count;
}

/* Timestamp of the oldest record in hand; INT64_MAX: none. */
int64_t jobs_oldest_ms(const struct jobs *jobs);

static inline uint32_t jobs_in_hand(const struct jobs *jobs)
{
    return jobs->max - jobs->free.count;
}

/* A record becomes an event with one job, JOB_FRESH; the record is copied, but for what
 * no block could hold (job->cut). NULL: no job, or no block of its size is free. */
MUST_USE struct event *event_open(struct jobs *jobs, const struct record *record);
/* Its block is too small for what it became: the event moves into a large one, undecoded.
 * False: none is free. */
MUST_USE bool event_enlarge(struct jobs *jobs, struct event *event);
/* A further leg of the event, JOB_FRESH. There must be room. */
struct job *job_open(struct jobs *jobs, struct event *event);
/* Ends the job (in no list, not in the wheel). True: it was its event's last, and the
 * event is to be completed and closed by event_close. */
MUST_USE bool job_close(struct jobs *jobs, struct job *job);
void event_close(struct jobs *jobs, struct event *event); /* its tenant_ref was put back */

/* Its stand-in counts. */
void job_stand(struct job *job);
/* Whether its offset is to be completed although jobs of it are open: a stand-in is there for
 * each. A partition that went is the next owner's. */
static inline bool event_stands(const struct event *event)
{
    return !event->completed && !event->abandoned && !event->revoked && event->jobs_open > 0 &&
           event->standing == event->jobs_open;
}
void event_completed(struct jobs *jobs, struct event *event);

/* It comes back from deferral, and only the legs that its record names are its legs. */
static inline bool event_names_legs(const struct event *event)
{
    return event->deferral && event->deferral->leg_count > 0;
}

/* How often it was deferred because it could not be sent; for back-off. */
static inline uint32_t event_tries(const struct event *event)
{
    const struct deferral *d = event->deferral;
    return d && (d->reason == REASON_RETRY || d->reason == REASON_BREAKER ||
                 d->reason == REASON_COOL_DOWN)
               ? d->seq
               : 0;
}

/* The only ways to change a state; an arrow that is not in the table is a CHECK. */
void job_enter(struct jobs *jobs, struct job *job, enum job_state next);
void job_wait(struct jobs *jobs, struct job *job,
              enum wait_reason why); /* JOB_WAITING, or says why anew */

static inline struct job *job_of(struct list_node *node)
{
    return container_of(node, struct job, node);
}

static inline struct job *job_of_sibling(struct list_node *node)
{
    return container_of(node, struct job, sibling);
}

static inline struct event *event_of(struct list_node *node)
{
    return container_of(node, struct event, node);
}

/* Hash of tenant, event_id, channel and address: what the outcome and the provider know
 * the leg by. Asked once the job has its leg for good, or an end without one. */
/* Of judged.event; each is hashed once. */
const struct claim_identity *event_id_of(struct event *event);
const struct claim_identity *event_dedup_of(struct event *event); /* by its dedup key */
struct bytes job_leg_id(struct job *job);

/* Ends the job with a refusal of the rules. */
void job_refuse(struct job *job, const struct leg *leg);
