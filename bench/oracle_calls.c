/* I2, I5, I12: each call belongs to a record, says its text to its address under one key,
 * and not too early; each outcome belongs to a record. */
#include "oracle.h"

#include <inttypes.h>
#include <stdlib.h>

static int by_token(const void *key, const void *row)
{
    return strcmp(key, ((const struct load_record *)row)->token);
}

static const struct load_record *load_of(const struct oracle *o, const char *token)
{
    return o->load_count == 0 ? NULL
                              : bsearch(token, o->loads, o->load_count, sizeof *o->loads, by_token);
}

static void judge_content(struct oracle *o, const struct load_record *load,
                          const struct sim_record *call)
{
    bool sms = call->channel == SIM_SMS;
    uint64_t text = sms ? load->sms_text_hash : load->email_text_hash;
    uint64_t to = sms ? load->sms_to_hash : load->email_to_hash;
    const char *channel = sim_channel_text(call->channel);
    if (!strstr(load->expect, channel))
        oracle_violation(o, INVARIANT_I2, load->token, "a call by %s, expected %s", channel,
                         load->expect);
    if (text != 0 && text != call->text_hash)
        oracle_violation(o, INVARIANT_I2, load->token, "another text by %s", channel);
    if (to != 0 && to != call->to_hash)
        oracle_violation(o, INVARIANT_I2, load->token, "another address by %s", channel);
}

/* What waited for a time is not called before that. (What waited for a route may be sent by
 * another worker, which read the record before.) */
static int64_t deferred_until_ms(const struct oracle *o, const struct load_record *load)
{
    struct origin origin = origin_of_load(load);
    struct deferral_range hops = oracle_deferrals_of(o, &origin);
    int64_t due_ms = INT64_MAX;
    for (size_t i = 0; i < hops.count; i++)
        if (hops.at[i].timed)
            due_ms = i64_min(due_ms, hops.at[i].due_ms);
    return due_ms == INT64_MAX ? INT64_MIN : due_ms;
}

static int64_t judge_time(struct oracle *o, const struct load_record *load,
                          const struct sim_record *call)
{
    int64_t due_ms = i64_max(i64_max(load->due_ms, load->planned_ms), deferred_until_ms(o, load));
    int64_t first_ms = call->first_ns / 1000000;
    o->checked[INVARIANT_I12]++;
    if (first_ms < due_ms)
        oracle_violation(o, INVARIANT_I12, load->token, "by %s %" PRId64 " ms before it is due",
                         sim_channel_text(call->channel), due_ms - first_ms);
    return first_ms - due_ms;
}

/* Calls of one token and channel are neighbours. */
static void judge_key(struct oracle *o, const struct sim_record *call)
{
    const struct sim_record *before = call - 1;
    o->checked[INVARIANT_I5]++;
    if (call > o->calls && before->channel == call->channel &&
        strcmp(before->token, call->token) == 0 && strcmp(before->key, call->key) != 0)
        oracle_violation(o, INVARIANT_I5, call->token, "by %s under %s, then under %s",
                         sim_channel_text(call->channel), before->key, call->key);
}

/* The key is the leg_id that the outcome tells. */
static void judge_key_is_leg(struct oracle *o, const struct load_record *load,
                             const struct sim_record *call)
{
    if (call->key[0] == '\0' || load->offset < 0)
        return;
    struct origin origin = origin_of_load(load);
    struct outcome_range all = oracle_outcomes_of(o, &origin);
    for (size_t i = 0; i < all.count; i++)
        if (all.at[i].channel == call->channel && strcmp(all.at[i].leg_id, call->key) != 0) {
            oracle_violation(o, INVARIANT_I5, call->token, "key %s, leg_id %s", call->key,
                             all.at[i].leg_id);
            return;
        }
}

static int by_value(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void take_latencies(struct oracle *o, int64_t *values, size_t count)
{
    if (count == 0)
        return;
    qsort(values, count, sizeof *values, by_value);
    o->counts.latency_p50_ms = values[count / 2];
    o->counts.latency_p99_ms = values[count - 1 - count / 100];
    o->counts.latency_max_ms = values[count - 1];
}

static void judge_outcome_origins(struct oracle *o)
{
    for (size_t i = 0; i < o->outcome_count; i++) {
        const struct outcome_row *r = &o->outcomes[i];
        char token[32] = "";
        snprintf(token, sizeof token, "%.23s-0", r->event_id);
        o->checked[INVARIANT_I2]++;
        bool found = false;
        for (char copy = '0'; copy <= '9' && !found; copy++) {
            token[TOKEN_SIZE - 1] = copy;
            const struct load_record *load = load_of(o, token);
            struct origin origin = load ? origin_of_load(load) : (struct origin){0};
            found = load && (load->offset < 0 || origin_compare(&origin, &r->origin) == 0);
        }
        if (!found)
            oracle_violation(o, INVARIANT_I2, r->event_id,
                             "an outcome of no record: %s/%" PRId32 "/%" PRId64, r->origin.topic,
                             r->origin.partition, r->origin.offset);
    }
}

void oracle_judge_calls(struct oracle *o)
{
    int64_t *latencies = calloc(o->call_count + 1, sizeof *latencies);
    size_t count = 0;
    CHECK(latencies);
    for (size_t i = 0; i < o->call_count; i++) {
        const struct sim_record *call = &o->calls[i];
        const struct load_record *load = load_of(o, call->token);
        if (call->action == SIM_NOT_FOUND)
            continue; /* not a message: a look whether the provider is there */
        o->checked[INVARIANT_I2]++;
        if (!load) {
            oracle_violation(o, INVARIANT_I2, call->token[0] ? call->token : "-",
                             "call %" PRIu64 " by %s is of no record", call->seq,
                             sim_channel_text(call->channel));
            continue;
        }
        judge_content(o, load, call);
        int64_t late_ms = judge_time(o, load, call);
        if (call->attempt == 1)
            latencies[count++] = late_ms;
        judge_key(o, call);
        judge_key_is_leg(o, load, call);
    }
    take_latencies(o, latencies, count);
    free(latencies);
    judge_outcome_origins(o);
}
