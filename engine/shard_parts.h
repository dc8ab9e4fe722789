/* Between the files of shard: the turn (shard.c), opening (shard_open.c), gauges. */
#pragma once

#include "shard.h"

void shard_copy_resend(const struct config_resend *from, bool to[CLASS_COUNT]);
/* Wakes the loop when the client has something. */
MUST_USE bool shard_watch(struct shard *s, int fd);

/* --- the deferral topics (shard_ring.c) --- */

struct ring_clock shard_clock(void *shard); /* the ring's, as of now */
void shard_name_ring(struct shard *s);      /* where deferrals will go */
MUST_USE bool shard_open_hand(struct shard *s, char *why);
void shard_close_hand(struct shard *s);
void shard_turn_ring(struct shard *s); /* each turn, before any stage */
/* Stand-ins for what is out for long, and the offsets of what has them. */
void shard_stand_in(struct shard *s);
void shard_complete_if_stands(struct shard *s, struct event *event);
void shard_complete_offset(struct shard *s, const struct event *event);
/* Jobs whose end is acknowledged: those that were deferred, for the forecast. */
void shard_note_deferred(struct shard *s, const struct list *closed);

void shard_write_gauges(struct shard *s);
/* Once a change: a log line, and what shard_ready says. */
void shard_tell_readiness(struct shard *s);
/* Why it is not ready; nothing where it is. */
struct shard_health {
    enum gate_state gate;
    struct kafka_health kafka;
    bool consuming, ring_assigned; /* the two groups have given their partitions */
};
void shard_write_why(const struct shard_health *health, struct writer *why);
