#include "domain/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void a_number_is_a_plus_and_7_to_15_digits_the_first_no_zero(void **state)
{
    (void)state;
    static const char *const good[] = {"+1234567", "+33612345678", "+123456789012345"};
    static const char *const bad[] = {"",
                                      "+",
                                      "33612345678",
                                      "+123456",
                                      "+1234567890123456",
                                      "+0612345678",
                                      "+33 612345678",
                                      "+3361234567a",
                                      "++33612345678",
                                      "+33612345678 ",
                                      ("\xef\xbc\x8b"
                                       "33612345678"),
                                      "+3361234567\xd9\xa3"};
    for (size_t i = 0; i < countof(good); i++)
        assert_true(address_number_valid(bytes_of(good[i])));
    for (size_t i = 0; i < countof(bad); i++)
        if (address_number_valid(bytes_of(bad[i])))
            fail_msg("valid: %s", bad[i]);
    assert_false(address_number_valid((struct bytes){"+3361234\0"
                                                     "78",
                                                     11}));
    assert_false(address_number_valid((struct bytes){0}));
}

static void an_email_is_a_dot_atom_and_a_domain_of_ldh_labels(void **state)
{
    (void)state;
    static const char *const good[] = {"a@b",
                                       "marie.dupont@example.com",
                                       "o'brien+tag@mail.example.co.uk",
                                       "!#$%&'*+-/=?^_`{|}~@x",
                                       "A.B@EXAMPLE.ORG",
                                       "x@1.2.3.4",
                                       "x@a-b.xn--p1ai"};
    static const char *const bad[] = {
        "",       "a",      "@b",    "a@",        ".a@b",           "a.@b",
        "a..b@c", "a b@c",  "a@b@c", "\"a b\"@c", "a@[127.0.0.1]",  "a@-b",
        "a@b-",   "a@b..c", "a@b.",  "a@.b",      "a@b_c",          "é@b",
        "a@é.fr", "a@b ",   "<a@b>", "a,b@c",     "a@b\r\nBcc: c@d"};
    for (size_t i = 0; i < countof(good); i++)
        if (!address_email_valid(bytes_of(good[i])))
            fail_msg("invalid: %s", good[i]);
    for (size_t i = 0; i < countof(bad); i++)
        if (address_email_valid(bytes_of(bad[i])))
            fail_msg("valid: %s", bad[i]);
    assert_false(address_email_valid((struct bytes){"a\0b@c", 5}));
    assert_false(address_email_valid((struct bytes){0}));
}

/* local@label(.label)*, with the sizes wanted. */
static struct bytes email_of(char *memory, size_t local, size_t label, size_t size)
{
    memset(memory, 'a', size);
    memory[local] = '@';
    for (size_t i = local + 1 + label; i < size; i += label + 1)
        memory[i] = '.';
    return (struct bytes){memory, size};
}

static void its_parts_have_their_limits(void **state)
{
    (void)state;
    char m[300];
    assert_true(address_email_valid(email_of(m, 64, 10, 64 + 1 + 10)));
    assert_false(address_email_valid(email_of(m, 65, 10, 65 + 1 + 10)));
    assert_true(address_email_valid(email_of(m, 10, 63, 10 + 1 + 63)));
    assert_false(address_email_valid(email_of(m, 10, 64, 10 + 1 + 64)));
    assert_true(address_email_valid(email_of(m, 62, 63, 254)));
    assert_false(address_email_valid(email_of(m, 62, 62, 255)));
}

static void the_normal_form_is_in_lower_case(void **state)
{
    (void)state;
    char memory[64];
    struct arena arena = arena_of(memory, sizeof memory);
    struct bytes given = BYTES("Marie.Dupont@Example.COM");
    assert_true(
        bytes_equal(address_email_normal(given, &arena), BYTES("marie.dupont@example.com")));
    struct bytes already = BYTES("a@b.fr");
    assert_ptr_equal(address_email_normal(already, &arena).at, already.at);
    arena = arena_of(memory, 4);
    assert_int_equal(address_email_normal(given, &arena).size, 0);
}

/* Every byte at every place of a text that is looked at eight by eight, and then one by one. */
static void each_byte_is_lowered_or_refused_as_the_rules_say(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        bool atext = letter || (c != 0 && strchr("!#$%&'*+-/=?^_`{|}~", c));
        for (size_t at = 0; at < 19; at++) {
            char text[] = "abcdefgh@example.eu", memory[64];
            struct arena arena = arena_of(memory, sizeof memory);
            struct bytes email = {text, sizeof text - 1};
            if (at == 8 || at == 16)
                continue; /* the at and the dot */
            text[at] = (char)c;
            struct bytes normal = address_email_normal(email, &arena);
            bool upper = c >= 'A' && c <= 'Z';
            assert_int_equal(normal.size, email.size);
            for (size_t i = 0; i < email.size; i++)
                assert_int_equal(normal.at[i], i == at && upper ? text[i] + 32 : text[i]);
            bool local = at > 0 && at<7, label = at> 9 && at < 15;
            if (local && c != '.')
                assert_int_equal(address_email_valid(email), atext);
            else if (label && c != '.')
                assert_int_equal(address_email_valid(email), letter || c == '-');
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_a_plus_and_7_to_15_digits_the_first_no_zero),
        cmocka_unit_test(an_email_is_a_dot_atom_and_a_domain_of_ldh_labels),
        cmocka_unit_test(its_parts_have_their_limits),
        cmocka_unit_test(the_normal_form_is_in_lower_case),
        cmocka_unit_test(each_byte_is_lowered_or_refused_as_the_rules_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
