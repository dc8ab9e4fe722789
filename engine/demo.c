/* `carillon demo`: the main job on embedded defaults. A Kafka cluster of librdkafka's own
 * in this process, a private Redis, the provider simulator, two shards, and the messages
 * of 10,000 sample bookings, all due now. Settings, opt-outs and bookings come through the
 * state topics and the follower, as in production. Nothing stays behind. */
#include "base/clock.h"
#include "base/log.h"
#include "commands.h"
#include "demo_kafka.h"
#include "demo_parts.h"
#include "demo_sample.h"
#include "demo_show.h"
#include "domain/zones.h"
#include "setup.h"
#include "worker.h"

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    COUNT_DEFAULT = 10000,
    RATE = 1250,       /* messages written a second */
    TWICE_AFTER = 100, /* messages until a record comes a second time */
    TICK_MS = 10,
    READY_MS = 30 * 1000, /* patience */
    FIRST_MS = 500,       /* from ready to the first message: consumers look for their start */
    STALL_MS = 20 * 1000,
    EXIT_WRONG = 1, /* the books do not add up */
};

struct demo {
    uint32_t count, records; /* some come twice */
    bool keep;
    sigset_t signals;
    int signal; /* the one that ends it; 0: none */
    char why[PARTS_WHY_SIZE + 128];

    struct parts parts;
    struct demo_kafka kafka;
    struct zones *zones;
    struct sample sample;
    struct sample_record made[SAMPLE_FACTS_MAX];

    struct findings findings;
    struct config *config;
    struct worker *worker;
    pthread_t starter;
    bool starter_runs;
    _Atomic bool start_ended;
    enum worker_start result;
    char start_why[WORKER_WHY_SIZE];

    struct show show;
    uint64_t began_ns;
    double cpu_us;
};

static bool give_up(struct demo *d, const char *format, ...) PRINTF_LIKE(2, 3);
static bool give_up(struct demo *d, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(d->why, sizeof d->why, format, arguments);
    va_end(arguments);
    return false;
}

/* --- time passes ------------------------------------------------------------------------- */

/* One step of waiting. False: it is over, by a signal or because something broke. */
static bool tick(struct demo *d)
{
    demo_kafka_take(&d->kafka);
    if (d->kafka.lost > 0)
        return give_up(d, "the mock cluster did not take %llu records",
                       (unsigned long long)d->kafka.lost);
    if (d->kafka.full)
        return give_up(d, "a partition of the mock cluster is full: use a smaller --count");
    if (ferror(stdout))
        return give_up(d, "standard output is closed");
    if (!parts_alive(&d->parts, d->why))
        return false;
    const struct timespec wait = {.tv_nsec = TICK_MS * 1000000};
    int signal = sigtimedwait(&d->signals, NULL, &wait);
    if (signal > 0)
        d->signal = signal;
    return d->signal == 0;
}

/* --- the sample into the topics -------------------------------------------------------------- */

static bool put_record(struct demo *d, const struct sample_record *record)
{
    enum err err;
    while ((err = demo_kafka_put(&d->kafka, record)) == ERR_AGAIN)
        if (!tick(d))
            return false;
    return err == ERR_OK ? true : give_up(d, "kafka: %s", err_text(err));
}

static bool put_state(struct demo *d)
{
    for (uint32_t i = 0; i < sample_tenant_count(); i++) {
        sample_tenant(i, d->made);
        if (!put_record(d, d->made))
            return false;
    }
    for (uint32_t i = 0; i < d->count; i++) {
        uint32_t facts = sample_facts(i, d->made);
        for (uint32_t fact = 0; fact < facts; fact++)
            if (!put_record(d, &d->made[fact]))
                return false;
    }
    while (d->kafka.acked < d->kafka.put)
        if (!tick(d))
            return false;
    return true;
}

static bool put_event(struct demo *d, uint32_t index)
{
    sample_event(&d->sample, index, clock_wall_ms(), d->made);
    return put_record(d, d->made);
}

/* Message `at` in turn, and what comes a second time. */
static bool put_turn(struct demo *d, uint32_t at)
{
    if (at < d->count && !put_event(d, at))
        return false;
    if (at < TWICE_AFTER || !sample_comes_twice(at - TWICE_AFTER))
        return true;
    return put_event(d, at - TWICE_AFTER);
}

/* --- opening --------------------------------------------------------------------------------- */

static const char config_format[] =
    "worker: {name: demo, shards: 2, adapters: \"%s\", jobs_max: 2048}\n"
    "kafka: {bootstrap_servers: \"%s\", partitions: %u, commit_interval_ms: 200, gather_ms: 10}\n"
    "redis: {address: \"unix:%s\"}\n"
    "schedule: {retry_least_ms: 100, retry_most_ms: 1000, horizon_ms: 2000, hold_ms: 1000}\n"
    "deferral: {slots: %u, slot_ms: 2000, spread: 1, far_spread: 1, lead_ms: 1000,\n"
    "  min_delay_ms: 500, time_sample_ms: 500, memory_mb: 16}\n"
    "rules: {platform_zone: Europe/Paris, address_key: demo}\n"
    "admin: {address: \"127.0.0.1:0\"}\n"
    "log: {level: error}\n"
    "providers:\n"
    "  - name: twilio\n"
    "    adapter: twilio\n"
    "    base_url: http://127.0.0.1:%u\n"
    "    in_flight: 64\n"
    "    credentials: [{name: account_sid, value: ACdemo}, {name: auth_token, value: demo}]\n"
    "  - name: sendgrid\n"
    "    adapter: sendgrid\n"
    "    base_url: http://127.0.0.1:%u\n"
    "    in_flight: 64\n"
    "    credentials: [{name: api_key, value: demo}]\n"
    "routes:\n"
    "  - {name: sms, provider: twilio, channel: sms, from: \"+33755500000\","
    " limit_per_second: 3000}\n"
    "  - {name: email, provider: sendgrid, channel: email, from: hello@carillon.example,"
    " limit_per_second: 3000}\n";

static bool load_config(struct demo *d)
{
    char *text = NULL;
    int size =
        asprintf(&text, config_format, d->parts.adapters, kafka_mock_bootstrap(d->kafka.mock),
                 d->kafka.partitions, d->parts.redis_socket, DEMO_RING_SLOTS,
                 d->parts.provider_port, d->parts.provider_port);
    CHECK(size > 0);
    d->config = config_load_text(text, (size_t)size, "demo", "/", NULL, &d->findings);
    free(text);
    if (!d->config) /* a ring of seconds is warned of, and meant */
        findings_print(&d->findings, stderr);
    findings_free(&d->findings);
    return d->config ? true : give_up(d, "the demo's own config is refused");
}

static bool open_all(struct demo *d)
{
    char why[SETUP_WHY_SIZE] = "", kafka_why[KAFKA_WHY_SIZE] = "";
    if (!parts_open(&d->parts, d->why))
        return false;
    if (!demo_kafka_open(&d->kafka, d->count, kafka_why))
        return give_up(d, "kafka: %s", kafka_why);
    if (!load_config(d))
        return false;
    if (!setup_functions(d->config, why))
        return give_up(d, "redis: %s", why);
    d->zones = zones_open();
    if (!d->zones || !sample_open(&d->sample, d->zones, clock_wall_ms()))
        return give_up(d, "the zone data cannot be read: install the package tzdata");
    return true;
}

/* In a thread of its own: it waits for Kafka and Redis as long as they are away. */
static void *start_worker(void *context)
{
    struct demo *d = context;
    d->result = worker_start(d->worker, &d->findings, d->start_why);
    atomic_store(&d->start_ended, true);
    return NULL;
}

static bool run_worker(struct demo *d)
{
    char why[WORKER_WHY_SIZE] = "";
    uint64_t until_ns = clock_mono_ns() + READY_MS * NS_PER_MS;
    d->worker = worker_new(d->config);
    if (pthread_create(&d->starter, NULL, start_worker, d) != 0)
        return give_up(d, "no thread for the worker");
    d->starter_runs = true;
    while (!atomic_load(&d->start_ended))
        if (!tick(d))
            return false;
    findings_print(&d->findings, stderr);
    if (d->result != WORKER_STARTED)
        return give_up(d, "the worker does not start: %.400s", d->start_why);
    fprintf(d->show.out, "  http://127.0.0.1:%u/metrics, /readyz, /status.json while it runs\n",
            worker_admin_port(d->worker));
    fflush(d->show.out);
    while (!worker_ready(d->worker, why))
        if (clock_mono_ns() > until_ns)
            return give_up(d, "the worker does not become ready: %.400s", why);
        else if (!tick(d))
            return false;
    until_ns = clock_mono_ns() + FIRST_MS * NS_PER_MS;
    while (clock_mono_ns() < until_ns)
        if (!tick(d))
            return false;
    return true;
}

/* --- running ------------------------------------------------------------------------------------
 */

static double cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void show_now(struct demo *d, struct show_counts *counts)
{
    uint64_t now_ns = clock_mono_ns();
    show_read(d->worker, counts);
    show_progress(&d->show, now_ns, (double)(now_ns - d->began_ns) / 1e9, d->records, counts);
}

static bool put_events(struct demo *d)
{
    struct show_counts counts;
    for (uint32_t at = 0; at < d->count + TWICE_AFTER;) {
        uint64_t passed_ns = clock_mono_ns() - d->began_ns;
        for (; at < d->count + TWICE_AFTER && at * (NS_PER_S / RATE) <= passed_ns; at++)
            if (!put_turn(d, at))
                return false;
        show_now(d, &counts);
        if (!tick(d))
            return false;
    }
    return true;
}

/* Until every record that was written has ended. */
static bool settle(struct demo *d, uint64_t records)
{
    struct show_counts counts = {0};
    char why[WORKER_WHY_SIZE] = "";
    uint64_t since_ns = clock_mono_ns(), last = 0;
    for (;;) {
        show_now(d, &counts);
        if (show_is_settled(&counts, records))
            return true;
        uint64_t now_ns = clock_mono_ns(), moved = counts.records + counts.legs - counts.in_hand;
        if (moved != last)
            since_ns = now_ns;
        last = moved;
        if (now_ns - since_ns > STALL_MS * NS_PER_MS) {
            show_break(&d->show);
            return give_up(d,
                           "nothing has moved for %d s, %llu of %llu records consumed, %llu legs "
                           "in hand: %.200s",
                           STALL_MS / 1000, (unsigned long long)counts.records,
                           (unsigned long long)records, (unsigned long long)counts.in_hand,
                           worker_ready(d->worker, why) ? "it is ready" : why);
        }
        if (!tick(d))
            return false;
    }
}

static void keep_on(struct demo *d)
{
    fprintf(d->show.out,
            "\n  It runs on until Ctrl-C: kcat -b %s -C -t carillon.outcomes -o beginning -e,\n"
            "  redis-cli -s %s\n",
            kafka_mock_bootstrap(d->kafka.mock), d->parts.redis_socket);
    fflush(d->show.out);
    while (tick(d))
        continue;
    d->signal = 0; /* was asked for */
}

/* The simulator ends, and says what it accepted. */
static bool close_books(struct demo *d, const struct show_counts *counts)
{
    uint64_t accepted = 0, sent = show_sent(counts);
    bool same = parts_accepted(&d->parts, &accepted) && accepted == sent;
    fprintf(d->show.out, "  simulator    accepted %llu: %s\n", (unsigned long long)accepted,
            same ? "as many as were sent" : "NOT AS MANY AS WERE SENT");
    return same;
}

static int run(struct demo *d)
{
    struct show_counts counts;
    if (!open_all(d) || !put_state(d) || !run_worker(d))
        return EXIT_AWAY;
    uint64_t before = d->kafka.put;
    double cpu_before = cpu_us();
    d->began_ns = clock_mono_ns();
    if (!put_events(d) || !settle(d, d->kafka.put - before))
        return EXIT_AWAY;
    show_read(d->worker, &counts);
    show_summary(&d->show, &counts, cpu_us() - cpu_before);
    if (d->keep)
        keep_on(d);
    bool good = close_books(d, &counts) && show_adds_up(&counts) && counts.in_hand == 0;
    return good ? EXIT_DONE : EXIT_WRONG;
}

static const char usage[] =
    "usage: carillon demo [--count N] [--keep]\n"
    "\n"
    "Sends the messages of N sample bookings (default 10,000) through the whole pipeline: Kafka\n"
    "(librdkafka's mock cluster in this process), a private Redis, simulated providers. Nothing\n"
    "leaves this machine and nothing stays behind.\n"
    "\n"
    "  --count N   how many bookings, at most %u\n"
    "  --keep      goes on running after the summary, until Ctrl-C\n"
    "\n"
    "Exit codes: 0 done, 1 the books do not add up, 64 usage, 69 some part does not start or\n"
    "does not go on.\n";

static bool parse(struct demo *d, int argc, char **argv, int *exit_code)
{
    static const struct option options[] = {{"count", required_argument, NULL, 'c'},
                                            {"keep", no_argument, NULL, 'k'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const unsigned most = DEMO_PARTITIONS_MAX * DEMO_PARTITION_MESSAGES;
    unsigned long long count = COUNT_DEFAULT;
    char *end = NULL;
    bool good = true, help = false;
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'c') {
            count = strtoull(optarg, &end, 10);
            good = good && *optarg >= '0' && *optarg <= '9' && *end == '\0';
        }
        d->keep = d->keep || c == 'k';
        help = help || c == 'h';
        good = good && c != '?';
    }
    if (good && (count < 1 || count > most)) {
        fprintf(stderr,
                "carillon demo: --count is 1 to %u: the mock cluster keeps 5 MiB a "
                "partition\n",
                most);
        good = false;
    }
    d->count = (uint32_t)count;
    *exit_code = help ? EXIT_DONE : EXIT_USAGE;
    if (good && !help && optind == argc)
        return true;
    fprintf(help ? stdout : stderr, usage, most);
    return false;
}

/* The worker is not drained: its Kafka and Redis go with it. Ctrl-C meanwhile changes
 * nothing: this takes a second. */
static void close_all(struct demo *d)
{
    if (d->worker)
        worker_stop(d->worker); /* a start that still waits gives up */
    if (d->worker && d->starter_runs)
        pthread_join(d->starter, NULL);
    parts_close(&d->parts);
}

int demo_main(int argc, char **argv)
{
    struct demo *d = calloc(1, sizeof *d);
    CHECK(d);
    int exit_code;
    if (!parse(d, argc, argv, &exit_code)) {
        free(d);
        return exit_code;
    }
    log_init(LOG_ERROR, false);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&d->signals);
    sigaddset(&d->signals, SIGTERM);
    sigaddset(&d->signals, SIGINT);
    sigaddset(&d->signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &d->signals, NULL); /* before any thread: they inherit it */
    d->records = d->count;
    for (uint32_t i = 0; i < d->count; i++)
        d->records += sample_comes_twice(i);
    d->show = show_open(stdout);
    fprintf(d->show.out, "carillon demo: messages of %u bookings, %u a second, 2 shards\n",
            d->count, RATE);
    fflush(d->show.out);
    exit_code = run(d);
    show_break(&d->show);
    if (d->signal)
        fprintf(stderr, "carillon demo: stopped by a signal\n");
    else if (d->why[0])
        fprintf(stderr, "carillon demo: %s\n", d->why);
    if (d->signal)
        exit_code = 128 + d->signal;
    close_all(d);
    fflush(NULL);
    _exit(exit_code); /* libraries' threads are not waited for, as in `run` */
}
