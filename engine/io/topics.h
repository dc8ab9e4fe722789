/* What topics there are, and the creation of those that are missing: for commands and for
 * the start of a worker. Every call may wait for brokers, up to its time-out. */
#pragma once

#include "base/err.h"
#include "io/kafka.h"

struct topics;

struct topics *topics_open(const struct kafka_options *options, char why[KAFKA_WHY_SIZE]);
void topics_close(struct topics *topics);

/* Asks for all topics. ERR_TIMEOUT: no broker answers. */
MUST_USE enum err topics_read(struct topics *topics, uint32_t timeout_ms, char why[KAFKA_WHY_SIZE]);

struct topic_found {
    uint32_t partitions, replicas;
};
/* As read last. False: there is no such topic. */
bool topics_find(const struct topics *topics, const char *name, struct topic_found *out);

/* Tells each topic, as read last, in no order. */
typedef void topics_each_fn(const char *name, const struct topic_found *found, void *context);
void topics_each(const struct topics *topics, topics_each_fn *tell, void *context);

struct topic_wish {
    const char *name;
    uint32_t partitions, replicas;
    const struct kafka_property *settings;
    uint32_t setting_count;
};
/* ERR_OK also where another one created it meanwhile. */
MUST_USE enum err topics_create(struct topics *topics, const struct topic_wish *wish,
                                uint32_t timeout_ms, char why[KAFKA_WHY_SIZE]);

MUST_USE enum err topics_delete(struct topics *topics, const char *name, uint32_t timeout_ms,
                                char why[KAFKA_WHY_SIZE]);

/* Tells each setting of the topic, by name and value. */
typedef void topics_setting_fn(const char *name, const char *value, void *context);
MUST_USE enum err topics_settings(struct topics *topics, const char *name, topics_setting_fn *tell,
                                  void *context, uint32_t timeout_ms, char why[KAFKA_WHY_SIZE]);

/* The same of one of the brokers, as read last: all of them should agree. */
MUST_USE enum err topics_broker_settings(struct topics *topics, topics_setting_fn *tell,
                                         void *context, uint32_t timeout_ms,
                                         char why[KAFKA_WHY_SIZE]);

struct topic_partition {
    const char *topic;
    int32_t partition;
};
/* Whether the group has committed an offset of any of these, ever. */
MUST_USE enum err topics_committed(const struct kafka_options *options, const char *group,
                                   const struct topic_partition *partitions, uint32_t count,
                                   bool *any, uint32_t timeout_ms, char why[KAFKA_WHY_SIZE]);

/* How far a group has come in a topic, and whether the topic still grows. */
struct topic_progress {
    uint32_t behind; /* partitions with records that are not committed to their end */
    uint32_t young;  /* partitions with a record written since then */
};
MUST_USE enum err topics_progress(const struct kafka_options *options, const char *group,
                                  const char *topic, uint32_t partitions, int64_t since_ms,
                                  struct topic_progress *out, uint32_t timeout_ms,
                                  char why[KAFKA_WHY_SIZE]);
