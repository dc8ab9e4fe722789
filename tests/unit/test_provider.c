/* The simulated provider: what it reads of a request, and when it misbehaves. */
#include "bench/answer.h"
#include "bench/attempts.h"
#include "bench/delays.h"
#include "bench/faults.h"
#include "bench/request.h"

#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define TOKEN "bench-0123abcd-00000042-0"

static uint64_t hash_of(const char *text)
{
    return hash64(text, strlen(text), 0);
}

static void parse(const char *text, struct sim_request *request)
{
    size_t need;
    assert_int_equal(request_parse(bytes_of(text), request, &need), SIM_PARSE_DONE);
}

static struct sim_record read_body(const char *path, const char *headers, const char *body)
{
    char text[2048], scratch[1024];
    snprintf(text, sizeof text, "POST %s HTTP/1.1\r\n%sContent-Length: %zu\r\n\r\n%s", path,
             headers, strlen(body), body);
    struct sim_request request;
    struct sim_record record = {0};
    parse(text, &request);
    request_read(&request, scratch, sizeof scratch, &record);
    return record;
}

static void a_form_tells_text_address_and_token(void **state)
{
    (void)state;
    struct sim_record r = read_body("/2010-04-01/Accounts/AC1/Messages.json", "",
                                    "To=%2B33612345678&From=%2B1&Body=%C3%A0+bient%c3%b4t%26" TOKEN
                                    "&ValidityPeriod=1");
    assert_int_equal(r.channel, SIM_SMS);
    assert_string_equal(r.route, "twilio/AC1");
    assert_string_equal(r.token, TOKEN);
    assert_true(r.text_hash == hash_of("à bientôt&" TOKEN));
    assert_true(r.to_hash == hash_of("+33612345678"));
}

static void an_email_tells_text_address_token_and_key(void **state)
{
    (void)state;
    struct sim_record r = read_body(
        "/v3/mail/send", "",
        "{\"personalizations\":[{\"to\":[{\"email\":\"a@b.example\",\"name\":\"A\"}],"
        "\"custom_args\":{\"leg\":\"L1\"}}],\"from\":{\"email\":\"no@x.example\"},"
        "\"content\":[{\"type\":\"text/plain\",\"value\":\"\\u00e9\\ud83c\\udf89\\n\\\"q\\\" " TOKEN
        "\"}]}");
    assert_int_equal(r.channel, SIM_EMAIL);
    assert_string_equal(r.key, "L1");
    assert_string_equal(r.token, TOKEN);
    assert_true(r.text_hash == hash_of("é🎉\n\"q\" " TOKEN));
    assert_true(r.to_hash == hash_of("a@b.example"));
}

static void a_webhook_tells_its_channel_and_key(void **state)
{
    (void)state;
    struct sim_record r =
        read_body("/notifications", "idempotency-key: L2\r\n",
                  "{\"channel\":\"push\",\"to\":{\"address\":\"t\"},\"text\":\"hi " TOKEN "\"}");
    assert_int_equal(r.channel, SIM_PUSH);
    assert_string_equal(r.route, "webhook/notifications");
    assert_string_equal(r.key, "L2");
    assert_true(r.text_hash == hash_of("hi " TOKEN));
    assert_true(r.to_hash == hash_of("t"));
}

static void only_a_whole_token_is_one(void **state)
{
    (void)state;
    char out[32] = "";
    assert_false(token_find(BYTES("bench-0123abcd-00000042-"), out));
    assert_false(token_find(BYTES("bench-0123abcg-00000042-0 bench-"), out));
    assert_false(token_find((struct bytes){0}, out));
    assert_true(token_find(BYTES("bench-bench-0123abcd-00000042-0"), out));
    assert_string_equal(out, TOKEN);
}

static void a_request_is_whole_only_at_its_last_byte(void **state)
{
    (void)state;
    static const char text[] = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    struct sim_request request;
    size_t need;
    for (size_t n = 0; n < sizeof text - 1; n++)
        assert_int_equal(request_parse((struct bytes){text, n}, &request, &need), SIM_PARSE_MORE);
    parse(text, &request);
    assert_int_equal(request.size, sizeof text - 1);
    parse("GET / HTTP/1.1\r\nConnection: Close\r\n\r\nPOST", &request);
    assert_true(request.close);
    assert_int_equal(request.size, strlen("GET / HTTP/1.1\r\nConnection: Close\r\n\r\n"));
}

static void what_is_no_request_is_said_to_be_bad(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "POST /x HTTP/1.0\r\n\r\n",
        "POST\r\n\r\n",
        "POST /x HTTP/1.1\r\nContent-Length: 5a\r\n\r\n",
        "POST /x HTTP/1.1\r\nContent-Length: \r\n\r\n",
        "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    };
    struct sim_request request;
    size_t need;
    for (size_t i = 0; i < countof(bad); i++)
        assert_int_equal(request_parse(bytes_of(bad[i]), &request, &need), SIM_PARSE_BAD);
}

static void a_rate_is_met_and_a_seed_repeats_it(void **state)
{
    (void)state;
    struct faults f = {.seed = 9}, other = {.seed = 10};
    assert_true(faults_set(&f, "reset=0.1"));
    assert_true(faults_set(&f, "429=0.05"));
    assert_true(faults_set(&other, "reset=0.1"));
    uint32_t count[SIM_ACTION_COUNT] = {0}, same = 0, others = 0;
    for (uint32_t i = 0; i < 100000; i++) {
        char token[32];
        uint64_t dice;
        snprintf(token, sizeof token, "bench-00000001-%08u-0", i);
        enum sim_action action = faults_draw(&f, token, SIM_SMS, 1, &dice);
        count[action]++;
        same += faults_draw(&f, token, SIM_SMS, 1, &dice) == action;
        others += action == SIM_RESET && faults_draw(&f, token, SIM_SMS, 2, &dice) == SIM_RESET;
    }
    assert_in_range(count[SIM_RESET], 9500, 10500);
    assert_in_range(count[SIM_THROTTLE], 4700, 5300);
    assert_int_equal(count[SIM_OK] + count[SIM_RESET] + count[SIM_THROTTLE], 100000);
    assert_int_equal(same, 100000);
    assert_in_range(others, 800, 1200); /* the next attempt is another draw */
}

static void all_spreads_over_every_fault(void **state)
{
    (void)state;
    struct faults f = {0};
    double sum = 0;
    assert_true(faults_set(&f, "all=0.02"));
    for (int i = 0; i < SIM_ACTION_COUNT; i++) {
        bool fault = i != SIM_OK && i != SIM_NOT_FOUND && i != SIM_REJECT;
        assert_true(fault == (f.rate[i] > 0));
        sum += i == SIM_REFUSE ? 0 : f.rate[i];
    }
    assert_true(sum > 0.0199 && sum < 0.0201 && f.rate[SIM_REFUSE] == 0.02);
    assert_true(f.rate[SIM_REJECT] == 0 && f.rate[SIM_OK] == 0);
    assert_false(faults_set(&f, "nonsense=0.1"));
    assert_false(faults_set(&f, "reset=2"));
    assert_false(faults_set(&f, "reset"));
}

static void every_answer_is_a_whole_one(void **state)
{
    (void)state;
    static const char *const routes[] = {"twilio/AC1", "sendgrid", "webhook/x"};
    for (size_t i = 0; i < countof(routes); i++) {
        for (uint8_t action = 0; action < SIM_ACTION_COUNT; action++) {
            char memory[ANSWER_MAX];
            struct sim_record r = {.action = action};
            snprintf(r.route, sizeof r.route, "%s", routes[i]);
            r.status = answer_status(&r, 1);
            if (r.status == 0)
                continue;
            struct writer w = writer_of(memory, sizeof memory);
            answer_write(&w, &r, false);
            assert_false(w.overflow);
            write_char(&w, '\0');
            const char *length = strstr(memory, "Content-Length: ");
            const char *body = strstr(memory, "\r\n\r\n") + 4;
            assert_int_equal(strtoul(length + 16, NULL, 10), strlen(body));
        }
    }
}

static void attempts_are_counted_like_a_plain_array_does(void **state)
{
    (void)state;
    struct attempts a = {0};
    static uint16_t plain[5000];
    uint64_t seed = 3;
    for (int i = 0; i < 50000; i++) {
        uint64_t key = prng_upto(&seed, countof(plain));
        assert_int_equal(attempts_add(&a, hash64(&key, sizeof key, 0)), ++plain[key]);
    }
    attempts_deinit(&a);
}

static void delays_end_in_the_order_of_time(void **state)
{
    (void)state;
    struct delays d = {0};
    struct delay out;
    uint64_t seed = 4, last = 0;
    for (int i = 0; i < 3000; i++)
        delays_put(&d, (struct delay){.due_ns = prng_upto(&seed, 1000)});
    assert_true(delays_take(&d, 499, &out));
    for (uint64_t now = out.due_ns; d.count > 0; now++) {
        while (delays_take(&d, now, &out)) {
            assert_true(out.due_ns >= last && out.due_ns <= now);
            last = out.due_ns;
        }
    }
    free(d.heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_form_tells_text_address_and_token),
        cmocka_unit_test(an_email_tells_text_address_token_and_key),
        cmocka_unit_test(a_webhook_tells_its_channel_and_key),
        cmocka_unit_test(only_a_whole_token_is_one),
        cmocka_unit_test(a_request_is_whole_only_at_its_last_byte),
        cmocka_unit_test(what_is_no_request_is_said_to_be_bad),
        cmocka_unit_test(a_rate_is_met_and_a_seed_repeats_it),
        cmocka_unit_test(all_spreads_over_every_fault),
        cmocka_unit_test(every_answer_is_a_whole_one),
        cmocka_unit_test(attempts_are_counted_like_a_plain_array_does),
        cmocka_unit_test(delays_end_in_the_order_of_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
