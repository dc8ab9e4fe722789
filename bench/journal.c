#include "journal.h"

#include <inttypes.h>
#include <stdlib.h>

_Static_assert(sizeof(struct sim_record) == 240, "the format on disk");

const char *sim_action_text(uint8_t action)
{
    static const char *const texts[] = {
#define X(name, text, help) text,
        SIM_ACTION_LIST(X)
#undef X
    };
    return action < countof(texts) ? texts[action] : "?";
}

const char *sim_channel_text(uint8_t channel)
{
    static const char *const texts[] = {"none", "sms", "email", "push"};
    return channel < countof(texts) ? texts[channel] : "?";
}

static uint64_t mix(uint64_t h)
{
    h = (h ^ (h >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    h = (h ^ (h >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    return h ^ (h >> 32);
}

/* Word-wise multiply and fold: an equality check, not a defence. */
uint64_t hash64(const void *at, size_t size, uint64_t seed)
{
    const char *p = at;
    uint64_t h = seed ^ (size * UINT64_C(0x9e3779b97f4a7c15));
    for (; size >= 8; p += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        h = mix(h ^ word);
    }
    uint64_t rest = 0;
    if (size > 0)
        memcpy(&rest, p, size);
    return mix(h ^ rest);
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_token(const char *at)
{
    for (size_t i = 6; i < 14; i++)
        if (!is_hex(at[i]))
            return false;
    for (size_t i = 15; i < 23; i++)
        if (!is_digit(at[i]))
            return false;
    return at[14] == '-' && at[23] == '-' && is_digit(at[24]);
}

bool token_find(struct bytes in, char out[32])
{
    const char *at = in.at, *end = in.at + in.size;
    while (end - at >= TOKEN_SIZE) {
        const char *hit = memmem(at, (size_t)(end - at), "bench-", 6);
        if (!hit || end - hit < TOKEN_SIZE)
            return false;
        if (is_token(hit)) {
            memcpy(out, hit, TOKEN_SIZE);
            memset(out + TOKEN_SIZE, 0, 32 - TOKEN_SIZE);
            return true;
        }
        at = hit + 6;
    }
    return false;
}

void load_record_print(FILE *to, const struct load_record *r)
{
    fprintf(to,
            "%s\t%s\t%" PRId32 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64
            "\t%s\t%s\t%016" PRIx64 "\t%016" PRIx64 "\t%016" PRIx64 "\t%016" PRIx64 "\n",
            r->token, r->topic, r->partition, r->offset, r->planned_ms, r->acked_ms, r->due_ms,
            r->kind, r->expect, r->sms_text_hash, r->email_text_hash, r->sms_to_hash,
            r->email_to_hash);
}

static bool take_text(char **line, char *out, size_t max)
{
    const char *field = strsep(line, "\t");
    if (!field || strlen(field) >= max)
        return false;
    memcpy(out, field, strlen(field) + 1);
    return true;
}

static bool take_number(char **line, int base, uint64_t *out)
{
    const char *field = strsep(line, "\t");
    char *end = NULL;
    if (!field || *field == '\0')
        return false;
    *out = base == 10 ? (uint64_t)strtoll(field, &end, 10) : strtoull(field, &end, base);
    return *end == '\0';
}

bool load_record_parse(char *line, struct load_record *r)
{
    *r = (struct load_record){0};
    uint64_t partition, offset, planned, acked, due;
    if (!take_text(&line, r->token, sizeof r->token) ||
        !take_text(&line, r->topic, sizeof r->topic) || !take_number(&line, 10, &partition) ||
        !take_number(&line, 10, &offset) || !take_number(&line, 10, &planned) ||
        !take_number(&line, 10, &acked) || !take_number(&line, 10, &due) ||
        !take_text(&line, r->kind, sizeof r->kind) ||
        !take_text(&line, r->expect, sizeof r->expect) ||
        !take_number(&line, 16, &r->sms_text_hash) ||
        !take_number(&line, 16, &r->email_text_hash) || !take_number(&line, 16, &r->sms_to_hash) ||
        !take_number(&line, 16, &r->email_to_hash))
        return false;
    r->partition = (int32_t)partition;
    r->offset = (int64_t)offset;
    r->planned_ms = (int64_t)planned;
    r->acked_ms = (int64_t)acked;
    r->due_ms = (int64_t)due;
    return line == NULL;
}
