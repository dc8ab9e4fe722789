/* Partitions read one by one, and partitions that are only owned, as the hand of a deferral
 * ring does. */
#include "world.h"

#include "io/feed.h"

enum { MANY = 400 };

static struct feed *feed_of(struct world *w, const char *topic)
{
    char why[KAFKA_WHY_SIZE];
    const struct feed_options options = {.kafka = w->kafka, .topics = &topic, .topic_count = 1};
    struct feed *feed = feed_open(&options, why);
    assert_non_null(feed);
    return feed;
}

static struct feed_event take(struct feed *feed, enum feed_event_kind kind)
{
    struct feed_event e;
    uint64_t until = patience();
    do {
        feed_take(feed, &e);
        if (e.kind == FEED_NONE)
            wait_fd(feed_fd(feed), 20);
        else if (e.kind != kind)
            assert_int_equal(e.kind, FEED_IDLE);
    } while (e.kind != kind && clock_mono_ns() < until);
    assert_int_equal(e.kind, kind);
    return e;
}

/* `count` records from `from` on, then the end. */
static void take_all(struct feed *feed, uint32_t pass, int64_t from, int64_t end)
{
    for (int64_t i = from; i < end; i++) {
        struct feed_event e = take(feed, FEED_RECORD);
        assert_int_equal(e.offset, i);
        assert_int_equal(e.pass, pass);
    }
    struct feed_event e = take(feed, FEED_REACHED);
    assert_int_equal(e.offset, end);
    assert_int_equal(e.pass, pass);
}

static bool is_silent(struct feed *feed, int ms)
{
    struct feed_event e;
    for (uint64_t until = clock_mono_ns() + (uint64_t)ms * NS_PER_MS; clock_mono_ns() < until;) {
        feed_take(feed, &e);
        if (e.kind == FEED_RECORD || e.kind == FEED_REACHED)
            return false;
        if (e.kind == FEED_NONE)
            wait_fd(feed_fd(feed), 20);
    }
    return true;
}

static void a_partition_is_read_from_where_it_is_told_to_its_end_and_on(void **state)
{
    struct world *w = *state;
    const char *topic = fresh_topic(w, 2);
    put_numbers(w, topic, 1, 0, 50);
    struct feed *feed = feed_of(w, topic);
    feed_start(feed, 0, 1, 20, 7);
    take_all(feed, 7, 20, 50);
    put_numbers(w, topic, 1, 50, 10);
    take_all(feed, 7, 50, 60);
    feed_stop(feed, 0, 1);
    put_numbers(w, topic, 1, 60, 1);
    assert_true(is_silent(feed, 300));
    feed_start(feed, 0, 1, 60, 8);
    take_all(feed, 8, 60, 61);
    feed_start(feed, 0, 1, 61, 9); /* an end that was reached before is reached again */
    take_all(feed, 9, 61, 61);
    feed_close(feed);
}

static void a_record_comes_with_its_headers(void **state)
{
    struct world *w = *state;
    const char *topic = fresh_topic(w, 1);
    struct sink *sink = sink_with(w, topic, 0);
    const struct record_header headers[] = {{BYTES("carillon-due"), BYTES("17")}};
    assert_int_equal(sink_put(sink, 0, 0, BYTES("key"), BYTES("value"), headers, 1, NULL), ERR_OK);
    assert_int_equal(drain(sink).good, 1);
    sink_close(sink);
    struct feed *feed = feed_of(w, topic);
    feed_start(feed, 0, 0, 0, 1);
    struct feed_event e = take(feed, FEED_RECORD);
    assert_true(bytes_equal(e.record.key, BYTES("key")));
    assert_true(bytes_equal(e.record.value, BYTES("value")));
    assert_true(bytes_equal(
        record_header_of(e.record.headers, e.record.header_count, BYTES("carillon-due")),
        BYTES("17")));
    assert_true(e.record.timestamp_ms > 0);
    feed_close(feed);
}

static void nothing_of_an_earlier_pass_follows_a_start(void **state)
{
    struct world *w = *state;
    const char *topic = fresh_topic(w, 1);
    put_numbers(w, topic, 0, 0, 2000);
    struct feed *feed = feed_of(w, topic);
    for (uint32_t pass = 1; pass <= 100; pass++) {
        int64_t from = pass * 37 % 1900;
        feed_start(feed, 0, 0, from, pass);
        for (int64_t i = from; i < from + pass % 50; i++) {
            struct feed_event e = take(feed, FEED_RECORD);
            assert_int_equal(e.pass, pass);
            assert_int_equal(e.offset, i);
        }
    }
    feed_stop(feed, 0, 0);
    assert_true(is_silent(feed, 200));
    feed_close(feed);
}

static void a_log_that_ends_before_the_start_gives_nothing_before_it(void **state)
{
    struct world *w = *state;
    const char *topic = fresh_topic(w, 1);
    put_numbers(w, topic, 0, 0, 10);
    struct feed *feed = feed_of(w, topic);
    feed_start(feed, 0, 0, 1000, 1);
    struct feed_event e = take(feed, FEED_REACHED);
    assert_int_equal(e.offset, 10);
    feed_close(feed);
}

static long resident_kb(void)
{
    long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%ld %ld", &size, &resident), 2);
    fclose(f);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Each reaches its end; then all are stopped. The slowest call's time. */
static uint64_t read_all(struct feed *feed, uint32_t pass)
{
    uint64_t slowest = 0;
    bool reached[MANY] = {false};
    for (int32_t p = 0; p < MANY; p++) {
        uint64_t began = clock_mono_ns();
        feed_start(feed, 0, p, 0, pass);
        slowest = u64_max(slowest, clock_mono_ns() - began);
    }
    for (int i = 0; i < MANY; i++) {
        struct feed_event e = take(feed, FEED_REACHED);
        assert_int_equal(e.pass, pass);
        assert_false(reached[e.partition]);
        reached[e.partition] = true;
    }
    for (int32_t p = 0; p < MANY; p++) {
        uint64_t began = clock_mono_ns();
        feed_stop(feed, 0, p);
        slowest = u64_max(slowest, clock_mono_ns() - began);
    }
    return slowest;
}

static void many_partitions_start_and_stop_without_leak_or_wait(void **state)
{
    struct world *w = *state;
    struct feed *feed = feed_of(w, fresh_topic(w, MANY));
    read_all(feed, 1);
    long before_kb = resident_kb();
    uint64_t slowest = 0;
    for (uint32_t pass = 2; pass < 32; pass++)
        slowest = u64_max(slowest, read_all(feed, pass));
    assert_true(resident_kb() - before_kb < 20000); /* 12,000 starts */
    assert_true(slowest < 500 * NS_PER_MS);         /* a busy machine, not a broker's wait */
    feed_close(feed);
}

static void a_start_after_a_rest_does_not_wait(void **state)
{
    struct world *w = *state;
    const char *topic = fresh_topic(w, 1);
    put_numbers(w, topic, 0, 0, 1);
    struct feed *feed = feed_of(w, topic);
    feed_start(feed, 0, 0, 0, 1);
    take_all(feed, 1, 0, 1);
    uint64_t best = UINT64_MAX;
    for (uint32_t pass = 2; pass < 5; pass++) {
        feed_stop(feed, 0, 0);
        assert_true(
            is_silent(feed, 250)); /* longer than a fetch waits: its thread sleeps a second */
        uint64_t began = clock_mono_ns();
        feed_start(feed, 0, 0, 0, pass);
        take_all(feed, pass, 0, 1);
        best = u64_min(best, clock_mono_ns() - began);
    }
    assert_true(best < 400 * NS_PER_MS);
    feed_close(feed);
}

static void end_offsets_of_all_partitions_are_answered(void **state)
{
    struct world *w = *state;
    const char *topic = fresh_topic(w, MANY);
    put_numbers(w, topic, 3, 0, 12);
    put_numbers(w, topic, MANY - 1, 0, 5);
    struct feed *feed = feed_of(w, topic);
    struct feed_partition asked[MANY];
    for (int32_t p = 0; p < MANY; p++)
        asked[p] = (struct feed_partition){.partition = p};
    struct feed_event e;
    bool learnt;
    uint64_t until = patience();
    do { /* the leader of a new topic is told before it serves */
        feed_ask(feed, asked, MANY, 77);
        feed_ask(feed, asked + 3, 1, 78);
        e = take(feed, FEED_ENDS);
        assert_int_equal(e.ask, 77);
        assert_int_equal(e.end_count, MANY);
        learnt = true;
        for (uint32_t i = 0; i < MANY; i++) {
            learnt &= e.ends[i].end >= 0;
            if (e.ends[i].end >= 0)
                assert_int_equal(e.ends[i].end, i == 3 ? 12 : i == MANY - 1 ? 5 : 0);
        }
        e = take(feed, FEED_ENDS);
        assert_int_equal(e.ask, 78);
    } while (!learnt && clock_mono_ns() < until);
    assert_true(learnt);
    assert_int_equal(e.ends[0].end, 12);
    feed_close(feed);
}

static void an_end_that_cannot_be_learnt_is_told_so(void **state)
{
    struct world *w = *state;
    struct feed *feed = feed_of(w, fresh_name(w, "absent"));
    const struct feed_partition asked = {.partition = 0};
    feed_ask(feed, &asked, 1, 5);
    struct feed_event e = take(feed, FEED_ENDS);
    assert_int_equal(e.ask, 5);
    assert_int_equal(e.ends[0].end, -1);
    feed_close(feed);
}

static void broker(const char *script, const char *how)
{
    char command[512];
    snprintf(command, sizeof command, "deploy/%s %s/kafka %s >/dev/null 2>&1", script,
             getenv("CONTRACT_DIR"), how);
    assert_int_equal(system(command), 0);
}

static void reading_goes_on_after_the_broker_was_away(void **state)
{
    struct world *w = *state;
    const char *topic = fresh_topic(w, 4);
    put_numbers(w, topic, 0, 0, 10);
    put_numbers(w, topic, 2, 0, 3);
    struct feed *feed = feed_of(w, topic);
    feed_start(feed, 0, 0, 0, 1);
    take_all(feed, 1, 0, 10);
    broker("stop.sh", "KILL");
    feed_start(feed, 0, 2, 0, 2); /* while it is away */
    const struct feed_partition asked = {.partition = 0};
    feed_ask(feed, &asked, 1, 5);
    assert_int_equal(take(feed, FEED_ENDS).ends[0].end, -1);
    broker("kafka/start.sh", "");
    take_all(feed, 2, 0, 3);
    put_numbers(w, topic, 0, 10, 2);
    for (int64_t i = 10; i < 12;) { /* the old end may be reached once more */
        struct feed_event e;
        feed_take(feed, &e);
        if (e.kind == FEED_RECORD)
            assert_int_equal(e.offset, i++);
        else if (e.kind == FEED_NONE)
            wait_fd(feed_fd(feed), 20);
    }
    feed_close(feed);
}

/* Sources that only own. */

static struct source *owner_of(struct world *w, const char *group, const char *topic)
{
    char why[KAFKA_WHY_SIZE];
    const struct source_topic topics = {topic, false};
    const struct source_options options = {.kafka = w->kafka,
                                           .group = group,
                                           .topics = &topics,
                                           .topic_count = 1,
                                           .session_timeout_ms = w->session_ms,
                                           .heartbeat_ms = 300,
                                           .owns_only = true};
    struct source *source = source_open(&options, why);
    assert_non_null(source);
    return source;
}

/* Serves the members until each has some and all together `total` partitions; no record may
 * come. */
static void settle(struct source **members, uint32_t *shares, uint32_t count, uint32_t total)
{
    uint64_t until = patience();
    uint32_t sum = 0, least = 0;
    while ((sum != total || least == 0) && clock_mono_ns() < until) {
        sum = 0, least = UINT32_MAX;
        for (uint32_t i = 0; i < count; i++) {
            struct source_event e;
            source_take(members[i], SOURCE_MAIN, &e);
            assert_int_not_equal(e.kind, SOURCE_RECORD);
            if (e.kind == SOURCE_NONE)
                wait_fd(source_fd(members[i], SOURCE_MAIN), 5);
            if (e.kind == SOURCE_REVOKED) {
                source_unassign(members[i]);
                shares[i] = 0;
            } else if (e.kind == SOURCE_ASSIGNED) {
                struct source_partition list[MANY];
                memcpy(list, e.partitions, e.partition_count * sizeof list[0]);
                source_assign(members[i], list, e.partition_count);
                shares[i] = e.partition_count;
            }
            sum += shares[i];
            least = least < shares[i] ? least : shares[i];
        }
    }
    assert_int_equal(sum, total);
}

static void what_is_only_owned_is_never_fetched_but_committed(void **state)
{
    struct world *w = *state;
    const char *topic = fresh_topic(w, 4), *group = fresh_name(w, "group");
    for (int32_t p = 0; p < 4; p++)
        put_numbers(w, topic, p, 0, 100);
    struct source *source = owner_of(w, group, topic);
    uint32_t share = 0;
    settle(&source, &share, 1, 4);
    const struct source_partition at = {.partition = 2, .offset = 40, .metadata = BYTES("1|w|x")};
    assert_int_equal(source_commit(source, &at, 1, 9), ERR_OK);
    bool committed = false;
    for (uint64_t until = clock_mono_ns() + NS_PER_S; clock_mono_ns() < until;) {
        struct source_event e;
        source_take(source, SOURCE_MAIN, &e);
        assert_int_not_equal(e.kind, SOURCE_RECORD);
        committed |= e.kind == SOURCE_COMMITTED && e.partitions[0].err == ERR_OK;
        if (e.kind == SOURCE_NONE)
            wait_fd(source_fd(source, SOURCE_MAIN), 20);
    }
    assert_true(committed);
    assert_int_equal(source_end_offset(source, 0, 1), -1); /* not one fetch was answered */
    leave(source);

    source = owner_of(w, group, topic);
    struct source_event e;
    uint64_t until = patience();
    do {
        source_take(source, SOURCE_MAIN, &e);
        if (e.kind == SOURCE_NONE)
            wait_fd(source_fd(source, SOURCE_MAIN), 20);
    } while (e.kind != SOURCE_ASSIGNED && clock_mono_ns() < until);
    for (uint32_t i = 0; i < e.partition_count; i++)
        if (e.partitions[i].partition == 2) {
            assert_int_equal(e.partitions[i].offset, 40);
            assert_true(bytes_equal(e.partitions[i].metadata, BYTES("1|w|x")));
        }
    leave(source);
}

static void two_owners_share_and_the_one_that_stays_takes_over(void **state)
{
    struct world *w = *state;
    const char *topic = fresh_topic(w, MANY), *group = fresh_name(w, "group");
    put_numbers(w, topic, 0, 0, 10);
    put_numbers(w, topic, 1, 0, 10);
    struct source *members[2] = {owner_of(w, group, topic), owner_of(w, group, topic)};
    uint32_t shares[2] = {0};
    settle(members, shares, 2, MANY);
    assert_int_equal(shares[0], MANY / 2);
    leave(members[0]);
    settle(members + 1, shares + 1, 1, MANY);
    leave(members[1]);
}

#define ON(world, test)                                           \
    {                                                             \
#test "_on_" #world, test, world_##world, world_end, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON(mock, a_partition_is_read_from_where_it_is_told_to_its_end_and_on),
        ON(real, a_partition_is_read_from_where_it_is_told_to_its_end_and_on),
        ON(real, a_record_comes_with_its_headers),
        ON(mock, nothing_of_an_earlier_pass_follows_a_start),
        ON(real, nothing_of_an_earlier_pass_follows_a_start),
        ON(real, a_log_that_ends_before_the_start_gives_nothing_before_it),
        ON(real, many_partitions_start_and_stop_without_leak_or_wait),
        ON(real, a_start_after_a_rest_does_not_wait),
        ON(real, end_offsets_of_all_partitions_are_answered),
        ON(real, an_end_that_cannot_be_learnt_is_told_so),
        ON(real, what_is_only_owned_is_never_fetched_but_committed),
        ON(real, two_owners_share_and_the_one_that_stays_takes_over),
        ON(real, reading_goes_on_after_the_broker_was_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
