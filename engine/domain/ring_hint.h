/* How far a partition of the ring has come, kept in Redis under p1:{topic/partition}, beside
 * the commit: a commit's metadata holds 4,000 characters, this as much as a large slot needs
 * whose records ended in any order. It only spares replays.
 *   1|log|base|base64url of varint run lengths from base (open, done, open ...)
 * Everything before `base` is done. `log` is 16 hex digits that the first owner of a
 * partition draws and every commit carries: Kafka drops a deleted topic's commits, so what is
 * said of one log is never believed of another in its place. */
#pragma once

#include "base/window.h"

enum {
    RING_LOG_SIZE = 16,
    RING_HINT_RUNS_MAX = 192 * 1024, /* characters: 70,000 runs; more is left out */
    RING_HINT_MAX = RING_HINT_RUNS_MAX + 2 + RING_LOG_SIZE + 1 + 20 + 1,
    RING_HINT_KEY_MAX = 5 + 270,
};

struct ring_hint {
    uint64_t log;
    int64_t base, end; /* the runs end there */
    struct bytes runs;
};

/* Whether the text, a stranger's, tells anything of that log: beyond what is committed of it,
 * and nothing beyond its end (-1: not known). log 0: the commit names none. */
bool ring_hint_counts(struct bytes text, uint64_t log, int64_t committed, int64_t end,
                      struct ring_hint *out);
MUST_USE enum err ring_hint_parse(struct bytes text, struct ring_hint *out);
void ring_hint_write(struct writer *w, uint64_t log, const struct window *window);
void ring_hint_key(struct writer *w, struct bytes topic, int32_t partition);

/* A commit's metadata is a window's (base/window), behind it the mark and the log's name:
 * 1|worker|bits|mark|log. The first part; `rest`, where it is asked for, gets mark|log. */
struct bytes ring_window_of(struct bytes metadata, struct bytes *rest);

/* What stands behind the window in a commit's metadata is the mark and the log's name,
 * mark|log, or a mark alone, as older workers write it. 0: no name. */
uint64_t ring_log_of(struct bytes rest, struct bytes *mark);
void ring_log_write(struct writer *w, uint64_t log);
