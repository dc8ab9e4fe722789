/* The deferral record: the original's value and headers, unchanged, plus headers of ours that
 * say when it is looked at again and what it was. Written by workers, read as a stranger's. */
#pragma once

#include "base/record.h"
#include "domain/claim_value.h"
#include "domain/kinds.h"
#include "domain/ring.h"

enum {
    DEFERRAL_HEADERS_MAX = 16,
    DEFERRAL_LEGS_MAX = 64,
    DEFERRAL_TEXT_MAX = 4096, /* of all values together */
    DEFERRAL_EVENT_ID_MAX = 128,
    DEFERRAL_NAME_MAX = 250,  /* of a route, a kind, a topic */
    DEFERRAL_TOPIC_MAX = 249, /* Kafka's */
    DEFERRAL_HASH_SIZE = 16,
    DEFERRAL_KEY_MAX = 224,
    DEFERRAL_COUNT_MAX = 1000000, /* of hops, attempts, segments */
};

/* A leg that waits: channel and address hash. Not the keyed hash of outcomes: a key that is
 * changed while a record waits must not make its leg another one, and the address stands in
 * the record's value anyway. */
struct deferral_leg {
    Carillon__V1__Channel channel;
    char address_hash[DEFERRAL_HASH_SIZE]; /* hex digits */
};
void deferral_name_leg(Carillon__V1__Channel channel, struct bytes address,
                       struct deferral_leg *out);
bool deferral_is_leg(const struct deferral_leg *leg, Carillon__V1__Channel channel,
                     struct bytes address);

struct deferral {
    int64_t due_ms;       /* when it is looked at again */
    int64_t event_due_ms; /* the event's, where a far record is parked for an earlier day; else
                             due_ms */
    struct ring ring;     /* ring records; slots 0: a far record */
    uint32_t seq;         /* rises with each hop, from 1 */
    enum reason reason;   /* why it waits */
    struct claim_origin origin; /* of the first record */
    int64_t timestamp_ms;       /* the first record's: defaults are taken from it */
    uint32_t attempts;
    struct bytes kind, route; /* route: size 0 where none is chosen */
    uint32_t segments;        /* 0: not known */
    int64_t expires_ms;       /* 0: not known */
    uint32_t leg_count;       /* 0: not judged yet */
    struct deferral_leg legs[DEFERRAL_LEGS_MAX];
};

/* Whether a record of a deferral topic is one: it has carillon-due. Elsewhere the header means
 * nothing: anybody writes events. */
bool deferral_is(const struct record_header *headers, uint32_t count);

/* Ours only, in `out`; their values lie in `text`. What they say has to be what
 * deferral_decode takes. ERR_TOO_LARGE: the text does not hold it. */
MUST_USE enum err deferral_encode(const struct deferral *deferral, struct writer *text,
                                  struct record_header out[DEFERRAL_HEADERS_MAX], uint32_t *count);

/* ERR_INVALID, and in `*wrong` the header at fault: not a deferral of ours. Texts are the
 * headers'. */
MUST_USE enum err deferral_decode(const struct record_header *headers, uint32_t count,
                                  struct deferral *out, struct bytes *wrong);

/* Whether a header is one of ours: they are not carried on as the original's. */
bool deferral_owns(struct bytes header);

/* event_id#seq, with #leg where one leg of several waits (channel and address hash). */
void deferral_write_key(struct writer *w, struct bytes event_id, uint32_t seq,
                        const struct deferral_leg *leg);
/* Splits it from the end: event ids may hold '#', and a leg's name has another form than a
 * number. */
struct deferral_key {
    struct bytes event_id;
    uint32_t seq;
    bool has_leg;
    struct deferral_leg leg;
};
MUST_USE enum err deferral_parse_key(struct bytes key, struct deferral_key *out);
