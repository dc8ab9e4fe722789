/* Records of any bytes, in each form. What is accepted keeps the promises of pbjson.h,
 * survives both forms unchanged, and is what protobuf-c makes of the same bytes. */
#include "base/utf8.h"
#include "domain/event.h"
#include "domain/event_shape.h"

#include <ctype.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TYPE (&carillon__v1__event__descriptor)
enum { ROOM = 4 * 1024 * 1024 };

/* Fresh memory of that size each time would be most of the work. */
static char decoded[ROOM], decoded_again[ROOM], text_a[ROOM], text_b[ROOM], wire[ROOM];

/* Another decoding of `bytes` must give the JSON that `json` already is. */
static void expect_same(struct bytes bytes, bool is_wire, struct bytes json)
{
    struct arena arena = arena_of(decoded_again, ROOM);
    ProtobufCMessage *message;
    struct pb_error error;
    enum err err = is_wire ? pb_decode(TYPE, bytes, &arena, &message, &error)
                           : pb_from_json(TYPE, bytes, &arena, NULL, &message, &error);
    CHECK(err == ERR_OK);
    struct writer w = writer_of(text_b, ROOM);
    pb_to_json(message, &w);
    CHECK(!w.overflow);
    CHECK(bytes_equal(writer_bytes(&w), json));
}

static void check_forms(const ProtobufCMessage *message)
{
    struct writer j = writer_of(text_a, ROOM), p = writer_of(wire, ROOM);
    pb_to_json(message, &j);
    CHECK(!j.overflow);
    CHECK(utf8_valid_size(writer_bytes(&j)) == j.size);
    CHECK(pb_encode(message, &p) == ERR_OK);
    expect_same(writer_bytes(&j), false, writer_bytes(&j));
    expect_same(writer_bytes(&p), true, writer_bytes(&j));
}

/* Where we differ on purpose: values of 0 count as absent, map keys are unique. */
static bool differs_on_purpose(const Carillon__V1__Event *ours, const Carillon__V1__Event *theirs,
                               struct bytes their_json)
{
    return memmem(their_json.at, their_json.size, "unspecified", 11) != NULL ||
           ours->n_labels != theirs->n_labels || ours->n_variables != theirs->n_variables;
}

/* protobuf-c does not merge a time that comes in pieces (protoc does, as we do), so the
 * digits may differ. */
static bool equal_but_for_digits(struct bytes a, struct bytes b)
{
    bool equal = a.size == b.size;
    for (size_t i = 0; equal && i < a.size; i++)
        equal = a.at[i] == b.at[i] ||
                (isdigit((unsigned char)a.at[i]) && isdigit((unsigned char)b.at[i]));
    return equal;
}

static void compare_with_protobuf_c(struct bytes value, const ProtobufCMessage *ours)
{
    ProtobufCMessage *theirs =
        protobuf_c_message_unpack(TYPE, NULL, value.size, (const uint8_t *)value.at);
    CHECK(theirs != NULL);
    struct writer wa = writer_of(text_a, ROOM), wb = writer_of(text_b, ROOM);
    pb_to_json(ours, &wa);
    pb_to_json(theirs, &wb);
    if (!differs_on_purpose((const Carillon__V1__Event *)ours, (Carillon__V1__Event *)theirs,
                            writer_bytes(&wb)))
        CHECK(equal_but_for_digits(writer_bytes(&wa), writer_bytes(&wb)));
    protobuf_c_message_free_unpacked(theirs, NULL);
}

/* The hot path's reader agrees where it answers at all. */
static void compare_with_plain(struct bytes value, ProtobufCMessage *message)
{
    struct arena arena = arena_of(decoded_again, ROOM);
    struct pb_error error;
    ProtobufCMessage *plain = pb_read_plain(&event_shape, value, &arena);
    if (!plain)
        return;
    CHECK(message && pb_check_sizes(message, event_limits, event_limit_count, &error) == ERR_OK);
    struct writer wa = writer_of(text_a, ROOM), wb = writer_of(text_b, ROOM);
    pb_to_json(message, &wa);
    pb_to_json(plain, &wb);
    CHECK(bytes_equal(writer_bytes(&wa), writer_bytes(&wb)));
}

static void decode_wire(struct bytes value)
{
    struct arena arena = arena_of(decoded, ROOM);
    ProtobufCMessage *message;
    struct pb_error error;
    enum err err = pb_decode(TYPE, value, &arena, &message, &error);
    CHECK((err == ERR_INVALID) == (error.word != NULL));
    compare_with_plain(value, err == ERR_OK ? message : NULL);
    if (err == ERR_OK) {
        check_forms(message);
        compare_with_protobuf_c(value, message);
    }
}

static void decode_record(struct bytes value, uint8_t headers)
{
    static const char *const types[] = {"application/json", "application/protobuf",
                                        "application/cloudevents+json", "text/plain"};
    const struct record_header list[] = {{BYTES("content-type"), bytes_of(types[headers & 3])},
                                         {BYTES("ce_id"), BYTES("1")},
                                         {BYTES("ce_source"), BYTES("s")},
                                         {BYTES("traceparent"), BYTES("00-1")}};
    struct arena arena = arena_of(decoded, u64_min(ROOM, EVENT_ARENA_BYTES(value.size)));
    struct record record = {
        .value = value, .headers = list, .header_count = headers & 4 ? 4 : headers & 1};
    struct event_error error;
    Carillon__V1__Event *event;
    enum err err = event_decode(&record, &arena, NULL, &event, &error);
    CHECK((err == ERR_OK) == (error.what.word == NULL));
    CHECK(err != ERR_OK || event != NULL);
    CHECK(err == ERR_OK || err == ERR_INVALID || (err == ERR_NO_MEMORY && event == NULL));
    CHECK(error.event_id.size <= 128 && error.tenant_id.size <= 64);
    CHECK(utf8_valid_size(bytes_of(error.what.path)) == strlen(error.what.path));
    if (event)
        check_forms(&event->base);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct bytes value = {(const char *)data + 1, size - 1};
    if (data[0] < 128)
        decode_wire(value);
    else
        decode_record(value, data[0]);
    return 0;
}
