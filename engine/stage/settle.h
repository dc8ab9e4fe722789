/* The last stage: a leg's end is told to the outcome topic, and undecodable records to
 * the dead-letter topic. The claim's half came before (stage/claims): a kill between the
 * two leaves a replay, never two stories. A record that Kafka does not acknowledge is
 * produced again, until it is. */
#pragma once

#include "base/metrics.h"
#include "domain/address_hash.h"
#include "domain/outcome_record.h"
#include "io/sink.h"
#include "stage/job.h"
#include "stage/route.h"

enum { TELL_OUTCOME = 1, TELL_DEAD = 2 };

struct settle_options {
    struct jobs *jobs;
    struct sink *sink;
    uint32_t topic_outcomes, topic_dead; /* indices of the sink's topics */
    struct metrics *metrics;
    enum outcome_format format;
    const char *worker;       /* its name */
    struct bytes address_key; /* of the hash of addresses */
};

struct settle {
    struct settle_options options;
    struct list unsent; /* jobs with records to produce (again) */
    struct list out;    /* jobs whose records are under way */
    struct list told;   /* acknowledged, to be taken */
    struct hmac_key address_key;
    char *record; /* one outcome in the making */
};

MUST_USE bool settle_init(struct settle *settle, const struct settle_options *options);
void settle_deinit(struct settle *settle);

/* Jobs that have their end: JOB_SETTLING from now on, before their claim is settled. */
void settle_enter(struct settle *settle, struct list *ended);

/* Jobs whose claim half is acknowledged. */
void settle_put(struct settle *settle, struct list *jobs, int64_t now_ms);

/* Those whose records Kafka acknowledged: to be closed. */
void settle_take(struct settle *settle, int64_t now_ms, struct list *out);

uint32_t settle_pending(const struct settle *settle);
