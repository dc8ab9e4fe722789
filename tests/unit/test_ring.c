/* The ring's geometry by hand-made cases, and as properties over random rings. */
#include "base/prng.h"
#include "domain/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define HOUR INT64_C(3600000)
#define DAY TIME_DAY_MS
#define NOW (INT64_C(20000) * DAY + 10 * HOUR) /* some day at 10:00 */

static const struct ring standard = {96, HOUR / 2, 4};
static const struct ring_plan plan = {{96, HOUR / 2, 4}, 4, 2000};

static void a_header_says_a_ring_in_one_form_only(void **state)
{
    (void)state;
    char text[RING_TEXT_MAX];
    struct writer w = writer_of(text, sizeof(text));
    struct ring read;
    ring_write(&w, &standard);
    assert_true(bytes_equal(writer_bytes(&w), BYTES("96/1800000/4")));
    assert_int_equal(ring_parse(writer_bytes(&w), &read), ERR_OK);
    assert_int_equal(read.slots, 96);
    assert_int_equal(read.slot_ms, HOUR / 2);
    assert_int_equal(read.spread, 4);
    static const char *const bad[] = {"",
                                      "96",
                                      "96/1800000",
                                      "96/1800000/4/",
                                      "3/1000/1",
                                      "96/0/4",
                                      "96/1000/0",
                                      "096/1000/4",
                                      "-96/1/1",
                                      "96/1 /4",
                                      "65536/1000/2",
                                      "96/1000/4294967300",
                                      "9e1/1/1",
                                      "/1/1",
                                      "96//4",
                                      "96/1800000/",
                                      "4/99999999999999/1"};
    for (uint32_t i = 0; i < countof(bad); i++)
        assert_int_equal(ring_parse(bytes_of(bad[i]), &read), ERR_INVALID);
}

static void the_window_of_admission_keeps_two_slots_clear(void **state)
{
    (void)state;
    int64_t reach = 94 * standard.slot_ms;
    assert_false(ring_admits(&standard, NOW, 2000, NOW + 1999));
    assert_true(ring_admits(&standard, NOW, 2000, NOW + 2000));
    assert_true(ring_admits(&standard, NOW, 2000, NOW + reach - 1));
    assert_false(ring_admits(&standard, NOW, 2000, NOW + reach));
    assert_int_equal(ring_admits_from_ms(&standard, NOW + reach - 1), NOW);
}

/* Whatever is admitted is written after the reading time of the cycle before it, and
 * before its own slot is over. */
static void what_is_admitted_meets_no_other_cycle(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (uint32_t i = 0; i < 100000; i++) {
        struct ring ring = {4 + (uint32_t)prng_upto(&seed, 200),
                            1 + (int64_t)prng_upto(&seed, 5000), 1 + (uint32_t)prng_upto(&seed, 5)};
        int64_t now = NOW + (int64_t)prng_upto(&seed, 100000);
        int64_t due = now + (int64_t)prng_upto(&seed, (uint32_t)(ring.slots * ring.slot_ms + 9));
        int64_t lead = (int64_t)prng_upto(&seed, (uint32_t)ring.slot_ms);
        if (!ring_admits(&ring, now, 1, due))
            continue;
        int64_t slot = ring_slot_of(&ring, due);
        assert_true(ring_slot_start_ms(&ring, slot) <= due && due < ring_slot_end_ms(&ring, slot));
        int32_t partition = ring_partition(&ring, due, BYTES("event"));
        assert_true(partition >= 0 && (uint32_t)partition < ring_partitions(&ring));
        uint32_t index = ring_slot_index(&ring, partition);
        assert_true(now >= ring_read_until_ms(&ring, slot - ring.slots));
        int64_t cycle = ring_cycle_at(&ring, index, lead, now);
        assert_true(cycle == slot || cycle == slot - ring.slots);
        assert_int_equal(ring_cycle_at(&ring, index, lead, due), slot);
        assert_true(ring_slot_start_ms(&ring, cycle) - lead <= now);
        assert_true(ring_slot_start_ms(&ring, cycle + ring.slots) - lead > now);
    }
}

static void a_slot_is_spread_over_its_partitions(void **state)
{
    (void)state;
    uint32_t count[4] = {0};
    for (uint32_t i = 0; i < 4000; i++) {
        char id[16];
        struct writer w = writer_of(id, sizeof(id));
        write_text(&w, "e-");
        write_u64(&w, i);
        int32_t p = ring_partition(&standard, NOW, writer_bytes(&w));
        assert_int_equal(ring_slot_index(&standard, p), 20000 * 48 % 96 + 20);
        count[p % 4]++;
    }
    for (uint32_t i = 0; i < 4; i++)
        assert_in_range(count[i], 900, 1100);
}

static struct ring_place placed(int64_t due_ms, int64_t far_day)
{
    return ring_place(&plan, NOW, due_ms, BYTES("event"), far_day);
}

static void a_deferral_goes_to_the_wheel_the_ring_or_its_day(void **state)
{
    (void)state;
    assert_int_equal(placed(NOW - DAY, RING_NO_CYCLE).where, RING_HOLD);
    assert_int_equal(placed(NOW + 1999, RING_NO_CYCLE).where, RING_HOLD);
    struct ring_place near = placed(NOW + 2000, RING_NO_CYCLE);
    assert_int_equal(near.where, RING_NEAR);
    assert_int_equal(near.due_ms, NOW + 2000);
    assert_int_equal(near.slot_end_ms, NOW + HOUR / 2);
    assert_int_equal(placed(NOW + 47 * HOUR - 1, RING_NO_CYCLE).where, RING_NEAR);
    struct ring_place far = placed(NOW + 47 * HOUR, RING_NO_CYCLE);
    assert_int_equal(far.where, RING_FAR);
    assert_int_equal(far.partition / 4, 20002 % 32);
    assert_int_equal(far.slot_end_ms, 20003 * DAY);
}

static void beyond_thirty_days_it_is_the_last_permitted_day_and_again(void **state)
{
    (void)state;
    int64_t due = NOW + 75 * DAY, now = NOW, hops = 0;
    struct ring_place place = ring_place(&plan, now, due, BYTES("event"), RING_NO_CYCLE);
    while (place.where == RING_FAR) {
        int64_t day = place.due_ms / DAY;
        assert_true(place.due_ms <= due && place.due_ms < now + 30 * DAY);
        assert_true(place.due_ms == due || day == (now + 30 * DAY - 1) / DAY);
        now = day * DAY - RING_FAR_LEAD_MS; /* its reading begins */
        place = ring_place(&plan, now, due, BYTES("event"), day);
        assert_true(++hops < 5);
    }
    assert_int_equal(hops, 3);
    assert_int_equal(place.where, RING_NEAR);
    assert_int_equal(place.due_ms, due);
}

static void what_no_ring_takes_yet_stays_in_the_day_it_is_in(void **state)
{
    (void)state;
    struct ring_plan small = {{4, 1000, 1}, 1, 100};
    int64_t due = NOW + 5 * HOUR;
    assert_int_equal(ring_place(&small, NOW, due, BYTES("e"), 20000).where, RING_STAY);
    assert_int_equal(ring_place(&small, NOW, due, BYTES("e"), RING_NO_CYCLE).where, RING_FAR);
    int64_t from = ring_admits_from_ms(&small.ring, due);
    assert_int_equal(ring_place(&small, from - 1, due, BYTES("e"), 20000).where, RING_STAY);
    assert_int_equal(ring_place(&small, from, due, BYTES("e"), 20000).where, RING_NEAR);
    assert_int_equal(ring_place(&small, due, due, BYTES("e"), 20000).where, RING_HOLD);
}

static void an_acknowledgement_counts_before_its_slots_end_by_a_clock_that_is_not_held(void **state)
{
    (void)state;
    assert_true(ring_ack_counts(1000, &(struct ring_clock){.now_ms = 999}));
    assert_false(ring_ack_counts(1000, &(struct ring_clock){.now_ms = 1000}));
    assert_false(ring_ack_counts(1000, &(struct ring_clock){.now_ms = 5, .held = true}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_says_a_ring_in_one_form_only),
        cmocka_unit_test(the_window_of_admission_keeps_two_slots_clear),
        cmocka_unit_test(what_is_admitted_meets_no_other_cycle),
        cmocka_unit_test(a_slot_is_spread_over_its_partitions),
        cmocka_unit_test(a_deferral_goes_to_the_wheel_the_ring_or_its_day),
        cmocka_unit_test(beyond_thirty_days_it_is_the_last_permitted_day_and_again),
        cmocka_unit_test(what_no_ring_takes_yet_stays_in_the_day_it_is_in),
        cmocka_unit_test(
            an_acknowledgement_counts_before_its_slots_end_by_a_clock_that_is_not_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
