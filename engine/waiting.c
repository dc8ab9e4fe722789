#include "waiting.h"

#include "base/window.h"
#include "clients.h"
#include "command.h"
#include "commands.h"
#include "domain/deferral.h"
#include "domain/ring_reader.h"
#include "io/topics.h"

#include <stdio.h>
#include <stdlib.h>

enum { WORDS_LEAST = 1024 };

/* --- one partition ------------------------------------------------------------------- */

struct reader_range waiting_range(const struct waiting_topic *t, int32_t partition)
{
    const struct offsets_partition *p = &t->partitions[partition];
    return (struct reader_range){partition, i64_min(i64_max(p->first, p->committed), p->end),
                                 p->end};
}

/* Its bits are malloc'd. False: the commit names nothing done above it. */
static bool window_of(const struct offsets_partition *p, struct window *out)
{
    uint32_t words = WORDS_LEAST;
    if (p->committed < 0 || p->metadata_size == 0)
        return false;
    while (words < WINDOW_WORDS_MAX && (int64_t)words * 64 < p->end - p->committed)
        words *= 2;
    uint64_t *bits = calloc(words, sizeof *bits);
    CHECK(bits);
    window_init_words(out, bits, words, p->committed);
    if (window_decode(out, ring_window_of((struct bytes){p->metadata, p->metadata_size}, NULL),
                      NULL) == ERR_OK)
        return true;
    free(bits);
    return false;
}

uint64_t waiting_in(const struct waiting_topic *t, int32_t partition)
{
    struct window w;
    struct reader_range range = waiting_range(t, partition);
    uint64_t count = (uint64_t)(range.to - range.from), open = 0;
    if (count == 0 || !window_of(&t->partitions[partition], &w))
        return count;
    for (uint32_t i = 0; i < w.words; i++)
        open += (uint64_t)__builtin_popcountll(w.bits[i]);
    uint64_t done = (uint64_t)(w.end - w.low) - open;
    free(w.bits);
    return count > done ? count - done : 0;
}

bool waiting_is_done(const struct waiting_topic *t, int32_t partition, int64_t offset)
{
    struct window w;
    const struct offsets_partition *p = &t->partitions[partition];
    if (offset < p->committed)
        return true;
    if (!window_of(p, &w))
        return false;
    bool done = window_add(&w, offset) == ERR_NOT_FOUND;
    free(w.bits);
    return done;
}

/* --- the topics ---------------------------------------------------------------------- */

/* The ring as a record of it says: a generation is older than the config. */
static bool ask_record(const struct config *config, struct waiting_topic *t)
{
    struct kafka_settings kafka;
    char why[KAFKA_WHY_SIZE] = "";
    enum err err;
    bool found = false;
    kafka_options_of(config, "carillon-command", &kafka);
    struct reader *reader =
        reader_open(&kafka.options, t->topic->name, COMMAND_PATIENCE_MS, &err, why);
    for (uint32_t i = 0; reader && i < t->count && !found; i++) {
        struct reader_range range = waiting_range(t, (int32_t)i);
        struct reader_record record;
        struct record_header headers[DEFERRAL_HEADERS_MAX];
        if (range.from == range.to)
            continue;
        err = reader_start(reader, &range, 1, why);
        for (err = ERR_AGAIN; err == ERR_AGAIN && !command_interrupted();)
            err = reader_take(reader, &record);
        if (err != ERR_OK)
            continue;
        uint32_t count = reader_headers(reader, headers, countof(headers));
        found = ring_parse(record_header_of(headers, count, BYTES("carillon-ring")), &t->ring) ==
                    ERR_OK &&
                ring_partitions(&t->ring) == t->count;
    }
    if (reader)
        reader_close(reader);
    return found;
}

static bool open_topic(const struct config *config, struct waiting *w,
                       const struct ring_topic *topic, const struct ring *ring, char *why)
{
    struct kafka_settings kafka;
    struct waiting_topic *t = &w->topics[w->count++];
    char *group = ring_group_of(config);
    *t = (struct waiting_topic){.topic = topic, .count = topic->partitions};
    t->partitions = calloc(t->count, sizeof *t->partitions);
    CHECK(t->partitions);
    kafka_options_of(config, "carillon-command", &kafka);
    enum err err = offsets_read(&kafka.options, group, topic->name, t->count, t->partitions,
                                COMMAND_PATIENCE_MS, why);
    free(group);
    if (err == ERR_OK && ring && ring_partitions(ring) == t->count)
        t->ring = *ring;
    if (err == ERR_OK && (!ring || t->ring.slots == 0) && !ask_record(config, t))
        t->ring = (struct ring){0};
    return err == ERR_OK;
}

static bool read_topics(const struct config *config, struct waiting *w, char *why)
{
    struct kafka_settings kafka;
    kafka_options_of(config, "carillon-command", &kafka);
    struct topics *topics = topics_open(&kafka.options, why);
    bool good = topics && topics_read(topics, COMMAND_PATIENCE_MS, why) == ERR_OK;
    if (good)
        ring_topics_read(topics, config, &w->found);
    if (good) /* where it is refused, counts decide, as for workers */
        good =
            ring_topics_measure(topics, config, &w->found, COMMAND_PATIENCE_MS, why) != ERR_TIMEOUT;
    if (topics)
        topics_close(topics);
    return good;
}

bool waiting_open(const struct config *config, struct waiting *w, int *exit_code)
{
    char why[KAFKA_WHY_SIZE] = "";
    const struct ring ring = ring_of_config(config);
    *w = (struct waiting){0};
    *exit_code = EXIT_AWAY;
    bool good = read_topics(config, w, why);
    if (good && w->found.count == 0) {
        fprintf(stderr,
                "kafka %s: there is no topic %scarillon.deferred.1: `carillon setup` "
                "creates it\n",
                config->is.kafka.bootstrap_servers, config->is.kafka.topic_prefix);
        *exit_code = EXIT_CONFIG;
        return false;
    }
    for (uint32_t i = w->found.count; good && i-- > 0;)
        good = open_topic(config, w, &w->found.generations[i], i == w->found.written ? &ring : NULL,
                          why);
    const struct ring far = ring_far(w->found.far.partitions / RING_FAR_DAYS);
    if (good && w->found.far.partitions > 0 && ring_is_valid(&far))
        good = open_topic(config, w, &w->found.far, &far, why);
    if (good)
        return true;
    command_kafka_away(config, why[0] ? why : "no broker answers");
    waiting_close(w);
    return false;
}

void waiting_close(struct waiting *w)
{
    for (uint32_t i = 0; i < w->count; i++)
        offsets_free(w->topics[i].partitions, w->topics[i].count);
    *w = (struct waiting){0};
}
