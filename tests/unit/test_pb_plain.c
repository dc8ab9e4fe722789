#include "domain/event_shape.h"

#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { ROOM = 64 * 1024 };
static char memory[2][ROOM], text[2][ROOM];

/* --- the table ------------------------------------------------------------------------- */

static const struct pb_limit *limit_of(const ProtobufCMessageDescriptor *type, uint32_t id)
{
    static const struct pb_limit none = {0};
    for (uint32_t i = 0; i < event_limit_count; i++)
        if (event_limits[i].type == type && event_limits[i].id == id)
            return &event_limits[i];
    return &none;
}

static void check_shape(const struct pb_shape *shape);

static void check_map(const struct pb_row *row, const struct pb_limit *limit)
{
    const struct pb_shape *entry = row->of;
    assert_int_equal(entry->row_count, 3);
    assert_int_equal(entry->rows[1].at, entry->type->fields[0].offset);
    assert_int_equal(entry->rows[2].at, entry->type->fields[1].offset);
    assert_int_equal(entry->rows[1].bytes, limit->keys);
    assert_int_equal(entry->rows[2].bytes, limit->bytes);
}

static enum pb_how how_of(const ProtobufCFieldDescriptor *field, const struct pb_row *row)
{
    static const enum pb_how scalars[] = {
        [PROTOBUF_C_TYPE_UINT64] = PB_U64,
        [PROTOBUF_C_TYPE_BOOL] = PB_BOOL,
        [PROTOBUF_C_TYPE_ENUM] = PB_ENUM,
        [PROTOBUF_C_TYPE_STRING] = PB_TEXT,
    };
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        assert_int_equal(field->type, PROTOBUF_C_TYPE_MESSAGE);
        return row->how == PB_MAP ? PB_MAP : PB_LIST;
    }
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return field->descriptor == &google__protobuf__timestamp__descriptor ? PB_TIME : PB_MESSAGE;
    assert_true(field->type < countof(scalars));
    return scalars[field->type];
}

static void check_row(const struct pb_shape *shape, const ProtobufCFieldDescriptor *field)
{
    assert_true(field->id < shape->row_count);
    const struct pb_row *row = &shape->rows[field->id];
    const struct pb_limit *limit = limit_of(shape->type, field->id);
    enum pb_how how = how_of(field, row);
    assert_int_not_equal(how, PB_UNKNOWN);
    assert_int_equal(row->how, how);
    assert_int_equal(row->at, field->offset);
    assert_int_equal(row->count, limit->count);
    if (how == PB_ENUM)
        assert_ptr_equal(row->of, field->descriptor);
    if (how == PB_TEXT)
        assert_int_equal(row->bytes, limit->bytes);
    else if (how != PB_TIME && how != PB_MESSAGE)
        assert_int_equal(row->has, field->quantifier_offset);
    if (how != PB_MESSAGE && how != PB_LIST && how != PB_MAP)
        return;
    const struct pb_shape *below = row->of;
    assert_ptr_equal(below->type, field->descriptor);
    if (how == PB_MAP)
        check_map(row, limit);
    else
        check_shape(below);
}

static void check_shape(const struct pb_shape *shape)
{
    uint32_t known = 0;
    for (uint32_t id = 0; id < shape->row_count; id++)
        known += shape->rows[id].how != PB_UNKNOWN;
    assert_int_equal(known, shape->type->n_fields);
    for (uint32_t i = 0; i < shape->type->n_fields; i++)
        check_row(shape, &shape->type->fields[i]);
}

static void every_field_of_an_event_lies_where_the_table_says(void **state)
{
    (void)state;
    check_shape(&event_shape);
}

/* --- the reader ------------------------------------------------------------------------ */

static size_t encode(const char *json, char *wire)
{
    struct arena arena = arena_of(memory[0], ROOM);
    ProtobufCMessage *message;
    struct pb_error error;
    assert_int_equal(pb_from_json(event_shape.type, bytes_of(json), &arena, NULL, &message, &error),
                     ERR_OK);
    struct writer w = writer_of(wire, ROOM);
    assert_int_equal(pb_encode(message, &w), ERR_OK);
    return w.size;
}

static struct bytes json_of(const ProtobufCMessage *message, char *to)
{
    struct writer w = writer_of(to, ROOM);
    pb_to_json(message, &w);
    assert_false(w.overflow);
    return writer_bytes(&w);
}

/* Whether it is in order; then pb_decode and pb_check_sizes say the same of it. */
static bool read_both_ways(struct bytes wire)
{
    struct arena arena = arena_of(memory[0], ROOM), other = arena_of(memory[1], ROOM);
    ProtobufCMessage *plain = pb_read_plain(&event_shape, wire, &arena), *message;
    struct pb_error error;
    if (!plain)
        return false;
    assert_int_equal(pb_decode(event_shape.type, wire, &other, &message, &error), ERR_OK);
    assert_int_equal(pb_check_sizes(message, event_limits, event_limit_count, &error), ERR_OK);
    struct bytes a = json_of(plain, text[0]), b = json_of(message, text[1]);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.at, b.at, a.size);
    return true;
}

static const char full[] =
    "{\"event_id\":\"e-1\",\"tenant_id\":\"t\",\"kind\":\"reminder\",\"audience\":\"customer\","
    "\"created_at\":\"2026-11-05T10:00:00.123Z\",\"due_at\":\"1969-11-05T10:00:00Z\","
    "\"expires_at\":\"9999-01-01T00:00:00Z\",\"dedup_key\":\"\",\"resend\":true,\"locale\":\"fr\","
    "\"recipient\":{\"sms\":\"+33612345678\",\"email\":\"a@example.com\",\"name\":\"Zo\xc3\xab\","
    "\"line_type\":\"mobile\",\"preference\":\"sms\",\"zone\":\"Europe/Paris\",\"country\":\"FR\"},"
    "\"booking\":{\"booking_id\":\"b\",\"revision\":\"18446744073709551615\",\"made_at\":"
    "\"2026-11-05T10:00:00Z\",\"services\":[{\"service_id\":\"s\"},{},{},{},"
    "{\"starts_at\":\"2026-11-05T10:00:00Z\"}]},\"in_reply_to\":\"message\","
    "\"author\":{\"role\":\"owner\"},\"channel\":\"email\",\"template\":\"12345678\","
    "\"variables\":{\"a\":\"1\",\"b\":\"\xf0\x9f\x8e\x89\",\"ab\":\"\",\"\":\"x\",\"c\":\"y\"},"
    "\"content\":{\"subject\":\"S\",\"text\":\"a text of more than sixteen bytes\"},"
    "\"attachments\":[{\"url\":\"https://a\"},{}],\"labels\":{\"facet\":\"f\"},"
    "\"customer_id\":\"c\",\"traceparent\":\"00-1\"}";

static void an_event_in_order_is_read_at_once(void **state)
{
    (void)state;
    static char wire[ROOM];
    static const char *const few[] = {full, "{}", "{\"event_id\":\"e\",\"resend\":false}"};
    for (size_t i = 0; i < countof(few); i++) {
        size_t size = encode(few[i], wire);
        assert_true(read_both_ways((struct bytes){wire, size}));
    }
}

static void what_is_not_in_order_is_left_to_the_reader_that_says_why(void **state)
{
    (void)state;
    static const struct {
        const char *what, *wire;
        size_t size;
    } rows[] = {
#define ROW(what, wire) {what, wire, sizeof(wire) - 1}
        ROW("a NUL", "\x0a\x02"
                     "a\0"),
        ROW("no UTF-8", "\x0a\x01\xff"),
        ROW("an enum's value that is none", "\x18\x7f"),
        ROW("of another type", "\x08\x01"),
        ROW("it ends too early", "\x0a\x05"
                                 "abc"),
        ROW("a group", "\x0b"),
        ROW("a tag of more than five bytes", "\x80\xf7\x83\xf7\x83\x00\x69"),
        ROW("field 0", "\x02\x00"),
        ROW("a size beyond the end", "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        ROW("nanoseconds that are none", "\x2a\x06\x10\xff\xff\xff\xff\x07"),
        ROW("a message in two pieces", "\x5a\x00\x5a\x00"),
        ROW("a time in two pieces", "\x2a\x02\x08\x01\x2a\x02\x10\x01"),
        ROW("a key that comes twice", "\xa2\x01\x04\x0a\x00\x12\x00\xa2\x01\x04\x0a\x00\x12\x00"),
        ROW("a key alone", "\xa2\x01\x03\x0a\x01"
                           "k"),
        ROW("too long", "\x52\x24"
                        "123456789012345678901234567890123456"),
    };
    for (size_t i = 0; i < countof(rows); i++)
        if (read_both_ways((struct bytes){rows[i].wire, rows[i].size}))
            fail_msg("%s was taken to be in order", rows[i].what);
}

static void an_unknown_field_of_any_form_is_passed(void **state)
{
    (void)state;
    static const char wire[] = "\xf8\x3f\x01\xfa\x3f\x01"
                               "a\xf9\x3f"
                               "12345678\xfd\x3f"
                               "1234\x0a\x01"
                               "e";
    assert_true(read_both_ways((struct bytes){wire, sizeof wire - 1}));
}

static void both_readers_agree_on_changed_bytes(void **state)
{
    (void)state;
    static char wire[ROOM], changed[ROOM];
    size_t size = encode(full, wire);
    uint64_t dice = 1, in_order = 0;
    for (int round = 0; round < 100000; round++) {
        memcpy(changed, wire, size);
        for (uint64_t n = prng_upto(&dice, 3) + 1; n > 0; n--)
            changed[prng_upto(&dice, size)] = (char)prng_upto(&dice, 256);
        in_order += read_both_ways(
            (struct bytes){changed, prng_upto(&dice, 4) ? size : prng_upto(&dice, size)});
    }
    assert_true(in_order > 1000 && in_order < 90000);
}

static void an_arena_of_any_size_is_kept_to(void **state)
{
    (void)state;
    static char wire[ROOM];
    size_t size = encode(full, wire);
    bool fits = false;
    for (size_t max = 0; max < 4096; max++) {
        struct arena arena = arena_of(memory[1], max);
        memset(memory[1] + max, '#', 16);
        bool read = pb_read_plain(&event_shape, (struct bytes){wire, size}, &arena) != NULL;
        assert_true(arena.used <= max);
        assert_memory_equal(memory[1] + max, "################", 16);
        assert_true(read || !fits);
        fits = read;
    }
    assert_true(fits);
}

/* As an event has it: the first part lies among those of others. */
static void texts_lie_in_one_of_the_arenas_parts_or_the_other(void **state)
{
    (void)state;
    static char wire[ROOM], first[4096 + 16], further[ROOM];
    size_t size = encode(full, wire);
    struct arena whole = arena_of(memory[0], ROOM);
    ProtobufCMessage *expected = pb_read_plain(&event_shape, (struct bytes){wire, size}, &whole);
    struct writer wa = writer_of(text[0], ROOM);
    assert_non_null(expected);
    pb_to_json(expected, &wa);
    for (size_t max = 0; max < 4096; max += 16) {
        struct arena arena = arena_of_two(first, max, further, sizeof further);
        memset(first + max, '#', 16);
        ProtobufCMessage *read = pb_read_plain(&event_shape, (struct bytes){wire, size}, &arena);
        struct writer wb = writer_of(text[1], ROOM);
        assert_non_null(read);
        assert_memory_equal(first + max, "################", 16);
        pb_to_json(read, &wb);
        assert_int_equal(wa.size, wb.size);
        assert_memory_equal(text[0], text[1], wa.size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_an_event_lies_where_the_table_says),
        cmocka_unit_test(an_event_in_order_is_read_at_once),
        cmocka_unit_test(what_is_not_in_order_is_left_to_the_reader_that_says_why),
        cmocka_unit_test(an_unknown_field_of_any_form_is_passed),
        cmocka_unit_test(both_readers_agree_on_changed_bytes),
        cmocka_unit_test(an_arena_of_any_size_is_kept_to),
        cmocka_unit_test(texts_lie_in_one_of_the_arenas_parts_or_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
