/* `carillon why`: what happened to an event, from the outcome topic, and what of it waits. A key's
 * records lie in one partition; it is read in stretches, the newest first, each longer than the
 * last. All of --since is read, because the first outcome of a leg is the one that counts. */
#include "base/clock.h"
#include "base/time.h"
#include "clients.h"
#include "commands.h"
#include "domain/pbjson.h"
#include "outcomes.h"
#include "tally.h"
#include "why_print.h"
#include "why_waiting.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>

enum { FOUND_MAX = 4096, STRETCH_LEAST = 4096, STRETCH_MOST = 1 << 20, EXIT_NOT_FOUND = 1 };

static const char usage[] =
    "usage: carillon why EVENT_ID --config FILE [--tenant T] [--since 7d] [--all-partitions]\n"
    "                    [--json]\n"
    "       carillon why --stats --config FILE [--from T] [--to T] [--tenant T] [--json]\n"
    "\n"
    "Says what happened to an event, and why, from its outcomes; and what of it waits in the\n"
    "deferral topics, until when and why. Or counts outcomes by how they ended.\n"
    "\n"
    "  --since T         how far back to read: 12h, 7d, a date, or RFC 3339 (7d)\n"
    "  --all-partitions  not only the one that the event's id leads to: for outcomes written\n"
    "                    before the topic got more partitions\n"
    "  --json            the outcomes themselves, one a line\n"
    "  --stats           all outcomes that were settled from --from (1d) to --to (now)\n"
    "\n"
    "Ctrl-C ends the reading, and what was found is told.\n"
    "Exit codes: 0 found, 1 not found, 64 usage, 69 Kafka does not answer, 78 bad config.\n";

struct wishes {
    const char *event_id, *config, *tenant;
    const char *since, *from, *to;
    bool all_partitions, json, stats, help;
};

struct found {
    int32_t partition;
    int64_t offset;
    char *memory; /* of all below */
    const Carillon__V1__Outcome *outcome;
};

struct why {
    const struct wishes *wishes;
    const struct config *config;
    struct reader *reader;
    struct found found[FOUND_MAX];
    uint32_t found_count, unreadable, more;
    uint64_t records;
    int64_t back_to_ms; /* of the stretches that were read whole; 0: none was */
    bool cut;           /* not all was read */
    struct progress progress;
    char why[KAFKA_WHY_SIZE];
};

static void keep(struct why *y, const struct reader_record *at)
{
    size_t room = 64 * 1024 + 16 * at->record.value.size;
    char *memory = malloc(room);
    CHECK(memory);
    struct arena arena = arena_of(memory, room);
    const Carillon__V1__Outcome *outcome = outcome_decode(at->record.value, &arena);
    const char *tenant = y->wishes->tenant;
    bool others = outcome && tenant && strcmp(tenant, outcome->tenant_id ? outcome->tenant_id : "");
    y->unreadable += !outcome;
    y->more += outcome && !others && y->found_count == FOUND_MAX;
    if (!outcome || others || y->found_count == FOUND_MAX) {
        free(memory);
        return;
    }
    y->found[y->found_count++] = (struct found){at->partition, at->offset, memory, outcome};
}

static enum err read_stretch(struct why *y, const struct reader_range *range)
{
    struct bytes id = bytes_of(y->wishes->event_id);
    struct reader_record record;
    int64_t first_ms = 0;
    enum err err = reader_start(y->reader, range, 1, y->why);
    while (err == ERR_OK || err == ERR_AGAIN) {
        err = reader_take(y->reader, &record);
        if (err == ERR_OK) {
            y->records++;
            first_ms = first_ms ? first_ms : record.record.timestamp_ms;
            if (bytes_equal(record.record.key, id))
                keep(y, &record);
        }
        if (command_interrupted())
            return ERR_CANCELLED;
        progress_show(&y->progress, "%" PRIu64 " outcomes read, %u found", y->records,
                      y->found_count);
    }
    if (err == ERR_NOT_FOUND && first_ms)
        y->back_to_ms = y->back_to_ms ? i64_min(y->back_to_ms, first_ms) : first_ms;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err read_partition(struct why *y, int32_t partition, int64_t since_ms)
{
    struct reader_range all, stretch;
    int64_t size = STRETCH_LEAST;
    enum err err = reader_find(y->reader, partition, since_ms, &all, y->why);
    while (err == ERR_OK && all.to > all.from) {
        stretch = (struct reader_range){partition, i64_max(all.from, all.to - size), all.to};
        err = read_stretch(y, &stretch);
        all.to = stretch.from;
        size = i64_min(size * 4, STRETCH_MOST);
    }
    return err;
}

static int compare(const void *left, const void *right)
{
    const struct found *a = left, *b = right;
    if (a->partition != b->partition)
        return a->partition < b->partition ? -1 : 1;
    return a->offset < b->offset ? -1 : 1;
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool same_record(const Carillon__V1__Outcome *a, const Carillon__V1__Outcome *b)
{
    return same_text(a->tenant_id, b->tenant_id) && !a->origin == !b->origin &&
           (!a->origin || (same_text(a->origin->topic, b->origin->topic) &&
                           a->origin->partition == b->origin->partition &&
                           a->origin->offset == b->origin->offset));
}

/* The first of each end, in the order they were written. */
static uint32_t choose(struct why *y, struct why_leg *legs)
{
    uint32_t count = 0;
    qsort(y->found, y->found_count, sizeof y->found[0], compare);
    for (uint32_t i = 0; i < y->found_count; i++) {
        const Carillon__V1__Outcome *o = y->found[i].outcome;
        uint32_t at = 0;
        while (at < count && !(same_text(legs[at].outcome->leg_id, o->leg_id) &&
                               same_record(legs[at].outcome, o)))
            at++;
        if (at == count)
            legs[count++] = (struct why_leg){.outcome = o};
        else
            legs[at].again++;
    }
    return count;
}

static void print_json(const Carillon__V1__Outcome *outcome)
{
    size_t room = 64 * 1024 + 8 * protobuf_c_message_get_packed_size(&outcome->base);
    char *memory = malloc(room);
    CHECK(memory);
    struct writer w = writer_of(memory, room);
    pb_to_json(&outcome->base, &w);
    CHECK(!w.overflow);
    printf("%.*s\n", (int)w.size, w.at);
    free(memory);
}

static void print_found(struct why *y)
{
    struct why_leg *legs = calloc(y->found_count, sizeof *legs);
    bool *done = calloc(y->found_count, sizeof *done);
    CHECK(legs && done);
    uint32_t count = choose(y, legs);
    struct zones *zones = y->wishes->json ? NULL : zones_open();
    for (uint32_t i = 0; i < count; i++) {
        if (done[i])
            continue;
        if (!y->wishes->json)
            why_print_event(legs[i].outcome, stdout);
        for (uint32_t k = i; k < count; k++) {
            if (done[k] || !same_record(legs[i].outcome, legs[k].outcome))
                continue;
            done[k] = true;
            if (y->wishes->json)
                print_json(legs[k].outcome);
            else
                why_print_leg(&legs[k], zones, stdout);
        }
    }
    if (zones)
        zones_close(zones);
    free(legs);
    free(done);
}

static void say_read(const struct why *y, int32_t only)
{
    char time[40] = "";
    struct writer w = writer_of(time, sizeof time - 1);
    if (only < 0)
        fprintf(stderr, "read %" PRIu64 " outcomes in all partitions", y->records);
    else
        fprintf(stderr, "read %" PRIu64 " outcomes in partition %d", y->records, only);
    if (y->back_to_ms) {
        time_write(&w, y->back_to_ms);
        time[w.size] = '\0';
        fprintf(stderr, ", the oldest of %s", time);
    }
    fputs(y->cut ? "; there is more that was not read\n" : "\n", stderr);
    if (y->unreadable > 0)
        fprintf(stderr, "%u records of this id are no outcomes\n", y->unreadable);
    if (y->more > 0)
        fprintf(stderr, "%u more were found than fit: --since or --tenant chooses\n", y->more);
}

static int look(struct why *y, int64_t since_ms)
{
    struct bytes id = bytes_of(y->wishes->event_id);
    uint32_t partitions = reader_partitions(y->reader);
    int32_t only = y->wishes->all_partitions ? -1 : reader_partition_of(id, partitions);
    enum err err = ERR_OK;
    command_hold_interrupts();
    for (int32_t i = 0; err == ERR_OK && i < (int32_t)partitions; i++)
        if (only < 0 || only == i)
            err = read_partition(y, i, since_ms);
    progress_end(&y->progress);
    y->cut = err != ERR_OK;
    struct why_waiting *waiting =
        why_waiting_read(y->config, y->wishes->event_id, y->wishes->tenant);
    for (uint32_t i = 0; i < y->found_count; i++)
        why_waiting_ended(waiting, y->found[i].outcome);
    if (y->found_count > 0)
        print_found(y);
    uint32_t waits = why_waiting_print(waiting, y->wishes->json, stdout);
    fflush(stdout);
    if (err != ERR_OK && err != ERR_CANCELLED)
        command_kafka_away(y->config, y->why[0] ? y->why : "no broker answers");
    say_read(y, only);
    why_waiting_say(waiting);
    why_waiting_free(waiting);
    if (err != ERR_OK && err != ERR_CANCELLED)
        return EXIT_AWAY;
    if (y->found_count + waits == 0 && !y->cut)
        fprintf(stderr,
                "nothing was found of %s: it did not come, or is in a worker's hand, or ended "
                "before --since%s\n",
                y->wishes->event_id, only < 0 ? "" : ", or lies elsewhere (--all-partitions)");
    return y->found_count + waits > 0 ? EXIT_DONE : EXIT_NOT_FOUND;
}

static int find_event(const struct wishes *wishes, const struct config *config, int64_t since_ms)
{
    int exit_code = EXIT_DONE;
    struct why *y = calloc(1, sizeof *y);
    CHECK(y);
    y->wishes = wishes;
    y->config = config;
    y->reader = command_reader(config, "carillon.outcomes", &exit_code);
    if (y->reader) {
        exit_code = look(y, since_ms);
        reader_close(y->reader);
    }
    for (uint32_t i = 0; i < y->found_count; i++)
        free(y->found[i].memory);
    free(y);
    return exit_code;
}

static void count_outcome(void *context, const Carillon__V1__Outcome *outcome)
{
    tally_add(context, outcome);
}

static int count_all(const struct wishes *wishes, const struct config *config, int64_t from_ms,
                     int64_t to_ms)
{
    struct tally *tally = calloc(1, sizeof *tally);
    CHECK(tally);
    struct outcomes_read read;
    int exit_code = outcomes_walk(&(struct outcomes_wish){.config = config,
                                                          .tenant = bytes_of(wishes->tenant),
                                                          .from_ms = from_ms,
                                                          .to_ms = to_ms,
                                                          .take = count_outcome,
                                                          .context = tally},
                                  &read);
    tally_sort(tally);
    if (exit_code == EXIT_DONE || tally->total > 0) {
        if (wishes->json)
            tally_print_json(tally, from_ms, to_ms, stdout);
        else
            tally_print_text(tally, stdout);
        fprintf(stderr, "read %" PRIu64 " outcomes in %u partitions\n", read.records,
                read.partitions);
    }
    free(tally);
    return exit_code;
}

static bool read_options(int argc, char **argv, struct wishes *out)
{
    enum { CONFIG = 1, TENANT, SINCE, FROM, TO, ALL, JSON, STATS, HELP };
    static const struct option options[] = {
        {"config", required_argument, NULL, CONFIG}, {"tenant", required_argument, NULL, TENANT},
        {"since", required_argument, NULL, SINCE},   {"from", required_argument, NULL, FROM},
        {"to", required_argument, NULL, TO},         {"all-partitions", no_argument, NULL, ALL},
        {"json", no_argument, NULL, JSON},           {"stats", no_argument, NULL, STATS},
        {"help", no_argument, NULL, HELP},           {0}};
    const char **texts[] = {[CONFIG] = &out->config,
                            [TENANT] = &out->tenant,
                            [SINCE] = &out->since,
                            [FROM] = &out->from,
                            [TO] = &out->to};
    bool *flags[] = {[ALL] = &out->all_partitions,
                     [JSON] = &out->json,
                     [STATS] = &out->stats,
                     [HELP] = &out->help};
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == '?')
            return false;
        if (c <= TO)
            *texts[c] = optarg;
        else
            *flags[c] = true;
    }
    if (optind + 1 == argc)
        out->event_id = argv[optind];
    if (out->help)
        return true;
    if (out->stats ? out->since || out->all_partitions : out->from || out->to)
        return false;
    return out->config && optind + !out->stats == argc && (out->stats || *out->event_id);
}

static bool moment_of(const char *option, const char *text, int64_t now_ms, int64_t *ms)
{
    if (moment_parse(text, now_ms, ms))
        return true;
    fprintf(stderr, "carillon why: %s %s: RFC 3339, a date, or how long ago (7d, 12h, 30m)\n",
            option, text);
    return false;
}

int why_main(int argc, char **argv)
{
    struct wishes w = {0};
    int64_t now_ms = clock_wall_ms(), since_ms, from_ms, to_ms;
    bool good = read_options(argc, argv, &w);
    if (!good || w.help) {
        fputs(usage, w.help ? stdout : stderr);
        return w.help ? EXIT_DONE : EXIT_USAGE;
    }
    if (!moment_of("--since", w.since ? w.since : "7d", now_ms, &since_ms) ||
        !moment_of("--from", w.from ? w.from : "1d", now_ms, &from_ms) ||
        !moment_of("--to", w.to ? w.to : "now", now_ms, &to_ms))
        return EXIT_USAGE;
    struct config *config = command_config(w.config);
    if (!config)
        return EXIT_CONFIG;
    int exit_code =
        w.stats ? count_all(&w, config, from_ms, to_ms) : find_event(&w, config, since_ms);
    config_free(config);
    return exit_code;
}
