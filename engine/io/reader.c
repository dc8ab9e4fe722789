/* librdkafka's simple consumer: what is read goes through one queue, which is made anew
 * for each start, so that no record of an earlier range can be taken for one of this. */
#include "io/reader.h"

#include "base/clock.h"
#include "io/kafka_handle.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 256, MOMENT_MS = 100 };

struct part {
    int64_t to;
    bool reading;
};

struct reader {
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *queue;
    struct part *parts;
    uint32_t part_count, reading; /* parts that are read on */
    uint32_t timeout_ms;
    uint64_t last_ns; /* when something came */
    rd_kafka_message_t *batch[BATCH];
    uint32_t batch_at, batch_count;
};

static rd_kafka_t *handle_of(const struct kafka_options *options, char why[KAFKA_WHY_SIZE])
{
    static const struct kafka_property fixed[] = {
        {"enable.partition.eof", "true"},  {"enable.auto.commit", "false"},
        {"auto.offset.reset", "earliest"}, {"queued.max.messages.kbytes", "16384"},
        {"fetch.wait.max.ms", "50"},
    };
    rd_kafka_conf_t *conf = kafka_conf_new(options, fixed, countof(fixed), why);
    if (!conf)
        return NULL;
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_STATS |
                                       RD_KAFKA_EVENT_LOG); /* nobody reads them */
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, KAFKA_WHY_SIZE);
    if (!rk)
        rd_kafka_conf_destroy(conf);
    return rk;
}

static enum err count_partitions(struct reader *r, char why[KAFKA_WHY_SIZE])
{
    const struct rd_kafka_metadata *found;
    rd_kafka_resp_err_t err = rd_kafka_metadata(r->rk, 0, r->topic, &found, (int)r->timeout_ms);
    if (err) {
        snprintf(why, KAFKA_WHY_SIZE, "%s", rd_kafka_err2str(err));
        return ERR_TIMEOUT;
    }
    if (found->topic_cnt == 1 && !found->topics[0].err)
        r->part_count = (uint32_t)found->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(found);
    snprintf(why, KAFKA_WHY_SIZE, "no such topic");
    return r->part_count > 0 ? ERR_OK : ERR_NOT_FOUND;
}

struct reader *reader_open(const struct kafka_options *options, const char *topic,
                           uint32_t timeout_ms, enum err *err, char why[KAFKA_WHY_SIZE])
{
    struct reader *r = calloc(1, sizeof *r);
    CHECK(r);
    r->timeout_ms = timeout_ms;
    r->rk = handle_of(options, why);
    *err = r->rk ? ERR_OK : ERR_INVALID;
    if (r->rk) {
        r->topic = rd_kafka_topic_new(r->rk, topic, NULL);
        CHECK(r->topic);
        *err = count_partitions(r, why);
    }
    if (*err != ERR_OK) {
        reader_close(r);
        return NULL;
    }
    r->parts = calloc(r->part_count, sizeof *r->parts);
    CHECK(r->parts);
    return r;
}

static void stop(struct reader *r, uint32_t partition)
{
    if (!r->parts[partition].reading)
        return;
    rd_kafka_consume_stop(r->topic, (int32_t)partition);
    r->parts[partition].reading = false;
    r->reading--;
}

static void give_up(struct reader *r)
{
    for (uint32_t i = 0; r->parts && i < r->part_count; i++)
        stop(r, i);
    uint32_t handed = r->batch_at > 0; /* the last one that was handed out is still ours */
    for (uint32_t i = r->batch_at - handed; i < r->batch_count; i++)
        rd_kafka_message_destroy(r->batch[i]);
    r->batch_at = r->batch_count = 0;
    if (r->queue)
        rd_kafka_queue_destroy(r->queue);
    r->queue = NULL;
}

void reader_close(struct reader *r)
{
    give_up(r);
    if (r->topic)
        rd_kafka_topic_destroy(r->topic);
    if (r->rk)
        rd_kafka_destroy(r->rk);
    free(r->parts);
    free(r);
}

uint32_t reader_partitions(const struct reader *r)
{
    return r->part_count;
}

int32_t reader_partition_of(struct bytes key, uint32_t partitions)
{
    CHECK(key.size > 0 && partitions > 0);
    return rd_kafka_msg_partitioner_murmur2_random(NULL, key.at, key.size, (int32_t)partitions,
                                                   NULL, NULL);
}

static rd_kafka_resp_err_t find_since(struct reader *r, int32_t partition, int64_t since_ms,
                                      int64_t *from)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *at =
        rd_kafka_topic_partition_list_add(list, rd_kafka_topic_name(r->topic), partition);
    at->offset = since_ms;
    rd_kafka_resp_err_t err = rd_kafka_offsets_for_times(r->rk, list, (int)r->timeout_ms);
    if (!err)
        err = at->err;
    if (!err && at->offset >= 0)
        *from = at->offset;
    else if (!err)
        *from = INT64_MAX; /* none is so young */
    rd_kafka_topic_partition_list_destroy(list);
    return err;
}

/* A partition's new leader, or that of a new topic, is told before it serves. */
static bool will_pass(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
           err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE ||
           err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
           err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

static rd_kafka_resp_err_t find(struct reader *r, int32_t partition, int64_t since_ms,
                                struct reader_range *out)
{
    int64_t from = 0;
    rd_kafka_resp_err_t err = rd_kafka_query_watermark_offsets(
        r->rk, rd_kafka_topic_name(r->topic), partition, &out->from, &out->to, (int)r->timeout_ms);
    if (!err && since_ms > 0)
        err = find_since(r, partition, since_ms, &from);
    if (!err)
        out->from = i64_min(i64_max(out->from, from), out->to);
    return err;
}

enum err reader_find(struct reader *r, int32_t partition, int64_t since_ms,
                     struct reader_range *out, char why[KAFKA_WHY_SIZE])
{
    uint64_t until_ns = clock_mono_ns() + r->timeout_ms * NS_PER_MS;
    *out = (struct reader_range){.partition = partition};
    rd_kafka_resp_err_t err = find(r, partition, since_ms, out);
    while (will_pass(err) && clock_mono_ns() < until_ns) {
        poll(NULL, 0, MOMENT_MS);
        err = find(r, partition, since_ms, out);
    }
    if (err)
        snprintf(why, KAFKA_WHY_SIZE, "%s", rd_kafka_err2str(err));
    return err ? ERR_TIMEOUT : ERR_OK;
}

enum err reader_start(struct reader *r, const struct reader_range *ranges, uint32_t count,
                      char why[KAFKA_WHY_SIZE])
{
    give_up(r);
    r->queue = rd_kafka_queue_new(r->rk);
    r->last_ns = clock_mono_ns();
    for (uint32_t i = 0; i < count; i++) {
        CHECK((uint32_t)ranges[i].partition < r->part_count);
        struct part *p = &r->parts[ranges[i].partition];
        CHECK(!p->reading);
        if (ranges[i].from >= ranges[i].to)
            continue;
        if (rd_kafka_consume_start_queue(r->topic, ranges[i].partition, ranges[i].from, r->queue) !=
            0) {
            snprintf(why, KAFKA_WHY_SIZE, "%s", rd_kafka_err2str(rd_kafka_last_error()));
            return ERR_IO;
        }
        *p = (struct part){.to = ranges[i].to, .reading = true};
        r->reading++;
    }
    return ERR_OK;
}

/* Whether the message is a record of its range; notes where a range ends. */
static bool take_in(struct reader *r, const rd_kafka_message_t *m)
{
    bool known = m->partition >= 0 && (uint32_t)m->partition < r->part_count;
    struct part *p = known ? &r->parts[m->partition] : NULL;
    if (!p || !p->reading)
        return false;
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        stop(r, (uint32_t)m->partition); /* the rest was removed or is no record */
        return false;
    }
    if (m->err)
        return false; /* librdkafka tries again; the time-out tells where it does so in vain */
    int64_t to = p->to;
    if (m->offset >= to - 1)
        stop(r, (uint32_t)m->partition);
    return m->offset < to;
}

static void fill(const rd_kafka_message_t *m, struct reader_record *out)
{
    rd_kafka_timestamp_type_t type;
    int64_t timestamp_ms = rd_kafka_message_timestamp(m, &type);
    *out = (struct reader_record){.partition = m->partition, .offset = m->offset};
    out->record.key = (struct bytes){m->key, m->key_len};
    out->record.value = (struct bytes){m->payload, m->len};
    out->record.timestamp_ms = timestamp_ms > 0 ? timestamp_ms : 0;
}

enum err reader_take(struct reader *r, struct reader_record *out)
{
    if (r->batch_at > 0) /* what was handed out last */
        rd_kafka_message_destroy(r->batch[r->batch_at - 1]);
    if (r->batch_at == r->batch_count) {
        r->batch_at = r->batch_count = 0;
        if (r->reading == 0)
            return ERR_NOT_FOUND;
        ssize_t count = rd_kafka_consume_batch_queue(r->queue, MOMENT_MS, r->batch, BATCH);
        r->batch_count = count > 0 ? (uint32_t)count : 0;
        if (count > 0)
            r->last_ns = clock_mono_ns();
        else
            return clock_mono_ns() - r->last_ns > r->timeout_ms * NS_PER_MS ? ERR_TIMEOUT
                                                                            : ERR_AGAIN;
    }
    while (r->batch_at < r->batch_count) {
        const rd_kafka_message_t *m = r->batch[r->batch_at++];
        if (take_in(r, m)) {
            fill(m, out);
            return ERR_OK;
        }
        if (r->batch_at < r->batch_count)
            rd_kafka_message_destroy(r->batch[r->batch_at - 1]);
    }
    return r->reading > 0 ? ERR_AGAIN : ERR_NOT_FOUND;
}

uint32_t reader_headers(const struct reader *r, struct record_header *out, uint32_t max)
{
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t size;
    uint32_t count = 0;
    CHECK(r->batch_at > 0);
    if (rd_kafka_message_headers(r->batch[r->batch_at - 1], &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    while (count < max && !rd_kafka_header_get_all(headers, count, &name, &value, &size))
        out[count++] = (struct record_header){bytes_of(name), {value, size}};
    return count;
}
