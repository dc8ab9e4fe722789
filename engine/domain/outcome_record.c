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
    bool json;
};

/* A field as either form names it: its number, and `,"name":`. */
struct field {
    uint32_t id;
    struct bytes key;
};
#define FIELD(number, name) ((struct field){number, BYTES(",\"" name "\":")})

static void write_varint(struct writer *w, uint64_t n)
{
    for (; n >= 0x80; n >>= 7)
        write_char(w, (char)(n | 0x80));
    write_char(w, (char)n);
}

enum { VARINT = 0, SIZED = 2 };

/* Keys are literals: where the compiler sees them, each is one or two moves. */
#define INLINE static inline __attribute__((always_inline))

/* The field's name or tag; the value follows. */
INLINE void begin(const struct out *o, struct field field, uint32_t wire)
{
    if (!o->json) {
        write_varint(o->w, field.id << 3 | wire);
        return;
    }
    bool first = o->w->size > 0 && o->w->at[o->w->size - 1] == '{';
    if (first)
        write_bytes(o->w, field.key.at + 1, field.key.size - 1);
    else
        write_bytes(o->w, field.key.at, field.key.size);
}

/* Text as it may stand in either form. Most of it is plain, which one look tells. */
static struct bytes clean(struct bytes text, bool *plain)
{
    *plain = json_plain_size(text.at, text.size) == text.size;
    if (*plain)
        return text;
    text.size = utf8_valid_size(text);
    const char *nul = text.size > 0 ? memchr(text.at, '\0', text.size) : NULL;
    return nul ? (struct bytes){text.at, (size_t)(nul - text.at)} : text;
}

static void write_value(const struct out *o, struct bytes text, bool plain)
{
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

INLINE void put_text(const struct out *o, struct field field, struct bytes text)
{
    bool plain;
    if (text.size == 0)
        return;
    text = clean(text, &plain);
    if (text.size == 0)
        return;
    begin(o, field, SIZED);
    write_value(o, text, plain);
}

INLINE void put_number(const struct out *o, struct field field, uint32_t n)
{
    begin(o, field, VARINT);
    if (o->json)
        write_u64(o->w, n);
    else
        write_varint(o->w, n);
}

/* 64-bit integers are strings in JSON. */
INLINE void put_i64(const struct out *o, struct field field, int64_t n)
{
    begin(o, field, VARINT);
    if (!o->json) {
        write_varint(o->w, (uint64_t)n);
        return;
    }
    write_char(o->w, '"');
    write_i64(o->w, n);
    write_char(o->w, '"');
}

INLINE void put_true(const struct out *o, struct field field, bool value)
{
    if (!value)
        return;
    begin(o, field, VARINT);
    if (o->json)
        write_literal(o->w, "true");
    else
        write_char(o->w, 1);
}

INLINE void put_enum(const struct out *o, struct field field, const ProtobufCEnumDescriptor *type,
                     int value)
{
    if (value == 0)
        return;
    begin(o, field, VARINT);
    if (!o->json) {
        write_varint(o->w, (uint64_t)value);
        return;
    }
    write_char(o->w, '"');
    pb_write_enum(o->w, type, value);
    write_char(o->w, '"');
}

/* A sub-message that was written elsewhere, because its size comes first. */
INLINE void put_sized(const struct out *o, struct field field, struct writer inside)
{
    o->w->overflow |= inside.overflow;
    begin(o, field, SIZED);
    write_varint(o->w, inside.size);
    write_slice(o->w, writer_bytes(&inside));
}

INLINE void put_time(const struct out *o, struct field field, int64_t ms)
{
    if (ms <= 0)
        return;
    if (o->json) {
        begin(o, field, SIZED);
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
    put_sized(o, field, inside);
}

/* Some twenty of them in each record: written by hand. Ids are our own plain text. */
enum { GATE_ID_MAX = 8, GATE_JSON_MAX = 64 };

static void put_gates_json(const struct out *o, struct field field, const struct outcome_record *r)
{
    static const struct {
        char text[28]; /* copied whole, what follows is written over */
        uint8_t size;
    } verdicts[] = {
#define VERDICT(name) {"\",\"verdict\":\"" name "\"}", sizeof("\",\"verdict\":\"" name "\"}") - 1}
        VERDICT("unspecified"),
        VERDICT("pass"),
        VERDICT("refuse"),
        VERDICT("skip"),
#undef VERDICT
    };
    struct writer *w = o->w;
    begin(o, field, SIZED);
    if (w->overflow || r->gate_count * (size_t)GATE_JSON_MAX > w->max - w->size) {
        w->overflow = true;
        return;
    }
    char *at = w->at + w->size;
    for (uint32_t i = 0; i < r->gate_count; i++) {
        const char *id = r->gates[i].id;
        memcpy(at, i == 0 ? "[{\"id\":\"" : ",{\"id\":\"", 8);
        at += 8;
        for (uint32_t k = 0; k < GATE_ID_MAX && id[k]; k++)
            *at++ = id[k];
        memcpy(at, verdicts[r->gates[i].verdict].text, sizeof verdicts->text);
        at += verdicts[r->gates[i].verdict].size;
    }
    *at++ = ']';
    w->size = (size_t)(at - w->at);
}

static void put_gates(const struct out *o, struct field field, const struct outcome_record *r)
{
    if (r->gate_count == 0)
        return;
    if (o->json) {
        put_gates_json(o, field, r);
        return;
    }
    for (uint32_t i = 0; i < r->gate_count; i++) {
        struct bytes name = bytes_of(r->gates[i].id);
        begin(o, field, SIZED);
        write_char(o->w, (char)(name.size + 4));
        write_char(o->w, 1 << 3 | SIZED);
        write_char(o->w, (char)name.size);
        write_slice(o->w, name);
        write_char(o->w, 2 << 3 | VARINT);
        write_char(o->w, (char)r->gates[i].verdict);
    }
}

INLINE void put_origin(const struct out *o, struct field field, const struct outcome_record *r)
{
    if (r->origin_topic.size == 0)
        return;
    char memory[SUB_MESSAGE_MAX];
    struct writer w = writer_of(memory, sizeof memory);
    struct out inside = {&w, o->json};
    if (o->json) {
        begin(o, field, SIZED);
        write_char(o->w, '{');
        inside.w = o->w;
    }
    put_text(&inside, FIELD(1, "topic"), r->origin_topic);
    put_number(&inside, FIELD(2, "partition"), (uint32_t)r->origin_partition);
    put_i64(&inside, FIELD(3, "offset"), r->origin_offset);
    if (o->json)
        write_char(o->w, '}');
    else
        put_sized(o, field, w);
}

static void put_labels(const struct out *o, struct field field, const Carillon__V1__Event *event)
{
    if (event->n_labels == 0)
        return;
    if (o->json) {
        begin(o, field, SIZED);
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
        struct out inside = {&w, false};
        put_text(&inside, FIELD(1, "key"), key);
        put_text(&inside, FIELD(2, "value"), value);
        put_sized(o, field, w);
    }
    if (o->json)
        write_char(o->w, '}');
}

static void put_copied(const struct out *o, const Carillon__V1__Event *event)
{
    put_text(o, FIELD(29, "customer_id"), bytes_of(event->customer_id));
    put_text(o, FIELD(30, "customer_reference"), bytes_of(event->customer_reference));
    put_text(o, FIELD(31, "conversation_id"), bytes_of(event->conversation_id));
    put_text(o, FIELD(32, "transaction_id"), bytes_of(event->transaction_id));
    put_text(o, FIELD(33, "booking_id"),
             bytes_of(event->booking ? event->booking->booking_id : NULL));
    put_text(o, FIELD(34, "location_id"), bytes_of(event->location_id));
    put_text(o, FIELD(35, "author_role"), bytes_of(event->author ? event->author->role : NULL));
    put_labels(o, FIELD(36, "labels"), event);
}

enum err outcome_record_encode(const struct outcome_record *r, enum outcome_format format,
                               struct writer *out)
{
    struct out o = {out, format == OUTCOME_JSON};
    if (o.json)
        write_char(out, '{');
    put_text(&o, FIELD(1, "event_id"), r->event_id);
    put_text(&o, FIELD(2, "leg_id"), r->leg_id);
    put_text(&o, FIELD(3, "tenant_id"), r->tenant_id);
    put_enum(&o, FIELD(4, "kind"), &carillon__v1__kind__descriptor, (int)r->kind);
    put_enum(&o, FIELD(5, "class"), &carillon__v1__class__descriptor, (int)r->class);
    put_enum(&o, FIELD(6, "channel"), &carillon__v1__channel__descriptor, (int)r->channel);
    put_text(&o, FIELD(7, "address_hash"), r->address_hash);
    put_enum(&o, FIELD(8, "outcome"), &carillon__v1__outcome_kind__descriptor, (int)r->outcome);
    put_text(&o, FIELD(9, "reason"), bytes_of(r->reason));
    put_text(&o, FIELD(10, "detail"), bytes_of(r->detail));
    put_text(&o, FIELD(11, "provider"), r->provider);
    put_text(&o, FIELD(12, "route"), r->route);
    put_text(&o, FIELD(13, "provider_message_id"), r->provider_message_id);
    put_number(&o, FIELD(14, "attempts"), r->attempts);
    put_true(&o, FIELD(15, "dup_risk"), r->dup_risk);
    put_true(&o, FIELD(16, "replay"), r->replay);
    put_text(&o, FIELD(17, "zone"), r->zone);
    put_enum(&o, FIELD(18, "zone_source"), &carillon__v1__zone_source__descriptor,
             (int)r->zone_source);
    put_time(&o, FIELD(19, "due_at"), r->due_ms);
    put_time(&o, FIELD(20, "effective_due_at"), r->effective_due_ms);
    put_time(&o, FIELD(21, "sent_at"), r->sent_at_ms);
    put_time(&o, FIELD(22, "settled_at"), r->settled_at_ms);
    if (r->segments > 0)
        put_number(&o, FIELD(23, "segments"), r->segments);
    put_enum(&o, FIELD(24, "encoding"), &carillon__v1__encoding__descriptor, (int)r->encoding);
    put_text(&o, FIELD(25, "template"), bytes_of(r->template));
    put_gates(&o, FIELD(26, "gates"), r);
    put_origin(&o, FIELD(27, "origin"), r);
    put_text(&o, FIELD(28, "worker"), r->worker);
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
        write_char(&w, '/');
        write_i64(&w, r->origin_partition);
        write_char(&w, '/');
        write_i64(&w, r->origin_offset);
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
