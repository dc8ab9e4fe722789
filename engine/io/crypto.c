#include "io/crypto.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

/* The one-shot SHA256_* calls are deprecated in OpenSSL 3 in favour of EVP, which fetches
 * and allocates per digest: four times the cost for the short texts hashed here. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

void sha256(const struct bytes *pieces, uint32_t count, uint8_t out[SHA256_SIZE])
{
    SHA256_CTX context;
    CHECK(SHA256_Init(&context) == 1);
    for (uint32_t i = 0; i < count; i++)
        CHECK(SHA256_Update(&context, pieces[i].at, pieces[i].size) == 1);
    CHECK(SHA256_Final(out, &context) == 1);
}

void hmac_sha256(struct bytes key, struct bytes text, uint8_t out[SHA256_SIZE])
{
    unsigned size = SHA256_SIZE;
    CHECK(key.size <= INT32_MAX);
    const void *at = key.at ? key.at : "";
    CHECK(HMAC(EVP_sha256(), at, (int)key.size, (const unsigned char *)text.at, text.size, out,
               &size));
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
