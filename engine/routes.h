/* Builds a shard's routes from the config: limits, accounts with their origins, routes. */
#pragma once

#include "config.h"
#include "io/http.h"
#include "stage/route.h"

struct adapters;

/* False: `why` (256 bytes) says why. */
MUST_USE bool routes_open(struct routes *routes, const struct config *config,
                          const struct adapters *adapters, struct http *http, uint64_t late_ns,
                          char *why);
/* Takes over limits that changed; a limit that came or went counts from the next start. */
void routes_limit(struct routes *routes, const struct config *config);
void routes_close(struct routes *routes);
