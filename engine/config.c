/* Loading is reading by the shape of config.def, then the checks that concern several keys. */
#include "config.h"

#include "config_check.h"

#include "shape.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "shape_rows.h"
#define SHAPE_TAG config_
#include "config.def"

static struct config *config_new(const char *path, const char *folder)
{
    struct config *config = calloc(1, sizeof(*config));
    CHECK(config != NULL);
    config->path = path ? strdup(path) : NULL;
    config->folder = strdup(folder);
    return config;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    shape_free(&settings_shape, &config->is);
    tree_free(config->tree);
    free(config->path);
    free(config->folder);
    free(config);
}

void config_find(const struct config *config, struct findings *findings, enum finding_level level,
                 const char *path, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const struct tree_node *node = tree_find(config->tree, path);
    findings_add(findings, level, config->tree->file, node ? node->line : 0,
                 node ? node->column : 0, "%s: %s", path, text);
}

char *config_path_of(const struct config *config, const char *path)
{
    return shape_path(config->folder, path);
}

static bool read_settings(struct config *config, const char *text, size_t size, const char *name,
                          char *const *environment, struct findings *findings)
{
    uint32_t before = findings->errors;
    config->tree = tree_parse(text, size, name, findings);
    if (findings->errors > before)
        return false;
    const struct shape_source source = {.tree = config->tree,
                                        .text = text,
                                        .size = size,
                                        .environment = environment,
                                        .prefix = "CARILLON",
                                        .folder = config->folder};
    if (!shape_read(&settings_shape, &source, findings, &config->is))
        return false;
    config_check(config, findings);
    return findings->errors == before;
}

static struct config *load_text(const char *path, const char *text, size_t size, const char *name,
                                const char *folder, char *const *environment,
                                struct findings *findings)
{
    struct config *config = config_new(path, folder);
    if (read_settings(config, text, size, name, environment, findings))
        return config;
    config_free(config);
    return NULL;
}

struct config *config_load_text(const char *text, size_t size, const char *name, const char *folder,
                                char *const *environment, struct findings *findings)
{
    return load_text(NULL, text, size, name, folder, environment, findings);
}

struct config *config_load(const char *path, char *const *environment, struct findings *findings)
{
    size_t size = 0;
    char *text = shape_file(path, TREE_FILE_MAX, &size);
    if (!text) {
        findings_add(findings, FINDING_ERROR, path, 0, 0, "cannot be read: %s", strerror(errno));
        return NULL;
    }
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup("");
    struct config *config = load_text(path, text, size, path, folder, environment, findings);
    free(folder);
    free(text);
    return config;
}

/* ---- reload ---- */

struct keeping {
    const struct config *fresh;
    struct findings *findings;
};

static void keep_rows(const struct keeping *k, const struct shape *shape, const char *path,
                      const void *old, void *fresh);

static void keep_old(const struct keeping *k, const struct shape_row *row, const char *path,
                     const void *old, void *fresh)
{
    if (shape_row_equal(row, old, fresh))
        return;
    config_find(k->fresh, k->findings, FINDING_WARNING, path,
                "changed, but counts only from the next start");
    shape_row_copy(row, old, fresh);
}

/* Entries that stay the same by name, in the same order, are compared key by key; else the
 * list as a whole is another one. */
static void keep_list(const struct keeping *k, const struct shape_row *row, const char *path,
                      const void *old, void *fresh)
{
    const char *old_entries = *(char *const *)((const char *)old + row->offset);
    char *new_entries = *(char **)((char *)fresh + row->offset);
    uint32_t old_count = *(const uint32_t *)((const char *)old + row->second);
    uint32_t new_count = *(const uint32_t *)((const char *)fresh + row->second);
    const struct shape_row *name = &row->inner->rows[0];
    CHECK(strcmp(name->name, "name") == 0);
    bool same = old_count == new_count;
    for (uint32_t i = 0; same && i < old_count; i++)
        same = shape_row_equal(name, old_entries + i * row->inner->size,
                               new_entries + i * row->inner->size);
    if (!same) {
        keep_old(k, row, path, old, fresh);
        return;
    }
    for (uint32_t i = 0; i < old_count; i++) {
        char at[128];
        snprintf(at, sizeof at, "%.100s[%u]", path, i);
        keep_rows(k, row->inner, at, old_entries + i * row->inner->size,
                  new_entries + i * row->inner->size);
    }
}

static void keep_rows(const struct keeping *k, const struct shape *shape, const char *path,
                      const void *old, void *fresh)
{
    for (uint32_t i = 0; i < shape->row_count; i++) {
        const struct shape_row *row = &shape->rows[i];
        char at[128];
        snprintf(at, sizeof at, "%.80s%s%.40s", path, path[0] ? "." : "", row->name);
        if (row->kind == SHAPE_GROUP)
            keep_rows(k, row->inner, at, (const char *)old + row->offset,
                      (char *)fresh + row->offset);
        else if (row->kind == SHAPE_LIST && !row->live)
            keep_list(k, row, at, old, fresh);
        else if (!row->live)
            keep_old(k, row, at, old, fresh);
    }
}

struct config *config_reload(const struct config *old, char *const *environment,
                             struct findings *findings)
{
    CHECK(old->path != NULL);
    struct config *fresh = config_load(old->path, environment, findings);
    const struct keeping keeping = {fresh, findings};
    if (fresh)
        keep_rows(&keeping, &settings_shape, "", &old->is, &fresh->is);
    return fresh;
}

void config_print(const struct config *config, FILE *out)
{
    shape_print(&settings_shape, &config->is, out);
}

void config_print_sample(FILE *out)
{
    fputs(
        "# carillon's config: every key with its default. Written by `carillon check --sample`.\n"
        "#\n"
        "# Any key can come from the environment: CARILLON_ and its path in upper case, with two\n"
        "# underscores between levels and list entries by their name:\n"
        "#   CARILLON_KAFKA__BOOTSTRAP_SERVERS=kafka:9092\n"
        "#   "
        "CARILLON_PROVIDERS__TWILIO_FR__CREDENTIALS__AUTH_TOKEN__VALUE_FILE=/run/secrets/twilio\n"
        "# Secrets have a second key, KEY_file: the file that holds them. They are never printed.\n"
        "# [live]: `kill -HUP` changes it in a running worker; the others count from its next "
        "start.\n",
        out);
    shape_print_sample(&settings_shape, out);
}
