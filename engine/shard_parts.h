/* Between the files of shard: the turn (shard.c), opening (shard_open.c), gauges. */
#pragma once

#include "shard.h"

void shard_copy_resend(const struct config_resend *from, bool to[CLASS_COUNT]);
/* The ring's clock, as of now. */
struct ring_clock shard_clock(void *shard);
void shard_write_gauges(struct shard *s);
/* Once a change: a log line, and what shard_ready says. */
void shard_tell_readiness(struct shard *s);
