/* A job's end as the records that tell it. */
#pragma once

#include "domain/outcome_record.h"
#include "stage/settle.h"

enum { SETTLE_DEAD_HEADERS_MAX = RECORD_HEADERS_MAX + 9 };

/* An outcome in the making; borrows from the job. */
struct settle_outcome {
    struct outcome_record record;
    struct outcome_gate gates[JUDGE_GATE_COUNT];
    char address_hash[ADDRESS_HASH_SIZE];
};
void settle_outcome_of(const struct settle *settle, struct job *job, struct settle_outcome *out);

struct settle_dead_headers {
    struct record_header at[SETTLE_DEAD_HEADERS_MAX];
    uint32_t count;
    char memory[128];
    struct writer texts; /* into memory */
};
void settle_dead_headers(const struct job *job, int64_t now_ms, struct settle_dead_headers *out);
