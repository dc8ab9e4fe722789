/* G1: what a kind needs beyond a record that decodes, links, and the three times. Paths
 * are named in the order of the contract's fields; the first one that is wrong stands. */
#include "domain/judge_steps.h"

#include "domain/pbjson.h"

#include <stdio.h>
#include <strings.h>

#define LIFE_MAX_MS (400 * INT64_C(86400000))

const char *judge_path(const struct judging *j, const char *format, ...)
{
    char path[PB_PATH_MAX];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(path, sizeof path, format, args);
    va_end(args);
    CHECK(size >= 0);
    const char *copy = arena_copy(j->c->arena, bytes_of(path));
    return copy ? copy : "";
}

/* A time as exact as it was given. */
struct instant {
    int64_t s;
    int32_t ns;
};

static struct instant instant_of(const Google__Protobuf__Timestamp *t, struct instant otherwise)
{
    return t ? (struct instant){t->seconds, t->nanos} : otherwise;
}

static bool is_more_than_a_life_after(struct instant a, struct instant b)
{
    int64_t s = a.s - b.s;
    return s > LIFE_MAX_MS / 1000 || (s == LIFE_MAX_MS / 1000 && a.ns > b.ns);
}

static int64_t ms_down(struct instant t)
{
    return t.s * 1000 + t.ns / 1000000;
}

static int64_t ms_up(struct instant t)
{
    return t.s * 1000 + (t.ns + 999999) / 1000000;
}

static struct instant instant_of_ms(int64_t ms)
{
    int64_t s = ms / 1000 - (ms % 1000 < 0);
    return (struct instant){s, (int32_t)(ms - s * 1000) * 1000000};
}

/* booking.starts_at, else the earliest service's; NULL: neither. */
static const Google__Protobuf__Timestamp *booking_start(const Carillon__V1__Booking *booking)
{
    const Google__Protobuf__Timestamp *first = booking ? booking->starts_at : NULL;
    for (size_t i = 0; booking && !booking->starts_at && i < booking->n_services; i++) {
        const Google__Protobuf__Timestamp *t = booking->services[i]->starts_at;
        if (t && (!first || t->seconds < first->seconds ||
                  (t->seconds == first->seconds && t->nanos < first->nanos)))
            first = t;
    }
    return first;
}

/* Fills the case's times; false with the path of what is wrong. */
static bool times(const struct judging *j, const char **path)
{
    struct judge_case *c = j->c;
    struct instant created = instant_of(j->event->created_at, instant_of_ms(c->record_ms));
    struct instant due = instant_of(j->event->due_at, created);
    c->created_ms = ms_down(created);
    c->due_ms = ms_up(due);
    *path = "due_at";
    if (is_more_than_a_life_after(due, created))
        return false;

    *path = "expires_at";
    if (j->event->expires_at) {
        struct instant expires = instant_of(j->event->expires_at, due);
        c->expires_ms = ms_down(expires);
        return !is_more_than_a_life_after(expires, due);
    }
    int64_t expires_ms = c->due_ms + j->kind->expiry_ms;
    if (j->kind->expiry_ms == 0) {
        const Google__Protobuf__Timestamp *start = booking_start(j->event->booking);
        *path = "booking.starts_at";
        if (!start)
            return false;
        expires_ms = pb_time_ms(start);
    }
    c->expires_ms = i64_min(expires_ms, c->due_ms + LIFE_MAX_MS);
    return true;
}

/* "https://" and at least one more byte, none of them a blank or a control character. */
static bool is_https(struct bytes url)
{
    if (url.size < sizeof "https://" || strncasecmp(url.at, "https://", 8) != 0)
        return false;
    for (size_t i = 0; i < url.size; i++)
        if ((unsigned char)url.at[i] <= ' ' || url.at[i] == 0x7f)
            return false;
    return true;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_of_scheme(char c)
{
    return (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
}

/* RFC 3986: a letter, then letters, digits, `+`, `-`, `.`, before a colon; 0: none. */
static size_t scheme_size(struct bytes text)
{
    size_t i = 0;
    while (i < text.size && (is_letter(text.at[i]) || (i > 0 && is_of_scheme(text.at[i]))))
        i++;
    return i < text.size && text.at[i] == ':' ? i : 0;
}

/* "Note: bring shoes" and "Tel: 01 42" are no links, so a scheme without `//` must be one that
 * browsers follow, and, but for those that run what comes after a blank, too, without one. */
static bool is_link(struct bytes value)
{
    static const char *const bare[] = {"javascript", "vbscript", "data",  "mailto", "tel",  "sms",
                                       "file",       "blob",     "about", "http",   "https"};
    enum { RUN_ALWAYS = 3 };
    size_t size = scheme_size(value);
    if (size == 0)
        return false;
    if (value.size >= size + 3 && memcmp(value.at + size, "://", 3) == 0)
        return true;
    bool prose = value.size > size + 1 && value.at[size + 1] == ' ';
    for (size_t i = 0; i < (prose ? (size_t)RUN_ALWAYS : countof(bare)); i++)
        if (bytes_equal_nocase((struct bytes){value.at, size}, bytes_of(bare[i])))
            return true;
    return false;
}

static bool is_set(const char *text)
{
    return text && *text;
}

static const char *variables_wrong(const struct judging *j)
{
    bool code = !kind_is(j->kind, KIND_CODE);
    for (size_t i = 0; i < j->event->n_variables; i++) {
        const Carillon__V1__Event__VariablesEntry *entry = j->event->variables[i];
        struct bytes value = bytes_of(entry->value);
        if (is_link(value) && !is_https(value))
            return judge_path(j, "variables.%s", entry->key);
        code = code || (value.size > 0 && bytes_equal(bytes_of(entry->key), BYTES("code")));
    }
    return code ? NULL : "variables.code";
}

static bool template_is_known(const struct judging *j)
{
    for (uint32_t i = 0; i < j->rules->template_count; i++)
        if (bytes_equal(j->rules->templates[i].name, bytes_of(j->event->template_)))
            return true;
    return false;
}

static const char *content_wrong(const struct judging *j)
{
    const Carillon__V1__Content *content = j->event->content;
    bool anything = (content && (is_set(content->text) || is_set(content->html))) ||
                    j->event->n_attachments > 0;
    if (!kind_is(j->kind, KIND_FREE_TEXT) || anything)
        return NULL;
    return content ? "content.text" : "content";
}

static const char *attachments_wrong(const struct judging *j)
{
    for (size_t i = 0; i < j->event->n_attachments; i++)
        if (!is_https(bytes_of(j->event->attachments[i]->url)))
            return judge_path(j, "attachments[%zu].url", i);
    return NULL;
}

/* The path of the first field that is wrong or missing; NULL where all is well. */
static const char *wrong_field(const struct judging *j)
{
    const Carillon__V1__Event *event = j->event;
    const char *path = NULL;
    if (j->c->undecoded)
        return j->c->undecoded;
    if (!is_set(event->event_id))
        return "event_id";
    if (!is_set(event->tenant_id))
        return "tenant_id";
    if (!j->kind)
        return "kind";
    bool customer = j->kind->audience == CARILLON__V1__AUDIENCE__AUDIENCE_CUSTOMER;
    if (event->audience && event->audience != j->kind->audience)
        return "audience";
    if (customer && !event->recipient)
        return "recipient";
    if (kind_is(j->kind, KIND_BOOKING) && !event->booking)
        return "booking";
    if (!times(j, &path))
        return path;
    if (kind_is(j->kind, KIND_BY_PERSON) && !(event->author && is_set(event->author->role)))
        return "author.role";
    if (customer && event->channel == CARILLON__V1__CHANNEL__CHANNEL_PUSH)
        return "channel";
    if (is_set(event->template_) && !template_is_known(j))
        return "template";
    if ((path = variables_wrong(j)) || (path = content_wrong(j)))
        return path;
    return attachments_wrong(j);
}

bool g1_complete(const struct judging *j, struct refusal *why)
{
    const char *path = wrong_field(j);
    return path ? malformed(why, path) : false;
}
