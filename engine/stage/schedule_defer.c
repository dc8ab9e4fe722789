/* What waits too long leaves for Kafka: what is due beyond the horizon, and what is due and has
 * no slot within `hold`. How long a leg would wait follows from its route: closed until when,
 * how many units stand in its queue, and what a unit takes, which is measured (so that it is
 * this shard's share of the limits, whatever else holds the route up).
 *
 * A leg behind a long queue is deferred to the time when a slot will be there for it: each
 * books its units behind those before. A route that was closed because nothing got through is
 * on trial when it opens: a few legs try, the others leave at once. */
#include "stage/schedule_parts.h"

#include "base/clock.h"
#include "base/prng.h"

enum {
    HELD_MS = 500, /* until what could not be deferred is asked about again */
    TRIAL_MAX = 16,
    MARGIN_NS = 100 * 1000 * 1000, /* between choosing a time and producing the record */
    UNIT_LEAST_NS = 20 * 1000,
};
#define WINDOW_NS NS_PER_S
#define UNIT_MOST_NS (10 * NS_PER_S)

/* Never earlier than the job's time. */
static int64_t ms_of(const struct schedule *s, uint64_t ns)
{
    uint64_t ahead_ns = ns > s->now_ns ? ns - s->now_ns : 0;
    return s->clock.now_ms + (int64_t)((ahead_ns + NS_PER_MS - 1) / NS_PER_MS);
}

bool schedule_is_free(const struct job *job)
{
    return !job->claim_ready || job->claim.state == CLAIM_RELEASED ||
           (!job->claim.held && job->claim.state != CLAIM_WAITING);
}

bool schedule_may_leave(const struct schedule *s, const struct job *job)
{
    return !s->clock.held && s->clock.now_ms >= job->defer.not_before_ms &&
           job->end.outcome == CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_UNSPECIFIED &&
           !(job->claim_ready && job->claim.state == CLAIM_WAITING);
}

/* How long it may still wait here: `hold` since it is due, not counting the time in which
 * nothing could go at all. */
static uint64_t patience_ns(const struct schedule *s, const struct job *job)
{
    uint64_t since_ns = u64_max(job->since_ns, s->open_ns);
    uint64_t waited_ns = since_ns < s->now_ns ? s->now_ns - since_ns : 0;
    return waited_ns < s->options.hold_ns ? s->options.hold_ns - waited_ns : 0;
}

/* --- how long a route makes wait ------------------------------------------------------- */

static uint64_t unit_ns(const struct route *route)
{
    uint64_t unit = u64_max(route->pace.unit_ns, UNIT_LEAST_NS);
    for (uint32_t i = 0; i < route->limit_count; i++)
        unit = u64_max(unit, route->limits[i]->interval_us * 1000);
    return unit;
}

/* Until when nothing goes, and why. */
static uint64_t closed_until_ns(const struct route *route, enum reason *why)
{
    uint64_t until_ns = route->closed_until_ns;
    *why = route->closed_by == REASON_NONE ? REASON_BREAKER : route->closed_by;
    for (uint32_t i = 0; i < route->limit_count; i++)
        if (route->limits[i]->cool_until_ns > until_ns) {
            until_ns = route->limits[i]->cool_until_ns;
            *why = REASON_COOL_DOWN;
        }
    return until_ns;
}

static bool is_full_trial(const struct route *route)
{
    const struct account *account = route->account;
    return route->trial &&
           route_queued(route) + account->promised + account->in_flight >= TRIAL_MAX;
}

/* Of left-overs and what is on time, the shorter queue is empty when as many of the other
 * left: the rest of that is behind it. */
static uint32_t behind(const struct route *route, const struct list *queue)
{
    const struct list *other = queue == &route->queue[QUEUE_ON_TIME]
                                   ? &route->queue[QUEUE_LEFT_OVER]
                                   : &route->queue[QUEUE_ON_TIME];
    return other->count > queue->count ? other->count - queue->count : 0;
}

uint64_t schedule_queue_ns(const struct route *route, const struct list *queue)
{
    if (queue == &route->queue[QUEUE_URGENT])
        return queue->count * unit_ns(route);
    uint32_t less = behind(route, queue);
    uint64_t wait_ns = (route->wanted - u64_min(less, route->wanted)) * unit_ns(route);
    for (uint32_t i = 0; i < route->limit_count; i++) {
        const struct limit *limit = route->limits[i];
        wait_ns = u64_max(wait_ns, (limit->wanted - u64_min(less, limit->wanted)) *
                                       limit->interval_us * 1000);
    }
    return wait_ns;
}

/* --- until when it leaves ---------------------------------------------------------------- */

static uint64_t backoff_ns(struct schedule *s, const struct job *job)
{
    uint32_t tries = event_tries(job->event);
    uint64_t most_ns = u64_min(s->options.backoff_least_ns << (tries < 16 ? tries : 16),
                               s->options.backoff_most_ns);
    return most_ns / 2 + prng_upto(&s->random, most_ns / 2 + 1);
}

/* Its units are booked behind those of the legs that left before. */
static uint64_t book_ns(struct route *route, const struct job *job, uint64_t least_ns)
{
    uint64_t at_ns = u64_max(route->pace.booked_ns, least_ns);
    route->pace.booked_ns = at_ns + route_units(job) * unit_ns(route);
    return at_ns;
}

static uint64_t retry_ns(struct schedule *s, struct job *job, enum reason why, uint64_t from_ns)
{
    uint64_t soonest_ns = s->now_ns + s->options.min_delay_ns + MARGIN_NS;
    uint64_t at_ns = u64_max(from_ns, soonest_ns);
    if (why == REASON_BREAKER)
        return u64_max(at_ns, s->now_ns + backoff_ns(s, job));
    if (why == REASON_RETRY)
        return at_ns;
    if (why == REASON_RATE)
        at_ns = u64_max(at_ns, s->now_ns + s->options.hold_ns);
    /* One bad second, after which all is well, must not put a thousand legs off for minutes. */
    uint64_t most_ns = at_ns + backoff_ns(s, job);
    return u64_min(book_ns(job->route, job, at_ns), most_ns);
}

/* Whoever expires meanwhile is told of it then. */
static int64_t not_past_expiry(const struct schedule *s, const struct job *job, int64_t due_ms)
{
    int64_t least_ms =
        s->clock.now_ms + (int64_t)((s->options.min_delay_ns + MARGIN_NS) / NS_PER_MS);
    return i64_max(least_ms, i64_min(due_ms, job->event->judged.expires_ms));
}

static void leave(struct schedule *s, struct job *job, enum reason why, uint64_t from_ns,
                  struct schedule_out *out)
{
    if (!schedule_is_free(job)) { /* it comes back, and is asked again */
        list_push(&out->release, &job->node);
        return;
    }
    job_wait(s->options.jobs, job, why == REASON_RETRY ? WAIT_RETRY : WAIT_SLOT);
    job->due_ns = retry_ns(s, job, why, from_ns);
    job->defer.reason = why;
    job->defer.due_ms = not_past_expiry(s, job, ms_of(s, job->due_ns));
    list_push(&out->later, &job->node);
}

/* --- not due yet ------------------------------------------------------------------------- */

/* It was due before: in this hand, or when it was deferred. */
static bool was_due(const struct job *job)
{
    const struct deferral *d = job->event->deferral;
    return job->since_ns > 0 ||
           (d && d->reason != REASON_NOT_DUE && d->reason != REASON_QUIET_HOURS);
}

static enum reason reason_of(const struct job *job)
{
    return was_due(job)                    ? REASON_SEND_WINDOW
           : job->wait == WAIT_QUIET_HOURS ? REASON_QUIET_HOURS
                                           : REASON_NOT_DUE;
}

static bool leaves_for_retry(const struct schedule *s, const struct job *job)
{
    return job->wait == WAIT_RETRY && job->route && claims_open(s->options.claims) &&
           job->due_ns - s->now_ns > patience_ns(s, job) && schedule_may_leave(s, job);
}

void schedule_wait(struct schedule *s, struct job *job, struct schedule_out *out)
{
    uint64_t ahead_ns = job->due_ns - s->now_ns, look_ns = job->due_ns;
    enum reason why;
    if (leaves_for_retry(s, job)) {
        bool closed = closed_until_ns(job->route, &why) > s->now_ns;
        leave(s, job, closed ? why : REASON_RETRY, job->due_ns, out);
        return;
    }
    bool far = ahead_ns > s->options.horizon_ns && schedule_is_free(job);
    if (far && schedule_may_leave(s, job)) {
        job->defer.reason = reason_of(job);
        job->defer.due_ms = ms_of(s, job->due_ns);
        list_push(&out->later, &job->node);
        return;
    }
    if (far) { /* asked about again */
        int64_t rest_ms = i64_max(job->defer.not_before_ms - s->clock.now_ms, HELD_MS);
        if (rest_ms < (int64_t)(ahead_ns / NS_PER_MS))
            look_ns = s->now_ns + (uint64_t)rest_ms * NS_PER_MS;
    }
    wheel_put(&s->wheel, &job->timer, look_ns);
}

/* --- due ------------------------------------------------------------------------------------ */

bool schedule_turned_away(struct schedule *s, struct job *job, struct schedule_out *out)
{
    struct route *route = job->route;
    enum reason why;
    uint64_t until_ns = closed_until_ns(route, &why);
    uint64_t closed_ns = until_ns > s->now_ns ? until_ns - s->now_ns : 0;
    bool trial = is_full_trial(route);
    uint64_t wait_ns = closed_ns + schedule_queue_ns(route, schedule_queue_of(job));
    if (!claims_open(s->options.claims) || !schedule_may_leave(s, job) ||
        (!trial && wait_ns <= patience_ns(s, job)))
        return false;
    leave(s, job,
          trial           ? REASON_BREAKER
          : closed_ns > 0 ? why
                          : REASON_RATE,
          u64_max(until_ns, s->now_ns), out);
    return true;
}

/* From the front: the oldest, who wait longer than `hold` although it did not look so. */
static void clear_old(struct schedule *s, struct route *route, struct list *queue,
                      struct schedule_out *out)
{
    enum reason why;
    uint64_t until_ns = closed_until_ns(route, &why);
    bool closed = until_ns > s->now_ns;
    for (struct list_node *n = queue->first, *next; n; n = next) {
        next = n->next;
        struct job *job = job_of(n);
        if (!schedule_may_leave(s, job))
            continue;
        uint64_t since_ns = u64_max(job->since_ns, s->open_ns);
        bool leaves = closed ? until_ns - s->now_ns > patience_ns(s, job)
                             : s->now_ns - since_ns > s->options.hold_ns * 3 / 2;
        if (!leaves)
            break;
        route_unqueue(job, queue);
        schedule_leave_others(s, job);
        leave(s, job, closed ? why : REASON_RATE, u64_max(until_ns, s->now_ns), out);
    }
}

/* From the end: those who came before it was known how slow the route is, or that it is dead. */
static void clear_excess(struct schedule *s, struct route *route, struct list *queue,
                         struct schedule_out *out)
{
    for (struct list_node *n = queue->last, *prev; n; n = prev) {
        prev = n->prev;
        bool trial = route->trial && queue->count > TRIAL_MAX;
        if (!trial && schedule_queue_ns(route, queue) <= s->options.hold_ns * 5 / 4)
            break;
        if (!schedule_may_leave(s, job_of(n)))
            continue;
        route_unqueue(job_of(n), queue);
        schedule_leave_others(s, job_of(n));
        leave(s, job_of(n), trial ? REASON_BREAKER : REASON_RATE,
              u64_max(route->closed_until_ns, s->now_ns), out);
    }
}

/* Slots of the slowest limit, since start. */
static uint64_t granted(const struct route *route)
{
    uint64_t least = route->limit_count > 0 ? UINT64_MAX : 0;
    for (uint32_t i = 0; i < route->limit_count; i++)
        least = u64_min(least, route->limits[i]->reserved);
    return least;
}

/* Units of the window. Where only slots are scarce, what was granted is this shard's share of
 * them, also when turns were too long to use all. */
static uint64_t flow(const struct route *route)
{
    const struct route_pace *pace = &route->pace;
    uint64_t got = granted(route), was = u64_min(pace->granted, got);
    return pace->crowded ? pace->released : u64_max(pace->released, got - was);
}

/* What a unit takes, once a second: of a queue that was never empty, what left it. */
static bool measure(struct schedule *s, struct route *route)
{
    struct route_pace *pace = &route->pace;
    uint64_t took_ns = s->now_ns - pace->window_ns, units = flow(route);
    enum reason why;
    if (pace->window_ns == 0 || s->open_ns == 0 || s->open_ns == s->now_ns ||
        closed_until_ns(route, &why) > s->now_ns)
        *pace = (struct route_pace){.window_ns = s->now_ns,
                                    .granted = granted(route),
                                    .unit_ns = pace->unit_ns,
                                    .booked_ns = pace->booked_ns};
    if (took_ns < WINDOW_NS || pace->window_ns == s->now_ns)
        return false;
    if (pace->idle)
        pace->unit_ns /= 2;
    else if (units == 0)
        pace->unit_ns = u64_min(u64_max(2 * pace->unit_ns, took_ns / TRIAL_MAX), UNIT_MOST_NS);
    else
        pace->unit_ns = pace->unit_ns > 0 ? (pace->unit_ns + took_ns / units) / 2 : took_ns / units;
    pace->window_ns = s->now_ns;
    pace->granted = granted(route);
    pace->released = 0;
    pace->idle = pace->crowded = false;
    return true;
}

void schedule_clear(struct schedule *s, struct route *route, struct schedule_out *out)
{
    const struct account *account = route->account;
    bool measured = measure(s, route);
    if (s->open_ns == 0)
        return;
    for (int i = 0; i < QUEUE_COUNT; i++) {
        clear_old(s, route, &route->queue[i], out);
        if (measured || route->trial)
            clear_excess(s, route, &route->queue[i], out);
    }
    if (route_queued(route) == 0)
        route->pace.idle = true;
    else if (account->in_flight + account->promised >= account->in_flight_max)
        route->pace.crowded = true;
}
