/* A shard: one thread with a ring, Kafka and Redis connections, HTTP pools, wheel, jobs
 * and counters of its own. Shards share nothing but what is read-only (config, adapters,
 * rules, zones). shard_turn is the pipeline: the whole of it is one function. */
#pragma once

#include "base/metrics.h"
#include "clients.h"
#include "config.h"
#include "domain/judge.h"
#include "io/http.h"
#include "io/loop.h"
#include "io/redis.h"
#include "io/resolve.h"
#include "io/sink.h"
#include "ring_topics.h"
#include "routes.h"
#include "stage/admit.h"
#include "stage/claims.h"
#include "stage/consume.h"
#include "stage/forecast.h"
#include "stage/hand.h"
#include "stage/judge.h"
#include "stage/schedule.h"
#include "stage/send.h"
#include "stage/settle.h"
#include "stage/tenants.h"

#include <pthread.h>

enum { SHARD_WHY_SIZE = 256, SHARD_RING_TOPICS = RING_GENERATIONS_MAX + 1, SHARD_WAKES = 5 };

/* Topics that are written, by the sink's index. */
enum told_topic { TOLD_OUTCOMES, TOLD_DEAD, TOLD_RING, TOLD_FAR, TOLD_COUNT };

struct shard_options {
    const struct config *config;
    uint32_t index;
    const char *worker; /* this process's name */
    const struct judge *rules;
    const struct adapters *adapters; /* compiled, shared */
    const char *const *marks;        /* "topic/partition" of the state topics */
    uint32_t mark_count;
    const struct metric_names *metric_names;
    const struct ring_topics *ring; /* the deferral topics that there are */
};

struct shard {
    struct shard_options options;
    const struct config *config;
    struct metrics metrics;
    struct loop *loop;
    struct resolve *resolve;
    struct redis_settings redis_settings;
    struct redis *redis;
    struct http *http;
    struct source *source;
    struct sink *sink;
    struct kafka_settings kafka;
    char *topics[2], *told_topics[TOLD_COUNT];
    struct loop_fd wakes[SHARD_WAKES]; /* of Kafka's clients */
    uint32_t wake_count;
    char loop_why[LOOP_WHY_SIZE];
    struct routes routes;
    struct jobs jobs;
    struct tenants tenants;
    struct claims claims;
    struct consume consume;
    struct judge_options judge;
    struct schedule schedule;
    struct admit admit;
    struct send send;
    struct settle settle;

    struct settle_ring ring; /* where deferrals go */
    struct source *ring_source;
    struct feed *feed;
    char *ring_group;
    struct hand_topic hand_topics[SHARD_RING_TOPICS];
    struct hand hand;
    struct forecast forecast;

    struct list tenantless; /* events whose tenant's settings are being loaded */
    struct list refused;    /* jobs that wait to be asked for: the gate is shut */
    uint64_t now_ns;
    struct judge_now now;
    uint64_t gauges_ns;   /* when gauges are written next */
    uint64_t stand_in_ns; /* when it is looked which calls are out for long */
    bool more;            /* records wait: no sleep */
    bool leaving;         /* drained; the group is being left */

    /* what SIGHUP brought; taken over between two turns. Both live as long as the worker. */
    const struct config *_Atomic live;
    const struct judge *_Atomic live_rules;

    _Atomic bool stopping;    /* drain: no more records are taken */
    _Atomic bool drained;     /* nothing is in hand, the group was left */
    _Atomic uint64_t turn_ms; /* wall time of the last turn; for /livez */
    uint64_t unready_ns;      /* not ready since; 0: ready */
    bool unready_said;
    pthread_mutex_t ready_lock; /* the admin thread asks */
    char ready_why[SHARD_WHY_SIZE];
};

/* False: `why` says why; nothing is left open. Waits for nobody. */
MUST_USE bool shard_open(struct shard *shard, const struct shard_options *options,
                         char why[SHARD_WHY_SIZE]);
void shard_close(struct shard *shard); /* at once, whatever is in hand: records are read again */

/* One turn: what the kernel and the libraries finished, then every stage, then one sleep. */
void shard_turn(struct shard *shard);

/* Turns until it is drained after shard_stop, or `deadline_ns` has passed since then. */
void shard_run(struct shard *shard);
void shard_stop(struct shard *shard); /* any thread */

/* Any thread: keys that may change while it runs are read from `config` from now on. */
void shard_reload(struct shard *shard, const struct config *config, const struct judge *rules);

/* Any thread: why it is not ready, "" where it is. */
void shard_ready(struct shard *shard, char out[SHARD_WHY_SIZE]);
