/* Just before sending: one pipelined round trip per batch takes each leg's claim, asks
 * for the claims of channels left out, reads recipient and booking state and the
 * settings' versions, and last the epoch key. Before a refusal the same, asking only.
 * Then the rules judge once more, with the state.
 *
 * A job goes in by admit_put or admit_ask (JOB_ADMITTING from then on) and comes out of
 * admit_take in exactly one list. Nothing goes in while the gate is shut: admit_room
 * is 0 then, and what is inside comes out to wait. */
#pragma once

#include "base/metrics.h"
#include "domain/judge.h"
#include "stage/claims.h"
#include "stage/job.h"

struct tenants;

enum { ADMIT_BATCH_MAX = 256, ADMIT_BATCHES = 4 };

struct admit_options {
    struct redis *redis;
    struct claims *claims;
    struct tenants *tenants;
    struct jobs *jobs;
    const struct judge *judge;
    struct metrics *metrics;
    bool resend[CLASS_COUNT]; /* the policy per class */
};

struct admit_batch;

struct admit {
    struct admit_options options;
    struct admit_batch *batches; /* ADMIT_BATCHES of them */
    struct list idle, answered;  /* of struct admit_batch; the others are out */
    struct list queued;          /* jobs that wait for a batch */
    struct list ready, again, done, rejudge;
    uint32_t pending;             /* jobs queued or in a batch */
    struct arena scratch;         /* for what one event's turn needs */
    struct redis_waiter given_up; /* answers that nobody waits for */
    uint64_t random;              /* nonces */
    uint64_t asked_ns;            /* when the batch was sent that is being decided */
    uint64_t now_ns;              /* of this turn, and the world then */
    struct claim_world world;
};

MUST_USE enum err admit_init(struct admit *admit, const struct admit_options *options);
void admit_deinit(struct admit *admit);

/* How many jobs may be put now; 0 while the gate is shut. */
uint32_t admit_room(const struct admit *admit);
uint32_t admit_pending(const struct admit *admit); /* jobs inside */
/* Reminders that were just judged, wherever they go next: an additional reminder of the
 * same minute that comes to admission before them finds them announced (O2). */
void admit_announce(struct admit *admit, const struct list *judged);
/* A job is about to be closed: a count of it for nothing is taken back (C9). */
void admit_closing(struct admit *admit, struct job *job);
/* Due legs, to be claimed; jobs that carry a refusal's end are asked for instead. */
void admit_put(struct admit *admit, uint64_t now_ns, struct list *due);
/* Jobs whose end is a refusal of decode or judge. */
void admit_ask(struct admit *admit, uint64_t now_ns, struct list *refused);
/* ready: claimed, send within check_ttl. again: wait until due_ns, then put again, those
 * with an end by admit_ask (a claim in force elsewhere, an answer that was lost); jobs of
 * revoked events, too. done: ended, nothing more to write to the claim. rejudge: the
 * settings changed, or the hours closed; to be judged anew, nothing is claimed. */
void admit_take(struct admit *admit, uint64_t now_ns, struct list *ready, struct list *again,
                struct list *done, struct list *rejudge);
