#include "stage/decode.h"

#include "domain/event.h"

static struct job *only_job(struct event *event)
{
    CHECK(event->jobs_open == 1);
    return job_of_sibling(event->jobs.first);
}

/* What claims call it: event|origin. */
static void name_event(struct event *event, struct bytes tenant_id, struct bytes event_id)
{
    uint8_t hash[CLAIM_HASH_SIZE];
    claim_event_hash(tenant_id, event_id, hash);
    char *memory = arena_take(&event->arena, CLAIM_OWN_MAX);
    CHECK(memory != NULL); /* blocks are far larger than records that decode */
    struct writer w = writer_of(memory, CLAIM_OWN_MAX);
    claim_write_own(&w, hash, &event->origin);
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

static void refuse(struct event *event, Carillon__V1__Event *decoded,
                   const struct event_error *error, struct list *refused, struct list *done)
{
    struct job *job = only_job(event);
    job->end.outcome = CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_DEAD;
    job->end.reason = REASON_MALFORMED;
    job->end.detail =
        error->what.path[0] ? arena_copy(&event->arena, bytes_of(error->what.path)) : NULL;
    job->end.dead_letter = true;
    if (error->event_id.size == 0) {
        job->end.letter_only = true;
        list_push(done, &job->node);
        return;
    }
    event->judged.event =
        decoded && decoded->event_id && decoded->tenant_id ? decoded : bare_event(event, error);
    event->judged.refused = true;
    event->judged.kind = kind_row_of(event->judged.event->kind);
    name_event(event, error->tenant_id, error->event_id);
    /* Without tenant or recipient there is no claim it could have made. */
    bool has_addresses = event->judged.event->tenant_id && event->judged.event->recipient;
    list_push(has_addresses ? refused : done, &job->node);
}

static void decode_one(struct jobs *jobs, struct event *event, struct list *decoded,
                       struct list *refused, struct list *done)
{
    Carillon__V1__Event *message = NULL;
    struct event_error error;
    enum err err = event_decode(&event->record, &event->arena, NULL, &message, &error);
    if (err == ERR_NO_MEMORY && event_enlarge(jobs, event))
        err = event_decode(&event->record, &event->arena, NULL, &message, &error);
    if (err != ERR_OK) {
        refuse(event, message, &error, refused, done);
        return;
    }
    name_event(event, bytes_of(message->tenant_id), bytes_of(message->event_id));
    event->judged.event = message;
    event->decoded_used = event->arena.used;
    list_push(decoded, &event->node);
}

void decode_all(struct jobs *jobs, struct list *fresh, struct list *decoded, struct list *refused,
                struct list *done)
{
    for (struct list_node *n = list_pop(fresh); n; n = list_pop(fresh))
        decode_one(jobs, event_of(n), decoded, refused, done);
}
