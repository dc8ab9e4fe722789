#include "domain/state_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void keys_are_hashes_of_tenant_and_subject(void **state)
{
    (void)state;
    char key[STATE_KEY_SIZE + 1] = {0};
    /* printf 'shop\0+33612345678' | sha256sum */
    state_key(STATE_RECIPIENT, BYTES("shop"), BYTES("+33612345678"), key);
    assert_string_equal(key, "r1:{9116bc43f31a6a5ea76ca1d23cdf194f}");
    char other[STATE_KEY_SIZE + 1] = {0};
    state_key(STATE_BOOKING, BYTES("shop"), BYTES("+33612345678"), other);
    assert_string_equal(other + 2, key + 2);
    assert_int_equal(other[0], 'b');
}

static void pieces_are_joined_in_order_with_the_newest_offset(void **state)
{
    (void)state;
    char text[64];
    int64_t newest;
    struct writer w = writer_of(text, sizeof text);
    assert_int_equal(state_join(BYTES("opt_out|7|2|abblock|12|1|clink|3|0|"), &w, &newest), ERR_OK);
    assert_true(bytes_equal(writer_bytes(&w), BYTES("abc")));
    assert_int_equal(newest, 12);
    assert_int_equal(state_join(BYTES(""), &w, &newest), ERR_OK);
    assert_int_equal(newest, -1);
}

static void a_foreign_value_is_refused(void **state)
{
    (void)state;
    const char *bad[] = {
        "x", "|1|1|a", "a|1|2|x", "a|1|x|x", "a||1|x", "a|1", "a|1|99999999999999999999|x"};
    for (size_t i = 0; i < countof(bad); i++) {
        struct bytes value = bytes_of(bad[i]);
        struct state_piece piece;
        assert_int_equal(state_piece_take(&value, &piece), ERR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_hashes_of_tenant_and_subject),
        cmocka_unit_test(pieces_are_joined_in_order_with_the_newest_offset),
        cmocka_unit_test(a_foreign_value_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
