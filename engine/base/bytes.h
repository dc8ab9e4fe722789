/* Bytes that somebody else owns, and a writer into fixed memory that remembers
 * whether anything did not fit. Bytes need no terminator and may hold NUL. */
#pragma once

#include "base/base.h"

#include <stdarg.h>
#include <string.h>

struct bytes {
    const char *at; /* may be NULL where size is 0 */
    size_t size;
};

#define BYTES(literal) ((struct bytes){(literal), sizeof(literal) - 1})

static inline struct bytes bytes_of(const char *text)
{
    return (struct bytes){text, text ? strlen(text) : 0};
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

/* Compares without regard to ASCII case. */
bool bytes_same_nocase(const char *a, const char *b, size_t size);
static inline bool bytes_equal_nocase(struct bytes a, struct bytes b)
{
    return a.size == b.size && bytes_same_nocase(a.at, b.at, a.size);
}

/* The writer never writes beyond max. Once something did not fit, `overflow` stays
 * set and nothing more is written: check it once, at the end. */
struct writer {
    char *at;
    size_t size;
    size_t max;
    bool overflow;
};

static inline struct writer writer_of(char *memory, size_t max)
{
    return (struct writer){.at = memory, .max = max};
}

static inline struct bytes writer_bytes(const struct writer *w)
{
    return (struct bytes){w->at, w->size};
}

static inline void write_bytes(struct writer *w, const void *at, size_t size)
{
    if (size > w->max - w->size || w->overflow) {
        w->overflow = true;
        return;
    }
    if (size > 0)
        memcpy(w->at + w->size, at, size);
    w->size += size;
}

static inline void write_char(struct writer *w, char c)
{
    write_bytes(w, &c, 1);
}

static inline void write_slice(struct writer *w, struct bytes b)
{
    write_bytes(w, b.at, b.size);
}

#define write_literal(w, literal) write_bytes((w), (literal), sizeof(literal) - 1)

/* "00" to "99". */
extern const char bytes_digit_pairs[201];

static inline char *put_two_digits(char *at, uint32_t n)
{
    memcpy(at, bytes_digit_pairs + 2 * (size_t)n, 2);
    return at + 2;
}

/* Straight to where there is room; the end is returned. */
enum { U64_DIGITS_MAX = 20 };
char *put_u64(char *at, uint64_t n);
char *put_hex(char *at, const void *bytes, size_t size); /* 2 * size */

static inline char *put_bytes(char *at, struct bytes b)
{
    if (b.size > 0)
        memcpy(at, b.at, b.size);
    return at + b.size;
}

void write_text(struct writer *w, const char *text); /* NUL-terminated */
void write_u64(struct writer *w, uint64_t n);        /* decimal */
void write_i64(struct writer *w, int64_t n);
void write_hex(struct writer *w, const void *at, size_t size);       /* lower case */
void write_base64url(struct writer *w, const void *at, size_t size); /* no padding */
void write_base64(struct writer *w, const void *at, size_t size);    /* RFC 4648, padded */
void write_format(struct writer *w, const char *format, ...) PRINTF_LIKE(2, 3);
