#include "stage/decode.h"

#include "domain/event.h"

enum { DETAIL_MAX = PB_PATH_MAX + 200 }; /* a path, what is wrong with it, and where */

static struct job *only_job(struct event *event)
{
    CHECK(event->jobs_open == 1);
    return job_of_sibling(event->jobs.first);
}

/* What claims call it: event|origin. */
static void name_event(struct event *event)
{
    char *memory = arena_take(&event->arena, CLAIM_OWN_MAX);
    CHECK(memory != NULL); /* blocks are far larger than records that decode */
    struct writer w = writer_of(memory, CLAIM_OWN_MAX);
    claim_write_own(&w, event_id_of(event)->hash, &event->origin);
    CHECK(!w.overflow);
    event->own = writer_bytes(&w);
}

/* An event that only has the ids which an outcome needs. */
static Carillon__V1__Event *bare_event(struct event *event, const struct event_error *error)
{
    Carillon__V1__Event *bare = arena_take(&event->arena, sizeof *bare);
    CHECK(bare != NULL);
    carillon__v1__event__init(bare);
    bare->event_id = arena_copy(&event->arena, error->event_id);
    if (error->tenant_id.size > 0)
        bare->tenant_id = arena_copy(&event->arena, error->tenant_id);
    CHECK(bare->event_id != NULL);
    return bare;
}

/* The whole event refused by G1: `path` for the outcome, and in words for the letter. */
static void end_malformed(struct event *event, const struct pb_error *what)
{
    char words[DETAIL_MAX];
    struct writer w = writer_of(words, sizeof words);
    pb_error_write(&w, what);
    struct judge_case *c = &event->judged;
    struct job *job = only_job(event);
    c->refused = true;
    c->leg_count = 1;
    c->legs[0] = (struct leg){0};
    const char *path = what->path[0] ? arena_copy(&event->arena, bytes_of(what->path)) : NULL;
    judge_refuse(&c->legs[0], JUDGE_G1, DECISION_DEAD, REASON_MALFORMED, path);
    job_refuse(job, &c->legs[0]);
    job->end.letter_detail = arena_copy(&event->arena, writer_bytes(&w));
}

static void refuse(struct event *event, Carillon__V1__Event *decoded,
                   const struct event_error *error, struct list *refused, struct list *done)
{
    struct job *job = only_job(event);
    if (!decoded) /* what was read of it is of no use: the ends need its room */
        event->arena.used = event->decoded_used;
    end_malformed(event, &error->what);
    if (error->event_id.size == 0) {
        job->end.letter_only = true;
        list_push(done, &job->node);
        return;
    }
    event->judged.event =
        decoded && decoded->event_id && decoded->tenant_id ? decoded : bare_event(event, error);
    event->judged.kind = kind_row_of(event->judged.event->kind);
    name_event(event);
    /* Without tenant or recipient there is no claim it could have made. */
    bool has_addresses = event->judged.event->tenant_id && event->judged.event->recipient;
    list_push(has_addresses ? refused : done, &job->node);
}

/* Why it waited says that it had been due: somebody may have claimed it. */
static bool was_due(const struct deferral *deferral)
{
    return deferral->attempts > 0 ||
           (deferral->reason != REASON_NOT_DUE && deferral->reason != REASON_QUIET_HOURS);
}

/* What the headers of a deferral topic's record say; no record of another topic is asked. */
static enum err read_deferral(struct event *event, struct event_error *error)
{
    const struct record *record = &event->record;
    struct deferral *deferral = arena_take(&event->arena, sizeof *deferral);
    struct bytes wrong = {0};
    CHECK(deferral != NULL); /* blocks are far larger than records that decode */
    enum err err = deferral_decode(record->headers, record->header_count, deferral, &wrong);
    if (err != ERR_OK) {
        struct writer w = writer_of(error->what.path, sizeof error->what.path - 1);
        write_slice(&w, wrong);
        error->what.path[w.size] = '\0';
        error->what.word = "no deferral of ours";
        return err;
    }
    event->deferral = deferral;
    event->origin = deferral->origin;
    /* What this worker remembers of the leg begins with the hop: of claims made before it
     * Redis may have lost what nobody here knows. */
    if (was_due(deferral))
        event->assigned_ms = i64_max(event->assigned_ms, record->timestamp_ms);
    event->record.timestamp_ms = deferral->timestamp_ms;
    return ERR_OK;
}

static void end_strange(struct event *event, const struct event_error *error, struct list *done)
{
    end_malformed(event, &error->what);
    event->judged.kind = kind_row_of(event->judged.event->kind);
    name_event(event);
    list_push(done, &only_job(event)->node); /* nobody knows what it claimed */
}

static bool is_urgent(const struct event *event)
{
    const struct kind_row *kind = kind_row_of(event->judged.event->kind);
    return kind && kind->class == CARILLON__V1__CLASS__CLASS_URGENT;
}

static void decode_one(struct jobs *jobs, struct event *event, struct list *decoded,
                       struct list *refused, struct list *done)
{
    Carillon__V1__Event *message = NULL;
    struct event_error error = {.what = {.word = "too large to be read"}};
    if (only_job(event)->cut != CUT_NOTHING) {
        refuse(event, NULL, &error, refused, done);
        return;
    }
    enum err err = event_decode(&event->record, &event->arena, NULL, &message, &error);
    if (err == ERR_NO_MEMORY && event_enlarge(jobs, event))
        err = event_decode(&event->record, &event->arena, NULL, &message, &error);
    if (err != ERR_OK) {
        refuse(event, message, &error, refused, done);
        return;
    }
    event->judged.event = message;
    if (event->from_ring && read_deferral(event, &error) != ERR_OK) {
        end_strange(event, &error, done);
        return;
    }
    if (event->from_ring) {
        event->urgent = is_urgent(event);
        jobs->record_ms[event - jobs->events] = event->deferral->due_ms;
    }
    name_event(event);
    event->decoded_used = event->arena.used;
    list_push(decoded, &event->node);
}

void decode_all(struct jobs *jobs, struct list *fresh, struct list *decoded, struct list *refused,
                struct list *done)
{
    for (struct list_node *n = list_pop(fresh); n; n = list_pop(fresh))
        decode_one(jobs, event_of(n), decoded, refused, done);
}
