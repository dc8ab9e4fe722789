/* Outcomes come from a topic, perhaps from a newer carillon: any field may be missing, and
 * an enum may have a number that is unknown here. */
#include "why_print.h"

#include "base/time.h"
#include "domain/judge.h"
#include "domain/pbjson.h"
#include "say.h"

enum { LINE_MAX_BYTES = 64 * 1024 };

#define OUTCOME(name) CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_##name

static bool has(const char *text)
{
    return text && *text;
}

static void put_id(struct writer *w, const char *before, const char *id)
{
    if (has(id)) {
        write_text(w, before);
        write_text(w, id);
    }
}

void why_print_event(const Carillon__V1__Outcome *o, FILE *out)
{
    char line[LINE_MAX_BYTES];
    struct writer w = writer_of(line, sizeof line);
    write_text(&w, o->event_id);
    if (o->kind) {
        write_literal(&w, " (");
        pb_write_enum(&w, &carillon__v1__kind__descriptor, (int)o->kind);
        if (o->class_) {
            write_literal(&w, ", ");
            pb_write_enum(&w, &carillon__v1__class__descriptor, (int)o->class_);
        }
        write_char(&w, ')');
    }
    put_id(&w, " of tenant ", o->tenant_id);
    put_id(&w, ", booking ", o->booking_id);
    if (o->origin && has(o->origin->topic))
        write_format(&w, ", record %lld of %s/%d", (long long)o->origin->offset, o->origin->topic,
                     o->origin->partition);
    write_literal(&w, ":\n");
    if (!w.overflow)
        fwrite(w.at, 1, w.size, out);
}

static void put_time(struct writer *w, const Google__Protobuf__Timestamp *time, const char *zone,
                     struct zones *zones)
{
    const struct zone *known = zones && has(zone) ? zone_find(zones, bytes_of(zone)) : NULL;
    int64_t ms = pb_time_ms(time);
    if (known)
        time_write_offset(w, ms, zone_offset_s(known, ms));
    else
        time_write(w, ms);
}

static void say_route(struct writer *w, const Carillon__V1__Outcome *o)
{
    put_id(w, " over route ", o->route);
    put_id(w, " (", o->provider);
    if (has(o->provider))
        write_char(w, ')');
    if (o->attempts > 1)
        write_format(w, ", after %u attempts", o->attempts);
}

static void say_end(struct writer *w, const Carillon__V1__Outcome *o, struct zones *zones,
                    uint32_t gate)
{
    if (o->outcome == OUTCOME(SENT)) {
        write_literal(w, "was sent");
        if (o->sent_at) {
            write_literal(w, " at ");
            put_time(w, o->sent_at, o->zone, zones);
        }
        say_route(w, o);
        put_id(w, "; the provider calls it ", o->provider_message_id);
        return;
    }
    if (o->outcome == OUTCOME(AMBIGUOUS))
        write_literal(w, "may have been sent, nobody knows (");
    else if (o->outcome == OUTCOME(FAILED))
        write_literal(w, "could not be sent (");
    else
        write_literal(w, "did not go (");
    if (o->outcome)
        pb_write_enum(w, &carillon__v1__outcome_kind__descriptor, (int)o->outcome);
    else
        write_literal(w, "unknown");
    write_char(w, ')');
    if (o->attempts > 0)
        say_route(w, o);
    if (has(o->reason)) {
        write_literal(w, ": ");
        say_refusal(w, o->reason, o->detail, gate);
    }
}

/* Where it refuses; JUDGE_GATE_NONE: nowhere. */
static uint32_t refusing_gate(const Carillon__V1__Outcome *o)
{
    for (size_t i = 0; i < o->n_gates; i++)
        for (uint32_t k = 0; k < judge_gate_count; k++)
            if (o->gates[i]->verdict == CARILLON__V1__GATE__VERDICT__VERDICT_REFUSE &&
                has(o->gates[i]->id) && strcmp(o->gates[i]->id, judge_gates[k]) == 0)
                return k;
    return JUDGE_GATE_NONE;
}

static void say_gates(struct writer *w, const Carillon__V1__Outcome *o,
                      Carillon__V1__Gate__Verdict verdict, const char *words)
{
    const char *before = words;
    for (size_t i = 0; i < o->n_gates; i++)
        if (o->gates[i]->verdict == verdict && has(o->gates[i]->id)) {
            write_text(w, before);
            write_text(w, o->gates[i]->id);
            before = " ";
        }
}

static void say_when(struct writer *w, const Carillon__V1__Outcome *o, struct zones *zones)
{
    if (o->due_at) {
        write_literal(w, ". It was due at ");
        put_time(w, o->due_at, o->zone, zones);
    }
    if (o->effective_due_at && o->due_at &&
        pb_time_ms(o->effective_due_at) > pb_time_ms_up(o->due_at)) {
        write_literal(w, ", and because of quiet hours at ");
        put_time(w, o->effective_due_at, o->zone, zones);
    }
    if (has(o->zone) && (unsigned)o->zone_source <= CARILLON__V1__ZONE_SOURCE__ZONE_SOURCE_GUESSED)
        say_zone(w, bytes_of(o->zone), o->zone_source);
    if (has(o->template_) && (unsigned)o->encoding <= CARILLON__V1__ENCODING__ENCODING_UCS2)
        say_form(w, o->template_, o->encoding ? o->segments : 0, o->encoding);
}

static void say_risk(struct writer *w, const struct why_leg *leg)
{
    const Carillon__V1__Outcome *o = leg->outcome;
    if (o->dup_risk)
        write_literal(w, ". It may have been sent twice: of an earlier attempt nobody knows how "
                         "it ended (dup_risk)");
    if (o->replay)
        write_literal(w, ". This is a replay: the record was read again after its end, whose own "
                         "outcome was not found; how it was decided is not known");
    if (leg->again > 0)
        write_format(w, ". Told again %u time%s, when the record was read again", leg->again,
                     leg->again == 1 ? "" : "s");
}

void why_print_leg(const struct why_leg *leg, struct zones *zones, FILE *out)
{
    const Carillon__V1__Outcome *o = leg->outcome;
    char line[LINE_MAX_BYTES];
    struct writer w = writer_of(line, sizeof line);
    write_literal(&w, "  ");
    if (o->channel)
        pb_write_enum(&w, &carillon__v1__channel__descriptor, (int)o->channel);
    else
        write_text(&w, o->replay ? "a leg" : "the event");
    write_char(&w, ' ');
    say_end(&w, o, zones, refusing_gate(o));
    say_when(&w, o, zones);
    say_gates(&w, o, CARILLON__V1__GATE__VERDICT__VERDICT_PASS, ". Passed: ");
    say_gates(&w, o, CARILLON__V1__GATE__VERDICT__VERDICT_SKIP, "; not asked: ");
    say_risk(&w, leg);
    if (o->settled_at) {
        write_literal(&w, ". Settled at ");
        put_time(&w, o->settled_at, o->zone, zones);
        put_id(&w, " by ", o->worker);
    }
    write_literal(&w, ".\n");
    if (!w.overflow)
        fwrite(w.at, 1, w.size, out);
}
