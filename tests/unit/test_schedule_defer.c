/* What leaves memory for Kafka, until when and why. */
#include "unit/schedule_world.h"

static struct world *world_deferring(bool limited)
{
    struct world *w = world_open(limited);
    w->defers = true;
    schedule_turn(&w->schedule, w->now_ns, clock_at(w));
    return w;
}

static struct job *left(struct world *w)
{
    struct list_node *n = list_pop(&w->out.later);
    assert_non_null(n);
    return job_of(n);
}

/* From Redis's now until the job is looked at again. */
static int64_t left_for_ms(const struct world *w, const struct job *job)
{
    return job->defer.due_ms - claims_now_ms(&w->claims, w->now_ns);
}

#define DUE_AT(id, time) STAGE_EVENT(id, "\"due_at\":\"2026-11-24T" time "Z\"," STAGE_SMS)

static void what_is_due_beyond_the_horizon_leaves_to_the_millisecond(void **state)
{
    (void)state;
    struct world *w = world_deferring(true);
    put(w, DUE_AT("e1", "12:01:00.000"));
    assert_int_equal(w->out.later.count, 0);
    struct job *job = put(w, DUE_AT("e2", "12:01:00.001"));
    assert_ptr_equal(left(w), job);
    assert_int_equal(job->defer.reason, REASON_NOT_DUE);
    assert_int_equal(job->defer.due_ms, NOW_MS + 60001);
    assert_int_equal(w->schedule.wheel.count, 1);
    world_close(w);
}

static void while_the_clock_is_held_nothing_leaves_and_is_asked_about_again(void **state)
{
    (void)state;
    struct world *w = world_deferring(true);
    w->defers = false;
    take(w, 0);
    struct job *job = put(w, DUE_AT("e1", "18:00:00"));
    take(w, 10000);
    assert_int_equal(w->out.later.count, 0);
    w->defers = true;
    take(w, 1000);
    assert_ptr_equal(left(w), job);
    assert_int_equal(job->defer.due_ms, NOW_MS + 6 * 3600000);
    world_close(w);
}

static void what_came_to_nothing_is_not_tried_again_before_its_time(void **state)
{
    (void)state;
    struct world *w = world_deferring(true);
    struct job *job = put(w, DUE_AT("e1", "18:00:00"));
    left(w);
    job->defer = (struct job_deferral){.not_before_ms = NOW_MS + 5000};
    struct list back = {0};
    list_push(&back, &job->node);
    schedule_put(&w->schedule, &back, &w->out);
    take(w, 4999);
    assert_int_equal(w->out.later.count, 0);
    take(w, 1);
    assert_ptr_equal(left(w), job);
    world_close(w);
}

static void a_leg_whose_route_is_closed_for_longer_than_it_may_wait_leaves_at_once(void **state)
{
    (void)state;
    struct world *w = world_deferring(true);
    route_close(&w->route, w->now_ns + 1900 * MS_NS, REASON_COOL_DOWN);
    put(w, TEXT("e1"));
    assert_int_equal(w->out.later.count, 0);
    assert_int_equal(w->route.queue[QUEUE_ON_TIME].count, 1);
    route_close(&w->route, w->now_ns + 30000 * MS_NS, REASON_COOL_DOWN);
    struct job *second = put(w, TEXT("e2"));
    assert_ptr_equal(left(w), second);
    assert_int_equal(second->defer.reason, REASON_COOL_DOWN);
    assert_int_equal(left_for_ms(w, second), 30000);
    take(w, 0); /* and the one that waited already */
    struct job *first = left(w);
    assert_int_equal(left_for_ms(w, first), 30010); /* one interval behind it */
    assert_int_equal(w->limit.wanted, 0);
    assert_int_equal(w->route.wanted, 0);
    world_close(w);
}

static void a_dead_route_is_tried_again_later_each_time(void **state)
{
    (void)state;
    struct world *w = world_deferring(false);
    route_close(&w->route, w->now_ns + 3000 * MS_NS, REASON_BREAKER);
    for (uint32_t tries = 0; tries < 10; tries++) {
        struct deferral hop = {.reason = REASON_BREAKER, .seq = tries};
        struct event *event = stage_event(&w->stage, TEXT("e"));
        event->deferral = &hop;
        event->judged.tenant = &tenant_none;
        judge_all(&w->stage.judging, w->stage.now, &w->stage.decoded, &w->stage.judged,
                  &w->stage.refused);
        while (w->stage.refused.count > 0)
            list_pop(&w->stage.refused);
        schedule_put(&w->schedule, &w->stage.judged, &w->out);
        struct job *job = left(w);
        int64_t most_ms = i64_min(5000 << tries, 300000);
        assert_int_equal(job->defer.reason, REASON_BREAKER);
        assert_in_range(left_for_ms(w, job), i64_max(most_ms / 2, 3000), most_ms);
    }
    world_close(w);
}

static void of_a_route_on_trial_a_few_legs_try_and_the_others_leave(void **state)
{
    (void)state;
    struct world *w = world_deferring(false);
    route_close(&w->route, w->now_ns + 1, REASON_BREAKER);
    w->now_ns += 1000 * MS_NS;
    schedule_turn(&w->schedule, w->now_ns, clock_at(w));
    for (uint32_t i = 0; i < 20; i++)
        put(w, TEXT("e"));
    assert_int_equal(w->route.queue[QUEUE_ON_TIME].count, 16);
    assert_int_equal(w->out.later.count, 4);
    w->route.trial = false; /* one got through */
    put(w, TEXT("e"));
    assert_int_equal(w->route.queue[QUEUE_ON_TIME].count, 17);
    world_close(w);
}

static void a_backlog_is_spread_over_the_times_when_slots_will_be_there(void **state)
{
    (void)state;
    struct world *w = world_deferring(true);
    w->limit.interval_us = 400000; /* 2 s hold six of them, one more is on its way */
    int64_t before_ms = 0;
    for (uint32_t i = 0; i < 12; i++)
        put(w, TEXT("e"));
    assert_int_equal(w->route.queue[QUEUE_ON_TIME].count, 6);
    for (uint32_t i = 0; i < 6; i++) {
        struct job *job = left(w);
        assert_int_equal(job->defer.reason, REASON_RATE);
        assert_true(left_for_ms(w, job) >= HOLD_MS);
        if (before_ms > 0)
            assert_int_equal(job->defer.due_ms, before_ms + 400);
        before_ms = job->defer.due_ms;
    }
    world_close(w);
}

/* The measure may have been of one bad second. */
static void a_backlog_is_put_off_no_longer_than_a_back_off(void **state)
{
    (void)state;
    struct world *w = world_deferring(true);
    w->limit.interval_us = 1500000;
    for (uint32_t i = 0; i < 12; i++)
        put(w, TEXT("e"));
    while (w->out.later.count > 0)
        assert_true(left_for_ms(w, left(w)) <= HOLD_MS + 5000 + 1000);
    world_close(w);
}

static void the_share_that_this_shard_gets_is_measured(void **state)
{
    (void)state;
    struct world *w = world_deferring(false);
    w->account.in_flight_max = 1;
    for (uint32_t i = 0; i < 12; i++)
        put(w, TEXT("e"));
    for (uint32_t i = 0; i < 3; i++) { /* two go in the first second */
        take(w, i == 0 ? 0 : 500);
        if (i < 2) {
            route_unpromise(job_of(list_pop(&w->out.due)));
            assert_int_equal(w->out.later.count, 0);
        }
    }
    assert_in_range(w->route.pace.unit_ns, 300 * MS_NS, 600 * MS_NS);
    assert_true(w->route.wanted * w->route.pace.unit_ns <= 2500 * MS_NS);
    assert_true(w->out.later.count >= 4);
    world_close(w);
}

static void who_waits_longer_than_it_looked_leaves_before_the_commit_is_old(void **state)
{
    (void)state;
    struct world *w = world_deferring(true); /* and Redis grants nothing */
    struct job *job = put(w, TEXT("e1"));
    take(w, 3000);
    assert_int_equal(w->out.later.count, 0);
    take(w, 1);
    assert_ptr_equal(left(w), job);
    assert_int_equal(job->defer.reason, REASON_RATE);
    world_close(w);
}

static void time_in_which_nothing_could_go_does_not_count(void **state)
{
    (void)state;
    struct world *w = world_deferring(true);
    put(w, TEXT("e1"));
    fake_gate(&w->claims, false);
    take(w, 600000);
    assert_int_equal(w->out.later.count, 0);
    fake_gate(&w->claims, true);
    take(w, 1);
    take(w, 2999);
    assert_int_equal(w->out.later.count, 0);
    take(w, 2);
    assert_int_equal(w->out.later.count, 1);
    world_close(w);
}

static void nobody_waits_in_kafka_past_its_expiry(void **state)
{
    (void)state;
    struct world *w = world_deferring(true);
    route_close(&w->route, w->now_ns + 3600000 * MS_NS, REASON_COOL_DOWN);
    put(w, STAGE_EVENT("e1", "\"expires_at\":\"2026-11-24T12:00:20Z\"," STAGE_SMS));
    assert_int_equal(left_for_ms(w, left(w)), 20000);
    world_close(w);
}

/* A job as it comes back from a call. */
static void put_back(struct world *w, struct job *job, uint64_t later_ms)
{
    struct list back = {0};
    job_enter(&w->stage.jobs, job, JOB_ADMITTING);
    job_enter(&w->stage.jobs, job, JOB_SENDING);
    job->due_ns = w->now_ns + later_ms * MS_NS;
    list_push(&back, &job->node);
    schedule_put(&w->schedule, &back, &w->out);
}

static void a_retry_that_is_soon_waits_here_and_a_later_one_leaves(void **state)
{
    (void)state;
    struct world *w = world_deferring(false);
    put(w, TEXT("e1"));
    take(w, 0);
    struct job *job = job_of(list_pop(&w->out.due));
    put_back(w, job, 250);
    take(w, 250);
    assert_ptr_equal(list_pop(&w->out.due), &job->node);
    put_back(w, job, 1751); /* 2 s and a bit since it was due */
    assert_ptr_equal(left(w), job);
    assert_int_equal(job->defer.reason, REASON_RETRY);
    assert_int_equal(left_for_ms(w, job), DELAY_MS + 100);
    world_close(w);
}

static void a_leg_with_a_claim_gives_it_back_first(void **state)
{
    (void)state;
    struct world *w = world_deferring(false);
    put(w, TEXT("e1"));
    take(w, 0);
    struct job *job = job_of(list_pop(&w->out.due));
    job->claim_ready = job->claim.held = true;
    job->claim.state = CLAIM_MINE;
    put_back(w, job, 5000);
    assert_int_equal(w->out.later.count, 0);
    assert_ptr_equal(list_pop(&w->out.release), &job->node);
    job->claim.state = CLAIM_RELEASED;
    job->claim.held = false;
    struct list back = {0};
    list_push(&back, &job->node);
    schedule_put(&w->schedule, &back, &w->out);
    assert_ptr_equal(left(w), job);
    assert_int_equal(left_for_ms(w, job), 5000);
    world_close(w);
}

/* Its call ended without telling its end. */
static void a_leg_with_a_stand_in_leaves_the_rest_to_it(void **state)
{
    (void)state;
    struct world *w = world_deferring(false);
    struct job *job = stage_job(stage_judge(&w->stage, TEXT("e")));
    while (w->stage.judged.count > 0)
        list_pop(&w->stage.judged);
    job_stand(job);
    job->claim_ready = job->claim.held = true;
    job->claim.state = CLAIM_MINE;
    job->due_ns = w->now_ns + 100 * MS_NS;
    struct list jobs = {0};
    list_push(&jobs, &job->node);
    schedule_put(&w->schedule, &jobs, &w->out);
    assert_ptr_equal(list_pop(&w->out.release), &job->node);
    job->claim.state = CLAIM_RELEASED;
    job->claim.held = false;
    list_push(&jobs, &job->node);
    schedule_put(&w->schedule, &jobs, &w->out);
    assert_ptr_equal(list_pop(&w->out.replaced), &job->node);
    job->claim.state = CLAIM_WAITING; /* whoever has the claim tells */
    list_push(&jobs, &job->node);
    schedule_put(&w->schedule, &jobs, &w->out);
    assert_int_equal(w->out.release.count + w->out.replaced.count + w->out.later.count, 0);
    world_close(w);
}

static void who_waits_for_another_s_claim_stays(void **state)
{
    (void)state;
    struct world *w = world_deferring(false);
    put(w, TEXT("e1"));
    take(w, 0);
    struct job *job = job_of(list_pop(&w->out.due));
    struct list back = {0};
    job->claim_ready = true;
    job->claim.state = CLAIM_WAITING;
    job->due_ns = w->now_ns + 3600000 * MS_NS;
    job_wait(&w->stage.jobs, job, WAIT_CLAIMED_ELSEWHERE);
    list_push(&back, &job->node);
    schedule_put(&w->schedule, &back, &w->out);
    assert_int_equal(w->out.later.count + w->out.release.count, 0);
    assert_int_equal(w->schedule.wheel.count, 1);
    world_close(w);
}

static void put_many(struct world *w, uint32_t count, bool left_over)
{
    for (uint32_t i = 0; i < count; i++) {
        struct event *event = stage_judge(&w->stage, TEXT("e"));
        event->left_over = left_over;
        while (w->stage.refused.count > 0)
            list_pop(&w->stage.refused);
        schedule_put(&w->schedule, &w->stage.judged, &w->out);
    }
}

static void left_overs_of_an_outage_share_the_route_s_slots_with_what_is_on_time(void **state)
{
    (void)state;
    struct world *w = world_deferring(false);
    w->account.in_flight_max = 10;
    put_many(w, 12, true); /* the older ones */
    put_many(w, 3, false);
    take(w, 0);
    assert_int_equal(w->out.due.count, 10);
    for (uint32_t i = 0; i < 10; i++) {
        struct job *job = job_of(list_pop(&w->out.due));
        assert_int_equal(job->event->left_over, i >= 6 || i % 2 == 1);
        route_unpromise(job);
    }
    put_many(w, 10, false); /* what comes later has its half at once */
    take(w, 1);
    uint32_t on_time = 0;
    for (struct list_node *n = w->out.due.first; n; n = n->next)
        on_time += !job_of(n)->event->left_over;
    assert_int_equal(w->out.due.count, 10);
    assert_int_equal(on_time, 5);
    world_close(w);
}

static void a_long_queue_of_left_overs_turns_away_nobody_who_is_on_time(void **state)
{
    (void)state;
    struct world *w = world_deferring(true);
    w->limit.interval_us = 200000; /* 2 s hold ten, and one more is on its way */
    put_many(w, 20, true);
    uint32_t held = w->route.queue[QUEUE_LEFT_OVER].count;
    assert_int_equal(held, 11);
    assert_int_equal(w->out.later.count, 9);
    put_many(w, 5, false);
    assert_int_equal(w->route.queue[QUEUE_ON_TIME].count, 5);
    assert_int_equal(w->out.later.count, 9);
    world_close(w);
}

/* Turns were too long to use all of them: the route is as fast as ever. */
static void slots_that_came_too_late_count_for_how_fast_a_route_is(void **state)
{
    (void)state;
    struct world *w = world_deferring(true);
    w->limit.interval_us = 20000;
    for (uint32_t i = 0; i < 25; i++) {
        put_many(w, i < 5, false);
        take(w, 50);
        if (w->redis.count > 0 && w->limit.asking)
            fake_answer_slots(&w->redis, w->redis.count - 1, 3,
                              NOW_MS * 1000 + (int64_t)(w->now_ns - NOW_NS) / 1000);
        w->redis.count = 0;
        w->now_ns += 30 * MS_NS;
        while (w->out.later.count > 0)
            list_pop(&w->out.later);
    }
    assert_in_range(w->route.pace.unit_ns, 1, 40 * MS_NS);
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_due_beyond_the_horizon_leaves_to_the_millisecond),
        cmocka_unit_test(while_the_clock_is_held_nothing_leaves_and_is_asked_about_again),
        cmocka_unit_test(what_came_to_nothing_is_not_tried_again_before_its_time),
        cmocka_unit_test(a_leg_whose_route_is_closed_for_longer_than_it_may_wait_leaves_at_once),
        cmocka_unit_test(a_dead_route_is_tried_again_later_each_time),
        cmocka_unit_test(of_a_route_on_trial_a_few_legs_try_and_the_others_leave),
        cmocka_unit_test(a_backlog_is_spread_over_the_times_when_slots_will_be_there),
        cmocka_unit_test(a_backlog_is_put_off_no_longer_than_a_back_off),
        cmocka_unit_test(the_share_that_this_shard_gets_is_measured),
        cmocka_unit_test(who_waits_longer_than_it_looked_leaves_before_the_commit_is_old),
        cmocka_unit_test(time_in_which_nothing_could_go_does_not_count),
        cmocka_unit_test(nobody_waits_in_kafka_past_its_expiry),
        cmocka_unit_test(a_retry_that_is_soon_waits_here_and_a_later_one_leaves),
        cmocka_unit_test(a_leg_with_a_claim_gives_it_back_first),
        cmocka_unit_test(a_leg_with_a_stand_in_leaves_the_rest_to_it),
        cmocka_unit_test(who_waits_for_another_s_claim_stays),
        cmocka_unit_test(slots_that_came_too_late_count_for_how_fast_a_route_is),
        cmocka_unit_test(left_overs_of_an_outage_share_the_route_s_slots_with_what_is_on_time),
        cmocka_unit_test(a_long_queue_of_left_overs_turns_away_nobody_who_is_on_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
