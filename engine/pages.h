/* What the admin port shows: /metrics, /livez, /readyz, /status.json. */
#pragma once

#include "base/metrics.h"
#include "config.h"
#include "io/admin.h"
#include "outlook.h"
#include "shard.h"

/* What the pages read; owned by the worker. */
struct pages {
    const struct config *config;
    const char *worker;
    struct shard *shards;
    uint32_t shard_count;
    struct outlook *outlook; /* once started */
    _Atomic bool started;    /* the shards run: their metrics are there */
    _Atomic bool draining;
    const char *_Atomic waiting_for; /* before that: Kafka, Redis; NULL: nobody */
    int64_t started_ms;
    char backend[16], backend_why[LOOP_WHY_SIZE];
};

extern const struct admin_page pages_all[];
extern const uint32_t pages_count;

bool pages_ready(struct pages *pages, struct writer *why);
