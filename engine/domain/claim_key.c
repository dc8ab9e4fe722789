#include "domain/claim_value.h"
#include "io/crypto.h"

void claim_identity_of(struct bytes tenant, struct bytes id, struct claim_identity *out)
{
    struct bytes pieces[] = {tenant, {"", 1}, id};
    _Static_assert(sizeof out->hash == SHA256_SIZE, "a whole digest");
    sha256(pieces, countof(pieces), out->hash);
}

void claim_leg_hex(const struct claim_identity *who, struct bytes channel, struct bytes address,
                   char out[2 * CLAIM_HASH_SIZE])
{
    uint8_t hash[SHA256_SIZE];
    char name[16];
    struct writer w = writer_of(name, sizeof(name));
    write_slice(&w, channel);
    write_char(&w, '\0');
    CHECK(!w.overflow);
    struct bytes pieces[] = {
        {(const char *)who->hash, sizeof(who->hash)}, writer_bytes(&w), address};
    sha256(pieces, countof(pieces), hash);
    put_hex(out, hash, CLAIM_HASH_SIZE);
}
