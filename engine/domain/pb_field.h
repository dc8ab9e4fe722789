/* Fields as they lie on the wire, for the two readers of protobuf bytes. Not for others. */
#pragma once

#include "base/base.h"

struct wire {
    const uint8_t *at, *end;
};

/* Both return where they end; NULL: the bytes are none. */
static inline const uint8_t *wire_varint(const uint8_t *at, const uint8_t *end, uint64_t *out)
{
    uint64_t n = 0;
    if (at < end && *at < 0x80) { /* most are short */
        *out = *at;
        return at + 1;
    }
    for (uint32_t shift = 0; shift < 70 && at < end; shift += 7) {
        uint8_t byte = *at++;
        n |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = n;
            return at;
        }
    }
    return NULL;
}

/* A tag has 32 bits: protobuf's own readers refuse one that is longer, also by empty bytes. */
enum { WIRE_TAG_BYTES = 5 };
enum { WIRE_VARINT = 0, WIRE_8_BYTES = 1, WIRE_SIZED = 2, WIRE_4_BYTES = 5 };

struct wire_field {
    uint32_t id;
    uint32_t form;      /* WIRE_* */
    uint64_t varint;    /* of WIRE_VARINT */
    struct wire inside; /* of the others: what it holds */
};

static inline const uint8_t *wire_field(const uint8_t *at, const uint8_t *end,
                                        struct wire_field *field)
{
    uint64_t tag = 0, size = 0;
    const uint8_t *begin = at;
    if (!(at = wire_varint(at, end, &tag)) || at - begin > WIRE_TAG_BYTES || tag >> 3 == 0 ||
        tag > UINT32_MAX)
        return NULL;
    field->id = (uint32_t)tag >> 3;
    field->form = tag & 7;
    if (field->form == WIRE_VARINT)
        return wire_varint(at, end, &field->varint);
    if (field->form == WIRE_SIZED) {
        if (!(at = wire_varint(at, end, &size)))
            return NULL;
    } else if (field->form == WIRE_8_BYTES || field->form == WIRE_4_BYTES) {
        size = field->form == WIRE_8_BYTES ? 8 : 4;
    } else { /* groups */
        return NULL;
    }
    if (size > (size_t)(end - at))
        return NULL;
    field->inside = (struct wire){at, at + size};
    return at + size;
}
