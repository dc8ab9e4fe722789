/* Schedule with one route, its limit and account; nothing is deferred unless `defers`. */
#pragma once

#include "stage/schedule.h"
#include "unit/fake_claims.h"
#include "unit/fake_redis.h"
#include "unit/stage_metrics.h"

enum {
    INTERVAL_US = 10000,
    AHEAD_MS = 50,
    MOST = 6,
    HORIZON_MS = 60000,
    HOLD_MS = 2000,
    DELAY_MS = 2000
}; /* 100 a second; 50 ms hold 6 slots */

struct world {
    struct stage_world stage;
    struct claims claims;
    struct redis redis;
    struct metrics metrics;
    struct metric_names names;
    struct limit limit;
    struct account account;
    struct route route;
    struct routes routes;
    struct schedule schedule;
    uint64_t now_ns;
    bool defers; /* the ring is open; else all waits in memory */
    struct schedule_out out;
};

static inline struct world *world_open(bool limited)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    stage_open(&w->stage, 60);
    fake_gate(&w->claims, true);
    stage_metrics_open(&w->metrics, &w->names);
    w->limit =
        (struct limit){.key = "s1:{sms}", .cool_key = "s1:{sms}:cool", .interval_us = INTERVAL_US};
    slots_init(&w->limit.slots, 20 * MS_NS);
    w->account = (struct account){.name = "twilio", .in_flight_max = 3};
    w->route = (struct route){.name = "sms",
                              .channel = CARILLON__V1__CHANNEL__CHANNEL_SMS,
                              .account = &w->account,
                              .limits = {&w->limit},
                              .limit_count = limited};
    w->routes = (struct routes){&w->limit, &w->account, &w->route, limited, 1, 1};
    const struct schedule_options options = {.jobs = &w->stage.jobs,
                                             .routes = &w->routes,
                                             .redis = &w->redis,
                                             .claims = &w->claims,
                                             .metrics = &w->metrics,
                                             .reserve_ahead_ns = AHEAD_MS * MS_NS,
                                             .horizon_ns = HORIZON_MS * MS_NS,
                                             .hold_ns = HOLD_MS * MS_NS,
                                             .min_delay_ns = DELAY_MS * MS_NS,
                                             .backoff_least_ns = 5000 * MS_NS,
                                             .backoff_most_ns = 300000 * MS_NS};
    w->now_ns = NOW_NS;
    schedule_init(&w->schedule, &options, NOW_NS);
    return w;
}

static inline void world_close(struct world *w)
{
    metrics_close(&w->metrics);
    stage_close(&w->stage);
    free(w);
}

/* A text message that is due now. */
static inline struct job *put(struct world *w, const char *json)
{
    struct event *event = stage_judge(&w->stage, json);
    while (w->stage.refused.count > 0) /* the e-mail that nobody has */
        list_pop(&w->stage.refused);
    schedule_put(&w->schedule, &w->stage.judged, &w->out);
    return stage_job(event);
}

static inline struct ring_clock clock_at(const struct world *w)
{
    return (struct ring_clock){
        .now_ms = claims_now_ms(&w->claims, w->now_ns), .held = !w->defers, .agreed = true};
}

static inline void take(struct world *w, uint64_t later_ms)
{
    w->now_ns += later_ms * MS_NS;
    schedule_turn(&w->schedule, w->now_ns, clock_at(w));
    schedule_take(&w->schedule, 100, &w->out);
}

#define TEXT(id) STAGE_EVENT(id, STAGE_SMS)
