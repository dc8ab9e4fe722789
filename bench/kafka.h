/* The only librdkafka of the bench: records out with acknowledgements, whole topics in.
 * On purpose not the engine's own io: the judge shares no code with the judged. */
#pragma once

#include "base/bytes.h"

struct kafka_header {
    const char *name;
    struct bytes value;
};

struct kafka_out;

/* offset -1: not acknowledged, ever. Called from kafka_out_poll and _close. */
typedef void (*kafka_ack_fn)(void *context, void *opaque, int32_t partition, int64_t offset);

struct kafka_out *kafka_out_open(const char *brokers, kafka_ack_fn on_ack, void *context);
/* Partition -1: by the key. False: its queue is full, poll and try again. NULL value: null. */
bool kafka_out_put(struct kafka_out *out, const char *topic, int32_t partition, struct bytes key,
                   struct bytes value, const struct kafka_header *headers, size_t header_count,
                   void *opaque) MUST_USE;
void kafka_out_poll(struct kafka_out *out, int wait_ms);
size_t kafka_out_pending(const struct kafka_out *out);
/* Waits up to that long for what is not acknowledged. */
void kafka_out_close(struct kafka_out *out, int wait_ms);

struct kafka_in_record {
    const char *topic;
    int32_t partition;
    int64_t offset;
    int64_t time_ms;
    bool append_time; /* the broker's clock, not the producer's */
    struct bytes key, value;
    const struct kafka_header *headers;
    size_t header_count;
};

typedef void (*kafka_in_fn)(void *context, const struct kafka_in_record *record);

/* Every record that the topic holds now, partition by partition in order. False after
 * saying why not on standard error; a topic that does not exist is an error. */
bool kafka_read_all(const char *brokers, const char *topic, kafka_in_fn take,
                    void *context) MUST_USE;

/* How many partitions the topic has; 0: there is none such, or no answer. */
int32_t kafka_partitions(const char *brokers, const char *topic);

/* Records that the group has not committed yet, over all partitions; -1 after saying why
 * on standard error. */
int64_t kafka_lag(const char *brokers, const char *group, const char *topic);

/* The header's value; at NULL where there is none. */
struct bytes kafka_header_of(const struct kafka_in_record *record, const char *name);
