/* What the owner of one ring or far partition does, apart from I/O: what of it is read when,
 * which records are loaded and which passed over, when a cycle is finished, and what a
 * commit says. The caller reads, keeps the loaded records in its wheel, fires them, and tells
 * what became of them; time is passed in.
 *
 * After every call: ring_reader_next until it says nothing, and ring_reader_commit where
 * ring_reader_commit_due. ring_reader_turn at least each turn. */
#pragma once

#include "domain/ring.h"
#include "domain/ring_hint.h"

enum ring_reader_state {
    RING_READER_OFF,     /* not ours */
    RING_READER_RESTING, /* not read, until the next cycle or an end offset beyond what was seen */
    RING_READER_PEEKING, /* outside the cycle's time: is anything owed? Read to the end, or, where
                            nothing was seen before, to the first record of a later cycle */
    RING_READER_TAILING, /* from slot start - lead to slot end + one slot, whatever a mark says */
    RING_READER_OWING,   /* after that: read until the cycle is finished */
    RING_READER_LEAVING, /* revoked: nothing is read or fired; the last commit */
    RING_READER_STATE_COUNT
};

struct ring_reader_options {
    struct ring ring; /* of the generation, as its records say; or ring_far */
    int32_t partition;
    int64_t lead_ms;
    uint64_t *bits; /* 2 x words: what is done, what is loaded */
    uint32_t words; /* a power of two; ring_reader_grow gives it more */
};

struct ring_reader {
    struct ring ring;
    uint32_t slot; /* 0 ... slots - 1 */
    int64_t lead_ms;
    enum ring_reader_state state;
    struct window window;
    uint64_t *loaded;      /* one bit an offset, as in the window: in the wheel or in hand */
    uint32_t loaded_count; /* this and earlier cycles owe them */
    uint64_t log;          /* its name in commits and hints; 0: none */
    uint32_t epoch;        /* of the assignment */
    uint32_t pass;         /* of reading: what comes of another is not heard */
    uint32_t entry;        /* into a cycle and its times: what was asked before tells nothing */
    int64_t next;          /* everything before it was seen in this pass */
    int64_t cycle;         /* the current one */
    int64_t finished;      /* the mark: the newest cycle that is finished; RING_NO_CYCLE */
    int64_t end_after;     /* an end offset asked after the cycle's reading time; -1 */
    bool fresh;            /* peeking for the first time: a later cycle's record ends it ... */
    bool met_later;        /* ... and was met: what is behind it was written when this was over */
    bool jumped;           /* past what lies behind such a record; gone back when it matters */
    bool reading, asking;  /* what the caller was told to do */
    bool commit_due, commit_out, last_commit;
};

void ring_reader_init(struct ring_reader *r, const struct ring_reader_options *options);

/* What is known of a partition that becomes ours. Metadata and hint are strangers' texts. */
struct ring_reader_start {
    int64_t committed; /* 0 where nothing is */
    struct bytes metadata;
    uint64_t log; /* its name, where the commit gives it none */
    struct bytes hint;
    int64_t end; /* of the log, asked since; -1: not known, and no hint is believed */
};
/* The words of a window that holds what is done; 0: the metadata cannot be read. */
uint32_t ring_reader_words(const struct ring_reader_start *start);
/* Ours from the committed offset on. Not before the clock had its first sample. A hint counts
 * if it speaks of the commit's log, and of nothing beyond its end. */
void ring_reader_assigned(struct ring_reader *r, const struct ring_clock *clock,
                          const struct ring_reader_start *start);
/* Revoked: no new commits but the last one. The partition is given up once it has left.
 * Records in hand are gone on with; their ends count until then. */
void ring_reader_revoked(struct ring_reader *r);
bool ring_reader_has_left(const struct ring_reader *r);
/* Given up, or lost without a word: whatever is told of this epoch is not heard any more. */
void ring_reader_off(struct ring_reader *r);

void ring_reader_turn(struct ring_reader *r, const struct ring_clock *clock);

enum ring_reader_do {
    RING_READER_DO_NOTHING,
    RING_READER_DO_READ, /* from `from` on; records and ends of it carry `pass` */
    RING_READER_DO_STOP, /* no more is read */
    RING_READER_DO_ASK,  /* for the end offset; ring_reader_end answers */
};
struct ring_reader_action {
    enum ring_reader_do what;
    int64_t from;
    uint32_t pass;
};
/* What to do now; it counts as begun. */
struct ring_reader_action ring_reader_next(struct ring_reader *r, const struct ring_clock *clock);

enum ring_reader_seen {
    RING_READER_SKIP, /* done, loaded already, or of another pass */
    RING_READER_LOAD, /* into the wheel, for its due time */
    RING_READER_PASS, /* a later cycle's: it is read again then */
    RING_READER_FULL, /* ring_reader_grow, then tell it again */
};
enum ring_reader_seen ring_reader_seen(struct ring_reader *r, uint32_t pass, int64_t offset,
                                       int64_t due_ms);
/* The pass met the end of the log: before `offset` there is no more (Kafka's own records
 * have offsets, too). */
void ring_reader_reached(struct ring_reader *r, uint32_t pass, int64_t offset);
/* The end offset, with what ring_reader_asks said when it was asked. All partitions are asked
 * every 10 s, whatever the reader wants: what a late writer added is then read. */
struct ring_asked {
    struct ring_clock clock;
    uint32_t entry;
};
static inline struct ring_asked ring_reader_asks(const struct ring_reader *r,
                                                 const struct ring_clock *clock)
{
    return (struct ring_asked){.clock = *clock, .entry = r->entry};
}
void ring_reader_end(struct ring_reader *r, const struct ring_asked *asked, int64_t end);
/* It could not be learnt: it is asked again. */
void ring_reader_end_failed(struct ring_reader *r);
void ring_reader_grow(struct ring_reader *r, uint64_t *bits, uint32_t words);

/* Whether a loaded record may be taken out of the wheel. */
bool ring_reader_may_fire(const struct ring_reader *r, const struct ring_clock *clock,
                          int64_t due_ms);
/* A loaded record's end was acknowledged: its outcomes, or the deferral that takes its place,
 * in time (ring_ack_counts). Says whether the epoch is still this one. */
bool ring_reader_done(struct ring_reader *r, uint32_t epoch, int64_t offset);

/* One commit at a time: of `offset`, with `metadata`, at most RING_READER_METADATA_MAX. */
enum { RING_READER_METADATA_MAX = WINDOW_METADATA_MAX + 48 };
static inline bool ring_reader_commit_due(const struct ring_reader *r)
{
    return r->commit_due && !r->commit_out && !r->last_commit;
}
int64_t ring_reader_commit(struct ring_reader *r, struct bytes worker, struct writer *metadata);
void ring_reader_committed(struct ring_reader *r, uint32_t epoch, bool ok);

/* A walk over all bits, for tests and debug builds. */
void ring_reader_validate(const struct ring_reader *r);
