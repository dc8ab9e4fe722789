/* Any message of ours between three forms: protobuf bytes, JSON, and protobuf-c's
 * struct; by walking its descriptor. JSON is proto3's mapping with field names as
 * written (lowerCamelCase is read too), enums in lower case without their prefix,
 * 64-bit integers as strings, times in RFC 3339 with milliseconds.
 *
 * Decoding puts all into the arena and yields the same struct from either form: an
 * absent field is NULL or has_x = 0, and so is an enum of value 0 (`unspecified`); of
 * repeated map keys the last stands; keys and values of maps are never NULL; no string
 * holds NUL or bytes that are no UTF-8; times are in the years 1 to 9999. A bad value
 * is left out and the rest still read, so that a bad record can be told by its ids.
 *
 * Types that no message of ours has (float, double, bytes, fixed, groups) are not
 * supported: a CHECK says so. */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "domain/json.h"

#include <google/protobuf/timestamp.pb-c.h>
#include <protobuf-c/protobuf-c.h>

enum {
    PB_PATH_MAX = 160,
    PB_MAP_MAX = 256,   /* more entries are an error in any message */
    PB_LIST_MAX = 4096, /* likewise */
};

/* What is wrong with an input, and where: the first thing found. */
struct pb_error {
    char path[PB_PATH_MAX];  /* "attachments[0].url", "labels.facet"; "" is the whole */
    const char *word;        /* "expected a string"; NULL: nothing is wrong */
    struct json_place place; /* line 0: not JSON */
};
/* "attachments[0].url: expected a string (line 1, column 40)" */
void pb_error_write(struct writer *w, const struct pb_error *error);

/* Called for each JSON field that the message does not have. */
struct pb_unknown {
    void (*found)(struct pb_unknown *self, const char *path);
};

/* ERR_INVALID: error says why. ERR_NO_MEMORY: it does not fit the arena. `*message` is
 * NULL where nothing can be trusted: bytes that are not in the form at all, or no
 * memory; else it holds all that could be read, also on ERR_INVALID. */
MUST_USE enum err pb_decode(const ProtobufCMessageDescriptor *type, struct bytes wire,
                            struct arena *arena, ProtobufCMessage **message,
                            struct pb_error *error);
MUST_USE enum err pb_encode(const ProtobufCMessage *message, struct writer *out);

/* `unknown` may be NULL. */
MUST_USE enum err pb_from_json(const ProtobufCMessageDescriptor *type, struct bytes document,
                               struct arena *arena, struct pb_unknown *unknown,
                               ProtobufCMessage **message, struct pb_error *error);
/* The value that `json` is about to read, inside a larger document. */
MUST_USE enum err pb_from_json_value(const ProtobufCMessageDescriptor *type, struct json *json,
                                     struct arena *arena, struct pb_unknown *unknown,
                                     ProtobufCMessage **message, struct pb_error *error);
/* Overflow of the writer says that it did not fit. */
void pb_to_json(const ProtobufCMessage *message, struct writer *out);

/* The largest sizes of fields, ordered by type and then by field number. */
struct pb_limit {
    const ProtobufCMessageDescriptor *type;
    uint32_t id;    /* field number */
    uint32_t bytes; /* of a string, of a map's values; 0: no limit */
    uint32_t keys;  /* of a map's keys */
    uint32_t count; /* of a repeated field or map */
};
/* The message and all below it; what is too large is taken out, the first told. */
MUST_USE enum err pb_check_sizes(ProtobufCMessage *message, const struct pb_limit *limits,
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
