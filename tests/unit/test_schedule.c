#include "unit/schedule_world.h"

/* What is due is sent: its slots are used. */
static void send_all(struct world *w)
{
    for (struct list_node *n = list_pop(&w->out.due); n; n = list_pop(&w->out.due)) {
        route_unpromise(job_of(n));
        slots_use(&w->limit.slots, 1);
    }
}

static int64_t redis_us(const struct world *w, int64_t later_us)
{
    return NOW_MS * 1000 + (int64_t)(w->now_ns - NOW_NS) / 1000 + later_us;
}

static void a_route_without_a_limit_releases_what_its_account_has_room_for(void **state)
{
    (void)state;
    struct world *w = world_open(false);
    for (int i = 0; i < 5; i++)
        put(w, TEXT("e"));
    take(w, 0);
    assert_int_equal(w->out.due.count, 3);
    assert_int_equal(w->account.promised, 3);
    assert_int_equal(w->route.queue[QUEUE_ON_TIME].count, 2);
    assert_int_equal(w->redis.count, 0);
    world_close(w);
}

static void nothing_is_released_without_slots_and_slots_are_asked_once(void **state)
{
    (void)state;
    struct world *w = world_open(true);
    for (int i = 0; i < 2; i++)
        put(w, TEXT("e"));
    take(w, 0);
    take(w, 5);
    assert_int_equal(w->out.due.count, 0);
    assert_int_equal(w->redis.count, 1);
    assert_string_equal(w->redis.commands[0].text,
                        "FCALL reserve 2 s1:{sms} s1:{sms}:cool 10000 2 50000 ");
    fake_answer_slots(&w->redis, 0, 2, redis_us(w, 3000));
    take(w, 0);
    assert_int_equal(w->out.due.count, 2);
    assert_int_equal(w->limit.promised, 2);
    assert_int_equal(w->limit.wanted, 0);
    /* Redis's time became ours. */
    assert_int_equal(slots_when_ns(&w->limit.slots, 1, w->now_ns), w->now_ns + 3 * MS_NS);
    assert_int_equal(metric_get(&w->metrics, METRIC_SLOTS_RESERVED, 0, 0), 2);
    world_close(w);
}

static void no_more_is_asked_than_the_next_moments_hold(void **state)
{
    (void)state;
    struct world *w = world_open(true);
    for (int i = 0; i < 20; i++)
        put(w, TEXT("e"));
    take(w, 0);
    assert_non_null(strstr(w->redis.commands[0].text, " 10000 6 50000 "));
    world_close(w);
}

static void a_promise_keeps_its_slot_from_the_next_leg(void **state)
{
    (void)state;
    struct world *w = world_open(true);
    put(w, TEXT("e1"));
    take(w, 0);
    fake_answer_slots(&w->redis, 0, 1, redis_us(w, 0));
    take(w, 0);
    assert_int_equal(w->out.due.count, 1);
    put(w, TEXT("e2"));
    take(w, 0);
    assert_int_equal(w->out.due.count, 1);
    assert_int_equal(w->redis.count, 2); /* one more is asked for */
    fake_answer_slots(&w->redis, 1, 1, redis_us(w, 10000));
    take(w, 0);
    assert_int_equal(w->out.due.count, 2);
    world_close(w);
}

static void a_promise_given_back_frees_its_slot(void **state)
{
    (void)state;
    struct world *w = world_open(true);
    put(w, TEXT("e1"));
    take(w, 0);
    fake_answer_slots(&w->redis, 0, 1, redis_us(w, 0));
    take(w, 0);
    struct job *job = job_of(list_pop(&w->out.due));
    struct list back = {0};
    job_enter(&w->stage.jobs, job, JOB_ADMITTING);
    list_push(&back, &job->node);
    schedule_put(&w->schedule, &back, &w->out);
    assert_int_equal(w->limit.promised, 0);
    assert_int_equal(w->limit.wanted, 1);
    take(w, 0);
    assert_int_equal(w->out.due.count, 1);
    assert_int_equal(w->redis.count, 1);
    world_close(w);
}

static void slots_that_pass_unused_are_asked_anew(void **state)
{
    (void)state;
    struct world *w = world_open(true);
    put(w, TEXT("e1"));
    take(w, 0);
    fake_answer_slots(&w->redis, 0, 1, redis_us(w, 0));
    take(w, 21);
    assert_int_equal(w->out.due.count, 0);
    assert_int_equal(w->redis.count, 2);
    world_close(w);
}

static void
slots_are_asked_ahead_of_jobs_that_come_steadily_and_no_longer_when_they_stop(void **state)
{
    (void)state;
    struct world *w = world_open(true);
    for (int i = 0; i < 2; i++)
        put(w, TEXT("e"));
    take(w, 0);
    fake_answer_slots(&w->redis, 0, 2, redis_us(w, 0));
    take(w, 1);
    assert_int_equal(w->out.due.count, 2);
    send_all(w);
    take(w, AHEAD_MS); /* the window in which two were taken has ended */
    assert_int_equal(w->redis.count, 2);
    fake_answer_slots(&w->redis, 1, 2, redis_us(w, 0));
    put(w, TEXT("e3"));
    take(w, 1); /* it finds its slot */
    assert_int_equal(w->out.due.count, 1);
    send_all(w);
    take(w, AHEAD_MS);
    take(w, AHEAD_MS);
    uint32_t asked = w->redis.count;
    take(w, AHEAD_MS);
    take(w, AHEAD_MS);
    assert_int_equal(w->redis.count, asked);
    world_close(w);
}

static void a_refused_reservation_is_asked_again_when_redis_says(void **state)
{
    (void)state;
    struct world *w = world_open(true);
    put(w, TEXT("e1"));
    take(w, 0);
    fake_answer_slots(&w->redis, 0, 0, 70000);
    assert_int_equal(metric_get(&w->metrics, METRIC_SLOT_REFUSALS, 0, 0), 1);
    assert_true(schedule_next_ns(&w->schedule) <= w->now_ns + 70 * MS_NS);
    take(w, 69);
    assert_int_equal(w->redis.count, 1);
    take(w, 1);
    assert_int_equal(w->redis.count, 2);
    world_close(w);
}

/* Our clock goes back slowly; slots are Redis's, and would all be over. */
static void while_our_clock_goes_back_slots_keep_their_time(void **state)
{
    (void)state;
    struct world *w = world_open(true);
    w->claims.gate.clock.offset_ns += 400 * (int64_t)MS_NS;
    w->claims.gate.clock.excess_ns = 400 * (int64_t)MS_NS;
    w->claims.gate.clock.slew_ns = w->now_ns;
    put(w, TEXT("e1"));
    take(w, 0);
    fake_answer_slots(&w->redis, 0, 1, redis_us(w, 3000));
    take(w, 1);
    assert_int_equal(w->out.due.count, 1);
    assert_int_equal(slots_when_ns(&w->limit.slots, 1, w->now_ns), w->now_ns + 2 * MS_NS);
    world_close(w);
}

static void an_answer_that_makes_no_sense_grants_nothing(void **state)
{
    (void)state;
    struct world *w = world_open(true);
    put(w, TEXT("e1"));
    take(w, 0);
    fake_answer(&w->redis, 0, NULL); /* lost */
    take(w, 51);
    assert_int_equal(w->redis.count, 2);
    const struct redis_reply error = {.type = REDIS_ERROR, .text = BYTES("ERR")};
    fake_answer(&w->redis, 1, &error);
    take(w, 51);
    fake_answer_slots(&w->redis, 2, INT64_MAX, redis_us(w, 0));
    take(w, 51);
    fake_answer_slots(&w->redis, 3, MOST + 1, redis_us(w, 0));
    take(w, 51);
    fake_answer_slots(&w->redis, 4, 1, 5);
    take(w, 51);
    /* Redis's clock went forward, and nobody knows yet: nothing may wait an hour for a slot */
    fake_answer_slots(&w->redis, 5, 1, redis_us(w, INT64_C(3600) * 1000000));
    take(w, 51);
    assert_int_equal(w->redis.count, 7);
    assert_int_equal(slots_left(&w->limit.slots), 0);
    assert_int_equal(w->out.due.count, 0);
    world_close(w);
}

static void nothing_is_asked_while_the_gate_is_shut_or_redis_is_away(void **state)
{
    (void)state;
    struct world *w = world_open(true);
    put(w, TEXT("e1"));
    fake_gate(&w->claims, false);
    take(w, 0);
    assert_true(schedule_next_ns(&w->schedule) > w->now_ns + 2 * MS_NS); /* no spinning */
    fake_gate(&w->claims, true);
    w->redis.away = true;
    take(w, 1);
    assert_int_equal(w->redis.count, 0);
    w->redis.away = false;
    take(w, 1);
    assert_int_equal(w->redis.count, 1);
    world_close(w);
}

static void a_closed_route_releases_nothing_and_asks_for_nothing(void **state)
{
    (void)state;
    struct world *w = world_open(true);
    put(w, TEXT("e1"));
    w->route.closed_until_ns = w->now_ns + 1000 * MS_NS;
    take(w, 0);
    assert_int_equal(w->redis.count, 0);
    assert_int_equal(schedule_next_ns(&w->schedule), w->route.closed_until_ns);
    slots_put(&w->limit.slots, w->now_ns, INTERVAL_US * 1000, 5);
    take(w, 10);
    assert_int_equal(w->out.due.count, 0);
    take(w, 990);
    assert_int_equal(w->redis.count, 1);
    world_close(w);
}

static void urgent_legs_go_first(void **state)
{
    (void)state;
    struct world *w = world_open(false);
    w->account.in_flight_max = 1;
    put(w, TEXT("e1"));
    struct job *job = put(w, "{\"event_id\":\"u\",\"tenant_id\":\"t\",\"kind\":\"one_time_code\","
                             "\"variables\":{\"code\":\"1234\"}," STAGE_SMS "}");
    take(w, 0);
    assert_int_equal(w->out.due.count, 1);
    assert_ptr_equal(job_of(w->out.due.first), job);
    world_close(w);
}

static void a_long_text_waits_for_as_many_slots_as_it_has_segments(void **state)
{
    (void)state;
    struct world *w = world_open(true);
    struct job *job = put(w, TEXT("e1"));
    assert_int_equal(w->limit.wanted, 1);
    route_unqueue(job, &w->route.queue[QUEUE_ON_TIME]);
    job->leg->segments = 4;
    route_queue(job, &w->route.queue[QUEUE_ON_TIME]);
    take(w, 0);
    assert_non_null(strstr(w->redis.commands[0].text, " 10000 4 50000 "));
    fake_answer_slots(&w->redis, 0, 3, redis_us(w, 0));
    take(w, 0);
    assert_int_equal(w->out.due.count, 0);
    assert_non_null(strstr(w->redis.commands[1].text, " 10000 1 50000 "));
    fake_answer_slots(&w->redis, 1, 1, redis_us(w, 30000));
    take(w, 0);
    assert_int_equal(w->out.due.count, 1);
    assert_int_equal(w->limit.promised, 4);
    world_close(w);
}

/* It collects them where it is sent: slots cannot be held back. */
static void a_text_longer_than_the_slots_at_hand_is_released_with_those_there_are(void **state)
{
    (void)state;
    struct world *w = world_open(true);
    struct job *job = put(w, TEXT("e1"));
    route_unqueue(job, &w->route.queue[QUEUE_ON_TIME]);
    job->leg->segments = MOST + 3;
    route_queue(job, &w->route.queue[QUEUE_ON_TIME]);
    take(w, 0);
    fake_answer_slots(&w->redis, 0, MOST, redis_us(w, 0));
    take(w, 0);
    assert_int_equal(w->out.due.count, 1);
    world_close(w);
}

static void what_expires_while_it_waits_is_refused_even_on_a_closed_route(void **state)
{
    (void)state;
    struct world *w = world_open(true);
    struct job *job =
        put(w, STAGE_EVENT("e1", "\"expires_at\":\"2026-11-24T12:00:01Z\"," STAGE_SMS));
    w->route.closed_until_ns = w->now_ns + 60000 * MS_NS;
    take(w, 999);
    assert_int_equal(w->out.refused.count, 0);
    take(w, 1); /* half-open: its life is over */
    assert_int_equal(w->out.refused.count, 1);
    assert_int_equal(job->end.outcome, CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_EXPIRED);
    assert_int_equal(job->end.reason, REASON_TOO_LATE);
    assert_int_equal(w->limit.wanted, 0);
    world_close(w);
}

static void what_is_due_later_waits_in_the_wheel_and_is_judged_anew(void **state)
{
    (void)state;
    struct world *w = world_open(true);
    put(w, STAGE_EVENT("e1", "\"due_at\":\"2026-11-24T12:00:10Z\"," STAGE_SMS));
    assert_int_equal(w->schedule.wheel.count, 1);
    assert_true(schedule_next_ns(&w->schedule) <= w->now_ns + 10000 * MS_NS);
    take(w, 9999);
    assert_int_equal(w->out.again.count, 0);
    take(w, 1);
    assert_int_equal(w->out.again.count, 1);
    world_close(w);
}

static void a_retry_says_so_and_comes_back_when_it_is_due(void **state)
{
    (void)state;
    struct world *w = world_open(false);
    put(w, TEXT("e1"));
    take(w, 0);
    struct job *job = job_of(list_pop(&w->out.due));
    job_enter(&w->stage.jobs, job, JOB_ADMITTING);
    job_enter(&w->stage.jobs, job, JOB_SENDING);
    job->due_ns = w->now_ns + 250 * MS_NS;
    struct list back = {0};
    list_push(&back, &job->node);
    schedule_put(&w->schedule, &back, &w->out);
    assert_int_equal(job->wait, WAIT_RETRY);
    assert_int_equal(w->account.promised, 0);
    take(w, 249);
    assert_int_equal(w->out.due.count, 0);
    take(w, 1);
    assert_int_equal(w->out.due.count, 1);
    world_close(w);
}

static void a_leg_that_no_route_carries_fails(void **state)
{
    (void)state;
    struct world *w = world_open(true);
    w->route.channel = CARILLON__V1__CHANNEL__CHANNEL_PUSH;
    struct job *job = put(w, TEXT("e1"));
    assert_int_equal(w->out.refused.count, 1);
    assert_int_equal(job->end.outcome, CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_FAILED);
    assert_int_equal(job->end.reason, REASON_BAD_REQUEST);
    world_close(w);
}

static void the_oldest_that_waits_for_a_slot_is_known(void **state)
{
    (void)state;
    struct world *w = world_open(true);
    assert_int_equal(schedule_oldest_ms(&w->schedule), 0);
    put(w, TEXT("e1"));
    take(w, 500);
    put(w, TEXT("e2"));
    take(w, 500);
    assert_int_equal(schedule_oldest_ms(&w->schedule), NOW_MS);
    world_close(w);
}

static void revoked_jobs_that_hold_nothing_are_dropped_from_everywhere(void **state)
{
    (void)state;
    struct world *w = world_open(true);
    struct job *queued = put(w, TEXT("e1"));
    struct job *later = put(w, STAGE_EVENT("e2", "\"due_at\":\"2026-11-24T12:00:10Z\"," STAGE_SMS));
    struct job *holds = put(w, TEXT("e3")), *stays = put(w, TEXT("e4"));
    queued->event->revoked = later->event->revoked = holds->event->revoked = true;
    holds->claim_ready = holds->claim.held = true;
    holds->claim.held_deadline_ms = NOW_MS;
    struct list dropped = {0};
    schedule_drop(&w->schedule, false, &dropped);
    assert_int_equal(dropped.count, 2);
    assert_int_equal(w->limit.wanted, 2);
    assert_int_equal(w->schedule.wheel.count, 0);
    schedule_drop(&w->schedule, true, &dropped);
    assert_int_equal(dropped.count, 3);
    assert_ptr_equal(job_of(dropped.last), stays);
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_route_without_a_limit_releases_what_its_account_has_room_for),
        cmocka_unit_test(nothing_is_released_without_slots_and_slots_are_asked_once),
        cmocka_unit_test(no_more_is_asked_than_the_next_moments_hold),
        cmocka_unit_test(a_promise_keeps_its_slot_from_the_next_leg),
        cmocka_unit_test(a_promise_given_back_frees_its_slot),
        cmocka_unit_test(slots_that_pass_unused_are_asked_anew),
        cmocka_unit_test(
            slots_are_asked_ahead_of_jobs_that_come_steadily_and_no_longer_when_they_stop),
        cmocka_unit_test(a_refused_reservation_is_asked_again_when_redis_says),
        cmocka_unit_test(while_our_clock_goes_back_slots_keep_their_time),
        cmocka_unit_test(an_answer_that_makes_no_sense_grants_nothing),
        cmocka_unit_test(nothing_is_asked_while_the_gate_is_shut_or_redis_is_away),
        cmocka_unit_test(a_closed_route_releases_nothing_and_asks_for_nothing),
        cmocka_unit_test(urgent_legs_go_first),
        cmocka_unit_test(a_long_text_waits_for_as_many_slots_as_it_has_segments),
        cmocka_unit_test(a_text_longer_than_the_slots_at_hand_is_released_with_those_there_are),
        cmocka_unit_test(what_expires_while_it_waits_is_refused_even_on_a_closed_route),
        cmocka_unit_test(what_is_due_later_waits_in_the_wheel_and_is_judged_anew),
        cmocka_unit_test(a_retry_says_so_and_comes_back_when_it_is_due),
        cmocka_unit_test(a_leg_that_no_route_carries_fails),
        cmocka_unit_test(the_oldest_that_waits_for_a_slot_is_known),
        cmocka_unit_test(revoked_jobs_that_hold_nothing_are_dropped_from_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
