/* The consume stage on a real Kafka: what is taken, what is committed, and what the next
 * owner of a partition gets. */
#include "stage/consume.h"
#include "world.h"

enum { HELD_MAX = 4096 };

struct shop {
    struct source *source;
    struct jobs jobs;
    struct consume consume;
    struct list held; /* events in hand, in the order of their coming */
    const char *names[2];
    bool urgent[2];
};

struct shop_options {
    uint32_t jobs_max, large_max, window_max;
    uint64_t revoke_wait_ms;
};

static struct shop *shop_open(struct world *w, const char *group, const char *topic,
                              const char *urgent, struct shop_options how)
{
    struct shop *s = calloc(1, sizeof *s);
    const struct source_topic topics[] = {{topic, false}, {urgent, true}};
    uint32_t count = urgent ? 2 : 1;
    s->names[0] = topic;
    s->names[1] = urgent;
    s->urgent[1] = true;
    s->source = source_of(w, group, topics, count);
    uint32_t jobs_max = how.jobs_max ? how.jobs_max : 1024;
    assert_true(jobs_open(&s->jobs, jobs_max, how.large_max ? how.large_max : 4));
    const struct consume_options options = {.source = s->source,
                                            .jobs = &s->jobs,
                                            .topics = s->names,
                                            .urgent = s->urgent,
                                            .topic_count = count,
                                            .worker = "w-1",
                                            .room_max = jobs_max,
                                            .window_max = how.window_max,
                                            .revoke_wait_ms = how.revoke_wait_ms,
                                            .commit_interval_ms = 50};
    assert_int_equal(consume_init(&s->consume, &options), ERR_OK);
    return s;
}

static void turn(struct shop *s)
{
    if (!consume_take(&s->consume, clock_mono_ns(), clock_wall_ms(), jobs_room(&s->jobs), &s->held))
        wait_fd(source_fd(s->source, SOURCE_MAIN), 5);
}

static void close_event(struct shop *s, struct event *event)
{
    list_remove(&s->held, &event->node);
    assert_true(job_close(&s->jobs, job_of_sibling(event->jobs.first)));
    event_close(&s->jobs, event);
}

static void complete(struct shop *s, struct event *event)
{
    consume_complete(&s->consume, event);
    close_event(s, event);
}

static struct event *held_at(struct shop *s, int64_t offset)
{
    for (struct list_node *n = s->held.first; n; n = n->next)
        if (event_of(n)->offset == offset)
            return event_of(n);
    return NULL;
}

static void hold(struct shop *s, uint32_t count)
{
    uint64_t until = patience();
    while (s->held.count < count && clock_mono_ns() < until)
        turn(s);
    assert_int_equal(s->held.count, count);
}

static void until_clean(struct shop *s)
{
    uint64_t until = patience();
    while (!consume_clean(&s->consume) && clock_mono_ns() < until)
        turn(s);
    assert_true(consume_clean(&s->consume));
}

/* Leaves: what is in hand ends without an outcome. */
static void shop_close(struct shop *s)
{
    uint64_t until = patience();
    consume_stop(&s->consume);
    source_leave(s->source);
    while (!source_left(s->source) && clock_mono_ns() < until) {
        turn(s);
        if (consume_revoked(&s->consume))
            while (s->held.count > 0) {
                struct event *event = event_of(s->held.first);
                assert_true(event->revoked);
                consume_abandon(&s->consume, event);
                close_event(s, event);
            }
    }
    assert_true(source_left(s->source));
    source_close(s->source);
    consume_deinit(&s->consume);
    jobs_close(&s->jobs);
    free(s);
}

/* It dies: no last commit. (Its member leaves, or the test would wait for the session.) */
static void shop_die(struct shop *s)
{
    leave(s->source);
    consume_deinit(&s->consume);
    jobs_close(&s->jobs);
    free(s);
}

static void what_is_complete_above_the_watermark_is_not_delivered_again(void **state)
{
    struct world *w = *state;
    const char *topic = fresh_topic(w, 1), *group = fresh_name(w, "group");
    put_numbers(w, topic, 0, 0, 20);
    struct shop *s = shop_open(w, group, topic, NULL, (struct shop_options){0});
    hold(s, 20);
    for (int64_t o = 0; o < 20; o++)
        if (o % 5 != 3)
            complete(s, held_at(s, o));
    shop_close(s);
    put_numbers(w, topic, 0, 20, 1);
    s = shop_open(w, group, topic, NULL, (struct shop_options){0});
    hold(s, 5);
    for (int64_t o = 3; o < 20; o += 5)
        assert_non_null(held_at(s, o));
    assert_non_null(held_at(s, 20));
    assert_int_equal(s->consume.stats.skipped, 13); /* 3 stays: 4 to 19 but 8, 13, 18 */
    struct event *event = held_at(s, 20);
    assert_true(bytes_equal(event->record.value, BYTES("20")));
    assert_true(bytes_equal(event->origin.topic, bytes_of(topic)));
    assert_int_equal(event->origin.offset, 20);
    while (s->held.count > 0)
        complete(s, event_of(s->held.first));
    until_clean(s);
    assert_int_equal(s->consume.partitions[0].floor, 21);
    shop_close(s);
}

static void after_a_kill_the_next_owner_begins_at_the_last_acknowledged_commit(void **state)
{
    struct world *w = *state;
    const char *topic = fresh_topic(w, 1), *group = fresh_name(w, "group");
    put_numbers(w, topic, 0, 0, 10);
    struct shop *s = shop_open(w, group, topic, NULL, (struct shop_options){0});
    hold(s, 10);
    for (int64_t o = 0; o < 4; o++)
        complete(s, held_at(s, o));
    uint64_t until = patience();
    while (s->consume.stats.commits == 0 && clock_mono_ns() < until)
        turn(s);
    complete(s, held_at(s, 4)); /* and it dies before it says so */
    shop_die(s);
    s = shop_open(w, group, topic, NULL, (struct shop_options){0});
    hold(s, 6);
    assert_non_null(held_at(s, 4));
    shop_close(s);
}

static void a_full_pool_pauses_and_nothing_is_lost_or_repeated(void **state)
{
    struct world *w = *state;
    const char *topic = fresh_topic(w, 2);
    put_numbers(w, topic, 0, 0, 300);
    put_numbers(w, topic, 1, 0, 300);
    struct shop *s =
        shop_open(w, fresh_name(w, "group"), topic, NULL, (struct shop_options){.jobs_max = 64});
    int64_t next[2] = {0};
    uint64_t until = patience();
    bool paused = false;
    while (next[0] + next[1] < 600 && clock_mono_ns() < until) {
        do {
            turn(s);
        } while (!s->consume.pool_short && clock_mono_ns() < until &&
                 next[0] + next[1] + s->held.count < 600);
        paused |= s->consume.partitions[0].is_paused;
        assert_true(s->held.count <= 56); /* an eighth is for urgent ones */
        while (s->held.count > 0) {
            struct event *event = event_of(s->held.first);
            assert_int_equal(event->offset, next[event->origin.partition]++);
            complete(s, event);
        }
    }
    assert_int_equal(next[0] + next[1], 600);
    assert_true(paused);
    assert_int_equal(s->consume.stats.went_back, 0);
    until_clean(s);
    shop_close(s);
}

static void urgent_records_find_room_when_others_have_taken_all_of_theirs(void **state)
{
    struct world *w = *state;
    const char *topic = fresh_topic(w, 1), *urgent = fresh_topic(w, 1);
    put_numbers(w, topic, 0, 0, 300);
    struct shop *s =
        shop_open(w, fresh_name(w, "group"), topic, urgent, (struct shop_options){.jobs_max = 64});
    hold(s, 56);
    put_numbers(w, urgent, 0, 0, 20);
    hold(s, 64); /* and no more than there is */
    uint32_t count = 0;
    for (struct list_node *n = s->held.first; n; n = n->next)
        count += event_of(n)->urgent;
    assert_int_equal(count, 8);
    shop_close(s);
}

static void a_second_member_gets_what_the_first_did_not_complete(void **state)
{
    struct world *w = *state;
    const char *topic = fresh_topic(w, 2), *group = fresh_name(w, "group");
    put_numbers(w, topic, 0, 0, 10);
    put_numbers(w, topic, 1, 0, 10);
    struct shop *one =
        shop_open(w, group, topic, NULL, (struct shop_options){.revoke_wait_ms = 300});
    hold(one, 20);
    struct event *late = held_at(one, 9);
    for (struct list_node *n = one->held.first, *next; n; n = next) {
        next = n->next;
        if (event_of(n)->offset < 5)
            complete(one, event_of(n));
    }
    struct shop *two = shop_open(w, group, topic, NULL, (struct shop_options){0});
    uint64_t until = patience();
    while (!consume_revoked(&one->consume) && clock_mono_ns() < until) {
        turn(one);
        turn(two);
    }
    assert_int_equal(one->consume.state, CONSUME_REVOKING);
    assert_true(late->revoked);
    /* one of them was already being sent: its end counts while the partitions are ours */
    struct event *sent = held_at(one, 5);
    int32_t sent_partition = sent->origin.partition;
    complete(one, sent);
    until = patience();
    while (one->held.count + two->held.count < 9 + 9 && clock_mono_ns() < until) {
        turn(one);
        turn(two);
    }
    for (uint32_t again = 0; again < 20; again++) { /* no more comes */
        turn(one);
        turn(two);
    }
    /* nine are in hand from before; each partition's owner got five, but the one sent */
    assert_int_equal(one->held.count + two->held.count, 9 + 9);
    for (struct list_node *n = two->held.first; n; n = n->next) {
        assert_true(event_of(n)->offset >= 5);
        assert_false(event_of(n)->offset == 5 && event_of(n)->origin.partition == sent_partition);
    }
    uint64_t before = one->consume.stats.late;
    complete(one, late); /* of an assignment that is over */
    assert_int_equal(one->consume.stats.late, before + 1);
    while (one->held.count > 0 && event_of(one->held.first)->revoked) {
        consume_abandon(&one->consume, event_of(one->held.first));
        close_event(one, event_of(one->held.first));
    }
    shop_close(two);
    shop_close(one);
}

static void a_commit_that_was_asked_for_is_acknowledged_without_anything_new(void **state)
{
    struct world *w = *state;
    struct shop *s =
        shop_open(w, fresh_name(w, "group"), fresh_topic(w, 2), NULL, (struct shop_options){0});
    uint64_t until = patience();
    while (s->consume.state != CONSUME_RUNNING && clock_mono_ns() < until)
        turn(s);
    uint64_t asked_ns = clock_mono_ns();
    assert_int_equal(consume_acked_ns(&s->consume), 0);
    consume_commit(&s->consume);
    while (consume_acked_ns(&s->consume) < asked_ns && clock_mono_ns() < until)
        turn(s);
    assert_true(consume_acked_ns(&s->consume) >= asked_ns);
    shop_close(s);
}

static void a_partition_with_too_much_open_is_paused_alone(void **state)
{
    struct world *w = *state;
    const char *topic = fresh_topic(w, 2);
    put_numbers(w, topic, 0, 0, 1500);
    put_numbers(w, topic, 1, 0, 3);
    struct shop *s = shop_open(w, fresh_name(w, "group"), topic, NULL,
                               (struct shop_options){.jobs_max = 4096, .window_max = 16});
    uint64_t until = patience();
    bool all = false;
    while (!all && clock_mono_ns() < until) {
        turn(s);
        uint32_t others = 0, paused = 0;
        for (struct list_node *n = s->held.first; n; n = n->next)
            others += event_of(n)->origin.partition == 1;
        for (uint32_t i = 0; i < s->consume.partition_count; i++)
            paused += s->consume.partitions[i].is_paused;
        all = others == 3 && paused == 1;
    }
    assert_true(all);
    assert_true(s->held.count < 1503); /* a turn may take more than the window's sixteen */
    int64_t next = 0;
    while (next < 1500 && clock_mono_ns() < until) {
        turn(s);
        for (struct list_node *n = s->held.first, *after; n; n = after) {
            after = n->next;
            if (event_of(n)->origin.partition == 0) {
                assert_int_equal(event_of(n)->offset, next++);
                complete(s, event_of(n));
            }
        }
    }
    assert_int_equal(next, 1500);
    shop_close(s);
}

static void a_large_record_waits_for_a_large_block_and_comes_again(void **state)
{
    struct world *w = *state;
    const char *topic = fresh_topic(w, 1);
    static char large[20000];
    struct sink *sink = sink_with(w, topic, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(sink_put(sink, 0, 0, BYTES("k"),
                                  (struct bytes){large, sizeof large - (size_t)i}, NULL, 0, NULL),
                         ERR_OK);
    assert_int_equal(drain(sink).good, 3);
    sink_close(sink);
    struct shop *s =
        shop_open(w, fresh_name(w, "group"), topic, NULL, (struct shop_options){.large_max = 1});
    for (int64_t i = 0; i < 3; i++) {
        hold(s, 1);
        for (int again = 0; again < 5; again++)
            turn(s);
        assert_int_equal(s->held.count, 1);
        struct event *event = event_of(s->held.first);
        assert_int_equal(event->offset, i);
        assert_int_equal(event->record.value.size, sizeof large - (size_t)i);
        complete(s, event);
    }
    assert_true(s->consume.stats.returned > 0);
    until_clean(s);
    shop_close(s);
}

#define REAL(test) cmocka_unit_test_setup_teardown(test, world_real, world_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL(what_is_complete_above_the_watermark_is_not_delivered_again),
        REAL(after_a_kill_the_next_owner_begins_at_the_last_acknowledged_commit),
        REAL(a_full_pool_pauses_and_nothing_is_lost_or_repeated),
        REAL(urgent_records_find_room_when_others_have_taken_all_of_theirs),
        REAL(a_second_member_gets_what_the_first_did_not_complete),
        REAL(a_commit_that_was_asked_for_is_acknowledged_without_anything_new),
        REAL(a_partition_with_too_much_open_is_paused_alone),
        REAL(a_large_record_waits_for_a_large_block_and_comes_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
