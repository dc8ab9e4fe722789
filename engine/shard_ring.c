/* The deferral topics in a shard: who owns their partitions, what reads them, and where
 * deferrals are written. */
#include "shard_parts.h"

#include "base/clock.h"
#include "io/crypto.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FEED_KBYTES = 4096,
    OVER_RECORD = 1024 * 1024,
    FIRE_MAX = 64, /* a turn of a release must not be so long that slots are too late after it */
    STAND_IN_LOOK_MS = 250,
    STAND_IN_CALL_MS = 500,  /* a call is out at least so long */
    STAND_IN_REST_MS = 1000, /* from the lease's end until the stand-in is due */
};

struct ring_clock shard_clock(void *shard)
{
    return claims_clock(&((struct shard *)shard)->claims, clock_mono_ns());
}

void shard_name_ring(struct shard *s)
{
    const struct ring_topics *t = s->options.ring;
    CHECK(t->written < t->count); /* ring_topics_good said so */
    s->told_topics[TOLD_RING] = strdup(t->generations[t->written].name);
    s->told_topics[TOLD_FAR] = strdup(t->far.name);
    CHECK(s->told_topics[TOLD_RING] && s->told_topics[TOLD_FAR]);
    s->ring = (struct settle_ring){
        .plan = ring_plan_of(s->config, t), .topic_ring = TOLD_RING, .topic_far = TOLD_FAR};
}

/* Every generation is served; only of the one that is written the geometry is known. */
static uint32_t topics_of(struct shard *s)
{
    const struct ring_topics *t = s->options.ring;
    uint32_t count = 0;
    for (uint32_t i = 0; i < t->count; i++)
        s->hand_topics[count++] =
            (struct hand_topic){.name = t->generations[i].name,
                                .ring = i == t->written ? s->ring.plan.ring : (struct ring){0},
                                .partitions = t->generations[i].partitions};
    s->hand_topics[count++] = (struct hand_topic){.name = t->far.name,
                                                  .ring = ring_far(s->ring.plan.far_spread),
                                                  .partitions = t->far.partitions,
                                                  .far = true};
    return count;
}

static bool open_clients(struct shard *s, uint32_t count, char *why)
{
    const struct config_kafka *is = &s->config->is.kafka;
    struct source_topic owned[SHARD_RING_TOPICS];
    const char *names[SHARD_RING_TOPICS];
    for (uint32_t i = 0; i < count; i++) {
        names[i] = s->hand_topics[i].name;
        owned[i] = (struct source_topic){.name = names[i]};
    }
    s->ring_group = ring_group_of(s->config);
    const struct source_options source = {.kafka = s->kafka.options,
                                          .group = s->ring_group,
                                          .topics = owned,
                                          .topic_count = count,
                                          .session_timeout_ms = (uint32_t)is->session_timeout_ms,
                                          .heartbeat_ms = (uint32_t)is->heartbeat_interval_ms,
                                          .owns_only = true};
    const struct feed_options feed = {.kafka = s->kafka.options,
                                      .topics = names,
                                      .topic_count = count,
                                      .queued_kbytes = FEED_KBYTES};
    s->ring_source = source_open(&source, why);
    if (s->ring_source)
        s->feed = feed_open(&feed, why);
    return s->feed && shard_watch(s, source_fd(s->ring_source, SOURCE_MAIN)) &&
           shard_watch(s, feed_fd(s->feed));
}

/* Of a record, with its headers. */
static uint64_t record_most(const struct shard *s)
{
    return s->config->is.kafka.max_message_bytes + OVER_RECORD;
}

bool shard_open_hand(struct shard *s, char *why)
{
    const struct config_deferral *is = &s->config->is.deferral;
    uint32_t count = topics_of(s);
    uint64_t seed;
    crypto_random(&seed, sizeof seed);
    if (!open_clients(s, count, why))
        return false;
    const struct hand_options options = {.source = s->ring_source,
                                         .feed = s->feed,
                                         .jobs = &s->jobs,
                                         .topics = s->hand_topics,
                                         .topic_count = count,
                                         .ring = s->ring.plan.ring,
                                         .lead_ms = (int64_t)is->lead_ms,
                                         .memory = u64_max(is->memory_mb << 20, record_most(s)),
                                         .worker = s->options.worker,
                                         .redis = s->redis,
                                         .seed = seed,
                                         .room_max = s->jobs.max / LEGS_MAX,
                                         .fire_max = FIRE_MAX,
                                         .commit_interval_ms =
                                             s->config->is.kafka.commit_interval_ms};
    forecast_init(&s->forecast, s->redis, &s->ring.plan.ring);
    if (hand_init(&s->hand, &options) == ERR_OK)
        return true;
    snprintf(why, SHARD_WHY_SIZE, "no memory for what is deferred");
    return false;
}

void shard_close_hand(struct shard *s)
{
    source_close(s->ring_source);
    hand_deinit(&s->hand);
    feed_close(s->feed);
    free(s->ring_group);
}

/* Nothing is deferred while nobody here would serve it. */
void shard_turn_ring(struct shard *s)
{
    s->ring.open = hand_is_assigned(&s->hand);
    struct ring_clock clock = shard_clock(s);
    clock.held = clock.held || !s->ring.open;
    schedule_turn(&s->schedule, s->now_ns, clock);
    forecast_turn(&s->forecast, s->now_ns);
    metric_set(&s->metrics, METRIC_DEFERRED_LOADED, 0, s->hand.loaded);
    metric_set(&s->metrics, METRIC_DEFERRED_PAYLOADS, 0, (uint64_t)s->hand.cache.used * CHUNK_SIZE);
}

void shard_complete_offset(struct shard *s, const struct event *event)
{
    if (event->from_ring)
        hand_complete(&s->hand, event);
    else
        consume_complete(&s->consume, event);
}

void shard_complete_if_stands(struct shard *s, struct event *event)
{
    if (!event_stands(event))
        return;
    shard_complete_offset(s, event);
    event_completed(&s->jobs, event);
}

/* What was due for `hold` and a quarter more, and is in a call that nobody answers. */
void shard_stand_in(struct shard *s)
{
    for (struct job *job = settle_take_stand_in(&s->settle); job;
         job = settle_take_stand_in(&s->settle)) {
        job_stand(job);
        shard_complete_if_stands(s, job->event);
    }
    uint64_t waited_ns = s->schedule.options.hold_ns * 5 / 4,
             call_ns = STAND_IN_CALL_MS * NS_PER_MS;
    if (s->now_ns < s->stand_in_ns || s->now_ns < waited_ns + call_ns)
        return;
    s->stand_in_ns = s->now_ns + STAND_IN_LOOK_MS * NS_PER_MS;
    uint32_t at = 0;
    struct job *job;
    while ((job = send_next_out(&s->send, s->now_ns - call_ns, &at)))
        if (job->stand_in == STAND_IN_NONE && !job->event->revoked &&
            s->now_ns - job->since_ns > waited_ns)
            settle_put_stand_in(&s->settle, job, job->claim.held_deadline_ms + STAND_IN_REST_MS);
}

void shard_note_deferred(struct shard *s, const struct list *closed)
{
    for (struct list_node *n = closed->first; n; n = n->next) {
        const struct job *job = job_of(n);
        const struct event *event = job->event;
        if (job->defer.reason == REASON_NONE || event->far_day != RING_NO_CYCLE)
            continue; /* a far record's copy was counted when it was put there */
        if (!forecast_is_new(&s->forecast, event->deferral, job->defer.due_ms))
            continue;
        forecast_note(&s->forecast, bytes_of(event->judged.kind->name),
                      bytes_of(job->route ? job->route->name : NULL), job->defer.due_ms,
                      event->judged.expires_ms, job->leg ? job->leg->segments : 0);
    }
}
