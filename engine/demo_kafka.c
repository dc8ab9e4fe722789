#include "demo_kafka.h"

#include "domain/ring.h"
#include "io/sink.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* The mock cluster silently drops what is beyond 5 MiB of a partition. A message takes
 * under 1 KiB, its outcomes under 4 KiB: DEMO_PARTITION_MESSAGES of them fit. What is
 * written here is counted as well. */
enum { PARTITIONS_LEAST = 8, PARTITION_BYTES = 4 * 1024 * 1024, RECORD_EXTRA = 100 };

struct topic {
    struct demo_kafka *kafka;
    const char *name;
    uint32_t partitions;
    pthread_t thread;
    enum err err;
};

static const struct {
    const char *name;
    uint32_t partitions; /* 0: as many as messages need */
} written_topics[] = {
    {"carillon.outcomes", 0},
    {"carillon.dead", 0},
    {"carillon.deferred.1", DEMO_RING_SLOTS},
    {"carillon.deferred.far", RING_FAR_DAYS},
};

static void *make_topic(void *context)
{
    struct topic *topic = context;
    topic->err = kafka_mock_topic(topic->kafka->mock, topic->name, topic->partitions);
    return NULL;
}

static struct topic topic_at(struct demo_kafka *kafka, uint32_t i)
{
    struct topic topic = {.kafka = kafka, .partitions = kafka->partitions};
    if (i < SAMPLE_TOPIC_COUNT) {
        topic.name = sample_topic_names[i];
        return topic;
    }
    topic.name = written_topics[i - SAMPLE_TOPIC_COUNT].name;
    if (written_topics[i - SAMPLE_TOPIC_COUNT].partitions > 0)
        topic.partitions = written_topics[i - SAMPLE_TOPIC_COUNT].partitions;
    return topic;
}

/* All at once: the mock cluster looks at such wishes once a second. */
static bool make_topics(struct demo_kafka *kafka, char why[KAFKA_WHY_SIZE])
{
    enum { COUNT = SAMPLE_TOPIC_COUNT + countof(written_topics) };
    struct topic topics[COUNT];
    uint32_t begun = 0;
    bool good = true;
    for (; good && begun < COUNT; begun++) {
        topics[begun] = topic_at(kafka, begun);
        if (pthread_create(&topics[begun].thread, NULL, make_topic, &topics[begun]) != 0) {
            snprintf(why, KAFKA_WHY_SIZE, "no thread for a topic");
            good = false;
            break;
        }
    }
    for (uint32_t i = 0; i < begun; i++) {
        pthread_join(topics[i].thread, NULL);
        if (topics[i].err == ERR_OK)
            continue;
        snprintf(why, KAFKA_WHY_SIZE, "the mock cluster makes no topic %s", topics[i].name);
        good = false;
    }
    return good;
}

bool demo_kafka_open(struct demo_kafka *kafka, uint32_t messages, char why[KAFKA_WHY_SIZE])
{
    uint32_t needed = (messages + DEMO_PARTITION_MESSAGES - 1) / DEMO_PARTITION_MESSAGES;
    CHECK(needed <= DEMO_PARTITIONS_MAX);
    *kafka =
        (struct demo_kafka){.partitions = needed < PARTITIONS_LEAST ? PARTITIONS_LEAST : needed};
    kafka->mock = kafka_mock_open(1, why);
    if (!kafka->mock || !make_topics(kafka, why))
        return false;
    const struct sink_options sink = {
        .kafka = {.bootstrap = kafka_mock_bootstrap(kafka->mock), .client_id = "carillon-demo"},
        .topics = sample_topic_names,
        .topic_count = SAMPLE_TOPIC_COUNT,
        .linger_ms = 5};
    kafka->sink = sink_open(&sink, why);
    return kafka->sink != NULL;
}

struct put { /* what a report is about */
    uint32_t topic, size;
};

enum err demo_kafka_put(struct demo_kafka *kafka, const struct sample_record *record)
{
    struct put *put = malloc(sizeof *put);
    CHECK(put);
    *put = (struct put){record->topic,
                        (uint32_t)(record->key.size + record->value.size + RECORD_EXTRA)};
    enum err err = sink_put(kafka->sink, record->topic, SINK_PARTITION_BY_KEY, record->key,
                            record->value, NULL, 0, put);
    if (err == ERR_OK)
        kafka->put++;
    else
        free(put);
    return err;
}

static void on_report(const struct sink_report *report, void *context)
{
    struct demo_kafka *kafka = context;
    struct put *put = report->opaque;
    if (report->err != ERR_OK) {
        kafka->lost++;
    } else {
        uint64_t *bytes = &kafka->bytes[put->topic][report->partition];
        *bytes += put->size;
        kafka->full = kafka->full || *bytes > PARTITION_BYTES;
        kafka->acked++;
    }
    free(put);
}

void demo_kafka_take(struct demo_kafka *kafka)
{
    while (kafka->sink && sink_take(kafka->sink, on_report, kafka) > 0)
        continue;
}
