#include "domain/claim_value.h"

/* Far beyond what is ever written, and far from where counting on would overflow. */
#define COUNT_MAX 1000000
#define TIME_MAX 1000000000000000

static void write_u64_hex(struct writer *w, uint64_t n)
{
    uint8_t big_endian[8];
    for (uint32_t i = 0; i < sizeof(big_endian); i++)
        big_endian[i] = (uint8_t)(n >> (56 - 8 * i));
    write_hex(w, big_endian, sizeof(big_endian));
}

void claim_write_own(struct writer *w, const uint8_t event[CLAIM_HASH_SIZE],
                     const struct claim_origin *origin)
{
    write_base64url(w, event, CLAIM_HASH_SIZE);
    write_char(w, '|');
    write_slice(w, origin->topic);
    write_char(w, '/');
    write_i64(w, origin->partition);
    write_char(w, '/');
    write_i64(w, origin->offset);
}

void claim_write_value(struct writer *w, const struct claim_value *value)
{
    write_char(w, (char)value->kind);
    write_char(w, '|');
    write_slice(w, value->own);
    write_char(w, '|');
    write_u64_hex(w, value->nonce);
    write_char(w, '|');
    write_u64(w, value->attempts);
    write_char(w, '|');
    write_u64(w, value->risk);
    write_char(w, '|');
    write_i64(w, value->time_ms);
    if (value->kind != CLAIM_CLAIMED) {
        write_char(w, '|');
        write_slice(w, value->text);
    }
}

/* The bytes before the next bar, or the rest; moves on behind it. */
static bool next_field(struct bytes *rest, struct bytes *field)
{
    if (rest->at == NULL)
        return false;
    const char *bar = rest->size > 0 ? memchr(rest->at, '|', rest->size) : NULL;
    *field = (struct bytes){rest->at, bar ? (size_t)(bar - rest->at) : rest->size};
    if (bar)
        *rest = (struct bytes){bar + 1, rest->size - field->size - 1};
    else
        *rest = (struct bytes){0};
    return true;
}

static bool read_number(struct bytes text, uint64_t max, uint64_t *out)
{
    uint64_t n = 0;
    if (text.size == 0 || text.size > 19 || (text.at[0] == '0' && text.size > 1))
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(text.at[i] - '0');
    }
    *out = n;
    return n <= max;
}

static bool hex_digit(char c, uint32_t *out)
{
    if (c >= '0' && c <= '9')
        *out = (uint32_t)(c - '0');
    else if (c >= 'a' && c <= 'f')
        *out = (uint32_t)(c - 'a') + 10;
    else
        return false;
    return true;
}

static bool read_nonce(struct bytes text, uint64_t *out)
{
    uint64_t n = 0;
    if (text.size != 16)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        uint32_t digit;
        if (!hex_digit(text.at[i], &digit))
            return false;
        n = n << 4 | digit;
    }
    *out = n;
    return true;
}

static bool kind_of(struct bytes text, enum claim_kind *out)
{
    if (text.size != 1 || !memchr("CSFX", text.at[0], 4))
        return false;
    *out = (enum claim_kind)text.at[0];
    return true;
}

bool claim_parse_value(struct bytes text, struct claim_value *out)
{
    struct bytes rest = text, kind, event, origin, nonce, attempts, risk, time, last = {0};
    struct claim_value v = {0};
    uint64_t attempts_n, risk_n, time_n;

    if (text.size > CLAIM_VALUE_MAX || !next_field(&rest, &kind) || !next_field(&rest, &event) ||
        !next_field(&rest, &origin) || !next_field(&rest, &nonce) ||
        !next_field(&rest, &attempts) || !next_field(&rest, &risk) || !next_field(&rest, &time))
        return false;
    if (!kind_of(kind, &v.kind) || event.size == 0 || origin.size == 0 ||
        !read_nonce(nonce, &v.nonce) || !read_number(attempts, COUNT_MAX, &attempts_n) ||
        !read_number(risk, COUNT_MAX, &risk_n) || !read_number(time, TIME_MAX, &time_n))
        return false;
    if (next_field(&rest, &last) != (v.kind != CLAIM_CLAIMED) || rest.at != NULL)
        return false;
    v.own = (struct bytes){event.at, event.size + 1 + origin.size};
    if (v.own.size > CLAIM_OWN_MAX || last.size > CLAIM_TEXT_MAX)
        return false;
    v.attempts = (uint32_t)attempts_n;
    v.risk = (uint32_t)risk_n;
    v.time_ms = (int64_t)time_n;
    v.text = last;
    *out = v;
    return true;
}

/* Letters, digits and "-._~:". */
static inline bool is_plain(char c)
{
    static const uint64_t bits[4] = {UINT64_C(0x07ff600000000000), UINT64_C(0x47fffffe87fffffe)};
    return bits[(unsigned char)c >> 6] >> (c & 63) & 1;
}

static size_t plain_size(struct bytes text)
{
    size_t size = 0;
    while (size < text.size && is_plain(text.at[size]))
        size++;
    return size;
}

void claim_write_text(struct writer *w, struct bytes text)
{
    size_t used = u64_min(plain_size(text), CLAIM_TEXT_MAX);
    write_bytes(w, text.at, used);
    for (size_t i = used; i < text.size; i++) {
        bool plain = is_plain(text.at[i]);
        size_t size = plain ? 1 : 3;
        if (used + size > CLAIM_TEXT_MAX)
            return;
        used += size;
        if (plain) {
            write_char(w, text.at[i]);
        } else {
            write_char(w, '%');
            write_hex(w, &text.at[i], 1);
        }
    }
}

size_t claim_read_text(struct bytes text, char *out)
{
    size_t size = plain_size(text);
    if (size > 0)
        memcpy(out, text.at, size);
    for (size_t i = size; i < text.size; i++) {
        uint32_t high, low;
        if (text.at[i] == '%' && text.size - i > 2 && hex_digit(text.at[i + 1], &high) &&
            hex_digit(text.at[i + 2], &low)) {
            out[size++] = (char)(high << 4 | low);
            i += 2;
        } else {
            out[size++] = text.at[i];
        }
    }
    return size;
}
