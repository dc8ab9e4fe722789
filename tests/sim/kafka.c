/* Kafka in memory: logs, two groups that own all partitions of theirs and commit, a reader
 * without a group, a producer. Nothing is refused; every answer takes a while. */
#include "sim.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { ACK_NS = 3000000, COMMIT_NS = 4000000, ENDS_NS = 1500000, PENDING_MAX = 4096 };

struct stored {
    struct record record; /* all of it in one block, at `memory` */
    char *memory;
};

struct topic_log {
    struct stored *records;
    int64_t count, max;
    int64_t committed;
    char *metadata;
    size_t metadata_size;
    /* read by the group that owns it, or by the feed */
    bool reading, queued, paused;
    int64_t at;
    uint32_t pass;
};

static struct topic_log *logs[SIM_TOPIC_COUNT];
static const uint32_t log_counts[SIM_TOPIC_COUNT] = {SIM_EVENTS_PARTITIONS, 1, SIM_RING_PARTITIONS,
                                                     SIM_FAR_PARTITIONS};

static struct topic_log *log_of(enum sim_topic topic, int32_t partition)
{
    if (!logs[topic]) {
        logs[topic] = calloc(log_counts[topic], sizeof *logs[topic]);
        CHECK(logs[topic]);
        for (uint32_t i = 0; i < log_counts[topic]; i++)
            logs[topic][i].committed = -1;
    }
    CHECK(partition >= 0 && (uint32_t)partition < log_counts[topic]);
    return &logs[topic][partition];
}

/* --- what the reader has to look at ------------------------------------------------------- */

struct feed_place {
    enum sim_topic topic;
    int32_t partition;
};
static struct feed_place queue[2048]; /* partitions that are read and have something to tell */
static uint32_t queue_first, queue_count;

static void queue_put(enum sim_topic topic, int32_t partition)
{
    struct topic_log *log = log_of(topic, partition);
    if (log->queued || !log->reading)
        return;
    CHECK(queue_count < countof(queue));
    log->queued = true;
    queue[(queue_first + queue_count++) % countof(queue)] = (struct feed_place){topic, partition};
}

/* --- logs --------------------------------------------------------------------------------- */

static size_t record_bytes(const struct record *record)
{
    size_t size = record->key.size + record->value.size +
                  (record->header_count + 1) * sizeof(struct record_header);
    for (uint32_t i = 0; i < record->header_count; i++)
        size += record->headers[i].name.size + record->headers[i].value.size;
    return size;
}

static struct bytes keep(char **at, struct bytes text)
{
    struct bytes kept = {text.at ? *at : NULL, text.size};
    if (text.size > 0)
        memcpy(*at, text.at, text.size);
    *at += text.size;
    return kept;
}

static const struct record *append(enum sim_topic topic, int32_t partition,
                                   const struct record *record)
{
    struct topic_log *log = log_of(topic, partition);
    if (log->count == log->max) {
        log->max = 2 * log->max + 4;
        log->records = realloc(log->records, (size_t)log->max * sizeof *log->records);
        CHECK(log->records);
    }
    struct stored *s = &log->records[log->count++];
    s->memory = malloc(record_bytes(record));
    CHECK(s->memory);
    struct record_header *headers = (struct record_header *)(void *)s->memory;
    char *at = s->memory + (record->header_count + 1) * sizeof *headers;
    for (uint32_t i = 0; i < record->header_count; i++)
        headers[i] = (struct record_header){keep(&at, record->headers[i].name),
                                            keep(&at, record->headers[i].value)};
    s->record = (struct record){.key = keep(&at, record->key),
                                .value = keep(&at, record->value),
                                .headers = headers,
                                .header_count = record->header_count,
                                .timestamp_ms = sim_server_ms()};
    queue_put(topic, partition);
    return &s->record;
}

void sim_append(enum sim_topic topic, int32_t partition, struct bytes value)
{
    append(topic, partition, &(struct record){.key = BYTES("key"), .value = value});
}

/* --- a group's consumer ------------------------------------------------------------------- */

struct source {
    bool owns_only;
    enum sim_topic first; /* of its topics, which follow each other */
    uint32_t topics;
    bool assigned, told;
    struct source_partition *partitions; /* all of its topics */
    uint32_t count;
    uint64_t commit_id;
    int64_t commit_ns; /* 0: none is under way */
    uint32_t commit_count;
    struct source_partition *commit;
    int fd;
};

static struct source *sources[2];

struct source *source_open(const struct source_options *options, char why[KAFKA_WHY_SIZE])
{
    (void)why;
    struct source *s = calloc(1, sizeof *s);
    CHECK(s && options->topic_count == 2);
    s->owns_only = options->owns_only;
    s->first = options->owns_only ? SIM_RING : SIM_EVENTS;
    s->topics = options->topic_count;
    for (uint32_t i = 0; i < s->topics; i++)
        s->count += log_counts[s->first + i];
    s->partitions = calloc(s->count, sizeof *s->partitions);
    s->commit = calloc(s->count, sizeof *s->commit);
    s->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK(s->partitions && s->commit && s->fd >= 0);
    sources[s->owns_only] = s;
    return s;
}

int source_fd(const struct source *source, enum source_lane lane)
{
    (void)lane;
    return source->fd;
}

static void tell_assignment(struct source *s, struct source_event *out)
{
    uint32_t n = 0;
    for (uint32_t t = 0; t < s->topics; t++)
        for (uint32_t i = 0; i < log_counts[s->first + t]; i++) {
            const struct topic_log *log = log_of(s->first + t, (int32_t)i);
            s->partitions[n++] =
                (struct source_partition){.topic = t,
                                          .partition = (int32_t)i,
                                          .offset = log->committed,
                                          .metadata = {log->metadata, log->metadata_size}};
        }
    *out = (struct source_event){
        .kind = SOURCE_ASSIGNED, .partitions = s->partitions, .partition_count = n};
}

static bool tell_record(struct source *s, enum source_lane lane, struct source_event *out)
{
    enum sim_topic topic = lane == SOURCE_URGENT ? SIM_URGENT : SIM_EVENTS;
    for (uint32_t i = 0; i < log_counts[topic]; i++) {
        struct topic_log *log = log_of(topic, (int32_t)i);
        if (!s->assigned || log->paused || log->at >= log->count)
            continue;
        *out = (struct source_event){.kind = SOURCE_RECORD,
                                     .topic = topic - s->first,
                                     .partition = (int32_t)i,
                                     .offset = log->at,
                                     .record = log->records[log->at].record};
        log->at++;
        return true;
    }
    return false;
}

void source_take(struct source *s, enum source_lane lane, struct source_event *out)
{
    *out = (struct source_event){.kind = SOURCE_NONE};
    if (lane == SOURCE_MAIN && s->commit_ns > 0 && s->commit_ns <= sim.true_ns) {
        s->commit_ns = 0;
        *out = (struct source_event){.kind = SOURCE_COMMITTED,
                                     .partitions = s->commit,
                                     .partition_count = s->commit_count,
                                     .commit_id = s->commit_id};
    } else if (lane == SOURCE_MAIN && !s->told) {
        s->told = true;
        tell_assignment(s, out);
    } else if (!s->owns_only) {
        tell_record(s, lane, out);
    }
}

void source_assign(struct source *s, const struct source_partition *partitions, uint32_t count)
{
    s->assigned = true;
    for (uint32_t i = 0; i < count && !s->owns_only; i++)
        log_of(s->first + partitions[i].topic, partitions[i].partition)->at =
            i64_max(partitions[i].offset, 0);
}

void source_unassign(struct source *s)
{
    s->assigned = false;
}

enum err source_commit(struct source *s, const struct source_partition *partitions, uint32_t count,
                       uint64_t commit_id)
{
    CHECK(s->commit_ns == 0 && count <= s->count);
    for (uint32_t i = 0; i < count; i++) {
        struct source_partition p = partitions[i];
        struct topic_log *log = log_of(s->first + p.topic, p.partition);
        CHECK(p.offset >= log->committed && p.offset <= log->count);
        log->committed = p.offset;
        log->metadata_size = p.metadata.size;
        log->metadata = realloc(log->metadata, p.metadata.size + 1);
        CHECK(log->metadata);
        if (p.metadata.size > 0)
            memcpy(log->metadata, p.metadata.at, p.metadata.size);
        if (sim.watcher && sim.watcher->committed)
            sim.watcher->committed(sim.watcher, s->first + p.topic, p.metadata);
        s->commit[i] = p;
        s->commit[i].metadata = (struct bytes){0};
        s->commit[i].err = ERR_OK;
    }
    s->commit_count = count;
    s->commit_id = commit_id;
    s->commit_ns = sim.true_ns + COMMIT_NS;
    return ERR_OK;
}

static void pause_all(struct source *s, const struct source_partition *p, uint32_t count, bool on)
{
    for (uint32_t i = 0; i < count; i++)
        log_of(s->first + p[i].topic, p[i].partition)->paused = on;
}

void source_pause(struct source *s, const struct source_partition *partitions, uint32_t count)
{
    pause_all(s, partitions, count, true);
}

void source_resume(struct source *s, const struct source_partition *partitions, uint32_t count)
{
    pause_all(s, partitions, count, false);
}

void source_seek(struct source *s, uint32_t topic, int32_t partition, int64_t offset)
{
    log_of(s->first + topic, partition)->at = offset;
}

int64_t source_end_offset(struct source *s, uint32_t topic, int32_t partition)
{
    return log_of(s->first + topic, partition)->count;
}

void source_health(const struct source *s, struct kafka_health *out)
{
    (void)s;
    *out = (struct kafka_health){.up = true};
}

void source_leave(struct source *s)
{
    (void)s;
}

bool source_left(const struct source *s)
{
    (void)s;
    return true;
}

void source_close(struct source *s)
{
    sources[s->owns_only] = NULL;
    close(s->fd);
    free(s->partitions);
    free(s->commit);
    free(s);
}

/* --- the reader ---------------------------------------------------------------------------- */

struct feed {
    struct {
        int64_t at_ns;
        uint64_t ask;
        struct feed_partition *of;
        uint32_t count;
    } asks[64];
    uint32_t ask_count;
    struct feed_partition *told;
    int fd;
};

static struct feed *the_feed;

struct feed *feed_open(const struct feed_options *options, char why[KAFKA_WHY_SIZE])
{
    (void)options, (void)why;
    the_feed = calloc(1, sizeof *the_feed);
    CHECK(the_feed);
    the_feed->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return the_feed;
}

int feed_fd(const struct feed *feed)
{
    return feed->fd;
}

void feed_start(struct feed *feed, uint32_t topic, int32_t partition, int64_t from, uint32_t pass)
{
    (void)feed;
    struct topic_log *log = log_of(SIM_RING + topic, partition);
    log->reading = true;
    log->at = from;
    log->pass = pass;
    queue_put(SIM_RING + topic, partition);
}

void feed_stop(struct feed *feed, uint32_t topic, int32_t partition)
{
    (void)feed;
    log_of(SIM_RING + topic, partition)->reading = false;
}

void feed_ask(struct feed *feed, const struct feed_partition *partitions, uint32_t count,
              uint64_t ask)
{
    CHECK(feed->ask_count < countof(feed->asks));
    struct feed_partition *of = malloc((count + 1) * sizeof *of);
    CHECK(of);
    memcpy(of, partitions, count * sizeof *of);
    feed->asks[feed->ask_count].at_ns = sim.true_ns + ENDS_NS;
    feed->asks[feed->ask_count].ask = ask;
    feed->asks[feed->ask_count].of = of;
    feed->asks[feed->ask_count++].count = count;
}

static bool tell_ends(struct feed *feed, struct feed_event *out)
{
    if (feed->ask_count == 0 || feed->asks[0].at_ns > sim.true_ns)
        return false;
    free(feed->told);
    feed->told = feed->asks[0].of;
    *out = (struct feed_event){.kind = FEED_ENDS,
                               .ask = feed->asks[0].ask,
                               .ends = feed->told,
                               .end_count = feed->asks[0].count};
    for (uint32_t i = 0; i < out->end_count; i++)
        feed->told[i].end = log_of(SIM_RING + feed->told[i].topic, feed->told[i].partition)->count;
    memmove(&feed->asks[0], &feed->asks[1], --feed->ask_count * sizeof feed->asks[0]);
    return true;
}

void feed_take(struct feed *feed, struct feed_event *out)
{
    *out = (struct feed_event){.kind = FEED_NONE};
    if (tell_ends(feed, out))
        return;
    while (queue_count > 0) {
        struct feed_place place = queue[queue_first];
        struct topic_log *log = log_of(place.topic, place.partition);
        bool more = log->reading && log->at < log->count;
        if (!more) {
            queue_first = (queue_first + 1) % countof(queue);
            queue_count--;
            log->queued = false;
        }
        if (!log->reading)
            continue;
        *out = (struct feed_event){.kind = more ? FEED_RECORD : FEED_REACHED,
                                   .topic = place.topic - SIM_RING,
                                   .partition = place.partition,
                                   .pass = log->pass,
                                   .offset = log->at};
        if (more)
            out->record = log->records[log->at++].record;
        return;
    }
}

void feed_health(const struct feed *feed, struct kafka_health *out)
{
    (void)feed;
    *out = (struct kafka_health){.up = true};
}

void feed_close(struct feed *feed)
{
    for (uint32_t i = 0; i < feed->ask_count; i++)
        free(feed->asks[i].of);
    close(feed->fd);
    free(feed->told);
    free(feed);
    the_feed = NULL;
}

/* --- the producer -------------------------------------------------------------------------- */

struct sink {
    struct {
        int64_t at_ns;
        struct sink_report is;
    } out[PENDING_MAX];
    uint32_t first, count;
    int fd;
};

static struct sink *the_sink;

struct sink *sink_open(const struct sink_options *options, char why[KAFKA_WHY_SIZE])
{
    (void)options, (void)why;
    the_sink = calloc(1, sizeof *the_sink);
    CHECK(the_sink);
    the_sink->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return the_sink;
}

int sink_fd(const struct sink *sink)
{
    return sink->fd;
}

enum err sink_put(struct sink *sink, uint32_t topic, int32_t partition, struct bytes key,
                  struct bytes value, const struct record_header *headers, uint32_t header_count,
                  void *opaque)
{
    struct sim_watcher *w = sim.watcher;
    if (sink->count == PENDING_MAX)
        return ERR_AGAIN;
    struct record record = {
        .key = key, .value = value, .headers = headers, .header_count = header_count};
    if (topic == TOLD_RING || topic == TOLD_FAR) {
        enum sim_topic to = topic == TOLD_RING ? SIM_RING : SIM_FAR;
        append(to, partition, &record);
        if (w && w->deferred)
            w->deferred(w, to, &record);
    } else if (topic == TOLD_OUTCOMES && w && w->ended) {
        w->ended(w, value);
    }
    uint32_t at = (sink->first + sink->count++) % PENDING_MAX;
    sink->out[at].at_ns = sim.true_ns + ACK_NS;
    sink->out[at].is = (struct sink_report){.opaque = opaque, .err = ERR_OK};
    return ERR_OK;
}

uint32_t sink_take(struct sink *sink, sink_report_fn *report, void *context)
{
    uint32_t taken = 0;
    for (; sink->count > 0 && sink->out[sink->first].at_ns <= sim.true_ns; taken++) {
        struct sink_report is = sink->out[sink->first].is;
        sink->first = (sink->first + 1) % PENDING_MAX;
        sink->count--;
        report(&is, context);
    }
    return taken;
}

uint32_t sink_pending(const struct sink *sink)
{
    return sink->count;
}

void sink_health(const struct sink *sink, struct kafka_health *out)
{
    (void)sink;
    *out = (struct kafka_health){.up = true};
}

uint64_t sink_fatal_count(const struct sink *sink)
{
    (void)sink;
    return 0;
}

void sink_close(struct sink *sink)
{
    close(sink->fd);
    free(sink);
    the_sink = NULL;
}

/* --- the whole ------------------------------------------------------------------------------ */

int64_t sim_kafka_next_ns(void)
{
    int64_t next = INT64_MAX;
    for (uint32_t i = 0; i < 2; i++)
        if (sources[i] && sources[i]->commit_ns > 0)
            next = i64_min(next, sources[i]->commit_ns);
    if (the_sink && the_sink->count > 0)
        next = i64_min(next, the_sink->out[the_sink->first].at_ns);
    if (the_feed && the_feed->ask_count > 0)
        next = i64_min(next, the_feed->asks[0].at_ns);
    return queue_count > 0 ? sim.true_ns : next;
}

void sim_kafka_forget(void)
{
    queue_count = 0;
    for (uint32_t t = 0; t < SIM_TOPIC_COUNT; t++)
        for (uint32_t i = 0; logs[t] && i < log_counts[t]; i++)
            logs[t][i].reading = logs[t][i].queued = logs[t][i].paused = false;
}

void sim_kafka_free(void)
{
    sim_kafka_forget();
    for (uint32_t t = 0; t < SIM_TOPIC_COUNT; t++) {
        for (uint32_t i = 0; logs[t] && i < log_counts[t]; i++) {
            for (int64_t n = 0; n < logs[t][i].count; n++)
                free(logs[t][i].records[n].memory);
            free(logs[t][i].records);
            free(logs[t][i].metadata);
        }
        free(logs[t]);
        logs[t] = NULL;
    }
}
