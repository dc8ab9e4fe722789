#include "claim_explore.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Budgets of each exploration: how often a worker is killed, an answer, a command or
 * all of Redis is lost, time passes, a worker stalls with an answer in hand. */
static void explored(const struct bounds *bounds)
{
    struct explorer *e = explore(bounds);
    print_message("  %s: %llu states, %llu steps\n", bounds->name,
                  (unsigned long long)e->seen.count, (unsigned long long)e->step_count);
    if (e->violation)
        print_message("%s\n", e->trace);
    assert_null(e->violation);
#ifndef DEBUG_CHECKS /* sanitizers see a part of it */
    assert_false(e->seen.full);
#endif
    assert_true(e->seen.count > 1000);
    assert_true(e->ends[CLAIM_SENT % 8] > 0);
    explorer_free(e);
}

static void one_record_in_two_hands_is_sent_once_or_says_so(void **state)
{
    (void)state;
    explored(&(struct bounds){.name = "a kill and a stall before an answer is seen",
                              .resend = true,
                              .kills = 1,
                              .stalls = 1,
                              .times = 1});
    explored(&(struct bounds){
        .name = "a kill and a lost answer", .resend = true, .kills = 1, .losses = 1, .times = 1});
    explored(&(struct bounds){
        .name = "claims given back", .resend = true, .losses = 1, .gives_back = true, .times = 1});
}

static void a_late_command_changes_nothing(void **state)
{
    (void)state;
    explored(&(struct bounds){
        .name = "a late command", .resend = true, .losses = 1, .late = true, .times = 1});
}

static void a_class_without_resend_is_never_sent_twice(void **state)
{
    (void)state;
    explored(&(struct bounds){.name = "no resend", .kills = 1, .losses = 1, .times = 1});
}

static void a_provider_that_honours_keys_sees_no_risk(void **state)
{
    (void)state;
    explored(&(struct bounds){.name = "honoured key", .honours = true, .kills = 1, .times = 1});
}

static void a_copy_of_an_event_is_a_duplicate(void **state)
{
    (void)state;
    explored(&(struct bounds){
        .name = "copies and a kill", .resend = true, .copy = true, .kills = 1, .times = 1});
    explored(&(struct bounds){
        .name = "copies and a lost answer", .resend = true, .copy = true, .losses = 1, .times = 1});
}

static void an_emptied_redis_hides_no_send(void **state)
{
    (void)state;
    explored(&(struct bounds){.name = "emptied", .resend = true, .empties = 1, .times = 1});
    explored(&(struct bounds){
        .name = "emptied and a kill", .resend = true, .empties = 1, .kills = 1, .times = 1});
    explored(&(struct bounds){.name = "emptied and a lost answer",
                              .resend = true,
                              .empties = 1,
                              .losses = 1,
                              .times = 1});
    explored(&(struct bounds){.name = "emptied, no resend", .empties = 1, .kills = 1, .times = 1});
    explored(&(struct bounds){
        .name = "emptied, copies", .resend = true, .copy = true, .empties = 1, .times = 1});
}

static void many_faults_at_once_break_no_promise(void **state)
{
    (void)state;
    enum { WALKS = 20000 };
    struct explorer *e = calloc(1, sizeof *e);
    assert_non_null(e);
    uint64_t random = 1;
    for (uint32_t i = 0; i < WALKS && !e->violation; i++) {
        const struct bounds bounds = {.resend = prng_upto(&random, 3) > 0,
                                      .honours = prng_upto(&random, 3) == 0,
                                      .copy = prng_upto(&random, 3) == 0,
                                      .late = prng_upto(&random, 3) == 0,
                                      .gives_back = prng_upto(&random, 2) > 0,
                                      .kills = (uint32_t)prng_upto(&random, 4),
                                      .losses = (uint32_t)prng_upto(&random, 4),
                                      .times = (uint32_t)prng_upto(&random, 6),
                                      .empties = (uint32_t)prng_upto(&random, 2),
                                      .stalls = (uint32_t)prng_upto(&random, 3)};
        walk(e, &bounds, &random);
    }
    if (e->violation)
        print_message("%s\n", e->trace);
    assert_null(e->violation);
    explorer_free(e);
}

static void a_value_survives_being_written_and_read(void **state)
{
    (void)state;
    char text[CLAIM_VALUE_MAX], id[CLAIM_TEXT_MAX], back[CLAIM_TEXT_MAX];
    struct writer encoded = writer_of(id, sizeof(id));
    claim_write_text(&encoded, BYTES("SM|12%\n"));
    struct claim_value v = {.kind = CLAIM_SENT,
                            .own = bytes_of(owns[0]),
                            .nonce = UINT64_C(0x0123456789abcdef),
                            .attempts = 2,
                            .risk = 1,
                            .time_ms = 1764000000000,
                            .text = writer_bytes(&encoded)};
    struct writer w = writer_of(text, sizeof(text) - 1);
    claim_write_value(&w, &v);
    text[w.size] = '\0';
    assert_string_equal(text, "S|AAAAAAAAAAAAAAAAAAAAAA|t/0/1|0123456789abcdef|2|1|1764000000000|"
                              "SM%7c12%25%0a");
    struct claim_value read;
    assert_true(claim_parse_value(writer_bytes(&w), &read));
    assert_true(claim_same_owner(&read, &v));
    assert_int_equal(read.nonce, v.nonce);
    assert_int_equal(read.time_ms, v.time_ms);
    assert_int_equal(claim_read_text(read.text, back), 7);
    assert_memory_equal(back, "SM|12%\n", 7);
}

static void what_is_no_value_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "C",
                                      "C|e|o|0123456789abcdef|1|0",
                                      "C|e|o|0123456789abcdef|1|0|5|x",
                                      "S|e|o|0123456789abcdef|1|0|5",
                                      "C|e|o|0123456789abcde|1|0|5",
                                      "C|e|o|0123456789abcdef|-1|0|5",
                                      "C|e|o|0123456789abcdef|01|0|5",
                                      "C||o|0123456789abcdef|1|0|5",
                                      "Y|e|o|0123456789abcdef|1|0|5",
                                      "X|e|o|0123456789abcdef|1|0|5|r|r",
                                      "C|e|o|0123456789abcdef|1|0|99999999999999999999",
                                      "C|e|o|0123456789abcdeF|1|0|5",
                                      "C|e|o|0123456789abcd/f|1|0|5",
                                      "C|e|o|0123456789abcdxf|1|0|5",
                                      "C|e|o|0123456789abcdef|1x|0|5",
                                      "C|e|o|0123456789abcdef|1|/|5",
                                      "C|e|o|0123456789abcdef|1|0|",
                                      "C|e|o|0123456789abcdef|1|0|9999999999999999999",
                                      "C|e|o|0123456789abcdef|9999999999|0|5",
                                      "C|e||0123456789abcdef|1|0|5",
                                      "CS|e|o|0123456789abcdef|1|0|5",
                                      "|e|o|0123456789abcdef|1|0|5",
                                      "C|e",
                                      "C|e|o",
                                      "C|e|o|0123456789abcdef",
                                      "C|e|o|0123456789abcdef|1"};
    struct claim_value v;
    for (uint32_t i = 0; i < countof(bad); i++)
        assert_false(claim_parse_value(bytes_of(bad[i]), &v));
    assert_true(claim_parse_value(BYTES("C|e|o|0123456789abcdef|1|0|5"), &v));
}

static void a_value_longer_than_any_of_ours_is_refused(void **state)
{
    (void)state;
    char text[CLAIM_VALUE_MAX + 64];
    struct claim_value v;
    for (size_t own = CLAIM_OWN_MAX - 4; own < CLAIM_OWN_MAX + 2; own++) {
        struct writer w = writer_of(text, sizeof text);
        write_literal(&w, "C|");
        for (size_t i = 0; i + 2 < own; i++)
            write_char(&w, 'e');
        write_literal(&w, "|o|0123456789abcdef|1|0|5");
        assert_int_equal(claim_parse_value(writer_bytes(&w), &v), own <= CLAIM_OWN_MAX);
    }
    for (size_t size = CLAIM_TEXT_MAX - 1; size < CLAIM_TEXT_MAX + 2; size++) {
        struct writer w = writer_of(text, sizeof text);
        write_literal(&w, "S|e|o|0123456789abcdef|1|0|5|");
        for (size_t i = 0; i < size; i++)
            write_char(&w, 'x');
        assert_int_equal(claim_parse_value(writer_bytes(&w), &v), size <= CLAIM_TEXT_MAX);
    }
    memset(text, '0', sizeof text);
    assert_false(claim_parse_value((struct bytes){text, sizeof text}, &v));
}

static void a_text_is_cut_between_characters_and_read_as_far_as_it_is_one(void **state)
{
    (void)state;
    char all[CLAIM_TEXT_MAX + 8], memory[CLAIM_TEXT_MAX], back[CLAIM_TEXT_MAX];
    memset(all, 'x', sizeof all);
    for (size_t at = CLAIM_TEXT_MAX - 4; at <= CLAIM_TEXT_MAX; at++) {
        struct writer w = writer_of(memory, sizeof memory);
        all[at] = '|';
        claim_write_text(&w, (struct bytes){all, sizeof all});
        assert_false(w.overflow);
        size_t whole = at + 3 <= CLAIM_TEXT_MAX ? CLAIM_TEXT_MAX - 2 : at;
        assert_int_equal(claim_read_text(writer_bytes(&w), back), whole);
        assert_memory_equal(back, all, whole);
        all[at] = 'x';
    }
    assert_int_equal(claim_read_text(BYTES("%"), back), 1);
    assert_int_equal(claim_read_text(BYTES("a%4"), back), 3);
    assert_int_equal(claim_read_text(BYTES("%4g%g4"), back), 6);
    assert_int_equal(claim_read_text(BYTES("%4A"), back), 3);
    assert_int_equal(claim_read_text(BYTES(""), back), 0);
    assert_int_equal(claim_read_text(BYTES("%7c%"), back), 2);
}

/* At each place of a text that is looked at eight by eight, and then one by one. */
static void letters_digits_and_six_marks_stand_as_they_are(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c != 0 && strchr("-._~:", c));
        for (size_t at = 0; at < 19; at++) {
            char text[19], memory[64], expected[64];
            memset(text, 'x', sizeof text);
            text[at] = (char)c;
            struct writer w = writer_of(memory, sizeof memory);
            struct writer e = writer_of(expected, sizeof expected);
            claim_write_text(&w, (struct bytes){text, sizeof text});
            write_bytes(&e, text, at);
            write_format(&e, plain ? "%c" : "%%%02x", c);
            write_bytes(&e, text + at + 1, sizeof text - at - 1);
            assert_int_equal(w.size, e.size);
            assert_memory_equal(memory, expected, e.size);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_record_in_two_hands_is_sent_once_or_says_so),
        cmocka_unit_test(a_late_command_changes_nothing),
        cmocka_unit_test(a_class_without_resend_is_never_sent_twice),
        cmocka_unit_test(a_provider_that_honours_keys_sees_no_risk),
        cmocka_unit_test(a_copy_of_an_event_is_a_duplicate),
        cmocka_unit_test(an_emptied_redis_hides_no_send),
        cmocka_unit_test(a_value_survives_being_written_and_read),
        cmocka_unit_test(many_faults_at_once_break_no_promise),
        cmocka_unit_test(what_is_no_value_is_refused),
        cmocka_unit_test(a_value_longer_than_any_of_ours_is_refused),
        cmocka_unit_test(a_text_is_cut_between_characters_and_read_as_far_as_it_is_one),
        cmocka_unit_test(letters_digits_and_six_marks_stand_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
