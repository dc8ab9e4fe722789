#include "http_world.h"

static void a_call_gets_its_response(void **state)
{
    struct world w;
    world_open_http(&w, state, (struct http_options){0});
    struct test_call t;
    run(&t, &w);
    assert_int_equal(t.call.err, ERR_OK);
    assert_int_equal(t.call.response.status, 201);
    assert_true(bytes_equal(t.call.response.body, BYTES("{\"id\":\"17\"}")));
    assert_true(bytes_equal(http_header_of(&t.call.response, BYTES("content-type")),
                            BYTES("application/json")));
    assert_true(t.call.all_taken && t.call.any_taken);
    assert_true(t.call.first_byte_ns > 0 && t.call.first_byte_ns <= clock_mono_ns());
    char expected[300];
    snprintf(expected, sizeof expected,
             "POST /v1/messages?x=1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nX-Key: secret\r\n"
             "Content-Length: 19\r\n\r\nTo=%%2B41&Body=hello",
             stream_listener_port(w.listener));
    assert_string_equal(w.last_request, expected);
    http_release(&t.call);
    assert_int_equal(t.done_count, 1);
    world_close(&w);
}

static void a_connection_is_used_again(void **state)
{
    struct world w;
    world_open_http(&w, state, (struct http_options){0});
    for (uint32_t i = 0; i < 20; i++) {
        struct test_call t;
        run(&t, &w);
        assert_int_equal(t.call.err, ERR_OK);
        http_release(&t.call);
    }
    assert_int_equal(w.accepted, 1);
    assert_int_equal(http_origin_stats(w.origin).connects, 1);
    world_close(&w);
}

static void a_call_without_a_ready_connection_is_told_to_wait(void **state)
{
    struct world w;
    world_open_http(&w, state, (struct http_options){0});
    struct test_call t;
    prepare(&t, &w, 1000);
    assert_int_equal(http_start(&t.call), ERR_AGAIN);
    assert_int_equal(w.requests, 0);
    world_close(&w);
}

static void a_close_is_seen_before_the_connection_is_used_again(void **state)
{
    struct world w;
    world_open_http(&w, state, (struct http_options){0});
    w.script.after = AFTER_CLOSE;
    struct test_call t;
    run(&t, &w);
    assert_int_equal(t.call.err, ERR_OK);
    http_release(&t.call);
    UNTIL(&w, w.ended == 1 && http_ready(w.origin) == 0);
    prepare(&t, &w, 1000);
    assert_int_equal(http_start(&t.call), ERR_AGAIN);
    world_close(&w);
}

static void a_connection_that_may_not_be_kept_is_dropped(void **state)
{
    struct world w;
    world_open_http(&w, state, (struct http_options){0});
    w.script.answer = BYTES("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    struct test_call t;
    run(&t, &w);
    assert_int_equal(t.call.err, ERR_OK);
    http_release(&t.call);
    assert_int_equal(http_ready(w.origin), 0);
    world_close(&w);
}

static void a_connection_with_bytes_after_the_response_is_dropped(void **state)
{
    struct world w;
    world_open_http(&w, state, (struct http_options){0});
    w.script.answer = BYTES("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n");
    struct test_call t;
    run(&t, &w);
    assert_int_equal(t.call.err, ERR_OK);
    http_release(&t.call);
    assert_int_equal(http_ready(w.origin), 0);
    world_close(&w);
}

static void an_idle_connection_goes_in_time(void **state)
{
    struct world w;
    world_open_http(&w, state, (struct http_options){.idle_ms = 40});
    struct test_call t;
    run(&t, &w);
    http_release(&t.call);
    assert_int_equal(http_ready(w.origin), 1);
    UNTIL(&w, http_ready(w.origin) == 0);
    assert_int_equal(w.requests, 1);
    world_close(&w);
}

static void half_of_what_the_peer_allows_is_the_limit_of_idleness(void **state)
{
    struct world w;
    world_open_http(&w, state, (struct http_options){.idle_ms = 100000});
    w.script.answer =
        BYTES("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1, max=5\r\nContent-Length: 0\r\n\r\n");
    struct test_call t;
    run(&t, &w);
    http_release(&t.call);
    world_turn_ms(&w, 510);
    prepare(&t, &w, 1000);
    assert_int_equal(http_start(&t.call), ERR_AGAIN);
    world_close(&w);
}

static void a_connection_past_its_lifetime_takes_no_call(void **state)
{
    struct world w;
    world_open_http(&w, state, (struct http_options){.lifetime_ms = 20});
    struct test_call t;
    run(&t, &w);
    world_turn_ms(&w, 25);
    http_release(&t.call);
    assert_int_equal(http_ready(w.origin), 0);
    world_close(&w);
}

/* Cut after n bytes: what is told depends on n alone. */
static void a_response_cut_anywhere_is_never_taken_for_a_whole_one(void **state)
{
    struct bytes whole = ANSWER;
    struct world w;
    world_open_http(&w, state, (struct http_options){0});
    w.script.after = AFTER_CLOSE;
    size_t status_end = sizeof "HTTP/1.1 201 Created\r\n" - 1;
    for (size_t n = 0; n <= whole.size; n++) {
        w.script.answer = (struct bytes){whole.at, n};
        struct test_call t;
        run(&t, &w);
        assert_int_equal(t.done_count, 1);
        assert_true(t.call.all_taken);
        assert_int_equal(t.call.err, n == whole.size ? ERR_OK : ERR_CLOSED);
        assert_int_equal(t.call.response.status, n >= status_end ? 201 : 0);
        http_release(&t.call);
    }
    world_close(&w);
}

static void a_reset_after_the_request_is_ambiguous(void **state)
{
    struct world w;
    world_open_http(&w, state, (struct http_options){0});
    w.script = (struct script){.after = AFTER_RESET};
    struct test_call t;
    run(&t, &w);
    assert_int_equal(t.call.err, ERR_RESET);
    assert_true(t.call.all_taken);
    assert_int_equal(t.call.response.status, 0);
    http_release(&t.call);
    assert_int_equal(w.requests, 1);
    world_close(&w);
}

static void a_body_that_ends_with_the_connection_is_whole(void **state)
{
    struct world w;
    world_open_http(&w, state, (struct http_options){0});
    w.script = (struct script){.answer = BYTES("HTTP/1.1 200 OK\r\n\r\nabc"), .after = AFTER_CLOSE};
    struct test_call t;
    run(&t, &w);
    assert_int_equal(t.call.err, ERR_OK);
    assert_true(bytes_equal(t.call.response.body, BYTES("abc")));
    http_release(&t.call);
    world_close(&w);
}

static void a_large_body_is_cut(void **state)
{
    struct world w;
    world_open_http(&w, state, (struct http_options){.response_max = 4});
    struct test_call t;
    run(&t, &w);
    assert_int_equal(t.call.err, ERR_OK);
    assert_true(t.call.response.body_cut);
    assert_true(bytes_equal(t.call.response.body, BYTES("{\"id")));
    http_release(&t.call);
    assert_int_equal(http_ready(w.origin), 0);
    world_close(&w);
}

static void a_large_head_is_refused(void **state)
{
    struct world w;
    world_open_http(&w, state, (struct http_options){.head_max = 40});
    struct test_call t;
    run(&t, &w);
    assert_int_equal(t.call.err, ERR_TOO_LARGE);
    assert_int_equal(t.call.response.status, 201);
    http_release(&t.call);
    world_close(&w);
}

static void a_request_that_is_too_large_is_not_started(void **state)
{
    struct world w;
    world_open_http(&w, state, (struct http_options){.request_max = 100});
    http_want(w.origin, 1);
    UNTIL(&w, http_ready(w.origin) == 1);
    struct test_call t;
    prepare(&t, &w, 1000);
    assert_int_equal(http_start(&t.call), ERR_TOO_LARGE);
    assert_int_equal(http_ready(w.origin), 1);
    world_close(&w);
}

static void silence_ends_at_the_deadline(void **state)
{
    struct world w;
    world_open_http(&w, state, (struct http_options){0});
    w.script = (struct script){0};
    struct test_call t;
    start(&t, &w, 50);
    UNTIL(&w, t.done_count > 0);
    assert_int_equal(t.call.err, ERR_TIMEOUT);
    assert_true(clock_mono_ns() >= t.call.deadline_ns);
    assert_true(clock_mono_ns() < t.call.deadline_ns + 200 * NS_PER_MS);
    assert_true(t.call.all_taken);
    http_release(&t.call);
    assert_int_equal(http_ready(w.origin), 0);
    world_close(&w);
}

static void half_a_response_ends_at_the_deadline(void **state)
{
    struct world w;
    world_open_http(&w, state, (struct http_options){0});
    w.script =
        (struct script){.answer = BYTES("HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\nx")};
    struct test_call t;
    start(&t, &w, 50);
    UNTIL(&w, t.done_count > 0);
    assert_int_equal(t.call.err, ERR_TIMEOUT);
    assert_int_equal(t.call.response.status, 201);
    http_release(&t.call);
    world_close(&w);
}

static void a_peer_that_does_not_read_leaves_bytes_untaken(void **state)
{
    struct world w;
    world_open_http(&w, state, (struct http_options){.request_max = 32 << 20});
    w.ignores = true;
    http_want(w.origin, 1);
    UNTIL(&w, http_ready(w.origin) > 0 && w.accepted == 1);
    struct test_call t;
    prepare(&t, &w, 100);
    size_t size = 30 << 20;
    char *body = calloc(1, size);
    t.request.body = (struct bytes){body, size};
    assert_int_equal(http_start(&t.call), ERR_OK);
    free(body); /* copied */
    UNTIL(&w, t.done_count > 0);
    assert_int_equal(t.call.err, ERR_TIMEOUT);
    assert_true(t.call.any_taken);
    assert_false(t.call.all_taken);
    http_release(&t.call);
    world_turn_ms(&w, 5);
    assert_int_equal(t.done_count, 1);
    world_close(&w);
}

static void an_early_answer_counts_and_the_rest_is_not_sent(void **state)
{
    struct world w;
    world_open_http(&w, state, (struct http_options){.request_max = 32 << 20});
    w.script = (struct script){
        .answer = BYTES("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"),
        .on_first_byte = true,
        .after = AFTER_KEEP,
    };
    http_want(w.origin, 1);
    UNTIL(&w, http_ready(w.origin) > 0);
    struct test_call t;
    prepare(&t, &w, 2000);
    t.request.body = (struct bytes){calloc(1, 60000), 60000};
    assert_int_equal(http_start(&t.call), ERR_OK);
    free((char *)(uintptr_t)t.request.body.at);
    UNTIL(&w, t.done_count > 0);
    assert_int_equal(t.call.err, ERR_OK);
    assert_int_equal(t.call.response.status, 413);
    http_release(&t.call);
    world_close(&w);
}

static void a_refused_connection_says_why_and_is_tried_again_later(void **state)
{
    struct world w;
    world_open_http(&w, state, (struct http_options){0});
    stream_listener_close(w.listener);
    w.listener = NULL;
    loop_wait(w.loop, 0, 1);
    http_want(w.origin, 8);
    UNTIL(&w, http_origin_stats(w.origin).opening == 0);
    struct http_origin_stats s = http_origin_stats(w.origin);
    assert_int_equal(s.failures, 1);
    assert_int_equal(s.connects_failed, 8);
    assert_int_equal(s.last_err, ERR_CONNECT);
    assert_string_equal(s.last_why, "cannot connect to 127.0.0.1: Connection refused");
    http_want(w.origin, 8);
    assert_int_equal(http_origin_stats(w.origin).opening, 0);
    UNTIL(&w, clock_mono_ns() >= s.retry_ns);
    http_want(w.origin, 8);
    assert_int_equal(http_origin_stats(w.origin).opening, 1);
    world_close(&w);
}

static void connections_stay_below_their_limit(void **state)
{
    struct world w;
    world_open_http(&w, state, (struct http_options){.connections_max = 3});
    http_want(w.origin, 10);
    UNTIL(&w, http_ready(w.origin) == 3);
    world_turn_ms(&w, 5);
    assert_int_equal(w.accepted, 3);
    struct test_call t;
    prepare(&t, &w, 1000);
    assert_int_equal(http_start(&t.call), ERR_OK);
    http_want(w.origin, 10);
    assert_int_equal(http_origin_stats(w.origin).opening, 0);
    UNTIL(&w, t.done_count == 1);
    http_release(&t.call);
    world_close(&w);
}

static void nothing_is_called_after_close(void **state)
{
    struct world w;
    world_open_http(&w, state, (struct http_options){0});
    struct test_call t;
    start(&t, &w, 3000);
    http_close(w.http);
    w.http = NULL;
    world_turn_ms(&w, 20);
    assert_int_equal(t.done_count, 0);
    world_close(&w);
}

static void thousands_of_requests_go_over_64_connections(void **state)
{
    enum { CALLS = 64, REQUESTS = 6400 };
    struct world w;
    world_open_http(&w, state, (struct http_options){0});
    static struct test_call calls[CALLS];
    memset(calls, 0, sizeof calls);
    http_want(w.origin, CALLS);
    UNTIL(&w, http_ready(w.origin) == CALLS);
    uint32_t started = 0, finished = 0;
    while (finished < REQUESTS) {
        for (uint32_t i = 0; i < CALLS; i++) {
            struct test_call *t = &calls[i];
            if (t->done_count == 1) {
                assert_int_equal(t->call.err, ERR_OK);
                assert_int_equal(t->call.response.status, 201);
                http_release(&t->call);
                t->done_count = 0;
                t->call.origin = NULL;
                finished++;
            }
            if (!t->call.origin && started < REQUESTS) {
                prepare(t, &w, 5000);
                assert_int_equal(http_start(&t->call), ERR_OK);
                started++;
            }
        }
        if (finished < REQUESTS)
            loop_wait(w.loop, clock_mono_ns() + NS_PER_S, 32);
    }
    assert_int_equal(w.requests, REQUESTS);
    assert_int_equal(w.accepted, CALLS);
    world_close(&w);
}

static void an_origin_is_told_by_its_url(void **state)
{
    struct world w;
    world_open_http(&w, state, (struct http_options){0});
    char why[HTTP_WHY_SIZE];
    struct http_origin *o = http_origin_add(w.http, "http://[::1]:8080/", NULL, why);
    assert_string_equal(http_origin_name(o), "http://[::1]:8080");
    assert_ptr_equal(http_origin_add(w.http, "http://[::1]:8080", NULL, why), o);
    static const char *const wrong[] = {
        "ftp://a",      "http://",     "http://a:0", "http://a:70000",  "http://a:x",
        "http://a/b",   "http://u@a",  "http://a b", "http://[::1",     "http://a:",
        "http://a\r\n", "https://a?b", "//a",        "http://[::1]x:1", "",
    };
    for (uint32_t i = 0; i < countof(wrong); i++)
        if (http_origin_add(w.http, wrong[i], NULL, why))
            fail_msg("%s was taken for an origin", wrong[i]);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(a_call_gets_its_response),
        ON_BOTH(a_connection_is_used_again),
        ON_BOTH(a_call_without_a_ready_connection_is_told_to_wait),
        ON_BOTH(a_close_is_seen_before_the_connection_is_used_again),
        ON_BOTH(a_connection_that_may_not_be_kept_is_dropped),
        ON_BOTH(a_connection_with_bytes_after_the_response_is_dropped),
        ON_BOTH(an_idle_connection_goes_in_time),
        ON_BOTH(half_of_what_the_peer_allows_is_the_limit_of_idleness),
        ON_BOTH(a_connection_past_its_lifetime_takes_no_call),
        ON_BOTH(a_response_cut_anywhere_is_never_taken_for_a_whole_one),
        ON_BOTH(a_reset_after_the_request_is_ambiguous),
        ON_BOTH(a_body_that_ends_with_the_connection_is_whole),
        ON_BOTH(a_large_body_is_cut),
        ON_BOTH(a_large_head_is_refused),
        ON_BOTH(a_request_that_is_too_large_is_not_started),
        ON_BOTH(silence_ends_at_the_deadline),
        ON_BOTH(half_a_response_ends_at_the_deadline),
        ON_BOTH(a_peer_that_does_not_read_leaves_bytes_untaken),
        ON_BOTH(an_early_answer_counts_and_the_rest_is_not_sent),
        ON_BOTH(a_refused_connection_says_why_and_is_tried_again_later),
        ON_BOTH(connections_stay_below_their_limit),
        ON_BOTH(nothing_is_called_after_close),
        ON_BOTH(thousands_of_requests_go_over_64_connections),
        ON_BOTH(an_origin_is_told_by_its_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
