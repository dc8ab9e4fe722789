/* `carillon-bench rules`: what the rules cost per event, by kind and for a realistic mix.
 * Decoded events, compiled settings and warm zones; then JUDGE_PLAN and JUDGE_STATE of each, as
 * the worker runs them: legs, zone, hours, texts, segments, gates. Nothing is sent. */
#include "base/prng.h"
#include "bench.h"
#include "domain/event.h"
#include "domain/judge.h"
#include "domain/texts.h"
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EVENTS = 4096, ROUNDS = 50, WARM = 3, DOCUMENT = 4096, TENANTS = 4 };
#define NOW_MS INT64_C(1795521600000) /* 2026-11-24T12:00:00Z, a Tuesday */

#define BOTH "\"recipient\":{\"sms\":\"%s\",\"email\":\"%s\",\"name\":\"%s\",\"zone\":\"%s\"}"
#define ONE "\"recipient\":{\"sms\":\"%s\",\"email\":\"\",\"name\":\"%.0s%s\",\"zone\":\"%s\"}"

/* How often, in a thousand, with what beside the recipient, which is absent for alerts. */
static const struct {
    const char *kind, *recipient, *more;
    uint32_t share;
    bool booking;
} sorts[] = {
    {"reminder", BOTH, ",\"variables\":{\"manage_url\":\"https://example.com/b/1\"}", 350, true},
    {"booking_confirmed", BOTH, "", 200, true},
    {"receipt", BOTH, ",\"transaction_id\":\"T-1001\"", 120, false},
    {"booking_rescheduled", BOTH, "", 50, true},
    {"booking_cancelled", BOTH, "", 50, true},
    {"additional_reminder", BOTH, "", 50, true},
    {"confirmation_request", BOTH, "", 30, true},
    {"one_time_code", ONE, ",\"variables\":{\"code\":\"381920\"}", 50, false},
    {"direct_message", ONE,
     ",\"author\":{\"role\":\"owner\"},\"content\":{\"text\":\"We open at nine tomorrow, see "
     "you then.\"}",
     40, false},
    {"campaign", ONE, "", 30, false},
    {"message_alert", NULL, ",\"customer_reference\":\"C-1\"", 20, false},
    {"feedback_alert", NULL, ",\"labels\":{\"sentiment\":\"negative\"}", 10, false},
};

static const char *const settings[TENANTS] = {
    "{\"tenant_id\":\"t0\",\"verified\":true,\"zone\":\"Europe/"
    "Paris\",\"locale\":\"fr\",\"senders\":"
    "[{\"channel\":\"sms\",\"from\":\"SALON\",\"name\":\"Salon Anna\"}],\"owner_email\":"
    "\"owner@example.com\",\"devices\":[{\"token\":\"d1\",\"platform\":\"ios\"},{\"token\":\"d2\","
    "\"platform\":\"android\"}]}",
    "{\"tenant_id\":\"t1\",\"verified\":true,\"zone\":\"America/New_York\",\"locale\":\"en-US\","
    "\"quiet_hours\":[{\"class\":\"reminder\",\"start\":\"21:00\",\"end\":\"08:00\"}],"
    "\"owner_email\":\"owner@example.com\",\"devices\":[{\"token\":\"d3\",\"platform\":\"ios\"}]}",
    "{\"tenant_id\":\"t2\",\"verified\":true,\"locale\":\"en\",\"custom_content\":\"email\","
    "\"templates\":[{\"kind\":\"reminder\",\"channel\":\"email\",\"locale\":\"en\",\"subject\":"
    "\"Soon\",\"text\":\"See you soon.\",\"html\":\"<p>See you soon.</p>\"}],\"owner_email\":"
    "\"owner@example.com\",\"devices\":[{\"token\":\"d4\",\"platform\":\"ios\"}]}",
    ("{\"tenant_id\":\"t3\",\"verified\":true,\"zone\":\"Europe/London\",\"owner_email\":"
     "\"owner@example.com\",\"devices\":[{\"token\":\"d5\",\"platform\":\"ios\"}]}"),
};
static const char *const zones[] = {"Europe/Paris",    "Europe/London",       "Europe/Berlin",
                                    "America/Chicago", "America/Los_Angeles", "Asia/Tokyo"};
static const char *const prefixes[] = {"+336", "+4477", "+4915", "+1312", "+1415", "+8190"};

struct bench_event {
    size_t sort;
    Carillon__V1__Event *event;
    const struct tenant *tenant;
};

struct rules_bench {
    struct judge rules;
    struct tenant *tenants[TENANTS];
    struct bench_event events[EVENTS];
    uint32_t *ns[countof(sorts)], count[countof(sorts)], *all, all_count;
    struct arena decoded, arena;
};

static size_t drawn_sort(uint64_t *random)
{
    uint64_t at = prng_upto(random, 1000);
    size_t sort = 0;
    while (at >= sorts[sort].share)
        at -= sorts[sort++].share;
    return sort;
}

/* Not null, for what is text of ours. */
#define NEED(what)                                          \
    do {                                                    \
        if (!(what)) {                                      \
            fprintf(stderr, "rules: %s is wrong\n", #what); \
            exit(EXIT_SOFTWARE);                            \
        }                                                   \
    } while (0)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void write_recipient(struct writer *w, const char *format, const char *number,
                            const char *email, const char *name, const char *zone)
{
    char text[512];
    snprintf(text, sizeof text, format, number, email, name, zone);
    write_text(w, ",");
    write_text(w, text);
}
#pragma GCC diagnostic pop

static void write_event(struct writer *w, size_t sort, uint32_t i, uint64_t *random)
{
    size_t place = prng_upto(random, countof(zones));
    char number[32], email[48], name[32];
    snprintf(number, sizeof number, "%s%07u", prefixes[place], i);
    snprintf(email, sizeof email, "client%u@example.com", i);
    snprintf(name, sizeof name, "Client %u", i);
    write_format(w, "{\"event_id\":\"e%u\",\"tenant_id\":\"t%u\",\"kind\":\"%s\"", i, i % TENANTS,
                 sorts[sort].kind);
    write_format(w, ",\"customer_id\":\"c%u\"", i);
    if (sorts[sort].recipient)
        write_recipient(w, sorts[sort].recipient, number, email, name, zones[place]);
    if (sorts[sort].booking)
        write_format(w,
                     ",\"booking\":{\"booking_id\":\"b%u\",\"revision\":2,\"starts_at\":"
                     "\"2026-11-%02uT%02u:%02u:00Z\"}",
                     i, (uint32_t)(25 + prng_upto(random, 6)),
                     (uint32_t)(8 + prng_upto(random, 11)), (uint32_t)(15 * prng_upto(random, 4)));
    write_text(w, sorts[sort].more);
    write_char(w, '}');
}

static void prepare(struct rules_bench *b)
{
    char document[DOCUMENT];
    uint64_t random = 1;
    NEED(b->rules.zones);
    for (uint32_t i = 0; i < TENANTS; i++) {
        ProtobufCMessage *message = NULL;
        struct pb_error error;
        NEED(pb_from_json(&carillon__v1__tenant__descriptor, bytes_of(settings[i]), &b->decoded,
                          NULL, &message, &error) == ERR_OK);
        b->tenants[i] = tenant_compile((const Carillon__V1__Tenant *)message);
        NEED(b->tenants[i]);
    }
    for (uint32_t i = 0; i < EVENTS; i++) {
        struct writer w = writer_of(document, sizeof document);
        struct event_error error;
        struct bench_event *to = &b->events[i];
        to->sort = drawn_sort(&random);
        to->tenant = b->tenants[i % TENANTS];
        write_event(&w, to->sort, i, &random);
        NEED(!w.overflow);
        NEED(event_decode_json(writer_bytes(&w), &b->decoded, NULL, &to->event, &error) == ERR_OK);
    }
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void judge_both(const struct rules_bench *b, const struct bench_event *event,
                       struct judge_case *c)
{
    static const Carillon__V1__RecipientState agreed = {
        PROTOBUF_C_MESSAGE_INIT(&carillon__v1__recipient_state__descriptor),
        .consent_attested = true,
        .marketing_consent = CARILLON__V1__MARKETING_CONSENT__MARKETING_CONSENT_CONFIRMED};
    c->event = event->event;
    c->tenant = event->tenant;
    judge(&b->rules, JUDGE_PLAN, c);
    if (c->refused)
        return;
    c->state = (struct judge_state){.sms = &agreed};
    judge(&b->rules, JUDGE_STATE, c);
}

static void run(struct rules_bench *b, uint32_t round)
{
    static struct judge_case c;
    for (uint32_t i = 0; i < EVENTS; i++) {
        const struct bench_event *event = &b->events[i];
        c.now_ms = c.record_ms = NOW_MS + round;
        c.arena = &b->arena;
        arena_reset(&b->arena);
        uint64_t from_ns = now_ns();
        judge_both(b, event, &c);
        uint64_t took_ns = now_ns() - from_ns;
        if (round < WARM) {
            NEED(!c.refused && c.legs[0].refused_by == JUDGE_GATE_NONE);
            continue;
        }
        b->ns[event->sort][b->count[event->sort]++] = (uint32_t)took_ns;
        b->all[b->all_count++] = (uint32_t)took_ns;
    }
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Of two readings of the clock with nothing between. */
static uint32_t clock_cost_ns(void)
{
    uint32_t ns[1001];
    for (size_t i = 0; i < countof(ns); i++) {
        uint64_t from_ns = now_ns();
        ns[i] = (uint32_t)(now_ns() - from_ns);
    }
    qsort(ns, countof(ns), sizeof *ns, by_size);
    return ns[countof(ns) / 2];
}

static uint32_t print(const char *name, uint32_t *ns, uint32_t count, uint32_t clock_ns)
{
    if (count == 0)
        return 0;
    qsort(ns, count, sizeof *ns, by_size);
    uint32_t median = ns[count / 2], p99 = ns[(uint64_t)count * 99 / 100];
    median -= median > clock_ns ? clock_ns : median;
    p99 -= p99 > clock_ns ? clock_ns : p99;
    printf("%-22s %8u %8u %9u\n", name, median, p99, count);
    return median;
}

int rules_command(int argc, char **argv)
{
    int64_t most_ns = 0;
    const struct option_row rows[] = {
        {"most-ns", OPTION_NUMBER, &most_ns, "exit 1 where the median is above it", NULL}};
    if (!options_read("rules", rows, countof(rows), argc, argv))
        return EXIT_USAGE;
    static struct rules_bench b;
    size_t room = (size_t)EVENTS * ROUNDS * sizeof(uint32_t);
    b.rules = (struct judge){.zones = zones_open(),
                             .texts = texts_open(),
                             .platform_zone = "UTC",
                             .start_margin_ms = 10250,
                             .dedup_window_ms = INT64_C(72) * 3600 * 1000,
                             .sms_carries_media = true};
    b.decoded = arena_of(malloc(64u << 20), 64u << 20);
    b.arena = arena_of(malloc(1u << 20), 1u << 20);
    b.all = malloc(room);
    for (size_t i = 0; i < countof(sorts); i++)
        NEED(b.ns[i] = malloc(room));
    NEED(b.decoded.at && b.arena.at && b.all);
    prepare(&b);
    for (uint32_t round = 0; round < ROUNDS; round++)
        run(&b, round);

    uint32_t clock_ns = clock_cost_ns();
    printf("%-22s %8s %8s %9s\n", "ns an event", "median", "p99", "events");
    for (size_t i = 0; i < countof(sorts); i++)
        print(sorts[i].kind, b.ns[i], b.count[i], clock_ns);
    uint32_t median = print("the mix", b.all, b.all_count, clock_ns);
    for (uint32_t i = 0; i < TENANTS; i++)
        tenant_release(b.tenants[i]);
    for (size_t i = 0; i < countof(sorts); i++)
        free(b.ns[i]);
    free(b.all);
    free(b.arena.at);
    free(b.decoded.at);
    texts_close(b.rules.texts);
    zones_close(b.rules.zones);
    return most_ns > 0 && median > (uint64_t)most_ns ? EXIT_FOUND : EXIT_OK;
}
