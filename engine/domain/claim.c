/* The protocol of design section 5. The claim keeps two texts: `next`, what the step
 * would write, and `seen`, the value that this was decided upon. What a step would
 * change in the claim's own counts is changed only when its answer says that it was
 * done (adopt): whatever else was found is judged from what is known for certain.
 *
 * Every answer that was lost leads back to asking what stands there: the nonce tells
 * one's own value from another's, so nothing is done twice. */
#include "domain/claim.h"

enum { LEASE_REST_MS = 1000, FIRST_WAIT_MS = 250, LATER_WAIT_MS = 1000 };

static int64_t lease_ms(const struct claim_world *world)
{
    return world->rules->start_window_ms + world->rules->request_deadline_ms + LEASE_REST_MS;
}

static int64_t start_by_ms(const struct claim_world *world, int64_t deadline_ms)
{
    return deadline_ms - world->rules->request_deadline_ms - LEASE_REST_MS;
}

/* Whether a call that starts now could still be started after half of the window. */
static bool startable(const struct claim_world *world, int64_t deadline_ms)
{
    return start_by_ms(world, deadline_ms) >= world->now_ms + world->rules->start_window_ms / 2;
}

static bool in_force(const struct claim_world *world, const struct claim_value *v)
{
    return v->time_ms > 0 && v->time_ms + world->rules->skew_ms > world->now_ms;
}

static uint32_t risk_max(const struct claim *claim)
{
    return claim->resend ? 2 : 1;
}

/* Whether the provider still knows the key of an attempt made at first_ms. */
static bool key_honoured(const struct claim *claim, const struct claim_world *world,
                         int64_t first_ms)
{
    return claim->key_window_ms > 0 &&
           world->now_ms + lease_ms(world) - first_ms < claim->key_window_ms;
}

/* Whether Redis lost what would be here: a loss that no claim of this leg lived to see. */
static bool maybe_lost(const struct claim *claim, const struct claim_world *world)
{
    int64_t epoch = world->epoch_begun_ms;
    if (epoch == 0 || claim->counted_epoch_ms == epoch)
        return false;
    bool known_before = claim->known_epoch_ms >= 0 && claim->known_epoch_ms != epoch;
    return known_before || (epoch > claim->due_ms && claim->assigned_ms > claim->due_ms);
}

bool claim_doubtful(const struct claim *claim)
{
    return claim->unsure || claim->doubt || claim->risk > 0;
}

static struct claim_value value_of(const struct claim *claim, enum claim_kind kind,
                                   uint32_t attempts, uint32_t risk, int64_t time_ms,
                                   struct bytes text)
{
    return (struct claim_value){.kind = kind,
                                .own = claim->own,
                                .nonce = claim->nonce,
                                .attempts = attempts,
                                .risk = risk,
                                .time_ms = time_ms,
                                .text = text};
}

static void set_next(struct claim *claim, const struct claim_value *v)
{
    struct writer w = writer_of(claim->next, sizeof(claim->next));
    claim_write_value(&w, v);
    CHECK(!w.overflow);
    claim->next_size = (uint16_t)w.size;
    claim->next_doubt = claim->next_lost = false;
}

static void set_seen(struct claim *claim, struct bytes text)
{
    CHECK(text.size <= sizeof(claim->seen));
    memmove(claim->seen, text.at, text.size);
    claim->seen_size = (uint16_t)text.size;
}

/* `seen` is the own claim as it stands. */
static void see_held(struct claim *claim)
{
    CHECK(claim->held);
    struct claim_value v = value_of(claim, CLAIM_CLAIMED, claim->held_attempts, claim->held_risk,
                                    claim->held_deadline_ms, (struct bytes){0});
    struct writer w = writer_of(claim->seen, sizeof(claim->seen));
    claim_write_value(&w, &v);
    CHECK(!w.overflow);
    claim->seen_size = (uint16_t)w.size;
}

static void ask(struct claim *claim, enum claim_step step)
{
    claim->state = CLAIM_ASKING;
    claim->step = step;
}

/* Of an attempt that Redis may have forgotten nothing is known but the due time. */
static int64_t first_unknown_ms(const struct claim *claim)
{
    return claim->first_ms > 0 ? claim->first_ms : claim->due_ms;
}

static struct bytes reason_text(bool lost)
{
    return lost ? BYTES("claims_lost") : BYTES("no_answer");
}

/* --- what is written ---------------------------------------------------------- */

/* The C of the attempt to come, or the X where there may be no further one. `unknown`:
 * beside what the claim counts, the attempt made at first_ms has an unknown fate. */
static void next_attempt(struct claim *claim, const struct claim_world *world, uint32_t attempts,
                         uint32_t risk, bool unknown, int64_t first_ms, bool lost)
{
    bool honoured = unknown && key_honoured(claim, world, first_ms);
    if (unknown && !honoured)
        risk++;
    struct claim_value v = value_of(claim, CLAIM_CLAIMED, attempts + 1, risk,
                                    world->now_ms + lease_ms(world), (struct bytes){0});
    if (risk >= risk_max(claim)) {
        v.kind = CLAIM_AMBIGUOUS;
        v.attempts = attempts;
        v.time_ms = world->now_ms;
        v.text = reason_text(lost);
    }
    set_next(claim, &v);
    claim->next_doubt = honoured;
    claim->next_lost = lost;
}

static void next_end(struct claim *claim, const struct claim_world *world, enum claim_kind kind,
                     uint32_t attempts, uint32_t risk, struct bytes text)
{
    struct claim_value v = value_of(claim, kind, attempts, risk, world->now_ms, text);
    set_next(claim, &v);
}

static void next_ambiguous(struct claim *claim, const struct claim_world *world, bool lost)
{
    next_end(claim, world, CLAIM_AMBIGUOUS, claim->attempts, claim->risk, reason_text(lost));
}

/* The C that says: nobody is sending, but somebody may have sent. */
static void next_given_back(struct claim *claim)
{
    struct claim_value v =
        value_of(claim, CLAIM_CLAIMED, claim->attempts, claim->risk, 0, (struct bytes){0});
    set_next(claim, &v);
}

/* Goal send: SET NX GET, with what a claim that is missing would mean. */
static void take(struct claim *claim, const struct claim_world *world)
{
    bool lost = maybe_lost(claim, world);
    next_attempt(claim, world, claim->attempts, claim->risk, lost, first_unknown_ms(claim),
                 lost || claim->lost);
    ask(claim, CLAIM_STEP_TAKE);
}

static void swap_held(struct claim *claim, const struct claim_world *world)
{
    see_held(claim);
    next_attempt(claim, world, claim->attempts, claim->risk, false, 0, claim->lost);
    ask(claim, CLAIM_STEP_SWAP);
}

/* --- where it ends ------------------------------------------------------------ */

static enum claim_state over(struct claim *claim, const struct claim_value *v)
{
    size_t size = v->text.size;
    CHECK(size <= sizeof(claim->seen));
    bool lost = v->kind == CLAIM_AMBIGUOUS && bytes_equal(v->text, BYTES("claims_lost"));
    claim->end = (struct claim_end){.kind = v->kind,
                                    .replay = v->nonce != claim->nonce,
                                    .written = v->nonce == claim->nonce,
                                    .claims_lost = lost,
                                    .attempts = v->attempts,
                                    .risk = v->risk,
                                    .time_ms = v->time_ms};
    if (size > 0)
        memmove(claim->seen, v->text.at, size);
    claim->end.text.size = claim_read_text((struct bytes){claim->seen, size}, claim->seen);
    claim->end.text.at = claim->seen;
    claim->held = false;
    return claim->state = CLAIM_OVER;
}

/* What `next` says was written. */
static enum claim_state over_next(struct claim *claim)
{
    struct claim_value v;
    CHECK(claim_parse_value((struct bytes){claim->next, claim->next_size}, &v));
    return over(claim, &v);
}

/* An end that Redis has no place for: another's value holds the key, or an unreadable one. */
static enum claim_state over_unwritten(struct claim *claim, const struct claim_world *world,
                                       bool lost)
{
    struct claim_value v = value_of(claim, CLAIM_AMBIGUOUS, claim->attempts, claim->risk,
                                    world->now_ms, reason_text(lost));
    over(claim, &v);
    claim->end.written = false;
    return claim->state;
}

static enum claim_state over_corrupt(struct claim *claim, const struct claim_world *world)
{
    over_unwritten(claim, world, claim->lost);
    claim->end.corrupt = true;
    return claim->state;
}

static enum claim_state over_duplicate(struct claim *claim, const struct claim_value *v)
{
    over(claim, v);
    claim->end.duplicate = true;
    claim->end.replay = claim->end.claims_lost = claim->end.written = false;
    claim->end.attempts = claim->attempts;
    return claim->state;
}

static enum claim_state wait(struct claim *claim, const struct claim_world *world, bool foreign)
{
    claim->again_ms = world->now_ms + (claim->asked == 0 ? FIRST_WAIT_MS : LATER_WAIT_MS);
    claim->asked = (uint8_t)(claim->asked < UINT8_MAX ? claim->asked + 1 : UINT8_MAX);
    claim->foreign = foreign;
    return claim->state = CLAIM_WAITING;
}

/* `next` was written, and it is this job's: its counts are now true. */
static enum claim_state adopt(struct claim *claim, const struct claim_world *world)
{
    struct claim_value v;
    CHECK(claim_parse_value((struct bytes){claim->next, claim->next_size}, &v));
    claim->doubt = claim->doubt || claim->next_doubt;
    claim->lost = claim->lost || claim->next_lost;
    claim->known_epoch_ms = claim->counted_epoch_ms = world->epoch_begun_ms;
    claim->risk = v.risk;
    if (v.kind != CLAIM_CLAIMED)
        return over(claim, &v);
    claim->held = true;
    claim->held_attempts = v.attempts;
    claim->held_risk = v.risk;
    claim->held_deadline_ms = v.time_ms;
    if (claim->goal == CLAIM_GOAL_RELEASE) /* written back: attempts were all made */
        return claim->state = CLAIM_RELEASED;
    claim->attempts = v.attempts - 1;
    claim->start_by_ms = start_by_ms(world, v.time_ms);
    claim->asked = 0;
    return claim->state = CLAIM_MINE;
}

/* --- what was found ------------------------------------------------------------ */

/* An own C of this nonce: what stands is known again, and risk never falls. Returns
 * whether it was made before Redis lost data, which counts as an unknown attempt. */
static bool hold(struct claim *claim, const struct claim_world *world, const struct claim_value *v)
{
    bool before = v->time_ms > 0 && v->time_ms - lease_ms(world) < world->epoch_begun_ms;
    bool lost = before && maybe_lost(claim, world);
    claim->held = true;
    claim->held_attempts = v->attempts;
    claim->held_risk = v->risk;
    claim->held_deadline_ms = v->time_ms;
    if (v->risk > claim->risk)
        claim->risk = v->risk;
    claim->doubt = claim->doubt || claim->past_doubt;
    claim->lost = claim->lost || claim->past_lost;
    if (!lost)
        claim->known_epoch_ms = claim->counted_epoch_ms = world->epoch_begun_ms;
    return lost;
}

static enum claim_state found_mine_to_send(struct claim *claim, const struct claim_world *world,
                                           const struct claim_value *v)
{
    bool lost = hold(claim, world, v);
    if (!lost && v->attempts == claim->attempts + 1 && v->risk == claim->risk &&
        startable(world, v->time_ms)) {
        claim->start_by_ms = start_by_ms(world, v->time_ms);
        claim->asked = 0;
        return claim->state = CLAIM_MINE;
    }
    see_held(claim);
    next_attempt(claim, world, claim->attempts, claim->risk, lost, first_unknown_ms(claim),
                 lost || claim->lost);
    ask(claim, CLAIM_STEP_SWAP);
    return claim->state;
}

/* Another job's claim for this very record: its worker sends, died or gave up. */
static enum claim_state found_own_claim(struct claim *claim, const struct claim_world *world,
                                        const struct claim_value *v, struct bytes raw)
{
    claim->held = false;
    claim->known_epoch_ms = claim->counted_epoch_ms = world->epoch_begun_ms;
    if (in_force(world, v))
        return wait(claim, world, false);
    uint32_t risk = v->risk > claim->risk ? v->risk : claim->risk;
    uint32_t attempts = v->attempts > claim->attempts ? v->attempts : claim->attempts;
    bool unknown = v->time_ms > 0;
    int64_t first_ms = claim->first_ms > 0 ? claim->first_ms : v->time_ms - lease_ms(world);

    set_seen(claim, raw);
    if (claim->goal == CLAIM_GOAL_SEND) {
        claim->first_ms = unknown ? first_ms : claim->first_ms;
        next_attempt(claim, world, attempts, risk, unknown, first_ms, claim->lost);
    } else if (unknown || risk > 0 || claim_doubtful(claim)) {
        next_end(claim, world, CLAIM_AMBIGUOUS, attempts, unknown ? risk + 1 : risk,
                 reason_text(claim->lost));
    } else if (claim->goal == CLAIM_GOAL_REFUSE) {
        return claim->state = CLAIM_STANDS;
    } /* else goal settle: nobody was sending, `next` is the end as it stands */
    ask(claim, CLAIM_STEP_TAKEOVER);
    return claim->state;
}

static enum claim_state take_over_foreign(struct claim *claim, const struct claim_world *world,
                                          const struct claim_value *v, struct bytes raw)
{
    struct claim_value x = *v;
    x.kind = CLAIM_AMBIGUOUS;
    x.risk = v->time_ms > 0 ? v->risk + 1 : v->risk;
    x.time_ms = world->now_ms;
    x.text = reason_text(false);
    set_seen(claim, raw);
    set_next(claim, &x);
    ask(claim, CLAIM_STEP_TAKEOVER);
    return claim->state;
}

static enum claim_state found_foreign_claim(struct claim *claim, const struct claim_world *world,
                                            const struct claim_value *v, struct bytes raw)
{
    bool same = claim->foreign && bytes_equal(raw, (struct bytes){claim->seen, claim->seen_size});
    if (!same) {
        set_seen(claim, raw);
        claim->foreign_since_ms = world->now_ms;
    }
    int64_t since_ms = v->time_ms > 0 ? v->time_ms : claim->foreign_since_ms;
    if (world->now_ms - since_ms >= world->rules->foreign_wait_ms)
        return take_over_foreign(claim, world, v, raw);
    return wait(claim, world, true);
}

static enum claim_state found_foreign(struct claim *claim, const struct claim_world *world,
                                      const struct claim_value *v, struct bytes raw)
{
    bool lost = maybe_lost(claim, world);
    bool ours_unknown = claim_doubtful(claim) || claim->settle == CLAIM_AMBIGUOUS;
    claim->held = false;
    if (claim->goal != CLAIM_GOAL_SEND && (lost || ours_unknown))
        return over_unwritten(claim, world, lost || claim->lost);
    if (claim->goal == CLAIM_GOAL_REFUSE)
        return claim->state = CLAIM_STANDS;
    if (v->kind == CLAIM_CLAIMED)
        return found_foreign_claim(claim, world, v, raw);
    if (lost || ours_unknown)
        return over_unwritten(claim, world, lost || claim->lost);
    return over_duplicate(claim, v);
}

/* From here on it is not to be written again, should Redis lose it. */
static void delete_seen(struct claim *claim)
{
    claim->held = false;
    ask(claim, CLAIM_STEP_DELETE);
}

/* An own C of this nonce where the leg is to end, or to be given back. */
static enum claim_state found_mine(struct claim *claim, const struct claim_world *world,
                                   const struct claim_value *v)
{
    if (claim->goal == CLAIM_GOAL_SEND)
        return found_mine_to_send(claim, world, v);
    bool lost = hold(claim, world, v);
    see_held(claim);
    if (claim->goal == CLAIM_GOAL_SETTLE) {
        ask(claim, CLAIM_STEP_SWAP);
    } else if (claim->goal == CLAIM_GOAL_REFUSE && (lost || claim_doubtful(claim))) {
        next_ambiguous(claim, world, lost || claim->lost);
        ask(claim, CLAIM_STEP_SWAP);
    } else if (claim->goal == CLAIM_GOAL_RELEASE && claim->risk > 0) {
        if (v->time_ms == 0 && v->risk == claim->risk)
            return claim->state = CLAIM_RELEASED;
        next_given_back(claim);
        ask(claim, CLAIM_STEP_SWAP);
    } else {
        delete_seen(claim);
    }
    return claim->state;
}

static enum claim_state found_nothing(struct claim *claim, const struct claim_world *world)
{
    bool lost = maybe_lost(claim, world);
    claim->held = false;
    switch (claim->goal) {
    case CLAIM_GOAL_SEND:
        take(claim, world);
        return claim->state;
    case CLAIM_GOAL_REFUSE:
        if (!lost && !claim_doubtful(claim))
            return claim->state = CLAIM_STANDS;
        next_ambiguous(claim, world, lost || claim->lost);
        ask(claim, CLAIM_STEP_TAKE);
        return claim->state;
    case CLAIM_GOAL_SETTLE:
        if (lost && claim->settle == CLAIM_FAILED) {
            claim->settle = CLAIM_AMBIGUOUS;
            next_ambiguous(claim, world, true);
        }
        ask(claim, CLAIM_STEP_TAKE);
        return claim->state;
    case CLAIM_GOAL_RELEASE:
        return claim->state = CLAIM_RELEASED;
    case CLAIM_GOAL_NONE:
        break;
    }
    CHECK(false);
    return claim->state;
}

static enum claim_state found(struct claim *claim, const struct claim_world *world,
                              struct bytes raw)
{
    struct claim_value v;
    if (!claim_parse_value(raw, &v))
        return claim->goal == CLAIM_GOAL_RELEASE ? (claim->state = CLAIM_RELEASED)
                                                 : over_corrupt(claim, world);
    bool own = bytes_equal(v.own, claim->own), mine = own && v.nonce == claim->nonce;
    if (!own && !maybe_lost(claim, world))
        claim->known_epoch_ms = world->epoch_begun_ms; /* should it be missing later */
    if (mine && v.kind == CLAIM_CLAIMED)
        return found_mine(claim, world, &v);
    if (claim->goal == CLAIM_GOAL_RELEASE) { /* others go on with it */
        claim->held = false;
        return claim->state = CLAIM_RELEASED;
    }
    if (!own)
        return found_foreign(claim, world, &v, raw);
    if (v.kind == CLAIM_CLAIMED)
        return found_own_claim(claim, world, &v, raw);
    uint32_t risk = claim->risk + (claim->unsure ? 1 : 0); /* beside what the other sent */
    over(claim, &v);
    if (!mine && risk > claim->end.risk)
        claim->end.risk = risk;
    return claim->state;
}

/* --- answers ------------------------------------------------------------------ */

/* What function settle would have written, had it seen what SET replaced. */
static void mend(struct claim *claim, const struct claim_value *old)
{
    struct claim_value s;
    set_seen(claim, (struct bytes){claim->next, claim->next_size});
    CHECK(claim_parse_value((struct bytes){claim->seen, claim->seen_size}, &s));
    if (old && bytes_equal(old->own, claim->own)) {
        if (old->nonce == claim->nonce) {
            s.attempts = old->attempts > s.attempts ? old->attempts : s.attempts;
            s.risk = old->risk > s.risk ? old->risk : s.risk;
        } else {
            s.attempts += old->attempts;
            s.risk = (old->risk > s.risk ? old->risk : s.risk) + 1;
        }
    } else {
        s.risk++;
    }
    set_next(claim, &s);
}

static void settle_again(struct claim *claim, const struct claim_world *world)
{
    if (claim->settle != CLAIM_SENT) {
        if (claim->settle == CLAIM_FAILED && claim_doubtful(claim)) { /* by a loss of Redis */
            claim->settle = CLAIM_AMBIGUOUS;
            next_ambiguous(claim, world, claim->lost);
        }
        ask(claim, CLAIM_STEP_GET);
        return;
    }
    if (claim->step == CLAIM_STEP_KEEP_X || claim->step == CLAIM_STEP_PUT_X)
        return;
    /* If that SET was executed after the lease, it may have hidden another's claim. */
    if (claim->step == CLAIM_STEP_SET &&
        world->now_ms + world->rules->skew_ms >= claim->held_deadline_ms)
        mend(claim, NULL);
    ask(claim, CLAIM_STEP_SETTLE);
}

static enum claim_state ask_again(struct claim *claim, const struct claim_world *world)
{
    switch (claim->goal) {
    case CLAIM_GOAL_SEND:
        take(claim, world);
        break;
    case CLAIM_GOAL_SETTLE:
        settle_again(claim, world);
        break;
    case CLAIM_GOAL_REFUSE:
    case CLAIM_GOAL_RELEASE:
        ask(claim, CLAIM_STEP_GET);
        break;
    case CLAIM_GOAL_NONE:
        CHECK(false);
    }
    return claim->state;
}

static enum claim_state took(struct claim *claim, const struct claim_world *world,
                             const struct claim_answer *a)
{
    return a->kind == CLAIM_ANSWER_NIL ? adopt(claim, world) : found(claim, world, a->text);
}

static enum claim_state took_over(struct claim *claim, const struct claim_world *world,
                                  const struct claim_answer *a)
{
    struct claim_value seen, next;
    CHECK(claim_parse_value((struct bytes){claim->seen, claim->seen_size}, &seen));
    CHECK(claim_parse_value((struct bytes){claim->next, claim->next_size}, &next));
    bool ambiguous = bytes_equal(a->tag, BYTES("AMBIG"));
    if (ambiguous || bytes_equal(a->tag, BYTES("FREE"))) {
        if (!bytes_equal(seen.own, claim->own)) /* done in its owner's name: judged again */
            return found_foreign(claim, world, &next,
                                 (struct bytes){claim->next, claim->next_size});
        return adopt(claim, world);
    }
    if (bytes_equal(a->tag, BYTES("GONE"))) {
        if (bytes_equal(seen.own, claim->own) && seen.risk > claim->risk)
            claim->risk = seen.risk;
        return found_nothing(claim, world);
    }
    if (bytes_equal(a->tag, BYTES("BUSY"))) {
        wait(claim, world, !bytes_equal(seen.own, claim->own));
        if (a->number > 0)
            claim->again_ms = i64_min(claim->again_ms, world->now_ms + a->number);
        return claim->state;
    }
    if (bytes_equal(a->tag, BYTES("CORRUPT")))
        return over_corrupt(claim, world);
    return found(claim, world, a->text); /* DONE, CHANGED */
}

static enum claim_state swapped(struct claim *claim, const struct claim_world *world,
                                const struct claim_answer *a)
{
    if (bytes_equal(a->tag, BYTES("OK"))) {
        if (claim->step == CLAIM_STEP_SWAP)
            return adopt(claim, world);
        claim->held = false;
        return claim->state = claim->goal == CLAIM_GOAL_REFUSE ? CLAIM_STANDS : CLAIM_RELEASED;
    }
    if (bytes_equal(a->tag, BYTES("GONE")))
        return found_nothing(claim, world);
    return found(claim, world, a->text);
}

/* An S by SET GET: done, if it replaced this job's own claim. */
static enum claim_state set(struct claim *claim, const struct claim_answer *a)
{
    struct claim_value old;
    bool any = a->kind == CLAIM_ANSWER_TEXT && claim_parse_value(a->text, &old);
    bool own = any && bytes_equal(old.own, claim->own);
#ifdef BUG_settle_over_takeover
    return over_next(claim);
#endif
    if (own && old.nonce == claim->nonce && old.kind != CLAIM_AMBIGUOUS && old.risk <= claim->risk)
        return over_next(claim);
    if (own && old.kind == CLAIM_AMBIGUOUS) { /* it stays */
        set_seen(claim, (struct bytes){claim->next, claim->next_size});
        set_next(claim, &old);
        ask(claim, CLAIM_STEP_KEEP_X);
        return claim->state;
    }
    mend(claim, any ? &old : NULL);
    ask(claim, CLAIM_STEP_MEND);
    return claim->state;
}

static enum claim_state settled(struct claim *claim, const struct claim_world *world,
                                const struct claim_answer *a)
{
    struct claim_value v;
    if (!claim_parse_value(a->text, &v))
        return over_next(claim); /* not what the function answers: the fact stands */
    claim->known_epoch_ms = claim->counted_epoch_ms = world->epoch_begun_ms;
    return over(claim, &v);
}

enum claim_state claim_answer(struct claim *claim, const struct claim_world *world,
                              const struct claim_answer *answer)
{
    CHECK(claim->state == CLAIM_ASKING);
    if (answer->kind == CLAIM_ANSWER_LOST) {
        claim->past_doubt = claim->past_doubt || claim->next_doubt;
        claim->past_lost = claim->past_lost || claim->next_lost;
        return ask_again(claim, world);
    }
    switch (claim->step) {
    case CLAIM_STEP_GET:
        return answer->kind == CLAIM_ANSWER_NIL ? found_nothing(claim, world)
                                                : found(claim, world, answer->text);
    case CLAIM_STEP_TAKE:
        return took(claim, world, answer);
    case CLAIM_STEP_TAKEOVER:
        return took_over(claim, world, answer);
    case CLAIM_STEP_SWAP:
    case CLAIM_STEP_DELETE:
        return swapped(claim, world, answer);
    case CLAIM_STEP_SET:
        return set(claim, answer);
    case CLAIM_STEP_MEND:
        if (bytes_equal(answer->tag, BYTES("OK")))
            return over_next(claim);
        ask(claim, CLAIM_STEP_SETTLE);
        return claim->state;
    case CLAIM_STEP_KEEP_X:
        if (bytes_equal(answer->tag, BYTES("OK")) ||
            bytes_equal(answer->text, (struct bytes){claim->next, claim->next_size}))
            return over_next(claim);
        ask(claim, CLAIM_STEP_PUT_X);
        return claim->state;
    case CLAIM_STEP_SETTLE:
        return settled(claim, world, answer);
    case CLAIM_STEP_PUT_X:
        return over_next(claim); /* told in any case */
    }
    CHECK(false);
    return claim->state;
}

void claim_again(struct claim *claim, const struct claim_world *world)
{
    CHECK(claim->state == CLAIM_WAITING);
    ask_again(claim, world);
}

/* --- goals -------------------------------------------------------------------- */

void claim_init(struct claim *claim, const struct claim_leg *leg)
{
    memset(claim, 0, offsetof(struct claim, next));
    claim->own = leg->own;
    claim->nonce = leg->nonce;
    claim->due_ms = leg->due_ms;
    claim->expires_ms = leg->expires_ms;
    claim->assigned_ms = leg->assigned_ms;
    claim->key_window_ms = leg->key_window_ms;
    claim->resend = leg->resend;
    claim->attempts = leg->attempts;
    claim->known_epoch_ms = claim->counted_epoch_ms = -1;
    memcpy(claim->key, "c1:{", 4);
    memcpy(claim->key + 4, leg->key_hex, CLAIM_KEY_SIZE - 5);
    claim->key[CLAIM_KEY_SIZE - 1] = '}';
}

static void aim(struct claim *claim, enum claim_goal goal)
{
    CHECK(claim->state != CLAIM_ASKING && claim->state != CLAIM_OVER);
    claim->goal = goal;
    claim->settle = CLAIM_NOTHING;
    claim->asked = 0;
    claim->foreign = false;
}

/* The unknown attempt is about to be repeated: that adds risk, unless the provider
 * will know the key. */
static void pay(struct claim *claim, const struct claim_world *world)
{
    if (!claim->unsure && !claim->doubt)
        return;
    bool honoured = key_honoured(claim, world, claim->first_ms);
    if (!honoured && (claim->unsure || claim->key_window_ms > 0))
        claim->risk++;
    claim->doubt = honoured;
    claim->unsure = false;
}

void claim_send(struct claim *claim, const struct claim_world *world)
{
    aim(claim, CLAIM_GOAL_SEND);
    bool fresh = !claim->unsure && claim->held && claim->held_attempts == claim->attempts + 1;
    pay(claim, world);
    if (fresh && claim->held_risk == claim->risk && startable(world, claim->held_deadline_ms))
        claim->state = CLAIM_MINE;
    else if (claim->held)
        swap_held(claim, world);
    else
        take(claim, world);
}

void claim_refuse(struct claim *claim, const struct claim_world *world)
{
    aim(claim, CLAIM_GOAL_REFUSE);
#ifdef BUG_left_out_channel
    if (!claim->held) {
        claim->state = CLAIM_STANDS;
        return;
    }
#endif
    if (!claim->held) {
        ask(claim, CLAIM_STEP_GET);
        return;
    }
    see_held(claim);
    if (claim_doubtful(claim)) {
        next_ambiguous(claim, world, claim->lost);
        ask(claim, CLAIM_STEP_SWAP);
    } else {
        delete_seen(claim);
    }
}

void claim_release(struct claim *claim, const struct claim_world *world)
{
    (void)world;
    aim(claim, CLAIM_GOAL_RELEASE);
    bool keep = claim->unsure || (claim->doubt && claim->risk == 0);
    if (!claim->held || keep || claim->held_deadline_ms == 0) {
        claim->state = CLAIM_RELEASED; /* a C past its deadline says: perhaps sent */
        return;
    }
    see_held(claim);
    if (claim->risk == 0) {
        delete_seen(claim);
        return;
    }
    next_given_back(claim);
    ask(claim, CLAIM_STEP_SWAP);
}

void claim_settle(struct claim *claim, const struct claim_world *world, enum claim_kind kind,
                  struct bytes text)
{
    char encoded[CLAIM_TEXT_MAX];
    struct writer w = writer_of(encoded, sizeof(encoded));
    aim(claim, CLAIM_GOAL_SETTLE);
    claim_write_text(&w, text);
    struct bytes last = writer_bytes(&w);
    if (kind == CLAIM_FAILED && claim_doubtful(claim)) {
        kind = CLAIM_AMBIGUOUS;
        last = reason_text(claim->lost);
    }
    uint32_t risk = claim->risk;
    if (kind == CLAIM_AMBIGUOUS && claim->unsure)
        risk++;
    claim->settle = kind;
    next_end(claim, world, kind, claim->attempts, risk, last);
    if (kind == CLAIM_SENT) {
        bool in_lease = claim->held && claim->known_epoch_ms == world->epoch_begun_ms &&
                        world->now_ms + world->rules->skew_ms + world->rules->command_ms <
                            claim->held_deadline_ms;
#ifdef BUG_settle_over_takeover
        in_lease = true;
#endif
        ask(claim, in_lease ? CLAIM_STEP_SET : CLAIM_STEP_SETTLE);
    } else if (claim->held) {
        see_held(claim);
        ask(claim, CLAIM_STEP_SWAP);
    } else {
        ask(claim, CLAIM_STEP_TAKE);
    }
}

void claim_write_end(const struct claim *claim, struct writer *w)
{
    char encoded[CLAIM_TEXT_MAX];
    struct writer text = writer_of(encoded, sizeof(encoded));
    CHECK(claim->state == CLAIM_OVER && claim->end.written);
    claim_write_text(&text, claim->end.text);
    struct claim_value v = value_of(claim, claim->end.kind, claim->end.attempts, claim->end.risk,
                                    claim->end.time_ms, writer_bytes(&text));
    claim_write_value(w, &v);
}

void claim_restored(struct claim *claim, const struct claim_world *world,
                    const struct claim_answer *answer)
{
    struct claim_value v;
    claim->held = claim_parse_value(answer->text, &v) && v.kind == CLAIM_CLAIMED &&
                  v.nonce == claim->nonce && bytes_equal(v.own, claim->own);
    if (!claim->held) {
        if (claim->state == CLAIM_MINE)
            claim->state = CLAIM_IDLE; /* not to be sent: claim_send asks anew */
        return;
    }
    hold(claim, world, &v);
    claim->known_epoch_ms = claim->counted_epoch_ms = world->epoch_begun_ms;
}

void claim_left(struct claim *claim)
{
    CHECK(claim->held && claim->state == CLAIM_MINE);
    claim->attempts = claim->held_attempts;
    claim->state = CLAIM_OUT;
}

void claim_unsure(struct claim *claim, const struct claim_world *world)
{
#ifdef BUG_repeat_on_reset
    return;
#endif
    claim->unsure = true;
    if (claim->first_ms == 0)
        claim->first_ms =
            claim->held_deadline_ms > 0 ? claim->held_deadline_ms - lease_ms(world) : world->now_ms;
}

bool claim_may_resend(const struct claim *claim, const struct claim_world *world)
{
    bool honoured = key_honoured(claim, world, claim->first_ms);
    bool pays = !honoured && (claim->unsure || (claim->doubt && claim->key_window_ms > 0));
    return claim->risk + (pays ? 1 : 0) < risk_max(claim);
}
