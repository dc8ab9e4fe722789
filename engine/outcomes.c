/* A key's records lie in one partition, in order: so partitions are read one after the
 * other, and what was met is forgotten between them. */
#include "outcomes.h"

#include "commands.h"
#include "domain/pbjson.h"
#include "keyed.h"

#include <inttypes.h>
#include <stdlib.h>

enum { ROOM = 256 * 1024 };

/* Clocks of workers and brokers, and an outcome that is older than its record. */
#define SKEW_MS INT64_C(600000)

const Carillon__V1__Outcome *outcome_decode(struct bytes value, struct arena *arena)
{
    ProtobufCMessage *message = NULL;
    struct pb_error error = {0};
    const ProtobufCMessageDescriptor *type = &carillon__v1__outcome__descriptor;
    enum err err = json_looks_like_object(value)
                       ? pb_from_json(type, value, arena, NULL, &message, &error)
                       : pb_decode(type, value, arena, &message, &error);
    const Carillon__V1__Outcome *outcome = (const Carillon__V1__Outcome *)message;
    return err == ERR_OK && outcome->event_id ? outcome : NULL;
}

int64_t outcome_settled_ms(const Carillon__V1__Outcome *outcome)
{
    return outcome->settled_at ? pb_time_ms(outcome->settled_at) : 0;
}

static uint64_t hash_of(const Carillon__V1__Outcome *o)
{
    const int64_t place[] = {o->origin ? o->origin->partition : 0,
                             o->origin ? o->origin->offset : 0};
    const struct bytes texts[] = {bytes_of(o->leg_id),
                                  bytes_of(o->origin ? o->origin->topic : NULL),
                                  {(const char *)place, sizeof place}};
    struct keyed_key key = keyed_key_of(texts, countof(texts));
    return key.a ? key.a : key.b;
}

static uint64_t *row_of(const struct ends *ends, uint64_t hash)
{
    size_t i = hash & (ends->max - 1);
    while (ends->rows[i] && ends->rows[i] != hash)
        i = (i + 1) & (ends->max - 1);
    return &ends->rows[i];
}

static void grow(struct ends *ends)
{
    struct ends larger = {.max = ends->max ? ends->max * 2 : 1024, .count = ends->count};
    larger.rows = calloc(larger.max, sizeof *larger.rows);
    CHECK(larger.rows);
    for (size_t i = 0; i < ends->max; i++)
        if (ends->rows[i])
            *row_of(&larger, ends->rows[i]) = ends->rows[i];
    free(ends->rows);
    *ends = larger;
}

bool ends_add(struct ends *ends, const Carillon__V1__Outcome *outcome)
{
    if (ends->count * 8 >= ends->max * 7)
        grow(ends);
    uint64_t hash = hash_of(outcome), *row = row_of(ends, hash);
    if (*row)
        return false;
    *row = hash;
    ends->count++;
    return true;
}

void ends_clear(struct ends *ends)
{
    if (ends->max > 0)
        memset(ends->rows, 0, ends->max * sizeof *ends->rows);
    ends->count = 0;
}

void ends_free(struct ends *ends)
{
    free(ends->rows);
    *ends = (struct ends){0};
}

struct walk {
    const struct outcomes_wish *wish;
    struct outcomes_read *read;
    struct reader *reader;
    struct ends ends;
    struct progress progress;
    char *memory;
    char why[KAFKA_WHY_SIZE];
};

static void take(struct walk *w, struct bytes value)
{
    const struct outcomes_wish *wish = w->wish;
    struct arena arena = arena_of(w->memory, ROOM);
    const Carillon__V1__Outcome *outcome = outcome_decode(value, &arena);
    w->read->records++;
    if (!outcome) {
        w->read->unreadable++;
        return;
    }
    int64_t settled_ms = outcome_settled_ms(outcome);
    if (wish->tenant.size > 0 && !bytes_equal(bytes_of(outcome->tenant_id), wish->tenant))
        return;
    if (settled_ms < wish->from_ms - SKEW_MS || settled_ms >= wish->to_ms + SKEW_MS)
        return; /* neither counts nor is told again inside */
    bool first = ends_add(&w->ends, outcome);
    if (first && settled_ms >= wish->from_ms && settled_ms < wish->to_ms)
        wish->take(wish->context, outcome);
}

static enum err walk_partition(struct walk *w, int32_t partition)
{
    struct reader_range range;
    struct reader_record record;
    /* to the end: a late replay may be the only one to tell of its leg */
    enum err err =
        reader_find(w->reader, partition, i64_max(1, w->wish->from_ms - SKEW_MS), &range, w->why);
    if (err == ERR_OK)
        err = reader_start(w->reader, &range, 1, w->why);
    ends_clear(&w->ends);
    while (err == ERR_OK || err == ERR_AGAIN) {
        err = reader_take(w->reader, &record);
        if (err == ERR_OK)
            take(w, record.record.value);
        if (command_interrupted())
            err = ERR_CANCELLED;
        progress_show(&w->progress, "%" PRIu64 " outcomes read, partition %d of %u",
                      w->read->records, partition + 1, reader_partitions(w->reader));
    }
    if (err == ERR_TIMEOUT && !w->why[0])
        snprintf(w->why, sizeof w->why, "no broker answers");
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

int outcomes_walk(const struct outcomes_wish *wish, struct outcomes_read *read)
{
    int exit_code = EXIT_DONE;
    struct walk w = {.wish = wish, .read = read};
    *read = (struct outcomes_read){0};
    w.reader = command_reader(wish->config, "carillon.outcomes", &exit_code);
    if (!w.reader)
        return exit_code;
    w.memory = malloc(ROOM);
    CHECK(w.memory);
    command_hold_interrupts();
    enum err err = ERR_OK;
    while (err == ERR_OK && read->partitions < reader_partitions(w.reader))
        err = walk_partition(&w, (int32_t)read->partitions++);
    progress_end(&w.progress);
    if (err == ERR_CANCELLED)
        fputs("interrupted: this is not all\n", stderr);
    else if (err != ERR_OK)
        command_kafka_away(wish->config, w.why);
    if (read->unreadable > 0)
        fprintf(stderr, "%" PRIu64 " records are no outcomes and were passed over\n",
                read->unreadable);
    reader_close(w.reader);
    ends_free(&w.ends);
    free(w.memory);
    return err == ERR_OK ? EXIT_DONE : EXIT_AWAY;
}
