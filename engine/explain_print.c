#include "explain_print.h"

#include "base/time.h"
#include "domain/address_hash.h"
#include "domain/json.h"
#include "domain/texts.h"
#include "domain/why.h"
#include "say.h"

enum { LINE_MAX_BYTES = 64 * 1024 }; /* 16 legs of less than 3 KiB, and what is cut of ids */

static void put_text(struct writer *w, const char *key, const char *value)
{
    json_write_key(w, key);
    json_write_string(w, bytes_of(value));
}

static void put_gates(struct writer *w, const struct judge_case *c, const struct leg *leg)
{
    json_write_key(w, "gates");
    write_char(w, '[');
    for (uint32_t i = 0; i < judge_gate_count; i++) {
        if (!judge_gate_concerns(i, c->kind))
            continue;
        json_write_comma(w);
        write_char(w, '{');
        put_text(w, "id", judge_gates[i]);
        put_text(w, "verdict",
                 i < leg->refused_by    ? "pass"
                 : i == leg->refused_by ? "refuse"
                                        : "skip");
        write_char(w, '}');
    }
    write_char(w, ']');
}

static bool goes(const struct leg *leg)
{
    return leg->decision == DECISION_SEND || leg->decision == DECISION_DEFER;
}

static void put_when(struct writer *w, const struct leg *leg)
{
    if (goes(leg) || leg->reason == REASON_QUIET_PAST_EXPIRY) {
        json_write_key(w, "zone");
        json_write_string(w, leg->zone);
        put_text(w, "zone_source", why_zone(leg->zone_source));
    }
    if (!goes(leg))
        return;
    json_write_key(w, "not_before");
    write_char(w, '"');
    time_write(w, leg->not_before_ms);
    write_char(w, '"');
    if (!leg->local_time_known)
        return;
    json_write_key(w, "local_time");
    write_char(w, '"');
    time_write_offset(w, leg->not_before_ms, leg->utc_offset_s);
    write_char(w, '"');
}

static void put_form(struct writer *w, const struct leg *leg)
{
    if (!goes(leg) && leg->reason != REASON_TOO_LONG)
        return;
    if (leg->channel == CARILLON__V1__CHANNEL__CHANNEL_SMS) {
        json_write_key(w, "segments");
        write_u64(w, leg->segments);
        put_text(w, "encoding", why_encoding(leg->encoding));
    }
    put_text(w, "template", texts_source_name(leg->template_source));
}

static void put_leg(struct writer *w, const struct explained *e, const struct leg *leg)
{
    json_write_comma(w);
    write_char(w, '{');
    if (leg->channel)
        put_text(w, "channel", channel_name(leg->channel));
    if (leg->address.size > 0) {
        char hash[ADDRESS_HASH_SIZE];
        address_hash(&e->address_key, leg->address, hash);
        put_text(w, "address_hash", hash);
    }
    put_text(w, "decision", why_decision(leg->decision));
    if (leg->reason)
        put_text(w, "reason", reason_code(leg->reason));
    if (leg->detail && *leg->detail)
        put_text(w, "detail", leg->detail);
    put_when(w, leg);
    put_form(w, leg);
    put_gates(w, e->c, leg);
    write_char(w, '}');
}

static void put_id(struct writer *w, const char *key, struct bytes value)
{
    json_write_key(w, key);
    if (value.size > 0)
        json_write_string(w, value);
    else
        write_literal(w, "null");
}

void explain_print_json(const struct explained *explained, FILE *out)
{
    const struct judge_case *c = explained->c;
    char line[LINE_MAX_BYTES];
    struct writer w = writer_of(line, sizeof line);
    write_char(&w, '{');
    put_id(&w, "event_id", explained->event_id);
    put_id(&w, "kind", bytes_of(c->kind ? c->kind->name : NULL));
    put_id(&w, "class", bytes_of(c->kind ? class_name(c->kind->class) : NULL));
    json_write_key(&w, "legs");
    write_char(&w, '[');
    for (uint32_t i = 0; i < c->leg_count; i++)
        put_leg(&w, explained, &c->legs[i]);
    write_literal(&w, "]}\n");
    CHECK(!w.overflow);
    fwrite(w.at, 1, w.size, out);
}

static void say_when(struct writer *w, const struct leg *leg)
{
    if (leg->decision == DECISION_SEND)
        write_literal(w, "goes now");
    else
        write_literal(w, "waits until ");
    if (leg->decision == DECISION_DEFER && leg->local_time_known)
        time_write_offset(w, leg->not_before_ms, leg->utc_offset_s);
    else if (leg->decision == DECISION_DEFER)
        time_write(w, leg->not_before_ms);
    if (leg->decision == DECISION_DEFER)
        write_format(w, ": %s", why_reason(leg->reason));
    say_zone(w, leg->zone, leg->zone_source);
    say_form(w, texts_source_name(leg->template_source),
             leg->channel == CARILLON__V1__CHANNEL__CHANNEL_SMS ? leg->segments : 0, leg->encoding);
}

static void say_leg(struct writer *w, const struct leg *leg)
{
    write_literal(w, "  ");
    write_text(w, leg->channel ? channel_name(leg->channel) : "the event");
    write_literal(w, " ");
    if (goes(leg)) {
        say_when(w, leg);
    } else {
        write_format(w, "does not go (%s): ", why_decision(leg->decision));
        say_refusal(w, reason_code(leg->reason), leg->detail, leg->refused_by);
    }
    write_literal(w, ".\n");
}

void explain_print_text(const struct explained *explained, FILE *out)
{
    const struct judge_case *c = explained->c;
    char line[LINE_MAX_BYTES];
    struct writer w = writer_of(line, sizeof line);
    if (explained->event_id.size > 0)
        write_slice(&w, explained->event_id);
    else
        write_literal(&w, "an event without an id");
    if (c->kind)
        write_format(&w, " (%s, %s)", c->kind->name, class_name(c->kind->class));
    write_literal(&w, ":\n");
    for (uint32_t i = 0; i < c->leg_count; i++)
        say_leg(&w, &c->legs[i]);
    CHECK(!w.overflow);
    fwrite(w.at, 1, w.size, out);
}
