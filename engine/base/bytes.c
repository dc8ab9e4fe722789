#include "base/bytes.h"

#include <stdio.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool bytes_equal_nocase(struct bytes a, struct bytes b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++)
        if (lower(a.at[i]) != lower(b.at[i]))
            return false;
    return true;
}

const char bytes_digit_pairs[201] =
    "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546"
    "4748495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293"
    "949596979899";

void write_text(struct writer *w, const char *text)
{
    write_bytes(w, text, strlen(text));
}

void write_u64(struct writer *w, uint64_t n)
{
    if (n < 10) { /* most are */
        write_char(w, (char)('0' + n));
        return;
    }
    char digits[20];
    size_t at = sizeof digits;
    for (; n >= 100; n /= 100)
        put_two_digits(digits + (at -= 2), (uint32_t)(n % 100));
    if (n >= 10)
        put_two_digits(digits + (at -= 2), (uint32_t)n);
    else
        digits[--at] = (char)('0' + n);
    write_bytes(w, digits + at, sizeof digits - at);
}

void write_i64(struct writer *w, int64_t n)
{
    if (n < 0)
        write_char(w, '-');
    write_u64(w, n < 0 ? -(uint64_t)n : (uint64_t)n);
}

void write_hex(struct writer *w, const void *at, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *b = at;
    if (w->overflow || size > (w->max - w->size) / 2) {
        w->overflow = true;
        return;
    }
    char *to = w->at + w->size;
    size_t i = 0;
    for (; size - i >= 4; i += 4) { /* a byte's digits in each half of a 16-bit lane */
        uint32_t four;
        memcpy(&four, b + i, sizeof four);
        uint64_t v = four;
        v = (v | v << 16) & UINT64_C(0x0000ffff0000ffff);
        v = (v | v << 8) & UINT64_C(0x00ff00ff00ff00ff);
        v = (v >> 4 | v << 8) & UINT64_C(0x0f0f0f0f0f0f0f0f);
        uint64_t letters = (v + UINT64_C(0x0606060606060606)) >> 4 & UINT64_C(0x0101010101010101);
        v += UINT64_C(0x3030303030303030) + letters * ('a' - '0' - 10);
        memcpy(to + 2 * i, &v, sizeof v);
    }
    for (; i < size; i++) {
        to[2 * i] = digits[b[i] >> 4];
        to[2 * i + 1] = digits[b[i] & 15];
    }
    w->size += 2 * size;
}

#define BASE62 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static void write_base64_with(struct writer *w, const void *at, size_t size, const char *digits,
                              bool padded)
{
    const unsigned char *b = at;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t v = (uint32_t)b[i] << 16;
        if (left > 1)
            v |= (uint32_t)b[i + 1] << 8;
        if (left > 2)
            v |= b[i + 2];
        write_char(w, digits[v >> 18]);
        write_char(w, digits[v >> 12 & 63]);
        if (left > 1)
            write_char(w, digits[v >> 6 & 63]);
        else if (padded)
            write_char(w, '=');
        if (left > 2)
            write_char(w, digits[v & 63]);
        else if (padded)
            write_char(w, '=');
    }
}

void write_base64url(struct writer *w, const void *at, size_t size)
{
    write_base64_with(w, at, size, BASE62 "-_", false);
}

void write_base64(struct writer *w, const void *at, size_t size)
{
    write_base64_with(w, at, size, BASE62 "+/", true);
}

void write_format(struct writer *w, const char *format, ...)
{
    if (w->overflow)
        return;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(w->at + w->size, w->max - w->size, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= w->max - w->size)
        w->overflow = true;
    else
        w->size += (size_t)n;
}
