/* Just before sending: one pipelined round trip per batch reads recipient and booking
 * state, takes each leg's claim, asks for the claims of channels left out, and reads
 * the epoch key last. Before a refusal the same, asking only.
 *
 * A job goes in by admit_put or admit_ask (JOB_ADMITTING from then on) and comes out of
 * admit_take in exactly one list. Nothing goes in while the gate is shut: admit_room
 * is 0 then. */
#pragma once

#include "domain/judge.h"
#include "stage/claims.h"
#include "stage/job.h"

struct claims;
struct tenants;

enum { ADMIT_BATCH_MAX = 256, ADMIT_BATCHES = 4 };

struct admit_options {
    struct redis *redis;
    struct claims *claims;
    struct tenants *tenants;
    struct jobs *jobs;
    const struct judge *judge;
    /* Cap on waiters for foreign claims, per source partition; 0: 1024. */
    uint32_t foreign_max;
    bool resend[CLASS_COUNT]; /* the policy per class */
};

struct admit_batch;

struct admit {
    struct admit_options options;
    struct admit_batch *batches; /* ADMIT_BATCHES of them */
    struct list queued;          /* jobs that wait for a free batch */
    struct list ready, again, done, rejudge;
    uint32_t pending;
};

MUST_USE enum err admit_init(struct admit *admit, const struct admit_options *options);
void admit_deinit(struct admit *admit);

/* How many jobs may be put now; 0 while the gate is shut. */
uint32_t admit_room(const struct admit *admit);
uint32_t admit_pending(const struct admit *admit); /* jobs inside */
/* Due legs, to be claimed; jobs that carry a refusal's end are asked for instead. */
void admit_put(struct admit *admit, uint64_t now_ns, struct list *due);
/* Jobs whose end is a refusal of decode or judge. */
void admit_ask(struct admit *admit, uint64_t now_ns, struct list *refused);
/* ready: claimed, send within check_ttl. again: wait until due_ns, then put again
 * (a claim in force elsewhere, a reply that was lost). done: ended, nothing more to
 * write to the claim. rejudge: the settings changed; judge the event anew (all its jobs
 * that were here come in this list). */
void admit_take(struct admit *admit, uint64_t now_ns, int64_t wall_ms, struct list *ready,
                struct list *again, struct list *done, struct list *rejudge);
