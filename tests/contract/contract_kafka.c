/* Source and sink against librdkafka's mock cluster and a real Kafka: the same assertions
 * wherever the mock can keep up. */
#include "world.h"

static struct source_event await(struct source *source, enum source_lane lane,
                                 enum source_event_kind kind)
{
    struct source_event e;
    uint64_t until = patience();
    do {
        source_take(source, lane, &e);
        if (e.kind == SOURCE_NONE)
            wait_fd(source_fd(source, lane), 20);
        else if (e.kind != kind)
            assert_int_equal(e.kind, SOURCE_IDLE);
    } while (e.kind != kind && clock_mono_ns() < until);
    assert_int_equal(e.kind, kind);
    return e;
}

/* Takes the assignment up where the commits say; returns how many partitions. */
static uint32_t take_up(struct source *source)
{
    struct source_event e = await(source, SOURCE_MAIN, SOURCE_ASSIGNED);
    struct source_partition list[16];
    assert_true(e.partition_count <= countof(list));
    for (uint32_t i = 0; i < e.partition_count; i++)
        list[i] = e.partitions[i];
    source_assign(source, list, e.partition_count);
    return e.partition_count;
}

static void a_record_arrives_as_it_was_put(void **state)
{
    struct world *w = *state;
    const char *topic = fresh_topic(w, 1);
    struct sink *sink = sink_with(w, topic, 0);
    const struct record_header headers[] = {{BYTES("trace"), BYTES("a\0b")}, {BYTES("n"), {0}}};
    assert_int_equal(sink_put(sink, 0, 0, BYTES("key"), BYTES("value"), headers, 2, NULL), ERR_OK);
    assert_int_equal(sink_put(sink, 0, 0, BYTES("key"), (struct bytes){0}, NULL, 0, NULL), ERR_OK);
    assert_int_equal(sink_put(sink, 0, 0, (struct bytes){0}, BYTES(""), NULL, 0, NULL), ERR_OK);
    assert_int_equal(drain(sink).good, 3);
    sink_close(sink);

    struct source *source =
        source_of(w, fresh_name(w, "group"), &(struct source_topic){topic, false}, 1);
    assert_int_equal(take_up(source), 1);
    struct source_event e = await(source, SOURCE_MAIN, SOURCE_RECORD);
    assert_int_equal(e.offset, 0);
    assert_true(bytes_equal(e.record.key, BYTES("key")));
    assert_true(bytes_equal(e.record.value, BYTES("value")));
    assert_int_equal(e.record.header_count, 2);
    assert_true(bytes_equal(e.record.headers[0].name, BYTES("trace")));
    assert_true(bytes_equal(e.record.headers[0].value, BYTES("a\0b")));
    assert_null(e.record.headers[1].value.at);
    assert_true(e.record.timestamp_ms > clock_wall_ms() - 60000);
    e = await(source, SOURCE_MAIN, SOURCE_RECORD);
    assert_null(e.record.value.at);
    e = await(source, SOURCE_MAIN, SOURCE_RECORD);
    assert_null(e.record.key.at);
    assert_non_null(e.record.value.at);
    assert_int_equal(e.record.value.size, 0);
    leave(source);
}

static void urgent_records_come_in_order_and_by_their_lane_alone(void **state)
{
    struct world *w = *state;
    const struct source_topic topics[] = {{fresh_topic(w, 1), false}, {fresh_topic(w, 1), true}};
    put_numbers(w, topics[0].name, 0, 0, 50);
    put_numbers(w, topics[1].name, 0, 0, 500);
    struct source *source = source_of(w, fresh_name(w, "group"), topics, 2);
    assert_int_equal(take_up(source), 2);
    for (int64_t i = 0; i < 500; i++) {
        struct source_event e = await(source, SOURCE_URGENT, SOURCE_RECORD);
        assert_int_equal(e.topic, 1);
        assert_int_equal(e.offset, i);
    }
    for (int64_t i = 0; i < 50; i++)
        assert_int_equal(await(source, SOURCE_MAIN, SOURCE_RECORD).topic, 0);
    leave(source);
}

static void offset_and_metadata_of_a_commit_come_with_the_next_assignment(void **state)
{
    struct world *w = *state;
    const struct source_topic topic = {fresh_topic(w, 2), false};
    const char *group = fresh_name(w, "group");
    put_numbers(w, topic.name, 0, 0, 10);
    struct source *source = source_of(w, group, &topic, 1);
    assert_int_equal(take_up(source), 2);
    const struct source_partition at = {.partition = 0, .offset = 7, .metadata = BYTES("1|w|AQE")};
    assert_int_equal(source_commit(source, &at, 1, 42), ERR_OK);
    struct source_event e;
    uint64_t until = patience();
    do { /* records come meanwhile */
        source_take(source, SOURCE_MAIN, &e);
        if (e.kind == SOURCE_NONE)
            wait_fd(source_fd(source, SOURCE_MAIN), 20);
    } while (e.kind != SOURCE_COMMITTED && clock_mono_ns() < until);
    assert_int_equal(e.commit_id, 42);
    assert_int_equal(e.partition_count, 1);
    assert_int_equal(e.partitions[0].err, ERR_OK);
    leave(source);

    source = source_of(w, group, &topic, 1);
    e = await(source, SOURCE_MAIN, SOURCE_ASSIGNED);
    struct source_partition list[2] = {e.partitions[0], e.partitions[1]};
    for (int i = 0; i < 2; i++) {
        bool first = list[i].partition == 0;
        assert_int_equal(list[i].offset, first ? 7 : -1);
        assert_int_equal(list[i].metadata.size, first ? 7 : 0);
        assert_true(!first || bytes_equal(list[i].metadata, BYTES("1|w|AQE")));
    }
    source_assign(source, list, 2);
    assert_int_equal(await(source, SOURCE_MAIN, SOURCE_RECORD).offset, 7);
    leave(source);
}

static void a_second_member_gets_its_share_once_the_first_has_let_go(void **state)
{
    struct world *w = *state;
    const struct source_topic topic = {fresh_topic(w, 4), false};
    const char *group = fresh_name(w, "group");
    struct source *one = source_of(w, group, &topic, 1);
    assert_int_equal(take_up(one), 4);
    struct source *two = source_of(w, group, &topic, 1);
    struct source_event e = await(one, SOURCE_MAIN, SOURCE_REVOKED);
    assert_int_equal(e.partition_count, 4);
    assert_false(e.lost);
    for (int i = 0; i < 5; i++) { /* it takes its time: nobody else is served meanwhile */
        source_take(two, SOURCE_MAIN, &e);
        assert_true(e.kind == SOURCE_NONE || e.kind == SOURCE_IDLE);
        wait_fd(source_fd(two, SOURCE_MAIN), 20);
    }
    source_unassign(one);
    uint32_t shares[2] = {0};
    struct source *members[] = {one, two};
    uint64_t until = patience();
    while ((shares[0] != 2 || shares[1] != 2) && clock_mono_ns() < until)
        for (int i = 0; i < 2; i++) {
            struct source_partition list[4];
            source_take(members[i], SOURCE_MAIN, &e);
            if (e.kind == SOURCE_NONE)
                wait_fd(source_fd(members[i], SOURCE_MAIN), 5);
            if (e.kind == SOURCE_REVOKED)
                source_unassign(members[i]);
            if (e.kind != SOURCE_ASSIGNED)
                continue;
            for (uint32_t p = 0; p < e.partition_count; p++)
                list[p] = e.partitions[p];
            source_assign(members[i], list, e.partition_count);
            shares[i] = e.partition_count;
        }
    assert_int_equal(shares[0], 2);
    assert_int_equal(shares[1], 2);
    leave(one);
    await(two, SOURCE_MAIN, SOURCE_REVOKED);
    source_unassign(two);
    assert_int_equal(take_up(two), 4);
    leave(two);
}

static void a_paused_partition_goes_on_where_it_was_and_a_sought_one_where_told(void **state)
{
    struct world *w = *state;
    const struct source_topic topic = {fresh_topic(w, 1), false};
    put_numbers(w, topic.name, 0, 0, 100);
    struct source *source = source_of(w, fresh_name(w, "group"), &topic, 1);
    assert_int_equal(take_up(source), 1);
    for (int64_t i = 0; i < 30; i++)
        assert_int_equal(await(source, SOURCE_MAIN, SOURCE_RECORD).offset, i);
    const struct source_partition first = {.partition = 0};
    source_pause(source, &first, 1);
    struct source_event e;
    source_take(source, SOURCE_MAIN, &e);
    assert_true(e.kind == SOURCE_NONE || e.kind == SOURCE_IDLE);
    source_resume(source, &first, 1);
    for (int64_t i = 30; i < 60; i++)
        assert_int_equal(await(source, SOURCE_MAIN, SOURCE_RECORD).offset, i);
    source_pause(source, &first, 1);
    source_seek(source, 0, 0, 55);
    source_resume(source, &first, 1);
    for (int64_t i = 55; i < 100; i++)
        assert_int_equal(await(source, SOURCE_MAIN, SOURCE_RECORD).offset, i);
    assert_int_equal(source_end_offset(source, 0, 0), 100);
    leave(source);
}

/* librdkafka keeps a pause over a revocation: the partition would be silent for ever. */
static void a_partition_that_was_paused_when_it_was_revoked_reads_when_it_comes_back(void **state)
{
    struct world *w = *state;
    const struct source_topic topic = {fresh_topic(w, 2), false};
    const struct source_partition both[] = {{.partition = 0}, {.partition = 1}};
    const char *group = fresh_name(w, "group");
    put_numbers(w, topic.name, 0, 0, 1);
    put_numbers(w, topic.name, 1, 0, 1);
    struct source *one = source_of(w, group, &topic, 1);
    assert_int_equal(take_up(one), 2);
    source_pause(one, both, 2);
    struct source *two = source_of(w, group, &topic, 1);
    await(one, SOURCE_MAIN, SOURCE_REVOKED);
    source_unassign(one);
    assert_int_equal(take_up(one), 1);
    await(one, SOURCE_MAIN, SOURCE_RECORD);
    leave(two);
    leave(one);
}

static void committed_offsets_that_cannot_be_read_are_asked_again(void **state)
{
    struct world *w = *state;
    const struct source_topic topic = {fresh_topic(w, 1), false};
    kafka_mock_fail(w->mock, KAFKA_MOCK_OFFSET_FETCH, KAFKA_MOCK_LATER, 4);
    struct source *source = source_of(w, fresh_name(w, "group"), &topic, 1);
    assert_int_equal(take_up(source), 1);
    leave(source);
}

static void a_commit_of_an_old_generation_is_refused(void **state)
{
    struct world *w = *state;
    const struct source_topic topic = {fresh_topic(w, 1), false};
    struct source *source = source_of(w, fresh_name(w, "group"), &topic, 1);
    assert_int_equal(take_up(source), 1);
    kafka_mock_fail(w->mock, KAFKA_MOCK_OFFSET_COMMIT, KAFKA_MOCK_OLD, 1);
    const struct source_partition at = {.partition = 0, .offset = 0, .metadata = BYTES("1|w|")};
    assert_int_equal(source_commit(source, &at, 1, 1), ERR_OK);
    struct source_event e;
    uint64_t until = patience();
    do { /* the group begins anew, and may say so before */
        source_take(source, SOURCE_MAIN, &e);
        if (e.kind == SOURCE_REVOKED)
            source_unassign(source);
        if (e.kind == SOURCE_NONE)
            wait_fd(source_fd(source, SOURCE_MAIN), 20);
    } while (e.kind != SOURCE_COMMITTED && clock_mono_ns() < until);
    assert_int_equal(e.kind, SOURCE_COMMITTED);
    assert_int_equal(e.partitions[0].err, ERR_REFUSED);
    leave(source);
}

static void what_no_broker_would_take_is_refused_at_once(void **state)
{
    struct world *w = *state;
    struct sink *sink = sink_with(w, fresh_topic(w, 1), 0);
    char *large = calloc(1, 3 << 20);
    assert_int_equal(
        sink_put(sink, 0, 0, BYTES("k"), (struct bytes){large, 3 << 20}, NULL, 0, NULL),
        ERR_TOO_LARGE);
    assert_int_equal(sink_pending(sink), 0);
    free(large);
    sink_close(sink);
}

static void what_the_broker_finds_too_large_is_reported_so(void **state)
{
    struct world *w = *state;
    const struct kafka_property small = {"max.message.bytes", "10000"};
    struct sink *sink = sink_with(w, fresh_topic_with(w, 1, &small, 1), 0);
    char value[40000];
    uint64_t seed = 1;
    for (size_t i = 0; i < sizeof value; i++) { /* nothing that lz4 would shrink */
        seed = seed * UINT64_C(6364136223846793005) + 1;
        value[i] = (char)(seed >> 56);
    }
    assert_int_equal(
        sink_put(sink, 0, 0, BYTES("k"), (struct bytes){value, sizeof value}, NULL, 0, NULL),
        ERR_OK);
    struct reports r = drain(sink);
    assert_int_equal(r.bad, 1);
    assert_int_equal(r.last_err, ERR_TOO_LARGE);
    sink_close(sink);
}

static void after_a_fatal_error_the_sink_goes_on_with_a_new_instance(void **state)
{
    struct world *w = *state;
    struct sink *sink = sink_with(w, fresh_topic(w, 1), 0);
    assert_int_equal(sink_put(sink, 0, 0, BYTES("k"), BYTES("1"), NULL, 0, NULL), ERR_OK);
    assert_int_equal(drain(sink).good, 1);
    kafka_mock_fail(w->mock, KAFKA_MOCK_PRODUCE, KAFKA_MOCK_SEQUENCE, 1);
    assert_int_equal(sink_put(sink, 0, 0, BYTES("k"), BYTES("2"), NULL, 0, NULL), ERR_OK);
    struct reports r = {0};
    uint64_t until = patience();
    while ((sink_fatal_count(sink) == 0 || sink_pending(sink) > 0) && clock_mono_ns() < until)
        if (sink_take(sink, on_report, &r) == 0)
            wait_fd(sink_fd(sink), 20);
    assert_int_equal(sink_fatal_count(sink), 1);
    assert_int_equal(r.bad, 1); /* perhaps written, perhaps not: the caller puts it again */
    until = patience();
    enum err err = ERR_AGAIN;
    while (err == ERR_AGAIN && clock_mono_ns() < until) {
        err = sink_put(sink, 0, 0, BYTES("k"), BYTES("2"), NULL, 0, NULL);
        sink_take(sink, on_report, &r);
    }
    assert_int_equal(err, ERR_OK);
    assert_int_equal(drain(sink).good, 1);
    sink_close(sink);
}

static int revive(void **state)
{
    char command[512];
    snprintf(command, sizeof command, "deploy/kafka/start.sh %s/kafka >/dev/null 2>&1",
             getenv("CONTRACT_DIR"));
    if (system(command) != 0)
        fputs("the broker runs\n", stderr); /* as it should */
    return world_end(state);
}

static void a_broker_that_is_away_delays_and_loses_nothing(void **state)
{
    struct world *w = *state;
    const struct source_topic topic = {fresh_topic(w, 1), false};
    char command[512];
    struct sink *sink = sink_with(w, topic.name, 1500);
    struct source *source = source_of(w, fresh_name(w, "group"), &topic, 1);
    assert_int_equal(take_up(source), 1);
    snprintf(command, sizeof command, "deploy/stop.sh %s/kafka KILL", getenv("CONTRACT_DIR"));
    assert_int_equal(system(command), 0);
    assert_int_equal(sink_put(sink, 0, 0, BYTES("k"), BYTES("1"), NULL, 0, NULL), ERR_OK);
    struct reports r = drain(sink);
    assert_int_equal(r.bad, 1);
    assert_int_equal(r.last_err, ERR_TIMEOUT);
    struct kafka_health health;
    uint64_t until = patience();
    do {
        struct source_event e;
        source_take(source, SOURCE_MAIN, &e);
        source_health(source, &health);
        wait_fd(source_fd(source, SOURCE_MAIN), 20);
    } while ((health.up || health.error[0] == '\0') && clock_mono_ns() < until);
    assert_false(health.up);
    assert_true(health.since_ns > 0 && health.error[0] != '\0');
    snprintf(command, sizeof command, "deploy/kafka/start.sh %s/kafka >/dev/null",
             getenv("CONTRACT_DIR"));
    assert_int_equal(system(command), 0);
    until = patience();
    for (r.good = 0; r.good == 0 && clock_mono_ns() < until;) {
        assert_int_equal(sink_put(sink, 0, 0, BYTES("k"), BYTES("2"), NULL, 0, NULL), ERR_OK);
        r = drain(sink);
    }
    assert_int_equal(r.good, 1);
    struct source_event e;
    until = patience();
    do { /* the group may have begun anew meanwhile */
        source_take(source, SOURCE_MAIN, &e);
        if (e.kind == SOURCE_REVOKED)
            source_unassign(source);
        if (e.kind == SOURCE_ASSIGNED) {
            const struct source_partition list = e.partitions[0];
            source_assign(source, &list, 1);
        }
        if (e.kind == SOURCE_NONE)
            wait_fd(source_fd(source, SOURCE_MAIN), 20);
    } while (e.kind != SOURCE_RECORD && clock_mono_ns() < until);
    assert_int_equal(e.kind, SOURCE_RECORD);
    source_health(source, &health);
    assert_true(health.up);
    leave(source);
    sink_close(sink);
}

static void a_property_that_the_design_fixes_is_refused_with_its_reason(void **state)
{
    (void)state;
    const struct kafka_property bad = {"enable.auto.commit", "true"};
    const struct kafka_property good = {"ssl.ca.location", "/etc/ssl/certs"};
    const struct kafka_property unknown = {"no.such.thing", "1"};
    struct kafka_options options = {
        .bootstrap = "127.0.0.1:1", .properties = &bad, .property_count = 1};
    char why[KAFKA_WHY_SIZE];
    assert_false(kafka_options_check(&options, why));
    assert_non_null(strstr(why, "acknowledged"));
    options.properties = &unknown;
    assert_false(kafka_options_check(&options, why));
    assert_non_null(strstr(why, "no.such.thing"));
    options.properties = &good;
    assert_true(kafka_options_check(&options, why));
}

#define ON(world, test)                                           \
    {                                                             \
#test "_on_" #world, test, world_##world, world_end, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON(mock, a_record_arrives_as_it_was_put),
        ON(real, a_record_arrives_as_it_was_put),
        ON(mock, urgent_records_come_in_order_and_by_their_lane_alone),
        ON(real, urgent_records_come_in_order_and_by_their_lane_alone),
        ON(mock, offset_and_metadata_of_a_commit_come_with_the_next_assignment),
        ON(real, offset_and_metadata_of_a_commit_come_with_the_next_assignment),
        ON(mock, a_second_member_gets_its_share_once_the_first_has_let_go),
        ON(real, a_second_member_gets_its_share_once_the_first_has_let_go),
        ON(mock, a_paused_partition_goes_on_where_it_was_and_a_sought_one_where_told),
        ON(real, a_paused_partition_goes_on_where_it_was_and_a_sought_one_where_told),
        ON(real, a_partition_that_was_paused_when_it_was_revoked_reads_when_it_comes_back),
        ON(mock, committed_offsets_that_cannot_be_read_are_asked_again),
        ON(mock, a_commit_of_an_old_generation_is_refused),
        ON(mock, what_no_broker_would_take_is_refused_at_once),
        ON(real, what_the_broker_finds_too_large_is_reported_so),
        ON(mock, after_a_fatal_error_the_sink_goes_on_with_a_new_instance),
        {"a_broker_that_is_away_delays_and_loses_nothing_on_real",
         a_broker_that_is_away_delays_and_loses_nothing, world_real, revive, NULL},
        cmocka_unit_test(a_property_that_the_design_fixes_is_refused_with_its_reason),
    };
    /* the mock joins slowly: run.sh runs its tests beside the real ones */
    const char *only = getenv("CONTRACT_ONLY");
    if (only && strcmp(only, "mock") == 0)
        cmocka_set_test_filter("*_on_mock");
    else if (only)
        cmocka_set_skip_filter("*_on_mock");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
