/* The latest value of each key of a compacted topic, copied. For commands. */
#pragma once

#include "base/bytes.h"
#include "keyed.h"

struct latest_row {
    struct bytes key, value; /* value.at NULL: removed */
    int64_t offset;
};
struct latest {
    struct keyed keys; /* index + 1 */
    struct latest_row *rows;
    uint32_t count, max;
};

/* Of one key the last one put stands. */
void latest_put(struct latest *latest, struct bytes key, struct bytes value, int64_t offset);
/* NULL: none was put. */
const struct latest_row *latest_find(const struct latest *latest, struct bytes key);
void latest_free(struct latest *latest);
