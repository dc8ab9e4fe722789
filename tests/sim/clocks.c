/* Clocks that step and drift, under the whole shard: Redis's TIME goes an hour forward or back,
 * the machine sleeps or is put forward, its oscillator is 500 ppm off. What is judged by is
 * Redis's TIME as it is, which nothing of the engine sees but in answers.
 *
 * The stated error. A step is seen with the next sample, a second later at most; what leaves
 * before that goes by the clock of before. From then on nothing goes or is deferred, and no cycle
 * finishes, until three samples agree. Else nothing is early by more than RING_CLOCK_ERROR_MS. */
#include "sim.h"

#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    EVENTS_MAX = 8192,
    RATE = 20,        /* a second */
    SAMPLE_MS = 1100, /* how often Redis is asked, with a slow answer */
    RESUME_MS = 3 * SAMPLE_MS + 1000,
    WHOLE_HOUR_MS = 3600 * 1000,
};
#define START_MS INT64_C(1795521600000) /* 2026-11-24T12:00:00Z */
#define HOUR_NS (INT64_C(3600) * 1000000000)
#define MS_NS INT64_C(1000000)

static const char config[] =
    "deferral: {time_sample_ms: 1000}\n"
    "routes:\n  - {name: sms, provider: p, channel: sms, limit_per_second: 20}\n";

struct story {
    struct sim_watcher watcher;
    uint32_t count; /* of events */
    int64_t due_ms[EVENTS_MAX];
    uint32_t sent[EVENTS_MAX];
    int64_t sent_ns[EVENTS_MAX]; /* true time */
    int64_t log_ns[EVENTS_MAX];  /* true times of all sends, in order */
    uint32_t log_count, hops, ended;
    int64_t step_ns;         /* true time of the last step; 0: none */
    int64_t former_step_ns;  /* of Redis's clock, before it */
    uint64_t samples;        /* answers to TIME that there were then ... */
    uint64_t wanted;         /* ... and that are needed from there on */
    int64_t unseen_until_ns; /* until then nobody can know of it */
    int64_t first_ns;        /* the first send since it was held; 0: none */
    int64_t earliest_ms;     /* the most that anything was early */
    const char *wrong; /* what the shard did first that it must not; said once it has turned */
};
static struct story story;

/* Between being seen and three samples of the new time. */
static bool is_held(void)
{
    return story.step_ns > 0 && sim.true_ns > story.unseen_until_ns &&
           sim.samples < story.samples + story.wanted;
}

/* What is due by Redis's clock; in the moments in which nobody can know of the step, also by the
 * one of before. */
static int64_t clock_ms(void)
{
    int64_t now_ns = sim_server_ns();
    if (story.step_ns > 0 && sim.true_ns <= story.unseen_until_ns)
        now_ns = i64_max(now_ns, sim.true_ns + story.former_step_ns);
    return now_ns / MS_NS;
}

static void must(bool is, const char *what)
{
    if (!is && !story.wrong)
        story.wrong = what;
}

static uint32_t event_in(struct bytes body)
{
    const char *at = memmem(body.at, body.size, "\"event\":\"e", 10);
    CHECK(at);
    return (uint32_t)strtoul(at + 10, NULL, 10);
}

static void on_sent(struct sim_watcher *w, struct bytes body)
{
    (void)w;
    uint32_t n = event_in(body);
    CHECK(n < story.count);
    must(!is_held(), "it sends while it is held");
    must(story.sent[n]++ == 0, "it sends twice");
    int64_t early_ms = story.due_ms[n] - clock_ms();
    story.earliest_ms = i64_max(story.earliest_ms, early_ms);
    must(early_ms <= RING_CLOCK_ERROR_MS, "it sends early");
    story.sent_ns[n] = sim.true_ns;
    story.log_ns[story.log_count++] = sim.true_ns;
    if (story.first_ns == 0 && story.step_ns > 0 && sim.true_ns > story.unseen_until_ns)
        story.first_ns = sim.true_ns;
}

static void on_ended(struct sim_watcher *w, struct bytes outcome)
{
    (void)w;
    must(memmem(outcome.at, outcome.size, "\"outcome\":\"sent\"", 16), "an end is not `sent`");
    story.ended++;
}

static void on_deferred(struct sim_watcher *w, enum sim_topic topic, const struct record *record)
{
    (void)w, (void)topic, (void)record;
    must(!is_held(), "it defers while it is held");
    story.hops++;
}

/* The mark behind a ring commit's bits: the newest cycle that is finished. */
static void on_committed(struct sim_watcher *w, enum sim_topic topic, struct bytes metadata)
{
    (void)w;
    struct bytes mark;
    if (topic != SIM_RING)
        return;
    ring_window_of(metadata, &mark);
    if (mark.size == 0)
        return;
    char text[24] = {0};
    memcpy(text, mark.at, mark.size < sizeof text ? mark.size : sizeof text - 1);
    const struct ring ring = {SIM_SLOTS, 1800000, SIM_SPREAD};
    must(ring_slot_end_ms(&ring, strtoll(text, NULL, 10)) + ring.slot_ms <= clock_ms(),
         "it finishes a cycle before its time");
}

static void begin(uint64_t seed)
{
    story = (struct story){.watcher = {.sent = on_sent,
                                       .ended = on_ended,
                                       .deferred = on_deferred,
                                       .committed = on_committed}};
    sim_open(seed, START_MS, config);
    sim.watcher = &story.watcher;
    sim_run_until(START_MS + 5000);
}

/* A message that waits for nothing but its time, `wait_ms` of Redis's from now. */
static void put(int64_t wait_ms)
{
    char json[400], due[40], expires[40];
    int64_t due_ms = sim_server_ms() + wait_ms;
    assert_true(story.count < EVENTS_MAX);
    struct writer d = writer_of(due, sizeof due - 1), e = writer_of(expires, sizeof expires - 1);
    time_write(&d, due_ms);
    time_write(&e, due_ms + 48 * INT64_C(3600000));
    due[d.size] = expires[e.size] = '\0';
    snprintf(json, sizeof json,
             "{\"event_id\":\"e%u\",\"tenant_id\":\"t\",\"kind\":\"booking_cancelled\","
             "\"due_at\":\"%s\",\"expires_at\":\"%s\",\"booking\":{\"booking_id\":\"b\"},"
             "\"recipient\":{\"sms\":\"+336%08u\",\"preference\":\"sms\"}}",
             story.count, due, expires, story.count);
    story.due_ms[story.count++] = due_ms;
    sim_append(SIM_EVENTS, (int32_t)(story.count % SIM_EVENTS_PARTITIONS), bytes_of(json));
}

/* Something is always due, soon or late: on average half of what the limit allows. */
static void live(int64_t ms, int64_t wait_most_ms)
{
    int64_t until_ns = sim.true_ns + ms * MS_NS;
    while (sim.true_ns < until_ns) {
        sim_run_until(i64_min(sim.true_ns + (int64_t)sim_random(200 * (uint64_t)MS_NS), until_ns) /
                          MS_NS +
                      1);
        put(sim_random(4) == 0 ? (int64_t)sim_random((uint64_t)wait_most_ms) : 0);
    }
}

static void note_step(int64_t unseen_ms, uint64_t wanted)
{
    story.step_ns = sim.true_ns;
    story.unseen_until_ns = sim.true_ns + unseen_ms * MS_NS;
    story.wanted = wanted;
    story.former_step_ns = sim.server_step_ns;
    story.samples = sim.samples;
    story.first_ns = 0;
}

static void step_redis(int64_t ns)
{
    note_step(SAMPLE_MS, 3);
    sim.server_step_ns += ns;
}

/* Over no second more than the limit allows, and one slot beside it. */
static void no_storm(void)
{
    uint32_t from = 0;
    for (uint32_t i = 0; i < story.log_count; i++) {
        while (story.log_ns[i] - story.log_ns[from] >= INT64_C(1000000000))
            from++;
        assert_true(i - from + 1 <= RATE + 1);
    }
}

static void nothing_is_wrong(void)
{
    if (story.wrong)
        print_message("%s\n", story.wrong);
    assert_null(story.wrong);
}

static void it_went_on(void)
{
    nothing_is_wrong();
    assert_true(story.first_ns > 0);
    assert_true(story.first_ns - story.step_ns <= (SAMPLE_MS + RESUME_MS) * MS_NS);
}

/* All is due: each has gone, once. While nothing happens Redis is asked each second, as ever. */
static void end(int64_t patience_ms)
{
    int64_t until_ms = sim.true_ns / MS_NS + patience_ms;
    sim.jump_most_ns = INT64_C(1000000000);
    while (story.ended < story.count && sim.true_ns < until_ms * MS_NS)
        sim_turn();
    for (uint32_t i = 0, shown = 0; i < story.count && shown < 5; i++)
        if (story.sent[i] != 1 && ++shown > 0)
            print_message("e%u, due at %lld, went %u times\n", i, (long long)story.due_ms[i],
                          story.sent[i]);
    nothing_is_wrong();
    assert_int_equal(story.ended, story.count);
    no_storm();
    sim_close();
}

static void redis_goes_forward(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        begin(seed);
        live(20000, 2 * WHOLE_HOUR_MS);
        step_redis(HOUR_NS);
        live(20000, 2 * WHOLE_HOUR_MS);
        it_went_on();
        end(3 * WHOLE_HOUR_MS);
    }
}

static void redis_goes_back(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        begin(seed);
        live(20000, 2 * WHOLE_HOUR_MS);
        step_redis(-HOUR_NS);
        live(20000, 2 * WHOLE_HOUR_MS);
        it_went_on();
        end(5 * WHOLE_HOUR_MS);
    }
}

/* The clock runs on, and nothing else does: a machine that slept while Redis's clock stood. */
static void the_machine_is_put_forward(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        begin(seed);
        live(20000, 2 * WHOLE_HOUR_MS);
        note_step(0, 1); /* the shard sees for itself that it stood still */
        sim_put_machine_forward(HOUR_NS);
        live(20000, 2 * WHOLE_HOUR_MS);
        it_went_on();
        end(5 * WHOLE_HOUR_MS);
    }
}

/* Both clocks go on, and the shard does not. */
static void the_machine_sleeps(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        begin(seed);
        live(20000, 2 * WHOLE_HOUR_MS);
        sim.true_ns += HOUR_NS;
        note_step(0, 1); /* the shard sees for itself that it stood still */
        live(20000, 2 * WHOLE_HOUR_MS);
        it_went_on();
        end(5 * WHOLE_HOUR_MS);
    }
}

/* Within the stated error it is followed, and nobody waits. */
static void a_small_step_is_followed(void **state)
{
    (void)state;
    static const int64_t steps_ms[] = {400, -400, 300, -300};
    for (size_t i = 0; i < countof(steps_ms); i++) {
        begin(i + 1);
        live(10000, 60000);
        sim.server_step_ns += steps_ms[i] * MS_NS;
        uint32_t before = story.log_count;
        live(3000, 60000);
        assert_true(story.log_count > before + 10);
        end(WHOLE_HOUR_MS);
        assert_true(story.earliest_ms <= 400);
    }
}

static void an_oscillator_drifts(void **state)
{
    (void)state;
    static const int64_t ppm[] = {500, -500};
    for (size_t i = 0; i < countof(ppm); i++) {
        begin(i + 1);
        sim_drift(ppm[i]);
        live(3 * 60000, 2 * WHOLE_HOUR_MS);
        end(3 * WHOLE_HOUR_MS);
        assert_true(story.earliest_ms <= 3); /* a second's drift, a way to Redis, rounding */
        assert_true(story.hops > 0);
    }
}

static int tidy_up(void **state)
{
    (void)state;
    if (sim.open)
        sim_close();
    return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, tidy_up)

int main(int argc, char **argv)
{
    log_init(LOG_ERROR, false);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        TEST(redis_goes_forward), TEST(redis_goes_back),          TEST(the_machine_is_put_forward),
        TEST(the_machine_sleeps), TEST(a_small_step_is_followed), TEST(an_oscillator_drifts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
