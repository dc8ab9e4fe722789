/* Which legs an event has, when its claims say otherwise than the settings do: legs of an
 * event refused as a whole, channels left out, legs of an earlier admission. */
#include "domain/once.h"
#include "stage/admit_batch.h"
#include "stage/route.h"

bool admit_of_business(const struct event *event)
{
    const struct kind_row *kind = kind_row_of(event->judged.event->kind);
    return kind && kind->audience == CARILLON__V1__AUDIENCE__AUDIENCE_BUSINESS;
}

static bool same_leg(const struct leg *a, const struct leg *b)
{
    return a->channel == b->channel && bytes_equal(a->address, b->address);
}

bool admit_has_leg(const struct judge_case *c, const struct leg *leg)
{
    for (uint32_t i = 0; i < c->leg_count; i++)
        if (same_leg(&c->legs[i], leg))
            return true;
    return false;
}

void admit_claim_key(struct event *event, const struct leg *leg, char key[CLAIM_KEY_SIZE])
{
    memcpy(key, "c1:{", 4);
    claim_leg_hex(event_dedup_of(event), bytes_of(channel_name(leg->channel)), leg->address,
                  key + 4);
    key[CLAIM_KEY_SIZE - 1] = '}';
}

/* --- l1: channel digit, size, colon, address; one leg after the other ------------------ */

void admit_write_legs(const struct judge_case *c, struct writer *out)
{
    for (uint32_t i = 0; i < c->leg_count; i++) {
        const struct leg *leg = &c->legs[i];
        if (leg->address.size == 0 || leg->address.size + 16 > out->max - out->size)
            continue;
        write_u64(out, leg->channel);
        write_u64(out, leg->address.size);
        write_char(out, ':');
        write_slice(out, leg->address);
    }
}

/* False at the end, and at what no admission wrote. */
static bool next_leg(struct bytes *rest, struct leg *out)
{
    size_t size = 0, at = 1;
    if (rest->size < 4 || rest->at[0] < '1' ||
        rest->at[0] > '0' + CARILLON__V1__CHANNEL__CHANNEL_PUSH)
        return false;
    for (; at < rest->size && at < 8 && rest->at[at] >= '0' && rest->at[at] <= '9'; at++)
        size = size * 10 + (size_t)(rest->at[at] - '0');
    if (at == rest->size || rest->at[at] != ':' || size == 0 || size > rest->size - at - 1)
        return false;
    *out = (struct leg){.channel = (Carillon__V1__Channel)(rest->at[0] - '0'),
                        .address = {rest->at + at + 1, size}};
    *rest = (struct bytes){rest->at + at + 1 + size, rest->size - at - 1 - size};
    return true;
}

static bool is_candidate(const struct admit_candidates *candidates, const struct leg *leg)
{
    for (uint32_t i = 0; i < candidates->count; i++)
        if (same_leg(&candidates->at[i], leg))
            return true;
    return false;
}

void admit_candidates_of(const struct event *event, struct arena *arena,
                         struct admit_candidates *out)
{
    const struct judge_case *c = &event->judged;
    struct bytes rest = event->former;
    struct leg leg;
    out->count =
        judge_possible_legs(c->event, c->tenant ? c->tenant : &tenant_none, arena, out->at);
    while (out->count < ADMIT_CANDIDATES_MAX && next_leg(&rest, &leg))
        if (!is_candidate(out, &leg))
            out->at[out->count++] = leg;
}

bool admit_keep_former(struct admit *admit, struct event *event, struct bytes former)
{
    struct admit_candidates *known = arena_take(&admit->scratch, sizeof *known);
    struct bytes rest = former;
    struct leg leg;
    bool any = false;
    CHECK(known != NULL);
    admit_candidates_of(event, &admit->scratch, known);
    while (next_leg(&rest, &leg))
        any = any || (!is_candidate(known, &leg) && !admit_has_leg(&event->judged, &leg));
    if (!any)
        return false;
    const char *copy = arena_copy(&event->arena, former);
    event->former = (struct bytes){copy, copy ? former.size : 0};
    return copy != NULL;
}

/* --- jobs of legs ---------------------------------------------------------------------- */

static struct job *open_job(struct admit *admit, struct admit_entry *entry, struct leg *leg)
{
    struct job *job = job_open(admit->options.jobs, entry->event);
    job->leg = leg;
    job_enter(admit->options.jobs, job, JOB_ADMITTING);
    admit->pending++;
    list_push(&entry->jobs, &job->node);
    return job;
}

/* A copy of the leg with its address in the event's arena; NULL: there is no place. */
static struct leg *add_leg(struct event *event, const struct leg *leg)
{
    struct judge_case *c = &event->judged;
    const char *address = arena_copy(&event->arena, leg->address);
    if (c->leg_count == LEGS_MAX || !address)
        return NULL;
    struct leg *added = &c->legs[c->leg_count++];
    *added = *leg;
    added->address.at = address;
    added->refused_by = JUDGE_GATE_NONE;
    return added;
}

/* C1 and C2 would have given it, had the event not been refused. */
static void add_legs_now(struct admit *admit, struct admit_entry *entry,
                         const struct admit_candidates *candidates, struct admit_candidates *out)
{
    const struct judge_case *c = &entry->event->judged;
    const struct tenant *tenant = c->tenant ? c->tenant : &tenant_none;
    bool one = c->kind && kind_is(c->kind, KIND_ONE_CHANNEL);
    out->count = c->kind && !(one && entry->found)
                     ? judge_legs_now(c->event, tenant, &admit->scratch, out->at)
                     : 0;
    if (one && out->count > 1)
        out->count = 1;
    for (uint32_t i = 0; i < candidates->count; i++)
        if ((entry->found & (1u << i)) && !is_candidate(out, &candidates->at[i]))
            out->at[out->count++] = candidates->at[i];
}

bool admit_tell_by_leg(struct admit *admit, struct admit_entry *entry)
{
    struct event *event = entry->event;
    struct judge_case *c = &event->judged;
    struct job *job = job_of(entry->jobs.first);
    struct admit_candidates *candidates = arena_take(&admit->scratch, 2 * sizeof *candidates);
    CHECK(candidates != NULL && entry->jobs.count == 1);
    struct admit_candidates *told = candidates + 1;
    admit_candidates_of(event, &admit->scratch, candidates);
    add_legs_now(admit, entry, candidates, told);
    if (jobs_room(admit->options.jobs) + 1 < told->count)
        return false;
    if (told->count == 0)
        return true;
    const struct leg why = c->leg_count > 0 ? c->legs[0] : (struct leg){0};
    const struct job_end end = job->end;
    c->leg_count = 0;
    for (uint32_t i = 0; i < told->count && i < LEGS_MAX; i++) {
        told->at[i].decision = why.decision;
        told->at[i].reason = why.reason;
        told->at[i].detail = why.detail;
        struct leg *leg = add_leg(event, &told->at[i]);
        if (!leg)
            break;
        leg->refused_by = why.refused_by;
        if (job->leg)
            job = open_job(admit, entry, leg);
        job->leg = leg;
        job->end = end;
        job->end.dead_letter = end.dead_letter && i == 0;
    }
    event->planned = true;
    c->pick_one = false;
    return true;
}

/* A one-channel kind keeps the channel that has the claim: the job changes legs, and what
 * it has just taken for the other is given back. */
static bool changes_leg(struct admit *admit, struct admit_entry *entry, const struct leg *found)
{
    struct job *job = job_of(entry->jobs.first);
    struct leg *leg = job->leg;
    bool foreign = job->claim.state == CLAIM_WAITING && job->claim.foreign;
    bool fresh = job->claim.state == CLAIM_MINE && !claim_doubtful(&job->claim);
    if (!kind_is(entry->event->judged.kind, KIND_ONE_CHANNEL) || !job->claim_ready ||
        admit_is_refused(job) || !(foreign || fresh) || entry->event->jobs_open > 1)
        return false;
    const char *address = arena_copy(&entry->event->arena, found->address);
    if (!address)
        return false;
    admit_give_back(admit, job);
    route_unpromise(job);
    job->route = NULL;
    job->claim_ready = false;
    *leg = (struct leg){.channel = found->channel, .address = {address, found->address.size}};
    return true;
}

static void refuse_left_out(const struct event *event, struct job *job)
{
    const struct judge_case *c = &event->judged;
    bool on = tenant_channels(c->tenant, c->kind) & (1u << job->leg->channel);
    judge_refuse(job->leg, on ? JUDGE_C2 : JUDGE_C1, DECISION_SUPPRESSED,
                 on ? REASON_PREFERENCE_NONE : REASON_KIND_DISABLED, NULL);
    job_refuse(job, job->leg);
}

bool admit_revive_legs(struct admit *admit, struct admit_entry *entry)
{
    struct event *event = entry->event;
    struct admit_candidates *candidates = arena_take(&admit->scratch, sizeof *candidates);
    CHECK(candidates != NULL);
    admit_candidates_of(event, &admit->scratch, candidates);
    if (jobs_room(admit->options.jobs) < candidates->count)
        return false;
    for (uint32_t i = 0; i < candidates->count; i++) {
        const struct leg *found = &candidates->at[i];
        if (!(entry->found & (1u << i)) || admit_has_leg(&event->judged, found))
            continue;
        if (changes_leg(admit, entry, found)) {
            refuse_left_out(event, job_of(entry->jobs.first));
            continue;
        }
        struct leg *leg = add_leg(event, found);
        if (!leg)
            break;
        refuse_left_out(event, open_job(admit, entry, leg));
    }
    return true;
}

bool admit_keep_channel(struct admit *admit, struct admit_entry *entry)
{
    struct event *event = entry->event;
    struct judge_case *c = &event->judged;
    struct admit_candidates *candidates = arena_take(&admit->scratch, sizeof *candidates);
    struct job *job = job_of(entry->jobs.first);
    CHECK(candidates != NULL);
    admit_candidates_of(event, &admit->scratch, candidates);
    if (jobs_room(admit->options.jobs) < LEGS_MAX)
        return false;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->leg_count; i++)
        for (uint32_t k = 0; k < candidates->count; k++)
            if ((entry->found & (1u << k)) && same_leg(&c->legs[i], &candidates->at[k]))
                c->legs[kept++] = c->legs[i];
    if (kept == 0)
        return true;
    c->leg_count = kept;
    c->pick_one = false;
    job->leg = &c->legs[0];
    for (uint32_t i = 1; i < kept; i++)
        open_job(admit, entry, &c->legs[i]);
    return true;
}
