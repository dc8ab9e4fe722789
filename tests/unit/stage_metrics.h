/* Metrics whose labels have as many values as any stage counts under. */
#pragma once

#include "base/metrics.h"
#include "domain/kinds.h"

static inline void stage_metrics_open(struct metrics *metrics, struct metric_names *names)
{
    static const char *const words[REASON_COUNT] = {"a"};
    for (int i = 0; i < LABEL_COUNT; i++) {
        names->of[i].names = words;
        names->of[i].count = REASON_COUNT;
    }
    CHECK(metrics_open(metrics, names));
}
