/* Admission on a real Redis of its own: what is found there decides where a job goes. */
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

static uint64_t now_of(const struct admit_world *w)
{
    return clock_mono_ns() + w->skew_ns;
}

static void turn(struct admit_world *w)
{
    claims_turn(&w->claims, now_of(w));
    admit_take(&w->admit, now_of(w), &w->ready, &w->again, &w->done, &w->rejudge);
    loop_wait(w->loop, clock_mono_ns() + 5 * NS_PER_MS, 1);
}

static void open_gate(struct admit_world *w)
{
    uint64_t until_ns = clock_mono_ns() + 10 * NS_PER_S;
    while (!claims_open(&w->claims) && clock_mono_ns() < until_ns)
        turn(w);
    assert_true(claims_open(&w->claims));
    w->stage.now = (struct judge_now){claims_now_ms(&w->claims, now_of(w)), now_of(w)};
}

static int open_world(void **state)
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

static void close_event(struct admit_world *w, struct event *event)
{
    if (event->tenant_ref)
        tenants_put(&w->tenants, event->tenant_ref);
    event->tenant_ref = NULL;
    event_close(&w->stage.jobs, event);
}

static void close_list(struct admit_world *w, struct list *jobs)
{
    for (struct list_node *n = list_pop(jobs); n; n = list_pop(jobs)) {
        struct event *event = job_of(n)->event;
        if (job_close(&w->stage.jobs, job_of(n)))
            close_event(w, event);
    }
}

static int close_world(void **state)
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
static struct event *judged(struct admit_world *w, const char *json)
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
static void admit(struct admit_world *w)
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

static void admit_again(struct admit_world *w)
{
    for (struct list_node *n = list_pop(&w->again); n; n = list_pop(&w->again))
        list_push(job_of(n)->end.outcome ? &w->stage.refused : &w->stage.judged, n);
    admit(w);
}

static struct job *job_on(const struct event *event, Carillon__V1__Channel channel)
{
    for (struct list_node *n = event->jobs.first; n; n = n->next)
        if (job_of_sibling(n)->leg && job_of_sibling(n)->leg->channel == channel)
            return job_of_sibling(n);
    return NULL;
}

/* --- what stands in Redis -------------------------------------------------------------- */

static void key_of(const struct event *event, Carillon__V1__Channel channel, const char *address,
                   char key[CLAIM_KEY_SIZE])
{
    memcpy(key, "c1:{", 4);
    claim_leg_hex(bytes_of(event->judged.event->tenant_id), once_dedup_key(event->judged.event),
                  bytes_of(channel_name(channel)), bytes_of(address), key + 4);
    key[CLAIM_KEY_SIZE - 1] = '}';
}

static struct bytes claim_at(struct admit_world *w, const struct event *event,
                             Carillon__V1__Channel channel, const char *address)
{
    char key[CLAIM_KEY_SIZE];
    key_of(event, channel, address, key);
    const struct redis_reply *reply = ASK(w->redis, BYTES("GET"), {key, sizeof key});
    return reply->type == REDIS_TEXT ? reply->text : (struct bytes){0};
}

static void set_claim(struct admit_world *w, const struct event *event,
                      Carillon__V1__Channel channel, const char *address, enum claim_kind kind,
                      struct bytes own, int64_t time_ms, const char *text)
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

static void put_piece(struct admit_world *w, struct bytes key, const char *aspect,
                      const char *offset, struct bytes wire)
{
    const struct redis_reply *reply = ASK(w->redis, BYTES("FCALL"), BYTES("put"), BYTES("1"), key,
                                          bytes_of(aspect), bytes_of(offset), wire);
    assert_int_equal(reply->type, REDIS_INTEGER);
}

static struct bytes wire_of(const ProtobufCMessageDescriptor *type, const char *json,
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

static void put_recipient(struct admit_world *w, const char *tenant, const char *subject,
                          const char *json)
{
    char key[STATE_KEY_SIZE], memory[1024];
    state_recipient_key(bytes_of(tenant), bytes_of(subject), key);
    put_piece(w, (struct bytes){key, sizeof key}, "x", "5",
              wire_of(&carillon__v1__recipient_state__descriptor, json, memory));
}

static void put_tenant(struct admit_world *w, const char *offset, const char *json)
{
    char key[STATE_KEY_SIZE], memory[1024];
    state_tenant_key(BYTES("t"), key);
    put_piece(w, (struct bytes){key, sizeof key}, "settings", offset,
              wire_of(&carillon__v1__tenant__descriptor, json, memory));
    put_piece(w, BYTES("t1v:{t}"), "v", offset, BYTES(""));
}

static bool nothing_claimed(struct admit_world *w)
{
    const struct redis_reply *reply = ASK(w->redis, BYTES("KEYS"), BYTES("c1:*"));
    return reply->type == REDIS_ARRAY && reply->element_count == 0;
}

/* --- sending --------------------------------------------------------------------------- */

static void a_leg_without_a_claim_is_claimed_and_ready(void **state)
{
    struct admit_world *w = *state;
    struct event *event = judged(w, RECEIPT("1", BOTH));
    admit(w);
    assert_int_equal(w->ready.count, 2);
    assert_int_equal(claim_at(w, event, SMS, NUMBER).at[0], 'C');
    assert_int_equal(claim_at(w, event, EMAIL, ADDRESS).at[0], 'C');
    struct job *job = job_on(event, SMS);
    assert_int_equal(job->state, JOB_ADMITTING);
    assert_true(job->claim.held && job->admitted_ns > 0);
}

static void a_record_read_again_ends_as_it_did(void **state)
{
    struct admit_world *w = *state;
    struct event *event = judged(w, RECEIPT("1", BOTH));
    set_claim(w, event, SMS, NUMBER, CLAIM_SENT, event->own, NOW_MS, "SM%2f1");
    admit(w);
    assert_int_equal(w->ready.count, 1);
    assert_int_equal(w->done.count, 1);
    const struct job_end *end = &job_on(event, SMS)->end;
    assert_int_equal(end->outcome, OUTCOME(SENT));
    assert_true(end->replay);
    assert_string_equal(end->provider_message_id.at, "SM/1");
}

static void what_another_event_sent_is_a_duplicate(void **state)
{
    struct admit_world *w = *state;
    struct event *event = judged(w, RECEIPT("1", SMS_ONLY));
    set_claim(w, event, SMS, NUMBER, CLAIM_SENT, BYTES("other|topic/0/1"), NOW_MS, "SM1");
    admit(w);
    assert_int_equal(w->done.count, 1);
    assert_int_equal(stage_job(event)->end.outcome, OUTCOME(DUPLICATE));
    assert_string_equal(stage_job(event)->end.detail, "sent");
}

static void a_claim_in_force_is_waited_for(void **state)
{
    struct admit_world *w = *state;
    struct event *event = judged(w, RECEIPT("1", SMS_ONLY));
    struct job *job = stage_job(event);
    set_claim(w, event, SMS, NUMBER, CLAIM_CLAIMED, event->own, w->stage.now.ms + 5000, "");
    admit(w);
    assert_int_equal(w->again.count, 1);
    assert_int_equal(job->wait, WAIT_CLAIMED_ELSEWHERE);
    assert_true(job->due_ns > now_of(w) + 150 * MS_NS && job->due_ns < now_of(w) + 251 * MS_NS);
    set_claim(w, event, SMS, NUMBER, CLAIM_SENT, event->own, NOW_MS, "SM1");
    admit_again(w);
    assert_int_equal(w->done.count, 1);
    assert_true(job->end.replay);
}

static void a_dead_senders_claim_is_taken_over(void **state)
{
    struct admit_world *w = *state;
    struct event *event = judged(w, RECEIPT("1", SMS_ONLY));
    set_claim(w, event, SMS, NUMBER, CLAIM_CLAIMED, event->own, w->stage.now.ms - 5000, "");
    admit(w);
    assert_int_equal(w->ready.count, 1);
    assert_int_equal(stage_job(event)->claim.risk, 1);
    assert_int_equal(w->claims.stats.takeovers, 1);
}

/* --- state ----------------------------------------------------------------------------- */

static void an_opt_out_refuses_its_leg_and_leaves_no_claim(void **state)
{
    struct admit_world *w = *state;
    put_recipient(w, "t", NUMBER, "{\"opted_out\":true}");
    struct event *event = judged(w, RECEIPT("1", BOTH));
    admit(w);
    assert_int_equal(w->ready.count, 1);
    assert_int_equal(w->done.count, 1);
    assert_int_equal(job_on(event, SMS)->end.reason, REASON_UNSUBSCRIBED);
    assert_int_equal(claim_at(w, event, SMS, NUMBER).size, 0);
    assert_int_equal(claim_at(w, event, EMAIL, ADDRESS).at[0], 'C');
}

static void a_blocked_customers_event_is_told_once(void **state)
{
    struct admit_world *w = *state;
    put_recipient(w, "*", "c", "{\"blocked\":true}");
    struct event *event = judged(w, RECEIPT("1", BOTH ",\"customer_id\":\"c\""));
    admit(w);
    assert_int_equal(w->done.count, 1);
    assert_int_equal(event->jobs_open, 1);
    assert_null(stage_job(event)->leg);
    assert_int_equal(stage_job(event)->end.reason, REASON_BLOCKED_PLATFORM);
    assert_int_equal(w->stage.jobs.merged, 1);
    assert_true(nothing_claimed(w));
}

static void a_refusal_is_told_by_leg_where_one_went(void **state)
{
    struct admit_world *w = *state;
    put_recipient(w, "*", "c", "{\"blocked\":true}");
    struct event *event = judged(w, RECEIPT("1", BOTH ",\"customer_id\":\"c\""));
    set_claim(w, event, SMS, NUMBER, CLAIM_SENT, event->own, NOW_MS, "SM1");
    admit(w);
    assert_int_equal(w->done.count, 2);
    assert_int_equal(job_on(event, SMS)->end.outcome, OUTCOME(SENT));
    assert_int_equal(job_on(event, EMAIL)->end.reason, REASON_BLOCKED_PLATFORM);
}

static void damaged_state_is_never_taken_for_none(void **state)
{
    struct admit_world *w = *state;
    char key[STATE_KEY_SIZE];
    state_recipient_key(BYTES("t"), BYTES(NUMBER), key);
    ASK(w->redis, BYTES("SET"), {key, sizeof key}, BYTES("opt_out|5|900|x"));
    judged(w, RECEIPT("1", SMS_ONLY));
    admit(w);
    assert_int_equal(w->again.count, 1);
    assert_int_equal(w->ready.count, 0);
}

static void changed_settings_give_the_claim_back_and_judge_anew(void **state)
{
    struct admit_world *w = *state;
    struct event *event = judged(w, RECEIPT("1", BOTH));
    put_tenant(w, "9", "{\"tenant_id\":\"t\",\"name\":\"new\"}");
    admit(w);
    assert_int_equal(w->rejudge.count, 2);
    assert_true(event->tenant_ref->stale);
    assert_int_equal(job_on(event, SMS)->state, JOB_JUDGED);
    assert_true(nothing_claimed(w));
}

static void a_refusal_by_old_settings_is_judged_anew(void **state)
{
    struct admit_world *w = *state;
    put_tenant(
        w, "3",
        "{\"tenant_id\":\"t\",\"kinds\":[{\"kind\":\"receipt\",\"sms\":false,\"email\":false}]}");
    struct event *event = judged(w, RECEIPT("1", BOTH));
    assert_int_equal(w->stage.refused.count, 1);
    put_tenant(w, "4", "{\"tenant_id\":\"t\"}");
    admit(w);
    assert_int_equal(w->rejudge.count, 1);
    assert_int_equal(stage_job(event)->end.outcome, OUTCOME(UNSPECIFIED));
}

/* --- channels -------------------------------------------------------------------------- */

static void a_left_out_channel_that_was_sent_exists_again(void **state)
{
    struct admit_world *w = *state;
    struct event *event =
        judged(w, STAGE_EVENT("1", "\"recipient\":{\"sms\":\"" NUMBER "\",\"email\":\"" ADDRESS
                                   "\",\"preference\":\"email\"}"));
    assert_int_equal(event->judged.leg_count, 1);
    set_claim(w, event, SMS, NUMBER, CLAIM_SENT, event->own, NOW_MS, "SM1");
    admit(w);
    assert_int_equal(w->ready.count, 1);
    assert_int_equal(w->done.count, 1);
    assert_int_equal(job_on(event, SMS)->end.outcome, OUTCOME(SENT));
}

static void a_left_out_channel_exists_again_though_all_legs_have_ended(void **state)
{
    struct admit_world *w = *state;
    struct event *event =
        judged(w, STAGE_EVENT("1", "\"recipient\":{\"sms\":\"" NUMBER "\",\"email\":\"" ADDRESS
                                   "\",\"preference\":\"email\"}"));
    set_claim(w, event, SMS, NUMBER, CLAIM_SENT, event->own, NOW_MS, "SM1");
    set_claim(w, event, EMAIL, ADDRESS, CLAIM_SENT, event->own, NOW_MS, "E1");
    admit(w);
    assert_int_equal(w->done.count, 2);
    assert_int_equal(job_on(event, SMS)->end.outcome, OUTCOME(SENT));
}

static void a_left_out_channel_without_a_claim_stays_out(void **state)
{
    struct admit_world *w = *state;
    struct event *event =
        judged(w, STAGE_EVENT("1", "\"recipient\":{\"sms\":\"" NUMBER "\",\"email\":\"" ADDRESS
                                   "\",\"preference\":\"email\"}"));
    set_claim(w, event, SMS, NUMBER, CLAIM_SENT, BYTES("other|topic/0/1"), NOW_MS, "SM1");
    admit(w);
    assert_int_equal(w->ready.count, 1);
    assert_int_equal(event->jobs_open, 1);
}

static void a_conversation_keeps_the_channel_that_has_the_claim(void **state)
{
    struct admit_world *w = *state;
    put_recipient(w, "t", NUMBER, "{\"reply_allowed\":true}");
    put_tenant(w, "3", "{\"tenant_id\":\"t\",\"verified\":true}");
    struct event *event = judged(w, MESSAGE("1", BOTH ",\"channel\":\"email\""));
    assert_int_equal(event->judged.legs[0].channel, EMAIL);
    set_claim(w, event, SMS, NUMBER, CLAIM_SENT, event->own, NOW_MS, "SM1");
    admit(w);
    assert_int_equal(w->done.count, 1);
    assert_int_equal(w->ready.count + w->again.count, 0);
    assert_int_equal(stage_job(event)->leg->channel, SMS);
    assert_int_equal(stage_job(event)->end.outcome, OUTCOME(SENT));
    assert_int_equal(claim_at(w, event, EMAIL, ADDRESS).size, 0);
}

static void an_open_choice_takes_two_trips(void **state)
{
    struct admit_world *w = *state;
    put_recipient(w, "t", ADDRESS, "{\"reply_allowed\":true,\"last_channel\":\"email\"}");
    put_tenant(w, "3", "{\"tenant_id\":\"t\",\"verified\":true}");
    struct event *event = judged(w, MESSAGE("1", BOTH));
    assert_true(event->judged.pick_one);
    admit(w);
    assert_int_equal(w->again.count, 1);
    assert_int_equal(stage_job(event)->leg->channel, EMAIL);
    assert_true(stage_job(event)->due_ns <= now_of(w));
    assert_true(nothing_claimed(w));
    admit_again(w);
    assert_int_equal(w->ready.count, 1);
    assert_int_equal(claim_at(w, event, EMAIL, ADDRESS).at[0], 'C');
}

static void an_open_choice_keeps_the_channel_that_has_the_claim(void **state)
{
    struct admit_world *w = *state;
    put_recipient(w, "t", ADDRESS, "{\"reply_allowed\":true,\"last_channel\":\"email\"}");
    put_tenant(w, "3", "{\"tenant_id\":\"t\",\"verified\":true}");
    struct event *event = judged(w, MESSAGE("1", BOTH));
    set_claim(w, event, SMS, NUMBER, CLAIM_CLAIMED, event->own, 0, "");
    admit(w);
    assert_int_equal(stage_job(event)->leg->channel, SMS);
    admit_again(w);
    assert_int_equal(w->ready.count, 1);
    assert_int_equal(event->jobs_open, 1);
}

static void an_open_choice_that_is_refused_is_told_without_channel(void **state)
{
    struct admit_world *w = *state;
    put_tenant(w, "3", "{\"tenant_id\":\"t\",\"verified\":true}");
    struct event *event = judged(w, MESSAGE("1", BOTH));
    admit(w);
    assert_int_equal(w->done.count, 1);
    assert_null(stage_job(event)->leg);
    assert_int_equal(stage_job(event)->end.reason, REASON_REPLY_NOT_ALLOWED);
}

static void a_device_that_was_told_and_removed_exists_again(void **state)
{
    struct admit_world *w = *state;
    const char *alert = "{\"event_id\":\"1\",\"tenant_id\":\"t\",\"kind\":\"message_alert\"}";
    put_tenant(
        w, "3",
        "{\"tenant_id\":\"t\",\"owner_email\":\"o@b.example\",\"devices\":[{\"token\":\"one\"}]}");
    struct event *first = judged(w, alert);
    admit(w);
    assert_int_equal(w->ready.count, 2);
    set_claim(w, first, PUSH, "one", CLAIM_SENT, first->own, NOW_MS, "P1");
    struct event *again = NULL;
    put_tenant(
        w, "4",
        "{\"tenant_id\":\"t\",\"owner_email\":\"o@b.example\",\"devices\":[{\"token\":\"two\"}]}");
    tenants_forget(&w->tenants);
    w->stage.offset--; /* the same record once more */
    again = judged(w, alert);
    set_claim(w, again, EMAIL, "o@b.example", CLAIM_SENT, again->own, NOW_MS, "E1");
    admit(w);
    assert_int_equal(again->jobs_open, 3);
    assert_int_equal(w->done.count, 2);
    assert_int_equal(w->ready.count, 3);
    const struct job *told = NULL;
    for (struct list_node *n = w->done.first; n; n = n->next)
        told = job_of(n)->leg->channel == PUSH ? job_of(n) : told;
    assert_non_null(told);
    assert_true(bytes_equal(told->leg->address, BYTES("one")));
    assert_int_equal(told->end.outcome, OUTCOME(SENT));
}

/* --- refusals -------------------------------------------------------------------------- */

static struct event *refused(struct admit_world *w, const char *id_json)
{
    struct event *event = judged(w, id_json);
    assert_int_equal(w->stage.refused.count, 1);
    assert_null(stage_job(event)->leg);
    return event;
}

#define TOO_LATE(id)                                                                             \
    RECEIPT(id,                                                                                  \
            BOTH ",\"due_at\":\"2026-01-01T00:00:00Z\",\"created_at\":\"2026-01-01T00:00:00Z\"," \
                 "\"expires_at\":\"2026-01-02T00:00:00Z\"")

static void a_refusal_without_claims_stands_and_claims_nothing(void **state)
{
    struct admit_world *w = *state;
    struct event *event = refused(w, TOO_LATE("1"));
    admit(w);
    assert_int_equal(w->done.count, 1);
    assert_int_equal(stage_job(event)->end.reason, REASON_TOO_LATE);
    assert_null(stage_job(event)->leg);
    assert_true(nothing_claimed(w));
}

static void a_refused_event_of_which_a_leg_went_is_told_by_leg(void **state)
{
    struct admit_world *w = *state;
    struct event *event = refused(w, TOO_LATE("1"));
    set_claim(w, event, EMAIL, ADDRESS, CLAIM_SENT, event->own, NOW_MS, "E1");
    admit(w);
    assert_int_equal(w->done.count, 2);
    assert_int_equal(job_on(event, EMAIL)->end.outcome, OUTCOME(SENT));
    assert_true(job_on(event, EMAIL)->end.replay);
    assert_int_equal(job_on(event, SMS)->end.outcome, OUTCOME(EXPIRED));
}

static void a_worker_killed_in_mid_send_makes_a_refusal_ambiguous(void **state)
{
    struct admit_world *w = *state;
    struct event *event = refused(w, TOO_LATE("1"));
    set_claim(w, event, SMS, NUMBER, CLAIM_CLAIMED, event->own, w->stage.now.ms - 5000, "");
    admit(w);
    assert_int_equal(job_on(event, SMS)->end.outcome, OUTCOME(AMBIGUOUS));
    assert_int_equal(job_on(event, SMS)->end.reason, REASON_NO_ANSWER);
    assert_int_equal(claim_at(w, event, SMS, NUMBER).at[0], 'X');
}

static void a_refusal_waits_for_a_claim_in_force(void **state)
{
    struct admit_world *w = *state;
    struct event *event = refused(w, TOO_LATE("1"));
    set_claim(w, event, SMS, NUMBER, CLAIM_CLAIMED, event->own, w->stage.now.ms + 5000, "");
    admit(w);
    assert_int_equal(w->again.count, 1);
    assert_int_equal(job_on(event, SMS)->wait, WAIT_CLAIMED_ELSEWHERE);
    set_claim(w, event, SMS, NUMBER, CLAIM_SENT, event->own, NOW_MS, "SM1");
    admit_again(w);
    assert_int_equal(job_on(event, SMS)->end.outcome, OUTCOME(SENT));
}

/* --- Redis ----------------------------------------------------------------------------- */

static void another_epoch_gives_claims_back_and_shuts_the_gate(void **state)
{
    struct admit_world *w = *state;
    struct event *event = judged(w, RECEIPT("1", BOTH));
    ASK(w->redis, BYTES("SET"), BYTES("e1"), BYTES("f|0"));
    admit(w);
    assert_int_equal(w->again.count, 2);
    assert_int_equal(job_on(event, SMS)->wait, WAIT_REDIS);
    assert_false(claims_open(&w->claims));
    assert_int_equal(admit_room(&w->admit), 0);
    for (uint32_t i = 0; i < 100 && !nothing_claimed(w); i++)
        turn(w);
    assert_true(nothing_claimed(w));
}

static void lost_answers_are_asked_again(void **state)
{
    struct admit_world *w = *state;
    struct event *event = judged(w, RECEIPT("1", SMS_ONLY));
    struct job *job = stage_job(event);
    job->route = &w->route;
    admit_put(&w->admit, now_of(w), &w->stage.judged);
    admit_take(&w->admit, now_of(w), &w->ready, &w->again, &w->done, &w->rejudge);
    ASK(w->redis, BYTES("CLIENT"), BYTES("KILL"), BYTES("TYPE"), BYTES("normal"), BYTES("SKIPME"),
        BYTES("yes"));
    admit(w);
    assert_int_equal(w->again.count, 1);
    assert_int_equal(job->wait, WAIT_REDIS);
    open_gate(w);
    admit_again(w);
    assert_int_equal(w->ready.count, 1);
    assert_int_equal(job->claim.risk, 0);
    assert_int_equal(claim_at(w, event, SMS, NUMBER).at[0], 'C');
}

static void a_revoked_event_claims_nothing_more(void **state)
{
    struct admit_world *w = *state;
    struct event *event = judged(w, RECEIPT("1", BOTH));
    event->revoked = true;
    admit(w);
    assert_int_equal(w->again.count, 2);
    assert_true(nothing_claimed(w));
}

static void an_event_revoked_meanwhile_gives_its_claims_back(void **state)
{
    struct admit_world *w = *state;
    struct event *event = judged(w, RECEIPT("1", SMS_ONLY));
    stage_job(event)->route = &w->route;
    admit_put(&w->admit, now_of(w), &w->stage.judged);
    admit_take(&w->admit, now_of(w), &w->ready, &w->again, &w->done, &w->rejudge);
    event->revoked = true;
    admit(w);
    assert_int_equal(w->again.count, 1);
    assert_false(stage_job(event)->claim.held);
    assert_true(nothing_claimed(w));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_leg_without_a_claim_is_claimed_and_ready),
        TEST(a_record_read_again_ends_as_it_did),
        TEST(what_another_event_sent_is_a_duplicate),
        TEST(a_claim_in_force_is_waited_for),
        TEST(a_dead_senders_claim_is_taken_over),
        TEST(an_opt_out_refuses_its_leg_and_leaves_no_claim),
        TEST(a_blocked_customers_event_is_told_once),
        TEST(a_refusal_is_told_by_leg_where_one_went),
        TEST(damaged_state_is_never_taken_for_none),
        TEST(changed_settings_give_the_claim_back_and_judge_anew),
        TEST(a_refusal_by_old_settings_is_judged_anew),
        TEST(a_left_out_channel_that_was_sent_exists_again),
        TEST(a_left_out_channel_exists_again_though_all_legs_have_ended),
        TEST(a_left_out_channel_without_a_claim_stays_out),
        TEST(a_conversation_keeps_the_channel_that_has_the_claim),
        TEST(an_open_choice_takes_two_trips),
        TEST(an_open_choice_keeps_the_channel_that_has_the_claim),
        TEST(an_open_choice_that_is_refused_is_told_without_channel),
        TEST(a_device_that_was_told_and_removed_exists_again),
        TEST(a_refusal_without_claims_stands_and_claims_nothing),
        TEST(a_refused_event_of_which_a_leg_went_is_told_by_leg),
        TEST(a_worker_killed_in_mid_send_makes_a_refusal_ambiguous),
        TEST(a_refusal_waits_for_a_claim_in_force),
        TEST(another_epoch_gives_claims_back_and_shuts_the_gate),
        TEST(lost_answers_are_asked_again),
        TEST(a_revoked_event_claims_nothing_more),
        TEST(an_event_revoked_meanwhile_gives_its_claims_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
