/* Produces a scenario at a rate, whatever becomes of it (open model), and journals every
 * acknowledgement. */
#include "bench.h"
#include "kafka.h"
#include "options.h"
#include "scenario.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

enum { LATER = 500 /* events until a late copy */ };

struct load {
    struct scenario scenario;
    const char *brokers, *prefix, *journal_path;
    int64_t count, first, settle_ms;
    double rate;
    FILE *journal;
    struct kafka_out *out;
    char events_topic[64], urgent_topic[64];
    int64_t start_ms, start_ns;
    uint64_t produced, acked, lost;
    int64_t behind_ms_max, behind_count;
    struct made made;
};

static int64_t time_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void on_ack(void *context, void *opaque, int32_t partition, int64_t offset)
{
    struct load *l = context;
    struct load_record *r = opaque;
    r->partition = partition;
    r->offset = offset;
    r->acked_ms = time_ns(CLOCK_REALTIME) / 1000000;
    if (offset >= 0)
        l->acked++;
    else
        l->lost++;
    load_record_print(l->journal, r);
    free(r);
}

static int64_t offset_ns(const struct load *l, int64_t at)
{
    return (int64_t)((double)at * 1e9 / l->rate);
}

static void put(struct load *l, int64_t at, uint8_t copy)
{
    scenario_make(&l->scenario, (uint32_t)(l->first + at), copy,
                  l->start_ms + offset_ns(l, at) / 1000000, &l->made);
    struct load_record *r = malloc(sizeof *r);
    CHECK(r);
    *r = l->made.record;
    const char *topic = l->made.urgent ? l->urgent_topic : l->events_topic;
    snprintf(r->topic, sizeof r->topic, "%s", topic);
    struct bytes key = {l->made.key, l->made.key_size};
    struct bytes value = {l->made.value, l->made.value_size};
    while (!kafka_out_put(l->out, topic, -1, key, value, NULL, 0, r))
        kafka_out_poll(l->out, 10);
    l->produced++;
}

static void wait_until(struct load *l, int64_t due_ns)
{
    int64_t left_ns;
    kafka_out_poll(l->out, 0);
    while ((left_ns = due_ns - time_ns(CLOCK_MONOTONIC)) > 0)
        kafka_out_poll(l->out, (int)i64_min(left_ns / 1000000 + 1, 50));
    if (-left_ns > 100000000) {
        l->behind_count++;
        l->behind_ms_max = i64_max(l->behind_ms_max, -left_ns / 1000000);
    }
}

static void produce_all(struct load *l)
{
    l->start_ns = time_ns(CLOCK_MONOTONIC);
    l->start_ms = time_ns(CLOCK_REALTIME) / 1000000;
    for (int64_t i = 0; i < l->count + LATER; i++) {
        wait_until(l, l->start_ns + offset_ns(l, i64_min(i, l->count)));
        if (i < l->count) {
            put(l, i, 0);
            if (scenario_repeats(&l->scenario, (uint32_t)(l->first + i)) == 1)
                put(l, i, 1);
        }
        int64_t past = i - LATER;
        if (past >= 0 && scenario_repeats(&l->scenario, (uint32_t)(l->first + past)) == 2)
            put(l, past, 2);
    }
}

static int run(struct load *l)
{
    snprintf(l->events_topic, sizeof l->events_topic, "%scarillon.events", l->prefix);
    snprintf(l->urgent_topic, sizeof l->urgent_topic, "%scarillon.events.urgent", l->prefix);
    l->journal = fopen(l->journal_path, "a");
    if (!l->journal) {
        perror(l->journal_path);
        return EXIT_UNAVAILABLE;
    }
    l->out = kafka_out_open(l->brokers, on_ack, l);
    if (!l->out)
        return EXIT_UNAVAILABLE;
    produce_all(l);
    double seconds = (double)(time_ns(CLOCK_MONOTONIC) - l->start_ns) / 1e9;
    double achieved = seconds > 0 ? (double)l->count / seconds : l->rate;
    kafka_out_close(l->out, (int)l->settle_ms);
    bool written = fclose(l->journal) == 0;
    bool behind = achieved < 0.99 * l->rate && (double)l->count > l->rate;
    printf("{\"produced\":%" PRIu64 ",\"acked\":%" PRIu64 ",\"unacked\":%" PRIu64
           ",\"seconds\":%.3f,\"rate\":%.1f,\"offered\":%.1f,\"late_events\":%" PRId64
           ",\"behind_ms_max\":%" PRId64 ",\"fell_behind\":%s}\n",
           l->produced, l->acked, l->lost, seconds, achieved, l->rate, l->behind_count,
           l->behind_ms_max, behind ? "true" : "false");
    if (!written || l->lost > 0)
        return EXIT_UNAVAILABLE;
    return behind ? EXIT_FOUND : EXIT_OK;
}

static bool set_mix(void *to, const char *value)
{
    return scenario_set_mix(to, value);
}

static bool set_format(void *to, const char *value)
{
    static const char *const names[] = {"protobuf", "json", "mixed"};
    for (size_t i = 0; i < countof(names); i++) {
        if (strcmp(names[i], value) == 0) {
            *(enum scenario_format *)to = (enum scenario_format)i;
            return true;
        }
    }
    return false;
}

static int read_and_run(struct load *l, int argc, char **argv)
{
    *l = (struct load){.scenario = scenario_default(),
                       .prefix = "",
                       .journal_path = "/dev/null",
                       .count = 1000,
                       .rate = 1000,
                       .settle_ms = 120000};
    int64_t seed = 1, tenants = 20, countries = 1;
    bool print_templates = false, print_tenants = false;
    const struct option_row rows[] = {
        {"brokers", OPTION_TEXT, &l->brokers, "host:port", NULL},
        {"prefix", OPTION_TEXT, &l->prefix, "of the topics' names", NULL},
        {"journal", OPTION_TEXT, &l->journal_path, "append to this file", NULL},
        {"count", OPTION_NUMBER, &l->count, "events; default 1000", NULL},
        {"first", OPTION_NUMBER, &l->first, "number of the first event; default 0", NULL},
        {"rate", OPTION_REAL, &l->rate, "events per second; default 1000", NULL},
        {"seed", OPTION_NUMBER, &seed, "default 1", NULL},
        {"tenants", OPTION_NUMBER, &tenants, "default 20", NULL},
        {"countries", OPTION_NUMBER, &countries, "numbers of the first N of FR GB DE ES IT", NULL},
        {"duplicates", OPTION_REAL, &l->scenario.duplicates, "share that comes twice", NULL},
        {"malformed", OPTION_REAL, &l->scenario.malformed, "share that is broken", NULL},
        {"due-spread", OPTION_NUMBER, &l->scenario.due_spread_ms,
         "one in ten is due up to this many ms later", NULL},
        {"settle", OPTION_NUMBER, &l->settle_ms, "ms to wait for acknowledgements", NULL},
        {"defer-over", OPTION_NUMBER, &l->scenario.defer_over_ms,
         "each is due at a moment of the next so many ms", NULL},
        {"mix", OPTION_EACH, &l->scenario,
         "KIND=WEIGHT,...: reminder booking_confirmed receipt auto_reply direct_message "
         "feedback_alert one_time_code campaign",
         set_mix},
        {"format", OPTION_EACH, &l->scenario.format, "protobuf (default), json or mixed",
         set_format},
        {"print-templates", OPTION_SWITCH, &print_templates,
         "print the `templates` that the config needs, and end", NULL},
        {"print-tenants", OPTION_SWITCH, &print_tenants,
         "print the tenants' settings for `carillon tenants put`, and end", NULL},
    };
    if (!options_read("load", rows, countof(rows), argc, argv))
        return EXIT_USAGE;
    l->scenario.seed = (uint64_t)seed;
    l->scenario.tenants = (uint32_t)tenants;
    l->scenario.countries = (uint32_t)countries;
    if (print_tenants) {
        scenario_print_tenants(&l->scenario, stdout);
        return EXIT_OK;
    }
    if (print_templates) {
        fputs(scenario_templates_yaml, stdout);
        return EXIT_OK;
    }
    bool sane = tenants >= 1 && countries >= 1 && countries <= SCENARIO_COUNTRIES;
    if (!l->brokers || l->count < 0 || l->rate <= 0 || !sane) {
        fprintf(stderr, "carillon-bench load: --brokers is needed\n");
        return EXIT_USAGE;
    }
    return run(l);
}

int load_command(int argc, char **argv)
{
    struct load *l = malloc(sizeof *l);
    CHECK(l);
    int rc = read_and_run(l, argc, argv);
    free(l);
    return rc;
}
