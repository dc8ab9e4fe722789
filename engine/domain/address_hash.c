#include "domain/address_hash.h"

void address_hash(const struct hmac_key *key, struct bytes address, char out[ADDRESS_HASH_SIZE])
{
    uint8_t digest[SHA256_SIZE];
    hmac_sha256(key, address, digest);
    struct writer w = writer_of(out, ADDRESS_HASH_SIZE - 1);
    write_hex(&w, digest, (ADDRESS_HASH_SIZE - 1) / 2);
    out[ADDRESS_HASH_SIZE - 1] = '\0';
}
