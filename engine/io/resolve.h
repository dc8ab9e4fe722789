/* Names to addresses on the loop, never blocking it. Literal addresses and /etc/hosts
 * are honoured, both families asked, TTLs respected, failures remembered for a moment. */
#pragma once

#include "base/err.h"
#include "base/list.h"
#include "io/loop.h"

#include <netinet/in.h>

enum { RESOLVE_ADDRESSES_MAX = 8 };

struct resolve;
/* `servers`: "address[:port],..." instead of those of /etc/resolv.conf; or NULL. */
MUST_USE struct resolve *resolve_open(struct loop *loop, const char *servers);
void resolve_close(struct resolve *r); /* waiting queries are forgotten, not called */

/* In the caller's memory, zeroed; `done` is called once, from loop_wait. */
struct resolve_query {
    struct list_node node;
    void (*done)(struct resolve_query *q);
    uint16_t port;
    enum err err;    /* ERR_OK, ERR_RESOLVE, ERR_TIMEOUT */
    const char *why; /* of a failure, in words; static */
    uint32_t count;
    struct sockaddr_storage addresses[RESOLVE_ADDRESSES_MAX]; /* with the port */
};
void resolve_start(struct resolve *r, struct resolve_query *q, const char *host, uint16_t port);
void resolve_cancel(struct resolve *r, struct resolve_query *q); /* waiting or not */

/* A literal IPv4 or IPv6 address (brackets allowed). */
MUST_USE bool resolve_literal(const char *host, uint16_t port, struct sockaddr_storage *out);
