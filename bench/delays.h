/* Answers that leave later: a heap by time. */
#pragma once

#include "base/base.h"

struct delay {
    uint64_t due_ns;
    int fd;
    uint32_t number; /* of the connection */
};

struct delays {
    struct delay *heap;
    size_t max, count;
};

void delays_put(struct delays *d, struct delay delay);
bool delays_take(struct delays *d, uint64_t now_ns, struct delay *out); /* false: none is due */
