/* Inside the follower: its thread and Kafka's side are follower.c, the marks and the epoch
 * follower_marks.c. */
#pragma once

#include "clients.h"
#include "follower.h"
#include "io/source.h"
#include "state_apply.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    FOLLOWER_ASK_MS = 5000, /* patience with a question to Kafka */
    RUN_ID_SIZE = 40,
    MARK_SIZE = RUN_ID_SIZE + 24,
};

enum part_stage {
    PART_WAITING, /* its mark is to be read */
    PART_READING, /* towards the end that was there when its mark was read */
    PART_APPLIED, /* the end was reached */
    PART_TRUE,    /* the mark says so */
};

struct part {
    uint32_t topic;
    int32_t partition;
    enum part_stage stage;
    int64_t next;         /* applied and acknowledged up to here */
    int64_t reading;      /* the same with what the batch holds */
    bool end_seen;        /* the batch holds all up to the end */
    int64_t committed;    /* -1: the group has no commit of it */
    char mark[MARK_SIZE]; /* as it stands in Redis, as far as is known */
};

struct follower {
    const struct config *config;
    const struct setup_found *found;
    struct kafka_settings kafka;
    char *group, *topics[STATE_TOPIC_COUNT];
    pthread_t thread;
    atomic_bool stopping;

    struct source *source;
    struct redis_settings settings;
    struct redis_sync *redis;
    uint64_t redis_again_ns;
    bool away_told;

    struct part *parts;
    uint32_t part_count;
    bool taken_up; /* source_assign was called: the source reads */
    bool lost;     /* Redis went, or is another one: begin again at the marks */

    char run_id[RUN_ID_SIZE + 1];
    bool epoch; /* its key is there */
    uint64_t look_ns;
    uint64_t commit_id;
    bool commit_out;

    char *memory; /* for documents in the making */
    uint32_t replies;
    size_t batch_bytes;
    bool true_told;
};

/* Reaches Redis, not too often. */
void follower_open_redis(struct follower *f);
/* Awaits so many replies to what was written. False: Redis is lost. */
bool follower_confirm(struct follower *f, uint32_t replies);
/* Begins at the marks: after an assignment, and when Redis is another one, or emptied. */
void follower_begin(struct follower *f);
/* Looks at Redis: is it the one we know, is what we wrote still there? Begins an epoch where
 * there is none and all is applied. */
void follower_look(struct follower *f);
/* Moves the marks on, as far as they may. */
void follower_serve_marks(struct follower *f);
