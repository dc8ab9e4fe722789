/* Everything comes out of queues as events, in one place, source_take: no librdkafka
 * callback is set, so no code of ours runs while librdkafka holds its locks. */
#include "io/source_parts.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static rd_kafka_conf_t *source_conf(const struct source_options *options, char why[KAFKA_WHY_SIZE])
{
    char session[16], heartbeat[16], queued[16], gather[16];
    snprintf(session, sizeof session, "%u",
             options->session_timeout_ms ? options->session_timeout_ms : 12000);
    snprintf(heartbeat, sizeof heartbeat, "%u",
             options->heartbeat_ms ? options->heartbeat_ms : 3000);
    snprintf(queued, sizeof queued, "%u", options->queued_kbytes ? options->queued_kbytes : 16384);
    snprintf(gather, sizeof gather, "%u", options->gather_ms);
    const struct kafka_property fixed[] = {
        {"group.id", options->group},
        {"group.instance.id", options->instance_id},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", "earliest"},
        {"isolation.level", "read_committed"},
        {"partition.assignment.strategy", "roundrobin"},
        {"max.poll.interval.ms", "300000"},
        {"session.timeout.ms", session},
        {"heartbeat.interval.ms", heartbeat},
        {"queued.min.messages", "10000"},
        {"queued.max.messages.kbytes", queued},
        {"fetch.message.max.bytes", "262144"},
        {"fetch.max.bytes", "8388608"},
        {"fetch.min.bytes", options->gather_ms ? "65536" : NULL},
        {"fetch.wait.max.ms", options->gather_ms ? gather : NULL},
        {"check.crcs", "true"},
        {"allow.auto.create.topics", "false"},
        {"topic.metadata.refresh.interval.ms", "10000"}, /* new topics and partitions are seen */
        {"enable.partition.eof", options->ends ? "true" : "false"},
        {"fetch.queue.backoff.ms", rd_kafka_version() >= 0x02020000 ? "50" : NULL},
    };
    rd_kafka_conf_t *conf = kafka_conf_new(&options->kafka, fixed, countof(fixed), why);
    if (conf)
        rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_OFFSET_COMMIT |
                                           RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_STATS |
                                           RD_KAFKA_EVENT_LOG | RD_KAFKA_EVENT_FETCH);
    return conf;
}

static bool subscribe(struct source *source, char why[KAFKA_WHY_SIZE])
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)source->topic_count);
    for (uint32_t i = 0; i < source->topic_count; i++)
        rd_kafka_topic_partition_list_add(list, source->topics[i], RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t err = rd_kafka_subscribe(source->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (err)
        snprintf(why, KAFKA_WHY_SIZE, "%s", rd_kafka_err2str(err));
    return !err;
}

static void wake_by(rd_kafka_queue_t *queue, int fd)
{
    static const uint64_t one = 1;
    rd_kafka_queue_io_event_enable(queue, fd, &one, sizeof one);
}

static struct source *source_new(const struct source_options *options)
{
    struct source *source = calloc(1, sizeof *source);
    CHECK(source);
    source->topic_count = options->topic_count;
    source->owns_only = options->owns_only;
    source->topics = calloc(options->topic_count, sizeof source->topics[0]);
    source->urgent = calloc(options->topic_count, sizeof source->urgent[0]);
    source->group = strdup(options->group);
    CHECK(source->topics && source->urgent && source->group);
    for (uint32_t i = 0; i < options->topic_count; i++) {
        source->topics[i] = strdup(options->topics[i].name);
        CHECK(source->topics[i]);
        source->urgent[i] = options->topics[i].urgent;
    }
    for (uint32_t i = 0; i < SOURCE_LANES; i++) {
        source->fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        CHECK(source->fds[i] >= 0);
    }
    kafka_health_up(&source->health, false, clock_mono_ns());
    return source;
}

static void source_free(struct source *source)
{
    for (uint32_t i = 0; i < source->topic_count; i++)
        free(source->topics[i]);
    for (uint32_t i = 0; i < SOURCE_LANES; i++)
        close(source->fds[i]);
    free(source->topics);
    free(source->urgent);
    free(source->group);
    free(source->headers);
    free(source->partitions);
    free(source);
}

struct source *source_open(const struct source_options *options, char why[KAFKA_WHY_SIZE])
{
    CHECK(options->topic_count > 0);
    rd_kafka_conf_t *conf = source_conf(options, why);
    if (!conf)
        return NULL;
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, KAFKA_WHY_SIZE);
    if (!rk) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    struct source *source = source_new(options);
    source->rk = rk;
    rd_kafka_poll_set_consumer(rk);
    source->queues[SOURCE_MAIN] = rd_kafka_queue_get_consumer(rk);
    source->queues[SOURCE_URGENT] = rd_kafka_queue_new(rk);
    rd_kafka_set_log_queue(rk, source->queues[SOURCE_MAIN]);
    for (uint32_t i = 0; i < SOURCE_LANES; i++)
        wake_by(source->queues[i], source->fds[i]);
    if (subscribe(source, why))
        return source;
    source_leave(source);
    source_close(source);
    return NULL;
}

int source_fd(const struct source *source, enum source_lane lane)
{
    return source->fds[lane];
}

/* Records and commits. */

static void on_record(struct source *source, rd_kafka_event_t *event, struct source_event *out)
{
    const rd_kafka_message_t *m = rd_kafka_event_message_next(event);
    rd_kafka_headers_t *headers;
    if (!m || m->err)
        return;
    out->topic = source_topic_index(source, rd_kafka_topic_name(m->rkt));
    if (out->topic == UINT32_MAX)
        return;
    out->kind = SOURCE_RECORD;
    out->partition = m->partition;
    out->offset = m->offset;
    rd_kafka_timestamp_type_t type;
    int64_t timestamp_ms = rd_kafka_message_timestamp(m, &type);
    out->record = (struct record){
        .key = {m->key, m->key_len},
        .value = {m->payload, m->len},
        .timestamp_ms = timestamp_ms > 0 ? timestamp_ms : 0,
    };
    if (rd_kafka_message_headers(m, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    uint32_t count = (uint32_t)rd_kafka_header_cnt(headers);
    source->headers =
        source_grown(source->headers, &source->header_max, count, sizeof source->headers[0]);
    for (uint32_t i = 0; i < count; i++) {
        const char *name = NULL;
        const void *value = NULL;
        size_t size = 0;
        rd_kafka_header_get_all(headers, i, &name, &value, &size);
        source->headers[i] = (struct record_header){bytes_of(name), {value, size}};
    }
    out->record.headers = source->headers;
    out->record.header_count = count;
}

/* REFUSED: another member's now. AGAIN: it may be asked again. */
static enum err commit_err(rd_kafka_resp_err_t err)
{
    if (!err)
        return ERR_OK;
    return err == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
                   err == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
                   err == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID
               ? ERR_REFUSED
               : ERR_AGAIN;
}

static void on_commit(struct source *source, rd_kafka_event_t *event, struct source_event *out)
{
    const rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);
    out->commit_id = (uintptr_t)rd_kafka_event_opaque(event);
    if (out->commit_id == 0 || !list)
        return;
    out->kind = SOURCE_COMMITTED;
    source_fill_partitions(source, list, out);
    CHECK(out->partition_count == (uint32_t)list->cnt);
    for (uint32_t i = 0; i < out->partition_count; i++)
        source->partitions[i].err = commit_err(err ? err : list->elems[i].err);
}

enum err source_commit(struct source *source, const struct source_partition *partitions,
                       uint32_t count, uint64_t commit_id)
{
    CHECK(commit_id != 0);
    rd_kafka_topic_partition_list_t *list = source_list_of(source, partitions, count);
    for (uint32_t i = 0; i < count; i++) {
        struct bytes text = partitions[i].metadata;
        char *copy = malloc(text.size + 1); /* librdkafka reads it as a string */
        CHECK(copy && partitions[i].offset >= 0);
        if (text.size > 0)
            memcpy(copy, text.at, text.size);
        copy[text.size] = '\0';
        list->elems[i].metadata = copy; /* freed with the list */
        list->elems[i].metadata_size = text.size;
    }
    rd_kafka_resp_err_t err = rd_kafka_commit_queue(source->rk, list, source->queues[SOURCE_MAIN],
                                                    NULL, (void *)(uintptr_t)commit_id);
    rd_kafka_topic_partition_list_destroy(list);
    return commit_err(err);
}

static bool on_end(struct source *source, rd_kafka_event_t *event, struct source_event *out)
{
    if (rd_kafka_event_type(event) != RD_KAFKA_EVENT_ERROR ||
        rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR__PARTITION_EOF)
        return false;
    rd_kafka_topic_partition_t *at = rd_kafka_event_topic_partition(event);
    if (!at)
        return true;
    out->topic = source_topic_index(source, at->topic);
    out->partition = at->partition;
    out->offset = at->offset;
    if (out->topic != UINT32_MAX && at->offset >= 0)
        out->kind = SOURCE_END;
    rd_kafka_topic_partition_destroy(at);
    return true;
}

static rd_kafka_event_t *next_of(struct source *source, enum source_lane lane)
{
    rd_kafka_event_t *event = NULL;
    if (lane == SOURCE_MAIN && source->closing)
        event = rd_kafka_queue_poll(source->closing, 0);
    return event ? event : rd_kafka_queue_poll(source->queues[lane], 0);
}

void source_take(struct source *source, enum source_lane lane, struct source_event *out)
{
    *out = (struct source_event){.kind = SOURCE_NONE};
    if (source->held)
        rd_kafka_event_destroy(source->held);
    source->held = NULL;
    if (source->assigning && source->read_again_ns != 0 && clock_mono_ns() >= source->read_again_ns)
        source_read_committed(source);
    rd_kafka_event_t *event = source->held = next_of(source, lane);
    if (!event)
        return;
    out->kind = SOURCE_IDLE;
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_FETCH:
        if (!source->owns_only) /* else its fetch was quicker than the pause */
            on_record(source, event, out);
        source_note_life(source);
        break;
    case RD_KAFKA_EVENT_OFFSET_COMMIT:
        on_commit(source, event, out);
        break;
    case RD_KAFKA_EVENT_REBALANCE:
        source_on_rebalance(source, event, out);
        break;
    case RD_KAFKA_EVENT_LISTCONSUMERGROUPOFFSETS_RESULT:
        source_on_committed_read(source, event, out);
        break;
    default:
        if (!on_end(source, event, out))
            kafka_health_event(&source->health, source->rk, event, clock_mono_ns());
        break;
    }
}

void source_pause(struct source *source, const struct source_partition *partitions, uint32_t count)
{
    rd_kafka_topic_partition_list_t *list = source_list_of(source, partitions, count);
    rd_kafka_pause_partitions(source->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
}

void source_resume(struct source *source, const struct source_partition *partitions, uint32_t count)
{
    rd_kafka_topic_partition_list_t *list = source_list_of(source, partitions, count);
    rd_kafka_resume_partitions(source->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
}

void source_seek(struct source *source, uint32_t topic, int32_t partition, int64_t offset)
{
    const struct source_partition to = {.topic = topic, .partition = partition, .offset = offset};
    rd_kafka_topic_partition_list_t *list = source_list_of(source, &to, 1);
    rd_kafka_error_t *error = rd_kafka_seek_partitions(source->rk, list, 0);
    if (error)
        rd_kafka_error_destroy(error);
    rd_kafka_topic_partition_list_destroy(list);
}

int64_t source_end_offset(struct source *source, uint32_t topic, int32_t partition)
{
    int64_t low, high;
    if (rd_kafka_get_watermark_offsets(source->rk, source->topics[topic], partition, &low, &high))
        return -1;
    return high >= 0 ? high : -1;
}

void source_health(const struct source *source, struct kafka_health *out)
{
    *out = source->health;
}

void source_leave(struct source *source)
{
    if (source->closing)
        return;
    source->closing = rd_kafka_queue_new(source->rk);
    wake_by(source->closing, source->fds[SOURCE_MAIN]);
    if (source->assigning) {
        source_drop_assigning(source);
        source_unassign(source);
    }
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(source->rk, source->closing);
    if (error)
        rd_kafka_error_destroy(error);
}

bool source_left(const struct source *source)
{
    return source->closing && rd_kafka_consumer_closed(source->rk);
}

void source_close(struct source *source)
{
    bool left = source_left(source);
    if (source->held)
        rd_kafka_event_destroy(source->held);
    /* Its threads run on until the process ends where destroying would wait for brokers, or
     * where a read is not answered: 2.0.2 then fails an assertion of its own. */
    if (!left || source->reads_out > 0)
        return;
    rd_kafka_queue_destroy(source->closing);
    for (uint32_t i = 0; i < SOURCE_LANES; i++) {
        rd_kafka_queue_io_event_enable(source->queues[i], -1, NULL, 0);
        rd_kafka_queue_destroy(source->queues[i]);
    }
    rd_kafka_destroy(source->rk);
    source_free(source);
}
