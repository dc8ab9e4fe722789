/* Consume's sister for deferral topics: owns partitions of the ring's generations and of far,
 * reads what is due, keeps it as entries in a wheel, and makes events of them when their time
 * comes. What a partition's reading, finishing and commits mean is domain/ring_reader; this
 * does it: with a source that only owns and commits (a group of its own), and a feed without a
 * group that reads.
 *
 * An entry takes 40 bytes, its place in the index of its partition 4 or 8, its two bits a
 * quarter byte: 1,000,000 loaded records are about 46 MB, beside their payloads. Those lie in
 * a cache of fixed size (base/chunks); what does not fit is read again in a further pass
 * before it is due, the earliest first. No entry is ever dropped while its partition is ours.
 *
 * Times are milliseconds of the ring's clock (Redis's); nothing is fired early by it, also
 * when it steps back. */
#pragma once

#include "base/chunks.h"
#include "domain/ring_reader.h"
#include "io/feed.h"
#include "io/redis.h"
#include "io/source.h"
#include "stage/job.h"

struct hand_topic {
    const char *name;
    struct ring ring;    /* slots 0: an older generation; its records tell */
    uint32_t partitions; /* how many it has */
    bool far;
};

struct hand_options {
    struct source *source; /* owns_only; topics in the order of `topics` ... */
    struct feed *feed;     /* ... as the feed's */
    struct jobs *jobs;
    const struct hand_topic *topics;
    uint32_t topic_count;
    struct ring ring; /* that is written: when far records are looked at */
    int64_t lead_ms;
    uint64_t memory;             /* bytes of payloads in the cache; more than the largest record */
    const char *worker;          /* its name, in commits */
    struct redis *redis;         /* where progress is kept as a hint; NULL: nowhere */
    uint64_t seed;               /* for the names of logs */
    uint32_t room_max;           /* the most that hand_take is ever told: all jobs free */
    uint32_t fire_max;           /* events, a turn; 0: as many as there is room for */
    uint32_t waiters_max;        /* on foreign claims, of a partition; 0: 4,096 */
    uint64_t commit_interval_ms; /* 0: 1,000 */
    uint64_t revoke_wait_ms;     /* 0: 1,000 */
};

/* A record that is loaded. `when` it is looked at: its due time, or for far records the time
 * from which the ring takes it. Before that it is in the wheel; then with its payload in
 * `ready`, `late` or its partition's `held`, without it in `bare`. In `late` its timer's time
 * is its rank there. */
struct hand_entry {
    struct wheel_timer timer; /* in ms */
    uint64_t offset : 26;     /* its low bits: no window spans more */
    uint64_t partition : 12;  /* of hand->partitions */
    uint64_t payload : 26;    /* in the cache; 0: it is read again */
};

enum {
    HAND_OFFSET_BITS = 26,
    HAND_PARTITIONS_MAX = 4096, /* of a shard */
    HAND_SLAB = 65536,          /* entries allocated at a time */
};

struct hand_partition {
    struct ring_reader reader;
    uint32_t topic;
    int32_t partition;
    uint32_t epoch;        /* of events of this assignment */
    bool started;          /* the reader was told of the assignment */
    bool probing;          /* not started: read for a record that tells the geometry */
    bool touched;          /* in hand->touched */
    bool asks;             /* for its end offset, this turn */
    bool peeks;            /* one of hand->peeks */
    bool full;             /* its window cannot grow any more: read on when some is done */
    int64_t committed;     /* as assigned; -1: never */
    struct bytes metadata; /* of that commit, until started; malloc'd */
    struct bytes hint;     /* the same */
    bool hint_answered;    /* whether there is one is known */
    bool hint_due;         /* something was done since it was written */
    int64_t floor;         /* committed or asked for: no commit below */
    int64_t end;           /* the newest end offset known; -1: none */
    uint64_t *bits;        /* the reader's */
    uint32_t *index;       /* by offset: number of its entry; 0: none. Spans what the window does */
    uint32_t out;          /* events in hand */
    uint32_t stuck;        /* of them: ended without an outcome, open for good in this epoch */
    uint32_t waiters;      /* events that wait for foreign claims */
    struct list held;      /* due, while too many wait */
    int64_t again_from, again_to; /* what a pass is still to read again; from -1: nothing */
    uint32_t commit_epoch;        /* of the reader, when its commit went out ... */
    bool commit_out;              /* ... which is not answered */
};

enum hand_state {
    HAND_IDLE,     /* nothing is assigned */
    HAND_RUNNING,  /* partitions are assigned, perhaps none */
    HAND_REVOKING, /* they are to be given back */
    HAND_STATE_COUNT
};

/* An instant and an offset: what is read again is divided by it. */
struct hand_key {
    int64_t when_ms, offset;
};

struct hand {
    struct hand_options options;
    enum hand_state state;
    struct hand_partition *partitions;
    struct source_partition *scratch;
    char *texts; /* metadata of the commit in the making */
    uint32_t partition_count;
    struct hand_topic_state {
        struct ring ring; /* slots 0: not known */
        bool strange;     /* a record was met that tells none */
        uint32_t *at;     /* index of partitions by number; UINT32_MAX: not ours */
    } * topics;
    uint32_t *touched; /* partitions whose readers are to be asked what to do */
    uint32_t touched_count;
    uint32_t peeks; /* partitions that are peeked in and have more to read: few at a time */
    uint32_t epoch; /* of the newest partition start */
    int64_t assigned_ms;
    bool stopped;

    struct hand_entry **slabs;
    uint32_t slab_count;
    uint32_t unused; /* number of an entry; the next one is in its payload's place */
    uint32_t loaded; /* entries in use */
    struct wheel wheel;
    bool wheel_set;
    struct list ready, bare;
    struct list late; /* a pairing heap: first is its root */
    bool late_turn;
    bool blocked; /* something is due and may not go now */

    struct chunks cache;
    void *memory;
    char *text; /* one payload, put together */
    size_t text_max;
    struct hand_key until; /* later payloads are not kept */
    uint32_t without;      /* entries that have none */
    uint32_t chunks_each;  /* of a payload, on average */
    bool passing;          /* a pass that reads again is under way */
    uint64_t pass_ns;      /* when it began */

    uint64_t now_ns;
    struct ring_clock clock;
    uint64_t look_ns; /* when all readers are asked next */
    uint64_t ends_ns; /* when all end offsets were asked for */
    uint64_t ask;
    struct hand_ask *asks; /* under way */

    struct hand_hints {
        struct redis_waiter reader, writer;
        uint32_t round, asked; /* of the assignment; how many partitions were asked about */
        uint64_t until_ns;     /* answers are waited for; 0: nothing waits yet */
        uint64_t write_ns;
        uint32_t next; /* the partition that is written next */
        char *text;
    } hints;

    uint64_t commit_id, commit_ns;
    bool commit_out;
    uint32_t commit_next; /* the partition with which the next commit begins */
    uint64_t revoke_ns;
    bool revoke_marked; /* hand_revoked was not called since */

    struct {
        uint64_t loaded, fired, again, evicted, passes;
        uint64_t commits, commit_failures, rebalances, late, went_back, hints, hints_lost;
    } stats;
};

MUST_USE enum err hand_init(struct hand *hand, const struct hand_options *options);
void hand_deinit(struct hand *hand); /* source and feed stay open */

/* Handles rebalances, commits and reading, and makes events of at most `room` due records (an
 * eighth of room_max is left for urgent ones), event->from_ring set. Once a turn, at least
 * once a second. True: there may be more at once, so do not sleep. */
bool hand_take(struct hand *hand, uint64_t now_ns, const struct ring_clock *clock, uint32_t room,
               struct list *fresh);

/* All ends of the event are acknowledged: its outcomes, or a deferral that counts. */
void hand_complete(struct hand *hand, const struct event *event);
/* The event ended without an outcome (revoked, or draining): its offset stays open. */
void hand_abandon(struct hand *hand, const struct event *event);
/* The event begins (or ends) to wait for another record's claim. */
void hand_wait(struct hand *hand, const struct event *event, bool begins);
/* True once after partitions were revoked: events in hand are marked. */
bool hand_revoked(struct hand *hand);

/* Whether the group has given its partitions (perhaps none): it serves every topic of
 * options.topics, so that these may be written to. */
bool hand_is_assigned(const struct hand *hand);

/* Nothing is fired any more (draining); commits go on. */
void hand_stop(struct hand *hand);
/* Everything fired is complete and committed. */
bool hand_clean(const struct hand *hand);

/* When the next turn is wanted at the latest. */
uint64_t hand_next_ns(const struct hand *hand);

/* For the gauges, about once a second; index < partition_count. */
struct hand_gauge {
    uint32_t topic;
    int32_t partition;
    enum ring_reader_state state;
    int64_t lag;      /* from the watermark to the end; -1: not known yet */
    uint32_t loaded;  /* this and earlier cycles owe them */
    uint32_t out;     /* of them in hand */
    int64_t start_ms; /* of the current cycle's slot */
};
void hand_gauge(const struct hand *hand, uint32_t index, struct hand_gauge *out);
