#include "domain/once.h"

#include "domain/judge_steps.h"
#include "io/crypto.h"

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

/* Effective due time, truncated to the UTC minute. */
static int64_t minute_of(const struct leg *leg)
{
    int64_t ms = leg->effective_due_ms;
    return ms / MINUTE_MS - (ms % MINUTE_MS < 0);
}

/* No part holds NUL, so no two names are the same but where all their parts are. */
static void write_part(struct writer *out, struct bytes part)
{
    write_slice(out, part);
    write_char(out, '\0');
}

void once_meeting_name(const struct judge_case *c, const struct leg *leg, struct writer *out)
{
    write_part(out, bytes_of(c->event->tenant_id));
    write_part(out, bytes_of(c->event->booking->booking_id));
    write_u64(out, c->event->booking->revision);
    write_char(out, '/');
    write_i64(out, minute_of(leg));
    write_part(out, bytes_of(channel_name(leg->channel)));
    write_part(out, leg->address);
}

void once_cap_name(const struct judge_case *c, const struct leg *leg, struct writer *out)
{
    struct bytes customer = bytes_of(c->event->customer_id);
    write_part(out, bytes_of(c->event->tenant_id));
    write_part(out, bytes_of(class_name(c->kind->class)));
    write_part(out, customer);
    if (customer.size > 0)
        return;
    write_part(out, bytes_of(channel_name(leg->channel)));
    write_part(out, leg->address);
}

static void key_of(const char *kind, const struct writer *name, char out[ONCE_KEY_SIZE])
{
    uint8_t hash[SHA256_SIZE];
    struct bytes whole = writer_bytes(name);
    struct writer w = writer_of(out, ONCE_KEY_SIZE - 1);
    CHECK(!name->overflow);
    sha256(&whole, 1, hash);
    write_text(&w, kind);
    write_literal(&w, ":{");
    write_hex(&w, hash, 16);
    write_char(&w, '}');
    out[w.size] = '\0';
}

void once_meeting_key(const struct judge_case *c, const struct leg *leg, char out[ONCE_KEY_SIZE])
{
    char memory[ONCE_NAME_MAX];
    struct writer name = writer_of(memory, sizeof memory);
    once_meeting_name(c, leg, &name);
    key_of("o1", &name, out);
}

int64_t once_meeting_ttl_ms(const struct judge_case *c, const struct leg *leg)
{
    return i64_max((minute_of(leg) + 1) * MINUTE_MS + 3 * DAY_MS - c->now_ms, 1);
}

void once_cap_key(const struct judge_case *c, const struct leg *leg, char out[ONCE_KEY_SIZE])
{
    char memory[ONCE_NAME_MAX];
    struct writer name = writer_of(memory, sizeof memory);
    once_cap_name(c, leg, &name);
    key_of("f1", &name, out);
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
    return suppressed_if(!bytes_equal(bytes_of(earliest->service_id), service), why,
                         REASON_COLLAPSED);
}
