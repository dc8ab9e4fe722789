#include "rows.h"

#include <stdlib.h>

struct row { /* its text follows */
    int64_t at_ms;
    uint32_t size;
    uint32_t number; /* as they came, in this run */
};

struct run {
    FILE *file;
    struct row row; /* the next one; `text` holds its text */
    char *text;
    bool over;
};

struct rows {
    char *memory; /* the rows as they came; pointers to them grow down from its end */
    size_t used, max;
    uint32_t count;
    struct run *runs;
    uint32_t run_count;
};

struct rows *rows_open(size_t memory_max)
{
    struct rows *rows = calloc(1, sizeof *rows);
    CHECK(rows);
    rows->max = memory_max & ~(sizeof(struct row) - 1);
    rows->memory = malloc(rows->max);
    CHECK(rows->memory);
    return rows;
}

void rows_close(struct rows *rows)
{
    for (uint32_t i = 0; i < rows->run_count; i++) {
        fclose(rows->runs[i].file);
        free(rows->runs[i].text);
    }
    free(rows->runs);
    free(rows->memory);
    free(rows);
}

static struct row **index_of(const struct rows *rows)
{
    return (struct row **)(void *)(rows->memory + rows->max) - rows->count;
}

static int compare(const void *left, const void *right)
{
    const struct row *a = *(struct row *const *)left, *b = *(struct row *const *)right;
    if (a->at_ms != b->at_ms)
        return a->at_ms < b->at_ms ? -1 : 1;
    return a->number < b->number ? -1 : 1;
}

static size_t size_of(uint32_t text)
{
    return sizeof(struct row) + ((text + sizeof(int64_t) - 1) & ~(sizeof(int64_t) - 1));
}

/* What is in memory becomes a sorted file. */
static enum err spill(struct rows *rows)
{
    FILE *file = tmpfile();
    struct row **index = index_of(rows);
    if (!file)
        return ERR_IO;
    qsort(index, rows->count, sizeof(struct row *), compare);
    for (uint32_t i = 0; i < rows->count; i++)
        fwrite(index[i], sizeof(struct row) + index[i]->size, 1, file);
    struct run *runs = realloc(rows->runs, (rows->run_count + 1) * sizeof *runs);
    CHECK(runs);
    rows->runs = runs;
    runs[rows->run_count++] = (struct run){.file = file};
    rows->used = rows->count = 0;
    return fflush(file) == 0 && !ferror(file) ? ERR_OK : ERR_IO;
}

enum err rows_add(struct rows *rows, int64_t at_ms, struct bytes text)
{
    size_t size = size_of((uint32_t)text.size) + sizeof(struct row *);
    CHECK(size < rows->max / 2);
    if (rows->used + (rows->count + 1) * sizeof(struct row *) + size > rows->max) {
        enum err err = spill(rows);
        if (err != ERR_OK)
            return err;
    }
    struct row *row = (struct row *)(void *)(rows->memory + rows->used);
    *row = (struct row){at_ms, (uint32_t)text.size, rows->count};
    if (text.size > 0)
        memcpy(row + 1, text.at, text.size);
    rows->used += size_of((uint32_t)text.size);
    rows->count++;
    *index_of(rows) = row;
    return ERR_OK;
}

static enum err advance(struct run *run)
{
    if (fread(&run->row, sizeof run->row, 1, run->file) != 1) {
        run->over = true;
        return ferror(run->file) ? ERR_IO : ERR_OK;
    }
    char *text = realloc(run->text, run->row.size + (size_t)1);
    CHECK(text);
    run->text = text;
    return fread(text, 1, run->row.size, run->file) == run->row.size ? ERR_OK : ERR_IO;
}

static enum err merge(struct rows *rows, FILE *out)
{
    enum err err = ERR_OK;
    for (uint32_t i = 0; i < rows->run_count && err == ERR_OK; i++) {
        rewind(rows->runs[i].file);
        err = advance(&rows->runs[i]);
    }
    while (err == ERR_OK) {
        struct run *first = NULL;
        for (uint32_t i = 0; i < rows->run_count; i++)
            if (!rows->runs[i].over && (!first || rows->runs[i].row.at_ms < first->row.at_ms))
                first = &rows->runs[i];
        if (!first)
            break;
        fwrite(first->text, 1, first->row.size, out);
        err = advance(first);
    }
    return err;
}

enum err rows_write(struct rows *rows, FILE *out)
{
    if (rows->run_count > 0) {
        enum err err = spill(rows);
        return err == ERR_OK ? merge(rows, out) : err;
    }
    struct row **index = index_of(rows);
    qsort(index, rows->count, sizeof(struct row *), compare);
    for (uint32_t i = 0; i < rows->count; i++)
        fwrite(index[i] + 1, 1, index[i]->size, out);
    return ERR_OK;
}
