/* Records are taken one by one, straight into the pool, and only while it has room. What
 * must be refused after all (the window is full, no large block is free) is not kept aside:
 * the partition is paused and read again from there, so that no record is ever held
 * outside window and pool.
 *
 * Pausing throws away what librdkafka had fetched, so a partition stays paused for at
 * least a second, and until half of what was short is free again. The urgent lane is not
 * paused for want of jobs: it holds only records, so it is simply not drained. */
#include "stage/consume_parts.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>

enum {
    TAKE_MAX = 512,        /* records of a lane and turn */
    PAUSE_LEAST_MS = 1000, /* a partition is not toggled more often */
};

enum err consume_init(struct consume *consume, const struct consume_options *options)
{
    *consume = (struct consume){.options = *options};
    struct consume_options *o = &consume->options;
    if (o->window_max == 0 || o->window_max > WINDOW_SPAN / 2)
        o->window_max = WINDOW_SPAN / 2;
    if (o->waiters_max == 0)
        o->waiters_max = o->window_max / 8;
    if (o->commit_interval_ms == 0)
        o->commit_interval_ms = 1000;
    if (o->revoke_wait_ms == 0)
        o->revoke_wait_ms = 1000;
    consume->index = calloc(o->topic_count, sizeof consume->index[0]);
    return consume->index ? ERR_OK : ERR_NO_MEMORY;
}

void consume_drop(struct consume *consume)
{
    for (uint32_t i = 0; i < consume->options.topic_count; i++) {
        free(consume->index[i].at);
        consume->index[i].at = NULL;
        consume->index[i].count = 0;
    }
    free(consume->partitions);
    free(consume->bits);
    free(consume->metadata);
    free(consume->scratch);
    consume->partitions = NULL;
    consume->bits = NULL;
    consume->metadata = NULL;
    consume->scratch = NULL;
    consume->partition_count = 0;
    consume->state = CONSUME_IDLE;
    consume->commit_out = consume->commit_last = consume->dirty = false;
}

void consume_deinit(struct consume *consume)
{
    consume_drop(consume);
    free(consume->index);
}

struct consume_partition *consume_find(struct consume *consume, uint32_t topic, int32_t partition)
{
    if (partition < 0 || (uint32_t)partition >= consume->index[topic].count)
        return NULL;
    uint32_t i = consume->index[topic].at[partition];
    return i == UINT32_MAX ? NULL : &consume->partitions[i];
}

/* The event's partition, if it still is the one that the event came from. */
static struct consume_partition *partition_of(const struct consume *consume,
                                              const struct event *event)
{
    if (event->source_partition >= consume->partition_count)
        return NULL;
    struct consume_partition *p = &consume->partitions[event->source_partition];
    return p->epoch == event->epoch ? p : NULL;
}

/* Assignment. */

static void index_partitions(struct consume *consume)
{
    for (uint32_t i = 0; i < consume->partition_count; i++) {
        const struct consume_partition *p = &consume->partitions[i];
        uint32_t *count = &consume->index[p->topic].count;
        *count = (uint32_t)u64_max(*count, (uint64_t)p->partition + 1);
    }
    for (uint32_t t = 0; t < consume->options.topic_count; t++) {
        uint32_t count = consume->index[t].count;
        consume->index[t].at = malloc((count + 1) * sizeof(uint32_t));
        CHECK(consume->index[t].at);
        for (uint32_t i = 0; i < count; i++)
            consume->index[t].at[i] = UINT32_MAX;
    }
    for (uint32_t i = 0; i < consume->partition_count; i++) {
        const struct consume_partition *p = &consume->partitions[i];
        consume->index[p->topic].at[p->partition] = i;
    }
}

static void start_partition(struct consume *consume, uint32_t i, struct source_partition *from)
{
    struct consume_partition *p = &consume->partitions[i];
    if (from->offset >= WINDOW_OFFSET_MAX)
        from->offset = -1; /* nobody was ever there */
    *p = (struct consume_partition){
        .topic = from->topic,
        .partition = from->partition,
        .epoch = ++consume->epoch,
        .floor = i64_max(from->offset, 0),
        .return_to = -1,
    };
    window_init(&p->window, consume->bits + (size_t)i * WINDOW_WORDS, p->floor);
    if (from->offset >= 0 && from->metadata.size > 0 &&
        window_decode(&p->window, from->metadata, NULL) != ERR_OK)
        log_event(LOG_WARN, "commit_metadata_unreadable", "topic=%s partition=%d offset=%lld",
                  consume->options.topics[p->topic], p->partition, (long long)p->floor);
}

static void on_assigned(struct consume *consume, const struct source_event *event, int64_t now_ms)
{
    uint32_t count = event->partition_count;
    CHECK(consume->state == CONSUME_IDLE);
    consume->partitions = calloc(count + 1, sizeof consume->partitions[0]);
    consume->bits = calloc(count + 1, WINDOW_WORDS * sizeof consume->bits[0]);
    consume->metadata = malloc((size_t)(count + 1) * WINDOW_METADATA_MAX);
    consume->scratch = calloc(count + 1, sizeof consume->scratch[0]);
    CHECK(consume->partitions && consume->bits && consume->metadata && consume->scratch);
    consume->partition_count = count;
    consume->assigned_ms = now_ms;
    for (uint32_t i = 0; i < count; i++) {
        consume->scratch[i] = event->partitions[i];
        start_partition(consume, i, &consume->scratch[i]);
    }
    index_partitions(consume);
    source_assign(consume->options.source, consume->scratch, count);
    consume->state = count > 0 ? CONSUME_RUNNING : CONSUME_IDLE;
    consume->pool_short = false;
    consume->stats.rebalances++;
    log_event(LOG_INFO, "partitions_assigned", "count=%u", count);
}

/* Pauses. */

static uint32_t without(uint32_t reasons, enum consume_pause reason)
{
    return reasons & ~(uint32_t)reason;
}

static void serve_pauses(struct consume *consume)
{
    struct source_partition *list = consume->scratch;
    uint32_t count = 0;
    for (uint32_t i = 0; i < consume->partition_count; i++) {
        struct consume_partition *p = &consume->partitions[i];
        if (p->paused == 0 || p->is_paused)
            continue;
        list[count++] = (struct source_partition){.topic = p->topic, .partition = p->partition};
        p->is_paused = true;
        p->paused_ns = consume->now_ns;
    }
    if (count > 0)
        source_pause(consume->options.source, list, count);
    count = 0;
    for (uint32_t i = 0; i < consume->partition_count; i++) {
        struct consume_partition *p = &consume->partitions[i];
        if (!p->is_paused || without(p->paused, PAUSE_RETURN) != 0 ||
            consume->now_ns - p->paused_ns < PAUSE_LEAST_MS * NS_PER_MS)
            continue;
        if (p->return_to >= 0)
            source_seek(consume->options.source, p->topic, p->partition, p->return_to);
        list[count++] = (struct source_partition){.topic = p->topic, .partition = p->partition};
        p->return_to = -1;
        p->paused = 0;
        p->is_paused = false;
    }
    if (count > 0)
        source_resume(consume->options.source, list, count);
}

/* Finds what is short by now, and what is not any more. */
static void judge_pauses(struct consume *consume, uint32_t room)
{
    const struct consume_options *o = &consume->options;
    if (consume->stopped || room <= o->room_max / 8)
        consume->pool_short = true;
    else if (room >= o->room_max / 2)
        consume->pool_short = false;
    for (uint32_t i = 0; i < consume->partition_count; i++) {
        struct consume_partition *p = &consume->partitions[i];
        if (!o->urgent[p->topic])
            p->paused =
                consume->pool_short ? p->paused | PAUSE_POOL : without(p->paused, PAUSE_POOL);
        if (p->window.open_count >= o->window_max || window_room(&p->window) == 0)
            p->paused |= PAUSE_WINDOW;
        else if (p->window.open_count <= o->window_max / 2 &&
                 window_room(&p->window) >= WINDOW_SPAN / 2)
            p->paused = without(p->paused, PAUSE_WINDOW);
        if (p->waiters > o->waiters_max)
            p->paused |= PAUSE_WAITERS;
        else if (p->waiters <= o->waiters_max / 2)
            p->paused = without(p->paused, PAUSE_WAITERS);
    }
    serve_pauses(consume);
}

void consume_wait(struct consume *consume, const struct event *event, bool begins)
{
    struct consume_partition *p = partition_of(consume, event);
    if (!p)
        return;
    CHECK(begins || p->waiters > 0);
    p->waiters = begins ? p->waiters + 1 : p->waiters - 1;
}

/* Records. */

static void return_record(struct consume *consume, struct consume_partition *p, int64_t offset)
{
    p->return_to = offset;
    p->paused |= PAUSE_RETURN;
    consume->stats.returned++;
}

/* The log goes back: cut, or made anew. What is read now is new; commits stay above the
 * floor. */
static void begin_again(struct consume *consume, struct consume_partition *p, int64_t offset)
{
    log_limited(LOG_ERROR, "offsets_went_back", "topic=%s partition=%d from=%lld to=%lld",
                consume->options.topics[p->topic], p->partition, (long long)p->window.delivered,
                (long long)offset);
    window_init(&p->window, p->window.bits, offset);
    p->epoch = ++consume->epoch;
    p->waiters = p->abandoned = 0;
    consume->stats.went_back++;
}

static bool on_record(struct consume *consume, const struct source_event *e, bool room,
                      struct list *fresh)
{
    struct consume_partition *p = consume_find(consume, e->topic, e->partition);
    if (!p || consume->state != CONSUME_RUNNING || p->return_to >= 0)
        return false; /* whoever owns it, or the return, reads it again */
    if (!room) {
        return_record(consume, p, e->offset);
        return false;
    }
    enum err err = window_add(&p->window, e->offset);
    if (err == ERR_INVALID && e->offset >= 0 && e->offset < WINDOW_OFFSET_MAX) {
        begin_again(consume, p, e->offset);
        err = window_add(&p->window, e->offset);
    }
    if (err == ERR_NOT_FOUND) {
        consume->stats.skipped++;
        p->dirty = consume->dirty = true;
        return false;
    }
    struct event *event = err == ERR_OK ? event_open(consume->options.jobs, &e->record) : NULL;
    if (!event) {
        if (err == ERR_OK)
            window_take_back(&p->window, e->offset);
        return_record(consume, p, e->offset);
        return false;
    }
    event->source_partition = (uint32_t)(p - consume->partitions);
    event->epoch = p->epoch;
    event->offset = e->offset;
    event->assigned_ms = consume->assigned_ms;
    event->urgent = consume->options.urgent[p->topic];
    event->origin = (struct claim_origin){
        .topic = bytes_of(consume->options.topics[p->topic]),
        .partition = e->partition,
        .offset = e->offset,
    };
    list_push(fresh, &event->node);
    consume->stats.records++;
    return true;
}

void consume_complete(struct consume *consume, const struct event *event)
{
    struct consume_partition *p = partition_of(consume, event);
    if (!p) {
        consume->stats.late++;
        return;
    }
    window_complete(&p->window, event->offset);
    p->dirty = consume->dirty = true;
    consume->complete_count++;
}

void consume_abandon(struct consume *consume, const struct event *event)
{
    struct consume_partition *p = partition_of(consume, event);
    if (p)
        p->abandoned++;
}

bool consume_revoked(struct consume *consume)
{
    bool marked = consume->revoke_marked;
    consume->revoke_marked = false;
    return marked;
}

/* The turn. */

static bool take_lane(struct consume *consume, enum source_lane lane, int64_t now_ms,
                      uint32_t *room, struct list *fresh)
{
    bool had_room = *room > 0;
    for (uint32_t i = 0; i < TAKE_MAX; i++) {
        struct source_event e;
        if (*room == 0 && (had_room || lane == SOURCE_URGENT))
            return false; /* what comes next waits in the lane */
        source_take(consume->options.source, lane, &e);
        switch (e.kind) {
        case SOURCE_NONE:
            return false;
        case SOURCE_IDLE:
        case SOURCE_END:
            break;
        case SOURCE_RECORD:
            *room -= on_record(consume, &e, *room > 0, fresh);
            break;
        case SOURCE_ASSIGNED:
            on_assigned(consume, &e, now_ms);
            break;
        case SOURCE_REVOKED:
            consume_on_revoked(consume, e.lost);
            break;
        case SOURCE_COMMITTED:
            consume_on_committed(consume, &e);
            break;
        }
    }
    return true;
}

bool consume_take(struct consume *consume, uint64_t now_ns, int64_t now_ms, uint32_t room,
                  struct list *fresh)
{
    consume->now_ns = now_ns;
    if (consume->stopped)
        room = 0;
    judge_pauses(consume, room);
    bool more = take_lane(consume, SOURCE_URGENT, now_ms, &room, fresh);
    uint32_t reserve = consume->options.room_max / 8;
    uint32_t rest = room > reserve ? room - reserve : 0;
    more |= take_lane(consume, SOURCE_MAIN, now_ms, &rest, fresh);
    if (consume->state == CONSUME_RUNNING)
        consume_serve_commits(consume);
    else if (consume->state == CONSUME_REVOKING)
        consume_serve_revocation(consume);
    return more;
}

void consume_stop(struct consume *consume)
{
    consume->stopped = true;
}

bool consume_clean(const struct consume *consume)
{
    return !consume_something_runs(consume) && !consume->dirty && !consume->commit_out;
}

/* Gauges. */

void consume_gauge(struct consume *consume, uint32_t index, struct consume_gauge *out)
{
    struct consume_partition *p = &consume->partitions[index];
    int64_t end = source_end_offset(consume->options.source, p->topic, p->partition);
    if (p->window.open_count == 0)
        p->low_ns = 0;
    else if (p->low_ns == 0 || p->watched_low != p->window.low)
        p->low_ns = consume->now_ns;
    p->watched_low = p->window.low;
    *out = (struct consume_gauge){
        .topic = p->topic,
        .partition = p->partition,
        .lag = end < 0 ? -1 : i64_max(end - p->window.low, 0),
        .open = p->window.open_count,
        .paused = p->paused,
        .stands_ns = p->low_ns ? consume->now_ns - p->low_ns : 0,
    };
}
