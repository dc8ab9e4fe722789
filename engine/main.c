/* carillon's command line: one table of subcommands, each with a file of its own. */
#include "commands.h"
#include "version.h"

#include <stdio.h>
#include <string.h>

const char version_commit[] = CARILLON_COMMIT;

/* Read by jemalloc. Outcomes and fetched records pass through its memory from thread to
 * thread: in huge pages, and kept for a minute, they cost few faults and misses (3-5 % of a
 * saturated worker's CPU, for some 25 MiB). MALLOC_CONF in the environment goes before it. */
extern const char *const malloc_conf;
const char *const malloc_conf = "thp:always,metadata_thp:auto,dirty_decay_ms:60000";

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the subcommand */
    const char *help;
} commands[] = {
    {"bookings", bookings_main, "what stands of a booking: cancel, confirm, revise"},
    {"check", check_main, "is the config good? prints it, or a sample of it"},
    {"deferred", deferred_main, "the calendar of what waits, and how its release will go"},
    {"demo", demo_main, "the main job on embedded defaults: Kafka, Redis, providers"},
    {"explain", explain_main, "says what would happen to events, and why"},
    {"export", export_main, "outcomes of a tenant as CSV"},
    {"run", run_main, "a worker: takes events and sends them until SIGTERM"},
    {"setup", setup_main, "creates missing topics and loads the Redis functions"},
    {"suppress", suppress_main, "what must not be sent to whom: add, remove, list, import"},
    {"tenants", tenants_main, "settings of tenants: put, get"},
    {"version", version_main, "version, commit, libraries and back ends"},
    {"why", why_main, "what happened to an event, and why; counts of outcomes"},
};

static void usage(FILE *out)
{
    fprintf(out, "usage: carillon COMMAND [OPTION ...]\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
    fprintf(out, "\nExit codes: 0 done, 64 usage, 65 bad input, 69 unreachable, 78 bad config.\n");
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0)
        return version_main(argc - 1, argv + 1);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "carillon: no command '%s'; `carillon help` lists them\n", argv[1]);
    return EXIT_USAGE;
}
