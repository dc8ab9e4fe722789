#include "domain/json.h"

#include "base/utf8.h"

static void write_escape(struct writer *w, char c)
{
    static const char names[] = "\"\\bfnrt", values[] = "\"\\\b\f\n\r\t";
    const char *value = c == '\0' ? NULL : strchr(values, c);
    if (value) {
        write_char(w, '\\');
        write_char(w, names[value - values]);
        return;
    }
    write_literal(w, "\\u00");
    write_hex(w, &c, 1);
}

void json_write_escaped(struct writer *w, struct bytes text)
{
    while (text.size > 0) {
        size_t size = json_plain_size(text.at, text.size);
        write_bytes(w, text.at, size);
        text = (struct bytes){text.at + size, text.size - size};
        if (text.size == 0)
            return;
        if ((unsigned char)text.at[0] < 0x80) {
            write_escape(w, text.at[0]);
            size = 1;
        } else {
            size = utf8_length(text.at, text.at + text.size);
            write_bytes(w, size > 0 ? text.at : "\xef\xbf\xbd", size > 0 ? size : 3);
            size += size == 0;
        }
        text = (struct bytes){text.at + size, text.size - size};
    }
}

void json_write_string(struct writer *w, struct bytes text)
{
    write_char(w, '"');
    json_write_escaped(w, text);
    write_char(w, '"');
}

void json_write_comma(struct writer *w)
{
    if (w->size > 0 && w->at[w->size - 1] != '{' && w->at[w->size - 1] != '[')
        write_char(w, ',');
}

void json_write_key(struct writer *w, const char *name)
{
    json_write_comma(w);
    write_char(w, '"');
    write_text(w, name);
    write_literal(w, "\":");
}
