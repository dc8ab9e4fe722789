/* A whole shard - consume to settle, the ring's hand, the gate - over a Kafka, a Redis and a
 * provider that live in memory, and a clock that jumps to whatever happens next. They stand in
 * for io/ and for base/clock at link time; nothing of the engine knows. One at a time.
 *
 * There are three clocks. True time is the simulation's own. Redis's TIME is that and a step;
 * the machine's (CLOCK_BOOTTIME) runs beside it, at a rate of its own, and may be put forward
 * as a machine that slept is. What a test judges by is Redis's. */
#pragma once

#include "config.h"
#include "shard.h"

enum { SIM_EVENTS_PARTITIONS = 4, SIM_SLOTS = 96, SIM_SPREAD = 4, SIM_FAR_SPREAD = 4 };
enum { SIM_RING_PARTITIONS = SIM_SLOTS * SIM_SPREAD, SIM_FAR_PARTITIONS = 32 * SIM_FAR_SPREAD };
enum sim_topic { SIM_EVENTS, SIM_URGENT, SIM_RING, SIM_FAR, SIM_TOPIC_COUNT };

/* What the world sees of the shard, as it happens. */
struct sim_watcher {
    void (*sent)(struct sim_watcher *w, struct bytes body); /* the first byte leaves */
    void (*ended)(struct sim_watcher *w, struct bytes outcome);
    void (*deferred)(struct sim_watcher *w, enum sim_topic topic, const struct record *record);
    void (*committed)(struct sim_watcher *w, enum sim_topic topic, struct bytes metadata);
};

struct sim {
    uint64_t seed;
    struct sim_watcher *watcher;
    int64_t true_ns; /* since 1970 */
    int64_t server_step_ns;
    int64_t rate_from_ns, rate_ppm; /* of the machine's clock, since then */
    uint64_t machine_ns;            /* what it showed then */
    int64_t jump_most_ns;           /* 0: while nothing is in hand, time does not jump */
    int64_t next_record_ns;         /* when the test appends the next one; INT64_MAX: never */
    uint64_t samples;               /* answers to TIME */
    uint64_t turns;
    struct shard shard;
    bool open;
    struct config *config;
    struct adapters *adapters;
    struct rules *rules;
    struct ring_topics ring;
    struct metric_names *names;
};
extern struct sim sim;

/* `config`: YAML beyond the ring, Redis and Kafka, which are the simulation's. */
void sim_open(uint64_t seed, int64_t start_ms, const char *config);
void sim_close(void);
/* The shard dies, whatever it has in hand, and another one starts: what was acknowledged stays. */
void sim_restart(void);

void sim_append(enum sim_topic topic, int32_t partition, struct bytes value);
/* A tenant's settings, a JSON document. */
void sim_tenant(struct bytes json);
/* What is known of every recipient. */
void sim_recipients(struct bytes json);

/* One turn of the shard; time goes on in its sleep. */
void sim_turn(void);
void sim_run_until(int64_t true_ms);

int64_t sim_server_ns(void);
static inline int64_t sim_server_ms(void)
{
    return sim_server_ns() / 1000000;
}
uint64_t sim_machine_ns(void);
/* From now on the machine's clock runs so much too fast. */
void sim_drift(int64_t ppm);
void sim_put_machine_forward(int64_t ns);

/* --- between its parts --- */

/* When the next thing happens in it, in true time; INT64_MAX: nothing is under way. */
int64_t sim_kafka_next_ns(void);
int64_t sim_redis_next_ns(void);
int64_t sim_http_next_ns(void);
/* What is due by now happens: answers. In loop_wait. */
void sim_redis_run(void);
void sim_http_run(void);
void sim_redis_flush(void); /* what was queued in the turn leaves */
/* A key as it is to be found, for good. */
void sim_redis_keep(struct bytes key, struct bytes value);
/* The shard died: nobody is asked any more. */
void sim_kafka_forget(void);
void sim_redis_forget(void);
void sim_http_forget(void);
void sim_kafka_free(void);
void sim_redis_free(void);
uint64_t sim_random(uint64_t bound);
