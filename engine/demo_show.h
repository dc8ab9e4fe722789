/* What the demo counts, and how it shows it: a line while it runs, a summary at the end.
 * All numbers come from the worker's own metrics. */
#pragma once

#include "base/base.h"
#include "domain/kinds.h"

#include <stdio.h>

struct worker;

enum { SHOW_OUTCOMES = 9, SHOW_CHANNELS = 4, SHOW_VERDICTS_MAX = 32 };

struct show_counts {
    uint64_t records, legs, in_hand, revoked, dead_records, lag;
    uint64_t outcomes[SHOW_OUTCOMES][SHOW_CHANNELS];
    uint64_t reasons[REASON_COUNT];
    uint64_t calls, throttled;
    uint64_t p50_us, p90_us, p99_us, p999_us;
};
void show_read(const struct worker *worker, struct show_counts *out);

/* Every leg in the books has ended or is in hand. */
bool show_adds_up(const struct show_counts *counts);
/* All records were consumed, have ended and are committed. */
bool show_is_settled(const struct show_counts *counts, uint64_t records);
uint64_t show_sent(const struct show_counts *counts);

struct show {
    FILE *out;
    bool live; /* a terminal: the line is written anew in its place */
    bool line; /* one stands there */
    uint64_t next_ns;
};
struct show show_open(FILE *out);
/* At most so often as the output can bear. */
void show_progress(struct show *show, uint64_t now_ns, double seconds, uint64_t of,
                   const struct show_counts *counts);
/* Ends the line that is written anew. */
void show_break(struct show *show);
void show_summary(struct show *show, const struct show_counts *counts, double cpu_us);
