/* Is a file what its table says? Every fault is told with its place. */
#include "shape_value.h"

#include <string.h>

static const struct shape_row *row_of(const struct shape *shape, const char *key)
{
    for (uint32_t i = 0; i < shape->row_count; i++) {
        const struct shape_row *row = &shape->rows[i];
        if (strcmp(row->name, key) == 0 || (row->file_key && strcmp(row->file_key, key) == 0))
            return row;
    }
    return NULL;
}

static void judge_unknown(const struct shape_reader *r, const struct shape *shape,
                          const struct tree_node *node, const char *path)
{
    struct nearest near = {0};
    for (uint32_t i = 0; i < shape->row_count; i++) {
        nearest_offer(&near, node->key, shape->rows[i].name);
        if (shape->rows[i].file_key)
            nearest_offer(&near, node->key, shape->rows[i].file_key);
    }
    char what[128] = "unknown key";
    if (near.word[0])
        snprintf(what, sizeof what, "unknown key; did you mean %s?", near.word);
    shape_complain(r, node, path, what);
}

static void judge_text(const struct shape_reader *r, const struct shape_row *row,
                       const struct tree_node *node, const char *path)
{
    struct shape_value value;
    char why[400];
    if (node->kind != TREE_TEXT)
        shape_complain(r, node, path, "must be one value, not a list or a mapping");
    else if (tree_is_null(node))
        shape_complain(r, node, path, "has no value: give it one, or leave the key out");
    else if (!shape_value_of(row, node->text, &value, why, sizeof why))
        shape_complain(r, node, path, why);
}

static void judge_list(const struct shape_reader *r, const struct shape_row *row,
                       const struct tree_node *node, const struct shape_place *place)
{
    if (node->kind != TREE_LIST) {
        shape_complain(r, node, place->path, "must be a list");
        return;
    }
    uint32_t index = 0;
    for (const struct tree_node *child = node->first; child; child = child->next, index++) {
        const struct tree_node *name = tree_child(child, "name");
        struct shape_place at = shape_entry(place, index, name && name->text ? name->text : "");
        if (row->kind == SHAPE_LIST)
            shape_judge(r, row->inner, child, &at);
        else
            judge_text(r, row, child, at.path);
    }
}

void shape_judge(const struct shape_reader *r, const struct shape *shape,
                 const struct tree_node *node, const struct shape_place *place)
{
    if (node->kind != TREE_MAP) {
        shape_complain(r, node, place->path, "must be a mapping of keys, or be left out");
        return;
    }
    for (const struct tree_node *child = node->first; child; child = child->next) {
        const struct shape_row *row = row_of(shape, child->key);
        struct shape_place at = shape_inside(place, child->key);
        if (!row)
            judge_unknown(r, shape, child, at.path);
        else if (row->kind == SHAPE_GROUP)
            shape_judge(r, row->inner, child, &at);
        else if (row->kind != SHAPE_TEXTS && row->kind != SHAPE_LIST)
            judge_text(r, row, child, at.path);
        else
            judge_list(r, row, child, &at);
    }
}
