/* For the files that speak to librdkafka, and for them alone: the only place that
 * includes its header, so that its types go no further. */
#pragma once

#include "io/kafka.h"

#include <librdkafka/rdkafka.h>

/* A configuration with what the design fixes for every client, `fixed` (pairs; values
 * that are NULL are left out), and what the options pass through. NULL: `why` says why. */
rd_kafka_conf_t *kafka_conf_new(const struct kafka_options *options,
                                const struct kafka_property *fixed, uint32_t fixed_count,
                                char why[KAFKA_WHY_SIZE]);

/* Takes note of an error, a log line or statistics; true: it was one of these. */
bool kafka_health_event(struct kafka_health *health, rd_kafka_t *rk, rd_kafka_event_t *event,
                        uint64_t now_ns);
void kafka_health_up(struct kafka_health *health, bool up, uint64_t now_ns);
