#include "routes.h"

#include "adapters.h"

#include <stdio.h>
#include <stdlib.h>

enum { IN_FLIGHT_DEFAULT = 64 };

/* Of a route s1:{name}, of an account s1:{account:name}. */
static char *key_of(const char *kind, const char *name, const char *suffix)
{
    size_t size = strlen(kind) + strlen(name) + strlen(suffix) + sizeof "s1:{}";
    char *key = malloc(size);
    CHECK(key != NULL);
    snprintf(key, size, "s1:{%s%s}%s", kind, name, suffix);
    return key;
}

/* A little below what the provider allows: T = 1 / (0.95 x limit). */
static uint64_t interval_us_of(double per_second)
{
    double us = 1e6 / (0.95 * per_second);
    return us < 1 ? 1 : (uint64_t)(us + 0.999999);
}

static void limit_open(struct limit *limit, const char *kind, const char *name, double per_second,
                       uint64_t late_ns)
{
    *limit = (struct limit){.key = key_of(kind, name, ""),
                            .cool_key = key_of(kind, name, ":cool"),
                            .interval_us = interval_us_of(per_second)};
    slots_init(&limit->slots, late_ns);
}

static bool account_open(struct account *account, uint32_t index,
                         const struct config_provider *provider, const struct adapter *adapter,
                         const struct config *config, struct http *http, char *why)
{
    char url[320];
    bool v6 = strchr(adapter->host, ':') != NULL;
    snprintf(url, sizeof url, "%s://%s%s%s:%u", adapter->tls ? "https" : "http", v6 ? "[" : "",
             adapter->host, v6 ? "]" : "", adapter->port);
    char *ca_file = provider->ca_file[0] ? config_path_of(config, provider->ca_file) : NULL;
    *account = (struct account){
        .name = provider->name,
        .index = index,
        .adapter = adapter,
        .origin = http_origin_add(http, url, ca_file, why),
        .in_flight_max = adapter->in_flight ? adapter->in_flight : IN_FLIGHT_DEFAULT,
        .idempotency_window_ms = adapter->idempotency_window_ms,
    };
    free(ca_file);
    return account->origin != NULL;
}

static uint32_t account_of(const struct config *config, const char *name)
{
    uint32_t i = 0;
    while (strcmp(config->is.providers[i].name, name) != 0)
        CHECK(++i < config->is.providers_count); /* config_load judged it */
    return i;
}

static void route_open(struct routes *routes, uint32_t index, const struct config *config,
                       struct limit **account_limits, uint64_t late_ns)
{
    static const Carillon__V1__Channel channels[] = {
        [CONFIG_SMS] = CARILLON__V1__CHANNEL__CHANNEL_SMS,
        [CONFIG_EMAIL] = CARILLON__V1__CHANNEL__CHANNEL_EMAIL,
        [CONFIG_PUSH] = CARILLON__V1__CHANNEL__CHANNEL_PUSH,
    };
    const struct config_route *from = &config->is.routes[index];
    uint32_t account = account_of(config, from->provider);
    struct route *route = &routes->all[index];
    *route = (struct route){
        .name = from->name,
        .index = index,
        .channel = channels[from->channel],
        .account = &routes->accounts[account],
        .from = bytes_of(from->from),
        .from_name = bytes_of(from->from_name),
        .reply_to = bytes_of(from->reply_to),
        .countries = (const char *const *)from->countries,
        .country_count = from->countries_count,
    };
    if (from->limit_per_second > 0) {
        struct limit *limit = &routes->limits[routes->limit_count++];
        limit_open(limit, "", from->name, from->limit_per_second, late_ns);
        route->limits[route->limit_count++] = limit;
    }
    if (account_limits[account])
        route->limits[route->limit_count++] = account_limits[account];
}

bool routes_open(struct routes *routes, const struct config *config,
                 const struct adapters *adapters, struct http *http, uint64_t late_ns, char *why)
{
    const struct config_settings *is = &config->is;
    *routes = (struct routes){0};
    routes->limits = calloc(is->routes_count + is->providers_count + 1, sizeof *routes->limits);
    routes->accounts = calloc(is->providers_count + 1, sizeof *routes->accounts);
    routes->all = calloc(is->routes_count + 1, sizeof *routes->all);
    struct limit **account_limits = calloc(is->providers_count + 1, sizeof *account_limits);
    CHECK(routes->limits && routes->accounts && routes->all && account_limits);
    bool good = true;
    for (uint32_t i = 0; good && i < is->providers_count; i++) {
        const struct adapter *adapter = adapters->of_provider[i];
        good = account_open(&routes->accounts[i], i, &is->providers[i], adapter, config, http, why);
        routes->account_count++;
        double per_second = adapter->per_second;
        if (per_second > 0) {
            account_limits[i] = &routes->limits[routes->limit_count++];
            limit_open(account_limits[i], "account:", is->providers[i].name, per_second, late_ns);
        }
    }
    for (uint32_t i = 0; good && i < is->routes_count; i++) {
        route_open(routes, i, config, account_limits, late_ns);
        routes->count++;
    }
    free(account_limits);
    if (!good)
        routes_close(routes);
    return good;
}

static void limit_change(struct routes *routes, const char *kind, const char *name,
                         double per_second)
{
    char *key = key_of(kind, name, "");
    for (uint32_t i = 0; per_second > 0 && i < routes->limit_count; i++)
        if (strcmp(routes->limits[i].key, key) == 0)
            routes->limits[i].interval_us = interval_us_of(per_second);
    free(key);
}

void routes_limit(struct routes *routes, const struct config *config)
{
    const struct config_settings *is = &config->is;
    for (uint32_t i = 0; i < is->routes_count; i++)
        limit_change(routes, "", is->routes[i].name, is->routes[i].limit_per_second);
    for (uint32_t i = 0; i < is->providers_count; i++)
        limit_change(routes, "account:", is->providers[i].name, is->providers[i].limit_per_second);
}

void routes_close(struct routes *routes)
{
    for (uint32_t i = 0; i < routes->limit_count; i++) {
        free((char *)routes->limits[i].key);
        free((char *)routes->limits[i].cool_key);
    }
    free(routes->limits);
    free(routes->accounts);
    free(routes->all);
    *routes = (struct routes){0};
}
