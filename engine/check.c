/* `carillon check`: is the config good, do its adapters compile, does what it names answer?
 * Findings go to standard error, what was asked for to standard output. */
#include "adapters.h"
#include "commands.h"
#include "config.h"
#include "reach.h"

#include <getopt.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: carillon check --config FILE [--connect] [--deny-warnings] [--print]\n"
    "       carillon check --sample\n"
    "\n"
    "  --config FILE     the config to check, with its adapter files\n"
    "  --connect         try Kafka, Redis and each provider's TLS, too\n"
    "  --deny-warnings   a warning is an error\n"
    "  --print           print the config as it counts: file, environment, defaults; no secrets\n"
    "  --sample          print a config with every key, its default and what it means\n"
    "\n"
    "Exit codes: 0 good, 64 usage, 78 bad.\n";

struct wishes {
    const char *config;
    bool connect, deny_warnings, print, sample, help;
};

static bool read_wishes(int argc, char **argv, struct wishes *out)
{
    enum { CONFIG = 1, CONNECT, DENY, PRINT, SAMPLE, HELP };
    static const struct option options[] = {
        {"config", required_argument, NULL, CONFIG},
        {"connect", no_argument, NULL, CONNECT},
        {"deny-warnings", no_argument, NULL, DENY},
        {"print", no_argument, NULL, PRINT},
        {"sample", no_argument, NULL, SAMPLE},
        {"help", no_argument, NULL, HELP},
        {NULL, 0, NULL, 0},
    };
    *out = (struct wishes){0};
    optind = 0; /* begin anew: a process may check twice */
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case CONFIG:
            out->config = optarg;
            break;
        case CONNECT:
            out->connect = true;
            break;
        case DENY:
            out->deny_warnings = true;
            break;
        case PRINT:
            out->print = true;
            break;
        case SAMPLE:
            out->sample = true;
            break;
        case HELP:
            out->help = true;
            break;
        default:
            return false;
        }
    }
    return optind == argc && (out->config || out->sample || out->help);
}

static void check(const struct wishes *wishes, struct findings *findings)
{
    struct config *config = config_load(wishes->config, environ, findings);
    struct adapters adapters;
    if (config && adapters_load(config, findings, &adapters)) {
        if (wishes->connect)
            reach(config, &adapters, findings);
        adapters_free(&adapters);
    }
    if (config && wishes->print)
        config_print(config, stdout);
    config_free(config);
}

int check_main(int argc, char **argv)
{
    struct wishes wishes;
    if (!read_wishes(argc, argv, &wishes)) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    if (wishes.help || wishes.sample) {
        if (wishes.help)
            fputs(usage, stdout);
        else
            config_print_sample(stdout);
        return EXIT_DONE;
    }
    struct findings findings = {0};
    check(&wishes, &findings);
    findings_print(&findings, stderr);
    bool bad = findings.errors > 0 || (wishes.deny_warnings && findings.warnings > 0);
    fprintf(stderr, "%s: %s, %u errors, %u warnings\n", wishes.config, bad ? "bad" : "good",
            findings.errors, findings.warnings);
    findings_free(&findings);
    return bad ? EXIT_CONFIG : EXIT_DONE;
}
