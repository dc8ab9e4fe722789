#include "unit/stage_world.h"

#include <stdio.h>

#define BOTH                                                                                   \
    "\"recipient\":{\"sms\":\"+33612345678\",\"email\":\"ann@example.com\",\"zone\":\"Europe/" \
    "Paris\"}"
#define REMINDER(more)                                               \
    "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"reminder\"," \
    "\"booking\":{\"booking_id\":\"b\",\"starts_at\":\"2026-11-26T14:00:00Z\"}," more "}"
#define AT_15 "\"due_at\":\"2026-11-24T15:00:00Z\"," /* 16:00 in Paris */
#define AT_23 "\"due_at\":\"2026-11-24T23:00:00Z\"," /* midnight in Paris: quiet until 05:00Z */
#define HOUR_MS INT64_C(3600000)

static void move_clock(struct stage_world *w, int64_t ms)
{
    w->now.ms += ms;
    w->now.ns += (uint64_t)ms * MS_NS;
}

/* The one job that waits, taken out of `judged`. */
static struct job *waiting(struct stage_world *w)
{
    assert_int_equal(w->judged.count, 1);
    assert_int_equal(w->refused.count, 0);
    return job_of(list_pop(&w->judged));
}

/* What the shard does when a whole event's time has come. */
static void judge_whole_again(struct stage_world *w, struct event *event)
{
    list_push(&w->decoded, &event->node);
    judge_all(&w->judging, w->now, &w->decoded, &w->judged, &w->refused);
}

static uint64_t ns_from_now(const struct stage_world *w, int64_t ms)
{
    return w->now.ns + (uint64_t)ms * MS_NS;
}

static void a_due_event_becomes_a_job_per_leg(void **state)
{
    (void)state;
    struct stage_world w;
    stage_open(&w, 8);
    struct event *event = stage_judge(&w, REMINDER(BOTH));
    assert_int_equal(w.judged.count, 2);
    assert_int_equal(event->jobs_open, 2);
    assert_int_equal(w.jobs.opened, 2);
    assert_true(event->planned);
    for (struct list_node *n = w.judged.first; n; n = n->next) {
        assert_int_equal(job_of(n)->state, JOB_JUDGED);
        assert_int_equal(job_of(n)->due_ns, w.now.ns);
        assert_false(job_of(n)->judge_again);
        assert_non_null(job_of(n)->leg);
    }
    stage_close(&w);
}

static void an_event_due_later_waits_as_one_job_and_is_judged_anew(void **state)
{
    (void)state;
    struct stage_world w;
    stage_open(&w, 8);
    struct event *event = stage_judge(&w, REMINDER(AT_15 BOTH));
    struct job *job = waiting(&w);
    assert_int_equal(event->jobs_open, 1);
    assert_null(job->leg);
    assert_true(job->judge_again);
    assert_int_equal(job->wait, WAIT_DUE_LATER);
    assert_int_equal(job->due_ns, ns_from_now(&w, 3 * HOUR_MS));
    move_clock(&w, 3 * HOUR_MS);
    judge_whole_again(&w, event);
    assert_int_equal(w.judged.count, 2);
    assert_int_equal(w.refused.count, 0);
    stage_close(&w);
}

static void judging_anew_does_not_use_up_the_event_s_memory(void **state)
{
    (void)state;
    struct stage_world w;
    stage_open(&w, 8);
    struct event *event = stage_judge(&w, REMINDER(AT_15 BOTH));
    waiting(&w);
    size_t used = event->arena.used;
    for (int i = 0; i < 1000; i++) {
        judge_whole_again(&w, event);
        waiting(&w);
    }
    assert_int_equal(event->arena.used, used);
    stage_close(&w);
}

static void what_time_may_change_is_not_refused_before_it_is_due(void **state)
{
    (void)state;
    struct stage_world w;
    stage_open(&w, 8);
    /* C1: the profile may be completed until then. */
    struct event *event = stage_judge(
        &w, REMINDER(AT_15 "\"recipient\":{\"zone\":\"Europe/Paris\",\"preference\":\"none\"}"));
    struct job *job = waiting(&w);
    assert_int_equal(job->due_ns, ns_from_now(&w, 3 * HOUR_MS));
    assert_int_equal(job->end.outcome, CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_UNSPECIFIED);
    move_clock(&w, 3 * HOUR_MS);
    judge_whole_again(&w, event);
    assert_int_equal(w.judged.count, 0);
    assert_true(w.refused.count >= 1);
    assert_int_equal(job_of(w.refused.first)->end.reason, REASON_PREFERENCE_NONE);
    stage_close(&w);
}

static void what_time_cannot_change_is_refused_at_once(void **state)
{
    (void)state;
    struct stage_world w;
    stage_open(&w, 8);
    struct event *event = stage_judge(&w, REMINDER(AT_15 "\"customer_id\":\"c\""));
    assert_int_equal(w.judged.count, 0);
    assert_int_equal(w.refused.count, 1);
    const struct job *job = stage_job(event);
    assert_int_equal(job->end.outcome, CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_DEAD);
    assert_string_equal(job->end.detail, "recipient");
    assert_true(job->end.dead_letter);
    assert_null(job->leg);
    stage_close(&w);
}

static void what_will_be_over_before_it_is_due_is_refused_at_once(void **state)
{
    (void)state;
    struct stage_world w;
    stage_open(&w, 8);
    struct event *event =
        stage_judge(&w, REMINDER(AT_15 "\"expires_at\":\"2026-11-24T14:00:00Z\"," BOTH));
    assert_int_equal(w.judged.count, 0);
    assert_int_equal(w.refused.count, 1);
    assert_int_equal(stage_job(event)->end.outcome,
                     CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_EXPIRED);
    assert_int_equal(stage_job(event)->end.reason, REASON_TOO_LATE);
    stage_close(&w);
}

static void a_refused_leg_waits_with_the_others_for_their_time(void **state)
{
    (void)state;
    struct stage_world w;
    stage_open(&w, 8);
    struct event *event =
        stage_judge(&w, REMINDER(AT_15 "\"recipient\":{\"sms\":\"+33612345678\"}"));
    waiting(&w); /* no e-mail: told with the text message, not before */
    move_clock(&w, 3 * HOUR_MS);
    judge_whole_again(&w, event);
    assert_int_equal(w.judged.count, 1);
    assert_int_equal(w.refused.count, 1);
    assert_int_equal(job_of(w.refused.first)->end.reason, REASON_CONTACT_MISSING);
    assert_false(job_of(w.refused.first)->end.dead_letter);
    stage_close(&w);
}

/* Q10: each leg has its own place in the minute after the window, always the same. */
static void what_waited_for_a_window_s_end_is_spread_over_the_smear(void **state)
{
    (void)state;
    struct stage_world w;
    stage_open(&w, 200);
    uint64_t first = UINT64_MAX, last = 0;
    const uint64_t end_ns = ns_from_now(&w, 17 * HOUR_MS); /* 05:00Z is 06:00 in Paris */
    for (int i = 0; i < 100; i++) {
        char json[600];
        int size = snprintf(json, sizeof json,
                            REMINDER(AT_23 "\"recipient\":{\"sms\":\"+336123456%02d\","
                                           "\"zone\":\"Europe/Paris\"}"),
                            i);
        assert_true(size > 0 && (size_t)size < sizeof json);
        struct event *event = stage_judge(&w, json);
        struct job *job = waiting(&w);
        assert_int_equal(job->wait, WAIT_QUIET_HOURS);
        assert_true(job->due_ns >= end_ns);
        assert_true(job->due_ns < end_ns + 60000 * MS_NS);
        first = u64_min(first, job->due_ns);
        last = u64_max(last, job->due_ns);
        uint64_t due_ns = job->due_ns;
        move_clock(&w, 1000);
        judge_whole_again(&w, event);
        assert_int_equal(waiting(&w)->due_ns, due_ns);
        const struct judge_now then = w.now;
        move_clock(&w, (int64_t)((due_ns - w.now.ns) / MS_NS) + 5000);
        int64_t place_ms = w.now.ms - 5000; /* lateness counts from it */
        judge_whole_again(&w, event);
        while (list_pop(&w.refused)) /* it has no e-mail address */
            continue;
        assert_int_equal(waiting(&w)->wanted_ms, place_ms);
        w.now = then;
        move_clock(&w, -1000);
    }
    assert_true(last - first > 40000 * MS_NS);
    stage_close(&w);
}

static void a_smear_never_reaches_the_expiry(void **state)
{
    (void)state;
    struct stage_world w;
    stage_open(&w, 8);
    const uint64_t end_ns = ns_from_now(&w, 17 * HOUR_MS);
    stage_judge(&w, REMINDER(AT_23 "\"expires_at\":\"2026-11-25T05:00:02Z\"," BOTH));
    struct job *job = waiting(&w);
    assert_true(job->due_ns >= end_ns && job->due_ns < end_ns + 1000 * MS_NS);
    stage_close(&w);
}

static struct tenant *compiled(Carillon__V1__Tenant *settings)
{
    static char id[] = "t";
    settings->tenant_id = id;
    settings->has_verified = settings->verified = true;
    struct tenant *tenant = tenant_compile(settings);
    assert_non_null(tenant);
    return tenant;
}

static void a_conversation_stays_one_candidate_until_the_state_is_read(void **state)
{
    (void)state;
    struct stage_world w;
    stage_open(&w, 8);
    struct event *event = stage_event(
        &w, "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"direct_message\",\"author\":"
            "{\"role\":\"owner\"},\"content\":{\"text\":\"Hi\"}," BOTH "}");
    Carillon__V1__Tenant settings;
    carillon__v1__tenant__init(&settings);
    struct tenant *tenant = compiled(&settings);
    event->judged.tenant = tenant;
    judge_all(&w.judging, w.now, &w.decoded, &w.judged, &w.refused);
    assert_int_equal(w.judged.count, 1);
    assert_int_equal(event->jobs_open, 1);
    assert_null(stage_job(event)->leg);
    assert_true(event->judged.pick_one);
    assert_true(event->planned);
    assert_false(stage_job(event)->judge_again);
    tenant_release(tenant);
    stage_close(&w);
}

static void an_event_without_room_for_its_legs_waits_a_moment(void **state)
{
    (void)state;
    struct stage_world w;
    stage_open(&w, 1);
    struct event *event = stage_judge(&w, REMINDER(BOTH));
    struct job *job = waiting(&w);
    assert_true(job->judge_again);
    assert_true(job->due_ns > w.now.ns && job->due_ns < w.now.ns + 100 * MS_NS);
    assert_false(event->planned);
    stage_close(&w);
}

/* The job of the event's text message, with its time come again. */
static struct job *planned_leg(struct stage_world *w)
{
    struct event *event = stage_judge(w, REMINDER(BOTH));
    assert_int_equal(w->judged.count, 2);
    struct job *job = stage_job(event);
    assert_int_equal(job->leg->channel, CARILLON__V1__CHANNEL__CHANNEL_SMS);
    while (list_pop(&w->judged))
        continue;
    return job;
}

static void a_planned_leg_is_judged_alone(void **state)
{
    (void)state;
    struct stage_world w;
    stage_open(&w, 8);
    struct job *job = planned_leg(&w);
    move_clock(&w, 1000);
    judge_leg_again(&w.judging, w.now, job, &w.judged, &w.refused);
    assert_int_equal(w.judged.count, 1);
    assert_int_equal(job->due_ns, w.now.ns);
    assert_int_equal(job->event->jobs_open, 2);
    stage_close(&w);
}

static void a_planned_leg_that_now_falls_into_a_window_waits_for_its_end(void **state)
{
    (void)state;
    struct stage_world w;
    stage_open(&w, 8);
    struct job *job = planned_leg(&w);
    move_clock(&w, 10 * HOUR_MS); /* 23:00 in Paris */
    judge_leg_again(&w.judging, w.now, job, &w.judged, &w.refused);
    assert_ptr_equal(waiting(&w), job);
    assert_int_equal(job->wait, WAIT_QUIET_HOURS);
    assert_true(job->judge_again);
    assert_true(job->due_ns >= ns_from_now(&w, 7 * HOUR_MS));
    stage_close(&w);
}

static void a_planned_leg_of_an_event_that_is_over_tells_it_with_its_channel(void **state)
{
    (void)state;
    struct stage_world w;
    stage_open(&w, 8);
    struct job *job = planned_leg(&w);
    move_clock(&w, 50 * HOUR_MS);
    judge_leg_again(&w.judging, w.now, job, &w.judged, &w.refused);
    assert_int_equal(w.refused.count, 1);
    assert_int_equal(job->end.outcome, CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_EXPIRED);
    assert_int_equal(job->end.reason, REASON_TOO_LATE);
    assert_int_equal(job->leg->channel, CARILLON__V1__CHANNEL__CHANNEL_SMS);
    assert_true(job->leg->address.size > 0);
    stage_close(&w);
}

static void a_planned_leg_whose_channel_was_turned_off_is_refused_by_its_gate(void **state)
{
    (void)state;
    struct stage_world w;
    stage_open(&w, 8);
    struct job *job = planned_leg(&w);
    Carillon__V1__KindSwitch off, *kinds[] = {&off};
    carillon__v1__kind_switch__init(&off);
    off.has_kind = off.has_sms = true;
    off.kind = CARILLON__V1__KIND__KIND_REMINDER;
    Carillon__V1__Tenant settings;
    carillon__v1__tenant__init(&settings);
    settings.n_kinds = 1;
    settings.kinds = kinds;
    struct tenant *tenant = compiled(&settings);
    job->event->judged.tenant = tenant;
    judge_leg_again(&w.judging, w.now, job, &w.judged, &w.refused);
    assert_int_equal(w.refused.count, 1);
    assert_int_equal(job->end.outcome, CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_SUPPRESSED);
    assert_int_equal(job->end.reason, REASON_KIND_DISABLED);
    assert_int_equal(job->leg->refused_by, JUDGE_G11);
    tenant_release(tenant);
    stage_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_due_event_becomes_a_job_per_leg),
        cmocka_unit_test(an_event_due_later_waits_as_one_job_and_is_judged_anew),
        cmocka_unit_test(judging_anew_does_not_use_up_the_event_s_memory),
        cmocka_unit_test(what_time_may_change_is_not_refused_before_it_is_due),
        cmocka_unit_test(what_time_cannot_change_is_refused_at_once),
        cmocka_unit_test(what_will_be_over_before_it_is_due_is_refused_at_once),
        cmocka_unit_test(a_refused_leg_waits_with_the_others_for_their_time),
        cmocka_unit_test(what_waited_for_a_window_s_end_is_spread_over_the_smear),
        cmocka_unit_test(a_smear_never_reaches_the_expiry),
        cmocka_unit_test(a_conversation_stays_one_candidate_until_the_state_is_read),
        cmocka_unit_test(an_event_without_room_for_its_legs_waits_a_moment),
        cmocka_unit_test(a_planned_leg_is_judged_alone),
        cmocka_unit_test(a_planned_leg_that_now_falls_into_a_window_waits_for_its_end),
        cmocka_unit_test(a_planned_leg_of_an_event_that_is_over_tells_it_with_its_channel),
        cmocka_unit_test(a_planned_leg_whose_channel_was_turned_off_is_refused_by_its_gate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
