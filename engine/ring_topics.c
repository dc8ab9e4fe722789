#include "ring_topics.h"

#include "io/topics.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

void ring_topics_end(struct ring_topics *t, const struct config *config)
{
    const struct ring ring = ring_of_config(config);
    t->written = t->count;
    for (uint32_t i = 0; i < t->count; i++)
        if (t->generations[i].partitions == ring_partitions(&ring))
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
    return refuse(why,
                  "no topic %s%s<g> has the %u partitions of deferral.slots x deferral.spread (the "
                  "newest, %u, has %u): run `carillon setup --ring`",
                  prefix, stem, ring_partitions(&ring), t->generations[t->count - 1].generation,
                  t->generations[t->count - 1].partitions);
}
