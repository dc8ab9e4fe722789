/* The thread that keeps Redis's cache of the state topics true.
 *
 * The mark of a partition says how far it is applied, and to which life of Redis. What is
 * trusted is a chain: a mark is only ever replaced while it still is what this follower
 * wrote or read (SET XX GET), so that a Redis that was emptied meanwhile is noticed, and
 * only after the documents it speaks of were acknowledged on the same connection.
 *
 *   -|0          reading from the beginning
 *   old|next     an earlier life: applied again from `next`
 *   ~run_id|next applied to the end seen in this life; the epoch or a commit is missing
 *   run_id|next  true: the gate may open
 *
 * The epoch key is set when all marks of all partitions are at `~run_id` or further, and
 * nobody commits before it is there. So a group without any commit while the key is
 * missing has never opened its gate: `begun at` is 0, a first start has lost no claims.
 * A mark becomes true only after its partition was committed: once the gate has opened,
 * the group has commits for ever. */
#include "follower.h"

#include "base/clock.h"
#include "base/log.h"
#include "clients.h"
#include "domain/state_key.h"
#include "io/crypto.h"
#include "io/source.h"
#include "io/topics.h"
#include "state_apply.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    BATCH_RECORDS = 256,
    BATCH_BYTES = 512 * 1024,
    ARENA_BYTES = 3 * STATE_WIRE_MAX,
    LOOK_MS = 1000,  /* how often a true cache is looked at */
    HASTE_MS = 50,   /* and one that is not true yet */
    AWAY_MS = 300,   /* between attempts to reach Redis */
    LEAVE_MS = 2000, /* patience at the end */
    ASK_MS = 5000,
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

/* Redis. */

static void redis_lost(struct follower *f, const char *why)
{
    if (!f->away_told)
        log_event(LOG_WARN, "follower_waits", "for=redis why=\"%s\"", why);
    f->away_told = true;
    if (f->redis)
        redis_sync_close(f->redis);
    f->redis = NULL;
    f->redis_again_ns = clock_mono_ns() + AWAY_MS * NS_PER_MS;
    f->lost = true;
    f->replies = 0;
}

static bool confirm(struct follower *f, uint32_t replies)
{
    char why[REDIS_WHY_SIZE] = "";
    if (replies == 0 || state_confirm(f->redis, replies, why))
        return true;
    char setup_why[SETUP_WHY_SIZE];
    if (f->config->is.redis.deploy_user[0] && setup_functions(f->config, setup_why))
        log_event(LOG_INFO, "functions_loaded", "by=follower");
    redis_lost(f, why);
    return false;
}

static void open_redis(struct follower *f)
{
    char why[REDIS_WHY_SIZE] = "";
    if (clock_mono_ns() < f->redis_again_ns)
        return;
    f->redis = redis_sync_open(&f->settings.options, why);
    if (!f->redis) {
        redis_lost(f, why);
        return;
    }
    if (f->away_told)
        log_event(LOG_INFO, "follower_reached", "what=redis");
    f->away_told = false;
}

static const struct redis_reply *ask(struct follower *f, const struct bytes *arguments,
                                     uint32_t count)
{
    const struct redis_reply *reply = redis_sync_command(f->redis, arguments, count);
    if (reply && reply->type != REDIS_ERROR)
        return reply;
    char why[REDIS_WHY_SIZE];
    snprintf(why, sizeof why, "%.*s", reply ? (int)u64_min(reply->text.size, 150) : 100,
             reply ? reply->text.at : redis_sync_why(f->redis));
    redis_lost(f, why);
    return NULL;
}

/* Which Redis this is. False: it cannot be asked. */
static bool read_run_id(struct follower *f, char out[RUN_ID_SIZE + 1])
{
    const struct bytes info[] = {BYTES("INFO"), BYTES("server")};
    const struct redis_reply *reply = ask(f, info, countof(info));
    if (!reply)
        return false;
    static const char name[] = "run_id:";
    const char *at = reply->text.size > 0
                         ? memmem(reply->text.at, reply->text.size, name, sizeof name - 1)
                         : NULL;
    size_t left = at ? (size_t)(reply->text.at + reply->text.size - at) - (sizeof name - 1) : 0;
    if (left < RUN_ID_SIZE) {
        redis_lost(f, "INFO has no run_id");
        return false;
    }
    memcpy(out, at + sizeof name - 1, RUN_ID_SIZE);
    out[RUN_ID_SIZE] = '\0';
    return true;
}

/* Marks. */

static struct bytes mark_key(const struct follower *f, const struct part *p, char *at, size_t max)
{
    char name[STATE_MARK_KEY_MAX];
    struct writer n = writer_of(name, sizeof name), key = writer_of(at, max);
    write_text(&n, f->topics[p->topic]);
    write_char(&n, '/');
    write_i64(&n, p->partition);
    state_mark_key(writer_bytes(&n), &key);
    CHECK(!n.overflow && !key.overflow);
    return writer_bytes(&key);
}

/* False: it is no mark, and says nothing. */
static bool parse_mark(const char *mark, char run_id[MARK_SIZE], int64_t *next)
{
    const char *bar = strchr(mark, '|');
    char *end;
    if (!bar)
        return false;
    memcpy(run_id, mark, (size_t)(bar - mark));
    run_id[bar - mark] = '\0';
    *next = strtoll(bar + 1, &end, 10);
    return end != bar + 1 && *end == '\0' && *next >= 0;
}

/* Reads the mark into p->mark; "" where there is none. */
static bool read_mark(struct follower *f, struct part *p)
{
    char key[STATE_MARK_KEY_MAX];
    const struct bytes get[] = {BYTES("GET"), mark_key(f, p, key, sizeof key)};
    const struct redis_reply *reply = ask(f, get, countof(get));
    if (!reply)
        return false;
    bool fits = reply->type == REDIS_TEXT && reply->text.size < sizeof p->mark;
    snprintf(p->mark, sizeof p->mark, "%.*s", fits ? (int)reply->text.size : 0,
             fits ? reply->text.at : "");
    return true;
}

/* Replaces the mark, if it still is what is known; else begins again. */
static bool write_mark(struct follower *f, struct part *p, const char *prefix)
{
    char key[STATE_MARK_KEY_MAX], mark[MARK_SIZE];
    snprintf(mark, sizeof mark, "%s%s|%lld", prefix, f->run_id, (long long)p->next);
    const struct bytes set[] = {BYTES("SET"), mark_key(f, p, key, sizeof key), bytes_of(mark),
                                BYTES("XX"), BYTES("GET")};
    const struct redis_reply *reply = ask(f, set, countof(set));
    if (!reply)
        return false;
    if (reply->type != REDIS_TEXT || !bytes_equal(reply->text, bytes_of(p->mark))) {
        f->lost = true; /* Redis was emptied, or another follower writes */
        return false;
    }
    memcpy(p->mark, mark, sizeof mark);
    return true;
}

/* Where to read from: what the mark covers in this life is there, the rest is applied
 * again. Without a mark one is set, so that its loss will be noticed. */
static bool begin_part(struct follower *f, struct part *p)
{
    char run_id[MARK_SIZE], key[STATE_MARK_KEY_MAX];
    if (!read_mark(f, p))
        return false;
    if (!parse_mark(p->mark, run_id, &p->next)) {
        const struct bytes set[] = {BYTES("SET"), mark_key(f, p, key, sizeof key), BYTES("-|0")};
        if (!ask(f, set, countof(set)))
            return false;
        memcpy(p->mark, "-|0", 4);
        run_id[0] = '\0';
        p->next = 0;
    }
    p->stage = strcmp(run_id, f->run_id) == 0 ? PART_TRUE : PART_READING;
    p->reading = p->next;
    p->end_seen = false;
    return true;
}

/* Begins at the marks: after an assignment, and when Redis is another one, or emptied. */
static void begin(struct follower *f)
{
    struct source_partition *list = calloc(f->part_count + 1, sizeof *list);
    CHECK(list);
    for (uint32_t i = 0; i < f->part_count; i++)
        list[i] = (struct source_partition){.topic = f->parts[i].topic,
                                            .partition = f->parts[i].partition};
    if (f->taken_up)
        source_pause(f->source, list, f->part_count);
    bool good = read_run_id(f, f->run_id);
    for (uint32_t i = 0; i < f->part_count && good; i++) {
        good = begin_part(f, &f->parts[i]);
        list[i].offset = f->parts[i].next > 0 ? f->parts[i].next : -1;
        if (good && f->taken_up)
            source_seek(f->source, list[i].topic, list[i].partition, f->parts[i].next);
    }
    if (good && f->taken_up)
        source_resume(f->source, list, f->part_count);
    if (good && !f->taken_up)
        source_assign(f->source, list, f->part_count);
    free(list);
    f->taken_up |= good;
    f->lost = !good;
    f->look_ns = 0;
    f->true_told = false;
}

/* The epoch. */

/* Whether every partition of every state topic is applied in this life. */
static bool all_applied(struct follower *f)
{
    for (uint32_t i = 0; i < f->found->mark_count; i++) {
        char key[STATE_MARK_KEY_MAX];
        struct writer w = writer_of(key, sizeof key);
        state_mark_key(bytes_of(f->found->marks[i]), &w);
        CHECK(!w.overflow);
        const struct bytes get[] = {BYTES("GET"), writer_bytes(&w)};
        const struct redis_reply *reply = ask(f, get, countof(get));
        if (!reply || reply->type != REDIS_TEXT)
            return false;
        struct bytes mark = reply->text;
        if (mark.size > 0 && mark.at[0] == '~')
            mark = (struct bytes){mark.at + 1, mark.size - 1};
        if (mark.size <= RUN_ID_SIZE || mark.at[RUN_ID_SIZE] != '|' ||
            memcmp(mark.at, f->run_id, RUN_ID_SIZE) != 0)
            return false;
    }
    return true;
}

static bool group_has_commits(struct follower *f, bool *any)
{
    char why[KAFKA_WHY_SIZE] = "";
    uint32_t count = f->found->mark_count;
    struct topic_partition *list = calloc(count + 1, sizeof *list);
    CHECK(list);
    for (uint32_t i = 0; i < count; i++) {
        char *name = strdup(f->found->marks[i]);
        CHECK(name);
        char *slash = strrchr(name, '/');
        *slash = '\0';
        list[i] = (struct topic_partition){name, (int32_t)atoi(slash + 1)};
    }
    enum err err = topics_committed(&f->kafka.options, f->group, list, count, any, ASK_MS, why);
    for (uint32_t i = 0; i < count; i++)
        free((char *)list[i].topic);
    free(list);
    if (err != ERR_OK)
        log_limited(LOG_WARN, "follower_waits", "for=kafka why=\"%s\"", why);
    return err == ERR_OK;
}

static int64_t redis_now_ms(struct follower *f)
{
    const struct bytes time[] = {BYTES("TIME")};
    const struct redis_reply *reply = ask(f, time, 1);
    char digits[24];
    if (!reply || reply->type != REDIS_ARRAY || reply->element_count != 2)
        return -1;
    struct bytes s = reply->elements[0]->text, us = reply->elements[1]->text;
    snprintf(digits, sizeof digits, "%.*s", (int)u64_min(s.size, 20), s.at);
    int64_t ms = strtoll(digits, NULL, 10) * 1000;
    snprintf(digits, sizeof digits, "%.*s", (int)u64_min(us.size, 20), us.at);
    return ms + strtoll(digits, NULL, 10) / 1000;
}

/* Nobody holds the key, and all is applied: a new epoch begins. */
static void begin_epoch(struct follower *f)
{
    bool any = true;
    if (!group_has_commits(f, &any))
        return;
    int64_t begun_ms = any ? redis_now_ms(f) : 0;
    if (begun_ms < 0)
        return;
    uint8_t id[8];
    char text[64];
    struct writer w = writer_of(text, sizeof text);
    crypto_random(id, sizeof id);
    write_hex(&w, id, sizeof id);
    write_char(&w, '|');
    write_i64(&w, begun_ms);
    const struct bytes set[] = {BYTES("SET"), BYTES(STATE_EPOCH_KEY), writer_bytes(&w),
                                BYTES("NX")};
    const struct redis_reply *reply = ask(f, set, countof(set));
    if (!reply)
        return;
    f->epoch = true;
    if (reply->type != REDIS_NIL)
        log_event(LOG_INFO, "epoch_begun", "first_start=%s", any ? "false" : "true");
}

/* Looks at Redis: is it the one we know, is what we wrote still there? */
static void look(struct follower *f)
{
    char run_id[RUN_ID_SIZE + 1];
    const struct bytes get[] = {BYTES("GET"), BYTES(STATE_EPOCH_KEY)};
    if (!read_run_id(f, run_id))
        return;
    if (memcmp(run_id, f->run_id, sizeof run_id) != 0) {
        f->lost = true;
        return;
    }
    for (uint32_t i = 0; i < f->part_count; i++) {
        struct part seen = f->parts[i];
        if (!read_mark(f, &seen))
            return;
        if (strcmp(seen.mark, f->parts[i].mark) != 0) {
            f->lost = true;
            return;
        }
    }
    const struct redis_reply *reply = ask(f, get, countof(get));
    if (!reply)
        return;
    f->epoch = reply->type == REDIS_TEXT;
    if (!f->epoch && f->part_count > 0 && all_applied(f))
        begin_epoch(f);
}

/* Moves the marks on, as far as they may. */
static void serve_marks(struct follower *f)
{
    bool all_true = f->part_count > 0;
    for (uint32_t i = 0; i < f->part_count && !f->lost; i++) {
        struct part *p = &f->parts[i];
        if (p->stage == PART_READING && p->end_seen) {
            if (!write_mark(f, p, "~"))
                return;
            p->stage = PART_APPLIED;
            f->look_ns = 0;
        }
        char mark[MARK_SIZE];
        snprintf(mark, sizeof mark, "%s|%lld", f->run_id, (long long)p->next);
        bool may =
            p->stage == PART_TRUE || (p->stage == PART_APPLIED && f->epoch && p->committed >= 0);
        if (may && strcmp(mark, p->mark) != 0 && !write_mark(f, p, ""))
            return;
        if (may)
            p->stage = PART_TRUE;
        all_true &= p->stage == PART_TRUE;
    }
    if (all_true && !f->true_told)
        log_event(LOG_INFO, "state_applied", "partitions=%u", f->part_count);
    f->true_told |= all_true;
}

/* Commits say to whoever begins the next epoch that this is no first start; and to people,
 * how far the follower is. */
static void serve_commits(struct follower *f)
{
    struct source_partition *list = NULL;
    uint32_t count = 0;
    if (f->commit_out || !f->epoch)
        return;
    for (uint32_t i = 0; i < f->part_count; i++) {
        const struct part *p = &f->parts[i];
        if (p->stage < PART_APPLIED || p->next <= p->committed)
            continue;
        if (!list)
            list = calloc(f->part_count, sizeof *list);
        CHECK(list);
        list[count++] = (struct source_partition){
            .topic = p->topic, .partition = p->partition, .offset = p->next};
    }
    if (count > 0 && source_commit(f->source, list, count, ++f->commit_id) == ERR_OK)
        f->commit_out = true;
    free(list);
}

/* What comes from Kafka. */

static struct part *part_of(struct follower *f, uint32_t topic, int32_t partition)
{
    for (uint32_t i = 0; i < f->part_count; i++)
        if (f->parts[i].topic == topic && f->parts[i].partition == partition)
            return &f->parts[i];
    return NULL;
}

static void on_record(struct follower *f, const struct source_event *e)
{
    struct part *p = part_of(f, e->topic, e->partition);
    struct bytes wire;
    const char *why;
    if (!p || f->lost || e->offset < p->reading)
        return;
    const struct state_record record = {.topic = (enum state_topic)e->topic,
                                        .key = e->record.key,
                                        .value = e->record.value,
                                        .offset = e->offset,
                                        .timestamp_ms = e->record.timestamp_ms};
    struct arena arena = arena_of(f->memory, ARENA_BYTES);
    if (state_wire(&record, &arena, &wire, &why) == ERR_OK)
        f->replies += state_append(f->redis, &record, wire, clock_wall_ms());
    else
        log_limited(LOG_ERROR, "state_record_skipped",
                    "topic=%s partition=%d offset=%lld why=\"%s\"", f->topics[e->topic],
                    e->partition, (long long)e->offset, why);
    f->batch_bytes += wire.size;
    p->reading = e->offset + 1;
}

static void on_end(struct follower *f, const struct source_event *e)
{
    struct part *p = part_of(f, e->topic, e->partition);
    if (!p || f->lost)
        return;
    p->reading = i64_max(p->reading, e->offset);
    p->end_seen = true;
}

static void drop_parts(struct follower *f)
{
    free(f->parts);
    f->parts = NULL;
    f->part_count = 0;
    f->taken_up = f->commit_out = false;
}

static void on_assigned(struct follower *f, const struct source_event *e)
{
    drop_parts(f);
    f->parts = calloc(e->partition_count + 1, sizeof f->parts[0]);
    CHECK(f->parts);
    f->part_count = e->partition_count;
    for (uint32_t i = 0; i < e->partition_count; i++)
        f->parts[i] = (struct part){.topic = e->partitions[i].topic,
                                    .partition = e->partitions[i].partition,
                                    .committed = e->partitions[i].offset};
    f->lost = true; /* begins when Redis can be asked */
}

static void on_committed(struct follower *f, const struct source_event *e)
{
    if (e->commit_id != f->commit_id)
        return;
    f->commit_out = false;
    for (uint32_t i = 0; i < e->partition_count; i++) {
        struct part *p = part_of(f, e->partitions[i].topic, e->partitions[i].partition);
        if (p && e->partitions[i].err == ERR_OK)
            p->committed = e->partitions[i].offset;
    }
}

/* Takes a batch; false: nothing more is waiting. */
static bool take(struct follower *f)
{
    f->batch_bytes = 0;
    for (uint32_t i = 0; i < BATCH_RECORDS && f->batch_bytes < BATCH_BYTES; i++) {
        struct source_event e;
        source_take(f->source, SOURCE_MAIN, &e);
        switch (e.kind) {
        case SOURCE_NONE:
            return false;
        case SOURCE_IDLE:
            break;
        case SOURCE_RECORD:
            on_record(f, &e);
            break;
        case SOURCE_END:
            on_end(f, &e);
            break;
        case SOURCE_ASSIGNED:
            on_assigned(f, &e);
            return true;
        case SOURCE_REVOKED: /* the marks say how far it is: nothing to wind down */
            drop_parts(f);
            source_unassign(f->source);
            return true;
        case SOURCE_COMMITTED:
            on_committed(f, &e);
            break;
        }
    }
    return true;
}

static bool turn(struct follower *f)
{
    if (!f->redis)
        open_redis(f);
    if (f->redis && f->lost && f->part_count > 0)
        begin(f);
    bool more = take(f);
    if (!f->redis)
        return more && f->part_count == 0;
    if (!confirm(f, f->replies))
        return false;
    f->replies = 0;
    bool settled = true;
    for (uint32_t i = 0; i < f->part_count && !f->lost; i++) {
        f->parts[i].next = f->parts[i].reading;
        settled &= f->parts[i].stage == PART_TRUE;
    }
    uint64_t now_ns = clock_mono_ns();
    if (!f->lost && now_ns >= f->look_ns) {
        f->look_ns = now_ns + (settled ? LOOK_MS : HASTE_MS) * NS_PER_MS;
        look(f);
    }
    if (f->redis && !f->lost) {
        serve_marks(f);
        serve_commits(f);
    }
    return more;
}

static void wait_for_kafka(struct follower *f)
{
    struct pollfd p = {.fd = source_fd(f->source, SOURCE_MAIN), .events = POLLIN};
    uint64_t n;
    if (poll(&p, 1, HASTE_MS) > 0 && read(p.fd, &n, sizeof n) < 0)
        return;
}

static void *run(void *context)
{
    struct follower *f = context;
    while (!atomic_load(&f->stopping))
        if (!turn(f))
            wait_for_kafka(f);
    uint64_t until_ns = clock_mono_ns() + LEAVE_MS * NS_PER_MS;
    source_leave(f->source);
    while (!source_left(f->source) && clock_mono_ns() < until_ns) {
        struct source_event e;
        source_take(f->source, SOURCE_MAIN, &e);
        if (e.kind == SOURCE_REVOKED)
            source_unassign(f->source);
        if (e.kind == SOURCE_NONE)
            wait_for_kafka(f);
    }
    return NULL;
}

static void free_follower(struct follower *f)
{
    if (f->source)
        source_close(f->source);
    if (f->redis)
        redis_sync_close(f->redis);
    redis_settings_close(&f->settings);
    for (uint32_t i = 0; i < STATE_TOPIC_COUNT; i++)
        free(f->topics[i]);
    free(f->group);
    free(f->parts);
    free(f->memory);
    free(f);
}

static bool open_source(struct follower *f, char why[SETUP_WHY_SIZE])
{
    char kafka_why[KAFKA_WHY_SIZE] = "";
    struct source_topic topics[STATE_TOPIC_COUNT];
    const struct config_kafka *is = &f->config->is.kafka;
    for (uint32_t i = 0; i < STATE_TOPIC_COUNT; i++) {
        f->topics[i] = topic_name_of(f->config, state_topic_names[i]);
        topics[i] = (struct source_topic){.name = f->topics[i]};
    }
    size_t size = strlen(is->group) + sizeof ".state";
    f->group = malloc(size);
    CHECK(f->group);
    snprintf(f->group, size, "%s.state", is->group);
    kafka_options_of(f->config, "carillon-follower", &f->kafka);
    const struct source_options options = {.kafka = f->kafka.options,
                                           .group = f->group,
                                           .topics = topics,
                                           .topic_count = STATE_TOPIC_COUNT,
                                           .session_timeout_ms = (uint32_t)is->session_timeout_ms,
                                           .heartbeat_ms = (uint32_t)is->heartbeat_interval_ms,
                                           .ends = true};
    f->source = source_open(&options, kafka_why);
    snprintf(why, SETUP_WHY_SIZE, "%s", kafka_why);
    return f->source != NULL;
}

struct follower *follower_open(const struct config *config, const struct setup_found *found,
                               char why[SETUP_WHY_SIZE])
{
    char redis_why[256] = "";
    struct follower *f = calloc(1, sizeof *f);
    CHECK(f);
    f->config = config;
    f->found = found;
    f->memory = malloc(ARENA_BYTES);
    CHECK(f->memory);
    if (!redis_options_of(config, false, &f->settings, redis_why)) {
        snprintf(why, SETUP_WHY_SIZE, "%s", redis_why);
        free_follower(f);
        return NULL;
    }
    if (!open_source(f, why)) {
        free_follower(f);
        return NULL;
    }
    if (pthread_create(&f->thread, NULL, run, f) == 0)
        return f;
    snprintf(why, SETUP_WHY_SIZE, "the follower's thread does not start");
    free_follower(f);
    return NULL;
}

void follower_close(struct follower *f)
{
    atomic_store(&f->stopping, true);
    pthread_join(f->thread, NULL);
    free_follower(f);
}
