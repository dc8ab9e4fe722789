#include "stage/send.h"

#include "adapters.h"
#include "unit/fake_claims.h"
#include "unit/fake_http.h"
#include "unit/fake_redis.h"
#include "unit/stage_metrics.h"

#include <stdio.h>

enum { MAX_ATTEMPTS = 3, RETRY_LEAST_MS = 200, RETRY_MOST_MS = 60000 };

struct world {
    struct stage_world stage;
    struct claims claims;
    struct redis redis;
    struct http_origin origin;
    struct metrics metrics;
    struct metric_names names;
    struct adapter *adapter;
    struct limit limit;
    struct account account;
    struct route route;
    struct routes routes;
    struct send send;
    uint64_t now_ns, nonce;
    struct list again, release, done;
};

static struct adapter *read_adapter(void)
{
    static char text[16384];
    static const struct adapter_credential token = {"token", "t0"};
    const struct adapter_account account = {NULL, &token, 1};
    struct findings findings = {0};
    FILE *f = fopen("deploy/providers/webhook.yaml", "r");
    assert_non_null(f);
    size_t size = fread(text, 1, sizeof text, f);
    fclose(f);
    struct adapter *adapter = adapter_read(text, size, "webhook.yaml", &account, &findings);
    assert_non_null(adapter);
    findings_free(&findings);
    return adapter;
}

static struct world *world_open(void)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    stage_open(&w->stage, 40);
    fake_gate(&w->claims, true);
    stage_metrics_open(&w->metrics, &w->names);
    w->adapter = read_adapter();
    w->origin.ready = 8;
    w->limit = (struct limit){.key = "s1:{sms}", .cool_key = "s1:{sms}:cool", .interval_us = 10000};
    slots_init(&w->limit.slots, 3600000 * MS_NS); /* none is ever late here */
    slots_put(&w->limit.slots, NOW_NS, 0, 100);
    w->account = (struct account){
        .name = "webhook", .adapter = w->adapter, .origin = &w->origin, .in_flight_max = 4};
    w->route = (struct route){.name = "sms",
                              .channel = CARILLON__V1__CHANNEL__CHANNEL_SMS,
                              .account = &w->account,
                              .limits = {&w->limit},
                              .limit_count = 1,
                              .from = BYTES("+33700000000")};
    w->routes = (struct routes){&w->limit, &w->account, &w->route, 1, 1, 1};
    w->now_ns = NOW_NS;
    const struct send_options options = {.jobs = &w->stage.jobs,
                                         .routes = &w->routes,
                                         .redis = &w->redis,
                                         .claims = &w->claims,
                                         .metrics = &w->metrics,
                                         .check_ttl_ns = 250 * MS_NS,
                                         .request_deadline_ns = 10000 * MS_NS,
                                         .max_attempts = MAX_ATTEMPTS,
                                         .retry_least_ms = RETRY_LEAST_MS,
                                         .retry_most_ms = RETRY_MOST_MS,
                                         .request_max = 65536,
                                         .seed = 7};
    assert_true(send_init(&w->send, &options));
    return w;
}

static void world_close(struct world *w)
{
    send_deinit(&w->send);
    adapter_free(w->adapter);
    metrics_close(&w->metrics);
    stage_close(&w->stage);
    free(w);
}

/* What admit does when Redis has no such claim, or still this one. */
static void claim(struct world *w, struct job *job)
{
    struct claim_world now = claims_world(&w->claims, w->now_ns);
    struct claim_command command;
    const struct claim_answer nothing = {.kind = CLAIM_ANSWER_NIL},
                              ok = {.kind = CLAIM_ANSWER_TAG, .tag = BYTES("OK")};
    claim_send(&job->claim, &now);
    while (job->claim.state == CLAIM_ASKING) {
        claim_command(&job->claim, &now, &command);
        claim_answer(&job->claim, &now, job->claim.step == CLAIM_STEP_TAKE ? &nothing : &ok);
    }
    assert_int_equal(job->claim.state, CLAIM_MINE);
}

static void admit(struct world *w, struct job *job)
{
    struct list ready = {0};
    if (job->state != JOB_ADMITTING)
        job_enter(&w->stage.jobs, job, JOB_ADMITTING);
    job->route = &w->route;
    route_promise(job);
    claim(w, job);
    job->admitted_ns = job->asked_ns = w->now_ns;
    list_push(&ready, &job->node);
    send_put(&w->send, &ready);
}

static struct job *prepare(struct world *w, const char *json, bool resend)
{
    struct event *event = stage_judge(&w->stage, json);
    while (list_pop(&w->stage.judged) || list_pop(&w->stage.refused))
        continue;
    struct job *job = stage_job(event);
    const struct claim_leg leg = {.own = event->own,
                                  .key_hex = "00112233445566778899aabbccddeeff",
                                  .nonce = ++w->nonce,
                                  .due_ms = NOW_MS,
                                  .expires_ms = event->judged.expires_ms,
                                  .assigned_ms = NOW_MS,
                                  .resend = resend};
    claim_init(&job->claim, &leg);
    job->claim_ready = true;
    return job;
}

#define TEXT STAGE_EVENT("e1", STAGE_SMS)

static void start(struct world *w)
{
    send_start(&w->send, w->now_ns, &w->again, &w->release, &w->done);
}

static void take(struct world *w)
{
    w->now_ns += 30 * MS_NS;
    send_take(&w->send, w->now_ns, &w->done, &w->release, &w->again);
}

/* A job whose call is out. */
static struct job *out(struct world *w, bool resend)
{
    struct job *job = prepare(w, TEXT, resend);
    uint32_t calls = w->origin.call_count;
    admit(w, job);
    start(w);
    assert_int_equal(w->origin.call_count, calls + 1);
    return job;
}

static void answer(struct world *w, uint16_t status, const char *body)
{
    fake_end(&w->origin, w->origin.call_count - 1, w->now_ns, true, status, body);
    take(w);
}

static int64_t wait_ms(const struct world *w, const struct job *job)
{
    return ((int64_t)job->due_ns - (int64_t)w->now_ns) / (int64_t)MS_NS;
}

static void an_accepted_call_ends_sent_with_the_provider_s_id(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = out(w, true);
    assert_int_equal(job->state, JOB_SENDING);
    assert_int_equal(w->account.in_flight, 1);
    assert_int_equal(w->account.promised, 0);
    assert_int_equal(w->limit.slots.used, 1);
    assert_non_null(strstr(w->origin.body, "\"to\":{\"address\":\"+33612345678\"}"));
    assert_non_null(strstr(w->origin.body, "\"from\":{\"address\":\"+33700000000\"}"));
    struct bytes leg = job_leg_id(job);
    char text[48];
    snprintf(text, sizeof text, "\"leg\":\"%.*s\"", (int)leg.size, leg.at);
    assert_non_null(strstr(w->origin.body, text));
    answer(w, 200, "{\"id\":\"M1\"}");
    assert_int_equal(w->done.count, 1);
    assert_int_equal(job->end.outcome, CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_SENT);
    assert_true(bytes_equal(job->end.provider_message_id, BYTES("M1")));
    assert_int_equal(job->end.sent_at_ms, NOW_MS);
    assert_int_equal(job->claim.attempts, 1);
    assert_int_equal(w->account.in_flight, 0);
    assert_int_equal(w->origin.released, 1);
    world_close(w);
}

/* Code of the answer, status, and how the leg ends. */
static void a_refusal_of_the_recipient_fails_the_leg_with_the_verdict_s_name(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum reason reason;
    } cases[] = {
        {"{\"code\":\"bad_recipient\"}", REASON_BAD_RECIPIENT},
        {"{\"code\":\"opted_out\"}", REASON_OPTED_OUT},
        {"{\"code\":\"blocked\"}", REASON_BLOCKED},
        {"{\"code\":\"expired\"}", REASON_EXPIRED},
        {"{}", REASON_BAD_REQUEST},
        {"no json at all", REASON_BAD_REQUEST},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        struct world *w = world_open();
        struct job *job = out(w, true);
        answer(w, 400, cases[i].body);
        assert_int_equal(w->done.count, 1);
        assert_int_equal(job->end.outcome, CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_FAILED);
        assert_int_equal(job->end.reason, cases[i].reason);
        if (cases[i].reason != REASON_BAD_REQUEST) /* the provider's own word for it */
            assert_string_equal(job->end.detail, reason_code(cases[i].reason));
        world_close(w);
    }
}

static void a_repeated_key_that_the_provider_knows_counts_as_sent(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = out(w, true);
    answer(w, 409, "{\"id\":\"M1\"}");
    assert_int_equal(job->end.outcome, CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_SENT);
    world_close(w);
}

static void a_throttled_leg_waits_as_long_as_it_is_told_and_the_fleet_with_it(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = out(w, true);
    struct http_call *call = w->origin.calls[0];
    call->all_taken = true;
    call->first_byte_ns = w->now_ns;
    call->response = (struct http_response){
        .status = 429, .headers = {{BYTES("Retry-After"), BYTES("7")}}, .header_count = 1};
    call->done(call);
    take(w);
    assert_int_equal(w->release.count, 1);
    assert_int_equal(wait_ms(w, job), 7000);
    assert_int_equal(w->route.closed_until_ns, job->due_ns);
    char cool[128];
    snprintf(cool, sizeof cool, "FCALL cool 1 s1:{sms}:cool %lld ",
             (long long)(NOW_MS + 30 + 7000) * 1000);
    assert_int_equal(w->redis.count, 1);
    assert_string_equal(w->redis.commands[0].text, cool);
    world_close(w);
}

static void what_waits_on_a_route_that_closes_gives_its_claim_back(void **state)
{
    (void)state;
    struct world *w = world_open();
    out(w, true);
    w->origin.ready = 0;
    struct job *ready = prepare(w, STAGE_EVENT("e2", STAGE_SMS), true);
    admit(w, ready);
    start(w);
    answer(w, 429, "");
    assert_int_equal(w->release.count, 1);
    assert_true(w->route.closed_until_ns > w->now_ns);
    start(w);
    assert_int_equal(w->release.count, 2);
    assert_ptr_equal(job_of(w->release.last), ready);
    assert_int_equal(ready->due_ns, w->route.closed_until_ns);
    assert_int_equal(w->origin.call_count, 1);
    assert_int_equal(w->account.promised, 0);
    world_close(w);
}

static void temporary_answers_are_retried_later_and_later_until_attempts_are_exhausted(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = prepare(w, TEXT, true);
    int64_t least_ms = RETRY_LEAST_MS / 2, most_ms = RETRY_LEAST_MS;
    for (int i = 0; i < MAX_ATTEMPTS - 1; i++) {
        admit(w, job);
        start(w);
        answer(w, 400, "{\"code\":\"temporary\"}");
        assert_int_equal(w->release.count, 1);
        list_pop(&w->release);
        assert_true(wait_ms(w, job) >= least_ms && wait_ms(w, job) <= most_ms);
        least_ms *= 2, most_ms *= 2;
        job_wait(&w->stage.jobs, job, WAIT_RETRY);
        w->now_ns = job->due_ns;
        slots_put(&w->limit.slots, w->now_ns, 0, 10);
    }
    admit(w, job);
    start(w);
    answer(w, 400, "{\"code\":\"temporary\"}");
    assert_int_equal(w->done.count, 1);
    assert_int_equal(job->end.outcome, CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_FAILED);
    assert_int_equal(job->end.reason, REASON_ATTEMPTS_EXHAUSTED);
    world_close(w);
}

static void no_answer_is_repeated_once_where_the_class_allows_it(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = out(w, true);
    answer(w, 0, "");
    assert_int_equal(w->again.count, 1);
    assert_int_equal(w->done.count + w->release.count, 0);
    list_pop(&w->again);
    job_wait(&w->stage.jobs, job, WAIT_RETRY);
    admit(w, job); /* the claim is swapped: it knows of the risk before the first byte */
    assert_int_equal(job->claim.risk, 1);
    start(w);
    answer(w, 0, "");
    assert_int_equal(w->done.count, 1);
    assert_int_equal(job->end.outcome, CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_AMBIGUOUS);
    assert_int_equal(job->end.reason, REASON_NO_ANSWER);
    world_close(w);
}

static void no_answer_ends_ambiguous_where_the_class_forbids_a_repetition(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = out(w, false);
    answer(w, 0, "");
    assert_int_equal(w->done.count, 1);
    assert_int_equal(job->end.outcome, CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_AMBIGUOUS);
    world_close(w);
}

static void a_server_error_is_as_ambiguous_as_no_answer(void **state)
{
    (void)state;
    struct world *w = world_open();
    out(w, true);
    answer(w, 500, "");
    assert_int_equal(w->again.count, 1);
    struct job *job = out(w, false);
    answer(w, 502, "");
    assert_int_equal(w->done.count, 1);
    assert_int_equal(job->end.outcome, CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_AMBIGUOUS);
    world_close(w);
}

/* Each such call is a message that may come twice: a dead route must not eat one after the
 * other. An answer about the message tells that it lives. */
static void a_route_that_gives_no_answers_closes(void **state)
{
    (void)state;
    struct world *w = world_open();
    for (uint32_t i = 0; i < 16; i++) {
        assert_int_equal(w->route.closed_until_ns, 0);
        out(w, true);
        answer(w, i % 2 == 0 ? 0 : 502, "");
    }
    assert_int_equal(w->route.closed_until_ns, w->now_ns + 5000 * MS_NS);
    assert_int_equal(w->route.closed_by, REASON_BREAKER);
    w->now_ns = w->route.closed_until_ns;
    out(w, true);
    answer(w, 400, "{\"code\":\"bad_recipient\"}");
    assert_false(w->route.trial);
    out(w, true);
    answer(w, 502, "");
    assert_true(w->route.closed_until_ns < w->now_ns);
    world_close(w);
}

static void a_failure_after_an_unknown_attempt_is_ambiguous(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = out(w, true);
    answer(w, 0, "");
    list_pop(&w->again);
    job_wait(&w->stage.jobs, job, WAIT_RETRY);
    admit(w, job);
    start(w);
    answer(w, 400, "{}");
    assert_int_equal(job->end.outcome, CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_AMBIGUOUS);
    assert_int_equal(job->end.reason, REASON_NO_ANSWER);
    world_close(w);
}

static void a_call_that_never_left_is_free(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = prepare(w, TEXT, false);
    for (int i = 0; i < 3 * MAX_ATTEMPTS; i++) {
        admit(w, job);
        start(w);
        fake_end(&w->origin, w->origin.call_count - 1, 0, false, 0, NULL);
        take(w);
        assert_int_equal(w->release.count, 1);
        list_pop(&w->release);
        assert_int_equal(job->claim.attempts, 0);
        assert_int_equal(job->end.sent_at_ms, 0);
        assert_true(wait_ms(w, job) > 0 && wait_ms(w, job) <= RETRY_MOST_MS);
        job_wait(&w->stage.jobs, job, WAIT_RETRY);
    }
    assert_int_equal(metric_get(&w->metrics, METRIC_CALLS_NOT_SENT, 0, 0), 3 * MAX_ATTEMPTS);
    world_close(w);
}

static void a_refused_sender_closes_the_route_and_fails_nobody(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *jobs[3];
    for (int i = 0; i < 3; i++)
        jobs[i] = out(w, true);
    for (uint32_t i = 0; i < 3; i++)
        fake_end(&w->origin, i, w->now_ns, true, 401, "");
    take(w);
    assert_int_equal(w->release.count, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wait_ms(w, jobs[i]), 5000); /* once, not doubled by each */
        assert_int_equal(jobs[i]->claim.attempts, 0);
    }
    list_remove(&w->release, &jobs[0]->node);
    w->now_ns = jobs[0]->due_ns;
    job_wait(&w->stage.jobs, jobs[0], WAIT_RETRY);
    slots_put(&w->limit.slots, w->now_ns, 0, 1);
    admit(w, jobs[0]);
    start(w);
    answer(w, 401, "");
    assert_int_equal(wait_ms(w, jobs[0]), 10000);
    world_close(w);
}

static void nothing_starts_without_a_connection_or_before_its_slot(void **state)
{
    (void)state;
    struct world *w = world_open();
    w->origin.ready = 0;
    w->limit.slots.run_count = 0;
    slots_put(&w->limit.slots, w->now_ns + 10 * MS_NS, 0, 1);
    admit(w, prepare(w, TEXT, true));
    start(w);
    assert_int_equal(w->origin.wanted, 1);
    assert_int_equal(w->origin.call_count, 0);
    w->origin.ready = 1;
    start(w);
    assert_int_equal(w->origin.call_count, 0);
    assert_int_equal(send_next_ns(&w->send), w->now_ns + 10 * MS_NS);
    w->now_ns += 10 * MS_NS;
    start(w);
    assert_int_equal(w->origin.call_count, 1);
    world_close(w);
}

static void a_text_of_three_segments_takes_three_slots(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = prepare(w, TEXT, true);
    job->leg->segments = 3;
    admit(w, job);
    start(w);
    assert_int_equal(w->limit.slots.used, 3);
    assert_int_equal(w->limit.promised, 0);
    world_close(w);
}

static void no_more_calls_are_out_than_the_account_allows(void **state)
{
    (void)state;
    struct world *w = world_open();
    for (int i = 0; i < 6; i++)
        admit(w, prepare(w, TEXT, true));
    start(w);
    assert_int_equal(w->origin.call_count, 4);
    answer(w, 200, "{}");
    start(w);
    assert_int_equal(w->origin.call_count, 5);
    world_close(w);
}

static void what_was_admitted_too_long_ago_is_admitted_again(void **state)
{
    (void)state;
    struct world *w = world_open();
    w->origin.ready = 0;
    struct job *job = prepare(w, TEXT, true);
    admit(w, job);
    w->now_ns += 250 * MS_NS;
    start(w);
    assert_int_equal(w->again.count, 0);
    w->now_ns += 1;
    start(w);
    assert_int_equal(w->again.count, 1);
    assert_int_equal(job->due_ns, w->now_ns);
    assert_int_equal(w->account.promised, 0);
    world_close(w);
}

/* Redis took long to answer: what it knew may have changed since. */
static void a_leg_whose_state_was_asked_for_a_second_ago_is_admitted_again(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *fresh = prepare(w, TEXT, true), *old = prepare(w, TEXT, true);
    w->now_ns += 2000 * MS_NS;
    admit(w, fresh);
    admit(w, old);
    fresh->asked_ns = w->now_ns - 900 * MS_NS;
    old->asked_ns = w->now_ns - 901 * MS_NS;
    start(w);
    assert_non_null(fresh->call);
    assert_null(old->call);
    assert_ptr_equal(w->again.first, &old->node);
    world_close(w);
}

static void a_route_that_cannot_be_reached_claims_nothing_until_it_is_tried(void **state)
{
    (void)state;
    struct world *w = world_open();
    w->origin.ready = 0;
    struct job *job = prepare(w, TEXT, true);
    admit(w, job);
    w->now_ns += 251 * MS_NS;
    w->origin.stats.retry_ns = w->now_ns + 3000 * MS_NS;
    start(w);
    assert_int_equal(w->release.count, 1);
    assert_int_equal(wait_ms(w, job), 3000);
    assert_int_equal(w->route.closed_until_ns, w->origin.stats.retry_ns);
    world_close(w);
}

/* Microseconds a call was late, as observed; it leaves 3 ms after now_ns. */
static uint64_t late_us(struct world *w)
{
    uint32_t sms = CARILLON__V1__CHANNEL__CHANNEL_SMS;
    start(w);
    fake_end(&w->origin, w->origin.call_count - 1, w->now_ns + 3 * MS_NS, true, 200,
             "{\"id\":\"M1\"}");
    uint64_t before = metric_hist(&w->metrics, METRIC_LATENESS, sms)->sum_us;
    take(w);
    return metric_hist(&w->metrics, METRIC_LATENESS, sms)->sum_us - before;
}

static void a_call_is_late_from_the_later_of_its_due_time_and_its_slot(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = prepare(w, TEXT, true);
    job->wanted_ms = NOW_MS - 5000; /* due long ago: its slot came only now */
    job->event->judged.record_ms = NOW_MS - 9000;
    slots_init(&w->limit.slots, 20 * MS_NS);
    slots_put(&w->limit.slots, NOW_NS + 40 * MS_NS, 0, 100);
    w->now_ns += 41 * MS_NS;
    admit(w, job);
    assert_int_equal(late_us(w), 4000);
    job = prepare(w, TEXT, true);
    job->wanted_ms = claims_now_ms(&w->claims, w->now_ns); /* after its slot: smeared */
    job->event->judged.record_ms = NOW_MS - 9000;
    slots_init(&w->limit.slots, 3600000 * MS_NS);
    slots_put(&w->limit.slots, NOW_NS, 0, 100);
    admit(w, job);
    assert_int_equal(late_us(w), 3000);
    w->route.limit_count = 0; /* no slot to wait for */
    job = prepare(w, TEXT, true);
    job->wanted_ms = claims_now_ms(&w->claims, w->now_ns) - 700;
    job->event->judged.record_ms = NOW_MS - 9000;
    admit(w, job);
    assert_int_equal(late_us(w), 703000);
    world_close(w);
}

static void no_first_byte_leaves_after_the_expiry(void **state)
{
    (void)state;
    struct world *w = world_open();
    w->origin.ready = 0;
    struct job *job = prepare(
        w, STAGE_EVENT("e1", "\"expires_at\":\"2026-11-24T12:00:00.100Z\"," STAGE_SMS), true);
    admit(w, job);
    w->origin.ready = 1;
    w->now_ns += 100 * MS_NS;
    start(w);
    assert_int_equal(w->origin.call_count, 0);
    assert_int_equal(w->again.count, 1); /* schedule tells it */
    world_close(w);
}

static void a_value_that_would_leave_its_header_is_malformed(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = prepare(w,
                              STAGE_EVENT("e1", "\"recipient\":{\"sms\":\"+33612345678\",\"name\":"
                                                "\"Ann\\r\\nBcc: x\"}"),
                              true);
    admit(w, job);
    start(w);
    assert_int_equal(w->origin.call_count, 0);
    assert_int_equal(w->done.count, 1);
    assert_int_equal(job->end.outcome, CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_DEAD);
    assert_int_equal(job->end.reason, REASON_MALFORMED);
    assert_string_equal(job->end.detail, "recipient.name");
    assert_int_equal(w->account.promised, 0);
    world_close(w);
}

static void ready_legs_of_revoked_partitions_give_their_claims_back(void **state)
{
    (void)state;
    struct world *w = world_open();
    w->origin.ready = 0;
    struct job *revoked = prepare(w, TEXT, true);
    admit(w, revoked);
    admit(w, prepare(w, STAGE_EVENT("e2", STAGE_SMS), true));
    revoked->event->revoked = true;
    send_drop_revoked(&w->send, &w->release);
    assert_int_equal(w->release.count, 1);
    assert_ptr_equal(job_of(w->release.first), revoked);
    assert_int_equal(w->route.ready.count, 1);
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_accepted_call_ends_sent_with_the_provider_s_id),
        cmocka_unit_test(a_refusal_of_the_recipient_fails_the_leg_with_the_verdict_s_name),
        cmocka_unit_test(a_repeated_key_that_the_provider_knows_counts_as_sent),
        cmocka_unit_test(a_throttled_leg_waits_as_long_as_it_is_told_and_the_fleet_with_it),
        cmocka_unit_test(what_waits_on_a_route_that_closes_gives_its_claim_back),
        cmocka_unit_test(
            temporary_answers_are_retried_later_and_later_until_attempts_are_exhausted),
        cmocka_unit_test(no_answer_is_repeated_once_where_the_class_allows_it),
        cmocka_unit_test(no_answer_ends_ambiguous_where_the_class_forbids_a_repetition),
        cmocka_unit_test(a_server_error_is_as_ambiguous_as_no_answer),
        cmocka_unit_test(a_route_that_gives_no_answers_closes),
        cmocka_unit_test(a_failure_after_an_unknown_attempt_is_ambiguous),
        cmocka_unit_test(a_call_that_never_left_is_free),
        cmocka_unit_test(a_refused_sender_closes_the_route_and_fails_nobody),
        cmocka_unit_test(nothing_starts_without_a_connection_or_before_its_slot),
        cmocka_unit_test(a_text_of_three_segments_takes_three_slots),
        cmocka_unit_test(no_more_calls_are_out_than_the_account_allows),
        cmocka_unit_test(what_was_admitted_too_long_ago_is_admitted_again),
        cmocka_unit_test(a_leg_whose_state_was_asked_for_a_second_ago_is_admitted_again),
        cmocka_unit_test(a_route_that_cannot_be_reached_claims_nothing_until_it_is_tried),
        cmocka_unit_test(a_call_is_late_from_the_later_of_its_due_time_and_its_slot),
        cmocka_unit_test(no_first_byte_leaves_after_the_expiry),
        cmocka_unit_test(a_value_that_would_leave_its_header_is_malformed),
        cmocka_unit_test(ready_legs_of_revoked_partitions_give_their_claims_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
