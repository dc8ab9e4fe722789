/* The last stage over a fake sink, with a ring to defer to. */
#pragma once

#include "stage/settle.h"
#include "unit/fake_sink.h"
#include "unit/stage_metrics.h"
#include "unit/stage_world.h"

enum { OUTCOMES, DEAD, RING, FAR };
#define SLOT_MS INT64_C(1800000)

struct world {
    struct stage_world stage;
    struct sink sink;
    struct metrics metrics;
    struct metric_names names;
    struct settle settle;
    struct settle_ring ring;
    struct ring_clock clock;
    struct list told, back;
};

static struct ring_clock clock_of(void *context)
{
    return ((struct world *)context)->clock;
}

static struct world *world_open(void)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    stage_open(&w->stage, 40);
    w->sink.room = FAKE_SINK_MAX;
    w->clock = (struct ring_clock){.now_ms = NOW_MS, .agreed = true};
    w->ring = (struct settle_ring){
        .open = true,
        .plan = {.ring = {96, SLOT_MS, 4}, .far_spread = 4, .min_delay_ms = 2000},
        .topic_ring = RING,
        .topic_far = FAR};
    stage_metrics_open(&w->metrics, &w->names);
    const struct settle_options options = {.jobs = &w->stage.jobs,
                                           .sink = &w->sink,
                                           .topic_outcomes = OUTCOMES,
                                           .topic_dead = DEAD,
                                           .metrics = &w->metrics,
                                           .format = OUTCOME_JSON,
                                           .worker = "worker-1",
                                           .address_key = BYTES("key"),
                                           .ring = &w->ring,
                                           .clock = clock_of,
                                           .clock_context = w};
    assert_true(settle_init(&w->settle, &options));
    return w;
}

static void world_close(struct world *w)
{
    settle_deinit(&w->settle);
    metrics_close(&w->metrics);
    stage_close(&w->stage);
    free(w);
}
