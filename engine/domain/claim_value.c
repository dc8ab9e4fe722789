#include "domain/claim_value.h"

/* Far beyond what is ever written, and far from where counting on would overflow. */
#define COUNT_MAX 1000000
#define TIME_MAX 1000000000000000

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

/* Kind, nonce, three numbers and six bars. */
enum { NUMBERS_MAX = 1 + 16 + 3 * U64_DIGITS_MAX + 6 + 1 };

void claim_write_value(struct writer *w, const struct claim_value *value)
{
    if (w->overflow || w->max - w->size < value->own.size + value->text.size + NUMBERS_MAX) {
        w->overflow = true;
        return;
    }
    uint64_t nonce = __builtin_bswap64(value->nonce);
    char *at = w->at + w->size;
    CHECK(value->time_ms >= 0);
    *at++ = (char)value->kind;
    *at++ = '|';
    at = put_bytes(at, value->own);
    *at++ = '|';
    at = put_hex(at, &nonce, sizeof nonce);
    *at++ = '|';
    at = put_u64(at, value->attempts);
    *at++ = '|';
    at = put_u64(at, value->risk);
    *at++ = '|';
    at = put_u64(at, (uint64_t)value->time_ms);
    if (value->kind != CLAIM_CLAIMED) {
        *at++ = '|';
        at = put_bytes(at, value->text);
    }
    w->size = (size_t)(at - w->at);
}

/* The bytes before the next bar, which is passed. */
static bool take_field(struct bytes *rest, struct bytes *field)
{
    const char *bar = rest->size > 0 ? memchr(rest->at, '|', rest->size) : NULL;
    if (!bar)
        return false;
    *field = (struct bytes){rest->at, (size_t)(bar - rest->at)};
    *rest = (struct bytes){bar + 1, rest->size - field->size - 1};
    return true;
}

/* A number in its one form, up to what is no digit. */
static bool take_number(struct bytes *rest, uint64_t max, uint64_t *out)
{
    uint64_t n = 0;
    size_t i = 0;
    for (; i < rest->size && i < 19 && rest->at[i] >= '0' && rest->at[i] <= '9'; i++)
        n = n * 10 + (uint64_t)(rest->at[i] - '0');
    if (i == 0 || (rest->at[0] == '0' && i > 1))
        return false;
    *rest = (struct bytes){rest->at + i, rest->size - i};
    *out = n;
    return n <= max;
}

static bool take_bar(struct bytes *rest)
{
    if (rest->size == 0 || rest->at[0] != '|')
        return false;
    *rest = (struct bytes){rest->at + 1, rest->size - 1};
    return true;
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

static bool take_nonce(struct bytes *rest, uint64_t *out)
{
    uint64_t n = 0;
    if (rest->size < 16)
        return false;
    for (size_t i = 0; i < 16; i++) {
        uint32_t digit;
        if (!hex_digit(rest->at[i], &digit))
            return false;
        n = n << 4 | digit;
    }
    *rest = (struct bytes){rest->at + 16, rest->size - 16};
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

/* What follows event and origin: nonce, attempts, risk, time, and for ends a text. */
static bool parse_rest(struct bytes rest, struct claim_value *v)
{
    uint64_t attempts, risk, time;
    if (!take_nonce(&rest, &v->nonce) || !take_bar(&rest) ||
        !take_number(&rest, COUNT_MAX, &attempts) || !take_bar(&rest) ||
        !take_number(&rest, COUNT_MAX, &risk) || !take_bar(&rest) ||
        !take_number(&rest, TIME_MAX, &time))
        return false;
    v->attempts = (uint32_t)attempts;
    v->risk = (uint32_t)risk;
    v->time_ms = (int64_t)time;
    if (v->kind == CLAIM_CLAIMED)
        return rest.size == 0;
    if (!take_bar(&rest) || rest.size > CLAIM_TEXT_MAX ||
        (rest.size > 0 && memchr(rest.at, '|', rest.size)))
        return false;
    v->text = rest;
    return true;
}

bool claim_parse_value(struct bytes text, struct claim_value *out)
{
    struct bytes rest = text, kind, event, origin;
    struct claim_value v = {0};
    if (text.size > CLAIM_VALUE_MAX || !take_field(&rest, &kind) || !kind_of(kind, &v.kind) ||
        !take_field(&rest, &event) || !take_field(&rest, &origin) || event.size == 0 ||
        origin.size == 0)
        return false;
    v.own = (struct bytes){event.at, event.size + 1 + origin.size};
    if (v.own.size > CLAIM_OWN_MAX || !parse_rest(rest, &v))
        return false;
    *out = v;
    return true;
}

/* Letters, digits and "-._~:". */
static inline bool is_plain(char c)
{
    static const uint64_t bits[4] = {UINT64_C(0x07ff600000000000), UINT64_C(0x47fffffe87fffffe)};
    return bits[(unsigned char)c >> 6] >> (c & 63) & 1;
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (uint64_t)(byte))

/* Flags the bytes of `v`, all below 0x80, from `first` to `last`, in their highest bit. */
static inline uint64_t within(uint64_t v, int first, int last)
{
    return (v + EACH(0x80 - first)) & ~(v + EACH(0x7f - last));
}

static inline bool eight_are_plain(const char *text)
{
    uint64_t v;
    memcpy(&v, text, sizeof v);
    uint64_t flags = within(v | EACH(0x20), 'a', 'z') | within(v, '0', ':') | within(v, '-', '.') |
                     within(v, '_', '_') | within(v, '~', '~');
    return (v & EACH(0x80)) == 0 && (~flags & EACH(0x80)) == 0;
}

static size_t plain_size(struct bytes text)
{
    size_t size = 0;
    while (text.size - size >= 8 && eight_are_plain(text.at + size))
        size += 8;
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
    const char *escape = text.size > 0 ? memchr(text.at, '%', text.size) : NULL;
    size_t size = escape ? (size_t)(escape - text.at) : text.size;
    if (size > 0)
        memmove(out, text.at, size);
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
