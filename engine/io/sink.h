/* Kafka producer: idempotent, acks=all, one handle a shard. A record counts only when its
 * report says ERR_OK; whatever else the report says, it may or may not be in the topic and
 * the caller produces it again. After a fatal error the sink goes on with a new instance
 * by itself; all that was under way is reported as failed.
 *
 * The eventfd is edge-triggered: after a wake, sink_take until it returns 0. */
#pragma once

#include "base/err.h"
#include "base/record.h"
#include "io/kafka.h"

struct sink;

enum { SINK_PARTITION_BY_KEY = -1 };

struct sink_options {
    struct kafka_options kafka;
    const char *const *topics; /* sink_put names them by index */
    uint32_t topic_count;
    uint32_t linger_ms;           /* 0: 20 */
    const char *compression;      /* NULL: lz4 */
    uint32_t delivery_timeout_ms; /* 0: 30,000 */
    uint32_t message_max_bytes;   /* 0: 1 MiB + 64 KiB; as large as the dead topic's */
    uint32_t queued_max;          /* 0: 100,000 records under way */
};

/* NULL: the options are refused, and `why` says it. Never waits for a broker. */
struct sink *sink_open(const struct sink_options *options, char why[KAFKA_WHY_SIZE]);
int sink_fd(const struct sink *sink);

/* Copies. ERR_AGAIN: too much is under way. ERR_TOO_LARGE: no broker would take it. On any
 * error there will be no report. A value whose `at` is NULL is a tombstone. */
MUST_USE enum err sink_put(struct sink *sink, uint32_t topic, int32_t partition, struct bytes key,
                           struct bytes value, const struct record_header *headers,
                           uint32_t header_count, void *opaque);

/* ERR_OK: acknowledged by all in-sync replicas, at `offset` of `partition`. ERR_TOO_LARGE:
 * the broker refuses its size. */
struct sink_report {
    void *opaque;
    enum err err;
    int32_t partition;
    int64_t offset;
};
typedef void sink_report_fn(const struct sink_report *report, void *context);

/* Hands out what was reported. 0: nothing is waiting any more. */
uint32_t sink_take(struct sink *sink, sink_report_fn *report, void *context);

/* Records put and not yet reported. */
uint32_t sink_pending(const struct sink *sink);

void sink_health(const struct sink *sink, struct kafka_health *out);
uint64_t sink_fatal_count(const struct sink *sink); /* instances given up */

/* Gives up what is still under way; no reports follow. */
void sink_close(struct sink *sink);
