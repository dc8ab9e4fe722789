#include "pages.h"

#include "base/clock.h"
#include "base/time.h"
#include "domain/json.h"
#include "domain/kinds.h"
#include "io/admin.h"
#include "io/crypto.h"
#include "io/kafka.h"
#include "version.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SHARDS_MAX = 256, STALLED_MS = 10 * 1000 };

static uint32_t shards_of(struct pages *p, struct metrics *out[SHARDS_MAX])
{
    uint32_t count = p->shard_count < SHARDS_MAX ? p->shard_count : SHARDS_MAX;
    for (uint32_t i = 0; i < count; i++)
        out[i] = &p->shards[i].metrics;
    return count;
}

static uint64_t resident_bytes(void)
{
    unsigned long long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    if (fscanf(f, "%llu %llu", &pages, &resident) != 2)
        resident = 0;
    fclose(f);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint32_t open_fds(void)
{
    uint32_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return 0;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count > 3 ? count - 3 : 0; /* ., .. and this one */
}

/* The names that every Prometheus user expects, and what runs here. */
static void write_process(struct pages *p, struct writer *w)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    write_format(w,
                 "# HELP process_cpu_seconds_total User and system CPU time.\n"
                 "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %.6f\n",
                 cpu);
    write_format(w,
                 "# HELP process_resident_memory_bytes Resident memory.\n"
                 "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %llu\n",
                 (unsigned long long)resident_bytes());
    write_format(w,
                 "# HELP process_open_fds Open file descriptors.\n"
                 "# TYPE process_open_fds gauge\nprocess_open_fds %u\n",
                 open_fds());
    write_format(w,
                 "# HELP process_start_time_seconds When the process started.\n"
                 "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds %lld.%03d\n",
                 (long long)(p->started_ms / 1000), (int)(p->started_ms % 1000));
    write_format(w,
                 "# HELP carillon_build_info What runs here.\n"
                 "# TYPE carillon_build_info gauge\n"
                 "carillon_build_info{version=\"%s\",commit=\"%s\",librdkafka=\"%s\","
                 "openssl=\"%s\"} 1\n",
                 CARILLON_VERSION, version_commit, kafka_library(), crypto_library());
    write_format(w,
                 "# HELP carillon_io_backend_info How the kernel is asked, and why so.\n"
                 "# TYPE carillon_io_backend_info gauge\n"
                 "carillon_io_backend_info{backend=\"%s\",reason=\"%s\"} 1\n",
                 p->backend, p->backend_why);
}

static void write_releases(struct writer *w, const struct outlook_window *windows, int64_t found_ms)
{
    write_literal(w,
                  "# HELP carillon_release_clear_seconds How long the longest release that begins "
                  "within the window will take at the limits.\n"
                  "# TYPE carillon_release_clear_seconds gauge\n");
    for (uint32_t i = 0; i < OUTLOOK_WINDOWS; i++)
        write_format(w, "carillon_release_clear_seconds{window=\"%s\"} %.3f\n", windows[i].name,
                     windows[i].clear_s);
    write_literal(w, "# HELP carillon_release_miss Deferred messages of the window that will miss "
                     "their expiry.\n# TYPE carillon_release_miss gauge\n");
    for (uint32_t i = 0; i < OUTLOOK_WINDOWS; i++)
        write_format(w, "carillon_release_miss{window=\"%s\"} %.0f\n", windows[i].name,
                     windows[i].miss);
    write_format(w,
                 "# HELP carillon_release_forecast_timestamp_seconds When that was worked out.\n"
                 "# TYPE carillon_release_forecast_timestamp_seconds gauge\n"
                 "carillon_release_forecast_timestamp_seconds %lld.%03d\n",
                 (long long)(found_ms / 1000), (int)(found_ms % 1000));
}

static uint32_t metrics_page(void *context, struct writer *w)
{
    struct pages *p = context;
    write_process(p, w);
    if (!atomic_load(&p->started))
        return 200;
    struct metrics *shards[SHARDS_MAX];
    metrics_write(shards, shards_of(p, shards), w);
    struct outlook_window windows[OUTLOOK_WINDOWS];
    int64_t found_ms = p->outlook ? outlook_read(p->outlook, windows) : 0;
    if (found_ms > 0)
        write_releases(w, windows, found_ms);
    return 200;
}

/* Alive: every shard turned lately. Never a dependency. */
static uint32_t livez_page(void *context, struct writer *w)
{
    struct pages *p = context;
    uint64_t now_ms = (uint64_t)clock_wall_ms();
    for (uint32_t i = 0; atomic_load(&p->started) && i < p->shard_count; i++) {
        uint64_t turn_ms = atomic_load(&p->shards[i].turn_ms);
        if (turn_ms + STALLED_MS < now_ms) {
            write_format(w, "shard %u made no turn for %llu ms\n", i,
                         (unsigned long long)(now_ms - turn_ms));
            return 503;
        }
    }
    write_literal(w, "ok\n");
    return 200;
}

bool pages_ready(struct pages *p, struct writer *why)
{
    if (atomic_load(&p->draining)) {
        write_literal(why, "draining");
        return false;
    }
    if (!atomic_load(&p->started)) {
        const char *waiting_for = atomic_load(&p->waiting_for);
        write_format(why, "starting%s%s", waiting_for ? ": waiting for " : "",
                     waiting_for ? waiting_for : "");
        return false;
    }
    bool ready = true;
    for (uint32_t i = 0; i < p->shard_count; i++) {
        char text[SHARD_WHY_SIZE];
        shard_ready(&p->shards[i], text);
        if (!text[0])
            continue;
        write_format(why, "%sshard %u: %s", ready ? "" : "; ", i, text);
        ready = false;
    }
    return ready;
}

static uint32_t readyz_page(void *context, struct writer *w)
{
    if (!pages_ready(context, w)) {
        write_char(w, '\n');
        return 503;
    }
    write_literal(w, "ready\n");
    return 200;
}

static uint64_t sum_of(struct pages *p, enum metric which, uint32_t first, uint32_t second)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < p->shard_count; i++)
        sum += metric_get(&p->shards[i].metrics, which, first, second);
    return sum;
}

/* A JSON object of the values that are not 0, by the label's names. */
static void write_counts(struct pages *p, struct writer *w, const char *key, enum metric which,
                         enum metric_label label)
{
    const struct metric_names *names = p->shards[0].metrics.names;
    write_format(w, ",\"%s\":{", key);
    bool first = true;
    for (uint32_t i = 0; i < names->of[label].count; i++) {
        uint64_t n = sum_of(p, which, i, 0);
        if (n == 0 || !names->of[label].names[i])
            continue;
        write_format(w, "%s\"%s\":%lld", first ? "" : ",", names->of[label].names[i], (long long)n);
        first = false;
    }
    write_char(w, '}');
}

static void write_outcomes(struct pages *p, struct writer *w)
{
    const struct metric_names *names = p->shards[0].metrics.names;
    write_literal(w, ",\"outcomes\":{");
    bool first = true;
    for (uint32_t i = 0; i < names->of[LABEL_OUTCOME].count; i++) {
        uint64_t n = 0;
        for (uint32_t c = 0; c < names->of[LABEL_CHANNEL].count; c++)
            n += sum_of(p, METRIC_OUTCOMES, c, i);
        if (n == 0 || !names->of[LABEL_OUTCOME].names[i])
            continue;
        write_format(w, "%s\"%s\":%llu", first ? "" : ",", names->of[LABEL_OUTCOME].names[i],
                     (unsigned long long)n);
        first = false;
    }
    write_char(w, '}');
}

/* The longest release of each window that has one. */
static void write_outlook(struct pages *p, struct writer *w)
{
    struct outlook_window windows[OUTLOOK_WINDOWS];
    if (!p->outlook || outlook_read(p->outlook, windows) == 0)
        return;
    write_literal(w, ",\"releases\":[");
    for (uint32_t i = 0; i < OUTLOOK_WINDOWS; i++) {
        const struct outlook_window *it = &windows[i];
        if (it->start_ms == 0)
            continue;
        json_write_comma(w);
        write_format(w, "{\"window\":\"%s\",\"slot\":\"", it->name);
        time_write(w, it->start_ms);
        write_format(w, "\",\"deferred\":%.0f,\"clear_seconds\":%.3f,\"miss\":%.0f,\"limit\":",
                     it->count, it->clear_s, it->miss);
        json_write_string(w, bytes_of(it->limit));
        write_char(w, '}');
    }
    write_char(w, ']');
}

static uint32_t status_page(void *context, struct writer *w)
{
    struct pages *p = context;
    char why[512];
    struct writer reason = writer_of(why, sizeof why);
    bool ready = pages_ready(p, &reason);
    write_literal(w, "{\"worker\":");
    json_write_string(w, bytes_of(p->worker));
    write_format(w, ",\"ready\":%s,\"why\":", ready ? "true" : "false");
    json_write_string(w, writer_bytes(&reason));
    write_format(w, ",\"shards\":%u,\"io\":{\"backend\":\"%s\",\"why\":", p->shard_count,
                 p->backend);
    json_write_string(w, bytes_of(p->backend_why));
    write_literal(w, "},\"build\":");
    version_write(w);
    write_literal(w, ",\"started_at\":\"");
    time_write(w, p->started_ms);
    write_char(w, '"');
    if (atomic_load(&p->started)) {
        write_format(w, ",\"consumed\":%llu,\"dead_records\":%llu,\"books_imbalance\":%lld",
                     (unsigned long long)(sum_of(p, METRIC_RECORDS_CONSUMED, 0, 0) +
                                          sum_of(p, METRIC_RECORDS_CONSUMED, 1, 0)),
                     (unsigned long long)sum_of(p, METRIC_DEAD_RECORDS, 0, 0),
                     (long long)sum_of(p, METRIC_BOOKS_IMBALANCE, 0, 0));
        write_outcomes(p, w);
        write_counts(p, w, "reasons", METRIC_REASONS, LABEL_REASON);
        write_counts(p, w, "jobs", METRIC_JOBS, LABEL_STATE);
        write_counts(p, w, "waiting", METRIC_WAITING_JOBS, LABEL_WAIT);
        write_counts(p, w, "calls_in_flight", METRIC_CALLS_IN_FLIGHT, LABEL_PROVIDER);
        write_outlook(p, w);
    }
    write_literal(w, "}\n");
    return 200;
}

const struct admin_page pages_all[] = {
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", metrics_page},
    {"/livez", "text/plain; charset=utf-8", livez_page},
    {"/readyz", "text/plain; charset=utf-8", readyz_page},
    {"/status.json", "application/json", status_page},
};
const uint32_t pages_count = countof(pages_all);
