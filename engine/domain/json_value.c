/* What stands in a document: numbers as integers, and one value by its pointer. */
#include "domain/json.h"

/* A decimal number as sign, digits without trailing zeros, and a power of ten. Zeros
 * wait until a digit follows, so that 1.000 and 10e-1 are whole. */
struct decimal {
    bool negative;
    bool too_large;
    uint64_t digits;
    int64_t zeros; /* seen since the last digit that counts */
    int64_t exponent;
};

static bool times_ten(uint64_t *n, int64_t times)
{
    for (; times > 0 && *n > 0; times--)
        if (__builtin_mul_overflow(*n, UINT64_C(10), n))
            return false;
    return true;
}

static void add_digit(struct decimal *d, char c)
{
    if (c == '0') {
        d->zeros++;
        return;
    }
    if (!times_ten(&d->digits, d->zeros + 1) ||
        __builtin_add_overflow(d->digits, (uint64_t)(c - '0'), &d->digits))
        d->too_large = true;
    d->zeros = 0;
}

/* `number` keeps the grammar. */
static bool whole_of(struct bytes number, bool *negative, uint64_t *out)
{
    struct decimal d = {0};
    size_t i = 0, fraction = 0;
    if (number.size > 0 && number.at[0] == '-')
        d.negative = ++i;
    for (; i < number.size && number.at[i] != '.' && (number.at[i] | 32) != 'e'; i++)
        add_digit(&d, number.at[i]);
    if (i < number.size && number.at[i] == '.')
        for (i++; i < number.size && (number.at[i] | 32) != 'e'; i++, fraction++)
            add_digit(&d, number.at[i]);
    if (i < number.size) {
        bool down = number.at[++i] == '-';
        for (i += down || number.at[i] == '+'; i < number.size; i++)
            d.exponent = i64_min(d.exponent * 10 + (number.at[i] - '0'), INT32_MAX);
        d.exponent = down ? -d.exponent : d.exponent;
    }
    int64_t power = d.exponent + d.zeros - (int64_t)fraction;
    *negative = d.negative;
    *out = d.digits;
    return !d.too_large && (d.digits == 0 || (power >= 0 && times_ten(out, power)));
}

enum err json_i64(struct bytes number, int64_t *out)
{
    bool negative;
    uint64_t n;
    if (!whole_of(number, &negative, &n) || n > (uint64_t)INT64_MAX + negative)
        return ERR_INVALID;
    *out = (int64_t)(negative ? -n : n);
    return ERR_OK;
}

enum err json_u64(struct bytes number, uint64_t *out)
{
    bool negative;
    uint64_t n;
    if (!whole_of(number, &negative, &n) || (negative && n > 0))
        return ERR_INVALID;
    *out = n;
    return ERR_OK;
}

/* Whether a key is the pointer's first segment, in which ~1 is / and ~0 is ~. */
static bool key_is_escaped_segment(const struct json *json, struct bytes segment)
{
    char plain[256];
    size_t size = 0;
    for (size_t i = 0; i < segment.size && size < sizeof plain; i++) {
        char c = segment.at[i];
        if (c == '~' && i + 1 < segment.size &&
            (segment.at[i + 1] == '0' || segment.at[i + 1] == '1'))
            c = segment.at[++i] == '0' ? '~' : '/';
        plain[size++] = c;
    }
    return size < sizeof plain && json_text_is(json, (struct bytes){plain, size});
}

static bool index_is_segment(uint32_t index, struct bytes segment)
{
    char digits[16];
    struct writer w = writer_of(digits, sizeof digits);
    write_u64(&w, index);
    return bytes_equal(writer_bytes(&w), segment);
}

/* Reads the value that begins with `token` to its end. Goes as deep as the document. */
static enum err find_in(struct json *json, enum json_token token, struct bytes pointer,
                        struct json_value *out)
{
    if (pointer.size == 0) {
        const char *begin = json->token_at;
        *out = (struct json_value){
            .token = token, .raw = json->raw, .escaped = token == JSON_STRING && json->escaped};
        if (json_skip(json, token) == JSON_ERROR)
            return ERR_INVALID;
        if (token == JSON_OBJECT || token == JSON_ARRAY)
            out->raw = (struct bytes){begin, (size_t)(json->at - begin)};
        return ERR_OK;
    }
    if (token != JSON_OBJECT && token != JSON_ARRAY)
        return token == JSON_ERROR ? ERR_INVALID : ERR_NOT_FOUND;

    const char *slash = memchr(pointer.at + 1, '/', pointer.size - 1);
    struct bytes segment = {pointer.at + 1,
                            slash ? (size_t)(slash - pointer.at - 1) : pointer.size - 1};
    struct bytes rest = {segment.at + segment.size, pointer.size - 1 - segment.size};
    bool escaped = memchr(segment.at, '~', segment.size) != NULL;
    enum err found = ERR_NOT_FOUND;
    enum json_token last = token == JSON_OBJECT ? JSON_OBJECT_END : JSON_ARRAY_END;
    uint32_t index = 0;
    while ((token = json_next(json)) != last) {
        bool here;
        if (token == JSON_KEY) {
            here = escaped ? key_is_escaped_segment(json, segment) : json_text_is(json, segment);
            token = json_next(json);
        } else {
            here = index_is_segment(index++, segment);
        }
        if (here)
            found = find_in(json, token, rest, out);
        else
            token = json_skip(json, token);
        if (found == ERR_INVALID || token == JSON_ERROR)
            return ERR_INVALID;
    }
    return found;
}

enum err json_find(struct bytes document, struct bytes pointer, struct json_value *out)
{
    CHECK(pointer.size == 0 || pointer.at[0] == '/');
    struct json json;
    struct json_value value = {0};
    json_init(&json, document);
    enum err err = find_in(&json, json_next(&json), pointer, &value);
    if (err == ERR_INVALID || json_next(&json) != JSON_END)
        return ERR_INVALID;
    if (err == ERR_OK)
        *out = value;
    return err;
}

enum err json_value_text(const struct json_value *value, struct writer *out)
{
    if (value->token == JSON_OBJECT || value->token == JSON_ARRAY)
        return ERR_INVALID;
    if (out->overflow || value->raw.size > out->max - out->size)
        return ERR_TOO_LARGE;
    if (value->escaped)
        out->size += json_unescape(value->raw, out->at + out->size);
    else
        write_slice(out, value->raw);
    return ERR_OK;
}
