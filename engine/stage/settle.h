/* The last stage: a leg's end is told to the outcome topic, and undecodable records to
 * the dead-letter topic. The claim's half came before (stage/claims): a kill between the
 * two leaves a replay, never two stories. A record that Kafka does not acknowledge is
 * produced again, until it is.
 *
 * A leg that waits long ends here too, with a record in a deferral topic. That counts only if
 * it was acknowledged in time; else the leg comes back, and a copy may be in the ring: the
 * first that fires claims, the others find the claim.
 *
 * So a copy does no harm, and a call that is out for long gets one on purpose: its stand-in,
 * due when the claim's lease is over. The source may then be committed while the call is out.
 * It finds how the call ended, or takes the claim over; where the call did not tell the leg's
 * end, the job gives back its claim and leaves the rest to it. */
#pragma once

#include "base/metrics.h"
#include "domain/address_hash.h"
#include "domain/outcome_record.h"
#include "io/sink.h"
#include "stage/job.h"
#include "stage/route.h"

enum { TELL_OUTCOME = 1, TELL_DEAD = 2, TELL_DEFERRAL = 4 };

/* Where deferrals go; changes while it runs. */
struct settle_ring {
    bool open; /* else nothing is deferred */
    struct ring_plan plan;
    uint32_t topic_ring, topic_far; /* indices of the sink's topics */
};

struct settle_stand_in {
    struct list_node node;
    struct job *job; /* NULL: it closed meanwhile */
    bool out;        /* not reported */
    int64_t slot_end_ms;
};

struct settle_options {
    struct jobs *jobs;
    struct sink *sink;
    uint32_t topic_outcomes, topic_dead; /* indices of the sink's topics */
    struct metrics *metrics;
    enum outcome_format format;
    const char *worker;       /* its name */
    struct bytes address_key; /* of the hash of addresses */
    const struct settle_ring *ring;
    struct ring_clock (*clock)(void *context); /* as of now, not of the turn */
    void *clock_context;
};

struct settle {
    struct settle_options options;
    struct list unsent;                /* jobs with records to produce (again) */
    struct list out;                   /* jobs whose records are under way */
    struct list told;                  /* acknowledged, to be taken */
    struct list acked;                 /* deferrals: whether they count is still to be seen */
    struct list back;                  /* deferrals that came to nothing, to be taken */
    struct settle_stand_in *stand_ins; /* by index of jobs */
    struct list stand_ins_acked;       /* whether they count is still to be seen */
    struct hmac_key address_key;
    struct outcome_encoder encoder;
    char *record;                    /* one outcome in the making, its headers behind it */
    char *gates;                     /* encoded: those of a refusal, and of each kind: */
    struct bytes passed[KIND_COUNT]; /* all that concern it passed */
};

MUST_USE bool settle_init(struct settle *settle, const struct settle_options *options);
void settle_deinit(struct settle *settle);

/* Jobs that have their end: JOB_SETTLING from now on, before their claim is settled. */
void settle_enter(struct settle *settle, struct list *ended);

/* Jobs whose claim half is acknowledged. */
void settle_put(struct settle *settle, struct list *jobs, int64_t now_ms);

/* Jobs that wait (job->defer says until when) and hold no claim. */
void settle_defer(struct settle *settle, struct list *jobs, int64_t now_ms);

/* Those whose records Kafka acknowledged: to be closed. `back`: jobs whose deferral came to
 * nothing; they wait in memory, until defer.not_before_ms at least. */
void settle_take(struct settle *settle, int64_t now_ms, struct list *out, struct list *back);

/* Of a job whose call is out and which has none. Where nothing can be deferred now, it still
 * has none after it. */
void settle_put_stand_in(struct settle *settle, struct job *job, int64_t due_ms);
/* After settle_take: the next job whose stand-in counts, to be told by job_stand; NULL. */
struct job *settle_take_stand_in(struct settle *settle);
/* The job closes. */
void settle_forget_stand_in(struct settle *settle, const struct job *job);
/* Jobs that leave the rest to their stand-in: they end as deferred, by the next settle_take. */
void settle_replaced(struct settle *settle, struct list *jobs);

uint32_t settle_pending(const struct settle *settle);
