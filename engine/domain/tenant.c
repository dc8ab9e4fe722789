/* Compiling is lenient: a worker must go on with whatever stands in the topic, and the
 * settings of a newer version too. What cannot be understood counts as absent. */
#include "domain/tenant.h"

#include "base/arena.h"
#include "domain/address.h"
#include "domain/hours.h"
#include "domain/pbjson.h"
#include "domain/template.h"

#include <stdlib.h>

#define TENANT_BYTES_MAX ((size_t)64 << 20)

static const struct hours_window night = {22 * 60, 6 * 60}; /* Q2 */

const struct tenant tenant_none = {
    .holders = UINT32_MAX,
    .quiet =
        {
            [CARILLON__V1__CLASS__CLASS_REMINDER] = {&night, 1},
            [CARILLON__V1__CLASS__CLASS_MARKETING] = {&night, 1},
        },
    .alerts = CARILLON__V1__FEEDBACK_ALERTS__MODE__MODE_ALL,
    .max_segments = TENANT_SEGMENTS_DEFAULT,
};

static bool on(protobuf_c_boolean has, protobuf_c_boolean value) /* only `false` switches off */
{
    return !has || value;
}

static void compile_kinds(struct tenant *t, const Carillon__V1__Tenant *s)
{
    for (size_t i = 0; i < s->n_kinds; i++) {
        const Carillon__V1__KindSwitch *row = s->kinds[i];
        if (!kind_row_of(row->kind))
            continue;
        uint32_t off = (on(row->has_sms, row->sms) ? 0 : CHANNELS_SMS) |
                       (on(row->has_email, row->email) ? 0 : CHANNELS_EMAIL) |
                       (on(row->has_push, row->push) ? 0 : CHANNELS_PUSH);
        t->channels_off[row->kind] = (uint8_t)(t->channels_off[row->kind] | off);
    }
}

static bool window_of(const Carillon__V1__QuietHours *row, struct hours_window *out)
{
    *out = night;
    return (!row->start ||
            hours_minute_parse(bytes_of(row->start), false, &out->start_minute) == ERR_OK) &&
           (!row->end || hours_minute_parse(bytes_of(row->end), true, &out->end_minute) == ERR_OK);
}

/* Reminders and marketing have a window of their own, the others what is given. A row
 * replaces it; one that is switched off takes it away from reminders, and is as if it
 * were not there for marketing. */
static bool compile_quiet(struct tenant *t, const Carillon__V1__Tenant *s, struct arena *arena)
{
    for (Carillon__V1__Class class = CARILLON__V1__CLASS__CLASS_SYSTEM;
         class <= CARILLON__V1__CLASS__CLASS_MARKETING; class ++) {
        struct tenant_windows quiet = tenant_none.quiet[class];
        struct hours_window *given = arena_take(arena, (s->n_quiet_hours + 1) * sizeof *given);
        if (!given)
            return false;
        uint32_t count = 0;
        bool said = false;
        for (size_t i = 0; i < s->n_quiet_hours; i++) {
            const Carillon__V1__QuietHours *row = s->quiet_hours[i];
            if (row->class_ != class || !window_of(row, &given[count]))
                continue;
            said = true;
            if (on(row->has_enabled, row->enabled) && !hours_window_is_empty(given[count]))
                count++;
        }
        if (count > 0 || (said && class != CARILLON__V1__CLASS__CLASS_MARKETING))
            quiet = (struct tenant_windows){given, count};
        t->quiet[class] = quiet;
    }
    return true;
}

/* A part that cannot be compiled is no part: tenant_check refuses it where it is written. */
static bool compile_part(const char *source, struct arena *arena, struct template *out)
{
    struct template_error error;
    enum err err = source ? template_compile(bytes_of(source), arena, out, &error) : ERR_OK;
    if (err != ERR_OK)
        *out = (struct template){0};
    return err != ERR_NO_MEMORY && err != ERR_TOO_LARGE;
}

static bool compile_templates(struct tenant *t, const Carillon__V1__Tenant *s, struct arena *arena)
{
    struct named_template *rows = arena_take(arena, (s->n_templates + 1) * sizeof *rows);
    if (!rows)
        return false;
    for (size_t i = 0; i < s->n_templates; i++) {
        const Carillon__V1__TenantTemplate *row = s->templates[i];
        const struct kind_row *kind = kind_row_of(row->kind);
        if (!kind || kind->text_kind != kind->kind)
            continue;
        struct named_template *to = &rows[t->template_count];
        *to = (struct named_template){
            .kind = row->kind, .channel = row->channel, .locale = bytes_of(row->locale)};
        if (!compile_part(row->subject, arena, &to->subject) ||
            !compile_part(row->text, arena, &to->text) ||
            !compile_part(row->html, arena, &to->html))
            return false;
        if (to->text.present || to->html.present || to->subject.present)
            t->template_count++;
    }
    t->templates = rows;
    return true;
}

static bool compile_texts(char *const *from, size_t n, struct arena *arena, const struct bytes **to,
                          uint32_t *count)
{
    struct bytes *texts = arena_take(arena, (n + 1) * sizeof *texts);
    if (!texts)
        return false;
    for (size_t i = 0; i < n; i++)
        texts[i] = bytes_of(from[i]);
    *to = texts;
    *count = (uint32_t)n;
    return true;
}

static bool device_is_known(const struct tenant *t, struct bytes token)
{
    for (uint32_t i = 0; i < t->device_count; i++)
        if (bytes_equal(t->devices[i].token, token))
            return true;
    return false;
}

static void compile_devices(struct tenant *t, const Carillon__V1__Tenant *s)
{
    for (size_t i = 0; i < s->n_devices && t->device_count < TENANT_DEVICES_MAX; i++) {
        struct bytes token = bytes_of(s->devices[i]->token);
        if (token.size == 0 || device_is_known(t, token))
            continue;
        struct bytes role = bytes_of(s->devices[i]->role);
        t->devices[t->device_count++] = (struct tenant_device){
            .token = token,
            .platform = bytes_of(s->devices[i]->platform),
            .may_message = role.size == 0 || tenant_role_may_message(t, role),
        };
    }
}

/* Rows for urgent and alert mean nothing. */
static bool may_be_held(Carillon__V1__Class class)
{
    return class >= CARILLON__V1__CLASS__CLASS_SYSTEM &&
           class <= CARILLON__V1__CLASS__CLASS_MARKETING;
}

static bool compile_caps(struct tenant *t, const Carillon__V1__Tenant *s, struct arena *arena)
{
    struct tenant_cap *caps = arena_take(arena, (s->n_frequency_caps + 1) * sizeof *caps);
    if (!caps)
        return false;
    for (size_t i = 0; i < s->n_frequency_caps; i++) {
        const Carillon__V1__FrequencyCap *row = s->frequency_caps[i];
        if (row->count == 0 || row->period_seconds == 0 || !may_be_held(row->class_))
            continue;
        caps[t->cap_count++] = (struct tenant_cap){
            .class = row->class_,
            .count = (uint32_t)u64_min(row->count, TENANT_CAP_COUNT_MAX),
            .period_ms = (int64_t)u64_min(row->period_seconds, TENANT_CAP_PERIOD_MAX_S) * 1000,
        };
    }
    t->caps = caps;
    return true;
}

static bool compile_senders(struct tenant *t, const Carillon__V1__Tenant *s, struct arena *arena)
{
    struct tenant_sender *senders = arena_take(arena, (s->n_senders + 1) * sizeof *senders);
    if (!senders)
        return false;
    for (size_t i = 0; i < s->n_senders; i++)
        senders[i] = (struct tenant_sender){
            .channel = s->senders[i]->channel,
            .from = bytes_of(s->senders[i]->from),
            .name = bytes_of(s->senders[i]->name),
            .reply_to = bytes_of(s->senders[i]->reply_to),
        };
    t->senders = senders;
    t->sender_count = (uint32_t)s->n_senders;
    return true;
}

static uint32_t custom_channels_of(Carillon__V1__CustomContent content)
{
    switch (content) {
    case CARILLON__V1__CUSTOM_CONTENT__CUSTOM_CONTENT_EMAIL:
        return CHANNELS_EMAIL;
    case CARILLON__V1__CUSTOM_CONTENT__CUSTOM_CONTENT_ALL:
        return CHANNELS_SMS | CHANNELS_EMAIL | CHANNELS_PUSH;
    case CARILLON__V1__CUSTOM_CONTENT__CUSTOM_CONTENT_NONE:
    case CARILLON__V1__CUSTOM_CONTENT__CUSTOM_CONTENT_UNSPECIFIED:
    case _CARILLON__V1__CUSTOM_CONTENT_IS_INT_SIZE:
        break;
    }
    return 0;
}

static void compile_scalars(struct tenant *t, const Carillon__V1__Tenant *s)
{
    t->settings = s;
    t->version = s->version;
    t->id = bytes_of(s->tenant_id);
    t->verified = s->verified;
    t->zone = bytes_of(s->zone);
    t->location_zone = s->zone_mode == CARILLON__V1__ZONE_MODE__ZONE_MODE_LOCATION;
    t->locale = bytes_of(s->locale);
    t->custom_channels = custom_channels_of(s->custom_content);
    t->max_segments =
        s->has_max_segments && s->max_segments > 0 ? s->max_segments : TENANT_SEGMENTS_DEFAULT;
    if (s->do_not_disturb) {
        t->do_not_disturb = on(s->do_not_disturb->has_enabled, s->do_not_disturb->enabled);
        t->do_not_disturb_text = bytes_of(s->do_not_disturb->text);
    }
    t->alerts = CARILLON__V1__FEEDBACK_ALERTS__MODE__MODE_ALL;
    if (s->feedback_alerts && s->feedback_alerts->mode)
        t->alerts = s->feedback_alerts->mode;
}

static bool compile(struct tenant *t, const Carillon__V1__Tenant *s, struct arena *arena)
{
    compile_scalars(t, s);
    compile_kinds(t, s);
    struct bytes owner = bytes_of(s->owner_email);
    t->owner_email = owner.size > 0 ? address_email_normal(owner, arena) : owner;
    if ((owner.size > 0 && t->owner_email.size == 0) || !compile_quiet(t, s, arena) ||
        !compile_templates(t, s, arena) || !compile_caps(t, s, arena) ||
        !compile_senders(t, s, arena) ||
        !compile_texts(s->messaging_roles, s->n_messaging_roles, arena, &t->messaging_roles,
                       &t->messaging_role_count))
        return false;
    if (s->feedback_alerts &&
        !compile_texts(s->feedback_alerts->location_ids, s->feedback_alerts->n_location_ids, arena,
                       &t->alert_locations, &t->alert_location_count))
        return false;
    compile_devices(t, s);
    return true;
}

/* Into one block of `size` bytes; ERR_NO_MEMORY where it is too small. */
static enum err decode_into(struct bytes wire, size_t size, struct tenant **out)
{
    struct tenant *t = malloc(size);
    if (!t)
        return ERR_NO_MEMORY;
    *t = (struct tenant){.holders = 1};
    struct arena arena = arena_of((char *)t + sizeof *t, size - sizeof *t);
    ProtobufCMessage *message = NULL;
    struct pb_error error;
    enum err err = pb_decode(&carillon__v1__tenant__descriptor, wire, &arena, &message, &error);
    if (message && err != ERR_NO_MEMORY)
        err = compile(t, (const Carillon__V1__Tenant *)message, &arena) ? ERR_OK : ERR_NO_MEMORY;
    if (err != ERR_OK) {
        free(t);
        return err;
    }
    *out = t;
    return ERR_OK;
}

enum err tenant_decode(struct bytes wire, struct tenant **out)
{
    enum err err = ERR_NO_MEMORY;
    size_t size = sizeof(struct tenant) + 2048 + 4 * wire.size;
    for (; err == ERR_NO_MEMORY && size <= TENANT_BYTES_MAX; size *= 2)
        err = decode_into(wire, size, out);
    return err;
}

struct tenant *tenant_compile(const Carillon__V1__Tenant *settings)
{
    size_t size = carillon__v1__tenant__get_packed_size(settings);
    uint8_t *wire = malloc(size + 1);
    struct tenant *t = NULL;
    if (wire) {
        carillon__v1__tenant__pack(settings, wire);
        if (tenant_decode((struct bytes){(const char *)wire, size}, &t) != ERR_OK)
            t = NULL;
    }
    free(wire);
    return t;
}

void tenant_retain(struct tenant *tenant)
{
    CHECK(tenant->holders > 0 && tenant->holders < UINT32_MAX);
    tenant->holders++;
}

void tenant_release(struct tenant *tenant)
{
    CHECK(tenant->holders > 0 && tenant->holders < UINT32_MAX);
    if (--tenant->holders == 0)
        free(tenant);
}

uint32_t tenant_channels(const struct tenant *tenant, const struct kind_row *kind)
{
    return kind_channels(kind) & ~(uint32_t)tenant->channels_off[kind->kind];
}

bool tenant_role_may_message(const struct tenant *tenant, struct bytes role)
{
    if (bytes_equal(role, BYTES("owner")) || bytes_equal(role, BYTES("full_access")))
        return true;
    for (uint32_t i = 0; i < tenant->messaging_role_count; i++)
        if (bytes_equal(role, tenant->messaging_roles[i]))
            return true;
    return false;
}

const struct tenant_sender *tenant_sender_of(const struct tenant *tenant,
                                             Carillon__V1__Channel channel)
{
    for (uint32_t i = 0; i < tenant->sender_count; i++)
        if (tenant->senders[i].channel == channel)
            return &tenant->senders[i];
    return NULL;
}
