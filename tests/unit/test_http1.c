#include "io/http1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct http1_limits limits = {.head_max = 1000, .body_max = 1000};

/* Reads the text in pieces of `piece` bytes, then the end of the connection. */
static enum err read_text(struct http1 *p, struct bytes text, size_t piece, bool then_end)
{
    enum err err = ERR_AGAIN;
    for (size_t at = 0; at < text.size && err == ERR_AGAIN; at += piece) {
        size_t left = text.size - at, used;
        err = http1_read(p, (struct bytes){text.at + at, left < piece ? left : piece}, &used);
    }
    return err == ERR_AGAIN && then_end ? http1_end(p) : err;
}

struct expected {
    const char *text;
    enum err err;
    uint16_t status;
    const char *body;
    bool keep_alive;
};

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static const struct expected cases[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", ERR_OK, 200, "abc", true},
    {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", ERR_OK, 200, "", true},
    {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", ERR_OK, 200, "x", false},
    {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", ERR_OK, 200, "x", false},
    {CHUNKED "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Trailer: t\r\n\r\n", ERR_OK, 200, "abcde", true},
    {CHUNKED "3\r\nabc\r\n", ERR_CLOSED, 200, "abc", false},
    {CHUNKED "zz\r\nabc\r\n", ERR_PROTOCOL, 200, "", false},
    {CHUNKED "fffffffffffffffff\r\nabc\r\n", ERR_PROTOCOL, 200, "", false},
    {"HTTP/1.1 200 OK\r\n\r\nto the end", ERR_OK, 200, "to the end", false},
    {"HTTP/1.1 204 No Content\r\n\r\n", ERR_OK, 204, "", true},
    {"HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n", ERR_OK, 304, "", true},
    {"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"
     "HTTP/1.1 201 OK\r\nContent-Length: 2\r\n\r\nok",
     ERR_OK, 201, "ok", true},
    {"HTTP/1.1 100 Go\r\n\r\n", ERR_CLOSED, 0, "", false},
    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", ERR_PROTOCOL, 200, "",
     false},
    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
     "0\r\n\r\n",
     ERR_PROTOCOL, 200, "", false},
    {"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n", ERR_PROTOCOL, 200, "", false},
    {"HTTP/1.1 099 No\r\n\r\n", ERR_PROTOCOL, 0, "", false},
    {"HTTP/2.0 200 OK\r\n\r\n", ERR_PROTOCOL, 0, "", false},
    {"GET / HTTP/1.1\r\n\r\n", ERR_PROTOCOL, 0, "", false},
    {"nonsense", ERR_PROTOCOL, 0, "", false},
    {"", ERR_CLOSED, 0, "", false},
};

static void a_response_reads_the_same_however_it_is_cut(void **state)
{
    (void)state;
    struct http1 *p = http1_open(&limits);
    for (uint32_t i = 0; i < countof(cases); i++) {
        const struct expected *e = &cases[i];
        for (size_t piece = 1; piece <= strlen(e->text) + 1; piece++) {
            http1_reset(p);
            enum err err = read_text(p, bytes_of(e->text), piece, true);
            struct http_response r;
            http1_response(p, &r);
            if (err != e->err || r.status != e->status || http1_keep_alive(p) != e->keep_alive)
                fail_msg("case %u in pieces of %zu: err %s, status %u", i, piece, err_text(err),
                         r.status);
            if (err == ERR_OK)
                assert_true(bytes_equal(r.body, bytes_of(e->body)));
        }
    }
    http1_close(p);
}

static void headers_are_kept_as_they_came(void **state)
{
    (void)state;
    struct http1 *p = http1_open(&limits);
    assert_int_equal(read_text(p,
                               BYTES("HTTP/1.1 100 Go\r\nX-Early: 1\r\n\r\nHTTP/1.1 429 Slow\r\n"
                                     "Retry-After:  7 \t\r\nX-Empty:\r\nx-ID: a, b\r\n"
                                     "Content-Length: 0\r\n\r\n"),
                               3, false),
                     ERR_OK);
    struct http_response r;
    http1_response(p, &r);
    assert_int_equal(r.header_count, 4);
    assert_true(bytes_equal(http_header_of(&r, BYTES("retry-after")), BYTES("7")));
    assert_true(bytes_equal(http_header_of(&r, BYTES("X-Id")), BYTES("a, b")));
    assert_int_equal(http_header_of(&r, BYTES("X-Empty")).size, 0);
    assert_int_equal(http_header_of(&r, BYTES("X-Early")).size, 0);
    http1_close(p);
}

static void more_headers_than_fit_are_dropped(void **state)
{
    (void)state;
    char text[2000];
    struct writer w = writer_of(text, sizeof text);
    write_literal(&w, "HTTP/1.1 200 OK\r\n");
    for (uint32_t i = 0; i < HTTP_HEADERS_MAX + 5; i++)
        write_format(&w, "X-%u: %u\r\n", i, i);
    write_literal(&w, "Content-Length: 2\r\n\r\nok");
    struct http1 *p = http1_open(&limits);
    assert_int_equal(read_text(p, writer_bytes(&w), 7, false), ERR_OK);
    struct http_response r;
    http1_response(p, &r);
    assert_int_equal(r.header_count, HTTP_HEADERS_MAX);
    assert_true(bytes_equal(r.headers[31].value, BYTES("31")));
    assert_true(bytes_equal(r.body, BYTES("ok")));
    http1_close(p);
}

static void a_head_may_be_as_large_as_its_limit_and_no_larger(void **state)
{
    (void)state;
    struct bytes text = BYTES("HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 2\r\n\r\nok");
    uint32_t head = (uint32_t)text.size - 2;
    for (uint32_t max = 1; max <= head; max++) {
        struct http1 *p = http1_open(&(struct http1_limits){.head_max = max, .body_max = 10});
        assert_int_equal(read_text(p, text, 4, false), max < head ? ERR_TOO_LARGE : ERR_OK);
        http1_close(p);
    }
}

static void endless_early_responses_end_at_the_heads_limit(void **state)
{
    (void)state;
    struct http1 *p = http1_open(&limits);
    enum err err = ERR_AGAIN;
    for (uint32_t i = 0; i < 100 && err == ERR_AGAIN; i++)
        err = read_text(p, BYTES("HTTP/1.1 100 Continue\r\n\r\n"), 1000, false);
    assert_int_equal(err, ERR_TOO_LARGE);
    http1_close(p);
}

static void a_body_is_cut_at_its_limit(void **state)
{
    (void)state;
    struct http1 *p = http1_open(&(struct http1_limits){.head_max = 100, .body_max = 4});
    struct http_response r;
    assert_int_equal(read_text(p, BYTES("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd"), 9, 0),
                     ERR_OK);
    http1_response(p, &r);
    assert_false(r.body_cut);
    http1_reset(p);
    assert_int_equal(read_text(p, BYTES("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde"), 9, 0),
                     ERR_OK);
    http1_response(p, &r);
    assert_true(r.body_cut);
    assert_true(bytes_equal(r.body, BYTES("abcd")));
    assert_false(http1_keep_alive(p));
    http1_close(p);
}

static void the_keep_alive_header_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        uint32_t ms;
    } all[] = {{"timeout=5, max=100", 5000},
               {"max=3,timeout=15", 15000},
               {"max=3", 0},
               {"timeout=", 0},
               {"timeout=99999999999", 86400 * 1000}};
    for (uint32_t i = 0; i < countof(all); i++) {
        char text[200];
        struct writer w = writer_of(text, sizeof text);
        write_format(&w, "HTTP/1.1 200 OK\r\nKeep-Alive: %s\r\nContent-Length: 0\r\n\r\n",
                     all[i].value);
        struct http1 *p = http1_open(&limits);
        assert_int_equal(read_text(p, writer_bytes(&w), 100, false), ERR_OK);
        if (i < 4)
            assert_int_equal(http1_keep_alive_ms(p), all[i].ms);
        else
            assert_true(http1_keep_alive_ms(p) >= all[i].ms);
        http1_close(p);
    }
}

static void a_request_is_written_once_and_fits_its_size(void **state)
{
    (void)state;
    static const struct {
        const char *method, *body, *text;
    } all[] = {
        {"POST", "a=b", "POST /p?q HTTP/1.1\r\nHost: h:1\r\nA: b\r\nContent-Length: 3\r\n\r\na=b"},
        {"POST", "", "POST /p?q HTTP/1.1\r\nHost: h:1\r\nA: b\r\nContent-Length: 0\r\n\r\n"},
        {"GET", "", "GET /p?q HTTP/1.1\r\nHost: h:1\r\nA: b\r\n\r\n"},
    };
    for (uint32_t i = 0; i < countof(all); i++) {
        struct http_request request = {.method = bytes_of(all[i].method),
                                       .path = BYTES("/p?q"),
                                       .headers = {{BYTES("A"), BYTES("b")}},
                                       .header_count = 1,
                                       .body = bytes_of(all[i].body)};
        size_t size = http1_request_size(&request, BYTES("h:1"));
        char *text = malloc(size);
        struct writer w = writer_of(text, size);
        http1_write_request(&w, &request, BYTES("h:1"));
        assert_false(w.overflow);
        assert_true(bytes_equal(writer_bytes(&w), bytes_of(all[i].text)));
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_response_reads_the_same_however_it_is_cut),
        cmocka_unit_test(headers_are_kept_as_they_came),
        cmocka_unit_test(more_headers_than_fit_are_dropped),
        cmocka_unit_test(a_head_may_be_as_large_as_its_limit_and_no_larger),
        cmocka_unit_test(endless_early_responses_end_at_the_heads_limit),
        cmocka_unit_test(a_body_is_cut_at_its_limit),
        cmocka_unit_test(the_keep_alive_header_is_read),
        cmocka_unit_test(a_request_is_written_once_and_fits_its_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
