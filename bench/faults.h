/* What the simulated provider does to which request: a draw from a hash of seed,
 * token, channel and attempt, so that a run can be repeated. */
#pragma once

#include "journal.h"

struct faults {
    uint64_t seed;
    double rate[SIM_ACTION_COUNT];
    bool any;
};

/* `reset=0.005`; `all=0.02` spreads over the faults of a request but reject, and refuses
 * so many connections. */
bool faults_set(struct faults *f, const char *value) MUST_USE;

/* `dice` gets 64 further bits for whatever else the action decides. */
enum sim_action faults_draw(const struct faults *f, const char *token, uint8_t channel,
                            uint16_t attempt, uint64_t *dice);

/* Is this new connection refused? */
bool faults_refuse(const struct faults *f, uint64_t connection);
