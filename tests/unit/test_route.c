#include "stage/route.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SMS CARILLON__V1__CHANNEL__CHANNEL_SMS
#define EMAIL CARILLON__V1__CHANNEL__CHANNEL_EMAIL

static const char *const french[] = {"FR"}, *const americans[] = {"CA", "US"};
static struct route all[] = {
    {.name = "fr", .channel = SMS, .countries = french, .country_count = 1},
    {.name = "us", .channel = SMS, .countries = americans, .country_count = 2},
    {.name = "mail", .channel = EMAIL, .countries = french, .country_count = 1},
};
static const struct routes routes = {.all = all, .count = 3};

static const char *chosen(Carillon__V1__Channel channel, const char *address)
{
    const struct leg leg = {.channel = channel, .address = bytes_of(address)};
    const struct route *route = route_of(&routes, &leg);
    return route ? route->name : "none";
}

static void a_number_takes_the_first_route_that_serves_its_country(void **state)
{
    (void)state;
    assert_string_equal(chosen(SMS, "+33612345678"), "fr");
    assert_string_equal(chosen(SMS, "+12125550100"), "us");
    assert_string_equal(chosen(SMS, "+4915112345678"), "none");
    assert_string_equal(chosen(SMS, "+999123456"), "none");
}

static void countries_are_for_numbers_alone(void **state)
{
    (void)state;
    assert_string_equal(chosen(EMAIL, "ann@example.com"), "mail");
    assert_string_equal(chosen(CARILLON__V1__CHANNEL__CHANNEL_PUSH, "token"), "none");
}

static void a_promise_counts_once_in_each_limit_and_is_given_back_whole(void **state)
{
    (void)state;
    struct limit own = {0}, shared = {0};
    struct account account = {0};
    struct route route = {.account = &account, .limits = {&own, &shared}, .limit_count = 2};
    struct leg leg = {.segments = 3};
    struct job job = {.leg = &leg, .route = &route};
    route_promise(&job);
    assert_int_equal(own.promised, 3);
    assert_int_equal(shared.promised, 3);
    assert_int_equal(account.promised, 1);
    expect_assert_failure(route_promise(&job));
    leg.segments = 1; /* another text meanwhile: what was promised is given back */
    route_unpromise(&job);
    route_unpromise(&job);
    assert_int_equal(own.promised + shared.promised + account.promised, 0);
}

/* Of `calls` calls every `bad`-th ends in doubt. */
static bool breaks(uint32_t calls, uint32_t bad)
{
    struct route route = {0};
    for (uint32_t i = 1; i <= calls && route.closed_until_ns == 0; i++)
        if (i % bad == 0)
            route_doubt(&route, 1);
        else
            route_trust(&route);
    return route.closed_until_ns > 0;
}

static void the_breaker_opens_where_most_calls_end_in_doubt(void **state)
{
    (void)state;
    assert_true(breaks(16, 1));
    assert_false(breaks(15, 1));
    assert_false(breaks(10000, 2)); /* half of them */
    assert_false(breaks(10000, 3));
    struct route route = {0};
    for (uint32_t i = 0; i < 60 && route.closed_until_ns == 0; i++)
        i % 3 == 0 ? route_trust(&route) : route_doubt(&route, 1); /* two of three */
    assert_true(route.closed_until_ns > 0);
}

static void it_opens_for_longer_each_time_until_something_gets_through(void **state)
{
    (void)state;
    struct route route = {0};
    uint64_t now_ns = 1, for_ns = 5 * NS_PER_S;
    for (uint32_t i = 0; i < 16; i++)
        route_doubt(&route, now_ns);
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(route.closed_until_ns, now_ns + for_ns);
        assert_true(route.trial);
        route_doubt(&route, now_ns + 1); /* of the calls that were out together */
        assert_int_equal(route.closed_until_ns, now_ns + for_ns);
        now_ns = route.closed_until_ns;
        route_doubt(&route, now_ns); /* on trial one is enough */
        for_ns = u64_min(2 * for_ns, 300 * NS_PER_S);
    }
    route_trust(&route);
    assert_false(route.trial);
    route_doubt(&route, now_ns + for_ns);
    assert_int_equal(route.closed_until_ns, now_ns + for_ns); /* and is not any more */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_takes_the_first_route_that_serves_its_country),
        cmocka_unit_test(countries_are_for_numbers_alone),
        cmocka_unit_test(a_promise_counts_once_in_each_limit_and_is_given_back_whole),
        cmocka_unit_test(the_breaker_opens_where_most_calls_end_in_doubt),
        cmocka_unit_test(it_opens_for_longer_each_time_until_something_gets_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
