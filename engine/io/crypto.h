/* Digests and secrets: pure functions on bytes (crypto_random apart). */
#pragma once

#include "base/bytes.h"

enum { SHA256_SIZE = 32 };

/* Of the pieces, one after the other (at most three are ever needed). */
void sha256(const struct bytes *pieces, uint32_t count, uint8_t out[SHA256_SIZE]);
/* A key made ready once: a code then costs what its text does. */
struct hmac_key {
    _Alignas(8) unsigned char inner[112], outer[112];
};
void hmac_prepare(struct hmac_key *key, struct bytes secret);
void hmac_sha256(const struct hmac_key *key, struct bytes text, uint8_t out[SHA256_SIZE]);
void crypto_random(void *at, size_t size);
/* In a time that depends on the sizes only. */
bool crypto_equal(struct bytes a, struct bytes b);
const char *crypto_library(void); /* OpenSSL's version, as it was loaded */
