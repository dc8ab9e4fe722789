/* Everything comes out of queues as events, in one place, source_take: no librdkafka
 * callback is set, so no code of ours runs while librdkafka holds its locks.
 *
 * The committed offsets are read by ListConsumerGroupOffsets before rd_kafka_assign is
 * called. rd_kafka_committed would block the shard, or need a thread for each read;
 * assigning first, paused, reads them twice and needs a seek that races with librdkafka's
 * own read. While an assignment is not taken up the member goes on with its heartbeats,
 * and nothing is fetched. The admin call answers on our queue and finds the coordinator
 * by itself; a read that fails is repeated. (On a handle without a group 2.0.2 crashes on
 * a coordinator's errors there; this one has a group.)
 *
 * A partition's queue is forwarded to the urgent lane before rd_kafka_assign: then not
 * one record of it comes through the main lane, where it would be overtaken. */
#include "io/source.h"

#include "base/clock.h"
#include "io/kafka_handle.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { READ_TIMEOUT_MS = 5000, READ_RETRY_MS = 100 };

struct source {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queues[SOURCE_LANES];
    rd_kafka_queue_t *closing; /* what comes while the group is left; NULL before */
    int fds[SOURCE_LANES];
    char *group;
    char **topics;
    bool *urgent;
    uint32_t topic_count;
    bool owns_only;

    rd_kafka_event_t *held; /* what the last event out points into */
    struct record_header *headers;
    uint32_t header_max;
    struct source_partition *partitions;
    uint32_t partition_max;

    rd_kafka_topic_partition_list_t *assigning; /* not yet taken up; NULL: none */
    uint64_t read_id;                           /* of the read that counts */
    uint64_t read_again_ns;                     /* 0: a read is under way */
    struct kafka_health health;
};

static void *grown(void *array, uint32_t *max, uint32_t count, size_t size)
{
    if (count <= *max)
        return array;
    *max = count + count / 2;
    array = realloc(array, *max * size);
    CHECK(array);
    return array;
}

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

static uint32_t topic_index(const struct source *source, const char *name)
{
    for (uint32_t i = 0; i < source->topic_count; i++)
        if (strcmp(source->topics[i], name) == 0)
            return i;
    return UINT32_MAX; /* not one that was subscribed to */
}

/* Assignment. */

static void read_committed(struct source *source)
{
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(source->rk, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
    char text[64];
    rd_kafka_AdminOptions_set_request_timeout(options, READ_TIMEOUT_MS, text, sizeof text);
    rd_kafka_AdminOptions_set_opaque(options, (void *)(uintptr_t)++source->read_id);
    rd_kafka_ListConsumerGroupOffsets_t *what =
        rd_kafka_ListConsumerGroupOffsets_new(source->group, source->assigning);
    rd_kafka_ListConsumerGroupOffsets(source->rk, &what, 1, options, source->queues[SOURCE_MAIN]);
    rd_kafka_ListConsumerGroupOffsets_destroy(what);
    rd_kafka_AdminOptions_destroy(options);
    source->read_again_ns = 0;
}

static void drop_assigning(struct source *source)
{
    rd_kafka_topic_partition_list_destroy(source->assigning);
    source->assigning = NULL;
    source->read_id++; /* an answer that is under way counts no more */
    source->read_again_ns = 0;
}

/* Gives the list to the caller as partitions. */
static void fill_partitions(struct source *source, const rd_kafka_topic_partition_list_t *list,
                            struct source_event *out)
{
    uint32_t count = 0;
    source->partitions = grown(source->partitions, &source->partition_max, (uint32_t)list->cnt,
                               sizeof source->partitions[0]);
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        uint32_t topic = topic_index(source, p->topic);
        if (topic == UINT32_MAX)
            continue;
        source->partitions[count++] = (struct source_partition){
            .topic = topic,
            .partition = p->partition,
            .offset = p->offset >= 0 ? p->offset : -1,
            .metadata = {p->metadata, p->metadata ? p->metadata_size : 0},
        };
    }
    out->partitions = source->partitions;
    out->partition_count = count;
}

static void on_rebalance(struct source *source, rd_kafka_event_t *event, struct source_event *out)
{
    if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        if (source->assigning)
            drop_assigning(source);
        source->assigning =
            rd_kafka_topic_partition_list_copy(rd_kafka_event_topic_partition_list(event));
        if (source->assigning->cnt > 0) {
            read_committed(source);
            return;
        }
        out->kind = SOURCE_ASSIGNED; /* more members than partitions */
        out->partition_count = 0;
        return;
    }
    if (source->assigning) { /* it never began, as far as the caller knows */
        drop_assigning(source);
        source_unassign(source);
        return;
    }
    out->kind = SOURCE_REVOKED;
    out->lost = rd_kafka_assignment_lost(source->rk);
    fill_partitions(source, rd_kafka_event_topic_partition_list(event), out);
}

/* The offsets read, or NULL: to be read again. */
static const rd_kafka_topic_partition_list_t *committed_of(rd_kafka_event_t *event)
{
    size_t count = 0;
    if (rd_kafka_event_error(event))
        return NULL;
    const rd_kafka_group_result_t **groups = rd_kafka_ListConsumerGroupOffsets_result_groups(
        rd_kafka_event_ListConsumerGroupOffsets_result(event), &count);
    if (count != 1 || rd_kafka_group_result_error(groups[0]))
        return NULL;
    const rd_kafka_topic_partition_list_t *list = rd_kafka_group_result_partitions(groups[0]);
    for (int i = 0; list && i < list->cnt; i++)
        if (list->elems[i].err)
            return NULL;
    return list;
}

static void note_life(struct source *source)
{
    if (!source->health.up)
        kafka_health_up(&source->health, true, clock_mono_ns());
}

static void on_committed_read(struct source *source, rd_kafka_event_t *event,
                              struct source_event *out)
{
    if (!source->assigning || (uintptr_t)rd_kafka_event_opaque(event) != source->read_id)
        return;
    const rd_kafka_topic_partition_list_t *list = committed_of(event);
    if (!list || list->cnt != source->assigning->cnt) {
        source->read_again_ns = clock_mono_ns() + READ_RETRY_MS * NS_PER_MS;
        return;
    }
    note_life(source);
    out->kind = SOURCE_ASSIGNED;
    fill_partitions(source, list, out);
}

static rd_kafka_topic_partition_list_t *
list_of(const struct source *source, const struct source_partition *partitions, uint32_t count)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (uint32_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, source->topics[partitions[i].topic],
                                          partitions[i].partition)
            ->offset = partitions[i].offset;
    return list;
}

/* Asked for, a partition is known to librdkafka, and may be paused before it is assigned. */
static void pause_ahead(struct source *source, rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(source->rk, list->elems[i].topic,
                                                               list->elems[i].partition);
        if (queue)
            rd_kafka_queue_destroy(queue);
    }
    rd_kafka_pause_partitions(source->rk, list);
}

void source_assign(struct source *source, const struct source_partition *partitions, uint32_t count)
{
    rd_kafka_topic_partition_list_t *list = list_of(source, partitions, count);
    for (uint32_t i = 0; i < count; i++) {
        if (partitions[i].offset < 0)
            list->elems[i].offset = RD_KAFKA_OFFSET_BEGINNING;
        if (!source->urgent[partitions[i].topic])
            continue;
        rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(source->rk, list->elems[i].topic,
                                                               list->elems[i].partition);
        if (queue) {
            rd_kafka_queue_forward(queue, source->queues[SOURCE_URGENT]);
            rd_kafka_queue_destroy(queue);
        }
    }
    if (source->owns_only)
        pause_ahead(source, list);
    rd_kafka_assign(source->rk, list); /* refuses only what a rebalance event never holds */
    if (source->owns_only)
        rd_kafka_pause_partitions(source->rk, list); /* what was not known before */
    else
        rd_kafka_resume_partitions(source->rk, list); /* a pause outlives a revocation */
    rd_kafka_topic_partition_list_destroy(list);
    if (source->assigning)
        drop_assigning(source);
}

void source_unassign(struct source *source)
{
    rd_kafka_assign(source->rk, NULL);
}

/* Records and commits. */

static void on_record(struct source *source, rd_kafka_event_t *event, struct source_event *out)
{
    const rd_kafka_message_t *m = rd_kafka_event_message_next(event);
    rd_kafka_headers_t *headers;
    if (!m || m->err)
        return;
    out->topic = topic_index(source, rd_kafka_topic_name(m->rkt));
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
    source->headers = grown(source->headers, &source->header_max, count, sizeof source->headers[0]);
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
    fill_partitions(source, list, out);
    CHECK(out->partition_count == (uint32_t)list->cnt);
    for (uint32_t i = 0; i < out->partition_count; i++)
        source->partitions[i].err = commit_err(err ? err : list->elems[i].err);
}

enum err source_commit(struct source *source, const struct source_partition *partitions,
                       uint32_t count, uint64_t commit_id)
{
    CHECK(commit_id != 0);
    rd_kafka_topic_partition_list_t *list = list_of(source, partitions, count);
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
    out->topic = topic_index(source, at->topic);
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
        read_committed(source);
    rd_kafka_event_t *event = source->held = next_of(source, lane);
    if (!event)
        return;
    out->kind = SOURCE_IDLE;
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_FETCH:
        if (!source->owns_only) /* else its fetch was quicker than the pause */
            on_record(source, event, out);
        note_life(source);
        break;
    case RD_KAFKA_EVENT_OFFSET_COMMIT:
        on_commit(source, event, out);
        break;
    case RD_KAFKA_EVENT_REBALANCE:
        on_rebalance(source, event, out);
        break;
    case RD_KAFKA_EVENT_LISTCONSUMERGROUPOFFSETS_RESULT:
        on_committed_read(source, event, out);
        break;
    default:
        if (!on_end(source, event, out))
            kafka_health_event(&source->health, source->rk, event, clock_mono_ns());
        break;
    }
}

void source_pause(struct source *source, const struct source_partition *partitions, uint32_t count)
{
    rd_kafka_topic_partition_list_t *list = list_of(source, partitions, count);
    rd_kafka_pause_partitions(source->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
}

void source_resume(struct source *source, const struct source_partition *partitions, uint32_t count)
{
    rd_kafka_topic_partition_list_t *list = list_of(source, partitions, count);
    rd_kafka_resume_partitions(source->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
}

void source_seek(struct source *source, uint32_t topic, int32_t partition, int64_t offset)
{
    const struct source_partition to = {.topic = topic, .partition = partition, .offset = offset};
    rd_kafka_topic_partition_list_t *list = list_of(source, &to, 1);
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
        drop_assigning(source);
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
    if (!left) /* its threads run on until the process ends: destroying would wait for brokers */
        return;
    rd_kafka_queue_destroy(source->closing);
    for (uint32_t i = 0; i < SOURCE_LANES; i++) {
        rd_kafka_queue_io_event_enable(source->queues[i], -1, NULL, 0);
        rd_kafka_queue_destroy(source->queues[i]);
    }
    rd_kafka_destroy(source->rk);
    source_free(source);
}
