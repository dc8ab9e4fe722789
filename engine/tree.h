/* A YAML file as a tree that knows where everything stands, which libcyaml forgets: line,
 * column and text of every key and value. What config files have no use for is refused with
 * its place: anchors, tags, several documents, keys given twice. */
#pragma once

#include "base/base.h"
#include "findings.h"

enum tree_kind { TREE_TEXT, TREE_MAP, TREE_LIST };

struct tree_node {
    enum tree_kind kind;
    char *key;             /* NULL in a list */
    char *text;            /* TREE_TEXT */
    bool plain;            /* written without quotes: `~` then means nothing */
    uint32_t line, column; /* of the key, in a list of the value; from 1 */
    uint32_t count;        /* children */
    struct tree_node *first, *last, *next;
};

struct tree {
    char *file;
    struct tree_node *root; /* NULL: an empty file */
};

enum { TREE_FILE_MAX = 4 * 1024 * 1024, TREE_DEPTH_MAX = 12, TREE_NODES_MAX = 100000 };

/* Never NULL; what is wrong is in `findings`. */
struct tree *tree_parse(const char *text, size_t size, const char *file, struct findings *findings);
void tree_free(struct tree *tree);

const struct tree_node *tree_child(const struct tree_node *map, const char *key); /* or NULL */
/* The nearest node that exists on `routes[0].provider`; NULL where the file is empty. */
const struct tree_node *tree_find(const struct tree *tree, const char *path);
bool tree_is_null(const struct tree_node *node);
