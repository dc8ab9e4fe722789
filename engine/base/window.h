/* Which records of one partition, in one assignment, are not done yet, and how far it
 * may be committed. Completion comes in any order; the watermark is the first offset
 * that is still open, else the next one expected. Offsets may have gaps (control
 * records, compaction): what was never delivered is never open.
 *
 * What is done above the watermark travels in the commit's metadata:
 *   1|worker|base64url of varint run lengths from the watermark (open, done, open ...)
 * A record that was delivered before and is named done there is not delivered again.
 *
 * The window never allocates; its bits are the caller's. */
#pragma once

#include "base/base.h"
#include "base/bytes.h"
#include "base/err.h"

enum {
    WINDOW_SPAN = 65536,             /* offsets from the watermark to the newest, as a rule */
    WINDOW_WORDS = WINDOW_SPAN / 64, /* uint64_t of its bits */
    WINDOW_WORDS_MAX = 1 << 20,      /* of one that grows */
    WINDOW_METADATA_MAX = 4000,      /* characters; brokers take 4,096 */
    WINDOW_WORKER_MAX = 64,          /* of the worker's name in it */
};

/* No topic gets there; it keeps sums of offsets from overflowing. */
#define WINDOW_OFFSET_MAX (INT64_C(1) << 62)

struct window {
    uint64_t *bits;      /* the offset mod span: 1 = not done (or not known to be) */
    uint32_t words;      /* of them, a power of two; the span is 64 times as large */
    int64_t low;         /* the watermark: everything before it is done or was never there */
    int64_t delivered;   /* one past the newest offset delivered */
    int64_t end;         /* one past the newest known of: by delivery or by the metadata */
    uint32_t open_count; /* delivered and not complete */
};

/* Starts at the committed offset (0 <= low < WINDOW_OFFSET_MAX), with nothing open. */
void window_init(struct window *w, uint64_t bits[WINDOW_WORDS], int64_t low);

/* The same with a span of 64 x words; words is a power of two up to WINDOW_WORDS_MAX. */
void window_init_words(struct window *w, uint64_t *bits, uint32_t words, int64_t low);
/* Goes on in a larger ring of bits; the old one is the caller's again. */
void window_grow(struct window *w, uint64_t *bits, uint32_t words);

/* A record was delivered and is open now. ERR_NOT_FOUND: the metadata says that it is
 * done, skip it. ERR_AGAIN: too far from the watermark, deliver it again later.
 * ERR_INVALID: not after what was delivered last: no record of this window. */
MUST_USE enum err window_add(struct window *w, int64_t offset);

/* The record added last could not be kept: it is not open, and is delivered again. */
void window_take_back(struct window *w, int64_t offset);

/* Its end is acknowledged. The offset must be open. */
void window_complete(struct window *w, int64_t offset);

bool window_is_open(const struct window *w, int64_t offset);

/* How many offsets can still be added, if they follow without a gap. */
uint32_t window_room(const struct window *w);

/* The metadata of a commit of `low`, at most WINDOW_METADATA_MAX. A run that would exceed
 * that is left out with all after it: those records are delivered again. Of the worker's name
 * at most WINDOW_WORKER_MAX, and '|' as '_'. */
void window_encode(const struct window *w, struct bytes worker, struct writer *out);

/* Tells a window that was just started at the committed offset what is done above it. The
 * text is a stranger's: on ERR_INVALID the window is as it was, and everything from the
 * watermark counts as open. `worker` (may be NULL) is set to the name in it. */
MUST_USE enum err window_decode(struct window *w, struct bytes metadata, struct bytes *worker);

/* The words of the smallest window that window_decode can tell the metadata; 0: none can. */
uint32_t window_words_for(struct bytes metadata);
/* Of the smallest one that spans so many offsets; 0: none does. */
uint32_t window_words_of(int64_t offsets);

/* The runs alone, at most `max` characters: for who can keep more than a commit. */
void window_encode_runs(const struct window *w, size_t max, struct writer *out);
/* What they speak of ends there. ERR_INVALID: they are no runs. */
MUST_USE enum err window_runs_end(struct bytes runs, int64_t base, int64_t *end);
/* Tells a window of which nothing was delivered yet what else is done: all before `base`, and
 * what the runs from there on say; low may rise. They are valid, and end inside its span. */
void window_decode_runs(struct window *w, int64_t base, struct bytes runs);

/* A walk over all bits, for tests and debug builds. */
void window_validate(const struct window *w);
