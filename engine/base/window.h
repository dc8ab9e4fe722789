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
    WINDOW_SPAN = 65536,             /* offsets from the watermark to the newest */
    WINDOW_WORDS = WINDOW_SPAN / 64, /* uint64_t of each bit map */
    WINDOW_METADATA_MAX = 4000,      /* characters; brokers take 4,096 */
    WINDOW_WORKER_MAX = 64,          /* of the worker's name in it */
};

struct window {
    uint64_t *open; /* WINDOW_WORDS: delivered and not complete; bit = offset mod span */
    uint64_t *done; /* WINDOW_WORDS: complete and above the watermark */
    int64_t low;    /* the watermark: everything before it is complete or was never there */
    int64_t next;   /* one past the newest offset delivered or known to be done */
    uint32_t open_count;
};

/* Starts at the committed offset, with nothing open. */
void window_init(struct window *w, uint64_t open[WINDOW_WORDS], uint64_t done[WINDOW_WORDS],
                 int64_t low);

/* A record was delivered and is open now. ERR_NOT_FOUND: the bit map says that it is
 * done, skip it. ERR_AGAIN: too far from the watermark, it must wait. ERR_INVALID: it
 * lies before the watermark or was added already: not a record of this window. */
MUST_USE enum err window_add(struct window *w, int64_t offset);

/* Its end is acknowledged. The offset must be open. */
void window_complete(struct window *w, int64_t offset);

bool window_is_open(const struct window *w, int64_t offset);

/* Offsets that surely can still be added, if they follow without a gap. */
uint32_t window_room(const struct window *w);

/* The metadata of a commit of `low`. A run that would exceed the limit is left out with
 * all after it: those records are delivered again. The worker's name must not hold '|'. */
void window_encode(const struct window *w, struct bytes worker, struct writer *out);

/* Fills a window that was just started at the committed offset. The text is a
 * stranger's: on ERR_INVALID the window is as it was, and everything from the watermark
 * is delivered again. `worker` (may be NULL) is set to the name in it. */
MUST_USE enum err window_decode(struct window *w, struct bytes metadata, struct bytes *worker);

/* DCHECK-like walk over all bits, for tests. */
void window_validate(const struct window *w);
