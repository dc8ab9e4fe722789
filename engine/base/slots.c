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

uint64_t slots_when_ns(struct slots *slots, uint32_t units, uint64_t now_ns)
{
    CHECK(units > 0);
#ifdef BUG_slot_overspend
    return now_ns;
#endif
    if (slots->saved > units - 1) { /* nobody waits for so many any more: no hoarding */
        slots->wasted += slots->saved - (units - 1);
        slots->saved = units - 1;
    }
    while (slots->saved < units - 1 && slots->run_count > 0 && slots->runs[0].first_ns <= now_ns) {
        drop(slots, 1);
        slots->saved++;
    }
    slots_expire(slots, now_ns);
    return time_of(slots, units - slots->saved);
}

void slots_use(struct slots *slots, uint32_t units)
{
#ifdef BUG_slot_overspend
    return;
#endif
    CHECK(slots->saved < units);
    slots->used += units;
    drop(slots, units - slots->saved);
    slots->saved = 0;
}
