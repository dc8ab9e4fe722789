/* The hand over logs, a group and a feed that are made up: every record becomes an event
 * exactly once in a life of the hand, never early, never lost; commits speak only for what is
 * acknowledged. */
#include "hand_world.h"

#include "base/clock.h"

enum { JOBS = 64 };

static struct jobs jobs;
static struct hand hand;
static struct event *out[JOBS];
static uint32_t out_count;
static bool with_redis;

static struct hand_topic topic = {
    .name = "carillon.deferred.1", .partitions = WORLD_PARTITIONS, .far = false};

static void open_hand(uint64_t memory, bool known)
{
    topic.ring = known ? world_ring : (struct ring){0};
    struct hand_options options = {.jobs = &jobs,
                                   .topics = &topic,
                                   .topic_count = 1,
                                   .ring = world_ring,
                                   .lead_ms = 500,
                                   .memory = memory,
                                   .worker = "w",
                                   .redis = with_redis ? (struct redis *)&world : NULL,
                                   .seed = world.seed ^ 77,
                                   .room_max = JOBS,
                                   .waiters_max = 8,
                                   .commit_interval_ms = 100,
                                   .revoke_wait_ms = 300};
    assert_int_equal(hand_init(&hand, &options), ERR_OK);
    world.assign = true;
}

static void begin(uint64_t seed)
{
    memset(&world, 0, sizeof world);
    world.seed = seed;
    world.now_ms = 1000000;
    world.clock = (struct ring_clock){.now_ms = world.now_ms, .agreed = true};
    for (uint32_t i = 0; i < WORLD_PARTITIONS; i++) {
        world.logs[i].records = calloc(WORLD_RECORDS, sizeof(struct world_record));
        world.logs[i].committed = -1;
    }
    assert_true(jobs_open(&jobs, JOBS, 1));
    memset(world_hints, 0, sizeof world_hints);
    memset(world_old_hints, 0, sizeof world_old_hints);
    out_count = 0;
    with_redis = false;
}

static void finish(void)
{
    hand_deinit(&hand);
    jobs_close(&jobs);
    for (uint32_t i = 0; i < WORLD_PARTITIONS; i++)
        free(world.logs[i].records);
}

static void check_fired(const struct event *event)
{
    struct world_log *log = &world.logs[hand.partitions[event->source_partition].partition];
    struct world_record *r = &log->records[event->offset];
    assert_true(event->from_ring && event->far_day == RING_NO_CYCLE);
    assert_int_equal(event->record.value.size, r->size);
    assert_int_equal(event->record.header_count, r->strange ? 0 : 3);
    for (size_t i = 0; i < r->size; i += 97)
        assert_int_equal(event->record.value.at[i], 'a' + event->offset % 26);
    assert_true(r->strange || world.clock.now_ms >= r->due_ms);
    assert_false(world.clock.held);
    assert_int_equal(r->fired++, 0);
}

static void turn(void)
{
    struct list fresh = {0};
    world.clock.now_ms = world.now_ms;
    uint64_t mono_ms = (uint64_t)(world.now_ms + world.stepped_ms);
    hand_take(&hand, mono_ms * NS_PER_MS, &world.clock, jobs_room(&jobs), &fresh);
    for (struct list_node *n = list_pop(&fresh); n; n = list_pop(&fresh)) {
        check_fired(event_of(n));
        out[out_count++] = event_of(n);
    }
}

static void end_event(uint32_t at, bool good)
{
    struct event *event = out[at];
    out[at] = out[--out_count];
    if (good && hand.partition_count > event->source_partition &&
        hand.partitions[event->source_partition].epoch == event->epoch) {
        struct hand_partition *p = &hand.partitions[event->source_partition];
        world.logs[p->partition].records[event->offset].closed = true;
    }
    assert_true(job_close(&jobs, job_of_sibling(event->jobs.first)));
    if (good)
        hand_complete(&hand, event);
    else
        hand_abandon(&hand, event);
    event_close(&jobs, event);
}

static void end_all(bool good)
{
    while (out_count > 0)
        end_event(0, good);
}

/* A new life: only what was acknowledged is remembered. */
static void kill_hand(uint64_t memory, bool known)
{
    hand_deinit(&hand);
    while (out_count > 0) {
        struct event *event = out[--out_count];
        assert_true(job_close(&jobs, job_of_sibling(event->jobs.first)));
        event_close(&jobs, event);
    }
    world.owned = world.revoking = world.revoke = world.commit_out = false;
    world.ask_count = world.command_count = 0;
    for (uint32_t i = 0; i < WORLD_PARTITIONS; i++) {
        world.logs[i].reading = false;
        for (int64_t o = 0; o < world.logs[i].count; o++)
            world.logs[i].records[o].fired = 0;
    }
    open_hand(memory, known);
}

static void forget_life(void)
{
    for (uint32_t i = 0; i < WORLD_PARTITIONS; i++)
        for (int64_t o = 0; o < world.logs[i].count; o++)
            world.logs[i].records[o].fired = 0;
}

static bool all_closed(void)
{
    for (uint32_t i = 0; i < WORLD_PARTITIONS; i++)
        for (int64_t o = 0; o < world.logs[i].count; o++)
            if (!world.logs[i].records[o].closed)
                return false;
    return true;
}

static void run_ms(int64_t ms, int64_t step)
{
    for (int64_t until = world.now_ms + ms; world.now_ms < until; world.now_ms += step) {
        world.read = 200;
        turn();
        end_all(true);
    }
}

static void a_record_fires_at_its_time_and_is_committed(void **state)
{
    (void)state;
    begin(1);
    open_hand(1 << 20, true);
    int64_t due = world.now_ms + 1700;
    world_append(due, 400, false);
    while (world.now_ms < due) {
        world.read = 50;
        turn();
        assert_int_equal(out_count, 0);
        world.now_ms += 10;
    }
    turn();
    assert_int_equal(out_count, 1);
    end_all(true);
    run_ms(1000, 10);
    assert_true(all_closed());
    assert_true(hand_clean(&hand));
    bool committed = false;
    for (uint32_t i = 0; i < WORLD_PARTITIONS; i++)
        committed |= world.logs[i].committed == 1;
    assert_true(committed);
    finish();
}

static void what_is_no_deferral_fires_at_once(void **state)
{
    (void)state;
    begin(2);
    world_append(world.now_ms + 1500, 10, true);
    open_hand(1 << 20, true);
    for (uint32_t i = 0; i < 400 && out_count == 0; i++, world.now_ms += 10) {
        world.read = 50;
        turn();
    }
    assert_int_equal(out_count, 1);
    end_all(true);
    finish();
}

static void an_older_generations_records_tell_its_geometry(void **state)
{
    (void)state;
    begin(3);
    world_append(world.now_ms + 1500, 10, false);
    open_hand(1 << 20, false);
    run_ms(4000, 10);
    assert_true(all_closed());
    finish();
}

static void of_a_later_slot_only_the_first_records_are_read_before_its_time(void **state)
{
    (void)state;
    begin(12);
    int64_t due = world.now_ms + 1900;
    for (uint32_t i = 0; i < 600; i++)
        world_append(due, 100, false);
    open_hand(1 << 20, true);
    for (uint32_t i = 0; i < 40; i++, world.now_ms++) {
        world.read = 1;
        turn();
    }
    assert_int_equal(world.taken, WORLD_SPREAD); /* of each partition of the slot one */
    assert_int_equal(hand.peeks, 0);
    run_ms(3000, 5);
    assert_true(all_closed());
    finish();
}

static void more_than_the_cache_holds_is_read_in_passes(void **state)
{
    (void)state;
    begin(4);
    for (uint32_t i = 0; i < 2000; i++)
        world_append(world.now_ms + 2000 + (int64_t)prng_upto(&world.seed, 1000), 700, false);
    open_hand(200 * 1024, true);
    run_ms(20000, 5);
    assert_true(all_closed());
    assert_true(hand.stats.passes > 2);
    assert_true(hand.stats.evicted > 0);
    assert_int_equal(hand.loaded, 0);
    assert_int_equal(hand.cache.used, 0);
    finish();
}

static void left_overs_go_by_slot_then_expiry_and_leave_half_to_what_is_on_time(void **state)
{
    (void)state;
    begin(5);
    int64_t slot = world.now_ms / SLOT_MS * SLOT_MS;
    for (uint32_t i = 0; i < 100; i++)
        world_append(slot - 2000 + (int64_t)prng_upto(&world.seed, 1900), 10, false);
    for (uint32_t i = 0; i < 100; i++)
        world_append(slot + (int64_t)i, 10, false);
    world.now_ms = slot + 200;
    open_hand(1 << 20, true);
    struct list fresh = {0};
    world.clock.now_ms = world.now_ms;
    for (uint32_t i = 0; i < 60; i++) {
        world.read = 1000;
        hand_take(&hand, (uint64_t)(world.now_ms + i * 100) * NS_PER_MS, &world.clock, 0, &fresh);
    }
    assert_int_equal(hand.loaded, 200);
    turn();
    uint32_t late = 0;
    int64_t last = 0;
    for (uint32_t i = 0; i < out_count; i++) {
        struct world_log *log = &world.logs[hand.partitions[out[i]->source_partition].partition];
        int64_t due = log->records[out[i]->offset].due_ms;
        if (due >= slot)
            continue;
        late++;
        assert_true(due / SLOT_MS >= last / SLOT_MS);
        last = due;
    }
    assert_int_equal(out_count, JOBS - JOBS / 8);
    assert_int_equal(late, out_count / 2);
    end_all(true);
    finish();
}

static void many_foreign_waiters_hold_back_firing_and_not_reading(void **state)
{
    (void)state;
    begin(6);
    for (uint32_t i = 0; i < 200; i++)
        world_append(world.now_ms + 1100, 10, false);
    open_hand(1 << 20, true);
    while (world.now_ms < 1001200 || out_count == 0) {
        world.read = 200;
        turn();
        world.now_ms += 10;
    }
    for (uint32_t i = 0; i < out_count; i++)
        hand_wait(&hand, out[i], true);
    struct event *waiting[JOBS];
    uint32_t count = out_count;
    memcpy(waiting, out, sizeof waiting);
    turn();
    assert_int_equal(out_count, count);
    for (uint32_t i = 0; i < count; i++)
        hand_wait(&hand, waiting[i], false);
    run_ms(3000, 10);
    assert_true(all_closed());
    finish();
}

static void a_step_back_fires_nothing_early(void **state)
{
    (void)state;
    begin(7);
    for (uint32_t i = 0; i < 300; i++)
        world_append(world.now_ms + 500 + (int64_t)prng_upto(&world.seed, 1400), 10, false);
    open_hand(1 << 20, true);
    run_ms(1000, 10);
    world.now_ms -= 600000;
    world.stepped_ms += 600000;
    for (uint32_t i = 0; i < 1000; i++, world.now_ms += 10) {
        world.read = 50;
        turn();
        assert_int_equal(out_count, 0);
    }
    world.now_ms += 600000;
    world.stepped_ms -= 600000;
    run_ms(4000, 10);
    assert_true(all_closed());
    finish();
}

static void revoked_partitions_end_with_their_last_commit(void **state)
{
    (void)state;
    begin(8);
    for (uint32_t i = 0; i < 100; i++)
        world_append(world.now_ms + 500 + (int64_t)prng_upto(&world.seed, 1000), 10, false);
    open_hand(1 << 20, true);
    run_ms(900, 10);
    struct event *of_events = event_open(&jobs, &(struct record){0}); /* the other group's */
    assert_non_null(of_events);
    world.revoke = true;
    turn();
    assert_true(hand_revoked(&hand));
    assert_false(hand_revoked(&hand));
    assert_false(of_events->revoked);
    assert_true(job_close(&jobs, job_of_sibling(of_events->jobs.first)));
    event_close(&jobs, of_events);
    for (uint32_t i = 0; i < 500 && world.owned; i++, world.now_ms += 10) {
        turn();
        end_all(true);
    }
    assert_false(world.owned);
    int64_t known = 0;
    for (uint32_t i = 0; i < WORLD_PARTITIONS; i++)
        known += world.logs[i].metadata_size > 0;
    assert_true(known > 0);
    forget_life();
    world.assign = true;
    run_ms(3000, 10);
    assert_true(all_closed());
    finish();
}

/* Of two partitions every second record is due, fired and acknowledged; then a kill. How many
 * of those fire again. */
static uint32_t fired_again(uint64_t seed, bool with_hints, bool begun_anew)
{
    uint32_t again = 0, due = 0;
    begin(seed);
    with_redis = with_hints;
    int64_t slot_ms = world.now_ms + SLOT_MS;
    for (uint32_t i = 0; i < 7600; i++)
        world_append(slot_ms + 300, 10, false);
    for (uint32_t i = 0; i < WORLD_PARTITIONS; i++)
        for (int64_t o = 0; o < world.logs[i].count; o += 2)
            world.logs[i].records[o].due_ms = slot_ms + SLOT_MS - 1;
    world.now_ms += 600;
    open_hand(4 << 20, true);
    for (uint32_t i = 0; i < 1300; i++, world.now_ms++) {
        world.read = 300;
        world_answer_redis(false);
        turn();
        end_all(true);
    }
    for (uint32_t i = 0; i < WORLD_PARTITIONS; i++)
        for (int64_t o = 0; o < world.logs[i].count; o++)
            due += world.logs[i].records[o].closed;
    assert_int_equal(due, 3800);
    if (begun_anew) /* as if a new log had another name */
        for (uint32_t i = 0; i < WORLD_PARTITIONS; i++)
            if (world.logs[i].metadata_size > 0)
                world.logs[i].metadata[world.logs[i].metadata_size - 1] ^= 1;
    kill_hand(4 << 20, true);
    for (uint32_t i = 0; i < 5000; i++, world.now_ms++) {
        world.read = 300;
        world_answer_redis(false);
        turn();
        end_all(true);
    }
    for (uint32_t i = 0; i < WORLD_PARTITIONS; i++)
        for (int64_t o = 1; o < world.logs[i].count; o += 2)
            again += world.logs[i].records[o].fired;
    assert_true(all_closed());
    finish();
    return again;
}

static void a_hint_spares_the_replays_that_a_commit_has_no_room_for(void **state)
{
    (void)state;
    assert_int_equal(fired_again(9, true, false), 0);
    assert_true(fired_again(9, false, false) > 300);
    assert_true(fired_again(9, true, true) > 300);
}

/* Everything at once, by a seed. */
static void step(uint64_t memory)
{
    if (prng_upto(&world.seed, 20) == 0)
        world_answer_redis(true);
    world.read = (uint32_t)prng_upto(&world.seed, 300);
    if (prng_upto(&world.seed, 400) == 0)
        world.clock.held = !world.clock.held;
    if (prng_upto(&world.seed, 40) == 0)
        world.clock.held = false;
    world.clock.agreed = !world.clock.held;
    if (prng_upto(&world.seed, 4) == 0)
        for (uint64_t i = prng_upto(&world.seed, 8); i > 0; i--)
            world_append(world.now_ms + 100 + (int64_t)prng_upto(&world.seed, 1900),
                         (uint32_t)prng_upto(&world.seed, 3000), prng_upto(&world.seed, 50) == 0);
    turn();
    if (hand_revoked(&hand))
        end_all(prng_upto(&world.seed, 2) == 0);
    while (out_count > 0 && prng_upto(&world.seed, 3) != 0)
        end_event((uint32_t)prng_upto(&world.seed, out_count), true);
    for (uint32_t i = 0; i < hand.partition_count; i++)
        if (hand.partitions[i].started)
            ring_reader_validate(&hand.partitions[i].reader);
    uint64_t what = prng_upto(&world.seed, 1500);
    if (what == 0) {
        kill_hand(memory, prng_upto(&world.seed, 2) == 0);
    } else if (what == 1 && world.owned) {
        world.revoke = true;
        world.lost = prng_upto(&world.seed, 3) == 0;
    }
    if (!world.owned && !world.assign) {
        forget_life();
        world.assign = true;
    }
    world.now_ms += (int64_t)prng_upto(&world.seed, 40);
}

static void whatever_happens_each_fires_once_a_life_and_none_is_lost(void **state)
{
    (void)state;
    uint32_t seeds = 40;
    for (uint64_t seed = 100; seed < 100 + seeds; seed++) {
        uint64_t memory = seed % 2 ? 64 * 1024 : 4 << 20;
        begin(seed);
        with_redis = seed % 3 != 0;
        open_hand(memory, true);
        for (uint32_t i = 0; i < 3000; i++)
            step(memory);
        world.clock.held = false;
        world.clock.agreed = true;
        world.revoke = false;
        for (uint32_t i = 0; i < 4000 && !all_closed(); i++) {
            if (!world.owned && !world.assign) {
                forget_life();
                world.assign = true;
            }
            world.read = 300;
            world_answer_redis(true);
            turn();
            if (hand_revoked(&hand))
                end_all(true);
            end_all(true);
            world.now_ms += 10;
        }
        if (!all_closed())
            fail_msg("seed %llu lost a record", (unsigned long long)seed);
        finish();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_fires_at_its_time_and_is_committed),
        cmocka_unit_test(what_is_no_deferral_fires_at_once),
        cmocka_unit_test(an_older_generations_records_tell_its_geometry),
        cmocka_unit_test(of_a_later_slot_only_the_first_records_are_read_before_its_time),
        cmocka_unit_test(more_than_the_cache_holds_is_read_in_passes),
        cmocka_unit_test(left_overs_go_by_slot_then_expiry_and_leave_half_to_what_is_on_time),
        cmocka_unit_test(many_foreign_waiters_hold_back_firing_and_not_reading),
        cmocka_unit_test(a_step_back_fires_nothing_early),
        cmocka_unit_test(revoked_partitions_end_with_their_last_commit),
        cmocka_unit_test(a_hint_spares_the_replays_that_a_commit_has_no_room_for),
        cmocka_unit_test(whatever_happens_each_fires_once_a_life_and_none_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
