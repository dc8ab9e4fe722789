#include "base/time.h"
#include "domain/pb_build.h"

static void write_quoted(struct writer *w, int64_t n, bool is_signed)
{
    write_char(w, '"');
    if (is_signed)
        write_i64(w, n);
    else
        write_u64(w, (uint64_t)n);
    write_char(w, '"');
}

static void write_quoted_enum(struct writer *w, const ProtobufCEnumDescriptor *type, int value)
{
    write_char(w, '"');
    pb_write_enum(w, type, value);
    write_char(w, '"');
}

static void write_message(struct writer *w, const ProtobufCMessage *message)
{
    if (!pb_is_time(message->descriptor)) {
        pb_to_json(message, w);
        return;
    }
    write_char(w, '"');
    time_write(w, pb_time_ms((const Google__Protobuf__Timestamp *)message));
    write_char(w, '"');
}

/* `at` points to the value, as it lies in the struct. */
static void write_value(struct writer *w, const ProtobufCFieldDescriptor *field, const void *at)
{
    union pb_value value = {0};
    memcpy(&value, at, pb_value_size(field->type));
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
        write_i64(w, value.i32);
        break;
    case PROTOBUF_C_TYPE_UINT32:
        write_u64(w, value.u32);
        break;
    case PROTOBUF_C_TYPE_INT64:
        write_quoted(w, value.i64, true);
        break;
    case PROTOBUF_C_TYPE_UINT64:
        write_quoted(w, value.i64, false);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        write_text(w, value.boolean ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_ENUM:
        write_quoted_enum(w, field->descriptor, value.i32);
        break;
    case PROTOBUF_C_TYPE_STRING:
        json_write_string(w, bytes_of(value.text));
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        write_message(w, value.message);
        break;
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
    case PROTOBUF_C_TYPE_BYTES:
        break; /* pb_value_size refused them */
    }
}

static void write_list(struct writer *w, const ProtobufCMessage *message,
                       const ProtobufCFieldDescriptor *field)
{
    const char *list = *(char **)pb_member(message, field);
    size_t count = *pb_count(message, field), size = pb_value_size(field->type);
    write_char(w, '[');
    for (size_t i = 0; i < count; i++) {
        json_write_comma(w);
        write_value(w, field, list + i * size);
    }
    write_char(w, ']');
}

static void write_map(struct writer *w, const ProtobufCMessage *message,
                      const ProtobufCFieldDescriptor *field)
{
    ProtobufCMessage **entries = *(ProtobufCMessage ***)pb_member(message, field);
    size_t count = *pb_count(message, field);
    write_char(w, '{');
    for (size_t i = 0; i < count; i++) {
        json_write_comma(w);
        json_write_string(w, bytes_of(*pb_entry_key(entries[i])));
        write_char(w, ':');
        json_write_string(w, bytes_of(*pb_entry_value(entries[i])));
    }
    write_char(w, '}');
}

static bool is_present(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return *pb_count(message, field) > 0;
    if (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE)
        return *(void **)pb_member(message, field) != NULL;
    return *pb_has(message, field);
}

void pb_to_json(const ProtobufCMessage *message, struct writer *out)
{
    write_char(out, '{');
    for (uint32_t i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (!is_present(message, field))
            continue;
        json_write_key(out, field->name);
        if (pb_is_map(field))
            write_map(out, message, field);
        else if (field->label == PROTOBUF_C_LABEL_REPEATED)
            write_list(out, message, field);
        else
            write_value(out, field, pb_member(message, field));
    }
    write_char(out, '}');
}
