#include "domain/outcome_record.h"
#include "domain/pbjson.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static char memory[64 * 1024], json[OUTCOME_BYTES_MAX], wire[OUTCOME_BYTES_MAX];

static const char document[] =
    "{\"event_id\":\"e-1\",\"tenant_id\":\"t\",\"kind\":\"reminder\",\"customer_id\":\"c\","
    "\"customer_reference\":\"r\",\"conversation_id\":\"v\",\"transaction_id\":\"x\","
    "\"booking\":{\"booking_id\":\"b\"},\"location_id\":\"l\",\"author\":{\"role\":\"owner\"},"
    "\"labels\":{\"facet\":\"\xc3\xa9t\xc3\xa9\",\"sentiment\":\"negative\"},"
    "\"traceparent\":\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\"}";

static const Carillon__V1__Event *event_of(struct arena *arena)
{
    ProtobufCMessage *event;
    struct pb_error error;
    assert_int_equal(pb_from_json(&carillon__v1__event__descriptor, bytes_of(document), arena, NULL,
                                  &event, &error),
                     ERR_OK);
    return (const Carillon__V1__Event *)event;
}

static const struct outcome_gate gates[] = {
    {"G1", CARILLON__V1__GATE__VERDICT__VERDICT_PASS},
    {"C6", CARILLON__V1__GATE__VERDICT__VERDICT_REFUSE},
    {"T4", CARILLON__V1__GATE__VERDICT__VERDICT_SKIP},
};

static struct outcome_encoder encoders[2];
static char gates_memory[2][OUTCOME_GATES_BYTES];

/* Gates are given in the form of the record. */
static enum err encode(struct outcome_record record, enum outcome_format format, struct writer *w)
{
    struct writer of_gates = writer_of(gates_memory[format], OUTCOME_GATES_BYTES);
    outcome_encoder_init(&encoders[format], format);
    if (record.gates.size > 0) {
        outcome_gates_encode(format, gates, countof(gates), &of_gates);
        record.gates = writer_bytes(&of_gates);
    }
    return outcome_record_encode(&encoders[format], &record, w);
}

static struct outcome_record full(const Carillon__V1__Event *event)
{
    return (struct outcome_record){
        .event_id = BYTES("e-1"),
        .tenant_id = BYTES("t"),
        .leg_id = BYTES("leg"),
        .kind = CARILLON__V1__KIND__KIND_REMINDER,
        .class = CARILLON__V1__CLASS__CLASS_REMINDER,
        .channel = CARILLON__V1__CHANNEL__CHANNEL_SMS,
        .address_hash = BYTES("hash"),
        .outcome = CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_SENT,
        .reason = "no_answer",
        .detail = "a \"detail\"",
        .provider = BYTES("twilio"),
        .route = BYTES("main"),
        .provider_message_id = BYTES("SM1"),
        .attempts = 2,
        .dup_risk = true,
        .replay = true,
        .zone = BYTES("Europe/Paris"),
        .zone_source = CARILLON__V1__ZONE_SOURCE__ZONE_SOURCE_PROFILE,
        .due_ms = 1782939600123,
        .effective_due_ms = 1782939600000,
        .sent_at_ms = 1,
        .settled_at_ms = 1782939601999,
        .segments = 3,
        .encoding = CARILLON__V1__ENCODING__ENCODING_UCS2,
        .template = "default(plan)",
        .gates = BYTES("some"),
        .origin_topic = BYTES("carillon.events"),
        .origin_partition = 7,
        .origin_offset = 9007199254740993,
        .worker = BYTES("w-1"),
        .event = event,
    };
}

static void every_field_has_its_place_in_json(void **state)
{
    (void)state;
    struct arena arena = arena_of(memory, sizeof memory);
    struct outcome_record record = full(event_of(&arena));
    struct writer w = writer_of(json, sizeof json - 1);
    assert_int_equal(encode(record, OUTCOME_JSON, &w), ERR_OK);
    json[w.size] = '\0';
    assert_string_equal(
        json,
        "{\"event_id\":\"e-1\",\"leg_id\":\"leg\",\"tenant_id\":\"t\",\"kind\":\"reminder\","
        "\"class\":\"reminder\",\"channel\":\"sms\",\"address_hash\":\"hash\",\"outcome\":\"sent\","
        "\"reason\":\"no_answer\",\"detail\":\"a \\\"detail\\\"\",\"provider\":\"twilio\","
        "\"route\":\"main\",\"provider_message_id\":\"SM1\",\"attempts\":2,\"dup_risk\":true,"
        "\"replay\":true,\"zone\":\"Europe/Paris\",\"zone_source\":\"profile\","
        "\"due_at\":\"2026-07-01T21:00:00.123Z\",\"effective_due_at\":\"2026-07-01T21:00:00.000Z\","
        "\"sent_at\":\"1970-01-01T00:00:00.001Z\",\"settled_at\":\"2026-07-01T21:00:01.999Z\","
        "\"segments\":3,\"encoding\":\"ucs2\",\"template\":\"default(plan)\",\"gates\":["
        "{\"id\":\"G1\",\"verdict\":\"pass\"},{\"id\":\"C6\",\"verdict\":\"refuse\"},"
        "{\"id\":\"T4\",\"verdict\":\"skip\"}],\"origin\":{\"topic\":\"carillon.events\","
        "\"partition\":7,\"offset\":\"9007199254740993\"},\"worker\":\"w-1\",\"customer_id\":\"c\","
        "\"customer_reference\":\"r\",\"conversation_id\":\"v\",\"transaction_id\":\"x\","
        "\"booking_id\":\"b\",\"location_id\":\"l\",\"author_role\":\"owner\","
        "\"labels\":{\"facet\":\"\xc3\xa9t\xc3\xa9\",\"sentiment\":\"negative\"}}");
}

/* Reads one form with the general decoders and writes the other. */
static void assert_forms_agree(const struct outcome_record *record)
{
    static char again[OUTCOME_BYTES_MAX], decoded[256 * 1024];
    const ProtobufCMessageDescriptor *type = &carillon__v1__outcome__descriptor;
    struct arena arena = arena_of(decoded, sizeof decoded);
    struct writer j = writer_of(json, sizeof json), p = writer_of(wire, sizeof wire);
    ProtobufCMessage *message;
    struct pb_error error;
    assert_int_equal(encode(*record, OUTCOME_JSON, &j), ERR_OK);
    assert_int_equal(encode(*record, OUTCOME_PROTOBUF, &p), ERR_OK);

    assert_int_equal(pb_decode(type, writer_bytes(&p), &arena, &message, &error), ERR_OK);
    struct writer w = writer_of(again, sizeof again);
    pb_to_json(message, &w);
    assert_int_equal(w.size, j.size);
    assert_memory_equal(again, json, w.size);

    assert_int_equal(pb_from_json(type, writer_bytes(&j), &arena, NULL, &message, &error), ERR_OK);
    w = writer_of(again, sizeof again);
    assert_int_equal(pb_encode(message, &w), ERR_OK);
    assert_int_equal(w.size, p.size);
    assert_memory_equal(again, wire, w.size);
}

static void both_forms_say_the_same(void **state)
{
    (void)state;
    struct arena arena = arena_of(memory, sizeof memory);
    struct outcome_record record = full(event_of(&arena));
    assert_forms_agree(&record);
    record.event = NULL;
    record.gates = (struct bytes){0};
    record.origin_topic = (struct bytes){0};
    assert_forms_agree(&record);
    assert_forms_agree(&(struct outcome_record){.event_id = BYTES("e")});
}

static void text_that_is_no_utf8_is_cut(void **state)
{
    (void)state;
    struct outcome_record record = {
        .event_id = BYTES("e"),
        .provider_message_id = BYTES("ab\xff"
                                     "cd"),
        .route = BYTES("r\0s"),
        .provider = BYTES("\xff"),
    };
    assert_forms_agree(&record);
    struct writer w = writer_of(json, sizeof json - 1);
    assert_int_equal(encode(record, OUTCOME_JSON, &w), ERR_OK);
    json[w.size] = '\0';
    assert_string_equal(
        json, "{\"event_id\":\"e\",\"route\":\"r\",\"provider_message_id\":\"ab\",\"attempts\":0}");
}

static void what_does_not_fit_is_said(void **state)
{
    (void)state;
    struct arena arena = arena_of(memory, sizeof memory);
    struct outcome_record record = full(event_of(&arena));
    for (int format = OUTCOME_JSON; format <= OUTCOME_PROTOBUF; format++) {
        struct writer whole = writer_of(json, sizeof json);
        assert_int_equal(encode(record, (enum outcome_format)format, &whole), ERR_OK);
        for (size_t max = 0; max < whole.size; max++) {
            struct writer w = writer_of(wire, max);
            assert_int_equal(encode(record, (enum outcome_format)format, &w), ERR_TOO_LARGE);
        }
    }
}

static void the_largest_record_fits_the_named_size(void **state)
{
    (void)state;
    static char keys[16][33], texts[16][129], id[129], name[65];
    static Carillon__V1__Event__LabelsEntry entries[16];
    Carillon__V1__Event__LabelsEntry *labels[16];
    memset(id, 1, 128);
    memset(name, 1, 64);
    for (size_t i = 0; i < 16; i++) {
        memset(keys[i], 1, 32);
        keys[i][0] = (char)('a' + i);
        memset(texts[i], 1, 128);
        carillon__v1__event__labels_entry__init(&entries[i]);
        entries[i].key = keys[i];
        entries[i].value = texts[i];
        labels[i] = &entries[i];
    }
    Carillon__V1__Event event = CARILLON__V1__EVENT__INIT;
    Carillon__V1__Author author = CARILLON__V1__AUTHOR__INIT;
    event.customer_id = event.customer_reference = event.conversation_id = event.transaction_id =
        name;
    event.location_id = author.role = name;
    event.author = &author;
    event.labels = labels;
    event.n_labels = 16;
    struct outcome_record record = full(&event);
    record.event_id = bytes_of(id);
    record.tenant_id = record.zone = record.worker = record.provider = record.route =
        bytes_of(name);
    record.provider_message_id = record.event_id;
    record.detail = id;
    assert_forms_agree(&record);
}

static struct bytes header_of(const struct outcome_record *record, const char *name)
{
    static char headers_memory[OUTCOME_HEADER_BYTES];
    static struct record_header headers[OUTCOME_HEADERS];
    uint32_t count =
        outcome_record_headers(&encoders[OUTCOME_JSON], record, headers_memory, headers);
    return record_header_of(headers, count, bytes_of(name));
}

static void a_replay_has_the_id_of_what_it_repeats(void **state)
{
    (void)state;
    struct outcome_record record = full(NULL);
    struct bytes id = header_of(&record, "ce_id");
    assert_true(bytes_equal(id, BYTES("leg@carillon.events/7/9007199254740993")));
    record.leg_id = (struct bytes){0};
    assert_true(
        bytes_equal(header_of(&record, "ce_id"), BYTES("e-1@carillon.events/7/9007199254740993")));
}

static void headers_are_those_of_cloud_events(void **state)
{
    (void)state;
    struct arena arena = arena_of(memory, sizeof memory);
    struct outcome_record record = full(event_of(&arena));
    assert_true(bytes_equal(header_of(&record, "ce_type"), BYTES("carillon.outcome.v1")));
    assert_true(bytes_equal(header_of(&record, "ce_specversion"), BYTES("1.0")));
    assert_true(bytes_equal(header_of(&record, "ce_source"), BYTES("/carillon")));
    assert_true(bytes_equal(header_of(&record, "ce_time"), BYTES("2026-07-01T21:00:01.999Z")));
    assert_true(bytes_equal(header_of(&record, "content-type"), BYTES("application/json")));
    assert_true(
        bytes_equal(header_of(&record, "traceparent"), bytes_of(record.event->traceparent)));
    record.event = NULL;
    assert_null(header_of(&record, "traceparent").at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_has_its_place_in_json),
        cmocka_unit_test(both_forms_say_the_same),
        cmocka_unit_test(text_that_is_no_utf8_is_cut),
        cmocka_unit_test(what_does_not_fit_is_said),
        cmocka_unit_test(the_largest_record_fits_the_named_size),
        cmocka_unit_test(a_replay_has_the_id_of_what_it_repeats),
        cmocka_unit_test(headers_are_those_of_cloud_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
