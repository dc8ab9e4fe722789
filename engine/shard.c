#include "shard.h"

#include "adapters.h"
#include "base/clock.h"
#include "base/log.h"
#include "io/crypto.h"
#include "io/tls.h"
#include "stage/decode.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    COALESCE = 32,               /* completions waited for together, at most 1 ms */
    BUSY_CALLS = 16,             /* calls in flight from which it pays */
    IDLE_NS = 100 * 1000 * 1000, /* nothing ever waits longer for a look */
    GAUGES_NS = 250 * 1000 * 1000,
    TENANT_RETRY_NS = 5 * 1000 * 1000,
    REQUEST_MAX = 2 * 1024 * 1024,
};

/* --- the turn ------------------------------------------------------------------------ */

/* Gives each event its tenant's settings; those that are still being loaded stay. */
static void hold_tenants(struct shard *s, struct list *decoded, struct list *held)
{
    list_move(decoded, &s->tenantless);
    for (struct list_node *n = s->tenantless.first, *next; n; n = next) {
        next = n->next;
        struct event *event = event_of(n);
        struct tenant_ref *ref = tenants_get(&s->tenants, bytes_of(event->judged.event->tenant_id));
        if (!ref)
            continue;
        event->tenant_ref = ref;
        event->judged.tenant = tenant_of(ref);
        list_remove(&s->tenantless, n);
        list_push(held, n);
    }
}

/* Its time has come, or its tenant's settings changed: judged with what holds now. */
static void judge_again(struct shard *s, struct list *again, struct list *judged,
                        struct list *refused)
{
    struct list whole = {0}, held = {0};
    for (struct list_node *n = list_pop(again); n; n = list_pop(again)) {
        struct job *job = job_of(n);
        struct event *event = job->event;
        if (event->planned && job->leg) {
            judge_leg_again(&s->judge, s->now, job, judged, refused);
            continue;
        }
        event->planned = false;
        job->leg = NULL;
        tenants_put(&s->tenants, event->tenant_ref);
        event->tenant_ref = NULL;
        list_push(&whole, &event->node);
    }
    hold_tenants(s, &whole, &held);
    judge_all(&s->judge, s->now, &held, judged, refused);
}

/* The event's last job closed: its offset is complete. */
static void complete(struct shard *s, struct event *event)
{
    if (event->tenant_ref)
        tenants_put(&s->tenants, event->tenant_ref);
    event->tenant_ref = NULL;
    if (event->abandoned)
        consume_abandon(&s->consume, event);
    else
        consume_complete(&s->consume, event);
    event_close(&s->jobs, event);
}

/* Waiters for claims of other records are capped per partition (consume). */
static void count_foreign(struct shard *s, struct job *job, bool waits)
{
    if (waits == job->waits_foreign)
        return;
    job->waits_foreign = waits;
    consume_wait(&s->consume, job->event, waits);
}

static void count_all_foreign(struct shard *s, const struct list *jobs)
{
    for (struct list_node *n = jobs->first; n; n = n->next) {
        struct job *job = job_of(n);
        count_foreign(s, job,
                      job->claim_ready && job->claim.state == CLAIM_WAITING && job->claim.foreign);
    }
}

static void close_all(struct shard *s, struct list *closed)
{
    for (struct list_node *n = list_pop(closed); n; n = list_pop(closed)) {
        struct job *job = job_of(n);
        struct event *event = job->event;
        count_foreign(s, job, false);
        if (job_close(&s->jobs, job))
            complete(s, event);
    }
}

/* Jobs of revoked partitions that hold nothing end silently: the next owner has them. */
static void drop_revoked(struct list *jobs, struct list *dropped)
{
    for (struct list_node *n = jobs->first, *next; n; n = next) {
        next = n->next;
        struct job *job = job_of(n);
        if (!job->event->revoked || (job->claim_ready && job->claim.held))
            continue;
        list_remove(jobs, n);
        list_push(dropped, n);
    }
}

static void close_dropped(struct shard *s, struct list *dropped)
{
    for (struct list_node *n = dropped->first; n; n = n->next) {
        route_unpromise(job_of(n));
        job_of(n)->event->abandoned = true;
        metric_add(&s->metrics, METRIC_REVOKED_LEGS, 0, 0, 1);
    }
    close_all(s, dropped);
}

/* Takes what waits anywhere for revoked partitions out of the stages. */
static void wind_down_revoked(struct shard *s, struct list *release)
{
    struct list dropped = {0};
    if (!consume_revoked(&s->consume))
        return;
    for (struct list_node *n = s->tenantless.first, *next; n; n = next) {
        next = n->next;
        struct event *event = event_of(n);
        if (!event->revoked)
            continue;
        list_remove(&s->tenantless, n);
        list_push(&dropped, &job_of_sibling(event->jobs.first)->node);
    }
    drop_revoked(&s->refused, &dropped);
    schedule_drop(&s->schedule, false, &dropped);
    send_drop_revoked(&s->send, release);
    close_dropped(s, &dropped);
}

/* Records in, legs judged and waiting. */
static void turn_in(struct shard *s)
{
    struct list fresh = {0}, decoded = {0}, held = {0}, judged = {0}, ended = {0};
    s->more =
        consume_take(&s->consume, s->now_ns, s->now.ms, jobs_room(&s->jobs) / LEGS_MAX, &fresh);
    decode_all(&s->jobs, &fresh, &decoded, &s->refused, &ended);
    hold_tenants(s, &decoded, &held);
    judge_all(&s->judge, s->now, &held, &judged, &s->refused);
    schedule_put(&s->schedule, &judged, &s->refused);
    settle_enter(&s->settle, &ended);
    claims_settle_put(&s->claims, s->now_ns, &ended);
}

/* Due legs through admission into calls, and what comes of them. */
static void turn_out(struct shard *s)
{
    struct list due = {0}, anew = {0}, judged = {0}, ready = {0}, again = {0}, ended = {0};
    struct list rejudge = {0}, release = {0}, dropped = {0};
    uint32_t room = admit_room(&s->admit);

    schedule_take(&s->schedule, s->now_ns, room, &due, &anew, &s->refused);
    judge_again(s, &anew, &judged, &s->refused);
    schedule_put(&s->schedule, &judged, &s->refused);
    struct list asked = {0};
    while (s->refused.count > 0 && due.count + asked.count < room)
        list_push(&asked, list_pop(&s->refused));
    admit_put(&s->admit, s->now_ns, &due);
    admit_ask(&s->admit, s->now_ns, &asked);
    admit_take(&s->admit, s->now_ns, s->now.ms, &ready, &again, &ended, &rejudge);
    judge_again(s, &rejudge, &judged, &s->refused);
    count_all_foreign(s, &again);
    count_all_foreign(s, &ready);

    send_put(&s->send, &ready);
    send_start(&s->send, s->now_ns, &again, &ended);
    send_take(&s->send, s->now_ns, &ended, &release, &again);
    wind_down_revoked(s, &release);
    claims_release_put(&s->claims, s->now_ns, &release);
    claims_release_take(&s->claims, s->now_ns, &again);
    drop_revoked(&again, &dropped);
    close_dropped(s, &dropped);
    list_move(&again, &judged);
    schedule_put(&s->schedule, &judged, &s->refused);

    settle_enter(&s->settle, &ended);
    claims_settle_put(&s->claims, s->now_ns, &ended);
    CHECK(due.count + anew.count + judged.count + ready.count + again.count + ended.count == 0);
}

/* Ends told, acknowledged, closed. */
static void turn_end(struct shard *s)
{
    struct list settled = {0}, closed = {0};
    claims_settle_take(&s->claims, s->now_ns, &settled);
    settle_put(&s->settle, &settled, s->now.ms);
    settle_take(&s->settle, s->now.ms, &closed);
    close_all(s, &closed);
    CHECK(settled.count + closed.count == 0);
}

static uint64_t next_look_ns(struct shard *s, uint64_t claims_ns)
{
    uint64_t next_ns = u64_min(claims_ns, s->now_ns + IDLE_NS);
    next_ns = u64_min(next_ns, schedule_next_ns(&s->schedule));
    next_ns = u64_min(next_ns, send_next_ns(&s->send));
    if (s->more)
        return s->now_ns;
    if (s->tenantless.count > 0)
        next_ns = u64_min(next_ns, s->now_ns + TENANT_RETRY_NS);
    return next_ns;
}

static uint32_t in_flight(const struct shard *s)
{
    uint32_t calls = 0;
    for (uint32_t i = 0; i < s->routes.account_count; i++)
        calls += s->routes.accounts[i].in_flight;
    return calls;
}

static void copy_resend(const struct config_resend *from, bool to[CLASS_COUNT])
{
    to[CARILLON__V1__CLASS__CLASS_URGENT] = from->urgent;
    to[CARILLON__V1__CLASS__CLASS_SYSTEM] = from->system;
    to[CARILLON__V1__CLASS__CLASS_REMINDER] = from->reminder;
    to[CARILLON__V1__CLASS__CLASS_CONVERSATION] = from->conversation;
    to[CARILLON__V1__CLASS__CLASS_MARKETING] = from->marketing;
    to[CARILLON__V1__CLASS__CLASS_ALERT] = from->alert;
}

static void write_partition_gauges(struct shard *s)
{
    struct metrics *m = &s->metrics;
    uint64_t lag[2] = {0}, partitions[2] = {0};
    for (uint32_t i = 0; i < s->consume.partition_count; i++) {
        struct consume_gauge gauge;
        consume_gauge(&s->consume, i, &gauge);
        lag[gauge.topic] += gauge.lag > 0 ? (uint64_t)gauge.lag : 0;
        partitions[gauge.topic]++;
    }
    for (uint32_t topic = 0; topic < 2; topic++) {
        metric_set(m, METRIC_LAG, topic, lag[topic]);
        metric_set(m, METRIC_PARTITIONS, topic, partitions[topic]);
    }
    int64_t oldest_ms = consume_oldest_ms(&s->consume);
    metric_set(m, METRIC_OLDEST_UNSETTLED, 0, oldest_ms == INT64_MAX ? 0 : (uint64_t)oldest_ms);
    metric_set(m, METRIC_REBALANCES, 0, s->consume.stats.rebalances);
    metric_set(m, METRIC_COMMITS, 0, s->consume.stats.commits);
}

static void write_gauges(struct shard *s)
{
    struct metrics *m = &s->metrics;
    for (uint32_t i = 0; i < JOB_STATE_COUNT; i++)
        metric_set(m, METRIC_JOBS, i, s->jobs.count[i]);
    for (uint32_t i = 0; i < WAIT_REASON_COUNT; i++)
        metric_set(m, METRIC_WAITING_JOBS, i, s->jobs.waiting[i]);
    metric_set(m, METRIC_LEGS_OPENED, 0, s->jobs.opened);
    metric_set(m, METRIC_BOOKS_IMBALANCE, 0,
               s->jobs.opened - s->jobs.closed - jobs_in_hand(&s->jobs));
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

static void tell_readiness(struct shard *s)
{
    char why[SHARD_WHY_SIZE] = "";
    struct writer w = writer_of(why, sizeof why - 1);
    if (!claims_open(&s->claims))
        write_format(&w, "redis: %s", gate_state_text(claims_gate(&s->claims)));
    struct kafka_health kafka;
    source_health(s->source, &kafka);
    if (!kafka.up)
        write_format(&w, "%skafka: %s", w.size ? "; " : "",
                     kafka.error[0] ? kafka.error : "no broker answers");
    else if (s->consume.state != CONSUME_RUNNING)
        write_format(&w, "%skafka: no partitions assigned", w.size ? "; " : "");
    if (strcmp(why, s->ready_why) == 0)
        return;
    if (why[0])
        log_event(LOG_WARN, "not_ready", "shard=%u why=\"%s\"", s->options.index, why);
    else
        log_event(LOG_INFO, "ready", "shard=%u", s->options.index);
    atomic_fetch_add(&s->ready_seq, 1);
    memcpy(s->ready_why, why, sizeof why);
    atomic_fetch_add(&s->ready_seq, 1);
}

/* Keys marked LIVE in config.def. */
static void apply_live(struct shard *s, const struct config *config)
{
    const struct config_settings *is = &config->is;
    s->config = config;
    s->judge.smear_ms = (int64_t)is->schedule.smear_ms;
    s->judge.rules = s->admit.options.judge = atomic_load(&s->live_rules);
    s->claims.rules.foreign_wait_ms = (int64_t)is->claims.foreign_wait_ms;
    s->send.options.check_ttl_ns = is->claims.check_ttl_ms * NS_PER_MS;
    s->send.options.max_attempts = (uint32_t)is->send.max_attempts;
    s->send.options.retry_least_ms = is->schedule.retry_least_ms;
    s->send.options.retry_most_ms = is->schedule.retry_most_ms;
    copy_resend(&is->resend, s->admit.options.resend);
    routes_limit(&s->routes, config);
}

void shard_reload(struct shard *s, const struct config *config, const struct judge *rules)
{
    atomic_store(&s->live_rules, rules);
    atomic_store(&s->live, config);
}

void shard_turn(struct shard *s)
{
    s->now_ns = clock_mono_ns();
    uint64_t claims_ns = claims_turn(&s->claims, s->now_ns);
    s->now = (struct judge_now){claims_now_ms(&s->claims, s->now_ns), s->now_ns};
    if (claims_gate(&s->claims) == GATE_HOLD)
        consume_commit(&s->consume);
    claims_committed(&s->claims, consume_acked_ns(&s->consume));
    turn_in(s);
    turn_out(s);
    turn_end(s);
    if (s->now_ns >= s->gauges_ns) {
        const struct config *live = atomic_load(&s->live);
        if (live != s->config)
            apply_live(s, live);
        write_gauges(s);
        tell_readiness(s);
        s->gauges_ns = s->now_ns + GAUGES_NS;
    }
    metric_set(&s->metrics, METRIC_LAST_TURN, 0, (uint64_t)s->now.ms);
    metric_add(&s->metrics, METRIC_TURNS, 0, 0, 1);
    atomic_store_explicit(&s->turn_ms, (uint64_t)s->now.ms, memory_order_relaxed);

    loop_wait(s->loop, next_look_ns(s, claims_ns), in_flight(s) >= BUSY_CALLS ? COALESCE : 1);
}

/* --- life ---------------------------------------------------------------------------- */

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
static bool watch(struct shard *s, uint32_t index, int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return false;
    loop_add(s->loop, &s->wakes[index], copy, &wake_events);
    loop_watch_event(&s->wakes[index]);
    s->wake_count++;
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
    s->told_topics[0] = topic_name_of(s->config, "carillon.outcomes");
    s->told_topics[1] = topic_name_of(s->config, "carillon.dead");
    const struct source_topic topics[] = {{s->topics[0], false}, {s->topics[1], true}};
    struct source_options source = {.group = is->group,
                                    .topics = topics,
                                    .topic_count = 2,
                                    .session_timeout_ms = (uint32_t)is->session_timeout_ms,
                                    .heartbeat_ms = (uint32_t)is->heartbeat_interval_ms};
    struct sink_options sink = {.topics = (const char *const *)s->told_topics,
                                .topic_count = 2,
                                .linger_ms = (uint32_t)is->linger_ms,
                                .delivery_timeout_ms = (uint32_t)is->delivery_timeout_ms,
                                .message_max_bytes = (uint32_t)is->max_message_bytes + 64 * 1024};
    kafka_options_of(s->config, s->options.worker, &s->kafka);
    source.kafka = sink.kafka = s->kafka.options;
    s->source = source_open(&source, why);
    if (s->source)
        s->sink = sink_open(&sink, why);
    return s->sink && watch(s, 0, source_fd(s->source, SOURCE_MAIN)) &&
           watch(s, 1, source_fd(s->source, SOURCE_URGENT)) && watch(s, 2, sink_fd(s->sink));
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
    };
    if (claims_init(&s->claims, &options) == ERR_OK)
        return true;
    snprintf(why, SHARD_WHY_SIZE, "no memory for claims");
    return false;
}

static bool open_stages(struct shard *s, char *why)
{
    static const bool urgent[] = {false, true};
    const struct config_settings *is = &s->config->is;
    uint64_t seed;
    crypto_random(&seed, sizeof seed);
    s->judge = (struct judge_options){
        .jobs = &s->jobs, .rules = s->options.rules, .smear_ms = (int64_t)is->schedule.smear_ms};
    struct schedule_options schedule = {.jobs = &s->jobs,
                                        .routes = &s->routes,
                                        .redis = s->redis,
                                        .claims = &s->claims,
                                        .metrics = &s->metrics,
                                        .reserve_ahead_ns =
                                            is->schedule.slot_horizon_ms * NS_PER_MS};
    schedule_init(&s->schedule, &schedule, clock_mono_ns());
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
                                  .judge = s->options.rules};
    copy_resend(&is->resend, admit.resend);
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
    struct settle_options settle = {.jobs = &s->jobs,
                                    .sink = s->sink,
                                    .topic_outcomes = 0,
                                    .topic_dead = 1,
                                    .metrics = &s->metrics,
                                    .json = is->outcomes.format == CONFIG_OUTCOMES_JSON,
                                    .worker = s->options.worker,
                                    .address_key = bytes_of(is->rules.address_key),
                                    .ce_source = BYTES("carillon")};
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
    if (!metrics_open(&s->metrics, options->metric_names) ||
        !jobs_open(&s->jobs, (uint32_t)is->jobs_max, (uint32_t)is->large_events_max)) {
        snprintf(why, SHARD_WHY_SIZE, "no memory for %u jobs", (unsigned)is->jobs_max);
        return false;
    }
    if (open_loop(s, why) && open_redis(s, why) && open_http(s, why) && open_kafka(s, why) &&
        open_claims(s, why) && open_stages(s, why)) {
        atomic_store(&s->turn_ms, (uint64_t)clock_wall_ms());
        return true;
    }
    return false; /* the process ends: what is open goes with it */
}

/* Draining: nothing new is taken; what is in hand ends, is committed, the group is left. */
static void wind_down(struct shard *s)
{
    struct list dropped = {0};
    consume_stop(&s->consume);
    schedule_drop(&s->schedule, true, &dropped);
    close_dropped(s, &dropped);
    if (!s->leaving && jobs_in_hand(&s->jobs) == 0 && consume_clean(&s->consume)) {
        source_leave(s->source);
        s->leaving = true;
    }
}

void shard_run(struct shard *s)
{
    while (!(s->leaving && source_left(s->source))) {
        if (atomic_load_explicit(&s->stopping, memory_order_relaxed))
            wind_down(s);
        shard_turn(s);
    }
    atomic_store(&s->drained, true);
}

void shard_stop(struct shard *s)
{
    atomic_store(&s->stopping, true);
    loop_wake(s->loop);
}

void shard_close(struct shard *s)
{
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
    for (uint32_t i = 0; i < 2; i++) {
        free(s->topics[i]);
        free(s->told_topics[i]);
    }
    jobs_close(&s->jobs);
}

void shard_ready(struct shard *s, char out[SHARD_WHY_SIZE])
{
    uint32_t seq;
    do {
        seq = atomic_load(&s->ready_seq);
        memcpy(out, s->ready_why, SHARD_WHY_SIZE);
    } while ((seq & 1) || atomic_load(&s->ready_seq) != seq);
}
