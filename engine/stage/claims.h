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
#include "domain/server_clock.h"
#include "io/redis.h"
#include "stage/job.h"

enum { GATE_RUN_ID_SIZE = 40, GATE_EPOCH_SIZE = 64, CLAIMS_TAIL_MS = 3000 };

enum gate_state {
    GATE_AWAY,      /* no connection */
    GATE_ASKING,    /* the first health reply of a connection is awaited */
    GATE_FUNCTIONS, /* the functions are missing: `carillon setup` */
    GATE_EPOCH,     /* no epoch key: the follower sets it */
    GATE_TAIL,      /* writing again what was in hand */
    GATE_HOLD,      /* 3 s, and a commit that was acknowledged since */
    GATE_MARKS,     /* the state topics are not applied to this Redis yet */
    GATE_CLOCK,     /* Redis's clock stepped, or ours: until samples agree again */
    GATE_OPEN,
    GATE_STATE_COUNT
};
const char *gate_state_text(enum gate_state state);

/* Which Redis it is: a life of the server, and of its data. */
struct gate_world {
    char run_id[GATE_RUN_ID_SIZE];
    char epoch[GATE_EPOCH_SIZE]; /* the text of e1: id|begun at */
    uint32_t epoch_size;         /* 0: there is none */
};

/* Health replies of one asking, as they come. */
struct gate_health {
    struct gate_world world;
    int64_t uptime_ms, epoch_begun_ms;
    uint64_t asked_ns;
    uint32_t awaited; /* replies */
    bool good;        /* all of them made sense */
    bool functions, marks;
};

struct gate {
    struct redis_waiter waiter;
    enum gate_state state;
    uint32_t generation; /* of the connection that is asked */
    struct gate_health asked;
    uint64_t asked_ns; /* of the last asking */
    bool answered;     /* `last` is of this connection */
    struct gate_health last;
    struct gate_world known; /* to which the tail was written, or that was found at start */
    bool is_known;
    bool hold;             /* this world wants the wait */
    uint64_t tail_done_ns; /* 0: not yet */
    uint64_t commit_ns;    /* when the newest acknowledged commit was asked for */
    struct server_clock clock;
};

struct claims_options {
    struct redis *redis;
    struct jobs *jobs;
    struct claim_rules rules;
    const char *const *marks; /* "topic/partition" of every state partition followed */
    uint32_t mark_count;
    uint64_t time_sample_ns; /* how far apart samples of Redis's clock agree */
    uint64_t stall_ns;       /* a turn so much later had stood still; 0: never */
};

/* Settles of the last 3 s, in chunks: memory follows the rate. */
struct tail {
    struct tail_chunk *first, *last, *spare;
    struct redis_waiter waiter;
    uint32_t next_job;     /* being written again: the next of jobs->all */
    struct tail_chunk *at; /* then the next of the chunks */
    size_t at_byte;
    uint32_t awaited;
    bool failed;      /* an answer was lost: once more, on the next connection */
    uint32_t *asking; /* job index of each restore under way, by index */
};

struct claims {
    struct redis *redis;
    struct jobs *jobs;
    struct claim_rules rules;
    const char *const *marks;
    uint32_t mark_count;
    struct gate gate;
    struct tail tail;
    struct redis_waiter waiter;
    struct list queued;   /* jobs whose claim is asking: to be sent */
    struct list waiting;  /* jobs whose claim waits */
    struct list out;      /* asked, unanswered */
    struct list lost;     /* their answer was lost; told so once the gate is open */
    struct list settled;  /* to be taken */
    struct list released; /* to be taken */
    struct job **asking;  /* by index of the command */
    uint32_t *free_index; /* a stack */
    uint32_t free_count;
    struct {
        uint64_t settled, released, takeovers, lost, rewritten;
    } stats;
};

MUST_USE enum err claims_init(struct claims *claims, const struct claims_options *options);
void claims_deinit(struct claims *claims);

/* Once a turn, before anything else of claims and admit: asks for Redis's health, moves
 * the gate, writes the tail. Returns when it wants the next turn at the latest. */
uint64_t claims_turn(struct claims *claims, uint64_t now_ns);
/* When the newest commit was asked for that the group acknowledged. */
void claims_committed(struct claims *claims, uint64_t asked_ns);
bool claims_open(const struct claims *claims); /* the gate is */
enum gate_state claims_gate(const struct claims *claims);
/* The text of the epoch key that a reply must have. */
struct bytes claims_epoch(const struct claims *claims);
/* A reply showed another epoch: the gate shuts at once. */
void claims_epoch_changed(struct claims *claims);
int64_t claims_now_ms(const struct claims *claims, uint64_t now_ns); /* Redis's clock */
/* The same, with what it is good for at this moment. While it is held the gate is shut. */
struct ring_clock claims_clock(const struct claims *claims, uint64_t now_ns);
struct claim_world claims_world(const struct claims *claims, uint64_t now_ns);

/* A reply as the protocol reads it. */
struct claim_answer claims_answer_of(enum claim_step step, const struct redis_reply *reply);
/* The job's end is what its claim (CLAIM_OVER) tells. */
void claims_tell_end(struct job *job);

/* Jobs in JOB_SETTLING with an end: what their claim needs (S, F, X, or nothing) is
 * written; then they come back, their end adjusted by what was found. Never refuses. */
void claims_settle_put(struct claims *claims, uint64_t now_ns, struct list *jobs);
void claims_settle_take(struct claims *claims, uint64_t now_ns, struct list *out);

/* Jobs that will wait (due_ns): their claim is given back first. They stay in their
 * state; `out` gets those whose release was acknowledged. One whose claim turned out to
 * have ended goes to claims_settle_take instead. */
void claims_release_put(struct claims *claims, uint64_t now_ns, struct list *jobs);
void claims_release_take(struct claims *claims, uint64_t now_ns, struct list *out);

/* Inside claims, by its parts. */
void gate_init(struct claims *claims, const struct claims_options *options);
void gate_turn(struct claims *claims, uint64_t now_ns);
MUST_USE bool tail_init(struct claims *claims);
void tail_deinit(struct claims *claims);
void tail_keep(struct claims *claims, uint64_t now_ns, struct bytes key, struct bytes value,
               int64_t ttl_ms);
void tail_expire(struct claims *claims, uint64_t now_ns);
void tail_begin(struct claims *claims);
/* Writes on; true when all of it is acknowledged. */
bool tail_write(struct claims *claims, uint64_t now_ns);
