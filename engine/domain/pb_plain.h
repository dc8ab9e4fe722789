/* Protobuf bytes to protobuf-c's structs, for the hot path: in one pass, by a table of
 * where each field lies and how large it may be. It reads what is in order, which nearly
 * all is; of anything else it says only that, and pb_decode and pb_check_sizes, with which
 * it agrees, say what is wrong. */
#pragma once

#include "base/arena.h"

#include <protobuf-c/protobuf-c.h>

enum pb_how {
    PB_UNKNOWN, /* no such field: passed over */
    PB_TEXT,
    PB_U64,
    PB_BOOL,
    PB_ENUM,    /* of: its descriptor */
    PB_TIME,    /* a Timestamp */
    PB_MESSAGE, /* of: its shape */
    PB_LIST,    /* of messages; of: their shape */
    PB_MAP,     /* of texts by texts; of: the shape of an entry */
};

struct pb_row {
    const void *of;
    uint32_t bytes;   /* of a text; 0: no limit */
    uint16_t at, has; /* where the member lies, and its has_ or n_ */
    uint8_t how;
    uint8_t count; /* of a list or map; 0: PB_LIST_MAX */
};

struct pb_shape {
    const ProtobufCMessageDescriptor *type;
    const struct pb_row *rows; /* by field number */
    uint32_t row_count;
};

/* NULL: not in order, or the arena is full; then its content is of no use. */
MUST_USE ProtobufCMessage *pb_read_plain(const struct pb_shape *shape, struct bytes wire,
                                         struct arena *arena);
