/* Which legs an event has, on a real Redis: claims say otherwise than settings do, and an
 * event refused as a whole is told by leg where one may have gone. */
#include "admit_world.h"

/* --- channels -------------------------------------------------------------------------- */

static void a_left_out_channel_that_was_sent_exists_again(void **state)
{
    struct admit_world *w = *state;
    struct event *event =
        judged(w, STAGE_EVENT("1", "\"recipient\":{\"sms\":\"" NUMBER "\",\"email\":\"" ADDRESS
                                   "\",\"preference\":\"email\"}"));
    assert_int_equal(event->judged.leg_count, 1);
    set_claim(w, event, SMS, NUMBER, CLAIM_SENT, event->own, NOW_MS, "SM1");
    admit(w);
    assert_int_equal(w->ready.count, 1);
    assert_int_equal(w->done.count, 1);
    assert_int_equal(job_on(event, SMS)->end.outcome, OUTCOME(SENT));
}

static void a_left_out_channel_exists_again_though_all_legs_have_ended(void **state)
{
    struct admit_world *w = *state;
    struct event *event =
        judged(w, STAGE_EVENT("1", "\"recipient\":{\"sms\":\"" NUMBER "\",\"email\":\"" ADDRESS
                                   "\",\"preference\":\"email\"}"));
    set_claim(w, event, SMS, NUMBER, CLAIM_SENT, event->own, NOW_MS, "SM1");
    set_claim(w, event, EMAIL, ADDRESS, CLAIM_SENT, event->own, NOW_MS, "E1");
    admit(w);
    assert_int_equal(w->done.count, 2);
    assert_int_equal(job_on(event, SMS)->end.outcome, OUTCOME(SENT));
}

static void a_left_out_channel_without_a_claim_stays_out(void **state)
{
    struct admit_world *w = *state;
    struct event *event =
        judged(w, STAGE_EVENT("1", "\"recipient\":{\"sms\":\"" NUMBER "\",\"email\":\"" ADDRESS
                                   "\",\"preference\":\"email\"}"));
    set_claim(w, event, SMS, NUMBER, CLAIM_SENT, BYTES("other|topic/0/1"), NOW_MS, "SM1");
    admit(w);
    assert_int_equal(w->ready.count, 1);
    assert_int_equal(event->jobs_open, 1);
}

static void a_conversation_keeps_the_channel_that_has_the_claim(void **state)
{
    struct admit_world *w = *state;
    put_recipient(w, "t", NUMBER, "{\"reply_allowed\":true}");
    put_tenant(w, "3", "{\"tenant_id\":\"t\",\"verified\":true}");
    struct event *event = judged(w, MESSAGE("1", BOTH ",\"channel\":\"email\""));
    assert_int_equal(event->judged.legs[0].channel, EMAIL);
    set_claim(w, event, SMS, NUMBER, CLAIM_SENT, event->own, NOW_MS, "SM1");
    admit(w);
    assert_int_equal(w->done.count, 1);
    assert_int_equal(w->ready.count + w->again.count, 0);
    assert_int_equal(stage_job(event)->leg->channel, SMS);
    assert_int_equal(stage_job(event)->end.outcome, OUTCOME(SENT));
    assert_int_equal(claim_at(w, event, EMAIL, ADDRESS).size, 0);
}

static void an_open_choice_takes_two_trips(void **state)
{
    struct admit_world *w = *state;
    put_recipient(w, "t", ADDRESS, "{\"reply_allowed\":true,\"last_channel\":\"email\"}");
    put_tenant(w, "3", "{\"tenant_id\":\"t\",\"verified\":true}");
    struct event *event = judged(w, MESSAGE("1", BOTH));
    assert_true(event->judged.pick_one);
    admit(w);
    assert_int_equal(w->again.count, 1);
    assert_int_equal(stage_job(event)->leg->channel, EMAIL);
    assert_true(stage_job(event)->due_ns <= now_of(w));
    assert_true(nothing_claimed(w));
    admit_again(w);
    assert_int_equal(w->ready.count, 1);
    assert_int_equal(claim_at(w, event, EMAIL, ADDRESS).at[0], 'C');
}

static void an_open_choice_keeps_the_channel_that_has_the_claim(void **state)
{
    struct admit_world *w = *state;
    put_recipient(w, "t", ADDRESS, "{\"reply_allowed\":true,\"last_channel\":\"email\"}");
    put_tenant(w, "3", "{\"tenant_id\":\"t\",\"verified\":true}");
    struct event *event = judged(w, MESSAGE("1", BOTH));
    set_claim(w, event, SMS, NUMBER, CLAIM_CLAIMED, event->own, 0, "");
    admit(w);
    assert_int_equal(stage_job(event)->leg->channel, SMS);
    admit_again(w);
    assert_int_equal(w->ready.count, 1);
    assert_int_equal(event->jobs_open, 1);
}

static void an_open_choice_that_is_refused_is_told_without_channel(void **state)
{
    struct admit_world *w = *state;
    put_tenant(w, "3", "{\"tenant_id\":\"t\",\"verified\":true}");
    struct event *event = judged(w, MESSAGE("1", BOTH));
    admit(w);
    assert_int_equal(w->done.count, 1);
    assert_null(stage_job(event)->leg);
    assert_int_equal(stage_job(event)->end.reason, REASON_REPLY_NOT_ALLOWED);
}

static void a_device_that_was_told_and_removed_exists_again(void **state)
{
    struct admit_world *w = *state;
    const char *alert = "{\"event_id\":\"1\",\"tenant_id\":\"t\",\"kind\":\"message_alert\"}";
    put_tenant(
        w, "3",
        "{\"tenant_id\":\"t\",\"owner_email\":\"o@b.example\",\"devices\":[{\"token\":\"one\"}]}");
    struct event *first = judged(w, alert);
    admit(w);
    assert_int_equal(w->ready.count, 2);
    set_claim(w, first, PUSH, "one", CLAIM_SENT, first->own, NOW_MS, "P1");
    struct event *again = NULL;
    put_tenant(
        w, "4",
        "{\"tenant_id\":\"t\",\"owner_email\":\"o@b.example\",\"devices\":[{\"token\":\"two\"}]}");
    tenants_forget(&w->tenants);
    w->stage.offset--; /* the same record once more */
    again = judged(w, alert);
    set_claim(w, again, EMAIL, "o@b.example", CLAIM_SENT, again->own, NOW_MS, "E1");
    admit(w);
    assert_int_equal(again->jobs_open, 3);
    assert_int_equal(w->done.count, 2);
    assert_int_equal(w->ready.count, 3);
    const struct job *told = NULL;
    for (struct list_node *n = w->done.first; n; n = n->next)
        told = job_of(n)->leg->channel == PUSH ? job_of(n) : told;
    assert_non_null(told);
    assert_true(bytes_equal(told->leg->address, BYTES("one")));
    assert_int_equal(told->end.outcome, OUTCOME(SENT));
}

/* --- refusals -------------------------------------------------------------------------- */

static struct event *refused(struct admit_world *w, const char *id_json)
{
    struct event *event = judged(w, id_json);
    assert_int_equal(w->stage.refused.count, 1);
    assert_null(stage_job(event)->leg);
    return event;
}

#define TOO_LATE(id)                                                                             \
    RECEIPT(id,                                                                                  \
            BOTH ",\"due_at\":\"2026-01-01T00:00:00Z\",\"created_at\":\"2026-01-01T00:00:00Z\"," \
                 "\"expires_at\":\"2026-01-02T00:00:00Z\"")

static void a_refusal_without_claims_stands_and_claims_nothing(void **state)
{
    struct admit_world *w = *state;
    struct event *event = refused(w, TOO_LATE("1"));
    admit(w);
    assert_int_equal(w->done.count, 1);
    assert_int_equal(stage_job(event)->end.reason, REASON_TOO_LATE);
    assert_null(stage_job(event)->leg);
    assert_true(nothing_claimed(w));
}

static void a_refused_event_of_which_a_leg_went_is_told_by_leg(void **state)
{
    struct admit_world *w = *state;
    struct event *event = refused(w, TOO_LATE("1"));
    set_claim(w, event, EMAIL, ADDRESS, CLAIM_SENT, event->own, NOW_MS, "E1");
    admit(w);
    assert_int_equal(w->done.count, 2);
    assert_int_equal(job_on(event, EMAIL)->end.outcome, OUTCOME(SENT));
    assert_true(job_on(event, EMAIL)->end.replay);
    assert_int_equal(job_on(event, SMS)->end.outcome, OUTCOME(EXPIRED));
}

static void a_worker_killed_in_mid_send_makes_a_refusal_ambiguous(void **state)
{
    struct admit_world *w = *state;
    struct event *event = refused(w, TOO_LATE("1"));
    set_claim(w, event, SMS, NUMBER, CLAIM_CLAIMED, event->own, w->stage.now.ms - 5000, "");
    admit(w);
    assert_int_equal(job_on(event, SMS)->end.outcome, OUTCOME(AMBIGUOUS));
    assert_int_equal(job_on(event, SMS)->end.reason, REASON_NO_ANSWER);
    assert_int_equal(claim_at(w, event, SMS, NUMBER).at[0], 'X');
}

/* After a loss a missing claim may be one that was lost, for refusals too. */
static void after_a_loss_a_refusal_does_not_say_that_nothing_went(void **state)
{
    struct admit_world *w = *state;
    struct event *event = refused(w, TOO_LATE("1"));
    w->claims.gate.last.epoch_begun_ms = w->stage.now.ms - 60000;
    admit(w);
    assert_int_equal(w->done.count, 2);
    assert_int_equal(job_on(event, SMS)->end.outcome, OUTCOME(AMBIGUOUS));
    assert_int_equal(job_on(event, SMS)->end.reason, REASON_CLAIMS_LOST);
    assert_int_equal(job_on(event, EMAIL)->end.reason, REASON_CLAIMS_LOST);
}

static void a_refusal_waits_for_a_claim_in_force(void **state)
{
    struct admit_world *w = *state;
    struct event *event = refused(w, TOO_LATE("1"));
    set_claim(w, event, SMS, NUMBER, CLAIM_CLAIMED, event->own, w->stage.now.ms + 5000, "");
    admit(w);
    assert_int_equal(w->again.count, 1);
    assert_int_equal(job_on(event, SMS)->wait, WAIT_CLAIMED_ELSEWHERE);
    set_claim(w, event, SMS, NUMBER, CLAIM_SENT, event->own, NOW_MS, "SM1");
    admit_again(w);
    assert_int_equal(job_on(event, SMS)->end.outcome, OUTCOME(SENT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_left_out_channel_that_was_sent_exists_again),
        TEST(a_left_out_channel_exists_again_though_all_legs_have_ended),
        TEST(a_left_out_channel_without_a_claim_stays_out),
        TEST(a_conversation_keeps_the_channel_that_has_the_claim),
        TEST(an_open_choice_takes_two_trips),
        TEST(an_open_choice_keeps_the_channel_that_has_the_claim),
        TEST(an_open_choice_that_is_refused_is_told_without_channel),
        TEST(a_device_that_was_told_and_removed_exists_again),
        TEST(a_refusal_without_claims_stands_and_claims_nothing),
        TEST(a_refused_event_of_which_a_leg_went_is_told_by_leg),
        TEST(a_worker_killed_in_mid_send_makes_a_refusal_ambiguous),
        TEST(after_a_loss_a_refusal_does_not_say_that_nothing_went),
        TEST(a_refusal_waits_for_a_claim_in_force),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
