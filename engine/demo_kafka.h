/* The demo's Kafka: librdkafka's mock cluster in this process with carillon's topics, and
 * the producer that writes the sample into them. */
#pragma once

#include "demo_sample.h"
#include "io/kafka_mock.h"

struct sink;

/* The ring has one partition a slot. */
enum { DEMO_PARTITIONS_MAX = 128, DEMO_PARTITION_MESSAGES = 768, DEMO_RING_SLOTS = 8 };

struct demo_kafka {
    struct kafka_mock *mock;
    uint32_t partitions;
    struct sink *sink;
    uint64_t put, acked, lost; /* records */
    uint64_t bytes[SAMPLE_TOPIC_COUNT][DEMO_PARTITIONS_MAX];
    bool full; /* the mock cluster would soon drop records of some partition */
};

/* For so many messages: at most DEMO_PARTITIONS_MAX * DEMO_PARTITION_MESSAGES. Not closed:
 * it ends with the process. */
MUST_USE bool demo_kafka_open(struct demo_kafka *kafka, uint32_t messages,
                              char why[KAFKA_WHY_SIZE]);
/* ERR_AGAIN: too much is under way, take first. */
MUST_USE enum err demo_kafka_put(struct demo_kafka *kafka, const struct sample_record *record);
/* Counts what was acknowledged. */
void demo_kafka_take(struct demo_kafka *kafka);
