#include "shard_parts.h"

#include "base/clock.h"
#include "stage/decode.h"

#include <stdatomic.h>

enum {
    COALESCE = 32,               /* completions waited for together, at most 1 ms */
    IDLE_NS = 100 * 1000 * 1000, /* nothing ever waits longer for a look */
    GAUGES_NS = 250 * 1000 * 1000,
    TENANT_RETRY_NS = 5 * 1000 * 1000,
};

/* --- the turn ------------------------------------------------------------------------ */

/* Gives each event its tenant's settings; those that are still being loaded stay. */
static void hold_tenants(struct shard *s, struct list *decoded, struct list *held)
{
    list_move(decoded, &s->tenantless);
    for (struct list_node *n = s->tenantless.first, *next; n; n = next) {
        next = n->next;
        struct event *event = event_of(n);
        struct tenant_ref *ref = tenants_get(&s->tenants, bytes_of(event->judged.event->tenant_id));
        if (!ref)
            continue;
        event->tenant_ref = ref;
        event->judged.tenant = tenant_of(ref);
        list_remove(&s->tenantless, n);
        list_push(held, n);
    }
}

static void judge_later(struct shard *s, struct job *job, struct list *judged)
{
    job->judge_again = true;
    job->due_ns = s->now_ns + TENANT_RETRY_NS;
    job_wait(&s->jobs, job, WAIT_REDIS);
    list_push(judged, &job->node);
}

/* Its time has come, or its tenant's settings changed: judged with what holds now. */
static void judge_again(struct shard *s, struct list *again, struct list *judged,
                        struct list *refused)
{
    struct list whole = {0}, held = {0};
    for (struct list_node *n = list_pop(again); n; n = list_pop(again)) {
        struct job *job = job_of(n);
        struct event *event = job->event;
        if (event->planned && job->leg) {
            if (tenants_renew(&s->tenants, event))
                judge_leg_again(&s->judge, s->now, job, judged, refused);
            else
                judge_later(s, job, judged);
            continue;
        }
        event->planned = false;
        job->leg = NULL;
        tenants_let_go(&s->tenants, event);
        list_push(&whole, &event->node);
    }
    hold_tenants(s, &whole, &held);
    judge_all(&s->judge, s->now, &held, judged, refused);
}

/* The event's last job closed: its offset is complete. */
static void complete(struct shard *s, struct event *event)
{
    tenants_let_go(&s->tenants, event);
    if (event->abandoned && !event->completed)
        event->from_ring ? hand_abandon(&s->hand, event) : consume_abandon(&s->consume, event);
    else if (!event->completed)
        shard_complete_offset(s, event);
    event_close(&s->jobs, event);
}

/* Waiters for claims of other records are capped per partition (consume, hand). */
static void count_foreign(struct shard *s, struct job *job, bool waits)
{
    if (waits == job->waits_foreign)
        return;
    job->waits_foreign = waits;
    if (job->event->from_ring)
        hand_wait(&s->hand, job->event, waits);
    else
        consume_wait(&s->consume, job->event, waits);
}

static void count_all_foreign(struct shard *s, const struct list *jobs)
{
    for (struct list_node *n = jobs->first; n; n = n->next) {
        struct job *job = job_of(n);
        count_foreign(s, job,
                      job->claim_ready && job->claim.state == CLAIM_WAITING && job->claim.foreign);
    }
}

static void close_all(struct shard *s, struct list *closed)
{
    for (struct list_node *n = list_pop(closed); n; n = list_pop(closed)) {
        struct job *job = job_of(n);
        struct event *event = job->event;
        count_foreign(s, job, false);
        admit_closing(&s->admit, job);
        if (job->stand_in != STAND_IN_NONE)
            settle_forget_stand_in(&s->settle, job);
        if (job_close(&s->jobs, job))
            complete(s, event);
        else
            shard_complete_if_stands(s, event);
    }
}

/* Jobs of revoked partitions that hold nothing end silently: the next owner has them. */
static void drop_revoked(struct list *jobs, struct list *dropped)
{
    for (struct list_node *n = jobs->first, *next; n; n = next) {
        next = n->next;
        struct job *job = job_of(n);
        if (!job->event->revoked || (job->claim_ready && claim_binds(&job->claim)))
            continue;
        list_remove(jobs, n);
        list_push(dropped, n);
    }
}

static void close_dropped(struct shard *s, struct list *dropped)
{
    for (struct list_node *n = dropped->first; n; n = n->next) {
        route_unpromise(job_of(n));
        job_of(n)->event->abandoned = true;
        metric_add(&s->metrics, METRIC_REVOKED_LEGS, 0, 0, 1);
    }
    close_all(s, dropped);
}

/* Takes what waits anywhere for revoked partitions out of the stages. */
static void wind_down_revoked(struct shard *s, struct list *release)
{
    struct list dropped = {0};
    bool revoked = consume_revoked(&s->consume);
    if (!hand_revoked(&s->hand) && !revoked)
        return;
    for (struct list_node *n = s->tenantless.first, *next; n; n = next) {
        next = n->next;
        struct event *event = event_of(n);
        if (!event->revoked)
            continue;
        list_remove(&s->tenantless, n);
        list_push(&dropped, &job_of_sibling(event->jobs.first)->node);
    }
    drop_revoked(&s->refused, &dropped);
    schedule_drop(&s->schedule, false, &dropped);
    send_drop_revoked(&s->send, release);
    close_dropped(s, &dropped);
}

static void count_records(struct shard *s, const struct list *fresh)
{
    for (struct list_node *n = fresh->first; n; n = n->next)
        metric_add(&s->metrics, METRIC_RECORDS_CONSUMED,
                   event_of(n)->from_ring ? 2 : event_of(n)->urgent, 0, 1);
}

/* What schedule does not keep: refusals are asked, what waits long is deferred, its claim
 * given back first. */
static void set_aside(struct shard *s, struct schedule_out *out)
{
    list_move(&out->refused, &s->refused);
    claims_release_put(&s->claims, s->now_ns, &out->release);
    settle_replaced(&s->settle, &out->replaced);
    settle_defer(&s->settle, &out->later, s->now.ms);
    CHECK(out->due.count + out->again.count == 0);
}

/* Records in, legs judged and waiting. */
static void turn_in(struct shard *s)
{
    struct list fresh = {0}, decoded = {0}, held = {0}, judged = {0}, ended = {0};
    struct schedule_out out = {0};
    struct ring_clock clock = shard_clock(s);
    /* A release takes at most half of what is free: what is new goes on beside it. */
    s->more = hand_take(&s->hand, s->now_ns, &clock, jobs_room(&s->jobs) / LEGS_MAX / 2, &fresh);
    s->more |=
        consume_take(&s->consume, s->now_ns, s->now.ms, jobs_room(&s->jobs) / LEGS_MAX, &fresh);
    count_records(s, &fresh);
    decode_all(&s->jobs, &fresh, &decoded, &s->refused, &ended);
    hold_tenants(s, &decoded, &held);
    judge_all(&s->judge, s->now, &held, &judged, &s->refused);
    admit_announce(&s->admit, &judged);
    schedule_put(&s->schedule, &judged, &out);
    set_aside(s, &out);
    settle_enter(&s->settle, &ended);
    claims_settle_put(&s->claims, s->now_ns, &ended);
}

/* Due legs through admission into calls, and what comes of them. */
static void turn_out(struct shard *s)
{
    struct list due = {0}, judged = {0}, ready = {0}, again = {0}, ended = {0};
    struct list rejudge = {0}, release = {0}, dropped = {0};
    struct schedule_out out = {0};
    uint32_t room = admit_room(&s->admit);

    schedule_take(&s->schedule, room, &out);
    list_move(&out.due, &due);
    judge_again(s, &out.again, &judged, &s->refused);
    admit_announce(&s->admit, &judged);
    schedule_put(&s->schedule, &judged, &out);
    set_aside(s, &out);
    struct list asked = {0};
    while (s->refused.count > 0 && due.count + asked.count < room)
        list_push(&asked, list_pop(&s->refused));
    admit_put(&s->admit, s->now_ns, &due);
    admit_ask(&s->admit, s->now_ns, &asked);
    admit_take(&s->admit, s->now_ns, &ready, &again, &ended, &rejudge);
    judge_again(s, &rejudge, &judged, &s->refused);
    count_all_foreign(s, &again);
    count_all_foreign(s, &ready);

    send_put(&s->send, &ready);
    send_start(&s->send, s->now_ns, &again, &release, &ended);
    send_take(&s->send, s->now_ns, &ended, &release, &again);
    wind_down_revoked(s, &release);
    claims_release_put(&s->claims, s->now_ns, &release);
    claims_release_take(&s->claims, s->now_ns, &again);
    drop_revoked(&again, &dropped);
    close_dropped(s, &dropped);
    list_move(&again, &judged);
    schedule_put(&s->schedule, &judged, &out);
    set_aside(s, &out);

    settle_enter(&s->settle, &ended);
    claims_settle_put(&s->claims, s->now_ns, &ended);
    CHECK(due.count + judged.count + ready.count + again.count + ended.count == 0);
}

/* Ends told, acknowledged, closed. */
static void turn_end(struct shard *s)
{
    struct list settled = {0}, closed = {0}, back = {0}, dropped = {0};
    struct schedule_out out = {0};
    claims_settle_take(&s->claims, s->now_ns, &settled);
    settle_put(&s->settle, &settled, s->now.ms);
    settle_take(&s->settle, s->now.ms, &closed, &back);
    shard_stand_in(s);
    drop_revoked(&back, &dropped);
    close_dropped(s, &dropped);
    schedule_put(&s->schedule, &back, &out);
    set_aside(s, &out);
    shard_note_deferred(s, &closed);
    close_all(s, &closed);
    CHECK(settled.count + closed.count + back.count == 0);
}

static uint64_t next_look_ns(struct shard *s, uint64_t claims_ns)
{
    uint64_t next_ns = u64_min(claims_ns, s->now_ns + IDLE_NS);
    next_ns = u64_min(next_ns, schedule_next_ns(&s->schedule));
    next_ns = u64_min(next_ns, send_next_ns(&s->send));
    next_ns = u64_min(next_ns, hand_next_ns(&s->hand));
    next_ns = u64_min(next_ns, forecast_next_ns(&s->forecast));
    if (s->more)
        return s->now_ns;
    if (s->tenantless.count > 0)
        next_ns = u64_min(next_ns, s->now_ns + TENANT_RETRY_NS);
    return next_ns;
}

/* Keys marked LIVE in config.def. */
static void apply_live(struct shard *s, const struct config *config)
{
    const struct config_settings *is = &config->is;
    s->config = config;
    s->judge.smear_ms = (int64_t)is->schedule.smear_ms;
    s->judge.rules = s->admit.options.judge = atomic_load(&s->live_rules);
    s->claims.rules.foreign_wait_ms = (int64_t)is->claims.foreign_wait_ms;
    s->send.options.check_ttl_ns = is->claims.check_ttl_ms * NS_PER_MS;
    s->send.options.max_attempts = (uint32_t)is->send.max_attempts;
    s->send.options.retry_least_ms = is->schedule.retry_least_ms;
    s->send.options.retry_most_ms = is->schedule.retry_most_ms;
    shard_copy_resend(&is->resend, s->admit.options.resend);
    routes_limit(&s->routes, config);
}

void shard_reload(struct shard *s, const struct config *config, const struct judge *rules)
{
    atomic_store(&s->live_rules, rules);
    atomic_store(&s->live, config);
}

void shard_turn(struct shard *s)
{
    s->now_ns = clock_mono_ns();
    uint64_t claims_ns = claims_turn(&s->claims, s->now_ns);
    s->now = (struct judge_now){claims_now_ms(&s->claims, s->now_ns), s->now_ns};
    if (claims_gate(&s->claims) == GATE_HOLD)
        consume_commit(&s->consume);
    claims_committed(&s->claims, consume_acked_ns(&s->consume));
    shard_turn_ring(s);
    turn_in(s);
    turn_out(s);
    turn_end(s);
    if (s->now_ns >= s->gauges_ns) {
        const struct config *live = atomic_load(&s->live);
        if (live != s->config)
            apply_live(s, live);
        shard_write_gauges(s);
        shard_tell_readiness(s);
        s->gauges_ns = s->now_ns + GAUGES_NS;
    }
    metric_set(&s->metrics, METRIC_LAST_TURN, 0, (uint64_t)s->now.ms);
    metric_add(&s->metrics, METRIC_TURNS, 0, 0, 1);
    metric_observe_us(&s->metrics, METRIC_TURN_SECONDS, 0, (clock_mono_ns() - s->now_ns) / 1000);
    atomic_store_explicit(&s->turn_ms, (uint64_t)s->now.ms, memory_order_relaxed);

    loop_wait(s->loop, next_look_ns(s, claims_ns), jobs_in_hand(&s->jobs) > 0 ? COALESCE : 1);
}

/* --- draining ------------------------------------------------------------------------- */

/* Draining: nothing new is taken; what is in hand ends, is committed, the group is left. */
static void wind_down(struct shard *s)
{
    struct list dropped = {0};
    consume_stop(&s->consume);
    hand_stop(&s->hand);
    schedule_drop(&s->schedule, true, &dropped);
    close_dropped(s, &dropped);
    if (!s->leaving && jobs_in_hand(&s->jobs) == 0 && consume_clean(&s->consume) &&
        hand_clean(&s->hand)) {
        source_leave(s->source);
        source_leave(s->ring_source);
        s->leaving = true;
    }
}

void shard_run(struct shard *s)
{
    while (!(s->leaving && source_left(s->source) && source_left(s->ring_source))) {
        if (atomic_load_explicit(&s->stopping, memory_order_relaxed))
            wind_down(s);
        shard_turn(s);
    }
    atomic_store(&s->drained, true);
}

void shard_stop(struct shard *s)
{
    atomic_store(&s->stopping, true);
    loop_wake(s->loop);
}
