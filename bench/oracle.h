/* The judge: rows of the journals and topics in, violations out. Pure, so that a test can
 * plant each violation. The invariants and how they are judged: reliability, section 7.4.
 * Judged per (leg_id, origin); the first outcome counts. */
#pragma once

#include "journal.h"

#include "carillon/v1/outcome.pb-c.h"

#define INVARIANT_LIST(X)                                                                         \
    X(I1, "I1", "complete: each acknowledged record has its ends, each leg one")                  \
    X(I2, "I2", "no invention: every call and outcome is of a record, with its text and address") \
    X(I3, "I3", "agreement: what is told is what the provider saw")                               \
    X(I4, "I4", "once: no repeat that is not told")                                               \
    X(I5, "I5", "one idempotency key a leg")                                                      \
    X(I9, "I9", "no route above its limit")                                                       \
    X(I10, "I10", "no commit before the ends or deferrals that it covers, none backwards")        \
    X(I12, "I12", "never early")

enum invariant {
#define X(name, text, help) INVARIANT_##name,
    INVARIANT_LIST(X)
#undef X
        INVARIANT_COUNT
};

struct origin {
    char topic[64];
    int32_t partition;
    int64_t offset;
};

struct outcome_row {
    struct origin origin;
    char event_id[48], leg_id[72], reason[32], provider_message_id[64];
    uint8_t channel; /* enum sim_channel; the contract's numbers are the same */
    Carillon__V1__OutcomeKind outcome;
    uint32_t attempts;
    bool dup_risk, replay;
    int64_t append_ms; /* the broker's clock */
    int32_t partition; /* of the outcome topic: an event's outcomes are in one, in order */
    int64_t offset;
};

struct letter_row {
    struct origin origin; /* of the record that it is about */
    char reason[32];
    int64_t append_ms;
};

/* A record of a deferral topic: the event, or some of its legs, waits there. */
struct deferral_row {
    struct origin origin; /* of the first record */
    struct origin place;  /* its own */
    uint32_t seq;         /* of the hop, from 1; the first record has 0 */
    uint32_t channels;    /* of the legs that wait, a bit each; 0: all */
    int64_t time_ms;      /* of producing, so before its acknowledgement */
    int64_t due_ms;       /* no first byte before */
    bool timed;           /* it waits for a time, and not because of a route */
};

struct commit_row {
    char group[64], topic[64], metadata[4100];
    int32_t partition;
    int64_t value;   /* everything before it is done */
    int64_t time_ms; /* the broker's clock */
};

/* What the nemesis did: `worker`, `redis` or `kafka` was killed (or `stop`ped). */
struct fault_row {
    int64_t time_ms;
    char what[16];
    int64_t until_ms; /* when it served again */
};

struct limit_row {
    char route[40]; /* a prefix of the journal's routes */
    double per_second;
};

struct oracle {
    struct load_record *loads;
    size_t load_count;
    struct sim_record *calls;
    size_t call_count;
    struct outcome_row *outcomes;
    size_t outcome_count;
    struct letter_row *letters;
    size_t letter_count;
    struct deferral_row *deferrals;
    size_t deferral_count;
    struct commit_row *commits;
    size_t commit_count;
    struct fault_row *faults;
    size_t fault_count;
    struct limit_row *limits;
    size_t limit_count;
    const char *prefix; /* of the topics' names */
    FILE *report;       /* a line for each violation, and the summary; NULL: silent */
    uint32_t lines_max; /* violations told per invariant; 0: all */

    uint64_t checked[INVARIANT_COUNT], violations[INVARIANT_COUNT];
    struct oracle_counts {
        uint64_t by_outcome[16], replays, dup_risk, claims_lost, flips, lost_claim_repeats;
        uint64_t accepted, extra_accepts, extra_bound, uncommitted, letters, copies;
        int64_t latency_p50_ms, latency_p99_ms, latency_max_ms;
    } counts;
};

/* Sorts the rows, judges all, prints the summary. False: something is violated. */
bool oracle_judge(struct oracle *o);

/* For the parts of the judge. */
void oracle_violation(struct oracle *o, enum invariant which, const char *event, const char *format,
                      ...) PRINTF_LIKE(4, 5);
int origin_compare(const struct origin *a, const struct origin *b);
struct outcome_range {
    const struct outcome_row *at;
    size_t count;
};
/* All outcomes of the record, leg by leg, in their order. */
struct outcome_range oracle_outcomes_of(const struct oracle *o, const struct origin *origin);
struct deferral_range {
    const struct deferral_row *at;
    size_t count;
};
/* All deferrals that come of the record. */
struct deferral_range oracle_deferrals_of(const struct oracle *o, const struct origin *origin);
/* The record's earliest dead letter; NULL: it has none. */
const struct letter_row *oracle_letter_of(const struct oracle *o, const struct origin *origin);
bool oracle_has_fault(const struct oracle *o, const char *what);
struct origin origin_of_load(const struct load_record *load);

void oracle_judge_records(struct oracle *o); /* I1 I3 I4 */
void oracle_judge_calls(struct oracle *o);   /* I2 I5 I12, latencies */
void oracle_judge_rates(struct oracle *o);   /* I9 */
void oracle_judge_commits(struct oracle *o); /* I10 */

/* Calls of a token on a channel, in their order. */
struct call_range {
    const struct sim_record *at;
    size_t count;
};
struct call_range oracle_calls_of(const struct oracle *o, const char *token, uint8_t channel);

/* A commit's metadata, `1|worker|base64url of varint run lengths from the watermark (open,
 * done, open ...)`: fills `done` for the offsets behind the watermark. Empty text is fine.
 * False: it is not of that form. */
bool metadata_decode(const char *text, uint8_t *done, size_t max) MUST_USE;
