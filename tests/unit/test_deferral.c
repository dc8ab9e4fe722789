#include "domain/deferral.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct deferral sample(void)
{
    return (struct deferral){
        .due_ms = 1764000000000,
        .event_due_ms = 1764000000000,
        .ring = {96, 1800000, 4},
        .seq = 3,
        .reason = REASON_QUIET_HOURS,
        .origin = {BYTES("carillon.events"), 7, 123456},
        .timestamp_ms = 1763990000000,
        .attempts = 2,
        .kind = BYTES("reminder"),
        .route = BYTES("twilio-main/+15550001111/sms"),
        .segments = 2,
        .expires_ms = 1764100000000,
        .leg_count = 2,
        .legs = {{CARILLON__V1__CHANNEL__CHANNEL_SMS, "0123456789abcdef"},
                 {CARILLON__V1__CHANNEL__CHANNEL_EMAIL, "fedcba9876543210"}},
    };
}

static struct bytes value_of(const struct record_header *h, uint32_t count, const char *name)
{
    return record_header_of(h, count, bytes_of(name));
}

static void a_deferral_is_told_by_its_headers(void **state)
{
    (void)state;
    char text[DEFERRAL_TEXT_MAX];
    struct writer w = writer_of(text, sizeof(text));
    struct record_header h[DEFERRAL_HEADERS_MAX];
    struct deferral d = sample(), back;
    struct bytes wrong;
    uint32_t count;
    assert_int_equal(deferral_encode(&d, &w, h, &count), ERR_OK);
    assert_int_equal(count, 12);
    static const char *const expected[][2] = {
        {"carillon-due", "1764000000000"},
        {"carillon-ring", "96/1800000/4"},
        {"carillon-seq", "3"},
        {"carillon-reason", "quiet_hours"},
        {"carillon-origin", "carillon.events/7/123456"},
        {"carillon-timestamp", "1763990000000"},
        {"carillon-attempts", "2"},
        {"carillon-kind", "reminder"},
        {"carillon-route", "twilio-main/+15550001111/sms"},
        {"carillon-segments", "2"},
        {"carillon-expires", "1764100000000"},
        {"carillon-legs", "sms:0123456789abcdef,email:fedcba9876543210"},
    };
    for (uint32_t i = 0; i < countof(expected); i++) {
        assert_true(bytes_equal(value_of(h, count, expected[i][0]), bytes_of(expected[i][1])));
        assert_true(deferral_owns(bytes_of(expected[i][0])));
    }
    assert_false(deferral_owns(BYTES("traceparent")));
    assert_true(deferral_is(h, count));
    assert_int_equal(deferral_decode(h, count, &back, &wrong), ERR_OK);
    assert_int_equal(back.due_ms, d.due_ms);
    assert_int_equal(back.event_due_ms, d.due_ms);
    assert_int_equal(back.ring.slots, 96);
    assert_int_equal(back.seq, 3);
    assert_int_equal(back.reason, REASON_QUIET_HOURS);
    assert_true(bytes_equal(back.origin.topic, d.origin.topic));
    assert_int_equal(back.origin.offset, 123456);
    assert_int_equal(back.leg_count, 2);
    assert_int_equal(back.legs[1].channel, CARILLON__V1__CHANNEL__CHANNEL_EMAIL);
    assert_memory_equal(back.legs[1].address_hash, "fedcba9876543210", 16);
}

static void a_parked_far_record_says_both_times_and_no_ring(void **state)
{
    (void)state;
    char text[DEFERRAL_TEXT_MAX];
    struct writer w = writer_of(text, sizeof(text));
    struct record_header h[DEFERRAL_HEADERS_MAX];
    struct deferral back, d = {.due_ms = 1000,
                               .event_due_ms = 2000,
                               .seq = 1,
                               .reason = REASON_NOT_DUE,
                               .origin = {BYTES("t"), 0, 0},
                               .kind = BYTES("coupon")};
    struct bytes wrong;
    uint32_t count;
    assert_int_equal(deferral_encode(&d, &w, h, &count), ERR_OK);
    assert_true(bytes_equal(value_of(h, count, "carillon-event-due"), BYTES("2000")));
    assert_null(value_of(h, count, "carillon-ring").at);
    assert_null(value_of(h, count, "carillon-legs").at);
    assert_int_equal(deferral_decode(h, count, &back, &wrong), ERR_OK);
    assert_int_equal(back.event_due_ms, 2000);
    assert_int_equal(back.ring.slots, 0);
    h[count++] = (struct record_header){BYTES("carillon-ring"), BYTES("96/1800000/4")};
    assert_int_equal(deferral_decode(h, count, &back, &wrong), ERR_INVALID);
}

static void a_header_that_is_wrong_or_missing_is_named(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"carillon-due", ""},
        {"carillon-due", "-1"},
        {"carillon-due", "01"},
        {"carillon-due", "253402300800000"},
        {"carillon-due", "9999999999999999999"},
        {"carillon-event-due", "1764000000000"},
        {"carillon-ring", "3/1/1"},
        {"carillon-seq", "0"},
        {"carillon-seq", "1000001"},
        {"carillon-reason", "too_late"},
        {"carillon-reason", "Rate"},
        {"carillon-origin", "t/1"},
        {"carillon-origin", "/1/2"},
        {"carillon-origin", "a/b/1/2"},
        {"carillon-origin", "t/4294967296/1"},
        {"carillon-origin", "t/1/"},
        {"carillon-timestamp", "x"},
        {"carillon-attempts", "+1"},
        {"carillon-kind", "no_kind"},
        {"carillon-route", "a b"},
        {"carillon-route", ""},
        {"carillon-segments", "0"},
        {"carillon-expires", "0"},
        {"carillon-legs", ""},
        {"carillon-legs", "sms:0123456789abcdef,"},
        {"carillon-legs", "fax:0123456789abcdef"},
        {"carillon-legs", "sms:0123456789abcdeF"},
        {"carillon-legs", "sms0123456789abcdef"},
        {"carillon-due", NULL},
        {"carillon-seq", NULL},
        {"carillon-reason", NULL},
        {"carillon-origin", NULL},
        {"carillon-timestamp", NULL},
        {"carillon-attempts", NULL},
        {"carillon-kind", NULL},
    };
    for (uint32_t i = 0; i < countof(bad); i++) {
        char text[DEFERRAL_TEXT_MAX];
        struct writer w = writer_of(text, sizeof(text));
        struct record_header h[DEFERRAL_HEADERS_MAX];
        struct deferral d = sample(), back;
        struct bytes wrong, name = bytes_of(bad[i][0]);
        uint32_t count, at;
        assert_int_equal(deferral_encode(&d, &w, h, &count), ERR_OK);
        for (at = 0; at < count && !bytes_equal(h[at].name, name); at++)
            ;
        h[at].name = name;
        count += at == count;
        if (bad[i][1])
            h[at].value = bytes_of(bad[i][1]);
        else
            h[at] = h[--count];
        assert_int_equal(deferral_decode(h, count, &back, &wrong), ERR_INVALID);
        assert_true(bytes_equal(wrong, name));
    }
}

static void too_many_legs_are_refused_and_too_small_a_text_is_said(void **state)
{
    (void)state;
    char text[DEFERRAL_TEXT_MAX];
    struct writer w = writer_of(text, sizeof(text));
    struct record_header h[DEFERRAL_HEADERS_MAX];
    struct deferral d = sample(), back;
    struct bytes wrong;
    uint32_t count;
    for (d.leg_count = 0; d.leg_count < DEFERRAL_LEGS_MAX; d.leg_count++)
        d.legs[d.leg_count] =
            (struct deferral_leg){CARILLON__V1__CHANNEL__CHANNEL_PUSH, "0000000000000000"};
    assert_int_equal(deferral_encode(&d, &w, h, &count), ERR_OK);
    assert_int_equal(deferral_decode(h, count, &back, &wrong), ERR_OK);
    assert_int_equal(back.leg_count, DEFERRAL_LEGS_MAX);
    struct bytes legs = h[count - 1].value;
    write_literal(&w, ",push:0000000000000000");
    h[count - 1].value.size = (size_t)(text + w.size - legs.at);
    assert_int_equal(deferral_decode(h, count, &back, &wrong), ERR_INVALID);
    w = writer_of(text, 100);
    assert_int_equal(deferral_encode(&d, &w, h, &count), ERR_TOO_LARGE);
}

static void a_key_is_split_as_it_was_made(void **state)
{
    (void)state;
    static const char *const ids[] = {"e", "a#b", "source#1", "a#sms:0123456789abcdef", "#", "a#"};
    struct deferral d = sample();
    for (uint32_t i = 0; i < countof(ids); i++)
        for (uint32_t legs = 0; legs < 2; legs++) {
            char text[DEFERRAL_KEY_MAX];
            struct writer w = writer_of(text, sizeof(text));
            struct deferral_key key;
            deferral_write_key(&w, bytes_of(ids[i]), 12, legs ? &d.legs[0] : NULL);
            assert_int_equal(deferral_parse_key(writer_bytes(&w), &key), ERR_OK);
            assert_true(bytes_equal(key.event_id, bytes_of(ids[i])));
            assert_int_equal(key.seq, 12);
            assert_int_equal(key.has_leg, legs);
        }
    static const char *const bad[] = {"",
                                      "e",
                                      "#1",
                                      "e#",
                                      "e#0",
                                      "e#01",
                                      "e#x",
                                      "e#sms:0123456789abcdef",
                                      "e#1#fax:0123456789abcdef"};
    struct deferral_key key;
    for (uint32_t i = 0; i < countof(bad); i++)
        assert_int_equal(deferral_parse_key(bytes_of(bad[i]), &key), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deferral_is_told_by_its_headers),
        cmocka_unit_test(a_parked_far_record_says_both_times_and_no_ring),
        cmocka_unit_test(a_header_that_is_wrong_or_missing_is_named),
        cmocka_unit_test(too_many_legs_are_refused_and_too_small_a_text_is_said),
        cmocka_unit_test(a_key_is_split_as_it_was_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
