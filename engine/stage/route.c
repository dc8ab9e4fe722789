#include "stage/route.h"

#include "base/clock.h"
#include "domain/countries.h"

enum {
    BREAK_FIRST_MS = 5 * 1000,
    BREAK_LAST_MS = 5 * 60 * 1000,
    DOUBTS_MAX = 16, /* more than half of a few dozen calls failed */
};

uint64_t route_break(struct route *route, uint64_t now_ns)
{
    if (route->closed_until_ns > now_ns)
        return 0;
    route->backoff_ns = u64_min(u64_max(2 * route->backoff_ns, BREAK_FIRST_MS * NS_PER_MS),
                                BREAK_LAST_MS * NS_PER_MS);
    route_close(route, now_ns + route->backoff_ns, REASON_BREAKER);
    return route->backoff_ns;
}

void route_doubt(struct route *route, uint64_t now_ns)
{
    if (route->doubts < DOUBTS_MAX)
        route->doubts++;
    if (route->doubts == DOUBTS_MAX)
        (void)route_break(route, now_ns);
}

void route_trust(struct route *route)
{
    route->doubts = route->trial || route->doubts == 0 ? 0 : route->doubts - 1;
    route->trial = false;
    route->backoff_ns = 0;
}

/* Whether one of the route's countries stands in the row of the number's calling code. */
static bool serves(const struct route *route, struct bytes number)
{
    if (route->country_count == 0)
        return true;
    const struct calling_code *code = country_of_number(number);
    for (uint32_t i = 0; code && i < route->country_count; i++)
        if (strstr(code->countries, route->countries[i]))
            return true;
    return false;
}

struct route *route_of(const struct routes *routes, const struct leg *leg)
{
    for (uint32_t i = 0; i < routes->count; i++) {
        struct route *route = &routes->all[i];
        if (route->channel == leg->channel &&
            (leg->channel != CARILLON__V1__CHANNEL__CHANNEL_SMS || serves(route, leg->address)))
            return route;
    }
    return NULL;
}
