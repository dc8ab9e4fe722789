/* What a claim would write next, and what it goes by. */
#include "domain/claim_steps.h"

enum { LEASE_REST_MS = 1000 };

int64_t claim_lease_ms(const struct claim_world *world)
{
    return world->rules->start_window_ms + world->rules->request_deadline_ms + LEASE_REST_MS;
}

int64_t claim_start_by_ms(const struct claim_world *world, int64_t deadline_ms)
{
    return deadline_ms - world->rules->request_deadline_ms - LEASE_REST_MS;
}

/* Whether a call that starts now could still be started after half of the window. */
bool claim_startable(const struct claim_world *world, int64_t deadline_ms)
{
    return claim_start_by_ms(world, deadline_ms) >=
           world->now_ms + world->rules->start_window_ms / 2;
}

bool claim_in_force(const struct claim_world *world, const struct claim_value *v)
{
    return v->time_ms > 0 && v->time_ms + world->rules->skew_ms > world->now_ms;
}

uint32_t claim_risk_max(const struct claim *claim)
{
    return claim->resend ? 2 : 1;
}

/* Whether the provider still knows the key of an attempt made at first_ms. */
bool claim_key_honoured(const struct claim *claim, const struct claim_world *world,
                        int64_t first_ms)
{
    return claim->key_window_ms > 0 &&
           world->now_ms + claim_lease_ms(world) - first_ms < claim->key_window_ms;
}

/* Whether Redis lost what would be here: a loss that no claim of this leg lived to see. */
bool claim_maybe_lost(const struct claim *claim, const struct claim_world *world)
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

struct claim_value claim_value_of(const struct claim *claim, enum claim_kind kind,
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

void claim_set_next(struct claim *claim, const struct claim_value *v)
{
    struct writer w = writer_of(claim->next, sizeof(claim->next));
    claim_write_value(&w, v);
    CHECK(!w.overflow);
    claim->next_size = (uint16_t)w.size;
    claim->next_value = *v;
    claim->next_doubt = claim->next_lost = false;
}

struct claim_value claim_next_value(const struct claim *claim)
{
    struct claim_value v = claim->next_value;
    v.own.at = claim->next + 2; /* behind the kind */
    if (v.kind == CLAIM_CLAIMED)
        v.text = (struct bytes){0};
    v.text.at = claim->next + claim->next_size - v.text.size;
    return v;
}

void claim_set_seen(struct claim *claim, struct bytes text)
{
    CHECK(text.size <= sizeof(claim->seen));
    memmove(claim->seen, text.at, text.size);
    claim->seen_size = (uint16_t)text.size;
}

/* `seen` is the own claim as it stands. */
void claim_see_held(struct claim *claim)
{
    CHECK(claim->held);
    struct claim_value v =
        claim_value_of(claim, CLAIM_CLAIMED, claim->held_attempts, claim->held_risk,
                       claim->held_deadline_ms, (struct bytes){0});
    struct writer w = writer_of(claim->seen, sizeof(claim->seen));
    claim_write_value(&w, &v);
    CHECK(!w.overflow);
    claim->seen_size = (uint16_t)w.size;
}

void claim_ask(struct claim *claim, enum claim_step step)
{
    claim->state = CLAIM_ASKING;
    claim->step = step;
}

/* Of an attempt that Redis may have forgotten nothing is known but the due time. */
int64_t claim_first_unknown_ms(const struct claim *claim)
{
    return claim->first_ms > 0 ? claim->first_ms : claim->due_ms;
}

struct bytes claim_ambiguous_reason(bool lost)
{
    return lost ? BYTES("claims_lost") : BYTES("no_answer");
}

/* The C of the attempt to come, or the X where there may be no further one. `unknown`:
 * beside what the claim counts, the attempt made at first_ms has an unknown fate. */
void claim_next_attempt(struct claim *claim, const struct claim_world *world, uint32_t attempts,
                        uint32_t risk, bool unknown, int64_t first_ms, bool lost)
{
    bool honoured = unknown && claim_key_honoured(claim, world, first_ms);
    if (unknown && !honoured)
        risk++;
    struct claim_value v = claim_value_of(claim, CLAIM_CLAIMED, attempts + 1, risk,
                                          world->now_ms + claim_lease_ms(world), (struct bytes){0});
    if (risk >= claim_risk_max(claim)) {
        v.kind = CLAIM_AMBIGUOUS;
        v.attempts = attempts;
        v.time_ms = world->now_ms;
        v.text = claim_ambiguous_reason(lost);
    }
    claim_set_next(claim, &v);
    claim->next_doubt = honoured;
    claim->next_lost = lost;
}

void claim_next_end(struct claim *claim, const struct claim_world *world, enum claim_kind kind,
                    uint32_t attempts, uint32_t risk, struct bytes text)
{
    struct claim_value v = claim_value_of(claim, kind, attempts, risk, world->now_ms, text);
    claim_set_next(claim, &v);
}

/* Goal settle: the end as it was asked for. */
void claim_next_settle(struct claim *claim, const struct claim_world *world)
{
    uint32_t risk = claim->risk;
    if (claim->settle == CLAIM_AMBIGUOUS && claim->unsure)
        risk++;
    claim_next_end(claim, world, claim->settle, claim->attempts, risk, claim->reason);
}

/* What was to be told as failed can be told so no more. */
void claim_settle_ambiguous(struct claim *claim, bool lost)
{
    claim->settle = CLAIM_AMBIGUOUS;
    claim->reason = claim_ambiguous_reason(lost);
}

void claim_next_ambiguous(struct claim *claim, const struct claim_world *world, bool lost)
{
    claim_next_end(claim, world, CLAIM_AMBIGUOUS, claim->attempts,
                   claim->risk + (claim->unsure ? 1 : 0), claim_ambiguous_reason(lost));
}

/* The C that says: nobody is sending, but somebody may have sent. */
void claim_next_given_back(struct claim *claim)
{
    struct claim_value v =
        claim_value_of(claim, CLAIM_CLAIMED, claim->attempts, claim->risk, 0, (struct bytes){0});
    claim_set_next(claim, &v);
}

/* Goal send: SET NX GET, with what a claim that is missing would mean. */
void claim_take(struct claim *claim, const struct claim_world *world)
{
    bool lost = claim_maybe_lost(claim, world);
    claim_next_attempt(claim, world, claim->attempts, claim->risk, lost,
                       claim_first_unknown_ms(claim), lost || claim->lost);
    claim_ask(claim, CLAIM_STEP_TAKE);
}

void claim_swap_held(struct claim *claim, const struct claim_world *world)
{
    claim_see_held(claim);
    claim_next_attempt(claim, world, claim->attempts, claim->risk, false, 0, claim->lost);
    claim_ask(claim, CLAIM_STEP_SWAP);
}
