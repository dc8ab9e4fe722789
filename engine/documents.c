#include "documents.h"

#include <stdlib.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct bytes trimmed(struct bytes b)
{
    while (b.size > 0 && is_blank(b.at[0]))
        b = (struct bytes){b.at + 1, b.size - 1};
    while (b.size > 0 && is_blank(b.at[b.size - 1]))
        b.size--;
    return b;
}

static bool is_json(struct bytes text, struct json *json)
{
    json_init(json, text);
    enum json_token token;
    do
        token = json_next(json);
    while (token != JSON_END && token != JSON_ERROR);
    return token == JSON_END;
}

/* The line that begins at `at`, without its end. */
static struct bytes line_at(struct bytes all, size_t at)
{
    const char *end = memchr(all.at + at, '\n', all.size - at);
    return (struct bytes){all.at + at, end ? (size_t)(end - all.at) - at : all.size - at};
}

/* Whether the first line is only the beginning of a document. */
static bool goes_on(struct bytes all)
{
    struct bytes line = trimmed(line_at(all, 0));
    return line.size > 0 && line.size < all.size && strchr("{[,:", line.at[line.size - 1]) != NULL;
}

void documents_init(struct documents *documents, struct bytes all)
{
    *documents = (struct documents){.line = 1};
    while (all.size > 0 && is_blank(all.at[0])) {
        documents->line += all.at[0] == '\n';
        all = (struct bytes){all.at + 1, all.size - 1};
    }
    documents->all = all;
    documents->counted = all.at;
    documents->counted_line = documents->line;
    documents->done = all.size == 0;
    if (all.size > 0 && all.at[0] == '[') {
        documents->array = true;
        json_init(&documents->json, all);
        (void)json_next(&documents->json);
    } else if (all.size > 0) {
        documents->alone = goes_on(all);
    }
}

static enum documents_step broken(struct documents *d, const struct json *json,
                                  struct json_place *place, const char **error)
{
    *place = json_place(json);
    place->line += d->line - 1;
    *error = json->error;
    return DOCUMENTS_BROKEN;
}

static enum documents_step next_of_array(struct documents *d, struct bytes *document,
                                         struct json_place *place, const char **error)
{
    struct json *json = &d->json;
    enum json_token token = json_next(json);
    const char *start = json->token_at;
    if (token == JSON_ARRAY_END && json_next(json) == JSON_END) {
        d->done = true;
        return DOCUMENTS_END;
    }
    if (token != JSON_ARRAY_END && token != JSON_ERROR && json_skip(json, token) != JSON_ERROR) {
        *document = (struct bytes){start, (size_t)(json->at - start)};
        return DOCUMENTS_ONE;
    }
    d->done = true;
    return broken(d, json, place, error);
}

static enum documents_step next_line(struct documents *d, struct bytes *document,
                                     struct json_place *place, const char **error)
{
    struct json json;
    while (d->at < d->all.size) {
        struct bytes line = d->alone ? d->all : line_at(d->all, d->at);
        d->at += line.size + 1;
        *document = trimmed(line);
        bool good = document->size == 0 || is_json(line, &json);
        enum documents_step step = good ? DOCUMENTS_ONE : broken(d, &json, place, error);
        d->line++;
        if (document->size > 0)
            return step;
    }
    d->done = true;
    return DOCUMENTS_END;
}

enum documents_step documents_next(struct documents *documents, struct bytes *document,
                                   struct json_place *place, const char **error)
{
    if (documents->done)
        return DOCUMENTS_END;
    return documents->array ? next_of_array(documents, document, place, error)
                            : next_line(documents, document, place, error);
}

uint32_t documents_line(struct documents *documents, struct bytes document)
{
    for (; documents->counted < document.at; documents->counted++)
        documents->counted_line += *documents->counted == '\n';
    return documents->counted_line;
}

static enum err read_all(FILE *file, struct bytes *all)
{
    size_t max = 1 << 16, size = 0;
    char *memory = malloc(max);
    while (memory) {
        size += fread(memory + size, 1, max - size, file);
        if (size < max)
            break;
        char *larger = realloc(memory, max *= 2);
        if (!larger)
            free(memory);
        memory = larger;
    }
    if (!memory || ferror(file)) {
        free(memory);
        return ERR_IO;
    }
    *all = (struct bytes){memory, size};
    return ERR_OK;
}

enum err documents_read(const char *path, struct bytes *all)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "rb");
    if (!file)
        return ERR_IO;
    enum err err = read_all(file, all);
    if (!standard)
        fclose(file);
    return err;
}

void documents_free(struct bytes *all)
{
    free((void *)(uintptr_t)all->at);
    *all = (struct bytes){0};
}
