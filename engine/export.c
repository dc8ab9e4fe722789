/* `carillon export`: a tenant's outcomes as CSV, in the order they were settled. Fields are
 * written as they are: also one that a spreadsheet would take for a formula. */
#include "base/clock.h"
#include "base/time.h"
#include "commands.h"
#include "domain/csv.h"
#include "domain/pbjson.h"
#include "outcomes.h"
#include "rows.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>

#define MEMORY ((size_t)64 * 1024 * 1024)
enum { LINE_MAX_BYTES = 256 * 1024 };

static const char usage[] =
    "usage: carillon export --csv --config FILE --tenant T --from T --to T\n"
    "\n"
    "Writes one line for each leg of the tenant that was settled from --from (included) to\n"
    "--to (excluded): RFC 3339, a date, or how long ago (7d). Date and time are in UTC.\n"
    "\n"
    "Exit codes: 0 done, 64 usage, 69 Kafka does not answer, or the output cannot be written,\n"
    "78 bad config.\n";

static const char *const columns[] = {
    "date",           "time",       "conversation_id", "event_id",
    "transaction_id", "booking_id", "customer_id",     "customer_reference",
    "channel",        "location",   "author",          "sentiment",
    "facet",          "kind",       "status",          "reason",
    "tenant",
};

struct sheet {
    struct rows *rows;
    struct writer line;
    uint64_t count;
    enum err err;
    int number; /* errno */
};

static void put(struct sheet *e, struct bytes text)
{
    csv_write_field(&e->line, 0, text);
}

static void put_text(struct sheet *e, const char *text)
{
    put(e, bytes_of(text));
}

static void put_enum(struct sheet *e, const ProtobufCEnumDescriptor *type, int value)
{
    char name[64];
    struct writer w = writer_of(name, sizeof name);
    if (value != 0)
        pb_write_enum(&w, type, value);
    put(e, writer_bytes(&w));
}

static void put_when(struct sheet *e, int64_t ms)
{
    char text[40];
    struct writer w = writer_of(text, sizeof text);
    time_write(&w, ms); /* 2026-11-24T13:21:00.000Z */
    put(e, (struct bytes){text, 10});
    put(e, (struct bytes){text + 11, 8});
}

static void put_label(struct sheet *e, const Carillon__V1__Outcome *o, const char *key)
{
    const char *value = NULL;
    for (size_t i = 0; i < o->n_labels; i++)
        if (strcmp(o->labels[i]->key, key) == 0)
            value = o->labels[i]->value;
    put_text(e, value);
}

static const char *author_of(Carillon__V1__Kind kind)
{
    bool customer = kind == CARILLON__V1__KIND__KIND_MESSAGE_ALERT ||
                    kind == CARILLON__V1__KIND__KIND_FEEDBACK_ALERT;
    return customer ? "customer" : "business";
}

static void take(void *context, const Carillon__V1__Outcome *o)
{
    struct sheet *e = context;
    int64_t settled_ms = outcome_settled_ms(o);
    if (e->err != ERR_OK)
        return;
    e->line.size = 0;
    put_when(e, settled_ms);
    put_text(e, o->conversation_id);
    put_text(e, o->event_id);
    put_text(e, o->transaction_id);
    put_text(e, o->booking_id);
    put_text(e, o->customer_id);
    put_text(e, o->customer_reference);
    put_enum(e, &carillon__v1__channel__descriptor, (int)o->channel);
    put_text(e, o->location_id);
    put_text(e, author_of(o->kind));
    put_label(e, o, "sentiment");
    put_label(e, o, "facet");
    put_enum(e, &carillon__v1__kind__descriptor, (int)o->kind);
    put_enum(e, &carillon__v1__outcome_kind__descriptor, (int)o->outcome);
    put_text(e, o->reason);
    put_text(e, o->tenant_id);
    csv_write_end(&e->line);
    CHECK(!e->line.overflow); /* what was read fits its room */
    e->err = rows_add(e->rows, settled_ms, writer_bytes(&e->line));
    e->number = errno;
    e->count++;
}

static int write_all(struct sheet *e)
{
    char memory[1024];
    struct writer header = writer_of(memory, sizeof memory);
    for (size_t i = 0; i < countof(columns); i++)
        csv_write_field(&header, 0, bytes_of(columns[i]));
    csv_write_end(&header);
    CHECK(!header.overflow);
    fwrite(header.at, 1, header.size, stdout);
    e->err = rows_write(e->rows, stdout);
    if (e->err != ERR_OK || fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "cannot write: %s\n", strerror(errno));
        return EXIT_AWAY;
    }
    return EXIT_DONE;
}

static int export_outcomes(const struct outcomes_wish *wish)
{
    struct sheet e = {.rows = rows_open(MEMORY)};
    struct outcomes_wish mine = *wish;
    struct outcomes_read read;
    char *memory = malloc(LINE_MAX_BYTES);
    CHECK(memory);
    e.line = writer_of(memory, LINE_MAX_BYTES);
    mine.take = take;
    mine.context = &e;
    int exit_code = outcomes_walk(&mine, &read);
    if (exit_code == EXIT_DONE && e.err != ERR_OK) {
        fprintf(stderr, "cannot write a temporary file: %s\n", strerror(e.number));
        exit_code = EXIT_AWAY;
    }
    if (exit_code == EXIT_DONE)
        exit_code = write_all(&e);
    if (exit_code == EXIT_DONE)
        fprintf(stderr, "%" PRIu64 " lines from %" PRIu64 " outcomes read\n", e.count,
                read.records);
    rows_close(e.rows);
    free(memory);
    return exit_code;
}

struct wishes {
    const char *config, *tenant, *from, *to;
    bool csv, help;
};

static bool read_options(int argc, char **argv, struct wishes *out)
{
    enum { CONFIG = 1, TENANT, FROM, TO, CSV, HELP };
    static const struct option options[] = {{"config", required_argument, NULL, CONFIG},
                                            {"tenant", required_argument, NULL, TENANT},
                                            {"from", required_argument, NULL, FROM},
                                            {"to", required_argument, NULL, TO},
                                            {"csv", no_argument, NULL, CSV},
                                            {"help", no_argument, NULL, HELP},
                                            {0}};
    const char **texts[] = {
        [CONFIG] = &out->config, [TENANT] = &out->tenant, [FROM] = &out->from, [TO] = &out->to};
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == '?')
            return false;
        if (c <= TO)
            *texts[c] = optarg;
        out->csv |= c == CSV;
        out->help |= c == HELP;
    }
    return out->help || (out->csv && out->config && out->tenant && *out->tenant && out->from &&
                         out->to && optind == argc);
}

int export_main(int argc, char **argv)
{
    struct wishes w = {0};
    int64_t now_ms = clock_wall_ms();
    struct outcomes_wish wish = {0};
    bool good = read_options(argc, argv, &w);
    if (good && !w.help) {
        good =
            moment_parse(w.from, now_ms, &wish.from_ms) && moment_parse(w.to, now_ms, &wish.to_ms);
        if (!good)
            fputs("carillon export: a time is RFC 3339, a date, or how long ago\n", stderr);
    }
    if (!good || w.help) {
        fputs(usage, w.help ? stdout : stderr);
        return w.help ? EXIT_DONE : EXIT_USAGE;
    }
    struct config *config = command_config(w.config);
    if (!config)
        return EXIT_CONFIG;
    wish.config = config;
    wish.tenant = bytes_of(w.tenant);
    int exit_code = export_outcomes(&wish);
    config_free(config);
    return exit_code;
}
