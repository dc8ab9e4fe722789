#include "keyed.h"

#include "base/prng.h"

#include <stdlib.h>

static uint64_t stir(uint64_t h, const void *at, size_t size)
{
    const unsigned char *p = at;
    for (; size >= 8; p += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        h ^= word;
        h = prng_next(&h);
    }
    uint64_t rest = 0;
    if (size > 0)
        memcpy(&rest, p, size);
    h ^= rest;
    return prng_next(&h);
}

struct keyed_key keyed_key_of(const struct bytes *texts, uint32_t count)
{
    struct keyed_key key = {UINT64_C(0x6361726e), UINT64_C(0x696c6c6f)};
    for (uint32_t i = 0; i < count; i++) {
        key.a = stir(stir(key.a, &texts[i].size, sizeof texts[i].size), texts[i].at, texts[i].size);
        key.b = stir(stir(key.b ^ key.a, &i, sizeof i), texts[i].at, texts[i].size);
    }
    key.b += key.a == 0 && key.b == 0;
    return key;
}

static struct keyed_row *row_of(const struct keyed *keyed, struct keyed_key key)
{
    size_t i = key.a & (keyed->max - 1);
    while ((keyed->rows[i].key.a || keyed->rows[i].key.b) &&
           (keyed->rows[i].key.a != key.a || keyed->rows[i].key.b != key.b))
        i = (i + 1) & (keyed->max - 1);
    return &keyed->rows[i];
}

static bool grow(struct keyed *keyed)
{
    struct keyed larger = {.max = keyed->max ? keyed->max * 2 : 64, .count = keyed->count};
    larger.rows = calloc(larger.max, sizeof *larger.rows);
    if (!larger.rows)
        return false;
    for (size_t i = 0; i < keyed->max; i++)
        if (keyed->rows[i].key.a || keyed->rows[i].key.b)
            *row_of(&larger, keyed->rows[i].key) = keyed->rows[i];
    free(keyed->rows);
    *keyed = larger;
    return true;
}

uintptr_t *keyed_put(struct keyed *keyed, struct keyed_key key)
{
    if (keyed->count * 2 >= keyed->max && !grow(keyed))
        return NULL;
    struct keyed_row *row = row_of(keyed, key);
    if (!row->key.a && !row->key.b) {
        row->key = key;
        keyed->count++;
    }
    return &row->value;
}

const uintptr_t *keyed_find(const struct keyed *keyed, struct keyed_key key)
{
    if (keyed->count == 0)
        return NULL;
    const struct keyed_row *row = row_of(keyed, key);
    return row->key.a || row->key.b ? &row->value : NULL;
}

void keyed_clear(struct keyed *keyed)
{
    if (keyed->max > 0)
        memset(keyed->rows, 0, keyed->max * sizeof *keyed->rows);
    keyed->count = 0;
}

void keyed_free(struct keyed *keyed)
{
    free(keyed->rows);
    *keyed = (struct keyed){0};
}
