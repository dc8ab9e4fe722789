/* The consume stage over a source that is made up: whatever comes in whatever order, a
 * commit covers only what is complete, never falls, and never speaks for what went. */
#include "base/prng.h"
#include "stage/consume.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PARTITIONS = 3, RECORDS = 4000, JOBS = 64, URGENT_PARTITION = 2 };

struct log {
    bool there[RECORDS]; /* a record lies here */
    bool done[RECORDS];  /* its ends were acknowledged */
    bool in_hand[RECORDS];
    int64_t at; /* what is delivered next */
    bool paused;
    int64_t committed; /* -1: never */
    char metadata[WINDOW_METADATA_MAX];
    size_t metadata_size;
    int64_t floor; /* of this assignment */
};

/* The broker, and librdkafka. */
static struct {
    struct log logs[PARTITIONS];
    uint64_t seed;
    bool owned, revoking, lost;
    enum { CALM, ASSIGN_NEXT, REVOKE_NEXT } next;
    bool commit_out;
    uint64_t commit_id;
    struct source_partition commit[PARTITIONS];
    char commit_metadata[PARTITIONS][WINDOW_METADATA_MAX];
    uint32_t commit_count;
    uint32_t delivered, accepted, refused;
    struct source_partition told[PARTITIONS];
} fake;

static struct log *log_of(const struct source_partition *p)
{
    assert_true(p->topic < 2 && p->partition >= 0);
    return &fake.logs[p->topic == 1 ? URGENT_PARTITION : p->partition];
}

static void judge_commit(const struct source_partition *p)
{
    const struct log *log = log_of(p);
    assert_true(fake.owned); /* never for what is not ours */
    assert_true(p->offset >= log->floor);
    for (int64_t o = 0; o < p->offset; o++)
        assert_true(!log->there[o] || log->done[o]);
    static uint64_t bits[WINDOW_WORDS];
    struct window w;
    window_init(&w, bits, p->offset);
    assert_int_equal(window_decode(&w, p->metadata, NULL), ERR_OK);
    for (int64_t o = p->offset; o < w.end; o++)
        if (!(bits[(o / 64) % WINDOW_WORDS] >> (o % 64) & 1))
            assert_true(!log->there[o] || log->done[o]);
}

enum err source_commit(struct source *source, const struct source_partition *partitions,
                       uint32_t count, uint64_t commit_id)
{
    (void)source;
    assert_false(fake.commit_out);
    if (prng_upto(&fake.seed, 20) == 0)
        return ERR_AGAIN;
    for (uint32_t i = 0; i < count; i++) {
        judge_commit(&partitions[i]);
        fake.commit[i] = partitions[i];
        memcpy(fake.commit_metadata[i], partitions[i].metadata.at, partitions[i].metadata.size);
        fake.commit[i].metadata.at = fake.commit_metadata[i];
        log_of(&partitions[i])->floor = partitions[i].offset;
    }
    fake.commit_count = count;
    fake.commit_id = commit_id;
    fake.commit_out = true;
    return ERR_OK;
}

static void answer_commit(struct source_event *out)
{
    bool good = prng_upto(&fake.seed, 8) != 0;
    for (uint32_t i = 0; i < fake.commit_count; i++) {
        struct log *log = log_of(&fake.commit[i]);
        fake.commit[i].err = good ? ERR_OK : ERR_AGAIN;
        if (!good && prng_upto(&fake.seed, 2) == 0)
            continue; /* refused; or only the answer was lost */
        log->committed = fake.commit[i].offset;
        log->metadata_size = fake.commit[i].metadata.size;
        memcpy(log->metadata, fake.commit[i].metadata.at, log->metadata_size);
    }
    fake.accepted += good;
    fake.refused += !good;
    fake.commit_out = false;
    out->kind = SOURCE_COMMITTED;
    out->partitions = fake.commit;
    out->partition_count = fake.commit_count;
    out->commit_id = fake.commit_id;
}

static void tell_partitions(struct source_event *out)
{
    for (uint32_t i = 0; i < PARTITIONS; i++)
        fake.told[i] = (struct source_partition){
            .topic = i == URGENT_PARTITION,
            .partition = i == URGENT_PARTITION ? 0 : (int32_t)i,
            .offset = fake.logs[i].committed,
            .metadata = {fake.logs[i].metadata, fake.logs[i].metadata_size},
        };
    out->partitions = fake.told;
    out->partition_count = PARTITIONS;
}

static bool deliver(uint32_t i, struct source_event *out)
{
    struct log *log = &fake.logs[i];
    if (!fake.owned || fake.revoking || log->paused)
        return false;
    while (log->at < RECORDS && !log->there[log->at])
        log->at++;
    if (log->at == RECORDS)
        return false;
    out->kind = SOURCE_RECORD;
    out->topic = i == URGENT_PARTITION;
    out->partition = i == URGENT_PARTITION ? 0 : (int32_t)i;
    out->offset = log->at++;
    fake.delivered++;
    return true;
}

void source_take(struct source *source, enum source_lane lane, struct source_event *out)
{
    (void)source;
    *out = (struct source_event){.kind = SOURCE_NONE};
    if (lane == SOURCE_URGENT) {
        deliver(URGENT_PARTITION, out);
        return;
    }
    if (fake.commit_out && prng_upto(&fake.seed, 3) == 0) {
        answer_commit(out);
    } else if (fake.next == ASSIGN_NEXT) {
        fake.next = CALM;
        out->kind = SOURCE_ASSIGNED;
        tell_partitions(out);
    } else if (fake.next == REVOKE_NEXT && fake.owned) {
        fake.next = CALM;
        fake.revoking = true;
        out->kind = SOURCE_REVOKED;
        out->lost = fake.lost = prng_upto(&fake.seed, 4) == 0;
        if (fake.lost)
            fake.commit_out = false;
        tell_partitions(out);
    } else if (prng_upto(&fake.seed, 2) == 0) {
        uint32_t first = (uint32_t)prng_upto(&fake.seed, 2);
        if (!deliver(first, out))
            deliver(1 - first, out);
    }
}

void source_assign(struct source *source, const struct source_partition *partitions, uint32_t count)
{
    (void)source;
    assert_false(fake.owned);
    assert_int_equal(count, PARTITIONS);
    fake.owned = true;
    for (uint32_t i = 0; i < count; i++) {
        struct log *log = log_of(&partitions[i]);
        assert_int_equal(partitions[i].offset, log->committed);
        log->at = log->floor = i64_max(log->committed, 0);
        log->paused = false;
        memset(log->in_hand, 0, sizeof log->in_hand);
    }
}

void source_unassign(struct source *source)
{
    (void)source;
    assert_true(fake.owned && fake.revoking);
    assert_true(fake.lost || !fake.commit_out); /* the last one was awaited */
    fake.owned = fake.revoking = fake.commit_out = false;
    fake.next = ASSIGN_NEXT;
}

void source_pause(struct source *source, const struct source_partition *partitions, uint32_t count)
{
    (void)source;
    for (uint32_t i = 0; i < count; i++) {
        assert_false(log_of(&partitions[i])->paused);
        log_of(&partitions[i])->paused = true;
    }
}

void source_resume(struct source *source, const struct source_partition *partitions, uint32_t count)
{
    (void)source;
    for (uint32_t i = 0; i < count; i++) {
        assert_true(log_of(&partitions[i])->paused);
        log_of(&partitions[i])->paused = false;
    }
}

void source_seek(struct source *source, uint32_t topic, int32_t partition, int64_t offset)
{
    (void)source;
    const struct source_partition p = {.topic = topic, .partition = partition};
    assert_true(log_of(&p)->paused);
    log_of(&p)->at = offset;
}

int64_t source_end_offset(struct source *source, uint32_t topic, int32_t partition)
{
    (void)source, (void)topic, (void)partition;
    return RECORDS;
}

/* The shard. */

struct shop {
    struct jobs jobs;
    struct consume consume;
    struct list held;
    struct event *of_ring; /* in hand all the time; another group's */
    uint64_t now_ns;
};

static const char *const topics[] = {"events", "events.urgent"};
static const bool urgent[] = {false, true};

static struct log *log_of_event(const struct event *event)
{
    bool is_urgent = bytes_equal(event->origin.topic, bytes_of("events.urgent"));
    return &fake.logs[is_urgent ? URGENT_PARTITION : event->origin.partition];
}

static void end_event(struct shop *s, struct event *event, bool complete)
{
    struct log *log = log_of_event(event);
    list_remove(&s->held, &event->node);
    assert_true(job_close(&s->jobs, job_of_sibling(event->jobs.first)));
    if (complete) { /* its outcome is acknowledged, whoever owns the partition by now */
        log->done[event->offset] = true;
        consume_complete(&s->consume, event);
    } else {
        consume_abandon(&s->consume, event);
    }
    if (!event->revoked)
        log->in_hand[event->offset] = false;
    event_close(&s->jobs, event);
}

static void turn(struct shop *s)
{
    struct list fresh = {0};
    uint32_t before = s->held.count;
    s->now_ns += 1000000 * (1 + prng_upto(&fake.seed, 100));
    uint32_t room = jobs_room(&s->jobs);
    consume_take(&s->consume, s->now_ns, 0, room, &fresh);
    assert_true(fresh.count <= room);
    for (struct list_node *n = list_pop(&fresh); n; n = list_pop(&fresh)) {
        struct event *event = event_of(n);
        struct log *log = log_of_event(event);
        list_push(&s->held, n);
        if (event->revoked)
            continue; /* taken in the turn in which its partition went */
        assert_true(fake.owned && !fake.revoking);
        assert_false(log->in_hand[event->offset]); /* never twice in one assignment */
        log->in_hand[event->offset] = true;
    }
    struct list_node *n = s->held.first;
    if (consume_revoked(&s->consume)) /* what is from before; a new assignment may have begun */
        for (; before > 0; before--, n = n->next)
            assert_true(event_of(n)->revoked);
    assert_false(s->of_ring->revoked);
}

static void end_some(struct shop *s, uint32_t most)
{
    for (uint64_t count = prng_upto(&fake.seed, most + 1); count > 0 && s->held.count > 0;
         count--) {
        struct list_node *n = s->held.first;
        for (uint64_t skip = prng_upto(&fake.seed, s->held.count); skip > 0; skip--)
            n = n->next;
        struct event *event = event_of(n);
        end_event(s, event, !event->revoked || prng_upto(&fake.seed, 2) == 0);
    }
}

static bool all_committed(void)
{
    for (uint32_t i = 0; i < PARTITIONS; i++)
        for (int64_t o = fake.logs[i].committed; o < RECORDS; o++)
            if (o < 0 || fake.logs[i].there[o])
                return false;
    return true;
}

static void run_with(uint64_t seed)
{
    struct shop *s = calloc(1, sizeof *s);
    assert_non_null(s);
    memset(&fake, 0, sizeof fake);
    fake.seed = seed;
    fake.next = ASSIGN_NEXT;
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        fake.logs[i].committed = -1;
        for (int64_t o = 0; o < RECORDS; o++)
            fake.logs[i].there[o] = prng_upto(&fake.seed, 10) != 0;
    }
    assert_true(jobs_open(&s->jobs, JOBS, 2));
    s->of_ring = event_open(&s->jobs, &(struct record){0});
    assert_non_null(s->of_ring);
    s->of_ring->from_ring = true;
    const struct consume_options options = {.jobs = &s->jobs,
                                            .topics = topics,
                                            .urgent = urgent,
                                            .topic_count = 2,
                                            .worker = "w|1",
                                            .room_max = JOBS,
                                            .window_max = 40};
    assert_int_equal(consume_init(&s->consume, &options), ERR_OK);
    for (uint32_t turns = 0; turns < 3000; turns++) {
        if (prng_upto(&fake.seed, 150) == 0 && fake.next == CALM)
            fake.next = REVOKE_NEXT;
        if (prng_upto(&fake.seed, 50) == 0)
            consume_commit(&s->consume);
        turn(s);
        end_some(s, 1 + (uint32_t)(turns / 100) % 20);
    }
    for (uint32_t turns = 0; !all_committed(); turns++) { /* calm: all ends well */
        assert_true(turns < 50000);
        if (fake.next == REVOKE_NEXT)
            fake.next = CALM;
        turn(s);
        end_some(s, 40);
    }
    assert_true(fake.accepted > 0 && fake.refused > 0);
    assert_int_equal(s->consume.stats.went_back, 0);
    while (s->held.count > 0)
        end_event(s, event_of(s->held.first), true);
    assert_true(job_close(&s->jobs, job_of_sibling(s->of_ring->jobs.first)));
    event_close(&s->jobs, s->of_ring);
    consume_deinit(&s->consume);
    jobs_close(&s->jobs);
    free(s);
}

static void a_commit_covers_what_is_complete_and_in_the_end_that_is_all(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++)
        run_with(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_commit_covers_what_is_complete_and_in_the_end_that_is_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
