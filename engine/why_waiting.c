#include "why_waiting.h"

#include "base/clock.h"
#include "base/time.h"
#include "clients.h"
#include "command.h"
#include "domain/deferral.h"
#include "domain/event.h"
#include "domain/json.h"
#include "domain/why.h"
#include "waiting.h"

#include <inttypes.h>
#include <stdlib.h>

enum { FOUND_MAX = 256, RECORDS_MOST = 4000000, LINE_MAX_BYTES = 32 * 1024 };

struct found {
    const struct waiting_topic *topic;
    int32_t partition;
    int64_t offset;
    struct deferral_key key;
    struct deferral is;
    char *memory; /* of all texts */
    bool over;    /* ended, or deferred once more */
};

struct why_waiting {
    const struct config *config;
    const char *event_id, *tenant;
    struct waiting waiting;
    bool open;
    struct found *found;
    uint32_t found_count, partitions;
    uint64_t records, strange;
    bool cut;
    struct progress progress;
};

/* A copy of key and headers, as the next record overwrites them. */
static bool copy_into(struct found *f, struct bytes key, const struct record_header *headers,
                      uint32_t count)
{
    struct record_header copies[RECORD_HEADERS_MAX];
    struct bytes wrong;
    size_t size = key.size;
    for (uint32_t i = 0; i < count; i++)
        size += headers[i].name.size + headers[i].value.size;
    f->memory = malloc(size + 1);
    CHECK(f->memory);
    struct writer w = writer_of(f->memory, size + 1);
    write_slice(&w, key);
    for (uint32_t i = 0; i < count; i++) {
        copies[i].name = (struct bytes){w.at + w.size, headers[i].name.size};
        write_slice(&w, headers[i].name);
        copies[i].value = (struct bytes){w.at + w.size, headers[i].value.size};
        write_slice(&w, headers[i].value);
    }
    CHECK(!w.overflow);
    return deferral_parse_key((struct bytes){f->memory, key.size}, &f->key) == ERR_OK &&
           deferral_decode(copies, count, &f->is, &wrong) == ERR_OK;
}

/* The value is the event's, unchanged. What cannot be read is nobody's. */
static bool is_tenants(const struct record *record, const char *tenant)
{
    size_t room = EVENT_ARENA_BYTES(record->value.size);
    char *memory = malloc(room);
    CHECK(memory);
    struct arena arena = arena_of(memory, room);
    Carillon__V1__Event *event = NULL;
    struct event_error error;
    bool is = event_decode(record, &arena, NULL, &event, &error) != ERR_NO_MEMORY && event &&
              event->tenant_id && strcmp(event->tenant_id, tenant) == 0;
    free(memory);
    return is;
}

static void keep(struct why_waiting *y, const struct waiting_topic *t, struct reader *reader,
                 const struct reader_record *at)
{
    struct record_header headers[RECORD_HEADERS_MAX];
    struct deferral_key key;
    if (deferral_parse_key(at->record.key, &key) != ERR_OK ||
        !bytes_equal(key.event_id, bytes_of(y->event_id)) || y->found_count == FOUND_MAX ||
        waiting_is_done(t, at->partition, at->offset))
        return;
    struct record record = at->record;
    record.headers = headers;
    record.header_count = reader_headers(reader, headers, countof(headers));
    if (y->tenant && !is_tenants(&record, y->tenant))
        return;
    struct found *f = &y->found[y->found_count];
    *f = (struct found){.topic = t, .partition = at->partition, .offset = at->offset};
    if (copy_into(f, record.key, headers, record.header_count)) {
        y->found_count++;
        return;
    }
    y->strange++;
    free(f->memory);
}

static void read_ranges(struct why_waiting *y, const struct waiting_topic *t, struct reader *reader,
                        const struct reader_range *ranges, uint32_t count)
{
    char why[KAFKA_WHY_SIZE] = "";
    struct reader_record record;
    enum err err = reader_start(reader, ranges, count, why);
    while (err == ERR_OK || err == ERR_AGAIN) {
        err = reader_take(reader, &record);
        if (err == ERR_OK) {
            y->records++;
            keep(y, t, reader, &record);
        }
        if (command_interrupted())
            break;
        progress_show(&y->progress, "%" PRIu64 " deferrals read, %u found", y->records,
                      y->found_count);
    }
    y->cut |= err != ERR_NOT_FOUND;
}

/* Where the record may lie: of each slot the partition that its id leads to; where the ring
 * is not known, anywhere. */
static bool may_hold(const struct waiting_topic *t, int32_t partition, struct bytes id)
{
    if (t->ring.slots == 0)
        return true;
    int64_t slot_ms = t->ring.slot_ms;
    return ring_partition(&t->ring, ring_slot_index(&t->ring, partition) * slot_ms, id) ==
           partition;
}

static void read_topic(struct why_waiting *y, const struct waiting_topic *t)
{
    struct kafka_settings kafka;
    char why[KAFKA_WHY_SIZE] = "";
    enum err err;
    uint32_t count = 0;
    uint64_t left = RECORDS_MOST - y->records;
    struct reader_range *ranges = calloc(t->count + 1, sizeof *ranges);
    CHECK(ranges);
    for (int32_t i = 0; i < (int32_t)t->count; i++) {
        struct reader_range range = waiting_range(t, i);
        uint64_t size = (uint64_t)(range.to - range.from);
        if (size == 0 || !may_hold(t, i, bytes_of(y->event_id)))
            continue;
        y->cut |= size > left;
        if (size > left)
            continue;
        left -= size;
        ranges[count++] = range;
    }
    y->partitions += count;
    kafka_options_of(y->config, "carillon-command", &kafka);
    struct reader *reader = NULL;
    if (count > 0)
        reader = reader_open(&kafka.options, t->topic->name, COMMAND_PATIENCE_MS, &err, why);
    if (reader) {
        read_ranges(y, t, reader, ranges, count);
        reader_close(reader);
    }
    y->cut |= count > 0 && !reader;
    free(ranges);
}

static bool same_origin(const struct claim_origin *a, const struct claim_origin *b)
{
    return bytes_equal(a->topic, b->topic) && a->partition == b->partition &&
           a->offset == b->offset;
}

static bool same_leg(const struct deferral_key *a, const struct deferral_key *b)
{
    return a->has_leg == b->has_leg &&
           (!a->has_leg ||
            (a->leg.channel == b->leg.channel &&
             memcmp(a->leg.address_hash, b->leg.address_hash, DEFERRAL_HASH_SIZE) == 0));
}

/* Of one record's hops only the last one waits: a copy whose acknowledgement came too late
 * finds the claim. */
static void leave_last_hops(struct why_waiting *y)
{
    for (uint32_t i = 0; i < y->found_count; i++)
        for (uint32_t k = 0; k < y->found_count; k++) {
            struct found *a = &y->found[i], *b = &y->found[k];
            if (same_origin(&a->is.origin, &b->is.origin) && same_leg(&a->key, &b->key) &&
                (a->is.seq < b->is.seq || (a->is.seq == b->is.seq && i < k)))
                a->over = true;
        }
}

struct why_waiting *why_waiting_read(const struct config *config, const char *event_id,
                                     const char *tenant)
{
    int exit_code;
    struct why_waiting *y = calloc(1, sizeof *y);
    CHECK(y);
    y->config = config;
    y->event_id = event_id;
    y->tenant = tenant;
    y->found = calloc(FOUND_MAX, sizeof *y->found);
    CHECK(y->found);
    y->open = waiting_open(config, &y->waiting, &exit_code);
    y->cut = !y->open;
    for (uint32_t i = 0; y->open && i < y->waiting.count && !command_interrupted(); i++)
        read_topic(y, &y->waiting.topics[i]);
    progress_end(&y->progress);
    leave_last_hops(y);
    return y;
}

void why_waiting_free(struct why_waiting *y)
{
    for (uint32_t i = 0; i < y->found_count; i++)
        free(y->found[i].memory);
    if (y->open)
        waiting_close(&y->waiting);
    free(y->found);
    free(y);
}

static bool is_leg(const struct deferral_leg *leg, const Carillon__V1__Outcome *o)
{
    const char *hash = o->address_hash ? o->address_hash : "";
    bool device = leg->channel == CARILLON__V1__CHANNEL__CHANNEL_PUSH; /* one of several */
    return leg->channel == o->channel &&
           (!device || strncmp(hash, leg->address_hash, DEFERRAL_HASH_SIZE) == 0);
}

void why_waiting_ended(struct why_waiting *y, const Carillon__V1__Outcome *o)
{
    if (!o->origin)
        return;
    const struct claim_origin origin = {.topic = bytes_of(o->origin->topic),
                                        .partition = o->origin->partition,
                                        .offset = o->origin->offset};
    for (uint32_t i = 0; i < y->found_count; i++) {
        struct found *f = &y->found[i];
        if (!same_origin(&f->is.origin, &origin))
            continue;
        uint32_t left = 0;
        for (uint32_t k = 0; k < f->is.leg_count; k++)
            if (o->channel && !is_leg(&f->is.legs[k], o))
                f->is.legs[left++] = f->is.legs[k];
        f->is.leg_count = left;
        f->over |= left == 0;
    }
}

static void put_legs(const struct found *f, struct writer *w)
{
    if (f->is.leg_count == 0)
        write_literal(w, "the event, not judged yet,");
    for (uint32_t i = 0; i < f->is.leg_count; i++) {
        write_text(w, i ? ", " : "");
        write_text(w, channel_name(f->is.legs[i].channel));
    }
}

static void print_words(const struct found *f, int64_t now_ms, struct writer *w)
{
    const struct deferral *d = &f->is;
    write_literal(w, "  ");
    put_legs(f, w);
    write_text(w, d->leg_count > 1 ? " wait until " : " waits until ");
    time_write(w, d->event_due_ms);
    if (d->due_ms < now_ms)
        write_literal(w, ", which is past: it is being released, or no worker serves its slot");
    if (d->event_due_ms != d->due_ms) {
        write_literal(w, " (looked at ");
        time_write(w, d->due_ms);
        write_char(w, ')');
    }
    write_literal(w, ": ");
    write_text(w, why_reason(d->reason));
    write_format(w, " (%s). Deferred %u time%s", reason_code(d->reason), d->seq,
                 d->seq == 1 ? "" : "s");
    if (d->attempts > 0)
        write_format(w, ", after %u attempt%s to send", d->attempts, d->attempts == 1 ? "" : "s");
    if (d->route.size > 0) {
        write_literal(w, ", for route ");
        write_slice(w, d->route);
    }
    if (d->expires_ms > 0) {
        write_literal(w, ". It expires at ");
        time_write(w, d->expires_ms);
    }
    write_format(w, ". It is record %lld of %s/%d", (long long)f->offset, f->topic->topic->name,
                 f->partition);
    write_format(w, ", first record %lld of %.*s/%d.\n", (long long)d->origin.offset,
                 (int)d->origin.topic.size, d->origin.topic.at, d->origin.partition);
}

static void put_text(struct writer *w, const char *key, struct bytes text)
{
    json_write_key(w, key);
    json_write_string(w, text);
}

static void put_time(struct writer *w, const char *key, int64_t ms)
{
    json_write_key(w, key);
    write_char(w, '"');
    time_write(w, ms);
    write_char(w, '"');
}

static void put_number(struct writer *w, const char *key, int64_t n)
{
    json_write_key(w, key);
    write_i64(w, n);
}

static void print_object(const struct why_waiting *y, const struct found *f, struct writer *w)
{
    const struct deferral *d = &f->is;
    write_char(w, '{');
    put_text(w, "event_id", bytes_of(y->event_id));
    put_text(w, "waiting", bytes_of(reason_code(d->reason)));
    put_time(w, "until", d->event_due_ms);
    put_time(w, "looked_at", d->due_ms);
    put_number(w, "seq", d->seq);
    put_number(w, "attempts", d->attempts);
    put_text(w, "kind", d->kind);
    put_text(w, "route", d->route);
    if (d->expires_ms > 0)
        put_time(w, "expires_at", d->expires_ms);
    json_write_key(w, "channels");
    write_char(w, '[');
    for (uint32_t i = 0; i < d->leg_count; i++) {
        json_write_comma(w);
        json_write_string(w, bytes_of(channel_name(d->legs[i].channel)));
    }
    write_char(w, ']');
    put_text(w, "topic", bytes_of(f->topic->topic->name));
    put_number(w, "partition", f->partition);
    put_number(w, "offset", f->offset);
    json_write_key(w, "origin");
    write_char(w, '{');
    put_text(w, "topic", d->origin.topic);
    put_number(w, "partition", d->origin.partition);
    put_number(w, "offset", d->origin.offset);
    write_literal(w, "}}\n");
}

uint32_t why_waiting_print(const struct why_waiting *y, bool json, FILE *out)
{
    char line[LINE_MAX_BYTES];
    uint32_t count = 0;
    int64_t now_ms = clock_wall_ms();
    for (uint32_t i = 0; i < y->found_count; i++) {
        const struct found *f = &y->found[i];
        struct writer w = writer_of(line, sizeof line);
        if (f->over)
            continue;
        if (!json && count == 0)
            fprintf(out, "%s waits:\n", y->event_id);
        count++;
        if (json)
            print_object(y, f, &w);
        else
            print_words(f, now_ms, &w);
        CHECK(!w.overflow); /* all texts are bounded */
        fwrite(w.at, 1, w.size, out);
    }
    return count;
}

void why_waiting_say(const struct why_waiting *y)
{
    if (!y->open)
        return;
    fprintf(stderr, "read %" PRIu64 " deferrals in %u partitions%s\n", y->records, y->partitions,
            y->cut ? "; there is more that was not read" : "");
    if (y->strange > 0)
        fprintf(stderr, "%" PRIu64 " records of this id are no deferrals of ours\n", y->strange);
}
