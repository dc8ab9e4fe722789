#include "attempts.h"

#include <stdlib.h>

struct attempts_row {
    uint64_t key; /* 0: free */
    uint16_t count;
};

static struct attempts_row *place(struct attempts_row *rows, size_t max, uint64_t key)
{
    size_t at = key & (max - 1);
    while (rows[at].key != 0 && rows[at].key != key)
        at = (at + 1) & (max - 1);
    return &rows[at];
}

static void grow(struct attempts *a)
{
    size_t max = a->max ? 2 * a->max : 4096;
    struct attempts_row *rows = calloc(max, sizeof *rows);
    CHECK(rows);
    for (size_t i = 0; i < a->max; i++)
        if (a->rows[i].key != 0)
            *place(rows, max, a->rows[i].key) = a->rows[i];
    free(a->rows);
    a->rows = rows;
    a->max = max;
}

uint16_t attempts_add(struct attempts *a, uint64_t key)
{
    if (2 * a->count >= a->max)
        grow(a);
    key += key == 0;
    struct attempts_row *row = place(a->rows, a->max, key);
    a->count += row->key == 0;
    row->key = key;
    if (row->count < UINT16_MAX)
        row->count++;
    return row->count;
}

void attempts_deinit(struct attempts *a)
{
    free(a->rows);
    *a = (struct attempts){0};
}
