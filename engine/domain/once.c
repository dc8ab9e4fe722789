#include "domain/once.h"

#include "domain/judge_steps.h"

#define MINUTE_MS INT64_C(60000)
#define DAY_MS INT64_C(86400000)

struct bytes once_dedup_key(const Carillon__V1__Event *event)
{
    struct bytes given = bytes_of(event->dedup_key);
    return given.size > 0 ? given : bytes_of(event->event_id);
}

int64_t once_window_end_ms(const struct judge *rules, int64_t end_ms, int64_t expires_ms)
{
    return i64_max(end_ms + rules->dedup_window_ms, expires_ms + DAY_MS);
}

/* A resend is neither collapsed nor collapses; without an id nobody knows whether it is
 * the same booking. */
enum once_part once_part_of(const struct judge_case *c)
{
    const Carillon__V1__Booking *booking = c->event->booking;
    if (c->event->resend || !booking || !booking->booking_id || !*booking->booking_id)
        return ONCE_NONE;
    if (kind_is(c->kind, KIND_COLLAPSES))
        return ONCE_KEEPS;
    return kind_is(c->kind, KIND_ADDITIONAL) ? ONCE_YIELDS : ONCE_NONE;
}

int64_t once_minute(const struct leg *leg)
{
    int64_t ms = leg->effective_due_ms;
    return ms / MINUTE_MS - (ms % MINUTE_MS < 0);
}

static bool starts_before(const Carillon__V1__Service *a, const Carillon__V1__Service *b)
{
    if (!a->starts_at || !b->starts_at)
        return a->starts_at && !b->starts_at;
    return a->starts_at->seconds != b->starts_at->seconds
               ? a->starts_at->seconds < b->starts_at->seconds
               : a->starts_at->nanos < b->starts_at->nanos;
}

/* O3: of a booking's services the earliest speaks; the first in the list at a tie. */
bool o3_other_service(const struct judging *j, struct leg *leg, struct refusal *why)
{
    (void)leg;
    const Carillon__V1__Booking *booking = j->event->booking;
    struct bytes service = bytes_of(j->event->service_id);
    if (!kind_is(j->kind, KIND_ADDITIONAL) || j->event->resend || service.size == 0 ||
        booking->n_services < 2)
        return false;
    const Carillon__V1__Service *earliest = booking->services[0];
    for (size_t i = 1; i < booking->n_services; i++)
        if (starts_before(booking->services[i], earliest))
            earliest = booking->services[i];
    return !bytes_equal(bytes_of(earliest->service_id), service) &&
           suppressed(why, REASON_COLLAPSED);
}
