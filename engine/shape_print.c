/* A struct as YAML again, secrets masked; and the commented sample of a shape. */
#include "shape_value.h"

#include <ctype.h>
#include <string.h>

/* Plain where no reader could take it for anything but text; else in double quotes. */
static void print_text(const char *text, FILE *out)
{
    bool plain = isalpha((unsigned char)text[0]) || text[0] == '/';
    for (const char *c = text; *c && plain; c++)
        plain = isalnum((unsigned char)*c) || strchr("_./:-@", *c);
    plain = plain && strcmp(text, "true") != 0 && strcmp(text, "false") != 0 &&
            strcmp(text, "null") != 0 && text[strlen(text) - 1] != ':';
    if (plain) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if (*c == '\n')
            fputs("\\n", out);
        else if (*c < 0x20 || *c == 0x7f)
            fprintf(out, "\\x%02x", *c);
        else
            fputc(*c, out);
    }
    fputc('"', out);
}

static const void *at(const void *data, size_t offset)
{
    return (const char *)data + offset;
}

static void print_texts(const struct shape_row *row, const void *data, FILE *out)
{
    char *const *texts = *(char **const *)at(data, row->offset);
    uint32_t count = *(const uint32_t *)at(data, row->second);
    fprintf(out, "%s: [", row->name);
    for (uint32_t i = 0; i < count; i++) {
        fputs(i ? ", " : "", out);
        print_text(texts[i], out);
    }
    fputs("]\n", out);
}

static void print_secret(const struct shape_row *row, const void *data, FILE *out)
{
    const char *secret = *(char *const *)at(data, row->offset);
    const char *file = *(char *const *)at(data, row->second);
    if (file) {
        fprintf(out, "%s: ", row->file_key);
        print_text(file, out);
        fputc('\n', out);
    } else if (secret) {
        fprintf(out, "%s: \"********\"\n", row->name);
    } else {
        fprintf(out, "# %s: not given\n", row->name);
    }
}

static void print_value(const struct shape_row *row, const void *data, FILE *out)
{
    const void *slot = at(data, row->offset);
    int size = 0;
    fprintf(out, "%s: ", row->name);
    if (row->kind == SHAPE_NUM) {
        fprintf(out, "%llu", (unsigned long long)*(const uint64_t *)slot);
    } else if (row->kind == SHAPE_REAL) {
        fprintf(out, "%.15g", *(const double *)slot);
    } else if (row->kind == SHAPE_FLAG) {
        fputs(*(const bool *)slot ? "true" : "false", out);
    } else if (row->kind == SHAPE_CHOICE) {
        const char *word = shape_word(row->words, *(const uint32_t *)slot, &size);
        fprintf(out, "%.*s", size, word);
    } else {
        CHECK(row->kind == SHAPE_TEXT);
        print_text(*(char *const *)slot, out);
    }
    fputc('\n', out);
}

static void print_map(const struct shape *shape, const void *data, int indent, FILE *out);

static void print_list(const struct shape_row *row, const void *data, int indent, FILE *out)
{
    const char *entries = *(char *const *)at(data, row->offset);
    uint32_t count = *(const uint32_t *)at(data, row->second);
    fprintf(out, "%s:%s\n", row->name, count ? "" : " []");
    for (uint32_t i = 0; i < count; i++) {
        fprintf(out, "%*s-\n", indent + 2, "");
        print_map(row->inner, entries + i * row->inner->size, indent + 4, out);
    }
}

static void print_map(const struct shape *shape, const void *data, int indent, FILE *out)
{
    for (uint32_t i = 0; i < shape->row_count; i++) {
        const struct shape_row *row = &shape->rows[i];
        fprintf(out, "%*s", indent, "");
        if (row->kind == SHAPE_GROUP) {
            fprintf(out, "%s:\n", row->name);
            print_map(row->inner, at(data, row->offset), indent + 2, out);
        } else if (row->kind == SHAPE_LIST) {
            print_list(row, data, indent, out);
        } else if (row->kind == SHAPE_TEXTS) {
            print_texts(row, data, out);
        } else if (row->kind == SHAPE_SECRET) {
            print_secret(row, data, out);
        } else {
            print_value(row, data, out);
        }
    }
}

void shape_print(const struct shape *shape, const void *data, FILE *out)
{
    print_map(shape, data, 0, out);
}

/* ---- sample ---- */

struct sample {
    FILE *out;
    int base, indent; /* `base` spaces, "# " in what is commented out, `indent` spaces */
    bool commented;
};

static void begin_line(const struct sample *s)
{
    fprintf(s->out, "%*s%s%*s", s->base, "", s->commented ? "# " : "", s->indent, "");
}

static void sample_help(const struct sample *s, const struct shape_row *row, const char *dash)
{
    begin_line(s);
    fprintf(s->out, "%s# %s", dash, row->help);
    if (row->kind == SHAPE_NUM || row->kind == SHAPE_REAL)
        fprintf(s->out, " (%.15g to %.15g%s%s)", row->least, row->most, row->unit[0] ? " " : "",
                row->unit);
    if (row->kind == SHAPE_CHOICE)
        fprintf(s->out, " (%s)", row->words);
    if (row->needed)
        fputs(" (needed)", s->out);
    if (row->live && row->kind != SHAPE_GROUP)
        fputs(" [live]", s->out);
    fputc('\n', s->out);
}

static void sample_row(const struct sample *s, const struct shape_row *row, const char *dash);

static void sample_entry(const struct sample *outer, const struct shape_row *list)
{
    struct sample s = *outer;
    s.indent += 2;
    for (uint32_t i = 0; i < list->inner->row_count; i++) {
        sample_row(&s, &list->inner->rows[i], i == 0 ? "- " : "  ");
    }
}

/* What has no default is shown commented out. */
static void sample_row(const struct sample *outer, const struct shape_row *row, const char *dash)
{
    struct sample s = *outer;
    bool given = row->init && row->init[0];
    sample_help(&s, row, dash);
    s.indent += dash[0] ? 2 : 0;
    if (!s.commented && !given) {
        s.base += s.indent;
        s.indent = 0;
        s.commented = true;
    }
    begin_line(&s);
    if (row->kind == SHAPE_SECRET) {
        fprintf(s.out, "%s: /run/secrets/%s\n", row->file_key, row->name);
    } else if (row->kind == SHAPE_TEXTS) {
        fprintf(s.out, "%s: []\n", row->name);
    } else if (row->kind == SHAPE_LIST) {
        fprintf(s.out, "%s:\n", row->name);
        sample_entry(&s, row);
    } else {
        fprintf(s.out, "%s: ", row->name);
        if (row->kind == SHAPE_TEXT)
            print_text(row->init, s.out);
        else
            fputs(row->init, s.out);
        fputc('\n', s.out);
    }
}

void shape_print_sample(const struct shape *shape, FILE *out)
{
    for (uint32_t i = 0; i < shape->row_count; i++) {
        const struct shape_row *row = &shape->rows[i];
        struct sample s = {.out = out};
        fputc('\n', out);
        if (row->kind != SHAPE_GROUP) {
            sample_row(&s, row, "");
            continue;
        }
        fprintf(out, "# %s\n%s:\n", row->help, row->name);
        s.base = 2;
        for (uint32_t j = 0; j < row->inner->row_count; j++)
            sample_row(&s, &row->inner->rows[j], "");
    }
}
