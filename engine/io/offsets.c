/* By a consumer that never subscribes: of handles without a group librdkafka 2.0.2 crashes on
 * some answers of a coordinator that is not ready. First and end offsets are asked for as
 * times, because that is one request a broker and not one a partition. */
#include "io/offsets.h"

#include "io/kafka_handle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rd_kafka_topic_partition_list_t *list_of(const char *topic, uint32_t count, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (uint32_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, topic, (int32_t)i)->offset = offset;
    return list;
}

static rd_kafka_resp_err_t err_of(const rd_kafka_topic_partition_list_t *list,
                                  rd_kafka_resp_err_t err)
{
    for (int i = 0; i < list->cnt && !err; i++)
        err = list->elems[i].err;
    return err;
}

static void take(struct offsets_partition *out, const rd_kafka_topic_partition_t *committed)
{
    out->committed = committed->offset >= 0 ? committed->offset : -1;
    if (out->committed < 0 || committed->metadata_size == 0)
        return;
    out->metadata = malloc(committed->metadata_size);
    CHECK(out->metadata);
    memcpy(out->metadata, committed->metadata, committed->metadata_size);
    out->metadata_size = committed->metadata_size;
}

/* The commits first: what is written meanwhile counts as waiting. */
static rd_kafka_resp_err_t ask(rd_kafka_t *rk, const char *topic, uint32_t count,
                               struct offsets_partition *out, int timeout_ms)
{
    rd_kafka_topic_partition_list_t *committed = list_of(topic, count, RD_KAFKA_OFFSET_INVALID),
                                    *first = list_of(topic, count, RD_KAFKA_OFFSET_BEGINNING),
                                    *end = list_of(topic, count, RD_KAFKA_OFFSET_END);
    rd_kafka_resp_err_t err = err_of(committed, rd_kafka_committed(rk, committed, timeout_ms));
    if (!err)
        err = err_of(first, rd_kafka_offsets_for_times(rk, first, timeout_ms));
    if (!err)
        err = err_of(end, rd_kafka_offsets_for_times(rk, end, timeout_ms));
    for (uint32_t i = 0; i < count && !err; i++) {
        out[i].first = i64_max(first->elems[i].offset, 0);
        out[i].end = i64_max(end->elems[i].offset, out[i].first);
        take(&out[i], &committed->elems[i]);
    }
    rd_kafka_topic_partition_list_destroy(committed);
    rd_kafka_topic_partition_list_destroy(first);
    rd_kafka_topic_partition_list_destroy(end);
    return err;
}

enum err offsets_read(const struct kafka_options *options, const char *group, const char *topic,
                      uint32_t count, struct offsets_partition *out, uint32_t timeout_ms,
                      char why[KAFKA_WHY_SIZE])
{
    const struct kafka_property fixed[] = {{"group.id", group}, {"enable.auto.commit", "false"}};
    memset(out, 0, count * sizeof *out);
    rd_kafka_conf_t *conf = kafka_conf_new(options, fixed, countof(fixed), why);
    rd_kafka_t *rk = conf ? rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, KAFKA_WHY_SIZE) : NULL;
    if (conf && !rk)
        rd_kafka_conf_destroy(conf);
    if (!rk)
        return ERR_INVALID;
    rd_kafka_resp_err_t err = ask(rk, topic, count, out, (int)timeout_ms);
    if (err)
        snprintf(why, KAFKA_WHY_SIZE, "%s", rd_kafka_err2str(err));
    rd_kafka_destroy(rk);
    return err ? ERR_TIMEOUT : ERR_OK;
}

void offsets_free(struct offsets_partition *partitions, uint32_t count)
{
    for (uint32_t i = 0; partitions && i < count; i++)
        free(partitions[i].metadata);
    free(partitions);
}
