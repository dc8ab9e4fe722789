/* A bump arena over memory of fixed size: what it hands out is freed all at once, by
 * arena_reset. Never grows; NULL means full. The memory is one part, or a small one that
 * usually suffices and a further one, so that many arenas lie close together. */
#pragma once

#include "base/base.h"
#include "base/bytes.h"

struct arena {
    char *at;
    size_t used, max; /* of both parts: what is taken never lies across them */
    char *further;    /* the second part; NULL: one only */
    size_t first_max; /* of the first part */
};

static inline struct arena arena_of(void *memory, size_t max)
{
    return (struct arena){.at = memory, .max = max, .first_max = max};
}

/* `first_max` is a multiple of 16. */
static inline struct arena arena_of_two(void *first, size_t first_max, void *further,
                                        size_t further_max)
{
    return (struct arena){
        .at = first, .max = first_max + further_max, .further = further, .first_max = first_max};
}

/* From `start` on, or where the second part begins. NULL when it does not fit. */
static inline void *arena_take_at(struct arena *a, size_t start, size_t size)
{
    if (start < a->first_max && size > a->first_max - start)
        start = a->first_max;
    if (start > a->max || size > a->max - start)
        return NULL;
    a->used = start + size;
    return a->further && start >= a->first_max ? a->further + (start - a->first_max)
                                               : a->at + start;
}

/* 16-byte aligned. NULL when it does not fit. */
static inline void *arena_take(struct arena *a, size_t size)
{
    return arena_take_at(a, (a->used + 15) & ~(size_t)15, size);
}

/* The same for texts, which need no alignment. */
static inline char *arena_take_text(struct arena *a, size_t size)
{
    return arena_take_at(a, a->used, size);
}

/* How much can be taken at once without leaving the part where arena_take(a, 0) lies. */
static inline size_t arena_rest(const struct arena *a)
{
    size_t start = (a->used + 15) & ~(size_t)15;
    size_t end = start < a->first_max ? a->first_max : a->max;
    return start < end ? end - start : 0;
}

/* Goes on in the second part. False: it is there, or there is none. */
static inline bool arena_skip(struct arena *a)
{
    if (!a->further || a->used >= a->first_max)
        return false;
    a->used = a->first_max;
    return true;
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
