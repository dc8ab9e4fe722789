/* Queue, batches and lists. A job's way: queued, in an entry of a batch while it is out,
 * then queued once more (its claim needs another step) or in one of the lists to take. */
#include "stage/admit.h"

#include "base/clock.h"
#include "base/prng.h"
#include "domain/once.h"
#include "io/crypto.h"
#include "stage/admit_batch.h"
#include "stage/route.h"

#include <stdlib.h>

static void on_given_up(struct redis_waiter *waiter, uint32_t index,
                        const struct redis_reply *reply)
{
    (void)waiter, (void)index, (void)reply;
}

static bool open_batch(struct admit *admit, struct admit_batch *batch)
{
    char *memory = malloc(ADMIT_MEMORY);
    batch->admit = admit;
    batch->waiter.done = admit_on_answer;
    batch->memory = arena_of(memory, ADMIT_MEMORY);
    list_push(&admit->idle, &batch->node);
    return memory != NULL;
}

enum err admit_init(struct admit *admit, const struct admit_options *options)
{
    *admit = (struct admit){.options = *options, .given_up = {on_given_up}};
    crypto_random(&admit->random, sizeof admit->random);
    admit->batches = calloc(ADMIT_BATCHES, sizeof *admit->batches);
    char *scratch = malloc(ADMIT_SCRATCH);
    admit->scratch = arena_of(scratch, ADMIT_SCRATCH);
    bool good = admit->batches && scratch;
    for (uint32_t i = 0; good && i < ADMIT_BATCHES; i++)
        good = open_batch(admit, &admit->batches[i]);
    if (good)
        return ERR_OK;
    admit_deinit(admit);
    return ERR_NO_MEMORY;
}

void admit_deinit(struct admit *admit)
{
    for (uint32_t i = 0; admit->batches && i < ADMIT_BATCHES; i++)
        free(admit->batches[i].memory.at);
    free(admit->batches);
    free(admit->scratch.at);
    *admit = (struct admit){0};
}

uint32_t admit_room(const struct admit *admit)
{
    uint32_t most = ADMIT_BATCH_MAX * ADMIT_BATCHES;
    if (!claims_open(admit->options.claims) || redis_room(admit->options.redis) == 0)
        return 0;
    return admit->pending < most ? most - admit->pending : 0;
}

uint32_t admit_pending(const struct admit *admit)
{
    return admit->pending;
}

/* --- in ------------------------------------------------------------------------------ */

static void look_at_clock(struct admit *admit, uint64_t now_ns)
{
    admit->now_ns = now_ns;
    admit->world = claims_world(admit->options.claims, now_ns);
}

/* A job whose claim is asking comes from a lost answer. That is told to the claim only
 * now, with the gate open: what is missing in Redis means what this epoch says. */
static void enter(struct admit *admit, struct job *job)
{
    if (job->claim_ready && job->claim.state == CLAIM_ASKING) {
        const struct claim_answer lost = {.kind = CLAIM_ANSWER_LOST};
        claim_answer(&job->claim, &admit->world, &lost);
    }
    list_push(&admit->queued, &job->node);
}

static void put(struct admit *admit, uint64_t now_ns, struct list *jobs)
{
    bool open = claims_open(admit->options.claims);
    look_at_clock(admit, now_ns);
    for (struct list_node *n = list_pop(jobs); n; n = list_pop(jobs)) {
        struct job *job = job_of(n);
        bool binds = job->claim_ready && claim_binds(&job->claim);
        event_fetch(job->event);
        if (job->state != JOB_ADMITTING)
            job_enter(admit->options.jobs, job, JOB_ADMITTING);
        admit->pending++;
        if (!open)
            admit_wait(admit, job, WAIT_REDIS, ADMIT_LOST_MS);
        else if (job->event->revoked && !binds)
            admit_wait(admit, job, WAIT_REDIS, 0);
        else
            enter(admit, job);
    }
}

void admit_put(struct admit *admit, uint64_t now_ns, struct list *due)
{
    put(admit, now_ns, due);
}

void admit_ask(struct admit *admit, uint64_t now_ns, struct list *refused)
{
    put(admit, now_ns, refused);
}

/* --- claims -------------------------------------------------------------------------- */

static int64_t key_window_ms(const struct job *job)
{
    return job->route ? job->route->account->idempotency_window_ms : 0;
}

int64_t admit_due_ms(const struct event *event)
{
    return event->judged.due_ms > 0 ? event->judged.due_ms : event->record.timestamp_ms;
}

static void init_claim(struct admit *admit, struct job *job)
{
    struct event *event = job->event;
    const struct judge_case *c = &event->judged;
    char key[2 * CLAIM_HASH_SIZE];
    claim_leg_hex(event_dedup_of(event), bytes_of(channel_name(job->leg->channel)),
                  job->leg->address, key);
    const struct claim_leg leg = {.own = event->own,
                                  .key_hex = key,
                                  .nonce = prng_next(&admit->random),
                                  .due_ms = admit_due_ms(event),
                                  .expires_ms = c->expires_ms,
                                  .assigned_ms = event->assigned_ms,
                                  .resend = c->kind && admit->options.resend[c->kind->class],
                                  .attempts = event->deferral ? event->deferral->attempts : 0};
    claim_init(&job->claim, &leg);
    job->claim_ready = true;
}

void admit_aim(struct admit *admit, struct job *job)
{
    if (!admit_has_claim(job))
        return;
    if (!job->claim_ready)
        init_claim(admit, job);
    struct claim *claim = &job->claim;
    bool refused = admit_is_refused(job);
    enum claim_goal goal = refused ? CLAIM_GOAL_REFUSE : CLAIM_GOAL_SEND;
    if (claim->state == CLAIM_ASKING || claim->state == CLAIM_OVER)
        return;
    claim->key_window_ms = i64_max(claim->key_window_ms, key_window_ms(job));
    if (claim->state == CLAIM_WAITING && claim->goal == goal)
        claim_again(claim, &admit->world);
    else if (refused)
        claim_refuse(claim, &admit->world);
    else
        claim_send(claim, &admit->world);
}

/* --- out ----------------------------------------------------------------------------- */

static void out(struct admit *admit, struct job *job, struct list *to)
{
    CHECK(admit->pending > 0);
    admit->pending--;
    list_push(to, &job->node);
}

void admit_wait(struct admit *admit, struct job *job, enum wait_reason why, int64_t ms)
{
    job->due_ns = admit->now_ns + (ms > 0 ? (uint64_t)ms * NS_PER_MS : 0);
    job_wait(admit->options.jobs, job, why);
    out(admit, job, &admit->again);
}

void admit_ready(struct admit *admit, struct job *job)
{
    CHECK(job->claim.state == CLAIM_MINE);
    job->admitted_ns = admit->now_ns;
    job->asked_ns = admit->asked_ns;
    out(admit, job, &admit->ready);
}

void admit_done(struct admit *admit, struct job *job)
{
    out(admit, job, &admit->done);
}

void admit_rejudge(struct admit *admit, struct job *job)
{
    struct event *event = job->event;
    job->end = (struct job_end){0};
    event->candidates_asked = false; /* its legs may become others */
    event->judged.refused = false;
    job_enter(admit->options.jobs, job, JOB_JUDGED);
    out(admit, job, &admit->rejudge);
}

void admit_take(struct admit *admit, uint64_t now_ns, struct list *ready, struct list *again,
                struct list *done, struct list *rejudge)
{
    look_at_clock(admit, now_ns);
    for (struct list_node *n = list_pop(&admit->answered); n; n = list_pop(&admit->answered)) {
        struct admit_batch *batch = container_of(n, struct admit_batch, node);
        metric_observe_us(admit->options.metrics, METRIC_REDIS_ROUND_TRIP, 0,
                          (now_ns - batch->asked_ns) / 1000);
        admit_decide(admit, batch);
        list_push_front(&admit->idle, n); /* the next to be used is warm */
    }
    /* What a claim was about to ask was decided in a world that may be gone. */
    while (!claims_open(admit->options.claims) && admit->queued.count > 0)
        admit_wait(admit, job_of(list_pop(&admit->queued)), WAIT_REDIS, ADMIT_LOST_MS);
    while (admit->queued.count > 0 && admit->idle.count > 0) {
        struct admit_batch *batch = container_of(admit->idle.first, struct admit_batch, node);
        if (!admit_fill(admit, batch))
            break;
        list_remove(&admit->idle, &batch->node);
    }
    list_move(&admit->ready, ready);
    list_move(&admit->again, again);
    list_move(&admit->done, done);
    list_move(&admit->rejudge, rejudge);
}
