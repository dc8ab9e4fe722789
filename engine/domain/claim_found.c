/* What was found in Redis, and how a leg ends by it. */
#include "domain/claim_steps.h"

enum { FIRST_WAIT_MS = 250, LATER_WAIT_MS = 1000 };

enum claim_state claim_over(struct claim *claim, const struct claim_value *v)
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
enum claim_state claim_over_next(struct claim *claim)
{
    struct claim_value v = claim_next_value(claim);
    claim_over(claim, &v);
    claim->end.is_next = true;
    return claim->state;
}

/* An end that Redis has no place for: another's value holds the key, or an unreadable one. */
static enum claim_state over_unwritten(struct claim *claim, const struct claim_world *world,
                                       bool lost)
{
    uint32_t risk = claim->risk + (claim->unsure ? 1 : 0);
    struct claim_value v = claim_value_of(claim, CLAIM_AMBIGUOUS, claim->attempts, risk,
                                          world->now_ms, claim_ambiguous_reason(lost));
    claim_over(claim, &v);
    claim->end.written = false;
    return claim->state;
}

enum claim_state claim_over_corrupt(struct claim *claim, const struct claim_world *world)
{
    over_unwritten(claim, world, claim->lost);
    claim->end.corrupt = true;
    return claim->state;
}

static enum claim_state over_duplicate(struct claim *claim, const struct claim_value *v)
{
    claim_over(claim, v);
    claim->end.duplicate = true;
    claim->end.replay = claim->end.claims_lost = claim->end.written = false;
    claim->end.attempts = claim->attempts;
    return claim->state;
}

enum claim_state claim_wait(struct claim *claim, const struct claim_world *world, bool foreign)
{
    claim->again_ms = world->now_ms + (claim->asked == 0 ? FIRST_WAIT_MS : LATER_WAIT_MS);
    claim->asked = (uint8_t)(claim->asked < UINT8_MAX ? claim->asked + 1 : UINT8_MAX);
    claim->foreign = foreign;
    return claim->state = CLAIM_WAITING;
}

/* `next` was written, and it is this job's: its counts are now true. */
enum claim_state claim_adopt(struct claim *claim, const struct claim_world *world)
{
    const struct claim_value v = claim_next_value(claim);
    claim->doubt = claim->doubt || claim->next_doubt;
    claim->lost = claim->lost || claim->next_lost;
    claim->known_epoch_ms = claim->counted_epoch_ms = world->epoch_begun_ms;
    claim->risk = v.risk;
    if (v.kind != CLAIM_CLAIMED)
        return claim_over(claim, &v);
    claim->held = true;
    claim->held_attempts = v.attempts;
    claim->held_risk = v.risk;
    claim->held_deadline_ms = v.time_ms;
    if (claim->goal == CLAIM_GOAL_RELEASE) /* written back: attempts were all made */
        return claim->state = CLAIM_RELEASED;
    claim->attempts = v.attempts - 1;
    claim->start_by_ms = claim_start_by_ms(world, v.time_ms);
    claim->asked = 0;
    return claim->state = CLAIM_MINE;
}

/* An own C of this nonce: what stands is known again, and risk never falls. Returns
 * whether it was made before Redis lost data, which counts as an unknown attempt. */
bool claim_hold(struct claim *claim, const struct claim_world *world, const struct claim_value *v)
{
    bool before = v->time_ms > 0 && v->time_ms - claim_lease_ms(world) < world->epoch_begun_ms;
    bool lost = before && claim_maybe_lost(claim, world);
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
    bool lost = claim_hold(claim, world, v);
    if (!lost && v->attempts == claim->attempts + 1 && v->risk == claim->risk &&
        claim_startable(world, v->time_ms)) {
        claim->start_by_ms = claim_start_by_ms(world, v->time_ms);
        claim->asked = 0;
        return claim->state = CLAIM_MINE;
    }
    claim_see_held(claim);
    claim_next_attempt(claim, world, claim->attempts, claim->risk, lost,
                       claim_first_unknown_ms(claim), lost || claim->lost);
    claim_ask(claim, CLAIM_STEP_SWAP);
    return claim->state;
}

/* Another job's claim for this very record: its worker sends, died or gave up. */
static enum claim_state found_own_claim(struct claim *claim, const struct claim_world *world,
                                        const struct claim_value *v, struct bytes raw)
{
    claim->held = false;
    claim->known_epoch_ms = claim->counted_epoch_ms = world->epoch_begun_ms;
    if (claim_in_force(world, v))
        return claim_wait(claim, world, false);
    uint32_t risk = v->risk > claim->risk ? v->risk : claim->risk;
    uint32_t attempts = v->attempts > claim->attempts ? v->attempts : claim->attempts;
    bool unknown = v->time_ms > 0;
    int64_t first_ms = claim->first_ms > 0 ? claim->first_ms : v->time_ms - claim_lease_ms(world);

    claim_set_seen(claim, raw);
    if (claim->goal == CLAIM_GOAL_SEND) {
        claim->first_ms = unknown ? first_ms : claim->first_ms;
        claim_next_attempt(claim, world, attempts, risk, unknown, first_ms, claim->lost);
    } else if (unknown || risk > 0 || claim_doubtful(claim)) {
        claim_next_end(claim, world, CLAIM_AMBIGUOUS, attempts,
                       risk + (unknown ? 1 : 0) + (claim->unsure ? 1 : 0),
                       claim_ambiguous_reason(claim->lost));
    } else if (claim->goal == CLAIM_GOAL_REFUSE) {
        return claim->state = CLAIM_STANDS;
    } else { /* goal settle, and nobody was sending */
        claim_next_settle(claim, world);
    }
    claim_ask(claim, CLAIM_STEP_TAKEOVER);
    return claim->state;
}

static enum claim_state take_over_foreign(struct claim *claim, const struct claim_world *world,
                                          const struct claim_value *v, struct bytes raw)
{
    struct claim_value x = *v;
    x.kind = CLAIM_AMBIGUOUS;
    x.risk = v->time_ms > 0 ? v->risk + 1 : v->risk;
    x.time_ms = world->now_ms;
    x.text = claim_ambiguous_reason(false);
    claim_set_seen(claim, raw);
    claim_set_next(claim, &x);
    claim_ask(claim, CLAIM_STEP_TAKEOVER);
    return claim->state;
}

static enum claim_state found_foreign_claim(struct claim *claim, const struct claim_world *world,
                                            const struct claim_value *v, struct bytes raw)
{
    bool same = claim->foreign && bytes_equal(raw, (struct bytes){claim->seen, claim->seen_size});
    if (!same) {
        claim_set_seen(claim, raw);
        claim->foreign_since_ms = world->now_ms;
    }
    int64_t since_ms = v->time_ms > 0 ? v->time_ms : claim->foreign_since_ms;
    if (world->now_ms - since_ms >= world->rules->foreign_wait_ms)
        return take_over_foreign(claim, world, v, raw);
    return claim_wait(claim, world, true);
}

enum claim_state claim_found_foreign(struct claim *claim, const struct claim_world *world,
                                     const struct claim_value *v, struct bytes raw)
{
    bool lost = claim_maybe_lost(claim, world);
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
void claim_delete_seen(struct claim *claim)
{
    claim->held = false;
    claim_ask(claim, CLAIM_STEP_DELETE);
}

/* An own C of this nonce where the leg is to end, or to be given back. */
static enum claim_state found_mine(struct claim *claim, const struct claim_world *world,
                                   const struct claim_value *v)
{
    if (claim->goal == CLAIM_GOAL_SEND)
        return found_mine_to_send(claim, world, v);
    bool lost = claim_hold(claim, world, v);
    claim_see_held(claim);
    if (claim->goal == CLAIM_GOAL_SETTLE) {
        claim_next_settle(claim, world);
        claim_ask(claim, CLAIM_STEP_SWAP);
    } else if (claim->goal == CLAIM_GOAL_REFUSE && (lost || claim_doubtful(claim))) {
        claim_next_ambiguous(claim, world, lost || claim->lost);
        claim_ask(claim, CLAIM_STEP_SWAP);
    } else if (claim->goal == CLAIM_GOAL_RELEASE && claim->risk > 0) {
        if (v->time_ms == 0 && v->risk == claim->risk)
            return claim->state = CLAIM_RELEASED;
        claim_next_given_back(claim);
        claim_ask(claim, CLAIM_STEP_SWAP);
    } else {
        claim_delete_seen(claim);
    }
    return claim->state;
}

enum claim_state claim_found_nothing(struct claim *claim, const struct claim_world *world)
{
    bool lost = claim_maybe_lost(claim, world);
    claim->held = false;
    switch (claim->goal) {
    case CLAIM_GOAL_SEND:
        claim_take(claim, world);
        return claim->state;
    case CLAIM_GOAL_REFUSE:
        if (!lost && !claim_doubtful(claim))
            return claim->state = CLAIM_STANDS;
        claim_next_ambiguous(claim, world, lost || claim->lost);
        claim_ask(claim, CLAIM_STEP_TAKE);
        return claim->state;
    case CLAIM_GOAL_SETTLE:
        if (lost && claim->settle == CLAIM_FAILED)
            claim_settle_ambiguous(claim, true);
        claim_next_settle(claim, world);
        claim_ask(claim, CLAIM_STEP_TAKE);
        return claim->state;
    case CLAIM_GOAL_RELEASE:
        return claim->state = CLAIM_RELEASED;
    case CLAIM_GOAL_NONE:
        break;
    }
    CHECK(false);
    return claim->state;
}

static enum claim_state released(struct claim *claim)
{
    claim->held = false;
    return claim->state = CLAIM_RELEASED;
}

enum claim_state claim_found(struct claim *claim, const struct claim_world *world, struct bytes raw)
{
    struct claim_value v;
    if (!claim_parse_value(raw, &v))
        return claim->goal == CLAIM_GOAL_RELEASE ? released(claim)
                                                 : claim_over_corrupt(claim, world);
    bool own = bytes_equal(v.own, claim->own), mine = own && v.nonce == claim->nonce;
    if (!own && !claim_maybe_lost(claim, world))
        claim->known_epoch_ms = world->epoch_begun_ms; /* should it be missing later */
    if (mine && v.kind == CLAIM_CLAIMED)
        return found_mine(claim, world, &v);
    if (claim->goal == CLAIM_GOAL_RELEASE)
        return released(claim); /* others go on with it */
    if (!own)
        return claim_found_foreign(claim, world, &v, raw);
    if (v.kind == CLAIM_CLAIMED)
        return found_own_claim(claim, world, &v, raw);
    uint32_t risk = claim->risk + (claim->unsure ? 1 : 0); /* beside what the other sent */
    claim_over(claim, &v);
    if (!mine && risk > claim->end.risk)
        claim->end.risk = risk;
    return claim->state;
}
