/* One thread per process that keeps Redis's cache of the state topics true (design
 * section 4): it applies suppressions, bookings and tenants in order, and writes the
 * marks and the epoch that the shards' gates ask for. */
#pragma once

#include "setup.h"

struct follower;

/* NULL: `why` says why (memory, threads, refused options). Waits for nobody. */
MUST_USE struct follower *follower_open(const struct config *config,
                                        const struct setup_found *found, char why[SETUP_WHY_SIZE]);
void follower_close(struct follower *follower);
