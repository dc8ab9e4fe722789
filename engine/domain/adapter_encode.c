#include "domain/adapter_program.h"
#include "domain/json.h"

/* Bytes that stand for themselves: letters, digits and the marks "-._~" of RFC 3986. */
static inline bool is_unreserved(unsigned char c)
{
    static const uint64_t bits[4] = {UINT64_C(0x03ff600000000000), UINT64_C(0x47fffffe87fffffe)};
    return bits[c >> 6] >> (c & 63) & 1;
}

static size_t encoded_size(struct bytes text, bool form)
{
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++)
        size += is_unreserved((unsigned char)text.at[i]) || (form && text.at[i] == ' ') ? 1 : 3;
    return size;
}

static void encode_url(struct writer *w, struct bytes text, bool form)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t room = w->max - w->size;
    if (w->overflow || (text.size > room / 3 && encoded_size(text, form) > room)) {
        w->overflow = true;
        return;
    }
    char *at = w->at + w->size;
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (is_unreserved(c)) {
            *at++ = (char)c;
        } else if (form && c == ' ') {
            *at++ = '+';
        } else {
            *at++ = '%';
            *at++ = digits[c >> 4];
            *at++ = digits[c & 15];
        }
    }
    w->size = (size_t)(at - w->at);
}

void adapter_encode(struct writer *w, enum encoding encoding, struct bytes text)
{
    switch (encoding) {
    case ENCODE_HEADER:
        write_slice(w, text);
        break;
    case ENCODE_PATH:
    case ENCODE_FORM:
        encode_url(w, text, encoding == ENCODE_FORM);
        break;
    case ENCODE_JSON:
        json_write_escaped(w, text);
        break;
    }
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

bool adapter_header_safe(struct bytes text)
{
    size_t i = 0;
    for (; text.size - i >= 8; i += 8) { /* in one go where nothing is near the forbidden */
        uint64_t v;
        memcpy(&v, text.at + i, sizeof v);
        if ((v | (v - EACH(0x20)) | (v + EACH(1))) & EACH(0x80))
            break;
    }
    for (; i < text.size; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}
