/* The parts of reading by a shape: one key's value from text to its type within its bounds,
 * the walk that judges, and what libcyaml fills. Only shape*.c include this. */
#pragma once

#include "shape.h"

struct shape_reader {
    const struct shape_source *source;
    struct findings *findings;
    bool *used; /* entries of the environment that a key took */
};

/* Where a walk is: the path in the file and the name in the environment grow together. */
struct shape_place {
    char path[256], name[256];
};
struct shape_place shape_inside(const struct shape_place *outer, const char *key);
struct shape_place shape_entry(const struct shape_place *list, uint32_t index, const char *name);
void shape_complain(const struct shape_reader *r, const struct tree_node *node, const char *path,
                    const char *what);

void shape_judge(const struct shape_reader *r, const struct shape *shape,
                 const struct tree_node *node, const struct shape_place *place);
/* NULL, or what libcyaml has against the text. */
const char *shape_load(const struct shape *shape, const char *text, size_t size, void *out);

/* What a text means for a row of one value; false: `why` says what would be right. */
struct shape_value {
    uint64_t number; /* NUM, FLAG, CHOICE */
    double real;
};
bool shape_value_of(const struct shape_row *row, const char *text, struct shape_value *out,
                    char *why, size_t why_size);
/* Stores it at the row's place, in place of what stands there. */
void shape_value_put(const struct shape_row *row, const char *text, void *data);
void shape_texts_put(const struct shape_row *row, const char *comma_separated, void *data);

/* The entry of a |-separated list that is nearest to a word; size 0 where none is near. */
struct nearest {
    char word[64];
    uint32_t distance;
};
void nearest_offer(struct nearest *nearest, const char *word, const char *candidate);

/* Word `index` of a |-separated list, and its length; NULL behind the last. */
const char *shape_word(const char *words, uint32_t index, int *size);

static inline void *shape_slot(void *data, size_t offset)
{
    return (char *)data + offset;
}
