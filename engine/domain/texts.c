/* Texts are written straight into what is left of the arena, and only what they took is
 * then taken: hardly anything is copied and no size is guessed. A person's text stays where the
 * event has it, unless a hint must follow. */
#include "domain/texts.h"

#include "base/time.h"
#include "domain/texts_locale.h"
#include "domain/texts_program.h"

#define EMAIL CARILLON__V1__CHANNEL__CHANNEL_EMAIL
#define SMS CARILLON__V1__CHANNEL__CHANNEL_SMS

enum { WHEN_MAX = 128 }; /* a time in words, of any year */

/* ---- locales ---- */

static struct bytes locale_of(const struct texts_input *in)
{
    struct bytes locale = bytes_of(in->event->locale);
    if (locale.size == 0 && in->event->recipient)
        locale = bytes_of(in->event->recipient->locale);
    return locale.size > 0 ? locale : in->tenant->locale;
}

static bool same_language(struct bytes a, struct bytes b)
{
    return bytes_equal_nocase(texts_language_of(a), texts_language_of(b));
}

/* How well a template's locale fits; 0: not at all. Without one it is in the tenant's. */
static uint32_t fit_of(struct bytes offered, struct bytes wanted, struct bytes tenants)
{
    if (offered.size == 0)
        offered = tenants;
    if (bytes_equal_nocase(offered, wanted))
        return 5;
    if (same_language(offered, wanted))
        return 4;
    if (bytes_equal_nocase(offered, tenants))
        return 3;
    if (same_language(offered, tenants))
        return 2;
    return same_language(offered, BYTES("en")) ? 1 : 0;
}

/* ---- templates ---- */

/* Whether it says something on the channel. */
static bool speaks_on(const struct named_template *row, Carillon__V1__Channel channel)
{
    return row->channel == channel &&
           (row->text.present || (channel == EMAIL && row->html.present));
}

struct found {
    const struct named_template *row; /* the best; NULL: none that fits */
    bool any;                         /* some row, whatever its channel and language */
    bool on_channel;                  /* some row that speaks on the channel */
};

static void offer(const struct texts_input *in, const struct named_template *row, uint32_t *best,
                  struct found *found)
{
    found->any = true;
    if (!speaks_on(row, in->channel))
        return;
    found->on_channel = true;
    uint32_t fit = fit_of(row->locale, locale_of(in), in->tenant->locale);
    if (fit > *best) {
        *best = fit;
        found->row = row;
    }
}

static struct found find_named(const struct texts_input *in, struct bytes name)
{
    struct found found = {0};
    uint32_t best = 0;
    for (uint32_t i = 0; i < in->template_count; i++)
        if (bytes_equal(in->templates[i].name, name))
            offer(in, &in->templates[i], &best, &found);
    return found;
}

static struct found find_tenants(const struct texts_input *in)
{
    struct found found = {0};
    uint32_t best = 0;
    for (uint32_t i = 0; i < in->tenant->template_count; i++)
        if (in->tenant->templates[i].kind == in->kind->text_kind)
            offer(in, &in->tenant->templates[i], &best, &found);
    return found;
}

static enum err fill_part(const struct texts_input *in, const struct template *part,
                          enum template_escape escape, struct arena *arena, struct texts *out,
                          struct bytes *to)
{
    if (!part->present)
        return ERR_OK;
    struct writer w = texts_rest(arena);
    enum err err = template_fill(part, escape, in->event, &w, &out->missing);
    return err == ERR_OK ? texts_keep(arena, &w, to) : err;
}

static enum err fill_template(const struct texts_input *in, const struct named_template *row,
                              struct arena *arena, struct texts *out)
{
    enum err err = fill_part(in, &row->text, TEMPLATE_PLAIN, arena, out, &out->text);
    if (err == ERR_OK && in->channel != SMS)
        err = fill_part(in, &row->subject, TEMPLATE_PLAIN, arena, out, &out->subject);
    if (err == ERR_OK && in->channel == EMAIL)
        err = fill_part(in, &row->html, TEMPLATE_HTML, arena, out, &out->html);
    return err;
}

/* ---- default texts ---- */

static int64_t ms_of(const Google__Protobuf__Timestamp *t)
{
    return t->seconds * 1000 + t->nanos / 1000000;
}

/* booking.starts_at, else the earliest service's. */
static bool booking_start(const Carillon__V1__Event *event, int64_t *start_ms)
{
    const Carillon__V1__Booking *booking = event->booking;
    if (!booking)
        return false;
    if (booking->starts_at) {
        *start_ms = ms_of(booking->starts_at);
        return true;
    }
    *start_ms = INT64_MAX;
    for (size_t i = 0; i < booking->n_services; i++)
        if (booking->services[i]->starts_at)
            *start_ms = i64_min(*start_ms, ms_of(booking->services[i]->starts_at));
    return *start_ms != INT64_MAX;
}

/* In the arena. False: the event has no such time. */
static bool find_when(const struct texts_input *in, struct arena *arena, struct bytes *out)
{
    int64_t start_ms;
    if (!booking_start(in->event, &start_ms))
        return false;
    char text[WHEN_MAX];
    struct writer w = writer_of(text, sizeof text);
    struct bytes locale = locale_of(in);
    int32_t offset_s = in->zone ? zone_offset_s(in->zone, start_ms) : 0;
    struct civil wall = civil_of_ms(start_ms + (int64_t)offset_s * 1000);
    texts_write_time(&w, texts_language_for(locale, in->tenant->locale), locale, &wall, offset_s,
                     (struct texts_time_options){
                         .with_year = wall.year != civil_of_ms(in->due_ms).year,
                         .with_offset = !in->zone || in->zone_uncertain,
                         .gsm7_only = in->channel == SMS,
                     });
    CHECK(!w.overflow);
    *out = (struct bytes){arena_copy(arena, writer_bytes(&w)), w.size};
    return out->at != NULL;
}

static struct bytes label_of(const Carillon__V1__Event *event, struct bytes name)
{
    for (size_t i = 0; i < event->n_labels; i++)
        if (bytes_equal(bytes_of(event->labels[i]->key), name))
            return bytes_of(event->labels[i]->value);
    return (struct bytes){0};
}

/* The sender's name of this channel, else of any. */
static struct bytes business_of(const struct texts_input *in)
{
    const struct tenant_sender *sender = tenant_sender_of(in->tenant, in->channel);
    for (uint32_t i = 0; i < in->tenant->sender_count && !(sender && sender->name.size > 0); i++)
        sender = &in->tenant->senders[i];
    return sender ? sender->name : (struct bytes){0};
}

static struct bytes value_of(const struct texts_input *in, enum texts_value which)
{
    const Carillon__V1__Event *event = in->event;
    struct bytes value = {0};
    switch (which) {
    case TEXTS_BUSINESS:
        return business_of(in);
    case TEXTS_NAME:
        return bytes_of(event->recipient ? event->recipient->name : NULL);
    case TEXTS_REFERENCE:
        return bytes_of(event->customer_reference);
    case TEXTS_TRANSACTION:
        return bytes_of(event->transaction_id);
    case TEXTS_FACET:
        return label_of(event, texts_value_names[which]);
    case TEXTS_MANAGE_URL:
    case TEXTS_PAY_URL:
    case TEXTS_CODE:
    case TEXTS_WHEN:
    case TEXTS_NEGATIVE:
    case TEXTS_VALUE_COUNT:
        break;
    }
    return template_variable(event, texts_value_names[which], &value) ? value : (struct bytes){0};
}

static bool find_value(const struct texts_input *in, enum texts_value which, struct arena *arena,
                       struct bytes *out)
{
    if (which == TEXTS_WHEN)
        return find_when(in, arena, out);
    if (which == TEXTS_NEGATIVE)
        return bytes_equal(label_of(in->event, BYTES("sentiment")), texts_value_names[which]);
    *out = value_of(in, which);
    return out->size > 0;
}

/* A leg's texts share their values, so each is looked for once. */
static void find_values(const struct texts_input *in, uint16_t uses, struct arena *arena,
                        struct texts_values *values)
{
    uint32_t missing = uses & ~(uint32_t)values->asked;
    values->asked |= uses;
    for (uint32_t i = 0; missing >> i; i++)
        if ((missing & 1u << i) && find_value(in, (enum texts_value)i, arena, &values->at[i]))
            values->known |= (uint16_t)(1u << i);
}

struct filling {
    const struct texts_input *in;
    const struct texts_programs *defaults;
    struct arena *arena;
    struct texts *out;
    struct texts_values values;
};

static enum texts_language language_of(const struct texts_input *in)
{
    return texts_language_for(locale_of(in), in->tenant->locale);
}

static enum err fill_default(struct filling *f, const struct texts_program *program,
                             struct bytes *to)
{
    find_values(f->in, program->uses, f->arena, &f->values);
    struct writer w = texts_rest(f->arena);
    enum err err = texts_run(program, &f->values, &w, &f->out->missing);
    return err == ERR_OK ? texts_keep(f->arena, &w, to) : err;
}

/* The subject of an e-mail or the title of a push whose text came without one. A
 * business's name may hold what no header may: it becomes a blank. */
static enum err fill_subject(struct filling *f)
{
    Carillon__V1__Channel channel = f->in->channel;
    struct texts *out = f->out;
    if (channel == SMS || out->subject.size > 0)
        return ERR_OK;
    enum err err = fill_default(f, channel == EMAIL ? &f->defaults->subject : &f->defaults->title,
                                &out->subject);
    char *start = (char *)(uintptr_t)out->subject.at; /* in the arena */
    for (size_t i = 0; err == ERR_OK && i < out->subject.size; i++)
        if ((unsigned char)start[i] < ' ' || start[i] == 0x7f)
            start[i] = ' ';
    return err;
}

static enum err fill_defaults(struct filling *f)
{
    Carillon__V1__Channel channel = f->in->channel;
    enum err err = fill_default(f,
                                channel == SMS     ? &f->defaults->sms
                                : channel == EMAIL ? &f->defaults->email
                                                   : &f->defaults->push,
                                &f->out->text);
    if (err == ERR_OK && channel == EMAIL)
        err = fill_default(f, &f->defaults->html, &f->out->html);
    return err;
}

/* ---- which of them ---- */

/* What a person wrote; an attachment of theirs may come without a word. */
static bool take_content(const struct texts_input *in, struct texts *out)
{
    const Carillon__V1__Content *content = in->event->content;
    struct bytes text = bytes_of(content ? content->text : NULL);
    struct bytes html = bytes_of(content ? content->html : NULL);
    bool bare = kind_is(in->kind, KIND_FREE_TEXT) && in->event->n_attachments > 0;
    if (text.size == 0 && html.size == 0 && !bare)
        return false;
    out->source = TEMPLATE_CONTENT;
    out->text = text;
    if (in->channel == EMAIL)
        out->html = html;
    if (in->channel != SMS)
        out->subject = bytes_of(content ? content->subject : NULL);
    return true;
}

static bool custom_allowed(const struct texts_input *in)
{
    return (in->tenant->custom_channels & 1u << in->channel) != 0;
}

static enum err fill_own(struct filling *f)
{
    const struct texts_input *in = f->in;
    struct texts *out = f->out;
    struct found tenants = find_tenants(in);
    if (tenants.row && custom_allowed(in)) {
        out->source = TEMPLATE_TENANT;
        return fill_template(in, tenants.row, f->arena, out);
    }
    if (kind_is(in->kind, KIND_TENANT_ANSWER) && in->tenant->do_not_disturb_text.size > 0) {
        out->source = TEMPLATE_TENANT;
        out->text = in->tenant->do_not_disturb_text;
        return ERR_OK;
    }
    if (tenants.on_channel && !custom_allowed(in))
        out->source = TEMPLATE_DEFAULT_PLAN;
    else
        out->source = kind_is(in->kind, KIND_TEXT_IS_CONTENT) ? TEMPLATE_CONTENT : TEMPLATE_DEFAULT;
    return fill_defaults(f);
}

static enum err fill_body(struct filling *f)
{
    const struct texts_input *in = f->in;
    struct texts *out = f->out;
    if (take_content(in, out))
        return ERR_OK;
    struct bytes name = bytes_of(in->event->template_);
    if (name.size == 0)
        return fill_own(f);
    struct found named = find_named(in, name);
    if (!named.any)
        return ERR_INVALID;
    if (!named.row)
        return fill_own(f);
    out->source = TEMPLATE_CONFIG;
    return fill_template(in, named.row, f->arena, out);
}

static enum err add_hint(const struct texts_input *in, struct arena *arena, struct texts *out)
{
    struct writer w = texts_rest(arena);
    write_slice(&w, out->text);
    if (out->text.size > 0)
        write_char(&w, '\n');
    write_text(&w, texts_opt_out_hint[language_of(in)]);
    out->hinted = true;
    return texts_keep(arena, &w, &out->text);
}

static enum err fill(const struct texts_input *input, struct arena *arena, struct texts *out)
{
    *out = (struct texts){0};
    struct filling f = {
        .in = input,
        .defaults = texts_programs_of(input->defaults, input->kind->text_kind, language_of(input)),
        .arena = arena,
        .out = out,
    };
    enum err err = fill_body(&f);
    if (err == ERR_OK)
        err = fill_subject(&f);
    if (err == ERR_OK && input->channel == SMS && kind_is(input->kind, KIND_OPT_OUT_HINT))
        err = add_hint(input, arena, out);
    return err;
}

/* What is left of the arena's first part may be too little for a text. */
enum err texts_fill(const struct texts_input *input, struct arena *arena, struct texts *out)
{
    enum err err = fill(input, arena, out);
    return err == ERR_TOO_LARGE && arena_skip(arena) ? fill(input, arena, out) : err;
}

const char *texts_source_name(enum template_source source)
{
    static const char *const names[] = {
        [TEMPLATE_NONE] = NULL,
        [TEMPLATE_CONTENT] = "content",
        [TEMPLATE_TENANT] = "tenant",
        [TEMPLATE_DEFAULT] = "default",
        [TEMPLATE_DEFAULT_PLAN] = "default(plan)",
        [TEMPLATE_CONFIG] = "content",
    };
    return names[source];
}
