#include "io/crypto.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

/* The one-shot SHA256_* calls are deprecated in OpenSSL 3 in favour of EVP, which fetches
 * and allocates per digest: four times the cost for the short texts hashed here. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

enum { SHORT_BLOCKS = 2, SHORT_MAX = SHORT_BLOCKS * SHA256_CBLOCK - 9 };

/* A digest in the making of whole blocks takes its last, short text: the padding laid by
 * hand and straight to the transform costs half of what Update and Final do. `text` has
 * room for SHORT_BLOCKS, zeroed behind its end. */
static void finish_short(SHA256_CTX *context, size_t before, uint8_t *text, size_t size,
                         uint8_t out[SHA256_SIZE])
{
    size_t blocks = size <= SHA256_CBLOCK - 9 ? 1 : 2;
    uint64_t bits = __builtin_bswap64((before + size) * 8);
    text[size] = 0x80;
    memcpy(text + blocks * SHA256_CBLOCK - sizeof bits, &bits, sizeof bits);
    for (size_t i = 0; i < blocks; i++)
        SHA256_Transform(context, text + i * SHA256_CBLOCK);
    for (uint32_t i = 0; i < 8; i++) {
        uint32_t word = __builtin_bswap32(context->h[i]);
        memcpy(out + 4 * i, &word, sizeof word);
    }
}

static void sha256_long(const struct bytes *pieces, uint32_t count, uint8_t out[SHA256_SIZE])
{
    SHA256_CTX context;
    CHECK(SHA256_Init(&context) == 1);
    for (uint32_t i = 0; i < count; i++)
        CHECK(SHA256_Update(&context, pieces[i].at, pieces[i].size) == 1);
    CHECK(SHA256_Final(out, &context) == 1);
}

void sha256(const struct bytes *pieces, uint32_t count, uint8_t out[SHA256_SIZE])
{
    uint8_t text[SHORT_BLOCKS * SHA256_CBLOCK] = {0};
    size_t size = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (pieces[i].size > SHORT_MAX - size) {
            sha256_long(pieces, count, out);
            return;
        }
        if (pieces[i].size > 0)
            memcpy(text + size, pieces[i].at, pieces[i].size);
        size += pieces[i].size;
    }
    SHA256_CTX context;
    CHECK(SHA256_Init(&context) == 1);
    finish_short(&context, 0, text, size, out);
}

_Static_assert(sizeof(SHA256_CTX) == sizeof(((struct hmac_key *)0)->inner),
               "a key's halves are digests in the making");

/* A digest that has taken the key's block, each byte of it turned by `turn`. */
static void begin_half(unsigned char *half, const uint8_t block[SHA256_CBLOCK], uint8_t turn)
{
    uint8_t turned[SHA256_CBLOCK];
    SHA256_CTX context;
    for (int i = 0; i < SHA256_CBLOCK; i++)
        turned[i] = block[i] ^ turn;
    CHECK(SHA256_Init(&context) == 1 && SHA256_Update(&context, turned, sizeof turned) == 1);
    memcpy(half, &context, sizeof context);
    OPENSSL_cleanse(turned, sizeof turned);
}

/* RFC 2104: H(key ^ opad, H(key ^ ipad, text)). */
void hmac_prepare(struct hmac_key *key, struct bytes secret)
{
    uint8_t block[SHA256_CBLOCK] = {0};
    if (secret.size > sizeof block)
        sha256(&secret, 1, block);
    else if (secret.size > 0)
        memcpy(block, secret.at, secret.size);
    begin_half(key->inner, block, 0x36);
    begin_half(key->outer, block, 0x5c);
    OPENSSL_cleanse(block, sizeof block);
}

void hmac_sha256(const struct hmac_key *key, struct bytes text, uint8_t out[SHA256_SIZE])
{
    SHA256_CTX context;
    uint8_t inner[SHORT_BLOCKS * SHA256_CBLOCK] = {0}, outer[SHORT_BLOCKS * SHA256_CBLOCK] = {0};
    memcpy(&context, key->inner, sizeof context);
    if (text.size > SHORT_MAX) {
        CHECK(SHA256_Update(&context, text.at, text.size) == 1);
        CHECK(SHA256_Final(outer, &context) == 1);
    } else {
        if (text.size > 0)
            memcpy(inner, text.at, text.size);
        finish_short(&context, SHA256_CBLOCK, inner, text.size, outer);
    }
    memcpy(&context, key->outer, sizeof context);
    finish_short(&context, SHA256_CBLOCK, outer, SHA256_SIZE, out);
}

void crypto_random(void *at, size_t size)
{
    CHECK(size <= INT32_MAX);
    CHECK(RAND_bytes(at, (int)size) == 1);
}

bool crypto_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || CRYPTO_memcmp(a.at, b.at, a.size) == 0);
}

const char *crypto_library(void)
{
    return OpenSSL_version(OPENSSL_VERSION_STRING);
}
