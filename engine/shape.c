/* Reading a file by its shape, in three walks over the same table. The tree of the file is
 * judged first (shape_judge.c), so that every fault is told with its place; then libcyaml
 * fills the struct (shape_load.c); last, here, come the environment, the defaults of what was
 * left out, and the files of secrets. libcyaml alone would tell neither bounds nor a wrong
 * key's line, and cannot know whether a number was left out. */
#include "shape.h"

#include "shape_value.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SECRET_MAX = 64 * 1024 };

struct shape_place shape_inside(const struct shape_place *outer, const char *key)
{
    struct shape_place p = {0};
    snprintf(p.path, sizeof p.path, "%.180s%s%.50s", outer->path, outer->path[0] ? "." : "", key);
    int n = snprintf(p.name, sizeof p.name, "%.180s%s%.50s", outer->name,
                     outer->path[0] ? "__" : "_", key);
    for (int i = (int)strlen(outer->name); i < n; i++)
        p.name[i] = isalnum((unsigned char)p.name[i]) ? (char)toupper(p.name[i]) : '_';
    return p;
}

struct shape_place shape_entry(const struct shape_place *list, uint32_t index, const char *name)
{
    struct shape_place p = shape_inside(list, name);
    snprintf(p.path, sizeof p.path, "%.240s[%u]", list->path, index);
    return p;
}

void shape_complain(const struct shape_reader *r, const struct tree_node *node, const char *path,
                    const char *what)
{
    findings_add(r->findings, FINDING_ERROR, r->source->tree->file, node ? node->line : 0,
                 node ? node->column : 0, "%s%s%s", path, path[0] ? ": " : "", what);
}

static const char *environment_of(const struct shape_reader *r, const char *name)
{
    if (!r->source->environment)
        return NULL;
    size_t size = strlen(name);
    for (size_t i = 0; r->source->environment[i]; i++) {
        const char *line = r->source->environment[i];
        if (strncmp(line, name, size) == 0 && line[size] == '=') {
            r->used[i] = true;
            return line + size + 1;
        }
    }
    return NULL;
}

/* A key takes what the environment says; a fault is told by the environment's name. */
static bool fill_from_environment(const struct shape_reader *r, const struct shape_row *row,
                                  const char *name, void *data)
{
    const char *text = environment_of(r, name);
    struct shape_value value;
    char why[400];
    if (!text)
        return false;
    if (row->kind == SHAPE_TEXTS)
        shape_texts_put(row, text, data);
    else if (shape_value_of(row, text, &value, why, sizeof why))
        shape_value_put(row, text, data);
    else
        findings_add(r->findings, FINDING_ERROR, "environment", 0, 0, "%s: %s", name, why);
    return true;
}

static void fill_value(const struct shape_reader *r, const struct shape_row *row,
                       const struct tree_node *map, void *data, const struct shape_place *at)
{
    const struct tree_node *node = tree_child(map, row->name);
    if (fill_from_environment(r, row, at->name, data))
        return;
    if (!node && row->needed)
        shape_complain(r, map, at->path, "is missing");
    if (!node)
        shape_value_put(row, row->needed ? "" : row->init, data);
    else if (row->kind == SHAPE_CHOICE)
        shape_value_put(row, node->text, data);
}

static void replace(char **text, const char *by)
{
    free(*text);
    *text = by ? strdup(by) : NULL;
}

static void read_secret(const struct shape_reader *r, const struct tree_node *node,
                        const char *path, const char *file, char **secret)
{
    char *whole = shape_path(r->source->folder, file), what[400];
    size_t size = 0;
    char *text = shape_file(whole, SECRET_MAX, &size);
    if (!text) {
        snprintf(what, sizeof what, "cannot read the secret file %.250s: %s", whole,
                 strerror(errno));
        shape_complain(r, node, path, what);
    } else {
        if (size > 0 && text[size - 1] == '\n') /* editors end files so */
            text[--size] = '\0';
        if (size == 0 || strlen(text) != size) {
            snprintf(what, sizeof what, "the secret file %.250s %s", whole,
                     size == 0 ? "is empty" : "holds a NUL byte");
            shape_complain(r, node, path, what);
        }
        replace(secret, text);
    }
    free(text);
    free(whole);
}

/* A secret stands in the environment, in the file, or in a file of its own that one of them
 * names; the environment goes before the file. */
static void fill_secret(const struct shape_reader *r, const struct shape_row *row,
                        const struct tree_node *map, void *data, const struct shape_place *place)
{
    char **secret = shape_slot(data, row->offset), **file = shape_slot(data, row->second);
    struct shape_place at = shape_inside(place, row->name);
    struct shape_place file_at = shape_inside(place, row->file_key);
    const char *value = environment_of(r, at.name), *value_file = environment_of(r, file_at.name);
    if (value || value_file) {
        replace(secret, value);
        replace(file, value_file);
    }
    if (*secret && *file) {
        char what[160];
        snprintf(what, sizeof what, "is given twice: keep %s or %s", row->name, row->file_key);
        shape_complain(r, tree_child(map, row->name), at.path, what);
    } else if (*file) {
        read_secret(r, tree_child(map, row->file_key), file_at.path, *file, secret);
    }
}

static void fill(const struct shape_reader *r, const struct shape *shape,
                 const struct tree_node *map, void *data, const struct shape_place *place);

static void fill_list(const struct shape_reader *r, const struct shape_row *row,
                      const struct tree_node *list, void *data, const struct shape_place *place)
{
    uint32_t index = 0;
    for (const struct tree_node *node = list ? list->first : NULL; node; node = node->next) {
        const struct tree_node *name = tree_child(node, "name");
        struct shape_place at = shape_entry(place, index, name ? name->text : "");
        char *entries = *(char **)shape_slot(data, row->offset);
        fill(r, row->inner, node, entries + index++ * row->inner->size, &at);
    }
}

static void fill(const struct shape_reader *r, const struct shape *shape,
                 const struct tree_node *map, void *data, const struct shape_place *place)
{
    for (uint32_t i = 0; i < shape->row_count; i++) {
        const struct shape_row *row = &shape->rows[i];
        struct shape_place at = shape_inside(place, row->name);
        if (row->kind == SHAPE_GROUP)
            fill(r, row->inner, tree_child(map, row->name), shape_slot(data, row->offset), &at);
        else if (row->kind == SHAPE_LIST)
            fill_list(r, row, tree_child(map, row->name), data, &at);
        else if (row->kind == SHAPE_SECRET)
            fill_secret(r, row, map, data, place);
        else if (row->kind == SHAPE_TEXTS)
            (void)fill_from_environment(r, row, at.name, data);
        else
            fill_value(r, row, map, data, &at);
    }
}

/* Kubernetes sets names like CARILLON_PORT by itself; every key of ours has a level. */
static void judge_environment(const struct shape_reader *r)
{
    size_t size = strlen(r->source->prefix);
    for (size_t i = 0; r->source->environment && r->source->environment[i]; i++) {
        const char *line = r->source->environment[i];
        int name = (int)strcspn(line, "=");
        if (r->used[i] || strncmp(line, r->source->prefix, size) != 0 || line[size] != '_' ||
            !memmem(line, (size_t)name, "__", 2))
            continue;
        findings_add(r->findings, FINDING_WARNING, "environment", 0, 0,
                     "%.*s: no key has this name (list entries go by the `name` that the file "
                     "gives them)",
                     name, line);
    }
}

static bool *used_of(char *const *environment)
{
    size_t count = 0;
    while (environment && environment[count])
        count++;
    bool *used = calloc(count + 1, sizeof(*used));
    CHECK(used != NULL);
    return used;
}

bool shape_read(const struct shape *shape, const struct shape_source *source,
                struct findings *findings, void *out)
{
    const struct tree_node *root = source->tree->root;
    struct shape_reader r = {source, findings, used_of(source->environment)};
    struct shape_place top = {0};
    snprintf(top.name, sizeof top.name, "%s", source->prefix ? source->prefix : "");
    uint32_t before = findings->errors;
    if (root)
        shape_judge(&r, shape, root, &top);
    if (root && findings->errors == before) {
        const char *error = shape_load(shape, source->text, source->size, out);
        if (error)
            shape_complain(&r, root, "", error);
    }
    if (findings->errors == before) {
        fill(&r, shape, root, out, &top);
        judge_environment(&r);
    }
    free(r.used);
    return findings->errors == before;
}
