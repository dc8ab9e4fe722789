/* Entries, their index by offset, and the cache of payloads.
 *
 * When the cache is full, the latest quarter of what it holds goes, by (when, offset), and
 * `until` remembers where: later payloads are not kept. Where that lies is asked of a sample,
 * so that nothing has to be kept in order; the walk that drops them is O(entries), and rare. A
 * pass raises `until` by what has room now, and reads the partitions again from the first that
 * is wanted. */
#include "stage/hand_parts.h"

#include "base/clock.h"

#include <stdlib.h>

enum {
    SAMPLE = 2048,
    SAMPLE_LEAST = 64,
    PASS_LEAST_MS = 200,  /* between two passes */
    PASS_AHEAD_MS = 5000, /* payloads are wanted so long before they are due */
    TEXT_LEAST = 64 * 1024,
};

static const struct hand_key no_key = {INT64_MAX, INT64_MAX};

/* Entries. */

struct hand_entry *hand_entry_at(const struct hand *hand, uint32_t number)
{
    CHECK(number > 0 && (number - 1) / HAND_SLAB < hand->slab_count);
    return &hand->slabs[(number - 1) / HAND_SLAB][(number - 1) % HAND_SLAB];
}

static uint32_t *cell_of(const struct hand_partition *p, int64_t offset)
{
    return &p->index[(uint64_t)offset & ((uint64_t)p->reader.window.words * 64 - 1)];
}

static uint64_t low_bits(int64_t offset)
{
    return (uint64_t)offset & ((UINT64_C(1) << HAND_OFFSET_BITS) - 1);
}

struct hand_entry *hand_entry_of(const struct hand *hand, const struct hand_partition *p,
                                 int64_t offset)
{
    if (offset < p->reader.window.low || offset >= p->reader.window.delivered)
        return NULL;
    uint32_t number = *cell_of(p, offset);
    return number ? hand_entry_at(hand, number) : NULL;
}

static void add_slab(struct hand *hand)
{
    struct hand_entry **slabs = realloc(hand->slabs, (hand->slab_count + 1) * sizeof(*slabs));
    CHECK(slabs); /* what is loaded cannot be refused: die, and another goes on */
    hand->slabs = slabs;
    struct hand_entry *slab = calloc(HAND_SLAB, sizeof *slab);
    CHECK(slab);
    slabs[hand->slab_count++] = slab;
    for (uint32_t i = HAND_SLAB; i-- > 0;) {
        slab[i].timer.due_ns = hand->unused;
        hand->unused = (hand->slab_count - 1) * HAND_SLAB + i + 1;
    }
}

struct hand_entry *hand_entry_new(struct hand *hand, struct hand_partition *p, int64_t offset)
{
    if (hand->unused == 0)
        add_slab(hand);
    uint32_t number = hand->unused;
    struct hand_entry *e = hand_entry_at(hand, number);
    hand->unused = (uint32_t)e->timer.due_ns;
    *e = (struct hand_entry){.partition = hand_number(hand, p) & (HAND_PARTITIONS_MAX - 1)};
    e->offset = low_bits(offset) & ((UINT64_C(1) << HAND_OFFSET_BITS) - 1);
    CHECK(*cell_of(p, offset) == 0);
    *cell_of(p, offset) = number;
    hand->loaded++;
    hand->without++;
    return e;
}

int64_t hand_offset_of(const struct hand *hand, const struct hand_entry *e)
{
    int64_t low = hand->partitions[e->partition].reader.window.low;
    return low + (int64_t)low_bits((int64_t)e->offset - low);
}

static void drop_payload(struct hand *hand, struct hand_entry *e)
{
    chunks_free(&hand->cache, e->payload);
    e->payload = 0;
    hand->without++;
}

void hand_entry_free(struct hand *hand, struct hand_entry *e)
{
    CHECK(!wheel_holds(&e->timer) && hand->loaded > 0);
    uint32_t *cell = cell_of(&hand->partitions[e->partition], hand_offset_of(hand, e));
    CHECK(hand_entry_at(hand, *cell) == e);
    if (e->payload)
        drop_payload(hand, e);
    e->timer.due_ns = hand->unused;
    hand->unused = *cell;
    *cell = 0;
    hand->loaded--;
    hand->without--;
}

struct hand_entry *hand_entry_next(const struct hand *hand, uint32_t *at)
{
    while (*at < hand->slab_count * HAND_SLAB) {
        struct hand_entry *e = hand_entry_at(hand, ++*at);
        if (wheel_holds(&e->timer))
            return e;
    }
    return NULL;
}

/* All partitions go, and give their memory back. */
void hand_drop_entries(struct hand *hand)
{
    for (uint32_t i = 0; i < hand->slab_count; i++)
        free(hand->slabs[i]);
    free(hand->slabs);
    hand->slabs = NULL;
    hand->slab_count = hand->unused = hand->loaded = hand->without = 0;
    hand->ready = hand->late = hand->bare = (struct list){0};
    hand->wheel_set = hand->passing = false;
    hand->until = no_key;
    chunks_init(&hand->cache, hand->memory, hand->cache.count);
}

void hand_grow_index(struct hand *hand, struct hand_partition *p, uint32_t words)
{
    uint32_t old_cells = p->reader.window.words * 64;
    uint32_t *index = calloc((size_t)words * 64, sizeof *index);
    CHECK(index);
    for (uint32_t i = 0; p->index && i < old_cells; i++)
        if (p->index[i])
            index[hand_entry_at(hand, p->index[i])->offset & ((uint64_t)words * 64 - 1)] =
                p->index[i];
    free(p->index);
    p->index = index;
}

/* Keys. */

static struct hand_key key_of(const struct hand *hand, const struct hand_entry *e, int64_t when_ms)
{
    return (struct hand_key){when_ms, hand_offset_of(hand, e)};
}

static bool is_before(struct hand_key a, struct hand_key b)
{
    return a.when_ms < b.when_ms || (a.when_ms == b.when_ms && a.offset < b.offset);
}

static int compare_keys(const void *a, const void *b)
{
    struct hand_key x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return is_before(x, y) ? -1 : is_before(y, x);
}

/* Of the entries that have a payload, or of those that have none, the key before which lies
 * that share; no_key: all of them do. */
static struct hand_key cut(const struct hand *hand, bool with, double share)
{
    struct hand_key keys[SAMPLE];
    uint32_t total = hand->slab_count * HAND_SLAB, count = 0;
    for (uint32_t step = total / SAMPLE + 1;; step /= 2) {
        count = 0;
        for (uint32_t at = 1 + step / 2; at <= total && count < SAMPLE; at += step) {
            const struct hand_entry *e = hand_entry_at(hand, at);
            if (wheel_holds(&e->timer) && (e->payload != 0) == with)
                keys[count++] = key_of(hand, e, hand_when(hand, e));
        }
        if (count >= SAMPLE_LEAST || step == 1)
            break;
    }
    uint32_t at = (uint32_t)(share * count);
    if (at >= count)
        return no_key;
    qsort(keys, count, sizeof keys[0], compare_keys);
    return keys[at];
}

/* Payloads. */

/* As it lies in the cache: head, then a size pair for each header, then all texts. */
struct payload_text {
    uint32_t key, value; /* sizes; NONE: there is none */
};
struct payload_head {
    struct payload_text texts;
    uint32_t header_count;
    int64_t timestamp_ms;
};
enum { PIECES_MAX = 4 + 2 * RECORD_HEADERS_MAX };
#define NONE UINT32_MAX

static uint32_t size_of(struct bytes b)
{
    return b.at ? (uint32_t)b.size : NONE;
}

static uint32_t put(struct hand *hand, const struct record *record)
{
    struct payload_text sizes[RECORD_HEADERS_MAX];
    struct bytes pieces[PIECES_MAX];
    struct payload_head head = {.texts = {size_of(record->key), size_of(record->value)},
                                .header_count = record->header_count,
                                .timestamp_ms = record->timestamp_ms};
    CHECK(record->header_count <= RECORD_HEADERS_MAX);
    pieces[0] = (struct bytes){(const char *)&head, sizeof head};
    pieces[1] = (struct bytes){(const char *)sizes, record->header_count * sizeof sizes[0]};
    pieces[2] = record->key;
    pieces[3] = record->value;
    for (uint32_t i = 0; i < record->header_count; i++) {
        const struct record_header *h = &record->headers[i];
        sizes[i] = (struct payload_text){(uint32_t)h->name.size, size_of(h->value)};
        pieces[4 + 2 * i] = h->name;
        pieces[5 + 2 * i] = h->value;
    }
    return chunks_put(&hand->cache, pieces, 4 + 2 * record->header_count);
}

static struct bytes next_text(const char **at, uint32_t size)
{
    struct bytes text = {size == NONE ? NULL : *at, size == NONE ? 0 : size};
    *at += text.size;
    return text;
}

void hand_payload(struct hand *hand, const struct hand_entry *e, struct record *out,
                  struct record_header headers[RECORD_HEADERS_MAX])
{
    size_t size = chunks_size(&hand->cache, e->payload);
    if (size > hand->text_max) {
        free(hand->text);
        hand->text_max = size > TEXT_LEAST ? size : TEXT_LEAST;
        hand->text = malloc(hand->text_max);
        CHECK(hand->text);
    }
    chunks_copy(&hand->cache, e->payload, hand->text);
    struct payload_head head;
    memcpy(&head, hand->text, sizeof head);
    const char *sizes = hand->text + sizeof head;
    const char *at = sizes + head.header_count * sizeof(struct payload_text);
    *out = (struct record){
        .headers = headers, .header_count = head.header_count, .timestamp_ms = head.timestamp_ms};
    out->key = next_text(&at, head.texts.key);
    out->value = next_text(&at, head.texts.value);
    for (uint32_t i = 0; i < head.header_count; i++) {
        struct payload_text text;
        memcpy(&text, sizes + i * sizeof text, sizeof text);
        headers[i].name = next_text(&at, text.key);
        headers[i].value = next_text(&at, text.value);
    }
    CHECK(at == hand->text + size);
}

/* The heaps are made anew by the way: a node cannot be taken out of their middle. */
static void evict(struct hand *hand)
{
    hand->chunks_each = hand->cache.used / hand->cache.strings + 1;
    hand->until = cut(hand, true, 0.75);
    hand->ready.first = hand->late.first = NULL;
    hand->ready.count = hand->late.count = 0;
    uint32_t at = 0;
    for (struct hand_entry *e = hand_entry_next(hand, &at); e; e = hand_entry_next(hand, &at)) {
        bool heaped = e->timer.node.owner == &hand->ready || e->timer.node.owner == &hand->late;
        int64_t when_ms = hand_when(hand, e);
        if (e->payload && !is_before(key_of(hand, e, when_ms), hand->until)) {
            drop_payload(hand, e);
            hand->stats.evicted++;
        }
        if (heaped)
            hand_replace(hand, e, hand_slack(hand, e));
    }
}

void hand_keep(struct hand *hand, struct hand_entry *e, int64_t when_ms,
               const struct record *record)
{
    struct hand_key key = key_of(hand, e, when_ms);
    CHECK(e->payload == 0);
    while (is_before(key, hand->until)) {
        uint32_t payload = put(hand, record);
        if (payload) {
            e->payload = payload & ((UINT32_C(1) << HAND_OFFSET_BITS) - 1);
            hand->without--;
            return;
        }
        CHECK(hand->cache.strings > 0); /* any record is smaller than the cache */
        evict(hand);
    }
}

/* Passes. */

static bool pass_is_wanted(struct hand *hand)
{
    if (hand->without == 0)
        hand->until = no_key;
    if (hand->passing || hand->without == 0 || hand->state != HAND_RUNNING ||
        hand->now_ns - hand->pass_ns < PASS_LEAST_MS * NS_PER_MS)
        return false;
    uint32_t room = chunks_room(&hand->cache), all = hand->cache.count;
    bool soon = hand->bare.count > 0 || hand->until.when_ms < hand->clock.now_ms + PASS_AHEAD_MS;
    return room >= all / 2 || (soon && room >= all / 8);
}

/* Each partition is read again from the first that is wanted to the last. */
static void find_wanted(struct hand *hand)
{
    uint32_t at = 0;
    for (struct hand_entry *e = hand_entry_next(hand, &at); e; e = hand_entry_next(hand, &at)) {
        struct hand_key key = key_of(hand, e, hand_when(hand, e));
        if (e->payload || !is_before(key, hand->until))
            continue;
        struct hand_partition *p = &hand->partitions[e->partition];
        p->again_from = p->again_from < 0 ? key.offset : i64_min(p->again_from, key.offset);
        p->again_to = i64_max(p->again_to, key.offset);
    }
}

void hand_pass(struct hand *hand)
{
    if (!pass_is_wanted(hand))
        return;
    double each = hand->chunks_each ? hand->chunks_each : 8;
    double fits = chunks_room(&hand->cache) / (each * hand->without);
    struct hand_key until = cut(hand, false, fits * 0.9);
    hand->until = is_before(hand->until, until) ? until : hand->until;
    hand->pass_ns = hand->now_ns;
    hand->stats.passes++;
    for (uint32_t i = 0; i < hand->partition_count; i++)
        hand->partitions[i].again_from = hand->partitions[i].again_to = -1;
    find_wanted(hand);
    for (uint32_t i = 0; i < hand->partition_count; i++) {
        struct hand_partition *p = &hand->partitions[i];
        if (p->again_from < 0)
            continue;
        hand->passing = true;
        if (p->reader.reading)
            feed_start(hand->options.feed, p->topic, p->partition, p->again_from, p->reader.pass);
    }
}
