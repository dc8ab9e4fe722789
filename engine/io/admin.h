/* The admin port: a few pages by GET, on a thread of its own (libmicrohttpd), which
 * reads counters only. Nothing can be changed through it. */
#pragma once

#include "base/bytes.h"

#include <stdint.h>

struct admin;

struct admin_page {
    const char *path;
    const char *content_type;
    /* Writes the page and returns its HTTP status; called on the admin thread. */
    uint32_t (*write)(void *context, struct writer *w);
};

enum { ADMIN_WHY_SIZE = 200, ADMIN_PAGE_MAX = 1024 * 1024 };

/* address: "host:port", port 0: any. `pages` and `context` stay. NULL: `why` says why. */
MUST_USE struct admin *admin_open(const char *address, const struct admin_page *pages,
                                  uint32_t page_count, void *context, char why[ADMIN_WHY_SIZE]);
uint16_t admin_port(const struct admin *admin);
void admin_close(struct admin *admin);
