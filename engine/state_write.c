#include "state_write.h"

#include "base/clock.h"
#include "clients.h"
#include "io/sink.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DELIVER_MS = 15000 };

struct post {
    struct bytes key, wire;
    enum err err;
    int64_t offset;
};

struct state_writer {
    const struct config *config;
    enum state_topic topic;
    char *name; /* of the topic */
    struct kafka_settings kafka;
    struct redis_settings settings;
    struct sink *sink;
    struct redis_sync *redis;
    struct post *posts; /* STATE_POSTS_MAX */
    uint32_t post_count, reported;
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
    w->posts = calloc(STATE_POSTS_MAX, sizeof *w->posts);
    CHECK(w->posts);
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
    free(w->posts);
    free(w->name);
    free(w);
}

/* The text of a reply, size 0 where it has none. False: it is an error, which is told. */
static bool take_text(struct state_writer *w, struct bytes *text)
{
    const struct redis_reply *reply = redis_sync_take(w->redis);
    *text = (struct bytes){0};
    if (reply && reply->type == REDIS_TEXT)
        *text = reply->text;
    if (reply && reply->type != REDIS_ERROR)
        return true;
    fprintf(stderr, "redis %s: %.*s\n", w->config->is.redis.address,
            reply ? (int)u64_min(reply->text.size, 200) : 200,
            reply ? reply->text.at : redis_sync_why(w->redis));
    return false;
}

bool state_writer_ask(struct state_writer *w, const struct bytes *command, uint32_t count,
                      struct bytes *text)
{
    redis_sync_append(w->redis, command, count);
    return take_text(w, text);
}

bool state_writer_read(struct state_writer *w, struct bytes key, struct bytes *value)
{
    return state_writer_ask(w, (struct bytes[]){BYTES("GET"), key}, 2, value);
}

bool state_writer_read_all(struct state_writer *w, const struct bytes *keys, uint32_t count,
                           void (*take)(void *context, uint32_t index, struct bytes value),
                           void *context)
{
    for (uint32_t i = 0; i < count; i++)
        redis_sync_append(w->redis, (struct bytes[]){BYTES("GET"), keys[i]}, 2);
    for (uint32_t i = 0; i < count; i++) {
        struct bytes value;
        if (!take_text(w, &value))
            return false; /* of no use any more: replies of others would follow */
        take(context, i, value);
    }
    return true;
}

bool state_write(struct state_writer *w, struct bytes key, struct bytes wire)
{
    state_post(w, key, wire);
    return state_flush(w);
}

void state_post(struct state_writer *w, struct bytes key, struct bytes wire)
{
    CHECK(w->post_count < STATE_POSTS_MAX);
    w->posts[w->post_count++] = (struct post){.key = key, .wire = wire};
}

uint32_t state_posts_room(const struct state_writer *w)
{
    return STATE_POSTS_MAX - w->post_count;
}

static void on_report(const struct sink_report *report, void *context)
{
    struct state_writer *w = context;
    struct post *post = report->opaque;
    post->err = report->err;
    post->offset = report->offset;
    w->reported++;
}

static void await_reports(struct state_writer *w)
{
    if (sink_take(w->sink, on_report, w) == 0)
        poll(&(struct pollfd){.fd = sink_fd(w->sink), .events = POLLIN}, 1, 50);
}

/* All are acknowledged, or one error is told. */
static bool produce(struct state_writer *w)
{
    enum err err = ERR_OK;
    uint32_t put = 0;
    w->reported = 0;
    while (put < w->post_count && err == ERR_OK) {
        struct post *post = &w->posts[put];
        err = sink_put(w->sink, 0, SINK_PARTITION_BY_KEY, post->key, post->wire, NULL, 0, post);
        if (err == ERR_OK)
            put++;
        if (err != ERR_AGAIN)
            continue;
        err = ERR_OK;
        await_reports(w);
    }
    while (w->reported < put)
        await_reports(w);
    for (uint32_t i = 0; i < put && err == ERR_OK; i++)
        err = w->posts[i].err;
    if (err != ERR_OK)
        fprintf(stderr, "kafka %s: %s: %s\n", w->config->is.kafka.bootstrap_servers, w->name,
                err_text(err));
    return err == ERR_OK;
}

bool state_flush(struct state_writer *w)
{
    char why[REDIS_WHY_SIZE] = "";
    int64_t now_ms = clock_wall_ms();
    uint32_t replies = 0, count = w->post_count;
    bool produced = produce(w);
    w->post_count = 0;
    if (!produced)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        const struct post *post = &w->posts[i];
        struct state_record record = {.topic = w->topic,
                                      .key = post->key,
                                      .value = post->wire,
                                      .offset = post->offset,
                                      .timestamp_ms = now_ms};
        replies += state_append(w->redis, &record, post->wire, now_ms);
    }
    if (state_confirm(w->redis, replies, why))
        return true;
    fprintf(stderr,
            "redis %s: %s\nit stands in Kafka, and is in force when a worker has applied it\n",
            w->config->is.redis.address, why);
    return false;
}
