/* Admission on a real Redis of its own: for the tests of stage admit. */
#pragma once

#include "base/clock.h"
#include "base/time.h"
#include "domain/once.h"
#include "domain/pbjson.h"
#include "domain/state_key.h"
#include "io/loop.h"
#include "redis_world.h"
#include "stage/admit.h"
#include "stage/route.h"
#include "stage/tenants.h"
#include "stage_metrics.h"
#include "stage_world.h"

#define OUTCOME(name) CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_##name
#define EPOCH "e|0"
#define SMS CARILLON__V1__CHANNEL__CHANNEL_SMS
#define EMAIL CARILLON__V1__CHANNEL__CHANNEL_EMAIL
#define PUSH CARILLON__V1__CHANNEL__CHANNEL_PUSH
#define NUMBER "+33612345678"
#define ADDRESS "a@b.example"
#define BOTH "\"recipient\":{\"sms\":\"" NUMBER "\",\"email\":\"" ADDRESS "\"}"
#define SMS_ONLY STAGE_SMS ",\"channel\":\"sms\""
#define RECEIPT(id, more) \
    "{\"event_id\":\"" id "\",\"tenant_id\":\"t\",\"kind\":\"receipt\"," more "}"
#define MESSAGE(id, more)                                                            \
    "{\"event_id\":\"" id "\",\"tenant_id\":\"t\",\"kind\":\"feedback_reply\"," more \
    ",\"author\":{\"role\":\"owner\"},\"content\":{\"text\":\"hello\"}}"

struct admit_world {
    struct redis_world *server;
    struct redis_sync *redis; /* the test's own */
    struct stage_world stage;
    struct loop *loop;
    struct redis *client;
    struct claims claims;
    struct tenants tenants;
    struct admit admit;
    struct account account;
    struct route route;
    struct metrics metrics;
    struct metric_names names;
    uint64_t skew_ns; /* of the clock that admit is told */
    struct list ready, again, done, rejudge;
};

/* --- a world ------------------------------------------------------------------------- */

static inline uint64_t now_of(const struct admit_world *w)
{
    return clock_mono_ns() + w->skew_ns;
}

static inline void turn(struct admit_world *w)
{
    claims_turn(&w->claims, clock_mono_ns());
    admit_take(&w->admit, now_of(w), &w->ready, &w->again, &w->done, &w->rejudge);
    loop_wait(w->loop, clock_mono_ns() + 5 * NS_PER_MS, 1);
}

static inline void open_gate(struct admit_world *w)
{
    uint64_t until_ns = clock_mono_ns() + 10 * NS_PER_S;
    while (!claims_open(&w->claims) && clock_mono_ns() < until_ns)
        turn(w);
    assert_true(claims_open(&w->claims));
    w->stage.now = (struct judge_now){claims_now_ms(&w->claims, now_of(w)), now_of(w)};
}

static inline int open_world(void **state)
{
    struct admit_world *w = calloc(1, sizeof *w);
    char why[LOOP_WHY_SIZE];
    stage_open(&w->stage, 64);
    void *server = NULL;
    if (redis_world_open(&server) != 0)
        return -1;
    w->server = server;
    w->redis = w->server->redis;
    ASK(w->redis, BYTES("SET"), BYTES("e1"), BYTES(EPOCH));
    w->loop = loop_open(&(struct loop_options){.choice = LOOP_AUTO}, why);
    w->client = redis_open(w->loop, &(struct redis_options){.host = w->server->path, .seed = 1});
    struct claims_options claims = {.redis = w->client,
                                    .jobs = &w->stage.jobs,
                                    .rules = {.start_window_ms = 2000,
                                              .request_deadline_ms = 10000,
                                              .skew_ms = 500,
                                              .command_ms = 2000,
                                              .dedup_window_ms = INT64_C(72) * 3600 * 1000,
                                              .foreign_wait_ms = 600 * 1000}};
    struct tenants_options tenants = {.redis = w->client};
    struct admit_options admit = {.redis = w->client,
                                  .claims = &w->claims,
                                  .tenants = &w->tenants,
                                  .jobs = &w->stage.jobs,
                                  .judge = &w->stage.rules,
                                  .metrics = &w->metrics};
    stage_metrics_open(&w->metrics, &w->names);
    for (uint32_t i = 0; i < CLASS_COUNT; i++)
        admit.resend[i] = i != CARILLON__V1__CLASS__CLASS_ALERT;
    if (!w->loop || !w->client || claims_init(&w->claims, &claims) != ERR_OK ||
        tenants_init(&w->tenants, &tenants) != ERR_OK || admit_init(&w->admit, &admit) != ERR_OK)
        return -1;
    w->route.account = &w->account;
    open_gate(w);
    *state = w;
    return 0;
}

static inline void close_event(struct admit_world *w, struct event *event)
{
    tenants_let_go(&w->tenants, event);
    event_close(&w->stage.jobs, event);
}

static inline void close_list(struct admit_world *w, struct list *jobs)
{
    for (struct list_node *n = list_pop(jobs); n; n = list_pop(jobs)) {
        struct event *event = job_of(n)->event;
        if (job_close(&w->stage.jobs, job_of(n)))
            close_event(w, event);
    }
}

static inline int close_world(void **state)
{
    struct admit_world *w = *state;
    close_list(w, &w->ready);
    close_list(w, &w->again);
    close_list(w, &w->done);
    close_list(w, &w->rejudge);
    int in_hand = (int)jobs_in_hand(&w->stage.jobs);
    metrics_close(&w->metrics);
    redis_close(w->client);
    loop_wait(w->loop, 0, 1);
    admit_deinit(&w->admit);
    claims_deinit(&w->claims);
    tenants_deinit(&w->tenants);
    loop_close(w->loop);
    stage_close(&w->stage);
    void *server = w->server;
    redis_world_close(&server);
    free(w);
    return in_hand;
}

/* Decoded, with the settings that Redis has, and judged. */
static inline struct event *judged(struct admit_world *w, const char *json)
{
    const struct record record = {
        .key = BYTES("key"), .value = bytes_of(json), .timestamp_ms = w->stage.now.ms};
    struct event *event = stage_record(&w->stage, &record);
    stage_decode(&w->stage, event);
    assert_int_equal(w->stage.decoded.count, 1);
    event->assigned_ms = w->stage.now.ms - 1000;
    struct bytes tenant = bytes_of(event->judged.event->tenant_id);
    for (uint32_t i = 0; i < 1000 && !event->tenant_ref; i++) {
        event->tenant_ref = tenants_get(&w->tenants, tenant);
        if (!event->tenant_ref)
            turn(w);
    }
    assert_non_null(event->tenant_ref);
    event->judged.tenant = tenant_of(event->tenant_ref);
    judge_all(&w->stage.judging, w->stage.now, &w->stage.decoded, &w->stage.judged,
              &w->stage.refused);
    return event;
}

/* What was judged goes in; what comes of it lies in the world's lists. */
static inline void admit(struct admit_world *w)
{
    for (struct list_node *n = w->stage.judged.first; n; n = n->next) {
        struct job *job = job_of(n);
        assert_false(job->judge_again);
        job->route = job->leg ? &w->route : NULL;
    }
    uint64_t until_ns = clock_mono_ns() + 10 * NS_PER_S;
    admit_put(&w->admit, now_of(w), &w->stage.judged);
    admit_ask(&w->admit, now_of(w), &w->stage.refused);
    do
        turn(w);
    while (admit_pending(&w->admit) > 0 && clock_mono_ns() < until_ns);
    admit_take(&w->admit, now_of(w), &w->ready, &w->again, &w->done, &w->rejudge);
    assert_int_equal(admit_pending(&w->admit), 0);
}

static inline void admit_again(struct admit_world *w)
{
    for (struct list_node *n = list_pop(&w->again); n; n = list_pop(&w->again))
        list_push(job_of(n)->end.outcome ? &w->stage.refused : &w->stage.judged, n);
    admit(w);
}

static inline struct job *job_on(const struct event *event, Carillon__V1__Channel channel)
{
    for (struct list_node *n = event->jobs.first; n; n = n->next)
        if (job_of_sibling(n)->leg && job_of_sibling(n)->leg->channel == channel)
            return job_of_sibling(n);
    return NULL;
}

/* --- what stands in Redis -------------------------------------------------------------- */

static inline void key_of(struct event *event, Carillon__V1__Channel channel, const char *address,
                          char key[CLAIM_KEY_SIZE])
{
    memcpy(key, "c1:{", 4);
    claim_leg_hex(event_dedup_of(event), bytes_of(channel_name(channel)), bytes_of(address),
                  key + 4);
    key[CLAIM_KEY_SIZE - 1] = '}';
}

static inline struct bytes claim_at(struct admit_world *w, struct event *event,
                                    Carillon__V1__Channel channel, const char *address)
{
    char key[CLAIM_KEY_SIZE];
    key_of(event, channel, address, key);
    const struct redis_reply *reply = ASK(w->redis, BYTES("GET"), {key, sizeof key});
    return reply->type == REDIS_TEXT ? reply->text : (struct bytes){0};
}

static inline void set_claim(struct admit_world *w, struct event *event,
                             Carillon__V1__Channel channel, const char *address,
                             enum claim_kind kind, struct bytes own, int64_t time_ms,
                             const char *text)
{
    char key[CLAIM_KEY_SIZE], memory[CLAIM_VALUE_MAX];
    key_of(event, channel, address, key);
    struct writer w_value = writer_of(memory, sizeof memory);
    const struct claim_value value = {.kind = kind,
                                      .own = own,
                                      .nonce = 77,
                                      .attempts = 1,
                                      .time_ms = time_ms,
                                      .text = bytes_of(text)};
    claim_write_value(&w_value, &value);
    ASK(w->redis, BYTES("SET"), {key, sizeof key}, writer_bytes(&w_value));
}

static inline void put_piece(struct admit_world *w, struct bytes key, const char *aspect,
                             const char *offset, struct bytes wire)
{
    const struct redis_reply *reply = ASK(w->redis, BYTES("FCALL"), BYTES("put"), BYTES("1"), key,
                                          bytes_of(aspect), bytes_of(offset), wire);
    assert_int_equal(reply->type, REDIS_INTEGER);
}

static inline struct bytes wire_of(const ProtobufCMessageDescriptor *type, const char *json,
                                   char memory[1024])
{
    static char room[1 << 16];
    struct arena arena = arena_of(room, sizeof room);
    ProtobufCMessage *message = NULL;
    struct pb_error error;
    struct writer wire = writer_of(memory, 1024);
    assert_int_equal(pb_from_json(type, bytes_of(json), &arena, NULL, &message, &error), ERR_OK);
    assert_int_equal(pb_encode(message, &wire), ERR_OK);
    return writer_bytes(&wire);
}

static inline void put_recipient(struct admit_world *w, const char *tenant, const char *subject,
                                 const char *json)
{
    char key[STATE_KEY_SIZE], memory[1024];
    state_recipient_key(bytes_of(tenant), bytes_of(subject), key);
    put_piece(w, (struct bytes){key, sizeof key}, "x", "5",
              wire_of(&carillon__v1__recipient_state__descriptor, json, memory));
}

static inline void put_tenant(struct admit_world *w, const char *offset, const char *json)
{
    char key[STATE_KEY_SIZE], memory[1024];
    state_tenant_key(BYTES("t"), key);
    put_piece(w, (struct bytes){key, sizeof key}, "settings", offset,
              wire_of(&carillon__v1__tenant__descriptor, json, memory));
    put_piece(w, BYTES("t1v:{t}"), "v", offset, BYTES(""));
}

static inline bool nothing_claimed(struct admit_world *w)
{
    const struct redis_reply *reply = ASK(w->redis, BYTES("KEYS"), BYTES("c1:*"));
    return reply->type == REDIS_ARRAY && reply->element_count == 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
