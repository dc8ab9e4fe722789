/* Counters, gauges and histograms: one `struct metrics` per shard, written by its
 * thread alone (one relaxed load and store), summed up by whoever scrapes. The list is
 * metrics.def; a new metric is one line there. */
#pragma once

#include "base/bytes.h"
#include "base/hist.h"

enum metric_label {
    LABEL_NONE,
    LABEL_TOPIC,
    LABEL_CHANNEL,
    LABEL_OUTCOME,
    LABEL_REASON,
    LABEL_STATE,
    LABEL_WAIT,
    LABEL_PROVIDER,
    LABEL_VERDICT,
    LABEL_CONNECTION,
    LABEL_COUNT
};

enum metric {
#define COUNTER(id, ...) METRIC_##id,
#define GAUGE(id, ...) METRIC_##id,
#define HISTOGRAM(id, ...) METRIC_##id,
#include "base/metrics.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
    METRIC_COUNT
};

/* The values a label may have, shared by all shards; NULL names are left out. */
struct metric_names {
    struct {
        const char *const *names;
        uint32_t count;
    } of[LABEL_COUNT];
};

struct metrics {
    const struct metric_names *names;
    _Atomic uint64_t *values; /* all series of counters and gauges */
    struct hist *hists;
    uint32_t value_at[METRIC_COUNT], hist_at[METRIC_COUNT];
    uint32_t stride[METRIC_COUNT]; /* count of the second label */
};

MUST_USE bool metrics_open(struct metrics *m, const struct metric_names *names);
void metrics_close(struct metrics *m);

/* first, second: values of the labels; 0 where there is none. */
void metric_add(struct metrics *m, enum metric which, uint32_t first, uint32_t second, uint64_t n);
void metric_set(struct metrics *m, enum metric which, uint32_t first, uint64_t value);
void metric_observe_us(struct metrics *m, enum metric which, uint32_t first, uint64_t us);
uint64_t metric_get(const struct metrics *m, enum metric which, uint32_t first, uint32_t second);
const struct hist *metric_hist(const struct metrics *m, enum metric which, uint32_t first);

/* Prometheus text 0.0.4 over all shards. Gauges may be negative (two's complement). */
void metrics_write(struct metrics *const *shards, uint32_t shard_count, struct writer *w);
