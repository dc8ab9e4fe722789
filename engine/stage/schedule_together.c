/* Events of several legs: those that are due are admitted together the first time. One leg,
 * the leader, stands in its route's queue, where it waits like any other; the rest lie beside
 * it. When its turn comes and the routes of all have room, all go. Where one has none, that
 * leg leads from now on, so that the event stands where it is held up.
 *
 * Two busy routes seldom have room in the same instant, so an event may keep what the first
 * gave it while it is the next to be served by the second: one event per route, the favoured
 * one. That is all that a busy route holds back of others. No circle of waiting can come
 * about: a favoured event is at the front of its queue, so whoever comes to wait for what it
 * holds came after it. */
#include "stage/schedule_parts.h"

void schedule_gather(struct schedule *s, struct job *job)
{
    struct event *event = job->event;
    route_want(job);
    list_push(&event->beside, &job->node);
    if (!event->leader && !event->node.owner)
        list_push(&s->leaderless, &event->node);
}

/* The one that would wait longest. */
static struct job *slowest(const struct event *event)
{
    struct job *chosen = NULL;
    uint64_t longest_ns = 0;
    for (struct list_node *n = event->beside.first; n; n = n->next) {
        struct job *job = job_of(n);
        uint64_t wait_ns = schedule_queue_ns(job->route, schedule_queue_of(job));
        if (chosen && wait_ns <= longest_ns)
            continue;
        chosen = job;
        longest_ns = wait_ns;
    }
    return chosen;
}

/* It wants what it waits for, as everyone in a queue. */
static void lead(struct job *job, bool first)
{
    struct event *event = job->event;
    list_remove(&event->beside, &job->node);
    event->leader = job;
    if (first)
        list_push_front(schedule_queue_of(job), &job->node);
    else
        list_push(schedule_queue_of(job), &job->node);
}

void schedule_line_up(struct schedule *s)
{
    for (struct list_node *n = list_pop(&s->leaderless); n; n = list_pop(&s->leaderless))
        lead(slowest(event_of(n)), false);
}

static void promise(struct job *job)
{
    route_unwant(job);
    route_promise(job);
}

static void take_back(struct event *event)
{
    for (struct list_node *n = event->beside.first; n; n = n->next) {
        struct job *job = job_of(n);
        if (job->slots_promised == 0)
            continue;
        route_unpromise(job);
        route_want(job);
    }
}

/* Promises what there is room for; the first that has none, or NULL. */
static struct job *promise_all(struct schedule *s, struct event *event)
{
    for (struct list_node *n = event->beside.first; n; n = n->next) {
        struct job *job = job_of(n);
        if (job->slots_promised > 0)
            continue;
        if (!schedule_has_room(s, job, event))
            return job;
        promise(job);
    }
    return NULL;
}

static void release_all(struct event *event, struct list *due)
{
    event->released = true;
    for (struct list_node *n = list_pop(&event->beside); n; n = list_pop(&event->beside)) {
        job_of(n)->route->pace.released += route_units(job_of(n));
        list_push(due, n);
    }
}

static void stop_leading(struct job *job)
{
    job->event->leader = NULL;
    if (job->route->favoured == job->event)
        job->route->favoured = NULL;
}

bool schedule_release_joint(struct schedule *s, struct job *leader, struct list *due)
{
    struct event *event = leader->event;
    stop_leading(leader);
    route_want(leader);
    list_push(&event->beside, &leader->node);
    promise(leader);
    struct job *lacking = promise_all(s, event);
    if (!lacking) {
        release_all(event, due);
        return true;
    }
    struct route *route = lacking->route;
    bool same = route == leader->route; /* it needs more room at once: waited for, as by a text */
    bool favoured = !same && !route->favoured && route->closed_until_ns <= s->now_ns;
    if (favoured)
        route->favoured = event;
    else
        take_back(event);
    lead(lacking, favoured || same);
    return !same;
}

void schedule_disband(struct job *job, struct list *others)
{
    struct event *event = job->event;
    if (event->leader != job)
        return;
    stop_leading(job);
    take_back(event);
    for (struct list_node *n = list_pop(&event->beside); n; n = list_pop(&event->beside)) {
        route_unwant(job_of(n));
        list_push(others, n);
    }
}

void schedule_leave_others(struct schedule *s, struct job *job)
{
    struct list others = {0};
    schedule_disband(job, &others);
    for (struct list_node *n = list_pop(&others); n; n = list_pop(&others))
        schedule_gather(s, job_of(n));
}
