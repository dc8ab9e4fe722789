/* A record of the event topics as a checked Event: protobuf, JSON, or CloudEvents in
 * binary or structured mode, told by headers, else by the first byte. This is the part
 * of rule G1 that needs no kind: it decodes, sizes, enums and times are good, and
 * event_id, tenant_id and kind are there. What a kind needs beyond is the judge's. */
#pragma once

#include "base/record.h"
#include "carillon/v1/event.pb-c.h"
#include "domain/pbjson.h"

#define EVENT_ARENA_BYTES(value_bytes) (16 * 1024 + 2 * (size_t)(value_bytes))

/* On error `event_id` and `tenant_id` are set where they could be read and are within
 * their limits, for the outcome `dead`; else size 0. */
struct event_error {
    struct pb_error what; /* path: the outcome's detail */
    struct bytes event_id, tenant_id;
};

/* `*event` is set where the record was readable enough, also on ERR_INVALID (then it
 * holds what is good of it, for copying into the outcome), else NULL. ERR_NO_MEMORY: the
 * arena is too small; EVENT_ARENA_BYTES is enough for any honest record, so that where
 * that did not do the record is malformed. */
MUST_USE enum err event_decode(const struct record *record, struct arena *arena,
                               struct pb_unknown *unknown, Carillon__V1__Event **event,
                               struct event_error *error);

/* What a JSON document on its own is (`explain`): event_decode without headers. */
MUST_USE enum err event_decode_json(struct bytes document, struct arena *arena,
                                    struct pb_unknown *unknown, Carillon__V1__Event **event,
                                    struct event_error *error);
