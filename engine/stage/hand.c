/* Assignment, ends, commits and revocation, as in consume; what a commit says is the
 * reader's. A rebalance of this group does not disturb the other. */
#include "stage/hand_parts.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>

enum {
    TAKE_MAX = 512, /* of the source, a turn */
    WAITERS_MAX = 4096,
    COMMIT_BYTES = 256 * 1024,  /* a broker writes a request's commits as one batch */
    COMMIT_PATIENCE_MS = 60000, /* librdkafka answers before; if not, ask again */
    REVOKE_PATIENCE_MS = 3000,  /* for the last commits; others wait for us meanwhile */
    MEMORY_LEAST = 64 * 1024,
};

enum err hand_init(struct hand *hand, const struct hand_options *options)
{
    *hand = (struct hand){.options = *options};
    struct hand_options *o = &hand->options;
    if (o->waiters_max == 0)
        o->waiters_max = WAITERS_MAX;
    if (o->commit_interval_ms == 0)
        o->commit_interval_ms = 1000;
    if (o->fire_max == 0)
        o->fire_max = UINT32_MAX;
    if (o->revoke_wait_ms == 0)
        o->revoke_wait_ms = 1000;
    uint64_t count = u64_max(o->memory, MEMORY_LEAST) / CHUNK_SIZE;
    count = u64_min(count, CHUNK_COUNT_MAX - 1);
    hand->memory = malloc(count * CHUNK_SIZE);
    hand->topics = calloc(o->topic_count + 1, sizeof hand->topics[0]);
    hand->texts = malloc(COMMIT_BYTES + RING_READER_METADATA_MAX);
    hand->hints.text = malloc(RING_HINT_MAX);
    if (!hand->memory || !hand->topics || !hand->texts || !hand->hints.text)
        return ERR_NO_MEMORY;
    hand->cache.count = (uint32_t)count;
    hand_drop_entries(hand);
    hand_hint_init(hand);
    for (uint32_t i = 0; i < o->topic_count; i++)
        hand->topics[i].ring = o->topics[i].ring;
    return ERR_OK;
}

static void drop_partitions(struct hand *hand)
{
    hand_drop_asks(hand);
    hand_drop_entries(hand);
    for (uint32_t i = 0; i < hand->partition_count; i++) {
        struct hand_partition *p = &hand->partitions[i];
        free(p->bits);
        free(p->index);
        free((char *)(uintptr_t)p->metadata.at);
        hand_hint_drop(p);
    }
    for (uint32_t i = 0; i < hand->options.topic_count; i++) {
        free(hand->topics[i].at);
        hand->topics[i].at = NULL;
    }
    free(hand->partitions);
    free(hand->scratch);
    free(hand->touched);
    hand->partitions = NULL;
    hand->scratch = NULL;
    hand->touched = NULL;
    hand->partition_count = hand->touched_count = hand->peeks = 0;
    hand->state = HAND_IDLE;
    hand->commit_out = false;
}

void hand_deinit(struct hand *hand)
{
    drop_partitions(hand);
    free(hand->topics);
    free(hand->texts);
    free(hand->hints.text);
    free(hand->memory);
    free(hand->text);
}

struct hand_partition *hand_find(struct hand *hand, uint32_t topic, int32_t partition)
{
    const uint32_t *at = hand->topics[topic].at;
    if (!at || partition < 0 || (uint32_t)partition >= hand->options.topics[topic].partitions)
        return NULL;
    return at[partition] == UINT32_MAX ? NULL : &hand->partitions[at[partition]];
}

void hand_touch(struct hand *hand, struct hand_partition *p)
{
    if (p->touched)
        return;
    p->touched = true;
    hand->touched[hand->touched_count++] = hand_number(hand, p);
}

/* The event's partition, if it still is the one that the event came from. */
static struct hand_partition *partition_of(const struct hand *hand, const struct event *event)
{
    CHECK(event->from_ring);
    if (event->source_partition >= hand->partition_count)
        return NULL;
    struct hand_partition *p = &hand->partitions[event->source_partition];
    return p->started && p->epoch == event->epoch ? p : NULL;
}

/* Assignment. */

static void take_partition(struct hand *hand, const struct source_partition *from)
{
    struct hand_topic_state *topic = &hand->topics[from->topic];
    uint32_t partitions = hand->options.topics[from->topic].partitions;
    if ((uint32_t)from->partition >= partitions || hand->partition_count == HAND_PARTITIONS_MAX) {
        log_limited(LOG_ERROR, "ring_partition_not_served", "topic=%s partition=%d",
                    hand->options.topics[from->topic].name, from->partition);
        return; /* it grew since the start; a new start serves it */
    }
    if (!topic->at) {
        topic->at = malloc(partitions * sizeof topic->at[0]);
        CHECK(topic->at);
        for (uint32_t i = 0; i < partitions; i++)
            topic->at[i] = UINT32_MAX;
    }
    struct hand_partition *p = &hand->partitions[hand->partition_count];
    int64_t offset = from->offset < WINDOW_OFFSET_MAX ? from->offset : -1;
    *p = (struct hand_partition){.topic = from->topic,
                                 .partition = from->partition,
                                 .committed = offset,
                                 .floor = i64_max(offset, 0),
                                 .end = -1,
                                 .again_from = -1,
                                 .again_to = -1};
    if (offset >= 0 && from->metadata.size > 0) {
        p->metadata = (struct bytes){malloc(from->metadata.size), from->metadata.size};
        CHECK(p->metadata.at);
        memcpy((char *)p->metadata.at, from->metadata.at, from->metadata.size);
    }
    topic->at[from->partition] = hand->partition_count++;
}

static void on_assigned(struct hand *hand, const struct source_event *e)
{
    uint32_t count = e->partition_count;
    CHECK(hand->state == HAND_IDLE);
    hand->partitions = calloc(count + 1, sizeof hand->partitions[0]);
    hand->scratch = calloc(count + 1, sizeof hand->scratch[0]);
    hand->touched = calloc(count + 1, sizeof hand->touched[0]);
    CHECK(hand->partitions && hand->scratch && hand->touched);
    for (uint32_t i = 0; i < count; i++) {
        take_partition(hand, &e->partitions[i]);
        hand->scratch[i] = e->partitions[i];
    }
    hand->assigned_ms = hand->clock.now_ms;
    source_assign(hand->options.source, hand->scratch, count);
    hand->state = HAND_RUNNING;
    hand->look_ns = hand->ends_ns = 0;
    hand_hint_assigned(hand);
    hand->stats.rebalances++;
    log_event(LOG_INFO, "ring_partitions_assigned", "count=%u", count);
}

bool hand_is_assigned(const struct hand *hand)
{
    return hand->state == HAND_RUNNING;
}

/* Ends. */

void hand_complete(struct hand *hand, const struct event *event)
{
    struct hand_partition *p = partition_of(hand, event);
    if (!p || !ring_reader_done(&p->reader, p->reader.epoch, event->offset)) {
        hand->stats.late++;
        return;
    }
    CHECK(p->out > 0);
    p->out--;
    p->hint_due = true;
    hand_touch(hand, p);
}

void hand_abandon(struct hand *hand, const struct event *event)
{
    struct hand_partition *p = partition_of(hand, event);
    if (p)
        p->stuck++;
}

void hand_wait(struct hand *hand, const struct event *event, bool begins)
{
    struct hand_partition *p = partition_of(hand, event);
    if (!p)
        return;
    CHECK(begins || p->waiters > 0);
    p->waiters = begins ? p->waiters + 1 : p->waiters - 1;
}

/* Commits. */

static bool may_commit(const struct hand_partition *p)
{
    return p->started && ring_reader_commit_due(&p->reader) && p->reader.window.low >= p->floor;
}

static uint32_t fill_commit(struct hand *hand)
{
    struct writer text = writer_of(hand->texts, COMMIT_BYTES + RING_READER_METADATA_MAX);
    uint32_t count = 0, first = hand->commit_next;
    for (uint32_t i = 0; i < hand->partition_count && text.size < COMMIT_BYTES; i++) {
        hand->commit_next = (first + i) % hand->partition_count;
        struct hand_partition *p = &hand->partitions[hand->commit_next];
        if (!may_commit(p))
            continue;
        size_t start = text.size;
        p->floor = ring_reader_commit(&p->reader, bytes_of(hand->options.worker), &text);
        p->commit_out = true;
        p->commit_epoch = p->reader.epoch;
        hand->scratch[count++] = (struct source_partition){
            .topic = p->topic,
            .partition = p->partition,
            .offset = p->floor,
            .metadata = {hand->texts + start, text.size - start},
        };
    }
    CHECK(!text.overflow);
    if (hand->partition_count > 0)
        hand->commit_next = (hand->commit_next + 1) % hand->partition_count;
    return count;
}

static void end_commit(struct hand_partition *p, bool good)
{
    if (p->commit_out)
        ring_reader_committed(&p->reader, p->commit_epoch, good);
    p->commit_out = false;
}

static void fail_commits(struct hand *hand)
{
    hand->stats.commit_failures++;
    hand->commit_out = false;
    for (uint32_t i = 0; i < hand->partition_count; i++)
        end_commit(&hand->partitions[i], false);
}

/* True: one went out. */
static bool commit(struct hand *hand)
{
    uint32_t count = fill_commit(hand);
    hand->commit_ns = hand->now_ns;
    if (count == 0)
        return false;
    hand->commit_out =
        source_commit(hand->options.source, hand->scratch, count, ++hand->commit_id) == ERR_OK;
    if (!hand->commit_out)
        fail_commits(hand);
    return hand->commit_out;
}

static void on_committed(struct hand *hand, const struct source_event *e)
{
    if (!hand->commit_out || e->commit_id != hand->commit_id)
        return; /* of partitions that went since, or given up */
    bool good = true;
    for (uint32_t i = 0; i < e->partition_count; i++) {
        const struct source_partition *of = &e->partitions[i];
        struct hand_partition *p = hand_find(hand, of->topic, of->partition);
        good &= of->err == ERR_OK;
        if (p)
            end_commit(p, of->err == ERR_OK);
    }
    hand->stats.commits += good;
    fail_commits(hand); /* those that the answer does not name */
    hand->stats.commit_failures -= good;
}

static void serve_commits(struct hand *hand)
{
    uint64_t waited_ns = hand->now_ns - hand->commit_ns;
    if (hand->commit_out && waited_ns >= COMMIT_PATIENCE_MS * NS_PER_MS)
        fail_commits(hand);
    if (!hand->commit_out &&
        (hand->stopped || waited_ns >= hand->options.commit_interval_ms * NS_PER_MS))
        (void)commit(hand);
}

/* Revocation. */

static void mark_revoked(struct hand *hand)
{
    const struct jobs *jobs = hand->options.jobs;
    for (uint32_t i = 0; i < jobs->max; i++)
        if (jobs->events[i].jobs_open > 0 && jobs->events[i].from_ring)
            jobs->events[i].revoked = true; /* eager: all partitions go at once */
    hand->revoke_marked = true;
}

static void stop_reading(struct hand *hand)
{
    for (uint32_t i = 0; i < hand->partition_count; i++) {
        struct hand_partition *p = &hand->partitions[i];
        if (p->started)
            ring_reader_revoked(&p->reader);
        if (p->probing || (p->started && p->reader.reading))
            feed_stop(hand->options.feed, p->topic, p->partition);
    }
}

static void let_go(struct hand *hand)
{
    log_event(LOG_INFO, "ring_partitions_revoked", "count=%u", hand->partition_count);
    drop_partitions(hand);
    source_unassign(hand->options.source);
}

static void on_revoked(struct hand *hand, bool lost)
{
    hand->stats.rebalances++;
    mark_revoked(hand);
    stop_reading(hand);
    hand->revoke_ns = hand->now_ns;
    hand->state = HAND_REVOKING;
    if (lost || hand->partition_count == 0)
        let_go(hand);
}

static bool something_runs(const struct hand *hand)
{
    for (uint32_t i = 0; i < hand->partition_count; i++)
        if (hand->partitions[i].out > hand->partitions[i].stuck)
            return true;
    return false;
}

static void serve_revocation(struct hand *hand)
{
    uint64_t waited_ns = hand->now_ns - hand->revoke_ns;
    uint64_t patience_ns = hand->options.revoke_wait_ms * NS_PER_MS;
    bool over = waited_ns >= patience_ns + REVOKE_PATIENCE_MS * NS_PER_MS;
    if (!over && (hand->commit_out || (something_runs(hand) && waited_ns < patience_ns)))
        return;
    if (!over && commit(hand))
        return;
    hand_hint_last(hand);
    let_go(hand);
}

bool hand_revoked(struct hand *hand)
{
    bool marked = hand->revoke_marked;
    hand->revoke_marked = false;
    return marked;
}

/* The turn. */

static bool take_source(struct hand *hand)
{
    for (uint32_t i = 0; i < TAKE_MAX; i++) {
        struct source_event e;
        source_take(hand->options.source, SOURCE_MAIN, &e);
        switch (e.kind) {
        case SOURCE_NONE:
            return false;
        case SOURCE_IDLE:
        case SOURCE_END:
        case SOURCE_RECORD: /* the feed reads */
            break;
        case SOURCE_ASSIGNED:
            on_assigned(hand, &e);
            break;
        case SOURCE_REVOKED:
            on_revoked(hand, e.lost);
            break;
        case SOURCE_COMMITTED:
            on_committed(hand, &e);
            break;
        }
    }
    return true;
}

bool hand_take(struct hand *hand, uint64_t now_ns, const struct ring_clock *clock, uint32_t room,
               struct list *fresh)
{
    uint32_t reserve = hand->options.room_max / 8;
    hand->now_ns = now_ns;
    hand->clock = *clock;
    bool more = take_source(hand);
    if (!clock->held)
        hand_keep_time(hand);
    more |= hand_read(hand);
    if (hand->state == HAND_RUNNING) {
        hand_serve(hand);
        hand_pass(hand);
        serve_commits(hand);
        hand_hint_turn(hand);
    } else if (hand->state == HAND_REVOKING) {
        serve_revocation(hand);
    }
    room = room > reserve ? room - reserve : 0;
    hand_fire(hand, (uint32_t)u64_min(room, hand->options.fire_max), fresh);
    return more;
}

void hand_stop(struct hand *hand)
{
    hand->stopped = true;
}

bool hand_clean(const struct hand *hand)
{
    for (uint32_t i = 0; i < hand->partition_count; i++)
        if (may_commit(&hand->partitions[i]))
            return false;
    return !something_runs(hand) && !hand->commit_out;
}

uint64_t hand_next_ns(const struct hand *hand)
{
    if (hand->state == HAND_IDLE)
        return UINT64_MAX;
    uint64_t next_ns = hand->look_ns;
    if (hand->wheel_set && !hand->blocked && !hand->clock.held) {
        uint64_t due_ms = wheel_next_ns(&hand->wheel); /* its unit is ms */
        uint64_t now_ms = (uint64_t)hand->clock.now_ms;
        uint64_t wait_ms = due_ms > now_ms ? u64_min(due_ms - now_ms, 1000) : 0;
        next_ns = u64_min(next_ns, hand->now_ns + wait_ms * NS_PER_MS);
    }
    return next_ns;
}

void hand_gauge(const struct hand *hand, uint32_t index, struct hand_gauge *out)
{
    const struct hand_partition *p = &hand->partitions[index];
    const struct ring_reader *r = &p->reader;
    int64_t low = p->started ? r->window.low : i64_max(p->committed, 0);
    *out = (struct hand_gauge){
        .topic = p->topic,
        .partition = p->partition,
        .state = r->state,
        .lag = p->end < 0 ? -1 : i64_max(p->end - low, 0),
        .loaded = p->started ? r->loaded_count : 0,
        .out = p->out,
        .start_ms = p->started ? ring_slot_start_ms(&r->ring, r->cycle) : 0,
    };
}
