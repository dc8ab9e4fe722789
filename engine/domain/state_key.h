/* Where the state topics' documents lie in Redis, and how: r1 (recipients), b1 (bookings)
 * and t1 (tenants) under a hash of tenant and subject, each a row of pieces
 * `aspect|offset|length|protobuf`. The bytes of the pieces, one after the other, are the
 * document. t1v:{tenant} holds one empty piece whose offset is the settings' version. */
#pragma once

#include "base/bytes.h"
#include "base/err.h"

enum {
    STATE_KEY_SIZE = 37,          /* r1:{32 hex digits} */
    STATE_VERSION_KEY_MAX = 72,   /* t1v:{tenant} */
    STATE_MARK_KEY_MAX = 5 + 270, /* m1:{topic/partition} */
};

#define STATE_EPOCH_KEY "e1"

/* `subject`: an address in normal form, or a customer_id. */
void state_recipient_key(struct bytes tenant, struct bytes subject, char out[STATE_KEY_SIZE]);
void state_booking_key(struct bytes tenant, struct bytes booking, char out[STATE_KEY_SIZE]);
void state_tenant_key(struct bytes tenant, char out[STATE_KEY_SIZE]);
/* Overflow: the tenant's id is longer than any may be. */
void state_version_key(struct bytes tenant, struct writer *out);

/* How far a partition of a state topic is applied; `mark` is topic/partition. */
void state_mark_key(struct bytes mark, struct writer *out);

struct state_piece {
    struct bytes aspect;
    int64_t offset;
    struct bytes wire; /* empty: the aspect was removed */
};
/* The next piece of a value; false at its end, and where it is damaged. */
bool state_next(struct bytes *rest, struct state_piece *out);
/* The document's bytes. ERR_INVALID: the value is damaged. Overflow: it did not fit. */
MUST_USE enum err state_document(struct bytes value, struct writer *out);

/* Parts of a record's key. False: it has not that form. */
struct state_subject {
    struct bytes tenant, subject, aspect;
};
bool state_parse_recipient(struct bytes key, struct state_subject *out); /* tenant/subject/aspect */
bool state_parse_booking(struct bytes key, struct state_subject *out);   /* tenant/booking */
/* Whether an id can stand in such a key as its tenant. */
bool state_tenant_fits(struct bytes tenant);
