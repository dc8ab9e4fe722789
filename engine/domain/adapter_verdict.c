/* What an answer means: the file's code rules, its rules for exactly this status, the
 * engine's own, its ranges, in this order. What nobody described is no proof of refusal. */
#include "domain/adapter_program.h"

#include "base/time.h"
#include "base/utf8.h"
#include "domain/json.h"

#include <stdio.h>
#include <stdlib.h>

enum { ID_READ_MAX = 4096, RETRY_AFTER_MAX_S = 86400 };

/* ---- compiling ---- */

static struct place compile_place(struct compiler *c, const char *text, const char *path,
                                  bool json_allowed)
{
    if (text[0] == '\0')
        return (struct place){0};
    if (text[0] == '/' && json_allowed)
        return (struct place){PLACE_JSON, compile_copy(c, bytes_of(text))};
    if (strncmp(text, "header:", 7) != 0 || text[7] == '\0') {
        compile_fail(c, path, "\"%.60s\" is not %sheader:NAME", text,
                     json_allowed ? "/a/json/path or " : "");
        return (struct place){0};
    }
    return (struct place){PLACE_HEADER, compile_copy(c, bytes_of(text + 7))};
}

static void compile_status(struct compiler *c, struct verdict_rule *rule, const char *text,
                           const char *path)
{
    char *end;
    unsigned long least = strtoul(text, &end, 10), most = least;
    if (*end == '-')
        most = strtoul(end + 1, &end, 10);
    if (*end || least < 100 || most > 599 || least > most)
        compile_fail(c, path, "\"%.40s\" is neither a status (429) nor a range (400-499)", text);
    rule->status_min = (uint16_t)least;
    rule->status_max = (uint16_t)most;
}

static struct verdict_rule compile_rule(struct compiler *c, uint32_t index)
{
    const struct adapter_rule *r = &c->spec->verdicts[index];
    struct verdict_rule rule = {.status_min = 100, .status_max = 599};
    char path[64];
    rule.verdict = (enum verdict)r->verdict;
    rule.code_count = r->codes_count;
    rule.codes = compile_take(c, r->codes_count * sizeof(struct bytes));
    for (uint32_t i = 0; i < r->codes_count && !c->failed; i++)
        rule.codes[i] = compile_copy(c, bytes_of(r->codes[i]));
    snprintf(path, sizeof path, "verdicts[%u].status", index);
    if (r->status[0])
        compile_status(c, &rule, r->status, path);
    else if (r->codes_count == 0)
        compile_fail(c, path, "a rule is about codes, a status, or both");
    snprintf(path, sizeof path, "verdicts[%u].codes", index);
    if (r->codes_count > 0 && c->program->code.kind == PLACE_NOWHERE)
        compile_fail(c, path, "`code` does not say where the answer has its code");
    return rule;
}

void compile_answers(struct compiler *c)
{
    struct adapter_program *p = c->program;
    uint32_t count = c->spec->verdicts_count;
    p->id = compile_place(c, c->spec->id, "id", true);
    p->code = compile_place(c, c->spec->code, "code", true);
    p->retry_after = compile_place(c, c->spec->retry_after, "retry_after", false);
    p->coded = compile_take(c, count * sizeof(*p->coded));
    p->exact = compile_take(c, count * sizeof(*p->exact));
    p->ranges = compile_take(c, count * sizeof(*p->ranges));
    bool accepts = false;
    for (uint32_t i = 0; i < count && !c->failed; i++) {
        struct verdict_rule rule = compile_rule(c, i);
        accepts = accepts || rule.verdict == VERDICT_ACCEPTED;
        if (rule.code_count > 0)
            p->coded[p->coded_count++] = rule;
        else if (rule.status_min == rule.status_max)
            p->exact[p->exact_count++] = rule;
        else
            p->ranges[p->range_count++] = rule;
    }
    if (!accepts)
        compile_fail(c, "verdicts", "no answer is accepted");
}

/* ---- judging ---- */

/* Ids and codes go into logs and records: what is not printable ASCII or UTF-8 is none. */
static void keep(struct bytes text, char *out, size_t max)
{
    out[0] = '\0';
    if (!adapter_header_safe(text))
        return;
    size_t size = text.size < max ? text.size : max;
    size = utf8_valid_size((struct bytes){text.at, size});
    if (size + 4 <= max && size < text.size) /* not cut, but not UTF-8 */
        return;
    if (size > 0)
        memcpy(out, text.at, size);
    out[size] = '\0';
}

static void keep_value(const struct json_value *value, char *out, size_t max)
{
    if (value->token == JSON_OBJECT || value->token == JSON_ARRAY || value->raw.size > ID_READ_MAX)
        return;
    if (!value->escaped) {
        keep(value->raw, out, max);
        return;
    }
    char text[ID_READ_MAX];
    struct writer w = writer_of(text, sizeof text);
    if (json_value_text(value, &w) == ERR_OK)
        keep(writer_bytes(&w), out, max);
}

static void read_place(const struct place *place, const struct http_response *response, char *out,
                       size_t max)
{
    out[0] = '\0';
    if (place->kind == PLACE_HEADER) {
        keep(http_header_of(response, place->name), out, max);
    } else if (place->kind == PLACE_JSON && !response->body_cut) {
        struct json_value value;
        if (json_find(response->body, place->name, &value) == ERR_OK && value.token != JSON_NULL)
            keep_value(&value, out, max);
    }
}

static bool status_fits(const struct verdict_rule *rule, uint16_t status)
{
    return status >= rule->status_min && status <= rule->status_max;
}

static bool code_fits(const struct verdict_rule *rule, struct bytes code)
{
    for (uint32_t i = 0; i < rule->code_count; i++)
        if (bytes_equal(rule->codes[i], code) || bytes_equal(rule->codes[i], BYTES("*")))
            return true;
    return false;
}

static bool by_status(const struct verdict_rule *rules, uint32_t count, uint16_t status,
                      enum verdict *out)
{
    for (uint32_t i = 0; i < count; i++) {
        if (status_fits(&rules[i], status)) {
            *out = rules[i].verdict;
            return true;
        }
    }
    return false;
}

/* Reads the code only where some rule asks for it: most answers are accepted without. */
static bool by_code(const struct adapter_program *p, const struct http_response *response,
                    struct adapter_answer *out, bool *read)
{
    for (uint32_t i = 0; i < p->coded_count; i++) {
        if (!status_fits(&p->coded[i], response->status))
            continue;
        if (!*read)
            read_place(&p->code, response, out->code, ADAPTER_CODE_MAX);
        *read = true;
        if (out->code[0] && code_fits(&p->coded[i], bytes_of(out->code))) {
            out->verdict = p->coded[i].verdict;
            return true;
        }
    }
    return false;
}

static bool by_engine(uint16_t status, bool retry_after, enum verdict *out)
{
    *out = VERDICT_THROTTLED;
    return status == 429 || (status == 503 && retry_after);
}

static enum verdict by_class(uint16_t status)
{
    return status >= 300 && status < 500 ? VERDICT_BAD_REQUEST : VERDICT_AMBIGUOUS;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT": the only form that is still sent. */
static bool http_date(struct bytes text, int64_t *ms)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char copy[32], month[4];
    unsigned day, hour, minute, second;
    int year;
    if (text.size != 29)
        return false;
    memcpy(copy, text.at, text.size);
    copy[text.size] = '\0';
    if (sscanf(copy + 5, "%2u %3s %4d %2u:%2u:%2u GMT", &day, month, &year, &hour, &minute,
               &second) != 6)
        return false;
    const char *at = strstr(months, month);
    if (!at || strlen(month) != 3 || (at - months) % 3 != 0 || day < 1 || day > 31 || hour > 23 ||
        minute > 59 || second > 60 || year < 1970)
        return false;
    *ms = civil_to_ms(&(struct civil){.year = year,
                                      .month = (uint8_t)((at - months) / 3 + 1),
                                      .day = (uint8_t)day,
                                      .hour = (uint8_t)hour,
                                      .minute = (uint8_t)minute,
                                      .second = (uint8_t)second});
    return true;
}

/* Seconds, with a fraction or not; Unix seconds where so many cannot be a wait; a date. */
static int64_t retry_after(struct bytes text, int64_t now_ms)
{
    int64_t seconds = 0, ms;
    size_t i = 0;
    while (i < text.size && i < 12 && text.at[i] >= '0' && text.at[i] <= '9')
        seconds = seconds * 10 + (text.at[i++] - '0');
    if (i > 0 && (i == text.size || text.at[i] == '.')) {
        ms = (seconds + (i < text.size)) * 1000;
        if (seconds > 1000000000)
            ms -= now_ms;
    } else if (http_date(text, &ms)) {
        ms -= now_ms;
    } else {
        return -1;
    }
    return i64_min(i64_max(ms, 0), RETRY_AFTER_MAX_S * INT64_C(1000));
}

void adapter_verdict(const struct adapter *adapter, const struct http_response *response,
                     int64_t now_ms, struct adapter_answer *out)
{
    const struct adapter_program *p = adapter->program;
    uint16_t status = response->status;
    struct bytes wait = {0};
    bool code_read = false;
    if (status >= 300 && p->retry_after.kind == PLACE_HEADER)
        wait = http_header_of(response, p->retry_after.name);
    if (status >= 300 && wait.size == 0)
        wait = http_header_of(response, BYTES("Retry-After"));
    out->code[0] = out->id[0] = '\0';
    out->retry_after_ms = retry_after(wait, now_ms);
    if (!by_code(p, response, out, &code_read) &&
        !by_status(p->exact, p->exact_count, status, &out->verdict) &&
        !by_engine(status, out->retry_after_ms >= 0, &out->verdict) &&
        !by_status(p->ranges, p->range_count, status, &out->verdict))
        out->verdict = by_class(status);
    if (out->verdict == VERDICT_ACCEPTED || out->verdict == VERDICT_DUPLICATE)
        read_place(&p->id, response, out->id, ADAPTER_ID_MAX);
    else if (!code_read)
        read_place(&p->code, response, out->code, ADAPTER_CODE_MAX);
}
