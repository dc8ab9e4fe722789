/* A claim's next command, as argv. */
#include "domain/claim.h"

static void put(struct claim_command *out, struct bytes argument)
{
    CHECK(out->arg_count < CLAIM_ARGS_MAX);
    out->arg[out->arg_count++] = argument;
}

static struct bytes number(char memory[24], int64_t n)
{
    struct writer w = writer_of(memory, 24);
    write_i64(&w, n);
    return writer_bytes(&w);
}

int64_t claim_ttl_ms(const struct claim *claim, const struct claim_world *world)
{
#ifdef BUG_lease_in_ttl
    return world->rules->start_window_ms + world->rules->request_deadline_ms + 1000;
#endif
    int64_t day_ms = 24 * 3600 * 1000;
    return i64_max(world->rules->dedup_window_ms, claim->expires_ms + day_ms - world->now_ms);
}

static void put_function(struct claim_command *out, struct bytes name, struct bytes key)
{
    put(out, BYTES("FCALL"));
    put(out, name);
    put(out, BYTES("1"));
    put(out, key);
}

static void put_set(struct claim_command *out, struct bytes key, struct bytes value, bool only_new,
                    struct bytes ttl)
{
    put(out, BYTES("SET"));
    put(out, key);
    put(out, value);
    if (only_new)
        put(out, BYTES("NX"));
    put(out, BYTES("GET"));
    put(out, BYTES("PX"));
    put(out, ttl);
}

void claim_command(struct claim *claim, const struct claim_world *world, struct claim_command *out)
{
    CHECK(claim->state == CLAIM_ASKING);
    struct bytes key = {claim->key, CLAIM_KEY_SIZE};
    struct bytes next = {claim->next, claim->next_size}, seen = {claim->seen, claim->seen_size};
    struct bytes ttl = number(out->ttl, claim_ttl_ms(claim, world));
    out->arg_count = 0;

    switch (claim->step) {
    case CLAIM_STEP_GET:
        put(out, BYTES("GET"));
        put(out, key);
        return;
    case CLAIM_STEP_TAKE:
        put_set(out, key, next, true, ttl);
        return;
    case CLAIM_STEP_SET:
        put_set(out, key, next, false, ttl);
        return;
    case CLAIM_STEP_TAKEOVER:
        put_function(out, BYTES("takeover"), key);
        put(out, seen);
        put(out, next);
        put(out, ttl);
        put(out, number(out->skew, world->rules->skew_ms));
        return;
    case CLAIM_STEP_SWAP:
    case CLAIM_STEP_MEND:
    case CLAIM_STEP_KEEP_X:
        put_function(out, BYTES("swap"), key);
        put(out, seen);
        put(out, next);
        put(out, ttl);
        return;
    case CLAIM_STEP_DELETE:
        put_function(out, BYTES("swap"), key);
        put(out, seen);
        put(out, BYTES(""));
        put(out, ttl);
        return;
    case CLAIM_STEP_SETTLE:
        put_function(out, BYTES("settle"), key);
        put(out, next);
        put(out, ttl);
        return;
    case CLAIM_STEP_PUT_X:
        put_function(out, BYTES("restore"), key);
        put(out, next);
        put(out, ttl);
        return;
    }
}

bool claim_tail_wanted(bool known_before, bool changed)
{
#ifdef BUG_tail_not_written
    return false;
#endif
    return known_before && changed;
}

void claim_restore_command(const struct claim *claim, const struct claim_world *world,
                           struct claim_command *out)
{
    CHECK(claim->held);
    /* Its lease is over: another may have claimed and lost it since. */
    bool late = claim->held_deadline_ms > 0 &&
                claim->held_deadline_ms <= world->now_ms + world->rules->skew_ms;
    uint32_t risk = claim->held_risk > claim->risk ? claim->held_risk : claim->risk;
    struct claim_value v = {.kind = CLAIM_CLAIMED,
                            .own = claim->own,
                            .nonce = claim->nonce,
                            .attempts = claim->held_attempts,
                            .risk = late ? risk + 1 : risk,
                            .time_ms = claim->held_deadline_ms};
    struct writer w = writer_of(out->value, sizeof(out->value));
    claim_write_value(&w, &v);
    CHECK(!w.overflow);
    out->arg_count = 0;
    put_function(out, BYTES("restore"), (struct bytes){claim->key, CLAIM_KEY_SIZE});
    put(out, writer_bytes(&w));
    put(out, number(out->ttl, claim_ttl_ms(claim, world)));
}

void claim_rewrite_command(struct bytes key, struct bytes value, int64_t ttl_ms,
                           struct claim_command *out)
{
    CHECK(value.size > 0);
    out->arg_count = 0;
    put_function(out, value.at[0] == CLAIM_SENT ? BYTES("settle") : BYTES("restore"), key);
    put(out, value);
    put(out, number(out->ttl, ttl_ms));
}
