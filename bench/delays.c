#include "delays.h"

#include <stdlib.h>

static void swap(struct delay *a, struct delay *b)
{
    struct delay kept = *a;
    *a = *b;
    *b = kept;
}

void delays_put(struct delays *d, struct delay delay)
{
    if (d->count == d->max) {
        d->max = d->max ? 2 * d->max : 1024;
        d->heap = realloc(d->heap, d->max * sizeof *d->heap);
        CHECK(d->heap);
    }
    size_t at = d->count++;
    d->heap[at] = delay;
    for (; at > 0 && d->heap[at].due_ns < d->heap[(at - 1) / 2].due_ns; at = (at - 1) / 2)
        swap(&d->heap[at], &d->heap[(at - 1) / 2]);
}

bool delays_take(struct delays *d, uint64_t now_ns, struct delay *out)
{
    if (d->count == 0 || d->heap[0].due_ns > now_ns)
        return false;
    *out = d->heap[0];
    d->heap[0] = d->heap[--d->count];
    for (size_t at = 0;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++)
            if (child < d->count && d->heap[child].due_ns < d->heap[least].due_ns)
                least = child;
        if (least == at)
            return true;
        swap(&d->heap[at], &d->heap[least]);
        at = least;
    }
}
