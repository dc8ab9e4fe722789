/* A job's end as the records that tell it. */
#pragma once

#include "domain/outcome_record.h"
#include "stage/settle.h"

enum { SETTLE_DEAD_HEADERS_MAX = RECORD_HEADERS_MAX + 9 };

/* An outcome in the making; borrows from the job. */
struct settle_outcome {
    struct outcome_record record;
    char address_hash[ADDRESS_HASH_SIZE];
};
/* What the gates that concern the kind said, encoded into OUTCOME_GATES_BYTES of memory. */
struct bytes settle_gates_of(const struct settle *settle, const struct kind_row *kind,
                             uint32_t refused_by, char *memory);
void settle_outcome_of(const struct settle *settle, struct job *job, struct settle_outcome *out);

struct settle_dead_headers {
    struct record_header at[SETTLE_DEAD_HEADERS_MAX];
    uint32_t count;
    char memory[128];
    struct writer texts; /* into memory */
};
void settle_dead_headers(const struct job *job, int64_t now_ms, struct settle_dead_headers *out);

/* --- deferrals (settle_defer.c) --- */

enum settle_told {
    SETTLE_PUT,
    SETTLE_FULL, /* the sink is: later */
    SETTLE_BACK, /* it is not deferred after all: it waits in memory */
};
MUST_USE enum settle_told settle_tell_deferral(struct settle *settle, struct job *job);
/* Whether it was acknowledged; else it goes on in memory. */
MUST_USE bool settle_deferral_reported(struct settle *settle, struct job *job, enum err err);
/* Whether the acknowledgement counts by a clock read after it was taken; else the same. */
MUST_USE bool settle_deferral_counts(struct settle *settle, struct job *job,
                                     const struct ring_clock *clock);

/* --- stand-ins (settle_stand_in.c) --- */

/* Whether the report is of one. */
bool settle_stand_in_reported(struct settle *settle, const struct sink_report *report);

/* The record: borrows from the job and the event. */
struct settle_deferral {
    struct deferral is;
    struct bytes key;
    struct record_header headers[DEFERRAL_HEADERS_MAX + RECORD_HEADERS_MAX];
    uint32_t header_count;
    char key_memory[DEFERRAL_KEY_MAX], text[DEFERRAL_TEXT_MAX];
};
void settle_deferral_of(const struct job *job, const struct ring *ring,
                        const struct ring_place *place, struct settle_deferral *out);
