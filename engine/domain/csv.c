#include "domain/csv.h"

static bool is_plain(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] == '"' || text.at[i] == ',' || text.at[i] == '\r' || text.at[i] == '\n')
            return false;
    return true;
}

void csv_write_field(struct writer *w, size_t line, struct bytes text)
{
    if (w->size > line)
        write_char(w, ',');
    if (is_plain(text) && (text.size > 0 || w->size > line)) { /* a line is never empty */
        write_slice(w, text);
        return;
    }
    write_char(w, '"');
    while (text.size > 0) {
        const char *quote = memchr(text.at, '"', text.size);
        size_t size = quote ? (size_t)(quote - text.at) + 1 : text.size;
        write_bytes(w, text.at, size);
        if (quote)
            write_char(w, '"');
        text = (struct bytes){text.at + size, text.size - size};
    }
    write_char(w, '"');
}

void csv_write_end(struct writer *w)
{
    write_literal(w, "\r\n");
}

static void pass(struct csv *csv, size_t size)
{
    for (size_t i = 0; i < size; i++)
        csv->line += csv->rest.at[i] == '\n';
    csv->rest = (struct bytes){csv->rest.at + size, csv->rest.size - size};
}

/* Size of the line's end that stands here: 0, 1 or 2. */
static size_t end_size(struct bytes rest)
{
    if (rest.size > 1 && rest.at[0] == '\r' && rest.at[1] == '\n')
        return 2;
    return rest.size > 0 && rest.at[0] == '\n';
}

void csv_init(struct csv *csv, struct bytes all)
{
    *csv = (struct csv){.rest = all, .line = 1};
    if (all.size >= 3 && memcmp(all.at, "\xef\xbb\xbf", 3) == 0)
        pass(csv, 3);
}

/* After an error: to the next line. */
static enum csv_step broken(struct csv *csv, struct csv_row *row, const char *error)
{
    const char *end = csv->rest.size > 0 ? memchr(csv->rest.at, '\n', csv->rest.size) : NULL;
    row->error = error;
    pass(csv, end ? (size_t)(end - csv->rest.at) + 1 : csv->rest.size);
    return CSV_BROKEN;
}

/* Behind the opening quote: the text up to the closing one. NULL: good. */
static const char *quoted(struct csv *csv, struct arena *arena, struct bytes *field)
{
    struct bytes rest = csv->rest;
    size_t at = 0, doubled = 0;
    for (; at < rest.size; at++) {
        if (rest.at[at] != '"')
            continue;
        if (at + 1 == rest.size || rest.at[at + 1] != '"')
            break;
        doubled++;
        at++;
    }
    if (at == rest.size)
        return "a quote is not closed";
    *field = (struct bytes){rest.at, at};
    if (doubled > 0) {
        char *copy = arena_take(arena, at - doubled);
        if (!copy)
            return "too large";
        size_t size = 0;
        for (size_t i = 0; i < at; i++) {
            copy[size++] = rest.at[i];
            i += rest.at[i] == '"';
        }
        *field = (struct bytes){copy, size};
    }
    pass(csv, at + 1);
    return NULL;
}

static const char *plain(struct csv *csv, struct bytes *field)
{
    struct bytes rest = csv->rest;
    size_t at = 0;
    while (at < rest.size && rest.at[at] != ',' && rest.at[at] != '"' &&
           end_size((struct bytes){rest.at + at, rest.size - at}) == 0)
        at++;
    if (at < rest.size && rest.at[at] == '"')
        return "a quote inside a field that does not begin with one";
    *field = (struct bytes){rest.at, at};
    pass(csv, at);
    return NULL;
}

enum csv_step csv_next(struct csv *csv, struct arena *arena, struct bytes *fields, uint32_t max,
                       struct csv_row *row)
{
    for (size_t end; (end = end_size(csv->rest)) > 0;)
        pass(csv, end);
    *row = (struct csv_row){.line = csv->line};
    if (csv->rest.size == 0)
        return CSV_END;
    while (true) {
        struct bytes field = {0};
        bool quote = csv->rest.size > 0 && csv->rest.at[0] == '"';
        if (quote)
            pass(csv, 1);
        const char *error = quote ? quoted(csv, arena, &field) : plain(csv, &field);
        if (error)
            return broken(csv, row, error);
        if (row->count < max)
            fields[row->count] = field;
        row->count++;
        size_t end = end_size(csv->rest);
        if (end > 0 || csv->rest.size == 0) {
            pass(csv, end);
            return CSV_ROW;
        }
        if (csv->rest.at[0] != ',')
            return broken(csv, row, "text after a closing quote");
        pass(csv, 1);
    }
}
