/* The parser is a machine with six states and one bit per depth (object or array).
 * Most bytes of a document are text inside strings: those go eight at a time. A tape or
 * tree was refused: every reader here knows what it looks for and goes over it once. */
#include "domain/json.h"

#include "base/utf8.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

_Static_assert(JSON_DEPTH_MAX == 64, "one bit of `objects` per depth");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte is the lowest");

enum expect {
    EXPECT_VALUE,
    EXPECT_FIRST_VALUE, /* or the array's end */
    EXPECT_FIRST_KEY,   /* or the object's end */
    EXPECT_MORE,        /* comma, or the end of what we are in */
    EXPECT_END,         /* of the document */
    EXPECT_NOTHING,     /* an error was found */
};

void json_init(struct json *json, struct bytes document)
{
    const char *start = document.size > 0 ? document.at : "";
    *json = (struct json){
        .start = start,
        .at = start,
        .end = start + document.size,
        .token_at = start,
        .expect = EXPECT_VALUE,
    };
}

__attribute__((cold, noinline)) static enum json_token fail(struct json *json, const char *error)
{
    json->error = error;
    json->token_at = json->at;
    json->expect = EXPECT_NOTHING;
    return JSON_ERROR;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

__attribute__((noinline)) static void skip_blanks(struct json *json)
{
    while (json->at < json->end && is_space(*json->at))
        json->at++;
}

static inline void skip_space(struct json *json)
{
    if (json->at < json->end && (unsigned char)*json->at <= ' ')
        skip_blanks(json);
}

static inline bool take(struct json *json, char c)
{
    if (json->at == json->end || *json->at != c)
        return false;
    json->at++;
    return true;
}

/* After a whole value: what may follow depends on where it stood. */
static inline void expect_after_value(struct json *json)
{
    json->expect = json->depth == 0 ? EXPECT_END : EXPECT_MORE;
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

#ifdef __SSE2__
/* A bit for each of the 16 bytes that does not stand for itself. Signed, so what is not
 * ASCII is below the blank, too. */
static inline uint32_t odd_ones(const char *text)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)text);
    __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
    __m128i backslash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    __m128i low = _mm_cmplt_epi8(v, _mm_set1_epi8(' '));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), low));
}
#endif

/* A borrow can flag only bytes after a flagged one, so the lowest flag is right. */
size_t json_plain_size(const char *text, size_t size)
{
    size_t i = 0;
#ifdef __SSE2__
    for (; size - i >= 16; i += 16) {
        uint32_t odd = odd_ones(text + i);
        if (odd)
            return i + (size_t)__builtin_ctz(odd);
    }
#endif
    for (; size - i >= 8; i += 8) {
        uint64_t v;
        memcpy(&v, text + i, 8);
        uint64_t quote = v ^ EACH('"'), backslash = v ^ EACH('\\');
        uint64_t flags =
            (v | (v - EACH(0x20)) | (quote - EACH(1)) | (backslash - EACH(1))) & EACH(0x80);
        if (flags)
            return i + (size_t)__builtin_ctzll(flags) / 8;
    }
    while (i < size && (unsigned char)text[i] >= 0x20 && (unsigned char)text[i] < 0x80 &&
           text[i] != '"' && text[i] != '\\')
        i++;
    return i;
}

/* Most strings are short: one look, here. */
static inline size_t plain_size(const char *text, size_t size)
{
#ifdef __SSE2__
    uint32_t odd = size >= 16 ? odd_ones(text) : 0;
    if (odd)
        return (size_t)__builtin_ctz(odd);
#endif
    return json_plain_size(text, size);
}

/* The value of four hex digits, or UINT32_MAX. */
static uint32_t hex4(const char *at, const char *end)
{
    if (end - at < 4)
        return UINT32_MAX;
    uint32_t n = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        if (c >= '0' && c <= '9')
            n = n << 4 | (uint32_t)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            n = n << 4 | (uint32_t)((c | 32) - 'a' + 10);
        else
            return UINT32_MAX;
    }
    return n;
}

/* Passes an escape; false when it is none, then `at` is where it goes wrong. */
static bool pass_escape(struct json *json)
{
    const char *at = json->at + 1, *end = json->end;
    if (at == end || *at == '\0' || !strchr("\"\\/bfnrtu", *at))
        return false;
    if (*at != 'u') {
        json->at = at + 1;
        return true;
    }
    uint32_t unit = hex4(at + 1, end);
    if (unit == UINT32_MAX || (unit >= 0xdc00 && unit <= 0xdfff))
        return false;
    at += 5;
    if (unit >= 0xd800 && unit <= 0xdbff) {
        if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
            return false;
        uint32_t low = hex4(at + 2, end);
        if (low < 0xdc00 || low > 0xdfff)
            return false;
        at += 6;
    }
    json->at = at;
    return true;
}

/* From the first byte of a string on that does not stand for itself. Words say what is
 * wrong; NULL when all is well. */
__attribute__((noinline)) static const char *pass_rest(struct json *json)
{
    for (;;) {
        if (json->at == json->end)
            return "a string does not end";
        if (*json->at == '"')
            return NULL;
        if (*json->at == '\\') {
            json->escaped = true;
            if (!pass_escape(json))
                return "not an escape";
        } else if ((unsigned char)*json->at < 0x20) {
            return "a control byte inside a string";
        } else {
            size_t length = utf8_length(json->at, json->end);
            if (length == 0)
                return "not UTF-8";
            json->at += length;
        }
        json->at += json_plain_size(json->at, (size_t)(json->end - json->at));
    }
}

/* `at` is at the opening quote. */
static inline const char *pass_string(struct json *json)
{
    const char *begin = json->at + 1, *error;
    json->escaped = false;
    json->at = begin + plain_size(begin, (size_t)(json->end - begin));
    if ((json->at == json->end || *json->at != '"') && (error = pass_rest(json)))
        return error;
    json->raw = (struct bytes){begin, (size_t)(json->at - begin)};
    json->at++;
    return NULL;
}

static bool pass_digits(struct json *json)
{
    const char *begin = json->at;
    while (json->at < json->end && *json->at >= '0' && *json->at <= '9')
        json->at++;
    return json->at > begin;
}

static enum json_token take_number(struct json *json)
{
    const char *begin = json->at;
    take(json, '-');
    if (!take(json, '0') && !pass_digits(json))
        return fail(json, json->at == begin ? "expected a value" : "not a number");
    if (take(json, '.') && !pass_digits(json))
        return fail(json, "not a number");
    if (take(json, 'e') || take(json, 'E')) {
        if (!take(json, '+'))
            take(json, '-');
        if (!pass_digits(json))
            return fail(json, "not a number");
    }
    json->raw = (struct bytes){begin, (size_t)(json->at - begin)};
    expect_after_value(json);
    return JSON_NUMBER;
}

static inline enum json_token take_string(struct json *json)
{
    const char *error = pass_string(json);
    if (error)
        return fail(json, error);
    expect_after_value(json);
    return JSON_STRING;
}

static inline enum json_token take_literal(struct json *json, struct bytes word,
                                           enum json_token token)
{
    if ((size_t)(json->end - json->at) < word.size || memcmp(json->at, word.at, word.size) != 0)
        return fail(json, "expected a value");
    json->raw = (struct bytes){json->at, word.size};
    json->at += word.size;
    expect_after_value(json);
    return token;
}

static enum json_token take_opening(struct json *json, bool object)
{
    if (json->depth == JSON_DEPTH_MAX)
        return fail(json, "nested too deeply");
    uint64_t bit = UINT64_C(1) << json->depth;
    json->objects = object ? json->objects | bit : json->objects & ~bit;
    json->depth++;
    json->at++;
    json->expect = object ? EXPECT_FIRST_KEY : EXPECT_FIRST_VALUE;
    return object ? JSON_OBJECT : JSON_ARRAY;
}

static enum json_token take_closing(struct json *json, enum json_token token)
{
    json->depth--;
    expect_after_value(json);
    return token;
}

/* No string. */
static enum json_token take_other_value(struct json *json)
{
    switch (json->at < json->end ? *json->at : '\0') {
    case '{':
        return take_opening(json, true);
    case '[':
        return take_opening(json, false);
    case 't':
        return take_literal(json, BYTES("true"), JSON_TRUE);
    case 'f':
        return take_literal(json, BYTES("false"), JSON_FALSE);
    case 'n':
        return take_literal(json, BYTES("null"), JSON_NULL);
    default:
        return take_number(json);
    }
}

static inline enum json_token take_value(struct json *json)
{
    json->token_at = json->at;
    bool string = json->at < json->end && *json->at == '"';
    return string ? take_string(json) : take_other_value(json);
}

static inline enum json_token take_key(struct json *json)
{
    json->token_at = json->at;
    if (json->at == json->end || *json->at != '"')
        return fail(json, "expected a key");
    const char *error = pass_string(json);
    if (error)
        return fail(json, error);
    skip_space(json);
    if (!take(json, ':'))
        return fail(json, "expected a colon");
    json->expect = EXPECT_VALUE;
    return JSON_KEY;
}

static inline enum json_token take_more(struct json *json)
{
    bool object = json->objects >> (json->depth - 1) & 1;
    json->token_at = json->at;
    if (take(json, ',')) {
        skip_space(json);
        return object ? take_key(json) : take_value(json);
    }
    if (take(json, object ? '}' : ']'))
        return take_closing(json, object ? JSON_OBJECT_END : JSON_ARRAY_END);
    return fail(json, object ? "expected a comma or }" : "expected a comma or ]");
}

static enum json_token take_first_or_last(struct json *json)
{
    if (json->expect == EXPECT_END)
        return json->at == json->end ? JSON_END : fail(json, "something follows the document");
    json->token_at = json->at;
    if (json->expect == EXPECT_FIRST_KEY)
        return take(json, '}') ? take_closing(json, JSON_OBJECT_END) : take_key(json);
    return take(json, ']') ? take_closing(json, JSON_ARRAY_END) : take_value(json);
}

enum json_token json_next(struct json *json)
{
    if (json->expect == EXPECT_NOTHING)
        return JSON_ERROR;
    skip_space(json);
    if (json->expect == EXPECT_VALUE) /* these two are most */
        return take_value(json);
    if (json->expect == EXPECT_MORE)
        return take_more(json);
    return take_first_or_last(json);
}
enum json_token json_skip(struct json *json, enum json_token token)
{
    if (token != JSON_OBJECT && token != JSON_ARRAY)
        return token;
    uint32_t outside = json->depth - 1;
    do {
        token = json_next(json);
    } while (token != JSON_ERROR && json->depth > outside);
    return token;
}

bool json_looks_like_object(struct bytes document)
{
    size_t i = 0;
    while (i < document.size && is_space(document.at[i]))
        i++;
    return i < document.size && document.at[i] == '{';
}

static char *put_utf8(char *out, uint32_t code)
{
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xc0 | code >> 6);
        *out++ = (char)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *out++ = (char)(0xe0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 63));
        *out++ = (char)(0x80 | (code & 63));
    } else {
        *out++ = (char)(0xf0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 63));
        *out++ = (char)(0x80 | (code >> 6 & 63));
        *out++ = (char)(0x80 | (code & 63));
    }
    return out;
}

/* The character of the escape at `*at`, which the parser has checked; moves on. */
static uint32_t escaped_character(const char **at)
{
    static const char names[] = "bfnrt", values[] = "\b\f\n\r\t";
    char c = (*at)[1];
    *at += 2;
    if (c != 'u') {
        const char *name = strchr(names, c);
        return (unsigned char)(name ? values[name - names] : c);
    }
    uint32_t code = hex4(*at, *at + 4);
    *at += 4;
    if (code >= 0xd800 && code <= 0xdbff) {
        code = 0x10000 + ((code - 0xd800) << 10) + (hex4(*at + 2, *at + 6) - 0xdc00);
        *at += 6;
    }
    return code;
}

size_t json_unescape(struct bytes raw, char *out)
{
    const char *at = raw.at, *end = raw.at + raw.size;
    char *begin = out;
    while (at < end) {
        const char *backslash = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((backslash ? backslash : end) - at);
        memmove(out, at, plain);
        at += plain;
        out += plain;
        if (backslash)
            out = put_utf8(out, escaped_character(&at));
    }
    return (size_t)(out - begin);
}

/* Compares without writing anything down: an escape is at most one character. */
bool json_raw_is(struct bytes raw, struct bytes text)
{
    const char *at = raw.at, *end = raw.at + raw.size;
    while (at < end) {
        char one[4];
        size_t size = 1;
        if (*at == '\\')
            size = (size_t)(put_utf8(one, escaped_character(&at)) - one);
        else
            one[0] = *at++;
        if (text.size < size || memcmp(text.at, one, size) != 0)
            return false;
        text = (struct bytes){text.at + size, text.size - size};
    }
    return text.size == 0;
}

struct json_place json_place_of(struct bytes document, size_t offset)
{
    struct json_place place = {.offset = offset, .line = 1, .column = 1};
    for (size_t i = 0; i < offset && i < document.size; i++) {
        bool newline = document.at[i] == '\n';
        place.line += newline;
        place.column = newline ? 1 : place.column + 1;
    }
    return place;
}

struct json_place json_place(const struct json *json)
{
    struct bytes document = {json->start, (size_t)(json->end - json->start)};
    return json_place_of(document, (size_t)(json->token_at - json->start));
}
