/* Admission on a real Redis: which of two reminders goes (O2), and caps (C9). */
#include "admit_world.h"

#define REMINDER(id, kind, more)                                                                \
    "{\"event_id\":\"" id "\",\"tenant_id\":\"t\",\"kind\":\"" kind "\"," SMS_ONLY              \
    ",\"booking\":{\"booking_id\":\"b\",\"revision\":1,\"starts_at\":\"2100-01-01T00:00:00Z\"}" \
    ",\"due_at\":\"2026-11-24T12:00:00Z\"" more "}"

static struct event *comes(struct admit_world *w, const char *json)
{
    struct event *event = judged(w, json);
    admit_announce(&w->admit, &w->stage.judged);
    return event;
}

static void opens_hours(struct admit_world *w)
{
    put_tenant(
        w, "1",
        "{\"tenant_id\":\"t\",\"quiet_hours\":[{\"class\":\"reminder\",\"enabled\":false}]}");
}

static struct job *takes_out(struct admit_world *w, struct event *event)
{
    struct job *job = stage_job(event);
    list_remove(&w->stage.judged, &job->node);
    return job;
}

static void an_announced_reminder_collapses_the_additional_one(void **state)
{
    struct admit_world *w = *state;
    opens_hours(w);
    struct event *reminder = comes(w, REMINDER("r", "reminder", ""));
    struct job *later = takes_out(w, reminder);
    struct event *additional = comes(w, REMINDER("a", "additional_reminder", ""));
    admit(w);
    assert_int_equal(stage_job(additional)->end.reason, REASON_COLLAPSED);
    assert_int_equal(stage_job(additional)->end.outcome, OUTCOME(SUPPRESSED));
    assert_int_equal(claim_at(w, additional, SMS, NUMBER).size, 0);
    list_push(&w->stage.judged, &later->node);
    admit(w);
    assert_int_equal(w->ready.count, 1);
}

static void reminders_of_different_minutes_do_not_meet(void **state)
{
    struct admit_world *w = *state;
    opens_hours(w);
    comes(w, REMINDER("r", "reminder", ""));
    comes(w, "{\"event_id\":\"a\",\"tenant_id\":\"t\",\"kind\":\"additional_reminder\"," SMS_ONLY
             ",\"booking\":{\"booking_id\":\"b\",\"revision\":1,\"starts_at\":"
             "\"2100-01-01T00:00:00Z\"},\"due_at\":\"2026-11-24T11:59:00Z\"}");
    admit(w);
    assert_int_equal(w->ready.count, 2);
}

static void a_resend_is_not_collapsed(void **state)
{
    struct admit_world *w = *state;
    opens_hours(w);
    comes(w, REMINDER("r", "reminder", ""));
    comes(w, REMINDER("a", "additional_reminder", ",\"resend\":true"));
    admit(w);
    assert_int_equal(w->ready.count, 2);
}

/* An additional reminder that was admitted, before any reminder came. */
static struct event *additional_goes(struct admit_world *w)
{
    opens_hours(w);
    struct event *additional = comes(w, REMINDER("a", "additional_reminder", ""));
    admit(w);
    assert_int_equal(w->ready.count, 1);
    return additional;
}

static void a_reminder_collapses_where_the_additional_one_was_sent(void **state)
{
    struct admit_world *w = *state;
    struct event *additional = additional_goes(w);
    set_claim(w, additional, SMS, NUMBER, CLAIM_SENT, additional->own, NOW_MS, "SM1");
    struct event *reminder = comes(w, REMINDER("r", "reminder", ""));
    admit(w);
    assert_int_equal(w->done.count, 1);
    assert_int_equal(stage_job(reminder)->end.reason, REASON_COLLAPSED);
    assert_int_equal(claim_at(w, reminder, SMS, NUMBER).size, 0);
}

static void a_reminder_waits_for_an_additional_one_under_way(void **state)
{
    struct admit_world *w = *state;
    struct event *additional = additional_goes(w);
    struct event *reminder = comes(w, REMINDER("r", "reminder", ""));
    admit(w);
    assert_int_equal(w->again.count, 1);
    assert_int_equal(stage_job(reminder)->wait, WAIT_CLAIMED_ELSEWHERE);
    admit_again(w);
    assert_int_equal(w->again.count, 1);
    set_claim(w, additional, SMS, NUMBER, CLAIM_SENT, additional->own, NOW_MS, "SM1");
    admit_again(w);
    assert_int_equal(w->done.count, 1);
    assert_int_equal(stage_job(reminder)->end.reason, REASON_COLLAPSED);
}

static void a_reminder_goes_where_the_additional_one_ended_otherwise(void **state)
{
    struct admit_world *w = *state;
    struct event *additional = additional_goes(w);
    set_claim(w, additional, SMS, NUMBER, CLAIM_FAILED, additional->own, NOW_MS, "bad_recipient");
    comes(w, REMINDER("r", "reminder", ""));
    admit(w);
    assert_int_equal(w->ready.count, 2);
}

static void an_additional_one_that_a_reminder_overtook_goes_no_more(void **state)
{
    struct admit_world *w = *state;
    struct event *additional = additional_goes(w);
    char key[CLAIM_KEY_SIZE];
    key_of(additional, SMS, NUMBER, key); /* it gave its claim back, to come again */
    ASK(w->redis, BYTES("DEL"), {key, sizeof key});
    close_list(w, &w->ready);
    struct event *reminder = comes(w, REMINDER("r", "reminder", ""));
    admit(w);
    assert_int_equal(w->ready.count, 1);
    assert_ptr_equal(job_of(w->ready.first)->event, reminder);
    struct event *again = comes(w, REMINDER("a", "additional_reminder", ""));
    admit(w);
    assert_int_equal(stage_job(again)->end.reason, REASON_COLLAPSED);
}

/* The reminder's first life took over and died before it looked. */
static void a_reminder_read_again_still_looks_at_the_claim(void **state)
{
    struct admit_world *w = *state;
    struct event *additional = additional_goes(w);
    comes(w, REMINDER("r", "reminder", ""));
    admit(w);
    assert_int_equal(w->again.count, 1);
    close_list(w, &w->again);
    set_claim(w, additional, SMS, NUMBER, CLAIM_SENT, additional->own, NOW_MS, "SM1");
    struct event *other = comes(w, REMINDER("r2", "reminder", ""));
    admit(w);
    assert_int_equal(stage_job(other)->end.reason, REASON_COLLAPSED);
}

/* --- C9 -------------------------------------------------------------------------------- */

#define CUSTOMER ",\"customer_id\":\"c\""

static void caps(struct admit_world *w, const char *count)
{
    char json[200];
    snprintf(json, sizeof json,
             "{\"tenant_id\":\"t\",\"frequency_caps\":[{\"class\":\"system\",\"count\":%s,"
             "\"period_seconds\":3600}]}",
             count);
    put_tenant(w, "1", json);
}

static int64_t counted(struct admit_world *w)
{
    const struct redis_reply *keys = ASK(w->redis, BYTES("KEYS"), BYTES("f1:*"));
    int64_t count = 0;
    char key[4][ONCE_KEY_SIZE];
    size_t n = keys->element_count;
    assert_true(n <= 4);
    for (size_t i = 0; i < n; i++)
        memcpy(key[i], keys->elements[i]->text.at, ONCE_KEY_SIZE - 1);
    for (size_t i = 0; i < n; i++)
        count += ASK(w->redis, BYTES("ZCARD"), {key[i], ONCE_KEY_SIZE - 1})->integer;
    return count;
}

static void ends(struct admit_world *w, struct list *jobs, Carillon__V1__OutcomeKind outcome,
                 bool replay)
{
    for (struct list_node *n = jobs->first; n; n = n->next) {
        job_of(n)->end.outcome = outcome;
        job_of(n)->end.replay = replay;
        admit_closing(&w->admit, job_of(n));
    }
    close_list(w, jobs);
    turn(w);
    turn(w);
}

static void the_cap_counts_events_of_a_customer_not_legs(void **state)
{
    struct admit_world *w = *state;
    caps(w, "2");
    judged(w, RECEIPT("1", BOTH CUSTOMER));
    judged(w, RECEIPT("2", BOTH CUSTOMER));
    struct event *third = judged(w, RECEIPT("3", SMS_ONLY CUSTOMER));
    admit(w);
    assert_int_equal(w->ready.count, 4);
    admit_again(w);
    assert_int_equal(stage_job(third)->end.reason, REASON_FREQUENCY_CAPPED);
    assert_int_equal(counted(w), 2);
    assert_int_equal(claim_at(w, third, SMS, NUMBER).size, 0);
}

static void without_a_customer_each_address_counts(void **state)
{
    struct admit_world *w = *state;
    caps(w, "1");
    judged(w, RECEIPT("1", SMS_ONLY));
    struct event *both = judged(w, RECEIPT("2", BOTH));
    admit(w);
    admit_again(w);
    assert_int_equal(job_on(both, SMS)->end.reason, REASON_FREQUENCY_CAPPED);
    assert_int_equal(w->ready.count, 2);
    assert_int_equal(counted(w), 2);
}

static void other_classes_are_not_capped(void **state)
{
    struct admit_world *w = *state;
    caps(w, "1");
    judged(w, RECEIPT("1", SMS_ONLY CUSTOMER));
    judged(w, MESSAGE("2", SMS_ONLY CUSTOMER));
    put_recipient(w, "t", "c", "{\"reply_allowed\":true}");
    admit(w);
    assert_int_equal(counted(w), 1);
}

static void what_did_not_go_is_taken_back(void **state)
{
    struct admit_world *w = *state;
    caps(w, "1");
    judged(w, RECEIPT("1", BOTH CUSTOMER));
    admit(w);
    assert_int_equal(counted(w), 1);
    ends(w, &w->ready, OUTCOME(FAILED), false);
    assert_int_equal(counted(w), 0);
    judged(w, RECEIPT("2", SMS_ONLY));
    admit(w);
    assert_int_equal(counted(w), 1);
    ends(w, &w->ready, OUTCOME(FAILED), false);
    assert_int_equal(counted(w), 0);
}

static void one_leg_that_went_counts(void **state)
{
    struct admit_world *w = *state;
    caps(w, "1");
    judged(w, RECEIPT("1", BOTH CUSTOMER));
    admit(w);
    struct list one = {0};
    list_push(&one, list_pop(&w->ready));
    ends(w, &one, OUTCOME(SENT), false);
    ends(w, &w->ready, OUTCOME(FAILED), false);
    assert_int_equal(counted(w), 1);
}

static void a_refusal_by_state_does_not_count(void **state)
{
    struct admit_world *w = *state;
    caps(w, "1");
    put_recipient(w, "*", "c", "{\"blocked\":true}");
    judged(w, RECEIPT("1", BOTH CUSTOMER));
    admit(w);
    assert_int_equal(w->done.count, 2);
    ends(w, &w->done, OUTCOME(SUPPRESSED), false);
    assert_int_equal(counted(w), 0);
}

static void a_refusal_in_the_same_round_trip_does_not_count(void **state)
{
    struct admit_world *w = *state;
    caps(w, "1");
    put_recipient(w, "t", NUMBER, "{\"opted_out\":true}");
    judged(w, RECEIPT("1", SMS_ONLY CUSTOMER));
    judged(w, RECEIPT("2", BOTH CUSTOMER ",\"channel\":\"email\""));
    admit(w);
    assert_int_equal(w->again.count, 1);
    assert_int_equal(w->done.count, 1); /* whose outcome nobody has acknowledged yet */
    admit_again(w);
    assert_int_equal(w->ready.count, 1);
}

static void a_record_read_again_counts_once_and_for_when_it_went(void **state)
{
    struct admit_world *w = *state;
    caps(w, "1");
    struct event *event = judged(w, RECEIPT("1", SMS_ONLY CUSTOMER));
    admit(w);
    set_claim(w, event, SMS, NUMBER, CLAIM_SENT, event->own, NOW_MS, "SM1");
    ends(w, &w->ready, OUTCOME(SENT), false);
    judged(w, RECEIPT("1", SMS_ONLY CUSTOMER));
    admit(w);
    assert_int_equal(w->done.count, 1);
    ends(w, &w->done, OUTCOME(SENT), true);
    assert_int_equal(counted(w), 1);
}

static void a_replay_outside_its_window_leaves_no_count(void **state)
{
    struct admit_world *w = *state;
    caps(w, "1");
    struct event *event = judged(w, RECEIPT("1", SMS_ONLY CUSTOMER));
    set_claim(w, event, SMS, NUMBER, CLAIM_SENT, event->own, NOW_MS, "SM1");
    admit(w);
    assert_int_equal(w->done.count, 1);
    assert_int_equal(counted(w), 1);
    ends(w, &w->done, OUTCOME(SENT), true);
    assert_int_equal(counted(w), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_announced_reminder_collapses_the_additional_one),
        TEST(reminders_of_different_minutes_do_not_meet),
        TEST(a_resend_is_not_collapsed),
        TEST(a_reminder_collapses_where_the_additional_one_was_sent),
        TEST(a_reminder_waits_for_an_additional_one_under_way),
        TEST(a_reminder_goes_where_the_additional_one_ended_otherwise),
        TEST(an_additional_one_that_a_reminder_overtook_goes_no_more),
        TEST(a_reminder_read_again_still_looks_at_the_claim),
        TEST(the_cap_counts_events_of_a_customer_not_legs),
        TEST(without_a_customer_each_address_counts),
        TEST(other_classes_are_not_capped),
        TEST(what_did_not_go_is_taken_back),
        TEST(one_leg_that_went_counts),
        TEST(a_refusal_by_state_does_not_count),
        TEST(a_refusal_in_the_same_round_trip_does_not_count),
        TEST(a_record_read_again_counts_once_and_for_when_it_went),
        TEST(a_replay_outside_its_window_leaves_no_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
