#include "io/topics.h"

#include "base/clock.h"
#include "io/kafka_handle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct topics {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue; /* of admin results */
    const struct rd_kafka_metadata *found;
};

struct topics *topics_open(const struct kafka_options *options, char why[KAFKA_WHY_SIZE])
{
    rd_kafka_conf_t *conf = kafka_conf_new(options, NULL, 0, why);
    if (!conf)
        return NULL;
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_STATS |
                                       RD_KAFKA_EVENT_LOG); /* nobody reads them */
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, KAFKA_WHY_SIZE);
    if (!rk) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    struct topics *topics = calloc(1, sizeof *topics);
    CHECK(topics);
    topics->rk = rk;
    topics->queue = rd_kafka_queue_new(rk);
    return topics;
}

void topics_close(struct topics *topics)
{
    if (topics->found)
        rd_kafka_metadata_destroy(topics->found);
    rd_kafka_queue_destroy(topics->queue);
    rd_kafka_destroy(topics->rk);
    free(topics);
}

static enum err err_of(rd_kafka_resp_err_t err, const char *text, char why[KAFKA_WHY_SIZE])
{
    if (!err)
        return ERR_OK;
    snprintf(why, KAFKA_WHY_SIZE, "%s", text ? text : rd_kafka_err2str(err));
    return err == RD_KAFKA_RESP_ERR__TRANSPORT || err == RD_KAFKA_RESP_ERR__TIMED_OUT ||
                   err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
                   err == RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT
               ? ERR_TIMEOUT
               : ERR_REFUSED;
}

enum err topics_read(struct topics *topics, uint32_t timeout_ms, char why[KAFKA_WHY_SIZE])
{
    const struct rd_kafka_metadata *found;
    rd_kafka_resp_err_t err = rd_kafka_metadata(topics->rk, 1, NULL, &found, (int)timeout_ms);
    if (err)
        return err_of(err, NULL, why);
    if (topics->found)
        rd_kafka_metadata_destroy(topics->found);
    topics->found = found;
    return ERR_OK;
}

void topics_each(const struct topics *topics, topics_each_fn *tell, void *context)
{
    for (int i = 0; topics->found && i < topics->found->topic_cnt; i++) {
        const rd_kafka_metadata_topic_t *t = &topics->found->topics[i];
        if (t->partition_cnt == 0)
            continue;
        const struct topic_found found = {.partitions = (uint32_t)t->partition_cnt,
                                          .replicas = (uint32_t)t->partitions[0].replica_cnt};
        tell(t->topic, &found, context);
    }
}

struct finding_topic {
    const char *name;
    struct topic_found found;
};

static void match_name(const char *name, const struct topic_found *found, void *context)
{
    struct finding_topic *f = context;
    if (strcmp(name, f->name) == 0)
        f->found = *found;
}

bool topics_find(const struct topics *topics, const char *name, struct topic_found *out)
{
    struct finding_topic f = {.name = name};
    topics_each(topics, match_name, &f);
    if (f.found.partitions > 0)
        *out = f.found;
    return f.found.partitions > 0;
}

static rd_kafka_AdminOptions_t *options_new(struct topics *topics, rd_kafka_admin_op_t op,
                                            uint32_t timeout_ms)
{
    char text[64];
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(topics->rk, op);
    rd_kafka_AdminOptions_set_request_timeout(options, (int)timeout_ms, text, sizeof text);
    return options;
}

/* The result of the one request that is under way. */
static rd_kafka_event_t *result_of(struct topics *topics, rd_kafka_event_type_t type,
                                   uint32_t timeout_ms)
{
    uint64_t until_ns = clock_mono_ns() + (timeout_ms + 1000) * NS_PER_MS;
    while (clock_mono_ns() < until_ns) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(topics->queue, 200);
        if (event && rd_kafka_event_type(event) == type)
            return event;
        if (event)
            rd_kafka_event_destroy(event);
    }
    return NULL;
}

static enum err created_err(rd_kafka_event_t *event, char why[KAFKA_WHY_SIZE])
{
    size_t count = 0;
    if (!event || rd_kafka_event_error(event))
        return err_of(event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT,
                      event ? rd_kafka_event_error_string(event) : NULL, why);
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    if (count != 1)
        return err_of(RD_KAFKA_RESP_ERR__BAD_MSG, NULL, why);
    rd_kafka_resp_err_t err = rd_kafka_topic_result_error(results[0]);
    return err == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS
               ? ERR_OK
               : err_of(err, rd_kafka_topic_result_error_string(results[0]), why);
}

enum err topics_create(struct topics *topics, const struct topic_wish *wish, uint32_t timeout_ms,
                       char why[KAFKA_WHY_SIZE])
{
    rd_kafka_NewTopic_t *what = rd_kafka_NewTopic_new(wish->name, (int)wish->partitions,
                                                      (int)wish->replicas, why, KAFKA_WHY_SIZE);
    if (!what)
        return ERR_INVALID;
    for (uint32_t i = 0; i < wish->setting_count; i++)
        rd_kafka_NewTopic_set_config(what, wish->settings[i].name, wish->settings[i].value);
    rd_kafka_AdminOptions_t *options =
        options_new(topics, RD_KAFKA_ADMIN_OP_CREATETOPICS, timeout_ms);
    char text[64];
    rd_kafka_AdminOptions_set_operation_timeout(options, (int)timeout_ms, text, sizeof text);
    rd_kafka_CreateTopics(topics->rk, &what, 1, options, topics->queue);
    rd_kafka_event_t *event = result_of(topics, RD_KAFKA_EVENT_CREATETOPICS_RESULT, timeout_ms);
    enum err err = created_err(event, why);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(what);
    return err;
}

static enum err deleted_err(rd_kafka_event_t *event, char why[KAFKA_WHY_SIZE])
{
    size_t count = 0;
    if (!event || rd_kafka_event_error(event))
        return err_of(event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT,
                      event ? rd_kafka_event_error_string(event) : NULL, why);
    const rd_kafka_topic_result_t **results =
        rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &count);
    if (count != 1)
        return err_of(RD_KAFKA_RESP_ERR__BAD_MSG, NULL, why);
    return err_of(rd_kafka_topic_result_error(results[0]),
                  rd_kafka_topic_result_error_string(results[0]), why);
}

enum err topics_delete(struct topics *topics, const char *name, uint32_t timeout_ms,
                       char why[KAFKA_WHY_SIZE])
{
    rd_kafka_DeleteTopic_t *what = rd_kafka_DeleteTopic_new(name);
    rd_kafka_AdminOptions_t *options =
        options_new(topics, RD_KAFKA_ADMIN_OP_DELETETOPICS, timeout_ms);
    char text[64];
    rd_kafka_AdminOptions_set_operation_timeout(options, (int)timeout_ms, text, sizeof text);
    rd_kafka_DeleteTopics(topics->rk, &what, 1, options, topics->queue);
    rd_kafka_event_t *event = result_of(topics, RD_KAFKA_EVENT_DELETETOPICS_RESULT, timeout_ms);
    enum err err = deleted_err(event, why);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_DeleteTopic_destroy(what);
    return err;
}

static enum err tell_settings(rd_kafka_event_t *event, topics_setting_fn *tell, void *context,
                              char why[KAFKA_WHY_SIZE])
{
    size_t count = 0, entry_count = 0;
    if (!event || rd_kafka_event_error(event))
        return err_of(event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT,
                      event ? rd_kafka_event_error_string(event) : NULL, why);
    const rd_kafka_ConfigResource_t **resources = rd_kafka_DescribeConfigs_result_resources(
        rd_kafka_event_DescribeConfigs_result(event), &count);
    if (count != 1)
        return err_of(RD_KAFKA_RESP_ERR__BAD_MSG, NULL, why);
    enum err err = err_of(rd_kafka_ConfigResource_error(resources[0]),
                          rd_kafka_ConfigResource_error_string(resources[0]), why);
    if (err != ERR_OK)
        return err;
    const rd_kafka_ConfigEntry_t **entries =
        rd_kafka_ConfigResource_configs(resources[0], &entry_count);
    for (size_t i = 0; i < entry_count; i++)
        if (rd_kafka_ConfigEntry_value(entries[i]))
            tell(rd_kafka_ConfigEntry_name(entries[i]), rd_kafka_ConfigEntry_value(entries[i]),
                 context);
    return ERR_OK;
}

static enum err settings_of(struct topics *topics, rd_kafka_ResourceType_t type, const char *name,
                            topics_setting_fn *tell, void *context, uint32_t timeout_ms,
                            char why[KAFKA_WHY_SIZE])
{
    rd_kafka_ConfigResource_t *what = rd_kafka_ConfigResource_new(type, name);
    rd_kafka_AdminOptions_t *options =
        options_new(topics, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, timeout_ms);
    rd_kafka_DescribeConfigs(topics->rk, &what, 1, options, topics->queue);
    rd_kafka_event_t *event = result_of(topics, RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT, timeout_ms);
    enum err err = tell_settings(event, tell, context, why);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ConfigResource_destroy(what);
    return err;
}

enum err topics_settings(struct topics *topics, const char *name, topics_setting_fn *tell,
                         void *context, uint32_t timeout_ms, char why[KAFKA_WHY_SIZE])
{
    return settings_of(topics, RD_KAFKA_RESOURCE_TOPIC, name, tell, context, timeout_ms, why);
}

enum err topics_broker_settings(struct topics *topics, topics_setting_fn *tell, void *context,
                                uint32_t timeout_ms, char why[KAFKA_WHY_SIZE])
{
    char id[16];
    if (!topics->found || topics->found->broker_cnt == 0)
        return err_of(RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, NULL, why);
    snprintf(id, sizeof id, "%d", topics->found->brokers[0].id);
    return settings_of(topics, RD_KAFKA_RESOURCE_BROKER, id, tell, context, timeout_ms, why);
}

/* By a consumer, which is never subscribed: of handles without a group librdkafka 2.0.2
 * crashes on some answers of a coordinator that is not ready. */
static rd_kafka_t *member_of(const struct kafka_options *options, const char *group,
                             char why[KAFKA_WHY_SIZE])
{
    const struct kafka_property fixed[] = {{"group.id", group}, {"enable.auto.commit", "false"}};
    rd_kafka_conf_t *conf = kafka_conf_new(options, fixed, countof(fixed), why);
    rd_kafka_t *rk = conf ? rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, KAFKA_WHY_SIZE) : NULL;
    if (conf && !rk)
        rd_kafka_conf_destroy(conf);
    return rk;
}

enum err topics_committed(const struct kafka_options *options, const char *group,
                          const struct topic_partition *partitions, uint32_t count, bool *any,
                          uint32_t timeout_ms, char why[KAFKA_WHY_SIZE])
{
    rd_kafka_t *rk = member_of(options, group, why);
    if (!rk)
        return ERR_INVALID;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (uint32_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, partitions[i].topic, partitions[i].partition);
    rd_kafka_resp_err_t err = rd_kafka_committed(rk, list, (int)timeout_ms);
    *any = false;
    for (uint32_t i = 0; i < count; i++) {
        *any |= list->elems[i].offset >= 0;
        err = err ? err : list->elems[i].err;
    }
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
    return err_of(err, NULL, why);
}

static rd_kafka_topic_partition_list_t *list_of(const char *topic, uint32_t partitions,
                                                int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)partitions);
    rd_kafka_topic_partition_list_add_range(list, topic, 0, (int)partitions - 1);
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = offset;
    return list;
}

/* In this order: what is written meanwhile makes the topic young. */
enum { COMMITTED, FIRST, END, YOUNG, QUESTIONS };

static rd_kafka_resp_err_t ask_progress(rd_kafka_t *rk, uint32_t timeout_ms,
                                        rd_kafka_topic_partition_list_t *lists[QUESTIONS])
{
    rd_kafka_resp_err_t err = rd_kafka_committed(rk, lists[COMMITTED], (int)timeout_ms);
    for (int i = FIRST; i < QUESTIONS && !err; i++)
        err = rd_kafka_offsets_for_times(rk, lists[i], (int)timeout_ms);
    for (int i = 0; i < QUESTIONS; i++)
        for (int p = 0; p < lists[i]->cnt && !err; p++)
            err = lists[i]->elems[p].err;
    return err;
}

enum err topics_progress(const struct kafka_options *options, const char *group, const char *topic,
                         uint32_t partitions, int64_t since_ms, struct topic_progress *out,
                         uint32_t timeout_ms, char why[KAFKA_WHY_SIZE])
{
    rd_kafka_t *rk = member_of(options, group, why);
    if (!rk)
        return ERR_INVALID;
    rd_kafka_topic_partition_list_t *lists[QUESTIONS] = {
        [COMMITTED] = list_of(topic, partitions, RD_KAFKA_OFFSET_INVALID),
        [FIRST] = list_of(topic, partitions, RD_KAFKA_OFFSET_BEGINNING),
        [END] = list_of(topic, partitions, RD_KAFKA_OFFSET_END),
        [YOUNG] = list_of(topic, partitions, since_ms),
    };
    rd_kafka_resp_err_t err = ask_progress(rk, timeout_ms, lists);
    *out = (struct topic_progress){0};
    for (uint32_t i = 0; i < partitions; i++) {
        int64_t first = lists[FIRST]->elems[i].offset, end = lists[END]->elems[i].offset;
        out->behind += end < 0 || (end > first && lists[COMMITTED]->elems[i].offset < end);
        out->young += lists[YOUNG]->elems[i].offset >= 0;
    }
    for (int i = 0; i < QUESTIONS; i++)
        rd_kafka_topic_partition_list_destroy(lists[i]);
    rd_kafka_destroy(rk);
    return err_of(err, NULL, why);
}
