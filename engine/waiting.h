/* What waits in the deferral topics, as Kafka tells it: end offsets, less what the group
 * <group>.ring has committed and what its commits' bitmaps name done. For `deferred` and `why`. */
#pragma once

#include "config.h"
#include "io/offsets.h"
#include "io/reader.h"
#include "ring_topics.h"

struct waiting_topic {
    const struct ring_topic *topic;
    struct ring ring; /* slots 0: not known, and no record tells it */
    struct offsets_partition *partitions;
    uint32_t count;
};

struct waiting {
    struct ring_topics found;
    struct waiting_topic topics[RING_GENERATIONS_MAX + 1]; /* the newest first, far last */
    uint32_t count;
};

/* False: *exit_code is to be returned, standard error says why. */
MUST_USE bool waiting_open(const struct config *config, struct waiting *out, int *exit_code);
void waiting_close(struct waiting *waiting);

/* What of a partition is not done yet: read from `from` up to its end. */
struct reader_range waiting_range(const struct waiting_topic *topic, int32_t partition);
uint64_t waiting_in(const struct waiting_topic *topic, int32_t partition);
/* Whether that record was fired and its end told, or taken over by another deferral. */
bool waiting_is_done(const struct waiting_topic *topic, int32_t partition, int64_t offset);
