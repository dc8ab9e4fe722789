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

/* `wire.at` NULL removes. False: it is not in force everywhere; said why. */
MUST_USE bool state_write(struct state_writer *writer, struct bytes key, struct bytes wire);
