/* librdkafka's simple consumer into one queue. A start and a stop give the partition a new
 * version, on the caller's thread, and what has an older one is thrown away when it is taken:
 * so what is taken is of the pass that runs. The queue is polled for single events, never for
 * a batch; no callback is set.
 *
 * End offsets are asked by one call for all partitions, on a thread, because 2.0.2 has no
 * ListOffsets that answers on a queue. Its answers lie in a list and wake by the same fd.
 *
 * A broker's thread of 2.0.2 that has nothing to fetch, or found the queue full, looks again
 * only after a second, whatever was started or taken meanwhile; but any request wakes it. So
 * the thread of the feed asks it something whenever that may be the case: a poke. */
#include "io/feed.h"

#include "base/clock.h"
#include "io/kafka_handle.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { ASK_TIMEOUT_MS = 1000, QUEUED_KBYTES = 16384, POKED_MAX = 16 };

struct part {
    int64_t from;
    uint32_t pass;
    bool reading;
};

struct feed_topic {
    rd_kafka_topic_t *rkt;
    const char *name;
    struct part *parts;
    uint32_t part_max, index;
};

struct ask {
    struct ask *next;
    uint64_t id;
    bool poke; /* nobody awaits the answer */
    uint32_t count;
    struct feed_partition partitions[];
};

struct asks {
    struct ask *first, **last;
};

struct feed {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    int fd;
    struct feed_topic *topics;
    uint32_t topic_count, running;
    uint64_t taken_bytes, poke_bytes; /* taken since the last poke, and how many call for one */
    struct kafka_health health;

    rd_kafka_event_t *held; /* what the last event out points into */
    struct ask *told;       /* the same, of an answer */
    struct record_header *headers;
    uint32_t header_max;

    pthread_t asker;
    bool asking; /* the thread runs */
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct asks open, answered; /* under the lock, as is closing */
    bool closing;
    atomic_bool any_answered, poked; /* poked: one is under way */
};

static void *grown(void *array, uint32_t *max, uint32_t count, size_t size)
{
    if (count <= *max)
        return array;
    uint32_t more = count + count / 2;
    array = realloc(array, more * size);
    CHECK(array);
    memset((char *)array + *max * size, 0, (more - *max) * size);
    *max = more;
    return array;
}

static void asks_push(struct asks *asks, struct ask *ask)
{
    ask->next = NULL;
    *asks->last = ask;
    asks->last = &ask->next;
}

static struct ask *asks_pop(struct asks *asks)
{
    struct ask *ask = asks->first;
    if (!ask)
        return NULL;
    asks->first = ask->next;
    if (!asks->first)
        asks->last = &asks->first;
    return ask;
}

/* Opening and closing. */

static uint32_t queued_kbytes(const struct feed_options *options)
{
    return options->queued_kbytes ? options->queued_kbytes : QUEUED_KBYTES;
}

static rd_kafka_t *handle_of(const struct feed_options *options, char why[KAFKA_WHY_SIZE])
{
    char queued[16];
    snprintf(queued, sizeof queued, "%u", queued_kbytes(options));
    const struct kafka_property fixed[] = {
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", "earliest"},
        {"isolation.level", "read_committed"},
        {"enable.partition.eof", "true"},
        {"queued.min.messages", "10000000"}, /* the size alone counts */
        {"queued.max.messages.kbytes", queued},
        {"fetch.message.max.bytes", "1048576"},
        {"fetch.max.bytes", "8388608"},
        {"fetch.wait.max.ms", "50"}, /* so long may a start wait behind an empty fetch */
        {"fetch.error.backoff.ms", "100"},
        {"check.crcs", "true"},
        {"allow.auto.create.topics", "false"},
        {"topic.metadata.refresh.interval.ms", "10000"},
        {"fetch.queue.backoff.ms", rd_kafka_version() >= 0x02020000 ? "10" : NULL},
    };
    rd_kafka_conf_t *conf = kafka_conf_new(&options->kafka, fixed, countof(fixed), why);
    if (!conf)
        return NULL;
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_FETCH | RD_KAFKA_EVENT_ERROR |
                                       RD_KAFKA_EVENT_STATS | RD_KAFKA_EVENT_LOG);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, KAFKA_WHY_SIZE);
    if (!rk)
        rd_kafka_conf_destroy(conf);
    return rk;
}

static void open_queue(struct feed *feed)
{
    static const uint64_t one = 1;
    feed->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    CHECK(feed->fd >= 0);
    feed->queue = rd_kafka_queue_new(feed->rk);
    rd_kafka_queue_t *rest = rd_kafka_queue_get_main(feed->rk); /* errors and statistics */
    rd_kafka_queue_forward(rest, feed->queue);
    rd_kafka_queue_destroy(rest);
    rd_kafka_set_log_queue(feed->rk, feed->queue);
    rd_kafka_queue_io_event_enable(feed->queue, feed->fd, &one, sizeof one);
}

static void open_topics(struct feed *feed, const struct feed_options *options)
{
    feed->topic_count = options->topic_count;
    feed->topics = calloc(options->topic_count, sizeof feed->topics[0]);
    CHECK(feed->topics);
    for (uint32_t i = 0; i < options->topic_count; i++) {
        struct feed_topic *topic = &feed->topics[i];
        rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(feed->rk);
        rd_kafka_topic_conf_set_opaque(conf, topic);
        topic->rkt = rd_kafka_topic_new(feed->rk, options->topics[i], conf);
        CHECK(topic->rkt);
        topic->name = rd_kafka_topic_name(topic->rkt);
        topic->index = i;
    }
}

static void *answer_asks(void *context);

struct feed *feed_open(const struct feed_options *options, char why[KAFKA_WHY_SIZE])
{
    CHECK(options->topic_count > 0);
    rd_kafka_t *rk = handle_of(options, why);
    if (!rk)
        return NULL;
    struct feed *feed = calloc(1, sizeof *feed);
    CHECK(feed);
    feed->rk = rk;
    feed->poke_bytes = queued_kbytes(options) * 1024 / 4;
    feed->open.last = &feed->open.first;
    feed->answered.last = &feed->answered.first;
    pthread_mutex_init(&feed->lock, NULL);
    pthread_cond_init(&feed->work, NULL);
    open_queue(feed);
    open_topics(feed, options);
    kafka_health_up(&feed->health, false, clock_mono_ns());
    feed->asking = pthread_create(&feed->asker, NULL, answer_asks, feed) == 0;
    if (feed->asking)
        return feed;
    snprintf(why, KAFKA_WHY_SIZE, "no thread could be started");
    feed_close(feed);
    return NULL;
}

int feed_fd(const struct feed *feed)
{
    return feed->fd;
}

void feed_health(const struct feed *feed, struct kafka_health *out)
{
    *out = feed->health;
}

static void free_asks(struct asks *asks)
{
    for (struct ask *ask = asks_pop(asks); ask; ask = asks_pop(asks))
        free(ask);
}

static void close_asker(struct feed *feed)
{
    pthread_mutex_lock(&feed->lock);
    feed->closing = true;
    pthread_cond_signal(&feed->work);
    pthread_mutex_unlock(&feed->lock);
    if (feed->asking)
        pthread_join(feed->asker, NULL);
    free_asks(&feed->open);
    free_asks(&feed->answered);
    free(feed->told);
    pthread_cond_destroy(&feed->work);
    pthread_mutex_destroy(&feed->lock);
}

void feed_close(struct feed *feed)
{
    close_asker(feed);
    if (feed->held)
        rd_kafka_event_destroy(feed->held);
    for (uint32_t i = 0; i < feed->topic_count; i++) {
        for (uint32_t p = 0; p < feed->topics[i].part_max; p++)
            feed_stop(feed, i, (int32_t)p);
        rd_kafka_topic_destroy(feed->topics[i].rkt);
        free(feed->topics[i].parts);
    }
    rd_kafka_queue_t *rest = rd_kafka_queue_get_main(feed->rk);
    rd_kafka_queue_forward(rest, NULL);
    rd_kafka_queue_destroy(rest);
    rd_kafka_set_log_queue(feed->rk, NULL);
    rd_kafka_queue_io_event_enable(feed->queue, -1, NULL, 0);
    rd_kafka_queue_destroy(feed->queue);
    rd_kafka_destroy(feed->rk);
    close(feed->fd);
    free(feed->headers);
    free(feed->topics);
    free(feed);
}

/* Asking. */

static struct ask *ask_new(uint32_t count)
{
    struct ask *ask = malloc(sizeof *ask + count * sizeof ask->partitions[0]);
    CHECK(ask);
    *ask = (struct ask){.count = count};
    return ask;
}

static void put_ask(struct feed *feed, struct ask *ask)
{
    pthread_mutex_lock(&feed->lock);
    asks_push(&feed->open, ask);
    pthread_cond_signal(&feed->work);
    pthread_mutex_unlock(&feed->lock);
}

void feed_ask(struct feed *feed, const struct feed_partition *partitions, uint32_t count,
              uint64_t id)
{
    CHECK(count > 0);
    struct ask *ask = ask_new(count);
    ask->id = id;
    memcpy(ask->partitions, partitions, count * sizeof partitions[0]);
    put_ask(feed, ask);
}

/* Some of the partitions that are read, so that all their leaders are likely among theirs. */
static void poke(struct feed *feed)
{
    feed->taken_bytes = 0;
    if (feed->running == 0 || atomic_exchange(&feed->poked, true))
        return;
    struct ask *ask = ask_new(POKED_MAX);
    uint32_t step = feed->running / POKED_MAX + 1, seen = 0;
    ask->poke = true;
    ask->count = 0;
    for (uint32_t i = 0; i < feed->topic_count; i++)
        for (uint32_t p = 0; p < feed->topics[i].part_max; p++)
            if (feed->topics[i].parts[p].reading && seen++ % step == 0)
                ask->partitions[ask->count++] = (struct feed_partition){i, (int32_t)p, -1};
    put_ask(feed, ask);
}

/* Starts and stops. */

static struct part *part_of(struct feed *feed, uint32_t topic, int32_t partition)
{
    CHECK(topic < feed->topic_count && partition >= 0);
    struct feed_topic *t = &feed->topics[topic];
    t->parts = grown(t->parts, &t->part_max, (uint32_t)partition + 1, sizeof t->parts[0]);
    return &t->parts[partition];
}

void feed_start(struct feed *feed, uint32_t topic, int32_t partition, int64_t from, uint32_t pass)
{
    CHECK(from >= 0);
    feed_stop(feed, topic, partition);
    *part_of(feed, topic, partition) = (struct part){from, pass, true};
    feed->running++;
    int rc = rd_kafka_consume_start_queue(feed->topics[topic].rkt, partition, from, feed->queue);
    CHECK(rc == 0); /* it only records the wish; refused are wrong arguments */
    poke(feed);
}

/* What a fetch under way still brings would lie in the partition's own queue until it is read
 * again, megabytes each: in ours it is met and thrown away. */
static void let_drain(struct feed *feed, const struct feed_topic *topic, int32_t partition)
{
    rd_kafka_queue_t *own = rd_kafka_queue_get_partition(feed->rk, topic->name, partition);
    if (!own)
        return;
    rd_kafka_queue_forward(own, feed->queue);
    rd_kafka_queue_destroy(own);
}

void feed_stop(struct feed *feed, uint32_t topic, int32_t partition)
{
    struct part *part = part_of(feed, topic, partition);
    if (!part->reading)
        return;
    rd_kafka_consume_stop(feed->topics[topic].rkt, partition);
    let_drain(feed, &feed->topics[topic], partition);
    part->reading = false;
    feed->running--;
}

/* Answers. */

static void learn_ends(struct feed *feed, struct ask *ask)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)ask->count);
    for (uint32_t i = 0; i < ask->count; i++) {
        CHECK(ask->partitions[i].topic < feed->topic_count);
        rd_kafka_topic_partition_list_add(list, feed->topics[ask->partitions[i].topic].name,
                                          ask->partitions[i].partition)
            ->offset = RD_KAFKA_OFFSET_END;
    }
    rd_kafka_resp_err_t err = rd_kafka_offsets_for_times(feed->rk, list, ASK_TIMEOUT_MS);
    for (uint32_t i = 0; i < ask->count; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        ask->partitions[i].end = !err && !p->err && p->offset >= 0 ? p->offset : -1;
    }
    rd_kafka_topic_partition_list_destroy(list);
}

static void *answer_asks(void *context)
{
    static const uint64_t one = 1;
    struct feed *feed = context;
    pthread_mutex_lock(&feed->lock);
    while (!feed->closing) {
        struct ask *ask = asks_pop(&feed->open);
        if (!ask) {
            pthread_cond_wait(&feed->work, &feed->lock);
            continue;
        }
        pthread_mutex_unlock(&feed->lock);
        if (ask->poke)
            atomic_store(&feed->poked, false);
        learn_ends(feed, ask);
        pthread_mutex_lock(&feed->lock);
        if (ask->poke) {
            free(ask);
            continue;
        }
        asks_push(&feed->answered, ask);
        atomic_store(&feed->any_answered, true);
        ssize_t n = write(feed->fd, &one, sizeof one);
        CHECK(n == sizeof one || errno == EAGAIN);
    }
    pthread_mutex_unlock(&feed->lock);
    return NULL;
}

static bool take_answer(struct feed *feed, struct feed_event *out)
{
    free(feed->told);
    feed->told = NULL;
    if (!atomic_load_explicit(&feed->any_answered, memory_order_relaxed))
        return false;
    pthread_mutex_lock(&feed->lock);
    struct ask *ask = feed->told = asks_pop(&feed->answered);
    atomic_store(&feed->any_answered, feed->answered.first != NULL);
    pthread_mutex_unlock(&feed->lock);
    if (!ask)
        return false;
    out->kind = FEED_ENDS;
    out->ask = ask->id;
    out->ends = ask->partitions;
    out->end_count = ask->count;
    return true;
}

/* Records. */

static const struct part *running(const struct feed_topic *topic, int32_t partition)
{
    bool known = partition >= 0 && (uint32_t)partition < topic->part_max;
    return known && topic->parts[partition].reading ? &topic->parts[partition] : NULL;
}

static void take_headers(struct feed *feed, const rd_kafka_message_t *m, struct record *record)
{
    rd_kafka_headers_t *headers;
    if (rd_kafka_message_headers(m, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    uint32_t count = (uint32_t)rd_kafka_header_cnt(headers);
    feed->headers = grown(feed->headers, &feed->header_max, count, sizeof feed->headers[0]);
    for (uint32_t i = 0; i < count; i++) {
        const char *name = NULL;
        const void *value = NULL;
        size_t size = 0;
        rd_kafka_header_get_all(headers, i, &name, &value, &size);
        feed->headers[i] = (struct record_header){bytes_of(name), {value, size}};
    }
    record->headers = feed->headers;
    record->header_count = count;
}

static void on_record(struct feed *feed, rd_kafka_event_t *event, struct feed_event *out)
{
    const rd_kafka_message_t *m = rd_kafka_event_message_next(event);
    if (!m || m->err)
        return;
    feed->taken_bytes += m->key_len + m->len;
    const struct feed_topic *topic = rd_kafka_topic_opaque(m->rkt);
    const struct part *part = running(topic, m->partition);
    if (!part || m->offset < part->from) /* a log that ends before `from` is read from its start */
        return;
    rd_kafka_timestamp_type_t type;
    int64_t timestamp_ms = rd_kafka_message_timestamp(m, &type);
    out->kind = FEED_RECORD;
    out->topic = topic->index;
    out->partition = m->partition;
    out->pass = part->pass;
    out->offset = m->offset;
    out->record = (struct record){
        .key = {m->key, m->key_len},
        .value = {m->payload, m->len},
        .timestamp_ms = timestamp_ms > 0 ? timestamp_ms : 0,
    };
    take_headers(feed, m, &out->record);
}

static bool on_end(struct feed *feed, rd_kafka_event_t *event, struct feed_event *out)
{
    if (rd_kafka_event_type(event) != RD_KAFKA_EVENT_ERROR ||
        rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR__PARTITION_EOF)
        return false;
    rd_kafka_topic_partition_t *at = rd_kafka_event_topic_partition(event);
    for (uint32_t i = 0; at && i < feed->topic_count; i++) {
        const struct part *part = running(&feed->topics[i], at->partition);
        if (!part || strcmp(feed->topics[i].name, at->topic) != 0)
            continue;
        out->kind = FEED_REACHED;
        out->topic = i;
        out->partition = at->partition;
        out->pass = part->pass;
        out->offset = at->offset;
    }
    if (at)
        rd_kafka_topic_partition_destroy(at);
    return true;
}

void feed_take(struct feed *feed, struct feed_event *out)
{
    *out = (struct feed_event){.kind = FEED_NONE};
    if (feed->held)
        rd_kafka_event_destroy(feed->held);
    feed->held = NULL;
    if (take_answer(feed, out))
        return;
    rd_kafka_event_t *event = feed->held = rd_kafka_queue_poll(feed->queue, 0);
    if (feed->taken_bytes > (event ? feed->poke_bytes : 0))
        poke(feed); /* the queue may have been full, and is not any more */
    if (!event)
        return;
    out->kind = FEED_IDLE;
    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_FETCH) {
        on_record(feed, event, out);
        if (!feed->health.up)
            kafka_health_up(&feed->health, true, clock_mono_ns());
    } else if (!on_end(feed, event, out)) {
        kafka_health_event(&feed->health, feed->rk, event, clock_mono_ns());
    }
}
