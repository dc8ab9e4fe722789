/* One partition of each generation of a ring as a model: its log, what its group has
 * committed, who owns it, and messages that are deferred into it. What must hold is checked
 * where it would break: an early send, an unexplained second one, a commit or a mark that
 * speaks for a record nobody is done with. */
#pragma once

#include "domain/ring_reader.h"

enum { LOGS = 2, RECORDS = 6, MESSAGES = 2, READERS = 2, NOBODY = 255, METADATA = 64 };
enum { SLOT = 4, LEAD = 2, MIN_DELAY = 1 };

/* Both hold what is due in 20 ... 23, in their first and in their second cycle. */
static const struct ring model_rings[LOGS] = {{4, SLOT, 1}, {5, SLOT, 1}};
static const int32_t model_partitions[LOGS] = {1, 0};

struct model_record {
    uint8_t message;
    bool relied; /* its deferral counted: nobody else has the message */
    bool closed; /* its end was acknowledged, or a deferral in its place counts */
    int16_t due;
};

struct model_log {
    struct model_record records[RECORDS];
    uint8_t count, owner;
    int16_t committed;
    uint8_t metadata_size, hint_size, names;
    char metadata[METADATA], hint[METADATA];
};

/* A record in hand: the event that is deferred first, or a loaded one of a log. */
enum hand {
    HAND_EMPTY,
    HAND_OPEN,     /* in the wheel */
    HAND_SENT,     /* fired; its end is not acknowledged */
    HAND_OUT,      /* its deferral is on the way */
    HAND_APPENDED, /* in the log, not acknowledged */
    HAND_OVER,
};

struct hand_of {
    enum hand hand;
    uint8_t message, log; /* where its deferral goes */
    int16_t due, at;      /* when it fires; the deferral's place in the log */
    int16_t slot_end;     /* of the deferral */
};

struct model_message {
    int16_t due; /* not before */
    uint8_t sends, deferrals;
};

static inline void model_append(struct model_log *log, struct hand_of *h)
{
    CHECK(log->count < RECORDS);
    h->at = log->count;
    log->records[log->count++] = (struct model_record){.message = h->message, .due = h->due};
    h->hand = HAND_APPENDED;
}

/* NULL, or what is wrong with the commit. */
static inline const char *model_commit(struct model_log *log, int64_t offset, struct bytes metadata)
{
    uint64_t bits[1];
    struct window w;
    if (offset > log->count)
        return "a commit beyond the end";
    CHECK(metadata.size <= METADATA);
    log->committed = (int16_t)offset;
    log->metadata_size = (uint8_t)metadata.size;
    memcpy(log->metadata, metadata.at, metadata.size);
    window_init_words(&w, bits, 1, offset);
    uint32_t bars = 0;
    for (size_t i = 0; i < metadata.size; i++)
        if (metadata.at[i] == '|' && ++bars == 3)
            metadata.size = i;
    if (window_decode(&w, metadata, NULL) != ERR_OK)
        return "metadata that cannot be read";
    for (int64_t o = 0; o < log->count; o++) {
        bool open = o >= w.low && (o >= w.end || (bits[0] >> (o % 64) & 1));
        if (!open && !log->records[o].closed)
            return "a commit passes an open record";
    }
    return NULL;
}
