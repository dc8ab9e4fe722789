/* The protocol by which one leg is sent once, though workers die, stall and lose
 * answers: a state machine apart from I/O. It says which command to ask Redis next and
 * takes the answer, or that the answer was lost; time is passed in, Redis's, in
 * milliseconds. The caller keeps the claim in its job and sends a claim's commands one
 * after the other. engine/README.md explains the rules, row by row.
 *
 * A goal is set by claim_send, claim_refuse, claim_release or claim_settle; then: while the state
 * is CLAIM_ASKING, claim_command and claim_answer; CLAIM_WAITING: claim_again at again_ms; else the
 * goal is reached. */
#pragma once

#include "domain/claim_value.h"

struct claim_rules {             /* the worker's */
    int64_t start_window_ms;     /* 2 s: from claim to first byte */
    int64_t request_deadline_ms; /* the longest of any provider account */
    int64_t skew_ms;             /* 500 ms */
    int64_t command_ms;          /* a command that takes longer is given up: 2 s */
    int64_t dedup_window_ms;     /* 72 h */
    int64_t foreign_wait_ms;     /* 10 min */
};

/* What is known of the world when something is asked. */
struct claim_world {
    const struct claim_rules *rules;
    int64_t now_ms;         /* Redis's clock */
    int64_t epoch_begun_ms; /* of the epoch key; 0: a first start has lost nothing */
};

/* What the leg is, set once. */
struct claim_leg {
    struct bytes own;    /* event|origin, outlives the claim (the event's arena) */
    const char *key_hex; /* claim_leg_hex with the dedup key */
    uint64_t nonce;      /* random, per job */
    int64_t due_ms, expires_ms;
    int64_t assigned_ms;   /* when this assignment of its partition began */
    bool resend;           /* the class lets an ambiguous attempt be repeated */
    int64_t key_window_ms; /* how long the provider honours idempotency keys; 0: not */
    uint32_t attempts;     /* made before, by the record's headers */
};

enum claim_state {
    CLAIM_IDLE,
    CLAIM_ASKING,   /* claim_command, then claim_answer */
    CLAIM_WAITING,  /* claim_again at again_ms */
    CLAIM_MINE,     /* goal send: the first byte may leave until start_by_ms */
    CLAIM_OUT,      /* claim_left: the call is out */
    CLAIM_STANDS,   /* goal refuse: no claim stands against it, none is held */
    CLAIM_RELEASED, /* goal release: nothing is held */
    CLAIM_OVER,     /* the leg has its end, in `end`; nothing more is written */
};

enum claim_goal {
    CLAIM_GOAL_NONE,
    CLAIM_GOAL_SEND,
    CLAIM_GOAL_REFUSE,
    CLAIM_GOAL_RELEASE,
    CLAIM_GOAL_SETTLE,
};

/* The command that is to be asked, or is being asked. */
enum claim_step {
    CLAIM_STEP_GET,
    CLAIM_STEP_TAKE,     /* SET NX GET of `next` */
    CLAIM_STEP_TAKEOVER, /* `seen` to `next`; also another event's, in its owner's name */
    CLAIM_STEP_SWAP,     /* `seen` to `next` */
    CLAIM_STEP_DELETE,   /* swap of `seen` to nothing */
    CLAIM_STEP_SET,      /* SET GET of `next`, an S inside the lease */
    CLAIM_STEP_SETTLE,   /* function settle with `next` */
    CLAIM_STEP_MEND,     /* swap of an S by SET to what settle would have written */
    CLAIM_STEP_KEEP_X,   /* swap of an S by SET back to the X that it replaced */
    CLAIM_STEP_PUT_X,    /* function restore with that X */
};

/* How a leg ended, as the claim tells it. */
struct claim_end {
    enum claim_kind kind;
    bool duplicate;          /* another event's end holds the key: `kind` says how that ended */
    bool replay;             /* another job, or an earlier life of this record, made it */
    bool claims_lost;        /* ambiguous because Redis lost claims */
    bool corrupt;            /* ambiguous because the value cannot be read */
    bool written;            /* by this job: what its tail is made of, claim_write_end */
    uint32_t attempts, risk; /* risk > 0 on S: dup_risk */
    int64_t time_ms;
    struct bytes text; /* a provider's id or a reason's code, decoded; in the claim, or static */
    bool is_next;      /* what stands in Redis is the claim's `next` */
};

struct claim {
    /* what it is */
    struct bytes own;
    uint64_t nonce;
    int64_t due_ms, expires_ms, assigned_ms, key_window_ms;
    char key[CLAIM_KEY_SIZE];
    bool resend;

    /* where it stands */
    enum claim_state state;
    enum claim_goal goal;
    enum claim_step step;
    enum claim_kind settle;     /* goal settle: S, F or X */
    struct bytes reason;        /* goal settle, F or X */
    bool held;                  /* a C of this nonce stands in Redis, as far as is known: held_* */
    bool unsure;                /* the last attempt's fate is unknown, and was not thought of yet */
    bool doubt;                 /* an attempt's fate is unknown, but the provider honours its key */
    bool next_doubt, next_lost; /* what those become once `next` was written */
    bool past_doubt, past_lost; /* the same of a step whose answer was lost */
    bool lost;                  /* the unknown attempt is one that Redis may have forgotten */
    bool foreign;               /* CLAIM_WAITING for another event's claim */
    uint8_t asked;              /* how often a claim in force was found */
    uint32_t attempts;          /* made: calls that left */
    uint32_t risk;              /* unknown attempts that were, or are to be, repeated */
    uint32_t held_attempts, held_risk;
    int64_t held_deadline_ms;
    int64_t known_epoch_ms;   /* the epoch in which an own value was last seen; -1: never */
    int64_t counted_epoch_ms; /* the epoch whose loss was counted, or did not concern it */
    int64_t first_ms;         /* of the first attempt whose fate is unknown; 0: none */
    int64_t start_by_ms;      /* CLAIM_MINE */
    int64_t again_ms;         /* CLAIM_WAITING */
    int64_t foreign_since_ms; /* since when `seen` stands unchanged */

    struct claim_end end;

    /* texts: `next` is what the step writes, `seen` what it was decided upon */
    struct claim_value next_value; /* what `next` says, but for where its texts are */
    uint16_t seen_size, next_size;
    char next[CLAIM_VALUE_MAX], seen[CLAIM_VALUE_MAX];
};

/* Does not clear the texts. */
void claim_init(struct claim *claim, const struct claim_leg *leg);

/* Goals. Each needs a claim that is not asking or waiting (a goal that was given up
 * while waiting may be replaced). */

/* Before the first byte of each attempt: takes the claim, or swaps the own one before a
 * resend or where it cannot be started in time; at once CLAIM_MINE where it still can. */
void claim_send(struct claim *claim, const struct claim_world *world);
/* Before any refusal: gives back what is held, tells what was already sent. */
void claim_refuse(struct claim *claim, const struct claim_world *world);
/* The call provably never left, or another provider's answer let the leg wait. */
void claim_release(struct claim *claim, const struct claim_world *world);
/* The leg ended: S with the provider's id, F or X with the reason's code, a text that
 * outlives the claim. */
void claim_settle(struct claim *claim, const struct claim_world *world, enum claim_kind kind,
                  struct bytes text);
/* What the send stage tells. */
void claim_left(struct claim *claim); /* the first byte left: an attempt was made */
void claim_unsure(struct claim *claim, const struct claim_world *world); /* no answer came */
/* Whether another attempt is allowed after claim_unsure; else settle X, no_answer. */
bool claim_may_resend(const struct claim *claim, const struct claim_world *world);
/* Whether anything could have gone out that a refusal or a failure must not hide. */
bool claim_doubtful(const struct claim *claim);
/* Whether it has to be gone on with even where its partition went: what was given back
 * (deadline 0) is the next owner's. */
static inline bool claim_binds(const struct claim *claim)
{
    return claim->held && claim->held_deadline_ms > 0;
}

/* The next command, as argv. Pieces point into the claim and into `out`. */
enum { CLAIM_ARGS_MAX = 8 };
struct claim_command {
    struct bytes arg[CLAIM_ARGS_MAX];
    uint32_t arg_count;
    char ttl[24], skew[24], value[CLAIM_VALUE_MAX];
};
void claim_command(struct claim *claim, const struct claim_world *world, struct claim_command *out);

/* An answer: of GET and SET GET nil or text, of functions a tag and perhaps more. */
struct claim_answer {
    enum { CLAIM_ANSWER_LOST, CLAIM_ANSWER_NIL, CLAIM_ANSWER_TEXT, CLAIM_ANSWER_TAG } kind;
    struct bytes tag;  /* TAG: OK, GONE, CHANGED ... */
    struct bytes text; /* TEXT, TAG: the value found */
    int64_t number;    /* TAG BUSY: milliseconds left */
};
/* LOST stands for an error too. Returns the new state. */
enum claim_state claim_answer(struct claim *claim, const struct claim_world *world,
                              const struct claim_answer *answer);
/* A waiting claim asks again. */
void claim_again(struct claim *claim, const struct claim_world *world);

int64_t claim_ttl_ms(const struct claim *claim, const struct claim_world *world);

/* Redis's tail. After a loss of Redis, before anything is asked: a claim that is held
 * (in whatever state) is written again by restore, and its answer taken; what it was
 * asking is lost, and is answered so once the gate is open. LOST: to be written again. */
bool claim_tail_wanted(bool known_before, bool changed);
void claim_restore_command(const struct claim *claim, const struct claim_world *world,
                           struct claim_command *out);
void claim_restored(struct claim *claim, const struct claim_world *world,
                    const struct claim_answer *answer);
/* An end that was written, as it stands in Redis. */
void claim_write_end(const struct claim *claim, struct writer *w);
/* A settle that was acknowledged shortly before: S by settle, F and X by restore.
 * Pieces point into key, value and `out`. */
void claim_rewrite_command(struct bytes key, struct bytes value, int64_t ttl_ms,
                           struct claim_command *out);
