#include "worker.h"

#include "adapters.h"
#include "base/clock.h"
#include "base/log.h"
#include "domain/zones.h"
#include "follower.h"
#include "io/admin.h"
#include "outlook.h"
#include "pages.h"
#include "rules.h"
#include "setup.h"
#include "version.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { RETRY_MS = 500, RELOADS_MAX = 1024, TOPIC_LABELS = 3, CONNECTION_LABELS = 3 };

struct worker {
    const struct config *config;
    char name[128];
    struct adapters adapters;
    bool adapters_open;
    struct rules *rules;                 /* what the judge reads: zones, templates, platform zone */
    struct rules *reloaded[RELOADS_MAX]; /* older ones stay: jobs in hand were judged by them */
    uint32_t reload_count;
    struct setup_found found;
    struct follower *follower;
    struct outlook *outlook;
    struct admin *admin;
    struct pages pages;
    struct metric_names names;
    const char **provider_names, *reason_names[REASON_COUNT], *outcome_names[16];
    const char *verdict_names[VERDICT_COUNT];
    struct shard *shards;
    pthread_t *threads;
    uint32_t shard_count, threads_running;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopping;
    uint32_t drained;
};

static const char *const topic_names[TOPIC_LABELS] = {"events", "events.urgent", "deferred"};
static const char *const channel_names[] = {"none", "sms", "email", "push"};
static const char *const connection_names[CONNECTION_LABELS] = {"opening", "ready", "busy"};

static void name_outcomes(struct worker *worker)
{
    static const char *const names[] = {NULL,        "sent",   "suppressed", "duplicate", "expired",
                                        "cancelled", "failed", "ambiguous",  "dead"};
    for (uint32_t i = 0; i < countof(names); i++)
        worker->outcome_names[i] = names[i];
    worker->names.of[LABEL_OUTCOME].count = countof(names);
}

static void name_labels(struct worker *worker)
{
    struct metric_names *names = &worker->names;
    uint32_t providers = worker->config->is.providers_count;
    worker->provider_names = calloc(providers + 1, sizeof *worker->provider_names);
    CHECK(worker->provider_names != NULL);
    for (uint32_t i = 0; i < providers; i++)
        worker->provider_names[i] = worker->config->is.providers[i].name;
    for (uint32_t i = 1; i < REASON_COUNT; i++)
        worker->reason_names[i] = reason_code((enum reason)i);
    for (uint32_t i = 0; i < VERDICT_COUNT; i++)
        worker->verdict_names[i] = verdict_text((enum verdict)i);
    name_outcomes(worker);
#define LABELS(label, array, n)               \
    names->of[LABEL_##label].names = (array); \
    names->of[LABEL_##label].count = (n)
    LABELS(TOPIC, topic_names, TOPIC_LABELS);
    LABELS(CHANNEL, channel_names, countof(channel_names));
    LABELS(REASON, worker->reason_names, REASON_COUNT);
    LABELS(STATE, job_state_names, JOB_STATE_COUNT);
    LABELS(WAIT, wait_reason_names, WAIT_REASON_COUNT);
    LABELS(PROVIDER, worker->provider_names, providers);
    LABELS(VERDICT, worker->verdict_names, VERDICT_COUNT);
    LABELS(CONNECTION, connection_names, CONNECTION_LABELS);
#undef LABELS
    names->of[LABEL_OUTCOME].names = worker->outcome_names;
}

struct worker *worker_new(const struct config *config)
{
    struct worker *worker = calloc(1, sizeof *worker);
    CHECK(worker != NULL);
    worker->config = config;
    const char *name = config->is.worker.name;
    if (name[0])
        snprintf(worker->name, sizeof worker->name, "%s", name);
    else if (gethostname(worker->name, sizeof worker->name - 1) != 0)
        snprintf(worker->name, sizeof worker->name, "worker");
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->changed, NULL);
    name_labels(worker);
    worker->pages =
        (struct pages){.config = config, .worker = worker->name, .started_ms = clock_wall_ms()};
    return worker;
}

static bool is_stopping(struct worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    bool stopping = worker->stopping;
    pthread_mutex_unlock(&worker->lock);
    return stopping;
}

/* Waits until told to stop, or for so long. */
static void pause_for(struct worker *worker, uint32_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&worker->lock);
    while (!worker->stopping &&
           pthread_cond_timedwait(&worker->changed, &worker->lock, &until) != ETIMEDOUT)
        continue;
    pthread_mutex_unlock(&worker->lock);
}

/* Topics and functions are there, or can be waited for, or are missing. */
static enum worker_start wait_for_setup(struct worker *worker, char why[WORKER_WHY_SIZE])
{
    const char *told = NULL;
    uint64_t since_ns = clock_mono_ns();
    while (!is_stopping(worker)) {
        switch (setup_check(worker->config, &worker->found, why)) {
        case SETUP_GOOD:
            atomic_store(&worker->pages.waiting_for, NULL);
            if (told)
                log_event(LOG_INFO, "reached", "what=%s after_ms=%llu", told,
                          (unsigned long long)((clock_mono_ns() - since_ns) / NS_PER_MS));
            return WORKER_STARTED;
        case SETUP_MISSING:
            return WORKER_BAD_SETUP;
        case SETUP_KAFKA_AWAY:
        case SETUP_REDIS_AWAY:
            break;
        }
        const char *what = worker->found.away;
        if (told != what) {
            log_event(LOG_WARN, "waiting_for", "what=%s why=\"%s\"", what, why);
            told = what;
            since_ns = clock_mono_ns();
        }
        atomic_store(&worker->pages.waiting_for, what);
        pause_for(worker, RETRY_MS);
    }
    return WORKER_STOPPED;
}

static uint32_t shard_count_of(const struct config *config)
{
    if (config->is.worker.shards > 0)
        return (uint32_t)config->is.worker.shards;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 2 ? (uint32_t)cores - 1 : 1;
}

struct thread_start {
    struct worker *worker;
    struct shard_options options;
    struct shard *shard;
    bool opened, failed;
    char why[SHARD_WHY_SIZE];
};

/* A ring belongs to the thread that made it, so a shard is opened by its own. */
static void *run_shard(void *context)
{
    struct thread_start *start = context;
    struct worker *worker = start->worker;
    struct shard *shard = start->shard;
    bool good = shard_open(shard, &start->options, start->why);
    pthread_mutex_lock(&worker->lock);
    start->opened = good;
    start->failed = !good;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
    if (!good)
        return NULL;
    shard_run(shard);
    shard_close(shard);
    pthread_mutex_lock(&worker->lock);
    worker->drained++;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
    return NULL;
}

static bool start_shard(struct worker *worker, uint32_t index, char why[WORKER_WHY_SIZE])
{
    struct thread_start start = {
        .worker = worker,
        .shard = &worker->shards[index],
        .options = {.config = worker->config,
                    .index = index,
                    .worker = worker->name,
                    .rules = rules_judge(worker->rules),
                    .adapters = &worker->adapters,
                    .marks = (const char *const *)worker->found.marks,
                    .mark_count = worker->found.mark_count,
                    .metric_names = &worker->names,
                    .ring = &worker->found.ring},
    };
    if (pthread_create(&worker->threads[index], NULL, run_shard, &start) != 0) {
        snprintf(why, WORKER_WHY_SIZE, "cannot start thread %u", index);
        return false;
    }
    worker->threads_running++;
    pthread_mutex_lock(&worker->lock);
    while (!start.opened && !start.failed)
        pthread_cond_wait(&worker->changed, &worker->lock);
    pthread_mutex_unlock(&worker->lock);
    if (start.failed)
        snprintf(why, WORKER_WHY_SIZE, "shard %u: %s", index, start.why);
    return start.opened;
}

static bool start_shards(struct worker *worker, char why[WORKER_WHY_SIZE])
{
    worker->shard_count = shard_count_of(worker->config);
    worker->shards = calloc(worker->shard_count, sizeof *worker->shards);
    worker->threads = calloc(worker->shard_count, sizeof *worker->threads);
    CHECK(worker->shards && worker->threads);
    for (uint32_t i = 0; i < worker->shard_count; i++)
        if (!start_shard(worker, i, why))
            return false;
    worker->pages.shards = worker->shards;
    worker->pages.shard_count = worker->shard_count;
    snprintf(worker->pages.backend, sizeof worker->pages.backend, "%s",
             loop_backend(worker->shards[0].loop));
    snprintf(worker->pages.backend_why, sizeof worker->pages.backend_why, "%s",
             worker->shards[0].loop_why);
    atomic_store(&worker->pages.started, true);
    return true;
}

static void say_start(const struct worker *worker)
{
    const struct config_worker *is = &worker->config->is.worker;
    uint64_t bytes = (uint64_t)worker->shard_count *
                     jobs_bytes((uint32_t)is->jobs_max, (uint32_t)is->large_events_max);
    log_event(LOG_INFO, "started",
              "worker=%s version=%s commit=%s shards=%u io=%s why=\"%s\" jobs_per_shard=%u "
              "memory_reserved_bytes=%llu",
              worker->name, CARILLON_VERSION, version_commit, worker->shard_count,
              worker->pages.backend, worker->pages.backend_why, (unsigned)is->jobs_max,
              (unsigned long long)bytes);
}

enum worker_start worker_start(struct worker *worker, struct findings *findings,
                               char why[WORKER_WHY_SIZE])
{
    worker->adapters_open = adapters_load(worker->config, findings, &worker->adapters);
    if (worker->adapters_open)
        worker->rules = rules_open(worker->config, &worker->adapters, findings);
    if (!worker->rules)
        return WORKER_BAD_CONFIG;
    const char *address = worker->config->is.admin.address;
    if (address[0]) {
        worker->admin = admin_open(address, pages_all, pages_count, &worker->pages, why);
        if (!worker->admin)
            return WORKER_BROKEN;
    }
    enum worker_start result = wait_for_setup(worker, why);
    if (result != WORKER_STARTED)
        return result;
    worker->follower = follower_open(worker->config, &worker->found, why);
    if (worker->follower)
        worker->outlook = outlook_open(worker->config, &worker->adapters, why);
    worker->pages.outlook = worker->outlook;
    if (!worker->outlook || !start_shards(worker, why))
        return WORKER_BROKEN;
    say_start(worker);
    return WORKER_STARTED;
}

void worker_stop(struct worker *worker)
{
    atomic_store(&worker->pages.draining, true);
    pthread_mutex_lock(&worker->lock);
    worker->stopping = true;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
    for (uint32_t i = 0; i < worker->threads_running; i++)
        shard_stop(&worker->shards[i]);
}

bool worker_wait(struct worker *worker, uint32_t timeout_ms)
{
    uint64_t until_ns = clock_mono_ns() + timeout_ms * NS_PER_MS;
    pthread_mutex_lock(&worker->lock);
    while (worker->drained < worker->threads_running && clock_mono_ns() < until_ns) {
        struct timespec at;
        clock_gettime(CLOCK_REALTIME, &at);
        at.tv_sec += 1;
        pthread_cond_timedwait(&worker->changed, &worker->lock, &at);
    }
    bool drained = worker->drained == worker->threads_running;
    pthread_mutex_unlock(&worker->lock);
    return drained;
}

void worker_close(struct worker *worker)
{
    worker_stop(worker);
    for (uint32_t i = 0; i < worker->threads_running; i++)
        pthread_join(worker->threads[i], NULL);
    if (worker->admin)
        admin_close(worker->admin);
    if (worker->outlook)
        outlook_close(worker->outlook);
    if (worker->follower)
        follower_close(worker->follower);
    for (uint32_t i = 0; i < worker->reload_count; i++)
        rules_close(worker->reloaded[i]);
    if (worker->rules)
        rules_close(worker->rules);
    if (worker->adapters_open)
        adapters_free(&worker->adapters);
    setup_found_free(&worker->found);
    free(worker->shards);
    free(worker->threads);
    free(worker->provider_names);
    pthread_mutex_destroy(&worker->lock);
    pthread_cond_destroy(&worker->changed);
    free(worker);
}

bool worker_reload(struct worker *worker, const struct config *config, struct findings *findings)
{
    if (worker->reload_count == RELOADS_MAX) {
        findings_add(findings, FINDING_ERROR, config->path, 0, 0,
                     "reloaded %u times: restart the worker instead", RELOADS_MAX);
        return false;
    }
    struct rules *rules = rules_open(config, &worker->adapters, findings);
    if (!rules)
        return false;
    worker->reloaded[worker->reload_count++] = rules;
    outlook_reload(worker->outlook, config);
    for (uint32_t i = 0; i < worker->shard_count; i++)
        shard_reload(&worker->shards[i], config, rules_judge(rules));
    return true;
}

uint16_t worker_admin_port(const struct worker *worker)
{
    return worker->admin ? admin_port(worker->admin) : 0;
}

uint32_t worker_shards(const struct worker *worker, const struct metrics **shards, uint32_t max)
{
    uint32_t count = worker->shard_count < max ? worker->shard_count : max;
    for (uint32_t i = 0; i < count; i++)
        shards[i] = &worker->shards[i].metrics;
    return count;
}

bool worker_ready(struct worker *worker, char why[WORKER_WHY_SIZE])
{
    struct writer w = writer_of(why, WORKER_WHY_SIZE - 1);
    bool ready = pages_ready(&worker->pages, &w);
    why[w.size] = '\0';
    return ready;
}
