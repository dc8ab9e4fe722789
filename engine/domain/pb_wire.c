/* Protobuf bytes to protobuf-c's structs. Not by protobuf_c_message_unpack, because that
 * takes strings with NUL or without UTF-8 as they are, keeps every unknown field, and
 * cannot say which field is wrong; it serves as the second opinion in the fuzz target.
 * Depth is bounded by the types, none of which contains itself. */
#include "base/time.h"
#include "base/utf8.h"
#include "domain/pb_build.h"

struct wire {
    const uint8_t *at, *end;
};

struct decoder {
    struct arena *arena;
    struct pb_error *error;
};

static const char too_many[] = "too many entries";

/* Outweighs what was found before: nothing of the record can be trusted. */
static enum err broken(struct decoder *d, const struct pb_path *path)
{
    d->error->word = NULL;
    pb_fail(d->error, path, "not protobuf");
    return ERR_INVALID;
}

static bool read_long_varint(struct wire *wire, uint64_t *out)
{
    uint64_t n = 0;
    for (uint32_t shift = 0; shift < 70 && wire->at < wire->end; shift += 7) {
        uint8_t byte = *wire->at++;
        n |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = n;
            return true;
        }
    }
    return false;
}

static inline bool read_varint(struct wire *wire, uint64_t *out)
{
    if (wire->at < wire->end && *wire->at < 0x80) { /* most are short */
        *out = *wire->at++;
        return true;
    }
    return read_long_varint(wire, out);
}

/* One field as it lies on the wire. */
struct wire_field {
    uint32_t id;
    uint32_t form; /* 0 varint, 1 and 5 fixed, 2 length and bytes */
    uint64_t varint;
    struct wire inside; /* of form 2 */
};

static inline bool read_field(struct wire *wire, struct wire_field *field)
{
    uint64_t tag, size;
    if (!read_varint(wire, &tag) || tag >> 3 == 0 || tag > UINT32_MAX)
        return false;
    field->id = (uint32_t)tag >> 3;
    field->form = tag & 7;
    switch (field->form) {
    case 0:
        return read_varint(wire, &field->varint);
    case 1:
        size = 8;
        break;
    case 2:
        if (!read_varint(wire, &size))
            return false;
        break;
    case 5:
        size = 4;
        break;
    default: /* groups */
        return false;
    }
    if (size > (size_t)(wire->end - wire->at))
        return false;
    field->inside = (struct wire){wire->at, wire->at + size};
    wire->at += size;
    return true;
}

static inline const ProtobufCFieldDescriptor *field_of(const ProtobufCMessageDescriptor *type,
                                                       uint32_t id)
{
    if (id <= type->n_fields && type->fields[id - 1].id == id)
        return &type->fields[id - 1];
    return protobuf_c_message_descriptor_get_field(type, id);
}

static enum err put(struct decoder *d, ProtobufCMessage *message,
                    const ProtobufCFieldDescriptor *field, const union pb_value *value)
{
    return pb_put(d->arena, message, field, value) ? ERR_OK : ERR_NO_MEMORY;
}

static enum err put_varint(struct decoder *d, ProtobufCMessage *message,
                           const ProtobufCFieldDescriptor *field, uint64_t n,
                           const struct pb_path *path)
{
    union pb_value value = {.u64 = n};
    if (field->type == PROTOBUF_C_TYPE_BOOL)
        value.boolean = n != 0;
    if (field->type == PROTOBUF_C_TYPE_ENUM && !pb_enum_value(field->descriptor, value.i32)) {
        pb_fail(d->error, path, "not a value of the enum");
        return ERR_OK;
    }
    return put(d, message, field, &value);
}

static enum err put_packed(struct decoder *d, ProtobufCMessage *message,
                           const ProtobufCFieldDescriptor *field, struct wire inside,
                           const struct pb_path *path)
{
    while (inside.at < inside.end) {
        uint64_t n;
        if (!read_varint(&inside, &n))
            return broken(d, path);
        if (*pb_count(message, field) >= PB_LIST_MAX) {
            pb_fail(d->error, path, too_many);
            return ERR_OK;
        }
        enum err err = put_varint(d, message, field, n, path);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Whether a byte of it is NUL, or no ASCII. */
static inline bool is_special(uint64_t v)
{
    return ((v | (v - EACH(1))) & EACH(0x80)) != 0;
}

/* A terminated copy of ASCII without NUL; NULL: it is not, or does not fit. The last eight
 * bytes are looked at twice where the size is odd. */
static char *copy_plain(struct arena *arena, struct wire inside)
{
    size_t size = (size_t)(inside.end - inside.at), before = arena->used, i = 0;
    char *copy = arena_take(arena, size + 1);
    uint64_t v;
    bool special = !copy;
    if (size >= sizeof v) {
        for (; !special && i < size; i += sizeof v) {
            size_t at = i + sizeof v <= size ? i : size - sizeof v;
            memcpy(&v, inside.at + at, sizeof v);
            special = is_special(v);
            memcpy(copy + at, &v, sizeof v);
        }
    } else {
        for (; !special && i < size; i++) {
            special = inside.at[i] == 0 || inside.at[i] >= 0x80;
            copy[i] = (char)inside.at[i];
        }
    }
    if (special) {
        arena->used = before;
        return NULL;
    }
    copy[size] = '\0';
    return copy;
}

static enum err put_text(struct decoder *d, ProtobufCMessage *message,
                         const ProtobufCFieldDescriptor *field, struct wire inside,
                         const struct pb_path *path)
{
    struct bytes text = {(const char *)inside.at, (size_t)(inside.end - inside.at)};
    bool valid = utf8_valid_size(text) == text.size;
    if (!valid || (text.size > 0 && memchr(text.at, '\0', text.size))) {
        pb_fail(d->error, path, valid ? "a NUL inside a string" : "not UTF-8");
        return ERR_OK;
    }
    union pb_value value = {.text = arena_copy(d->arena, text)};
    return value.text ? put(d, message, field, &value) : ERR_NO_MEMORY;
}

static enum err read_message(struct decoder *d, struct wire wire, ProtobufCMessage *message,
                             const struct pb_path *path);

static bool time_in_range(const ProtobufCMessage *message)
{
    const Google__Protobuf__Timestamp *t = (const Google__Protobuf__Timestamp *)message;
    return t->seconds >= TIME_LEAST_S && t->seconds <= TIME_MOST_S && t->nanos >= 0 &&
           t->nanos <= 999999999;
}

/* A message that comes twice is one, its fields merged. */
static enum err put_message(struct decoder *d, ProtobufCMessage *message,
                            const ProtobufCFieldDescriptor *field, struct wire inside,
                            const struct pb_path *path)
{
    ProtobufCMessage **slot = pb_member(message, field);
    bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    union pb_value value = {.message =
                                repeated || !*slot ? pb_new(d->arena, field->descriptor) : *slot};
    if (!value.message)
        return ERR_NO_MEMORY;
    bool map = repeated && pb_is_map(field);
    struct pb_path entry = {.up = path, .entry = value.message};
    enum err err = read_message(d, inside, value.message, map ? &entry : path);
    if (err != ERR_OK)
        return err;
    if (map)
        return pb_put_entry(d->arena, message, field, value.message) ? ERR_OK : ERR_NO_MEMORY;
    if (pb_is_time(field->descriptor) && !time_in_range(value.message)) {
        pb_fail(d->error, path, "a time out of range");
        *slot = NULL;
        return ERR_OK;
    }
    return put(d, message, field, &value);
}

static enum err put_field(struct decoder *d, ProtobufCMessage *message,
                          const ProtobufCFieldDescriptor *field, const struct wire_field *wire,
                          const struct pb_path *path)
{
    bool text = field->type == PROTOBUF_C_TYPE_STRING, sub = field->type == PROTOBUF_C_TYPE_MESSAGE;
    bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    struct pb_path element = {.up = path};
    if (repeated) {
        bool map = pb_is_map(field);
        element.index = *pb_count(message, field);
        if (element.index >= (map ? PB_MAP_MAX : PB_LIST_MAX)) {
            pb_fail(d->error, path, too_many);
            return ERR_OK;
        }
        if (!map)
            path = &element;
    }
    if (wire->form == 2 && text)
        return put_text(d, message, field, wire->inside, path);
    if (wire->form == 2 && sub)
        return put_message(d, message, field, wire->inside, path);
    if (wire->form == 0 && !text && !sub)
        return put_varint(d, message, field, wire->varint, path);
    if (wire->form == 2 && repeated)
        return put_packed(d, message, field, wire->inside, path);
    pb_fail(d->error, path, "of another type");
    return ERR_OK;
}

/* Most fields are one plain text or number, and good: done without a detour. False: the
 * long way has to look. */
static bool put_at_once(struct decoder *d, ProtobufCMessage *message,
                        const ProtobufCFieldDescriptor *field, const struct wire_field *wire)
{
    char *at = pb_member(message, field);
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return false;
    if (wire->form == 2 && field->type == PROTOBUF_C_TYPE_STRING) {
        char *copy = copy_plain(d->arena, wire->inside);
        if (copy)
            memcpy(at, &copy, sizeof copy);
        return copy != NULL;
    }
    if (wire->form != 0 || field->label != PROTOBUF_C_LABEL_OPTIONAL ||
        (field->type != PROTOBUF_C_TYPE_INT32 && field->type != PROTOBUF_C_TYPE_INT64))
        return false;
    memcpy(at, &wire->varint, field->type == PROTOBUF_C_TYPE_INT32 ? 4 : 8);
    *pb_has(message, field) = true;
    return true;
}

static enum err read_message(struct decoder *d, struct wire wire, ProtobufCMessage *message,
                             const struct pb_path *path)
{
    while (wire.at < wire.end) {
        struct wire_field at;
        if (!read_field(&wire, &at))
            return broken(d, path);
        const ProtobufCFieldDescriptor *field = field_of(message->descriptor, at.id);
        if (!field || put_at_once(d, message, field, &at))
            continue;
        struct pb_path here = {.up = path, .name = field->name};
        enum err err = put_field(d, message, field, &at, path->entry == message ? path : &here);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

enum err pb_decode(const ProtobufCMessageDescriptor *type, struct bytes wire, struct arena *arena,
                   ProtobufCMessage **message, struct pb_error *error)
{
    struct decoder d = {.arena = arena, .error = error};
    *error = (struct pb_error){0};
    *message = NULL;
    ProtobufCMessage *root = pb_new(arena, type);
    if (!root)
        return ERR_NO_MEMORY;
    const uint8_t *at = (const uint8_t *)wire.at;
    struct pb_path path = {0};
    enum err err = read_message(&d, (struct wire){at, at + wire.size}, root, &path);
    if (err != ERR_OK)
        return err;
    *message = root;
    return error->word ? ERR_INVALID : ERR_OK;
}

enum err pb_encode(const ProtobufCMessage *message, struct writer *out)
{
    if (out->overflow || protobuf_c_message_get_packed_size(message) > out->max - out->size)
        return ERR_TOO_LARGE;
    out->size += protobuf_c_message_pack(message, (uint8_t *)out->at + out->size);
    return ERR_OK;
}
