/* Send times reserved for this shard on one route (design section 6): runs of equally
 * spaced instants that Redis granted. A slot may be used from its time until `late_ns`
 * after it and then is lost: hoarded slots could be spent in one instant, which is
 * what the limit forbids. Times are monotonic; the caller converts. */
#pragma once

#include "base/base.h"

enum { SLOTS_RUNS_MAX = 8 };

struct slots_run {
    uint64_t first_ns;
    uint64_t interval_ns;
    uint32_t left;
};

struct slots {
    struct slots_run runs[SLOTS_RUNS_MAX]; /* in order of time */
    uint32_t run_count;
    uint64_t late_ns;
    uint64_t used, wasted; /* since start; reserved = used + wasted + slots_left */
};

void slots_init(struct slots *slots, uint64_t late_ns);

/* Whether another run can be kept. */
static inline bool slots_room(const struct slots *slots)
{
    return slots->run_count < SLOTS_RUNS_MAX;
}

/* Adds a run that begins after the last one's end. */
void slots_put(struct slots *slots, uint64_t first_ns, uint64_t interval_ns, uint32_t count);

/* How many could still be used, now or later. */
uint32_t slots_left(const struct slots *slots);

/* Throws away what is too late at now_ns. */
void slots_expire(struct slots *slots, uint64_t now_ns);

/* Takes `units` slots of which the last has come (a text of several segments costs as
 * many: never ahead of what was granted). False: none now; *next_ns says when to ask
 * again, UINT64_MAX when nothing is left to wait for. */
MUST_USE bool slots_take(struct slots *slots, uint32_t units, uint64_t now_ns, uint64_t *next_ns);
