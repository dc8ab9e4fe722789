/* What must exist before a worker can run: topics and Redis functions. `carillon setup`
 * creates what is missing (engine/setup.c); `run` only looks. */
#pragma once

#include "config.h"
#include "ring_topics.h"

enum { SETUP_WHY_SIZE = 512 };

enum setup_state {
    SETUP_GOOD,
    SETUP_MISSING, /* `why` names it and the remedy: run `carillon setup` */
    SETUP_KAFKA_AWAY,
    SETUP_REDIS_AWAY,
};

struct setup_found {
    char **marks; /* "topic/partition" of every partition of the state topics */
    uint32_t mark_count;
    struct ring_topics ring;
    const char *away; /* "kafka" or "redis", static; NULL: neither */
};

/* Waits for answers a few seconds at most. */
enum setup_state setup_check(const struct config *config, struct setup_found *found,
                             char why[SETUP_WHY_SIZE]);
/* Loads the Redis functions where there are none, as the user that may. */
MUST_USE bool setup_functions(const struct config *config, char why[SETUP_WHY_SIZE]);
void setup_found_free(struct setup_found *found);
