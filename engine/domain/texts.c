/* Texts are written straight into what is left of the arena, and only what they took is
 * then taken: nothing is copied and no size is guessed. A person's text stays where the
 * event has it, unless a hint must follow. */
#include "domain/texts.h"

#include "base/time.h"
#include "domain/texts_locale.h"

#define EMAIL CARILLON__V1__CHANNEL__CHANNEL_EMAIL
#define SMS CARILLON__V1__CHANNEL__CHANNEL_SMS

/* ---- memory ---- */

static struct writer rest_of(struct arena *arena)
{
    char *at = arena_take(arena, 0);
    return at ? writer_of(at, arena->max - (size_t)(at - arena->at))
              : (struct writer){.overflow = true};
}

static enum err keep(struct arena *arena, const struct writer *w, struct bytes *out)
{
    if (w->overflow)
        return ERR_TOO_LARGE;
    CHECK(arena_take(arena, w->size) == w->at);
    *out = writer_bytes(w);
    return ERR_OK;
}

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
    struct writer w = rest_of(arena);
    enum err err = template_fill(part, escape, in->event, &w, &out->missing);
    return err == ERR_OK ? keep(arena, &w, to) : err;
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

struct filling {
    const struct texts_input *in;
    enum texts_language language;
    bool html;
    struct writer *w;
    struct bytes missing; /* the last value that was not there */
};

/* Text as it is; in HTML a blank line parts paragraphs. */
static void write_shown(struct filling *f, struct bytes text)
{
    if (!f->html) {
        write_slice(f->w, text);
        return;
    }
    while (text.size > 0) {
        const char *newline = memchr(text.at, '\n', text.size);
        size_t size = newline ? (size_t)(newline - text.at) : text.size;
        template_write_html(f->w, (struct bytes){text.at, size});
        if (!newline)
            return;
        size_t breaks = size + 1 < text.size && newline[1] == '\n' ? 2 : 1;
        write_text(f->w, breaks == 2 ? "</p>\n<p>" : "<br>\n");
        text = (struct bytes){newline + breaks, text.size - size - breaks};
    }
}

static void write_value(struct filling *f, struct bytes value)
{
    bool link = f->html && value.size > 8 && memcmp(value.at, "https://", 8) == 0;
    if (link) {
        write_literal(f->w, "<a href=\"");
        template_write_html(f->w, value);
        write_literal(f->w, "\">");
    }
    write_shown(f, value);
    if (link)
        write_literal(f->w, "</a>");
}

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

static bool write_when(struct filling *f)
{
    const struct texts_input *in = f->in;
    int64_t start_ms;
    if (!booking_start(in->event, &start_ms))
        return false;
    int32_t offset_s = in->zone ? zone_offset_s(in->zone, start_ms) : 0;
    struct civil wall = civil_of_ms(start_ms + (int64_t)offset_s * 1000);
    texts_write_time(f->w, f->language, locale_of(in), &wall, offset_s,
                     (struct texts_time_options){
                         .with_year = wall.year != civil_of_ms(in->due_ms).year,
                         .with_offset = !in->zone || in->zone_uncertain,
                         .gsm7_only = in->channel == SMS,
                     });
    return true;
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

static struct bytes value_of(const struct texts_input *in, struct bytes name)
{
    const Carillon__V1__Event *event = in->event;
    struct bytes value = {0};
    if (bytes_equal(name, BYTES("business")))
        value = business_of(in);
    else if (bytes_equal(name, BYTES("name")))
        value = bytes_of(event->recipient ? event->recipient->name : NULL);
    else if (bytes_equal(name, BYTES("reference")))
        value = bytes_of(event->customer_reference);
    else if (bytes_equal(name, BYTES("transaction")))
        value = bytes_of(event->transaction_id);
    else if (bytes_equal(name, BYTES("facet")))
        value = label_of(event, name);
    else if (!template_variable(event, name, &value))
        value = (struct bytes){0};
    return value;
}

/* `when` is a time; `negative` is known, and nothing, where the feedback is. */
static void write_named(struct filling *f, struct bytes name)
{
    if (bytes_equal(name, BYTES("when"))) {
        if (!write_when(f))
            f->missing = name;
        return;
    }
    if (bytes_equal(name, BYTES("negative"))) {
        if (!bytes_equal(label_of(f->in->event, BYTES("sentiment")), name))
            f->missing = name;
        return;
    }
    struct bytes value = value_of(f->in, name);
    if (value.size == 0)
        f->missing = name;
    write_value(f, value);
}

/* Takes what stands before `mark`, which must be there, and moves behind it. */
static struct bytes take_before(struct bytes *text, const char *mark)
{
    size_t size = 0;
    while (text->at[size] != mark[0] || text->at[size + 1] != mark[1])
        size++;
    struct bytes taken = {text->at, size};
    *text = (struct bytes){text->at + size + 2, text->size - size - 2};
    return taken;
}

/* Literals and values, without brackets. */
static void write_flat(struct filling *f, struct bytes text)
{
    while (text.size > 0) {
        const char *brace = memchr(text.at, '{', text.size);
        size_t size = brace ? (size_t)(brace - text.at) : text.size;
        write_shown(f, (struct bytes){text.at, size});
        if (!brace)
            return;
        text = (struct bytes){brace + 2, text.size - size - 2};
        write_named(f, take_before(&text, "}}"));
    }
}

/* [[A|B]]: A, taken back where one of its values is not known, for B, a literal. */
static void write_choice(struct filling *f, struct bytes choice)
{
    const char *bar = memchr(choice.at, '|', choice.size);
    size_t size = bar ? (size_t)(bar - choice.at) : choice.size;
    size_t before = f->w->size;
    f->missing = (struct bytes){0};
    write_flat(f, (struct bytes){choice.at, size});
    if (f->missing.size == 0)
        return;
    f->missing = (struct bytes){0};
    f->w->size = before;
    if (bar)
        write_shown(f, (struct bytes){bar + 1, choice.size - size - 1});
}

static enum err write_default(struct filling *f, const char *source)
{
    struct bytes text = bytes_of(source);
    while (text.size > 0) {
        const char *bracket = memchr(text.at, '[', text.size);
        size_t size = bracket ? (size_t)(bracket - text.at) : text.size;
        write_flat(f, (struct bytes){text.at, size});
        if (f->missing.size > 0)
            return ERR_NOT_FOUND;
        if (!bracket)
            return ERR_OK;
        text = (struct bytes){bracket + 2, text.size - size - 2};
        write_choice(f, take_before(&text, "]]"));
    }
    return ERR_OK;
}

static enum texts_language language_of(const struct texts_input *in)
{
    return texts_language_for(locale_of(in), in->tenant->locale);
}

static void write_html_head(struct writer *w, enum texts_language language)
{
    write_literal(w, "<!doctype html>\n<html lang=\"");
    write_text(w, language == TEXTS_FR ? "fr" : "en");
    write_literal(w, "\">\n<head><meta charset=\"utf-8\"></head>\n"
                     "<body style=\"font-family:sans-serif;font-size:16px;line-height:1.5;"
                     "color:#222;max-width:36em\">\n<p>");
}

static enum err fill_default(const struct texts_input *in, const char *source, bool html,
                             struct arena *arena, struct texts *out, struct bytes *to)
{
    struct writer w = rest_of(arena);
    struct filling f = {.in = in, .language = language_of(in), .html = html, .w = &w};
    if (html)
        write_html_head(&w, f.language);
    enum err err = write_default(&f, source);
    if (html)
        write_literal(&w, "</p>\n</body>\n</html>\n");
    if (err == ERR_OK)
        return keep(arena, &w, to);
    out->missing = f.missing;
    return err;
}

/* The subject of an e-mail or the title of a push whose text came without one. A
 * business's name may hold what no header may: it becomes a blank. */
static enum err fill_subject(const struct texts_input *in, struct arena *arena, struct texts *out)
{
    const struct default_text *text = texts_default_of(in->kind->text_kind, language_of(in));
    if (in->channel == SMS || out->subject.size > 0)
        return ERR_OK;
    char *start = rest_of(arena).at;
    enum err err = fill_default(in, in->channel == EMAIL ? text->subject : text->title, false,
                                arena, out, &out->subject);
    for (size_t i = 0; err == ERR_OK && i < out->subject.size; i++)
        if ((unsigned char)start[i] < ' ' || start[i] == 0x7f)
            start[i] = ' ';
    return err;
}

static enum err fill_defaults(const struct texts_input *in, struct arena *arena, struct texts *out)
{
    const struct default_text *text = texts_default_of(in->kind->text_kind, language_of(in));
    const char *source = in->channel == SMS     ? text->sms
                         : in->channel == EMAIL ? text->email
                                                : text->push;
    enum err err = fill_default(in, source, false, arena, out, &out->text);
    if (err == ERR_OK && in->channel == EMAIL)
        err = fill_default(in, source, true, arena, out, &out->html);
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

static enum err fill_own(const struct texts_input *in, struct arena *arena, struct texts *out)
{
    struct found tenants = find_tenants(in);
    if (tenants.row && custom_allowed(in)) {
        out->source = TEMPLATE_TENANT;
        return fill_template(in, tenants.row, arena, out);
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
    return fill_defaults(in, arena, out);
}

static enum err fill_body(const struct texts_input *in, struct arena *arena, struct texts *out)
{
    if (take_content(in, out))
        return ERR_OK;
    struct bytes name = bytes_of(in->event->template_);
    if (name.size == 0)
        return fill_own(in, arena, out);
    struct found named = find_named(in, name);
    if (!named.any)
        return ERR_INVALID;
    if (!named.row)
        return fill_own(in, arena, out);
    out->source = TEMPLATE_CONFIG;
    return fill_template(in, named.row, arena, out);
}

static enum err add_hint(const struct texts_input *in, struct arena *arena, struct texts *out)
{
    struct writer w = rest_of(arena);
    write_slice(&w, out->text);
    if (out->text.size > 0)
        write_char(&w, '\n');
    write_text(&w, texts_opt_out_hint[language_of(in)]);
    out->hinted = true;
    return keep(arena, &w, &out->text);
}

enum err texts_fill(const struct texts_input *input, struct arena *arena, struct texts *out)
{
    *out = (struct texts){0};
    enum err err = fill_body(input, arena, out);
    if (err == ERR_OK)
        err = fill_subject(input, arena, out);
    if (err == ERR_OK && input->channel == SMS && kind_is(input->kind, KIND_OPT_OUT_HINT))
        err = add_hint(input, arena, out);
    return err;
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
