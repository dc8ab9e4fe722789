#include "base/utf8.h"

/* Table 3-7 of the Unicode standard: no overlong forms, no surrogates, nothing above
 * U+10FFFF. */
size_t utf8_length(const char *at, const char *end)
{
    const unsigned char *b = (const unsigned char *)at;
    size_t left = (size_t)(end - at);
    if (b[0] < 0x80)
        return 1;
    if (b[0] < 0xc2 || b[0] > 0xf4)
        return 0;
    size_t length = b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4;
    if (left < length)
        return 0;
    unsigned char least = b[0] == 0xe0 ? 0xa0 : b[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char most = b[0] == 0xed ? 0x9f : b[0] == 0xf4 ? 0x8f : 0xbf;
    if (b[1] < least || b[1] > most)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((b[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

size_t utf8_valid_size(struct bytes text)
{
    size_t i = 0;
    while (i < text.size) {
        uint64_t v;
        if (text.size - i >= sizeof v) {
            memcpy(&v, text.at + i, sizeof v);
            if ((v & UINT64_C(0x8080808080808080)) == 0) {
                i += sizeof v;
                continue;
            }
        }
        if ((unsigned char)text.at[i] < 0x80) {
            i++;
            continue;
        }
        size_t length = utf8_length(text.at + i, text.at + text.size);
        if (length == 0)
            break;
        i += length;
    }
    return i;
}
