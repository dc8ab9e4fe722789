/* What the commands that look into topics have in common. What goes wrong is said on
 * standard error. */
#pragma once

#include "config.h"
#include "io/reader.h"

enum { COMMAND_PATIENCE_MS = 15000 };

/* A point of time: RFC 3339, a date (its first instant in UTC), `now`, or how long ago
 * (`7d`, `90m`). False: it is none of these. */
bool moment_parse(const char *text, int64_t now_ms, int64_t *ms);

/* NULL: the config is bad. Its warnings are for `check` to tell. */
struct config *command_config(const char *path);

/* A topic by its name without prefix. NULL: *exit_code is to be returned. */
struct reader *command_reader(const struct config *config, const char *topic, int *exit_code);
/* Says that Kafka does not answer, or what `why` says. */
void command_kafka_away(const struct config *config, const char *why);

/* From now on Ctrl-C only ends what goes on, so that what was found can be told. */
void command_hold_interrupts(void);
bool command_interrupted(void);

/* A line that is written over itself; nothing where standard error is no terminal. */
struct progress {
    uint64_t shown_ns;
    bool shown;
};
void progress_show(struct progress *progress, const char *format, ...) PRINTF_LIKE(2, 3);
void progress_end(struct progress *progress);
