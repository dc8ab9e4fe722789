/* Outcomes as they are read from their topic: of several that tell one end of one leg the
 * first counts (a replay tells again what was told, unless it is the only one). */
#pragma once

#include "base/arena.h"
#include "carillon/v1/outcome.pb-c.h"
#include "command.h"

/* Protobuf or JSON. NULL: it is no outcome, or does not fit the arena. */
const Carillon__V1__Outcome *outcome_decode(struct bytes value, struct arena *arena);
int64_t outcome_settled_ms(const Carillon__V1__Outcome *outcome); /* 0: it does not say */

/* The ends that were met, 8 to 16 bytes each. Two of n are taken for one with a
 * probability of n^2 / 2^65: 3 in a million for ten million. */
struct ends {
    uint64_t *rows;
    size_t max, count; /* max: a power of two */
};
/* Whether this is the first outcome of its leg_id and origin; remembers it. */
bool ends_add(struct ends *ends, const Carillon__V1__Outcome *outcome);
void ends_clear(struct ends *ends);
void ends_free(struct ends *ends);

struct outcomes_wish {
    const struct config *config;
    struct bytes tenant;    /* size 0: all */
    int64_t from_ms, to_ms; /* settled_at is in [from, to) */
    /* Each that counts, partition after partition. The outcome stays for the call. */
    void (*take)(void *context, const Carillon__V1__Outcome *outcome);
    void *context;
};
struct outcomes_read {
    uint64_t records, unreadable;
    uint32_t partitions;
};
/* The exit code. Says on standard error what went wrong. */
MUST_USE int outcomes_walk(const struct outcomes_wish *wish, struct outcomes_read *read);
