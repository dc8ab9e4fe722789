/* Writes state for the commands: a record is produced, acknowledged by all in-sync
 * replicas, and put into Redis; only when both are done is it in force. What goes wrong is
 * said on standard error. */
#pragma once

#include "config.h"
#include "state_apply.h"

struct state_writer;

/* NULL: said why. */
struct state_writer *state_writer_open(const struct config *config, enum state_topic topic);
void state_writer_close(struct state_writer *writer);

/* The value at a key of Redis, valid until the next call; size 0: none. False: said why. */
MUST_USE bool state_writer_read(struct state_writer *writer, struct bytes key, struct bytes *value);

/* The text that a command answers, as above. */
MUST_USE bool state_writer_ask(struct state_writer *writer, const struct bytes *command,
                               uint32_t count, struct bytes *text);

/* The values of many keys at once; `take` gets each in their order, size 0: none. */
MUST_USE bool state_writer_read_all(struct state_writer *writer, const struct bytes *keys,
                                    uint32_t count,
                                    void (*take)(void *context, uint32_t index, struct bytes value),
                                    void *context);

/* `wire.at` NULL removes. False: it is not in force everywhere; said why. */
MUST_USE bool state_write(struct state_writer *writer, struct bytes key, struct bytes wire);

/* Many at once, some 50,000 a second: posts are borrowed until the flush, which is as
 * state_write for all of them. */
enum { STATE_POSTS_MAX = 4096 };
void state_post(struct state_writer *writer, struct bytes key, struct bytes wire);
uint32_t state_posts_room(const struct state_writer *writer);
MUST_USE bool state_flush(struct state_writer *writer);
