/* Reads partitions without a group, each begun and stopped by itself: what the owner of ring
 * partitions reads (stage/hand). Nothing is committed and nobody is disturbed. Never waits for
 * a broker: end offsets, which librdkafka only asks for by waiting, are asked on a thread of
 * the feed's own.
 *
 * The eventfd is edge-triggered: after a wake take until FEED_NONE, or remember to go on in
 * the next turn without waiting. */
#pragma once

#include "base/err.h"
#include "base/record.h"
#include "io/kafka.h"

struct feed;

struct feed_options {
    struct kafka_options kafka;
    const char *const *topics; /* partitions name them by index */
    uint32_t topic_count;
    uint32_t queued_kbytes; /* 0: 16,384; read ahead of feed_take, of a partition at most */
};

/* NULL: the options are refused, and `why` says it. */
struct feed *feed_open(const struct feed_options *options, char why[KAFKA_WHY_SIZE]);
int feed_fd(const struct feed *feed);

/* Reads from `from` on (of what is still there), until it is stopped; a partition that is being
 * read begins anew. What comes of it carries `pass`; nothing of an earlier pass follows. */
void feed_start(struct feed *feed, uint32_t topic, int32_t partition, int64_t from, uint32_t pass);
void feed_stop(struct feed *feed, uint32_t topic, int32_t partition);

/* Asks for the end offsets of some partitions; FEED_ENDS with `ask` answers all of them, or
 * says so where they could not be learnt. Several may be under way. */
struct feed_partition {
    uint32_t topic;
    int32_t partition;
    int64_t end; /* in FEED_ENDS: the offset after the last record; -1: not learnt */
};
void feed_ask(struct feed *feed, const struct feed_partition *partitions, uint32_t count,
              uint64_t ask);

enum feed_event_kind {
    FEED_NONE,    /* nothing is waiting */
    FEED_IDLE,    /* something of no meaning to the caller was taken: take again */
    FEED_RECORD,  /* topic, partition, pass, offset, record */
    FEED_REACHED, /* topic, partition, pass: before `offset` there is no more */
    FEED_ENDS,    /* ask, ends */
};

struct feed_event {
    enum feed_event_kind kind;
    uint32_t topic;
    int32_t partition;
    uint32_t pass;
    int64_t offset;
    struct record record; /* with its headers; until the next feed_take */
    uint64_t ask;
    const struct feed_partition *ends;
    uint32_t end_count;
};

void feed_take(struct feed *feed, struct feed_event *out);

void feed_health(const struct feed *feed, struct kafka_health *out);
/* Waits for the thread's question under way, a second at most. */
void feed_close(struct feed *feed);
