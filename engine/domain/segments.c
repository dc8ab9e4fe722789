/* A text that fits one segment has no header and therefore more room; only a longer one
 * has to be packed. */
#include "domain/segments.h"

enum { GSM7_ONE = 160, GSM7_EACH = 153, UCS2_ONE = 70, UCS2_EACH = 67 };

/* Septets of a character below U+0100; 0: not in GSM-7. 3GPP TS 23.038, 6.2.1. */
static const uint8_t latin_septets[256] = {
    ['\n'] = 1, ['\r'] = 1, ['\f'] = 2, [' '] = 1,  ['!'] = 1,  ['"'] = 1,  ['#'] = 1,  ['$'] = 1,
    ['%'] = 1,  ['&'] = 1,  ['\''] = 1, ['('] = 1,  [')'] = 1,  ['*'] = 1,  ['+'] = 1,  [','] = 1,
    ['-'] = 1,  ['.'] = 1,  ['/'] = 1,  ['0'] = 1,  ['1'] = 1,  ['2'] = 1,  ['3'] = 1,  ['4'] = 1,
    ['5'] = 1,  ['6'] = 1,  ['7'] = 1,  ['8'] = 1,  ['9'] = 1,  [':'] = 1,  [';'] = 1,  ['<'] = 1,
    ['='] = 1,  ['>'] = 1,  ['?'] = 1,  ['@'] = 1,  ['A'] = 1,  ['B'] = 1,  ['C'] = 1,  ['D'] = 1,
    ['E'] = 1,  ['F'] = 1,  ['G'] = 1,  ['H'] = 1,  ['I'] = 1,  ['J'] = 1,  ['K'] = 1,  ['L'] = 1,
    ['M'] = 1,  ['N'] = 1,  ['O'] = 1,  ['P'] = 1,  ['Q'] = 1,  ['R'] = 1,  ['S'] = 1,  ['T'] = 1,
    ['U'] = 1,  ['V'] = 1,  ['W'] = 1,  ['X'] = 1,  ['Y'] = 1,  ['Z'] = 1,  ['['] = 2,  ['\\'] = 2,
    [']'] = 2,  ['^'] = 2,  ['_'] = 1,  ['a'] = 1,  ['b'] = 1,  ['c'] = 1,  ['d'] = 1,  ['e'] = 1,
    ['f'] = 1,  ['g'] = 1,  ['h'] = 1,  ['i'] = 1,  ['j'] = 1,  ['k'] = 1,  ['l'] = 1,  ['m'] = 1,
    ['n'] = 1,  ['o'] = 1,  ['p'] = 1,  ['q'] = 1,  ['r'] = 1,  ['s'] = 1,  ['t'] = 1,  ['u'] = 1,
    ['v'] = 1,  ['w'] = 1,  ['x'] = 1,  ['y'] = 1,  ['z'] = 1,  ['{'] = 2,  ['|'] = 2,  ['}'] = 2,
    ['~'] = 2,  [0xa1] = 1, [0xa3] = 1, [0xa4] = 1, [0xa5] = 1, [0xa7] = 1, [0xbf] = 1, [0xc4] = 1,
    [0xc5] = 1, [0xc6] = 1, [0xc7] = 1, [0xc9] = 1, [0xd1] = 1, [0xd6] = 1, [0xd8] = 1, [0xdc] = 1,
    [0xdf] = 1, [0xe0] = 1, [0xe4] = 1, [0xe5] = 1, [0xe6] = 1, [0xe8] = 1, [0xe9] = 1, [0xec] = 1,
    [0xf1] = 1, [0xf2] = 1, [0xf6] = 1, [0xf8] = 1, [0xf9] = 1, [0xfc] = 1,
};

enum { OUTSIDE = 0xfffd }; /* stands for bytes that are no UTF-8; not in GSM-7 */

static inline uint32_t septets_of(uint32_t c)
{
    if (c < 256)
        return latin_septets[c];
    switch (c) {
    case 0x0393: /* Gamma */
    case 0x0394: /* Delta */
    case 0x0398: /* Theta */
    case 0x039b: /* Lambda */
    case 0x039e: /* Xi */
    case 0x03a0: /* Pi */
    case 0x03a3: /* Sigma */
    case 0x03a6: /* Phi */
    case 0x03a8: /* Psi */
    case 0x03a9: /* Omega */
        return 1;
    case 0x20ac: /* euro */
        return 2;
    default:
        return 0;
    }
}

static inline uint32_t next_code_point(struct bytes text, size_t *at)
{
    const unsigned char *p = (const unsigned char *)text.at + *at;
    if (p[0] < 0x80) {
        *at += 1;
        return p[0];
    }
    size_t left = text.size - *at;
    uint32_t size = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc2 ? 2 : 0;
    if (size == 0 || size > left || p[0] > 0xf4) {
        *at += 1;
        return OUTSIDE;
    }
    uint32_t c = p[0] & (0xffu >> (size + 1));
    for (uint32_t i = 1; i < size; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            *at += 1;
            return OUTSIDE;
        }
        c = c << 6 | (p[i] & 0x3f);
    }
    *at += size;
    return c;
}

/* What the whole text is made of, without packing. */
struct totals {
    uint32_t code_points, septets, utf16_units;
    bool gsm7;
};

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Whether each of eight bytes is one of ' ' to '?' or a letter of ASCII: one septet. */
static inline bool are_plain(const char *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof v);
    uint64_t upper = v >> 1 & EACH(0x20), low = v & EACH(0x1f); /* upper: '@' and above */
    uint64_t letter = (low + EACH(0x1f)) & ~(low + EACH(5));    /* low is 1 to 26 */
    uint64_t plain = ((upper & letter) | (~upper & v)) & EACH(0x20);
    return plain == EACH(0x20) && (v & EACH(0x80)) == 0;
}

static void add(struct totals *t, uint32_t c)
{
    uint32_t septets = septets_of(c);
    t->gsm7 &= septets > 0;
    t->septets += septets;
    t->utf16_units += c > 0xffff ? 2 : 1;
    t->code_points++;
}

static struct totals totals_of(struct bytes text)
{
    struct totals t = {.gsm7 = true};
    uint32_t plain = 0;
    for (size_t at = 0; at < text.size;) {
        bool eight = text.size - at >= 8;
        if (eight && are_plain(text.at + at)) {
            plain += 8;
            at += 8;
            continue;
        }
        for (size_t stop = eight ? at + 8 : text.size; at < stop;)
            add(&t, next_code_point(text, &at));
    }
    t.septets += plain;
    t.utf16_units += plain;
    t.code_points += plain;
    return t;
}

/* Characters go into the current segment until one does not fit. */
static uint32_t packed(struct bytes text, bool gsm7)
{
    uint32_t each = gsm7 ? GSM7_EACH : UCS2_EACH, segments = 0, room = 0;
    for (size_t at = 0; at < text.size;) {
        uint32_t c = next_code_point(text, &at);
        uint32_t units = gsm7 ? septets_of(c) : c > 0xffff ? 2 : 1;
        if (units > room) {
            segments++;
            room = each;
        }
        room -= units;
    }
    return segments;
}

struct segments segments_count(struct bytes text)
{
    struct totals t = totals_of(text);
    uint32_t units = t.gsm7 ? t.septets : t.utf16_units;
    uint32_t fits_one = t.gsm7 ? GSM7_ONE : UCS2_ONE;
    return (struct segments){
        .encoding =
            t.gsm7 ? CARILLON__V1__ENCODING__ENCODING_GSM7 : CARILLON__V1__ENCODING__ENCODING_UCS2,
        .units = units,
        .segments = units == 0          ? 0
                    : units <= fits_one ? 1
                                        : packed(text, t.gsm7),
        .code_points = t.code_points,
    };
}
