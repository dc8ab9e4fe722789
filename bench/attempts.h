/* How often a key was seen: a growing table of 64-bit hashes. */
#pragma once

#include "base/base.h"

struct attempts {
    struct attempts_row *rows;
    size_t max, count;
};

uint16_t attempts_add(struct attempts *a, uint64_t key); /* the count, this one included */
void attempts_deinit(struct attempts *a);
