/* What of an event waits in the deferral topics, for `carillon why`: the partitions where its
 * record may lie are read, one of each slot. */
#pragma once

#include "carillon/v1/outcome.pb-c.h"
#include "config.h"
#include "domain/zones.h"

#include <stdio.h>

struct why_waiting;

/* Reads; interrupted or past the bound, what was found so far. Never NULL. `tenant` NULL: of
 * all tenants. */
struct why_waiting *why_waiting_read(const struct config *config, const char *event_id,
                                     const char *tenant);
void why_waiting_free(struct why_waiting *waiting);

/* An outcome of the event: what it ends does not wait. */
void why_waiting_ended(struct why_waiting *waiting, const Carillon__V1__Outcome *outcome);

/* Prints what waits, a sentence or a JSON object a record; says how many there are. */
uint32_t why_waiting_print(const struct why_waiting *waiting, bool json, FILE *out);
/* On standard error: how much was read, and what was not. */
void why_waiting_say(const struct why_waiting *waiting);
