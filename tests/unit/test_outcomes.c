/* Outcomes as commands read them: which counts, what is counted, what is said. */
#include "outcomes.h"
#include "tally.h"
#include "why_print.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define OUTCOME(name) CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_##name

struct hand {
    char memory[64 * 1024];
    struct arena arena;
};

static const Carillon__V1__Outcome *outcome_of(struct hand *hand, const char *json)
{
    hand->arena = arena_of(hand->memory, sizeof hand->memory);
    const Carillon__V1__Outcome *outcome = outcome_decode(bytes_of(json), &hand->arena);
    assert_non_null(outcome);
    return outcome;
}

static void an_outcome_is_read_in_either_form_and_nothing_else_is_one(void **state)
{
    (void)state;
    struct hand hand;
    const struct bytes wire = BYTES("\x0a\x02"
                                    "e1\x40\x01"); /* event_id, outcome sent */
    hand.arena = arena_of(hand.memory, sizeof hand.memory);
    const Carillon__V1__Outcome *outcome = outcome_decode(wire, &hand.arena);
    assert_non_null(outcome);
    assert_string_equal(outcome->event_id, "e1");
    assert_int_equal(outcome->outcome, OUTCOME(SENT));
    assert_int_equal(outcome_settled_ms(outcome), 0);
    outcome = outcome_of(&hand, " {\"event_id\":\"e2\",\"settled_at\":\"1970-01-01T00:00:01.5Z\"}");
    assert_int_equal(outcome_settled_ms(outcome), 1500);
    const struct bytes not_one[] = {BYTES(""), BYTES("{}"), BYTES("{\"event_id\":"),
                                    BYTES("\x0a\x09short")};
    for (size_t i = 0; i < countof(not_one); i++) {
        hand.arena = arena_of(hand.memory, sizeof hand.memory);
        assert_null(outcome_decode(not_one[i], &hand.arena));
    }
}

static void only_the_first_of_a_leg_and_origin_counts(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        bool first;
    } rows[] = {
        {"{\"event_id\":\"e\",\"leg_id\":\"a\",\"origin\":{\"topic\":\"t\",\"offset\":\"1\"}}",
         true},
        {"{\"event_id\":\"e\",\"leg_id\":\"a\",\"origin\":{\"topic\":\"t\",\"offset\":\"1\"},"
         "\"replay\":true}",
         false},
        {"{\"event_id\":\"e\",\"leg_id\":\"b\",\"origin\":{\"topic\":\"t\",\"offset\":\"1\"}}",
         true},
        {"{\"event_id\":\"e\",\"leg_id\":\"a\",\"origin\":{\"topic\":\"t\",\"offset\":\"2\"}}",
         true},
        {"{\"event_id\":\"e\",\"leg_id\":\"a\",\"origin\":{\"topic\":\"t\",\"partition\":1,"
         "\"offset\":\"1\"}}",
         true},
        {"{\"event_id\":\"e\",\"leg_id\":\"a\",\"origin\":{\"topic\":\"u\",\"offset\":\"1\"}}",
         true},
        {"{\"event_id\":\"e\",\"leg_id\":\"a\"}", true},
        {"{\"event_id\":\"e\",\"leg_id\":\"a\"}", false},
    };
    struct ends ends = {0};
    struct hand hand;
    for (size_t i = 0; i < countof(rows); i++)
        assert_int_equal(ends_add(&ends, outcome_of(&hand, rows[i].json)), rows[i].first);
    ends_clear(&ends);
    assert_true(ends_add(&ends, outcome_of(&hand, rows[0].json)));
    ends_free(&ends);
}

static void ten_thousand_ends_are_told_apart(void **state)
{
    (void)state;
    struct ends ends = {0};
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 10000; i++) {
            Carillon__V1__Outcome outcome = CARILLON__V1__OUTCOME__INIT;
            Carillon__V1__Origin origin = CARILLON__V1__ORIGIN__INIT;
            char leg[16];
            snprintf(leg, sizeof leg, "leg%d", i / 2);
            outcome.leg_id = leg;
            origin.offset = i % 2;
            outcome.origin = &origin;
            assert_int_equal(ends_add(&ends, &outcome), round == 0);
        }
    assert_int_equal(ends.count, 10000);
    ends_free(&ends);
}

static void outcomes_are_counted_by_end_and_reason(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{\"event_id\":\"e\",\"outcome\":\"suppressed\",\"reason\":\"landline\"}",
        "{\"event_id\":\"e\",\"outcome\":\"sent\"}",
        "{\"event_id\":\"e\",\"outcome\":\"suppressed\",\"reason\":\"unsubscribed\"}",
        "{\"event_id\":\"e\",\"outcome\":\"sent\",\"dup_risk\":true}",
        "{\"event_id\":\"e\",\"outcome\":\"suppressed\",\"reason\":\"unsubscribed\"}",
        "{\"event_id\":\"e\",\"outcome\":\"sent\",\"replay\":true}",
        "{\"event_id\":\"e\",\"outcome\":\"failed\",\"reason\":\"of a newer carillon\"}",
    };
    struct tally *tally = calloc(1, sizeof *tally);
    struct hand hand;
    char *text = NULL;
    size_t size;
    for (size_t i = 0; i < countof(rows); i++)
        tally_add(tally, outcome_of(&hand, rows[i]));
    tally_sort(tally);
    FILE *out = open_memstream(&text, &size);
    tally_print_json(tally, 0, 86400000, out);
    fclose(out);
    assert_string_equal(
        text, "{\"from\":\"1970-01-01T00:00:00.000Z\",\"to\":\"1970-01-02T00:00:00.000Z\","
              "\"total\":7,\"dup_risk\":1,\"replays\":1,\"outcomes\":["
              "{\"outcome\":\"sent\",\"reason\":\"\",\"count\":3,\"dup_risk\":1},"
              "{\"outcome\":\"suppressed\",\"reason\":\"unsubscribed\",\"count\":2,\"dup_risk\":0},"
              "{\"outcome\":\"suppressed\",\"reason\":\"landline\",\"count\":1,\"dup_risk\":0},"
              "{\"outcome\":\"failed\",\"reason\":\"of a newer carillon\",\"count\":1,"
              "\"dup_risk\":0}]}\n");
    free(text);
    out = open_memstream(&text, &size);
    tally_print_text(tally, out);
    fclose(out);
    assert_non_null(strstr(text, "2  28.57 %  suppressed unsubscribed"));
    assert_non_null(strstr(text, "the recipient unsubscribed\n"));
    assert_non_null(strstr(text, "7 in all; 1 may have been sent twice (dup_risk)"));
    free(text);
    free(tally);
}

static void more_reasons_than_rows_are_counted_as_others(void **state)
{
    (void)state;
    struct tally *tally = calloc(1, sizeof *tally);
    for (int i = 0; i < TALLY_ROWS_MAX + 10; i++) {
        Carillon__V1__Outcome outcome = CARILLON__V1__OUTCOME__INIT;
        char reason[16];
        snprintf(reason, sizeof reason, "r%d", i);
        outcome.reason = reason;
        tally_add(tally, &outcome);
    }
    assert_int_equal(tally->row_count, TALLY_ROWS_MAX);
    assert_int_equal(tally->rows[TALLY_ROWS_MAX].count, 10);
    assert_int_equal(tally->total, TALLY_ROWS_MAX + 10);
    free(tally);
}

static void assert_said(const char *json, uint32_t again, const char *sentence)
{
    struct hand hand;
    struct why_leg leg = {outcome_of(&hand, json), again};
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    why_print_leg(&leg, NULL, out);
    fclose(out);
    assert_string_equal(text, sentence);
    free(text);
}

static void what_happened_to_a_leg_is_said_in_sentences(void **state)
{
    (void)state;
    assert_said(
        "{\"event_id\":\"e\",\"channel\":\"sms\",\"outcome\":\"sent\",\"provider\":\"twilio\","
        "\"route\":\"fr\",\"provider_message_id\":\"SM1\",\"attempts\":1,\"zone\":\"UTC\","
        "\"zone_source\":\"platform\",\"due_at\":\"2026-11-24T03:00:00Z\","
        "\"effective_due_at\":\"2026-11-24T06:00:00Z\",\"sent_at\":\"2026-11-24T06:00:01Z\","
        "\"settled_at\":\"2026-11-24T06:00:02Z\",\"segments\":2,\"encoding\":\"gsm7\","
        "\"template\":\"default\",\"gates\":[{\"id\":\"G1\",\"verdict\":\"pass\"}],"
        "\"worker\":\"w1\"}",
        0,
        "  sms was sent at 2026-11-24T06:00:01.000Z over route fr (twilio); the provider "
        "calls it SM1. It was due at 2026-11-24T03:00:00.000Z, and because of quiet hours "
        "at 2026-11-24T06:00:00.000Z. Its zone is UTC (platform). The text: default, 2 "
        "segments gsm7. Passed: G1. Settled at 2026-11-24T06:00:02.000Z by w1.\n");
    assert_said("{\"event_id\":\"e\",\"channel\":\"email\",\"outcome\":\"suppressed\","
                "\"reason\":\"unsubscribed\",\"gates\":[{\"id\":\"G1\",\"verdict\":\"pass\"},"
                "{\"id\":\"C6\",\"verdict\":\"refuse\"},{\"id\":\"C7\",\"verdict\":\"skip\"},"
                "{\"id\":\"C8\",\"verdict\":\"skip\"}]}",
                2,
                "  email did not go (suppressed): the recipient unsubscribed. Gate C6 (\"the "
                "recipient did not unsubscribe\") says unsubscribed. Passed: G1; not asked: C7 C8. "
                "Told again 2 times, when the record was read again.\n");
}

static void a_field_that_is_missing_or_unknown_is_left_out(void **state)
{
    (void)state;
    assert_said("{\"event_id\":\"e\"}", 0, "  the event did not go (unknown).\n");
    struct hand hand;
    Carillon__V1__Outcome strange = *outcome_of(&hand, "{\"event_id\":\"e\",\"outcome\":\"failed\","
                                                       "\"reason\":\"new_reason\"}");
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    strange.zone = (char *)(uintptr_t) "UTC";
    strange.zone_source = 77;
    strange.template_ = (char *)(uintptr_t) "t";
    strange.encoding = 77;
    why_print_leg(&(struct why_leg){&strange, 0}, NULL, out);
    fclose(out);
    assert_string_equal(text, "  the event could not be sent (failed): new_reason.\n");
    free(text);
}

static void a_moment_is_a_time_a_date_or_how_long_ago(void **state)
{
    (void)state;
    const int64_t now_ms = INT64_C(1795000000000);
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"now", INT64_C(1795000000000)},
        {"7d", INT64_C(1795000000000) - 7 * INT64_C(86400000)},
        {"90m", INT64_C(1795000000000) - 5400000},
        {"0s", INT64_C(1795000000000)},
        {"999999d", 0},
        {"1970-01-02", 86400000},
        {"1970-01-01T01:00:00+01:00", 0},
    };
    for (size_t i = 0; i < countof(good); i++) {
        int64_t ms;
        assert_true(moment_parse(good[i].text, now_ms, &ms));
        assert_int_equal(ms, good[i].ms);
    }
    static const char *const bad[] = {"", "d", "7", "7w", "-7d", "7.5d", "1970-02-30", "yesterday"};
    for (size_t i = 0; i < countof(bad); i++) {
        int64_t ms;
        assert_false(moment_parse(bad[i], now_ms, &ms));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_outcome_is_read_in_either_form_and_nothing_else_is_one),
        cmocka_unit_test(only_the_first_of_a_leg_and_origin_counts),
        cmocka_unit_test(ten_thousand_ends_are_told_apart),
        cmocka_unit_test(outcomes_are_counted_by_end_and_reason),
        cmocka_unit_test(more_reasons_than_rows_are_counted_as_others),
        cmocka_unit_test(what_happened_to_a_leg_is_said_in_sentences),
        cmocka_unit_test(a_field_that_is_missing_or_unknown_is_left_out),
        cmocka_unit_test(a_moment_is_a_time_a_date_or_how_long_ago),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
