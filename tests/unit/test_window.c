/* The completion window against plain sets, over deliveries with gaps, completions in any
 * order, and hand-overs through the commit's metadata. */
#include "base/prng.h"
#include "base/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { OFFSETS = 200000 };

/* One partition as a set sees it. */
struct twin {
    bool there[OFFSETS]; /* a record lies here */
    bool complete[OFFSETS];
    bool open[OFFSETS]; /* delivered in this assignment, not complete */
    int64_t next;       /* the broker goes on here */
    uint32_t open_count;
};

struct run {
    struct twin twin;
    struct window window;
    uint64_t bits[WINDOW_WORDS];
    uint64_t seed;
};

static const struct bytes worker = {"w-1", 3};

static void deliver(struct run *r)
{
    struct twin *t = &r->twin;
    while (t->next < OFFSETS && !t->there[t->next])
        t->next++;
    if (t->next == OFFSETS)
        return;
    int64_t offset = t->next;
    enum err err = window_add(&r->window, offset);
    if (err == ERR_AGAIN) {
        assert_true(offset - r->window.low >= WINDOW_SPAN);
        return;
    }
    assert_int_equal(err, t->complete[offset] ? ERR_NOT_FOUND : ERR_OK);
    if (err == ERR_OK && prng_upto(&r->seed, 50) == 0) { /* there was no room for it */
        window_take_back(&r->window, offset);
        return;
    }
    t->next++;
    if (err == ERR_OK) {
        t->open[offset] = true;
        t->open_count++;
    }
}

static void complete_one(struct run *r, int64_t near)
{
    struct twin *t = &r->twin;
    for (int64_t o = near; o < t->next; o++) {
        if (t->open[o]) {
            window_complete(&r->window, o);
            t->open[o] = false;
            t->complete[o] = true;
            t->open_count--;
            return;
        }
    }
}

/* The partition goes to another worker: it reads the commit and starts there. */
static void hand_over(struct run *r)
{
    char text[WINDOW_METADATA_MAX];
    struct writer w = writer_of(text, sizeof text);
    struct bytes name;
    int64_t low = r->window.low;
    window_encode(&r->window, worker, &w);
    assert_false(w.overflow);
    window_init(&r->window, r->bits, low);
    assert_int_equal(window_decode(&r->window, writer_bytes(&w), &name), ERR_OK);
    assert_true(bytes_equal(name, worker));
    memset(r->twin.open, 0, sizeof r->twin.open);
    r->twin.open_count = 0;
    r->twin.next = low;
    for (int64_t o = low; o < r->window.end; o++) /* compaction, or retention, took some */
        r->twin.there[o] &= prng_upto(&r->seed, 20) != 0;
}

static void check_against_the_twin(const struct run *r)
{
    window_validate(&r->window);
    assert_int_equal(r->window.open_count, r->twin.open_count);
    for (int64_t o = r->window.low - 1; o >= 0 && o > r->window.low - 2000; o--)
        assert_true(!r->twin.there[o] || r->twin.complete[o]); /* nothing is passed over */
    if (r->twin.open_count == 0 && r->window.end == r->window.delivered)
        assert_int_equal(r->window.low, r->window.end); /* nothing is held back */
}

static void run_with(uint64_t seed)
{
    struct run *r = calloc(1, sizeof *r);
    assert_non_null(r);
    r->seed = seed;
    uint64_t gaps = prng_upto(&r->seed, 4), haste = 1 + prng_upto(&r->seed, 40);
    for (int64_t o = 0; o < OFFSETS; o++)
        r->twin.there[o] = gaps == 0 || prng_upto(&r->seed, 10) >= gaps * 3;
    if (gaps == 2) /* and one that is longer than the window */
        memset(r->twin.there + 1000, 0, WINDOW_SPAN + 100);
    window_init(&r->window, r->bits, 0);
    for (int turn = 0; turn < 4000; turn++) {
        for (uint64_t n = prng_upto(&r->seed, 60); n > 0; n--)
            deliver(r);
        for (uint64_t n = prng_upto(&r->seed, haste); n > 0; n--)
            complete_one(r, r->window.low + (int64_t)prng_upto(&r->seed, 900));
        if (prng_upto(&r->seed, 3) == 0)
            complete_one(r, r->window.low);
        if (turn % 100 == 0)
            check_against_the_twin(r);
        if (prng_upto(&r->seed, 500) == 0 && r->window.end - r->window.low < 1500)
            hand_over(r); /* so near that all runs fit */
    }
    while (r->twin.open_count > 0)
        complete_one(r, r->window.low);
    check_against_the_twin(r);
    free(r);
}

static void the_watermark_passes_what_is_complete_and_nothing_else(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 24; seed++)
        run_with(seed);
}

static uint64_t bits[WINDOW_WORDS];

static struct window started_at(int64_t low)
{
    struct window w;
    window_init(&w, bits, low);
    return w;
}

static void a_gap_is_passed_when_the_record_after_it_completes(void **state)
{
    (void)state;
    struct window w = started_at(10);
    assert_int_equal(window_add(&w, 10), ERR_OK);
    assert_int_equal(window_add(&w, 14), ERR_OK);
    window_complete(&w, 10);
    assert_int_equal(w.low, 14);
    window_complete(&w, 14);
    assert_int_equal(w.low, 15);
}

static void a_record_too_far_from_an_open_one_must_wait(void **state)
{
    (void)state;
    struct window w = started_at(0);
    assert_int_equal(window_add(&w, 0), ERR_OK);
    assert_int_equal(window_room(&w), WINDOW_SPAN - 1);
    assert_int_equal(window_add(&w, WINDOW_SPAN), ERR_AGAIN);
    window_validate(&w);
    window_complete(&w, 0);
    assert_int_equal(window_add(&w, WINDOW_SPAN), ERR_OK);
    assert_int_equal(w.low, WINDOW_SPAN);
}

static void a_record_that_was_delivered_or_committed_is_refused(void **state)
{
    (void)state;
    struct window w = started_at(5);
    assert_int_equal(window_add(&w, 4), ERR_INVALID);
    assert_int_equal(window_add(&w, 5), ERR_OK);
    assert_int_equal(window_add(&w, 5), ERR_INVALID);
    assert_int_equal(window_add(&w, WINDOW_OFFSET_MAX), ERR_INVALID);
}

static void completing_what_is_not_open_is_our_own_fault(void **state)
{
    (void)state;
    struct window w = started_at(0);
    assert_int_equal(window_add(&w, 0), ERR_OK);
    window_complete(&w, 0);
    expect_assert_failure(window_complete(&w, 0));
    expect_assert_failure(window_complete(&w, 1));
}

static void metadata_too_long_is_cut_at_a_run_and_never_left_out(void **state)
{
    (void)state;
    struct window w = started_at(0);
    for (int64_t o = 0; o < WINDOW_SPAN; o++)
        assert_int_equal(window_add(&w, o), ERR_OK);
    for (int64_t o = 1; o < WINDOW_SPAN; o += 2)
        window_complete(&w, o);
    char text[WINDOW_METADATA_MAX];
    struct writer out = writer_of(text, sizeof text);
    window_encode(&w, worker, &out);
    assert_false(out.overflow);
    assert_true(out.size > WINDOW_METADATA_MAX - 10);
    w = started_at(0);
    assert_int_equal(window_decode(&w, writer_bytes(&out), NULL), ERR_OK);
    window_validate(&w);
    for (int64_t o = 0; o < w.end; o++)
        assert_int_equal(window_add(&w, o), o % 2 ? ERR_NOT_FOUND : ERR_OK);
    assert_true(w.end > 2900);
}

static void a_name_that_metadata_cannot_hold_is_written_as_it_can(void **state)
{
    (void)state;
    struct window w = started_at(0);
    char name[WINDOW_WORKER_MAX + 20], text[WINDOW_METADATA_MAX];
    memset(name, 'x', sizeof name);
    name[1] = '|';
    struct writer out = writer_of(text, sizeof text);
    window_encode(&w, (struct bytes){name, sizeof name}, &out);
    struct bytes told;
    assert_int_equal(window_decode(&w, writer_bytes(&out), &told), ERR_OK);
    assert_int_equal(told.size, WINDOW_WORKER_MAX);
    assert_true(bytes_equal((struct bytes){told.at, 3}, BYTES("x_x")));
}

static void what_is_done_ahead_of_delivery_stays_in_the_next_commit(void **state)
{
    (void)state;
    struct window w = started_at(0);
    for (int64_t o = 0; o < 100; o++)
        assert_int_equal(window_add(&w, o), ERR_OK);
    for (int64_t o = 50; o < 100; o++)
        window_complete(&w, o);
    char text[WINDOW_METADATA_MAX], again[WINDOW_METADATA_MAX];
    struct writer first = writer_of(text, sizeof text), second = writer_of(again, sizeof again);
    window_encode(&w, worker, &first);
    w = started_at(0);
    assert_int_equal(window_decode(&w, writer_bytes(&first), NULL), ERR_OK);
    assert_int_equal(window_add(&w, 0), ERR_OK); /* no more is delivered yet */
    window_encode(&w, worker, &second);
    assert_true(bytes_equal(writer_bytes(&first), writer_bytes(&second)));
}

static void hostile_metadata_changes_nothing(void **state)
{
    (void)state;
    static const char *const texts[] = {"",          "1",          "1|",
                                        "2|w|",      "1|w|A",      "1|w|AA", /* a run of 0 */
                                        "1|w|!!!!",  "1|w|AQ",     "1|w|gICAAA",
                                        "1|w|_____", "1|w|AYCABA", /* 1 + 65536 */
                                        "1|w|AQEB",  "1|w|gIAEAQ", /* an odd one; 65536 + 1 */
                                        "|||||||||"};
    for (size_t i = 0; i < countof(texts); i++) {
        struct window w = started_at(7);
        assert_int_equal(window_decode(&w, bytes_of(texts[i]), NULL), ERR_INVALID);
        window_validate(&w);
        assert_int_equal(w.end, 7);
    }
    struct window w = started_at(7);
    assert_int_equal(window_decode(&w, BYTES("1|w|"), NULL), ERR_OK);
}

/* A window tells its runs now, and its commit at an older moment; whoever starts from that
 * commit with those runs knows exactly what was done by then. */
static void runs_beside_a_commit_tell_what_it_had_no_room_for(void **state)
{
    (void)state;
    static char text[64 * 1024], old_text[WINDOW_METADATA_MAX];
    static uint64_t more[WINDOW_WORDS];
    for (uint64_t seed = 1; seed < 30; seed++) {
        uint64_t random = seed;
        struct window w = started_at(1000), again;
        struct writer old = writer_of(old_text, sizeof old_text),
                      runs = writer_of(text, sizeof text);
        for (int64_t o = 1000; o < 21000; o++)
            assert_int_equal(window_add(&w, o), ERR_OK);
        for (int64_t o = 1000; o < 21000; o++)
            if (prng_upto(&random, 3) == 0 || o < 1000 + (int64_t)seed * 100)
                window_complete(&w, o);
        int64_t committed = w.low;
        window_encode(&w, worker, &old);
        for (int64_t o = 1000; o < 21000; o++)
            if (window_is_open(&w, o) && prng_upto(&random, 2) == 0)
                window_complete(&w, o);
        window_encode_runs(&w, sizeof text, &runs);
        assert_false(runs.overflow || old.overflow);
        int64_t end = 0;
        assert_int_equal(window_runs_end(writer_bytes(&runs), w.low, &end), ERR_OK);
        assert_true(end <= 21000);
        window_init(&again, more, committed);
        assert_int_equal(window_decode(&again, writer_bytes(&old), NULL), ERR_OK);
        window_decode_runs(&again, w.low, writer_bytes(&runs));
        window_validate(&again);
        assert_int_equal(again.low, w.low);
        for (int64_t o = again.low; o < 21000; o++)
            assert_int_equal(window_add(&again, o), window_is_open(&w, o) ? ERR_OK : ERR_NOT_FOUND);
        assert_int_equal(again.open_count, w.open_count);
    }
}

/* What a window of `words` says of itself, of which every second offset is done. */
static size_t half_done(uint32_t words, int64_t offsets, char *text)
{
    uint64_t *all = calloc(words, sizeof *all);
    struct window w;
    assert_non_null(all);
    window_init_words(&w, all, words, 0);
    for (int64_t o = 0; o < offsets; o++)
        assert_int_equal(window_add(&w, o), ERR_OK);
    for (int64_t o = 1; o < offsets; o += 2)
        window_complete(&w, o);
    struct writer out = writer_of(text, WINDOW_METADATA_MAX);
    window_encode(&w, worker, &out);
    free(all);
    return out.size;
}

static void metadata_tells_the_smallest_window_that_can_hold_it(void **state)
{
    (void)state;
    static char text[WINDOW_METADATA_MAX];
    static uint64_t all[4096];
    for (int64_t offsets = 1; offsets < 2000; offsets = offsets * 5 / 4 + 1) {
        struct bytes metadata = {text, half_done(64, offsets, text)};
        struct window w;
        uint32_t words = window_words_for(metadata);
        assert_true(words > 0 && words <= countof(all));
        assert_int_equal(words & (words - 1), 0);
        memset(all, 0, sizeof all);
        window_init_words(&w, all, words, 0);
        assert_int_equal(window_decode(&w, metadata, NULL), ERR_OK);
        window_validate(&w);
        for (int64_t o = 0; o + 1 < offsets; o++)
            assert_int_equal(window_add(&w, o), o % 2 ? ERR_NOT_FOUND : ERR_OK);
        if (words == 1)
            continue;
        memset(all, 0, sizeof all);
        window_init_words(&w, all, words / 2, 0);
        assert_int_equal(window_decode(&w, metadata, NULL), ERR_INVALID);
    }
}

static void no_window_holds_what_is_no_metadata_of_ours_or_spans_too_much(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "1", "1|w", "2|w|AQ", "1|w|!", "1|w|AQ="};
    for (size_t i = 0; i < countof(texts); i++)
        assert_int_equal(window_words_for(bytes_of(texts[i])), 0);
    char memory[64];
    struct writer far = writer_of(memory, sizeof memory);
    const uint8_t runs[] = {1, 0xff, 0xff, 0xff, 0xff, 0x7f}; /* one open, 2^35 done */
    write_literal(&far, "1|w|");
    write_base64url(&far, runs, sizeof runs);
    assert_int_equal(window_words_for(writer_bytes(&far)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_watermark_passes_what_is_complete_and_nothing_else),
        cmocka_unit_test(a_gap_is_passed_when_the_record_after_it_completes),
        cmocka_unit_test(a_record_too_far_from_an_open_one_must_wait),
        cmocka_unit_test(a_record_that_was_delivered_or_committed_is_refused),
        cmocka_unit_test(completing_what_is_not_open_is_our_own_fault),
        cmocka_unit_test(metadata_too_long_is_cut_at_a_run_and_never_left_out),
        cmocka_unit_test(a_name_that_metadata_cannot_hold_is_written_as_it_can),
        cmocka_unit_test(what_is_done_ahead_of_delivery_stays_in_the_next_commit),
        cmocka_unit_test(hostile_metadata_changes_nothing),
        cmocka_unit_test(runs_beside_a_commit_tell_what_it_had_no_room_for),
        cmocka_unit_test(metadata_tells_the_smallest_window_that_can_hold_it),
        cmocka_unit_test(no_window_holds_what_is_no_metadata_of_ours_or_spans_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
