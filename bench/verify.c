/* Reads the journals and the topics, and judges. */
#include "bench.h"
#include "gather.h"
#include "options.h"

#include <stdlib.h>

struct verify {
    struct oracle oracle;
    const char *brokers, *load_path, *provider_path, *faults_path;
    int64_t lines_max;
};

/* route=N/s */
static bool add_limit(void *to, const char *value)
{
    struct oracle *o = to;
    const char *equals = strrchr(value, '=');
    char *end = NULL;
    if (!equals || (size_t)(equals - value) >= sizeof o->limits->route)
        return false;
    double rate = strtod(equals + 1, &end);
    if (end == equals + 1 || rate <= 0 || (strcmp(end, "/s") != 0 && *end != '\0'))
        return false;
    o->limits = realloc(o->limits, (o->limit_count + 1) * sizeof *o->limits);
    CHECK(o->limits);
    struct limit_row *row = &o->limits[o->limit_count++];
    *row = (struct limit_row){.per_second = rate};
    memcpy(row->route, value, (size_t)(equals - value));
    return true;
}

static int run(struct verify *v)
{
    struct oracle *o = &v->oracle;
    bool fine = gather_loads(o, v->load_path) && gather_calls(o, v->provider_path) &&
                (!v->faults_path || gather_faults(o, v->faults_path)) &&
                gather_topics(o, v->brokers);
    if (!fine) {
        printf("verdict BAD: the run cannot be read\n");
        return EXIT_FOUND;
    }
    return oracle_judge(o) ? EXIT_OK : EXIT_FOUND;
}

int verify_command(int argc, char **argv)
{
    struct verify v = {.oracle = {.prefix = "", .report = stdout}, .lines_max = 20};
    const struct option_row rows[] = {
        {"brokers", OPTION_TEXT, &v.brokers, "host:port", NULL},
        {"prefix", OPTION_TEXT, &v.oracle.prefix, "of the topics' names", NULL},
        {"load", OPTION_TEXT, &v.load_path, "load's journal", NULL},
        {"provider", OPTION_TEXT, &v.provider_path, "the provider's journal", NULL},
        {"faults", OPTION_TEXT, &v.faults_path,
         "the nemesis' journal: lines of time_ms, worker|redis|kafka|stop, until_ms", NULL},
        {"limit", OPTION_EACH, &v.oracle, "ROUTE=N/s, repeatable", add_limit},
        {"lines", OPTION_NUMBER, &v.lines_max, "violations shown per invariant; 0: all", NULL},
    };
    int rc = EXIT_USAGE;
    if (options_read("verify", rows, countof(rows), argc, argv)) {
        v.oracle.lines_max = (uint32_t)v.lines_max;
        if (v.brokers && v.load_path && v.provider_path)
            rc = run(&v);
        else
            fprintf(stderr, "carillon-bench verify: --brokers, --load, --provider are needed\n");
    }
    gather_free(&v.oracle);
    return rc;
}
