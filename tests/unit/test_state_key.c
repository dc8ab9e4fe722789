#include "domain/state_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void keys_hold_the_first_half_of_a_hash_of_tenant_and_subject(void **state)
{
    (void)state;
    char key[STATE_KEY_SIZE];
    state_recipient_key(BYTES("t"), BYTES("+33612345678"), key); /* sha256sum says so */
    assert_memory_equal(key, "r1:{bcff5f9fcceb5b2701e54e2719cb4a67}", STATE_KEY_SIZE);
    char other[STATE_KEY_SIZE];
    state_recipient_key(BYTES("t\0+3361"), BYTES("2345678"), other);
    assert_memory_not_equal(key, other, STATE_KEY_SIZE);
    state_booking_key(BYTES("t"), BYTES("+33612345678"), other);
    assert_memory_equal(other, "b1", 2);
    assert_memory_equal(other + 2, key + 2, STATE_KEY_SIZE - 2);
}

static void pieces_one_after_the_other_are_the_document(void **state)
{
    (void)state;
    struct bytes value = BYTES("opt_out|7|3|a|bline|12|0|block|1|2|cd");
    struct state_piece piece;
    struct bytes rest = value;
    assert_true(state_next(&rest, &piece));
    assert_true(bytes_equal(piece.aspect, BYTES("opt_out")));
    assert_int_equal(piece.offset, 7);
    assert_true(bytes_equal(piece.wire, BYTES("a|b")));
    char text[16];
    struct writer out = writer_of(text, sizeof text);
    assert_int_equal(state_document(value, &out), ERR_OK);
    assert_true(bytes_equal(writer_bytes(&out), BYTES("a|bcd")));
}

static void a_damaged_value_is_told(void **state)
{
    (void)state;
    static const char *const values[] = {
        "x",
        "opt_out|7|3|ab",
        "opt_out|7",
        "|7|0|",
        "a|-1|0|",
        "a|1|1",
        "a|99999999999999999999|0|",
        "a|1|0|b",
    };
    for (size_t i = 0; i < countof(values); i++) {
        char text[64];
        struct writer out = writer_of(text, sizeof text);
        assert_int_equal(state_document(bytes_of(values[i]), &out), ERR_INVALID);
    }
}

static void keys_of_records_are_split_at_the_first_and_the_last_slash(void **state)
{
    (void)state;
    struct state_subject s;
    assert_true(state_parse_recipient(BYTES("t/cust/9/block"), &s));
    assert_true(bytes_equal(s.tenant, BYTES("t")));
    assert_true(bytes_equal(s.subject, BYTES("cust/9")));
    assert_true(bytes_equal(s.aspect, BYTES("block")));
    assert_false(state_parse_recipient(BYTES("t/block"), &s));
    assert_false(state_parse_recipient(BYTES("t//block"), &s));
    assert_false(state_parse_recipient(BYTES("/x/block"), &s));
    assert_false(state_parse_recipient(BYTES("t/x/"), &s));
    assert_true(state_parse_booking(BYTES("t/b/1"), &s));
    assert_true(bytes_equal(s.subject, BYTES("b/1")));
    assert_false(state_parse_booking(BYTES("t"), &s));
    assert_false(state_parse_booking((struct bytes){0}, &s));
    assert_false(state_tenant_fits(BYTES("a/b")));
    assert_true(state_tenant_fits(BYTES("*")));
    char longest[65];
    memset(longest, 't', sizeof longest);
    assert_true(state_tenant_fits((struct bytes){longest, 64}));
    assert_false(state_tenant_fits((struct bytes){longest, 65}));
    assert_false(state_tenant_fits(BYTES("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_hold_the_first_half_of_a_hash_of_tenant_and_subject),
        cmocka_unit_test(pieces_one_after_the_other_are_the_document),
        cmocka_unit_test(a_damaged_value_is_told),
        cmocka_unit_test(keys_of_records_are_split_at_the_first_and_the_last_slash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
