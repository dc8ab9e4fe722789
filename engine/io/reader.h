/* Reads ranges of a topic's partitions, without a group: for commands. Nothing is
 * committed and nobody else is disturbed. Each call may wait for brokers, up to the
 * time-out given at opening. */
#pragma once

#include "base/err.h"
#include "base/record.h"
#include "io/kafka.h"

struct reader;

/* NULL: `why` says why; *err is ERR_INVALID (options), ERR_TIMEOUT (no broker answers) or
 * ERR_NOT_FOUND (no such topic). */
struct reader *reader_open(const struct kafka_options *options, const char *topic,
                           uint32_t timeout_ms, enum err *err, char why[KAFKA_WHY_SIZE]);
void reader_close(struct reader *reader);

uint32_t reader_partitions(const struct reader *reader);
/* The partition that all writers choose for a key (Java's murmur2); `key` is not empty. */
int32_t reader_partition_of(struct bytes key, uint32_t partitions);

struct reader_range {
    int32_t partition;
    int64_t from, to; /* offsets; `to` is excluded */
};
/* What a partition holds now, from the first record whose timestamp is not before
 * `since_ms` on; 0: from its oldest. */
MUST_USE enum err reader_find(struct reader *reader, int32_t partition, int64_t since_ms,
                              struct reader_range *out, char why[KAFKA_WHY_SIZE]);

/* Begins to read, one range a partition; what was being read is given up. */
MUST_USE enum err reader_start(struct reader *reader, const struct reader_range *ranges,
                               uint32_t count, char why[KAFKA_WHY_SIZE]);

struct reader_record {
    int32_t partition;
    int64_t offset;
    struct record record; /* without headers (below); `at` NULL where there is no key, no value */
};
/* ERR_OK: a record, valid until the next call. ERR_AGAIN: none came within a moment.
 * ERR_NOT_FOUND: all ranges are read. ERR_TIMEOUT: none came for so long. */
MUST_USE enum err reader_take(struct reader *reader, struct reader_record *out);
/* The headers of the record taken last, at most `max`; until the next call. */
uint32_t reader_headers(const struct reader *reader, struct record_header *out, uint32_t max);
