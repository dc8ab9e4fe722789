#include "calendar.h"

#include <stdlib.h>

static uint32_t account_of(const struct config *config, const char *name)
{
    uint32_t i = 0;
    while (strcmp(config->is.providers[i].name, name) != 0)
        CHECK(++i < config->is.providers_count); /* config_load judged it */
    return i;
}

struct release *calendar_limits(const struct config *config, const struct adapters *adapters)
{
    static const Carillon__V1__Channel channels[] = {
        [CONFIG_SMS] = CARILLON__V1__CHANNEL__CHANNEL_SMS,
        [CONFIG_EMAIL] = CARILLON__V1__CHANNEL__CHANNEL_EMAIL,
        [CONFIG_PUSH] = CARILLON__V1__CHANNEL__CHANNEL_PUSH,
    };
    const struct config_settings *is = &config->is;
    uint32_t routes = is->routes_count, accounts = is->providers_count;
    struct release *r = calloc(1, sizeof *r);
    struct release_route *route = calloc(routes + 1, sizeof *route);
    struct release_account *account = calloc(accounts + 1, sizeof *account);
    CHECK(r && route && account);
    for (uint32_t i = 0; i < routes; i++)
        route[i] = (struct release_route){.name = bytes_of(is->routes[i].name),
                                          .channel = channels[is->routes[i].channel],
                                          .account = account_of(config, is->routes[i].provider),
                                          .per_second = is->routes[i].limit_per_second};
    for (uint32_t i = 0; i < accounts; i++)
        account[i] =
            (struct release_account){.name = bytes_of(is->providers[i].name),
                                     .per_second = is->providers[i].limit_per_second > 0
                                                       ? is->providers[i].limit_per_second
                                                       : adapters->of_provider[i]->per_second};
    *r = (struct release){.routes = route,
                          .accounts = account,
                          .route_count = routes,
                          .account_count = accounts,
                          .lanes = calloc(routes + accounts + 1, sizeof *r->lanes)};
    CHECK(r->lanes);
    return r;
}

void calendar_limits_free(struct release *r)
{
    free((void *)(uintptr_t)r->routes);
    free((void *)(uintptr_t)r->accounts);
    free(r->lanes);
    free(r);
}

void calendar_slot_init(struct calendar_slot *slot)
{
    *slot = (struct calendar_slot){.rows = calloc(CALENDAR_ROWS_MAX, sizeof *slot->rows)};
    CHECK(slot->rows);
}

void calendar_slot_clear(struct calendar_slot *slot)
{
    memset(slot->rows, 0, slot->row_count * sizeof *slot->rows);
    slot->row_count = 0;
    slot->count = 0;
}

void calendar_slot_free(struct calendar_slot *slot)
{
    free(slot->rows);
}

static struct calendar_row *row_of(struct calendar_slot *slot, const struct release_field *field)
{
    for (uint32_t i = 0; i < slot->row_count; i++)
        if (bytes_equal(bytes_of(slot->rows[i].kind), field->kind) &&
            bytes_equal(bytes_of(slot->rows[i].route), field->route))
            return &slot->rows[i];
    struct calendar_row *row = &slot->rows[slot->row_count];
    if (slot->row_count == CALENDAR_ROWS_MAX || field->kind.size >= sizeof row->kind ||
        field->route.size >= sizeof row->route)
        return NULL;
    slot->row_count++;
    memcpy(row->kind, field->kind.at, field->kind.size);
    if (field->route.size > 0)
        memcpy(row->route, field->route.at, field->route.size);
    return row;
}

static void add(struct calendar_slot *slot, struct bytes name, struct bytes value)
{
    struct release_field field;
    char digits[24];
    if (value.size == 0 || value.size >= sizeof digits || !release_parse_field(name, &field))
        return;
    memcpy(digits, value.at, value.size);
    digits[value.size] = '\0';
    double n = strtod(digits, NULL);
    struct calendar_row *row = n > 0 && n < 1e15 ? row_of(slot, &field) : NULL;
    if (!field.segments && n > 0 && n < 1e15)
        slot->count += n;
    if (row && field.segments) {
        row->segments += n;
        row->buckets[field.bucket].segments += n;
    } else if (row) {
        row->count += n;
        row->buckets[field.bucket].count += n;
    }
}

bool calendar_read(struct redis_sync *redis, int64_t slot_ms, int64_t slot,
                   struct calendar_slot *out)
{
    char memory[RELEASE_KEY_MAX];
    struct writer key = writer_of(memory, sizeof memory);
    release_write_key(&key, slot_ms, slot);
    CHECK(!key.overflow);
    const struct bytes command[] = {BYTES("HGETALL"), writer_bytes(&key)};
    const struct redis_reply *reply = redis_sync_command(redis, command, countof(command));
    if (!reply || reply->type == REDIS_ERROR)
        return false;
    for (size_t i = 0; reply->type == REDIS_ARRAY && i + 1 < reply->element_count; i += 2)
        add(out, reply->elements[i]->text, reply->elements[i + 1]->text);
    return true;
}

void calendar_charge(const struct calendar_slot *slot, double scale, struct release *release)
{
    for (uint32_t i = 0; i < slot->row_count; i++) {
        const struct calendar_row *row = &slot->rows[i];
        for (uint32_t b = 0; b < RELEASE_BUCKETS; b++)
            if (row->buckets[b].count > 0)
                release_add(release,
                            &(struct release_row){.kind = bytes_of(row->kind),
                                                  .route = bytes_of(row->route),
                                                  .bucket = b,
                                                  .count = scale * row->buckets[b].count,
                                                  .segments = scale * row->buckets[b].segments});
    }
}
