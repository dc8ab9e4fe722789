#include "domain/template.h"

enum { VARIABLE_MAX = 64 };

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

/* Where "{{" stands next, or the end. */
static size_t opening_at(struct bytes source, size_t at)
{
    while (at < source.size) {
        const char *brace = memchr(source.at + at, '{', source.size - at);
        if (!brace)
            return source.size;
        at = (size_t)(brace - source.at);
        if (at + 1 < source.size && source.at[at + 1] == '{')
            return at;
        at++;
    }
    return at;
}

static size_t after_blanks(struct bytes source, size_t at)
{
    while (at < source.size && source.at[at] == ' ')
        at++;
    return at;
}

/* Reads a name and its closing braces; *at stands behind "{{" and moves behind "}}". */
static const char *take_name(struct bytes source, size_t *at, struct bytes *name)
{
    size_t start = after_blanks(source, *at);
    size_t end = start;
    while (end < source.size && is_name_char(source.at[end]))
        end++;
    *name = (struct bytes){source.at + start, end - start};
    *at = after_blanks(source, end);
    if (*at == source.size || source.size - *at < 2)
        return "{{ without }}";
    if (source.at[*at] != '}' || source.at[*at + 1] != '}')
        return "not a letter of a variable's name";
    if (name->size == 0)
        return "a variable without a name";
    if (name->size > VARIABLE_MAX)
        return "a variable's name is longer than 64";
    *at += 2;
    return NULL;
}

static uint32_t pieces_max(struct bytes source)
{
    uint32_t count = 1;
    for (size_t at = opening_at(source, 0); at < source.size; at = opening_at(source, at + 2))
        count++;
    return count;
}

size_t template_memory(struct bytes source)
{
    return (pieces_max(source) + 1) * sizeof(struct template_piece);
}

enum err template_compile(struct bytes source, struct arena *arena, struct template *out,
                          struct template_error *error)
{
    struct template_piece *pieces = arena_take(arena, pieces_max(source) * sizeof *pieces);
    if (!pieces) {
        *error = (struct template_error){0, "no room left"};
        return ERR_NO_MEMORY;
    }
    if (source.size == 0)
        source = BYTES("");
    uint32_t count = 0;
    for (size_t at = 0; at < source.size || count == 0;) {
        size_t opening = opening_at(source, at);
        struct template_piece *piece = &pieces[count++];
        *piece = (struct template_piece){.literal = {source.at + at, opening - at}};
        at = opening;
        if (opening == source.size)
            break;
        at += 2;
        const char *what = take_name(source, &at, &piece->name);
        if (what) {
            *error = (struct template_error){(uint32_t)at, what};
            return ERR_INVALID;
        }
    }
    *out = (struct template){.pieces = pieces, .count = count, .present = true};
    return ERR_OK;
}

bool template_variable(const Carillon__V1__Event *event, struct bytes name, struct bytes *value)
{
    for (size_t i = 0; i < event->n_variables; i++) {
        const Carillon__V1__Event__VariablesEntry *entry = event->variables[i];
        if (entry->value && bytes_equal(bytes_of(entry->key), name)) {
            *value = bytes_of(entry->value);
            return true;
        }
    }
    return false;
}

static inline bool is_plain_in_html(char c)
{
    return c > '>' || (c != '&' && c != '<' && c != '>' && c != '"' && c != '\'');
}

static struct bytes html_entity(char c)
{
    switch (c) {
    case '&':
        return BYTES("&amp;");
    case '<':
        return BYTES("&lt;");
    case '>':
        return BYTES("&gt;");
    case '"':
        return BYTES("&quot;");
    case '\'':
        return BYTES("&#39;");
    default:
        return (struct bytes){0};
    }
}

void template_write_html(struct writer *w, struct bytes text)
{
    size_t written = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (is_plain_in_html(text.at[i]))
            continue;
        write_bytes(w, text.at + written, i - written);
        write_slice(w, html_entity(text.at[i]));
        written = i + 1;
    }
    if (written < text.size)
        write_bytes(w, text.at + written, text.size - written);
}

enum err template_fill(const struct template *t, enum template_escape escape,
                       const Carillon__V1__Event *event, struct writer *w, struct bytes *missing)
{
    for (uint32_t i = 0; i < t->count; i++) {
        const struct template_piece *piece = &t->pieces[i];
        write_slice(w, piece->literal);
        if (piece->name.size == 0)
            continue;
        struct bytes value;
        if (!template_variable(event, piece->name, &value)) {
            *missing = piece->name;
            return ERR_NOT_FOUND;
        }
        if (escape == TEMPLATE_HTML)
            template_write_html(w, value);
        else
            write_slice(w, value);
    }
    return ERR_OK;
}
