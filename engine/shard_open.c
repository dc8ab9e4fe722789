/* Opening and closing a shard, in order: each part needs those before it. */
#include "shard_parts.h"

#include "adapters.h"
#include "base/clock.h"
#include "io/crypto.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { REQUEST_MAX = 2 * 1024 * 1024 };

void shard_copy_resend(const struct config_resend *from, bool to[CLASS_COUNT])
{
    to[CARILLON__V1__CLASS__CLASS_URGENT] = from->urgent;
    to[CARILLON__V1__CLASS__CLASS_SYSTEM] = from->system;
    to[CARILLON__V1__CLASS__CLASS_REMINDER] = from->reminder;
    to[CARILLON__V1__CLASS__CLASS_CONVERSATION] = from->conversation;
    to[CARILLON__V1__CLASS__CLASS_MARKETING] = from->marketing;
    to[CARILLON__V1__CLASS__CLASS_ALERT] = from->alert;
}

static void on_ready(struct loop_fd *f, uint8_t what)
{
    (void)f, (void)what; /* waking was all: every turn looks everywhere */
}

static void on_closed(struct loop_fd *f)
{
    (void)f;
}

static const struct loop_events wake_events = {.ready = on_ready, .closed = on_closed};

/* The loop owns what it watches; the fd stays librdkafka's, so a copy is watched. */
bool shard_watch(struct shard *s, int fd)
{
    CHECK(s->wake_count < SHARD_WAKES);
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return false;
    struct loop_fd *wake = &s->wakes[s->wake_count++];
    loop_add(s->loop, wake, copy, &wake_events);
    loop_watch_event(wake);
    return true;
}

static bool open_loop(struct shard *s, char *why)
{
    static const enum loop_choice choices[] = {[CONFIG_IO_AUTO] = LOOP_AUTO,
                                               [CONFIG_IO_URING] = LOOP_URING,
                                               [CONFIG_IO_EPOLL] = LOOP_EPOLL};
    struct loop_options options = {.choice = choices[s->config->is.worker.io]};
    s->loop = loop_open(&options, s->loop_why);
    if (!s->loop)
        snprintf(why, SHARD_WHY_SIZE, "%s", s->loop_why);
    else
        s->resolve = resolve_open(s->loop, NULL);
    return s->loop && s->resolve;
}

static bool open_http(struct shard *s, char *why)
{
    const struct config_send *send = &s->config->is.send;
    uint64_t seed;
    crypto_random(&seed, sizeof seed);
    uint32_t most = 64;
    for (uint32_t i = 0; i < s->config->is.providers_count; i++)
        if (s->config->is.providers[i].in_flight > most)
            most = (uint32_t)s->config->is.providers[i].in_flight;
    struct http_options options = {.loop = s->loop,
                                   .resolve = s->resolve,
                                   .connections_max = most + 16,
                                   .idle_ms = (uint32_t)send->idle_ms,
                                   .connect_ms = (uint32_t)send->connect_timeout_ms,
                                   .response_max = (uint32_t)send->answer_max,
                                   .request_max = REQUEST_MAX,
                                   .seed = seed};
    s->http = http_open(&options);
    if (!s->http) {
        snprintf(why, SHARD_WHY_SIZE, "the HTTP client cannot be opened");
        return false;
    }
    return routes_open(&s->routes, s->config, s->options.adapters, s->http,
                       s->config->is.schedule.slot_lateness_ms * NS_PER_MS, why);
}

static bool open_redis(struct shard *s, char *why)
{
    if (!redis_options_of(s->config, false, &s->redis_settings, why))
        return false;
    s->redis_settings.options.resolve = s->resolve;
    s->redis_settings.options.name = s->options.worker;
    crypto_random(&s->redis_settings.options.seed, sizeof s->redis_settings.options.seed);
    s->redis = redis_open(s->loop, &s->redis_settings.options);
    struct tenants_options tenants = {.redis = s->redis};
    if (s->redis && tenants_init(&s->tenants, &tenants) == ERR_OK)
        return true;
    snprintf(why, SHARD_WHY_SIZE, "the Redis client cannot be opened");
    return false;
}

static bool open_kafka(struct shard *s, char *why)
{
    const struct config_kafka *is = &s->config->is.kafka;
    s->topics[0] = topic_name_of(s->config, "carillon.events");
    s->topics[1] = topic_name_of(s->config, "carillon.events.urgent");
    s->told_topics[TOLD_OUTCOMES] = topic_name_of(s->config, "carillon.outcomes");
    s->told_topics[TOLD_DEAD] = topic_name_of(s->config, "carillon.dead");
    shard_name_ring(s);
    const struct source_topic topics[] = {{s->topics[0], false}, {s->topics[1], true}};
    struct source_options source = {.group = is->group,
                                    .topics = topics,
                                    .topic_count = 2,
                                    .session_timeout_ms = (uint32_t)is->session_timeout_ms,
                                    .heartbeat_ms = (uint32_t)is->heartbeat_interval_ms,
                                    .gather_ms = (uint32_t)is->gather_ms};
    struct sink_options sink = {.topics = (const char *const *)s->told_topics,
                                .topic_count = TOLD_COUNT,
                                .linger_ms = (uint32_t)is->linger_ms,
                                .delivery_timeout_ms = (uint32_t)is->delivery_timeout_ms,
                                .message_max_bytes = (uint32_t)is->max_message_bytes + 64 * 1024};
    kafka_options_of(s->config, s->options.worker, &s->kafka);
    source.kafka = sink.kafka = s->kafka.options;
    s->source = source_open(&source, why);
    if (s->source)
        s->sink = sink_open(&sink, why);
    return s->sink && shard_watch(s, source_fd(s->source, SOURCE_MAIN)) &&
           shard_watch(s, source_fd(s->source, SOURCE_URGENT)) && shard_watch(s, sink_fd(s->sink));
}

static bool open_claims(struct shard *s, char *why)
{
    const struct config_settings *is = &s->config->is;
    struct claims_options options = {
        .redis = s->redis,
        .jobs = &s->jobs,
        .rules = {.start_window_ms = (int64_t)is->claims.start_window_ms,
                  .request_deadline_ms = (int64_t)is->send.request_deadline_ms,
                  .skew_ms = 500,
                  .command_ms = (int64_t)is->redis.reply_timeout_ms,
                  .dedup_window_ms = (int64_t)is->claims.dedup_window_ms,
                  .foreign_wait_ms = (int64_t)is->claims.foreign_wait_ms},
        .marks = s->options.marks,
        .mark_count = s->options.mark_count,
        .time_sample_ns = is->deferral.time_sample_ms * NS_PER_MS,
        .stall_ns = is->kafka.session_timeout_ms * NS_PER_MS,
    };
    if (claims_init(&s->claims, &options) == ERR_OK)
        return true;
    snprintf(why, SHARD_WHY_SIZE, "no memory for claims");
    return false;
}

static void open_schedule(struct shard *s, uint64_t seed)
{
    const struct config_settings *is = &s->config->is;
    const struct schedule_options options = {
        .jobs = &s->jobs,
        .routes = &s->routes,
        .redis = s->redis,
        .claims = &s->claims,
        .metrics = &s->metrics,
        .reserve_ahead_ns = is->schedule.slot_horizon_ms * NS_PER_MS,
        .horizon_ns = is->schedule.horizon_ms * NS_PER_MS,
        .hold_ns = is->schedule.hold_ms * NS_PER_MS,
        .min_delay_ns = is->deferral.min_delay_ms * NS_PER_MS,
        .backoff_least_ns = is->deferral.backoff_least_ms * NS_PER_MS,
        .backoff_most_ns = is->deferral.backoff_most_ms * NS_PER_MS,
        .seed = seed};
    schedule_init(&s->schedule, &options, clock_mono_ns());
}

static bool open_stages(struct shard *s, char *why)
{
    static const bool urgent[] = {false, true};
    const struct config_settings *is = &s->config->is;
    uint64_t seed;
    crypto_random(&seed, sizeof seed);
    s->judge = (struct judge_options){
        .jobs = &s->jobs, .rules = s->options.rules, .smear_ms = (int64_t)is->schedule.smear_ms};
    open_schedule(s, seed ^ 1);
    struct consume_options consume = {.source = s->source,
                                      .jobs = &s->jobs,
                                      .topics = (const char *const *)s->topics,
                                      .urgent = urgent,
                                      .topic_count = 2,
                                      .worker = s->options.worker,
                                      .room_max = s->jobs.max / LEGS_MAX,
                                      .window_max = (uint32_t)is->kafka.window_max,
                                      .commit_interval_ms = is->kafka.commit_interval_ms};
    struct admit_options admit = {.redis = s->redis,
                                  .claims = &s->claims,
                                  .tenants = &s->tenants,
                                  .jobs = &s->jobs,
                                  .judge = s->options.rules,
                                  .metrics = &s->metrics};
    shard_copy_resend(&is->resend, admit.resend);
    struct send_options send = {.jobs = &s->jobs,
                                .routes = &s->routes,
                                .redis = s->redis,
                                .claims = &s->claims,
                                .metrics = &s->metrics,
                                .check_ttl_ns = is->claims.check_ttl_ms * NS_PER_MS,
                                .request_deadline_ns = is->send.request_deadline_ms * NS_PER_MS,
                                .max_attempts = (uint32_t)is->send.max_attempts,
                                .retry_least_ms = is->schedule.retry_least_ms,
                                .retry_most_ms = is->schedule.retry_most_ms,
                                .request_max = REQUEST_MAX,
                                .seed = seed};
    struct settle_options settle = {
        .jobs = &s->jobs,
        .sink = s->sink,
        .topic_outcomes = TOLD_OUTCOMES,
        .topic_dead = TOLD_DEAD,
        .metrics = &s->metrics,
        .format = is->outcomes.format == CONFIG_OUTCOMES_JSON ? OUTCOME_JSON : OUTCOME_PROTOBUF,
        .worker = s->options.worker,
        .address_key = bytes_of(is->rules.address_key),
        .ring = &s->ring,
        .clock = shard_clock,
        .clock_context = s};
    if (consume_init(&s->consume, &consume) == ERR_OK && admit_init(&s->admit, &admit) == ERR_OK &&
        send_init(&s->send, &send) && settle_init(&s->settle, &settle))
        return true;
    snprintf(why, SHARD_WHY_SIZE, "no memory for the stages");
    return false;
}

bool shard_open(struct shard *s, const struct shard_options *options, char why[SHARD_WHY_SIZE])
{
    *s = (struct shard){.options = *options,
                        .config = options->config,
                        .live = options->config,
                        .live_rules = options->rules};
    const struct config_worker *is = &options->config->is.worker;
    why[0] = '\0';
    pthread_mutex_init(&s->ready_lock, NULL);
    snprintf(s->ready_why, sizeof s->ready_why, "starting");
    if (!metrics_open(&s->metrics, options->metric_names) ||
        !jobs_open(&s->jobs, (uint32_t)is->jobs_max, (uint32_t)is->large_events_max)) {
        snprintf(why, SHARD_WHY_SIZE, "no memory for %u jobs", (unsigned)is->jobs_max);
        return false;
    }
    if (open_loop(s, why) && open_redis(s, why) && open_http(s, why) && open_kafka(s, why) &&
        open_claims(s, why) && open_stages(s, why) && shard_open_hand(s, why)) {
        atomic_store(&s->turn_ms, (uint64_t)clock_wall_ms());
        return true;
    }
    return false; /* the process ends: what is open goes with it */
}

void shard_close(struct shard *s)
{
    shard_close_hand(s);
    source_close(s->source);
    sink_close(s->sink);
    http_close(s->http);
    redis_close(s->redis);
    redis_settings_close(&s->redis_settings);
    for (uint32_t i = 0; i < s->wake_count; i++)
        loop_remove(&s->wakes[i]);
    loop_wait(s->loop, 0, 1);
    resolve_close(s->resolve);
    settle_deinit(&s->settle);
    send_deinit(&s->send);
    admit_deinit(&s->admit);
    claims_deinit(&s->claims);
    consume_deinit(&s->consume);
    tenants_deinit(&s->tenants);
    routes_close(&s->routes);
    loop_close(s->loop);
    for (uint32_t i = 0; i < 2; i++)
        free(s->topics[i]);
    for (uint32_t i = 0; i < TOLD_COUNT; i++)
        free(s->told_topics[i]);
    jobs_close(&s->jobs);
}
