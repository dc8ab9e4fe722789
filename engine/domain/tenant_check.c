/* What is wrong with settings, said to whoever writes them: once they stand in the topic
 * nobody is there to be told. */
#include "domain/tenant.h"

#include "domain/address.h"
#include "domain/hours.h"
#include "domain/template.h"
#include "domain/zones.h"

#include <stdio.h>

enum { TENANT_ID_MAX = 64, TEMPLATE_PIECES = 16 * 1024 };

struct checking {
    const Carillon__V1__Tenant *settings;
    struct tenant_finder *finder;
    uint32_t refused;
};

static void find(struct checking *c, bool refuse, const char *path, const char *what)
{
    c->refused += refuse;
    if (c->finder)
        c->finder->found(c->finder, refuse, path, what);
}

/* `list`[index].`field` */
static void find_in(struct checking *c, bool refuse, const char *list, size_t index,
                    const char *field, const char *what)
{
    char path[96];
    snprintf(path, sizeof path, "%s[%zu]%s%s", list, index, *field ? "." : "", field);
    find(c, refuse, path, what);
}

static bool may_be_held(Carillon__V1__Class class)
{
    return class >= CARILLON__V1__CLASS__CLASS_SYSTEM &&
           class <= CARILLON__V1__CLASS__CLASS_MARKETING;
}

static void check_scalars(struct checking *c, struct zones *zones)
{
    const Carillon__V1__Tenant *s = c->settings;
    struct bytes id = bytes_of(s->tenant_id), zone = bytes_of(s->zone);
    if (id.size == 0 || id.size > TENANT_ID_MAX)
        find(c, true, "tenant_id", id.size ? "longer than 64 bytes" : "is missing");
    if (bytes_equal(id, BYTES("*")))
        find(c, true, "tenant_id", "`*` is the platform, which has no settings");
    if (zone.size > 0 && zones && !zone_find(zones, zone))
        find(c, false, "zone", "is no time zone of the IANA database: zones will be guessed");
    if (s->owner_email && *s->owner_email && !address_email_valid(bytes_of(s->owner_email)))
        find(c, true, "owner_email", "is no valid address");
    if (s->has_max_segments && s->max_segments == 0)
        find(c, true, "max_segments", "0 would let no sms go");
}

static void check_kinds(struct checking *c)
{
    bool seen[KIND_COUNT] = {false};
    for (size_t i = 0; i < c->settings->n_kinds; i++) {
        const struct kind_row *kind = kind_row_of(c->settings->kinds[i]->kind);
        if (!kind)
            find_in(c, true, "kinds", i, "kind", "is no kind");
        else if (seen[kind->kind])
            find_in(c, true, "kinds", i, "kind", "stands here twice");
        if (kind)
            seen[kind->kind] = true;
    }
}

static void check_quiet_hours(struct checking *c)
{
    for (size_t i = 0; i < c->settings->n_quiet_hours; i++) {
        const Carillon__V1__QuietHours *row = c->settings->quiet_hours[i];
        struct hours_window w = {22 * 60, 6 * 60};
        bool good = true;
        if (row->class_ == CARILLON__V1__CLASS__CLASS_UNSPECIFIED)
            find_in(c, true, "quiet_hours", i, "class", "is missing");
        else if (!may_be_held(row->class_))
            find_in(c, false, "quiet_hours", i, "class", "is never held: the row means nothing");
        if (row->start && hours_minute_parse(bytes_of(row->start), false, &w.start_minute)) {
            find_in(c, true, "quiet_hours", i, "start", "is no time of day like 22:00");
            good = false;
        }
        if (row->end && hours_minute_parse(bytes_of(row->end), true, &w.end_minute)) {
            find_in(c, true, "quiet_hours", i, "end", "is no time of day like 06:00");
            good = false;
        }
        if (good && hours_window_is_empty(w))
            find_in(c, true, "quiet_hours", i, "end", "is the start: that is no window");
    }
}

static void check_part(struct checking *c, size_t index, const char *field, const char *source)
{
    struct template compiled;
    struct template_error error = {0};
    _Alignas(16) char memory[TEMPLATE_PIECES];
    struct arena arena = arena_of(memory, sizeof memory);
    enum err err = source ? template_compile(bytes_of(source), &arena, &compiled, &error) : ERR_OK;
    if (err == ERR_OK)
        return;
    char what[128];
    snprintf(what, sizeof what, "%s, at byte %u",
             err == ERR_INVALID ? error.what : "has too many variables", error.position);
    find_in(c, true, "templates", index, field, what);
}

static void check_templates(struct checking *c)
{
    for (size_t i = 0; i < c->settings->n_templates; i++) {
        const Carillon__V1__TenantTemplate *row = c->settings->templates[i];
        const struct kind_row *kind = kind_row_of(row->kind);
        if (!kind)
            find_in(c, true, "templates", i, "kind", "is no kind");
        else if (kind->text_kind != kind->kind)
            find_in(c, true, "templates", i, "kind", "has the reminder's texts");
        if (kind && !(kind_channels(kind) & (1u << row->channel)))
            find_in(c, true, "templates", i, "channel", "is none of the kind's channels");
        if (!row->subject && !row->text && !row->html)
            find_in(c, true, "templates", i, "text", "is missing, and so are subject and html");
        if (row->subject && strpbrk(row->subject, "\r\n"))
            find_in(c, true, "templates", i, "subject", "has a line break");
        check_part(c, i, "subject", row->subject);
        check_part(c, i, "text", row->text);
        check_part(c, i, "html", row->html);
    }
}

static void check_devices(struct checking *c)
{
    const Carillon__V1__Tenant *s = c->settings;
    if (s->n_devices > TENANT_DEVICES_MAX)
        find(c, true, "devices", "more than 14");
    for (size_t i = 0; i < s->n_devices; i++) {
        struct bytes token = bytes_of(s->devices[i]->token);
        if (token.size == 0)
            find_in(c, true, "devices", i, "token", "is missing");
        for (size_t k = 0; k < i && token.size > 0; k++)
            if (bytes_equal(token, bytes_of(s->devices[k]->token))) {
                find_in(c, false, "devices", i, "token", "stands here twice and counts once");
                break;
            }
    }
}

static void check_caps(struct checking *c)
{
    for (size_t i = 0; i < c->settings->n_frequency_caps; i++) {
        const Carillon__V1__FrequencyCap *row = c->settings->frequency_caps[i];
        if (row->class_ == CARILLON__V1__CLASS__CLASS_UNSPECIFIED)
            find_in(c, true, "frequency_caps", i, "class", "is missing");
        else if (!may_be_held(row->class_))
            find_in(c, false, "frequency_caps", i, "class",
                    "is never capped: the row means nothing");
        if (row->count > TENANT_CAP_COUNT_MAX)
            find_in(c, true, "frequency_caps", i, "count", "is more than 1000");
        if (row->period_seconds > TENANT_CAP_PERIOD_MAX_S)
            find_in(c, true, "frequency_caps", i, "period_seconds", "is more than 31 days");
        if (row->count > 0 && row->period_seconds == 0)
            find_in(c, true, "frequency_caps", i, "period_seconds", "is missing");
    }
}

static bool has_control(const char *text)
{
    for (; text && *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return true;
    return false;
}

static void check_senders(struct checking *c)
{
    for (size_t i = 0; i < c->settings->n_senders; i++) {
        const Carillon__V1__Sender *row = c->settings->senders[i];
        if (row->channel == CARILLON__V1__CHANNEL__CHANNEL_UNSPECIFIED)
            find_in(c, true, "senders", i, "channel", "is missing");
        if (has_control(row->from))
            find_in(c, true, "senders", i, "from", "has a control character");
        if (has_control(row->name))
            find_in(c, true, "senders", i, "name", "has a control character");
        if (row->reply_to && *row->reply_to && !address_email_valid(bytes_of(row->reply_to)))
            find_in(c, true, "senders", i, "reply_to", "is no valid address");
    }
}

bool tenant_check(const Carillon__V1__Tenant *settings, struct zones *zones,
                  struct tenant_finder *finder)
{
    struct checking c = {.settings = settings, .finder = finder};
    check_scalars(&c, zones);
    check_kinds(&c);
    check_quiet_hours(&c);
    check_templates(&c);
    check_devices(&c);
    check_caps(&c);
    check_senders(&c);
    return c.refused == 0;
}
