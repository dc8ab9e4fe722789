/* I9: the exact maximum of arrivals in any window, by two pointers over kernel times. */
#include "oracle.h"

#include <inttypes.h>
#include <stdlib.h>

static int by_time(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static size_t most_in(const int64_t *times, size_t count, int64_t window_ns, int64_t *from_ns)
{
    size_t most = 0;
    for (size_t first = 0, last = 0; last < count; last++) {
        while (times[last] - times[first] >= window_ns)
            first++;
        if (last - first + 1 > most) {
            most = last - first + 1;
            *from_ns = times[first];
        }
    }
    return most;
}

static void judge_limit(struct oracle *o, const struct limit_row *limit)
{
    static const int64_t windows_ms[] = {1000, 60000};
    int64_t *times = calloc(o->call_count + 1, sizeof *times);
    size_t count = 0;
    CHECK(times);
    for (size_t i = 0; i < o->call_count; i++)
        if (o->calls[i].action != SIM_NOT_FOUND &&
            strncmp(o->calls[i].route, limit->route, strlen(limit->route)) == 0)
            times[count++] = o->calls[i].first_ns;
    if (count > 0)
        qsort(times, count, sizeof *times, by_time);
    for (size_t i = 0; i < countof(windows_ms); i++) {
        int64_t from_ns = 0;
        size_t most = most_in(times, count, windows_ms[i] * 1000000, &from_ns);
        double allowed = limit->per_second * (double)windows_ms[i] / 1000;
        o->checked[INVARIANT_I9] += count;
        if ((double)most > allowed)
            oracle_violation(o, INVARIANT_I9, limit->route,
                             "%zu calls in %" PRId64 " ms from %" PRId64 ", at most %.0f", most,
                             windows_ms[i], from_ns / 1000000, allowed);
        if (o->report)
            fprintf(o->report, "rate %s window_ms=%" PRId64 " most=%zu allowed=%.0f\n",
                    limit->route, windows_ms[i], most, allowed);
    }
    free(times);
}

void oracle_judge_rates(struct oracle *o)
{
    for (size_t i = 0; i < o->limit_count; i++)
        judge_limit(o, &o->limits[i]);
}
