/* The protocol of design section 5. The claim keeps two texts: `next`, what the step
 * would write, and `seen`, the value that this was decided upon. What a step would
 * change in the claim's own counts is changed only when its answer says that it was
 * done (adopt): whatever else was found is judged from what is known for certain.
 *
 * Every answer that was lost leads back to asking what stands there: the nonce tells
 * one's own value from another's, so nothing is done twice. */
#include "domain/claim_steps.h"

/* What function settle would have written, had it seen what SET replaced. */
static void mend(struct claim *claim, const struct claim_value *old)
{
    struct claim_value s;
    claim_set_seen(claim, (struct bytes){claim->next, claim->next_size});
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
    claim_set_next(claim, &s);
}

static void settle_again(struct claim *claim, const struct claim_world *world)
{
    if (claim->settle != CLAIM_SENT) {
        if (claim->settle == CLAIM_FAILED && claim_doubtful(claim)) /* by a loss of Redis */
            claim_settle_ambiguous(claim, claim->lost);
        claim_ask(claim, CLAIM_STEP_GET);
        return;
    }
    if (claim->step == CLAIM_STEP_KEEP_X || claim->step == CLAIM_STEP_PUT_X)
        return;
    /* If that SET was executed after the lease, it may have hidden another's claim. */
    if (claim->step == CLAIM_STEP_SET &&
        world->now_ms + world->rules->skew_ms >= claim->held_deadline_ms)
        mend(claim, NULL);
    claim_ask(claim, CLAIM_STEP_SETTLE);
}

static enum claim_state ask_again(struct claim *claim, const struct claim_world *world)
{
    switch (claim->goal) {
    case CLAIM_GOAL_SEND:
        claim_take(claim, world);
        break;
    case CLAIM_GOAL_SETTLE:
        settle_again(claim, world);
        break;
    case CLAIM_GOAL_REFUSE:
    case CLAIM_GOAL_RELEASE:
        claim_ask(claim, CLAIM_STEP_GET);
        break;
    case CLAIM_GOAL_NONE:
        CHECK(false);
    }
    return claim->state;
}

static enum claim_state took(struct claim *claim, const struct claim_world *world,
                             const struct claim_answer *a)
{
    return a->kind == CLAIM_ANSWER_NIL ? claim_adopt(claim, world)
                                       : claim_found(claim, world, a->text);
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
            return claim_found_foreign(claim, world, &next,
                                       (struct bytes){claim->next, claim->next_size});
        return claim_adopt(claim, world);
    }
    if (bytes_equal(a->tag, BYTES("GONE"))) {
        if (bytes_equal(seen.own, claim->own) && seen.risk > claim->risk)
            claim->risk = seen.risk;
        return claim_found_nothing(claim, world);
    }
    if (bytes_equal(a->tag, BYTES("BUSY"))) {
        claim_wait(claim, world, !bytes_equal(seen.own, claim->own));
        if (a->number > 0)
            claim->again_ms = i64_min(claim->again_ms, world->now_ms + a->number);
        return claim->state;
    }
    if (bytes_equal(a->tag, BYTES("CORRUPT")))
        return claim_over_corrupt(claim, world);
    return claim_found(claim, world, a->text); /* DONE, CHANGED */
}

static enum claim_state swapped(struct claim *claim, const struct claim_world *world,
                                const struct claim_answer *a)
{
    if (bytes_equal(a->tag, BYTES("OK"))) {
        if (claim->step == CLAIM_STEP_SWAP)
            return claim_adopt(claim, world);
        claim->held = false;
        return claim->state = claim->goal == CLAIM_GOAL_REFUSE ? CLAIM_STANDS : CLAIM_RELEASED;
    }
    if (bytes_equal(a->tag, BYTES("GONE")))
        return claim_found_nothing(claim, world);
    return claim_found(claim, world, a->text);
}

/* An S by SET GET: done, if it replaced this job's own claim. */
static enum claim_state set(struct claim *claim, const struct claim_answer *a)
{
    struct claim_value old;
    bool any = a->kind == CLAIM_ANSWER_TEXT && claim_parse_value(a->text, &old);
    bool own = any && bytes_equal(old.own, claim->own);
#ifdef BUG_settle_over_takeover
    return claim_over_next(claim);
#endif
    if (own && old.nonce == claim->nonce && old.kind != CLAIM_AMBIGUOUS && old.risk <= claim->risk)
        return claim_over_next(claim);
    if (own && old.kind == CLAIM_AMBIGUOUS) { /* it stays */
        claim_set_seen(claim, (struct bytes){claim->next, claim->next_size});
        claim_set_next(claim, &old);
        claim_ask(claim, CLAIM_STEP_KEEP_X);
        return claim->state;
    }
    mend(claim, any ? &old : NULL);
    claim_ask(claim, CLAIM_STEP_MEND);
    return claim->state;
}

static enum claim_state settled(struct claim *claim, const struct claim_world *world,
                                const struct claim_answer *a)
{
    struct claim_value v;
    if (!claim_parse_value(a->text, &v))
        return claim_over_next(claim); /* not what the function answers: the fact stands */
    claim->known_epoch_ms = claim->counted_epoch_ms = world->epoch_begun_ms;
    return claim_over(claim, &v);
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
        return answer->kind == CLAIM_ANSWER_NIL ? claim_found_nothing(claim, world)
                                                : claim_found(claim, world, answer->text);
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
            return claim_over_next(claim);
        claim_ask(claim, CLAIM_STEP_SETTLE);
        return claim->state;
    case CLAIM_STEP_KEEP_X:
        if (bytes_equal(answer->tag, BYTES("OK")) ||
            bytes_equal(answer->text, (struct bytes){claim->next, claim->next_size}))
            return claim_over_next(claim);
        claim_ask(claim, CLAIM_STEP_PUT_X);
        return claim->state;
    case CLAIM_STEP_SETTLE:
        return settled(claim, world, answer);
    case CLAIM_STEP_PUT_X:
        return claim_over_next(claim); /* told in any case */
    }
    CHECK(false);
    return claim->state;
}

void claim_again(struct claim *claim, const struct claim_world *world)
{
    CHECK(claim->state == CLAIM_WAITING);
    ask_again(claim, world);
}

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
    bool honoured = claim_key_honoured(claim, world, claim->first_ms);
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
    if (fresh && claim->held_risk == claim->risk && claim_startable(world, claim->held_deadline_ms))
        claim->state = CLAIM_MINE;
    else if (claim->held)
        claim_swap_held(claim, world);
    else
        claim_take(claim, world);
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
        claim_ask(claim, CLAIM_STEP_GET);
        return;
    }
    claim_see_held(claim);
    if (claim_doubtful(claim)) {
        claim_next_ambiguous(claim, world, claim->lost);
        claim_ask(claim, CLAIM_STEP_SWAP);
    } else {
        claim_delete_seen(claim);
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
    claim_see_held(claim);
    if (claim->risk == 0) {
        claim_delete_seen(claim);
        return;
    }
    claim_next_given_back(claim);
    claim_ask(claim, CLAIM_STEP_SWAP);
}

void claim_settle(struct claim *claim, const struct claim_world *world, enum claim_kind kind,
                  struct bytes text)
{
    char encoded[CLAIM_TEXT_MAX];
    struct writer w = writer_of(encoded, sizeof(encoded));
    aim(claim, CLAIM_GOAL_SETTLE);
    claim->settle = kind;
    claim->reason = text;
    if (kind == CLAIM_FAILED && claim_doubtful(claim))
        claim_settle_ambiguous(claim, claim->lost);
    if (kind == CLAIM_SENT) {
        claim_write_text(&w, text);
        claim_next_end(claim, world, kind, claim->attempts, claim->risk, writer_bytes(&w));
        claim->reason = (struct bytes){0};
    } else {
        claim_next_settle(claim, world);
    }
    if (kind == CLAIM_SENT) {
        bool in_lease = claim->held && claim->known_epoch_ms == world->epoch_begun_ms &&
                        world->now_ms + world->rules->skew_ms + world->rules->command_ms <
                            claim->held_deadline_ms;
#ifdef BUG_settle_over_takeover
        in_lease = true;
#endif
        claim_ask(claim, in_lease ? CLAIM_STEP_SET : CLAIM_STEP_SETTLE);
    } else if (claim->held) {
        claim_see_held(claim);
        claim_ask(claim, CLAIM_STEP_SWAP);
    } else {
        claim_ask(claim, CLAIM_STEP_TAKE);
    }
}

void claim_write_end(const struct claim *claim, struct writer *w)
{
    char encoded[CLAIM_TEXT_MAX];
    struct writer text = writer_of(encoded, sizeof(encoded));
    CHECK(claim->state == CLAIM_OVER && claim->end.written);
    if (claim->end.is_next) {
        write_bytes(w, claim->next, claim->next_size);
        return;
    }
    claim_write_text(&text, claim->end.text);
    struct claim_value v = claim_value_of(claim, claim->end.kind, claim->end.attempts,
                                          claim->end.risk, claim->end.time_ms, writer_bytes(&text));
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
    claim_hold(claim, world, &v);
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
        claim->first_ms = claim->held_deadline_ms > 0
                              ? claim->held_deadline_ms - claim_lease_ms(world)
                              : world->now_ms;
}

bool claim_may_resend(const struct claim *claim, const struct claim_world *world)
{
    bool honoured = claim_key_honoured(claim, world, claim->first_ms);
    bool pays = !honoured && (claim->unsure || (claim->doubt && claim->key_window_ms > 0));
    return claim->risk + (pays ? 1 : 0) < claim_risk_max(claim);
}
