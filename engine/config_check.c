#include "config_check.h"

#include "clients.h"
#include "domain/ring.h"
#include "domain/template.h"
#include "domain/zones.h"
#include "tree.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct checking {
    const struct config *config;
    struct findings *findings;
};

#define fault(c, path, ...) \
    config_find((c)->config, (c)->findings, FINDING_ERROR, path, __VA_ARGS__)
#define doubt(c, path, ...) \
    config_find((c)->config, (c)->findings, FINDING_WARNING, path, __VA_ARGS__)

/* A day of the far topic, from the start of its reading to its end. */
#define FAR_WANTS_MS ((uint64_t)(RING_FAR_LEAD_MS + TIME_DAY_MS))

static const char *const secret_properties[] = {
    "sasl.password",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
};

static bool is_word(const char *text, size_t max)
{
    size_t size = strlen(text);
    if (size == 0 || size > max)
        return false;
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("._-", *c))
            return false;
    return true;
}

static bool is_address(const char *text, size_t size, unsigned long least_port)
{
    char copy[300], *end;
    if (size >= sizeof copy)
        return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    char *colon = strrchr(copy, ':');
    if (!colon || colon == copy || !isdigit((unsigned char)colon[1]))
        return false;
    unsigned long port = strtoul(colon + 1, &end, 10);
    return *end == '\0' && port >= least_port && port <= 65535 && !strpbrk(copy, " \t\"'");
}

static void check_property(const struct checking *c, const struct config_property *p, uint32_t i)
{
    char path[64];
    snprintf(path, sizeof path, "kafka.properties[%u].name", i);
    const char *reason = kafka_forbidden_reason(p->name);
    if (reason)
        fault(c, path, "%s cannot be set: %s", p->name, reason);
    if ((p->value[0] != '\0') == (p->secret != NULL))
        fault(c, path, "%s needs either value or secret (secret_file)", p->name);
    for (size_t k = 0; k < countof(secret_properties); k++)
        if (strcmp(p->name, secret_properties[k]) == 0 && p->value[0])
            fault(c, path, "%s is a secret: give it as secret_file or secret, not as value",
                  p->name);
}

/* librdkafka knows its names and values; its words for a bad one hold no secret. */
static void check_properties(const struct checking *c)
{
    const struct config_kafka *k = &c->config->is.kafka;
    struct kafka_property *all = calloc(k->properties_count + 1, sizeof(*all));
    CHECK(all != NULL);
    uint32_t before = c->findings->errors;
    if (k->properties_count > KAFKA_PROPERTIES_MAX)
        fault(c, "kafka.properties", "more than %d", KAFKA_PROPERTIES_MAX);
    for (uint32_t i = 0; i < k->properties_count; i++) {
        const struct config_property *p = &k->properties[i];
        check_property(c, p, i);
        all[i] = (struct kafka_property){p->name, p->secret ? p->secret : p->value};
    }
    char why[KAFKA_WHY_SIZE];
    const struct kafka_options options = {.bootstrap = k->bootstrap_servers,
                                          .properties = all,
                                          .property_count = k->properties_count};
    if (c->findings->errors == before && !kafka_options_check(&options, why))
        fault(c, "kafka.properties", "%s", why);
    free(all);
}

static void check_kafka(const struct checking *c)
{
    const struct config_kafka *k = &c->config->is.kafka;
    if (k->heartbeat_interval_ms * 3 > k->session_timeout_ms)
        fault(c, "kafka.heartbeat_interval_ms",
              "three heartbeats must fit into kafka.session_timeout_ms (%llu ms): at most %llu",
              (unsigned long long)k->session_timeout_ms,
              (unsigned long long)k->session_timeout_ms / 3);
    if (!is_word(k->group, 100))
        fault(c, "kafka.group", "1 to 100 letters, digits, dots, - and _");
    if (k->topic_prefix[0] && !is_word(k->topic_prefix, 100))
        fault(c, "kafka.topic_prefix", "at most 100 letters, digits, dots, - and _");
    for (const char *at = k->bootstrap_servers;; at++) {
        size_t size = strcspn(at, ",");
        if (!is_address(at, size, 1))
            fault(c, "kafka.bootstrap_servers", "\"%.*s\" is not host:port", (int)size, at);
        at += size;
        if (*at == '\0')
            break;
    }
    check_properties(c);
}

static void check_redis(const struct checking *c)
{
    const struct config_redis *r = &c->config->is.redis;
    bool path = strncmp(r->address, "unix:/", 6) == 0;
    if (!path && !is_address(r->address, strlen(r->address), 1))
        fault(c, "redis.address", "\"%.60s\" is neither host:port nor unix:/path", r->address);
    if (path && r->tls)
        fault(c, "redis.tls", "a unix socket has no TLS");
    if (r->deploy_user[0] && !r->deploy_password)
        fault(c, "redis.deploy_user", "needs redis.deploy_password or deploy_password_file");
}

static void check_times(const struct checking *c)
{
    const struct config_settings *is = &c->config->is;
    if (is->send.connect_timeout_ms > is->send.request_deadline_ms)
        fault(c, "send.connect_timeout_ms", "longer than send.request_deadline_ms (%llu ms)",
              (unsigned long long)is->send.request_deadline_ms);
    if (is->schedule.retry_least_ms > is->schedule.retry_most_ms)
        fault(c, "schedule.retry_least_ms", "longer than schedule.retry_most_ms (%llu ms)",
              (unsigned long long)is->schedule.retry_most_ms);
    if (is->schedule.hold_ms > is->schedule.horizon_ms)
        fault(c, "schedule.hold_ms", "longer than schedule.horizon_ms (%llu ms)",
              (unsigned long long)is->schedule.horizon_ms);
    if (is->schedule.slot_lateness_ms > is->schedule.slot_horizon_ms)
        fault(c, "schedule.slot_lateness_ms", "longer than schedule.slot_horizon_ms (%llu ms)",
              (unsigned long long)is->schedule.slot_horizon_ms);
}

static void check_slot(const struct checking *c)
{
    const struct config_deferral *d = &c->config->is.deferral;
    if (d->slots * d->spread > RING_PARTITIONS_MAX)
        fault(c, "deferral.spread", "with deferral.slots makes %llu partitions: at most %d",
              (unsigned long long)(d->slots * d->spread), RING_PARTITIONS_MAX);
    if (d->lead_ms > d->slot_ms)
        fault(c, "deferral.lead_ms", "longer than a slot (deferral.slot_ms, %llu ms)",
              (unsigned long long)d->slot_ms);
    if (d->slot_ms < 4 * RING_CLOCK_ERROR_MS)
        fault(c, "deferral.slot_ms",
              "the clock may be wrong by %d ms, which is over a quarter of a slot: at least %d",
              RING_CLOCK_ERROR_MS, 4 * RING_CLOCK_ERROR_MS);
    if (d->time_sample_ms > d->slot_ms / 4)
        fault(c, "deferral.time_sample_ms",
              "over a quarter of a slot (deferral.slot_ms, %llu ms): at most %llu",
              (unsigned long long)d->slot_ms, (unsigned long long)d->slot_ms / 4);
}

static void check_deferral(const struct checking *c)
{
    const struct config_settings *is = &c->config->is;
    const struct config_deferral *d = &is->deferral;
    uint64_t reach_ms = (d->slots - RING_GUARD_SLOTS) * d->slot_ms;
    check_slot(c);
    if (d->min_delay_ms > is->schedule.horizon_ms)
        fault(c, "deferral.min_delay_ms", "longer than schedule.horizon_ms (%llu ms)",
              (unsigned long long)is->schedule.horizon_ms);
    if (is->schedule.horizon_ms >= reach_ms)
        fault(
            c, "schedule.horizon_ms",
            "what is due later is deferred, and the ring takes what is due within (deferral.slots "
            "- %d) x deferral.slot_ms: less than %llu ms",
            RING_GUARD_SLOTS, (unsigned long long)reach_ms);
    if (d->backoff_least_ms < d->min_delay_ms)
        fault(c, "deferral.backoff_least_ms", "shorter than deferral.min_delay_ms (%llu ms)",
              (unsigned long long)d->min_delay_ms);
    if (d->backoff_least_ms > d->backoff_most_ms)
        fault(c, "deferral.backoff_least_ms", "longer than deferral.backoff_most_ms (%llu ms)",
              (unsigned long long)d->backoff_most_ms);
    if (reach_ms < FAR_WANTS_MS)
        doubt(
            c, "deferral.slots",
            "(deferral.slots - %d) x deferral.slot_ms is %llu ms, less than 46 h: what comes from "
            "carillon.deferred.far waits there, open, until the ring takes it",
            RING_GUARD_SLOTS, (unsigned long long)reach_ms);
}

/* An entry's name is a label of metrics and part of Redis keys. */
static void check_name(const struct checking *c, const char *list, uint32_t i, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "%s[%u].name", list, i);
    if (!is_word(name, 64))
        fault(c, path, "\"%.64s\": 1 to 64 letters, digits, dots, - and _", name);
}

static void check_twice(const struct checking *c, const char *list, uint32_t i, const char *a,
                        const char *b)
{
    char path[64];
    snprintf(path, sizeof path, "%s[%u].name", list, i);
    if (strcmp(a, b) == 0)
        fault(c, path, "\"%.64s\" is the name of an earlier entry, too", a);
}

static void check_providers(const struct checking *c)
{
    const struct config_settings *is = &c->config->is;
    for (uint32_t i = 0; i < is->providers_count; i++) {
        const struct config_provider *p = &is->providers[i];
        check_name(c, "providers", i, p->name);
        for (uint32_t j = 0; j < i; j++)
            check_twice(c, "providers", i, p->name, is->providers[j].name);
        for (uint32_t k = 0; k < p->credentials_count; k++) {
            char list[64];
            snprintf(list, sizeof list, "providers[%u].credentials", i);
            for (uint32_t j = 0; j < k; j++)
                check_twice(c, list, k, p->credentials[k].name, p->credentials[j].name);
            snprintf(list, sizeof list, "providers[%u].credentials[%u].name", i, k);
            if (!p->credentials[k].value)
                fault(c, list, "%.64s has neither value nor value_file", p->credentials[k].name);
        }
    }
}

static bool is_country(const char *text)
{
    return isupper((unsigned char)text[0]) && isupper((unsigned char)text[1]) && text[2] == '\0';
}

static void check_routes(const struct checking *c)
{
    const struct config_settings *is = &c->config->is;
    for (uint32_t i = 0; i < is->routes_count; i++) {
        const struct config_route *route = &is->routes[i];
        char path[64];
        bool found = false;
        check_name(c, "routes", i, route->name);
        for (uint32_t j = 0; j < i; j++)
            check_twice(c, "routes", i, route->name, is->routes[j].name);
        for (uint32_t j = 0; j < is->providers_count; j++)
            found = found || strcmp(is->providers[j].name, route->provider) == 0;
        snprintf(path, sizeof path, "routes[%u].provider", i);
        if (!found)
            fault(c, path, "\"%.64s\" is none of the providers", route->provider);
        for (uint32_t k = 0; k < route->countries_count; k++) {
            snprintf(path, sizeof path, "routes[%u].countries[%u]", i, k);
            if (!is_country(route->countries[k]))
                fault(c, path, "\"%.20s\" is not a country's two letters", route->countries[k]);
        }
    }
    if (is->routes_count == 0)
        doubt(c, "routes", "there are none: every leg would fail");
}

static bool same_template(const struct config_template *a, const struct config_template *b)
{
    return a->channel == b->channel && strcmp(a->name, b->name) == 0 &&
           strcmp(a->locale, b->locale) == 0;
}

static void check_part(const struct checking *c, uint32_t i, const char *key, const char *source)
{
    size_t size = template_memory(bytes_of(source));
    void *memory = malloc(size + 16);
    CHECK(memory != NULL);
    struct arena arena = arena_of(memory, size + 16);
    struct template compiled;
    struct template_error error = {0};
    char path[64];
    snprintf(path, sizeof path, "templates[%u].%s", i, key);
    if (template_compile(bytes_of(source), &arena, &compiled, &error) != ERR_OK)
        fault(c, path, "%s, at byte %u", error.what ? error.what : "too long", error.position);
    free(memory);
}

static void check_templates(const struct checking *c)
{
    const struct config_settings *is = &c->config->is;
    for (uint32_t i = 0; i < is->templates_count; i++) {
        const struct config_template *t = &is->templates[i];
        char path[64];
        check_name(c, "templates", i, t->name);
        snprintf(path, sizeof path, "templates[%u].name", i);
        for (uint32_t j = 0; j < i; j++)
            if (same_template(t, &is->templates[j]))
                fault(c, path, "\"%.64s\" has these channel and locale already", t->name);
        check_part(c, i, "subject", t->subject);
        check_part(c, i, "text", t->text);
        check_part(c, i, "html", t->html);
        snprintf(path, sizeof path, "templates[%u].html", i);
        if (t->html[0] && t->channel != CONFIG_EMAIL)
            fault(c, path, "only e-mail has an HTML part");
        snprintf(path, sizeof path, "templates[%u].subject", i);
        if (strpbrk(t->subject, "\r\n"))
            fault(c, path, "a subject is one line");
    }
}

/* UTC needs no list, so that a config with defaults can be read where tzdata is missing. */
static void check_zone(const struct checking *c)
{
    const char *zone = c->config->is.rules.platform_zone;
    if (strcmp(zone, "UTC") == 0)
        return;
    struct zones *zones = zones_open();
    if (!zones)
        fault(c, "rules.platform_zone", "no time zones: install tzdata");
    else if (!zone_find(zones, bytes_of(zone)))
        fault(c, "rules.platform_zone", "\"%.60s\" is no zone of the IANA database", zone);
    if (zones)
        zones_close(zones);
}

void config_check(const struct config *config, struct findings *findings)
{
    const struct checking c = {config, findings};
    const struct config_settings *is = &config->is;
    if (!config->tree->root) /* a mount that failed looks like that */
        doubt(&c, "config", "the file is empty: every setting is the default");
    check_kafka(&c);
    check_redis(&c);
    check_times(&c);
    check_deferral(&c);
    check_providers(&c);
    check_routes(&c);
    check_templates(&c);
    check_zone(&c);
    if (is->worker.name[0] && !is_word(is->worker.name, 100))
        fault(&c, "worker.name", "at most 100 letters, digits, dots, - and _");
    if (is->admin.address[0] && !is_address(is->admin.address, strlen(is->admin.address), 0))
        fault(&c, "admin.address", "\"%.60s\" is not host:port", is->admin.address);
    if (!is->rules.address_key)
        doubt(&c, "rules.address_key",
              "without a key the address hashes in outcomes can be guessed");
}
