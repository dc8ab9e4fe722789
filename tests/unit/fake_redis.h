/* A Redis that keeps what it was asked until the test answers. Stands in for the
 * commands of io/redis.h at link time; one at a time. */
#pragma once

#include "base/bytes.h"
#include "io/redis.h"

enum { FAKE_REDIS_MAX = 16 };

struct fake_command {
    char text[512]; /* the arguments, each followed by a space */
    struct redis_waiter *waiter;
    uint32_t index;
};

struct redis {
    struct fake_command commands[FAKE_REDIS_MAX];
    uint32_t count; /* all there ever were */
    bool away;
};

uint32_t redis_room(const struct redis *redis)
{
    return redis->away ? 0 : 100;
}

void redis_command(struct redis *redis, const struct bytes *arguments, uint32_t count,
                   struct redis_waiter *waiter, uint32_t index)
{
    CHECK(redis->count < FAKE_REDIS_MAX);
    struct fake_command *command = &redis->commands[redis->count++];
    *command = (struct fake_command){.waiter = waiter, .index = index};
    struct writer w = writer_of(command->text, sizeof command->text - 1);
    for (uint32_t i = 0; i < count; i++) {
        write_slice(&w, arguments[i]);
        write_char(&w, ' ');
    }
    CHECK(!w.overflow);
}

static inline void fake_answer(struct redis *redis, uint32_t n, const struct redis_reply *reply)
{
    const struct fake_command *command = &redis->commands[n];
    command->waiter->done(command->waiter, command->index, reply);
}

/* As the function `reserve` does: a number and two texts, or numbers. */
static inline void fake_answer_slots(struct redis *redis, uint32_t n, int64_t granted,
                                     int64_t when_us)
{
    char when[24];
    struct writer w = writer_of(when, sizeof when);
    write_i64(&w, when_us);
    struct redis_reply number = {.type = REDIS_INTEGER, .integer = granted},
                       wait = {.type = REDIS_INTEGER, .integer = when_us},
                       first = {.type = REDIS_TEXT, .text = writer_bytes(&w)};
    struct redis_reply *const elements[] = {&number, granted > 0 ? &first : &wait, &first};
    const struct redis_reply reply = {
        .type = REDIS_ARRAY, .elements = elements, .element_count = countof(elements)};
    fake_answer(redis, n, &reply);
}
