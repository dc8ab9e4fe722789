/* A row of CSV is made a JSON document, so that both forms are read by one code. */
#include "recipient_file.h"

#include <stdio.h>
#include <strings.h>

enum { WHAT_SIZE = 200 };

static const ProtobufCMessageDescriptor *const type = &carillon__v1__recipient_state__descriptor;

static bool read_header(struct recipient_file *file, struct arena *arena, char what[WHAT_SIZE])
{
    struct bytes fields[RECIPIENT_COLUMNS_MAX];
    struct csv_row row;
    enum csv_step step = csv_next(&file->csv, arena, fields, RECIPIENT_COLUMNS_MAX, &row);
    if (step == CSV_END)
        return true;
    snprintf(what, WHAT_SIZE, "%s", step == CSV_BROKEN ? row.error : "too many columns");
    if (step == CSV_BROKEN || row.count > RECIPIENT_COLUMNS_MAX)
        return false;
    for (uint32_t i = 0; i < row.count; i++) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)u64_min(fields[i].size, sizeof name - 1),
                 fields[i].at);
        file->columns[i] = protobuf_c_message_descriptor_get_field_by_name(type, name);
        if (!file->columns[i]) {
            snprintf(what, WHAT_SIZE, "no field is called '%s'", name);
            return false;
        }
        for (uint32_t k = 0; k < i; k++)
            if (file->columns[k] == file->columns[i]) {
                snprintf(what, WHAT_SIZE, "two columns are called '%s'", name);
                return false;
            }
    }
    file->column_count = row.count;
    return true;
}

bool recipient_file_init(struct recipient_file *file, struct bytes all, struct arena *arena,
                         char what[WHAT_SIZE])
{
    size_t at = 0;
    *file = (struct recipient_file){0};
    while (at < all.size && strchr(" \t\r\n", all.at[at]))
        at++;
    file->is_csv = at < all.size && all.at[at] != '{' && all.at[at] != '[';
    if (!file->is_csv) {
        documents_init(&file->documents, all);
        return true;
    }
    csv_init(&file->csv, all);
    return read_header(file, arena, what);
}

static bool write_flag(struct writer *w, struct bytes text)
{
    static const char *const yes[] = {"true", "yes", "1"}, *const no[] = {"false", "no", "0"};
    for (size_t i = 0; i < countof(yes); i++) {
        if (bytes_equal_nocase(text, bytes_of(yes[i])))
            write_literal(w, "true");
        else if (bytes_equal_nocase(text, bytes_of(no[i])))
            write_literal(w, "false");
        else
            continue;
        return true;
    }
    return false;
}

/* "marketing; reminder" as an array. */
static void write_list(struct writer *w, struct bytes text)
{
    write_char(w, '[');
    for (size_t from = 0, to; from < text.size; from = to + 1) {
        for (to = from; to < text.size && !strchr("; ,|", text.at[to]);)
            to++;
        if (to == from)
            continue;
        json_write_comma(w);
        json_write_string(w, (struct bytes){text.at + from, to - from});
    }
    write_char(w, ']');
}

static bool write_cell(struct writer *w, const ProtobufCFieldDescriptor *column, struct bytes text)
{
    json_write_key(w, column->name);
    if (column->type == PROTOBUF_C_TYPE_BOOL)
        return write_flag(w, text);
    if (column->label == PROTOBUF_C_LABEL_REPEATED)
        write_list(w, text);
    else
        json_write_string(w, text);
    return true;
}

static bool row_to_json(const struct recipient_file *file, const struct bytes *fields,
                        struct arena *arena, struct bytes *document, char what[WHAT_SIZE])
{
    size_t room = 64 * RECIPIENT_COLUMNS_MAX;
    for (uint32_t i = 0; i < file->column_count; i++)
        room += 6 * fields[i].size;
    struct writer w = writer_of(arena_take(arena, room), room);
    snprintf(what, WHAT_SIZE, "too large");
    if (!w.at)
        return false;
    write_char(&w, '{');
    for (uint32_t i = 0; i < file->column_count; i++)
        if (fields[i].size > 0 && !write_cell(&w, file->columns[i], fields[i])) {
            snprintf(what, WHAT_SIZE, "%s: expected true or false", file->columns[i]->name);
            return false;
        }
    write_char(&w, '}');
    *document = writer_bytes(&w);
    return !w.overflow;
}

static enum recipient_step next_row(struct recipient_file *file, uint32_t from_line,
                                    struct arena *arena, struct recipient_found *out,
                                    struct bytes *document)
{
    struct bytes fields[RECIPIENT_COLUMNS_MAX];
    struct csv_row row;
    enum csv_step step;
    do {
        arena_reset(arena);
        step = csv_next(&file->csv, arena, fields, RECIPIENT_COLUMNS_MAX, &row);
    } while (step != CSV_END && row.line < from_line);
    out->line = row.line;
    if (step == CSV_END)
        return RECIPIENT_END;
    if (step == CSV_BROKEN)
        snprintf(out->what, sizeof out->what, "%s", row.error);
    else if (row.count != file->column_count)
        snprintf(out->what, sizeof out->what, "%u fields, where the header has %u", row.count,
                 file->column_count);
    else if (row_to_json(file, fields, arena, document, out->what))
        return RECIPIENT_ONE;
    return RECIPIENT_BAD;
}

static enum recipient_step next_document(struct recipient_file *file, uint32_t from_line,
                                         struct recipient_found *out, struct bytes *document)
{
    struct json_place place;
    const char *error;
    enum documents_step step;
    do {
        step = documents_next(&file->documents, document, &place, &error);
        out->line = step == DOCUMENTS_ONE      ? documents_line(&file->documents, *document)
                    : step == DOCUMENTS_BROKEN ? place.line
                                               : 0;
    } while (step != DOCUMENTS_END && out->line < from_line);
    if (step == DOCUMENTS_BROKEN)
        snprintf(out->what, sizeof out->what, "not JSON: %s (column %u)", error, place.column);
    return step == DOCUMENTS_END   ? RECIPIENT_END
           : step == DOCUMENTS_ONE ? RECIPIENT_ONE
                                   : RECIPIENT_BAD;
}

enum recipient_step recipient_file_next(struct recipient_file *file, uint32_t from_line,
                                        struct arena *arena, struct recipient_found *out)
{
    struct bytes document;
    ProtobufCMessage *message = NULL;
    struct pb_error error = {0};
    arena_reset(arena);
    enum recipient_step step = file->is_csv ? next_row(file, from_line, arena, out, &document)
                                            : next_document(file, from_line, out, &document);
    if (step != RECIPIENT_ONE)
        return step;
    enum err err = pb_from_json(type, document, arena, NULL, &message, &error);
    if (err == ERR_OK) {
        out->state = (const Carillon__V1__RecipientState *)message;
        return RECIPIENT_ONE;
    }
    snprintf(out->what, sizeof out->what, "%s%s%s", error.path, error.path[0] ? ": " : "",
             error.word ? error.word : err_text(err));
    return RECIPIENT_BAD;
}
