/* Admission on a real Redis: what is found there decides where a job goes. */
#include "admit_world.h"

/* --- sending --------------------------------------------------------------------------- */

static void a_leg_without_a_claim_is_claimed_and_ready(void **state)
{
    struct admit_world *w = *state;
    struct event *event = judged(w, RECEIPT("1", BOTH));
    admit(w);
    assert_int_equal(w->ready.count, 2);
    assert_int_equal(claim_at(w, event, SMS, NUMBER).at[0], 'C');
    assert_int_equal(claim_at(w, event, EMAIL, ADDRESS).at[0], 'C');
    struct job *job = job_on(event, SMS);
    assert_int_equal(job->state, JOB_ADMITTING);
    assert_true(job->claim.held && job->admitted_ns > 0);
}

static void a_record_read_again_ends_as_it_did(void **state)
{
    struct admit_world *w = *state;
    struct event *event = judged(w, RECEIPT("1", BOTH));
    set_claim(w, event, SMS, NUMBER, CLAIM_SENT, event->own, NOW_MS, "SM%2f1");
    admit(w);
    assert_int_equal(w->ready.count, 1);
    assert_int_equal(w->done.count, 1);
    const struct job_end *end = &job_on(event, SMS)->end;
    assert_int_equal(end->outcome, OUTCOME(SENT));
    assert_true(end->replay);
    assert_string_equal(end->provider_message_id.at, "SM/1");
}

static void what_another_event_sent_is_a_duplicate(void **state)
{
    struct admit_world *w = *state;
    struct event *event = judged(w, RECEIPT("1", SMS_ONLY));
    set_claim(w, event, SMS, NUMBER, CLAIM_SENT, BYTES("other|topic/0/1"), NOW_MS, "SM1");
    admit(w);
    assert_int_equal(w->done.count, 1);
    assert_int_equal(stage_job(event)->end.outcome, OUTCOME(DUPLICATE));
    assert_string_equal(stage_job(event)->end.detail, "sent");
}

static void a_claim_in_force_is_waited_for(void **state)
{
    struct admit_world *w = *state;
    struct event *event = judged(w, RECEIPT("1", SMS_ONLY));
    struct job *job = stage_job(event);
    set_claim(w, event, SMS, NUMBER, CLAIM_CLAIMED, event->own, w->stage.now.ms + 5000, "");
    admit(w);
    assert_int_equal(w->again.count, 1);
    assert_int_equal(job->wait, WAIT_CLAIMED_ELSEWHERE);
    assert_true(job->due_ns > now_of(w) + 150 * MS_NS && job->due_ns < now_of(w) + 251 * MS_NS);
    set_claim(w, event, SMS, NUMBER, CLAIM_SENT, event->own, NOW_MS, "SM1");
    admit_again(w);
    assert_int_equal(w->done.count, 1);
    assert_true(job->end.replay);
}

static void a_dead_senders_claim_is_taken_over(void **state)
{
    struct admit_world *w = *state;
    struct event *event = judged(w, RECEIPT("1", SMS_ONLY));
    set_claim(w, event, SMS, NUMBER, CLAIM_CLAIMED, event->own, w->stage.now.ms - 5000, "");
    admit(w);
    assert_int_equal(w->ready.count, 1);
    assert_int_equal(stage_job(event)->claim.risk, 1);
    assert_int_equal(w->claims.stats.takeovers, 1);
}

/* --- state ----------------------------------------------------------------------------- */

static void an_opt_out_refuses_its_leg_and_leaves_no_claim(void **state)
{
    struct admit_world *w = *state;
    put_recipient(w, "t", NUMBER, "{\"opted_out\":true}");
    struct event *event = judged(w, RECEIPT("1", BOTH));
    admit(w);
    assert_int_equal(w->ready.count, 1);
    assert_int_equal(w->done.count, 1);
    assert_int_equal(job_on(event, SMS)->end.reason, REASON_UNSUBSCRIBED);
    assert_int_equal(claim_at(w, event, SMS, NUMBER).size, 0);
    assert_int_equal(claim_at(w, event, EMAIL, ADDRESS).at[0], 'C');
}

static void a_blocked_customers_event_is_told_by_leg(void **state)
{
    struct admit_world *w = *state;
    put_recipient(w, "*", "c", "{\"blocked\":true}");
    struct event *event = judged(w, RECEIPT("1", BOTH ",\"customer_id\":\"c\""));
    admit(w);
    assert_int_equal(w->done.count, 2);
    assert_int_equal(job_on(event, SMS)->end.reason, REASON_BLOCKED_PLATFORM);
    assert_int_equal(job_on(event, EMAIL)->end.reason, REASON_BLOCKED_PLATFORM);
    assert_true(nothing_claimed(w));
}

static void a_refusal_is_told_by_leg_where_one_went(void **state)
{
    struct admit_world *w = *state;
    put_recipient(w, "*", "c", "{\"blocked\":true}");
    struct event *event = judged(w, RECEIPT("1", BOTH ",\"customer_id\":\"c\""));
    set_claim(w, event, SMS, NUMBER, CLAIM_SENT, event->own, NOW_MS, "SM1");
    admit(w);
    assert_int_equal(w->done.count, 2);
    assert_int_equal(job_on(event, SMS)->end.outcome, OUTCOME(SENT));
    assert_int_equal(job_on(event, EMAIL)->end.reason, REASON_BLOCKED_PLATFORM);
}

static void a_leg_on_its_way_stays_as_it_was_judged(void **state)
{
    struct admit_world *w = *state;
    struct event *event = judged(w, RECEIPT("1", BOTH ",\"customer_id\":\"c\""));
    struct job *sms = job_on(event, SMS), *email = job_on(event, EMAIL);
    list_remove(&w->stage.judged, &sms->node); /* it waits for a slot */
    admit(w);
    assert_int_equal(w->ready.count, 1);
    put_recipient(w, "*", "c", "{\"blocked\":true}");
    list_push(&w->stage.judged, &sms->node);
    admit(w);
    assert_int_equal(email->leg->decision, DECISION_SEND);
    assert_int_equal(email->leg->refused_by, JUDGE_GATE_NONE);
    assert_int_equal(sms->end.reason, REASON_BLOCKED_PLATFORM);
    assert_non_null(sms->leg);
}

static void damaged_state_is_never_taken_for_none(void **state)
{
    struct admit_world *w = *state;
    char key[STATE_KEY_SIZE];
    state_recipient_key(BYTES("t"), BYTES(NUMBER), key);
    ASK(w->redis, BYTES("SET"), {key, sizeof key}, BYTES("opt_out|5|900|x"));
    judged(w, RECEIPT("1", SMS_ONLY));
    admit(w);
    assert_int_equal(w->again.count, 1);
    assert_int_equal(w->ready.count, 0);
}

static void changed_settings_give_the_claim_back_and_judge_anew(void **state)
{
    struct admit_world *w = *state;
    struct event *event = judged(w, RECEIPT("1", BOTH));
    put_tenant(w, "9", "{\"tenant_id\":\"t\",\"name\":\"new\"}");
    admit(w);
    assert_int_equal(w->rejudge.count, 2);
    assert_true(event->tenant_ref->stale);
    assert_int_equal(job_on(event, SMS)->state, JOB_JUDGED);
    assert_true(nothing_claimed(w));
}

static void a_refusal_by_old_settings_is_judged_anew(void **state)
{
    struct admit_world *w = *state;
    put_tenant(
        w, "3",
        "{\"tenant_id\":\"t\",\"kinds\":[{\"kind\":\"receipt\",\"sms\":false,\"email\":false}]}");
    struct event *event = judged(w, RECEIPT("1", BOTH));
    assert_int_equal(w->stage.refused.count, 1);
    put_tenant(w, "4", "{\"tenant_id\":\"t\"}");
    admit(w);
    assert_int_equal(w->rejudge.count, 1);
    assert_int_equal(stage_job(event)->end.outcome, OUTCOME(UNSPECIFIED));
}

/* One leg of the event was judged again, so the event holds the newest settings. */
static void a_leg_judged_by_old_settings_does_not_go_by_those_of_its_sibling(void **state)
{
    struct admit_world *w = *state;
    struct event *event = judged(w, RECEIPT("1", BOTH));
    struct job *sms = job_on(event, SMS), *email = job_on(event, EMAIL);
    list_remove(&w->stage.judged, &sms->node); /* it waits for a slot */
    put_tenant(w, "9", "{\"tenant_id\":\"t\",\"kinds\":[{\"kind\":\"receipt\",\"sms\":false}]}");
    admit(w);
    assert_ptr_equal(list_pop(&w->rejudge), &email->node);
    while (!tenants_renew(&w->tenants, event))
        turn(w);
    judge_leg_again(&w->stage.judging, w->stage.now, email, &w->stage.judged, &w->stage.refused);
    admit(w);
    assert_ptr_equal(w->ready.first, &email->node);
    list_push(&w->stage.judged, &sms->node);
    admit(w);
    assert_int_equal(w->ready.count, 1);
    assert_ptr_equal(list_pop(&w->rejudge), &sms->node);
    judge_leg_again(&w->stage.judging, w->stage.now, sms, &w->stage.judged, &w->stage.refused);
    admit(w);
    assert_int_equal(w->done.count, 1);
    assert_int_equal(sms->end.reason, REASON_KIND_DISABLED);
    assert_int_equal(claim_at(w, event, SMS, NUMBER).size, 0);
}

static void write_clock(struct writer *w, int64_t ms)
{
    int64_t minute = ms / 60000 % (24 * 60);
    write_format(w, "%02d:%02d", (int)(minute / 60), (int)(minute % 60));
}

static void hours_that_closed_meanwhile_give_the_claim_back(void **state)
{
    struct admit_world *w = *state;
    char memory[512];
    struct writer json = writer_of(memory, sizeof memory - 1);
    const int64_t hour_ms = 3600 * 1000;
    write_literal(&json, "{\"tenant_id\":\"t\",\"zone\":\"UTC\",\"quiet_hours\":[{\"class\":"
                         "\"reminder\",\"start\":\"");
    write_clock(&json, w->stage.now.ms + hour_ms);
    write_literal(&json, "\",\"end\":\"");
    write_clock(&json, w->stage.now.ms + 9 * hour_ms);
    write_literal(&json, "\"}]}");
    memory[json.size] = '\0';
    put_tenant(w, "3", memory);
    json.size = 0;
    write_literal(&json, "{\"event_id\":\"1\",\"tenant_id\":\"t\",\"kind\":\"reminder\"," SMS_ONLY
                         ",\"booking\":{\"booking_id\":\"b\",\"starts_at\":\"");
    time_write(&json, w->stage.now.ms + 20 * hour_ms);
    write_literal(&json, "\"}}");
    memory[json.size] = '\0';
    struct event *event = judged(w, memory);
    assert_int_equal(event->judged.legs[0].decision, DECISION_SEND);
    w->skew_ns = 2 * 3600 * NS_PER_S;
    admit(w);
    assert_int_equal(w->rejudge.count, 1);
    assert_true(nothing_claimed(w));
}

/* --- Redis ----------------------------------------------------------------------------- */

static void another_epoch_gives_claims_back_and_shuts_the_gate(void **state)
{
    struct admit_world *w = *state;
    struct event *event = judged(w, RECEIPT("1", BOTH));
    ASK(w->redis, BYTES("SET"), BYTES("e1"), BYTES("f|0"));
    admit(w);
    assert_int_equal(w->again.count, 2);
    assert_int_equal(job_on(event, SMS)->wait, WAIT_REDIS);
    assert_false(claims_open(&w->claims));
    assert_int_equal(admit_room(&w->admit), 0);
    for (uint32_t i = 0; i < 100 && !nothing_claimed(w); i++)
        turn(w);
    assert_true(nothing_claimed(w));
}

static void lost_answers_are_asked_again(void **state)
{
    struct admit_world *w = *state;
    struct event *event = judged(w, RECEIPT("1", SMS_ONLY));
    struct job *job = stage_job(event);
    job->route = &w->route;
    admit_put(&w->admit, now_of(w), &w->stage.judged);
    admit_take(&w->admit, now_of(w), &w->ready, &w->again, &w->done, &w->rejudge);
    ASK(w->redis, BYTES("CLIENT"), BYTES("KILL"), BYTES("TYPE"), BYTES("normal"), BYTES("SKIPME"),
        BYTES("yes"));
    admit(w);
    assert_int_equal(w->again.count, 1);
    assert_int_equal(job->wait, WAIT_REDIS);
    open_gate(w);
    admit_again(w);
    assert_int_equal(w->ready.count, 1);
    assert_int_equal(job->claim.risk, 0);
    assert_int_equal(claim_at(w, event, SMS, NUMBER).at[0], 'C');
}

/* What a lost answer's claim asks next was decided in the epoch before. */
static void a_lost_answer_is_told_with_the_gate_open_in_the_new_epoch(void **state)
{
    struct admit_world *w = *state;
    struct event *event = judged(w, RECEIPT("1", SMS_ONLY));
    struct job *job = stage_job(event);
    event->assigned_ms = w->stage.now.ms + 20;
    job->route = &w->route;
    admit_put(&w->admit, now_of(w), &w->stage.judged);
    admit_take(&w->admit, now_of(w), &w->ready, &w->again, &w->done, &w->rejudge);
    ASK(w->redis, BYTES("CLIENT"), BYTES("KILL"), BYTES("TYPE"), BYTES("normal"), BYTES("SKIPME"),
        BYTES("yes"));
    admit(w);
    assert_int_equal(w->again.count, 1);
    open_gate(w);
    ASK(w->redis, BYTES("FLUSHALL"));
    ASK(w->redis, BYTES("SET"), BYTES("e1"), BYTES(EPOCH));
    w->claims.gate.last.epoch_begun_ms = job->claim.due_ms + 10;
    admit_again(w);
    assert_int_equal(w->ready.count, 1);
    assert_int_equal(job->claim.risk, 1); /* the missing claim may have been lost */
}

static void a_revoked_event_claims_nothing_more(void **state)
{
    struct admit_world *w = *state;
    struct event *event = judged(w, RECEIPT("1", BOTH));
    event->revoked = true;
    admit(w);
    assert_int_equal(w->again.count, 2);
    assert_true(nothing_claimed(w));
}

static void an_event_revoked_meanwhile_gives_its_claims_back(void **state)
{
    struct admit_world *w = *state;
    struct event *event = judged(w, RECEIPT("1", SMS_ONLY));
    stage_job(event)->route = &w->route;
    admit_put(&w->admit, now_of(w), &w->stage.judged);
    admit_take(&w->admit, now_of(w), &w->ready, &w->again, &w->done, &w->rejudge);
    event->revoked = true;
    admit(w);
    assert_int_equal(w->again.count, 1);
    assert_false(stage_job(event)->claim.held);
    assert_true(nothing_claimed(w));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_leg_without_a_claim_is_claimed_and_ready),
        TEST(a_record_read_again_ends_as_it_did),
        TEST(what_another_event_sent_is_a_duplicate),
        TEST(a_claim_in_force_is_waited_for),
        TEST(a_dead_senders_claim_is_taken_over),
        TEST(an_opt_out_refuses_its_leg_and_leaves_no_claim),
        TEST(a_blocked_customers_event_is_told_by_leg),
        TEST(a_refusal_is_told_by_leg_where_one_went),
        TEST(a_leg_on_its_way_stays_as_it_was_judged),
        TEST(damaged_state_is_never_taken_for_none),
        TEST(changed_settings_give_the_claim_back_and_judge_anew),
        TEST(a_refusal_by_old_settings_is_judged_anew),
        TEST(a_leg_judged_by_old_settings_does_not_go_by_those_of_its_sibling),
        TEST(hours_that_closed_meanwhile_give_the_claim_back),
        TEST(another_epoch_gives_claims_back_and_shuts_the_gate),
        TEST(lost_answers_are_asked_again),
        TEST(a_lost_answer_is_told_with_the_gate_open_in_the_new_epoch),
        TEST(a_revoked_event_claims_nothing_more),
        TEST(an_event_revoked_meanwhile_gives_its_claims_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
