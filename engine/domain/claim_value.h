/* What stands in Redis about a leg, and under which key. Texts only: who may do what
 * with them is claim.h's.
 *
 *   C|event|origin|nonce|attempts|risk|deadline               claimed
 *   S|event|origin|nonce|attempts|risk|time|provider id       sent
 *   F|event|origin|nonce|attempts|risk|time|reason            failed
 *   X|event|origin|nonce|attempts|risk|time|reason            ambiguous
 *
 * `event` is base64url of 16 bytes of SHA-256(tenant NUL event_id), `origin` is
 * topic/partition/offset of the first record, `nonce` 16 hex digits, times are Redis's
 * in milliseconds; the last texts are percent-encoded. One value has one text. */
#pragma once

#include "base/bytes.h"

enum {
    CLAIM_HASH_SIZE = 16,
    CLAIM_KEY_SIZE = 37,  /* c1:{32 hex digits} */
    CLAIM_OWN_MAX = 320,  /* event|origin */
    CLAIM_TEXT_MAX = 200, /* a provider's id or a reason, percent-encoded; longer ids are cut */
    CLAIM_VALUE_MAX = 640,
};

/* Where the event's first record lies; carried through deferral. */
struct claim_origin {
    struct bytes topic;
    int32_t partition;
    int64_t offset;
};

enum claim_kind {
    CLAIM_NOTHING = 0,
    CLAIM_CLAIMED = 'C',
    CLAIM_SENT = 'S',
    CLAIM_FAILED = 'F',
    CLAIM_AMBIGUOUS = 'X',
};

struct claim_value {
    enum claim_kind kind;
    struct bytes own; /* event|origin, as it stands in the value */
    uint64_t nonce;
    uint32_t attempts, risk;
    int64_t time_ms;   /* C: the deadline, 0 where nobody is sending; else when it ended */
    struct bytes text; /* S: provider id; F, X: reason; percent-encoded; C: none */
};

/* SHA-256(tenant NUL id). With the event_id as id its first CLAIM_HASH_SIZE bytes say
 * who an event is. */
struct claim_identity {
    uint8_t hash[32];
};
void claim_identity_of(struct bytes tenant, struct bytes id, struct claim_identity *out);
/* 32 hex digits of a hash of tenant, id, channel and address in normal form. With the
 * dedup key as id: what the claim's key is made of. With the event_id: the leg_id,
 * which is the idempotency key too. Neither is keyed: no rotation repeats a message. */
void claim_leg_hex(const struct claim_identity *who, struct bytes channel, struct bytes address,
                   char out[2 * CLAIM_HASH_SIZE]);

void claim_write_own(struct writer *w, const uint8_t event[CLAIM_HASH_SIZE],
                     const struct claim_origin *origin);
void claim_write_value(struct writer *w, const struct claim_value *value);
/* False: not a value of this protocol. The pieces point into `text`. */
MUST_USE bool claim_parse_value(struct bytes text, struct claim_value *out);
/* Percent-encodes everything but letters, digits and "-._~:"; cut at CLAIM_TEXT_MAX. */
void claim_write_text(struct writer *w, struct bytes text);
/* The other way round, in place of at most text.size bytes. */
size_t claim_read_text(struct bytes text, char *out);
/* Both in the same event and origin. */
static inline bool claim_same_owner(const struct claim_value *a, const struct claim_value *b)
{
    return bytes_equal(a->own, b->own);
}
