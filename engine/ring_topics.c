#include "ring_topics.h"

#include "io/topics.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_MS INT64_C(60000)
#define MARKS_SPARE_MS TIME_DAY_MS /* commits are kept beyond a ring's length */

static const char stem[] = "carillon.deferred.";

struct ring ring_of_config(const struct config *config)
{
    const struct config_deferral *is = &config->is.deferral;
    return (struct ring){.slots = (uint32_t)is->slots,
                         .slot_ms = (int64_t)is->slot_ms,
                         .spread = (uint32_t)is->spread};
}

struct ring_plan ring_plan_of(const struct config *config, const struct ring_topics *topics)
{
    return (struct ring_plan){.ring = ring_of_config(config),
                              .far_spread = topics->far.partitions / RING_FAR_DAYS,
                              .min_delay_ms = (int64_t)config->is.deferral.min_delay_ms};
}

char *ring_group_of(const struct config *config)
{
    char *group = NULL;
    CHECK(asprintf(&group, "%s.ring", config->is.kafka.group) > 0);
    return group;
}

void ring_topics_begin(struct ring_topics *t, const struct config *config)
{
    *t = (struct ring_topics){0};
    snprintf(t->far.name, sizeof t->far.name, "%s%sfar", config->is.kafka.topic_prefix, stem);
}

/* What stands behind the prefix and the stem; NULL: another topic. */
static const char *tail_of(const struct config *config, const char *name)
{
    size_t prefix = strlen(config->is.kafka.topic_prefix);
    bool ours = strncmp(name, config->is.kafka.topic_prefix, prefix) == 0 &&
                strncmp(name + prefix, stem, sizeof stem - 1) == 0;
    return ours ? name + prefix + sizeof stem - 1 : NULL;
}

/* A generation's number in its one form; 0: it is none. */
static uint32_t number_of(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    bool good = digits > 0 && digits <= 9 && text[digits] == '\0' && text[0] != '0';
    return good ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

void ring_topics_take(struct ring_topics *t, const struct config *config, const char *name,
                      uint32_t partitions)
{
    const char *tail = tail_of(config, name);
    uint32_t number = tail ? number_of(tail) : 0;
    if (tail && strcmp(tail, "far") == 0)
        t->far.partitions = partitions;
    if (number == 0 || strlen(name) >= RING_TOPIC_SIZE)
        return;
    if (t->count == RING_GENERATIONS_MAX) {
        t->beyond++;
        return;
    }
    uint32_t at = t->count++;
    for (; at > 0 && t->generations[at - 1].generation > number; at--)
        t->generations[at] = t->generations[at - 1];
    struct ring_topic *g = &t->generations[at];
    *g = (struct ring_topic){.generation = number, .partitions = partitions};
    memcpy(g->name, name, strlen(name));
}

static int64_t length_of_config(const struct config *config)
{
    const struct ring ring = ring_of_config(config);
    return ring.slots * ring.slot_ms;
}

static bool has_its_count(const struct ring_topic *g, const struct config *config)
{
    const struct ring ring = ring_of_config(config);
    return g->partitions == ring_partitions(&ring);
}

static bool fits(const struct ring_topic *g, const struct config *config)
{
    return has_its_count(g, config) &&
           (g->length_ms == 0 || g->length_ms == length_of_config(config));
}

void ring_topics_end(struct ring_topics *t, const struct config *config)
{
    t->written = t->count;
    for (uint32_t i = 0; i < t->count; i++)
        if (fits(&t->generations[i], config))
            t->written = i;
}

struct taking {
    struct ring_topics *out;
    const struct config *config;
};

static void take(const char *name, const struct topic_found *found, void *context)
{
    const struct taking *taking = context;
    ring_topics_take(taking->out, taking->config, name, found->partitions);
}

void ring_topics_read(const struct topics *topics, const struct config *config,
                      struct ring_topics *out)
{
    struct taking taking = {out, config};
    ring_topics_begin(out, config);
    topics_each(topics, take, &taking);
    ring_topics_end(out, config);
}

static void read_retention(const char *name, const char *value, void *context)
{
    if (strcmp(name, "retention.ms") == 0)
        *(int64_t *)context = strtoll(value, NULL, 10);
}

enum err ring_topics_measure(struct topics *topics, const struct config *config,
                             struct ring_topics *t, uint32_t timeout_ms, char why[KAFKA_WHY_SIZE])
{
    enum err err = ERR_OK;
    for (uint32_t i = 0; i < t->count && err == ERR_OK; i++) {
        struct ring_topic *g = &t->generations[i];
        int64_t retention_ms = 0;
        if (!has_its_count(g, config))
            continue;
        err = topics_settings(topics, g->name, read_retention, &retention_ms, timeout_ms, why);
        g->length_ms = i64_max(retention_ms - RING_SPARE_MS, 0);
    }
    ring_topics_end(t, config);
    return err;
}

static void read_minutes(const char *name, const char *value, void *context)
{
    if (strcmp(name, "offsets.retention.minutes") == 0)
        *(int64_t *)context = strtoll(value, NULL, 10);
}

bool ring_marks_last(struct topics *topics, const struct config *config, uint32_t timeout_ms,
                     char why[RING_WHY_SIZE])
{
    char kafka_why[KAFKA_WHY_SIZE];
    int64_t minutes = 0,
            wanted = (length_of_config(config) + MARKS_SPARE_MS + MINUTE_MS - 1) / MINUTE_MS;
    if (topics_broker_settings(topics, read_minutes, &minutes, timeout_ms, kafka_why) != ERR_OK ||
        minutes <= 0 || minutes >= wanted)
        return true;
    snprintf(why, RING_WHY_SIZE,
             "the brokers forget what a group that is away has committed after %lld minutes, but "
             "the ring is %lld minutes long: a fleet that is away for longer reads all that waited "
             "once more; set offsets.retention.minutes to %lld or more",
             (long long)minutes, (long long)(length_of_config(config) / MINUTE_MS),
             (long long)wanted);
    return false;
}

static bool refuse(char why[RING_WHY_SIZE], const char *format, ...) PRINTF_LIKE(2, 3);
static bool refuse(char why[RING_WHY_SIZE], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, RING_WHY_SIZE, format, args);
    va_end(args);
    return false;
}

bool ring_topics_good(const struct ring_topics *t, const struct config *config,
                      char why[RING_WHY_SIZE])
{
    const struct ring ring = ring_of_config(config),
                      far = ring_far(t->far.partitions / RING_FAR_DAYS);
    const char *prefix = config->is.kafka.topic_prefix;
    if (t->count == 0)
        return refuse(why, "topic %s%s1 is missing: run `carillon setup`", prefix, stem);
    if (t->far.partitions == 0)
        return refuse(why, "topic %s is missing: run `carillon setup`", t->far.name);
    if (t->far.partitions % RING_FAR_DAYS != 0 || !ring_is_valid(&far))
        return refuse(why,
                      "topic %s has %u partitions, not 32 days x a spread: where nothing waits in "
                      "it, delete it and run `carillon setup`",
                      t->far.name, t->far.partitions);
    if (t->beyond > 0)
        return refuse(why,
                      "there are more than %d generations %s%s<g>: run `carillon setup "
                      "--remove-over`",
                      RING_GENERATIONS_MAX, prefix, stem);
    if (t->written < t->count)
        return true;
    for (uint32_t i = t->count; i-- > 0;)
        if (has_its_count(&t->generations[i], config))
            return refuse(why,
                          "by its retention.ms topic %s is a ring of %lld s, but deferral.slots x "
                          "slot_ms are %lld s, which has other slots in its partitions: run "
                          "`carillon setup --ring`, or put slot_ms (or its retention) back",
                          t->generations[i].name, (long long)(t->generations[i].length_ms / 1000),
                          (long long)(length_of_config(config) / 1000));
    return refuse(why,
                  "no topic %s%s<g> has the %u partitions of deferral.slots x deferral.spread (the "
                  "newest, %u, has %u): run `carillon setup --ring`",
                  prefix, stem, ring_partitions(&ring), t->generations[t->count - 1].generation,
                  t->generations[t->count - 1].partitions);
}
