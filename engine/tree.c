/* One pass over libyaml's events, with the open mappings and lists on a stack. */
#include "tree.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct reading {
    struct tree *tree;
    struct findings *findings;
    struct tree_node *open[TREE_DEPTH_MAX];
    uint32_t depth, nodes, documents;
    char *key; /* read, its value is next */
    uint32_t key_line, key_column;
    bool failed;
};

static void fail(struct reading *r, yaml_mark_t at, const char *what)
{
    findings_add(r->findings, FINDING_ERROR, r->tree->file, (uint32_t)at.line + 1,
                 (uint32_t)at.column + 1, "%s", what);
    r->failed = true;
}

static void node_free(struct tree_node *node)
{
    while (node) {
        struct tree_node *next = node->next;
        node_free(node->first); /* no deeper than TREE_DEPTH_MAX */
        free(node->key);
        free(node->text);
        free(node);
        node = next;
    }
}

static void append(struct reading *r, struct tree_node *node)
{
    if (r->depth == 0) {
        r->tree->root = node;
        return;
    }
    struct tree_node *parent = r->open[r->depth - 1];
    if (parent->last)
        parent->last->next = node;
    else
        parent->first = node;
    parent->last = node;
    parent->count++;
}

/* The node of a value that begins here, under the key read before. */
static struct tree_node *add(struct reading *r, enum tree_kind kind, yaml_mark_t at)
{
    if (++r->nodes > TREE_NODES_MAX) {
        fail(r, at, "the file has too many values");
        return NULL;
    }
    struct tree_node *node = calloc(1, sizeof(*node));
    CHECK(node != NULL);
    node->kind = kind;
    node->line = r->key ? r->key_line : (uint32_t)at.line + 1;
    node->column = r->key ? r->key_column : (uint32_t)at.column + 1;
    node->key = r->key;
    r->key = NULL;
    append(r, node);
    return node;
}

static void take_key(struct reading *r, const yaml_event_t *event, const char *text)
{
    const struct tree_node *map = r->open[r->depth - 1];
    if (tree_child(map, text)) {
        char what[160];
        snprintf(what, sizeof what, "%.100s: given twice", text);
        fail(r, event->start_mark, what);
        return;
    }
    r->key = strdup(text);
    r->key_line = (uint32_t)event->start_mark.line + 1;
    r->key_column = (uint32_t)event->start_mark.column + 1;
}

static bool key_expected(const struct reading *r)
{
    return r->depth > 0 && r->open[r->depth - 1]->kind == TREE_MAP && !r->key;
}

static void take_text(struct reading *r, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    if (event->data.scalar.anchor || event->data.scalar.tag) {
        fail(r, event->start_mark, "anchors and tags are not used in config files");
        return;
    }
    if (strlen(text) != event->data.scalar.length) {
        fail(r, event->start_mark, "a text holds a NUL byte");
        return;
    }
    if (key_expected(r)) {
        take_key(r, event, text);
        return;
    }
    struct tree_node *node = add(r, TREE_TEXT, event->start_mark);
    if (!node)
        return;
    node->text = strdup(text);
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static void take_open(struct reading *r, enum tree_kind kind, bool anchored, yaml_mark_t at)
{
    if (anchored) {
        fail(r, at, "anchors and tags are not used in config files");
        return;
    }
    if (key_expected(r)) {
        fail(r, at, "a key must be a word");
        return;
    }
    if (r->depth == TREE_DEPTH_MAX) {
        fail(r, at, "nested too deep");
        return;
    }
    struct tree_node *node = add(r, kind, at);
    if (node)
        r->open[r->depth++] = node;
}

static void take_event(struct reading *r, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (++r->documents > 1)
            fail(r, event->start_mark, "a second document: one file holds one");
        break;
    case YAML_ALIAS_EVENT:
        fail(r, event->start_mark, "aliases are not used in config files");
        break;
    case YAML_SCALAR_EVENT:
        take_text(r, event);
        break;
    case YAML_MAPPING_START_EVENT:
        take_open(r, TREE_MAP, event->data.mapping_start.anchor || event->data.mapping_start.tag,
                  event->start_mark);
        break;
    case YAML_SEQUENCE_START_EVENT:
        take_open(r, TREE_LIST, event->data.sequence_start.anchor || event->data.sequence_start.tag,
                  event->start_mark);
        break;
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        r->depth--;
        break;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
}

static void parse_events(struct reading *r, yaml_parser_t *parser)
{
    for (bool end = false; !end && !r->failed;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) {
            /* The scanner's mark is where it gave up; errors of the reader have none. */
            fail(r, parser->error == YAML_READER_ERROR ? parser->mark : parser->problem_mark,
                 parser->problem ? parser->problem : "not YAML");
            return;
        }
        end = event.type == YAML_STREAM_END_EVENT;
        take_event(r, &event);
        yaml_event_delete(&event);
    }
}

struct tree *tree_parse(const char *text, size_t size, const char *file, struct findings *findings)
{
    struct tree *tree = calloc(1, sizeof(*tree));
    CHECK(tree != NULL);
    tree->file = strdup(file);
    struct reading r = {.tree = tree, .findings = findings};
    yaml_parser_t parser;
    if (size > TREE_FILE_MAX) {
        fail(&r, (yaml_mark_t){0}, "the file is larger than 4 MiB");
        return tree;
    }
    CHECK(yaml_parser_initialize(&parser));
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    parse_events(&r, &parser);
    yaml_parser_delete(&parser);
    free(r.key);
    if (tree->root && tree_is_null(tree->root)) { /* only comments, or an explicit ~ */
        node_free(tree->root);
        tree->root = NULL;
    }
    return tree;
}

void tree_free(struct tree *tree)
{
    if (!tree)
        return;
    node_free(tree->root);
    free(tree->file);
    free(tree);
}

const struct tree_node *tree_child(const struct tree_node *map, const char *key)
{
    if (!map || map->kind != TREE_MAP)
        return NULL;
    for (const struct tree_node *node = map->first; node; node = node->next)
        if (strcmp(node->key, key) == 0)
            return node;
    return NULL;
}

static const struct tree_node *entry_of(const struct tree_node *list, unsigned long index)
{
    if (list->kind != TREE_LIST)
        return NULL;
    const struct tree_node *node = list->first;
    while (node && index-- > 0)
        node = node->next;
    return node;
}

const struct tree_node *tree_find(const struct tree *tree, const char *path)
{
    const struct tree_node *node = tree->root;
    while (node && *path) {
        const struct tree_node *next;
        if (*path == '[') {
            char *end;
            next = entry_of(node, strtoul(path + 1, &end, 10));
            path = *end == ']' ? end + 1 : end;
        } else {
            char key[64];
            size_t size = strcspn(path, ".[");
            snprintf(key, sizeof key, "%.*s", (int)size, path);
            next = tree_child(node, key);
            path += size;
        }
        if (!next)
            break;
        node = next;
        path += *path == '.';
    }
    return node;
}

bool tree_is_null(const struct tree_node *node)
{
    return node->kind == TREE_TEXT && node->plain &&
           (node->text[0] == '\0' || strcmp(node->text, "~") == 0 ||
            strcmp(node->text, "null") == 0);
}
