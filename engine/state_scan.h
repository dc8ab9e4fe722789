/* Reads a state topic to its end, for commands: all of it, or only what Redis is not known
 * to hold, which the follower's marks tell (nothing, where a follower runs; all, where none
 * ran since Redis was started). */
#pragma once

#include "latest.h"
#include "state_write.h"

struct state_scan {
    const struct config *config;
    enum state_topic topic;
    struct bytes key;                               /* this one alone; size 0: all */
    struct state_writer *writer;                    /* only what its Redis may lack; NULL: all */
    bool (*wants)(void *context, struct bytes key); /* NULL: every key */
    /* Each that is wanted, in the order of its partition, instead of the latest; NULL: not. */
    void (*take)(void *context, struct bytes key, struct bytes value);
    void *context;
};
/* The exit code; on one that is not 0 it was said why. */
MUST_USE int state_scan(const struct state_scan *scan, struct latest *out);
