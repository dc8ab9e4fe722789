#include "reach.h"

#include "clients.h"
#include "io/slow.h"
#include "io/topics.h"
#include "ring_topics.h"

#include <stdlib.h>
#include <string.h>

enum { REACH_MS = 3000 };

/* Topics that `setup` is still to create are no fault of the config. */
static void check_ring(const struct config *config, struct topics *topics,
                       struct findings *findings)
{
    struct ring_topics ring;
    char kafka_why[KAFKA_WHY_SIZE] = "", why[RING_WHY_SIZE] = "";
    ring_topics_read(topics, config, &ring);
    bool measured = ring_topics_measure(topics, config, &ring, REACH_MS, kafka_why) == ERR_OK;
    if (measured && ring.count > 0 && !ring_topics_good(&ring, config, why))
        config_find(config, findings, FINDING_WARNING, "deferral.slots", "%s", why);
    if (!ring_marks_last(topics, config, REACH_MS, why))
        config_find(config, findings, FINDING_WARNING, "kafka.bootstrap_servers", "%s", why);
}

static void reach_kafka(const struct config *config, struct findings *findings)
{
    struct kafka_settings kafka;
    char why[KAFKA_WHY_SIZE] = "";
    kafka_options_of(config, NULL, &kafka);
    struct topics *topics = topics_open(&kafka.options, why);
    if (!topics || topics_read(topics, REACH_MS, why) != ERR_OK)
        config_find(config, findings, FINDING_ERROR, "kafka.bootstrap_servers",
                    "no answer from %s: %s", config->is.kafka.bootstrap_servers, why);
    else
        check_ring(config, topics, findings);
    if (topics)
        topics_close(topics);
}

static void reach_redis(const struct config *config, struct findings *findings)
{
    const struct bytes ping[] = {BYTES("PING")};
    struct redis_settings redis;
    char why[256] = "";
    struct redis_sync *sync = NULL;
    if (redis_options_of(config, false, &redis, why))
        sync = redis_sync_open(&redis.options, why);
    const struct redis_reply *reply = sync ? redis_sync_command(sync, ping, 1) : NULL;
    if (sync && !reply)
        snprintf(why, sizeof why, "%s", redis_sync_why(sync));
    else if (reply && reply->type == REDIS_ERROR)
        snprintf(why, sizeof why, "%.*s", (int)reply->text.size, reply->text.at);
    if (!reply || reply->type == REDIS_ERROR)
        config_find(config, findings, FINDING_ERROR, "redis.address", "no answer from %s: %s",
                    config->is.redis.address, why);
    if (sync)
        redis_sync_close(sync);
    redis_settings_close(&redis);
}

static void reach_provider(const struct config *config, uint32_t index,
                           const struct adapter *adapter, struct findings *findings)
{
    const struct config_provider *p = &config->is.providers[index];
    char url[320], path[64], why[SLOW_WHY_SIZE];
    bool ipv6 = strchr(adapter->host, ':') != NULL;
    snprintf(url, sizeof url, "%s://%s%s%s:%u/", adapter->tls ? "https" : "http", ipv6 ? "[" : "",
             adapter->host, ipv6 ? "]" : "", adapter->port);
    snprintf(path, sizeof path, "providers[%u]", index);
    char *ca = p->ca_file[0] ? config_path_of(config, p->ca_file) : NULL;
    enum err err = slow_connect(url, ca, REACH_MS, why);
    if (err != ERR_OK)
        config_find(config, findings, FINDING_ERROR, path, "%s: %s: %s: %s", p->name, url,
                    err_text(err), why);
    free(ca);
}

void reach(const struct config *config, const struct adapters *adapters, struct findings *findings)
{
    reach_kafka(config, findings);
    reach_redis(config, findings);
    for (uint32_t i = 0; i < adapters->count; i++)
        reach_provider(config, i, adapters->of_provider[i], findings);
}
