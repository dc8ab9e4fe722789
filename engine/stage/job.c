#include "stage/job.h"

#include "domain/once.h"

#include <stdlib.h>
#include <sys/mman.h>

const char *const job_state_names[JOB_STATE_COUNT] = {
    [JOB_FREE] = NULL,           [JOB_FRESH] = "fresh",         [JOB_JUDGED] = "judged",
    [JOB_WAITING] = "waiting",   [JOB_ADMITTING] = "admitting", [JOB_SENDING] = "sending",
    [JOB_SETTLING] = "settling",
};

const char *const wait_reason_names[WAIT_REASON_COUNT] = {
    [WAIT_NONE] = NULL,     [WAIT_DUE_LATER] = "due_later",
    [WAIT_SLOT] = "slot",   [WAIT_QUIET_HOURS] = "quiet_hours",
    [WAIT_RETRY] = "retry", [WAIT_CLAIMED_ELSEWHERE] = "claimed_elsewhere",
    [WAIT_REDIS] = "redis",
};

#define TO(state) (1u << JOB_##state)

/* The whole life of a job (design section 5). FREE is reached from everywhere by a job
 * whose partition was revoked and which claimed nothing. */
static const uint32_t arrows[JOB_STATE_COUNT] = {
    [JOB_FREE] = TO(FRESH),
    [JOB_FRESH] = TO(JUDGED) | TO(WAITING) | TO(ADMITTING) | TO(SETTLING) | TO(FREE),
    [JOB_JUDGED] = TO(WAITING) | TO(ADMITTING) | TO(SETTLING) | TO(FREE),
    [JOB_WAITING] = TO(ADMITTING) | TO(SETTLING) | TO(JUDGED) | TO(FREE),
    [JOB_ADMITTING] = TO(SENDING) | TO(WAITING) | TO(SETTLING) | TO(JUDGED) | TO(FREE),
    [JOB_SENDING] = TO(WAITING) | TO(SETTLING) | TO(FREE),
    [JOB_SETTLING] = TO(FREE) | TO(WAITING),
};

static char *reserve(uint64_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

/* Zeroed. In huge pages where the kernel has some: thousands are in hand at once, and a page
 * table walk for each costs more than the line that it finds, in a virtual machine twice so. */
static void *reserve_huge(uint64_t bytes)
{
    char *at = reserve(bytes);
    if (at)
        madvise(at, bytes, MADV_HUGEPAGE); /* refused: ordinary pages */
    return at;
}

uint64_t jobs_bytes(uint32_t jobs_max, uint32_t large_max)
{
    return (uint64_t)jobs_max *
               (EVENT_FIRST + EVENT_BLOCK + sizeof(struct job) + sizeof(struct event)) +
           (uint64_t)large_max * EVENT_LARGE_BLOCK;
}

bool jobs_open(struct jobs *jobs, uint32_t jobs_max, uint32_t large_max)
{
    *jobs = (struct jobs){.max = jobs_max, .large_max = large_max};
    jobs->all = reserve_huge((uint64_t)jobs_max * sizeof *jobs->all);
    jobs->events = reserve_huge((uint64_t)jobs_max * sizeof *jobs->events);
    jobs->record_ms = calloc(jobs_max, sizeof *jobs->record_ms);
    jobs->large = calloc(large_max, sizeof *jobs->large);
    jobs->firsts = reserve_huge((uint64_t)jobs_max * EVENT_FIRST);
    jobs->blocks = reserve((uint64_t)jobs_max * EVENT_BLOCK);
    jobs->large_blocks = reserve((uint64_t)large_max * EVENT_LARGE_BLOCK);
    if (!jobs->all || !jobs->events || !jobs->record_ms || !jobs->large || !jobs->firsts ||
        !jobs->blocks || !jobs->large_blocks) {
        jobs_close(jobs);
        return false;
    }
    for (uint32_t i = 0; i < jobs_max; i++) {
        list_push(&jobs->free, &jobs->all[i].node);
        list_push(&jobs->free_events, &jobs->events[i].node);
        jobs->record_ms[i] = INT64_MAX;
    }
    for (uint32_t i = 0; i < large_max; i++) {
        jobs->large[i].at = jobs->large_blocks + (uint64_t)i * EVENT_LARGE_BLOCK;
        list_push(&jobs->large_free, &jobs->large[i].node);
    }
    jobs->count[JOB_FREE] = jobs_max;
    return true;
}

void jobs_close(struct jobs *jobs)
{
    if (jobs->firsts)
        munmap(jobs->firsts, (uint64_t)jobs->max * EVENT_FIRST);
    if (jobs->blocks)
        munmap(jobs->blocks, (uint64_t)jobs->max * EVENT_BLOCK);
    if (jobs->large_blocks)
        munmap(jobs->large_blocks, (uint64_t)jobs->large_max * EVENT_LARGE_BLOCK);
    if (jobs->all)
        munmap(jobs->all, (uint64_t)jobs->max * sizeof *jobs->all);
    if (jobs->events)
        munmap(jobs->events, (uint64_t)jobs->max * sizeof *jobs->events);
    free(jobs->record_ms);
    free(jobs->large);
    *jobs = (struct jobs){0};
}

static struct arena small_arena(const struct jobs *jobs, size_t index)
{
    return arena_of_two(jobs->firsts + index * EVENT_FIRST, EVENT_FIRST,
                        jobs->blocks + index * EVENT_BLOCK, EVENT_BLOCK);
}

static struct arena large_arena(struct jobs *jobs)
{
    struct large_block *block = container_of(list_pop(&jobs->large_free), struct large_block, node);
    return arena_of(block->at, EVENT_LARGE_BLOCK);
}

/* Copies the record to the beginning of the arena, which has room for it. */
static void keep_record(struct event *event, const struct record *record)
{
    struct arena *arena = &event->arena;
    struct record *kept = &event->record;
    *kept = *record;
    kept->key.at = arena_copy(arena, record->key);
    kept->value.at = arena_copy(arena, record->value);
    struct record_header *headers = arena_take(arena, record->header_count * sizeof *headers);
    CHECK(kept->key.at && kept->value.at && headers);
    for (uint32_t i = 0; i < record->header_count; i++) {
        headers[i].name = record->headers[i].name;
        headers[i].value = record->headers[i].value;
        headers[i].name.at = arena_copy(arena, record->headers[i].name);
        headers[i].value.at =
            record->headers[i].value.at ? arena_copy(arena, record->headers[i].value) : NULL;
        CHECK(headers[i].name.at);
    }
    kept->headers = headers;
    if (!record->value.at)
        kept->value.at = NULL;
    if (!record->key.at)
        kept->key.at = NULL;
}

static size_t record_bytes(const struct record *record)
{
    size_t bytes = record->key.size + record->value.size + 64;
    for (uint32_t i = 0; i < record->header_count; i++)
        bytes += record->headers[i].name.size + record->headers[i].value.size + 96;
    return bytes;
}

/* What is larger than any block is kept without its value, in the end without all that
 * can be large: enough to tell that it was there. */
static enum cut cut_to_fit(struct record *record)
{
    if (record_bytes(record) <= EVENT_LARGE_BLOCK / 2)
        return CUT_NOTHING;
    record->value = (struct bytes){0};
    if (record_bytes(record) <= EVENT_LARGE_BLOCK / 2)
        return CUT_VALUE;
    record->key = (struct bytes){0};
    record->header_count = 0;
    return CUT_HEADERS;
}

/* What the next record is written to: its last user left the cache long ago. */
static void fetch_next(const struct jobs *jobs)
{
    if (jobs->free_events.count == 0 || jobs->free.count == 0)
        return;
    const struct event *event = event_of(jobs->free_events.first);
    size_t index = (size_t)(event - jobs->events);
    event_fetch(event);
    memory_fetch(jobs->firsts + index * EVENT_FIRST, 2048);
    memory_fetch(job_of(jobs->free.first), offsetof(struct job, claim));
}

struct event *event_open(struct jobs *jobs, const struct record *whole)
{
    struct record cut_record = *whole, *record = &cut_record;
    enum cut cut = cut_to_fit(record);
    bool large = record_bytes(record) > EVENT_SMALL_MAX;
    if (jobs->free.count == 0 || (large && jobs->large_free.count == 0))
        return NULL;
    struct event *event = event_of(list_pop(&jobs->free_events));
    size_t index = (size_t)(event - jobs->events);
    memset(event, 0, offsetof(struct event, judged.legs));
    event->large = large;
    event->far_day = RING_NO_CYCLE;
    jobs->record_ms[index] = record->timestamp_ms;
    event->arena = large ? large_arena(jobs) : small_arena(jobs, index);
    keep_record(event, record);
    event->decoded_used = event->arena.used;
    job_open(jobs, event)->cut = cut;
    fetch_next(jobs);
    return event;
}

bool event_enlarge(struct jobs *jobs, struct event *event)
{
    if (event->large || jobs->large_free.count == 0)
        return false;
    struct record record = event->record; /* lies in the small block, which stays till close */
    event->arena = large_arena(jobs);
    event->large = true;
    keep_record(event, &record);
    event->decoded_used = event->arena.used;
    return true;
}

struct job *job_open(struct jobs *jobs, struct event *event)
{
    CHECK(!event->completed);
    struct list_node *node = list_pop(&jobs->free);
    CHECK(node != NULL);
    struct job *job = job_of(node);
    memset(job, 0, offsetof(struct job, claim));
    job->event = event;
    list_push(&event->jobs, &job->sibling);
    event->jobs_open++;
    jobs->opened++;
    job_enter(jobs, job, JOB_FRESH);
    return job;
}

bool job_close(struct jobs *jobs, struct job *job)
{
    struct event *event = job->event;
    CHECK(job->node.owner == NULL && !wheel_holds(&job->timer) && job->call == NULL);
    CHECK(job->slots_promised == 0);
    job_enter(jobs, job, JOB_FREE);
    list_remove(&event->jobs, &job->sibling);
    if (job->stand_in == STAND_IN_GOOD)
        event->standing--;
    job->event = NULL;
    list_push_front(&jobs->free, &job->node);
    jobs->closed++;
    CHECK(jobs->opened == jobs->closed + jobs_in_hand(jobs));
    CHECK(event->jobs_open > 0);
    return --event->jobs_open == 0;
}

void job_stand(struct job *job)
{
    CHECK(job->stand_in != STAND_IN_GOOD);
    job->stand_in = STAND_IN_GOOD;
    job->event->standing++;
}

void event_completed(struct jobs *jobs, struct event *event)
{
    CHECK(event_stands(event));
    event->completed = true;
    jobs->record_ms[event - jobs->events] = INT64_MAX;
}

void event_close(struct jobs *jobs, struct event *event)
{
    CHECK(event->jobs_open == 0 && event->jobs.count == 0);
    CHECK(event->tenant_ref == NULL);
    if (event->large) {
        size_t index = (size_t)(event->arena.at - jobs->large_blocks) / EVENT_LARGE_BLOCK;
        madvise(event->arena.at, EVENT_LARGE_BLOCK, MADV_DONTNEED); /* rare: gives it back */
        list_push_front(&jobs->large_free, &jobs->large[index].node);
    }
    jobs->record_ms[event - jobs->events] = INT64_MAX;
    list_push_front(&jobs->free_events, &event->node);
}

int64_t jobs_oldest_ms(const struct jobs *jobs)
{
    int64_t oldest_ms = INT64_MAX;
    for (uint32_t i = 0; i < jobs->max; i++)
        oldest_ms = i64_min(oldest_ms, jobs->record_ms[i]);
    return oldest_ms;
}

void job_enter(struct jobs *jobs, struct job *job, enum job_state next)
{
    CHECK(arrows[job->state] & (1u << next));
    CHECK(jobs->count[job->state] > 0);
    if (job->state == JOB_WAITING)
        jobs->waiting[job->wait]--;
    jobs->count[job->state]--;
    jobs->count[next]++;
    job->state = next;
    job->wait = WAIT_NONE;
    if (next == JOB_WAITING)
        jobs->waiting[WAIT_NONE]++;
}

void job_wait(struct jobs *jobs, struct job *job, enum wait_reason why)
{
    if (job->state != JOB_WAITING)
        job_enter(jobs, job, JOB_WAITING);
    jobs->waiting[job->wait]--;
    jobs->waiting[why]++;
    job->wait = why;
}

const struct claim_identity *event_id_of(struct event *event)
{
    const Carillon__V1__Event *e = event->judged.event;
    if (!event->has_id)
        claim_identity_of(bytes_of(e->tenant_id), bytes_of(e->event_id), &event->id);
    event->has_id = true;
    return &event->id;
}

const struct claim_identity *event_dedup_of(struct event *event)
{
    const Carillon__V1__Event *e = event->judged.event;
    struct bytes key = once_dedup_key(e);
    if (key.at == e->event_id)
        return event_id_of(event);
    if (!event->has_dedup)
        claim_identity_of(bytes_of(e->tenant_id), key, &event->dedup);
    event->has_dedup = true;
    return &event->dedup;
}

struct bytes job_leg_id(struct job *job)
{
    const struct leg *leg = job->leg;
    const char *channel = leg ? channel_name(leg->channel) : NULL;
    bool is_claim = leg && leg->address.size > 0 && job->claim_ready &&
                    event_dedup_of(job->event) == event_id_of(job->event);
    if (!job->has_leg_id && is_claim)
        memcpy(job->leg_id, job->claim.key + 4, sizeof job->leg_id); /* a hash of the same */
    else if (!job->has_leg_id)
        claim_leg_hex(event_id_of(job->event), bytes_of(channel), leg ? leg->address : BYTES(""),
                      job->leg_id);
    job->has_leg_id = true;
    return (struct bytes){job->leg_id, sizeof job->leg_id};
}

void job_refuse(struct job *job, const struct leg *leg)
{
    static const Carillon__V1__OutcomeKind outcomes[DECISION_COUNT] = {
        [DECISION_SUPPRESSED] = CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_SUPPRESSED,
        [DECISION_EXPIRED] = CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_EXPIRED,
        [DECISION_CANCELLED] = CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_CANCELLED,
        [DECISION_DUPLICATE] = CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_DUPLICATE,
        [DECISION_DEAD] = CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_DEAD,
    };
    CHECK(outcomes[leg->decision] != CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_UNSPECIFIED);
    job->end.outcome = outcomes[leg->decision];
    job->end.reason = leg->reason;
    job->end.detail = leg->detail;
    job->end.dead_letter = leg->decision == DECISION_DEAD && job->event->judged.refused;
}
