/* Digests and secrets: pure functions on bytes (crypto_random apart). */
#pragma once

#include "base/bytes.h"

enum { SHA256_SIZE = 32 };

/* Of the pieces, one after the other (at most three are ever needed). */
void sha256(const struct bytes *pieces, uint32_t count, uint8_t out[SHA256_SIZE]);
void hmac_sha256(struct bytes key, struct bytes text, uint8_t out[SHA256_SIZE]);
void crypto_random(void *at, size_t size);
/* In a time that depends on the sizes only. */
bool crypto_equal(struct bytes a, struct bytes b);
