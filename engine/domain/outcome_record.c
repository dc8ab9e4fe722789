/* One walk over the fields in the order of their numbers writes either form. Straight
 * from our own struct: filling protobuf-c's first would mean a terminated copy of each
 * text. Names and types of enums come from the descriptor, so only the numbers stand
 * here, and a test reads all back.
 *
 * A record has some forty small pieces, so what is asked for each piece costs more than its
 * bytes: each field asks for its room once, and ends with the comma that the next one needs. */
#include "domain/outcome_record.h"

#include "base/utf8.h"
#include "domain/pbjson.h"

enum { SUB_MESSAGE_MAX = 512, VARINT_MAX = 10, TAG_MAX = 2, DIGITS_MAX = 20 };

struct out {
    char *at, *end;
    struct outcome_encoder *encoder;
    bool full; /* something did not fit */
};

/* A field as either form names it: its number, and `"name":`. */
struct field {
    uint32_t id;
    struct bytes key;
};
#define FIELD(number, name) ((struct field){number, BYTES("\"" name "\":")})

/* Keys are literals and the form is known: where the compiler sees them, a key is one or two
 * moves. (Where it does not optimize, copies would only blur what the tests covered.) */
#ifdef __OPTIMIZE__
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

INLINE bool has_room(struct out *o, size_t size)
{
    if (size <= (size_t)(o->end - o->at))
        return true;
    o->full = true;
    return false;
}

INLINE void put(struct out *o, struct bytes text)
{
    memcpy(o->at, text.at, text.size);
    o->at += text.size;
}

INLINE void put_varint(struct out *o, uint64_t n)
{
    for (; n >= 0x80; n >>= 7)
        *o->at++ = (char)(n | 0x80);
    *o->at++ = (char)n;
}

enum { VARINT = 0, SIZED = 2 };

/* The field's name or tag, and room for the value that follows. */
INLINE bool begin(struct out *o, bool json, struct field field, uint32_t wire, size_t value)
{
    if (!has_room(o, (json ? field.key.size : TAG_MAX) + value))
        return false;
    if (json)
        put(o, field.key);
    else
        put_varint(o, field.id << 3 | wire);
    return true;
}

/* Text without anything that JSON would escape. */
INLINE void put_plain(struct out *o, bool json, struct field field, struct bytes text)
{
    if (text.size == 0 || !begin(o, json, field, SIZED, text.size + VARINT_MAX))
        return;
    if (json)
        *o->at++ = '"';
    else
        put_varint(o, text.size);
    put(o, text);
    if (json)
        put(o, BYTES("\","));
}

/* What JSON escapes, and what neither form may hold: cut where it begins. */
static __attribute__((noinline)) void put_foreign(struct out *o, bool json, struct field field,
                                                  struct bytes text)
{
    text.size = utf8_valid_size(text);
    const char *nul = text.size > 0 ? memchr(text.at, '\0', text.size) : NULL;
    if (nul)
        text.size = (size_t)(nul - text.at);
    if (!json)
        put_plain(o, false, field, text);
    if (!json || text.size == 0 || !begin(o, true, field, SIZED, 0))
        return;
    struct writer w = writer_of(o->at, (size_t)(o->end - o->at));
    json_write_string(&w, text);
    write_char(&w, ',');
    o->at += w.size;
    o->full |= w.overflow;
}

/* Most text is plain, which one look tells. */
INLINE void put_text(struct out *o, bool json, struct field field, struct bytes text)
{
    if (text.size > 0 && json_plain_size(text.at, text.size) != text.size)
        put_foreign(o, json, field, text);
    else
        put_plain(o, json, field, text);
}

static void put_digits(struct out *o, int64_t n)
{
    struct writer w = writer_of(o->at, DIGITS_MAX);
    write_i64(&w, n);
    o->at += w.size;
}

INLINE void put_number(struct out *o, bool json, struct field field, uint32_t n)
{
    if (!begin(o, json, field, VARINT, DIGITS_MAX + 1))
        return;
    if (!json) {
        put_varint(o, n);
        return;
    }
    put_digits(o, n);
    *o->at++ = ',';
}

/* 64-bit integers are strings in JSON. */
INLINE void put_i64(struct out *o, bool json, struct field field, int64_t n)
{
    if (!begin(o, json, field, VARINT, DIGITS_MAX + 3))
        return;
    if (!json) {
        put_varint(o, (uint64_t)n);
        return;
    }
    *o->at++ = '"';
    put_digits(o, n);
    put(o, BYTES("\","));
}

INLINE void put_true(struct out *o, bool json, struct field field, bool value)
{
    if (value && begin(o, json, field, VARINT, sizeof "true,"))
        put(o, json ? BYTES("true,") : BYTES("\1"));
}

/* --- enums ---------------------------------------------------------------------------- */

enum { ENUM_KIND, ENUM_CLASS, ENUM_CHANNEL, ENUM_OUTCOME, ENUM_ZONE_SOURCE, ENUM_ENCODING };
_Static_assert(ENUM_ENCODING == OUTCOME_ENUMS - 1, "one row of words each");

static const ProtobufCEnumDescriptor *const enums[OUTCOME_ENUMS] = {
    [ENUM_KIND] = &carillon__v1__kind__descriptor,
    [ENUM_CLASS] = &carillon__v1__class__descriptor,
    [ENUM_CHANNEL] = &carillon__v1__channel__descriptor,
    [ENUM_OUTCOME] = &carillon__v1__outcome_kind__descriptor,
    [ENUM_ZONE_SOURCE] = &carillon__v1__zone_source__descriptor,
    [ENUM_ENCODING] = &carillon__v1__encoding__descriptor,
};

/* `"value",` */
static void write_word(struct writer *w, uint32_t which, int value)
{
    write_char(w, '"');
    pb_write_enum(w, enums[which], value);
    write_literal(w, "\",");
}

void outcome_encoder_init(struct outcome_encoder *encoder, enum outcome_format format)
{
    *encoder = (struct outcome_encoder){.format = format};
    for (uint32_t which = 0; which < OUTCOME_ENUMS; which++)
        for (int value = 0; value < OUTCOME_ENUM_MAX; value++) {
            struct outcome_word *word = &encoder->words[which][value];
            struct writer w = writer_of(word->text, sizeof word->text);
            write_word(&w, which, value);
            word->size = w.overflow ? 0 : (uint8_t)w.size;
        }
}

static __attribute__((noinline)) void put_rare_enum(struct out *o, uint32_t which, int value)
{
    struct writer w = writer_of(o->at, (size_t)(o->end - o->at));
    write_word(&w, which, value);
    o->at += w.size;
    o->full |= w.overflow;
}

INLINE void put_enum(struct out *o, bool json, struct field field, uint32_t which, int value)
{
    const struct outcome_word *words = o->encoder->words[which];
    if (value == 0 || !begin(o, json, field, VARINT, sizeof words->text))
        return;
    if (!json) {
        put_varint(o, (uint64_t)value);
    } else if (value < 0 || value >= OUTCOME_ENUM_MAX || words[value].size == 0) {
        put_rare_enum(o, which, value);
    } else {
        memcpy(o->at, words[value].text, sizeof words->text);
        o->at += words[value].size;
    }
}

/* --- messages ------------------------------------------------------------------------- */

/* A sub-message that was written elsewhere, because its size comes first. */
INLINE void put_sized(struct out *o, struct field field, const struct out *inside,
                      const char *memory)
{
    size_t size = (size_t)(inside->at - memory);
    o->full |= inside->full;
    if (!begin(o, false, field, SIZED, size + VARINT_MAX))
        return;
    put_varint(o, size);
    put(o, (struct bytes){memory, size});
}

INLINE void put_time(struct out *o, bool json, struct field field, int64_t ms)
{
    if (ms <= 0)
        return;
    if (json) {
        if (!begin(o, true, field, SIZED, TIME_TEXT_SIZE + 3))
            return;
        *o->at++ = '"';
        o->at = time_put(&o->encoder->times, o->at, ms);
        put(o, BYTES("\","));
        return;
    }
    char memory[2 * (1 + VARINT_MAX)];
    struct out inside = {.at = memory, .end = memory + sizeof memory};
    if (ms >= 1000) {
        put_varint(&inside, 1 << 3 | VARINT);
        put_varint(&inside, (uint64_t)ms / 1000);
    }
    if (ms % 1000 > 0) {
        put_varint(&inside, 2 << 3 | VARINT);
        put_varint(&inside, (uint64_t)(ms % 1000) * 1000000);
    }
    put_sized(o, field, &inside, memory);
}

static void gates_json(const struct outcome_gate *gates, uint32_t count, struct writer *w)
{
    static const char *const verdicts[] = {"unspecified", "pass", "refuse", "skip"};
    for (uint32_t i = 0; i < count; i++) {
        write_text(w, i == 0 ? "[{\"id\":\"" : ",{\"id\":\"");
        write_text(w, gates[i].id);
        write_literal(w, "\",\"verdict\":\"");
        write_text(w, verdicts[gates[i].verdict]);
        write_literal(w, "\"}");
    }
    if (count > 0)
        write_literal(w, "],");
}

void outcome_gates_encode(enum outcome_format format, const struct outcome_gate *gates,
                          uint32_t count, struct writer *w)
{
    struct out o = {.at = w->at + w->size, .end = w->at + w->max};
    if (format == OUTCOME_JSON) {
        gates_json(gates, count, w);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        char memory[64];
        struct out inside = {.at = memory, .end = memory + sizeof memory};
        put_text(&inside, false, FIELD(1, "id"), bytes_of(gates[i].id));
        put_number(&inside, false, FIELD(2, "verdict"), gates[i].verdict);
        put_sized(&o, FIELD(26, "gates"), &inside, memory);
    }
    w->size = (size_t)(o.at - w->at);
    w->overflow |= o.full;
}

INLINE void put_gates(struct out *o, bool json, struct bytes gates)
{
    static const struct bytes key = {"\"gates\":", 8};
    if (gates.size == 0 || !has_room(o, key.size + gates.size))
        return;
    if (json)
        put(o, key);
    put(o, gates);
}

INLINE void put_origin(struct out *o, bool json, struct field field, const struct outcome_record *r)
{
    char memory[SUB_MESSAGE_MAX];
    struct out apart = {.at = memory, .end = memory + sizeof memory}, *inside = json ? o : &apart;
    if (r->origin_topic.size == 0 || (json && !begin(o, true, field, SIZED, 1)))
        return;
    if (json)
        *o->at++ = '{';
    put_text(inside, json, FIELD(1, "topic"), r->origin_topic);
    put_number(inside, json, FIELD(2, "partition"), (uint32_t)r->origin_partition);
    put_i64(inside, json, FIELD(3, "offset"), r->origin_offset);
    if (!json)
        put_sized(o, field, inside, memory);
    else if (has_room(o, 1))
        memcpy(o->at++ - 1, "},", 2); /* over the last comma */
}

static void put_labels_json(struct out *o, struct field field, const Carillon__V1__Event *event)
{
    struct writer w = writer_of(o->at, (size_t)(o->end - o->at));
    write_slice(&w, field.key);
    write_char(&w, '{');
    for (size_t i = 0; i < event->n_labels; i++) {
        json_write_comma(&w);
        json_write_string(&w, bytes_of(event->labels[i]->key));
        write_char(&w, ':');
        json_write_string(&w, bytes_of(event->labels[i]->value));
    }
    write_literal(&w, "},");
    o->at += w.size;
    o->full |= w.overflow;
}

static void put_labels(struct out *o, bool json, struct field field,
                       const Carillon__V1__Event *event)
{
    if (event->n_labels > 0 && json)
        put_labels_json(o, field, event);
    for (size_t i = 0; !json && i < event->n_labels; i++) {
        char memory[SUB_MESSAGE_MAX];
        struct out inside = {.at = memory, .end = memory + sizeof memory};
        put_text(&inside, false, FIELD(1, "key"), bytes_of(event->labels[i]->key));
        put_text(&inside, false, FIELD(2, "value"), bytes_of(event->labels[i]->value));
        put_sized(o, field, &inside, memory);
    }
}

INLINE void put_copied(struct out *o, bool json, const Carillon__V1__Event *event)
{
    const Carillon__V1__Booking *booking = event->booking;
    const Carillon__V1__Author *author = event->author;
    put_text(o, json, FIELD(29, "customer_id"), bytes_of(event->customer_id));
    put_text(o, json, FIELD(30, "customer_reference"), bytes_of(event->customer_reference));
    put_text(o, json, FIELD(31, "conversation_id"), bytes_of(event->conversation_id));
    put_text(o, json, FIELD(32, "transaction_id"), bytes_of(event->transaction_id));
    put_text(o, json, FIELD(33, "booking_id"), bytes_of(booking ? booking->booking_id : NULL));
    put_text(o, json, FIELD(34, "location_id"), bytes_of(event->location_id));
    put_text(o, json, FIELD(35, "author_role"), bytes_of(author ? author->role : NULL));
    put_labels(o, json, FIELD(36, "labels"), event);
}

INLINE void put_record(struct out *o, bool json, const struct outcome_record *r)
{
    put_text(o, json, FIELD(1, "event_id"), r->event_id);
    put_plain(o, json, FIELD(2, "leg_id"), r->leg_id);
    put_text(o, json, FIELD(3, "tenant_id"), r->tenant_id);
    put_enum(o, json, FIELD(4, "kind"), ENUM_KIND, (int)r->kind);
    put_enum(o, json, FIELD(5, "class"), ENUM_CLASS, (int)r->class);
    put_enum(o, json, FIELD(6, "channel"), ENUM_CHANNEL, (int)r->channel);
    put_plain(o, json, FIELD(7, "address_hash"), r->address_hash);
    put_enum(o, json, FIELD(8, "outcome"), ENUM_OUTCOME, (int)r->outcome);
    put_plain(o, json, FIELD(9, "reason"), bytes_of(r->reason));
    put_text(o, json, FIELD(10, "detail"), bytes_of(r->detail));
    put_text(o, json, FIELD(11, "provider"), r->provider);
    put_text(o, json, FIELD(12, "route"), r->route);
    put_text(o, json, FIELD(13, "provider_message_id"), r->provider_message_id);
    put_number(o, json, FIELD(14, "attempts"), r->attempts);
    put_true(o, json, FIELD(15, "dup_risk"), r->dup_risk);
    put_true(o, json, FIELD(16, "replay"), r->replay);
    put_text(o, json, FIELD(17, "zone"), r->zone);
    put_enum(o, json, FIELD(18, "zone_source"), ENUM_ZONE_SOURCE, (int)r->zone_source);
    put_time(o, json, FIELD(19, "due_at"), r->due_ms);
    put_time(o, json, FIELD(20, "effective_due_at"), r->effective_due_ms);
    put_time(o, json, FIELD(21, "sent_at"), r->sent_at_ms);
    put_time(o, json, FIELD(22, "settled_at"), r->settled_at_ms);
    if (r->segments > 0)
        put_number(o, json, FIELD(23, "segments"), r->segments);
    put_enum(o, json, FIELD(24, "encoding"), ENUM_ENCODING, (int)r->encoding);
    put_plain(o, json, FIELD(25, "template"), bytes_of(r->template));
    put_gates(o, json, r->gates);
    put_origin(o, json, FIELD(27, "origin"), r);
    put_text(o, json, FIELD(28, "worker"), r->worker);
    if (r->event)
        put_copied(o, json, r->event);
}

enum err outcome_record_encode(struct outcome_encoder *encoder, const struct outcome_record *r,
                               struct writer *out)
{
    struct out o = {out->at + out->size, out->at + out->max, encoder, out->max - out->size < 1};
    if (!o.full && encoder->format == OUTCOME_JSON) {
        *o.at++ = '{';
        put_record(&o, true, r);
        o.at[-1] = '}'; /* for the comma after what is always there */
    } else if (!o.full) {
        put_record(&o, false, r);
    }
    out->size = (size_t)(o.at - out->at);
    out->overflow |= o.full;
    return out->overflow ? ERR_TOO_LARGE : ERR_OK;
}

/* What was written to `w` since `from`. */
static struct bytes since(const struct writer *w, size_t from)
{
    return (struct bytes){w->at + from, w->size - from};
}

uint32_t outcome_record_headers(struct outcome_encoder *encoder, const struct outcome_record *r,
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
    char text[TIME_TEXT_SIZE];
    time_put(&encoder->times, text, r->settled_at_ms);
    write_bytes(&w, text, sizeof text);
    headers[count++] = (struct record_header){BYTES("ce_time"), since(&w, time)};
    headers[count++] = (struct record_header){
        BYTES("content-type"), encoder->format == OUTCOME_JSON ? BYTES("application/json")
                                                               : BYTES("application/protobuf")};
    if (r->event && r->event->traceparent)
        headers[count++] =
            (struct record_header){BYTES("traceparent"), bytes_of(r->event->traceparent)};
    return count;
}
