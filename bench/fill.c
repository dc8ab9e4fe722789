/* Fills a ring with deferrals, as workers would have written them: some in its next slot, due
 * in the second half of it, and the others over the slots behind. */
#include "bench.h"
#include "domain/deferral.h"
#include "kafka.h"
#include "options.h"
#include "scenario.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

enum { NAME_SIZE = 64, POLL_EACH = 256, SLOTS_LEFT_OUT = 6, PARTITIONS = 8 };

struct fill {
    struct scenario scenario;
    const char *brokers, *topic, *ring_text;
    int64_t near, far, first, rate;
    struct ring ring;
    struct kafka_out *out;
    uint64_t acked, lost;
    int64_t now_ms, start_ns, slot; /* the next one */
    struct made made;
    char text[DEFERRAL_TEXT_MAX], names[DEFERRAL_HEADERS_MAX][NAME_SIZE];
};

static int64_t time_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void on_ack(void *context, void *opaque, int32_t partition, int64_t offset)
{
    struct fill *f = context;
    (void)opaque, (void)partition;
    if (offset >= 0)
        f->acked++;
    else
        f->lost++;
}

/* An even spread that needs no random numbers. */
static int64_t due_ms_of(const struct fill *f, int64_t i)
{
    int64_t half_ms = f->ring.slot_ms / 2, slots = (int64_t)f->ring.slots - SLOTS_LEFT_OUT;
    if (i < f->near)
        return ring_slot_start_ms(&f->ring, f->slot) + half_ms + i * half_ms / f->near;
    i -= f->near;
    return ring_slot_start_ms(&f->ring, f->slot + 2 + i % slots) + i / slots % f->ring.slot_ms;
}

static uint32_t make_headers(struct fill *f, int64_t i, int64_t due_ms,
                             struct kafka_header out[DEFERRAL_HEADERS_MAX])
{
    struct record_header headers[DEFERRAL_HEADERS_MAX];
    uint32_t count = 0;
    const struct deferral deferral = {
        .due_ms = due_ms,
        .event_due_ms = due_ms,
        .ring = f->ring,
        .seq = 1,
        .reason = REASON_NOT_DUE,
        .origin = {BYTES("carillon.events"), (int32_t)(i % PARTITIONS), i / PARTITIONS},
        .timestamp_ms = f->now_ms,
        .kind = BYTES("booking_confirmed"),
        .expires_ms = due_ms + TIME_DAY_MS,
    };
    struct writer text = writer_of(f->text, sizeof f->text);
    enum err err = deferral_encode(&deferral, &text, headers, &count);
    CHECK(err == ERR_OK);
    for (uint32_t h = 0; h < count; h++) {
        snprintf(f->names[h], NAME_SIZE, "%.*s", (int)headers[h].name.size, headers[h].name.at);
        out[h] = (struct kafka_header){f->names[h], headers[h].value};
    }
    return count;
}

static void put(struct fill *f, int64_t i)
{
    struct kafka_header headers[DEFERRAL_HEADERS_MAX];
    char key[DEFERRAL_KEY_MAX];
    struct writer key_writer = writer_of(key, sizeof key);
    int64_t due_ms = due_ms_of(f, i);
    scenario_make(&f->scenario, (uint32_t)(f->first + i), 0, due_ms, &f->made);
    uint32_t count = make_headers(f, f->first + i, due_ms, headers);
    struct bytes id = {f->made.record.token, EVENT_ID_SIZE};
    deferral_write_key(&key_writer, id, 1, NULL);
    while (!kafka_out_put(f->out, f->topic, ring_partition(&f->ring, due_ms, id),
                          writer_bytes(&key_writer),
                          (struct bytes){f->made.value, f->made.value_size}, headers, count, NULL))
        kafka_out_poll(f->out, 10);
}

/* Polls, and waits while it is ahead of the rate. */
static void keep_pace(struct fill *f, int64_t i)
{
    kafka_out_poll(f->out, 0);
    while (f->rate > 0 && (time_ns(CLOCK_MONOTONIC) - f->start_ns) / 1000000 < i * 1000 / f->rate)
        kafka_out_poll(f->out, 5);
}

static int run(struct fill *f)
{
    f->now_ms = time_ns(CLOCK_REALTIME) / 1000000;
    f->start_ns = time_ns(CLOCK_MONOTONIC);
    f->slot = ring_slot_of(&f->ring, f->now_ms) + 1;
    f->out = kafka_out_open(f->brokers, on_ack, f);
    if (!f->out)
        return EXIT_UNAVAILABLE;
    for (int64_t i = 0; i < f->near + f->far; i++) {
        put(f, i);
        if (i % POLL_EACH == 0)
            keep_pace(f, i);
    }
    kafka_out_close(f->out, 120000);
    printf("{\"acked\":%" PRIu64 ",\"unacked\":%" PRIu64
           ",\"seconds\":%.1f,\"slot_start_ms\":%" PRId64 "}\n",
           f->acked, f->lost, (double)(time_ns(CLOCK_MONOTONIC) - f->start_ns) / 1e9,
           ring_slot_start_ms(&f->ring, f->slot));
    return f->lost > 0 ? EXIT_UNAVAILABLE : EXIT_OK;
}

static int read_and_run(struct fill *f, int argc, char **argv)
{
    const struct option_row rows[] = {
        {"brokers", OPTION_TEXT, &f->brokers, "host:port", NULL},
        {"topic", OPTION_TEXT, &f->topic, "default carillon.deferred.1", NULL},
        {"ring", OPTION_TEXT, &f->ring_text, "slots/slot ms/spread; default 96/1800000/4", NULL},
        {"near", OPTION_NUMBER, &f->near, "due in the second half of the next slot", NULL},
        {"far", OPTION_NUMBER, &f->far, "due in the slots behind that", NULL},
        {"first", OPTION_NUMBER, &f->first, "number of the first event; default 0", NULL},
        {"rate", OPTION_NUMBER, &f->rate, "records a second at most; default 0: no limit", NULL},
    };
    if (!options_read("fill", rows, countof(rows), argc, argv))
        return EXIT_USAGE;
    if (!f->brokers || f->near < 0 || f->far < 0 || f->rate < 0 ||
        ring_parse(bytes_of(f->ring_text), &f->ring) != ERR_OK || f->ring.slots <= SLOTS_LEFT_OUT) {
        fprintf(stderr,
                "carillon-bench fill: --brokers is needed, and a ring of more than %d "
                "slots\n",
                SLOTS_LEFT_OUT);
        return EXIT_USAGE;
    }
    return run(f);
}

int fill_command(int argc, char **argv)
{
    struct fill *f = calloc(1, sizeof *f);
    CHECK(f);
    f->scenario = scenario_default();
    CHECK(scenario_set_mix(&f->scenario, "booking_confirmed=1"));
    f->topic = "carillon.deferred.1";
    f->ring_text = "96/1800000/4";
    int exit_code = read_and_run(f, argc, argv);
    free(f);
    return exit_code;
}
