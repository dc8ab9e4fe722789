/* Waiting has two shapes. What is not due lies in the wheel. What is due lies in its
 * route's queue, urgent ones first, until each limit of the route holds enough slots;
 * the queue's length is also what is asked of Redis, one reservation per limit at a
 * time. Priorities and fairness between tenants will choose inside the queue; nothing
 * else would change. */
#include "stage/schedule_parts.h"

#include "base/clock.h"

#include <stdlib.h>

enum { TAKE_MAX = 4096, RETRY_NS = 50 * 1000 * 1000 };
#define COOL_NS NS_PER_S        /* slots are never so far ahead: the fleet's route is cooling */
#define AHEAD_ERROR_NS NS_PER_S /* a slot is no more beyond what was asked: a clock stepped */
#define WHEN_MAX_US UINT64_C(9000000000000000) /* of Redis's clock, until 2255 */

static void on_reserved(struct redis_waiter *waiter, uint32_t index,
                        const struct redis_reply *reply);

void schedule_init(struct schedule *s, const struct schedule_options *options, uint64_t now_ns)
{
    *s = (struct schedule){.options = *options,
                           .waiter = {on_reserved},
                           .now_ns = now_ns,
                           .random = options->seed,
                           .clock = {.held = true}};
    wheel_init(&s->wheel, NS_PER_MS, now_ns);
}

void schedule_turn(struct schedule *s, uint64_t now_ns, struct ring_clock clock)
{
    s->now_ns = now_ns;
    s->clock = clock;
    if (clock.held || !claims_open(s->options.claims))
        s->open_ns = 0;
    else if (s->open_ns == 0)
        s->open_ns = now_ns;
}

/* --- in a queue ------------------------------------------------------------------------- */

struct list *schedule_queue_of(struct job *job)
{
    return &job->route->queue[schedule_is_urgent(job) ? QUEUE_URGENT
                              : job->event->left_over ? QUEUE_LEFT_OVER
                                                      : QUEUE_ON_TIME];
}

/* A due job goes where slots are handed out. */
static void enqueue(struct schedule *s, struct job *job, struct schedule_out *out)
{
    struct jobs *jobs = s->options.jobs;
    if (job->end.outcome != CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_UNSPECIFIED) {
        list_push(&out->refused, &job->node); /* it waited for a claim in force: asked once more */
        return;
    }
    if (job->judge_again) {
        job->since_ns = 0;
        list_push(&out->again, &job->node);
        return;
    }
    if (!job->leg) {
        list_push(&s->unrouted, &job->node);
        return;
    }
    if (!job->route)
        job->route = route_of(s->options.routes, job->leg);
    if (!job->route) {
        job->end.outcome = CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_FAILED;
        job->end.reason = REASON_BAD_REQUEST;
        job->end.detail = "no route carries this channel";
        list_push(&out->refused, &job->node);
        return;
    }
    if (job->since_ns == 0)
        job->since_ns = s->now_ns;
    if (schedule_turned_away(s, job, out))
        return;
    job_wait(jobs, job, WAIT_SLOT);
    if (job->waiting_since_ms == 0)
        job->waiting_since_ms = claims_now_ms(s->options.claims, u64_min(job->due_ns, s->now_ns));
    if (schedule_is_joint(job))
        schedule_gather(s, job);
    else
        route_queue(job, schedule_queue_of(job));
}

/* A call of it ended without telling its end, and its stand-in will try again. */
static bool leaves_to_stand_in(struct job *job, struct schedule_out *out)
{
    if (job->stand_in != STAND_IN_GOOD ||
        job->end.outcome != CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_UNSPECIFIED ||
        (job->claim_ready && job->claim.state == CLAIM_WAITING))
        return false;
    list_push(schedule_is_free(job) ? &out->replaced : &out->release, &job->node);
    return true;
}

void schedule_put(struct schedule *s, struct list *jobs, struct schedule_out *out)
{
    for (struct list_node *n = list_pop(jobs); n; n = list_pop(jobs)) {
        struct job *job = job_of(n);
        route_unpromise(job);
        if (job->state != JOB_WAITING)
            job_wait(s->options.jobs, job, job->state == JOB_SENDING ? WAIT_RETRY : WAIT_DUE_LATER);
        if (leaves_to_stand_in(job, out))
            continue;
        if (job->due_ns > s->now_ns || job->judge_again)
            job->waiting_since_ms = 0;
        if (job->due_ns > s->now_ns)
            schedule_wait(s, job, out);
        else if (job->judge_again)
            wheel_put(&s->wheel, &job->timer, job->due_ns); /* at the next taking */
        else
            enqueue(s, job, out);
    }
    schedule_line_up(s);
}

static bool is_expired(const struct schedule *s, const struct job *job)
{
    return claims_now_ms(s->options.claims, s->now_ns) >= job->event->judged.expires_ms;
}

/* Its time is over: asked for claims like every refusal, as one may have gone out. */
static void expire(struct job *job)
{
    job->end.outcome = CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_EXPIRED;
    job->end.reason = REASON_TOO_LATE;
}

/* How many slots of a limit can be in hand at once; a longer text collects its slots
 * when it is admitted. */
static uint64_t slots_most(const struct schedule *s, const struct limit *limit)
{
    return s->options.reserve_ahead_ns / 1000 / limit->interval_us + 1;
}

static bool is_of(const struct limit *limit, const struct route *route)
{
    for (uint32_t i = 0; i < route->limit_count; i++)
        if (route->limits[i] == limit)
            return true;
    return false;
}

/* What an event that waits is promised of the limit, or (NULL) of the account. */
static uint32_t own_of(const struct event *own, const struct limit *limit,
                       const struct account *account)
{
    uint32_t units = 0;
    for (struct list_node *n = own ? own->beside.first : NULL; n; n = n->next) {
        const struct job *job = job_of(n);
        if (limit && is_of(limit, job->route))
            units += job->slots_promised;
        else if (!limit && job->route->account == account)
            units += job->slots_promised > 0;
    }
    return units;
}

static bool has_slots(const struct schedule *s, const struct route *route, uint32_t units,
                      const struct event *own)
{
    for (uint32_t i = 0; i < route->limit_count; i++) {
        const struct limit *limit = route->limits[i];
        uint64_t need = limit->promised + (uint64_t)units;
        if (limit->promised == own_of(own, limit, NULL))
            need = u64_min(need, slots_most(s, limit));
        if (slots_left(&limit->slots) < need)
            return false;
    }
    return true;
}

/* The first of a queue, if its time is over. */
static bool refuse_expired(struct schedule *s, struct list *queue, struct list *refused)
{
    struct job *job = queue->first ? job_of(queue->first) : NULL;
    if (!job || !is_expired(s, job))
        return false;
    struct list all = {0};
    route_unqueue(job, queue);
    list_push(&all, &job->node);
    schedule_disband(job, &all);
    for (struct list_node *n = list_pop(&all); n; n = list_pop(&all)) {
        expire(job_of(n));
        list_push(refused, n);
    }
    return true;
}

bool schedule_has_room(const struct schedule *s, const struct job *job, const struct event *own)
{
    const struct route *route = job->route;
    const struct account *account = route->account;
    uint32_t others = account->promised - own_of(own, NULL, account);
    return route->closed_until_ns <= s->now_ns &&
           account->in_flight + others < account->in_flight_max &&
           has_slots(s, route, route_units(job), own);
}

/* Urgent ones first: while one of them waits for room, no other goes. Left-overs of an outage
 * and what is on time share what is left. NULL: nobody waits. */
static struct list *next_queue(struct route *route)
{
    struct list *urgent = &route->queue[QUEUE_URGENT], *on_time = &route->queue[QUEUE_ON_TIME],
                *left_over = &route->queue[QUEUE_LEFT_OVER];
    bool both = on_time->count > 0 && left_over->count > 0;
    if (!both)
        route->lead = 0;
    if (urgent->count > 0)
        return urgent;
    if (both)
        return route->lead > 0 ? left_over : on_time;
    return on_time->count > 0 ? on_time : left_over->count > 0 ? left_over : NULL;
}

static void count_lead(struct route *route, const struct list *queue, const struct job *job)
{
    if (queue == &route->queue[QUEUE_ON_TIME])
        route->lead += (int32_t)route_units(job);
    else if (queue == &route->queue[QUEUE_LEFT_OVER])
        route->lead -= (int32_t)route_units(job);
}

static void release(struct schedule *s, struct route *route, uint32_t room,
                    struct schedule_out *out)
{
    for (struct list *queue = next_queue(route); queue; queue = next_queue(route)) {
        if (refuse_expired(s, queue, &out->refused))
            continue;
        struct job *job = job_of(queue->first);
        if (job->node.next)
            event_fetch(job_of(job->node.next)->event);
        bool joint = job->event->leader == job;
        if (out->due.count + (joint ? job->event->beside.count : 0) >= room ||
            !schedule_has_room(s, job, joint ? job->event : NULL))
            return;
        route_unqueue(job, queue);
        count_lead(route, queue, job);
        if (joint) {
            if (!schedule_release_joint(s, job, &out->due))
                return;
            continue;
        }
        route_promise(job);
        route->pace.released += route_units(job);
        list_push(&out->due, &job->node);
    }
}

/* How many slots of a limit are missing: what jobs on their way and in open queues would
 * use, or what came lately if that is more, as far as the next moments can hold them. So
 * jobs of a steady flow find their slots instead of waiting a round trip for each batch. */
static uint64_t missing(const struct schedule *s, const struct limit *limit)
{
    uint64_t units = limit->promised + (limit->open ? (uint64_t)limit->wanted : 0);
    uint64_t want = u64_min(u64_max(units, limit->pace), slots_most(s, limit));
    uint32_t have = slots_left(&limit->slots);
    return want > have ? want - have : 0;
}

/* The pace of each limit, a window of reservation at a time. */
static void measure_pace(struct schedule *s)
{
    if (s->now_ns < s->pace_ns)
        return;
    for (uint32_t i = 0; i < s->options.routes->limit_count; i++) {
        struct limit *limit = &s->options.routes->limits[i];
        limit->pace = limit->taken;
        limit->taken = 0;
    }
    s->pace_ns = s->now_ns + s->options.reserve_ahead_ns;
}

/* A limit is open while a route of it is. */
static void mark_open(struct schedule *s)
{
    const struct routes *routes = s->options.routes;
    for (uint32_t i = 0; i < routes->limit_count; i++)
        routes->limits[i].open = false;
    for (uint32_t i = 0; i < routes->count; i++)
        for (uint32_t j = 0; j < routes->all[i].limit_count; j++)
            if (routes->all[i].closed_until_ns <= s->now_ns)
                routes->all[i].limits[j]->open = true;
}

static void reserve(struct schedule *s, uint32_t index)
{
    struct limit *limit = &s->options.routes->limits[index];
    uint64_t count_missing = missing(s, limit);
    uint64_t ahead_us = s->options.reserve_ahead_ns / 1000;
    if (limit->asking || count_missing == 0 || s->now_ns < limit->ask_ns ||
        !slots_room(&limit->slots) || !claims_open(s->options.claims) ||
        redis_room(s->options.redis) == 0)
        return;
    char interval[24], count[24], ahead[24];
    struct writer wi = writer_of(interval, sizeof interval);
    struct writer wc = writer_of(count, sizeof count);
    struct writer wa = writer_of(ahead, sizeof ahead);
    write_u64(&wi, limit->interval_us);
    write_u64(&wc, count_missing);
    write_u64(&wa, ahead_us);
    const struct bytes command[] = {
        BYTES("FCALL"),       BYTES("reserve"),          BYTES("2"),
        bytes_of(limit->key), bytes_of(limit->cool_key), writer_bytes(&wi),
        writer_bytes(&wc),    writer_bytes(&wa)};
    limit->asking = true;
    redis_command(s->options.redis, command, countof(command), &s->waiter, index);
}

static uint64_t number_of(const struct redis_reply *reply)
{
    if (reply->type == REDIS_INTEGER)
        return reply->integer > 0 ? (uint64_t)reply->integer : 0;
    uint64_t n = 0;
    for (size_t i = 0; i < reply->text.size && i < 19; i++)
        if (reply->text.at[i] >= '0' && reply->text.at[i] <= '9')
            n = n * 10 + (uint64_t)(reply->text.at[i] - '0');
    return n;
}

/* granted, first_slot_us | wait_us, now_us. Redis's clock becomes ours by the offset
 * that claims measured; both lie within half a round trip. Not by the slewed one: while that
 * goes back, each slot would be over before it is here. */
static void on_reserved(struct redis_waiter *waiter, uint32_t index,
                        const struct redis_reply *reply)
{
    struct schedule *s = container_of(waiter, struct schedule, waiter);
    struct limit *limit = &s->options.routes->limits[index];
    limit->asking = false;
    bool good = reply && reply->type == REDIS_ARRAY && reply->element_count >= 2;
    uint64_t granted = good ? number_of(reply->elements[0]) : 0;
    uint64_t when_us = good ? u64_min(number_of(reply->elements[1]), WHEN_MAX_US) : 0;
    int64_t first_ns =
        (int64_t)(when_us * 1000) - server_clock_newest_ns(&s->options.claims->gate.clock);
    int64_t last_ns = (int64_t)(s->now_ns + s->options.reserve_ahead_ns + AHEAD_ERROR_NS);
    if (!good || granted > slots_most(s, limit) ||
        (granted > 0 && (first_ns < 0 || first_ns > last_ns))) {
        limit->ask_ns = s->now_ns + RETRY_NS;
        return;
    }
    if (granted == 0) {
        metric_add(s->options.metrics, METRIC_SLOT_REFUSALS, 0, 0, 1);
        limit->ask_ns = s->now_ns + u64_min(when_us * 1000, 10 * NS_PER_S);
        if (when_us * 1000 > COOL_NS)
            limit->cool_until_ns = s->now_ns + when_us * 1000;
        return;
    }
    limit->reserved += granted;
    metric_add(s->options.metrics, METRIC_SLOTS_RESERVED, 0, 0, granted);
    slots_put(&limit->slots, (uint64_t)first_ns, limit->interval_us * 1000, (uint32_t)granted);
}

static void take_ripe(struct schedule *s, struct schedule_out *out)
{
    struct list ripe = {0};
    wheel_take(&s->wheel, s->now_ns, TAKE_MAX, &ripe);
    for (struct list_node *n = list_pop(&ripe); n; n = list_pop(&ripe)) {
        struct job *job =
            container_of(container_of(n, struct wheel_timer, node), struct job, timer);
        if (job->due_ns > s->now_ns)
            schedule_wait(s, job, out);
        else
            enqueue(s, job, out);
    }
    schedule_line_up(s);
}

void schedule_take(struct schedule *s, uint32_t room, struct schedule_out *out)
{
    take_ripe(s, out);
    while (s->unrouted.count > 0 && out->due.count < room)
        list_push(&out->due, list_pop(&s->unrouted));
    struct routes *routes = s->options.routes;
    for (uint32_t i = 0; i < routes->limit_count; i++)
        slots_expire(&routes->limits[i].slots, s->now_ns);
    for (uint32_t i = 0; i < routes->count; i++)
        release(s, &routes->all[i], room, out);
    for (uint32_t i = 0; i < routes->count; i++)
        schedule_clear(s, &routes->all[i], out);
    schedule_line_up(s);
    mark_open(s);
    measure_pace(s);
    for (uint32_t i = 0; i < routes->limit_count; i++)
        reserve(s, i);
}

uint64_t schedule_next_ns(const struct schedule *s)
{
    uint64_t next_ns = wheel_next_ns(&s->wheel);
    const struct routes *routes = s->options.routes;
    for (uint32_t i = 0; i < routes->limit_count; i++) {
        const struct limit *limit = &routes->limits[i];
        if (!limit->asking && missing(s, limit) > 0 && claims_open(s->options.claims))
            next_ns = u64_min(next_ns, u64_max(limit->ask_ns, s->now_ns + NS_PER_MS));
    }
    for (uint32_t i = 0; i < routes->count; i++) {
        const struct route *route = &routes->all[i];
        if (route_queued(route) > 0)
            next_ns = u64_min(next_ns, u64_max(route->closed_until_ns, s->now_ns + 5 * NS_PER_MS));
    }
    return next_ns;
}

int64_t schedule_oldest_ms(const struct schedule *s)
{
    const struct routes *routes = s->options.routes;
    int64_t oldest_ms = INT64_MAX;
    for (uint32_t i = 0; i < routes->count; i++)
        for (int j = 0; j < QUEUE_COUNT; j++)
            if (routes->all[i].queue[j].first)
                oldest_ms =
                    i64_min(oldest_ms, job_of(routes->all[i].queue[j].first)->waiting_since_ms);
    return oldest_ms == INT64_MAX ? 0 : oldest_ms;
}

static bool may_drop(const struct job *job, bool all)
{
    return (all || job->event->revoked) && !(job->claim_ready && claim_binds(&job->claim));
}

/* Out of its route's queue, with those beside it. */
static void drop_routed(struct schedule *s, struct list *queue, struct job *job, bool all,
                        struct list *out)
{
    struct list others = {0};
    route_unqueue(job, queue);
    schedule_disband(job, &others);
    list_push(out, &job->node);
    for (struct list_node *n = list_pop(&others); n; n = list_pop(&others)) {
        if (may_drop(job_of(n), all))
            list_push(out, n);
        else
            schedule_gather(s, job_of(n));
    }
}

static void drop_of(struct schedule *s, struct list *from, bool all, bool routed, struct list *out)
{
    for (struct list_node *n = from->first, *next; n; n = next) {
        next = n->next;
        struct job *job = job_of(n);
        if (!may_drop(job, all))
            continue;
        if (routed) {
            drop_routed(s, from, job, all, out);
            continue;
        }
        list_remove(from, n);
        list_push(out, n);
    }
}

void schedule_drop(struct schedule *s, bool all, struct list *out)
{
    const struct routes *routes = s->options.routes;
    drop_of(s, &s->unrouted, all, false, out);
    for (uint32_t i = 0; i < routes->count; i++)
        for (int j = 0; j < QUEUE_COUNT; j++)
            drop_of(s, &routes->all[i].queue[j], all, true, out);
    schedule_line_up(s);
    for (uint32_t i = 0; s->wheel.count > 0 && i < s->options.jobs->max; i++) {
        struct job *job = &s->options.jobs->all[i];
        if (wheel_holds(&job->timer) && may_drop(job, all)) {
            wheel_remove(&s->wheel, &job->timer);
            list_push(out, &job->node);
        }
    }
}
