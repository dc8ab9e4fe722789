/* Section 7 of the rules: in which zone, and from when. */
#include "domain/judge_steps.h"

#include "domain/address.h"
#include "domain/countries.h"
#include "domain/hours.h"
#include "domain/legal.h"

static void use_zone(struct judge_case *c, const struct zone *zone, Carillon__V1__ZoneSource source)
{
    c->zone_alone = zone;
    c->zone = zone_name(zone);
    c->zone_source = source;
}

static bool try_zone(const struct judging *j, struct bytes name, Carillon__V1__ZoneSource source)
{
    const struct zone *zone = name.size > 0 ? zone_find(j->rules->zones, name) : NULL;
    if (zone)
        use_zone(j->c, zone, source);
    return zone != NULL;
}

static void use_tenant_or_platform(const struct judging *j)
{
    Carillon__V1__ZoneSource platform = CARILLON__V1__ZONE_SOURCE__ZONE_SOURCE_PLATFORM;
    bool found = try_zone(j, j->tenant->zone, CARILLON__V1__ZONE_SOURCE__ZONE_SOURCE_TENANT) ||
                 try_zone(j, bytes_of(j->rules->platform_zone), platform) ||
                 try_zone(j, BYTES("UTC"), platform);
    CHECK(found); /* tzdata without UTC is none: zones_open would have said so */
}

/* Q5: the countries of the number, else the recipient's. */
static struct bytes countries_of(const struct judging *j)
{
    struct bytes number = bytes_of(j->to->sms), country = bytes_of(j->to->country);
    const struct calling_code *code =
        address_number_valid(number) ? country_of_number(number) : NULL;
    if (code)
        return bytes_of(code->countries);
    return country_code_valid(country) ? country : (struct bytes){0};
}

static void guess_zones(const struct judging *j)
{
    struct judge_case *c = j->c;
    struct bytes countries = countries_of(j);
    c->guessed_zones = (struct zone_set){0};
    if (countries.size > 0)
        c->guessed_zones = zones_of_countries(j->rules->zones, countries, c->arena);
    if (c->guessed_zones.count == 0) {
        use_tenant_or_platform(j);
        return;
    }
    c->zone_alone = NULL;
    c->zone = countries;
    c->zone_source = CARILLON__V1__ZONE_SOURCE__ZONE_SOURCE_GUESSED;
}

/* Q1. The first zone that is given decides, even where it is unknown: then it is guessed. */
void when_find_zones(const struct judging *j)
{
    struct bytes location = bytes_of(j->event->location_zone);
    if (j->kind->audience == CARILLON__V1__AUDIENCE__AUDIENCE_BUSINESS) {
        if (!try_zone(j, location, CARILLON__V1__ZONE_SOURCE__ZONE_SOURCE_LOCATION))
            use_tenant_or_platform(j);
        return;
    }
    const struct {
        struct bytes name;
        Carillon__V1__ZoneSource source;
    } chain[] = {
        {bytes_of(j->to->zone), CARILLON__V1__ZONE_SOURCE__ZONE_SOURCE_PROFILE},
        {j->tenant->location_zone ? BYTES("") : bytes_of(j->to->booking_zone),
         CARILLON__V1__ZONE_SOURCE__ZONE_SOURCE_BOOKING},
        {location, CARILLON__V1__ZONE_SOURCE__ZONE_SOURCE_LOCATION},
        {j->tenant->zone, CARILLON__V1__ZONE_SOURCE__ZONE_SOURCE_TENANT},
    };
    for (size_t i = 0; i < countof(chain); i++) {
        if (chain[i].name.size == 0)
            continue;
        if (!try_zone(j, chain[i].name, chain[i].source))
            guess_zones(j);
        return;
    }
    guess_zones(j);
}

static struct zone_set zones_of(const struct judge_case *c)
{
    return c->zone_alone ? ZONE_SET_OF(&c->zone_alone) : c->guessed_zones;
}

static struct hours hours_of(const struct judging *j, Carillon__V1__Channel channel,
                             struct bytes address)
{
    const struct tenant_windows *quiet = &j->tenant->quiet[j->kind->class];
    return (struct hours){
        .windows = quiet->at,
        .window_count = quiet->count,
        .legal = kind_is(j->kind, KIND_LEGAL_HOURS) ? legal_find(address, channel) : NULL,
    };
}

static bool never_closes(const struct hours *hours)
{
    return hours->window_count == 0 && !hours->legal;
}

int64_t when_open_ms(const struct judging *j, Carillon__V1__Channel channel, struct bytes address,
                     int64_t from_ms)
{
    struct hours hours = hours_of(j, channel, address);
    if (never_closes(&hours))
        return from_ms;
    return hours_next_open_ms(&hours, zones_of(j->c), from_ms, j->c->expires_ms);
}

/* Q8: the earliest permitted instant that is far enough from the next closing. */
static int64_t when_startable_ms(const struct judging *j, const struct leg *leg, int64_t from_ms)
{
    struct hours hours = hours_of(j, leg->channel, leg->address);
    int64_t open_ms = when_open_ms(j, leg->channel, leg->address, from_ms);
    while (j->start_margin_ms > 0 && open_ms != HOURS_NEVER && !never_closes(&hours)) {
        int64_t close_ms = hours_next_close_ms(&hours, zones_of(j->c), open_ms);
        if (close_ms == HOURS_NEVER || close_ms - open_ms >= j->start_margin_ms)
            break;
        open_ms = hours_next_open_ms(&hours, zones_of(j->c), close_ms, j->c->expires_ms);
    }
    return open_ms;
}

void when_leg(const struct judging *j, struct leg *leg)
{
    struct judge_case *c = j->c;
    struct judge_times *times = j->times;
    int64_t from_ms = i64_max(c->due_ms, c->now_ms);
    if (!times->known) {
        times->known = !kind_is(j->kind, KIND_LEGAL_HOURS); /* those depend on the address */
        times->not_before_ms = when_startable_ms(j, leg, from_ms);
        times->effective_due_ms = from_ms == c->due_ms && j->start_margin_ms == 0
                                      ? times->not_before_ms
                                      : when_open_ms(j, leg->channel, leg->address, c->due_ms);
    }
    leg->not_before_ms = times->not_before_ms;
    leg->effective_due_ms = times->effective_due_ms;
    leg->moved = leg->not_before_ms != from_ms;
    leg->released = leg->moved || leg->effective_due_ms != c->due_ms;
}

/* The last gate before the once-only ones: who passes it, or is refused by it, shows zone
 * and local time. */
bool q3_quiet_past_expiry(const struct judging *j, struct leg *leg, struct refusal *why)
{
    struct judge_case *c = j->c;
    leg->zone = c->zone;
    leg->zone_source = c->zone_source;
    if (leg->not_before_ms == HOURS_NEVER) {
        leg->local_time_known = false;
        return refuse(why, DECISION_EXPIRED, REASON_QUIET_PAST_EXPIRY);
    }
    leg->local_time_known =
        zone_set_same_offset(zones_of(c), leg->not_before_ms, &leg->utc_offset_s);
    return false;
}
