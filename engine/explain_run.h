/* What the events of one run of `explain` do to each other: caps (C9), the additional
 * reminder that yields (O2), and repetitions (O1). Takes the judged events in their
 * order, in a compact form; then says of each leg whether the others refuse it. */
#pragma once

#include "domain/judge.h"
#include "keyed.h"

struct run_leg {
    struct keyed_key once;   /* O1: tenant, dedup key, channel, address */
    struct keyed_key minute; /* O2 */
    struct keyed_key cap;    /* C9: who is counted, for which class */
    int64_t not_before_ms, window_end_ms;
    uint32_t previous; /* another that went under the same `once`: index + 1 */
    uint8_t part;      /* enum once_part */
    bool goes;         /* as far as its own event says */
    bool capped_first; /* C9 comes before what refused it, or it goes */
    uint8_t refused;   /* enum judge_gate + 1: C9, O2, O1; 0: the others let it be */
};

struct run_event {
    const struct tenant *tenant;
    Carillon__V1__Class class;
    uint32_t first_leg, leg_count;
    bool has_customer; /* one count for the event; else each leg's address has its own */
};

struct run_count {     /* an event that was counted under a cap */
    uint32_t previous; /* under the same key: index + 1 */
    int64_t at_ms;
};

struct run {
    struct run_event *events;
    struct run_leg *legs;
    struct run_count *counts;
    uint32_t event_count, leg_count, count_count;
    uint32_t event_max, leg_max, count_max;
    struct keyed holders; /* once -> leg index + 1 */
    struct keyed counted; /* cap -> count index + 1 */
    struct keyed kept;    /* minutes that a reminder took, in the pass before */
    struct keyed keeps;   /* and in this one */
};

/* Remembers a judged event; false: no memory. */
bool run_add(struct run *run, const struct judge *rules, const struct judge_case *c);
/* Once all are added; false: no memory. */
bool run_settle(struct run *run);
/* Lets the others' refusals into a case that was judged again: the `index`-th added. */
void run_apply(const struct run *run, uint32_t index, struct judge_case *c);
void run_free(struct run *run);
