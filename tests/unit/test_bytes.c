#include "base/bytes.h"
#include "base/prng.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void assert_number(uint64_t n)
{
    char expected[32], memory[32];
    struct writer w = writer_of(memory, sizeof memory);
    int size = snprintf(expected, sizeof expected, "%llu", (unsigned long long)n);
    write_u64(&w, n);
    assert_int_equal(w.size, size);
    assert_memory_equal(memory, expected, (size_t)size);
    struct writer small = writer_of(memory, (size_t)size - 1);
    write_u64(&small, n);
    assert_true(small.overflow);
    assert_int_equal(small.size, 0);
}

static void numbers_are_written_as_printf_does(void **state)
{
    (void)state;
    uint64_t seed = 3, n = 1;
    for (int digits = 0; digits < 20; digits++, n *= 10) {
        assert_number(n - 1);
        assert_number(n);
        assert_number(n + 1);
    }
    assert_number(UINT64_MAX);
    for (int i = 0; i < 100000; i++)
        assert_number(prng_next(&seed) >> prng_upto(&seed, 63));
}

static void a_byte_is_two_digits_whatever_the_size(void **state)
{
    (void)state;
    uint64_t seed = 4;
    unsigned char bytes[70];
    for (int i = 0; i < 1000; i++) {
        size_t size = (size_t)i % sizeof bytes;
        char expected[2 * sizeof bytes + 1] = "", memory[2 * sizeof bytes];
        for (size_t k = 0; k < size; k++) {
            bytes[k] = (unsigned char)prng_next(&seed);
            snprintf(expected + 2 * k, 3, "%02x", bytes[k]);
        }
        struct writer w = writer_of(memory, 2 * size);
        write_hex(&w, bytes, size);
        assert_false(w.overflow);
        assert_int_equal(w.size, 2 * size);
        assert_memory_equal(memory, expected, w.size);
    }
}

static void base64_is_that_of_rfc_4648(void **state)
{
    (void)state;
    static const char *const texts[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                        "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (size_t size = 0; size < countof(texts); size++) {
        char memory[16];
        size_t whole = strlen(texts[size]);
        struct writer w = writer_of(memory, whole), url = writer_of(memory, sizeof memory);
        write_base64(&w, "foobar", size);
        assert_true(bytes_equal(writer_bytes(&w), bytes_of(texts[size])));
        write_base64url(&url, "foobar", size);
        assert_int_equal(url.size, strcspn(texts[size], "="));
        assert_memory_equal(url.at, texts[size], url.size);
        struct writer small = writer_of(memory, whole > 0 ? whole - 1 : 0);
        write_base64(&small, "foobar", size);
        assert_int_equal(small.overflow, whole > 0);
    }
    char memory[8];
    struct writer w = writer_of(memory, sizeof memory);
    write_base64url(&w, "\xfb\xff\xbf", 3);
    assert_true(bytes_equal(writer_bytes(&w), BYTES("-_-_")));
}

static bool is_upper(int c)
{
    return c >= 'A' && c <= 'Z';
}

static void letters_are_equal_in_either_case_and_nothing_else_is(void **state)
{
    (void)state;
    for (size_t size = 1; size < 20; size++)
        for (int a = 0; a < 256; a++)
            for (int b = 0; b < 256; b++) {
                char one[20] = "Content-Length-12345", two[20] = "cONTENT-lENGTH-12345";
                size_t at = (size_t)(a + b) % size;
                one[at] = (char)a;
                two[at] = (char)b;
                bool same = a == b || (is_upper(a) && b == a + 32) || (is_upper(b) && a == b + 32);
                assert_int_equal(
                    bytes_equal_nocase((struct bytes){one, size}, (struct bytes){two, size}), same);
            }
    assert_false(bytes_equal_nocase(BYTES("abc"), BYTES("abcd")));
    assert_true(bytes_equal_nocase((struct bytes){0}, BYTES("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_are_equal_in_either_case_and_nothing_else_is),
        cmocka_unit_test(numbers_are_written_as_printf_does),
        cmocka_unit_test(a_byte_is_two_digits_whatever_the_size),
        cmocka_unit_test(base64_is_that_of_rfc_4648),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
