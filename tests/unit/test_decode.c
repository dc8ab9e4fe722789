#include "unit/stage_world.h"

static struct event *decoded_from(struct stage_world *w, struct bytes value)
{
    const struct record record = {.value = value, .timestamp_ms = NOW_MS};
    struct event *event = stage_record(w, &record);
    stage_decode(w, event);
    return event;
}

static void a_good_record_becomes_an_event_named_by_its_origin(void **state)
{
    (void)state;
    struct stage_world w;
    stage_open(&w, 4);
    struct event *event = stage_event(&w, STAGE_EVENT("e1", STAGE_SMS));
    assert_int_equal(w.decoded.count, 1);
    assert_int_equal(w.refused.count + w.done.count, 0);
    assert_string_equal(event->judged.event->event_id, "e1");
    struct bytes own = event->own;
    assert_true(own.size > 24);
    assert_memory_equal(own.at + own.size - 20, "|carillon.events/3/7", 20);
    stage_close(&w);
}

static void a_record_without_readable_ids_is_told_as_a_letter_alone(void **state)
{
    (void)state;
    const struct {
        struct bytes value;
        const char *detail;
    } cases[] = {
        {BYTES("{\"event_id\": nonsense}"), "(line 1, column 14)"},
        {BYTES("{\"event_id\":\"e\",\n \"kind\":}"), "(line 2, column 9)"},
        {BYTES("\x0a\x05tooshort"), ""},
        {BYTES("\xff\xff\xff"), ""},
        {BYTES(""), ""},
        {{NULL, 0}, ""},
        {BYTES("[]"), ""},
        {BYTES("{\"event_id\":\"\"}"), "event_id: "},
        {BYTES("{\"event_id\":5,\"tenant_id\":\"t\"}"), "event_id: "},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        struct stage_world w;
        stage_open(&w, 4);
        struct job *job = stage_job(decoded_from(&w, cases[i].value));
        assert_int_equal(w.done.count, 1);
        assert_true(job->end.letter_only);
        assert_true(job->end.dead_letter);
        assert_int_equal(job->end.outcome, CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_DEAD);
        assert_int_equal(job->end.reason, REASON_MALFORMED);
        assert_non_null(job->end.letter_detail);
        assert_true(job->end.letter_detail[0] != '\0');
        assert_non_null(strstr(job->end.letter_detail, cases[i].detail));
        stage_close(&w);
    }
}

static void a_bad_field_is_told_by_its_path_and_in_words(void **state)
{
    (void)state;
    struct stage_world w;
    stage_open(&w, 4);
    struct event *event = stage_event(
        &w, STAGE_EVENT("e1", STAGE_SMS ",\"attachments\":[{\"url\":7}],\"customer_id\":\"c\""));
    struct job *job = stage_job(event);
    assert_int_equal(w.refused.count, 1); /* it has an address: its claims are asked first */
    assert_string_equal(job->end.detail, "attachments[0].url");
    assert_non_null(strstr(job->end.letter_detail, "attachments[0].url: "));
    assert_non_null(strstr(job->end.letter_detail, "(line 1, column "));
    assert_true(job->end.dead_letter);
    assert_false(job->end.letter_only);
    assert_string_equal(event->judged.event->customer_id, "c"); /* outcomes copy it */
    assert_true(event->own.size > 0);
    stage_close(&w);
}

static void a_bad_record_without_a_recipient_is_asked_for_nowhere(void **state)
{
    (void)state;
    struct stage_world w;
    stage_open(&w, 4);
    struct event *event =
        stage_event(&w, "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"no_such_kind\"}");
    assert_int_equal(w.done.count, 1);
    assert_false(stage_job(event)->end.letter_only);
    assert_string_equal(stage_job(event)->end.detail, "kind");
    event = stage_event(&w, "{\"event_id\":\"e\",\"kind\":\"reminder\"," STAGE_SMS "}");
    assert_int_equal(w.done.count, 2);
    assert_string_equal(stage_job(event)->end.detail, "tenant_id");
    assert_string_equal(event->judged.event->event_id, "e");
    stage_close(&w);
}

/* Lists of small things are larger as structs than as text. */
static void a_record_that_outgrows_its_block_is_refused_and_ends(void **state)
{
    (void)state;
    struct stage_world w;
    stage_open(&w, 4);
    static char value[8000];
    struct writer text = writer_of(value, sizeof value);
    write_text(&text, "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"attachments\":[{}");
    while (text.size < sizeof value - 100)
        write_text(&text, ",{}");
    write_text(&text, "]}");
    while (w.jobs.large_free.count > 0)
        list_pop(&w.jobs.large_free);
    struct job *job = stage_job(decoded_from(&w, writer_bytes(&text)));
    assert_int_equal(w.done.count, 1);
    assert_true(job->end.letter_only);
    assert_string_equal(job->end.letter_detail, "too large to be read");
    stage_close(&w);
}

static void a_record_that_was_cut_is_dead(void **state)
{
    (void)state;
    struct stage_world w;
    stage_open(&w, 4);
    static char huge[4 * 1024 * 1024];
    memset(huge, ' ', sizeof huge);
    struct job *job = stage_job(decoded_from(&w, (struct bytes){huge, sizeof huge}));
    assert_int_equal(w.done.count, 1);
    assert_true(job->end.letter_only);
    assert_string_equal(job->end.letter_detail, "too large to be read");
    stage_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_record_becomes_an_event_named_by_its_origin),
        cmocka_unit_test(a_record_without_readable_ids_is_told_as_a_letter_alone),
        cmocka_unit_test(a_bad_field_is_told_by_its_path_and_in_words),
        cmocka_unit_test(a_bad_record_without_a_recipient_is_asked_for_nowhere),
        cmocka_unit_test(a_record_that_outgrows_its_block_is_refused_and_ends),
        cmocka_unit_test(a_record_that_was_cut_is_dead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
