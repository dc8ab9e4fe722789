#include "domain/adapter_program.h"
#include "domain/json.h"

/* Bytes that stand for themselves: letters, digits and the marks of RFC 3986. */
static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static void write_percent(struct writer *w, unsigned char c)
{
    static const char digits[] = "0123456789ABCDEF";
    const char three[] = {'%', digits[c >> 4], digits[c & 15]};
    write_bytes(w, three, sizeof three);
}

static void encode_url(struct writer *w, struct bytes text, bool form)
{
    for (size_t i = 0; i < text.size;) {
        size_t begin = i;
        while (i < text.size && is_unreserved((unsigned char)text.at[i]))
            i++;
        write_bytes(w, text.at + begin, i - begin);
        if (i == text.size)
            return;
        if (form && text.at[i] == ' ')
            write_char(w, '+');
        else
            write_percent(w, (unsigned char)text.at[i]);
        i++;
    }
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

bool adapter_header_safe(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}
