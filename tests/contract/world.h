/* Where a contract test runs: a real Kafka (KAFKA_BOOTSTRAP), or librdkafka's mock. */
#pragma once

#include "base/clock.h"
#include "io/kafka_mock.h"
#include "io/sink.h"
#include "io/source.h"
#include "io/topics.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_S = 30 };

struct world {
    struct kafka_mock *mock; /* NULL: the real one */
    struct kafka_options kafka;
    uint32_t session_ms; /* the mock delays the first join by 3 s */
    uint32_t named;
};

static inline int world_real(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    *w = (struct world){.kafka.bootstrap = getenv("KAFKA_BOOTSTRAP"), .session_ms = 2000};
    *state = w;
    return w->kafka.bootstrap ? 0 : -1;
}

static inline int world_mock(void **state)
{
    char why[KAFKA_WHY_SIZE];
    struct world *w = calloc(1, sizeof *w);
    w->mock = kafka_mock_open(1, why);
    *state = w;
    if (!w->mock)
        return -1;
    w->kafka.bootstrap = kafka_mock_bootstrap(w->mock);
    w->session_ms = 6000;
    return 0;
}

static inline int world_end(void **state)
{
    struct world *w = *state;
    if (w->mock)
        kafka_mock_close(w->mock);
    free(w);
    return 0;
}

static inline uint64_t patience(void)
{
    return clock_mono_ns() + PATIENCE_S * NS_PER_S;
}

/* A name that no other test has. */
static inline const char *fresh_name(struct world *w, const char *stem)
{
    static char names[64][64];
    static uint32_t used;
    char *name = names[used++ % 64];
    snprintf(name, 64, "%s.%d.%u.%llu", stem, getpid(), ++w->named,
             (unsigned long long)(clock_mono_ns() % 1000000000));
    return name;
}

/* Brokers tell a new topic a little later. */
static inline void await_topic(struct topics *topics, const char *name)
{
    struct topic_found found;
    char why[KAFKA_WHY_SIZE];
    for (uint64_t until = patience(); !topics_find(topics, name, &found); poll(NULL, 0, 10)) {
        assert_true(clock_mono_ns() < until);
        assert_int_equal(topics_read(topics, 5000, why), ERR_OK);
    }
}

static inline const char *fresh_topic_with(struct world *w, uint32_t partitions,
                                           const struct kafka_property *settings, uint32_t count)
{
    char why[KAFKA_WHY_SIZE];
    const char *name = fresh_name(w, "topic");
    if (w->mock) {
        assert_int_equal(kafka_mock_topic(w->mock, name, partitions), ERR_OK);
        return name;
    }
    struct topics *topics = topics_open(&w->kafka, why);
    assert_non_null(topics);
    const struct topic_wish wish = {.name = name,
                                    .partitions = partitions,
                                    .replicas = 1,
                                    .settings = settings,
                                    .setting_count = count};
    assert_int_equal(topics_create(topics, &wish, 10000, why), ERR_OK);
    await_topic(topics, name);
    topics_close(topics);
    return name;
}

static inline const char *fresh_topic(struct world *w, uint32_t partitions)
{
    return fresh_topic_with(w, partitions, NULL, 0);
}

/* Sinks. */

struct reports {
    uint32_t good, bad;
    enum err last_err;
};

static inline void on_report(const struct sink_report *report, void *context)
{
    struct reports *r = context;
    if (report->err == ERR_OK) {
        r->good++;
    } else {
        r->bad++;
        r->last_err = report->err;
    }
}

static inline struct sink *sink_with(struct world *w, const char *topic, uint32_t timeout_ms)
{
    char why[KAFKA_WHY_SIZE];
    const struct sink_options options = {.kafka = w->kafka,
                                         .topics = &topic,
                                         .topic_count = 1,
                                         .linger_ms = 1,
                                         .delivery_timeout_ms = timeout_ms};
    struct sink *sink = sink_open(&options, why);
    assert_non_null(sink);
    return sink;
}

static inline void wait_fd(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    uint64_t n;
    if (poll(&p, 1, ms) > 0 && read(fd, &n, sizeof n) < 0)
        return;
}

static inline struct reports drain(struct sink *sink)
{
    struct reports r = {0};
    uint64_t until = patience();
    while (sink_pending(sink) > 0 && clock_mono_ns() < until)
        if (sink_take(sink, on_report, &r) == 0)
            wait_fd(sink_fd(sink), 20);
    assert_int_equal(sink_pending(sink), 0);
    return r;
}

/* `count` records "from" ... of one partition, acknowledged. */
static inline void put_numbers(struct world *w, const char *topic, int32_t partition, uint32_t from,
                               uint32_t count)
{
    struct sink *sink = sink_with(w, topic, 0);
    for (uint32_t i = from; i < from + count; i++) {
        char text[16];
        struct bytes value = {text, (size_t)snprintf(text, sizeof text, "%u", i)};
        assert_int_equal(sink_put(sink, 0, partition, value, value, NULL, 0, NULL), ERR_OK);
    }
    assert_int_equal(drain(sink).good, count);
    sink_close(sink);
}

/* Sources. */

static inline struct source *source_of(struct world *w, const char *group,
                                       const struct source_topic *topics, uint32_t topic_count)
{
    char why[KAFKA_WHY_SIZE];
    const struct source_options options = {.kafka = w->kafka,
                                           .group = group,
                                           .topics = topics,
                                           .topic_count = topic_count,
                                           .session_timeout_ms = w->session_ms,
                                           .heartbeat_ms = 300};
    struct source *source = source_open(&options, why);
    assert_non_null(source);
    return source;
}

static inline void leave(struct source *source)
{
    uint64_t until = patience();
    source_leave(source);
    while (!source_left(source) && clock_mono_ns() < until) {
        struct source_event e;
        source_take(source, SOURCE_MAIN, &e);
        if (e.kind == SOURCE_REVOKED)
            source_unassign(source);
        else if (e.kind == SOURCE_NONE)
            wait_fd(source_fd(source, SOURCE_MAIN), 20);
    }
    assert_true(source_left(source));
    source_close(source);
}
