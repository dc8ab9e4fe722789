#include "domain/release.h"

static const double usable = 0.95; /* of a limit, as routes reserve it */

/* --- buckets: the two bits after the leading one ------------------------------------- */

uint32_t release_bucket(int64_t slack_ms)
{
    int64_t s = slack_ms / 1000;
    if (s < 4)
        return s > 0 ? (uint32_t)s : 0;
    uint32_t exponent = 63 - (uint32_t)__builtin_clzll((uint64_t)s);
    uint32_t bucket = (exponent - 1) * 4 + ((uint32_t)(s >> (exponent - 2)) & 3);
    return bucket < RELEASE_BUCKET_UNKNOWN ? bucket : RELEASE_BUCKET_UNKNOWN;
}

int64_t release_bucket_ms(uint32_t bucket)
{
    if (bucket < 4)
        return (int64_t)bucket * 1000;
    return ((int64_t)(4 + bucket % 4) << (bucket / 4 - 1)) * 1000;
}

/* --- in Redis ------------------------------------------------------------------------ */

void release_write_key(struct writer *w, int64_t slot_ms, int64_t slot)
{
    write_literal(w, "d1:{");
    write_i64(w, slot_ms);
    write_char(w, '/');
    write_i64(w, slot);
    write_char(w, '}');
}

void release_write_field(struct writer *w, const struct release_field *field)
{
    write_char(w, field->segments ? 's' : 'n');
    write_char(w, '|');
    write_slice(w, field->kind);
    write_char(w, '|');
    write_slice(w, field->route);
    write_char(w, '|');
    write_u64(w, field->bucket);
}

static bool take_until_bar(struct bytes *text, struct bytes *out)
{
    const char *bar = text->size > 0 ? memchr(text->at, '|', text->size) : NULL;
    if (!bar)
        return false;
    *out = (struct bytes){text->at, (size_t)(bar - text->at)};
    *text = (struct bytes){bar + 1, text->size - out->size - 1};
    return true;
}

bool release_parse_field(struct bytes text, struct release_field *out)
{
    struct bytes which;
    *out = (struct release_field){0};
    if (!take_until_bar(&text, &which) || which.size != 1 ||
        (which.at[0] != 'n' && which.at[0] != 's') || !take_until_bar(&text, &out->kind) ||
        !take_until_bar(&text, &out->route))
        return false;
    out->segments = which.at[0] == 's';
    if (text.size == 0 || text.size > 3)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        out->bucket = out->bucket * 10 + (uint32_t)(text.at[i] - '0');
    }
    return out->bucket < RELEASE_BUCKETS;
}

/* --- the release --------------------------------------------------------------------- */

static uint32_t lane_count(const struct release *r)
{
    return r->route_count + r->account_count;
}

static double rate_of(const struct release *r, uint32_t lane)
{
    double per_second = lane < r->route_count ? r->routes[lane].per_second
                                              : r->accounts[lane - r->route_count].per_second;
    return usable * per_second;
}

static void charge(struct release *r, uint32_t route, const struct release_row *row,
                   double segments)
{
    struct release_lane *lanes[] = {&r->lanes[route],
                                    &r->lanes[r->route_count + r->routes[route].account]};
    for (uint32_t i = 0; i < countof(lanes); i++) {
        lanes[i]->count[row->bucket] += row->count;
        lanes[i]->segments[row->bucket] += segments;
    }
}

/* Nothing was judged yet, or the route is gone. */
static void charge_kind(struct release *r, const struct release_row *row)
{
    const struct kind_row *kind = kind_row_named(row->kind);
    uint32_t left = kind ? kind_channels(kind) : CHANNELS_CUSTOMER;
    for (uint32_t i = 0; i < r->route_count && left; i++) {
        uint32_t channel = 1u << r->routes[i].channel;
        if (left & channel)
            charge(r, i, row, row->segments > 0 ? row->segments : row->count);
        left &= ~channel;
    }
}

void release_add(struct release *r, const struct release_row *row)
{
    CHECK(row->bucket < RELEASE_BUCKETS);
    for (uint32_t i = 0; i < r->route_count; i++) {
        if (!bytes_equal(r->routes[i].name, row->route))
            continue;
        charge(r, i, row, row->segments > 0 ? row->segments : row->count);
        return;
    }
    charge_kind(r, row);
}

/* How long all of it takes. The earliest expiry goes first; what cannot go before its own does not
 * hold up the rest. */
static double serve(struct release_lane *lane, double rate, int64_t slot_ms)
{
    double all = lane->backlog, miss = 0;
    double served = all;
    for (uint32_t b = 0; b < RELEASE_BUCKETS; b++) {
        double segments = lane->segments[b], goes = segments;
        all += segments;
        if (segments <= 0)
            continue;
        if (b != RELEASE_BUCKET_UNKNOWN) {
            double room = rate * (double)release_bucket_ms(b) / 1000 - served;
            goes = room < 0 ? 0 : room < segments ? room : segments;
        }
        miss += lane->count[b] * (segments - goes) / segments;
        served += goes;
    }
    double later = served - rate * (double)slot_ms / 1000;
    *lane = (struct release_lane){.backlog = later > 0 ? later : 0, .miss = miss};
    return all / rate;
}

/* A message meets two limits: it misses at its route, or else at the account. */
static double misses(const struct release *r)
{
    double all = 0;
    for (uint32_t a = 0; a < r->account_count; a++) {
        double routes = 0;
        for (uint32_t i = 0; i < r->route_count; i++)
            routes += r->routes[i].account == a ? r->lanes[i].miss : 0;
        double account = r->lanes[r->route_count + a].miss;
        all += routes > account ? routes : account;
    }
    return all;
}

struct release_result release_close(struct release *r, int64_t slot_ms)
{
    struct release_result result = {.binds = RELEASE_NOTHING_BINDS};
    for (uint32_t i = 0; i < lane_count(r); i++) {
        double rate = rate_of(r, i), clear_s = 0;
        if (rate > 0)
            clear_s = serve(&r->lanes[i], rate, slot_ms);
        else
            r->lanes[i] = (struct release_lane){0};
        if (clear_s > result.clear_s) {
            result.clear_s = clear_s;
            result.binds = i;
        }
    }
    result.miss = misses(r);
    return result;
}

void release_write_lane(struct writer *w, const struct release *r, uint32_t lane)
{
    CHECK(lane < lane_count(r));
    if (lane < r->route_count) {
        write_slice(w, r->routes[lane].name);
        return;
    }
    write_literal(w, "account:");
    write_slice(w, r->accounts[lane - r->route_count].name);
}
