#include "unit/settle_world.h"

#include <stdio.h>

/* A leg that was sent; its claim is settled. */
static struct job *sent(struct world *w, const char *json)
{
    struct event *event = stage_judge(&w->stage, json);
    struct job *job = stage_job(event);
    assert_int_equal(w->stage.judged.count, 1);
    list_pop(&w->stage.judged);
    job_enter(&w->stage.jobs, job, JOB_ADMITTING);
    job_enter(&w->stage.jobs, job, JOB_SENDING);
    job->end.outcome = CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_SENT;
    job->end.provider_message_id = BYTES("SM1");
    job->end.attempts = 1;
    job->end.sent_at_ms = NOW_MS;
    return job;
}

static void put(struct world *w, struct job *job)
{
    struct list ended = {0};
    list_push(&ended, &job->node);
    settle_enter(&w->settle, &ended);
    settle_put(&w->settle, &ended, NOW_MS + 5);
}

static void take(struct world *w)
{
    settle_take(&w->settle, NOW_MS + 9, &w->told, &w->back);
}

static void expect_in(const struct fake_put *p, const char *text)
{
    if (!strstr(p->value, text))
        fail_msg("%s\nlacks %s", p->value, text);
}

static void expect_header(const struct fake_put *p, const char *name, const char *value)
{
    struct bytes found = fake_header(p, name);
    if (!bytes_equal(found, bytes_of(value)))
        fail_msg("%s is \"%.*s\", not \"%s\"", name, (int)found.size, found.at, value);
}

static void a_sent_leg_is_told_with_all_that_explains_it(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = sent(w, STAGE_EVENT("e1", STAGE_SMS ",\"customer_id\":\"c1\""));
    struct account account = {.name = "twilio"};
    struct route route = {.name = "sms-fr", .account = &account};
    job->route = &route;
    put(w, job);
    assert_int_equal(w->sink.put_count, 1);
    const struct fake_put *p = &w->sink.puts[0];
    assert_int_equal(p->topic, OUTCOMES);
    assert_string_equal(p->key, "e1");
    static const char *const parts[] = {
        "\"event_id\":\"e1\"",
        "\"tenant_id\":\"t\"",
        "\"kind\":\"booking_cancelled\"",
        "\"class\":\"system\"",
        "\"channel\":\"sms\"",
        "\"outcome\":\"sent\"",
        "\"provider\":\"twilio\"",
        "\"route\":\"sms-fr\"",
        "\"provider_message_id\":\"SM1\"",
        "\"attempts\":1",
        "\"zone\":\"FR\"",
        "\"zone_source\":\"guessed\"",
        "\"due_at\":\"2026-11-24T12:00:00.000Z\"",
        "\"settled_at\":\"2026-11-24T12:00:00.005Z\"",
        "\"segments\":1",
        "\"encoding\":\"gsm7\"",
        "\"template\":\"default\"",
        "{\"id\":\"G1\",\"verdict\":\"pass\"}",
        "\"origin\":{\"topic\":\"carillon.events\",\"partition\":3,\"offset\":\"7\"}",
        "\"worker\":\"worker-1\"",
        "\"customer_id\":\"c1\"",
        "\"booking_id\":\"b\"",
    };
    for (size_t i = 0; i < countof(parts); i++)
        expect_in(p, parts[i]);
    assert_null(strstr(p->value, "refuse"));
    assert_null(strstr(p->value, "33612345678")); /* never the address */
    struct bytes leg_id = job_leg_id(job);
    char id[80];
    snprintf(id, sizeof id, "%.*s@carillon.events/3/7", (int)leg_id.size, leg_id.at);
    expect_header(p, "ce_id", id);
    expect_header(p, "content-type", "application/json");
    world_close(w);
}

static void nothing_is_over_before_kafka_acknowledged_it(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = sent(w, STAGE_EVENT("e1", STAGE_SMS));
    put(w, job);
    take(w);
    assert_int_equal(w->told.count, 0);
    assert_int_equal(settle_pending(&w->settle), 1);
    fake_report(&w->sink, 0, ERR_OK);
    take(w);
    assert_int_equal(w->told.count, 1);
    assert_int_equal(settle_pending(&w->settle), 0);
    assert_int_equal(metric_get(&w->metrics, METRIC_OUTCOMES, CARILLON__V1__CHANNEL__CHANNEL_SMS,
                                CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_SENT),
                     1);
    world_close(w);
}

static void what_is_not_acknowledged_is_produced_again(void **state)
{
    (void)state;
    struct world *w = world_open();
    put(w, sent(w, STAGE_EVENT("e1", STAGE_SMS)));
    fake_report(&w->sink, 0, ERR_TIMEOUT);
    take(w);
    assert_int_equal(w->told.count, 0);
    assert_int_equal(w->sink.put_count, 2);
    assert_string_equal(w->sink.puts[1].value, w->sink.puts[0].value);
    assert_int_equal(metric_get(&w->metrics, METRIC_PRODUCE_RETRIES, 0, 0), 1);
    fake_report(&w->sink, 1, ERR_OK);
    take(w);
    assert_int_equal(w->told.count, 1);
    world_close(w);
}

static void a_full_producer_gets_the_rest_later_in_order(void **state)
{
    (void)state;
    struct world *w = world_open();
    w->sink.room = 1;
    put(w, sent(w, STAGE_EVENT("e1", STAGE_SMS)));
    put(w, sent(w, STAGE_EVENT("e2", STAGE_SMS)));
    put(w, sent(w, STAGE_EVENT("e3", STAGE_SMS)));
    assert_int_equal(w->sink.put_count, 1);
    w->sink.room = 3;
    take(w);
    assert_string_equal(w->sink.puts[1].key, "e2");
    assert_string_equal(w->sink.puts[2].key, "e3");
    world_close(w);
}

/* The job of a record that decode refused. */
static struct job *refused(struct world *w, const struct record *record)
{
    struct event *event = stage_record(&w->stage, record);
    stage_decode(&w->stage, event);
    struct list *from = w->stage.done.count > 0 ? &w->stage.done : &w->stage.refused;
    assert_ptr_equal(job_of(list_pop(from)), stage_job(event));
    return stage_job(event);
}

static void a_bad_record_goes_to_the_dead_letters_and_then_gets_its_outcome(void **state)
{
    (void)state;
    struct world *w = world_open();
    const struct record_header own = {BYTES("mine"), BYTES("yes")};
    const struct record record = {.key = BYTES("k"),
                                  .value = BYTES("{\"event_id\":\"e\",\"tenant_id\":\"t\"}"),
                                  .headers = &own,
                                  .header_count = 1};
    put(w, refused(w, &record));
    assert_int_equal(w->sink.put_count, 1);
    const struct fake_put *p = &w->sink.puts[0];
    assert_int_equal(p->topic, DEAD);
    assert_string_equal(p->key, "k");
    assert_string_equal(p->value, record.value.at);
    expect_header(p, "mine", "yes");
    expect_header(p, "carillon-reason", "malformed");
    expect_header(p, "carillon-field", "kind");
    expect_header(p, "carillon-detail", "kind: missing");
    expect_header(p, "carillon-topic", "carillon.events");
    expect_header(p, "carillon-partition", "3");
    expect_header(p, "carillon-offset", "7");
    expect_header(p, "carillon-time", "2026-11-24T12:00:00.005Z");
    assert_null(fake_header(p, "carillon-truncated").at);
    fake_report(&w->sink, 0, ERR_OK);
    take(w);
    assert_int_equal(w->told.count, 0);
    assert_int_equal(w->sink.put_count, 2);
    p = &w->sink.puts[1];
    assert_int_equal(p->topic, OUTCOMES);
    expect_in(p, "\"outcome\":\"dead\",\"reason\":\"malformed\",\"detail\":\"kind\"");
    expect_in(p, "\"gates\":[{\"id\":\"G1\",\"verdict\":\"refuse\"}]");
    fake_report(&w->sink, 1, ERR_OK);
    take(w);
    assert_int_equal(w->told.count, 1);
    world_close(w);
}

static void a_lost_dead_letter_is_produced_again_before_the_outcome(void **state)
{
    (void)state;
    struct world *w = world_open();
    const struct record record = {.value = BYTES("{\"event_id\":\"e\",\"tenant_id\":\"t\"}")};
    put(w, refused(w, &record));
    fake_report(&w->sink, 0, ERR_TIMEOUT);
    take(w);
    assert_int_equal(w->sink.put_count, 2);
    assert_int_equal(w->sink.puts[1].topic, DEAD);
    world_close(w);
}

static void a_null_record_s_letter_is_null_as_it_was(void **state)
{
    (void)state;
    struct world *w = world_open();
    const struct record record = {.key = BYTES("k")};
    put(w, refused(w, &record));
    assert_int_equal(w->sink.put_count, 1);
    assert_true(w->sink.puts[0].is_null);
    fake_report(&w->sink, 0, ERR_OK);
    take(w);
    assert_int_equal(w->told.count, 1); /* nobody to tell an outcome for */
    assert_int_equal(w->sink.put_count, 1);
    assert_int_equal(metric_get(&w->metrics, METRIC_DEAD_RECORDS, 0, 0), 1);
    world_close(w);
}

static void what_the_producer_finds_too_large_goes_without_its_value(void **state)
{
    (void)state;
    struct world *w = world_open();
    w->sink.large = 10;
    const struct record record = {.key = BYTES("k"), .value = BYTES("some bytes of no form")};
    put(w, refused(w, &record));
    assert_int_equal(w->sink.put_count, 1);
    assert_int_equal(w->sink.puts[0].value_size, 0);
    assert_string_equal(w->sink.puts[0].key, "k");
    expect_header(&w->sink.puts[0], "carillon-truncated", "true");
    world_close(w);
}

static void what_the_broker_refuses_goes_without_value_and_then_without_headers(void **state)
{
    (void)state;
    struct world *w = world_open();
    const struct record_header own = {BYTES("mine"), BYTES("yes")};
    const struct record record = {.key = BYTES("k"),
                                  .value = BYTES("some bytes of no form"),
                                  .headers = &own,
                                  .header_count = 1};
    put(w, refused(w, &record));
    fake_report(&w->sink, 0, ERR_TOO_LARGE);
    take(w);
    assert_int_equal(w->sink.puts[1].value_size, 0);
    expect_header(&w->sink.puts[1], "mine", "yes");
    expect_header(&w->sink.puts[1], "carillon-truncated", "true");
    fake_report(&w->sink, 1, ERR_TOO_LARGE);
    take(w);
    assert_null(fake_header(&w->sink.puts[2], "mine").at);
    assert_string_equal(w->sink.puts[2].key, "");
    expect_header(&w->sink.puts[2], "carillon-offset", "7");
    fake_report(&w->sink, 2, ERR_OK);
    take(w);
    assert_int_equal(w->told.count, 1);
    world_close(w);
}

static void an_event_refused_as_a_whole_tells_its_gates_without_a_channel(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct event *event = stage_judge(&w->stage, STAGE_EVENT("e1", "\"customer_id\":\"c\""));
    assert_int_equal(w->stage.refused.count, 1);
    list_pop(&w->stage.refused);
    put(w, stage_job(event));
    assert_int_equal(w->sink.puts[0].topic, DEAD);
    expect_header(&w->sink.puts[0], "carillon-detail", "recipient");
    fake_report(&w->sink, 0, ERR_OK);
    take(w);
    const struct fake_put *p = &w->sink.puts[1];
    expect_in(p, "{\"id\":\"G1\",\"verdict\":\"refuse\"},{\"id\":\"G2\",\"verdict\":\"skip\"}");
    assert_null(strstr(p->value, "\"channel\""));
    assert_null(strstr(p->value, "address_hash"));
    world_close(w);
}

static void a_replay_leaves_out_why(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = sent(w, STAGE_EVENT("e1", STAGE_SMS));
    job->end.replay = true;
    job->end.dup_risk = true;
    put(w, job);
    const struct fake_put *p = &w->sink.puts[0];
    expect_in(p, "\"dup_risk\":true,\"replay\":true");
    static const char *const absent[] = {"gates", "zone", "segments", "route", "due_at"};
    for (size_t i = 0; i < countof(absent); i++)
        assert_null(strstr(p->value, absent[i]));
    fake_report(&w->sink, 0, ERR_OK);
    take(w);
    assert_int_equal(metric_get(&w->metrics, METRIC_REPLAYS, 0, 0), 1);
    assert_int_equal(metric_get(&w->metrics, METRIC_DUP_RISKS, 0, 0), 1);
    world_close(w);
}

static void an_id_that_is_no_text_still_makes_a_valid_outcome(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = sent(w, STAGE_EVENT("e1", STAGE_SMS));
    job->end.provider_message_id = BYTES("SM\xff\xfe");
    put(w, job);
    expect_in(&w->sink.puts[0], "\"provider_message_id\":\"SM\"");
    world_close(w);
}

static void a_job_without_an_end_cannot_settle(void **state)
{
    (void)state;
    struct world *w = world_open();
    struct job *job = sent(w, STAGE_EVENT("e1", STAGE_SMS));
    job->end.outcome = CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_UNSPECIFIED;
    struct list ended = {0};
    list_push(&ended, &job->node);
    expect_assert_failure(settle_enter(&w->settle, &ended));
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sent_leg_is_told_with_all_that_explains_it),
        cmocka_unit_test(nothing_is_over_before_kafka_acknowledged_it),
        cmocka_unit_test(what_is_not_acknowledged_is_produced_again),
        cmocka_unit_test(a_full_producer_gets_the_rest_later_in_order),
        cmocka_unit_test(a_bad_record_goes_to_the_dead_letters_and_then_gets_its_outcome),
        cmocka_unit_test(a_lost_dead_letter_is_produced_again_before_the_outcome),
        cmocka_unit_test(a_null_record_s_letter_is_null_as_it_was),
        cmocka_unit_test(what_the_producer_finds_too_large_goes_without_its_value),
        cmocka_unit_test(what_the_broker_refuses_goes_without_value_and_then_without_headers),
        cmocka_unit_test(an_event_refused_as_a_whole_tells_its_gates_without_a_channel),
        cmocka_unit_test(a_replay_leaves_out_why),
        cmocka_unit_test(an_id_that_is_no_text_still_makes_a_valid_outcome),
        cmocka_unit_test(a_job_without_an_end_cannot_settle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
