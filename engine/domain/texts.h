/* What a leg says. By contract.md, "Texts", in this order: the event's content; the
 * config's template that the event names; the tenant's template for kind, channel and
 * locale, as custom_content allows; the default text in French or English.
 *
 * Default texts use only the event, recipient, booking, the tenant's sender name, and
 * the variables manage_url, pay_url and code; each has a wording without it. SMS texts
 * keep to GSM-7. Marketing by sms gets the opt-out hint, whoever wrote the text. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "carillon/v1/event.pb-c.h"
#include "domain/template.h"
#include "domain/tenant.h"
#include "domain/zones.h"

/* The default texts, compiled. */
struct default_texts;
struct default_texts *texts_open(void);
void texts_close(struct default_texts *texts);

struct texts_input {
    const Carillon__V1__Event *event;
    const struct kind_row *kind;
    Carillon__V1__Channel channel;
    const struct tenant *tenant;            /* never NULL */
    const struct named_template *templates; /* the config's */
    uint32_t template_count;
    const struct default_texts *defaults;

    int64_t due_ms;          /* a booking in another year than this shows its year */
    const struct zone *zone; /* of rule Q1, in which times are shown; NULL: UTC */
    bool zone_uncertain;     /* guessed zones that differ: times show their offset */
};

struct texts {
    struct bytes subject, text, html; /* of push: subject is the title; size 0: absent */
    enum template_source source;
    bool hinted;          /* T5's hint is in the text */
    struct bytes missing; /* ERR_NOT_FOUND: the variable without a value */
};

/* ERR_NOT_FOUND: a variable that the template names has no value, `missing` says which.
 * ERR_INVALID: the config has no template of the name that the event gives.
 * ERR_TOO_LARGE: the arena is full. */
MUST_USE enum err texts_fill(const struct texts_input *input, struct arena *arena,
                             struct texts *out);

/* How `template` is written in explain and outcomes; NULL for none. A text of the
 * config is `content` there, like any that is not the tenant's. */
const char *texts_source_name(enum template_source source);
