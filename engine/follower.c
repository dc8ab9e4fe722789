/* The follower's thread: records of the state topics go to Redis in batches, and commits say
 * how far. What is trusted is told in follower_marks.c. */
#include "follower_parts.h"

#include "base/clock.h"
#include "base/log.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    BATCH_RECORDS = 256,
    BATCH_BYTES = 512 * 1024,
    ARENA_BYTES = 3 * STATE_WIRE_MAX,
    LOOK_MS = 1000,  /* how often a true cache is looked at */
    HASTE_MS = 50,   /* and one that is not true yet */
    LEAVE_MS = 2000, /* patience at the end */
};

/* Commits say to whoever begins the next epoch that this is no first start; and to people,
 * how far the follower is. */
static void serve_commits(struct follower *f)
{
    struct source_partition *list = NULL;
    uint32_t count = 0;
    if (f->commit_out || !f->epoch)
        return;
    for (uint32_t i = 0; i < f->part_count; i++) {
        const struct part *p = &f->parts[i];
        if (p->stage < PART_APPLIED || p->next <= p->committed)
            continue;
        if (!list)
            list = calloc(f->part_count, sizeof *list);
        CHECK(list);
        list[count++] = (struct source_partition){
            .topic = p->topic, .partition = p->partition, .offset = p->next};
    }
    if (count > 0 && source_commit(f->source, list, count, ++f->commit_id) == ERR_OK)
        f->commit_out = true;
    free(list);
}

/* What comes from Kafka. */

static struct part *part_of(struct follower *f, uint32_t topic, int32_t partition)
{
    for (uint32_t i = 0; i < f->part_count; i++)
        if (f->parts[i].topic == topic && f->parts[i].partition == partition)
            return &f->parts[i];
    return NULL;
}

static void on_record(struct follower *f, const struct source_event *e)
{
    struct part *p = part_of(f, e->topic, e->partition);
    struct bytes wire;
    const char *why;
    if (!p || f->lost || e->offset < p->reading)
        return;
    const struct state_record record = {.topic = (enum state_topic)e->topic,
                                        .key = e->record.key,
                                        .value = e->record.value,
                                        .offset = e->offset,
                                        .timestamp_ms = e->record.timestamp_ms};
    struct arena arena = arena_of(f->memory, ARENA_BYTES);
    if (state_wire(&record, &arena, &wire, &why) == ERR_OK)
        f->replies += state_append(f->redis, &record, wire, clock_wall_ms());
    else
        log_limited(LOG_ERROR, "state_record_skipped",
                    "topic=%s partition=%d offset=%lld why=\"%s\"", f->topics[e->topic],
                    e->partition, (long long)e->offset, why);
    f->batch_bytes += wire.size;
    p->reading = e->offset + 1;
}

static void on_end(struct follower *f, const struct source_event *e)
{
    struct part *p = part_of(f, e->topic, e->partition);
    if (!p || f->lost)
        return;
    p->reading = i64_max(p->reading, e->offset);
    p->end_seen = true;
}

static void drop_parts(struct follower *f)
{
    free(f->parts);
    f->parts = NULL;
    f->part_count = 0;
    f->taken_up = f->commit_out = false;
}

static void on_assigned(struct follower *f, const struct source_event *e)
{
    drop_parts(f);
    f->parts = calloc(e->partition_count + 1, sizeof f->parts[0]);
    CHECK(f->parts);
    f->part_count = e->partition_count;
    for (uint32_t i = 0; i < e->partition_count; i++)
        f->parts[i] = (struct part){.topic = e->partitions[i].topic,
                                    .partition = e->partitions[i].partition,
                                    .committed = e->partitions[i].offset};
    f->lost = true; /* begins when Redis can be asked */
}

static void on_committed(struct follower *f, const struct source_event *e)
{
    if (e->commit_id != f->commit_id)
        return;
    f->commit_out = false;
    for (uint32_t i = 0; i < e->partition_count; i++) {
        struct part *p = part_of(f, e->partitions[i].topic, e->partitions[i].partition);
        if (p && e->partitions[i].err == ERR_OK)
            p->committed = e->partitions[i].offset;
    }
}

/* Takes a batch; false: nothing more is waiting. */
static bool take(struct follower *f)
{
    f->batch_bytes = 0;
    for (uint32_t i = 0; i < BATCH_RECORDS && f->batch_bytes < BATCH_BYTES; i++) {
        struct source_event e;
        source_take(f->source, SOURCE_MAIN, &e);
        switch (e.kind) {
        case SOURCE_NONE:
            return false;
        case SOURCE_IDLE:
            break;
        case SOURCE_RECORD:
            on_record(f, &e);
            break;
        case SOURCE_END:
            on_end(f, &e);
            break;
        case SOURCE_ASSIGNED:
            on_assigned(f, &e);
            return true;
        case SOURCE_REVOKED: /* the marks say how far it is: nothing to wind down */
            drop_parts(f);
            source_unassign(f->source);
            return true;
        case SOURCE_COMMITTED:
            on_committed(f, &e);
            break;
        }
    }
    return true;
}

static bool turn(struct follower *f)
{
    if (!f->redis)
        follower_open_redis(f);
    if (f->redis && f->lost && f->part_count > 0)
        follower_begin(f);
    bool more = take(f);
    if (!f->redis)
        return more && f->part_count == 0;
    if (!follower_confirm(f, f->replies))
        return false;
    f->replies = 0;
    bool settled = true;
    for (uint32_t i = 0; i < f->part_count && !f->lost; i++) {
        f->parts[i].next = f->parts[i].reading;
        settled &= f->parts[i].stage == PART_TRUE;
    }
    uint64_t now_ns = clock_mono_ns();
    if (!f->lost && now_ns >= f->look_ns) {
        f->look_ns = now_ns + (settled ? LOOK_MS : HASTE_MS) * NS_PER_MS;
        follower_look(f);
    }
    if (f->redis && !f->lost) {
        follower_serve_marks(f);
        serve_commits(f);
    }
    return more;
}

static void wait_for_kafka(struct follower *f)
{
    struct pollfd p = {.fd = source_fd(f->source, SOURCE_MAIN), .events = POLLIN};
    uint64_t n;
    if (poll(&p, 1, HASTE_MS) > 0 && read(p.fd, &n, sizeof n) < 0)
        return;
}

static void *run(void *context)
{
    struct follower *f = context;
    while (!atomic_load(&f->stopping))
        if (!turn(f))
            wait_for_kafka(f);
    uint64_t until_ns = clock_mono_ns() + LEAVE_MS * NS_PER_MS;
    source_leave(f->source);
    while (!source_left(f->source) && clock_mono_ns() < until_ns) {
        struct source_event e;
        source_take(f->source, SOURCE_MAIN, &e);
        if (e.kind == SOURCE_REVOKED)
            source_unassign(f->source);
        if (e.kind == SOURCE_NONE)
            wait_for_kafka(f);
    }
    return NULL;
}

static void free_follower(struct follower *f)
{
    if (f->source)
        source_close(f->source);
    if (f->redis)
        redis_sync_close(f->redis);
    redis_settings_close(&f->settings);
    for (uint32_t i = 0; i < STATE_TOPIC_COUNT; i++)
        free(f->topics[i]);
    free(f->group);
    free(f->parts);
    free(f->memory);
    free(f);
}

static bool open_source(struct follower *f, char why[SETUP_WHY_SIZE])
{
    char kafka_why[KAFKA_WHY_SIZE] = "";
    struct source_topic topics[STATE_TOPIC_COUNT];
    const struct config_kafka *is = &f->config->is.kafka;
    for (uint32_t i = 0; i < STATE_TOPIC_COUNT; i++) {
        f->topics[i] = topic_name_of(f->config, state_topic_names[i]);
        topics[i] = (struct source_topic){.name = f->topics[i]};
    }
    size_t size = strlen(is->group) + sizeof ".state";
    f->group = malloc(size);
    CHECK(f->group);
    snprintf(f->group, size, "%s.state", is->group);
    kafka_options_of(f->config, "carillon-follower", &f->kafka);
    const struct source_options options = {.kafka = f->kafka.options,
                                           .group = f->group,
                                           .topics = topics,
                                           .topic_count = STATE_TOPIC_COUNT,
                                           .session_timeout_ms = (uint32_t)is->session_timeout_ms,
                                           .heartbeat_ms = (uint32_t)is->heartbeat_interval_ms,
                                           .ends = true};
    f->source = source_open(&options, kafka_why);
    snprintf(why, SETUP_WHY_SIZE, "%s", kafka_why);
    return f->source != NULL;
}

struct follower *follower_open(const struct config *config, const struct setup_found *found,
                               char why[SETUP_WHY_SIZE])
{
    char redis_why[256] = "";
    struct follower *f = calloc(1, sizeof *f);
    CHECK(f);
    f->config = config;
    f->found = found;
    f->memory = malloc(ARENA_BYTES);
    CHECK(f->memory);
    if (!redis_options_of(config, false, &f->settings, redis_why)) {
        snprintf(why, SETUP_WHY_SIZE, "%s", redis_why);
        free_follower(f);
        return NULL;
    }
    if (!open_source(f, why)) {
        free_follower(f);
        return NULL;
    }
    if (pthread_create(&f->thread, NULL, run, f) == 0)
        return f;
    snprintf(why, SETUP_WHY_SIZE, "the follower's thread does not start");
    free_follower(f);
    return NULL;
}

void follower_close(struct follower *f)
{
    atomic_store(&f->stopping, true);
    pthread_join(f->thread, NULL);
    free_follower(f);
}
