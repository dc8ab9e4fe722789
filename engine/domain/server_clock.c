#include "domain/server_clock.h"

enum { SLEW_DIVISOR = 10 };
#define MS_NS INT64_C(1000000)
#define STEP_NS (RING_CLOCK_ERROR_MS * MS_NS)

void server_clock_init(struct server_clock *c, uint64_t sample_ns, uint64_t stall_ns,
                       int64_t offset_ns)
{
    *c =
        (struct server_clock){.sample_ns = sample_ns, .stall_ns = stall_ns, .offset_ns = offset_ns};
}

static bool stands_still(const struct server_clock *c, uint64_t now_ns)
{
    return c->stall_ns > 0 && c->turn_ns > 0 && now_ns > c->turn_ns + c->stall_ns;
}

bool server_clock_turn(struct server_clock *c, uint64_t now_ns)
{
    bool stalled = stands_still(c, now_ns);
    c->turn_ns = now_ns;
    if (!stalled)
        return false;
    c->known = c->stepped = false;
    c->agreed = 0;
    c->since_ns = now_ns;
    return true;
}

int64_t server_clock_offset_ns(const struct server_clock *c, uint64_t now_ns)
{
    int64_t passed_ns = now_ns > c->slew_ns ? (int64_t)(now_ns - c->slew_ns) : 0;
    return c->offset_ns - i64_min(c->excess_ns, passed_ns / SLEW_DIVISOR);
}

static void set(struct server_clock *c, const struct server_sample *s, int64_t offset_ns,
                int64_t excess_ns)
{
    c->offset_ns = offset_ns;
    c->excess_ns = excess_ns;
    c->slew_ns = s->answered_ns;
}

/* How far an offset is from what a sample allows: 0 inside, > 0 ahead of it, < 0 behind. */
static int64_t beyond(const struct server_sample *s, int64_t offset_ns)
{
    int64_t low_ns = s->server_ns - (int64_t)s->answered_ns;
    int64_t high_ns = s->server_ns - (int64_t)s->asked_ns;
    return offset_ns > high_ns ? offset_ns - high_ns : i64_min(offset_ns - low_ns, 0);
}

static bool is_step(const struct server_sample *s, int64_t offset_ns)
{
    int64_t by_ns = beyond(s, offset_ns);
    return by_ns > STEP_NS || by_ns < -STEP_NS;
}

/* An answer that took longer than a step tells too little to agree with anything. */
static void count(struct server_clock *c, const struct server_sample *s)
{
    bool narrow = s->answered_ns - s->asked_ns <= (uint64_t)STEP_NS;
    bool apart = c->agreed == 0 || s->asked_ns >= c->counted_ns + c->sample_ns;
    if (!narrow || !apart || c->agreed == SERVER_CLOCK_SAMPLES)
        return;
    c->agreed++;
    c->counted_ns = s->asked_ns;
}

/* Held: what three samples in a row agree on is the offset. */
static void settle_step(struct server_clock *c, const struct server_sample *s)
{
    int64_t low_ns = s->server_ns - (int64_t)s->answered_ns;
    if (c->same > 0 && !is_step(s, c->candidate_ns)) {
        c->same++;
        c->candidate_ns = i64_max(c->candidate_ns - i64_max(beyond(s, c->candidate_ns), 0), low_ns);
    } else {
        c->same = 1;
        c->candidate_ns = low_ns;
    }
    if (c->same < SERVER_CLOCK_SAMPLES)
        return;
    set(c, s, c->candidate_ns, 0);
    c->stepped = false;
    count(c, s);
}

void server_clock_sample(struct server_clock *c, const struct server_sample *s)
{
    int64_t now_ns = server_clock_offset_ns(c, s->answered_ns);
    if (s->asked_ns < c->since_ns || s->answered_ns < s->asked_ns)
        return;
    c->sampled_ns = s->answered_ns;
    if (!c->known) {
        c->known = true;
        set(c, s, s->server_ns - (int64_t)s->answered_ns, 0);
        count(c, s);
        return;
    }
    if (!c->stepped && is_step(s, now_ns)) {
        c->stepped = true;
        c->agreed = c->same = 0;
    }
    if (c->stepped) {
        settle_step(c, s);
        return;
    }
    int64_t by_ns = beyond(s, now_ns);
    set(c, s, by_ns < 0 ? now_ns - by_ns : now_ns, i64_max(by_ns, 0));
    count(c, s);
}

bool server_clock_held(const struct server_clock *c, uint64_t now_ns)
{
    return !c->known || c->stepped || stands_still(c, now_ns);
}

/* A clock that was not compared for a while is nothing to finish a cycle by. */
static bool is_fresh(const struct server_clock *c, uint64_t now_ns)
{
    uint64_t most_ns = SERVER_CLOCK_SAMPLES * c->sample_ns + c->stall_ns;
    return now_ns <= c->sampled_ns + most_ns;
}

struct ring_clock server_clock_read(const struct server_clock *c, uint64_t now_ns)
{
    int64_t at_ns = (int64_t)now_ns + server_clock_offset_ns(c, now_ns);
    bool held = server_clock_held(c, now_ns);
    return (struct ring_clock){.now_ms = at_ns / MS_NS,
                               .held = held,
                               .agreed = !held && c->agreed == SERVER_CLOCK_SAMPLES &&
                                         is_fresh(c, now_ns)};
}
