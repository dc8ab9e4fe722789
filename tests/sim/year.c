/* Plays events through a shard in virtual time, for year.py, which makes them and judges.
 *
 *   year SEED RESTARTS RATE TENANTS EVENTS COUNT END_MS
 *
 * TENANTS: a JSON document a line; EVENTS: `ms JSON`, in order, the time they are appended.
 * Tells what leaves, by Redis's clock: `sent MS EVENT`, `ended OUTCOME` (JSON), `hop MS TOPIC DUE`;
 * and at last `turns N`. */
#include "sim.h"

#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct bytes event_in(struct bytes body)
{
    static const char name[] = "\"event\":\"";
    const char *at = memmem(body.at, body.size, name, sizeof name - 1);
    CHECK(at);
    at += sizeof name - 1;
    const char *end = memchr(at, '"', (size_t)(body.at + body.size - at));
    CHECK(end);
    return (struct bytes){at, (size_t)(end - at)};
}

static void on_sent(struct sim_watcher *w, struct bytes body)
{
    (void)w;
    struct bytes id = event_in(body);
    printf("sent %" PRId64 " %.*s\n", sim_server_ms(), (int)id.size, id.at);
}

static void on_ended(struct sim_watcher *w, struct bytes outcome)
{
    (void)w;
    printf("ended %.*s\n", (int)outcome.size, outcome.at);
}

static void on_deferred(struct sim_watcher *w, enum sim_topic topic, const struct record *record)
{
    (void)w;
    struct bytes due =
        record_header_of(record->headers, record->header_count, BYTES("carillon-due"));
    printf("hop %" PRId64 " %s %.*s\n", sim_server_ms(), topic == SIM_RING ? "ring" : "far",
           (int)due.size, due.at);
}

static char *line_of(FILE *file)
{
    static char *line;
    static size_t size;
    ssize_t length = getline(&line, &size, file);
    if (length <= 0) {
        free(line);
        line = NULL;
        size = 0;
        return NULL;
    }
    line[strcspn(line, "\n")] = '\0';
    return line;
}

static void read_tenants(const char *path)
{
    FILE *file = fopen(path, "r");
    CHECK(file);
    for (char *line = line_of(file); line; line = line_of(file))
        sim_tenant(bytes_of(line));
    fclose(file);
}

/* Kills the shard now and then, a little after a record came, whatever it has in hand. */
static void play(const char *path, int64_t end_ms, uint64_t restarts, uint64_t events)
{
    FILE *file = fopen(path, "r");
    CHECK(file);
    uint64_t n = 0, every = restarts > 0 ? events / (restarts + 1) + 1 : UINT64_MAX;
    for (char *line = line_of(file); line; line = line_of(file)) {
        char *json;
        int64_t at_ms = strtoll(line, &json, 10);
        sim.next_record_ns = at_ms * 1000000;
        sim_run_until(at_ms);
        sim_append(SIM_EVENTS, (int32_t)(n % SIM_EVENTS_PARTITIONS), bytes_of(json + 1));
        sim.next_record_ns = INT64_MAX;
        if (++n % every == 0) {
            sim_run_until(at_ms + (int64_t)sim_random(3000));
            sim_restart();
        }
    }
    fclose(file);
    sim_run_until(end_ms);
}

int main(int argc, char **argv)
{
    if (argc != 8)
        return 64;
    static struct sim_watcher watcher = {
        .sent = on_sent, .ended = on_ended, .deferred = on_deferred};
    char config[256];
    snprintf(config, sizeof config,
             "routes:\n  - {name: sms, provider: p, channel: sms, limit_per_second: %s}\n"
             "  - {name: email, provider: p, channel: email, limit_per_second: %s}\n",
             argv[3], argv[3]);
    log_init(LOG_ERROR, false);
    FILE *events = fopen(argv[5], "r");
    CHECK(events);
    int64_t start_ms = 0;
    CHECK(fscanf(events, "%" SCNd64, &start_ms) == 1);
    fclose(events);
    sim_open(strtoull(argv[1], NULL, 10), start_ms - 120000, config);
    sim.jump_most_ns = INT64_C(250) * 1000000000;
    sim.watcher = &watcher;
    sim_recipients(BYTES("{\"marketing_consent\":\"confirmed\"}"));
    read_tenants(argv[4]);
    play(argv[5], strtoll(argv[7], NULL, 10), strtoull(argv[2], NULL, 10),
         strtoull(argv[6], NULL, 10));
    printf("turns %" PRIu64 "\n", sim.turns);
    sim_close();
    return 0;
}
