/* What the readers want is asked after something happened to them (they are touched), and of
 * all of them when the next time of one comes, at least once a second: hundreds rest. */
#include "stage/hand_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/prng.h"

#include <stdlib.h>

enum {
    READ_MAX = 1024,  /* records a turn */
    LOOK_MS = 1000,   /* all readers are asked at least so often */
    ENDS_MS = 10000,  /* all end offsets are */
    WORDS_LEAST = 16, /* of a window; it grows */
    PEEKS_MAX = 8,    /* at a time: what is due loads beside them, and buffers stay few */
};

/* What a record says of itself. */

/* Decimal digits, at most 15 of them. */
static bool number_of(struct bytes text, int64_t *n)
{
    *n = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        *n = *n * 10 + (text.at[i] - '0');
        if (*n > RING_DUE_MAX_MS)
            return false;
    }
    return text.size > 0 && text.size <= 15;
}

static bool header_number(const struct record *record, struct bytes name, int64_t *n)
{
    return number_of(record_header_of(record->headers, record->header_count, name), n);
}

int64_t hand_due_of(const struct hand *hand, const struct record *record)
{
    int64_t due_ms;
    return header_number(record, BYTES("carillon-due"), &due_ms) ? due_ms : hand->clock.now_ms;
}

static struct hand_says says(const struct hand *hand, const struct hand_partition *p,
                             const struct record *record)
{
    struct hand_says is = {.slack_min = HAND_SLACK_MAX};
    int64_t expires_ms, event_due_ms;
    is.is_deferral = header_number(record, BYTES("carillon-due"), &is.due_ms);
    if (!is.is_deferral)
        is.due_ms = hand->clock.now_ms;
    is.when_ms = is.due_ms;
    if (header_number(record, BYTES("carillon-expires"), &expires_ms) && expires_ms > 0)
        is.slack_min =
            (uint32_t)i64_min(i64_max(expires_ms - is.due_ms, 0) / 60000, HAND_SLACK_MAX - 1);
    /* A parked one is looked at then; another one as soon as the ring takes it. */
    if (hand->options.topics[p->topic].far && is.is_deferral &&
        !header_number(record, BYTES("carillon-event-due"), &event_due_ms))
        is.when_ms = i64_max(ring_admits_from_ms(&hand->options.ring, is.due_ms), 0);
    return is;
}

/* A partition begins. */

static void start_reader(struct hand *hand, struct hand_partition *p)
{
    const struct hand_topic *topic = &hand->options.topics[p->topic];
    struct ring ring = *hand_ring(hand, p);
    const struct ring_reader_start start = {.committed = i64_max(p->committed, 0),
                                            .metadata = p->metadata,
                                            .log = prng_next(&hand->options.seed),
                                            .hint = p->hint,
                                            .end = p->end};
    uint32_t words = ring_reader_words(&start);
    if (p->metadata.size > 0 && words == 0)
        log_event(LOG_WARN, "commit_metadata_unreadable", "topic=%s partition=%d", topic->name,
                  p->partition);
    words = (uint32_t)u64_max(words, WORDS_LEAST);
    p->bits = calloc(2 * (size_t)words, sizeof *p->bits);
    CHECK(p->bits);
    struct ring_reader_options options = {
        .ring = ring,
        .partition = p->partition,
        .lead_ms = i64_min(topic->far ? RING_FAR_LEAD_MS : hand->options.lead_ms, ring.slot_ms),
        .bits = p->bits,
        .words = words,
    };
    ring_reader_init(&p->reader, &options);
    hand_grow_index(hand, p, words);
    p->epoch = ++hand->epoch;
    p->started = true;
    ring_reader_assigned(&p->reader, &hand->clock, &start);
    free((char *)(uintptr_t)p->metadata.at);
    p->metadata = (struct bytes){0};
    hand_hint_drop(p);
    hand_touch(hand, p);
}

/* Of its topic's geometry, a generation's own is learnt from any record of it. */
static void start_if_known(struct hand *hand, struct hand_partition *p)
{
    if (p->started || hand->clock.held || hand_ring(hand, p)->slots == 0 ||
        !hand_hint_is_in(hand, p))
        return;
    if (p->probing)
        feed_stop(hand->options.feed, p->topic, p->partition);
    p->probing = false;
    start_reader(hand, p);
}

static void set_ring(struct hand *hand, uint32_t topic, const struct ring *ring)
{
    hand->topics[topic].ring = *ring;
    for (uint32_t i = 0; i < hand->partition_count; i++)
        if (hand->partitions[i].topic == topic)
            start_if_known(hand, &hand->partitions[i]);
}

static void probe(struct hand *hand, struct hand_partition *p)
{
    if (hand_ring(hand, p)->slots > 0 || p->probing || p->end <= i64_max(p->committed, 0))
        return;
    p->probing = true;
    feed_start(hand->options.feed, p->topic, p->partition, i64_max(p->committed, 0), 0);
}

static void on_probed(struct hand *hand, struct hand_partition *p, const struct feed_event *e)
{
    struct hand_topic_state *topic = &hand->topics[p->topic];
    struct ring ring;
    if (!p->probing || e->pass != 0 || topic->ring.slots > 0)
        return;
    if (e->kind == FEED_RECORD) {
        struct bytes text =
            record_header_of(e->record.headers, e->record.header_count, BYTES("carillon-ring"));
        if (ring_parse(text, &ring) == ERR_OK &&
            ring_partitions(&ring) == hand->options.topics[p->topic].partitions)
            set_ring(hand, p->topic, &ring);
        else
            topic->strange = true;
        return;
    }
    feed_stop(hand->options.feed, p->topic, p->partition);
    p->probing = false;
    if (!topic->strange)
        return;
    /* Nothing but strangers' records: any ring will do to make dead letters of them. */
    ring = (struct ring){hand->options.topics[p->topic].partitions, hand->options.ring.slot_ms, 1};
    if (ring_is_valid(&ring))
        set_ring(hand, p->topic, &ring);
}

/* The log ends before what was done of it: it was made anew. Read from its start once nothing
 * is loaded, with nothing known; commits stay above the floor. */
static void begin_again(struct hand *hand, struct hand_partition *p)
{
    struct ring_reader *r = &p->reader;
    log_limited(LOG_ERROR, "offsets_went_back", "topic=%s partition=%d from=%lld to=%lld",
                hand->options.topics[p->topic].name, p->partition, (long long)r->window.low,
                (long long)p->end);
    if (r->loaded_count > 0 || hand->clock.held)
        return;
    hand->stats.went_back++;
    ring_reader_off(r);
    const struct ring_reader_start start = {.log = prng_next(&hand->options.seed)};
    ring_reader_assigned(r, &hand->clock, &start);
    p->epoch = ++hand->epoch;
    p->out = p->stuck = p->waiters = 0;
}

/* What a reader wants. */

static void begin_reading(struct hand *hand, struct hand_partition *p,
                          const struct ring_reader_action *action)
{
    int64_t from = p->again_from < 0 ? action->from : i64_min(action->from, p->again_from);
    feed_start(hand->options.feed, p->topic, p->partition, from, action->pass);
    p->full = false;
}

static bool has_more(const struct hand_partition *p)
{
    return p->reader.state == RING_READER_PEEKING && (p->end < 0 || p->reader.next < p->end);
}

/* A peek that has something to read waits for its turn. */
static bool waits(const struct hand *hand, const struct hand_partition *p)
{
    return has_more(p) && !p->reader.met_later && !p->reader.reading &&
           (p->end < 0 || hand->peeks >= PEEKS_MAX);
}

static void count_peek(struct hand *hand, struct hand_partition *p)
{
    bool peeks = has_more(p) && p->reader.reading;
    if (p->peeks && !peeks)
        hand->look_ns = hand->now_ns; /* the next one may begin */
    hand->peeks += peeks;
    hand->peeks -= p->peeks;
    p->peeks = peeks;
}

static void follow(struct hand *hand, struct hand_partition *p)
{
    for (;;) {
        struct ring_reader_action action = ring_reader_next(&p->reader, &hand->clock);
        switch (action.what) {
        case RING_READER_DO_NOTHING:
            return;
        case RING_READER_DO_READ:
            begin_reading(hand, p, &action);
            break;
        case RING_READER_DO_STOP:
            feed_stop(hand->options.feed, p->topic, p->partition);
            break;
        case RING_READER_DO_ASK:
            p->asks = true;
            break;
        }
    }
}

static void serve(struct hand *hand, struct hand_partition *p)
{
    p->touched = false;
    start_if_known(hand, p);
    if (!p->started)
        return;
    ring_reader_turn(&p->reader, &hand->clock);
    if (!waits(hand, p))
        follow(hand, p);
    count_peek(hand, p);
}

/* When the clock alone changes what it does. */
static int64_t next_ms(const struct ring_reader *r, int64_t now_ms)
{
    int64_t next = ring_slot_start_ms(&r->ring, r->cycle + r->ring.slots) - r->lead_ms;
    int64_t until = ring_read_until_ms(&r->ring, r->cycle);
    return now_ms < until ? i64_min(next, until) : next;
}

static void look_at_all(struct hand *hand)
{
    int64_t wait_ms = LOOK_MS, now_ms = hand->clock.now_ms;
    bool all_ends = hand->now_ns - hand->ends_ns >= ENDS_MS * NS_PER_MS || hand->ends_ns == 0;
    if (all_ends)
        hand->ends_ns = hand->now_ns;
    for (uint32_t i = 0; i < hand->partition_count; i++) {
        struct hand_partition *p = &hand->partitions[i];
        hand_touch(hand, p);
        p->asks |= all_ends || (!p->started && p->end < 0);
        if (p->started)
            wait_ms = i64_min(wait_ms, i64_max(next_ms(&p->reader, now_ms) - now_ms, 1));
        if (p->full && p->reader.reading) {
            p->full = false;
            feed_start(hand->options.feed, p->topic, p->partition, p->reader.next, p->reader.pass);
        }
    }
    hand->look_ns = hand->now_ns + (uint64_t)wait_ms * NS_PER_MS;
}

/* End offsets. */

void hand_drop_asks(struct hand *hand)
{
    while (hand->asks) {
        struct hand_ask *ask = hand->asks;
        hand->asks = ask->next;
        free(ask);
    }
}

static void ask_ends(struct hand *hand)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < hand->partition_count; i++)
        count += hand->partitions[i].asks;
    if (count == 0)
        return;
    struct hand_ask *ask = malloc(sizeof *ask + count * sizeof ask->of[0]);
    struct feed_partition *list = malloc(count * sizeof *list);
    CHECK(ask && list);
    *ask = (struct hand_ask){.next = hand->asks, .id = ++hand->ask};
    for (uint32_t i = 0; i < hand->partition_count; i++) {
        struct hand_partition *p = &hand->partitions[i];
        if (!p->asks)
            continue;
        p->asks = false;
        list[ask->count] = (struct feed_partition){.topic = p->topic, .partition = p->partition};
        ask->of[ask->count++] = (struct hand_asked){i, ring_reader_asks(&p->reader, &hand->clock)};
    }
    hand->asks = ask;
    feed_ask(hand->options.feed, list, count, ask->id);
    free(list);
}

static void on_end(struct hand *hand, const struct hand_asked *asked, int64_t end)
{
    struct hand_partition *p = &hand->partitions[asked->partition];
    if (end < 0) {
        if (p->started && asked->asked.entry == p->reader.entry)
            ring_reader_end_failed(&p->reader);
        return;
    }
    p->end = end;
    hand_touch(hand, p);
    if (!p->started)
        probe(hand, p);
    else if (end < p->reader.window.low)
        begin_again(hand, p);
    else
        ring_reader_end(&p->reader, &asked->asked, end);
}

static void on_ends(struct hand *hand, const struct feed_event *e)
{
    struct hand_ask **at = &hand->asks;
    while (*at && (*at)->id != e->ask)
        at = &(*at)->next;
    struct hand_ask *ask = *at;
    if (!ask)
        return; /* of an earlier assignment */
    *at = ask->next;
    CHECK(ask->count == e->end_count);
    for (uint32_t i = 0; i < ask->count; i++)
        on_end(hand, &ask->of[i], e->ends[i].end);
    free(ask);
}

/* Records. */

static void grow(struct hand *hand, struct hand_partition *p)
{
    uint32_t words = 2 * p->reader.window.words;
    uint64_t *bits = calloc(2 * (size_t)words, sizeof *bits);
    CHECK(bits);
    hand_grow_index(hand, p, words);
    ring_reader_grow(&p->reader, bits, words);
    free(p->bits);
    p->bits = bits;
}

static void load(struct hand *hand, struct hand_partition *p, int64_t offset,
                 const struct hand_says *is, const struct record *record)
{
    struct hand_entry *e = hand_entry_new(hand, p, offset);
    hand_keep(hand, e, is->when_ms, record);
    hand_place(hand, e, is->when_ms, is->slack_min);
    hand->stats.loaded++;
}

/* A record that was loaded before and has no payload. */
static void load_again(struct hand *hand, struct hand_partition *p, int64_t offset,
                       const struct hand_says *is, const struct record *record)
{
    struct hand_entry *e = hand_entry_of(hand, p, offset);
    if (!e || e->payload)
        return;
    hand_keep(hand, e, hand_when(hand, e), record);
    if (!e->payload)
        return;
    hand->stats.again++;
    if (e->timer.node.owner == &hand->bare)
        hand_replace(hand, e, is->slack_min);
}

static void on_record(struct hand *hand, struct hand_partition *p, const struct feed_event *e)
{
    struct hand_says is = says(hand, p, &e->record);
    enum ring_reader_seen seen = ring_reader_seen(&p->reader, e->pass, e->offset, is.due_ms);
    while (seen == RING_READER_FULL && p->reader.window.words < WINDOW_WORDS_MAX) {
        grow(hand, p);
        seen = ring_reader_seen(&p->reader, e->pass, e->offset, is.due_ms);
    }
    switch (seen) {
    case RING_READER_LOAD:
        load(hand, p, e->offset, &is, &e->record);
        break;
    case RING_READER_SKIP:
        if (e->pass == p->reader.pass && p->reader.reading)
            load_again(hand, p, e->offset, &is, &e->record);
        break;
    case RING_READER_FULL:
        p->full = true;
        feed_stop(hand->options.feed, p->topic, p->partition);
        break;
    case RING_READER_PASS:
        hand_touch(hand, p); /* it may have met what it peeked for */
        break;
    }
}

/* A pass has come so far in the partition. */
static void came_to(struct hand *hand, struct hand_partition *p, int64_t offset)
{
    if (p->again_from < 0 || offset < p->again_to)
        return;
    p->again_from = p->again_to = -1;
    hand->passing = false;
    for (uint32_t i = 0; i < hand->partition_count; i++)
        hand->passing |= hand->partitions[i].again_from >= 0;
}

static void on_read(struct hand *hand, const struct feed_event *e)
{
    struct hand_partition *p = hand_find(hand, e->topic, e->partition);
    if (!p || hand->state != HAND_RUNNING)
        return;
    if (!p->started) {
        on_probed(hand, p, e);
        return;
    }
    if (e->pass != p->reader.pass)
        return;
    if (e->kind == FEED_RECORD) {
        on_record(hand, p, e);
    } else {
        ring_reader_reached(&p->reader, e->pass, e->offset);
        hand_touch(hand, p);
    }
    came_to(hand, p, e->offset);
}

bool hand_read(struct hand *hand)
{
    for (uint32_t i = 0; i < READ_MAX; i++) {
        struct feed_event e;
        feed_take(hand->options.feed, &e);
        switch (e.kind) {
        case FEED_NONE:
            return false;
        case FEED_IDLE:
            break;
        case FEED_RECORD:
        case FEED_REACHED:
            on_read(hand, &e);
            break;
        case FEED_ENDS:
            on_ends(hand, &e);
            break;
        }
    }
    return true;
}

void hand_serve(struct hand *hand)
{
    if (hand->now_ns >= hand->look_ns)
        look_at_all(hand);
    while (hand->touched_count > 0)
        serve(hand, &hand->partitions[hand->touched[--hand->touched_count]]);
    ask_ends(hand);
}
