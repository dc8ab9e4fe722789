#include "io/crypto.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void expect_hex(const uint8_t digest[SHA256_SIZE], const char *hex)
{
    char text[2 * SHA256_SIZE];
    struct writer w = writer_of(text, sizeof text);
    write_hex(&w, digest, SHA256_SIZE);
    assert_true(bytes_equal(writer_bytes(&w), bytes_of(hex)));
}

/* FIPS 180-2, appendix B. */
static void sha256_gives_the_published_digests(void **state)
{
    (void)state;
    uint8_t digest[SHA256_SIZE];
    sha256(NULL, 0, digest);
    expect_hex(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256((struct bytes[]){BYTES("abc")}, 1, digest);
    expect_hex(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void pieces_are_digested_as_one(void **state)
{
    (void)state;
    uint8_t whole[SHA256_SIZE], pieces[SHA256_SIZE];
    sha256((struct bytes[]){{"tenant\0event", 12}}, 1, whole);
    sha256((struct bytes[]){BYTES("tenant"), {"", 1}, BYTES("event")}, 3, pieces);
    assert_memory_equal(whole, pieces, SHA256_SIZE);
}

static void code_of(struct bytes secret, struct bytes text, uint8_t code[SHA256_SIZE])
{
    struct hmac_key key;
    hmac_prepare(&key, secret);
    hmac_sha256(&key, BYTES("a text before it leaves no trace in the key"), code);
    hmac_sha256(&key, text, code);
}

/* RFC 4231, cases 1, 2 and 6. */
static void hmac_gives_the_published_codes(void **state)
{
    (void)state;
    uint8_t code[SHA256_SIZE];
    char key[131];
    memset(key, 0x0b, 20);
    code_of((struct bytes){key, 20}, BYTES("Hi There"), code);
    expect_hex(code, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    code_of(BYTES("Jefe"), BYTES("what do ya want for nothing?"), code);
    expect_hex(code, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    code_of((struct bytes){key, sizeof key},
            BYTES("Test Using Larger Than Block-Size Key - Hash Key First"), code);
    expect_hex(code, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    code_of((struct bytes){0}, (struct bytes){0}, code);
    expect_hex(code, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void random_bytes_differ(void **state)
{
    (void)state;
    uint64_t a[2] = {0}, b[2] = {0};
    crypto_random(a, sizeof a);
    crypto_random(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
}

static void secrets_are_compared_byte_by_byte(void **state)
{
    (void)state;
    assert_true(crypto_equal(BYTES("token"), BYTES("token")));
    assert_false(crypto_equal(BYTES("token"), BYTES("tokem")));
    assert_false(crypto_equal(BYTES("token"), BYTES("toke")));
    assert_true(crypto_equal((struct bytes){0}, BYTES("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_the_published_digests),
        cmocka_unit_test(pieces_are_digested_as_one),
        cmocka_unit_test(hmac_gives_the_published_codes),
        cmocka_unit_test(random_bytes_differ),
        cmocka_unit_test(secrets_are_compared_byte_by_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
