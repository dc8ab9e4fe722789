/* How far a group has come in a topic, partition by partition: for commands. Waits for the
 * brokers, up to the time-out a question. */
#pragma once

#include "base/bytes.h"
#include "base/err.h"
#include "io/kafka.h"

struct offsets_partition {
    int64_t first, end; /* of the log */
    int64_t committed;  /* -1: never */
    char *metadata;     /* of the commit, malloc'd; NULL: none */
    size_t metadata_size;
};

/* Of partitions 0 ... count - 1, into `out`. */
MUST_USE enum err offsets_read(const struct kafka_options *options, const char *group,
                               const char *topic, uint32_t count, struct offsets_partition *out,
                               uint32_t timeout_ms, char why[KAFKA_WHY_SIZE]);
void offsets_free(struct offsets_partition *partitions, uint32_t count);
