#include "stage/judge.h"

#include "base/clock.h"

enum { FULL_MS = 20 }; /* until a leg's place may have become free */

static bool is_gate(uint32_t index, const char *id)
{
    return index != JUDGE_GATE_NONE && strcmp(judge_gates[index], id) == 0;
}

/* Q7: what may refuse an event before it is due; the rest is asked when it is. */
static bool stands_before_due(const struct leg *leg)
{
    return is_gate(leg->refused_by, "G1") || is_gate(leg->refused_by, "G2") ||
           is_gate(leg->refused_by, "G3") || is_gate(leg->refused_by, "Q3") ||
           (is_gate(leg->refused_by, "G12") && leg->reason == REASON_TOO_MANY_ATTACHMENTS);
}

static bool goes(const struct leg *leg)
{
    return leg->decision == DECISION_SEND || leg->decision == DECISION_DEFER;
}

/* Q10: what waited for a window's end at `from_ms` is spread, never past its expiry. The same
 * leg always gets the same place. */
static int64_t smear_of(const struct judge_options *options, const struct judge_case *c,
                        const struct leg *leg, int64_t from_ms)
{
    if (!leg->released || options->smear_ms <= 0 ||
        c->kind->class == CARILLON__V1__CLASS__CLASS_URGENT)
        return 0;
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (size_t i = 0; i < leg->address.size; i++)
        hash = (hash ^ (unsigned char)leg->address.at[i]) * UINT64_C(1099511628211);
    int64_t room_ms = i64_min(options->smear_ms, (c->expires_ms - from_ms) / 2);
    return room_ms > 0 ? (int64_t)((hash >> 16) % (uint64_t)room_ms) : 0;
}

static uint64_t mono_of(struct judge_now now, int64_t ms)
{
    return ms <= now.ms ? now.ns : now.ns + (uint64_t)(ms - now.ms) * NS_PER_MS;
}

static struct job *only_job(struct event *event)
{
    CHECK(event->jobs_open == 1);
    return job_of_sibling(event->jobs.first);
}

/* Until `ms` the event is one job without a leg. */
static void wait_whole(const struct judge_options *options, struct judge_now now,
                       struct event *event, int64_t ms, bool quiet, struct list *judged)
{
    struct job *job = only_job(event);
    event->arena.used = event->decoded_used; /* the plan is made anew then */
    event->former = (struct bytes){0};       /* and so is what admission asked */
    event->former_asked = event->candidates_asked = false;
    job->judge_again = true;
    job->due_ns = mono_of(now, ms);
    if (job->state == JOB_FRESH)
        job_enter(options->jobs, job, JOB_JUDGED);
    job_wait(options->jobs, job, quiet ? WAIT_QUIET_HOURS : WAIT_DUE_LATER);
    list_push(judged, &job->node);
}

static void hand_out(const struct judge_options *options, struct judge_now now, struct job *job,
                     struct leg *leg, struct list *judged, struct list *refused)
{
    const struct judge_case *c = &job->event->judged;
    job->leg = leg;
    job->outdated = false;
    if (job->state == JOB_FRESH)
        job_enter(options->jobs, job, JOB_JUDGED);
    if (!goes(leg)) {
        job_refuse(job, leg);
        list_push(refused, &job->node);
        return;
    }
    int64_t at_ms = leg->not_before_ms;
    job->judge_again = at_ms > now.ms;
    if (job->judge_again)
        at_ms += smear_of(options, c, leg, at_ms);
    job->wanted_ms = leg->effective_due_ms + smear_of(options, c, leg, leg->effective_due_ms);
    job->due_ns = mono_of(now, at_ms);
    if (job->judge_again)
        job_wait(options->jobs, job, leg->moved ? WAIT_QUIET_HOURS : WAIT_DUE_LATER);
    list_push(judged, &job->node);
}

/* When the event has to be looked at first; INT64_MAX: no leg goes. */
static int64_t earliest_ms(const struct judge_options *options, const struct judge_case *c,
                           bool *quiet)
{
    int64_t first_ms = INT64_MAX;
    for (uint32_t i = 0; i < c->leg_count; i++) {
        const struct leg *leg = &c->legs[i];
        if (!goes(leg))
            continue;
        int64_t ms = leg->decision == DECISION_SEND
                         ? leg->not_before_ms
                         : leg->not_before_ms + smear_of(options, c, leg, leg->not_before_ms);
        if (ms < first_ms) {
            first_ms = ms;
            *quiet = leg->moved;
        }
    }
    return first_ms;
}

static bool all_stand_before_due(const struct judge_case *c)
{
    for (uint32_t i = 0; i < c->leg_count; i++)
        if (!goes(&c->legs[i]) && !stands_before_due(&c->legs[i]))
            return false;
    return true;
}

/* --- an event that comes back ------------------------------------------------------------ */

static bool is_channel_on(const struct judge_case *c, Carillon__V1__Channel channel)
{
    for (uint32_t i = 0; i < c->leg_count; i++)
        if (c->legs[i].channel == channel)
            return true;
    return false;
}

/* A leg that waits and that the settings of now no longer give. */
static void refuse_gone(const struct judge_case *now, struct leg *leg)
{
    const struct leg *whole = &now->legs[0];
    if (now->refused)
        judge_refuse(leg, (enum judge_gate)whole->refused_by, whole->decision, whole->reason,
                     whole->detail);
    else if (is_channel_on(now, leg->channel)) /* a device or an owner's address is gone */
        judge_refuse(leg, JUDGE_C2, DECISION_SUPPRESSED, REASON_CONTACT_MISSING, NULL);
    else
        judge_refuse(leg, JUDGE_G11, DECISION_SUPPRESSED, REASON_KIND_DISABLED, NULL);
}

/* The leg of that name; where settings no longer give it, with what is known of its address. */
static struct leg named_leg(const struct judge_case *c, const struct deferral_leg *name)
{
    for (uint32_t i = 0; i < c->leg_count && !c->refused; i++)
        if (deferral_is_leg(name, c->legs[i].channel, c->legs[i].address))
            return c->legs[i];
    struct leg possible[LEGS_MAX], leg = {.channel = name->channel};
    uint32_t count = judge_possible_legs(c->event, c->tenant, c->arena, possible);
    for (uint32_t i = 0; i < count; i++)
        if (deferral_is_leg(name, possible[i].channel, possible[i].address))
            leg.address = possible[i].address;
    refuse_gone(c, &leg);
    return leg;
}

/* Only legs that the record names; what is said of the event as a whole is told by each. */
static void keep_named(struct event *event)
{
    struct judge_case *c = &event->judged;
    const struct deferral *deferral = event->deferral;
    if (!event_names_legs(event))
        return;
    struct leg named[LEGS_MAX] = {0};
    uint32_t count = deferral->leg_count < LEGS_MAX ? deferral->leg_count : LEGS_MAX;
    for (uint32_t i = 0; i < count; i++)
        named[i] = named_leg(c, &deferral->legs[i]);
    memcpy(c->legs, named, count * sizeof *named);
    c->leg_count = count;
    c->refused = c->pick_one = false;
}

static void fan_out(const struct judge_options *options, struct judge_now now, struct event *event,
                    struct list *judged, struct list *refused)
{
    struct judge_case *c = &event->judged;
    event->planned = true;
    struct job *job = only_job(event);
    job->retries = event_tries(event);
    if (c->pick_one) { /* C3: one candidate until the state is read */
        job->judge_again = false;
        job->due_ns = now.ns;
        if (job->state == JOB_FRESH)
            job_enter(options->jobs, job, JOB_JUDGED);
        list_push(judged, &job->node);
        return;
    }
    CHECK(c->leg_count > 0);
    for (uint32_t i = 0; i < c->leg_count; i++) {
        if (i > 0)
            job = job_open(options->jobs, event);
        job->retries = event_tries(event);
        hand_out(options, now, job, &c->legs[i], judged, refused);
    }
}

static void judge_one(const struct judge_options *options, struct judge_now now,
                      struct event *event, struct list *judged, struct list *refused)
{
    struct judge_case *c = &event->judged;
    c->record_ms = event->record.timestamp_ms;
    c->now_ms = now.ms;
    c->arena = &event->arena;
    judge(options->rules, JUDGE_PLAN, c);
    keep_named(event);

    bool quiet = false, early = c->due_ms > now.ms;
    if (c->refused) {
        if (early && !stands_before_due(&c->legs[0])) {
            wait_whole(options, now, event, c->due_ms, false, judged);
            return;
        }
        struct job *job = only_job(event);
        event->planned = true;
        job_refuse(job, &c->legs[0]);
        list_push(refused, &job->node);
        return;
    }
    if (!c->pick_one && jobs_room(options->jobs) + 1 < c->leg_count) {
        /* Reading leaves room for one event's legs, so this one's turn comes. */
        wait_whole(options, now, event, now.ms + FULL_MS, false, judged);
        return;
    }
    int64_t first_ms = earliest_ms(options, c, &quiet);
    if (first_ms == INT64_MAX && early && !all_stand_before_due(c))
        first_ms = c->due_ms;
    if (first_ms != INT64_MAX && first_ms > now.ms)
        wait_whole(options, now, event, first_ms, quiet, judged);
    else
        fan_out(options, now, event, judged, refused);
}

void judge_all(const struct judge_options *options, struct judge_now now, struct list *events,
               struct list *judged, struct list *refused)
{
    for (struct list_node *n = list_pop(events); n; n = list_pop(events))
        judge_one(options, now, event_of(n), judged, refused);
}

void judge_leg_again(const struct judge_options *options, struct judge_now now, struct job *job,
                     struct list *judged, struct list *refused)
{
    struct judge_case *c = &job->event->judged;
    struct judge_case again = {.event = c->event,
                               .tenant = c->tenant,
                               .record_ms = c->record_ms,
                               .now_ms = now.ms,
                               .arena = c->arena};
    judge(options->rules, JUDGE_PLAN, &again);
    struct leg *leg = job->leg;
    for (uint32_t i = 0; i < again.leg_count && !again.refused; i++) {
        if (again.legs[i].channel != leg->channel ||
            !bytes_equal(again.legs[i].address, leg->address))
            continue;
        *leg = again.legs[i];
        hand_out(options, now, job, leg, judged, refused);
        return;
    }
    refuse_gone(&again, leg);
    hand_out(options, now, job, leg, judged, refused);
}
