/* Stand-ins: what a call that is out for long leaves in the ring, and what follows. */
#include "stage/settle_record.h"
#include "unit/settle_world.h"

#define LEASE_MS INT64_C(13000)

static char no_call; /* whose place is all that counts */

/* A leg whose call is out: its job is in no list. */
static struct job *out_now(struct world *w, const char *json)
{
    struct event *event = stage_judge(&w->stage, json);
    while (w->stage.refused.count > 0)
        list_pop(&w->stage.refused);
    struct list *judged = &w->stage.judged;
    for (struct list_node *n = list_pop(judged); n; n = list_pop(judged)) {
        struct job *job = job_of(n);
        job_enter(&w->stage.jobs, job, JOB_ADMITTING);
        job_enter(&w->stage.jobs, job, JOB_SENDING);
        job->call = (struct call *)&no_call;
    }
    for (struct list_node *n = event->jobs.first; n;) { /* the refused ones */
        struct job *job = job_of_sibling(n);
        n = n->next;
        if (!job->call)
            assert_false(job_close(&w->stage.jobs, job));
    }
    return stage_job(event);
}

static void stand_in(struct world *w, struct job *job)
{
    settle_put_stand_in(&w->settle, job, NOW_MS + LEASE_MS);
}

static struct job *take(struct world *w)
{
    settle_take(&w->settle, NOW_MS + 9, &w->told, &w->back);
    return settle_take_stand_in(&w->settle);
}

static const char text[] = STAGE_EVENT("e1", STAGE_SMS);
static const char both[] =
    STAGE_EVENT("e2", "\"recipient\":{\"sms\":\"+33612345678\",\"email\":\"a@example.com\"}");

static void a_call_that_is_out_for_long_leaves_a_record_of_its_leg_and_goes_on(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = out_now(w, text);
    stand_in(w, job);
    assert_int_equal(w->sink.put_count, 1);
    assert_int_equal(w->sink.puts[0].topic, RING);
    assert_string_equal(w->sink.puts[0].value, text);
    struct deferral d;
    struct bytes wrong;
    assert_int_equal(
        deferral_decode(w->sink.puts[0].headers, w->sink.puts[0].header_count, &d, &wrong), ERR_OK);
    assert_int_equal(d.due_ms, NOW_MS + LEASE_MS);
    assert_int_equal(d.reason, REASON_RETRY);
    assert_int_equal(d.leg_count, 1);
    assert_int_equal(job->state, JOB_SENDING);
    assert_int_equal(job->defer.reason, REASON_NONE);
    assert_int_equal(job->stand_in, STAND_IN_OUT);
    world_close(w);
}

static void once_it_counts_the_offset_is_complete_and_the_job_still_tells_its_end(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = out_now(w, text);
    stand_in(w, job);
    assert_null(take(w));
    fake_report(&w->sink, 0, ERR_OK);
    assert_ptr_equal(take(w), job);
    assert_false(event_stands(job->event));
    job_stand(job);
    assert_true(event_stands(job->event));
    assert_int_equal(jobs_oldest_ms(&w->stage.jobs), NOW_MS);
    event_completed(&w->stage.jobs, job->event);
    assert_false(event_stands(job->event)); /* not twice */
    assert_int_equal(jobs_oldest_ms(&w->stage.jobs), INT64_MAX);
    job->call = NULL;
    job->end.outcome = CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_SENT;
    struct list ended = {0};
    list_push(&ended, &job->node);
    settle_enter(&w->settle, &ended);
    settle_put(&w->settle, &ended, NOW_MS);
    assert_int_equal(w->sink.puts[1].topic, OUTCOMES);
    fake_report(&w->sink, 1, ERR_OK);
    assert_null(take(w));
    assert_ptr_equal(list_pop(&w->told), &job->node);
    assert_int_equal(metric_get(&w->metrics, METRIC_DEFERRED, REASON_RETRY, 0), 0);
    world_close(w);
}

static void one_that_is_acknowledged_too_late_or_refused_does_not_count(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct world *w = world_open();
        struct job *job = out_now(w, text);
        stand_in(w, job);
        fake_report(&w->sink, 0, i == 0 ? ERR_RESET : ERR_OK);
        w->clock.now_ms += i == 1 ? SLOT_MS : 0;
        w->clock.held = i == 2;
        assert_null(take(w));
        assert_int_equal(job->stand_in, STAND_IN_VOID);
        assert_false(event_stands(job->event));
        assert_int_equal(metric_get(&w->metrics, METRIC_DEFERRALS_VOID, 0, 0), 1);
        world_close(w);
    }
}

static void none_is_made_while_nothing_can_be_deferred(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = out_now(w, text);
    w->clock.held = true;
    stand_in(w, job);
    w->clock.held = false;
    w->ring.open = false;
    stand_in(w, job);
    w->ring.open = true;
    w->sink.room = 0;
    stand_in(w, job);
    assert_int_equal(job->stand_in, STAND_IN_NONE);
    assert_int_equal(w->sink.put_count, 0);
    world_close(w);
}

static void a_report_after_the_job_closed_is_nobody_s(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = out_now(w, text);
    stand_in(w, job);
    job->call = NULL;
    settle_forget_stand_in(&w->settle, job);
    struct event *event = job->event;
    assert_true(job_close(&w->stage.jobs, job));
    event_close(&w->stage.jobs, event);
    struct job *next = out_now(w, text); /* in the same place */
    assert_ptr_equal(next, job);
    stand_in(w, next);
    assert_int_equal(next->stand_in, STAND_IN_NONE); /* its place is taken till the report */
    fake_report(&w->sink, 0, ERR_OK);
    assert_null(take(w));
    stand_in(w, next);
    assert_int_equal(next->stand_in, STAND_IN_OUT);
    world_close(w);
}

static void an_event_stands_when_each_leg_that_is_open_has_one(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct event *event = out_now(w, both)->event;
    assert_int_equal(event->jobs_open, 2);
    struct job *one = stage_job(event), *two = job_of_sibling(event->jobs.first->next);
    job_stand(one);
    assert_false(event_stands(event));
    two->call = NULL;
    assert_false(job_close(&w->stage.jobs, two)); /* told */
    assert_true(event_stands(event));
    event->revoked = true; /* it is the next owner's */
    assert_false(event_stands(event));
    world_close(w);
}

static void a_job_that_leaves_the_rest_to_it_ends_as_deferred(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = out_now(w, text);
    stand_in(w, job);
    fake_report(&w->sink, 0, ERR_OK);
    job_stand(take(w));
    job->call = NULL;
    job_wait(&w->stage.jobs, job, WAIT_RETRY);
    struct list replaced = {0};
    list_push(&replaced, &job->node);
    settle_replaced(&w->settle, &replaced);
    assert_null(take(w));
    assert_ptr_equal(list_pop(&w->told), &job->node);
    assert_int_equal(metric_get(&w->metrics, METRIC_DEFERRED, REASON_RETRY, 0), 1);
    assert_int_equal(w->sink.put_count, 1); /* there is one already */
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_that_is_out_for_long_leaves_a_record_of_its_leg_and_goes_on),
        cmocka_unit_test(once_it_counts_the_offset_is_complete_and_the_job_still_tells_its_end),
        cmocka_unit_test(one_that_is_acknowledged_too_late_or_refused_does_not_count),
        cmocka_unit_test(none_is_made_while_nothing_can_be_deferred),
        cmocka_unit_test(a_report_after_the_job_closed_is_nobody_s),
        cmocka_unit_test(an_event_stands_when_each_leg_that_is_open_has_one),
        cmocka_unit_test(a_job_that_leaves_the_rest_to_it_ends_as_deferred),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
