#include "domain/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static char memory[2 * 1024 * 1024];
static struct event_error error;
static Carillon__V1__Event *event;

static enum err decode(const struct record *record)
{
    static struct arena arena;
    arena = arena_of(memory, sizeof memory);
    enum err err = event_decode(record, &arena, NULL, &event, &error);
    assert_int_equal(err == ERR_OK, error.what.word == NULL);
    return err;
}

static enum err decode_value(struct bytes value)
{
    struct record record = {.value = value};
    return decode(&record);
}

static enum err decode_text(const char *value)
{
    return decode_value(bytes_of(value));
}

/* A record with up to three headers, as name and value in turn; NULL ends. */
static enum err decode_with(struct bytes value, const char *const headers[])
{
    struct record_header list[4];
    struct record record = {.value = value, .headers = list};
    for (; headers[2 * record.header_count]; record.header_count++)
        list[record.header_count] =
            (struct record_header){bytes_of(headers[2 * record.header_count]),
                                   bytes_of(headers[2 * record.header_count + 1])};
    return decode(&record);
}

#define HEADERS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const char wire[] = "\x0a\x03"
                           "e-1\x12\x01t\x18\x07";
#define WIRE ((struct bytes){wire, sizeof wire - 1})
#define JSON "{\"event_id\":\"e-1\",\"tenant_id\":\"t\",\"kind\":\"reminder\"}"

static void assert_small_event(void)
{
    assert_non_null(event);
    assert_string_equal(event->event_id, "e-1");
    assert_string_equal(event->tenant_id, "t");
    assert_true(event->has_kind);
    assert_int_equal(event->kind, CARILLON__V1__KIND__KIND_REMINDER);
}

static void the_first_byte_tells_the_form(void **state)
{
    (void)state;
    assert_int_equal(decode_text(JSON), ERR_OK);
    assert_small_event();
    assert_int_equal(decode_text(" \n\t\r" JSON " "), ERR_OK);
    assert_small_event();
    assert_int_equal(decode_value(WIRE), ERR_OK);
    assert_small_event();
}

static void headers_tell_the_form_before_the_first_byte(void **state)
{
    (void)state;
    static const char *const json[] = {"application/json", "Application/JSON; charset=utf-8"};
    for (size_t i = 0; i < countof(json); i++) {
        assert_int_equal(decode_with(BYTES(JSON), HEADERS("Content-Type", json[i])), ERR_OK);
        assert_int_equal(decode_with(WIRE, HEADERS("content-type", json[i])), ERR_INVALID);
        assert_null(event);
    }
    static const char *const protobuf[] = {"application/protobuf", "application/x-protobuf",
                                           "application/vnd.google.protobuf ;x"};
    for (size_t i = 0; i < countof(protobuf); i++) {
        assert_int_equal(decode_with(WIRE, HEADERS("content-type", protobuf[i])), ERR_OK);
        assert_int_equal(decode_with(BYTES(JSON), HEADERS("content-type", protobuf[i])),
                         ERR_INVALID);
    }
    assert_int_equal(decode_with(BYTES(JSON), HEADERS("content-type", "text/plain")), ERR_OK);
    assert_int_equal(decode_with(WIRE, HEADERS("content-type", "application/octet-stream")),
                     ERR_OK);
}

static void cloud_events_in_binary_mode_give_the_id_that_the_data_lacks(void **state)
{
    (void)state;
    const char *const *headers = HEADERS("ce_id", "7", "ce_source", "/planner", "ce_type", "x");
    assert_int_equal(decode_with(BYTES("{\"tenant_id\":\"t\",\"kind\":7}"), headers), ERR_OK);
    assert_string_equal(event->event_id, "/planner#7");
    assert_int_equal(decode_with(BYTES("\x12\x01t\x18\x07"), headers), ERR_OK);
    assert_string_equal(event->event_id, "/planner#7");
    assert_int_equal(decode_with(BYTES(JSON), headers), ERR_OK);
    assert_string_equal(event->event_id, "e-1");
    assert_int_equal(decode_with(BYTES("{\"tenant_id\":\"t\",\"kind\":7}"), HEADERS("ce_id", "7")),
                     ERR_INVALID);
    assert_string_equal(error.what.path, "event_id");
    assert_int_equal(decode_with(BYTES("{\"tenant_id\":\"t\",\"kind\":7}"),
                                 HEADERS("ce_id", "\xff", "ce_source", "s")),
                     ERR_INVALID);
    assert_string_equal(error.what.path, "event_id");
}

#define STRUCTURED HEADERS("content-type", "application/cloudevents+json; charset=UTF-8")

static void cloud_events_in_structured_mode_carry_the_event_as_data(void **state)
{
    (void)state;
    assert_int_equal(decode_with(BYTES("{\"specversion\":\"1.0\",\"id\":\"7\",\"source\":\"/"
                                       "p\\u006canner\",\"data\":{\"tenant_id\":\"t\",\"kind\":7},"
                                       "\"x\":[{}],\"traceparent\":\"00-1\"}"),
                                 STRUCTURED),
                     ERR_OK);
    assert_string_equal(event->event_id, "/planner#7");
    assert_string_equal(event->traceparent, "00-1");
    assert_int_equal(decode_with(BYTES("{\"data\":" JSON ",\"id\":7}"), STRUCTURED), ERR_OK);
    assert_small_event();
    assert_int_equal(
        decode_with(BYTES("{\"id\":\"7\",\"data_base64\":\"CgNlLTESAXQYBw==\"}"), STRUCTURED),
        ERR_OK);
    assert_small_event();
    assert_int_equal(
        decode_with(
            BYTES(
                "{\"data_base64\":\"eyJldmVudF9pZCI6ImUtMSIsInRlbmFudF9pZCI6InQiLCJraW5kIjo3fQ\"}"),
            STRUCTURED),
        ERR_OK);
    assert_small_event();
}

static void envelopes_that_are_none_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *value, *path, *word;
    } rows[] = {
        {"{\"id\":\"7\"}", "data", "missing"},
        {"[]", "", "expected an object"},
        {"{\"data\":" JSON, "", "expected a comma or }"},
        {"{\"data\":" JSON "}x", "", "something follows the document"},
        {"{\"data\":{\"event_id\"}}", "", "expected a colon"},
        {"{\"data\":null}", "", "expected an object"},
        {"{\"data\":{\"tenant_id\":7},\"id\":\"1\",\"source\":\"s\"}", "tenant_id",
         "expected a string"},
        {"{\"data_base64\":\"C\"}", "data_base64", "not base64"},
        {"{\"data_base64\":\"C*==\"}", "data_base64", "not base64"},
        {"{\"data_base64\":\"\"}", "", "empty"},
        {"", "", "expected a value"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        assert_int_equal(decode_with(bytes_of(rows[i].value), STRUCTURED), ERR_INVALID);
        assert_string_equal(error.what.path, rows[i].path);
        assert_string_equal(error.what.word, rows[i].word);
    }
    assert_int_equal(decode_with(WIRE, HEADERS("content-type", "application/cloudevents+protobuf")),
                     ERR_INVALID);
    assert_int_equal(
        decode_with(BYTES("[]"), HEADERS("content-type", "application/cloudevents-batch+json")),
        ERR_INVALID);
    assert_string_equal(error.what.word, "CloudEvents in another form than JSON");
}

static void framing_of_a_schema_registry_is_taken_off(void **state)
{
    (void)state;
    static const struct bytes frames[] = {
        {"\0\0\0\0\x2a\0", 6},
        {"\0\0\0\0\x2a\x01\0", 7},
        {"\0\0\0\0\x2a\x02\0", 7},
        {"\x01"
         "0123456789abcdef\0",
         18},
    };
    for (size_t i = 0; i < countof(frames); i++) {
        char value[256];
        struct writer w = writer_of(value, sizeof value);
        write_slice(&w, frames[i]);
        write_slice(&w, WIRE);
        assert_int_equal(decode_value(writer_bytes(&w)), ERR_OK);
        assert_small_event();
    }
    char value[256];
    struct writer w = writer_of(value, sizeof value);
    write_bytes(&w, "\0\0\0\0\x2a", 5);
    write_text(&w, JSON);
    assert_int_equal(decode_value(writer_bytes(&w)), ERR_OK);
    assert_small_event();
    assert_int_equal(decode_value((struct bytes){"\0\0\0\0\x2a", 5}), ERR_INVALID);
}

static void trace_context_comes_from_the_field_or_a_header(void **state)
{
    (void)state;
    assert_int_equal(
        decode_with(BYTES(JSON), HEADERS("traceparent", "00-aa", "ce_traceparent", "00-bb")),
        ERR_OK);
    assert_string_equal(event->traceparent, "00-aa");
    assert_int_equal(decode_with(BYTES(JSON), HEADERS("ce_traceparent", "00-bb")), ERR_OK);
    assert_string_equal(event->traceparent, "00-bb");
    assert_int_equal(
        decode_with(
            BYTES("{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":7,\"traceparent\":\"00-cc\"}"),
            HEADERS("traceparent", "00-aa")),
        ERR_OK);
    assert_string_equal(event->traceparent, "00-cc");
    assert_int_equal(
        decode_with(BYTES(JSON),
                    HEADERS("traceparent",
                            "00-00000000000000000000000000000000-0000000000000000-00-too-long")),
        ERR_OK);
    assert_null(event->traceparent);
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *value, *path;
    } rows[] = {
        {"{}", "event_id"},
        {"{\"event_id\":\"\",\"tenant_id\":\"t\",\"kind\":7}", "event_id"},
        {"{\"event_id\":\"e\",\"kind\":7}", "tenant_id"},
        {"{\"event_id\":\"e\",\"tenant_id\":\"\",\"kind\":7}", "tenant_id"},
        {"{\"event_id\":\"e\",\"tenant_id\":\"t\"}", "kind"},
        {"{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"unspecified\"}", "kind"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        assert_int_equal(decode_text(rows[i].value), ERR_INVALID);
        assert_string_equal(error.what.path, rows[i].path);
        assert_string_equal(error.what.word, "missing");
    }
}

static void a_bad_event_still_tells_its_ids(void **state)
{
    (void)state;
    assert_int_equal(decode_text("{\"kind\":\"telegram\",\"labels\":{\"a\":\"b\"},\"event_id\":\"e-"
                                 "1\",\"tenant_id\":\"t\"}"),
                     ERR_INVALID);
    assert_string_equal(error.what.path, "kind");
    assert_true(bytes_equal(error.event_id, BYTES("e-1")));
    assert_true(bytes_equal(error.tenant_id, BYTES("t")));
    assert_int_equal(event->n_labels, 1);
    assert_int_equal(decode_value(BYTES("\x18\x63\x0a\x03"
                                        "e-1")),
                     ERR_INVALID);
    assert_string_equal(error.what.path, "kind");
    assert_true(bytes_equal(error.event_id, BYTES("e-1")));
    assert_int_equal(error.tenant_id.size, 0);
    assert_int_equal(
        decode_with(BYTES("{\"kind\":\"x\"}"), HEADERS("ce_id", "1", "ce_source", "s")),
        ERR_INVALID);
    assert_true(bytes_equal(error.event_id, BYTES("s#1")));
}

static void an_id_that_cannot_be_read_is_not_told(void **state)
{
    (void)state;
    static const char long_id[] =
        "\"0123456789012345678901234567890123456789012345678901234567890123"
        "01234567890123456789012345678901234567890123456789012345678901234\"";
    char value[512];
    snprintf(value, sizeof value, "{\"event_id\":%s,\"tenant_id\":\"t\",\"kind\":7}", long_id);
    assert_int_equal(decode_text(value), ERR_INVALID);
    assert_string_equal(error.what.path, "event_id");
    assert_int_equal(error.event_id.size, 0);
    assert_true(bytes_equal(error.tenant_id, BYTES("t")));
    assert_int_equal(decode_value(BYTES("\x0a\x03"
                                        "a\0b\x12\x01t")),
                     ERR_INVALID);
    assert_string_equal(error.what.path, "event_id");
    assert_int_equal(error.event_id.size, 0);
    static const struct bytes broken[] = {{0},
                                          {"", 0},
                                          {"\x0a\x05"
                                           "e-1",
                                           5},
                                          {"{\"event_id\":\"e-1\",", 18},
                                          {"null", 4},
                                          {"\xff\xff", 2}};
    for (size_t i = 0; i < countof(broken); i++) {
        assert_int_equal(decode_value(broken[i]), ERR_INVALID);
        assert_null(event);
        assert_int_equal(error.event_id.size + error.tenant_id.size, 0);
        assert_string_equal(error.what.path, "");
    }
}

static void what_is_told_of_a_bad_event_is_within_its_limits(void **state)
{
    (void)state;
    char value[1024];
    struct writer w = writer_of(value, sizeof value);
    write_literal(&w, "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"telegram\",\"booking\":{"
                      "\"booking_id\":\"b\"},\"labels\":{\"a\":\"b\"},\"customer_id\":\"");
    for (int i = 0; i < 65; i++)
        write_char(&w, 'x');
    write_literal(&w, "\"}");
    assert_int_equal(decode_value(writer_bytes(&w)), ERR_INVALID);
    assert_string_equal(error.what.path, "kind");
    assert_null(event->customer_id);
    assert_string_equal(event->booking->booking_id, "b");
    assert_int_equal(event->n_labels, 1);
}

static void broken_json_is_told_with_its_position(void **state)
{
    (void)state;
    assert_int_equal(decode_text("{\n  \"event_id\": e-1\n}"), ERR_INVALID);
    assert_int_equal(error.what.place.line, 2);
    assert_int_equal(error.what.place.column, 15);
}

/* {"path":<size bytes>}, nested as the path says. */
static enum err decode_sized(const char *before, size_t size, const char *after)
{
    static char value[300 * 1024];
    struct writer w = writer_of(value, sizeof value);
    write_literal(&w, "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":7,");
    write_text(&w, before);
    for (size_t i = 0; i < size; i++)
        write_char(&w, 'x');
    write_text(&w, after);
    write_char(&w, '}');
    assert_false(w.overflow);
    return decode_value(writer_bytes(&w));
}

static void every_size_of_the_contract_is_kept(void **state)
{
    (void)state;
    static const struct {
        const char *before, *after;
        size_t most;
        const char *path;
    } rows[] = {
        {"\"dedup_key\":\"", "\"", 128, "dedup_key"},
        {"\"locale\":\"", "\"", 35, "locale"},
        {"\"service_id\":\"", "\"", 64, "service_id"},
        {"\"location_id\":\"", "\"", 64, "location_id"},
        {"\"location_zone\":\"", "\"", 64, "location_zone"},
        {"\"author\":{\"role\":\"", "\"}", 32, "author.role"},
        {"\"author\":{\"staff_id\":\"", "\"}", 64, "author.staff_id"},
        {"\"template\":\"", "\"", 64, "template"},
        {"\"variables\":{\"", "\":\"\"}", 64, "variables"},
        {"\"variables\":{\"k\":\"", "\"}", 4096, "variables.k"},
        {"\"content\":{\"text\":\"", "\"}", 65536, "content.text"},
        {"\"content\":{\"html\":\"", "\"}", 262144, "content.html"},
        {"\"labels\":{\"", "\":\"\"}", 32, "labels"},
        {"\"labels\":{\"facet\":\"", "\"}", 128, "labels.facet"},
        {"\"customer_id\":\"", "\"", 64, "customer_id"},
        {"\"customer_reference\":\"", "\"", 64, "customer_reference"},
        {"\"conversation_id\":\"", "\"", 64, "conversation_id"},
        {"\"transaction_id\":\"", "\"", 64, "transaction_id"},
        {"\"traceparent\":\"", "\"", 55, "traceparent"},
        {"\"booking\":{\"booking_id\":\"", "\"}", 64, "booking.booking_id"},
        {"\"booking\":{\"services\":[{},{\"service_id\":\"", "\"}]}", 64,
         "booking.services[1].service_id"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        assert_int_equal(decode_sized(rows[i].before, rows[i].most, rows[i].after), ERR_OK);
        assert_int_equal(decode_sized(rows[i].before, rows[i].most + 1, rows[i].after),
                         ERR_INVALID);
        assert_string_equal(error.what.path, rows[i].path);
    }
}

static void maps_have_as_many_entries_as_the_contract_says(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int most;
    } rows[] = {{"variables", 64}, {"labels", 16}};
    for (size_t i = 0; i < countof(rows); i++)
        for (int more = 0; more < 2; more++) {
            char value[2048];
            struct writer w = writer_of(value, sizeof value);
            write_format(&w,
                         "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":7,\"%s\":{\"k\":\"\"",
                         rows[i].name);
            for (int k = 1; k < rows[i].most + more; k++)
                write_format(&w, ",\"%d\":\"\"", k);
            write_literal(&w, "}}");
            assert_false(w.overflow);
            assert_int_equal(decode_value(writer_bytes(&w)), more ? ERR_INVALID : ERR_OK);
            assert_string_equal(error.what.path, more ? rows[i].name : "");
        }
}

static void an_event_larger_than_its_arena_is_told_apart(void **state)
{
    (void)state;
    char small[64];
    struct arena arena = arena_of(small, sizeof small);
    struct record record = {.value = BYTES(JSON)};
    assert_int_equal(event_decode(&record, &arena, NULL, &event, &error), ERR_NO_MEMORY);
    assert_null(event);
    assert_non_null(error.what.word);
}

static void an_arena_of_any_size_is_enough_or_said_to_be_too_small(void **state)
{
    (void)state;
    static const char *const values[] = {
        "{\"id\":\"7\",\"source\":\"\\u0073\",\"traceparent\":\"00-1\",\"data\":{\"tenant_id\":"
        "\"t\","
        "\"kind\":7,\"labels\":{\"\\u0061\":\"b\"},\"booking\":{\"services\":[{\"starts_at\":"
        "\"2026-01-01T00:00:00Z\"}]}}}",
        "{\"id\":\"7\",\"data_base64\":\"CgNlLTESAXQYBw==\",\"traceparent\":\"00-1\"}",
    };
    const struct record_header type = {BYTES("content-type"),
                                       BYTES("application/cloudevents+json")};
    for (size_t i = 0; i < countof(values); i++) {
        struct record record = {.value = bytes_of(values[i]), .headers = &type, .header_count = 1};
        size_t enough = 0;
        for (size_t max = 0; max < 4096; max += 8) {
            struct arena arena = arena_of(memory, max);
            enum err err = event_decode(&record, &arena, NULL, &event, &error);
            assert_true(err == ERR_OK || err == ERR_NO_MEMORY);
            assert_int_equal(err == ERR_OK, event != NULL);
            if (err == ERR_OK && enough == 0)
                enough = max;
        }
        assert_in_range(enough, 64, 2048);
    }
}

static void note(struct pb_unknown *self, const char *path)
{
    (void)self;
    assert_string_equal(path, "recipient.fax");
}

static void unknown_fields_are_told_to_who_asks(void **state)
{
    (void)state;
    struct pb_unknown unknown = {.found = note};
    struct arena arena = arena_of(memory, sizeof memory);
    assert_int_equal(
        event_decode_json(
            BYTES("{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":7,\"recipient\":{\"fax\":1}}"),
            &arena, &unknown, &event, &error),
        ERR_OK);
    assert_int_equal(event_decode_json(BYTES("7"), &arena, &unknown, &event, &error), ERR_INVALID);
    assert_non_null(event);
    assert_string_equal(error.what.word, "expected an object");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_byte_tells_the_form),
        cmocka_unit_test(headers_tell_the_form_before_the_first_byte),
        cmocka_unit_test(cloud_events_in_binary_mode_give_the_id_that_the_data_lacks),
        cmocka_unit_test(cloud_events_in_structured_mode_carry_the_event_as_data),
        cmocka_unit_test(envelopes_that_are_none_are_refused),
        cmocka_unit_test(framing_of_a_schema_registry_is_taken_off),
        cmocka_unit_test(trace_context_comes_from_the_field_or_a_header),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(a_bad_event_still_tells_its_ids),
        cmocka_unit_test(an_id_that_cannot_be_read_is_not_told),
        cmocka_unit_test(what_is_told_of_a_bad_event_is_within_its_limits),
        cmocka_unit_test(broken_json_is_told_with_its_position),
        cmocka_unit_test(every_size_of_the_contract_is_kept),
        cmocka_unit_test(maps_have_as_many_entries_as_the_contract_says),
        cmocka_unit_test(an_event_larger_than_its_arena_is_told_apart),
        cmocka_unit_test(an_arena_of_any_size_is_enough_or_said_to_be_too_small),
        cmocka_unit_test(unknown_fields_are_told_to_who_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
