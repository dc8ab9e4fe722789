/* Byte strings of any size in a memory of fixed size: each is a chain of chunks, so nothing
 * is ever moved and no room is lost to holes. A string is known by its handle, 1 ... count;
 * 0 is none. Holds the caller's number of each string beside it. */
#pragma once

#include "base/bytes.h"

enum { CHUNK_SIZE = 128, CHUNK_COUNT_MAX = 1 << 26 };

struct chunks {
    char *at; /* the caller's memory, `count` chunks; touched as it is used */
    uint32_t count;
    uint32_t fresh; /* handles beyond it were never used */
    uint32_t free;  /* the first of a chain; 0: none */
    uint32_t used;
    uint32_t strings;
};

void chunks_init(struct chunks *chunks, void *memory, uint32_t count);
/* How many chunks a string of that size takes. */
uint32_t chunks_of(size_t size);
static inline uint32_t chunks_room(const struct chunks *chunks)
{
    return chunks->count - chunks->used;
}

/* A string made of pieces, one after the other; 0: there is no room, nothing changed. */
MUST_USE uint32_t chunks_put(struct chunks *chunks, const struct bytes *pieces, uint32_t count);
size_t chunks_size(const struct chunks *chunks, uint32_t handle);
/* Into memory of chunks_size(). */
void chunks_copy(const struct chunks *chunks, uint32_t handle, char *to);
void chunks_free(struct chunks *chunks, uint32_t handle);
