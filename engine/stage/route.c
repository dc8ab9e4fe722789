#include "stage/route.h"

#include "domain/countries.h"

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
