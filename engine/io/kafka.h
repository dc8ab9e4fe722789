/* What consumer, producer and set-up have in common: where the brokers are, which
 * properties of librdkafka may be set, and how a client is doing. */
#pragma once

#include "base/base.h"

/* name=value, as librdkafka spells it; for what the config passes through. */
struct kafka_property {
    const char *name, *value;
};

struct kafka_options {
    const char *bootstrap; /* host:port, comma separated */
    const char *client_id; /* NULL: carillon */
    const struct kafka_property *properties;
    uint32_t property_count;
};

/* Properties that the design does not leave to the config, and why. */
struct kafka_forbidden {
    const char *name, *reason;
};
extern const struct kafka_forbidden kafka_forbidden[];
extern const uint32_t kafka_forbidden_count;
/* The reason why `name` may not be set; NULL: it may. */
const char *kafka_forbidden_reason(const char *name);

const char *kafka_library(void); /* librdkafka's version, as it was loaded */

enum { KAFKA_WHY_SIZE = 256 };

/* Whether librdkafka would take the properties; `why` says which not. */
MUST_USE bool kafka_options_check(const struct kafka_options *options, char why[KAFKA_WHY_SIZE]);

/* How a client is doing, for /readyz. */
struct kafka_health {
    bool up;           /* some broker answers */
    bool fatal;        /* consumer: of no use any more, open a new one */
    uint64_t since_ns; /* clock_mono_ns: since when up, or not up */
    char error[200];   /* the last one in words; empty: none yet */
};
