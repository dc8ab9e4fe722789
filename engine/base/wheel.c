/* A timer lies on the level of the highest base-64 digit in which its tick differs
 * from the wheel's, in the slot of that digit. So lower levels always come first, and
 * advancing jumps from one occupied slot to the next: a slot of level 0 is due, one of
 * a higher level is dealt out again when the wheel reaches its start.
 *
 * Timers with the same due time always share a list, in the order they were put. Order by
 * due time is made only of what is due, by runs that are merged: the left-overs of an outage
 * come in any order, a million of them. */
#include "base/wheel.h"

#include <stdio.h>

enum { DIGIT_BITS = 6, DIGIT_MASK = WHEEL_SLOTS - 1 };

static uint32_t digit_of(uint64_t tick, uint32_t level)
{
    return (uint32_t)(tick >> (level * DIGIT_BITS)) & DIGIT_MASK;
}

static uint64_t tick_of(const struct wheel *wheel, uint64_t due_ns)
{
    return due_ns / wheel->tick_ns + (due_ns % wheel->tick_ns != 0); /* up: never early */
}

static uint32_t level_of(const struct wheel *wheel, uint64_t tick)
{
    uint64_t differs = tick ^ wheel->tick;
    CHECK(differs != 0);
    uint32_t level = (uint32_t)(63 - __builtin_clzll(differs)) / DIGIT_BITS;
    return level < WHEEL_LEVELS ? level : WHEEL_LEVELS - 1;
}

static struct wheel_timer *timer_of(struct list_node *node)
{
    return container_of(node, struct wheel_timer, node);
}

/* --- what is due: sorted runs ------------------------------------------------------ */

static uint64_t due_ns_of(const struct list_node *node)
{
    return container_of(node, const struct wheel_timer, node)->due_ns;
}

/* Of two that are due at the same time, the older run's goes first. */
static void merge(struct list *older, struct list *newer, struct list *into)
{
    while (older->count > 0 && newer->count > 0)
        list_push(into,
                  list_pop(due_ns_of(newer->first) < due_ns_of(older->first) ? newer : older));
    list_move(older, into);
    list_move(newer, into);
}

/* As a counter in base 2 counts up: two runs of one rank become one of the next. What comes
 * in order, as most does, only makes the newest run longer. */
static void put_due(struct wheel *wheel, struct wheel_timer *timer)
{
    struct list carry = {0}, merged;
    uint32_t rank = wheel->due_runs ? (uint32_t)__builtin_ctz(wheel->due_runs) : 0;
    wheel->due_count++;
    if (wheel->due_runs && due_ns_of(wheel->due[rank].last) <= timer->due_ns) {
        list_push(&wheel->due[rank], &timer->node);
        return;
    }
    list_push(&carry, &timer->node);
    for (rank = 0; wheel->due_runs >> rank & 1 && rank < WHEEL_RUNS - 1; rank++) {
        merged = (struct list){0};
        merge(&wheel->due[rank], &carry, &merged);
        list_move(&merged, &carry);
        wheel->due_runs &= ~(UINT32_C(1) << rank);
    }
    merged = (struct list){0};
    merge(&wheel->due[rank], &carry, &merged);
    list_move(&merged, &wheel->due[rank]);
    wheel->due_runs |= UINT32_C(1) << rank;
}

static struct list_node *pop_due(struct wheel *wheel)
{
    uint32_t best = 0;
    for (uint32_t left = wheel->due_runs; left; left &= left - 1) {
        uint32_t rank = (uint32_t)__builtin_ctz(left);
        if (left == wheel->due_runs ||
            due_ns_of(wheel->due[rank].first) <= due_ns_of(wheel->due[best].first))
            best = rank;
    }
    struct list_node *node = list_pop(&wheel->due[best]);
    if (wheel->due[best].count == 0)
        wheel->due_runs &= ~(UINT32_C(1) << best);
    wheel->due_count--;
    return node;
}

/* --- what is not ------------------------------------------------------------------- */

void wheel_init(struct wheel *wheel, uint64_t tick_ns, uint64_t now_ns)
{
    CHECK(tick_ns > 0);
    *wheel = (struct wheel){.tick_ns = tick_ns, .tick = now_ns / tick_ns};
}

static void place(struct wheel *wheel, struct wheel_timer *timer)
{
    uint64_t tick = tick_of(wheel, timer->due_ns);
    if (tick <= wheel->tick) {
        put_due(wheel, timer);
        return;
    }
    uint32_t level = level_of(wheel, tick), digit = digit_of(tick, level);
    list_push(&wheel->slots[level][digit], &timer->node);
    wheel->occupied[level] |= UINT64_C(1) << digit;
}

void wheel_put(struct wheel *wheel, struct wheel_timer *timer, uint64_t due_ns)
{
    timer->due_ns = due_ns;
    place(wheel, timer);
    wheel->count++;
}

void wheel_remove(struct wheel *wheel, struct wheel_timer *timer)
{
    struct list *l = timer->node.owner;
    CHECK(l != NULL);
    list_remove(l, &timer->node);
    wheel->count--;
    bool due = l >= wheel->due && l < wheel->due + WHEEL_RUNS;
    wheel->due_count -= due;
    if (l->count > 0)
        return;
    if (due) {
        wheel->due_runs &= ~(UINT32_C(1) << (l - wheel->due));
        return;
    }
    size_t at = (size_t)(l - &wheel->slots[0][0]);
    CHECK(at < (size_t)WHEEL_LEVELS * WHEEL_SLOTS);
    wheel->occupied[at / WHEEL_SLOTS] &= ~(UINT64_C(1) << at % WHEEL_SLOTS);
}

/* The next occupied slot after the wheel's tick; false when there is none. */
static bool next_slot(const struct wheel *wheel, uint32_t *level, uint32_t *digit, uint64_t *start)
{
    for (uint32_t l = 0; l < WHEEL_LEVELS; l++) {
        uint32_t at = digit_of(wheel->tick, l);
        uint64_t later = at == DIGIT_MASK ? 0 : wheel->occupied[l] & ~UINT64_C(0) << (at + 1);
        if (later == 0)
            continue;
        uint32_t above = (l + 1) * DIGIT_BITS;
        *level = l;
        *digit = (uint32_t)__builtin_ctzll(later);
        *start = (wheel->tick >> above << above) | (uint64_t)*digit << (l * DIGIT_BITS);
        return true;
    }
    return false;
}

/* Advances to the next occupied slot if that lies at or before `last`. */
static bool step(struct wheel *wheel, uint64_t last)
{
    uint32_t level, digit;
    uint64_t start;
    if (!next_slot(wheel, &level, &digit, &start) || start > last) {
        wheel->tick = u64_max(wheel->tick, last);
        return false;
    }
    wheel->tick = start;
    wheel->occupied[level] &= ~(UINT64_C(1) << digit);
    struct list *slot = &wheel->slots[level][digit];
    for (struct list_node *n = list_pop(slot); n; n = list_pop(slot))
        place(wheel, timer_of(n));
    return true;
}

void wheel_take(struct wheel *wheel, uint64_t now_ns, uint32_t most, struct list *out)
{
    uint64_t last = now_ns / wheel->tick_ns;
    do {
        while (wheel->due_count > 0 && most > 0) {
            list_push(out, pop_due(wheel));
            wheel->count--;
            most--;
        }
    } while (most > 0 && step(wheel, last));
}

uint64_t wheel_next_ns(const struct wheel *wheel)
{
    uint32_t level, digit;
    uint64_t start;
    if (wheel->due_count > 0)
        return 0;
    return next_slot(wheel, &level, &digit, &start) ? start * wheel->tick_ns : UINT64_MAX;
}

static uint32_t validate_due(const struct wheel *wheel)
{
    uint32_t count = 0;
    for (uint32_t rank = 0; rank < WHEEL_RUNS; rank++) {
        const struct list *run = &wheel->due[rank];
        CHECK((run->count > 0) == (wheel->due_runs >> rank & 1));
        count += run->count;
        for (struct list_node *n = run->first; n; n = n->next) {
            CHECK(tick_of(wheel, due_ns_of(n)) <= wheel->tick);
            CHECK(n->prev == NULL || due_ns_of(n->prev) <= due_ns_of(n));
        }
    }
    CHECK(count == wheel->due_count);
    return count;
}

void wheel_validate(const struct wheel *wheel)
{
    uint32_t count = validate_due(wheel);
    for (uint32_t l = 0; l < WHEEL_LEVELS; l++) {
        for (uint32_t d = 0; d < WHEEL_SLOTS; d++) {
            const struct list *slot = &wheel->slots[l][d];
            CHECK((slot->count > 0) == (wheel->occupied[l] >> d & 1));
            count += slot->count;
            for (struct list_node *n = slot->first; n; n = n->next) {
                uint64_t tick = tick_of(wheel, timer_of(n)->due_ns);
                CHECK(tick > wheel->tick);
                CHECK(level_of(wheel, tick) == l);
                CHECK(digit_of(tick, l) == d);
            }
        }
    }
    CHECK(count == wheel->count);
}

void wheel_dump(const struct wheel *wheel)
{
    fprintf(stderr, "wheel: tick %llu, %u timers, %u due\n", (unsigned long long)wheel->tick,
            wheel->count, wheel->due_count);
    for (uint32_t l = 0; l < WHEEL_LEVELS; l++)
        for (uint32_t d = 0; d < WHEEL_SLOTS; d++)
            if (wheel->slots[l][d].count > 0)
                fprintf(stderr, "  level %u slot %u: %u\n", l, d, wheel->slots[l][d].count);
}
