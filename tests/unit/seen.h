/* Which states an explorer met: hashes in an open table. */
#pragma once

#include "base/base.h"

#include <stdlib.h>

struct seen {
    uint64_t *at, max, count;
    bool full; /* half of it is: what was explored is not all */
};

/* `max`: a power of two. */
static inline void seen_open(struct seen *seen, uint64_t max)
{
    *seen = (struct seen){.at = calloc(max, sizeof *seen->at), .max = max};
    CHECK(seen->at);
}

static inline void seen_close(struct seen *seen)
{
    free(seen->at);
}

/* Notes the state (not 0). True: it was met before, or there is no room for it. */
static inline bool seen_before(struct seen *seen, uint64_t hash)
{
    uint64_t at = hash & (seen->max - 1);
    for (; seen->at[at] != 0; at = (at + 1) & (seen->max - 1))
        if (seen->at[at] == hash)
            return true;
    if (seen->count >= seen->max / 2)
        return seen->full = true;
    seen->at[at] = hash;
    seen->count++;
    return false;
}
