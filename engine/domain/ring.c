#include "domain/ring.h"

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

struct ring ring_far(uint32_t spread)
{
    return (struct ring){.slots = RING_FAR_DAYS, .slot_ms = TIME_DAY_MS, .spread = spread};
}

bool ring_is_valid(const struct ring *ring)
{
    return ring->slots >= RING_SLOTS_LEAST && ring->slots <= RING_PARTITIONS_MAX &&
           ring->slot_ms > 0 && ring->slot_ms <= RING_SLOT_MAX_MS && ring->spread > 0 &&
           ring->spread <= RING_PARTITIONS_MAX / ring->slots;
}

/* Digits up to `stop` or the end, in the one form that they have. */
static bool take_number(struct bytes *text, char stop, int64_t *n)
{
    size_t used = 0;
    for (*n = 0; used < text->size && text->at[used] != stop; used++) {
        char c = text->at[used];
        if (c < '0' || c > '9' || used == 12 || (used == 1 && text->at[0] == '0'))
            return false;
        *n = *n * 10 + (c - '0');
    }
    if (used == 0 || (used == text->size) != (stop == '\0'))
        return false;
    if (stop != '\0')
        used++;
    *text = (struct bytes){text->at + used, text->size - used};
    return true;
}

enum err ring_parse(struct bytes text, struct ring *ring)
{
    int64_t slots, slot_ms, spread;
    if (!take_number(&text, '/', &slots) || !take_number(&text, '/', &slot_ms) ||
        !take_number(&text, '\0', &spread))
        return ERR_INVALID;
    if (slots > RING_PARTITIONS_MAX || spread > RING_PARTITIONS_MAX)
        return ERR_INVALID;
    struct ring read = {.slots = (uint32_t)slots, .slot_ms = slot_ms, .spread = (uint32_t)spread};
    if (!ring_is_valid(&read))
        return ERR_INVALID;
    *ring = read;
    return ERR_OK;
}

void ring_write(struct writer *w, const struct ring *ring)
{
    write_u64(w, ring->slots);
    write_char(w, '/');
    write_i64(w, ring->slot_ms);
    write_char(w, '/');
    write_u64(w, ring->spread);
}

int64_t ring_slot_of(const struct ring *ring, int64_t due_ms)
{
    return floor_div(due_ms, ring->slot_ms);
}

static uint32_t index_of(const struct ring *ring, int64_t slot)
{
    return (uint32_t)(slot - floor_div(slot, ring->slots) * ring->slots);
}

/* FNV-1a, mixed once more: its low bits alone are poor. */
static uint64_t hash(struct bytes text)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < text.size; i++)
        h = (h ^ (uint8_t)text.at[i]) * UINT64_C(0x100000001b3);
    h = (h ^ (h >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    return h ^ (h >> 33);
}

int32_t ring_partition(const struct ring *ring, int64_t due_ms, struct bytes event_id)
{
    uint32_t index = index_of(ring, ring_slot_of(ring, due_ms));
    return (int32_t)(index * ring->spread + hash(event_id) % ring->spread);
}

static int64_t reach_ms(const struct ring *ring)
{
    return (int64_t)(ring->slots - RING_GUARD_SLOTS) * ring->slot_ms;
}

bool ring_admits(const struct ring *ring, int64_t now_ms, int64_t min_delay_ms, int64_t due_ms)
{
    return due_ms >= now_ms + min_delay_ms && due_ms < now_ms + reach_ms(ring);
}

int64_t ring_admits_from_ms(const struct ring *ring, int64_t due_ms)
{
    return due_ms - reach_ms(ring) + 1;
}

int64_t ring_cycle_at(const struct ring *ring, uint32_t slot_index, int64_t lead_ms, int64_t now_ms)
{
    int64_t latest = floor_div(now_ms + lead_ms, ring->slot_ms);
    return latest - index_of(ring, latest - slot_index);
}

static struct ring_place in(enum ring_where where, const struct ring *ring, int64_t due_ms,
                            struct bytes event_id)
{
    return (struct ring_place){.where = where,
                               .partition = ring_partition(ring, due_ms, event_id),
                               .due_ms = due_ms,
                               .slot_end_ms = ring_slot_end_ms(ring, ring_slot_of(ring, due_ms))};
}

struct ring_place ring_place(const struct ring_plan *plan, int64_t now_ms, int64_t due_ms,
                             struct bytes event_id, int64_t far_day)
{
    struct ring far = ring_far(plan->far_spread);
    int64_t far_end_ms = now_ms + reach_ms(&far);
    struct ring_place here = {.where = RING_HOLD, .due_ms = due_ms};
    if (due_ms < now_ms + plan->min_delay_ms)
        return here;
    if (ring_admits(&plan->ring, now_ms, plan->min_delay_ms, due_ms))
        return in(RING_NEAR, &plan->ring, due_ms, event_id);
    if (due_ms >= far_end_ms) /* the last permitted day, and again */
        due_ms = ring_slot_start_ms(&far, ring_slot_of(&far, far_end_ms - 1));
    if (ring_slot_of(&far, due_ms) == far_day) {
        here.where = RING_STAY;
        return here;
    }
    return in(RING_FAR, &far, due_ms, event_id);
}

bool ring_ack_counts(int64_t slot_end_ms, const struct ring_clock *after)
{
#ifdef BUG_late_ack_counts
    return !after->held;
#elif defined(BUG_held_ack_counts)
    return after->now_ms < slot_end_ms;
#else
    return !after->held && after->now_ms < slot_end_ms;
#endif
}
