/* A hierarchical timer wheel: O(1) put and remove, ticks of a millisecond, seven
 * levels of 64 slots (139 years); O(log n) for those that are due and not taken yet, in
 * whatever order they came. The caller owns the timers, which are intrusive; a
 * timer is in the wheel, or in the list that wheel_take filled, or nowhere.
 *
 * Never early: a timer is handed out once now_ns >= due_ns. In order: by tick, and by
 * due_ns inside a tick, ties in the order of putting. */
#pragma once

#include "base/list.h"

enum { WHEEL_LEVELS = 7, WHEEL_SLOTS = 64, WHEEL_RUNS = 32 };

struct wheel_timer {
    struct list_node node;
    uint64_t due_ns;
};

struct wheel {
    uint64_t tick; /* everything due at or before it was handed out, or lies in `due` */
    uint64_t tick_ns;
    uint32_t count, due_count;
    uint32_t due_runs;           /* bits: which hold some */
    struct list due[WHEEL_RUNS]; /* each in order; a later one was put earlier */
    uint64_t occupied[WHEEL_LEVELS];
    struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

void wheel_init(struct wheel *wheel, uint64_t tick_ns, uint64_t now_ns);
void wheel_put(struct wheel *wheel, struct wheel_timer *timer, uint64_t due_ns);
void wheel_remove(struct wheel *wheel, struct wheel_timer *timer); /* must be in the wheel */

static inline bool wheel_holds(const struct wheel_timer *timer)
{
    return timer->node.owner != NULL;
}

/* Moves what is due at now_ns to `out` (nodes of struct wheel_timer), at most `most`. */
void wheel_take(struct wheel *wheel, uint64_t now_ns, uint32_t most, struct list *out);

/* When to look again: not later than the first due time, UINT64_MAX when empty. */
uint64_t wheel_next_ns(const struct wheel *wheel);

void wheel_validate(const struct wheel *wheel); /* CHECKs every timer's place; O(n) */
void wheel_dump(const struct wheel *wheel);     /* slots in use, to standard error */
