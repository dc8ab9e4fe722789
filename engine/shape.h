/* Tables of keys: a shape lists the keys of one mapping, with type, default, bounds and help,
 * and where each stands in a C struct. Config and adapter files are read, judged and printed
 * by these tables alone (config.def, domain/adapter.def; shape_rows.h makes the tables).
 *
 * A struct read by shape_read owns its texts and lists (malloc); shape_free frees them. */
#pragma once

#include "findings.h"
#include "tree.h"

#include <stdio.h>

enum shape_kind {
    SHAPE_NUM,    /* uint64_t */
    SHAPE_REAL,   /* double */
    SHAPE_FLAG,   /* bool */
    SHAPE_TEXT,   /* char *, never NULL */
    SHAPE_SECRET, /* char *KEY and char *KEY_file, NULL where not given */
    SHAPE_CHOICE, /* uint32_t: which of `words` */
    SHAPE_TEXTS,  /* char **KEY, uint32_t KEY_count */
    SHAPE_GROUP,  /* a struct inside */
    SHAPE_LIST,   /* array of structs, uint32_t KEY_count */
};

struct shape_row {
    enum shape_kind kind;
    bool live;            /* may change in a running worker */
    bool needed;          /* has no default; `init` is an example */
    const char *name;     /* the key */
    const char *file_key; /* SECRET: KEY_file */
    const char *init;     /* default, as written in a file */
    double least, most;
    const char *unit;
    const char *words; /* CHOICE: separated by | */
    const char *help;
    size_t offset;
    size_t second; /* of KEY_count or KEY_file */
    const struct shape *inner;
};

struct shape {
    const struct shape_row *rows;
    uint32_t row_count;
    size_t size; /* of the struct */
};

struct shape_source {
    const struct tree *tree;
    const char *text; /* what the tree was made of */
    size_t size;
    char *const *environment; /* NULL: none is read */
    const char *prefix;       /* of the environment's names: CARILLON */
    const char *folder;       /* where relative secret files lie */
};

/* Fills `out` (zeroed). false: some finding is an error; shape_free(out) all the same. */
bool shape_read(const struct shape *shape, const struct shape_source *source,
                struct findings *findings, void *out);
void shape_free(const struct shape *shape, void *data);

bool shape_row_equal(const struct shape_row *row, const void *a, const void *b);
/* Replaces the row's value in `to` by a copy of that in `from`. */
void shape_row_copy(const struct shape_row *row, const void *from, void *to);

void shape_print(const struct shape *shape, const void *data, FILE *out);
void shape_print_sample(const struct shape *shape, FILE *out);

/* Writes a file's text and its size; NULL with errno. At most `max` bytes. */
char *shape_file(const char *path, size_t max, size_t *size);
/* `path` itself, or below `folder` where it is relative; malloc'd. */
char *shape_path(const char *folder, const char *path);
