/* One walk over the fields in the order of their numbers writes either form. Straight
 * from our own struct: filling protobuf-c's first would mean a terminated copy of each
 * text. Names and types of enums come from the descriptor, so only the numbers stand
 * here, and a test reads all back. */
#include "domain/outcome_record.h"

#include "base/time.h"
#include "base/utf8.h"
#include "domain/pbjson.h"

enum { SUB_MESSAGE_MAX = 512 };

struct out {
    struct writer *w;
    const ProtobufCMessageDescriptor *type;
    bool json;
};

static void write_varint(struct writer *w, uint64_t n)
{
    for (; n >= 0x80; n >>= 7)
        write_char(w, (char)(n | 0x80));
    write_char(w, (char)n);
}

enum { VARINT = 0, SIZED = 2 };

static const ProtobufCFieldDescriptor *field_of(const struct out *o, uint32_t id)
{
    const ProtobufCFieldDescriptor *field = &o->type->fields[id - 1];
    CHECK(field->id == id);
    return field;
}

/* The field's name or tag; the value follows. */
static void begin(const struct out *o, uint32_t id, uint32_t wire)
{
    if (o->json)
        json_write_key(o->w, field_of(o, id)->name);
    else
        write_varint(o->w, id << 3 | wire);
}

/* Text as it may stand in either form. Most of it is plain, which one look tells. */
static struct bytes clean(struct bytes text, bool *plain)
{
    *plain = text.size > 0 && json_plain_size(text.at, text.size) == text.size;
    if (*plain || text.size == 0)
        return text;
    text.size = utf8_valid_size(text);
    const char *nul = text.size > 0 ? memchr(text.at, '\0', text.size) : NULL;
    return nul ? (struct bytes){text.at, (size_t)(nul - text.at)} : text;
}

static void put_text(const struct out *o, uint32_t id, struct bytes text)
{
    bool plain;
    text = clean(text, &plain);
    if (text.size == 0)
        return;
    begin(o, id, SIZED);
    if (!o->json) {
        write_varint(o->w, text.size);
        write_slice(o->w, text);
        return;
    }
    write_char(o->w, '"');
    if (plain)
        write_slice(o->w, text);
    else
        json_write_escaped(o->w, text);
    write_char(o->w, '"');
}

static void put_number(const struct out *o, uint32_t id, uint32_t n)
{
    begin(o, id, VARINT);
    if (o->json)
        write_u64(o->w, n);
    else
        write_varint(o->w, n);
}

/* 64-bit integers are strings in JSON. */
static void put_i64(const struct out *o, uint32_t id, int64_t n)
{
    begin(o, id, VARINT);
    if (!o->json) {
        write_varint(o->w, (uint64_t)n);
        return;
    }
    write_char(o->w, '"');
    write_i64(o->w, n);
    write_char(o->w, '"');
}

static void put_true(const struct out *o, uint32_t id, bool value)
{
    if (!value)
        return;
    begin(o, id, VARINT);
    if (o->json)
        write_literal(o->w, "true");
    else
        write_char(o->w, 1);
}

static void put_enum(const struct out *o, uint32_t id, int value)
{
    if (value == 0)
        return;
    begin(o, id, VARINT);
    if (!o->json) {
        write_varint(o->w, (uint64_t)value);
        return;
    }
    write_char(o->w, '"');
    pb_write_enum(o->w, field_of(o, id)->descriptor, value);
    write_char(o->w, '"');
}

/* A sub-message that was written elsewhere, because its size comes first. */
static void put_sized(const struct out *o, uint32_t id, struct writer inside)
{
    o->w->overflow |= inside.overflow;
    begin(o, id, SIZED);
    write_varint(o->w, inside.size);
    write_slice(o->w, writer_bytes(&inside));
}

static void put_time(const struct out *o, uint32_t id, int64_t ms)
{
    if (ms <= 0)
        return;
    if (o->json) {
        begin(o, id, SIZED);
        write_char(o->w, '"');
        time_write(o->w, ms);
        write_char(o->w, '"');
        return;
    }
    char memory[24];
    struct writer inside = writer_of(memory, sizeof memory);
    if (ms >= 1000) {
        write_varint(&inside, 1 << 3 | VARINT);
        write_varint(&inside, (uint64_t)ms / 1000);
    }
    if (ms % 1000 > 0) {
        write_varint(&inside, 2 << 3 | VARINT);
        write_varint(&inside, (uint64_t)(ms % 1000) * 1000000);
    }
    put_sized(o, id, inside);
}

/* Some twenty of them in each record: written by hand. Ids are our own plain text. */
static void put_gates(const struct out *o, uint32_t id, const struct outcome_record *r)
{
    static const char *const verdicts[] = {"unspecified", "pass", "refuse", "skip"};
    if (o->json && r->gate_count > 0)
        begin(o, id, SIZED);
    for (uint32_t i = 0; i < r->gate_count; i++) {
        const struct outcome_gate *gate = &r->gates[i];
        struct bytes name = bytes_of(gate->id);
        if (o->json) {
            write_text(o->w, i == 0 ? "[{\"id\":\"" : "\"},{\"id\":\"");
            write_slice(o->w, name);
            write_literal(o->w, "\",\"verdict\":\"");
            write_text(o->w, verdicts[gate->verdict]);
            continue;
        }
        begin(o, id, SIZED);
        write_char(o->w, (char)(name.size + 4));
        write_char(o->w, 1 << 3 | SIZED);
        write_char(o->w, (char)name.size);
        write_slice(o->w, name);
        write_char(o->w, 2 << 3 | VARINT);
        write_char(o->w, (char)gate->verdict);
    }
    if (o->json && r->gate_count > 0)
        write_literal(o->w, "\"}]");
}

static void put_origin(const struct out *o, uint32_t id, const struct outcome_record *r)
{
    if (r->origin_topic.size == 0)
        return;
    char memory[SUB_MESSAGE_MAX];
    struct writer w = writer_of(memory, sizeof memory);
    struct out inside = {&w, &carillon__v1__origin__descriptor, o->json};
    if (o->json) {
        begin(o, id, SIZED);
        write_char(o->w, '{');
        inside.w = o->w;
    }
    put_text(&inside, 1, r->origin_topic);
    put_number(&inside, 2, (uint32_t)r->origin_partition);
    put_i64(&inside, 3, r->origin_offset);
    if (o->json)
        write_char(o->w, '}');
    else
        put_sized(o, id, w);
}

static void put_labels(const struct out *o, uint32_t id, const Carillon__V1__Event *event)
{
    const ProtobufCMessageDescriptor *entry = &carillon__v1__outcome__labels_entry__descriptor;
    if (event->n_labels == 0)
        return;
    if (o->json) {
        begin(o, id, SIZED);
        write_char(o->w, '{');
    }
    for (size_t i = 0; i < event->n_labels; i++) {
        struct bytes key = bytes_of(event->labels[i]->key);
        struct bytes value = bytes_of(event->labels[i]->value);
        if (o->json) {
            json_write_comma(o->w);
            json_write_string(o->w, key);
            write_char(o->w, ':');
            json_write_string(o->w, value);
            continue;
        }
        char memory[SUB_MESSAGE_MAX];
        struct writer w = writer_of(memory, sizeof memory);
        struct out inside = {&w, entry, false};
        put_text(&inside, 1, key);
        put_text(&inside, 2, value);
        put_sized(o, id, w);
    }
    if (o->json)
        write_char(o->w, '}');
}

static void put_copied(const struct out *o, const Carillon__V1__Event *event)
{
    put_text(o, 29, bytes_of(event->customer_id));
    put_text(o, 30, bytes_of(event->customer_reference));
    put_text(o, 31, bytes_of(event->conversation_id));
    put_text(o, 32, bytes_of(event->transaction_id));
    put_text(o, 33, bytes_of(event->booking ? event->booking->booking_id : NULL));
    put_text(o, 34, bytes_of(event->location_id));
    put_text(o, 35, bytes_of(event->author ? event->author->role : NULL));
    put_labels(o, 36, event);
}

enum err outcome_record_encode(const struct outcome_record *r, enum outcome_format format,
                               struct writer *out)
{
    struct out o = {out, &carillon__v1__outcome__descriptor, format == OUTCOME_JSON};
    if (o.json)
        write_char(out, '{');
    put_text(&o, 1, r->event_id);
    put_text(&o, 2, r->leg_id);
    put_text(&o, 3, r->tenant_id);
    put_enum(&o, 4, (int)r->kind);
    put_enum(&o, 5, (int)r->class);
    put_enum(&o, 6, (int)r->channel);
    put_text(&o, 7, r->address_hash);
    put_enum(&o, 8, (int)r->outcome);
    put_text(&o, 9, bytes_of(r->reason));
    put_text(&o, 10, bytes_of(r->detail));
    put_text(&o, 11, r->provider);
    put_text(&o, 12, r->route);
    put_text(&o, 13, r->provider_message_id);
    put_number(&o, 14, r->attempts);
    put_true(&o, 15, r->dup_risk);
    put_true(&o, 16, r->replay);
    put_text(&o, 17, r->zone);
    put_enum(&o, 18, (int)r->zone_source);
    put_time(&o, 19, r->due_ms);
    put_time(&o, 20, r->effective_due_ms);
    put_time(&o, 21, r->sent_at_ms);
    put_time(&o, 22, r->settled_at_ms);
    if (r->segments > 0)
        put_number(&o, 23, r->segments);
    put_enum(&o, 24, (int)r->encoding);
    put_text(&o, 25, bytes_of(r->template));
    put_gates(&o, 26, r);
    put_origin(&o, 27, r);
    put_text(&o, 28, r->worker);
    if (r->event)
        put_copied(&o, r->event);
    if (o.json)
        write_char(out, '}');
    return out->overflow ? ERR_TOO_LARGE : ERR_OK;
}

/* What was written to `w` since `from`. */
static struct bytes since(const struct writer *w, size_t from)
{
    return (struct bytes){w->at + from, w->size - from};
}

uint32_t outcome_record_headers(const struct outcome_record *r, enum outcome_format format,
                                char memory[OUTCOME_HEADER_BYTES],
                                struct record_header headers[OUTCOME_HEADERS])
{
    struct writer w = writer_of(memory, OUTCOME_HEADER_BYTES);
    uint32_t count = 0;
    write_slice(&w, r->leg_id.size > 0 ? r->leg_id : r->event_id);
    if (r->origin_topic.size > 0) {
        write_char(&w, '@');
        write_slice(&w, r->origin_topic);
        write_format(&w, "/%d/%lld", r->origin_partition, (long long)r->origin_offset);
    }
    headers[count++] = (struct record_header){BYTES("ce_id"), since(&w, 0)};
    headers[count++] = (struct record_header){BYTES("ce_source"), BYTES("/carillon")};
    headers[count++] = (struct record_header){BYTES("ce_specversion"), BYTES("1.0")};
    headers[count++] = (struct record_header){BYTES("ce_type"), BYTES("carillon.outcome.v1")};
    size_t time = w.size;
    time_write(&w, r->settled_at_ms);
    headers[count++] = (struct record_header){BYTES("ce_time"), since(&w, time)};
    headers[count++] = (struct record_header){
        BYTES("content-type"),
        format == OUTCOME_JSON ? BYTES("application/json") : BYTES("application/protobuf")};
    if (r->event && r->event->traceparent)
        headers[count++] =
            (struct record_header){BYTES("traceparent"), bytes_of(r->event->traceparent)};
    return count;
}
