/* The topics that `carillon setup` creates and `run` wants to find; those of the calendar ring
 * are in ring_topics.h. */
#pragma once

#include "config.h"
#include "io/kafka.h"

#include "base/err.h"

extern const char *const setup_topic_names[]; /* without the config's prefix */
extern const uint32_t setup_topic_count;

struct setup_wishes {
    bool dry_run;     /* say, do not do */
    bool ring;        /* add a generation where the newest is not as the config wants it */
    bool remove_over; /* delete generations that are over */
};

/* Says on standard output what it does, on standard error what differs and is left alone. */
MUST_USE enum err setup_topics(const struct config *config, const struct setup_wishes *wishes,
                               char why[KAFKA_WHY_SIZE]);
