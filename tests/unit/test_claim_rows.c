/* The rows of the claim protocol one by one, on a model of Redis: what is found, and what
 * follows. test_claim.c drives them against each other. */
#include "redis_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OWN "e|t/0/1"
#define MINE "0000000000000007"
#define OTHER "00000000000000ff"
#define NOW 1000000
#define LATER "1013000" /* NOW + lease */

static const struct claim_rules rules = {.start_window_ms = 2000,
                                         .request_deadline_ms = 10000,
                                         .skew_ms = 500,
                                         .command_ms = 2000,
                                         .dedup_window_ms = 72 * 3600 * 1000,
                                         .foreign_wait_ms = 600000};

struct leg {
    struct redis_model redis;
    struct claim claim;
    int64_t epoch_ms;
};

static struct claim_world world_of(const struct leg *l)
{
    return (struct claim_world){
        .rules = &rules, .now_ms = l->redis.now_ms, .epoch_begun_ms = l->epoch_ms};
}

static struct leg leg_with(const char *standing)
{
    struct leg l = {.redis = {.now_ms = NOW, .expires_ms = INT64_MAX}};
    struct claim_leg options = {.own = BYTES(OWN),
                                .key_hex = "00112233445566778899aabbccddeeff",
                                .nonce = 7,
                                .due_ms = NOW - 1000,
                                .expires_ms = NOW + 3600 * 1000,
                                .resend = true};
    l.redis.size = (uint32_t)strlen(standing);
    memcpy(l.redis.value, standing, l.redis.size);
    claim_init(&l.claim, &options);
    return l;
}

/* Asks until the claim comes to rest. */
static enum claim_state run(struct leg *l)
{
    for (uint32_t i = 0; i < 10 && l->claim.state == CLAIM_ASKING; i++) {
        struct claim_world world = world_of(l);
        struct claim_command command;
        struct redis_model_answer answer;
        claim_command(&l->claim, &world, &command);
        redis_model_run(&l->redis, &command, &answer);
        claim_answer(&l->claim, &world, &answer.answer);
    }
    return l->claim.state;
}

static enum claim_state sends(struct leg *l)
{
    struct claim_world world = world_of(l);
    claim_send(&l->claim, &world);
    return run(l);
}

static enum claim_state refuses(struct leg *l)
{
    struct claim_world world = world_of(l);
    claim_refuse(&l->claim, &world);
    return run(l);
}

static enum claim_state settles(struct leg *l, enum claim_kind kind, const char *text)
{
    struct claim_world world = world_of(l);
    claim_settle(&l->claim, &world, kind, bytes_of(text));
    return run(l);
}

static enum claim_state again(struct leg *l, int64_t after_ms)
{
    l->redis.now_ms += after_ms;
    struct claim_world world = world_of(l);
    claim_again(&l->claim, &world);
    return run(l);
}

static void stands(const struct leg *l, const char *value)
{
    char text[CLAIM_VALUE_MAX + 1] = "";
    memcpy(text, l->redis.value, l->redis.size);
    assert_string_equal(text, value);
}

static void ended(const struct leg *l, char kind, bool replay, uint32_t risk, const char *text)
{
    assert_int_equal(l->claim.state, CLAIM_OVER);
    assert_int_equal(l->claim.end.kind, kind);
    assert_int_equal(l->claim.end.replay, replay);
    assert_int_equal(l->claim.end.risk, risk);
    assert_true(bytes_equal(l->claim.end.text, bytes_of(text)));
}

static void a_leg_that_nobody_has_is_claimed_and_sent(void **state)
{
    (void)state;
    struct leg l = leg_with("");
    assert_int_equal(sends(&l), CLAIM_MINE);
    stands(&l, "C|" OWN "|" MINE "|1|0|" LATER);
    assert_int_equal(l.redis.expires_ms, NOW + rules.dedup_window_ms);
    assert_int_equal(l.claim.start_by_ms, NOW + 2000);
    claim_left(&l.claim);
    assert_int_equal(settles(&l, CLAIM_SENT, "id|1"), CLAIM_OVER);
    stands(&l, "S|" OWN "|" MINE "|1|0|1000000|id%7c1");
    ended(&l, 'S', false, 0, "id|1");
    assert_true(l.claim.end.written);
}

static void what_this_record_ended_as_is_told_again(void **state)
{
    (void)state;
    static const struct {
        const char *value, *text;
        char kind;
        uint32_t risk;
    } rows[] = {{"S|" OWN "|" OTHER "|1|0|5|id%7c1", "id|1", 'S', 0},
                {"F|" OWN "|" OTHER "|2|0|5|bad_recipient", "bad_recipient", 'F', 0},
                {"X|" OWN "|" OTHER "|2|2|5|no_answer", "no_answer", 'X', 2}};
    for (uint32_t i = 0; i < countof(rows); i++) {
        struct leg l = leg_with(rows[i].value);
        sends(&l);
        ended(&l, rows[i].kind, true, rows[i].risk, rows[i].text);
        l = leg_with(rows[i].value);
        refuses(&l);
        ended(&l, rows[i].kind, true, rows[i].risk, rows[i].text);
        stands(&l, rows[i].value);
    }
}

static void another_events_end_makes_a_duplicate(void **state)
{
    (void)state;
    struct leg l = leg_with("S|e|t/0/2|" OTHER "|1|0|5|id");
    assert_int_equal(sends(&l), CLAIM_OVER);
    assert_true(l.claim.end.duplicate);
    assert_false(l.claim.end.replay);
    assert_int_equal(l.claim.end.kind, 'S');
    l = leg_with("S|e|t/0/2|" OTHER "|1|0|5|id");
    assert_int_equal(refuses(&l), CLAIM_STANDS);
}

static void who_is_sending_is_waited_for(void **state)
{
    (void)state;
    struct leg l = leg_with("C|" OWN "|" OTHER "|1|0|1013000");
    assert_int_equal(sends(&l), CLAIM_WAITING);
    assert_int_equal(l.claim.again_ms, NOW + 250);
    assert_int_equal(again(&l, 250), CLAIM_WAITING);
    assert_int_equal(l.claim.again_ms, NOW + 250 + 1000);
    assert_int_equal(again(&l, 13249), CLAIM_WAITING); /* its end, but not the skew */
    assert_int_equal(again(&l, 501), CLAIM_MINE);
    stands(&l, "C|" OWN "|" MINE "|2|1|1027000");
}

static void a_claim_given_back_is_taken_without_risk(void **state)
{
    (void)state;
    struct leg l = leg_with("C|" OWN "|" OTHER "|2|1|0");
    assert_int_equal(sends(&l), CLAIM_MINE);
    stands(&l, "C|" OWN "|" MINE "|3|1|" LATER);
}

static void a_second_unknown_attempt_ends_it(void **state)
{
    (void)state;
    struct leg l = leg_with("C|" OWN "|" OTHER "|2|1|5");
    sends(&l);
    ended(&l, 'X', false, 2, "no_answer");
    stands(&l, "X|" OWN "|" MINE "|2|2|1000000|no_answer");
    l = leg_with("C|" OWN "|" OTHER "|1|0|5");
    l.claim.resend = false;
    sends(&l);
    ended(&l, 'X', false, 1, "no_answer");
}

static void an_honoured_key_adds_no_risk_and_hides_no_send(void **state)
{
    (void)state;
    struct leg l = leg_with("C|" OWN "|" OTHER "|1|0|990000");
    l.claim.resend = false;
    l.claim.key_window_ms = 24 * 3600 * 1000;
    assert_int_equal(sends(&l), CLAIM_MINE);
    stands(&l, "C|" OWN "|" MINE "|2|0|" LATER);
    refuses(&l); /* what the dead worker did is still unknown */
    ended(&l, 'X', false, 0, "no_answer");
}

static void a_foreign_claim_dead_for_long_is_ended_in_its_owners_name(void **state)
{
    (void)state;
    struct leg l = leg_with("C|e|t/0/2|" OTHER "|1|0|900000");
    assert_int_equal(sends(&l), CLAIM_WAITING);
    assert_true(l.claim.foreign);
    assert_int_equal(again(&l, 400000), CLAIM_WAITING);
    assert_int_equal(again(&l, 100000), CLAIM_OVER);
    stands(&l, "X|e|t/0/2|" OTHER "|1|1|1500000|no_answer");
    assert_true(l.claim.end.duplicate);
    assert_int_equal(l.claim.end.kind, 'X');
    /* given back: nobody knows since when, so it is watched for as long */
    l = leg_with("C|e|t/0/2|" OTHER "|1|1|0");
    assert_int_equal(sends(&l), CLAIM_WAITING);
    assert_int_equal(again(&l, 599999), CLAIM_WAITING);
    assert_int_equal(again(&l, 1), CLAIM_OVER);
    stands(&l, "X|e|t/0/2|" OTHER "|1|1|1600000|no_answer");
}

static void a_refusal_asks_and_leaves_no_claim(void **state)
{
    (void)state;
    struct leg l = leg_with("");
    assert_int_equal(refuses(&l), CLAIM_STANDS);
    stands(&l, "");
    l = leg_with("C|" OWN "|" OTHER "|1|0|1013000");
    assert_int_equal(refuses(&l), CLAIM_WAITING);
    l = leg_with("C|" OWN "|" OTHER "|1|0|5");
    refuses(&l);
    ended(&l, 'X', false, 1, "no_answer");
    l = leg_with("C|" OWN "|" OTHER "|1|1|0");
    refuses(&l);
    ended(&l, 'X', false, 1, "no_answer");
    l = leg_with("");
    assert_int_equal(sends(&l), CLAIM_MINE);
    assert_int_equal(refuses(&l), CLAIM_STANDS);
    stands(&l, "");
}

static void an_unknown_attempt_is_resent_once_with_its_risk(void **state)
{
    (void)state;
    struct leg l = leg_with("");
    assert_int_equal(sends(&l), CLAIM_MINE);
    claim_left(&l.claim);
    struct claim_world world = world_of(&l);
    claim_unsure(&l.claim, &world);
    assert_true(claim_may_resend(&l.claim, &world));
    l.redis.now_ms += 5000;
    assert_int_equal(sends(&l), CLAIM_MINE);
    stands(&l, "C|" OWN "|" MINE "|2|1|1018000");
    claim_left(&l.claim);
    claim_unsure(&l.claim, &world);
    assert_false(claim_may_resend(&l.claim, &world));
    settles(&l, CLAIM_AMBIGUOUS, "no_answer");
    ended(&l, 'X', false, 2, "no_answer");
    assert_int_equal(l.claim.end.attempts, 2);
}

static void a_refusal_after_two_unknown_attempts_counts_both(void **state)
{
    (void)state;
    struct leg l = leg_with("");
    struct claim_world world = world_of(&l);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(sends(&l), CLAIM_MINE);
        claim_left(&l.claim);
        claim_unsure(&l.claim, &world);
    }
    refuses(&l);
    ended(&l, 'X', false, 2, "no_answer");
}

static void a_failure_after_an_unknown_attempt_is_ambiguous(void **state)
{
    (void)state;
    struct leg l = leg_with("");
    assert_int_equal(sends(&l), CLAIM_MINE);
    claim_left(&l.claim);
    struct claim_world world = world_of(&l);
    claim_unsure(&l.claim, &world);
    assert_int_equal(sends(&l), CLAIM_MINE);
    claim_left(&l.claim);
    settles(&l, CLAIM_FAILED, "bad_recipient");
    ended(&l, 'X', false, 1, "no_answer");
}

static void a_call_that_never_left_gives_its_claim_back(void **state)
{
    (void)state;
    struct leg l = leg_with("");
    assert_int_equal(sends(&l), CLAIM_MINE);
    struct claim_world world = world_of(&l);
    claim_release(&l.claim, &world);
    assert_int_equal(run(&l), CLAIM_RELEASED);
    stands(&l, "");
    l = leg_with("C|" OWN "|" OTHER "|1|0|5"); /* with risk it is written back */
    assert_int_equal(sends(&l), CLAIM_MINE);
    claim_release(&l.claim, &world);
    assert_int_equal(run(&l), CLAIM_RELEASED);
    stands(&l, "C|" OWN "|" MINE "|1|1|0");
    assert_int_equal(sends(&l), CLAIM_MINE);
    stands(&l, "C|" OWN "|" MINE "|2|1|" LATER);
}

static void a_claim_that_cannot_be_started_in_time_is_renewed(void **state)
{
    (void)state;
    struct leg l = leg_with("");
    assert_int_equal(sends(&l), CLAIM_MINE);
    l.redis.now_ms += 900;
    assert_int_equal(sends(&l), CLAIM_MINE);
    stands(&l, "C|" OWN "|" MINE "|1|0|" LATER);
    l.redis.now_ms += 200;
    assert_int_equal(sends(&l), CLAIM_MINE);
    stands(&l, "C|" OWN "|" MINE "|1|0|1014100");
}

static void a_settle_after_the_lease_sees_what_is_there(void **state)
{
    (void)state;
    struct leg l = leg_with("");
    assert_int_equal(sends(&l), CLAIM_MINE);
    claim_left(&l.claim);
    l.redis.now_ms += 60000;
    static const char taken[] = "C|" OWN "|" OTHER "|2|1|1073000";
    memcpy(l.redis.value, taken, sizeof(taken) - 1);
    l.redis.size = sizeof(taken) - 1;
    settles(&l, CLAIM_SENT, "id");
    ended(&l, 'S', false, 2, "id");
    stands(&l, "S|" OWN "|" MINE "|3|2|1060000|id");
}

static void a_missing_claim_after_a_loss_counts_as_lost(void **state)
{
    (void)state;
    struct leg l = leg_with("");
    l.epoch_ms = NOW - 10;
    l.claim.assigned_ms = NOW - 5;
    assert_int_equal(sends(&l), CLAIM_MINE);
    stands(&l, "C|" OWN "|" MINE "|1|1|" LATER);
    l = leg_with("");
    l.epoch_ms = NOW - 10;
    l.claim.assigned_ms = NOW - 5;
    l.claim.resend = false;
    sends(&l);
    ended(&l, 'X', false, 1, "claims_lost");
    assert_true(l.claim.end.claims_lost);
    l = leg_with("");
    l.epoch_ms = NOW - 10;
    l.claim.assigned_ms = NOW - 5;
    refuses(&l);
    ended(&l, 'X', false, 0, "claims_lost");
    l = leg_with("S|e|t/0/2|" OTHER "|1|0|5|id");
    l.epoch_ms = NOW - 10;
    l.claim.assigned_ms = NOW - 5;
    sends(&l);
    ended(&l, 'X', false, 0, "claims_lost");
    l = leg_with(""); /* this assignment is older than the record: it would know */
    l.epoch_ms = NOW - 10;
    l.claim.assigned_ms = NOW - 2000;
    assert_int_equal(sends(&l), CLAIM_MINE);
    stands(&l, "C|" OWN "|" MINE "|1|0|" LATER);
}

static void what_cannot_be_read_is_ambiguous(void **state)
{
    (void)state;
    static const char *const values[] = {"", "rubbish", "C|" OWN "|" MINE "|1|0|soon"};
    for (uint32_t i = 1; i < countof(values); i++) {
        struct leg l = leg_with(values[i]);
        assert_int_equal(sends(&l), CLAIM_OVER);
        assert_int_equal(l.claim.end.kind, 'X');
        assert_true(l.claim.end.corrupt);
        assert_false(l.claim.end.written);
        stands(&l, values[i]);
    }
}

static void a_legs_key_and_id_are_told_apart_by_every_part(void **state)
{
    (void)state;
    char a[32], b[32];
    struct bytes t = BYTES("t"), id = BYTES("i"), sms = BYTES("sms"), to = BYTES("+1");
    struct claim_identity who;
    claim_identity_of(t, id, &who);
    claim_leg_hex(&who, sms, to, a);
    const struct bytes others[][4] = {{BYTES("u"), id, sms, to},
                                      {t, BYTES("j"), sms, to},
                                      {t, id, BYTES("email"), to},
                                      {t, id, sms, BYTES("+2")},
                                      {BYTES("ti"), BYTES(""), sms, to}};
    for (uint32_t i = 0; i < countof(others); i++) {
        claim_identity_of(others[i][0], others[i][1], &who);
        claim_leg_hex(&who, others[i][2], others[i][3], b);
        assert_memory_not_equal(a, b, 32);
    }
    claim_identity_of(t, id, &who);
    claim_leg_hex(&who, sms, to, b);
    assert_memory_equal(a, b, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leg_that_nobody_has_is_claimed_and_sent),
        cmocka_unit_test(what_this_record_ended_as_is_told_again),
        cmocka_unit_test(another_events_end_makes_a_duplicate),
        cmocka_unit_test(who_is_sending_is_waited_for),
        cmocka_unit_test(a_claim_given_back_is_taken_without_risk),
        cmocka_unit_test(a_second_unknown_attempt_ends_it),
        cmocka_unit_test(an_honoured_key_adds_no_risk_and_hides_no_send),
        cmocka_unit_test(a_foreign_claim_dead_for_long_is_ended_in_its_owners_name),
        cmocka_unit_test(a_refusal_asks_and_leaves_no_claim),
        cmocka_unit_test(an_unknown_attempt_is_resent_once_with_its_risk),
        cmocka_unit_test(a_refusal_after_two_unknown_attempts_counts_both),
        cmocka_unit_test(a_failure_after_an_unknown_attempt_is_ambiguous),
        cmocka_unit_test(a_call_that_never_left_gives_its_claim_back),
        cmocka_unit_test(a_claim_that_cannot_be_started_in_time_is_renewed),
        cmocka_unit_test(a_settle_after_the_lease_sees_what_is_there),
        cmocka_unit_test(a_missing_claim_after_a_loss_counts_as_lost),
        cmocka_unit_test(what_cannot_be_read_is_ambiguous),
        cmocka_unit_test(a_legs_key_and_id_are_told_apart_by_every_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
