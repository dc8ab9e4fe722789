/* A job's end as the records that tell it. */
#pragma once

#include "stage/settle.h"

enum { SETTLE_RECORD_MAX = 64 * 1024, SETTLE_HEADERS_MAX = RECORD_HEADERS_MAX + 12 };

struct settle_headers {
    struct record_header at[SETTLE_HEADERS_MAX];
    uint32_t count;
    char memory[2048];
    struct writer texts; /* into memory */
};

/* False: it does not fit. */
MUST_USE bool settle_write_outcome(const struct settle *settle, const struct job *job,
                                   struct writer *out);
void settle_outcome_headers(const struct settle *settle, const struct job *job,
                            struct settle_headers *out);
void settle_dead_headers(const struct job *job, int64_t now_ms, struct settle_headers *out);
