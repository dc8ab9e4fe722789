/* The follower on a real Kafka and Redis: what stands in the state topics is in Redis, and
 * the marks and the epoch never say more than is true. */
#include "clients.h"
#include "domain/pbjson.h"
#include "domain/redis_functions.h"
#include "domain/state_key.h"
#include "follower.h"
#include "state_apply.h"
#include "world.h"

#include "carillon/v1/state.pb-c.h"

enum { PARTITIONS = 2 };

struct stage {
    struct world *world;
    struct config *config;
    struct setup_found found;
    struct redis_sync *redis;
    char prefix[64];
};

static struct redis_sync *redis_open_now(void)
{
    char why[REDIS_WHY_SIZE];
    const struct redis_options options = {.host = "127.0.0.1",
                                          .port = (uint16_t)atoi(getenv("REDIS_PORT"))};
    struct redis_sync *redis = redis_sync_open(&options, why);
    for (uint64_t until = patience(); !redis && clock_mono_ns() < until;)
        redis = redis_sync_open(&options, why);
    assert_non_null(redis);
    return redis;
}

static const struct redis_reply *command(struct stage *s, const char *a, const char *b,
                                         const char *c)
{
    const struct bytes list[] = {bytes_of(a), bytes_of(b ? b : ""), bytes_of(c ? c : "")};
    const struct redis_reply *reply = redis_sync_command(s->redis, list, c ? 3 : b ? 2 : 1);
    assert_non_null(reply);
    return reply;
}

static void load_functions(struct stage *s)
{
    const struct bytes load[] = {BYTES("FUNCTION"), BYTES("LOAD"), BYTES("REPLACE"),
                                 redis_functions};
    const struct redis_reply *reply = redis_sync_command(s->redis, load, 4);
    assert_non_null(reply);
    assert_true(reply->type == REDIS_TEXT);
}

static int set_up(void **state)
{
    world_real(state);
    struct stage *s = calloc(1, sizeof *s);
    s->world = *state;
    *state = s;
    snprintf(s->prefix, sizeof s->prefix, "%s.", fresh_name(s->world, "f"));
    char text[512], why[KAFKA_WHY_SIZE];
    int size = snprintf(text, sizeof text,
                        "kafka:\n  bootstrap_servers: \"%s\"\n  topic_prefix: \"%s\"\n"
                        "  group: \"%sg\"\n  session_timeout_ms: 2000\n"
                        "  heartbeat_interval_ms: 300\n  partitions: 2\n"
                        "redis:\n  address: \"127.0.0.1:%s\"\n",
                        s->world->kafka.bootstrap, s->prefix, s->prefix, getenv("REDIS_PORT"));
    struct findings findings = {0};
    s->config = config_load_text(text, (size_t)size, "test", ".", NULL, &findings);
    findings_print(&findings, stderr);
    findings_free(&findings);
    assert_non_null(s->config);
    struct topics *topics = topics_open(&s->world->kafka, why);
    for (int i = 0; i < STATE_TOPIC_COUNT; i++) {
        char *name = topic_name_of(s->config, state_topic_names[i]);
        const struct kafka_property compact = {"cleanup.policy", "compact"};
        const struct topic_wish wish = {.name = name,
                                        .partitions = PARTITIONS,
                                        .replicas = 1,
                                        .settings = &compact,
                                        .setting_count = 1};
        assert_int_equal(topics_create(topics, &wish, 10000, why), ERR_OK);
        await_topic(topics, name);
        s->found.marks = realloc(s->found.marks, (size_t)(i + 1) * PARTITIONS * sizeof(char *));
        for (int p = 0; p < PARTITIONS; p++) {
            char *mark = malloc(strlen(name) + 12);
            snprintf(mark, strlen(name) + 12, "%s/%d", name, p);
            s->found.marks[s->found.mark_count++] = mark;
        }
        free(name);
    }
    topics_close(topics);
    s->redis = redis_open_now();
    command(s, "FLUSHALL", NULL, NULL);
    load_functions(s);
    return 0;
}

static int tear_down(void **state)
{
    struct stage *s = *state;
    setup_found_free(&s->found);
    config_free(s->config);
    redis_sync_close(s->redis);
    free(s->world);
    free(s);
    return 0;
}

static struct follower *follow(struct stage *s)
{
    char why[SETUP_WHY_SIZE] = "";
    struct follower *f = follower_open(s->config, &s->found, why);
    assert_non_null(f);
    return f;
}

static void write_record(struct stage *s, enum state_topic topic, const char *key,
                         struct bytes value)
{
    char *name = topic_name_of(s->config, state_topic_names[topic]);
    struct sink *sink = sink_with(s->world, name, 0);
    assert_int_equal(sink_put(sink, 0, SINK_PARTITION_BY_KEY, bytes_of(key), value, NULL, 0, NULL),
                     ERR_OK);
    assert_int_equal(drain(sink).good, 1);
    sink_close(sink);
    free(name);
}

static struct bytes get(struct stage *s, const char *key, size_t size)
{
    const struct bytes list[] = {BYTES("GET"), {key, size}};
    const struct redis_reply *reply = redis_sync_command(s->redis, list, 2);
    assert_non_null(reply);
    return reply->type == REDIS_TEXT ? reply->text : (struct bytes){0};
}

static void run_id_of(struct stage *s, char out[41])
{
    struct bytes text = command(s, "INFO", "server", NULL)->text;
    const char *at = memmem(text.at, text.size, "run_id:", 7);
    assert_non_null(at);
    memcpy(out, at + 7, 40);
    out[40] = '\0';
}

/* How many marks are true for this Redis. */
static uint32_t true_marks(struct stage *s)
{
    char run_id[41];
    uint32_t count = 0;
    run_id_of(s, run_id);
    for (uint32_t i = 0; i < s->found.mark_count; i++) {
        char key[STATE_MARK_KEY_MAX];
        struct writer w = writer_of(key, sizeof key);
        state_mark_key(bytes_of(s->found.marks[i]), &w);
        struct bytes mark = get(s, key, w.size);
        count += mark.size > 40 && memcmp(mark.at, run_id, 40) == 0 && mark.at[40] == '|';
    }
    return count;
}

static bool any_commit(struct stage *s)
{
    char why[KAFKA_WHY_SIZE], group[128];
    struct topic_partition list[STATE_TOPIC_COUNT * PARTITIONS];
    char *names[STATE_TOPIC_COUNT];
    bool any = false;
    snprintf(group, sizeof group, "%s.state", s->config->is.kafka.group);
    for (uint32_t i = 0; i < countof(list); i++) {
        if (i % PARTITIONS == 0)
            names[i / PARTITIONS] = topic_name_of(s->config, state_topic_names[i / PARTITIONS]);
        list[i] = (struct topic_partition){names[i / PARTITIONS], (int32_t)(i % PARTITIONS)};
    }
    assert_int_equal(
        topics_committed(&s->world->kafka, group, list, countof(list), &any, 5000, why), ERR_OK);
    for (uint32_t i = 0; i < STATE_TOPIC_COUNT; i++)
        free(names[i]);
    return any;
}

static void pause_a_little(void)
{
    poll(NULL, 0, 10);
}

static void until_true(struct stage *s)
{
    for (uint64_t until = patience(); true_marks(s) < s->found.mark_count;) {
        assert_true(clock_mono_ns() < until);
        pause_a_little();
    }
}

static char *epoch_of(struct stage *s)
{
    static char text[80];
    struct bytes e1 = get(s, "e1", 2);
    snprintf(text, sizeof text, "%.*s", (int)e1.size, e1.at ? e1.at : "");
    return text;
}

static void document_of(struct stage *s, const char *subject, char out[256], size_t *size)
{
    char key[STATE_KEY_SIZE];
    struct writer w = writer_of(out, 256);
    state_recipient_key(BYTES("t"), bytes_of(subject), key);
    assert_int_equal(state_document(get(s, key, sizeof key), &w), ERR_OK);
    *size = w.size;
}

static bool is_blocked(struct stage *s, const char *subject)
{
    char document[256];
    size_t size;
    document_of(s, subject, document, &size);
    Carillon__V1__RecipientState *state =
        carillon__v1__recipient_state__unpack(NULL, size, (const uint8_t *)document);
    assert_non_null(state);
    bool blocked = state->blocked;
    carillon__v1__recipient_state__free_unpacked(state, NULL);
    return blocked;
}

static void until_blocked(struct stage *s, const char *subject, bool blocked)
{
    for (uint64_t until = patience(); is_blocked(s, subject) != blocked;) {
        assert_true(clock_mono_ns() < until);
        pause_a_little();
    }
}

static const struct bytes blocked = {"\x30\x01", 2}; /* blocked: true */

static void a_first_start_applies_all_commits_and_has_lost_nothing(void **state)
{
    struct stage *s = *state;
    write_record(s, TOPIC_SUPPRESSIONS, "t/+33612345678/block", blocked);
    write_record(s, TOPIC_SUPPRESSIONS, "t/c/9/block", BYTES(" {\"blocked\": true}"));
    write_record(s, TOPIC_SUPPRESSIONS, "t/c1/block", BYTES("\xff no protobuf"));
    write_record(s, TOPIC_SUPPRESSIONS, "no key", blocked);
    write_record(s, TOPIC_BOOKINGS, "t/b", BYTES("\x18\x07"));
    write_record(s, TOPIC_TENANTS, "t", BYTES("{\"tenant_id\":\"t\",\"verified\":true}"));
    assert_false(any_commit(s));
    struct follower *f = follow(s);
    while (true_marks(s) == 0) { /* what opens the gate comes last */
        if (epoch_of(s)[0] == '\0')
            assert_int_equal(true_marks(s), 0);
        pause_a_little();
    }
    assert_true(any_commit(s));
    assert_string_equal(strchr(epoch_of(s), '|'), "|0");
    until_true(s);
    assert_true(is_blocked(s, "+33612345678"));
    assert_true(is_blocked(s, "c/9"));
    assert_false(is_blocked(s, "c1"));
    char key[STATE_KEY_SIZE];
    state_booking_key(BYTES("t"), BYTES("b"), key);
    struct bytes value = get(s, key, sizeof key);
    assert_true(value.size > 2 && memcmp(value.at + value.size - 2, "\x18\x07", 2) == 0);
    key[STATE_KEY_SIZE - 1] = '}';
    const struct bytes ttl[] = {BYTES("TTL"), {key, sizeof key}};
    int64_t left = redis_sync_command(s->redis, ttl, 2)->integer;
    assert_true(left > 449 * 24 * 3600 && left <= 450 * 24 * 3600);
    state_tenant_key(BYTES("t"), key);
    assert_true(get(s, key, sizeof key).size > 0);
    assert_true(bytes_equal(get(s, "t1v:{t}", 7), BYTES("v|0|0|")));
    follower_close(f);
}

static void a_later_record_is_in_force_soon_and_a_null_removes(void **state)
{
    struct stage *s = *state;
    struct follower *f = follow(s);
    until_true(s);
    write_record(s, TOPIC_SUPPRESSIONS, "t/x@y.fr/block", blocked);
    uint64_t written_ns = clock_mono_ns();
    until_blocked(s, "x@y.fr", true);
    assert_true(clock_mono_ns() - written_ns < NS_PER_S);
    write_record(s, TOPIC_SUPPRESSIONS, "t/x@y.fr/block", (struct bytes){0});
    until_blocked(s, "x@y.fr", false);
    follower_close(f);
}

/* What stands of the booking, as workers read it. */
static bool booking_is(struct stage *s, uint64_t revision, bool cancelled)
{
    char key[STATE_KEY_SIZE], memory[256], text[64];
    struct writer wire = writer_of(text, sizeof text);
    struct arena arena = arena_of(memory, sizeof memory);
    ProtobufCMessage *message = NULL;
    struct pb_error error;
    state_booking_key(BYTES("t"), BYTES("told in parts"), key);
    if (state_document(get(s, key, sizeof key), &wire) != ERR_OK ||
        pb_decode(&carillon__v1__booking_state__descriptor, writer_bytes(&wire), &arena, &message,
                  &error) != ERR_OK)
        return false;
    const Carillon__V1__BookingState *is = (const Carillon__V1__BookingState *)message;
    return is->revision == revision && is->cancelled == cancelled;
}

static void until_booking_is(struct stage *s, uint64_t revision, bool cancelled)
{
    for (uint64_t until = patience(); !booking_is(s, revision, cancelled);) {
        assert_true(clock_mono_ns() < until);
        pause_a_little();
    }
}

static void what_a_bookings_record_leaves_out_stays_and_an_explicit_value_clears(void **state)
{
    struct stage *s = *state;
    const char *key = "t/told in parts";
    struct follower *f = follow(s);
    until_true(s);
    write_record(s, TOPIC_BOOKINGS, key,
                 BYTES("{\"booking_id\":\"told in parts\",\"revision\":7}"));
    until_booking_is(s, 7, false);
    write_record(s, TOPIC_BOOKINGS, key, BYTES("{\"cancelled\":true}"));
    until_booking_is(s, 7, true);
    write_record(s, TOPIC_BOOKINGS, key, BYTES("\x18\x08")); /* revision 8, in protobuf */
    until_booking_is(s, 8, true);
    write_record(s, TOPIC_BOOKINGS, key, BYTES("{\"cancelled\":false}"));
    until_booking_is(s, 8, false);
    write_record(s, TOPIC_BOOKINGS, key, (struct bytes){0});
    until_booking_is(s, 0, false);
    follower_close(f);
}

static void an_emptied_redis_is_filled_again_and_a_new_epoch_begins(void **state)
{
    struct stage *s = *state;
    static const char *const keys[] = {"t/a/block", "t/b/block", "t/c/block", "t/d/block"};
    static const char *const more[] = {"t/e/reply", "t/f/reply", "t/g/reply", "t/h/reply"};
    for (size_t i = 0; i < countof(keys); i++) /* so that either partition has one */
        write_record(s, TOPIC_SUPPRESSIONS, keys[i], blocked);
    struct follower *f = follow(s);
    until_true(s);
    char first[80];
    snprintf(first, sizeof first, "%s", epoch_of(s));
    command(s, "FLUSHALL", NULL, NULL); /* the run_id stays */
    assert_int_equal(true_marks(s), 0);
    /* records on the emptied one must not make their partitions' marks true by themselves */
    for (size_t i = 0; i < countof(keys); i++)
        write_record(s, TOPIC_SUPPRESSIONS, more[i], BYTES("\x48\x01"));
    until_true(s);
    for (size_t i = 0; i < countof(keys); i++)
        assert_true(is_blocked(s, (char[]){keys[i][2], '\0'}));
    assert_string_not_equal(epoch_of(s), first);
    assert_string_not_equal(strchr(epoch_of(s), '|'), "|0");
    follower_close(f);
}

static void redis_do(const char *what)
{
    char line[512];
    snprintf(line, sizeof line, "deploy/%s >/dev/null", what);
    char *at = strstr(line, "DIR");
    char whole[512];
    snprintf(whole, sizeof whole, "%.*s%s/redis%s", (int)(at - line), line, getenv("CONTRACT_DIR"),
             at + 3);
    assert_int_equal(system(whole), 0);
}

static void a_redis_that_kept_its_data_gets_marks_of_its_new_life(void **state)
{
    struct stage *s = *state;
    write_record(s, TOPIC_SUPPRESSIONS, "t/c/block", blocked);
    struct follower *f = follow(s);
    until_true(s);
    char first[80], run_id[41], again[41];
    snprintf(first, sizeof first, "%s", epoch_of(s));
    run_id_of(s, run_id);
    redis_sync_close(s->redis);
    redis_do("stop.sh DIR KILL");
    write_record(s, TOPIC_SUPPRESSIONS, "t/d/block", blocked); /* meanwhile */
    redis_do("redis/start.sh DIR");
    s->redis = redis_open_now();
    run_id_of(s, again);
    assert_string_not_equal(run_id, again);
    until_true(s);
    assert_true(is_blocked(s, "c") && is_blocked(s, "d"));
    assert_string_equal(epoch_of(s), first);
    follower_close(f);
}

static void a_redis_without_functions_is_waited_for_and_then_filled(void **state)
{
    struct stage *s = *state;
    write_record(s, TOPIC_SUPPRESSIONS, "t/c/block", blocked);
    command(s, "FUNCTION", "FLUSH", NULL);
    struct follower *f = follow(s);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(true_marks(s), 0);
        pause_a_little();
    }
    load_functions(s);
    until_true(s);
    assert_true(is_blocked(s, "c"));
    follower_close(f);
}

static void two_followers_share_the_partitions_and_one_goes_on_alone(void **state)
{
    struct stage *s = *state;
    write_record(s, TOPIC_SUPPRESSIONS, "t/c/block", blocked);
    struct follower *one = follow(s), *two = follow(s);
    until_true(s);
    assert_string_equal(strchr(epoch_of(s), '|'), "|0");
    write_record(s, TOPIC_SUPPRESSIONS, "t/d/block", blocked);
    write_record(s, TOPIC_SUPPRESSIONS, "t/e/block", blocked);
    until_blocked(s, "d", true);
    until_blocked(s, "e", true);
    follower_close(one);
    write_record(s, TOPIC_SUPPRESSIONS, "t/d/block", (struct bytes){0});
    write_record(s, TOPIC_SUPPRESSIONS, "t/e/block", (struct bytes){0});
    until_blocked(s, "d", false);
    until_blocked(s, "e", false);
    assert_int_equal(true_marks(s), s->found.mark_count);
    follower_close(two);
}

static void an_epoch_key_that_was_deleted_comes_back_as_a_loss(void **state)
{
    struct stage *s = *state;
    struct follower *f = follow(s);
    until_true(s);
    command(s, "DEL", "e1", NULL);
    for (uint64_t until = patience(); epoch_of(s)[0] == '\0';) {
        assert_true(clock_mono_ns() < until);
        pause_a_little();
    }
    assert_string_not_equal(strchr(epoch_of(s), '|'), "|0");
    follower_close(f);
}

#define ON_BOTH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(a_first_start_applies_all_commits_and_has_lost_nothing),
        ON_BOTH(a_later_record_is_in_force_soon_and_a_null_removes),
        ON_BOTH(what_a_bookings_record_leaves_out_stays_and_an_explicit_value_clears),
        ON_BOTH(an_emptied_redis_is_filled_again_and_a_new_epoch_begins),
        ON_BOTH(a_redis_that_kept_its_data_gets_marks_of_its_new_life),
        ON_BOTH(a_redis_without_functions_is_waited_for_and_then_filled),
        ON_BOTH(two_followers_share_the_partitions_and_one_goes_on_alone),
        ON_BOTH(an_epoch_key_that_was_deleted_comes_back_as_a_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
