/* Reports come from the producer's main queue as events; sink_take hands them out on the
 * caller's thread. librdkafka's fatal error (an idempotent producer that cannot know what
 * the broker took) ends the instance: it is purged, which reports all it held as failed,
 * and a new one takes over. The callers produce again, and readers take the first of two
 * equal outcomes. */
#include "io/sink.h"

#include "base/clock.h"
#include "io/kafka_handle.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { REPORTS_AT_ONCE = 64, REPORT_FETCH = 384 };

struct instance {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    rd_kafka_topic_t **topics;
};

struct sink {
    struct kafka_options kafka; /* deep copies, for the next instance */
    struct kafka_property *properties;
    char **topics;
    uint32_t topic_count;
    char *compression;
    uint32_t linger_ms, delivery_timeout_ms, message_max_bytes, queued_max;

    int fd;
    struct instance now;
    struct instance old; /* purged, until all it held is reported; rk NULL: none */
    uint32_t pending;
    uint64_t fatal_count;
    struct kafka_health health;
};

static char *copy_of(const char *text)
{
    char *copy = text ? strdup(text) : NULL;
    CHECK(copy || !text);
    return copy;
}

static rd_kafka_conf_t *sink_conf(const struct sink *sink, char why[KAFKA_WHY_SIZE])
{
    char linger[16], timeout[16], size[16], queued[16];
    snprintf(linger, sizeof linger, "%u", sink->linger_ms);
    snprintf(timeout, sizeof timeout, "%u", sink->delivery_timeout_ms);
    snprintf(size, sizeof size, "%u", sink->message_max_bytes);
    snprintf(queued, sizeof queued, "%u", sink->queued_max);
    const struct kafka_property fixed[] = {
        {"enable.idempotence", "true"},    {"acks", "all"},
        {"partitioner", "murmur2_random"}, {"linger.ms", linger},
        {"delivery.timeout.ms", timeout},  {"compression.codec", sink->compression},
        {"message.max.bytes", size},       {"queue.buffering.max.messages", queued},
    };
    rd_kafka_conf_t *conf = kafka_conf_new(&sink->kafka, fixed, countof(fixed), why);
    if (conf)
        rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR |
                                           RD_KAFKA_EVENT_STATS | RD_KAFKA_EVENT_LOG);
    return conf;
}

static void instance_close(struct instance *instance, uint32_t topic_count)
{
    rd_kafka_queue_io_event_enable(instance->queue, -1, NULL, 0);
    rd_kafka_queue_destroy(instance->queue);
    for (uint32_t i = 0; i < topic_count; i++)
        if (instance->topics[i])
            rd_kafka_topic_destroy(instance->topics[i]);
    free(instance->topics);
    rd_kafka_destroy(instance->rk);
    *instance = (struct instance){0};
}

static bool instance_open(struct sink *sink, struct instance *instance, char why[KAFKA_WHY_SIZE])
{
    static const uint64_t one = 1;
    rd_kafka_conf_t *conf = sink_conf(sink, why);
    if (!conf)
        return false;
    instance->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, KAFKA_WHY_SIZE);
    if (!instance->rk) {
        rd_kafka_conf_destroy(conf);
        return false;
    }
    instance->queue = rd_kafka_queue_get_main(instance->rk);
    rd_kafka_queue_io_event_enable(instance->queue, sink->fd, &one, sizeof one);
    rd_kafka_set_log_queue(instance->rk, instance->queue);
    instance->topics = calloc(sink->topic_count, sizeof(rd_kafka_topic_t *));
    CHECK(instance->topics);
    for (uint32_t i = 0; i < sink->topic_count; i++) {
        instance->topics[i] = rd_kafka_topic_new(instance->rk, sink->topics[i], NULL);
        if (!instance->topics[i]) {
            snprintf(why, KAFKA_WHY_SIZE, "topic %.80s: %s", sink->topics[i],
                     rd_kafka_err2str(rd_kafka_last_error()));
            instance_close(instance, sink->topic_count);
            return false;
        }
    }
    return true;
}

static void copy_options(struct sink *sink, const struct sink_options *options)
{
    const struct kafka_options *kafka = &options->kafka;
    sink->topic_count = options->topic_count;
    sink->topics = calloc(options->topic_count, sizeof sink->topics[0]);
    sink->properties = calloc(kafka->property_count + 1, sizeof sink->properties[0]);
    CHECK(sink->topics && sink->properties);
    for (uint32_t i = 0; i < options->topic_count; i++)
        sink->topics[i] = copy_of(options->topics[i]);
    for (uint32_t i = 0; i < kafka->property_count; i++)
        sink->properties[i] = (struct kafka_property){copy_of(kafka->properties[i].name),
                                                      copy_of(kafka->properties[i].value)};
    sink->kafka = (struct kafka_options){
        .bootstrap = copy_of(kafka->bootstrap),
        .client_id = copy_of(kafka->client_id),
        .properties = sink->properties,
        .property_count = kafka->property_count,
    };
    sink->compression = copy_of(options->compression ? options->compression : "lz4");
    sink->linger_ms = options->linger_ms ? options->linger_ms : 20;
    sink->delivery_timeout_ms = options->delivery_timeout_ms ? options->delivery_timeout_ms : 30000;
    sink->message_max_bytes =
        options->message_max_bytes ? options->message_max_bytes : (1024 + 64) * 1024;
    sink->queued_max = options->queued_max ? options->queued_max : 100000;
}

static void sink_free(struct sink *sink)
{
    for (uint32_t i = 0; i < sink->topic_count; i++)
        free(sink->topics[i]);
    for (uint32_t i = 0; i < sink->kafka.property_count; i++) {
        free((char *)sink->properties[i].name);
        free((char *)sink->properties[i].value);
    }
    free((char *)sink->kafka.bootstrap);
    free((char *)sink->kafka.client_id);
    free(sink->properties);
    free(sink->topics);
    free(sink->compression);
    close(sink->fd);
    free(sink);
}

struct sink *sink_open(const struct sink_options *options, char why[KAFKA_WHY_SIZE])
{
    struct sink *sink = calloc(1, sizeof *sink);
    CHECK(sink);
    copy_options(sink, options);
    sink->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    CHECK(sink->fd >= 0);
    kafka_health_up(&sink->health, false, clock_mono_ns());
    if (instance_open(sink, &sink->now, why))
        return sink;
    sink_free(sink);
    return NULL;
}

int sink_fd(const struct sink *sink)
{
    return sink->fd;
}

static enum err produce_err(rd_kafka_resp_err_t err)
{
    switch ((int)err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return ERR_OK;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
        return ERR_TOO_LARGE;
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
        return ERR_TIMEOUT;
    case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
    case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
        return ERR_CANCELLED;
    default:
        return ERR_AGAIN;
    }
}

/* The instance of now is of no use any more: it reports all it holds as failed, another one
 * takes over. It cannot fail to open: its options were taken once. */
static void replace(struct sink *sink)
{
    char why[KAFKA_WHY_SIZE];
    sink->old = sink->now;
    sink->now = (struct instance){0};
    rd_kafka_purge(sink->old.rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    bool opened = instance_open(sink, &sink->now, why);
    CHECK(opened);
    sink->fatal_count++;
    sink->health.fatal = false;
}

static void check_fatal(struct sink *sink)
{
    char text[8];
    if (!sink->old.rk && rd_kafka_fatal_error(sink->now.rk, text, sizeof text))
        replace(sink);
}

enum err sink_put(struct sink *sink, uint32_t topic, int32_t partition, struct bytes key,
                  struct bytes value, const struct record_header *headers, uint32_t header_count,
                  void *opaque)
{
    CHECK(topic < sink->topic_count);
    rd_kafka_headers_t *copies = NULL;
    if (header_count > 0) {
        copies = rd_kafka_headers_new(header_count);
        for (uint32_t i = 0; i < header_count; i++)
            rd_kafka_header_add(copies, headers[i].name.at, (ssize_t)headers[i].name.size,
                                headers[i].value.at, (ssize_t)headers[i].value.size);
    }
    const rd_kafka_vu_t what[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = sink->now.topics[topic]},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)(uintptr_t)value.at, value.size}},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)(uintptr_t)key.at, key.size}},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = opaque},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = copies},
    };
    rd_kafka_error_t *error =
        rd_kafka_produceva(sink->now.rk, what, copies ? countof(what) : countof(what) - 1);
    rd_kafka_resp_err_t err = error ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (error)
        rd_kafka_error_destroy(error);
    if (!err) {
        sink->pending++;
        return ERR_OK;
    }
    if (copies)
        rd_kafka_headers_destroy(copies);
    if (err == RD_KAFKA_RESP_ERR__FATAL)
        check_fatal(sink);
    return produce_err(err);
}

static void report_one(struct sink *sink, const rd_kafka_message_t *m, sink_report_fn *report,
                       void *context)
{
    const struct sink_report what = {
        .opaque = m->_private,
        .err = produce_err(m->err),
        .partition = m->partition,
        .offset = m->offset,
    };
    sink->pending--;
    if (!m->err && !sink->health.up)
        kafka_health_up(&sink->health, true, clock_mono_ns());
    report(&what, context);
}

static uint32_t report_all(struct sink *sink, rd_kafka_event_t *event, sink_report_fn *report,
                           void *context)
{
    const rd_kafka_message_t *messages[REPORTS_AT_ONCE];
    uint32_t count = 0;
    for (size_t n; (n = rd_kafka_event_message_array(event, messages, REPORTS_AT_ONCE)) > 0;) {
        for (size_t i = 0; i < n; i++) /* what waits for them has long left the cache */
            memory_fetch(messages[i]->_private, REPORT_FETCH);
        for (size_t i = 0; i < n; i++)
            report_one(sink, messages[i], report, context);
        count += (uint32_t)n;
    }
    return count;
}

uint32_t sink_take(struct sink *sink, sink_report_fn *report, void *context)
{
    struct instance *of = sink->old.rk ? &sink->old : &sink->now;
    rd_kafka_event_t *event = rd_kafka_queue_poll(of->queue, 0);
    if (!event && of == &sink->old) {
        if (rd_kafka_outq_len(sink->old.rk) == 0)
            instance_close(&sink->old, sink->topic_count);
        event = rd_kafka_queue_poll(sink->now.queue, 0);
        of = &sink->now;
    }
    if (!event)
        return 0;
    uint32_t count = 0;
    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR)
        count = report_all(sink, event, report, context);
    else
        kafka_health_event(&sink->health, of->rk, event, clock_mono_ns());
    rd_kafka_event_destroy(event);
    check_fatal(sink);
    return count > 0 ? count : 1; /* there may be more */
}

uint32_t sink_pending(const struct sink *sink)
{
    return sink->pending;
}

void sink_health(const struct sink *sink, struct kafka_health *out)
{
    *out = sink->health;
}

uint64_t sink_fatal_count(const struct sink *sink)
{
    return sink->fatal_count;
}

void sink_close(struct sink *sink)
{
    struct instance *both[] = {&sink->old, &sink->now};
    for (size_t i = 0; i < countof(both); i++) {
        if (!both[i]->rk)
            continue;
        rd_kafka_purge(both[i]->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        instance_close(both[i], sink->topic_count);
    }
    sink_free(sink);
}
