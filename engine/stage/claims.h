/* The shard's side of the claim protocol: the gate (may anything be asked of Redis?),
 * Redis's clock, settles, releases and what has to be written again after a loss.
 *
 * The gate is open while every mark of the state topics has Redis's run_id, the epoch
 * key is the known one, and what this worker had in hand was written again: design,
 * sections 4 and 5. While it is shut nothing is claimed or sent, answers wait.
 *
 * Jobs come and go by lists; callbacks only record and queue. */
#pragma once

#include "domain/claim.h"
#include "io/redis.h"
#include "stage/job.h"

enum { GATE_MARKS_MAX = 512, GATE_RUN_ID_SIZE = 40, GATE_EPOCH_SIZE = 64 };

enum gate_state {
    GATE_AWAY,      /* no connection */
    GATE_ASKING,    /* the health reply is awaited */
    GATE_MARKS,     /* the state topics are not applied to this Redis yet */
    GATE_EPOCH,     /* no epoch key: the follower sets it */
    GATE_FUNCTIONS, /* the functions are missing: `carillon setup` */
    GATE_TAIL,      /* writing again what was in hand */
    GATE_HOLD,      /* 3 s, and a commit that was acknowledged since */
    GATE_OPEN,
    GATE_STATE_COUNT
};
const char *gate_state_text(enum gate_state state);

struct gate {
    struct redis *redis;
    struct redis_waiter waiter;
    enum gate_state state;
    uint64_t since_ns;   /* in this state */
    uint32_t generation; /* of the connection that was asked */
    uint32_t answers, answers_wanted;
    bool answers_good;
    uint64_t asked_ns, answered_ns;
    char run_id[GATE_RUN_ID_SIZE]; /* known: what the tail was written to */
    char epoch[GATE_EPOCH_SIZE];   /* known; text of e1: id|begun at */
    uint32_t epoch_size;
    int64_t epoch_begun_ms;
    char new_run_id[GATE_RUN_ID_SIZE]; /* as just answered */
    char new_epoch[GATE_EPOCH_SIZE];
    uint32_t new_epoch_size;
    int64_t uptime_ms; /* Redis's */
    bool functions;
    bool marks_good;
    const char *const *marks; /* topic/partition, the caller's */
    uint32_t mark_count;
    bool known;       /* run_id and epoch were seen before */
    bool wait_needed; /* HOLD: not a first start */
    uint64_t tail_done_ns;
    uint64_t commit_acked_ns; /* told by gate_committed */
    int64_t offset_ms;        /* Redis's clock - monotonic */
    int64_t sample_sent_ns;
    bool clock_known;
};

/* What the shard tells and asks of the gate, through its claims. */
struct claims_options {
    struct redis *redis;
    struct jobs *jobs;
    struct claim_rules rules;
    const char *const *marks; /* "topic/partition" of every state partition followed */
    uint32_t mark_count;
    uint32_t tail_max; /* settles of the last 3 s that are kept; 0: 16384 */
};

struct claims_tail; /* settles of the last 3 s, in a ring */

struct claims {
    struct redis *redis;
    struct jobs *jobs;
    struct claim_rules rules;
    struct gate gate;
    struct claims_tail *tail;
    struct list settling; /* asks, or waits for the gate */
    struct list settled;  /* to be taken */
    struct list releasing;
    struct list released;
    struct redis_waiter waiter;
    struct job **asking; /* by index of the command */
    uint32_t asking_max;
    struct {
        uint64_t settled, released, takeovers, foreign_takeovers, lost, corrupt, mended;
    } stats;
};

MUST_USE enum err claims_init(struct claims *claims, const struct claims_options *options);
void claims_deinit(struct claims *claims);

/* Once a turn, before anything else of claims and admit: asks for Redis's health, moves
 * the gate, writes the tail. Returns when it wants the next turn at the latest. */
uint64_t claims_turn(struct claims *claims, uint64_t now_ns);
/* The group acknowledged a commit that was asked for after the tail was written. */
void claims_committed(struct claims *claims, uint64_t asked_ns);
bool claims_open(const struct claims *claims); /* the gate is */
enum gate_state claims_gate(const struct claims *claims);
int64_t claims_now_ms(const struct claims *claims, uint64_t now_ns); /* Redis's clock */
struct claim_world claims_world(const struct claims *claims, uint64_t now_ns);

/* Jobs in JOB_SETTLING with an end: what their claim needs (S, F, X, or nothing) is
 * written; then they come back, their end adjusted by what was found. Never refuses. */
void claims_settle_put(struct claims *claims, uint64_t now_ns, struct list *jobs);
void claims_settle_take(struct claims *claims, uint64_t now_ns, struct list *out);

/* Jobs whose call never left and that will wait: their claim is given back. They stay
 * in their state; `out` gets those whose release was acknowledged. */
void claims_release_put(struct claims *claims, uint64_t now_ns, struct list *jobs);
void claims_release_take(struct claims *claims, uint64_t now_ns, struct list *out);
