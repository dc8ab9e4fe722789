/* How recipient, booking and tenant state is named and laid out: keys of the state topics
 * and of Redis, and the pieces of a Redis value (design section 4).
 *
 * Redis keys: r1:{h}, b1:{h}, t1:{h}, with h = 32 hex digits of SHA-256(tenant NUL
 * subject); a tenant's own document has the subject "". t1v:{tenant} is its version. */
#pragma once

#include "base/bytes.h"
#include "base/err.h"

enum {
    STATE_KEY_SIZE = 37, /* r1:{32 digits} */
    STATE_VERSION_KEY_MAX = 72,
};

enum state_key {
    STATE_RECIPIENT, /* r1: subject = address in normal form, or customer_id */
    STATE_BOOKING,   /* b1: subject = booking_id */
    STATE_TENANT,    /* t1: subject = "" */
};

/* Writes exactly STATE_KEY_SIZE bytes. */
void state_key(enum state_key kind, struct bytes tenant, struct bytes subject,
               char out[STATE_KEY_SIZE]);
/* t1v:{tenant} */
struct bytes state_version_key(struct bytes tenant, char out[STATE_VERSION_KEY_MAX]);

/* A value is a row of pieces aspect|offset|length|bytes. */
struct state_piece {
    struct bytes aspect, content; /* content: protobuf; size 0: removed */
    int64_t offset;
};
/* Takes the first piece off `value`. ERR_NOT_FOUND: none is left. ERR_INVALID: not a
 * value of ours. */
MUST_USE enum err state_piece_take(struct bytes *value, struct state_piece *out);

/* The contents of all pieces, one after the other: they decode to one document. ERR_INVALID;
 * ERR_TOO_LARGE. `*newest` is the highest offset, -1 where there is no piece. */
MUST_USE enum err state_join(struct bytes value, struct writer *out, int64_t *newest);
