#include "setup_topics.h"

#include "base/clock.h"
#include "clients.h"
#include "io/topics.h"
#include "ring_topics.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ASK_MS = 3000, CREATE_MS = 30000, SETTINGS_MAX = 6, HEADER_ROOM = 64 * 1024 };

enum topic_trait {
    LIKE_EVENTS = 1,  /* max.message.bytes of the events */
    WITH_HEADERS = 2, /* and 64 KiB more, for headers of ours */
    BROKER_TIME = 4,  /* LogAppendTime */
    DAYS_90 = 8,      /* retention */
    COMPACTED = 16,   /* the truth, kept for ever */
    DAYS_450 = 32,    /* with COMPACTED: until so long after the last change */
    RING = 64,        /* kept for the ring's length and RING_SPARE_MS; never compacted */
};

const char *const setup_topic_names[] = {
    "carillon.events",       "carillon.events.urgent",  "carillon.outcomes", "carillon.dead",
    "carillon.suppressions", "carillon.bookings.state", "carillon.tenants",
};
const uint32_t setup_topic_count = countof(setup_topic_names);

static const uint32_t topic_traits[countof(setup_topic_names)] = {
    LIKE_EVENTS,          LIKE_EVENTS, BROKER_TIME | DAYS_90, WITH_HEADERS | BROKER_TIME, COMPACTED,
    COMPACTED | DAYS_450, COMPACTED,
};

struct wish {
    struct topic_wish topic;
    struct kafka_property settings[SETTINGS_MAX];
    char name[RING_TOPIC_SIZE], bytes[24], retention[24];
};

/* A set-up under way. */
struct doing {
    const struct config *config;
    const struct setup_wishes *wishes;
    struct kafka_settings kafka;
    struct topics *topics;
    char *why; /* KAFKA_WHY_SIZE */
};

static void want(struct wish *wish, const char *name, const char *value)
{
    CHECK(wish->topic.setting_count < SETTINGS_MAX);
    wish->settings[wish->topic.setting_count++] = (struct kafka_property){name, value};
}

static void want_number(struct wish *wish, const char *name, uint64_t value, char text[24])
{
    snprintf(text, 24, "%llu", (unsigned long long)value);
    want(wish, name, text);
}

static void want_kept(struct wish *wish, uint32_t traits, int64_t ring_ms)
{
    if (traits & DAYS_90)
        want(wish, "retention.ms", "7776000000");
    if (traits & DAYS_450)
        want(wish, "retention.ms", "38880000000");
    if (traits & COMPACTED)
        want(wish, "cleanup.policy", traits & DAYS_450 ? "compact,delete" : "compact");
    if (traits & RING) {
        want_number(wish, "retention.ms", (uint64_t)(ring_ms + RING_SPARE_MS), wish->retention);
        want(wish, "cleanup.policy", "delete");
    }
}

static void wish_of(const struct config *config, const char *name, uint32_t traits,
                    const struct ring *ring, struct wish *wish)
{
    const struct config_kafka *is = &config->is.kafka;
    *wish = (struct wish){0};
    snprintf(wish->name, sizeof wish->name, "%s%s", is->topic_prefix, name);
    wish->topic =
        (struct topic_wish){.name = wish->name,
                            .partitions = ring ? ring_partitions(ring) : (uint32_t)is->partitions,
                            .replicas = (uint32_t)is->replication_factor,
                            .settings = wish->settings};
    if (traits & (LIKE_EVENTS | WITH_HEADERS))
        want_number(wish, "max.message.bytes",
                    is->max_message_bytes + (traits & WITH_HEADERS ? HEADER_ROOM : 0), wish->bytes);
    if (traits & BROKER_TIME)
        want(wish, "message.timestamp.type", "LogAppendTime");
    want_kept(wish, traits, ring ? ring->slots * ring->slot_ms : 0);
    want(wish, "unclean.leader.election.enable", "false");
    if (is->replication_factor >= 3)
        want(wish, "min.insync.replicas", "2");
}

static void ring_wish_of(const struct config *config, const char *tail, const struct ring *ring,
                         struct wish *wish)
{
    char name[64];
    snprintf(name, sizeof name, "carillon.deferred.%s", tail);
    wish_of(config, name, WITH_HEADERS | BROKER_TIME | RING, ring, wish);
}

/* --- one topic ----------------------------------------------------------------------------- */

static void compare_setting(const char *name, const char *value, void *context)
{
    const struct wish *wish = context;
    for (uint32_t i = 0; i < wish->topic.setting_count; i++)
        if (strcmp(wish->settings[i].name, name) == 0 &&
            strcmp(wish->settings[i].value, value) != 0)
            fprintf(stderr, "%s: %s is %s; set-up would have made it %s\n", wish->name, name, value,
                    wish->settings[i].value);
}

static enum err compare(struct doing *d, struct wish *wish, const struct topic_found *found)
{
    if (found->partitions != wish->topic.partitions)
        fprintf(stderr, "%s: has %u partitions; set-up would have made %u\n", wish->name,
                found->partitions, wish->topic.partitions);
    if (found->replicas != wish->topic.replicas)
        fprintf(stderr, "%s: has %u replicas; set-up would have made %u\n", wish->name,
                found->replicas, wish->topic.replicas);
    return topics_settings(d->topics, wish->name, compare_setting, wish, ASK_MS, d->why);
}

/* Brokers tell a new topic a little later: `run` must find it when set-up is over. */
static enum err wait_for(struct doing *d, const char *name)
{
    uint64_t until_ns = clock_mono_ns() + CREATE_MS * NS_PER_MS;
    struct topic_found found;
    enum err err = ERR_OK;
    while (err == ERR_OK && !topics_find(d->topics, name, &found)) {
        poll(NULL, 0, 50);
        err = topics_read(d->topics, ASK_MS, d->why);
        if (err == ERR_OK && clock_mono_ns() > until_ns)
            err = ERR_TIMEOUT;
    }
    return err;
}

static enum err set_up(struct doing *d, struct wish *wish)
{
    struct topic_found found;
    if (topics_find(d->topics, wish->name, &found))
        return compare(d, wish, &found);
    printf("%s topic %s (%u partitions, %u replicas",
           d->wishes->dry_run ? "would create" : "creating", wish->name, wish->topic.partitions,
           wish->topic.replicas);
    for (uint32_t i = 0; i < wish->topic.setting_count; i++)
        printf(", %s=%s", wish->settings[i].name, wish->settings[i].value);
    printf(")\n");
    return d->wishes->dry_run ? ERR_OK : topics_create(d->topics, &wish->topic, CREATE_MS, d->why);
}

/* --- the ring's generations ------------------------------------------------------------------- */

static void read_retention(const char *name, const char *value, void *context)
{
    if (strcmp(name, "retention.ms") == 0)
        *(int64_t *)context = strtoll(value, NULL, 10);
}

/* A generation's length, which its retention tells: the config may be another's by now. */
static enum err length_of(struct doing *d, const struct ring_topic *generation, int64_t *ms)
{
    int64_t retention_ms = 0;
    enum err err =
        topics_settings(d->topics, generation->name, read_retention, &retention_ms, ASK_MS, d->why);
    *ms = retention_ms - RING_SPARE_MS;
    return err;
}

static enum err set_up_generation(struct doing *d, uint32_t generation)
{
    const struct ring ring = ring_of_config(d->config);
    struct wish wish;
    char tail[16];
    snprintf(tail, sizeof tail, "%u", generation);
    ring_wish_of(d->config, tail, &ring, &wish);
    enum err err = set_up(d, &wish);
    return err == ERR_OK && !d->wishes->dry_run ? wait_for(d, wish.name) : err;
}

static enum err set_up_ring(struct doing *d, const struct ring_topics *t)
{
    char why[RING_WHY_SIZE];
    bool fits = true;
    if (t->count == 0)
        return set_up_generation(d, 1);
    uint32_t newest = t->generations[t->count - 1].generation;
    if (d->wishes->ring)
        fits = t->written == t->count - 1;
    if (!fits && t->count < RING_GENERATIONS_MAX)
        return set_up_generation(d, newest + 1);
    if (!fits) {
        snprintf(d->why, KAFKA_WHY_SIZE,
                 "there are %u generations of the ring: --remove-over first", t->count);
        return ERR_TOO_LARGE;
    }
    if (t->written < t->count)
        return set_up_generation(d, t->generations[t->written].generation);
    if (!ring_topics_good(t, d->config, why))
        fprintf(stderr, "%s\n", why);
    return ERR_OK;
}

/* --- generations that are over -------------------------------------------------------------------
 */

/* Over is what the group has committed to the end and nobody has written to for a ring's
 * length: then nothing waits in it, and no worker of an older config uses it any more. */
static enum err is_over(struct doing *d, const struct ring_topic *g, bool *over)
{
    int64_t ms;
    struct topic_progress progress;
    *over = false;
    enum err err = length_of(d, g, &ms);
    if (err != ERR_OK)
        return err;
    if (ms <= 0) {
        fprintf(stderr, "%s stays: its retention.ms does not tell its ring's length\n", g->name);
        return ERR_OK;
    }
    char *group = ring_group_of(d->config);
    err = topics_progress(&d->kafka.options, group, g->name, g->partitions, clock_wall_ms() - ms,
                          &progress, CREATE_MS, d->why);
    *over = err == ERR_OK && progress.behind == 0 && progress.young == 0;
    if (err == ERR_OK && !*over)
        fprintf(stderr,
                "%s stays: of %u partitions group %s has not committed %u to their end, and %u "
                "were written in the last %lld ms, its ring's length\n",
                g->name, g->partitions, group, progress.behind, progress.young, (long long)ms);
    free(group);
    return err;
}

static enum err remove_over(struct doing *d, const struct ring_topics *t)
{
    enum err err = ERR_OK;
    for (uint32_t i = 0; i + 1 < t->count && err == ERR_OK; i++) {
        const struct ring_topic *g = &t->generations[i];
        bool over = false;
        if (i != t->written)
            err = is_over(d, g, &over);
        if (!over)
            continue;
        printf("%s topic %s: the generation is over\n",
               d->wishes->dry_run ? "would delete" : "deleting", g->name);
        if (!d->wishes->dry_run)
            err = topics_delete(d->topics, g->name, CREATE_MS, d->why);
    }
    return err;
}

/* --- all of them ---------------------------------------------------------------------------------
 */

static enum err set_up_all(struct doing *d)
{
    struct wish wish;
    struct ring_topics ring;
    char why[RING_WHY_SIZE];
    enum err err = ERR_OK;
    for (uint32_t i = 0; i < setup_topic_count && err == ERR_OK; i++) {
        wish_of(d->config, setup_topic_names[i], topic_traits[i], NULL, &wish);
        err = set_up(d, &wish);
    }
    if (err != ERR_OK)
        return err;
    const struct ring far = ring_far((uint32_t)d->config->is.deferral.far_spread);
    ring_wish_of(d->config, "far", &far, &wish);
    err = set_up(d, &wish);
    ring_topics_read(d->topics, d->config, &ring);
    if (ring.far.partitions == 0)
        ring.far.partitions = ring_partitions(&far); /* created just now */
    if (err == ERR_OK)
        err = ring_topics_measure(d->topics, d->config, &ring, ASK_MS, d->why);
    if (err == ERR_OK)
        err = set_up_ring(d, &ring);
    if (err == ERR_OK && !ring_marks_last(d->topics, d->config, ASK_MS, why))
        fprintf(stderr, "%s\n", why);
    if (err == ERR_OK && d->wishes->remove_over)
        err = remove_over(d, &ring);
    for (uint32_t i = 0; i < setup_topic_count && err == ERR_OK && !d->wishes->dry_run; i++) {
        wish_of(d->config, setup_topic_names[i], topic_traits[i], NULL, &wish);
        err = wait_for(d, wish.name);
    }
    return err == ERR_OK && !d->wishes->dry_run ? wait_for(d, ring.far.name) : err;
}

enum err setup_topics(const struct config *config, const struct setup_wishes *wishes,
                      char why[KAFKA_WHY_SIZE])
{
    struct doing d = {.config = config, .wishes = wishes, .why = why};
    kafka_options_of(config, "carillon-setup", &d.kafka);
    d.topics = topics_open(&d.kafka.options, why);
    if (!d.topics)
        return ERR_INVALID;
    enum err err = topics_read(d.topics, ASK_MS, why);
    if (err == ERR_OK)
        err = set_up_all(&d);
    topics_close(d.topics);
    return err;
}
