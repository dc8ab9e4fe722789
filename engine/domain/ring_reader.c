/* Two bits an offset. The window's says whether a record is done, and is what commits are
 * made of; a record that is passed over stays open there, so the watermark stays before it.
 * The loaded bit keeps a record in hand from being loaded again when the reader goes back to
 * the watermark for the next cycle.
 *
 * The mark (cycle finished) is an opinion that a wrong clock may have made. So it decides only
 * whether a cycle whose time is over is still owed, and falls again when the reader meets the
 * cycle's time, or a record that the mark denies. */
#include "domain/ring_reader.h"

#define TO(state) (1u << RING_READER_##state)
static const uint32_t arrows[RING_READER_STATE_COUNT] = {
    [RING_READER_OFF] = TO(RESTING) | TO(PEEKING) | TO(TAILING) | TO(OWING),
    [RING_READER_RESTING] = TO(PEEKING) | TO(TAILING) | TO(OWING) | TO(LEAVING) | TO(OFF),
    [RING_READER_PEEKING] = TO(RESTING) | TO(TAILING) | TO(OWING) | TO(LEAVING) | TO(OFF),
    [RING_READER_TAILING] = TO(RESTING) | TO(OWING) | TO(LEAVING) | TO(OFF),
    [RING_READER_OWING] = TO(RESTING) | TO(TAILING) | TO(LEAVING) | TO(OFF),
    [RING_READER_LEAVING] = TO(OFF),
};

static void enter(struct ring_reader *r, enum ring_reader_state state)
{
    if (r->state == state)
        return;
    CHECK(arrows[r->state] & (1u << state));
    r->state = state;
}

static bool reads(const struct ring_reader *r)
{
    return (r->state == RING_READER_PEEKING && !r->met_later) || r->state == RING_READER_TAILING ||
           r->state == RING_READER_OWING;
}

/* --- the loaded bits --------------------------------------------------------------- */

static uint64_t *loaded_word(const struct ring_reader *r, int64_t offset)
{
    return &r->loaded[((uint64_t)offset / 64) & (r->window.words - 1)];
}

static uint64_t mask_of(int64_t offset)
{
    return UINT64_C(1) << ((uint64_t)offset % 64);
}

static bool is_loaded(const struct ring_reader *r, int64_t offset)
{
    return (*loaded_word(r, offset) & mask_of(offset)) != 0;
}

static void load(struct ring_reader *r, int64_t offset)
{
    *loaded_word(r, offset) |= mask_of(offset);
    r->loaded_count++;
}

void ring_reader_grow(struct ring_reader *r, uint64_t *bits, uint32_t words)
{
    struct ring_reader old = *r;
    memset(bits + words, 0, words * sizeof(*bits));
    window_grow(&r->window, bits, words);
    r->loaded = bits + words;
    r->loaded_count = 0;
    for (int64_t o = old.window.low; o < old.window.delivered; o++)
        if (is_loaded(&old, o))
            load(r, o);
    CHECK(r->loaded_count == old.loaded_count);
}

/* When the cycle's reading time is over: one slot after its own end, for the clocks of those
 * that wrote before it. */
static int64_t until_ms(const struct ring_reader *r, int64_t cycle)
{
#ifdef BUG_finished_at_slot_end
    return ring_slot_end_ms(&r->ring, cycle);
#endif
    return ring_read_until_ms(&r->ring, cycle);
}

/* --- ours, and not ours any more ----------------------------------------------------- */

void ring_reader_init(struct ring_reader *r, const struct ring_reader_options *o)
{
    CHECK(ring_is_valid(&o->ring) && o->lead_ms >= 0 && o->lead_ms <= o->ring.slot_ms);
    CHECK(o->partition >= 0 && (uint32_t)o->partition < ring_partitions(&o->ring));
    *r = (struct ring_reader){.ring = o->ring,
                              .slot = ring_slot_index(&o->ring, o->partition),
                              .lead_ms = o->lead_ms,
                              .loaded = o->bits + o->words};
    r->window.bits = o->bits;
    r->window.words = o->words;
}

/* A cycle's number after the third bar; anything else is no mark. One that lies ahead was
 * made by a wrong clock. */
static int64_t mark_of(const struct ring_reader *r, struct bytes text)
{
    int64_t n = 0;
    bool negative = text.size > 0 && text.at[0] == '-';
    if (text.size == negative || text.size > 16)
        return RING_NO_CYCLE;
    for (size_t i = negative; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return RING_NO_CYCLE;
        n = n * 10 + (text.at[i] - '0');
    }
    n = negative ? -n : n;
    return n > r->cycle || (r->cycle - n) % r->ring.slots != 0 ? RING_NO_CYCLE : n;
}

static bool believes(const struct ring_reader_start *start, struct ring_hint *hint)
{
    struct bytes rest, mark;
    (void)ring_window_of(start->metadata, &rest);
    uint64_t log = ring_log_of(rest, &mark);
    return ring_hint_counts(start->hint, log, start->committed, start->end, hint);
}

uint32_t ring_reader_words(const struct ring_reader_start *start)
{
    struct ring_hint hint;
    uint32_t words = window_words_for(ring_window_of(start->metadata, NULL));
    if (words > 0 && believes(start, &hint))
        words = (uint32_t)u64_max(words, window_words_of(hint.end - start->committed));
    return words;
}

static void read_start(struct ring_reader *r, const struct ring_reader_start *start)
{
    struct bytes rest, mark, window = ring_window_of(start->metadata, &rest);
    struct ring_hint hint;
    uint64_t log = ring_log_of(rest, &mark);
    r->finished = RING_NO_CYCLE;
    r->log = log != 0 ? log : start->log;
    if (window.size > 0 && window_decode(&r->window, window, NULL) == ERR_OK)
        r->finished = mark_of(r, mark);
    if (!believes(start, &hint) || hint.end - start->committed > (int64_t)r->window.words * 64)
        return;
    window_decode_runs(&r->window, hint.base, hint.runs);
    r->commit_due = r->window.low > start->committed;
}

/* Before a cycle that is owed again: one turn of the ring earlier. */
static void owe(struct ring_reader *r, int64_t cycle)
{
    if (r->finished < cycle)
        return;
    r->finished = cycle - r->ring.slots;
    r->commit_due = true;
}

/* Records that were passed over belong to the cycle that begins. */
static void go_back(struct ring_reader *r)
{
#ifdef BUG_no_going_back
    return;
#endif
    r->next = r->window.low;
    r->jumped = r->reading = false;
    r->pass++;
}

/* Where the current cycle stands by the clock and the mark. */
static void enter_cycle(struct ring_reader *r, const struct ring_clock *clock)
{
    r->end_after = -1;
    r->asking = r->met_later = false;
    r->entry++;
#ifdef BUG_trust_mark
    if (r->finished >= r->cycle) {
        enter(r, RING_READER_RESTING);
        return;
    }
#endif
    if (clock->now_ms < until_ms(r, r->cycle)) {
        owe(r, r->cycle);
        enter(r, RING_READER_TAILING);
    } else if (r->finished < r->cycle || r->loaded_count > 0) {
        enter(r, RING_READER_OWING);
    } else {
        enter(r, RING_READER_RESTING);
    }
#ifndef BUG_stay_behind_the_jump
    if (r->jumped && reads(r))
        go_back(r);
#endif
}

void ring_reader_assigned(struct ring_reader *r, const struct ring_clock *clock,
                          const struct ring_reader_start *start)
{
    CHECK(r->state == RING_READER_OFF);
    window_init_words(&r->window, r->window.bits, r->window.words, start->committed);
    memset(r->loaded, 0, r->window.words * sizeof(*r->loaded));
    r->loaded_count = 0;
    r->reading = r->asking = r->commit_due = r->commit_out = r->last_commit = false;
    r->met_later = r->jumped = false;
    r->fresh = true;
    r->cycle = ring_cycle_at(&r->ring, r->slot, r->lead_ms, clock->now_ms);
    read_start(r, start);
    r->next = r->window.low;
#ifdef BUG_seen_begins_at_end
    r->next = INT64_MAX / 2; /* where the log ends at this moment: the model knows */
#endif
#ifdef BUG_owed_is_over
    if (r->finished != RING_NO_CYCLE && clock->now_ms >= until_ms(r, r->cycle))
        r->finished = r->cycle;
#endif
    bool over = clock->now_ms >= until_ms(r, r->cycle);
    if (r->finished == RING_NO_CYCLE && over) {
        r->end_after = -1;
        enter(r, RING_READER_PEEKING);
    } else {
        enter_cycle(r, clock);
    }
}

void ring_reader_revoked(struct ring_reader *r)
{
    if (r->state != RING_READER_OFF)
        enter(r, RING_READER_LEAVING);
}

bool ring_reader_has_left(const struct ring_reader *r)
{
    CHECK(r->state == RING_READER_LEAVING);
    return !r->reading && !r->commit_out && (r->last_commit || !r->commit_due);
}

void ring_reader_off(struct ring_reader *r)
{
    enter(r, RING_READER_OFF);
    r->reading = r->asking = r->commit_out = r->commit_due = false;
    r->epoch++;
    r->entry++;
    r->pass++;
}

/* --- time ------------------------------------------------------------------------------ */

/* A clock that cannot be trusted decides nothing. */
static bool trusted(const struct ring_clock *clock)
{
#ifdef BUG_finished_while_held
    return true;
#endif
    return !clock->held && clock->agreed;
}

/* Who wrote the later record saw the cycle's reading time over (the guard slots): what lies
 * behind it was written after that, and counts for no cycle up to this one. */
static void jump(struct ring_reader *r)
{
    if (r->state != RING_READER_PEEKING || !r->met_later || r->end_after < 0)
        return;
    r->jumped |= r->next < r->end_after;
    r->next = i64_max(r->next, r->end_after);
}

/* The log was read to an end that was asked after the cycle's reading time: what is due in
 * it and may count lies before. */
static bool saw_all(const struct ring_reader *r, const struct ring_clock *clock)
{
    return trusted(clock) && r->end_after >= 0 && r->next >= r->end_after;
}

static void finish(struct ring_reader *r, const struct ring_clock *clock)
{
    if (trusted(clock))
        jump(r);
    if (!saw_all(r, clock))
        return;
    if (r->state == RING_READER_PEEKING) { /* empty: nothing is owed yet, which is no mark */
        r->fresh = r->met_later = false;
        enter(r, RING_READER_RESTING);
        return;
    }
#ifndef BUG_finished_while_open
    if (r->loaded_count > 0)
        return;
#endif
    if (r->state != RING_READER_OWING)
        return;
    r->finished = r->cycle;
    r->commit_due = true;
    r->fresh = false;
    enter(r, RING_READER_RESTING);
}

void ring_reader_turn(struct ring_reader *r, const struct ring_clock *clock)
{
    if (r->state == RING_READER_OFF || r->state == RING_READER_LEAVING)
        return;
    int64_t cycle = ring_cycle_at(&r->ring, r->slot, r->lead_ms, clock->now_ms);
    bool its_time = clock->now_ms < until_ms(r, cycle);
    if (cycle != r->cycle) {
        if (cycle > r->cycle)
            go_back(r);
        r->cycle = cycle;
        enter_cycle(r, clock);
    } else if (its_time != (r->state == RING_READER_TAILING)) {
        if (its_time || r->state == RING_READER_TAILING)
            enter_cycle(r, clock);
    }
    finish(r, clock);
}

/* --- reading ------------------------------------------------------------------------- */

static bool wants_end(const struct ring_reader *r, const struct ring_clock *clock)
{
    if (r->asking || r->end_after >= 0 || !trusted(clock))
        return false;
#ifdef BUG_end_asked_before
    if (r->state == RING_READER_TAILING)
        return true;
#endif
    return r->state == RING_READER_OWING || r->state == RING_READER_PEEKING;
}

struct ring_reader_action ring_reader_next(struct ring_reader *r, const struct ring_clock *clock)
{
    struct ring_reader_action action = {.from = r->next};
    if (reads(r) && !r->reading) {
        r->reading = true;
        r->pass++;
        action.what = RING_READER_DO_READ;
    } else if (!reads(r) && r->reading) {
        r->reading = false;
        r->pass++;
        action.what = RING_READER_DO_STOP;
    } else if (wants_end(r, clock)) {
        r->asking = true;
        action.what = RING_READER_DO_ASK;
    }
    action.pass = r->pass;
    return action;
}

/* Open, or ERR_NOT_FOUND where it is done. What was delivered once is not added again. */
static enum err add(struct ring_reader *r, int64_t offset)
{
    if (offset >= r->window.delivered)
        return window_add(&r->window, offset);
    return window_is_open(&r->window, offset) ? ERR_OK : ERR_NOT_FOUND;
}

/* A record in a partition that is not its slot's is nobody's later: it is loaded. */
static bool is_later(const struct ring_reader *r, int64_t due_ms)
{
    int64_t slot = ring_slot_of(&r->ring, due_ms);
    return slot > r->cycle && (slot - r->cycle) % r->ring.slots == 0;
}

/* Not into the window, which takes what it was not told of for done: what was jumped over is
 * not. A later writer's record that is owed all the same is read with what lies before it. */
static enum ring_reader_seen seen_behind(struct ring_reader *r, int64_t offset, int64_t due_ms)
{
    if (is_later(r, due_ms)) {
        r->next = offset + 1;
        return RING_READER_PASS;
    }
    go_back(r);
    return RING_READER_SKIP;
}

enum ring_reader_seen ring_reader_seen(struct ring_reader *r, uint32_t pass, int64_t offset,
                                       int64_t due_ms)
{
    if (pass != r->pass || !reads(r) || offset < r->next)
        return RING_READER_SKIP;
#ifndef BUG_jumped_is_done
    if (r->jumped && offset >= r->window.delivered)
        return seen_behind(r, offset, due_ms);
#endif
    enum err err = add(r, offset);
    if (err == ERR_AGAIN)
        return RING_READER_FULL;
    r->next = offset + 1;
    if (err != ERR_OK)
        return RING_READER_SKIP;
    if (is_loaded(r, offset))
        return RING_READER_SKIP;
    if (is_later(r, due_ms)) {
#ifdef BUG_passed_is_done
        window_complete(&r->window, offset);
        r->commit_due = true;
#endif
        r->met_later |= r->state == RING_READER_PEEKING && r->fresh;
        return RING_READER_PASS;
    }
    load(r, offset);
    owe(r, r->cycle);
    if (r->state == RING_READER_PEEKING)
        enter(r, RING_READER_OWING);
    return RING_READER_LOAD;
}

void ring_reader_reached(struct ring_reader *r, uint32_t pass, int64_t offset)
{
    if (pass == r->pass && reads(r))
        r->next = i64_max(r->next, offset);
}

void ring_reader_end(struct ring_reader *r, const struct ring_asked *asked, int64_t end)
{
    bool after = asked->entry == r->entry && asked->clock.now_ms >= until_ms(r, r->cycle);
    r->asking = r->asking && asked->entry != r->entry;
    if (r->state == RING_READER_RESTING && end > r->next) {
        r->end_after = -1;
        enter(r, RING_READER_PEEKING);
    }
    after = after && trusted(&asked->clock);
#ifdef BUG_end_asked_before
    after = true;
#endif
    if (after && (r->state == RING_READER_OWING || r->state == RING_READER_PEEKING))
        r->end_after = i64_max(r->end_after, end);
}

void ring_reader_end_failed(struct ring_reader *r)
{
    r->asking = false;
}

/* --- firing and commits ------------------------------------------------------------- */

bool ring_reader_may_fire(const struct ring_reader *r, const struct ring_clock *clock,
                          int64_t due_ms)
{
    if (r->state == RING_READER_OFF || r->state == RING_READER_LEAVING)
        return false;
#ifdef BUG_fired_while_held
    return clock->now_ms >= due_ms;
#endif
    return !clock->held && clock->now_ms >= due_ms;
}

bool ring_reader_done(struct ring_reader *r, uint32_t epoch, int64_t offset)
{
    if (epoch != r->epoch || r->state == RING_READER_OFF)
        return false;
    CHECK(is_loaded(r, offset));
    *loaded_word(r, offset) &= ~mask_of(offset);
    r->loaded_count--;
    window_complete(&r->window, offset);
    r->commit_due = true;
    return true;
}

int64_t ring_reader_commit(struct ring_reader *r, struct bytes worker, struct writer *metadata)
{
    CHECK(ring_reader_commit_due(r) && r->state != RING_READER_OFF);
    r->commit_due = false;
    r->commit_out = true;
    r->last_commit = r->state == RING_READER_LEAVING;
    window_encode(&r->window, worker, metadata);
    write_char(metadata, '|');
    if (r->finished != RING_NO_CYCLE)
        write_i64(metadata, r->finished);
    if (r->log != 0) {
        write_char(metadata, '|');
        ring_log_write(metadata, r->log);
    }
    return r->window.low;
}

void ring_reader_committed(struct ring_reader *r, uint32_t epoch, bool ok)
{
    if (epoch != r->epoch || r->state == RING_READER_OFF)
        return;
    CHECK(r->commit_out);
    r->commit_out = false;
    if (!ok)
        r->commit_due = true;
}

void ring_reader_validate(const struct ring_reader *r)
{
    uint32_t loaded = 0;
    if (r->state == RING_READER_OFF)
        return;
    window_validate(&r->window);
    for (int64_t o = r->window.low; o < r->window.delivered; o++) {
        CHECK(!is_loaded(r, o) || window_is_open(&r->window, o));
        loaded += is_loaded(r, o);
    }
    CHECK(loaded == r->loaded_count);
    CHECK(r->state != RING_READER_RESTING || r->loaded_count == 0);
}
