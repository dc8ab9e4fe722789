#include "latest.h"

#include <stdlib.h>

static struct bytes copy_of(struct bytes b)
{
    if (!b.at)
        return b;
    char *copy = malloc(b.size + 1);
    CHECK(copy);
    memcpy(copy, b.at, b.size);
    return (struct bytes){copy, b.size};
}

static void release(struct bytes b)
{
    free((void *)(uintptr_t)b.at);
}

void latest_put(struct latest *latest, struct bytes key, struct bytes value, int64_t offset)
{
    uintptr_t *place = keyed_put(&latest->keys, keyed_key_of(&key, 1));
    CHECK(place);
    if (*place == 0) {
        if (latest->count == latest->max) {
            latest->max = latest->max ? latest->max * 2 : 256;
            latest->rows = realloc(latest->rows, latest->max * sizeof *latest->rows);
            CHECK(latest->rows);
        }
        latest->rows[latest->count++] = (struct latest_row){.key = copy_of(key)};
        *place = latest->count;
    }
    struct latest_row *row = &latest->rows[*place - 1];
    release(row->value);
    row->value = copy_of(value);
    row->offset = offset;
}

const struct latest_row *latest_find(const struct latest *latest, struct bytes key)
{
    const uintptr_t *place = keyed_find(&latest->keys, keyed_key_of(&key, 1));
    return place ? &latest->rows[*place - 1] : NULL;
}

void latest_free(struct latest *latest)
{
    for (uint32_t i = 0; i < latest->count; i++) {
        release(latest->rows[i].key);
        release(latest->rows[i].value);
    }
    free(latest->rows);
    keyed_free(&latest->keys);
    *latest = (struct latest){0};
}
