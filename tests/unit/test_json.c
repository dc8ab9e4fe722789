#include "domain/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* The tokens of a document, a letter each; '!' is an error. */
static const char *tokens_of(const char *document)
{
    static char out[256];
    size_t n = 0;
    struct json json;
    json_init(&json, bytes_of(document));
    for (;;) {
        enum json_token token = json_next(&json);
        out[n++] = "!.{}[]ksntf0"[token];
        if (token == JSON_ERROR || token == JSON_END || n == sizeof out - 1) {
            assert_int_equal(json_next(&json), token);
            out[n] = '\0';
            return out;
        }
    }
}

static void a_document_is_pulled_token_by_token(void **state)
{
    (void)state;
    assert_string_equal(tokens_of("{}"), "{}.");
    assert_string_equal(tokens_of(" [ ] "), "[].");
    assert_string_equal(tokens_of("{\"a\":1,\"b\":[true,false,null,\"x\"],\"c\":{}}"),
                        "{knk[tf0s]k{}}.");
    assert_string_equal(tokens_of("-0.5e+10"), "n.");
    assert_string_equal(tokens_of("\t\"x\"\r\n"), "s.");
}

static void what_breaks_the_grammar_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        " ",
        "{",
        "[",
        "}",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\" 1}",
        "01",
        "+1",
        "1.",
        ".5",
        "1e",
        "1e+",
        "--1",
        "-",
        "0x1",
        "NaN",
        "Infinity",
        "tru",
        "nul",
        "True",
        "\"a",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\n\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"\\ud800\\ud800\"",
        "\"\\ud800\\ue000\"",
        "1 1",
        "{}{}",
        "[1]x",
        "'a'",
        "[1}",
        "{\"a\":1]",
        "/*c*/1",
        "\xef\xbb\xbf{}",
        "\"\\",
        "{1:1}",
        "\"\\ud800\\",
    };
    for (size_t i = 0; i < countof(rows); i++) {
        const char *tokens = tokens_of(rows[i]);
        if (tokens[strlen(tokens) - 1] != '!')
            fail_msg("accepted: %s", rows[i]);
    }
}

static void bytes_that_are_no_utf8_are_refused_where_they_stand(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",         "\xc0\x80",         "\xc1\xbf",         "\xe0\x80\x80",
        "\xed\xa0\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xff",         "\xe2\x82",         "\xe2\x28\xa1",     "\xf0\x9f\x98",
    };
    for (size_t i = 0; i < countof(bad); i++)
        for (size_t before = 0; before < 18; before++) {
            char document[64];
            struct writer w = writer_of(document, sizeof document);
            write_char(&w, '"');
            for (size_t k = 0; k < before; k++)
                write_char(&w, 'a');
            write_text(&w, bad[i]);
            write_literal(&w, "\"        ");
            struct json json;
            json_init(&json, writer_bytes(&w));
            assert_int_equal(json_next(&json), JSON_ERROR);
            assert_string_equal(json.error, "not UTF-8");
            assert_int_equal(json_place(&json).offset, 1 + before);
        }
    assert_string_equal(
        tokens_of("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xed\x9f\xbf\xf4\x8f\xbf\xbf\""), "s.");
}

static void depth_has_a_limit(void **state)
{
    (void)state;
    char document[2 * JSON_DEPTH_MAX + 3] = {0};
    memset(document, '[', JSON_DEPTH_MAX);
    memset(document + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    struct json json;
    json_init(&json, bytes_of(document));
    assert_int_equal(json_skip(&json, json_next(&json)), JSON_ARRAY_END);
    assert_int_equal(json_next(&json), JSON_END);
    memset(document, '[', JSON_DEPTH_MAX + 1);
    json_init(&json, bytes_of(document));
    assert_int_equal(json_skip(&json, json_next(&json)), JSON_ERROR);
    assert_string_equal(json.error, "nested too deeply");
}

static void an_error_has_line_and_column(void **state)
{
    (void)state;
    struct json json;
    json_init(&json, bytes_of("{\n  \"a\": 1,\n  \"b\": x\n}"));
    while (json_next(&json) != JSON_ERROR)
        continue;
    struct json_place place = json_place(&json);
    assert_int_equal(place.line, 3);
    assert_int_equal(place.column, 8);
    assert_int_equal(place.offset, 19);
    assert_string_equal(json.error, "expected a value");
}

static void escapes_become_what_they_mean(void **state)
{
    (void)state;
    struct json json;
    json_init(
        &json,
        bytes_of("\"\\\"\\\\\\/\\b\\f\\n\\r\\tA\\u0041\\u00e9\\u20AC\\ud83d\\ude00z\\u0000\""));
    assert_int_equal(json_next(&json), JSON_STRING);
    assert_true(json.escaped);
    static const char meant[] = "\"\\/\b\f\n\r\tAA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
    char out[128];
    size_t size = json_unescape(json.raw, out);
    assert_int_equal(size, sizeof meant);
    assert_memory_equal(out, meant, size);
    assert_true(json_text_is(&json, (struct bytes){meant, sizeof meant}));
    assert_false(json_text_is(&json, bytes_of(meant)));
    assert_false(json_text_is(&json, BYTES("\"\\/x")));
}

static void integers_are_exact_in_every_way_of_writing(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {
        {"0", 0},
        {"-0", 0},
        {"42", 42},
        {"-42", -42},
        {"1.0", 1},
        {"1e3", 1000},
        {"1.5e1", 15},
        {"10e-1", 1},
        {"1000E-3", 1},
        {"0.000", 0},
        {"0e999999999999", 0},
        {"12.340e2", 1234},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
        {"9223372036854775807.000", INT64_MAX},
        {"922337203685477580.7e1", INT64_MAX},
        {"100000000000000000000e-2", 1000000000000000000},
    };
    for (size_t i = 0; i < countof(good); i++) {
        int64_t n = 77;
        assert_int_equal(json_i64(bytes_of(good[i].text), &n), ERR_OK);
        assert_true(n == good[i].value);
    }
    static const char *const bad[] = {"0.5",
                                      "1e-1",
                                      "1.5",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "1e19",
                                      "1e999999999999999999999",
                                      "123456789012345678901",
                                      "1.00000000000000000000001"};
    for (size_t i = 0; i < countof(bad); i++) {
        int64_t n;
        assert_int_equal(json_i64(bytes_of(bad[i]), &n), ERR_INVALID);
    }
    uint64_t u = 0;
    assert_int_equal(json_u64(BYTES("18446744073709551615"), &u), ERR_OK);
    assert_true(u == UINT64_MAX);
    assert_int_equal(json_u64(BYTES("18446744073709551616"), &u), ERR_INVALID);
    assert_int_equal(json_u64(BYTES("-1"), &u), ERR_INVALID);
    assert_int_equal(json_u64(BYTES("-0"), &u), ERR_OK);
}

static const char *found(const char *document, const char *pointer)
{
    static char text[128];
    struct json_value value;
    enum err err = json_find(bytes_of(document), bytes_of(pointer), &value);
    if (err != ERR_OK)
        return err == ERR_NOT_FOUND ? "<absent>" : "<broken>";
    struct writer w = writer_of(text, sizeof text - 1);
    if (json_value_text(&value, &w) != ERR_OK)
        write_slice(&w, value.raw);
    text[w.size] = '\0';
    return text;
}

static void a_value_is_found_by_its_pointer(void **state)
{
    (void)state;
    const char *answer = "{\"messages\":[{\"id\":\"a\\u0062c\",\"n\":12},{\"id\":null}],\"ok\":"
                         "true,\"a/b\":1,\"m~n\":2,\"\":3}";
    assert_string_equal(found(answer, "/messages/0/id"), "abc");
    assert_string_equal(found(answer, "/messages/0/n"), "12");
    assert_string_equal(found(answer, "/messages/1/id"), "null");
    assert_string_equal(found(answer, "/messages/1"), "{\"id\":null}");
    assert_string_equal(found(answer, "/messages/2"), "<absent>");
    assert_string_equal(found(answer, "/messages/00"), "<absent>");
    assert_string_equal(found(answer, "/messages/-"), "<absent>");
    assert_string_equal(found(answer, "/messages/0/id/x"), "<absent>");
    assert_string_equal(found(answer, "/ok"), "true");
    assert_string_equal(found(answer, "/a~1b"), "1");
    assert_string_equal(found(answer, "/m~0n"), "2");
    assert_string_equal(found(answer, "/"), "3");
    assert_string_equal(found("\"x\"", ""), "x");
    assert_string_equal(found("[]", ""), "[]");
}

static void of_equal_keys_the_last_one_is_found(void **state)
{
    (void)state;
    assert_string_equal(found("{\"a\":1,\"a\":2}", "/a"), "2");
    assert_string_equal(found("{\"a\":{\"b\":1},\"a\":2}", "/a/b"), "<absent>");
}

static void nothing_is_found_in_a_broken_document(void **state)
{
    (void)state;
    assert_string_equal(found("{\"a\":1", "/a"), "<broken>");
    assert_string_equal(found("{\"a\":1} x", "/a"), "<broken>");
    assert_string_equal(found("{\"a\":{\"b\":1,}}", "/a/b"), "<broken>");
    assert_string_equal(found("<html>", "/a"), "<broken>");
    assert_string_equal(found("", ""), "<broken>");
}

static const char *written(struct bytes text)
{
    static char out[128];
    struct writer w = writer_of(out, sizeof out - 1);
    json_write_string(&w, text);
    out[w.size] = '\0';
    return out;
}

static void what_is_written_is_always_json(void **state)
{
    (void)state;
    assert_string_equal(written(BYTES("plain text of some length")),
                        "\"plain text of some length\"");
    assert_string_equal(written(BYTES("\"\\/\b\f\n\r\t\x01\x1f\x7f")),
                        "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"");
    assert_string_equal(written(BYTES("a\0b")), "\"a\\u0000b\"");
    assert_string_equal(written(BYTES("\xc3\xa9\xf0\x9f\x98\x80")), "\"\xc3\xa9\xf0\x9f\x98\x80\"");
    assert_string_equal(written(BYTES("a\xff\xe2\x82")),
                        "\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void commas_stand_between_members_only(void **state)
{
    (void)state;
    char out[64];
    struct writer w = writer_of(out, sizeof out);
    write_char(&w, '{');
    json_write_key(&w, "a");
    json_write_string(&w, BYTES("{"));
    json_write_key(&w, "b");
    write_char(&w, '[');
    for (uint64_t i = 0; i < 2; i++) {
        json_write_comma(&w);
        write_u64(&w, i);
    }
    write_literal(&w, "]}");
    assert_memory_equal(out, "{\"a\":\"{\",\"b\":[0,1]}", w.size);
}

static void white_space_may_stand_before_an_object(void **state)
{
    (void)state;
    assert_true(json_looks_like_object(BYTES(" \r\n\t{")));
    assert_false(json_looks_like_object(BYTES("[{")));
    assert_false(json_looks_like_object(BYTES("  ")));
    assert_false(json_looks_like_object((struct bytes){0}));
}

static void a_tilde_that_escapes_nothing_stands_for_itself(void **state)
{
    (void)state;
    static const struct {
        const char *document, *pointer;
    } same[] = {{"{\"a~2\":1}", "/a~2"},
                {"{\"~\":1}", "/~"},
                {"{\"a~\":1}", "/a~0"},
                {"{\"/~b\":1}", "/~1~0b"}};
    struct json_value value;
    for (size_t i = 0; i < countof(same); i++)
        assert_int_equal(json_find(bytes_of(same[i].document), bytes_of(same[i].pointer), &value),
                         ERR_OK);
    char pointer[302] = "/~0";
    memset(pointer + 3, 'k', sizeof pointer - 4);
    assert_int_equal(json_find(BYTES("{\"a\":1}"), bytes_of(pointer), &value), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tilde_that_escapes_nothing_stands_for_itself),
        cmocka_unit_test(a_document_is_pulled_token_by_token),
        cmocka_unit_test(what_breaks_the_grammar_is_refused),
        cmocka_unit_test(bytes_that_are_no_utf8_are_refused_where_they_stand),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(an_error_has_line_and_column),
        cmocka_unit_test(escapes_become_what_they_mean),
        cmocka_unit_test(integers_are_exact_in_every_way_of_writing),
        cmocka_unit_test(a_value_is_found_by_its_pointer),
        cmocka_unit_test(of_equal_keys_the_last_one_is_found),
        cmocka_unit_test(nothing_is_found_in_a_broken_document),
        cmocka_unit_test(what_is_written_is_always_json),
        cmocka_unit_test(commas_stand_between_members_only),
        cmocka_unit_test(white_space_may_stand_before_an_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
