/* A small seeded generator (splitmix64, Steele et al. 2014) for jitter, tests and
 * simulations. Never for secrets. */
#pragma once

#include "base/base.h"

static inline uint64_t prng_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Uniform in [0, bound); the bias is below 2^-32 for the bounds used here. */
static inline uint64_t prng_upto(uint64_t *state, uint64_t bound)
{
    return bound == 0 ? 0 : prng_next(state) % bound;
}
