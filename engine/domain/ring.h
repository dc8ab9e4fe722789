/* The calendar ring's geometry: which partition holds what is due when, which records it
 * takes, and when one partition is read. Due times are cut into slots; slot n lies in the
 * `spread` partitions of n mod `slots`, one turn of the ring after another. A slot's number
 * n, counted from 1970, names a partition's cycle.
 *
 * The far ring is the same thing with 32 slots of a UTC day. */
#pragma once

#include "base/bytes.h"
#include "base/err.h"
#include "base/time.h"

struct ring {
    uint32_t slots;
    int64_t slot_ms;
    uint32_t spread;
};

enum {
    RING_SLOTS_LEAST = 4,
    RING_GUARD_SLOTS = 2, /* they keep the next cycle out of a slot that is being read */
    RING_PARTITIONS_MAX = 65536,
    RING_TEXT_MAX = 48,
    RING_FAR_DAYS = 32,
    RING_CLOCK_ERROR_MS = 500, /* of the clock: a greater step holds it */
};
#define RING_SLOT_MAX_MS (400 * TIME_DAY_MS)
#define RING_FAR_LEAD_MS (22 * INT64_C(3600000))
#define RING_DUE_MAX_MS (TIME_MOST_S * 1000) /* no due time is later */
#define RING_NO_CYCLE INT64_MIN

/* The clock: CLOCK_BOOTTIME + offset to Redis TIME. It holds after a step until three samples
 * agree; after a start or a stall it tells the time from the first sample on, and is agreed
 * once three were. */
struct ring_clock {
    int64_t now_ms;
    bool held;   /* nothing is fired, deferred or finished */
    bool agreed; /* else no cycle is finished */
};

struct ring ring_far(uint32_t spread);
bool ring_is_valid(const struct ring *ring);
static inline uint32_t ring_partitions(const struct ring *ring)
{
    return ring->slots * ring->spread;
}

/* The header `carillon-ring`: slots/slot ms/spread. ERR_INVALID for what is no valid ring. */
MUST_USE enum err ring_parse(struct bytes text, struct ring *ring);
void ring_write(struct writer *w, const struct ring *ring);

/* The slot's number of an instant, its bounds, and its partition. */
int64_t ring_slot_of(const struct ring *ring, int64_t due_ms);
static inline int64_t ring_slot_start_ms(const struct ring *ring, int64_t slot)
{
    return slot * ring->slot_ms;
}
static inline int64_t ring_slot_end_ms(const struct ring *ring, int64_t slot)
{
    return (slot + 1) * ring->slot_ms;
}
int32_t ring_partition(const struct ring *ring, int64_t due_ms, struct bytes event_id);
/* Which slot of the ring a partition holds, 0 ... slots - 1. */
static inline uint32_t ring_slot_index(const struct ring *ring, int32_t partition)
{
    return (uint32_t)partition / ring->spread;
}

/* Whether a record due then may be written now. */
bool ring_admits(const struct ring *ring, int64_t now_ms, int64_t min_delay_ms, int64_t due_ms);

/* The moment from which the ring takes it: what STAYs is asked about again then. */
int64_t ring_admits_from_ms(const struct ring *ring, int64_t due_ms);

/* The current cycle of a slot of the ring: the latest whose start - lead has passed. From
 * there until ring_read_until_ms its partitions are read and tailed. */
int64_t ring_cycle_at(const struct ring *ring, uint32_t slot_index, int64_t lead_ms,
                      int64_t now_ms);
static inline int64_t ring_read_until_ms(const struct ring *ring, int64_t cycle)
{
    return ring_slot_end_ms(ring, cycle) + ring->slot_ms;
}

/* Where a deferral goes. */
enum ring_where {
    RING_HOLD, /* due too soon for any ring: the wheel */
    RING_NEAR, /* carillon.deferred.<g> */
    RING_FAR,  /* carillon.deferred.far */
    RING_STAY, /* it lies in the far partition of its day and fits no ring yet: it stays open */
};

struct ring_plan {
    struct ring ring;
    uint32_t far_spread;
    int64_t min_delay_ms;
};

struct ring_place {
    enum ring_where where;
    int32_t partition; /* NEAR, FAR */
    int64_t due_ms;    /* when it is looked at again; earlier than the event's where it is parked */
    int64_t slot_end_ms; /* until when its acknowledgement counts */
};

/* `far_day`: the slot of carillon.deferred.far in whose cycle the record is read, or
 * RING_NO_CYCLE for one that comes from anywhere else. */
struct ring_place ring_place(const struct ring_plan *plan, int64_t now_ms, int64_t due_ms,
                             struct bytes event_id, int64_t far_day);

/* Whether the deferral's acknowledgement counts, by a clock read after it was taken. Where it
 * does not, the source stays open and goes on in the wheel; the copy finds the claim. */
bool ring_ack_counts(int64_t slot_end_ms, const struct ring_clock *after);
