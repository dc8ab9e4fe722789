/* One connection that comes back by itself. Its states: closed (until retry_ns), opening,
 * signing in, ready. Commands of a turn gather in one buffer, which leaves with the next
 * submission; replies meet their waiters in order. */
#include "io/redis.h"

#include "base/clock.h"
#include "base/prng.h"
#include "io/redis_write.h"
#include "io/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PENDING_DEFAULT = 4096,
    BUFFER_DEFAULT = 1024 * 1024,
    COMMAND_DEFAULT_MS = 2000,
    CONNECT_DEFAULT_MS = 1000,
    RETRY_FIRST_MS = 50,
    RETRY_LAST_MS = 2000,
    SIGN_IN_COMMANDS = 4,
    WHY_SIZE = 160,
};

enum state { STATE_CLOSED, STATE_OPENING, STATE_SIGNING_IN, STATE_READY };

struct pending {
    struct redis_waiter *waiter;
    uint32_t index;
    uint64_t deadline_ns;
};

struct redis {
    struct loop *loop;
    struct redis_options options;
    struct stream_owner owner;
    struct stream *stream;
    struct redis_decoder *decoder;
    struct loop_timer timer; /* retry, or the deadline of the oldest command */
    struct loop_task flush;
    enum state state;
    uint32_t generation;
    uint32_t tries;
    uint64_t random;
    uint64_t away_since_ns;
    char why[WHY_SIZE];
    struct redis_waiter greeter; /* of the sign-in */
    uint32_t greetings;          /* replies awaited */

    struct pending *pending; /* a ring */
    uint32_t first, count, max;
    struct writer out;    /* commands of this turn */
    uint64_t deadline_ns; /* of what is in it: the clock is read for the first alone */
    uint32_t open_arguments;
    struct redis_stats stats;
};

static void connect_now(struct redis *r);

static void say_away(struct redis *r, const char *what, const char *detail)
{
    snprintf(r->why, sizeof r->why, "%s%s%s", what, detail ? ": " : "", detail ? detail : "");
}

static struct pending take_pending(struct redis *r)
{
    struct pending p = r->pending[r->first];
    r->first = r->first + 1 == r->max ? 0 : r->first + 1;
    r->count--;
    return p;
}

/* Everything in flight is answered `lost`; the next try comes after a while. */
static void lose(struct redis *r)
{
    if (r->stream)
        stream_reset(r->stream); /* what is under way is not to be executed late */
    r->stream = NULL;
    if (r->decoder)
        redis_decoder_close(r->decoder);
    r->decoder = NULL;
    if (r->state == STATE_READY) {
        r->away_since_ns = clock_mono_ns();
        r->tries = 0;
    }
    r->state = STATE_CLOSED;
    r->out.size = 0;
    loop_task_clear(&r->flush);
    for (uint32_t left = r->count; left > 0; left--) {
        struct pending p = take_pending(r);
        r->stats.lost++;
        p.waiter->done(p.waiter, p.index, NULL);
    }
    uint64_t most_ms =
        u64_min((uint64_t)RETRY_FIRST_MS << (r->tries < 6 ? r->tries : 6), RETRY_LAST_MS);
    r->tries++;
    uint64_t delay_ms = 1 + prng_upto(&r->random, most_ms);
    loop_timer_set(r->loop, &r->timer, clock_mono_ns() + delay_ms * NS_PER_MS);
}

static void watch_deadlines(struct redis *r)
{
    uint64_t step_ns = (uint64_t)r->options.command_ms * NS_PER_MS / 4;
    loop_timer_set(r->loop, &r->timer, loop_now_ns(r->loop) + step_ns);
}

static void on_timer(struct loop_timer *timer)
{
    struct redis *r = container_of(timer, struct redis, timer);
    if (r->state == STATE_CLOSED) {
        connect_now(r);
    } else if (r->count > 0 && r->pending[r->first].deadline_ns <= loop_now_ns(r->loop)) {
        say_away(r, "no answer in time", NULL);
        lose(r);
    } else {
        watch_deadlines(r);
    }
}

/* --- commands ------------------------------------------------------------------------ */

static void on_flush(struct loop_task *task)
{
    struct redis *r = container_of(task, struct redis, flush);
    if (r->out.size == 0 || !r->stream)
        return;
    if (stream_write(r->stream, writer_bytes(&r->out)) == ERR_OK)
        r->out.size = 0; /* else: with the next `taken` */
}

static void append(struct redis *r, struct redis_waiter *waiter, uint32_t index)
{
    CHECK(r->count < r->max);
    CHECK(!r->out.overflow); /* the caller asked for the room */
    uint32_t at = r->first + r->count++;
    r->pending[at < r->max ? at : at - r->max] = (struct pending){waiter, index, r->deadline_ns};
    r->stats.commands++;
    loop_before_submit(r->loop, &r->flush);
}

void redis_begin(struct redis *r, uint32_t count)
{
    CHECK(r->open_arguments == 0);
    if (r->out.size == 0)
        r->deadline_ns = clock_mono_ns() + (uint64_t)r->options.command_ms * NS_PER_MS;
    resp_begin(&r->out, count);
    r->open_arguments = count;
}

void redis_argument(struct redis *r, struct bytes argument)
{
    CHECK(r->open_arguments > 0);
    resp_argument(&r->out, argument);
    r->open_arguments--;
}

void redis_arguments(struct redis *r, struct bytes written, uint32_t count)
{
    CHECK(r->open_arguments >= count);
    write_slice(&r->out, written);
    r->open_arguments -= count;
}

void redis_end(struct redis *r, struct redis_waiter *waiter, uint32_t index)
{
    CHECK(r->open_arguments == 0);
    append(r, waiter, index);
}

void redis_command(struct redis *r, const struct bytes *arguments, uint32_t count,
                   struct redis_waiter *waiter, uint32_t index)
{
    redis_begin(r, count);
    for (uint32_t i = 0; i < count; i++)
        redis_argument(r, arguments[i]);
    redis_end(r, waiter, index);
}

uint32_t redis_room(const struct redis *r)
{
    return r->state == STATE_READY ? r->max - r->count : 0;
}

size_t redis_room_bytes(const struct redis *r)
{
    return r->state == STATE_READY ? r->out.max - r->out.size : 0;
}

/* --- the connection ------------------------------------------------------------------ */

static bool is_master(const struct redis_reply *reply)
{
    return reply->type == REDIS_ARRAY && reply->element_count > 0 &&
           bytes_equal(reply->elements[0]->text, BYTES("master"));
}

/* The last reply is ROLE's; the others only may not be errors. */
static void on_greeted(struct redis_waiter *waiter, uint32_t index, const struct redis_reply *reply)
{
    struct redis *r = container_of(waiter, struct redis, greeter);
    (void)index;
    if (!reply || r->state != STATE_SIGNING_IN)
        return;
    r->greetings--;
    if (reply->type == REDIS_ERROR) {
        char text[WHY_SIZE - 24];
        snprintf(text, sizeof text, "%.*s", (int)reply->text.size, reply->text.at);
        say_away(r, "it refuses", text);
        r->greetings = UINT32_MAX; /* on_received closes */
    } else if (r->greetings == 0 && !is_master(reply)) {
        say_away(r, "it is a replica", NULL);
        r->greetings = UINT32_MAX;
    } else if (r->greetings == 0) {
        r->state = STATE_READY;
        r->generation++;
        r->stats.connects++;
        r->tries = 0;
    }
}

static void greet(struct redis *r)
{
    const struct redis_options *o = &r->options;
    r->greeter.done = on_greeted;
    r->greetings = 1u + (o->password != NULL) + (o->database != 0) + (o->name != NULL);
    if (o->password && o->user) {
        const struct bytes auth[] = {BYTES("AUTH"), bytes_of(o->user), bytes_of(o->password)};
        redis_command(r, auth, countof(auth), &r->greeter, 0);
    } else if (o->password) {
        const struct bytes auth[] = {BYTES("AUTH"), bytes_of(o->password)};
        redis_command(r, auth, countof(auth), &r->greeter, 0);
    }
    if (o->database != 0) {
        char number[12];
        struct writer w = writer_of(number, sizeof number);
        write_u64(&w, o->database);
        const struct bytes select[] = {BYTES("SELECT"), writer_bytes(&w)};
        redis_command(r, select, countof(select), &r->greeter, 0);
    }
    if (o->name) {
        const struct bytes name[] = {BYTES("CLIENT"), BYTES("SETNAME"), bytes_of(o->name)};
        redis_command(r, name, countof(name), &r->greeter, 0);
    }
    const struct bytes role[] = {BYTES("ROLE")};
    redis_command(r, role, countof(role), &r->greeter, 0);
}

static void on_opened(struct stream_owner *owner)
{
    struct redis *r = container_of(owner, struct redis, owner);
    r->state = STATE_SIGNING_IN;
    watch_deadlines(r);
    greet(r);
}

static void on_received(struct stream_owner *owner, struct bytes bytes)
{
    struct redis *r = container_of(owner, struct redis, owner);
    redis_decoder_feed(r->decoder, bytes);
    const struct redis_reply *reply;
    enum err err;
    while ((err = redis_decoder_take(r->decoder, &reply)) == ERR_OK) {
        if (r->count == 0) {
            err = ERR_PROTOCOL;
            break;
        }
        struct pending p = take_pending(r);
        p.waiter->done(p.waiter, p.index, reply);
        if (r->greetings == UINT32_MAX) {
            r->greetings = 0;
            lose(r);
            return;
        }
    }
    if (err == ERR_PROTOCOL) {
        say_away(r, "its replies make no sense", NULL);
        lose(r);
    }
}

static void on_taken(struct stream_owner *owner, uint64_t total)
{
    struct redis *r = container_of(owner, struct redis, owner);
    (void)total;
    if (r->out.size > 0)
        loop_before_submit(r->loop, &r->flush);
}

static void on_closed(struct stream_owner *owner, enum err err, const char *why)
{
    struct redis *r = container_of(owner, struct redis, owner);
    say_away(r, err_text(err), why);
    lose(r);
}

static const struct stream_events events = {on_opened, on_received, on_taken, on_closed};

static void connect_now(struct redis *r)
{
    struct stream_options options = {.resolve = r->options.resolve,
                                     .host = r->options.host,
                                     .port = r->options.port,
                                     .tls = r->options.tls,
                                     .write_max = r->options.buffer_max,
                                     .open_ms = r->options.connect_ms};
    r->decoder = redis_decoder_open();
    CHECK(r->decoder != NULL);
    r->state = STATE_OPENING;
    r->owner.events = &events;
    r->stream = stream_open(r->loop, &options, &r->owner);
    watch_deadlines(r);
}

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
    return value ? value : otherwise;
}

struct redis *redis_open(struct loop *loop, const struct redis_options *options)
{
    struct redis *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->loop = loop;
    r->options = *options;
    r->options.buffer_max = or_default(options->buffer_max, BUFFER_DEFAULT);
    r->options.command_ms = or_default(options->command_ms, COMMAND_DEFAULT_MS);
    r->options.connect_ms = or_default(options->connect_ms, CONNECT_DEFAULT_MS);
    r->max = or_default(options->pending_max, PENDING_DEFAULT) + SIGN_IN_COMMANDS;
    r->pending = calloc(r->max, sizeof *r->pending);
    char *out = malloc(r->options.buffer_max);
    if (!r->pending || !out) {
        free(out);
        free(r->pending);
        free(r);
        return NULL;
    }
    r->out = writer_of(out, r->options.buffer_max);
    r->random = options->seed;
    r->flush.run = on_flush;
    r->timer.fire = on_timer;
    r->away_since_ns = clock_mono_ns();
    say_away(r, "connecting", NULL);
    connect_now(r);
    return r;
}

void redis_close(struct redis *r)
{
    if (r->stream)
        stream_close(r->stream);
    if (r->decoder)
        redis_decoder_close(r->decoder);
    loop_timer_clear(r->loop, &r->timer);
    loop_task_clear(&r->flush);
    free(r->out.at);
    free(r->pending);
    free(r);
}

uint32_t redis_generation(const struct redis *r)
{
    return r->state == STATE_READY ? r->generation : 0;
}

const char *redis_away(const struct redis *r, uint64_t *since_ns)
{
    if (r->state == STATE_READY)
        return NULL;
    *since_ns = r->away_since_ns;
    return r->why;
}

struct redis_stats redis_stats(const struct redis *r)
{
    struct redis_stats stats = r->stats;
    stats.pending = r->count;
    return stats;
}
