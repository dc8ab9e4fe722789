/* Drives every interleaving of two workers over a model of Redis, to stated bounds:
 * depth-first over all actions, each state once. What is checked stands in told(),
 * accept() and at_rest(). */
#pragma once

#include "base/prng.h"
#include "redis_model.h"
#include "seen.h"

#include <stdio.h>
#include <stdlib.h>

enum { WORKERS = 2, STEPS_MAX = 1000, SHORT_MS = 1000, START_MS = 2000, DUE_MS = 1000 };

struct bounds {
    const char *name;
    bool resend, honours, copy, late;
    bool gives_back; /* calls that never left, and temporary answers */
    uint32_t kills, losses, times, empties, stalls;
};

enum phase { PHASE_OFF, PHASE_RUN, PHASE_CALL, PHASE_UNSURE, PHASE_DONE };
enum result { RESULT_ACCEPTED, RESULT_SILENT, RESULT_REFUSED, RESULT_UNSENT, RESULT_TEMPORARY };

struct worker {
    enum phase phase;
    enum result result;
    uint32_t record;       /* 0 or, for a copy, 1 */
    bool answered;         /* Redis answered, the worker stalls before it looks */
    uint32_t accepts_seen; /* of the record, when that answer was made */
    int64_t assigned_ms;
    bool refusing;
    bool started; /* it had the partition, in this life or an earlier one */
    int64_t settled_ms;
    uint32_t settled_size;
    struct redis_model_answer answer;
    struct claim claim;
    char settled[CLAIM_VALUE_MAX];
};

struct world {
    struct redis_model redis;
    int64_t epoch_ms;
    uint64_t nonces;
    struct bounds left;
    struct worker workers[WORKERS];
    uint32_t accepts[2], flagged[2], told_kind[2];
    uint32_t empties;
    bool told_flagged[2];
    bool stalled_set; /* an S by SET was executed after its lease: until it is mended, an
                       * X that it replaced may be told as sent (promise 2's exception) */
    bool died_blind;  /* and its worker died before it saw the answer */
    bool forgotten;   /* Redis lost what nobody wrote again (promise 2's other exception) */
    bool late;
    struct claim_command late_command;
    char late_texts[2 * CLAIM_VALUE_MAX + 64];
};

struct explorer {
    struct world w;
    struct bounds bounds;
    const char *violation;
    char trace[8192];
    uint32_t steps[STEPS_MAX], depth;
    struct seen seen;
    uint64_t step_count, ends[8];
};

static const struct claim_rules rules = {.start_window_ms = 2000,
                                         .request_deadline_ms = 10000,
                                         .skew_ms = 500,
                                         .command_ms = 2000,
                                         .dedup_window_ms = 72 * 3600 * 1000,
                                         .foreign_wait_ms = 20000};
static const char *const owns[2] = {"AAAAAAAAAAAAAAAAAAAAAA|t/0/1", "AAAAAAAAAAAAAAAAAAAAAA|t/0/2"};

enum action {
    DO_START_SEND,
    DO_START_REFUSE,
    DO_EXECUTE,
    DO_EXECUTE_ONLY,
    DO_LOOK,
    DO_LOSE_ANSWER,
    DO_LOSE_COMMAND,
    DO_DELAY_COMMAND,
    DO_CALL_ACCEPTED,
    DO_CALL_ACCEPTED_SILENT,
    DO_CALL_SILENT,
    DO_CALL_REFUSED,
    DO_CALL_UNSENT,
    DO_CALL_TEMPORARY,
    DO_RENEW,
    DO_RESULT,
    DO_RESEND,
    DO_GIVE_UP,
    DO_REFUSE,
    DO_AGAIN,
    DO_KILL,
    DO_REREAD,
};

/* An action's number: worker x WORKER_ACTIONS + enum action, then those of the world. */
enum {
    WORKER_ACTIONS = DO_REREAD + 1,
    DO_SHORT = WORKER_ACTIONS * WORKERS,
    DO_LONG,
    DO_EMPTY_01,
    DO_EMPTY_10,
    DO_LATE,
    ACTIONS
};

static const char *const action_names[WORKER_ACTIONS] = {
    [DO_START_SEND] = "starts to send",
    [DO_START_REFUSE] = "starts to refuse",
    [DO_EXECUTE] = "asks and is answered",
    [DO_EXECUTE_ONLY] = "asks, and stalls",
    [DO_LOOK] = "sees the answer",
    [DO_LOSE_ANSWER] = "asks, but the answer is lost",
    [DO_LOSE_COMMAND] = "asks, but the command is lost",
    [DO_DELAY_COMMAND] = "asks, but the command is late",
    [DO_CALL_ACCEPTED] = "calls: accepted",
    [DO_CALL_ACCEPTED_SILENT] = "calls: accepted, no answer",
    [DO_CALL_SILENT] = "calls: not accepted, no answer",
    [DO_CALL_REFUSED] = "calls: refused",
    [DO_CALL_UNSENT] = "calls: never left",
    [DO_CALL_TEMPORARY] = "calls: temporary",
    [DO_RENEW] = "renews",
    [DO_RESULT] = "takes the result",
    [DO_RESEND] = "resends",
    [DO_GIVE_UP] = "gives up: refused",
    [DO_REFUSE] = "refuses now",
    [DO_AGAIN] = "asks again",
    [DO_KILL] = "is killed",
    [DO_REREAD] = "is read again",
};

static struct claim_world world_of(const struct explorer *e)
{
    return (struct claim_world){
        .rules = &rules, .now_ms = e->w.redis.now_ms, .epoch_begun_ms = e->w.epoch_ms};
}

static void violate(struct explorer *e, const char *what)
{
    if (!e->violation)
        e->violation = what;
}

/* --- what must hold ------------------------------------------------------------ */

static void accept(struct explorer *e, struct worker *k)
{
    uint32_t before = e->w.accepts[0] + e->w.accepts[1], r = k->record;
    e->w.accepts[r]++;
    if (e->bounds.honours) {
        if (k->claim.held_risk > 0 && e->w.empties == 0)
            violate(e, "risk in spite of an honoured key");
        return;
    }
    if (k->claim.held_risk >= (e->bounds.resend ? 2 : 1))
        violate(e, "risk beyond its bound");
    if (before > 0 && k->claim.held_risk == 0 && !(e->w.forgotten && e->bounds.copy))
        violate(e, "a second send that no risk was counted for");
    if (before > 0 && !e->bounds.resend)
        violate(e, "a second send in a class without resend");
    if (e->w.accepts[r] > 2 + e->w.empties)
        violate(e, "a third send");
}

static void told(struct explorer *e, struct worker *k)
{
    const struct claim *c = &k->claim;
    uint32_t r = k->record;
    k->phase = PHASE_DONE;
    if (c->state == CLAIM_STANDS) {
        if (k->accepts_seen > 0)
            violate(e, "a sent leg is told as refused");
        e->ends[0]++;
        return;
    }
    const struct claim_end *end = &c->end;
    uint32_t kind = end->duplicate ? 'D' : (uint32_t)end->kind;
    e->ends[kind % 8]++;
    if (e->w.told_kind[r] != 0 && e->w.told_kind[r] != kind && e->w.empties == 0 &&
        !e->w.stalled_set)
        violate(e, "two ends are told");
    e->w.told_kind[r] = kind;
    if (kind == 'S' && e->w.accepts[r] == 0)
        violate(e, "sent is told, but nothing was");
    if (kind == 'F' && e->w.accepts[r] > 0)
        violate(e, "failed is told, but it was sent");
    if (kind == 'D' && e->w.accepts[r] > 0 && e->w.empties == 0)
        violate(e, "a duplicate was sent");
    if ((kind == 'S' && end->risk > 0) || kind == 'X')
        e->w.told_flagged[r] = true;
    if (end->written) {
        struct writer w = writer_of(k->settled, sizeof(k->settled));
        claim_write_end(c, &w);
        k->settled_size = (uint32_t)w.size;
        k->settled_ms = e->w.redis.now_ms;
    }
}

/* Nothing more happens by itself: what the promises say about the whole. */
static void at_rest(struct explorer *e)
{
    if (e->w.died_blind)
        return;
    for (uint32_t r = 0; r < 2; r++)
        if (e->w.accepts[r] > 1 && !e->w.told_flagged[r] && !e->bounds.honours)
            violate(e, "sent twice, and no outcome says so");
}

/* --- one worker ----------------------------------------------------------------- */

static void look(struct explorer *e, struct worker *k)
{
    struct claim_world world = world_of(e);
    k->answered = false;
    k->answer.answer.text.at = k->answer.text;
    claim_answer(&k->claim, &world, &k->answer.answer);
}

static void lose(struct explorer *e, struct worker *k)
{
    struct claim_world world = world_of(e);
    struct claim_answer lost = {.kind = CLAIM_ANSWER_LOST};
    claim_answer(&k->claim, &world, &lost);
}

/* Where the claim came to rest: what the job does next by itself. */
static void settle_down(struct explorer *e, struct worker *k)
{
    struct claim_world world = world_of(e);
    struct claim *c = &k->claim;
    if (k->phase != PHASE_RUN)
        return;
    if (c->state == CLAIM_STANDS || c->state == CLAIM_OVER)
        told(e, k);
    else if (c->state == CLAIM_RELEASED || c->state == CLAIM_IDLE)
        claim_send(c, &world);
}

static void execute(struct explorer *e, struct worker *k)
{
    struct claim_world world = world_of(e);
    struct claim_command command;
    claim_command(&k->claim, &world, &command);
    redis_model_run(&e->w.redis, &command, &k->answer);
    if (k->claim.step == CLAIM_STEP_SET && world.now_ms >= k->claim.held_deadline_ms)
        e->w.stalled_set = true;
    k->accepts_seen = e->w.accepts[k->record];
}

static void start(struct explorer *e, struct worker *k, bool refuse)
{
    struct claim_world world = world_of(e);
    struct claim_leg leg = {.own = bytes_of(owns[k->record]),
                            .key_hex = "00112233445566778899aabbccddeeff",
                            .nonce = ++e->w.nonces,
                            .due_ms = DUE_MS,
                            .expires_ms = DUE_MS + 3600 * 1000,
                            .assigned_ms = k->assigned_ms,
                            .resend = e->bounds.resend,
                            .key_window_ms = e->bounds.honours ? 3600 * 1000 : 0};
    claim_init(&k->claim, &leg);
    k->phase = PHASE_RUN;
    k->started = true;
    k->refusing = refuse;
    if (refuse)
        claim_refuse(&k->claim, &world);
    else
        claim_send(&k->claim, &world);
    settle_down(e, k);
}

static void call(struct explorer *e, struct worker *k, enum result result, bool accepted)
{
    if (result != RESULT_UNSENT)
        claim_left(&k->claim);
    if (accepted)
        accept(e, k);
    k->result = result;
    k->phase = PHASE_CALL;
}

static void take_result(struct explorer *e, struct worker *k)
{
    struct claim_world world = world_of(e);
    struct claim *c = &k->claim;
    k->phase = PHASE_RUN;
    switch (k->result) {
    case RESULT_ACCEPTED:
        claim_settle(c, &world, CLAIM_SENT, BYTES("id"));
        break;
    case RESULT_SILENT:
        claim_unsure(c, &world);
        if (claim_may_resend(c, &world))
            k->phase = PHASE_UNSURE;
        else
            claim_settle(c, &world, CLAIM_AMBIGUOUS, BYTES("no_answer"));
        break;
    case RESULT_REFUSED:
        claim_settle(c, &world, CLAIM_FAILED, BYTES("bad_recipient"));
        break;
    case RESULT_UNSENT:
    case RESULT_TEMPORARY:
        claim_release(c, &world);
        break;
    }
    settle_down(e, k);
}

static void reset(struct explorer *e, struct worker *k)
{
    uint32_t record = k->record;
    memset(k, 0, sizeof(*k));
    k->started = true;
    k->record = record;
    k->assigned_ms = e->w.redis.now_ms;
}

static bool worker_may(const struct explorer *e, const struct worker *k, enum action action)
{
    const struct claim *c = &k->claim;
    bool running = k->phase == PHASE_RUN, asking = running && c->state == CLAIM_ASKING;
    bool mine = running && c->state == CLAIM_MINE;
    bool in_time = mine && e->w.redis.now_ms <= c->start_by_ms;
    switch (action) {
    case DO_START_SEND:
    case DO_START_REFUSE:
        return k->phase == PHASE_OFF;
    case DO_EXECUTE:
        return asking && !k->answered;
    case DO_EXECUTE_ONLY:
        return asking && !k->answered && e->w.left.stalls > 0;
    case DO_LOOK:
        return asking && k->answered;
    case DO_LOSE_ANSWER:
    case DO_LOSE_COMMAND:
        return asking && !k->answered && e->w.left.losses > 0;
    case DO_DELAY_COMMAND:
        return asking && !k->answered && e->w.left.losses > 0 && e->bounds.late && !e->w.late;
    case DO_CALL_ACCEPTED:
    case DO_CALL_REFUSED:
        return in_time;
    case DO_CALL_ACCEPTED_SILENT:
    case DO_CALL_SILENT:
        return in_time && c->attempts < 3;
    case DO_CALL_UNSENT:
    case DO_CALL_TEMPORARY:
        return in_time && k->claim.attempts == 0 && e->bounds.gives_back;
    case DO_RENEW:
        return mine && !in_time;
    case DO_RESULT:
        return k->phase == PHASE_CALL;
    case DO_RESEND:
    case DO_GIVE_UP:
        return k->phase == PHASE_UNSURE;
    case DO_REFUSE:
        return (running && c->state == CLAIM_WAITING && !k->refusing) || mine;
    case DO_AGAIN:
        return running && c->state == CLAIM_WAITING && e->w.redis.now_ms >= c->again_ms;
    case DO_KILL:
        return e->w.left.kills > 0 && k->phase != PHASE_OFF && k->phase != PHASE_DONE;
    case DO_REREAD:
        return e->w.left.kills > 0 && k->phase == PHASE_DONE;
    }
    return false;
}

static void delay_command(struct explorer *e, struct worker *k)
{
    struct claim_world world = world_of(e);
    struct claim_command *c = &e->w.late_command;
    struct writer w = writer_of(e->w.late_texts, sizeof(e->w.late_texts));
    claim_command(&k->claim, &world, c);
    for (uint32_t i = 0; i < c->arg_count; i++) { /* keep the texts: the claim goes on */
        struct bytes at = {w.at + w.size, c->arg[i].size};
        write_slice(&w, c->arg[i]);
        c->arg[i] = at;
    }
    CHECK(!w.overflow);
    e->w.late = true;
}

static void worker_do(struct explorer *e, struct worker *k, enum action action)
{
    struct claim_world world = world_of(e);
    switch (action) {
    case DO_START_SEND:
    case DO_START_REFUSE:
        start(e, k, action == DO_START_REFUSE);
        return;
    case DO_EXECUTE:
        execute(e, k);
        look(e, k);
        settle_down(e, k);
        return;
    case DO_EXECUTE_ONLY:
        execute(e, k);
        k->answered = true;
        e->w.left.stalls--;
        return;
    case DO_LOOK:
        look(e, k);
        settle_down(e, k);
        return;
    case DO_LOSE_ANSWER:
        execute(e, k);
        e->w.left.losses--;
        lose(e, k);
        return;
    case DO_LOSE_COMMAND:
    case DO_DELAY_COMMAND:
        if (action == DO_DELAY_COMMAND) {
            delay_command(e, k);
            e->w.stalled_set = e->w.stalled_set || k->claim.step == CLAIM_STEP_SET;
        }
        e->w.left.losses--;
        lose(e, k);
        return;
    case DO_CALL_ACCEPTED:
        call(e, k, RESULT_ACCEPTED, true);
        return;
    case DO_CALL_ACCEPTED_SILENT:
        call(e, k, RESULT_SILENT, true);
        return;
    case DO_CALL_SILENT:
        call(e, k, RESULT_SILENT, false);
        return;
    case DO_CALL_REFUSED:
        call(e, k, RESULT_REFUSED, false);
        return;
    case DO_CALL_UNSENT:
        call(e, k, RESULT_UNSENT, false);
        return;
    case DO_CALL_TEMPORARY:
        call(e, k, RESULT_TEMPORARY, false);
        return;
    case DO_RENEW:
    case DO_RESEND:
        k->phase = PHASE_RUN;
        claim_send(&k->claim, &world);
        settle_down(e, k);
        return;
    case DO_RESULT:
        take_result(e, k);
        return;
    case DO_GIVE_UP:
    case DO_REFUSE:
        k->phase = PHASE_RUN;
        k->refusing = true;
        claim_refuse(&k->claim, &world);
        settle_down(e, k);
        return;
    case DO_AGAIN:
        claim_again(&k->claim, &world);
        return;
    case DO_KILL:
    case DO_REREAD:
        if (k->phase == PHASE_RUN && k->answered && k->claim.step == CLAIM_STEP_SET)
            e->w.died_blind = e->w.stalled_set;
        e->w.left.kills--;
        reset(e, k);
        return;
    }
}

/* --- the world ------------------------------------------------------------------- */

static void write_tail(struct explorer *e, struct worker *k)
{
    struct claim_world world = world_of(e);
    struct claim_command command;
    struct redis_model_answer answer;
    bool live = k->phase != PHASE_OFF && k->phase != PHASE_DONE;
    if (!claim_tail_wanted(true, true))
        return;
    if (live && k->claim.held) {
        claim_restore_command(&k->claim, &world, &command);
        redis_model_run(&e->w.redis, &command, &answer);
        claim_restored(&k->claim, &world, &answer.answer);
        e->w.forgotten = e->w.forgotten && !k->claim.held;
        settle_down(e, k);
    }
    if (k->settled_size > 0 && world.now_ms - k->settled_ms <= 3000) {
        struct bytes value = {k->settled, k->settled_size};
        claim_rewrite_command((struct bytes){k->claim.key, CLAIM_KEY_SIZE}, value,
                              rules.dedup_window_ms, &command);
        redis_model_run(&e->w.redis, &command, &answer);
        e->w.forgotten = false;
    }
}

/* All that Redis knew is gone; what was in hand is written again, in either order,
 * before anything is asked. */
static void empty(struct explorer *e, bool reverse)
{
    for (uint32_t i = 0; i < WORKERS; i++)
        if (e->w.workers[i].answered) {
            look(e, &e->w.workers[i]);
            settle_down(e, &e->w.workers[i]);
        }
    e->w.left.empties--;
    e->w.empties++;
    e->w.forgotten = e->w.forgotten || e->w.redis.size > 0;
    e->w.redis.size = 0;
    e->w.epoch_ms = ++e->w.redis.now_ms;
    for (uint32_t i = 0; i < WORKERS; i++)
        write_tail(e, &e->w.workers[reverse ? WORKERS - 1 - i : i]);
    for (uint32_t i = 0; i < WORKERS; i++) {
        struct worker *k = &e->w.workers[i];
        const struct worker *other = &e->w.workers[1 - i];
        bool handed_over = !e->bounds.copy && other->started && other->assigned_ms > k->assigned_ms;
        bool empty_handed =
            !k->claim.held && !claim_doubtful(&k->claim) && k->claim.goal != CLAIM_GOAL_SETTLE;
        if (handed_over && k->phase == PHASE_OFF)
            k->phase = PHASE_DONE;
        if (k->phase != PHASE_RUN || k->claim.state == CLAIM_OVER)
            continue;
        if (handed_over && empty_handed) /* its commit is not acknowledged any more */
            k->phase = PHASE_DONE;
        else if (k->claim.state == CLAIM_ASKING)
            lose(e, k);
    }
}

static bool may(const struct explorer *e, uint32_t action)
{
    if (action < DO_SHORT)
        return worker_may(e, &e->w.workers[action / WORKER_ACTIONS],
                          (enum action)(action % WORKER_ACTIONS));
    switch (action) {
    case DO_SHORT:
    case DO_LONG:
        return e->w.left.times > 0;
    case DO_EMPTY_01:
    case DO_EMPTY_10:
        return e->w.left.empties > 0;
    case DO_LATE:
        return e->w.late;
    default:
        return false;
    }
}

static void act(struct explorer *e, uint32_t action)
{
    struct redis_model_answer ignored;
    if (action < DO_SHORT) {
        worker_do(e, &e->w.workers[action / WORKER_ACTIONS],
                  (enum action)(action % WORKER_ACTIONS));
        return;
    }
    switch (action) {
    case DO_SHORT:
    case DO_LONG:
        e->w.left.times--;
        e->w.redis.now_ms += action == DO_SHORT ? SHORT_MS : 14000;
        return;
    case DO_EMPTY_01:
    case DO_EMPTY_10:
        empty(e, action == DO_EMPTY_10);
        return;
    case DO_LATE:
        redis_model_run(&e->w.redis, &e->w.late_command, &ignored);
        e->w.late = false;
        return;
    default:
        CHECK(false);
    }
}

/* Without further faults everything ends: time passes when nothing else is left. */
static void nothing_waits_for_ever(struct explorer *e)
{
    static struct world kept;
    uint32_t depth = e->depth;
    kept = e->w;
    e->w.left = (struct bounds){0};
    for (uint32_t step = 0; step < 400 && !e->violation; step++) {
        bool acted = false;
        for (uint32_t i = 0; i < WORKERS; i++)
            for (uint32_t a = 0; a < WORKER_ACTIONS && !e->violation; a++)
                if (a != DO_REFUSE && a != DO_CALL_UNSENT &&
                    worker_may(e, &e->w.workers[i], (enum action)a)) {
                    e->steps[e->depth++] = i * WORKER_ACTIONS + a;
                    worker_do(e, &e->w.workers[i], (enum action)a);
                    acted = true;
                    break;
                }
        if (acted)
            continue;
        if (e->w.workers[0].phase == PHASE_DONE && e->w.workers[1].phase == PHASE_DONE) {
            at_rest(e);
            if (e->violation)
                return;
            e->w = kept;
            e->depth = depth;
            return;
        }
        e->steps[e->depth++] = DO_SHORT;
        e->w.redis.now_ms += SHORT_MS;
    }
    violate(e, "something waits for ever");
}

static uint64_t mix(uint64_t h, const void *at, size_t size)
{
    const uint8_t *b = at;
    for (size_t i = 0; i < size; i++)
        h = (h ^ b[i]) * UINT64_C(0x100000001b3);
    return h ^ (h >> 29);
}

#define MIX(field) h = mix(h, &(field), sizeof(field))
/* Only what can still make a difference. */
static uint64_t hash_worker(uint64_t h, const struct worker *k, const struct bounds *left)
{
    const struct claim *c = &k->claim;
    bool asked = c->asked > 0;
    MIX(k->phase);
    MIX(k->started);
    if (left->kills + left->empties > 0 || k->phase != PHASE_DONE)
        MIX(k->assigned_ms);
    if (left->empties > 0 && k->settled_size > 0) {
        MIX(k->settled_ms);
        h = mix(h, k->settled, k->settled_size);
    }
    if (k->phase == PHASE_DONE || k->phase == PHASE_OFF)
        return h;
    MIX(k->result);
    MIX(k->answered);
    MIX(k->refusing);
    if (k->answered) {
        MIX(k->accepts_seen);
        MIX(k->answer.answer.kind);
        h = mix(h, k->answer.answer.tag.at, k->answer.answer.tag.size);
        h = mix(h, k->answer.text, k->answer.answer.text.size);
    }
    MIX(c->nonce);
    MIX(c->state);
    MIX(c->goal);
    MIX(c->unsure);
    MIX(c->doubt);
    MIX(c->lost);
    MIX(c->past_doubt);
    MIX(c->past_lost);
    MIX(asked);
    MIX(c->attempts);
    MIX(c->risk);
    MIX(c->held);
    if (c->held) {
        MIX(c->held_attempts);
        MIX(c->held_risk);
        MIX(c->held_deadline_ms);
    }
    MIX(c->known_epoch_ms);
    MIX(c->counted_epoch_ms);
    if (c->state == CLAIM_WAITING)
        MIX(c->again_ms);
    if (c->foreign)
        MIX(c->foreign_since_ms);
    if (c->state == CLAIM_ASKING) {
        MIX(c->step);
        MIX(c->settle);
        h = mix(h, c->next, c->next_size);
    }
    if (c->state == CLAIM_ASKING || c->foreign)
        h = mix(h, c->seen, c->seen_size);
    return h;
}

static uint64_t hash_world(const struct world *w)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    MIX(w->redis.now_ms);
    h = mix(h, w->redis.value, w->redis.size);
    if (w->redis.size > 0)
        MIX(w->redis.expires_ms);
    MIX(w->epoch_ms);
    MIX(w->nonces);
    MIX(w->left.kills);
    MIX(w->left.losses);
    MIX(w->left.times);
    MIX(w->left.empties);
    MIX(w->left.stalls);
    MIX(w->accepts);
    MIX(w->told_kind);
    MIX(w->told_flagged);
    MIX(w->stalled_set);
    MIX(w->died_blind);
    MIX(w->forgotten);
    MIX(w->late);
    if (w->late)
        h = mix(h, w->late_texts, w->late_command.arg[2].size + 40);
    for (uint32_t i = 0; i < WORKERS; i++)
        h = hash_worker(h, &w->workers[i], &w->left);
    return h == 0 ? 1 : h;
}

static void write_trace(struct explorer *e)
{
    struct writer w = writer_of(e->trace, sizeof(e->trace) - 1);
    write_format(&w, "violated: %s\n", e->violation);
    for (uint32_t i = 0; i < e->depth; i++) {
        uint32_t a = e->steps[i];
        if (a < DO_SHORT)
            write_format(&w, "  %u %s\n", a / WORKER_ACTIONS, action_names[a % WORKER_ACTIONS]);
        else
            write_format(&w, "  %s\n",
                         a == DO_SHORT  ? "1 s pass"
                         : a == DO_LONG ? "14 s pass"
                         : a == DO_LATE ? "the late command is executed"
                                        : "Redis is emptied");
    }
    e->trace[w.size] = '\0';
}

static void visit(struct explorer *e)
{
    if (e->violation || seen_before(&e->seen, hash_world(&e->w)))
        return;
    CHECK(e->depth < STEPS_MAX - 500);
    if (e->w.workers[0].phase == PHASE_DONE && e->w.workers[1].phase == PHASE_DONE)
        at_rest(e);
    else if (e->seen.count % 32 == 0)
        nothing_waits_for_ever(e);
    struct world *kept = malloc(sizeof(*kept));
    CHECK(kept);
    *kept = e->w;
    for (uint32_t a = 0; a < ACTIONS && !e->violation; a++) {
        if (!may(e, a))
            continue;
        e->steps[e->depth++] = a;
        e->step_count++;
        act(e, a);
        if (e->violation)
            break;
        visit(e);
        if (e->violation)
            break;
        e->depth--;
        e->w = *kept;
    }
    free(kept);
    if (e->violation && e->trace[0] == '\0')
        write_trace(e);
}

static void begin(struct explorer *e, const struct bounds *bounds)
{
    e->bounds = *bounds;
    e->depth = 0;
    e->w = (struct world){.left = *bounds, .redis.now_ms = START_MS};
    for (uint32_t i = 0; i < WORKERS; i++)
        e->w.workers[i].assigned_ms = i == 0 ? 0 : START_MS;
    e->w.workers[1].record = bounds->copy ? 1 : 0;
}

/* One way of many through more faults than all ways could be explored of. */
static void walk(struct explorer *e, const struct bounds *bounds, uint64_t *random)
{
    uint32_t possible[ACTIONS], count = 1;
    begin(e, bounds);
    while (count > 0 && !e->violation && e->depth < STEPS_MAX - 500) {
        count = 0;
        for (uint32_t a = 0; a < ACTIONS; a++)
            if (may(e, a))
                possible[count++] = a;
        if (count == 0)
            break;
        uint32_t a = possible[prng_upto(random, count)];
        e->steps[e->depth++] = a;
        e->step_count++;
        act(e, a);
    }
    if (!e->violation)
        nothing_waits_for_ever(e);
    if (e->violation)
        write_trace(e);
}

static struct explorer *explore(const struct bounds *bounds)
{
    struct explorer *e = calloc(1, sizeof(*e));
    CHECK(e);
#ifdef DEBUG_CHECKS
    seen_open(&e->seen, UINT64_C(1) << 17);
#else
    seen_open(&e->seen, UINT64_C(1) << 22);
#endif
    begin(e, bounds);
    visit(e);
    return e;
}

static void explorer_free(struct explorer *e)
{
    seen_close(&e->seen);
    free(e);
}
