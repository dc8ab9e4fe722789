/* Legs of one event are released together the first time. Two routes, each with an account of
 * its own: text messages with a limit, e-mail without one unless a test gives it one. */
#include "base/prng.h"
#include "unit/schedule_world.h"

#define BOTH(id) \
    STAGE_EVENT(id, "\"recipient\":{\"sms\":\"+33612345678\",\"email\":\"a@example.com\"}")
#define MAIL(id) STAGE_EVENT(id, "\"recipient\":{\"email\":\"a@example.com\"}")

enum { SMS_ROUTE, EMAIL_ROUTE };

struct two {
    struct world *w;
    struct limit limits[2];
    struct account accounts[2];
    struct route routes[2];
};

static struct two *two_open(bool both_limited)
{
    struct two *t = calloc(1, sizeof *t);
    assert_non_null(t);
    t->w = world_open(true);
    for (int i = 0; i < 2; i++) {
        t->limits[i] = t->w->limit;
        t->accounts[i] = (struct account){.name = "own", .in_flight_max = 20};
        t->routes[i] = t->w->route;
        t->routes[i].account = &t->accounts[i];
        t->routes[i].limits[0] = &t->limits[i];
        t->routes[i].limit_count = i == SMS_ROUTE || both_limited;
    }
    t->limits[EMAIL_ROUTE].key = "s1:{email}";
    t->limits[EMAIL_ROUTE].cool_key = "s1:{email}:cool";
    t->routes[EMAIL_ROUTE].channel = CARILLON__V1__CHANNEL__CHANNEL_EMAIL;
    t->w->routes = (struct routes){t->limits, t->accounts, t->routes, both_limited ? 2 : 1, 2, 2};
    return t;
}

static void two_close(struct two *t)
{
    world_close(t->w);
    free(t);
}

/* As if Redis had granted slots from now on. */
static void grant(struct two *t, int route, uint32_t count)
{
    slots_put(&t->limits[route].slots, t->w->now_ns, INTERVAL_US * UINT64_C(1000), count);
}

static void release_again(struct two *t)
{
    schedule_turn(&t->w->schedule, t->w->now_ns, clock_at(t->w));
    t->w->redis.count = 0;
    schedule_take(&t->w->schedule, 100, &t->w->out);
}

static uint32_t due_of(struct two *t, const struct job *of)
{
    uint32_t count = 0;
    for (struct list_node *n = t->w->out.due.first; n; n = n->next)
        count += job_of(n)->event == of->event;
    return count;
}

static void sent(struct two *t)
{
    for (struct list_node *n = list_pop(&t->w->out.due); n; n = list_pop(&t->w->out.due)) {
        struct job *job = job_of(n);
        route_unpromise(job);
        if (job->route->limit_count > 0 &&
            slots_when_ns(&job->route->limits[0]->slots, 1, t->w->now_ns) <= t->w->now_ns)
            slots_use(&job->route->limits[0]->slots, 1);
    }
}

static void nothing_is_promised_or_wanted(const struct two *t)
{
    for (int i = 0; i < 2; i++) {
        assert_int_equal(t->routes[i].wanted, 0);
        assert_int_equal(t->limits[i].wanted, 0);
        assert_int_equal(t->limits[i].promised, 0);
        assert_int_equal(t->accounts[i].promised, 0);
        assert_null(t->routes[i].favoured);
    }
}

static void both_legs_wait_for_the_slower_route_and_go_together(void **state)
{
    (void)state;
    struct two *t = two_open(false);
    struct job *first = put(t->w, BOTH("e1"));
    release_again(t);
    assert_int_equal(t->w->out.due.count, 0);
    grant(t, SMS_ROUTE, 1);
    release_again(t);
    assert_int_equal(due_of(t, first), 2);
    sent(t);
    nothing_is_promised_or_wanted(t);
    two_close(t);
}

static void events_that_wait_for_a_busy_route_hold_back_no_other_on_a_free_one(void **state)
{
    (void)state;
    struct two *t = two_open(false);
    for (int i = 0; i < 10; i++)
        put(t->w, BOTH("e"));
    for (int i = 0; i < 15; i++)
        put(t->w, MAIL("m"));
    release_again(t);
    assert_int_equal(t->w->out.due.count, 15);
    assert_true(t->accounts[EMAIL_ROUTE].promised <= 15 + 1);
    two_close(t);
}

static void two_busy_routes_give_their_slots_to_one_event_in_turn(void **state)
{
    (void)state;
    struct two *t = two_open(true);
    struct job *first = put(t->w, BOTH("e1"));
    struct job *alone = put(t->w, TEXT("e2"));
    release_again(t);
    grant(t, SMS_ROUTE, 2); /* and none for e-mail yet */
    release_again(t);
    assert_int_equal(due_of(t, first), 0);
    assert_int_equal(due_of(t, alone), 1);
    assert_int_equal(t->limits[SMS_ROUTE].promised, 2); /* one is kept for the event */
    grant(t, EMAIL_ROUTE, 1);
    release_again(t);
    assert_int_equal(due_of(t, first), 2);
    sent(t);
    nothing_is_promised_or_wanted(t);
    two_close(t);
}

static void only_one_event_keeps_slots_while_it_waits_for_a_busy_route(void **state)
{
    (void)state;
    struct two *t = two_open(true);
    for (int i = 0; i < 5; i++)
        put(t->w, BOTH("e"));
    struct job *alone = put(t->w, TEXT("s"));
    grant(t, SMS_ROUTE, 2);
    release_again(t);
    release_again(t);
    assert_int_equal(t->limits[SMS_ROUTE].promised, 2);
    assert_int_equal(due_of(t, alone), 1);
    two_close(t);
}

static void legs_of_one_route_wait_for_room_for_all(void **state)
{
    (void)state;
    struct two *t = two_open(true);
    t->routes[EMAIL_ROUTE].limits[0] = &t->limits[SMS_ROUTE]; /* one account's limit for both */
    struct job *first = put(t->w, BOTH("e1"));
    grant(t, SMS_ROUTE, 1);
    release_again(t);
    release_again(t);
    assert_int_equal(t->w->out.due.count, 0);
    grant(t, SMS_ROUTE, 1);
    release_again(t);
    release_again(t);
    assert_int_equal(due_of(t, first), 2);
    two_close(t);
}

static void an_event_of_more_legs_than_slots_at_a_time_goes_with_those_there_are(void **state)
{
    (void)state;
    struct two *t = two_open(true);
    t->routes[EMAIL_ROUTE].limits[0] = &t->limits[SMS_ROUTE];
    t->routes[EMAIL_ROUTE].account = &t->accounts[SMS_ROUTE];
    t->accounts[SMS_ROUTE].in_flight_max = 1;
    t->limits[SMS_ROUTE].interval_us = 1000 * 1000; /* one in the next moments */
    struct job *first = put(t->w, BOTH("e1"));
    grant(t, SMS_ROUTE, 1);
    release_again(t);
    release_again(t);
    assert_int_equal(due_of(t, first), 2);
    two_close(t);
}

static void a_leg_that_comes_back_goes_alone(void **state)
{
    (void)state;
    struct two *t = two_open(false);
    put(t->w, BOTH("e1"));
    grant(t, SMS_ROUTE, 1);
    release_again(t);
    release_again(t);
    assert_int_equal(t->w->out.due.count, 2);
    struct list back = {0};
    for (struct list_node *n = list_pop(&t->w->out.due); n; n = list_pop(&t->w->out.due)) {
        job_enter(&t->w->stage.jobs, job_of(n), JOB_ADMITTING);
        list_push(&back, n);
    }
    t->limits[SMS_ROUTE].slots.run_count = 0;
    schedule_put(&t->w->schedule, &back, &t->w->out);
    release_again(t);
    assert_int_equal(t->w->out.due.count, 1);
    assert_ptr_equal(job_of(t->w->out.due.first)->route, &t->routes[EMAIL_ROUTE]);
    two_close(t);
}

static void what_expires_together_is_refused_together(void **state)
{
    (void)state;
    struct two *t = two_open(true);
    put(t->w, BOTH("e1"));
    grant(t, SMS_ROUTE, 1);
    release_again(t); /* it keeps that slot, and waits for e-mail */
    t->w->now_ns += UINT64_C(25) * 3600 * 1000 * MS_NS;
    release_again(t);
    assert_int_equal(t->w->out.refused.count, 2);
    for (struct list_node *n = t->w->out.refused.first; n; n = n->next)
        assert_int_equal(job_of(n)->end.reason, REASON_TOO_LATE);
    nothing_is_promised_or_wanted(t);
    two_close(t);
}

static void a_revoked_event_leaves_with_all_its_legs(void **state)
{
    (void)state;
    struct two *t = two_open(true);
    struct job *gone = put(t->w, BOTH("e1")), *stays = put(t->w, BOTH("e2"));
    grant(t, SMS_ROUTE, 1);
    release_again(t);
    gone->event->revoked = true;
    struct list dropped = {0};
    schedule_drop(&t->w->schedule, false, &dropped);
    assert_int_equal(dropped.count, 2);
    grant(t, EMAIL_ROUTE, 1);
    release_again(t);
    release_again(t);
    assert_int_equal(due_of(t, stays), 2);
    two_close(t);
}

static void a_leg_whose_route_stays_closed_leaves_and_the_other_goes(void **state)
{
    (void)state;
    struct two *t = two_open(false);
    t->w->defers = true;
    struct job *first = put(t->w, BOTH("e1"));
    release_again(t);
    route_close(&t->routes[SMS_ROUTE], t->w->now_ns + 60000 * MS_NS, REASON_BREAKER);
    t->w->now_ns += 5 * MS_NS;
    release_again(t);
    release_again(t);
    assert_int_equal(t->w->out.later.count, 1);
    assert_ptr_equal(job_of(t->w->out.later.first)->route, &t->routes[SMS_ROUTE]);
    assert_int_equal(due_of(t, first), 1);
    two_close(t);
}

/* The legs of the job's event that go at all. */
static uint32_t legs_of(const struct job *of)
{
    uint32_t count = 0;
    for (struct list_node *n = of->event->jobs.first; n; n = n->next)
        count +=
            job_of_sibling(n)->end.outcome == CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_UNSPECIFIED;
    return count;
}

static uint32_t put_mixture(struct two *t, uint64_t *random)
{
    uint32_t legs = 0;
    for (int i = 0; i < 25; i++) {
        uint64_t shape = prng_upto(random, 3);
        legs += legs_of(put(t->w, shape == 0 ? BOTH("b") : shape == 1 ? MAIL("m") : TEXT("s")));
    }
    return legs;
}

/* Two routes with as much room as a die gives them, events of every shape: all go, and none
 * in parts. */
static void a_mixture_goes_soon_and_each_event_whole(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct two *t = two_open(true);
        uint64_t random = seed;
        uint32_t legs = put_mixture(t, &random), gone = 0;
        for (int turn = 0; gone < legs && turn < 200; turn++) {
            for (int i = 0; i < 2; i++)
                if (prng_upto(&random, 2) == 0 && slots_room(&t->limits[i].slots))
                    grant(t, i, 1);
            t->w->now_ns += 10 * MS_NS;
            release_again(t);
            for (struct list_node *n = t->w->out.due.first; n; n = n->next)
                assert_int_equal(due_of(t, job_of(n)), legs_of(job_of(n)));
            gone += t->w->out.due.count;
            sent(t);
        }
        assert_int_equal(gone, legs);
        nothing_is_promised_or_wanted(t);
        two_close(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_legs_wait_for_the_slower_route_and_go_together),
        cmocka_unit_test(events_that_wait_for_a_busy_route_hold_back_no_other_on_a_free_one),
        cmocka_unit_test(two_busy_routes_give_their_slots_to_one_event_in_turn),
        cmocka_unit_test(only_one_event_keeps_slots_while_it_waits_for_a_busy_route),
        cmocka_unit_test(legs_of_one_route_wait_for_room_for_all),
        cmocka_unit_test(an_event_of_more_legs_than_slots_at_a_time_goes_with_those_there_are),
        cmocka_unit_test(a_leg_that_comes_back_goes_alone),
        cmocka_unit_test(what_expires_together_is_refused_together),
        cmocka_unit_test(a_revoked_event_leaves_with_all_its_legs),
        cmocka_unit_test(a_leg_whose_route_stays_closed_leaves_and_the_other_goes),
        cmocka_unit_test(a_mixture_goes_soon_and_each_event_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
