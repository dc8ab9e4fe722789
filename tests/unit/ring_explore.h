/* Drives every interleaving of two workers, as readers of the ring's partitions and as
 * those that defer into it, to stated bounds: depth-first over all actions, each state once.
 * From states on the way a run without further faults has to send everything in time. */
#pragma once

#include "ring_model.h"
#include "seen.h"

#include <stdio.h>
#include <stdlib.h>

enum { STEPS_MAX = 800, TIMES_MAX = 24 };

struct bounds {
    const char *name;
    uint32_t kills, hands, stalls, losses, lates, defers, commit_losses, steps, leaps, hints, anews;
    bool prompt; /* no worker sleeps through a change of time */
    bool net;    /* end offsets are compared every 10 s */
    bool skewed; /* worker 0's clock is a quarter slot ahead */
    bool second; /* the newest generation is the second one, for what is due late */
    int16_t dues[MESSAGES], defer_to; /* 0: no such message, no deferral at fire */
    const int16_t *times;             /* when something happens; NULL */
};

struct seat { /* a worker's reader of a log */
    struct ring_reader r;
    uint64_t bits[2];
    int16_t pos, asked_end; /* -1: does not read, was not asked */
    struct ring_asked asked;
    struct hand_of hands[RECORDS];
    bool commit_out;
    int16_t commit_low;
    uint8_t commit_size;
    char commit[METADATA];
};

struct world {
    int16_t now;
    struct bounds left;
    struct model_log logs[LOGS];
    struct seat seats[READERS][LOGS];
    int16_t wrong[READERS]; /* the clock is off, and held */
    struct hand_of sources[MESSAGES];
    bool stray[MESSAGES]; /* a deferral given up, that is appended yet */
    struct hand_of strays[MESSAGES];
    struct model_message messages[MESSAGES];
    bool excused, leaped;
};

struct explorer {
    struct world w;
    struct bounds bounds;
    const char *violation;
    char trace[16384];
    uint32_t steps[STEPS_MAX], depth;
    struct seen seen;
    uint64_t step_count;
    uint64_t sends, passed, finished, late, resent, spared;
};

enum seat_do {
    DO_ASSIGN,
    DO_TURN,
    DO_READ,
    DO_END,
    DO_NET,
    DO_COMMIT,
    DO_COMMIT_LOST,
    DO_COMMIT_BLIND,
    DO_REVOKE,
    DO_STALL,
    DO_LOSE,
    DO_HINT,
    DO_HANDS, /* then, for each record: */
    DO_FIRE = 0,
    DO_DONE,
    DO_DEFER,
    DO_APPEND,
    DO_ACK,
    DO_ACK_LOST,
    HAND_ACTIONS
};
enum {
    SEAT_ACTIONS = DO_HANDS + HAND_ACTIONS * RECORDS,
    SEATS_END = SEAT_ACTIONS * READERS * LOGS,
    SOURCES_END = SEATS_END + HAND_ACTIONS * MESSAGES,
    DO_ANEW = SOURCES_END,
    DO_STRAY = DO_ANEW + LOGS,
    DO_KILL = DO_STRAY + MESSAGES,
    DO_STEP_ON = DO_KILL + READERS,
    DO_STEP_BACK = DO_STEP_ON + READERS,
    DO_AGREE = DO_STEP_BACK + READERS,
    DO_LEAP = DO_AGREE + READERS,
    DO_TIME,
    ACTIONS
};

static void violate(struct explorer *e, const char *what)
{
    if (!e->violation)
        e->violation = what;
}

static struct ring_clock clock_of(const struct explorer *e, uint32_t worker)
{
    int64_t ahead = e->bounds.skewed && worker == 0 ? 1 : 0;
    return (struct ring_clock){.now_ms = e->w.now + ahead + e->w.wrong[worker],
                               .held = e->w.wrong[worker] != 0,
                               .agreed = e->w.wrong[worker] == 0};
}

/* --- a record in hand ---------------------------------------------------------------- */

static void sent(struct explorer *e, struct hand_of *h)
{
    struct model_message *m = &e->w.messages[h->message];
    m->sends++;
    e->sends++;
    h->hand = HAND_SENT;
    if (e->w.now + (e->bounds.skewed ? 1 : 0) < h->due)
        violate(e, "sent early");
    e->resent += m->sends > 1;
    if (m->sends > 1 && !e->w.excused)
        violate(e, "sent twice, and nothing explains it");
}

/* It waits until `due`; the deferral is on its way. */
static void defer(struct explorer *e, struct hand_of *h, int16_t due, int64_t now)
{
    uint8_t log = e->bounds.second && due >= 16 ? 1 : 0;
    struct ring_plan plan = {model_rings[log], 1, MIN_DELAY};
    struct ring_place place = ring_place(&plan, now, due, BYTES("e"), RING_NO_CYCLE);
    CHECK(place.where == RING_NEAR && place.partition == model_partitions[log]);
    e->w.messages[h->message].due = due;
    e->w.messages[h->message].deferrals++;
    h->due = due;
    h->slot_end = (int16_t)place.slot_end_ms;
    h->log = log;
    h->hand = HAND_OUT;
}

static bool may_defer(const struct explorer *e, const struct hand_of *h, int16_t due,
                      const struct ring_clock *clock)
{
    uint8_t log = e->bounds.second && due >= 16 ? 1 : 0;
    return h->hand == HAND_OPEN && due > 0 && !clock->held && e->w.logs[log].count + 2 < RECORDS &&
           ring_admits(&model_rings[log], clock->now_ms, MIN_DELAY, due);
}

/* Whether the copy's acknowledgement lets the source go. */
static bool acknowledged(struct explorer *e, struct hand_of *h, const struct ring_clock *clock)
{
    bool counts = ring_ack_counts(h->slot_end, clock);
    h->hand = counts ? HAND_OVER : HAND_OPEN;
    if (counts)
        e->w.logs[h->log].records[h->at].relied = true;
    else
        e->w.excused = true;
    e->late += !counts;
    return counts;
}

static void ack_lost(struct explorer *e, struct hand_of *h)
{
    e->w.excused = true;
    e->w.left.losses--;
    if (h->hand == HAND_OUT && e->w.left.lates > 0) {
        e->w.left.lates--;
        e->w.stray[h->message] = true;
        e->w.strays[h->message] = *h;
    }
    h->hand = HAND_OPEN;
}

static bool hand_may(const struct explorer *e, const struct hand_of *h, uint32_t action)
{
    switch (action) {
    case DO_APPEND:
        return h->hand == HAND_OUT;
    case DO_ACK:
        return h->hand == HAND_APPENDED;
    case DO_ACK_LOST:
        return (h->hand == HAND_APPENDED || h->hand == HAND_OUT) && e->w.left.losses > 0 &&
               !e->w.stray[h->message];
    default:
        return false;
    }
}

static bool source_may(const struct explorer *e, uint32_t m, uint32_t action)
{
    const struct hand_of *h = &e->w.sources[m];
    struct ring_clock clock = clock_of(e, 1);
    switch (action) {
    case DO_FIRE:
        return h->hand == HAND_OPEN && !clock.held && clock.now_ms >= h->due;
    case DO_DONE:
        return h->hand == HAND_SENT;
    case DO_DEFER:
        return e->w.messages[m].deferrals == 0 && may_defer(e, h, h->due, &clock);
    default:
        return hand_may(e, h, action);
    }
}

static void source_do(struct explorer *e, uint32_t m, uint32_t action)
{
    struct hand_of *h = &e->w.sources[m];
    struct ring_clock clock = clock_of(e, 1);
    if (action == DO_FIRE)
        sent(e, h);
    else if (action == DO_DONE)
        h->hand = HAND_OVER;
    else if (action == DO_DEFER)
        defer(e, h, h->due, clock.now_ms);
    else if (action == DO_APPEND)
        model_append(&e->w.logs[h->log], h);
    else if (action == DO_ACK)
        (void)acknowledged(e, h, &clock);
    else
        ack_lost(e, h);
}

/* --- a worker's reader of one log ------------------------------------------------------- */

static void seat_drop(struct seat *s)
{
    if (s->r.state != RING_READER_OFF)
        ring_reader_off(&s->r);
    memset(s->hands, 0, sizeof(s->hands));
    s->pos = s->asked_end = -1;
    s->commit_out = false;
}

static bool seat_may(const struct explorer *e, uint32_t worker, uint32_t log, uint32_t action)
{
    const struct seat *s = &e->w.seats[worker][log];
    const struct model_log *l = &e->w.logs[log];
    bool on = s->r.state != RING_READER_OFF, stale = l->owner != worker;
    struct ring_clock clock = clock_of(e, worker);
    if (log == 1 && !e->bounds.second)
        return false;
    switch (action) {
    case DO_ASSIGN:
        return !on && l->owner == NOBODY;
    case DO_TURN:
        return on;
    case DO_READ:
        return on && s->pos >= 0 && s->pos < l->count;
    case DO_END:
        return on && s->asked_end >= 0;
    case DO_NET:
        return on && e->bounds.net && s->r.state == RING_READER_RESTING && l->count > s->r.next;
    case DO_COMMIT:
        return s->commit_out;
    case DO_COMMIT_LOST:
    case DO_COMMIT_BLIND:
        return s->commit_out && e->w.left.commit_losses > 0;
    case DO_REVOKE:
        return on && !stale && s->r.state != RING_READER_LEAVING && e->w.left.hands > 0;
    case DO_STALL:
        return on && !stale && e->w.left.stalls > 0;
    case DO_LOSE:
        return on && stale;
    case DO_HINT:
        return on && e->w.left.hints > 0;
    default:
        break;
    }
    const struct hand_of *h = &s->hands[(action - DO_HANDS) / HAND_ACTIONS];
    if (!on || h->hand == HAND_EMPTY)
        return false;
    action = (action - DO_HANDS) % HAND_ACTIONS;
    switch (action) {
    case DO_FIRE:
        return h->hand == HAND_OPEN && ring_reader_may_fire(&s->r, &clock, h->due);
    case DO_DONE:
        return h->hand == HAND_SENT;
    case DO_DEFER:
        return e->w.left.defers > 0 && e->bounds.defer_to > h->due &&
               ring_reader_may_fire(&s->r, &clock, h->due) &&
               may_defer(e, h, e->bounds.defer_to, &clock);
    default:
        return hand_may(e, h, action);
    }
}

/* What a real caller does at once. */
static void follow(struct explorer *e, uint32_t worker, uint32_t log)
{
    struct seat *s = &e->w.seats[worker][log];
    struct ring_clock clock = clock_of(e, worker);
    for (;;) {
        struct ring_reader_action a = ring_reader_next(&s->r, &clock);
        if (a.what == RING_READER_DO_NOTHING)
            break;
        if (a.what == RING_READER_DO_READ)
            s->pos = (int16_t)i64_min(a.from, RECORDS);
        else if (a.what == RING_READER_DO_STOP)
            s->pos = -1;
        else {
            s->asked_end = e->w.logs[log].count;
            s->asked = ring_reader_asks(&s->r, &clock);
        }
    }
    if (ring_reader_commit_due(&s->r)) {
        struct writer w = writer_of(s->commit, sizeof(s->commit));
        s->commit_low = (int16_t)ring_reader_commit(&s->r, BYTES("w"), &w);
        CHECK(!w.overflow);
        s->commit_size = (uint8_t)w.size;
        s->commit_out = true;
    }
    if (s->r.state == RING_READER_LEAVING && ring_reader_has_left(&s->r)) {
        seat_drop(s);
        e->w.logs[log].owner = NOBODY;
    }
}

/* A mark says that nobody owes anything of that cycle and of those before it. */
static void check_mark(struct explorer *e, const struct seat *s, const struct model_log *l)
{
    e->finished++;
    for (uint32_t o = 0; o < l->count; o++)
        if (l->records[o].relied && !l->records[o].closed &&
            ring_slot_of(&s->r.ring, l->records[o].due) <= s->r.finished && !e->w.leaped)
            violate(e, "a cycle is finished that is owed");
}

static void read_one(struct explorer *e, struct seat *s, const struct model_log *l)
{
    int16_t o = s->pos++;
    enum ring_reader_seen seen = ring_reader_seen(&s->r, s->r.pass, o, l->records[o].due);
    e->passed += seen == RING_READER_PASS;
    if (seen != RING_READER_LOAD)
        return;
    if (s->hands[o].hand != HAND_EMPTY && s->hands[o].hand != HAND_OVER)
        violate(e, "a record in hand is loaded again");
    s->hands[o] = (struct hand_of){
        .hand = HAND_OPEN, .message = l->records[o].message, .due = l->records[o].due};
}

static void done(struct seat *s, struct model_log *l, int16_t offset)
{
    l->records[offset].closed = true;
    s->hands[offset].hand = HAND_EMPTY;
    CHECK(ring_reader_done(&s->r, s->r.epoch, offset));
}

static void seat_hand(struct explorer *e, uint32_t worker, uint32_t log, uint32_t action)
{
    struct seat *s = &e->w.seats[worker][log];
    int16_t offset = (int16_t)(action / HAND_ACTIONS);
    struct hand_of *h = &s->hands[offset];
    struct ring_clock clock = clock_of(e, worker);
    switch (action % HAND_ACTIONS) {
    case DO_FIRE:
        sent(e, h);
        return;
    case DO_DONE:
        done(s, &e->w.logs[log], offset);
        return;
    case DO_DEFER:
        e->w.left.defers--;
        defer(e, h, e->bounds.defer_to, clock.now_ms);
        return;
    case DO_APPEND:
        model_append(&e->w.logs[h->log], h);
        return;
    case DO_ACK:
        if (acknowledged(e, h, &clock))
            done(s, &e->w.logs[log], offset);
        return;
    default:
        ack_lost(e, h);
    }
}

static void seat_commit(struct explorer *e, uint32_t log, struct seat *s, uint32_t action)
{
    const char *wrong = NULL;
    if (action != DO_COMMIT_LOST)
        wrong =
            model_commit(&e->w.logs[log], s->commit_low, (struct bytes){s->commit, s->commit_size});
    if (wrong)
        violate(e, wrong);
    if (action != DO_COMMIT)
        e->w.left.commit_losses--;
    s->commit_out = false;
    ring_reader_committed(&s->r, s->r.epoch, action == DO_COMMIT);
}

/* What is known of what is done may be old, and may never speak of a record that is not. */
static void assign(struct explorer *e, struct seat *s, struct model_log *l,
                   const struct ring_clock *clock)
{
    const struct ring_reader_start start = {.committed = l->committed,
                                            .metadata = {l->metadata, l->metadata_size},
                                            .log = e->bounds.hints > 0 ? l->names + 1u : 0,
                                            .hint = {l->hint, l->hint_size},
                                            .end = l->count};
    ring_reader_assigned(&s->r, clock, &start);
    l->names = (uint8_t)u64_max(l->names, s->r.log);
    const struct window *w = &s->r.window;
    for (int64_t o = 0; o < l->count; o++)
        if (!l->records[o].closed && (o < w->low || (o < w->end && !(w->bits[0] >> (o % 64) & 1))))
            violate(e, "a start passes an open record");
    e->spared += w->low > l->committed;
}

static void write_hint(const struct seat *s, struct model_log *l)
{
    static char text[RING_HINT_MAX];
    struct writer w = writer_of(text, sizeof text);
    ring_hint_write(&w, s->r.log, &s->r.window);
    CHECK(!w.overflow && w.size <= METADATA);
    l->hint_size = (uint8_t)w.size;
    memcpy(l->hint, text, w.size);
}

/* Nobody owns it and nothing in it is owed. */
static bool may_be_made_anew(const struct explorer *e, uint32_t log)
{
    const struct model_log *l = &e->w.logs[log];
    if (e->w.left.anews == 0 || l->count == 0 || l->owner != NOBODY)
        return false;
    for (uint32_t i = 0; i < READERS; i++)
        if (e->w.seats[i][log].r.state != RING_READER_OFF)
            return false;
    for (uint32_t m = 0; m < MESSAGES; m++)
        if (e->w.stray[m] || e->w.sources[m].hand == HAND_OUT ||
            e->w.sources[m].hand == HAND_APPENDED)
            return false;
    for (uint32_t o = 0; o < l->count; o++)
        if (!l->records[o].closed)
            return false;
    return true;
}

/* The topic is deleted and made again: Kafka drops its commits, Redis knows nothing of it. */
static void make_anew(struct model_log *l)
{
    struct model_log old = *l;
    *l = (struct model_log){.owner = NOBODY, .names = old.names, .hint_size = old.hint_size};
    memcpy(l->hint, old.hint, old.hint_size);
}

static void seat_do(struct explorer *e, uint32_t worker, uint32_t log, uint32_t action)
{
    struct seat *s = &e->w.seats[worker][log];
    struct model_log *l = &e->w.logs[log];
    struct ring_clock clock = clock_of(e, worker);
    int64_t finished = s->r.finished;
    struct ring_asked asked = s->asked, newer = ring_reader_asks(&s->r, &clock);
    int16_t end = s->asked_end;
    if (action >= DO_HANDS)
        seat_hand(e, worker, log, action - DO_HANDS);
    switch (action) {
    case DO_ASSIGN:
        l->owner = (uint8_t)worker;
        assign(e, s, l, &clock);
        break;
    case DO_TURN:
        ring_reader_turn(&s->r, &clock);
        if (s->r.finished > finished && s->r.state == RING_READER_RESTING)
            check_mark(e, s, l);
        break;
    case DO_READ:
        read_one(e, s, l);
        break;
    case DO_END:
        s->asked_end = -1;
        ring_reader_end(&s->r, &asked, end);
        break;
    case DO_NET:
        ring_reader_end(&s->r, &newer, l->count);
        break;
    case DO_COMMIT:
    case DO_COMMIT_LOST:
    case DO_COMMIT_BLIND:
        seat_commit(e, log, s, action);
        break;
    case DO_REVOKE:
        e->w.left.hands--;
        e->w.excused = true;
        ring_reader_revoked(&s->r);
        break;
    case DO_STALL:
        e->w.left.stalls--;
        e->w.excused = true;
        l->owner = NOBODY;
        break;
    case DO_LOSE:
        seat_drop(s);
        break;
    case DO_HINT:
        e->w.left.hints--;
        write_hint(s, l);
        break;
    default:
        break;
    }
    if (s->r.state != RING_READER_OFF)
        follow(e, worker, log);
#ifdef DEBUG_CHECKS
    ring_reader_validate(&s->r);
#endif
}

/* --- the world ---------------------------------------------------------------------------- */

static void kill_worker(struct explorer *e, uint32_t worker)
{
    e->w.left.kills--;
    e->w.excused = true;
    for (uint32_t log = 0; log < LOGS; log++) {
        if (e->w.logs[log].owner == worker)
            e->w.logs[log].owner = NOBODY;
        seat_drop(&e->w.seats[worker][log]);
    }
}

static int16_t next_time(const struct explorer *e)
{
    for (const int16_t *t = e->bounds.times; *t != 0; t++)
        if (*t > e->w.now)
            return *t;
    return 0;
}

static bool may(const struct explorer *e, uint32_t a)
{
    if (a < SEATS_END)
        return seat_may(e, a / SEAT_ACTIONS / LOGS, a / SEAT_ACTIONS % LOGS, a % SEAT_ACTIONS);
    if (a < SOURCES_END)
        return source_may(e, (a - SEATS_END) / HAND_ACTIONS, (a - SEATS_END) % HAND_ACTIONS);
    if (a < DO_STRAY)
        return may_be_made_anew(e, a - DO_ANEW);
    if (a < DO_KILL)
        return e->w.stray[a - DO_STRAY];
    if (a < DO_STEP_ON) {
        const struct seat *s = e->w.seats[a - DO_KILL];
        return e->w.left.kills > 0 &&
               (s[0].r.state != RING_READER_OFF || s[1].r.state != RING_READER_OFF);
    }
    if (a < DO_AGREE)
        return e->w.left.steps > 0 && e->w.wrong[(a - DO_STEP_ON) % READERS] == 0;
    if (a < DO_LEAP)
        return e->w.wrong[a - DO_AGREE] != 0;
    if (a == DO_LEAP)
        return e->w.left.leaps > 0 && (e->w.left.leaps == 1 || e->w.now >= 5);
    return next_time(e) > 0;
}

static void all_turn(struct explorer *e)
{
    for (uint32_t i = 0; i < READERS * LOGS; i++)
        if (e->w.seats[i / LOGS][i % LOGS].r.state != RING_READER_OFF)
            seat_do(e, i / LOGS, i % LOGS, DO_TURN);
}

static void act(struct explorer *e, uint32_t a)
{
    if (a < SEATS_END)
        seat_do(e, a / SEAT_ACTIONS / LOGS, a / SEAT_ACTIONS % LOGS, a % SEAT_ACTIONS);
    else if (a < SOURCES_END)
        source_do(e, (a - SEATS_END) / HAND_ACTIONS, (a - SEATS_END) % HAND_ACTIONS);
    else if (a < DO_STRAY) {
        e->w.left.anews--;
        make_anew(&e->w.logs[a - DO_ANEW]);
    } else if (a < DO_KILL) {
        struct hand_of *h = &e->w.strays[a - DO_STRAY];
        model_append(&e->w.logs[h->log], h);
        e->w.stray[a - DO_STRAY] = false;
    } else if (a < DO_STEP_ON)
        kill_worker(e, a - DO_KILL);
    else if (a < DO_AGREE) {
        e->w.wrong[(a - DO_STEP_ON) % READERS] = a < DO_STEP_BACK ? 8 : -8;
        e->w.left.steps--;
    } else if (a < DO_LEAP)
        e->w.wrong[a - DO_AGREE] = 0;
    else if (a == DO_LEAP) { /* the server's own clock: first on, then back */
        e->w.now = (int16_t)(e->w.now + (e->w.left.leaps-- == 2 ? 8 : -8));
        e->w.leaped = true;
    } else
        e->w.now = next_time(e);
    if (a >= DO_LEAP && e->bounds.prompt)
        all_turn(e);
}

/* --- without further faults everything is sent in time ----------------------------------- */

/* Everything but faults and new deferrals. */
static bool is_plain(uint32_t a)
{
    if (a < SEATS_END) {
        a %= SEAT_ACTIONS;
        if (a >= DO_HANDS) {
            a = (a - DO_HANDS) % HAND_ACTIONS;
            return a != DO_DEFER && a != DO_ACK_LOST;
        }
        return a != DO_COMMIT_LOST && a != DO_COMMIT_BLIND && a != DO_REVOKE && a != DO_STALL &&
               a != DO_HINT;
    }
    return a < SOURCES_END || (a >= DO_AGREE && a < DO_LEAP);
}

static uint64_t hash_world(const struct explorer *e);

static void settle_down(struct explorer *e)
{
    for (uint64_t before = 0, after = 1; before != after && !e->violation;) {
        before = hash_world(e);
        for (uint32_t a = 0; a < DO_LEAP && !e->violation; a++) {
            if (a % SEAT_ACTIONS == 0 && a < SEATS_END && /* a seat that has nothing to do */
                e->w.seats[a / SEAT_ACTIONS / LOGS][a / SEAT_ACTIONS % LOGS].r.state ==
                    RING_READER_OFF &&
                !may(e, a)) {
                a += SEAT_ACTIONS - 1;
                continue;
            }
            if (!is_plain(a) || !may(e, a))
                continue;
            if (a >= SEATS_END || a % SEAT_ACTIONS != DO_TURN)
                e->steps[e->depth++] = a;
            act(e, a);
        }
        after = hash_world(e);
    }
}

static void nothing_is_late(struct explorer *e)
{
    static struct world kept;
    uint32_t depth = e->depth;
    kept = e->w;
    int64_t begun = e->w.now;
    for (uint32_t t = 0; t < 48 && !e->violation; t++) {
        bool all = true;
        settle_down(e);
        for (uint32_t m = 0; m < MESSAGES && !e->violation; m++) {
            bool waits = e->bounds.dues[m] > 0 && e->w.messages[m].sends == 0;
            all = all && !waits;
            if (waits && e->w.now > i64_max(begun, e->w.messages[m].due) + 1)
                violate(e, "what was deferred is not sent in time");
        }
        if (all)
            break;
        e->steps[e->depth++] = DO_TIME;
        e->w.now++;
    }
    if (e->violation)
        return;
    e->w = kept;
    e->depth = depth;
}

/* --- the search ---------------------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t n)
{
    h = (h ^ n) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ (h >> 29);
}

static uint64_t hash_hand(uint64_t h, const struct hand_of *x)
{
    h = mix(h, (uint64_t)x->hand);
    if (x->hand == HAND_EMPTY || x->hand == HAND_OVER)
        return h;
    h = mix(h, (uint64_t)x->message << 32 | (uint64_t)x->due << 16 | x->log);
    return x->hand >= HAND_OUT ? mix(h, (uint64_t)x->slot_end << 16 | (uint64_t)x->at) : h;
}

static uint64_t hash_seat(uint64_t h, const struct seat *s)
{
    const struct ring_reader *r = &s->r;
    h = mix(h, (uint64_t)r->state);
    if (r->state == RING_READER_OFF)
        return h;
    h = mix(h, (uint64_t)(r->window.low << 32 | r->window.delivered << 16 | r->window.end));
    h = mix(h, r->log);
    h = mix(h, s->bits[0]);
    h = mix(h, s->bits[1]);
    h = mix(h, (uint64_t)r->next << 32 | (uint64_t)(s->pos + 1) << 8 |
                   (uint64_t)r->commit_due << 2 | (uint64_t)r->last_commit << 1 | s->commit_out);
    h = mix(h, (uint64_t)r->cycle);
    h = mix(h, (uint64_t)r->finished);
    h = mix(h, (uint64_t)r->end_after);
    if (s->asked_end >= 0)
        h = mix(h, (uint64_t)s->asked_end << 40 ^ (uint64_t)s->asked.clock.now_ms << 2 ^
                       (uint64_t)s->asked.clock.held << 1 ^ (s->asked.entry == r->entry));
    if (s->commit_out) {
        h = mix(h, (uint64_t)s->commit_low);
        for (uint32_t i = 0; i < s->commit_size; i++)
            h = mix(h, (uint8_t)s->commit[i]);
    }
    for (uint32_t i = 0; i < RECORDS; i++)
        h = hash_hand(h, &s->hands[i]);
    return h;
}

static uint64_t hash_world(const struct explorer *e)
{
    const struct world *w = &e->w;
    const struct bounds *b = &w->left;
    uint64_t h = mix(UINT64_C(0xcbf29ce484222325),
                     (uint64_t)w->now << 2 | (uint64_t)w->leaped << 1 | w->excused);
    h = mix(h, b->kills | b->hands << 4 | b->stalls << 8 | b->losses << 12 | b->lates << 16 |
                   b->defers << 20 | b->commit_losses << 24 | b->steps << 28);
    h = mix(h, b->leaps | b->hints << 4 | b->anews << 8);
    for (uint32_t i = 0; i < LOGS; i++) {
        const struct model_log *l = &w->logs[i];
        h = mix(h, (uint64_t)l->count << 32 | (uint64_t)l->owner << 16 | (uint64_t)l->committed);
        for (uint32_t o = 0; o < l->count; o++)
            h = mix(h, (uint64_t)l->records[o].message << 24 |
                           (uint64_t)l->records[o].closed << 16 |
                           (uint64_t)l->records[o].relied << 17 | (uint64_t)l->records[o].due);
        for (uint32_t o = 0; o < l->metadata_size; o++)
            h = mix(h, (uint8_t)l->metadata[o]);
        for (uint32_t o = 0; o < l->hint_size; o++)
            h = mix(h, (uint8_t)l->hint[o]);
        for (uint32_t r = 0; r < READERS; r++)
            h = hash_seat(h, &w->seats[r][i]);
    }
    for (uint32_t r = 0; r < READERS; r++)
        h = mix(h, (uint64_t)(w->wrong[r] + 100));
    for (uint32_t m = 0; m < MESSAGES; m++) {
        h = hash_hand(h, &w->sources[m]);
        h = mix(h, (uint64_t)w->messages[m].due << 16 |
                       (uint64_t)u64_min(w->messages[m].sends, 1) << 9 |
                       (uint64_t)(w->messages[m].deferrals > 0) << 8 | w->stray[m]);
    }
    return h == 0 ? 1 : h;
}

static void write_step(struct writer *w, uint32_t a)
{
    static const char *const seats[] = {"is assigned",        "turns",
                                        "reads a record",     "learns the end",
                                        "learns a newer end", "commits",
                                        "commits, lost",      "commits, the answer is lost",
                                        "is revoked",         "stalls and loses it",
                                        "sees that",          "writes a hint"};
    static const char *const hands[] = {"sends",           "ends", "defers", "appends",
                                        "is acknowledged", "loses"};
    if (a < SEATS_END) {
        uint32_t of = a % SEAT_ACTIONS;
        write_format(w, "  worker %u log %u ", a / SEAT_ACTIONS / LOGS, a / SEAT_ACTIONS % LOGS);
        if (of < DO_HANDS)
            write_format(w, "%s\n", seats[of]);
        else
            write_format(w, "%s record %u\n", hands[(of - DO_HANDS) % HAND_ACTIONS],
                         (of - DO_HANDS) / HAND_ACTIONS);
    } else if (a < SOURCES_END) {
        write_format(w, "  source %u %s\n", (a - SEATS_END) / HAND_ACTIONS,
                     hands[(a - SEATS_END) % HAND_ACTIONS]);
    } else {
        write_format(w, "  %s\n",
                     a < DO_STRAY       ? "the topic is made anew"
                     : a < DO_KILL      ? "a late deferral is appended"
                     : a < DO_STEP_ON   ? "a worker is killed"
                     : a < DO_STEP_BACK ? "a clock steps on"
                     : a < DO_AGREE     ? "a clock steps back"
                     : a < DO_LEAP      ? "a clock is right again"
                     : a == DO_LEAP     ? "the server's clock leaps"
                                        : "time passes");
    }
}

static void visit(struct explorer *e)
{
    if (e->violation || seen_before(&e->seen, hash_world(e)))
        return;
    CHECK(e->depth < STEPS_MAX - 500);
    if (e->seen.count % 16 == 0 || next_time(e) == 0)
        nothing_is_late(e);
    struct world *kept = malloc(sizeof(*kept));
    CHECK(kept);
    *kept = e->w;
    for (uint32_t a = 0; a < ACTIONS && !e->violation; a++) {
        if (!may(e, a))
            continue;
        e->steps[e->depth++] = a;
        e->step_count++;
        act(e, a);
        visit(e);
        if (e->violation)
            break;
        e->depth--;
        e->w = *kept;
    }
    free(kept);
    if (e->violation && e->trace[0] == '\0') {
        struct writer w = writer_of(e->trace, sizeof(e->trace) - 1);
        write_format(&w, "violated: %s\n", e->violation);
        for (uint32_t i = 0; i < e->depth; i++)
            write_step(&w, e->steps[i]);
        e->trace[w.size] = '\0';
    }
}

static struct explorer *explore(const struct bounds *bounds)
{
    static const int16_t times[] = {5, 7, 8, 11, 12, 13, 0};
    struct explorer *e = calloc(1, sizeof(*e));
    CHECK(e);
#ifdef DEBUG_CHECKS
    seen_open(&e->seen, UINT64_C(1) << 15);
#else
    seen_open(&e->seen, UINT64_C(1) << 20);
#endif
    e->bounds = *bounds;
    if (!bounds->times)
        e->bounds.times = times;
    e->w.left = *bounds;
    e->w.now = 3;
    for (uint32_t log = 0; log < LOGS; log++) {
        e->w.logs[log].owner = NOBODY;
        for (uint32_t i = 0; i < READERS; i++) {
            struct seat *s = &e->w.seats[i][log];
            ring_reader_init(&s->r,
                             &(struct ring_reader_options){.ring = model_rings[log],
                                                           .partition = model_partitions[log],
                                                           .lead_ms = LEAD,
                                                           .bits = s->bits,
                                                           .words = 1});
            s->pos = s->asked_end = -1;
        }
    }
    for (uint8_t m = 0; m < MESSAGES; m++) {
        e->w.messages[m].due = bounds->dues[m];
        if (bounds->dues[m] > 0)
            e->w.sources[m] =
                (struct hand_of){.hand = HAND_OPEN, .message = m, .due = bounds->dues[m]};
    }
    visit(e);
    return e;
}

static void explorer_free(struct explorer *e)
{
    seen_close(&e->seen);
    free(e);
}
