/* Outcomes counted by how they ended and why, as `why --stats` prints them. */
#pragma once

#include "carillon/v1/outcome.pb-c.h"

#include <stdint.h>
#include <stdio.h>

enum { TALLY_ROWS_MAX = 512, TALLY_REASON_MAX = 48 };

struct tally_row {
    Carillon__V1__OutcomeKind outcome;
    char reason[TALLY_REASON_MAX]; /* "" where there is none */
    uint64_t count, dup_risk;
};
struct tally {
    struct tally_row rows[TALLY_ROWS_MAX + 1]; /* the last one: what had no row any more */
    uint32_t row_count;
    uint64_t total, dup_risk, replays;
};

void tally_add(struct tally *tally, const Carillon__V1__Outcome *outcome);
/* By outcome in the order of the contract, the largest count first. */
void tally_sort(struct tally *tally);
void tally_print_text(const struct tally *tally, FILE *out);
/* One object on a line; times as RFC 3339. */
void tally_print_json(const struct tally *tally, int64_t from_ms, int64_t to_ms, FILE *out);
