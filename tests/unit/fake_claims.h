/* A gate that is open while the test says so, and Redis's clock: NOW_MS at NOW_NS. Stands
 * in for what other stages ask of stage/claims.h, at link time. */
#pragma once

#include "stage/claims.h"
#include "unit/stage_world.h"

static const struct claim_rules fake_rules = {.start_window_ms = 2000,
                                              .request_deadline_ms = 10000,
                                              .skew_ms = 500,
                                              .command_ms = 2000,
                                              .dedup_window_ms = INT64_C(72) * 3600 * 1000,
                                              .foreign_wait_ms = 600000};

static inline void fake_gate(struct claims *claims, bool open)
{
    claims->gate.state = open ? GATE_OPEN : GATE_AWAY;
    claims->gate.clock.offset_ns = NOW_MS * (int64_t)MS_NS - (int64_t)NOW_NS;
}

bool claims_open(const struct claims *claims)
{
    return claims->gate.state == GATE_OPEN;
}

int64_t claims_now_ms(const struct claims *claims, uint64_t now_ns)
{
    return ((int64_t)now_ns + claims->gate.clock.offset_ns) / (int64_t)MS_NS;
}

struct claim_world claims_world(const struct claims *claims, uint64_t now_ns)
{
    return (struct claim_world){.rules = &fake_rules, .now_ms = claims_now_ms(claims, now_ns)};
}
