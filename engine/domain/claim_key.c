#include "domain/claim_value.h"
#include "io/crypto.h"

static void identity(struct bytes tenant, struct bytes id, uint8_t out[SHA256_SIZE])
{
    struct bytes pieces[] = {tenant, {"", 1}, id};
    sha256(pieces, countof(pieces), out);
}

void claim_event_hash(struct bytes tenant, struct bytes event_id, uint8_t out[CLAIM_HASH_SIZE])
{
    uint8_t hash[SHA256_SIZE];
    identity(tenant, event_id, hash);
    memcpy(out, hash, CLAIM_HASH_SIZE);
}

void claim_leg_hex(struct bytes tenant, struct bytes id, struct bytes channel, struct bytes address,
                   char out[2 * CLAIM_HASH_SIZE])
{
    uint8_t who[SHA256_SIZE], hash[SHA256_SIZE];
    char name[16];
    struct writer w = writer_of(name, sizeof(name));
    write_slice(&w, channel);
    write_char(&w, '\0');
    CHECK(!w.overflow);
    identity(tenant, id, who);
    struct bytes pieces[] = {{(const char *)who, sizeof(who)}, writer_bytes(&w), address};
    sha256(pieces, countof(pieces), hash);
    struct writer hex = writer_of(out, 2 * CLAIM_HASH_SIZE);
    write_hex(&hex, hash, CLAIM_HASH_SIZE);
}
