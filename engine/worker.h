/* A worker: one process's shards, follower and admin port, over one config. `run` and
 * `demo` are two ways to start one. */
#pragma once

#include "config.h"
#include "findings.h"

struct worker;
struct metrics;

enum { WORKER_WHY_SIZE = 512 };

enum worker_start {
    WORKER_STARTED,
    WORKER_BAD_CONFIG, /* findings say what */
    WORKER_BAD_SETUP,  /* topics or functions are missing: `why` has the remedy */
    WORKER_STOPPED,    /* was stopped while it waited for Kafka or Redis */
    WORKER_BROKEN,     /* memory, threads, the admin port: `why` */
};

/* Opens the admin port at once, waits for Kafka and Redis (it says so once, /readyz is
 * 503), then starts the shards. `config` stays the caller's until worker_close. */
struct worker *worker_new(const struct config *config);
enum worker_start worker_start(struct worker *worker, struct findings *findings,
                               char why[WORKER_WHY_SIZE]);

/* Any thread. Stops waiting, or lets the shards drain. */
void worker_stop(struct worker *worker);
/* True when every shard has drained; waits at most so long. */
bool worker_wait(struct worker *worker, uint32_t timeout_ms);
/* After worker_wait, or at once: what is in hand will be read again. */
void worker_close(struct worker *worker);

/* Keys that may change while it runs are taken from `config`, which stays the caller's
 * until worker_close, as the one before does. False: findings say why, nothing changed. */
MUST_USE bool worker_reload(struct worker *worker, const struct config *config,
                            struct findings *findings);

uint16_t worker_admin_port(const struct worker *worker); /* 0: none */
uint32_t worker_shards(const struct worker *worker, const struct metrics **shards, uint32_t max);
bool worker_ready(struct worker *worker, char why[WORKER_WHY_SIZE]);
