/* `carillon deferred --summary`: the calendar. How many wait is Kafka's word (end offsets less
 * what is committed or named done); by kind and route they are split as Redis counted them at
 * their deferral, which is an estimate, and is lost with Redis. */
#include "base/clock.h"
#include "base/time.h"
#include "calendar.h"
#include "clients.h"
#include "command.h"
#include "commands.h"
#include "domain/json.h"
#include "waiting.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

enum { DAY_KEYS_MAX = 4096, LINE_MAX_BYTES = 128 * 1024 };

static const char usage[] =
    "usage: carillon deferred --summary --config FILE [--slot TIME] [--json]\n"
    "\n"
    "The calendar: what waits in the deferral topics, slot by slot, by kind and route; how long\n"
    "each release will take at the limits, which limit binds, and how many will miss their\n"
    "expiry.\n"
    "\n"
    "  --slot TIME  only the slot (and the far day) in which TIME lies: RFC 3339 or a date\n"
    "  --json       one object\n"
    "\n"
    "How many wait is what Kafka holds. The split is an estimate, counted when they were\n"
    "deferred; without Redis, or after it lost its data, it is unknown.\n"
    "Exit codes: 0 done, 64 usage, 69 Kafka does not answer, 78 bad config.\n";

struct wishes {
    const char *config, *slot;
    bool summary, json, help;
};

/* A slot of the ring, or a day of far, in which something waits. */
struct line {
    const struct waiting_topic *topic;
    int64_t start_ms, length_ms;
    uint64_t waiting;
};

struct summary {
    const struct wishes *wishes;
    const struct config *config;
    int64_t now_ms, only_ms; /* INT64_MIN: all */
    struct waiting waiting;
    struct redis_settings redis_settings;
    struct redis_sync *redis; /* NULL: the split is unknown */
    struct release *release;
    struct calendar_slot split;
    struct line *lines;
    uint32_t line_count;
    uint64_t total;
};

/* --- what waits ---------------------------------------------------------------------- */

/* Which cycle waits in a slot of the ring: the next one that writers may write. What an
 * earlier one still owes is counted with it. */
static int64_t cycle_of(const struct ring *ring, uint32_t index, int64_t now_ms)
{
    int64_t first = ring_slot_of(ring, now_ms) - 1;
    return first + ((int64_t)index - first % ring->slots + ring->slots) % ring->slots;
}

static void add_topic(struct summary *s, const struct waiting_topic *t)
{
    const struct ring *ring = &t->ring;
    if (ring->slots == 0) {
        struct line *line = &s->lines[s->line_count];
        *line = (struct line){.topic = t, .start_ms = INT64_MAX};
        for (uint32_t i = 0; i < t->count; i++)
            line->waiting += waiting_in(t, (int32_t)i);
        s->line_count += line->waiting > 0;
        return;
    }
    for (uint32_t index = 0; index < ring->slots; index++) {
        int64_t start_ms = ring_slot_start_ms(ring, cycle_of(ring, index, s->now_ms));
        struct line *line = &s->lines[s->line_count];
        *line = (struct line){.topic = t, .start_ms = start_ms, .length_ms = ring->slot_ms};
        for (uint32_t i = 0; i < ring->spread; i++)
            line->waiting += waiting_in(t, (int32_t)(index * ring->spread + i));
        bool wanted = s->only_ms == INT64_MIN ||
                      (s->only_ms >= start_ms && s->only_ms < start_ms + ring->slot_ms);
        s->line_count += line->waiting > 0 && wanted;
    }
}

static int by_time(const void *left, const void *right)
{
    const struct line *a = left, *b = right;
    if (a->start_ms != b->start_ms)
        return a->start_ms < b->start_ms ? -1 : 1;
    return a->length_ms < b->length_ms ? -1 : a->length_ms > b->length_ms;
}

static void find_lines(struct summary *s)
{
    uint32_t most = 1;
    for (uint32_t i = 0; i < s->waiting.count; i++)
        most += s->waiting.topics[i].count + 1;
    s->lines = calloc(most, sizeof *s->lines);
    CHECK(s->lines);
    for (uint32_t i = 0; i < s->waiting.count; i++)
        add_topic(s, &s->waiting.topics[i]);
    qsort(s->lines, s->line_count, sizeof s->lines[0], by_time);
    for (uint32_t i = 0; i < s->line_count; i++)
        s->total += s->lines[i].waiting;
}

/* --- how it is split ----------------------------------------------------------------- */

static void split_lost(struct summary *s, const char *why)
{
    fprintf(stderr, "redis %s: %s: the split is unknown\n", s->config->is.redis.address, why);
    if (s->redis)
        redis_sync_close(s->redis);
    s->redis = NULL;
}

/* A far day's records are counted by the slots of the ring in which they will be due; those
 * within the ring's reach are there already. */
static bool read_day(struct summary *s, const struct line *line)
{
    const struct ring ring = ring_of_config(s->config);
    int64_t reach_ms = s->now_ms + (ring.slots - RING_GUARD_SLOTS) * ring.slot_ms;
    int64_t slot = ring_slot_of(&ring, i64_max(line->start_ms, reach_ms));
    int64_t end = ring_slot_of(&ring, line->start_ms + line->length_ms - 1);
    if (end - slot >= DAY_KEYS_MAX)
        return true;
    for (; slot <= end; slot++)
        if (!calendar_read(s->redis, ring.slot_ms, slot, &s->split))
            return false;
    return true;
}

static bool is_far(const struct line *line)
{
    return line->topic->topic->generation == 0;
}

static void read_split(struct summary *s, const struct line *line)
{
    calendar_slot_clear(&s->split);
    if (!s->redis || line->length_ms == 0)
        return;
    bool good = is_far(line) ? read_day(s, line)
                             : calendar_read(s->redis, line->length_ms,
                                             line->start_ms / line->length_ms, &s->split);
    if (!good) {
        split_lost(s, redis_sync_why(s->redis));
        calendar_slot_clear(&s->split);
    }
}

/* --- words --------------------------------------------------------------------------- */

struct forecast_of_line {
    double scale, unknown;
    bool told; /* the release is forecast */
    struct release_result result;
};

static struct forecast_of_line foresee(struct summary *s, const struct line *line)
{
    struct forecast_of_line f = {.scale = 1};
    double waiting = (double)line->waiting;
    if (s->split.count > waiting)
        f.scale = waiting / s->split.count; /* the others went, or were deferred again */
    else
        f.unknown = waiting - s->split.count;
    f.told = s->release && !is_far(line) && line->length_ms > 0 && s->split.count > 0;
    if (!f.told)
        return f;
    calendar_charge(&s->split, f.scale, s->release);
    f.result = release_close(s->release, line->length_ms);
    return f;
}

static void put_local(struct writer *w, int64_t ms)
{
    char text[64];
    struct tm tm;
    time_t s = (time_t)(ms / 1000);
    size_t size =
        localtime_r(&s, &tm) ? strftime(text, sizeof text, "%a %d %b %H:%M:%S %Z", &tm) : 0;
    write_bytes(w, text, size);
}

static void put_name(struct writer *w, const struct line *line)
{
    if (line->length_ms == 0)
        write_format(w, "%s (of no known slots)", line->topic->topic->name);
    else
        time_write(w, line->start_ms);
    if (line->length_ms == 0)
        return;
    write_literal(w, "  ");
    put_local(w, line->start_ms);
    if (is_far(line))
        write_literal(w, "  the day (far)");
}

static void print_text(struct summary *s, const struct line *line, struct writer *w)
{
    struct forecast_of_line f = foresee(s, line);
    put_name(w, line);
    write_format(w, "  %" PRIu64 " wait", line->waiting);
    if (f.told && f.result.binds == RELEASE_NOTHING_BINDS)
        write_literal(w, "; no limit holds them up");
    if (f.told && f.result.binds != RELEASE_NOTHING_BINDS) {
        write_format(w, "; released in %.0f s, bound by ", f.result.clear_s);
        release_write_lane(w, s->release, f.result.binds);
        write_format(w, "; %.0f will miss their expiry", f.result.miss);
    }
    write_char(w, '\n');
    for (uint32_t i = 0; i < s->split.row_count; i++) {
        const struct calendar_row *row = &s->split.rows[i];
        write_format(w, "  %12.0f  %-24s %-20s", f.scale * row->count, row->kind,
                     row->route[0] ? row->route : "(no route yet)");
        if (row->segments > 0)
            write_format(w, " %.0f segments", f.scale * row->segments);
        write_char(w, '\n');
    }
    if (f.unknown >= 1)
        write_format(w, "  %12.0f  split unknown\n", f.unknown);
}

static void put_rows(struct summary *s, double scale, struct writer *w)
{
    json_write_key(w, "split");
    write_char(w, '[');
    for (uint32_t i = 0; i < s->split.row_count; i++) {
        const struct calendar_row *row = &s->split.rows[i];
        json_write_comma(w);
        write_char(w, '{');
        json_write_key(w, "kind");
        json_write_string(w, bytes_of(row->kind));
        json_write_key(w, "route");
        json_write_string(w, bytes_of(row->route));
        json_write_key(w, "count");
        write_format(w, "%.0f", scale * row->count);
        json_write_key(w, "segments");
        write_format(w, "%.0f", scale * row->segments);
        write_char(w, '}');
    }
    write_char(w, ']');
}

static void put_time(struct writer *w, const char *key, int64_t ms)
{
    json_write_key(w, key);
    write_char(w, '"');
    time_write(w, ms);
    write_char(w, '"');
}

static void print_json(struct summary *s, const struct line *line, struct writer *w)
{
    struct forecast_of_line f = foresee(s, line);
    write_char(w, '{');
    json_write_key(w, "topic");
    json_write_string(w, bytes_of(line->topic->topic->name));
    if (line->length_ms > 0) {
        put_time(w, "start", line->start_ms);
        put_time(w, "end", line->start_ms + line->length_ms);
    }
    json_write_key(w, "waiting");
    write_u64(w, line->waiting);
    put_rows(s, f.scale, w);
    json_write_key(w, "unknown");
    write_format(w, "%.0f", f.unknown);
    if (f.told) {
        json_write_key(w, "clear_seconds");
        write_format(w, "%.3f", f.result.clear_s);
        json_write_key(w, "miss");
        write_format(w, "%.0f", f.result.miss);
        json_write_key(w, "limit");
        write_char(w, '"');
        if (f.result.binds != RELEASE_NOTHING_BINDS)
            release_write_lane(w, s->release, f.result.binds);
        write_char(w, '"');
    }
    write_char(w, '}');
}

static void print_all(struct summary *s)
{
    char *memory = malloc(LINE_MAX_BYTES);
    CHECK(memory);
    struct writer w = writer_of(memory, LINE_MAX_BYTES);
    if (s->wishes->json) {
        write_char(&w, '{');
        put_time(&w, "now", s->now_ms);
        json_write_key(&w, "waiting");
        write_u64(&w, s->total);
        json_write_key(&w, "slots");
        write_char(&w, '[');
    }
    for (uint32_t i = 0; i < s->line_count; i++) {
        read_split(s, &s->lines[i]);
        if (s->wishes->json && i > 0)
            write_char(&w, ',');
        if (s->wishes->json)
            print_json(s, &s->lines[i], &w);
        else
            print_text(s, &s->lines[i], &w);
        CHECK(!w.overflow); /* rows and names are bounded */
        fwrite(w.at, 1, w.size, stdout);
        w.size = 0;
    }
    fwrite(w.at, 1, w.size, stdout);
    if (s->wishes->json)
        printf("]}\n");
    else
        printf("%" PRIu64 " wait in all\n", s->total);
    free(memory);
}

/* --- the command --------------------------------------------------------------------- */

static void open_split(struct summary *s)
{
    char why[256] = "";
    if (redis_options_of(s->config, false, &s->redis_settings, why))
        s->redis = redis_sync_open(&s->redis_settings.options, why);
    if (!s->redis)
        split_lost(s, why);
}

static int summarize(struct summary *s)
{
    int exit_code;
    struct adapters adapters;
    struct findings findings = {0};
    if (!waiting_open(s->config, &s->waiting, &exit_code))
        return exit_code;
    calendar_slot_init(&s->split);
    open_split(s);
    bool limits = adapters_load(s->config, &findings, &adapters);
    if (limits)
        s->release = calendar_limits(s->config, &adapters);
    else
        findings_print(&findings, stderr);
    find_lines(s);
    print_all(s);
    if (limits) {
        calendar_limits_free(s->release);
        adapters_free(&adapters);
    }
    findings_free(&findings);
    free(s->lines);
    if (s->redis)
        redis_sync_close(s->redis);
    redis_settings_close(&s->redis_settings);
    calendar_slot_free(&s->split);
    waiting_close(&s->waiting);
    return limits ? EXIT_DONE : EXIT_CONFIG;
}

static bool read_options(int argc, char **argv, struct wishes *out)
{
    enum { CONFIG = 1, SLOT, SUMMARY, JSON, HELP };
    static const struct option options[] = {
        {"config", required_argument, NULL, CONFIG}, {"slot", required_argument, NULL, SLOT},
        {"summary", no_argument, NULL, SUMMARY},     {"json", no_argument, NULL, JSON},
        {"help", no_argument, NULL, HELP},           {0}};
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == '?')
            return false;
        if (c == CONFIG)
            out->config = optarg;
        if (c == SLOT)
            out->slot = optarg;
        out->summary |= c == SUMMARY;
        out->json |= c == JSON;
        out->help |= c == HELP;
    }
    return out->help || (out->config && out->summary && optind == argc);
}

int deferred_main(int argc, char **argv)
{
    struct wishes w = {0};
    struct summary s = {.wishes = &w, .now_ms = clock_wall_ms(), .only_ms = INT64_MIN};
    bool good = read_options(argc, argv, &w);
    if (!good || w.help) {
        fputs(usage, w.help ? stdout : stderr);
        return w.help ? EXIT_DONE : EXIT_USAGE;
    }
    if (w.slot && !moment_parse(w.slot, s.now_ms, &s.only_ms)) {
        fprintf(stderr, "carillon deferred: --slot %s: RFC 3339, or a date\n", w.slot);
        return EXIT_USAGE;
    }
    struct config *config = command_config(w.config);
    if (!config)
        return EXIT_CONFIG;
    s.config = config;
    int exit_code = summarize(&s);
    config_free(config);
    return exit_code;
}
