/* Deferral records: where they go, what they say, when they count, and what comes back. */
#include "stage/settle_record.h"
#include "unit/settle_world.h"

#include <stdio.h>

#define HOUR_MS INT64_C(3600000)

/* An event's jobs wait, the e-mail apart: who has none. */
static struct event *waiting(struct world *w, const char *json)
{
    struct event *event = stage_judge(&w->stage, json);
    while (w->stage.refused.count > 0)
        list_pop(&w->stage.refused);
    for (struct list_node *n = w->stage.judged.first; n; n = n->next)
        job_wait(&w->stage.jobs, job_of(n), WAIT_DUE_LATER);
    return event;
}

static void defer(struct world *w, struct job *job, enum reason reason, int64_t due_ms)
{
    struct list later = {0};
    if (job->node.owner)
        list_remove(&w->stage.judged, &job->node);
    job->defer.reason = reason;
    job->defer.due_ms = due_ms;
    list_push(&later, &job->node);
    settle_defer(&w->settle, &later, NOW_MS);
}

static void take(struct world *w)
{
    settle_take(&w->settle, NOW_MS + 9, &w->told, &w->back);
}

static const char event_json[] =
    STAGE_EVENT("e1", "\"due_at\":\"2026-11-24T18:00:00Z\"," STAGE_SMS);

static struct deferral read_put(const struct fake_put *p)
{
    struct deferral d;
    struct bytes wrong;
    if (deferral_decode(p->headers, p->header_count, &d, &wrong) != ERR_OK)
        fail_msg("%.*s", (int)wrong.size, wrong.at);
    return d;
}

static void an_event_that_was_not_judged_goes_whole_into_its_slot(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = stage_job(waiting(w, event_json));
    defer(w, job, REASON_NOT_DUE, NOW_MS + 6 * HOUR_MS);
    assert_int_equal(w->sink.put_count, 1);
    const struct fake_put *p = &w->sink.puts[0];
    assert_int_equal(p->topic, RING);
    assert_int_equal(p->partition,
                     ring_partition(&w->ring.plan.ring, NOW_MS + 6 * HOUR_MS, BYTES("e1")));
    assert_string_equal(p->key, "e1#1");
    assert_string_equal(p->value, event_json);
    struct deferral d = read_put(p);
    assert_int_equal(d.due_ms, NOW_MS + 6 * HOUR_MS);
    assert_int_equal(d.seq, 1);
    assert_int_equal(d.reason, REASON_NOT_DUE);
    assert_true(bytes_equal(d.origin.topic, BYTES("carillon.events")));
    assert_int_equal(d.origin.partition, 3);
    assert_int_equal(d.origin.offset, 7);
    assert_int_equal(d.timestamp_ms, NOW_MS);
    assert_int_equal(d.leg_count, 0);
    assert_int_equal(d.ring.slots, 96);
    assert_int_equal(d.expires_ms, job->event->judged.expires_ms);
    world_close(w);
}

static void it_is_over_when_kafka_acknowledged_it_before_its_slot_s_end(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = stage_job(waiting(w, event_json));
    defer(w, job, REASON_NOT_DUE, NOW_MS + 6 * HOUR_MS);
    take(w);
    assert_int_equal(w->told.count + w->back.count, 0);
    fake_report(&w->sink, 0, ERR_OK);
    w->clock.now_ms = NOW_MS + 6 * HOUR_MS + SLOT_MS - 1;
    take(w);
    assert_ptr_equal(list_pop(&w->told), &job->node);
    assert_int_equal(metric_get(&w->metrics, METRIC_DEFERRED, REASON_NOT_DUE, 0), 1);
    assert_int_equal(metric_get(&w->metrics, METRIC_OUTCOMES, 0, 0), 0);
    assert_true(job_close(&w->stage.jobs, job));
    world_close(w);
}

static void void_again(struct world *w, struct job *job, int64_t wait_ms)
{
    take(w);
    assert_int_equal(w->told.count, 0);
    assert_ptr_equal(list_pop(&w->back), &job->node);
    assert_int_equal(job->state, JOB_WAITING);
    assert_int_equal(job->defer.reason, REASON_NONE);
    assert_int_equal(job->defer.not_before_ms, w->clock.now_ms + wait_ms);
    assert_int_equal(w->settle.out.count + w->settle.unsent.count, 0);
}

/* Also while the clock is held: it may be later than it seems. */
static void one_that_does_not_count_goes_on_in_memory_for_longer_each_time(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = stage_job(waiting(w, event_json));
    defer(w, job, REASON_NOT_DUE, NOW_MS + 6 * HOUR_MS);
    fake_report(&w->sink, 0, ERR_OK);
    w->clock.now_ms = NOW_MS + 6 * HOUR_MS + SLOT_MS;
    void_again(w, job, 5000);
    w->clock.now_ms = NOW_MS;
    defer(w, job, REASON_NOT_DUE, NOW_MS + 6 * HOUR_MS);
    fake_report(&w->sink, 1, ERR_OK);
    w->clock.held = true;
    void_again(w, job, 10000);
    w->clock.held = false;
    defer(w, job, REASON_NOT_DUE, NOW_MS + 6 * HOUR_MS);
    fake_report(&w->sink, 2, ERR_TIMEOUT);
    void_again(w, job, 20000);
    assert_int_equal(metric_get(&w->metrics, METRIC_DEFERRALS_VOID, 0, 0), 3);
    assert_int_equal(metric_get(&w->metrics, METRIC_DEFERRED, REASON_NOT_DUE, 0), 0);
    world_close(w);
}

static void what_lies_beyond_the_ring_goes_to_its_day_and_says_when_it_is_due(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = stage_job(waiting(w, event_json));
    int64_t due_ms = NOW_MS + 10 * TIME_DAY_MS;
    defer(w, job, REASON_QUIET_HOURS, due_ms);
    struct deferral d = read_put(&w->sink.puts[0]);
    assert_int_equal(w->sink.puts[0].topic, FAR);
    assert_int_equal(d.due_ms, due_ms);
    assert_int_equal(d.event_due_ms, due_ms);
    assert_int_equal(d.ring.slots, 0);
    fake_report(&w->sink, 0, ERR_TIMEOUT);
    take(w);
    list_pop(&w->back);
    due_ms = NOW_MS + 100 * TIME_DAY_MS;
    defer(w, job, REASON_NOT_DUE, due_ms);
    d = read_put(&w->sink.puts[1]); /* parked */
    assert_true(d.due_ms < NOW_MS + 31 * TIME_DAY_MS);
    assert_int_equal(d.event_due_ms, due_ms);
    world_close(w);
}

static void a_far_record_does_not_go_to_the_day_in_which_it_is_read(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct event *event = waiting(w, event_json);
    struct job *job = stage_job(event);
    struct ring far = ring_far(4);
    int64_t due_ms = NOW_MS + 3 * TIME_DAY_MS;
    event->far_day = ring_slot_of(&far, due_ms);
    defer(w, job, REASON_NOT_DUE, due_ms);
    assert_int_equal(w->sink.put_count, 0);
    take(w);
    assert_ptr_equal(list_pop(&w->back), &job->node);
    assert_int_equal(job->defer.not_before_ms, ring_admits_from_ms(&w->ring.plan.ring, due_ms));
    w->clock.now_ms = job->defer.not_before_ms;
    defer(w, job, REASON_NOT_DUE, due_ms);
    assert_int_equal(w->sink.puts[0].topic, RING);
    world_close(w);
}

static void what_is_due_too_soon_for_any_ring_or_has_no_open_one_stays(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = stage_job(waiting(w, event_json));
    defer(w, job, REASON_RETRY, NOW_MS + 1999);
    take(w);
    assert_ptr_equal(list_pop(&w->back), &job->node);
    assert_int_equal(job->defer.not_before_ms, NOW_MS + 1999);
    w->ring.open = false;
    defer(w, job, REASON_RETRY, NOW_MS + 60000);
    take(w);
    assert_ptr_equal(list_pop(&w->back), &job->node);
    assert_int_equal(w->sink.put_count, 0);
    world_close(w);
}

static void what_is_too_large_stays_for_good(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = stage_job(waiting(w, event_json));
    w->sink.large = 10;
    defer(w, job, REASON_NOT_DUE, NOW_MS + 6 * HOUR_MS);
    take(w);
    assert_ptr_equal(list_pop(&w->back), &job->node);
    assert_int_equal(job->defer.not_before_ms, INT64_MAX);
    w->sink.large = 0;
    job->defer.not_before_ms = 0;
    defer(w, job, REASON_NOT_DUE, NOW_MS + 6 * HOUR_MS);
    fake_report(&w->sink, 0, ERR_TOO_LARGE); /* says the broker */
    take(w);
    assert_ptr_equal(list_pop(&w->back), &job->node);
    assert_int_equal(job->defer.not_before_ms, INT64_MAX);
    world_close(w);
}

#define BOTH "\"recipient\":{\"sms\":\"+33612345678\",\"email\":\"ann@example.com\"}"

static void one_leg_of_several_is_named_and_goes_without_the_others(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct event *event = waiting(w, STAGE_EVENT("e1", BOTH));
    assert_int_equal(event->jobs_open, 2);
    struct job *sms = stage_job(event);
    struct route route = {.name = "sms-fr"};
    sms->route = &route;
    sms->claim_ready = true;
    sms->claim.state = CLAIM_RELEASED;
    sms->claim.attempts = 2;
    defer(w, sms, REASON_BREAKER, NOW_MS + 60000);
    const struct fake_put *p = &w->sink.puts[0];
    struct deferral d = read_put(p);
    assert_int_equal(d.leg_count, 1);
    assert_true(
        deferral_is_leg(&d.legs[0], CARILLON__V1__CHANNEL__CHANNEL_SMS, BYTES("+33612345678")));
    assert_false(
        deferral_is_leg(&d.legs[0], CARILLON__V1__CHANNEL__CHANNEL_EMAIL, BYTES("+33612345678")));
    assert_int_equal(d.attempts, 2);
    assert_true(bytes_equal(d.route, BYTES("sms-fr")));
    assert_int_equal(d.segments, 1);
    struct deferral_key key;
    assert_int_equal(deferral_parse_key(bytes_of(p->key), &key), ERR_OK);
    assert_true(key.has_leg);
    fake_report(&w->sink, 0, ERR_OK);
    take(w);
    assert_ptr_equal(list_pop(&w->told), &sms->node);
    assert_false(job_close(&w->stage.jobs, sms)); /* the e-mail is still to go */
    world_close(w);
}

/* What is produced is read back as hand would, hop after hop. */
static struct event *fire(struct world *w, const struct fake_put *p)
{
    const struct record record = {.key = bytes_of(p->key),
                                  .value = {p->value, p->value_size},
                                  .headers = p->headers,
                                  .header_count = p->header_count,
                                  .timestamp_ms = NOW_MS + 5};
    struct event *event = stage_record(&w->stage, &record);
    event->from_ring = true;
    event->origin = (struct claim_origin){BYTES("carillon.deferred.1"), 9, 99};
    stage_decode(&w->stage, event);
    assert_int_equal(w->stage.decoded.count, 1);
    event->judged.tenant = &tenant_none;
    judge_all(&w->stage.judging, w->stage.now, &w->stage.decoded, &w->stage.judged,
              &w->stage.refused);
    return event;
}

static void a_further_hop_keeps_headers_origin_and_legs_and_counts_one_up(void **state)
{
    (void)state;
    struct world *w = world_open();
    const struct record_header headers[] = {{BYTES("traceparent"), BYTES("00-1-2-00")},
                                            {BYTES("Carillon-Seq"), BYTES("nonsense")}};
    const struct record record = {.key = BYTES("t/r"),
                                  .value = BYTES(STAGE_EVENT("e1", BOTH)),
                                  .headers = headers,
                                  .header_count = 2,
                                  .timestamp_ms = NOW_MS - 777};
    struct event *event = stage_record(&w->stage, &record);
    stage_decode(&w->stage, event);
    event->judged.tenant = &tenant_none;
    judge_all(&w->stage.judging, w->stage.now, &w->stage.decoded, &w->stage.judged,
              &w->stage.refused);
    struct bytes own = event->own;
    struct job *sms = stage_job(event);
    job_wait(&w->stage.jobs, sms, WAIT_SLOT);
    defer(w, sms, REASON_RATE, NOW_MS + 60000);
    list_pop(&w->stage.judged); /* the e-mail */

    struct event *second = fire(w, &w->sink.puts[0]);
    assert_true(bytes_equal(second->own, own));
    assert_int_equal(second->jobs_open, 1);
    assert_int_equal(second->judged.leg_count, 1);
    assert_int_equal(second->judged.record_ms, NOW_MS - 777);
    struct job *again = stage_job(second);
    assert_ptr_equal(list_pop(&w->stage.judged), &again->node);
    job_wait(&w->stage.jobs, again, WAIT_SLOT);
    defer(w, again, REASON_RATE, NOW_MS + 60000);
    const struct fake_put *first = &w->sink.puts[0], *p = &w->sink.puts[1];
    struct deferral d = read_put(p);
    assert_int_equal(d.seq, 2);
    assert_int_equal(d.leg_count, 1);
    assert_int_equal(d.timestamp_ms, NOW_MS - 777);
    assert_int_equal(d.origin.offset, 7);
    assert_true(bytes_equal(fake_header(p, "traceparent"), BYTES("00-1-2-00")));
    assert_int_equal(p->header_count, first->header_count);
    struct deferral_key key;
    assert_int_equal(deferral_parse_key(bytes_of(p->key), &key), ERR_OK);
    assert_true(key.has_leg);
    assert_int_equal(key.seq, 2);
    world_close(w);
}

static void a_full_sink_is_tried_again(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = stage_job(waiting(w, event_json));
    w->sink.room = 0;
    defer(w, job, REASON_NOT_DUE, NOW_MS + 6 * HOUR_MS);
    assert_int_equal(settle_pending(&w->settle), 1);
    w->sink.room = 1;
    take(w);
    assert_int_equal(w->sink.put_count, 1);
    assert_int_equal(w->back.count, 0);
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_that_was_not_judged_goes_whole_into_its_slot),
        cmocka_unit_test(it_is_over_when_kafka_acknowledged_it_before_its_slot_s_end),
        cmocka_unit_test(one_that_does_not_count_goes_on_in_memory_for_longer_each_time),
        cmocka_unit_test(what_lies_beyond_the_ring_goes_to_its_day_and_says_when_it_is_due),
        cmocka_unit_test(a_far_record_does_not_go_to_the_day_in_which_it_is_read),
        cmocka_unit_test(what_is_due_too_soon_for_any_ring_or_has_no_open_one_stays),
        cmocka_unit_test(what_is_too_large_stays_for_good),
        cmocka_unit_test(one_leg_of_several_is_named_and_goes_without_the_others),
        cmocka_unit_test(a_further_hop_keeps_headers_origin_and_legs_and_counts_one_up),
        cmocka_unit_test(a_full_sink_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
