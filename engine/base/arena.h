/* A bump arena over one block of fixed size: what it hands out is freed all at
 * once, by arena_reset. Never grows; NULL means full. */
#pragma once

#include "base/base.h"
#include "base/bytes.h"

struct arena {
    char *at;
    size_t used, max;
};

static inline struct arena arena_of(void *memory, size_t max)
{
    return (struct arena){.at = memory, .max = max};
}

/* 16-byte aligned. NULL when it does not fit. */
static inline void *arena_take(struct arena *a, size_t size)
{
    size_t start = (a->used + 15) & ~(size_t)15;
    if (start > a->max || size > a->max - start)
        return NULL;
    a->used = start + size;
    return a->at + start;
}

/* A NUL-terminated copy; NULL when it does not fit. */
static inline char *arena_copy(struct arena *a, struct bytes b)
{
    char *copy = arena_take(a, b.size + 1);
    if (copy) {
        if (b.size > 0)
            memcpy(copy, b.at, b.size);
        copy[b.size] = '\0';
    }
    return copy;
}

static inline void arena_reset(struct arena *a)
{
    a->used = 0;
}
