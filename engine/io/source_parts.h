/* Between the files of source: queues, records and commits (source.c), assignments
 * (source_assign.c). */
#pragma once

#include "io/kafka_handle.h"
#include "io/source.h"

struct source {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queues[SOURCE_LANES];
    rd_kafka_queue_t *closing; /* what comes while the group is left; NULL before */
    int fds[SOURCE_LANES];
    char *group;
    char **topics;
    bool *urgent;
    uint32_t topic_count;
    bool owns_only;

    rd_kafka_event_t *held; /* what the last event out points into */
    struct record_header *headers;
    uint32_t header_max;
    struct source_partition *partitions;
    uint32_t partition_max;

    rd_kafka_topic_partition_list_t *assigning; /* not yet taken up; NULL: none */
    uint64_t read_id;                           /* of the read that counts */
    uint64_t read_again_ns;                     /* 0: a read is under way */
    uint32_t reads_out;                         /* reads that were not answered, of any id */
    struct kafka_health health;
};

/* The array, large enough for `count`. */
void *source_grown(void *array, uint32_t *max, uint32_t count, size_t size);
uint32_t source_topic_index(const struct source *source, const char *name); /* UINT32_MAX: none */
void source_note_life(struct source *source);
rd_kafka_topic_partition_list_t *source_list_of(const struct source *source,
                                                const struct source_partition *partitions,
                                                uint32_t count);
/* Gives the list to the caller as partitions. */
void source_fill_partitions(struct source *source, const rd_kafka_topic_partition_list_t *list,
                            struct source_event *out);

void source_on_rebalance(struct source *source, rd_kafka_event_t *event, struct source_event *out);
/* Asks for the committed offsets of what is being assigned. */
void source_read_committed(struct source *source);
void source_on_committed_read(struct source *source, rd_kafka_event_t *event,
                              struct source_event *out);
void source_drop_assigning(struct source *source);
