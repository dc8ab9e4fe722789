#include "io/http1_plain.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { LENGTH_DIGITS_MAX = 9, STATUS_LINE = sizeof "HTTP/1.1 200 " - 1 };

static bool is_of_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

static bool is_of_value(char c)
{
    return c >= ' ' && c <= '~';
}

#ifdef __SSE2__
static inline __m128i is_upto(__m128i v, char from, char width)
{
    __m128i x = _mm_sub_epi8(v, _mm_set1_epi8(from));
    return _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(width)), x);
}

/* A bit for each of 16 bytes. */
static inline uint32_t names_in(const char *at)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i letter = is_upto(_mm_or_si128(v, _mm_set1_epi8(0x20)), 'a', 'z' - 'a');
    __m128i digit = is_upto(v, '0', '9' - '0'), dash = _mm_cmpeq_epi8(v, _mm_set1_epi8('-'));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(letter, digit), dash));
}

static inline uint32_t values_in(const char *at)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)at);
    return (uint32_t)_mm_movemask_epi8(is_upto(v, ' ', '~' - ' '));
}
#endif

static size_t name_size(const char *at, const char *end)
{
    const char *begin = at;
#ifdef __SSE2__
    for (; end - at >= 16; at += 16) {
        uint32_t odd = ~names_in(at) & 0xffff;
        if (odd)
            return (size_t)(at - begin) + (size_t)__builtin_ctz(odd);
    }
#endif
    while (at < end && is_of_name(*at))
        at++;
    return (size_t)(at - begin);
}

static inline size_t value_size(const char *at, const char *end)
{
    const char *begin = at;
#ifdef __SSE2__
    for (; end - at >= 16; at += 16) {
        uint32_t odd = ~values_in(at) & 0xffff;
        if (odd)
            return (size_t)(at - begin) + (size_t)__builtin_ctz(odd);
    }
#endif
    while (at < end && is_of_value(*at))
        at++;
    return (size_t)(at - begin);
}

struct reading {
    const char *start, *at, *end;
    struct http1_plain *out;
    bool has_length, has_connection;
};

static bool take_line_end(struct reading *r)
{
    if (r->end - r->at < 2 || r->at[0] != '\r' || r->at[1] != '\n')
        return false;
    r->at += 2;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool read_status(struct reading *r)
{
    const char *at = r->at;
    if (r->end - at < STATUS_LINE || memcmp(at, "HTTP/1.1 ", 9) != 0 || !is_digit(at[9]) ||
        !is_digit(at[10]) || !is_digit(at[11]) || at[12] != ' ')
        return false;
    uint16_t status = (uint16_t)((at[9] - '0') * 100 + (at[10] - '0') * 10 + (at[11] - '0'));
    r->out->status = status;
    r->at += STATUS_LINE;
    r->at += value_size(r->at, r->end);
    return status >= 200 && status <= 599 && status != 204 && status != 304 && take_line_end(r);
}

static bool read_length(struct reading *r, struct bytes value)
{
    size_t n = 0, i = 0;
    for (; i < value.size && i < LENGTH_DIGITS_MAX && is_digit(value.at[i]); i++)
        n = n * 10 + (size_t)(value.at[i] - '0');
    bool first = !r->has_length;
    r->has_length = true;
    r->out->body_size = n;
    return first && i == value.size;
}

static bool read_connection(struct reading *r, struct bytes value)
{
    bool first = !r->has_connection, close = bytes_equal_nocase(value, BYTES("close"));
    r->has_connection = true;
    r->out->keep_alive = !close;
    return first && (close || bytes_equal_nocase(value, BYTES("keep-alive")));
}

/* What a header says about the message. False: more than a plain one has to say. */
static bool heed(struct reading *r, struct bytes name, struct bytes value)
{
    switch (name.size) {
    case sizeof "Content-Length" - 1:
        return !bytes_equal_nocase(name, BYTES("content-length")) || read_length(r, value);
    case sizeof "Connection" - 1:
        return !bytes_equal_nocase(name, BYTES("connection")) || read_connection(r, value);
    case sizeof "Upgrade" - 1:
        return !bytes_equal_nocase(name, BYTES("upgrade"));
    case sizeof "Proxy-Connection" - 1:
        return !bytes_equal_nocase(name, BYTES("proxy-connection"));
    case sizeof "Transfer-Encoding" - 1:
        return !bytes_equal_nocase(name, BYTES("transfer-encoding"));
    default:
        return true;
    }
}

static bool read_header(struct reading *r)
{
    struct bytes name = {r->at, name_size(r->at, r->end)};
    r->at += name.size;
    if (name.size == 0 || r->end - r->at < 3 || r->at[0] != ':' || r->at[1] != ' ' ||
        r->at[2] == ' ' || r->out->header_count == HTTP_HEADERS_MAX)
        return false;
    r->at += 2;
    struct bytes value = {r->at, value_size(r->at, r->end)};
    r->at += value.size;
    r->out->headers[r->out->header_count++] = (struct http1_header){
        .name = (uint32_t)(name.at - r->start),
        .name_size = (uint32_t)name.size,
        .value = (uint32_t)(value.at - r->start),
        .value_size = (uint32_t)value.size,
    };
    return value.size > 0 && take_line_end(r) && heed(r, name, value);
}

bool http1_read_plain(struct bytes piece, struct http1_plain *out)
{
    struct reading r = {
        .start = piece.at, .at = piece.at, .end = piece.at + piece.size, .out = out};
    out->header_count = 0;
    out->keep_alive = true;
    if (piece.size > UINT32_MAX || !read_status(&r))
        return false;
    while (!take_line_end(&r))
        if (!read_header(&r))
            return false;
    out->head_size = (size_t)(r.at - r.start);
    return r.has_length && out->body_size <= (size_t)(r.end - r.at);
}
