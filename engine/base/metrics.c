#include "base/metrics.h"

#include <stdatomic.h>
#include <stdlib.h>

enum metric_type { TYPE_COUNTER, TYPE_GAUGE, TYPE_HISTOGRAM };
enum metric_merge { MERGE_SUM, MERGE_MAX, MERGE_EARLIEST };

struct metric_row {
    const char *name, *help;
    enum metric_type type;
    enum metric_label first, second;
    enum metric_merge merge;
};

static const struct metric_row rows[] = {
#define COUNTER(id, name, first, second, help) \
    {#name, help, TYPE_COUNTER, LABEL_##first, LABEL_##second, MERGE_SUM},
#define GAUGE(id, name, first, second, merge, help) \
    {#name, help, TYPE_GAUGE, LABEL_##first, LABEL_##second, MERGE_##merge},
#define HISTOGRAM(id, name, first, help) \
    {#name, help, TYPE_HISTOGRAM, LABEL_##first, LABEL_NONE, MERGE_SUM},
#include "base/metrics.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
};

static const char *const label_words[LABEL_COUNT] = {
    [LABEL_NONE] = "",           [LABEL_TOPIC] = "topic",
    [LABEL_CHANNEL] = "channel", [LABEL_OUTCOME] = "outcome",
    [LABEL_REASON] = "reason",   [LABEL_STATE] = "state",
    [LABEL_WAIT] = "reason",     [LABEL_PROVIDER] = "provider",
    [LABEL_VERDICT] = "verdict", [LABEL_CONNECTION] = "state",
};

/* Bounds in seconds, after OpenTelemetry's advice for HTTP clients. */
static const struct {
    const char *text;
    uint64_t us;
} bounds[] = {
    {"0.001", 1000},  {"0.0025", 2500}, {"0.005", 5000},  {"0.01", 10000},  {"0.025", 25000},
    {"0.05", 50000},  {"0.075", 75000}, {"0.1", 100000},  {"0.25", 250000}, {"0.5", 500000},
    {"0.75", 750000}, {"1", 1000000},   {"2.5", 2500000}, {"5", 5000000},   {"7.5", 7500000},
    {"10", 10000000}, {"60", 60000000},
};

static uint32_t values_of(const struct metric_names *names, enum metric_label label)
{
    return label == LABEL_NONE ? 1 : names->of[label].count;
}

bool metrics_open(struct metrics *m, const struct metric_names *names)
{
    *m = (struct metrics){.names = names};
    uint32_t values = 0, hists = 0;
    for (uint32_t i = 0; i < METRIC_COUNT; i++) {
        uint32_t first = values_of(names, rows[i].first);
        m->stride[i] = values_of(names, rows[i].second);
        if (rows[i].type == TYPE_HISTOGRAM) {
            m->hist_at[i] = hists;
            hists += first;
        } else {
            m->value_at[i] = values;
            values += first * m->stride[i];
        }
    }
    m->values = calloc(values, sizeof *m->values);
    m->hists = calloc(hists, sizeof *m->hists);
    if (m->values && m->hists)
        return true;
    metrics_close(m);
    return false;
}

void metrics_close(struct metrics *m)
{
    free(m->values);
    free(m->hists);
    *m = (struct metrics){0};
}

static _Atomic uint64_t *value_of(const struct metrics *m, enum metric which, uint32_t first,
                                  uint32_t second)
{
    DCHECK(rows[which].type != TYPE_HISTOGRAM);
    DCHECK(first < values_of(m->names, rows[which].first));
    return &m->values[m->value_at[which] + first * m->stride[which] + second];
}

void metric_add(struct metrics *m, enum metric which, uint32_t first, uint32_t second, uint64_t n)
{
    _Atomic uint64_t *at = value_of(m, which, first, second);
    uint64_t old = atomic_load_explicit(at, memory_order_relaxed);
    atomic_store_explicit(at, old + n, memory_order_relaxed);
}

void metric_set(struct metrics *m, enum metric which, uint32_t first, uint64_t value)
{
    atomic_store_explicit(value_of(m, which, first, 0), value, memory_order_relaxed);
}

void metric_observe_us(struct metrics *m, enum metric which, uint32_t first, uint64_t us)
{
    DCHECK(rows[which].type == TYPE_HISTOGRAM);
    hist_add(&m->hists[m->hist_at[which] + first], us);
}

uint64_t metric_get(const struct metrics *m, enum metric which, uint32_t first, uint32_t second)
{
    return atomic_load_explicit(value_of(m, which, first, second), memory_order_relaxed);
}

const struct hist *metric_hist(const struct metrics *m, enum metric which, uint32_t first)
{
    return &m->hists[m->hist_at[which] + first];
}

static uint64_t merged(struct metrics *const *shards, uint32_t count, uint32_t row, uint32_t first,
                       uint32_t second)
{
    uint64_t result = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t v = metric_get(shards[i], (enum metric)row, first, second);
        switch (rows[row].merge) {
        case MERGE_SUM:
            result += v;
            break;
        case MERGE_MAX:
            result = u64_max(result, v);
            break;
        case MERGE_EARLIEST: /* 0: none */
            result = result == 0 || (v > 0 && v < result) ? v : result;
            break;
        }
    }
    return result;
}

static void write_labels(struct writer *w, const struct metric_names *names, uint32_t row,
                         uint32_t first, uint32_t second, const char *bound)
{
    enum metric_label label[2] = {rows[row].first, rows[row].second};
    uint32_t value[2] = {first, second};
    char open = '{';
    for (int i = 0; i < 2; i++) {
        if (label[i] == LABEL_NONE)
            continue;
        write_format(w, "%c%s=\"%s\"", open, label_words[label[i]],
                     names->of[label[i]].names[value[i]]);
        open = ',';
    }
    if (bound) {
        write_format(w, "%cle=\"%s\"", open, bound);
        open = ',';
    }
    if (open == ',')
        write_char(w, '}');
}

static bool is_named(const struct metric_names *names, enum metric_label label, uint32_t value)
{
    return label == LABEL_NONE || names->of[label].names[value] != NULL;
}

/* Timestamps are kept in milliseconds and shown in seconds. */
static bool in_milliseconds(uint32_t row)
{
    return rows[row].type == TYPE_GAUGE && strstr(rows[row].name, "_timestamp_seconds");
}

static void write_values(struct writer *w, struct metrics *const *shards, uint32_t count,
                         uint32_t row)
{
    const struct metric_names *names = shards[0]->names;
    for (uint32_t i = 0; i < values_of(names, rows[row].first); i++) {
        for (uint32_t j = 0; j < values_of(names, rows[row].second); j++) {
            if (!is_named(names, rows[row].first, i) || !is_named(names, rows[row].second, j))
                continue;
            uint64_t v = merged(shards, count, row, i, j);
            write_format(w, "carillon_%s", rows[row].name);
            write_labels(w, names, row, i, j, NULL);
            if (in_milliseconds(row))
                write_format(w, " %llu.%03u\n", (unsigned long long)(v / 1000),
                             (unsigned)(v % 1000));
            else
                write_format(w, " %lld\n", (long long)v);
        }
    }
}

static void write_histogram(struct writer *w, struct metrics *const *shards, uint32_t count,
                            uint32_t row, uint32_t first)
{
    struct hist *sum = calloc(1, sizeof *sum);
    if (!sum) {
        w->overflow = true;
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        hist_merge(sum, metric_hist(shards[i], (enum metric)row, first));
    const struct metric_names *names = shards[0]->names;
    for (uint32_t i = 0; i < countof(bounds); i++) {
        write_format(w, "carillon_%s_bucket", rows[row].name);
        write_labels(w, names, row, first, 0, bounds[i].text);
        write_format(w, " %llu\n", (unsigned long long)hist_at_most(sum, bounds[i].us));
    }
    uint64_t all = hist_count(sum);
    write_format(w, "carillon_%s_bucket", rows[row].name);
    write_labels(w, names, row, first, 0, "+Inf");
    write_format(w, " %llu\ncarillon_%s_sum", (unsigned long long)all, rows[row].name);
    write_labels(w, names, row, first, 0, NULL);
    write_format(w, " %.6f\ncarillon_%s_count",
                 (double)atomic_load_explicit(&sum->sum_us, memory_order_relaxed) / 1e6,
                 rows[row].name);
    write_labels(w, names, row, first, 0, NULL);
    write_format(w, " %llu\n", (unsigned long long)all);
    free(sum);
}

void metrics_write(struct metrics *const *shards, uint32_t shard_count, struct writer *w)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    const struct metric_names *names = shards[0]->names;
    for (uint32_t row = 0; row < METRIC_COUNT; row++) {
        write_format(w, "# HELP carillon_%s %s\n# TYPE carillon_%s %s\n", rows[row].name,
                     rows[row].help, rows[row].name, types[rows[row].type]);
        if (rows[row].type != TYPE_HISTOGRAM) {
            write_values(w, shards, shard_count, row);
            continue;
        }
        for (uint32_t i = 0; i < values_of(names, rows[row].first); i++)
            if (is_named(names, rows[row].first, i))
                write_histogram(w, shards, shard_count, row, i);
    }
}
