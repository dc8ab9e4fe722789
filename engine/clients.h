/* Options of the Kafka and Redis clients as the config has them; one place for run,
 * set-up, follower and commands. What they point to is the config's, or `settings`'. */
#pragma once

#include "config.h"
#include "io/kafka.h"
#include "io/redis.h"

struct tls_context;

enum { KAFKA_PROPERTIES_MAX = 64 };

struct kafka_settings {
    struct kafka_options options;
    struct kafka_property properties[KAFKA_PROPERTIES_MAX];
};
void kafka_options_of(const struct config *config, const char *client_id,
                      struct kafka_settings *out);

struct redis_settings {
    struct redis_options options;
    struct tls_context *tls; /* for one thread; NULL: plain */
    char host[256];
};
/* As the worker's user, or as the one that may load functions. False: `why` (256 bytes). */
MUST_USE bool redis_options_of(const struct config *config, bool deploy, struct redis_settings *out,
                               char *why);
void redis_settings_close(struct redis_settings *settings);

/* Prefix and name; malloc'd. */
char *topic_name_of(const struct config *config, const char *name);
