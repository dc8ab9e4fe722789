/* The shard in its world: opening, turns, and time, which goes on in loop_wait only. */
#include "sim.h"

#include "adapters.h"
#include "base/clock.h"
#include "base/prng.h"
#include "domain/pbjson.h"
#include "domain/state_key.h"
#include "findings.h"
#include "rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TURN_NS = 20000, BATCH_NS = 1000000, ARENA = 256 * 1024, LEAD_NS = 1000000 };
#define SLOT_NS (INT64_C(1800) * 1000000000)
#define READ_AHEAD_NS (INT64_C(120) * 1000000000)

struct sim sim;

static const char base_config[] = "worker: {name: sim, jobs_max: 1024, adapters: providers}\n"
                                  "kafka: {session_timeout_ms: 300000}\n"
                                  "rules: {address_key: sim}\n"
                                  "log: {level: error}\n"
                                  "admin: {address: \"\"}\n"
                                  "providers:\n"
                                  "  - {name: p, adapter: webhook, base_url: \"http://provider\",\n"
                                  "     credentials: [{name: token, value: t}]}\n";

uint64_t sim_random(uint64_t bound)
{
    return prng_upto(&sim.seed, bound);
}

/* --- clocks -------------------------------------------------------------------------------- */

int64_t sim_server_ns(void)
{
    return sim.true_ns + sim.server_step_ns;
}

uint64_t sim_machine_ns(void)
{
    int64_t passed_ns = sim.true_ns - sim.rate_from_ns;
    return sim.machine_ns + (uint64_t)(passed_ns + passed_ns / 1000000 * sim.rate_ppm);
}

void sim_drift(int64_t ppm)
{
    sim.machine_ns = sim_machine_ns();
    sim.rate_from_ns = sim.true_ns;
    sim.rate_ppm = ppm;
}

void sim_put_machine_forward(int64_t ns)
{
    sim.machine_ns += (uint64_t)ns;
}

uint64_t clock_mono_ns(void)
{
    return sim_machine_ns();
}

/* The machine's wall clock is a minute off: nobody may go by it. */
int64_t clock_wall_ms(void)
{
    return sim.true_ns / 1000000 - 60000;
}

/* --- sleep ----------------------------------------------------------------------------------- */

static int64_t next_answer_ns(void)
{
    return i64_min(sim_redis_next_ns(), i64_min(sim_http_next_ns(), sim_kafka_next_ns()));
}

/* Nothing is in hand, and all that is owed was committed. */
static bool rests(const struct shard *s)
{
    const struct hand *h = &s->hand;
    return claims_gate(&s->claims) == GATE_OPEN && jobs_in_hand(&s->jobs) == 0 &&
           s->tenantless.count == 0 && consume_clean(&s->consume) && hand_clean(h) &&
           h->ready.count + h->late.count + h->bare.count == 0 && !h->passing && !h->asks &&
           s->forecast.count == 0 && h->clock.agreed;
}

/* The next slot of the ring is read from READ_AHEAD before its start; days of far begin and end
 * with slots. */
static int64_t next_slot_ns(void)
{
    int64_t now_ns = sim_server_ns(), into_ns = now_ns % SLOT_NS;
    int64_t wait_ns =
        into_ns < SLOT_NS - READ_AHEAD_NS ? SLOT_NS - READ_AHEAD_NS - into_ns : SLOT_NS - into_ns;
    return sim.true_ns + wait_ns;
}

static int64_t jump_until_ns(const struct shard *s)
{
    uint64_t due_ms = wheel_next_ns(&s->hand.wheel); /* its unit is ms */
    int64_t until_ns = i64_min(sim.true_ns + sim.jump_most_ns, next_slot_ns());
    if (due_ms < INT64_MAX / 1000000) {
        int64_t due_ns = (int64_t)due_ms * 1000000 - sim.server_step_ns - LEAD_NS;
        until_ns = i64_min(until_ns, due_ns);
    }
    return i64_min(until_ns, sim.next_record_ns);
}

void loop_wait(struct loop *loop, uint64_t until_ns, uint32_t batch)
{
    (void)loop;
    const struct shard *s = &sim.shard;
    int64_t least_ns = sim.true_ns + TURN_NS;
    uint64_t machine_ns = sim_machine_ns();
    int64_t sleep_ns = until_ns > machine_ns ? (int64_t)(until_ns - machine_ns) : 0;
    sim_redis_flush();
    if (!sim.open)
        return;
    int64_t target_ns = sim.true_ns + sleep_ns;
    if (sim.jump_most_ns > 0 && !s->more && rests(s))
        target_ns = i64_max(target_ns, jump_until_ns(s));
    int64_t answer_ns = next_answer_ns();
    if (batch > 1 && answer_ns < target_ns)
        answer_ns = i64_min(i64_max(answer_ns, sim.true_ns + BATCH_NS), target_ns);
    target_ns = i64_min(i64_min(target_ns, answer_ns), sim.next_record_ns);
    sim.true_ns = i64_max(target_ns, least_ns);
    sim_redis_run();
    sim_http_run();
}

/* --- the shard -------------------------------------------------------------------------------- */

static void name_ring(void)
{
    ring_topics_begin(&sim.ring, sim.config);
    ring_topics_take(&sim.ring, sim.config, "carillon.deferred.1", SIM_RING_PARTITIONS);
    ring_topics_take(&sim.ring, sim.config, "carillon.deferred.far", SIM_FAR_PARTITIONS);
    ring_topics_end(&sim.ring, sim.config);
}

static void load(const char *more)
{
    struct findings findings = {0};
    char *text = malloc(sizeof base_config + strlen(more));
    CHECK(text);
    memcpy(text, base_config, sizeof base_config);
    strcat(text, more);
    sim.config = config_load_text(text, strlen(text), "sim", "deploy", NULL, &findings);
    sim.adapters = calloc(1, sizeof *sim.adapters);
    CHECK(sim.adapters);
    if (sim.config && adapters_load(sim.config, &findings, sim.adapters))
        sim.rules = rules_open(sim.config, sim.adapters, &findings);
    if (!sim.rules)
        findings_print(&findings, stderr);
    CHECK(sim.rules);
    findings_free(&findings);
    free(text);
}

static void open_shard(void)
{
    char why[SHARD_WHY_SIZE];
    const struct shard_options options = {.config = sim.config,
                                          .worker = "sim",
                                          .rules = rules_judge(sim.rules),
                                          .adapters = sim.adapters,
                                          .metric_names = sim.names,
                                          .ring = &sim.ring};
    sim.open = shard_open(&sim.shard, &options, why);
    CHECK(sim.open);
    sim.shard.schedule.random = sim_random(UINT64_MAX);
    sim.shard.send.random = sim_random(UINT64_MAX);
}

/* As many values as any stage counts under; few where they multiply. */
static void name_labels(void)
{
    static const char *const words[REASON_COUNT] = {"a"};
    sim.names = calloc(1, sizeof *sim.names);
    CHECK(sim.names);
    for (int i = 0; i < LABEL_COUNT; i++) {
        sim.names->of[i].names = words;
        sim.names->of[i].count = REASON_COUNT;
    }
    sim.names->of[LABEL_CHANNEL].count = 4;
    sim.names->of[LABEL_OUTCOME].count = 9;
}

void sim_open(uint64_t seed, int64_t start_ms, const char *config)
{
    sim = (struct sim){.seed = seed,
                       .true_ns = start_ms * 1000000,
                       .rate_from_ns = start_ms * 1000000,
                       .machine_ns = UINT64_C(5000000000000),
                       .next_record_ns = INT64_MAX};
    name_labels();
    load(config);
    name_ring();
    sim_redis_keep(BYTES("e1"), BYTES("epoch|0"));
    open_shard();
}

static void close_shard(void)
{
    sim.open = false;
    shard_close(&sim.shard);
    metrics_close(&sim.shard.metrics);
    sim_kafka_forget();
    sim_redis_forget();
    sim_http_forget();
}

void sim_restart(void)
{
    close_shard();
    open_shard();
}

void sim_close(void)
{
    close_shard();
    rules_close(sim.rules);
    adapters_free(sim.adapters);
    config_free(sim.config);
    free(sim.adapters);
    free(sim.names);
    sim_kafka_free();
    sim_redis_free();
}

void sim_turn(void)
{
    sim.turns++;
    shard_turn(&sim.shard);
}

void sim_run_until(int64_t true_ms)
{
    int64_t next_ns = sim.next_record_ns;
    sim.next_record_ns = i64_min(next_ns, true_ms * 1000000);
    while (sim.true_ns < true_ms * 1000000)
        sim_turn();
    sim.next_record_ns = next_ns;
}

/* --- what is known ------------------------------------------------------------------------------
 */

/* As the follower keeps it: one piece, at offset 1. */
static struct bytes document_of(const ProtobufCMessageDescriptor *type, struct bytes json,
                                ProtobufCMessage **message)
{
    static char memory[ARENA], wire[ARENA], piece[ARENA];
    struct arena arena = arena_of(memory, sizeof memory);
    struct writer w = writer_of(wire, sizeof wire), p = writer_of(piece, sizeof piece);
    struct pb_error error = {0};
    CHECK(pb_from_json(type, json, &arena, NULL, message, &error) == ERR_OK);
    CHECK(pb_encode(*message, &w) == ERR_OK);
    write_literal(&p, "all|1|");
    write_u64(&p, w.size);
    write_char(&p, '|');
    write_slice(&p, writer_bytes(&w));
    return writer_bytes(&p);
}

void sim_tenant(struct bytes json)
{
    ProtobufCMessage *message;
    struct bytes value = document_of(&carillon__v1__tenant__descriptor, json, &message);
    struct bytes id = bytes_of(((Carillon__V1__Tenant *)message)->tenant_id);
    char key[STATE_KEY_SIZE], version[STATE_VERSION_KEY_MAX];
    struct writer w = writer_of(version, sizeof version);
    state_tenant_key(id, key);
    sim_redis_keep((struct bytes){key, sizeof key}, value);
    state_version_key(id, &w);
    sim_redis_keep(writer_bytes(&w), BYTES("v|1|0|"));
}

void sim_recipients(struct bytes json)
{
    ProtobufCMessage *message;
    sim_redis_keep(BYTES("r1:"),
                   document_of(&carillon__v1__recipient_state__descriptor, json, &message));
}
