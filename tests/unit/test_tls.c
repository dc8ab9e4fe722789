#include "http_world.h"

#include <sys/stat.h>

static char folder[] = "/tmp/carillon-tls-XXXXXX";
static char ca_file[64], key_file[64];

static void sh(const char *command)
{
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

/* A certificate of our CA, named `name`.pem. */
static void make_certificate(const char *name, const char *alternative, int days)
{
    char command[1024];
    snprintf(command, sizeof command,
             "cd %s && printf 'subjectAltName=%s' > ext && "
             "openssl req -new -key server.key -subj /CN=server -out csr 2>>log && "
             "openssl x509 -req -in csr -CA ca.pem -CAkey ca.key -CAcreateserial -days %d "
             "-extfile ext -out %s.pem 2>>log",
             folder, alternative, days, name);
    sh(command);
}

static int make_files(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    char command[1024];
    snprintf(command, sizeof command,
             "cd %s && for k in ca server; do openssl ecparam -name prime256v1 -genkey -noout "
             "-out $k.key; done && openssl req -x509 -new -key ca.key -subj /CN=test-ca -days 2 "
             "-out ca.pem 2>>log",
             folder);
    sh(command);
    snprintf(ca_file, sizeof ca_file, "%s/ca.pem", folder);
    snprintf(key_file, sizeof key_file, "%s/server.key", folder);
    make_certificate("good", "IP:127.0.0.1,DNS:localhost", 2);
    make_certificate("other", "DNS:other.example,IP:127.0.0.2", 2);
    make_certificate("expired", "IP:127.0.0.1", -1);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    sh(command);
    return 0;
}

static void open_world(struct world *w, void **state, const char *certificate, const char *ca,
                       struct http_options options)
{
    world_open(w, state);
    char cert_file[80], why[TLS_WHY_SIZE];
    snprintf(cert_file, sizeof cert_file, "%s/%s.pem", folder, certificate);
    w->server_tls =
        tls_server_open(&(struct tls_options){.cert_file = cert_file, .key_file = key_file}, why);
    assert_non_null(w->server_tls);
    world_add_origin(w, "https", ca, options);
}

static void expect_refusal(struct world *w, enum err err, const char *why)
{
    http_want(w->origin, 1);
    UNTIL(w, http_origin_stats(w->origin).connects_failed > 0);
    struct http_origin_stats s = http_origin_stats(w->origin);
    assert_int_equal(s.last_err, err);
    assert_string_equal(s.last_why, why);
    assert_int_equal(http_ready(w->origin), 0);
    world_close(w);
}

static void a_call_goes_over_tls(void **state)
{
    struct world w;
    open_world(&w, state, "good", ca_file, (struct http_options){0});
    for (uint32_t i = 0; i < 3; i++) {
        struct test_call t;
        run(&t, &w);
        assert_int_equal(t.call.err, ERR_OK);
        assert_int_equal(t.call.response.status, 201);
        assert_true(t.call.all_taken);
        assert_true(t.call.first_byte_ns > 0);
        http_release(&t.call);
    }
    assert_int_equal(w.accepted, 1);
    assert_int_equal(http_origin_stats(w.origin).handshakes, 1);
    world_close(&w);
}

static void large_requests_and_responses_go_over_tls(void **state)
{
    struct world w;
    open_world(&w, state, "good", ca_file, (struct http_options){.response_max = 200000});
    enum { SIZE = 100000 };
    char *answer = malloc(SIZE + 100);
    int head = sprintf(answer, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", SIZE);
    for (uint32_t i = 0; i < SIZE; i++)
        answer[head + (int)i] = (char)('a' + i % 26);
    w.script.answer = (struct bytes){answer, (size_t)head + SIZE};
    http_want(w.origin, 1);
    UNTIL(&w, http_ready(w.origin) > 0);
    struct test_call t;
    prepare(&t, &w, 3000);
    t.request.body = (struct bytes){answer, 60000};
    assert_int_equal(http_start(&t.call), ERR_OK);
    UNTIL(&w, t.done_count > 0);
    assert_int_equal(t.call.err, ERR_OK);
    assert_true(t.call.all_taken);
    assert_true(bytes_equal(t.call.response.body, (struct bytes){answer + head, SIZE}));
    http_release(&t.call);
    free(answer);
    world_close(&w);
}

static void a_second_connection_takes_up_the_session(void **state)
{
    struct world w;
    open_world(&w, state, "good", ca_file, (struct http_options){0});
    w.script.after = AFTER_CLOSE;
    for (uint32_t i = 0; i < 3; i++) {
        struct test_call t;
        run(&t, &w);
        assert_int_equal(t.call.err, ERR_OK);
        http_release(&t.call);
    }
    assert_int_equal(http_origin_stats(w.origin).handshakes, 3);
    assert_int_equal(http_origin_stats(w.origin).handshakes_resumed, 2);
    world_close(&w);
}

static void a_certificate_for_another_host_is_refused(void **state)
{
    struct world w;
    open_world(&w, state, "other", ca_file, (struct http_options){0});
    expect_refusal(&w, ERR_TLS, "the certificate of 127.0.0.1 is refused: IP address mismatch");
}

static void an_expired_certificate_is_refused(void **state)
{
    struct world w;
    open_world(&w, state, "expired", ca_file, (struct http_options){0});
    expect_refusal(&w, ERR_TLS, "the certificate of 127.0.0.1 is refused: certificate has expired");
}

static void a_certificate_of_a_stranger_is_refused(void **state)
{
    struct world w;
    open_world(&w, state, "good", NULL, (struct http_options){0});
    expect_refusal(&w, ERR_TLS,
                   "the certificate of 127.0.0.1 is refused: unable to get local issuer "
                   "certificate");
}

static void a_peer_that_does_not_speak_tls_is_told_from_one_that_does(void **state)
{
    struct world w;
    world_open(&w, state);
    w.script.on_first_byte = true;
    world_add_origin(&w, "https", ca_file, (struct http_options){0});
    expect_refusal(&w, ERR_TLS, "TLS: wrong version number");
}

static void a_handshake_has_a_deadline(void **state)
{
    struct world w;
    world_open(&w, state);
    w.ignores = true;
    world_add_origin(&w, "https", ca_file, (struct http_options){.connect_ms = 30});
    expect_refusal(&w, ERR_TIMEOUT, "no TLS handshake with 127.0.0.1 in time");
}

static void a_peer_that_leaves_during_the_handshake_is_a_tls_failure(void **state)
{
    struct world w;
    world_open(&w, state);
    w.script = (struct script){.on_first_byte = true, .after = AFTER_CLOSE};
    world_add_origin(&w, "https", ca_file, (struct http_options){0});
    expect_refusal(&w, ERR_TLS, "the peer closed the connection during the TLS handshake");
}

static void a_missing_ca_file_is_said(void **state)
{
    (void)state;
    char why[TLS_WHY_SIZE];
    assert_null(tls_client_open(&(struct tls_options){.ca_file = "/none.pem"}, why));
    assert_string_equal(why, "cannot read the CA file /none.pem: No such file or directory");
}

/* The peer resets at the first bytes of a request that the socket cannot hold. */
static void a_request_that_was_not_taken_whole_is_told(void **state)
{
    struct world w;
    open_world(&w, state, "good", ca_file, (struct http_options){.request_max = 32 << 20});
    w.script = (struct script){.on_first_byte = true, .after = AFTER_RESET};
    http_want(w.origin, 1);
    UNTIL(&w, http_ready(w.origin) > 0);
    struct test_call t;
    prepare(&t, &w, 3000);
    t.request.body = (struct bytes){calloc(1, 24 << 20), 24 << 20};
    assert_int_equal(http_start(&t.call), ERR_OK);
    free((char *)(uintptr_t)t.request.body.at);
    UNTIL(&w, t.done_count > 0);
    assert_int_equal(t.call.err, ERR_RESET);
    assert_true(t.call.any_taken);
    assert_false(t.call.all_taken);
    http_release(&t.call);
    world_close(&w);
}

static void a_body_that_ends_without_a_goodbye_is_broken(void **state)
{
    for (uint32_t i = 0; i < 2; i++) {
        struct world w;
        open_world(&w, state, "good", ca_file, (struct http_options){0});
        w.script = (struct script){.answer = BYTES("HTTP/1.1 200 OK\r\n\r\nabc"),
                                   .after = i == 0 ? AFTER_CLOSE : AFTER_RESET};
        struct test_call t;
        run(&t, &w);
        if (i == 0)
            assert_int_equal(t.call.err, ERR_OK);
        else
            assert_int_not_equal(t.call.err, ERR_OK);
        if (t.call.err != ERR_RESET) /* a reset may drop what was not read */
            assert_int_equal(t.call.response.status, 200);
        http_release(&t.call);
        world_close(&w);
    }
}

static void hundreds_of_connections_speak_tls(void **state)
{
    enum { CALLS = 100 };
    struct world w;
    open_world(&w, state, "good", ca_file, (struct http_options){0});
    static struct test_call calls[CALLS];
    http_want(w.origin, CALLS);
    UNTIL(&w, http_ready(w.origin) == CALLS);
    for (uint32_t round = 0; round < 5; round++) {
        for (uint32_t i = 0; i < CALLS; i++) {
            prepare(&calls[i], &w, 3000);
            assert_int_equal(http_start(&calls[i].call), ERR_OK);
        }
        for (uint32_t i = 0; i < CALLS; i++) {
            UNTIL(&w, calls[i].done_count == 1);
            assert_int_equal(calls[i].call.err, ERR_OK);
        }
        for (uint32_t i = 0; i < CALLS; i++)
            http_release(&calls[i].call);
    }
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(a_call_goes_over_tls),
        ON_BOTH(large_requests_and_responses_go_over_tls),
        ON_BOTH(a_second_connection_takes_up_the_session),
        ON_BOTH(a_certificate_for_another_host_is_refused),
        ON_BOTH(an_expired_certificate_is_refused),
        ON_BOTH(a_certificate_of_a_stranger_is_refused),
        ON_BOTH(a_peer_that_does_not_speak_tls_is_told_from_one_that_does),
        ON_BOTH(a_handshake_has_a_deadline),
        ON_BOTH(a_peer_that_leaves_during_the_handshake_is_a_tls_failure),
        cmocka_unit_test(a_missing_ca_file_is_said),
        ON_BOTH(a_request_that_was_not_taken_whole_is_told),
        ON_BOTH(a_body_that_ends_without_a_goodbye_is_broken),
        ON_BOTH(hundreds_of_connections_speak_tls),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
