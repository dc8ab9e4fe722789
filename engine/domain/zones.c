/* A zone is kept as the list of its spans, taken from GLib once: a look-up is then a
 * binary search of a few nanoseconds, where GLib's own is linear, and what the wall
 * clock skips or repeats can be read off the list.
 *
 * Spans cover 2000 to 2099; before and after, the nearest one is taken to go on. The
 * rules never ask for such times: due times lie within 400 days of the record. */
#include "domain/zones.h"

#include <glib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    SLOTS = 2048, /* of the hash; tzdata has about 600 names */
    ZONES_MAX = 1024,
    PLACES_MAX = 1024,                /* rows of zone.tab; about 420 */
    SPANS_MAX = 1024,                 /* Morocco changes four times a year */
    PROBE_S = 20 * 86400,             /* step of the search; a change inside is then bisected */
    STRIDE_BITS = 33,                 /* of milliseconds: 99 days, about a span */
    STRIDES = 368,                    /* from FROM_S until UNTIL_S */
    WALL_REACH_MS = 26 * 3600 * 1000, /* no offset is as large */
};
#define FROM_S INT64_C(946684800)   /* 2000-01-01 */
#define UNTIL_S INT64_C(4102444800) /* 2100-01-01 */

enum zone_state { ZONE_UNREAD, ZONE_READ, ZONE_BROKEN };

struct zone {
    struct bytes name; /* in zones->list */
    _Atomic uint32_t state;
    uint32_t span_count;
    struct zone_span *spans;
    uint16_t first[STRIDES]; /* the span in which each stride begins */
};
_Static_assert(((UNTIL_S - FROM_S) * 1000 >> STRIDE_BITS) == STRIDES - 1, "strides reach the end");

struct place { /* a row of zone.tab */
    char country[2];
    uint16_t row;
    struct zone *zone;
};

struct zones {
    char *list;
    struct bytes version;
    struct zone all[ZONES_MAX];
    uint32_t count;
    uint16_t slots[SLOTS]; /* index + 1; 0: free */
    struct place places[PLACES_MAX];
    uint32_t place_count;
    pthread_mutex_t reading;
};

static uint32_t hash_of(struct bytes name)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < name.size; i++)
        h = (h ^ (unsigned char)name.at[i]) * 16777619u;
    return h;
}

static struct zone *look_up(struct zones *zones, struct bytes name)
{
    for (uint32_t at = hash_of(name) % SLOTS; zones->slots[at]; at = (at + 1) % SLOTS) {
        struct zone *zone = &zones->all[zones->slots[at] - 1];
        if (bytes_equal(zone->name, name))
            return zone;
    }
    return NULL;
}

static void add_name(struct zones *zones, struct bytes name)
{
    if (name.size == 0 || zones->count == ZONES_MAX || look_up(zones, name))
        return;
    uint32_t at = hash_of(name) % SLOTS;
    while (zones->slots[at])
        at = (at + 1) % SLOTS;
    zones->all[zones->count] = (struct zone){.name = name};
    zones->slots[at] = (uint16_t)++zones->count;
}

/* Takes the next word, ended by `end` or the line's end; the text moves on. */
static struct bytes take_until(struct bytes *text, char end)
{
    const char *stop = text->size ? memchr(text->at, end, text->size) : NULL;
    size_t size = stop ? (size_t)(stop - text->at) : text->size;
    struct bytes word = {text->at, size};
    text->at += size + (stop != NULL);
    text->size -= size + (stop != NULL);
    return word;
}

static char *read_file(const char *name)
{
    const char *folder = g_getenv("TZDIR");
    char *path = g_build_filename(folder ? folder : "/usr/share/zoneinfo", name, NULL);
    char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, NULL))
        text = NULL;
    g_free(path);
    return text;
}

/* tzdata.zi: `Z name ...` is a zone, `L target name` a link. */
static void read_names(struct zones *zones)
{
    struct bytes text = bytes_of(zones->list);
    while (text.size > 0) {
        struct bytes line = take_until(&text, '\n');
        struct bytes word = take_until(&line, ' ');
        if (bytes_equal(word, BYTES("Z"))) {
            add_name(zones, take_until(&line, ' '));
        } else if (bytes_equal(word, BYTES("L"))) {
            take_until(&line, ' ');
            add_name(zones, take_until(&line, ' '));
        } else if (bytes_equal(word, BYTES("#")) && zones->version.size == 0) {
            if (bytes_equal(take_until(&line, ' '), BYTES("version")))
                zones->version = line;
        }
    }
}

static int place_order(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int order = memcmp(x->country, y->country, 2);
    return order ? order : (int)x->row - (int)y->row;
}

/* zone.tab: country, coordinates, name, comments. */
static bool read_places(struct zones *zones)
{
    char *file = read_file("zone.tab");
    if (!file)
        return false;
    struct bytes text = bytes_of(file);
    while (text.size > 0 && zones->place_count < PLACES_MAX) {
        struct bytes line = take_until(&text, '\n');
        struct bytes country = take_until(&line, '\t');
        take_until(&line, '\t');
        struct zone *zone = look_up(zones, take_until(&line, '\t'));
        if (country.size != 2 || country.at[0] == '#' || !zone)
            continue;
        zones->places[zones->place_count] = (struct place){
            .country = {country.at[0], country.at[1]},
            .row = (uint16_t)zones->place_count,
            .zone = zone,
        };
        zones->place_count++;
    }
    g_free(file);
    qsort(zones->places, zones->place_count, sizeof *zones->places, place_order);
    return zones->place_count > 0;
}

struct zones *zones_open(void)
{
    struct zones *zones = calloc(1, sizeof *zones);
    if (!zones)
        return NULL;
    pthread_mutex_init(&zones->reading, NULL);
    zones->list = read_file("tzdata.zi");
    if (zones->list)
        read_names(zones);
    if (zones->count == 0 || !read_places(zones)) {
        zones_close(zones);
        return NULL;
    }
    return zones;
}

void zones_close(struct zones *zones)
{
    if (!zones)
        return;
    for (uint32_t i = 0; i < zones->count; i++)
        free(zones->all[i].spans);
    g_free(zones->list);
    pthread_mutex_destroy(&zones->reading);
    free(zones);
}

uint32_t zones_count(const struct zones *zones)
{
    return zones->count;
}

struct bytes zones_name_at(const struct zones *zones, uint32_t index)
{
    CHECK(index < zones->count);
    return zones->all[index].name;
}

struct bytes zones_version(const struct zones *zones)
{
    return zones->version;
}

static int interval_at(GTimeZone *source, int64_t utc_s)
{
    return g_time_zone_find_interval(source, G_TIME_TYPE_UNIVERSAL, utc_s);
}

/* The first second in (known_s, changed_s] that is no longer in `interval`. */
static int64_t change_between(GTimeZone *source, int interval, int64_t known_s, int64_t changed_s)
{
    while (changed_s - known_s > 1) {
        int64_t middle_s = known_s + (changed_s - known_s) / 2;
        if (interval_at(source, middle_s) == interval)
            known_s = middle_s;
        else
            changed_s = middle_s;
    }
    return changed_s;
}

static uint32_t spans_of(GTimeZone *source, struct zone_span spans[SPANS_MAX])
{
    uint32_t count = 1;
    int interval = interval_at(source, FROM_S);
    spans[0] = (struct zone_span){INT64_MIN, INT64_MAX, g_time_zone_get_offset(source, interval)};
    int64_t at_s = FROM_S;
    while (at_s < UNTIL_S && count < SPANS_MAX) {
        int64_t probe_s = at_s + PROBE_S;
        if (interval_at(source, probe_s) == interval) {
            at_s = probe_s;
            continue;
        }
        at_s = change_between(source, interval, at_s, probe_s);
        interval = interval_at(source, at_s);
        int32_t offset_s = g_time_zone_get_offset(source, interval);
        if (offset_s == spans[count - 1].offset_s)
            continue; /* only the abbreviation or the flag changed */
        spans[count - 1].until_ms = at_s * 1000;
        spans[count++] = (struct zone_span){at_s * 1000, INT64_MAX, offset_s};
    }
    return count;
}

static void index_spans(struct zone *zone)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < STRIDES; i++) {
        int64_t begin_ms = FROM_S * 1000 + ((int64_t)i << STRIDE_BITS);
        while (zone->spans[at].until_ms <= begin_ms)
            at++;
        zone->first[i] = i == 0 ? 0 : (uint16_t)at;
    }
}

/* Under the lock; the state is set last, which publishes the spans. */
static void read_zone(struct zone *zone)
{
    struct zone_span spans[SPANS_MAX];
    char *name = g_strndup(zone->name.at, zone->name.size);
    GTimeZone *source = g_time_zone_new_identifier(name);
    g_free(name);
    enum zone_state state = ZONE_BROKEN;
    if (source) {
        zone->span_count = spans_of(source, spans);
        zone->spans = malloc(zone->span_count * sizeof *spans);
        if (zone->spans) {
            memcpy(zone->spans, spans, zone->span_count * sizeof *spans);
            index_spans(zone);
            state = ZONE_READ;
        }
        g_time_zone_unref(source);
    }
    atomic_store_explicit(&zone->state, state, memory_order_release);
}

static const struct zone *known(struct zones *zones, struct zone *zone)
{
    uint32_t state = atomic_load_explicit(&zone->state, memory_order_acquire);
    if (state == ZONE_UNREAD) {
        pthread_mutex_lock(&zones->reading);
        if (atomic_load_explicit(&zone->state, memory_order_acquire) == ZONE_UNREAD)
            read_zone(zone);
        pthread_mutex_unlock(&zones->reading);
        state = atomic_load_explicit(&zone->state, memory_order_acquire);
    }
    return state == ZONE_READ ? zone : NULL;
}

const struct zone *zone_find(struct zones *zones, struct bytes name)
{
    struct zone *zone = look_up(zones, name);
    return zone ? known(zones, zone) : NULL;
}

struct bytes zone_name(const struct zone *zone)
{
    return zone->name;
}

/* The last span that begins at or before the instant. */
static uint32_t span_index(const struct zone *zone, int64_t utc_ms)
{
    int64_t since_ms = i64_max(utc_ms - FROM_S * 1000, 0);
    uint32_t i = zone->first[i64_min(since_ms >> STRIDE_BITS, STRIDES - 1)];
    while (i + 1 < zone->span_count && zone->spans[i].until_ms <= utc_ms)
        i++;
    return i;
}

struct zone_span zone_span_at(const struct zone *zone, int64_t utc_ms)
{
    return zone->spans[span_index(zone, utc_ms)];
}

int32_t zone_offset_s(const struct zone *zone, int64_t utc_ms)
{
    return zone_span_at(zone, utc_ms).offset_s;
}

int64_t zone_wall_ms(const struct zone *zone, int64_t utc_ms)
{
    return utc_ms + (int64_t)zone_offset_s(zone, utc_ms) * 1000;
}

int64_t zone_next_transition_ms(const struct zone *zone, int64_t utc_ms)
{
    return zone_span_at(zone, utc_ms).until_ms;
}

static int64_t instant_in(struct zone_span span, int64_t wall_ms)
{
    return wall_ms - (int64_t)span.offset_s * 1000;
}

/* The least instant at which the wall clock shows this time or a later one. */
int64_t zone_first_ms(const struct zone *zone, int64_t wall_ms)
{
    uint32_t i = span_index(zone, wall_ms - WALL_REACH_MS);
    while (instant_in(zone->spans[i], wall_ms) >= zone->spans[i].until_ms)
        i++;
    return i64_max(instant_in(zone->spans[i], wall_ms), zone->spans[i].from_ms);
}

/* The greatest instant up to which the wall clock has shown this time or earlier ones. */
int64_t zone_last_ms(const struct zone *zone, int64_t wall_ms)
{
    uint32_t i = span_index(zone, wall_ms + WALL_REACH_MS);
    while (instant_in(zone->spans[i], wall_ms) < zone->spans[i].from_ms)
        i--;
    return i64_min(instant_in(zone->spans[i], wall_ms), zone->spans[i].until_ms);
}

/* The rows of one country, [first, end). */
static uint32_t places_of(const struct zones *zones, struct bytes country, uint32_t *end)
{
    uint32_t first = 0;
    while (first < zones->place_count && memcmp(zones->places[first].country, country.at, 2) < 0)
        first++;
    *end = first;
    while (*end < zones->place_count && memcmp(zones->places[*end].country, country.at, 2) == 0)
        ++*end;
    return first;
}

struct zone_set zones_of_countries(struct zones *zones, struct bytes countries, struct arena *arena)
{
    uint32_t total = 0, first, end;
    for (struct bytes left = countries; left.size > 0;) {
        struct bytes country = take_until(&left, '+');
        if (country.size == 2) {
            first = places_of(zones, country, &end);
            total += end - first;
        }
    }
    const struct zone **at = arena_take(arena, total * sizeof *at);
    if (!at)
        return (struct zone_set){0};
    uint32_t count = 0;
    for (struct bytes left = countries; left.size > 0;) {
        struct bytes country = take_until(&left, '+');
        if (country.size != 2)
            continue;
        for (first = places_of(zones, country, &end); first < end; first++) {
            at[count] = known(zones, zones->places[first].zone);
            count += at[count] != NULL;
        }
    }
    return (struct zone_set){at, count};
}

bool zone_set_same_offset(struct zone_set set, int64_t utc_ms, int32_t *offset_s)
{
    CHECK(set.count > 0);
    *offset_s = zone_offset_s(set.at[0], utc_ms);
    for (uint32_t i = 1; i < set.count; i++)
        if (zone_offset_s(set.at[i], utc_ms) != *offset_s)
            return false;
    return true;
}
