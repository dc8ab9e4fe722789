/* I1, I3, I4: each record's legs, their outcomes, and what the provider accepted. */
#include "oracle.h"

#include <inttypes.h>

#define OUTCOME(name) CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_##name

enum {
    EXCEPTION_MS = 3000,
    OPEN_MS = 250, /* from a call's arrival to its settle, on a busy machine */
};

/* The provider was, or may have been, called; all others are refusals. */
static bool is_end(const struct outcome_row *r)
{
    return r->outcome == OUTCOME(SENT) || r->outcome == OUTCOME(FAILED) ||
           r->outcome == OUTCOME(AMBIGUOUS);
}

static bool in_disorder(const struct oracle *o)
{
    return o->fault_count > 0;
}

static const char *outcome_text(const struct outcome_row *r)
{
    static const char *const texts[] = {"none",      "sent",   "suppressed", "duplicate", "expired",
                                        "cancelled", "failed", "ambiguous",  "dead"};
    return r->outcome < countof(texts) ? texts[r->outcome] : "?";
}

/* One leg of one record: its outcomes in order. */
struct leg {
    const struct outcome_row *rows;
    size_t count;
    const struct outcome_row *effective; /* the first end, else the first refusal */
    bool dup_risk;
    uint32_t attempts; /* the most that a row tells */
};

static void judge_repeat(struct oracle *o, const struct outcome_row *end,
                         const struct outcome_row *before, const struct outcome_row *row)
{
    const struct outcome_row *first = end ? end : before;
    bool same = row->outcome == first->outcome && strcmp(row->reason, first->reason) == 0;
    bool same_id = row->dup_risk || first->dup_risk || first->outcome != OUTCOME(SENT) ||
                   strcmp(row->provider_message_id, first->provider_message_id) == 0;
    if (same && same_id)
        return;
    bool lost = end && end->outcome == OUTCOME(SENT) && row->outcome == OUTCOME(AMBIGUOUS) &&
                strcmp(row->reason, "claims_lost") == 0 && oracle_has_fault(o, "redis");
    bool stalled = end && !is_end(row) && oracle_has_fault(o, "stop");
    if (lost)
        return;
    if (stalled)
        o->counts.flips++;
    else if (end || !in_disorder(o))
        oracle_violation(o, INVARIANT_I1, row->event_id, "told twice: %s (%s), then %s (%s)",
                         outcome_text(first), first->reason, outcome_text(row), row->reason);
}

static struct leg judge_leg(struct oracle *o, const struct outcome_row *rows, size_t count)
{
    struct leg leg = {.rows = rows, .count = count};
    const struct outcome_row *end = NULL;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            judge_repeat(o, end, &rows[i - 1], &rows[i]);
        if (!end && is_end(&rows[i]))
            end = &rows[i];
        leg.dup_risk = leg.dup_risk || rows[i].dup_risk;
        leg.attempts = (uint32_t)u64_max(leg.attempts, rows[i].attempts);
        o->counts.replays += rows[i].replay;
        o->counts.claims_lost += strcmp(rows[i].reason, "claims_lost") == 0;
    }
    leg.effective = end ? end : rows;
    o->counts.by_outcome[rows[0].outcome % countof(o->counts.by_outcome)]++;
    o->counts.dup_risk += leg.dup_risk;
    return leg;
}

/* Promise 2's named exception: Redis lost acknowledged claims, and the worker that held
 * them died or stalled within the same 3 s. */
static bool is_excepted(const struct oracle *o, int64_t time_ms)
{
    for (size_t i = 0; i < o->fault_count; i++) {
        const struct fault_row *redis = &o->faults[i];
        if (strcmp(redis->what, "redis") != 0 || time_ms > redis->time_ms ||
            time_ms < redis->time_ms - EXCEPTION_MS)
            continue;
        for (size_t k = 0; k < o->fault_count; k++) {
            const struct fault_row *other = &o->faults[k];
            int64_t apart_ms = other->time_ms - redis->time_ms;
            if (strcmp(other->what, "worker") == 0 && apart_ms > -EXCEPTION_MS &&
                apart_ms < EXCEPTION_MS)
                return true;
        }
    }
    return false;
}

static uint64_t accepts_of(struct call_range calls, int64_t *first_ms)
{
    uint64_t accepts = 0;
    for (size_t i = 0; i < calls.count; i++) {
        if (calls.at[i].accepted && accepts++ == 0)
            *first_ms = calls.at[i].last_ns / 1000000;
    }
    return accepts;
}

static void judge_accepts(struct oracle *o, const struct load_record *load, const struct leg *leg)
{
    const struct outcome_row *r = leg->effective;
    int64_t first_ms = 0;
    uint64_t accepts = accepts_of(oracle_calls_of(o, load->token, r->channel), &first_ms);
    o->checked[INVARIANT_I3]++;
    o->checked[INVARIANT_I4]++;
    o->counts.accepted += accepts;
    if (accepts > 1)
        o->counts.extra_accepts += accepts - 1;
    if (r->outcome == OUTCOME(SENT) && accepts == 0)
        oracle_violation(o, INVARIANT_I3, load->token, "%s told sent, the provider accepted none",
                         sim_channel_text(r->channel));
    if (r->outcome != OUTCOME(SENT) && r->outcome != OUTCOME(AMBIGUOUS) && accepts > 0)
        oracle_violation(o, INVARIANT_I3, load->token, "%s told %s (%s), accepted %" PRIu64,
                         sim_channel_text(r->channel), outcome_text(r), r->reason, accepts);
    if (accepts > 1 && !leg->dup_risk) {
        if (is_excepted(o, first_ms))
            o->counts.lost_claim_repeats++;
        else
            oracle_violation(o, INVARIANT_I4, load->token, "%s accepted %" PRIu64 ", not flagged",
                             sim_channel_text(r->channel), accepts);
    } else if (accepts > 1 && accepts > leg->attempts) {
        oracle_violation(o, INVARIANT_I4, load->token, "%s accepted %" PRIu64 " in %u attempts",
                         sim_channel_text(r->channel), accepts, leg->attempts);
    }
}

/* What one copy of an event shows per channel. */
struct copy_ends {
    const struct load_record *load;
    bool told[SIM_CHANNEL_COUNT], ended[SIM_CHANNEL_COUNT], duplicate[SIM_CHANNEL_COUNT];
    bool excepted[SIM_CHANNEL_COUNT];
    bool refused_whole;
    size_t legs;
};

static struct copy_ends judge_copy(struct oracle *o, const struct load_record *load)
{
    struct copy_ends ends = {.load = load};
    struct origin origin = origin_of_load(load);
    struct outcome_range all = oracle_outcomes_of(o, &origin);
    for (size_t i = 0; i < all.count;) {
        size_t n = 1;
        while (i + n < all.count && strcmp(all.at[i].leg_id, all.at[i + n].leg_id) == 0 &&
               all.at[i].channel == all.at[i + n].channel)
            n++;
        struct leg leg = judge_leg(o, &all.at[i], n);
        uint8_t channel = leg.effective->channel % SIM_CHANNEL_COUNT;
        ends.legs++;
        ends.told[channel] = true;
        ends.ended[channel] = ends.ended[channel] || is_end(leg.effective);
        ends.duplicate[channel] = leg.effective->outcome == OUTCOME(DUPLICATE);
        int64_t first_ms = 0;
        accepts_of(oracle_calls_of(o, load->token, channel), &first_ms);
        ends.excepted[channel] = is_excepted(o, first_ms);
        ends.refused_whole = ends.refused_whole || channel == SIM_NO_CHANNEL;
        judge_accepts(o, load, &leg);
        i += n;
    }
    return ends;
}

static bool expects(const struct load_record *load, uint8_t channel)
{
    return channel != SIM_NO_CHANNEL && strstr(load->expect, sim_channel_text(channel)) != NULL;
}

static bool is_broken(const struct load_record *load)
{
    return strcmp(load->expect, "dead") == 0 || strcmp(load->expect, "letter") == 0 ||
           strcmp(load->expect, "refused") == 0;
}

static void judge_broken(struct oracle *o, const struct load_record *load,
                         const struct copy_ends *ends)
{
    struct origin origin = origin_of_load(load);
    struct outcome_range all = oracle_outcomes_of(o, &origin);
    bool letter = oracle_letter_of(o, &origin) != NULL;
    bool refused = strcmp(load->expect, "refused") == 0;
    if (letter == refused)
        oracle_violation(o, INVARIANT_I1, load->token, "%s, expected %s",
                         letter ? "a dead letter" : "no dead letter", load->expect);
    if (ends->legs == 0 && strcmp(load->expect, "letter") != 0)
        oracle_violation(o, INVARIANT_I1, load->token, "lost: no outcome, expected %s",
                         load->expect);
    for (size_t i = 0; i < all.count; i++) {
        bool fine = refused ? !is_end(&all.at[i]) : all.at[i].outcome == OUTCOME(DEAD);
        /* Its worker was killed between the claim and what was read with it: perhaps sent, for
         * all that the next one can know. That it was not, judge_content sees. */
        fine = fine || (refused && in_disorder(o) && all.at[i].outcome == OUTCOME(AMBIGUOUS));
        if (!fine)
            oracle_violation(o, INVARIANT_I1, load->token, "told %s, expected %s",
                             outcome_text(&all.at[i]), load->expect);
    }
}

/* Of all copies of an event one has the end of each channel, the others are duplicates. */
static void judge_copies(struct oracle *o, const struct copy_ends *copies, size_t count)
{
    for (uint8_t channel = SIM_SMS; channel < SIM_CHANNEL_COUNT; channel++) {
        size_t ended = 0, excepted = 0;
        if (!expects(copies[0].load, channel))
            continue;
        for (size_t i = 0; i < count; i++) {
            const struct copy_ends *copy = &copies[i];
            ended += copy->ended[channel];
            excepted += copy->excepted[channel];
            if (copy->load->offset < 0)
                continue;
            if (!copy->told[channel])
                oracle_violation(o, INVARIANT_I1, copy->load->token, "lost: no outcome by %s%s",
                                 sim_channel_text(channel),
                                 copy->refused_whole ? ", refused as a whole" : "");
            else if (!copy->ended[channel] && !(copy->duplicate[channel] && count > 1))
                oracle_violation(o, INVARIANT_I1, copy->load->token, "%s was refused",
                                 sim_channel_text(channel));
        }
        bool all_told = true;
        for (size_t i = 0; i < count; i++)
            all_told = all_told && copies[i].told[channel];
        if (ended == 0 && all_told && count > 1)
            oracle_violation(o, INVARIANT_I1, copies[0].load->token,
                             "lost: all copies are duplicates by %s", sim_channel_text(channel));
        if (ended > 1 && excepted > 0)
            o->counts.lost_claim_repeats++;
        else if (ended > 1)
            oracle_violation(o, INVARIANT_I4, copies[0].load->token,
                             "%zu copies have an end by %s, the others should be duplicates", ended,
                             sim_channel_text(channel));
    }
}

static void judge_event(struct oracle *o, const struct load_record *loads, size_t count)
{
    struct copy_ends copies[10];
    size_t seen = 0;
    for (size_t i = 0; i < count && i < countof(copies); i++) {
        if (loads[i].offset < 0)
            continue; /* never acknowledged: what came of it is not promised */
        o->checked[INVARIANT_I1]++;
        copies[seen] = judge_copy(o, &loads[i]);
        if (is_broken(&loads[i]))
            judge_broken(o, &loads[i], &copies[seen]);
        seen++;
    }
    o->counts.copies += count - 1;
    if (seen > 0 && !is_broken(&loads[0]))
        judge_copies(o, copies, seen);
}

/* Where answers cannot be settled, they stay open until Redis is back. */
static int64_t open_since_ms(const struct oracle *o, const struct fault_row *kill)
{
    int64_t since_ms = kill->time_ms - OPEN_MS;
    for (size_t i = 0; i < o->fault_count; i++) {
        const struct fault_row *redis = &o->faults[i];
        if (strcmp(redis->what, "redis") == 0 && redis->time_ms <= kill->time_ms &&
            redis->until_ms >= since_ms)
            since_ms = i64_min(since_ms, redis->time_ms - OPEN_MS);
    }
    return since_ms;
}

/* May the worker have died, or been taken for dead, between this call and its settle? */
static bool was_open_at_a_kill(const struct oracle *o, const struct sim_record *call)
{
    int64_t at_ms = call->last_ns / 1000000;
    for (size_t i = 0; i < o->fault_count; i++) {
        const struct fault_row *f = &o->faults[i];
        bool kill = strcmp(f->what, "worker") == 0 || strcmp(f->what, "stop") == 0;
        if (kill && at_ms <= f->time_ms && at_ms > open_since_ms(o, f))
            return true;
    }
    return false;
}

static bool is_answer_withheld(const struct sim_record *call)
{
    return call->action == SIM_RESET || call->action == SIM_FIN || call->action == SIM_SILENCE ||
           call->action == SIM_TRUNCATE || call->action == SIM_REUSE || call->action == SIM_ERROR ||
           call->action == SIM_DELAY;
}

/* No more repeats than calls that were open when something died, and answers withheld. */
static void judge_sum(struct oracle *o)
{
    uint64_t bound = 0;
    for (size_t i = 0; i < o->call_count; i++)
        bound += is_answer_withheld(&o->calls[i]) || was_open_at_a_kill(o, &o->calls[i]);
    o->counts.extra_bound = bound;
    if (o->counts.extra_accepts > bound)
        oracle_violation(o, INVARIANT_I4, "-",
                         "%" PRIu64 " repeats, at most %" PRIu64 " are explained",
                         o->counts.extra_accepts, bound);
    if (bound == 0 && o->counts.dup_risk > 0)
        oracle_violation(o, INVARIANT_I4, "-", "%" PRIu64 " legs say dup_risk without a fault",
                         o->counts.dup_risk);
}

void oracle_judge_records(struct oracle *o)
{
    for (size_t i = 0; i < o->load_count;) {
        size_t n = 1;
        while (i + n < o->load_count &&
               strncmp(o->loads[i].token, o->loads[i + n].token, EVENT_ID_SIZE) == 0)
            n++;
        judge_event(o, &o->loads[i], n);
        i += n;
    }
    o->counts.letters = o->letter_count;
    judge_sum(o);
}
