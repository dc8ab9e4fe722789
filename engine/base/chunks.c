/* A chain's first chunk knows its last, so that freeing it is one step. */
#include "base/chunks.h"

struct first {
    uint32_t next, last, size;
    char text[CHUNK_SIZE - 3 * sizeof(uint32_t)];
};

struct further {
    uint32_t next;
    char text[CHUNK_SIZE - sizeof(uint32_t)];
};
_Static_assert(sizeof(struct first) == CHUNK_SIZE && sizeof(struct further) == CHUNK_SIZE,
               "chunks lie side by side");

enum {
    FIRST_TEXT = sizeof(((struct first *)0)->text),
    FURTHER_TEXT = sizeof(((struct further *)0)->text),
};

static void *chunk_at(const struct chunks *c, uint32_t handle)
{
    CHECK(handle > 0 && handle <= c->fresh);
    return c->at + (size_t)(handle - 1) * CHUNK_SIZE;
}

void chunks_init(struct chunks *c, void *memory, uint32_t count)
{
    CHECK(count < CHUNK_COUNT_MAX);
    *c = (struct chunks){.at = memory, .count = count};
}

uint32_t chunks_of(size_t size)
{
    if (size <= FIRST_TEXT)
        return 1;
    return 1 + (uint32_t)((size - FIRST_TEXT + FURTHER_TEXT - 1) / FURTHER_TEXT);
}

static uint32_t take(struct chunks *c)
{
    uint32_t handle = c->free;
    if (handle == 0)
        return ++c->fresh;
    c->free = ((struct further *)chunk_at(c, handle))->next;
    return handle;
}

uint32_t chunks_put(struct chunks *c, const struct bytes *pieces, uint32_t count)
{
    size_t size = 0;
    for (uint32_t i = 0; i < count; i++)
        size += pieces[i].size;
    CHECK(size <= UINT32_MAX);
    if (chunks_of(size) > chunks_room(c))
        return 0;
    uint32_t handle = take(c), last = handle;
    struct first *first = chunk_at(c, handle);
    char *to = first->text;
    size_t room = FIRST_TEXT;
    for (uint32_t i = 0; i < count; i++) {
        for (struct bytes rest = pieces[i]; rest.size > 0;) {
            if (room == 0) {
                uint32_t next = take(c);
                /* `next` is the first member of both kinds */
                memcpy(chunk_at(c, last), &next, sizeof next);
                last = next;
                to = ((struct further *)chunk_at(c, last))->text;
                room = FURTHER_TEXT;
            }
            size_t part = (size_t)u64_min(rest.size, room);
            memcpy(to, rest.at, part);
            to += part, room -= part;
            rest.at += part, rest.size -= part;
        }
    }
    uint32_t end = 0;
    memcpy(chunk_at(c, last), &end, sizeof end);
    first->last = last;
    first->size = (uint32_t)size;
    c->used += chunks_of(size);
    c->strings++;
    return handle;
}

size_t chunks_size(const struct chunks *c, uint32_t handle)
{
    return ((const struct first *)chunk_at(c, handle))->size;
}

void chunks_copy(const struct chunks *c, uint32_t handle, char *to)
{
    const struct first *first = chunk_at(c, handle);
    size_t rest = first->size, part = (size_t)u64_min(rest, FIRST_TEXT);
    memcpy(to, first->text, part);
    for (uint32_t next = first->next; rest > part;) {
        const struct further *further = chunk_at(c, next);
        to += part, rest -= part;
        part = (size_t)u64_min(rest, FURTHER_TEXT);
        memcpy(to, further->text, part);
        next = further->next;
    }
}

void chunks_free(struct chunks *c, uint32_t handle)
{
    struct first *first = chunk_at(c, handle);
    uint32_t count = chunks_of(first->size);
    CHECK(c->used >= count && c->strings > 0);
    c->used -= count;
    c->strings--;
    memcpy(chunk_at(c, first->last), &c->free, sizeof c->free);
    c->free = handle;
}
