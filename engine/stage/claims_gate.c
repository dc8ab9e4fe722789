/* The gate. Each second, and at each connect, one pipeline asks which Redis this is:
 * INFO (its life), TIME, the epoch key (its data's life), the functions, the marks. A
 * world that is not the known one shuts the gate; it opens again when what was in hand
 * is written, 3 s have passed, the group has acknowledged a commit, and the follower
 * has applied the state topics. */
#include "stage/claims.h"

#include "base/clock.h"
#include "base/log.h"
#include "domain/redis_functions.h"
#include "domain/state_key.h"

enum {
    ASK_NS = 1000 * 1000 * 1000,
    HASTE_NS = 50 * 1000 * 1000, /* while it is shut */
};

enum reply { REPLY_INFO, REPLY_TIME, REPLY_EPOCH, REPLY_VERSION, REPLY_MARKS, REPLY_COUNT };

static void on_health(struct redis_waiter *waiter, uint32_t index, const struct redis_reply *reply);

const char *gate_state_text(enum gate_state state)
{
    static const char *const texts[GATE_STATE_COUNT] = {
        [GATE_AWAY] = "cannot be reached",
        [GATE_ASKING] = "its health is asked",
        [GATE_FUNCTIONS] = "the functions are missing: run `carillon setup`",
        [GATE_EPOCH] = "the state topics are being applied (no epoch yet)",
        [GATE_TAIL] = "claims in hand are written again",
        [GATE_HOLD] = "3 s after a loss, and a commit, are awaited",
        [GATE_MARKS] = "the state topics are being applied",
        [GATE_CLOCK] = "its clock or ours stepped: until three samples of its time agree",
        [GATE_OPEN] = "open",
    };
    return texts[state];
}

void gate_init(struct claims *claims, const struct claims_options *options)
{
    struct gate *g = &claims->gate;
    *g = (struct gate){.waiter = {on_health}};
    server_clock_init(&g->clock, options->time_sample_ns, options->stall_ns,
                      clock_wall_ms() * (int64_t)NS_PER_MS - (int64_t)clock_mono_ns());
}

/* --- asking -------------------------------------------------------------------------- */

static size_t marks_bytes(const struct claims *claims)
{
    size_t bytes = 4096;
    for (uint32_t i = 0; i < claims->mark_count; i++)
        bytes += strlen(claims->marks[i]) + 32;
    return bytes;
}

static void ask_marks(struct claims *claims)
{
    redis_begin(claims->redis, claims->mark_count + 1);
    redis_argument(claims->redis, BYTES("MGET"));
    for (uint32_t i = 0; i < claims->mark_count; i++) {
        char key[STATE_MARK_KEY_MAX];
        struct writer w = writer_of(key, sizeof key);
        write_literal(&w, "m1:{");
        write_text(&w, claims->marks[i]);
        write_char(&w, '}');
        redis_argument(claims->redis, writer_bytes(&w));
    }
    redis_end(claims->redis, &claims->gate.waiter, REPLY_MARKS);
}

static void ask(struct claims *claims, uint64_t now_ns)
{
    struct gate *g = &claims->gate;
    struct redis *redis = claims->redis;
    if (redis_room(redis) < REPLY_COUNT || redis_room_bytes(redis) < marks_bytes(claims))
        return;
    g->asked = (struct gate_health){.asked_ns = now_ns, .good = true, .awaited = REPLY_COUNT};
    g->asked_ns = now_ns;
    const struct bytes info[] = {BYTES("INFO"), BYTES("server")};
    const struct bytes time[] = {BYTES("TIME")};
    const struct bytes epoch[] = {BYTES("GET"), BYTES(STATE_EPOCH_KEY)};
    const struct bytes version[] = {BYTES("FCALL"), BYTES("version"), BYTES("0")};
    redis_command(redis, info, countof(info), &g->waiter, REPLY_INFO);
    redis_command(redis, time, countof(time), &g->waiter, REPLY_TIME);
    redis_command(redis, epoch, countof(epoch), &g->waiter, REPLY_EPOCH);
    redis_command(redis, version, countof(version), &g->waiter, REPLY_VERSION);
    if (claims->mark_count > 0) {
        ask_marks(claims);
    } else {
        g->asked.marks = true;
        g->asked.awaited--;
    }
}

/* --- answers ------------------------------------------------------------------------- */

static bool number_after(struct bytes text, const char *name, int64_t *out)
{
    const char *at = memmem(text.at, text.size, name, strlen(name));
    if (!at)
        return false;
    int64_t n = 0;
    for (at += strlen(name); at < text.at + text.size && *at >= '0' && *at <= '9'; at++)
        n = n > INT64_MAX / 20 ? n : n * 10 + (*at - '0');
    *out = n;
    return true;
}

static void read_info(struct gate_health *h, const struct redis_reply *reply)
{
    static const char name[] = "run_id:";
    int64_t uptime_s = 0;
    const char *at = reply->type == REDIS_TEXT
                         ? memmem(reply->text.at, reply->text.size, name, sizeof name - 1)
                         : NULL;
    size_t left = at ? (size_t)(reply->text.at + reply->text.size - at) : 0;
    h->good &= left >= sizeof name - 1 + GATE_RUN_ID_SIZE &&
               number_after(reply->text, "uptime_in_seconds:", &uptime_s);
    if (h->good)
        memcpy(h->world.run_id, at + sizeof name - 1, GATE_RUN_ID_SIZE);
    h->uptime_ms = uptime_s * 1000;
}

static void read_time(struct gate *g, const struct redis_reply *reply)
{
    int64_t s = 0, us = 0;
    if (reply->type != REDIS_ARRAY || reply->element_count != 2 ||
        !number_after(reply->elements[0]->text, "", &s) ||
        !number_after(reply->elements[1]->text, "", &us)) {
        g->asked.good = false;
        return;
    }
    bool stepped = g->clock.stepped;
    const struct server_sample sample = {.server_ns = s * (int64_t)NS_PER_S + us * 1000,
                                         .asked_ns = g->asked.asked_ns,
                                         .answered_ns = clock_mono_ns()};
    server_clock_sample(&g->clock, &sample);
    if (g->clock.stepped && !stepped)
        log_event(LOG_WARN, "clock_stepped",
                  "remedy=\"nothing is sent until three samples of Redis's time agree\"");
}

static void read_epoch(struct gate_health *h, const struct redis_reply *reply)
{
    if (reply->type == REDIS_NIL)
        return;
    const char *bar =
        reply->type == REDIS_TEXT ? memchr(reply->text.at, '|', reply->text.size) : NULL;
    if (!bar || reply->text.size > GATE_EPOCH_SIZE) {
        h->good = false;
        return;
    }
    memcpy(h->world.epoch, reply->text.at, reply->text.size);
    h->world.epoch_size = (uint32_t)reply->text.size;
    struct bytes begun = {bar + 1, reply->text.size - (size_t)(bar + 1 - reply->text.at)};
    (void)number_after(begun, "", &h->epoch_begun_ms);
}

/* A mark is run_id|next, and true only where it begins with the run_id as it is. */
static void read_marks(struct gate_health *h, const struct redis_reply *reply)
{
    h->marks = reply->type == REDIS_ARRAY;
    for (size_t i = 0; h->marks && i < reply->element_count; i++) {
        const struct redis_reply *mark = reply->elements[i];
        h->marks = mark->type == REDIS_TEXT && mark->text.size > GATE_RUN_ID_SIZE &&
                   memcmp(mark->text.at, h->world.run_id, GATE_RUN_ID_SIZE) == 0 &&
                   mark->text.at[GATE_RUN_ID_SIZE] == '|';
    }
}

static void on_health(struct redis_waiter *waiter, uint32_t index, const struct redis_reply *reply)
{
    struct claims *claims = container_of(waiter, struct claims, gate.waiter);
    struct gate *g = &claims->gate;
    CHECK(g->asked.awaited > 0);
    g->asked.awaited--;
    if (!reply) {
        g->asked.good = false;
        return;
    }
    switch ((enum reply)index) {
    case REPLY_INFO:
        read_info(&g->asked, reply);
        break;
    case REPLY_TIME:
        read_time(g, reply);
        break;
    case REPLY_EPOCH:
        read_epoch(&g->asked, reply);
        break;
    case REPLY_VERSION:
        g->asked.functions =
            reply->type == REDIS_INTEGER && reply->integer >= REDIS_FUNCTIONS_VERSION;
        break;
    case REPLY_MARKS:
        read_marks(&g->asked, reply);
        break;
    case REPLY_COUNT:
        break;
    }
    if (g->asked.awaited == 0 && g->asked.good) {
        g->last = g->asked;
        g->answered = true;
    }
}

/* --- the state ----------------------------------------------------------------------- */

static bool same_world(const struct gate_world *a, const struct gate_world *b)
{
    return memcmp(a->run_id, b->run_id, GATE_RUN_ID_SIZE) == 0 && a->epoch_size == b->epoch_size &&
           memcmp(a->epoch, b->epoch, a->epoch_size) == 0;
}

/* A process that starts has nothing in hand: it waits only where another worker may be
 * writing again what it had. */
static bool start_needs_hold(struct claims *claims, uint64_t now_ns)
{
    const struct gate_health *h = &claims->gate.last;
    int64_t age_ms = claims_now_ms(claims, now_ns) - h->epoch_begun_ms;
    return h->epoch_begun_ms != 0 && (h->uptime_ms < CLAIMS_TAIL_MS || age_ms < CLAIMS_TAIL_MS);
}

/* The world changed: from here on only what was in hand is written to it. */
static void meet(struct claims *claims, uint64_t now_ns)
{
    struct gate *g = &claims->gate;
    bool first = !g->is_known;
    if (!first)
        log_event(LOG_WARN, "redis_lost", "remedy=\"claims in hand are written again\"");
    g->hold = first ? start_needs_hold(claims, now_ns) : true;
    g->known = g->last.world;
    g->is_known = true;
    g->tail_done_ns = 0;
    tail_begin(claims);
}

static enum gate_state next_state(struct claims *claims, uint64_t now_ns)
{
    struct gate *g = &claims->gate;
    uint32_t generation = redis_generation(claims->redis);
    if (generation != g->generation) {
        g->generation = generation;
        g->answered = false;
        g->asked_ns = 0;
    }
    if (generation == 0)
        return GATE_AWAY;
    if (!g->answered)
        return GATE_ASKING;
    if (!g->last.functions)
        return GATE_FUNCTIONS;
    if (g->last.world.epoch_size == 0)
        return GATE_EPOCH;
    if (!g->is_known || !same_world(&g->known, &g->last.world))
        meet(claims, now_ns);
    if (g->tail_done_ns == 0) {
        if (!tail_write(claims, now_ns))
            return GATE_TAIL;
        g->tail_done_ns = now_ns;
    }
    if (g->hold &&
        (now_ns - g->tail_done_ns < CLAIMS_TAIL_MS * NS_PER_MS || g->commit_ns < g->tail_done_ns))
        return GATE_HOLD;
    g->hold = false;
    if (!g->last.marks)
        return GATE_MARKS;
    return server_clock_held(&g->clock, now_ns) ? GATE_CLOCK : GATE_OPEN;
}

void gate_turn(struct claims *claims, uint64_t now_ns)
{
    struct gate *g = &claims->gate;
    if (server_clock_turn(&g->clock, now_ns))
        g->asked_ns = 0; /* it stood still: its clock comes before anything else */
    enum gate_state state = next_state(claims, now_ns);
    if (state != g->state)
        log_event(LOG_DEBUG, "gate", "state=\"%s\"", gate_state_text(state));
    g->state = state;
    uint64_t every_ns = HASTE_NS;
    if (state == GATE_OPEN || state == GATE_CLOCK)
        every_ns = u64_max(u64_min(ASK_NS, g->clock.sample_ns), HASTE_NS);
    if (state != GATE_AWAY && g->asked.awaited == 0 && now_ns >= g->asked_ns + every_ns)
        ask(claims, now_ns);
}

void claims_committed(struct claims *claims, uint64_t asked_ns)
{
    claims->gate.commit_ns = asked_ns;
}

bool claims_open(const struct claims *claims)
{
    return claims->gate.state == GATE_OPEN && !claims->gate.clock.stepped &&
           redis_generation(claims->redis) == claims->gate.generation;
}

enum gate_state claims_gate(const struct claims *claims)
{
    return claims->gate.state;
}

struct bytes claims_epoch(const struct claims *claims)
{
    return (struct bytes){claims->gate.known.epoch, claims->gate.known.epoch_size};
}

void claims_epoch_changed(struct claims *claims)
{
    claims->gate.answered = false; /* asked anew before anything else */
    claims->gate.asked_ns = 0;
    claims->gate.state = GATE_ASKING;
}

int64_t claims_now_ms(const struct claims *claims, uint64_t now_ns)
{
    return claims_clock(claims, now_ns).now_ms;
}

struct ring_clock claims_clock(const struct claims *claims, uint64_t now_ns)
{
    return server_clock_read(&claims->gate.clock, now_ns);
}

struct claim_world claims_world(const struct claims *claims, uint64_t now_ns)
{
    return (struct claim_world){.rules = &claims->rules,
                                .now_ms = claims_now_ms(claims, now_ns),
                                .epoch_begun_ms = claims->gate.last.epoch_begun_ms};
}
