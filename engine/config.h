/* The config: what config.def lists, read from YAML, then the environment (CARILLON_ + path in
 * upper case, `__` between levels, list entries by their `name`), judged key by key with its
 * place in the file. Read-only once loaded; a reload makes another one. */
#pragma once

#include "base/base.h"
#include "findings.h"

#include <stdio.h>

/* One struct per STRUCT of config.def. Texts are never NULL; secrets are NULL where not given. */
#define STRUCT(name) struct config_##name {
#define END(name) \
    }             \
    ;
#define NUM(shape, name, ...) uint64_t name;
#define REAL(shape, name, ...) double name;
#define FLAG(shape, name, ...) bool name;
#define TEXT(shape, name, ...) char *name;
#define NEED(shape, name, ...) char *name;
#define SECRET(shape, name, ...) \
    char *name;                  \
    char *name##_file;
#define CHOICE(shape, name, ...) uint32_t name; /* which of its words, from 0 */
#define TEXTS(shape, name, ...) \
    char **name;                \
    uint32_t name##_count;
#define GROUP(shape, name, inner, ...) struct config_##inner name;
#define LIST(shape, name, inner, ...) \
    struct config_##inner *name;      \
    uint32_t name##_count;
#include "config.def"
#undef STRUCT
#undef END
#undef NUM
#undef REAL
#undef FLAG
#undef TEXT
#undef NEED
#undef SECRET
#undef CHOICE
#undef TEXTS
#undef GROUP
#undef LIST

enum config_io { CONFIG_IO_AUTO, CONFIG_IO_URING, CONFIG_IO_EPOLL };
enum config_outcome_format { CONFIG_OUTCOMES_JSON, CONFIG_OUTCOMES_PROTOBUF };
enum config_channel { CONFIG_SMS, CONFIG_EMAIL, CONFIG_PUSH };
/* log.level is an enum log_level; log.format 1 is JSON. */

struct config {
    struct config_settings is; /* config->is.kafka.session_timeout_ms */
    char *path;                /* the file; NULL where read from a text */
    char *folder;              /* relative paths begin here */
    struct tree *tree;         /* positions, for later findings */
};

/* NULL where a finding is an error. `environment` is like environ; NULL: none. */
struct config *config_load(const char *path, char *const *environment, struct findings *findings);
/* The same from memory: demo, tests. `name` stands for the file in findings. */
struct config *config_load_text(const char *text, size_t size, const char *name, const char *folder,
                                char *const *environment, struct findings *findings);
void config_free(struct config *config);

/* Reads the file of `old` again. NULL: the new one is bad, go on with the old. Keys marked
 * START keep the old value, with a warning each; `old` stays valid and the caller's. */
struct config *config_reload(const struct config *old, char *const *environment,
                             struct findings *findings);

/* Adds a finding about a key (`routes[0].provider`), at its place in the file. */
void config_find(const struct config *config, struct findings *findings, enum finding_level level,
                 const char *path, const char *format, ...) PRINTF_LIKE(5, 6);

/* A path of the config, relative to the file's folder; malloc'd. */
char *config_path_of(const struct config *config, const char *path);

void config_print(const struct config *config, FILE *out); /* merged, secrets masked */
void config_print_sample(FILE *out);                       /* deploy/carillon.yaml */
