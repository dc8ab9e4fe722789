/* Progress in Redis (domain/ring_hint): asked for when partitions come, and waited for a
 * little before they are started; written each second for those of which something was done
 * since, and once more when they go. */
#include "stage/hand_parts.h"

#include "base/clock.h"

#include <stdlib.h>

enum {
    PATIENCE_MS = 2000, /* for answers, once the partitions could start */
    EVERY_MS = 1000,
    NUMBER_BITS = 12,               /* of an answer's index: the partition; above: the assignment */
    TURN_BYTES = 2 * RING_HINT_MAX, /* leaves the pipeline to what is worth more */
};
_Static_assert(HAND_PARTITIONS_MAX == 1 << NUMBER_BITS, "a partition's number fits");
#define KEPT_MS "86400000" /* an outage longer than a day is paid with replays */

static uint32_t index_of(const struct hand *hand, uint32_t number)
{
    return (uint32_t)hand->hints.round << NUMBER_BITS | number;
}

static void on_answer(struct redis_waiter *waiter, uint32_t index, const struct redis_reply *reply)
{
    struct hand *hand = container_of(waiter, struct hand, hints.reader);
    uint32_t number = index & (HAND_PARTITIONS_MAX - 1);
    if (index != index_of(hand, number) || number >= hand->partition_count)
        return; /* of an earlier assignment */
    struct hand_partition *p = &hand->partitions[number];
    p->hint_answered = true;
    hand_touch(hand, p);
    if (p->started || !reply || reply->type != REDIS_TEXT || reply->text.size > RING_HINT_MAX)
        return;
    p->hint = (struct bytes){malloc(reply->text.size + 1), reply->text.size};
    CHECK(p->hint.at);
    memcpy((char *)(uintptr_t)p->hint.at, reply->text.at, reply->text.size);
}

static void on_written(struct redis_waiter *waiter, uint32_t index, const struct redis_reply *reply)
{
    struct hand *hand = container_of(waiter, struct hand, hints.writer);
    (void)index;
    hand->stats.hints_lost += !reply || reply->type == REDIS_ERROR;
}

void hand_hint_init(struct hand *hand)
{
    hand->hints.reader.done = on_answer;
    hand->hints.writer.done = on_written;
}

void hand_hint_assigned(struct hand *hand)
{
    hand->hints.round++;
    hand->hints.asked = 0;
    hand->hints.until_ns = 0;
}

static struct bytes key_of(const struct hand *hand, const struct hand_partition *p,
                           char at[RING_HINT_KEY_MAX])
{
    struct writer key = writer_of(at, RING_HINT_KEY_MAX);
    ring_hint_key(&key, bytes_of(hand->options.topics[p->topic].name), p->partition);
    CHECK(!key.overflow);
    return writer_bytes(&key);
}

static void ask(struct hand *hand)
{
    struct redis *redis = hand->options.redis;
    while (hand->hints.asked < hand->partition_count && redis_room(redis) > 1 &&
           redis_room_bytes(redis) > 2 * RING_HINT_KEY_MAX) {
        char at[RING_HINT_KEY_MAX];
        uint32_t number = hand->hints.asked++;
        const struct bytes get[] = {BYTES("GET"), key_of(hand, &hand->partitions[number], at)};
        redis_command(redis, get, countof(get), &hand->hints.reader, index_of(hand, number));
    }
}

bool hand_hint_is_in(struct hand *hand, struct hand_partition *p)
{
    if (!hand->options.redis || p->committed < 0)
        return true; /* nothing would be believed */
    if (hand->hints.until_ns == 0)
        hand->hints.until_ns = hand->now_ns + PATIENCE_MS * NS_PER_MS;
    if (hand->now_ns >= hand->hints.until_ns)
        return true;
    return p->hint_answered && (p->hint.size == 0 || p->end >= 0);
}

void hand_hint_drop(struct hand_partition *p)
{
    free((char *)(uintptr_t)p->hint.at);
    p->hint = (struct bytes){0};
}

/* True: it went, or there is nothing to write. */
static bool write_one(struct hand *hand, struct hand_partition *p)
{
    struct redis *redis = hand->options.redis;
    if (!p->hint_due || !p->started)
        return true;
    if (redis_room(redis) < 2 || redis_room_bytes(redis) < TURN_BYTES)
        return false;
    char at[RING_HINT_KEY_MAX];
    struct writer text = writer_of(hand->hints.text, RING_HINT_MAX);
    ring_hint_write(&text, p->reader.log, &p->reader.window);
    CHECK(!text.overflow);
    const struct bytes set[] = {BYTES("SET"), key_of(hand, p, at), writer_bytes(&text), BYTES("PX"),
                                BYTES(KEPT_MS)};
    redis_command(redis, set, countof(set), &hand->hints.writer, 0);
    p->hint_due = false;
    hand->stats.hints++;
    return true;
}

static void write_due(struct hand *hand)
{
    for (; hand->hints.next < hand->partition_count; hand->hints.next++)
        if (!write_one(hand, &hand->partitions[hand->hints.next]))
            return;
    hand->hints.next = 0;
    hand->hints.write_ns = hand->now_ns + EVERY_MS * NS_PER_MS;
}

void hand_hint_turn(struct hand *hand)
{
    if (!hand->options.redis)
        return;
    ask(hand);
    if (hand->now_ns >= hand->hints.write_ns)
        write_due(hand);
}

void hand_hint_last(struct hand *hand)
{
    hand->hints.next = 0;
    if (hand->options.redis)
        write_due(hand);
}
