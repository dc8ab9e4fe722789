/* The first stage: records to events while there is room, and offsets back when they are
 * done. Owns the partitions assigned to the shard: their windows, pauses and commits.
 *
 * An event belongs to (source_partition, epoch): what ends after its partition went, or
 * began anew, counts for no commit. A commit never passes an open offset, never falls,
 * and never speaks for a partition that is not ours.
 *
 * A rebalance takes several turns: the events are marked revoked, what is under way may
 * end (revoke_wait_ms), the commit that is out is awaited, one last is acknowledged, then
 * the partitions go. Nothing is taken meanwhile. */
#pragma once

#include "base/window.h"
#include "io/source.h"
#include "stage/job.h"

struct consume_options {
    struct source *source;
    struct jobs *jobs;
    const char *const *topics; /* as the source has them; names of origins */
    const bool *urgent;        /* by topic */
    uint32_t topic_count;
    const char *worker;          /* its name, in commits */
    uint32_t room_max;           /* the most that consume_take is ever told: all jobs free */
    uint32_t window_max;         /* open records of a partition; 0, or more: WINDOW_SPAN / 2 */
    uint32_t waiters_max;        /* on foreign claims, of a partition; 0: window_max / 8 */
    uint64_t commit_interval_ms; /* 0: 1,000 */
    uint64_t revoke_wait_ms;     /* 0: 1,000 */
};

/* Why a partition is paused: any of these. */
enum consume_pause {
    PAUSE_POOL = 1,    /* no jobs are free; never for urgent topics, whose lane just waits */
    PAUSE_WINDOW = 2,  /* too many records are open, or too far from the first open one */
    PAUSE_WAITERS = 4, /* too many wait for claims of other records */
    PAUSE_RETURN = 8,  /* a record could not be taken: it is read again */
};

struct consume_partition {
    uint32_t topic;
    int32_t partition;
    uint32_t epoch;
    struct window window;
    int64_t floor;       /* committed or asked for, or read at assignment: no commit below */
    bool dirty;          /* something is complete that no commit told yet */
    int64_t return_to;   /* the record to read again from; -1: none */
    uint32_t paused;     /* enum consume_pause, why it should be */
    bool is_paused;      /* the source was told */
    uint64_t paused_ns;  /* when */
    uint32_t waiters;    /* events that wait for foreign claims */
    uint32_t abandoned;  /* open for good in this epoch: ended without an outcome */
    int64_t watched_low; /* for the gauge: the watermark ... */
    uint64_t low_ns;     /* ... and since when it stands there with something open */
};

enum consume_state {
    CONSUME_IDLE,     /* nothing is assigned */
    CONSUME_RUNNING,  /* partitions are assigned */
    CONSUME_REVOKING, /* they are to be given back */
    CONSUME_STATE_COUNT
};

struct consume {
    struct consume_options options;
    enum consume_state state;
    struct consume_partition *partitions;
    uint64_t *bits; /* of all windows */
    char *metadata; /* of the commit in the making, WINDOW_METADATA_MAX each */
    struct source_partition *scratch;
    uint32_t partition_count;
    struct {
        uint32_t *at; /* index of partitions by number; UINT32_MAX: not ours */
        uint32_t count;
    } * index;      /* by topic */
    uint32_t epoch; /* of the newest partition start */
    int64_t assigned_ms;
    bool stopped;
    bool pool_short; /* non-urgent partitions are paused for want of jobs */

    uint64_t now_ns;
    uint64_t commit_id;      /* of the newest commit */
    bool commit_out;         /* it is not answered yet */
    bool commit_asked;       /* by consume_commit: also what has not changed */
    bool commit_last;        /* revoking: the last one was asked for */
    bool dirty;              /* some partition is */
    uint64_t commit_ns;      /* when it was asked for */
    uint64_t acked_ns;       /* when the newest acknowledged one was asked for; 0: none */
    uint32_t complete_count; /* since the last commit */
    uint64_t revoke_ns;
    bool revoke_marked; /* consume_revoked was not called since */

    struct {
        uint64_t records;  /* taken into the pool */
        uint64_t skipped;  /* done before, says the metadata */
        uint64_t returned; /* taken, but there was no room: read again */
        uint64_t commits, commit_failures, rebalances, late, went_back;
    } stats;
};

MUST_USE enum err consume_init(struct consume *consume, const struct consume_options *options);
void consume_deinit(struct consume *consume); /* the source stays open */

/* Takes at most `room` records (an eighth of room_max is kept for urgent ones), urgent
 * first; handles rebalances and commits. Once a turn, at least once a second. True: there
 * may be more at once, so do not sleep. */
bool consume_take(struct consume *consume, uint64_t now_ns, int64_t now_ms, uint32_t room,
                  struct list *fresh);

/* All ends of the event are acknowledged. */
void consume_complete(struct consume *consume, const struct event *event);
/* The event ended without an outcome (revoked, or draining): its offset stays open. */
void consume_abandon(struct consume *consume, const struct event *event);

/* The event begins (or ends) to wait for another record's claim. */
void consume_wait(struct consume *consume, const struct event *event, bool begins);

/* True once after partitions were revoked: events in hand are marked, those that wait can
 * be dropped. */
bool consume_revoked(struct consume *consume);

/* Commits soon, also offsets that have not changed: for the gate (stage/claims). */
void consume_commit(struct consume *consume);
/* When the newest commit was asked for that this generation acknowledged; 0: none was. */
uint64_t consume_acked_ns(const struct consume *consume);

/* Nothing is taken any more (draining): all is paused, commits go on. */
void consume_stop(struct consume *consume);
/* Everything taken is complete and committed. */
bool consume_clean(const struct consume *consume);

/* For the gauges, about once a second. */
struct consume_gauge {
    uint32_t topic;
    int32_t partition;
    int64_t lag; /* from the watermark to the end; -1: not known yet */
    uint32_t open;
    uint32_t paused;
    uint64_t stands_ns; /* how long its first open record has been open; 0: none is */
};
void consume_gauge(struct consume *consume, uint32_t index, struct consume_gauge *out);
