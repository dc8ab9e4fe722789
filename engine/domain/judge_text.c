/* What a leg says, and what only its text shows: html that no sms can carry, a line break
 * in a subject, a variable that its template misses, and the length (T4). */
#include "domain/judge_steps.h"

#include "domain/segments.h"
#include "domain/texts.h"

enum { SMS_CODE_POINTS_MAX = 1600 };

static bool has_line_break(struct bytes text)
{
    return memchr(text.at ? text.at : "", '\n', text.size) ||
           memchr(text.at ? text.at : "", '\r', text.size);
}

/* Whose line break came into the subject. */
static const char *path_of_break(const struct judging *j, struct bytes subject)
{
    if (j->event->content && has_line_break(bytes_of(j->event->content->subject)))
        return "content.subject";
    for (size_t i = 0; i < j->event->n_variables; i++) {
        struct bytes value = bytes_of(j->event->variables[i]->value);
        if (has_line_break(value) && memmem(subject.at, subject.size, value.at, value.size))
            return judge_path(j, "variables.%s", j->event->variables[i]->key);
    }
    return "subject"; /* the template's own */
}

static struct texts_input input_of(const struct judging *j, const struct leg *leg)
{
    struct judge_case *c = j->c;
    int32_t offset_s;
    return (struct texts_input){
        .event = j->event,
        .kind = j->kind,
        .channel = leg->channel,
        .tenant = j->tenant,
        .templates = j->rules->templates,
        .template_count = j->rules->template_count,
        .defaults = j->rules->texts,
        .due_ms = c->due_ms,
        .zone = c->zone_alone ? c->zone_alone : c->guessed_zones.at[0],
        .zone_uncertain =
            !c->zone_alone && !zone_set_same_offset(c->guessed_zones, c->due_ms, &offset_s),
    };
}

static bool is_html_alone(const struct judging *j, const struct leg *leg)
{
    const Carillon__V1__Content *content = j->event->content;
    return leg->channel == CARILLON__V1__CHANNEL__CHANNEL_SMS && content && content->html &&
           *content->html && !(content->text && *content->text);
}

bool g1_text(const struct judging *j, struct leg *leg, struct refusal *why)
{
    if (is_html_alone(j, leg))
        return malformed(why, "content.text");
    struct texts_input input = input_of(j, leg);
    struct texts texts = {0};
    enum err err = texts_fill(&input, j->c->arena, &texts);
    if (err == ERR_NOT_FOUND)
        return malformed(
            why, judge_path(j, "variables.%.*s", (int)texts.missing.size, texts.missing.at));
    j->c->arena_full = j->c->arena_full || err == ERR_TOO_LARGE;
    if (err != ERR_OK)
        return malformed(why, err == ERR_INVALID ? "template" : "content");
    leg->subject = texts.subject;
    leg->text = texts.text;
    leg->html = texts.html;
    leg->template_source = texts.source;
    leg->segments = 1;
    bool sms = leg->channel == CARILLON__V1__CHANNEL__CHANNEL_SMS;
    return !sms && has_line_break(leg->subject) ? malformed(why, path_of_break(j, leg->subject))
                                                : false;
}

bool t4_too_long(const struct judging *j, struct leg *leg, struct refusal *why)
{
    if (leg->channel != CARILLON__V1__CHANNEL__CHANNEL_SMS)
        return false;
    struct segments counted = segments_count(leg->text);
    leg->encoding = counted.encoding;
    leg->segments = (uint32_t)u64_max(counted.segments, 1);
    return refuse_if(
        (counted.code_points > SMS_CODE_POINTS_MAX || leg->segments > j->tenant->max_segments), why,
        DECISION_DEAD, REASON_TOO_LONG);
}
