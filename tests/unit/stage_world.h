/* Jobs and events for the tests of stages. The clock stands at NOW_MS of Redis's time and
 * NOW_NS of monotonic time. */
#pragma once

#include "domain/texts.h"
#include "stage/decode.h"
#include "stage/judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW_MS INT64_C(1795521600000) /* 2026-11-24T12:00:00Z, a Tuesday */
#define NOW_NS UINT64_C(5000000000000)
#define MS_NS UINT64_C(1000000)

struct stage_world {
    struct jobs jobs;
    struct judge rules;
    struct judge_options judging;
    struct judge_now now;
    int64_t offset; /* of the next record */
    struct list decoded, judged, refused, done;
};

static inline void stage_open(struct stage_world *w, uint32_t jobs_max)
{
    *w = (struct stage_world){.now = {NOW_MS, NOW_NS}, .offset = 7};
    assert_true(jobs_open(&w->jobs, jobs_max, 2));
    w->rules = (struct judge){.zones = zones_open(),
                              .texts = texts_open(),
                              .platform_zone = "UTC",
                              .dedup_window_ms = INT64_C(72) * 3600 * 1000,
                              .sms_carries_media = true};
    assert_non_null(w->rules.zones);
    w->judging = (struct judge_options){.jobs = &w->jobs, .rules = &w->rules, .smear_ms = 60000};
}

static inline void stage_close(struct stage_world *w)
{
    zones_close(w->rules.zones);
    texts_close(w->rules.texts);
    jobs_close(&w->jobs);
}

/* A record as consume hands it to decode. */
static inline struct event *stage_record(struct stage_world *w, const struct record *record)
{
    struct event *event = event_open(&w->jobs, record);
    assert_non_null(event);
    event->origin = (struct claim_origin){BYTES("carillon.events"), 3, w->offset++};
    return event;
}

static inline void stage_decode(struct stage_world *w, struct event *event)
{
    struct list fresh = {0};
    list_push(&fresh, &event->node);
    decode_all(&w->jobs, &fresh, &w->decoded, &w->refused, &w->done);
}

static inline struct event *stage_event(struct stage_world *w, const char *json)
{
    const struct record record = {
        .key = BYTES("key"), .value = bytes_of(json), .timestamp_ms = NOW_MS};
    struct event *event = stage_record(w, &record);
    stage_decode(w, event);
    return event;
}

/* Decoded and judged without settings of its tenant: its jobs lie in `judged` and `refused`. */
static inline struct event *stage_judge(struct stage_world *w, const char *json)
{
    struct event *event = stage_event(w, json);
    assert_int_equal(w->decoded.count, 1);
    event->judged.tenant = &tenant_none;
    judge_all(&w->judging, w->now, &w->decoded, &w->judged, &w->refused);
    return event;
}

static inline struct job *stage_job(const struct event *event)
{
    return job_of_sibling(event->jobs.first);
}

#define STAGE_EVENT(id, more)                                                      \
    "{\"event_id\":\"" id "\",\"tenant_id\":\"t\",\"kind\":\"booking_cancelled\"," \
    "\"booking\":{\"booking_id\":\"b\",\"starts_at\":\"2026-11-25T10:00:00Z\"}," more "}"
#define STAGE_SMS "\"recipient\":{\"sms\":\"+33612345678\"}"
