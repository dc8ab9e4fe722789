/* Where an entry is until its event is made. What is loaded before its time goes through the
 * wheel; what is loaded late goes into a pairing heap, because lists of the wheel are in order
 * only for what comes in order: `ready` by its time, `late` (its slot is over) by slot, then
 * expiry. While both wait they take turns. */
#include "stage/hand_parts.h"

enum {
    SLACK_BITS = 21,     /* of a heap's rank, below the time */
    STEP_BACK_MS = 1000, /* the wheel is not made anew for less */
};
#define SLACK_MAX HAND_SLACK_MAX
_Static_assert(HAND_SLACK_MAX == (1 << SLACK_BITS) - 1, "a slack fits its bits");

static struct hand_entry *entry_of(struct list_node *node)
{
    return container_of(node, struct hand_entry, timer.node);
}

static bool is_heaped(const struct hand *hand, const struct hand_entry *e)
{
    return e->timer.node.owner == &hand->ready || e->timer.node.owner == &hand->late;
}

int64_t hand_when(const struct hand *hand, const struct hand_entry *e)
{
    return (int64_t)(is_heaped(hand, e) ? e->timer.due_ns >> SLACK_BITS : e->timer.due_ns);
}

uint32_t hand_slack(const struct hand *hand, const struct hand_entry *e)
{
    return is_heaped(hand, e) ? (uint32_t)(e->timer.due_ns & SLACK_MAX) : SLACK_MAX;
}

/* The heaps: of a node, next is its first child and prev its next sibling. */

static int64_t slot_start_ms(const struct hand *hand, const struct hand_entry *e, int64_t when_ms)
{
    const struct ring *ring = hand_ring(hand, &hand->partitions[e->partition]);
    return ring_slot_start_ms(ring, ring_slot_of(ring, when_ms));
}

static bool is_over(const struct hand *hand, const struct hand_entry *e, int64_t when_ms)
{
    return slot_start_ms(hand, e, when_ms) +
               hand_ring(hand, &hand->partitions[e->partition])->slot_ms <=
           hand->clock.now_ms;
}

static bool goes_before(const struct hand *hand, const struct list_node *a,
                        const struct list_node *b)
{
    const struct hand_entry *x = container_of(a, struct hand_entry, timer.node);
    const struct hand_entry *y = container_of(b, struct hand_entry, timer.node);
    if (a->owner == &hand->ready)
        return x->timer.due_ns <= y->timer.due_ns;
    int64_t x_ms = hand_when(hand, x), y_ms = hand_when(hand, y);
    int64_t x_slot = slot_start_ms(hand, x, x_ms), y_slot = slot_start_ms(hand, y, y_ms);
    if (x_slot != y_slot)
        return x_slot < y_slot;
    return x_ms + hand_slack(hand, x) * INT64_C(60000) <=
           y_ms + hand_slack(hand, y) * INT64_C(60000);
}

static struct list_node *meld(const struct hand *hand, struct list_node *a, struct list_node *b)
{
    if (!a || !b)
        return a ? a : b;
    if (!goes_before(hand, a, b)) {
        struct list_node *other = a;
        a = b, b = other;
    }
    b->prev = a->next;
    a->next = b;
    return a;
}

static void heap_put(struct hand *hand, struct list *heap, struct hand_entry *e, int64_t when_ms,
                     uint32_t slack_min)
{
    CHECK(!wheel_holds(&e->timer) && when_ms >= 0 && when_ms <= INT64_MAX >> SLACK_BITS);
    e->timer.due_ns = (uint64_t)when_ms << SLACK_BITS | slack_min;
    e->timer.node = (struct list_node){.owner = heap};
    heap->first = meld(hand, heap->first, &e->timer.node);
    heap->count++;
}

/* The root's children are melded in pairs, then all from the last to the first. */
static struct hand_entry *heap_pop(struct hand *hand, struct list *heap)
{
    struct list_node *root = heap->first, *pairs = NULL;
    for (struct list_node *a = root->next; a;) {
        struct list_node *b = a->prev, *rest = b ? b->prev : NULL;
        a->prev = NULL;
        if (b)
            b->prev = NULL;
        a = meld(hand, a, b);
        a->prev = pairs;
        pairs = a;
        a = rest;
    }
    heap->first = NULL;
    while (pairs) {
        struct list_node *rest = pairs->prev;
        pairs->prev = NULL;
        heap->first = meld(hand, heap->first, pairs);
        pairs = rest;
    }
    heap->count--;
    struct hand_entry *e = entry_of(root);
    int64_t when_ms = hand_when(hand, e);
    e->timer.node = (struct list_node){0};
    e->timer.due_ns = (uint64_t)when_ms;
    return e;
}

/* Where entries belong. */

void hand_place(struct hand *hand, struct hand_entry *e, int64_t when_ms, uint32_t slack_min)
{
    e->timer.due_ns = (uint64_t)when_ms;
    if (when_ms > hand->clock.now_ms)
        wheel_put(&hand->wheel, &e->timer, (uint64_t)when_ms);
    else if (!e->payload)
        list_push(&hand->bare, &e->timer.node);
    else if (is_over(hand, e, when_ms))
        heap_put(hand, &hand->late, e, when_ms, slack_min);
    else
        heap_put(hand, &hand->ready, e, when_ms, slack_min);
}

void hand_replace(struct hand *hand, struct hand_entry *e, uint32_t slack_min)
{
    int64_t when_ms = hand_when(hand, e);
    if (e->timer.node.owner == &hand->bare)
        list_remove(&hand->bare, &e->timer.node);
    e->timer.node = (struct list_node){0};
    hand_place(hand, e, when_ms, slack_min);
}

/* Started, or made anew because the clock stepped back: what the wheel takes for past lies
 * ahead again. Every list is begun anew, so the nodes' old neighbours do not matter. */
static void set_wheel(struct hand *hand)
{
    struct list none = {0};
    uint32_t at = 0;
    wheel_init(&hand->wheel, 1, (uint64_t)i64_max(hand->clock.now_ms, 0));
    hand->wheel_set = true;
    hand->ready = hand->late = hand->bare = none;
    for (uint32_t i = 0; i < hand->partition_count; i++)
        hand->partitions[i].held = none;
    for (struct hand_entry *e = hand_entry_next(hand, &at); e; e = hand_entry_next(hand, &at)) {
        int64_t when_ms = hand_when(hand, e);
        uint32_t slack_min = hand_slack(hand, e);
        e->timer.node = (struct list_node){0};
        hand_place(hand, e, when_ms, slack_min);
    }
}

void hand_keep_time(struct hand *hand)
{
    int64_t behind_ms = (int64_t)hand->wheel.tick - hand->clock.now_ms;
    if (!hand->wheel_set || behind_ms > STEP_BACK_MS)
        set_wheel(hand);
}

/* Firing. */

static int64_t far_day_of(const struct hand *hand, const struct hand_partition *p, int64_t due_ms)
{
    return hand->options.topics[p->topic].far ? ring_slot_of(hand_ring(hand, p), due_ms)
                                              : RING_NO_CYCLE;
}

/* An event of the entry; false: a large record for which no block is free. */
static bool open_event(struct hand *hand, struct hand_entry *e, struct list *fresh)
{
    struct hand_partition *p = &hand->partitions[e->partition];
    struct record record;
    struct record_header headers[RECORD_HEADERS_MAX];
    hand_payload(hand, e, &record, headers);
    struct event *event = event_open(hand->options.jobs, &record);
    if (!event)
        return false;
    event->from_ring = true;
    event->left_over = !hand->options.topics[p->topic].far && is_over(hand, e, hand_when(hand, e));
    event->source_partition = hand_number(hand, p);
    event->epoch = p->epoch;
    event->offset = hand_offset_of(hand, e);
    event->assigned_ms = hand->assigned_ms;
    event->far_day = far_day_of(hand, p, hand_due_of(hand, &record));
    event->origin = (struct claim_origin){
        .topic = bytes_of(hand->options.topics[p->topic].name),
        .partition = p->partition,
        .offset = event->offset,
    };
    list_push(fresh, &event->node);
    hand_entry_free(hand, e);
    p->out++;
    hand->stats.fired++;
    return true;
}

/* Left-overs and what is on time take turns here, where the room for jobs is shared; each
 * route's slots are shared in its queues (stage/schedule). */
static struct hand_entry *next_due(struct hand *hand)
{
    if (hand->late.count > 0 && (hand->late_turn || hand->ready.count == 0)) {
        hand->late_turn = false;
        return heap_pop(hand, &hand->late);
    }
    hand->late_turn = true;
    return hand->ready.count > 0 ? heap_pop(hand, &hand->ready) : NULL;
}

/* True: an event was made of it. */
static bool fire_one(struct hand *hand, struct hand_entry *e, struct list *fresh)
{
    struct hand_partition *p = &hand->partitions[e->partition];
    int64_t when_ms = hand_when(hand, e);
    if (p->waiters >= hand->options.waiters_max) {
        list_push(&p->held, &e->timer.node);
        return false;
    }
    hand->blocked =
        !ring_reader_may_fire(&p->reader, &hand->clock, when_ms) || !open_event(hand, e, fresh);
    if (hand->blocked)
        hand_place(hand, e, when_ms, SLACK_MAX);
    return !hand->blocked;
}

/* Moves what the wheel holds due to the heaps, as much as may be fired. */
static void take_due(struct hand *hand, uint32_t most)
{
    struct list due = {0};
    wheel_take(&hand->wheel, (uint64_t)hand->clock.now_ms, most, &due);
    for (struct list_node *n = list_pop(&due); n; n = list_pop(&due)) {
        struct hand_entry *e = entry_of(n);
        hand_place(hand, e, (int64_t)e->timer.due_ns, SLACK_MAX);
    }
}

static void let_held_go(struct hand *hand)
{
    for (uint32_t i = 0; i < hand->partition_count; i++) {
        struct hand_partition *p = &hand->partitions[i];
        while (p->held.count > 0 && p->waiters <= hand->options.waiters_max / 2) {
            struct hand_entry *e = entry_of(list_pop(&p->held));
            hand_place(hand, e, hand_when(hand, e), SLACK_MAX);
        }
    }
}

void hand_fire(struct hand *hand, uint32_t room, struct list *fresh)
{
    hand->blocked = room == 0 || hand->clock.held || hand->stopped || !hand->wheel_set ||
                    hand->state != HAND_RUNNING || (int64_t)hand->wheel.tick > hand->clock.now_ms;
    if (hand->blocked)
        return;
    let_held_go(hand);
    if (hand->ready.count < room)
        take_due(hand, room);
    while (room > 0 && !hand->blocked) {
        struct hand_entry *e = next_due(hand);
        if (!e)
            return;
        room -= fire_one(hand, e, fresh);
    }
    hand->blocked = true; /* room ended, or a block for a large record is awaited */
}
