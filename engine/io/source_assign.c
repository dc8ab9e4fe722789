/* How an assignment is taken up.
 *
 * The committed offsets are read by ListConsumerGroupOffsets before rd_kafka_assign is
 * called. rd_kafka_committed would block the shard, or need a thread for each read;
 * assigning first, paused, reads them twice and needs a seek that races with librdkafka's
 * own read. While an assignment is not taken up the member goes on with its heartbeats,
 * and nothing is fetched. The admin call answers on our queue and finds the coordinator
 * by itself; a read that fails is repeated. (On a handle without a group 2.0.2 crashes on
 * a coordinator's errors there; this one has a group.)
 *
 * A partition's queue is forwarded to the urgent lane before rd_kafka_assign: then not
 * one record of it comes through the main lane, where it would be overtaken. */
#include "io/source_parts.h"

#include "base/clock.h"

#include <stdlib.h>

enum { READ_TIMEOUT_MS = 5000, READ_RETRY_MS = 100 };

void *source_grown(void *array, uint32_t *max, uint32_t count, size_t size)
{
    if (count <= *max)
        return array;
    *max = count + count / 2;
    array = realloc(array, *max * size);
    CHECK(array);
    return array;
}

uint32_t source_topic_index(const struct source *source, const char *name)
{
    for (uint32_t i = 0; i < source->topic_count; i++)
        if (strcmp(source->topics[i], name) == 0)
            return i;
    return UINT32_MAX; /* not one that was subscribed to */
}

void source_read_committed(struct source *source)
{
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(source->rk, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
    char text[64];
    rd_kafka_AdminOptions_set_request_timeout(options, READ_TIMEOUT_MS, text, sizeof text);
    rd_kafka_AdminOptions_set_opaque(options, (void *)(uintptr_t)++source->read_id);
    rd_kafka_ListConsumerGroupOffsets_t *what =
        rd_kafka_ListConsumerGroupOffsets_new(source->group, source->assigning);
    rd_kafka_ListConsumerGroupOffsets(source->rk, &what, 1, options, source->queues[SOURCE_MAIN]);
    rd_kafka_ListConsumerGroupOffsets_destroy(what);
    rd_kafka_AdminOptions_destroy(options);
    source->read_again_ns = 0;
    source->reads_out++;
}

void source_drop_assigning(struct source *source)
{
    rd_kafka_topic_partition_list_destroy(source->assigning);
    source->assigning = NULL;
    source->read_id++; /* an answer that is under way counts no more */
    source->read_again_ns = 0;
}

void source_fill_partitions(struct source *source, const rd_kafka_topic_partition_list_t *list,
                            struct source_event *out)
{
    uint32_t count = 0;
    source->partitions = source_grown(source->partitions, &source->partition_max,
                                      (uint32_t)list->cnt, sizeof source->partitions[0]);
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        uint32_t topic = source_topic_index(source, p->topic);
        if (topic == UINT32_MAX)
            continue;
        source->partitions[count++] = (struct source_partition){
            .topic = topic,
            .partition = p->partition,
            .offset = p->offset >= 0 ? p->offset : -1,
            .metadata = {p->metadata, p->metadata ? p->metadata_size : 0},
        };
    }
    out->partitions = source->partitions;
    out->partition_count = count;
}

void source_on_rebalance(struct source *source, rd_kafka_event_t *event, struct source_event *out)
{
    if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        if (source->assigning)
            source_drop_assigning(source);
        source->assigning =
            rd_kafka_topic_partition_list_copy(rd_kafka_event_topic_partition_list(event));
        if (source->assigning->cnt > 0) {
            source_read_committed(source);
            return;
        }
        out->kind = SOURCE_ASSIGNED; /* more members than partitions */
        out->partition_count = 0;
        return;
    }
    if (source->assigning) { /* it never began, as far as the caller knows */
        source_drop_assigning(source);
        source_unassign(source);
        return;
    }
    out->kind = SOURCE_REVOKED;
    out->lost = rd_kafka_assignment_lost(source->rk);
    source_fill_partitions(source, rd_kafka_event_topic_partition_list(event), out);
}

/* The offsets read, or NULL: to be read again. */
static const rd_kafka_topic_partition_list_t *committed_of(rd_kafka_event_t *event)
{
    size_t count = 0;
    if (rd_kafka_event_error(event))
        return NULL;
    const rd_kafka_group_result_t **groups = rd_kafka_ListConsumerGroupOffsets_result_groups(
        rd_kafka_event_ListConsumerGroupOffsets_result(event), &count);
    if (count != 1 || rd_kafka_group_result_error(groups[0]))
        return NULL;
    const rd_kafka_topic_partition_list_t *list = rd_kafka_group_result_partitions(groups[0]);
    for (int i = 0; list && i < list->cnt; i++)
        if (list->elems[i].err)
            return NULL;
    return list;
}

void source_note_life(struct source *source)
{
    if (!source->health.up)
        kafka_health_up(&source->health, true, clock_mono_ns());
}

void source_on_committed_read(struct source *source, rd_kafka_event_t *event,
                              struct source_event *out)
{
    CHECK(source->reads_out > 0);
    source->reads_out--;
    if (!source->assigning || (uintptr_t)rd_kafka_event_opaque(event) != source->read_id)
        return;
    const rd_kafka_topic_partition_list_t *list = committed_of(event);
    if (!list || list->cnt != source->assigning->cnt) {
        source->read_again_ns = clock_mono_ns() + READ_RETRY_MS * NS_PER_MS;
        return;
    }
    source_note_life(source);
    out->kind = SOURCE_ASSIGNED;
    source_fill_partitions(source, list, out);
}

rd_kafka_topic_partition_list_t *source_list_of(const struct source *source,
                                                const struct source_partition *partitions,
                                                uint32_t count)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (uint32_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, source->topics[partitions[i].topic],
                                          partitions[i].partition)
            ->offset = partitions[i].offset;
    return list;
}

/* Asked for, a partition is known to librdkafka, and may be paused before it is assigned. */
static void pause_ahead(struct source *source, rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(source->rk, list->elems[i].topic,
                                                               list->elems[i].partition);
        if (queue)
            rd_kafka_queue_destroy(queue);
    }
    rd_kafka_pause_partitions(source->rk, list);
}

void source_assign(struct source *source, const struct source_partition *partitions, uint32_t count)
{
    rd_kafka_topic_partition_list_t *list = source_list_of(source, partitions, count);
    for (uint32_t i = 0; i < count; i++) {
        if (partitions[i].offset < 0)
            list->elems[i].offset = RD_KAFKA_OFFSET_BEGINNING;
        if (!source->urgent[partitions[i].topic])
            continue;
        rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(source->rk, list->elems[i].topic,
                                                               list->elems[i].partition);
        if (queue) {
            rd_kafka_queue_forward(queue, source->queues[SOURCE_URGENT]);
            rd_kafka_queue_destroy(queue);
        }
    }
    if (source->owns_only)
        pause_ahead(source, list);
    rd_kafka_assign(source->rk, list); /* refuses only what a rebalance event never holds */
    if (source->owns_only)
        rd_kafka_pause_partitions(source->rk, list); /* what was not known before */
    else
        rd_kafka_resume_partitions(source->rk, list); /* a pause outlives a revocation */
    rd_kafka_topic_partition_list_destroy(list);
    if (source->assigning)
        source_drop_assigning(source);
}

void source_unassign(struct source *source)
{
    rd_kafka_assign(source->rk, NULL);
}
