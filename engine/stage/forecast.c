/* A table of its own, because a morning's deferrals are many and differ in little: a hash
 * field is counted up once for all of a quarter of a second, not once a message. */
#include "stage/forecast.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum { EVERY_MS = 250, COMMANDS_PER_ROW = 3, FULL = FORECAST_ROWS * 3 / 4 };

static void on_reply(struct redis_waiter *waiter, uint32_t index, const struct redis_reply *reply)
{
    struct forecast *f = container_of(waiter, struct forecast, waiter);
    f->lost += !reply || reply->type == REDIS_ERROR ? index : 0;
}

void forecast_init(struct forecast *f, struct redis *redis, const struct ring *ring)
{
    memset(f, 0, sizeof *f);
    f->redis = redis;
    f->ring = *ring;
    f->waiter.done = on_reply;
}

static uint64_t mix(uint64_t h, struct bytes text)
{
    for (size_t i = 0; i < text.size; i++)
        h = (h ^ (uint8_t)text.at[i]) * UINT64_C(0x100000001b3);
    return h;
}

static bool is_row(const struct forecast_row *row, int64_t slot, struct bytes kind,
                   struct bytes route, uint32_t bucket)
{
    return row->slot == slot && row->bucket == bucket && bytes_equal(bytes_of(row->kind), kind) &&
           bytes_equal(bytes_of(row->route), route);
}

/* NULL: there is no room for one more. */
static struct forecast_row *row_of(struct forecast *f, int64_t slot, struct bytes kind,
                                   struct bytes route, uint32_t bucket)
{
    uint64_t h = mix(mix(UINT64_C(0xcbf29ce484222325) ^ (uint64_t)slot, kind), route) + bucket;
    h = (h ^ (h >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    uint32_t place = (uint32_t)(h >> 32) % FORECAST_PLACES;
    for (; f->places[place]; place = (place + 1) % FORECAST_PLACES) {
        struct forecast_row *row = &f->rows[f->places[place] - 1];
        if (is_row(row, slot, kind, route, bucket))
            return row;
    }
    if (f->count == FORECAST_ROWS)
        return NULL;
    struct forecast_row *row = &f->rows[f->count++];
    f->places[place] = (uint16_t)f->count;
    *row = (struct forecast_row){.slot = slot, .bucket = bucket};
    memcpy(row->kind, kind.at, kind.size);
    if (route.size > 0)
        memcpy(row->route, route.at, route.size);
    return row;
}

void forecast_note(struct forecast *f, struct bytes kind, struct bytes route, int64_t due_ms,
                   int64_t expires_ms, uint32_t segments)
{
    if (route.size >= RELEASE_NAME_MAX)
        route.size = 0;
    uint32_t bucket =
        expires_ms == 0 ? RELEASE_BUCKET_UNKNOWN : release_bucket(expires_ms - due_ms);
    struct forecast_row *row = NULL;
    if (kind.size > 0 && kind.size < sizeof row->kind)
        row = row_of(f, ring_slot_of(&f->ring, due_ms), kind, route, bucket);
    if (!row) {
        f->lost++;
        return;
    }
    row->count++;
    row->segments += segments;
}

bool forecast_is_new(const struct forecast *f, const struct deferral *was, int64_t due_ms)
{
    return !was || ring_slot_of(&f->ring, was->due_ms) != ring_slot_of(&f->ring, due_ms);
}

static int by_slot(const void *left, const void *right)
{
    const struct forecast_row *a = left, *b = right;
    return a->slot < b->slot ? -1 : a->slot > b->slot;
}

static void add(struct forecast *f, struct bytes key, const struct forecast_row *row, bool segments)
{
    char field[RELEASE_FIELD_MAX], number[24];
    struct writer name = writer_of(field, sizeof field), n = writer_of(number, sizeof number);
    release_write_field(&name, &(struct release_field){.segments = segments,
                                                       .kind = bytes_of(row->kind),
                                                       .route = bytes_of(row->route),
                                                       .bucket = row->bucket});
    write_u64(&n, segments ? row->segments : row->count);
    CHECK(!name.overflow && !n.overflow);
    const struct bytes command[] = {BYTES("HINCRBY"), key, writer_bytes(&name), writer_bytes(&n)};
    redis_command(f->redis, command, countof(command), &f->waiter,
                  segments ? 0 : (uint32_t)row->count);
}

static void keep_until(struct forecast *f, struct bytes key, int64_t slot)
{
    char number[24];
    struct writer n = writer_of(number, sizeof number);
    write_i64(&n, ring_slot_end_ms(&f->ring, slot) + f->ring.slots * f->ring.slot_ms);
    const struct bytes command[] = {BYTES("PEXPIREAT"), key, writer_bytes(&n)};
    redis_command(f->redis, command, countof(command), &f->waiter, 0);
}

static void write_rows(struct forecast *f)
{
    qsort(f->rows, f->count, sizeof f->rows[0], by_slot);
    for (uint32_t i = 0; i < f->count; i++) {
        const struct forecast_row *row = &f->rows[i];
        char memory[RELEASE_KEY_MAX];
        struct writer key = writer_of(memory, sizeof memory);
        release_write_key(&key, f->ring.slot_ms, row->slot);
        CHECK(!key.overflow);
        add(f, writer_bytes(&key), row, false);
        if (row->segments > 0)
            add(f, writer_bytes(&key), row, true);
        if (i + 1 == f->count || row[1].slot != row->slot)
            keep_until(f, writer_bytes(&key), row->slot);
    }
    memset(f->places, 0, sizeof f->places);
    f->count = 0;
}

void forecast_turn(struct forecast *f, uint64_t now_ns)
{
    if (f->count == 0)
        return;
    if (f->due_ns == 0)
        f->due_ns = now_ns + EVERY_MS * NS_PER_MS;
    if (now_ns < f->due_ns && f->count < FULL)
        return;
    bool room = redis_room(f->redis) >= f->count * COMMANDS_PER_ROW;
    if (room) /* else it is away, or busy with what is worth more */
        write_rows(f);
    f->due_ns = room ? 0 : now_ns + EVERY_MS * NS_PER_MS;
}

uint64_t forecast_next_ns(const struct forecast *f)
{
    return f->due_ns ? f->due_ns : UINT64_MAX;
}
