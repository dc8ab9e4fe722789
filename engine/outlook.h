/* The evening before: a thread that reads once a minute what was deferred for the slots to
 * come (d1), and tells how long the worst release of the next hours will take, how many will
 * miss their expiry, and which limit binds. It costs Redis one HGETALL a slot and a minute. */
#pragma once

#include "adapters.h"
#include "config.h"

enum { OUTLOOK_WINDOWS = 5, OUTLOOK_LIMIT_SIZE = 96 };

struct outlook_window {
    const char *name; /* 1h, 6h, 12h, 24h, 48h */
    double clear_s, miss, count;
    int64_t start_ms; /* of the slot that takes longest; 0: nothing waits */
    char limit[OUTLOOK_LIMIT_SIZE];
};

struct outlook;
/* config and adapters stay the caller's. NULL: `why` says why. */
struct outlook *outlook_open(const struct config *config, const struct adapters *adapters,
                             char why[256]);
void outlook_close(struct outlook *outlook);
void outlook_reload(struct outlook *outlook, const struct config *config); /* its limits */

/* What was found last, and when; 0: nothing yet. Any thread. */
int64_t outlook_read(struct outlook *outlook, struct outlook_window out[OUTLOOK_WINDOWS]);

/* The same from a Redis at hand, as of now_ms. False: Redis does not answer. */
struct redis_sync;
MUST_USE bool outlook_look(const struct config *config, const struct adapters *adapters,
                           struct redis_sync *redis, int64_t now_ms,
                           struct outlook_window out[OUTLOOK_WINDOWS]);
