/* A log-linear histogram of microseconds: 32 steps per power of two, so a quantile is
 * at most 3.2 % above the truth. One writer (relaxed stores), any number of readers. */
#pragma once

#include "base/base.h"

enum { HIST_STEPS = 32, HIST_OCTAVES = 32, HIST_BUCKETS = HIST_STEPS * HIST_OCTAVES };

struct hist {
    _Atomic uint64_t at[HIST_BUCKETS];
    _Atomic uint64_t sum_us;
};

void hist_add(struct hist *hist, uint64_t us);
uint64_t hist_count(const struct hist *hist);

/* The smallest bound such that at least `part` (0..1) of the values lie at or below
 * it; 0 when empty. */
uint64_t hist_quantile_us(const struct hist *hist, double part);

/* How many values lie at or below us (whole buckets only). */
uint64_t hist_at_most(const struct hist *hist, uint64_t us);

/* Adds all of `from`; for merging shards into a reader's own copy. */
void hist_merge(struct hist *into, const struct hist *from);
