/* The deferral topics that exist: carillon.deferred.<g> in rising generations, and
 * carillon.deferred.far. All generations are served; a worker writes to the newest whose
 * partition count and length fit its config. What lies in a partition says its geometry itself
 * (the header carillon-ring); the length of an empty one stands in its retention. */
#pragma once

#include "config.h"
#include "domain/ring.h"
#include "io/kafka.h"

struct topics;

enum { RING_GENERATIONS_MAX = 16, RING_TOPIC_SIZE = 250, RING_WHY_SIZE = 512 };
#define RING_SPARE_MS (7 * TIME_DAY_MS) /* a ring's retention, beyond its length */

struct ring_topic {
    char name[RING_TOPIC_SIZE]; /* with the config's prefix */
    uint32_t generation;        /* from 1; 0: far */
    uint32_t partitions;        /* 0: there is no such topic */
    int64_t length_ms;          /* of its ring, as its retention tells; 0: not asked, or it is not
                                   the worker's to ask */
};

struct ring_topics {
    struct ring_topic far;
    struct ring_topic generations[RING_GENERATIONS_MAX]; /* by rising number */
    uint32_t count;
    uint32_t written; /* index of the generation that is written to; `count`: none fits */
    uint32_t beyond;  /* generations for which there was no room */
};

/* What the config says: the ring that is written, and where deferrals go. The spread of far is
 * its topic's. */
struct ring ring_of_config(const struct config *config);
struct ring_plan ring_plan_of(const struct config *config, const struct ring_topics *topics);
/* The consumer group that owns ring and far partitions: <group>.ring; malloc'd. */
char *ring_group_of(const struct config *config);

/* From the metadata as topics_read got it last. */
void ring_topics_read(const struct topics *topics, const struct config *config,
                      struct ring_topics *out);
/* Asks for the lengths of those whose partition count fits, and chooses anew which one is
 * written to: under another slot_ms a slot lies in other partitions. Where it is refused, the
 * count alone decides, and `why` says why. */
MUST_USE enum err ring_topics_measure(struct topics *topics, const struct config *config,
                                      struct ring_topics *t, uint32_t timeout_ms,
                                      char why[KAFKA_WHY_SIZE]);
/* What a fleet that is away for long loses: its marks, where the brokers forget commits sooner
 * than the ring is over. False: `why` says what to change. Where it cannot be learnt: true. */
MUST_USE bool ring_marks_last(struct topics *topics, const struct config *config,
                              uint32_t timeout_ms, char why[RING_WHY_SIZE]);

/* The same topic by topic: begin, take each name of the cluster, end. */
void ring_topics_begin(struct ring_topics *t, const struct config *config);
void ring_topics_take(struct ring_topics *t, const struct config *config, const char *name,
                      uint32_t partitions);
void ring_topics_end(struct ring_topics *t, const struct config *config);

/* Whether a worker may run on them; else `why` has the remedy. */
MUST_USE bool ring_topics_good(const struct ring_topics *t, const struct config *config,
                               char why[RING_WHY_SIZE]);
