#include "kafka.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>

enum { WAIT_MS = 30000, HEADERS_MAX = 64 };

struct kafka_out {
    rd_kafka_t *handle;
    kafka_ack_fn on_ack;
    void *context;
};

static rd_kafka_conf_t *conf_of(const char *const (*rows)[2], size_t count)
{
    char error[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < count; i++)
        if (rd_kafka_conf_set(conf, rows[i][0], rows[i][1], error, sizeof error) !=
            RD_KAFKA_CONF_OK) {
            fprintf(stderr, "kafka: %s\n", error);
            CHECK(false);
        }
    return conf;
}

static void on_delivery(rd_kafka_t *handle, const rd_kafka_message_t *m, void *opaque)
{
    struct kafka_out *out = opaque;
    (void)handle;
    out->on_ack(out->context, m->_private, m->partition, m->err ? -1 : m->offset);
}

struct kafka_out *kafka_out_open(const char *brokers, kafka_ack_fn on_ack, void *context)
{
    const char *const rows[][2] = {{"bootstrap.servers", brokers},
                                   {"enable.idempotence", "true"},
                                   {"acks", "all"},
                                   {"linger.ms", "5"},
                                   {"message.timeout.ms", "120000"},
                                   {"message.max.bytes", "10000000"},
                                   {"queue.buffering.max.messages", "1000000"},
                                   {"reconnect.backoff.max.ms", "500"},
                                   {"log_level", "0"},
                                   {"partitioner", "murmur2_random"}};
    char error[256];
    struct kafka_out *out = calloc(1, sizeof *out);
    CHECK(out);
    out->on_ack = on_ack;
    out->context = context;
    rd_kafka_conf_t *conf = conf_of(rows, countof(rows));
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_opaque(conf, out);
    out->handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    if (!out->handle) {
        fprintf(stderr, "kafka: %s\n", error);
        rd_kafka_conf_destroy(conf);
        free(out);
        return NULL;
    }
    return out;
}

bool kafka_out_put(struct kafka_out *out, const char *topic, int32_t partition, struct bytes key,
                   struct bytes value, const struct kafka_header *headers, size_t header_count,
                   void *opaque)
{
    rd_kafka_headers_t *list = rd_kafka_headers_new(header_count);
    for (size_t i = 0; i < header_count; i++)
        rd_kafka_header_add(list, headers[i].name, -1, headers[i].value.at,
                            (ssize_t)headers[i].value.size);
    rd_kafka_resp_err_t err = rd_kafka_producev(
        out->handle, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(key.at, key.size),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)value.at, value.size), RD_KAFKA_V_HEADERS(list),
        RD_KAFKA_V_OPAQUE(opaque), RD_KAFKA_V_END);
    if (err)
        rd_kafka_headers_destroy(list);
    if (err && err != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        fprintf(stderr, "kafka: %s: %s\n", topic, rd_kafka_err2str(err));
        CHECK(err == RD_KAFKA_RESP_ERR__QUEUE_FULL);
    }
    return !err;
}

void kafka_out_poll(struct kafka_out *out, int wait_ms)
{
    rd_kafka_poll(out->handle, wait_ms);
}

size_t kafka_out_pending(const struct kafka_out *out)
{
    return (size_t)rd_kafka_outq_len(out->handle);
}

void kafka_out_close(struct kafka_out *out, int wait_ms)
{
    rd_kafka_flush(out->handle, wait_ms);
    rd_kafka_purge(out->handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(out->handle, 1000);
    rd_kafka_destroy(out->handle);
    free(out);
}

struct reading {
    rd_kafka_t *handle;
    const char *topic;
    kafka_in_fn take;
    void *context;
    bool silent; /* a topic may be absent */
    struct kafka_header headers[HEADERS_MAX];
};

static bool partition_count(struct reading *r, int32_t *count)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(r->handle, r->topic, NULL);
    rd_kafka_resp_err_t err = rd_kafka_metadata(r->handle, 0, topic, &metadata, WAIT_MS);
    *count = 0;
    if (!err && metadata->topic_cnt == 1) {
        err = metadata->topics[0].err;
        *count = metadata->topics[0].partition_cnt;
    }
    if (metadata)
        rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(topic);
    if (!r->silent && (err || *count == 0))
        fprintf(stderr, "kafka: topic %s: %s\n", r->topic, rd_kafka_err2str(err));
    return !err && *count > 0;
}

static void give(struct reading *r, const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *list = NULL;
    rd_kafka_timestamp_type_t type;
    struct kafka_in_record record = {.topic = r->topic,
                                     .partition = m->partition,
                                     .offset = m->offset,
                                     .key = {m->key, m->key_len},
                                     .value = {m->payload, m->len},
                                     .headers = r->headers};
    record.time_ms = rd_kafka_message_timestamp(m, &type);
    record.append_time = type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME;
    if (!rd_kafka_message_headers(m, &list)) {
        const void *value;
        while (record.header_count < HEADERS_MAX) {
            struct kafka_header *h = &r->headers[record.header_count];
            if (rd_kafka_header_get_all(list, record.header_count, &h->name, &value,
                                        &h->value.size))
                break;
            h->value.at = value;
            record.header_count++;
        }
    }
    r->take(r->context, &record);
}

/* `left` partitions have not said that they are at their end. */
static bool read_partitions(struct reading *r, int32_t left)
{
    while (left > 0) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(r->handle, WAIT_MS);
        if (!m) {
            fprintf(stderr, "kafka: topic %s: no answer in %d s\n", r->topic, WAIT_MS / 1000);
            return false;
        }
        bool fatal = false;
        if (!m->err)
            give(r, m);
        else if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            left--;
        else
            fatal = m->err == RD_KAFKA_RESP_ERR__FATAL ||
                    m->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        rd_kafka_message_destroy(m);
        if (fatal)
            return false;
    }
    return true;
}

static rd_kafka_t *open_reader(const char *brokers, const char *group)
{
    const char *const rows[][2] = {{"bootstrap.servers", brokers},
                                   {"group.id", group},
                                   {"enable.auto.commit", "false"},
                                   {"enable.auto.offset.store", "false"},
                                   {"auto.offset.reset", "earliest"},
                                   {"enable.partition.eof", "true"},
                                   {"isolation.level", "read_uncommitted"},
                                   {"fetch.message.max.bytes", "20000000"},
                                   {"log_level", "0"}};
    char error[256];
    rd_kafka_conf_t *conf = conf_of(rows, countof(rows));
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
    if (!handle) {
        fprintf(stderr, "kafka: %s\n", error);
        rd_kafka_conf_destroy(conf);
    }
    return handle;
}

static rd_kafka_topic_partition_list_t *all_partitions(const char *topic, int32_t count)
{
    rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(count);
    for (int32_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(all, topic, i)->offset = 0;
    return all;
}

bool kafka_read_all(const char *brokers, const char *topic, kafka_in_fn take, void *context)
{
    struct reading r = {.topic = topic, .take = take, .context = context};
    r.handle = open_reader(brokers, "carillon-bench");
    if (!r.handle)
        return false;
    rd_kafka_poll_set_consumer(r.handle);
    int32_t count;
    bool fine = partition_count(&r, &count);
    if (fine) {
        rd_kafka_topic_partition_list_t *all = all_partitions(topic, count);
        fine = !rd_kafka_assign(r.handle, all) && read_partitions(&r, count);
        rd_kafka_topic_partition_list_destroy(all);
    }
    rd_kafka_consumer_close(r.handle);
    rd_kafka_destroy(r.handle);
    return fine;
}

int32_t kafka_partitions(const char *brokers, const char *topic)
{
    struct reading r = {
        .topic = topic, .handle = open_reader(brokers, "carillon-bench"), .silent = true};
    int32_t count = 0;
    if (!r.handle)
        return 0;
    bool fine = partition_count(&r, &count);
    rd_kafka_destroy(r.handle);
    return fine ? count : 0;
}

static int64_t lag_of(rd_kafka_t *handle, rd_kafka_topic_partition_list_t *all)
{
    int64_t lag = 0;
    rd_kafka_resp_err_t err = rd_kafka_committed(handle, all, WAIT_MS);
    for (int i = 0; i < all->cnt && !err; i++) {
        const rd_kafka_topic_partition_t *p = &all->elems[i];
        int64_t low = 0, high = 0;
        err =
            rd_kafka_query_watermark_offsets(handle, p->topic, p->partition, &low, &high, WAIT_MS);
        lag += high - i64_max(p->offset, low);
    }
    if (err)
        fprintf(stderr, "kafka: %s\n", rd_kafka_err2str(err));
    return err ? -1 : lag;
}

int64_t kafka_lag(const char *brokers, const char *group, const char *topic)
{
    struct reading r = {.topic = topic, .handle = open_reader(brokers, group)};
    int32_t count;
    int64_t lag = -1;
    if (!r.handle)
        return -1;
    if (partition_count(&r, &count)) {
        rd_kafka_topic_partition_list_t *all = all_partitions(topic, count);
        lag = lag_of(r.handle, all);
        rd_kafka_topic_partition_list_destroy(all);
    }
    rd_kafka_destroy(r.handle);
    return lag;
}

struct bytes kafka_header_of(const struct kafka_in_record *record, const char *name)
{
    for (size_t i = record->header_count; i > 0; i--)
        if (strcmp(record->headers[i - 1].name, name) == 0)
            return record->headers[i - 1].value;
    return (struct bytes){0};
}
