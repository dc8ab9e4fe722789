/* What the decoders of pbjson share: where in a message they are, the first error,
 * and how a value is put into a protobuf-c struct. Not for others. */
#pragma once

#include "base/time.h"
#include "domain/pb_field.h"
#include "domain/pbjson.h"

/* A step from a message to a value below it; the steps hang together on the stack. */
struct pb_path {
    const struct pb_path *up;      /* NULL: the root, which has no name */
    const char *name;              /* a field; NULL: one of the following */
    const ProtobufCMessage *entry; /* of a map, by its key; NULL: an element of a list */
    size_t index;
};
void pb_path_write(struct writer *w, const struct pb_path *path);

/* Notes the error, unless there is one already. */
void pb_fail(struct pb_error *error, const struct pb_path *path, const char *word);

bool pb_is_map(const ProtobufCFieldDescriptor *field);
bool pb_is_time(const ProtobufCMessageDescriptor *type);
static inline bool pb_time_in_range(const Google__Protobuf__Timestamp *t)
{
    return t->seconds >= TIME_LEAST_S && t->seconds <= TIME_MOST_S && t->nanos >= 0 &&
           t->nanos <= 999999999;
}
/* NULL: the enum has no such value. */
const ProtobufCEnumValue *pb_enum_value(const ProtobufCEnumDescriptor *type, int value);

/* Any value; C's rules make each member begin at the first byte. */
union pb_value {
    int32_t i32; /* enums too */
    uint32_t u32;
    int64_t i64;
    uint64_t u64;
    protobuf_c_boolean boolean;
    char *text;
    ProtobufCMessage *message;
};

/* Bytes of a value in the struct. The CHECK refuses types that no message of ours has, so
 * a new .proto stays honest. */
static inline size_t pb_value_size(ProtobufCType type)
{
    static const uint8_t sizes[] = {
        [PROTOBUF_C_TYPE_INT32] = 4,  [PROTOBUF_C_TYPE_UINT32] = 4,  [PROTOBUF_C_TYPE_ENUM] = 4,
        [PROTOBUF_C_TYPE_BOOL] = 4,   [PROTOBUF_C_TYPE_INT64] = 8,   [PROTOBUF_C_TYPE_UINT64] = 8,
        [PROTOBUF_C_TYPE_STRING] = 8, [PROTOBUF_C_TYPE_MESSAGE] = 8,
    };
    CHECK(type < countof(sizes) && sizes[type] > 0);
    return sizes[type];
}

/* All below: NULL or false where the arena is full. */
ProtobufCMessage *pb_new(struct arena *arena, const ProtobufCMessageDescriptor *type);
/* Sets a field, or appends to a repeated one. */
MUST_USE bool pb_put(struct arena *arena, ProtobufCMessage *message,
                     const ProtobufCFieldDescriptor *field, const union pb_value *value);
/* An entry of a map: makes it whole; one of the same key is replaced. */
MUST_USE bool pb_put_entry(struct arena *arena, ProtobufCMessage *message,
                           const ProtobufCFieldDescriptor *field, ProtobufCMessage *entry);

/* A terminated copy of a text on the wire, which goes on until `end`. Not aligned: texts lie
 * one after the other. NULL: it holds NUL, is no UTF-8, or does not fit. */
char *pb_take_text(struct arena *arena, struct wire inside, const uint8_t *end);

static inline void *pb_member(const ProtobufCMessage *message,
                              const ProtobufCFieldDescriptor *field)
{
    return (char *)(uintptr_t)message + field->offset;
}

/* Entries of a repeated field. */
static inline size_t *pb_count(const ProtobufCMessage *message,
                               const ProtobufCFieldDescriptor *field)
{
    return (size_t *)(void *)((char *)(uintptr_t)message + field->quantifier_offset);
}

static inline protobuf_c_boolean *pb_has(const ProtobufCMessage *message,
                                         const ProtobufCFieldDescriptor *field)
{
    return (protobuf_c_boolean *)(void *)((char *)(uintptr_t)message + field->quantifier_offset);
}

/* The two fields of a map's entries. */
static inline char **pb_entry_key(const ProtobufCMessage *entry)
{
    return pb_member(entry, &entry->descriptor->fields[0]);
}

static inline char **pb_entry_value(const ProtobufCMessage *entry)
{
    return pb_member(entry, &entry->descriptor->fields[1]);
}
