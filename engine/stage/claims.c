#include "stage/claims.h"

#include "base/clock.h"

#include <stdlib.h>

enum { ASKING_MAX = 4096 };

#define OUTCOME(name) CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_##name

static void on_answer(struct redis_waiter *waiter, uint32_t index, const struct redis_reply *reply);

enum err claims_init(struct claims *c, const struct claims_options *options)
{
    *c = (struct claims){.redis = options->redis,
                         .jobs = options->jobs,
                         .rules = options->rules,
                         .marks = options->marks,
                         .mark_count = options->mark_count,
                         .waiter = {on_answer}};
    gate_init(c, options);
    c->asking = calloc(ASKING_MAX, sizeof(struct job *));
    c->free_index = calloc(ASKING_MAX, sizeof *c->free_index);
    if (!tail_init(c) || !c->asking || !c->free_index) {
        claims_deinit(c);
        return ERR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < ASKING_MAX; i++)
        c->free_index[c->free_count++] = i;
    return ERR_OK;
}

void claims_deinit(struct claims *c)
{
    tail_deinit(c);
    free(c->asking);
    free(c->free_index);
    *c = (struct claims){0};
}

/* --- what a claim tells -------------------------------------------------------------- */

struct claim_answer claims_answer_of(enum claim_step step, const struct redis_reply *reply)
{
    struct claim_answer answer = {.kind = CLAIM_ANSWER_LOST};
    (void)step;
    if (!reply)
        return answer;
    switch (reply->type) {
    case REDIS_NIL:
        answer.kind = CLAIM_ANSWER_NIL;
        break;
    case REDIS_TEXT:
        answer.kind = CLAIM_ANSWER_TEXT;
        answer.text = reply->text;
        break;
    case REDIS_ARRAY:
        if (reply->element_count == 0)
            break;
        answer.kind = CLAIM_ANSWER_TAG;
        answer.tag = reply->elements[0]->text;
        if (reply->element_count > 1) {
            answer.text = reply->elements[1]->text;
            answer.number = reply->elements[1]->integer;
        }
        break;
    case REDIS_STATUS:
    case REDIS_ERROR:
    case REDIS_INTEGER:
        break;
    }
    return answer;
}

static enum reason reason_of(struct bytes code)
{
    for (uint32_t i = 0; i < REASON_COUNT; i++)
        if (bytes_equal(bytes_of(reason_code((enum reason)i)), code))
            return (enum reason)i;
    return REASON_NO_ANSWER;
}

static const char *how_it_ended(enum claim_kind kind)
{
    return kind == CLAIM_SENT ? "sent" : kind == CLAIM_FAILED ? "failed" : "ambiguous";
}

void claims_tell_end(struct job *job)
{
    const struct claim_end *from = &job->claim.end;
    struct job_end *end = &job->end;
    CHECK(job->claim.state == CLAIM_OVER);
    end->attempts = from->attempts;
    end->replay = from->replay;
    if (from->replay || from->kind != CLAIM_FAILED)
        end->detail = NULL; /* what was to be told before */
    end->dead_letter = false;
    if (from->time_ms > 0)
        end->settled_at_ms = from->time_ms;
    if (from->duplicate) {
        end->outcome = OUTCOME(DUPLICATE);
        end->reason = REASON_DUPLICATE;
        end->detail = how_it_ended(from->kind);
        end->attempts = 0;
        end->settled_at_ms = 0;
        return;
    }
    if (from->kind == CLAIM_SENT) {
        end->outcome = OUTCOME(SENT);
        end->reason = REASON_NONE;
        end->dup_risk = from->risk > 0;
        const char *id = arena_copy(&job->event->arena, from->text);
        end->provider_message_id = id ? (struct bytes){id, from->text.size} : (struct bytes){0};
        return;
    }
    end->outcome = from->kind == CLAIM_FAILED ? OUTCOME(FAILED) : OUTCOME(AMBIGUOUS);
    end->reason = from->claims_lost ? REASON_CLAIMS_LOST : reason_of(from->text);
    end->dup_risk = from->kind == CLAIM_AMBIGUOUS && from->risk > 1;
}

/* --- asking -------------------------------------------------------------------------- */

/* An end of this worker's: written again, should Redis lose it. */
static void keep_end(struct claims *c, const struct claim *claim, uint64_t now_ns)
{
    if (claim->state != CLAIM_OVER || !claim->end.written)
        return;
    char value[CLAIM_VALUE_MAX];
    struct writer w = writer_of(value, sizeof value);
    struct claim_world world = claims_world(c, now_ns);
    claim_write_end(claim, &w);
    tail_keep(c, now_ns, (struct bytes){claim->key, CLAIM_KEY_SIZE}, writer_bytes(&w),
              claim_ttl_ms(claim, &world));
}

/* The goal is reached, or the claim waits: where the job goes now. */
static void reached(struct claims *c, struct job *job, uint64_t now_ns)
{
    struct claim *claim = &job->claim;
    switch (claim->state) {
    case CLAIM_ASKING:
        list_push(&c->queued, &job->node);
        return;
    case CLAIM_WAITING:
        if (claim->goal == CLAIM_GOAL_RELEASE)
            list_push(&c->released, &job->node); /* it waits anyway; admit asks again */
        else
            list_push(&c->waiting, &job->node);
        return;
    case CLAIM_RELEASED:
        c->stats.released++;
        list_push(&c->released, &job->node);
        return;
    case CLAIM_OVER:
        keep_end(c, claim, now_ns);
        if (job->state != JOB_SETTLING)
            job_enter(c->jobs, job, JOB_SETTLING);
        claims_tell_end(job);
        c->stats.settled++;
        list_push(&c->settled, &job->node);
        return;
    case CLAIM_STANDS:
        list_push(&c->settled, &job->node);
        return;
    case CLAIM_IDLE:
    case CLAIM_MINE:
    case CLAIM_OUT:
        break;
    }
    CHECK(claim->state == CLAIM_OVER); /* no goal of ours ends so */
}

static void send_queued(struct claims *c, uint64_t now_ns)
{
    struct claim_world world = claims_world(c, now_ns);
    while (c->queued.count > 0 && c->free_count > 0 && redis_room(c->redis) > 0 &&
           redis_room_bytes(c->redis) > 3 * CLAIM_VALUE_MAX) {
        struct job *job = job_of(list_pop(&c->queued));
        struct claim_command command;
        claim_command(&job->claim, &world, &command);
        uint32_t index = c->free_index[--c->free_count];
        c->asking[index] = job;
        redis_command(c->redis, command.arg, command.arg_count, &c->waiter, index);
        list_push(&c->out, &job->node);
    }
}

static void on_answer(struct redis_waiter *waiter, uint32_t index, const struct redis_reply *reply)
{
    struct claims *c = container_of(waiter, struct claims, waiter);
    struct job *job = c->asking[index];
    c->asking[index] = NULL;
    c->free_index[c->free_count++] = index;
    if (job->node.next) { /* answers come in the order of commands */
        job_fetch(job_of(job->node.next));
        event_fetch(job_of(job->node.next)->event);
    }
    list_remove(&c->out, &job->node);
    struct claim_answer answer = claims_answer_of(job->claim.step, reply);
    if (answer.kind == CLAIM_ANSWER_LOST) {
        list_push(&c->lost, &job->node);
        return;
    }
    uint64_t now_ns = clock_mono_ns();
    struct claim_world world = claims_world(c, now_ns);
    claim_answer(&job->claim, &world, &answer);
    reached(c, job, now_ns);
}

/* What was lost is told so only now: the gate is open, so Redis is whole again. */
static void go_on(struct claims *c, uint64_t now_ns)
{
    struct claim_world world = claims_world(c, now_ns);
    struct list lost = {0}, waiting = {0};
    list_move(&c->lost, &lost);
    for (struct list_node *n = list_pop(&lost); n; n = list_pop(&lost)) {
        struct claim_answer answer = {.kind = CLAIM_ANSWER_LOST};
        claim_answer(&job_of(n)->claim, &world, &answer);
        reached(c, job_of(n), now_ns);
    }
    list_move(&c->waiting, &waiting);
    for (struct list_node *n = list_pop(&waiting); n; n = list_pop(&waiting)) {
        struct job *job = job_of(n);
        if (job->claim.again_ms <= world.now_ms)
            claim_again(&job->claim, &world);
        reached(c, job, now_ns);
    }
    send_queued(c, now_ns);
}

uint64_t claims_turn(struct claims *c, uint64_t now_ns)
{
    gate_turn(c, now_ns);
    if (!claims_open(c))
        return now_ns + 20 * NS_PER_MS;
    tail_expire(c, now_ns);
    go_on(c, now_ns);
    return now_ns + (c->waiting.count > 0 ? 50 : 500) * NS_PER_MS;
}

/* --- settle and release -------------------------------------------------------------- */

static bool is_settled(const struct job *job)
{
    return !job->claim_ready || job->claim.state == CLAIM_OVER || job->claim.state == CLAIM_STANDS;
}

static void begin_settle(struct job *job, const struct claim_world *world)
{
    struct job_end *end = &job->end;
    struct bytes reason = bytes_of(reason_code(end->reason));
    if (end->outcome == OUTCOME(SENT))
        claim_settle(&job->claim, world, CLAIM_SENT, end->provider_message_id);
    else if (end->outcome == OUTCOME(FAILED))
        claim_settle(&job->claim, world, CLAIM_FAILED, reason);
    else if (end->outcome == OUTCOME(AMBIGUOUS))
        claim_settle(&job->claim, world, CLAIM_AMBIGUOUS, reason);
    else
        claim_refuse(&job->claim, world);
}

void claims_settle_put(struct claims *c, uint64_t now_ns, struct list *jobs)
{
    struct claim_world world = claims_world(c, now_ns);
    for (struct list_node *n = list_pop(jobs); n; n = list_pop(jobs)) {
        struct job *job = job_of(n);
        CHECK(job->state == JOB_SETTLING);
        if (is_settled(job)) {
            if (job->claim_ready)
                keep_end(c, &job->claim, now_ns); /* admission wrote it, taking over */
            list_push(&c->settled, n);
            continue;
        }
        begin_settle(job, &world);
        reached(c, job, now_ns);
    }
    if (claims_open(c))
        send_queued(c, now_ns);
}

void claims_settle_take(struct claims *c, uint64_t now_ns, struct list *out)
{
    (void)now_ns;
    list_move(&c->settled, out);
}

void claims_release_put(struct claims *c, uint64_t now_ns, struct list *jobs)
{
    struct claim_world world = claims_world(c, now_ns);
    for (struct list_node *n = list_pop(jobs); n; n = list_pop(jobs)) {
        struct job *job = job_of(n);
        claim_release(&job->claim, &world);
        reached(c, job, now_ns);
    }
    if (claims_open(c))
        send_queued(c, now_ns);
}

void claims_release_take(struct claims *c, uint64_t now_ns, struct list *out)
{
    (void)now_ns;
    list_move(&c->released, out);
}
