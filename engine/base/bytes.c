#include "base/bytes.h"

#include <stdio.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Of eight: only A to Z pass the one sum of their lower seven bits and not the other. */
static uint64_t lower_eight(const char *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof v);
    uint64_t seven = v & EACH(0x7f);
    uint64_t upper = (seven + EACH(0x80 - 'A')) & ~(seven + EACH(0x7f - 'Z')) & ~v & EACH(0x80);
    return v | upper >> 2;
}

bool bytes_same_nocase(const char *a, const char *b, size_t size)
{
    size_t i = 0;
    for (; size - i >= 8; i += 8)
        if (lower_eight(a + i) != lower_eight(b + i))
            return false;
    for (; i < size; i++)
        if (lower(a[i]) != lower(b[i]))
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

static uint32_t digits_of(uint64_t n)
{
    uint32_t count = 1;
    for (; n >= 10000; n /= 10000)
        count += 4;
    return count + (n >= 10) + (n >= 100) + (n >= 1000);
}

char *put_u64(char *at, uint64_t n)
{
    char *end = at + digits_of(n);
    for (at = end; n >= 100; n /= 100)
        put_two_digits(at -= 2, (uint32_t)(n % 100));
    if (n >= 10)
        put_two_digits(at - 2, (uint32_t)n);
    else
        at[-1] = (char)('0' + n);
    return end;
}

void write_u64(struct writer *w, uint64_t n)
{
    if (n < 10) { /* most are */
        write_char(w, (char)('0' + n));
        return;
    }
    char digits[U64_DIGITS_MAX];
    write_bytes(w, digits, (size_t)(put_u64(digits, n) - digits));
}

void write_i64(struct writer *w, int64_t n)
{
    if (n < 0)
        write_char(w, '-');
    write_u64(w, n < 0 ? -(uint64_t)n : (uint64_t)n);
}

typedef unsigned char sixteen __attribute__((vector_size(16)));

static sixteen hex_digits(sixteen halves)
{
    return halves + '0' + ((sixteen)(halves > 9) & ('a' - '0' - 10));
}

/* A key of Redis takes sixteen bytes, and a message some seven keys. */
static void put_hex_sixteen(char *at, const unsigned char *bytes)
{
    sixteen v;
    memcpy(&v, bytes, sizeof v);
    sixteen high = hex_digits(v >> 4), low = hex_digits(v & 15);
    sixteen first =
        __builtin_shufflevector(high, low, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    sixteen second = __builtin_shufflevector(high, low, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13,
                                             29, 14, 30, 15, 31);
    memcpy(at, &first, sizeof first);
    memcpy(at + 16, &second, sizeof second);
}

char *put_hex(char *at, const void *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *b = bytes;
    for (; size >= 16; size -= 16, b += 16, at += 32)
        put_hex_sixteen(at, b);
    if (size == 8) {
        unsigned char whole[16] = {0};
        char text[32];
        memcpy(whole, b, 8);
        put_hex_sixteen(text, whole);
        memcpy(at, text, 16);
        return at + 16;
    }
    for (size_t i = 0; i < size; i++) {
        *at++ = digits[b[i] >> 4];
        *at++ = digits[b[i] & 15];
    }
    return at;
}

void write_hex(struct writer *w, const void *at, size_t size)
{
    if (w->overflow || size > (w->max - w->size) / 2) {
        w->overflow = true;
        return;
    }
    put_hex(w->at + w->size, at, size);
    w->size += 2 * size;
}

#define BASE62 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static char *put_base64(char *at, const unsigned char *b, size_t size, const char *digits)
{
    for (; size >= 3; size -= 3, b += 3) {
        uint32_t v = (uint32_t)b[0] << 16 | (uint32_t)b[1] << 8 | b[2];
        *at++ = digits[v >> 18];
        *at++ = digits[v >> 12 & 63];
        *at++ = digits[v >> 6 & 63];
        *at++ = digits[v & 63];
    }
    if (size == 0)
        return at;
    uint32_t v = (uint32_t)b[0] << 16 | (size > 1 ? (uint32_t)b[1] << 8 : 0);
    *at++ = digits[v >> 18];
    *at++ = digits[v >> 12 & 63];
    if (size > 1)
        *at++ = digits[v >> 6 & 63];
    return at;
}

static void write_base64_with(struct writer *w, const void *at, size_t size, const char *digits,
                              bool padded)
{
    size_t padding = padded ? (3 - size % 3) % 3 : 0;
    size_t text = size / 3 * 4 + (size % 3 > 0 ? size % 3 + 1 : 0) + padding;
    if (w->overflow || text > w->max - w->size) {
        w->overflow = true;
        return;
    }
    char *end = put_base64(w->at + w->size, at, size, digits);
    memset(end, '=', padding);
    w->size += text;
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
