/* The checker's own check: a good run is found good; each violation, planted in it, is
 * named by its invariant. */
#include "bench/gather.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define OUTCOME(name) CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_##name

enum { DUE_MS = 1000000 };

/* A small run: event 0 by sms, event 1 by sms and e-mail, event 2 twice by sms, event 3
 * broken, event 4 without even an id. Everything well. */
struct run {
    struct oracle o;
    struct load_record loads[8];
    struct sim_record calls[16];
    struct outcome_row outcomes[16];
    struct letter_row letters[4];
    struct deferral_row deferrals[4];
    struct commit_row commits[8];
    struct fault_row faults[4];
    struct limit_row limit;
};

static void token_of(char *out, uint32_t number, uint32_t copy)
{
    snprintf(out, 32, "bench-00000001-%08u-%u", number, copy);
}

static struct load_record *add_load(struct run *r, uint32_t number, uint32_t copy,
                                    const char *expect)
{
    struct load_record *l = &r->loads[r->o.load_count];
    *l = (struct load_record){.offset = (int64_t)r->o.load_count++,
                              .planned_ms = DUE_MS,
                              .acked_ms = DUE_MS + 5,
                              .due_ms = DUE_MS,
                              .sms_text_hash = 11,
                              .email_text_hash = 12,
                              .sms_to_hash = 100 + number,
                              .email_to_hash = 200 + number};
    token_of(l->token, number, copy);
    snprintf(l->topic, sizeof l->topic, "carillon.events");
    snprintf(l->kind, sizeof l->kind, "reminder");
    snprintf(l->expect, sizeof l->expect, "%s", expect);
    return l;
}

static struct sim_record *add_call(struct run *r, const struct load_record *load, uint8_t channel)
{
    struct sim_record *c = &r->calls[r->o.call_count];
    bool sms = channel == SIM_SMS;
    *c = (struct sim_record){.magic = SIM_MAGIC,
                             .size = sizeof *c,
                             .action = SIM_OK,
                             .accepted = 1,
                             .seq = r->o.call_count++,
                             .status = 201,
                             .attempt = 1,
                             .channel = channel,
                             .text_hash = sms ? load->sms_text_hash : load->email_text_hash,
                             .to_hash = sms ? load->sms_to_hash : load->email_to_hash};
    c->first_ns = c->last_ns = c->read_ns = (DUE_MS + 10 + (int64_t)c->seq) * 1000000;
    memcpy(c->token, load->token, sizeof c->token);
    snprintf(c->route, sizeof c->route, sms ? "twilio/AC1" : "sendgrid");
    return c;
}

static struct outcome_row *add_outcome(struct run *r, const struct load_record *load,
                                       uint8_t channel, Carillon__V1__OutcomeKind outcome,
                                       const char *reason)
{
    struct outcome_row *row = &r->outcomes[r->o.outcome_count];
    *row = (struct outcome_row){.origin = origin_of_load(load),
                                .channel = channel,
                                .outcome = outcome,
                                .attempts = 1,
                                .append_ms = DUE_MS + 50,
                                .offset = (int64_t)r->o.outcome_count++};
    memcpy(row->event_id, load->token, EVENT_ID_SIZE);
    snprintf(row->leg_id, sizeof row->leg_id, "%.*s/%u", EVENT_ID_SIZE, load->token, channel);
    snprintf(row->reason, sizeof row->reason, "%s", reason);
    if (outcome == OUTCOME(SENT))
        snprintf(row->provider_message_id, sizeof row->provider_message_id, "SM%d", channel);
    return row;
}

static void add_sent(struct run *r, const struct load_record *load, uint8_t channel)
{
    add_call(r, load, channel);
    add_outcome(r, load, channel, OUTCOME(SENT), "");
}

static void add_letter(struct run *r, const struct load_record *load)
{
    struct letter_row *row = &r->letters[r->o.letter_count++];
    *row = (struct letter_row){.origin = origin_of_load(load), .append_ms = DUE_MS + 40};
    snprintf(row->reason, sizeof row->reason, "malformed");
}

static struct commit_row *add_commit(struct run *r, int64_t value, int64_t time_ms,
                                     const char *metadata)
{
    struct commit_row *c = &r->commits[r->o.commit_count++];
    *c = (struct commit_row){.value = value, .time_ms = time_ms};
    snprintf(c->group, sizeof c->group, "carillon");
    snprintf(c->topic, sizeof c->topic, "carillon.events");
    snprintf(c->metadata, sizeof c->metadata, "%s", metadata);
    return c;
}

static void add_fault(struct run *r, const char *what, int64_t time_ms)
{
    struct fault_row *f = &r->faults[r->o.fault_count++];
    *f = (struct fault_row){.time_ms = time_ms, .until_ms = time_ms + 100};
    snprintf(f->what, sizeof f->what, "%s", what);
}

static int setup(void **state)
{
    struct run *r = calloc(1, sizeof *r);
    r->o = (struct oracle){.loads = r->loads,
                           .calls = r->calls,
                           .outcomes = r->outcomes,
                           .letters = r->letters,
                           .deferrals = r->deferrals,
                           .commits = r->commits,
                           .faults = r->faults,
                           .limits = &r->limit};
    add_sent(r, add_load(r, 0, 0, "sms"), SIM_SMS);
    struct load_record *two = add_load(r, 1, 0, "sms+email");
    add_sent(r, two, SIM_SMS);
    add_sent(r, two, SIM_EMAIL);
    add_sent(r, add_load(r, 2, 0, "sms"), SIM_SMS);
    add_outcome(r, add_load(r, 2, 1, "sms"), SIM_SMS, OUTCOME(DUPLICATE), "duplicate");
    struct load_record *dead = add_load(r, 3, 0, "dead");
    add_outcome(r, dead, SIM_NO_CHANNEL, OUTCOME(DEAD), "malformed");
    add_letter(r, dead);
    add_letter(r, add_load(r, 4, 0, "letter"));
    add_commit(r, 3, DUE_MS + 60, "1|w1|AQE"); /* one open, one done: offset 4 */
    add_commit(r, 6, DUE_MS + 70, "1|w1|");
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static bool is_only(const struct oracle *o, enum invariant which)
{
    for (int i = 0; i < INVARIANT_COUNT; i++)
        if ((o->violations[i] > 0) != (i == (int)which))
            return false;
    return true;
}

static struct outcome_row *outcome_of(struct run *r, uint32_t number, uint8_t channel)
{
    char id[32];
    token_of(id, number, 0);
    for (size_t i = 0; i < r->o.outcome_count; i++)
        if (strncmp(r->outcomes[i].event_id, id, EVENT_ID_SIZE) == 0 &&
            r->outcomes[i].channel == channel)
            return &r->outcomes[i];
    fail();
    return NULL;
}

static struct sim_record *call_of(struct run *r, uint32_t number, uint8_t channel)
{
    char token[32];
    token_of(token, number, 0);
    for (size_t i = 0; i < r->o.call_count; i++)
        if (strcmp(r->calls[i].token, token) == 0 && r->calls[i].channel == channel)
            return &r->calls[i];
    fail();
    return NULL;
}

static void remove_outcome(struct run *r, struct outcome_row *row)
{
    *row = r->outcomes[--r->o.outcome_count];
}

#define JUDGE_ONLY(which)                               \
    do {                                                \
        assert_false(oracle_judge(&r->o));              \
        assert_true(is_only(&r->o, INVARIANT_##which)); \
    } while (0)

static void a_good_run_is_good(void **state)
{
    struct run *r = *state;
    assert_true(oracle_judge(&r->o));
    assert_int_equal(r->o.counts.uncommitted, 0);
    assert_int_equal(r->o.counts.accepted, 4);
}

static void a_leg_without_outcome_is_lost(void **state)
{
    struct run *r = *state;
    r->o.commit_count = 0;
    remove_outcome(r, outcome_of(r, 1, SIM_EMAIL));
    JUDGE_ONLY(I1);
}

static void a_record_without_letter_is_lost(void **state)
{
    struct run *r = *state;
    r->o.commit_count = 0;
    r->o.letter_count--;
    JUDGE_ONLY(I1);
}

static void an_unacknowledged_record_promises_nothing(void **state)
{
    struct run *r = *state;
    struct load_record *l = add_load(r, 5, 0, "sms");
    l->offset = -1;
    assert_true(oracle_judge(&r->o));
}

static void an_unexpected_refusal_is_told(void **state)
{
    struct run *r = *state;
    struct outcome_row *row = outcome_of(r, 0, SIM_SMS);
    row->outcome = OUTCOME(SUPPRESSED);
    r->o.call_count = 0; /* nothing was called at all */
    for (size_t i = 0; i < r->o.outcome_count; i++)
        r->outcomes[i].outcome =
            r->outcomes[i].outcome == OUTCOME(SENT) ? OUTCOME(AMBIGUOUS) : r->outcomes[i].outcome;
    JUDGE_ONLY(I1);
}

static void
what_was_cancelled_in_time_may_be_ambiguous_after_a_fault_and_is_never_called(void **state)
{
    struct run *r = *state;
    struct load_record *l = add_load(r, 5, 0, "refused");
    add_outcome(r, l, SIM_SMS, OUTCOME(AMBIGUOUS), "no_answer");
    struct oracle before = r->o;
    JUDGE_ONLY(I1);
    r->o = before;
    add_fault(r, "worker", DUE_MS);
    before = r->o;
    assert_true(oracle_judge(&r->o));
    r->o = before;
    add_call(r, l, SIM_SMS);
    assert_false(oracle_judge(&r->o));
}

static void two_different_ends_of_a_leg_are_told(void **state)
{
    struct run *r = *state;
    add_outcome(r, &r->loads[0], SIM_SMS, OUTCOME(AMBIGUOUS), "no_answer");
    JUDGE_ONLY(I1);
}

static void a_refusal_then_an_end_needs_a_fault(void **state)
{
    struct run *r = *state;
    struct outcome_row *row = outcome_of(r, 0, SIM_SMS);
    row->outcome = OUTCOME(EXPIRED);
    add_outcome(r, &r->loads[0], SIM_SMS, OUTCOME(SENT), "");
    struct oracle before = r->o;
    JUDGE_ONLY(I1);
    r->o = before;
    add_fault(r, "worker", DUE_MS - 60000);
    assert_true(oracle_judge(&r->o));
}

static void a_replay_with_the_same_end_is_fine(void **state)
{
    struct run *r = *state;
    struct outcome_row *row = add_outcome(r, &r->loads[0], SIM_SMS, OUTCOME(SENT), "");
    row->replay = true;
    assert_true(oracle_judge(&r->o));
    assert_int_equal(r->o.counts.replays, 1);
}

static void a_replay_with_another_provider_id_is_told(void **state)
{
    struct run *r = *state;
    struct outcome_row *row = add_outcome(r, &r->loads[0], SIM_SMS, OUTCOME(SENT), "");
    snprintf(row->provider_message_id, sizeof row->provider_message_id, "other");
    JUDGE_ONLY(I1);
}

static void claims_lost_after_sent_needs_a_lost_redis(void **state)
{
    struct run *r = *state;
    add_outcome(r, &r->loads[0], SIM_SMS, OUTCOME(AMBIGUOUS), "claims_lost");
    add_fault(r, "redis", DUE_MS - 60000);
    assert_true(oracle_judge(&r->o));
    assert_int_equal(r->o.counts.claims_lost, 1);
}

static void a_call_of_no_record_is_an_invention(void **state)
{
    struct run *r = *state;
    struct sim_record *c = add_call(r, &r->loads[0], SIM_SMS);
    token_of(c->token, 77, 0);
    JUDGE_ONLY(I2);
}

static void an_outcome_of_no_record_is_an_invention(void **state)
{
    struct run *r = *state;
    struct outcome_row *row = add_outcome(r, &r->loads[0], SIM_PUSH, OUTCOME(SUPPRESSED), "x");
    row->origin.offset = 99;
    JUDGE_ONLY(I2);
}

static void another_text_is_told(void **state)
{
    struct run *r = *state;
    call_of(r, 1, SIM_EMAIL)->text_hash++;
    JUDGE_ONLY(I2);
}

static void another_persons_address_is_told(void **state)
{
    struct run *r = *state;
    call_of(r, 1, SIM_SMS)->to_hash++;
    JUDGE_ONLY(I2);
}

static void sent_without_accept_disagrees(void **state)
{
    struct run *r = *state;
    call_of(r, 0, SIM_SMS)->accepted = 0;
    JUDGE_ONLY(I3);
}

static void failed_with_an_accept_disagrees(void **state)
{
    struct run *r = *state;
    outcome_of(r, 0, SIM_SMS)->outcome = OUTCOME(FAILED);
    JUDGE_ONLY(I3);
}

static void a_duplicate_that_was_sent_disagrees(void **state)
{
    struct run *r = *state;
    add_call(r, &r->loads[3], SIM_SMS);
    JUDGE_ONLY(I3);
}

/* A second accept of event 0, after an answer was withheld. */
static void repeat_first(struct run *r)
{
    struct sim_record *c = call_of(r, 0, SIM_SMS);
    c->action = SIM_RESET;
    struct sim_record *again = add_call(r, &r->loads[0], SIM_SMS);
    again->attempt = 2;
    outcome_of(r, 0, SIM_SMS)->attempts = 2;
}

static void a_repeat_that_is_not_flagged_is_told(void **state)
{
    struct run *r = *state;
    repeat_first(r);
    JUDGE_ONLY(I4);
}

static void a_flagged_repeat_is_fine(void **state)
{
    struct run *r = *state;
    repeat_first(r);
    outcome_of(r, 0, SIM_SMS)->dup_risk = true;
    assert_true(oracle_judge(&r->o));
    assert_int_equal(r->o.counts.extra_accepts, 1);
}

static void more_accepts_than_attempts_are_told(void **state)
{
    struct run *r = *state;
    repeat_first(r);
    outcome_of(r, 0, SIM_SMS)->dup_risk = true;
    outcome_of(r, 0, SIM_SMS)->attempts = 1;
    JUDGE_ONLY(I4);
}

static void a_repeat_without_a_cause_is_told_though_flagged(void **state)
{
    struct run *r = *state;
    repeat_first(r);
    call_of(r, 0, SIM_SMS)->action = SIM_OK;
    outcome_of(r, 0, SIM_SMS)->dup_risk = true;
    JUDGE_ONLY(I4);
}

static void both_copies_sent_is_told(void **state)
{
    struct run *r = *state;
    add_call(r, &r->loads[3], SIM_SMS);
    for (size_t i = 0; i < r->o.outcome_count; i++)
        if (r->outcomes[i].outcome == OUTCOME(DUPLICATE))
            r->outcomes[i].outcome = OUTCOME(SENT);
    JUDGE_ONLY(I4);
}

static void lost_claims_with_their_worker_are_counted_apart(void **state)
{
    struct run *r = *state;
    repeat_first(r);
    add_fault(r, "redis", DUE_MS + 1000);
    add_fault(r, "worker", DUE_MS + 2000);
    assert_true(oracle_judge(&r->o));
    assert_int_equal(r->o.counts.lost_claim_repeats, 1);
}

static void a_changed_key_is_told(void **state)
{
    struct run *r = *state;
    repeat_first(r);
    outcome_of(r, 0, SIM_SMS)->dup_risk = true;
    for (size_t i = 0; i < r->o.call_count; i++)
        if (strcmp(r->calls[i].token, r->loads[0].token) == 0)
            snprintf(r->calls[i].key, sizeof r->calls[i].key, "%s",
                     i == 0 ? outcome_of(r, 0, SIM_SMS)->leg_id : "k");
    JUDGE_ONLY(I5);
}

static void a_key_that_is_not_the_leg_is_told(void **state)
{
    struct run *r = *state;
    snprintf(call_of(r, 0, SIM_SMS)->key, sizeof r->calls->key, "k");
    JUDGE_ONLY(I5);
}

static void too_many_in_a_second_are_told(void **state)
{
    struct run *r = *state;
    snprintf(r->limit.route, sizeof r->limit.route, "twilio");
    r->limit.per_second = 3;
    r->o.limit_count = 1;
    struct oracle before = r->o;
    assert_true(oracle_judge(&r->o));
    r->o = before;
    r->limit.per_second = 2;
    JUDGE_ONLY(I9);
}

static void a_window_is_half_open(void **state)
{
    struct run *r = *state;
    snprintf(r->limit.route, sizeof r->limit.route, "twilio");
    r->limit.per_second = 1;
    r->o.limit_count = 1;
    int64_t at_ns = DUE_MS * INT64_C(1000000);
    for (size_t i = 0; i < r->o.call_count; i++, at_ns += 1000000000)
        r->calls[i].first_ns = at_ns;
    struct oracle before = r->o;
    assert_true(oracle_judge(&r->o));
    r->o = before;
    call_of(r, 1, SIM_SMS)->first_ns--;
    JUDGE_ONLY(I9);
}

static void a_commit_before_the_outcome_is_told(void **state)
{
    struct run *r = *state;
    outcome_of(r, 1, SIM_EMAIL)->append_ms = DUE_MS + 61;
    JUDGE_ONLY(I10);
}

static void a_bit_before_the_outcome_is_told(void **state)
{
    struct run *r = *state;
    r->letters[0].append_ms = DUE_MS + 65; /* offset 4: done in the first commit's metadata */
    outcome_of(r, 3, SIM_NO_CHANNEL)->append_ms = DUE_MS + 65;
    JUDGE_ONLY(I10);
}

static void a_second_letter_of_one_record_changes_nothing(void **state)
{
    struct run *r = *state;
    for (size_t i = 0; i < 2; i++) { /* the other worker, which did not know, wrote them later */
        struct letter_row *again = &r->letters[r->o.letter_count++];
        *again = r->letters[i];
        again->append_ms = DUE_MS + 90;
    }
    assert_true(oracle_judge(&r->o));
}

static void a_commit_backwards_is_told(void **state)
{
    struct run *r = *state;
    add_commit(r, 5, DUE_MS + 80, "");
    JUDGE_ONLY(I10);
}

static void metadata_of_another_form_is_told(void **state)
{
    struct run *r = *state;
    add_commit(r, 6, DUE_MS + 80, "2|w1|AQE");
    JUDGE_ONLY(I10);
}

/* Event 0's record, or a hop of it, in partition 5 of a ring. */
static struct deferral_row *add_deferral(struct run *r, uint32_t seq, int64_t time_ms)
{
    struct deferral_row *row = &r->deferrals[r->o.deferral_count];
    *row = (struct deferral_row){.origin = origin_of_load(&r->loads[0]),
                                 .place = {"carillon.deferred.1", 5, seq},
                                 .seq = seq,
                                 .time_ms = time_ms,
                                 .due_ms = DUE_MS,
                                 .timed = true};
    r->o.deferral_count++;
    return row;
}

static void commit_ring(struct run *r, int64_t value, int64_t time_ms, const char *metadata)
{
    struct commit_row *c = add_commit(r, value, time_ms, metadata);
    c->partition = 5;
    snprintf(c->group, sizeof c->group, "carillon.ring");
    snprintf(c->topic, sizeof c->topic, "carillon.deferred.1");
}

static void a_deferral_covers_its_first_record_and_is_covered_by_the_end(void **state)
{
    struct run *r = *state;
    add_deferral(r, 1, DUE_MS - 500);
    r->o.commits[0].value = 1;
    r->o.commits[0].time_ms = DUE_MS - 400;
    r->o.commits[0].metadata[0] = '\0';
    commit_ring(r, 2, DUE_MS + 60, "1|w1||-17");
    assert_true(oracle_judge(&r->o));
    assert_int_equal(r->o.checked[INVARIANT_I10], 7);
}

static void a_commit_before_its_deferral_is_told(void **state)
{
    struct run *r = *state;
    add_deferral(r, 1, DUE_MS - 300);
    r->o.commits[0].value = 1;
    r->o.commits[0].time_ms = DUE_MS - 400;
    r->o.commits[0].metadata[0] = '\0';
    JUDGE_ONLY(I10);
}

static void a_deferral_committed_before_its_end_is_told(void **state)
{
    struct run *r = *state;
    add_deferral(r, 1, DUE_MS - 500);
    commit_ring(r, 2, DUE_MS + 40, "");
    JUDGE_ONLY(I10);
}

static void a_deferral_does_not_cover_itself_and_a_later_hop_does(void **state)
{
    struct run *r = *state;
    add_deferral(r, 1, DUE_MS - 500);
    commit_ring(r, 2, DUE_MS - 100, "");
    struct oracle before = r->o;
    assert_false(oracle_judge(&r->o));
    r->o = before;
    add_deferral(r, 2, DUE_MS - 200);
    assert_true(oracle_judge(&r->o));
}

static void an_end_of_the_whole_event_ends_its_legs_though_a_copy_tells_them_later(void **state)
{
    struct run *r = *state;
    add_deferral(r, 1, DUE_MS - 500);
    commit_ring(r, 2, DUE_MS + 40, "");
    add_outcome(r, &r->loads[0], SIM_NO_CHANNEL, OUTCOME(CANCELLED), "cancelled")->append_ms =
        DUE_MS + 30;
    oracle_judge(&r->o);
    assert_int_equal(r->o.violations[INVARIANT_I10], 0);
}

static void a_hop_of_another_leg_covers_nothing(void **state)
{
    struct run *r = *state;
    add_deferral(r, 1, DUE_MS - 500);
    commit_ring(r, 2, DUE_MS - 100, "");
    add_deferral(r, 2, DUE_MS - 200)->channels = 1u << SIM_EMAIL;
    JUDGE_ONLY(I10);
}

static void a_call_before_what_its_deferral_says_is_told(void **state)
{
    struct run *r = *state;
    add_deferral(r, 1, DUE_MS - 500)->due_ms = DUE_MS + 20000;
    JUDGE_ONLY(I12);
}

static void what_is_not_committed_is_counted(void **state)
{
    struct run *r = *state;
    r->o.commit_count = 1;
    assert_true(oracle_judge(&r->o));
    assert_int_equal(r->o.counts.uncommitted, 3);
}

static void a_call_before_it_is_due_is_told(void **state)
{
    struct run *r = *state;
    call_of(r, 0, SIM_SMS)->first_ns = (DUE_MS - 1) * INT64_C(1000000);
    JUDGE_ONLY(I12);
}

static void commits_are_read_in_each_version(void **state)
{
    (void)state;
    static const char key[] = "\0\1\0\10carillon\0\17carillon.events\0\0\0\3";
    static const char v1[] = "\0\1\0\0\0\0\0\0\1\0\0\2ab\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\0";
    static const char v3[] = "\0\3\0\0\0\0\0\0\1\0\0\0\0\5\0\2ab\0\0\0\0\0\0\0\7";
    struct commit_row c = {0};
    assert_true(commit_parse(BYTES(key), BYTES(v1), &c));
    assert_string_equal(c.group, "carillon");
    assert_string_equal(c.topic, "carillon.events");
    assert_int_equal(c.partition, 3);
    assert_int_equal(c.value, 256);
    assert_string_equal(c.metadata, "ab");
    assert_int_equal(c.time_ms, 7);
    c = (struct commit_row){0};
    assert_true(commit_parse(BYTES(key), BYTES(v3), &c));
    assert_int_equal(c.value, 256);
    assert_string_equal(c.metadata, "ab");
    assert_int_equal(c.time_ms, 7);
    assert_false(commit_parse(BYTES(key), (struct bytes){0}, &c));
    assert_false(commit_parse((struct bytes){"\0\2\0\1g", 5}, BYTES(v3), &c));
    for (size_t n = 0; n < sizeof v3 - 1; n++)
        assert_false(commit_parse(BYTES(key), (struct bytes){v3, n}, &c));
}

static void a_journal_line_and_back_is_the_same(void **state)
{
    struct run *r = *state;
    char line[512];
    FILE *file = fmemopen(line, sizeof line, "w");
    load_record_print(file, &r->loads[1]);
    fclose(file);
    *strchr(line, '\n') = '\0';
    struct load_record back;
    assert_true(load_record_parse(line, &back));
    assert_memory_equal(&back, &r->loads[1], sizeof back);
    char broken[] = "bench-1\tt\tx\t3";
    assert_false(load_record_parse(broken, &back));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_good_run_is_good),
        TEST(a_leg_without_outcome_is_lost),
        TEST(a_record_without_letter_is_lost),
        TEST(an_unacknowledged_record_promises_nothing),
        TEST(an_unexpected_refusal_is_told),
        TEST(what_was_cancelled_in_time_may_be_ambiguous_after_a_fault_and_is_never_called),
        TEST(two_different_ends_of_a_leg_are_told),
        TEST(a_refusal_then_an_end_needs_a_fault),
        TEST(a_replay_with_the_same_end_is_fine),
        TEST(a_replay_with_another_provider_id_is_told),
        TEST(claims_lost_after_sent_needs_a_lost_redis),
        TEST(a_call_of_no_record_is_an_invention),
        TEST(an_outcome_of_no_record_is_an_invention),
        TEST(another_text_is_told),
        TEST(another_persons_address_is_told),
        TEST(sent_without_accept_disagrees),
        TEST(failed_with_an_accept_disagrees),
        TEST(a_duplicate_that_was_sent_disagrees),
        TEST(a_repeat_that_is_not_flagged_is_told),
        TEST(a_flagged_repeat_is_fine),
        TEST(more_accepts_than_attempts_are_told),
        TEST(a_repeat_without_a_cause_is_told_though_flagged),
        TEST(both_copies_sent_is_told),
        TEST(lost_claims_with_their_worker_are_counted_apart),
        TEST(a_changed_key_is_told),
        TEST(a_key_that_is_not_the_leg_is_told),
        TEST(too_many_in_a_second_are_told),
        TEST(a_window_is_half_open),
        TEST(a_commit_before_the_outcome_is_told),
        TEST(a_bit_before_the_outcome_is_told),
        TEST(a_second_letter_of_one_record_changes_nothing),
        TEST(a_commit_backwards_is_told),
        TEST(metadata_of_another_form_is_told),
        TEST(a_deferral_covers_its_first_record_and_is_covered_by_the_end),
        TEST(a_commit_before_its_deferral_is_told),
        TEST(a_deferral_committed_before_its_end_is_told),
        TEST(a_deferral_does_not_cover_itself_and_a_later_hop_does),
        TEST(an_end_of_the_whole_event_ends_its_legs_though_a_copy_tells_them_later),
        TEST(a_hop_of_another_leg_covers_nothing),
        TEST(a_call_before_what_its_deferral_says_is_told),
        TEST(what_is_not_committed_is_counted),
        TEST(a_call_before_it_is_due_is_told),
        TEST(commits_are_read_in_each_version),
        TEST(a_journal_line_and_back_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
