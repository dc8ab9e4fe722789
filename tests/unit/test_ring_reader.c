#include "ring_explore.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static uint64_t passed, finished, late, resent, spared;

static void explored(const struct bounds *bounds)
{
    struct explorer *e = explore(bounds);
    print_message("  %s: %llu states, %llu steps\n", bounds->name,
                  (unsigned long long)e->seen.count, (unsigned long long)e->step_count);
    if (e->violation)
        print_message("%s\n", e->trace);
    assert_null(e->violation);
    assert_true(e->sends > 0);
#ifndef DEBUG_CHECKS /* sanitizers see a part of it */
    assert_false(e->seen.full);
#endif
    passed += e->passed;
    finished += e->finished;
    late += e->late;
    resent += e->resent;
    spared += e->spared;
    explorer_free(e);
}

/* Into the second cycle: from the end of the first one's time to the second one's end. */
static const int16_t both_cycles[] = {7, 12, 14, 18, 21, 24, 0};

static const int16_t late_times[] = {14, 18, 21, 24, 28, 0};

static void what_is_deferred_is_sent_once_and_in_time(void **state)
{
    (void)state;
    explored(&(struct bounds){.name = "two messages", .dues = {6, 7}});
    explored(&(struct bounds){.name = "a clock ahead", .dues = {6, 7}, .skewed = true});
}

static void kills_and_hand_overs_lose_nothing(void **state)
{
    (void)state;
    explored(&(struct bounds){.name = "two kills", .dues = {6}, .kills = 2});
    explored(
        &(struct bounds){.name = "a kill and a hand-over", .dues = {6}, .kills = 1, .hands = 1});
    explored(&(struct bounds){.name = "a kill and a stall", .dues = {6}, .kills = 1, .stalls = 1});
    explored(&(struct bounds){.name = "lost commits", .dues = {6}, .kills = 1, .commit_losses = 2});
    explored(
        &(struct bounds){.name = "a kill, clocks apart", .dues = {6}, .kills = 1, .skewed = true});
}

static void late_and_lost_acknowledgements_lose_nothing(void **state)
{
    (void)state;
    explored(&(struct bounds){.name = "lost and late", .dues = {6}, .losses = 2, .lates = 1});
    explored(&(struct bounds){
        .name = "late and a kill", .dues = {6}, .losses = 1, .lates = 1, .kills = 1});
}

static void a_record_is_deferred_again_into_this_cycle_or_the_next(void **state)
{
    (void)state;
    explored(&(struct bounds){
        .name = "into the current", .dues = {5}, .defers = 1, .defer_to = 7, .kills = 1});
    explored(&(struct bounds){
        .name = "into the current, lost", .dues = {5}, .defers = 1, .defer_to = 7, .losses = 1});
    explored(&(struct bounds){.name = "into the next",
                              .dues = {6},
                              .defers = 1,
                              .defer_to = 21,
                              .kills = 1,
                              .times = both_cycles});
}

static void the_next_cycle_is_passed_over_and_comes_back(void **state)
{
    (void)state;
    explored(&(struct bounds){.name = "wrap-around", .dues = {6, 21}, .times = both_cycles});
    explored(&(struct bounds){
        .name = "wrap-around and a kill", .dues = {6, 21}, .kills = 1, .times = both_cycles});
    explored(&(struct bounds){
        .name = "wrap-around and a hand-over", .dues = {6, 21}, .hands = 1, .times = both_cycles});
}

/* Peeking for the first time ends at the next cycle's first record. */
static void what_was_jumped_over_comes_back(void **state)
{
    (void)state;
    explored(&(struct bounds){.name = "both in the next cycle, a kill",
                              .dues = {21, 22},
                              .losses = 1,
                              .kills = 1,
                              .net = true,
                              .times = both_cycles});
}

static void two_generations_are_served(void **state)
{
    (void)state;
    explored(&(struct bounds){.name = "two generations",
                              .dues = {6},
                              .defers = 1,
                              .defer_to = 21,
                              .second = true,
                              .times = both_cycles});
    explored(&(struct bounds){.name = "two generations and a kill",
                              .dues = {21},
                              .second = true,
                              .kills = 1,
                              .times = late_times});
}

static void a_wrong_clock_is_held(void **state)
{
    (void)state;
    explored(&(struct bounds){.name = "a step", .dues = {6}, .steps = 1});
    explored(&(struct bounds){.name = "a step and a kill", .dues = {6}, .steps = 1, .kills = 1});
}

static void a_server_that_leaps_on_and_back_loses_nothing(void **state)
{
    (void)state;
    explored(&(struct bounds){.name = "leaps", .dues = {6, 7}, .leaps = 2, .prompt = true});
    explored(&(struct bounds){.name = "leaps, a kill, end offsets compared",
                              .dues = {6},
                              .leaps = 2,
                              .kills = 1,
                              .net = true});
}

static void what_a_hint_says_loses_nothing(void **state)
{
    (void)state;
    uint64_t before = spared;
    static const int16_t short_times[] = {6, 7, 12, 0};
    explored(&(struct bounds){
        .name = "a hint and a kill", .dues = {6, 7}, .hints = 1, .kills = 1, .times = short_times});
    explored(&(struct bounds){
        .name = "hints, lost commits", .dues = {6}, .hints = 2, .kills = 2, .commit_losses = 1});
    explored(&(struct bounds){.name = "hints and a stall", .dues = {6}, .hints = 2, .stalls = 1});
    explored(&(struct bounds){.name = "a topic made anew",
                              .dues = {6, 7},
                              .hints = 1,
                              .hands = 1,
                              .anews = 1,
                              .times = short_times});
#ifndef DEBUG_CHECKS
    assert_true(spared > before);
#else
    (void)before;
#endif
}

static void the_bounds_reach_what_they_are_for(void **state)
{
    (void)state;
    assert_true(passed > 0 && finished > 0 && late > 0 && resent > 0);
}

/* --- single rules ------------------------------------------------------------------- */

static const struct ring_clock in_slot = {.now_ms = 6, .agreed = true};

static void start(struct ring_reader *r, uint64_t bits[2], int64_t committed, const char *metadata)
{
    ring_reader_init(
        r, &(struct ring_reader_options){
               .ring = model_rings[0], .partition = 1, .lead_ms = LEAD, .bits = bits, .words = 1});
    ring_reader_assigned(
        r, &in_slot,
        &(struct ring_reader_start){.committed = committed, .metadata = bytes_of(metadata)});
}

static void records_of_an_older_pass_are_not_heard(void **state)
{
    (void)state;
    struct ring_reader r;
    uint64_t bits[2];
    start(&r, bits, 0, "");
    struct ring_reader_action a = ring_reader_next(&r, &in_slot);
    assert_int_equal(a.what, RING_READER_DO_READ);
    assert_int_equal(ring_reader_seen(&r, a.pass, 0, 22), RING_READER_PASS);
    ring_reader_turn(&r, &(struct ring_clock){.now_ms = 18, .agreed = true});
    assert_int_equal(ring_reader_seen(&r, a.pass, 1, 6), RING_READER_SKIP);
    struct ring_reader_action again = ring_reader_next(&r, &in_slot);
    assert_int_equal(again.what, RING_READER_DO_READ);
    assert_int_equal(again.from, 0);
    assert_int_equal(ring_reader_seen(&r, again.pass, 0, 22), RING_READER_LOAD);
    assert_int_equal(ring_reader_seen(&r, again.pass, 1, 6), RING_READER_LOAD);
    ring_reader_validate(&r);
}

static const struct ring_clock over = {.now_ms = 14, .agreed = true};

/* Peeked for the first time, met a record of the next cycle at 0, and rests before `end`. */
static void start_resting(struct ring_reader *r, uint64_t bits[2], int64_t end)
{
    ring_reader_init(
        r, &(struct ring_reader_options){
               .ring = model_rings[0], .partition = 1, .lead_ms = LEAD, .bits = bits, .words = 1});
    ring_reader_assigned(r, &over, &(struct ring_reader_start){.end = -1});
    struct ring_reader_action a = ring_reader_next(r, &over);
    assert_int_equal(a.what, RING_READER_DO_READ);
    assert_int_equal(ring_reader_next(r, &over).what, RING_READER_DO_ASK);
    assert_int_equal(ring_reader_seen(r, a.pass, 0, 22), RING_READER_PASS);
    assert_int_equal(ring_reader_next(r, &over).what, RING_READER_DO_STOP);
    assert_int_equal(r->state, RING_READER_PEEKING); /* the end is not known yet */
    ring_reader_end(r, &(struct ring_asked){over, r->entry}, end);
    ring_reader_turn(r, &over);
    assert_int_equal(r->state, RING_READER_RESTING);
}

/* The net: one more record lies behind the end. */
static struct ring_reader_action peek_again(struct ring_reader *r, int64_t end)
{
    ring_reader_end(r, &(struct ring_asked){over, r->entry}, end);
    struct ring_reader_action a = ring_reader_next(r, &over);
    assert_int_equal(a.what, RING_READER_DO_READ);
    return a;
}

static void what_a_first_peek_jumped_over_is_not_done(void **state)
{
    (void)state;
    struct ring_reader r;
    uint64_t bits[2];
    start_resting(&r, bits, 3);
    struct ring_reader_action a = peek_again(&r, 4);
    assert_int_equal(a.from, 3);
    assert_int_equal(ring_reader_seen(&r, a.pass, 3, 22), RING_READER_PASS);
    const struct ring_clock next = {.now_ms = 18, .agreed = true};
    ring_reader_turn(&r, &next);
    a = ring_reader_next(&r, &next);
    assert_int_equal(a.from, 0);
    for (int64_t o = 0; o < 4; o++)
        assert_int_equal(ring_reader_seen(&r, a.pass, o, 22), RING_READER_LOAD);
    ring_reader_validate(&r);
}

static void a_late_writer_s_record_behind_a_jump_is_read_with_what_lies_before_it(void **state)
{
    (void)state;
    struct ring_reader r;
    uint64_t bits[2];
    start_resting(&r, bits, 3);
    struct ring_reader_action a = peek_again(&r, 4);
    assert_int_equal(ring_reader_seen(&r, a.pass, 3, 6), RING_READER_SKIP);
    a = ring_reader_next(&r, &over);
    assert_int_equal(a.what, RING_READER_DO_READ);
    assert_int_equal(a.from, 0);
    for (int64_t o = 0; o < 3; o++) /* all of them this time */
        assert_int_equal(ring_reader_seen(&r, a.pass, o, 22), RING_READER_PASS);
    assert_int_equal(ring_reader_seen(&r, a.pass, 3, 6), RING_READER_LOAD);
    ring_reader_validate(&r);
}

static void a_clock_that_goes_back_into_the_cycle_s_time_reads_what_was_jumped_over(void **state)
{
    (void)state;
    struct ring_reader r;
    uint64_t bits[2];
    start_resting(&r, bits, 3);
    const struct ring_clock back = {.now_ms = 11, .agreed = true};
    ring_reader_turn(&r, &back);
    assert_int_equal(r.state, RING_READER_TAILING);
    struct ring_reader_action a = ring_reader_next(&r, &back);
    assert_int_equal(a.from, 0);
    assert_int_equal(ring_reader_seen(&r, a.pass, 0, 22), RING_READER_PASS);
    assert_int_equal(ring_reader_seen(&r, a.pass, 1, 6), RING_READER_LOAD);
}

static void a_full_window_grows_with_what_is_loaded(void **state)
{
    (void)state;
    struct ring_reader r;
    uint64_t bits[2], more[8];
    start(&r, bits, 100, "");
    uint32_t pass = ring_reader_next(&r, &in_slot).pass;
    for (int64_t o = 100; o < 164; o++)
        assert_int_equal(ring_reader_seen(&r, pass, o, 6), RING_READER_LOAD);
    assert_int_equal(ring_reader_seen(&r, pass, 164, 6), RING_READER_FULL);
    assert_true(ring_reader_done(&r, r.epoch, 101));
    ring_reader_grow(&r, more, 4);
    assert_int_equal(ring_reader_seen(&r, pass, 164, 6), RING_READER_LOAD);
    ring_reader_validate(&r);
    assert_int_equal(r.loaded_count, 64);
    for (int64_t o = 100; o < 165; o++)
        if (o != 101)
            assert_true(ring_reader_done(&r, r.epoch, o));
    assert_int_equal(r.window.low, 165);
}

static void a_mark_that_cannot_be_is_none(void **state)
{
    (void)state;
    static const char *const none[] = {
        "",         "1|w|",   "1|w||",    "1|w||2", "1|w||x",  "1|w||5",
        "1|w||1|1", "2|w||1", "1|w||--1", "1|w||-", "1|w|!|1", "1|w||99999999999999999999"};
    struct ring_reader r;
    uint64_t bits[2];
    for (uint32_t i = 0; i < countof(none); i++) {
        start(&r, bits, 0, none[i]);
        assert_true(r.finished == RING_NO_CYCLE);
    }
    start(&r, bits, 0, "1|w||-3");
    assert_int_equal(r.finished, -3);
    start(&r, bits, 0, "1|w||1"); /* its own time is not over: owed again */
    assert_int_equal(r.finished, -3);
}

static void nothing_counts_after_the_partition_went(void **state)
{
    (void)state;
    struct ring_reader r;
    uint64_t bits[2];
    char text[RING_READER_METADATA_MAX];
    struct writer w = writer_of(text, sizeof(text));
    start(&r, bits, 0, "");
    uint32_t pass = ring_reader_next(&r, &in_slot).pass, epoch = r.epoch;
    assert_int_equal(ring_reader_seen(&r, pass, 0, 6), RING_READER_LOAD);
    assert_int_equal(ring_reader_seen(&r, pass, 1, 6), RING_READER_LOAD);
    assert_true(ring_reader_may_fire(&r, &in_slot, 6));
    assert_true(ring_reader_done(&r, epoch, 0));
    ring_reader_revoked(&r);
    assert_false(ring_reader_may_fire(&r, &in_slot, 6));
    assert_int_equal(ring_reader_next(&r, &in_slot).what, RING_READER_DO_STOP);
    assert_false(ring_reader_has_left(&r));
    assert_int_equal(ring_reader_commit(&r, BYTES("w"), &w), 1);
    assert_false(ring_reader_has_left(&r));
    ring_reader_committed(&r, epoch, true);
    assert_true(ring_reader_has_left(&r));
    ring_reader_off(&r);
    assert_false(ring_reader_done(&r, epoch, 1));
    assert_int_equal(r.window.low, 1);
}

static void what_comes_after_the_end_is_not_heard(void **state)
{
    (void)state;
    struct ring_reader r;
    uint64_t bits[2];
    start(&r, bits, 0, "");
    uint32_t pass = ring_reader_next(&r, &in_slot).pass, epoch = r.epoch;
    assert_int_equal(ring_reader_seen(&r, pass, 0, 6), RING_READER_LOAD);
    ring_reader_reached(&r, pass + 1, 9); /* of another pass */
    assert_int_equal(r.next, 1);
    ring_reader_reached(&r, pass, 3);
    assert_int_equal(r.next, 3);
    assert_false(ring_reader_done(&r, epoch + 1, 0));
    ring_reader_committed(&r, epoch + 1, false);
    assert_false(r.commit_due);
    ring_reader_revoked(&r);
    ring_reader_turn(&r, &in_slot);
    assert_true(r.state == RING_READER_LEAVING);
    ring_reader_reached(&r, pass, 7);
    assert_int_equal(r.next, 3);
    assert_int_not_equal(ring_reader_seen(&r, pass, 7, 6), RING_READER_LOAD);
    ring_reader_off(&r);
    ring_reader_turn(&r, &in_slot);
    assert_true(r.state == RING_READER_OFF);
    assert_false(ring_reader_may_fire(&r, &in_slot, 6));
    assert_false(ring_reader_done(&r, r.epoch, 0));
    ring_reader_committed(&r, r.epoch, false);
    assert_false(r.commit_due);
}

static void no_cycle_is_finished_before_the_clock_is_agreed(void **state)
{
    (void)state;
    struct ring_reader r;
    uint64_t bits[2];
    start(&r, bits, 0, "");
    struct ring_clock after = {.now_ms = 13};
    assert_int_equal(ring_reader_next(&r, &in_slot).what, RING_READER_DO_READ);
    ring_reader_turn(&r, &after);
    assert_int_equal(ring_reader_next(&r, &after).what, RING_READER_DO_NOTHING);
    after.agreed = true;
    assert_int_equal(ring_reader_next(&r, &after).what, RING_READER_DO_ASK);
    struct ring_asked asked = ring_reader_asks(&r, &after);
    ring_reader_end(&r, &asked, 0);
    ring_reader_turn(&r, &(struct ring_clock){.now_ms = 13});
    assert_true(r.finished == RING_NO_CYCLE);
    ring_reader_turn(&r, &after);
    assert_int_equal(r.finished, 1);
}

#define LOG_NAME "00000000000000aa"

/* Record 1 done by the commit (open 1, done 1); what a hint adds. */
static struct ring_reader hinted(uint64_t bits[2], const char *metadata, const char *hint,
                                 int64_t end)
{
    struct ring_reader r;
    const struct ring_reader_start start = {.committed = 100,
                                            .metadata = bytes_of(metadata),
                                            .log = 7,
                                            .hint = bytes_of(hint),
                                            .end = end};
    ring_reader_init(
        &r, &(struct ring_reader_options){
                .ring = model_rings[0], .partition = 1, .lead_ms = LEAD, .bits = bits, .words = 1});
    assert_int_equal(ring_reader_words(&start), 1);
    ring_reader_assigned(&r, &in_slot, &start);
    ring_reader_validate(&r);
    return r;
}

static bool is_skipped(struct ring_reader *r, int64_t offset)
{
    uint32_t pass = ring_reader_next(r, &in_slot).pass;
    return ring_reader_seen(r, pass, offset, 6) == RING_READER_SKIP;
}

static void a_hint_adds_what_is_done_to_what_the_commit_says(void **state)
{
    (void)state;
    uint64_t bits[2];
    /* from 90 on: open 15 (to 104), done 1 (105) */
    struct ring_reader r = hinted(bits, "1|w|AQE||" LOG_NAME, "1|" LOG_NAME "|90|DwE", 106);
    assert_int_equal(r.window.low, 100);
    assert_false(r.commit_due);
    assert_true(r.log == 0xaa);
    assert_false(is_skipped(&r, 100));
    assert_true(is_skipped(&r, 101));
    assert_false(is_skipped(&r, 104));
    assert_true(is_skipped(&r, 105));
    assert_false(is_skipped(&r, 106));
    /* all before 103, and 104 */
    r = hinted(bits, "1|w|AQE||" LOG_NAME, "1|" LOG_NAME "|103|AQE", 106);
    assert_int_equal(r.window.low, 103);
    assert_true(r.commit_due);
    assert_int_equal(ring_reader_next(&r, &in_slot).from, 103);
    assert_false(is_skipped(&r, 103));
    assert_true(is_skipped(&r, 104));
    assert_false(is_skipped(&r, 105));
}

static void a_hint_that_cannot_be_is_none(void **state)
{
    (void)state;
    static const char *const none[] = {
        "",
        "1",
        "2|" LOG_NAME "|103|AQE",
        "1|00000000000000ab|103|AQE", /* of another log */
        "1|00000000000000AA|103|AQE",
        "1|aa|103|AQE",
        "1|" LOG_NAME "|103",
        "1|" LOG_NAME "||AQE",
        "1|" LOG_NAME "|-1|AQE",
        "1|" LOG_NAME "|103|A",
        "1|" LOG_NAME "|103|A!",
        "1|" LOG_NAME "|103|AAE", /* an empty run */
        "1|" LOG_NAME "|103|AQ",  /* half a pair */
        "1|" LOG_NAME "|105|AQE", /* beyond the end: of a log that lost its tail */
        "1|" LOG_NAME "|107|",    /* the same */
        "1|" LOG_NAME "|99999999999999999999|AQE",
        "1|" LOG_NAME "|90|", /* older than the commit */
    };
    uint64_t bits[2];
    for (uint32_t i = 0; i < countof(none); i++) {
        struct ring_reader r = hinted(bits, "1|w|AQE||" LOG_NAME, none[i], 106);
        assert_int_equal(r.window.low, 100);
        assert_int_equal(r.window.end, 102);
        assert_false(r.commit_due);
    }
    static const char *const nameless[] = {"", "1|w|AQE", "1|w|AQE|1", "1|w|AQE||aa",
                                           ("1|w|!||" LOG_NAME)};
    for (uint32_t i = 0; i < countof(nameless); i++) {
        struct ring_reader_start start = {.metadata = bytes_of(nameless[i]), .end = 106};
        struct ring_reader r;
        ring_reader_init(
            &r,
            &(struct ring_reader_options){
                .ring = model_rings[0], .partition = 1, .lead_ms = LEAD, .bits = bits, .words = 1});
        start.hint = BYTES("1|0000000000000000|3|");
        start.log = 7;
        ring_reader_assigned(&r, &in_slot, &start);
        assert_int_equal(r.window.low, 0);
    }
    struct ring_reader r = hinted(bits, "1|w|AQE||" LOG_NAME, "1|" LOG_NAME "|103|", -1);
    assert_int_equal(r.window.low, 100); /* the end is not known */
}

static void a_log_keeps_the_name_that_its_first_commit_gave_it(void **state)
{
    (void)state;
    uint64_t bits[2];
    char text[RING_READER_METADATA_MAX];
    struct writer w = writer_of(text, sizeof text);
    struct ring_reader r = hinted(bits, "1|w|AQE", "", 106);
    assert_true(r.log == 7);
    r.commit_due = true;
    assert_int_equal(ring_reader_commit(&r, BYTES("w"), &w), 100);
    text[w.size] = '\0';
    assert_string_equal(text, "1|w|AQE||0000000000000007");
    r = hinted(bits, text, "1|0000000000000007|103|", 106);
    assert_true(r.log == 7);
    assert_int_equal(r.window.low, 103);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_deferred_is_sent_once_and_in_time),
        cmocka_unit_test(kills_and_hand_overs_lose_nothing),
        cmocka_unit_test(late_and_lost_acknowledgements_lose_nothing),
        cmocka_unit_test(a_record_is_deferred_again_into_this_cycle_or_the_next),
        cmocka_unit_test(the_next_cycle_is_passed_over_and_comes_back),
        cmocka_unit_test(what_was_jumped_over_comes_back),
        cmocka_unit_test(two_generations_are_served),
        cmocka_unit_test(a_wrong_clock_is_held),
        cmocka_unit_test(a_server_that_leaps_on_and_back_loses_nothing),
        cmocka_unit_test(what_a_hint_says_loses_nothing),
        cmocka_unit_test(the_bounds_reach_what_they_are_for),
        cmocka_unit_test(records_of_an_older_pass_are_not_heard),
        cmocka_unit_test(what_a_first_peek_jumped_over_is_not_done),
        cmocka_unit_test(a_late_writer_s_record_behind_a_jump_is_read_with_what_lies_before_it),
        cmocka_unit_test(a_clock_that_goes_back_into_the_cycle_s_time_reads_what_was_jumped_over),
        cmocka_unit_test(a_full_window_grows_with_what_is_loaded),
        cmocka_unit_test(a_mark_that_cannot_be_is_none),
        cmocka_unit_test(nothing_counts_after_the_partition_went),
        cmocka_unit_test(what_comes_after_the_end_is_not_heard),
        cmocka_unit_test(no_cycle_is_finished_before_the_clock_is_agreed),
        cmocka_unit_test(a_hint_adds_what_is_done_to_what_the_commit_says),
        cmocka_unit_test(a_hint_that_cannot_be_is_none),
        cmocka_unit_test(a_log_keeps_the_name_that_its_first_commit_gave_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
