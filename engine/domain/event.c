#include "domain/event.h"

#include "base/utf8.h"
#include "domain/event_shape.h"

enum { TRACEPARENT_MAX = 55 };

#define EVENT &carillon__v1__event__descriptor

/* One decoding under way. */
struct reading {
    const struct record *record;
    struct arena *arena;
    struct pb_unknown *unknown;
    struct pb_error *error;
    ProtobufCMessage *message;
    bool in_order; /* its sizes, too */
    /* CloudEvents attributes, of headers or of the envelope; size 0: absent */
    struct bytes ce_source, ce_id, traceparent;
};

static enum err fail(struct pb_error *error, const char *path, const char *word)
{
    *error = (struct pb_error){.word = word};
    struct writer w = writer_of(error->path, sizeof error->path - 1);
    write_text(&w, path);
    return ERR_INVALID;
}

static bool starts_with_nocase(struct bytes text, struct bytes prefix)
{
    return text.size >= prefix.size &&
           bytes_equal_nocase((struct bytes){text.at, prefix.size}, prefix);
}

static struct bytes header_of(const struct reading *r, struct bytes name)
{
    return record_header_of(r->record->headers, r->record->header_count, name);
}

/* Framing of Confluent's serializers: a magic byte (which cannot begin a message of
 * ours) and the schema's id, for protobuf also the path to the message in its file, which
 * for the first message is written as 0, or as a list of one index. */
static struct bytes without_framing(struct bytes value)
{
    size_t frame = value.at[0] == 0 ? 5 : value.at[0] == 1 ? 17 : 0;
    if (frame == 0 || value.size <= frame)
        return value;
    const char *at = value.at + frame, *end = value.at + value.size;
    if (at[0] == 0)
        at++;
    else if ((at[0] == 1 || at[0] == 2) && end - at > 1 && at[1] == 0)
        at += 2;
    return (struct bytes){at, (size_t)(end - at)};
}

static enum err read_wire(struct reading *r, struct bytes value)
{
    size_t before = r->arena->used;
    r->message = pb_read_plain(&event_shape, value, r->arena);
    r->in_order = r->message != NULL;
    if (r->in_order) {
        *r->error = (struct pb_error){0};
        return ERR_OK;
    }
    r->arena->used = before;
    return pb_decode(EVENT, value, r->arena, &r->message, r->error);
}

enum form { FORM_BY_FIRST_BYTE, FORM_PROTOBUF, FORM_JSON };

static enum form form_of(struct bytes content_type)
{
    if (content_type.size == 0)
        return FORM_BY_FIRST_BYTE;
    const char *end = memchr(content_type.at, ';', content_type.size);
    struct bytes type = {content_type.at,
                         end ? (size_t)(end - content_type.at) : content_type.size};
    while (type.size > 0 && type.at[type.size - 1] == ' ')
        type.size--;
    if (bytes_equal_nocase(type, BYTES("application/json")))
        return FORM_JSON;
    if (bytes_equal_nocase(type, BYTES("application/protobuf")) ||
        bytes_equal_nocase(type, BYTES("application/x-protobuf")) ||
        bytes_equal_nocase(type, BYTES("application/vnd.google.protobuf")))
        return FORM_PROTOBUF;
    return FORM_BY_FIRST_BYTE;
}

static enum err read_data(struct reading *r, struct bytes value, enum form form)
{
    if (value.size == 0)
        return fail(r->error, "", "empty");
    value = without_framing(value);
    if (form == FORM_BY_FIRST_BYTE)
        form = json_looks_like_object(value) ? FORM_JSON : FORM_PROTOBUF;
    if (form == FORM_JSON)
        return pb_from_json(EVENT, value, r->arena, r->unknown, &r->message, r->error);
    return read_wire(r, value);
}

static int32_t base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

/* Writes at most 3 bytes for 4 digits. False: no base64. */
static bool decode_base64(struct bytes text, char *out, size_t *size)
{
    while (text.size > 0 && text.at[text.size - 1] == '=')
        text.size--;
    uint32_t bits = 0, count = 0;
    *size = 0;
    for (size_t i = 0; i < text.size; i++) {
        int32_t digit = base64_digit(text.at[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count >= 8) {
            count -= 8;
            out[(*size)++] = (char)(bits >> count & 0xff);
        }
    }
    return text.size % 4 != 1;
}

/* A string of the envelope without its escapes. */
static enum err take_text(struct reading *r, const struct json *json, struct bytes *text)
{
    char *memory = arena_take(r->arena, json->raw.size + 1);
    if (!memory)
        return ERR_NO_MEMORY;
    *text = (struct bytes){memory, json_unescape(json->raw, memory)};
    return ERR_OK;
}

static enum err read_base64_data(struct reading *r, const struct json *json)
{
    struct bytes text;
    char *data;
    if (take_text(r, json, &text) != ERR_OK || !(data = arena_take(r->arena, text.size)))
        return ERR_NO_MEMORY;
    size_t size;
    if (!decode_base64(text, data, &size))
        return fail(r->error, "data_base64", "not base64");
    return read_data(r, (struct bytes){data, size}, FORM_BY_FIRST_BYTE);
}

/* The data of the envelope, or one of the attributes that matter; the rest is passed.
 * What is wrong with the data is kept until the envelope has been read to its end. */
static enum err read_attribute(struct reading *r, struct json *json, enum err data)
{
    if (json_text_is(json, BYTES("data")))
        return pb_from_json_value(EVENT, json, r->arena, r->unknown, &r->message, r->error);
    struct bytes *text = json_text_is(json, BYTES("id"))            ? &r->ce_id
                         : json_text_is(json, BYTES("source"))      ? &r->ce_source
                         : json_text_is(json, BYTES("traceparent")) ? &r->traceparent
                                                                    : NULL;
    bool base64 = json_text_is(json, BYTES("data_base64"));
    enum json_token token = json_next(json);
    if (token == JSON_STRING && base64)
        return read_base64_data(r, json);
    if (token == JSON_STRING && text && take_text(r, json, text) != ERR_OK)
        return ERR_NO_MEMORY;
    json_skip(json, token);
    return data;
}

/* CloudEvents, structured mode. */
static enum err read_envelope(struct reading *r)
{
    struct json json;
    json_init(&json, r->record->value);
    enum err data = fail(r->error, "data", "missing");
    enum json_token token = json_next(&json);
    if (token == JSON_OBJECT)
        while (data != ERR_NO_MEMORY && (token = json_next(&json)) == JSON_KEY)
            data = read_attribute(r, &json, data);
    else if (token != JSON_ERROR)
        return fail(r->error, "", "expected an object");
    if (data == ERR_NO_MEMORY)
        return data;
    if (token == JSON_ERROR || json_next(&json) != JSON_END) {
        *r->error = (struct pb_error){.word = json.error, .place = json_place(&json)};
        r->message = NULL;
        return ERR_INVALID;
    }
    return data;
}

static enum err read_record(struct reading *r)
{
    struct bytes type = header_of(r, BYTES("content-type"));
    if (starts_with_nocase(type, BYTES("application/cloudevents"))) {
        if (!starts_with_nocase(type, BYTES("application/cloudevents+json")))
            return fail(r->error, "", "CloudEvents in another form than JSON");
        return read_envelope(r);
    }
    r->ce_id = header_of(r, BYTES("ce_id"));
    r->ce_source = header_of(r, BYTES("ce_source"));
    r->traceparent = header_of(r, BYTES("ce_traceparent"));
    return read_data(r, r->record->value, form_of(type));
}

/* Text from outside the message keeps to the same rules as inside. */
static bool is_text(struct bytes b)
{
    return b.size > 0 && utf8_valid_size(b) == b.size && !memchr(b.at, '\0', b.size);
}

/* What the message leaves out and the record says elsewhere. False: no memory. */
static bool complete(struct reading *r, Carillon__V1__Event *event)
{
    if (!event->event_id && is_text(r->ce_id) && is_text(r->ce_source)) {
        size_t max = r->ce_source.size + 1 + r->ce_id.size + 1;
        char *memory = arena_take(r->arena, max);
        if (!memory)
            return false;
        struct writer w = writer_of(memory, max);
        write_slice(&w, r->ce_source);
        write_char(&w, '#');
        write_slice(&w, r->ce_id);
        write_char(&w, '\0');
        event->event_id = memory;
        r->in_order = false; /* it may be too long */
    }
    if (!event->traceparent) {
        struct bytes trace = header_of(r, BYTES("traceparent"));
        trace = is_text(trace) ? trace : r->traceparent;
        if (is_text(trace) && trace.size <= TRACEPARENT_MAX &&
            !(event->traceparent = arena_copy(r->arena, trace)))
            return false;
    }
    return true;
}

/* Sizes first, so that an event that is bad otherwise holds nothing too large either. */
static enum err check_sizes(Carillon__V1__Event *event, enum err decoded, struct pb_error *error)
{
    struct pb_error size;
    enum err err = pb_check_sizes(&event->base, event_limits, event_limit_count, &size);
    if (err == ERR_OK || decoded != ERR_OK)
        return decoded;
    *error = size;
    return err;
}

static enum err check(const struct reading *r, Carillon__V1__Event *event, enum err decoded)
{
    struct pb_error *error = r->error;
    if (!r->in_order)
        decoded = check_sizes(event, decoded, error);
    if (decoded != ERR_OK)
        return decoded;
    if (!event->event_id || !event->event_id[0])
        return fail(error, "event_id", "missing");
    if (!event->tenant_id || !event->tenant_id[0])
        return fail(error, "tenant_id", "missing");
    if (!event->has_kind)
        return fail(error, "kind", "missing");
    return ERR_OK;
}

enum err event_decode(const struct record *record, struct arena *arena, struct pb_unknown *unknown,
                      Carillon__V1__Event **event, struct event_error *error)
{
    struct reading r = {
        .record = record, .arena = arena, .unknown = unknown, .error = &error->what};
    *error = (struct event_error){0};
    enum err err = read_record(&r);
    Carillon__V1__Event *read = (Carillon__V1__Event *)r.message;
    if (read && !complete(&r, read))
        err = ERR_NO_MEMORY;
    if (err == ERR_NO_MEMORY) {
        read = NULL;
        error->what = (struct pb_error){.word = "too large to be read"};
    }
    if (read) {
        err = check(&r, read, err);
        error->event_id = bytes_of(read->event_id);
        error->tenant_id = bytes_of(read->tenant_id);
    }
    *event = read;
    return err;
}

enum err event_decode_json(struct bytes document, struct arena *arena, struct pb_unknown *unknown,
                           Carillon__V1__Event **event, struct event_error *error)
{
    const struct record_header json = {BYTES("content-type"), BYTES("application/json")};
    struct record record = {.value = document, .headers = &json, .header_count = 1};
    return event_decode(&record, arena, unknown, event, error);
}
