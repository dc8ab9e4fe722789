/* Redis's tail: the claims in hand and the settles of the last 3 s, written again to a
 * Redis that may have lost them, before anything is asked of it. */
#include "stage/claims.h"

#include "base/clock.h"

#include <stdlib.h>

enum { CHUNK_BYTES = 256 * 1024, ASKING_MAX = 4096 };
#define NO_JOB UINT32_MAX

struct tail_chunk {
    struct tail_chunk *next;
    uint64_t newest_ns;
    size_t used;
    char at[CHUNK_BYTES];
};

struct tail_entry {   /* followed by the value, then padding to 8 bytes */
    int64_t until_ms; /* Redis's time: end of its life */
    uint32_t value_size;
    char key[CLAIM_KEY_SIZE];
};

static size_t entry_bytes(uint32_t value_size)
{
    return (sizeof(struct tail_entry) + value_size + 7) & ~(size_t)7;
}

static void on_rewritten(struct redis_waiter *waiter, uint32_t index,
                         const struct redis_reply *reply);

bool tail_init(struct claims *claims)
{
    struct tail *t = &claims->tail;
    *t = (struct tail){.waiter = {on_rewritten}};
    t->asking = calloc(ASKING_MAX, sizeof *t->asking);
    return t->asking != NULL;
}

static void free_chunks(struct tail_chunk *chunk)
{
    for (struct tail_chunk *next; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
}

void tail_deinit(struct claims *claims)
{
    free_chunks(claims->tail.first);
    free_chunks(claims->tail.spare);
    free(claims->tail.asking);
}

static struct tail_chunk *new_chunk(struct tail *t)
{
    struct tail_chunk *chunk = t->spare;
    if (chunk)
        t->spare = chunk->next;
    else
        chunk = malloc(sizeof *chunk);
    CHECK(chunk != NULL);
    chunk->next = NULL;
    chunk->used = 0;
    if (t->last)
        t->last->next = chunk;
    else
        t->first = chunk;
    t->last = chunk;
    return chunk;
}

void tail_keep(struct claims *claims, uint64_t now_ns, struct bytes key, struct bytes value,
               int64_t ttl_ms)
{
    struct tail *t = &claims->tail;
    uint32_t size = (uint32_t)value.size;
    struct tail_chunk *chunk = t->last;
    if (!chunk || CHUNK_BYTES - chunk->used < entry_bytes(size))
        chunk = new_chunk(t);
    struct tail_entry *entry = (void *)(chunk->at + chunk->used);
    entry->until_ms = claims_now_ms(claims, now_ns) + ttl_ms;
    entry->value_size = size;
    memcpy(entry->key, key.at, CLAIM_KEY_SIZE);
    memcpy(entry + 1, value.at, size);
    chunk->used += entry_bytes(size);
    chunk->newest_ns = now_ns;
}

/* Only while Redis is there and known: until a loss is made good nothing is forgotten. */
void tail_expire(struct claims *claims, uint64_t now_ns)
{
    struct tail *t = &claims->tail;
    while (t->first && t->first->newest_ns + CLAIMS_TAIL_MS * NS_PER_MS < now_ns) {
        struct tail_chunk *chunk = t->first;
        t->first = chunk->next;
        if (!t->first)
            t->last = NULL;
        chunk->next = t->spare;
        t->spare = chunk;
    }
}

void tail_begin(struct claims *claims)
{
    struct tail *t = &claims->tail;
    t->next_job = 0;
    t->at = t->first;
    t->at_byte = 0;
    t->failed = false;
}

static bool has_room(const struct claims *claims)
{
    return claims->tail.awaited < ASKING_MAX && redis_room(claims->redis) > 0 &&
           redis_room_bytes(claims->redis) > 2 * CLAIM_VALUE_MAX;
}

static void send(struct claims *claims, const struct claim_command *command, uint32_t job)
{
    struct tail *t = &claims->tail;
    /* Answers come in order, so the places are used round and round. */
    uint32_t index = (uint32_t)(claims->stats.rewritten++ % ASKING_MAX);
    t->asking[index] = job;
    t->awaited++;
    redis_command(claims->redis, command->arg, command->arg_count, &t->waiter, index);
}

static bool holds_claim(const struct job *job)
{
    return job->state != JOB_FREE && job->claim_ready && job->claim.held;
}

static bool write_jobs(struct claims *claims, const struct claim_world *world)
{
    struct tail *t = &claims->tail;
    for (; t->next_job < claims->jobs->max; t->next_job++) {
        struct job *job = &claims->jobs->all[t->next_job];
        struct claim_command command;
        if (!holds_claim(job))
            continue;
        if (!has_room(claims))
            return false;
        claim_restore_command(&job->claim, world, &command);
        send(claims, &command, t->next_job);
    }
    return true;
}

static bool write_settles(struct claims *claims, const struct claim_world *world)
{
#ifdef BUG_tail_not_written
    return true;
#endif
    struct tail *t = &claims->tail;
    for (; t->at; t->at = t->at->next, t->at_byte = 0) {
        while (t->at_byte < t->at->used) {
            struct tail_entry *entry = (void *)(t->at->at + t->at_byte);
            struct claim_command command;
            if (!has_room(claims))
                return false;
            int64_t ttl_ms = i64_max(entry->until_ms - world->now_ms, 1000);
            claim_rewrite_command((struct bytes){entry->key, CLAIM_KEY_SIZE},
                                  (struct bytes){(char *)(entry + 1), entry->value_size}, ttl_ms,
                                  &command);
            send(claims, &command, NO_JOB);
            t->at_byte += entry_bytes(entry->value_size);
        }
    }
    return true;
}

bool tail_write(struct claims *claims, uint64_t now_ns)
{
    struct tail *t = &claims->tail;
    struct claim_world world = claims_world(claims, now_ns);
    if (t->failed) {
        if (t->awaited > 0)
            return false;
        tail_begin(claims);
    }
    return write_jobs(claims, &world) && write_settles(claims, &world) && t->awaited == 0 &&
           !t->failed;
}

static void on_rewritten(struct redis_waiter *waiter, uint32_t index,
                         const struct redis_reply *reply)
{
    struct claims *claims = container_of(waiter, struct claims, tail.waiter);
    struct tail *t = &claims->tail;
    CHECK(t->awaited > 0);
    t->awaited--;
    struct claim_answer answer = claims_answer_of(CLAIM_STEP_SETTLE, reply);
    if (answer.kind == CLAIM_ANSWER_LOST) {
        t->failed = true;
        return;
    }
    if (t->asking[index] == NO_JOB)
        return;
    struct job *job = &claims->jobs->all[t->asking[index]];
    struct claim_world world = claims_world(claims, clock_mono_ns());
    if (holds_claim(job))
        claim_restored(&job->claim, &world, &answer);
}
