/* JSON by RFC 8259, strict: UTF-8 and surrogates checked, depth limited, nothing
 * after the document. A pull parser over bytes that copies and allocates nothing, and
 * writing over base's writer. Strings may hold U+0000; who minds must look. */
#pragma once

#include "base/bytes.h"
#include "base/err.h"

enum { JSON_DEPTH_MAX = 64 };

enum json_token {
    JSON_ERROR, /* see json_error_*; stays */
    JSON_END,   /* the document is whole; stays */
    JSON_OBJECT,
    JSON_OBJECT_END,
    JSON_ARRAY,
    JSON_ARRAY_END,
    JSON_KEY,    /* in objects, before each value: raw, escaped */
    JSON_STRING, /* raw, escaped */
    JSON_NUMBER, /* raw */
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
};

struct json {
    const char *start, *at, *end;
    const char *token_at; /* where the last token begins */
    struct bytes raw;     /* a string between its quotes, or a number's text */
    bool escaped;         /* raw holds escapes: json_unescape before use */
    uint8_t expect;       /* private */
    uint32_t depth;
    uint64_t objects;  /* bit per depth: is it an object? */
    const char *error; /* a few words; NULL while all is well */
};

void json_init(struct json *json, struct bytes document);
enum json_token json_next(struct json *json);
/* Passes the rest of the value whose first token is `token`; its last token, or JSON_ERROR. */
enum json_token json_skip(struct json *json, enum json_token token);

/* Whether a document begins like a JSON object: `{` after white space. */
bool json_looks_like_object(struct bytes document);

/* Writes a raw string without its escapes; `out` needs raw.size bytes. Returns the size. */
size_t json_unescape(struct bytes raw, char *out);
/* Whether a raw string is that text. */
bool json_raw_is(struct bytes raw, struct bytes text);
/* Whether a key or string is that text. */
static inline bool json_text_is(const struct json *json, struct bytes text)
{
    return json->escaped ? json_raw_is(json->raw, text) : bytes_equal(json->raw, text);
}

/* Integers also where written as 1.0 or 1e3; ERR_INVALID where they are none or do not fit. */
MUST_USE enum err json_i64(struct bytes number, int64_t *out);
MUST_USE enum err json_u64(struct bytes number, uint64_t *out);

/* Where something stands, counted in bytes: line and column from 1. */
struct json_place {
    size_t offset;
    uint32_t line, column;
};
struct json_place json_place_of(struct bytes document, size_t offset);
/* Where the error is (or else the last token). */
struct json_place json_place(const struct json *json);

/* One value of a document by JSON pointer (RFC 6901: "/messages/0/id"; "" is the whole).
 * Of equal keys the last one stands. The whole document must be well-formed. */
struct json_value {
    enum json_token token; /* JSON_STRING, JSON_NUMBER, JSON_TRUE ..., JSON_OBJECT, JSON_ARRAY */
    struct bytes raw;      /* string between its quotes; all else as it stands, objects whole */
    bool escaped;
};
MUST_USE enum err json_find(struct bytes document, struct bytes pointer, struct json_value *out);
/* A scalar as text: strings unescaped, numbers and literals as written. ERR_INVALID for
 * objects and arrays; ERR_TOO_LARGE where it does not fit. */
MUST_USE enum err json_value_text(const struct json_value *value, struct writer *out);

/* Size of the prefix that stands for itself in a JSON string: ASCII without controls,
 * quote and backslash. */
size_t json_plain_size(const char *text, size_t size);

/* Writing. Bytes that are no UTF-8 become U+FFFD, so what is written is always JSON. */
void json_write_string(struct writer *w, struct bytes text);  /* with its quotes */
void json_write_escaped(struct writer *w, struct bytes text); /* without */
/* A comma, unless an object or array has just begun. */
void json_write_comma(struct writer *w);
/* Comma as needed, the key, a colon. `name` needs no escapes. */
void json_write_key(struct writer *w, const char *name);
