/* Between the files of hand: assignment and commits (hand.c), reading (hand_read.c), entries
 * and payloads (hand_cache.c), firing (hand_fire.c), progress as a hint (hand_hint.c). */
#pragma once

#include "stage/hand.h"

struct hand_asked {
    uint32_t partition;
    struct ring_asked asked;
};

/* End offsets asked for. */
struct hand_ask {
    struct hand_ask *next;
    uint64_t id;
    uint32_t count;
    struct hand_asked of[];
};

/* What a record of a deferral topic says of itself. */
struct hand_says {
    bool is_deferral;   /* else it fires at once, and becomes a dead letter */
    int64_t due_ms;     /* carillon-due; now where it has none */
    int64_t when_ms;    /* when it is looked at */
    uint32_t slack_min; /* from due to expiry; for the order of left-overs */
};
enum { HAND_SLACK_MAX = (1 << 21) - 1 }; /* minutes: 4 years; not known */

/* hand.c */
struct hand_partition *hand_find(struct hand *hand, uint32_t topic, int32_t partition);
static inline uint32_t hand_number(const struct hand *hand, const struct hand_partition *p)
{
    return (uint32_t)(p - hand->partitions);
}
static inline const struct ring *hand_ring(const struct hand *hand, const struct hand_partition *p)
{
    return &hand->topics[p->topic].ring;
}
void hand_touch(struct hand *hand, struct hand_partition *p);

/* hand_read.c */
bool hand_read(struct hand *hand);  /* true: there may be more */
void hand_serve(struct hand *hand); /* readers that were touched, and all from time to time */
void hand_drop_asks(struct hand *hand);
/* carillon-due of a record; now where it has none. */
int64_t hand_due_of(const struct hand *hand, const struct record *record);

/* hand_cache.c */
struct hand_entry *hand_entry_at(const struct hand *hand, uint32_t number);
/* The entry of an offset; NULL: there is none. */
struct hand_entry *hand_entry_of(const struct hand *hand, const struct hand_partition *p,
                                 int64_t offset);
struct hand_entry *hand_entry_new(struct hand *hand, struct hand_partition *p, int64_t offset);
void hand_entry_free(struct hand *hand, struct hand_entry *e); /* it is in no list */
int64_t hand_offset_of(const struct hand *hand, const struct hand_entry *e);
/* Walks the entries in use, from *at = 0 on. */
struct hand_entry *hand_entry_next(const struct hand *hand, uint32_t *at);
void hand_drop_entries(struct hand *hand);
void hand_grow_index(struct hand *hand, struct hand_partition *p, uint32_t words);
/* Keeps the payload if it is early enough and there is room, which may be made. */
void hand_keep(struct hand *hand, struct hand_entry *e, int64_t when_ms,
               const struct record *record);
/* The record of an entry that has its payload; until the next one. */
void hand_payload(struct hand *hand, const struct hand_entry *e, struct record *out,
                  struct record_header headers[RECORD_HEADERS_MAX]);
/* Begins the pass that reads again what has no payload and is due next, if it is wanted. */
void hand_pass(struct hand *hand);

/* hand_hint.c */
void hand_hint_init(struct hand *hand);
void hand_hint_assigned(struct hand *hand);
/* Whether the partition need not wait for its hint any more. */
bool hand_hint_is_in(struct hand *hand, struct hand_partition *p);
void hand_hint_drop(struct hand_partition *p);
void hand_hint_turn(struct hand *hand);
/* The partitions go. */
void hand_hint_last(struct hand *hand);

/* hand_fire.c */
/* Puts an entry that is in no list where it belongs now. */
void hand_place(struct hand *hand, struct hand_entry *e, int64_t when_ms, uint32_t slack_min);
/* Its payload came, or went: `late` and `bare` are left or entered. */
void hand_replace(struct hand *hand, struct hand_entry *e, uint32_t slack_min);
/* When it is looked at, wherever it is. */
int64_t hand_when(const struct hand *hand, const struct hand_entry *e);
uint32_t hand_slack(const struct hand *hand, const struct hand_entry *e);
/* Sets the wheel at the start, and anew when the clock stepped back. */
void hand_keep_time(struct hand *hand);
void hand_fire(struct hand *hand, uint32_t room, struct list *fresh);
