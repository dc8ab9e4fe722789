#include "gather.h"

#include "domain/pbjson.h"
#include "kafka.h"

#include <inttypes.h>
#include <stdlib.h>

enum { OUTCOME_MEMORY = 1 << 20 };

/* A row more at the end of an array that doubles. */
#define ROW_ADD(rows, count) (grow((void **)&(rows), (count)++, sizeof *(rows)), &(rows)[(count)-1])

static void grow(void **rows, size_t count, size_t size)
{
    if (count != 0 && (count & (count - 1)) != 0)
        return;
    *rows = realloc(*rows, (count ? 2 * count : 1) * size);
    CHECK(*rows);
}

bool gather_loads(struct oracle *o, const char *path)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t max = 0, number = 0;
    if (!file) {
        perror(path);
        return false;
    }
    bool fine = true;
    for (ssize_t n; fine && (n = getline(&line, &max, file)) > 0;) {
        number++;
        if (line[n - 1] == '\n')
            line[n - 1] = '\0';
        fine = load_record_parse(line, ROW_ADD(o->loads, o->load_count));
        if (!fine)
            fprintf(stderr, "%s:%zu: not a record of load's journal\n", path, number);
    }
    free(line);
    fclose(file);
    return fine;
}

bool gather_calls(struct oracle *o, const char *path)
{
    FILE *file = fopen(path, "rb");
    struct sim_record r;
    if (!file) {
        perror(path);
        return false;
    }
    bool fine = true;
    while (fine && fread(&r, sizeof r, 1, file) == 1) {
        fine = r.magic == SIM_MAGIC && r.size == sizeof r;
        if (fine)
            *ROW_ADD(o->calls, o->call_count) = r;
        else
            fprintf(stderr, "%s: not a provider's journal\n", path);
    }
    fclose(file);
    return fine;
}

/* time_ms TAB what TAB until_ms */
bool gather_faults(struct oracle *o, const char *path)
{
    FILE *file = fopen(path, "r");
    char line[256];
    if (!file) {
        perror(path);
        return false;
    }
    bool fine = true;
    while (fine && fgets(line, sizeof line, file)) {
        struct fault_row *f = ROW_ADD(o->faults, o->fault_count);
        *f = (struct fault_row){0};
        fine = sscanf(line, "%" SCNd64 "\t%15s\t%" SCNd64, &f->time_ms, f->what, &f->until_ms) == 3;
        if (!fine)
            fprintf(stderr, "%s: not a fault: %s", path, line);
    }
    fclose(file);
    return fine;
}

static void copy_text(char *to, size_t max, struct bytes from)
{
    size_t size = u64_min(from.size, max - 1);
    if (size > 0)
        memcpy(to, from.at, size);
    to[size] = '\0';
}

/* Big-endian fields one after another; what is not there sets `bad`. */
struct cut {
    struct bytes left;
    bool bad;
};

static uint64_t take_number(struct cut *c, size_t size)
{
    uint64_t n = 0;
    c->bad = c->bad || c->left.size < size;
    for (size_t i = 0; i < size && !c->bad; i++)
        n = n << 8 | (uint8_t)c->left.at[i];
    if (!c->bad) {
        c->left.at += size;
        c->left.size -= size;
    }
    return n;
}

static struct bytes take_text(struct cut *c)
{
    size_t size = (size_t)take_number(c, 2);
    struct bytes text = {c->left.at, size};
    c->bad = c->bad || size > c->left.size;
    if (c->bad)
        return (struct bytes){0};
    c->left.at += size;
    c->left.size -= size;
    return text;
}

/* Kafka's OffsetCommitKey (versions 0, 1) and OffsetCommitValue (0 to 4). */
bool commit_parse(struct bytes key, struct bytes value, struct commit_row *out)
{
    struct cut k = {key, false}, v = {value, false};
    if (take_number(&k, 2) > 1 || value.size == 0)
        return false;
    copy_text(out->group, sizeof out->group, take_text(&k));
    copy_text(out->topic, sizeof out->topic, take_text(&k));
    out->partition = (int32_t)take_number(&k, 4);
    uint64_t version = take_number(&v, 2);
    out->value = (int64_t)take_number(&v, 8);
    if (version >= 3)
        take_number(&v, 4); /* leader's epoch */
    copy_text(out->metadata, sizeof out->metadata, take_text(&v));
    out->time_ms = (int64_t)take_number(&v, 8);
    return !k.bad && !v.bad && version <= 4;
}

struct gathering {
    struct oracle *o;
    char *memory; /* for one decoded outcome */
    uint64_t bad;
};

static void on_commit(void *context, const struct kafka_in_record *record)
{
    struct gathering *g = context;
    struct commit_row row = {0};
    if (commit_parse(record->key, record->value, &row))
        *ROW_ADD(g->o->commits, g->o->commit_count) = row;
}

static Carillon__V1__Outcome *decode(struct gathering *g, struct bytes value)
{
    struct arena arena = arena_of(g->memory, OUTCOME_MEMORY);
    ProtobufCMessage *message = NULL;
    struct pb_error error;
    const ProtobufCMessageDescriptor *type = &carillon__v1__outcome__descriptor;
    enum err err = json_looks_like_object(value)
                       ? pb_from_json(type, value, &arena, NULL, &message, &error)
                       : pb_decode(type, value, &arena, &message, &error);
    return err == ERR_OK ? (Carillon__V1__Outcome *)message : NULL;
}

static void on_outcome(void *context, const struct kafka_in_record *record)
{
    struct gathering *g = context;
    const Carillon__V1__Outcome *m = decode(g, record->value);
    if (!m || !record->append_time || !m->event_id || !m->has_outcome || !m->origin ||
        !m->origin->topic) {
        fprintf(stderr, "%s/%" PRId32 "/%" PRId64 ": %s\n", record->topic, record->partition,
                record->offset,
                m ? "an outcome without id, outcome, origin or append time" : "not an outcome");
        g->bad++;
        return;
    }
    struct outcome_row *r = ROW_ADD(g->o->outcomes, g->o->outcome_count);
    *r = (struct outcome_row){.channel = (uint8_t)(m->has_channel ? m->channel : 0),
                              .outcome = m->outcome,
                              .attempts = m->has_attempts ? m->attempts : 0,
                              .dup_risk = m->has_dup_risk && m->dup_risk,
                              .replay = m->has_replay && m->replay,
                              .append_ms = record->time_ms,
                              .partition = record->partition,
                              .offset = record->offset};
    copy_text(r->origin.topic, sizeof r->origin.topic, bytes_of(m->origin->topic));
    r->origin.partition = m->origin->partition;
    r->origin.offset = m->origin->offset;
    copy_text(r->event_id, sizeof r->event_id, bytes_of(m->event_id));
    copy_text(r->leg_id, sizeof r->leg_id, bytes_of(m->leg_id));
    copy_text(r->reason, sizeof r->reason, bytes_of(m->reason));
    copy_text(r->provider_message_id, sizeof r->provider_message_id,
              bytes_of(m->provider_message_id));
}

static int64_t number_of(struct bytes text)
{
    char copy[24];
    copy_text(copy, sizeof copy, text);
    return strtoll(copy, NULL, 10);
}

static void on_letter(void *context, const struct kafka_in_record *record)
{
    struct gathering *g = context;
    struct letter_row *r = ROW_ADD(g->o->letters, g->o->letter_count);
    *r = (struct letter_row){.append_ms = record->time_ms};
    copy_text(r->origin.topic, sizeof r->origin.topic, kafka_header_of(record, "carillon-topic"));
    r->origin.partition = (int32_t)number_of(kafka_header_of(record, "carillon-partition"));
    r->origin.offset = number_of(kafka_header_of(record, "carillon-offset"));
    copy_text(r->reason, sizeof r->reason, kafka_header_of(record, "carillon-reason"));
    if (!record->append_time || r->origin.topic[0] == '\0') {
        fprintf(stderr, "%s/%" PRId32 "/%" PRId64 ": a letter without origin or append time\n",
                record->topic, record->partition, record->offset);
        g->bad++;
    }
}

/* One of topic/partition/offset, from the end: a topic may hold anything but '/'. */
static bool parse_origin(struct bytes text, struct origin *out)
{
    char copy[128];
    copy_text(copy, sizeof copy, text);
    return sscanf(copy, "%63[^/]/%" SCNd32 "/%" SCNd64, out->topic, &out->partition,
                  &out->offset) == 3;
}

/* `sms:hash,email:hash`: a bit for each channel that is named. */
static uint32_t channels_of(struct bytes legs)
{
    char copy[4096];
    uint32_t bits = 0;
    copy_text(copy, sizeof copy, legs);
    for (uint8_t channel = SIM_SMS; channel < SIM_CHANNEL_COUNT; channel++)
        if (strstr(copy, sim_channel_text(channel)))
            bits |= UINT32_C(1) << channel;
    return bits;
}

static void on_deferral(void *context, const struct kafka_in_record *record)
{
    struct gathering *g = context;
    struct bytes event_due = kafka_header_of(record, "carillon-event-due");
    struct bytes due = event_due.at ? event_due : kafka_header_of(record, "carillon-due");
    struct bytes reason = kafka_header_of(record, "carillon-reason");
    struct deferral_row *r = ROW_ADD(g->o->deferrals, g->o->deferral_count);
    *r = (struct deferral_row){.time_ms = record->time_ms};
    copy_text(r->place.topic, sizeof r->place.topic, bytes_of(record->topic));
    r->place.partition = record->partition;
    r->place.offset = record->offset;
    r->seq = (uint32_t)number_of(kafka_header_of(record, "carillon-seq"));
    r->due_ms = number_of(due);
    r->channels = channels_of(kafka_header_of(record, "carillon-legs"));
    r->timed = bytes_equal(reason, BYTES("not_due")) || bytes_equal(reason, BYTES("quiet_hours"));
    if (r->due_ms > 0 && r->seq > 0 &&
        parse_origin(kafka_header_of(record, "carillon-origin"), &r->origin))
        return;
    fprintf(stderr, "%s/%" PRId32 "/%" PRId64 ": not a deferral\n", record->topic,
            record->partition, record->offset);
    g->bad++;
}

/* Those that exist: generations from 1 on, and far. */
static bool gather_deferrals(struct gathering *g, const char *brokers)
{
    const char *prefix = g->o->prefix ? g->o->prefix : "";
    char topic[64];
    bool fine = true;
    for (int generation = 1; fine; generation++) {
        snprintf(topic, sizeof topic, "%scarillon.deferred.%d", prefix, generation);
        if (kafka_partitions(brokers, topic) == 0)
            break;
        fine = kafka_read_all(brokers, topic, on_deferral, g);
    }
    snprintf(topic, sizeof topic, "%scarillon.deferred.far", prefix);
    if (fine && kafka_partitions(brokers, topic) > 0)
        fine = kafka_read_all(brokers, topic, on_deferral, g);
    return fine;
}

bool gather_topics(struct oracle *o, const char *brokers)
{
    struct gathering g = {.o = o, .memory = malloc(OUTCOME_MEMORY)};
    CHECK(g.memory);
    char outcomes[64], dead[64];
    const char *prefix = o->prefix ? o->prefix : "";
    snprintf(outcomes, sizeof outcomes, "%scarillon.outcomes", prefix);
    snprintf(dead, sizeof dead, "%scarillon.dead", prefix);
    bool fine = kafka_read_all(brokers, outcomes, on_outcome, &g) &&
                kafka_read_all(brokers, dead, on_letter, &g) && gather_deferrals(&g, brokers) &&
                kafka_read_all(brokers, "__consumer_offsets", on_commit, &g);
    free(g.memory);
    return fine && g.bad == 0;
}

void gather_free(struct oracle *o)
{
    free(o->loads);
    free(o->calls);
    free(o->outcomes);
    free(o->letters);
    free(o->deferrals);
    free(o->commits);
    free(o->faults);
    free(o->limits);
}
