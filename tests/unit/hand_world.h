/* What hand sees of the world: logs, a group that commits, a feed that reads. A log's owner is
 * the hand under test, or nobody. */
#pragma once

#include "base/prng.h"
#include "stage/hand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { WORLD_SLOTS = 4, WORLD_SPREAD = 2, WORLD_PARTITIONS = WORLD_SLOTS * WORLD_SPREAD };
enum { WORLD_TOPICS = 2, WORLD_RECORDS = 4096 };
#define SLOT_MS INT64_C(1000)
static const struct ring world_ring = {WORLD_SLOTS, SLOT_MS, WORLD_SPREAD};

struct world_record {
    int64_t due_ms;
    uint32_t size;
    bool strange;   /* without headers */
    uint32_t fired; /* in this life of the hand */
    bool closed;    /* acknowledged, ever */
};

struct world_log {
    struct world_record *records;
    int64_t count, committed;
    char metadata[RING_READER_METADATA_MAX];
    size_t metadata_size;
    bool reading;
    int64_t at, told_end;
    uint32_t pass;
};

static struct world {
    uint64_t seed;
    int64_t now_ms, stepped_ms; /* of the ring's clock; what the monotonic one is ahead */
    struct ring_clock clock;
    struct world_log logs[WORLD_PARTITIONS];
    bool owned, assign, revoke, revoking, commit_out, lost;
    uint64_t commit_id;
    struct source_partition commit[WORLD_PARTITIONS], told[WORLD_PARTITIONS];
    char texts[WORLD_PARTITIONS][RING_READER_METADATA_MAX];
    uint32_t commit_count;
    struct {
        uint64_t id;
        uint32_t count;
        struct feed_partition of[WORLD_PARTITIONS];
    } asks[64];
    struct {
        struct redis_waiter *waiter;
        uint32_t index;
        int32_t partition; /* -1: an answer to a SET */
    } commands[2048];
    uint32_t command_count, hints_written;
    uint32_t ask_count, read, taken; /* of records: may be taken yet, were taken */
    struct feed_partition answered[WORLD_PARTITIONS];
} world;

static inline void world_judge_commit(const struct source_partition *p)
{
    const struct world_log *log = &world.logs[p->partition];
    static uint64_t bits[WORLD_RECORDS / 64 * 2];
    struct window w;
    struct bytes text = p->metadata;
    uint32_t bars = 0;
    assert_true(world.owned && p->offset >= log->committed && p->offset <= log->count);
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] == '|' && ++bars == 3)
            text.size = i;
    window_init_words(&w, bits, countof(bits), p->offset);
    assert_int_equal(window_decode(&w, text, NULL), ERR_OK);
    for (int64_t o = 0; o < log->count; o++) {
        bool open = o >= p->offset &&
                    (o >= w.end || (bits[(uint64_t)o / 64 % countof(bits)] >> (o % 64) & 1));
        assert_true(open || log->records[o].closed);
    }
}

/* Redis: what hints it holds; a new one does not always get there, and an old one may come back. */
enum { WORLD_HINT_MAX = 16 * 1024 };
static struct world_hint {
    char text[WORLD_HINT_MAX];
    size_t size;
} world_hints[WORLD_PARTITIONS], world_old_hints[WORLD_PARTITIONS];

uint32_t redis_room(const struct redis *redis)
{
    (void)redis;
    return prng_upto(&world.seed, 4) == 0 ? 0
                                          : (uint32_t)countof(world.commands) - world.command_count;
}

size_t redis_room_bytes(const struct redis *redis)
{
    (void)redis;
    return 1 << 20;
}

void redis_command(struct redis *redis, const struct bytes *arguments, uint32_t count,
                   struct redis_waiter *waiter, uint32_t index)
{
    (void)redis;
    assert_true(world.command_count < countof(world.commands));
    struct bytes key = arguments[1];
    int32_t partition = key.at[key.size - 2] - '0';
    assert_true(
        bytes_equal((struct bytes){key.at, key.size - 2}, BYTES("p1:{carillon.deferred.1/")));
    world.commands[world.command_count].waiter = waiter;
    world.commands[world.command_count].index = index;
    world.commands[world.command_count++].partition = count == 2 ? partition : -1;
    if (count == 2)
        return;
    struct world_hint *hint = &world_hints[partition];
    assert_true(count == 5 && arguments[2].size <= WORLD_HINT_MAX);
    world.hints_written++;
    if (prng_upto(&world.seed, 4) == 0)
        world_old_hints[partition] = *hint;
    hint->size = arguments[2].size;
    memcpy(hint->text, arguments[2].at, hint->size);
}

static inline void world_answer_redis(bool may_fail)
{
    for (uint32_t i = 0; i < world.command_count; i++) {
        uint64_t what = may_fail ? prng_upto(&world.seed, 8) : 7;
        int32_t partition = world.commands[i].partition;
        const struct world_hint *hint = partition < 0 ? NULL
                                        : what == 6   ? &world_old_hints[partition]
                                                      : &world_hints[partition];
        struct redis_reply reply = {.type = REDIS_STATUS, .text = BYTES("OK")};
        if (hint && hint->size > 0 && what != 5)
            reply = (struct redis_reply){.type = REDIS_TEXT, .text = {hint->text, hint->size}};
        else if (hint)
            reply.type = REDIS_NIL;
        world.commands[i].waiter->done(world.commands[i].waiter, world.commands[i].index,
                                       what == 4 ? NULL : &reply);
    }
    world.command_count = 0;
}

enum err source_commit(struct source *source, const struct source_partition *partitions,
                       uint32_t count, uint64_t commit_id)
{
    (void)source;
    assert_false(world.commit_out);
    if (prng_upto(&world.seed, 20) == 0)
        return ERR_AGAIN;
    for (uint32_t i = 0; i < count; i++) {
        world_judge_commit(&partitions[i]);
        world.commit[i] = partitions[i];
        memcpy(world.texts[i], partitions[i].metadata.at, partitions[i].metadata.size);
        world.commit[i].metadata.at = world.texts[i];
    }
    world.commit_count = count;
    world.commit_id = commit_id;
    world.commit_out = true;
    return ERR_OK;
}

static inline void world_answer_commit(struct source_event *out)
{
    for (uint32_t i = 0; i < world.commit_count; i++) {
        struct world_log *log = &world.logs[world.commit[i].partition];
        bool good = prng_upto(&world.seed, 8) != 0;
        world.commit[i].err = good ? ERR_OK : ERR_AGAIN;
        if (!good && prng_upto(&world.seed, 2) == 0)
            continue; /* refused; or only the answer was lost */
        log->committed = world.commit[i].offset;
        log->metadata_size = world.commit[i].metadata.size;
        memcpy(log->metadata, world.commit[i].metadata.at, log->metadata_size);
    }
    world.commit_out = false;
    *out = (struct source_event){.kind = SOURCE_COMMITTED,
                                 .partitions = world.commit,
                                 .partition_count = world.commit_count,
                                 .commit_id = world.commit_id};
}

static inline void world_tell_assignment(struct source_event *out)
{
    for (int32_t i = 0; i < WORLD_PARTITIONS; i++)
        world.told[i] = (struct source_partition){
            .partition = i,
            .offset = world.logs[i].committed,
            .metadata = {world.logs[i].metadata, world.logs[i].metadata_size}};
    *out = (struct source_event){
        .kind = SOURCE_ASSIGNED, .partitions = world.told, .partition_count = WORLD_PARTITIONS};
}

void source_take(struct source *source, enum source_lane lane, struct source_event *out)
{
    (void)source, (void)lane;
    *out = (struct source_event){.kind = SOURCE_NONE};
    if (world.commit_out && prng_upto(&world.seed, 3) == 0) {
        world_answer_commit(out);
    } else if (world.assign) {
        world.assign = false;
        world_tell_assignment(out);
    } else if (world.revoke && world.owned && !world.revoking) {
        world.revoke = false;
        world.revoking = true;
        *out = (struct source_event){.kind = SOURCE_REVOKED, .lost = world.lost};
    }
}

void source_assign(struct source *source, const struct source_partition *p, uint32_t count)
{
    (void)source, (void)p, (void)count;
    world.owned = true;
}

void source_unassign(struct source *source)
{
    (void)source;
    world.owned = world.revoking = world.commit_out = false;
}

void feed_start(struct feed *feed, uint32_t topic, int32_t partition, int64_t from, uint32_t pass)
{
    (void)feed;
    assert_int_equal(topic, 0);
    struct world_log *log = &world.logs[partition];
    log->reading = true;
    log->at = from;
    log->told_end = -1;
    log->pass = pass;
}

void feed_stop(struct feed *feed, uint32_t topic, int32_t partition)
{
    (void)feed, (void)topic;
    world.logs[partition].reading = false;
}

void feed_ask(struct feed *feed, const struct feed_partition *partitions, uint32_t count,
              uint64_t ask)
{
    (void)feed;
    assert_true(world.ask_count < countof(world.asks));
    world.asks[world.ask_count].id = ask;
    world.asks[world.ask_count].count = count;
    memcpy(world.asks[world.ask_count++].of, partitions, count * sizeof *partitions);
}

static inline void world_answer_ask(struct feed_event *out)
{
    uint32_t count = world.asks[0].count;
    memcpy(world.answered, world.asks[0].of, sizeof world.answered);
    *out = (struct feed_event){
        .kind = FEED_ENDS, .ask = world.asks[0].id, .ends = world.answered, .end_count = count};
    for (uint32_t i = 0; i < count; i++)
        world.answered[i].end =
            prng_upto(&world.seed, 10) == 0 ? -1 : world.logs[world.answered[i].partition].count;
    memmove(&world.asks[0], &world.asks[1], --world.ask_count * sizeof world.asks[0]);
}

static inline void world_deliver(int32_t partition, struct feed_event *out)
{
    static char due[32], ring[RING_TEXT_MAX], value[8192], expires[32];
    static struct record_header headers[3];
    struct world_log *log = &world.logs[partition];
    *out = (struct feed_event){.partition = partition, .pass = log->pass, .offset = log->at};
    if (log->at >= log->count) {
        out->kind = FEED_REACHED;
        log->told_end = log->at;
        return;
    }
    const struct world_record *r = &log->records[log->at];
    struct writer w = writer_of(ring, sizeof ring);
    ring_write(&w, &world_ring);
    headers[0] = (struct record_header){BYTES("carillon-ring"), writer_bytes(&w)};
    snprintf(due, sizeof due, "%lld", (long long)r->due_ms);
    snprintf(expires, sizeof expires, "%lld", (long long)r->due_ms + 3600000);
    headers[1] = (struct record_header){BYTES("carillon-due"), bytes_of(due)};
    headers[2] = (struct record_header){BYTES("carillon-expires"), bytes_of(expires)};
    memset(value, (int)('a' + log->at % 26), r->size);
    out->kind = FEED_RECORD;
    out->record = (struct record){.value = {value, r->size},
                                  .headers = headers,
                                  .header_count = r->strange ? 0 : 3,
                                  .timestamp_ms = 7};
    log->at++;
    world.taken++;
}

void feed_take(struct feed *feed, struct feed_event *out)
{
    (void)feed;
    *out = (struct feed_event){.kind = FEED_NONE};
    if (world.ask_count > 0 && prng_upto(&world.seed, 3) == 0) {
        world_answer_ask(out);
        return;
    }
    if (world.read == 0)
        return;
    world.read--;
    int32_t first = (int32_t)prng_upto(&world.seed, WORLD_PARTITIONS);
    for (int32_t i = 0; i < WORLD_PARTITIONS; i++) {
        struct world_log *log = &world.logs[(first + i) % WORLD_PARTITIONS];
        if (!log->reading || (log->at >= log->count && log->told_end == log->at))
            continue;
        world_deliver((first + i) % WORLD_PARTITIONS, out);
        return;
    }
}

static inline int64_t world_append(int64_t due_ms, uint32_t size, bool strange)
{
    uint32_t spread = (uint32_t)prng_upto(&world.seed, WORLD_SPREAD);
    uint32_t index = (uint32_t)(due_ms / SLOT_MS % WORLD_SLOTS);
    struct world_log *log = &world.logs[index * WORLD_SPREAD + spread];
    assert_true(log->count < WORLD_RECORDS);
    log->records[log->count] =
        (struct world_record){.due_ms = due_ms, .size = size, .strange = strange};
    return log->count++;
}
