#include "state_write.h"

#include "base/clock.h"
#include "clients.h"
#include "io/sink.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DELIVER_MS = 15000 };

struct state_writer {
    const struct config *config;
    enum state_topic topic;
    char *name; /* of the topic */
    struct kafka_settings kafka;
    struct redis_settings settings;
    struct sink *sink;
    struct redis_sync *redis;
};

struct answer {
    bool come;
    struct sink_report report;
};

static bool open_redis(struct state_writer *w)
{
    char refused[256] = "", why[REDIS_WHY_SIZE] = "";
    if (redis_options_of(w->config, false, &w->settings, refused))
        w->redis = redis_sync_open(&w->settings.options, why);
    if (!w->redis)
        fprintf(stderr, "redis %s: %s\n", w->config->is.redis.address, refused[0] ? refused : why);
    return w->redis != NULL;
}

static bool open_sink(struct state_writer *w)
{
    char why[KAFKA_WHY_SIZE] = "";
    kafka_options_of(w->config, "carillon-command", &w->kafka);
    w->name = topic_name_of(w->config, state_topic_names[w->topic]);
    const struct sink_options options = {.kafka = w->kafka.options,
                                         .topics = (const char *const *)&w->name,
                                         .topic_count = 1,
                                         .linger_ms = 1,
                                         .delivery_timeout_ms = DELIVER_MS,
                                         .message_max_bytes = STATE_WIRE_MAX};
    w->sink = sink_open(&options, why);
    if (!w->sink)
        fprintf(stderr, "kafka: %s\n", why);
    return w->sink != NULL;
}

struct state_writer *state_writer_open(const struct config *config, enum state_topic topic)
{
    struct state_writer *w = calloc(1, sizeof *w);
    CHECK(w);
    w->config = config;
    w->topic = topic;
    if (open_redis(w) && open_sink(w))
        return w;
    state_writer_close(w);
    return NULL;
}

void state_writer_close(struct state_writer *w)
{
    if (w->sink)
        sink_close(w->sink);
    if (w->redis)
        redis_sync_close(w->redis);
    redis_settings_close(&w->settings);
    free(w->name);
    free(w);
}

bool state_writer_read(struct state_writer *w, struct bytes key, struct bytes *value)
{
    const struct bytes get[] = {BYTES("GET"), key};
    const struct redis_reply *reply = redis_sync_command(w->redis, get, countof(get));
    *value = (struct bytes){0};
    if (reply && reply->type == REDIS_TEXT)
        *value = reply->text;
    if (reply && reply->type != REDIS_ERROR)
        return true;
    fprintf(stderr, "redis %s: %.*s\n", w->config->is.redis.address,
            reply ? (int)u64_min(reply->text.size, 200) : 200,
            reply ? reply->text.at : redis_sync_why(w->redis));
    return false;
}

static void on_report(const struct sink_report *report, void *context)
{
    struct answer *answer = context;
    *answer = (struct answer){true, *report};
}

static void wait_for(int fd)
{
    uint64_t written;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, 50) > 0 && read(fd, &written, sizeof written) < 0)
        return; /* somebody was faster */
}

static bool produce(struct state_writer *w, struct bytes key, struct bytes wire, int64_t *offset)
{
    struct answer answer = {0};
    enum err err = sink_put(w->sink, 0, SINK_PARTITION_BY_KEY, key, wire, NULL, 0, NULL);
    while (err == ERR_OK && !answer.come)
        if (sink_take(w->sink, on_report, &answer) == 0)
            wait_for(sink_fd(w->sink));
    if (err == ERR_OK)
        err = answer.report.err;
    *offset = answer.report.offset;
    if (err != ERR_OK)
        fprintf(stderr, "kafka %s: %s: %s\n", w->config->is.kafka.bootstrap_servers, w->name,
                err_text(err));
    return err == ERR_OK;
}

bool state_write(struct state_writer *w, struct bytes key, struct bytes wire)
{
    char why[REDIS_WHY_SIZE] = "";
    struct state_record record = {
        .topic = w->topic, .key = key, .value = wire, .timestamp_ms = clock_wall_ms()};
    if (!produce(w, key, wire, &record.offset))
        return false;
    uint32_t replies = state_append(w->redis, &record, wire, record.timestamp_ms);
    if (state_confirm(w->redis, replies, why))
        return true;
    fprintf(stderr,
            "redis %s: %s\nit stands in Kafka, and is in force when a worker has applied it\n",
            w->config->is.redis.address, why);
    return false;
}
