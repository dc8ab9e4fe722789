/* Any message of ours between three forms: protobuf bytes, JSON, and protobuf-c's
 * struct; by walking its descriptor. JSON is proto3's mapping with field names as
 * written (lowerCamelCase is read too), enums in lower case without their prefix,
 * 64-bit integers as strings, times in RFC 3339 with milliseconds.
 *
 * Decoding puts all into the arena and yields the same struct from either form: an
 * absent field is NULL or has_x = 0; of repeated map keys the last stands; keys and
 * values of maps are never NULL. No string holds NUL or bytes that are no UTF-8. */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "domain/json.h"

#include <google/protobuf/timestamp.pb-c.h>
#include <protobuf-c/protobuf-c.h>

enum { PB_PATH_MAX = 160 };

/* What is wrong with an input, and where. */
struct pb_error {
    char path[PB_PATH_MAX];  /* "attachments[0].url", "labels.facet"; "" is the whole */
    char word[80];           /* "expected a string" */
    struct json_place place; /* line 0: unknown, or not JSON */
};
/* "attachments[0].url: expected a string (line 1, column 40)" */
void pb_error_write(struct writer *w, const struct pb_error *error);

/* Called for each JSON field that the message does not have. */
struct pb_unknown {
    void (*found)(struct pb_unknown *self, const char *path);
};

/* ERR_INVALID: error says why. ERR_NO_MEMORY: it does not fit the arena. `*message` is
 * set even on error, to what was read until then, but for ERR_NO_MEMORY and for bytes
 * that are no protobuf at all: NULL. */
MUST_USE enum err pb_decode(const ProtobufCMessageDescriptor *type, struct bytes wire,
                            struct arena *arena, ProtobufCMessage **message,
                            struct pb_error *error);
MUST_USE enum err pb_encode(const ProtobufCMessage *message, struct writer *out);

/* `unknown` may be NULL. The error also covers JSON that is not well-formed. */
MUST_USE enum err pb_from_json(const ProtobufCMessageDescriptor *type, struct bytes document,
                               struct arena *arena, struct pb_unknown *unknown,
                               ProtobufCMessage **message, struct pb_error *error);
/* The value that `json` is about to read, inside a larger document. */
MUST_USE enum err pb_from_json_value(const ProtobufCMessageDescriptor *type, struct json *json,
                                     struct arena *arena, struct pb_unknown *unknown,
                                     ProtobufCMessage **message, struct pb_error *error);
/* Overflow of the writer says that it did not fit. */
void pb_to_json(const ProtobufCMessage *message, struct writer *out);

/* The largest values of fields: bytes of a string, entries of a list or map, and of a
 * map's keys and values. */
struct pb_limit {
    const ProtobufCMessageDescriptor *type;
    const char *field;
    uint32_t bytes; /* 0: no limit */
    uint32_t count; /* of repeated fields; 0: no limit */
};
/* Sizes, known enum values and times in range, of the message and all below it. */
MUST_USE enum err pb_check(const ProtobufCMessage *message, const struct pb_limit *limits,
                           uint32_t limit_count, struct pb_error *error);

/* "reminder" for KIND_REMINDER; the number for a value that the enum does not have. */
void pb_write_enum(struct writer *w, const ProtobufCEnumDescriptor *type, int value);
/* By short name in any case, full name or number. */
MUST_USE enum err pb_enum_of(const ProtobufCEnumDescriptor *type, struct bytes text, int *value);

/* A Timestamp in milliseconds: `due_at` is rounded up, all else down. */
static inline int64_t pb_time_ms(const Google__Protobuf__Timestamp *t)
{
    return t->seconds * 1000 + t->nanos / 1000000;
}

static inline int64_t pb_time_ms_up(const Google__Protobuf__Timestamp *t)
{
    return t->seconds * 1000 + (t->nanos + 999999) / 1000000;
}
