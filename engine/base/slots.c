#include "base/slots.h"

void slots_init(struct slots *slots, uint64_t late_ns)
{
    *slots = (struct slots){.late_ns = late_ns};
}

void slots_put(struct slots *slots, uint64_t first_ns, uint64_t interval_ns, uint32_t count)
{
    CHECK(slots_room(slots));
    if (count > 0)
        slots->runs[slots->run_count++] = (struct slots_run){first_ns, interval_ns, count};
}

uint32_t slots_left(const struct slots *slots)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < slots->run_count; i++)
        left += slots->runs[i].left;
    return left;
}

/* Drops the first n slots. */
static void drop(struct slots *slots, uint32_t n)
{
    uint32_t gone = 0;
    while (n > 0) {
        CHECK(gone < slots->run_count);
        struct slots_run *run = &slots->runs[gone];
        uint32_t take = n < run->left ? n : run->left;
        run->first_ns += take * run->interval_ns;
        run->left -= take;
        n -= take;
        if (run->left == 0)
            gone++;
    }
    for (uint32_t i = gone; i < slots->run_count; i++)
        slots->runs[i - gone] = slots->runs[i];
    slots->run_count -= gone;
}

void slots_expire(struct slots *slots, uint64_t now_ns)
{
    while (slots->run_count > 0) {
        struct slots_run *run = &slots->runs[0];
        if (run->first_ns + slots->late_ns >= now_ns)
            return;
        uint64_t past_ns = now_ns - run->first_ns - slots->late_ns; /* > 0 */
        uint64_t late = run->interval_ns == 0 ? run->left : (past_ns - 1) / run->interval_ns + 1;
        uint32_t n = late < run->left ? (uint32_t)late : run->left;
        slots->wasted += n;
        drop(slots, n);
    }
}

/* The time of the n-th slot from here, counted from 1; UINT64_MAX beyond the last. */
static uint64_t time_of(const struct slots *slots, uint32_t n)
{
    for (uint32_t i = 0; i < slots->run_count; i++) {
        const struct slots_run *run = &slots->runs[i];
        if (n <= run->left)
            return run->first_ns + (n - 1) * run->interval_ns;
        n -= run->left;
    }
    return UINT64_MAX;
}

bool slots_take(struct slots *slots, uint32_t units, uint64_t now_ns, uint64_t *next_ns)
{
    CHECK(units > 0);
    /* Units already in hand must not be lost while the last one comes: only slots that
     * would be late even as the last of the text are thrown away. */
    uint64_t last_ns = time_of(slots, units);
    while (last_ns != UINT64_MAX && last_ns + slots->late_ns < now_ns) {
        slots->wasted++;
        drop(slots, 1);
        last_ns = time_of(slots, units);
    }
    *next_ns = last_ns;
    if (last_ns > now_ns)
        return false;
    slots->used += units;
    drop(slots, units);
    return true;
}
