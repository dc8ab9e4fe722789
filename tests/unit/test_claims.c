/* Settles, releases and the tail on a real Redis. */
#include "admit_world.h"

/* A leg whose call is out. */
static struct job *sending(struct admit_world *w, const char *json)
{
    struct event *event = judged(w, json);
    admit(w);
    assert_int_equal(w->ready.count, 1);
    struct job *job = job_of(list_pop(&w->ready));
    assert_ptr_equal(job->event, event);
    job_enter(&w->stage.jobs, job, JOB_SENDING);
    claim_left(&job->claim);
    return job;
}

static void end(struct job *job, Carillon__V1__OutcomeKind outcome, enum reason reason)
{
    job->end.outcome = outcome;
    job->end.reason = reason;
    if (outcome == OUTCOME(SENT))
        job->end.provider_message_id = BYTES("SM/1");
}

static void put(struct admit_world *w, struct job *job)
{
    struct list ended = {0};
    if (job->state != JOB_SETTLING)
        job_enter(&w->stage.jobs, job, JOB_SETTLING);
    list_push(&ended, &job->node);
    claims_settle_put(&w->claims, clock_mono_ns(), &ended);
}

/* Until the claim's half is acknowledged; the job then lies in `done`. */
static void settled(struct admit_world *w)
{
    uint64_t until_ns = clock_mono_ns() + 10 * NS_PER_S;
    while (w->done.count == 0 && clock_mono_ns() < until_ns) {
        turn(w);
        claims_settle_take(&w->claims, clock_mono_ns(), &w->done);
    }
    assert_int_equal(w->done.count, 1);
}

static void settle(struct admit_world *w, struct job *job)
{
    put(w, job);
    settled(w);
}

static struct claim_value stands(struct admit_world *w, const struct job *job)
{
    struct claim_value value = {0};
    struct bytes text = claim_at(w, job->event, SMS, NUMBER);
    if (text.size > 0)
        assert_true(claim_parse_value(text, &value));
    return value;
}

static void a_sent_leg_is_settled_with_the_provider_s_id(void **state)
{
    struct admit_world *w = *state;
    struct job *job = sending(w, RECEIPT("1", SMS_ONLY));
    end(job, OUTCOME(SENT), REASON_NONE);
    settle(w, job);
    struct claim_value value = stands(w, job);
    assert_int_equal(value.kind, CLAIM_SENT);
    assert_true(bytes_equal(value.text, BYTES("SM%2f1")));
    assert_true(bytes_equal(value.own, job->event->own));
    assert_int_equal(job->end.attempts, 1);
    assert_false(job->end.replay || job->end.dup_risk);
}

static void a_failure_is_settled_with_its_reason_and_keeps_its_detail(void **state)
{
    struct admit_world *w = *state;
    struct job *job = sending(w, RECEIPT("1", SMS_ONLY));
    end(job, OUTCOME(FAILED), REASON_BAD_RECIPIENT);
    job->end.detail = "21211";
    settle(w, job);
    struct claim_value value = stands(w, job);
    assert_int_equal(value.kind, CLAIM_FAILED);
    assert_true(bytes_equal(value.text, BYTES("bad_recipient")));
    assert_int_equal(job->end.reason, REASON_BAD_RECIPIENT);
    assert_string_equal(job->end.detail, "21211");
}

static void a_failure_after_an_unknown_attempt_is_settled_as_ambiguous(void **state)
{
    struct admit_world *w = *state;
    struct job *job = sending(w, RECEIPT("1", SMS_ONLY));
    struct claim_world now = claims_world(&w->claims, clock_mono_ns());
    claim_unsure(&job->claim, &now);
    end(job, OUTCOME(FAILED), REASON_ATTEMPTS_EXHAUSTED);
    settle(w, job);
    assert_int_equal(stands(w, job).kind, CLAIM_AMBIGUOUS);
    assert_int_equal(job->end.outcome, OUTCOME(AMBIGUOUS));
    assert_int_equal(job->end.reason, REASON_NO_ANSWER);
}

static void a_refusal_gives_its_claim_back(void **state)
{
    struct admit_world *w = *state;
    struct event *event = judged(w, RECEIPT("1", SMS_ONLY));
    admit(w);
    struct job *job = job_of(list_pop(&w->ready));
    end(job, OUTCOME(DEAD), REASON_MALFORMED);
    job->end.detail = "recipient.name";
    settle(w, job);
    assert_ptr_equal(job->event, event);
    assert_true(nothing_claimed(w));
    assert_int_equal(job->end.outcome, OUTCOME(DEAD));
    assert_string_equal(job->end.detail, "recipient.name");
}

static void what_never_had_a_claim_passes_at_once(void **state)
{
    struct admit_world *w = *state;
    judged(w, RECEIPT("1", SMS_ONLY));
    struct job *job = job_of(list_pop(&w->stage.judged));
    end(job, OUTCOME(DEAD), REASON_MALFORMED);
    put(w, job);
    claims_settle_take(&w->claims, clock_mono_ns(), &w->done);
    assert_int_equal(w->done.count, 1);
}

/* It stalled over its lease, and another worker took its claim over. */
static void a_settle_over_a_take_over_says_that_it_may_be_the_second(void **state)
{
    struct admit_world *w = *state;
    struct job *job = sending(w, RECEIPT("1", SMS_ONLY));
    set_claim(w, job->event, SMS, NUMBER, CLAIM_CLAIMED, job->event->own, NOW_MS, "");
    end(job, OUTCOME(SENT), REASON_NONE);
    settle(w, job);
    struct claim_value value = stands(w, job);
    assert_int_equal(value.kind, CLAIM_SENT);
    assert_int_equal(value.risk, 1);
    assert_int_equal(value.attempts, 2);
    assert_true(job->end.dup_risk);
}

static void a_claim_is_given_back_before_its_leg_waits(void **state)
{
    struct admit_world *w = *state;
    struct job *job = sending(w, RECEIPT("1", SMS_ONLY));
    struct list release = {0};
    list_push(&release, &job->node);
    claims_release_put(&w->claims, clock_mono_ns(), &release);
    uint64_t until_ns = clock_mono_ns() + 10 * NS_PER_S;
    while (w->again.count == 0 && clock_mono_ns() < until_ns) {
        turn(w);
        claims_release_take(&w->claims, clock_mono_ns(), &w->again);
    }
    assert_int_equal(w->again.count, 1);
    assert_true(nothing_claimed(w));
    assert_int_equal(job->state, JOB_SENDING);
}

static void a_settle_whose_answer_is_lost_is_asked_again(void **state)
{
    struct admit_world *w = *state;
    struct job *job = sending(w, RECEIPT("1", SMS_ONLY));
    end(job, OUTCOME(SENT), REASON_NONE);
    put(w, job);
    ASK(w->redis, BYTES("CLIENT"), BYTES("KILL"), BYTES("TYPE"), BYTES("normal"), BYTES("SKIPME"),
        BYTES("yes"));
    settled(w);
    struct claim_value value = stands(w, job);
    assert_int_equal(value.kind, CLAIM_SENT);
    assert_int_equal(value.risk, 0); /* its own, found again */
    assert_false(job->end.replay);
}

/* Emptied, as by a failover: the epoch is another one. */
static void empty_redis(struct admit_world *w)
{
    ASK(w->redis, BYTES("FLUSHALL"));
    ASK(w->redis, BYTES("SET"), BYTES("e1"), BYTES("f|1795521600000"));
}

static void reach(struct admit_world *w, enum gate_state wanted)
{
    uint64_t until_ns = clock_mono_ns() + 10 * NS_PER_S;
    while (claims_gate(&w->claims) != wanted && clock_mono_ns() < until_ns)
        turn(w);
    assert_int_equal(claims_gate(&w->claims), wanted);
}

static void an_emptied_redis_gets_back_what_was_in_hand_before_anything_is_asked(void **state)
{
    struct admit_world *w = *state;
    struct job *sent = sending(w, RECEIPT("1", SMS_ONLY));
    struct job *holds = sending(w, RECEIPT("2", SMS_ONLY));
    end(sent, OUTCOME(SENT), REASON_NONE);
    settle(w, sent);
    empty_redis(w);
    reach(w, GATE_HOLD);
    assert_int_equal(stands(w, sent).kind, CLAIM_SENT);
    assert_int_equal(stands(w, holds).kind, CLAIM_CLAIMED);
    assert_true(holds->claim.held);
    assert_true(claims_open(&w->claims) == false && admit_room(&w->admit) == 0);
    /* An answer that came meanwhile waits. */
    end(holds, OUTCOME(SENT), REASON_NONE);
    put(w, holds);
    for (int i = 0; i < 5; i++)
        turn(w);
    assert_int_equal(stands(w, holds).kind, CLAIM_CLAIMED);
    w->claims.gate.hold = false; /* 3 s, and the commit */
    list_pop(&w->done);
    settled(w);
    assert_int_equal(stands(w, holds).kind, CLAIM_SENT);
    assert_false(holds->end.dup_risk);
    list_push(&w->done, &sent->node);
}

static void a_hold_ends_only_with_a_commit_asked_for_after_the_tail_was_written(void **state)
{
    struct admit_world *w = *state;
    empty_redis(w);
    reach(w, GATE_HOLD);
    struct gate *gate = &w->claims.gate;
    gate->tail_done_ns -= 4 * NS_PER_S; /* so long ago */
    turn(w);
    assert_int_equal(claims_gate(&w->claims), GATE_HOLD);
    claims_committed(&w->claims, gate->tail_done_ns - 1);
    turn(w);
    assert_int_equal(claims_gate(&w->claims), GATE_HOLD);
    claims_committed(&w->claims, gate->tail_done_ns + 1);
    turn(w);
    assert_true(claims_open(&w->claims));
}

static void a_commit_does_not_end_a_hold_before_its_time(void **state)
{
    struct admit_world *w = *state;
    empty_redis(w);
    reach(w, GATE_HOLD);
    claims_committed(&w->claims, clock_mono_ns());
    turn(w);
    assert_int_equal(claims_gate(&w->claims), GATE_HOLD);
}

static void nothing_is_asked_of_a_redis_without_an_epoch_or_functions(void **state)
{
    struct admit_world *w = *state;
    ASK(w->redis, BYTES("DEL"), BYTES("e1"));
    reach(w, GATE_EPOCH);
    ASK(w->redis, BYTES("SET"), BYTES("e1"), BYTES(EPOCH));
    reach(w, GATE_OPEN); /* the same life: nothing was lost */
    ASK(w->redis, BYTES("FUNCTION"), BYTES("FLUSH"));
    reach(w, GATE_FUNCTIONS);
    assert_int_equal(admit_room(&w->admit), 0);
}

static void a_clock_that_stepped_shuts_the_gate_until_samples_agree(void **state)
{
    struct admit_world *w = *state;
    int64_t before_ms = claims_now_ms(&w->claims, clock_mono_ns());
    w->claims.gate.clock.offset_ns -= 3600 * (int64_t)NS_PER_S;
    reach(w, GATE_CLOCK);
    assert_false(claims_open(&w->claims));
    assert_true(claims_clock(&w->claims, clock_mono_ns()).held);
    assert_int_equal(admit_room(&w->admit), 0);
    reach(w, GATE_OPEN);
    assert_false(claims_clock(&w->claims, clock_mono_ns()).held);
    assert_true(claims_now_ms(&w->claims, clock_mono_ns()) >= before_ms);
}

static void only_what_is_three_seconds_old_is_forgotten(void **state)
{
    struct admit_world *w = *state;
    char key[CLAIM_KEY_SIZE];
    memset(key, 'k', sizeof key);
    uint64_t now_ns = clock_mono_ns();
    for (int i = 0; i < 3000; i++) /* more than a chunk holds */
        tail_keep(&w->claims, now_ns, (struct bytes){key, sizeof key},
                  BYTES("S|e|t/0/1|0000000000000001|1|0|1|x"), 1000);
    assert_ptr_not_equal(w->claims.tail.first, w->claims.tail.last);
    tail_expire(&w->claims, now_ns + CLAIMS_TAIL_MS * NS_PER_MS);
    assert_non_null(w->claims.tail.first);
    tail_expire(&w->claims, now_ns + CLAIMS_TAIL_MS * NS_PER_MS + 1);
    assert_null(w->claims.tail.first);
    assert_null(w->claims.tail.last);
    tail_keep(&w->claims, now_ns, (struct bytes){key, sizeof key}, BYTES("S|"), 1000);
    assert_non_null(w->claims.tail.first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_sent_leg_is_settled_with_the_provider_s_id),
        TEST(a_failure_is_settled_with_its_reason_and_keeps_its_detail),
        TEST(a_failure_after_an_unknown_attempt_is_settled_as_ambiguous),
        TEST(a_refusal_gives_its_claim_back),
        TEST(what_never_had_a_claim_passes_at_once),
        TEST(a_settle_over_a_take_over_says_that_it_may_be_the_second),
        TEST(a_claim_is_given_back_before_its_leg_waits),
        TEST(a_settle_whose_answer_is_lost_is_asked_again),
        TEST(an_emptied_redis_gets_back_what_was_in_hand_before_anything_is_asked),
        TEST(a_hold_ends_only_with_a_commit_asked_for_after_the_tail_was_written),
        TEST(a_commit_does_not_end_a_hold_before_its_time),
        TEST(nothing_is_asked_of_a_redis_without_an_epoch_or_functions),
        TEST(a_clock_that_stepped_shuts_the_gate_until_samples_agree),
        TEST(only_what_is_three_seconds_old_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
