#include "stage/settle_record.h"

#include "base/time.h"
#include "domain/kinds.h"
#include "domain/pbjson.h"
#include "domain/texts.h"
#include "io/crypto.h"

#define OUTCOME(name) CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_##name

enum { GATES_MAX = 32 };

/* What an outcome's message points to while it is written. */
struct parts {
    Carillon__V1__Outcome outcome;
    Carillon__V1__Origin origin;
    Google__Protobuf__Timestamp due_at, effective_due_at, sent_at, settled_at;
    Carillon__V1__Gate gates[GATES_MAX], *gate_list[GATES_MAX];
    Carillon__V1__Outcome__LabelsEntry labels[16], *label_list[16];
    char leg_id[2 * CLAIM_HASH_SIZE + 1], address_hash[17], topic[256], zone[128];
    char provider_id[256];
};

static Google__Protobuf__Timestamp *time_in(Google__Protobuf__Timestamp *t, int64_t ms)
{
    google__protobuf__timestamp__init(t);
    t->seconds = ms / 1000 - (ms % 1000 < 0);
    t->nanos = (int32_t)((ms - t->seconds * 1000) * 1000000);
    return t;
}

static char *text_in(char *memory, size_t max, struct bytes text)
{
    size_t size = text.size < max - 1 ? text.size : max - 1;
    if (size > 0)
        memcpy(memory, text.at, size);
    memory[size] = '\0';
    return memory;
}

/* Keyed, so that nobody without the key can try numbers; never the address itself. */
static void hash_address(const struct settle *settle, struct bytes address, char out[17])
{
    uint8_t digest[SHA256_SIZE];
    hmac_sha256(settle->options.address_key, address, digest);
    struct writer w = writer_of(out, 16);
    write_hex(&w, digest, 8);
    out[16] = '\0';
}

static void put_ids(const struct settle *settle, const struct job *job, struct parts *p)
{
    const Carillon__V1__Event *event = job->event->judged.event;
    const struct leg *leg = job->leg;
    Carillon__V1__Outcome *o = &p->outcome;
    o->event_id = event->event_id;
    o->tenant_id = event->tenant_id;
    o->has_kind = event->has_kind;
    o->kind = event->kind;
    if (job->event->judged.kind) {
        o->has_class_ = true;
        o->class_ = job->event->judged.kind->class;
    }
    bool has_leg = leg && leg->channel != CARILLON__V1__CHANNEL__CHANNEL_UNSPECIFIED;
    struct bytes channel = has_leg ? bytes_of(channel_name(leg->channel)) : BYTES("");
    struct bytes address = has_leg ? leg->address : BYTES("");
    claim_leg_hex(bytes_of(event->tenant_id ? event->tenant_id : ""),
                  bytes_of(event->event_id ? event->event_id : ""), channel, address, p->leg_id);
    p->leg_id[2 * CLAIM_HASH_SIZE] = '\0';
    o->leg_id = p->leg_id;
    if (has_leg) {
        o->has_channel = true;
        o->channel = leg->channel;
        if (leg->address.size > 0) {
            hash_address(settle, leg->address, p->address_hash);
            o->address_hash = p->address_hash;
        }
    }
    carillon__v1__origin__init(&p->origin);
    p->origin.topic = text_in(p->topic, sizeof p->topic, job->event->origin.topic);
    p->origin.has_partition = p->origin.has_offset = true;
    p->origin.partition = job->event->origin.partition;
    p->origin.offset = job->event->origin.offset;
    o->origin = &p->origin;
    o->worker = (char *)settle->options.worker;
}

static void put_end(const struct job *job, struct parts *p)
{
    const struct job_end *end = &job->end;
    Carillon__V1__Outcome *o = &p->outcome;
    o->has_outcome = true;
    o->outcome = end->outcome;
    if (end->reason != REASON_NONE)
        o->reason = (char *)reason_code(end->reason);
    o->detail = (char *)end->detail;
    if (end->provider_message_id.size > 0)
        o->provider_message_id =
            text_in(p->provider_id, sizeof p->provider_id, end->provider_message_id);
    if (end->attempts > 0 || end->outcome == OUTCOME(SENT)) {
        o->has_attempts = true;
        o->attempts = end->attempts;
    }
    o->has_dup_risk = end->dup_risk;
    o->dup_risk = end->dup_risk;
    o->has_replay = end->replay;
    o->replay = end->replay;
    if (end->sent_at_ms > 0)
        o->sent_at = time_in(&p->sent_at, end->sent_at_ms);
    o->settled_at = time_in(&p->settled_at, end->settled_at_ms);
}

/* The why-record: absent on a replay, which only tells again what was told. */
static void put_why(const struct job *job, struct parts *p)
{
    const struct judge_case *c = &job->event->judged;
    const struct leg *leg = job->leg;
    Carillon__V1__Outcome *o = &p->outcome;
    if (c->due_ms > 0)
        o->due_at = time_in(&p->due_at, c->due_ms);
    if (job->route) {
        o->route = (char *)job->route->name;
        o->provider = (char *)job->route->account->name;
    }
    if (!leg)
        return;
    if (leg->zone.size > 0) {
        o->zone = text_in(p->zone, sizeof p->zone, leg->zone);
        o->has_zone_source = true;
        o->zone_source = leg->zone_source;
        if (leg->effective_due_ms > 0)
            o->effective_due_at = time_in(&p->effective_due_at, leg->effective_due_ms);
    }
    if (leg->channel == CARILLON__V1__CHANNEL__CHANNEL_SMS && leg->segments > 0) {
        o->has_segments = o->has_encoding = true;
        o->segments = leg->segments;
        o->encoding = leg->encoding;
    }
    o->template_ = (char *)texts_source_name(leg->template_source);
    if (!c->kind)
        return;
    for (uint32_t i = 0; i < judge_gate_count && o->n_gates < GATES_MAX; i++) {
        if (!judge_gate_concerns(i, c->kind))
            continue;
        Carillon__V1__Gate *gate = &p->gates[o->n_gates];
        carillon__v1__gate__init(gate);
        gate->id = (char *)judge_gates[i];
        gate->has_verdict = true;
        gate->verdict = i < leg->refused_by    ? CARILLON__V1__GATE__VERDICT__VERDICT_PASS
                        : i == leg->refused_by ? CARILLON__V1__GATE__VERDICT__VERDICT_REFUSE
                                               : CARILLON__V1__GATE__VERDICT__VERDICT_SKIP;
        p->gate_list[o->n_gates++] = gate;
    }
    o->gates = p->gate_list;
}

static void put_copies(const Carillon__V1__Event *event, struct parts *p)
{
    Carillon__V1__Outcome *o = &p->outcome;
    o->customer_id = event->customer_id;
    o->customer_reference = event->customer_reference;
    o->conversation_id = event->conversation_id;
    o->transaction_id = event->transaction_id;
    o->booking_id = event->booking ? event->booking->booking_id : NULL;
    o->location_id = event->location_id;
    o->author_role = event->author ? event->author->role : NULL;
    for (size_t i = 0; i < event->n_labels && i < countof(p->labels); i++) {
        carillon__v1__outcome__labels_entry__init(&p->labels[i]);
        p->labels[i].key = event->labels[i]->key;
        p->labels[i].value = event->labels[i]->value;
        p->label_list[o->n_labels++] = &p->labels[i];
    }
    o->labels = p->label_list;
}

bool settle_write_outcome(const struct settle *settle, const struct job *job, struct writer *out)
{
    struct parts p;
    carillon__v1__outcome__init(&p.outcome);
    put_ids(settle, job, &p);
    put_end(job, &p);
    if (!job->end.replay)
        put_why(job, &p);
    put_copies(job->event->judged.event, &p);
    if (settle->options.json) {
        pb_to_json(&p.outcome.base, out);
        return !out->overflow;
    }
    return pb_encode(&p.outcome.base, out) == ERR_OK;
}

static void header(struct settle_headers *h, const char *name, struct bytes value)
{
    CHECK(h->count < SETTLE_HEADERS_MAX);
    h->at[h->count++] = (struct record_header){bytes_of(name), value};
}

/* The text just written into the headers' memory, from `start` on. */
static struct bytes written(const struct settle_headers *h, size_t start)
{
    return (struct bytes){h->texts.at + start, h->texts.size - start};
}

void settle_outcome_headers(const struct settle *settle, const struct job *job,
                            struct settle_headers *out)
{
    const Carillon__V1__Event *event = job->event->judged.event;
    out->count = 0;
    out->texts = writer_of(out->memory, sizeof out->memory);
    /* One outcome per leg and end: its id is the leg's, and whether it is a replay. */
    size_t at = out->texts.size;
    char leg_id[2 * CLAIM_HASH_SIZE + 1];
    bool has_leg = job->leg && job->leg->channel != CARILLON__V1__CHANNEL__CHANNEL_UNSPECIFIED;
    claim_leg_hex(bytes_of(event->tenant_id ? event->tenant_id : ""),
                  bytes_of(event->event_id ? event->event_id : ""),
                  has_leg ? bytes_of(channel_name(job->leg->channel)) : BYTES(""),
                  has_leg ? job->leg->address : BYTES(""), leg_id);
    write_bytes(&out->texts, leg_id, 2 * CLAIM_HASH_SIZE);
    write_format(&out->texts, "-%d-%lld", job->event->origin.partition,
                 (long long)job->event->origin.offset);
    header(out, "ce_id", written(out, at));
    header(out, "ce_source", settle->options.ce_source);
    header(out, "ce_type", BYTES("carillon.outcome.v1"));
    header(out, "ce_specversion", BYTES("1.0"));
    at = out->texts.size;
    time_write(&out->texts, job->end.settled_at_ms);
    header(out, "ce_time", written(out, at));
    header(out, "content-type",
           settle->options.json ? BYTES("application/json") : BYTES("application/protobuf"));
    if (event->traceparent && event->traceparent[0])
        header(out, "traceparent", bytes_of(event->traceparent));
}

void settle_dead_headers(const struct job *job, int64_t now_ms, struct settle_headers *out)
{
    const struct event *event = job->event;
    out->count = 0;
    out->texts = writer_of(out->memory, sizeof out->memory);
    for (uint32_t i = 0; i < event->record.header_count; i++)
        out->at[out->count++] = event->record.headers[i];
    header(out, "carillon-reason", bytes_of(reason_code(job->end.reason)));
    header(out, "carillon-detail", bytes_of(job->end.detail ? job->end.detail : ""));
    header(out, "carillon-field", bytes_of(job->end.detail ? job->end.detail : ""));
    header(out, "carillon-topic", event->origin.topic);
    size_t at = out->texts.size;
    write_i64(&out->texts, event->origin.partition);
    header(out, "carillon-partition", written(out, at));
    at = out->texts.size;
    write_i64(&out->texts, event->origin.offset);
    header(out, "carillon-offset", written(out, at));
    at = out->texts.size;
    time_write(&out->texts, now_ms);
    header(out, "carillon-time", written(out, at));
    if (job->truncated)
        header(out, "carillon-truncated", BYTES("true"));
}
