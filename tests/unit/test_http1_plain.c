#include "io/http1_plain.h"

#include "base/prng.h"
#include "io/http1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct http1_header headers[HTTP_HEADERS_MAX];
static struct http1_plain plain;

static bool read_text(struct bytes text)
{
    plain = (struct http1_plain){.headers = headers};
    return http1_read_plain(text, &plain);
}

#define ANSWER                                                               \
    "HTTP/1.1 201 Created\r\nDate: Thu, 05 Nov 2026 10:00:00 GMT\r\n"        \
    "Content-Type: application/json;charset=utf-8\r\ncontent-length: 13\r\n" \
    "Connection: Keep-Alive\r\nKeep-Alive: timeout=5\r\nX-1: a\r\n\r\n{\"sid\":\"SM1\"}"

static void an_ordinary_answer_is_read_at_once(void **state)
{
    (void)state;
    assert_true(read_text(BYTES(ANSWER "more")));
    assert_int_equal(plain.status, 201);
    assert_true(plain.keep_alive);
    assert_int_equal(plain.header_count, 6);
    assert_int_equal(plain.body_size, 13);
    assert_int_equal(plain.head_size + plain.body_size, sizeof ANSWER - 1);
    assert_memory_equal(&ANSWER[headers[5].name], "X-1", headers[5].name_size);
    assert_memory_equal(&ANSWER[headers[5].value], "a", headers[5].value_size);
    assert_true(
        read_text(BYTES("HTTP/1.1 500 \r\nConnection: close\r\nContent-Length: 0\r\n\r\n")));
    assert_false(plain.keep_alive);
}

static void what_is_not_ordinary_is_left_to_the_parser(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 3a\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 3 \r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 0000000003\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTRANSFER-encoding: chunked\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nProxy-Connection: close\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nConnection: upgrade\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nConnection: close\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\n\r\nx",
        "HTTP/1.1 200 OK\r\nX:1\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nX:  1\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nX: \r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nX: a\tb\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nX: \xc3\xa9\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nX : 1\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\n: 1\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 100 OK\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 204 OK\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 304 OK\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 600 OK\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 2x0 OK\r\nContent-Length: 1\r\n\r\nx",
    };
    for (size_t i = 0; i < countof(texts); i++)
        if (read_text(bytes_of(texts[i])))
            fail_msg("taken for an ordinary answer: %s", texts[i]);
}

static void more_headers_than_are_kept_are_left_to_the_parser(void **state)
{
    (void)state;
    for (size_t more = 0; more < 2; more++) {
        char text[1024];
        struct writer w = writer_of(text, sizeof text);
        write_literal(&w, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");
        for (size_t i = 1; i < HTTP_HEADERS_MAX + more; i++)
            write_literal(&w, "A: b\r\n");
        write_literal(&w, "\r\n");
        assert_int_equal(read_text(writer_bytes(&w)), more == 0);
    }
}

/* Read whole, so that it may be taken at once, and byte by byte, so that llhttp reads it. */
static void expect_the_same_in_pieces(struct bytes text)
{
    static const struct http1_limits limits = {.head_max = 400, .body_max = 20};
    struct http1 *whole = http1_open(&limits), *pieces = http1_open(&limits);
    struct http_response a, b;
    size_t used_a, used_b = 0;
    enum err err_a = http1_read(whole, text, &used_a), err_b = ERR_AGAIN;
    for (size_t i = 0; i < text.size && err_b == ERR_AGAIN; i++) {
        size_t used;
        err_b = http1_read(pieces, (struct bytes){text.at + i, 1}, &used);
        used_b += used;
    }
    http1_response(whole, &a);
    http1_response(pieces, &b);
    assert_int_equal(err_a, err_b);
    assert_int_equal(a.status, b.status);
    assert_int_equal(a.header_count, b.header_count);
    for (uint32_t i = 0; i < a.header_count; i++) {
        assert_true(bytes_equal(a.headers[i].name, b.headers[i].name));
        assert_true(bytes_equal(a.headers[i].value, b.headers[i].value));
    }
    assert_true(bytes_equal(a.body, b.body));
    assert_int_equal(http1_keep_alive(whole), http1_keep_alive(pieces));
    if (err_a == ERR_OK && !a.body_cut)
        assert_int_equal(used_a, used_b);
    http1_close(whole);
    http1_close(pieces);
}

static void llhttp_agrees_on_changed_bytes(void **state)
{
    (void)state;
    char text[sizeof ANSWER];
    uint64_t dice = 1, taken = 0;
    for (int round = 0; round < 30000; round++) {
        memcpy(text, ANSWER, sizeof text);
        for (uint64_t n = prng_upto(&dice, 3); n > 0; n--)
            text[prng_upto(&dice, sizeof text)] = prng_upto(&dice, 2)
                                                      ? (char)prng_upto(&dice, 256)
                                                      : "\r\n :\t1"[prng_upto(&dice, 6)];
        struct bytes all = {text, sizeof text - 1};
        taken += read_text(all);
        expect_the_same_in_pieces(all);
    }
    assert_true(taken > 1000 && taken < 29000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ordinary_answer_is_read_at_once),
        cmocka_unit_test(what_is_not_ordinary_is_left_to_the_parser),
        cmocka_unit_test(more_headers_than_are_kept_are_left_to_the_parser),
        cmocka_unit_test(llhttp_agrees_on_changed_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
