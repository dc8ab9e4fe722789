/* What a shard shows of itself: gauges, and whether it is ready. */
#include "shard_parts.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdatomic.h>

#define UNREADY_NEWS_NS (3 * NS_PER_S)

static void write_partition_gauges(struct shard *s)
{
    struct metrics *m = &s->metrics;
    uint64_t lag[3] = {0}, partitions[3] = {0};
    for (uint32_t i = 0; i < s->consume.partition_count; i++) {
        struct consume_gauge gauge;
        consume_gauge(&s->consume, i, &gauge);
        lag[gauge.topic] += gauge.lag > 0 ? (uint64_t)gauge.lag : 0;
        partitions[gauge.topic]++;
    }
    for (uint32_t i = 0; i < s->hand.partition_count; i++) {
        struct hand_gauge gauge;
        hand_gauge(&s->hand, i, &gauge);
        lag[2] += gauge.lag > 0 ? (uint64_t)gauge.lag : 0;
        partitions[2]++;
    }
    for (uint32_t topic = 0; topic < 3; topic++) {
        metric_set(m, METRIC_LAG, topic, lag[topic]);
        metric_set(m, METRIC_PARTITIONS, topic, partitions[topic]);
    }
    int64_t oldest_ms = jobs_oldest_ms(&s->jobs);
    metric_set(m, METRIC_OLDEST_UNSETTLED, 0, oldest_ms == INT64_MAX ? 0 : (uint64_t)oldest_ms);
    metric_set(m, METRIC_REBALANCES, 0, s->consume.stats.rebalances);
    metric_set(m, METRIC_COMMITS, 0, s->consume.stats.commits);
}

/* Legs whose end is in the metrics: with an outcome, a dead letter, deferred, or let go. */
static uint64_t legs_told(const struct metrics *m)
{
    uint64_t told =
        metric_get(m, METRIC_DEAD_RECORDS, 0, 0) + metric_get(m, METRIC_REVOKED_LEGS, 0, 0);
    for (uint32_t reason = 0; reason < m->names->of[LABEL_REASON].count; reason++)
        told += metric_get(m, METRIC_DEFERRED, reason, 0);
    for (uint32_t channel = 0; channel < m->names->of[LABEL_CHANNEL].count; channel++)
        for (uint32_t outcome = 0; outcome < m->names->of[LABEL_OUTCOME].count; outcome++)
            told += metric_get(m, METRIC_OUTCOMES, channel, outcome);
    return told;
}

void shard_write_gauges(struct shard *s)
{
    struct metrics *m = &s->metrics;
    for (uint32_t i = 0; i < JOB_STATE_COUNT; i++)
        metric_set(m, METRIC_JOBS, i, s->jobs.count[i]);
    for (uint32_t i = 0; i < WAIT_REASON_COUNT; i++)
        metric_set(m, METRIC_WAITING_JOBS, i, s->jobs.waiting[i]);
    metric_set(m, METRIC_LEGS_OPENED, 0, s->jobs.opened);
    metric_set(m, METRIC_BOOKS_IMBALANCE, 0,
               s->jobs.opened - legs_told(m) - jobs_in_hand(&s->jobs));
    metric_set(m, METRIC_OLDEST_WAITING, 0, (uint64_t)schedule_oldest_ms(&s->schedule));
    metric_set(m, METRIC_GATE_OPEN, 0, claims_open(&s->claims));
    metric_set(m, METRIC_TAKEOVERS, 0, s->claims.stats.takeovers);
    metric_set(m, METRIC_CLAIMS_LOST, 0, s->claims.stats.lost);
    struct redis_stats redis = redis_stats(s->redis);
    metric_set(m, METRIC_REDIS_ERRORS, 0, redis.lost);
    uint32_t opening = 0, ready = 0, busy = 0;
    for (uint32_t i = 0; i < s->routes.account_count; i++) {
        struct http_origin_stats stats = http_origin_stats(s->routes.accounts[i].origin);
        metric_set(m, METRIC_CALLS_IN_FLIGHT, i, s->routes.accounts[i].in_flight);
        metric_set(m, METRIC_CONNECT_FAILURES, i, stats.connects_failed);
        opening += stats.opening, ready += stats.ready, busy += stats.busy;
    }
    metric_set(m, METRIC_CONNECTIONS, 0, opening);
    metric_set(m, METRIC_CONNECTIONS, 1, ready);
    metric_set(m, METRIC_CONNECTIONS, 2, busy);
    write_partition_gauges(s);
}

/* A line when it becomes ready, and when it has not been for a while: starting up and a
 * rebalance are no news. */
static void say_readiness(struct shard *s, const char *why)
{
    if (why[0] == '\0') {
        if (s->unready_ns > 0 || s->ready_why[0])
            log_event(LOG_INFO, "ready", "shard=%u", s->options.index);
        s->unready_ns = 0;
        s->unready_said = false;
        return;
    }
    if (s->unready_ns == 0)
        s->unready_ns = s->now_ns;
    if (s->unready_said || s->now_ns < s->unready_ns + UNREADY_NEWS_NS)
        return;
    s->unready_said = true;
    log_event(LOG_WARN, "not_ready", "shard=%u since_ms=%llu why=\"%s\"", s->options.index,
              (unsigned long long)((s->now_ns - s->unready_ns) / NS_PER_MS), why);
}

void shard_write_why(const struct shard_health *h, struct writer *w)
{
    if (h->gate != GATE_OPEN)
        write_format(w, "redis: %s", gate_state_text(h->gate));
    const char *comma = w->size ? "; " : "";
    if (!h->kafka.up) {
        write_format(w, "%skafka: %s", comma,
                     h->kafka.error[0] ? h->kafka.error : "no broker answers");
        return;
    }
    if (!h->consuming)
        write_format(w, "%skafka: no partitions assigned", comma);
    comma = w->size ? "; " : "";
    if (!h->ring_assigned)
        write_format(w, "%skafka: ring not assigned: nothing is deferred, nothing that waited goes",
                     comma);
}

void shard_tell_readiness(struct shard *s)
{
    char why[SHARD_WHY_SIZE] = "";
    struct writer w = writer_of(why, sizeof why - 1);
    struct shard_health health = {.gate = claims_gate(&s->claims),
                                  .consuming = s->consume.state == CONSUME_RUNNING,
                                  .ring_assigned = hand_is_assigned(&s->hand)};
    source_health(s->source, &health.kafka);
    shard_write_why(&health, &w);
    say_readiness(s, why);
    pthread_mutex_lock(&s->ready_lock);
    memcpy(s->ready_why, why, sizeof why);
    pthread_mutex_unlock(&s->ready_lock);
}

void shard_ready(struct shard *s, char out[SHARD_WHY_SIZE])
{
    pthread_mutex_lock(&s->ready_lock);
    memcpy(out, s->ready_why, SHARD_WHY_SIZE);
    pthread_mutex_unlock(&s->ready_lock);
}
