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
    uint32_t saved;        /* came while a text of several segments waits for its last one */
    uint64_t used, wasted; /* since start; reserved = used + wasted + left + saved */
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

/* When `units` slots could be used: the time of the last of them (a text of several
 * segments costs as many, and never leaves ahead of what was granted; slots that come
 * before its last one are saved for it). At or before now_ns: now. UINT64_MAX: more must
 * be reserved. Throws away what came too late. */
uint64_t slots_when_ns(struct slots *slots, uint32_t units, uint64_t now_ns);

/* Uses them: slots_when_ns just said so. */
void slots_use(struct slots *slots, uint32_t units);
