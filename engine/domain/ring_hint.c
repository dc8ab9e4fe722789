#include "domain/ring_hint.h"

static uint64_t log_parse(struct bytes text)
{
    uint64_t log = 0;
    if (text.size != RING_LOG_SIZE)
        return 0;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.at[i];
        if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
            return 0;
        log = log << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return log;
}

struct bytes ring_window_of(struct bytes metadata, struct bytes *rest)
{
    uint32_t bars = 0;
    size_t size = 0;
    for (; size < metadata.size; size++)
        if (metadata.at[size] == '|' && ++bars == 3)
            break;
    if (rest)
        *rest = size < metadata.size
                    ? (struct bytes){metadata.at + size + 1, metadata.size - size - 1}
                    : (struct bytes){0};
    return (struct bytes){metadata.at, size};
}

uint64_t ring_log_of(struct bytes rest, struct bytes *mark)
{
    const char *bar = rest.size > 0 ? memchr(rest.at, '|', rest.size) : NULL;
    *mark = rest;
    if (!bar)
        return 0;
    size_t size = (size_t)(bar - rest.at);
    uint64_t log = log_parse((struct bytes){bar + 1, rest.size - size - 1});
    if (log != 0)
        mark->size = size;
    return log;
}

void ring_log_write(struct writer *w, uint64_t log)
{
    uint8_t big_endian[RING_LOG_SIZE / 2];
    for (uint32_t i = 0; i < sizeof big_endian; i++)
        big_endian[i] = (uint8_t)(log >> (56 - 8 * i));
    write_hex(w, big_endian, sizeof big_endian);
}

/* Up to the next bar, which has to be there. */
static bool take_field(struct bytes *text, struct bytes *out)
{
    const char *bar = text->size > 0 ? memchr(text->at, '|', text->size) : NULL;
    if (!bar)
        return false;
    *out = (struct bytes){text->at, (size_t)(bar - text->at)};
    *text = (struct bytes){bar + 1, text->size - out->size - 1};
    return true;
}

static bool offset_of(struct bytes text, int64_t *offset)
{
    *offset = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9' || *offset > WINDOW_OFFSET_MAX / 10)
            return false;
        *offset = *offset * 10 + (text.at[i] - '0');
    }
    return text.size > 0;
}

enum err ring_hint_parse(struct bytes text, struct ring_hint *out)
{
    struct bytes version, log, base;
    if (text.size > RING_HINT_MAX || !take_field(&text, &version) || !take_field(&text, &log) ||
        !take_field(&text, &base))
        return ERR_INVALID;
    *out = (struct ring_hint){.log = log_parse(log), .runs = text};
    if (!bytes_equal(version, BYTES("1")) || out->log == 0 || !offset_of(base, &out->base))
        return ERR_INVALID;
    return window_runs_end(text, out->base, &out->end);
}

bool ring_hint_counts(struct bytes text, uint64_t log, int64_t committed, int64_t end,
                      struct ring_hint *out)
{
    if (text.size == 0 || ring_hint_parse(text, out) != ERR_OK)
        return false;
#ifdef BUG_hint_of_any_log
    return true;
#endif
    return out->log == log && out->end <= end && out->end > committed;
}

void ring_hint_write(struct writer *w, uint64_t log, const struct window *window)
{
    write_literal(w, "1|");
    ring_log_write(w, log);
    write_char(w, '|');
    write_i64(w, window->low);
    write_char(w, '|');
    window_encode_runs(window, RING_HINT_RUNS_MAX, w);
}

void ring_hint_key(struct writer *w, struct bytes topic, int32_t partition)
{
    write_literal(w, "p1:{");
    write_slice(w, topic);
    write_char(w, '/');
    write_i64(w, partition);
    write_char(w, '}');
}
