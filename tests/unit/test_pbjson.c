#include "carillon/v1/event.pb-c.h"
#include "carillon/v1/outcome.pb-c.h"
#include "carillon/v1/state.pb-c.h"
#include "carillon/v1/tenant.pb-c.h"
#include "domain/pbjson.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define EVENT &carillon__v1__event__descriptor
#define TENANT &carillon__v1__tenant__descriptor
#define RECIPIENT &carillon__v1__recipient_state__descriptor

static char memory[1024 * 1024];
static struct arena arena;
static struct pb_error error;
static char unknown_paths[512];

static void note_unknown(struct pb_unknown *self, const char *path)
{
    (void)self;
    strcat(unknown_paths, path);
    strcat(unknown_paths, " ");
}

static struct pb_unknown unknown = {.found = note_unknown};

static int reset(void **state)
{
    (void)state;
    arena = arena_of(memory, sizeof memory);
    unknown_paths[0] = '\0';
    return 0;
}

/* Decodes; NULL where that is refused. */
static ProtobufCMessage *read_json(const ProtobufCMessageDescriptor *type, const char *document)
{
    ProtobufCMessage *message;
    enum err err = pb_from_json(type, bytes_of(document), &arena, &unknown, &message, &error);
    assert_int_equal(err == ERR_OK, error.word == NULL);
    return err == ERR_OK ? message : NULL;
}

static const char *error_text(void)
{
    static char text[512];
    struct writer w = writer_of(text, sizeof text - 1);
    pb_error_write(&w, &error);
    text[w.size] = '\0';
    return text;
}

static const char *json_of(const ProtobufCMessage *message)
{
    static char text[64 * 1024];
    struct writer w = writer_of(text, sizeof text - 1);
    pb_to_json(message, &w);
    assert_false(w.overflow);
    text[w.size] = '\0';
    return text;
}

static void a_document_comes_back_as_it_was(void **state)
{
    (void)state;
    static const char document[] =
        "{\"tenant_id\":\"t\",\"version\":\"18446744073709551615\",\"verified\":false,\"zone_"
        "mode\":"
        "\"customer_choice\",\"custom_content\":\"email\",\"kinds\":[{\"kind\":\"one_time_code\","
        "\"sms\":true},{\"email\":false}],\"quiet_hours\":[{\"class\":\"reminder\",\"start\":"
        "\"22:00\"}],\"do_not_disturb\":{},\"messaging_roles\":[\"a\",\"\"],\"feedback_alerts\":{"
        "\"mode\":\"negative\",\"location_ids\":[\"l\"]},\"max_segments\":4294967295}";
    ProtobufCMessage *message = read_json(TENANT, document);
    assert_non_null(message);
    assert_string_equal(json_of(message), document);
}

static void names_may_be_in_camel_case(void **state)
{
    (void)state;
    ProtobufCMessage *message =
        read_json(EVENT, "{\"eventId\":\"e\",\"inReplyTo\":\"feedback\",\"booking\":{\"startsAt\":"
                         "\"2026-01-01T00:00:00Z\"}}");
    assert_non_null(message);
    assert_string_equal(json_of(message), "{\"event_id\":\"e\",\"booking\":{\"starts_at\":\"2026-"
                                          "01-01T00:00:00.000Z\"},\"in_reply_to\":\"feedback\"}");
}

static void a_name_may_be_written_with_escapes(void **state)
{
    (void)state;
    ProtobufCMessage *message = read_json(EVENT, "{\"event\\u005fid\":\"\\u00e9\"}");
    assert_non_null(message);
    assert_string_equal(json_of(message), "{\"event_id\":\"\xc3\xa9\"}");
}

static void enums_have_a_short_a_full_name_and_a_number(void **state)
{
    (void)state;
    static const char *const good[] = {"\"reminder\"", "\"Reminder\"", "\"KIND_REMINDER\"",
                                       "\"kind_reminder\"", "7"};
    for (size_t i = 0; i < countof(good); i++) {
        char document[64];
        snprintf(document, sizeof document, "{\"kind\":%s}", good[i]);
        ProtobufCMessage *message = read_json(EVENT, document);
        assert_non_null(message);
        assert_string_equal(json_of(message), "{\"kind\":\"reminder\"}");
    }
    static const char *const bad[] = {
        "\"reminders\"", "\"remind\"", "\"\"", "\"KIND_\"", "99",   "-1",
        "7.5",           "4294967303", "true", "[]",        "\"7\""};
    for (size_t i = 0; i < countof(bad); i++) {
        char document[64];
        snprintf(document, sizeof document, "{\"kind\":%s}", bad[i]);
        assert_null(read_json(EVENT, document));
        assert_string_equal(error.path, "kind");
    }
}

static void every_value_of_every_enum_is_read_as_it_is_written(void **state)
{
    (void)state;
    const ProtobufCEnumDescriptor *const types[] = {
        &carillon__v1__kind__descriptor,
        &carillon__v1__class__descriptor,
        &carillon__v1__channel__descriptor,
        &carillon__v1__audience__descriptor,
        &carillon__v1__line_type__descriptor,
        &carillon__v1__in_reply_to__descriptor,
        &carillon__v1__preference__descriptor,
        &carillon__v1__outcome_kind__descriptor,
        &carillon__v1__zone_source__descriptor,
        &carillon__v1__encoding__descriptor,
        &carillon__v1__gate__verdict__descriptor,
        &carillon__v1__marketing_consent__descriptor,
        &carillon__v1__zone_mode__descriptor,
        &carillon__v1__custom_content__descriptor,
        &carillon__v1__feedback_alerts__mode__descriptor,
    };
    for (size_t t = 0; t < countof(types); t++)
        for (uint32_t i = 0; i < types[t]->n_values; i++) {
            char text[64];
            struct writer w = writer_of(text, sizeof text - 1);
            pb_write_enum(&w, types[t], types[t]->values[i].value);
            text[w.size] = '\0';
            if (types[t]->values[i].value == 0)
                assert_string_equal(text, "unspecified"); /* so the prefix is right */
            int value = -1;
            assert_int_equal(pb_enum_of(types[t], writer_bytes(&w), &value), ERR_OK);
            assert_int_equal(value, types[t]->values[i].value);
        }
}

static void unspecified_is_absent(void **state)
{
    (void)state;
    ProtobufCMessage *message =
        read_json(RECIPIENT, "{\"line_type\":\"unspecified\",\"last_channel\":0,\"unsubscribed_"
                             "classes\":[\"unspecified\",\"marketing\"]}");
    assert_non_null(message);
    assert_string_equal(json_of(message), "{\"unsubscribed_classes\":[\"marketing\"]}");
    static const uint8_t wire[] = {11 << 3, 0, 5 << 3 | 2, 2, 0, 5};
    assert_int_equal(pb_decode(RECIPIENT, (struct bytes){(const char *)wire, sizeof wire}, &arena,
                               &message, &error),
                     ERR_OK);
    assert_string_equal(json_of(message), "{\"unsubscribed_classes\":[\"marketing\"]}");
}

static void null_is_absent_and_the_last_of_equal_fields_stands(void **state)
{
    (void)state;
    ProtobufCMessage *message =
        read_json(EVENT, "{\"event_id\":null,\"tenant_id\":\"a\",\"tenant_id\":\"b\",\"resend\":"
                         "true,\"resend\":null,"
                         "\"recipient\":{\"sms\":\"1\"},\"recipient\":{\"email\":\"2\"},"
                         "\"attachments\":[{}],\"attachments\":[],"
                         "\"labels\":{\"a\":\"1\",\"b\":null,\"a\":\"2\"},\"variables\":null}");
    assert_non_null(message);
    assert_string_equal(
        json_of(message),
        "{\"tenant_id\":\"b\",\"recipient\":{\"email\":\"2\"},\"labels\":{\"a\":\"2\"}}");
}

static void unknown_fields_are_passed_and_reported(void **state)
{
    (void)state;
    ProtobufCMessage *message = read_json(
        EVENT, "{\"x\":{\"event_id\":[1,{}]},\"recipient\":{\"y\":1,\"sms\":\"1\"},\"attachments\":"
               "[{},{\"zZ\":null}],\"event_id\":\"e\",\"Event_Id\":1,\"\":2}");
    assert_non_null(message);
    assert_string_equal(unknown_paths, "x recipient.y attachments[1].zZ Event_Id  ");
    assert_string_equal(
        json_of(message),
        "{\"event_id\":\"e\",\"recipient\":{\"sms\":\"1\"},\"attachments\":[{},{}]}");
}

static void an_error_says_field_place_and_what_was_expected(void **state)
{
    (void)state;
    static const struct {
        const char *document, *text;
    } rows[] = {
        {"{\"event_id\":1}", "event_id: expected a string (line 1, column 13)"},
        {"{\n\"booking\":{\"starts_at\":\"tomorrow\"}}",
         "booking.starts_at: expected a time as in RFC 3339 (line 2, column 24)"},
        {"{\"attachments\":[{},{\"url\":[]}]}",
         "attachments[1].url: expected a string (line 1, column 27)"},
        {"{\"labels\":{\"facet\":7}}", "labels.facet: expected a string (line 1, column 20)"},
        {"{\"labels\":[]}", "labels: expected an object (line 1, column 11)"},
        {"{\"attachments\":{}}", "attachments: expected an array (line 1, column 16)"},
        {"{\"attachments\":[null]}", "attachments[0]: expected an object (line 1, column 17)"},
        {"{\"recipient\":\"x\"}", "recipient: expected an object (line 1, column 14)"},
        {"{\"resend\":\"true\"}", "resend: expected true or false (line 1, column 11)"},
        {"{\"booking\":{\"revision\":-1}}",
         "booking.revision: expected an integer in range (line 1, column 24)"},
        {"{\"booking\":{\"revision\":\" 1\"}}",
         "booking.revision: expected an integer in range (line 1, column 24)"},
        {"{\"event_id\":\"a\\u0000b\"}", "event_id: a NUL inside a string (line 1, column 13)"},
        {"[]", "expected an object (line 1, column 1)"},
        {"{\"event_id\":\"x\"", "expected a comma or } (line 1, column 16)"},
        {"{\"kind\":\"x\",\"labels\":{\"a\":1},}", "expected a key (line 1, column 30)"},
        {"{} {}", "something follows the document (line 1, column 4)"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        assert_null(read_json(EVENT, rows[i].document));
        assert_string_equal(error_text(), rows[i].text);
    }
}

static void what_is_good_is_read_around_what_is_bad(void **state)
{
    (void)state;
    ProtobufCMessage *message;
    assert_int_equal(pb_from_json(EVENT,
                                  BYTES("{\"kind\":\"x\",\"due_at\":{\"a\":[]},\"recipient\":{"
                                        "\"sms\":3,\"email\":\"m\"},\"event_id\":\"e\"}"),
                                  &arena, NULL, &message, &error),
                     ERR_INVALID);
    assert_string_equal(error.path, "kind");
    assert_string_equal(json_of(message), "{\"event_id\":\"e\",\"recipient\":{\"email\":\"m\"}}");
}

static void nothing_is_given_where_the_document_is_broken(void **state)
{
    (void)state;
    ProtobufCMessage *message;
    static const char *const rows[] = {"", "{\"event_id\":\"e\"", "{\"event_id\":\"e\"}x",
                                       "{\"event_id\":\"\xff\"}", "nul"};
    for (size_t i = 0; i < countof(rows); i++) {
        assert_int_equal(pb_from_json(EVENT, bytes_of(rows[i]), &arena, NULL, &message, &error),
                         ERR_INVALID);
        assert_null(message);
        assert_non_null(error.word);
        assert_true(error.place.line > 0);
    }
}

static void big_integers_come_bare_and_in_quotes(void **state)
{
    (void)state;
    static const char *const rows[] = {"18446744073709551615", "\"18446744073709551615\"",
                                       "1.8446744073709551615e19"};
    for (size_t i = 0; i < countof(rows); i++) {
        char document[128];
        snprintf(document, sizeof document, "{\"revision\":%s}", rows[i]);
        ProtobufCMessage *message = read_json(&carillon__v1__booking_state__descriptor, document);
        assert_non_null(message);
        assert_string_equal(json_of(message), "{\"revision\":\"18446744073709551615\"}");
    }
    assert_null(read_json(&carillon__v1__origin__descriptor, "{\"partition\":2147483648}"));
    assert_null(read_json(TENANT, "{\"max_segments\":4294967296}"));
    assert_null(read_json(TENANT, "{\"max_segments\":-1}"));
    ProtobufCMessage *message =
        read_json(&carillon__v1__origin__descriptor,
                  "{\"partition\":-2147483648,\"offset\":\"-9223372036854775808\"}");
    assert_non_null(message);
    assert_string_equal(json_of(message),
                        "{\"partition\":-2147483648,\"offset\":\"-9223372036854775808\"}");
}

static void times_have_any_offset_and_come_out_in_utc(void **state)
{
    (void)state;
    ProtobufCMessage *message = read_json(EVENT, "{\"created_at\":\"2026-07-01T02:00:00.1239+02:"
                                                 "00\",\"due_at\":\"1969-12-31T23:59:59.9999Z\"}");
    assert_non_null(message);
    assert_string_equal(
        json_of(message),
        "{\"created_at\":\"2026-07-01T00:00:00.123Z\",\"due_at\":\"1969-12-31T23:59:59.999Z\"}");
    const Carillon__V1__Event *event = (const Carillon__V1__Event *)message;
    assert_int_equal(pb_time_ms_up(event->due_at), 0);
    assert_int_equal(pb_time_ms(event->due_at), -1);
    assert_int_equal(pb_time_ms_up(event->created_at) - pb_time_ms(event->created_at), 1);
}

/* --- protobuf --- */

static enum err read_wire(const void *wire, size_t size, ProtobufCMessage **message)
{
    enum err err = pb_decode(EVENT, (struct bytes){wire, size}, &arena, message, &error);
    assert_int_equal(err == ERR_OK, error.word == NULL);
    return err;
}

#define WIRE(literal) (literal), sizeof(literal) - 1

static void bad_strings_are_refused_by_path_and_left_out(void **state)
{
    (void)state;
    static const struct {
        const char *wire;
        size_t size;
        const char *text;
    } rows[] = {
        {WIRE("\x0a\x03"
              "a\0b"),
         "event_id: a NUL inside a string"},
        {WIRE("\x0a\x02\xc0\x80"), "event_id: not UTF-8"},
        {WIRE("\x5a\x04\x0a\x02"
              "a\xff"),
         "recipient.sms: not UTF-8"},
        {WIRE("\xb2\x01\x00\xb2\x01\x03\x0a\x01\xff"), "attachments[1].url: not UTF-8"},
        {WIRE("\xba\x01\x06\x0a\x01k\x12\x01\xff"), "labels.k: not UTF-8"},
        {WIRE("\xba\x01\x06\x12\x01v\x0a\x01\xff"), "labels: not UTF-8"},
        {WIRE("\x18\x63"), "kind: not a value of the enum"},
        {WIRE("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "kind: not a value of the enum"},
        {WIRE("\x1a\x00"), "kind: of another type"},
        {WIRE("\x08\x01"), "event_id: of another type"},
        {WIRE("\x32\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00"), "due_at: not protobuf"},
        {WIRE("\x32\x0a\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), "due_at: a time out of range"},
        {WIRE("\x32\x02\x10\xff"), "due_at: not protobuf"},
        {WIRE("\x32\x06\x10\xff\xff\xff\xff\x07"), "due_at: a time out of range"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ProtobufCMessage *message;
        assert_int_equal(read_wire(rows[i].wire, rows[i].size, &message), ERR_INVALID);
        assert_string_equal(error_text(), rows[i].text);
        if (message)
            assert_null(((Carillon__V1__Event *)message)->event_id);
        if (message)
            assert_null(((Carillon__V1__Event *)message)->due_at);
    }
}

static void what_is_no_protobuf_gives_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *wire;
        size_t size;
    } rows[] = {
        {WIRE("\x0a")},
        {WIRE("\x0a\x05"
              "abc")},
        {WIRE("\x00\x01")},
        {WIRE("\x0b")},
        {WIRE("\x0c")},
        {WIRE("\x0e")},
        {WIRE("\xf9\x01\x01\x02\x03")},
        {WIRE("\xfd\x01\x01")},
        {WIRE("\x18\x80")},
        {WIRE("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01")},
        {WIRE("\x0a\x01"
              "e\x5a\x02\x0a\x05")},
        {WIRE("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ProtobufCMessage *message;
        assert_int_equal(read_wire(rows[i].wire, rows[i].size, &message), ERR_INVALID);
        assert_string_equal(error.word, "not protobuf");
        assert_null(message);
    }
}

static void unknown_fields_of_every_wire_type_are_passed(void **state)
{
    (void)state;
    ProtobufCMessage *message;
    assert_int_equal(read_wire(WIRE("\xc0\x3e\x05\xc1\x3e"
                                    "12345678\xc2\x3e\x02xx\xc5\x3e"
                                    "1234\x0a\x01"
                                    "e"),
                               &message),
                     ERR_OK);
    assert_string_equal(json_of(message), "{\"event_id\":\"e\"}");
}

static void pieces_of_a_message_are_merged(void **state)
{
    (void)state;
    ProtobufCMessage *message;
    assert_int_equal(read_wire(WIRE("\x5a\x03\x0a\x01"
                                    "1\x5a\x03\x12\x01"
                                    "2\x0a\x01"
                                    "a\x0a\x01"
                                    "b"),
                               &message),
                     ERR_OK);
    assert_string_equal(json_of(message),
                        "{\"event_id\":\"b\",\"recipient\":{\"sms\":\"1\",\"email\":\"2\"}}");
}

static void of_equal_keys_in_a_map_the_last_stands(void **state)
{
    (void)state;
    ProtobufCMessage *message;
    assert_int_equal(read_wire(WIRE("\xba\x01\x06\x0a\x01k\x12\x01"
                                    "1\xba\x01\x02\x12\x00\xba\x01\x06\x0a\x01k\x12\x01"
                                    "2\xba\x01\x00"),
                               &message),
                     ERR_OK);
    assert_string_equal(json_of(message), "{\"labels\":{\"k\":\"2\",\"\":\"\"}}");
}

static void lists_and_maps_have_an_end(void **state)
{
    (void)state;
    static char wire[3 * (PB_LIST_MAX + 1)];
    ProtobufCMessage *message;
    for (size_t i = 0; i < sizeof wire; i += 3)
        memcpy(wire + i, "\xb2\x01\x00", 3);
    assert_int_equal(read_wire(wire, sizeof wire - 3, &message), ERR_OK);
    assert_int_equal(read_wire(wire, sizeof wire, &message), ERR_INVALID);
    assert_string_equal(error_text(), "attachments: too many entries");

    static char document[PB_MAP_MAX * 16 + 64];
    struct writer w = writer_of(document, sizeof document);
    write_literal(&w, "{\"labels\":{");
    for (int i = 0; i <= PB_MAP_MAX; i++)
        write_format(&w, "%s\"%d\":\"\"", i ? "," : "", i);
    write_literal(&w, "}}");
    write_char(&w, '\0');
    assert_false(w.overflow);
    assert_null(read_json(EVENT, document));
    assert_string_equal(error.path, "labels");
}

static void a_small_arena_is_no_invalid_input(void **state)
{
    (void)state;
    static const char document[] = "{\"event_id\":\"e\",\"labels\":{\"a\":\"\\u0041\"},\"booking\":"
                                   "{\"services\":[{\"starts_at\":\"2026-01-01T00:00:00Z\"}]}}";
    ProtobufCMessage *message = read_json(EVENT, document);
    char wire[256];
    struct writer w = writer_of(wire, sizeof wire);
    assert_int_equal(pb_encode(message, &w), ERR_OK);
    size_t used = arena.used, max = 0;
    for (; max < used; max += 8) {
        struct arena small = arena_of(memory, max);
        assert_int_equal(pb_from_json(EVENT, bytes_of(document), &small, NULL, &message, &error),
                         ERR_NO_MEMORY);
        assert_null(message);
        small = arena_of(memory, max);
        enum err err = pb_decode(EVENT, writer_bytes(&w), &small, &message, &error);
        assert_true(err == ERR_NO_MEMORY ? !message : err == ERR_OK);
    }
}

static void encoding_says_when_there_is_no_room(void **state)
{
    (void)state;
    ProtobufCMessage *message = read_json(EVENT, "{\"event_id\":\"abc\"}");
    char wire[5];
    struct writer w = writer_of(wire, 4);
    assert_int_equal(pb_encode(message, &w), ERR_TOO_LARGE);
    w = writer_of(wire, 5);
    assert_int_equal(pb_encode(message, &w), ERR_OK);
    assert_memory_equal(wire,
                        "\x0a\x03"
                        "abc",
                        5);
}

/* --- sizes --- */

static const struct pb_limit limits[] = {
    {EVENT, 1, .bytes = 3},
    {EVENT, 22, .count = 2},
    {EVENT, 23, .bytes = 2, .keys = 3, .count = 2},
    {&carillon__v1__attachment__descriptor, 1, .bytes = 4},
    {&carillon__v1__feedback_alerts__descriptor, 2, .bytes = 1, .count = 3},
};

static void a_size_above_its_limit_is_named(void **state)
{
    (void)state;
    static const struct {
        const ProtobufCMessageDescriptor *type;
        const char *document, *path;
    } rows[] = {
        {EVENT,
         "{\"event_id\":\"abc\",\"tenant_id\":\"abcdefgh\",\"attachments\":[{\"url\":\"abcd\"}],"
         "\"labels\":{\"abc\":\"ab\"}}",
         NULL},
        {EVENT, "{\"event_id\":\"abcd\"}", "event_id"},
        {EVENT, "{\"event_id\":\"\xc3\xa9\xc3\xa9\"}", "event_id"},
        {EVENT, "{\"attachments\":[{},{},{}]}", "attachments"},
        {EVENT, "{\"attachments\":[{},{\"url\":\"abcde\"}]}", "attachments[1].url"},
        {EVENT, "{\"labels\":{\"a\":\"\",\"b\":\"\",\"c\":\"\"}}", "labels"},
        {EVENT, "{\"labels\":{\"abcd\":\"\"}}", "labels"},
        {EVENT, "{\"labels\":{\"abc\":\"abc\"}}", "labels.abc"},
        {TENANT, "{\"feedback_alerts\":{\"location_ids\":[\"a\",\"b\"]}}", NULL},
        {TENANT, "{\"feedback_alerts\":{\"location_ids\":[\"a\",\"bc\"]}}",
         "feedback_alerts.location_ids[1]"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ProtobufCMessage *message = read_json(rows[i].type, rows[i].document);
        assert_non_null(message);
        enum err err = pb_check_sizes(message, limits, countof(limits), &error);
        assert_int_equal(err, rows[i].path ? ERR_INVALID : ERR_OK);
        assert_string_equal(error.path, rows[i].path ? rows[i].path : "");
    }
}

static void a_long_key_is_cut_in_the_path_between_characters(void **state)
{
    (void)state;
    char document[1024];
    struct writer w = writer_of(document, sizeof document);
    write_literal(&w, "{\"labels\":{\"x");
    for (int i = 0; i < 200; i++)
        write_literal(&w, "\xc3\xa9");
    write_literal(&w, "\":1}}");
    write_char(&w, '\0');
    assert_null(read_json(EVENT, document));
    assert_int_equal(strlen(error.path), PB_PATH_MAX - 2);
    assert_memory_equal(error.path, "labels.x\xc3\xa9", 10);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup(test, reset)
    const struct CMUnitTest tests[] = {
        T(a_document_comes_back_as_it_was),
        T(names_may_be_in_camel_case),
        T(a_name_may_be_written_with_escapes),
        T(enums_have_a_short_a_full_name_and_a_number),
        T(every_value_of_every_enum_is_read_as_it_is_written),
        T(unspecified_is_absent),
        T(null_is_absent_and_the_last_of_equal_fields_stands),
        T(unknown_fields_are_passed_and_reported),
        T(an_error_says_field_place_and_what_was_expected),
        T(what_is_good_is_read_around_what_is_bad),
        T(nothing_is_given_where_the_document_is_broken),
        T(big_integers_come_bare_and_in_quotes),
        T(times_have_any_offset_and_come_out_in_utc),
        T(bad_strings_are_refused_by_path_and_left_out),
        T(what_is_no_protobuf_gives_nothing),
        T(unknown_fields_of_every_wire_type_are_passed),
        T(pieces_of_a_message_are_merged),
        T(of_equal_keys_in_a_map_the_last_stands),
        T(lists_and_maps_have_an_end),
        T(a_small_arena_is_no_invalid_input),
        T(encoding_says_when_there_is_no_room),
        T(a_size_above_its_limit_is_named),
        T(a_long_key_is_cut_in_the_path_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
