/* A leg that waits long, or an event that was not judged yet, as a record in the ring or in
 * the far topic: where it goes, what it says, and whether it counts. */
#include "stage/settle_record.h"

#include "base/log.h"

enum { AGAIN_FIRST_MS = 5 * 1000, AGAIN_LAST_MS = 5 * 60 * 1000, CLOSED_MS = 1000 };

/* --- the record ------------------------------------------------------------------------ */

static void name_legs(const struct job *job, struct deferral *d)
{
    const struct deferral *was = job->event->deferral;
    if (job->leg) {
        d->leg_count = 1;
        deferral_name_leg(job->leg->channel, job->leg->address, &d->legs[0]);
    } else if (was) {
        d->leg_count = was->leg_count;
        memcpy(d->legs, was->legs, was->leg_count * sizeof *was->legs);
    }
}

/* One leg of several waits: now, or since an earlier hop. */
static bool is_one_of_several(const struct job *job, const struct deferral *d)
{
    const struct event *event = job->event;
    struct deferral_key was;
    if (d->leg_count != 1)
        return false;
    if (!event->deferral || event->deferral->leg_count == 0)
        return event->judged.leg_count > 1;
    return event->deferral->leg_count > 1 ||
           (deferral_parse_key(event->record.key, &was) == ERR_OK && was.has_leg);
}

static uint32_t attempts_of(const struct job *job)
{
    uint32_t attempts = job->claim_ready       ? job->claim.attempts
                        : job->event->deferral ? job->event->deferral->attempts
                                               : 0;
    return attempts < DEFERRAL_COUNT_MAX ? attempts : DEFERRAL_COUNT_MAX;
}

static void put_headers(const struct record *record, struct settle_deferral *out)
{
    struct writer text = writer_of(out->text, sizeof out->text);
    CHECK(deferral_encode(&out->is, &text, out->headers, &out->header_count) == ERR_OK);
    for (uint32_t i = 0; i < record->header_count; i++) /* ours first: readers may cut */
        if (!deferral_owns(record->headers[i].name))
            out->headers[out->header_count++] = record->headers[i];
}

void settle_deferral_of(const struct job *job, const struct ring *ring,
                        const struct ring_place *place, struct settle_deferral *out)
{
    const struct event *event = job->event;
    const struct judge_case *c = &event->judged;
    const struct deferral *was = event->deferral;
    out->is = (struct deferral){
        .due_ms = place->due_ms,
        .event_due_ms = i64_max(place->due_ms, i64_min(job->defer.due_ms, RING_DUE_MAX_MS)),
        .ring = place->where == RING_NEAR ? *ring : (struct ring){0},
        .seq = was ? was->seq + 1 : 1,
        .reason = job->defer.reason,
        .origin = event->origin,
        .timestamp_ms = i64_max(event->record.timestamp_ms, 0),
        .attempts = attempts_of(job),
        .kind = bytes_of(c->kind->name),
        .route = bytes_of(job->route ? job->route->name : NULL),
        .segments = job->leg ? job->leg->segments : 0,
        .expires_ms = i64_min(i64_max(c->expires_ms, 0), RING_DUE_MAX_MS),
    };
    if (out->is.seq > DEFERRAL_COUNT_MAX)
        out->is.seq = DEFERRAL_COUNT_MAX;
    name_legs(job, &out->is);
    struct writer key = writer_of(out->key_memory, sizeof out->key_memory);
    deferral_write_key(&key, bytes_of(c->event->event_id), out->is.seq,
                       is_one_of_several(job, &out->is) ? &out->is.legs[0] : NULL);
    CHECK(!key.overflow);
    out->key = writer_bytes(&key);
    put_headers(&event->record, out);
}

/* --- back to memory ---------------------------------------------------------------------- */

static void go_on_in_memory(struct settle *settle, struct job *job, int64_t not_before_ms)
{
    job->untold = 0;
    job->defer.reason = REASON_NONE;
    job->defer.not_before_ms = not_before_ms;
    job_wait(settle->options.jobs, job, WAIT_DUE_LATER);
}

/* A copy of it may be in the ring: no crowd of them is to grow. */
static void is_void(struct settle *settle, struct job *job, int64_t now_ms)
{
    uint32_t doubled = job->defer.failed < 8 ? job->defer.failed : 8;
    job->defer.failed++;
    metric_add(settle->options.metrics, METRIC_DEFERRALS_VOID, 0, 0, 1);
    go_on_in_memory(settle, job,
                    now_ms + i64_min((int64_t)AGAIN_FIRST_MS << doubled, AGAIN_LAST_MS));
}

static void is_too_large(struct settle *settle, struct job *job)
{
    const struct claim_origin *origin = &job->event->origin;
    log_limited(LOG_WARN, "deferral_too_large",
                "topic=%.*s partition=%d offset=%lld remedy=\"larger messages for the deferral "
                "topics: carillon setup\"",
                (int)origin->topic.size, origin->topic.at, origin->partition,
                (long long)origin->offset);
    go_on_in_memory(settle, job, INT64_MAX);
}

/* --- producing ----------------------------------------------------------------------------- */

enum settle_told settle_tell_deferral(struct settle *settle, struct job *job)
{
    const struct settle_ring *ring = settle->options.ring;
    struct ring_clock clock = settle->options.clock(settle->options.clock_context);
    struct bytes event_id = bytes_of(job->event->judged.event->event_id);
    if (!ring->open || clock.held) {
        go_on_in_memory(settle, job, clock.now_ms + CLOSED_MS);
        return SETTLE_BACK;
    }
    struct ring_place place =
        ring_place(&ring->plan, clock.now_ms, job->defer.due_ms, event_id, job->event->far_day);
    if (place.where == RING_HOLD || place.where == RING_STAY) {
        bool stays = place.where == RING_STAY;
        go_on_in_memory(settle, job,
                        stays ? ring_admits_from_ms(&ring->plan.ring, place.due_ms)
                              : job->defer.due_ms);
        return SETTLE_BACK;
    }
    struct settle_deferral record;
    settle_deferral_of(job, &ring->plan.ring, &place, &record);
    enum err err =
        sink_put(settle->options.sink,
                 place.where == RING_NEAR ? ring->topic_ring : ring->topic_far, place.partition,
                 record.key, job->event->record.value, record.headers, record.header_count, job);
    if (err == ERR_TOO_LARGE) {
        is_too_large(settle, job);
        return SETTLE_BACK;
    }
    if (err != ERR_OK)
        return SETTLE_FULL;
    job->defer.slot_end_ms = place.slot_end_ms;
    return SETTLE_PUT;
}

bool settle_deferral_reported(struct settle *settle, struct job *job, enum err err)
{
    if (err == ERR_OK)
        return true;
    struct ring_clock clock = settle->options.clock(settle->options.clock_context);
    if (err == ERR_TOO_LARGE)
        is_too_large(settle, job);
    else
        is_void(settle, job, clock.now_ms);
    return false;
}

bool settle_deferral_counts(struct settle *settle, struct job *job, const struct ring_clock *clock)
{
    if (ring_ack_counts(job->defer.slot_end_ms, clock))
        return true;
    is_void(settle, job, clock->now_ms);
    return false;
}
