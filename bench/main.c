/* carillon-bench: what a run of carillon is measured and judged with. */
#include "bench.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *text;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"provider", "simulates the providers; journals every request before it answers",
     provider_command},
    {"load", "produces seeded events at a rate, and journals them", load_command},
    {"fill", "fills a deferral ring, as a night's deferrals would have", fill_command},
    {"verify", "judges a run by its journals and topics; exit 1 on any violation", verify_command},
    {"show", "prints a provider journal as JSON lines", show_command},
    {"produce", "puts raw records, as they stand, into a topic", produce_command},
    {"dump", "prints a topic as JSON lines", dump_command},
    {"lag", "prints how many records a group has not committed", lag_command},
    {"rules", "what the rules cost per event: median and p99, by kind", rules_command},
    {"floor", "the same requests from a bare ring client: what HTTP alone costs", floor_command},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < countof(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    fprintf(stderr, "usage: carillon-bench COMMAND [FLAG ...]\n");
    for (size_t i = 0; i < countof(commands); i++)
        fprintf(stderr, "  %-9s %s\n", commands[i].name, commands[i].text);
    fprintf(stderr, "`carillon-bench COMMAND --help` lists the flags.\n");
    return EXIT_USAGE;
}
