/* Kafka consumer: one handle, its own queue and, for urgent topics, a second queue with
 * its own eventfd. One event a call, never a batch; nothing is decided here and no
 * callback runs: rebalances, offsets read and commits acknowledged all come as events
 * out of source_take, on the caller's thread.
 *
 * Both eventfds are edge-triggered: after a wake, take until SOURCE_NONE, or remember
 * to go on in the next turn without waiting. Take at least once a second in any case.
 *
 * A rebalance is answered by the caller, when it is ready: SOURCE_REVOKED by
 * source_unassign. An assignment is taken up by itself: the offsets and the metadata
 * committed are read first (nothing is fetched before that), then SOURCE_ASSIGNED tells
 * them, and the caller gives each partition's start with source_assign. */
#pragma once

#include "base/err.h"
#include "base/record.h"
#include "io/kafka.h"

struct source;

struct source_topic {
    const char *name;
    bool urgent; /* its partitions feed the urgent lane */
};

struct source_options {
    struct kafka_options kafka;
    const char *group;
    const char *instance_id; /* static membership, another one for each handle; NULL: dynamic */
    const struct source_topic *topics;
    uint32_t topic_count;
    uint32_t session_timeout_ms; /* 0: 12,000 */
    uint32_t heartbeat_ms;       /* 0: 3,000, at most a third of the session */
    uint32_t queued_kbytes;      /* 0: 16,384, per lane */
    uint32_t gather_ms;          /* the broker gathers 64 KiB, at most so long; 0: sends at once */
    bool ends;                   /* SOURCE_END each time the end of a partition is reached */
    bool owns_only; /* partitions are assigned and committed, and never fetched: no lane, pause,
                       resume or seek */
};

enum source_lane { SOURCE_MAIN, SOURCE_URGENT, SOURCE_LANES };

struct source_partition {
    uint32_t topic; /* index into options.topics */
    int32_t partition;
    int64_t offset;        /* committed, or -1: none yet */
    struct bytes metadata; /* of that commit */
    enum err err;          /* of a commit: ERR_OK: acknowledged */
};

enum source_event_kind {
    SOURCE_NONE,      /* nothing is waiting */
    SOURCE_IDLE,      /* something of no meaning to the caller was taken: take again */
    SOURCE_RECORD,    /* record */
    SOURCE_ASSIGNED,  /* partitions, with committed offset and metadata: source_assign */
    SOURCE_REVOKED,   /* all partitions: source_unassign, when wound down; lost: no commit */
    SOURCE_END,       /* topic, partition: all before `offset` was delivered */
    SOURCE_COMMITTED, /* partitions, each with offset and err; commit_id */
};

struct source_event {
    enum source_event_kind kind;
    struct record record; /* `at` is NULL where there is no key, no value; all its headers */
    uint32_t topic;       /* of the record: index into options.topics */
    int32_t partition;
    int64_t offset;
    const struct source_partition *partitions;
    uint32_t partition_count;
    uint64_t commit_id;
    bool lost; /* revoked: the group goes on without us already */
};

/* NULL: the options are refused, and `why` says it. Never waits for a broker. */
struct source *source_open(const struct source_options *options, char why[KAFKA_WHY_SIZE]);

/* Readable when something is waiting in the lane; owned by the source. */
int source_fd(const struct source *source, enum source_lane lane);

/* What `out` points to stays until the next source_take or source_close. */
void source_take(struct source *source, enum source_lane lane, struct source_event *out);

/* Answers SOURCE_ASSIGNED: fetching begins, each partition at `offset` (-1: the oldest
 * record). The partitions are those of the event. */
void source_assign(struct source *source, const struct source_partition *partitions,
                   uint32_t count);
/* Answers SOURCE_REVOKED. */
void source_unassign(struct source *source);

/* Commits offset and metadata of each partition, asynchronously; SOURCE_COMMITTED with
 * `commit_id` follows. The caller guards that offsets never fall. */
MUST_USE enum err source_commit(struct source *source, const struct source_partition *partitions,
                                uint32_t count, uint64_t commit_id);

/* Pausing throws away what was prefetched; not to be toggled often. */
void source_pause(struct source *source, const struct source_partition *partitions, uint32_t count);
void source_resume(struct source *source, const struct source_partition *partitions,
                   uint32_t count);
/* Reads the partition again from `offset` on; it must be paused. */
void source_seek(struct source *source, uint32_t topic, int32_t partition, int64_t offset);

/* End offset as last seen in a fetch; -1: not known yet. Never asks a broker. */
int64_t source_end_offset(struct source *source, uint32_t topic, int32_t partition);

void source_health(const struct source *source, struct kafka_health *out);

/* Leaves the group and closes. Call source_take until it is true or patience ends
 * (SOURCE_REVOKED is to be answered meanwhile); then source_close, which gives up at
 * once where leaving did not end (the session's time-out ends it for us). */
void source_leave(struct source *source);
bool source_left(const struct source *source);
void source_close(struct source *source);
