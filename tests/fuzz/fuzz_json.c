/* domain/json against jansson: both accept the same documents and read the same values.
 * jansson refuses, and we do not: integers beyond 64 bits, reals beyond double, NUL in a
 * key. We refuse, and it does not: more than JSON_DEPTH_MAX levels. */
#include "domain/json.h"

#include <math.h>
#include <stdlib.h>

/* Both name their kinds of values alike. */
#define JSON_OBJECT JANSSON_OBJECT
#define JSON_ARRAY JANSSON_ARRAY
#define JSON_STRING JANSSON_STRING
#define JSON_TRUE JANSSON_TRUE
#define JSON_FALSE JANSSON_FALSE
#define JSON_NULL JANSSON_NULL
#include <jansson.h>
#undef JSON_OBJECT
#undef JSON_ARRAY
#undef JSON_STRING
#undef JSON_TRUE
#undef JSON_FALSE
#undef JSON_NULL

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reading {
    struct json json;
    bool beyond_jansson;
};

static json_t *read_number(struct reading *r)
{
    struct bytes text = r->json.raw;
    bool real = false;
    for (size_t i = 0; i < text.size; i++)
        real |= text.at[i] == '.' || (text.at[i] | 32) == 'e';
    int64_t n = 0;
    if (!real) {
        r->beyond_jansson |= json_i64(text, &n) != ERR_OK;
        return json_integer(n);
    }
    char *copy = strndup(text.at, text.size);
    double d = strtod(copy, NULL);
    free(copy);
    if (isinf(d)) {
        r->beyond_jansson = true;
        return json_real(0);
    }
    /* Our exact reading agrees with the inexact one wherever both have an answer. */
    if (json_i64(text, &n) == ERR_OK && fabs(d) < 9e15)
        CHECK((double)n == d);
    return json_real(d);
}

static char *read_text(const struct json *json, size_t *size)
{
    char *text = malloc(json->raw.size + 1);
    CHECK(text != NULL);
    if (json->escaped) {
        *size = json_unescape(json->raw, text);
    } else {
        *size = json->raw.size;
        memcpy(text, json->raw.at, *size);
    }
    CHECK(*size <= json->raw.size);
    CHECK(json_text_is(json, (struct bytes){text, *size}));
    text[*size] = '\0';
    return text;
}

static json_t *read_value(struct reading *r, enum json_token token)
{
    json_t *value = NULL;
    char *text = NULL;
    size_t text_size = 0;
    if (token == JSON_STRING) {
        text = read_text(&r->json, &text_size);
        value = json_stringn(text, text_size);
    } else if (token == JSON_NUMBER) {
        value = read_number(r);
    } else if (token == JSON_TRUE || token == JSON_FALSE) {
        value = json_boolean(token == JSON_TRUE);
    } else if (token == JSON_NULL) {
        value = json_null();
    } else if (token == JSON_ARRAY) {
        value = json_array();
        while ((token = json_next(&r->json)) != JSON_ARRAY_END && token != JSON_ERROR)
            json_array_append_new(value, read_value(r, token));
    } else if (token == JSON_OBJECT) {
        value = json_object();
        while ((token = json_next(&r->json)) == JSON_KEY) {
            text = read_text(&r->json, &text_size);
            r->beyond_jansson |= memchr(text, 0, text_size) != NULL;
            json_object_set_new(value, text, read_value(r, json_next(&r->json)));
            free(text);
            text = NULL;
        }
    }
    free(text);
    return value;
}

/* What was written of a string is read back as it was, where it was UTF-8. */
static void check_writing(struct bytes text)
{
    size_t max = text.size * 6 + 2;
    char *written = malloc(max), *back = malloc(max);
    CHECK(written != NULL && back != NULL);
    struct writer w = writer_of(written, max);
    json_write_string(&w, text);
    CHECK(!w.overflow);
    struct json json;
    json_init(&json, writer_bytes(&w));
    CHECK(json_next(&json) == JSON_STRING);
    size_t size = json_unescape(json.raw, back);
    CHECK(json_next(&json) == JSON_END);
    json_t *valid = json_stringn(text.at, text.size);
    if (valid)
        CHECK(bytes_equal((struct bytes){back, size}, text));
    json_decref(valid);
    free(written);
    free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes document = {(const char *)data, size};
    struct reading r = {0};
    json_init(&r.json, document);
    json_t *ours = read_value(&r, json_next(&r.json));
    bool accepted = json_next(&r.json) == JSON_END;
    CHECK(accepted == (r.json.error == NULL));
    CHECK(json_place(&r.json).offset <= size);
    bool too_deep = r.json.error && strcmp(r.json.error, "nested too deeply") == 0;

    json_t *theirs = json_loadb((const char *)data, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (accepted && !r.beyond_jansson)
        CHECK(theirs != NULL && json_equal(ours, theirs));
    bool nul = memchr(data, 0, size) != NULL; /* which jansson takes for the end */
    if (!accepted && !too_deep && !nul)
        CHECK(theirs == NULL);
    json_decref(ours);
    json_decref(theirs);

    struct json_value value;
    enum err err = json_find(document, BYTES("/a/0"), &value);
    CHECK(err == ERR_OK || err == ERR_NOT_FOUND || !accepted);
    check_writing(document);
    return 0;
}
