/* A map from 128-bit keys of texts to pointers or numbers, for commands that hold a whole
 * run in memory. Grows; never for the worker's path. */
#pragma once

#include "base/bytes.h"
#include "base/err.h"

struct keyed_key {
    uint64_t a, b; /* never both 0 */
};
/* Of several texts, each with its length: ("ab", "c") differs from ("a", "bc"). */
struct keyed_key keyed_key_of(const struct bytes *texts, uint32_t count);

struct keyed_row {
    struct keyed_key key;
    uintptr_t value;
};
struct keyed {
    struct keyed_row *rows;
    size_t max; /* a power of two */
    size_t count;
};

/* The value's place, 0 where the key is new; NULL: no memory. Valid until the next one. */
uintptr_t *keyed_put(struct keyed *keyed, struct keyed_key key);
/* NULL: not there. */
const uintptr_t *keyed_find(const struct keyed *keyed, struct keyed_key key);
void keyed_clear(struct keyed *keyed); /* keeps its memory */
void keyed_free(struct keyed *keyed);
