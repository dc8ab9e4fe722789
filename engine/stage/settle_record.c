#include "stage/settle_record.h"

#include "base/time.h"
#include "domain/texts.h"

/* What the gates said: of the leg, or of the event that was refused before it had one. */
static const struct leg *judged_leg(const struct job *job)
{
    const struct judge_case *c = &job->event->judged;
    return job->leg ? job->leg : c->refused && c->leg_count > 0 ? &c->legs[0] : NULL;
}

struct bytes settle_gates_of(const struct settle *settle, const struct kind_row *kind,
                             uint32_t refused_by, char *memory)
{
    struct outcome_gate gates[JUDGE_GATE_COUNT];
    uint32_t count = 0;
    for (uint32_t i = 0; i < judge_gate_count; i++) {
        if (!judge_gate_concerns(i, kind))
            continue;
        gates[count].id = judge_gates[i];
        gates[count++].verdict = i < refused_by    ? CARILLON__V1__GATE__VERDICT__VERDICT_PASS
                                 : i == refused_by ? CARILLON__V1__GATE__VERDICT__VERDICT_REFUSE
                                                   : CARILLON__V1__GATE__VERDICT__VERDICT_SKIP;
    }
    struct writer w = writer_of(memory, OUTCOME_GATES_BYTES);
    outcome_gates_encode(settle->options.format, gates, count, &w);
    CHECK(!w.overflow);
    return writer_bytes(&w);
}

/* The why-record: absent on a replay, which only tells again what was told. */
static void put_why(const struct settle *settle, const struct job *job, struct outcome_record *o)
{
    const struct judge_case *c = &job->event->judged;
    o->due_ms = c->due_ms;
    if (job->route) {
        o->route = bytes_of(job->route->name);
        o->provider = bytes_of(job->route->account->name);
    }
    const struct leg *leg = judged_leg(job);
    if (!leg)
        return;
    o->gates = c->kind && leg->refused_by == JUDGE_GATE_NONE
                   ? settle->passed[c->kind->kind]
                   : settle_gates_of(settle, c->kind, leg->refused_by, settle->gates);
    if (leg->zone.size > 0) {
        o->zone = leg->zone;
        o->zone_source = leg->zone_source;
        o->effective_due_ms = leg->effective_due_ms;
    }
    if (leg->channel == CARILLON__V1__CHANNEL__CHANNEL_SMS && leg->segments > 0) {
        o->segments = leg->segments;
        o->encoding = leg->encoding;
    }
    o->template = texts_source_name(leg->template_source);
}

static void put_end(const struct job_end *end, struct outcome_record *o)
{
    o->outcome = end->outcome;
    o->reason = reason_code(end->reason);
    o->detail = end->detail;
    o->provider_message_id = end->provider_message_id;
    o->attempts = end->attempts;
    o->dup_risk = end->dup_risk;
    o->replay = end->replay;
    o->sent_at_ms = end->sent_at_ms;
    o->settled_at_ms = end->settled_at_ms;
}

void settle_outcome_of(const struct settle *settle, struct job *job, struct settle_outcome *out)
{
    const struct event *event = job->event;
    const struct judge_case *c = &event->judged;
    out->record = (struct outcome_record){
        .event_id = bytes_of(c->event->event_id),
        .tenant_id = bytes_of(c->event->tenant_id),
        .leg_id = job_leg_id(job),
        .kind = c->event->kind,
        .class = c->kind ? c->kind->class : CARILLON__V1__CLASS__CLASS_UNSPECIFIED,
        .origin_topic = event->origin.topic,
        .origin_partition = event->origin.partition,
        .origin_offset = event->origin.offset,
        .worker = bytes_of(settle->options.worker),
        .event = c->event,
    };
    if (job->leg) {
        out->record.channel = job->leg->channel;
        if (job->leg->address.size > 0) {
            address_hash(&settle->address_key, job->leg->address, out->address_hash);
            out->record.address_hash = bytes_of(out->address_hash);
        }
    }
    put_end(&job->end, &out->record);
    if (!job->end.replay)
        put_why(settle, job, &out->record);
}

static void header(struct settle_dead_headers *h, const char *name, struct bytes value)
{
    CHECK(h->count < SETTLE_DEAD_HEADERS_MAX);
    h->at[h->count++] = (struct record_header){bytes_of(name), value};
}

static void number_header(struct settle_dead_headers *h, const char *name, int64_t value)
{
    size_t start = h->texts.size;
    write_i64(&h->texts, value);
    header(h, name, (struct bytes){h->texts.at + start, h->texts.size - start});
}

void settle_dead_headers(const struct job *job, int64_t now_ms, struct settle_dead_headers *out)
{
    const struct event *event = job->event;
    const struct job_end *end = &job->end;
    out->count = 0;
    out->texts = writer_of(out->memory, sizeof out->memory);
    if (job->cut < CUT_HEADERS)
        for (uint32_t i = 0; i < event->record.header_count; i++)
            if (!event->deferral || !deferral_owns(event->record.headers[i].name))
                out->at[out->count++] = event->record.headers[i];
    const char *field = end->detail ? end->detail : "";
    header(out, "carillon-reason", bytes_of(reason_code(end->reason)));
    header(out, "carillon-detail", bytes_of(end->letter_detail ? end->letter_detail : field));
    header(out, "carillon-field", bytes_of(field));
    header(out, "carillon-topic", event->origin.topic);
    number_header(out, "carillon-partition", event->origin.partition);
    number_header(out, "carillon-offset", event->origin.offset);
    size_t start = out->texts.size;
    time_write(&out->texts, now_ms);
    header(out, "carillon-time", (struct bytes){out->texts.at + start, out->texts.size - start});
    if (job->cut > CUT_NOTHING)
        header(out, "carillon-truncated", BYTES("true"));
    CHECK(!out->texts.overflow);
}
