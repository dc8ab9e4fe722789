/* One table says what may not be configured, so that `check` can give the reason and no
 * client can be opened with it. */
#include "io/kafka.h"

#include "base/log.h"
#include "io/kafka_handle.h"

#include <stdio.h>
#include <string.h>

static const char own_key[] = "it has a key of its own in the config";
static const char loses[] = "offsets are committed only after their outcomes are acknowledged";
static const char order[] = "an outcome counts only when every in-sync replica has it, once";

const struct kafka_forbidden kafka_forbidden[] = {
    {"bootstrap.servers", own_key},
    {"metadata.broker.list", own_key},
    {"group.id", own_key},
    {"client.id", "it is the worker's name"},
    {"session.timeout.ms", own_key},
    {"heartbeat.interval.ms", own_key},
    {"fetch.wait.max.ms", own_key},
    {"fetch.min.bytes", "kafka.gather_ms does it"},
    {"linger.ms", own_key},
    {"queue.buffering.max.ms", own_key},
    {"delivery.timeout.ms", own_key},
    {"message.timeout.ms", own_key},
    {"message.max.bytes", own_key},
    {"enable.auto.commit", loses},
    {"auto.commit.enable", loses},
    {"auto.commit.interval.ms", loses},
    {"enable.auto.offset.store", loses},
    {"auto.offset.reset", "`latest` would lose what was written while no worker ran"},
    {"isolation.level", "aborted records must never be sent"},
    {"partition.assignment.strategy",
     "cooperative rebalances lose assignments in librdkafka 2.0.2, and range gives one worker a "
     "whole slot"},
    {"group.protocol", "a group cannot slide from one protocol to the other"},
    {"group.instance.id", "every shard needs one of its own"},
    {"max.poll.interval.ms", "the worker polls each turn; a watchdog of its own sees a dead one"},
    {"topic.metadata.refresh.interval.ms", "new topics and partitions must be seen soon"},
    {"enable.partition.eof", "it is of no use here"},
    {"allow.auto.create.topics", "`carillon setup` creates topics, with the right settings"},
    {"check.crcs", "a damaged record must not become a message"},
    {"enable.idempotence", order},
    {"acks", order},
    {"request.required.acks", order},
    {"retries", order},
    {"message.send.max.retries", order},
    {"max.in.flight", order},
    {"max.in.flight.requests.per.connection", order},
    {"enable.gapless.guarantee", order},
    {"transactional.id", "transactions are not rested on: librdkafka lacks KIP-890"},
    {"partitioner", "every writer of a key must choose the same partition: murmur2_random"},
    {"statistics.interval.ms", "readiness is read from the statistics"},
    {"log.queue", "the worker writes the log"},
    {"log_level", "the worker writes the log"},
    {"enabled_events", "the worker's loop depends on them"},
    {"test.mock.num.brokers", "it would replace the brokers by a toy that forgets"},
    {"plugin.library.paths", "foreign code does not belong into this process"},
};
const uint32_t kafka_forbidden_count = countof(kafka_forbidden);

const char *kafka_forbidden_reason(const char *name)
{
    for (uint32_t i = 0; i < kafka_forbidden_count; i++)
        if (strcmp(kafka_forbidden[i].name, name) == 0)
            return kafka_forbidden[i].reason;
    return NULL;
}

static const struct kafka_property for_all[] = {
    {"socket.nagle.disable", "true"},     {"socket.keepalive.enable", "true"},
    {"statistics.interval.ms", "5000"},   {"log.queue", "true"},
    {"reconnect.backoff.max.ms", "2000"},
};

static bool set_all(rd_kafka_conf_t *conf, const struct kafka_property *properties, uint32_t count,
                    char why[KAFKA_WHY_SIZE])
{
    for (uint32_t i = 0; i < count; i++)
        if (properties[i].value && rd_kafka_conf_set(conf, properties[i].name, properties[i].value,
                                                     why, KAFKA_WHY_SIZE) != RD_KAFKA_CONF_OK)
            return false;
    return true;
}

rd_kafka_conf_t *kafka_conf_new(const struct kafka_options *options,
                                const struct kafka_property *fixed, uint32_t fixed_count,
                                char why[KAFKA_WHY_SIZE])
{
    const struct kafka_property where[] = {
        {"bootstrap.servers", options->bootstrap},
        {"client.id", options->client_id ? options->client_id : "carillon"},
    };
    if (rd_kafka_version() >= 0x020a0000 && rd_kafka_version() < 0x020a0100) {
        snprintf(why, KAFKA_WHY_SIZE, "librdkafka 2.10.0 loops while it connects: use another");
        return NULL;
    }
    for (uint32_t i = 0; i < options->property_count; i++) {
        const char *reason = kafka_forbidden_reason(options->properties[i].name);
        if (reason) {
            snprintf(why, KAFKA_WHY_SIZE, "%s: %s", options->properties[i].name, reason);
            return NULL;
        }
    }
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (set_all(conf, for_all, countof(for_all), why) &&
        set_all(conf, where, countof(where), why) &&
        set_all(conf, options->properties, options->property_count, why) &&
        set_all(conf, fixed, fixed_count, why))
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}

bool kafka_options_check(const struct kafka_options *options, char why[KAFKA_WHY_SIZE])
{
    rd_kafka_conf_t *conf = kafka_conf_new(options, NULL, 0, why);
    if (!conf)
        return false;
    rd_kafka_conf_destroy(conf);
    return true;
}

void kafka_health_up(struct kafka_health *health, bool up, uint64_t now_ns)
{
    if (health->up == up && health->since_ns != 0)
        return;
    health->up = up;
    health->since_ns = now_ns;
}

static void note_error(struct kafka_health *health, rd_kafka_t *rk, rd_kafka_event_t *event,
                       uint64_t now_ns)
{
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);
    const char *text = rd_kafka_event_error_string(event);
    char fatal[128];
    if (err == RD_KAFKA_RESP_ERR__FATAL) {
        rd_kafka_fatal_error(rk, fatal, sizeof fatal);
        text = fatal;
        health->fatal = true;
    }
    snprintf(health->error, sizeof health->error, "%s: %.128s", rd_kafka_err2name(err),
             text ? text : "");
    if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        kafka_health_up(health, false, now_ns);
    log_limited(LOG_WARN, "kafka_error", "client=%s code=%s text=\"%s\"", rd_kafka_name(rk),
                rd_kafka_err2name(err), text ? text : "");
}

static void note_log(rd_kafka_t *rk, rd_kafka_event_t *event)
{
    const char *facility = "", *text = "";
    int level = 7;
    if (rd_kafka_event_log(event, &facility, &text, &level) == 0 && level <= 5)
        log_limited(level <= 3 ? LOG_WARN : LOG_INFO, "kafka_log",
                    "client=%s facility=%s text=\"%s\"", rd_kafka_name(rk), facility, text);
}

bool kafka_health_event(struct kafka_health *health, rd_kafka_t *rk, rd_kafka_event_t *event,
                        uint64_t now_ns)
{
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_ERROR:
        note_error(health, rk, event, now_ns);
        return true;
    case RD_KAFKA_EVENT_LOG:
        note_log(rk, event);
        return true;
    case RD_KAFKA_EVENT_STATS: /* brokers' states are in upper case, the group's is not */
        if (strstr(rd_kafka_event_stats(event), "\"state\":\"UP\"")) {
            kafka_health_up(health, true, now_ns);
        } else {
            kafka_health_up(health, false, now_ns);
            if (health->error[0] == '\0')
                snprintf(health->error, sizeof health->error, "no broker answers");
        }
        return true;
    default:
        return false;
    }
}

const char *kafka_library(void)
{
    return rd_kafka_version_str();
}
