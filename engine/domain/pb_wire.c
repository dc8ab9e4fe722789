/* Protobuf bytes to protobuf-c's structs. Not by protobuf_c_message_unpack, because that
 * takes strings with NUL or without UTF-8 as they are, keeps every unknown field, and
 * cannot say which field is wrong; it serves as the second opinion in the fuzz target.
 * Depth is bounded by the types, none of which contains itself. */
#include "base/utf8.h"
#include "domain/pb_build.h"

struct decoder {
    struct arena *arena;
    struct pb_error *error;
    const uint8_t *end; /* of all */
};

static const char too_many[] = "too many entries";

/* Outweighs what was found before: nothing of the record can be trusted. */
static enum err broken(struct decoder *d, const struct pb_path *path)
{
    d->error->word = NULL;
    pb_fail(d->error, path, "not protobuf");
    return ERR_INVALID;
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
        uint64_t n = 0;
        if (!(inside.at = wire_varint(inside.at, inside.end, &n)))
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
    if (pb_is_time(field->descriptor) &&
        !pb_time_in_range((const Google__Protobuf__Timestamp *)value.message)) {
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
    if (wire->form == WIRE_SIZED && text)
        return put_text(d, message, field, wire->inside, path);
    if (wire->form == WIRE_SIZED && sub)
        return put_message(d, message, field, wire->inside, path);
    if (wire->form == WIRE_VARINT && !text && !sub)
        return put_varint(d, message, field, wire->varint, path);
    if (wire->form == WIRE_SIZED && repeated)
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
    if (wire->form == WIRE_SIZED && field->type == PROTOBUF_C_TYPE_STRING) {
        char *copy = pb_take_text(d->arena, wire->inside, d->end);
        if (copy)
            memcpy(at, &copy, sizeof copy);
        return copy != NULL;
    }
    if (wire->form != WIRE_VARINT || field->label != PROTOBUF_C_LABEL_OPTIONAL ||
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
        struct wire_field at = {0};
        if (!(wire.at = wire_field(wire.at, wire.end, &at)))
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
    const uint8_t *at = (const uint8_t *)wire.at;
    struct decoder d = {.arena = arena, .error = error, .end = at + wire.size};
    *error = (struct pb_error){0};
    *message = NULL;
    ProtobufCMessage *root = pb_new(arena, type);
    if (!root)
        return ERR_NO_MEMORY;
    struct pb_path path = {0};
    enum err err = read_message(&d, (struct wire){at, d.end}, root, &path);
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
