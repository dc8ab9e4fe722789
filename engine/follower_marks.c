/* How the follower knows that Redis's cache of the state topics is true: marks and the epoch.
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
#include "follower_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "domain/state_key.h"
#include "io/crypto.h"
#include "io/topics.h"

#include <stdio.h>
#include <stdlib.h>

enum { AWAY_MS = 300 /* between attempts to reach Redis */ };

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

bool follower_confirm(struct follower *f, uint32_t replies)
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

void follower_open_redis(struct follower *f)
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
void follower_begin(struct follower *f)
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
    enum err err =
        topics_committed(&f->kafka.options, f->group, list, count, any, FOLLOWER_ASK_MS, why);
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
void follower_look(struct follower *f)
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
void follower_serve_marks(struct follower *f)
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
