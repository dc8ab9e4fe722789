/* librdkafka's mock cluster in this process: for the demo, and to inject errors in tests.
 * It keeps about 5 MiB a partition and silently drops what is older, knows no compaction
 * and no admin calls, and dies with the process: nothing that must not be lost. */
#pragma once

#include "base/err.h"
#include "io/kafka.h"

struct kafka_mock;

MUST_USE struct kafka_mock *kafka_mock_open(uint32_t brokers, char why[KAFKA_WHY_SIZE]);
void kafka_mock_close(struct kafka_mock *mock); /* clients are closed before */
const char *kafka_mock_bootstrap(const struct kafka_mock *mock);
MUST_USE enum err kafka_mock_topic(struct kafka_mock *mock, const char *name, uint32_t partitions);

enum kafka_mock_request { KAFKA_MOCK_PRODUCE, KAFKA_MOCK_OFFSET_FETCH, KAFKA_MOCK_OFFSET_COMMIT };
enum kafka_mock_error {
    KAFKA_MOCK_LATER,    /* NOT_COORDINATOR, or NOT_ENOUGH_REPLICAS: try again */
    KAFKA_MOCK_OLD,      /* ILLEGAL_GENERATION */
    KAFKA_MOCK_SIZE,     /* MSG_SIZE_TOO_LARGE */
    KAFKA_MOCK_SEQUENCE, /* OUT_OF_ORDER_SEQUENCE_NUMBER: fatal to an idempotent producer */
};
/* The next `count` requests of that kind, by any client, are answered so. */
void kafka_mock_fail(struct kafka_mock *mock, enum kafka_mock_request request,
                     enum kafka_mock_error error, uint32_t count);
/* Down: connections are closed and refused. */
void kafka_mock_down(struct kafka_mock *mock, bool down);
