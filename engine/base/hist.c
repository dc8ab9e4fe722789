#include "base/hist.h"

#include <math.h>
#include <stdatomic.h>

/* Values below 32 have a bucket each; above, the five bits after the leading one. */
static uint32_t bucket_of(uint64_t us)
{
    if (us < HIST_STEPS)
        return (uint32_t)us;
    uint32_t exponent = 63 - (uint32_t)__builtin_clzll(us);
    uint32_t step = (uint32_t)(us >> (exponent - 5)) & (HIST_STEPS - 1);
    uint32_t bucket = (exponent - 4) * HIST_STEPS + step;
    return bucket < HIST_BUCKETS ? bucket : HIST_BUCKETS - 1;
}

static uint64_t upper_us(uint32_t bucket)
{
    if (bucket < HIST_STEPS)
        return bucket;
    uint32_t shift = bucket / HIST_STEPS - 1;
    return ((uint64_t)(HIST_STEPS + bucket % HIST_STEPS + 1) << shift) - 1;
}

static void add(_Atomic uint64_t *at, uint64_t n)
{
    atomic_store_explicit(at, atomic_load_explicit(at, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *at)
{
    return atomic_load_explicit(at, memory_order_relaxed);
}

void hist_add(struct hist *hist, uint64_t us)
{
    add(&hist->at[bucket_of(us)], 1);
    add(&hist->sum_us, us);
}

uint64_t hist_count(const struct hist *hist)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < HIST_BUCKETS; i++)
        count += get(&hist->at[i]);
    return count;
}

uint64_t hist_quantile_us(const struct hist *hist, double part)
{
    uint64_t count = hist_count(hist), seen = 0;
    if (count == 0)
        return 0;
    uint64_t want = u64_max(1, (uint64_t)ceil(part * (double)count));
    for (uint32_t i = 0; i < HIST_BUCKETS; i++) {
        seen += get(&hist->at[i]);
        if (seen >= want)
            return upper_us(i);
    }
    return upper_us(HIST_BUCKETS - 1);
}

uint64_t hist_at_most(const struct hist *hist, uint64_t us)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < HIST_BUCKETS && upper_us(i) <= us; i++)
        count += get(&hist->at[i]);
    return count;
}

void hist_merge(struct hist *into, const struct hist *from)
{
    for (uint32_t i = 0; i < HIST_BUCKETS; i++)
        add(&into->at[i], get(&from->at[i]));
    add(&into->sum_us, get(&from->sum_us));
}
